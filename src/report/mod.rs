//! STAGE 8: what was concluded, as bytes for people and programs.
//!
//! [`model`] is the report, ready to write; [`html`], [`json`], [`ndjson`], [`csv`] and [`text`] (which is Markdown too) render it. Its
//! [`calls`] are held, or made while it is written. Renderers are pure: they take a report and options and give bytes. Only [`mod@write`] touches the disk, and [`rejects`] reads from where the evidence's readers
//! spooled what they set aside. Text from evidence reaches a reader only through
//! [`escape`].

pub mod build;
pub mod calls;
pub mod csv;
pub mod escape;
pub mod html;
pub mod json;
pub mod messages;
pub mod model;
pub mod ndjson;
pub mod own;
pub mod proposal;
pub mod redact;
pub mod rejects;
pub mod requests;
pub mod rows;
#[cfg(test)]
pub(crate) mod sample;
pub mod schema;
pub mod show;
pub mod text;
mod words;
pub mod write;
