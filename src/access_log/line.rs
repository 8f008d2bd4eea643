//! Where the lines of a log begin and end, block by block, without ever holding one that is too long.
//!
//! Every line counts for the line number, blank ones too, as an editor shows it. LF ends a line; a CR before it is no
//! part of it.

use std::sync::Arc;

use memchr::{memchr, memrchr};

use super::batch::LogReader;
use super::columns::RECORD_BYTES;
use super::format::Format;
use super::scan::count;

/// Bytes of the longest line that is read, without its end. A longer one is set aside whole.
pub const LINE_BYTES: usize = 4 << 20;

/// The walk along the line ends of one log.
#[derive(Clone, Debug, Default)]
pub struct Walk {
    begun: bool,
    /// Whether the bytes that follow belong to a line that is too long.
    inside: bool,
    /// The format, where its records hang on a header line.
    table: Option<Format>,
    /// The last header line.
    header: Option<Arc<[u8]>>,
}

/// What a block of a log holds beside whole lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The log begins here.
    first: bool,
    /// It begins inside a line that is too long and was counted before.
    inside: bool,
    /// It is the beginning of a line that is too long, and nothing else.
    open: bool,
    /// The header line that holds at its first line, as far as the walk looked for one.
    header: Option<Arc<[u8]>>,
}

impl Part {
    /// A whole log in one block.
    pub const WHOLE: Self = Self { first: true, inside: false, open: false, header: None };

    /// The whole lines of a block with these `bytes`.
    pub(super) fn lines<'b>(&self, bytes: &'b [u8]) -> &'b [u8] {
        match self {
            Self { open: true, .. } => b"",
            Self { inside: true, .. } => memchr(b'\n', bytes).and_then(|end| bytes.get(end + 1..)).unwrap_or_default(),
            // The byte order mark of UTF-8 is no part of the first line.
            Self { first: true, .. } => bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes),
            _ => bytes,
        }
    }

    /// What a block with these `bytes` begins with: more of a line that is too long, and was counted before.
    pub(super) fn rest_of_a_line<'b>(&self, bytes: &'b [u8]) -> Option<&'b [u8]> {
        let rest = match memchr(b'\n', bytes) {
            Some(end) => bytes.get(..end).map(|rest| rest.strip_suffix(b"\r").unwrap_or(rest)),
            None => Some(bytes),
        };
        rest.filter(|rest| self.inside && !rest.is_empty())
    }

    /// Whether a line that is too long begins here.
    pub(super) fn is_open(&self) -> bool {
        self.open
    }

    pub(super) fn header(&self) -> Option<Arc<[u8]>> {
        self.header.clone()
    }
}

/// The line at the front of `bytes` without its end, and what follows it. The last line may have no end.
pub(super) fn split(bytes: &[u8]) -> (&[u8], &[u8]) {
    let end = memchr(b'\n', bytes).unwrap_or(bytes.len());
    let line = bytes.get(..end).unwrap_or_default();
    (line.strip_suffix(b"\r").unwrap_or(line), bytes.get(end + 1..).unwrap_or_default())
}

impl Walk {
    /// Of a log recognised as `format`.
    #[must_use]
    pub fn new(format: Format) -> Self {
        Self { table: Some(format).filter(|format| format.has_header()), ..Self::default() }
    }

    /// Cuts whole lines from the front of `bytes`: how many bytes they take, and what they are. At the `end` of the log
    /// all are taken. `reader` tells which lines are headers.
    pub fn cut(&mut self, bytes: &[u8], end: bool, reader: &LogReader) -> (usize, Part) {
        let part = Part { first: !self.begun, inside: self.inside, open: false, header: self.header.clone() };
        let taken = if end { bytes.len() } else { memrchr(b'\n', bytes).map_or(0, |at| at + 1) };
        if taken > 0 {
            let taken = if !end && self.table == Some(Format::Csv) { outside_quotes(bytes, taken) } else { taken };
            if taken == 0 {
                return (0, part);
            }
            if let Some(header) = self.table.and_then(|_| last_header(bytes.get(..taken)?, reader)) {
                self.header = Some(header.into());
            }
            self.begun = true;
            self.inside = false;
            return (taken, part);
        }
        // Room for a carriage return that is no part of the line, and for a byte order mark.
        if !self.inside && bytes.len() <= LINE_BYTES + 8 {
            return (0, part);
        }
        let part = Part { open: !self.inside, ..part };
        self.begun = true;
        self.inside = true;
        (bytes.len(), part)
    }
}

/// Where the last of the lines in the first `taken` bytes ends that does not go on in the next, by the quotes before it;
/// 0 where the only record there may go on.
fn outside_quotes(bytes: &[u8], taken: usize) -> usize {
    let quotes = |from: usize, to: usize| count(b'"', bytes.get(from..to).unwrap_or_default());
    let (mut at, mut open) = (taken, quotes(0, taken) % 2);
    while open == 1 {
        let before = bytes.get(..at - 1).and_then(|before| memrchr(b'\n', before));
        let Some(end) = before.map(|end| end + 1) else {
            // Quotes that never close are none.
            return if bytes.len() > RECORD_BYTES { taken } else { 0 };
        };
        open = (open + quotes(end, at)) % 2;
        at = end;
    }
    at
}

/// The last line that names columns.
fn last_header<'b>(bytes: &'b [u8], reader: &LogReader) -> Option<&'b [u8]> {
    let mut rest = bytes;
    while !rest.is_empty() {
        let body = rest.strip_suffix(b"\n").unwrap_or(rest);
        let start = memrchr(b'\n', body).map_or(0, |at| at + 1);
        let line = body.get(start..).unwrap_or_default();
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let line = if start == 0 { line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line) } else { line };
        if line.len() <= LINE_BYTES && reader.is_header(line) {
            return Some(line);
        }
        rest = rest.get(..start).unwrap_or_default();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::SourceId;
    use crate::settings::Settings;

    /// Cuts `text` as it would come in blocks of `size`, and gives the lines' lengths.
    fn lengths(text: &[u8], size: usize) -> Vec<Option<usize>> {
        let reader = LogReader::new(SourceId(0), "a.log", &Settings::default());
        let (mut walk, mut lines) = (Walk::default(), Vec::new());
        let (mut start, mut filled) = (0, 0);
        loop {
            filled = (filled + size).min(text.len());
            let end = filled == text.len();
            let bytes = &text[start..filled];
            let (taken, part) = walk.cut(bytes, end, &reader);
            lines.extend(part.is_open().then_some(None));
            let mut rest = part.lines(&bytes[..taken]);
            while !rest.is_empty() {
                let (line, behind) = split(rest);
                lines.push((line.len() <= LINE_BYTES).then_some(line.len()));
                rest = behind;
            }
            start += taken;
            if end {
                return lines;
            }
        }
    }

    #[test]
    fn lines_do_not_depend_on_where_blocks_end() {
        let long = |length: usize| vec![b'x'; length];
        let text = [
            &b"\xef\xbb\xbfone\r\n\n\r\n"[..],
            &long(LINE_BYTES),
            b"\ntwo\n",
            &long(LINE_BYTES + 1),
            b"\nthree\n",
            &long(3 * LINE_BYTES),
            b"\r\nfour",
        ]
        .concat();
        let expected = [Some(3), Some(0), Some(0), Some(LINE_BYTES), Some(3), None, Some(5), None, Some(4)];
        for size in [1 << 20, 1 << 16, (1 << 20) + 7, 3 * LINE_BYTES / 2, 100 << 20] {
            assert_eq!(lengths(&text, size), expected, "{size}");
        }
        for size in 1..40 {
            assert_eq!(lengths(b"a\n\nbb\r\nccc\n", size), [Some(1), Some(0), Some(2), Some(3)], "{size}");
        }
        assert_eq!(lengths(b"", 5), []);
        assert_eq!(lengths(&long(9 * LINE_BYTES), 1 << 20), [None]);
        assert_eq!(lengths(&[&long(9 * LINE_BYTES)[..], b"\nx"].concat(), 1 << 20), [None, Some(1)]);
    }
}
