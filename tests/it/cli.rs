//! The command line: what is asked for, what is refused and how, and the exit status. Standard output and standard
//! error are both asserted.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::calls::Case;
use crate::support::here;
use crate::support::run::{Run, audit, program, program_with};
use crate::support::terminal::without_colour;
use crate::support::truth::list;

fn case(name: &str) -> Case {
    Case::open(&here("fixtures/calls").join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn write(folder: &Path, name: &str, text: &str) {
    std::fs::write(folder.join(name), text).expect("a file can be written");
}

/// A run that was refused: exit status 2, no report, and one message that holds every one of `parts`.
fn refused(run: &Run, parts: &[&str]) {
    assert_eq!(run.code, Some(2), "{}", run.ending());
    assert_eq!(run.text(), "", "a refused run writes no report");
    for part in parts {
        assert!(run.stderr.contains(part), "`{part}` is not in: {}", run.stderr);
    }
    assert!(!run.stderr.contains("panicked"), "{}", run.stderr);
}

/// The anomaly codes, kinds or other words of the evidence by path.
fn evidence<'a>(report: &'a Value, path: &str) -> &'a Value {
    list(&report["evidence"])
        .iter()
        .find(|source| source["path"] == path)
        .unwrap_or_else(|| panic!("no evidence `{path}` in {}", report["evidence"]))
}

#[test]
fn help_and_version_go_to_standard_output() {
    let folder = TempDir::new().unwrap();
    for arguments in [&["--help"][..], &["-h"], &["audit", "--help"], &["audit", "-h"], &["--version"], &["-V"]] {
        let run = program(folder.path(), arguments);
        assert_eq!(run.code, Some(0), "{arguments:?}: {}", run.ending());
        assert_eq!(run.stderr, "", "{arguments:?}");
        assert!(!run.stdout.is_empty(), "{arguments:?}");
    }
    let version = program(folder.path(), ["--version"]).text();
    assert_eq!(version.trim_end(), concat!("sipconsent ", env!("CARGO_PKG_VERSION")));
    let help = program(folder.path(), ["audit", "--help"]).text();
    for option in [
        "--config",
        "--format",
        "--output",
        "--show",
        "--clock-skew",
        "--log-timezone",
        "--hash",
        "--threads",
        "--memory-limit",
        "--strict",
        "--color",
        "EVIDENCE",
    ] {
        assert!(help.contains(option), "{option} is not in the help");
    }
}

#[test]
fn usage_errors_are_refused_and_name_what_is_wrong() {
    let case = case("verdict-clear");
    let folder = case.folder.path();
    for (arguments, part) in [
        (&[][..], "audit"),
        (&["aduit", "evidence"], "aduit"),
        (&["audit"], "EVIDENCE"),
        (&["audit", "--fromat", "json", "evidence"], "--fromat"),
        (&["audit", "--format", "jsno", "evidence"], "jsno"),
        (&["audit", "--show", "some", "evidence"], "some"),
        (&["audit", "--clock-skew", "two", "evidence"], "two"),
        (&["audit", "--clock-skew", "-2s", "evidence"], "--clock-skew"),
        (&["audit", "--log-timezone", "Mars/Olympus", "evidence"], "Mars/Olympus"),
        (&["audit", "--hash", "md5", "evidence"], "md5"),
        (&["audit", "--threads", "many", "evidence"], "many"),
        (&["audit", "--memory-limit", "4 apples", "evidence"], "800M"),
        (&["audit", "--memory-limit", "0", "evidence"], "--memory-limit"),
    ] {
        let run = program(folder, arguments);
        assert_eq!(run.code, Some(2), "{arguments:?}: {}", run.ending());
        assert_eq!(run.text(), "", "{arguments:?}");
        assert!(run.stderr.contains(part), "{arguments:?}: `{part}` is not in: {}", run.stderr);
    }
}

#[test]
fn evidence_beyond_the_memory_limit_gives_no_report_and_within_it_the_same() {
    let case = case("verdict-clear");
    let folder = case.folder.path();
    let unlimited = case.run(&[], &["evidence"]);
    for threads in ["1", "3"] {
        let run = case.run(&["--memory-limit", "2K", "-j", threads, "-o", "report.json"], &["evidence"]);
        refused(&run, &["2048 bytes", "--memory-limit"]);
        assert!(!folder.join("report.json").exists());
        let run = case.run(&["--memory-limit", "1g", "-j", threads], &["evidence"]);
        assert_eq!((run.code, run.text()), (unlimited.code, unlimited.text()));
    }
}

#[test]
fn a_missing_input_stops_the_run_before_anything_is_read() {
    let case = case("verdict-clear");
    refused(&audit(case.folder.path(), &["evidence", "no-such.pcap"]), &["no-such.pcap"]);
    refused(&audit(case.folder.path(), &["no-such-folder/"]), &["no-such-folder"]);
}

#[cfg(target_os = "linux")]
#[test]
fn an_input_that_cannot_be_read_is_named_and_leaves_the_audit_incomplete() {
    // Opens, and fails to be read at its first byte.
    let case = case("verdict-clear");
    let run = case.run(&[], &["evidence", "/proc/self/mem"]);
    assert_eq!(run.code, Some(2), "{}", run.ending());
    assert!(run.stderr.contains("mem"), "{}", run.stderr);
    let report = run.report();
    assert!(report.is_null() || report["complete"] == false, "a report that claims to be complete");
}

#[test]
fn a_named_input_that_nobody_recognises_leaves_the_audit_incomplete() {
    let case = case("verdict-clear");
    write(case.folder.path(), "notes.txt", "Call the carrier back.\nAsk for the header.\n");
    let run = case.run(&[], &["evidence", "notes.txt"]);
    assert_eq!(run.code, Some(2), "{}", run.ending());
    let line = run.stderr.lines().next().unwrap_or_default();
    assert!(line.contains("notes.txt") && line.contains("pcap") && line.contains("log"), "{}", run.stderr);
    let report = run.report();
    assert_eq!(report["complete"], false);
    assert_eq!(evidence(&report, "notes.txt")["kind"], "unrecognised");
    assert_eq!(report["summary"]["verdicts"]["clear"], 1, "the rest is read");
}

#[test]
fn an_unrecognised_file_in_a_folder_is_listed_and_the_rest_is_read() {
    let case = case("verdict-clear");
    write(&case.folder.path().join("evidence"), "notes.txt", "Call the carrier back.\nAsk for the header.\n");
    write(&case.folder.path().join("evidence"), "empty", "");
    let run = case.run(&[], &["evidence"]);
    assert_eq!(run.code, Some(0), "{}", run.ending());
    assert_eq!(run.stderr, "");
    let report = run.report();
    assert_eq!(report["complete"], true);
    for name in ["notes.txt", "empty"] {
        let source = evidence(&report, name);
        assert_eq!(source["kind"], "unrecognised", "{name}");
        assert_eq!(source["format"], Value::Null, "{name}");
        assert_eq!(source["records"], 0, "{name}");
    }
}

// Nothing is dropped in silence: what is not opened is listed, what cannot be opened leaves the audit incomplete.
#[cfg(unix)]
#[test]
fn links_of_a_folder_that_lead_nowhere_or_to_folders_are_told() {
    use std::os::unix::{fs::symlink, net::UnixListener};
    let case = case("verdict-clear");
    let folder = case.folder.path().join("evidence");
    symlink("..", folder.join("above")).unwrap();
    let _listener = UnixListener::bind(folder.join("socket")).unwrap();
    let run = case.run(&[], &["evidence"]);
    assert_eq!(run.code, Some(0), "{}", run.ending());
    let report = run.report();
    assert_eq!(report["complete"], true);
    for (name, why) in
        [("above", "a link to a folder, which is not followed"), ("socket", "neither a file nor a folder")]
    {
        let source = evidence(&report, name);
        let expected = serde_json::json!([{"code": "passed_over", "count": 1, "first_record": null, "detail": why}]);
        assert_eq!((&source["kind"], &source["anomalies"]), (&"unrecognised".into(), &expected), "{name}");
        assert_eq!((&source["bytes"], &source["digest"]), (&0.into(), &Value::Null), "{name}");
    }
    assert_eq!(case.run(&["--strict"], &["evidence"]).code, Some(2));

    symlink("no-such.pcap", folder.join("gone.pcap")).unwrap();
    let run = case.run(&[], &["evidence"]);
    assert_eq!(run.code, Some(2), "{}", run.ending());
    assert!(run.stderr.contains("gone.pcap"), "{}", run.stderr);
    let report = run.report();
    assert_eq!((&report["complete"], &report["summary"]["verdicts"]["clear"]), (&false.into(), &1.into()));
    assert_eq!(evidence(&report, "gone.pcap")["anomalies"][0]["code"], "not_opened");
}

// A file that is named and cannot be opened costs nothing of the others; one that is not there is a slip of the hand.
#[cfg(unix)]
#[test]
fn what_is_named_and_cannot_be_opened_leaves_the_others_read() {
    use std::os::unix::net::UnixListener;
    let case = case("verdict-clear");
    let _listener = UnixListener::bind(case.folder.path().join("other.pcap")).unwrap();
    let run = case.run(&[], &["other.pcap", "evidence"]);
    assert_eq!(run.code, Some(2), "{}", run.ending());
    assert!(run.stderr.contains("cannot open evidence other.pcap: "), "{}", run.stderr);
    let report = run.report();
    assert_eq!((&report["complete"], &report["summary"]["verdicts"]["clear"]), (&false.into(), &1.into()));
    assert_eq!(evidence(&report, "other.pcap")["anomalies"][0]["code"], "not_opened");
    let run = case.run(&[], &["another.pcap", "evidence"]);
    assert_eq!((run.code, run.stdout.len()), (Some(2), 0), "{}", run.ending());
}

// A slip of the hand must not cost evidence.
#[test]
fn a_report_replaces_no_file_of_a_folder_of_evidence() {
    let case = case("verdict-clear");
    let folder = case.folder.path();
    let capture = std::fs::read(folder.join("evidence/capture.pcap")).unwrap();
    let run = program(folder, ["audit", "-c", "sipconsent.toml", "-o", "evidence/capture.pcap", "evidence"]);
    refused(&run, &["evidence/capture.pcap", "lies among the evidence"]);
    assert_eq!(std::fs::read(folder.join("evidence/capture.pcap")).unwrap(), capture);
    // A new file there, and the report of an earlier run.
    for _ in 0..2 {
        let run = program(folder, ["audit", "-c", "sipconsent.toml", "-o", "evidence/report.txt", "evidence"]);
        assert_eq!(run.code, Some(0), "{}", run.ending());
    }
}

#[test]
fn an_empty_folder_decides_nothing() {
    let folder = TempDir::new().unwrap();
    let run = audit(folder.path(), &["."]);
    assert_eq!(run.code, Some(3), "{}", run.ending());
    assert_eq!(run.report()["summary"]["legs"], 0);
    assert_eq!(list(&run.report()["evidence"]).len(), 0);
}

#[test]
fn exit_status_two_outranks_a_finding() {
    let case = case("verdict-blocked-unconsented");
    write(case.folder.path(), "notes.txt", "Call the carrier back.\n");
    let run = case.run(&[], &["evidence", "notes.txt"]);
    assert_eq!(run.code, Some(2), "{}", run.ending());
    assert_eq!(run.report()["summary"]["verdicts"]["blocked_unconsented"], 1);
}

#[test]
fn strict_makes_an_anomaly_count() {
    let damaged = case("invite-cut-in-the-body");
    assert_eq!(damaged.run(&[], &["evidence"]).code, Some(1));
    let strict = damaged.run(&["--strict"], &["evidence"]);
    assert_eq!(strict.code, Some(2), "{}", strict.ending());
    assert_eq!(strict.report()["complete"], true, "damage in the bytes leaves the report complete");
    let sound = case("verdict-clear");
    assert_eq!(sound.run(&["--strict"], &["evidence"]).code, Some(0));
}

#[test]
fn a_configuration_error_names_file_line_and_key() {
    let case = case("verdict-clear");
    let folder = case.folder.path();
    for (text, line, parts) in [
        ("[[trunk]]\nname = \"SG1\"\nkind = \"byoc\"\nadresses = [\"203.0.113.0/24\"]\n", 4, &["adresses"][..]),
        ("[[trunk]]\nname = \"SG1\"\nkind = \"bring\"\n", 3, &["bring", "byoc", "standard"]),
        ("[[trunk]]\nname = \"SG1\"\nkind = \"byoc\"\naddresses = [\"203.0.113.0/33\"]\n", 4, &["203.0.113.0/33"]),
        (
            "[[consent.header]]\nname = \"X-Rec\"\ngranted = [\"yes\"]\ndirection = \"sideways\"\n",
            4,
            &["sideways", "inbound"],
        ),
        ("[identity]\nheaders = [\"x-conv\"]\n\n[[access_log]]\ntimezone = \"Mars/Olympus\"\n", 5, &["Mars/Olympus"]),
        ("[[access_log]]\nfields = { calls = [\"x\"] }\n", 2, &["calls", "call_id"]),
        ("[[trunk]\n", 1, &[]),
    ] {
        write(folder, "bad.toml", text);
        let run = audit(folder, &["--config", "bad.toml", "evidence"]);
        refused(&run, &[&format!("bad.toml:{line}")]);
        refused(&run, parts);
    }
    refused(&audit(folder, &["--config", "no-such.toml", "evidence"]), &["no-such.toml"]);
}

#[test]
fn a_report_file_is_written_whole_and_standard_output_stays_empty() {
    let case = case("verdict-blocked-unconsented");
    let folder = case.folder.path();
    let on_output = case.run(&[], &["evidence"]);
    let run = program(folder, ["audit", "-c", "sipconsent.toml", "-o", "report.json", "evidence"]);
    assert_eq!(run.code, Some(1), "{}", run.ending());
    assert_eq!(run.text(), "");
    assert_eq!(std::fs::read(folder.join("report.json")).unwrap(), on_output.stdout, "the ending tells the format");
    let run = program(folder, ["audit", "-c", "sipconsent.toml", "-f", "json", "-o", "forced.txt", "evidence"]);
    assert_eq!(run.code, Some(1), "{}", run.ending());
    assert_eq!(std::fs::read(folder.join("forced.txt")).unwrap(), on_output.stdout, "--format wins over the ending");
}

#[test]
fn several_reports_have_a_format_each() {
    let case = case("verdict-blocked-unconsented");
    let folder = case.folder.path();
    let run = program(folder, ["audit", "-c", "sipconsent.toml", "-o", "a.json", "--output", "b.txt", "evidence"]);
    assert_eq!(run.code, Some(1), "{}", run.ending());
    assert_eq!(run.text(), "");
    let json: Value = serde_json::from_slice(&std::fs::read(folder.join("a.json")).unwrap()).unwrap();
    assert_eq!(json["schema"], "sipconsent.report/1");
    let text = std::fs::read_to_string(folder.join("b.txt")).unwrap();
    let shown = program(folder, ["audit", "-c", "sipconsent.toml", "--format", "text", "evidence"]).text();
    assert!(text.contains("a@x") && text.contains("blocked"), "{text}");
    assert!(shown.contains("a@x"), "{shown}");
}

#[test]
fn an_old_report_survives_a_run_that_was_refused() {
    let case = case("verdict-clear");
    let folder = case.folder.path();
    write(folder, "report.json", "the old report");
    write(folder, "bad.toml", "[[trunk]]\nname = 1\n");
    for arguments in [
        &["-o", "report.json", "evidence", "no-such.pcap"][..],
        &["-o", "report.json", "-c", "bad.toml", "evidence"],
        &["-o", "report.json", "--show", "some", "evidence"],
        &["-o", "report.json", "-o", "no-such-folder/b.json", "evidence"],
    ] {
        let run = program(folder, [&["audit"], arguments].concat());
        assert_eq!(run.code, Some(2), "{arguments:?}: {}", run.ending());
        assert_eq!(std::fs::read_to_string(folder.join("report.json")).unwrap(), "the old report", "{arguments:?}");
    }
    let left: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .filter(|name| !["evidence", "sipconsent.toml", "bad.toml", "report.json"].contains(&name.as_str()))
        .collect();
    assert_eq!(left, Vec::<String>::new(), "no temporary file is left behind");
}

#[test]
fn a_report_that_cannot_be_written_is_named() {
    let case = case("verdict-clear");
    let run = program(case.folder.path(), ["audit", "-o", "no-such-folder/report.json", "evidence"]);
    refused(&run, &["no-such-folder/report.json"]);
    let run = program(case.folder.path(), ["audit", "-o", "evidence", "-f", "json", "evidence"]);
    refused(&run, &["evidence"]);
}

#[test]
fn people_get_text_with_the_findings_and_their_pointers() {
    let case = case("verdict-blocked-unconsented");
    let run = program(case.folder.path(), ["audit", "-c", "sipconsent.toml", "evidence"]);
    assert_eq!(run.code, Some(1), "{}", run.ending());
    assert_eq!(run.stderr, "");
    let text = run.text();
    for part in ["a@x", "SG1", "403", "capture.pcap", "access.jsonl", "X-Genesys-Recording-Consent"] {
        assert!(text.contains(part), "`{part}` is not in\n{text}");
    }
}

#[test]
fn the_legs_shown_are_those_asked_for() {
    let case = case("exit-finding-outranks-undecided");
    let shown = |show: &[&str]| {
        let mut arguments = vec!["audit", "-c", "sipconsent.toml"];
        arguments.extend(show);
        arguments.push("evidence");
        program(case.folder.path(), arguments).text()
    };
    let findings = shown(&[]);
    assert!(findings.contains("finding@x"), "{findings}");
    assert!(!findings.contains("clear@x"), "{findings}");
    assert_eq!(findings, shown(&["--show", "findings"]));
    for show in ["byoc", "all"] {
        let all = shown(&["--show", show]);
        for leg in ["finding@x", "undecided@x", "clear@x"] {
            assert!(all.contains(leg), "--show {show}: `{leg}` is not in\n{all}");
        }
    }
}

#[test]
fn colour_is_for_terminals_and_for_those_who_ask() {
    let case = case("verdict-blocked-unconsented");
    let shown = |more: &[&str], variables: &[(&str, &str)]| {
        let arguments: Vec<&str> = [&["audit", "-c", "sipconsent.toml"], more, &["evidence"]].concat();
        program_with(case.folder.path(), arguments, b"", variables).text()
    };
    let plain = shown(&[], &[]);
    assert!(!plain.contains('\u{1b}'), "a pipe gets no colour");
    assert_eq!(shown(&[], &[("NO_COLOR", "1")]), plain);
    assert_eq!(shown(&["--color", "never"], &[("CLICOLOR_FORCE", "1")]), plain);
    let coloured = shown(&["--color", "always"], &[]);
    assert!(coloured.contains('\u{1b}'), "--color always");
    assert_eq!(without_colour(&coloured), plain, "colour only adds colour");
}

#[test]
fn a_reader_that_goes_away_ends_the_run_quietly() {
    let case = case("consent-values");
    for format in ["json", "text"] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_sipconsent"))
            .current_dir(case.folder.path())
            .args(["audit", "--show", "all", "--format", format, "evidence"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{format}");
        assert!(output.status.code().is_some(), "{format}: ended by a signal");
    }
}

#[test]
fn a_dash_reads_standard_input() {
    let case = case("verdict-blocked-unconsented");
    let evidence = case.scene.evidence().0;
    let arguments = ["audit", "-c", "sipconsent.toml", "-f", "json", "-", "evidence/access.jsonl"];
    let run = program_with(case.folder.path(), arguments, &evidence["capture.pcap"], &[]);
    assert_eq!(run.code, Some(1), "{}", run.ending());
    let report = run.report();
    assert_eq!(self::evidence(&report, "-")["kind"], "capture");
    assert_eq!(report["summary"]["verdicts"]["blocked_unconsented"], 1);
}

#[test]
fn content_decides_what_a_file_is_plain_or_compressed() {
    let case = case("verdict-blocked-unconsented");
    let evidence = case.scene.evidence().0;
    let plain = case.run(&[], &["evidence"]).report();
    let gzip = |bytes: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    };
    let zstd = |bytes: &[u8]| zstd::encode_all(bytes, 1).unwrap();
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("two.log"), gzip(&evidence["capture.pcap"])).unwrap();
    std::fs::write(folder.path().join("one.pcap"), zstd(&evidence["access.jsonl"])).unwrap();
    let report = case.run(&[], &[folder.path().to_str().unwrap()]).report();
    assert_eq!(self::evidence(&report, "two.log")["kind"], "capture");
    assert_eq!(self::evidence(&report, "two.log")["compression"], "gzip");
    assert_eq!(self::evidence(&report, "one.pcap")["kind"], "access_log");
    assert_eq!(self::evidence(&report, "one.pcap")["compression"], "zstd");
    for part in ["summary", "calls"] {
        assert_eq!(report[part], plain[part], "{part}");
    }
}

#[test]
fn every_input_has_its_digest() {
    let case = case("verdict-clear");
    let report = case.run(&[], &["evidence"]).report();
    let digest = |report: &Value| evidence(report, "access.jsonl")["digest"].clone();
    let bytes = std::fs::read(case.folder.path().join("evidence/access.jsonl")).unwrap();
    let sha256: String = {
        use sha2::Digest as _;
        sha2::Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect()
    };
    assert_eq!(digest(&report), format!("sha256:{sha256}"));
    let blake3 = case.run(&["--hash", "blake3"], &["evidence"]).report();
    assert_eq!(digest(&blake3), format!("blake3:{}", blake3::hash(&bytes).to_hex()));
    assert_eq!(digest(&case.run(&["--hash", "none"], &["evidence"]).report()), Value::Null);
}

#[test]
fn the_report_opens_with_its_schema_and_keeps_the_order_of_its_keys() {
    let case = case("verdict-exposed-unconsented");
    let text = case.run(&[], &["evidence"]).text();
    let mut from = 0;
    for key in [
        "schema",
        "generator",
        "settings",
        "complete",
        "notices",
        "evidence",
        "summary",
        "calls",
        "trunks",
        "unbound_refusals",
        "diagnosis",
    ] {
        let place = text.match_indices(&format!("\"{key}\":")).map(|(place, _)| place).find(|place| *place >= from);
        from = place.unwrap_or_else(|| panic!("`{key}` does not follow in {text}"));
    }
    let report: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(report["schema"], "sipconsent.report/1");
    assert_eq!(report["generator"]["name"], "sipconsent");
    assert_eq!(report["generator"]["version"], env!("CARGO_PKG_VERSION"));
    assert!(report["settings"]["config_sha256"].is_string());
}

/// Two calls with a refused request each; that of the first stands in another log, too.
fn two_calls() -> TempDir {
    let folder = TempDir::new().expect("a folder");
    let scene = "purpose = \"two calls\"\nclause = \"§2\"\ncalls = [\n\
        { call_id = \"a@x\", from = \"carrier\", to = \"platform\" },\n\
        { call_id = \"b@x\", from = \"carrier\", to = \"platform\", at = 600 },\n]\n";
    let scene = crate::support::scene::Scene::parse(scene).expect("a scene");
    scene.evidence().write_to(folder.path());
    let line = |second: &str, call_id: &str, id: &str| {
        format!(
            "{{\"time\":\"2026-03-02T10:{second}Z\",\"method\":\"GET\",\"path\":\"/recordings/1\",\"status\":403,\
             \"call_id\":\"{call_id}\",\"request_id\":\"{id}\"}}\n"
        )
    };
    write(folder.path(), "a.jsonl", &(line("00:40", "a@x", "r1") + &line("12:00", "b@x", "r2")));
    write(folder.path(), "b.jsonl", &line("00:41", "a@x", "r1"));
    folder
}

#[test]
fn a_time_range_says_what_it_leaves_out_and_a_copy_is_counted() {
    let folder = two_calls();
    let whole = program(folder.path(), ["audit", "-f", "json", "."]).report();
    assert_eq!(whole["summary"]["requests"]["total"], 2);
    assert!(!whole.to_string().contains("time_range"));
    assert_eq!(evidence(&whole, "a.jsonl")["tally"]["recording_request"], 2);
    assert_eq!(evidence(&whole, "b.jsonl")["tally"], serde_json::json!({"recording_request_copy": 1}));
    let narrowed = ["audit", "--from", "2026-03-02T10:05:00Z", "."];
    let report = program(folder.path(), [&narrowed[..], &["-f", "json"]].concat()).report();
    assert_eq!((&report["summary"]["legs"], &report["summary"]["requests"]["total"]), (&1.into(), &1.into()));
    let notice = list(&report["notices"]).iter().find(|notice| notice["code"] == "time_range").expect("the notice");
    let said = notice["text"].as_str().expect("a text");
    assert!(said.contains("from 2026-03-02T10:05:00Z count"), "{said}");
    assert!(said.contains("1 leg of other calls, 1 recording request bound to them alone"), "{said}");
    for format in ["text", "markdown", "html"] {
        let text = program(folder.path(), [&narrowed[..], &["-f", format]].concat()).text();
        assert!(text.to_lowercase().contains("filtered"), "{format}");
    }
    let same = ["audit", "--from", "2026-03-02T10:05:00Z", "--to", "2026-03-02T10:05:00Z", "."];
    refused(&program(folder.path(), same), &["--from is not before --to"]);
}

#[cfg(unix)]
#[test]
fn a_file_name_that_is_no_utf_8_is_shown_whole() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;
    let folder = TempDir::new().unwrap();
    for name in [&b"a-\xe8.log"[..], b"a-\xe9.log"] {
        let line =
            "{\"time\":\"2026-03-02T10:00:00Z\",\"method\":\"GET\",\"path\":\"/recordings/1\",\"status\":403}\njunk\n";
        std::fs::write(folder.path().join(OsStr::from_bytes(name)), line).expect("a file can be written");
    }
    let rejects = TempDir::new().unwrap();
    let rejects = rejects.path().join("r.ndjson");
    let kept = rejects.to_str().expect("a path");
    let report = program(folder.path(), ["audit", "-f", "json", "--rejects", kept, "."]).report();
    for path in ["a-\\xe8.log", "a-\\xe9.log"] {
        assert_eq!(evidence(&report, path)["escaped"], true);
    }
    let text = std::fs::read_to_string(&rejects).expect("the rejects");
    assert!(text.contains(r#""path":"a-\\xe8.log","path_escaped":true,"#), "{text}");
    // What people read is the same text.
    assert!(program(folder.path(), ["audit", "."]).text().contains("a-\\xe9.log"));
}

// What was left by an earlier run, what is no evidence and what is a document are each called by their name.
#[test]
fn what_was_read_is_called_by_its_name() {
    let case = case("verdict-clear");
    let folder = case.folder.path().join("evidence");
    write(&folder, "notes.txt", "Call the carrier back.\n");
    let earlier = program(case.folder.path(), ["audit", "evidence"]).text();
    write(&folder, "earlier.txt", &earlier);
    let request = r#"{"time": "2026-01-02T03:04:05Z", "method": "GET", "uri": "/recordings", "status": 403}"#;
    write(&folder, "list.json", &format!("[{request},\n{request}]"));
    let text = program(case.folder.path(), ["audit", "evidence"]).text().replace("\n             ", " ");
    assert!(text.contains("1 file not recognised, 1 earlier report set aside;"), "{text}");
    assert!(text.contains(" records)") && text.contains("its line or record"), "{text}");

    for (name, bytes, told) in [
        ("empty", &b""[..], "empty: it is empty"),
        ("frames.cap", b"GMBU\0\x02\x01\0", "editcap -F pcapng"),
        ("cut.gz", b"\x1f\x8b\x08\0\0\0\0\0\0\x03K", "gzip file that is cut or damaged"),
    ] {
        std::fs::write(case.folder.path().join(name), bytes).unwrap();
        let run = case.run(&[], &[name]);
        assert_eq!(run.code, Some(2), "{}", run.ending());
        assert!(run.stderr.contains(told), "{}", run.stderr);
    }
}
