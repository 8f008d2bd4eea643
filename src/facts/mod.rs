//! STAGE 4, the narrow waist: everything below ends in these facts, everything above starts from them.
//!
//! A fact is one statement that the evidence makes, with its time and its locus, and no inference. Signalling facts
//! lie in a [`Store`] by Call-ID; media facts are [`MediaFlow`]s; the API side's
//! are [`ApiRequest`]s; what the platform's own exports state are [`Exports`]. Readers of another kind of evidence end here too.

mod api;
mod batch;
mod bytes;
mod digits;
pub mod extract;
mod forms;
mod media;
mod platform;
mod reading;
mod signalling;
mod store;
mod strand;
mod texts;
#[cfg(test)]
mod vectors;
mod written;

pub use api::{
    Answered, Answerer, ApiRequest, Audience, BatchError, ErrorParam, KnownBy, More, Name, NameKind, Place,
    distinct_names,
};
pub use batch::SignallingBatch;
pub(crate) use digits::is_uuid;
pub use media::{FlowKey, MediaFlow, MediaFlows, Run};
pub use platform::{
    CallFlow, Conversation, Exports, FlowName, InventoryKind, Recording, Traced, TracedMessage, TrunkSettings,
};
pub use signalling::{Body, CSeq, Hop, MediaDescription, Method, Row, Signalling, StartLine, Subject, Transport};
pub use store::{CallIds, Chosen, Parts, Places, Shelves, Store};
pub use strand::{Call, Shelf};
pub(crate) use texts::Packer;
pub use texts::{Room, Texts};
