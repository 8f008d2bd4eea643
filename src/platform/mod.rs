//! STAGES 1c to 3c: entries of the platform's own exports to facts.
//!
//! What an export is, is told by its content ([`recognise`], [`recognise_text`]); its entries come from
//! [`crate::document`] one by one and are read by an [`ExportReader`], on any thread; [`ExportSum`]s add up in the order
//! of the document. An entry is a conversation ([`conversation`]), a SIP trace record ([`trace`]), a trunk ([`trunk`]) or a
//! recording ([`recording`]); flows ([`flow`]) and Terraform's language ([`terraform`]) are texts of their own. Called by
//! [`crate::pipeline`].
//!
//! Field names are those of the platform's SDK models, compared without regard to case, `_` and `-`: its Python client
//! writes the same fields with underscores. One vendor's names stand in this folder and nowhere else below `facts`.
//!
//! Keeps: every entry is counted under exactly one reason, and no bytes make it fail. What an export holds beyond the
//! fields named here goes no further, so no secret of one reaches a report.

mod conversation;
mod export;
mod flow;
mod json;
mod kind;
mod recording;
mod terraform;
mod time;
mod trace;
mod trunk;

pub use export::{ExportReader, ExportSum, REASONS};
pub use kind::{Kind, is_entry, recognise, recognise_text};
