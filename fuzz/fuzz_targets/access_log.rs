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
    // Under headers, and behind a prefix: the bytes are rows of a table, or records that a shipper wrote.
    for head in [
        &b"#Fields: date time cs-uri-stem sc-status\n"[..],
        b"time,uri,status\n",
        b"<134>1 2026-01-02T03:04:05Z h a - - - ",
        b"192.0.2.1:1 [06/Feb/2009:12:14:14.655] in api/s 0/0/0/0/0 403 1 - - ---- 1/1/1/1/0 0/0 ",
    ] {
        let sum = READER.read(&[head, input].concat(), Part::WHOLE);
        assert_eq!(sum.tally.total(), sum.records);
    }
});
