//! Whether an IP packet is what its sender sent, by the lengths and the checksum of what it carries.
//!
//! Asked only where fragments were put together: an offloading sender leaves wrong checksums in captures made at its end,
//! but not in packets that it fragments, or that a tunnel does.

use etherparse::{Ipv6ExtensionSlice, LaxIpSlice, ip_number};

/// Whether the lengths of an IP packet and of the UDP or TCP in it (RFC 768, RFC 9293 §3.1), and their checksum, say that
/// these are its bytes, or nothing. The packet is all there.
pub(super) fn agrees(bytes: &[u8]) -> bool {
    let Ok((ip, _)) = LaxIpSlice::from_slice(bytes) else { return true };
    let payload = ip.payload();
    if payload.fragmented || is_routed(&ip) {
        return true;
    }
    if payload.incomplete {
        return false;
    }
    let number = payload.ip_number;
    let sent = payload.payload;
    let (place, covered) = match number {
        ip_number::UDP => match sent.get(4..6) {
            // A datagram too long for the field, or left to segmentation offload.
            Some([0, 0]) => (6, sent),
            Some(&[high, low]) => match sent.get(..usize::from(u16::from_be_bytes([high, low]))) {
                Some(covered) => (6, covered),
                None => return false,
            },
            _ => return true,
        },
        ip_number::TCP => (16, sent),
        _ => return true,
    };
    let Some(&[high, low]) = sent.get(place..place + 2) else { return true };
    let stated = u16::from_be_bytes([high, low]);
    let pseudo = addresses(&ip) + u64::from(number.0) + covered.len() as u64;
    // None was made, or a sender that leaves the rest to its hardware states the sum of what the hardware does not see:
    // then the length is all that can contradict.
    if number == ip_number::UDP && stated == 0 || stated == folded(pseudo) {
        return covered.len() == sent.len();
    }
    folded(pseudo + words(covered)) == 0xffff
}

/// Whether the packet is under way to an address that the checksum does not know (RFC 8200 §8.1).
fn is_routed(ip: &LaxIpSlice<'_>) -> bool {
    let LaxIpSlice::Ipv6(v6) = ip else { return false };
    v6.extensions().clone().into_iter().any(|extension| matches!(extension, Ipv6ExtensionSlice::Routing(_)))
}

fn addresses(ip: &LaxIpSlice<'_>) -> u64 {
    match ip {
        LaxIpSlice::Ipv4(v4) => words(&v4.header().source()) + words(&v4.header().destination()),
        LaxIpSlice::Ipv6(v6) => words(&v6.header().source()) + words(&v6.header().destination()),
    }
}

fn words(bytes: &[u8]) -> u64 {
    let (pairs, last) = bytes.as_chunks::<2>();
    let last = last.first().map_or(0, |byte| u64::from(*byte) << 8);
    pairs.iter().map(|pair| u64::from(u16::from_be_bytes(*pair))).sum::<u64>() + last
}

fn folded(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}
