//! Tunnels: what an IP packet or a UDP datagram carries on behalf of somebody else, down to the innermost IP.
//!
//! Over IP: IP in IP (RFC 2003), 6in4 (RFC 4213), GRE (RFC 2784, 2890, 1701) with ERSPAN I, II and III
//! (draft-foschiano-erspan) and PPTP's version (RFC 2637), EtherIP (RFC 3378), MPLS in IP (RFC 4023). Over UDP: VXLAN
//! (RFC 7348) with its group policy and generic protocol variants, GENEVE (RFC 8926), GTP-U (3GPP TS 29.281), GUE
//! (draft-ietf-intarea-gue), Teredo (RFC 4380), L2TPv2 (RFC 2661). Called by `ip` for protocols that it does not end at,
//! and for datagrams that may begin a tunnel; calls back into `ip` and `link` for what is inside. The innermost
//! addresses are the ones that count.
//!
//! Keeps: no more than [`TUNNELS_LIMIT`] headers of a frame are followed; every way through ends in one [`Packet`].
//!
//! # Design
//!
//! A tunnel over UDP is told by a port of its own *and* a header that can be one, never by the port alone. Those headers
//! begin with a byte that neither RTP (version 2) nor the first letter of a SIP message has, or else state a length that
//! must be the datagram's: so media and signalling on a tunnel's port stay what they are, and the most common packet,
//! RTP, costs one comparison.
//!
//! # Incomplete support
//!
//! ESP is opaque. L2TPv3, MPLS over UDP and Foo over UDP on a port of the site's choice are not followed; they count as
//! UDP.

use super::{Packet, Payload, ip, link};
use crate::capture::Frame;

/// Headers within headers that are followed in one frame.
pub const TUNNELS_LIMIT: u8 = 8;

/// How far the headers of a frame have been followed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layers {
    /// Whether fewer bytes of it were captured than were sent.
    pub(super) cut: bool,
    /// How many more may follow.
    left: u8,
    /// Whether a packet whose lengths or checksum contradict it is malformed.
    pub(super) is_checked: bool,
}

impl Layers {
    /// At the first header of a frame.
    #[inline]
    pub(super) fn of(frame: &Frame<'_>) -> Self {
        Self { cut: frame.is_cut(), left: TUNNELS_LIMIT, is_checked: false }
    }

    /// At the header of a packet that was put together of fragments.
    pub(super) fn joined(cut: bool) -> Self {
        Self { cut, left: TUNNELS_LIMIT, is_checked: false }
    }

    /// At the header of one of which nothing is missing, but whose fragments may be of several.
    pub(super) fn checked() -> Self {
        Self { is_checked: true, ..Self::joined(false) }
    }

    /// One layer further in; `None` beyond the limit.
    pub(super) fn deeper(self) -> Option<Self> {
        Some(Self { left: self.left.checked_sub(1)?, ..self })
    }

    /// Within a payload that is `truncated` or not.
    pub(super) fn within(self, truncated: bool) -> Self {
        Self { cut: self.cut || truncated, ..self }
    }

    /// A header that is cut or contradicts itself.
    pub(super) fn malformed<'a>(self) -> Packet<'a> {
        Packet::Malformed { truncated: self.cut }
    }
}

/// What an IP packet of `protocol` carries; `None` when that protocol is no tunnel.
pub(super) fn over_ip(protocol: u8, bytes: &[u8], layers: Layers) -> Option<Packet<'_>> {
    let inner = match protocol {
        4 | 41 => Inner::Ip(bytes),
        47 => gre(bytes),
        97 => match bytes.split_first_chunk::<2>() {
            None => Inner::Cut,
            Some(([0x30, 0], rest)) => Inner::Ethernet(rest),
            Some(_) => return None,
        },
        137 => Inner::Mpls(bytes),
        _ => return None,
    };
    Some(inner.decode(layers))
}

/// Whether a datagram may begin a tunnel. Its first byte is neither of RTP's version, but for VXLAN with a group policy;
/// and one of its ports is a tunnel's.
#[inline(always)]
pub(super) fn may_begin(payload: &Payload<'_>) -> bool {
    let (source, destination) = payload.ends.ports();
    payload.bytes.first().is_some_and(|first| first >> 6 != 2 || *first == 0x88)
        && (is_of_tunnel(source) || is_of_tunnel(destination))
}

/// The ports of [`over_port`].
#[inline(always)]
const fn is_of_tunnel(port: u16) -> bool {
    matches!(port, 1_701 | 2_152 | 3_544 | 4_789 | 8_472 | 4_790 | 6_080 | 6_081)
}

/// What a datagram carries: itself, or what is inside the tunnel that it is.
#[inline(never)]
pub(super) fn over_udp<'a>(payload: Payload<'a>, layers: Layers) -> Packet<'a> {
    let (source, destination) = payload.ends.ports();
    let inner = over_port(destination, payload.bytes, payload.len)
        .or_else(|| over_port(source, payload.bytes, payload.len).filter(|_| payload.bytes.first() != Some(&0x88)));
    match inner {
        None => Packet::Udp(payload),
        Some(inner) => inner.decode(layers.within(payload.truncated)),
    }
}

/// What a tunnel turns out to carry.
enum Inner<'a> {
    /// The tunnel's own header is cut.
    Cut,
    /// An Ethernet frame.
    Ethernet(&'a [u8]),
    /// What that EtherType says.
    EtherType(u16, &'a [u8]),
    /// An IP packet of the version it states.
    Ip(&'a [u8]),
    /// A label stack.
    Mpls(&'a [u8]),
    /// No user's packet: keep-alives, acknowledgements, protocols that are not followed.
    Nothing,
    /// An IP payload of that protocol.
    Protocol(u8, &'a [u8]),
    /// A PPP packet.
    Ppp(&'a [u8]),
}

impl<'a> Inner<'a> {
    fn decode(self, layers: Layers) -> Packet<'a> {
        let Some(layers) = layers.deeper() else { return Packet::TooDeep };
        match self {
            Self::Cut => layers.malformed(),
            Self::Ethernet(bytes) => link::ethernet(bytes, layers),
            Self::EtherType(ether_type, bytes) => link::ether_type(ether_type, bytes, layers),
            Self::Ip(bytes) => ip::decode(bytes, layers),
            Self::Mpls(bytes) => link::mpls(bytes, layers),
            Self::Nothing => Packet::IpOther,
            Self::Protocol(protocol, bytes) => over_ip(protocol, bytes, layers).unwrap_or(Packet::IpOther),
            Self::Ppp(bytes) => link::ppp(bytes, layers),
        }
    }
}

/// Takes `count` bytes off the front.
fn skip(bytes: &[u8], count: usize) -> Option<&[u8]> {
    bytes.get(count..)
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk::<2>().map(|word| u16::from_be_bytes(*word))
}

fn gre(bytes: &[u8]) -> Inner<'_> {
    gre_whole(bytes).unwrap_or(Inner::Cut)
}

/// `None` when the header is cut.
fn gre_whole(bytes: &[u8]) -> Option<Inner<'_>> {
    let flags = u16_at(bytes, 0)?;
    let protocol = u16_at(bytes, 2)?;
    let has = |flag: u16| flags & flag != 0;
    let word = |flag: u16| if has(flag) { 4 } else { 0 };
    let rest = skip(bytes, 4)?;
    match flags & 7 {
        0 => {
            // Checksum and offset stand there if either of two flags says so.
            let mut rest = skip(rest, word(0xc000) + word(0x2000) + word(0x1000))?;
            while has(0x4000) {
                // Source routes (RFC 1701), up to one without family and length.
                let (family, length) = (u16_at(rest, 0)?, *rest.get(3)?);
                rest = skip(rest, 4 + usize::from(length))?;
                if family == 0 && length == 0 {
                    break;
                }
            }
            Some(match protocol {
                0x88be => erspan(rest, has(0x1000))?,
                0x22eb => erspan_three(rest)?,
                // Redirected by WCCP: version 2 has a header of its own.
                0x883e => Inner::Ip(if rest.first()? >> 4 == 4 { rest } else { skip(rest, 4)? }),
                0..=1_500 => Inner::Nothing,
                other => Inner::EtherType(other, rest),
            })
        }
        1 if protocol == 0x880b => {
            let sequenced = has(0x1000);
            let rest = skip(rest, 4 + word(0x1000) + word(0x0080))?;
            Some(if sequenced { Inner::Ppp(rest) } else { Inner::Nothing })
        }
        _ => Some(Inner::Nothing),
    }
}

/// ERSPAN I has no header and no sequence number in GRE; II has both.
fn erspan(bytes: &[u8], sequenced: bool) -> Option<Inner<'_>> {
    Some(Inner::Ethernet(if sequenced { skip(bytes, 8)? } else { bytes }))
}

fn erspan_three(bytes: &[u8]) -> Option<Inner<'_>> {
    let rest = skip(bytes, 12)?;
    let flags = u16_at(bytes, 10)?;
    // A platform's own header may follow.
    let rest = if flags & 1 == 1 { skip(rest, 8)? } else { rest };
    Some(match flags >> 10 & 0x1f {
        0 => Inner::Ethernet(rest),
        2 => Inner::Ip(rest),
        _ => Inner::Nothing,
    })
}

/// What a datagram to or from `port`, one of a tunnel, carries for somebody else; `None` when it is no tunnel, or not to be told for one.
fn over_port(port: u16, bytes: &[u8], len: usize) -> Option<Inner<'_>> {
    match port {
        1_701 => l2tp(bytes, len),
        2_152 => gtp(bytes, len),
        3_544 => teredo(bytes, len),
        4_789 | 8_472 => vxlan(bytes),
        4_790 => vxlan_generic(bytes),
        6_080 => gue(bytes, len),
        6_081 => geneve(bytes),
        _ => None,
    }
}

fn vxlan(bytes: &[u8]) -> Option<Inner<'_>> {
    let ([flags, policy, group0, group1, _, _, _, reserved], rest) = bytes.split_first_chunk::<8>()?;
    match (flags, reserved) {
        (0x08, 0) if [*policy, *group0, *group1] == [0; 3] => Some(Inner::Ethernet(rest)),
        // A group policy's first byte is that of RTP with 8 contributing sources: Ethernet must show itself.
        (0x88, 0) if policy & 0xb7 == 0 && matches!(u16_at(rest, 12)?, 0x0800 | 0x86dd | 0x8100 | 0x0806) => {
            Some(Inner::Ethernet(rest))
        }
        _ => None,
    }
}

/// With a next protocol (draft-ietf-nvo3-vxlan-gpe).
fn vxlan_generic(bytes: &[u8]) -> Option<Inner<'_>> {
    let ([flags, 0, 0, next, _, _, _, 0], rest) = bytes.split_first_chunk::<8>()? else { return None };
    match (flags & 0xfe, next) {
        (0x08, 0) | (0x0c, 3) => Some(Inner::Ethernet(rest)),
        (0x0c, 1 | 2) => Some(Inner::Ip(rest)),
        (0x0c, 5) => Some(Inner::Mpls(rest)),
        _ => None,
    }
}

fn geneve(bytes: &[u8]) -> Option<Inner<'_>> {
    let ([first, flags, high, low, _, _, _, 0], rest) = bytes.split_first_chunk::<8>()? else { return None };
    // Version 0.
    if first >> 6 != 0 || flags & 0x3f != 0 {
        return None;
    }
    let rest = skip(rest, usize::from(first & 0x3f) * 4);
    match u16::from_be_bytes([*high, *low]) {
        // The header is known by now, so options that are not there were cut.
        ether_type @ (0x0800 | 0x6558 | 0x86dd | 0x8847 | 0x8848) => Some(match (rest, ether_type) {
            (None, _) => Inner::Cut,
            (Some(rest), 0x6558) => Inner::Ethernet(rest),
            (Some(rest), _) => Inner::EtherType(ether_type, rest),
        }),
        _ => None,
    }
}

/// A G-PDU; all other messages are the tunnel's own.
fn gtp(bytes: &[u8], len: usize) -> Option<Inner<'_>> {
    let ([flags, 255, high, low, ..], rest) = bytes.split_first_chunk::<8>()? else { return None };
    // Version 1, protocol type GTP; the length counts what follows the first 8 bytes.
    if flags & 0xf8 != 0x30 || 8 + usize::from(u16::from_be_bytes([*high, *low])) > len {
        return None;
    }
    Some(gtp_payload(*flags, rest).unwrap_or(Inner::Cut))
}

/// `None` when a header is cut.
fn gtp_payload(flags: u8, bytes: &[u8]) -> Option<Inner<'_>> {
    let mut rest = bytes;
    if flags & 7 != 0 {
        let (&[_, _, _, mut next], behind) = rest.split_first_chunk::<4>()?;
        rest = behind;
        while flags & 4 != 0 && next != 0 {
            // Its length is counted in words, and its last byte names the next.
            let words = usize::from(*rest.first()?).max(1);
            next = *rest.get(words * 4 - 1)?;
            rest = skip(rest, words * 4)?;
        }
    }
    Some(match rest.first()? >> 4 {
        4 | 6 => Inner::Ip(rest),
        _ => Inner::Nothing,
    })
}

fn gue(bytes: &[u8], len: usize) -> Option<Inner<'_>> {
    let [first, protocol, ..] = *bytes.first_chunk::<4>()?;
    match first >> 6 {
        // Variant 0, no control message: the number of an IP protocol, and options.
        0 if first & 0x20 == 0 && matches!(protocol, 4 | 41 | 47 | 97 | 137) => {
            Some(match skip(bytes, 4 + usize::from(first & 0x1f) * 4) {
                None => Inner::Cut,
                Some(rest) => Inner::Protocol(protocol, rest),
            })
        }
        // Variant 1: the first bits of an IP packet.
        1 => whole_ip(bytes, len),
        _ => None,
    }
}

/// An IP packet that states the length of the datagram around it.
fn whole_ip(bytes: &[u8], len: usize) -> Option<Inner<'_>> {
    let stated = match bytes.first()? >> 4 {
        4 => usize::from(u16_at(bytes, 2)?),
        6 => 40 + usize::from(u16_at(bytes, 4)?),
        _ => return None,
    };
    (stated == len).then_some(Inner::Ip(bytes))
}

fn teredo(mut bytes: &[u8], mut len: usize) -> Option<Inner<'_>> {
    // Authentication: lengths of the client's identifier and of the value, then both, a nonce and a confirmation.
    if let [0, 1, client, value, ..] = bytes {
        let header = 13 + usize::from(*client) + usize::from(*value);
        (bytes, len) = (skip(bytes, header)?, len.checked_sub(header)?);
    }
    // Origin indication.
    if let [0, 0, ..] = bytes {
        (bytes, len) = (skip(bytes, 8)?, len.checked_sub(8)?);
    }
    if bytes.first()? >> 4 == 6 { whole_ip(bytes, len) } else { None }
}

/// A data message of version 2.
fn l2tp(bytes: &[u8], len: usize) -> Option<Inner<'_>> {
    let flags = u16_at(bytes, 0)?;
    // Reserved bits are zero, the version is 2; a control message has the top bit.
    if flags & 0xb4ff != 0x0002 {
        return None;
    }
    let mut at = 2;
    if flags & 0x4000 != 0 {
        if usize::from(u16_at(bytes, at)?) != len {
            return None;
        }
        at += 2;
    }
    // Tunnel and session.
    at += 4;
    if flags & 0x0800 != 0 {
        at += 4;
    }
    if flags & 0x0200 != 0 {
        at += 2 + usize::from(u16_at(bytes, at)?);
    }
    Some(skip(bytes, at).map_or(Inner::Cut, Inner::Ppp))
}
