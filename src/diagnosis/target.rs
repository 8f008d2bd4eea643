//! What was asked for, and who answered: `wrong_endpoint` and `gateway_refusal`.
//!
//! Judged request by request, over every refusal of the trunk's calls, every refused query for the trunk, and every
//! refusal that is tied to no call: such a one may be of this trunk, and is counted apart. Called by
//! [`super::hypothesis`].
//!
//! # Design
//!
//! A kind of target that was allowed elsewhere speaks against the hypothesis even where the published API does not have
//! it: something answers there. A path of the site's own, such as a gateway's, is not judged: where some of the refused are
//! such, nobody can say that every one exists.

use std::collections::{BTreeMap, BTreeSet};

use rayon::iter::{IntoParallelRefIterator, ParallelIterator};

use super::hypothesis::{Shown, Status, Weighing};
use super::platform::{self, Endpoint};
use super::population::{Answer, Outcome, Population, Unit};
use super::text::{list, were};
use crate::call::legs::At;
use crate::evidence::Timestamp;
use crate::facts::{Answerer, ApiRequest};
use crate::sentence::Sentence;

/// The refusals that concern `trunk`, and how many of them are tied to no call and no trunk.
fn refusals<'m>(population: &Population<'m>, trunk: usize) -> (Vec<Answer<'m>>, u64) {
    let mut refusals: Vec<Answer<'m>> = refused_units(population, trunk).flat_map(Unit::refusals).collect();
    // A request that informs several calls is one request.
    refusals.sort_unstable_by_key(|answer| answer.request.locus);
    refusals.dedup_by_key(|answer| answer.request.locus);
    let mut unbound = 0;
    for loose in population.loose.iter().filter(|loose| loose.trunk.is_none_or(|named| named == trunk)) {
        unbound += u64::from(loose.trunk.is_none());
        refusals.push(loose.answer);
    }
    (refusals, unbound)
}

/// The units on `trunk` that were ever refused.
fn refused_units<'p, 'm>(population: &'p Population<'m>, trunk: usize) -> impl Iterator<Item = &'p Unit<'m>> {
    population.on(trunk).map(|(unit, _)| unit).filter(|unit| unit.outcome() != Outcome::Allowed)
}

/// When a request was answered, and its record; what has no time stands last.
fn at(request: &ApiRequest) -> At {
    At { at: request.at.unwrap_or(Timestamp::new(i64::MAX, 0)), locus: request.locus }
}

/// ` (3 of them tied to no call)`, of that many refusals.
fn apart(all: usize, unbound: u64) -> String {
    match (all as u64, unbound) {
        (_, 0) => String::new(),
        (1, _) => " (tied to no call)".to_owned(),
        (all, unbound) if all == unbound => " (none of them tied to a call)".to_owned(),
        (_, unbound) => format!(" ({unbound} of them tied to no call)"),
    }
}

/// Whether the refused targets are the API's.
pub(super) fn endpoint(population: &Population<'_>, trunk: usize) -> Weighing {
    let (refused, unbound) = refusals(population, trunk);
    let (mut exist, mut own) = (Vec::new(), 0);
    let mut nonexistent: BTreeMap<Box<[u8]>, Vec<&ApiRequest>> = BTreeMap::new();
    let named: Vec<Endpoint> = refused.par_iter().map(|answer| platform::endpoint(&answer.request.target())).collect();
    for (answer, named) in refused.iter().zip(named) {
        match named {
            Endpoint::Exists => exist.push(answer.request),
            Endpoint::Nonexistent(kind) => nonexistent.entry(kind).or_default().push(answer.request),
            Endpoint::SitesOwn => own += 1,
        }
    }
    // Asked only where it matters: the log may hold many more allowed requests than refused kinds.
    let mut allowed_kinds: BTreeSet<Box<[u8]>> = BTreeSet::new();
    let mut allowed_at = Shown::default();
    if !nonexistent.is_empty() {
        for request in population.requests.iter().filter(|request| request.is_allowed()) {
            if let Endpoint::Nonexistent(kind) = platform::endpoint(&request.target())
                && nonexistent.contains_key(&kind)
            {
                allowed_at.add(at(request));
                allowed_kinds.insert(kind);
            }
        }
    }
    let (mut never, mut elsewhere) = (Vec::new(), 0_u64);
    let mut kinds: Vec<(usize, String)> = Vec::new();
    for (kind, requests) in &nonexistent {
        if allowed_kinds.contains(kind) {
            elsewhere += requests.len() as u64;
        } else {
            kinds.push((requests.len(), platform::shown(kind)));
            never.extend(requests.iter().copied());
        }
    }
    kinds.sort_by(|one, other| other.0.cmp(&one.0).then_with(|| one.1.cmp(&other.1)));
    kinds.dedup_by(|one, other| one.1 == other.1);
    let counts = vec![
        ("refused_requests", refused.len() as u64),
        ("nonexistent", never.len() as u64),
        ("nonexistent_allowed_elsewhere", elsewhere),
        ("existing", exist.len() as u64),
        ("sites_own", own),
        ("unbound", unbound),
    ];
    let every = never.is_empty() && own == 0 && !exist.is_empty();
    let neither = if exist.is_empty() { Status::Untested } else { Status::Inconclusive };
    let status = Status::of(!never.is_empty(), elsewhere > 0 || every, neither);
    if status == Status::Untested {
        let text = if refused.is_empty() {
            "No recording request was refused that concerns this trunk. Log lines of refused requests with their targets \
             would tell."
                .to_owned()
        } else {
            let (all, places) = match refused.len() {
                1 => ("The one refused request".to_owned(), "a path of the site's own, which says"),
                many => (format!("All {many} refused requests"), "paths of the site's own, which say"),
            };
            format!(
                "{all}{} went to {places} nothing of the platform's. The log of what the gateway asks the platform for \
                 would tell.",
                apart(refused.len(), unbound)
            )
        };
        return Weighing { counts, ..Weighing::untested(text) };
    }
    let kinds = list(kinds.into_iter().map(|(_, kind)| kind), 3);
    let mut text = match refused.len() {
        1 => {
            let what = match (exist.is_empty(), never.is_empty()) {
                (false, _) => "has".to_owned(),
                (true, false) => format!("does not have and that was never allowed ({kinds})"),
                (true, true) => "does not have but that was allowed at other times".to_owned(),
            };
            let apart = apart(refused.len(), unbound);
            format!("The one refused request{apart} was for a target that the platform's published API {what}")
        }
        several => format!(
            "Of {several} refused requests{}, {} {} for targets that the platform's published API has",
            apart(refused.len(), unbound),
            exist.len(),
            were(exist.len() as u64)
        ),
    };
    let is_one = refused.len() == 1;
    if !never.is_empty() && !is_one {
        text.push_str(&format!(
            ", {} for targets that it does not have and that were never allowed ({kinds})",
            never.len()
        ));
    }
    if elsewhere > 0 && !is_one {
        text.push_str(&format!(", {elsewhere} for targets that it does not have but that were allowed at other times"));
    }
    if own > 0 && !is_one {
        text.push_str(&format!(", {own} for paths of the site's own"));
    }
    text.push('.');
    let mut shown: Vec<Shown> = vec![never.iter().map(|request| at(request)).collect()];
    if never.is_empty() {
        shown.push(exist.iter().map(|request| at(request)).collect());
    }
    if elsewhere > 0 {
        shown.push(allowed_at);
    }
    Weighing {
        status,
        counts,
        p: None,
        text: Sentence::own(text),
        shown,
        refusals: never.iter().map(|request| request.locus).collect(),
    }
}

/// Who stands before the API.
const PROXIES: &[Answerer] = &[Answerer::Edge, Answerer::Proxy];

/// Whether the API itself refused.
pub(super) fn gateway(population: &Population<'_>, trunk: usize) -> Weighing {
    let (refused, unbound) = refusals(population, trunk);
    let by = |who: &'static [Answerer]| {
        refused.iter().filter(move |answer| answer.answered_by.is_some_and(|by| who.contains(&by)))
    };
    let (api, proxy) = (by(&[Answerer::Api]).count() as u64, by(PROXIES).count() as u64);
    let passed_on = by(&[Answerer::Upstream]).count() as u64;
    let coded = |answer: &&Answer<'_>| answer.request.error_code().is_some_and(platform::is_api_code);
    let api_codes = refused.iter().filter(coded).count() as u64;
    let counts = vec![
        ("refused_requests", refused.len() as u64),
        ("by_api", api),
        ("by_proxy", proxy),
        ("passed_on", passed_on),
        ("api_error_codes", api_codes),
        ("unbound", unbound),
    ];
    let spoken = match api_codes {
        0 => String::new(),
        1 if refused.len() == 1 => " It carries an error code that the API is known to use.".to_owned(),
        1 => " One carries an error code that the API is known to use.".to_owned(),
        many => format!(" {many} carry an error code that the API is known to use."),
    };
    if api == 0 && proxy == 0 {
        let text = if refused.is_empty() {
            format!(
                "No recording request was refused that concerns this trunk. Log lines of refused requests with the response \
                 field {} would tell.",
                platform::CORRELATION_FIELD
            )
        } else {
            let passed = match passed_on {
                0 => String::new(),
                passed => {
                    let verb = were(passed);
                    let passed = if refused.len() == 1 { "It".to_owned() } else { passed.to_string() };
                    format!(
                        " {passed} {verb} passed on from behind the proxy that logged them: by whatever stands there."
                    )
                }
            };
            format!(
                "The log does not tell whether the API answered the {}{} itself.{passed}{spoken} The response field {}, \
                 which the API sets on its own answers, would tell.",
                match refused.len() {
                    1 => "one refused request".to_owned(),
                    many => format!("{many} refused requests"),
                },
                apart(refused.len(), unbound),
                platform::CORRELATION_FIELD
            )
        };
        return Weighing { counts, ..Weighing::untested(text) };
    }
    let apart = apart(refused.len(), unbound);
    let text = match (refused.len(), proxy) {
        (1, 0) => format!("The one refused request{apart} was answered with the API's own correlation id.{spoken}"),
        (1, _) => {
            format!("The one refused request{apart} was answered by a proxy or at the edge, as the log says.{spoken}")
        }
        (many, _) => format!(
            "Of {many} refused requests{apart}, {proxy} {} answered by a proxy or at the edge, as the log says, and {api} with \
             the API's own correlation id.{spoken}",
            were(proxy)
        ),
    };
    let shown = [PROXIES, &[Answerer::Api]].map(|who| by(who).map(|answer| at(answer.request)).collect());
    let refusals = by(PROXIES).map(|answer| answer.request.locus).collect();
    Weighing {
        status: Status::of(proxy > 0, api > 0, Status::Untested),
        counts,
        p: None,
        text: Sentence::own(text),
        shown: shown.into(),
        refusals,
    }
}

#[cfg(test)]
mod tests {
    use super::super::hypothesis::Hypothesis;
    use super::super::sample::{MISSING, PBX, SG1, SG2, Sample, restate};
    use super::*;

    #[test]
    fn sentences_read_well_for_one_and_for_several() {
        let expected = [(0, 0, ""), (1, 1, " (tied to no call)"), (2, 0, ""), (2, 1, " (1 of them tied to no call)")];
        for (all, unbound, text) in expected.into_iter().chain([(2, 2, " (none of them tied to a call)")]) {
            assert_eq!(apart(all, unbound), text);
        }
        for (target, expected) in [
            (LISTED, "The one refused request was for a target that the platform's published API has."),
            (
                INVENTED,
                "The one refused request was for a target that the platform's published API does not have and that was never \
                 allowed (",
            ),
            ("/gw/x", "The one refused request went to a path of the site's own, which says nothing"),
        ] {
            let weighed = asked(&[(SG1, target, 403)]).weigh(Hypothesis::WrongEndpoint);
            assert!(weighed.explanation.starts_with(expected), "{}", weighed.explanation);
        }
        let weighed = asked(&[(SG1, LISTED, 403)]).weigh(Hypothesis::GatewayRefusal);
        let expected = "The log does not tell whether the API answered the one refused request itself.";
        assert!(weighed.explanation.starts_with(expected), "{}", weighed.explanation);
    }

    const LISTED: &str = "/api/v2/conversations/c0ffee01/recordings";
    const INVENTED: &str = "/api/v2/recordings?trunkId=1";

    /// Calls on a trunk, each asked for under a target and answered so.
    fn asked(calls: &[(usize, &str, u16)]) -> Sample {
        let mut sample = Sample::new();
        for (trunk, target, status) in calls {
            sample
                .calls(1, *trunk, MISSING, *status)
                .so(|request, _| restate(request, |texts| texts.target = target.as_bytes()));
        }
        sample
    }

    #[track_caller]
    fn check(calls: &[(usize, &str, u16)], expected: Status) -> super::super::Weighed {
        let weighed = asked(calls).weigh(Hypothesis::WrongEndpoint);
        assert_eq!(weighed.status, expected, "{calls:?}: {}", weighed.explanation);
        weighed
    }

    #[test]
    fn wrong_endpoint_by_the_table() {
        let weighed = check(&[(SG1, INVENTED, 403), (SG1, LISTED, 403)], Status::Supported);
        assert!(weighed.explanation.contains("(/api/v2/recordings)"), "{}", weighed.explanation);
        check(&[(SG1, LISTED, 403)], Status::Contradicted);
        check(&[(SG1, INVENTED, 403), (PBX, "/api/v2/recordings?trunkId=2", 200)], Status::Contradicted);
        check(&[(SG1, INVENTED, 403), (SG1, "/v2/recordings", 403), (PBX, INVENTED, 200)], Status::Inconclusive);
        // Beside the same path of a host that the platform has.
        const NOWHERE: &str = "https://api.us.genesyscloud.com/api/v2/conversations/c0ffee01/recordings";
        let weighed = check(&[(SG1, NOWHERE, 403), (PBX, LISTED, 200)], Status::Supported);
        assert!(weighed.explanation.contains("(//{}/api/v2/conversations/{}/recordings)"), "{}", weighed.explanation);
        check(&[(SG1, NOWHERE, 403), (PBX, NOWHERE, 200)], Status::Contradicted);
        check(&[(SG1, "/gw/v1/recordings?callId=1", 403)], Status::Untested);
        // Of the site's own path nobody can say whether what it stands for exists.
        check(&[(SG1, "/gw/v1/recordings?callId=1", 403), (SG1, LISTED, 403)], Status::Inconclusive);
        check(&[(SG1, "/gw/v1/recordings?callId=1", 403), (SG1, INVENTED, 403)], Status::Supported);
        check(&[(SG1, LISTED, 200), (SG2, INVENTED, 403)], Status::Untested);
        check(&[], Status::Untested);
    }

    #[test]
    fn refusals_tied_to_the_trunk_or_to_nothing_count_too() {
        let mut sample = asked(&[(SG1, LISTED, 403)]);
        sample.loose(INVENTED, Some(SG2));
        assert_eq!(sample.weigh(Hypothesis::WrongEndpoint).status, Status::Contradicted);
        sample.loose(INVENTED, Some(SG1)).loose("/v2/recordings", None);
        let weighed = sample.weigh(Hypothesis::WrongEndpoint);
        assert_eq!(weighed.status, Status::Supported);
        assert_eq!((weighed.counts["nonexistent"], weighed.counts["unbound"]), (2, 1));
        assert!(
            weighed.explanation.starts_with("Of 3 refused requests (1 of them tied to no call), 1 was"),
            "{}",
            weighed.explanation
        );
    }

    #[test]
    fn gateway_refusal_by_the_table() {
        use Answerer::{Api, Edge, Proxy, Upstream};
        for (answers, expected) in [
            (vec![Some(Proxy), None], Status::Supported),
            (vec![Some(Edge), Some(Upstream)], Status::Supported),
            (vec![Some(Api), None], Status::Contradicted),
            (vec![Some(Api), Some(Proxy)], Status::Inconclusive),
            (vec![Some(Upstream), None], Status::Untested),
            (vec![None], Status::Untested),
            (vec![], Status::Untested),
        ] {
            let mut sample = Sample::new();
            for by in &answers {
                sample.calls(1, SG1, MISSING, 403).so(|_, own| *own = *by);
            }
            let weighed = sample.weigh(Hypothesis::GatewayRefusal);
            assert_eq!(weighed.status, expected, "{answers:?}: {}", weighed.explanation);
        }
    }

    #[test]
    fn an_error_code_of_the_api_alone_tells_nothing_but_is_told() {
        let mut sample = Sample::new();
        sample
            .calls(2, SG1, MISSING, 403)
            .so(|request, _| restate(request, |texts| texts.error_code = Some(b"missing.permissions")));
        let weighed = sample.weigh(Hypothesis::GatewayRefusal);
        assert_eq!(weighed.status, Status::Untested);
        assert!(weighed.explanation.contains("One carries an error code that the API"), "{}", weighed.explanation);
        assert!(weighed.explanation.contains("ININ-Correlation-Id"), "{}", weighed.explanation);
    }
}
