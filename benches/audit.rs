//! What comes behind the reading, and whole audits: messages into legs, reports into bytes, evidence into a report.
//!
//! On the loads of `examples/load`, small ones; what they hold is known and checked, so a bench cannot be fast and wrong.

#[path = "../examples/load/calls.rs"]
mod calls;
#[path = "../examples/load/capture.rs"]
mod capture;
#[path = "../examples/load/log.rs"]
mod log;
#[path = "../examples/load/plan.rs"]
mod plan;

use std::fs;
use std::hint::black_box;
use std::path::PathBuf;

use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use sipconsent::call::legs::correlate;
use sipconsent::evidence::HashKind;
use sipconsent::pipeline::{audit, audit_with_messages, signalling, workers};
use sipconsent::report::messages::Wanted;
use sipconsent::report::model::{Leg, Report};
use sipconsent::report::show::{Listing, Show};
use sipconsent::report::text::{Medium, Options};
use sipconsent::report::{csv, html, json, ndjson, text};
use sipconsent::settings::Settings;

use capture::Container;
use plan::{Plan, Truth};

fn main() {
    divan::main();
}

/// A load on the disk.
struct Load {
    folder: tempfile::TempDir,
    bytes: u64,
    records: u64,
    truth: Truth,
}

impl Load {
    fn new(truth: Truth, bytes: &[u8]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("evidence"), bytes).expect("a file");
        assert_eq!(truth.bytes, bytes.len() as u64);
        Self { folder, bytes: truth.bytes, records: truth.records, truth }
    }

    fn calls(media: bool, calls: u64, seconds: u64) -> Self {
        let plan = Plan { seed: 5, calls, seconds, media, join: false, lines: 0 };
        let mut bytes = Vec::new();
        let truth = calls::write(&plan, Container::Pcap, &mut bytes).expect("memory takes all");
        assert_eq!(truth.sip_messages + truth.rtp_packets, truth.records);
        Self::new(truth, &bytes)
    }

    fn requests(line: fn(&log::Request) -> String) -> Self {
        let plan = Plan { seed: 5, calls: 0, seconds: 0, media: false, join: false, lines: 40_000 };
        let mut bytes = Vec::new();
        let truth = log::write(&plan, line, &mut bytes).expect("memory takes all");
        Self::new(truth, &bytes)
    }

    fn paths(&self) -> [PathBuf; 1] {
        [self.folder.path().join("evidence")]
    }

    /// The report on it by one worker, which says what is known to be true.
    fn report(&self) -> Report {
        let audit = audit(&self.paths(), &settings(), Some(1)).expect("an audit");
        let (summary, truth) = (&audit.report.summary, &self.truth);
        assert_eq!((summary.verdicts.clear, summary.verdicts.unconsented), (truth.clear, truth.unconsented));
        // What happens in one slot of a busy load stands there some microseconds apart: less than a millisecond for a call.
        let off = summary.unconsented_media_s.0 - i128::from(truth.unconsented_ms) * 1_000_000;
        assert!(off.abs() <= 1_000_000 * i128::from(truth.unconsented), "{off} ns off");
        let requests = &summary.requests;
        assert_eq!(
            (requests.recording, requests.refused, requests.allowed),
            (truth.recording_requests, truth.refused, truth.allowed)
        );
        audit.report
    }

    fn bench(&self, bencher: Bencher<'_, '_>) {
        let counted = bencher.counter(BytesCount::new(self.bytes)).counter(ItemsCount::new(self.records));
        counted.bench_local(|| self.report());
    }
}

fn settings() -> Settings {
    Settings { hash: HashKind::None, ..Settings::default() }
}

#[divan::bench]
fn audit_of_signalling(bencher: Bencher<'_, '_>) {
    Load::calls(false, 3_000, 4).bench(bencher);
}

#[divan::bench]
fn audit_of_media(bencher: Bencher<'_, '_>) {
    Load::calls(true, 30, 30).bench(bencher);
}

#[divan::bench]
fn audit_of_json_lines(bencher: Bencher<'_, '_>) {
    Load::requests(log::json).bench(bencher);
}

#[divan::bench]
fn audit_of_combined_log(bencher: Bencher<'_, '_>) {
    Load::requests(log::combined).bench(bencher);
}

/// Messages a second.
#[divan::bench]
fn messages_into_legs(bencher: Bencher<'_, '_>) {
    let load = Load::calls(false, 3_000, 4);
    let settings = settings();
    let shelves = signalling(&load.paths(), &settings, Some(1)).expect("evidence");
    let all = shelves.all().expect("evidence");
    let messages = all.messages().count();
    bencher.counter(ItemsCount::new(messages)).bench_local(|| {
        let legs = correlate(black_box(&all), &settings);
        assert_eq!(legs.len() as u64, load.truth.clear + load.truth.unconsented);
        legs
    });
}

/// Bytes of the report a second, on one thread and on all, of 10,000 calls of which a third are findings. The HTML
/// report has the messages of every finding.
#[divan::bench(args = ["csv", "html", "json", "markdown", "ndjson", "text"], consts = [1, 0])]
fn report_into_bytes<const THREADS: usize>(bencher: Bencher<'_, '_>, format: &str) {
    let load = Load::calls(false, 10_000, 4);
    let findings: Listing = Show::Findings.into();
    let of_findings = |leg: &Leg| findings.lists(leg);
    let wanted = (format == "html").then(|| Wanted::messages(&of_findings));
    let report = audit_with_messages(&load.paths(), &settings(), None, wanted).expect("an audit").report;
    let all = Show::All.into();
    let medium = if format == "markdown" { Medium::Markdown } else { Medium::Terminal { width: 100, color: false } };
    let options = Options { medium, listing: &findings, verbose: false, closing: None };
    let mut out = Vec::new();
    let write = |out: &mut Vec<u8>| match format {
        "csv" => csv::write(&report, &all, out),
        "html" => html::write(&report, &findings, None, out),
        "json" => json::write(&report, &all, out),
        "ndjson" => ndjson::write(&report, &all, out),
        _ => text::write(&report, &options, out),
    };
    write(&mut out).expect("memory takes all");
    let pool = workers(Some(THREADS)).expect("threads");
    bencher.counter(BytesCount::new(out.len())).bench_local(|| {
        pool.install(|| {
            out.clear();
            write(&mut out).expect("memory takes all");
            black_box(out.len())
        })
    });
}
