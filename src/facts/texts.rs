//! The texts of requests, packed: those of one block of a log together.
//!
//! A log may hold millions of recording requests, and every one is kept until the calls are known that it may be about.
//! Memory that is touched for the first time is the dearest part of keeping them. So what the requests of a block have in
//! common stands there once: who asked, and the *form*, which is the method, the target without its UUIDs, and where names
//! stand in it. What is a request's own are mostly UUIDs and ids of 32 digits, and of those the 16 bytes are kept.
//!
//! Keeps: what [`Packed::unpack`] gives is what [`Packer::pack`] was given.
//!
//! # Design
//!
//! Texts that were met before are looked for in a table of fixed size, in which a newer text takes the place of an older
//! one. A block in which nothing repeats so costs a look each, and how much is kept depends on nothing but the texts.

use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, OnceLock};

use super::api::{Name, NameKind, Place};
use super::bytes::{Cursor, number, text};
use super::digits::{self, Digits};

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

const KINDS: [NameKind; 5] =
    [NameKind::CallId, NameKind::Conversation, NameKind::Other, NameKind::Trunk, NameKind::Segment];
const PLACES: [Place; 4] = [Place::Path, Place::Query, Place::Field, Place::Body];

/// Set beside the kind and the place of a name whose text stands in the target: then its place there stands for it.
const IN_TARGET: u8 = 0x80;

/// Which texts there are beside target and method.
const CLIENT: u8 = 1;
const USER: u8 = 2;
/// The user is the client.
const CLIENT_IS_USER: u8 = 4;
const ERROR_CODE: u8 = 8;
const REQUEST_ID: u8 = 16;
const CORRELATION_ID: u8 = 32;

/// The packed texts of a block, once all are there.
#[derive(Default)]
struct Kept(OnceLock<Box<[u8]>>);

/// The texts of one request, packed.
///
/// They begin with the place of their form. Then come the UUIDs of the target, the places of the client, the user and the
/// error code, and the ids, each where there is one.
#[derive(Clone)]
pub(crate) struct Packed {
    kept: Arc<Kept>,
    place: u32,
}

/// Packs the texts of the requests of one block.
#[derive(Default)]
pub(crate) struct Packer {
    kept: Arc<Kept>,
    bytes: Vec<u8>,
    /// Where a text stands, plus one, by its hash.
    met: Vec<u32>,
    form: Vec<u8>,
}

impl Packer {
    /// Packs the texts of a request. They can be read once the packer is [finished](Self::finish).
    pub(crate) fn pack(&mut self, texts: &Texts<'_>) -> Packed {
        let mut form = std::mem::take(&mut self.form);
        form.clear();
        let (holes, count) = write_form(texts, &mut form);
        let form_place = self.intern(&form);
        self.form = form;
        let who = texts.client.filter(|_| texts.client == texts.user);
        let others = [who.or(texts.client), texts.user.filter(|_| who.is_none()), texts.error_code];
        let others = others.map(|text| text.map(|text| self.intern(text)));
        // A block is a few mebibytes.
        let place = u32::try_from(self.bytes.len()).unwrap_or(u32::MAX);
        number(&mut self.bytes, form_place);
        for hole in holes.iter().take(count) {
            self.bytes.extend_from_slice(&hole.bytes);
        }
        others.into_iter().flatten().for_each(|place| number(&mut self.bytes, place));
        for id in [texts.request_id, texts.correlation_id].into_iter().flatten() {
            match digits::read(id) {
                Some((spelling, bytes)) => {
                    self.bytes.push(spelling as u8);
                    self.bytes.extend_from_slice(&bytes);
                }
                None => {
                    self.bytes.push(AS_WRITTEN);
                    text(&mut self.bytes, id);
                }
            }
        }
        Packed { kept: Arc::clone(&self.kept), place }
    }

    /// Makes the texts readable; gives how many bytes they take.
    pub(crate) fn finish(self) -> u64 {
        let length = self.bytes.len();
        if length > 0 {
            // Nobody else sets it.
            let _ = self.kept.0.set(self.bytes.into_boxed_slice());
        }
        length as u64
    }

    /// Where `wanted` stands, from now on if it did not before.
    fn intern(&mut self, wanted: &[u8]) -> usize {
        /// Texts that are looked for.
        const MET: usize = 256;
        if self.met.is_empty() {
            self.met.resize(MET, 0);
        }
        let Some(met) = self.met.get_mut(hash(wanted) % MET) else { return usize::MAX };
        if let Some(place) = met.checked_sub(1)
            && Cursor::at(&self.bytes, place as usize).and_then(|mut known| known.text()) == Some(wanted)
        {
            return place as usize;
        }
        let place = self.bytes.len();
        *met = u32::try_from(place + 1).unwrap_or(0);
        text(&mut self.bytes, wanted);
        place
    }
}

/// Spread over all its bits; the same in every run.
fn hash(text: &[u8]) -> usize {
    const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
    let (words, rest) = text.as_chunks::<8>();
    let mut last = [0; 8];
    last.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
    let start = (text.len() as u64).wrapping_mul(ODD);
    let mixed = words.iter().chain([&last]).fold(start, |mixed, word| {
        let mixed = (mixed ^ u64::from_le_bytes(*word)).wrapping_mul(ODD);
        mixed ^ (mixed >> 32)
    });
    (mixed >> 40) as usize
}

/// What byte stands before an id that is kept as written; before others stands their [`Digits`].
const AS_WRITTEN: u8 = 0xff;

/// UUIDs of a target that are taken out of it.
const HOLES: usize = 4;

/// A UUID in a target.
#[derive(Clone, Copy, Default)]
struct Hole {
    start: usize,
    bytes: [u8; 16],
}

/// Writes the form of a request; gives what stands in it and is its own, and how many there are.
fn write_form(texts: &Texts<'_>, form: &mut Vec<u8>) -> ([Hole; HOLES], usize) {
    let (mut found, mut count, mut begins) = ([Hole::default(); HOLES], 0, 0);
    for name in &texts.names {
        // Only what a name says it is is looked at: anything else in a target is a word, mostly.
        if let Some(hole) = found.get_mut(count)
            && let Some((Digits::Uuid, bytes)) = digits::read(&name.value)
            && let Some(start) = place_in(texts.target, &name.value).filter(|start| *start >= begins)
        {
            begins = start + name.value.len();
            *hole = Hole { start, bytes };
            count += 1;
        }
    }
    let holes = found.get(..count).unwrap_or_default();
    let is_one = texts.client.is_some() && texts.client == texts.user;
    let flags = [
        (CLIENT, texts.client.is_some()),
        (USER, texts.user.is_some() && !is_one),
        (CLIENT_IS_USER, is_one),
        (ERROR_CODE, texts.error_code.is_some()),
        (REQUEST_ID, texts.request_id.is_some()),
        (CORRELATION_ID, texts.correlation_id.is_some()),
    ];
    form.push(flags.iter().filter(|(_, is_there)| *is_there).map(|(flag, _)| flag).sum());
    text(form, texts.method.as_bytes());
    number(form, holes.len());
    let mut begins = 0;
    for hole in holes {
        text(form, texts.target.get(begins..hole.start).unwrap_or_default());
        begins = hole.start + Digits::Uuid.length();
    }
    text(form, texts.target.get(begins..).unwrap_or_default());
    for Name { kind, place, value } in &texts.names {
        // Fewer than 128.
        let kind = (*kind as usize * PLACES.len() + *place as usize) as u8;
        match place_in(texts.target, value) {
            Some(start) => {
                form.push(kind | IN_TARGET);
                number(form, start);
                number(form, value.len());
            }
            None => {
                form.push(kind);
                text(form, value);
            }
        }
    }
    (found, count)
}

/// Where `value` begins in `target`, where it is a part of it and not a copy.
fn place_in(target: &[u8], value: &[u8]) -> Option<usize> {
    let start = value.as_ptr().addr().checked_sub(target.as_ptr().addr())?;
    target.get(start..)?.starts_with(value).then_some(start)
}

fn read_id<'p>(own: &mut Cursor<'p>) -> Option<Cow<'p, [u8]>> {
    match own.byte()? {
        AS_WRITTEN => own.text().map(Cow::Borrowed),
        spelling => Some(Digits::of(spelling)?.written(own.fixed()?).into()),
    }
}

/// The texts of a request, taken apart.
struct Open<'p> {
    all: &'p [u8],
    flags: u8,
    method: &'p [u8],
    holes: usize,
    /// At what stands in the target before its first UUID.
    literals: Cursor<'p>,
    /// At its first UUID.
    own: Cursor<'p>,
}

impl<'p> Open<'p> {
    /// The parts of the target: what is written, or the UUID that stands there.
    fn parts(&self) -> impl Iterator<Item = (&'p [u8], Option<&'p [u8; 16]>)> {
        let (mut literals, mut own, holes) = (self.literals, self.own, self.holes);
        (0..=holes)
            .map_while(move |hole| Some((literals.text()?, if hole < holes { Some(own.fixed()?) } else { None })))
    }

    fn target(&self) -> Cow<'p, [u8]> {
        if self.holes == 0 {
            let mut literals = self.literals;
            return Cow::Borrowed(literals.text().unwrap_or_default());
        }
        let mut target = Vec::new();
        self.write_target(&mut target);
        target.into()
    }

    fn write_target(&self, target: &mut Vec<u8>) {
        let length = |(literal, uuid): (&[u8], Option<_>)| literal.len() + uuid.map_or(0, |_| Digits::Uuid.length());
        target.reserve_exact(self.parts().map(length).sum());
        for (literal, uuid) in self.parts() {
            target.extend_from_slice(literal);
            if let Some(uuid) = uuid {
                Digits::Uuid.write(uuid, target);
            }
        }
    }

    /// A part of the target, at `start` and so long.
    fn part(&self, start: usize, length: usize) -> Option<Cow<'p, [u8]>> {
        let end = start.checked_add(length)?;
        let (mut literals, mut at) = (self.literals, 0);
        for hole in 0..=self.holes {
            let literal = literals.text()?;
            let behind = at + literal.len();
            if start >= at && end <= behind {
                return literal.get(start - at..end - at).map(Cow::Borrowed);
            }
            at = behind + Digits::Uuid.length();
            if (start, end) == (behind, at) && hole < self.holes {
                let uuid = self.own.0.get(16 * hole..)?.first_chunk()?;
                return Some(Digits::Uuid.written(uuid).into());
            }
        }
        self.target().get(start..end).map(|part| part.to_vec().into())
    }

    /// At the first name.
    fn names(&self) -> Cursor<'p> {
        let mut names = self.literals;
        for _ in 0..=self.holes {
            names.text();
        }
        names
    }

    /// Client, user, error code, request id, correlation id.
    fn others(&self) -> ([Option<&'p [u8]>; 3], Ids<'p>) {
        let mut own = self.own;
        own.0 = own.0.get(16 * self.holes..).unwrap_or_default();
        let has = |flag: u8| self.flags & flag != 0;
        let mut interned = |flag: u8| {
            if !has(flag) {
                return None;
            }
            let place = own.number()?;
            Cursor::at(self.all, place)?.text()
        };
        let [client, user, error_code] = [CLIENT, USER, ERROR_CODE].map(&mut interned);
        let user = if has(CLIENT_IS_USER) { client } else { user };
        ([client, user, error_code], Ids { own, flags: self.flags })
    }
}

/// The ids of a request, not yet read.
struct Ids<'p> {
    own: Cursor<'p>,
    flags: u8,
}

impl<'p> Ids<'p> {
    fn read(mut self) -> [Option<Cow<'p, [u8]>>; 2] {
        [REQUEST_ID, CORRELATION_ID].map(|flag| if self.flags & flag != 0 { read_id(&mut self.own) } else { None })
    }
}

/// Where texts are put that are not kept as they were written, for as long as they are looked at.
#[derive(Clone, Debug, Default)]
pub struct Room {
    target: Vec<u8>,
    ids: [Option<Box<[u8]>>; 2],
}

impl Packed {
    pub(super) fn of(texts: &Texts<'_>) -> Self {
        let mut packer = Packer::default();
        let packed = packer.pack(texts);
        packer.finish();
        packed
    }

    /// All texts; names that were a part of the target are one of it here, too.
    pub(super) fn unpack<'r>(&'r self, room: &'r mut Room) -> Texts<'r> {
        let Some(open) = self.open() else { return Texts::default() };
        room.target.clear();
        open.write_target(&mut room.target);
        let ([client, user, error_code], ids) = open.others();
        room.ids = ids.read().map(|id| id.map(|id| id.into_owned().into()));
        let room: &'r Room = room;
        let [request_id, correlation_id] = &room.ids;
        Texts {
            method: str::from_utf8(open.method).unwrap_or_default(),
            target: &room.target,
            client,
            user,
            error_code,
            request_id: request_id.as_deref(),
            correlation_id: correlation_id.as_deref(),
            names: names(open.names(), |start, length| room.target.get(start..)?.get(..length).map(Cow::Borrowed))
                .collect(),
        }
    }

    pub(super) fn target(&self) -> Cow<'_, [u8]> {
        self.open().map(|open| open.target()).unwrap_or_default()
    }

    pub(super) fn method(&self) -> &str {
        // It was UTF-8 when it was packed.
        self.open().and_then(|open| str::from_utf8(open.method).ok()).unwrap_or_default()
    }

    /// Client, user, error code.
    pub(super) fn who_and_code(&self) -> [Option<&[u8]>; 3] {
        self.open().map(|open| open.others().0).unwrap_or_default()
    }

    /// Request id, correlation id.
    pub(super) fn ids(&self) -> [Option<Cow<'_, [u8]>>; 2] {
        self.open().map(|open| open.others().1.read()).unwrap_or_default()
    }

    /// Whether there is a correlation id.
    pub(super) fn is_correlated(&self) -> bool {
        self.open().is_some_and(|open| open.flags & CORRELATION_ID != 0)
    }

    pub(super) fn names(&self) -> impl Iterator<Item = Name<'_>> {
        let open = self.open();
        let cursor = open.as_ref().map_or(Cursor(b""), Open::names);
        names(cursor, move |start, length| open.as_ref()?.part(start, length))
    }

    #[inline]
    fn open(&self) -> Option<Open<'_>> {
        let all = self.kept.0.get()?;
        let mut own = Cursor::at(all, self.place as usize)?;
        let mut form = Cursor(Cursor::at(all, own.number()?)?.text()?);
        let (flags, method, holes) = (form.byte()?, form.text()?, form.number()?);
        Some(Open { all, flags, method, holes, literals: form, own })
    }
}

/// The names that `cursor` stands before; `part` gives a part of the target.
fn names<'p>(
    mut cursor: Cursor<'p>,
    part: impl Fn(usize, usize) -> Option<Cow<'p, [u8]>>,
) -> impl Iterator<Item = Name<'p>> {
    std::iter::from_fn(move || {
        let mark = cursor.byte()?;
        let value = match mark & IN_TARGET {
            0 => cursor.text()?.into(),
            _ => part(cursor.number()?, cursor.number()?)?,
        };
        let number = usize::from(mark & !IN_TARGET);
        let (kind, place) = (KINDS.get(number / PLACES.len())?, PLACES.get(number % PLACES.len())?);
        Some(Name { kind: *kind, place: *place, value })
    })
}

impl fmt::Debug for Packed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.unpack(&mut Room::default()).fmt(formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UUID: &[u8] = b"0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0";

    fn name(kind: NameKind, place: Place, value: &[u8]) -> Name<'_> {
        Name { kind, place, value: value.into() }
    }

    /// Every text that the parts of a packed request give, one by one.
    #[track_caller]
    fn compare(packed: &Packed, texts: &Texts<'_>) {
        let mut room = Room::default();
        assert_eq!(packed.unpack(&mut room), *texts);
        assert_eq!(&*packed.target(), texts.target);
        assert_eq!(packed.method(), texts.method);
        assert_eq!(packed.who_and_code(), [texts.client, texts.user, texts.error_code]);
        assert_eq!(packed.ids().each_ref().map(Option::as_deref), [texts.request_id, texts.correlation_id]);
        assert_eq!(packed.is_correlated(), texts.correlation_id.is_some());
        assert_eq!(packed.names().collect::<Vec<_>>(), texts.names);
    }

    fn every(run: impl Fn(&[Texts<'_>])) {
        let target = b"/api/v2/conversations/c1/recordings/r1?callId=a%40b".as_slice();
        let mut names = Vec::new();
        for kind in KINDS {
            names.extend(PLACES.map(|place| name(kind, place, b"a@b")));
        }
        names.push(name(NameKind::Segment, Place::Path, &target[36..38]));
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
        let user = Texts { client: None, ..whole.clone() };
        let digits =
            Texts { request_id: Some(b"00112233445566778899aabbccddeeff"), correlation_id: Some(UUID), ..same.clone() };
        let upper =
            Texts { request_id: Some(b"00112233445566778899AABBCCDDEEFF"), correlation_id: None, ..same.clone() };
        let path = [b"/conversations/", UUID, b"/recordings/", UUID, b"?trunkId=", UUID].concat();
        let [one, two, three] = [15, 63, 108].map(|at| &path[at..at + 36]);
        assert_eq!([one, two, three], [UUID; 3]);
        let named = Texts {
            target: &path,
            names: vec![
                name(NameKind::Conversation, Place::Path, one),
                name(NameKind::Segment, Place::Path, two),
                name(NameKind::Trunk, Place::Query, three),
                // Again, a part of one, and more than one.
                name(NameKind::Other, Place::Path, one),
                name(NameKind::Other, Place::Path, &path[20..30]),
                name(NameKind::Other, Place::Path, &path[40..70]),
                name(NameKind::Other, Place::Path, &path[..]),
                name(NameKind::Other, Place::Path, &path[2..10]),
                name(NameKind::Other, Place::Path, &path[path.len()..]),
                name(NameKind::CallId, Place::Field, UUID),
            ],
            ..digits.clone()
        };
        let only = Texts { target: one, names: vec![name(NameKind::Segment, Place::Path, one)], ..Texts::default() };
        let bare = Texts { target, ..Texts::default() };
        let empty = Texts::default();
        run(&[whole, same, user, digits, upper, named, only, bare, empty]);
    }

    #[test]
    fn what_was_packed_is_unpacked() {
        every(|all| all.iter().for_each(|texts| compare(&Packed::of(texts), texts)));
    }

    #[test]
    fn what_was_packed_together_is_unpacked_one_by_one() {
        every(|all| {
            let mut packer = Packer::default();
            let twice: Vec<Packed> =
                all.iter().chain(all).chain(all.iter().rev()).map(|texts| packer.pack(texts)).collect();
            packer.finish();
            for (packed, texts) in twice.iter().zip(all.iter().chain(all).chain(all.iter().rev())) {
                compare(packed, texts);
            }
        });
    }

    #[test]
    fn more_texts_than_are_looked_for_are_kept_all_the_same() {
        let mut packer = Packer::default();
        let paths: Vec<String> = (0..3_000).map(|number| format!("/recordings/{}", number % 1_000)).collect();
        let packed: Vec<Packed> = paths
            .iter()
            .map(|path| packer.pack(&Texts { target: path.as_bytes(), method: "GET", ..Texts::default() }))
            .collect();
        packer.finish();
        for (packed, path) in packed.iter().zip(&paths) {
            compare(packed, &Texts { target: path.as_bytes(), method: "GET", ..Texts::default() });
        }
    }

    #[test]
    fn what_a_block_repeats_stands_there_once() {
        let target = |digit: char| {
            let uuid = str::from_utf8(UUID).expect("UTF-8").replace('0', &digit.to_string());
            format!("/api/v2/conversations/{uuid}/recordings/{uuid}?formatId=WAV")
        };
        let mut packer = Packer::default();
        let mut lengths = vec![0];
        let mut all = Vec::new();
        for digit in ['0', '1', '2', '3'] {
            let target = target(digit);
            let names = vec![
                name(NameKind::Conversation, Place::Path, &target.as_bytes()[22..58]),
                name(NameKind::Segment, Place::Path, &target.as_bytes()[70..106]),
            ];
            let id = format!("{digit}0112233445566778899aabbccddeeff");
            let texts = Texts {
                method: "GET",
                target: target.as_bytes(),
                client: Some(b"integration-5"),
                request_id: Some(id.as_bytes()),
                names,
                ..Texts::default()
            };
            all.push(packer.pack(&texts));
            lengths.push(packer.bytes.len());
        }
        let more: Vec<usize> = lengths.windows(2).map(|two| two[1] - two[0]).collect();
        // The places of form and client, two UUIDs, and an id.
        assert_eq!(more[1..], [1 + 16 + 16 + 1 + 17; 3]);
        assert_eq!(packer.finish(), lengths[4] as u64);
        assert_eq!(&*all[2].target(), target('2').as_bytes());
    }

    #[test]
    fn texts_of_one_request_and_names_of_another_keep_apart() {
        let (one, other) = (b"/recordings/aaaa".to_vec(), b"/recordings/bbbb".to_vec());
        let names = vec![name(NameKind::Segment, Place::Path, &other[12..])];
        let packed = Packed::of(&Texts { target: &one, names, ..Texts::default() });
        assert_eq!(packed.names().next().map(|name| name.value.into_owned()), Some(b"bbbb".to_vec()));
    }
}
