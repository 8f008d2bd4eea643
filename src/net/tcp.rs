//! TCP segments, and the streams they make.
//!
//! Follows RFC 9293 as far as a reader of captures needs: sequence numbers place bytes, SYN begins a stream, and whatever
//! came twice counts once. Called by `pipeline` with the segments of one direction of one connection, in the order of
//! their capture; knows nothing of what the bytes say.
//!
//! # Design
//!
//! - The bytes captured first win. Where a later segment says otherwise the place is a conflict: nobody knows which of
//!   the two the receiver took.
//! - A connection need not have begun in the capture: without a SYN the stream starts at the lowest byte seen.
//! - A SYN with another sequence number, or bytes far from all others, belong to another use of the ports.
//! - Checksums, windows, acknowledgements and resets are not asked: what was captured was sent.
//!
//! Keeps: no byte is in a run that was not captured; time and memory linear in the segments, up to a logarithm.

use std::collections::BTreeMap;

use super::Ends;
use crate::evidence::{Locus, Timestamp};

/// Bytes of sequence space that a hole may have. Farther away is another stream.
const NEAR: i64 = 1 << 24;

/// How far behind the SYN's sequence number data may stand that was captured before it.
const EARLY: i64 = 1 << 16;

/// Streams of one direction that a late segment is matched against.
const RECENT: usize = 4;

/// A TCP segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment<'a> {
    /// Between whom.
    pub ends: Ends,
    /// Sequence number of the first byte, or of the SYN.
    pub sequence: u32,
    /// Whether it begins a connection.
    pub syn: bool,
    /// The payload as captured.
    pub bytes: &'a [u8],
    /// Whether fewer bytes were captured than were sent.
    pub truncated: bool,
}

impl<'a> Segment<'a> {
    /// Reads the header in `bytes`; `None` when it is cut or contradicts itself.
    pub(super) fn read(bytes: &'a [u8], truncated: bool, ends: impl FnOnce([u8; 4]) -> Ends) -> Option<Self> {
        let [s0, s1, d0, d1, q0, q1, q2, q3, _, _, _, _, offset, flags, ..] = *bytes.first_chunk::<20>()?;
        let header = usize::from(offset >> 4) * 4;
        if header < 20 {
            return None;
        }
        Some(Self {
            ends: ends([s0, s1, d0, d1]),
            sequence: u32::from_be_bytes([q0, q1, q2, q3]),
            syn: flags & 0x02 != 0,
            bytes: bytes.get(header..)?,
            truncated,
        })
    }
}

/// One segment of one direction of a connection, wherever its bytes are kept.
#[derive(Clone, Copy, Debug)]
pub struct Piece<'a> {
    /// When it was captured.
    pub at: Timestamp,
    /// Its packet.
    pub locus: Locus,
    /// Sequence number of the first byte, or of the SYN.
    pub sequence: u32,
    /// Whether it begins a connection.
    pub syn: bool,
    /// The payload as captured.
    pub bytes: &'a [u8],
    /// Whether fewer bytes were captured than were sent.
    pub truncated: bool,
}

/// What one direction of one connection sent.
#[derive(Debug, Default)]
pub struct Stream {
    /// Its bytes without holes between them, by offset. Two runs never touch.
    pub runs: Vec<Run>,
    /// Whether its first byte was captured: a SYN stands right before it.
    pub from_start: bool,
    /// For each segment with payload that was put into this stream: its place among the pieces given, and its bytes'
    /// offsets in the stream.
    pub placed: Vec<(usize, u64, u64)>,
    /// Where two segments said different bytes: ranges of offsets, sorted, and the packet that contradicted.
    pub conflicts: Vec<(u64, u64, Locus)>,
    /// The same places as disjoint ranges, sorted.
    uncertain: Vec<(u64, u64)>,
}

impl Stream {
    /// The first byte of `from..to` that two segments said differently.
    #[must_use]
    pub fn uncertain(&self, from: u64, to: u64) -> Option<u64> {
        let next = self.uncertain.partition_point(|(_, end)| *end <= from);
        self.uncertain.get(next).map(|(start, _)| from.max(*start)).filter(|start| *start < to)
    }

    /// The packets that gave the bytes `from..to` of a run, and those that said otherwise.
    pub fn gave<'s>(&'s self, run: &'s Run, from: usize, to: usize) -> impl Iterator<Item = Locus> + use<'s> {
        let (first, behind) = (run.offset + from as u64, run.offset + to as u64);
        let otherwise = self.conflicts.iter().filter(move |(start, end, _)| *start < behind && first < *end);
        run.gave(from, to).iter().map(|mark| mark.locus).chain(otherwise.map(|(.., locus)| *locus))
    }
}

/// Bytes of a stream without a hole.
#[derive(Debug, Default)]
pub struct Run {
    /// The offset of the first byte.
    pub offset: u64,
    /// The bytes.
    pub bytes: Vec<u8>,
    /// The segments that make them, by place.
    pub marks: Vec<Mark>,
    /// Whether it is known that more was sent behind the last byte.
    pub cut: bool,
}

/// Where in a run the bytes of a segment begin.
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    /// The place of the first byte that this segment gave.
    pub start: usize,
    /// When the segment was captured.
    pub at: Timestamp,
    /// Its packet.
    pub locus: Locus,
}

impl Run {
    /// When the byte at `place` was captured.
    #[must_use]
    pub fn mark(&self, place: usize) -> Option<&Mark> {
        let behind = self.marks.partition_point(|mark| mark.start <= place);
        self.marks.get(behind.checked_sub(1)?)
    }

    /// The packet that completed the bytes `from..to`: the last one captured of those that gave them.
    #[must_use]
    pub fn completed(&self, from: usize, to: usize) -> Option<&Mark> {
        self.gave(from, to).iter().max_by_key(|mark| (mark.at, mark.locus))
    }

    /// The segments that gave the bytes `from..to`.
    #[must_use]
    pub fn gave(&self, from: usize, to: usize) -> &[Mark] {
        let first = self.marks.partition_point(|mark| mark.start <= from).saturating_sub(1);
        let behind = self.marks.partition_point(|mark| mark.start < to);
        self.marks.get(first..behind).unwrap_or_default()
    }
}

/// A stream being put together.
#[derive(Default)]
struct Building<'a> {
    /// The sequence number that offset zero stands for; offsets before it are negative.
    base: u32,
    isn: Option<u32>,
    lowest: i64,
    highest: i64,
    /// Disjoint bytes by offset.
    parts: BTreeMap<i64, Part<'a>>,
    placed: Vec<(usize, i64, i64)>,
    /// Offsets behind which bytes were sent that the capture cut off.
    cuts: Vec<i64>,
    conflicts: Vec<(i64, i64, Locus)>,
}

struct Part<'a> {
    bytes: &'a [u8],
    at: Timestamp,
    locus: Locus,
}

/// Puts one direction's segments together, given in the order of their capture: a stream for each use of the ports.
#[must_use]
pub fn streams(pieces: &[Piece<'_>]) -> Vec<Stream> {
    let mut building: Vec<Building<'_>> = Vec::new();
    for (place, piece) in pieces.iter().enumerate() {
        let index = match owner(&building, piece) {
            Some(index) => index,
            None => {
                building.push(Building { base: piece.sequence, ..Building::default() });
                building.len() - 1
            }
        };
        if let Some(building) = building.get_mut(index) {
            building.add(place, piece);
        }
    }
    building.into_iter().map(Building::finish).collect()
}

/// Which stream a segment belongs to; `None` for a new one.
fn owner(streams: &[Building<'_>], piece: &Piece<'_>) -> Option<usize> {
    let recent = streams.iter().enumerate().rev().take(RECENT);
    if piece.syn {
        return recent
            .into_iter()
            .find(|(_, stream)| match stream.isn {
                Some(isn) => isn == piece.sequence,
                // Its first bytes were captured before it.
                None => (1..=EARLY).contains(&(stream.lowest - stream.offset(piece.sequence))),
            })
            .map(|(index, _)| index);
    }
    recent
        .into_iter()
        .find(|(_, stream)| {
            let offset = stream.offset(piece.sequence);
            let floor = if stream.isn.is_some() { stream.lowest } else { stream.lowest - NEAR };
            (floor..=stream.highest + NEAR).contains(&offset)
        })
        .map(|(index, _)| index)
}

impl<'a> Building<'a> {
    /// The place of a sequence number: the one nearest to the bytes seen last.
    fn offset(&self, sequence: u32) -> i64 {
        let from_base = sequence.wrapping_sub(self.base);
        let expected = self.highest as u32;
        self.highest + i64::from(from_base.wrapping_sub(expected) as i32)
    }

    fn add(&mut self, place: usize, piece: &Piece<'a>) {
        let mut start = self.offset(piece.sequence);
        if piece.syn {
            self.isn = Some(piece.sequence);
            start += 1;
            self.lowest = self.lowest.min(start);
            if self.parts.is_empty() {
                (self.lowest, self.highest) = (start, start);
            }
        }
        let end = start + piece.bytes.len() as i64;
        if piece.truncated {
            self.cuts.push(end);
        }
        if piece.bytes.is_empty() {
            return;
        }
        self.placed.push((place, start, end));
        let probes = piece.bytes.len() == 1 && end == self.highest && self.covers(start);
        self.lowest = self.lowest.min(start);
        self.highest = self.highest.max(end);
        // A keep-alive repeats the last byte's place with a byte of no meaning (RFC 9293 §3.8.4).
        if probes {
            return;
        }
        let mut at = start;
        let mut fresh = Vec::new();
        let before = self.parts.range(..start).next_back().map(|(from, part)| (*from, part));
        for (from, part) in before.into_iter().chain(self.parts.range(start..end).map(|(from, part)| (*from, part))) {
            let behind = from + part.bytes.len() as i64;
            if behind <= at {
                continue;
            }
            if from > at {
                fresh.push((at, from));
            }
            let (low, high) = (at.max(from), end.min(behind));
            let old = slice(part.bytes, from, low, high);
            let new = slice(piece.bytes, start, low, high);
            if let Some(differs) = old.iter().zip(new).position(|(old, new)| old != new) {
                self.conflicts.push((low + differs as i64, high, piece.locus));
            }
            at = high;
        }
        if at < end {
            fresh.push((at, end));
        }
        for (low, high) in fresh {
            let bytes = slice(piece.bytes, start, low, high);
            self.parts.insert(low, Part { bytes, at: piece.at, locus: piece.locus });
        }
    }

    fn covers(&self, at: i64) -> bool {
        self.parts.range(..=at).next_back().is_some_and(|(from, part)| at < from + part.bytes.len() as i64)
    }

    fn finish(self) -> Stream {
        let base = self.lowest;
        let of = |offset: i64| u64::try_from(offset - base).unwrap_or(0);
        let mut stream = Stream {
            from_start: self.isn.is_some() && self.parts.first_key_value().is_some_and(|(first, _)| *first == base),
            placed: self.placed.into_iter().map(|(place, from, to)| (place, of(from), of(to))).collect(),
            conflicts: self.conflicts.into_iter().map(|(from, to, locus)| (of(from), of(to), locus)).collect(),
            runs: Vec::new(),
            uncertain: Vec::new(),
        };
        stream.conflicts.sort_unstable();
        for (from, to, _) in &stream.conflicts {
            match stream.uncertain.last_mut().filter(|(_, end)| from <= end) {
                Some((_, end)) => *end = (*end).max(*to),
                None => stream.uncertain.push((*from, *to)),
            }
        }
        let mut expected = None;
        for (from, part) in self.parts {
            if expected != Some(from) {
                if let Some(run) = stream.runs.last_mut() {
                    run.cut = true;
                }
                stream.runs.push(Run { offset: of(from), ..Run::default() });
            }
            if let Some(run) = stream.runs.last_mut() {
                run.marks.push(Mark { start: run.bytes.len(), at: part.at, locus: part.locus });
                run.bytes.extend_from_slice(part.bytes);
            }
            expected = Some(from + part.bytes.len() as i64);
        }
        if let (Some(run), Some(end)) = (stream.runs.last_mut(), expected) {
            run.cut = self.cuts.contains(&end);
        }
        stream
    }
}

/// The bytes `low..high` of a part that starts at `from`.
fn slice(bytes: &[u8], from: i64, low: i64, high: i64) -> &[u8] {
    let place = |offset: i64| usize::try_from(offset - from).unwrap_or(usize::MAX);
    bytes.get(place(low)..place(high)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::SourceId;

    fn piece(record: u64, sequence: u32, bytes: &[u8]) -> Piece<'_> {
        Piece {
            at: Timestamp::new(record as i64, 9),
            locus: Locus { source: SourceId(0), record },
            sequence,
            syn: false,
            bytes,
            truncated: false,
        }
    }

    fn syn(record: u64, sequence: u32) -> Piece<'static> {
        Piece { syn: true, ..piece(record, sequence, b"") }
    }

    /// The runs as `offset:text`.
    fn runs(pieces: &[Piece<'_>]) -> Vec<Vec<String>> {
        let show = |run: &Run| format!("{}:{}", run.offset, run.bytes.escape_ascii());
        streams(pieces).iter().map(|stream| stream.runs.iter().map(show).collect()).collect()
    }

    #[test]
    fn any_order_gives_the_stream_also_around_the_end_of_the_sequence_space() {
        for base in [7, u32::MAX - 3, u32::MAX] {
            let parts = [
                syn(1, base),
                piece(2, base.wrapping_add(1), b"abc"),
                piece(3, base.wrapping_add(4), b"de"),
                piece(4, base.wrapping_add(6), b"f"),
            ];
            for first in 0..4 {
                for second in 0..4 {
                    for third in 0..4 {
                        let fourth = 6_usize.wrapping_sub(first + second + third);
                        let order = [first, second, third, fourth];
                        if (0..4).any(|place| !order.contains(&place)) {
                            continue;
                        }
                        let shuffled: Vec<_> = order.iter().map(|place| parts[*place]).collect();
                        assert_eq!(runs(&shuffled), [["0:abcdef"]], "{base} {order:?}");
                        assert!(streams(&shuffled)[0].from_start);
                    }
                }
            }
        }
    }

    #[test]
    fn copies_and_overlaps_count_once_and_the_first_bytes_win() {
        let found =
            streams(&[piece(1, 10, b"abcd"), piece(2, 10, b"abcd"), piece(3, 12, b"cdef"), piece(4, 8, b"__abcXe")]);
        assert_eq!(found[0].runs.len(), 1);
        assert_eq!(found[0].runs[0].bytes, b"__abcdef");
        assert_eq!(
            found[0].conflicts.iter().map(|(from, to, locus)| (*from, *to, locus.record)).collect::<Vec<_>>(),
            [(5, 6, 4)]
        );
        assert_eq!(
            [(0, 5), (0, 6), (5, 9), (6, 9)].map(|(from, to)| found[0].uncertain(from, to)),
            [None, Some(5), Some(5), None]
        );
        assert_eq!(found[0].runs[0].completed(2, 8).map(|mark| mark.locus.record), Some(3));
        assert_eq!(found[0].runs[0].mark(2).map(|mark| mark.locus.record), Some(1));
    }

    #[test]
    fn holes_part_the_runs() {
        assert_eq!(runs(&[piece(1, 1, b"ab"), piece(2, 5, b"ef")]), [["0:ab", "4:ef"]]);
        let cut = Piece { truncated: true, ..piece(1, 1, b"ab") };
        let found = streams(&[cut]);
        assert!(found[0].runs[0].cut);
        assert!(!streams(&[cut, piece(2, 3, b"c")])[0].runs[0].cut);
    }

    #[test]
    fn a_syn_with_another_number_begins_another_stream() {
        let pieces = [
            syn(1, 100),
            piece(2, 101, b"old"),
            syn(3, 900),
            piece(4, 901, b"new"),
            piece(5, 104, b"late"),
            syn(6, 900),
        ];
        assert_eq!(runs(&pieces), [["0:oldlate"], ["0:new"]]);
    }

    #[test]
    fn bytes_far_away_begin_another_stream() {
        let far = 1_000_000_000;
        let pieces = [piece(1, 1, b"a"), piece(2, far, b"x"), piece(3, 2, b"b"), piece(4, far + 1, b"y")];
        assert_eq!(runs(&pieces), [["0:ab"], ["0:xy"]]);
    }

    #[test]
    fn a_keep_alive_says_nothing() {
        let found = streams(&[piece(1, 1, b"abc"), piece(2, 3, b"\0"), piece(3, 4, b"d")]);
        assert_eq!(found[0].runs[0].bytes, b"abcd");
        assert!(found[0].conflicts.is_empty());
    }
}
