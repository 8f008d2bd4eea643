//! What consent the signalling of a leg carried, over time.
//!
//! The INVITE that counts sets the state; a later INVITE or UPDATE of the dialog with the field changes it from its
//! time on, unless it was refused; one without the field changes nothing (contract §3). Where such a request was cut or
//! not captured, the state is unknown until the next that speaks. Absence is concluded only from a whole header section.

use crate::call::{Direction, Entry, Leg, Outcome, SetUp};
use crate::evidence::{Locus, Timestamp};
use crate::settings::{ConsentRule, RuleDirection, Settings};

use super::ground::Ground;

/// What the evidence says of consent at one time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// The field grants.
    Granted,
    /// The field denies.
    Denied,
    /// The field is there and says neither, or both.
    Invalid,
    /// The field is absent from a header section that was captured whole.
    Missing,
    /// It cannot be told.
    Unknown,
}

impl State {
    /// Every state.
    pub const ALL: [Self; 5] = [Self::Granted, Self::Denied, Self::Invalid, Self::Missing, Self::Unknown];

    /// The word the report uses.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Granted => "granted",
            Self::Denied => "denied",
            Self::Invalid => "invalid",
            Self::Missing => "missing",
            Self::Unknown => "unknown",
        }
    }

    /// Whether media under it is unconsented: denied, invalid or missing.
    #[must_use]
    pub const fn is_unconsented(self) -> bool {
        matches!(self, Self::Denied | Self::Invalid | Self::Missing)
    }
}

/// The consent of one leg.
#[derive(Clone, Debug)]
pub struct Consent {
    /// What the INVITE that counts says.
    pub initial: State,
    /// The state from each time on, by time; the first entry holds from the beginning.
    pub timeline: Vec<(Timestamp, State)>,
    /// For each entry of the ledger the state it sets or, where it says nothing, the one in force.
    pub observed: Vec<State>,
    /// What the states rest on.
    pub grounds: Vec<Ground>,
}

/// What one request says.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reading {
    /// Its field says this.
    Says(State),
    /// It was captured whole and has no such field.
    Silent,
    /// It was cut, and the field did not stand before the cut.
    Cut,
}

impl Consent {
    /// Reads the ledger of `leg`. `replaced` tells what is known of the leg it replaces: its absence is then unknown.
    #[must_use]
    pub fn of(leg: &Leg<'_>, settings: &Settings, replaced: Option<(&'static str, Locus)>) -> Self {
        let rules = &settings.rules;
        let mut grounds = Vec::new();
        let initial = initial(leg, rules, replaced, &mut grounds);

        // What changes the state, and where it is unknown: from, until a request that speaks at or after `shown`.
        let mut speaks: Vec<(Timestamp, State)> = Vec::new();
        let mut blind: Vec<(Timestamp, Timestamp)> = Vec::new();
        for entry in leg.ledger.iter().filter(|entry| entry.counts && !entry.initial) {
            if entry.outcome == Outcome::Refused {
                continue;
            }
            match read(entry, rules, leg.direction) {
                Reading::Says(state) => {
                    speaks.push((entry.at, state));
                    grounds.push(Ground::one(changed(state), entry.locus));
                }
                Reading::Silent => {}
                Reading::Cut => {
                    blind.push((entry.at, entry.at));
                    grounds.push(Ground::one("later_request_cut", entry.locus));
                }
            }
        }
        for gap in &leg.gaps {
            blind.push((gap.from, gap.shown));
            grounds.push(Ground::one(gap.kind.reason(), gap.locus));
        }
        speaks.sort_by_key(|(at, _)| *at);
        let timeline = timeline(leg.first.at, initial, &speaks, &blind);
        let observed = leg
            .ledger
            .iter()
            .enumerate()
            .map(|(index, entry)| match read(entry, rules, leg.direction) {
                Reading::Says(state) => state,
                _ if leg.set_up == SetUp::Entry(index) => initial,
                Reading::Silent if entry.initial => absent(leg.direction, rules).unwrap_or(State::Unknown),
                Reading::Cut if entry.initial => State::Unknown,
                Reading::Silent | Reading::Cut => state_at(&timeline, entry.at),
            })
            .collect();
        Self { initial, timeline, observed, grounds }
    }

    /// The state in force at `at`.
    #[must_use]
    pub fn at(&self, at: Timestamp) -> State {
        state_at(&self.timeline, at)
    }
}

fn changed(state: State) -> &'static str {
    match state {
        State::Granted => "consent_granted_later",
        State::Denied => "consent_denied_later",
        State::Invalid | State::Missing | State::Unknown => "consent_invalid_later",
    }
}

/// What the INVITE that counts says, and why.
fn initial(
    leg: &Leg<'_>,
    rules: &[ConsentRule],
    replaced: Option<(&'static str, Locus)>,
    grounds: &mut Vec<Ground>,
) -> State {
    let entry = match leg.set_up {
        SetUp::Entry(index) => leg.ledger.get(index),
        SetUp::HopsDisagree(locus) => {
            grounds.push(Ground::one("hops_disagree", locus));
            return State::Unknown;
        }
        SetUp::NotCaptured(locus) => {
            grounds.push(Ground::one("invite_not_captured", locus));
            return State::Unknown;
        }
    };
    let Some(entry) = entry else {
        grounds.push(Ground::one("invite_not_captured", leg.first.locus));
        return State::Unknown;
    };
    let (state, reason) = match read(entry, rules, leg.direction) {
        Reading::Says(State::Granted) => (State::Granted, "consent_granted"),
        Reading::Says(State::Denied) => (State::Denied, "consent_denied"),
        Reading::Says(state) => (state, "consent_invalid"),
        Reading::Cut => (State::Unknown, "header_cut"),
        Reading::Silent => match absent(leg.direction, rules) {
            Err(reason) => (State::Unknown, reason),
            Ok(state) => match replaced {
                Some((reason, locus)) => {
                    grounds.push(Ground::one(reason, locus));
                    return State::Unknown;
                }
                None => (state, "consent_missing"),
            },
        },
    };
    grounds.push(Ground::one(reason, entry.locus));
    state
}

/// What the absence of every rule's field says in a leg of this direction; `Err` with the ground where it says nothing.
fn absent(direction: Direction, rules: &[ConsentRule]) -> Result<State, &'static str> {
    let speaks = |rule: &ConsentRule| {
        matches!(
            (rule.direction, direction),
            (RuleDirection::Any, _)
                | (RuleDirection::Inbound, Direction::Inbound)
                | (RuleDirection::Outbound, Direction::Outbound)
        )
    };
    if rules.iter().any(speaks) {
        Ok(State::Missing)
    } else if direction == Direction::Unknown {
        Err("direction_unknown")
    } else {
        Err("no_rule_for_direction")
    }
}

/// What one request says by the rules for legs of this direction. In a leg of unknown direction every rule's field
/// counts where it is present.
fn read(entry: &Entry<'_>, rules: &[ConsentRule], direction: Direction) -> Reading {
    let mut said: Option<State> = None;
    for (rule, _, value) in &entry.fields {
        let Some(rule) = rules.get(usize::from(*rule)) else { continue };
        let asked = match (rule.direction, direction) {
            (RuleDirection::Any, _) | (_, Direction::Unknown) => true,
            (RuleDirection::Inbound, Direction::Inbound) | (RuleDirection::Outbound, Direction::Outbound) => true,
            (RuleDirection::Inbound, Direction::Outbound) | (RuleDirection::Outbound, Direction::Inbound) => false,
        };
        if !asked {
            continue;
        }
        let meaning = meaning(rule, value);
        said = Some(match said {
            Some(state) if state != meaning => State::Invalid,
            _ => meaning,
        });
    }
    match said {
        Some(state) => Reading::Says(state),
        None if entry.header_whole => Reading::Silent,
        None => Reading::Cut,
    }
}

/// What a value says: compared without regard to case and surrounding blanks.
fn meaning(rule: &ConsentRule, value: &[u8]) -> State {
    let value = value.trim_ascii();
    let one_of = |values: &[String]| values.iter().any(|known| known.trim().as_bytes().eq_ignore_ascii_case(value));
    if one_of(&rule.granted) {
        State::Granted
    } else if one_of(&rule.denied) {
        State::Denied
    } else {
        State::Invalid
    }
}

/// The states over time: the initial one, what later requests say, and unknown where one may be missing.
fn timeline(
    first: Timestamp,
    initial: State,
    speaks: &[(Timestamp, State)],
    blind: &[(Timestamp, Timestamp)],
) -> Vec<(Timestamp, State)> {
    let said = |at: Timestamp| match speaks.partition_point(|(from, _)| from.ns <= at.ns) {
        0 => initial,
        begun => speaks.get(begun - 1).map_or(initial, |(_, state)| *state),
    };
    // Each blind span ends at the first request that speaks at or after what shows the gap, and after its beginning.
    let mut spans: Vec<(Timestamp, Option<Timestamp>)> = blind
        .iter()
        .map(|(from, shown)| {
            let next = speaks.partition_point(|(at, _)| at.ns < shown.ns || at.ns <= from.ns);
            (*from, speaks.get(next).map(|(at, _)| *at))
        })
        .collect();
    spans.sort_by_key(|(from, until)| (*from, until.is_none(), *until));
    // Overlapping spans are one.
    let mut apart: Vec<(Timestamp, Option<Timestamp>)> = Vec::new();
    for (from, until) in spans {
        match apart.last_mut() {
            Some((_, known)) if known.is_none_or(|known| from.ns <= known.ns) => {
                *known = known.zip(until).map(|(known, until)| known.max(until));
            }
            _ => apart.push((from, until)),
        }
    }
    let ends = apart.iter().flat_map(|(from, until)| std::iter::once(*from).chain(*until));
    let mut times: Vec<Timestamp> =
        std::iter::once(first).chain(speaks.iter().map(|(at, _)| *at)).chain(ends).collect();
    times.sort_unstable();
    times.dedup_by_key(|at| at.ns);
    let mut timeline: Vec<(Timestamp, State)> = Vec::new();
    for at in times {
        let span = apart.partition_point(|(from, _)| from.ns <= at.ns);
        let blind =
            span > 0 && apart.get(span - 1).is_some_and(|(_, until)| until.is_none_or(|until| at.ns < until.ns));
        let state = if blind { State::Unknown } else { said(at) };
        if timeline.last().is_none_or(|(_, known)| *known != state) {
            timeline.push((at, state));
        }
    }
    timeline
}

fn state_at(timeline: &[(Timestamp, State)], at: Timestamp) -> State {
    let begun = timeline.partition_point(|(from, _)| from.ns <= at.ns).max(1);
    timeline.get(begun - 1).map_or(State::Unknown, |(_, state)| *state)
}
