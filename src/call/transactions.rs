//! The transactions and dialogs that the steps of one leg name (RFC 3261 §12, §17), each told by a number.
//!
//! Everything that reads the [course](super::course) of a leg asks which messages are of one transaction, of one dialog,
//! of one sender.

use std::ops::Deref;

use hashbrown::HashMap;

use super::dialog::Seed;
use super::ledger::Outcome;
use super::steps::{SHORT, Start, Step, Tag};
use crate::facts::Method;

/// A transaction as a message names it: the sender's tag, number and method, in all dialogs. An ACK shares its INVITE's
/// and still names itself otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
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
    fn add(&mut self, place: u32, step: &Step) {
        match step.start() {
            // These show that there was one, and nothing of what became of it.
            Start::Request(Method::Ack) | Start::Response(..=199) => {}
            Start::Request(_) => {
                self.request = true;
                self.in_dialog |= !step.to.is_none();
            }
            Start::Response(200..=299) => self.accepted = true,
            Start::Response(_) => self.refused = place,
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

    /// The place of the last final response of 300 or above.
    pub(super) fn refused(&self) -> Option<usize> {
        (self.refused != u32::MAX).then_some(self.refused as usize)
    }
}

/// What tells a transaction from others: of all dialogs the sender's tag, number and method; of one dialog the number of
/// the former and the To tag.
type Key = (Tag, i64, Option<Method>);

/// The transactions of a leg, with what is noted of each message.
#[derive(Default)]
pub(super) struct Transactions {
    notes: Vec<Note>,
    keys: Vec<Key>,
    /// The places in the list, once it is longer than [`SHORT`].
    places: HashMap<Key, u32, Seed>,
    seen: Vec<Seen>,
    /// The messages whose transactions were seen.
    on_dialog: Vec<u32>,
}

impl Transactions {
    /// Notes what each of `steps` names, and looks at those on the dialog for what became of their transactions.
    pub(super) fn read<'t>(&'t mut self, steps: &'t [Step]) -> Dialog<'t> {
        self.notes.clear();
        self.keys.clear();
        self.places.clear();
        for step in steps {
            let Some(method) = step.cseq() else {
                self.notes.push(Note { named: None, own: u32::MAX });
                continue;
            };
            let is_ack = method == Method::Ack;
            let all = self.place((step.from, step.number, Some(if is_ack { Method::Invite } else { method })));
            let own = if step.to.is_none() { all } else { self.place((step.to, i64::from(all), None)) };
            self.notes.push(Note { named: Some(Named::new(all, is_ack)), own });
        }
        self.seen.clear();
        self.seen.resize(self.keys.len(), Seen::NOTHING);
        self.on_dialog.clear();
        for ((place, step), note) in (0..).zip(steps).zip(&self.notes) {
            if step.on_dialog() {
                self.on_dialog.push(place);
                note.add(place, step, &mut self.seen);
            }
        }
        let Self { notes, keys, on_dialog, seen, .. } = self;
        Dialog { steps, notes, keys, on_dialog, seen }
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
}

impl Note {
    fn add(&self, place: u32, step: &Step, seen: &mut [Seen]) {
        let Some(named) = self.named else { return };
        if let Some(all) = seen.get_mut(named.all()) {
            all.add(place, step);
        }
        if self.own as usize != named.all()
            && let Some(own) = seen.get_mut(self.own as usize)
        {
            own.add(place, step);
        }
    }
}

/// The steps of a leg with what is noted of them, and which of them belong to the hop that counts.
#[derive(Clone, Copy)]
pub(super) struct Dialog<'m> {
    steps: &'m [Step],
    notes: &'m [Note],
    keys: &'m [Key],
    on_dialog: &'m [u32],
    seen: &'m [Seen],
}

/// A step, what is noted of it, and its place among the messages of the leg, which come by time.
#[derive(Clone, Copy)]
pub(super) struct Noted<'m> {
    pub(super) place: usize,
    pub(super) step: &'m Step,
    pub(super) note: &'m Note,
}

impl Deref for Noted<'_> {
    type Target = Step;

    fn deref(&self) -> &Step {
        self.step
    }
}

impl<'m> Dialog<'m> {
    /// The step of that place.
    #[inline]
    pub(super) fn at(self, place: usize) -> Option<Noted<'m>> {
        Some(Noted { place, step: self.steps.get(place)?, note: self.notes.get(place)? })
    }

    /// All steps of the leg.
    pub(super) fn everywhere(self) -> impl Iterator<Item = Noted<'m>> {
        let noted = self.steps.iter().zip(self.notes).enumerate();
        noted.map(|(place, (step, note))| Noted { place, step, note })
    }

    /// The steps on the hop that counts.
    #[inline]
    pub(super) fn iter(self) -> impl DoubleEndedIterator<Item = Noted<'m>> + Clone + use<'m> {
        self.on_dialog.iter().filter_map(move |place| self.at(*place as usize))
    }

    /// Their places.
    pub(super) fn places(self) -> &'m [u32] {
        self.on_dialog
    }

    /// The sender's tag and the number of a transaction.
    pub(super) fn number(self, named: Named) -> (Tag, i64) {
        self.keys.get(named.all()).map_or((Tag::NONE, 0), |(from, number, _)| (*from, *number))
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
        for ((place, step), note) in (0..).zip(self.steps).zip(self.notes) {
            note.add(place, step, &mut seen);
        }
        seen
    }

    /// The same dialog, with what was seen elsewhere.
    pub(super) fn with<'s>(self, seen: &'s [Seen]) -> Dialog<'s>
    where
        'm: 's,
    {
        Dialog { seen, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::super::steps::Steps;
    use super::*;
    use crate::evidence::{Locus, SourceId, Timestamp};
    use crate::facts::{CSeq, Hop, Signalling, StartLine};

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
            let (mut steps, mut transactions) = (Steps::default(), Transactions::default());
            // What another leg left behind.
            steps.read(&[message(ring, b"0", Some(b"other"), CSeq { number: 1, method: Method::Bye })]);
            transactions.read(&steps.list);
            let key = |place: usize| (place * 7 % tags, place * 5 % tags, (place / tags % 2) as u32);
            let messages: Vec<Signalling<'_>> = (0..4 * tags)
                .map(|place| {
                    let (from, to, number) = key(place);
                    message(ring, tag(from), Some(tag(to)), CSeq { number: number + 9, method: Method::Invite })
                })
                .collect();
            steps.read(&messages);
            let dialog = transactions.read(&steps.list);
            assert_eq!(dialog.iter().count(), messages.len());
            for (one, own) in dialog.iter().enumerate() {
                assert_eq!(steps.tags.text(own.from), messages[one].from_tag.expect("a tag"));
                for (other, twin) in dialog.iter().enumerate() {
                    let ((from, to, number), (other_from, other_to, other_number)) = (key(one), key(other));
                    assert_eq!(own.from == twin.from, from == other_from);
                    assert_eq!(own.to == twin.to, to == other_to);
                    assert_eq!(own.from == twin.to, from == other_to, "one tag has one number on either side");
                    if from == other_from {
                        assert_eq!(own.number - twin.number, i64::from(number) - i64::from(other_number));
                    }
                    let is_same = from == other_from && number == other_number;
                    assert_eq!(own.note.named == twin.note.named, is_same);
                    assert_eq!(own.note.own == twin.note.own, is_same && to == other_to);
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
        let (mut steps, mut transactions) = (Steps::default(), Transactions::default());
        steps.read(&messages);
        let dialog = transactions.read(&steps.list);
        let note = |place: usize| dialog.at(place).expect("a message").note;
        assert_ne!(note(2).named, note(0).named);
        assert_eq!(note(2).named.map(Named::of_invite), note(0).named);
        assert_ne!(note(3).named.map(Named::of_invite), note(0).named);
        assert_eq!(dialog.seen(note(0).named).refused(), Some(1));
        assert!(dialog.seen(note(0).named).request && !dialog.seen(note(0).named).in_dialog);
        assert_eq!(dialog.seen(note(2).named).outcome(), Outcome::Unknown);
        assert_eq!(dialog.own(note(2)).outcome(), Outcome::Refused);
        assert_eq!(dialog.seen_of(note(2)).outcome(), Outcome::Unknown);
        assert!(!dialog.own(note(2)).request, "the INVITE names no dialog");
    }
}
