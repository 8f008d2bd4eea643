//! Signalling grouped by Call-ID into legs.
//!
//! A Call-ID whose INVITE, or whose INVITE dialog, was seen is a leg. Used anew after its dialog ended, by an initial
//! INVITE with another From tag, it starts another leg (contract §3).

use std::sync::{Mutex, PoisonError};

use hashbrown::hash_table::{self, HashTable};
use rayon::iter::{IndexedParallelIterator, IntoParallelRefIterator, ParallelIterator};
use rayon::slice::ParallelSliceMut;

use super::dialog;
use super::identity::By;
use super::ledger::{Entry, Gap, SetUp};
use super::offer_answer::Stream;
use super::outline::Outline;
use super::recorded::OfRecording;
use super::trunk::Direction;
use crate::evidence::{Locus, Timestamp};
use crate::facts::{Method, Signalling, SignallingBatch, StartLine, Subject};
use crate::settings::{Settings, TrunkKind};

/// One Call-ID's INVITE dialogs in their role on a trunk.
#[derive(Clone, Debug)]
pub struct Leg<'a> {
    /// Call-ID, byte by byte.
    pub call_id: &'a [u8],
    /// Which use of the Call-ID it is, from 0; uses without an INVITE dialog count, too.
    pub nth_use: u32,
    /// The trunk, by its index in the settings; `None` when none fits.
    pub trunk: Option<usize>,
    /// Which way it was set up.
    pub direction: Direction,
    /// The URI of From, as written; empty where unread.
    pub from_uri: &'a [u8],
    /// The URI of To.
    pub to_uri: &'a [u8],
    /// The first message.
    pub first: At,
    /// The last message of its dialogs.
    pub last: At,
    /// The first 2xx to the INVITE that counts.
    pub answered: Option<At>,
    /// Whether the 2xx was seen on another hop only.
    pub answered_elsewhere: bool,
    /// The end that was seen: BYE, or CANCEL or final refusal of an unanswered INVITE.
    pub ended: Option<At>,
    /// The final status to the INVITE that counts.
    pub final_status: Option<(u16, Locus)>,
    /// A CANCEL of the INVITE that counts, without a 2xx.
    pub cancelled: Option<Locus>,
    /// The request that set it up.
    pub set_up: SetUp,
    /// Every INVITE, re-INVITE and UPDATE, and any other message that a rule reads, by time.
    pub ledger: Vec<Entry<'a>>,
    /// Requests that were not captured, by time.
    pub gaps: Vec<Gap>,
    /// The media streams that offer and answer accepted, in SDP order.
    pub streams: Vec<Stream<'a>>,
    /// Whether any media description of it was captured.
    pub described: Option<Locus>,
    /// A sign that it is a SIPREC recording session (RFC 7866).
    pub recording_session: Option<Locus>,
    /// The Call-ID that its INVITE replaces (RFC 3891).
    pub replaces: Option<(&'a [u8], Locus)>,
    /// The Call-IDs that its messages name but for Replaces, by what (Refer-To, Join, Target-Dialog), and the messages.
    pub refers: Vec<(By, Box<[u8]>, At)>,
    /// The identifiers that its messages carry, other than the Call-ID.
    pub identifiers: Vec<Identifier<'a>>,
    /// What its messages say of recording; `None` where they say nothing.
    pub of_recording: Option<Box<OfRecording<'a>>>,
}

impl Leg<'_> {
    /// The kind of the trunk that it crossed.
    #[must_use]
    pub fn kind(&self, settings: &Settings) -> TrunkKind {
        super::trunk::kind(self.trunk, settings)
    }

    /// Whether no INVITE that sets it up was captured: it began before its first message.
    #[must_use]
    pub fn is_unbegun(&self) -> bool {
        matches!(self.set_up, SetUp::NotCaptured(_)) && !self.ledger.iter().any(|entry| entry.initial)
    }
}

/// An instant and the record that shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names say it")]
pub struct At {
    pub at: Timestamp,
    pub locus: Locus,
}

/// An identifier that some message of a leg carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identifier<'a> {
    /// The field: a conversation header of the settings, or Session-ID.
    pub subject: Subject,
    /// The field's value as written.
    pub value: &'a [u8],
    /// The message.
    pub locus: Locus,
    /// Whether the platform's side sent it.
    pub by_platform: bool,
}

/// The legs of all signalling, in outline; what their messages say in full can be read again.
#[derive(Debug)]
pub struct Legs<'a> {
    batches: &'a [SignallingBatch],
    groups: Groups,
    /// By first message.
    outlines: Vec<Outline<'a>>,
    /// For each leg where its Call-ID begins in the groups.
    begins: Vec<usize>,
}

impl<'a> Legs<'a> {
    /// Groups messages into legs, ordered by first message. `conclude` is shown each leg once, by any worker; what it
    /// makes of them stands in the order of the legs.
    #[must_use]
    pub fn of<T: Send>(
        batches: &'a [SignallingBatch],
        settings: &Settings,
        conclude: impl Fn(Leg<'a>) -> T + Sync,
    ) -> (Self, Vec<T>) {
        let groups = Groups::of(batches);
        let room = || (Vec::new(), dialog::Reader::new(settings));
        let conclude = |begins: usize, leg: Leg<'a>| (Outline::of(&leg), begins, conclude(leg));
        // Most groups are one leg, which goes straight to its place; what else a group holds is rare.
        let others = Mutex::new(Vec::new());
        let found: Vec<Option<(Outline<'a>, usize, T)>> = groups
            .first
            .par_iter()
            .with_min_len(GROUPS_AT_ONCE)
            .map_init(room, |(messages, reader), first| {
                groups.messages(*first, batches, messages);
                let mut found = None;
                each_use(messages, |nth_use, messages| {
                    let Some(leg) = reader.leg(messages, nth_use) else { return };
                    let own = conclude(*first, leg);
                    match &found {
                        None => found = Some(own),
                        Some(_) => others.lock().unwrap_or_else(PoisonError::into_inner).push(own),
                    }
                });
                found
            })
            .collect();
        let mut found: Vec<(Outline<'a>, usize, T)> = found.into_iter().flatten().collect();
        found.extend(others.into_inner().unwrap_or_else(PoisonError::into_inner));
        let order = |(outline, ..): &(Outline<'a>, usize, T)| (outline.first, outline.call_id, outline.nth_use);
        if !found.is_sorted_by_key(order) {
            found.par_sort_by_key(order);
        }
        let mut legs = Self {
            batches,
            groups,
            outlines: Vec::with_capacity(found.len()),
            begins: Vec::with_capacity(found.len()),
        };
        let mut concluded = Vec::with_capacity(found.len());
        for (outline, begins, own) in found {
            legs.outlines.push(outline);
            legs.begins.push(begins);
            concluded.push(own);
        }
        (legs, concluded)
    }

    /// The legs in outline, by first message.
    #[must_use]
    pub fn outlines(&self) -> &[Outline<'a>] {
        &self.outlines
    }

    /// Reads these legs, each by its place, again. They come in no order.
    #[must_use]
    pub fn again(&self, places: &[usize], settings: &Settings) -> Vec<(usize, Leg<'a>)> {
        // Together with the other uses of its Call-ID: each group is read once.
        let key = |place: &usize| Some((*self.begins.get(*place)?, self.outlines.get(*place)?.nth_use));
        let mut wanted: Vec<((usize, u32), usize)> =
            places.iter().filter_map(|place| Some((key(place)?, *place))).collect();
        wanted.sort_unstable();
        let groups: Vec<&[((usize, u32), usize)]> =
            wanted.chunk_by(|((one, _), _), ((other, _), _)| one == other).collect();
        let room = || (Vec::new(), dialog::Reader::new(settings));
        let read = |(messages, reader): &mut (Vec<_>, dialog::Reader<'_, 'a>), wanted: &&[((usize, u32), usize)]| {
            let mut found = Vec::with_capacity(wanted.len());
            if let Some(((begins, _), _)) = wanted.first() {
                self.groups.messages(*begins, self.batches, messages);
            }
            each_use(messages, |nth_use, messages| {
                let own = wanted.binary_search_by_key(&nth_use, |((_, nth_use), _)| *nth_use).ok();
                if let Some((_, place)) = own.and_then(|own| wanted.get(own)) {
                    found.extend(reader.leg(messages, nth_use).map(|leg| (*place, leg)));
                }
            });
            found
        };
        groups.par_iter().with_min_len(GROUPS_AT_ONCE).map_init(room, read).flatten_iter().collect()
    }
}

/// All legs in full, ordered by first message.
#[must_use]
pub fn correlate<'a>(batches: &'a [SignallingBatch], settings: &Settings) -> Vec<Leg<'a>> {
    Legs::of(batches, settings, |leg| leg).1
}

/// Shows the messages of each use of one Call-ID, which come sorted by time, with its number from 0.
pub(super) fn each_use<'a>(alike: &[Signalling<'a>], mut show: impl FnMut(u32, &[Signalling<'a>])) {
    match uses(alike).as_slice() {
        [] | [_] => show(0, alike),
        several => (0..).zip(split(alike, several)).for_each(|(nth_use, messages)| show(nth_use, &messages)),
    }
}

/// Groups that a worker reads at least at once.
const GROUPS_AT_ONCE: usize = 128;

/// The Call-IDs of all batches, each with its places in them, in the order of the evidence, so that what is read next
/// lies near to what was read before.
#[derive(Debug)]
pub(super) struct Groups {
    /// The first place of each Call-ID.
    first: Vec<usize>,
    /// For each place the next one of its Call-ID.
    places: Vec<Place>,
}

/// Where messages of one Call-ID lie.
#[derive(Clone, Copy, Debug)]
struct Place {
    batch: u32,
    call: u32,
    /// The next place; `usize::MAX` for none.
    next: usize,
}

impl Groups {
    pub(super) fn of(batches: &[SignallingBatch]) -> Self {
        let number = batches.iter().map(SignallingBatch::calls).sum();
        let mut groups = Self { first: Vec::with_capacity(number), places: Vec::with_capacity(number) };
        let call_id = |place: &Place| batches.get(place.batch as usize)?.call_id(place.call as usize);
        // The last place of each Call-ID so far.
        let mut known: HashTable<usize> = HashTable::new();
        for (number, batch) in (0..).zip(batches) {
            for call in 0..batch.calls() {
                let place = Place { batch: number, call: call as u32, next: usize::MAX };
                let last = groups.places.len();
                groups.places.push(place);
                // Within one batch a Call-ID has one place.
                if let ([_], _) | (_, None) = (batches, call_id(&place)) {
                    groups.first.push(last);
                    continue;
                }
                let own = call_id(&place);
                let hash = |call_id: Option<(&[u8], u64)>| call_id.map_or(0, |(_, hash)| hash);
                let of = |known: &usize| groups.places.get(*known).and_then(call_id);
                match known.entry(hash(own), |known| of(known) == own, |known| hash(of(known))) {
                    hash_table::Entry::Occupied(mut known) => {
                        let before = std::mem::replace(known.get_mut(), last);
                        if let Some(before) = groups.places.get_mut(before) {
                            before.next = last;
                        }
                    }
                    hash_table::Entry::Vacant(vacant) => {
                        vacant.insert(last);
                        groups.first.push(last);
                    }
                }
            }
        }
        groups
    }

    /// The Call-IDs, by the first place of each.
    pub(super) fn first(&self) -> &[usize] {
        &self.first
    }

    /// The Call-ID that begins at `first`.
    pub(super) fn call_id<'a>(&self, first: usize, batches: &'a [SignallingBatch]) -> Option<&'a [u8]> {
        let place = self.places.get(first)?;
        batches.get(place.batch as usize)?.call_id(place.call as usize).map(|(call_id, _)| call_id)
    }

    /// Puts the messages of the Call-ID that begins at `first` into `messages`, by time.
    pub(super) fn messages<'a>(
        &self,
        first: usize,
        batches: &'a [SignallingBatch],
        messages: &mut Vec<Signalling<'a>>,
    ) {
        messages.clear();
        let mut at = first;
        while let Some(place) = self.places.get(at) {
            if let Some(batch) = batches.get(place.batch as usize) {
                messages.extend(batch.of_call(place.call as usize));
            }
            at = place.next;
        }
        // Stable: messages of one packet stay in the order they stood in. Most captures are in order already.
        let order = |message: &Signalling<'a>| (message.at, message.locus);
        if !messages.is_sorted_by_key(order) {
            messages.sort_by_key(order);
        }
    }
}

/// Uses of one Call-ID back to which a straggling message is followed.
const MOST_STRAGGLING: usize = 64;

/// Where a use of a Call-ID begins, and its caller's tag.
type Use<'a> = ((i64, Locus), Option<&'a [u8]>);

/// Splits the messages of one Call-ID, sorted by time, among its uses.
fn split<'a>(messages: &[Signalling<'a>], uses: &[Use<'_>]) -> Vec<Vec<Signalling<'a>>> {
    let mut legs: Vec<Vec<Signalling<'a>>> = uses.iter().map(|_| Vec::new()).collect();
    for message in messages {
        let begun = uses.partition_point(|(from, _)| *from <= (message.at.ns, message.locus));
        // A straggler of an earlier use carries that use's caller tag in From or To.
        let owner = uses
            .get(..begun)
            .unwrap_or_default()
            .iter()
            .enumerate()
            .rev()
            .take(MOST_STRAGGLING)
            .find(|(_, (_, tag))| tag.is_some() && (message.from_tag == *tag || message.to_tag == *tag))
            .map_or(begun.saturating_sub(1), |(place, _)| place);
        if let Some(leg) = legs.get_mut(owner) {
            leg.push(*message);
        }
    }
    legs
}

/// Where each use of a Call-ID begins, with its caller's tag. At least one.
fn uses<'a>(messages: &[Signalling<'a>]) -> Vec<Use<'a>> {
    let Some(first) = messages.first() else { return Vec::new() };
    let mut caller = first.from_tag;
    let mut uses = vec![((i64::MIN, first.locus), caller)];
    let mut ended = false;
    let mut begun = false;
    for message in messages {
        match (message.start, message.method()) {
            (StartLine::Request { .. }, Some(Method::Invite)) if message.to_tag.is_none() => {
                if !begun {
                    begun = true;
                    caller = message.from_tag;
                    if let [(_, tag)] = uses.as_mut_slice() {
                        *tag = caller;
                    }
                } else if message.from_tag != caller && ended {
                    caller = message.from_tag;
                    uses.push(((message.at.ns, message.locus), caller));
                    ended = false;
                }
            }
            (StartLine::Request { .. }, Some(Method::Bye)) => ended = true,
            (StartLine::Response(status), Some(Method::Invite))
                if ends_the_call(status) && message.from_tag == caller =>
            {
                ended = true;
            }
            (StartLine::Response(200..=299), Some(Method::Bye)) => ended = true,
            (StartLine::Response(200..=299), Some(Method::Invite)) => ended = false,
            _ => {}
        }
    }
    uses
}

/// Whether a final status ends the call: after a challenge, a redirection or 422 the same caller tries again.
fn ends_the_call(status: u16) -> bool {
    status >= 400 && !matches!(status, 401 | 407 | 422)
}

/// Whether a message proves that its Call-ID names an INVITE dialog.
pub(crate) fn proves_invite(message: &Signalling<'_>) -> bool {
    matches!(
        message.method(),
        Some(Method::Ack | Method::Bye | Method::Cancel | Method::Invite | Method::Prack | Method::Update)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::SourceId;
    use crate::facts::{CSeq, Hop, MediaDescription, Row};

    /// A message of the Call-ID `a@x` in the packet of that number; several may lie in one.
    fn push(batch: &mut SignallingBatch, record: u64, (start, method): (StartLine<'_>, Method), tag: &str, to: bool) {
        let at = Timestamp::new(record as i64 * 1_000_000_000, 6);
        let hop = Hop { source: ([203, 0, 113, 1], 5060).into(), destination: ([192, 0, 2, 1], 5060).into() };
        let mut message = Signalling::bare(at, Locus { source: SourceId(0), record }, hop, start);
        message.call_id = b"a@x";
        message.cseq = Some(CSeq { number: if method == Method::Bye { 2 } else { 1 }, method });
        message.from_tag = Some(tag.as_bytes());
        message.to_tag = to.then_some(b"t".as_slice());
        message.fingerprint = batch.len() as u64;
        batch.push(&message, std::iter::empty::<Row<'_>>(), None::<std::iter::Empty<MediaDescription<'_>>>);
    }

    fn request(method: Method) -> (StartLine<'static>, Method) {
        (StartLine::Request { method, uri: b"sip:1@platform" }, method)
    }

    #[test]
    fn a_leg_that_is_read_again_is_the_same_use_of_its_call_id() {
        let mut batch = SignallingBatch::default();
        // Two uses in one packet, as in one TCP segment, and one behind them.
        push(&mut batch, 1, request(Method::Invite), "1", false);
        push(&mut batch, 1, request(Method::Bye), "1", true);
        push(&mut batch, 1, request(Method::Invite), "2", false);
        push(&mut batch, 2, request(Method::Bye), "2", true);
        push(&mut batch, 3, request(Method::Invite), "3", false);
        let batches = [batch];
        let settings = Settings::default();
        let (legs, read) = Legs::of(&batches, &settings, |leg| leg);
        assert_eq!(read.iter().map(|leg| leg.nth_use).collect::<Vec<_>>(), [0, 1, 2]);
        for wanted in [vec![0], vec![1], vec![2], vec![2, 0], vec![0, 1, 2]] {
            let mut again = legs.again(&wanted, &settings);
            again.sort_by_key(|(place, _)| *place);
            let mut wanted = wanted.clone();
            wanted.sort_unstable();
            assert_eq!(again.iter().map(|(place, _)| *place).collect::<Vec<_>>(), wanted);
            for (place, leg) in again {
                assert_eq!(format!("{leg:?}"), format!("{:?}", read[place]));
            }
        }
    }
}
