//! Fragments of IP packets, put together again.
//!
//! Follows RFC 791 §3.2 and RFC 8200 §4.5: fragments of one packet share addresses, protocol and identification. Given
//! them in the order of their capture, from one source or several; `pipeline` decides what to keep.
//!
//! # Design
//!
//! The bytes captured first win. Where a later fragment says otherwise, nobody knows which the receiver took (systems
//! differ, and attackers know): the packet is handed on as cut before the first such byte. A packet of which a part is
//! missing is handed on up to its first hole, cut, so that what its header did say can be read and nothing is missed
//! in what it did not.
//!
//! An identification has 16 bits in IPv4, and a busy sender uses it again within seconds: of two packets of which one
//! fragment each was captured, the two may fit. What the lengths or the checksum of UDP or TCP contradict does not belong
//! together, and only the first fragment is handed on, cut. Of a tunnel's packet the innermost are asked, too: VXLAN has no
//! checksum, GRE and IP in IP none that is asked. A checksum that the sender's hardware was to fill in says nothing.
//!
//! Keeps: any bytes in any order, time and memory linear in the fragments given, up to a logarithm.

use super::Ends;

/// No IP packet is longer, header included.
const MAX_PACKET_BYTES: usize = 65_535;

/// Fragments of one packet that are kept; no sane sender makes more of 65,535 bytes (RFC 8200 asks 1,280 of a link,
/// RFC 791 576 of a receiver).
pub const MAX_FRAGMENTS: usize = 256;

/// What the fragments of one packet share. The ports in the ends are zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Id {
    pub ends: Ends,
    pub protocol: u8,
    pub id: u32,
}

/// A part of an IP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fragment<'a> {
    /// Which packet.
    pub id: Id,
    /// Where in the packet's payload it stands, in bytes.
    pub offset: u32,
    /// Whether more of the packet follows.
    pub more: bool,
    /// The bytes that were captured.
    pub bytes: &'a [u8],
    /// Whether fewer bytes were captured than were sent.
    pub truncated: bool,
}

impl Fragment<'_> {
    /// Puts the packet, as far as this fragment shows it, in place of what `bytes` holds, to be decoded as one that was
    /// cut; `false` where it does not show the packet's beginning.
    pub fn begins(&self, bytes: &mut Vec<u8>) -> bool {
        bytes.clear();
        let header = (self.offset == 0).then(|| header(&self.id, self.bytes.len() + 1)).flatten();
        let begins = header.is_some();
        bytes.extend(header.unwrap_or_default());
        bytes.extend_from_slice(self.bytes);
        begins
    }
}

/// What fragments add up to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// The IP packet with a header of its own and no fragmentation, to be decoded like any other. Its header says how
    /// long it was where that is known, else that there is more than was captured.
    pub bytes: Vec<u8>,
    /// Whether bytes of it are missing or uncertain.
    pub cut: bool,
    /// Whether two fragments said different bytes of the same place.
    pub conflict: bool,
}

/// Whether fragments are a packet yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Joined {
    /// Everything from the first byte to the last is there.
    Whole(Packet),
    /// Something is missing; this is what there is from the first byte on, `None` if that is missing itself.
    Partial(Option<Packet>),
    /// Nothing is missing, but lengths or checksums say that they are of several packets; this is the first fragment.
    Several(Packet),
}

/// Puts the fragments of one packet together, given in the order of their capture.
#[must_use]
pub fn join(id: &Id, fragments: &[(u32, bool, bool, &[u8])]) -> Joined {
    // Where the packet ends: the first fragment that says so. A later one that says otherwise is a conflict.
    let mut end = None;
    let mut conflict_at = usize::MAX;
    for (offset, more, truncated, bytes) in fragments {
        let behind = *offset as usize + bytes.len();
        if *more || *truncated {
            continue;
        }
        match end {
            None => end = Some(behind),
            Some(known) if known != behind => conflict_at = conflict_at.min(known.min(behind)),
            Some(_) => {}
        }
    }
    let reach = fragments.iter().map(|(offset, _, _, bytes)| *offset as usize + bytes.len()).max().unwrap_or(0);
    if reach > MAX_PACKET_BYTES {
        // A packet that cannot be: nothing of it is believed.
        return Joined::Partial(None);
    }
    let mut payload = vec![0; reach];
    // Which bytes are known, as disjoint ranges by start.
    let mut known: Vec<(usize, usize)> = Vec::new();
    for (offset, _, _, bytes) in fragments {
        let (from, to) = (*offset as usize, *offset as usize + bytes.len());
        let mut at = from;
        let mut fresh = Vec::new();
        for (start, behind) in &known {
            if *behind <= at || *start >= to {
                continue;
            }
            if *start > at {
                fresh.push((at, *start));
            }
            let (low, high) = (at.max(*start), to.min(*behind));
            let (old, new) =
                (payload.get(low..high).unwrap_or_default(), bytes.get(low - from..high - from).unwrap_or_default());
            if let Some(differs) = old.iter().zip(new).position(|(old, new)| old != new) {
                conflict_at = conflict_at.min(low + differs);
            }
            at = high;
        }
        if at < to {
            fresh.push((at, to));
        }
        for (low, high) in fresh {
            if let (Some(place), Some(new)) = (payload.get_mut(low..high), bytes.get(low - from..high - from)) {
                place.copy_from_slice(new);
            }
            known.push((low, high));
        }
        known.sort_unstable();
        known.dedup_by(|next, before| {
            let touches = next.0 <= before.1;
            if touches {
                before.1 = before.1.max(next.1);
            }
            touches
        });
    }
    let from_start = known.first().filter(|(start, _)| *start == 0).map_or(0, |(_, behind)| *behind);
    let conflict = conflict_at != usize::MAX;
    let complete = end.is_some_and(|end| from_start >= end);
    // Beyond the end that the last fragment states nothing is believed.
    let end_seen = end.unwrap_or(usize::MAX);
    let first = fragments.iter().filter(|(offset, ..)| *offset == 0).map(|(_, _, _, bytes)| bytes.len()).min();
    let first = first.unwrap_or(0);
    let all = || header(id, end?).zip(payload.get(..end?)).map(|(header, payload)| [&header, payload].concat());
    let is_several = complete && first < end_seen && !all().is_none_or(|all| super::is_one(&all));
    let mut believed = from_start.min(end_seen).min(conflict_at);
    if is_several {
        believed = believed.min(first);
    }
    payload.truncate(believed);
    let packet = || {
        let sent = end.filter(|end| *end >= believed).unwrap_or(believed + 1);
        header(id, sent).map(|mut bytes| {
            bytes.append(&mut payload);
            Packet { bytes, cut: !complete || conflict || is_several, conflict }
        })
    };
    let Some(packet) = (believed > 0).then(packet).flatten() else { return Joined::Partial(None) };
    match (complete, is_several && !conflict) {
        (false, _) => Joined::Partial(Some(packet)),
        (true, true) => Joined::Several(packet),
        (true, false) => Joined::Whole(packet),
    }
}

/// An IP header without fragmentation for a payload of `sent` bytes; `None` when no header can say so much.
fn header(id: &Id, sent: usize) -> Option<Vec<u8>> {
    Some(match id.ends {
        Ends::V4 { addresses, .. } => {
            let [high, low] = u16::try_from(sent + 20).ok()?.to_be_bytes();
            let mut bytes = vec![0x45, 0, high, low, 0, 0, 0, 0, 64, id.protocol, 0, 0];
            bytes.extend(addresses);
            bytes
        }
        Ends::V6 { addresses, .. } => {
            let [high, low] = u16::try_from(sent).ok()?.to_be_bytes();
            let mut bytes = vec![0x60, 0, 0, 0, high, low, id.protocol, 64];
            bytes.extend(addresses);
            bytes
        }
    })
}

#[cfg(test)]
mod tests {
    use super::super::sample::{ip, udp};
    use super::super::{Packet as Decoded, decode_ip};
    use super::*;

    fn id(v6: bool) -> Id {
        let ends = if v6 {
            Ends::V6 { addresses: [7; 32], ports: [0; 4] }
        } else {
            Ends::V4 { addresses: [7; 8], ports: [0; 4] }
        };
        Id { ends, protocol: 17, id: 9 }
    }

    /// The UDP payload of what the fragments make, and whether it is truncated; `None` without any.
    fn seen(v6: bool, fragments: &[(u32, bool, bool, &[u8])]) -> (bool, Option<(Vec<u8>, bool)>) {
        let (whole, packet) = match join(&id(v6), fragments) {
            Joined::Whole(packet) => (true, Some(packet)),
            Joined::Partial(packet) => (false, packet),
            Joined::Several(packet) => (false, Some(packet)),
        };
        let payload = packet.and_then(|packet| match decode_ip(&packet.bytes, packet.cut) {
            Decoded::Udp(payload) => Some((payload.bytes.to_vec(), payload.truncated)),
            _ => None,
        });
        (whole, payload)
    }

    const TEXT: &[u8] = b"INVITE sip:a@b SIP/2.0\r\nCall-ID: 1\r\n\r\nand a body of some bytes";

    fn pieces(datagram: &[u8]) -> Vec<(u32, bool, bool, &[u8])> {
        let last = datagram.len().div_ceil(24) - 1;
        datagram.chunks(24).zip(0..).map(|(bytes, place)| (place * 24, place as usize != last, false, bytes)).collect()
    }

    #[test]
    fn any_order_and_any_copies_give_the_packet() {
        let datagram = udp(5060, 5060, TEXT);
        let pieces = pieces(&datagram);
        assert_eq!(pieces.len(), 3);
        for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            let shuffled: Vec<_> = order.iter().chain(&order).map(|place| pieces[*place]).collect();
            for v6 in [false, true] {
                assert_eq!(seen(v6, &shuffled), (true, Some((TEXT.to_vec(), false))));
            }
        }
    }

    #[test]
    fn what_is_missing_leaves_the_bytes_before_it_cut() {
        let datagram = udp(5060, 5060, TEXT);
        let pieces = pieces(&datagram);
        for v6 in [false, true] {
            assert_eq!(seen(v6, &[pieces[0], pieces[2]]), (false, Some((TEXT[..16].to_vec(), true))));
            assert_eq!(seen(v6, &[pieces[0], pieces[1]]), (false, Some((TEXT[..40].to_vec(), true))));
            assert_eq!(seen(v6, &[pieces[1], pieces[2]]), (false, None));
            assert_eq!(seen(v6, &[]), (false, None));
        }
    }

    #[test]
    fn a_fragment_that_the_snapshot_length_cut_leaves_a_hole() {
        let datagram = udp(5060, 5060, TEXT);
        let mut pieces = pieces(&datagram);
        pieces[1] = (24, true, true, &datagram[24..30]);
        assert_eq!(seen(false, &pieces), (false, Some((TEXT[..22].to_vec(), true))));
    }

    #[test]
    fn the_first_bytes_win_and_a_conflict_cuts() {
        let datagram = udp(5060, 5060, TEXT);
        let mut fragments = pieces(&datagram);
        let other = [b'x'; 24];
        fragments.insert(2, (24, true, false, &other));
        let Joined::Whole(packet) = join(&id(false), &fragments) else { panic!() };
        assert!(packet.conflict && packet.cut);
        assert_eq!(seen(false, &fragments), (true, Some((TEXT[..16].to_vec(), true))));
        // An overlap that says the same is none.
        fragments[2] = (16, true, false, &datagram[16..40]);
        assert_eq!(seen(false, &fragments), (true, Some((TEXT.to_vec(), false))));
    }

    /// A datagram between the addresses of `id`, with its checksum.
    fn summed(v6: bool, text: &[u8]) -> Vec<u8> {
        let mut datagram = udp(5060, 5060, text);
        let length = datagram.len() as u32;
        let addresses = if v6 { 16 } else { 4 } * 0x0707;
        let words = datagram.chunks(2).map(|pair| u32::from(pair[0]) * 256 + u32::from(*pair.get(1).unwrap_or(&0)));
        let mut sum: u32 = words.sum::<u32>() + addresses + 17 + length;
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        datagram[6..8].copy_from_slice(&(!(sum as u16)).to_be_bytes());
        datagram
    }

    #[test]
    fn fragments_of_two_datagrams_that_fit_are_told_apart_by_the_checksum() {
        for v6 in [false, true] {
            let (one, other) = (summed(v6, TEXT), summed(v6, &TEXT.to_ascii_uppercase()));
            let (first, second) = (pieces(&one), pieces(&other));
            assert_eq!(seen(v6, &first), (true, Some((TEXT.to_vec(), false))));
            for mixed in [[first[0], first[1], second[2]], [first[0], second[1], second[2]]] {
                assert_eq!(seen(v6, &mixed), (false, Some((TEXT[..16].to_vec(), true))));
            }
            assert_eq!(seen(v6, &[second[2], second[1], second[0]]).1, Some((TEXT.to_ascii_uppercase(), false)));
        }
        // Left to the hardware, or not made: they say nothing.
        let (text, pseudo) = (TEXT.to_ascii_lowercase(), 4 * 0x0707 + 17 + TEXT.len() as u16 + 8);
        for stated in [0, pseudo] {
            let mut datagram = udp(5060, 5060, &text);
            datagram[6..8].copy_from_slice(&stated.to_be_bytes());
            assert_eq!(seen(false, &pieces(&datagram)), (true, Some((text.clone(), false))), "{stated}");
        }
    }

    #[test]
    fn a_datagram_longer_or_shorter_than_what_fits_is_another() {
        for make in [udp, |_, _, text: &[u8]| summed(false, text)] {
            let upper = TEXT.to_ascii_uppercase();
            let (long, short) = (make(5060, 5060, &upper.repeat(2)), make(5060, 5060, TEXT));
            let (long, short) = (pieces(&long), pieces(&short));
            assert_eq!(seen(false, &long), (true, Some((upper.repeat(2), false))));
            // The end of the one behind the beginning of the other.
            let ended = [long[0], long[1], short[2]];
            assert_eq!(seen(false, &ended), (false, Some((upper[..16].to_vec(), true))));
            let mixed: Vec<_> = short[..2].iter().chain(&long[2..]).copied().collect();
            assert_eq!(seen(false, &mixed), (false, Some((TEXT[..16].to_vec(), true))));
        }
    }

    #[test]
    fn fragments_of_two_packets_of_a_tunnel_are_told_apart_by_what_is_inside() {
        type Wrap = fn(&[u8]) -> Vec<u8>;
        let tunnels: [(u8, Wrap); 3] = [
            (4, |inner| inner.to_vec()),
            (47, |inner| [&[0, 0, 8, 0][..], inner].concat()),
            (17, |inner| {
                let frame = super::super::sample::ethernet(0x0800, inner);
                udp(50_000, 4_789, &[&[8, 0, 0, 0, 0, 0, 5, 0][..], &frame].concat())
            }),
        ];
        let packet = |text: &[u8]| ip("7.7.7.7", "7.7.7.7", 17, &summed(false, text));
        let one = packet(TEXT);
        for (protocol, wrap) in tunnels {
            let id = Id { protocol, ..id(false) };
            let upper = TEXT.to_ascii_uppercase();
            for other in [packet(&upper), packet(&upper.repeat(2)), packet(&upper[..50])] {
                let (one, other) = (wrap(&one), wrap(&other));
                let (first, second) = (pieces(&one), pieces(&other));
                let Joined::Whole(whole) = join(&id, &first) else { panic!("{protocol}") };
                assert!(!whole.cut);

                let mixed: Vec<_> = first[..3].iter().chain(&second[3..]).copied().collect();
                let Joined::Several(begun) = join(&id, &mixed) else { panic!("{protocol}") };
                assert!(begun.cut);
                assert_eq!(begun.bytes[20..], one[..24], "{protocol}: the first fragment");
            }
        }
    }

    #[test]
    fn two_ends_or_too_long_a_packet_are_not_believed() {
        let datagram = udp(5060, 5060, TEXT);
        let mut fragments = pieces(&datagram);
        fragments.push((24, false, false, &datagram[24..40]));
        let Joined::Whole(packet) = join(&id(false), &fragments) else { panic!() };
        assert!(packet.conflict && packet.cut);
        assert_eq!(join(&id(false), &[(65_528, false, false, &datagram[..24])]), Joined::Partial(None));
    }
}
