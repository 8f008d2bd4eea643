//! Packets that a limit kept from being read, and what that leaves unknown of the legs.
//!
//! What they carried nobody knows: it may have been a request that changes the consent of any leg of their time. So the state
//! of these is unknown from the first of them on, until a message behind the last one speaks (contract §8: a limit never turns
//! into an accusation). Called by the readers of captures, who [add](Unread::add) packets, and wherever a leg is read, to be
//! [marked](Unread::mark).

use crate::call::{Gap, GapKind, Leg};
use crate::evidence::{Locus, Timestamp};

/// The time of the packets that were left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Unread(Option<Stretch>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stretch {
    first: (Timestamp, Locus),
    last: Timestamp,
}

impl Unread {
    /// A packet that was left out.
    pub(crate) fn add(&mut self, at: Timestamp, locus: Locus) {
        self.merge(Self(Some(Stretch { first: (at, locus), last: at })));
    }

    /// All packets from one time to another, the first of which is that.
    pub(crate) fn add_all(&mut self, from: Timestamp, locus: Locus, to: Timestamp) {
        self.add(from, locus);
        self.add(to.max(from), locus);
    }

    /// Those of others, too.
    pub(crate) fn merge(&mut self, other: Self) {
        self.0 = match (self.0, other.0) {
            (Some(own), Some(other)) => {
                Some(Stretch { first: own.first.min(other.first), last: own.last.max(other.last) })
            }
            (own, other) => own.or(other),
        };
    }

    /// Notes in a leg what may be missing from it.
    pub(crate) fn mark(&self, leg: &mut Leg<'_>) {
        let Some(Stretch { first: (first, locus), last }) = self.0 else { return };
        let was_over = leg.ended.is_some_and(|ended| ended.at.ns < first.ns);
        if was_over || last.ns < leg.first.at.ns {
            return;
        }
        let from = first.max(leg.first.at);
        leg.gaps.push(Gap { from, shown: last.max(from), kind: GapKind::Unread, locus });
    }
}
