//! The hot loops allocate nothing for a packet, a message or a line: twice the evidence costs as many allocations as
//! its further blocks do, whatever they hold.

#[path = "../examples/load/calls.rs"]
mod calls;
#[path = "../examples/load/capture.rs"]
mod capture;
#[path = "../examples/load/log.rs"]
mod log;
#[path = "../examples/load/plan.rs"]
mod plan;

use std::io::Cursor;

use allocation_counter::measure;
use sipconsent::access_log::{LogReader, Part};
use sipconsent::evidence::{BLOCK_BYTES, SourceId, Task};
use sipconsent::facts::Store;
use sipconsent::facts::extract::Keep;
use sipconsent::pipeline::{Beside, audit_and, captures, gather::Limits};
use sipconsent::report::calls::Whole;
use sipconsent::report::json;
use sipconsent::report::messages::Wanted;
use sipconsent::report::show::Show;
use sipconsent::settings::Settings;

use capture::Container;
use plan::Plan;

/// Allocations that one block of a capture may cost, whatever it holds: its batch and its table grow by doubling.
const OF_A_BLOCK: u64 = 120;

fn capture(media: bool, calls: u64, seconds: u64) -> (Vec<u8>, u64) {
    let plan = Plan { seed: 3, calls, seconds, media, join: false, lines: 0 };
    let mut bytes = Vec::new();
    let truth = calls::write(&plan, Container::Pcap, &mut bytes).expect("memory takes all");
    assert_eq!(truth.bytes, bytes.len() as u64);
    assert_eq!(truth.clear + truth.unconsented, calls, "every call is answered");
    assert!(truth.unconsented_ms > 0 && truth.recording_requests + truth.refused + truth.allowed == 0);
    assert_eq!(truth.sip_messages + truth.rtp_packets, truth.records);
    (bytes, truth.records)
}

/// Allocations for reading a capture, and its blocks.
fn reading(bytes: &[u8]) -> (u64, u64) {
    let (keep, store) = (Keep::new(&Settings::default()), Store::default());
    let format = sipconsent::capture::recognise(bytes).expect("a capture");
    let bytes: Vec<u8> = bytes.to_vec();
    let blocks = bytes.len().div_ceil(BLOCK_BYTES) as u64;
    let counted = measure(|| {
        let reader = Box::new(Cursor::new(bytes));
        let reading = captures::reading(SourceId(0), reader, format, (&keep, &store), Limits::of(1));
        let mut buffer = Vec::new();
        while reading.step(&mut buffer) {}
        let (sum, failure) = captures::finish(reading);
        assert!(failure.is_none() && sum.records > 0);
    });
    (counted.count_total, blocks)
}

fn check(name: &str, small: (Vec<u8>, u64), large: (Vec<u8>, u64)) {
    let (fewer, few_blocks) = reading(&small.0);
    let (more, many_blocks) = reading(&large.0);
    let (packets, blocks) = (large.1 - small.1, many_blocks - few_blocks);
    let allowed = (blocks + 1) * OF_A_BLOCK;
    assert!(packets > 4 * allowed, "{name}: {packets} packets in {blocks} blocks tell nothing");
    assert!(
        more.saturating_sub(fewer) <= allowed,
        "{name}: {} allocations for {packets} further packets in {blocks} further blocks",
        more - fewer
    );
}

#[test]
fn rtp_packets_allocate_nothing() {
    check("rtp", capture(true, 20, 8), capture(true, 20, 40));
}

#[test]
fn sip_messages_allocate_nothing() {
    check("sip", capture(false, 2_000, 2), capture(false, 6_000, 2));
}

#[test]
fn lines_that_are_no_recording_requests_allocate_nothing() {
    for line in [log::json as fn(&log::Request) -> String, log::combined] {
        let lines = |count: u64| {
            let plan = Plan { seed: 3, calls: 0, seconds: 0, media: false, join: false, lines: count };
            let mut bytes = Vec::new();
            let truth = log::write(&plan, line, &mut bytes).expect("memory takes all");
            let text = String::from_utf8(bytes).expect("logs are text");
            let text: String =
                text.lines().filter(|line| !line.contains("recordings")).flat_map(|line| [line, "\n"]).collect();
            (text, truth.records - truth.recording_requests)
        };
        let ((small, few), (large, many)) = (lines(1_000), lines(3_000));
        let reader = LogReader::new(SourceId(0), "a.log", &Settings::default());
        let read = |text: &str| measure(|| drop(reader.read(text.as_bytes(), Part::WHOLE))).count_total;
        read(&small);
        let (fewer, more) = (read(&small), read(&large));
        assert!(more.saturating_sub(fewer) < (many - few) / 50, "{fewer} for {few} lines, {more} for {many}");
    }
}

/// What is held at most while all rows of so many calls are made and written, one thread.
fn writing(calls: u64) -> (u64, u64) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("capture");
    std::fs::write(&path, capture(false, calls, 2).0).expect("written");
    let wanted = Wanted { rows: Some(&|_| false), written: Some(&|_| true), messages: None };
    let beside = Beside { wanted, ..Beside::default() };
    let written = audit_and(&[path], &Settings::default(), Some(1), beside, |audit, calls| {
        let mut out = std::io::sink();
        let whole = Whole { report: &audit.report, calls };
        let counted = measure(|| json::write(whole, &Show::All.into(), &mut out).expect("a sink takes all"));
        assert_eq!(audit.report.summary.legs, audit.report.summary.calls);
        (audit.report.summary.legs, counted.bytes_max)
    });
    written.expect("an audit")
}

#[test]
fn rows_take_no_more_memory_however_many_they_are() {
    // Each more than a part, so that a whole one is held at some time.
    let ((few, of_few), (many, of_many)) = (writing(4_200), writing(8_400));
    assert_eq!((few, many), (4_200, 8_400));
    assert!(of_many < of_few + of_few / 20, "{of_few} bytes for {few} legs, {of_many} for {many}");
    assert!(of_many < 16 << 20, "{of_many} bytes");
}
