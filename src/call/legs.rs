//! Signalling grouped by Call-ID into legs.
//!
//! A Call-ID whose INVITE, or whose INVITE dialog, was seen is a leg; each of its [uses](super::uses) is another one
//! (contract §3).

use std::cmp::Ordering;
use std::sync::{Mutex, OnceLock, PoisonError};

use hashbrown::HashMap;
use rayon::iter::{IndexedParallelIterator, IntoParallelIterator, IntoParallelRefIterator, ParallelIterator};
use rayon::slice::ParallelSliceMut;

use super::dialog::{self, Seed};
use super::identity::By;
use super::ledger::{Entry, Gap, GapKind, SetUp};
use super::offer_answer::Stream;
use super::outline::Outline;
use super::recorded::OfRecording;
use super::references::Transfer;
use super::trunk::Direction;
use super::uses::each_use;
use crate::evidence::{Locus, Timestamp};
use crate::facts::{Call, Chosen, Method, Shelf, Signalling, StartLine, Subject};
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
    /// Every INVITE, re-INVITE and UPDATE, and any other message that a rule reads, by time, dialog by dialog where one
    /// followed the other.
    pub ledger: Vec<Entry<'a>>,
    /// Requests that were not captured, by time.
    pub gaps: Vec<Gap>,
    /// The media streams that offer and answer accepted, in SDP order.
    pub streams: Vec<Stream<'a>>,
    /// Whether any media description of it was captured.
    pub described: Option<Locus>,
    /// Whether a limit left out offers or answers of it.
    pub beyond_limits: bool,
    /// A sign that it is a SIPREC recording session (RFC 7866).
    pub recording_session: Option<Locus>,
    /// The Call-ID that its INVITE replaces (RFC 3891).
    pub replaces: Option<(&'a [u8], Locus)>,
    /// The transfer that its INVITE says it comes from, where it replaces nothing, and the INVITE.
    pub transferred: Option<(Transfer, Locus)>,
    /// The transfers that are asked for in it, and the REFERs.
    pub transfers: Vec<(Transfer, At)>,
    /// The Call-IDs that its messages name but for Replaces, by what (Refer-To, Join, Target-Dialog), and the messages.
    pub refers: Vec<(By, Box<[u8]>, At)>,
    /// The identifiers that its messages carry, other than the Call-ID.
    pub identifiers: Vec<Identifier<'a>>,
    /// What its messages say of recording; `None` where they say nothing.
    pub of_recording: Option<Box<OfRecording<'a>>>,
}

impl<'a> Leg<'a> {
    /// The kind of the trunk that it crossed.
    #[must_use]
    pub fn kind(&self, settings: &Settings) -> TrunkKind {
        super::trunk::kind(self.trunk, settings)
    }

    /// Whether a limit left out descriptions of its media, or RTP that may be its own.
    #[must_use]
    pub fn is_limited(&self) -> bool {
        self.beyond_limits || self.streams.iter().any(|stream| stream.beyond_limits)
    }

    /// Takes in a further dialog that the same caller set up after this one ended. Its streams stand beside the former ones.
    pub(super) fn goes_on(&mut self, next: Self) {
        let ended = self.ended.unwrap_or(self.last).at;
        self.streams.iter_mut().for_each(|stream| stream.close(ended));
        self.streams.extend(next.streams);
        let is_same = (next.trunk, next.direction) == (self.trunk, self.direction);
        match next.set_up {
            SetUp::Entry(index) => {
                self.ledger.extend(next.ledger.into_iter().enumerate().map(|(own, mut entry)| {
                    entry.anew |= own == index;
                    if entry.anew && !is_same {
                        entry.disputed.get_or_insert(entry.locus);
                    }
                    entry
                }));
            }
            SetUp::NotCaptured(locus) => {
                let (from, shown) = (next.first.at, next.answered.unwrap_or(next.first).at);
                self.gaps.push(Gap { from, shown, kind: GapKind::RequestNotCaptured, locus });
                self.ledger.extend(next.ledger);
            }
        }
        self.gaps.extend(next.gaps);
        (self.last, self.ended) = (next.last, next.ended);
        self.described = self.described.or(next.described);
        self.beyond_limits |= next.beyond_limits;
        self.recording_session = self.recording_session.or(next.recording_session);
        self.refers.extend(next.refers);
        self.transfers.extend(next.transfers);
        self.identifiers.extend(next.identifiers);
        self.of_recording = self.of_recording.take().or(next.of_recording);
    }

    /// When it was cancelled, where no final response shows that this took effect: a CANCEL may cross the answer (RFC 3261 §9.1).
    pub(super) fn cancelled_in_vain(&self) -> Option<At> {
        self.ended.filter(|_| self.cancelled.is_some() && self.final_status.is_none())
    }

    /// Whether no INVITE that sets it up was captured: it began before its first message.
    #[must_use]
    pub fn is_unbegun(&self) -> bool {
        matches!(self.set_up, SetUp::NotCaptured(_)) && !self.ledger.iter().any(|entry| entry.initial)
    }
}

/// An instant and the record that shows it. Ordered by the instant, then by the record: how finely a source writes its
/// times tells nothing of what came first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct At {
    pub at: Timestamp,
    pub locus: Locus,
}

impl Ord for At {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at.ns, self.locus, self.at.digits).cmp(&(other.at.ns, other.locus, other.at.digits))
    }
}

impl PartialOrd for At {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
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

/// Legs in outline, and what was concluded of each, from shelves that come and go.
#[derive(Debug)]
pub struct Outlines<'n, T> {
    /// The Call-IDs' texts, shelf by shelf.
    texts: &'n [OnceLock<Box<[u8]>>],
    found: Mutex<(Vec<Outline<'n>>, Vec<T>)>,
}

impl<'n, T> Outlines<'n, T> {
    /// With room for so many legs. `texts` has an empty place for each shelf.
    #[must_use]
    pub fn new(texts: &'n [OnceLock<Box<[u8]>>], legs: usize) -> Self {
        Self { texts, found: Mutex::new((Vec::with_capacity(legs), Vec::with_capacity(legs))) }
    }

    /// Adds the legs of a shelf.
    pub fn add(&self, number: usize, shelf: &Shelf<'_>, settings: &Settings, conclude: impl Fn(&mut Leg<'_>) -> T) {
        let mut found = Vec::new();
        let reader = dialog::Reader::new(settings).without_endpoints();
        each(shelf.calls(), reader, |leg| found.push((Outline::of(leg), conclude(leg))));
        let text = found.iter().map(|(outline, _)| outline.call_id).collect::<Vec<_>>().concat();
        let Some(slot) = self.texts.get(number).filter(|_| !found.is_empty()) else { return };
        let mut text: &'n [u8] = slot.get_or_init(|| text.into_boxed_slice());
        let mut all = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        for (outline, own) in found {
            let (call_id, rest) = text.split_at_checked(outline.call_id.len()).unwrap_or_default();
            text = rest;
            all.0.push(outline.with_call_id(call_id));
            all.1.push(own);
        }
    }

    /// The legs by first message, and what was concluded of each.
    #[must_use]
    pub fn sorted(self) -> (Vec<Outline<'n>>, Vec<T>) {
        let (mut legs, mut concluded) = self.found.into_inner().unwrap_or_else(PoisonError::into_inner);
        // By time in 32 bits first, as coarse as the span asks: there is no room for large keys.
        let ns = |leg: &Outline<'_>| leg.first().at.ns;
        let begin = legs.iter().map(ns).min().unwrap_or_default();
        let span = legs.iter().map(|leg| ns(leg).abs_diff(begin)).max().unwrap_or_default();
        let coarse = 32_u32.saturating_sub(span.leading_zeros());
        let key = |leg: &Outline<'_>| (ns(leg).abs_diff(begin) >> coarse) as u32;
        let mut order: Vec<(u32, u32)> = legs.iter().map(key).zip(0..).collect();
        let whole =
            |place: u32| legs.get(place as usize).map(|leg: &Outline<'n>| (leg.first(), leg.call_id, leg.nth_use));
        order.par_sort_unstable_by(|(one_key, one), (other_key, other)| {
            one_key.cmp(other_key).then_with(|| whole(*one).cmp(&whole(*other)))
        });
        // Both lists in place, cycle by cycle: there is no room for either twice.
        for start in 0..order.len() {
            let mut to = start;
            while let Some(from) = order.get_mut(to).map(|(_, from)| std::mem::replace(from, to as u32) as usize)
                && from != start
                && from != to
            {
                legs.swap(to, from);
                concluded.swap(to, from);
                to = from;
            }
        }
        (legs, concluded)
    }
}

/// Shows each leg of these calls, call by call.
fn each<'s, 'm: 's>(
    calls: impl Iterator<Item = Call<'s, 'm>>,
    mut reader: dialog::Reader<'_, 'm>,
    mut show: impl FnMut(&mut Leg<'m>),
) {
    let mut messages = Vec::new();
    for call in calls {
        sort(call, &mut messages);
        each_use(&messages, |nth_use, messages| {
            if let Some(leg) = reader.leg(messages, nth_use) {
                show(leg);
            }
        });
    }
}

/// Puts the messages of a call into `messages`, by time.
fn sort<'m>(call: Call<'_, 'm>, messages: &mut Vec<Signalling<'m>>) {
    messages.clear();
    call.read_into(messages);
    // Stable: messages of one packet stay in the order they stood in. Most captures are in order already.
    let order = |message: &Signalling<'m>| (message.at.ns, message.locus);
    if !messages.is_sorted_by_key(order) {
        messages.sort_by_key(order);
    }
}

/// Reads the legs at these places of `outlines` again. They come in no order.
#[must_use]
pub fn again<'a>(
    chosen: &'a Chosen<'_>,
    outlines: &[Outline<'_>],
    places: &[usize],
    settings: &Settings,
) -> Vec<(usize, Leg<'a>)> {
    let wanted = places.iter().filter_map(|place| {
        let outline = outlines.get(*place)?;
        Some((outline.call_id, outline.nth_use, *place))
    });
    let room = || dialog::Reader::new(settings);
    let read = |reader: &mut dialog::Reader<'_, 'a>, (place, nth_use): (usize, u32), messages: &[Signalling<'a>]| {
        reader.leg(messages, nth_use)?;
        Some((place, reader.take()?))
    };
    each_wanted(chosen, wanted, room, read).into_iter().flatten().collect()
}

/// Reads legs again one by one: what one took room for, the next one uses.
pub struct Reader<'s, 'a> {
    reader: dialog::Reader<'s, 'a>,
    messages: Vec<Signalling<'a>>,
}

impl<'s, 'a> Reader<'s, 'a> {
    /// A reader of legs.
    #[must_use]
    pub fn new(settings: &'s Settings) -> Self {
        Self { reader: dialog::Reader::new(settings), messages: Vec::new() }
    }

    /// The leg that is this use of the Call-ID.
    pub fn leg(&mut self, call: Call<'_, 'a>, wanted: u32) -> Option<Leg<'a>> {
        let Self { reader, messages } = self;
        let mut found = None;
        sort(call, messages);
        each_use(messages, |nth_use, messages| {
            if nth_use == wanted && reader.leg(messages, nth_use).is_some() {
                found = reader.take();
            }
        });
        found
    }
}

/// Gives `show` the place, the number of the use, and the messages, by time, of each wanted use of a Call-ID: Call-ID,
/// number of the use, place. Each worker has a `room` for it. What it makes of them comes in no order.
pub(super) fn each_wanted<'a, 'w, S, R: Send>(
    chosen: &'a Chosen<'_>,
    wanted: impl Iterator<Item = (&'w [u8], u32, usize)>,
    room: impl Fn() -> S + Sync + Send,
    show: impl Fn(&mut S, (usize, u32), &[Signalling<'a>]) -> R + Sync,
) -> Vec<R> {
    let mut of_call_id: HashMap<&[u8], Vec<(u32, usize)>, Seed> = HashMap::default();
    for (call_id, nth_use, place) in wanted {
        of_call_id.entry(call_id).or_default().push((nth_use, place));
    }
    if of_call_id.is_empty() {
        return Vec::new();
    }
    let shelves = chosen.shelves();
    let calls: Vec<(Call<'_, 'a>, &[(u32, usize)])> = shelves
        .iter()
        .flat_map(Shelf::calls)
        .filter_map(|call| Some((call, of_call_id.get(call.call_id())?.as_slice())))
        .collect();
    let read = |(messages, room): &mut (Vec<Signalling<'a>>, S), (call, wanted): &(Call<'_, 'a>, &[(u32, usize)])| {
        let mut found = Vec::with_capacity(wanted.len());
        sort(*call, messages);
        each_use(messages, |nth_use, messages| {
            let own = wanted.iter().filter(|(wanted, _)| *wanted == nth_use);
            found.extend(own.map(|(_, place)| show(room, (*place, nth_use), messages)));
        });
        found
    };
    let room = || (Vec::new(), room());
    calls.par_iter().with_min_len(CALLS_AT_ONCE).map_init(room, read).flatten_iter().collect()
}

/// All legs in full, ordered by first message.
#[must_use]
pub fn correlate<'a>(messages: &'a Chosen<'_>, settings: &Settings) -> Vec<Leg<'a>> {
    let of_shelf = |shelf: Shelf<'a>| {
        let mut legs = Vec::new();
        each(shelf.calls(), dialog::Reader::new(settings), |leg| legs.push(leg.clone()));
        legs
    };
    let mut legs: Vec<Leg<'a>> = messages.shelves().into_par_iter().flat_map_iter(of_shelf).collect();
    legs.sort_by_key(|leg| (leg.first, leg.call_id, leg.nth_use));
    legs
}

/// Calls that a worker reads at least at once.
const CALLS_AT_ONCE: usize = 32;

/// Whether a message is an attempt to set up a leg.
pub(super) fn is_initial_invite(message: &Signalling<'_>) -> bool {
    matches!(message.start, StartLine::Request { method: Method::Invite, .. }) && message.to_tag.is_none()
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
    use crate::facts::{CSeq, Hop, MediaDescription, Row, SignallingBatch, Store};

    /// A message in the packet of that number; several may lie in one.
    fn push(
        batch: &mut SignallingBatch,
        call_id: &str,
        record: u64,
        (start, method): (StartLine<'_>, Method),
        tag: &str,
        to: bool,
    ) {
        let at = Timestamp::new(record as i64 * 1_000_000_000, 6);
        let hop = Hop { source: ([203, 0, 113, 1], 5060).into(), destination: ([192, 0, 2, 1], 5060).into() };
        let mut message = Signalling::bare(at, Locus { source: SourceId(0), record }, hop, start);
        message.call_id = call_id.as_bytes();
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
        push(&mut batch, "a@x", 1, request(Method::Invite), "1", false);
        push(&mut batch, "a@x", 1, request(Method::Bye), "1", true);
        push(&mut batch, "a@x", 1, request(Method::Invite), "2", false);
        push(&mut batch, "a@x", 2, request(Method::Bye), "2", true);
        push(&mut batch, "a@x", 3, request(Method::Invite), "3", false);
        let settings = Settings::default();
        let store = Store::default();
        store.give_back(batch);
        let messages = store.finish();
        let chosen = messages.all().expect("nothing to be read");
        let read = correlate(&chosen, &settings);
        let outlines = Outline::of_all(&read);
        assert_eq!(read.iter().map(|leg| leg.nth_use).collect::<Vec<_>>(), [0, 1, 2]);
        for wanted in [vec![0], vec![1], vec![2], vec![2, 0], vec![0, 1, 2]] {
            let mut again = again(&chosen, &outlines, &wanted, &settings);
            again.sort_by_key(|(place, _)| *place);
            let mut wanted = wanted.clone();
            wanted.sort_unstable();
            assert_eq!(again.iter().map(|(place, _)| *place).collect::<Vec<_>>(), wanted);
            for (place, leg) in again {
                assert_eq!(format!("{leg:?}"), format!("{:?}", read[place]));
            }
            // The same one by one.
            let (shelves, mut reader) = (chosen.shelves(), Reader::new(&settings));
            for place in wanted {
                let call = shelves.iter().flat_map(Shelf::calls).next().expect("the only one");
                let leg = reader.leg(call, outlines[place].nth_use).expect("the leg");
                assert_eq!(format!("{leg:?}"), format!("{:?}", read[place]));
            }
        }
    }

    #[test]
    fn outlines_are_sorted_by_first_message_with_what_was_concluded() {
        // Several legs of each instant, out of order, on many shelves.
        let first = |number: u64| number * 91 % 200 / 7;
        let call_id = |number: u64| (number * 7919 % 200).to_string();
        let mut batch = SignallingBatch::default();
        for number in 0..200 {
            push(&mut batch, &call_id(number), first(number), request(Method::Invite), "1", false);
        }
        let store = Store::default();
        store.give_back(batch);
        let messages = store.finish();
        let texts: Vec<OnceLock<Box<[u8]>>> = (0..messages.len()).map(|_| OnceLock::new()).collect();
        let outlines = Outlines::new(&texts, 0);
        let conclude = |leg: &mut Leg<'_>| (leg.call_id.to_vec(), leg.first);
        messages
            .visit(|number, shelf| outlines.add(number, shelf, &Settings::default(), conclude))
            .expect("nothing to be read");
        let (sorted, concluded) = outlines.sorted();
        assert!(sorted.is_sorted_by_key(|leg| (leg.first(), leg.call_id, leg.nth_use)));
        assert_eq!((sorted.len(), concluded.len()), (200, 200));
        for (own, (call_id, at)) in sorted.iter().zip(&concluded) {
            assert_eq!((own.first(), own.call_id), (*at, call_id.as_slice()));
        }
        let mut ids: Vec<Vec<u8>> = concluded.into_iter().map(|(call_id, _)| call_id).collect();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), 200);
    }
}
