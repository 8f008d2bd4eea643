//! STAGES 1b to 3b: bytes of an access log to [`ApiRequest`](crate::facts::ApiRequest)s.
//!
//! Lines ([`mod@line`]) are records of the common or combined log format ([`combined`]), of load balancers and proxies
//! ([`balancer`]), JSON objects ([`json`]), `key=value` pairs ([`logfmt`]) or rows of a table ([`columns`]), each also
//! behind what a log shipper wrote ([`prefix`]). Fields with names are matched by one table ([`fields`]). A target is
//! judged by its path ([`target`]), unless one like it was before ([`alike`]); times keep their digits and say where their zone came from ([`time`]); proxies' words
//! tell who answered ([`answer`]). [`LogReader`] puts them together for one block of lines and adds blocks up to a
//! [`LogSum`], [`recognise`] tells a log by its first bytes. Called by [`crate::pipeline`].
//!
//! Keeps: every line that is not blank is counted under exactly one reason, and no bytes make it fail. What a line gives
//! depends on that line alone, and for a row on the last header before it.
//!
//! # Design
//!
//! Nine lines in ten are about no recording, and still each is read far enough to know that it is a request, when it
//! was, and that its path has none of the segments in question: searching for words first would save little, for JSON
//! records are not parsed one by one but fitted to the shape of the ones before ([`shape`]). So no line is set aside
//! unread, and the counts are those of a full parse.

mod alike;
mod answer;
mod balancer;
mod batch;
mod body;
mod columns;
mod combined;
mod document;
mod exchange;
mod fields;
mod format;
mod json;
mod line;
mod logfmt;
#[cfg(test)]
mod noise;
mod prefix;
#[cfg(test)]
mod proof;
mod scan;
mod sdk;
mod shape;
mod stream;
mod target;
mod time;

pub use batch::{LogReader, LogSum};
pub use document::{is_request, recognise as recognise_document, recognise_text, requests, requests_in};
pub use format::{Format, recognise, requests_among};
pub use line::{LINE_BYTES, Part, Walk};
