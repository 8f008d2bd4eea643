//! What one SIP message states, as far as any later stage asks.
//!
//! Follows RFC 3261 for the header fields and RFC 8866 for the session description. [`Signalling`] is a view of a message
//! that lies in a [`SignallingBatch`](super::SignallingBatch).

use std::net::SocketAddr;

use super::written::{Media, Rows};
use crate::evidence::{Locus, Timestamp};

/// A SIP method (RFC 3261 §7.1; names are case-sensitive).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the names are the standards' own")]
pub enum Method {
    Ack,
    Bye,
    Cancel,
    Info,
    Invite,
    Message,
    Notify,
    Options,
    Prack,
    Publish,
    Refer,
    Register,
    Subscribe,
    Update,
    /// An extension method.
    Other,
}

impl Method {
    /// All methods, in their order.
    pub const ALL: [Self; 15] = [
        Self::Ack,
        Self::Bye,
        Self::Cancel,
        Self::Info,
        Self::Invite,
        Self::Message,
        Self::Notify,
        Self::Options,
        Self::Prack,
        Self::Publish,
        Self::Refer,
        Self::Register,
        Self::Subscribe,
        Self::Update,
        Self::Other,
    ];

    /// The method of a token, compared case-sensitively.
    #[must_use]
    pub fn of(token: &[u8]) -> Self {
        match token {
            b"ACK" => Self::Ack,
            b"BYE" => Self::Bye,
            b"CANCEL" => Self::Cancel,
            b"INFO" => Self::Info,
            b"INVITE" => Self::Invite,
            b"MESSAGE" => Self::Message,
            b"NOTIFY" => Self::Notify,
            b"OPTIONS" => Self::Options,
            b"PRACK" => Self::Prack,
            b"PUBLISH" => Self::Publish,
            b"REFER" => Self::Refer,
            b"REGISTER" => Self::Register,
            b"SUBSCRIBE" => Self::Subscribe,
            b"UPDATE" => Self::Update,
            _ => Self::Other,
        }
    }

    /// The token, upper case as the standards write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ack => "ACK",
            Self::Bye => "BYE",
            Self::Cancel => "CANCEL",
            Self::Info => "INFO",
            Self::Invite => "INVITE",
            Self::Message => "MESSAGE",
            Self::Notify => "NOTIFY",
            Self::Options => "OPTIONS",
            Self::Prack => "PRACK",
            Self::Publish => "PUBLISH",
            Self::Refer => "REFER",
            Self::Register => "REGISTER",
            Self::Subscribe => "SUBSCRIBE",
            Self::Update => "UPDATE",
            Self::Other => "other",
        }
    }
}

/// The transport a message came by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Transport {
    Tcp,
    Udp,
    WebSocket,
}

impl Transport {
    /// The word the report uses.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::WebSocket => "websocket",
        }
    }
}

/// The two addresses a message went between.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Hop {
    pub source: SocketAddr,
    pub destination: SocketAddr,
}

/// The start line (RFC 3261 §7.1, §7.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum StartLine<'a> {
    /// A request line.
    Request {
        /// Its method.
        method: Method,
        /// The Request-URI as written.
        uri: &'a [u8],
    },
    /// A status line with its status code, 100 to 699.
    Response(u16),
}

/// The CSeq field (RFC 3261 §20.16).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub struct CSeq {
    pub number: u32,
    pub method: Method,
}

/// What a header field row is kept for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// An attribute of the session description that a consent rule names, from the media description of that number; 0 for
    /// the session's own. No header field row.
    Attribute(u16),
    /// The consent rule of that index in the settings names this field.
    Consent(u16),
    /// The identity header of that index in the settings: its value names the conversation.
    Conversation(u16),
    /// No row: the start line and header section as captured, where [`Keep`](super::extract::Keep) asks for them.
    Head,
    /// Join (RFC 3911).
    Join,
    /// Refer-To (RFC 3515), which may carry Replaces.
    ReferTo,
    /// Referred-By (RFC 3892).
    ReferredBy,
    /// Replaces (RFC 3891).
    Replaces,
    /// A Route value's URI (RFC 3261 §20.34).
    Route,
    /// Session-ID (RFC 7989), the value as written.
    SessionId,
    /// The option tag `record-aware` (RFC 7866 §4) of Supported or Require.
    RecordAware,
    /// An identifier of a communication session that a recording session's metadata carries; its name says what it stands
    /// in. No header field row.
    Recorded,
    /// `a=record` or `a=recordpref` (RFC 7866 §9), like [`Attribute`](Self::Attribute), where no consent rule names it.
    RecordingAttribute(u16),
    /// A sign of a SIPREC recording session (RFC 7866): `Require: siprec`, a `+sip.src` Contact, rs-metadata in the body.
    RecordingSession,
    /// Target-Dialog (RFC 4538).
    TargetDialog,
}

/// One kept header field row, unfolded, blanks around the value taken off; or what else [`Subject`] keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Row<'a> {
    pub subject: Subject,
    /// The field name as written.
    pub name: &'a [u8],
    pub value: &'a [u8],
}

/// How much of the body was captured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Body {
    /// The message has none.
    Absent,
    /// Cut: descriptions read from it may not be all.
    Cut,
    /// Whole.
    Whole,
}

/// One media description (`m=` section, RFC 8866 §5.14) of an offer or answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MediaDescription<'a> {
    /// The media type, such as `audio`.
    pub media: &'a [u8],
    /// The transport port; 0 rejects the stream (RFC 3264 §6). `None` where it is no number below 65,536: the stream was
    /// offered, and nobody can say where it goes.
    pub port: Option<u16>,
    /// The connection address that holds for this section, as written: an address or a host name; empty where none stands.
    pub address: &'a [u8],
    /// The formats' names, such as `PCMU/8000`, separated by one blank, in their order.
    pub codecs: &'a [u8],
    /// What `a=sendrecv`, `sendonly`, `recvonly` or `inactive` says for this section.
    pub direction: crate::sdp::Direction,
}

/// The facts of one SIP message.
#[derive(Clone, Copy, Debug)]
pub struct Signalling<'a> {
    /// When its first byte was captured.
    pub at: Timestamp,
    /// The packet that completed it.
    pub locus: Locus,
    /// Where it went from and to.
    pub hop: Hop,
    /// The transport it came by.
    pub transport: Transport,
    /// Its start line.
    pub start: StartLine<'a>,
    /// Whether the whole header section was captured. Only then is a field that was not seen absent.
    pub header_whole: bool,
    /// How much of the body was captured.
    pub body: Body,
    /// Call-ID, byte by byte. Messages without one are no facts; they are tallied.
    pub call_id: &'a [u8],
    /// CSeq, if it was readable.
    pub cseq: Option<CSeq>,
    /// The tag of From.
    pub from_tag: Option<&'a [u8]>,
    /// The tag of To.
    pub to_tag: Option<&'a [u8]>,
    /// The URI of From as written; empty where unreadable.
    pub from_uri: &'a [u8],
    /// The URI of To as written; empty where unreadable.
    pub to_uri: &'a [u8],
    /// The URI of the first Contact as written; empty where there is none.
    pub contact_uri: &'a [u8],
    /// The sent-by host of the top Via, without port; empty where there is none.
    pub via_host: &'a [u8],
    /// The branch parameter of the top Via.
    pub branch: Option<&'a [u8]>,
    /// A digest of the message's bytes as captured: equal for a copy, other for another message.
    pub fingerprint: u64,
    pub(super) written: Written<'a>,
}

impl<'a> Signalling<'a> {
    /// The kept header field rows, in wire order.
    pub fn rows(&self) -> impl Iterator<Item = Row<'a>> + use<'a> {
        Rows::of(self.written.rows)
    }

    /// What the kept rows are kept for, in wire order.
    pub fn subjects(&self) -> impl Iterator<Item = Subject> + use<'a> {
        self.rows().map(|row| row.subject)
    }

    /// The start line and header section as captured; `None` unless they were asked for.
    #[must_use]
    pub fn head(&self) -> Option<&'a [u8]> {
        self.rows().find(|row| row.subject == Subject::Head).map(|row| row.value)
    }

    /// The media descriptions of the session description, in order; `None` when the message carries no description.
    #[must_use]
    pub fn media(&self) -> Option<impl ExactSizeIterator<Item = MediaDescription<'a>> + use<'a>> {
        self.written.media.map(Media::of)
    }

    /// How many media descriptions the session description has; `None` when the message carries none.
    #[must_use]
    pub fn sections(&self) -> Option<usize> {
        self.media().map(|media| media.len())
    }

    /// The method a request has or a response answers; `None` for a response without a readable CSeq.
    #[must_use]
    pub fn method(&self) -> Option<Method> {
        match self.start {
            StartLine::Request { method, .. } => Some(method),
            StartLine::Response(_) => self.cseq.map(|cseq| cseq.method),
        }
    }
}

/// Rows and media descriptions as they are [written](super::written).
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Written<'a> {
    pub(super) rows: &'a [u8],
    pub(super) media: Option<&'a [u8]>,
}

impl Hop {
    /// Stands for a hop that is not known.
    pub(super) const NOWHERE: Self = {
        let nowhere = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), 0);
        Self { source: nowhere, destination: nowhere }
    };
}

impl<'a> Signalling<'a> {
    /// A message with nothing read yet but where and when it was; decoders fill in the rest before pushing it.
    #[must_use]
    pub fn bare(at: Timestamp, locus: Locus, hop: Hop, start: StartLine<'a>) -> Self {
        Self {
            at,
            locus,
            hop,
            transport: Transport::Udp,
            start,
            header_whole: true,
            body: Body::Absent,
            call_id: b"",
            cseq: None,
            from_tag: None,
            to_tag: None,
            from_uri: b"",
            to_uri: b"",
            contact_uri: b"",
            via_host: b"",
            branch: None,
            fingerprint: 0,
            written: Written::default(),
        }
    }
}
