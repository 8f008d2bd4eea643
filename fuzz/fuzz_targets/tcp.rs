//! Segments that the input describes, as streams and as SIP messages on them: no byte is in a stream that no segment
//! carried there, runs are apart and in order, and messages follow each other.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sipconsent::evidence::{Locus, SourceId, Timestamp};
use sipconsent::net::tcp::{Piece, streams};
use sipconsent::sip::framing::{Stretch, next};

fuzz_target!(|input: &[u8]| {
    let mut pieces = Vec::new();
    let mut rest = input;
    // Four bytes say where a segment stands, what it is and how long; its payload follows.
    while let Some(([high, low, flags, len], behind)) = rest.split_first_chunk::<4>() {
        let place = u32::from(u16::from_be_bytes([*high, *low]));
        // Near each other, or anywhere in the sequence space.
        let sequence = if flags & 4 == 0 { place % 1_024 } else { place << 16 };
        let (bytes, behind) = behind.split_at(usize::from(*len).min(behind.len()));
        rest = behind;
        let record = pieces.len() as u64 + 1;
        pieces.push(Piece {
            at: Timestamp::new(record as i64, 9),
            locus: Locus { source: SourceId(0), record },
            sequence: sequence.wrapping_sub(u32::from(flags & 8) * 64),
            syn: flags & 1 == 1,
            bytes,
            truncated: flags & 2 == 2,
        });
    }
    let captured: usize = pieces.iter().map(|piece| piece.bytes.len()).sum();
    let found = streams(&pieces);
    let mut read = 0;
    for stream in &found {
        let mut behind = None;
        for run in &stream.runs {
            assert!(!run.bytes.is_empty());
            assert!(behind.is_none_or(|behind| behind < run.offset), "runs are apart and in order");
            behind = Some(run.offset + run.bytes.len() as u64);
            read += run.bytes.len();
            assert_eq!(run.marks.first().map(|mark| mark.start), Some(0));
            assert!(run.marks.is_sorted_by(|one, other| one.start < other.start));
            let borders: Vec<usize> = run.marks.iter().map(|mark| mark.start).collect();
            let stretch = Stretch { bytes: &run.bytes, borders: &borders, cut: run.cut };
            let (mut at, mut expected) = (0, stream.from_start);
            while let Some(framed) = next(&stretch, at, expected) {
                assert!(at <= framed.start && framed.start < framed.end && framed.end <= framed.next);
                assert!(framed.end <= run.bytes.len());
                assert!(run.completed(framed.start, framed.end).is_some());
                at = framed.next;
                expected = true;
                if at > run.bytes.len() {
                    break;
                }
            }
        }
        for (place, from, to) in &stream.placed {
            assert!(pieces.get(*place).is_some_and(|piece| to - from == piece.bytes.len() as u64));
        }
        for (from, to, _) in &stream.conflicts {
            assert!(from < to && stream.uncertain(*from, *to) == Some(*from));
        }
    }
    assert!(read <= captured, "no byte is read that was not captured");
});
