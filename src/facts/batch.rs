//! SIP messages by the thousand, call by call, in as little memory as may be.
//!
//! A decoder pushes each message once into a batch ([`Draft`]); the batches of a [`Store`](super::store::Store) take over
//! the calls that those of the blocks hold. Places within a batch have 32 bits: whoever pushes or
//! takes over begins another batch in time ([`SignallingBatch::is_full`]). Messages are read through the
//! borrowed view [`Signalling`]. No message owns memory of its own, and what the messages of a call repeat (its
//! Call-ID, parties, tags), or many calls (hosts, codecs, values of kept fields), is kept once.

use std::hash::BuildHasher;
use std::net::{IpAddr, SocketAddr};
use std::sync::LazyLock;

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use serde::{Deserialize, Serialize};

use super::pieces::{Mark, Pieces, as_bytes};
use super::signalling::{Body, CSeq, Hop, MediaDescription, Method, Row, Signalling, StartLine, Subject, Transport};
use crate::evidence::{Locus, SourceId, Timestamp};

/// The texts of a batch.
pub(super) type Texts = Pieces<u8, 18>;

/// Of a message that is in no batch.
pub(super) static NO_TEXT: Texts = Texts::new();

/// The SIP messages of one block of a capture, or of some calls of all evidence, by call.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct SignallingBatch {
    #[serde(with = "as_bytes")]
    text: Texts,
    rows: Pieces<RawRow, 14>,
    media: Pieces<RawMedia, 13>,
    /// What fields say whose values the messages of a call repeat.
    said: Pieces<RawSaid, 14>,
    /// Each with a hash of it.
    ways: Vec<(Way, u64)>,
    messages: Pieces<RawMessage, 13>,
    calls: Pieces<Call, 13>,
    #[serde(skip)]
    growth: Growth,
}

/// What a batch needs while it grows only.
#[derive(Debug, Default)]
struct Growth {
    /// The calls, by their hashes.
    calls: HashTable<u32>,
    /// The ways, by a hash of each.
    ways: HashTable<u32>,
    /// The ways that were asked for last, two at the place of each [glance](Way::glance); a batch that is cleared has
    /// none at their places.
    recent_ways: [[u32; 2]; RECENT],
    /// For each call what its last message said, where messages are drafted.
    last: Vec<Last>,
    /// Texts that many calls repeat, each at a place by its hash.
    repeated: Vec<Text>,
    /// Rows and descriptions of the draft.
    rows: Vec<RawRow>,
    media: Vec<RawMedia>,
    /// Those of the last draft that had any.
    rows_before: Vec<RawRow>,
    media_before: Vec<RawMedia>,
    /// The names of a description's formats.
    names: Vec<u8>,
}

/// Where the values of a batch whose calls are taken over lie in the batch that takes them over.
///
/// A value is of one call. So the places of all its calls stand in one list, whichever batches take them over.
#[derive(Debug, Default)]
pub(super) struct Taken {
    said: Vec<u32>,
    ways: Vec<u32>,
}

/// A field whose value the messages of a call repeat, and the two parts of it that are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// Its URI.
    Contact,
    /// Its URI and tag.
    From,
    /// The Request-URI.
    RequestUri,
    /// Its URI and tag.
    To,
    /// The top one's host and branch.
    Via,
}

/// How many of [`Said`] there are.
const FIELDS: usize = 5;

/// A place for each.
type Places = [u32; FIELDS];

/// What the last message of a call said.
#[derive(Clone, Copy, Debug)]
struct Last {
    /// The whole values, by [`Said`].
    values: [Text; FIELDS],
    /// Their places in [`SignallingBatch::said`].
    said: [u32; FIELDS],
}

impl Last {
    const NOTHING: Self = Self { values: [Text::NONE; FIELDS], said: [u32::MAX; FIELDS] };

    /// The field's whole value and its place, if it is this one.
    #[inline(always)]
    fn find(&self, what: Said, value: &[u8], text: &Texts) -> Option<(Text, u32)> {
        let (whole, said) = (*self.values.get(what as usize)?, *self.said.get(what as usize)?);
        let is_same = whole.len as usize == value.len() && whole != Text::NONE && whole.of(text) == value;
        is_same.then_some((whole, said))
    }
}

/// A range of a batch's text. Start `u32::MAX` stands for none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Text {
    start: u32,
    len: u32,
}

impl Text {
    const NONE: Self = Self { start: u32::MAX, len: 0 };

    #[inline]
    pub(super) fn of(self, text: &Texts) -> &[u8] {
        text.run(self.start, self.len as usize)
    }

    fn optional(self, text: &Texts) -> Option<&[u8]> {
        (self.start != u32::MAX).then(|| self.of(text))
    }
}

/// The two parts of a value.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct RawSaid {
    first: Text,
    second: Text,
}

impl RawSaid {
    const NOTHING: Self = Self { first: Text { start: 0, len: 0 }, second: Text::NONE };
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct RawRow {
    pub(super) subject: Subject,
    pub(super) name: Text,
    pub(super) value: Text,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct RawMedia {
    pub(super) media: Text,
    pub(super) address: Text,
    pub(super) codecs: Text,
    pub(super) port: Option<u16>,
    pub(super) direction: crate::sdp::Direction,
}

/// Where messages were captured and where they went. There are few, so what is the same in many messages is kept here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
struct Way {
    source: SourceId,
    /// The upper half of the records.
    record: u32,
    hop: Hop,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
enum RawStart {
    Request(Method),
    Response(u16),
}

/// One message: as small as may be, for there are millions.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct RawMessage {
    ns: i64,
    fingerprint: u64,
    /// By [`Said`]; `u32::MAX` for a field without a value.
    said: Places,
    call: u32,
    /// The next message of the call; `u32::MAX` for none.
    next: u32,
    way: u32,
    /// The lower half.
    record: u32,
    cseq: u32,
    /// Where its rows and descriptions lie, and how many there are.
    rows: u32,
    media: u32,
    rows_len: u32,
    media_len: u16,
    start: RawStart,
    cseq_method: Option<Method>,
    transport: Transport,
    body: Body,
    digits: u8,
    described: bool,
    header_whole: bool,
}

/// One Call-ID.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Call {
    hash: u64,
    id: Text,
    first: u32,
    last: u32,
}

impl Taken {
    /// Of a batch of which nothing was taken over yet.
    pub(super) fn of(block: &SignallingBatch) -> Self {
        Self { said: vec![u32::MAX; block.said.len()], ways: Vec::new() }
    }
}

impl SignallingBatch {
    /// Starts a message: rows and descriptions are added to the draft as they are read, the message itself at its end.
    /// A draft that is dropped leaves no trace.
    pub fn draft(&mut self) -> Draft<'_> {
        Draft {
            text: self.text.mark(),
            said: self.said.mark(),
            described: false,
            committed: false,
            values: Last::NOTHING,
            last: Last::NOTHING,
            known: None,
            batch: self,
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
        let mut draft = self.draft();
        for row in rows {
            draft.row(row);
        }
        if let Some(media) = media {
            draft.describe();
            for description in media {
                draft.media(description, [description.codecs]);
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
        self.messages.len() == 0
    }

    /// The memory that its messages take, in bytes.
    #[must_use]
    pub fn reckoned(&self) -> u64 {
        let own = self.text.len()
            + self.rows.len() * size_of::<RawRow>()
            + self.media.len() * size_of::<RawMedia>()
            + self.said.len() * size_of::<RawSaid>()
            + self.messages.len() * size_of::<RawMessage>()
            + self.calls.len() * size_of::<Call>();
        own as u64
    }

    /// The messages, as they were added.
    pub fn messages(&self) -> impl Iterator<Item = Signalling<'_>> {
        self.views(self.messages.iter())
    }

    /// How many Call-IDs the messages bear.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.calls.len()
    }

    /// The Call-ID of that place, and a hash of it that is the same in every batch of one run. They stand in the order of
    /// their first messages.
    #[must_use]
    pub fn call_id(&self, call: usize) -> Option<(&[u8], u64)> {
        let call = self.calls.get(u32::try_from(call).ok()?)?;
        Some((call.id.of(&self.text), call.hash))
    }

    /// For each of [`Self::calls`] the hash of its Call-ID.
    pub(super) fn hashes(&self) -> impl Iterator<Item = u64> {
        self.calls.iter().map(|call| call.hash)
    }

    /// The messages of the Call-ID of that place, as they were added.
    pub fn of_call(&self, call: usize) -> impl Iterator<Item = Signalling<'_>> {
        let call = u32::try_from(call).ok().and_then(|call| self.calls.get(call));
        self.views(self.chain(call.map_or(u32::MAX, |call| call.first)))
    }

    /// The messages of one method, requests and responses, without a look at the others' texts.
    pub fn of_method(&self, method: Method) -> impl Iterator<Item = Signalling<'_>> {
        let is_of = move |raw: &&RawMessage| match raw.start {
            RawStart::Request(own) => own == method,
            RawStart::Response(_) => raw.cseq_method == Some(method),
        };
        self.views(self.messages.iter().filter(is_of))
    }

    /// Where each message was captured, and where it went.
    pub fn hops(&self) -> impl Iterator<Item = (Locus, Hop)> {
        self.messages.iter().filter_map(|raw| {
            let (way, _) = self.ways.get(raw.way as usize)?;
            Some((way.locus(raw), way.hop))
        })
    }

    /// Adds the calls of `block` at these places to the last of `batches`, or to a new one where that is full. `taken` is
    /// one for all that takes calls of `block` over.
    pub(super) fn take_over(
        batches: &mut Vec<Self>,
        block: &Self,
        calls: impl IntoIterator<Item = u32>,
        taken: &mut Taken,
    ) {
        if batches.last().is_none_or(|last| last.is_full() || !last.has_room(block)) {
            batches.iter_mut().for_each(Self::settle);
            batches.push(Self::default());
        }
        let Some(last) = batches.last_mut() else { return };
        taken.ways.clear();
        taken.ways.resize(block.ways.len(), u32::MAX);
        for call in calls {
            last.take_call(block, call, taken);
        }
    }

    /// Gives back what only a growing batch needs.
    pub fn settle(&mut self) {
        self.growth = Growth::default();
        self.text.shrink();
        self.rows.shrink();
        self.media.shrink();
        self.said.shrink();
        self.messages.shrink();
        self.calls.shrink();
        self.ways.shrink_to_fit();
    }

    /// Takes all messages away and keeps the room of a block.
    pub fn clear(&mut self) {
        self.text.clear();
        self.rows.clear();
        self.media.clear();
        self.said.clear();
        self.ways.clear();
        self.messages.clear();
        self.calls.clear();
        self.growth.calls.clear();
        self.growth.ways.clear();
        self.growth.last.clear();
    }

    /// Whether no more messages should be pushed: places are running out.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.text.is_half_full()
            || self.rows.is_half_full()
            || self.media.is_half_full()
            || self.said.is_half_full()
            || self.messages.is_half_full()
            || self.calls.is_half_full()
    }

    fn has_room(&self, block: &Self) -> bool {
        self.text.has_room(block.text.len())
            && self.rows.has_room(block.rows.len())
            && self.media.has_room(block.media.len())
            && self.said.has_room(block.said.len())
            && self.messages.has_room(block.messages.len())
            && self.calls.has_room(block.calls.len())
    }

    /// Adds the messages of one call of `block`.
    fn take_call(&mut self, block: &Self, call: u32, taken: &mut Taken) {
        let Some(theirs) = block.calls.get(call) else { return };
        let call = self.call(theirs.hash, theirs.id.of(&block.text));
        let last = self.calls.get(call).and_then(|call| self.messages.get(call.last));
        let mut before = last.map_or([u32::MAX; FIELDS], |last| last.said);
        for raw in block.chain(theirs.first) {
            let mut own = *raw;
            for (what, said) in own.said.iter_mut().enumerate().filter(|(_, said)| **said != u32::MAX) {
                let known = taken.said.get(*said as usize).copied().unwrap_or(u32::MAX);
                if known == u32::MAX {
                    let kept = self.say(what, *said, &before, block);
                    if let Some(known) = taken.said.get_mut(*said as usize) {
                        *known = kept;
                    }
                    *said = kept;
                } else {
                    *said = known;
                }
            }
            before = own.said;
            if let Some(way) = taken.ways.get_mut(raw.way as usize) {
                if *way == u32::MAX {
                    *way = block.ways.get(raw.way as usize).map_or(u32::MAX, |(way, hash)| self.way(*way, || *hash));
                }
                own.way = *way;
            }
            self.growth.rows.clear();
            for row in block.rows.run(raw.rows, raw.rows_len as usize) {
                let name = self.keep_repeated(row.name.of(&block.text));
                let value = self.keep_repeated(row.value.of(&block.text));
                self.growth.rows.push(RawRow { name, value, ..*row });
            }
            self.growth.media.clear();
            for described in block.media.run(raw.media, usize::from(raw.media_len)) {
                let media = self.keep_repeated(described.media.of(&block.text));
                let address = self.keep_repeated(described.address.of(&block.text));
                let codecs = self.keep_repeated(described.codecs.of(&block.text));
                self.growth.media.push(RawMedia { media, address, codecs, ..*described });
            }
            self.file(call, own);
        }
    }

    /// The place of what `block` keeps as `theirs` of the field `what`; `before` is what the call's last message said.
    fn say(&mut self, what: usize, theirs: u32, before: &[u32; FIELDS], block: &Self) -> u32 {
        let Some(said) = block.said.get(theirs) else { return u32::MAX };
        let (first, second) = (said.first.of(&block.text), said.second.optional(&block.text));
        // Requests of the callee have From and To turned.
        let turned = if what == Said::From as usize {
            Said::To
        } else if what == Said::To as usize {
            Said::From
        } else if what == Said::RequestUri as usize {
            Said::Contact
        } else {
            Said::Via
        };
        let [alike, turned] = [what, turned as usize].map(|place| before.get(place).copied().unwrap_or(u32::MAX));
        let is_same = |known: u32| {
            let known = self.said.get(known)?;
            Some(known.first.of(&self.text) == first && known.second.optional(&self.text) == second)
        };
        if is_same(alike) == Some(true) {
            alike
        } else if is_same(turned) == Some(true) {
            turned
        } else {
            let [alike, turned] =
                [alike, turned].map(|known| self.said.get(known).copied().unwrap_or(RawSaid::NOTHING));
            let is_part = |known: Text, part: &[u8]| known.of(&self.text) == part;
            let known_first = if is_part(alike.first, first) {
                Some(alike.first)
            } else {
                Some(turned.first).filter(|known| is_part(*known, first))
            };
            let known_second = second.and_then(|second| {
                let known = [alike.second, turned.second].into_iter();
                known.filter(|known| *known != Text::NONE).find(|known| is_part(*known, second))
            });
            let is_of_one_call = what == Said::From as usize || what == Said::To as usize;
            let first = known_first
                .unwrap_or_else(|| if is_of_one_call { self.keep(first) } else { self.keep_repeated(first) });
            let second = second.map_or(Text::NONE, |second| known_second.unwrap_or_else(|| self.keep(second)));
            self.said.push(RawSaid { first, second })
        }
    }

    /// The place of a Call-ID, which is added where it is new.
    fn call(&mut self, hash: u64, call_id: &[u8]) -> u32 {
        let Self { calls, growth, text, .. } = self;
        let is_same =
            |known: &u32| calls.get(*known).is_some_and(|known| known.hash == hash && known.id.of(text) == call_id);
        let hash_of = |known: &u32| calls.get(*known).map_or(0, |known| known.hash);
        match growth.calls.entry(hash, is_same, hash_of) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(vacant) => {
                let id = keep(text, call_id);
                let place = calls.len() as u32;
                vacant.insert(place);
                calls.push(Call { hash, id, first: u32::MAX, last: u32::MAX })
            }
        }
    }

    /// Adds a message, with the rows and descriptions that lie ready, behind the others of its call.
    fn file(&mut self, call: u32, mut raw: RawMessage) {
        let Growth { rows, media, .. } = &self.growth;
        (raw.rows, raw.rows_len) = (self.rows.extend(rows), rows.len() as u32);
        // A description is read up to a number of sections that is far below.
        (raw.media, raw.media_len) = (self.media.extend(media), media.len() as u16);
        raw.call = call;
        raw.next = u32::MAX;
        let place = self.messages.push(raw);
        let Some(call) = self.calls.get_mut(call) else { return };
        if call.first == u32::MAX {
            call.first = place;
        } else if let Some(last) = self.messages.get_mut(call.last) {
            last.next = place;
        }
        call.last = place;
    }

    /// The place of a way. Its hash is asked for where it is none of the last ones.
    fn way(&mut self, way: Way, hash: impl FnOnce() -> u64) -> u32 {
        let Self { ways, growth, .. } = self;
        let is_same = |known: &u32| ways.get(*known as usize).is_some_and(|(known, _)| *known == way);
        let glance = way.glance();
        for known in growth.recent_ways.get(glance).into_iter().flatten() {
            if is_same(known) {
                return *known;
            }
        }
        let hash = hash();
        let hash_of = |known: &u32| ways.get(*known as usize).map_or(0, |(_, hash)| *hash);
        let place = match growth.ways.entry(hash, is_same, hash_of) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(vacant) => {
                let place = ways.len() as u32;
                vacant.insert(place);
                ways.push((way, hash));
                place
            }
        };
        if let Some(recent) = growth.recent_ways.get_mut(glance) {
            *recent = [place, recent[0]];
        }
        place
    }

    /// The message of that place and those of its call behind it.
    fn chain(&self, first: u32) -> impl Iterator<Item = &RawMessage> {
        std::iter::successors(self.messages.get(first), |raw| self.messages.get(raw.next))
    }

    /// The views of messages, of which most say again much of what the one before said.
    fn views<'a>(&'a self, messages: impl Iterator<Item = &'a RawMessage>) -> impl Iterator<Item = Signalling<'a>> {
        let mut before = Before::NOTHING;
        messages.map(move |raw| self.view(raw, &mut before))
    }

    #[inline]
    fn view<'a>(&'a self, raw: &'a RawMessage, before: &mut Before<'a>) -> Signalling<'a> {
        let text = &self.text;
        let mut said = |what: Said| {
            let (what, own) = (what as usize, raw.said[what as usize]);
            if own != before.said[what] {
                let said = self.said.get(own).copied().unwrap_or(RawSaid::NOTHING);
                before.said[what] = own;
                before.values[what] = (said.first.of(text), said.second.optional(text));
            }
            before.values[what]
        };
        let ((contact_uri, _), (from_uri, from_tag)) = (said(Said::Contact), said(Said::From));
        let ((to_uri, to_tag), (via_host, branch)) = (said(Said::To), said(Said::Via));
        let start = match raw.start {
            RawStart::Request(method) => StartLine::Request { method, uri: said(Said::RequestUri).0 },
            RawStart::Response(status) => StartLine::Response(status),
        };
        if raw.way != before.way_at {
            // Every message has its way in the table.
            let way = self.ways.get(raw.way as usize).map_or(Way::NOWHERE, |(way, _)| *way);
            (before.way_at, before.way) = (raw.way, way);
        }
        if raw.call != before.call {
            (before.call, before.call_id) =
                (raw.call, self.calls.get(raw.call).map_or(&[][..], |call| call.id.of(text)));
        }
        Signalling {
            at: Timestamp { ns: raw.ns, digits: raw.digits },
            locus: before.way.locus(raw),
            hop: before.way.hop,
            transport: raw.transport,
            start,
            header_whole: raw.header_whole,
            body: raw.body,
            call_id: before.call_id,
            cseq: raw.cseq_method.map(|method| CSeq { number: raw.cseq, method }),
            from_tag,
            to_tag,
            from_uri,
            to_uri,
            contact_uri,
            via_host,
            branch,
            fingerprint: raw.fingerprint,
            rows: self.rows.run(raw.rows, raw.rows_len as usize),
            media: raw.described.then(|| self.media.run(raw.media, usize::from(raw.media_len))),
            text,
        }
    }

    fn keep(&mut self, bytes: &[u8]) -> Text {
        keep(&mut self.text, bytes)
    }

    /// Keeps what many calls may say alike.
    fn keep_repeated(&mut self, bytes: &[u8]) -> Text {
        if bytes.is_empty() {
            return Text { start: 0, len: 0 };
        }
        let Self { text, growth, .. } = self;
        if growth.repeated.is_empty() {
            growth.repeated.resize(REPEATED, Text::NONE);
        }
        let place = SEED.hash_one(bytes) as usize % REPEATED;
        let Some(known) = growth.repeated.get_mut(place) else { return keep(text, bytes) };
        if known.len as usize != bytes.len() || known.of(text) != bytes {
            *known = keep(text, bytes);
        }
        *known
    }

    /// Keeps `bytes`, but for what stands in the text already as `known`.
    fn keep_again(&mut self, bytes: &[u8], known: Option<Text>) -> Text {
        match known {
            // What is known may be a place in text that was taken away: nothing is read there, now.
            Some(known) if known.len as usize == bytes.len() && known.of(&self.text) == bytes => known,
            _ => self.keep(bytes),
        }
    }
}

// What stands in one header lies in one piece, so that parts of a value are found in it.
const _: () = assert!(crate::sip::MAX_HEADER_BYTES <= 1 << 18);

/// Places for texts that many calls repeat. What is met at the place of another is kept again; that costs memory only.
const REPEATED: usize = 256;

/// Places for ways that were asked for last: there are few trunks, and messages go both ways.
const RECENT: usize = 32;

/// Of one run: who writes evidence does not know which Call-IDs would meet.
static SEED: LazyLock<foldhash::quality::RandomState> = LazyLock::new(Default::default);

fn keep(text: &mut Texts, bytes: &[u8]) -> Text {
    if bytes.is_empty() {
        return Text { start: 0, len: 0 };
    }
    Text { start: text.extend(bytes), len: bytes.len() as u32 }
}

/// What the message that was viewed before said, and where that lies.
struct Before<'a> {
    said: [u32; FIELDS],
    values: [(&'a [u8], Option<&'a [u8]>); FIELDS],
    way_at: u32,
    way: Way,
    call: u32,
    call_id: &'a [u8],
}

impl Before<'_> {
    const NOTHING: Self = Self {
        said: [u32::MAX; FIELDS],
        values: [(&[], None); FIELDS],
        way_at: u32::MAX,
        way: Way::NOWHERE,
        call: u32::MAX,
        call_id: &[],
    };
}

impl Way {
    const NOWHERE: Self = Self { source: SourceId(0), record: 0, hop: Hop::NOWHERE };

    /// A place below [`RECENT`] that ways seldom share. Those that do are looked up again; that costs time only.
    #[inline(always)]
    fn glance(&self) -> usize {
        let end = |end: &SocketAddr| {
            let address = match end.ip() {
                IpAddr::V4(address) => u64::from(address.to_bits()),
                IpAddr::V6(address) => address.to_bits() as u64,
            };
            address << 16 ^ u64::from(end.port())
        };
        let both = end(&self.hop.source) ^ end(&self.hop.destination).rotate_left(23);
        (both.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (u64::BITS - RECENT.ilog2())) as usize
    }

    fn locus(&self, raw: &RawMessage) -> Locus {
        Locus { source: self.source, record: u64::from(self.record) << 32 | u64::from(raw.record) }
    }
}

/// A message that is being read into a batch.
#[derive(Debug)]
pub struct Draft<'b> {
    batch: &'b mut SignallingBatch,
    // What the batch held before.
    text: Mark,
    said: Mark,
    described: bool,
    committed: bool,
    /// What was said so far.
    values: Last,
    /// What the last message of the call said, once that is known.
    last: Last,
    /// The hash of its Call-ID once that is known, and its place if the batch has it.
    known: Option<(u64, Option<u32>)>,
}

impl Draft<'_> {
    /// Keeps a header field row, the next in wire order.
    pub fn row(&mut self, row: Row<'_>) {
        let Growth { rows, rows_before, .. } = &self.batch.growth;
        let mut near = rows.iter().rev().take(4).chain(rows_before.iter().take(4));
        let alike = near.find(|known| known.subject == row.subject);
        let known = alike.map(|known| (known.name, known.value));
        let name = self.batch.keep_again(row.name, known.map(|(name, _)| name));
        let value = self.batch.keep_again(row.value, known.map(|(_, value)| value));
        self.batch.growth.rows.push(RawRow { subject: row.subject, name, value });
    }

    /// Says that the message carries a session description, if only an empty one.
    pub fn describe(&mut self) {
        self.described = true;
    }

    /// Keeps a media description, the next in order. The names in `codecs` stand for [`MediaDescription::codecs`],
    /// which is not read.
    pub fn media<'t>(&mut self, description: MediaDescription<'_>, codecs: impl IntoIterator<Item = &'t [u8]>) {
        self.described = true;
        let Growth { media, media_before, .. } = &self.batch.growth;
        let known = media_before.get(media.len()).or(media.last()).copied();
        let media = self.batch.keep_again(description.media, known.map(|known| known.media));
        let address = self.batch.keep_again(description.address, known.map(|known| known.address));
        let names = &mut self.batch.growth.names;
        names.clear();
        for name in codecs {
            if !names.is_empty() {
                names.push(b' ');
            }
            names.extend_from_slice(name);
        }
        let names = std::mem::take(names);
        let codecs = self.batch.keep_again(&names, known.map(|known| known.codecs));
        self.batch.growth.names = names;
        let kept = RawMedia { media, address, codecs, port: description.port, direction: description.direction };
        self.batch.growth.media.push(kept);
    }

    /// Says which call the message is of, before [`Self::said`].
    pub(super) fn of_call(&mut self, call_id: &[u8]) {
        let hash = SEED.hash_one(call_id);
        let SignallingBatch { calls, growth, text, .. } = &*self.batch;
        let is_same =
            |known: &u32| calls.get(*known).is_some_and(|known| known.hash == hash && known.id.of(text) == call_id);
        let call = growth.calls.find(hash, is_same).copied();
        if let Some(last) = call.and_then(|call| growth.last.get(call as usize)) {
            self.last = *last;
        }
        self.known = Some((hash, call));
    }

    /// Keeps the value of a field; `read` gives its parts, slices of it. A value that the call's last message had too
    /// is neither read nor kept again.
    pub(super) fn said<'v>(&mut self, what: Said, value: &'v [u8], read: impl FnOnce(&'v [u8]) -> Parts<'v>) {
        let batch = &mut *self.batch;
        let known = self.last.find(what, value, &batch.text).or_else(|| {
            // Requests of the callee have From and To turned.
            let turned = match what {
                Said::From => Said::To,
                Said::To => Said::From,
                Said::Contact | Said::RequestUri | Said::Via => return None,
            };
            self.last.find(turned, value, &batch.text)
        });
        let (whole, said) = known.unwrap_or_else(|| {
            let (first, second) = read(value);
            let whole = batch.keep(value);
            let mut part = |part: &[u8]| within(value, whole, part).unwrap_or_else(|| batch.keep(part));
            let (first, second) = (part(first), second.map_or(Text::NONE, part));
            (whole, batch.said.push(RawSaid { first, second }))
        });
        self.set(what, whole, said);
    }

    fn set(&mut self, what: Said, value: Text, said: u32) {
        let places = self.values.values.get_mut(what as usize).zip(self.values.said.get_mut(what as usize));
        if let Some((whole, place)) = places {
            (*whole, *place) = (value, said);
        }
    }

    /// Adds the message with the rows and descriptions kept before; the view's own are not read.
    pub fn commit(mut self, message: &Signalling<'_>) {
        self.of_call(message.call_id);
        let parts = [
            (Said::Contact, message.contact_uri, None),
            (Said::From, message.from_uri, message.from_tag),
            (Said::To, message.to_uri, message.to_tag),
            (Said::Via, message.via_host, message.branch),
        ];
        for (what, first, second) in parts {
            let batch = &mut *self.batch;
            let first = batch.keep(first);
            let second = second.map_or(Text::NONE, |second| batch.keep(second));
            let place = batch.said.push(RawSaid { first, second });
            // Parts alone are no value that another message could be compared with.
            self.set(what, Text::NONE, place);
        }
        self.commit_said(message);
    }

    /// Adds the message with the rows, descriptions and values kept before; of the view's own texts the Call-ID and the
    /// Request-URI are read.
    pub(super) fn commit_said(mut self, message: &Signalling<'_>) {
        if self.known.is_none() {
            self.of_call(message.call_id);
        }
        let start = match message.start {
            StartLine::Request { method, uri } => {
                self.said(Said::RequestUri, uri, |uri| (uri, None));
                RawStart::Request(method)
            }
            StartLine::Response(status) => RawStart::Response(status),
        };
        let batch = &mut *self.batch;
        let call = match self.known {
            Some((_, Some(call))) => call,
            Some((hash, None)) => batch.call(hash, message.call_id),
            // Unreachable: it was looked for above.
            None => return,
        };
        if batch.growth.last.len() <= call as usize {
            batch.growth.last.resize(call as usize + 1, Last::NOTHING);
        }
        if let Some(last) = batch.growth.last.get_mut(call as usize) {
            *last = self.values;
        }
        let Locus { source, record } = message.locus;
        let way = Way { source, record: (record >> 32) as u32, hop: message.hop };
        let way = batch.way(way, || SEED.hash_one(way));
        let raw = RawMessage {
            ns: message.at.ns,
            fingerprint: message.fingerprint,
            said: self.values.said,
            call,
            next: u32::MAX,
            way,
            record: record as u32,
            cseq: message.cseq.map_or(0, |cseq| cseq.number),
            rows: 0,
            media: 0,
            rows_len: 0,
            media_len: 0,
            start,
            cseq_method: message.cseq.map(|cseq| cseq.method),
            transport: message.transport,
            body: message.body,
            digits: message.at.digits,
            described: self.described,
            header_whole: message.header_whole,
        };
        batch.file(call, raw);
        self.committed = true;
    }
}

impl Drop for Draft<'_> {
    fn drop(&mut self) {
        let Growth { rows, media, rows_before, media_before, .. } = &mut self.batch.growth;
        // What their texts were is compared before it is relied on, so it does not matter what becomes of them.
        if !rows.is_empty() {
            std::mem::swap(rows, rows_before);
            rows.clear();
        }
        if !media.is_empty() {
            std::mem::swap(media, media_before);
            media.clear();
        }
        if !self.committed {
            self.batch.text.roll_back(self.text);
            self.batch.said.roll_back(self.said);
        }
    }
}

/// The two parts of a value that are asked for.
pub(super) type Parts<'v> = (&'v [u8], Option<&'v [u8]>);

/// Where `part` stands in the text, if it is a slice of `value`, which stands there as `whole`.
fn within(value: &[u8], whole: Text, part: &[u8]) -> Option<Text> {
    let start = part.as_ptr().addr().checked_sub(value.as_ptr().addr())?;
    let len = part.len();
    (start + len <= value.len()).then(|| Text { start: whole.start + start as u32, len: len as u32 })
}

#[cfg(test)]
impl SignallingBatch {
    /// All calls taken over.
    pub(super) fn taken_over_into(&self, batches: &mut Vec<Self>) {
        Self::take_over(batches, self, 0..self.calls() as u32, &mut Taken::of(self));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            format!("{said:?} {:?}", (message.via_host, message.branch, message.start, message.hop, message.call_id))
        };
        for (viewed, own) in batch.messages().zip(&pushed) {
            assert_eq!(shown(&viewed), shown(own));
        }
        for call in 0..batch.calls() {
            for viewed in batch.of_call(call) {
                assert_eq!(shown(&viewed), shown(&pushed[viewed.at.ns as usize]));
            }
        }
        assert_eq!((0..batch.calls()).map(|call| batch.of_call(call).count()).sum::<usize>(), pushed.len());
    }

    #[test]
    fn no_row_of_many_is_lost() {
        let rows: Vec<Vec<u8>> = (0..70_000).map(|number: u32| number.to_string().into_bytes()).collect();
        let mut block = SignallingBatch::default();
        let row = |value| Row { subject: Subject::Consent(0), name: b"X-Consent", value };
        block.push(&message(b"a"), rows.iter().map(|value| row(value)), None::<[MediaDescription<'_>; 0]>);
        let mut batches = Vec::new();
        block.taken_over_into(&mut batches);
        for batch in batches.iter().chain([&block]) {
            let message = batch.messages().next().expect("a message");
            assert!(message.rows().map(|row| row.value.to_vec()).eq(rows.iter().cloned()));
        }
    }

    #[test]
    fn an_empty_value_is_none_that_stood_in_text_that_was_taken_away() {
        fn row(value: &[u8]) -> Row<'_> {
            Row { subject: Subject::Consent(0), name: b"X-Consent", value }
        }
        let push = |batch: &mut SignallingBatch, call_id: &[u8], value: &[u8]| {
            batch.push(&message(call_id), [row(value)], Some([described(value)]));
        };
        for taken_away in ["cleared", "dropped", "nothing"] {
            let mut batch = SignallingBatch::default();
            push(&mut batch, b"a", b"true");
            match taken_away {
                "cleared" => batch.clear(),
                "dropped" => {
                    let mut draft = batch.draft();
                    draft.row(row(b"false"));
                    draft.media(described(b"false"), [b"codec".as_slice()]);
                }
                _ => {}
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
        let address = vec![b'a'; 100_000];
        let mut block = SignallingBatch::default();
        for call in 0..20_u8 {
            block.push(&message(&[call]), [], Some((0..200).map(|_| described(&address))));
        }
        let mut batches = Vec::new();
        block.taken_over_into(&mut batches);
        let [kept] = batches.as_slice() else { panic!("one batch") };
        assert!(block.reckoned() < 5 << 20, "{} bytes", block.reckoned());
        assert!(kept.reckoned() < 2 << 20, "{} bytes", kept.reckoned());
        assert!(kept.messages().all(|message| {
            message.media().is_some_and(|mut media| media.len() == 200 && media.all(|one| one.address == address))
        }));
    }

    #[test]
    fn every_message_keeps_its_own_way() {
        let end = |number: u32, port: u16| -> SocketAddr {
            match number % 3 {
                0 => ([10, 0, 0, number as u8], port).into(),
                1 => (std::net::Ipv6Addr::from_bits(u128::from(number)), port).into(),
                _ => (std::net::Ipv6Addr::from_bits(u128::from(number) << 64), port).into(),
            }
        };
        let hops: Vec<Hop> = (0..400)
            .map(|number| Hop { source: end(number % 50, 5060), destination: end(number / 50, (number % 7) as u16) })
            .collect();
        let mut batch = SignallingBatch::default();
        for _ in 0..2 {
            batch.clear();
            for hop in hops.iter().chain(&hops) {
                batch.push(&Signalling { hop: *hop, ..message(b"a") }, [], None::<[MediaDescription<'_>; 0]>);
            }
            assert!(batch.hops().map(|(_, hop)| hop).eq(hops.iter().chain(&hops).copied()));
            assert_eq!(batch.ways.len(), hops.len());
        }
    }

    #[test]
    fn a_full_batch_is_followed_by_another() {
        let none = None::<[MediaDescription<'_>; 0]>;
        let mut batches = Vec::new();
        let [mut one, mut other] = [SignallingBatch::default(), SignallingBatch::default()];
        one.push(&message(b"a"), [], none);
        other.push(&message(b"b"), [], none);
        one.taken_over_into(&mut batches);
        assert_eq!((batches[0].is_full(), batches.len()), (false, 1));
        // Of 16,384 pieces of text more than half.
        batches[0].text.widen(8_193);
        assert!(batches[0].is_full());
        other.taken_over_into(&mut batches);
        other.taken_over_into(&mut batches);
        assert_eq!(batches.iter().map(SignallingBatch::len).collect::<Vec<_>>(), [1, 2]);
        assert!(batches[1].messages().all(|message| message.call_id == b"b"));
    }
}
