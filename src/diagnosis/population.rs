//! Calls as the diagnosis counts them: one call for one client, with the group it is in and what it was answered.
//!
//! The unit of contract §5. Built once, by [`Population::of`], from judged legs and bound requests; read by every
//! hypothesis and by the report's table of each trunk, so that there is one way of grouping. Concludes nothing: a
//! population can as well be written down by hand, as the tests do.
//!
//! Keeps: a recording session is in no group, a call of partial or unknown consent is in no group, and polling one call
//! a thousand times is still one call.

use std::collections::BTreeMap;

use rayon::prelude::*;

use super::contingency::Counts;
use super::passage::{self, Passage};
use super::platform;
use crate::call::conversations::{Conversations, Known};
use crate::call::identity::{Binding, Bound, Identity, Unbound};
use crate::call::inventory::Inventory;
use crate::call::legs::At;
use crate::call::registration::{Health, Registration};
use crate::call::{Leg, SetUp};
use crate::facts::{Answerer, ApiRequest, CallFlow, Chosen};
use crate::settings::{Settings, TrunkKind};
use crate::verdict::{Consent, Measured, State, is_without_media};

/// What earlier stages give.
#[derive(Clone, Copy)]
#[expect(missing_debug_implementations, reason = "a bundle of references for one call")]
pub struct Material<'m, 'a> {
    /// The settings.
    pub settings: &'m Settings,
    /// The signalling of the legs that are judged: where the INVITEs of several hops went.
    pub chosen: &'m Chosen<'m>,
    /// What is concluded, by leg: of the legs of calls that were asked for, that have several legs, or whose INVITE was
    /// seen on several hops. Others are not counted.
    pub judged: &'m BTreeMap<usize, Judged<'m, 'a>>,
    /// The calls to count, each by its legs: those in the time range of which a leg is judged.
    pub calls: &'m [&'m [usize]],
    /// The recording requests, by time.
    pub requests: &'m [ApiRequest],
    /// What each is bound to.
    pub bindings: &'m [Binding],
    /// For each whether it is in the time range.
    pub requests_in_range: &'m [bool],
    /// For each leg its requests with their links.
    pub bound: &'m Bound,
    /// The trunks' registrations, by time.
    pub registrations: &'m [Registration],
    /// For each trunk of the settings its OPTIONS.
    pub health: &'m [Health],
    /// Which conversations the calls belong to.
    pub identity: &'m Identity,
    /// What the platform's exports state of conversations.
    pub conversations: &'m Conversations,
    /// What they state of trunks.
    pub inventory: &'m Inventory<'m>,
    /// The flows that they hold.
    pub flows: &'m [CallFlow],
}

/// What is concluded of one leg, as far as the diagnosis asks.
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Judged<'m, 'a> {
    pub leg: &'m Leg<'a>,
    pub consent: &'m Consent,
    pub measured: &'m Measured,
}

/// All calls of the evidence that say anything about the refusals.
#[derive(Clone, Debug)]
pub struct Population<'m> {
    /// The settings: trunks, rules, the clock skew.
    pub settings: &'m Settings,
    /// Calls that were asked for, or on which consent can be followed over several hops.
    pub calls: Vec<Standing>,
    /// One call for one client each.
    pub units: Vec<Unit<'m>>,
    /// Refused recording requests that no leg explains.
    pub loose: Vec<Loose<'m>>,
    /// Recording requests for calls whose signalling was not captured.
    pub hidden: Hidden,
    /// Every recording request, of every status, in the time range or not: what the API is seen to have.
    pub requests: &'m [ApiRequest],
    /// The trunks' registrations, by time.
    pub registrations: &'m [Registration],
    /// For each trunk of the settings its OPTIONS.
    pub health: &'m [Health],
    /// What the platform's exports state of trunks.
    pub inventory: &'m Inventory<'m>,
    /// The flows that they hold.
    pub flows: &'m [CallFlow],
    /// What became of consent that was carried towards a trunk, by leg.
    pub passages: BTreeMap<usize, Passage>,
    /// The INVITEs on a trunk upstream of which more may have carried consent than are looked at.
    pub beyond_passages: Vec<At>,
}

/// Where one call stands.
#[derive(Clone, Debug, Default)]
pub struct Standing {
    /// What its legs show, recording sessions left out, by trunk.
    pub crossings: Vec<Crossing>,
    /// Whether it is in the control group: all its legs are on standard trunks.
    pub control: bool,
    /// Whether a recording request asked for it, whatever it was answered.
    pub asked: bool,
    /// What the platform's exports state of it; `None` where they do not describe it.
    pub known: Option<Known>,
}

/// What a call's legs on one trunk show.
#[derive(Clone, Debug, Default)]
pub struct Crossing {
    /// The trunk, by its index in the settings; `None` for legs that no trunk fits.
    pub trunk: Option<usize>,
    /// The group that all its legs with media on the trunk agree on; `None` where they do not, where their consent is
    /// partial or unknown, and where none had media.
    pub group: Option<Group>,
    /// Whether some leg carried an invalid value at any time.
    pub carried_invalid: bool,
    /// Whether it was not seen what some leg carried at some time: a value may have been invalid.
    pub unseen: bool,
    /// Whether the call may be one with consent though it is in no group: what a leg carried was not seen, or one that
    /// carried consent may have had media that was not seen.
    pub may_be_consented: bool,
    /// The same of a call without consent.
    pub may_be_unconsented: bool,
    /// The INVITEs that set the legs up; the first message where one was not captured.
    pub invites: Vec<At>,
    /// What became of consent that was carried towards the trunk.
    pub passages: Vec<Passage>,
}

/// The groups of calls on one trunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    /// Consent throughout the media.
    Consented,
    /// No consent throughout the media: missing, denied or invalid.
    Unconsented {
        /// Every leg carried an invalid value throughout.
        invalid: bool,
    },
}

/// One call for one client.
#[derive(Clone, Debug)]
pub struct Unit<'m> {
    /// The call, by its index in [`Population::calls`].
    pub call: usize,
    /// Who asked; `None` where the log does not say.
    pub client: Option<&'m [u8]>,
    /// The recording requests answered 403 or 2xx. At least one.
    answers: Vec<Answer<'m>>,
    /// Read off the answers once: every hypothesis asks for it.
    outcome: Outcome,
    first: Option<At>,
}

/// One recording request and its answer.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'m> {
    /// The request.
    pub request: &'m ApiRequest,
    /// Who answered; `None` where its record does not tell.
    pub answered_by: Option<Answerer>,
}

impl<'m> Answer<'m> {
    /// The answer that a record states.
    #[must_use]
    pub fn of(request: &'m ApiRequest) -> Self {
        Self { request, answered_by: platform::answered_by(request) }
    }
}

/// A refused recording request that no leg explains.
#[derive(Clone, Copy, Debug)]
pub struct Loose<'m> {
    /// The request and its answer.
    pub answer: Answer<'m>,
    /// The trunk that it names; `None` where it is bound to nothing.
    pub trunk: Option<usize>,
}

/// Recording requests for calls that may lie in a BYOC trunk's encrypted signalling: on which trunk and with which
/// consent was not seen.
#[derive(Clone, Copy, Debug, Default)]
pub struct Hidden {
    /// Of whatever answer.
    pub asked: u64,
    /// Answered 403.
    pub refused: u64,
}

/// What one call was answered for one client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the contract's words")]
pub enum Outcome {
    Refused,
    Allowed,
    Mixed,
}

impl<'m> Unit<'m> {
    /// One call for one client, which was answered so: requests answered 403 or 2xx, at least one; others are left out.
    #[must_use]
    pub fn new(call: usize, client: Option<&'m [u8]>, mut answers: Vec<Answer<'m>>) -> Self {
        let (mut refused, mut allowed, mut first) = (false, false, None);
        answers.retain(|answer| answer.request.is_refused() || answer.request.is_allowed());
        for request in answers.iter().map(|answer| answer.request) {
            refused |= request.is_refused();
            allowed |= request.is_allowed();
            let at = request.at.map(|at| At { at, locus: request.locus });
            first = [first, at].into_iter().flatten().min();
        }
        let outcome = match (refused, allowed) {
            (true, true) => Outcome::Mixed,
            (true, false) => Outcome::Refused,
            (false, _) => Outcome::Allowed,
        };
        Self { call, client, answers, outcome, first }
    }

    /// Refused, allowed, or both.
    #[must_use]
    pub const fn outcome(&self) -> Outcome {
        self.outcome
    }

    /// Its first request.
    #[must_use]
    pub const fn first(&self) -> Option<At> {
        self.first
    }

    /// Its requests that were refused or allowed.
    #[must_use]
    pub fn answers(&self) -> &[Answer<'m>] {
        &self.answers
    }

    /// Its refused requests.
    pub fn refusals(&self) -> impl Iterator<Item = Answer<'m>> {
        self.answers.iter().copied().filter(|answer| answer.request.is_refused())
    }

    /// Its allowed requests.
    pub fn allowances(&self) -> impl Iterator<Item = Answer<'m>> {
        self.answers.iter().copied().filter(|answer| answer.request.is_allowed())
    }
}

impl Standing {
    /// What its legs on `trunk` show; `None` where none crossed it.
    #[must_use]
    pub fn on(&self, trunk: impl Into<Option<usize>>) -> Option<&Crossing> {
        let trunk = trunk.into();
        self.crossings.iter().find(|crossing| crossing.trunk == trunk)
    }
}

impl Counts {
    /// Counts one unit.
    pub fn add(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Refused => self.refused += 1,
            Outcome::Allowed => self.allowed += 1,
            Outcome::Mixed => self.mixed += 1,
        }
    }
}

/// The consent of a leg as one word (contract §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// This state throughout the media, or the gravest of several; without media that of the INVITE that counts.
    State(State),
    /// Granted covered a part of the media, and denied, missing or invalid another.
    Partial,
}

impl Held {
    /// What held in a leg of this consent.
    #[must_use]
    pub fn of(consent: &Consent, measured: &Measured) -> Self {
        if measured.total_ns() == 0 {
            return Self::State(consent.initial);
        }
        if measured.of(State::Granted) > 0 && measured.unconsented_ns() > 0 {
            return Self::Partial;
        }
        let held = |state: &State| measured.of(*state) > 0;
        [State::Unknown, State::Denied, State::Invalid, State::Missing, State::Granted]
            .into_iter()
            .find(held)
            .map_or(Self::State(State::Unknown), Self::State)
    }

    /// The word the report uses.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::State(state) => state.name(),
            Self::Partial => "partial",
        }
    }

    const fn group(self) -> Option<Group> {
        match self {
            Self::State(State::Granted) => Some(Group::Consented),
            Self::State(State::Invalid) => Some(Group::Unconsented { invalid: true }),
            Self::State(State::Denied | State::Missing) => Some(Group::Unconsented { invalid: false }),
            Self::State(State::Unknown) | Self::Partial => None,
        }
    }
}

impl<'m> Population<'m> {
    /// Counts the calls of `material`.
    #[must_use]
    pub fn of(material: &Material<'m, '_>) -> Self {
        let (passages, beyond_passages) = passage::passages(material);
        let counted: Vec<(Standing, Vec<Unit<'m>>)> = material
            .calls
            .par_iter()
            .filter_map(|call| {
                let asked = call.iter().any(|leg| !material.bound.of_leg(*leg).is_empty());
                // What a recording session's leg passes on is no passage of the call.
                let followed = call.iter().any(|leg| passages.contains_key(leg));
                let standing =
                    (asked || followed).then(|| Standing { asked, ..standing(material, call, &passages) })?;
                Some((standing, units(material, call)))
            })
            .filter(|(standing, _)| {
                standing.asked || standing.crossings.iter().any(|crossing| !crossing.passages.is_empty())
            })
            .collect();
        let mut calls = Vec::with_capacity(counted.len());
        let mut all = Vec::new();
        for (standing, units) in counted {
            all.extend(units.into_iter().map(|unit| Unit { call: calls.len(), ..unit }));
            calls.push(standing);
        }
        let asked = material.requests.iter().zip(material.bindings).zip(material.requests_in_range);
        let (mut loose, mut hidden) = (Vec::new(), Hidden::default());
        for ((request, binding), _) in asked.filter(|(_, in_range)| **in_range) {
            let trunk = match binding {
                Binding::Legs(_) => continue,
                Binding::Trunk(trunk) => Some(*trunk),
                Binding::Nothing(reason) => {
                    hidden.asked += u64::from(*reason == Unbound::SignallingNotCaptured);
                    hidden.refused += u64::from(*reason == Unbound::SignallingNotCaptured && request.is_refused());
                    None
                }
            };
            if request.is_refused() {
                loose.push(Loose { answer: Answer::of(request), trunk });
            }
        }
        Self {
            settings: material.settings,
            calls,
            units: all,
            loose,
            hidden,
            requests: material.requests,
            registrations: material.registrations,
            health: material.health,
            inventory: material.inventory,
            flows: material.flows,
            passages,
            beyond_passages,
        }
    }

    /// The units whose call crossed `trunk`, with what its legs there show.
    pub fn on(&self, trunk: impl Into<Option<usize>>) -> impl Iterator<Item = (&Unit<'m>, &Crossing)> {
        let trunk = trunk.into();
        self.units.iter().filter_map(move |unit| Some((unit, self.calls.get(unit.call)?.on(trunk)?)))
    }

    /// The units of the control group.
    pub fn control(&self) -> impl Iterator<Item = (&Unit<'m>, &Standing)> {
        let standing = |unit: &Unit<'m>| self.calls.get(unit.call).filter(|standing| standing.control);
        self.units.iter().filter_map(move |unit| Some((unit, standing(unit)?)))
    }

    /// The units on `trunk` whose group fits, counted by outcome.
    #[must_use]
    pub fn count(&self, trunk: impl Into<Option<usize>>, fits: impl Fn(Group) -> bool) -> Counts {
        let mut counts = Counts::default();
        for (unit, crossing) in self.on(trunk) {
            if crossing.group.is_some_and(&fits) {
                counts.add(unit.outcome());
            }
        }
        counts
    }
}

/// Where a call stands.
fn standing(material: &Material<'_, '_>, call: &[usize], passages: &BTreeMap<usize, Passage>) -> Standing {
    let mut crossings: BTreeMap<Option<usize>, (Crossing, Agreement)> = BTreeMap::new();
    let mut control = None;
    for place in call {
        let Some(judged) = material.judged.get(place) else { continue };
        let leg = judged.leg;
        if leg.recording_session.is_some() {
            continue;
        }
        let standard = leg.kind(material.settings) == TrunkKind::Standard;
        control = Some(control.unwrap_or(true) && standard);
        let (crossing, agreement) = crossings
            .entry(leg.trunk)
            .or_insert_with(|| (Crossing { trunk: leg.trunk, ..Crossing::default() }, Agreement::Silent));
        crossing.invites.push(set_up(leg));
        crossing.passages.extend(passages.get(place).copied());
        crossing.carried_invalid |= judged.consent.ever(State::Invalid);
        let unseen = judged.consent.ever(State::Unknown) && Consent::is_asked(leg, material.settings);
        crossing.unseen |= unseen;
        let silent = judged.measured.total_ns() == 0;
        if !silent {
            *agreement = agreement.with(Held::of(judged.consent, judged.measured).group());
        }
        if !is_without_media(leg, judged.measured) {
            let may_be = |state: State| unseen || (silent && judged.consent.ever(state));
            crossing.may_be_consented |= may_be(State::Granted);
            crossing.may_be_unconsented |= State::UNCONSENTED.into_iter().any(may_be);
        }
    }
    let crossings = crossings.into_values().map(|(crossing, agreement)| {
        let group = agreement.group();
        let may_be = |of_a_leg: bool| group.is_none() && of_a_leg;
        let (may_be_consented, may_be_unconsented) =
            (may_be(crossing.may_be_consented), may_be(crossing.may_be_unconsented));
        Crossing { group, may_be_consented, may_be_unconsented, ..crossing }
    });
    let known = || material.conversations.known(&material.identity.conversation_ids(call));
    let known = (!material.conversations.is_empty()).then(known).flatten();
    Standing { crossings: crossings.collect(), control: control.unwrap_or(false), asked: false, known }
}

/// What the legs of a call agree on so far.
#[derive(Clone, Copy)]
enum Agreement {
    /// None had media.
    Silent,
    On(Group),
    Off,
}

impl Agreement {
    fn with(self, group: Option<Group>) -> Self {
        match (self, group) {
            (Self::Off, _) | (_, None) => Self::Off,
            (Self::Silent, Some(group)) => Self::On(group),
            (Self::On(Group::Unconsented { invalid: one }), Some(Group::Unconsented { invalid: other })) => {
                Self::On(Group::Unconsented { invalid: one && other })
            }
            (Self::On(known), Some(group)) if known == group => self,
            (Self::On(_), Some(_)) => Self::Off,
        }
    }

    const fn group(self) -> Option<Group> {
        match self {
            Self::On(group) => Some(group),
            Self::Silent | Self::Off => None,
        }
    }
}

/// The INVITE that set a leg up, or its first message.
fn set_up(leg: &Leg<'_>) -> At {
    match leg.set_up {
        SetUp::Entry(entry) => leg.ledger.get(entry).map_or(leg.first, |entry| At { at: entry.at, locus: entry.locus }),
        SetUp::NotCaptured(_) => leg.first,
    }
}

/// The call for each client that was refused or allowed, by client. The call's own index is filled in later.
fn units<'m>(material: &Material<'m, '_>, call: &[usize]) -> Vec<Unit<'m>> {
    let bound = call.iter().flat_map(|leg| material.bound.of_leg(*leg));
    let mut places: Vec<usize> = bound.map(|(request, _)| *request).collect();
    places.sort_unstable();
    places.dedup();
    let mut by_client: BTreeMap<Option<&[u8]>, Vec<Answer<'m>>> = BTreeMap::new();
    for request in places.into_iter().filter_map(|place| material.requests.get(place)) {
        if request.is_refused() || request.is_allowed() {
            by_client.entry(request.client()).or_default().push(Answer::of(request));
        }
    }
    by_client.into_iter().map(|(client, answers)| Unit::new(0, client, answers)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::sample::{Capture, PBX, SG1, counts, message, settings};
    use super::*;

    const GRANTED: &str = "X-Genesys-Recording-Consent: true\r\n";
    const ODD: &str = "X-Genesys-Recording-Consent: perhaps\r\n";

    /// The carrier's side and the platform's, of the trunk in question and of the standard one.
    const CARRIER: &str = "10.1.0.1";
    const PLATFORM: &str = "10.2.0.1";
    const PBX_SIDE: &str = "10.3.0.1";
    const PBX_PLATFORM: &str = "10.4.0.1";

    /// The groups on SG1 and the control, call by call.
    fn groups(capture: &Capture) -> Vec<(Option<Option<Group>>, bool)> {
        capture.population(&settings(), |population| {
            let of = |standing: &Standing| (standing.on(SG1).map(|crossing| crossing.group), standing.control);
            population.calls.iter().map(of).collect()
        })
    }

    #[test]
    fn a_call_is_in_the_group_its_legs_with_media_agree_on() {
        for (one, other, expected) in [
            (GRANTED, GRANTED, Some(Group::Consented)),
            (GRANTED, "", None),
            ("", "", Some(Group::Unconsented { invalid: false })),
            ("", ODD, Some(Group::Unconsented { invalid: false })),
            (ODD, ODD, Some(Group::Unconsented { invalid: true })),
        ] {
            let mut capture = Capture::default();
            capture.call(0, CARRIER, PLATFORM, "a", [one, "x-inin-cnv: c\r\n"]);
            capture.call(20, CARRIER, PLATFORM, "b", [other, "x-inin-cnv: c\r\n"]);
            capture.asked(60, "a", Some("crm"), 403);
            assert_eq!(groups(&capture), [(Some(expected), false)], "{one:?} {other:?}");
        }
    }

    #[test]
    fn a_leg_without_media_has_no_say() {
        let mut capture = Capture::default();
        capture.call(0, CARRIER, PLATFORM, "a", [GRANTED, "x-inin-cnv: c\r\n"]);
        let invite = message("INVITE sip:1@platform SIP/2.0", "b", CARRIER, "1 INVITE", "x-inin-cnv: c\r\n", true);
        capture.message(20, CARRIER, PLATFORM, invite);
        capture.message(21, PLATFORM, CARRIER, message("SIP/2.0 486 Busy", "b", CARRIER, "1 INVITE", "", false));
        capture.asked(60, "a", Some("crm"), 403);
        assert_eq!(groups(&capture), [(Some(Some(Group::Consented)), false)]);
    }

    #[test]
    fn the_control_is_calls_on_standard_trunks_alone() {
        let mut capture = Capture::default();
        capture.call(0, PBX_SIDE, PBX_PLATFORM, "a", ["", "x-inin-cnv: 1\r\n"]);
        capture.call(20, PBX_SIDE, PBX_PLATFORM, "b", ["", "x-inin-cnv: 2\r\n"]);
        capture.call(40, CARRIER, PLATFORM, "c", ["", "x-inin-cnv: 2\r\n"]);
        capture.call(60, "192.0.2.1", "192.0.2.2", "d", ["", ""]);
        for call_id in ["a", "b", "d"] {
            capture.asked(100, call_id, Some("crm"), 200);
        }
        let missing = Some(Some(Group::Unconsented { invalid: false }));
        assert_eq!(groups(&capture), [(None, true), (missing, false), (None, false)]);
        capture.population(&settings(), |population| assert_eq!(population.count(None, |_| true), Counts::default()));
    }

    #[test]
    fn a_call_of_which_not_all_was_seen_may_be_in_a_group() {
        let invite = |from: &str, rows| message("INVITE sip:1@platform SIP/2.0", "a", from, "1 INVITE", rows, true);
        let answer = |status| message(status, "a", CARRIER, "1 INVITE", "", false);
        let check = |messages: &[(&str, &str, String)], expected: [bool; 3]| {
            let mut capture = Capture::default();
            for ((from, to, message), at) in messages.iter().zip(0..) {
                capture.message(at, from, to, message.clone());
            }
            capture.asked(60, "a", Some("crm"), 404);
            capture.population(&settings(), |population| {
                let crossing = population.calls[0].on(SG1).expect("a crossing");
                assert_eq!(crossing.group, None);
                let found = [crossing.unseen, crossing.may_be_consented, crossing.may_be_unconsented];
                assert_eq!(found, expected, "{messages:?}");
                assert!(population.calls[0].asked && population.units.is_empty());
            });
        };
        // The INVITE was not captured.
        check(
            &[(CARRIER, PLATFORM, message("BYE sip:1@platform SIP/2.0", "a", CARRIER, "2 BYE", "", false))],
            [true, true, true],
        );
        // Its answer was not, and media may have flowed.
        check(&[(CARRIER, PLATFORM, invite(CARRIER, ""))], [false, false, true]);
        check(&[(CARRIER, PLATFORM, invite(CARRIER, GRANTED))], [false, true, false]);
        // No media flowed.
        let refused = (PLATFORM, CARRIER, answer("SIP/2.0 486 Busy"));
        check(&[(CARRIER, PLATFORM, invite(CARRIER, "")), refused], [false, false, false]);
        // Of calls in this direction no rule speaks.
        check(&[(PLATFORM, CARRIER, invite(PLATFORM, ""))], [false, false, false]);
    }

    #[test]
    fn a_recording_session_does_not_count() {
        let mut capture = Capture::default();
        capture.call(0, CARRIER, PLATFORM, "a", [GRANTED, "x-inin-cnv: 1\r\n"]);
        capture.call(1, CARRIER, PLATFORM, "rs", ["Require: siprec\r\n", "x-inin-cnv: 1\r\n"]);
        capture.call(40, PBX_SIDE, PBX_PLATFORM, "rs-alone", ["Require: siprec\r\n", ""]);
        capture.asked(100, "a", Some("crm"), 200).asked(100, "rs-alone", Some("crm"), 200);
        assert_eq!(groups(&capture), [(Some(Some(Group::Consented)), false), (None, false)]);
    }

    #[test]
    fn one_call_for_one_client_is_one_unit_however_often_it_is_polled() {
        let mut capture = Capture::default();
        capture.call(0, CARRIER, PLATFORM, "a", ["", ""]);
        capture.call(20, CARRIER, PLATFORM, "b", ["", ""]);
        capture.call(40, CARRIER, PLATFORM, "c", ["", ""]);
        for at in 100..200 {
            capture.asked(at, "a", Some("crm"), 403);
        }
        capture.asked(200, "a", Some("archiver"), 200).asked(201, "a", None, 202);
        capture.asked(202, "b", Some("crm"), 403).asked(203, "b", Some("crm"), 200);
        capture.asked(204, "c", Some("crm"), 404).asked(205, "c", Some("crm"), 429);
        capture.population(&settings(), |population| {
            let all = population.count(SG1, |_| true);
            assert_eq!(all, Counts { mixed: 1, ..counts(1, 2) });
            assert_eq!(population.units.len(), 4);
            assert_eq!(population.calls.len(), 3);
            assert_eq!(population.count(PBX, |_| true), Counts::default());
        });
    }

    #[test]
    fn consent_lost_by_a_b2bua_between_two_legs() {
        let mut capture = Capture::default();
        capture.call(0, "198.51.100.7", CARRIER, "outside", [GRANTED, "x-inin-cnv: 1\r\n"]);
        capture.call(1, CARRIER, PLATFORM, "inside", ["", "x-inin-cnv: 1\r\n"]);
        let passages = passages(&capture);
        assert_eq!(passages, [(1, 4, false)]);
    }

    #[test]
    fn consent_kept_on_the_next_hop_of_one_leg() {
        for (rows, kept) in [(GRANTED, true), ("", false), (ODD, false)] {
            let mut capture = Capture::default();
            let invite =
                |rows: &str| message("INVITE sip:1@platform SIP/2.0", "a", "198.51.100.7", "1 INVITE", rows, true);
            capture.message(0, "198.51.100.7", CARRIER, invite(GRANTED));
            capture.message(1, CARRIER, PLATFORM, invite(rows));
            assert_eq!(passages(&capture), [(1, 2, kept)], "{rows:?}");
        }
    }

    #[test]
    fn upstream_ends_where_the_leg_begins() {
        let mut capture = Capture::default();
        // Ends elsewhere, comes later, or belongs to no call of the leg.
        capture.call(0, "198.51.100.7", "198.51.100.8", "elsewhere", [GRANTED, "x-inin-cnv: 1\r\n"]);
        capture.call(1, CARRIER, PLATFORM, "inside", ["", "x-inin-cnv: 1\r\n"]);
        capture.call(2, "198.51.100.7", CARRIER, "later", [GRANTED, "x-inin-cnv: 1\r\n"]);
        capture.call(0, "198.51.100.7", CARRIER, "other", [GRANTED, "x-inin-cnv: 2\r\n"]);
        assert_eq!(passages(&capture), []);
        // By way of another hop, and within the carrier's own side of the trunk.
        let mut capture = Capture::default();
        capture.call(0, "198.51.100.7", "198.51.100.8", "first", [GRANTED, "x-inin-cnv: 1\r\n"]);
        capture.call(1, "198.51.100.8", "10.1.7.7", "second", ["", "x-inin-cnv: 1\r\n"]);
        capture.call(2, CARRIER, PLATFORM, "inside", ["", "x-inin-cnv: 1\r\n"]);
        assert_eq!(passages(&capture), [(1, 7, false)]);
    }

    #[test]
    fn invites_upstream_beyond_the_limit_are_told_where_one_may_have_carried_consent() {
        for (others, granted, beyond) in [(64, true, 0), (65, true, 1), (65, false, 0)] {
            let mut capture = Capture::default();
            // Attempts on an earlier hop of the same leg.
            let invite = |number: i64, from: &str, rows: &str| {
                message("INVITE sip:1@platform SIP/2.0", "a", from, &format!("{number} INVITE"), rows, true)
            };
            for number in 0..others {
                let rows = if granted && number == 0 { GRANTED } else { "" };
                capture.message(number, "198.51.100.7", "198.51.100.8", invite(number, "198.51.100.7", rows));
            }
            capture.message(others, CARRIER, PLATFORM, invite(others, CARRIER, ""));
            capture.population(&settings(), |population| {
                assert_eq!(population.beyond_passages.len(), beyond, "{others} others, granted: {granted}");
            });
        }
    }

    #[test]
    fn a_denial_on_the_trunk_is_no_loss() {
        let mut capture = Capture::default();
        capture.call(0, "198.51.100.7", CARRIER, "outside", [GRANTED, "x-inin-cnv: 1\r\n"]);
        let denied = "X-Genesys-Recording-Consent: false\r\n";
        capture.call(1, CARRIER, PLATFORM, "inside", [denied, "x-inin-cnv: 1\r\n"]);
        assert_eq!(passages(&capture), []);
    }

    /// Records of the INVITE upstream and of that on the trunk, and whether consent was kept.
    fn passages(capture: &Capture) -> Vec<(u64, u64, bool)> {
        capture.population(&settings(), |population| {
            let crossings = population.calls.iter().flat_map(|standing| &standing.crossings);
            let passages = crossings.flat_map(|crossing| &crossing.passages);
            passages.map(|passage| (passage.upstream.locus.record, passage.here.locus.record, passage.kept)).collect()
        })
    }

    #[test]
    fn a_refusal_without_a_leg_is_loose() {
        let mut capture = Capture::default();
        capture.call(0, CARRIER, PLATFORM, "a", ["", ""]);
        capture.asked(60, "nobody", Some("crm"), 403).asked(61, "nobody", Some("crm"), 200);
        capture.population(&settings(), |population| {
            assert_eq!(population.loose.len(), 1);
            assert_eq!(population.loose[0].trunk, None);
            assert!(population.units.is_empty());
        });
    }
}
