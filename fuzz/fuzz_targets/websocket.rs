//! One direction of a WebSocket connection: handshakes and frames, one behind the other, to the end.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sipconsent::net::websocket::{MAX_HANDSHAKE_BYTES, frame, handshake, unmask};

fuzz_target!(|input: &[u8]| {
    let mut rest = input;
    let mut message = Vec::new();
    while !rest.is_empty() {
        if let Some(handshake) = handshake(rest) {
            let Some(bytes) = handshake.bytes else { return };
            assert!(bytes > 0 && bytes <= rest.len().min(MAX_HANDSHAKE_BYTES));
            rest = &rest[bytes..];
            continue;
        }
        let Some(found) = frame(rest) else {
            rest = &rest[1..];
            continue;
        };
        // The header is cut: of a longer one no byte is read twice.
        let Some(found) = found else {
            assert!(rest.len() < 14);
            return;
        };
        assert!(found.header >= 2 && found.header <= rest.len().min(14));
        let behind = &rest[found.header..];
        let payload = &behind[..usize::try_from(found.payload).unwrap_or(usize::MAX).min(behind.len())];
        message.clear();
        unmask(payload, found.mask, &mut message);
        assert_eq!(message.len(), payload.len());
        // The mask is its own inverse (RFC 6455 §5.3).
        let masked = std::mem::take(&mut message);
        unmask(&masked, found.mask, &mut message);
        assert_eq!(message, payload);
        rest = &behind[payload.len()..];
    }
});
