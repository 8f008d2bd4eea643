//! What consent the signalling of a leg carried, over time.
//!
//! The INVITE that counts sets the state; a later INVITE or UPDATE of the dialog with the field changes it from its
//! time on, unless it was refused; one without the field changes nothing (contract §3). Where such a request was cut or
//! not captured, the state is unknown until the next that speaks. Absence is concluded only from a whole header section.
//!
//! # Design
//!
//! Rules may read more than header fields of INVITE and UPDATE; what they read follows the same law:
//!
//! - INFO and responses that carry the field speak from their time on: INFO unless it was refused, responses on the hop
//!   that counts to the INVITE that counts and to requests that were not refused.
//! - Absence is concluded where the last place of the setting up that had to carry the field was captured whole: the INVITE,
//!   or for a rule that reads success responses the 2xx, from its time on. Before that the state is unknown. A rule that
//!   reads provisional responses concludes none, for they may be lost without a trace; nor does one that reads INFO alone.
//! - A session description that is not there had nothing to carry: a late offer (RFC 3264 §5) is no absence.
//! - An attribute of a media description concerns its stream alone and goes before the session's. Streams then have
//!   timelines of their own.

use super::ground::Grounds;
use crate::call::{Direction, Entry, Field, GapKind, Leg, Outcome, SetUp};
use crate::evidence::{Locus, Timestamp};
use crate::facts::Body;
use crate::few::Few;
use crate::settings::{ConsentRule, RuleDirection, RuleMessage, RulePlace, Settings};

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

    /// The states under which media is unconsented.
    pub const UNCONSENTED: [Self; 3] = [Self::Denied, Self::Invalid, Self::Missing];

    /// Whether media under it is unconsented.
    #[must_use]
    pub fn is_unconsented(self) -> bool {
        Self::UNCONSENTED.contains(&self)
    }
}

/// The consent of one leg.
#[derive(Clone, Debug)]
pub struct Consent {
    /// What the INVITE that counts says.
    pub initial: State,
    /// The state from each time on, by time, beginning with the first message.
    pub timeline: Timeline,
    /// What the states rest on, until the verdict takes it over.
    pub(super) grounds: Grounds,
    /// The timelines of single streams, by their index, where what rules read concerns single ones; else empty.
    streams: Vec<(u32, Timeline)>,
    /// The leg began before its first message.
    unbegun: bool,
}

/// The state from each time on, by time. In most legs one holds all along.
pub type Timeline = Few<(Timestamp, State), 1>;

/// What one message says.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reading {
    /// What rules read in it says this.
    Says(State),
    /// All that rules read in it was captured whole, and nothing speaks.
    Silent,
    /// It was cut, and nothing spoke before the cut.
    Cut,
}

impl Consent {
    /// Reads the ledger of `leg`. `replaced` tells what is known of the leg it replaces: its absence is then unknown.
    #[must_use]
    pub fn of(leg: &Leg<'_>, settings: &Settings, replaced: Option<(&'static str, Locus)>) -> Self {
        Self::read(leg, settings, replaced, Grounds::asked())
    }

    /// The same, with what it rests on where `grounds` are asked for.
    pub(super) fn read(
        leg: &Leg<'_>,
        settings: &Settings,
        replaced: Option<(&'static str, Locus)>,
        mut grounds: Grounds,
    ) -> Self {
        let reader = Reader::of(leg, settings);
        let (initial, timeline) = over_time(leg, reader, replaced, &mut grounds);
        let concerns_streams = |entry: &Entry<'_>| entry.fields.iter().any(|field| field.section > 0);
        let mut streams = Vec::new();
        if leg.ledger.iter().any(concerns_streams) {
            for stream in &leg.streams {
                let section = u16::try_from(stream.index).ok().and_then(|index| index.checked_add(1));
                let (_, own) = over_time(leg, Reader { section, ..reader }, replaced, &mut grounds);
                streams.push((stream.index, own));
            }
            grounds.tell_once();
        }
        Self { initial, timeline, grounds, streams, unbegun: leg.is_unbegun() }
    }

    /// For each entry of the ledger of `leg`, whose consent this is, the state it sets or, where it says nothing, the one
    /// in force.
    #[must_use]
    pub fn observed(&self, leg: &Leg<'_>, settings: &Settings) -> Vec<State> {
        let reader = Reader::of(leg, settings);
        let observed = |(index, entry): (usize, &Entry<'_>)| match reader.read(entry) {
            Reading::Says(state) => state,
            _ if leg.set_up == SetUp::Entry(index) => self.initial,
            _ if entry.anew => self.at(entry.at),
            Reading::Silent if entry.initial => match reader.absent(entry) {
                Ok(Absence::Concluded) => State::Missing,
                Ok(_) | Err(_) => State::Unknown,
            },
            Reading::Cut if entry.initial => State::Unknown,
            Reading::Silent | Reading::Cut => self.at(entry.at),
        };
        leg.ledger.iter().enumerate().map(observed).collect()
    }

    /// The state in force at `at`.
    #[must_use]
    pub fn at(&self, at: Timestamp) -> State {
        state_at(&self.timeline, at)
    }

    /// The states over time of the stream of that index: its own where rules concern single streams, else the leg's.
    #[must_use]
    pub fn of_stream(&self, index: u32) -> &[(Timestamp, State)] {
        let own = self.streams.iter().find(|(stream, _)| *stream == index);
        own.map_or(&self.timeline, |(_, timeline)| timeline)
    }

    /// The state of a stream of that index before the first message.
    pub(super) fn before(&self, index: u32) -> State {
        let first = self.of_stream(index).first().filter(|_| !self.unbegun);
        first.map_or(State::Unknown, |(_, state)| *state)
    }

    /// Whether streams have timelines of their own.
    #[must_use]
    pub fn concerns_streams(&self) -> bool {
        !self.streams.is_empty()
    }

    /// Whether some rule reads what legs of this direction carry. Where none does their consent is unknown, however much of
    /// the signalling was captured.
    #[must_use]
    pub fn is_asked(leg: &Leg<'_>, settings: &Settings) -> bool {
        let reader = Reader::of(leg, settings);
        reader.rules.iter().any(|rule| reader.asks(rule))
    }

    /// Whether this state held at any time, in the leg or in a stream of it.
    #[must_use]
    pub fn ever(&self, state: State) -> bool {
        let own = self.streams.iter().map(|(_, timeline)| timeline);
        own.chain([&self.timeline]).flat_map(|timeline| timeline.iter()).any(|(_, held)| *held == state)
    }
}

/// The initial state and the states over time, as `reader` reads the leg.
fn over_time(
    leg: &Leg<'_>,
    reader: Reader<'_>,
    replaced: Option<(&'static str, Locus)>,
    grounds: &mut Grounds,
) -> (State, Timeline) {
    let (initial, awaits_answer) = initial(leg, reader, replaced, grounds);

    // What changes the state, and where it is unknown: from, until a message that speaks at or after `shown`.
    let mut speaks: Vec<(Timestamp, State)> = Vec::new();
    let mut blind: Vec<(Timestamp, Timestamp)> = Vec::new();
    let set_up_at = match leg.set_up {
        SetUp::Entry(index) => leg.ledger.get(index).map(|entry| entry.at),
        SetUp::NotCaptured(_) => None,
    };
    let reads_answers = || reader.rules.iter().any(|rule| reader.asks(rule) && rule.reads(RuleMessage::Success));
    for entry in leg.ledger.iter().filter(|entry| entry.counts && (!entry.initial || entry.anew)) {
        if entry.anew {
            // It inherits nothing from the dialog before.
            speaks.push((entry.at, set_up_by(entry, reader, replaced, grounds).0));
            continue;
        }
        if entry.outcome == Outcome::Refused && !entry.sets_up {
            continue;
        }
        if let Some(invite_at) = set_up_at.filter(|at| entry.at.ns < at.ns && !entry.sets_up) {
            // No dialog is older than its INVITE: by another clock, when this was sent is not known.
            let reading = reader.read(entry);
            if reading != Reading::Silent && reading != Reading::Says(initial) {
                blind.push((invite_at, entry.at));
                grounds.one("request_before_invite", entry.locus);
            }
            continue;
        }
        if let Some(locus) = entry.disputed {
            speaks.push((entry.at, State::Unknown));
            grounds.one("hops_disagree", locus);
            continue;
        }
        match reader.read(entry) {
            Reading::Says(state) => {
                speaks.push((entry.at, state));
                grounds.one(if entry.sets_up { said(state) } else { changed(state) }, entry.locus);
            }
            Reading::Silent => {}
            Reading::Cut => {
                blind.push((entry.gap_from, entry.at));
                let reason = if entry.status.is_some() { "response_cut" } else { "later_request_cut" };
                grounds.one(reason, entry.locus);
            }
        }
        let answerable = matches!(entry.kind, RuleMessage::Invite | RuleMessage::Update);
        if answerable && entry.outcome == Outcome::Unknown && reads_answers() {
            blind.push((entry.at, entry.at));
            grounds.one("response_not_captured", entry.locus);
        }
    }
    // Of a setting up that was not captured the first gap is that INVITE itself, and its own ground says so.
    let mut told = matches!(leg.set_up, SetUp::NotCaptured(_));
    for gap in &leg.gaps {
        blind.push((gap.from, gap.shown));
        let is_set_up = gap.kind == GapKind::RequestNotCaptured && gap.from.ns <= leg.first.at.ns;
        if !(is_set_up && std::mem::take(&mut told)) {
            grounds.one(gap.kind.reason(), gap.locus);
        }
    }
    let answers = |entry: &&Entry<'_>| entry.sets_up && entry.counts && entry.kind == RuleMessage::Success;
    if awaits_answer && let Some(answer) = leg.ledger.iter().find(answers) {
        let before = |at: Timestamp| at.ns <= answer.at.ns;
        let told = speaks.iter().any(|(at, _)| before(*at)) || blind.iter().any(|(from, _)| before(*from));
        if !told && reader.read(answer) == Reading::Silent && reader.had_to_carry(answer) {
            speaks.push((answer.at, State::Missing));
            grounds.one("consent_missing", answer.locus);
        }
    }
    speaks.sort_by_key(|(at, _)| *at);
    (initial, timeline(leg.first.at, initial, &speaks, &blind))
}

fn said(state: State) -> &'static str {
    match state {
        State::Granted => "consent_granted",
        State::Denied => "consent_denied",
        State::Invalid | State::Missing | State::Unknown => "consent_invalid",
    }
}

fn changed(state: State) -> &'static str {
    match state {
        State::Granted => "consent_granted_later",
        State::Denied => "consent_denied_later",
        State::Invalid | State::Missing | State::Unknown => "consent_invalid_later",
    }
}

/// What the INVITE that counts says, and why; and whether the absence of consent is for the answer to show.
fn initial(
    leg: &Leg<'_>,
    reader: Reader<'_>,
    replaced: Option<(&'static str, Locus)>,
    grounds: &mut Grounds,
) -> (State, bool) {
    let entry = match leg.set_up {
        SetUp::Entry(index) => leg.ledger.get(index),
        SetUp::NotCaptured(locus) => {
            grounds.one("invite_not_captured", locus);
            return (State::Unknown, false);
        }
    };
    let Some(entry) = entry else {
        grounds.one("invite_not_captured", leg.first.locus);
        return (State::Unknown, false);
    };
    set_up_by(entry, reader, replaced, grounds)
}

/// What an INVITE says that set up a dialog of the leg, and why; and whether the absence of consent is for the answer to show.
fn set_up_by(
    entry: &Entry<'_>,
    reader: Reader<'_>,
    replaced: Option<(&'static str, Locus)>,
    grounds: &mut Grounds,
) -> (State, bool) {
    if let Some(locus) = entry.disputed {
        grounds.one("hops_disagree", locus);
        return (State::Unknown, false);
    }
    let mut awaits_answer = false;
    let (state, reason) = match reader.read(entry) {
        Reading::Says(state) => (state, said(state)),
        Reading::Cut if entry.header_whole => (State::Unknown, "body_cut"),
        Reading::Cut => (State::Unknown, "header_cut"),
        Reading::Silent => match (reader.absent(entry), replaced) {
            (Err(reason), _) => (State::Unknown, reason),
            (Ok(_), Some((reason, locus))) => {
                grounds.one(reason, locus);
                return (State::Unknown, false);
            }
            (Ok(Absence::Concluded), None) => (State::Missing, "consent_missing"),
            (Ok(absence), None) => {
                awaits_answer = absence == Absence::ForTheAnswer;
                (State::Unknown, "consent_not_due")
            }
        },
    };
    grounds.one(reason, entry.locus);
    (state, awaits_answer)
}

/// What the absence of consent from the INVITE says.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Absence {
    /// It is missing.
    Concluded,
    /// The success response may carry it still.
    ForTheAnswer,
    /// No message whose absence or silence would show had to carry it.
    NotConcluded,
}

/// The rules as a leg is read by them, or one stream of it.
#[derive(Clone, Copy)]
struct Reader<'r> {
    rules: &'r [ConsentRule],
    direction: Direction,
    /// The media description of the stream, from 1; `None` for the leg.
    section: Option<u16>,
}

impl<'r> Reader<'r> {
    /// As all of a leg is read.
    fn of(leg: &Leg<'_>, settings: &'r Settings) -> Self {
        Self { rules: &settings.rules, direction: leg.direction, section: None }
    }

    /// Whether what a rule reads counts where it is present. In a leg of unknown direction every rule's does.
    fn asks(&self, rule: &ConsentRule) -> bool {
        self.direction == Direction::Unknown || self.expects(rule)
    }

    /// Whether the absence of what a rule reads says something in a leg of this direction.
    fn expects(&self, rule: &ConsentRule) -> bool {
        matches!(
            (rule.direction, self.direction),
            (RuleDirection::Any, _)
                | (RuleDirection::Inbound, Direction::Inbound)
                | (RuleDirection::Outbound, Direction::Outbound)
        )
    }

    /// What the absence of all that rules read in the initial INVITE says; `Err` with the ground where it says nothing:
    /// in a leg of unknown direction never, whatever direction a rule names.
    fn absent(&self, entry: &Entry<'_>) -> Result<Absence, &'static str> {
        let expected = || self.rules.iter().filter(|rule| self.expects(rule));
        if self.direction == Direction::Unknown {
            return Err("direction_unknown");
        }
        if expected().next().is_none() {
            return Err("no_rule_for_direction");
        }
        let reads = |message| expected().any(|rule| rule.reads(message));
        Ok(if reads(RuleMessage::Provisional) {
            Absence::NotConcluded
        } else if reads(RuleMessage::Success) {
            Absence::ForTheAnswer
        } else if self.had_to_carry(entry) {
            Absence::Concluded
        } else {
            Absence::NotConcluded
        })
    }

    /// Whether a rule whose absence says something reads a place that this message has.
    fn had_to_carry(&self, entry: &Entry<'_>) -> bool {
        self.rules.iter().any(|rule| self.expects(rule) && whole(rule, entry).is_some())
    }

    /// What a message says by the rules.
    fn read(&self, entry: &Entry<'_>) -> Reading {
        match self.says(entry) {
            Some(state) => Reading::Says(state),
            None if self.rules.iter().any(|rule| whole(rule, entry) == Some(false)) => Reading::Cut,
            None => Reading::Silent,
        }
    }

    fn says(&self, entry: &Entry<'_>) -> Option<State> {
        let Some(own) = self.section else {
            if entry.fields.iter().all(|field| field.section == 0) {
                return self.combined(&entry.fields, |_| true);
            }
            // Of media descriptions that say different things the gravest, of those that say something.
            let of_section = |section: &u16| Reader { section: Some(*section), ..*self }.says(entry);
            let said: Vec<State> = entry.sections.iter().filter_map(of_section).collect();
            return [State::Denied, State::Invalid, State::Granted].into_iter().find(|state| said.contains(state));
        };
        // What a media description says goes before what the session says.
        let mut said_by_section: Vec<u16> =
            entry.fields.iter().filter(|field| field.section == own).map(|field| field.rule).collect();
        said_by_section.dedup();
        self.combined(&entry.fields, |field| match field.section {
            0 => !said_by_section.contains(&field.rule),
            section => section == own,
        })
    }

    /// The one meaning of the fields that concern; of several different ones invalid.
    fn combined(&self, fields: &[Field<'_>], concerns: impl Fn(&Field<'_>) -> bool) -> Option<State> {
        let mut said: Option<State> = None;
        for field in fields {
            let Some(rule) = self.rules.get(usize::from(field.rule)) else { continue };
            if !self.asks(rule) || !concerns(field) {
                continue;
            }
            let meaning = meaning(rule, field);
            said = Some(match said {
                Some(state) if state != meaning => State::Invalid,
                _ => meaning,
            });
        }
        said
    }
}

/// Whether what `rule` reads in a message was captured whole; `None` where it reads nothing that the message has.
fn whole(rule: &ConsentRule, entry: &Entry<'_>) -> Option<bool> {
    if !rule.reads(entry.kind) {
        return None;
    }
    match rule.place {
        RulePlace::Header | RulePlace::UserToUser => Some(entry.header_whole),
        // A request line that was cut is none.
        RulePlace::UriParameter => entry.initial.then_some(true),
        RulePlace::SdpAttribute => match entry.body {
            Body::Cut => Some(false),
            Body::Absent | Body::Whole => entry.described.then_some(true),
        },
    }
}

/// What a field says by its rule: compared without regard to case and surrounding blanks. What could not be decoded is
/// invalid.
#[must_use]
pub fn meaning(rule: &ConsentRule, field: &Field<'_>) -> State {
    let Some(text) = field.text.as_deref().map(<[u8]>::trim_ascii) else { return State::Invalid };
    let one_of = |values: &[String]| values.iter().any(|known| known.trim().as_bytes().eq_ignore_ascii_case(text));
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
) -> Timeline {
    // Most legs are set up, and nothing speaks of consent again.
    if speaks.is_empty() && blind.is_empty() {
        return Few::one((first, initial));
    }
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
    let mut timeline = Timeline::new();
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
