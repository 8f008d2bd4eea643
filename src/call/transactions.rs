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
pub(super) struct Named {
    all: u32,
    is_ack: bool,
}

impl Named {
    /// The INVITE's where an ACK names it.
    pub(super) fn of_invite(self) -> Self {
        Self { is_ack: false, ..self }
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
        for message in messages {
            let (from, to) = (self.tags.number(message.from_tag), self.tags.number(message.to_tag));
            let Some(CSeq { number, method }) = message.cseq else {
                self.notes.push(Note { from, to, named: None, own: u32::MAX });
                continue;
            };
            let is_ack = method == Method::Ack;
            let all = self.place((from.0, number, Some(if is_ack { Method::Invite } else { method })));
            let own = if to.is_none() { all } else { self.place((all, to.0, None)) };
            self.notes.push(Note { from, to, named: Some(Named { all, is_ack }), own });
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
        if let Some(all) = seen.get_mut(named.all as usize) {
            all.add(place, message);
        }
        if self.own != named.all
            && let Some(own) = seen.get_mut(self.own as usize)
        {
            own.add(place, message);
        }
    }
}

/// The tags of a leg. A short list is searched, a long one through a table.
#[derive(Default)]
pub(super) struct Tags<'a> {
    texts: Vec<&'a [u8]>,
    numbers: HashMap<&'a [u8], u32, Seed>,
}

impl<'a> Tags<'a> {
    #[inline]
    fn number(&mut self, tag: Option<&'a [u8]>) -> Tag {
        let Some(tag) = tag else { return Tag::NONE };
        // Most are kept once for a call, so that their place tells.
        let by_place = self.texts.iter().take(SHORT).position(|known| std::ptr::eq(*known, tag));
        by_place.map_or_else(|| self.compared(tag), |place| Tag(place as u32 + 1))
    }

    fn compared(&mut self, tag: &'a [u8]) -> Tag {
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
        self.keys.get(named.all as usize).map_or((Tag::NONE, 0), |(from, number, _)| (Tag(*from), *number))
    }

    /// What was seen of a transaction, of all dialogs together. What an ACK names is its INVITE's alone.
    pub(super) fn seen(self, named: Option<Named>) -> Seen {
        let named = named.filter(|named| !named.is_ack);
        named.and_then(|named| self.seen.get(named.all as usize)).copied().unwrap_or(Seen::NOTHING)
    }

    /// What was seen of the transaction that a message names, in its own dialog where it names one.
    #[inline]
    pub(super) fn seen_of(self, note: &Note) -> Seen {
        match note.named {
            Some(Named { is_ack: false, .. }) => self.own(note),
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
