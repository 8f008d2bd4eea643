//! The snoop format of Solaris (RFC 1761): big-endian, a file header, then records that are padded to whole words.
//!
//! # Incomplete support
//!
//! Behind a record whose lengths contradict each other nothing is searched: the rest of the file is one gap. Link types
//! other than Ethernet are not read; their packets are counted.

use super::walk::{Cause, Gap, RECORD_LIMIT};
use super::{Frame, LinkType};
use crate::evidence::{Anomalies, Timestamp};

const FILE_HEADER: usize = 16;
const RECORD_HEADER: usize = 24;

/// Whether a file begins like a capture of snoop, of the only version there is.
pub(super) fn is_snoop(head: &[u8]) -> bool {
    head.starts_with(b"snoop\0\0\0\0\0\0\x02")
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk::<4>().map(|word| u32::from_be_bytes(*word))
}

/// A record's header.
#[derive(Clone, Copy, Debug)]
struct Record {
    original: u32,
    captured: u32,
    /// Bytes of the record with its header and its padding.
    len: u32,
    seconds: u32,
    micros: u32,
}

impl Record {
    fn read(bytes: &[u8], at: usize) -> Option<Self> {
        let word = |place: usize| u32_at(bytes, at + 4 * place);
        Some(Self { original: word(0)?, captured: word(1)?, len: word(2)?, seconds: word(4)?, micros: word(5)? })
    }

    fn is_possible(self) -> bool {
        let (captured, len) = (self.captured as usize, self.len as usize);
        captured <= RECORD_LIMIT
            && len <= RECORD_LIMIT
            && len.checked_sub(RECORD_HEADER).is_some_and(|room| captured <= room)
    }
}

/// The state between the blocks of one file.
#[derive(Debug, Default)]
pub(super) struct Walk {
    link_type: Option<u32>,
    records: u64,
    /// Where in the file the bytes begin that are cut next.
    offset: u64,
    /// Whether a length was met that cannot be.
    lost: bool,
}

/// What the decoder of a block must know.
#[derive(Debug)]
pub(super) struct Head {
    link_type: u32,
    before: u64,
    taken: usize,
    gaps: Vec<Gap>,
}

impl Walk {
    pub(super) fn records(&self) -> u64 {
        self.records
    }

    pub(super) fn cut(&mut self, bytes: &[u8], end: bool) -> (usize, Head) {
        let before = self.records;
        let mut gaps = Vec::new();
        let mut at = 0;
        if self.link_type.is_none() {
            self.link_type = u32_at(bytes, 12);
            if self.link_type.is_some() {
                gaps.push(Gap { at, len: FILE_HEADER, cause: Cause::FileHeader });
                at = FILE_HEADER;
            }
        }
        while !self.lost && self.link_type.is_some() {
            let Some(record) = Record::read(bytes, at) else { break };
            if !record.is_possible() {
                let cause = Cause::Length { offset: self.offset + at as u64, claimed: u64::from(record.len) };
                gaps.push(Gap { at, len: bytes.len() - at, cause });
                (at, self.lost) = (bytes.len(), true);
                break;
            }
            if record.len as usize > bytes.len() - at {
                break;
            }
            self.records += 1;
            at += record.len as usize;
        }
        let left = bytes.len().saturating_sub(at);
        if left > 0 && self.lost {
            gaps.push(Gap { at, len: left, cause: Cause::Lost });
            at = bytes.len();
        } else if left > 0 && end {
            let needs = Record::read(bytes, at).map_or(RECORD_HEADER, |record| record.len as usize) as u64;
            let cause = Cause::Truncated { offset: self.offset + at as u64, needs, has: left as u64 };
            gaps.push(Gap { at, len: left, cause });
            at = bytes.len();
        }
        self.offset += at as u64;
        (at, Head { link_type: self.link_type.unwrap_or_default(), before, taken: at, gaps })
    }
}

impl Head {
    pub(super) fn frames(self, bytes: &[u8]) -> Frames<'_> {
        Frames {
            bytes: bytes.get(..self.taken).unwrap_or(bytes),
            link_type: self.link_type,
            at: 0,
            record: self.before,
            gaps: self.gaps.into_iter(),
            anomalies: Anomalies::default(),
        }
    }
}

/// The frames of one block.
#[derive(Debug)]
pub(super) struct Frames<'a> {
    bytes: &'a [u8],
    link_type: u32,
    at: usize,
    record: u64,
    gaps: std::vec::IntoIter<Gap>,
    anomalies: Anomalies,
}

impl<'a> Frames<'a> {
    pub(super) fn next(&mut self) -> Option<Frame<'a>> {
        while let Some(gap) = self.gaps.as_slice().first().copied().filter(|gap| gap.at == self.at) {
            gap.cause.note(self.record + 1, &mut self.anomalies);
            self.at += gap.len;
            self.gaps.next();
        }
        let record = Record::read(self.bytes, self.at)?;
        let data = self.bytes.get(self.at + RECORD_HEADER..)?;
        let bytes = data.get(..record.captured as usize)?;
        self.at += record.len as usize;
        self.record += 1;
        if record.micros >= 1_000_000 {
            self.anomalies.note("bad_time", Some(self.record), || {
                format!("a sub-second field of {} is more than a second", record.micros)
            });
        }
        // IEEE 802.3 and Ethernet are one today.
        let link_type = if matches!(self.link_type, 0 | 4) { LinkType(1) } else { self.unknown_link() };
        // At most 2^32 seconds and 2^32 microseconds: far below 2^63 ns.
        let ns = u64::from(record.seconds) * 1_000_000_000 + u64::from(record.micros) * 1_000;
        let at = Timestamp::new(ns.cast_signed(), 6);
        Some(Frame { bytes, original_len: record.original, at, record: self.record, link_type })
    }

    #[cold]
    fn unknown_link(&mut self) -> LinkType {
        self.anomalies.note("unsupported_link_type", Some(self.record), || {
            format!("packets of snoop's link type {} are not read", self.link_type)
        });
        LinkType::UNKNOWN
    }

    pub(super) fn into_anomalies(self) -> Anomalies {
        self.anomalies
    }
}
