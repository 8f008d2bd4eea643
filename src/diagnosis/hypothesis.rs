//! The ten hypotheses, weighed for each BYOC trunk in the order of contract §5.
//!
//! A family's file gives a [`Weighing`]; here it becomes a [`Weighed`] row: with its remedy, with the hypotheses that the
//! same refused calls support, and with a bounded number of pointers. Called by the pipeline; the report writes the
//! rows as they are and people's formats rank them by [`Status`].

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;

use super::population::Population;
use super::{access, consent, exported, platform, target, text};
use crate::call::legs::At;
use crate::evidence::Locus;
use crate::sentence::Sentence;
use crate::settings::TrunkKind;

/// Records that one hypothesis points at. The explanation says where there are more.
pub const MOST_SOURCES: usize = 20;

/// An explanation of refusals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the contract's words")]
pub enum Hypothesis {
    ConsentHeader,
    ConsentHeaderFormat,
    HeaderStripped,
    TrunkCapability,
    StalePermissionCache,
    ClientPermission,
    FlowNotRecording,
    DivisionOrCondition,
    WrongEndpoint,
    GatewayRefusal,
}

impl Hypothesis {
    /// All, in the order of the contract.
    pub const ALL: [Self; 10] = [
        Self::ConsentHeader,
        Self::ConsentHeaderFormat,
        Self::HeaderStripped,
        Self::TrunkCapability,
        Self::StalePermissionCache,
        Self::ClientPermission,
        Self::FlowNotRecording,
        Self::DivisionOrCondition,
        Self::WrongEndpoint,
        Self::GatewayRefusal,
    ];

    /// The word the report uses.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ConsentHeader => "consent_header",
            Self::ConsentHeaderFormat => "consent_header_format",
            Self::HeaderStripped => "header_stripped",
            Self::TrunkCapability => "trunk_capability",
            Self::StalePermissionCache => "stale_permission_cache",
            Self::ClientPermission => "client_permission",
            Self::FlowNotRecording => "flow_not_recording",
            Self::DivisionOrCondition => "division_or_condition",
            Self::WrongEndpoint => "wrong_endpoint",
            Self::GatewayRefusal => "gateway_refusal",
        }
    }
}

/// How the evidence stands to a hypothesis. Ordered as people's formats rank: what bears something out first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    /// The evidence fits it and speaks against its contrary.
    Supported,
    /// The evidence speaks for neither, or for both.
    Inconclusive,
    /// The evidence speaks against it.
    Contradicted,
    /// The evidence that would tell was not seen.
    Untested,
}

impl Status {
    /// The word the report uses.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Supported => "supported",
            Self::Inconclusive => "inconclusive",
            Self::Contradicted => "contradicted",
            Self::Untested => "untested",
        }
    }

    /// The status of that word.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        [Self::Supported, Self::Inconclusive, Self::Contradicted, Self::Untested]
            .into_iter()
            .find(|status| status.name() == name)
    }

    /// What follows where the columns of the contract's table hold, and where neither does.
    pub(super) const fn of(supported: bool, contradicted: bool, neither: Self) -> Self {
        match (supported, contradicted) {
            (true, true) => Self::Inconclusive,
            (true, false) => Self::Supported,
            (false, true) => Self::Contradicted,
            (false, false) => neither,
        }
    }
}

/// How well a remedy is founded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Basis {
    /// The vendor documents what it speaks of.
    Verified,
    /// Somebody says so.
    Claimed,
}

impl Basis {
    /// The word the report uses.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Verified => "verified",
            Self::Claimed => "claimed",
        }
    }
}

/// What to do next where a hypothesis is supported.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Remedy {
    pub text: Sentence,
    pub basis: Basis,
}

/// One hypothesis weighed for one trunk.
#[derive(Clone, Debug, PartialEq)]
pub struct Weighed {
    /// The trunk, by its index in the settings.
    pub trunk: usize,
    /// The hypothesis.
    pub hypothesis: Hypothesis,
    /// How the evidence stands to it.
    pub status: Status,
    /// The counts behind the status, by name.
    pub counts: BTreeMap<&'static str, u64>,
    /// The probability of Fisher's exact test, to six digits; `None` where no two groups were compared.
    pub p: Option<f64>,
    /// Other supported hypotheses that some of the same refused calls support, in the contract's order.
    pub not_separable_from: Vec<Hypothesis>,
    /// Plain sentences with the numbers.
    pub explanation: Sentence,
    /// Records that show it, by time; at most [`MOST_SOURCES`].
    pub sources: Vec<Locus>,
    /// What to do next; `None` unless supported.
    pub remedy: Option<Remedy>,
}

/// What a family's file concludes of one hypothesis.
#[derive(Clone, Debug)]
pub(super) struct Weighing {
    pub(super) status: Status,
    pub(super) counts: Vec<(&'static str, u64)>,
    pub(super) p: Option<f64>,
    pub(super) text: Sentence,
    /// What shows it, for each group that was compared.
    pub(super) shown: Vec<Shown>,
    /// The refused requests that it would account for.
    pub(super) refusals: Vec<Locus>,
}

/// The first records that show something, by time: no more than can be given.
#[derive(Clone, Debug, Default)]
pub(super) struct Shown {
    first: BTreeSet<At>,
    /// Whether there are more.
    more: bool,
}

impl Shown {
    pub(super) fn add(&mut self, at: At) {
        if self.first.len() == MOST_SOURCES && self.first.last().is_some_and(|last| at > *last) {
            self.more = true;
            return;
        }
        self.first.insert(at);
        if self.first.len() > MOST_SOURCES {
            self.first.pop_last();
            self.more = true;
        }
    }
}

impl Extend<At> for Shown {
    fn extend<I: IntoIterator<Item = At>>(&mut self, records: I) {
        records.into_iter().for_each(|at| self.add(at));
    }
}

impl FromIterator<At> for Shown {
    fn from_iter<I: IntoIterator<Item = At>>(records: I) -> Self {
        let mut shown = Self::default();
        shown.extend(records);
        shown
    }
}

impl Weighing {
    /// Nothing was seen that tells.
    pub(super) fn untested(text: impl Into<String>) -> Self {
        let status = Status::Untested;
        Self { status, counts: Vec::new(), p: None, text: Sentence::own(text), shown: Vec::new(), refusals: Vec::new() }
    }
}

/// Weighs the ten hypotheses for each BYOC trunk, in the order of the trunks and of the contract.
#[must_use]
pub fn diagnose(population: &Population<'_>) -> Vec<Weighed> {
    let clients = access::Clients::of(population);
    let trunks = population.settings.trunks.iter().zip(0..).filter(|(trunk, _)| trunk.kind == TrunkKind::Byoc);
    trunks.flat_map(|(_, trunk)| on_trunk(population, &clients, trunk)).collect()
}

fn on_trunk(population: &Population<'_>, clients: &access::Clients<'_>, trunk: usize) -> Vec<Weighed> {
    let mut weighed: Vec<(Hypothesis, Weighing)> = Hypothesis::ALL
        .into_par_iter()
        .map(|hypothesis| {
            let weighing = match hypothesis {
                Hypothesis::ConsentHeader => consent::header(population, trunk),
                Hypothesis::ConsentHeaderFormat => consent::format(population, trunk),
                Hypothesis::HeaderStripped => consent::stripped(population, trunk),
                Hypothesis::TrunkCapability => consent::capability(population, trunk),
                Hypothesis::StalePermissionCache => access::cache(population, trunk),
                Hypothesis::ClientPermission => access::permission(population, clients, trunk),
                Hypothesis::FlowNotRecording => exported::flow(population, trunk),
                Hypothesis::DivisionOrCondition => exported::division(population, trunk),
                Hypothesis::WrongEndpoint => target::endpoint(population, trunk),
                Hypothesis::GatewayRefusal => target::gateway(population, trunk),
            };
            (hypothesis, weighing)
        })
        .collect();
    let inseparable = inseparable(population, trunk, &mut weighed);
    let rows = weighed.into_iter().zip(inseparable).map(|((hypothesis, weighing), not_separable_from)| {
        let (sources, more) = sources(&weighing.shown);
        let mut explanation = weighing.text;
        if more {
            explanation = explanation.and(&format!(" Only the first {} records are given as sources.", sources.len()));
        }
        let remedy =
            (weighing.status == Status::Supported).then(|| platform::remedy(hypothesis, &population.settings.rules));
        Weighed {
            trunk,
            hypothesis,
            status: weighing.status,
            counts: weighing.counts.into_iter().collect(),
            p: weighing.p.map(text::six_digits),
            not_separable_from,
            explanation,
            sources,
            remedy,
        }
    });
    rows.collect()
}

/// What a hypothesis would account for: the refusals of a call, or one that is tied to no call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Refused {
    Call(usize),
    Loose(Locus),
}

/// For each row the other supported ones that some of the same refused calls support.
fn inseparable(
    population: &Population<'_>,
    trunk: usize,
    weighed: &mut [(Hypothesis, Weighing)],
) -> Vec<Vec<Hypothesis>> {
    let supported: Vec<usize> =
        (0..).zip(&*weighed).filter(|(_, (_, own))| own.status == Status::Supported).map(|(place, _)| place).collect();
    let mut found = vec![Vec::new(); weighed.len()];
    if supported.len() < 2 {
        return found;
    }
    let mut calls: Vec<(Locus, usize)> = population
        .on(trunk)
        .flat_map(|(unit, _)| unit.refusals().map(|answer| (answer.request.locus, unit.call)))
        .collect();
    calls.sort_unstable();
    let of = |locus: &Locus| -> Vec<Refused> {
        let from = calls.partition_point(|(known, _)| known < locus);
        let own = calls.iter().skip(from).take_while(|(known, _)| known == locus);
        let own: Vec<Refused> = own.map(|(_, call)| Refused::Call(*call)).collect();
        if own.is_empty() { vec![Refused::Loose(*locus)] } else { own }
    };
    let refused: Vec<(usize, Hypothesis, Vec<Refused>)> = supported
        .into_iter()
        .filter_map(|place| {
            let (hypothesis, weighing) = weighed.get_mut(place)?;
            let mut refused: Vec<Refused> = std::mem::take(&mut weighing.refusals).iter().flat_map(of).collect();
            refused.sort_unstable();
            refused.dedup();
            Some((place, *hypothesis, refused))
        })
        .collect();
    for (place, own, refused_own) in &refused {
        let others = refused.iter().filter(|(_, other, refused)| other != own && share(refused_own, refused));
        if let Some(found) = found.get_mut(*place) {
            *found = others.map(|(_, other, _)| *other).collect();
        }
    }
    found
}

/// Whether two sorted lists have a member in common.
fn share<T: Ord>(one: &[T], other: &[T]) -> bool {
    let (few, many) = if one.len() < other.len() { (one, other) } else { (other, one) };
    few.iter().any(|member| many.binary_search(member).is_ok())
}

/// The first records of each group in turn, by time, and whether there are more.
fn sources(shown: &[Shown]) -> (Vec<Locus>, bool) {
    let mut groups: Vec<_> = shown.iter().map(|group| group.first.iter().copied()).collect();
    let mut chosen: BTreeSet<At> = BTreeSet::new();
    let mut more = shown.iter().any(|group| group.more);
    let mut loci: BTreeSet<Locus> = BTreeSet::new();
    loop {
        let round: Vec<At> = groups.iter_mut().filter_map(Iterator::next).collect();
        if round.is_empty() {
            break;
        }
        for at in round {
            if loci.contains(&at.locus) {
                continue;
            }
            if loci.len() < MOST_SOURCES {
                loci.insert(at.locus);
                chosen.insert(at);
            } else {
                more = true;
            }
        }
    }
    (chosen.into_iter().map(|at| at.locus).collect(), more)
}

#[cfg(test)]
mod tests {
    use super::super::population::Unit;
    use super::super::sample::{CONSENTED, INVALID, MISSING, PBX, SG1, SG2, Sample, UNKNOWN, row};
    use super::*;
    use crate::evidence::{SourceId, Timestamp};

    fn at(second: i64, record: u64) -> At {
        At { at: Timestamp::new(second, 0), locus: Locus { source: SourceId(0), record } }
    }

    #[test]
    fn sources_are_bounded_by_turns_and_ordered_by_time() {
        let many: Shown = (0..100).rev().map(|second| at(second, second as u64)).collect();
        let few: Shown = [at(1_000, 1_000), at(500, 500)].into_iter().collect();
        let (chosen, more) = sources(&[many, few.clone()]);
        assert_eq!((chosen.len(), more), (MOST_SOURCES, true));
        assert_eq!(sources(&[few.clone(), few]), (vec![at(500, 500).locus, at(1_000, 1_000).locus], false));
        let records: Vec<u64> = chosen.iter().map(|locus| locus.record).collect();
        assert_eq!(records.iter().copied().max(), Some(1_000));
        assert!(records.is_sorted(), "{records:?}");
        assert!(records.contains(&500) && records.contains(&17) && !records.contains(&18));
    }

    #[test]
    fn lists_share_a_member_or_not() {
        let of = |records: &[u64]| records.iter().map(|record| at(0, *record).locus).collect::<Vec<_>>();
        assert!(share(&of(&[1, 5]), &of(&[2, 3, 5])));
        assert!(!share(&of(&[1, 4]), &of(&[2, 3, 5])));
        assert!(!share(&of(&[]), &of(&[2])));
    }

    #[test]
    fn a_status_is_ranked_and_named() {
        let mut all = [Status::Untested, Status::Contradicted, Status::Supported, Status::Inconclusive];
        all.sort();
        assert_eq!(all.map(Status::name), ["supported", "inconclusive", "contradicted", "untested"]);
        assert_eq!(Status::of_name("untested"), Some(Status::Untested));
        assert_eq!(Status::of_name("refuted"), None);
        assert_eq!(Status::of(true, true, Status::Untested), Status::Inconclusive);
        assert_eq!(Status::of(false, false, Status::Untested), Status::Untested);
    }

    /// A population in which every family has something to say.
    fn motley() -> Sample {
        let mut sample = Sample::new();
        sample.calls(9, SG1, MISSING, 403).calls(7, SG1, CONSENTED, 200).calls(6, SG1, INVALID, 403);
        sample.calls(3, SG1, UNKNOWN, 403).calls(8, PBX, MISSING, 200).calls(4, SG2, CONSENTED, 403);
        let call = sample.call(SG1, MISSING);
        sample.passage(call, false).asked(call, Some("other"), &[(10_000, 403), (10_020, 403)]);
        let call = sample.call(SG1, CONSENTED);
        sample.asked(call, Some("other"), &[(10_000, 403), (10_020, 200)]);
        sample.register(SG1, 10_010, Some(200)).loose("/v2/recordings", None).loose("/v2/recordings", Some(SG1));
        sample
    }

    #[test]
    fn ten_rows_for_each_byoc_trunk_in_order() {
        let diagnosis = diagnose(&motley().population());
        let rows: Vec<(usize, Hypothesis)> =
            diagnosis.iter().map(|weighed| (weighed.trunk, weighed.hypothesis)).collect();
        let expected: Vec<(usize, Hypothesis)> =
            [SG1, SG2].into_iter().flat_map(|trunk| Hypothesis::ALL.map(|hypothesis| (trunk, hypothesis))).collect();
        assert_eq!(rows, expected);
        assert!(diagnose(&Sample::new().population()).iter().all(|weighed| weighed.status == Status::Untested));
    }

    #[test]
    fn sentences_name_numbers_and_blame_nothing() {
        for weighed in diagnose(&motley().population()).iter().chain(&diagnose(&Sample::new().population())) {
            let text = &weighed.explanation;
            assert!(!text.to_lowercase().contains("cause"), "{text}");
            assert!(text.ends_with('.') && !text.contains("  "), "{text}");
            // What was not seen is named, so that somebody can fetch it.
            assert!(weighed.status != Status::Untested || text.contains("would tell"), "{text}");
            let remedy = weighed.remedy.as_ref().map_or("", |remedy| &remedy.text);
            assert!(!remedy.to_lowercase().contains("because"), "{remedy}");
            let supported = weighed.status == Status::Supported;
            assert_eq!(weighed.remedy.is_some(), supported, "{}", weighed.hypothesis.name());
            assert!(!supported || !weighed.sources.is_empty(), "{}", weighed.hypothesis.name());
            assert!(weighed.sources.len() <= MOST_SOURCES);
        }
    }

    #[test]
    fn the_order_of_units_and_calls_does_not_matter() {
        let population = motley().population();
        let expected = diagnose(&population);
        let mut state = 7_u64;
        for _ in 0..50 {
            let mut shuffled = population.clone();
            for place in (1..shuffled.units.len()).rev() {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                shuffled.units.swap(place, (state >> 33) as usize % (place + 1));
            }
            // The requests and the calls too, with the units following them.
            let calls = shuffled.calls.len();
            shuffled.calls.reverse();
            for unit in &mut shuffled.units {
                let answers = unit.answers().iter().rev().copied().collect();
                *unit = Unit::new(calls - 1 - unit.call, unit.client, answers);
            }
            shuffled.loose.reverse();
            assert_eq!(diagnose(&shuffled), expected);
        }
    }

    #[test]
    fn unrelated_calls_change_nothing_on_the_trunk() {
        let expected = diagnose(&motley().population());
        let mut more = motley();
        // Another client's calls on another trunk, asked for through an endpoint that exists.
        for (group, status) in [(CONSENTED, 403), (MISSING, 200), (INVALID, 403), (UNKNOWN, 403)] {
            let call = more.call(SG2, group);
            more.asked(call, Some("stranger"), &[(30_000, status)]);
        }
        more.register(SG2, 10_005, Some(200));
        let diagnosis = diagnose(&more.population());
        for hypothesis in Hypothesis::ALL {
            assert_eq!(row(&diagnosis, SG1, hypothesis), row(&expected, SG1, hypothesis));
        }
    }

    #[test]
    fn calls_of_unknown_consent_move_no_comparison() {
        let expected = diagnose(&motley().population());
        let mut more = motley();
        more.calls(40, SG1, UNKNOWN, 403);
        let diagnosis = diagnose(&more.population());
        for hypothesis in [
            Hypothesis::ConsentHeader,
            Hypothesis::ConsentHeaderFormat,
            Hypothesis::HeaderStripped,
            Hypothesis::TrunkCapability,
            Hypothesis::StalePermissionCache,
        ] {
            let compared = |diagnosis: &[Weighed]| {
                let mut row = row(diagnosis, SG1, hypothesis);
                // What was not seen is counted, in no group.
                row.counts.retain(|name, _| *name != "refused" && !name.contains("unseen"));
                (row.status, row.p, row.counts)
            };
            assert_eq!(compared(&diagnosis), compared(&expected));
        }
    }

    #[test]
    fn what_the_same_refusals_support_cannot_be_told_apart() {
        let mut sample = Sample::new();
        sample.calls(9, SG1, CONSENTED, 200).calls(9, SG1, MISSING, 403);
        for _ in 0..3 {
            let call = sample.call(SG1, MISSING);
            sample.passage(call, false).asked(call, Some("crm"), &[(10_000, 403)]);
        }
        sample.loose("/v2/recordings", None);
        let diagnosis = diagnose(&sample.population());
        let of = |hypothesis| {
            let weighed = row(&diagnosis, SG1, hypothesis);
            assert_eq!(weighed.status, Status::Supported, "{}", weighed.explanation);
            weighed.not_separable_from
        };
        assert_eq!(of(Hypothesis::ConsentHeader), [Hypothesis::HeaderStripped]);
        assert_eq!(of(Hypothesis::HeaderStripped), [Hypothesis::ConsentHeader]);
        assert_eq!(of(Hypothesis::WrongEndpoint), []);
    }
}
