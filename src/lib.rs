//! sipconsent explains, on captured evidence, why recordings of calls on a BYOC trunk were refused or should never have
//! been served.
//!
//! [`audit`] reads captures and API access logs, follows every call, ties the consent that its signalling carried to the
//! media that flowed and to what the recording API answered afterwards, and gives a [`Report`](report::model::Report).
//!
//! # The code map
//!
//! The folders are the stages of the data path, and imports go down this list only:
//!
//! | stage | folder | turns | into |
//! |---|---|---|---|
//! | | [`cli`] | arguments and streams | an exit status |
//! | | [`carve`] | chosen calls | a small folder of evidence that gives the same verdicts |
//! | | [`pipeline`] | sources | a report: the only module that knows every stage |
//! | 8 | [`report`] | conclusions | rows, and rows into bytes for people and programs |
//! | 7 | [`diagnosis`] | verdicts and refusals | hypotheses weighed for each trunk |
//! | 6 | [`verdict`] | legs | consent over time, measured media, verdicts with grounds |
//! | 5 | [`call`] | facts | legs, calls, and requests bound to them |
//! | 4 | [`facts`] | messages, flows, records | facts: the narrow waist |
//! | 3 | [`sip`], [`sdp`], [`rtp`] | payloads | messages, descriptions, flows |
//! | 2 | [`net`] | frames | payloads |
//! | 1 | [`capture`] | bytes of a capture | frames |
//! | 1–3 | [`access_log`] | bytes of a log | API requests |
//! | 1–3 | [`platform`] | entries of the platform's exports | conversations, recordings, trunks, traced messages |
//! | 1 | [`document`] | bytes of a document | entries |
//! | | [`settings`] | a configuration | validated data |
//! | 0 | [`evidence`], [`http`], [`few`], [`sentence`] | | the words all stages share, a list for what is mostly one, and sentences that name something |
//!
//! # What always holds
//!
//! - **Same evidence, same bytes.** No step depends on the number of threads, the order of the arguments or a clock.
//! - **Nothing vanishes.** Every record is used, or set aside and counted under a reason; the tallies add up.
//! - **Nothing fails on bytes.** Evidence gives values and counted anomalies; only opening, reading, settings and writing
//!   can fail.
//! - **Absence is its own verdict.** What was cut, lost or never captured is `unknown`, never `missing`.
//! - **Every claim has a locus.** A verdict points at packets and lines.
//! - **The library is silent.** It prints nothing, exits never, reads no clock and no environment.

pub mod access_log;
pub mod call;
pub mod capture;
pub mod carve;
pub mod cli;
pub mod diagnosis;
pub mod document;
pub mod error;
pub mod evidence;
pub mod facts;
pub mod few;
pub mod http;
pub mod net;
pub mod pipeline;
pub mod platform;
#[cfg(test)]
mod random;
pub mod report;
pub mod rtp;
mod scan;
pub mod sdp;
pub mod sentence;
pub mod settings;
pub mod sip;
pub mod verdict;

pub use error::Error;
pub use pipeline::{Audit, audit};
pub use settings::Settings;
