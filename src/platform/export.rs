//! The entries of one export, read and added up.

use serde_json::Value;

use crate::document::{Entry, NESTED, Probe};
use crate::evidence::{Anomalies, Locus, Reject, SourceId, Tally, Timestamp};
use crate::facts::{Exports, TracedMessage};
use crate::settings::{SourceZone, Zones};

use super::kind::Kind;
use super::time::Times;
use super::{conversation, flow, recording, terraform, trace, trunk};

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
    /// The zones that its times were read in.
    pub zones: Zones,
    /// Entries that gave nothing, where the reader keeps them.
    pub rejects: Vec<Reject>,
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
        self.zones.merge(next.zones);
        self.rejects.extend(next.rejects);
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
    /// The zone of times that carry none.
    pub zone: SourceZone,
    /// Whether entries that give nothing are kept.
    pub keeps_rejects: bool,
    /// Finds entries in one that is nothing itself; they are read in its stead, under its number.
    pub probe: Option<Probe>,
}

/// Whether an entry counted under `reason` gave nothing and was meant to.
fn is_reject(reason: &str) -> bool {
    reason == "bad_record" || reason.starts_with("trace_")
}

impl ExportReader {
    /// Reads `entries`, which follow one another in the document.
    pub fn read<'a>(&self, entries: impl Iterator<Item = Entry<'a>>) -> ExportSum {
        let mut sum = ExportSum::default();
        for entry in entries {
            self.entry(&entry, 0, &mut sum);
        }
        sum
    }

    fn entry(&self, entry: &Entry<'_>, depth: u8, sum: &mut ExportSum) {
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
                    None => OTHER,
                };
                self.count(reason, entry, sum);
            }
            (Kind::Terraform, Err(_)) if !entry.bytes.trim_ascii_start().starts_with(b"{") => {
                for (trunk, record) in terraform::read(entry.bytes).iter().zip(1..) {
                    let locus = Locus { record, ..locus };
                    let reason = take_trunk(trunk, locus, sum);
                    sum.count(reason, locus);
                }
            }
            (_, Ok(value)) => {
                // A request may carry names of the platform's exports; it is one all the same.
                let is_other = self.probe.as_ref().is_some_and(|probe| probe.is_other(entry.bytes));
                let reason = if is_other { OTHER } else { self.take(&value, locus, sum) };
                let inner = (reason == OTHER).then(|| self.probe.as_ref()?.within(entry.bytes)).flatten();
                let Some(inner) = inner else { return self.count(reason, entry, sum) };
                if depth == NESTED {
                    sum.anomalies.note("limit_nesting", Some(entry.record), || {
                        format!("more than {NESTED} lists in one another")
                    });
                    return self.count(reason, entry, sum);
                }
                for nested in inner.entries(entry.bytes) {
                    self.entry(&Entry { record: entry.record, ..nested }, depth + 1, sum);
                }
                if self.keeps_rejects {
                    sum.rejects
                        .extend(inner.rejects(entry.bytes).map(|reject| Reject { record: entry.record, ..reject }));
                }
                sum.tally.merge(&inner.tally);
                sum.anomalies.absorb(inner.anomalies.at(entry.record), 0);
            }
            (_, Err(_)) => self.count("bad_record", entry, sum),
        }
    }
}

impl ExportReader {
    fn count(&self, reason: &'static str, entry: &Entry<'_>, sum: &mut ExportSum) {
        sum.count(reason, Locus { source: self.source, record: entry.record });
        if self.keeps_rejects && is_reject(reason) {
            sum.rejects.push(Reject { record: entry.record, reason, bytes: entry.bytes.into() });
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

/// The reason of an entry that is nothing of what is read.
const OTHER: &str = "export_other";

impl ExportReader {
    /// Takes one entry by its fields: the reason it is counted under.
    fn take(&self, value: &Value, locus: Locus, sum: &mut ExportSum) -> &'static str {
        let mut times = Times::new(&self.zone);
        let reason = take(value, locus, &mut times, sum);
        sum.zones.merge(times.zones);
        if times.has_ambiguous {
            sum.anomalies.note("ambiguous_time", Some(locus.record), || {
                "a local time that came twice or never, when the clock was set; it is none".to_owned()
            });
        }
        reason
    }
}

/// Takes one entry by its fields: the reason it is counted under.
fn take(value: &Value, locus: Locus, times: &mut Times<'_>, sum: &mut ExportSum) -> &'static str {
    if conversation::is_one(value) {
        let Some(read) = conversation::read(value, locus, times) else { return "bad_record" };
        sum.spans([read.start, read.end]);
        sum.exports.conversations.push(read);
        "conversation"
    } else if trace::is_one(value) {
        take_trace(value, locus, times, sum)
    } else if recording::is_one(value) {
        let Some(read) = recording::read(value, locus, times) else { return "bad_record" };
        sum.spans([read.times.map(|(start, _)| start), read.times.map(|(_, end)| end)]);
        sum.exports.recordings.push(read);
        "recording"
    } else if trunk::is_one(value) {
        take_trunk(value, locus, sum)
    } else {
        OTHER
    }
}

fn take_trunk(value: &Value, locus: Locus, sum: &mut ExportSum) -> &'static str {
    let Some(read) = trunk::read(value, locus) else { return "bad_record" };
    sum.exports.trunks.push(read);
    "trunk"
}

fn take_trace(value: &Value, locus: Locus, times: &mut Times<'_>, sum: &mut ExportSum) -> &'static str {
    let trace::Trace { traced, message } = trace::read(value, locus, times);
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
        if used.is_none() && !matches!(reason, "bad_record" | OTHER) {
            used = Some(reason);
        }
    }
    used.or(first).unwrap_or(OTHER)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::{Walk, sight};

    /// What a file of these bytes gives; `None` where it is no export.
    fn sum(bytes: &[u8]) -> Option<(Kind, ExportSum)> {
        let recognised = match sight(bytes) {
            Some(sight) => crate::platform::recognise(&sight),
            None => crate::platform::recognise_text(bytes),
        };
        let (kind, plan) = recognised?;
        let (taken, pieces) = Walk::new(&plan).cut(bytes, true);
        assert_eq!(taken, bytes.len());
        let zone = SourceZone::new(&crate::settings::Settings::default(), "a.json");
        let reader = ExportReader { source: SourceId(0), kind, zone, keeps_rejects: false, probe: None };
        let mut sum = reader.read(pieces.entries(bytes));
        sum.tally.merge(&pieces.tally);
        Some((kind, sum))
    }

    #[track_caller]
    fn check(text: &str, kind: Kind, tally: &[(&str, u64)]) -> ExportSum {
        let (found, sum) = sum(text.as_bytes()).expect("an export");
        assert_eq!((found, sum.tally.iter().collect::<Vec<_>>()), (kind, tally.to_vec()), "{text}");
        sum
    }

    const CONVERSATION: &str = r#"{"conversationId":"c1","conversationStart":"2026-03-02T10:00:00.000Z","conversationEnd":"2026-03-02T10:01:00.000Z","divisionIds":["d"],"participants":[{"purpose":"customer","attributes":{"pin":"hunter2"},"sessions":[{"mediaType":"voice","protocolCallId":"a@b","recording":true}]}]}"#;
    const TRACE: &str = r#"{"date":"2026-03-02T10:00:00.000Z","callid":"a@b","sourceIp":"192.0.2.1","sourcePort":"5060","destinationIp":"192.0.2.2","destinationPort":"5060","conversationId":"c1","msg":"BYE sip:1@h SIP/2.0\r\nCall-ID: a@b\r\n\r\n"}"#;
    const TRUNK: &str = r#"{"id":"t1","name":"SG1","trunkType":"EXTERNAL","trunkMetabase":{"id":"external_sip_pcv_byoc_carrier.json"},"properties":{"trunk_recording_enabled":{"value":{"instance":false}},"trunk_sip_authentication_credentials_password":{"value":{"instance":"hunter2"}}}}"#;
    const RECORDING: &str = r#"{"id":"r1","conversationId":"c1","media":"audio","fileState":"AVAILABLE","startTime":"2026-03-02T10:00:01.000Z","endTime":"2026-03-02T10:00:59.000Z","mediaUris":{"0":{"mediaUri":"https://h/hunter2"}}}"#;
    const SITE: &str = r#"{"id":"s1","name":"Site","mediaModel":"Cloud","edgeAutoUpdateConfig":{}}"#;
    const HCL: &str = "resource \"genesyscloud_telephony_providers_edges_trunkbasesettings\" \"a\" {\n  name = \"SG1\"\n  properties = jsonencode({ \"x\" = { \"value\" = { \"instance\" = [1, true, \"hunter2\"] } } })\n}\n";
    const FLOW: &str = "inboundCall:\n  name: Main\n  settingsSpeechRec:\n    suppressRecording: true\n";

    #[test]
    fn answers_of_the_api_are_read_in_every_layout() {
        let query = format!("{{\"conversations\": [{CONVERSATION}, {CONVERSATION}], \"totalHits\": 2}}");
        for text in [
            query.clone(),
            format!("[{CONVERSATION},{CONVERSATION}]"),
            format!("{CONVERSATION}\n{CONVERSATION}\n"),
            format!("{{\"conversations\":[{CONVERSATION}]}}\n{{\"conversations\":[{CONVERSATION}]}}\n"),
            format!("[{{\"conversations\":[{CONVERSATION},{CONVERSATION}]}}]"),
        ] {
            let sum = check(&text, Kind::ConversationDetails, &[("conversation", 2)]);
            assert_eq!(sum.first.map(Timestamp::rfc3339).as_deref(), Some("2026-03-02T10:00:00.000Z"));
            assert_eq!(sum.last.map(Timestamp::rfc3339).as_deref(), Some("2026-03-02T10:01:00.000Z"));
            assert_eq!(sum.exports.conversations.len(), 2);
        }
        check(CONVERSATION, Kind::ConversationDetails, &[("conversation", 1)]);
        check("{\"conversations\": [], \"totalHits\": 0}", Kind::ConversationDetails, &[("no_entries", 1)]);
        let traces = format!("{{\"status\":200,\"data\":[{TRACE}],\"count\":1}}");
        assert_eq!(check(&traces, Kind::SipTraces, &[("sip_trace", 1)]).messages.len(), 1);
        let entities = format!("{{\"entities\":[{SITE},{TRUNK}],\"pageSize\":25}}");
        check(&entities, Kind::Telephony, &[("export_other", 1), ("trunk", 1)]);
        check(&format!("[{RECORDING}]"), Kind::RecordingMetadata, &[("recording", 1)]);
        let terraform = format!(
            "{{\"resource\":{{\"genesyscloud_telephony_providers_edges_trunkbasesettings\":{{\"a\":{TRUNK}}},\"genesyscloud_flow\":{{\"b\":{{}}}}}}}}"
        );
        check(&terraform, Kind::Terraform, &[("export_other", 1), ("trunk", 1)]);
        let state = format!(
            "{{\"version\":4,\"terraform_version\":\"1.9.8\",\"resources\":[{{\"type\":\"genesyscloud_telephony_providers_edges_trunkbasesettings\",\"instances\":[{{\"attributes\":{TRUNK}}}]}}]}}"
        );
        check(&state, Kind::Terraform, &[("trunk", 1)]);
        check(HCL, Kind::Terraform, &[("trunk", 1)]);
        check(FLOW, Kind::CallFlow, &[("flow", 1)]);
    }

    #[test]
    fn what_cannot_be_read_is_counted_and_the_rest_stands() {
        let broken = CONVERSATION.replace("\"c1\"", "\"\\ud800\"");
        let text = format!("[{CONVERSATION},{broken},{CONVERSATION}]");
        let sum = check(&text, Kind::ConversationDetails, &[("bad_record", 1), ("conversation", 2)]);
        let (code, anomaly) = sum.anomalies.iter().next().expect("one");
        assert_eq!((code, anomaly.first_record), ("bad_record", Some(2)));
        assert_eq!(sum.exports.conversations.iter().map(|one| one.locus.record).collect::<Vec<_>>(), [1, 3]);
    }

    #[test]
    fn bent_exports_never_stop_the_reading_and_never_give_a_secret() {
        let seeds = [CONVERSATION, TRACE, TRUNK, RECORDING, SITE, HCL, FLOW].map(|text| format!("{text}\n{text}\n"));
        let mut state = 11_u64;
        let mut dice = |sides: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % sides
        };
        let mut read = 0;
        for round in 0..6_000 {
            let mut bytes = seeds[round % seeds.len()].clone().into_bytes();
            for _ in 0..=dice(5) {
                let place = dice(bytes.len());
                match dice(4) {
                    0 => bytes[place] ^= 1 << dice(8),
                    1 => bytes.truncate(place.max(1)),
                    2 => bytes.insert(place, b"{}[]\",:\\0-\n"[dice(11)]),
                    _ => drop(bytes.drain(place..(place + dice(9)).min(bytes.len()))),
                }
                if bytes.is_empty() {
                    bytes.push(b'{');
                }
            }
            let Some((_, sum)) = sum(&bytes) else { continue };
            read += 1;
            let known = |reason: &str| REASONS.iter().any(|(known, _)| *known == reason) || reason == "no_entries";
            assert!(sum.tally.iter().all(|(reason, _)| known(reason)), "{:?}", sum.tally);
            let kept = format!("{:?} {:?}", sum.exports, sum.anomalies);
            assert!(!kept.contains("hunter2"), "{kept}");
        }
        assert!(read > 2_000, "{read}");
    }
}
