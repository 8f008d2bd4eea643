//! SIP trace records: a message that a probe of the platform saw, with its time and its two addresses.
//!
//! The model HomerRecord of the platform's SDK, whose names are those of open-source Homer. `msg` is the raw message by
//! Homer's convention. A record may name the conversation too, also one whose message is missing.
//!
//! # Design
//!
//! A record does not say whether its message is whole, so that is asked of the message: a header without its empty line, or
//! a body shorter than Content-Length says, is cut. Line ends that lost their CR on the way through a text are given
//! back first, or every body would look short.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};

use serde_json::Value;

use super::json::{field, text};
use super::time::{Times, Written, epoch};
use crate::evidence::{Locus, Timestamp};
use crate::facts::{Hop, Traced, TracedMessage, Transport};

/// What one record gives.
pub(super) struct Trace {
    /// The conversation it names for its Call-ID.
    pub(super) traced: Option<Traced>,
    /// Its message, or why there is none: a reason of the tally.
    pub(super) message: Result<TracedMessage, &'static str>,
}

/// Names that only a trace gives to a field; one of them tells a record whose message and addresses are missing.
pub(super) const MARKS: [&str; 8] =
    ["callidaleg", "cseq", "fromtag", "fromuser", "ruri", "ruriuser", "totag", "touser"];

/// Whether an object looks like one.
pub(super) fn is_one(value: &Value) -> bool {
    let marked = || MARKS.iter().any(|mark| field(value, mark).is_some());
    let message = field(value, "msg").is_some_and(Value::is_string);
    let addressed = field(value, "sourceip").is_some() || field(value, "destinationip").is_some();
    let named = field(value, "callid").is_some();
    (message && (addressed || named))
        || (addressed && named)
        || (named && field(value, "conversationid").is_some() && marked())
}

/// Reads one.
pub(super) fn read(value: &Value, locus: Locus, times: &mut Times<'_>) -> Trace {
    let raw = field(value, "msg").and_then(Value::as_str).unwrap_or_default();
    let bytes = with_line_ends(raw.as_bytes());
    let extent = Extent::of(&bytes);
    let call_id = text(value, "callid").or_else(|| extent.call_id.map(Into::into));
    let traced = call_id.zip(text(value, "conversationid"));
    let mut message = || {
        if raw.trim().is_empty() {
            return Err("trace_no_message");
        }
        let at = at(value, times).ok_or("trace_no_time")?;
        let hop = hop(value).ok_or("trace_no_address")?;
        let transport = transport(value, extent.transport);
        Ok(TracedMessage { at, locus, hop, transport, truncated: extent.truncated, bytes: bytes.as_ref().into() })
    };
    Trace { traced: traced.map(|(call_id, conversation)| Traced { locus, call_id, conversation }), message: message() }
}

/// The most precise of the times that can be one. The epochs are believed where they agree with the date, or with one
/// without a zone but for the zone.
fn at(value: &Value, times: &mut Times<'_>) -> Option<Timestamp> {
    const SECOND: i64 = 1_000_000_000;
    /// Zones are whole quarters of an hour apart, by 26 hours at most.
    const QUARTER: i64 = 900 * SECOND;
    const APART: i64 = 26 * 3600 * SECOND;
    let text_of = |name| text(value, name);
    let said = text_of("date").or_else(|| text_of("timestamp"));
    let has_ambiguous = times.has_ambiguous;
    let date = said.and_then(|text| times.written(&text));
    let near = |epoch: &Timestamp| {
        date.is_none_or(|Written { at, offset }| {
            let apart = (epoch.ns - at.ns).abs();
            let of_a_zone = (apart + SECOND) % QUARTER <= 2 * SECOND && apart <= APART;
            apart <= SECOND || offset.is_none() && of_a_zone
        })
    };
    let of = |name, digits| text_of(name).and_then(|text| epoch(&text, digits)).filter(near);
    match of("microts", 6).or_else(|| of("millits", 3)) {
        Some(at) => {
            times.has_ambiguous = has_ambiguous;
            Some(times.used(Written { at, offset: Some(0) }))
        }
        None => date.map(|date| times.used(date)),
    }
}

fn hop(value: &Value) -> Option<Hop> {
    let end = |ip: &[&str], port: &[&str]| {
        let ip = ip.iter().find_map(|name| text(value, name))?;
        let ip: IpAddr = std::str::from_utf8(&ip).ok()?.trim_matches(['[', ']']).parse().ok()?;
        let port = port.iter().find_map(|name| text(value, name))?;
        Some(SocketAddr::new(ip, std::str::from_utf8(&port).ok()?.parse().ok()?))
    };
    Some(Hop {
        source: end(&["sourceip", "srcip"], &["sourceport", "srcport"])?,
        destination: end(&["destinationip", "dstip"], &["destinationport", "dstport"])?,
    })
}

/// By the record's word or its IP protocol number, else by the message's top Via.
fn transport(value: &Value, via: Option<Transport>) -> Transport {
    let said = text(value, "proto").and_then(|text| match text.to_ascii_lowercase().as_slice() {
        b"udp" | b"17" => Some(Transport::Udp),
        b"tcp" | b"6" | b"tls" => Some(Transport::Tcp),
        b"ws" | b"wss" => Some(Transport::WebSocket),
        _ => None,
    });
    said.or(via).unwrap_or(Transport::Udp)
}

/// The message with the line ends of SIP (RFC 3261 §7), where all of its own are bare line feeds.
fn with_line_ends(message: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr(b'\r', message).is_some() || memchr::memchr(b'\n', message).is_none() {
        return Cow::Borrowed(message);
    }
    let mut bytes = Vec::with_capacity(message.len() + message.len() / 16);
    for line in message.split_inclusive(|byte| *byte == b'\n') {
        match line.split_last() {
            Some((b'\n', text)) => {
                bytes.extend_from_slice(text);
                bytes.extend_from_slice(b"\r\n");
            }
            _ => bytes.extend_from_slice(line),
        }
    }
    bytes.into()
}

/// What a message's header says of its own extent, as far as it must be known before anyone parses it.
#[derive(Default)]
struct Extent<'m> {
    truncated: bool,
    transport: Option<Transport>,
    call_id: Option<&'m [u8]>,
}

impl<'m> Extent<'m> {
    fn of(message: &'m [u8]) -> Self {
        let mut extent = Self { truncated: true, ..Self::default() };
        let (mut at, mut length) = (0, None);
        while let Some(end) = memchr::memchr(b'\n', message.get(at..).unwrap_or_default()) {
            let row = message.get(at..at + end).unwrap_or_default();
            let row = row.strip_suffix(b"\r").unwrap_or(row);
            at += end + 1;
            if row.is_empty() && at > end + 1 {
                let body = message.len() - at;
                extent.truncated = length.is_some_and(|length: usize| length > body);
                return extent;
            }
            let Some(colon) = memchr::memchr(b':', row) else { continue };
            let (name, value) = row.split_at(colon);
            let value = value.get(1..).unwrap_or_default().trim_ascii();
            match name.trim_ascii_end().to_ascii_lowercase().as_slice() {
                b"content-length" | b"l" if length.is_none() => {
                    length = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
                }
                b"call-id" | b"i" => extent.call_id = extent.call_id.or(Some(value).filter(|value| !value.is_empty())),
                b"via" | b"v" => extent.transport = extent.transport.or_else(|| via(value)),
                _ => {}
            }
        }
        extent
    }
}

/// The transport that a Via value names (RFC 3261 §20.42).
fn via(value: &[u8]) -> Option<Transport> {
    let sent = value.split(|byte| matches!(byte, b' ' | b'\t')).next()?;
    match sent.rsplit(|byte| *byte == b'/').next()?.to_ascii_lowercase().as_slice() {
        b"udp" => Some(Transport::Udp),
        b"tcp" | b"tls" => Some(Transport::Tcp),
        b"ws" | b"wss" => Some(Transport::WebSocket),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::SourceId;
    use crate::settings::{Settings, SourceZone};
    use serde_json::json;

    const LOCUS: Locus = Locus { source: SourceId(0), record: 4 };
    const INVITE: &str =
        "INVITE sip:1@h SIP/2.0\r\nVia: SIP/2.0/TLS 203.0.113.5;branch=z\r\nCall-ID: a@b\r\nl: 4\r\n\r\nv=0\n";

    fn record(message: &str) -> Value {
        json!({
            "date": "2026-03-02T10:00:00.000Z", "milliTs": "1772445600250", "microTs": "1772445600250125",
            "sourceIp": "203.0.113.5", "sourcePort": "5060", "destinationIp": "192.0.2.1", "destinationPort": 5061,
            "callid": "a@b", "conversationId": "c", "msg": message,
        })
    }

    fn read_utc(value: &Value, locus: Locus) -> Trace {
        let zone = SourceZone::new(&Settings::default(), "a.json");
        read(value, locus, &mut Times::new(&zone))
    }

    #[test]
    fn a_record_stands_in_for_a_packet() {
        let value = record(INVITE);
        assert!(is_one(&value));
        let Trace { traced, message } = read_utc(&value, LOCUS);
        let message = message.expect("a message");
        assert_eq!(message.at.rfc3339(), "2026-03-02T10:00:00.250125Z");
        assert_eq!(message.hop.destination.to_string(), "192.0.2.1:5061");
        assert_eq!((message.transport, message.truncated), (Transport::Tcp, false));
        assert_eq!(&*message.bytes, INVITE.as_bytes());
        assert_eq!(
            traced.map(|traced| (traced.call_id, traced.conversation)),
            Some((b"a@b"[..].into(), b"c"[..].into()))
        );
    }

    #[test]
    fn homers_own_names_are_read_too() {
        let value = json!({
            "date": "2026-03-02 10:00:00", "micro_ts": 1_772_445_600_250_125_i64, "source_ip": "2001:db8::1",
            "source_port": 5060, "destination_ip": "2001:db8::2", "destination_port": 5060, "proto": 17, "msg": INVITE,
            "conversation_id": "c",
        });
        let Trace { traced, message } = read_utc(&value, LOCUS);
        let message = message.expect("a message");
        assert_eq!((message.at.ns, message.transport), (1_772_445_600_250_125_000, Transport::Udp));
        assert_eq!(traced.map(|traced| traced.call_id), Some(b"a@b"[..].into()));
    }

    #[test]
    fn a_record_without_message_and_addresses_ties_its_call_id() {
        let value = json!({"callid": "a@b", "conversationId": "c", "fromUser": "+12025550123"});
        assert!(is_one(&value));
        let Trace { traced, message } = read_utc(&value, LOCUS);
        assert_eq!((traced.is_some(), message), (true, Err("trace_no_message")));
        assert!(!is_one(&json!({"callId": "a@b", "conversationId": "c", "status": 403})), "a log record");
    }

    #[test]
    fn a_message_is_cut_where_it_says_so_itself() {
        let cut = |message: &str| read_utc(&record(message), LOCUS).message.expect("a message").truncated;
        assert!(!cut(INVITE));
        assert!(cut(INVITE.strip_suffix("0\n").expect("the end")));
        assert!(cut(INVITE.split_once("\r\n\r\n").expect("a header").0));
        assert!(!cut("BYE sip:1@h SIP/2.0\r\nCall-ID: a\r\n\r\n"));
    }

    #[test]
    fn line_ends_that_lost_their_cr_are_given_back() {
        let text = "INVITE sip:1@h SIP/2.0\r\nCall-ID: a@b\r\nContent-Length: 10\r\n\r\nv=0\r\ns=-\r\n";
        let message = read_utc(&record(&text.replace("\r\n", "\n")), LOCUS).message.expect("a message");
        assert_eq!((&*message.bytes, message.truncated), (text.as_bytes(), false));
    }

    #[test]
    fn what_is_missing_sets_the_message_aside_and_keeps_the_link() {
        for (field, reason) in [("msg", "trace_no_message"), ("sourceIp", "trace_no_address")] {
            let mut value = record(INVITE);
            value[field] = Value::Null;
            let Trace { traced, message } = read_utc(&value, LOCUS);
            assert_eq!((message, traced.is_some()), (Err(reason), true), "{field}");
        }
        let mut value = record(INVITE);
        for field in ["date", "milliTs", "microTs"] {
            value[field] = json!("250");
        }
        assert_eq!(read_utc(&value, LOCUS).message, Err("trace_no_time"));
    }
}
