//! A document: its entries do not depend on where blocks end, and every one is counted.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use sipconsent::access_log::{Format, LogReader};
use sipconsent::document::{Pattern, Plan, Walk, sight};
use sipconsent::evidence::SourceId;
use sipconsent::settings::Settings;

static READER: LazyLock<LogReader> = LazyLock::new(|| LogReader::new(SourceId(0), "fuzz.har", &Settings::default()));

const SAMPLES: [&[u8]; 4] = [
    include_bytes!("../../fixtures/log/browser.har"),
    include_bytes!("../../fixtures/log/loki.json"),
    include_bytes!("../../fixtures/log/newman.json"),
    include_bytes!("../../fixtures/log/sdk-text.log"),
];

/// The records of the entries of `input`, cut in blocks of `size`, and how many were read as what.
fn read(input: &[u8], plan: &Plan, format: Format, size: usize) -> (Vec<(u64, Vec<u8>)>, u64, u64) {
    let mut walk = Walk::new(plan);
    let (mut entries, mut records, mut counted) = (Vec::new(), 0, 0);
    let (mut start, mut filled) = (0, 0);
    loop {
        filled = (filled + size).min(input.len());
        let end = filled == input.len();
        let bytes = &input[start..filled];
        let (taken, pieces) = walk.cut(bytes, end);
        assert!(taken <= bytes.len() && (!end || taken == bytes.len()));
        let bytes = &bytes[..taken];
        let sum = READER.read_entries(format, pieces.entries(bytes));
        assert_eq!(sum.tally.total(), sum.records);
        counted += sum.records;
        entries.extend(pieces.entries(bytes).map(|entry| (entry.record, entry.bytes.to_vec())));
        records += pieces.tally.total();
        start += taken;
        if end {
            return (entries, records, counted);
        }
    }
}

fuzz_target!(|input: &[u8]| {
    check(input);
    // Deep inside a document of each kind.
    let [sample, place, rest @ ..] = input else { return };
    let sample = SAMPLES[usize::from(*sample) % SAMPLES.len()];
    let length = sample.len() * usize::from(*place) / 256;
    check(&[&sample[..length], rest].concat());
});

fn check(input: &[u8]) {
    let patterns = ["log.entries[]", "run.executions[]", "data.result[].values[]", "[]", "resource.*.*", ""];
    let formats = [
        Format::Har,
        Format::Newman,
        Format::JsonDocument,
        Format::JsonDocument,
        Format::JsonDocument,
        Format::JsonDocument,
    ];
    let _shown = sight(input);
    for (pattern, format) in patterns.into_iter().zip(formats) {
        let plan = Plan::json(vec![Pattern::new(pattern)]);
        let whole = read(input, &plan, format, usize::MAX / 2);
        assert_eq!(whole.0.len() as u64, whole.2);
        assert!(whole.0.windows(2).all(|pair| pair[0].0 < pair[1].0));
        assert_eq!(read(input, &plan, format, 7), whole);
    }
    let text = sipconsent::access_log::recognise_text(input, || READER.clone());
    if let Some((format, plan)) = text {
        assert_eq!(read(input, &plan, format, usize::MAX / 2).0, read(input, &plan, format, 11).0);
    }
}
