//! STAGE 3a: bytes of a session description (RFC 8866) into its media descriptions.
//!
//! Follows RFC 8866 for lines, `c=`, `m=`, `a=rtpmap` and the direction attributes, RFC 3551 §6 for the payload types
//! that need no `a=rtpmap`. Other attributes are shown by name where one is asked for. Called by `facts` with the bytes that `sip` found; knows nothing of offer and answer.
//!
//! Keeps: an `m=` line that can be told from other lines starts a section and ends the one before it, however it goes
//! on. Tolerance applies to the inside of a section, never to its boundaries. Linear time.
//!
//! # Incomplete support
//!
//! Only what names streams, addresses, formats and directions is read; `o=`, `t=`, `b=`, keys, ICE candidates, groups and
//! bundles are passed over, so a stream that ICE or `a=rtcp` moves elsewhere keeps the address and port of its `m=`.

mod attribute;
mod media;

pub use attribute::{Attribute, MAX_ATTRIBUTES, attributes};
pub use media::{MAX_CODEC_BYTES, MAX_FORMATS, MAX_SECTIONS, Media, Reader, whole_lines};

/// What a media description says of the direction of its media (RFC 3264 §5.1, RFC 8866 §6.7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the names are the attributes' own")]
pub enum Direction {
    Inactive,
    RecvOnly,
    SendOnly,
    #[default]
    SendRecv,
}

impl Direction {
    /// The attribute's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Inactive => "inactive",
            Self::RecvOnly => "recvonly",
            Self::SendOnly => "sendonly",
            Self::SendRecv => "sendrecv",
        }
    }
}
