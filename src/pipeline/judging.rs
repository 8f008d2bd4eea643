//! Legs judged with all that concerns them beside their own signalling: requests, other legs of their calls, the leg that
//! they replace.
//!
//! Reads again what the [first look](super::look) let go of and such a thing turns out to ask for. The rest stands as it
//! was judged.

use std::collections::{BTreeMap, BTreeSet};

use rayon::iter::{IntoParallelIterator, ParallelIterator};

use super::look;
use crate::call::conversations::Conversations;
use crate::call::identity::{Identity, Link, MOST_LEGS_OF_AN_IDENTIFIER};
use crate::call::{Leg, Legs, Outline};
use crate::facts::ApiRequest;
use crate::report::build::JudgedLeg;
use crate::settings::Settings;
use crate::verdict::{BoundRequest, Consent, State};

/// A leg by its place, and what was concluded of it at the first look.
pub(super) type Kept<'a> = (usize, (Leg<'a>, Option<JudgedLeg>));

/// What concerns legs.
pub(super) struct Concerning<'c> {
    pub(super) settings: &'c Settings,
    pub(super) identity: &'c Identity,
    /// For each leg its requests with their links.
    pub(super) bound: &'c [Vec<(usize, Link)>],
    pub(super) requests: &'c [ApiRequest],
    pub(super) conversations: &'c Conversations,
}

impl Concerning<'_> {
    /// Judges the legs that were kept in full and those that are asked for beside them, by leg.
    pub(super) fn judge<'a>(&self, legs: &Legs<'a>, mut kept: Vec<Kept<'a>>) -> BTreeMap<usize, (Leg<'a>, JudgedLeg)> {
        let missing = self.missing(legs.outlines(), &kept);
        kept.extend(legs.again(&missing, self.settings).into_iter().map(|(place, mut leg)| {
            // Where there is RTP every leg was kept.
            leg.streams.retain(|stream| !stream.if_media);
            (place, (leg, None))
        }));
        kept.sort_unstable_by_key(|(place, _)| *place);
        let replacing = replacing(&kept, (self.identity, legs.outlines()), self.settings);
        let judged: Vec<(usize, (Leg<'a>, JudgedLeg))> = kept
            .into_par_iter()
            .map(|(place, (leg, judged))| {
                let requests = self.requests_of(place);
                let consent = replacing.get(&place);
                let judged = judged
                    .filter(|_| requests.is_empty() && consent.is_none())
                    .unwrap_or_else(|| look::judge(&leg, consent.cloned(), &requests, self.settings));
                (place, (leg, judged))
            })
            .collect();
        judged.into_iter().collect()
    }

    /// The legs that were not kept and are asked for: those of calls that have several legs or any request, and those
    /// that others replace.
    fn missing(&self, outlines: &[Outline<'_>], kept: &[Kept<'_>]) -> Vec<usize> {
        let mut asked_for = vec![false; outlines.len()];
        let mut set = |leg: usize, asked: bool| {
            if let Some(asked_for) = asked_for.get_mut(leg) {
                *asked_for = asked;
            }
        };
        for call in &self.identity.calls {
            let has_requests = |leg: &usize| self.bound.get(*leg).is_some_and(|bound| !bound.is_empty());
            if call.len() > 1 || call.iter().any(has_requests) {
                call.iter().for_each(|leg| set(*leg, true));
            }
        }
        let replaced: BTreeSet<&[u8]> =
            outlines.iter().filter_map(Outline::replaces).map(|(call_id, _)| call_id).collect();
        for call_id in replaced {
            self.identity.bearing(outlines, call_id).iter().for_each(|leg| set(*leg, true));
        }
        kept.iter().for_each(|(leg, _)| set(*leg, false));
        asked_for.into_iter().enumerate().filter_map(|(leg, asked)| asked.then_some(leg)).collect()
    }

    fn requests_of(&self, leg: usize) -> Vec<BoundRequest<'_>> {
        let bound = self.bound.get(leg).into_iter().flatten();
        let request = |(place, link): &(usize, Link)| {
            self.requests.get(*place).map(|request| BoundRequest {
                request,
                strength: link.strength,
                exposes: link.exposes,
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
    full: &[Kept<'_>],
    (identity, outlines): (&Identity, &[Outline<'_>]),
    settings: &Settings,
) -> BTreeMap<usize, Consent> {
    let leg = |place: usize| {
        let known = full.binary_search_by_key(&place, |(place, _)| *place).ok()?;
        full.get(known).map(|(_, (leg, _))| leg)
    };
    let mut consents: BTreeMap<usize, Consent> = BTreeMap::new();
    // Of Call-IDs that more legs bear than an identifier may join: each is asked once, or asking would never end.
    let mut told: BTreeMap<&[u8], Option<&'static str>> = BTreeMap::new();
    for (place, (own, _)) in full {
        let Some((call_id, locus)) = own.replaces else { continue };
        let bearing = identity.bearing(outlines, call_id);
        let known = told.get(call_id).copied();
        let why = known.unwrap_or_else(|| {
            for place in bearing {
                if let Some(leg) = leg(*place) {
                    consents.entry(*place).or_insert_with(|| Consent::of(leg, settings, None));
                }
            }
            replaced(bearing, &consents)
        });
        if bearing.len() > MOST_LEGS_OF_AN_IDENTIFIER {
            told.insert(call_id, why);
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
