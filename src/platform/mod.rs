//! STAGES 1e to 3e: entries of the platform's own exports to what the platform states.
//!
//! What an export is, is told by its content ([`recognise`], [`recognise_text`]); its entries come from
//! [`crate::document`] one by one and are read by an [`ExportReader`], on any thread; [`ExportSum`]s add up in the order
//! of the document. Called by [`crate::pipeline`].
//!
//! Keeps: every entry is counted under exactly one reason, and no bytes make it fail. Secrets of an export are never
//! kept.

mod export;
mod kind;

pub use export::{ExportReader, ExportSum};
pub use kind::{Kind, recognise, recognise_text};
