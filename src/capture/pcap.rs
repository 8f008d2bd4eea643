//! The classic pcap format: a file header, then records that are a small header and the packet.
//!
//! # Design
//!
//! The format has no mark at a record's start, so damage is found by what a header claims. A header is believed when
//! its captured length is ordinary and not above the original length, or when the header behind it is plausible too;
//! otherwise the bytes are searched for a chain of [`CHAIN`] plausible headers, neighbours in time. A walk that loses
//! its way reports it once and reads on there. Files that were joined (`cat`, or the members of one gzip file) show a
//! file header where a record is due: reading goes on by that one.

use super::walk::{Cause, Gap, ORDINARY_LIMIT, RECORD_LIMIT, Search, Step};
use super::{Frame, LinkType};
use crate::evidence::{Anomalies, Timestamp};

/// Bytes of the file header.
const FILE_HEADER: usize = 24;

/// Headers that must follow each other for the walk to find its way again, unless the file ends before.
const CHAIN: usize = 3;

/// How far apart in time the neighbours of such a chain may be, in seconds.
const CHAIN_SECONDS: u32 = 86_400;

/// How the records of a file are laid out, from its header.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    big_endian: bool,
    /// Bytes of a record's header.
    header: usize,
    /// Files of before version 2.3 hold the original length first.
    original_first: bool,
    /// Nanoseconds of one unit of the sub-second field.
    unit_ns: u32,
    /// Fractional digits of the times.
    digits: u8,
    link_type: LinkType,
    /// Bytes of frame check sequence behind every packet.
    fcs: u8,
}

impl Shape {
    /// What the magic number tells: byte order, nanoseconds, "modified" record headers.
    pub(super) fn magic(head: &[u8]) -> Option<(bool, bool, bool)> {
        let magic = head.first_chunk::<4>()?;
        let either = |magic: u32| match magic {
            0xa1b2_c3d4 => Some((false, false)),
            0xa1b2_3c4d => Some((true, false)),
            0xa1b2_cd34 => Some((false, true)),
            _ => None,
        };
        if let Some((nanoseconds, modified)) = either(u32::from_le_bytes(*magic)) {
            return Some((false, nanoseconds, modified));
        }
        either(u32::from_be_bytes(*magic)).map(|(nanoseconds, modified)| (true, nanoseconds, modified))
    }

    /// Reads a file header; `None` unless all of it is there.
    fn read(bytes: &[u8]) -> Option<Self> {
        let (big_endian, nanoseconds, modified) = Self::magic(bytes)?;
        // pcap-parser does not know every magic number, but reads the rest of the header of those it knows.
        let mut header = *bytes.first_chunk::<FILE_HEADER>()?;
        let known = if big_endian { 0xa1b2_c3d4_u32.to_be_bytes() } else { 0xa1b2_c3d4_u32.to_le_bytes() };
        *header.first_chunk_mut::<4>()? = known;
        let (_, header) = pcap_parser::parse_pcap_header(&header).ok()?;
        let network = header.network.0.cast_unsigned();
        // The top bits hold the length of a frame check sequence, in 16-bit words, when bit 26 says so.
        let fcs = if network & 0x0400_0000 != 0 { (network >> 28) * 2 } else { 0 };
        Some(Self {
            big_endian,
            header: if modified { 24 } else { 16 },
            original_first: header.version_major == 2 && header.version_minor < 3,
            unit_ns: if nanoseconds { 1 } else { 1_000 },
            digits: if nanoseconds { 9 } else { 6 },
            link_type: LinkType((network & 0xffff) as u16),
            fcs: fcs as u8,
        })
    }

    /// Reads the header of a file that another was joined with: one that a record could not be mistaken for.
    fn joined(bytes: &[u8], at: usize) -> Option<Self> {
        let header = bytes.get(at..)?.first_chunk::<FILE_HEADER>()?;
        let [_, _, _, _, a, b, c, d, zone_and_accuracy @ .., _, _, _, _, _, _, _, _] = *header;
        let is_current = matches!([a, b, c, d], [2, 0, 4, 0] | [0, 2, 0, 4]);
        if is_current && zone_and_accuracy == [0; 8] { Self::read(header) } else { None }
    }

    #[inline]
    fn record(&self, bytes: &[u8], at: usize) -> Option<Record> {
        let header = bytes.get(at..)?.first_chunk::<16>()?;
        let [s0, s1, s2, s3, f0, f1, f2, f3, a0, a1, a2, a3, b0, b1, b2, b3] = *header;
        let order = |word: [u8; 4]| if self.big_endian { u32::from_be_bytes(word) } else { u32::from_le_bytes(word) };
        let (captured, original) = (order([a0, a1, a2, a3]), order([b0, b1, b2, b3]));
        let (captured, original) = if self.original_first { (original, captured) } else { (captured, original) };
        Some(Record { seconds: order([s0, s1, s2, s3]), fraction: order([f0, f1, f2, f3]), captured, original })
    }

    /// Whether a header looks like one, with nothing known of what stands around it.
    fn is_plausible(&self, record: Record) -> bool {
        (1..=ORDINARY_LIMIT).contains(&(record.captured as usize))
            && record.captured <= record.original
            && record.original as usize <= RECORD_LIMIT
            && record.seconds != 0
            && self.has_time(record)
    }

    /// Whether a header may be one, where another one points to it.
    fn is_possible(&self, record: Record) -> bool {
        record.captured as usize <= RECORD_LIMIT && !record.is_blank() && self.has_time(record)
    }

    fn has_time(&self, record: Record) -> bool {
        u64::from(record.fraction) * u64::from(self.unit_ns) < 1_000_000_000
    }
}

/// A record's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Record {
    seconds: u32,
    fraction: u32,
    captured: u32,
    original: u32,
}

impl Record {
    /// Nothing but zeros: space that was never written.
    fn is_blank(self) -> bool {
        self == Self { seconds: 0, fraction: 0, captured: 0, original: 0 }
    }
}

/// The state between the blocks of one file.
#[derive(Debug, Default)]
pub(super) struct Walk {
    shape: Option<Shape>,
    records: u64,
    /// Where in the file the bytes begin that are cut next.
    offset: u64,
    /// Whether the walk has lost its way and searches for the next record.
    lost: bool,
}

/// What the decoder of a block must know.
#[derive(Debug)]
pub(super) struct Head {
    shape: Option<Shape>,
    /// Records before the block.
    before: u64,
    /// Bytes that belong to records and gaps.
    taken: usize,
    gaps: Vec<Gap>,
}

impl Walk {
    pub(super) fn records(&self) -> u64 {
        self.records
    }

    pub(super) fn cut(&mut self, bytes: &[u8], end: bool) -> (usize, Head) {
        let mut head = Head { shape: self.shape, before: self.records, taken: 0, gaps: Vec::new() };
        let mut at = 0;
        if head.shape.is_none() {
            head.shape = Shape::read(bytes);
            self.shape = head.shape;
            if head.shape.is_some() {
                head.gaps.push(Gap { at, len: FILE_HEADER, cause: Cause::FileHeader });
                at = FILE_HEADER;
            } else if end {
                let cause = Cause::Truncated { offset: 0, needs: FILE_HEADER as u64, has: bytes.len() as u64 };
                head.gaps.push(Gap { at, len: bytes.len(), cause });
                at = bytes.len();
            }
        }
        if let Some(mut shape) = head.shape {
            loop {
                if !self.lost {
                    at = self.step(&shape, bytes, at);
                    if let Some(joined) = Shape::joined(bytes, at) {
                        head.gaps.push(Gap { at, len: FILE_HEADER, cause: Cause::FileHeader });
                        (shape, self.shape) = (joined, Some(joined));
                        at += FILE_HEADER;
                        continue;
                    }
                    let rest = bytes.get(at..).unwrap_or_default();
                    if !end && rest.len() < FILE_HEADER && Shape::magic(rest).is_some() {
                        break;
                    }
                }
                match self.judge(&shape, bytes, at, end) {
                    Step::Record(len) => {
                        self.records += 1;
                        at += len;
                    }
                    Step::Gap(len, cause) => {
                        head.gaps.push(Gap { at, len, cause });
                        at += len;
                    }
                    Step::More => break,
                }
            }
        }
        self.offset += at as u64;
        head.taken = at;
        (at, head)
    }

    /// Steps over ordinary records that are there as a whole: the first place where none stands.
    #[inline]
    fn step(&mut self, shape: &Shape, bytes: &[u8], mut at: usize) -> usize {
        while let Some(record) = shape.record(bytes, at) {
            // A captured length of zero is no ordinary one either.
            let is_ordinary =
                record.captured.wrapping_sub(1) < ORDINARY_LIMIT as u32 && record.captured <= record.original;
            let next = at + shape.header + record.captured as usize;
            if !is_ordinary || next > bytes.len() {
                break;
            }
            self.records += 1;
            at = next;
        }
        at
    }

    /// What stands where no ordinary whole record does.
    fn judge(&mut self, shape: &Shape, bytes: &[u8], at: usize, end: bool) -> Step {
        let left = bytes.len().saturating_sub(at);
        if left == 0 {
            return Step::More;
        }
        if self.lost {
            return self.search_on(shape, bytes, at, at, end, Cause::Lost);
        }
        let offset = self.offset + at as u64;
        let truncated =
            |needs: usize| Step::Gap(left, Cause::Truncated { offset, needs: needs as u64, has: left as u64 });
        let Some(record) = shape.record(bytes, at) else {
            return if end { truncated(shape.header) } else { Step::More };
        };
        let captured = record.captured as usize;
        let damage = Cause::Length { offset, claimed: captured as u64 };
        if record.is_blank() || captured > RECORD_LIMIT {
            return self.search_on(shape, bytes, at, at + 1, end, damage);
        }
        let len = shape.header + captured;
        if len > left {
            if !end {
                return Step::More;
            }
            // Cut short, unless a chain of records goes on within what it claims.
            return match search(shape, bytes, at + 1, false) {
                Search::Found(_) => self.search_on(shape, bytes, at, at + 1, end, damage),
                Search::Undecided(_) => truncated(len),
            };
        }
        if captured <= ORDINARY_LIMIT && captured <= record.original as usize {
            return Step::Record(len);
        }
        // A length out of the ordinary is believed when a header stands behind it.
        match shape.record(bytes, at + len) {
            Some(next) if shape.is_possible(next) => Step::Record(len),
            Some(_) => self.search_on(shape, bytes, at, at + 1, end, damage),
            None if end => Step::Record(len),
            None => Step::More,
        }
    }

    /// Searches from `from` on, and passes over everything from `at` to what is found.
    fn search_on(&mut self, shape: &Shape, bytes: &[u8], at: usize, from: usize, end: bool, cause: Cause) -> Step {
        let to = match search(shape, bytes, from, end) {
            Search::Found(to) => {
                self.lost = false;
                to
            }
            Search::Undecided(to) => {
                self.lost = true;
                to
            }
        };
        match to - at {
            0 if !self.lost => {
                // What is found right here is a record: `step` would not have stopped at it, so it is judged anew.
                shape
                    .record(bytes, at)
                    .map_or(Step::More, |record| Step::Record(shape.header + record.captured as usize))
            }
            0 => Step::More,
            len => Step::Gap(len, cause),
        }
    }
}

/// Searches for the next chain of plausible records. At the `end` of the file a chain may be shorter.
fn search(shape: &Shape, bytes: &[u8], from: usize, end: bool) -> Search {
    let mut at = from;
    'place: while let Some(first) = shape.record(bytes, at) {
        let (mut record, mut place) = (first, at);
        for links in 1..=CHAIN {
            if !shape.is_plausible(record) {
                at += 1;
                continue 'place;
            }
            place += shape.header + record.captured as usize;
            match shape.record(bytes, place) {
                Some(next) if next.seconds.abs_diff(record.seconds) <= CHAIN_SECONDS => record = next,
                Some(_) => {
                    at += 1;
                    continue 'place;
                }
                // The file ends with this record, or soon after: a chain as long as can be.
                None if end && (place == bytes.len() || links > 1 && place < bytes.len()) => return Search::Found(at),
                None if end => {
                    at += 1;
                    continue 'place;
                }
                None => return Search::Undecided(at),
            }
        }
        return Search::Found(at);
    }
    Search::Undecided(if end { bytes.len() } else { at.min(bytes.len()) })
}

impl Head {
    pub(super) fn frames(self, bytes: &[u8]) -> Frames<'_> {
        let bytes = bytes.get(..self.taken).unwrap_or(bytes);
        let mut frames = Frames {
            bytes,
            shape: self.shape,
            at: 0,
            gap_at: usize::MAX,
            record: self.before,
            gaps: self.gaps.into_iter(),
            anomalies: Anomalies::default(),
        };
        frames.next_gap();
        frames
    }
}

/// The frames of one block.
#[derive(Debug)]
pub(super) struct Frames<'a> {
    bytes: &'a [u8],
    shape: Option<Shape>,
    at: usize,
    gap_at: usize,
    record: u64,
    gaps: std::vec::IntoIter<Gap>,
    anomalies: Anomalies,
}

impl<'a> Frames<'a> {
    fn next_gap(&mut self) {
        self.gap_at = self.gaps.as_slice().first().map_or(usize::MAX, |gap| gap.at);
    }

    #[cold]
    fn pass_gap(&mut self) {
        if let Some(gap) = self.gaps.next() {
            if gap.cause == Cause::FileHeader {
                self.shape = self.bytes.get(gap.at..).and_then(Shape::read).or(self.shape);
            }
            gap.cause.note(self.record + 1, &mut self.anomalies);
            self.at = gap.at + gap.len;
        }
        self.next_gap();
    }

    #[inline(always)]
    pub(super) fn next(&mut self) -> Option<Frame<'a>> {
        while self.at == self.gap_at {
            self.pass_gap();
        }
        let shape = self.shape?;
        let record = shape.record(self.bytes, self.at)?;
        let begin = self.at + shape.header;
        let end = begin + record.captured as usize;
        let mut bytes = self.bytes.get(begin..end)?;
        self.at = end;
        self.record += 1;
        let mut original_len = record.original;
        if shape.fcs > 0 && record.captured >= original_len {
            original_len = original_len.saturating_sub(u32::from(shape.fcs));
            bytes = bytes.get(..bytes.len().saturating_sub(usize::from(shape.fcs))).unwrap_or_default();
        }
        let fraction_ns = u64::from(record.fraction) * u64::from(shape.unit_ns);
        if fraction_ns >= 1_000_000_000 {
            self.bad_time(record);
        }
        // At most 2^32 seconds and 2^32 microseconds: far below 2^63 ns.
        let ns = u64::from(record.seconds) * 1_000_000_000 + fraction_ns;
        let at = Timestamp::new(ns.cast_signed(), shape.digits);
        Some(Frame { bytes, original_len, at, record: self.record, link_type: shape.link_type })
    }

    #[cold]
    fn bad_time(&mut self, record: Record) {
        self.anomalies.note("bad_time", Some(self.record), || {
            format!("a sub-second field of {} is more than a second", record.fraction)
        });
    }

    pub(super) fn into_anomalies(self) -> Anomalies {
        self.anomalies
    }
}
