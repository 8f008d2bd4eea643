//! The same evidence gives the same bytes, whatever the threads, the order of the arguments and the place.

use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use crate::calls::Case;
use crate::support::here;
use crate::support::packet::pcap;
use crate::support::run::audit;
use crate::support::scene::{CAPTURE, LOG, TAP};
use crate::support::truth::list;

/// Cases that together hold several files, calls, trunks, ties and damage.
const CASES: [&str; 8] = [
    "consent-values",
    "exit-finding-outranks-undecided",
    "call-33-legs",
    "call-by-session-id",
    "leg-reused-call-id",
    "leg-second-tap",
    "request-in-two-logs",
    "unbound-reasons",
];

fn case(name: &str) -> Case {
    Case::open(&here("fixtures/calls").join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// What must stay when the evidence is only cut or copied otherwise: verdicts, states, seconds, flows and requests.
fn conclusions(report: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    for call in list(&report["calls"]) {
        for leg in list(&call["legs"]) {
            let mut streams = Vec::new();
            for stream in list(&leg["streams"]) {
                let flows: Vec<String> = list(&stream["rtp"])
                    .iter()
                    .map(|flow| format!("{} {} {} {}", flow["ssrc"], flow["packets"], flow["bytes"], flow["lost"]))
                    .collect();
                let words = ["index", "measured_by", "start", "end", "consented_s", "unconsented_s", "unknown_s"];
                streams.push(format!("{:?} {flows:?}", words.map(|word| &stream[word])));
            }
            let requests: Vec<String> = list(&leg["requests"])
                .iter()
                .map(|request| format!("{} {} {}", request["target"], request["status"], request["link"]))
                .collect();
            let observations: Vec<String> = list(&leg["consent"]["observations"])
                .iter()
                .map(|one| format!("{} {} {}", one["at"], one["method"], one["state"]))
                .collect();
            let words = ["call_id", "verdict", "direction", "first", "answered", "ended", "final_status"];
            lines.push(format!(
                "{:?} {} {} {streams:?} {requests:?} {observations:?}",
                words.map(|word| &leg[word]),
                leg["trunk"],
                leg["consent"]["state"]
            ));
        }
    }
    lines.push(format!("{} {}", report["summary"], report["unbound_refusals"].as_array().map_or(0, Vec::len)));
    lines
}

/// The first of `outputs` that differs from the first one.
fn first_difference(outputs: &[(String, Vec<u8>)]) -> Option<&str> {
    let (_, first) = outputs.first()?;
    outputs.iter().find(|(_, output)| output != first || output.is_empty()).map(|(name, _)| name.as_str())
}

#[test]
fn threads_do_not_show() {
    for name in CASES {
        let case = case(name);
        let outputs: Vec<(String, Vec<u8>)> = ["1", "2", "3", "8"]
            .map(|threads| (threads.to_owned(), case.run(&["-j", threads], &["evidence"]).stdout))
            .to_vec();
        assert_eq!(first_difference(&outputs), None, "{name}: the output depends on -j");
    }
}

#[test]
fn threads_do_not_show_in_the_incident() {
    let outputs: Vec<(String, Vec<u8>)> = ["1", "2", "8", "8", "8"]
        .map(|threads| {
            let run = audit(&here("fixtures/incident"), &["-c", "sipconsent.toml", "-j", threads, "evidence"]);
            (threads.to_owned(), run.stdout)
        })
        .to_vec();
    assert_eq!(first_difference(&outputs), None);
}

#[test]
fn the_order_of_the_arguments_does_not_show() {
    for (name, files) in [
        ("request-in-two-logs", ["evidence/capture.pcap", "evidence/gateway.jsonl", "evidence/backend.jsonl"]),
        ("leg-second-tap", ["evidence/capture.pcap", "evidence/tap.pcap", "evidence/capture.pcap"]),
    ] {
        let case = case(name);
        let [a, b, c] = files;
        let outputs: Vec<(String, Vec<u8>)> = [[a, b, c], [a, c, b], [b, a, c], [b, c, a], [c, a, b], [c, b, a]]
            .map(|order| (format!("{order:?}"), case.run(&[], &order).stdout))
            .to_vec();
        assert_eq!(first_difference(&outputs), None, "{name}");
    }
}

#[test]
fn the_order_does_not_show_where_files_are_shown_alike() {
    let case = case("request-in-two-logs");
    let root = case.folder.path();
    for (folder, file) in [("x", "gateway.jsonl"), ("y", "backend.jsonl")] {
        std::fs::create_dir(root.join(folder)).unwrap();
        std::fs::copy(root.join("evidence").join(file), root.join(folder).join(LOG)).unwrap();
    }
    let outputs: Vec<(String, Vec<u8>)> = [
        ["x/access.jsonl", "y/access.jsonl", "evidence/capture.pcap"],
        ["y/access.jsonl", "x/access.jsonl", "evidence/capture.pcap"],
        ["evidence/capture.pcap", "y/access.jsonl", "x/access.jsonl"],
    ]
    .map(|order| (format!("{order:?}"), case.run(&[], &order).stdout))
    .to_vec();
    assert_eq!(first_difference(&outputs), None);
}

#[test]
fn the_place_does_not_show() {
    for name in ["consent-values", "unbound-reasons"] {
        let one = case(name);
        let other = case(name);
        let relative = one.run(&[], &["evidence"]).stdout;
        let elsewhere = other.run(&[], &["evidence"]).stdout;
        let absolute = one.folder.path().join("evidence");
        let absolute = other.run(&[], &[absolute.to_str().expect("a temporary path is text")]).stdout;
        let outputs = [("here", relative), ("elsewhere", elsewhere), ("absolute", absolute)]
            .map(|(name, output)| (name.to_owned(), output));
        assert_eq!(first_difference(&outputs), None, "{name}");
    }
}

/// Audits `files` in a folder of their own with the case's configuration.
fn audit_files(case: &Case, files: &[(&str, &[u8])]) -> Value {
    let folder = TempDir::new().expect("a folder");
    for (name, bytes) in files {
        std::fs::write(folder.path().join(name), bytes).expect("evidence can be written");
    }
    let path: &Path = folder.path();
    case.run(&[], &[path.to_str().expect("a temporary path is text")]).report()
}

#[test]
fn a_capture_split_anywhere_gives_the_same_conclusions() {
    for name in ["reinvite-grants", "streams-port-reused", "leg-proxy-strips-the-field", "replaces-a-granted-leg"] {
        let case = case(name);
        let packets = case.scene.packets();
        let log = case.scene.evidence().0.remove(LOG);
        let log: Vec<(&str, &[u8])> = log.iter().map(|bytes| (LOG, bytes.as_slice())).collect();
        let audit_parts = |parts: &[(&str, &[u8])]| {
            let mut files = log.clone();
            files.extend(parts);
            conclusions(&audit_files(&case, &files))
        };
        let whole = audit_parts(&[(CAPTURE, &pcap(&packets))]);
        assert!(whole.len() > 1, "{name}: no conclusions");
        for at in (1..packets.len()).step_by(1 + packets.len() / 12) {
            let (first, second) = packets.split_at(at);
            let (first, second) = (pcap(first), pcap(second));
            // Rotated files are read in any order: the earlier half under the later name, too.
            let split = audit_parts(&[("a.pcap", &first), ("b.pcap", &second)]);
            assert_eq!(split, whole, "{name}: split after packet {at}");
            let swapped = audit_parts(&[("a.pcap", &second), ("b.pcap", &first)]);
            assert_eq!(swapped, whole, "{name}: split after packet {at}, names swapped");
        }
    }
}

#[test]
fn a_capture_given_twice_gives_the_same_conclusions() {
    for name in ["reinvite-grants", "verdict-exposed-unconsented", "streams-lost-packets", "leg-reused-call-id"] {
        let case = case(name);
        let evidence = case.scene.evidence().0;
        let mut files: Vec<(&str, &[u8])> =
            evidence.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect();
        let once = conclusions(&audit_files(&case, &files));
        files.push((TAP, evidence[CAPTURE].as_slice()));
        assert_eq!(conclusions(&audit_files(&case, &files)), once, "{name}");
    }
}

#[test]
fn a_difference_is_noticed() {
    let alike = [("a".to_owned(), b"x".to_vec()), ("b".to_owned(), b"x".to_vec())];
    assert_eq!(first_difference(&alike), None);
    let other = [("a".to_owned(), b"x".to_vec()), ("b".to_owned(), b"y".to_vec())];
    assert_eq!(first_difference(&other), Some("b"));
    let empty = [("a".to_owned(), Vec::new()), ("b".to_owned(), Vec::new())];
    assert_eq!(first_difference(&empty), Some("a"), "runs that say nothing are no proof");
    let report = |verdict: &str| serde_json::json!({"calls": [{"legs": [{"call_id": "a@x", "verdict": verdict, "consent": {"state": "missing"}}]}]});
    assert_ne!(conclusions(&report("clear")), conclusions(&report("unconsented")));
}
