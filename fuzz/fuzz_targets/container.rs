//! Bytes of a capture file, in blocks of a size that the input chooses: the walk and the frames count alike, and nothing
//! is left over at the end.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sipconsent::capture::{RECORD_LIMIT, Walk, recognise};

fuzz_target!(|input: &[u8]| {
    let Some((block, file)) = input.split_first() else { return };
    let Some(format) = recognise(file) else { return };
    let block = usize::from(*block) * 16 + 1;
    let mut walk = Walk::new(format);
    let (mut at, mut wanted, mut frames) = (0, block, 0);
    loop {
        let bytes = &file[at..(at + wanted).min(file.len())];
        let end = at + bytes.len() == file.len();
        let (taken, head) = walk.cut(bytes, end);
        assert!(taken <= bytes.len());
        if taken == 0 && !end {
            wanted *= 2;
            assert!(wanted <= 4 * RECORD_LIMIT);
            continue;
        }
        assert!(!end || taken == bytes.len(), "everything is taken at the end");
        wanted = block;
        let mut of_block = head.frames(&bytes[..taken]);
        frames += of_block.by_ref().inspect(|frame| assert!(frame.bytes.len() <= RECORD_LIMIT)).count() as u64;
        let _ = of_block.into_anomalies();
        at += taken;
        if end {
            break;
        }
    }
    assert_eq!(walk.records(), frames);
});
