//! IP headers and what they carry, down to the payload of UDP and of TCP segments.

use etherparse::{Ipv6ExtensionSlice, LaxIpSlice, ip_number};

use super::fragment::{self, Fragment};
use super::tunnel::{self, Layers};
use super::{Ends, Packet, Payload, checksum, tcp};
use crate::facts::Transport;

const UDP: u8 = 17;

/// What an IP packet carries, or what is inside the tunnel that it is.
#[inline]
pub(super) fn decode(bytes: &[u8], layers: Layers) -> Packet<'_> {
    if layers.is_checked && !checksum::agrees(bytes) {
        return layers.malformed();
    }
    let packet = plain(bytes).map_or_else(|| lax(bytes, layers), Packet::Udp);
    match packet {
        Packet::Udp(payload) if tunnel::may_begin(&payload) => tunnel::over_udp(payload, layers),
        other => other,
    }
}

/// A whole UDP datagram over IP without options and extension headers: `None` for everything else.
#[inline(always)]
pub(super) fn plain(bytes: &[u8]) -> Option<Payload<'_>> {
    plain_v4(bytes).or_else(|| plain_v6(bytes))
}

/// A whole UDP datagram over IPv4 without options: `None` for everything else.
#[inline(always)]
fn plain_v4(bytes: &[u8]) -> Option<Payload<'_>> {
    let header = bytes.first_chunk::<28>()?;
    let [version, _, total0, total1, _, _, fragment0, fragment1, _, protocol, _, _, addresses_and_udp @ ..] = header;
    let [a, b, c, d, e, f, g, h, s0, s1, d0, d1, udp0, udp1, _, _] = *addresses_and_udp;
    // More fragments, or an offset.
    let is_fragment = fragment0 & 0x3f != 0 || *fragment1 != 0;
    if *version != 0x45 || *protocol != UDP || is_fragment {
        return None;
    }
    let (total, udp) =
        (usize::from(u16::from_be_bytes([*total0, *total1])), usize::from(u16::from_be_bytes([udp0, udp1])));
    // What UDP does not cover of the IP packet belongs to nobody.
    if udp < 8 || total < 20 + udp {
        return None;
    }
    let payload = bytes.get(28..20 + udp)?;
    let ends = Ends::V4 { addresses: [a, b, c, d, e, f, g, h], ports: [s0, s1, d0, d1] };
    Some(Payload { ends, transport: Transport::Udp, bytes: payload, len: payload.len(), truncated: false })
}

/// A whole UDP datagram over IPv6 without extension headers: `None` for everything else.
#[inline]
fn plain_v6(bytes: &[u8]) -> Option<Payload<'_>> {
    let (header, rest) = bytes.split_first_chunk::<40>()?;
    let [version, _, _, _, length0, length1, next, _, addresses @ ..] = header;
    if *version >> 4 != 6 || *next != UDP {
        return None;
    }
    let [s0, s1, d0, d1, udp0, udp1, _, _] = *rest.first_chunk::<8>()?;
    let (length, udp) =
        (usize::from(u16::from_be_bytes([*length0, *length1])), usize::from(u16::from_be_bytes([udp0, udp1])));
    if udp < 8 || length < udp {
        return None;
    }
    let payload = rest.get(8..udp)?;
    let ends = Ends::V6 { addresses: *addresses, ports: [s0, s1, d0, d1] };
    Some(Payload { ends, transport: Transport::Udp, bytes: payload, len: payload.len(), truncated: false })
}

/// Everything that surprises: options, extension headers, fragments, lengths that do not fit, other protocols.
#[inline(never)]
fn lax(bytes: &[u8], layers: Layers) -> Packet<'_> {
    let Ok((ip, stop)) = LaxIpSlice::from_slice(bytes) else { return layers.malformed() };
    if let LaxIpSlice::Ipv4(v4) = &ip {
        let total = usize::from(v4.header().total_len());
        if total != 0 && total < v4.header().slice().len() {
            return Packet::Malformed { truncated: false };
        }
    }
    let payload = ip.payload();
    let truncated = payload.incomplete || layers.cut && payload.len_source == etherparse::LenSource::Slice;
    if payload.fragmented {
        return fragment(&ip, bytes, truncated).map_or(Packet::Malformed { truncated }, Packet::Fragment);
    }
    if stop.is_some() {
        return Packet::Malformed { truncated };
    }
    match payload.ip_number {
        ip_number::UDP => udp(&ip, payload.payload, truncated),
        ip_number::TCP => {
            let segment = tcp::Segment::read(payload.payload, truncated, |ports| ends(&ip, ports));
            segment.map_or(Packet::Malformed { truncated }, Packet::Tcp)
        }
        ip_number::ICMP | ip_number::IPV6_ICMP => Packet::Icmp,
        other => tunnel::over_ip(other.0, payload.payload, layers.within(truncated)).unwrap_or(Packet::IpOther),
    }
}

fn udp<'a>(ip: &LaxIpSlice<'a>, bytes: &'a [u8], truncated: bool) -> Packet<'a> {
    let Some((header, rest)) = bytes.split_first_chunk::<8>() else { return Packet::Malformed { truncated } };
    let [s0, s1, d0, d1, length0, length1, _, _] = *header;
    let payload = match usize::from(u16::from_be_bytes([length0, length1])) {
        // A datagram too long for the field (RFC 2675), or left to segmentation offload: up to the end.
        0 => Payload {
            ends: ends(ip, [s0, s1, d0, d1]),
            transport: Transport::Udp,
            bytes: rest,
            len: rest.len(),
            truncated,
        },
        1..8 => return Packet::Malformed { truncated },
        length => {
            let len = length - 8;
            let payload = rest.get(..len).unwrap_or(rest);
            let truncated = payload.len() < len;
            Payload { ends: ends(ip, [s0, s1, d0, d1]), transport: Transport::Udp, bytes: payload, len, truncated }
        }
    };
    Packet::Udp(payload)
}

/// A part of an IP packet; `None` when its headers are cut.
fn fragment<'a>(ip: &LaxIpSlice<'a>, bytes: &'a [u8], truncated: bool) -> Option<Fragment<'a>> {
    let (protocol, id, offset, more, payload) = match ip {
        LaxIpSlice::Ipv4(v4) => {
            let header = v4.header();
            let sent = match usize::from(header.total_len()) {
                0 => bytes.len(),
                total => total.min(bytes.len()),
            };
            let id = u32::from(header.identification());
            let payload = bytes.get(header.slice().len()..sent)?;
            (header.protocol(), id, header.fragments_offset().value(), header.more_fragments(), payload)
        }
        LaxIpSlice::Ipv6(v6) => {
            let header = v6.extensions().clone().into_iter().find_map(|extension| match extension {
                Ipv6ExtensionSlice::Fragment(header) => Some(header),
                _ => None,
            })?;
            let payload = v6.payload().payload;
            let offset = header.fragment_offset().value();
            (header.next_header(), header.identification(), offset, header.more_fragments(), payload)
        }
    };
    Some(Fragment {
        id: fragment::Id { ends: ends(ip, [0; 4]), protocol: protocol.0, id },
        offset: u32::from(offset) * 8,
        more,
        bytes: payload,
        truncated,
    })
}

fn ends(ip: &LaxIpSlice<'_>, ports: [u8; 4]) -> Ends {
    match ip {
        LaxIpSlice::Ipv4(v4) => {
            let ([a, b, c, d], [e, f, g, h]) = (v4.header().source(), v4.header().destination());
            Ends::V4 { addresses: [a, b, c, d, e, f, g, h], ports }
        }
        LaxIpSlice::Ipv6(v6) => {
            let mut addresses = [0; 32];
            let both = v6.header().source().into_iter().chain(v6.header().destination());
            for (place, byte) in addresses.iter_mut().zip(both) {
                *place = byte;
            }
            Ends::V6 { addresses, ports }
        }
    }
}
