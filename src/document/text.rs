//! The walk along a text whose records go over several lines, each begun by a line that says so.
//!
//! A record begins with a line that is the marker, or with the line before it where that belongs to it, and goes on to the
//! next. Its number is that of its first line.

use std::sync::Arc;

use memchr::memchr;

use super::walk::{ENTRY_BYTES, Pieces, Span};

/// What begins a record.
#[derive(Clone, Copy, Debug)]
pub struct Marker {
    /// The line that begins it, blanks around it apart.
    pub line: &'static [u8],
    /// Whether a line before that one belongs to the record.
    pub is_head: fn(&[u8]) -> bool,
}

/// The walk along such a text.
#[derive(Clone, Debug)]
pub struct TextWalk {
    marker: Marker,
    /// Lines before the last cut.
    lines: u64,
    /// Whether the bytes behind the last cut belong to a record that is too long.
    is_skipped: bool,
}

impl TextWalk {
    pub(super) fn new(marker: Marker) -> Self {
        Self { marker, lines: 0, is_skipped: false }
    }

    pub(super) fn cut(&mut self, bytes: &[u8], end: bool) -> (usize, Pieces) {
        let mut pieces = Pieces::default();
        // The record that is open: its first byte and its line.
        let mut open: Option<(usize, u64)> = None;
        let (mut at, mut line_number, mut before) = (0, self.lines, None);
        let mut is_skipped = self.is_skipped;
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
            if text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text) == self.marker.line {
                let start = before.unwrap_or((at, line_number));
                Self::close(open, start.0, &mut pieces);
                open = Some(start);
                is_skipped = false;
                before = None;
            } else {
                before = (self.marker.is_head)(text).then_some((at, line_number));
                if open.is_none() && !is_skipped && before.is_none() && !text.is_empty() {
                    pieces.tally.add("not_a_request", 1);
                }
            }
            at += length;
            if open.is_none() {
                decided = before.map_or((at, line_number), |(start, number)| (start, number - 1));
            }
        }
        if end {
            Self::close(open, bytes.len(), &mut pieces);
            return (bytes.len(), pieces);
        }
        if let Some((start, number)) = open {
            decided = (start, number - 1);
            if bytes.len() - start > ENTRY_BYTES {
                pieces.too_long(number);
                is_skipped = true;
                // Up to the line that may belong to the next record.
                decided = before.map_or((at, line_number), |(start, number)| (start, number - 1));
            }
        } else if bytes.len() - decided.0 > ENTRY_BYTES {
            // A line without end, which is no record.
            decided = (bytes.len(), line_number);
            is_skipped = true;
        }
        self.is_skipped = is_skipped;
        self.lines = decided.1;
        (decided.0, pieces)
    }

    /// Gives the record that is open, which ends before `end`.
    fn close(open: Option<(usize, u64)>, end: usize, pieces: &mut Pieces) {
        let Some((start, record)) = open else { return };
        if end - start > ENTRY_BYTES {
            pieces.too_long(record);
        } else {
            pieces.spans.push(Span { start, end, record, path: Arc::default() });
        }
    }
}
