//! STAGE 4, the narrow waist: everything below ends in these facts, everything above starts from them.
//!
//! A fact is one statement that the evidence makes, with its time and its locus, and no inference. Signalling facts
//! lie in a [`SignallingBatch`], one arena for each block of a capture; media facts are [`MediaFlow`]s; the API side's
//! are [`ApiRequest`]s; what the platform's own exports state are [`Exports`]. Readers of another kind of evidence end here too.

mod api;
pub mod extract;
mod media;
mod platform;
mod signalling;
#[cfg(test)]
mod vectors;

pub use api::{Answered, Answerer, ApiRequest, Audience, BatchError, ErrorParam, KnownBy, Name, NameKind, Place};
pub use media::{FlowKey, MediaFlow, Run};
pub use platform::{
    CallFlow, Conversation, Exports, FlowName, InventoryKind, Recording, Traced, TracedMessage, TrunkSettings,
};
pub use signalling::{
    Body, CSeq, Draft, Hop, MediaDescription, Method, Row, Signalling, SignallingBatch, StartLine, Subject, Transport,
};
