//! STAGE 3a: bytes of a session description (RFC 8866) into its media descriptions.

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
