//! Link-layer headers, down to IP.
//!
//! Follows the link-layer header types of tcpdump.org: 0 NULL, 1 Ethernet, 9 and 50 PPP, 12, 14 and 101 raw IP, 51 PPPoE,
//! 104 Cisco HDLC, 108 LOOP, 109 OpenBSD enc, 113 Linux cooked v1, 204 PPP with direction, 219 MPLS, 228 and 229 raw IPv4
//! and IPv6, 276 Linux cooked v2. Behind them EtherTypes: VLAN tags (IEEE 802.1Q, 802.1ad) of any number, provider
//! backbone bridging, MPLS (RFC 3032) and the pseudowires in it (RFC 4448), PPPoE sessions (RFC 2516), and IEEE 802.2
//! with SNAP in frames that state a length.
//!
//! # Design
//!
//! Behind an MPLS label stack nothing says what follows. As routers do, the first four bits decide: 4 and 6 are IP. Any
//! other value is Ethernet, behind a control word or not, whichever place shows an EtherType that is read.
//!
//! # Incomplete support
//!
//! IEEE 802.11, token ring and frame relay are not read. PPP multilink and compressed headers count as no IP.

use super::tunnel::{self, Layers};
use super::{Packet, Payload, ip};
use crate::capture::{Frame, LinkType};

/// EtherTypes of VLAN tags: IEEE 802.1Q, 802.1ad, and the older ones of stacked tags.
const VLAN: [u16; 4] = [0x8100, 0x88a8, 0x9100, 0x9200];

const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
const MPLS: [u16; 2] = [0x8847, 0x8848];

/// ARPHRD values whose protocol field is no EtherType: netlink, and the IEEE 802.11 ones.
const ARPHRD_OTHER: [u16; 4] = [824, 801, 802, 803];

/// What a frame carries, by its link type.
#[inline(never)]
pub(super) fn decode<'a>(frame: &Frame<'a>) -> Packet<'a> {
    let layers = Layers::of(frame);
    match frame.link_type {
        LinkType(1) => ethernet(frame.bytes, layers),
        other => uncommon(frame.bytes, other, layers),
    }
}

/// A whole UDP datagram in a frame of plain Ethernet and IP, of no tunnel: `None` for everything else.
#[inline(always)]
pub(super) fn plain<'a>(frame: &Frame<'a>) -> Option<Payload<'a>> {
    let ([.., high, low], rest) = frame.bytes.split_first_chunk::<14>()?;
    let is_ip = matches!(u16::from_be_bytes([*high, *low]), IPV4 | IPV6);
    if frame.link_type != LinkType(1) || !is_ip {
        return None;
    }
    ip::plain(rest).filter(|payload| !tunnel::may_begin(payload))
}

/// An Ethernet frame, without preamble.
#[inline]
pub(super) fn ethernet(bytes: &[u8], layers: Layers) -> Packet<'_> {
    let Some((header, rest)) = bytes.split_first_chunk::<14>() else { return layers.malformed() };
    let [.., high, low] = *header;
    match u16::from_be_bytes([high, low]) {
        IPV4 | IPV6 => ip::decode(rest, layers),
        other => ether_type(other, rest, layers),
    }
}

/// What follows an EtherType.
#[inline(never)]
pub(super) fn ether_type(mut ether_type: u16, mut bytes: &[u8], layers: Layers) -> Packet<'_> {
    while VLAN.contains(&ether_type) {
        let Some(([_, _, high, low], rest)) = bytes.split_first_chunk::<4>() else { return layers.malformed() };
        ether_type = u16::from_be_bytes([*high, *low]);
        bytes = rest;
    }
    match ether_type {
        IPV4 | IPV6 => ip::decode(bytes, layers),
        // The length of an IEEE 802.3 frame, or the stand-in for one (jumbo frames).
        0..=1_500 | 0x8870 => llc(bytes, layers),
        0x6558 => inner_ethernet(bytes, layers),
        0x8847 | 0x8848 => mpls(bytes, layers),
        0x8864 => pppoe(bytes, layers),
        0x880b => ppp(bytes, layers),
        0x88e7 => match bytes.split_first_chunk::<4>() {
            None => layers.malformed(),
            Some((_, rest)) => inner_ethernet(rest, layers),
        },
        _ => Packet::NotIp,
    }
}

/// An Ethernet frame inside something else.
pub(super) fn inner_ethernet(bytes: &[u8], layers: Layers) -> Packet<'_> {
    match layers.deeper() {
        None => Packet::TooDeep,
        Some(layers) => ethernet(bytes, layers),
    }
}

fn uncommon(bytes: &[u8], link_type: LinkType, layers: Layers) -> Packet<'_> {
    match link_type.0 {
        12 | 14 | 101 | 228 | 229 => ip::decode(bytes, layers),
        0 | 108 => match bytes.split_first_chunk::<4>() {
            None => layers.malformed(),
            Some((family, rest)) => address_family(*family, rest, layers),
        },
        109 => match bytes.split_first_chunk::<12>() {
            None => layers.malformed(),
            Some(([a, b, c, d, ..], rest)) => address_family([*a, *b, *c, *d], rest, layers),
        },
        113 => match bytes.split_first_chunk::<16>() {
            None => layers.malformed(),
            Some(([_, _, hardware_high, hardware_low, .., high, low], rest)) => {
                cooked([*hardware_high, *hardware_low], [*high, *low], rest, layers)
            }
        },
        276 => match bytes.split_first_chunk::<20>() {
            None => layers.malformed(),
            Some(([high, low, _, _, _, _, _, _, hardware_high, hardware_low, ..], rest)) => {
                cooked([*hardware_high, *hardware_low], [*high, *low], rest, layers)
            }
        },
        9 => ppp(bytes, layers),
        // Either PPP in HDLC-like framing or Cisco HDLC, by the address.
        50 | 104 => match bytes.split_first_chunk::<4>() {
            None => layers.malformed(),
            Some(([0x0f | 0x8f, _, high, low], rest)) => ether_type(u16::from_be_bytes([*high, *low]), rest, layers),
            Some(_) => ppp(bytes, layers),
        },
        51 => pppoe(bytes, layers),
        204 => match bytes.split_first() {
            None => layers.malformed(),
            Some((_, rest)) => ppp(rest, layers),
        },
        219 => mpls(bytes, layers),
        _ => Packet::UnsupportedLink,
    }
}

/// BSD's address family, in the byte order of whoever captured; always big-endian in LOOP.
fn address_family(family: [u8; 4], rest: &[u8], layers: Layers) -> Packet<'_> {
    match u32::from_be_bytes(family).min(u32::from_le_bytes(family)) {
        // IPv6 has another number on every system.
        2 | 10 | 23 | 24 | 28 | 30 => ip::decode(rest, layers),
        _ => Packet::NotIp,
    }
}

fn cooked(hardware: [u8; 2], protocol: [u8; 2], rest: &[u8], layers: Layers) -> Packet<'_> {
    if ARPHRD_OTHER.contains(&u16::from_be_bytes(hardware)) {
        return Packet::NotIp;
    }
    match u16::from_be_bytes(protocol) {
        4 => llc(rest, layers),
        // Novell's raw frames, CAN and the like.
        0..=1_500 => Packet::NotIp,
        other => ether_type(other, rest, layers),
    }
}

/// IEEE 802.2, with SNAP (RFC 1042) or with the service access point of IP.
fn llc(bytes: &[u8], layers: Layers) -> Packet<'_> {
    let Some(([destination, source, control], rest)) = bytes.split_first_chunk::<3>() else {
        return layers.malformed();
    };
    match (destination, source, control) {
        (0xaa, 0xaa, 3) => {
            let Some(([a, b, c, high, low], rest)) = rest.split_first_chunk::<5>() else { return layers.malformed() };
            let Some(layers) = layers.deeper() else { return Packet::TooDeep };
            match [*a, *b, *c] {
                // Ethernet's own types; bridge tunnels use the second (IEEE 802.1H).
                [0, 0, 0] | [0, 0, 0xf8] => ether_type(u16::from_be_bytes([*high, *low]), rest, layers),
                _ => Packet::NotIp,
            }
        }
        (6, 6, 3) => ip::decode(rest, layers),
        _ => Packet::NotIp,
    }
}

/// A label stack, up to its last entry.
pub(super) fn mpls(mut bytes: &[u8], layers: Layers) -> Packet<'_> {
    loop {
        let Some(([_, _, bottom, _], rest)) = bytes.split_first_chunk::<4>() else { return layers.malformed() };
        bytes = rest;
        if bottom & 1 == 1 {
            break;
        }
    }
    match bytes.first().map(|first| first >> 4) {
        None => layers.malformed(),
        Some(4 | 6) => ip::decode(bytes, layers),
        // An associated channel (RFC 4385): maintenance, no user's packet.
        Some(1) => Packet::NotIp,
        Some(first) => {
            let behind = bytes.get(4..).unwrap_or_default();
            let is_controlled = first == 0 && (shows_ether_type(behind) || !shows_ether_type(bytes));
            inner_ethernet(if is_controlled { behind } else { bytes }, layers)
        }
    }
}

/// Whether an Ethernet header here would have an EtherType that is read.
fn shows_ether_type(bytes: &[u8]) -> bool {
    bytes.get(12..).and_then(|rest| rest.first_chunk::<2>()).is_some_and(|ether_type| {
        let ether_type = u16::from_be_bytes(*ether_type);
        matches!(ether_type, IPV4 | IPV6 | 0x0806 | 0x8864) || VLAN.contains(&ether_type) || MPLS.contains(&ether_type)
    })
}

/// A PPPoE session packet (RFC 2516 §4).
fn pppoe(bytes: &[u8], layers: Layers) -> Packet<'_> {
    match bytes.split_first_chunk::<6>() {
        None => layers.malformed(),
        Some(([0x11, 0, ..], rest)) => ppp(rest, layers),
        Some(_) => Packet::NotIp,
    }
}

/// A PPP packet (RFC 1661), with or without the address and control of HDLC-like framing (RFC 1662), its protocol field
/// compressed or not.
pub(super) fn ppp(bytes: &[u8], layers: Layers) -> Packet<'_> {
    let bytes = bytes.strip_prefix(&[0xff, 3]).unwrap_or(bytes);
    let (protocol, rest) = match bytes {
        [] | [0xff] => return layers.malformed(),
        [low, rest @ ..] if low & 1 == 1 => (u16::from(*low), rest),
        [_] => return layers.malformed(),
        [high, low, rest @ ..] => (u16::from_be_bytes([*high, *low]), rest),
    };
    match protocol {
        0x0021 | 0x0057 => ip::decode(rest, layers),
        0x0281 | 0x0283 => mpls(rest, layers),
        _ => Packet::NotIp,
    }
}
