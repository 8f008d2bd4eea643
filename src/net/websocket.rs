//! WebSocket: the handshake over HTTP and the frames behind it, as far as SIP over WebSocket (RFC 7118) asks.
//!
//! Follows RFC 6455 §1.3 and §5. Called by `pipeline` with the bytes of one direction of a TCP stream.
//!
//! # Incomplete support
//!
//! Extensions are not undone: a frame compressed by RFC 7692 says so and its bytes are not readable here.

/// A message put together of several frames stops being kept beyond this.
pub const MAX_MESSAGE_BYTES: usize = 1 << 20;

/// No handshake is longer.
pub const MAX_HANDSHAKE_BYTES: usize = 64 << 10;

/// What an HTTP header section says about WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handshake {
    /// Its bytes, the empty line included; `None` when its end is not here.
    pub bytes: Option<usize>,
    /// Whether the subprotocol `sip` is offered or chosen (RFC 7118 §4).
    pub sip: bool,
    /// Whether it asks for, or grants, an upgrade to WebSocket.
    pub upgrade: bool,
}

/// Reads the HTTP/1.1 header section at the start of `bytes`; `None` when there is none.
#[must_use]
pub fn handshake(bytes: &[u8]) -> Option<Handshake> {
    let bytes = bytes.get(..MAX_HANDSHAKE_BYTES).unwrap_or(bytes);
    if !bytes.first().is_some_and(u8::is_ascii_uppercase) {
        return None;
    }
    let line_end = memchr::memchr(b'\n', bytes);
    let line = bytes.get(..line_end.unwrap_or(bytes.len()))?.trim_ascii_end();
    let is_status = line.starts_with(b"HTTP/1.");
    let is_request = line.len() > 9 && line.get(line.len() - 9..).is_some_and(|end| end.starts_with(b" HTTP/1."));
    if !is_status && !is_request {
        return None;
    }
    let mut found = Handshake { bytes: None, sip: false, upgrade: false };
    let mut position = line_end? + 1;
    while let Some(end) = bytes.get(position..).and_then(|rest| memchr::memchr(b'\n', rest)).map(|at| position + at) {
        let row = bytes.get(position..end).unwrap_or_default().trim_ascii_end();
        position = end + 1;
        if row.is_empty() {
            found.bytes = Some(position);
            break;
        }
        let Some(colon) = memchr::memchr(b':', row) else { continue };
        let (name, value) = (row.get(..colon).unwrap_or_default(), row.get(colon + 1..).unwrap_or_default());
        let mut tokens = value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
        if name.eq_ignore_ascii_case(b"sec-websocket-protocol") {
            found.sip |= tokens.any(|token| token.eq_ignore_ascii_case(b"sip"));
        } else if name.eq_ignore_ascii_case(b"upgrade") {
            found.upgrade |= tokens.any(|token| token.eq_ignore_ascii_case(b"websocket"));
        }
    }
    Some(found)
}

/// The header of one frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Whether it is the last of its message.
    pub last: bool,
    /// Whether an extension changed the payload.
    pub compressed: bool,
    /// What it carries.
    pub kind: Kind,
    /// The masking key, if the payload is masked.
    pub mask: Option<[u8; 4]>,
    /// Bytes of the header.
    pub header: usize,
    /// Bytes of the payload.
    pub payload: u64,
}

/// What a frame carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The next part of a message.
    Continuation,
    /// Close, ping or pong.
    Control,
    /// The first or only part of a text or binary message.
    Data,
}

/// Reads the frame header at the start of `bytes`: `None` for bytes that are none, `Some(None)` for one of which bytes
/// are missing.
#[must_use]
pub fn frame(bytes: &[u8]) -> Option<Option<Frame>> {
    let Some([first, second]) = bytes.first_chunk::<2>() else { return Some(None) };
    let kind = match first & 0x0f {
        0 => Kind::Continuation,
        1 | 2 => Kind::Data,
        8..=10 => Kind::Control,
        _ => return None,
    };
    let last = first & 0x80 != 0;
    if first & 0x30 != 0 || kind == Kind::Control && (!last || second & 0x7f > 125) {
        return None;
    }
    let (payload, mut header) = match second & 0x7f {
        126 => match bytes.first_chunk::<4>() {
            None => return Some(None),
            Some([_, _, high, low]) => (u64::from(u16::from_be_bytes([*high, *low])), 4),
        },
        127 => match bytes.first_chunk::<10>() {
            None => return Some(None),
            Some([_, _, length @ ..]) => (u64::from_be_bytes(*length), 10),
        },
        short => (u64::from(short), 2),
    };
    // Lengths have one form, and the highest bit is zero (RFC 6455 §5.2).
    if (header == 4 && payload < 126) || (header == 10 && (payload <= 0xffff || payload >> 63 != 0)) {
        return None;
    }
    let mut mask = None;
    if second & 0x80 != 0 {
        match bytes.get(header..header + 4) {
            Some(&[a, b, c, d]) => mask = Some([a, b, c, d]),
            _ => return Some(None),
        }
        header += 4;
    }
    Some(Some(Frame { last, compressed: first & 0x40 != 0, kind, mask, header, payload }))
}

/// Adds a frame's payload to `message`, the mask taken off.
pub fn unmask(payload: &[u8], mask: Option<[u8; 4]>, message: &mut Vec<u8>) {
    match mask {
        None => message.extend_from_slice(payload),
        Some(mask) => message.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::websocket_frame as made;
    use super::*;

    #[test]
    fn frames_of_every_length_are_read() {
        for length in [0, 1, 125, 126, 127, 65_535, 65_536] {
            for mask in [None, Some([1, 2, 3, 4])] {
                let payload = vec![b'x'; length];
                let bytes = made(0x81, mask, &payload);
                let found = frame(&bytes).expect("a frame").expect("whole");
                assert_eq!(
                    (found.payload, found.mask, found.last, found.kind),
                    (length as u64, mask, true, Kind::Data)
                );
                let mut text = Vec::new();
                unmask(&bytes[found.header..], mask, &mut text);
                assert_eq!(text, payload);
                for cut in 0..found.header {
                    assert_eq!(frame(&bytes[..cut]), Some(None));
                }
            }
        }
    }

    #[test]
    fn what_breaks_the_rules_is_no_frame() {
        for bytes in [
            &[0x83, 0][..],
            &[0x91, 0],
            &[0x09, 0],
            &[0x89, 126, 0, 126],
            &[0x81, 126, 0, 5],
            &[0x81, 127, 0, 0, 0, 0, 0, 0, 0, 9],
        ] {
            assert_eq!(frame(bytes), None, "{bytes:02x?}");
        }
        assert!(frame(&[0xc1, 0]).expect("a frame").expect("whole").compressed);
    }

    #[test]
    fn the_handshake_says_sip_or_not() {
        let request = b"GET /ws HTTP/1.1\r\nUpgrade: WebSocket\r\nsec-websocket-protocol: chat, SIP\r\n\r\n\x81\x00";
        assert_eq!(handshake(request), Some(Handshake { bytes: Some(request.len() - 2), sip: true, upgrade: true }));
        assert_eq!(handshake(&request[..40]), Some(Handshake { bytes: None, sip: false, upgrade: true }));
        let other = handshake(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n").expect("HTTP");
        assert!(!other.sip && other.upgrade);
        assert_eq!(handshake(b"INVITE sip:a SIP/2.0\r\n\r\n"), None);
    }
}
