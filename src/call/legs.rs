//! Signalling grouped by Call-ID into legs.
//!
//! A Call-ID whose INVITE, or whose INVITE dialog, was seen is a leg. Used anew after its dialog ended, by an initial
//! INVITE with another From tag, it starts another leg (contract §3).

use rayon::iter::{IntoParallelIterator, ParallelIterator};
use rayon::slice::ParallelSliceMut;

use super::dialog;
use super::ledger::{Entry, Gap, SetUp};
use super::offer_answer::Stream;
use super::trunk::Direction;
use crate::evidence::{Locus, Timestamp};
use crate::facts::{Method, Signalling, SignallingBatch, StartLine, Subject};
use crate::settings::Settings;

/// One Call-ID's INVITE dialogs in their role on a trunk.
#[derive(Clone, Debug)]
pub struct Leg<'a> {
    /// Call-ID, byte by byte.
    pub call_id: &'a [u8],
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
    /// The end that was seen: BYE, or CANCEL or final refusal of an unanswered INVITE.
    pub ended: Option<At>,
    /// The final status to the INVITE that counts.
    pub final_status: Option<(u16, Locus)>,
    /// A CANCEL of the INVITE that counts, without a 2xx.
    pub cancelled: Option<Locus>,
    /// The request that set it up.
    pub set_up: SetUp,
    /// Every INVITE, re-INVITE and UPDATE, by time.
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
    /// The Call-IDs that its REFERs name, and the REFERs, by time.
    pub refers: Vec<(Box<[u8]>, At)>,
    /// The identifiers that its messages carry, other than the Call-ID.
    pub identifiers: Vec<Identifier<'a>>,
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

/// Groups messages into legs, ordered by first message.
#[must_use]
pub fn correlate<'a>(batches: &'a [SignallingBatch], settings: &Settings) -> Vec<Leg<'a>> {
    let mut legs: Vec<Leg<'a>> = buckets(batches)
        .into_par_iter()
        .flat_map_iter(|mut bucket| {
            bucket.sort_unstable();
            let mut legs = Vec::with_capacity(bucket.len() / 4);
            let mut messages: Vec<Signalling<'a>> = Vec::new();
            for group in bucket.chunk_by(|one, other| one.0 == other.0) {
                messages.clear();
                messages.extend(
                    group.iter().filter_map(|(_, batch, index)| batches.get(*batch as usize)?.get(*index as usize)),
                );
                // Stable: messages of one packet stay in the order they stood in. Most captures are in order already.
                let order = |message: &Signalling<'a>| (message.call_id, message.at, message.locus);
                if !messages.is_sorted_by_key(order) {
                    messages.sort_by_key(order);
                }
                for alike in messages.chunk_by(|one, other| one.call_id == other.call_id) {
                    each_use(alike, |messages| legs.extend(dialog::leg(messages, settings)));
                }
            }
            legs
        })
        .collect();
    legs.par_sort_unstable_by(|one, other| (one.first, one.call_id).cmp(&(other.first, other.call_id)));
    legs
}

/// Shows the messages of each use of one Call-ID, which come sorted by time.
pub(super) fn each_use<'a>(alike: &[Signalling<'a>], mut show: impl FnMut(&[Signalling<'a>])) {
    match uses(alike).as_slice() {
        [] | [_] => show(alike),
        several => split(alike, several).iter().for_each(|messages| show(messages)),
    }
}

/// The messages by the hash of their Call-ID, as batch and place in it, in buckets that share no Call-ID.
fn buckets(batches: &[SignallingBatch]) -> Vec<Vec<(u64, u32, u32)>> {
    let messages: usize = batches.iter().map(SignallingBatch::len).sum();
    let room = messages / BUCKETS + messages / (4 * BUCKETS);
    let mut buckets: Vec<_> = (0..BUCKETS).map(|_| Vec::with_capacity(room)).collect();
    for (batch, index) in batches.iter().zip(0..) {
        for (hash, place) in batch.call_hashes().zip(0..) {
            if let Some(bucket) = buckets.get_mut(hash as usize % BUCKETS) {
                bucket.push((hash, index, place));
            }
        }
    }
    buckets
}

/// Parts into which the messages are dealt out by Call-ID: small enough to be sorted within the cache.
const BUCKETS: usize = 512;

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
