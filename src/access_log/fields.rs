//! Which field of a record holds what: the names that loggers use, and those the configuration adds.
//!
//! Names compare as [`super::json::fold`] leaves them, so `statusCode`, `status_code` and `Status-Code` are one, and
//! `http.response.status_code` is the same nested and flat. A [`Table`] knows the role of a path, [`Fields`] collects
//! for one record the best candidate of every role. Candidates that say nothing (empty, `-`) do not count.

use std::sync::OnceLock;

use hashbrown::HashMap;

use crate::facts::NameKind;
use crate::settings::{AccessLog, LogFields, Settings};

use super::json::{self, Keys, Kind, Scalar, Sink, fold, last_key};
use crate::settings::pattern;

/// What a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// An address, of the client.
    Address,
    /// A response body, as text.
    Body,
    /// An OAuth client.
    Client,
    /// The API's own correlation id, in its answer.
    CorrelationId,
    ErrorCode,
    /// A parameter of the API's error message, named by its key.
    ErrorParam,
    /// The kind of media of a recording (`audio`, `screen`) inside a body.
    Media,
    MediaUri,
    Method,
    Name(NameKind),
    /// The part of the target behind `?`.
    Query,
    /// When a recording that an answer describes began.
    RecordedFrom,
    /// When it ended.
    RecordedUntil,
    /// A request line, or a target.
    Request,
    /// A request body, as text.
    RequestBody,
    RequestId,
    /// Something that says who answered.
    Sign(Sign),
    Status,
    Target,
    Time,
    User,
    /// The text of a record of another format.
    Wrapped,
}

/// What says who answered; see [`super::answer`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    /// Envoy's response code details, and other proxies' reasons.
    Details,
    /// What the edge did.
    EdgeResult,
    /// The status that the edge got from behind it.
    EdgeStatus,
    /// Envoy's response flags.
    Flags,
    /// The server behind Envoy or nginx.
    Host,
    /// The server behind HAProxy.
    Server,
    /// The status that the proxy got from behind it.
    Status,
    /// HAProxy's termination state.
    Termination,
}

/// A role and its rank among the names of that role: the least is the best.
pub(super) type Entry = (Role, u16);

/// Rank of the first built-in name; configured ones stand before it.
const BUILT_IN: u16 = 1 << 10;

/// What a record was made of where no configuration says otherwise, each role's best name first.
///
/// The fields of nginx, Envoy, API Gateway, ECS, Caddy, Traefik, Cloudflare, Google's load balancer and the platform's
/// SDK, by their own documentation. Where a log holds several times the start of the request comes first; where it holds
/// several targets the one that was neither decoded nor rewritten; of several statuses the one the client got; of
/// several clients an OAuth client, then a user, then an address.
const NAMES: &[(Role, &[&str])] = &[
    (
        Role::Time,
        &[
            "event.start",
            "start_time",
            "startedDateTime",
            "requestTimestamp",
            "request_start_time",
            "StartUTC",
            "EdgeStartTimestamp",
            "time",
            "timestamp",
            "@timestamp",
            "ts",
            "msec",
            "time_iso8601",
            "time_local",
            "event.created",
            "event_time",
            "datetime",
            "date_time",
            "date",
            "requestTimeEpoch",
            "request_time",
            "log_time",
            "logged_at",
            "created_at",
            "end_time",
            "EdgeEndTimestamp",
            "started_at",
            "StartLocal",
            "access_time",
            "t",
        ],
    ),
    (
        Role::Method,
        &[
            "method",
            "request_method",
            "http_method",
            "http.request.method",
            "http.method",
            "request.method",
            "verb",
            "request_verb",
            "ClientRequestMethod",
            "httpRequest.requestMethod",
            "req.method",
            "cs_method",
            "req_method",
        ],
    ),
    (
        Role::Target,
        &[
            "original_request_uri_with_args",
            "request_uri",
            "ClientRequestURI",
            "url.original",
            "http.target",
            "http.url",
            "url.full",
            "request_url",
            "httpRequest.requestUrl",
            "request_target",
            "url",
            "request.url",
            "request.uri",
            "request.target",
            "request.url.raw",
            "req.url",
            "original_uri",
            "original_url",
            "x-envoy-original-path",
            "x-envoy-origin-path",
            "uri",
            "http_path",
            "path",
            "request_path",
            "request.path",
            "req.path",
            "ClientRequestPath",
            "http.path",
            "url.path",
            "cs_uri",
            "cs_uri_stem",
            "uri_stem",
            "resource_path",
            "target",
            // Amazon's HTTP APIs: the method and the route's template.
            "route_key",
        ],
    ),
    (Role::Request, &["request", "request_line", "requestline", "http_request", "http.request", "req"]),
    (
        Role::Query,
        &[
            "query",
            "args",
            "query_string",
            "url.query",
            "request.query",
            "request.query_string",
            "http.query",
            "ClientRequestQuery",
            "cs_uri_query",
            "uri_query",
            "request_query",
        ],
    ),
    (
        Role::Status,
        &[
            "status",
            "status_code",
            "http.response.status_code",
            "response_code",
            "response_status",
            "response.status",
            "response.status_code",
            "response.code",
            "http.status_code",
            "http.status",
            "http_status",
            "http_status_code",
            "http_response_code",
            "EdgeResponseStatus",
            "DownstreamStatus",
            "resp_status",
            "resp.status",
            "res.status",
            "res.statusCode",
            "httpRequest.status",
            "elb_status_code",
            "sc_status",
            "c_status",
            "status_code_client",
            "response_status_code",
            "http_code",
            "response",
        ],
    ),
    (
        Role::Client,
        &[
            "client_id",
            "oauth_client",
            "oauth_client_id",
            "oauth.client_id",
            "token.client_id",
            "client.id",
            "azp",
            "consumer",
            "consumer_id",
            "consumer.username",
            "consumer.custom_id",
            "app_id",
            "application_id",
            "authorizer.client_id",
            "authorizer.claims.client_id",
            "client",
        ],
    ),
    (
        Role::User,
        &[
            "user",
            "username",
            "user.name",
            "user.id",
            "user_id",
            "remote_user",
            "request_user",
            "auth_user",
            "ClientUsername",
            "cs_username",
            "auth",
            "request.user_id",
            "authorizer.principal_id",
            "principal",
            "sub",
        ],
    ),
    (
        Role::Address,
        &[
            "remote_addr",
            "client_ip",
            "client.ip",
            "client.address",
            "source.ip",
            "source.address",
            "remote_ip",
            "remote_host",
            "request.client_ip",
            "request.remote_ip",
            "request.remote_addr",
            "client_address",
            "c_ip",
            "ClientHost",
            "ClientAddr",
            "client_addr",
            "downstream_remote_address",
            "httpRequest.remoteIp",
            "source_ip",
            "identity.source_ip",
            "ip",
            "x_real_ip",
            "x_forwarded_for",
            "fwd",
        ],
    ),
    (
        Role::ErrorCode,
        &[
            "error_code",
            "error.code",
            "error.error_code",
            "response.body.code",
            "response_body.code",
            "body.code",
            "resp_body.code",
            "response.body.error.code",
            "response_body.error.code",
            "body.error.code",
            "response.error.code",
            "response.content.text.code",
            "err.code",
            "error_response.code",
            "error.response_type",
            "error_response_type",
            "authorizer.error",
        ],
    ),
    (
        Role::CorrelationId,
        &[
            "response.body.context_id",
            "response_body.context_id",
            "resp_body.context_id",
            "body.context_id",
            "response.error.context_id",
            "error.context_id",
            "response.content.text.context_id",
        ],
    ),
    (
        Role::RequestId,
        &[
            "request_id",
            "x_request_id",
            "http.request.id",
            "request.id",
            "req_id",
            "req.id",
            "RayID",
            "x_edge_request_id",
            "x_amzn_requestid",
            "extended_request_id",
            "transaction_id",
        ],
    ),
    (
        Role::Sign(Sign::Status),
        &[
            "upstream_status",
            "target_status_code",
            "backend_status_code",
            "OriginStatus",
            "integration_status",
            "integration.status",
            "integration.integration_status",
            "upstream_status_code",
            "server_status",
        ],
    ),
    (Role::Sign(Sign::EdgeStatus), &["OriginResponseStatus"]),
    (
        Role::Sign(Sign::EdgeResult),
        &[
            "x_edge_detailed_result_type",
            "x_edge_result_type",
            "x_edge_response_result_type",
            "SecurityAction",
            "WAFAction",
            "response_state",
            "fastly_info.state",
        ],
    ),
    (Role::Sign(Sign::Details), &["response_code_details", "status_details"]),
    (Role::Sign(Sign::Flags), &["response_flags"]),
    (Role::Sign(Sign::Host), &["upstream_host", "upstream_addr"]),
    (Role::Sign(Sign::Termination), &["termination_state"]),
    (
        Role::Wrapped,
        &["log", "message", "textPayload", "event.original", "_raw", "line", "log_line", "@message", "MESSAGE"],
    ),
    (
        Role::Body,
        &[
            "response_body",
            "response.body",
            "body",
            "resp_body",
            "response.content.text",
            "response.content",
            "res.body",
        ],
    ),
    (
        Role::RequestBody,
        &["request_body", "req_body", "request.body", "req.body", "request.postData.text", "http.request.body.content"],
    ),
];

/// Names that mean the same wherever they stand, with the rank of the first: as the last key of any path, also as a
/// logged header field. A correlation id goes through all proxies and stands before the id that each gives a request.
const ANYWHERE: &[(Role, u16, &[&str])] = &[
    (
        Role::Name(NameKind::CallId),
        BUILT_IN,
        &["call_id", "sip_call_id", "x_call_id", "x_sip_call_id", "protocol_call_id"],
    ),
    (Role::Name(NameKind::Conversation), BUILT_IN, &["conversation_id", "x_conversation_id"]),
    (Role::CorrelationId, BUILT_IN, &["inin_correlation_id"]),
    (Role::RequestId, BUILT_IN, &["correlation_id", "x_correlation_id"]),
    (Role::RequestId, 2 * BUILT_IN, &["x_request_id"]),
    (Role::MediaUri, BUILT_IN, &["media_uri"]),
    (Role::Media, BUILT_IN, &["media", "media_subtype"]),
];

/// What loggers put before a header field's name: nginx's `$http_x_call_id`, `$sent_http_…`, `$arg_…` and the like.
const PREFIXES: [&[u8]; 16] = [
    b"origin",
    b"downstream",
    b"request",
    b"senthttp",
    b"upstreamhttp",
    b"http",
    b"requestheaders",
    b"requestheader",
    b"reqheaders",
    b"reqheader",
    b"responseheaders",
    b"responseheader",
    b"respheader",
    b"headers",
    b"header",
    b"arg",
];

/// Objects that only wrap a record: their own name says nothing.
const WRAPPERS: [&[u8]; 13] = [
    b"properties",
    b"log",
    b"json",
    b"jsonpayload",
    b"fields",
    b"data",
    b"payload",
    b"record",
    b"accesslog",
    b"access",
    b"message",
    b"source",
    b"httpaccess",
];

/// The names of one log.
#[derive(Clone, Debug)]
pub(super) struct Table {
    paths: HashMap<Box<[u8]>, Entry, foldhash::fast::RandomState>,
    anywhere: HashMap<Box<[u8]>, Entry, foldhash::fast::RandomState>,
    /// The first keys of the paths at which a status may stand, sorted, once they are asked for.
    above_status: OnceLock<Vec<Box<[u8]>>>,
}

impl Table {
    /// The built-in names and those of every configured table that fits the log shown as `shown`.
    pub(super) fn new(settings: &Settings, shown: &str) -> Self {
        let mut table = Self { paths: HashMap::default(), anywhere: HashMap::default(), above_status: OnceLock::new() };
        let mut rank = 0;
        for log in configured(settings, shown) {
            let LogFields {
                time,
                method,
                target,
                status,
                client,
                error_code,
                request_id,
                call_id,
                conversation_id,
                correlation_id,
                user,
            } = &log.fields;
            for (role, names) in [
                (Role::Time, time),
                (Role::Method, method),
                (Role::Target, target),
                (Role::Status, status),
                (Role::Client, client),
                (Role::ErrorCode, error_code),
                (Role::RequestId, request_id),
                (Role::CorrelationId, correlation_id),
                (Role::User, user),
                (Role::Name(NameKind::CallId), call_id),
                (Role::Name(NameKind::Conversation), conversation_id),
            ] {
                for name in names {
                    table.paths.entry(folded(name)).or_insert((role, rank));
                    rank = (BUILT_IN - 1).min(rank + 1);
                }
            }
        }
        for (role, names) in NAMES {
            // Behind the names that mean the same anywhere.
            for (rank, name) in (BUILT_IN + 16..).zip(*names) {
                table.paths.entry(folded(name)).or_insert((*role, rank));
            }
        }
        for (role, first, names) in ANYWHERE {
            for (rank, name) in (*first..).zip(*names) {
                table.anywhere.entry(folded(name)).or_insert((*role, rank));
            }
        }
        for header in &settings.identity_headers {
            let entry = (Role::Name(NameKind::Conversation), BUILT_IN);
            table.anywhere.entry(folded(header)).or_insert(entry);
        }
        table
    }

    fn above_status(&self) -> &[Box<[u8]>] {
        self.above_status.get_or_init(|| {
            let statuses = self.paths.iter().filter(|(_, (role, _))| *role == Role::Status);
            let first = |path: &[u8]| path.split(|byte| *byte == b'.').next().unwrap_or_default().into();
            let mut above: Vec<Box<[u8]>> =
                statuses.map(|(path, _)| first(path)).chain(WRAPPERS.map(Into::into)).collect();
            above.sort_unstable();
            above.dedup();
            above
        })
    }

    /// Whether a status may stand in the member `key` of a record.
    pub(super) fn may_lead_to_status(&self, key: &[u8]) -> bool {
        let mut room = [0; 32];
        // What is longer, or holds a path of its own, is not looked at closely.
        let Some(room) = room.get_mut(..key.len()).filter(|_| memchr::memchr(b'.', key).is_none()) else { return true };
        let length = room.iter_mut().zip(fold(key)).map(|(to, from)| *to = from).count();
        let folded = room.get(..length).unwrap_or_default();
        self.above_status().binary_search_by(|known| (**known).cmp(folded)).is_ok()
    }

    /// What the field at `path` holds.
    pub(super) fn entry(&self, path: &[u8]) -> Option<Entry> {
        let mut inner = path;
        loop {
            if let Some(entry) = self.paths.get(inner) {
                return Some(*entry);
            }
            let Some(dot) = memchr::memchr(b'.', inner) else { break };
            let (wrapper, rest) = inner.split_at(dot);
            if !WRAPPERS.contains(&wrapper) {
                break;
            }
            inner = rest.get(1..).unwrap_or_default();
        }
        let last = last_key(path);
        let above = path.get(..path.len().saturating_sub(last.len() + 1)).unwrap_or_default();
        if last_key(above) == b"messageparams" {
            return Some((Role::ErrorParam, BUILT_IN));
        }
        match last {
            b"starttime" if is_answered(above) => return Some((Role::RecordedFrom, BUILT_IN)),
            b"endtime" if is_answered(above) => return Some((Role::RecordedUntil, BUILT_IN)),
            _ => {}
        }
        let found = PREFIXES
            .iter()
            .filter_map(|prefix| last.strip_prefix(*prefix))
            .chain([last])
            .find_map(|name| self.anywhere.get(name).copied());
        match found {
            // What the client sent is no word of the API's.
            Some((Role::CorrelationId, rank)) if is_sent(path) => Some((Role::RequestId, rank)),
            found => found,
        }
    }

    /// What a query parameter called `name` names, if anything.
    pub(super) fn parameter(&self, name: &[u8]) -> Option<NameKind> {
        let mut room = [0; 32];
        let long: Vec<u8>;
        let name = match room.get_mut(..name.len()) {
            Some(room) => {
                let length = room.iter_mut().zip(fold(name)).map(|(to, from)| *to = from).count();
                room.get(..length).unwrap_or_default()
            }
            None => {
                long = fold(name).collect();
                &long
            }
        };
        if name == b"trunkid" {
            return Some(NameKind::Trunk);
        }
        let entry = self.anywhere.get(name).or_else(|| self.paths.get(name));
        match entry {
            Some((Role::Name(kind), _)) => Some(*kind),
            _ => None,
        }
    }
}

/// The entry of a field that holds `role` by its place alone.
pub(super) const fn fixed(role: Role) -> Entry {
    (role, BUILT_IN)
}

/// Whether what stands at `path` is of the answer's body.
fn is_answered(path: &[u8]) -> bool {
    let mut parts = path.split(|byte| *byte == b'.');
    parts.clone().any(|part| matches!(part, b"body" | b"respbody" | b"responsebody"))
        && !parts.any(|part| part.starts_with(b"req"))
}

/// Whether the field at `path` is one of the request's header fields.
fn is_sent(path: &[u8]) -> bool {
    let begins = |part: &[u8]| [&b"req"[..], b"http"].iter().any(|word| part.starts_with(word));
    let last = last_key(path);
    let above = path.get(..path.len() - last.len()).unwrap_or_default();
    begins(last) || above.split(|byte| *byte == b'.').any(|part| part.starts_with(b"req"))
}

/// The configured tables that fit the log shown as `shown`.
pub(super) fn configured<'s>(settings: &'s Settings, shown: &str) -> impl Iterator<Item = &'s AccessLog> {
    let fits = move |log: &&AccessLog| {
        log.files.as_ref().is_none_or(|files| pattern::fits(files.as_bytes(), shown.as_bytes()))
    };
    settings.access_logs.iter().filter(fits)
}

fn folded(name: &str) -> Box<[u8]> {
    fold(name.as_bytes()).collect()
}

/// The best candidate of one role.
#[derive(Clone, Copy, Debug)]
struct Best<'a> {
    rank: u16,
    value: Scalar<'a>,
}

/// What one record says, role by role.
#[derive(Clone, Debug, Default)]
pub(super) struct Fields<'a> {
    time: [Option<Best<'a>>; 2],
    single: [Option<Best<'a>>; SINGLES],
    /// Every identifier named, in the record's order.
    pub(super) names: Vec<(NameKind, Scalar<'a>)>,
    /// Response bodies that are text.
    pub(super) bodies: Vec<Scalar<'a>>,
    /// What says who answered.
    pub(super) signs: Vec<(Sign, Scalar<'a>)>,
    /// Request bodies that are text.
    pub(super) request_bodies: Vec<Scalar<'a>>,
    /// Parameters of the error message, with their names.
    pub(super) params: Vec<(Box<[u8]>, Scalar<'a>)>,
    /// Media URIs of call audio.
    pub(super) media_uris: u32,
    /// Whether an answer says that what it hands out is no call audio.
    pub(super) no_audio: bool,
    /// Recordings of call audio that an answer describes.
    pub(super) recorded: Vec<Recorded<'a>>,
    /// The conversations that an answer says its recordings of call audio are of, with the media URIs of each recording.
    pub(super) items: Vec<Item<'a>>,
    /// How many media URIs are of recordings whose conversation is said.
    attributed: u32,
    /// Whether the place of a status says that there is none.
    pub(super) status_is_unsaid: bool,
    /// Whether the same field stood twice with different values; the first counts.
    pub(super) duplicate: bool,
}

/// When a recording began and ended, and whether the answer hands out where its media are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Recorded<'a> {
    pub(super) from: Scalar<'a>,
    pub(super) until: Scalar<'a>,
    pub(super) has_media_uri: bool,
}

/// The conversation that an answer says a recording is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Item<'a> {
    pub(super) conversation: Scalar<'a>,
    pub(super) has_media_uri: bool,
}

/// Recordings of one answer whose times are kept.
const RECORDED: usize = 64;

/// Recordings of one answer whose conversations are kept. What more there is hands out nothing of any call.
const ITEMS: usize = 1_024;

/// The media of recordings that are no call audio, as the platform names them.
const OTHER_MEDIA: [&str; 6] = ["chat", "email", "message", "messages", "messaging", "screen"];

/// Parameters of one error message that are kept.
const PARAMS: usize = 16;

/// Roles of which a record has one.
const SINGLES: usize = 12;

impl<'a> Fields<'a> {
    /// Forgets the record.
    pub(super) fn clear(&mut self) {
        self.time = [None; 2];
        self.single = [None; SINGLES];
        self.names.clear();
        self.bodies.clear();
        self.request_bodies.clear();
        self.params.clear();
        self.signs.clear();
        self.media_uris = 0;
        self.no_audio = false;
        self.recorded.clear();
        self.items.clear();
        self.attributed = 0;
        self.duplicate = false;
        self.status_is_unsaid = false;
    }

    /// Takes a candidate. `alone` says that no second value can stand at the same path: then one is a duplicate.
    pub(super) fn offer(&mut self, (role, rank): Entry, value: Scalar<'a>, alone: bool) {
        if let Role::Sign(sign) = role {
            // That nothing is said says something here.
            return self.signs.push((sign, value));
        }
        if !is_said(value.text) {
            self.status_is_unsaid |= role == Role::Status;
            return;
        }
        let place = match role {
            Role::Name(kind) => return self.names.push((kind, value)),
            Role::Body => return self.bodies.push(value),
            Role::RequestBody => return self.request_bodies.push(value),
            // What they mean depends on more than the value.
            Role::ErrorParam
            | Role::Media
            | Role::MediaUri
            | Role::RecordedFrom
            | Role::RecordedUntil
            | Role::Sign(_) => return,
            Role::Time => return self.offer_time(rank, value, alone),
            Role::Status if status(value.text).is_none() => return,
            Role::Status => 0,
            Role::Target => 1,
            Role::Request => 2,
            Role::Method => 3,
            Role::Query => 4,
            Role::Client => 5,
            Role::ErrorCode => 6,
            Role::RequestId => 7,
            Role::User => 8,
            Role::Address => 9,
            Role::CorrelationId => 10,
            Role::Wrapped => 11,
        };
        let Some(best) = self.single.get_mut(place) else { return };
        match best {
            Some(known) if known.rank < rank => {}
            Some(known) if known.rank == rank => self.duplicate |= alone && known.value != value,
            _ => *best = Some(Best { rank, value }),
        }
    }

    /// The two best times are kept: a field called `time` may hold a duration.
    fn offer_time(&mut self, rank: u16, value: Scalar<'a>, alone: bool) {
        let offered = Some(Best { rank, value });
        let [first, second] = &mut self.time;
        match first {
            None => *first = offered,
            Some(known) if known.rank == rank => self.duplicate |= alone && known.value != value,
            Some(known) if rank < known.rank => {
                *second = *first;
                *first = offered;
            }
            Some(_) => {
                if second.is_none_or(|known| rank < known.rank) {
                    *second = offered;
                }
            }
        }
    }

    /// Whether every media URI is of a recording whose conversation is said.
    pub(super) fn are_attributed(&self) -> bool {
        self.attributed == self.media_uris
    }

    /// The candidates for the time, best first.
    pub(super) fn times(&self) -> [Option<Scalar<'a>>; 2] {
        self.time.map(|best| best.map(|best| best.value))
    }

    pub(super) fn status(&self) -> Option<u16> {
        status(self.value(0)?.text)
    }

    /// Whether it holds a status, or says that there was none.
    pub(super) fn has_status(&self) -> bool {
        self.status().is_some() || self.status_is_unsaid
    }

    pub(super) fn target(&self) -> Option<Scalar<'a>> {
        self.value(1)
    }

    /// Whether the target stands in a field that the configuration names.
    pub(super) fn target_is_configured(&self) -> bool {
        self.single.get(1).copied().flatten().is_some_and(|best| best.rank < BUILT_IN)
    }

    pub(super) fn request(&self) -> Option<Scalar<'a>> {
        self.value(2)
    }

    pub(super) fn method(&self) -> Option<Scalar<'a>> {
        self.value(3)
    }

    pub(super) fn query(&self) -> Option<Scalar<'a>> {
        self.value(4)
    }

    /// Who asked: an OAuth client, a user or an address, unless the configuration says otherwise.
    pub(super) fn client(&self) -> Option<Scalar<'a>> {
        self.value(5).or(self.value(8)).or(self.value(9))
    }

    pub(super) fn user(&self) -> Option<Scalar<'a>> {
        self.value(8)
    }

    pub(super) fn correlation_id(&self) -> Option<Scalar<'a>> {
        self.value(10)
    }

    pub(super) fn error_code(&self) -> Option<Scalar<'a>> {
        self.value(6)
    }

    pub(super) fn request_id(&self) -> Option<Scalar<'a>> {
        self.value(7)
    }

    pub(super) fn wrapped(&self) -> Option<Scalar<'a>> {
        self.value(11)
    }

    fn value(&self, place: usize) -> Option<Scalar<'a>> {
        self.single.get(place).copied().flatten().map(|best| best.value)
    }
}

/// Whether a value says anything.
pub(super) fn is_said(text: &[u8]) -> bool {
    !matches!(text, b"" | b"-")
}

/// A status code, such as `403` or `403 Forbidden`. Caddy and others write 0 where nothing was answered.
pub(super) fn status(text: &[u8]) -> Option<u16> {
    let [a @ b'1'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9', rest @ ..] = text else { return None };
    let digit = |byte: &u8| u16::from(byte - b'0');
    matches!(rest, [] | [b' ', ..] | [b'.', b'0']).then(|| digit(a) * 100 + digit(b) * 10 + digit(c))
}

/// A field that the record holds, as a shape remembers it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    /// Its first byte in the record and the one behind its last.
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) kind: Kind,
    /// What it holds, where that matters.
    pub(super) entry: Option<Entry>,
    /// See [`Fields::offer`].
    pub(super) alone: bool,
}

/// Keys and what the fields at them hold.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) keys: Keys,
    entries: Vec<Option<Entry>>,
}

impl Known {
    pub(super) fn new() -> Self {
        Self { keys: Keys::new(), entries: Vec::new() }
    }

    /// Of texts that stand at `path` themselves.
    pub(super) fn below(path: &[u8]) -> Self {
        Self { keys: Keys::below(path), entries: Vec::new() }
    }

    /// What the field at the top called `key` holds, where the one numbered `before` stood before it; `None` where
    /// there are too many of them. For records that are no JSON.
    #[expect(clippy::option_option, reason = "a field that holds nothing known is not one too many")]
    pub(super) fn pair(&mut self, key: &[u8], before: &mut Option<u32>, table: &Table) -> Option<Option<Entry>> {
        let number = self.keys.top(key, *before)?;
        *before = Some(number);
        while self.entries.len() <= number as usize {
            self.entries.push(table.entry(self.keys.path(self.entries.len() as u32)));
        }
        Some(self.entries.get(number as usize).copied().flatten())
    }

    /// Forgets keys when they have become many. To be called between records.
    pub(super) fn bound(&mut self) {
        self.keys.bound();
        self.entries.truncate(self.keys.len());
    }

    /// Fills `fields` and `seen` from `text`; how, or `None` where it is no JSON text.
    pub(super) fn collect<'a>(
        &mut self,
        text: &'a [u8],
        table: &Table,
        fields: &mut Fields<'a>,
        seen: &mut Vec<Seen>,
    ) -> Option<Collected> {
        fields.clear();
        seen.clear();
        self.bound();
        let mut collector = Collector { table, entries: &mut self.entries, fields, seen, odd: false, open: Vec::new() };
        json::walk(text, &mut self.keys, &mut collector)?;
        Some(Collected { odd: collector.odd })
    }
}

/// What is to be known of a record that was walked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Collected {
    /// Whether it depends on more than the values of its fields, so that no shape can stand for it.
    pub(super) odd: bool,
}

/// Fills [`Fields`] from the walk over one JSON record.
struct Collector<'a, 'f> {
    table: &'f Table,
    entries: &'f mut Vec<Option<Entry>>,
    fields: &'f mut Fields<'a>,
    /// Every value met, in the order of the record.
    seen: &'f mut Vec<Seen>,
    odd: bool,
    open: Vec<Open<'a>>,
}

/// An object that has begun and not ended.
#[derive(Default)]
struct Open<'a> {
    /// The media URIs counted before it, and those of them whose conversation is said.
    media_uris: u32,
    attributed: u32,
    /// The conversation that it says it is of, in an answer.
    conversation: Option<Scalar<'a>>,
    /// Whether it says of what media it is.
    says_media: bool,
    /// Whether it says that its media is no call audio.
    no_audio: bool,
    from: Option<Scalar<'a>>,
    until: Option<Scalar<'a>>,
}

impl Collector<'_, '_> {
    fn entry(&mut self, keys: &Keys, number: u32) -> Option<Entry> {
        while self.entries.len() <= number as usize {
            // The numbers of keys lie below their count.
            self.entries.push(self.table.entry(keys.path(self.entries.len() as u32)));
        }
        self.entries.get(number as usize).copied().flatten()
    }
}

impl<'a> Sink<'a> for Collector<'a, '_> {
    fn enter(&mut self) {
        let Fields { media_uris, attributed, .. } = *self.fields;
        self.open.push(Open { media_uris, attributed, ..Open::default() });
    }

    fn leave(&mut self) {
        let Some(object) = self.open.pop() else { return };
        if object.no_audio {
            self.fields.media_uris = object.media_uris;
            self.fields.attributed = object.attributed;
            return;
        }
        let has_media_uri = self.fields.media_uris > object.media_uris;
        let times = object.from.zip(object.until);
        if let Some((from, until)) = times.filter(|_| self.fields.recorded.len() < RECORDED) {
            self.fields.recorded.push(Recorded { from, until, has_media_uri });
        }
        // A recording says more of itself than its conversation. What objects in it say of theirs holds.
        let inside = [self.fields.media_uris - object.media_uris, self.fields.attributed - object.attributed];
        let has_media_uri = inside[0] > inside[1];
        if let Some(conversation) = object.conversation
            && (has_media_uri || object.says_media || times.is_some())
        {
            self.fields.attributed = self.fields.media_uris;
            if self.fields.items.len() < ITEMS {
                self.fields.items.push(Item { conversation, has_media_uri });
            }
        }
    }

    fn scalar(&mut self, keys: &Keys, place: json::Place, value: Scalar<'a>, at: usize) {
        let mut entry = self.entry(keys, place.key);
        if let Some((Role::ErrorParam | Role::Media | Role::MediaUri | Role::RecordedFrom | Role::RecordedUntil, _)) =
            entry
        {
            self.odd = true;
        }
        match entry {
            Some((Role::ErrorParam, _)) if is_said(value.text) && self.fields.params.len() < PARAMS => {
                self.fields.params.push((keys.written(place.key).into(), value));
            }
            // A media URI that the client sent hands out nothing.
            Some((Role::MediaUri, _)) if !value.text.is_empty() && !keys.path(place.key).starts_with(b"request") => {
                self.fields.media_uris += 1;
            }
            Some((Role::Media, _)) => {
                let path = keys.path(place.key);
                let is = |word: &str| value.text.eq_ignore_ascii_case(word.as_bytes());
                let is_subtype = last_key(path) == b"mediasubtype";
                let is_other = if is_subtype { is("screen") } else { OTHER_MEDIA.into_iter().any(is) };
                self.fields.no_audio |= is_other && !path.starts_with(b"request");
                if let Some(object) = self.open.last_mut() {
                    object.no_audio |= is_other || !(is_subtype || is("audio"));
                    object.says_media = true;
                }
            }
            Some((Role::Name(NameKind::Conversation), _))
                if is_said(value.text) && is_answered(keys.path(place.key)) =>
            {
                if let Some(object) = self.open.last_mut() {
                    object.conversation = object.conversation.or(Some(value));
                }
            }
            Some((role @ (Role::RecordedFrom | Role::RecordedUntil), _)) => {
                if let Some(object) = self.open.last_mut() {
                    let edge = if role == Role::RecordedFrom { &mut object.from } else { &mut object.until };
                    *edge = edge.or(Some(value));
                }
            }
            // What the objects of a list say is not of the record's own: each may be another.
            Some((Role::Method | Role::Request | Role::Status | Role::Target, _)) if place.in_listed_object => {
                entry = None
            }
            // Of a list the first counts, such as the values of one header field; identifiers all do.
            Some((role, _)) if place.behind_first && !matches!(role, Role::Name(_)) => entry = None,
            _ => {}
        }
        let alone = !place.in_array;
        if let Some(entry) = entry {
            self.fields.offer(entry, value, alone);
        }
        self.seen.push(Seen { start: at, end: at + value.text.len(), kind: value.kind, entry, alone });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        Table::new(&Settings::default(), "a.log")
    }

    fn role(path: &str) -> Option<Role> {
        table().entry(&folded(path)).map(|(role, _)| role)
    }

    #[test]
    fn names_are_known_in_any_spelling_and_in_wrappers() {
        for (path, expected) in [
            ("statusCode", Role::Status),
            ("http.response.status_code", Role::Status),
            ("log.Status", Role::Status),
            ("jsonPayload.log.status", Role::Status),
            ("httpRequest.status", Role::Status),
            ("requestHeaders.X-Call-ID", Role::Name(NameKind::CallId)),
            ("http_x_call_id", Role::Name(NameKind::CallId)),
            ("sip.callId", Role::Name(NameKind::CallId)),
            ("arg_callId", Role::Name(NameKind::CallId)),
            ("sent_http_x_inin_cnv", Role::Name(NameKind::Conversation)),
            ("response.headers.ININ-Correlation-Id", Role::CorrelationId),
            ("sent_http_inin_correlation_id", Role::CorrelationId),
            ("headers.inin-correlation-id", Role::CorrelationId),
            ("response.body.contextId", Role::CorrelationId),
            ("response_body.messageParams.permissions", Role::ErrorParam),
            ("http_inin_correlation_id", Role::RequestId),
            ("request.headers.inin-correlation-id", Role::RequestId),
            ("log.req.headers.inin-correlation-id", Role::RequestId),
            ("X-Correlation-Id", Role::RequestId),
            ("request.uri", Role::Target),
            ("request", Role::Request),
            ("url.query", Role::Query),
        ] {
            assert_eq!(role(path), Some(expected), "{path}");
        }
        for path in ["error.status", "recall_id", "x.request", "bytes", "upstream.status", "requestCount", ""] {
            assert_eq!(role(path), None, "{path}");
        }
    }

    #[test]
    fn configured_names_stand_before_the_built_in_ones() {
        let fields = LogFields { status: vec!["resp.code".to_owned()], ..LogFields::default() };
        let log = AccessLog { files: Some("*gw*".to_owned()), fields, ..AccessLog::default() };
        let settings = Settings { access_logs: vec![log], ..Settings::default() };
        let table = Table::new(&settings, "gw.log");
        assert_eq!(table.entry(b"resp.code"), Some((Role::Status, 0)));
        assert_eq!(Table::new(&settings, "other.log").entry(b"resp.code"), None);
        let mut fields = Fields::default();
        let text = br#"{"status": 200, "resp": {"code": "403"}}"#;
        let mut seen = Vec::new();
        Known::new().collect(text, &table, &mut fields, &mut seen).expect("json");
        assert_eq!(fields.status(), Some(403));
    }

    fn collect<'a>(text: &'a str) -> Fields<'a> {
        let mut fields = Fields::default();
        let mut seen = Vec::new();
        Known::new().collect(text.as_bytes(), &table(), &mut fields, &mut seen).expect("json");
        fields
    }

    #[test]
    fn the_first_of_two_equal_keys_counts_and_is_told() {
        let fields = collect(r#"{"status":200,"status":403}"#);
        assert_eq!((fields.status(), fields.duplicate), (Some(200), true));
        assert!(!collect(r#"{"status":200,"status":200,"a":1,"a":2}"#).duplicate);
        assert!(!collect(r#"{"headers":{"x-request-id":["a","b"]}}"#).duplicate);
    }

    #[test]
    fn candidates_that_say_nothing_do_not_count() {
        let fields = collect(
            r#"{"client_id":"","remote_user":"-","remote_addr":"192.0.2.1","status":"ok","http_status":"403 Forbidden"}"#,
        );
        assert_eq!(fields.client().map(|value| value.text), Some(&b"192.0.2.1"[..]));
        assert_eq!(fields.status(), Some(403));
    }

    #[test]
    fn media_uris_count_only_where_the_media_may_be_call_audio() {
        let uri = r#""mediaUris":{"0":{"mediaUri":"https://m"}}"#;
        for (text, expected) in [
            (format!(r#"{{"body":[{{"media":"audio",{uri}}}]}}"#), 1),
            (format!(r#"{{"body":[{{{uri}}}]}}"#), 1),
            (format!(r#"{{"body":[{{{uri},"media":"screen"}},{{"media":"chat",{uri}}}]}}"#), 0),
            (format!(r#"{{"body":[{{{uri},"media":"screen"}},{{"media":"audio",{uri}}}]}}"#), 1),
            (format!(r#"{{"body":[{{"media":"audio","mediaSubtype":"Screen",{uri}}}]}}"#), 0),
            (format!(r#"{{"body":[{{"media":"audio","mediaSubtype":"Trunk",{uri}}}]}}"#), 1),
            (r#"{"body":[{"mediaUris":{}},{"mediaUri":""},{"mediaUri":null}]}"#.to_owned(), 0),
            (format!(r#"{{"requestBody":{{{uri}}}}}"#), 0),
        ] {
            assert_eq!(collect(&text).media_uris, expected, "{text}");
        }
    }

    #[test]
    fn the_times_of_a_recording_are_those_of_its_own_object() {
        let times = r#""startTime":"a","endTime":"b""#;
        let uri = r#""mediaUris":{"0":{"mediaUri":"https://m"}}"#;
        let of = |text: &str| -> Vec<(String, bool)> {
            let show = |recorded: &Recorded<'_>| {
                let text = [recorded.from.text, recorded.until.text].concat();
                (String::from_utf8(text).expect("UTF-8"), recorded.has_media_uri)
            };
            collect(text).recorded.iter().map(show).collect()
        };
        assert_eq!(of(&format!(r#"{{"response_body":{{{times}}}}}"#)), [("ab".to_owned(), false)]);
        assert_eq!(of(&format!(r#"{{"response":{{"body":[{{{uri},{times}}}]}}}}"#)), [("ab".to_owned(), true)]);
        assert_eq!(of(&format!(r#"{{"body":[{{{uri},{times}}},{{"media":"screen",{times}}}]}}"#)).len(), 1);
        // The request's own times, one without the other, and what the client sent.
        assert_eq!(of(&format!(r#"{{{times},"response_body":{{"startTime":"a"}}}}"#)), []);
        assert_eq!(of(&format!(r#"{{"request":{{"body":{{{times}}}}}}}"#)), []);
    }

    #[test]
    fn the_conversation_of_a_recording_is_the_one_its_own_object_says() {
        let uri = r#""mediaUris":{"0":{"mediaUri":"https://m"}}"#;
        let of = |text: &str| -> (Vec<(String, bool)>, bool) {
            let fields = collect(text);
            let show =
                |item: &Item<'_>| (String::from_utf8_lossy(item.conversation.text).into_owned(), item.has_media_uri);
            (fields.items.iter().map(show).collect(), fields.are_attributed())
        };
        let [one, other] = [("1".to_owned(), true), ("2".to_owned(), false)];
        assert_eq!(
            of(&format!(r#"{{"body":[{{"conversationId":"1",{uri}}},{{"conversationId":"2","media":"audio"}}]}}"#)),
            (vec![one.clone(), other], true)
        );
        // Of one of them it is not said.
        assert_eq!(
            of(&format!(r#"{{"body":[{{"conversationId":"1",{uri}}},{{{uri}}}]}}"#)),
            (vec![one.clone()], false)
        );
        assert_eq!(of(&format!(r#"{{"body":[{{{uri}}}]}}"#)), (vec![], false));
        // A screen hands out no call audio, an error none at all, and the request says its own.
        assert_eq!(of(&format!(r#"{{"body":[{{"conversationId":"1","media":"screen",{uri}}}]}}"#)), (vec![], true));
        assert_eq!(of(r#"{"body":{"conversationId":"1","code":"x"}}"#), (vec![], true));
        assert_eq!(
            of(r#"{"conversationId":"1","requestBody":{"conversationId":"2","media":"audio"}}"#),
            (vec![], true)
        );
        // Around the list and in it: the inner one is the recording's.
        assert_eq!(
            of(&format!(r#"{{"body":{{"conversationId":"2","entities":[{{"conversationId":"1",{uri}}}]}}}}"#)),
            (vec![one], true)
        );
    }

    #[test]
    fn an_answer_may_say_that_it_is_no_call_audio() {
        for (text, expected) in [
            (r#"{"body":{"id":"r","media":"screen"}}"#, true),
            (r#"{"response":{"body":{"media":"Email"}}}"#, true),
            (r#"{"body":{"media":"audio","mediaSubtype":"Screen"}}"#, true),
            (r#"{"body":{"media":"audio","mediaSubtype":"Snippet"}}"#, false),
            (r#"{"media":"web"}"#, false),
            (r#"{"request":{"body":{"media":"screen"}}}"#, false),
        ] {
            assert_eq!(collect(text).no_audio, expected, "{text}");
        }
    }

    #[test]
    fn a_status_is_three_digits() {
        assert_eq!(status(b"403"), Some(403));
        assert_eq!(status(b"403.0"), Some(403));
        for text in [&b""[..], b"-", b"4030", b"4x3", b"-403", b"403x", b"ok", b"0", b"012", b"99"] {
            assert_eq!(status(text), None);
        }
    }
}
