//! A datagram as HEP: what is inside is no longer than it may be, and every mark of HEP3 is found.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sipconsent::net::hep::{Capsule, MAX_INFLATED, could_be, decode, find};

fuzz_target!(|input: &[u8]| {
    let Some((first, packet)) = input.split_first() else { return };
    let truncated = first & 1 == 1;
    let found = decode(packet, truncated);
    assert_eq!(found.is_some(), could_be(packet));
    if let Some(Capsule::Sip(inner)) = &found {
        assert!(inner.bytes.len() as u64 <= MAX_INFLATED || inner.bytes.len() <= packet.len());
    }
    let mut at = 0;
    while let Some(start) = find(packet, at) {
        assert!(start >= at && packet[start..].starts_with(b"HEP3"));
        at = start + 4;
    }
});
