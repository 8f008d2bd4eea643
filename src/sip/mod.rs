//! STAGE 3a: bytes that one endpoint sent another into a SIP message: start line, header field rows, body.
//!
//! Follows RFC 3261 §7 and §25 as far as reading asks, and reads on where a sender does not. Every decoder here borrows
//! from the payload; only a folded value is copied. `facts` decides which fields matter. Session descriptions are
//! bytes to this stage.
//!
//! Keeps: no byte sequence panics, loops or costs more than linear time; a row that was not captured whole is never
//! shown; a row that cannot be read never hides the rows behind it.

pub mod address;
pub mod body;
pub mod framing;
mod header;
mod names;
pub mod recording;
mod start_line;
pub mod uri;
pub mod user_to_user;

pub use header::{
    EMPTY_LINE, Header, HeaderEnd, Line, MAX_HEADER_BYTES, MAX_ROWS, Plain, Raw, Row, compact, long_form,
};
pub use names::{Met, Names};
pub use start_line::{Message, StartLine, could_start, looks_like_sip};

/// Whether the capture holds all bytes that were sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Extent {
    /// The capture cut the bytes off (snapshot length, a lost part).
    Cut,
    /// All bytes are there.
    Whole,
}
