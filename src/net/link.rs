//! Link-layer headers, down to IP.
//!
//! Follows the link-layer header types of tcpdump.org: 0 NULL, 1 Ethernet, 12, 14 and 101 raw IP, 108 LOOP, 113 Linux
//! cooked v1, 228 and 229 raw IPv4 and IPv6, 276 Linux cooked v2.
//!
//! # Incomplete support
//!
//! IEEE 802.3 frames with LLC, and what cooked headers mark as no EtherType, count as no IP.

use super::Packet;
use super::ip;
use crate::capture::{Frame, LinkType};

/// EtherTypes of VLAN tags: IEEE 802.1Q, 802.1ad, and the older ones of stacked tags.
const VLAN: [u16; 4] = [0x8100, 0x88a8, 0x9100, 0x9200];

const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;

/// ARPHRD values whose protocol field is no EtherType: netlink, and the IEEE 802.11 ones.
const ARPHRD_OTHER: [u16; 4] = [824, 801, 802, 803];

/// What a frame carries, by its link type.
#[inline]
pub(super) fn decode<'a>(frame: &Frame<'a>) -> Packet<'a> {
    let bytes = frame.bytes;
    match frame.link_type {
        LinkType(1) => ethernet(frame, bytes),
        other => uncommon(frame, other),
    }
}

#[inline]
fn ethernet<'a>(frame: &Frame<'a>, bytes: &'a [u8]) -> Packet<'a> {
    let Some((header, rest)) = bytes.split_first_chunk::<14>() else {
        return Packet::Malformed { truncated: frame.is_cut() };
    };
    let [.., high, low] = *header;
    ether_type(frame, u16::from_be_bytes([high, low]), rest)
}

#[inline]
fn ether_type<'a>(frame: &Frame<'a>, mut ether_type: u16, mut bytes: &'a [u8]) -> Packet<'a> {
    while VLAN.contains(&ether_type) {
        let Some(([_, _, high, low], rest)) = bytes.split_first_chunk::<4>() else {
            return Packet::Malformed { truncated: frame.is_cut() };
        };
        ether_type = u16::from_be_bytes([*high, *low]);
        bytes = rest;
    }
    match ether_type {
        IPV4 | IPV6 => ip::decode(bytes, frame.is_cut()),
        _ => Packet::NotIp,
    }
}

fn uncommon<'a>(frame: &Frame<'a>, link_type: LinkType) -> Packet<'a> {
    let bytes = frame.bytes;
    let malformed = Packet::Malformed { truncated: frame.is_cut() };
    match link_type.0 {
        12 | 14 | 101 | 228 | 229 => ip::decode(bytes, frame.is_cut()),
        // The address family, in the byte order of whoever captured; always big-endian in LOOP.
        0 | 108 => match bytes.split_first_chunk::<4>() {
            None => malformed,
            Some((family, rest)) => match u32::from_be_bytes(*family).min(u32::from_le_bytes(*family)) {
                2 | 10 | 24 | 28 | 30 => ip::decode(rest, frame.is_cut()),
                _ => Packet::NotIp,
            },
        },
        113 => match bytes.split_first_chunk::<16>() {
            None => malformed,
            Some(([_, _, hardware_high, hardware_low, .., high, low], rest)) => {
                cooked(frame, [*hardware_high, *hardware_low], [*high, *low], rest)
            }
        },
        276 => match bytes.split_first_chunk::<20>() {
            None => malformed,
            Some(([high, low, _, _, _, _, _, _, hardware_high, hardware_low, ..], rest)) => {
                cooked(frame, [*hardware_high, *hardware_low], [*high, *low], rest)
            }
        },
        _ => Packet::UnsupportedLink,
    }
}

fn cooked<'a>(frame: &Frame<'a>, hardware: [u8; 2], protocol: [u8; 2], rest: &'a [u8]) -> Packet<'a> {
    if ARPHRD_OTHER.contains(&u16::from_be_bytes(hardware)) {
        return Packet::NotIp;
    }
    ether_type(frame, u16::from_be_bytes(protocol), rest)
}
