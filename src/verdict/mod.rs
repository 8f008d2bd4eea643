//! STAGE 6: legs into verdicts: what consent held while media flowed, what the API answered, and on what that rests.
//!
//! [`consent`] reads the ledger of a leg into a timeline; [`measure`] splits the streams' seconds by it; [`judge`]
//! takes the first row of contract §4 that fits. Every verdict has grounds that point into the evidence, and every
//! ground says what was seen together, never that one thing caused another.

pub mod consent;
mod ground;
mod judge;
mod measure;

pub use consent::{Consent, State};
pub use ground::Ground;
pub use judge::{BoundRequest, Verdict, brief, is_without_media, judge};
pub use measure::{ByState, Measured, Source, StreamTime, Unconsented, measure};
