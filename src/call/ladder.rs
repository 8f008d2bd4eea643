//! The messages of single legs, for reports that show them one by one.
//!
//! Legs keep what they conclude and not the messages they read. Where a report shows a ladder diagram, this reads the
//! batches again for the legs it shows, by the same grouping, so that an audit that shows none pays nothing. Called by
//! `report::build`.
//!
//! Keeps: a leg's messages here are those that its conclusions rest on, record by record.

use hashbrown::HashMap;
use rayon::iter::{IndexedParallelIterator, IntoParallelIterator, ParallelIterator};

use super::copies::without_copies_telling;
use super::dialog::Seed;
use super::legs::{Groups, Leg, each_use};
use crate::evidence::Locus;
use crate::facts::{Signalling, SignallingBatch};

/// One message of a leg and the records of its copies.
#[derive(Clone, Debug)]
pub struct Rung<'a> {
    /// The message; of several copies the one that the leg was read from.
    pub message: Signalling<'a>,
    /// Retransmissions and second copies, in the order of the evidence.
    pub copies: Vec<Locus>,
}

/// Gives `show` the place and the messages, by time, of each of `legs`; what it makes of them comes back in the order of
/// `legs`, `None` for a leg that is not of these batches.
pub fn ladders<R: Send>(
    batches: &[SignallingBatch],
    legs: &[&Leg<'_>],
    show: impl Fn(usize, Vec<Rung<'_>>) -> R + Sync,
) -> Vec<Option<R>> {
    let mut groups: HashMap<&[u8], usize, Seed> = HashMap::default();
    let mut wanted: Vec<Vec<(u32, usize)>> = Vec::new();
    for (place, leg) in legs.iter().enumerate() {
        let group = *groups.entry(leg.call_id).or_insert(wanted.len());
        if group == wanted.len() {
            wanted.push(Vec::new());
        }
        if let Some(group) = wanted.get_mut(group) {
            group.push((leg.nth_use, place));
        }
    }
    let all = Groups::of(batches);
    let mut found: Vec<Option<usize>> = vec![None; wanted.len()];
    for first in all.first() {
        let group = all.call_id(*first, batches).and_then(|call_id| groups.get(call_id));
        if let Some(found) = group.and_then(|group| found.get_mut(*group)) {
            *found = Some(*first);
        }
    }
    let shown: Vec<(usize, R)> = wanted
        .into_par_iter()
        .zip(found)
        .flat_map_iter(|(mut wanted, found)| {
            wanted.sort_unstable();
            let mut messages: Vec<Signalling<'_>> = Vec::new();
            if let Some(first) = found {
                all.messages(first, batches, &mut messages);
            }
            let mut shown = Vec::with_capacity(wanted.len());
            each_use(&messages, |nth_use, messages| {
                let known = wanted.binary_search_by_key(&nth_use, |(nth_use, _)| *nth_use);
                if let Some((_, place)) = known.ok().and_then(|known| wanted.get(known)) {
                    shown.push((*place, show(*place, rungs(messages))));
                }
            });
            shown
        })
        .collect();
    let mut slots: Vec<Option<R>> = legs.iter().map(|_| None).collect();
    for (place, shown) in shown {
        if let Some(slot) = slots.get_mut(place) {
            *slot = Some(shown);
        }
    }
    slots
}

fn rungs<'a>(captured: &[Signalling<'a>]) -> Vec<Rung<'a>> {
    let mut loci: Vec<Vec<Locus>> = Vec::new();
    let messages = without_copies_telling(captured, |place, locus| match loci.get_mut(place) {
        Some(known) => known.push(locus),
        None => loci.push(vec![locus]),
    });
    let rungs = messages.iter().zip(loci).map(|(message, mut copies)| {
        // One packet may hold two copies: only the message's own mention goes.
        if let Some(own) = copies.iter().position(|locus| *locus == message.locus) {
            copies.remove(own);
        }
        Rung { message: *message, copies }
    });
    rungs.collect()
}
