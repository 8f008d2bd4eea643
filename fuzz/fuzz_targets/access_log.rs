//! A log: every line that is not blank is counted under one reason.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use sipconsent::access_log::{LogReader, Part};
use sipconsent::evidence::SourceId;
use sipconsent::settings::Settings;

static READER: LazyLock<LogReader> = LazyLock::new(|| LogReader::new(SourceId(0), "fuzz.log", &Settings::default()));

fuzz_target!(|input: &[u8]| {
    let sum = READER.read(input, Part::WHOLE);
    assert_eq!(sum.tally.total(), sum.records);
});
