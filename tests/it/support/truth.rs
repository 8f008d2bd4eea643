//! What must be concluded from a case, written by hand, held against a report. All that differs is said at once.
//!
//! What a truth leaves out is not asked, but for these: the legs are all the legs, a leg's requests and the unbound
//! refusals are none unless listed, and evidence has no anomaly unless one is listed.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::run::Run;
use super::scene::{CAPTURE, LOG};

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Truth {
    exit: i32,
    #[serde(default = "yes")]
    complete: bool,
    #[serde(default)]
    notices: Vec<String>,
    #[serde(default)]
    no_notices: Vec<String>,
    #[serde(default)]
    anomalies: Vec<String>,
    /// Calls in the report.
    calls: Option<u64>,
    /// Figures of `summary.requests`.
    requests: Option<BTreeMap<String, u64>>,
    unconsented_streams: Option<u64>,
    unconsented_media_s: Option<f64>,
    #[serde(default)]
    leg: Vec<Leg>,
    #[serde(default)]
    unbound: Vec<Unbound>,
    #[serde(default)]
    trunk_refusal: Vec<TrunkRefusal>,
    #[serde(default)]
    evidence: Vec<Source>,
    #[serde(default)]
    registrations: Vec<Registration>,
    /// What the OPTIONS of trunks showed.
    #[serde(default)]
    options: Vec<OptionsHealth>,
    #[serde(default)]
    diagnosis: Vec<Diagnosis>,
    /// Texts that must stand nowhere in the report.
    #[serde(default)]
    nowhere: Vec<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Diagnosis {
    #[serde(default = "sg1")]
    trunk: String,
    hypothesis: String,
    status: String,
    #[serde(default)]
    counts: BTreeMap<String, u64>,
    explanation_contains: Option<String>,
    /// Sources that it points to, among others.
    #[serde(default)]
    points_to: Vec<String>,
    /// All of them.
    not_separable_from: Option<Vec<String>>,
    /// Whether a test gave a probability.
    tested: Option<bool>,
    /// The basis of its remedy; empty for none.
    remedy: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct OptionsHealth {
    trunk: String,
    sent: u64,
    answered: u64,
    refused: u64,
    unanswered: u64,
    last_answered: Option<String>,
    last_failed: Option<String>,
}

/// One edge of a call.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CallLink {
    legs: Vec<String>,
    by: Vec<String>,
    strength: String,
    identifier: String,
    sources: Vec<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Leg {
    call_id: String,
    /// Which of the legs of that Call-ID by time, from 1.
    #[serde(default = "first")]
    nth: usize,
    /// Empty for none.
    trunk: Option<String>,
    kind: Option<String>,
    direction: Option<String>,
    state: Option<String>,
    verdict: String,
    /// Why, for the reader.
    #[serde(default, rename = "why")]
    _why: String,
    final_status: Option<u16>,
    answered: Option<bool>,
    ended: Option<bool>,
    streams: Option<Vec<Stream>>,
    #[serde(default)]
    requests: Vec<Request>,
    observations: Option<Vec<Observation>>,
    #[serde(default)]
    grounds: Vec<String>,
    /// Grounds that must not be.
    #[serde(default)]
    no_grounds: Vec<String>,
    #[serde(default)]
    grounds_point_to: Vec<String>,
    /// Call-IDs of the other legs of its call, all of them.
    call_with: Option<Vec<String>>,
    /// The edges of its call, all of them in any order.
    links: Option<Vec<CallLink>>,
    conversations: Option<Vec<String>>,
    /// Whether the platform's exports say that its call was recorded.
    recorded: Option<bool>,
    divisions: Option<Vec<String>>,
    from: Option<String>,
    /// The legs that its recording metadata names, as `call-id by what`, all of them.
    records: Option<Vec<String>>,
    /// What it says of being recorded, as `name value`, or `name value stream`.
    awareness: Option<Vec<String>>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stream {
    index: Option<u64>,
    media: Option<String>,
    codecs: Option<Vec<String>>,
    measured_by: Option<String>,
    end_seen: Option<bool>,
    consented: f64,
    unconsented: f64,
    unknown: f64,
    flows: Option<u64>,
    packets: Option<u64>,
    lost: Option<u64>,
    offer: Option<String>,
    answer: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    status: u16,
    by: Option<String>,
    strength: String,
    #[serde(default = "once")]
    count: usize,
    lag: Option<f64>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Observation {
    method: String,
    state: String,
    /// The name as written.
    header: Option<String>,
    /// The value as written; left out for a message without the field.
    value: Option<String>,
    cseq: Option<u64>,
    record: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Unbound {
    target_contains: String,
    reason: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TrunkRefusal {
    trunk: String,
    target_contains: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Source {
    path: String,
    kind: Option<String>,
    format: Option<String>,
    records: Option<u64>,
    zone: Option<String>,
    zone_from: Option<String>,
    /// Its whole tally.
    tally: Option<BTreeMap<String, u64>>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Registration {
    trunk: String,
    status: Option<u16>,
}

fn sg1() -> String {
    "SG1".to_owned()
}
fn yes() -> bool {
    true
}
fn first() -> usize {
    1
}
fn once() -> usize {
    1
}

impl Truth {
    /// The truth that `text` says.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        toml::from_str(text).map_err(|error| error.to_string())
    }

    /// Everything in which `run` differs.
    pub(crate) fn mismatches(&self, run: &Run) -> Vec<String> {
        let report = run.report();
        let mut found = Mismatches(Vec::new());
        found.differ("exit status", &run.code, &Some(self.exit));
        if report.is_null() {
            found.say(format!("no JSON report on standard output; {}", run.ending()));
            return found.0;
        }
        found.differ("complete", &report["complete"], &Value::Bool(self.complete));
        self.notices(&report, &mut found);
        self.figures(&report, &mut found);
        self.evidence(&report, &mut found);
        self.legs(&report, &mut found);
        self.unbound(&report, &mut found);
        self.trunks(&report, &mut found);
        self.diagnosis(&report, &mut found);
        for text in self.nowhere.iter().filter(|text| run.text().contains(text.as_str())) {
            found.say(format!("`{text}` stands in the report"));
        }
        found.0
    }

    fn notices(&self, report: &Value, found: &mut Mismatches) {
        let codes = texts(&report["notices"], "code");
        for code in &self.notices {
            if !codes.contains(&code.as_str()) {
                found.say(format!("no notice `{code}`; there are {codes:?}"));
            }
        }
        for code in &self.no_notices {
            if codes.contains(&code.as_str()) {
                found.say(format!("a notice `{code}` that must not be"));
            }
        }
    }

    fn figures(&self, report: &Value, found: &mut Mismatches) {
        let summary = &report["summary"];
        if let Some(calls) = self.calls {
            found.differ("summary.calls", &summary["calls"], &Value::from(calls));
        }
        if let Some(streams) = self.unconsented_streams {
            found.differ("summary.unconsented_streams", &summary["unconsented_streams"], &Value::from(streams));
        }
        if let Some(seconds) = self.unconsented_media_s {
            found.seconds("summary.unconsented_media_s", &summary["unconsented_media_s"], seconds);
        }
        for (name, count) in self.requests.iter().flatten() {
            found.differ(
                &format!("summary.requests.{name}"),
                &summary["requests"][name.as_str()],
                &Value::from(*count),
            );
        }
    }

    fn evidence(&self, report: &Value, found: &mut Mismatches) {
        let mut codes: Vec<String> = Vec::new();
        for source in list(&report["evidence"]) {
            codes.extend(texts(&source["anomalies"], "code").into_iter().map(str::to_owned));
        }
        for code in &self.anomalies {
            if !codes.contains(code) {
                found.say(format!("no anomaly `{code}`; there are {codes:?}"));
            }
        }
        if self.anomalies.is_empty() && !codes.is_empty() {
            found.say(format!("anomalies {codes:?} in evidence that has none"));
        }
        for wanted in &self.evidence {
            let Some(source) = list(&report["evidence"]).iter().find(|source| source["path"] == wanted.path.as_str())
            else {
                found.say(format!("no evidence `{}`", wanted.path));
                continue;
            };
            let pairs = [
                ("kind", &source["kind"], wanted.kind.clone().map(Value::from)),
                ("format", &source["format"], wanted.format.clone().map(Value::from)),
                ("records", &source["records"], wanted.records.map(Value::from)),
                ("timezone.zone", &source["timezone"]["zone"], wanted.zone.clone().map(Value::from)),
                ("tally", &source["tally"], wanted.tally.clone().map(|tally| serde_json::json!(tally))),
                ("timezone.from", &source["timezone"]["from"], wanted.zone_from.clone().map(Value::from)),
            ];
            for (name, is, wanted_value) in pairs {
                if let Some(value) = wanted_value {
                    found.differ(&format!("evidence {}: {name}", wanted.path), is, &value);
                }
            }
        }
    }

    fn legs(&self, report: &Value, found: &mut Mismatches) {
        let mut legs: Vec<(&Value, &Value)> = Vec::new();
        for call in list(&report["calls"]) {
            legs.extend(list(&call["legs"]).iter().map(|leg| (call, leg)));
        }
        // Legs of one Call-ID may lie in several calls; times of one precision sort as text.
        legs.sort_by_key(|(_, leg)| leg["first"].as_str().unwrap_or_default().to_owned());
        let mut seen = vec![false; legs.len()];
        for wanted in &self.leg {
            let place = legs
                .iter()
                .enumerate()
                .filter(|(_, (_, leg))| leg["call_id"] == wanted.call_id.as_str())
                .map(|(place, _)| place)
                .nth(wanted.nth - 1);
            let Some(place) = place else {
                found.say(format!("no leg `{}` ({})", wanted.call_id, wanted.nth));
                continue;
            };
            seen[place] = true;
            let (call, leg) = legs[place];
            wanted.compare(call, leg, report, found);
        }
        for ((_, leg), seen) in legs.iter().zip(seen) {
            if !seen {
                found.say(format!(
                    "a leg too many: `{}`, verdict {}, first {}",
                    leg["call_id"], leg["verdict"], leg["first"]
                ));
            }
        }
    }

    fn unbound(&self, report: &Value, found: &mut Mismatches) {
        let mut left: Vec<&Value> = list(&report["unbound_refusals"]).iter().collect();
        for wanted in &self.unbound {
            let fits = |refusal: &&Value| {
                contains(&refusal["target"], &wanted.target_contains)
                    && wanted.reason.as_deref().is_none_or(|reason| refusal["reason"] == reason)
            };
            match left.iter().position(fits) {
                Some(place) => {
                    left.remove(place);
                }
                None => {
                    found.say(format!("no unbound refusal of `{}` ({:?})", wanted.target_contains, wanted.reason));
                }
            }
        }
        for refusal in left {
            found.say(format!("an unbound refusal too many: {} ({})", refusal["target"], refusal["reason"]));
        }
    }

    fn diagnosis(&self, report: &Value, found: &mut Mismatches) {
        for wanted in &self.diagnosis {
            let name = format!("diagnosis {} {}", wanted.trunk, wanted.hypothesis);
            let row = list(&report["diagnosis"])
                .iter()
                .find(|row| row["trunk"] == wanted.trunk.as_str() && row["hypothesis"] == wanted.hypothesis.as_str());
            let Some(row) = row else {
                found.say(format!("no {name}"));
                continue;
            };
            if row["status"] != wanted.status.as_str() {
                found.say(format!("{name} is {}, wanted {}: {}", row["status"], wanted.status, row["explanation"]));
            }
            for (word, count) in &wanted.counts {
                found.differ(&format!("{name}: {word}"), &row["counts"][word.as_str()], &Value::from(*count));
            }
            if let Some(text) = &wanted.explanation_contains
                && !contains(&row["explanation"], text)
            {
                found.say(format!("{name} does not say `{text}`: {}", row["explanation"]));
            }
            if let Some(wanted) = &wanted.not_separable_from {
                found.differ(
                    &format!("{name}: not_separable_from"),
                    &row["not_separable_from"],
                    &wanted.clone().into(),
                );
            }
            if let Some(tested) = wanted.tested
                && tested == row["p"].is_null()
            {
                found.say(format!("{name}: p is {}", row["p"]));
            }
            if let Some(basis) = &wanted.remedy {
                let wanted = if basis.is_empty() { Value::Null } else { basis.as_str().into() };
                found.differ(&format!("{name}: remedy.basis"), &row["remedy"]["basis"], &wanted);
            }
            let sources: Vec<String> = list(&row["sources"]).iter().map(|source| pointer(report, source)).collect();
            for wanted in wanted.points_to.iter().filter(|wanted| !sources.contains(wanted)) {
                found.say(format!("{name} does not point to {wanted}; it points to {sources:?}"));
            }
        }
    }

    fn trunks(&self, report: &Value, found: &mut Mismatches) {
        let mut left: Vec<(&Value, &Value)> = Vec::new();
        let mut registrations: Vec<(&Value, &Value)> = Vec::new();
        for trunk in list(&report["trunks"]) {
            left.extend(list(&trunk["refusals"]).iter().map(|refusal| (&trunk["name"], refusal)));
            registrations.extend(list(&trunk["registrations"]).iter().map(|one| (&trunk["name"], one)));
        }
        for wanted in &self.trunk_refusal {
            let fits = |(trunk, refusal): &(&Value, &Value)| {
                **trunk == wanted.trunk.as_str() && contains(&refusal["target"], &wanted.target_contains)
            };
            match left.iter().position(fits) {
                Some(place) => {
                    left.remove(place);
                }
                None => {
                    found.say(format!("no refusal of `{}` at trunk {}", wanted.target_contains, wanted.trunk));
                }
            }
        }
        for (trunk, refusal) in left {
            found.say(format!("a refusal too many at trunk {trunk}: {}", refusal["target"]));
        }
        for wanted in &self.options {
            let trunk = list(&report["trunks"]).iter().find(|trunk| trunk["name"] == wanted.trunk.as_str());
            let options = trunk.map_or(&Value::Null, |trunk| &trunk["options"]);
            let name = format!("options of {}", wanted.trunk);
            let counts = [
                ("sent", wanted.sent),
                ("answered", wanted.answered),
                ("refused", wanted.refused),
                ("unanswered", wanted.unanswered),
            ];
            for (word, count) in counts {
                found.differ(&format!("{name}: {word}"), &options[word], &count.into());
            }
            for (word, wanted) in [("last_answered", &wanted.last_answered), ("last_failed", &wanted.last_failed)] {
                let is = (!options[word].is_null()).then(|| pointer(report, &options[word]));
                found.differ(&format!("{name}: {word}"), &is, wanted);
            }
        }
        for wanted in &self.registrations {
            let status = wanted.status.map_or(Value::Null, Value::from);
            let fits = |(trunk, one): &(&Value, &Value)| **trunk == wanted.trunk.as_str() && one["status"] == status;
            if !registrations.iter().any(fits) {
                found.say(format!("no registration with status {status} at trunk {}", wanted.trunk));
            }
        }
    }
}

impl CallLink {
    fn of(report: &Value, link: &Value) -> Self {
        let words = |value: &Value| list(value).iter().filter_map(Value::as_str).map(str::to_owned).collect();
        let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Self {
            legs: words(&link["legs"]),
            by: words(&link["by"]),
            strength: word(&link["strength"]),
            identifier: word(&link["identifier"]),
            sources: list(&link["sources"]).iter().map(|source| pointer(report, source)).collect(),
        }
    }
}

impl std::fmt::Display for CallLink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { legs, by, strength, identifier, sources } = self;
        write!(f, "{legs:?} by {by:?} {identifier} ({strength}) {sources:?}")
    }
}

impl Leg {
    fn compare(&self, call: &Value, leg: &Value, report: &Value, found: &mut Mismatches) {
        let name = if self.nth == 1 { self.call_id.clone() } else { format!("{} ({})", self.call_id, self.nth) };
        let trunk = self.trunk.as_deref().map(|name| if name.is_empty() { Value::Null } else { name.into() });
        let pairs = [
            ("verdict", &leg["verdict"], Some(self.verdict.clone().into())),
            ("trunk.name", &leg["trunk"]["name"], trunk),
            ("trunk.kind", &leg["trunk"]["kind"], self.kind.clone().map(Value::from)),
            ("direction", &leg["direction"], self.direction.clone().map(Value::from)),
            ("consent.state", &leg["consent"]["state"], self.state.clone().map(Value::from)),
            ("final_status", &leg["final_status"], self.final_status.map(Value::from)),
            ("from", &leg["from"], self.from.clone().map(Value::from)),
        ];
        for (word, is, wanted) in pairs {
            if let Some(wanted) = wanted {
                found.differ(&format!("leg {name}: {word}"), is, &wanted);
            }
        }
        for (word, wanted) in [("answered", self.answered), ("ended", self.ended)] {
            if let Some(wanted) = wanted
                && wanted == leg[word].is_null()
            {
                found.say(format!("leg {name}: {word} is {}", leg[word]));
            }
        }
        self.compare_streams(&name, leg, found);
        self.compare_requests(&name, leg, found);
        self.compare_observations(&name, leg, report, found);
        let reasons = texts(&leg["grounds"], "reason");
        for reason in &self.grounds {
            if !reasons.contains(&reason.as_str()) {
                found.say(format!("leg {name}: no ground `{reason}`; there are {reasons:?}"));
            }
        }
        for reason in &self.no_grounds {
            if reasons.contains(&reason.as_str()) {
                found.say(format!("leg {name}: a ground `{reason}` that must not be"));
            }
        }
        let mut pointers = Vec::new();
        for ground in list(&leg["grounds"]) {
            pointers.extend(list(&ground["sources"]).iter().map(|source| pointer(report, source)));
        }
        for wanted in &self.grounds_point_to {
            if !pointers.contains(wanted) {
                found.say(format!("leg {name}: no ground points to {wanted}; they point to {pointers:?}"));
            }
        }
        if let Some(wanted) = &self.call_with {
            let mut others: Vec<&str> = texts(&call["legs"], "call_id");
            if let Some(own) = others.iter().position(|id| *id == self.call_id) {
                others.remove(own);
            }
            others.sort_unstable();
            let mut wanted: Vec<&str> = wanted.iter().map(String::as_str).collect();
            wanted.sort_unstable();
            found.differ(&format!("leg {name}: other legs of its call"), &others, &wanted);
        }
        if let Some(wanted) = &self.links {
            let mut links: Vec<String> =
                list(&call["links"]).iter().map(|link| CallLink::of(report, link).to_string()).collect();
            let mut wanted: Vec<String> = wanted.iter().map(CallLink::to_string).collect();
            links.sort_unstable();
            wanted.sort_unstable();
            found.differ(&format!("leg {name}: links of its call"), &links, &wanted);
        }
        let word = |row: &Value, key: &str| row[key].as_str().unwrap_or_default().to_owned();
        if let Some(wanted) = &self.records {
            let records = list(&leg["records"]).iter();
            let named: Vec<_> = records.map(|row| format!("{} by {}", word(row, "call_id"), word(row, "by"))).collect();
            found.differ(&format!("leg {name}: records"), &named, wanted);
        }
        if let Some(wanted) = &self.awareness {
            let said = list(&leg["recording_awareness"]).iter().map(|row| {
                let stream = row["stream"].as_u64().map_or_else(String::new, |stream| format!(" {stream}"));
                format!("{} {}{stream}", word(row, "name"), word(row, "value"))
            });
            found.differ(&format!("leg {name}: recording_awareness"), &said.collect(), wanted);
        }
        if let Some(wanted) = self.recorded {
            found.differ(&format!("leg {name}: recorded"), &call["export"]["recorded"], &Value::from(wanted));
        }
        if let Some(wanted) = &self.divisions {
            let ids: Vec<&str> = list(&call["export"]["divisions"]).iter().filter_map(Value::as_str).collect();
            found.differ(&format!("leg {name}: divisions"), &ids, &wanted.iter().map(String::as_str).collect());
        }
        if let Some(wanted) = &self.conversations {
            let ids: Vec<&str> = list(&call["conversation_ids"]).iter().filter_map(Value::as_str).collect();
            found.differ(&format!("leg {name}: conversation_ids"), &ids, &wanted.iter().map(String::as_str).collect());
        }
    }

    fn compare_streams(&self, name: &str, leg: &Value, found: &mut Mismatches) {
        let Some(wanted) = &self.streams else { return };
        let streams = list(&leg["streams"]);
        if streams.len() != wanted.len() {
            found.say(format!("leg {name}: {} streams, wanted {}: {}", streams.len(), wanted.len(), leg["streams"]));
            return;
        }
        for (place, (wanted, stream)) in wanted.iter().zip(streams).enumerate() {
            let name = format!("leg {name}: stream {place}");
            found.seconds(&format!("{name}: consented_s"), &stream["consented_s"], wanted.consented);
            found.seconds(&format!("{name}: unconsented_s"), &stream["unconsented_s"], wanted.unconsented);
            found.seconds(&format!("{name}: unknown_s"), &stream["unknown_s"], wanted.unknown);
            let flows = list(&stream["rtp"]);
            let sum = |word: &str| flows.iter().filter_map(|flow| flow[word].as_u64()).sum::<u64>();
            let end = |word: &str| match &stream[word] {
                Value::Null => "none".to_owned(),
                end => format!("{}:{}", end["address"].as_str().unwrap_or_default(), end["port"]),
            };
            let pairs = [
                ("index", stream["index"].clone(), wanted.index.map(Value::from)),
                ("media", stream["media"].clone(), wanted.media.clone().map(Value::from)),
                ("codecs", stream["codecs"].clone(), wanted.codecs.clone().map(Value::from)),
                ("measured_by", stream["measured_by"].clone(), wanted.measured_by.clone().map(Value::from)),
                ("end_seen", stream["end_seen"].clone(), wanted.end_seen.map(Value::from)),
                ("flows", flows.len().into(), wanted.flows.map(Value::from)),
                ("packets", sum("packets").into(), wanted.packets.map(Value::from)),
                ("lost", sum("lost").into(), wanted.lost.map(Value::from)),
                ("offer", end("offer").into(), wanted.offer.clone().map(Value::from)),
                ("answer", end("answer").into(), wanted.answer.clone().map(Value::from)),
            ];
            for (word, is, wanted) in pairs {
                if let Some(wanted) = wanted {
                    found.differ(&format!("{name}: {word}"), &is, &wanted);
                }
            }
        }
    }

    fn compare_requests(&self, name: &str, leg: &Value, found: &mut Mismatches) {
        let mut left: Vec<&Value> = list(&leg["requests"]).iter().collect();
        for wanted in &self.requests {
            let fits = |request: &&Value| {
                request["status"] == wanted.status
                    && request["link"]["strength"] == wanted.strength.as_str()
                    && wanted.by.as_deref().is_none_or(|by| request["link"]["by"] == by)
                    && wanted.lag.is_none_or(|lag| close(&request["lag_s"], lag))
            };
            for number in 1..=wanted.count {
                match left.iter().position(fits) {
                    Some(place) => {
                        left.remove(place);
                    }
                    None => {
                        found.say(format!(
                            "leg {name}: no request with status {}, by {:?}, {}, lag {:?} ({number} of {})",
                            wanted.status, wanted.by, wanted.strength, wanted.lag, wanted.count
                        ));
                    }
                }
            }
        }
        for request in left {
            found.say(format!("leg {name}: a request not expected: {request}"));
        }
    }

    fn compare_observations(&self, name: &str, leg: &Value, report: &Value, found: &mut Mismatches) {
        let Some(wanted) = &self.observations else { return };
        let observations = list(&leg["consent"]["observations"]);
        if observations.len() != wanted.len() {
            let shown: Vec<String> = observations.iter().map(Value::to_string).collect();
            found.say(format!("leg {name}: {} observations, wanted {}: {shown:?}", shown.len(), wanted.len()));
            return;
        }
        for (place, (wanted, observation)) in wanted.iter().zip(observations).enumerate() {
            let name = format!("leg {name}: observation {place}");
            let value = wanted.value.clone().map_or(Value::Null, Value::from);
            found.differ(&format!("{name}: method"), &observation["method"], &wanted.method.clone().into());
            found.differ(&format!("{name}: state"), &observation["state"], &wanted.state.clone().into());
            found.differ(&format!("{name}: value"), &observation["value"], &value);
            if let Some(header) = &wanted.header {
                found.differ(&format!("{name}: header"), &observation["header"], &header.clone().into());
            }
            if observation["header"].is_null() != observation["value"].is_null() {
                found.say(format!("{name}: header and value are not null together"));
            }
            if let Some(cseq) = wanted.cseq {
                found.differ(&format!("{name}: cseq"), &observation["cseq"], &cseq.into());
            }
            if let Some(record) = &wanted.record {
                found.differ(&format!("{name}: source"), &pointer(report, &observation["source"]), record);
            }
        }
    }
}

/// A pointer as truths write it: the file's path and the record, `capture#3` and `log:2` for the usual files.
pub(crate) fn pointer(report: &Value, source: &Value) -> String {
    let id = &source["evidence"];
    let path = list(&report["evidence"])
        .iter()
        .find(|evidence| evidence["id"] == *id)
        .and_then(|evidence| evidence["path"].as_str())
        .unwrap_or("no such evidence");
    let record = &source["record"];
    match path {
        CAPTURE => format!("capture#{record}"),
        LOG => format!("log:{record}"),
        path => format!("{path}#{record}"),
    }
}

/// The elements of an array; none where it is none.
pub(crate) fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn texts<'a>(values: &'a Value, word: &str) -> Vec<&'a str> {
    list(values).iter().filter_map(|value| value[word].as_str()).collect()
}

fn contains(value: &Value, part: &str) -> bool {
    value.as_str().is_some_and(|text| text.contains(part))
}

fn close(value: &Value, wanted: f64) -> bool {
    value.as_f64().is_some_and(|value| (value - wanted).abs() < 0.000_5)
}

struct Mismatches(Vec<String>);

impl Mismatches {
    fn say(&mut self, text: String) {
        self.0.push(text);
    }

    fn differ<T: PartialEq + std::fmt::Debug>(&mut self, name: &str, is: &T, wanted: &T) {
        if is != wanted {
            self.say(format!("{name} is {is:?}, wanted {wanted:?}"));
        }
    }

    fn seconds(&mut self, name: &str, is: &Value, wanted: f64) {
        if !close(is, wanted) {
            self.say(format!("{name} is {is}, wanted {wanted:.3}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(report: &str) -> Run {
        Run { code: Some(0), stdout: report.as_bytes().to_vec(), stderr: String::new() }
    }

    #[test]
    fn all_that_differs_is_said_at_once() {
        let truth = Truth::parse(
            "exit = 1
             notices = ['rule_never_seen']
             [[leg]]
             call_id = 'a@x'
             verdict = 'clear'
             state = 'granted'
             streams = [{ consented = 9, unconsented = 0, unknown = 0 }]
             requests = [{ status = 403, strength = 'exact' }]
             [[leg]]
             call_id = 'b@x'
             verdict = 'clear'
             [[unbound]]
             target_contains = '/recordings'
             reason = 'no_such_call'",
        )
        .unwrap();
        let found = truth.mismatches(&run(
            r#"{"complete": true, "notices": [], "evidence": [{"anomalies": [{"code": "bad_record"}]}], "calls": [{"legs": [
                {"call_id": "a@x", "verdict": "unconsented", "consent": {"state": "missing", "observations": []},
                 "streams": [{"consented_s": 0.0, "unconsented_s": 9.0, "unknown_s": 0.0, "rtp": []}], "requests": [], "grounds": []},
                {"call_id": "c@x", "verdict": "clear"}]}], "unbound_refusals": [], "trunks": []}"#,
        ));
        let all = found.join("\n");
        for part in [
            "exit status",
            "rule_never_seen",
            "bad_record",
            "a@x: verdict",
            "a@x: consent.state",
            "consented_s is 0.0",
            "unconsented_s is 9.0",
            "no request with status 403",
            "no leg `b@x`",
            "leg too many: `\"c@x\"`",
            "/recordings",
        ] {
            assert!(all.contains(part), "{part} is not in\n{all}");
        }
        assert_eq!(found.len(), 11, "{all}");
    }

    #[test]
    fn a_truth_that_fits_says_nothing() {
        let truth = Truth::parse("exit = 0\n[[leg]]\ncall_id = 'a@x'\nverdict = 'clear'").unwrap();
        let found = truth
            .mismatches(&run(r#"{"complete": true, "calls": [{"legs": [{"call_id": "a@x", "verdict": "clear"}]}]}"#));
        assert_eq!(found, Vec::<String>::new());
    }

    #[test]
    fn no_report_is_a_mismatch() {
        let truth = Truth::parse("exit = 0").unwrap();
        assert!(truth.mismatches(&run("sorry"))[0].contains("no JSON report"));
    }

    #[test]
    fn an_unknown_word_is_an_error_that_names_it() {
        let error = Truth::parse("exit = 0\n[[leg]]\ncall_id = 'a'\nverdict = 'clear'\nstat = 'x'").unwrap_err();
        assert!(error.contains("stat"), "{error}");
    }
}
