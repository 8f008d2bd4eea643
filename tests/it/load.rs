//! Generated loads: the audit concludes what their generator knows of them.

#[path = "../../examples/load/calls.rs"]
mod calls;
#[path = "../../examples/load/capture.rs"]
mod capture;
#[path = "../../examples/load/log.rs"]
mod log;
#[path = "../../examples/load/plan.rs"]
mod plan;

use std::fs;

use serde_json::{Value, json};

use crate::support::run::{program, program_with};
use capture::Container;
use plan::{Plan, Truth};

fn plan(media: bool) -> Plan {
    Plan { seed: 7, calls: 46, seconds: 3, media, join: false, lines: 2_000 }
}

/// What the report's summary must say of a load written on its own.
fn summary(truth: &Truth) -> [(&'static str, Value); 8] {
    [
        ("/legs", json!(truth.clear + truth.unconsented)),
        ("/verdicts/clear", json!(truth.clear)),
        ("/verdicts/unconsented", json!(truth.unconsented)),
        ("/unconsented_streams", json!(truth.unconsented)),
        ("/requests/recording", json!(truth.recording_requests)),
        ("/requests/refused", json!(truth.refused)),
        ("/requests/unbound_refusals", json!(truth.refused)),
        ("/requests/allowed", json!(truth.allowed)),
    ]
}

fn check(name: &str, load: &[u8], truth: &Truth) -> Value {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("load"), load).expect("the load is written");
    let run = program(folder.path(), ["audit", "--hash", "none", "--format", "json", "load"]);
    assert_eq!(run.code, Some(if truth.unconsented > 0 { 1 } else { 3 }), "{name}: {}", run.ending());
    let report = run.report();
    for (place, wanted) in summary(truth) {
        assert_eq!(report["summary"].pointer(place), Some(&wanted), "{name}: summary{place}");
    }
    let seconds = report["summary"]["unconsented_media_s"].as_f64().expect("a number");
    assert!((seconds * 1_000.0 - truth.unconsented_ms as f64).abs() < 0.5, "{name}: {seconds} s unconsented");
    let source = &report["evidence"][0];
    assert_eq!((&source["records"], &source["bytes"]), (&json!(truth.records), &json!(truth.bytes)), "{name}");
    assert_eq!(source["anomalies"], json!([]), "{name}");
    source["tally"].clone()
}

#[test]
fn captures_are_concluded_as_their_generator_knows() {
    for container in [Container::Pcap, Container::Pcapng] {
        for media in [true, false] {
            let name = format!("{container:?}, media {media}");
            let mut bytes = Vec::new();
            let truth = calls::write(&plan(media), container, &mut bytes).expect("memory takes all");
            assert_eq!((truth.clear, truth.unconsented, truth.sip_messages), (30, 16, 322), "{name}");
            let tally = check(&name, &bytes, &truth);
            let rtp = if media { json!(truth.rtp_packets) } else { Value::Null };
            assert_eq!((&tally["sip"], &tally["rtp"]), (&json!(truth.sip_messages), &rtp), "{name}");
        }
    }
}

#[test]
fn logs_are_concluded_as_their_generator_knows() {
    for (name, line) in [("ndjson", log::json as fn(&log::Request) -> String), ("combined", log::combined)] {
        let mut bytes = Vec::new();
        let truth = log::write(&plan(false), line, &mut bytes).expect("memory takes all");
        assert_eq!((truth.recording_requests, truth.refused), (100, 40), "{name}");
        let tally = check(name, &bytes, &truth);
        assert_eq!(tally["recording_request"], json!(truth.recording_requests), "{name}");
    }
}

/// A capture and a log of one seed: the refusals of the log bind to the calls of the capture.
#[test]
fn joined_loads_bind() {
    let folder = tempfile::tempdir().expect("a folder");
    let plan = Plan { join: true, lines: 20 * 46, ..plan(false) };
    let (mut capture, mut lines) = (Vec::new(), Vec::new());
    calls::write(&plan, Container::Pcap, &mut capture).expect("memory takes all");
    let truth = log::write(&plan, log::json, &mut lines).expect("memory takes all");
    fs::write(folder.path().join("capture"), capture).expect("written");
    fs::write(folder.path().join("log"), lines).expect("written");
    let run = program(folder.path(), ["audit", "--format", "json", "capture", "log"]);
    let summary = &run.report()["summary"];
    assert_eq!(summary["requests"]["unbound_refusals"], json!(0), "{}", run.ending());
    assert_eq!(summary["verdicts"]["blocked_unconsented"], json!(truth.refused));
}

/// Signalling that `--memory-limit` has no room for is set aside in a temporary file, and read again where a leg has a
/// row, binds a request or shows its messages: no report tells the difference.
#[test]
fn what_is_set_aside_is_reported_as_what_is_held() {
    let folder = tempfile::tempdir().expect("a folder");
    let plan = Plan { join: true, calls: 3_000, lines: 2_000, ..plan(false) };
    let (mut capture, mut lines) = (Vec::new(), Vec::new());
    calls::write(&plan, Container::Pcap, &mut capture).expect("memory takes all");
    log::write(&plan, log::json, &mut lines).expect("memory takes all");
    fs::write(folder.path().join("capture"), capture).expect("written");
    fs::write(folder.path().join("log"), lines).expect("written");
    let run = |format: &str, more: &[&str], temporary: &str| {
        let fixed = ["audit", "--hash", "none", "--show", "findings", "--format", format];
        program_with(folder.path(), fixed.iter().chain(more).chain(&["capture", "log"]), b"", &[("TMPDIR", temporary)])
    };
    let room = folder.path().to_str().expect("a name");
    for format in ["json", "html"] {
        let held = run(format, &[], room);
        assert_eq!(held.code, Some(1), "{}", held.ending());
        for threads in ["1", "2"] {
            let limit = ["--memory-limit", "2500K", "-j", threads];
            let aside = run(format, &limit, room);
            assert_eq!((aside.code, aside.text() == held.text()), (held.code, true), "{format}: {}", aside.ending());
            // Where there is no room for it, it is too much.
            let refused = run(format, &limit, "/nonexistent");
            assert_eq!(refused.code, Some(2), "{format}: {}", refused.ending());
        }
        // Without a limit it stays in memory.
        assert!(run(format, &[], "/nonexistent").text() == held.text(), "{format}");
    }
}
