//! What the platform's own exports say of the calls: `flow_not_recording` and `division_or_condition`.
//!
//! Called by [`super::hypothesis`]. A call is known by the conversation ids that tie it to an export's entry; what no
//! export states of it is left out, never guessed.
//!
//! # Design
//!
//! Calls without a recording are compared with recorded ones by their refusal rates, as consent is. A refused call that
//! was recorded speaks against the hypothesis; it outweighs where such calls are at least as many as refused calls
//! without a recording, so that a few odd ones among thousands do not.
//!
//! Whether refusals go by division, queue or agent is asked within calls of the same consent on the trunk, value by value.
//! As many values are compared, the bound of Fisher's test is divided by the number of comparisons. What differs only
//! where consent differs too cannot be told apart from it: inconclusive. So it is, both columns of the contract holding,
//! where one value is refused more and yet four in five of the refused calls have values that allowed ones have alike: one
//! agent of hundreds is no account of the refusals. That calls share their division, queue and agent is said only where
//! the exports state all three of most calls on the trunk: what they do not say of a call may be what sets it apart.

use std::collections::BTreeMap;

use super::consent::neither;
use super::contingency::{self, Compared, Counts, FEWEST, SIGNIFICANT};
use super::hypothesis::{Shown, Status, Weighing};
use super::population::{Crossing, Group, Outcome, Population, Unit};
use super::text::{calls, percent, probability, refused_of, several, were};
use crate::call::conversations::Known;
use crate::call::legs::At;
use crate::evidence::{Locus, Timestamp};
use crate::facts::CallFlow;
use crate::sentence::Sentence;

/// The units on the trunk that an export describes, mixed ones left out.
fn described<'p, 'm>(
    population: &'p Population<'m>,
    trunk: usize,
) -> impl Iterator<Item = (&'p Unit<'m>, &'p Crossing, &'p Known)> {
    population
        .on(trunk)
        .filter(|(unit, _)| unit.outcome() != Outcome::Mixed)
        .filter_map(|(unit, crossing)| Some((unit, crossing, population.calls.get(unit.call)?.known.as_ref()?)))
}

fn refused_requests(unit: &Unit<'_>) -> impl Iterator<Item = Locus> {
    unit.refusals().map(|answer| answer.request.locus)
}

/// Whether the refused calls were recorded at all, and whether their flow suppresses recording.
pub(super) fn flow(population: &Population<'_>, trunk: usize) -> Weighing {
    let (mut without, mut with) = (Counts::default(), Counts::default());
    let (mut shown_without, mut shown_with) = (Shown::default(), Shown::default());
    let mut refusals = Vec::new();
    for (unit, _, known) in described(population, trunk) {
        let (counts, shown) = match known.recorded {
            Some(true) => (&mut with, &mut shown_with),
            Some(false) => (&mut without, &mut shown_without),
            None => continue,
        };
        counts.add(unit.outcome());
        shown.extend(known.sources.iter().copied().chain(unit.first()));
        if known.recorded == Some(false) {
            refusals.extend(refused_requests(unit));
        }
    }
    let comparison = contingency::compare(without, with);
    let suppressed = Suppressed::of(population, trunk);
    let supported = comparison.compared == Compared::More || suppressed.explains;
    let contradicted = with.refused > 0 && with.refused >= without.refused;
    let status = match neither(comparison.compared) {
        Status::Untested if suppressed.calls.rated() > 0 => Status::Inconclusive,
        neither => neither,
    };
    let status = Status::of(supported, contradicted, status);
    let counts = vec![
        ("not_recorded_refused", without.refused),
        ("not_recorded_allowed", without.allowed),
        ("recorded_refused", with.refused),
        ("recorded_allowed", with.allowed),
        ("flow_suppresses_refused", suppressed.calls.refused),
        ("flow_suppresses_allowed", suppressed.calls.allowed),
    ];
    if without.rated() == 0 && with.rated() == 0 && suppressed.flows.is_empty() {
        return Weighing { counts, ..Weighing::untested(untested_flow(population, trunk)) };
    }
    let mut text = String::new();
    if without.rated() + with.rated() > 0 {
        text.push_str(&format!(
            "By the platform's exports {} of this trunk that {} refused {} no recording, {} {} one; of the allowed, {} {} \
             none, {} one.",
            calls(without.refused),
            were(without.refused),
            has(without.refused),
            with.refused,
            has(with.refused),
            without.allowed,
            has(without.allowed),
            with.allowed,
        ));
        text.push_str(&match comparison.compared {
            Compared::Empty => " There is nothing to compare with.".to_owned(),
            Compared::TooFew => {
                format!(" Fewer than {FEWEST} calls in a group say nothing ({}).", probability(comparison.p))
            }
            Compared::More => {
                let p = probability(comparison.p);
                format!(
                    " Calls without a recording are refused more often, hardly by chance ({p}, Fisher's exact test)."
                )
            }
            Compared::Alike | Compared::Less | Compared::Unclear => {
                format!(" Calls without a recording are not refused more often ({}).", probability(comparison.p))
            }
        });
    }
    suppressed.tell(&mut text);
    if status == Status::Untested {
        text.push(' ');
        text.push_str(FLOW_EVIDENCE);
    }
    if status == Status::Supported {
        if comparison.compared != Compared::More {
            refusals.clear();
        }
        refusals.extend(suppressed.refusals.iter().filter(|_| suppressed.explains));
    }
    Weighing {
        status,
        counts,
        p: comparison.p,
        text: Sentence::own(text),
        shown: vec![shown_without, shown_with, suppressed.shown],
        refusals,
    }
}

const fn has(count: u64) -> &'static str {
    if count == 1 { "has" } else { "have" }
}

/// What the exported flows say.
#[derive(Default)]
struct Suppressed<'m> {
    /// Exported flows that suppress recording.
    flows: Vec<&'m CallFlow>,
    /// Calls that entered one of them.
    calls: Counts,
    /// Whether that is all that can be said of the refused calls.
    explains: bool,
    /// Whether no call is seen to enter a flow, and every inbound flow that is exported suppresses.
    untied: bool,
    shown: Shown,
    refusals: Vec<Locus>,
}

impl<'m> Suppressed<'m> {
    fn of(population: &Population<'m>, trunk: usize) -> Self {
        let flows: Vec<&CallFlow> = population.flows.iter().filter(|flow| flow.suppresses == Some(true)).collect();
        let mut found = Self { flows, ..Self::default() };
        if found.flows.is_empty() {
            return found;
        }
        let mut others = Counts::default();
        let mut entered = false;
        for (unit, _, known) in described(population, trunk) {
            let mut names = known.flows.iter().filter_map(|flow| flow.name.as_deref()).peekable();
            if names.peek().is_none() {
                continue;
            }
            entered = true;
            if names.any(|name| found.flows.iter().any(|flow| *flow.name == *name)) {
                found.calls.add(unit.outcome());
                found.refusals.extend(refused_requests(unit));
                found.shown.extend(known.sources.iter().copied().chain(unit.first()));
            } else {
                others.add(unit.outcome());
            }
        }
        let more = contingency::compare(found.calls, others).compared == Compared::More;
        let alone = found.calls.refused > 0 && found.calls.allowed == 0 && found.calls.refused >= others.refused;
        found.explains = more || alone;
        if !entered {
            let mut inbound = population.flows.iter().filter(|flow| flow.inbound).peekable();
            found.untied = inbound.peek().is_some() && inbound.all(|flow| flow.suppresses == Some(true));
            let units = || population.on(trunk).map(|(unit, _)| unit);
            let refused = || units().filter(|unit| unit.outcome() == Outcome::Refused);
            let allowed = units().any(|unit| unit.outcome() == Outcome::Allowed);
            found.explains = found.untied && !allowed && refused().next().is_some();
            if found.explains {
                found.refusals.extend(refused().flat_map(refused_requests));
                found.shown.extend(refused().filter_map(Unit::first));
            }
        }
        let flows = found.flows.iter().map(|flow| At { at: Timestamp::new(0, 0), locus: flow.locus });
        found.shown.extend(flows);
        found
    }

    fn tell(&self, text: &mut String) {
        if self.flows.is_empty() {
            return;
        }
        if !text.is_empty() {
            text.push(' ');
        }
        let flows = several(self.flows.len() as u64, "exported flow");
        let verb = if self.flows.len() == 1 { "suppresses" } else { "suppress" };
        text.push_str(&format!("{flows} {verb} recording (suppressRecording)"));
        text.push_str(&if self.calls.rated() > 0 {
            let (refused, allowed) = (self.calls.refused, self.calls.allowed);
            format!(": {} that entered it {} refused, {allowed} allowed.", calls(refused), were(refused))
        } else if self.untied {
            "; which flow a call entered is not in the evidence, and no other inbound flow is.".to_owned()
        } else {
            "; no call of this trunk is seen to enter it.".to_owned()
        });
    }
}

/// What would tell whether calls were recorded.
const FLOW_EVIDENCE: &str = "Analytics conversation details of refused and allowed calls would tell \
    (/api/v2/analytics/conversations/details/query: participants[].sessions[].recording beside protocolCallId), and an \
    export of the inbound flow (suppressRecording; Enable Participant Recording).";

fn untested_flow(population: &Population<'_>, trunk: usize) -> String {
    let tail = FLOW_EVIDENCE;
    if described(population, trunk).next().is_some() {
        return format!("The exports describe calls of this trunk and do not say whether they were recorded. {tail}");
    }
    format!(
        "No export of the platform is among the evidence that would show whether the refused calls were recorded. {tail}"
    )
}

/// What permissions depend on.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Attribute {
    Division,
    Queue,
    Agent,
}

impl Attribute {
    const ALL: [Self; 3] = [Self::Division, Self::Queue, Self::Agent];

    const fn name(self) -> &'static str {
        match self {
            Self::Division => "division",
            Self::Queue => "queue",
            Self::Agent => "agent",
        }
    }

    /// The values of a call; `None` where no export says. No queue and no agent are values too.
    fn of(self, known: &Known) -> Option<Vec<&[u8]>> {
        let values = match self {
            Self::Division => &known.divisions,
            Self::Queue => &known.queues,
            Self::Agent => &known.agents,
        };
        if values.is_empty() {
            return (self != Self::Division && known.handled).then(|| vec![b"".as_slice()]);
        }
        Some(values.iter().map(|value| &**value).collect())
    }
}

/// Calls of the same consent, by their place here: with consent, without, unknown.
const STRATA: usize = 3;

const fn stratum(group: Option<Group>) -> usize {
    match group {
        Some(Group::Consented) => 0,
        Some(Group::Unconsented { .. }) => 1,
        None => 2,
    }
}

/// The calls of one value, or of all, by consent.
#[derive(Clone, Copy, Default)]
struct Strata([Counts; STRATA]);

impl Strata {
    fn add(&mut self, group: Option<Group>, outcome: Outcome) {
        if let Some(counts) = self.0.get_mut(stratum(group)) {
            counts.add(outcome);
        }
    }

    fn pooled(&self) -> Counts {
        self.0.iter().fold(Counts::default(), |sum, counts| Counts {
            refused: sum.refused + counts.refused,
            allowed: sum.allowed + counts.allowed,
            mixed: 0,
        })
    }

    /// Calls with the value against the others, stratum by stratum, where both are enough to say something.
    fn against(&self, all: &Self) -> impl Iterator<Item = (Counts, Counts)> {
        let pairs = self.0.iter().zip(&all.0).map(|(own, all)| (*own, others(*all, *own)));
        pairs.filter(|(own, others)| own.rated() >= FEWEST && others.rated() >= FEWEST).collect::<Vec<_>>().into_iter()
    }
}

fn others(all: Counts, own: Counts) -> Counts {
    Counts { refused: all.refused - own.refused, allowed: all.allowed - own.allowed, mixed: 0 }
}

/// The calls of a trunk by the values of one attribute.
struct Table<'p> {
    attribute: Attribute,
    all: Strata,
    values: BTreeMap<&'p [u8], Strata>,
}

/// A value whose calls are refused more.
struct Differing<'p> {
    attribute: Attribute,
    value: &'p [u8],
    own: Counts,
    others: Counts,
    /// Corrected for the number of comparisons.
    p: f64,
}

/// Whether refused and allowed calls differ in division, queue or agent.
pub(super) fn division(population: &Population<'_>, trunk: usize) -> Weighing {
    let tables: Vec<Table<'_>> = Attribute::ALL
        .into_iter()
        .map(|attribute| {
            let mut table = Table { attribute, all: Strata::default(), values: BTreeMap::new() };
            for (unit, crossing, known) in described(population, trunk) {
                let Some(values) = attribute.of(known) else { continue };
                table.all.add(crossing.group, unit.outcome());
                for value in values {
                    table.values.entry(value).or_default().add(crossing.group, unit.outcome());
                }
            }
            table
        })
        .collect();
    let values = || tables.iter().flat_map(|table| table.values.iter().map(move |(value, own)| (table, *value, own)));
    let comparisons = values().map(|(table, _, own)| own.against(&table.all).count()).sum::<usize>() as f64;
    let mut differing: Option<Differing<'_>> = None;
    let mut least: Option<f64> = None;
    for (table, value, own) in values() {
        for (own, others) in own.against(&table.all) {
            let comparison = contingency::compare(own, others);
            let p = comparison.p.map_or(1.0, |p| (p * comparisons).min(1.0));
            least = Some(least.map_or(p, |least| least.min(p)));
            let better = differing.as_ref().is_none_or(|known| p < known.p);
            if comparison.compared == Compared::More && p < SIGNIFICANT && better {
                differing = Some(Differing { attribute: table.attribute, value, own, others, p });
            }
        }
    }
    let confounded = differing.is_none() && tables.iter().any(confounded);
    let known = described(population, trunk)
        .filter(|(.., known)| Attribute::ALL.iter().any(|attribute| attribute.of(known).is_some()));
    let mut all = Counts::default();
    let mut shown: BTreeMap<Outcome, Shown> = BTreeMap::new();
    for (unit, _, known) in known {
        all.add(unit.outcome());
        shown.entry(unit.outcome()).or_default().extend(known.sources.iter().copied().chain(unit.first()));
    }
    let sharing: Vec<Sharing> = tables.iter().map(|table| Sharing::of(population, trunk, table)).collect();
    let unseen = list(&tables, &sharing, Sharing::Unseen, " or ");
    let undivided = !confounded && unseen.is_empty() && !sharing.contains(&Sharing::Different);
    let contradicted = undivided && sharing.contains(&Sharing::Alike);
    let named = tables.iter().flat_map(|table| table.values.keys()).any(|value| !value.is_empty());
    let either = all.refused > 0 && all.allowed > 0 && named;
    let unclear = if either { Status::Inconclusive } else { Status::Untested };
    let status = Status::of(differing.is_some(), contradicted, unclear);
    let distinct = |attribute: Attribute| {
        let table = tables.iter().find(|table| table.attribute == attribute);
        table.map_or(0, |table| table.values.keys().filter(|value| !value.is_empty()).count() as u64)
    };
    let counts = vec![
        ("described_refused", all.refused),
        ("described_allowed", all.allowed),
        ("divisions", distinct(Attribute::Division)),
        ("queues", distinct(Attribute::Queue)),
        ("agents", distinct(Attribute::Agent)),
        ("comparisons", comparisons as u64),
    ];
    let text = match (&differing, status) {
        (Some(differing), Status::Inconclusive) => format!(
            "{} Most of the {} that were refused share their {} with allowed ones all the same.",
            tell(differing, comparisons),
            calls(all.refused),
            list(&tables, &sharing, Sharing::Alike, " and ")
        ),
        (Some(differing), _) => tell(differing, comparisons),
        (None, Status::Untested) => untested_division(all, named),
        (None, Status::Contradicted) => format!(
            "{} that were refused and {} that were allowed share their {}: none of them is refused markedly more than the \
             others.",
            calls(all.refused),
            all.allowed,
            list(&tables, &sharing, Sharing::Alike, " and ")
        ),
        (None, _) if confounded => {
            "Refused and allowed calls differ in division, queue or agent, and in consent as well; \
                                    within calls of the same consent nothing tells them apart."
                .to_owned()
        }
        (None, _) => {
            let why = if unseen.is_empty() {
                "; too few of any division, queue or agent to tell.".to_owned()
            } else {
                format!(
                    ", but do not say the {unseen} of enough of the trunk's calls, which may be what sets them apart."
                )
            };
            format!(
                "The exports describe {} that {} refused and {} that {} allowed{why}",
                calls(all.refused),
                were(all.refused),
                all.allowed,
                were(all.allowed)
            )
        }
    };
    let refusals = match &differing {
        Some(differing) => described(population, trunk)
            .filter(|(.., known)| differing.attribute.of(known).is_some_and(|values| values.contains(&differing.value)))
            .flat_map(|(unit, ..)| refused_requests(unit))
            .collect(),
        None => Vec::new(),
    };
    let untested = status == Status::Untested;
    let p = differing.as_ref().map_or(least.filter(|_| !untested), |differing| Some(differing.p));
    let shown = if untested { Vec::new() } else { shown.into_values().collect() };
    Weighing { status, counts, p, text: Sentence::own(text), shown, refusals }
}

/// Whether some value's calls are refused more when calls of all consents are thrown together.
fn confounded(table: &Table<'_>) -> bool {
    let all = table.all.pooled();
    let values: Vec<(Counts, Counts)> = table
        .values
        .values()
        .map(|own| (own.pooled(), others(all, own.pooled())))
        .filter(|(own, others)| own.rated() >= FEWEST && others.rated() >= FEWEST)
        .collect();
    values.iter().any(|(own, others)| {
        let comparison = contingency::compare(*own, *others);
        comparison.compared == Compared::More && comparison.p.is_some_and(|p| p * (values.len() as f64) < SIGNIFICANT)
    })
}

/// How the refused calls of a trunk stand to the allowed ones by the values of one attribute.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sharing {
    /// Most of them have values that allowed calls have alike.
    Alike,
    /// They do not.
    Different,
    /// Too few calls have any one value.
    TooFew,
    /// Of too many calls no export says.
    Unseen,
}

impl Sharing {
    fn of(population: &Population<'_>, trunk: usize, table: &Table<'_>) -> Self {
        let mut all = Counts::default();
        population.on(trunk).for_each(|(unit, _)| all.add(unit.outcome()));
        let seen = table.all.pooled();
        if !are_most(seen.refused, all.refused) || !are_most(seen.allowed, all.allowed) {
            return Self::Unseen;
        }
        if seen.refused < FEWEST || seen.allowed < FEWEST {
            return Self::TooFew;
        }
        let enough = table.values.iter().filter(|(_, own)| own.pooled().rated() >= FEWEST);
        let mut compared: BTreeMap<&[u8], bool> = BTreeMap::new();
        for (value, own) in enough {
            let own = own.pooled();
            let others = others(seen, own);
            let alike = others.rated() < FEWEST || contingency::compare(own, others).compared == Compared::Alike;
            compared.insert(value, alike && own.refused > 0 && own.allowed > 0);
        }
        let (mut shared, mut told) = (0, 0);
        for (.., known) in described(population, trunk).filter(|(unit, ..)| unit.outcome() == Outcome::Refused) {
            let values = table.attribute.of(known).unwrap_or_default();
            let mut known = values.iter().filter_map(|value| compared.get(value)).peekable();
            told += u64::from(known.peek().is_some());
            shared += u64::from(known.any(|alike| *alike));
        }
        if told == 0 || !are_most(told, seen.refused) {
            Self::TooFew
        } else if are_most(shared, all.refused) {
            Self::Alike
        } else if are_most(shared, seen.refused) {
            Self::Unseen
        } else {
            Self::Different
        }
    }
}

/// Whether a part is four in five or more.
const fn are_most(part: u64, whole: u64) -> bool {
    part * 5 >= whole * 4
}

fn tell(differing: &Differing<'_>, comparisons: f64) -> String {
    let Differing { attribute, value, own, others, p } = differing;
    let one = if value.is_empty() {
        format!("without a {}", attribute.name())
    } else {
        format!("of one {}", attribute.name())
    };
    format!(
        "Among calls of the same consent on this trunk, {} {one} are refused, {} ({}) of the others. Hardly by chance ({}, \
         Fisher's exact test, corrected for {}).",
        refused_of(*own),
        others.refused,
        percent(others.refused, others.rated()),
        probability(Some(*p)),
        several(comparisons as u64, "comparison")
    )
}

/// The attributes that stand so.
fn list(tables: &[Table<'_>], sharing: &[Sharing], wanted: Sharing, between: &str) -> String {
    let own = tables.iter().zip(sharing).filter(|(_, sharing)| **sharing == wanted);
    let names: Vec<&str> = own.map(|(table, _)| table.attribute.name()).collect();
    names.join(between)
}

fn untested_division(all: Counts, named: bool) -> String {
    let tail = "Analytics conversation details of refused and allowed calls would tell \
                (/api/v2/analytics/conversations/details/query: divisionIds, participants[].userId, segments[].queueId).";
    if all.rated() == 0 {
        return format!(
            "No export of the platform is among the evidence that would show the division, queue or agent of the calls. {tail}"
        );
    }
    if !named {
        return format!(
            "The exports describe calls of this trunk and name no division, queue or agent of them. {tail}"
        );
    }
    format!(
        "The exports describe {} of this trunk that {} refused and {} that {} allowed, so there is nothing to compare with. \
         {tail}",
        calls(all.refused),
        were(all.refused),
        all.allowed,
        were(all.allowed)
    )
}

#[cfg(test)]
mod tests {
    use super::super::Weighed;
    use super::super::hypothesis::Hypothesis;
    use super::super::population::Group;
    use super::super::sample::{CONSENTED, MISSING, PBX, SG1, SG2, Sample, UNKNOWN, locus};
    use super::*;
    use crate::facts::FlowName;

    fn id(text: &str) -> Box<[u8]> {
        text.as_bytes().into()
    }

    /// Calls: how many, how answered, and whether an export shows a recording.
    #[track_caller]
    fn recorded(calls: &[(u64, u16, Option<bool>)], expected: Status) -> Weighed {
        let mut sample = Sample::new();
        for (count, status, recorded) in calls {
            for _ in 0..*count {
                sample.calls(1, SG1, MISSING, *status).known(|known| known.recorded = *recorded);
            }
        }
        let weighed = sample.weigh(Hypothesis::FlowNotRecording);
        assert_eq!(weighed.status, expected, "{calls:?}: {}", weighed.explanation);
        weighed
    }

    #[test]
    fn flow_not_recording_by_the_table() {
        let (with, without) = (Some(true), Some(false));
        let weighed = recorded(&[(9, 403, without), (9, 200, with)], Status::Supported);
        assert_eq!(
            weighed.explanation,
            "By the platform's exports 9 calls of this trunk that were refused have no recording, 0 have one; of the \
             allowed, 0 have none, 9 one. Calls without a recording are refused more often, hardly by chance \
             (p < 0.001, Fisher's exact test)."
        );
        recorded(&[(9, 403, with), (9, 200, with)], Status::Contradicted);
        recorded(&[(1, 403, with)], Status::Contradicted);
        // A few odd ones among many do not outweigh.
        recorded(&[(90, 403, without), (3, 403, with), (90, 200, with)], Status::Supported);
        // Both columns.
        recorded(&[(6, 403, without), (6, 403, with), (100, 200, with)], Status::Inconclusive);
        recorded(&[(4, 403, without), (9, 200, with)], Status::Inconclusive);
        recorded(&[(9, 403, without), (9, 200, without)], Status::Untested);
        recorded(&[(9, 403, None), (9, 200, with)], Status::Untested);
        recorded(&[(9, 403, None), (9, 200, None)], Status::Untested);
        recorded(&[], Status::Untested);
    }

    #[test]
    fn what_exports_say_of_other_trunks_and_mixed_calls_is_left_out() {
        let mut sample = Sample::new();
        for (trunk, status, recorded) in [(SG2, 403, true), (PBX, 403, true)] {
            sample.calls(1, trunk, MISSING, status).known(|known| known.recorded = Some(recorded));
        }
        let call = sample.call(SG1, MISSING);
        sample.asked(call, Some("crm"), &[(10_000, 403), (10_001, 200)]).known(|known| known.recorded = Some(true));
        assert_eq!(sample.weigh(Hypothesis::FlowNotRecording).status, Status::Untested);
    }

    fn flow(name: &str, suppresses: bool) -> CallFlow {
        CallFlow { locus: locus(900), name: id(name), inbound: true, suppresses: Some(suppresses), enables: false }
    }

    fn entered(sample: &mut Sample, count: u64, status: u16, name: &str) {
        for _ in 0..count {
            let flow = FlowName { id: None, name: Some(id(name)) };
            sample.calls(1, SG1, MISSING, status).known(|known| known.flows.extend([flow]));
        }
    }

    #[test]
    fn a_flow_that_suppresses_recording_supports_where_refused_calls_entered_it() {
        let mut sample = Sample::new();
        sample.exports.flows = vec![flow("Main", true), flow("Other", false)];
        entered(&mut sample, 3, 403, "Main");
        assert_eq!(sample.weigh(Hypothesis::FlowNotRecording).status, Status::Supported);
        entered(&mut sample, 3, 200, "Main");
        assert_eq!(sample.weigh(Hypothesis::FlowNotRecording).status, Status::Inconclusive);
        let mut sample = Sample::new();
        sample.exports.flows = vec![flow("Main", true), flow("Other", false)];
        entered(&mut sample, 3, 403, "Other");
        let weighed = sample.weigh(Hypothesis::FlowNotRecording);
        assert_eq!(weighed.status, Status::Untested, "{}", weighed.explanation);
        assert!(
            weighed.explanation.contains("no call of this trunk is seen to enter it. A"),
            "{}",
            weighed.explanation
        );
    }

    #[test]
    fn a_flow_that_no_call_is_tied_to_counts_where_it_is_the_only_kind() {
        let mut sample = Sample::new();
        sample.exports.flows = vec![flow("Main", true)];
        assert_eq!(sample.weigh(Hypothesis::FlowNotRecording).status, Status::Untested);
        sample.calls(1, SG1, MISSING, 403);
        assert_eq!(sample.weigh(Hypothesis::FlowNotRecording).status, Status::Supported);
        sample.exports.flows.push(flow("Other", false));
        assert_eq!(sample.weigh(Hypothesis::FlowNotRecording).status, Status::Untested);
        sample.exports.flows.pop();
        sample.calls(1, SG1, MISSING, 200);
        assert_eq!(sample.weigh(Hypothesis::FlowNotRecording).status, Status::Untested);
    }

    /// Calls: how many, of which consent, how answered, in which division and queue, with which agent.
    type Calls<'a> = &'a [(u64, Option<Group>, u16, &'a str, &'a str, &'a str)];

    #[track_caller]
    fn divided(calls: Calls<'_>, expected: Status) -> Weighed {
        let mut sample = Sample::new();
        for (count, group, status, division, queue, agent) in calls {
            for number in 0..*count {
                let values = |text: &str| {
                    let text = text.replace("{n}", &number.to_string());
                    (!text.is_empty()).then(|| id(&text))
                };
                sample.calls(1, SG1, *group, *status).known(|known| {
                    known.divisions.extend(values(division));
                    known.queues.extend(values(queue));
                    known.agents.extend(values(agent));
                });
            }
        }
        let weighed = sample.weigh(Hypothesis::DivisionOrCondition);
        assert_eq!(weighed.status, expected, "{calls:?}: {}", weighed.explanation);
        weighed
    }

    #[test]
    fn division_or_condition_by_the_table() {
        let weighed =
            divided(&[(9, MISSING, 403, "d2", "q", "u{n}"), (9, MISSING, 200, "d1", "q", "u{n}")], Status::Supported);
        assert_eq!(weighed.p, Some(8.22707e-5));
        assert_eq!(
            weighed.explanation,
            "Among calls of the same consent on this trunk, 9 of 9 (100%) of one division are refused, 0 (0%) of the others. \
             Hardly by chance (p < 0.001, Fisher's exact test, corrected for 2 comparisons)."
        );
        assert!(weighed.remedy.is_some());
        divided(&[(9, CONSENTED, 403, "", "q2", ""), (9, CONSENTED, 200, "", "q1", "")], Status::Supported);
        divided(&[(9, UNKNOWN, 403, "", "q", "u2"), (9, UNKNOWN, 200, "", "q", "u1")], Status::Supported);
        // Client credentials: calls without an agent.
        divided(&[(9, MISSING, 403, "d", "q", ""), (9, MISSING, 200, "d", "q", "u")], Status::Supported);
        divided(&[(9, MISSING, 403, "d", "q", "u{n}"), (9, MISSING, 200, "d", "q", "u{n}")], Status::Contradicted);
        divided(&[(9, MISSING, 403, "d1", "q", ""), (9, MISSING, 200, "d1", "q", "")], Status::Contradicted);
        divided(&[(9, MISSING, 403, "d2", "q", ""), (9, CONSENTED, 200, "d1", "q", "")], Status::Inconclusive);
        divided(&[(4, MISSING, 403, "d2", "q", ""), (4, MISSING, 200, "d1", "q", "")], Status::Inconclusive);
        divided(&[(9, MISSING, 403, "d2", "q", "")], Status::Untested);
        divided(&[(9, MISSING, 200, "d2", "q", "")], Status::Untested);
        divided(&[], Status::Untested);
    }

    #[test]
    fn what_the_exports_do_not_say_is_not_shared() {
        // Of the refused calls, of the allowed ones, or of neither.
        divided(&[(9, MISSING, 403, "", "q", "u"), (9, MISSING, 200, "d", "q", "u")], Status::Inconclusive);
        divided(&[(9, MISSING, 403, "d", "q", "u"), (9, MISSING, 200, "", "q", "u")], Status::Inconclusive);
        let weighed =
            divided(&[(9, MISSING, 403, "", "q", "u"), (9, MISSING, 200, "", "q", "u")], Status::Inconclusive);
        assert!(weighed.explanation.contains("do not say the division of enough"), "{}", weighed.explanation);
        // Of one in five that nobody describes, the others tell; of more they do not.
        for (undescribed, expected) in [(2, Status::Contradicted), (3, Status::Inconclusive)] {
            let mut sample = Sample::new();
            for status in [403, 200] {
                for _ in 0..9 {
                    sample.calls(1, SG1, MISSING, status).known(|known| {
                        known.divisions.insert(id("d"));
                    });
                }
                sample.calls(undescribed, SG1, MISSING, status);
            }
            assert_eq!(sample.weigh(Hypothesis::DivisionOrCondition).status, expected, "{undescribed}");
        }
        // Details that do not show how the calls were handled.
        let mut sample = Sample::new();
        for status in [403, 200] {
            for _ in 0..9 {
                sample.calls(1, SG1, MISSING, status).known(|known| known.handled = false);
            }
        }
        let weighed = sample.weigh(Hypothesis::DivisionOrCondition);
        assert_eq!((weighed.status, weighed.counts["described_refused"]), (Status::Untested, 0));
    }

    #[test]
    fn many_values_need_more_than_one_lucky_one() {
        // Twenty queues of ten calls, half refused; in one of them eight are.
        let mut calls = Vec::new();
        let queues: Vec<String> = (0..20).map(|number| format!("q{number}")).collect();
        for (queue, place) in queues.iter().zip(0..) {
            let refused = if place == 0 { 8 } else { 5 };
            calls.push((refused, MISSING, 403, "d", queue.as_str(), ""));
            calls.push((10 - refused, MISSING, 200, "d", queue.as_str(), ""));
        }
        divided(&calls, Status::Contradicted);
    }

    #[test]
    fn one_agent_of_many_is_no_account_of_the_refusals() {
        let odd: Calls<'_> = &[(30, MISSING, 403, "d", "q", "odd"), (1, MISSING, 200, "d", "q", "odd")];
        let allowed: Calls<'_> = &[(60, MISSING, 200, "d", "q", "u1")];
        divided(&[odd, allowed].concat(), Status::Supported);
        let agents = ["u0", "u1", "u2", "u3", "u4", "u5", "u6", "u7", "u8", "u9"];
        let others = agents.map(|agent| [(13, MISSING, 403, "d", "q", agent), (30, MISSING, 200, "d", "q", agent)]);
        let weighed = divided(&[odd, &others.concat()].concat(), Status::Inconclusive);
        assert!(weighed.explanation.contains("30 of 31 (97%) of one agent are refused"), "{}", weighed.explanation);
        assert!(weighed.explanation.contains("Most of the 160 calls that were refused"), "{}", weighed.explanation);
    }

    #[test]
    fn a_division_planted_among_both_consents_is_found_beside_noise() {
        let weighed = divided(
            &[
                (40, MISSING, 403, "d2", "q{n}", ""),
                (4, MISSING, 200, "d2", "q{n}", ""),
                (3, MISSING, 403, "d1", "q{n}", ""),
                (40, MISSING, 200, "d1", "q{n}", ""),
                (30, CONSENTED, 403, "d2", "q{n}", ""),
                (30, CONSENTED, 200, "d1", "q{n}", ""),
            ],
            Status::Supported,
        );
        assert_eq!((weighed.counts["divisions"], weighed.counts["described_refused"]), (2, 73));
    }

    #[test]
    fn an_inventory_is_a_ground_and_no_verdict() {
        use crate::facts::{InventoryKind, TrunkSettings};
        let listed = |name: &str, recording| TrunkSettings {
            locus: locus(900),
            id: None,
            name: Some(id(name)),
            base: None,
            kind: InventoryKind::Byoc,
            active: true,
            recording: Some(recording),
            consent_required: None,
            registered: None,
            options_answered: None,
        };
        let mut sample = Sample::new();
        sample.calls(9, SG1, CONSENTED, 200);
        sample.exports.trunks = vec![listed("sg1", false), listed("SG2", true)];
        let weighed = sample.weigh(Hypothesis::TrunkCapability);
        assert_eq!((weighed.status, weighed.counts["inventory_recording_off"]), (Status::Contradicted, 1));
        assert!(weighed.explanation.contains("for this trunk line recording switched off"), "{}", weighed.explanation);
        assert!(weighed.sources.contains(&locus(900)));
        // Named by neither: said only where all agree.
        sample.exports.trunks = vec![listed("x", false), listed("y", false)];
        assert!(
            sample.weigh(Hypothesis::TrunkCapability).explanation.contains("every BYOC trunk in it line recording")
        );
        sample.exports.trunks.push(listed("z", true));
        assert!(!sample.weigh(Hypothesis::TrunkCapability).explanation.contains("inventory"));
    }
}
