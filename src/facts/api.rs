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
    /// The API's error code, where logged.
    pub error_code: Option<Box<[u8]>>,
    /// A correlation or request id that would make the same request in two logs one.
    pub request_id: Option<Box<[u8]>>,
    /// What the target is about.
    pub audience: Audience,
    /// A logged response body that carries a media URI.
    pub body_has_media_uri: bool,
    /// Every identifier the record names, in the order path, query, fields.
    pub names: Vec<Name>,
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
}

impl ApiRequest {
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
