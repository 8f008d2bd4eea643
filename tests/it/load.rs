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
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use sipconsent::pipeline::{Beside, audit_and};
use sipconsent::report::calls::Whole;
use sipconsent::report::messages::Wanted;
use sipconsent::report::show::Show;
use sipconsent::report::{csv, json, ndjson};
use sipconsent::settings::Settings;

use crate::support::packet::{pcap, stray_media};
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

/// A capture of so many calls without RTP.
fn signalling(folder: &Path, calls: u64) -> PathBuf {
    let mut capture = Vec::new();
    let plan = Plan { calls, ..plan(false) };
    calls::write(&plan, Container::Pcap, &mut capture).expect("memory takes all");
    let path = folder.join("capture");
    fs::write(&path, capture).expect("written");
    path
}

/// Rows are made part by part, some thousand legs at a time: where one part ends and the next begins is not seen, nor
/// whether their messages were set aside. They are the rows of legs that are held.
#[test]
fn borders_of_parts_do_not_show() {
    let folder = tempfile::tempdir().expect("a folder");
    let evidence = [signalling(folder.path(), 4_200), folder.path().join("stray")];
    let written = |threads: usize, memory_limit: Option<u64>| {
        let settings = Settings { memory_limit, ..Settings::default() };
        let wanted = Wanted { rows: Some(&|_| false), written: Some(&|_| true), messages: None };
        let beside = Beside { wanted, ..Beside::default() };
        let written = audit_and(&evidence, &settings, Some(threads), beside, |audit, calls| {
            let whole = Whole { report: &audit.report, calls };
            let mut out = [const { Vec::new() }; 3];
            json::write(whole, &Show::All.into(), &mut out[0]).expect("memory");
            ndjson::write(whole, &Show::Findings.into(), &mut out[1]).expect("memory");
            csv::write(whole, &Show::All.into(), &mut out[2]).expect("memory");
            out
        });
        written.expect("an audit")
    };
    fs::write(&evidence[1], pcap(&[])).expect("written");
    let made = written(1, None);
    let rows = String::from_utf8_lossy(&made[2]).into_owned();
    let numbers = rows.lines().skip(1).map(|row| row.split(',').next().and_then(|number| number.parse().ok()));
    assert!(numbers.eq((1..=4_200_u64).map(Some)), "calls are numbered through");
    for (threads, memory_limit) in [(2, None), (2, Some(2_500_000)), (1, Some(2_500_000))] {
        assert!(written(threads, memory_limit) == made, "{threads} threads, {memory_limit:?}");
    }
    fs::write(&evidence[1], stray_media()).expect("written");
    let held = written(2, None);
    let calls = |json: &[u8]| serde_json::from_slice::<Value>(json).expect("JSON")["calls"].clone();
    assert_eq!(calls(&held[0]), calls(&made[0]));
    let lines = |ndjson: &[u8]| {
        let text = String::from_utf8_lossy(ndjson).into_owned();
        text.lines().filter(|line| line.starts_with(r#"{"type":"leg""#)).map(str::to_owned).collect::<Vec<_>>()
    };
    assert!(lines(&held[1]) == lines(&made[1]), "the lines of legs");
    assert!(held[2] == made[2], "the rows of CSV");
}

/// What was set aside is read again while the report is written. Where that fails, the report ends there and the run says
/// so.
#[test]
#[cfg(target_os = "linux")]
fn a_temporary_file_that_is_lost_while_rows_are_made_is_an_error() {
    let folder = tempfile::tempdir().expect("a folder");
    signalling(folder.path(), 6_000);
    let mut command = Command::new(env!("CARGO_BIN_EXE_sipconsent"));
    command.current_dir(folder.path()).env("TMPDIR", folder.path());
    command.args(["audit", "--hash", "none", "--memory-limit", "2500K", "-f", "ndjson", "capture"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
    // Nobody reads on: it waits within the first part.
    let mut out = BufReader::new(child.stdout.take().expect("standard output"));
    let mut line = String::new();
    out.read_line(&mut line).expect("a line");
    assert!(line.starts_with(r#"{"type":"leg","call":1,"#), "{line}");
    let files = fs::read_dir(format!("/proc/{}/fd", child.id())).expect("its files").flatten();
    let is_lost = |file: &fs::DirEntry| {
        let name = fs::read_link(file.path()).unwrap_or_default();
        name.starts_with(folder.path()) && name.to_string_lossy().ends_with(" (deleted)")
    };
    let lost: Vec<_> = files.filter(is_lost).collect();
    assert!(!lost.is_empty(), "nothing was set aside");
    for file in lost {
        fs::File::options().write(true).open(file.path()).and_then(|file| file.set_len(0)).expect("an empty file");
    }
    let mut rest = String::new();
    out.read_to_string(&mut rest).expect("the rest");
    let ended = child.wait_with_output().expect("the program ends");
    let said = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(2), "{said}");
    assert!(said.contains("cannot read again what was set aside"), "{said}");
    assert!(!rest.contains(r#""type":"report""#), "a line that says that the report is whole");
}
