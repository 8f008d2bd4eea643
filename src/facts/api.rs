//! One HTTP exchange with the recording API, as some log states it.

use crate::evidence::{Locus, Timestamp};
use crate::http::{Method, StatusCode};

/// One logged API request.
#[derive(Clone, Debug)]
pub struct ApiRequest {
    /// When it was made, as logged; `None` where the record has no readable time.
    pub at: Option<Timestamp>,
    /// Its record.
    pub locus: Locus,
    /// The method.
    pub method: Method,
    /// The request target as logged.
    pub target: Box<[u8]>,
    /// The status the client got.
    pub status: StatusCode,
    /// Who asked, as logged: an OAuth client, a user or an address, in this order of preference.
    pub client: Option<Box<[u8]>>,
    /// The user, where the log has a field for one; also where an OAuth client asked on their behalf.
    pub user: Option<Box<[u8]>>,
    /// The API's error code, where logged.
    pub error_code: Option<Box<[u8]>>,
    /// The parameters of the API's error message, by name, where logged: which permission was missing, for instance.
    pub error_params: Box<[ErrorParam]>,
    /// The id that a proxy gave the request. It makes the same request in two logs one, and so does the next.
    pub request_id: Option<Box<[u8]>>,
    /// The API's own correlation id, which only an answer of the API itself carries.
    pub correlation_id: Option<Box<[u8]>>,
    /// Who answered, by what a proxy wrote of it; ask [`answered_by`](Self::answered_by), which heeds the correlation id
    /// too.
    pub answered: Option<Answered>,
    /// What the target is about.
    pub audience: Audience,
    /// A logged response body that carries a media URI.
    pub body_has_media_uri: bool,
    /// What the logged body of a batch says went wrong, whatever the status was.
    pub batch_errors: Box<[BatchError]>,
    /// Every identifier the record names, in the order path, query, fields.
    pub names: Vec<Name>,
}

/// A parameter of an error message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorParam {
    /// Its name, such as `permissions`.
    pub name: Box<[u8]>,
    /// Its value.
    pub value: Box<[u8]>,
}

/// A recording that a batch could not hand out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchError {
    /// The conversation, as the answer names it.
    pub conversation: Box<[u8]>,
    /// The recording, where it is named.
    pub recording: Option<Box<[u8]>>,
    /// What the answer says.
    pub message: Box<[u8]>,
}

/// Who answered a request, and what of the record says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answered {
    /// Who.
    pub by: Answerer,
    /// What says so.
    pub known_by: KnownBy,
}

/// Who answered a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Answerer {
    /// The API itself.
    Api,
    /// The content delivery network at the edge.
    Edge,
    /// The proxy or gateway whose log it is.
    Proxy,
    /// What stands behind the proxy whose log it is: the API, or another proxy.
    Upstream,
}

impl Answerer {
    /// The word the report uses.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Edge => "edge",
            Self::Proxy => "proxy",
            Self::Upstream => "upstream",
        }
    }
}

/// What of a record says who answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum KnownBy {
    /// The API's correlation id.
    CorrelationId,
    /// What the edge says it did (`x-edge-result-type`).
    EdgeResult,
    /// An error code that only a gateway writes.
    ErrorCode,
    /// Why the proxy answered as it did (Envoy's response code details).
    ResponseDetails,
    /// What went wrong at the proxy (Envoy's response flags).
    ResponseFlags,
    /// The response header fields, all of which were logged.
    ResponseHeaders,
    /// How the session ended (HAProxy's termination state).
    TerminationState,
    /// The server that was asked, or that none was.
    UpstreamHost,
    /// The status of what stands behind the proxy, or that there is none.
    UpstreamStatus,
}

impl KnownBy {
    /// The word the report uses.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::CorrelationId => "correlation_id",
            Self::EdgeResult => "edge_result",
            Self::ErrorCode => "error_code",
            Self::ResponseDetails => "response_details",
            Self::ResponseFlags => "response_flags",
            Self::ResponseHeaders => "response_headers",
            Self::TerminationState => "termination_state",
            Self::UpstreamHost => "upstream_host",
            Self::UpstreamStatus => "upstream_status",
        }
    }
}

/// What a request target is about, as far as refusals and exposures ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// Not a recording request.
    Other,
    /// A recording request that hands out no call audio by itself: a list, metadata, settings, annotations, a screen
    /// recording, a configured path.
    Recording,
    /// A list of recordings: it hands out audio when its logged body carries a media URI.
    RecordingList,
    /// One recording or its media (`…/recordings/{id}` and below, `orphanrecordings/{id}/media`).
    RecordingMedia,
}

impl Audience {
    /// Whether it is a recording request at all.
    #[must_use]
    pub fn is_recording(self) -> bool {
        self != Self::Other
    }
}

/// An identifier that a record names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// What it is said to name.
    pub kind: NameKind,
    /// Where it stands.
    pub place: Place,
    /// The value, percent-decoded once.
    pub value: Box<[u8]>,
}

/// What an identifier is said to name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameKind {
    /// A SIP Call-ID, by the name of its parameter or field.
    CallId,
    /// A conversation, by its parameter or field, or by its place in the path.
    Conversation,
    /// A trunk (`trunkId`).
    Trunk,
    /// A path segment that may name anything: a Call-ID, a conversation.
    Segment,
}

/// Where an identifier stands in the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Place {
    Path,
    Query,
    Field,
    Body,
}

impl ApiRequest {
    /// The memory it takes at the peak of an audit, in bytes, with the row that is made of it.
    #[must_use]
    pub fn reckoned(&self) -> u64 {
        /// Its other texts, its bindings, and its row's own.
        const SHARE: usize = 1_200;
        (size_of::<Self>() + 4 * self.target.len() + SHARE) as u64
    }

    /// Who answered, as far as the record shows: the API where its correlation id is there, else what a proxy wrote.
    #[must_use]
    pub fn answered_by(&self) -> Option<Answered> {
        let api = Answered { by: Answerer::Api, known_by: KnownBy::CorrelationId };
        self.correlation_id.as_ref().map(|_| api).or(self.answered)
    }

    /// Whether the API refused it: a recording request answered 403.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        self.audience.is_recording() && self.status.is_refused()
    }

    /// Whether the API allowed it: a recording request answered 2xx.
    #[must_use]
    pub fn is_allowed(&self) -> bool {
        self.audience.is_recording() && self.status.is_allowed()
    }

    /// Whether it handed out call audio: a GET answered 200 or 206 for one recording or its media, or a list whose
    /// logged body carries a media URI.
    #[must_use]
    pub fn is_served(&self) -> bool {
        let whole = matches!(self.status.0, 200 | 206) && self.method.is_get();
        match self.audience {
            Audience::RecordingMedia => whole,
            Audience::RecordingList => self.status.0 == 200 && self.body_has_media_uri,
            Audience::Other | Audience::Recording => false,
        }
    }
}
