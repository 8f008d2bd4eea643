//! Which UDP payloads are RTP, and the fields of its header that are counted.
//!
//! # Incomplete support
//!
//! RTCP without multiplexing is told by its packet type like the other. RTP with payload types 64 to 95 and the marker
//! bit would be taken for RTCP; RFC 5761 §4 forbids them on such ports. Anything else with version 2 on a UDP port may
//! be taken for RTP: it belongs to no negotiated stream and is counted so later.

/// What a UDP payload is, as far as media goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Neither RTP nor RTCP.
    Other,
    /// RTCP (RFC 3550 §6).
    Rtcp,
    /// RTP.
    Rtp(Header),
    /// Could be RTP, but the capture cut its header.
    Unreadable,
}

/// The fields of the fixed RTP header (RFC 3550 §5.1) that are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The sequence number.
    pub sequence: u16,
    /// The synchronization source.
    pub ssrc: u32,
    /// Bytes behind the fixed header as sent: contributing sources, extension, payload, padding.
    pub size: u16,
}

/// Bytes of the fixed header.
const FIXED: usize = 12;

/// Bytes of the header of an RTP packet with its contributing sources and extension (RFC 3550 §5.1, §5.3.1), as far as
/// `payload` shows them.
#[must_use]
pub fn header_len(payload: &[u8]) -> usize {
    let first = payload.first().copied().unwrap_or_default();
    let listed = FIXED + usize::from(first & 0x0f) * 4;
    let extended = match payload.get(listed..).and_then(|rest| rest.first_chunk::<4>()) {
        Some([_, _, high, low]) if first & 0x10 != 0 => 4 + 4 * usize::from(u16::from_be_bytes([*high, *low])),
        _ => 0,
    };
    payload.len().min(listed + extended)
}

/// Recognises RTP and RTCP by version, packet type and length; `len` is the length that was sent.
///
/// STUN, DTLS, ZRTP and TURN channels have another version (RFC 7983).
#[inline]
#[must_use]
pub fn recognise(payload: &[u8], len: usize) -> Kind {
    let Some([first, second, ..]) = payload.first_chunk::<2>() else { return Kind::Other };
    if first >> 6 != 2 {
        return Kind::Other;
    }
    if (192..=223).contains(second) {
        return if len >= 8 { Kind::Rtcp } else { Kind::Other };
    }
    let contributing = usize::from(first & 0x0f) * 4;
    let Some(size) = len.checked_sub(FIXED).filter(|size| *size >= contributing) else { return Kind::Other };
    // The largest number is kept free; no datagram comes near it.
    let Some(size) = u16::try_from(size).ok().filter(|size| *size < u16::MAX) else { return Kind::Other };
    let Some([_, _, s0, s1, _, _, _, _, a, b, c, d]) = payload.first_chunk::<FIXED>() else { return Kind::Unreadable };
    Kind::Rtp(Header { sequence: u16::from_be_bytes([*s0, *s1]), ssrc: u32::from_be_bytes([*a, *b, *c, *d]), size })
}
