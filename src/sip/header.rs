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
//! - Receivers that want CRLF read on behind an empty line of LF alone, others do not: [`Header::ends_loosely`] says that one
//!   ended the header of a message whose start line ends with CRLF.
//! - The header of a message ends with the empty line (RFC 3261 §7). A datagram that ends before it was not seen to its
//!   end, whoever left out the rest: its sender, a relay, or an exporter that wrote fewer bytes and lengths to fit. The header
//!   of a body part may end with the part.
//! - Blanks before the colon are taken off; a field name may hold any visible byte but the colon.

use std::borrow::Cow;

use super::{Extent, Met};
use crate::scan::{self, LineEnds};

/// Rows that are read of one header; behind them it counts as not seen to its end.
pub const MAX_ROWS: usize = 4_000;

/// Bytes that are read of one header; behind them it counts as not seen to its end.
pub const MAX_HEADER_BYTES: usize = 256 << 10;

/// What ends a header (RFC 3261 §7), with the line end before it.
pub const EMPTY_LINE: &[u8] = b"\r\n\r\n";

/// Reads the rows of one header.
#[derive(Clone, Copy, Debug)]
pub struct Header<'a> {
    /// The payload up to the limit.
    text: &'a [u8],
    /// The first byte that was not read yet.
    position: usize,
    /// Lines that may still be read.
    lines_left: usize,
    /// Whether the limit of bytes lies before the payload's end.
    limited: bool,
    extent: Extent,
    /// Whether it is a message's, which nothing ends but the empty line.
    of_message: bool,
    ends: Ends,
    line_ends: LineEnds,
    end: Option<HeaderEnd>,
}

/// How a header ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderEnd {
    /// Its empty line is not there: the capture cut it, or it came so.
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
    /// What stands behind the colon.
    pub raw: Raw<'a>,
}

/// What stands behind the colon of a row, as it was captured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Raw<'a> {
    bytes: &'a [u8],
    folded: bool,
}

/// What ends the empty line behind a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ends {
    BareCr,
    Crlf,
    Lf,
}

impl<'a> Header<'a> {
    /// The header of a message whose start line has `line_bytes` bytes without its line end; `line_ends` are the text's.
    #[inline(always)]
    pub(super) fn after_start_line(text: &'a [u8], line_bytes: usize, extent: Extent, line_ends: LineEnds) -> Self {
        let behind = text.get(line_bytes..).unwrap_or_default();
        if behind.starts_with(b"\r\n") {
            return Self { line_ends, ..Self::at(text, line_bytes + 2, extent, Ends::Crlf) };
        }
        let (ends, bytes) = first_line_end(behind);
        Self::at(text, line_bytes + bytes, extent, ends)
    }

    /// The header that starts at the first byte of a body part (RFC 2046 §5.1).
    pub(super) fn of_part(text: &'a [u8], extent: Extent) -> Self {
        Self { of_message: false, ..Self::at(text, 0, extent, Ends::Lf) }
    }

    #[inline]
    fn at(text: &'a [u8], position: usize, extent: Extent, ends: Ends) -> Self {
        let (text, limited) = text.get(..position + MAX_HEADER_BYTES).map_or((text, false), |text| (text, true));
        let line_ends = LineEnds::default();
        Self { text, position, lines_left: MAX_ROWS, limited, extent, of_message: true, ends, line_ends, end: None }
    }

    /// How the header ended; `None` while there may be rows to read.
    #[must_use]
    pub fn end(&self) -> Option<HeaderEnd> {
        self.end
    }

    /// Lines read so far.
    #[must_use]
    pub fn lines(&self) -> usize {
        MAX_ROWS - self.lines_left
    }

    /// The first byte that was not read yet: behind the empty line once the header ended whole.
    #[must_use]
    pub fn position(&self) -> usize {
        self.position
    }

    /// Whether the start line ends with CRLF, but the header was ended by an empty line that is no CRLF behind another.
    #[must_use]
    pub fn ends_loosely(&self) -> bool {
        let read = self.text.get(..self.position).unwrap_or_default();
        self.end == Some(HeaderEnd::Whole) && self.ends == Ends::Crlf && !read.ends_with(EMPTY_LINE)
    }

    /// What was not read yet, up to the limit.
    fn rest(&self) -> &'a [u8] {
        self.text.get(self.position..).unwrap_or_default()
    }

    /// The end of the bytes was met before the empty line; nothing more is shown.
    fn out_of_bytes(&mut self) {
        self.position = self.text.len();
        self.end = Some(match self.extent {
            _ if self.limited => HeaderEnd::Limit,
            Extent::Whole if !self.of_message => HeaderEnd::Whole,
            Extent::Cut | Extent::Whole => HeaderEnd::Cut,
        });
    }

    /// Whether more bytes were sent behind the last one: what they were is not known.
    fn is_open(&self) -> bool {
        self.limited || self.extent == Extent::Cut
    }

    /// Whether a row with nothing behind it may have gone on.
    fn may_go_on(&self) -> bool {
        self.is_open() || self.of_message
    }

    /// Whether the rest starts with the empty line; passes over it, and over bare CRs that are none.
    fn at_empty_line(&mut self) -> bool {
        let rest = self.rest();
        let crs = rest.iter().take_while(|byte| **byte == b'\r').count();
        match rest.get(crs) {
            Some(b'\n') => {
                self.position += crs + 1;
                self.end = Some(HeaderEnd::Whole);
                true
            }
            _ if crs == 0 => false,
            None if self.is_open() => {
                self.out_of_bytes();
                true
            }
            _ if self.ends == Ends::BareCr => {
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

    /// The place behind the line end that starts at `at`.
    fn behind_line_end(&self, at: usize) -> usize {
        let behind = self.text.get(at..).unwrap_or_default();
        let crs = behind.iter().take_while(|byte| **byte == b'\r').count();
        match behind.get(crs) {
            Some(b'\n') => at + crs + 1,
            _ if self.ends == Ends::BareCr => at + 1,
            _ => at + crs,
        }
    }

    /// Passes over the rows that follow as long as they are plain: a name and a colon, ended by CRLF and not folded. Shows
    /// each, with the number of its name if somebody asks for it.
    #[inline(always)]
    pub fn plain_rows(&mut self, met: &mut Met<'_>, mut show: impl FnMut(Option<usize>, Plain<'a>)) {
        if self.end.is_some() {
            return;
        }
        let (text, mut at, mut line_ends) = (self.text, self.position, self.line_ends);
        let (mut lines_left, mut before) = (self.lines_left, Met::START);
        while lines_left > 0
            && let Some(start) = text.get(at..).and_then(|rest| rest.first_chunk())
        {
            let Some(name) = met.guess(before, start, text, at).or_else(|| met.look_up(before, text, at)) else {
                break;
            };
            let colon = at + name.bytes;
            let Some(end) = line_ends.next(text, colon) else { break };
            let Some((b"\r\n", [next, ..])) = text.get(end..).and_then(|behind| behind.split_first_chunk()) else {
                break;
            };
            if matches!(next, b' ' | b'\t') {
                break;
            }
            show(name.number(), Plain { text, at, colon, end });
            (at, before) = (end + 2, name.place);
            lines_left -= 1;
        }
        (self.position, self.lines_left, self.line_ends) = (at, lines_left, line_ends);
        if text.get(at..).is_some_and(|rest| rest.starts_with(b"\r\n")) {
            (self.position, self.end) = (at + 2, Some(HeaderEnd::Whole));
        }
    }
}

/// A plain row, to be cut out where somebody wants it.
#[derive(Clone, Copy, Debug)]
pub struct Plain<'a> {
    text: &'a [u8],
    /// Where the name begins and ends, and where the row ends without its line end.
    at: usize,
    colon: usize,
    end: usize,
}

impl<'a> Plain<'a> {
    /// What stands behind the colon.
    #[must_use]
    #[inline(always)]
    pub fn bytes(&self) -> &'a [u8] {
        self.text.get(self.colon + 1..self.end).unwrap_or_default()
    }

    /// The row.
    #[must_use]
    pub fn row(&self) -> Row<'a> {
        let name = self.text.get(self.at..self.colon).unwrap_or_default();
        Row { name, raw: Raw { bytes: self.bytes(), folded: false } }
    }
}

impl<'a> Iterator for Header<'a> {
    type Item = Line<'a>;

    /// The next line of whatever form.
    fn next(&mut self) -> Option<Line<'a>> {
        if self.end.is_some() {
            return None;
        }
        if matches!(self.rest(), [b'\r' | b'\n', ..]) && self.at_empty_line() {
            return None;
        }
        if self.rest().is_empty() {
            self.out_of_bytes();
            return None;
        }
        let Some(lines_left) = self.lines_left.checked_sub(1) else {
            self.end = Some(HeaderEnd::Limit);
            return None;
        };
        let mut from = self.position;
        let mut folded = false;
        let (end, behind) = loop {
            let Some(at) = scan::line_end(self.text, from) else {
                if self.may_go_on() {
                    self.out_of_bytes();
                    return None;
                }
                break (self.text.len(), self.text.len());
            };
            let behind = self.behind_line_end(at);
            match self.text.get(behind) {
                None if self.may_go_on() => {
                    self.out_of_bytes();
                    return None;
                }
                Some(b' ' | b'\t') => {
                    folded = true;
                    from = behind;
                }
                _ => break (at, behind),
            }
        };
        let content = self.text.get(self.position..end).unwrap_or_default();
        self.position = behind;
        self.lines_left = lines_left;
        Some(line(content, folded))
    }
}

/// What ends lines, by the end of a start line, and how many bytes that has.
#[cold]
fn first_line_end(behind: &[u8]) -> (Ends, usize) {
    let crs = behind.iter().take_while(|byte| **byte == b'\r').count();
    match behind.get(crs) {
        Some(b'\n') => (Ends::Lf, crs + 1),
        // `\r\r` at once: the second one is the empty line.
        _ if crs > 0 => (Ends::BareCr, 1),
        _ => (Ends::Lf, 0),
    }
}

fn line(content: &[u8], folded: bool) -> Line<'_> {
    match scan::name_end(content) {
        Some(colon) if colon > 0 && content.get(colon) == Some(&b':') => row(content, colon, colon, folded),
        _ => line_with_blanks(content, folded),
    }
}

fn row(content: &[u8], name_bytes: usize, colon: usize, folded: bool) -> Line<'_> {
    let name = content.get(..name_bytes).unwrap_or_default();
    let bytes = content.get(colon + 1..).unwrap_or_default();
    Line::Row(Row { name, raw: Raw { bytes, folded } })
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

impl<'a> Raw<'a> {
    /// What was captured, of which a line may be folded.
    #[must_use]
    pub fn of(bytes: &'a [u8], folded: bool) -> Self {
        Self { bytes, folded }
    }

    /// The bytes as they were captured, and whether a line of them is folded.
    #[must_use]
    #[inline(always)]
    pub fn captured(&self) -> (&'a [u8], bool) {
        (self.bytes, self.folded)
    }

    /// The value, blanks around it taken off; the pieces of a folded one are joined with one blank (RFC 3261 §7.3.1).
    #[must_use]
    #[inline(always)]
    pub fn value(&self) -> Cow<'a, [u8]> {
        if self.folded { Cow::Owned(unfold(self.bytes)) } else { Cow::Borrowed(scan::trim(self.bytes)) }
    }
}

impl<'a> Row<'a> {
    /// The value, as [`Raw::value`] gives it.
    #[must_use]
    #[inline]
    pub fn value(&self) -> Cow<'a, [u8]> {
        self.raw.value()
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
        let piece = scan::trim(piece);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;
    use crate::sip::{Message, Names};

    const START: &str = "OPTIONS sip:a SIP/2.0\r\n";

    /// The rows that can be read, as `name=value`, the lines that cannot, and the end.
    fn read(payload: &[u8], extent: Extent) -> (Vec<String>, usize, HeaderEnd, usize) {
        let message = Message::scan(payload, extent).expect("a message");
        let mut header = message.header();
        let mut rows = Vec::new();
        let mut unreadable = 0;
        for line in header.by_ref() {
            match line {
                Line::Row(row) => rows.push(format!("{}={}", row.name.escape_ascii(), row.value().escape_ascii())),
                Line::Unreadable(_) => unreadable += 1,
            }
        }
        (rows, unreadable, header.end().expect("an end"), message.rest(&header).len())
    }

    fn check(header: &str, rows: &[&str], unreadable: usize, rest: usize) {
        let (found, lines, end, left) = read(format!("{START}{header}").as_bytes(), Extent::Whole);
        assert_eq!(found, rows, "{header:?}");
        assert_eq!((lines, end, left), (unreadable, HeaderEnd::Whole, rest), "{header:?}");
    }

    /// Every line of a header and what is left behind it, with plain rows read first or without.
    fn lines(text: &[u8], extent: Extent, mut met: Option<(&Names, &mut Met<'_>)>) -> String {
        let mut header = Header::of_part(text, extent);
        let mut found = Vec::new();
        loop {
            if let Some((names, met)) = &mut met {
                header.plain_rows(met, |number, plain| {
                    let row = plain.row();
                    assert_eq!(names.number(row.name), number, "{}", row.name.escape_ascii());
                    found.push((row.name.to_vec(), row.value().into_owned()));
                });
            }
            match header.next() {
                Some(Line::Row(row)) => found.push((row.name.to_vec(), row.value().into_owned())),
                Some(Line::Unreadable(bytes)) => found.push((Vec::new(), bytes.to_vec())),
                None => return format!("{:?}", (found, header.end(), header.lines(), header.position())),
            }
        }
    }

    #[test]
    fn plain_rows_are_those_that_are_read_one_by_one() {
        let check = |text: &[u8]| {
            for extent in [Extent::Whole, Extent::Cut] {
                let mut names = Names::default();
                for line in Header::of_part(text, extent) {
                    if let Line::Row(row) = line {
                        names.add(row.name);
                    }
                }
                let mut met = Met::new(&names);
                // The second time most of it was met before.
                for _ in 0..2 {
                    let found = lines(text, extent, Some((&names, &mut met)));
                    assert_eq!(found, lines(text, extent, None), "{}", text.escape_ascii());
                }
            }
        };
        let headers = [
            "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\nTo:a\r\nX-A-Name-Of-Twenty: b\r\nsixteen-bytes-ab: c\r\n\r\nbody: d\r\n",
            "A: b \r\n \t c\r\nSubject : \td\r\n\te\r\nno colon\r\n: no name\r\nTwo words: f\r\nG:\r\n\r\n",
            "Max-Forwards: 70\nl: 0\r\rC: d\r\r\nLong: 0123456789abcdef0123456789abcdef0123456789\r\n\r",
        ];
        let mut random = Random(0x4845_4144_4552);
        let mut below = |limit: usize| random.below(limit);
        for header in headers {
            let header = header.as_bytes();
            (0..=header.len()).for_each(|cut| check(&header[..cut]));
            for _ in 0..4_000 {
                let mut damaged = header.to_vec();
                for _ in 0..=below(4) {
                    let at = below(damaged.len());
                    let byte = *b"\r\n \t::x\0\xff\r".get(below(10)).expect("a byte");
                    let end = (at + below(3)).min(damaged.len());
                    damaged.splice(at..end, [byte]);
                }
                check(&damaged);
            }
        }
        check(&b"A: b\r\n".repeat(MAX_ROWS - 1));
        check(&b"A: b\r\n".repeat(MAX_ROWS));
        check(&b"A: b\r\n".repeat(MAX_ROWS + 1));
        check(&[b"A: ".as_slice(), &b"b".repeat(MAX_HEADER_BYTES), b"\r\nC: d\r\n"].concat());
    }

    #[test]
    fn rows_keep_their_order_and_spelling() {
        check("tO: a\r\nVia:b\r\nX-Y:  c  \r\n\r\nbody", &["tO=a", "Via=b", "X-Y=c"], 0, 4);
    }

    #[test]
    fn folded_row_joins_with_one_space() {
        check("A: b \r\n \t c\r\n\td\r\nE: f\r\n\r\n", &["A=b c d", "E=f"], 0, 0);
        check("TO :\n sip:x ;   tag    = 1\n\n", &["TO=sip:x ;   tag    = 1"], 0, 0);
    }

    #[test]
    fn blanks_before_the_colon_are_taken_off() {
        check("A : b\r\nC\t:d\r\n\r\n", &["A=b", "C=d"], 0, 0);
    }

    #[test]
    fn lf_and_cr_alone_end_lines() {
        check("A: b\nC: d\n\nxy", &["A=b", "C=d"], 0, 2);
        let (rows, _, end, rest) = read(b"OPTIONS sip:a SIP/2.0\rA: b\rC: d\r\rxyz", Extent::Whole);
        assert_eq!((rows, end, rest), (vec!["A=b".to_owned(), "C=d".to_owned()], HeaderEnd::Whole, 3));
    }

    #[test]
    fn doubled_crs_do_not_end_the_header_early() {
        let (rows, _, end, rest) = read(b"OPTIONS sip:a SIP/2.0\r\r\nA: b\r\r\nC: d\r\r\n\r\r\nx", Extent::Whole);
        assert_eq!((rows, end, rest), (vec!["A=b".to_owned(), "C=d".to_owned()], HeaderEnd::Whole, 1));
    }

    #[test]
    fn a_bare_cr_at_the_start_of_a_row_hides_no_row() {
        check("A: b\r\n\rC: d\r\n\r\n", &["A=b", "C=d"], 0, 0);
        check("A: b\r\r\rC: d\r\n\r\n", &["A=b", "C=d"], 0, 0);
    }

    #[test]
    fn a_row_that_cannot_be_read_hides_no_other() {
        check("no colon here\r\nA: b\r\n: no name\r\nTwo words: x\r\nC: d\r\n\r\n", &["A=b", "C=d"], 3, 0);
        check(" folded onto the start line\r\nA: b\r\n\r\n", &["A=b"], 1, 0);
    }

    #[test]
    fn bytes_that_are_not_utf_8_stay_as_they_are() {
        let (rows, ..) = read(b"OPTIONS sip:a SIP/2.0\r\nF: \"J\xf8rg\" <sip:j>\r\n\r\n", Extent::Whole);
        assert_eq!(rows, ["F=\\\"J\\xf8rg\\\" <sip:j>"]);
    }

    #[test]
    fn a_datagram_without_the_empty_line_was_not_seen_to_its_end() {
        let of = |header: &str| read(format!("{START}{header}").as_bytes(), Extent::Whole);
        for header in ["A: b\r\nC: d\r\n", "A: b\r\nC: d", "A: b\r\nC:", "A: b\r\nC", "A: b\r\n\r"] {
            assert_eq!(of(header), (vec!["A=b".to_owned()], 0, HeaderEnd::Cut, 0), "{header:?}");
        }
        assert_eq!(read(b"OPTIONS sip:a SIP/2.0\rA: b\r", Extent::Whole).2, HeaderEnd::Cut);
        // The bare CR that ends the header, where that is how lines end.
        assert_eq!(read(b"OPTIONS sip:a SIP/2.0\rA: b\r\r", Extent::Whole).2, HeaderEnd::Whole);
    }

    #[test]
    fn the_header_of_a_part_may_end_with_the_part() {
        let mut header = Header::of_part(b"A: b\r\nC: d", Extent::Whole);
        assert_eq!((header.by_ref().count(), header.end()), (2, Some(HeaderEnd::Whole)));
    }

    #[test]
    fn an_empty_line_that_receivers_may_read_over_ends_the_header_loosely() {
        let loosely = |payload: String| {
            let message = Message::scan(payload.as_bytes(), Extent::Whole).expect("a message");
            let mut header = message.header();
            header.by_ref().for_each(drop);
            (header.ends_loosely(), message.rest(&header).len())
        };
        for (header, expected) in [
            ("A: b\r\n\r\nC: d", (false, 4)),
            ("\r\nC: d", (false, 4)),
            ("A: b\n\nC: d", (true, 4)),
            ("A: b\r\n\nC: d", (true, 4)),
            ("A: b\n\r\nC: d", (true, 4)),
            ("A: b\nC: d\r\n\r\n", (false, 0)),
        ] {
            assert_eq!(loosely(format!("{START}{header}")), expected, "{header:?}");
        }
        assert!(!loosely("OPTIONS sip:a SIP/2.0\nA: b\n\nC: d".to_owned()).0);
    }

    #[test]
    fn a_cut_row_is_not_shown() {
        let cut = |header: &str| read(format!("{START}{header}").as_bytes(), Extent::Cut);
        let whole = vec!["A=b".to_owned()];
        assert_eq!(cut("A: b\r\nC: d"), (whole.clone(), 0, HeaderEnd::Cut, 0));
        // The next byte may fold it on.
        assert_eq!(cut("A: b\r\nC: d\r\n"), (whole.clone(), 0, HeaderEnd::Cut, 0));
        assert_eq!(cut("A: b\r\nC: d\r\n e"), (whole.clone(), 0, HeaderEnd::Cut, 0));
        assert_eq!(cut("A: b\r\n\r"), (whole.clone(), 0, HeaderEnd::Cut, 0));
        assert_eq!(cut("A: b\r\n\r\n"), (whole, 0, HeaderEnd::Whole, 0));
    }

    #[test]
    fn limits_end_the_header_unseen() {
        let many = format!("{START}{}", "A: b\r\n".repeat(MAX_ROWS + 1));
        let (rows, _, end, _) = read(many.as_bytes(), Extent::Whole);
        assert_eq!((rows.len(), end), (MAX_ROWS, HeaderEnd::Limit));
        let long = format!("{START}A: b\r\nC: {}\r\nD: e\r\n\r\n", "x".repeat(MAX_HEADER_BYTES));
        let (rows, _, end, _) = read(long.as_bytes(), Extent::Whole);
        assert_eq!((rows.len(), end), (1, HeaderEnd::Limit));
    }

    #[test]
    fn compact_forms_have_long_ones_in_either_case() {
        assert_eq!(long_form(b"I"), Some(b"call-id".as_slice()));
        assert_eq!(long_form(b"call-id"), None);
        assert_eq!(compact(b"Refer-To"), Some(b'r'));
        assert_eq!(compact(b"X-Y"), None);
    }
}
