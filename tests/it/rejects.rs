//! `--rejects FILE`: every record of a log, a document or an export that gave nothing, to the byte, and nothing else.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::run::{Run, audit, program};
use crate::support::truth::list;

/// The reasons of records that gave nothing.
const REASONS: [&str; 10] = [
    "bad_record",
    "entry_too_long",
    "line_too_long",
    "no_status",
    "not_a_request",
    "other_kind",
    "trace_no_address",
    "trace_no_message",
    "trace_no_time",
    "trace_not_sip",
];

const GOOD: &str = r#"{"time":"2026-03-02T10:00:01Z","method":"GET","uri":"/recordings/a","status":403}"#;

/// A folder of evidence with damage of every kind.
fn evidence() -> TempDir {
    let folder = TempDir::new().expect("a folder");
    let write = |name: &str, bytes: &[u8]| fs::write(folder.path().join("evidence").join(name), bytes).expect("a file");
    fs::create_dir(folder.path().join("evidence")).expect("a folder");
    let long = [&b"{\"uri\":\""[..], &vec![b'x'; 9 << 20], b"\xff\"}"].concat();
    let lines: [&[u8]; 12] = [
        b"\xef\xbb\xbfus\":403}",
        GOOD.as_bytes(),
        b"",
        b"\0\0\0torn \xff\xfe \\ line",
        br#"{"level":"info","msg":"started"}"#,
        br#"{"method":"GET","uri":"/recordings/b"}"#,
        &long,
        b"# a comment",
        &vec![b'y'; (4 << 20) + 1],
        GOOD.as_bytes(),
        b"198.51.100.7 - - [02/Mar/2026:10:00:05 +0000] \"GET /recordings/x HTTP/1.1\" - -",
        br#"{"time":"2026-03-02T10:00:01Z","meth"#,
    ];
    write("a.log", &lines.join(&b"\r\n"[..]));
    write(
        "b.csv",
        b"time,uri,status\n2026-03-02T10:00:01Z,/recordings/a,403\nrow,\"of\nthree\",lines,and more\ntorn\n",
    );
    let har =
        |entries: &str| format!("{{\"log\":{{\"version\":\"1.2\",\"creator\":{{}},\"entries\":[\n{entries}\n]}}}}");
    let entry = |place: u32| {
        json!({"startedDateTime": "2026-03-02T10:00:01Z", "request": {"method": "GET", "url": format!("https://h/recordings/{place}")},
               "response": {"status": 403}})
    };
    let damaged = format!("{},\n{{\"startedDateTime\": nul\"x,\n{},\n{{\"startedDateTime\":1}}", entry(1), entry(2));
    write("c.har", har(&damaged).as_bytes());
    write("d.har", har(&format!("{},\n{}", entry(1), entry(2))).get(..200).expect("bytes").as_bytes());
    let trace = |msg: &str, port: &str| {
        json!({"date": "2026-03-02T10:00:00.000Z", "callid": "a@b", "sourceIp": "192.0.2.1", "sourcePort": port,
               "destinationIp": "192.0.2.2", "destinationPort": "5060", "msg": msg})
    };
    let bye = "BYE sip:1@h SIP/2.0\r\nCall-ID: a@b\r\n\r\n";
    write(
        "e.json",
        json!({"data": [trace(bye, "5060"), trace("no SIP", "5060"), trace(bye, "x")]}).to_string().as_bytes(),
    );
    let block = "ERROR: 03-02-2026, 10:00:01\n=== REQUEST ===\nURL: https://h/recordings/a\nMethod: GET\n=== RESPONSE ===\nStatus: 403\n";
    write("f.log", format!("INFO: the client starts\nand says so\n{block}").as_bytes());
    write("g.txt", b"no evidence at all\n");
    folder
}

fn rows(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).expect("the rejects");
    assert!(text.ends_with('\n') && !text.contains('\r'));
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|cause| panic!("{cause}: {line}"))).collect()
}

/// The bytes that a row's text stands for.
fn bytes(row: &Value) -> Vec<u8> {
    let text = row["text"].as_str().expect("a text");
    if row.get("escaped").is_none() {
        return text.as_bytes().to_vec();
    }
    let mut out = Vec::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('\\') {
        out.extend(before.bytes());
        rest = match behind.strip_prefix('\\') {
            Some(behind) => {
                out.push(b'\\');
                behind
            }
            None => {
                let (digits, behind) = behind.strip_prefix('x').expect("an escape").split_at(2);
                out.push(u8::from_str_radix(digits, 16).expect("two digits"));
                behind
            }
        };
    }
    out.extend(rest.bytes());
    out
}

fn run(folder: &Path, more: &[&str]) -> Run {
    let mut arguments = vec!["--hash", "none"];
    arguments.extend(more);
    arguments.push("evidence");
    audit(folder, &arguments)
}

#[test]
fn every_record_that_gave_nothing_is_kept_to_the_byte() {
    let folder = evidence();
    let plain = run(folder.path(), &[]);
    let kept = run(folder.path(), &["--rejects", "rejects.ndjson"]);
    assert_eq!((kept.code, &kept.stdout), (plain.code, &plain.stdout), "{}", kept.ending());
    assert_eq!(
        kept.stderr,
        "sipconsent: 0 findings, 0 undecided legs among 0 on BYOC trunks; written to rejects.ndjson\n"
    );
    let rows = rows(&folder.path().join("rejects.ndjson"));
    let (opening, rows) = rows.split_first().expect("an opening");
    assert_eq!(opening["schema"], "sipconsent.rejects/1");
    assert_eq!(opening["generator"], plain.report()["generator"]);

    let report = plain.report();
    for source in list(&report["evidence"]) {
        let own: Vec<&Value> = rows.iter().filter(|row| row["path"] == source["path"]).collect();
        let mut counted: BTreeMap<&str, u64> = BTreeMap::new();
        for row in &own {
            assert_eq!(row["source"]["evidence"], source["id"]);
            assert_eq!(row["bytes"], bytes(row).len(), "{}", row["path"]);
            *counted.entry(row["reason"].as_str().expect("a reason")).or_default() += 1;
        }
        let tally = source["tally"].as_object().expect("a tally");
        let wanted: BTreeMap<&str, u64> = tally
            .iter()
            .filter(|(reason, _)| REASONS.contains(&reason.as_str()))
            .map(|(reason, count)| (reason.as_str(), count.as_u64().expect("a count")))
            .collect();
        counted.remove("damaged_document");
        assert_eq!(counted, wanted, "{}", source["path"]);
        let whole =
            fs::read(folder.path().join("evidence").join(source["path"].as_str().expect("a path"))).expect("it");
        for row in own {
            let bytes = bytes(row);
            assert!(memchr::memmem::find(&whole, &bytes).is_some(), "{}: not in the evidence", row["source"]);
        }
    }

    let places: Vec<(&str, u64, &str, usize)> = rows
        .iter()
        .map(|row| {
            let text = |value: &'_ Value| value.as_str().map(str::to_owned).expect("text").leak();
            let record = row["source"]["record"].as_u64().expect("a record");
            (&*text(&row["path"]), record, &*text(&row["reason"]), bytes(row).len())
        })
        .collect();
    let expected = [
        ("a.log", 1, "bad_record", 8),
        ("a.log", 4, "bad_record", 17),
        ("a.log", 5, "not_a_request", 32),
        ("a.log", 6, "no_status", 38),
        ("a.log", 7, "line_too_long", (9 << 20) + 11),
        ("a.log", 9, "line_too_long", (4 << 20) + 1),
        ("a.log", 11, "no_status", 78),
        ("a.log", 12, "bad_record", 36),
        ("b.csv", 3, "bad_record", 7),
        ("b.csv", 4, "bad_record", 21),
        ("b.csv", 5, "bad_record", 4),
    ];
    assert_eq!(places.get(..expected.len()), Some(&expected[..]));
    let of = |path: &str| -> Vec<(u64, String)> {
        let own = rows.iter().filter(|row| row["path"] == path);
        own.map(|row| {
            (row["source"]["record"].as_u64().expect("a record"), row["reason"].as_str().expect("it").to_owned())
        })
        .collect()
    };
    let reasons =
        |rows: &[(u64, &str)]| rows.iter().map(|(place, word)| (*place, (*word).to_owned())).collect::<Vec<_>>();
    assert_eq!(of("c.har"), reasons(&[(2, "bad_record"), (4, "not_a_request")]));
    assert_eq!(of("d.har"), reasons(&[(2, "bad_record")]));
    assert_eq!(of("e.json"), reasons(&[(2, "trace_not_sip"), (3, "trace_no_address")]));
    assert_eq!(of("f.log"), reasons(&[(1, "not_a_request"), (2, "not_a_request")]));
    assert_eq!(of("g.txt"), []);
}

#[test]
fn the_file_is_the_same_for_any_number_of_threads_and_any_order() {
    let folder = evidence();
    let kept = |name: &str, more: &[&str]| {
        let arguments: Vec<&str> = ["audit", "-f", "json", "-q", "--hash", "none", "--rejects", name].into();
        let run = program(folder.path(), [&arguments[..], more].concat());
        assert!(matches!(run.code, Some(2 | 3)), "{}", run.ending());
        fs::read(folder.path().join(name)).expect("the rejects")
    };
    let one = kept("1", &["-j", "1", "evidence"]);
    for threads in ["2", "8"] {
        assert!(kept(threads, &["-j", threads, "evidence"]) == one, "{threads} threads give another file");
    }
    let files = ["evidence/f.log", "evidence/a.log", "evidence/c.har"];
    let turned: Vec<&str> = files.iter().rev().copied().collect();
    assert!(kept("a", &files) == kept("b", &turned), "the order of the arguments counts");
}

#[test]
fn the_file_is_written_whole_or_not_at_all_and_is_no_evidence_later() {
    let folder = evidence();
    let place = folder.path().join("evidence/rejects.ndjson");
    fs::write(&place, "old").expect("a file");
    let refused = |arguments: &[&str], part: &str| {
        let run = audit(folder.path(), arguments);
        assert_eq!((run.code, run.text().as_str()), (Some(2), ""), "{}", run.ending());
        assert!(run.stderr.contains(part), "{part}: {}", run.stderr);
        assert_eq!(fs::read(&place).expect("a file"), b"old");
    };
    let rejects = "evidence/rejects.ndjson";
    refused(&["--rejects", rejects, "no-such-file"], "no-such-file");
    refused(&["--rejects", rejects, "--redact", "evidence"], "--redact");
    refused(&["--rejects", rejects, rejects], "is evidence itself");
    refused(&["--rejects", rejects, "evidence"], "lies among the evidence");
    refused(&["--rejects", "twice", "-o", "twice", "evidence"], "is given twice");
    refused(&["--rejects", "-", "evidence"], "--rejects names a file");
    refused(&["--rejects", "no-folder/x", "evidence"], "its folder does not exist");

    fs::remove_file(&place).expect("it goes");
    let first = run(folder.path(), &["--rejects", rejects]);
    assert!(fs::read(&place).expect("the rejects").starts_with(b"{\"schema\":\"sipconsent.rejects/1\""));
    let again = run(folder.path(), &[]);
    let (first, again) = (first.report(), again.report());
    assert_eq!(first["summary"], again["summary"]);
    let own = list(&again["evidence"]).iter().find(|source| source["path"] == "rejects.ndjson").expect("it is listed");
    assert_eq!((&own["format"], &own["records"]), (&json!("sipconsent_report"), &json!(0)));
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_told() {
    let folder = evidence();
    let run = run(folder.path(), &["--rejects", "/dev/full"]);
    assert_eq!(run.code, Some(2), "{}", run.ending());
    assert!(run.stderr.contains("cannot write report /dev/full"), "{}", run.stderr);
    assert_eq!(run.report()["complete"], true, "the report itself is whole");
}

#[test]
fn without_rejects_the_file_says_so() {
    let folder = TempDir::new().expect("a folder");
    fs::write(folder.path().join("evidence"), format!("{GOOD}\n")).expect("a file");
    run(folder.path(), &["--rejects", "rejects"]);
    assert_eq!(rows(&folder.path().join("rejects")).len(), 1);
}
