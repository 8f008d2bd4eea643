//! Legs judged with all that concerns them beside their own signalling: requests, other legs of their calls, the leg that
//! they replace.
//!
//! They are read again, since the [first look](super::look) let go of all legs. The others stand as they were judged there.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use rayon::iter::{IntoParallelIterator, ParallelIterator};

use super::look;
use crate::call::conversations::Conversations;
use crate::call::identity::{Bound, Identity, Link, MOST_LEGS_OF_AN_IDENTIFIER, Replaced};
use crate::call::{Leg, Outline, Transfer};
use crate::facts::ApiRequest;
use crate::report::build::JudgedLeg;
use crate::settings::Settings;
use crate::verdict::{BoundRequest, Consent, State};

/// What concerns legs.
pub(super) struct Concerning<'c> {
    pub(super) settings: &'c Settings,
    pub(super) identity: &'c Identity,
    pub(super) outlines: &'c [Outline<'c>],
    pub(super) bound: &'c Bound,
    pub(super) requests: &'c [ApiRequest],
    pub(super) conversations: &'c Conversations,
}

impl Concerning<'_> {
    /// The legs that are judged with all that concerns them: those that the first look `asked` for, those of calls that
    /// have several legs or any request, and those that others replace. Sorted.
    pub(super) fn concerned(&self, asked: impl Iterator<Item = bool>) -> Vec<usize> {
        let mut asked: Vec<bool> = asked.collect();
        let mut ask = |leg: usize| {
            if let Some(asked) = asked.get_mut(leg) {
                *asked = true;
            }
        };
        for call in self.identity.calls.iter() {
            if call.len() > 1 || call.iter().any(|leg| !self.bound.of_leg(*leg).is_empty()) {
                call.iter().for_each(|leg| ask(*leg));
            }
        }
        let replaced: BTreeSet<&[u8]> =
            self.outlines.iter().filter_map(Outline::replaces).map(|(call_id, _)| call_id).collect();
        for call_id in replaced {
            self.identity.bearing(self.outlines, call_id).iter().for_each(|leg| ask(*leg));
        }
        let transfers: BTreeSet<&Transfer> =
            self.outlines.iter().filter_map(Outline::transferred).map(|(transfer, _)| transfer).collect();
        for transfer in transfers {
            self.identity.asking(transfer).iter().for_each(|leg| ask(*leg));
        }
        asked.into_iter().enumerate().filter_map(|(leg, asked)| asked.then_some(leg)).collect()
    }

    /// Judges the legs that are concerned, which come sorted.
    pub(super) fn judge<'a>(&self, legs: Vec<(usize, Leg<'a>)>) -> BTreeMap<usize, (Leg<'a>, JudgedLeg)> {
        let replacing = replacing(&legs, (self.identity, self.outlines), self.settings);
        let judged: Vec<(usize, (Leg<'a>, JudgedLeg))> = legs
            .into_par_iter()
            .map(|(place, leg)| {
                let (requests, consent) = (self.requests_of(place), replacing.get(&place));
                let judged = look::judge(&leg, consent.cloned(), &requests, self.settings);
                (place, (leg, judged))
            })
            .collect();
        judged.into_iter().collect()
    }

    fn requests_of(&self, leg: usize) -> Vec<BoundRequest<'_>> {
        let bound = self.bound.of_leg(leg).iter();
        let call = || self.identity.conversation_ids(self.identity.calls.of(leg));
        let request = |(place, link): &(usize, Link)| {
            self.requests.get(*place).map(|request| BoundRequest {
                request,
                strength: link.strength,
                exposes: link.exposes && !self.conversations.are_elsewhere(request, call),
                recorded: self.conversations.recorded(request),
            })
        };
        bound.filter_map(request).collect()
    }
}

/// The consent of the legs that replace another, and of those that are replaced. A leg that replaces another and says
/// nothing itself is unknown where the other was granted or cannot be told; the replaced one began earlier, so the order of
/// the legs settles chains. All of them are in `full`, which is sorted.
fn replacing(
    full: &[(usize, Leg<'_>)],
    (identity, outlines): (&Identity, &[Outline<'_>]),
    settings: &Settings,
) -> BTreeMap<usize, Consent> {
    let leg = |place: usize| {
        let known = full.binary_search_by_key(&place, |(place, _)| *place).ok()?;
        full.get(known).map(|(_, leg)| leg)
    };
    let mut consents: BTreeMap<usize, Consent> = BTreeMap::new();
    // Where more legs may be meant than an identifier may join: they are asked once, or asking would never end. The lists
    // are known by where they lie.
    let mut told: HashMap<*const usize, Option<&'static str>> = HashMap::new();
    for (place, own) in full {
        if own.replaces.is_none() && own.transferred.is_none() {
            continue;
        }
        let Some(Replaced { legs, locus }) = identity.replaced(outlines, *place) else { continue };
        let known = told.get(&legs.as_ptr()).copied().filter(|_| legs.len() > MOST_LEGS_OF_AN_IDENTIFIER);
        let why = known.unwrap_or_else(|| {
            for place in &*legs {
                if let Some(leg) = leg(*place) {
                    consents.entry(*place).or_insert_with(|| Consent::of(leg, settings, None));
                }
            }
            replaced(&legs, &consents)
        });
        if legs.len() > MOST_LEGS_OF_AN_IDENTIFIER {
            told.insert(legs.as_ptr(), why);
        }
        if let Some(reason) = why {
            consents.insert(*place, Consent::of(own, settings, Some((reason, locus))));
        }
    }
    consents
}

/// Why the absence of consent in a leg that replaces `bearing` says nothing; `None` when it does.
fn replaced(bearing: &[usize], consents: &BTreeMap<usize, Consent>) -> Option<&'static str> {
    if bearing.is_empty() {
        return Some("replaced_leg_not_captured");
    }
    let ever = |state| bearing.iter().filter_map(|leg| consents.get(leg)).any(|consent| consent.ever(state));
    if ever(State::Granted) {
        Some("replaces_granted_leg")
    } else if ever(State::Unknown) {
        Some("replaces_unknown_leg")
    } else {
        None
    }
}
