//! One HTTP exchange with the recording API, as some log states it.

use std::borrow::Cow;

use hashbrown::HashSet;

use super::texts::{Packed, Packer, Room, Texts};
use crate::evidence::{Locus, Timestamp};
use crate::http::{StatusCode, is_get};

/// One logged API request. Its texts are packed, for there may be millions.
#[derive(Clone, Debug)]
pub struct ApiRequest {
    /// When it was made, as logged; `None` where the record has no readable time.
    pub at: Option<Timestamp>,
    /// Whether its local time was that of an hour that came twice, or never: then it may have been an hour later.
    pub is_ambiguous: bool,
    /// Whether its time was written without a zone, so that the zone it was read in may be another.
    pub is_local: bool,
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
    /// Whether the record says that what was handed out is no call audio: the logged body, that it is a screen's, a chat's,
    /// an e-mail's or an error; a proxy, that it made the answer itself.
    pub is_no_audio: bool,
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
    /// The conversations that the logged body says the call audio is of which it hands out; empty where it does not say so of
    /// all of it.
    pub handed: Box<[Box<[u8]>]>,
}

impl More {
    /// The same to be kept, if it says anything.
    #[must_use]
    pub fn kept(self) -> Option<Box<Self>> {
        let Self { error_params, recorded, batch_errors, handed } = &self;
        let is_empty = error_params.is_empty() && recorded.is_empty() && batch_errors.is_empty() && handed.is_empty();
        (!is_empty).then(|| Box::new(self))
    }

    /// The memory it takes, in bytes.
    fn reckoned(&self) -> usize {
        let Self { error_params, recorded, batch_errors, handed } = self;
        let params = error_params.iter().map(|param| param.name.len() + param.value.len());
        let errors = batch_errors.iter().map(|error| {
            error.conversation.len()
                + error.recording.as_ref().map_or(0, |recording| recording.len())
                + error.message.len()
        });
        size_of::<Self>()
            + size_of_val(&**error_params)
            + size_of_val(&**recorded)
            + size_of_val(&**batch_errors)
            + size_of_val(&**handed)
            + params.chain(errors).chain(handed.iter().map(|id| id.len())).sum::<usize>()
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

/// Keeps each of `names` once, where it stands first.
pub fn distinct_names(names: &mut Vec<Name<'_>>) {
    let mut known: HashSet<Name<'_>, foldhash::fast::RandomState> = HashSet::default();
    names.retain(|name| known.insert(name.clone()));
}

/// An identifier that a record names.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Name<'a> {
    /// What it is said to name.
    pub kind: NameKind,
    /// Where it stands.
    pub place: Place,
    /// The value; percent-decoded once where it stands in a target, else as it is.
    pub value: Cow<'a, [u8]>,
}

/// What an identifier is said to name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
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
    pub fn new(at: (Option<Timestamp>, Locus), status: StatusCode, audience: Audience, texts: &Texts<'_>) -> Self {
        Self::packed(at, status, audience, Packed::of(texts))
    }

    /// The same among others of its block, whose texts are packed with its own.
    pub(crate) fn among(
        at: (Option<Timestamp>, Locus),
        status: StatusCode,
        audience: Audience,
        (texts, packer): (&Texts<'_>, &mut Packer),
    ) -> Self {
        Self::packed(at, status, audience, packer.pack(texts))
    }

    fn packed((at, locus): (Option<Timestamp>, Locus), status: StatusCode, audience: Audience, texts: Packed) -> Self {
        Self {
            at,
            is_ambiguous: false,
            is_local: false,
            locus,
            status,
            answered: None,
            audience,
            body_has_media_uri: false,
            is_no_audio: false,
            more: None,
            texts,
        }
    }

    /// All its texts, unpacked into `room`.
    #[must_use]
    pub fn texts<'r>(&'r self, room: &'r mut Room) -> Texts<'r> {
        self.texts.unpack(room)
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
    pub fn target(&self) -> Cow<'_, [u8]> {
        self.texts.target()
    }

    /// Who asked, the user and the API's error code; see [`Texts`].
    #[must_use]
    pub fn who_and_code(&self) -> [Option<&[u8]>; 3] {
        self.texts.who_and_code()
    }

    /// Who asked; see [`Texts`].
    #[must_use]
    pub fn client(&self) -> Option<&[u8]> {
        let [client, ..] = self.who_and_code();
        client
    }

    /// The user; see [`Texts`].
    #[must_use]
    pub fn user(&self) -> Option<&[u8]> {
        let [_, user, _] = self.who_and_code();
        user
    }

    /// The API's error code; see [`Texts`].
    #[must_use]
    pub fn error_code(&self) -> Option<&[u8]> {
        let [.., code] = self.who_and_code();
        code
    }

    /// The id that a proxy gave it, and the API's own; see [`Texts`].
    #[must_use]
    pub fn ids(&self) -> [Option<Cow<'_, [u8]>>; 2] {
        self.texts.ids()
    }

    /// The id that a proxy gave it; see [`Texts`].
    #[must_use]
    pub fn request_id(&self) -> Option<Cow<'_, [u8]>> {
        let [id, _] = self.ids();
        id
    }

    /// The API's own id; see [`Texts`].
    #[must_use]
    pub fn correlation_id(&self) -> Option<Cow<'_, [u8]>> {
        let [_, id] = self.ids();
        id
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

    /// The conversations whose call audio the logged body hands out; see [`More`].
    #[must_use]
    pub fn handed(&self) -> &[Box<[u8]>] {
        self.more.as_ref().map_or(&[], |more| &more.handed)
    }

    /// What the logged body of a batch says went wrong; see [`More`].
    #[must_use]
    pub fn batch_errors(&self) -> &[BatchError] {
        self.more.as_ref().map_or(&[], |more| &more.batch_errors)
    }

    /// The memory it takes at the peak of an audit beside its texts, in bytes, with what it is bound to and, of a refusal,
    /// the row that is made of it.
    #[must_use]
    pub fn reckoned(&self) -> u64 {
        /// What it is bound to, and its place in lists.
        const BINDING: usize = 40;
        /// A row with its texts.
        const ROW: usize = 700;
        let more = self.more.as_ref().map_or(0, |more| more.reckoned());
        (size_of::<Self>() + BINDING + more + if self.is_refused() { ROW + more } else { 0 }) as u64
    }

    /// Who answered, as far as the record shows: the API where its correlation id is there, else what a proxy wrote.
    #[must_use]
    pub fn answered_by(&self) -> Option<Answered> {
        let api = Answered { by: Answerer::Api, known_by: KnownBy::CorrelationId };
        self.texts.is_correlated().then_some(api).or(self.answered)
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
                matches!(self.status.0, 200 | 206) && !self.is_no_audio && is_get(self.method())
            }
            Audience::RecordingList => self.status.0 == 200 && self.body_has_media_uri,
            Audience::Other | Audience::Recording => false,
        }
    }
}
