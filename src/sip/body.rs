//! The body of one SIP message: how much of it there is, and the parts it is made of.
//!
//! Follows RFC 3261 §18.3 for Content-Length over datagrams, RFC 5621 and RFC 2046 §5.1 for multipart bodies. Hands out
//! bytes with their media type; knows no media type but `multipart/*`. Called by `facts`.
//!
//! Keeps: linear time whatever the boundaries; a part that was not captured whole says so.
//!
//! # Incomplete support
//!
//! Content-Transfer-Encoding and Content-Encoding are not undone: [`Part::encoded`] says that the bytes are not plain.
//! Multipart bodies within multipart bodies are opened [`MAX_DEPTH`] deep.

use std::borrow::Cow;

use memchr::{memchr2, memmem};

use super::{Extent, Header, HeaderEnd, Line};

/// How deep multipart bodies are opened: one within another.
pub const MAX_DEPTH: usize = 8;

/// RFC 2046 §5.1.1 allows 70; a longer boundary is not looked for beyond this.
const MAX_BOUNDARY_BYTES: usize = 256;

/// The bytes of a body and whether they are all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Body<'a> {
    /// The captured bytes.
    pub bytes: &'a [u8],
    /// Whether they are all that was sent.
    pub extent: Extent,
}

impl<'a> Body<'a> {
    /// The body in `rest`, the bytes behind the header; `None` when the message has none.
    ///
    /// Content-Length caps it, and a datagram shorter than its Content-Length is cut. Without one the body is the rest
    /// of the datagram (RFC 3261 §18.3).
    #[must_use]
    pub fn frame(rest: &'a [u8], content_length: Option<usize>, extent: Extent) -> Option<Self> {
        match content_length {
            Some(0) => None,
            Some(length) => Some(match rest.get(..length) {
                Some(bytes) => Self { bytes, extent: Extent::Whole },
                None => Self { bytes: rest, extent: Extent::Cut },
            }),
            None if rest.is_empty() && extent == Extent::Whole => None,
            None => Some(Self { bytes: rest, extent }),
        }
    }
}

/// One part that is not multipart, or a multipart one that was not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part<'a, 't> {
    /// The value of Content-Type, such as `application/sdp;charset=utf-8`; `None` where there is none.
    pub content_type: Option<&'t [u8]>,
    /// Whether an encoding stands between the bytes and their media type.
    pub encoded: bool,
    /// The bytes and whether they are all.
    pub body: Body<'a>,
}

impl Part<'_, '_> {
    /// Whether it is a multipart body that stays closed for a limit: it stands too deep, or its boundary is too long.
    #[must_use]
    pub fn is_limited(&self) -> bool {
        let content_type = self.content_type.filter(|_| is_multipart(self.media_type()) && !self.encoded);
        content_type.and_then(stated_boundary).is_some()
    }

    /// The media type without parameters, such as `application/sdp`; empty where there is none.
    #[must_use]
    pub fn media_type(&self) -> &[u8] {
        self.content_type.map(media_type).unwrap_or_default()
    }
}

/// The media type of a Content-Type value, without parameters.
#[must_use]
pub fn media_type(content_type: &[u8]) -> &[u8] {
    content_type.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii()
}

/// Whether a media type is `multipart/*`.
#[must_use]
pub fn is_multipart(media_type: &[u8]) -> bool {
    media_type.get(..10).is_some_and(|start| start.eq_ignore_ascii_case(b"multipart/"))
}

/// Shows every part of a body, in order; the body itself when it is not multipart.
pub fn parts<'a>(whole: Part<'a, '_>, show: &mut dyn FnMut(Part<'a, '_>)) {
    open(whole, MAX_DEPTH, show);
}

fn open<'a>(part: Part<'a, '_>, depth: usize, show: &mut dyn FnMut(Part<'a, '_>)) {
    let boundary = part.content_type.filter(|_| is_multipart(part.media_type()) && !part.encoded).and_then(boundary);
    let Some(boundary) = boundary.filter(|_| depth > 0) else {
        show(part);
        return;
    };
    let mut delimiter = b"--".to_vec();
    delimiter.extend_from_slice(boundary);
    let mut from = None;
    let text = part.body.bytes;
    for at in memmem::find_iter(text, &delimiter) {
        let behind = at + delimiter.len();
        let Some((line_start, closes)) = delimiter_line(text, at, behind) else { continue };
        if let Some(start) = from {
            // The line end before the delimiter is the delimiter's.
            let bytes = text.get(start..line_start.max(start)).unwrap_or_default();
            inner(Body { bytes, extent: Extent::Whole }, depth, show);
        }
        from = match closes {
            Closes::All => return,
            Closes::Part => behind_line(text, behind),
        };
    }
    // No closing delimiter: the last part goes on to the end of what there is.
    if let Some(bytes) = from.and_then(|start| text.get(start..)) {
        inner(Body { bytes, extent: part.body.extent }, depth, show);
    }
}

enum Closes {
    All,
    Part,
}

/// If a delimiter stands alone on its line: where the line end before it starts, and what it closes.
fn delimiter_line(text: &[u8], at: usize, behind: usize) -> Option<(usize, Closes)> {
    let line_start = match text.get(..at)? {
        [] => 0,
        [.., b'\r', b'\n'] => at - 2,
        [.., b'\r' | b'\n'] => at - 1,
        _ => return None,
    };
    let rest = text.get(behind..)?;
    if rest.starts_with(b"--") {
        return Some((line_start, Closes::All));
    }
    let end = memchr2(b'\r', b'\n', rest).unwrap_or(rest.len());
    // Only padding may follow (RFC 2046 §5.1.1); anything else is a longer boundary.
    rest.get(..end)?.trim_ascii().is_empty().then_some((line_start, Closes::Part))
}

/// Where the line after the one at `from` starts.
fn behind_line(text: &[u8], from: usize) -> Option<usize> {
    let end = from + memchr2(b'\r', b'\n', text.get(from..)?)?;
    Some(if text.get(end..)?.starts_with(b"\r\n") { end + 2 } else { end + 1 })
}

/// A part with its own header.
fn inner<'a>(body: Body<'a>, depth: usize, show: &mut dyn FnMut(Part<'a, '_>)) {
    let mut header = Header::of_part(body.bytes, body.extent);
    let mut content_type = None;
    let mut encoded = false;
    for line in header.by_ref() {
        let Line::Row(row) = line else { continue };
        if row.is(b"content-type") {
            content_type.get_or_insert_with(|| row.value());
        } else if row.is(b"content-encoding") {
            encoded |= is_encoding(&row.value());
        } else if row.is(b"content-transfer-encoding") {
            encoded |= is_transfer_encoding(&row.value());
        }
    }
    if header.end() != Some(HeaderEnd::Whole) {
        // What the part is remains unknown.
        show(Part { content_type: None, encoded: true, body: Body { bytes: b"", extent: Extent::Cut } });
        return;
    }
    let bytes = body.bytes.get(header.position()..).unwrap_or_default();
    let content_type = content_type.as_ref().map(Cow::as_ref);
    open(Part { content_type, encoded, body: Body { bytes, extent: body.extent } }, depth - 1, show);
}

/// Whether a Content-Encoding value changes the bytes.
#[must_use]
pub fn is_encoding(value: &[u8]) -> bool {
    !value.is_empty() && !value.eq_ignore_ascii_case(b"identity")
}

/// Whether a Content-Transfer-Encoding value changes the bytes (RFC 2045 §6).
#[must_use]
pub fn is_transfer_encoding(value: &[u8]) -> bool {
    [b"base64".as_slice(), b"quoted-printable"].iter().any(|name| value.eq_ignore_ascii_case(name))
}

/// The boundary parameter of a Content-Type value.
fn boundary(content_type: &[u8]) -> Option<&[u8]> {
    stated_boundary(content_type).filter(|boundary| boundary.len() <= MAX_BOUNDARY_BYTES)
}

fn stated_boundary(content_type: &[u8]) -> Option<&[u8]> {
    super::address::parameter(content_type, b"boundary").filter(|boundary| !boundary.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<'a>(content_type: &str, bytes: &'a [u8], extent: Extent) -> Vec<(String, &'a [u8], Extent, bool)> {
        let mut found = Vec::new();
        let whole = Part { content_type: Some(content_type.as_bytes()), encoded: false, body: Body { bytes, extent } };
        parts(whole, &mut |part| {
            let media_type = String::from_utf8(part.media_type().to_vec()).expect("text");
            found.push((media_type, part.body.bytes, part.body.extent, part.encoded));
        });
        found
    }

    #[test]
    fn content_length_frames_the_body() {
        let frame =
            |length, extent| Body::frame(b"v=0\r\n", length, extent).map(|body| (body.bytes.len(), body.extent));
        assert_eq!(frame(Some(3), Extent::Whole), Some((3, Extent::Whole)));
        assert_eq!(frame(Some(5), Extent::Cut), Some((5, Extent::Whole)));
        assert_eq!(frame(Some(6), Extent::Whole), Some((5, Extent::Cut)));
        assert_eq!(frame(Some(0), Extent::Whole), None);
        assert_eq!(frame(None, Extent::Whole), Some((5, Extent::Whole)));
        assert_eq!(frame(None, Extent::Cut), Some((5, Extent::Cut)));
        assert_eq!(Body::frame(b"", None, Extent::Whole), None);
        assert_eq!(Body::frame(b"", None, Extent::Cut), Some(Body { bytes: b"", extent: Extent::Cut }));
    }

    #[test]
    fn a_body_that_is_not_multipart_is_one_part() {
        let found = read("Application/SDP ; charset=utf-8", b"v=0", Extent::Whole);
        assert_eq!(found, [("Application/SDP".to_owned(), b"v=0".as_slice(), Extent::Whole, false)]);
    }

    const MIXED: &[u8] = b"preamble\r\n--x\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n\r\n--x \r\nc:\r\n text/plain\r\n\r\n--xy no boundary\r\n--x--\r\n--x\r\n\r\nepilogue";

    #[test]
    fn multipart_bodies_are_taken_apart() {
        for content_type in ["multipart/mixed;boundary=x", "MULTIPART/Signed; Boundary=\"x\"; micalg=sha-1"] {
            let found = read(content_type, MIXED, Extent::Whole);
            let expected = [
                ("application/sdp".to_owned(), b"v=0\r\n".as_slice(), Extent::Whole, false),
                ("text/plain".to_owned(), b"--xy no boundary".as_slice(), Extent::Whole, false),
            ];
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn a_part_that_the_cut_reached_says_so() {
        let cut = MIXED.get(..56).expect("longer");
        let found = read("multipart/mixed;boundary=x", cut, Extent::Cut);
        assert_eq!(found, [("application/sdp".to_owned(), b"v=0\r\n\r\n-".as_slice(), Extent::Cut, false)]);
        let header_cut = MIXED.get(..30).expect("longer");
        let found = read("multipart/mixed;boundary=x", header_cut, Extent::Cut);
        assert_eq!(found, [(String::new(), b"".as_slice(), Extent::Cut, true)]);
    }

    #[test]
    fn multipart_bodies_within_others_are_opened_as_deep_as_the_limit() {
        let mut body = "--y\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n--y--\r\n".to_owned();
        for depth in 1..=MAX_DEPTH + 1 {
            let mut limited = 0;
            let content_type = Some(b"multipart/mixed;boundary=y".as_slice());
            let whole = Body { bytes: body.as_bytes(), extent: Extent::Whole };
            parts(Part { content_type, encoded: false, body: whole }, &mut |part| {
                limited += usize::from(part.is_limited());
                assert_eq!(part.media_type() == b"application/sdp", depth <= MAX_DEPTH);
            });
            assert_eq!(limited, usize::from(depth > MAX_DEPTH), "{depth}");
            let boundary = "z".repeat(depth);
            let inner = body.replace("--y", &format!("--{boundary}"));
            body = format!("--y\r\nContent-Type: multipart/mixed;boundary={boundary}\r\n\r\n{inner}\r\n--y--\r\n");
        }
    }

    #[test]
    fn encoded_parts_say_so() {
        let body = b"--x\r\nContent-Type: application/sdp\r\nContent-Transfer-Encoding: Base64\r\n\r\ndj0w\r\n--x--";
        let found = read("multipart/mixed;boundary=x", body, Extent::Whole);
        assert_eq!(found, [("application/sdp".to_owned(), b"dj0w".as_slice(), Extent::Whole, true)]);
    }

    #[test]
    fn a_multipart_type_without_boundary_stays_closed() {
        assert_eq!(read("multipart/mixed", MIXED, Extent::Whole).len(), 1);
        assert_eq!(read("multipart/mixed;boundary=", MIXED, Extent::Whole).len(), 1);
        assert!(read("multipart/mixed;boundary=absent", MIXED, Extent::Whole).is_empty());
    }
}
