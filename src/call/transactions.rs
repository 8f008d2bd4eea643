//! The transactions and dialogs that the messages of one leg name (RFC 3261 §12, §17), each told by a number.
//!
//! Everything that reads a leg asks which messages are of one transaction, of one dialog, of one sender. Texts are
//! compared once here; from then on numbers are. Called by [`dialog`](super::dialog), which keeps the room for the next
//! leg.

use std::ops::Deref;

use hashbrown::HashMap;

use super::dialog::Seed;
use super::ledger::Outcome;
use crate::facts::{CSeq, Method, Signalling, StartLine};

/// What is looked for one after the other; more is looked for through a table.
pub(super) const SHORT: usize = 16;

/// A tag of a leg by its number. Equal tags have the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Tag(u32);

impl Tag {
    pub(super) const NONE: Self = Self(0);

    pub(super) fn is_none(self) -> bool {
        self == Self::NONE
    }

    /// Its place in a list of what is known of each tag, of those that are none, too.
    pub(super) fn place(self) -> usize {
        self.0 as usize
    }
}

/// A transaction as a message names it: the sender's tag, number and method, in all dialogs. An ACK shares its INVITE's
/// and still names itself otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Named(u32);

impl Named {
    fn new(all: u32, is_ack: bool) -> Self {
        Self(all << 1 | u32::from(is_ack))
    }

    /// The INVITE's where an ACK names it.
    pub(super) fn of_invite(self) -> Self {
        Self(self.0 & !1)
    }

    fn is_ack(self) -> bool {
        self.0 & 1 != 0
    }

    /// Its place among the transactions.
    fn all(self) -> usize {
        (self.0 >> 1) as usize
    }
}

/// What is noted of a message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Note {
    /// The sender's tag.
    pub(super) from: Tag,
    /// The tag of To.
    pub(super) to: Tag,
    /// Its transaction; `None` without a readable CSeq.
    pub(super) named: Option<Named>,
    /// The transaction within its own dialog, where it names one; forks may use the same number (RFC 3261 §12.2.1.1).
    own: u32,
}

/// What was seen of a transaction.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    /// Whether its request was captured.
    pub(super) request: bool,
    /// Whether that request carried a To tag.
    pub(super) in_dialog: bool,
    /// Whether a 2xx was.
    pub(super) accepted: bool,
    /// The place of the last final response of 300 or above.
    refused: u32,
}

impl Seen {
    const NOTHING: Self = Self { request: false, in_dialog: false, accepted: false, refused: u32::MAX };

    #[inline]
    fn add(&mut self, place: u32, message: &Signalling<'_>) {
        match message.start {
            // These show that there was one, and nothing of what became of it.
            StartLine::Request { method: Method::Ack, .. } | StartLine::Response(..=199) => {}
            StartLine::Request { .. } => {
                self.request = true;
                self.in_dialog |= message.to_tag.is_some();
            }
            StartLine::Response(200..=299) => self.accepted = true,
            StartLine::Response(_) => self.refused = place,
        }
    }

    pub(super) fn outcome(&self) -> Outcome {
        if self.accepted {
            Outcome::Accepted
        } else if self.refused != u32::MAX {
            Outcome::Refused
        } else {
            Outcome::Unknown
        }
    }

    /// The last final response of 300 or above, among the messages that were read.
    pub(super) fn refused<'m, 'a>(&self, messages: &'m [Signalling<'a>]) -> Option<(u16, &'m Signalling<'a>)> {
        let refused = messages.get(self.refused as usize)?;
        match refused.start {
            StartLine::Response(status) => Some((status, refused)),
            StartLine::Request { .. } => None,
        }
    }
}

/// What tells a transaction from others: of all dialogs the sender's tag, number and method; of one dialog the number of
/// the former and the To tag.
type Key = (u32, u32, Option<Method>);

/// The tags and transactions of a leg, with what is noted of each message.
#[derive(Default)]
pub(super) struct Transactions<'a> {
    pub(super) notes: Vec<Note>,
    pub(super) tags: Tags<'a>,
    keys: Vec<Key>,
    /// The places in the list, once it is longer than [`SHORT`].
    places: HashMap<Key, u32, Seed>,
    seen: Vec<Seen>,
    /// The messages whose transactions were seen.
    on_dialog: Vec<u32>,
}

impl<'a> Transactions<'a> {
    /// Notes what each of `messages` names.
    pub(super) fn read(&mut self, messages: &[Signalling<'a>]) {
        self.notes.clear();
        self.tags.clear();
        self.keys.clear();
        self.places.clear();
        // Most messages name what the one before named, or have From and To turned.
        let mut before = [(None, Tag::NONE), (None, Tag::NONE)];
        let (mut before_all, mut before_own) = (((0, 0, None), u32::MAX), ((Tag::NONE, 0), u32::MAX));
        for message in messages {
            let from = self.tags.number_behind(message.from_tag, before);
            let to = self.tags.number_behind(message.to_tag, before);
            before = [(message.from_tag, from), (message.to_tag, to)];
            let Some(CSeq { number, method }) = message.cseq else {
                self.notes.push(Note { from, to, named: None, own: u32::MAX });
                continue;
            };
            let is_ack = method == Method::Ack;
            let key = (from.0, number, Some(if is_ack { Method::Invite } else { method }));
            if before_all.0 != key {
                before_all = (key, self.place(key));
            }
            let all = before_all.1;
            let own = if to.is_none() {
                all
            } else {
                if before_own.0 != (to, all) {
                    before_own = ((to, all), self.place((all, to.0, None)));
                }
                before_own.1
            };
            self.notes.push(Note { from, to, named: Some(Named::new(all, is_ack)), own });
        }
    }

    fn place(&mut self, key: Key) -> u32 {
        let known = if self.keys.len() <= SHORT {
            // Messages of one transaction follow each other.
            self.keys.iter().rposition(|known| *known == key).map(|place| place as u32)
        } else {
            self.places.get(&key).copied()
        };
        if let Some(known) = known {
            return known;
        }
        let place = self.keys.len() as u32;
        self.keys.push(key);
        match self.keys.len() {
            0..=SHORT => {}
            long if long == SHORT + 1 => self.places.extend(self.keys.iter().copied().zip(0..)),
            _ => {
                self.places.insert(key, place);
            }
        }
        place
    }

    /// Looks at the messages that `is_on_dialog`, by place, for what became of their transactions.
    pub(super) fn follow<'t>(
        &'t mut self,
        messages: &'t [Signalling<'a>],
        is_on_dialog: impl Fn(usize) -> bool,
    ) -> (Dialog<'t, 'a>, &'t Tags<'a>) {
        self.seen.clear();
        self.seen.resize(self.keys.len(), Seen::NOTHING);
        self.on_dialog.clear();
        for (place, (message, note)) in messages.iter().zip(&self.notes).enumerate() {
            if is_on_dialog(place) {
                self.on_dialog.push(place as u32);
                note.add(place as u32, message, &mut self.seen);
            }
        }
        let Self { notes, keys, on_dialog, seen, tags, .. } = self;
        (Dialog { messages, notes, keys, on_dialog, seen }, tags)
    }
}

impl Note {
    fn add(&self, place: u32, message: &Signalling<'_>, seen: &mut [Seen]) {
        let Some(named) = self.named else { return };
        if let Some(all) = seen.get_mut(named.all()) {
            all.add(place, message);
        }
        if self.own as usize != named.all()
            && let Some(own) = seen.get_mut(self.own as usize)
        {
            own.add(place, message);
        }
    }
}

/// Whether two tags are kept at one place. Most of a call are kept once.
#[inline]
fn is_same(one: Option<&[u8]>, other: Option<&[u8]>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => std::ptr::eq(one, other),
        (None, None) => true,
        _ => false,
    }
}

/// The tags of a leg. A short list is searched, a long one through a table.
#[derive(Default)]
pub(super) struct Tags<'a> {
    texts: Vec<&'a [u8]>,
    numbers: HashMap<&'a [u8], u32, Seed>,
}

impl<'a> Tags<'a> {
    /// The number of a tag behind a message that named these.
    #[inline(always)]
    fn number_behind(&mut self, tag: Option<&'a [u8]>, [from, to]: [(Option<&'a [u8]>, Tag); 2]) -> Tag {
        if is_same(from.0, tag) {
            from.1
        } else if is_same(to.0, tag) {
            to.1
        } else {
            self.number(tag)
        }
    }

    fn number(&mut self, tag: Option<&'a [u8]>) -> Tag {
        let Some(tag) = tag else { return Tag::NONE };
        let known = if self.texts.len() <= SHORT {
            self.texts.iter().position(|known| *known == tag).map(|place| place as u32 + 1)
        } else {
            self.numbers.get(tag).copied()
        };
        if let Some(known) = known {
            return Tag(known);
        }
        self.texts.push(tag);
        let number = self.texts.len() as u32;
        match self.texts.len() {
            0..=SHORT => {}
            long if long == SHORT + 1 => self.numbers.extend(self.texts.iter().copied().zip(1..)),
            _ => {
                self.numbers.insert(tag, number);
            }
        }
        Tag(number)
    }

    /// How many numbers there are, with that of none.
    pub(super) fn len(&self) -> usize {
        self.texts.len() + 1
    }

    /// What stands for a tag; empty for none.
    pub(super) fn text(&self, tag: Tag) -> &'a [u8] {
        tag.place().checked_sub(1).and_then(|place| self.texts.get(place)).copied().unwrap_or_default()
    }

    fn clear(&mut self) {
        self.texts.clear();
        self.numbers.clear();
    }
}

/// The messages of a leg with what is noted of them, and which of them belong to the hop that counts.
#[derive(Clone, Copy)]
pub(super) struct Dialog<'m, 'a> {
    pub(super) messages: &'m [Signalling<'a>],
    notes: &'m [Note],
    keys: &'m [Key],
    on_dialog: &'m [u32],
    seen: &'m [Seen],
}

/// A message, what is noted of it, and its place among the messages of the leg.
#[derive(Clone, Copy)]
pub(super) struct Noted<'m, 'a> {
    pub(super) place: usize,
    pub(super) message: &'m Signalling<'a>,
    pub(super) note: &'m Note,
}

impl<'a> Deref for Noted<'_, 'a> {
    type Target = Signalling<'a>;

    fn deref(&self) -> &Signalling<'a> {
        self.message
    }
}

impl<'m, 'a> Dialog<'m, 'a> {
    /// The message of that place.
    #[inline]
    pub(super) fn at(self, place: usize) -> Option<Noted<'m, 'a>> {
        Some(Noted { place, message: self.messages.get(place)?, note: self.notes.get(place)? })
    }

    /// All messages of the leg.
    pub(super) fn everywhere(self) -> impl Iterator<Item = Noted<'m, 'a>> {
        let noted = self.messages.iter().zip(self.notes).enumerate();
        noted.map(|(place, (message, note))| Noted { place, message, note })
    }

    /// The messages on the hop that counts, by time.
    #[inline]
    pub(super) fn iter(self) -> impl DoubleEndedIterator<Item = Noted<'m, 'a>> + Clone + use<'m, 'a> {
        self.on_dialog.iter().filter_map(move |place| self.at(*place as usize))
    }

    pub(super) fn first(self) -> Option<Noted<'m, 'a>> {
        self.at(*self.on_dialog.first()? as usize)
    }

    pub(super) fn last(self) -> Option<Noted<'m, 'a>> {
        self.at(*self.on_dialog.last()? as usize)
    }

    /// The messages on the hop that counts that `is_before` holds for, which are the first ones.
    pub(super) fn before(
        self,
        is_before: impl Fn(&Signalling<'a>) -> bool,
    ) -> impl DoubleEndedIterator<Item = Noted<'m, 'a>> {
        let holds = |place: &u32| self.messages.get(*place as usize).is_some_and(&is_before);
        let begun = self.on_dialog.partition_point(holds);
        Self { on_dialog: self.on_dialog.get(..begun).unwrap_or_default(), ..self }.iter()
    }

    /// The sender's tag and the number of a transaction.
    pub(super) fn number(self, named: Named) -> (Tag, u32) {
        self.keys.get(named.all()).map_or((Tag::NONE, 0), |(from, number, _)| (Tag(*from), *number))
    }

    /// What was seen of a transaction, of all dialogs together. What an ACK names is its INVITE's alone.
    pub(super) fn seen(self, named: Option<Named>) -> Seen {
        let named = named.filter(|named| !named.is_ack());
        named.and_then(|named| self.seen.get(named.all())).copied().unwrap_or(Seen::NOTHING)
    }

    /// What was seen of the transaction that a message names, in its own dialog where it names one.
    #[inline]
    pub(super) fn seen_of(self, note: &Note) -> Seen {
        match note.named {
            Some(named) if !named.is_ack() => self.own(note),
            _ => Seen::NOTHING,
        }
    }

    /// The same, for an ACK that of its INVITE.
    #[inline]
    pub(super) fn own(self, note: &Note) -> Seen {
        self.seen.get(note.own as usize).copied().unwrap_or(Seen::NOTHING)
    }

    /// What was seen of all transactions on every hop.
    pub(super) fn seen_everywhere(self) -> Vec<Seen> {
        let mut seen = vec![Seen::NOTHING; self.seen.len()];
        for (place, (message, note)) in self.messages.iter().zip(self.notes).enumerate() {
            note.add(place as u32, message, &mut seen);
        }
        seen
    }

    /// The same dialog, with what was seen elsewhere.
    pub(super) fn with<'s>(self, seen: &'s [Seen]) -> Dialog<'s, 'a>
    where
        'm: 's,
    {
        Dialog { seen, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::{Locus, SourceId, Timestamp};
    use crate::facts::Hop;

    fn message(
        start: StartLine<'static>,
        from: &'static [u8],
        to: Option<&'static [u8]>,
        cseq: CSeq,
    ) -> Signalling<'static> {
        let socket = ([192, 0, 2, 1], 5060).into();
        let hop = Hop { source: socket, destination: socket };
        let locus = Locus { source: SourceId(0), record: 1 };
        let mut message = Signalling::bare(Timestamp::new(0, 6), locus, hop, start);
        (message.from_tag, message.to_tag, message.cseq) = (Some(from), to, Some(cseq));
        message
    }

    /// Texts that are equal and lie apart.
    fn tag(number: usize) -> &'static [u8] {
        number.to_string().into_bytes().leak()
    }

    #[test]
    fn numbers_tell_tags_and_transactions_apart_however_many_there_are() {
        let ring = StartLine::Response(180);
        for tags in [1, 2, SHORT - 1, SHORT, SHORT + 1, 3 * SHORT] {
            let mut transactions = Transactions::default();
            // What another leg left behind.
            transactions.read(&[message(ring, b"0", Some(b"other"), CSeq { number: 1, method: Method::Bye })]);
            let key = |place: usize| (place * 7 % tags, place * 5 % tags, (place / tags % 2) as u32);
            let messages: Vec<Signalling<'_>> = (0..4 * tags)
                .map(|place| {
                    let (from, to, number) = key(place);
                    message(ring, tag(from), Some(tag(to)), CSeq { number, method: Method::Invite })
                })
                .collect();
            transactions.read(&messages);
            let notes = &transactions.notes;
            assert_eq!(notes.len(), messages.len());
            for (one, own) in notes.iter().enumerate() {
                assert_eq!(transactions.tags.text(own.from), messages[one].from_tag.expect("a tag"));
                for (other, twin) in notes.iter().enumerate() {
                    let ((from, to, number), (other_from, other_to, other_number)) = (key(one), key(other));
                    assert_eq!(own.from == twin.from, from == other_from);
                    assert_eq!(own.to == twin.to, to == other_to);
                    assert_eq!(own.from == twin.to, from == other_to, "one tag has one number on either side");
                    let is_same = from == other_from && number == other_number;
                    assert_eq!(own.named == twin.named, is_same);
                    assert_eq!(own.own == twin.own, is_same && to == other_to);
                }
            }
        }
    }

    #[test]
    fn an_ack_is_of_its_invite_and_names_itself_otherwise() {
        let invite = CSeq { number: 1, method: Method::Invite };
        let request = |method| StartLine::Request { method, uri: b"sip:1@x" };
        let messages = [
            message(request(Method::Invite), b"a", None, invite),
            message(StartLine::Response(486), b"a", Some(b"b"), invite),
            message(request(Method::Ack), b"a", Some(b"b"), CSeq { method: Method::Ack, ..invite }),
            message(request(Method::Bye), b"a", Some(b"b"), CSeq { method: Method::Bye, ..invite }),
        ];
        let mut transactions = Transactions::default();
        transactions.read(&messages);
        let (dialog, _) = transactions.follow(&messages, |_| true);
        let note = |place: usize| dialog.at(place).expect("a message").note;
        assert_ne!(note(2).named, note(0).named);
        assert_eq!(note(2).named.map(Named::of_invite), note(0).named);
        assert_ne!(note(3).named.map(Named::of_invite), note(0).named);
        assert_eq!(dialog.seen(note(0).named).refused(&messages).map(|(status, _)| status), Some(486));
        assert!(dialog.seen(note(0).named).request && !dialog.seen(note(0).named).in_dialog);
        assert_eq!(dialog.seen(note(2).named).outcome(), Outcome::Unknown);
        assert_eq!(dialog.own(note(2)).outcome(), Outcome::Refused);
        assert_eq!(dialog.seen_of(note(2)).outcome(), Outcome::Unknown);
        assert!(!dialog.own(note(2)).request, "the INVITE names no dialog");
    }
}
