//! What a frame turns out to carry, and between whom.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::fragment::Fragment;
use super::tcp::Segment;
use crate::facts::{Hop, Transport};

/// What a frame carries. One of these for every frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packet<'a> {
    /// A part of an IP packet (RFC 791 §3.2, RFC 8200 §4.5).
    Fragment(Fragment<'a>),
    /// An ICMP or ICMPv6 message. What it quotes was sent elsewhere, or never arrived.
    Icmp,
    /// Another protocol over IP.
    IpOther,
    /// A header that is cut or contradicts itself.
    Malformed {
        /// Whether the capture cut it, rather than its sender.
        truncated: bool,
    },
    /// No IP at all.
    NotIp,
    /// A TCP segment.
    Tcp(Segment<'a>),
    /// More headers within headers than [`TUNNELS_LIMIT`](super::TUNNELS_LIMIT).
    TooDeep,
    /// A UDP datagram.
    Udp(Payload<'a>),
    /// The link type is none of those that are read.
    UnsupportedLink,
}

/// Bytes that one endpoint sent another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Payload<'a> {
    /// Between whom.
    pub ends: Ends,
    /// By which transport.
    pub transport: Transport,
    /// The bytes that were captured.
    pub bytes: &'a [u8],
    /// How many bytes were sent, by the transport's or the network's header.
    pub len: usize,
    /// Whether fewer bytes were captured than were sent.
    pub truncated: bool,
}

/// The two ends of a payload, as compact as the packet has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ends {
    /// Over IPv4: source and destination address, source and destination port, big-endian as on the wire.
    V4 {
        /// Both addresses.
        addresses: [u8; 8],
        /// Both ports.
        ports: [u8; 4],
    },
    /// Over IPv6, likewise.
    V6 {
        /// Both addresses.
        addresses: [u8; 32],
        /// Both ports.
        ports: [u8; 4],
    },
}

impl Ends {
    /// The same ends seen from the other side: who was the destination is the source.
    #[must_use]
    pub fn turned(&self) -> Self {
        match *self {
            Self::V4 { addresses: [a, b, c, d, e, f, g, h], ports: [s0, s1, d0, d1] } => {
                Self::V4 { addresses: [e, f, g, h, a, b, c, d], ports: [d0, d1, s0, s1] }
            }
            Self::V6 { mut addresses, ports: [s0, s1, d0, d1] } => {
                addresses.rotate_left(16);
                Self::V6 { addresses, ports: [d0, d1, s0, s1] }
            }
        }
    }

    /// The source and the destination port.
    #[must_use]
    #[inline]
    pub fn ports(&self) -> (u16, u16) {
        let (Self::V4 { ports: [s0, s1, d0, d1], .. } | Self::V6 { ports: [s0, s1, d0, d1], .. }) = *self;
        (u16::from_be_bytes([s0, s1]), u16::from_be_bytes([d0, d1]))
    }

    /// The two socket addresses.
    #[must_use]
    pub fn hop(&self) -> Hop {
        let of = |source: IpAddr, destination: IpAddr, [s0, s1, d0, d1]: [u8; 4]| Hop {
            source: SocketAddr::new(source, u16::from_be_bytes([s0, s1])),
            destination: SocketAddr::new(destination, u16::from_be_bytes([d0, d1])),
        };
        match *self {
            Self::V4 { addresses: [a, b, c, d, e, f, g, h], ports } => {
                of(Ipv4Addr::new(a, b, c, d).into(), Ipv4Addr::new(e, f, g, h).into(), ports)
            }
            Self::V6 { addresses, ports } => {
                let both = u128_pair(&addresses);
                of(Ipv6Addr::from(both.0).into(), Ipv6Addr::from(both.1).into(), ports)
            }
        }
    }
}

fn u128_pair(addresses: &[u8; 32]) -> (u128, u128) {
    let (source, destination) = addresses.split_at(16);
    let of = |bytes: &[u8]| bytes.iter().fold(0, |sum: u128, byte| sum << 8 | u128::from(*byte));
    (of(source), of(destination))
}
