//! What became of consent that was carried towards a trunk: kept by the INVITE that crossed it, or lost on the way.
//!
//! An INVITE of the same call is *upstream* when it was sent earlier and ends where the leg on the trunk begins: at the
//! address that sent the leg's INVITE, or, both ends being the carrier's side of that trunk by the configuration, within
//! it; and so on backwards, hop by hop. It may be another leg (a B2BUA) or an earlier hop of the same one (a proxy). Of
//! several attempts on one hop the last before the INVITE in question is read. Called by [`super::population`].
//!
//! Deliberately says nothing where an end is unseen: a leg whose consent is unknown, or an INVITE that no captured
//! address ties to the leg, gives no passage. A leg that itself denies gives none either: there the field arrived.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::population::{Judged, Material};
use crate::call::legs::At;
use crate::call::{Entry, Field, SetUp};
use crate::evidence::Locus;
use crate::facts::{Chosen, Hop};
use crate::settings::{ConsentRule, Settings, Trunk, TrunkKind};
use crate::verdict::State;
use crate::verdict::consent::meaning;

/// INVITEs upstream of one leg that are looked at, the latest first. More hops are an attack, not a call.
const MOST_UPSTREAM: usize = 64;

/// Consent that an INVITE carried towards a trunk, and the INVITE that crossed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Passage {
    /// The INVITE upstream that carried consent, the nearest one.
    pub upstream: At,
    /// The INVITE that crossed the trunk.
    pub here: At,
    /// Whether that one carries consent still; else it is missing or says nothing valid.
    pub kept: bool,
}

/// An initial INVITE of a call.
#[derive(Clone, Copy)]
struct Invite {
    leg: usize,
    at: At,
    granted: bool,
}

/// One that may stand upstream of another leg's, or of its leg's own on another hop.
struct Candidate<'e, 'a> {
    leg: usize,
    at: At,
    entry: &'e Entry<'a>,
}

/// The passages of all legs on BYOC trunks, by leg; and the INVITEs upstream of which more may have carried consent than
/// are looked at.
pub(super) fn passages(material: &Material<'_, '_>) -> (BTreeMap<usize, Passage>, Vec<At>) {
    let invite = |Candidate { leg, at, entry }: &Candidate<'_, '_>| Invite {
        leg: *leg,
        at: *at,
        granted: grants(entry, &material.settings.rules),
    };
    // Addresses are read only where they decide something: most calls are one leg on one hop.
    let mut open: Vec<(usize, At, bool, Vec<Invite>)> = Vec::new();
    let mut candidates: Vec<Candidate<'_, '_>> = Vec::new();
    let mut limited = Vec::new();
    for call in material.calls {
        let legs = || call.iter().filter_map(|place| Some((*place, material.judged.get(place)?)));
        candidates.clear();
        for (leg, judged) in legs().filter(|(_, judged)| judged.leg.recording_session.is_none()) {
            let initial = judged.leg.ledger.iter().filter(|entry| entry.initial);
            candidates.extend(initial.map(|entry| Candidate {
                leg,
                at: At { at: entry.at, locus: entry.locus },
                entry,
            }));
        }
        candidates.sort_unstable_by_key(|candidate| candidate.at);
        let rules = &material.settings.rules;
        let first_granted = candidates.iter().position(|candidate| grants(candidate.entry, rules));
        for (place, judged) in legs() {
            let Some((here, kept)) = crossing(judged, material.settings) else { continue };
            let earlier = candidates.partition_point(|candidate| candidate.at.at.ns <= here.at.ns);
            let is_other = |candidate: &&Candidate<'_, '_>| {
                candidate.at.locus != here.locus && (candidate.leg != place || !candidate.entry.counts)
            };
            let mut latest = candidates.iter().enumerate().take(earlier).rev().filter(|(_, other)| is_other(other));
            let others: Vec<Invite> = latest.by_ref().take(MOST_UPSTREAM).map(|(_, other)| invite(other)).collect();
            if latest.next().is_some_and(|(place, _)| first_granted.is_some_and(|granted| granted <= place)) {
                limited.push(here);
            }
            if others.iter().any(|invite| invite.granted) {
                open.push((place, here, kept, others));
            }
        }
    }
    let wanted = open.iter().flat_map(|(_, here, _, others)| others.iter().map(|invite| invite.at).chain([*here]));
    let hops = hops(wanted.map(|at| at.locus).collect(), material.chosen);
    let found = open.iter().filter_map(|(place, here, kept, others)| {
        let trunk = material.judged.get(place)?.leg.trunk.and_then(|trunk| material.settings.trunks.get(trunk))?;
        let upstream = upstream(*here, others, &hops, trunk)?;
        Some((*place, Passage { upstream, here: *here, kept: *kept }))
    });
    (found.collect(), limited)
}

/// The INVITE of a leg that crossed a BYOC trunk, and whether it carries consent; `None` where that says nothing.
fn crossing(judged: &Judged<'_, '_>, settings: &Settings) -> Option<(At, bool)> {
    let leg = judged.leg;
    if leg.recording_session.is_some() || leg.kind(settings) != TrunkKind::Byoc {
        return None;
    }
    let SetUp::Entry(entry) = leg.set_up else { return None };
    let entry = leg.ledger.get(entry)?;
    let kept = match judged.consent.initial {
        State::Granted => true,
        State::Invalid | State::Missing => false,
        State::Denied | State::Unknown => return None,
    };
    Some((At { at: entry.at, locus: entry.locus }, kept))
}

/// Whether an INVITE carries consent by every row of a rule's field. Of whatever direction: towards the carrier's side an
/// upstream leg may look outbound, where the absence of the field says nothing, but here it is present.
fn grants(entry: &Entry<'_>, rules: &[ConsentRule]) -> bool {
    let granted = |field: &Field<'_>| {
        let rule = rules.get(usize::from(field.rule));
        rule.is_some_and(|rule| meaning(rule, field) == State::Granted)
    };
    !entry.fields.is_empty() && entry.fields.iter().all(granted)
}

/// Where each of these records went.
fn hops(mut wanted: Vec<Locus>, chosen: &Chosen<'_>) -> BTreeMap<Locus, Hop> {
    wanted.sort_unstable();
    wanted.dedup();
    if wanted.is_empty() {
        return BTreeMap::new();
    }
    let hops = chosen.messages().map(|message| (message.locus, message.hop));
    hops.filter(|(locus, _)| wanted.binary_search(locus).is_ok()).collect()
}

/// The nearest INVITE upstream of `here` that carried consent. `others` are sorted, the latest first.
fn upstream(here: At, others: &[Invite], hops: &BTreeMap<Locus, Hop>, trunk: &Trunk) -> Option<At> {
    type Way = (usize, IpAddr, IpAddr);
    let ways: Vec<Option<Way>> = others
        .iter()
        .map(|invite| {
            let hop = hops.get(&invite.at.locus)?;
            Some((invite.leg, hop.source.ip(), hop.destination.ip()))
        })
        .collect();
    let mut seen: Vec<Way> = Vec::new();
    // What is still to be followed back: where it begins, and when.
    let mut open = vec![(hops.get(&here.locus)?.source.ip(), here)];
    let mut next = 0;
    let mut nearest: Option<At> = None;
    while let Some((begins, before)) = open.get(next).copied() {
        for (invite, way) in others.iter().zip(&ways) {
            let Some(way @ (_, source, destination)) = *way else { continue };
            if invite.at >= before || seen.contains(&way) || !ends_at(destination, begins, trunk, next == 0) {
                continue;
            }
            seen.push(way);
            open.push((source, invite.at));
            if invite.granted {
                nearest = nearest.max(Some(invite.at));
            }
        }
        if nearest.is_some() {
            return nearest;
        }
        next += 1;
    }
    None
}

/// Whether what ends at `destination` ends where what `begins` there does.
fn ends_at(destination: IpAddr, begins: IpAddr, trunk: &Trunk, at_trunk: bool) -> bool {
    let carrier = |address: IpAddr| trunk.addresses.iter().any(|network| network.contains(address));
    destination == begins || (at_trunk && carrier(destination) && carrier(begins))
}
