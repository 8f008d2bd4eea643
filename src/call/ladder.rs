//! The messages of single legs, for reports that show them one by one.
//!
//! Legs keep what they conclude and not the messages they read. Where a report shows a ladder diagram, this reads the
//! messages again for the legs it shows, by the same grouping, so that an audit that shows none pays nothing. Called by
//! `report::messages`.
//!
//! Keeps: a leg's messages here are those that its conclusions rest on, record by record.

use super::copies::without_copies_telling;
use super::legs::each_wanted;
use super::outline::Outline;
use crate::evidence::Locus;
use crate::facts::{Chosen, Signalling};

/// One message of a leg and the records of its copies.
#[derive(Clone, Debug)]
pub struct Rung<'a> {
    /// The message; of several copies the one that the leg was read from.
    pub message: Signalling<'a>,
    /// Retransmissions and second copies, in the order of the evidence.
    pub copies: Vec<Locus>,
}

/// Gives `show` the place and the messages, by time, of each of `legs`; what it makes of them comes back in the order of
/// `legs`, `None` for a leg that is not among the chosen.
pub fn ladders<R: Send>(
    chosen: &Chosen<'_>,
    legs: &[&Outline<'_>],
    show: impl Fn(usize, Vec<Rung<'_>>) -> R + Sync,
) -> Vec<Option<R>> {
    let wanted = legs.iter().enumerate().map(|(place, leg)| (leg.call_id, leg.nth_use, place));
    let shown = each_wanted(chosen, wanted, || (), |(), (place, _), messages| (place, show(place, rungs(messages))));
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
