//! What every report keeps, whatever the evidence: sums that close, pointers that point, grounds that stand.

use std::collections::BTreeMap;

use serde_json::Value;

use super::truth::list;

/// The verdicts in the order of the contract's table.
pub(crate) const VERDICTS: [&str; 10] = [
    "not_byoc",
    "unclassified",
    "recording_session",
    "no_media",
    "exposed_unconsented",
    "blocked_unconsented",
    "unconsented",
    "indeterminate",
    "blocked_consented",
    "clear",
];

const FINDINGS: [&str; 4] = ["exposed_unconsented", "blocked_unconsented", "unconsented", "blocked_consented"];

/// Everything in which `report` breaks a law, and its exit status does.
pub(crate) fn broken(report: &Value, code: Option<i32>) -> Vec<String> {
    let mut found = Vec::new();
    if report.is_null() {
        return vec!["there is no report".to_owned()];
    }
    evidence(report, &mut found);
    summary(report, &mut found);
    legs(report, &mut found);
    trunks(report, &mut found);
    exit(report, code, &mut found);
    found
}

fn evidence(report: &Value, found: &mut Vec<String>) {
    for source in list(&report["evidence"]) {
        let path = &source["path"];
        let counts = source["tally"].as_object();
        let sum: u64 = counts.into_iter().flatten().filter_map(|(_, count)| count.as_u64()).sum();
        if Some(sum) != source["records"].as_u64() {
            found.push(format!("{path}: the tally adds up to {sum}, records are {}", source["records"]));
        }
        for anomaly in list(&source["anomalies"]) {
            if anomaly["count"].as_u64().unwrap_or(0) == 0 {
                found.push(format!("{path}: an anomaly {} that was never met", anomaly["code"]));
            }
        }
        if path.as_str().is_none_or(|path| path.starts_with('/')) {
            found.push(format!("{path}: not a relative path"));
        }
    }
}

fn all_legs(report: &Value) -> Vec<&Value> {
    list(&report["calls"]).iter().flat_map(|call| list(&call["legs"])).collect()
}

fn summary(report: &Value, found: &mut Vec<String>) {
    let summary = &report["summary"];
    let legs = all_legs(report);
    let byoc: Vec<&&Value> = legs.iter().filter(|leg| leg["trunk"]["kind"] == "byoc").collect();
    let mut want = |name: &str, is: &Value, wanted: usize| {
        if is.as_u64() != u64::try_from(wanted).ok() {
            found.push(format!("{name} is {is}, the report holds {wanted}"));
        }
    };
    want("summary.calls", &summary["calls"], list(&report["calls"]).len());
    want("summary.legs", &summary["legs"], legs.len());
    want("summary.byoc_legs", &summary["byoc_legs"], byoc.len());
    for verdict in VERDICTS {
        let count = legs.iter().filter(|leg| leg["verdict"] == verdict).count();
        want(&format!("summary.verdicts.{verdict}"), &summary["verdicts"][verdict], count);
    }
    let streams: Vec<f64> = byoc
        .iter()
        // A recording session is no caller's media; it is in no figure that accuses.
        .filter(|leg| leg["verdict"] != "recording_session")
        .flat_map(|leg| list(&leg["streams"]))
        .filter_map(|stream| stream["unconsented_s"].as_f64())
        .filter(|seconds| *seconds > 0.0)
        .collect();
    want("summary.unconsented_streams", &summary["unconsented_streams"], streams.len());
    let unbound = list(&report["unbound_refusals"]).len();
    want("summary.requests.unbound_refusals", &summary["requests"]["unbound_refusals"], unbound);
    let sum: f64 = streams.iter().sum();
    let shown = summary["unconsented_media_s"].as_f64().unwrap_or(f64::NAN);
    let slack = 0.001 * (streams.len() + 1) as f64;
    if (sum - shown).abs().partial_cmp(&slack) != Some(std::cmp::Ordering::Less) {
        found.push(format!("summary.unconsented_media_s is {shown}, the streams add up to {sum}"));
    }
    let count = |name: &str| summary["requests"][name].as_u64().unwrap_or(u64::MAX);
    let order = [
        count("recording") <= count("total"),
        count("refused").saturating_add(count("allowed")) <= count("recording"),
        count("served") <= count("allowed"),
        count("unbound_refusals") <= count("refused"),
    ];
    if order.contains(&false) {
        found.push(format!("summary.requests contradict each other: {}", summary["requests"]));
    }
}

fn legs(report: &Value, found: &mut Vec<String>) {
    let ids: Vec<&Value> = list(&report["evidence"]).iter().map(|source| &source["id"]).collect();
    let mut pointers: BTreeMap<String, ()> = BTreeMap::new();
    for leg in all_legs(report) {
        let name = &leg["call_id"];
        if list(&leg["grounds"]).is_empty() {
            found.push(format!("leg {name}: a verdict without grounds"));
        }
        for stream in list(&leg["streams"]) {
            for word in ["consented_s", "unconsented_s", "unknown_s"] {
                if stream[word].as_f64().is_none_or(|seconds| seconds < 0.0) {
                    found.push(format!("leg {name}: {word} is {}", stream[word]));
                }
            }
        }
        let mut note = |source: &Value| {
            pointers.insert(source.to_string(), ());
            if !ids.contains(&&source["evidence"]) || source["record"].as_u64().unwrap_or(0) == 0 {
                found.push(format!("leg {name}: {source} points nowhere"));
            }
        };
        list(&leg["consent"]["observations"]).iter().for_each(|one| note(&one["source"]));
        list(&leg["requests"]).iter().for_each(|one| note(&one["source"]));
        list(&leg["grounds"]).iter().flat_map(|ground| list(&ground["sources"])).for_each(note);
        let times: Vec<&str> = list(&leg["requests"]).iter().filter_map(|one| one["at"].as_str()).collect();
        if !times.is_sorted_by_key(|at| without_precision(at)) {
            found.push(format!("leg {name}: requests out of order"));
        }
    }
}

/// A time that sorts as text whatever its precision.
fn without_precision(at: &str) -> String {
    let at = at.trim_end_matches('Z');
    let (whole, fraction) = at.split_once('.').unwrap_or((at, ""));
    format!("{whole}.{fraction:0<9}")
}

fn trunks(report: &Value, found: &mut Vec<String>) {
    let legs = all_legs(report);
    for trunk in list(&report["trunks"]) {
        let name = &trunk["name"];
        let own: Vec<&&Value> =
            legs.iter().filter(|leg| leg["trunk"]["name"] == *name && leg["trunk"]["kind"] == trunk["kind"]).collect();
        if trunk["legs"].as_u64() != u64::try_from(own.len()).ok() {
            found.push(format!("trunk {name}: {} legs, the report holds {}", trunk["legs"], own.len()));
        }
        for verdict in VERDICTS {
            let count = own.iter().filter(|leg| leg["verdict"] == verdict).count();
            if trunk["verdicts"][verdict].as_u64() != u64::try_from(count).ok() {
                found.push(format!("trunk {name}: {verdict} is {}, held {count}", trunk["verdicts"][verdict]));
            }
        }
    }
    let crossed: u64 = list(&report["trunks"]).iter().filter_map(|trunk| trunk["legs"].as_u64()).sum();
    if Some(crossed) != report["summary"]["legs"].as_u64() {
        found.push(format!("the trunks carry {crossed} legs of {}", report["summary"]["legs"]));
    }
}

/// The exit status that the report itself calls for (contract §2), anomalies not asked.
fn exit(report: &Value, code: Option<i32>, found: &mut Vec<String>) {
    let summary = &report["summary"];
    let held = |verdict: &str| summary["verdicts"][verdict].as_u64().unwrap_or(0);
    let wanted = if report["complete"] != true {
        2
    } else if FINDINGS.iter().any(|verdict| held(verdict) > 0) {
        1
    } else if held("indeterminate") > 0
        || summary["requests"]["unbound_refusals"].as_u64() != Some(0)
        || summary["byoc_legs"].as_u64() == Some(0)
    {
        3
    } else {
        0
    };
    if code != Some(wanted) {
        found.push(format!("exit status {code:?}, the report calls for {wanted}"));
    }
}
