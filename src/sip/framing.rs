//! Where one SIP message of a byte stream ends and the next one starts.
//!
//! Follows RFC 3261 §18.3 (Content-Length frames messages over stream transports) and §7.5, RFC 5626 §3.5.1 (CRLF
//! keep-alives), and the PROXY protocol of load balancers, whose header is passed over. Called by `pipeline` with a stretch of a stream that has no hole. Behind a hole, or behind bytes that
//! are no message, the next start line is looked for where a line or a segment begins.
//!
//! Keeps: a header counts as whole only when its empty line was found; the search costs linear time.
//!
//! # Design
//!
//! - Content-Length is believed, so that a message quoted in a body is none. One beyond [`MAX_MESSAGE_BYTES`] is not: the
//!   search goes on behind the header.
//! - Where a message must start any method is one; where a start line is looked for only the standards' are, or the tail
//!   of a cut request line would pass for an extension's.

use std::cmp::Ordering;

use super::start_line::KNOWN;
use super::{Extent, HeaderEnd, Line, Message, StartLine};

/// Bytes that a message may have; SIP over streams has no limit, its users do.
pub const MAX_MESSAGE_BYTES: usize = 1 << 20;

/// Bytes in which the end of a start line is looked for first.
const GLANCE_BYTES: usize = 8 << 10;

/// One message in a stretch of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Framed {
    /// Its first byte.
    pub start: usize,
    /// Behind its last byte, or behind the last that is there.
    pub end: usize,
    /// Where the next message may start: beyond the stretch when the body goes on there.
    pub next: usize,
    /// How its end was found.
    pub ending: Ending,
}

/// How the end of a message was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// By its Content-Length.
    Stated,
    /// It states none, and nothing but another message follows its header.
    Unstated,
    /// It states none, and something follows: up to the next start line that may be its body.
    Guessed,
    /// Its bytes end before it does.
    Cut,
    /// By its Content-Length, but neither its header's empty line nor what follows it bears that out.
    Doubtful,
    /// Its header has more rows or bytes than are read of one: up to the empty line.
    LongHeader,
    /// It is longer than [`MAX_MESSAGE_BYTES`], by its start line, by its Content-Length or by what follows its header:
    /// nothing of its body is read, or no more than that.
    Limit,
}

/// Bytes of a stream without a hole.
#[derive(Clone, Copy, Debug)]
pub struct Stretch<'a> {
    /// The bytes.
    pub bytes: &'a [u8],
    /// The places where segments begin, sorted.
    pub borders: &'a [usize],
    /// Whether more was sent behind them that was not captured.
    pub cut: bool,
}

/// The next message from `from` on. `expected` says that a message must start there, if anything does.
#[must_use]
pub fn next(stretch: &Stretch<'_>, from: usize, expected: bool) -> Option<Framed> {
    let Stretch { bytes, borders, cut } = *stretch;
    let start = start(bytes, from, borders, expected)?;
    let text = bytes.get(start..)?;
    let (text, is_long) = text.get(..MAX_MESSAGE_BYTES).map_or((text, false), |text| (text, true));
    let message = Message::scan(text, Extent::Cut)?;
    let mut header = message.header();
    let mut content_length = None;
    for line in header.by_ref() {
        if let Line::Row(row) = line
            && row.is(b"content-length")
            && content_length.is_none()
        {
            content_length = Some(number(&row.value()));
        }
    }
    let header_end = start + header.position();
    match header.end() {
        Some(HeaderEnd::Whole) => {}
        Some(HeaderEnd::Limit) => {
            // What is not read of the header holds no start line either.
            let end = behind_empty_line(bytes, header_end.saturating_sub(1)).unwrap_or(bytes.len());
            return Some(Framed { start, end, next: end, ending: Ending::LongHeader });
        }
        Some(HeaderEnd::Cut) | None => {
            let ending = if is_long { Ending::Limit } else { Ending::Cut };
            return Some(Framed { start, end: header_end, next: header_end, ending });
        }
    }
    let Some(length) = content_length.flatten() else {
        let behind = header_end + line_ends(bytes.get(header_end..)?);
        if behind >= bytes.len() && !cut || starts(bytes, behind, true) {
            return Some(Framed { start, end: header_end, next: header_end, ending: Ending::Unstated });
        }
        let limit = bytes.len().min(header_end + MAX_MESSAGE_BYTES);
        let found = self::start(bytes, behind, borders, false).unwrap_or(bytes.len());
        let ending = if found > limit { Ending::Limit } else { Ending::Guessed };
        return Some(Framed { start, end: found.min(limit), next: found.min(limit), ending });
    };
    if length > MAX_MESSAGE_BYTES {
        return Some(Framed { start, end: header_end, next: header_end, ending: Ending::Limit });
    }
    let end = header_end + length;
    let is_borne_out = || {
        let behind = bytes.get(end..).map_or(end, |rest| end + line_ends(rest));
        behind == bytes.len() && !cut || starts(bytes, behind, true)
    };
    let ending = match end.cmp(&bytes.len()) {
        Ordering::Greater => Ending::Cut,
        _ if header.ends_loosely() && !is_borne_out() => Ending::Doubtful,
        _ => Ending::Stated,
    };
    Some(Framed { start, end: end.min(bytes.len()), next: end, ending })
}

/// Bytes of the header that a load balancer writes before the first message of a connection: version 1 or 2 of the PROXY
/// protocol. Zero where there is none.
#[must_use]
pub fn behind_proxy(bytes: &[u8]) -> usize {
    if let Some(rest) = bytes.strip_prefix(b"\r\n\r\n\0\r\nQUIT\n") {
        return match rest {
            [0x20 | 0x21, _, high, low, ..] => 16 + usize::from(u16::from_be_bytes([*high, *low])),
            _ => 0,
        };
    }
    let line = bytes.get(..PROXY_LINE_BYTES).unwrap_or(bytes);
    match line.starts_with(b"PROXY ").then(|| memchr::memchr(b'\n', line)).flatten() {
        Some(end) => end + 1,
        None => 0,
    }
}

/// The longest line of version 1 of the PROXY protocol.
const PROXY_LINE_BYTES: usize = 107;

/// Where a start line stands next, from `from` on: at `from` itself, at a line's start or at a segment's.
fn start(bytes: &[u8], from: usize, borders: &[usize], mut expected: bool) -> Option<usize> {
    let from = if from == 0 { behind_proxy(bytes) } else { from };
    let mut at = from + line_ends(bytes.get(from..)?);
    let mut borders = borders.get(borders.partition_point(|border| *border <= at)..)?.iter().copied().peekable();
    while at < bytes.len() {
        if starts(bytes, at, expected) {
            return Some(at);
        }
        expected = false;
        let line = memchr::memchr(b'\n', bytes.get(at..)?).map(|end| at + end + 1);
        while borders.next_if(|border| *border <= at).is_some() {}
        at = match (line, borders.peek()) {
            (Some(line), Some(border)) => line.min(*border),
            (Some(line), None) => line,
            (None, Some(border)) => *border,
            (None, None) => return None,
        };
    }
    None
}

/// Whether a start line stands at `at`; one of an extension method only where it is `expected`.
fn starts(bytes: &[u8], at: usize, expected: bool) -> bool {
    let Some(rest) = bytes.get(at..) else { return false };
    // What carries no token cannot start a message, and empty lines belong to no message.
    if rest.first().is_none_or(|first| !first.is_ascii_graphic()) {
        return false;
    }
    let glance = rest.get(..GLANCE_BYTES).unwrap_or(rest);
    let has_end = |bytes| memchr::memchr2(b'\r', b'\n', bytes).is_some();
    let start = |bytes| Message::scan(bytes, if has_end(bytes) { Extent::Whole } else { Extent::Cut });
    let mut found = start(glance);
    if found.is_some() && glance.len() < rest.len() && !has_end(glance) {
        // A long line that begins like a start line: its end tells.
        found = start(rest.get(..MAX_MESSAGE_BYTES).unwrap_or(rest));
    }
    match found.map(|message| message.start) {
        None => false,
        Some(StartLine::Response { .. }) => true,
        Some(StartLine::Request { method, uri }) => {
            expected || KNOWN.contains(&method) && !uri.iter().any(u8::is_ascii_whitespace)
        }
    }
}

/// The place behind the next empty line, from the line that `from` stands in.
fn behind_empty_line(bytes: &[u8], from: usize) -> Option<usize> {
    let rest = bytes.get(from..)?;
    memchr::memchr_iter(b'\n', rest).find_map(|at| match rest.get(at + 1..)? {
        [b'\n', ..] => Some(from + at + 2),
        [b'\r', b'\n', ..] => Some(from + at + 3),
        _ => None,
    })
}

fn line_ends(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count()
}

/// A run of digits; what does not fit is more than any message has.
fn number(value: &[u8]) -> Option<usize> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(
        value.iter().fold(0_usize, |number, digit| number.saturating_mul(10).saturating_add(usize::from(digit - b'0'))),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::MAX_ROWS;

    const FIRST: &str = "OPTIONS sip:a@b SIP/2.0\r\nCall-ID: 1\r\nl : 4\r\n\r\nbody";
    const SECOND: &str = "SIP/2.0 200 OK\r\nCall-ID: 1\r\nContent-Length: 0\r\n\r\n";

    fn part(text: &str, range: std::ops::Range<usize>) -> &str {
        text.get(range).expect("within the text")
    }

    /// Every message as its text and how it ended.
    fn all(text: &str, borders: &[usize], cut: bool) -> Vec<(String, Ending)> {
        let mut found = Vec::new();
        let stretch = Stretch { bytes: text.as_bytes(), borders, cut };
        let mut at = 0;
        let mut expected = false;
        while let Some(framed) = next(&stretch, at, expected) {
            expected = true;
            found.push((part(text, framed.start..framed.end).to_owned(), framed.ending));
            assert!(framed.next > at);
            at = framed.next;
        }
        found
    }

    fn stated(texts: &[&str]) -> Vec<(String, Ending)> {
        texts.iter().map(|text| ((*text).to_owned(), Ending::Stated)).collect()
    }

    #[test]
    fn content_length_parts_messages_and_keep_alives_are_passed_over() {
        assert_eq!(all(&format!("{FIRST}{SECOND}{FIRST}"), &[], false), stated(&[FIRST, SECOND, FIRST]));
        assert_eq!(all(&format!("\r\n\r\n{FIRST}\r\n\r\n\r\n{SECOND}\r\n"), &[], false), stated(&[FIRST, SECOND]));
        assert_eq!(all("\r\n\r\n", &[], false), []);
    }

    #[test]
    fn a_message_quoted_in_a_body_is_none() {
        let quoted = format!("NOTIFY sip:a SIP/2.0\r\nContent-Length: {}\r\n\r\n{SECOND}", SECOND.len());
        assert_eq!(all(&format!("{quoted}{FIRST}"), &[], false), stated(&[&quoted, FIRST]));
    }

    #[test]
    fn the_next_start_line_is_found_behind_what_is_no_message() {
        assert_eq!(all(&format!("est of a body\r\n{FIRST}"), &[], false), stated(&[FIRST]));
        assert_eq!(all(&format!("no line end{FIRST}"), &[11], false), stated(&[FIRST]));
        assert_eq!(all(&format!("no line end{FIRST}"), &[5], false), []);
        let short = FIRST.replace(": 4", ": 1");
        assert_eq!(
            all(&format!("{short}\r\n{SECOND}"), &[], false),
            stated(&[part(&short, 0..short.len() - 3), SECOND])
        );
    }

    #[test]
    fn the_tail_of_a_request_line_is_no_message_unless_one_must_start_there() {
        let tail = part(FIRST, 2..FIRST.len());
        assert_eq!(all(&format!("{tail}{SECOND}"), &[tail.len()], false), stated(&[SECOND]));
        let extension = FIRST.replace("OPTIONS", "FROB");
        assert_eq!(all(&format!("{SECOND}{extension}"), &[], false), stated(&[SECOND, &extension]));
        assert_eq!(all(&format!("x\r\n{extension}"), &[], false), []);
    }

    #[test]
    fn what_a_load_balancer_writes_before_the_first_message_is_passed_over() {
        let second = "\r\n\r\n\0\r\nQUIT\n!\x11\0\x0c\x01\x02\x03\x04\x05\x06\x07\x08\x13\x44\x13\x44";
        for before in ["PROXY TCP4 192.0.2.1 192.0.2.2 5060 5060\r\n", second] {
            assert_eq!(all(&format!("{before}{FIRST}{SECOND}"), &[], false), stated(&[FIRST, SECOND]), "{before:?}");
            assert_eq!(behind_proxy(before.as_bytes()), before.len());
        }
        assert_eq!(behind_proxy(FIRST.as_bytes()), 0);
        assert_eq!(behind_proxy(b"\r\n\r\n\0\r\nQUIT\n!"), 0);
    }

    #[test]
    fn what_ends_early_is_cut() {
        for cut in 20..FIRST.len() {
            let found = all(part(FIRST, 0..cut), &[], false);
            assert_eq!(found, [(part(FIRST, 0..cut).to_owned(), Ending::Cut)], "{cut}");
        }
        let stretch = Stretch { bytes: &FIRST.as_bytes()[..FIRST.len() - 2], borders: &[], cut: true };
        let framed = next(&stretch, 0, true).expect("a message");
        assert_eq!((framed.end, framed.next), (FIRST.len() - 2, FIRST.len()));
    }

    #[test]
    fn without_a_length_the_message_ends_where_another_starts() {
        let without = "BYE sip:a@b SIP/2.0\r\nCall-ID: 1\r\n\r\n";
        let unstated = (without.to_owned(), Ending::Unstated);
        assert_eq!(all(&format!("{without}{without}"), &[], false), [unstated.clone(), unstated]);
        assert_eq!(all(without, &[], true), [(without.to_owned(), Ending::Guessed)]);
        let with_body = format!("{without}v=0\r\n");
        assert_eq!(
            all(&format!("{with_body}{SECOND}"), &[], false),
            [(with_body, Ending::Guessed), (SECOND.to_owned(), Ending::Stated)]
        );
    }

    #[test]
    fn a_header_of_more_rows_than_are_read_ends_at_its_empty_line() {
        for line_end in ["\r\n", "\n"] {
            let long = FIRST.replace("Call-ID: 1\r\n", &"A: b\r\n".repeat(MAX_ROWS + 500)).replace("\r\n", line_end);
            let found = all(&format!("{long}\n{SECOND}"), &[], false);
            let header = part(&long, 0..long.len() - 4).to_owned();
            assert!(found == [(header, Ending::LongHeader), (SECOND.to_owned(), Ending::Stated)]);
        }
    }

    #[test]
    fn a_start_line_may_be_as_long_as_a_message() {
        let long = |bytes: usize| FIRST.replace("a@b", &"a".repeat(bytes));
        for bytes in [GLANCE_BYTES - 40, GLANCE_BYTES, 70_000, MAX_MESSAGE_BYTES - 200] {
            assert!(all(&format!("{}{SECOND}", long(bytes)), &[], false) == stated(&[&long(bytes), SECOND]), "{bytes}");
        }
        let found = all(&format!("{}\r\n{SECOND}", long(MAX_MESSAGE_BYTES)), &[], false);
        assert_eq!(found.iter().map(|(_, ending)| *ending).collect::<Vec<_>>(), [Ending::Limit, Ending::Stated]);
        assert_eq!(all(&format!("x\r\nINVITE sip:{}\r\n{SECOND}", "a".repeat(70_000)), &[], false), stated(&[SECOND]));
    }

    #[test]
    fn where_the_empty_line_may_be_read_over_what_follows_must_bear_the_length_out() {
        let loose = FIRST.replace("4\r\n\r\n", "4\n\n");
        assert_eq!(all(&format!("{loose}{SECOND}"), &[], false), stated(&[&loose, SECOND]));
        assert_eq!(all(&loose, &[], false), stated(&[&loose]));
        let found = all(&format!("{loose}: more\r\n\r\n{SECOND}"), &[], false);
        assert_eq!(found, [(loose.clone(), Ending::Doubtful), (SECOND.to_owned(), Ending::Stated)]);
    }

    #[test]
    fn a_wild_length_swallows_nothing() {
        let wild = "BYE sip:a@b SIP/2.0\r\nContent-Length: 99999999999999999999999\r\n\r\n";
        let found = all(&format!("{wild}{SECOND}"), &[], false);
        assert_eq!(found.iter().map(|(_, ending)| *ending).collect::<Vec<_>>(), [Ending::Limit, Ending::Stated]);
    }
}
