//! STAGE 1d: bytes of a document to its entries, one by one.
//!
//! A document is evidence that is one text rather than lines: a JSON array or object of any size, several of them behind
//! one another, or a text that is read whole. [`sight`] shows what the head of a file holds, so that the branches can
//! say which values are entries ([`Pattern`]), and a [`Probe`] those at places that the head does not show; [`Walk`] cuts those out block by block, without ever holding more than
//! one entry of at most [`ENTRY_BYTES`]. Knows no format: `access_log` and `platform` read the entries. Called by
//! [`crate::pipeline`].
//!
//! Keeps: every entry is given once, or counted as damaged or too long; entries before and behind damage are given. The
//! entries do not depend on where blocks end.

mod json;
mod pattern;
mod resume;
mod sight;
mod text;
mod walk;

#[cfg(test)]
mod tests;

pub use json::JsonWalk;
pub use pattern::Pattern;
pub use sight::{Candidate, Sample, Sight, sight, wide_sight};
pub use text::{Marker, TextWalk};
pub use walk::{ENTRY_BYTES, Entry, Found, Frame, NESTED, OTHER_KIND, Pieces, Plan, Probe, Walk};
