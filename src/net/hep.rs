//! HEP, the Homer encapsulation: what a capture agent saw, sent on with the addresses, ports and time it saw it at.
//!
//! Follows the HEP/EEP specification, revision 12, for version 3 (`HEP3`, chunks of vendor, type and length), and the
//! structures of Kamailio's `sipcapture` module for versions 1 and 2. Called by `pipeline` for datagrams and for the
//! frames of a TCP connection.
//!
//! Keeps: a chunk that claims more than there is ends the reading; what was not captured whole says so; inflating
//! stops at [`MAX_INFLATED`] bytes and at [`MAX_RATIO`] times what was sent.
//!
//! # Incomplete support
//!
//! Vendors' own chunks, authentication keys and correlation ids are passed over. Addresses other than IPv4 and IPv6
//! are not read.

use std::borrow::Cow;
use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::evidence::Timestamp;
use crate::facts::{Hop, Transport};

/// Bytes that a compressed payload may have; a SIP message over UDP is no longer.
pub const MAX_INFLATED: u64 = 64 << 10;

/// How many times its compressed bytes a payload may have, beside [`FREE_BYTES`]. SIP shrinks to a third or a tenth; what
/// shrinks far more was made to fill the memory of whoever reads it.
pub const MAX_RATIO: u64 = 32;

/// Bytes that any compressed payload may have.
pub const FREE_BYTES: u64 = 1 << 10;

/// What HEP carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Capsule<'a> {
    /// What may be SIP.
    Sip(Inner<'a>),
    /// Another kind of payload: RTCP, logs, statistics.
    Other,
    /// Chunks that contradict themselves, are cut before the payload, or do not say between whom.
    Unreadable,
}

/// A payload as the agent saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inner<'a> {
    /// Between whom.
    pub hop: Hop,
    /// By which transport.
    pub transport: Transport,
    /// When, if the agent says so.
    pub at: Option<Timestamp>,
    /// The bytes.
    pub bytes: Cow<'a, [u8]>,
    /// Whether fewer bytes are here than the agent sent.
    pub truncated: bool,
    /// Whether they were cut at a limit of inflating.
    pub limited: bool,
}

const MAGIC: &[u8; 4] = b"HEP3";

/// Where `HEP3` stands next, from `from` on.
#[must_use]
pub fn find(bytes: &[u8], from: usize) -> Option<usize> {
    memchr::memmem::find(bytes.get(from..)?, MAGIC).map(|at| from + at)
}

/// How many bytes the HEP3 packet has that starts here; `None` when none does.
#[must_use]
pub fn length(bytes: &[u8]) -> Option<usize> {
    let ([magic @ .., high, low], _) = bytes.split_first_chunk::<6>()?;
    let length = usize::from(u16::from_be_bytes([*high, *low]));
    (magic == MAGIC && length > 6).then_some(length)
}

/// Whether a payload could be HEP.
#[inline]
#[must_use]
pub fn could_be(payload: &[u8]) -> bool {
    let first = payload.first_chunk::<4>();
    matches!(first, Some(MAGIC | [1 | 2, 16, 2, 6 | 17] | [1 | 2, 40, 10, 6 | 17]))
}

/// Takes the wrapping off; `None` when it is none.
///
/// Versions 1 and 2 have no magic number: what they carry is for the caller to believe.
#[must_use]
pub fn decode(payload: &[u8], truncated: bool) -> Option<Capsule<'_>> {
    if !could_be(payload) {
        return None;
    }
    Some(match payload.first_chunk::<4>() {
        Some(MAGIC) => version3(payload, truncated),
        _ => older(payload, truncated).map_or(Capsule::Unreadable, Capsule::Sip),
    })
}

/// What the chunks of one packet say.
#[derive(Default)]
struct Chunks<'a> {
    source: Option<IpAddr>,
    destination: Option<IpAddr>,
    source_port: u16,
    destination_port: u16,
    protocol: u8,
    seconds: Option<u32>,
    microseconds: u32,
    kind: Option<u8>,
    payload: Option<(&'a [u8], bool)>,
    deflated: bool,
}

fn version3(packet: &[u8], truncated: bool) -> Capsule<'_> {
    let Some(length) = length(packet) else { return Capsule::Unreadable };
    let mut rest = packet.get(..length).unwrap_or(packet).get(6..).unwrap_or_default();
    let mut cut = truncated || packet.len() < length;
    let mut chunks = Chunks::default();
    while let Some(([v0, v1, t0, t1, l0, l1], behind)) = rest.split_first_chunk::<6>() {
        let Some(size) = usize::from(u16::from_be_bytes([*l0, *l1])).checked_sub(6) else {
            cut = true;
            break;
        };
        let value = behind.get(..size).unwrap_or(behind);
        if [*v0, *v1] == [0, 0] {
            chunks.read(u16::from_be_bytes([*t0, *t1]), value, value.len() < size);
        }
        rest = behind.get(size..).unwrap_or_default();
    }
    match (chunks.kind, cut) {
        // Kind 1 is SIP.
        (Some(1), _) => chunks.inner().map_or(Capsule::Unreadable, Capsule::Sip),
        (Some(_), _) => Capsule::Other,
        (None, _) => Capsule::Unreadable,
    }
}

impl<'a> Chunks<'a> {
    fn read(&mut self, kind: u16, value: &'a [u8], cut: bool) {
        let number = || value.iter().fold(0_u32, |number, byte| number << 8 | u32::from(*byte));
        let short = || number() as u16;
        match (kind, value.len()) {
            (2, 1) => self.protocol = short() as u8,
            (3 | 5, 4 | 16) => self.source = address(value),
            (4 | 6, 4 | 16) => self.destination = address(value),
            (7, 2) => self.source_port = short(),
            (8, 2) => self.destination_port = short(),
            (9, 4) => self.seconds = Some(number()),
            (10, 4) => self.microseconds = number(),
            (11, 1) => self.kind = Some(short() as u8),
            (15, _) => self.payload = Some((value, cut)),
            (16, _) => {
                self.payload = Some((value, cut));
                self.deflated = true;
            }
            _ => {}
        }
    }

    fn inner(self) -> Option<Inner<'a>> {
        let (payload, mut truncated) = self.payload?;
        let mut bytes = Cow::Borrowed(payload);
        let mut limited = false;
        if self.deflated {
            let mut inflated = Vec::new();
            // What came before damage is kept; that it is not all is said.
            let most = MAX_INFLATED.min(FREE_BYTES + MAX_RATIO * payload.len() as u64);
            let read = flate2::read::ZlibDecoder::new(payload).take(most).read_to_end(&mut inflated);
            limited = inflated.len() as u64 == most;
            truncated |= read.is_err() || limited;
            bytes = Cow::Owned(inflated);
        }
        Some(Inner {
            hop: Hop {
                source: SocketAddr::new(self.source?, self.source_port),
                destination: SocketAddr::new(self.destination?, self.destination_port),
            },
            transport: transport(self.protocol),
            at: self.seconds.and_then(|seconds| time(seconds, self.microseconds)),
            bytes,
            truncated,
            limited,
        })
    }
}

/// Versions 1 and 2: version, length, family, protocol, ports, addresses; version 2 then has a time in the byte order
/// of the machines that write it, little-endian.
fn older(packet: &[u8], truncated: bool) -> Option<Inner<'_>> {
    let ([version, length, _, protocol, s0, s1, d0, d1], _) = packet.split_first_chunk::<8>()?;
    let addresses = packet.get(8..usize::from(*length))?;
    let (source, destination) = addresses.split_at_checked(addresses.len() / 2)?;
    let mut bytes = packet.get(usize::from(*length)..)?;
    let mut at = None;
    if *version == 2 {
        let ([a, b, c, d, e, f, g, h, _, _, _, _], behind) = bytes.split_first_chunk::<12>()?;
        at = time(u32::from_le_bytes([*a, *b, *c, *d]), u32::from_le_bytes([*e, *f, *g, *h]));
        bytes = behind;
    }
    Some(Inner {
        hop: Hop {
            source: SocketAddr::new(address(source)?, u16::from_be_bytes([*s0, *s1])),
            destination: SocketAddr::new(address(destination)?, u16::from_be_bytes([*d0, *d1])),
        },
        transport: transport(*protocol),
        at,
        bytes: Cow::Borrowed(bytes),
        truncated,
        limited: false,
    })
}

fn transport(protocol: u8) -> Transport {
    if protocol == 6 { Transport::Tcp } else { Transport::Udp }
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => bytes.first_chunk::<4>().map(|bytes| Ipv4Addr::from(*bytes).into()),
        _ => bytes.first_chunk::<16>().map(|bytes| Ipv6Addr::from(*bytes).into()),
    }
}

fn time(seconds: u32, microseconds: u32) -> Option<Timestamp> {
    (seconds > 0).then(|| Timestamp::new(i64::from(seconds) * 1_000_000_000 + i64::from(microseconds) * 1_000, 6))
}

#[cfg(test)]
mod tests {
    use super::super::sample::{hep as wrapped, hep_sip as packet};
    use super::*;

    fn inner(packet: &[u8]) -> Inner<'_> {
        match decode(packet, false) {
            Some(Capsule::Sip(inner)) => inner,
            other => panic!("{other:?}"),
        }
    }

    fn told(inner: &Inner<'_>) -> (String, String, Option<Timestamp>) {
        (inner.hop.source.to_string(), inner.hop.destination.to_string(), inner.at)
    }

    fn expected() -> (String, String, Option<Timestamp>) {
        ("203.0.113.5:5060".to_owned(), "192.0.2.9:5080".to_owned(), Some(Timestamp::new(1_000_000_007_000, 6)))
    }

    #[test]
    fn the_addresses_and_the_time_of_the_agent_count() {
        let bytes = packet(b"SIP/2.0 200 OK\r\n\r\n");
        let found = inner(&bytes);
        assert_eq!(told(&found), expected());
        assert_eq!((&*found.bytes, found.truncated), (&b"SIP/2.0 200 OK\r\n\r\n"[..], false));
        assert_eq!(length(&bytes), Some(bytes.len()));
    }

    #[test]
    fn a_compressed_payload_is_inflated() {
        use std::io::Write;
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(b"SIP/2.0 200 OK\r\n\r\n").expect("memory");
        let deflated = encoder.finish().expect("memory");
        let bytes = wrapped(1, 16, &deflated);
        assert_eq!(&*inner(&bytes).bytes, b"SIP/2.0 200 OK\r\n\r\n");
        let bytes = wrapped(1, 16, &deflated[..deflated.len() - 6]);
        assert!(inner(&bytes).truncated);
        let mut bomb = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
        bomb.write_all(&vec![b'a'; 3 << 20]).expect("memory");
        let bomb = bomb.finish().expect("memory");
        let bytes = wrapped(1, 16, &bomb);
        let found = inner(&bytes);
        assert!(found.truncated && found.limited);
        // Some 3 KB would do for 98 KB.
        assert_eq!(found.bytes.len(), 65_536);
        // 60 bytes for a kilobyte and 32 times as many.
        let small = wrapped(1, 16, bomb.get(..60).expect("a beginning"));
        assert!(inner(&small).truncated && inner(&small).limited);
        assert_eq!(inner(&small).bytes.len(), 1_024 + 32 * 60);
    }

    #[test]
    fn other_kinds_are_no_sip() {
        assert_eq!(decode(&wrapped(5, 15, b"{}"), false), Some(Capsule::Other));
        assert_eq!(decode(b"INVITE sip:a SIP/2.0\r\n\r\n", false), None);
        assert_eq!(decode(b"HEP3\0\x07\0", false), Some(Capsule::Unreadable));
    }

    #[test]
    fn versions_1_and_2_are_read() {
        let text = b"SIP/2.0 200 OK\r\n\r\n";
        let head = [16, 2, 17, 0x13, 0xc4, 0x13, 0xd8, 203, 0, 113, 5, 192, 0, 2, 9];
        let first = [&[1][..], &head, text].concat();
        assert_eq!(told(&inner(&first)), (expected().0, expected().1, None));
        assert_eq!(&*inner(&first).bytes, text);
        let time = [&1_000_u32.to_le_bytes()[..], &7_u32.to_le_bytes(), &[1, 0, 0, 0]].concat();
        let second = [&[2][..], &head, &time, text].concat();
        assert_eq!(told(&inner(&second)), expected());
        assert_eq!(&*inner(&second).bytes, text);
    }

    #[test]
    fn every_cut_is_told_or_unreadable() {
        let bytes = packet(b"SIP/2.0 200 OK\r\n\r\n");
        for cut in 0..bytes.len() {
            match decode(&bytes[..cut], true) {
                Some(Capsule::Sip(inner)) => assert!(inner.truncated, "{cut}"),
                None => assert!(cut < 4),
                Some(_) => {}
            }
        }
    }
}
