//! One HTTP exchange with the recording API, as some log states it.

use std::borrow::Cow;

use super::texts::{Packed, Tag, Texts};
use crate::evidence::{Locus, Timestamp};
use crate::http::{StatusCode, is_get};

/// One logged API request. Its texts are packed, for there may be millions.
#[derive(Clone, Debug)]
pub struct ApiRequest {
    /// When it was made, as logged; `None` where the record has no readable time.
    pub at: Option<Timestamp>,
    /// Its record.
    pub locus: Locus,
    /// The status the client got.
    pub status: StatusCode,
    /// Who answered, by what a proxy wrote of it; ask [`answered_by`](Self::answered_by), which heeds the correlation id
    /// too.
    pub answered: Option<Answered>,
    /// What the target is about.
    pub audience: Audience,
    /// A logged response body that carries a media URI.
    pub body_has_media_uri: bool,
    /// Whether the logged body says that the recording is no call audio (a screen's, a chat's, an e-mail's).
    pub body_is_no_audio: bool,
    /// What only few records say.
    pub more: Option<Box<More>>,
    pub(crate) texts: Packed,
}

/// What only few records say of a request.
#[derive(Clone, Debug, Default)]
pub struct More {
    /// The parameters of the API's error message, by name, where logged: which permission was missing, for instance.
    pub error_params: Box<[ErrorParam]>,
    /// When the recordings of call audio that the logged body hands out began and ended.
    pub recorded: Box<[(Timestamp, Timestamp)]>,
    /// What the logged body of a batch says went wrong, whatever the status was.
    pub batch_errors: Box<[BatchError]>,
}

impl More {
    /// The same to be kept, if it says anything.
    #[must_use]
    pub fn kept(self) -> Option<Box<Self>> {
        let Self { error_params, recorded, batch_errors } = &self;
        let is_empty = error_params.is_empty() && recorded.is_empty() && batch_errors.is_empty();
        (!is_empty).then(|| Box::new(self))
    }
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

/// What a request target is about, as far as refusals and exposures ask. The further down the more it hands out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
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
pub struct Name<'a> {
    /// What it is said to name.
    pub kind: NameKind,
    /// Where it stands.
    pub place: Place,
    /// The value; percent-decoded once where it stands in a target, else as it is.
    pub value: Cow<'a, [u8]>,
}

/// What an identifier is said to name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameKind {
    /// A SIP Call-ID, by the name of its parameter or field.
    CallId,
    /// A conversation, by its parameter or field, or by its place in the path.
    Conversation,
    /// A path segment that by the API's own grammar names something else: a job, an orphaned recording. It is looked up
    /// all the same.
    Other,
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
    /// A request of this time and record, which was answered so, about this, with its texts; nothing else is said of it.
    #[must_use]
    pub fn new(
        (at, locus): (Option<Timestamp>, Locus),
        status: StatusCode,
        audience: Audience,
        texts: &Texts<'_>,
    ) -> Self {
        Self {
            at,
            locus,
            status,
            answered: None,
            audience,
            body_has_media_uri: false,
            body_is_no_audio: false,
            more: None,
            texts: Packed::of(texts),
        }
    }

    /// All its texts.
    #[must_use]
    pub fn texts(&self) -> Texts<'_> {
        self.texts.unpack()
    }

    /// All its texts but the names.
    #[must_use]
    pub fn texts_but_names(&self) -> Texts<'_> {
        self.texts.unpack_but_names()
    }

    /// Puts other texts in the place of its own.
    pub fn set_texts(&mut self, texts: &Texts<'_>) {
        self.texts = Packed::of(texts);
    }

    /// The method; see [`Texts`].
    #[must_use]
    pub fn method(&self) -> &str {
        self.texts.method()
    }

    /// The request target; see [`Texts`].
    #[must_use]
    pub fn target(&self) -> &[u8] {
        self.texts.target()
    }

    /// Who asked; see [`Texts`].
    #[must_use]
    pub fn client(&self) -> Option<&[u8]> {
        self.texts.client()
    }

    /// The user; see [`Texts`].
    #[must_use]
    pub fn user(&self) -> Option<&[u8]> {
        self.texts.user()
    }

    /// The API's error code; see [`Texts`].
    #[must_use]
    pub fn error_code(&self) -> Option<&[u8]> {
        self.texts.text(Tag::ErrorCode)
    }

    /// The id that a proxy gave it; see [`Texts`].
    #[must_use]
    pub fn request_id(&self) -> Option<&[u8]> {
        self.texts.text(Tag::RequestId)
    }

    /// The API's own id; see [`Texts`].
    #[must_use]
    pub fn correlation_id(&self) -> Option<&[u8]> {
        self.texts.text(Tag::CorrelationId)
    }

    /// Every identifier the record names; see [`Texts`].
    pub fn names(&self) -> impl Iterator<Item = Name<'_>> {
        self.texts.names()
    }

    /// The parameters of the API's error message; see [`More`].
    #[must_use]
    pub fn error_params(&self) -> &[ErrorParam] {
        self.more.as_ref().map_or(&[], |more| &more.error_params)
    }

    /// When the recordings that the logged body hands out began and ended; see [`More`].
    #[must_use]
    pub fn recorded(&self) -> &[(Timestamp, Timestamp)] {
        self.more.as_ref().map_or(&[], |more| &more.recorded)
    }

    /// What the logged body of a batch says went wrong; see [`More`].
    #[must_use]
    pub fn batch_errors(&self) -> &[BatchError] {
        self.more.as_ref().map_or(&[], |more| &more.batch_errors)
    }

    /// The memory it takes at the peak of an audit, in bytes, with the row that is made of it.
    #[must_use]
    pub fn reckoned(&self) -> u64 {
        /// Its bindings, and its row.
        const SHARE: usize = 800;
        (size_of::<Self>() + 3 * self.texts.len() + SHARE) as u64
    }

    /// Who answered, as far as the record shows: the API where its correlation id is there, else what a proxy wrote.
    #[must_use]
    pub fn answered_by(&self) -> Option<Answered> {
        let api = Answered { by: Answerer::Api, known_by: KnownBy::CorrelationId };
        self.correlation_id().map(|_| api).or(self.answered)
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
        match self.audience {
            Audience::RecordingMedia => {
                matches!(self.status.0, 200 | 206) && !self.body_is_no_audio && is_get(self.method())
            }
            Audience::RecordingList => self.status.0 == 200 && self.body_has_media_uri,
            Audience::Other | Audience::Recording => false,
        }
    }
}
