//! Documents that hold API requests: which values of a JSON document are records, and how they are written.

use std::sync::Arc;

use crate::document::{Candidate, Entry, Marker, Pattern, Plan, Sample, Sight};

use super::batch::LogReader;
use super::format::Format;
use super::sdk;
use super::stream;

/// The format of the document that begins as `sight` says, and where its records stand; `None` where it holds no API
/// requests that `reader` reads, or one on each line.
#[must_use]
pub fn recognise(sight: &Sight<'_>, reader: &LogReader) -> Option<(Format, Plan)> {
    let at = |format: Format, pattern: &Pattern| Some((format, Plan::json(vec![pattern.clone()])));
    // Without an array around them, records that keep to their lines are read as lines, each by itself.
    let are_lines = |candidate: &Candidate<'_>| {
        let is_plain = candidate.samples.iter().all(|sample| exchange(sample).is_none());
        candidate.pattern.is_top() && !sight.spans_lines && is_plain
    };
    if sight.candidates.iter().any(|candidate| are_lines(candidate) && holds_requests(candidate, reader)) {
        return None;
    }
    // What lies in a request is a part of it.
    let is_plain = |sample: &Sample<'_>| exchange(sample).is_none() && reader.is_request_of(sample);
    for candidate in &sight.without(is_plain).0.candidates {
        if let Some(format) = candidate.samples.iter().find_map(exchange) {
            return at(format, &candidate.pattern);
        }
        let is_stream = |sample: &Sample<'_>| stream::is_line(sample.bytes);
        if candidate.pattern.is_below("values") && candidate.samples.iter().any(is_stream) {
            return at(Format::JsonDocument, &candidate.pattern);
        }
    }
    if let Some(top) =
        sight.candidates.iter().find(|candidate| candidate.pattern.is_top() && holds_requests(candidate, reader))
    {
        return at(Format::JsonDocument, &top.pattern);
    }
    // What stands before the entries may be longer than the head.
    let named = |pattern: &str| sight.at(pattern).is_some();
    let begins = |words: [&[u8]; 2]| {
        let top = sight.top().map_or(&b""[..], |top| top.bytes);
        words.iter().all(|word| memchr::memmem::find(top, word).is_some())
    };
    let top_has = |key: &str| sight.top().is_some_and(|top| top.has(&[key]));
    if named("log.entries[]") && begins([b"\"version\"", b"\"creator\""])
        || top_has("log") && begins([b"\"creator\"", b"\"pages\""])
    {
        return at(Format::Har, &Pattern::new("log.entries[]"));
    }
    if named("run.executions[]") || top_has("collection") && begins([b"\"_postman_id\"", b"\"info\""]) {
        return at(Format::Newman, &Pattern::new("run.executions[]"));
    }
    let mut listed = sight.candidates.iter().filter(|candidate| !candidate.is_keyed());
    let mut keyed = sight.candidates.iter().filter(|candidate| candidate.is_keyed());
    let records = listed
        .find(|candidate| holds_requests(candidate, reader))
        .or_else(|| keyed.find(|candidate| are_requests(candidate, reader)))?;
    at(Format::JsonDocument, &records.pattern)
}

/// The format of an entry that is an exchange.
pub(super) fn exchange(sample: &Sample<'_>) -> Option<Format> {
    if sample.has(&["startedDateTime", "request"]) {
        Some(Format::Har)
    } else if sample.has(&["request", "response", "item"])
        || sample.has(&["request", "response", "cursor"])
        || sample.has(&["url", "responseCode"])
    {
        Some(Format::Newman)
    } else {
        None
    }
}

/// Whether it is a request by itself, also one that is cut behind what tells it.
#[must_use]
pub fn is_request(sample: &Sample<'_>, reader: &LogReader) -> bool {
    exchange(sample).is_some() || reader.is_request_of(sample)
}

/// The samples that are whole, as entries.
fn entries<'c>(candidate: &'c Candidate<'_>) -> impl Iterator<Item = Entry<'c>> {
    let whole = candidate.samples.iter().filter(|sample| sample.is_whole);
    whole.map(|sample| Entry { bytes: sample.bytes, record: 1, path: b"" })
}

/// Whether any of the samples is a request.
fn holds_requests(candidate: &Candidate<'_>, reader: &LogReader) -> bool {
    requests_in(candidate, reader).0 > 0
}

/// Where those of the samples stand that are requests, if any; of members of an object only where all are, at several keys:
/// one may be a part of what the object says.
#[must_use]
pub fn requests(candidate: &Candidate<'_>, reader: &LogReader) -> Option<Pattern> {
    let is_one = match candidate.is_keyed() {
        true => are_requests(candidate, reader),
        false => holds_requests(candidate, reader),
    };
    is_one.then(|| candidate.pattern.clone())
}

/// Whether all members of an object are requests, and there are several.
fn are_requests(candidate: &Candidate<'_>, reader: &LogReader) -> bool {
    let (requests, records) = requests_in(candidate, reader);
    let mut keys: Vec<_> = candidate.samples.iter().map(|sample| sample.key).collect();
    keys.dedup();
    requests > 0 && requests == records && keys.len() > 1
}

/// How many of how many samples are requests, as `reader` reads them.
#[must_use]
pub fn requests_in(candidate: &Candidate<'_>, reader: &LogReader) -> (u64, u64) {
    let log = reader.read_entries(Format::JsonDocument, entries(candidate));
    (log.total, log.records)
}

/// The format of the text that begins with `head`, and how it is cut, where a record goes over several lines. JSON lines
/// among them that the `reader` reads are records by themselves.
#[must_use]
pub fn recognise_text(head: &[u8], reader: impl FnOnce() -> LogReader) -> Option<(Format, Plan)> {
    let mut lines = head.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    lines.find(|line| line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line) == sdk::REQUEST)?;
    lines.next()?.starts_with(b"URL:").then_some(())?;
    let reader = reader();
    let is_record = Arc::new(move |line: &[u8]| line.first() == Some(&b'{') && reader.is_request(line));
    Some((Format::SdkText, Plan::Text(Marker { line: sdk::REQUEST, is_head: sdk::is_head, is_record })))
}
