//! What `carve` copies gives the same verdicts, and nothing that was not asked for.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::calls::{Case, all};
use crate::support::here;
use crate::support::run::{Run, audit, program};
use crate::support::truth::list;

const INCIDENT: [&str; 3] = ["-c", "sipconsent.toml", "evidence"];

/// The legs of a report.
fn legs(report: &Value) -> impl Iterator<Item = &Value> {
    report["calls"].as_array().into_iter().flatten().flat_map(|call| call["legs"].as_array().into_iter().flatten())
}

/// What a leg is concluded to be, without the pointers that a copy changes.
fn concluded(leg: &Value) -> Value {
    let streams = leg["streams"].as_array().expect("streams").iter();
    let streams: Vec<Value> = streams
        .map(|stream| {
            let flows = stream["rtp"].as_array().expect("flows").iter();
            let flows: Vec<_> =
                flows.map(|flow| json!([flow["ssrc"], flow["packets"], flow["bytes"], flow["lost"]])).collect();
            json!([
                stream["index"],
                stream["start"],
                stream["end"],
                stream["consented_s"],
                stream["unconsented_s"],
                stream["unknown_s"],
                flows
            ])
        })
        .collect();
    let requests = leg["requests"].as_array().expect("requests").iter();
    let requests: Vec<_> = requests.map(|request| json!([request["at"], request["status"], request["link"]])).collect();
    json!([leg["first"], leg["verdict"], leg["direction"], leg["consent"]["state"], streams, requests])
}

/// Carves `asked` out of the evidence in `folder`, and audits what was carved.
fn carved(folder: &Path, options: &[&str], asked: &[&str]) -> (Run, Value, TempDir) {
    let place = tempfile::tempdir().expect("a folder");
    let out = place.path().join("out");
    let name = out.to_str().expect("a plain path");
    let mut arguments = vec!["carve", "-o", name];
    arguments.extend(options);
    arguments.extend(asked);
    arguments.push("evidence");
    let run = program(folder, arguments);
    let report = if out.exists() {
        let mut arguments = options.to_vec();
        arguments.push(name);
        audit(folder, &arguments).report()
    } else {
        Value::Null
    };
    (run, report, place)
}

/// Cases whose conclusions need what a carved capture does not have: a clock for each tap, or RTP that belongs to nobody.
/// Of these `carve` itself says whether the verdicts are the same.
const IN_ONE_CAPTURE: [&str; 3] =
    ["media-of-a-host-name", "streams-second-tap-far-behind", "streams-too-many-on-one-port"];

#[test]
fn every_leg_of_every_case_keeps_its_conclusions() {
    let mut wrong = Vec::new();
    for folder in all() {
        let case = Case::open(&folder).expect("a case");
        if IN_ONE_CAPTURE.contains(&&*case.name) {
            continue;
        }
        let mut options: Vec<&str> = case.scene.args.iter().map(String::as_str).collect();
        if case.scene.config.is_none() {
            options.extend(["-c", "sipconsent.toml"]);
        }
        let report = case.run(&["--show", "all"], &["evidence"]).report();
        let ids: BTreeSet<&str> = legs(&report)
            .filter(|leg| leg["escaped"].is_null())
            .map(|leg| leg["call_id"].as_str().expect("text"))
            .collect();
        for id in ids {
            let (run, copy, _place) = carved(case.folder.path(), &options, &["--call", id]);
            let of = |report: &Value| -> Vec<Value> {
                legs(report).filter(|leg| leg["call_id"] == id).map(concluded).collect()
            };
            if run.code != Some(0) || of(&report) != of(&copy) {
                wrong.push(format!("{} {id}: {}\n  {:?}\n  {:?}", case.name, run.ending(), of(&report), of(&copy)));
            }
        }
    }
    assert!(wrong.is_empty(), "{} legs\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn the_findings_of_the_incident_are_carved_and_nothing_else() {
    let folder = here("fixtures/incident");
    let report = audit(&folder, &INCIDENT).report();
    let findings: Vec<&Value> = legs(&report)
        .filter(|leg| {
            ["exposed_unconsented", "blocked_unconsented", "unconsented", "blocked_consented"]
                .contains(&leg["verdict"].as_str().expect("a verdict"))
        })
        .collect();
    let (run, copy, place) = carved(&folder, &INCIDENT[..2], &["--findings"]);
    assert_eq!(run.code, Some(0), "{}", run.ending());
    for finding in &findings {
        let same = legs(&copy).find(|leg| leg["call_id"] == finding["call_id"]).map(concluded);
        assert_eq!(same.as_ref(), Some(&concluded(finding)));
    }
    // Legs that are no finding come only with a call that has one.
    let with_findings: BTreeSet<&str> = report["calls"]
        .as_array()
        .expect("calls")
        .iter()
        .filter(|call| call["legs"].as_array().expect("legs").iter().any(|leg| findings.contains(&leg)))
        .flat_map(|call| call["legs"].as_array().expect("legs"))
        .map(|leg| leg["call_id"].as_str().expect("text"))
        .collect();
    let copied: BTreeSet<&str> = legs(&copy).map(|leg| leg["call_id"].as_str().expect("text")).collect();
    assert!(copied.is_subset(&with_findings), "{:?}", copied.difference(&with_findings));
    let manifest: Value =
        serde_json::from_slice(&fs::read(place.path().join("out/manifest.json")).expect("a manifest")).expect("JSON");
    let capture = copy["evidence"].as_array().expect("evidence").iter().find(|source| source["kind"] == "capture");
    let capture = capture.expect("a capture");
    let packets = &capture["records"];
    assert_eq!(&manifest["packets"], packets);
    assert!(packets.as_u64().expect("a number") < 9_751);
    // Every packet of the copy is used, every line a recording request of those calls.
    let tally = capture["tally"].as_object().expect("a tally");
    assert!(
        tally.keys().all(|reason| {
            // Packets that were on their way when a call ended are carved with it.
            ["rtp", "rtp_no_dialog", "sip", "sip_tcp", "ip_fragment", "tcp"].contains(&reason.as_str())
        }),
        "{tally:?}"
    );
    assert_eq!(copy["summary"]["requests"]["unbound_refusals"], 0);
    assert_eq!(copy["summary"]["requests"]["total"], copy["summary"]["requests"]["recording"]);
}

#[test]
fn what_comes_from_two_sources_of_one_name_says_from_which() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::copy(here("fixtures/incident/sipconsent.toml"), folder.path().join("sipconsent.toml")).expect("a copy");
    let own = |path: &str| here("fixtures/incident/evidence").join(path);
    let log = fs::read_to_string(own("api-access.jsonl")).expect("the log");
    let lines: Vec<&str> = log.lines().collect();
    let (one, other) = lines.split_at(20);
    let mut arguments: Vec<String> = INCIDENT[..2].iter().map(|part| (*part).to_owned()).collect();
    for (below, lines) in [("a", one), ("b", other)] {
        fs::create_dir(folder.path().join(below)).expect("a folder");
        fs::write(folder.path().join(below).join("api.log"), lines.join("\n")).expect("a log");
        arguments.push(format!("{below}/api.log"));
    }
    for entry in fs::read_dir(here("fixtures/incident/evidence")).expect("the incident") {
        let path = entry.expect("an entry").path();
        if path != own("api-access.jsonl") {
            arguments.push(path.display().to_string());
        }
    }
    let more: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let report = audit(folder.path(), &more).report();
    let run = program(folder.path(), [&["carve", "--findings", "-o", "out"], &more[..]].concat());
    assert_eq!(run.code, Some(0), "{}", run.ending());
    let manifest: Value =
        serde_json::from_slice(&fs::read(folder.path().join("out/manifest.json")).expect("one")).expect("JSON");
    for (told, source) in list(&manifest["evidence"]).iter().zip(list(&report["evidence"])) {
        for key in ["id", "path", "digest"] {
            assert_eq!(told[key], source[key]);
        }
    }
    // Every record is the one of that source, byte for byte.
    let carved = || list(&manifest["records"]).iter().filter(|record| record["source"] == "api.log");
    let ids: BTreeSet<&str> = carved().filter_map(|record| record["source_id"].as_str()).collect();
    assert_eq!(ids.len(), 2, "{ids:?}");
    for record in carved() {
        let source = list(&report["evidence"]).iter().find(|source| source["id"] == record["source_id"]);
        let half = [one, other].into_iter().find(|half| source.is_some_and(|it| it["records"] == half.len()));
        let (half, number) = (half.expect("a source"), |key: &str| record[key].as_u64().expect("a number") as usize);
        let copy = fs::read_to_string(folder.path().join("out").join(record["path"].as_str().expect("a path")));
        let copy = copy.expect("a copy");
        assert_eq!(copy.lines().nth(number("record") - 1), half.get(number("source_record") - 1).copied());
    }
}

#[test]
fn the_same_evidence_is_carved_into_the_same_bytes() {
    let folder = here("fixtures/incident");
    let (_, _, one) = carved(&folder, &[&INCIDENT[..2], &["-j", "1"]].concat(), &["--findings"]);
    let (_, _, other) = carved(&folder, &[&INCIDENT[..2], &["-j", "5"]].concat(), &["--findings"]);
    for name in ["calls.pcapng", "manifest.json"] {
        let read = |place: &TempDir| fs::read(place.path().join("out").join(name)).expect("a file");
        assert!(read(&one) == read(&other), "{name}");
    }
}

#[test]
fn media_is_copied_as_asked() {
    let folder = here("fixtures/incident");
    let call = "byoc-23-missing-exposed-media@127.0.10.1";
    let copied = |media: &str| {
        let options = [&INCIDENT[..2], &["--media", media]].concat();
        let place = tempfile::tempdir().expect("a folder");
        let out = place.path().join("out");
        let arguments =
            [vec!["carve", "-o", out.to_str().expect("a plain path"), "--call", call], options, vec!["evidence"]];
        let run = program(&folder, arguments.concat());
        (run, fs::metadata(out.join("calls.pcapng")).expect("a capture").len())
    };
    let ((headers, small), (whole, large)) = (copied("headers"), copied("whole"));
    assert_eq!((headers.code, whole.code), (Some(0), Some(0)), "{} {}", headers.ending(), whole.ending());
    // 197 packets of 160 bytes of sound.
    assert_eq!(large - small, 197 * 160);
    // Without media the verdict stands on signalling; here it is the same, measured otherwise.
    let (none, least) = copied("none");
    assert_eq!(none.code, Some(0), "{}", none.ending());
    assert!(least < small);
}

#[test]
fn nothing_is_written_that_is_not_whole() {
    let folder = here("fixtures/incident");
    let place = tempfile::tempdir().expect("a folder");
    let full = place.path().join("full");
    fs::create_dir(&full).expect("a folder");
    fs::write(full.join("kept"), "x").expect("a file");
    let new = place.path().join("new");
    let (full, new) = (full.to_str().expect("a plain path"), new.to_str().expect("a plain path"));
    for (arguments, code, says) in [
        (vec!["--findings", "-o", full, "-c", "sipconsent.toml", "evidence"], 2, "the folder is not empty"),
        (vec!["--call", "nobody@nowhere", "-o", new, "evidence"], 2, "no leg has the Call-ID nobody@nowhere"),
        (vec!["--findings", "-o", new, "-"], 2, "reads the evidence twice"),
        (vec!["-o", new, "evidence"], 2, "--call"),
        (vec!["--findings", "-o", new, "evidence/api-access.jsonl"], 3, "nothing is carved"),
    ] {
        let run = program(&folder, [vec!["carve"], arguments.clone()].concat());
        assert_eq!(run.code, Some(code), "{arguments:?} {}", run.ending());
        assert!(run.stderr.contains(says), "{arguments:?} {}", run.ending());
        assert!(!Path::new(new).exists(), "{arguments:?}");
    }
    let left: Vec<_> =
        fs::read_dir(place.path()).expect("listed").map(|entry| entry.expect("an entry").file_name()).collect();
    assert_eq!(left, ["full"]);
}
