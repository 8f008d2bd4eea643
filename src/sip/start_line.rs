//! The start line of one SIP message: what makes bytes a SIP message at all.
//!
//! Follows RFC 3261 §7.1 and §7.2: a method token, a Request-URI and `SIP/2.0`, or `SIP/2.0` and a status code. The
//! version is compared without regard to case, as the clause asks. Called for every payload that is not RTP, so the
//! first bytes answer for nearly all that is not SIP.
//!
//! Keeps: what another text protocol writes (HTTP, RTSP, SSDP, MSRP) is never a SIP message.
//!
//! # Design
//!
//! Blanks are tolerated where RFC 4475 §3.1.2 has them stray: several before and after the Request-URI, some at the end
//! of the line, some within the Request-URI. Status codes beyond 699 and other versions (`SIP/7.0`) are not SIP here.

use super::{Extent, Header, HeaderEnd};
use crate::scan::{self, LineEnds};

/// The start line, borrowed from the payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartLine<'a> {
    /// A request line.
    Request {
        /// The method token, as written.
        method: &'a [u8],
        /// The Request-URI as written; empty when the capture cut it.
        uri: &'a [u8],
    },
    /// A status line.
    Response {
        /// The status code, 100 to 699.
        status: u16,
    },
}

/// One SIP message in a payload: its start line, and the header to be read.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// The start line.
    pub start: StartLine<'a>,
    payload: &'a [u8],
    header: Header<'a>,
}

/// Methods whose request line is believed even when the capture cut it before `SIP/2.0` (RFC 3261, 3262, 3265, 3311,
/// 3428, 3515, 3903, 6086).
pub(super) const KNOWN: [&[u8]; 14] = [
    b"ACK",
    b"BYE",
    b"CANCEL",
    b"INFO",
    b"INVITE",
    b"MESSAGE",
    b"NOTIFY",
    b"OPTIONS",
    b"PRACK",
    b"PUBLISH",
    b"REFER",
    b"REGISTER",
    b"SUBSCRIBE",
    b"UPDATE",
];

/// What a Request-URI starts with that is believed in a cut request line.
const SCHEMES: [&[u8]; 4] = [b"sip:", b"sips:", b"tel:", b"urn:"];

const VERSION: &[u8] = b"SIP/2.0";

/// No method is longer; the longest known one has 9 bytes.
const MAX_METHOD_BYTES: usize = 128;

/// Whether a payload could be a SIP message, judged by its first line alone.
///
/// Costs a few nanoseconds on RTP, STUN and DTLS, whose first byte tells. `true` is kept by [`Message::scan`] but for a
/// first line without an end, which only a cut payload may have.
#[must_use]
pub fn looks_like_sip(payload: &[u8]) -> bool {
    could_start(payload) && start_line(behind_line_ends(payload), Extent::Cut, &mut LineEnds::default()).is_some()
}

impl<'a> Message<'a> {
    /// Reads the start line of `payload`; `None` when it is no SIP message.
    ///
    /// Empty lines before the start line are passed over (RFC 3261 §7.5). A start line that the payload's end cuts is
    /// one only if `extent` is [`Extent::Cut`] and the method is one of the standards'.
    #[must_use]
    #[inline(always)]
    pub fn scan(payload: &'a [u8], extent: Extent) -> Option<Self> {
        if !could_start(payload) {
            return None;
        }
        let text = behind_line_ends(payload);
        let mut line_ends = LineEnds::default();
        let (start, line_bytes) = start_line(text, extent, &mut line_ends)?;
        let header = Header::after_start_line(text, line_bytes, extent, line_ends);
        Some(Self { start, payload: text, header })
    }

    /// The rows of the header, to be read once in wire order.
    #[must_use]
    #[inline]
    pub fn header(&self) -> Header<'a> {
        self.header
    }

    /// The start line and the header as they were captured, once `header` was read to its end; without the empty lines
    /// before them. All that was captured where the header's end was not.
    #[must_use]
    pub fn head(&self, header: &Header<'a>) -> &'a [u8] {
        match header.end() {
            Some(HeaderEnd::Whole | HeaderEnd::Limit) => self.payload.get(..header.position()).unwrap_or_default(),
            Some(HeaderEnd::Cut) | None => self.payload,
        }
    }

    /// The bytes behind the header, once `header` was read to its end.
    #[must_use]
    pub fn rest(&self, header: &Header<'a>) -> &'a [u8] {
        self.payload.get(header.position()..).unwrap_or_default()
    }
}

/// Whether a payload could be a SIP message by its first byte: a nanosecond on RTP, STUN and DTLS. [`Message::scan`]
/// judges the line.
#[must_use]
#[inline]
pub fn could_start(payload: &[u8]) -> bool {
    payload.first().is_some_and(|first| is_token(*first) || matches!(first, b'\r' | b'\n'))
}

/// The start line at the start of `text`, and its bytes without the line end.
#[inline(always)]
fn start_line<'a>(text: &'a [u8], extent: Extent, line_ends: &mut LineEnds) -> Option<(StartLine<'a>, usize)> {
    plain_line(text, line_ends).or_else(|| any_line(text, extent))
}

/// Whether it begins and ends with neither a blank nor a control.
#[inline(always)]
fn is_visible_at_ends(uri: &[u8]) -> bool {
    uri.first().is_some_and(|first| *first > b' ') && uri.last().is_some_and(|last| *last > b' ')
}

/// A line of the shape that RFC 3261 gives it, whose end was captured: `None` for everything else.
#[inline(always)]
fn plain_line<'a>(text: &'a [u8], line_ends: &mut LineEnds) -> Option<(StartLine<'a>, usize)> {
    let bytes = line_ends.next(text, 0)?;
    let line = text.get(..bytes)?;
    if let Some((start, [b' ', ..])) = line.split_first_chunk::<11>()
        && let [version @ .., hundreds @ b'1'..=b'6', tens @ b'0'..=b'9', ones @ b'0'..=b'9'] = start
        && version == b"SIP/2.0 "
    {
        let digit = |digit: &u8| u16::from(digit - b'0');
        let status = digit(hundreds) * 100 + digit(tens) * 10 + digit(ones);
        return Some((StartLine::Response { status }, bytes));
    }
    let (before, version) = line.split_last_chunk::<8>()?;
    let (method, uri) = before.split_at_checked(scan::find(before, b' ')?)?;
    let uri = uri.get(1..)?;
    let is_plain = version == b" SIP/2.0"
        && (1..=MAX_METHOD_BYTES).contains(&method.len())
        && method.iter().all(|byte| is_token(*byte))
        && is_visible_at_ends(uri);
    is_plain.then_some((StartLine::Request { method, uri }, bytes))
}

/// Any line, the plain ones too.
#[inline(never)]
fn any_line(text: &[u8], extent: Extent) -> Option<(StartLine<'_>, usize)> {
    if text.first_chunk().is_some_and(is_version) {
        return status_line(text);
    }
    let method_bytes = text.iter().take(MAX_METHOD_BYTES + 1).position(|byte| !is_token(*byte))?;
    let (method, behind) = text.split_at_checked(method_bytes)?;
    if method.is_empty() || !matches!(behind.first(), Some(b' ' | b'\t')) {
        return None;
    }
    let Some(end) = scan::line_end(behind, 0) else {
        if let Some(uri) = before_version(behind) {
            return Some((StartLine::Request { method, uri }, text.len()));
        }
        let could_be = extent == Extent::Cut
            && KNOWN.contains(&method)
            && SCHEMES.iter().any(|scheme| {
                // HTTP, RTSP and SSDP share method names; their targets start otherwise.
                let uri = behind.trim_ascii_start().get(..scheme.len()).unwrap_or(behind.trim_ascii_start());
                scheme.get(..uri.len()).is_some_and(|start| start.eq_ignore_ascii_case(uri))
            });
        return could_be.then_some((StartLine::Request { method, uri: b"" }, text.len()));
    };
    let uri = before_version(behind.get(..end)?)?;
    Some((StartLine::Request { method, uri }, method_bytes + end))
}

fn status_line(text: &[u8]) -> Option<(StartLine<'_>, usize)> {
    let behind = text.get(VERSION.len()..)?;
    if !matches!(behind.first(), Some(b' ' | b'\t')) {
        return None;
    }
    let (code, behind_code) = behind.trim_ascii_start().split_first_chunk::<3>()?;
    if !code.iter().all(u8::is_ascii_digit) || behind_code.first().is_some_and(|next| !next.is_ascii_whitespace()) {
        return None;
    }
    let status = code.iter().fold(0, |status, digit| status * 10 + u16::from(digit - b'0'));
    if !(100..=699).contains(&status) {
        return None;
    }
    let bytes = scan::line_end(text, 0).unwrap_or(text.len());
    Some((StartLine::Response { status }, bytes))
}

/// The Request-URI of what stands behind the method, if the version ends it.
fn before_version(behind: &[u8]) -> Option<&[u8]> {
    let (before, version) = behind.trim_ascii_end().split_last_chunk()?;
    let uri = before.trim_ascii();
    (is_version(version) && before.last().is_some_and(u8::is_ascii_whitespace) && !uri.is_empty()).then_some(uri)
}

fn is_version(bytes: &[u8; 7]) -> bool {
    bytes.eq_ignore_ascii_case(VERSION)
}

/// RFC 3261 §25.1, `token`.
fn is_token(byte: u8) -> bool {
    const TOKEN: [bool; 256] = {
        let mut table = [false; 256];
        let mut byte = 0;
        while byte < 256 {
            table[byte] = (byte as u8).is_ascii_alphanumeric();
            byte += 1;
        }
        let others = b"-.!%*_+`'~";
        let mut index = 0;
        while index < others.len() {
            table[others[index] as usize] = true;
            index += 1;
        }
        table
    };
    TOKEN.get(usize::from(byte)).copied().unwrap_or(false)
}

/// Passes over the empty lines before a start line.
#[inline]
fn behind_line_ends(payload: &[u8]) -> &[u8] {
    let mut text = payload;
    while let [b'\r' | b'\n', rest @ ..] = text {
        text = rest;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(payload: &[u8], extent: Extent) -> Option<StartLine<'_>> {
        Message::scan(payload, extent).map(|message| message.start)
    }

    fn request(payload: &str) -> Option<(&[u8], &[u8])> {
        match start(payload.as_bytes(), Extent::Whole)? {
            StartLine::Request { method, uri } => Some((method, uri)),
            StartLine::Response { .. } => None,
        }
    }

    fn status(payload: &str) -> Option<u16> {
        match start(payload.as_bytes(), Extent::Whole)? {
            StartLine::Request { .. } => None,
            StartLine::Response { status } => Some(status),
        }
    }

    /// What is no SIP message, by either judge.
    fn refused(payload: &[u8]) {
        assert!(!looks_like_sip(payload), "{}", payload.escape_ascii());
        assert!(start(payload, Extent::Cut).is_none(), "{}", payload.escape_ascii());
    }

    #[test]
    fn requests_and_responses_are_sip() {
        assert_eq!(request("INVITE sip:a@b SIP/2.0\r\n\r\n"), Some((b"INVITE".as_slice(), b"sip:a@b".as_slice())));
        assert_eq!(request("invite tel:+1 sip/2.0\n"), Some((b"invite".as_slice(), b"tel:+1".as_slice())));
        assert_eq!(status("SIP/2.0 200 OK\r\n\r\n"), Some(200));
        assert_eq!(status("SIP/2.0 100\r\n\r\n"), Some(100));
        assert_eq!(status("SIP/2.0 100 \r\n\r\n"), Some(100));
        assert!(looks_like_sip(b"SIP/2.0 486 Busy Here\r\n"));
        assert!(looks_like_sip(b"BYE sip:[2001:db8::1] SIP/2.0\r\n"));
    }

    #[test]
    fn extension_methods_are_sip() {
        let line = "!interesting-Method0123456789_*+`.%indeed'~ sip:x@y SIP/2.0\r\n";
        assert_eq!(
            request(line),
            Some((b"!interesting-Method0123456789_*+`.%indeed'~".as_slice(), b"sip:x@y".as_slice()))
        );
    }

    #[test]
    fn empty_lines_before_the_start_line_are_passed_over() {
        assert!(request("\r\n\r\nOPTIONS sip:a SIP/2.0\r\n\r\n").is_some());
        assert!(looks_like_sip(b"\r\n\nSIP/2.0 200 OK\r\n"));
    }

    #[test]
    fn stray_blanks_in_the_request_line_are_tolerated() {
        assert_eq!(request("INVITE  sip:a@b;x  SIP/2.0\r\n"), Some((b"INVITE".as_slice(), b"sip:a@b;x".as_slice())));
        assert_eq!(request("OPTIONS sip:a@b SIP/2.0  \r\n"), Some((b"OPTIONS".as_slice(), b"sip:a@b".as_slice())));
        assert_eq!(request("INVITE sip:a@b; lr SIP/2.0\r\n"), Some((b"INVITE".as_slice(), b"sip:a@b; lr".as_slice())));
    }

    #[test]
    fn what_else_travels_is_not_sip() {
        for payload in [
            b"\x80\x00\x12\x34\x00\x00\x00\xa0".as_slice(),
            b"\x00\x01\x00\x08\x21\x12\xa4\x42",
            b"\x16\xfe\xff\x00",
            b"",
            b"\r\n\r\n",
            b"\r\n",
            b"\0",
            b"jaK",
            b"HTTP/1.1 200 OK\r\n\r\n",
            b"GET / HTTP/1.1\r\n\r\n",
            b"GET /x?u=sip:a SIP/1.0\r\n\r\n",
            b"OPTIONS rtsp://host/stream RTSP/1.0\r\n\r\n",
            b"OPTIONS * HTTP/1.1\r\n",
            b"RTSP/1.0 200 OK\r\n",
            b"NOTIFY * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\n\r\n",
            b"M-SEARCH * HTTP/1.1\r\n",
            b"MSRP d93kswow SEND\r\n",
            b"SIP/2.0 99 x\r\n",
            b"SIP/2.0 2000 x\r\n",
            b"SIP/2.0 700 x\r\n",
            b"SIP/2.0 4294967301 better not break the receiver\r\n",
            b"SIP/2.0200 OK\r\n",
            b"OPTIONS sip:a@b SIP/7.0\r\n",
            b"INVITE SIP/2.0\r\n",
            b"INVITE\r\nsip:a SIP/2.0\r\n",
            b" INVITE sip:a SIP/2.0\r\n",
        ] {
            refused(payload);
        }
    }

    #[test]
    fn a_cut_request_line_is_believed_of_known_methods_only() {
        let cut = start(b"INVITE sip:alice@exam", Extent::Cut);
        assert_eq!(cut, Some(StartLine::Request { method: b"INVITE", uri: b"" }));
        assert!(looks_like_sip(b"INVITE sip:alice@exam"));
        assert!(start(b"INVITE si", Extent::Cut).is_some());
        assert!(start(b"INVITE sip:alice@exam", Extent::Whole).is_none());
        refused(b"FROBNICATE sip:alice@exam");
        refused(b"OPTIONS rtsp://exam");
        refused(b"OPTIONS /index.ht");
        refused(b"NOTIFY * HT");
        refused(b"INVITE");
    }

    #[test]
    fn plain_lines_are_read_as_any_are() {
        let lines = [
            "INVITE sip:+65@byoc.example.com;user=phone SIP/2.0\r\nVia: x\r\n",
            "SIP/2.0 200 OK\r\n\r\n",
            "SIP/2.0 100 \r\n",
            "BYE sip:a@b SIP/2.0\n",
            "X sip:a b SIP/2.0\rY: z",
        ];
        let mut plain = 0;
        for line in lines {
            for at in 0..line.len() {
                for byte in 0..=u8::MAX {
                    let mut text = line.as_bytes().to_vec();
                    text[at] = byte;
                    if let Some(read) = plain_line(&text, &mut LineEnds::default()) {
                        assert_eq!(any_line(&text, Extent::Whole), Some(read), "{}", text.escape_ascii());
                        plain += 1;
                    }
                    text.truncate(at);
                    assert!(
                        plain_line(&text, &mut LineEnds::default())
                            .is_none_or(|read| any_line(&text, Extent::Whole) == Some(read))
                    );
                }
            }
        }
        assert!(plain > 10_000, "{plain}");
    }

    #[test]
    fn a_start_line_alone_is_a_message() {
        assert!(request("OPTIONS sip:a SIP/2.0").is_some());
        assert_eq!(status("SIP/2.0 200"), Some(200));
    }
}
