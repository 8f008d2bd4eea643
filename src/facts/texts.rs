//! The texts of one request, in one allocation.
//!
//! A log may hold millions of recording requests, and every one is kept until the calls are known that it may be about.
//! Memory that is touched for the first time is the dearest part of keeping them, so a request has its texts one behind
//! the other: a tag, a length and the text each, the target first. Names that stand in the target as they are, as most
//! do, are the place there.
//!
//! Keeps: what [`Packed::unpack`] gives is what [`Packed::of`] was given.

use std::borrow::Cow;

use super::api::{Name, NameKind, Place};

/// What a record says of a request in words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Texts<'a> {
    /// The method, as logged; empty where the record has none.
    pub method: &'a str,
    /// The request target as logged.
    pub target: &'a [u8],
    /// Who asked, as logged: an OAuth client, a user or an address, in this order of preference.
    pub client: Option<&'a [u8]>,
    /// The user, where the log has a field for one; also where an OAuth client asked on their behalf.
    pub user: Option<&'a [u8]>,
    /// The API's error code, where logged.
    pub error_code: Option<&'a [u8]>,
    /// The id that a proxy gave the request. It makes the same request in two logs one, and so does the next.
    pub request_id: Option<&'a [u8]>,
    /// The API's own correlation id, which only an answer of the API itself carries.
    pub correlation_id: Option<&'a [u8]>,
    /// Every identifier the record names, in the order path, query, fields.
    pub names: Vec<Name<'a>>,
}

/// Which text it is. Texts stand in this order; the target and the method are always there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Tag {
    Target,
    Method,
    /// One text that is both.
    ClientAndUser,
    Client,
    User,
    ErrorCode,
    RequestId,
    CorrelationId,
    /// The first of the names; kind and place are added.
    Name,
}

/// Set beside [`Tag::Name`] where the text stands in the target: then its place there stands for it.
const IN_TARGET: u8 = 0x80;

const KINDS: [NameKind; 5] =
    [NameKind::CallId, NameKind::Conversation, NameKind::Other, NameKind::Trunk, NameKind::Segment];
const PLACES: [Place; 4] = [Place::Path, Place::Query, Place::Field, Place::Body];

/// Texts, packed.
#[derive(Clone, Debug)]
pub(crate) struct Packed(Box<[u8]>);

impl Packed {
    pub(super) fn of(texts: &Texts<'_>) -> Self {
        let mut length = Length(0);
        texts.pack(&mut length);
        let mut bytes = Vec::with_capacity(length.0);
        texts.pack(&mut bytes);
        Self(bytes.into())
    }

    pub(super) fn unpack(&self) -> Texts<'_> {
        Texts { names: self.names().collect(), ..self.unpack_but_names() }
    }

    pub(super) fn unpack_but_names(&self) -> Texts<'_> {
        let mut texts = Texts::default();
        for (tag, text) in self.pieces().take_while(|(tag, _)| *tag < Tag::Name as u8) {
            let is = |wanted: Tag| tag == wanted as u8;
            if is(Tag::Target) {
                texts.target = text;
            } else if is(Tag::Method) {
                // It was UTF-8 when it was packed.
                texts.method = str::from_utf8(text).unwrap_or_default();
            } else if is(Tag::ClientAndUser) {
                (texts.client, texts.user) = (Some(text), Some(text));
            } else if is(Tag::Client) {
                texts.client = Some(text);
            } else if is(Tag::User) {
                texts.user = Some(text);
            } else if is(Tag::ErrorCode) {
                texts.error_code = Some(text);
            } else if is(Tag::RequestId) {
                texts.request_id = Some(text);
            } else if is(Tag::CorrelationId) {
                texts.correlation_id = Some(text);
            }
        }
        texts
    }

    pub(super) fn target(&self) -> &[u8] {
        self.text(Tag::Target).unwrap_or_default()
    }

    pub(super) fn method(&self) -> &str {
        // It was UTF-8 when it was packed.
        self.text(Tag::Method).and_then(|method| str::from_utf8(method).ok()).unwrap_or_default()
    }

    pub(super) fn client(&self) -> Option<&[u8]> {
        self.text(Tag::Client).or_else(|| self.text(Tag::ClientAndUser))
    }

    pub(super) fn user(&self) -> Option<&[u8]> {
        self.text(Tag::User).or_else(|| self.text(Tag::ClientAndUser))
    }

    pub(super) fn text(&self, wanted: Tag) -> Option<&[u8]> {
        let piece = self.pieces().find(|(tag, _)| *tag >= wanted as u8);
        piece.filter(|(tag, _)| *tag == wanted as u8).map(|(_, text)| text)
    }

    pub(super) fn names(&self) -> impl Iterator<Item = Name<'_>> {
        self.pieces().filter_map(|(tag, text)| {
            let number = usize::from(tag.checked_sub(Tag::Name as u8)?);
            let (kind, place) = (KINDS.get(number / PLACES.len())?, PLACES.get(number % PLACES.len())?);
            Some(Name { kind: *kind, place: *place, value: Cow::Borrowed(text) })
        })
    }

    /// The memory it takes beside itself.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    fn pieces(&self) -> Pieces<'_> {
        Pieces { rest: &self.0, target: b"" }
    }
}

/// The texts with their tags.
struct Pieces<'p> {
    rest: &'p [u8],
    target: &'p [u8],
}

impl<'p> Iterator for Pieces<'p> {
    type Item = (u8, &'p [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (tag, rest) = self.rest.split_first()?;
        self.rest = rest;
        if tag & IN_TARGET != 0 {
            let (start, length) = (self.number()?, self.number()?);
            return Some((tag & !IN_TARGET, self.target.get(start..start + length)?));
        }
        let length = self.number()?;
        let (text, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        if *tag == Tag::Target as u8 {
            self.target = text;
        }
        Some((*tag, text))
    }
}

impl Pieces<'_> {
    /// A number in base 128, its lowest digit first; all but the last are marked.
    #[inline]
    fn number(&mut self) -> Option<usize> {
        let (mut number, mut shift) = (0, 0);
        loop {
            let (byte, rest) = self.rest.split_first()?;
            self.rest = rest;
            number |= usize::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 || shift > 56 {
                return Some(number);
            }
            shift += 7;
        }
    }
}

/// Where packed texts go.
trait Sink {
    fn bytes(&mut self, bytes: &[u8]);

    fn number(&mut self, mut number: usize) {
        while number >= 0x80 {
            self.bytes(&[number as u8 | 0x80]);
            number >>= 7;
        }
        self.bytes(&[number as u8]);
    }

    fn piece(&mut self, tag: Tag, text: &[u8]) {
        self.bytes(&[tag as u8]);
        self.number(text.len());
        self.bytes(text);
    }
}

/// How long they are.
struct Length(usize);

impl Sink for Length {
    #[inline]
    fn bytes(&mut self, bytes: &[u8]) {
        self.0 += bytes.len();
    }
}

impl Sink for Vec<u8> {
    #[inline]
    fn bytes(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

impl Texts<'_> {
    fn pack(&self, sink: &mut impl Sink) {
        sink.piece(Tag::Target, self.target);
        sink.piece(Tag::Method, self.method.as_bytes());
        let is_one = self.client == self.user;
        let texts = [
            (Tag::ClientAndUser, self.client.filter(|_| is_one)),
            (Tag::Client, self.client.filter(|_| !is_one)),
            (Tag::User, self.user.filter(|_| !is_one)),
            (Tag::ErrorCode, self.error_code),
            (Tag::RequestId, self.request_id),
            (Tag::CorrelationId, self.correlation_id),
        ];
        for (tag, text) in texts {
            if let Some(text) = text {
                sink.piece(tag, text);
            }
        }
        for Name { kind, place, value } in &self.names {
            // Fewer than 128.
            let number = (*kind as usize * PLACES.len() + *place as usize) as u8 + Tag::Name as u8;
            match place_in(self.target, value) {
                Some(start) => {
                    sink.bytes(&[number | IN_TARGET]);
                    sink.number(start);
                    sink.number(value.len());
                }
                None => {
                    sink.bytes(&[number]);
                    sink.number(value.len());
                    sink.bytes(value);
                }
            }
        }
    }
}

/// Where `value` begins in `target`, where it is a part of it and not a copy.
fn place_in(target: &[u8], value: &[u8]) -> Option<usize> {
    let start = value.as_ptr().addr().checked_sub(target.as_ptr().addr())?;
    target.get(start..)?.starts_with(value).then_some(start)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_packed_is_unpacked() {
        let target = b"/api/v2/conversations/c1/recordings/r1?callId=a%40b".as_slice();
        let name = |kind, place, value: &'static [u8]| Name { kind, place, value: value.into() };
        let mut names = Vec::new();
        for kind in KINDS {
            names.extend(PLACES.map(|place| name(kind, place, b"a@b")));
        }
        names.push(Name { kind: NameKind::Segment, place: Place::Path, value: target[36..38].into() });
        let long = vec![b'x'; 70_000];
        let whole = Texts {
            method: "GET",
            target,
            client: Some(b"crm"),
            user: Some(b"ann"),
            error_code: Some(b""),
            request_id: Some(&long),
            correlation_id: Some(b"k"),
            names,
        };
        let same = Texts { user: Some(b"crm"), names: Vec::new(), ..whole.clone() };
        let bare = Texts { target, ..Texts::default() };
        let empty = Texts::default();
        for texts in [whole, same, bare, empty] {
            assert_eq!(Packed::of(&texts).unpack(), texts);
        }
    }

    #[test]
    fn a_name_that_stands_in_the_target_takes_no_room_of_its_own() {
        let target = b"/recordings/0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0".as_slice();
        let with = |value: &[u8]| {
            let names = vec![Name { kind: NameKind::Segment, place: Place::Path, value: value.to_owned().into() }];
            Packed::of(&Texts { target, names, ..Texts::default() }).len()
        };
        let part = Name { kind: NameKind::Segment, place: Place::Path, value: target[12..].into() };
        let own = Packed::of(&Texts { target, names: vec![part], ..Texts::default() });
        assert_eq!(own.names().next().map(|name| name.value.into_owned()).as_deref(), target.get(12..));
        assert_eq!(own.len() + 35, with(&target[12..]));
    }

    #[test]
    fn texts_of_one_request_and_names_of_another_keep_apart() {
        let (one, other) = (b"/recordings/aaaa".to_vec(), b"/recordings/bbbb".to_vec());
        let names = vec![Name { kind: NameKind::Segment, place: Place::Path, value: other[12..].into() }];
        let packed = Packed::of(&Texts { target: &one, names, ..Texts::default() });
        assert_eq!(packed.names().next().map(|name| name.value.into_owned()), Some(b"bbbb".to_vec()));
    }
}
