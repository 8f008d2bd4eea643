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
use std::hash::BuildHasher as _;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use super::combined;
use super::scan::string_end;
use crate::http::percent_decode;

/// Objects and arrays that may lie in one another. Deeper text is no record.
const DEPTH: usize = 128;

/// Distinct keys at which a tree of keys is begun anew with the next text.
const KEYS: usize = 4096;

/// Distinct keys of one text; one with more is no record.
const KEYS_OF_ONE: usize = 1 << 16;

/// Bytes of the longest path kept. Below a longer one only the last key counts.
const PATH_BYTES: usize = 256;

/// Takes what a JSON text holds.
pub(super) trait Sink<'a> {
    /// An object begins.
    fn enter(&mut self) {}

    /// The object that began last ends.
    fn leave(&mut self) {}

    /// A string or a number, the `at`th byte of the text its first.
    fn scalar(&mut self, keys: &Keys, place: Place, value: Scalar<'a>, at: usize);
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
    /// With the backslash escapes of web servers' logs.
    Clf,
    /// With quotes that are doubled.
    Doubled,
    /// A JSON string with escapes.
    Escaped,
    Number,
    /// As it stands.
    #[default]
    Text,
    /// Percent-encoded by the logger.
    Url,
    /// A target whose `%` the logger percent-encoded: what the client sent stays encoded.
    UrlTarget,
}

impl<'a> Scalar<'a> {
    /// A value as it stands.
    pub(super) const fn plain(text: &'a [u8]) -> Self {
        Self { text, kind: Kind::Text }
    }

    /// The value itself.
    pub(super) fn value(self) -> Cow<'a, [u8]> {
        match self.kind {
            Kind::Clf => combined::unescape(self.text),
            Kind::Doubled => Cow::Owned(replaced(self.text, b"\"\"", b'"')),
            Kind::Escaped => Cow::Owned(unescape(self.text)),
            Kind::Number | Kind::Text => Cow::Borrowed(self.text),
            Kind::Url => percent_decode(self.text),
            Kind::UrlTarget if memchr::memchr(b'%', self.text).is_none() => Cow::Borrowed(self.text),
            Kind::UrlTarget => Cow::Owned(replaced(self.text, b"%25", b'%')),
        }
    }
}

/// `text` with every `from` replaced by `to`, once.
fn replaced(text: &[u8], from: &[u8], to: u8) -> Vec<u8> {
    let (mut out, mut start) = (Vec::with_capacity(text.len()), 0);
    for at in memchr::memmem::find_iter(text, from) {
        out.extend_from_slice(text.get(start..at).unwrap_or_default());
        out.push(to);
        start = at + from.len();
    }
    out.extend_from_slice(text.get(start..).unwrap_or_default());
    out
}

/// Where a value stands.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Place {
    /// The key it stands at, by its number in the tree of keys.
    pub(super) key: u32,
    /// Whether it stands in an array behind the first element.
    pub(super) behind_first: bool,
    /// Whether any array lies between it and the top.
    pub(super) in_array: bool,
    /// Whether an object that lies in an array does: then it may be of another record.
    pub(super) in_listed_object: bool,
}

/// The keys of many texts as a tree, so that a path is made once and found again by its number.
///
/// Texts of one log have the same keys in the same order: a key is first compared with the one that followed the last
/// time.
#[derive(Debug)]
pub(super) struct Keys {
    nodes: Vec<Node>,
    numbers: HashTable<u32>,
    state: RandomState,
}

#[derive(Debug)]
struct Node {
    above: u32,
    /// The key as written.
    written: Box<[u8]>,
    /// The keys down to it, folded, joined by dots.
    path: Box<[u8]>,
    /// The key that followed it in its object, and the first of the object at it, when they were met last.
    next: u32,
    first: u32,
}

impl Keys {
    pub(super) fn new() -> Self {
        Self::below(b"")
    }

    /// The keys of texts that stand at `path` themselves.
    pub(super) fn below(path: &[u8]) -> Self {
        let root = Node { above: 0, written: Box::default(), path: path.into(), next: 0, first: 0 };
        Self { nodes: vec![root], numbers: HashTable::new(), state: RandomState::default() }
    }

    /// How many there are; their numbers lie below.
    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// The path of the key `number`: keys in lower case without `-` and `_`, joined by dots.
    pub(super) fn path(&self, number: u32) -> &[u8] {
        self.nodes.get(number as usize).map_or(&[], |node| &node.path)
    }

    /// The number of the key written as `key` at the top, where `before` stood before it, if any.
    pub(super) fn top(&mut self, key: &[u8], before: Option<u32>) -> Option<u32> {
        self.number(0, before, Scalar::plain(key))
    }

    /// The key `number` itself, as written.
    pub(super) fn written(&self, number: u32) -> &[u8] {
        self.nodes.get(number as usize).map_or(&[], |node| &node.written)
    }

    /// Forgets all of them when they have become many. To be called between texts.
    pub(super) fn bound(&mut self) {
        if self.nodes.len() > KEYS {
            self.nodes.truncate(1);
            self.numbers.clear();
            if let Some(root) = self.nodes.first_mut() {
                root.first = 0;
            }
        }
    }

    /// The number of the key written as `key` in the object at `above`, where `before` stood before it, if any.
    fn number(&mut self, above: u32, before: Option<u32>, key: Scalar<'_>) -> Option<u32> {
        let hint = match before {
            Some(before) => self.nodes.get(before as usize)?.next,
            None => self.nodes.get(above as usize)?.first,
        };
        let is = |nodes: &[Node], number: u32| {
            nodes.get(number as usize).is_some_and(|node| node.above == above && *node.written == *key.text)
        };
        if hint != 0 && is(&self.nodes, hint) {
            return Some(hint);
        }
        let hash = self.state.hash_one((above, key.text));
        let number = match self.numbers.find(hash, |number| is(&self.nodes, *number)) {
            Some(number) => *number,
            None => {
                let path = self.path_below(above, &key.value());
                let number = u32::try_from(self.nodes.len()).ok().filter(|number| (*number as usize) < KEYS_OF_ONE)?;
                self.nodes.push(Node { above, written: key.text.into(), path, next: 0, first: 0 });
                let (nodes, state) = (&self.nodes, &self.state);
                let again = |number: &u32| {
                    nodes.get(*number as usize).map_or(0, |node| state.hash_one((node.above, &*node.written)))
                };
                self.numbers.insert_unique(hash, number, again);
                number
            }
        };
        match before {
            Some(before) => self.nodes.get_mut(before as usize)?.next = number,
            None => self.nodes.get_mut(above as usize)?.first = number,
        }
        Some(number)
    }

    fn path_below(&self, above: u32, key: &[u8]) -> Box<[u8]> {
        let above = self.path(above);
        let mut path = Vec::new();
        // What is too long is a key that no name has.
        path.extend_from_slice(if above.len() + key.len() > PATH_BYTES { b"\0" } else { above });
        if !path.is_empty() {
            path.push(b'.');
        }
        path.extend(fold(key.get(..PATH_BYTES).unwrap_or(key)));
        path.into()
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
pub(super) fn walk<'a>(text: &'a [u8], keys: &mut Keys, sink: &mut impl Sink<'a>) -> Option<()> {
    let mut walker = Walker { text, at: 0, keys, place: Place::default(), depth: 0, sink };
    walker.blanks();
    walker.value()?;
    walker.blanks();
    (walker.at == text.len()).then_some(())
}

struct Walker<'a, 's, S> {
    text: &'a [u8],
    at: usize,
    keys: &'s mut Keys,
    place: Place,
    depth: usize,
    sink: &'s mut S,
}

impl<'a, S: Sink<'a>> Walker<'a, '_, S> {
    #[inline]
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
                self.sink.scalar(self.keys, self.place, value, at);
                Some(())
            }
            b't' => self.word(b"true"),
            b'f' => self.word(b"false"),
            b'n' => self.word(b"null"),
            _ => {
                let at = self.at;
                let text = number(self.rest())?;
                self.at += text.len();
                self.sink.scalar(self.keys, self.place, Scalar { text, kind: Kind::Number }, at);
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
        let place = self.place;
        self.blanks();
        inner(self)?;
        self.place = place;
        self.depth -= 1;
        Some(())
    }

    fn object(&mut self) -> Option<()> {
        self.place.in_listed_object |= self.place.in_array;
        self.sink.enter();
        if self.take(b'}').is_none() {
            let (above, mut before) = (self.place.key, None);
            loop {
                let key = self.string()?;
                self.place.key = self.keys.number(above, before, key)?;
                before = Some(self.place.key);
                self.blanks();
                self.take(b':')?;
                self.blanks();
                self.value()?;
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
        self.place.in_array = true;
        if self.take(b']').is_some() {
            return Some(());
        }
        loop {
            self.value()?;
            self.place.behind_first = true;
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
        fn scalar(&mut self, keys: &Keys, place: Place, value: Scalar<'a>, _at: usize) {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            self.0.push((text(keys.path(place.key)), text(&value.value())));
        }
    }

    fn seen(text: &str) -> Option<Vec<(String, String)>> {
        let mut sink = Seen::default();
        walk(text.as_bytes(), &mut Keys::new(), &mut sink).map(|()| sink.0)
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
        assert_eq!(
            value(r#""a\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00\x41""#).as_deref(),
            Some("a\"\\/\u{8}\u{c}\n\r\té😀A")
        );
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
        for round in 0..12_000 {
            let seed = seeds.get(round % seeds.len()).expect("seed");
            let text = noise.mutate(seed, br#"{}[]",:\u0019eE+-.truefalsn "#);
            // The liberties: bytes that are no UTF-8, `\x`.
            if str::from_utf8(&text).is_err() || memchr::memmem::find(&text, br"\x").is_some() {
                continue;
            }
            let theirs = serde_json::from_slice::<serde::de::IgnoredAny>(&text).is_ok();
            let ours = walk(&text, &mut Keys::new(), &mut Seen::default()).is_some();
            assert_eq!(ours, theirs, "{}", String::from_utf8_lossy(&text));
            both[usize::from(ours)] += 1;
        }
        assert!(both[0] > 500 && both[1] > 500, "both outcomes must occur: {both:?}");
    }

    #[test]
    fn every_proper_prefix_is_broken() {
        let text = r#"{"time":"2026-01-02T03:04:05Z","n":[1,-0.5e-7,{"a":null}],"s":"a\u00e9"}"#;
        for end in 0..text.len() {
            let text = text.get(..end).expect("ASCII");
            assert_eq!(seen(text), None, "{text}");
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
    #[test]
    fn a_tree_of_keys_used_before_gives_the_same_paths() {
        let texts = [
            r#"{"a":1,"b":{"c":2,"d":3},"e":4}"#,
            r#"{"a":1,"e":4}"#,
            r#"{"b":{"d":3,"c":2,"c":5},"a":{"a":{"a":1}}}"#,
            r#"{"B":[{"c":1},{"c":2,"d":3}],"\u0061":1,"a-":2}"#,
        ];
        let mut keys = Keys::new();
        let mut noise = Noise::new(8);
        for _ in 0..200 {
            let text = *noise.pick(&texts);
            let mut sink = Seen::default();
            walk(text.as_bytes(), &mut keys, &mut sink).expect(text);
            assert_eq!(Some(sink.0), seen(text));
        }
    }

    #[test]
    fn keys_and_paths_are_bounded() {
        let many = |count: usize| {
            let pairs: Vec<String> = (0..count).map(|number| format!("\"{number}\":1")).collect();
            format!("{{{}}}", pairs.join(","))
        };
        assert!(seen(&many(KEYS_OF_ONE - 1)).is_some());
        assert!(seen(&many(KEYS_OF_ONE)).is_none());
        let mut keys = Keys::new();
        walk(many(KEYS + 1).as_bytes(), &mut keys, &mut Seen::default()).expect("json");
        keys.bound();
        assert_eq!(keys.len(), 1);
        let long = "x".repeat(PATH_BYTES);
        let pairs = seen(&format!("{{\"{long}\":{{\"callId\":\"a\",\"b\":{{\"c\":1}}}}}}")).expect("json");
        assert_eq!(pairs, [("\0.callid", "a"), ("\0.b.c", "1")].map(|(key, value)| (key.to_owned(), value.to_owned())));
    }
}
