//! Which export a document is, by the keys of its values.

use crate::document::{Candidate, Pattern, Plan, Sample, Sight};

/// What an export holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Conversations with participants and sessions, from analytics.
    ConversationDetails,
    /// SIP messages of the platform's trace, as its search gives them.
    SipTraces,
    /// Trunk base settings, trunks or sites.
    Telephony,
    /// A Terraform export in JSON.
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
    if let Some(top) = sight.top()
        && top.has(&["resource"])
        && memchr::memmem::find(top.bytes, b"\"genesyscloud_").is_some()
    {
        return Some((Kind::Terraform, Plan::Json(vec![Pattern::new("resource.*.*")])));
    }
    let kind = |candidate: &Candidate<'_>| {
        let kind = candidate.samples.iter().find_map(of).or_else(|| of_path(candidate))?;
        Some((kind, Plan::Json(vec![candidate.pattern.clone()])))
    };
    sight.candidates.iter().find_map(kind)
}

/// What an entry is by its keys.
fn of(sample: &Sample<'_>) -> Option<Kind> {
    let has = |keys: &[&str]| sample.has(keys);
    if has(&["conversationId", "participants"]) {
        Some(Kind::ConversationDetails)
    } else if (has(&["callid"]) || has(&["callId"])) && (has(&["msg"]) || has(&["sourceIp"]) || has(&["source_ip"])) {
        Some(Kind::SipTraces)
    } else if has(&["trunkMetabase"]) || has(&["trunkBase"]) || has(&["trunkType"]) || has(&["edgeAutoUpdateConfig"]) {
        Some(Kind::Telephony)
    } else if has(&["conversationId", "media"]) && (has(&["fileState"]) || has(&["mediaUris"]) || has(&["path"])) {
        Some(Kind::RecordingMetadata)
    } else {
        None
    }
}

/// What an array is whose elements say nothing, or that is empty.
fn of_path(candidate: &Candidate<'_>) -> Option<Kind> {
    (candidate.samples.is_empty() && candidate.pattern == Pattern::new("conversations[]"))
        .then_some(Kind::ConversationDetails)
}

/// The export that is no JSON and begins with `head`.
#[must_use]
pub fn recognise_text(head: &[u8]) -> Option<(Kind, Plan)> {
    let key = |line: &[u8]| {
        let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
        let key = line.trim_ascii_end().strip_suffix(b":").unwrap_or_default();
        matches!(
            key,
            b"inboundCall" | b"outboundCall" | b"inqueueCall" | b"commonModule" | b"secureCall" | b"voicemail"
        )
    };
    let mut lines = head.split(|byte| *byte == b'\n').filter(|line| {
        let line = line.trim_ascii();
        !line.is_empty() && !line.starts_with(b"#") && line != b"---"
    });
    lines.next().is_some_and(key).then_some((Kind::CallFlow, Plan::Whole))
}
