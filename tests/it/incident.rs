//! The recorded incident, whole: real calls and a real log against the truth written by hand beside them.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::support::run::{Run, audit};
use crate::support::truth::list;
use crate::support::{here, laws, read};

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Truth {
    summary: Summary,
    leg: Vec<Leg>,
    #[serde(default)]
    unbound: Vec<Unbound>,
    #[serde(default)]
    trunk_refusal: Vec<TrunkRefusal>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Summary {
    legs: u64,
    byoc_legs: u64,
    exit: i32,
    /// Those that are not zero.
    verdicts: BTreeMap<String, u64>,
    requests: BTreeMap<String, u64>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Leg {
    call_id: String,
    trunk: String,
    direction: String,
    state: String,
    verdict: String,
    final_status: Option<u16>,
    /// How many.
    streams: usize,
    /// The kinds of seconds that are more than none, joined by `+`.
    media: String,
    #[serde(default)]
    requests: Vec<Request>,
    why: String,
}

#[derive(Clone, Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(deny_unknown_fields)]
struct Request {
    status: u16,
    by: String,
    strength: String,
    count: usize,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Unbound {
    target_contains: String,
    reason: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TrunkRefusal {
    trunk: String,
    target_contains: String,
}

fn truth() -> Truth {
    let path = here("fixtures/incident/truth.toml");
    toml::from_str(&read(&path)).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn run() -> Run {
    audit(&here("fixtures/incident"), &["--config", "sipconsent.toml", "evidence"])
}

/// What a leg of the report is, in the words of the truth.
fn shown(leg: &Value) -> String {
    let streams = list(&leg["streams"]);
    let mut media = Vec::new();
    for (word, key) in [("consented", "consented_s"), ("unconsented", "unconsented_s"), ("unknown", "unknown_s")] {
        if streams.iter().any(|stream| stream[key].as_f64().is_some_and(|seconds| seconds > 0.0)) {
            media.push(word);
        }
    }
    let mut requests: BTreeMap<(u64, String, String), usize> = BTreeMap::new();
    for request in list(&leg["requests"]) {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let link = &request["link"];
        let key = (request["status"].as_u64().unwrap_or(0), text(&link["by"]), text(&link["strength"]));
        *requests.entry(key).or_default() += 1;
    }
    let requests: Vec<Request> = requests
        .into_iter()
        .map(|((status, by, strength), count)| Request {
            status: u16::try_from(status).unwrap_or(0),
            by,
            strength,
            count,
        })
        .collect();
    describe(
        [&leg["trunk"]["name"], &leg["direction"], &leg["consent"]["state"], &leg["verdict"]]
            .map(|value| value.as_str().unwrap_or_default()),
        streams.len(),
        &media.join("+"),
        &requests,
    )
}

fn describe(words: [&str; 4], streams: usize, media: &str, requests: &[Request]) -> String {
    let [trunk, direction, state, verdict] = words;
    let requests: Vec<String> = requests
        .iter()
        .map(|request| format!("{}x{} by {} {}", request.count, request.status, request.by, request.strength))
        .collect();
    format!("{trunk} {direction}, {state}, {verdict}, {streams} streams `{media}`, requests {requests:?}")
}

/// Everything in which `report` differs.
fn mismatches(truth: &Truth, report: &Value, code: Option<i32>) -> Vec<String> {
    let mut found = Vec::new();
    let mut differ = |name: &str, is: String, wanted: String| {
        if is != wanted {
            found.push(format!("{name}\n      is     {is}\n      wanted {wanted}"));
        }
    };
    let summary = &report["summary"];
    differ("exit status", format!("{code:?}"), format!("{:?}", Some(truth.summary.exit)));
    differ("summary.legs", summary["legs"].to_string(), truth.summary.legs.to_string());
    differ("summary.byoc_legs", summary["byoc_legs"].to_string(), truth.summary.byoc_legs.to_string());
    let nonzero: BTreeMap<String, u64> = summary["verdicts"]
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(verdict, count)| Some((verdict.clone(), count.as_u64().filter(|count| *count > 0)?)))
        .collect();
    differ("summary.verdicts", format!("{nonzero:?}"), format!("{:?}", truth.summary.verdicts));
    for (name, wanted) in &truth.summary.requests {
        let is = &summary["requests"][name.as_str()];
        differ(&format!("summary.requests.{name}"), is.to_string(), wanted.to_string());
    }
    let mut legs: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    for leg in list(&report["calls"]).iter().flat_map(|call| list(&call["legs"])) {
        legs.entry(leg["call_id"].as_str().unwrap_or_default()).or_default().push(leg);
    }
    for same in legs.values_mut() {
        // From the last to the first, so that each truth takes the next from the end.
        same.sort_by_key(|leg| std::cmp::Reverse(leg["first"].as_str().unwrap_or_default()));
    }
    for wanted in &truth.leg {
        let name = format!("leg {} ({})", wanted.call_id, wanted.why);
        let Some(leg) = legs.get_mut(wanted.call_id.as_str()).and_then(Vec::pop) else {
            differ(&name, "not there".to_owned(), wanted.verdict.clone());
            continue;
        };
        let mut requests = wanted.requests.clone();
        requests.sort();
        let words = [&wanted.trunk, &wanted.direction, &wanted.state, &wanted.verdict].map(String::as_str);
        differ(&name, shown(leg), describe(words, wanted.streams, &wanted.media, &requests));
        if let Some(status) = wanted.final_status {
            differ(&format!("{name}: final_status"), leg["final_status"].to_string(), status.to_string());
        }
    }
    for leg in legs.values().flatten() {
        differ(&format!("leg {}", leg["call_id"]), shown(leg), "not there".to_owned());
    }
    let target = |refusal: &Value| refusal["target"].as_str().unwrap_or_default().to_owned();
    let unbound: Vec<(String, String)> = list(&report["unbound_refusals"])
        .iter()
        .map(|refusal| (target(refusal), refusal["reason"].as_str().unwrap_or_default().to_owned()))
        .collect();
    let wanted: Vec<(String, String)> =
        truth.unbound.iter().map(|one| (one.target_contains.clone(), one.reason.clone())).collect();
    pair("unbound refusal", unbound, wanted, &mut differ);
    let mut at_trunks = Vec::new();
    for trunk in list(&report["trunks"]) {
        let name = trunk["name"].as_str().unwrap_or_default();
        at_trunks.extend(list(&trunk["refusals"]).iter().map(|refusal| (target(refusal), name.to_owned())));
    }
    let wanted: Vec<(String, String)> =
        truth.trunk_refusal.iter().map(|one| (one.target_contains.clone(), one.trunk.clone())).collect();
    pair("trunk refusal", at_trunks, wanted, &mut differ);
    found
}

/// Pairs each wanted part of a target, and the word beside it, with one that is.
fn pair(
    name: &str,
    mut is: Vec<(String, String)>,
    wanted: Vec<(String, String)>,
    differ: &mut dyn FnMut(&str, String, String),
) {
    for (part, word) in wanted {
        match is.iter().position(|(target, beside)| target.contains(&part) && *beside == word) {
            Some(place) => {
                is.remove(place);
            }
            None => differ(name, "not there".to_owned(), format!("{part} {word}")),
        }
    }
    for (target, word) in is {
        differ(name, format!("{target} {word}"), "not there".to_owned());
    }
}

#[test]
fn the_incident_is_concluded_as_its_truth_says() {
    let run = run();
    let report = run.report();
    assert!(!report.is_null(), "no JSON report; {}", run.ending());
    let mut found = mismatches(&truth(), &report, run.code);
    found.extend(laws::broken(&report, run.code).into_iter().map(|law| format!("law broken: {law}")));
    assert!(found.is_empty(), "{} differences:\n    {}", found.len(), found.join("\n    "));
}

#[test]
fn a_wrong_truth_is_noticed() {
    let run = run();
    let report = run.report();
    let mut changed: Vec<Truth> = vec![truth(); 6];
    changed[0].summary.exit += 1;
    changed[1].leg[0].state = "denied".to_owned();
    changed[2].leg.remove(0);
    changed[3].leg[0].requests.clear();
    changed[4].unbound.remove(0);
    changed[5].trunk_refusal[0].trunk = "PBX".to_owned();
    let right = mismatches(&truth(), &report, run.code).len();
    for (number, truth) in changed.iter().enumerate() {
        let wrong = mismatches(truth, &report, run.code);
        assert_ne!(wrong.len(), right, "change {number} passes");
    }
}
