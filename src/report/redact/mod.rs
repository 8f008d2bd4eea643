//! A report whose parties, numbers, addresses and identifiers are keyed pseudonyms: to hand over, and still to join.
//!
//! [`redact`] takes a report and a [`Key`] and replaces every text that names somebody, something or some place of the
//! site or of the evidence. What stays are the program's own words, the words of the standards and of the platform's
//! published API, times, counts, packet and line numbers, and the digests of the evidence, by which a report is held
//! against it. The kind of thing stays visible: `sip:user-…@host-….invalid`, a UUID for a UUID, an address of the
//! documentation range (RFC 3849) for an address. The same text gives the same pseudonym for the same key, in every format
//! and every run; without the key none can be recomputed.
//!
//! # Design
//!
//! A pseudonym is HMAC-SHA-256 (RFC 2104) over the kind of thing and the text, cut to 60 bits (64 for addresses, 122 for
//! UUIDs): among a million texts two that meet are less likely than one in a million. Kinds are told apart in what is
//! hashed, so that a number that is both a user and a Call-ID does not show it. The walk takes every field of every row by
//! name, so a new field does not compile until it is decided here. A sentence keeps apart what it names
//! ([`Sentence`](crate::sentence::Sentence)): that gets the pseudonym that the fields give it, and the program's own words
//! stay, whatever somebody is called.
//!
//! Keeps: no original survives; the schema holds; the same report and key give the same bytes.

mod key;
mod pseudonym;
mod rows;

pub use key::Key;
pub use rows::{names, redact};

/// The code of the notice that a redacted report carries.
pub const NOTICE: &str = "redacted";
