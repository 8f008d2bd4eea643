//! Who asked, and when: `stale_permission_cache` and `client_permission`.
//!
//! Called by [`super::hypothesis`]. Requests whose log names no client are left out and counted: "one client" cannot be
//! said of them.
//!
//! # Design
//!
//! Before and after a registration is asked of one call for one client, never across calls: two calls differ in more
//! than their time. A request nearer to the REGISTER than the clock skew is neither before nor after it.
//!
//! Contract §5 asks only whether calls were allowed after a REGISTER. That alone is co-occurrence where calls clear by
//! themselves: a recording that is not ready, a permission that flaps. The control group tells: a REGISTER of this trunk
//! has no bearing on calls of standard trunks. Of the calls that went from refused to allowed, those of either group that
//! have a REGISTER between are compared as refusals are elsewhere. Where they are alike it is inconclusive. So it is where
//! the control cannot tell and more calls of the trunk cleared with no REGISTER between than with one.
//!
//! A client is judged on a trunk when one of its calls there was refused and never allowed. Who was never refused has
//! nothing to be explained, and whoever was allowed once holds the permission.

use std::collections::{BTreeMap, BTreeSet};

use super::contingency::{self, Compared, Comparison, Counts};
use super::hypothesis::{Shown, Status, Weighing};
use super::platform;
use super::population::{Group, Outcome, Population, Unit};
use super::text::{calls, list, probability, several, were};
use crate::call::legs::At;
use crate::facts::ApiRequest;
use crate::sentence::{Kind, Sentence};

/// Consented calls around the trunk's successful registrations.
pub(super) fn cache(population: &Population<'_>, trunk: usize) -> Weighing {
    let registers = Registers::of(population, trunk);
    if registers.at.is_empty() {
        let health = population.health.get(trunk).copied().unwrap_or_default();
        let probed = match health.sent {
            0 => String::new(),
            sent => format!(
                " {} of {} on it {} answered: a trunk may be in service without registering.",
                health.answered,
                several(sent, "OPTIONS request"),
                were(health.answered)
            ),
        };
        return Weighing::untested(format!(
            "No successful REGISTER of this trunk was captured.{probed} A capture that holds one, and API log lines of the \
             same calls before and after it, would tell.",
        ));
    }
    let consented = || population.on(trunk).filter(|(_, crossing)| crossing.group == Some(Group::Consented));
    let (mut cleared, mut still, mut without, mut unnamed) = (0, 0, 0, 0);
    let (mut shown_cleared, mut shown_still) = (Shown::default(), Shown::default());
    let mut clients = BTreeSet::new();
    for (unit, _) in consented().filter(|(unit, _)| unit.outcome() != Outcome::Allowed) {
        let history = History::of(unit);
        let flushed = history.flushed(&registers);
        let kept = history.still_refused(&registers);
        let Some(client) = unit.client else {
            unnamed += u64::from(flushed.is_some() || kept.is_some());
            continue;
        };
        if let Some(shown) = flushed {
            cleared += 1;
            clients.insert(client);
            shown_cleared.extend(shown);
        } else if history.changed_without(&registers) {
            without += 1;
        }
        if let Some(shown) = kept {
            still += 1;
            shown_still.extend(shown);
        }
    }
    let control = Control::of(population, &registers);
    let counts = vec![
        ("registrations", registers.at.len() as u64),
        ("refused_then_allowed", cleared),
        ("still_refused", still),
        ("allowed_without_registration", without),
        ("standard_refused_then_allowed", control.across),
        ("standard_allowed_without_registration", control.without),
        ("client_not_logged", unnamed),
    ];
    if cleared == 0 && still == 0 {
        let mut text = format!(
            "{} of this trunk {} captured, but no call with consent that one client was refused last before it was asked \
             for again after it, more than the clock skew apart. Log lines of one client that asks for such a call before and \
             after a REGISTER would tell.",
            several(registers.at.len() as u64, "successful REGISTER"),
            were(registers.at.len() as u64)
        );
        if unnamed > 0 {
            let verb = were(unnamed);
            text.push_str(&format!(" The log names no client for {} that {verb}: log who asked.", calls(unnamed)));
        }
        return Weighing { counts, ..Weighing::untested(text) };
    }
    let mut text = format!(
        "Of the calls with consent that one client was refused before a successful REGISTER of this trunk, {cleared} {} \
         allowed after it and {still} {} still refused.",
        were(cleared),
        were(still)
    );
    if without > 0 {
        text.push_str(&format!(" {} more went from refused to allowed with no REGISTER between.", calls(without)));
    }
    let comparison = control.against(cleared, without);
    if comparison.compared != Compared::Empty {
        text.push_str(&format!(
            " Of {} on standard trunks that went from refused to allowed, {} did so around a REGISTER of this trunk ({}, \
             Fisher's exact test).",
            calls(control.across + control.without),
            control.across,
            probability(comparison.p)
        ));
    }
    let by_itself = match comparison.compared {
        Compared::More => false,
        Compared::Alike | Compared::Less => true,
        Compared::Empty | Compared::TooFew | Compared::Unclear => without > cleared,
    };
    let status = match Status::of(cleared > 0, still > 0, Status::Untested) {
        Status::Supported if by_itself => {
            text.push_str(" Calls clear without it as well.");
            Status::Inconclusive
        }
        status => status,
    };
    // What the same clients were refused before a REGISTER and never asked for again, it would account for too.
    let accounted = consented().filter(|(unit, _)| unit.client.is_some_and(|client| clients.contains(client)));
    let refusals = accounted.flat_map(|(unit, _)| unit.refusals()).map(|answer| answer.request);
    let refusals = refusals.filter(|request| at(request).is_some_and(|at| registers.after(at).is_some()));
    Weighing {
        status,
        counts,
        p: comparison.p,
        text: Sentence::own(text),
        shown: vec![shown_cleared, shown_still],
        refusals: refusals.map(|request| request.locus).collect(),
    }
}

/// The successful registrations of a trunk, by time, and how far apart clocks must read to tell before from after.
struct Registers {
    at: Vec<At>,
    apart: i64,
}

impl Registers {
    fn of(population: &Population<'_>, trunk: usize) -> Self {
        let successful = population.registrations.iter().filter(|registration| {
            registration.trunk == trunk && registration.status.is_some_and(|status| (200..300).contains(&status))
        });
        let at = successful.map(|registration| At { at: registration.at, locus: registration.locus }).collect();
        Self { at, apart: population.settings.clock_skew_ns.max(1) }
    }

    /// The first that is later than `at`, told apart: also from the end of the second, where the log writes no more.
    fn after(&self, at: At) -> Option<At> {
        let from = at.at.latest_ns().saturating_add(self.apart);
        self.at.get(self.at.partition_point(|register| register.at.ns < from)).copied()
    }

    /// One between the two instants, told apart from both.
    fn between(&self, one: At, other: At) -> Option<At> {
        self.after(one).filter(|register| register.at.ns.saturating_add(self.apart) <= other.at.ns)
    }

    /// Whether one may lie between the two instants, if the clocks differ.
    fn near(&self, one: At, other: At) -> bool {
        let from = one.at.ns.saturating_sub(self.apart);
        let next = self.at.get(self.at.partition_point(|register| register.at.ns <= from));
        next.is_some_and(|register| register.at.ns < other.at.latest_ns().saturating_add(self.apart))
    }
}

/// When a request was answered, and its record.
fn at(request: &ApiRequest) -> Option<At> {
    Some(At { at: request.at?, locus: request.locus })
}

/// What a unit was answered, by time: the instant, and whether it was a refusal.
struct History(Vec<(At, bool)>);

impl History {
    fn of(unit: &Unit<'_>) -> Self {
        // A local time of an hour that came twice is before or after nothing within it.
        let requests = unit.answers().iter().map(|answer| answer.request).filter(|request| !request.is_ambiguous);
        let mut answers: Vec<_> = requests.filter_map(|request| Some((at(request)?, request.is_refused()))).collect();
        answers.sort_unstable();
        Self(answers)
    }

    /// A registration before which the unit was last refused, and after which it was allowed: with the two answers.
    fn flushed(&self, registers: &Registers) -> Option<[At; 3]> {
        let Self(answers) = self;
        let mut from = 0;
        loop {
            let (refused, _) = answers.get(from..)?.iter().find(|(_, refused)| *refused)?;
            let register = registers.after(*refused)?;
            let before = answers.partition_point(|(at, _)| at.at.ns.saturating_add(registers.apart) <= register.at.ns);
            let (last, true) = answers.get(before.checked_sub(1)?)? else {
                from = before;
                continue;
            };
            let after = |at: &At| at.at.ns >= register.at.ns.saturating_add(registers.apart);
            let (allowed, _) = answers.iter().find(|(at, refused)| !refused && after(at))?;
            return Some([*last, register, *allowed]);
        }
    }

    /// The first and the last refusal, where a registration lies between.
    fn still_refused(&self, registers: &Registers) -> Option<[At; 3]> {
        let mut refusals = self.0.iter().filter(|(_, refused)| *refused).map(|(at, _)| *at);
        let first = refusals.next()?;
        let last = refusals.next_back()?;
        Some([first, registers.between(first, last)?, last])
    }

    /// Whether the unit went from refused to allowed where no registration can have been between.
    fn changed_without(&self, registers: &Registers) -> bool {
        let mut pairs = self.0.iter().zip(self.0.iter().skip(1));
        pairs.any(|((one, was), (other, is))| *was && !is && !registers.near(*one, *other))
    }
}

/// Calls of the control group that went from refused to allowed.
#[derive(Clone, Copy, Default)]
struct Control {
    /// A registration of the trunk lies between.
    across: u64,
    /// None can.
    without: u64,
}

impl Control {
    fn of(population: &Population<'_>, registers: &Registers) -> Self {
        let mut control = Self::default();
        let asked = population.control().map(|(unit, _)| unit);
        for unit in asked.filter(|unit| unit.client.is_some() && unit.outcome() == Outcome::Mixed) {
            let history = History::of(unit);
            if history.flushed(registers).is_some() {
                control.across += 1;
            } else if history.changed_without(registers) {
                control.without += 1;
            }
        }
        control
    }

    /// Whether the trunk's calls went so around a registration more often: what is compared is not refusals, but which
    /// of the calls that cleared have a registration between.
    fn against(self, cleared: u64, without: u64) -> Comparison {
        let of = |across, without| Counts { refused: across, allowed: without, mixed: 0 };
        contingency::compare(of(cleared, without), of(self.across, self.without))
    }
}

/// Each client that the log names, with its calls on all trunks and those of the control.
#[derive(Debug)]
pub(super) struct Clients<'m> {
    everywhere: BTreeMap<&'m [u8], (Counts, Counts)>,
}

impl<'m> Clients<'m> {
    pub(super) fn of(population: &Population<'m>) -> Self {
        let mut everywhere: BTreeMap<&'m [u8], (Counts, Counts)> = BTreeMap::new();
        for unit in &population.units {
            let Some(client) = unit.client else { continue };
            let (all, standard) = everywhere.entry(client).or_default();
            all.add(unit.outcome());
            if population.calls.get(unit.call).is_some_and(|standing| standing.control) {
                standard.add(unit.outcome());
            }
        }
        Self { everywhere }
    }
}

/// Permissions that one sentence names.
const MOST_PERMISSIONS: usize = 4;

/// The clients that were refused on the trunk, each by what it was answered on all trunks.
pub(super) fn permission(population: &Population<'_>, clients: &Clients<'_>, trunk: usize) -> Weighing {
    // The calls refused on this trunk, by client.
    let mut refused: BTreeMap<&[u8], Vec<&Unit<'_>>> = BTreeMap::new();
    let (mut unnamed, mut codes, mut missing) = (0, BTreeMap::new(), BTreeMap::new());
    for (unit, _) in population.on(trunk).filter(|(unit, _)| unit.outcome() == Outcome::Refused) {
        let Some(client) = unit.client else {
            unnamed += 1;
            continue;
        };
        refused.entry(client).or_default().push(unit);
        for code in unit.refusals().filter_map(|answer| answer.request.error_code()) {
            if platform::is_api_code(code) {
                *codes.entry(platform::bare_code(code)).or_insert(0_u64) += 1;
            }
        }
        for answer in unit.refusals() {
            let named: BTreeSet<&str> = platform::missing_permissions(answer.request).collect();
            for permission in named {
                *missing.entry(permission).or_insert(0_u64) += 1;
            }
        }
    }
    let mut judged: BTreeMap<Status, u64> = BTreeMap::new();
    let (mut shown, mut others, mut refusals) = (Shown::default(), Shown::default(), Vec::new());
    let mut refused_calls = 0;
    for (client, units) in &refused {
        let (all, standard) = clients.everywhere.get(client).copied().unwrap_or_default();
        let status = if all.allowed > 0 {
            Status::Contradicted
        } else if standard == Counts::default() {
            Status::Untested
        } else if all.mixed > 0 {
            Status::Inconclusive
        } else {
            Status::Supported
        };
        *judged.entry(status).or_insert(0) += 1;
        refused_calls += units.len() as u64;
        shown.extend(units.iter().filter_map(|unit| unit.first()));
        if status == Status::Supported {
            refusals.extend(units.iter().flat_map(|unit| unit.refusals()).map(|answer| answer.request.locus));
        }
    }
    // What else the judged clients were answered: on standard trunks, or elsewhere.
    let mut standard_refused = 0;
    for unit in &population.units {
        let Some(client) = unit.client.filter(|client| refused.contains_key(client)) else { continue };
        let control = population.calls.get(unit.call).is_some_and(|standing| standing.control);
        let allowed = unit.outcome() == Outcome::Allowed;
        standard_refused += u64::from(control && unit.outcome() == Outcome::Refused);
        let judged_by_it =
            allowed || clients.everywhere.get(client).is_some_and(|(all, _)| all.allowed == 0 && control);
        if judged_by_it {
            others.extend(unit.first());
        }
    }
    let of = |status: Status| judged.get(&status).copied().unwrap_or(0);
    let status = match judged.keys().copied().collect::<Vec<_>>().as_slice() {
        [] => Status::Untested,
        [one] => *one,
        [..] => Status::Inconclusive,
    };
    let counts = vec![
        ("clients_refused", refused.len() as u64),
        ("clients_refused_everywhere", of(Status::Supported)),
        ("clients_allowed_elsewhere", of(Status::Contradicted)),
        ("clients_without_standard_call", of(Status::Untested)),
        ("refused", refused_calls),
        ("standard_refused", standard_refused),
        ("client_not_logged", unnamed),
    ];
    let mut text = if refused.is_empty() && unnamed > 0 {
        format!(
            "The log names no client for the {} refused on this trunk. The OAuth client or the user in the access log would \
             tell.",
            calls(unnamed)
        )
    } else if refused.is_empty() {
        "No call on this trunk was refused to a client throughout, so there is nothing to judge a client by. Log lines of \
         refused requests that name the OAuth client or the user would tell."
            .to_owned()
    } else {
        let mut parts = vec![format!(
            "{} {} refused {} on this trunk",
            several(refused.len() as u64, "client"),
            were(refused.len() as u64),
            calls(refused_calls)
        )];
        for (status, what) in [
            (Status::Supported, "refused on standard trunks too and never allowed"),
            (Status::Contradicted, "allowed on other calls"),
            (Status::Inconclusive, "allowed at times on calls that were refused at others"),
            (Status::Untested, "never asking for a call on a standard trunk"),
        ] {
            if of(status) > 0 {
                parts.push(match refused.len() {
                    1 => format!("that client {what}"),
                    _ => format!("{} of these clients {what}", of(status)),
                });
            }
        }
        format!("{}.", parts.join(", "))
    };
    if status == Status::Untested && !refused.is_empty() {
        text.push_str(" The same client's requests for calls on a standard trunk would tell.");
    }
    if !refused.is_empty() && unnamed > 0 {
        text.push_str(&format!(" For {} more the log names no client.", calls(unnamed)));
    }
    if !codes.is_empty() {
        let codes = codes.iter().map(|(code, count)| format!("{} ({count})", code.escape_ascii()));
        text.push_str(&format!(" Error codes of the refusals: {}.", list(codes, 4)));
    }
    let mut text = Sentence::own(text);
    if !missing.is_empty() {
        let named = missing.iter().take(MOST_PERMISSIONS);
        let named =
            named.map(|(name, count)| Sentence::default().naming(Kind::Permission, name).and(&format!(" ({count})")));
        text = text.and(" Permissions that the refusals say are missing: ").list(named, ", ");
        if let more @ 1.. = missing.len().saturating_sub(MOST_PERMISSIONS) {
            text = text.and(&format!(" and {more} more"));
        }
        text = text.and(".");
    }
    let untested = status == Status::Untested;
    Weighing { status, counts, p: None, text, shown: if untested { Vec::new() } else { vec![shown, others] }, refusals }
}

#[cfg(test)]
mod tests {
    use super::super::hypothesis::Hypothesis;
    use super::super::sample::{CONSENTED, MISSING, PBX, SG1, SG2, Sample, UNKNOWN, restate};
    use super::*;
    use crate::evidence::Timestamp;

    /// One consented call asked for by one client around registrations at these seconds.
    #[track_caller]
    fn cached(answers: &[&[(i64, u16)]], registrations: &[(usize, i64, Option<u16>)], expected: Status) {
        let mut sample = Sample::new();
        for (trunk, at, status) in registrations {
            sample.register(*trunk, *at, *status);
        }
        for answers in answers {
            let call = sample.call(SG1, CONSENTED);
            sample.asked(call, Some("crm"), answers);
        }
        let weighed = sample.weigh(Hypothesis::StalePermissionCache);
        assert_eq!(weighed.status, expected, "{answers:?} {registrations:?}: {}", weighed.explanation);
    }

    #[test]
    fn stale_permission_cache_by_the_table() {
        let once = [(SG1, 100, Some(200))];
        cached(&[&[(50, 403), (150, 200)]], &once, Status::Supported);
        cached(&[&[(50, 403), (60, 403), (150, 206), (160, 200)]], &once, Status::Supported);
        cached(&[&[(50, 403), (150, 403)]], &once, Status::Contradicted);
        // Both columns hold, each by its own answers.
        cached(&[&[(50, 403), (150, 403), (160, 200)]], &once, Status::Inconclusive);
        cached(&[&[(50, 403), (150, 200), (160, 403)]], &once, Status::Inconclusive);
        cached(&[&[(50, 403), (150, 200)], &[(50, 403), (150, 403)]], &once, Status::Inconclusive);
        cached(&[&[(50, 200), (150, 403)]], &once, Status::Untested);
        // What was allowed earlier, and then refused, was refused before it.
        cached(&[&[(50, 200), (60, 403), (150, 200)]], &once, Status::Supported);
        // Allowed before it already.
        cached(&[&[(50, 403), (60, 200), (150, 200)]], &once, Status::Untested);
        let twice = [(SG1, 100, Some(200)), (SG1, 200, Some(200))];
        cached(&[&[(50, 403), (60, 200), (150, 403), (250, 200)]], &twice, Status::Inconclusive);
        cached(&[&[(150, 403), (250, 200)]], &twice, Status::Supported);
        cached(&[&[(50, 403), (60, 200)]], &once, Status::Untested);
        // Two calls are not one: each differs in more than its time.
        cached(&[&[(50, 403)], &[(150, 200)]], &once, Status::Untested);
    }

    #[test]
    fn a_time_that_may_be_another_is_before_and_after_nothing() {
        for (ambiguous, expected) in
            [(None, Status::Supported), (Some(403), Status::Untested), (Some(200), Status::Untested)]
        {
            let mut sample = Sample::new();
            sample.register(SG1, 100, Some(200));
            let call = sample.call(SG1, CONSENTED);
            let asked = sample.asked(call, Some("crm"), &[(50, 403), (150, 200)]);
            asked.so(|request, _| request.is_ambiguous = ambiguous == Some(request.status.0));
            let weighed = sample.weigh(Hypothesis::StalePermissionCache);
            assert_eq!(weighed.status, expected, "{ambiguous:?}: {}", weighed.explanation);
        }
    }

    #[test]
    fn the_missing_permission_is_named() {
        let mut sample = Sample::new();
        for trunk in [SG1, PBX] {
            sample.calls(1, trunk, MISSING, 403).so(|request, _| {
                restate(request, |texts| texts.error_code = Some(b"missing.any.permissions"));
                let value = Box::new(*b"[recording:recording:view, <script>]");
                let error_params = [crate::facts::ErrorParam { name: Box::new(*b"permissions"), value }].into();
                request.more = crate::facts::More { error_params, ..Default::default() }.kept();
            });
        }
        let weighed = sample.weigh(Hypothesis::ClientPermission);
        let expected = "Permissions that the refusals say are missing: recording:recording:view (1).";
        assert!(weighed.explanation.contains(expected), "{}", weighed.explanation);
    }

    #[test]
    fn only_a_successful_registration_of_the_trunk_counts() {
        let cleared: &[(i64, u16)] = &[(50, 403), (150, 200)];
        for registrations in [vec![], vec![(SG1, 100, Some(401))], vec![(SG1, 100, None)], vec![(SG2, 100, Some(200))]]
        {
            cached(&[cleared], &registrations, Status::Untested);
        }
        cached(
            &[cleared],
            &[(SG1, 20, Some(200)), (SG1, 99, Some(401)), (SG1, 100, Some(200)), (SG1, 200, Some(200))],
            Status::Supported,
        );
    }

    #[test]
    fn what_is_nearer_than_the_clock_skew_is_neither_before_nor_after() {
        // The skew is two seconds.
        cached(&[&[(99, 403), (150, 200)]], &[(SG1, 100, Some(200))], Status::Untested);
        cached(&[&[(50, 403), (101, 200)]], &[(SG1, 100, Some(200))], Status::Untested);
        cached(&[&[(50, 403), (101, 403)]], &[(SG1, 100, Some(200))], Status::Untested);
        cached(&[&[(98, 403), (102, 200)]], &[(SG1, 100, Some(200))], Status::Supported);
    }

    #[test]
    fn what_is_logged_in_whole_seconds_is_before_only_where_all_of_its_second_is() {
        // The skew is two seconds: refused at 98.999 at the latest.
        for (refused, expected) in [(98, Status::Untested), (97, Status::Supported)] {
            let mut sample = Sample::new();
            sample.register(SG1, 100, Some(200));
            let call = sample.call(SG1, CONSENTED);
            sample.asked(call, Some("crm"), &[(refused, 403), (150, 200)]).so(|request, _| {
                request.at = request.at.map(|at| Timestamp::new(at.ns, 0));
            });
            assert_eq!(sample.weigh(Hypothesis::StalePermissionCache).status, expected, "{refused}");
        }
    }

    #[test]
    fn calls_without_consent_and_unnamed_clients_show_no_cache() {
        let mut sample = Sample::new();
        sample.register(SG1, 100, Some(200));
        for (group, client) in [(MISSING, Some("crm")), (UNKNOWN, Some("crm")), (CONSENTED, None)] {
            let call = sample.call(SG1, group);
            sample.asked(call, client, &[(50, 403), (150, 200)]);
        }
        let weighed = sample.weigh(Hypothesis::StalePermissionCache);
        assert_eq!(weighed.status, Status::Untested);
        assert_eq!(weighed.counts["client_not_logged"], 1);
        assert!(weighed.explanation.contains("names no client for 1 call"), "{}", weighed.explanation);
    }

    #[test]
    fn what_cleared_without_a_registration_is_told() {
        let mut sample = Sample::new();
        sample.register(SG1, 100, Some(200));
        for answers in [[(50, 403), (150, 200)], [(150, 403), (160, 200)]] {
            let call = sample.call(SG1, CONSENTED);
            sample.asked(call, Some("crm"), &answers);
        }
        let weighed = sample.weigh(Hypothesis::StalePermissionCache);
        assert_eq!(weighed.status, Status::Supported);
        assert!(weighed.explanation.contains("1 call more went from refused to allowed"), "{}", weighed.explanation);
    }

    #[test]
    fn calls_that_mostly_clear_without_a_registration_show_no_cache() {
        let once = [(SG1, 100, Some(200))];
        let across: &[(i64, u16)] = &[(50, 403), (150, 200)];
        let without: &[(i64, u16)] = &[(150, 403), (160, 200)];
        cached(&[across, without], &once, Status::Supported);
        cached(&[across, without, without], &once, Status::Inconclusive);
        // A registration that cannot be told apart may be between.
        let indistinct: &[(i64, u16)] = &[(99, 403), (101, 200)];
        cached(&[across, indistinct, indistinct], &once, Status::Supported);
    }

    #[test]
    fn the_control_tells_whether_clearing_goes_with_the_registration() {
        let (across, without) = ([(50, 403), (150, 200)], [(150, 403), (160, 200)]);
        // Calls of the trunk that clear around the REGISTER and without one, and calls of the control.
        for (own, control, expected) in [
            // A third of them does, none of the control: most clear without, and the REGISTER tells all the same.
            ([10, 20], [0, 20], Status::Supported),
            ([10, 20], [6, 14], Status::Inconclusive),
            ([10, 200], [0, 200], Status::Inconclusive),
            // All of them do, and so does the control.
            ([10, 0], [10, 0], Status::Inconclusive),
            ([10, 0], [4, 0], Status::Supported),
            ([10, 0], [0, 5], Status::Supported),
            // Nothing to compare with.
            ([10, 20], [0, 0], Status::Inconclusive),
            ([20, 10], [0, 0], Status::Supported),
        ] {
            let mut sample = Sample::new();
            sample.register(SG1, 100, Some(200));
            for (trunk, counts) in [(SG1, own), (PBX, control)] {
                for (answers, count) in [across, without].iter().zip(counts) {
                    for _ in 0..count {
                        let call = sample.call(trunk, CONSENTED);
                        sample.asked(call, Some("crm"), answers);
                    }
                }
            }
            let weighed = sample.weigh(Hypothesis::StalePermissionCache);
            assert_eq!(weighed.status, expected, "{own:?} {control:?}: {}", weighed.explanation);
        }
    }

    /// A call on a trunk, who asked for it, and how it was answered: 403, 200, or 0 for both.
    type Asked = (usize, Option<&'static str>, u16);

    #[track_caller]
    fn permitted(calls: &[Asked], expected: Status) {
        let mut sample = Sample::new();
        for (trunk, client, status) in calls {
            let call = sample.call(*trunk, UNKNOWN);
            let answers = if *status == 0 { vec![(10_000, 403), (10_001, 200)] } else { vec![(10_000, *status)] };
            sample.asked(call, *client, &answers);
            sample.so(|request, _| restate(request, |texts| texts.error_code = Some(b"missing.any.permissions")));
        }
        let weighed = sample.weigh(Hypothesis::ClientPermission);
        assert_eq!(weighed.status, expected, "{calls:?}: {}", weighed.explanation);
        if expected == Status::Supported {
            assert!(weighed.explanation.contains("missing.any.permissions ("), "{}", weighed.explanation);
        }
    }

    #[test]
    fn client_permission_by_the_table() {
        let (crm, other) = (Some("crm"), Some("other"));
        permitted(&[(SG1, crm, 403), (PBX, crm, 403)], Status::Supported);
        permitted(&[(SG1, crm, 403), (PBX, crm, 200)], Status::Contradicted);
        permitted(&[(SG1, crm, 403), (SG1, crm, 200)], Status::Contradicted);
        permitted(&[(SG1, crm, 403), (SG2, crm, 200), (PBX, crm, 403)], Status::Contradicted);
        permitted(&[(SG1, crm, 403)], Status::Untested);
        permitted(&[(SG1, crm, 403), (PBX, other, 403)], Status::Untested);
        permitted(&[(SG1, crm, 200), (PBX, crm, 403)], Status::Untested);
        permitted(&[(SG1, crm, 403), (PBX, crm, 403), (PBX, crm, 0)], Status::Inconclusive);
        // Nor do calls that were refused and allowed say anything without a standard one.
        permitted(&[(SG1, crm, 403), (SG1, crm, 0)], Status::Untested);
        permitted(&[(SG1, None, 403), (PBX, None, 403)], Status::Untested);
        permitted(&[], Status::Untested);
    }

    #[test]
    fn clients_are_judged_one_by_one() {
        let (crm, other) = (Some("crm"), Some("other"));
        let broken = [(SG1, crm, 403), (PBX, crm, 403)];
        // One that was never refused here has nothing to be explained.
        permitted(&[&broken[..], &[(SG1, other, 200), (PBX, other, 200)]].concat(), Status::Supported);
        permitted(&[&broken[..], &[(SG1, other, 0)]].concat(), Status::Supported);
        permitted(&[&broken[..], &[(SG1, other, 403), (PBX, other, 200)]].concat(), Status::Inconclusive);
        permitted(&[&broken[..], &[(SG1, other, 403)]].concat(), Status::Inconclusive);
        permitted(&[&broken[..], &[(SG1, other, 403), (PBX, other, 403)]].concat(), Status::Supported);
    }

    #[test]
    fn no_client_is_named_in_a_sentence() {
        let mut sample = Sample::new();
        sample.calls(3, SG1, MISSING, 403).calls(3, PBX, MISSING, 403);
        assert!(!sample.weigh(Hypothesis::ClientPermission).explanation.contains("crm"));
    }
}
