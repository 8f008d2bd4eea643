//! A frame of a link type that the input chooses, down to the payload: what is found lies within the frame.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sipconsent::capture::{Frame, LinkType};
use sipconsent::evidence::Timestamp;
use sipconsent::net::{Packet, decode};

/// Every link type that is read.
const LINK_TYPES: [u16; 17] = [1, 0, 9, 12, 14, 50, 51, 101, 104, 108, 109, 113, 204, 219, 228, 229, 276];

fuzz_target!(|input: &[u8]| {
    let Some((first, bytes)) = input.split_first() else { return };
    let link_type = LINK_TYPES[usize::from(*first & 0x7f) % LINK_TYPES.len()];
    let cut = u32::from(*first >> 7) * 100;
    let frame = Frame {
        bytes,
        original_len: bytes.len() as u32 + cut,
        at: Timestamp::new(0, 6),
        record: 1,
        link_type: LinkType(link_type),
    };
    if let Packet::Udp(payload) = decode(&frame) {
        assert!(payload.bytes.len() <= bytes.len());
        assert!(payload.truncated || payload.bytes.len() == payload.len);
        let _ = payload.ends.hop();
    }
});
