//! The entries of one export, read and added up.

use serde_json::Value;

use crate::document::Entry;
use crate::evidence::{Anomalies, Locus, SourceId, Tally, Timestamp};
use crate::facts::{Exports, TracedMessage};

use super::kind::Kind;
use super::{conversation, flow, json, recording, terraform, trace, trunk};

/// What may become of an entry, with what it means: the reasons of an export's tally. Stable words.
pub const REASONS: [(&str, &str); 12] = [
    ("bad_record", "an entry that cannot be read, or that names nothing"),
    ("conversation", "a conversation"),
    ("entry_too_long", "an entry beyond the limit; it is not read"),
    ("export_other", "an entry of a kind that is not used, such as a site"),
    ("flow", "a flow"),
    ("recording", "a recording"),
    ("sip_trace", "a trace record whose SIP message is read"),
    ("trace_no_address", "a trace record without two readable addresses and ports"),
    ("trace_no_message", "a trace record without a message"),
    ("trace_no_time", "a trace record without a readable time"),
    ("trace_not_sip", "a trace record whose message is no SIP message with a Call-ID"),
    ("trunk", "a trunk"),
];

/// What an export, or a part of it, adds up to.
#[derive(Clone, Debug, Default)]
pub struct ExportSum {
    /// What it states.
    pub exports: Exports,
    /// The SIP messages of its trace records, which the signalling's own reader takes.
    pub messages: Vec<TracedMessage>,
    /// Entries by what became of them: one of [`REASONS`].
    pub tally: Tally,
    /// What could not be read.
    pub anomalies: Anomalies,
    /// The earliest time that it states.
    pub first: Option<Timestamp>,
    /// The latest.
    pub last: Option<Timestamp>,
}

impl ExportSum {
    /// Adds the part of the export that follows. Records are numbered by the document.
    pub fn append(&mut self, next: Self) {
        self.exports.append(next.exports);
        self.messages.extend(next.messages);
        self.tally.merge(&next.tally);
        self.anomalies.absorb(next.anomalies, 0);
        self.first = [self.first, next.first].into_iter().flatten().min();
        self.last = self.last.max(next.last);
    }

    fn spans(&mut self, times: impl IntoIterator<Item = Option<Timestamp>>) {
        for time in times.into_iter().flatten() {
            self.first = Some(self.first.map_or(time, |first| first.min(time)));
            self.last = self.last.max(Some(time));
        }
    }
}

/// Reads the entries of one export.
#[derive(Clone, Debug)]
pub struct ExportReader {
    /// Where what it states stands.
    pub source: SourceId,
    /// What it was recognised as.
    pub kind: Kind,
}

impl ExportReader {
    /// Reads `entries`, which follow one another in the document.
    pub fn read<'a>(&self, entries: impl Iterator<Item = Entry<'a>>) -> ExportSum {
        let mut sum = ExportSum::default();
        for entry in entries {
            self.entry(&entry, &mut sum);
        }
        sum
    }

    fn entry(&self, entry: &Entry<'_>, sum: &mut ExportSum) {
        let locus = Locus { source: self.source, record: entry.record };
        let value = serde_json::from_slice::<Value>(entry.bytes);
        match (self.kind, value) {
            (Kind::CallFlow, _) => {
                let flows = flow::read(entry.bytes, |record| Locus { record, ..locus });
                sum.tally.add("flow", flows.len() as u64);
                sum.exports.flows.extend(flows);
            }
            (Kind::Terraform, Ok(value)) => {
                let reason = match terraform::json(&value, entry.path) {
                    Some(trunks) => several(trunks.into_iter().map(|trunk| take_trunk(trunk, locus, sum))),
                    None => "export_other",
                };
                sum.count(reason, locus);
            }
            (Kind::Terraform, Err(_)) if !entry.bytes.trim_ascii_start().starts_with(b"{") => {
                for (trunk, record) in terraform::read(entry.bytes).iter().zip(1..) {
                    let locus = Locus { record, ..locus };
                    let reason = take_trunk(trunk, locus, sum);
                    sum.count(reason, locus);
                }
            }
            (_, Ok(value)) => {
                let reason = take(&value, locus, sum);
                sum.count(reason, locus);
            }
            (_, Err(_)) => sum.count("bad_record", locus),
        }
    }
}

impl ExportSum {
    fn count(&mut self, reason: &'static str, locus: Locus) {
        self.tally.add(reason, 1);
        if reason == "bad_record" {
            self.anomalies
                .note(reason, Some(locus.record), || "the entry is no whole JSON, or lacks what names it".to_owned());
        }
    }
}

/// The fields under which the platform's answers hold their entries, for an answer on one line.
const ENVELOPES: [&str; 3] = ["conversations", "data", "entities"];

/// Takes one entry by its fields, or all of an envelope: the reason it is counted under.
fn take(value: &Value, locus: Locus, sum: &mut ExportSum) -> &'static str {
    if let Some(inner) = value.as_array() {
        return several(inner.iter().map(|value| take(value, locus, sum)));
    }
    if conversation::is_one(value) {
        let read = conversation::read(value, locus);
        let Some(read) = read else { return "bad_record" };
        sum.spans([read.start, read.end]);
        sum.exports.conversations.push(read);
        "conversation"
    } else if trace::is_one(value) {
        take_trace(value, locus, sum)
    } else if recording::is_one(value) {
        let Some(read) = recording::read(value, locus) else { return "bad_record" };
        sum.spans([read.times.map(|(start, _)| start), read.times.map(|(_, end)| end)]);
        sum.exports.recordings.push(read);
        "recording"
    } else if trunk::is_one(value) {
        take_trunk(value, locus, sum)
    } else {
        let inner = ENVELOPES.iter().flat_map(|name| json::list(value, name));
        several(inner.map(|value| take(value, locus, sum)))
    }
}

fn take_trunk(value: &Value, locus: Locus, sum: &mut ExportSum) -> &'static str {
    let Some(read) = trunk::read(value, locus) else { return "bad_record" };
    sum.exports.trunks.push(read);
    "trunk"
}

fn take_trace(value: &Value, locus: Locus, sum: &mut ExportSum) -> &'static str {
    let trace::Trace { traced, message } = trace::read(value, locus);
    sum.exports.traced.extend(traced);
    match message {
        Ok(message) => {
            sum.spans([Some(message.at)]);
            sum.messages.push(message);
            "sip_trace"
        }
        Err(reason) => reason,
    }
}

/// The reason of an entry that holds several: what the first that is used was.
fn several(reasons: impl Iterator<Item = &'static str>) -> &'static str {
    let mut first = None;
    let mut used = None;
    for reason in reasons {
        first = first.or(Some(reason));
        if used.is_none() && !matches!(reason, "bad_record" | "export_other") {
            used = Some(reason);
        }
    }
    used.or(first).unwrap_or("export_other")
}
