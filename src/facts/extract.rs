//! Bytes of one message into the signalling facts that later stages ask for.
//!
//! Ties [`crate::sip`] to [`crate::sdp`] and to what the settings name, in one pass over the header rows without an
//! allocation of its own. Called by the decoder of each block with every payload that could be SIP.
//!
//! Keeps: no field is taken from a row that was not captured whole; a message whose header was not seen to its end says
//! so; what could not be read is an anomaly of the record.
//!
//! # Design
//!
//! - Of several rows of a field that may stand once the first counts. A second Call-ID that differs is an anomaly.
//! - A body that cannot be looked into (encrypted, encoded, nested too deep) counts as cut: it may describe media.
//! - `+sip.srs`, the recording server's own Contact feature (RFC 7866 §6.1.1), is a sign like `+sip.src`.

use std::borrow::Cow;
use std::hash::{BuildHasher, Hasher};

use super::{Body, CSeq, Draft, Hop, MediaDescription, Method, Row, Signalling, SignallingBatch, StartLine, Subject, Transport};
use crate::evidence::{Anomalies, Locus, Timestamp};
use crate::scan;
use crate::sdp;
use crate::settings::Settings;
use crate::sip::address::{self, Address, Via};
use crate::sip::body::{self, Part};
use crate::sip::{self, Extent, HeaderEnd, Line};

/// Where and how a payload was seen.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    /// When its first byte was captured.
    pub at: Timestamp,
    /// The packet that completed it. Anomalies are noted at its record.
    pub locus: Locus,
    /// Where it went from and to.
    pub hop: Hop,
    /// The transport it came by.
    pub transport: Transport,
    /// Whether the capture holds fewer bytes than were sent.
    pub truncated: bool,
}

/// What became of a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extracted {
    /// It is in the batch.
    Message,
    /// It is a SIP message that shows no Call-ID.
    NoCallId,
    /// It is no SIP message.
    NotSip,
}

/// Which header fields are read and kept, from the settings: shared by all threads of an audit.
#[derive(Clone, Debug)]
pub struct Keep {
    /// By length of the name, so that a look-up compares a handful of names at most.
    fields: Vec<Named>,
    by_length: [Names; LENGTHS],
}

/// A field by its name in lower case.
#[derive(Clone, Debug)]
struct Named {
    key: (u64, u64),
    name: Box<[u8]>,
    field: Field,
}

/// Names are told apart by length up to this; longer ones share the last place.
const LENGTHS: usize = 48;

/// The field names of one length: a bit for each first letter, and their range.
#[derive(Clone, Copy, Debug, Default)]
struct Names {
    letters: u32,
    start: usize,
    end: usize,
}

/// What a header field row is read for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    CallId,
    Contact,
    ContentEncoding,
    ContentLength,
    ContentType,
    CSeq,
    From,
    Kept(Subject),
    Require,
    Route,
    To,
    Via,
}

impl Keep {
    /// The fields that facts need, and those that consent rules and identity headers name.
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        let mut fields = Vec::new();
        let mut add = |name: &[u8], field: Field| {
            let name = sip::long_form(name).map_or_else(|| name.to_ascii_lowercase(), <[u8]>::to_vec);
            if let Some(letter) = sip::compact(&name) {
                fields.push(Named { key: scan::name_key(&[letter]), name: Box::new([letter]), field });
            }
            fields.push(Named { key: scan::name_key(&name), name: name.into_boxed_slice(), field });
        };
        for (name, field) in [
            (b"call-id".as_slice(), Field::CallId),
            (b"contact", Field::Contact),
            (b"content-encoding", Field::ContentEncoding),
            (b"content-length", Field::ContentLength),
            (b"content-type", Field::ContentType),
            (b"cseq", Field::CSeq),
            (b"from", Field::From),
            (b"refer-to", Field::Kept(Subject::ReferTo)),
            (b"replaces", Field::Kept(Subject::Replaces)),
            (b"require", Field::Require),
            (b"route", Field::Route),
            (b"session-id", Field::Kept(Subject::SessionId)),
            (b"to", Field::To),
            (b"via", Field::Via),
        ] {
            add(name, field);
        }
        for (index, rule) in (0..).zip(&settings.rules) {
            add(rule.header.trim().as_bytes(), Field::Kept(Subject::Consent(index)));
        }
        for (index, header) in (0..).zip(&settings.identity_headers) {
            add(header.trim().as_bytes(), Field::Kept(Subject::Conversation(index)));
        }
        fields.sort_by_key(|named| named.name.len());
        let mut by_length = [Names::default(); LENGTHS];
        for (at, Named { name, .. }) in fields.iter().enumerate() {
            if let (Some(names), Some(first)) = (by_length.get_mut(name.len().min(LENGTHS - 1)), name.first()) {
                if names.letters == 0 {
                    names.start = at;
                }
                names.end = at + 1;
                names.letters |= letter_bit(*first);
            }
        }
        Self { fields, by_length }
    }

    /// Shows what a field of this name is read for.
    #[inline]
    fn of(&self, name: &[u8], mut show: impl FnMut(Field)) {
        let Some(names) = self.by_length.get(name.len().min(LENGTHS - 1)) else { return };
        let Some(first) = name.first() else { return };
        if names.letters & letter_bit(*first) == 0 {
            return;
        }
        let key = scan::name_key(name);
        for known in self.fields.get(names.start..names.end).unwrap_or_default() {
            // The key holds names of up to 16 bytes in full.
            if known.key == key && (name.len() <= 16 || known.name.eq_ignore_ascii_case(name)) {
                show(known.field);
            }
        }
    }
}

/// One of 32 bits; a letter has the same in either case.
fn letter_bit(first: u8) -> u32 {
    1 << (first & 0x1f)
}

/// The values that are read once the header was seen, each the first of its field.
#[derive(Default)]
struct Values<'a> {
    call_id: Option<Cow<'a, [u8]>>,
    contact: Option<Cow<'a, [u8]>>,
    content_encoding: Option<Cow<'a, [u8]>>,
    content_length: Option<Cow<'a, [u8]>>,
    content_type: Option<Cow<'a, [u8]>>,
    cseq: Option<Cow<'a, [u8]>>,
    from: Option<Cow<'a, [u8]>>,
    to: Option<Cow<'a, [u8]>>,
    via: Option<Cow<'a, [u8]>>,
}

/// Adds the facts of one payload to the batch.
///
/// # Anomalies
///
/// `truncated_header`, `limit_header`, `bad_header_row`, `duplicate_call_id`, `bad_cseq`, `bad_content_length`,
/// `truncated_body`, `opaque_body`, `limit_media_descriptions`, `limit_formats`, `bad_media_port`.
pub fn signalling(
    payload: &[u8],
    seen: Seen,
    keep: &Keep,
    batch: &mut SignallingBatch,
    anomalies: &mut Anomalies,
) -> Extracted {
    let extent = if seen.truncated { Extent::Cut } else { Extent::Whole };
    let Some(message) = sip::Message::scan(payload, extent) else { return Extracted::NotSip };
    let record = Some(seen.locus.record);
    let mut header = message.header();
    let mut draft = batch.draft();
    let values = read_rows(&mut header, keep, &mut draft, record, anomalies);
    let header_whole = match header.end() {
        Some(HeaderEnd::Whole) => true,
        Some(HeaderEnd::Limit) => {
            let (lines, bytes) = (header.lines(), header.position());
            anomalies.note("limit_header", record, || format!("stopped behind {lines} rows and {bytes} bytes"));
            false
        }
        Some(HeaderEnd::Cut) | None => {
            anomalies.note("truncated_header", record, || {
                format!("{} bytes captured, the header does not end in them", payload.len())
            });
            false
        }
    };

    let Some(call_id) = values.call_id.as_deref().filter(|call_id| !call_id.is_empty()) else {
        return Extracted::NoCallId;
    };
    let start = match message.start {
        sip::StartLine::Request { method, uri } => StartLine::Request { method: Method::of(method), uri },
        sip::StartLine::Response { status } => StartLine::Response(status),
    };
    let mut facts = Signalling::bare(seen.at, seen.locus, seen.hop, start);
    facts.transport = seen.transport;
    facts.header_whole = header_whole;
    facts.call_id = call_id;
    facts.fingerprint = fingerprint(payload);

    if let Some(value) = &values.cseq {
        facts.cseq = address::cseq(value).map(|(number, method)| CSeq { number, method: Method::of(method) });
        if facts.cseq.is_none() {
            anomalies.note("bad_cseq", record, || format!("the value has {} bytes and no readable number and method", value.len()));
        }
    }
    if let Some(value) = &values.from {
        let address = Address::read(value);
        (facts.from_uri, facts.from_tag) = (address.uri, address.tag());
    }
    if let Some(value) = &values.to {
        let address = Address::read(value);
        (facts.to_uri, facts.to_tag) = (address.uri, address.tag());
    }
    if let Some(value) = values.contact.as_ref().and_then(|value| address::values(value).next()) {
        facts.contact_uri = Address::read(value).uri;
    }
    if let Some(value) = &values.via {
        let top = Via::top(value);
        (facts.via_host, facts.branch) = (top.host, top.branch());
    }

    facts.body = if header.end() == Some(HeaderEnd::Whole) {
        let content_length = content_length(values.content_length.as_deref(), record, anomalies);
        match body::Body::frame(message.rest(&header), content_length, extent) {
            None => Body::Absent,
            Some(body) => {
                if body.extent == Extent::Cut {
                    anomalies.note("truncated_body", record, || match content_length {
                        Some(needed) => format!("Content-Length says {needed} bytes, {} captured", body.bytes.len()),
                        None => format!("{} bytes captured, no Content-Length", body.bytes.len()),
                    });
                }
                let content_type = values.content_type.as_deref().filter(|value| !value.is_empty());
                let encoded = values.content_encoding.as_deref().is_some_and(body::is_encoding);
                read_body(Part { content_type, encoded, body }, &mut draft, record, anomalies)
            }
        }
    } else {
        let empty = values.content_length.as_deref().and_then(number) == Some(0);
        if empty { Body::Absent } else { Body::Cut }
    };
    draft.commit(&facts);
    Extracted::Message
}

/// Reads the header to its end: keeps the rows that settings name, hands out those that every message needs.
fn read_rows<'a>(
    header: &mut sip::Header<'a>,
    keep: &Keep,
    draft: &mut Draft<'_>,
    record: Option<u64>,
    anomalies: &mut Anomalies,
) -> Values<'a> {
    let mut values = Values::default();
    for line in header {
        let row = match line {
            Line::Row(row) => row,
            Line::Unreadable(bytes) => {
                anomalies.note("bad_header_row", record, || format!("a row of {} bytes has no field name", bytes.len()));
                continue;
            }
        };
        keep.of(row.name, |field| match field {
            Field::CallId => match &values.call_id {
                None => values.call_id = Some(row.value()),
                Some(first) if *first == row.value() => {}
                Some(_) => anomalies.note("duplicate_call_id", record, || "two Call-IDs that differ; the first counts".to_owned()),
            },
            Field::Contact => {
                keep_recording_contact(&row, draft);
                first(&mut values.contact, &row);
            }
            Field::ContentEncoding => first(&mut values.content_encoding, &row),
            Field::ContentLength => first(&mut values.content_length, &row),
            Field::ContentType => first(&mut values.content_type, &row),
            Field::CSeq => first(&mut values.cseq, &row),
            Field::From => first(&mut values.from, &row),
            Field::Kept(subject) => draft.row(Row { subject, name: row.name, value: &row.value() }),
            Field::Require => {
                let value = row.value();
                if let Some(tag) = address::values(&value).find(|tag| tag.eq_ignore_ascii_case(b"siprec")) {
                    draft.row(Row { subject: Subject::RecordingSession, name: row.name, value: tag });
                }
            }
            Field::Route => {
                for value in address::values(&row.value()) {
                    draft.row(Row { subject: Subject::Route, name: row.name, value: Address::read(value).uri });
                }
            }
            Field::To => first(&mut values.to, &row),
            Field::Via => first(&mut values.via, &row),
        });
    }
    values
}

/// Takes the row's value if it is the first of its field.
#[inline]
fn first<'a>(value: &mut Option<Cow<'a, [u8]>>, row: &sip::Row<'a>) {
    if value.is_none() {
        *value = Some(row.value());
    }
}

/// Keeps the Contact feature that marks a recording session.
fn keep_recording_contact(row: &sip::Row<'_>, draft: &mut Draft<'_>) {
    let value = row.value();
    // Few contacts bear a feature of this tree; the others need no closer look.
    let is_feature = |at: usize| value.get(at + 1..at + 5).is_some_and(|name| name.eq_ignore_ascii_case(b"sip."));
    if !memchr::memchr_iter(b'+', &value).any(is_feature) {
        return;
    }
    let marks = |contact: &[u8]| {
        let address = Address::read(contact);
        address.parameter(b"+sip.src").or(address.parameter(b"+sip.srs")).is_some()
    };
    if let Some(contact) = address::values(&value).find(|contact| marks(contact)) {
        draft.row(Row { subject: Subject::RecordingSession, name: row.name, value: contact });
    }
}

/// Reads what a body describes; says how much of it can be relied on.
fn read_body(whole: Part<'_, '_>, draft: &mut Draft<'_>, record: Option<u64>, anomalies: &mut Anomalies) -> Body {
    let mut state = if whole.body.extent == Extent::Cut { Body::Cut } else { Body::Whole };
    let mut description = None;
    body::parts(whole, &mut |part| {
        let media_type = part.media_type();
        let is_description = match part.content_type {
            None => part.body.bytes.starts_with(b"v=0"),
            Some(_) => media_type.eq_ignore_ascii_case(b"application/sdp"),
        };
        let opaque = part.encoded && (is_description || media_type.is_empty())
            || body::is_multipart(media_type)
            || media_type.eq_ignore_ascii_case(b"application/pkcs7-mime");
        if opaque {
            state = Body::Cut;
            anomalies.note("opaque_body", record, || {
                format!("{} bytes that may describe media cannot be looked into", part.body.bytes.len())
            });
        } else if is_description {
            description = description.or(Some(part.body));
        } else if is_recording_metadata(media_type) {
            draft.row(Row { subject: Subject::RecordingSession, name: b"Content-Type", value: media_type });
        }
    });
    if let Some(body) = description {
        let bytes = match body.extent {
            Extent::Cut => sdp::whole_lines(body.bytes),
            Extent::Whole => body.bytes,
        };
        if read_description(bytes, draft, record, anomalies) == Body::Cut {
            state = Body::Cut;
        }
    }
    state
}

fn read_description(bytes: &[u8], draft: &mut Draft<'_>, record: Option<u64>, anomalies: &mut Anomalies) -> Body {
    draft.describe();
    for (index, media) in sdp::Description::read(bytes).sections().enumerate() {
        if index == sdp::MAX_SECTIONS {
            anomalies.note("limit_media_descriptions", record, || format!("more than {index} media descriptions"));
            return Body::Cut;
        }
        if media.port.is_none() {
            anomalies.note("bad_media_port", record, || format!("media description {} has no readable port", index + 1));
        }
        if media.exceeds_formats() {
            anomalies.note("limit_formats", record, || {
                format!("media description {} has more than {} formats", index + 1, sdp::MAX_FORMATS)
            });
        }
        let description = MediaDescription {
            media: media.media,
            port: media.port,
            address: media.address,
            codecs: b"",
            direction: media.direction,
        };
        draft.media(description, media.codecs());
    }
    Body::Whole
}

fn is_recording_metadata(media_type: &[u8]) -> bool {
    [b"application/rs-metadata".as_slice(), b"application/rs-metadata+xml"]
        .iter()
        .any(|name| media_type.eq_ignore_ascii_case(name))
}

fn content_length(value: Option<&[u8]>, record: Option<u64>, anomalies: &mut Anomalies) -> Option<usize> {
    let value = value?;
    let length = number(value);
    if length.is_none() {
        anomalies.note("bad_content_length", record, || format!("a value of {} bytes is no number", value.len()));
    }
    length
}

/// A run of digits; what does not fit is more than any payload has.
fn number(value: &[u8]) -> Option<usize> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(value.iter().fold(0_usize, |number, digit| number.saturating_mul(10).saturating_add(usize::from(digit - b'0'))))
}

/// A digest of the bytes as captured. Not proof against a sender who seeks two messages with one digest: compare what
/// else tells them apart before taking one for a copy.
fn fingerprint(payload: &[u8]) -> u64 {
    let mut hasher = foldhash::quality::FixedState::with_seed(0x5349_5032).build_hasher();
    hasher.write(payload);
    hasher.finish()
}
