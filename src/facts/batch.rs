//! SIP messages of some blocks of a capture, call by call.
//!
//! A decoder pushes each message once into a batch ([`Draft`]), which [writes it down](super::written) behind the others.
//! The shelves of a [`Store`](super::store::Store) then take the messages over as they are written, those of a Call-ID
//! together ([`SignallingBatch::strands`]). Values that a call's last message had, too, are neither read nor written again.

use std::hash::BuildHasher;
use std::sync::LazyLock;

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use super::bytes::{Cursor, text};
use super::signalling::{MediaDescription, Row, Signalling, StartLine};
use super::strand::{Methods, Strand};
use super::written::{Form, HEAD, MediaWriter, Parts, Reader, Said, TEXTUAL, Way, head, write_row, write_upper_halves};

/// The SIP messages of some blocks of a capture.
#[derive(Debug, Default)]
pub struct SignallingBatch {
    /// All messages, as they were added.
    bytes: Vec<u8>,
    messages: Vec<Place>,
    calls: Vec<Call>,
    /// The calls, by their hashes.
    table: HashTable<u32>,
    /// The Call-IDs, and the values that those of the next messages are compared with.
    wholes: Vec<u8>,
    draft: Scratch,
}

/// What a draft needs; its room is used again.
#[derive(Debug, Default)]
struct Scratch {
    rows: Vec<u8>,
    media: MediaWriter,
}

/// Where one message is written.
#[derive(Clone, Copy, Debug)]
struct Place {
    start: usize,
    /// Where it ends.
    end: usize,
    /// The next one of its call; `u32::MAX` for none.
    next: u32,
}

/// One Call-ID.
#[derive(Clone, Copy, Debug)]
struct Call {
    hash: u64,
    /// Where its Call-ID begins and ends, in the wholes.
    id: (usize, usize),
    first: u32,
    last: u32,
    methods: Methods,
    /// The bytes of its messages.
    length: usize,
    said: Last,
}

impl Call {
    const fn new(hash: u64, id: (usize, usize)) -> Self {
        let methods = Methods::NONE;
        Self { hash, id, first: u32::MAX, last: u32::MAX, methods, length: 0, said: Last::NOTHING }
    }

    #[inline]
    fn id<'w>(&self, wholes: &'w [u8]) -> &'w [u8] {
        wholes.get(self.id.0..self.id.1).unwrap_or_default()
    }
}

/// What the last message said that had the field.
#[derive(Clone, Copy, Debug)]
struct Last {
    /// The values with text.
    values: [Value; TEXTUAL],
    /// In the batch's bytes.
    rows: Text,
    media: Text,
    /// Of the last message.
    way: Option<Way>,
}

/// A value of one of the first [`TEXTUAL`] fields.
#[derive(Clone, Copy, Debug)]
struct Value {
    /// In the batch's wholes.
    whole: Text,
    /// In the batch's bytes.
    first: Text,
}

impl Last {
    const NOTHING: Self = Self {
        values: [Value { whole: Text::NONE, first: Text::NONE }; TEXTUAL],
        rows: Text::NONE,
        media: Text::NONE,
        way: None,
    };

    fn of(&self, field: Said) -> Value {
        self.values.get(field as usize).copied().unwrap_or(Value { whole: Text::NONE, first: Text::NONE })
    }
}

/// A range of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Text {
    /// [`u32::MAX`] stands for none.
    start: u32,
    length: u32,
}

impl Text {
    const NONE: Self = Self { start: u32::MAX, length: 0 };

    /// The range that begins at `start`; none where a batch holds far more than one that is taken over in time.
    fn at(start: usize, length: usize) -> Self {
        let range = u32::try_from(start).ok().zip(u32::try_from(length).ok());
        range.map_or(Self::NONE, |(start, length)| Self { start, length })
    }

    #[inline(always)]
    fn is(self, value: &[u8], bytes: &[u8]) -> bool {
        self.length as usize == value.len()
            && self != Self::NONE
            && bytes.get(self.start as usize..).is_some_and(|bytes| bytes.starts_with(value))
    }

    /// `value`, added to `bytes`.
    fn added(value: &[u8], bytes: &mut Vec<u8>) -> Self {
        bytes.extend_from_slice(value);
        Self::at(bytes.len() - value.len(), value.len())
    }
}

impl SignallingBatch {
    /// Starts a message of a Call-ID: values, rows and descriptions are added to the draft, the message itself at its end.
    #[inline(always)]
    pub(super) fn draft(&mut self, call_id: &[u8]) -> Option<Draft<'_>> {
        let call = self.call(call_id);
        let Self { bytes, messages, calls, table: _, wholes, draft } = self;
        draft.rows.clear();
        let start = bytes.len();
        bytes.extend_from_slice(&[0; HEAD]);
        let own = calls.get_mut(call as usize)?;
        Some(Draft { bytes, messages, wholes, scratch: draft, own, start, form: Form::default(), described: false })
    }

    /// The place of a Call-ID among the calls.
    fn call(&mut self, call_id: &[u8]) -> u32 {
        let hash = hash_of(call_id);
        let Self { calls, table, wholes, .. } = self;
        let is_same = |known: &u32| {
            calls.get(*known as usize).is_some_and(|known| known.hash == hash && known.id(wholes) == call_id)
        };
        let hash_of = |known: &u32| calls.get(*known as usize).map_or(0, |known| known.hash);
        match table.entry(hash, is_same, hash_of) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(vacant) => {
                let place = calls.len() as u32;
                vacant.insert(place);
                wholes.extend_from_slice(call_id);
                calls.push(Call::new(hash, (wholes.len() - call_id.len(), wholes.len())));
                place
            }
        }
    }

    /// Adds a message. Its texts are copied into the batch; the view's own rows and media are not read: give `rows`
    /// in wire order and the descriptions as `media`, or `None` when there is no session description.
    pub fn push<'t>(
        &mut self,
        message: &Signalling<'t>,
        rows: impl IntoIterator<Item = Row<'t>>,
        media: Option<impl IntoIterator<Item = MediaDescription<'t>>>,
    ) {
        let Some(mut draft) = self.draft(message.call_id) else { return };
        for row in rows {
            draft.row(row);
        }
        if let Some(media) = media {
            draft.describe();
            for description in media {
                draft.media(&description);
            }
        }
        draft.commit(message);
    }

    /// How many messages the batch holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.messages.len()
    }

    /// Whether the batch holds no message.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// The bytes that its messages take.
    #[must_use]
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    /// The messages, as they were added.
    pub fn messages(&self) -> impl Iterator<Item = Signalling<'_>> {
        let mut messages: Vec<(usize, Signalling<'_>)> = Vec::with_capacity(self.len());
        for call in &self.calls {
            let mut reader = Reader::of(call.id(&self.wholes));
            let read = |place: &Place| {
                let bytes = self.bytes.get(place.start..place.end)?;
                Some((place.start, *reader.next(&mut Cursor(bytes))?))
            };
            messages.extend(self.chain(call).filter_map(read));
        }
        messages.sort_unstable_by_key(|(start, _)| *start);
        messages.into_iter().map(|(_, message)| message)
    }

    /// For each Call-ID the hash of it, which is the same in every batch of one run, in the order of their first messages.
    pub(super) fn hashes(&self) -> impl Iterator<Item = u64> {
        self.calls.iter().map(|call| call.hash)
    }

    /// Adds the [strand](Strand) of the Call-ID at this place of [`Self::hashes`] to `bytes`.
    pub(super) fn write_strand(&self, call: usize, bytes: &mut Vec<u8>) {
        let Some(call) = self.calls.get(call) else { return };
        Strand::write_head((call.hash, call.methods), call.id(&self.wholes), call.length, bytes);
        for place in self.chain(call) {
            bytes.extend_from_slice(self.bytes.get(place.start..place.end).unwrap_or_default());
        }
    }

    /// Takes all messages away and keeps the room of a block.
    pub fn clear(&mut self) {
        /// What a batch seldom exceeds.
        const ROOM: usize = 4 << 20;
        let Self { bytes, wholes, messages, calls, table, draft: _ } = self;
        for bytes in [bytes, wholes] {
            bytes.clear();
            bytes.shrink_to(ROOM);
        }
        messages.clear();
        calls.clear();
        table.clear();
    }

    /// The messages of a call, in the order in which they were added.
    fn chain(&self, call: &Call) -> impl Iterator<Item = &Place> {
        std::iter::successors(self.messages.get(call.first as usize), |place| self.messages.get(place.next as usize))
    }
}

/// Of one run: who writes evidence does not know which Call-IDs would meet.
static SEED: LazyLock<foldhash::quality::RandomState> = LazyLock::new(Default::default);

/// The hash of a Call-ID.
pub(super) fn hash_of(call_id: &[u8]) -> u64 {
    SEED.hash_one(call_id)
}

/// A message that is being written into a batch: its values are written as they come, its head is filled in at the end.
#[derive(Debug)]
pub(super) struct Draft<'b> {
    bytes: &'b mut Vec<u8>,
    messages: &'b mut Vec<Place>,
    wholes: &'b mut Vec<u8>,
    scratch: &'b mut Scratch,
    /// Its Call-ID.
    own: &'b mut Call,
    /// Where it begins.
    start: usize,
    form: Form,
    described: bool,
}

impl Draft<'_> {
    /// Keeps a header field row, the next in wire order.
    #[inline]
    pub(super) fn row(&mut self, row: Row<'_>) {
        write_row(&row, &mut self.scratch.rows);
    }

    /// Says that the message carries a session description, if only an empty one.
    #[inline]
    pub(super) fn describe(&mut self) {
        if !std::mem::replace(&mut self.described, true) {
            self.scratch.media.begin();
        }
    }

    /// Keeps a media description, the next in order.
    #[inline]
    pub(super) fn media(&mut self, description: &MediaDescription<'_>) {
        self.describe();
        self.scratch.media.add(description);
    }

    /// Keeps the value of a field; `parts` gives its parts. A value that the call's last message had, too, is not kept
    /// again. Each field comes once, From before To.
    #[inline(always)]
    pub(super) fn said<'v>(&mut self, field: Said, value: &[u8], parts: impl FnOnce() -> Parts<'v>) {
        let is_last = |field: Said| self.own.said.of(field).whole.is(value, self.wholes);
        if is_last(field) {
            self.form.again(field);
        } else if field == Said::From && is_last(Said::To) {
            // Requests of the callee have From and To turned.
            let [from, to, ..] = &mut self.own.said.values;
            std::mem::swap(from, to);
            self.form.turn_ends();
            self.form.again(field);
        } else {
            let whole = Text::added(value, self.wholes);
            self.write_value(field, whole, parts());
        }
    }

    fn write_value(&mut self, field: Said, whole: Text, parts: Parts<'_>) {
        let last = &mut self.own.said;
        let alike = last.of(field.alike()).first;
        let at = self.form.write_said(field, parts, alike.is(parts.0, self.bytes), self.bytes);
        if let Some(last) = last.values.get_mut(field as usize) {
            *last = Value { whole, first: at.map_or(alike, |at| Text::at(at, parts.0.len())) };
        }
    }

    /// Adds the message with the rows and descriptions kept before; the view's own are not read.
    fn commit(mut self, message: &Signalling<'_>) {
        for (field, first, second) in [
            (Said::From, message.from_uri, message.from_tag),
            (Said::To, message.to_uri, message.to_tag),
            (Said::Contact, message.contact_uri, None),
            (Said::Via, message.via_host, message.branch),
        ] {
            // Parts alone are no value that another message's could be compared with.
            self.write_value(field, Text::NONE, (first, second));
        }
        self.commit_said(message);
    }

    /// Adds the message with the rows, descriptions and values kept before; of the view's own texts the Request-URI is
    /// read.
    #[inline(always)]
    pub(super) fn commit_said(mut self, message: &Signalling<'_>) {
        if let StartLine::Request { uri, .. } = message.start {
            self.said(Said::RequestUri, uri, || (uri, None));
        }
        let Self { bytes, messages, scratch, own, start, mut form, described, .. } = self;
        let last = &mut own.said;
        if !scratch.rows.is_empty() {
            write_block(Said::Rows, &scratch.rows, &mut form, &mut last.rows, bytes);
        }
        if described {
            write_block(Said::Media, scratch.media.bytes(), &mut form, &mut last.media, bytes);
        }
        let way = Way { source: message.locus.source, hop: message.hop };
        form.write_way(&way, last.way.as_ref(), bytes);
        last.way = Some(way);
        write_upper_halves(message, bytes);
        if let Some(place) = bytes.get_mut(start..).and_then(|own| own.first_chunk_mut()) {
            *place = head(message, form);
        }

        own.methods.add(message);
        own.length += bytes.len() - start;
        let place = messages.len() as u32;
        messages.push(Place { start, end: bytes.len(), next: u32::MAX });
        match messages.get_mut(own.last as usize) {
            Some(last) => last.next = place,
            None => own.first = place,
        }
        own.last = place;
    }
}

/// Writes a block of bytes behind its length, if the call's last one was another.
fn write_block(field: Said, value: &[u8], form: &mut Form, last: &mut Text, bytes: &mut Vec<u8>) {
    if last.is(value, bytes) {
        return form.again(field);
    }
    form.begin(field, bytes);
    text(bytes, value);
    *last = Text::at(bytes.len() - value.len(), value.len());
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::super::strand::Shelf;
    use super::*;
    use crate::evidence::{Locus, SourceId, Timestamp};
    use crate::facts::{CSeq, Hop, Method, Subject};

    fn message(call_id: &[u8]) -> Signalling<'_> {
        let start = StartLine::Response(200);
        let locus = Locus { source: SourceId(0), record: 1 };
        Signalling { call_id, ..Signalling::bare(Timestamp::new(1, 6), locus, Hop::NOWHERE, start) }
    }

    fn described(address: &[u8]) -> MediaDescription<'_> {
        let direction = crate::sdp::Direction::SendRecv;
        MediaDescription { media: b"audio", port: Some(4000), address, codecs: b"PCMU/8000", direction }
    }

    #[test]
    fn a_message_is_viewed_alike_whatever_the_one_before_said() {
        let hop = |port| Hop { source: ([192, 0, 2, 1], port).into(), destination: ([192, 0, 2, 2], 5060).into() };
        let texts: [&[u8]; 3] = [b"", b"sip:1@a", b"sip:2@b"];
        let tags: [Option<&[u8]>; 3] = [None, Some(b"a"), Some(b"b")];
        let mut batch = SignallingBatch::default();
        let mut pushed = Vec::new();
        for number in 0..60_usize {
            // Each field changes at other messages than the others, and stays in between.
            let pick = |every: usize| number / every % 3;
            let mut own = message(if number % 7 == 0 { b"x" } else { b"y" });
            own.at.ns = number as i64;
            own.hop = hop(pick(4) as u16);
            own.locus.record = [7, u32::MAX.into(), 1 << 32, u64::MAX][number % 4];
            own.cseq = [Some(0), Some(u16::MAX.into()), Some(1 << 16), Some(u32::MAX), None][number % 5]
                .map(|number| CSeq { number, method: Method::ALL[pick(1) * 7] });
            own.at.digits = (number % 10) as u8;
            (own.from_uri, own.from_tag) = (texts[pick(1)], tags[pick(2)]);
            (own.to_uri, own.to_tag) = (texts[pick(3)], tags[pick(5)]);
            own.contact_uri = texts[pick(6)];
            (own.via_host, own.branch) = (texts[pick(7)], tags[pick(1)]);
            if number % 2 == 0 {
                own.start = StartLine::Request { method: Method::Invite, uri: texts[pick(8)] };
            }
            batch.push(&own, [], None::<[MediaDescription<'_>; 0]>);
            pushed.push(own);
        }
        let shown = |message: &Signalling<'_>| {
            let said = (message.from_uri, message.from_tag, message.to_uri, message.to_tag, message.contact_uri);
            let place = (message.at, message.locus, message.cseq, message.hop);
            format!("{said:?} {place:?} {:?}", (message.via_host, message.branch, message.start, message.call_id))
        };
        for (viewed, own) in batch.messages().zip(&pushed) {
            assert_eq!(shown(&viewed), shown(own));
        }
        assert_eq!(batch.messages().count(), pushed.len());
    }

    #[test]
    fn no_row_of_many_is_lost() {
        let rows: Vec<Vec<u8>> = (0..70_000).map(|number: u32| number.to_string().into_bytes()).collect();
        let mut batch = SignallingBatch::default();
        let row = |value| Row { subject: Subject::Consent(0), name: b"X-Consent", value };
        for call_id in [b"a", b"b"] {
            batch.push(&message(call_id), rows.iter().map(|value| row(value)), None::<[MediaDescription<'_>; 0]>);
        }
        let (mut bytes, mut read) = (Vec::new(), 0);
        (0..2).for_each(|call| batch.write_strand(call, &mut bytes));
        for message in batch.messages().chain(Strand::all(&bytes).flat_map(Strand::messages)) {
            assert!(message.rows().map(|row| row.value.to_vec()).eq(rows.iter().cloned()));
            read += 1;
        }
        assert_eq!(read, 4);
    }

    #[test]
    fn an_empty_value_is_none_that_stood_in_text_that_was_taken_away() {
        fn row(value: &[u8]) -> Row<'_> {
            Row { subject: Subject::Consent(0), name: b"X-Consent", value }
        }
        let push = |batch: &mut SignallingBatch, call_id: &[u8], value: &[u8]| {
            batch.push(&message(call_id), [row(value)], Some([described(value)]));
        };
        for taken_away in ["cleared", "nothing"] {
            let mut batch = SignallingBatch::default();
            push(&mut batch, b"a", b"true");
            if taken_away == "cleared" {
                batch.clear();
            }
            push(&mut batch, b"b", b"");
            // Fills the places of what was taken away.
            push(&mut batch, b"c", b"truefalsetruefalsetruefalsetruefalsetruefalse");
            let empty = batch.messages().find(|message| message.call_id == b"b").expect("a message");
            assert!(empty.rows().all(|row| row.value.is_empty()), "{taken_away}");
            assert!(empty.media().expect("a description").all(|one| one.address.is_empty()), "{taken_away}");
        }
    }

    #[test]
    fn what_descriptions_repeat_is_kept_once() {
        let address = [b'a'; 255];
        let mut batch = SignallingBatch::default();
        for _ in 0..20 {
            batch.push(&message(b"1"), [], Some((0..200).map(|_| described(&address))));
        }
        assert!(batch.size() < 4_000, "{} bytes", batch.size());
        let mut messages = batch.messages();
        assert!(messages.all(|message| {
            message.media().is_some_and(|mut media| media.len() == 200 && media.all(|one| one.address == address))
        }));
    }

    #[test]
    fn every_message_keeps_its_own_way() {
        let end = |number: u32, port: u16| -> SocketAddr {
            match number % 4 {
                0 => ([10, 0, 0, number as u8], port).into(),
                1 => (std::net::Ipv6Addr::from_bits(u128::from(number)), port).into(),
                2 => (std::net::Ipv6Addr::from_bits(u128::from(number) << 64), port).into(),
                _ => std::net::SocketAddrV6::new(std::net::Ipv6Addr::LOCALHOST, port, number, number + 1).into(),
            }
        };
        let hop = |one: u32, other: u32| Hop { source: end(one, 5060), destination: end(other, (one % 7) as u16) };
        // Each hop, the other way, again, and on to the next.
        let ways: Vec<(u32, Hop)> = (0..400)
            .flat_map(|number| {
                let own = hop(number % 50, number / 50);
                let turned = Hop { source: own.destination, destination: own.source };
                [(1, own), (1, turned), (2, turned), (2, own), (2, own)]
            })
            .collect();
        let mut batch = SignallingBatch::default();
        for _ in 0..2 {
            batch.clear();
            for (source, hop) in &ways {
                let locus = Locus { source: SourceId(*source), record: u64::from(*source) << 40 };
                batch.push(&Signalling { hop: *hop, locus, ..message(b"a") }, [], None::<[MediaDescription<'_>; 0]>);
            }
            let read = batch.messages().map(|message| (message.locus.source.0, message.hop));
            assert!(read.eq(ways.iter().copied()));
        }
    }

    #[test]
    fn strands_have_all_messages_of_their_calls_in_order() {
        let mut batch = SignallingBatch::default();
        for number in 0..100_u16 {
            let call_id = [b'a' + (number % 7) as u8];
            let mut own = message(&call_id);
            own.start = StartLine::Response(100 + number);
            own.cseq = Some(CSeq { number: 1, method: if number % 7 == 3 { Method::Bye } else { Method::Other } });
            batch.push(&own, [], None::<[MediaDescription<'_>; 0]>);
        }
        let (mut bytes, mut expected) = (Vec::new(), batch.hashes().collect::<Vec<u64>>());
        for call in 0..expected.len() {
            batch.write_strand(call, &mut bytes);
        }
        let shelf = Shelf::of(Strand::all(&bytes));
        expected.sort_unstable();
        assert_eq!(Strand::all(&bytes).map(|strand| strand.bytes().len()).sum::<usize>(), bytes.len());
        let mut seen = Vec::new();
        for call in shelf.calls() {
            let first = u16::from(call.call_id()[0] - b'a');
            let statuses: Vec<StartLine<'_>> = call.messages().map(|message| message.start).collect();
            assert_eq!(statuses, (first..100).step_by(7).map(|own| StartLine::Response(100 + own)).collect::<Vec<_>>());
            assert_eq!(
                (call.has(Method::Bye), call.has(Method::Other), call.has(Method::Invite)),
                (first == 3, first != 3, false)
            );
            seen.push(hash_of(call.call_id()));
        }
        seen.sort_unstable();
        assert_eq!(seen, expected);
    }
}
