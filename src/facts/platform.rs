//! What the platform's own exports state of its conversations, recordings, trunks and flows.
//!
//! Only what a later stage asks for is kept. Passwords, credentials, signed URIs and whatever else an export holds never
//! come this far.

use crate::evidence::{Locus, Timestamp};

use super::{Hop, Transport};

/// What the exports among the evidence state, in the order of the evidence.
#[derive(Clone, Debug, Default)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Exports {
    pub conversations: Vec<Conversation>,
    pub recordings: Vec<Recording>,
    pub trunks: Vec<TrunkSettings>,
    pub flows: Vec<CallFlow>,
    /// Call-IDs that SIP trace records tie to a conversation.
    pub traced: Vec<Traced>,
}

impl Exports {
    /// Adds those of a later part of the evidence.
    pub fn append(&mut self, mut later: Self) {
        self.conversations.append(&mut later.conversations);
        self.recordings.append(&mut later.recordings);
        self.trunks.append(&mut later.trunks);
        self.flows.append(&mut later.flows);
        self.traced.append(&mut later.traced);
    }
}

/// One conversation of the analytics conversation details.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conversation {
    /// Its entry.
    pub locus: Locus,
    /// Its id.
    pub id: Box<[u8]>,
    /// When it began, as written.
    pub start: Option<Timestamp>,
    /// When it ended; `None` also while it goes on.
    pub end: Option<Timestamp>,
    /// The Call-IDs of its voice sessions (`protocolCallId`), sorted, each once; so are the lists below.
    pub call_ids: Vec<Box<[u8]>>,
    /// The divisions it belongs to; empty where the export does not say.
    pub divisions: Vec<Box<[u8]>>,
    /// The queues of its segments.
    pub queues: Vec<Box<[u8]>>,
    /// The users that took part.
    pub agents: Vec<Box<[u8]>>,
    /// The flows that it entered.
    pub flows: Vec<FlowName>,
    /// Whether a voice session was recorded: `true` if one says so, `false` if one says it was not and none that it was, or
    /// that nobody knows.
    pub recorded: Option<bool>,
    /// Whether the customer's voice session is shown with its segments, and none that leaves open whether it was recorded:
    /// a recording would be said there.
    pub shows_customer: bool,
    /// Whether some session is shown with its segments: a queue or an agent would be named there.
    pub shows_segments: bool,
}

/// How a conversation names a flow.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names say it")]
pub struct FlowName {
    pub id: Option<Box<[u8]>>,
    pub name: Option<Box<[u8]>>,
}

/// One recording, or its metadata.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recording {
    /// Its entry.
    pub locus: Locus,
    /// Its id.
    pub id: Box<[u8]>,
    /// The conversation it is of.
    pub conversation: Box<[u8]>,
    /// Whether it is of the call's audio rather than of a screen, a chat or a message.
    pub audio: bool,
    /// When it began and ended, where both are written.
    pub times: Option<(Timestamp, Timestamp)>,
}

/// A trunk of the platform's inventory: its base settings, or one of its instances.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrunkSettings {
    /// Its entry.
    pub locus: Locus,
    /// Its id; `None` where the export does not name it.
    pub id: Option<Box<[u8]>>,
    /// Its name.
    pub name: Option<Box<[u8]>>,
    /// The id of the base settings that an instance is made of.
    pub base: Option<Box<[u8]>>,
    /// What kind of trunk the export says it is.
    pub kind: InventoryKind,
    /// Whether it is in use: neither inactive nor deleted nor disabled.
    pub active: bool,
    /// Whether line recording is on (`trunk_recording_enabled`).
    pub recording: Option<bool>,
    /// Whether recording waits for the caller's consent (`trunk_recording_consent_required`).
    pub consent_required: Option<bool>,
    /// Whether every registration that the instance states succeeded (`registersStatus`).
    pub registered: Option<bool>,
    /// Whether every OPTIONS probe that the instance states was answered (`optionsStatus`).
    pub options_answered: Option<bool>,
}

/// What an inventory says a trunk is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum InventoryKind {
    /// An external trunk that the customer's carrier brings.
    Byoc,
    /// Any other external trunk.
    External,
    /// A trunk of phones or between edges, which no caller's leg crosses.
    Internal,
    /// The export does not say.
    Unsaid,
}

/// One exported flow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallFlow {
    /// Its entry.
    pub locus: Locus,
    /// Its name.
    pub name: Box<[u8]>,
    /// Whether it is an inbound call flow.
    pub inbound: bool,
    /// `suppressRecording`; `None` where the flow does not set it.
    pub suppresses: Option<bool>,
    /// Whether it has an Enable Participant Recording action.
    pub enables: bool,
}

/// A Call-ID that a SIP trace record ties to a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Traced {
    pub locus: Locus,
    pub call_id: Box<[u8]>,
    pub conversation: Box<[u8]>,
}

/// The SIP message of a trace record, as the platform's probe saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TracedMessage {
    /// When it was seen.
    pub at: Timestamp,
    /// Its entry.
    pub locus: Locus,
    /// Where it went from and to.
    pub hop: Hop,
    /// The transport it came by.
    pub transport: Transport,
    /// The message.
    pub bytes: Box<[u8]>,
    /// Whether it is known to be cut.
    pub truncated: bool,
}
