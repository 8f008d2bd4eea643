//! RTP that begins in a fragment of an IP packet, of whatever packet within that.
//!
//! Nothing of RTP is used but its header, which stands in the first fragment or nowhere: senders and tunnels cut in
//! hundreds of bytes. So it is counted as it is met, whatever becomes of the packet's other parts.

use super::packet::{Header, Kind, header_len, recognise};
use crate::net::fragment::Fragment;
use crate::net::{self, Ends, Packet, TUNNELS_LIMIT};

/// RTP whose header a fragment shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Begun {
    /// Between whom, by the innermost addresses.
    pub ends: Ends,
    /// Its header.
    pub header: Header,
    /// How many bytes of the fragment come up to the end of the header.
    pub up_to: usize,
}

/// The RTP that begins in `fragment`. `scratch` is made use of.
#[must_use]
pub fn begun(fragment: &Fragment<'_>, scratch: &mut Vec<u8>) -> Option<Begun> {
    within(fragment, scratch, TUNNELS_LIMIT)
}

fn within(fragment: &Fragment<'_>, scratch: &mut Vec<u8>, left: u8) -> Option<Begun> {
    if !fragment.begins(scratch) {
        return None;
    }
    let before = scratch.len() - fragment.bytes.len();
    let start = scratch.as_ptr().addr();
    // What is decoded is a part of it, so their places in memory say where.
    let place = |bytes: &[u8]| bytes.as_ptr().addr().saturating_sub(start).saturating_sub(before);
    match net::decode_ip(scratch, true) {
        Packet::Udp(payload) => match recognise(payload.bytes, payload.len) {
            Kind::Rtp(header) => {
                let up_to = place(payload.bytes) + header_len(payload.bytes);
                Some(Begun { ends: payload.ends, header, up_to })
            }
            _ => None,
        },
        // What a tunnel carries was fragmented before.
        Packet::Fragment(inner) => {
            let before = place(inner.bytes);
            let begun = within(&inner, &mut Vec::new(), left.checked_sub(1)?)?;
            Some(Begun { up_to: before + begun.up_to, ..begun })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::{Frame, LinkType};
    use crate::evidence::Timestamp;
    use crate::net::sample::{ethernet, ip, rtp, udp};

    const SENDER: &str = "203.0.113.5";
    const RECEIVER: &str = "192.0.2.9";

    /// An IPv4 packet as the first fragment of a longer one, up to its `kept`th byte behind the header; or the rest.
    fn cut(mut packet: Vec<u8>, kept: usize, first: bool) -> Vec<u8> {
        let rest = packet.split_off(20 + kept);
        packet[6] = 0x20;
        if !first {
            packet.truncate(20);
            packet.extend(rest);
            packet[6..8].copy_from_slice(&(kept as u16 / 8).to_be_bytes());
        }
        let total = packet.len() as u16;
        packet[2..4].copy_from_slice(&total.to_be_bytes());
        packet
    }

    fn read(packet: &[u8]) -> Option<Begun> {
        let at = Timestamp::new(0, 9);
        let frame = Frame { bytes: packet, original_len: packet.len() as u32, at, record: 1, link_type: LinkType(101) };
        let Packet::Fragment(fragment) = net::decode(&frame) else { panic!("no fragment") };
        begun(&fragment, &mut Vec::new())
    }

    #[test]
    fn a_first_fragment_shows_the_header_and_where_it_ends() {
        let datagram = udp(4000, 6000, &rtp(7, 9, 1_988));
        let sent = ip(SENDER, RECEIVER, 17, &datagram);
        let found = read(&cut(sent.clone(), 1_480, true)).expect("RTP");
        assert_eq!(found.header, Header { sequence: 9, ssrc: 7, size: 1_988 }, "as it was sent");
        assert_eq!((found.ends.ports(), found.up_to), ((4000, 6000), 8 + 12));
        assert_eq!(read(&cut(sent.clone(), 1_480, false)), None);
        // In GRE and in VXLAN whose packets were fragmented on their way.
        let inner = ip(SENDER, RECEIVER, 17, &udp(4000, 6000, &rtp(7, 9, 1_452)));
        let gre = ip("10.0.0.1", "10.0.0.2", 47, &[&[0, 0, 8, 0][..], &inner].concat());
        let found = read(&cut(gre, 1_480, true)).expect("RTP");
        assert_eq!((found.ends.hop().source.to_string(), found.header.size), ("203.0.113.5:4000".to_owned(), 1_452));
        assert_eq!(found.up_to, 4 + 20 + 8 + 12);
        let frame = [&[8, 0, 0, 0, 0, 0, 5, 0][..], &ethernet(0x0800, &inner)].concat();
        let vxlan = ip("10.0.0.1", "10.0.0.2", 17, &udp(50_000, 4_789, &frame));
        assert_eq!(read(&cut(vxlan, 1_480, true)).expect("RTP").up_to, 8 + 8 + 14 + 20 + 8 + 12);
        // Fragments within fragments.
        let inner = cut(sent, 1_480, true);
        let gre = ip("10.0.0.1", "10.0.0.2", 47, &[&[0, 0, 8, 0][..], &inner].concat());
        let found = read(&cut(gre, 1_480, true)).expect("RTP");
        assert_eq!((found.header.size, found.up_to), (1_988, 4 + 20 + 8 + 12));
    }

    #[test]
    fn what_shows_no_header_of_rtp_is_none() {
        let sip = udp(4000, 6000, &[b'I'; 1_988]);
        assert_eq!(read(&cut(ip(SENDER, RECEIVER, 17, &sip), 1_480, true)), None);
        let media = udp(4000, 6000, &rtp(7, 9, 1_988));
        assert_eq!(read(&cut(ip(SENDER, RECEIVER, 17, &media), 16, true)), None, "cut within it");
        assert_eq!(read(&cut(ip(SENDER, RECEIVER, 6, &media), 1_480, true)), None);
    }
}
