//! One JSON text, walked once: every string and number outside keys is handed to a [`Sink`] with the path to it.
//!
//! Follows RFC 8259, with two liberties that logs need: a string may hold bytes that are no UTF-8, and `\xNN`, which
//! nginx writes where its log format does not say `escape=json`. Values arrive as written: a time keeps its digits, a
//! number has no size. The path is made of the keys without regard to case, `-` and `_`, joined by dots, so that a flat
//! `"http.request.method"`, a nested one and `httpRequest` read alike whoever wrote them.
//!
//! # Design
//!
//! serde_json gives numbers by value, fails a line for a lone surrogate or a byte that is no UTF-8, and cannot say where
//! in the line a value stands, which [`super::shape`] must know. What is a JSON text and what is not agrees with it
//! otherwise; a test holds the two against each other.

use std::borrow::Cow;

use super::scan::string_end;

/// Objects and arrays that may lie in one another. Deeper text is no record.
const DEPTH: usize = 128;

/// Takes what a JSON text holds.
pub(super) trait Sink<'a> {
    /// An object begins.
    fn enter(&mut self) {}

    /// The object that began last ends.
    fn leave(&mut self) {}

    /// A string or a number, the `at`th byte of the text its first.
    fn scalar(&mut self, path: &Path, value: Scalar<'a>, at: usize);
}

/// A string or a number as written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Scalar<'a> {
    /// The digits, or what stands between the quotes.
    pub(super) text: &'a [u8],
    pub(super) kind: Kind,
}

/// How a value was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Kind {
    /// A string with escapes.
    Escaped,
    Number,
    /// A string without escapes.
    #[default]
    Text,
}

impl<'a> Scalar<'a> {
    /// The value itself.
    pub(super) fn value(self) -> Cow<'a, [u8]> {
        match self.kind {
            Kind::Escaped => Cow::Owned(unescape(self.text)),
            Kind::Number | Kind::Text => Cow::Borrowed(self.text),
        }
    }
}

/// Where a value stands: the keys down to it.
#[derive(Debug, Default)]
pub(super) struct Path {
    /// Keys in lower case without `-` and `_`, joined by dots.
    keys: Vec<u8>,
    /// Whether it stands in an array behind the first element.
    pub(super) behind_first: bool,
    /// Whether any array lies between it and the top.
    pub(super) in_array: bool,
}

impl Path {
    /// The path of a text that is itself the value at `keys`.
    pub(super) fn below(keys: &[u8]) -> Self {
        Self { keys: keys.to_vec(), ..Self::default() }
    }

    pub(super) fn keys(&self) -> &[u8] {
        &self.keys
    }

    fn push(&mut self, key: &[u8]) {
        if !self.keys.is_empty() {
            self.keys.push(b'.');
        }
        self.keys.extend(fold(key));
    }
}

/// The part behind the last dot.
pub(super) fn last_key(keys: &[u8]) -> &[u8] {
    memchr::memrchr(b'.', keys).map_or(keys, |dot| keys.get(dot + 1..).unwrap_or_default())
}

/// A name's bytes as they are compared: in lower case, without `-` and `_`.
pub(super) fn fold(name: &[u8]) -> impl Iterator<Item = u8> {
    name.iter().filter(|byte| !matches!(byte, b'-' | b'_')).map(u8::to_ascii_lowercase)
}

/// Walks `text`, which must be one JSON value and blanks around it; `None` where it is not.
///
/// The sink may have been told of values before the text turns out to be broken.
pub(super) fn walk<'a>(text: &'a [u8], path: Path, sink: &mut impl Sink<'a>) -> Option<()> {
    let mut walker = Walker { text, at: 0, path, depth: 0, sink };
    walker.blanks();
    walker.value()?;
    walker.blanks();
    (walker.at == text.len()).then_some(())
}

struct Walker<'a, 's, S> {
    text: &'a [u8],
    at: usize,
    path: Path,
    depth: usize,
    sink: &'s mut S,
}

impl<'a, S: Sink<'a>> Walker<'a, '_, S> {
    fn rest(&self) -> &'a [u8] {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn blanks(&mut self) {
        while let Some(b' ' | b'\t' | b'\r' | b'\n') = self.peek() {
            self.at += 1;
        }
    }

    fn take(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }

    fn value(&mut self) -> Option<()> {
        match self.peek()? {
            b'{' => self.nested(Self::object),
            b'[' => self.nested(Self::array),
            b'"' => {
                let at = self.at + 1;
                let value = self.string()?;
                self.sink.scalar(&self.path, value, at);
                Some(())
            }
            b't' => self.word(b"true"),
            b'f' => self.word(b"false"),
            b'n' => self.word(b"null"),
            _ => {
                let at = self.at;
                let text = number(self.rest())?;
                self.at += text.len();
                self.sink.scalar(&self.path, Scalar { text, kind: Kind::Number }, at);
                Some(())
            }
        }
    }

    fn word(&mut self, word: &[u8]) -> Option<()> {
        self.rest().starts_with(word).then(|| self.at += word.len())
    }

    fn nested(&mut self, inner: fn(&mut Self) -> Option<()>) -> Option<()> {
        self.at += 1;
        self.depth += 1;
        if self.depth > DEPTH {
            return None;
        }
        let (behind_first, in_array) = (self.path.behind_first, self.path.in_array);
        self.blanks();
        inner(self)?;
        (self.path.behind_first, self.path.in_array) = (behind_first, in_array);
        self.depth -= 1;
        Some(())
    }

    fn object(&mut self) -> Option<()> {
        self.sink.enter();
        if self.take(b'}').is_none() {
            loop {
                let key = self.string()?;
                let above = self.path.keys.len();
                self.path.push(&key.value());
                self.blanks();
                self.take(b':')?;
                self.blanks();
                self.value()?;
                self.path.keys.truncate(above);
                self.blanks();
                if self.take(b'}').is_some() {
                    break;
                }
                self.take(b',')?;
                self.blanks();
            }
        }
        self.sink.leave();
        Some(())
    }

    fn array(&mut self) -> Option<()> {
        self.path.in_array = true;
        if self.take(b']').is_some() {
            return Some(());
        }
        loop {
            self.value()?;
            self.path.behind_first = true;
            self.blanks();
            if self.take(b']').is_some() {
                return Some(());
            }
            self.take(b',')?;
            self.blanks();
        }
    }

    fn string(&mut self) -> Option<Scalar<'a>> {
        self.take(b'"')?;
        let start = self.at;
        let mut kind = Kind::Text;
        loop {
            self.at += string_end(self.rest())? + 1;
            match self.text.get(self.at - 1)? {
                b'"' => return Some(Scalar { text: self.text.get(start..self.at - 1)?, kind }),
                b'\\' => kind = Kind::Escaped,
                // A control character (RFC 8259 §7) stands in a string only escaped.
                _ => return None,
            }
            let hex = match self.peek()? {
                b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => 0,
                b'u' => 4,
                b'x' => 2,
                _ => return None,
            };
            if !self.text.get(self.at + 1..self.at + 1 + hex)?.iter().all(u8::is_ascii_hexdigit) {
                return None;
            }
            self.at += 1 + hex;
        }
    }
}

/// The number at the front of `text` (RFC 8259 §6).
pub(super) fn number(text: &[u8]) -> Option<&[u8]> {
    let digits = |at: usize| text.get(at..).unwrap_or_default().iter().take_while(|byte| byte.is_ascii_digit()).count();
    let mut at = usize::from(text.first() == Some(&b'-'));
    let whole = digits(at);
    if whole == 0 || (whole > 1 && text.get(at) == Some(&b'0')) {
        return None;
    }
    at += whole;
    if text.get(at) == Some(&b'.') {
        let part = digits(at + 1);
        if part == 0 {
            return None;
        }
        at += 1 + part;
    }
    if matches!(text.get(at), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(text.get(at + 1), Some(b'+' | b'-')));
        let exponent = digits(at + 1 + sign);
        if exponent == 0 {
            return None;
        }
        at += 1 + sign + exponent;
    }
    text.get(..at)
}

/// What a string with escapes means, in UTF-8. A lone surrogate, which UTF-8 cannot hold, keeps its three-byte form;
/// `\xNN` is the byte.
fn unescape(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(step) = memchr::memchr(b'\\', rest) {
        let (plain, escape) = rest.split_at(step);
        out.extend_from_slice(plain);
        // The string was walked before: every escape is whole.
        let Some((letter, after)) = escape.get(1..).and_then(<[u8]>::split_first) else { return out };
        rest = after;
        match letter {
            b'b' => out.push(8),
            b'f' => out.push(12),
            b'n' => out.push(b'\n'),
            b'r' => out.push(b'\r'),
            b't' => out.push(b'\t'),
            b'x' => {
                out.push(hex(after.get(..2)) as u8);
                rest = after.get(2..).unwrap_or_default();
            }
            b'u' => {
                let high = hex(after.get(..4));
                rest = after.get(4..).unwrap_or_default();
                let low = match rest {
                    [b'\\', b'u', low @ ..] if (0xd800..0xdc00).contains(&high) => hex(low.get(..4)),
                    _ => 0,
                };
                if (0xdc00..0xe000).contains(&low) {
                    rest = rest.get(6..).unwrap_or_default();
                    push_code(&mut out, 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00));
                } else {
                    push_code(&mut out, high);
                }
            }
            other => out.push(*other),
        }
    }
    out.extend_from_slice(rest);
    out
}

fn push_code(out: &mut Vec<u8>, code: u32) {
    match char::from_u32(code) {
        Some(letter) => out.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes()),
        // A surrogate: always three bytes.
        None => out.extend([0xe0 | (code >> 12) as u8, 0x80 | (code >> 6 & 0x3f) as u8, 0x80 | (code & 0x3f) as u8]),
    }
}

fn hex(digits: Option<&[u8]>) -> u32 {
    digits.unwrap_or_default().iter().fold(0, |code, digit| code * 16 + char::from(*digit).to_digit(16).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::super::noise::Noise;
    use super::*;

    #[derive(Default)]
    struct Seen(Vec<(String, String)>);

    impl<'a> Sink<'a> for Seen {
        fn scalar(&mut self, path: &Path, value: Scalar<'a>, _at: usize) {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            self.0.push((text(path.keys()), text(&value.value())));
        }
    }

    fn seen(text: &str) -> Option<Vec<(String, String)>> {
        let mut sink = Seen::default();
        walk(text.as_bytes(), Path::default(), &mut sink).map(|()| sink.0)
    }

    #[test]
    fn keys_join_with_dots_and_compare_without_case_and_dashes() {
        let pairs = seen(r#"{"A-b_C": 1, "x.Y": {"z": ["p", -2.50e+3, {"q": "r"}], "e": {}}, "n": null, "t": true}"#);
        let expected = [("abc", "1"), ("x.y.z", "p"), ("x.y.z", "-2.50e+3"), ("x.y.z.q", "r")];
        assert_eq!(pairs, Some(expected.map(|(key, value)| (key.to_owned(), value.to_owned())).to_vec()));
    }

    #[test]
    fn escapes_mean_what_they_say() {
        let value = |text: &str| seen(text).and_then(|pairs| pairs.into_iter().next()).map(|(_, value)| value);
        assert_eq!(value(r#""a\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00\x41""#).as_deref(), Some("a\"\\/\u{8}\u{c}\n\r\té😀A"));
        assert_eq!(unescape(br"\ud800"), b"\xed\xa0\x80");
        assert_eq!(unescape(br"\ud800\u0041"), b"\xed\xa0\x80A");
        assert_eq!(unescape(br"\xff"), b"\xff");
    }

    #[test]
    fn a_text_is_json_here_exactly_when_serde_json_says_so() {
        let seeds: [&[u8]; 4] = [
            br#"{"time":"2026-01-02T03:04:05Z","n":[1,-0.5e-7,{"a":null}],"s":"a\u00e9\n","t":true,"f":false}"#,
            br#" [ {} , [ ] , "" , 0 , 10.01E+2 ] "#,
            br#"{"a":{"b":{"c":{"d":[[[[1]]]]}}},"k\"ey":"\ud83d\ude00"}"#,
            br#"-12"#,
        ];
        let mut noise = Noise::new(7);
        let mut both = [0, 0];
        for round in 0..60_000 {
            let seed = seeds.get(round % seeds.len()).expect("seed");
            let text = noise.mutate(seed, br#"{}[]",:\u0019eE+-.truefalsn "#);
            // The liberties: bytes that are no UTF-8, `\x`.
            if str::from_utf8(&text).is_err() || memchr::memmem::find(&text, br"\x").is_some() {
                continue;
            }
            let theirs = serde_json::from_slice::<serde::de::IgnoredAny>(&text).is_ok();
            let ours = walk(&text, Path::default(), &mut Seen::default()).is_some();
            assert_eq!(ours, theirs, "{}", String::from_utf8_lossy(&text));
            both[usize::from(ours)] += 1;
        }
        assert!(both[0] > 1000 && both[1] > 1000, "both outcomes must occur: {both:?}");
    }

    #[test]
    fn every_proper_prefix_is_broken() {
        let text = r#"{"time":"2026-01-02T03:04:05Z","n":[1,-0.5e-7,{"a":null}],"s":"a\u00e9"}"#;
        for end in 0..text.len() {
            assert_eq!(seen(&text[..end]), None, "{}", &text[..end]);
        }
        assert!(seen(text).is_some());
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert!(seen(&nested(DEPTH)).is_some());
        assert!(seen(&nested(DEPTH + 1)).is_none());
        assert!(seen(&"[".repeat(1_000_000)).is_none());
    }
}
