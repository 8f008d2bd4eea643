//! Which export a document is, by the keys of its values.

use crate::document::{Candidate, Pattern, Plan, Sample, Sight};

use super::{flow, terraform, trace};

/// What an export holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Conversations with participants and sessions, from analytics.
    ConversationDetails,
    /// SIP messages of the platform's trace, as its search gives them.
    SipTraces,
    /// Trunk base settings, trunks or sites.
    Telephony,
    /// A Terraform export or state, in JSON or in Terraform's own language.
    Terraform,
    /// An Architect flow in YAML.
    CallFlow,
    /// Recordings or their metadata.
    RecordingMetadata,
}

impl Kind {
    /// The word the report uses.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ConversationDetails => "conversation_details",
            Self::SipTraces => "sip_traces",
            Self::Telephony => "telephony_settings",
            Self::Terraform => "terraform",
            Self::CallFlow => "call_flow",
            Self::RecordingMetadata => "recording_metadata",
        }
    }
}

/// The export that begins as `sight` says, and where its entries stand.
#[must_use]
pub fn recognise(sight: &Sight<'_>) -> Option<(Kind, Plan)> {
    if let Some(top) = sight.top() {
        let platforms = || memchr::memmem::find(top.bytes, b"\"genesyscloud_").is_some();
        let pattern = if top.has(&["resource"]) && platforms() {
            Some("resource.*.*")
        } else if top.has(&["terraform_version"]) && (top.has(&["resources"]) || platforms()) {
            Some("resources[]")
        } else {
            None
        };
        if let Some(pattern) = pattern {
            return Some((Kind::Terraform, Plan::json(vec![Pattern::new(pattern)])));
        }
    }
    let kind = |candidate: &Candidate<'_>| {
        let kind = candidate.samples.iter().find_map(of).or_else(|| of_path(candidate))?;
        let pattern = candidate.place(is_entry).unwrap_or_else(|| candidate.pattern.clone());
        Some((kind, Plan::json(vec![pattern])))
    };
    // A list says more clearly what its elements are than an object does of its members.
    let [listed, keyed] =
        [false, true].map(|is_keyed| sight.candidates.iter().filter(move |candidate| candidate.is_keyed() == is_keyed));
    listed.chain(keyed).find_map(kind)
}

/// What an entry is by its keys.
fn of(sample: &Sample<'_>) -> Option<Kind> {
    // Names are compared as the readers do.
    let fold = |name: &[u8]| -> Vec<u8> {
        name.iter().filter(|byte| !matches!(byte, b'_' | b'-')).map(u8::to_ascii_lowercase).collect()
    };
    let keys: Vec<Vec<u8>> = sample.keys.iter().map(|key| fold(key)).collect();
    let has = |name: &str| keys.iter().any(|key| key == name.as_bytes());
    let any = |names: &[&str]| names.iter().any(|name| has(name));
    if has("conversationid") && has("participants") {
        Some(Kind::ConversationDetails)
    } else if is_trace(has, sample) {
        Some(Kind::SipTraces)
    } else if any(&["trunkmetabase", "trunkmetabaseid", "trunkbase", "trunktype", "edgeautoupdateconfig", "mediamodel"])
    {
        Some(Kind::Telephony)
    } else if has("conversationid")
        && has("id")
        && any(&["mediasubtype", "filestate", "mediauris", "recordingfilerole", "originalrecordingstarttime"])
    {
        Some(Kind::RecordingMetadata)
    } else {
        None
    }
}

/// Whether it is a trace record: a message of SIP or the addresses that it went between, or the Call-ID with names that
/// only a trace has. Programs write a Call-ID and a message of their own into their logs.
fn is_trace(has: impl Fn(&str) -> bool, sample: &Sample<'_>) -> bool {
    let any = |names: &[&str]| names.iter().any(|name| has(name));
    let named = any(&["callid", "sid"]);
    let addressed = any(&["sourceip", "srcip"]) && any(&["destinationip", "dstip"]);
    let speaks_sip = || has("msg") && memchr::memmem::find(sample.bytes, b"SIP/2.0").is_some();
    (named || any(&["sourceip"])) && speaks_sip()
        || (named || has("msg")) && addressed
        || has("callid") && has("conversationid") && any(&trace::MARKS)
}

/// What an array is whose elements say nothing, or that is empty.
fn of_path(candidate: &Candidate<'_>) -> Option<Kind> {
    (candidate.samples.is_empty() && candidate.pattern == Pattern::new("conversations[]"))
        .then_some(Kind::ConversationDetails)
}

/// Whether it is an entry of an export, as far as it tells without what is inside its members.
#[must_use]
pub fn is_entry(sample: &Sample<'_>) -> bool {
    of(sample).is_some()
}

/// The export that is no JSON and begins with `head`.
#[must_use]
pub fn recognise_text(head: &[u8]) -> Option<(Kind, Plan)> {
    if flow::begins(head) {
        return Some((Kind::CallFlow, Plan::Whole));
    }
    terraform::holds_trunks(head).then_some((Kind::Terraform, Plan::Whole))
}
