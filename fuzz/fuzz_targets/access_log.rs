//! A log: every line that is not blank is counted under one reason, those that gave nothing are kept, and what is read does
//! not depend on where blocks end.
//!
//! The input goes on where a line of one of the samples breaks off, so that every format is reached deep inside.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use sipconsent::access_log::{LogReader, LogSum, Part, Walk, recognise};
use sipconsent::evidence::SourceId;
use sipconsent::settings::Settings;

static READER: LazyLock<LogReader> =
    LazyLock::new(|| LogReader::new(SourceId(0), "fuzz.log", &Settings::default()).keeping_rejects(true));

/// Lines of every format, and headers that rows hang on.
const SAMPLES: [&[u8]; 22] = [
    include_bytes!("../../fixtures/log/alb.log"),
    include_bytes!("../../fixtures/log/api-gateway.log"),
    include_bytes!("../../fixtures/log/caddy.log"),
    include_bytes!("../../fixtures/log/cloudflare.log"),
    include_bytes!("../../fixtures/log/cloudfront.log"),
    include_bytes!("../../fixtures/log/combined.log"),
    include_bytes!("../../fixtures/log/csv.log"),
    include_bytes!("../../fixtures/log/ecs.log"),
    include_bytes!("../../fixtures/log/elb.log"),
    include_bytes!("../../fixtures/log/envoy-json.log"),
    include_bytes!("../../fixtures/log/envoy.log"),
    include_bytes!("../../fixtures/log/fastly.log"),
    include_bytes!("../../fixtures/log/gateways.log"),
    include_bytes!("../../fixtures/log/google-lb.log"),
    include_bytes!("../../fixtures/log/haproxy.log"),
    include_bytes!("../../fixtures/log/iis.log"),
    include_bytes!("../../fixtures/log/logfmt.log"),
    include_bytes!("../../fixtures/log/nginx-json.log"),
    include_bytes!("../../fixtures/log/rfc5424.log"),
    include_bytes!("../../fixtures/log/s3.log"),
    include_bytes!("../../fixtures/log/sdk.log"),
    include_bytes!("../../fixtures/log/traefik.log"),
];

/// Reads `text` as it comes in blocks of `size`.
fn read(text: &[u8], size: usize) -> LogSum {
    let mut sum = LogSum::default();
    let mut walk = recognise(text, "fuzz.log", &Settings::default()).map_or_else(Walk::default, Walk::new);
    let (mut start, mut filled) = (0_usize, 0_usize);
    loop {
        filled = filled.saturating_add(size).min(text.len());
        let end = filled == text.len();
        let (taken, part) = walk.cut(&text[start..filled], end, &READER);
        READER.append(&mut sum, READER.part(&text[start..start + taken], part));
        start += taken;
        if end {
            return sum;
        }
    }
}

fn check(text: &[u8]) {
    let sum = READER.read(text, Part::WHOLE);
    assert_eq!(sum.tally.total(), sum.records);
    let nothing = ["bad_record", "line_too_long", "no_status", "not_a_request"];
    assert_eq!(sum.rejects.len() as u64, nothing.iter().map(|reason| sum.tally.count(reason)).sum::<u64>());
    let (whole, blocks) = (read(text, usize::MAX), read(text, 11));
    assert_eq!(format!("{:?}{:?}", whole.requests, whole.tally), format!("{:?}{:?}", blocks.requests, blocks.tally));
}

fuzz_target!(|input: &[u8]| {
    check(input);
    let [sample, place, rest @ ..] = input else { return };
    let sample = SAMPLES[usize::from(*sample) % SAMPLES.len()];
    let length = sample.len() * usize::from(*place) / 256;
    check(&[&sample[..length], rest].concat());
});
