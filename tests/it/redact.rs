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
    Contact Forbidden Interval Moved Progress Proxy Record-Aware Replaces Request Require Required Ringing Route Session
    Session-ID Small Supported Target-Dialog Temporarily Terminated Trying Unauthorized User-to-User application audio complete image
    inactive participant proto recvonly sendonly sendrecv session_id sipSessionID siprec video";

/// Words of the platform's published API and of the forum's thread, among them the built-in rule's field (a piece of it
/// where a packet was cut).
const PLATFORM: &str = "
    X-Genesys-Recording-Consent X-Genesys-Recording X-Genesys-Recording-Con X-ININ-CNV Consent active agent analytics
    analytics:byoc annotations callId call_id conversation conversation_id conversations correlation_id details division
    divisionIds error_code filter formatId maxWaitMs media missing.any.permissions orphanrecordings pageSize
    participants protocolCallId query queueId queues recording recording:consent recordingmetadata recordings retention
    screen screensessions segments sessions sipCallId suppressRecording trunk trunkId trunk_recording_consent_required
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
