//! `--redact`: in no format does anything survive that names somebody or something, and what belongs together still does.
//!
//! What might survive is not listed by hand: every word of the evidence's own bytes (header fields and bodies of SIP,
//! requests of the logs, the names of the files and of the configuration) that is none of the public words below must be gone.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use base64::Engine as _;
use serde_json::Value;
use tempfile::TempDir;

use crate::calls::{CONFIG, Case, all};
use crate::hostile::hostile_texts;
use crate::support::here;
use crate::support::run::program;
use crate::support::scene::Scene;

const ENDINGS: [&str; 6] = ["csv", "html", "json", "md", "ndjson", "txt"];

/// The reports of `evidence` in every format, by their ending.
fn reports(folder: &Path, key: &str, config: Option<&str>, evidence: &[&str]) -> Vec<(&'static str, String)> {
    let place = TempDir::new().expect("a folder");
    let path = |name: &str| place.path().join(name).to_string_lossy().into_owned();
    std::fs::write(path("key"), key).expect("the key");
    let outputs: Vec<String> = ENDINGS.iter().map(|ending| path(&format!("report.{ending}"))).collect();
    let key = path("key");
    let mut arguments = vec!["audit", "-v", "-q", "--show", "all", "--redact", "--redact-key", &key];
    arguments.extend(config.iter().flat_map(|config| ["-c", config]));
    arguments.extend(outputs.iter().flat_map(|output| ["-o", output]));
    arguments.extend(evidence);
    let run = program(folder, arguments);
    assert!(run.code.is_some() && run.text().is_empty(), "{}", run.ending());
    let read = |path: &String| std::fs::read_to_string(path).unwrap_or_else(|cause| panic!("{path}: {cause}"));
    ENDINGS.into_iter().zip(&outputs).map(|(ending, path)| (ending, unpacked(read(path)))).collect()
}

/// A page with what lies packed in it.
fn unpacked(page: String) -> String {
    let mut all = page;
    let blocks: Vec<String> = all
        .split("<script type=\"application/octet-stream\"")
        .skip(1)
        .filter_map(|block| block.split_once('>')?.1.split('<').next().map(str::to_owned))
        .collect();
    for block in blocks {
        let bytes = base64::engine::general_purpose::STANDARD.decode(block).expect("base64");
        let mut text = String::new();
        std::io::Read::read_to_string(&mut flate2::read::DeflateDecoder::new(&bytes[..]), &mut text).expect("deflate");
        all.push_str(&text);
    }
    all
}

/// The words of some bytes that may name something: those of five letters or more, split where names are put together.
fn words(bytes: &[u8]) -> BTreeSet<String> {
    let text: String = bytes.iter().map(|byte| if byte.is_ascii_graphic() { char::from(*byte) } else { ' ' }).collect();
    let marks = [' ', '"', '<', '>', ',', ';', '=', '/', '?', '&', '{', '}', '[', ']', '(', ')', '\\'];
    let trimmed = |word: &str| word.trim_matches(|mark: char| !mark.is_ascii_alphanumeric()).to_owned();
    text.split(marks).map(trimmed).filter(|word| word.len() >= 5).collect()
}

/// Words of SIP and SDP: methods, header fields, reason phrases, media.
const SIP: &str = "
    INVITE CANCEL OPTIONS PRACK REFER REGISTER UPDATE Acceptable Allow Authentication Call-ID Content-Length Content-Type Decline
    Contact Forbidden Interval Moved Progress Proxy Record-Aware Refer-To Referred-By Replaces Request Require Required Ringing Route Session
    Session-ID Small Supported Target-Dialog Temporarily Terminated Trying Unauthorized User-to-User application audio complete image
    inactive participant proto recvonly sendonly sendrecv session_id sipSessionID siprec video";

/// Words of the platform's published API and of the forum's thread, among them the built-in rule's field (a piece of it
/// where a packet was cut).
const PLATFORM: &str = "
    X-Genesys-Recording-Consent X-Genesys-Recording X-Genesys-Recording-Con X-ININ-CNV Consent active agent analytics
    analytics:byoc annotations callId call_id conversation conversationId conversation_id conversations correlation_id details division
    divisionIds error_code filter formatId maxWaitMs media missing.any.permissions orphanrecordings pageSize
    participants protocolCallId query queueId queues recording recording:consent recordingmetadata recordings retention
    screen screensessions segments sessions sipCallId suppressRecording trunk trunkId trunk_recording_consent_required userId https
    trunk_recording_enabled userrecordings";

/// Words that the report itself says or is made of, some of which the evidence says too.
const OWN: &str = "
    access_log addresses among answers asked audit before built-in calls capabilities carrier client combined
    consent.header control count denied direction evidence false field fields files first format gateway granted group
    headers hosts identity inbound method mixed names other outbound platform platform_addresses queries record
    recording_paths refused response script settings sipconsent standard state status style target thread title total
    under upstream_status value verdicts version would written";

/// Whether a word names nobody: one of the lists, a time, or a number of so few digits that it is a port, a rate or a
/// count, which stay.
fn is_public(word: &str) -> bool {
    let listed = [SIP, PLATFORM, OWN].iter().flat_map(|list| list.split_whitespace());
    let numeric = word.bytes().all(|byte| byte.is_ascii_digit() || b"-:TZ.".contains(&byte));
    let time = numeric && word.contains([':', '-']);
    let few = word.len() <= 5 && word.bytes().all(|byte| byte.is_ascii_digit());
    time || few || listed.into_iter().any(|public| public.eq_ignore_ascii_case(word))
}

/// The payloads of a capture's packets that hold text, and the whole of any other file.
fn text_of(path: &Path) -> Vec<u8> {
    let bytes = std::fs::read(path).expect("evidence");
    // SIP stands in captures as it was sent; the rest of a capture is no text.
    let Some(format) = sipconsent::capture::recognise(&bytes) else { return bytes };
    let _ = format;
    let mut text = Vec::new();
    for run in bytes.split(|byte| !(byte.is_ascii_graphic() || b" \t\r\n".contains(byte))) {
        if run.len() >= 40 {
            text.extend_from_slice(run);
            text.push(b' ');
        }
    }
    text
}

/// The words of everything below a folder, the names of its files with them.
fn words_below(folder: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(words_below(&path));
        } else {
            found.extend(words(&text_of(&path)));
            found.extend(path.file_name().map(|name| name.to_string_lossy().into_owned()));
        }
    }
    found.retain(|word| !is_public(word));
    found
}

/// The words that stand in a report, and in the report of which format first.
fn survivors(words: &BTreeSet<String>, reports: &[(&'static str, String)]) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for (ending, text) in reports {
        for word in words.iter().filter(|word| text.contains(word.as_str())) {
            found.entry(word.clone()).or_insert_with(|| (*ending).to_owned());
        }
    }
    found
}

const KEY: &str = "a key of more than sixteen bytes";

#[test]
fn nothing_of_the_incident_survives_in_any_format() {
    let folder = here("fixtures/incident");
    let reports = reports(&folder, KEY, Some("sipconsent.toml"), &["evidence"]);
    let mut words = words_below(&folder.join("evidence"));
    words.extend(
        self::words(&std::fs::read(folder.join("sipconsent.toml")).expect("it"))
            .into_iter()
            .filter(|word| !is_public(word)),
    );
    words.extend(["SG1", "PBX"].map(str::to_owned));
    assert!(words.len() > 500, "{}", words.len());
    assert_eq!(survivors(&words, &reports), BTreeMap::new());
}

#[test]
fn nothing_of_hostile_texts_survives_in_any_format() {
    let (folder, _scene) = hostile_texts();
    let config = here("fixtures/calls/sipconsent.toml");
    let reports = reports(folder.path(), KEY, Some(&config.to_string_lossy()), &["."]);
    assert_eq!(survivors(&words_below(folder.path()), &reports), BTreeMap::new());
    for (ending, text) in &reports {
        for part in ["owned", "alert(1)", "gpj.exe", "evil", "cmd|", "raw-byte"] {
            assert!(!text.contains(part), "{ending}: {part}");
        }
    }
}

#[test]
fn nothing_of_any_case_survives_in_any_format() {
    let mut found: BTreeMap<String, String> = BTreeMap::new();
    let together = TempDir::new().expect("a folder");
    let mut look = |name: &str, folder: &Path, config: &str| {
        let reports = reports(folder, KEY, Some(config), &["evidence"]);
        for (word, ending) in survivors(&words_below(&folder.join("evidence")), &reports) {
            found.entry(word).or_insert_with(|| format!("{ending} of {name}"));
        }
    };
    // Cases whose sentences or whose configuration are their own one by one, all others in one audit.
    for folder in all() {
        let case = Case::open(&folder).expect("a case");
        let own = folder.join("sipconsent.toml").exists();
        if own || ["diagnosis-", "inventory-", "notice-"].iter().any(|kind| case.name.starts_with(kind)) {
            look(&case.name, case.folder.path(), "sipconsent.toml");
        } else {
            let place = together.path().join("evidence").join(&case.name);
            std::fs::create_dir_all(&place).expect("a folder");
            case.scene.evidence().write_to(&place);
        }
    }
    if together.path().join("evidence").exists() {
        look("the others", together.path(), &here(CONFIG).to_string_lossy());
    }
    assert_eq!(found, BTreeMap::new());
}

#[test]
fn what_survives_is_noticed() {
    let folder = here("fixtures/incident");
    let words = words_below(&folder.join("evidence"));
    for word in ["127.0.10.1", "byoc-22-missing-exposed@127.0.10.1", "gateway.log"] {
        let found = survivors(&words, &[("txt", format!("at {word}, once"))]);
        assert!(found.contains_key(word), "{word}: {found:?}");
    }
}

/// The Call-IDs of the legs, by when they began.
fn call_ids(report: &str) -> Vec<(String, String)> {
    let report: Value = serde_json::from_str(report).expect("JSON");
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let calls = report["calls"].as_array().expect("calls");
    let legs = calls.iter().flat_map(|call| call["legs"].as_array().expect("legs"));
    let mut ids: Vec<_> = legs.map(|leg| (text(&leg["first"]), text(&leg["call_id"]))).collect();
    ids.sort();
    ids
}

fn format<'a>(reports: &'a [(&str, String)], ending: &str) -> &'a str {
    &reports.iter().find(|(known, _)| *known == ending).expect("the format").1
}

#[test]
fn pseudonyms_join_formats_and_runs_of_one_key() {
    let folder = here("fixtures/incident");
    let config = Some("sipconsent.toml");
    let whole = reports(&folder, KEY, config, &["evidence"]);
    let ids = call_ids(format(&whole, "json"));
    assert_eq!(ids.len(), 54);
    let distinct: BTreeSet<&String> = ids.iter().map(|(_, id)| id).collect();
    assert_eq!(distinct.len(), 54, "two Call-IDs are two pseudonyms");
    for (ending, text) in &whole {
        let missing: Vec<_> = distinct.iter().filter(|id| !text.contains(id.as_str())).collect();
        assert_eq!(missing, Vec::<&&String>::new(), "{ending}");
    }
    // Of another part of the evidence, the same legs have the same names with this key and others with another.
    let part = reports(&folder, KEY, config, &["evidence/incident.pcap2", "evidence/gateway.log"]);
    let part_ids = call_ids(format(&part, "json"));
    assert!(part_ids.len() > 5 && part_ids.iter().all(|(_, id)| distinct.contains(id)), "{part_ids:?}");
    let other = reports(&folder, "another key of as many bytes", config, &["evidence"]);
    let other_ids = call_ids(format(&other, "json"));
    assert!(other_ids.iter().all(|(_, id)| !distinct.contains(id)));
    assert!(ids.iter().zip(&other_ids).all(|((one, _), (other, _))| one == other), "times stay");
}

#[test]
fn a_random_key_is_another_one_each_time() {
    let folder = here("fixtures/incident");
    let once = || program(&folder, ["audit", "--redact", "-f", "json", "-c", "sipconsent.toml", "evidence"]).text();
    let (one, other) = (call_ids(&once()), call_ids(&once()));
    assert!(one.iter().zip(&other).all(|(one, other)| one.1 != other.1));
}

/// A site whose trunks, callers, clients and files are called so. Names of as many bytes make evidence of as many bytes.
struct Called {
    byoc: &'static str,
    standard: &'static str,
    client: &'static str,
    other_client: &'static str,
    user: &'static str,
    call_id: &'static str,
    field: &'static str,
    attribute: &'static str,
    parameter: &'static str,
    value: &'static str,
    identifier: &'static str,
    permission: &'static str,
    capture: &'static str,
    log: &'static str,
}

/// Words of the program's own sentences.
const HOSTILE: Called = Called {
    byoc: "trunk",
    standard: "standard",
    client: "the",
    other_client: "calls",
    user: "media",
    call_id: "without",
    field: "carry",
    attribute: "INVITE",
    parameter: "rule",
    value: "of",
    identifier: "platform",
    permission: "recording:list:view",
    capture: "among",
    log: "refused",
};

/// Names that are no words of anything.
const PLAIN: Called = Called {
    byoc: "qzaxb",
    standard: "qzaxbcde",
    client: "qzc",
    other_client: "qzfgh",
    user: "qzuuu",
    call_id: "qzljkop",
    field: "qzcvr",
    attribute: "qzabcd",
    parameter: "qzpm",
    value: "qz",
    identifier: "qzmnbvcx",
    permission: "recording:qzxy:view",
    capture: "aqzqz",
    log: "rqzwxyv",
};

impl Called {
    const ORDER: &'static str = "[[exports]]\nfile = \"trunks.json\"\n";

    /// Its evidence in `evidence/`, and its configuration.
    fn site(&self) -> TempDir {
        let Self { client, other_client, user, call_id, identifier, permission, log, standard, .. } = self;
        let order = Self::ORDER;
        let raw = format!(
            r#"{{"time":"2026-03-02T10:01:30Z","method":"GET","path":"/api/v2/recordings/x?callId={call_id}-0@x&x={identifier}","status":403,"client_id":"{client}","response_body":{{"code":"missing.any.permissions","message":"m","messageParams":{{"permissions":"{permission}"}}}}}}"#
        );
        let scene = format!(
            r#"
            purpose = "names that are words"
            clause = "§2"
            calls = [
              {{ call_id = "{call_id}-{{n}}@x", from = "carrier", to = "platform", at = 0, count = 6, from_uri = "sip:{user}@x" }},
              {{ call_id = "yes-{call_id}-{{n}}@x", from = "carrier", to = "platform", at = 1000, count = 6, consent = "true" }},
              {{ call_id = "std-{call_id}-{{n}}@x", from = "edge", to = "pstn", at = 2000, count = 6 }},
              {{ call_id = "many-{{n}}@x", from = "carrier", to = "platform", at = 5000, refused = 486, headers = ["X-Room: {identifier}"], count = 33 }},
            ]
            log = [
              {{ at = 30, target = "/gw/recordings/a?callId={call_id}-{{n}}@x", status = 403, count = 6, client = "{client}", file = "{log}", zone = "none" }},
              {{ at = 1030, target = "/gw/recordings/a?callId=yes-{call_id}-{{n}}@x", status = 200, count = 6, client = "{other_client}", file = "{log}", zone = "none" }},
              {{ at = 2030, target = "/api/v2/recordings?callId=std-{call_id}-{{n}}@x", status = 403, count = 6, client = "{client}", file = "{log}", zone = "none" }},
              {{ target = "", status = 403, raw = '{raw}', file = "{log}" }},
            ]
            {order}trunks = [{{ id = "00000000-9f0e-4c57-8d0c-2f6f0f5a1b02", name = "{standard}", recording = true, consent_required = true }}]
            "#
        );
        let scene = Scene::parse(&scene).unwrap_or_else(|error| panic!("{error}"));
        let place = TempDir::new().expect("a folder");
        let evidence = place.path().join("evidence");
        std::fs::create_dir(&evidence).expect("a folder");
        scene.evidence().write_to(&evidence);
        std::fs::rename(evidence.join("capture.pcap"), evidence.join(self.capture)).expect("the capture");
        std::fs::write(place.path().join("site.toml"), self.config()).expect("the configuration");
        place
    }

    fn config(&self) -> String {
        let Self { byoc, standard, field, attribute, parameter, value, .. } = self;
        format!(
            r#"
            [[trunk]]
            name = "{byoc}"
            kind = "byoc"
            addresses = ["203.0.113.0/24"]
            [[trunk]]
            name = "{standard}"
            kind = "standard"
            addresses = ["198.51.100.0/24"]
            [[consent.header]]
            name = "X-Genesys-Recording-Consent"
            granted = ["true", "{value}"]
            [[consent.header]]
            name = "{field}"
            parameter = "{parameter}"
            granted = ["{value}"]
            [[consent.sdp_attribute]]
            name = "{attribute}"
            granted = ["{value}"]
            [identity]
            headers = ["X-Room"]
            "#
        )
    }
}

/// A text with a star for every run of letters, digits and a few marks that is a name.
fn starred(text: &str, is_name: impl Fn(&str) -> bool) -> String {
    let part = |letter: char| letter.is_ascii_alphanumeric() || "-_:".contains(letter);
    let mut shown = String::new();
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(|letter| !part(letter)).unwrap_or(rest.len());
        let (run, behind) = rest.split_at(end);
        // Marks of the sentence, not of the name.
        let name = run.trim_end_matches(':');
        shown.push_str(if is_name(name) { "*" } else { name });
        shown.push_str(run.strip_prefix(name).unwrap_or_default());
        let mut letters = behind.chars();
        shown.extend(letters.next());
        rest = letters.as_str();
    }
    shown
}

fn is_pseudonym(run: &str) -> bool {
    let digits = |text: &str| text.len() == 12 && text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'2'..=b'7'));
    run.split(':').any(|part| part.rsplit_once('-').is_some_and(|(kind, last)| !kind.is_empty() && digits(last)))
}

/// The sentences of a report in JSON, which are taken out of it.
fn sentences(report: &mut Value) -> Vec<String> {
    let mut found = Vec::new();
    let mut take = |value: &mut Value| {
        if let Value::String(text) = value.take() {
            found.push(text);
        }
    };
    let rows = |report: &mut Value, key: &str| match report[key].take() {
        Value::Array(rows) => rows,
        other => panic!("{key} is {other}"),
    };
    for mut notice in rows(report, "notices") {
        take(&mut notice["text"]);
    }
    let mut diagnosis = rows(report, "diagnosis");
    for row in &mut diagnosis {
        take(&mut row["explanation"]);
        if row["remedy"].is_object() {
            take(&mut row["remedy"]["text"]);
        }
    }
    report["diagnosis"] = diagnosis.into();
    for source in report["evidence"].as_array_mut().expect("evidence") {
        for anomaly in source["anomalies"].as_array_mut().expect("anomalies") {
            take(&mut anomaly["detail"]);
        }
    }
    found
}

/// A report without what differs from one site to another beside their names: digests, and what lies packed in a page.
fn comparable(text: &str) -> String {
    let mut shown = String::new();
    for (place, block) in text.split("<script type=\"application/octet-stream\"").enumerate() {
        shown.push_str(if place == 0 { block } else { block.split_once("</script>").map_or("", |(_, rest)| rest) });
    }
    let is_digest = |run: &str| run.len() >= 64 && run.bytes().rev().take(64).all(|byte| byte.is_ascii_hexdigit());
    starred(&shown, |run| is_pseudonym(run) || is_digest(run))
}

#[test]
fn what_the_program_says_is_never_taken_for_a_name() {
    let (hostile, plain) = (HOSTILE.site(), PLAIN.site());
    let redacted = |site: &TempDir| reports(site.path(), KEY, Some("site.toml"), &["evidence"]);
    let (hostile, again) = (redacted(&hostile), redacted(&plain));
    // Word for word the same in every format, whatever somebody is called.
    for ((ending, one), (_, other)) in hostile.iter().zip(&again) {
        let (one, other) = (comparable(one), comparable(other));
        for (one, other) in one.lines().zip(other.lines()) {
            assert_eq!(one, other, "{ending}");
        }
        assert!(one == other, "{ending}");
    }
    // And as without --redact, but for the names.
    let clear = program(plain.path(), ["audit", "--show", "all", "-f", "json", "-c", "site.toml", "evidence"]).text();
    let mut clear: Value = serde_json::from_str(&clear).expect("JSON");
    let mut hidden: Value = serde_json::from_str(format(&hostile, "json")).expect("JSON");
    let clear: Vec<String> = sentences(&mut clear).iter().map(|text| starred(text, |run| run.contains("qz"))).collect();
    let said = sentences(&mut hidden);
    let stars: Vec<String> = said.iter().map(|text| starred(text, is_pseudonym)).collect();
    let notice = stars.iter().position(|text| text.starts_with("Parties, numbers,")).expect("the notice");
    let without: Vec<&String> =
        stars.iter().enumerate().filter(|(at, _)| *at != notice).map(|(_, text)| text).collect();
    assert_eq!(without, clear.iter().collect::<Vec<_>>());
    for part in [
        "The identifier * is shared by 33 legs",
        "taken as UTC in: *. Set",
        "The configuration calls the trunk * standard;",
        "missing: * (",
        "The signal * of * occurs on no",
        "The signal a=* occurs on no",
        "X-Genesys-Recording-Consent or * of * or a=* in",
        "calls on standard trunks",
    ] {
        assert!(stars.iter().any(|text| text.contains(part)), "{part} is in none of {stars:#?}");
    }
    // What a sentence names can be looked up in the fields.
    let fields = hidden.to_string();
    for text in &said {
        let runs = text.split(|letter: char| !(letter.is_ascii_alphanumeric() || "-_:".contains(letter)));
        for name in runs.map(|run| run.trim_end_matches(':')).filter(|run| is_pseudonym(run)) {
            assert!(fields.contains(name), "{name} of \"{text}\" is in no field");
        }
    }
}
