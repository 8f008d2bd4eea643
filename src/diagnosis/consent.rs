//! What the signalling carried: `consent_header`, `consent_header_format`, `header_stripped`, `trunk_capability`.
//!
//! Compares refusal rates of groups on one trunk, and of the trunk with the control (contract §5). Called by
//! [`super::hypothesis`].

use super::contingency::{self, Compared, Comparison, Counts, FEWEST};
use super::hypothesis::{Shown, Status, Weighing};
use super::platform;
use super::population::{Crossing, Group, Outcome, Population, Unit};
use super::text::{calls, probability, refused_of, several, were};
use crate::call::legs::At;
use crate::evidence::{Locus, Timestamp};
use crate::facts::{InventoryKind, TrunkSettings};
use crate::sentence::Sentence;

/// What holds of two groups when no rule of the table does.
pub(super) const fn neither(compared: Compared) -> Status {
    match compared {
        Compared::Empty => Status::Untested,
        Compared::Alike | Compared::Less | Compared::More | Compared::TooFew | Compared::Unclear => {
            Status::Inconclusive
        }
    }
}

/// Why a comparison says no more, as the end of a sentence about the groups so called.
fn unclear(comparison: &Comparison, first: &str, second: &str) -> String {
    let p = probability(comparison.p);
    match comparison.compared {
        Compared::Empty if comparison.first.rated() == 0 && comparison.second.rated() == 0 => {
            format!("Neither group can be compared: no {first} and no {second} were refused or allowed.")
        }
        Compared::Empty if comparison.first.rated() == 0 => {
            format!("There is nothing to compare with: no {first} were refused or allowed.")
        }
        Compared::Empty => format!("There is nothing to compare with: no {second} were refused or allowed."),
        Compared::TooFew => format!("Fewer than {FEWEST} calls in a group say nothing ({p})."),
        Compared::Unclear => format!("Chance alone may bring that difference about ({p})."),
        Compared::Less => format!("It is the {second} that are refused more often ({p})."),
        Compared::Alike => format!("The two are refused alike ({p})."),
        Compared::More => format!("The {first} are refused more often, hardly by chance ({p}, Fisher's exact test)."),
    }
}

/// What would test a comparison that has a group without calls; empty where both have some.
fn wanted(comparison: &Comparison, first: &str, second: &str) -> String {
    let lacking: Vec<&str> = [(comparison.first, first), (comparison.second, second)]
        .into_iter()
        .filter(|(counts, _)| counts.rated() == 0)
        .map(|(_, group)| group)
        .collect();
    if lacking.is_empty() {
        return String::new();
    }
    format!(
        " A capture of {} and the API's access log of the requests for their recordings (time, target, status, client) would \
         tell.",
        lacking.join(" and of ")
    )
}

/// `Refused: 38 of 40 (95%) calls without consent, 2 of 60 (3%) calls with consent.` and the mixed ones.
fn rates(comparison: &Comparison, first: &str, second: &str) -> String {
    let mut text =
        format!("Refused: {} {first}, {} {second}.", refused_of(comparison.first), refused_of(comparison.second));
    let mixed = comparison.first.mixed + comparison.second.mixed;
    if mixed > 0 {
        let verb = were(mixed);
        text.push_str(&format!(" {} more {verb} both refused and allowed, and {verb} left out.", calls(mixed)));
    }
    text
}

fn counts(first: [&'static str; 3], second: [&'static str; 3], comparison: &Comparison) -> Vec<(&'static str, u64)> {
    let of = |names: [&'static str; 3], counts: Counts| {
        names.into_iter().zip([counts.refused, counts.allowed, counts.mixed])
    };
    of(first, comparison.first).chain(of(second, comparison.second)).collect()
}

const CONSENTED: [&str; 3] = ["consented_refused", "consented_allowed", "consented_mixed"];
const UNCONSENTED: [&str; 3] = ["unconsented_refused", "unconsented_allowed", "unconsented_mixed"];
const INVALID: [&str; 3] = ["invalid_refused", "invalid_allowed", "invalid_mixed"];
const STANDARD: [&str; 3] = ["standard_refused", "standard_allowed", "standard_mixed"];

/// Shows a unit: the INVITEs of its call on the trunk, and its first request.
fn show(shown: &mut Shown, unit: &Unit<'_>, crossing: Option<&Crossing>) {
    if let Some(crossing) = crossing {
        shown.extend(crossing.invites.iter().copied());
    }
    shown.extend(unit.first());
}

/// What shows the units of a group on `trunk`, and their refused requests.
fn evidence(population: &Population<'_>, trunk: usize, fits: impl Fn(Group) -> bool) -> (Shown, Vec<Locus>) {
    let (mut shown, mut refusals) = (Shown::default(), Vec::new());
    for (unit, crossing) in population.on(trunk) {
        if !crossing.group.is_some_and(&fits) {
            continue;
        }
        match unit.outcome() {
            Outcome::Refused => refusals.extend(unit.refusals().map(|answer| answer.request.locus)),
            Outcome::Allowed => {}
            Outcome::Mixed => continue,
        }
        show(&mut shown, unit, Some(crossing));
    }
    (shown, refusals)
}

fn is_unconsented(group: Group) -> bool {
    matches!(group, Group::Unconsented { .. })
}

fn is_invalid(group: Group) -> bool {
    group == Group::Unconsented { invalid: true }
}

fn is_consented(group: Group) -> bool {
    group == Group::Consented
}

/// Calls without consent against calls with it.
pub(super) fn header(population: &Population<'_>, trunk: usize) -> Weighing {
    let (without, with) = (population.count(trunk, is_unconsented), population.count(trunk, is_consented));
    let comparison = contingency::compare(without, with);
    let lacking = population.calls.iter().filter(|standing| standing.asked).filter_map(|standing| standing.on(trunk));
    let lacking =
        lacking.filter(|crossing| crossing.group.map_or(crossing.may_be_unconsented, is_unconsented)).count() as u64;
    let lacking = lacking + population.hidden.asked;
    let unasked = with.refused >= FEWEST && lacking == 0;
    let contradicted = comparison.compared == Compared::Alike || unasked;
    let status = Status::of(comparison.compared == Compared::More, contradicted, neither(comparison.compared));
    let (first, second) = ("calls without consent", "calls with consent");
    let mut text = rates(&comparison, first, second);
    text.push(' ');
    if unasked {
        text.push_str("Calls with consent are refused, and none without consent was asked for.");
    } else {
        text.push_str(&unclear(&comparison, first, second));
    }
    if status == Status::Untested {
        if with.refused >= FEWEST {
            text.push_str(&format!(
                " Calls with consent are refused, but {} without consent, or of a consent that was not seen, {} asked for as \
                 well.",
                calls(lacking),
                were(lacking)
            ));
        }
        text.push_str(&wanted(&comparison, "calls without consent on this trunk", "calls with consent on this trunk"));
    }
    let (shown, refusals) = evidence(population, trunk, is_unconsented);
    let (others, _) = evidence(population, trunk, is_consented);
    let mut counts = counts(UNCONSENTED, CONSENTED, &comparison);
    counts.push(("unconsented_or_unseen_asked_for", lacking));
    Weighing { status, counts, p: comparison.p, text: Sentence::own(text), shown: vec![shown, others], refusals }
}

/// Calls with an invalid value against calls with consent.
pub(super) fn format(population: &Population<'_>, trunk: usize) -> Weighing {
    let (invalid, with) = (population.count(trunk, is_invalid), population.count(trunk, is_consented));
    let comparison = contingency::compare(invalid, with);
    // Who was allowed as well was refused all the same, and a value that was not seen may have been invalid.
    let (mut refused, mut refused_invalid, mut refused_unseen) = (0, 0, population.hidden.refused);
    let mut refused_at = Shown::default();
    for (unit, crossing) in population.on(trunk).filter(|(unit, _)| unit.outcome() != Outcome::Allowed) {
        refused_invalid += u64::from(crossing.carried_invalid);
        refused_unseen += u64::from(crossing.unseen && !crossing.carried_invalid);
        if unit.outcome() == Outcome::Refused {
            refused += 1;
            show(&mut refused_at, unit, Some(crossing));
        }
    }
    let contradicted = refused > 0 && refused_invalid == 0 && refused_unseen == 0;
    let status = Status::of(comparison.compared == Compared::More, contradicted, neither(comparison.compared));
    let (first, second) = ("calls with an invalid value", "calls with consent");
    let mut counts = counts(INVALID, CONSENTED, &comparison);
    counts.extend([
        ("refused", refused),
        ("refused_with_invalid_value", refused_invalid),
        ("refused_with_unseen_value", refused_unseen),
    ]);
    if contradicted {
        let text = match refused {
            1 => "The one call on this trunk that was refused carried no invalid value in the field.".to_owned(),
            many => format!(
                "None of the {many} calls on this trunk that were refused carried an invalid value in the field."
            ),
        };
        return Weighing {
            status,
            counts,
            p: comparison.p,
            text: Sentence::own(text),
            shown: vec![refused_at],
            refusals: Vec::new(),
        };
    }
    let mut text = format!("{} {}", rates(&comparison, first, second), unclear(&comparison, first, second));
    if refused_unseen > 0 {
        let (many, were) = (calls(refused_unseen), were(refused_unseen));
        text.push_str(&format!(" What {many} carried that {were} refused was not seen."));
    }
    if status == Status::Untested {
        text.push_str(&wanted(
            &comparison,
            "calls with an invalid value on this trunk",
            "calls with consent on this trunk",
        ));
    }
    let (shown, refusals) = evidence(population, trunk, is_invalid);
    let (others, _) = evidence(population, trunk, is_consented);
    Weighing { status, counts, p: comparison.p, text: Sentence::own(text), shown: vec![shown, others], refusals }
}

/// Consent that was carried towards the trunk, and what its INVITE carried.
pub(super) fn stripped(population: &Population<'_>, trunk: usize) -> Weighing {
    let (mut lost, mut kept) = (Shown::default(), Shown::default());
    let (mut lost_legs, mut kept_legs) = (0, 0);
    for crossing in population.calls.iter().filter_map(|standing| standing.on(trunk)) {
        for passage in &crossing.passages {
            let (legs, shown) = if passage.kept { (&mut kept_legs, &mut kept) } else { (&mut lost_legs, &mut lost) };
            *legs += 1;
            shown.extend([passage.upstream, passage.here]);
        }
    }
    if lost_legs == 0 && kept_legs == 0 {
        return Weighing::untested(
            "No INVITE that carried consent towards this trunk was captured before the device that sends on it. A capture \
             on the carrier's side of the SBC would tell, with an identifier that ties its legs to those on the trunk.",
        );
    }
    let stripped = |crossing: &Crossing| crossing.passages.iter().any(|passage| !passage.kept);
    let mut refused_calls = 0;
    let mut refusals = Vec::new();
    for (unit, _) in population.on(trunk).filter(|(_, crossing)| stripped(crossing)) {
        let before = refusals.len();
        refusals.extend(unit.refusals().map(|answer| answer.request.locus));
        refused_calls += u64::from(refusals.len() > before);
    }
    let status = Status::of(lost_legs > 0, kept_legs > 0, Status::Untested);
    let text = format!(
        "Consent was carried towards this trunk on {}: on {lost_legs} the INVITE on the trunk no longer carried it, on \
         {kept_legs} it still did. Of the calls that lost it, {refused_calls} {} refused.",
        several(lost_legs + kept_legs, "leg"),
        were(refused_calls)
    );
    let counts = vec![("stripped", lost_legs), ("kept", kept_legs), ("stripped_calls_refused", refused_calls)];
    let shown = vec![lost, kept];
    Weighing { status, counts, p: None, text: Sentence::own(text), shown, refusals }
}

/// Calls with consent on the trunk against calls on standard trunks.
pub(super) fn capability(population: &Population<'_>, trunk: usize) -> Weighing {
    let with = population.count(trunk, is_consented);
    let mut standard = Counts::default();
    let mut others = Shown::default();
    for (unit, standing) in population.control() {
        standard.add(unit.outcome());
        if unit.outcome() != Outcome::Mixed {
            show(&mut others, unit, standing.crossings.first());
        }
    }
    let comparison = contingency::compare(with, standard);
    let unseen =
        population.on(trunk).filter(|(unit, crossing)| unit.outcome() == Outcome::Refused && crossing.may_be_consented);
    let unseen = unseen.count() as u64 + population.hidden.refused;
    let allowed = with.allowed >= FEWEST && with.refused == 0 && unseen == 0;
    let contradicted = allowed || comparison.compared == Compared::Alike;
    let status = Status::of(comparison.compared == Compared::More, contradicted, neither(comparison.compared));
    let (first, second) = ("calls with consent on this trunk", "calls on standard trunks");
    let mut text = rates(&comparison, first, second);
    text.push(' ');
    if allowed {
        text.push_str(&format!("The trunk's calls with consent are allowed ({} of them).", with.allowed));
    } else {
        text.push_str(&unclear(&comparison, first, second));
    }
    if unseen > 0 {
        let (many, were) = (calls(unseen), were(unseen));
        text.push_str(&format!(" What consent {many} had that {were} refused was not seen."));
    }
    if status == Status::Untested {
        let standard = "calls on a standard trunk (kind = \"standard\" in the configuration)";
        text.push_str(&wanted(&comparison, first, standard));
    }
    let capabilities = population.settings.trunks.get(trunk).and_then(|trunk| trunk.capabilities.as_ref());
    if let Some(capabilities) = capabilities {
        let listed = capabilities.iter().any(|own| own.trim().eq_ignore_ascii_case(platform::CAPABILITY));
        let verb = if listed { "list" } else { "do not list" };
        text.push_str(&format!(" The capabilities configured for the trunk {verb} {}.", platform::CAPABILITY));
    }
    let (shown, refusals) = evidence(population, trunk, is_consented);
    let mut counts = counts(CONSENTED, STANDARD, &comparison);
    counts.push(("unseen_refused", unseen));
    let listed = inventory(population, trunk, &mut text, &mut counts);
    Weighing {
        status,
        counts,
        p: comparison.p,
        text: Sentence::own(text),
        shown: vec![shown, others, listed],
        refusals,
    }
}

/// What an inventory among the evidence says of the trunk's recording: a ground, never a verdict. Where it names the trunk
/// by neither id nor name, what it says of all BYOC trunks alike.
fn inventory(
    population: &Population<'_>,
    trunk: usize,
    text: &mut String,
    counts: &mut Vec<(&'static str, u64)>,
) -> Shown {
    let mut listed: Vec<&TrunkSettings> = population.inventory.of_trunk(trunk).collect();
    let named = !listed.is_empty();
    if !named {
        let byoc = population.inventory.external().filter(|listed| listed.kind == InventoryKind::Byoc && listed.active);
        listed.extend(byoc);
    }
    let subject = if named {
        "The platform's inventory shows for this trunk"
    } else {
        "The platform's inventory names no trunk as this one, and shows for every BYOC trunk in it"
    };
    // Instances do not say; where base settings say different things, nothing is said.
    let said = |of: fn(&TrunkSettings) -> Option<bool>| {
        let mut said = listed.iter().filter_map(|listed| of(listed));
        let first = said.next()?;
        said.all(|other| other == first).then_some(first)
    };
    let recording = said(|listed| listed.recording);
    let required = said(|listed| listed.consent_required);
    let on = |on: bool| if on { "on" } else { "off" };
    let mut parts = Vec::new();
    if let Some(recording) = recording {
        parts.push(format!("line recording switched {} (trunk_recording_enabled)", on(recording)));
        counts.push(("inventory_recording_off", u64::from(!recording)));
    }
    if let Some(required) = required {
        parts.push(format!("required consent switched {} (trunk_recording_consent_required)", on(required)));
    }
    if parts.is_empty() {
        return Shown::default();
    }
    text.push_str(&format!(" {subject} {}.", parts.join(" and ")));
    let says = |listed: &&&TrunkSettings| listed.recording.is_some() || listed.consent_required.is_some();
    listed.iter().filter(says).map(|listed| At { at: Timestamp::new(0, 0), locus: listed.locus }).collect()
}

#[cfg(test)]
mod tests {
    use super::super::contingency::SIGNIFICANT;
    use super::super::hypothesis::Hypothesis;
    use super::super::population::Group;
    use super::super::sample::{CONSENTED, INVALID, MISSING, PBX, SG1, SG2, Sample, UNKNOWN};
    use super::*;

    /// Calls: how many, where, in which group, and how answered.
    type Calls<'a> = &'a [(u64, usize, Option<Group>, u16)];

    #[track_caller]
    fn check(hypothesis: Hypothesis, calls: Calls<'_>, expected: Status) -> super::super::Weighed {
        let mut sample = Sample::new();
        for (count, trunk, group, status) in calls {
            sample.calls(*count, *trunk, *group, *status);
        }
        let weighed = sample.weigh(hypothesis);
        assert_eq!(weighed.status, expected, "{calls:?}: {}", weighed.explanation);
        weighed
    }

    #[test]
    fn consent_header_by_the_table() {
        let of = |calls: Calls<'_>, expected| check(Hypothesis::ConsentHeader, calls, expected);
        let weighed = of(
            &[(38, SG1, MISSING, 403), (2, SG1, MISSING, 200), (58, SG1, CONSENTED, 200), (2, SG1, CONSENTED, 403)],
            Status::Supported,
        );
        assert_eq!(weighed.p, Some(1.00609e-22));
        assert_eq!(weighed.counts["unconsented_refused"], 38);
        assert_eq!(weighed.counts["consented_allowed"], 58);
        assert_eq!(weighed.sources.len(), super::super::hypothesis::MOST_SOURCES);
        assert_eq!(
            weighed.explanation,
            "Refused: 38 of 40 (95%) calls without consent, 2 of 60 (3%) calls with consent. The calls without consent are \
             refused more often, hardly by chance (p < 0.001, Fisher's exact test). Only the first 20 records are given as \
             sources."
        );
        of(&[(5, SG1, MISSING, 403), (5, SG1, CONSENTED, 403)], Status::Contradicted);
        of(&[(5, SG1, MISSING, 200), (5, SG1, CONSENTED, 200)], Status::Contradicted);
        of(&[(5, SG1, CONSENTED, 403)], Status::Contradicted);
        of(&[(4, SG1, CONSENTED, 403)], Status::Untested);
        of(&[(9, SG1, CONSENTED, 200)], Status::Untested);
        of(&[(9, SG1, MISSING, 403)], Status::Untested);
        of(&[], Status::Untested);
        of(&[(4, SG1, MISSING, 403), (100, SG1, CONSENTED, 200)], Status::Inconclusive);
        of(&[(9, SG1, MISSING, 200), (9, SG1, CONSENTED, 403)], Status::Inconclusive);
        of(
            &[(3, SG1, MISSING, 403), (2, SG1, MISSING, 200), (1, SG1, CONSENTED, 403), (4, SG1, CONSENTED, 200)],
            Status::Inconclusive,
        );
    }

    #[test]
    fn nobody_without_consent_was_asked_for_only_where_all_who_were_are_seen() {
        let of = |also: &dyn Fn(&mut Sample)| {
            let mut sample = Sample::new();
            sample.calls(5, SG1, CONSENTED, 403);
            also(&mut sample);
            sample.weigh(Hypothesis::ConsentHeader)
        };
        let weighed = of(&|sample| _ = sample.calls(4, SG1, UNKNOWN, 200));
        assert_eq!((weighed.status, weighed.counts["unconsented_or_unseen_asked_for"]), (Status::Untested, 4));
        assert!(
            weighed.explanation.contains("4 calls without consent, or of a consent that was not seen, were asked for"),
            "{}",
            weighed.explanation
        );
        let answered_404 = |group| {
            of(&|sample| {
                let call = sample.call(SG1, group);
                sample.asked(call, Some("crm"), &[(10_000, 404)]);
            })
        };
        assert_eq!(answered_404(MISSING).status, Status::Untested);
        assert_eq!(answered_404(UNKNOWN).status, Status::Untested);
        assert_eq!(answered_404(CONSENTED).status, Status::Contradicted);
        assert_eq!(of(&|sample| sample.hidden.asked = 1).status, Status::Untested);
        // Not asked for, or on other trunks.
        assert_eq!(of(&|sample| _ = sample.call(SG1, MISSING)).status, Status::Contradicted);
        assert_eq!(of(&|sample| _ = sample.calls(9, SG2, UNKNOWN, 403)).status, Status::Contradicted);
    }

    #[test]
    fn no_refused_call_had_an_invalid_value_only_where_all_are_seen() {
        let of = |refused: &dyn Fn(&mut Sample)| {
            let mut sample = Sample::new();
            sample.calls(1, SG1, MISSING, 403);
            refused(&mut sample);
            sample.weigh(Hypothesis::ConsentHeaderFormat)
        };
        let weighed = of(&|sample| _ = sample.calls(5, SG1, UNKNOWN, 403));
        assert_eq!((weighed.status, weighed.counts["refused"]), (Status::Untested, 6));
        assert!(
            weighed.explanation.contains("What 5 calls carried that were refused was not seen."),
            "{}",
            weighed.explanation
        );
        let mixed = |group| {
            of(&|sample| {
                let call = sample.call(SG1, group);
                sample.asked(call, Some("crm"), &[(10_000, 403), (10_001, 200)]);
            })
        };
        assert_eq!(mixed(INVALID).status, Status::Untested);
        assert_eq!(mixed(UNKNOWN).status, Status::Untested);
        assert_eq!(mixed(CONSENTED).status, Status::Contradicted);
        assert_eq!(of(&|sample| sample.hidden.refused = 1).status, Status::Untested);
        assert_eq!(of(&|sample| _ = sample.calls(9, SG1, UNKNOWN, 200)).status, Status::Contradicted);
        assert_eq!(of(&|sample| _ = sample.calls(9, SG2, INVALID, 403)).status, Status::Contradicted);
    }

    #[test]
    fn other_groups_and_trunks_do_not_enter_the_comparison() {
        let own: Calls<'_> = &[(6, SG1, INVALID, 403), (6, SG1, CONSENTED, 200)];
        let alone = check(Hypothesis::ConsentHeader, own, Status::Supported);
        let with_others = [
            own,
            &[(50, SG1, UNKNOWN, 403), (50, SG2, CONSENTED, 403), (50, PBX, CONSENTED, 403), (9, SG2, MISSING, 200)],
        ]
        .concat();
        let weighed = check(Hypothesis::ConsentHeader, &with_others, Status::Supported);
        let counts = |mut counts: std::collections::BTreeMap<&'static str, u64>| {
            counts.retain(|name, _| !name.contains("unseen"));
            counts
        };
        assert_eq!((alone.p, counts(alone.counts)), (weighed.p, counts(weighed.counts)));
        assert_eq!(alone.explanation, weighed.explanation);
        assert!(alone.p.is_some_and(|p| p < SIGNIFICANT));
    }

    #[test]
    fn a_call_refused_and_allowed_is_in_no_rate() {
        let mut sample = Sample::new();
        sample.calls(5, SG1, CONSENTED, 200).calls(5, SG1, MISSING, 403);
        for _ in 0..40 {
            let call = sample.call(SG1, MISSING);
            sample.asked(call, Some("crm"), &[(20_000, 403), (20_001, 200)]);
        }
        let weighed = sample.weigh(Hypothesis::ConsentHeader);
        assert_eq!(weighed.status, Status::Supported);
        assert_eq!(weighed.counts["unconsented_mixed"], 40);
        assert!(
            weighed.explanation.contains("40 calls more were both refused and allowed, and were left out"),
            "{}",
            weighed.explanation
        );
    }

    #[test]
    fn consent_header_format_by_the_table() {
        let of = |calls: Calls<'_>, expected| check(Hypothesis::ConsentHeaderFormat, calls, expected);
        of(&[(6, SG1, INVALID, 403), (6, SG1, CONSENTED, 200)], Status::Supported);
        of(&[(6, SG1, MISSING, 403), (6, SG1, CONSENTED, 200)], Status::Contradicted);
        of(&[(6, SG1, MISSING, 403), (6, SG1, INVALID, 200), (6, SG1, CONSENTED, 200)], Status::Contradicted);
        of(&[(1, SG1, CONSENTED, 403)], Status::Contradicted);
        of(&[(6, SG1, INVALID, 403), (6, SG1, CONSENTED, 403)], Status::Inconclusive);
        of(&[(2, SG1, INVALID, 403), (6, SG1, CONSENTED, 200)], Status::Inconclusive);
        of(&[(6, SG1, INVALID, 403)], Status::Untested);
        of(&[(6, SG1, INVALID, 200), (6, SG1, CONSENTED, 200)], Status::Inconclusive);
        of(&[(6, SG1, CONSENTED, 200)], Status::Untested);
        // What is refused with unknown consent says nothing of values.
        of(&[(6, SG1, UNKNOWN, 403)], Status::Untested);
    }

    #[test]
    fn trunk_capability_by_the_table() {
        let of = |calls: Calls<'_>, expected| check(Hypothesis::TrunkCapability, calls, expected);
        of(&[(9, SG1, CONSENTED, 403), (9, PBX, MISSING, 200)], Status::Supported);
        of(&[(5, SG1, CONSENTED, 200)], Status::Contradicted);
        of(&[(4, SG1, CONSENTED, 200)], Status::Untested);
        // Those that were refused may have had consent.
        of(&[(5, SG1, CONSENTED, 200), (1, SG1, UNKNOWN, 403)], Status::Untested);
        of(&[(5, SG1, CONSENTED, 200), (9, SG1, UNKNOWN, 200), (9, SG1, MISSING, 403)], Status::Contradicted);
        of(&[(9, SG1, CONSENTED, 403), (9, PBX, MISSING, 403)], Status::Contradicted);
        of(&[(9, SG1, CONSENTED, 403)], Status::Untested);
        of(&[(9, SG1, CONSENTED, 403), (4, PBX, MISSING, 200)], Status::Inconclusive);
        of(&[(1, SG1, CONSENTED, 403), (9, SG1, CONSENTED, 200), (9, PBX, MISSING, 200)], Status::Contradicted);
        of(&[(9, SG1, MISSING, 403), (9, PBX, MISSING, 200)], Status::Untested);
    }

    #[test]
    fn configured_capabilities_are_a_sentence_and_no_more() {
        for (capabilities, expected) in [(["analytics:byoc"], "do not list"), (["recording:consent"], "list")] {
            let mut sample = Sample::new();
            sample.settings.trunks[SG1].capabilities = Some(capabilities.map(str::to_owned).to_vec());
            let weighed = sample.weigh(Hypothesis::TrunkCapability);
            assert_eq!(weighed.status, Status::Untested);
            let sentence = format!("The capabilities configured for the trunk {expected} recording:consent.");
            assert!(weighed.explanation.ends_with(&sentence), "{}", weighed.explanation);
        }
        assert!(!Sample::new().weigh(Hypothesis::TrunkCapability).explanation.contains("capabilities"));
    }

    #[test]
    fn header_stripped_by_the_table() {
        for (lost, kept, expected) in [
            (0, 0, Status::Untested),
            (2, 0, Status::Supported),
            (0, 2, Status::Contradicted),
            (2, 1, Status::Inconclusive),
        ] {
            let mut sample = Sample::new();
            for _ in 0..lost {
                let call = sample.call(SG1, MISSING);
                sample.passage(call, false).asked(call, Some("crm"), &[(10_000, 403), (10_001, 403)]);
            }
            for _ in 0..kept {
                let call = sample.call(SG1, CONSENTED);
                sample.passage(call, true);
            }
            let weighed = sample.weigh(Hypothesis::HeaderStripped);
            assert_eq!(weighed.status, expected, "{lost} {kept}");
            assert_eq!(weighed.sources.len(), 2 * (lost + kept));
            assert_eq!(weighed.counts.get("stripped_calls_refused").copied().unwrap_or(0), lost as u64);
        }
    }
}
