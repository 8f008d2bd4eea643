//! Retransmissions and second copies of a leg's messages (RFC 3261 §17), taken out.
//!
//! A copy is the same message between the same two addresses: sent again, seen by a second tap, or given twice. Keeps:
//! messages that say different things of consent are never copies of each other.

use std::borrow::Cow;

use hashbrown::HashMap;

use super::dialog::Seed;
use crate::evidence::Locus;
use crate::facts::{Body, CSeq, Hop, Method, Signalling, StartLine, Subject};

/// Takes out retransmissions and second copies: the same message between the same two addresses. Of several copies
/// the first time and place stand, with the first whole copy's content and record: so those of one instant stay in the
/// order in which they came, whatever record each is told by.
pub(super) fn without_copies<'m, 'a>(captured: &'m [Signalling<'a>]) -> Cow<'m, [Signalling<'a>]> {
    // Most legs have no copies at all, and of most messages the start line and the method alone tell.
    let (mut begun, mut is_again) = (0_u64, false);
    for message in captured {
        let kind = kind(message);
        is_again |= begun & kind != 0;
        begun |= kind;
    }
    let is_copied = || {
        let mut others = captured.iter().enumerate();
        captured.len() > FEW
            || others.any(|(place, message)| captured.iter().take(place).any(|known| is_copy(known, message)))
    };
    if !is_again || !is_copied() {
        return Cow::Borrowed(captured);
    }
    Cow::Owned(without_copies_telling(captured, |_, _| {}))
}

/// Messages that are compared each with each.
const FEW: usize = 24;

/// The same, telling of every message that stays and of every copy its place among those that stay.
pub(super) fn without_copies_telling<'a>(
    captured: &[Signalling<'a>],
    mut tell: impl FnMut(usize, Locus),
) -> Vec<Signalling<'a>> {
    let mut messages: Vec<Signalling<'a>> = Vec::with_capacity(captured.len());
    if captured.len() <= FEW {
        for message in captured {
            let copy = messages.iter_mut().enumerate().find(|(_, known)| is_copy(known, message));
            match copy {
                Some((place, known)) => {
                    tell(place, message.locus);
                    keep_better(known, message);
                }
                None => {
                    tell(messages.len(), message.locus);
                    messages.push(*message);
                }
            }
        }
        return messages;
    }
    let mut known = Known::default();
    for message in captured {
        let copy = known.copied(message, &messages);
        known.add(message, copy.unwrap_or(messages.len()), copy.is_none());
        tell(copy.unwrap_or(messages.len()), message.locus);
        match copy.and_then(|index| messages.get_mut(index)) {
            Some(known) => keep_better(known, message),
            None => messages.push(*message),
        }
    }
    messages
}

/// Where the messages stand that one may be a copy of, however many others there are.
#[derive(Default)]
struct Known<'a> {
    /// By their bytes.
    same: HashMap<(Hop, u64), usize, Seed>,
    /// By the transaction that they name.
    named: HashMap<(Alike, CSeq, &'a [u8]), Vec<usize>, Seed>,
    /// Those that name none, or not to its end.
    unnamed: HashMap<Alike, Vec<usize>, Seed>,
    all: HashMap<Alike, Vec<usize>, Seed>,
}

/// What a message shares with whatever copies it, however early it was cut.
type Alike = (Hop, (Option<Method>, u16));

/// Messages of one transaction, or cut before they name one, that are compared with another: each differs from the others.
const MOST_COMPARED: usize = 64;

impl<'a> Known<'a> {
    fn transaction(message: &Signalling<'a>) -> Option<(Alike, CSeq, &'a [u8])> {
        Some(((message.hop, start_key(message)), message.cseq?, message.branch?))
    }

    /// The place of the message that this one is a copy of.
    fn copied(&self, message: &Signalling<'a>, messages: &[Signalling<'a>]) -> Option<usize> {
        let is_copied = |place: &usize| messages.get(*place).is_some_and(|known| is_copy(known, message));
        let alike = (message.hop, start_key(message));
        let latest = |places: Option<&Vec<usize>>| {
            places?.iter().rev().take(MOST_COMPARED).find(|place| is_copied(place)).copied()
        };
        let same = self.same.get(&(message.hop, message.fingerprint)).copied().filter(is_copied);
        same.or_else(|| match Self::transaction(message) {
            Some(transaction) => latest(self.named.get(&transaction)).or_else(|| latest(self.unnamed.get(&alike))),
            None => latest(self.all.get(&alike)),
        })
    }

    /// Remembers a message that stands at `place`, as the first of its copies or as another one.
    fn add(&mut self, message: &Signalling<'a>, place: usize, is_first: bool) {
        self.same.insert((message.hop, message.fingerprint), place);
        let alike = (message.hop, start_key(message));
        match Self::transaction(message) {
            // What a copy names that was cut less is found by it from now on.
            Some(transaction) => {
                let places = self.named.entry(transaction).or_default();
                if places.last() != Some(&place) {
                    places.push(place);
                }
            }
            None if is_first => self.unnamed.entry(alike).or_default().push(place),
            None => {}
        }
        if is_first {
            self.all.entry(alike).or_default().push(place);
        }
    }
}

/// A bit that copies have in common; all of them where a cut may have taken away what tells.
fn kind(message: &Signalling<'_>) -> u64 {
    let Some(CSeq { method: of, .. }) = message.cseq else { return u64::MAX };
    match message.start {
        StartLine::Request { method, .. } => 1 << (method as u32),
        // Behind the methods.
        StartLine::Response(status) => 1 << (16 + (u32::from(status) ^ ((of as u32) << 3)) % 32),
    }
}

// Methods have numbers of their own.
const _: () = assert!((Method::Other as u32) < 16);

fn start_key(message: &Signalling<'_>) -> (Option<Method>, u16) {
    match message.start {
        StartLine::Request { method, .. } => (Some(method), 0),
        StartLine::Response(status) => (None, status),
    }
}

/// Whether two messages of a Call-ID are the same one. The branch and CSeq of one sender name one transaction
/// (RFC 3261 §17.1.3, §17.2.3), so what is alike in them and in its start line is a copy; a field that the cut took
/// away is taken as alike. Requests that say different things of consent are never copies.
fn is_copy(known: &Signalling<'_>, message: &Signalling<'_>) -> bool {
    // The cheapest first: most messages of a leg differ in their start line or method.
    let is_other = |(one, other): (CSeq, CSeq)| one.method != other.method;
    if start_key(known) != start_key(message) || known.cseq.zip(message.cseq).is_some_and(is_other) {
        return false;
    }
    if known.transport != message.transport || known.hop != message.hop {
        return false;
    }
    if known.fingerprint == message.fingerprint {
        return true;
    }
    let cut = !known.header_whole || !message.header_whole;
    // A response may be followed by another of the same status that says more.
    if !cut && matches!(message.start, StartLine::Response(_)) {
        return false;
    }
    let alike = |one: Option<&[u8]>, other: Option<&[u8]>| one == other || (cut && (one.is_none() || other.is_none()));
    let same_number = known.cseq == message.cseq || (cut && (known.cseq.is_none() || message.cseq.is_none()));
    if !same_number
        || !alike(known.branch, message.branch)
        || !alike(known.to_tag, message.to_tag)
        || !alike(known.from_tag, message.from_tag)
    {
        return false;
    }
    // What a body says is compared only where both bodies were captured whole.
    let bodies = known.body != Body::Cut && message.body != Body::Cut;
    let of_consent = |subject: Subject| match subject {
        Subject::Consent(_) => true,
        Subject::Attribute(_) => bodies,
        _ => false,
    };
    let speaks = |message: &Signalling<'_>| message.rows().any(|row| of_consent(row.subject));
    let says = |of: &Signalling<'_>, other: &Signalling<'_>| {
        of.rows()
            .filter(|row| of_consent(row.subject))
            .all(|row| other.rows().any(|twin| twin.subject == row.subject && twin.value == row.value))
    };
    if cut {
        // What a cut copy still says must stand in the whole one too.
        return match (known.header_whole, message.header_whole) {
            (true, false) => !speaks(message) || says(message, known),
            (false, true) => !speaks(known) || says(known, message),
            _ => says(known, message) || says(message, known),
        };
    }
    says(known, message) && says(message, known)
}

/// Keeps the earlier time and the fuller content of two copies.
fn keep_better<'a>(known: &mut Signalling<'a>, copy: &Signalling<'a>) {
    let rank = |message: &Signalling<'_>| (message.header_whole, message.body != Body::Cut);
    if rank(copy) > rank(known) {
        let first = known.at;
        *known = *copy;
        known.at = first;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::{SourceId, Timestamp};

    #[test]
    fn a_copy_that_was_cut_before_its_cseq_is_one_all_the_same() {
        let hop = Hop { source: ([192, 0, 2, 1], 5060).into(), destination: ([192, 0, 2, 2], 5060).into() };
        let locus = |record| Locus { source: SourceId(0), record };
        let start = StartLine::Request { method: Method::Invite, uri: b"sip:b@x" };
        let mut whole = Signalling::bare(Timestamp::new(1, 9), locus(1), hop, start);
        whole.cseq = Some(CSeq { number: 1, method: Method::Invite });
        (whole.branch, whole.fingerprint) = (Some(b"z9hG4bK1".as_slice()), 1);
        let mut cut = Signalling::bare(Timestamp::new(2, 9), locus(2), hop, start);
        (cut.branch, cut.fingerprint, cut.header_whole) = (Some(b"z9hG4bK1".as_slice()), 2, false);
        for captured in [[whole, cut], [cut, whole]] {
            let messages = without_copies(&captured);
            assert_eq!(messages.iter().map(|own| own.locus).collect::<Vec<_>>(), [locus(1)]);
        }
    }

    #[test]
    fn copies_are_found_behind_any_number_of_other_messages() {
        let hop = Hop { source: ([192, 0, 2, 1], 5060).into(), destination: ([192, 0, 2, 2], 5060).into() };
        let branches: Vec<Vec<u8>> = (0..300).map(|number: u32| format!("z9hG4bK{number}").into_bytes()).collect();
        let update = |source: u32, number: u32, header_whole: bool| {
            let locus = Locus { source: SourceId(source), record: u64::from(number) };
            let start = StartLine::Request { method: Method::Update, uri: b"sip:b@x" };
            let at = Timestamp::new(i64::from(source) * 1_000 + i64::from(number), 9);
            let mut own = Signalling::bare(at, locus, hop, start);
            own.cseq = Some(CSeq { number, method: Method::Update });
            own.branch = branches.get(number as usize).map(Vec::as_slice);
            (own.header_whole, own.fingerprint) = (header_whole, u64::from(number) * 2 + u64::from(header_whole));
            own
        };
        for second_whole in [true, false] {
            let second = (0..300).map(|number| update(1, number, second_whole));
            let captured: Vec<_> = (0..300).map(|number| update(0, number, true)).chain(second).collect();
            let kept = without_copies(&captured);
            assert_eq!(kept.len(), 300);
            assert!(kept.iter().all(|own| own.locus.source == SourceId(0)));
        }
    }

    #[test]
    fn messages_of_one_instant_stay_in_order_whichever_copy_of_one_stays() {
        let hop = |port| Hop { source: ([192, 0, 2, 1], port).into(), destination: ([192, 0, 2, 2], 5060).into() };
        let message = |source, ns, port| {
            let locus = Locus { source: SourceId(source), record: 1 };
            let mut own = Signalling::bare(Timestamp::new(ns, 9), locus, hop(port), StartLine::Response(100));
            own.cseq = Some(CSeq { number: 1, method: Method::Invite });
            own.fingerprint = u64::from(port);
            own
        };
        // The second has a later copy in an earlier source; the first copy was cut.
        let mut cut = message(1, 3, 2);
        cut.header_whole = false;
        cut.locus.record = 2;
        let captured = [message(1, 3, 1), cut, message(0, 5, 2)];
        let messages = without_copies(&captured);
        let told: Vec<(u32, u16)> = messages.iter().map(|own| (own.locus.source.0, own.hop.source.port())).collect();
        assert_eq!(told, [(1, 1), (0, 2)]);
        assert!(messages.iter().all(|own| own.at.ns == 3));
    }
}
