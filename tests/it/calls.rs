//! Every case of fixtures/calls: the evidence its scene makes is concluded as its truth says.

use std::path::{Path, PathBuf};

use sipconsent::pipeline::{Beside, audit, audit_and};
use sipconsent::report::calls::Whole;
use sipconsent::report::messages::Wanted;
use sipconsent::report::show::{Listing, Show};
use sipconsent::report::{csv, json, ndjson};
use sipconsent::settings::Settings;
use tempfile::TempDir;

use crate::support::packet::{pcap, stray_media};
use crate::support::run::{self, Run};
use crate::support::scene::{LOG, Scene};
use crate::support::truth::Truth;
use crate::support::{folders, here, laws, read};

/// The configuration of cases that bring none.
pub(crate) const CONFIG: &str = "fixtures/calls/sipconsent.toml";

/// One case, its evidence written into a folder of its own.
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) scene: Scene,
    pub(crate) truth: Truth,
    /// The evidence lies in `evidence/` below.
    pub(crate) folder: TempDir,
}

impl Case {
    pub(crate) fn open(folder: &Path) -> Result<Self, String> {
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let scene = Scene::parse(&read(&folder.join("scene.toml"))).map_err(|error| format!("scene.toml: {error}"))?;
        let truth = Truth::parse(&read(&folder.join("truth.toml"))).map_err(|error| format!("truth.toml: {error}"))?;
        let place = tempfile::tempdir().expect("a folder for the evidence");
        std::fs::create_dir(place.path().join("evidence")).expect("a folder for the evidence");
        scene.evidence().write_to(&place.path().join("evidence"));
        if let Some(kept) = std::env::var_os("SIPCONSENT_KEEP") {
            let kept = Path::new(&kept).join(&name);
            std::fs::create_dir_all(&kept).expect("a folder to keep the evidence in");
            scene.evidence().write_to(&kept);
        }
        let own = folder.join("sipconsent.toml");
        let config = if own.exists() { own } else { here(CONFIG) };
        std::fs::copy(config, place.path().join("sipconsent.toml")).expect("the configuration can be copied");
        Ok(Self { name, scene, truth, folder: place })
    }

    /// Runs the audit of the case with `more` arguments before the evidence.
    pub(crate) fn run(&self, more: &[&str], evidence: &[&str]) -> Run {
        let mut arguments: Vec<&str> = self.scene.args.iter().map(String::as_str).collect();
        match self.scene.config.as_deref() {
            None => arguments.extend(["--config", "sipconsent.toml"]),
            Some("built-in") => {}
            Some(other) => panic!("{}: config = `{other}`; it is `built-in` or left out", self.name),
        }
        arguments.extend(more);
        arguments.extend(evidence);
        run::audit(self.folder.path(), &arguments)
    }
}

/// The folders of all cases; `SIPCONSENT_CASE` names the only ones to run.
pub(crate) fn all() -> Vec<std::path::PathBuf> {
    let wanted = std::env::var("SIPCONSENT_CASE").unwrap_or_default();
    let mut cases = folders(&here("fixtures/calls"));
    cases.retain(|case| case.to_string_lossy().contains(&wanted));
    cases
}

/// Everything in which a case differs from its truth.
fn check(folder: &Path) -> Vec<String> {
    let case = match Case::open(folder) {
        Ok(case) => case,
        Err(error) => return vec![error],
    };
    let run = case.run(&[], &["evidence"]);
    let mut found = case.truth.mismatches(&run);
    found.extend(laws::broken(&run.report(), run.code).into_iter().map(|law| format!("law broken: {law}")));
    if !run.stderr.is_empty() && run.code != Some(2) {
        found.push(format!("standard error is not empty: {}", run.stderr.trim()));
    }
    found
}

#[test]
fn every_case_is_concluded_as_its_truth_says() {
    let cases = all();
    assert!(!cases.is_empty(), "there are no cases");
    let mut failed = Vec::new();
    for folder in &cases {
        let found = check(folder);
        if !found.is_empty() {
            let name = folder.file_name().unwrap_or_default().to_string_lossy();
            failed.push(format!("{name}\n    {}", found.join("\n    ")));
        }
    }
    assert!(failed.is_empty(), "{} of {} cases differ:\n{}", failed.len(), cases.len(), failed.join("\n"));
}

/// A report as it is when only findings are listed: every leg that is none is left out, and calls without any.
fn only_findings(mut report: serde_json::Value) -> serde_json::Value {
    let is_finding = |leg: &serde_json::Value| {
        ["exposed_unconsented", "blocked_unconsented", "unconsented", "blocked_consented"]
            .iter()
            .any(|finding| leg["verdict"] == *finding)
    };
    let calls = report["calls"].as_array_mut().expect("calls");
    for call in calls.iter_mut() {
        call["legs"].as_array_mut().expect("legs").retain(is_finding);
    }
    calls.retain(|call| call["legs"].as_array().is_some_and(|legs| !legs.is_empty()));
    report
}

/// Legs that nobody asks for are judged and let go of while they are read, and read again where a request, another leg
/// or a trunk's table turns out to ask for them: that must not show in any figure, row or sentence.
#[test]
fn legs_that_are_let_go_of_decide_nothing_else() {
    let mut findings = 0;
    for folder in all() {
        let mut case = Case::open(&folder).expect("a case");
        let evidence = case.folder.path().join("evidence");
        // RTP keeps every leg, requests ask for those that they bind to: also without both.
        for without in ["nothing", "rtp", "rtp and requests"] {
            if without == "rtp" {
                case.scene.silent = true;
                case.scene.evidence().write_to(&evidence);
            } else if without == "rtp and requests" && std::fs::remove_file(evidence.join(LOG)).is_err() {
                continue;
            }
            let shown = |show| case.run(&["--show", show], &["evidence"]).report();
            let few = shown("findings");
            findings += few["calls"].as_array().map_or(0, Vec::len);
            assert_eq!(only_findings(shown("all")), few, "{}, without {without}", case.name);
        }
    }
    assert!(
        std::env::var_os("SIPCONSENT_CASE").is_some() || findings > 50,
        "{findings} calls with findings tell nothing"
    );
}

/// Rows that are made while a report is written, those that a report holds, and those of legs that are held (all are, where
/// there is RTP) are the same.
#[test]
fn rows_that_are_made_are_those_that_are_held() {
    let listings = [
        Show::All.into(),
        Show::Byoc.into(),
        Listing { only: vec!["clear", "indeterminate"], ..Show::All.into() },
        Listing { trunks: vec!["SG1".to_owned()], ..Show::Findings.into() },
    ];
    let mut rows = 0;
    for folder in all() {
        let mut case = Case::open(&folder).expect("a case");
        // What a case's own arguments change is concluded otherwise, and the same in all rows.
        let settings = Settings::read(&case.folder.path().join("sipconsent.toml")).expect("a configuration");
        let evidence = [case.folder.path().join("evidence"), case.folder.path().join("stray")];
        case.scene.silent = true;
        case.scene.evidence().write_to(&evidence[0]);
        for without in ["rtp", "rtp and requests"] {
            if without == "rtp and requests" && std::fs::remove_file(evidence[0].join(LOG)).is_err() {
                continue;
            }
            let name = format!("{}, without {without}", case.name);
            std::fs::write(&evidence[1], pcap(&[])).expect("written");
            let held = audit(&evidence, &settings, Some(2)).expect("an audit").report;
            let held = written((&held).into(), &listings);
            let made = made(&evidence, &settings, &listings);
            assert!(made == held, "{name}: made and held by the report");
            std::fs::write(&evidence[1], stray_media()).expect("written");
            assert!(of_legs(&self::made(&evidence, &settings, &listings)) == of_legs(&made), "{name}: held legs");
            rows += of_legs(&made).len();
        }
    }
    assert!(std::env::var_os("SIPCONSENT_CASE").is_some() || rows > 2_000, "{rows} rows tell nothing");
}

/// The reports of rows that nobody holds.
fn made(evidence: &[PathBuf], settings: &Settings, listings: &[Listing]) -> Vec<Vec<u8>> {
    let wanted = Wanted { rows: Some(&|_| false), written: Some(&|_| true), messages: None };
    let beside = Beside { wanted, ..Beside::default() };
    let made = audit_and(evidence, settings, Some(2), beside, |audit, calls| {
        assert_eq!(audit.report.calls.len(), 0);
        written(Whole { report: &audit.report, calls }, listings)
    });
    made.expect("an audit")
}

/// The report in every format that asks for its rows, of every listing.
fn written(whole: Whole<'_>, listings: &[Listing]) -> Vec<Vec<u8>> {
    let mut reports = Vec::new();
    for listing in listings {
        let mut out = [const { Vec::new() }; 3];
        ndjson::write(whole, listing, &mut out[0]).expect("memory");
        csv::write(whole, listing, &mut out[1]).expect("memory");
        json::write(whole, listing, &mut out[2]).expect("memory");
        reports.extend(out);
    }
    reports
}

/// The rows and lines of legs in such reports.
fn of_legs(reports: &[Vec<u8>]) -> Vec<&[u8]> {
    let lines =
        reports.chunks(3).flat_map(|formats| &formats[..2]).flat_map(|report| report.split(|byte| *byte == b'\n'));
    lines.filter(|line| !line.starts_with(br#"{"type":"report""#)).collect()
}

#[test]
fn every_case_stands_in_the_index_and_says_what_it_proves() {
    let index = read(&here("fixtures/README.md"));
    for folder in folders(&here("fixtures/calls")) {
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let scene = Scene::parse(&read(&folder.join("scene.toml"))).unwrap_or_else(|error| panic!("{name}: {error}"));
        let row = format!("| `{name}` | {} | {} |", scene.purpose, scene.clause);
        assert!(index.contains(&row), "fixtures/README.md has no row\n{row}");
    }
}

#[test]
fn a_wrong_truth_is_noticed() {
    let case = Case::open(&here("fixtures/calls/verdict-clear")).unwrap();
    let run = case.run(&[], &["evidence"]);
    let text = read(&here("fixtures/calls/verdict-clear/truth.toml"));
    for (right, wrong) in [("verdict = \"clear\"", "verdict = \"unconsented\""), ("exit = 0", "exit = 1")] {
        let truth = Truth::parse(&text.replace(right, wrong)).unwrap();
        assert!(!truth.mismatches(&run).is_empty(), "{wrong} passes");
    }
}
