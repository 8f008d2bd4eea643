//! Header field rows of one SIP message, in the order and spelling they arrived.
//!
//! Follows RFC 3261 §7.3 for rows, folding and compact forms. Called by [`super::Message`] and for the parts of a
//! multipart body; read by `facts`. Knows what no field means.
//!
//! Keeps: every byte of the header belongs to one row, one unreadable line, or the cut end. A row is shown only when it
//! was captured whole: its line end and the byte behind it, which may fold the row on, were seen.
//!
//! # Design
//!
//! - A line ends with CRLF or LF. CRs in front of an LF belong to the line end, so that `\r\r\n`, which broken
//!   conversions write, does not end the header early and hide the fields behind it.
//! - A bare CR ends a line too (the stacks of PJSIP and Sofia read it so), but the empty line that ends the header is
//!   believed from bare CRs only where the start line ended with one.
//! - A datagram that ends behind a row without the empty line was sent so: the header was seen to its end. If the
//!   capture cut it, it was not.
//! - Blanks before the colon are taken off; a field name may hold any visible byte but the colon.

use std::borrow::Cow;

use super::Extent;
use crate::scan;

/// Rows that are read of one header; behind them it counts as not seen to its end.
pub const MAX_ROWS: usize = 4_000;

/// Bytes that are read of one header; behind them it counts as not seen to its end.
pub const MAX_HEADER_BYTES: usize = 256 << 10;

/// Reads the rows of one header.
#[derive(Clone, Copy, Debug)]
pub struct Header<'a> {
    text: &'a [u8],
    position: usize,
    start: usize,
    lines: usize,
    extent: Extent,
    ends: LineEnds,
    end: Option<HeaderEnd>,
}

/// How a header ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderEnd {
    /// The capture cut it.
    Cut,
    /// [`MAX_ROWS`] or [`MAX_HEADER_BYTES`] was reached.
    Limit,
    /// It was seen to its end.
    Whole,
}

/// What one line, with the lines folded onto it, holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line<'a> {
    /// A header field row.
    Row(Row<'a>),
    /// No row: there is no colon, or no field name before it.
    Unreadable(&'a [u8]),
}

/// A header field row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row<'a> {
    /// The field name as written, without the blanks before the colon.
    pub name: &'a [u8],
    raw: &'a [u8],
    folded: bool,
}

/// What ends the empty line behind a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LineEnds {
    BareCr,
    Lf,
}

impl<'a> Header<'a> {
    /// The header of a message whose start line has `line_bytes` bytes without its line end.
    pub(super) fn after_start_line(text: &'a [u8], line_bytes: usize, extent: Extent) -> Self {
        let behind = text.get(line_bytes..).unwrap_or_default();
        let crs = behind.iter().take_while(|byte| **byte == b'\r').count();
        let (ends, bytes) = match behind.get(crs) {
            Some(b'\n') => (LineEnds::Lf, crs + 1),
            // `\r\r` at once: the second one is the empty line.
            _ if crs > 0 => (LineEnds::BareCr, 1),
            _ => (LineEnds::Lf, 0),
        };
        Self::at(text, line_bytes + bytes, extent, ends)
    }

    /// The header that starts at the first byte of a body part (RFC 2046 §5.1).
    pub(super) fn of_part(text: &'a [u8], extent: Extent) -> Self {
        Self::at(text, 0, extent, LineEnds::Lf)
    }

    fn at(text: &'a [u8], position: usize, extent: Extent, ends: LineEnds) -> Self {
        Self { text, position, start: position, lines: 0, extent, ends, end: None }
    }

    /// How the header ended; `None` while there may be rows to read.
    #[must_use]
    pub fn end(&self) -> Option<HeaderEnd> {
        self.end
    }

    /// Lines read so far.
    #[must_use]
    pub fn lines(&self) -> usize {
        self.lines
    }

    /// The first byte that was not read yet: behind the empty line once the header ended whole.
    #[must_use]
    pub fn position(&self) -> usize {
        self.position
    }

    /// The end of the payload was met before the empty line.
    fn out_of_bytes(&mut self) {
        self.position = self.text.len();
        self.end = Some(match self.extent {
            Extent::Cut => HeaderEnd::Cut,
            Extent::Whole => HeaderEnd::Whole,
        });
    }

    /// Whether the empty line stands at the position; passes over it, and over bare CRs that are none.
    fn at_empty_line(&mut self) -> bool {
        let rest = self.text.get(self.position..).unwrap_or_default();
        let crs = rest.iter().take_while(|byte| **byte == b'\r').count();
        match rest.get(crs) {
            Some(b'\n') => {
                self.position += crs + 1;
                self.end = Some(HeaderEnd::Whole);
                true
            }
            _ if crs == 0 => false,
            None if self.extent == Extent::Cut => {
                self.out_of_bytes();
                true
            }
            _ if self.ends == LineEnds::BareCr => {
                self.position += 1;
                self.end = Some(HeaderEnd::Whole);
                true
            }
            _ => {
                self.position += crs;
                self.at_empty_line()
            }
        }
    }

    /// The position behind the line end that starts at `at` of `rest`.
    fn behind_line_end(&self, rest: &[u8], at: usize) -> usize {
        match rest.get(at..) {
            Some([b'\n', ..]) => at + 1,
            Some([b'\r', b'\n', ..]) => at + 2,
            behind => {
                let crs = behind.unwrap_or_default().iter().take_while(|byte| **byte == b'\r').count();
                match rest.get(at + crs) {
                    Some(b'\n') => at + crs + 1,
                    _ if self.ends == LineEnds::BareCr => at + 1,
                    _ => at + crs,
                }
            }
        }
    }
}

impl<'a> Iterator for Header<'a> {
    type Item = Line<'a>;

    #[inline]
    fn next(&mut self) -> Option<Line<'a>> {
        if self.end.is_some() {
            return None;
        }
        if matches!(self.text.get(self.position), Some(b'\r' | b'\n')) && self.at_empty_line() {
            return None;
        }
        let rest = self.text.get(self.position..).unwrap_or_default();
        if rest.is_empty() {
            self.out_of_bytes();
            return None;
        }
        if self.lines >= MAX_ROWS || self.position - self.start >= MAX_HEADER_BYTES {
            self.end = Some(HeaderEnd::Limit);
            return None;
        }
        let mut from = 0;
        let mut folded = false;
        let (content, behind) = loop {
            let Some(at) = scan::line_end(rest.get(from..).unwrap_or_default()) else {
                if self.extent == Extent::Cut {
                    self.out_of_bytes();
                    return None;
                }
                break (rest, rest.len());
            };
            let behind = self.behind_line_end(rest, from + at);
            match rest.get(behind) {
                None if self.extent == Extent::Cut => {
                    self.out_of_bytes();
                    return None;
                }
                Some(b' ' | b'\t') => {
                    folded = true;
                    from = behind;
                }
                _ => break (rest.get(..from + at).unwrap_or_default(), behind),
            }
        };
        self.position += behind;
        self.lines += 1;
        Some(line(content, folded))
    }
}

#[inline]
fn line(content: &[u8], folded: bool) -> Line<'_> {
    match scan::name_end(content) {
        Some(colon) if colon > 0 && content.get(colon) == Some(&b':') => row(content, colon, colon, folded),
        _ => line_with_blanks(content, folded),
    }
}

#[inline]
fn row(content: &[u8], name_bytes: usize, colon: usize, folded: bool) -> Line<'_> {
    let name = content.get(..name_bytes).unwrap_or_default();
    let raw = content.get(colon + 1..).unwrap_or_default().trim_ascii();
    Line::Row(Row { name, raw, folded })
}

/// A row with blanks before its colon, or none at all.
fn line_with_blanks(content: &[u8], folded: bool) -> Line<'_> {
    let mut name_bytes = 0;
    for (at, byte) in content.iter().enumerate() {
        match byte {
            b':' if name_bytes > 0 => return row(content, name_bytes, at, folded),
            b':' => break,
            b' ' | b'\t' | b'\r' | b'\n' => {}
            // A second word before the colon, or a control.
            0x21.. if name_bytes == at => name_bytes = at + 1,
            _ => break,
        }
    }
    Line::Unreadable(content)
}

impl<'a> Row<'a> {
    /// The value, blanks around it taken off; the pieces of a folded one are joined with one blank (RFC 3261 §7.3.1).
    #[must_use]
    #[inline]
    pub fn value(&self) -> Cow<'a, [u8]> {
        if self.folded { Cow::Owned(unfold(self.raw)) } else { Cow::Borrowed(self.raw) }
    }

    /// Whether the name is `long`, which is lower case, or its compact form.
    #[must_use]
    pub fn is(&self, long: &[u8]) -> bool {
        self.name.eq_ignore_ascii_case(long)
            || matches!((self.name, compact(long)), ([letter], Some(compact)) if letter.to_ascii_lowercase() == compact)
    }
}

fn unfold(raw: &[u8]) -> Vec<u8> {
    let mut value = Vec::with_capacity(raw.len());
    for piece in raw.split(|byte| matches!(byte, b'\r' | b'\n')) {
        let piece = piece.trim_ascii();
        if !piece.is_empty() {
            if !value.is_empty() {
                value.push(b' ');
            }
            value.extend_from_slice(piece);
        }
    }
    value
}

/// The registered compact forms, lower case: RFC 3261 §7.3.3 and the registry it founded.
const COMPACT: [(u8, &[u8]); 20] = [
    (b'a', b"accept-contact"),
    (b'b', b"referred-by"),
    (b'c', b"content-type"),
    (b'd', b"request-disposition"),
    (b'e', b"content-encoding"),
    (b'f', b"from"),
    (b'i', b"call-id"),
    (b'j', b"reject-contact"),
    (b'k', b"supported"),
    (b'l', b"content-length"),
    (b'm', b"contact"),
    (b'n', b"identity-info"),
    (b'o', b"event"),
    (b'r', b"refer-to"),
    (b's', b"subject"),
    (b't', b"to"),
    (b'u', b"allow-events"),
    (b'v', b"via"),
    (b'x', b"session-expires"),
    (b'y', b"identity"),
];

/// The compact form of a field name, whatever its case; `None` where it has none.
#[must_use]
pub fn compact(name: &[u8]) -> Option<u8> {
    COMPACT.iter().find(|(_, long)| long.eq_ignore_ascii_case(name)).map(|(letter, _)| *letter)
}

/// The long form of a field name in lower case, if `name` is a compact form in either case.
#[must_use]
pub fn long_form(name: &[u8]) -> Option<&'static [u8]> {
    let [letter] = name else { return None };
    COMPACT.iter().find(|(compact, _)| *compact == letter.to_ascii_lowercase()).map(|(_, long)| *long)
}
