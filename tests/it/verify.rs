//! `verify`: a report held against its evidence.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use crate::support::here;
use crate::support::run::{Run, program};

/// A copy of the incident in a folder of its own.
fn incident() -> TempDir {
    let folder = TempDir::new().expect("a folder");
    let from = here("fixtures/incident");
    fs::copy(from.join("sipconsent.toml"), folder.path().join("sipconsent.toml")).expect("copied");
    fs::create_dir(folder.path().join("evidence")).expect("a folder");
    for entry in fs::read_dir(from.join("evidence")).expect("the evidence") {
        let entry = entry.expect("a file");
        fs::copy(entry.path(), folder.path().join("evidence").join(entry.file_name())).expect("copied");
    }
    folder
}

fn report(folder: &Path, more: &[&str]) {
    let arguments = ["audit", "-q", "-c", "sipconsent.toml", "-o", "report.json"];
    let run = program(folder, arguments.iter().chain(more).chain(&["evidence"]));
    assert_eq!(run.code, Some(1), "{}", run.ending());
}

fn verify(folder: &Path, more: &[&str]) -> Run {
    program(folder, ["verify"].iter().chain(more).chain(&["report.json", "evidence"]))
}

/// The words of the points, by their names.
fn words(run: &Run) -> Vec<(String, String)> {
    let text = run.text();
    let word = |line: &str| {
        let (name, rest) = line.split_once(' ').expect("a point");
        let known = ["matches", "DIFFERS", "not verified"].into_iter().find(|word| rest.trim_start().starts_with(word));
        (name.to_owned(), known.unwrap_or_default().to_owned())
    };
    text.lines().map(word).collect()
}

fn all(word: &str) -> Vec<(String, String)> {
    ["version", "digests", "settings", "verdicts", "report"].map(|name| (name.to_owned(), word.to_owned())).to_vec()
}

#[test]
fn a_report_matches_its_evidence() {
    let folder = incident();
    for more in [
        &[][..],
        &["--show", "findings", "--clock-skew", "500ms", "--log-timezone", "+08:00", "--hash", "blake3"],
        &["--only", "clear,no_media", "--trunk", "SG1", "--from", "2026-11-22T17:29:00.250Z"],
    ] {
        report(folder.path(), more);
        let run = verify(folder.path(), &[]);
        assert_eq!((run.code, words(&run)), (Some(0), all("matches")), "{more:?}\n{}", run.text());
    }
}

#[test]
fn what_was_changed_is_named() {
    let folder = incident();
    report(folder.path(), &[]);
    let path = folder.path().join("report.json");
    let text = fs::read_to_string(&path).expect("the report");
    fs::write(&path, text.replacen("\"verdict\": \"exposed_unconsented\"", "\"verdict\": \"clear\"", 1))
        .expect("written");
    let run = verify(folder.path(), &[]);
    let word = |run: &Run, name: &str| words(run).into_iter().find(|(known, _)| known == name).map(|(_, word)| word);
    assert_eq!(run.code, Some(1), "{}", run.text());
    assert_eq!(
        (word(&run, "verdicts").as_deref(), word(&run, "report").as_deref()),
        (Some("DIFFERS"), Some("DIFFERS"))
    );
    assert_eq!(
        (word(&run, "digests").as_deref(), word(&run, "settings").as_deref()),
        (Some("matches"), Some("matches"))
    );
    fs::write(&path, text).expect("written");
    let log = folder.path().join("evidence/gateway.log");
    let mut bytes = fs::read(&log).expect("the log");
    bytes.extend_from_slice(b"192.0.2.1 - - [22/Nov/2026:17:29:50 +0000] \"GET / HTTP/1.1\" 200 5\n");
    fs::write(&log, bytes).expect("written");
    let run = verify(folder.path(), &[]);
    assert_eq!((run.code, word(&run, "digests").as_deref()), (Some(1), Some("DIFFERS")), "{}", run.text());
    assert!(run.text().contains("gateway.log: other bytes"), "{}", run.text());
    fs::remove_file(&log).expect("removed");
    assert!(verify(folder.path(), &[]).text().contains("gateway.log: not in the evidence named"));
}

#[test]
fn a_redacted_report_needs_its_key_and_configuration() {
    let folder = incident();
    fs::write(folder.path().join("key"), b"0123456789abcdef0123").expect("written");
    report(folder.path(), &["--redact", "--redact-key", "key"]);
    let run = verify(folder.path(), &[]);
    assert_eq!(run.code, Some(2), "{}", run.text());
    assert!(run.text().contains("--redact-key"), "{}", run.text());
    let run = verify(folder.path(), &["--redact-key", "key", "-c", "sipconsent.toml"]);
    assert_eq!((run.code, words(&run)), (Some(0), all("matches")), "{}", run.text());
}

#[test]
fn what_is_no_report_is_refused() {
    let folder = incident();
    for text in ["", "{}", "{\"schema\": \"sipconsent.report/2\"}"] {
        fs::write(folder.path().join("report.json"), text).expect("written");
        let run = verify(folder.path(), &[]);
        assert_eq!((run.code, run.text().as_str()), (Some(2), ""));
        assert!(run.stderr.contains("cannot read report report.json"), "{}", run.stderr);
    }
}

#[test]
fn a_report_among_the_evidence_is_set_aside() {
    let folder = incident();
    for name in ["evidence/a.json", "evidence/b.ndjson", "evidence/c.csv", "evidence/d.md", "evidence/e.txt"] {
        let run = program(folder.path(), ["audit", "-q", "-c", "sipconsent.toml", "-o", name, "evidence"]);
        assert_eq!(run.code, Some(1), "{}", run.ending());
    }
    let run = program(folder.path(), ["audit", "-f", "json", "-c", "sipconsent.toml", "evidence", "evidence/b.ndjson"]);
    assert_eq!(run.code, Some(1), "{}", run.ending());
    let report = run.report();
    assert_eq!((&report["complete"], report["evidence"].as_array().map(Vec::len)), (&true.into(), Some(11)));
    let aside =
        report["evidence"].as_array().into_iter().flatten().filter(|source| source["format"] == "sipconsent_report");
    assert_eq!(aside.count(), 5, "{}", report["evidence"]);
}
