//! Documents that hold API requests: which values of a JSON document are records.

use crate::document::{Candidate, Entry, Plan, Sight};
use crate::evidence::SourceId;
use crate::settings::Settings;

use super::batch::LogReader;
use super::format::Format;

/// The format of the document shown as `shown` that begins as `sight` says, and where its records stand; `None` where
/// it holds no API requests, or one on each line.
#[must_use]
pub fn recognise(sight: &Sight<'_>, shown: &str, settings: &Settings) -> Option<(Format, Plan)> {
    let reader = LogReader::new(SourceId(0), shown, settings);
    let records = sight.candidates.iter().find(|candidate| holds_requests(candidate, &reader))?;
    // Without an array around them, records that keep to their lines are read as lines, each by itself.
    if records.pattern.is_top() && !sight.spans_lines {
        return None;
    }
    Some((Format::JsonDocument, Plan::Json(vec![records.pattern.clone()])))
}

/// Whether one sample in sixteen is a request.
fn holds_requests(candidate: &Candidate<'_>, reader: &LogReader) -> bool {
    let whole = candidate.samples.iter().filter(|sample| sample.is_whole);
    let entries = whole.map(|sample| Entry { bytes: sample.bytes, record: 1, path: b"" });
    let log = reader.read_entries(Format::JsonDocument, entries);
    log.total > 0 && log.total * 16 >= log.records
}
