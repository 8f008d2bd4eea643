//! Bytes of a compressed file: its content comes to an end, within the limits, and the file is digested whole.
#![no_main]

use std::io::{Cursor, Read};

use libfuzzer_sys::fuzz_target;
use sipconsent::evidence::{HashKind, decompress};

fuzz_target!(|input: &[u8]| {
    let Ok(content) = decompress(Box::new(Cursor::new(input.to_vec())), HashKind::None) else { return };
    let mut reader = content.reader;
    let mut buffer = [0; 8_192];
    // Seconds of a decompression bomb say nothing new.
    for _ in 0..4_096 {
        match reader.read(&mut buffer) {
            Ok(0) => {
                assert_eq!(content.account.finish().bytes, input.len() as u64);
                return;
            }
            Ok(_) => {}
            Err(error) => panic!("bytes are no failure to read: {error}"),
        }
    }
});
