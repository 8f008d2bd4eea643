//! The walk along a text whose records go over several lines, each begun by a line that says so.
//!
//! A record begins with a line that is the marker, or with the line before it where that belongs to it, and goes on to the
//! next, or to a line that is a record by itself. Its number is that of its first line.

use std::fmt;
use std::sync::Arc;

use memchr::memchr;

use super::walk::{Aside, ENTRY_BYTES, Pieces, Span, TOO_LONG};

/// What begins a record.
#[derive(Clone)]
pub struct Marker {
    /// The line that begins it, blanks around it apart.
    pub line: &'static [u8],
    /// Whether a line before that one belongs to the record.
    pub is_head: fn(&[u8]) -> bool,
    /// Whether a line, with all its blanks, is a record by itself: another program's, or the same one's in another form.
    pub is_record: Arc<IsRecord>,
}

/// Whether a line is a record by itself.
type IsRecord = dyn Fn(&[u8]) -> bool + Send + Sync;

impl fmt::Debug for Marker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Marker").field("line", &self.line.escape_ascii().to_string()).finish_non_exhaustive()
    }
}

/// The walk along such a text.
#[derive(Clone, Debug)]
pub struct TextWalk {
    marker: Marker,
    /// Lines before the last cut.
    lines: u64,
    /// What the bytes behind the last cut belong to that is not given: a record or a line that is too long.
    skipped: Option<Skipped>,
}

/// The number of what is skipped, and why.
type Skipped = (u64, &'static str);

/// The reason of a line that is no part of a record.
const NOT_A_REQUEST: &str = "not_a_request";

impl TextWalk {
    pub(super) fn new(marker: Marker) -> Self {
        Self { marker, lines: 0, skipped: None }
    }

    pub(super) fn cut(&mut self, bytes: &[u8], end: bool) -> (usize, Pieces) {
        let mut pieces = Pieces::default();
        // The record that is open: its first byte and its line.
        let mut open: Option<(usize, u64)> = None;
        let (mut at, mut line_number, mut before) = (0, self.lines, None);
        let mut skipped = self.skipped;
        let mut aside = skipped.map(|(record, reason)| Aside { start: 0, record, reason });
        // Where the bytes that are decided end.
        let mut decided = (0, self.lines);
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            let Some(length) = memchr(b'\n', rest).map(|length| length + 1).or_else(|| end.then_some(rest.len()))
            else {
                break;
            };
            line_number += 1;
            let line = rest.get(..length).unwrap_or_default();
            let text = line.trim_ascii();
            if matches!(skipped, Some((_, NOT_A_REQUEST))) {
                // The end of a line that is too long.
                skipped = None;
                pieces.gaps.extend(aside.take().map(|aside| aside.until(at + length)));
            } else if text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text) == self.marker.line {
                let start = before.take().unwrap_or((at, line_number));
                Self::close(open, start.0, &mut pieces);
                open = Some(start);
                skipped = None;
                pieces.gaps.extend(aside.take().map(|aside| aside.until(start.0)));
            } else if (self.marker.is_record)(line) {
                // What stands before it is of the record that is open, or nobody's.
                let is_nobodys = open.is_none() && skipped.is_none();
                if let Some((start, number)) = before.take().filter(|_| is_nobodys) {
                    Self::nobodys(bytes, (start, at), number, &mut pieces);
                }
                Self::close(open.take(), at, &mut pieces);
                skipped = None;
                pieces.gaps.extend(aside.take().map(|aside| aside.until(at)));
                Self::close(Some((at, line_number)), at + length, &mut pieces);
            } else {
                // Lines before the first record; one that was kept back belongs to none after all.
                let is_nobodys = open.is_none() && skipped.is_none();
                if let Some((start, number)) = before.take().filter(|_| is_nobodys) {
                    Self::nobodys(bytes, (start, at), number, &mut pieces);
                }
                before = (self.marker.is_head)(text).then_some((at, line_number));
                if is_nobodys && before.is_none() && !text.is_empty() {
                    Self::nobodys(bytes, (at, at + length), line_number, &mut pieces);
                }
            }
            at += length;
            if open.is_none() {
                decided = before.map_or((at, line_number), |(start, number)| (start, number - 1));
            }
        }
        if end {
            Self::close(open, bytes.len(), &mut pieces);
            if let Some((start, number)) = before.filter(|_| open.is_none() && skipped.is_none()) {
                Self::nobodys(bytes, (start, bytes.len()), number, &mut pieces);
            }
            pieces.gaps.extend(aside.map(|aside| aside.until(bytes.len())));
            return (bytes.len(), pieces);
        }
        if let Some((start, number)) = open {
            decided = (start, number - 1);
            if bytes.len() - start > ENTRY_BYTES {
                pieces.too_long(number);
                skipped = Some((number, TOO_LONG));
                aside = Some(Aside { start, record: number, reason: TOO_LONG });
                // Up to the line that may belong to the next record.
                decided = before.map_or((at, line_number), |(start, number)| (start, number - 1));
            }
        } else if bytes.len() - decided.0 > ENTRY_BYTES {
            // A line without end, which is no record.
            if skipped.is_none() {
                let (record, reason) = (line_number + 1, NOT_A_REQUEST);
                pieces.tally.add(reason, 1);
                skipped = Some((record, reason));
                aside = Some(Aside { start: decided.0, record, reason });
            }
            decided = (bytes.len(), line_number);
        }
        self.skipped = skipped;
        pieces.gaps.extend(aside.map(|aside| aside.until(decided.0)));
        self.lines = decided.1;
        (decided.0, pieces)
    }

    /// Counts a line that belongs to no record.
    fn nobodys(bytes: &[u8], (start, end): (usize, usize), record: u64, pieces: &mut Pieces) {
        let length = bytes.get(start..end).unwrap_or_default().trim_ascii_end().len();
        pieces.tally.add(NOT_A_REQUEST, 1);
        pieces.gaps.push(Aside { start, record, reason: NOT_A_REQUEST }.until(start + length));
    }

    /// Gives the record that is open, which ends before `end`.
    fn close(open: Option<(usize, u64)>, end: usize, pieces: &mut Pieces) {
        let Some((start, record)) = open else { return };
        if end - start > ENTRY_BYTES {
            pieces.too_long(record);
            pieces.gaps.push(Aside { start, record, reason: TOO_LONG }.until(end));
        } else {
            pieces.spans.push(Span { start, end, record, path: Arc::default() });
        }
    }
}
