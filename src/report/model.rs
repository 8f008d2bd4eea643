//! The report as it is written: the schema `sipconsent.report/1`, field by field and in this order.
//!
//! Every array is sorted by (time, then source, then record), so the same evidence and configuration give the same
//! bytes. Times are RFC 3339 in UTC with the source's precision. Seconds are rounded to three decimals. Text from the
//! evidence is an [`EvidenceText`]: bytes that are not UTF-8 are `\xNN`-escaped, the backslash doubled in such a string
//! only, and `"escaped": true` stands beside it.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use crate::evidence::{Timestamp, escaped};
use crate::sentence::Sentence;
use crate::settings::Settings;

/// The schema's name.
pub const SCHEMA: &str = "sipconsent.report/1";

/// A whole report.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// What wrote it.
    pub generator: Generator,
    /// The effective configuration in full, and the options that change the result.
    pub settings: Settings,
    /// `false` when something named could not be read whole; `evidence` says what.
    pub complete: bool,
    /// What a reader must know first.
    pub notices: Vec<Notice>,
    /// The evidence, by shown path.
    pub evidence: Vec<Evidence>,
    /// The figures of the whole.
    pub summary: Summary,
    /// The calls by their first message.
    pub calls: Vec<Call>,
    /// The trunks: those configured in their order; last, where there are such legs, one without a name for legs that no
    /// trunk fits.
    pub trunks: Vec<Trunk>,
    /// Refused recording requests that no leg, call or trunk explains.
    pub unbound_refusals: Vec<UnboundRefusal>,
    /// The hypotheses weighed for each BYOC trunk.
    pub diagnosis: Vec<Hypothesis>,
}

/// The program that wrote the report.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Clone, Debug, Serialize)]
pub struct Generator {
    /// `sipconsent`.
    pub name: &'static str,
    /// Its version.
    pub version: &'static str,
}

/// Something a reader must know first.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Notice {
    /// A stable word, such as `rule_never_seen`.
    pub code: &'static str,
    /// One or two plain sentences.
    pub text: Sentence,
}

/// One source.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Clone, Debug, Serialize)]
pub struct Evidence {
    /// `E1`, `E2`, … by rank.
    pub id: EvidenceId,
    /// The path shown.
    pub path: String,
    /// Present and true when `path` is escaped.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub escaped: bool,
    /// `capture`, `access_log`, `genesys_export` or `unrecognised`.
    pub kind: &'static str,
    /// The format, such as `pcap`, `pcapng`, `json_lines`, `combined`; null when unrecognised.
    pub format: Option<&'static str>,
    /// `gzip` or `zstd`; null when plain.
    pub compression: Option<&'static str>,
    /// Size of the file in bytes.
    pub bytes: u64,
    /// `sha256:…` or `blake3:…`; null without one.
    pub digest: Option<String>,
    /// Records read: packets or non-empty lines.
    pub records: u64,
    /// The earliest time of a record.
    pub first: Option<Instant>,
    /// The latest time of a record.
    pub last: Option<Instant>,
    /// The zone of the times; null where nothing was read.
    pub timezone: Option<Timezone>,
    /// What became of the records; the counts add up to `records`.
    pub tally: BTreeMap<&'static str, u64>,
    /// What could not be read, by code.
    pub anomalies: Vec<Anomaly>,
    /// Of a log, the coarsest of its times: 1 where one is in whole seconds, 0.001 where all have milliseconds. A time stands for
    /// all of its step. Left out where no time was read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resolution_s: Option<f64>,
}

/// Where the zone of a source's times comes from.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Clone, Debug, Serialize)]
pub struct Timezone {
    /// The zone's name; `UTC` for captures.
    pub zone: String,
    /// `written`, `configured` or `assumed`.
    pub from: &'static str,
}

/// Anomalies of one code in one source.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Clone, Debug, Serialize)]
pub struct Anomaly {
    /// The code.
    pub code: &'static str,
    /// How often.
    pub count: u64,
    /// The first record, from 1; null where none can be named.
    pub first_record: Option<u64>,
    /// The quantities of the first one.
    pub detail: Sentence,
}

/// The figures of the whole.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Clone, Debug, Default, Serialize)]
#[expect(missing_docs, reason = "the contract's words")]
pub struct Summary {
    pub calls: u64,
    pub legs: u64,
    pub byoc_legs: u64,
    /// Every verdict, also those with no leg, in the order of the contract's table.
    pub verdicts: Verdicts,
    /// Streams of BYOC legs with unconsented time.
    pub unconsented_streams: u64,
    /// Unconsented seconds of those streams.
    pub unconsented_media_s: Seconds,
    pub requests: RequestCounts,
}

/// API requests counted. `refused`, `allowed` and `served` count recording requests only.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the contract's words")]
pub struct RequestCounts {
    pub total: u64,
    pub recording: u64,
    pub refused: u64,
    pub allowed: u64,
    pub served: u64,
    pub unbound_refusals: u64,
}

/// Legs by verdict, in the order of the contract's table.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the contract's words")]
pub struct Verdicts {
    pub not_byoc: u64,
    pub unclassified: u64,
    pub recording_session: u64,
    pub no_media: u64,
    pub exposed_unconsented: u64,
    pub blocked_unconsented: u64,
    pub unconsented: u64,
    pub indeterminate: u64,
    pub blocked_consented: u64,
    pub clear: u64,
}

/// Legs that identity evidence binds together.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Clone, Debug, Serialize)]
pub struct Call {
    /// The conversation ids, lower case, sorted.
    pub conversation_ids: Vec<EvidenceText>,
    /// The legs by first message.
    pub legs: Vec<Leg>,
    /// What the platform's own exports state of the call; left out where they do not describe it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub export: Option<CallExport>,
    /// What ties its legs to each other and to their conversations: the edges of the graph that makes them one call. Left
    /// out where there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<CallLink>,
    /// Present and true when one of `conversation_ids` is escaped.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub escaped: bool,
}

/// One identifier and the legs of a call that it names.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CallLink {
    /// The Call-IDs of the legs, by their first message. A single one is tied to the conversation and joined to no other
    /// leg by it.
    pub legs: Vec<EvidenceText>,
    /// What ties them: the name of the field that carries the identifier, such as `x-inin-cnv` or `Session-ID`;
    /// `protocolCallId` or `sip_trace` for an export; `Replaces`, `Refer-To`, `Join` or `Target-Dialog` where one leg names the
    /// other.
    pub by: Vec<String>,
    /// `exact` for the Call-ID itself, `bridged` for an identifier that both carry, `weak` for a Call-ID equal but for its
    /// host, which joins nothing.
    pub strength: &'static str,
    /// The conversation id, the half of a Session-ID, or the Call-ID that is named.
    pub identifier: EvidenceText,
    /// The first record of each leg that shows it.
    pub sources: Vec<Pointer>,
    /// Present and true when `identifier` or one of `legs` is escaped.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub escaped: bool,
}

/// What the platform's own exports state of a call. Lists are sorted; an empty one says that no export names any.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CallExport {
    /// The ids of its divisions.
    pub divisions: Vec<EvidenceText>,
    /// The ids of its queues.
    pub queues: Vec<EvidenceText>,
    /// The ids of the users that took part.
    pub agents: Vec<EvidenceText>,
    /// The names of the flows it entered, the id where there is none.
    pub flows: Vec<EvidenceText>,
    /// Whether its audio was recorded; null where the exports do not say.
    pub recorded: Option<bool>,
    /// The entries.
    pub sources: Vec<Pointer>,
    /// Present and true when an id or a name in the lists is escaped.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub escaped: bool,
}

/// One leg.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Clone, Debug, Serialize)]
pub struct Leg {
    /// Call-ID, byte by byte.
    pub call_id: EvidenceText,
    /// Present and true when `call_id`, `from` or `to` is escaped.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub escaped: bool,
    /// The trunk it crossed.
    pub trunk: TrunkRef,
    /// `inbound`, `outbound` or `unknown`.
    pub direction: &'static str,
    /// The URI of From in the INVITE that counts; null where unread.
    pub from: Option<EvidenceText>,
    /// The URI of To.
    pub to: Option<EvidenceText>,
    /// The first message.
    pub first: Instant,
    /// The first 2xx to the INVITE.
    pub answered: Option<Instant>,
    /// The end that was seen: BYE, CANCEL or final refusal.
    pub ended: Option<Instant>,
    /// The final SIP status to the INVITE that counts.
    pub final_status: Option<u16>,
    /// What consent its signalling carried.
    pub consent: Consent,
    /// The accepted media streams in SDP order.
    pub streams: Vec<Stream>,
    /// The recording requests bound to it, of every status.
    pub requests: Vec<BoundRequest>,
    /// The verdict (contract §4).
    pub verdict: &'static str,
    /// What the verdict rests on. Never empty.
    pub grounds: Vec<Ground>,
    /// Of a SIPREC recording session the legs that its metadata names; left out where it names none that was captured.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub records: Vec<RecordedLeg>,
    /// What its messages say of being recorded by RFC 7866, and where that changes; left out where they say nothing.
    /// Neutral: it is a recorder's state or a caller's preference, no consent, unless a rule of the settings reads it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub recording_awareness: Vec<Awareness>,
    /// Its SIP messages, where a report that shows them one by one asked for this leg. No part of the JSON, which points
    /// at the packets instead: with it two outputs of one run would differ by what the other one asks.
    #[serde(skip)]
    pub ladder: Option<Ladder>,
}

/// A leg that a recording session records.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RecordedLeg {
    /// Its Call-ID.
    pub call_id: EvidenceText,
    /// Its first message, which tells legs of one Call-ID apart.
    pub first: Instant,
    /// What of the metadata names it: `sipSessionID`, `session_id` or `call_id`.
    pub by: &'static str,
    /// The message that carries the metadata.
    pub source: Pointer,
    /// Present and true when `call_id` is escaped.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub escaped: bool,
}

/// What one message says of being recorded.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Awareness {
    /// When.
    pub at: Instant,
    /// `a=record`, `a=recordpref`, or the header field's name.
    pub name: EvidenceText,
    /// `on`, `off`, `record-aware` and others as written.
    pub value: EvidenceText,
    /// The media description that it concerns, from 0; null for all.
    pub stream: Option<u32>,
    /// The packet.
    pub source: Pointer,
    /// Present and true when `name` or `value` is escaped.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub escaped: bool,
}

/// The SIP messages of a leg as a ladder diagram shows them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ladder {
    /// The messages by time, on every hop; retransmissions and second copies are one with the first. At most
    /// [`Ladder::MOST_MESSAGES`]: the first ones, and those that a ground points to.
    pub messages: Vec<Message>,
    /// Messages that are not in the list.
    pub left_out: u64,
}

impl Ladder {
    /// Messages of one leg that are listed. More are an attack or a broken device, not a call.
    pub const MOST_MESSAGES: usize = 256;

    /// Copies of one message that are listed.
    pub const MOST_COPIES: usize = 16;
}

/// One SIP message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// When it was captured first.
    pub at: Instant,
    /// The addresses it went between.
    pub hop: Hop,
    /// `udp`, `tcp` or `websocket`.
    pub transport: &'static str,
    /// A request's method, or the method that a response answers; `other` for extension methods, null where unread.
    pub method: Option<&'static str>,
    /// A response's status code; null for a request.
    pub status: Option<u16>,
    /// A request's Request-URI as written.
    pub request_uri: Option<EvidenceText>,
    /// The CSeq number.
    pub cseq: Option<u32>,
    /// The state that the leg's observation of this message gives; null for messages that no rule reads.
    pub consent: Option<&'static str>,
    /// The media descriptions of its session description; null without one.
    pub media: Option<Vec<MediaDescription>>,
    /// Whether the header section was captured to its end.
    pub header_whole: bool,
    /// Whether the body was captured to its end, or there is none.
    pub body_whole: bool,
    /// The header field rows that conclusions are read from, in wire order: name as written, value unfolded.
    pub rows: Vec<HeaderField>,
    /// Start line and header section as captured, of INVITE and UPDATE; cut after 16 KiB. Holds any text of the evidence.
    pub head: Option<EvidenceText>,
    /// The packet.
    pub source: Pointer,
    /// The packets of its copies, at most [`Ladder::MOST_COPIES`].
    pub copies: Vec<Pointer>,
    /// How many copies were captured.
    pub copies_count: u64,
}

/// The two addresses a message went between, as `address:port`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Hop {
    pub source: String,
    pub destination: String,
}

/// One media description (RFC 8866 §5.14).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaDescription {
    /// The media type.
    pub media: EvidenceText,
    /// Where its sender wants to receive. Port 0 rejects or ends the stream.
    pub endpoint: Endpoint,
    /// The formats.
    pub codecs: Vec<EvidenceText>,
    /// `sendrecv`, `sendonly`, `recvonly` or `inactive`.
    pub direction: &'static str,
}

/// One header field row.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct HeaderField {
    pub name: EvidenceText,
    pub value: EvidenceText,
}

/// A trunk as legs name it.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TrunkRef {
    /// Its name; null when no trunk fits.
    pub name: Option<String>,
    /// `byoc`, `standard` or `unknown`.
    pub kind: &'static str,
}

/// The consent of a leg.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Clone, Debug, Serialize)]
pub struct Consent {
    /// `granted`, `denied`, `missing`, `invalid`, `unknown` or `partial`.
    pub state: &'static str,
    /// Every INVITE, re-INVITE and UPDATE, and any other message that a rule reads.
    pub observations: Vec<Observation>,
    /// The state in force over time: each entry holds until the next begins, the first one from the leg's beginning.
    pub timeline: Vec<StateFrom>,
}

/// A consent state and when it came into force.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct StateFrom {
    /// From when on.
    pub from: Instant,
    /// `granted`, `denied`, `missing`, `invalid` or `unknown`.
    pub state: &'static str,
}

/// What one message says of consent.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Clone, Debug, Serialize)]
pub struct Observation {
    /// When.
    pub at: Instant,
    /// The method, or the status code for a response.
    pub method: String,
    /// The CSeq number; null where unreadable.
    pub cseq: Option<u32>,
    /// The field's name as written, `a=` before an attribute's, `Request-URI` for a parameter of it; null without the field.
    pub header: Option<EvidenceText>,
    /// Its value as written; null without the field.
    pub value: Option<EvidenceText>,
    /// Present and true when `header` or `value` is escaped.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub escaped: bool,
    /// What the message says, or the state in force where it says nothing.
    pub state: &'static str,
    /// The packet.
    pub source: Pointer,
}

/// One accepted media stream.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Clone, Debug, Serialize)]
pub struct Stream {
    /// Its place among the media descriptions, from 0.
    pub index: u32,
    /// The media type.
    pub media: EvidenceText,
    /// The formats, the answer's where one was captured.
    pub codecs: Vec<EvidenceText>,
    /// Where the offerer wants to receive; null when the offer was not captured.
    pub offer: Option<Endpoint>,
    /// Where the answerer wants to receive; null when the answer was not captured.
    pub answer: Option<Endpoint>,
    /// When media began; null where nothing shows it.
    pub start: Option<Instant>,
    /// When media ended.
    pub end: Option<Instant>,
    /// Whether the end of the dialog was seen.
    pub end_seen: bool,
    /// `rtp` or `signalling`.
    pub measured_by: &'static str,
    /// Seconds under granted consent.
    pub consented_s: Seconds,
    /// Seconds under missing, denied or invalid consent.
    pub unconsented_s: Seconds,
    /// Seconds under unknown consent.
    pub unknown_s: Seconds,
    /// The RTP flows tied to it.
    pub rtp: Vec<Rtp>,
    /// The consent state in force over time, like the leg's; left out where no rule concerns single streams.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub timeline: Vec<StateFrom>,
    /// Present and true when `media` or one of `codecs` is escaped.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub escaped: bool,
}

/// An address and a port of a session description.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Endpoint {
    /// The address or host name as written; empty where none stands.
    pub address: EvidenceText,
    /// The port; null where it was unreadable.
    pub port: Option<u16>,
    /// Present and true when `address` is escaped.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub escaped: bool,
}

impl Endpoint {
    /// Of a description.
    #[must_use]
    pub fn new(address: EvidenceText, port: Option<u16>) -> Self {
        Self { escaped: address.is_escaped(), address, port }
    }
}

/// One RTP flow.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Clone, Debug, Serialize)]
pub struct Rtp {
    /// The SSRC as `0x` and eight hex digits.
    pub ssrc: String,
    /// `address:port` it came from.
    pub source: String,
    /// `address:port` it went to.
    pub destination: String,
    /// Distinct packets.
    pub packets: u64,
    /// Their payload bytes.
    pub bytes: u64,
    /// Sequence numbers no packet had.
    pub lost: u64,
    /// The first packet.
    pub first: Instant,
    /// The last packet.
    pub last: Instant,
}

/// One API request.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Clone, Debug, Serialize)]
pub struct Request {
    /// When, as logged; null where the record has no readable time.
    pub at: Option<Instant>,
    /// The method.
    pub method: std::borrow::Cow<'static, str>,
    /// The request target as logged, with `…` for what would give access: tokens, signatures, passwords.
    pub target: EvidenceText,
    /// Present and true when `target`, `client`, `user`, `error_code`, `correlation_id` or a name or value in
    /// `error_params` is escaped.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub escaped: bool,
    /// The status code.
    pub status: u16,
    /// Who asked, where logged.
    pub client: Option<EvidenceText>,
    /// The API's error code, where logged.
    pub error_code: Option<EvidenceText>,
    /// The parameters of the API's error message, such as which permission was missing; null where none is logged.
    pub error_params: Option<BTreeMap<String, EvidenceText>>,
    /// The user, where the log has a field for one, also beside an OAuth client.
    pub user: Option<EvidenceText>,
    /// The API's own correlation id, where logged: what its operator can look up.
    pub correlation_id: Option<EvidenceText>,
    /// Who answered; null where the record does not tell.
    pub answered_by: Option<AnsweredBy>,
    /// The recordings that a batch could not hand out, as its logged body says whatever the status was. Only present
    /// where there are any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub batch_errors: Vec<BatchError>,
    /// The log line. Written last.
    #[serde(skip)]
    pub source: Pointer,
}

/// A recording that a batch could not hand out.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Clone, Debug, Serialize)]
pub struct BatchError {
    /// The conversation.
    pub conversation_id: EvidenceText,
    /// The recording; null where it is not named.
    pub recording_id: Option<EvidenceText>,
    /// What the answer says.
    pub message: EvidenceText,
    /// Present and true when any of them is escaped.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub escaped: bool,
}

/// Who answered a request.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct AnsweredBy {
    /// `api`, `edge`, `proxy`, or `upstream`: whatever stands behind the proxy whose log it is.
    pub who: &'static str,
    /// What of the record says so: `correlation_id`, `edge_result`, `error_code`, `response_details`, `response_flags`,
    /// `response_headers`, `termination_state`, `upstream_host` or `upstream_status`.
    pub known_by: &'static str,
}

/// A request bound to a leg.
#[derive(Clone, Debug)]
pub struct BoundRequest {
    /// The request; one row for all legs that it informs.
    pub request: Arc<Request>,
    /// What binds it.
    pub link: Link,
    /// Seconds from the leg's first message.
    pub lag_s: Seconds,
}

/// What binds a request to a leg.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Link {
    /// `call_id`, or the name of the bridging identifier such as `x-inin-cnv`.
    pub by: String,
    /// `exact`, `bridged` or `weak`.
    pub strength: &'static str,
}

/// What a verdict rests on.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Ground {
    /// A stable word.
    pub reason: &'static str,
    /// The packets and lines.
    pub sources: Vec<Pointer>,
}

/// A packet or a line.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Pointer {
    /// The source.
    pub evidence: EvidenceId,
    /// Packet number, line number or entry, from 1.
    pub record: u64,
}

/// The figures of one trunk.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Clone, Debug, Serialize)]
pub struct Trunk {
    /// Its name; null for legs that no trunk fits.
    pub name: Option<String>,
    /// `byoc`, `standard` or `unknown`.
    pub kind: &'static str,
    /// Its identifier, where configured.
    pub id: Option<String>,
    /// Legs that crossed it.
    pub legs: u64,
    /// Them by verdict.
    pub verdicts: Verdicts,
    /// Calls by consent and outcome of their recording requests.
    pub requests: Outcomes,
    /// REGISTER transactions seen on it.
    pub registrations: Vec<Registration>,
    /// What could not be read.
    pub unseen: Unseen,
    /// Refused queries by trunk.
    pub refusals: Vec<PlainRequest>,
    /// What inventories among the evidence list of it; left out where there is nothing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub inventory: Vec<ListedTrunk>,
    /// Its OPTIONS transactions; left out where none was captured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub options: Option<OptionsHealth>,
}

/// The OPTIONS transactions captured on a trunk: whether its two sides reached each other.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct OptionsHealth {
    /// Transactions whose request was captured.
    pub sent: u64,
    /// Those answered with a 2xx.
    pub answered: u64,
    /// Those answered with any other final status.
    pub refused: u64,
    /// Those without a final response in the capture.
    pub unanswered: u64,
    /// The first request.
    pub first: Instant,
    /// The last request.
    pub last: Instant,
    /// The request that was last answered with a 2xx; null where none was.
    pub last_answered: Option<Pointer>,
    /// The request that last was not; null where each was.
    pub last_failed: Option<Pointer>,
}

/// What an inventory of the platform lists of a trunk: its base settings, or an instance of it.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ListedTrunk {
    /// Its id; null where the export names none.
    pub id: Option<EvidenceText>,
    /// `byoc`, `external` or `internal`; null where the export does not say.
    pub kind: Option<&'static str>,
    /// Whether it is in use.
    pub active: bool,
    /// `trunk_recording_enabled`; null where it does not say, as the following.
    pub recording: Option<bool>,
    /// `trunk_recording_consent_required`.
    pub consent_required: Option<bool>,
    /// Whether all its registrations succeeded (`registersStatus`).
    pub registered: Option<bool>,
    /// Whether all its OPTIONS were answered (`optionsStatus`).
    pub options_answered: Option<bool>,
    /// The entry.
    pub source: Pointer,
    /// Present and true when `id` is escaped.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub escaped: bool,
}

/// Calls by consent and outcome.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the contract's words")]
pub struct Outcomes {
    pub consented: Outcome,
    pub unconsented: Outcome,
}

/// Calls by outcome of their recording requests, a call for each client.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the contract's words")]
pub struct Outcome {
    pub refused: u64,
    pub allowed: u64,
    pub mixed: u64,
}

/// One REGISTER transaction.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Clone, Debug, Serialize)]
pub struct Registration {
    /// When the request was sent.
    pub at: Instant,
    /// Its final status; null when none was seen.
    pub status: Option<u16>,
    /// The packet.
    pub source: Pointer,
}

/// Traffic of a trunk that cannot be read.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "the contract's words")]
pub struct Unseen {
    pub tls_connections: u64,
    pub tls_packets: u64,
}

/// A request that no leg carries.
#[derive(Clone, Debug)]
pub struct PlainRequest(pub Request);

/// A refusal that nothing explains.
#[derive(Clone, Debug)]
pub struct UnboundRefusal {
    /// The request.
    pub request: Request,
    /// Why it is unbound (contract §6).
    pub reason: &'static str,
}

/// One hypothesis weighed for one trunk (contract §5).
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "the contract's words")]
pub struct Hypothesis {
    pub trunk: String,
    pub hypothesis: &'static str,
    pub status: &'static str,
    pub counts: BTreeMap<String, u64>,
    pub p: Option<f64>,
    pub not_separable_from: Vec<&'static str>,
    pub explanation: Sentence,
    pub sources: Vec<Pointer>,
    /// What to do next; null unless supported.
    pub remedy: Option<Remedy>,
}

/// What to do next where a hypothesis is supported.
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Remedy {
    /// One or two plain sentences.
    pub text: Sentence,
    /// `verified` where the vendor documents what it speaks of, else `claimed`.
    pub basis: &'static str,
}

/// The rank of a source in the evidence list, written `E1`, `E2`, ….
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EvidenceId(pub u32);

impl std::fmt::Display for EvidenceId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "E{}", self.0 + 1)
    }
}

impl Serialize for EvidenceId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// An instant, written as RFC 3339 in UTC with the source's precision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Instant(pub Timestamp);

impl Serialize for Instant {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0.rfc3339())
    }
}

/// Nanoseconds, written as seconds rounded to three decimals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seconds(pub i128);

impl Seconds {
    /// Seconds rounded half away from zero to three decimals.
    #[must_use]
    pub fn rounded(self) -> f64 {
        let half = if self.0 < 0 { -500_000 } else { 500_000 };
        ((self.0 + half) / 1_000_000) as f64 / 1000.0
    }
}

impl Serialize for Seconds {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.rounded())
    }
}

/// Text of the evidence: bytes, shown losslessly.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct EvidenceText(pub Vec<u8>);

impl EvidenceText {
    /// The text, with `\xNN` for bytes that are not UTF-8 and then a doubled backslash; and whether it was so escaped.
    #[must_use]
    pub fn lossless(&self) -> (std::borrow::Cow<'_, str>, bool) {
        match std::str::from_utf8(&self.0) {
            Ok(text) => (text.into(), false),
            Err(_) => (Self::escape(&self.0).into(), true),
        }
    }

    /// `bytes` as a text, or a part of one, that is not UTF-8: `\xNN` for what is none, the backslash doubled.
    pub(super) fn escape(bytes: &[u8]) -> String {
        escaped(bytes)
    }

    /// Whether the text is not UTF-8.
    #[must_use]
    pub fn is_escaped(&self) -> bool {
        std::str::from_utf8(&self.0).is_err()
    }
}

/// Whether a text is escaped among those that stand in one object: `"escaped": true` then stands beside them.
pub(super) fn are_escaped<'t>(texts: impl IntoIterator<Item = &'t EvidenceText>) -> bool {
    texts.into_iter().any(EvidenceText::is_escaped)
}

impl Serialize for EvidenceText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.lossless().0)
    }
}

impl Request {
    fn entries<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        map.serialize_entry("at", &self.at)?;
        map.serialize_entry("method", &self.method)?;
        map.serialize_entry("target", &self.target)?;
        if self.escaped {
            map.serialize_entry("escaped", &true)?;
        }
        map.serialize_entry("status", &self.status)?;
        map.serialize_entry("client", &self.client)?;
        map.serialize_entry("error_code", &self.error_code)
    }

    /// What issues appended to the contract's keys.
    fn appended<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        map.serialize_entry("error_params", &self.error_params)?;
        map.serialize_entry("user", &self.user)?;
        map.serialize_entry("correlation_id", &self.correlation_id)?;
        map.serialize_entry("answered_by", &self.answered_by)?;
        if !self.batch_errors.is_empty() {
            map.serialize_entry("batch_errors", &self.batch_errors)?;
        }
        Ok(())
    }
}

impl Serialize for BoundRequest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        self.request.entries(&mut map)?;
        map.serialize_entry("link", &self.link)?;
        map.serialize_entry("lag_s", &self.lag_s)?;
        map.serialize_entry("source", &self.request.source)?;
        self.request.appended(&mut map)?;
        map.end()
    }
}

impl Serialize for PlainRequest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        self.0.entries(&mut map)?;
        map.serialize_entry("source", &self.0.source)?;
        self.0.appended(&mut map)?;
        map.end()
    }
}

impl Serialize for UnboundRefusal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        self.request.entries(&mut map)?;
        map.serialize_entry("source", &self.request.source)?;
        map.serialize_entry("reason", self.reason)?;
        self.request.appended(&mut map)?;
        map.end()
    }
}
