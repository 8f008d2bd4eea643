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
use std::ops::ControlFlow;

pub use super::reading::Seen;

use super::forms::{Forms, Free};
use super::reading::{Reading, Start, Value};
use super::{Body, CSeq, MediaDescription, Method, Row, SignallingBatch, Subject};
use crate::evidence::Anomalies;
use crate::scan;
use crate::sdp;
use crate::settings::{RulePlace, Settings, builtin};
use crate::sip::address::{self, Address};
use crate::sip::body::{self, Part};
use crate::sip::{self, Extent, HeaderEnd, Line, recording};

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
    /// Those of [`First`] have its numbers.
    names: sip::Names,
    /// What every row of each name is read for, by its number.
    fields: Vec<Vec<Field>>,
    /// A bit for each of [`First`] that has some.
    fields_of_firsts: u32,
    /// Attributes of session descriptions that consent rules name.
    attributes: Vec<Box<[u8]>>,
    heads: bool,
}

/// Bytes of one start line and header section that are kept for people to read.
const MAX_HEAD_BYTES: usize = 16 << 10;

/// Bytes of a connection address; a host name has no more (RFC 1035 §2.3.4), and all sections of a description may share it.
const MAX_ADDRESS_BYTES: usize = 255;

/// Routes that are kept of one message.
const MAX_ROUTES: usize = 64;

/// What every row of a name is read for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Contact,
    Kept(Subject),
    Require,
    Route,
    Supported,
}

/// A field whose first value is read once the header was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum First {
    CallId,
    Contact,
    ContentEncoding,
    ContentLength,
    ContentType,
    CSeq,
    From,
    To,
    Via,
}

/// How many of [`First`] there are.
const FIRSTS: usize = 9;

/// The names of [`First`], in its order.
const FIRST_NAMES: [&[u8]; FIRSTS] =
    [b"call-id", b"contact", b"content-encoding", b"content-length", b"content-type", b"cseq", b"from", b"to", b"via"];

impl Keep {
    /// The fields that facts need, and those that consent rules and identity headers name.
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        let (mut names, mut fields) = (sip::Names::default(), vec![Vec::new(); FIRSTS]);
        for name in FIRST_NAMES {
            names.add(name);
        }
        let mut add = |name: &[u8], field: Field| {
            let number = names.add(name);
            if fields.len() <= number {
                fields.resize(number + 1, Vec::new());
            }
            fields.get_mut(number).into_iter().for_each(|fields: &mut Vec<_>| fields.push(field));
        };
        for (name, field) in [
            (b"contact".as_slice(), Field::Contact),
            (b"join", Field::Kept(Subject::Join)),
            (b"refer-to", Field::Kept(Subject::ReferTo)),
            (b"referred-by", Field::Kept(Subject::ReferredBy)),
            (b"replaces", Field::Kept(Subject::Replaces)),
            (b"require", Field::Require),
            (b"route", Field::Route),
            (b"session-id", Field::Kept(Subject::SessionId)),
            (b"supported", Field::Supported),
            (b"target-dialog", Field::Kept(Subject::TargetDialog)),
        ] {
            add(name, field);
        }
        let mut attributes: Vec<Box<[u8]>> = Vec::new();
        for (index, rule) in (0..).zip(&settings.rules) {
            let (name, kept) = (rule.name.trim().as_bytes(), Field::Kept(Subject::Consent(index)));
            match rule.place {
                RulePlace::Header => add(name, kept),
                RulePlace::SdpAttribute => attributes.push(name.into()),
                // The Request-URI is kept as it is.
                RulePlace::UriParameter => {}
                RulePlace::UserToUser => {
                    add(name, kept);
                    if name.eq_ignore_ascii_case(builtin::USER_TO_USER.as_bytes()) {
                        add(builtin::OTHER_USER_TO_USER.as_bytes(), kept);
                    }
                }
            }
        }
        for (index, header) in (0..).zip(&settings.identity_headers) {
            add(header.trim().as_bytes(), Field::Kept(Subject::Conversation(index)));
        }
        let has_fields = |(_, fields): &(u32, &Vec<Field>)| !fields.is_empty();
        let fields_of_firsts =
            (0..).zip(fields.iter().take(FIRSTS)).filter(has_fields).fold(0, |bits, (first, _)| bits | 1 << first);
        Self { names, fields, fields_of_firsts, attributes, heads: false }
    }

    /// Whether every row of the name with this number is kept as it is, and nothing else is read in one.
    fn keeps_only(&self, number: usize) -> bool {
        let fields = self.fields.get(number).map_or(&[][..], Vec::as_slice);
        fields.iter().all(|field| matches!(field, Field::Kept(_)))
    }

    /// The same, and of every INVITE and UPDATE the start line and header section as captured, for reports that show them.
    #[must_use]
    pub fn with_heads(self) -> Self {
        Self { heads: true, ..self }
    }
}

/// What is read once the header was seen: what was captured of the first row of each field.
#[derive(Default)]
struct Values<'a> {
    firsts: [Option<&'a [u8]>; FIRSTS],
    /// Whether a row of the header is folded: one of these may be.
    folded: bool,
}

impl<'a> Values<'a> {
    #[inline(always)]
    fn of(&self, field: First) -> Option<Cow<'a, [u8]>> {
        let captured = (*self.firsts.get(field as usize)?)?;
        let folded = self.folded && scan::line_end(captured, 0).is_some();
        Some(sip::Raw::of(captured, folded).value())
    }
}

/// What is kept, and what was met of it so far: for one thread. What is extracted does not depend on what was met.
#[derive(Debug)]
pub struct Extractor<'k> {
    keep: &'k Keep,
    met: sip::Met<'k>,
    forms: Forms,
    descriptions: sdp::Reader,
    /// Of the last payload that was like none; its room is used again.
    reading: Reading,
}

impl<'k> Extractor<'k> {
    /// Before the first message.
    #[must_use]
    pub fn new(keep: &'k Keep) -> Self {
        let (met, forms) = (sip::Met::new(&keep.names), Forms::default());
        Self { keep, met, forms, descriptions: sdp::Reader::default(), reading: Reading::default() }
    }
}

/// The anomalies of one record.
struct Notes<'n> {
    anomalies: &'n mut Anomalies,
    record: u64,
    /// Whether there are some.
    any: bool,
}

impl Notes<'_> {
    fn note(&mut self, code: &'static str, detail: impl FnOnce() -> String) {
        self.any = true;
        self.anomalies.note(code, Some(self.record), detail);
    }
}

/// Adds the facts of one payload to the batch.
///
/// # Anomalies
///
/// `truncated_header`, `limit_header`, `mixed_line_ends`, `bad_header_row`, `limit_routes`, `duplicate_call_id`, `bad_cseq`, `bad_content_length`,
/// `truncated_body`, `opaque_body`, `limit_multipart`, `limit_media_descriptions`, `limit_formats`, `limit_attributes`,
/// `limit_metadata`, `bad_media_address`, `bad_media_port`.
pub fn signalling(
    payload: &[u8],
    seen: Seen,
    extractor: &mut Extractor<'_>,
    batch: &mut SignallingBatch,
    anomalies: &mut Anomalies,
) -> Extracted {
    if !seen.truncated
        && let Some(reading) = extractor.forms.find(payload)
    {
        reading.write(payload, &seen, batch);
        return Extracted::Message;
    }
    let mut notes = Notes { anomalies, record: seen.locus.record, any: false };
    let extracted = read(payload, &seen, extractor, &mut notes);
    if extracted == Extracted::Message {
        extractor.reading.write(payload, &seen, batch);
    }
    extracted
}

/// Makes the reading of a payload, and remembers it where others may be like it.
#[inline(never)]
fn read(payload: &[u8], seen: &Seen, extractor: &mut Extractor<'_>, notes: &mut Notes<'_>) -> Extracted {
    let Extractor { keep, met, forms, descriptions, reading } = extractor;
    let extent = if seen.truncated { Extent::Cut } else { Extent::Whole };
    let Some(message) = sip::Message::scan(payload, extent) else { return Extracted::NotSip };
    reading.clear();
    let mut header = message.header();
    let mut rows = Rows { payload, reading, notes, keep, values: Values::default(), routes: 0 };
    rows.read(&mut header, met);
    let values = rows.values;
    let is_doubtful = is_doubtful(&message, &header, extent);
    reading.header_whole = match header.end() {
        Some(HeaderEnd::Whole) if is_doubtful => {
            notes.note("mixed_line_ends", || {
                "an empty line of LF in a header of CRLF: receivers differ on what is behind it".to_owned()
            });
            false
        }
        Some(HeaderEnd::Whole) => true,
        Some(HeaderEnd::Limit) => {
            let (lines, bytes) = (header.lines(), header.position());
            notes.note("limit_header", || format!("stopped behind {lines} rows and {bytes} bytes"));
            false
        }
        Some(HeaderEnd::Cut) | None => {
            notes.note("truncated_header", || {
                format!("{} bytes captured, the header does not end in them", payload.len())
            });
            false
        }
    };

    let Some(call_id) = values.of(First::CallId).filter(|call_id| !call_id.is_empty()) else {
        return Extracted::NoCallId;
    };
    reading.call_id = reading.place(payload, &call_id);
    reading.start = match message.start {
        sip::StartLine::Request { method, uri } => {
            Start::Request { method: Method::of(method), uri: reading.place(payload, uri) }
        }
        sip::StartLine::Response { status } => Start::Response { status },
    };
    if keep.heads && matches!(reading.start, Start::Request { method: Method::Invite | Method::Update, .. }) {
        let head = message.head(&header);
        let value = head.get(..MAX_HEAD_BYTES).unwrap_or(head);
        reading.row(payload, Row { subject: Subject::Head, name: b"", value });
    }

    if let Some(value) = &values.of(First::CSeq) {
        match address::cseq(value) {
            Some((number, method)) => reading.cseq(payload, value, CSeq { number, method: Method::of(method) }),
            None => notes
                .note("bad_cseq", || format!("the value has {} bytes and no readable number and method", value.len())),
        }
    }
    for (place, field) in [First::From, First::To, First::Contact, First::Via].into_iter().enumerate() {
        if let Some(value) = &values.of(field) {
            let value = Value { whole: reading.place(payload, value), parts: None };
            reading.values.get_mut(place).into_iter().for_each(|own| *own = Some(value));
        }
    }

    let mut bodies = Bodies { payload, reading, notes, keep, descriptions };
    let (body, shape) = if header.end() == Some(HeaderEnd::Whole) && !is_doubtful {
        let content_length = content_length(values.of(First::ContentLength).as_deref(), bodies.notes);
        match body::Body::frame(message.rest(&header), content_length, extent) {
            None => (Body::Absent, Shape::Unread),
            Some(body) => {
                if body.extent == Extent::Cut {
                    bodies.notes.note("truncated_body", || match content_length {
                        Some(needed) => format!("Content-Length says {needed} bytes, {} captured", body.bytes.len()),
                        None => format!("{} bytes captured, no Content-Length", body.bytes.len()),
                    });
                }
                let content_type = values.of(First::ContentType).filter(|value| !value.is_empty());
                let content_type = content_type.as_deref();
                let encoded = values.of(First::ContentEncoding).is_some_and(|value| body::is_encoding(&value));
                bodies.read(Part { content_type, encoded, body })
            }
        }
    } else {
        let empty = values.of(First::ContentLength).as_deref().and_then(number) == Some(0);
        (if empty { Body::Absent } else { Body::Cut }, Shape::Other)
    };
    reading.body = body;
    if !notes.any && extent == Extent::Whole && header.end() == Some(HeaderEnd::Whole) && !header.ends_loosely() {
        let header_bytes = payload.len() - message.rest(&header).len();
        let covered = if matches!(shape, Shape::Unread) { payload.get(..header_bytes) } else { None };
        forms.remember((payload, covered.unwrap_or(payload)), reading, |reading| {
            reading.read_parts(payload);
            free(payload, &message, shape, reading, keep)
        });
    }
    Extracted::Message
}

/// What may be other in a payload that has the same reading; `None` where that depends on more than places.
fn free(payload: &[u8], message: &sip::Message<'_>, shape: Shape<'_>, reading: &Reading, keep: &Keep) -> Option<Free> {
    let mut free = Free::default();
    let range = |text: &[u8]| super::reading::range_in(payload, text).unwrap_or_default();
    match reading.start {
        Start::Request { uri, .. } => free.words(uri.range()),
        // The reason phrase.
        Start::Response { .. } => {
            let line = payload.split(|byte| matches!(byte, b'\r' | b'\n')).next().unwrap_or_default();
            if let [b'S', b'I', b'P', b'/', b'2', b'.', b'0', b' ', b'1'..=b'6', _, _, b' ', reason @ ..] = line {
                free.words(range(reason));
            }
        }
    }
    let mut call_ids = 0;
    for line in message.header() {
        let Line::Row(row) = line else { return None };
        let number = keep.names.number(row.name);
        call_ids += usize::from(number == Some(First::CallId as usize));
        let (captured, folded) = row.raw.captured();
        // The reading holds what a folded row says, not where: it may be another only where nobody asks for it.
        if number.is_none_or(|number| number >= FIRSTS && keep.keeps_only(number) && !folded) {
            free.words(range(captured));
        }
    }
    // Whether two of them differ is no matter of one place.
    if call_ids > 1 {
        return None;
    }
    free.words(reading.call_id.range());
    free.number(reading.cseq_digits.range());
    for Value { whole, parts } in reading.values.iter().flatten() {
        let (first, second) = (*parts)?;
        [first].into_iter().chain(second).for_each(|part| free.words(part.range()));
        // A display name.
        let (whole, first) = (whole.range(), first.range());
        if whole.start < first.start && payload.get(first.start - 1) == Some(&b'<') {
            free.words(whole.start..first.start);
        }
    }
    if let Shape::Description(body) = shape {
        for section in &reading.sections {
            free.words(section.address.range());
            if section.has_plain_port() {
                free.number(section.port_digits.range());
            }
        }
        // Whose session it is, and what it is called.
        for line in body.split(|byte| matches!(byte, b'\r' | b'\n')) {
            if let [b'o' | b's', b'=', value @ ..] = line {
                free.words(range(value));
            }
        }
    }
    Some(free)
}

/// Of what kind a body is.
#[derive(Clone, Copy, Debug)]
enum Shape<'a> {
    /// Nothing in it was asked for.
    Unread,
    /// These bytes are a session description, and there is nothing else.
    Description(&'a [u8]),
    /// Parts of it, or what it begins with, were looked at.
    Other,
}

/// Whether another receiver would read more of a header than ends where this one does.
fn is_doubtful(message: &sip::Message<'_>, header: &sip::Header<'_>, extent: Extent) -> bool {
    let reads_on = || memchr::memmem::find(message.rest(header), sip::EMPTY_LINE).is_some();
    header.ends_loosely() && (extent == Extent::Cut || reads_on())
}

/// The rows of one header on their way into a reading.
struct Rows<'r, 'n, 'a> {
    payload: &'a [u8],
    reading: &'r mut Reading,
    notes: &'r mut Notes<'n>,
    keep: &'r Keep,
    values: Values<'a>,
    routes: usize,
}

impl<'a> Rows<'_, '_, 'a> {
    /// Reads the header to its end: keeps the rows that settings name, and what every message needs.
    fn read(&mut self, header: &mut sip::Header<'a>, met: &mut sip::Met<'_>) {
        loop {
            header.plain_rows(met, |number, plain| {
                if let Some(number) = number {
                    self.take_plain(number, plain);
                }
            });
            match header.next() {
                None => return,
                Some(line) => self.take_any(line),
            }
        }
    }

    /// A plain row of the name with this number.
    #[inline(always)]
    fn take_plain(&mut self, number: usize, plain: sip::Plain<'a>) {
        self.take_first(number, plain.bytes());
        if number >= FIRSTS || self.keep.fields_of_firsts >> number & 1 == 1 {
            self.take_every(number, &plain.row());
        }
    }

    /// A row that may be the first of its field. What was captured of it is this.
    #[inline(always)]
    fn take_first(&mut self, number: usize, captured: &'a [u8]) {
        match self.values.firsts.get_mut(number) {
            Some(value @ None) => *value = Some(captured),
            Some(_) if number == First::CallId as usize => self.compare_call_ids(captured),
            _ => {}
        }
    }

    /// A row of which every one counts.
    #[inline(never)]
    fn take_every(&mut self, number: usize, row: &sip::Row<'a>) {
        for field in self.keep.fields.get(number).into_iter().flatten() {
            match field {
                Field::Kept(subject) => self.keep_row(*subject, row.name, &row.value()),
                other => self.take_list(*other, row),
            }
        }
    }

    fn keep_row(&mut self, subject: Subject, name: &[u8], value: &[u8]) {
        self.reading.row(self.payload, Row { subject, name, value });
    }

    #[inline(never)]
    fn take_any(&mut self, line: Line<'a>) {
        match line {
            Line::Row(row) => {
                self.values.folded |= row.raw.captured().1;
                if let Some(number) = self.keep.names.number(row.name) {
                    self.take_first(number, row.raw.captured().0);
                    self.take_every(number, &row);
                }
            }
            Line::Unreadable(bytes) => {
                self.notes.note("bad_header_row", || format!("a row of {} bytes has no field name", bytes.len()));
            }
        }
    }

    /// Another Call-ID than the first.
    #[cold]
    fn compare_call_ids(&mut self, captured: &'a [u8]) {
        let other = sip::Raw::of(captured, self.values.folded).value();
        if self.values.of(First::CallId).is_some_and(|first| first != other) {
            self.notes.note("duplicate_call_id", || "two Call-IDs that differ; the first counts".to_owned());
        }
    }

    /// A row whose value is a list of which some matter.
    fn take_list(&mut self, field: Field, row: &sip::Row<'a>) {
        let value = row.value();
        match field {
            Field::Contact => {
                if let Some(contact) = recording_contact(&value) {
                    self.keep_row(Subject::RecordingSession, row.name, contact);
                }
            }
            Field::Require => {
                if let Some(tag) = address::values(&value).find(|tag| tag.eq_ignore_ascii_case(b"siprec")) {
                    self.keep_row(Subject::RecordingSession, row.name, tag);
                }
                self.keep_record_aware(row.name, &value);
            }
            Field::Supported => self.keep_record_aware(row.name, &value),
            Field::Route => {
                for value in address::values(&value) {
                    self.routes += 1;
                    if self.routes > MAX_ROUTES {
                        self.notes.note("limit_routes", || format!("more than {MAX_ROUTES} routes"));
                        break;
                    }
                    self.keep_row(Subject::Route, row.name, Address::read(value).uri);
                }
            }
            Field::Kept(_) => {}
        }
    }

    /// Keeps the option tag of RFC 7866 that says that its sender can show that it is recorded.
    fn keep_record_aware(&mut self, name: &[u8], value: &[u8]) {
        // Few option tags have this letter; the others need no closer look.
        if scan::find_either(value, b'w', b'W').is_none() {
            return;
        }
        if let Some(tag) = address::values(value).find(|tag| tag.eq_ignore_ascii_case(b"record-aware")) {
            self.keep_row(Subject::RecordAware, name, tag);
        }
    }
}

/// The first contact that bears the feature that marks a recording session.
fn recording_contact(value: &[u8]) -> Option<&[u8]> {
    // Few contacts bear a feature of this tree; the others need no closer look.
    let mut rest = value;
    loop {
        rest = rest.get(scan::find(rest, b'+')? + 1..)?;
        if rest.get(..4).is_some_and(|name| name.eq_ignore_ascii_case(b"sip.")) {
            break;
        }
    }
    let marks = |contact: &[u8]| {
        let address = Address::read(contact);
        address.parameter(b"+sip.src").or(address.parameter(b"+sip.srs")).is_some()
    };
    address::values(value).find(|contact| marks(contact))
}

/// The body of one message on its way into a reading.
struct Bodies<'r, 'n, 'a> {
    payload: &'a [u8],
    reading: &'r mut Reading,
    notes: &'r mut Notes<'n>,
    keep: &'r Keep,
    descriptions: &'r mut sdp::Reader,
}

impl<'a> Bodies<'_, '_, 'a> {
    /// Reads what a body describes; says how much of it can be relied on. A part that stayed closed for a limit may be the
    /// metadata that tells a recording session: then the header does not count as seen to its end.
    fn read(&mut self, whole: Part<'a, '_>) -> (Body, Shape<'a>) {
        let mut state = if whole.body.extent == Extent::Cut { Body::Cut } else { Body::Whole };
        // Most bodies are a description and nothing else.
        let is_description = whole.content_type == Some(b"application/sdp") && !whole.encoded;
        if is_description {
            return (self.read_description_of(whole.body, state), Shape::Description(whole.body.bytes));
        }
        let media_type = whole.content_type.map(body::media_type);
        let mut shape = match media_type {
            Some(media_type) if !body::is_multipart(media_type) => Shape::Unread,
            _ => Shape::Other,
        };
        let mut description = None;
        body::parts(whole, &mut |part: Part<'a, '_>| {
            if self.is_read(part, &mut state, &mut description) {
                shape = Shape::Other;
            }
        });
        match description {
            Some(body) => (self.read_description_of(body, state), Shape::Other),
            None => (state, shape),
        }
    }

    /// Reads one part of a body, and says whether it was looked into. A description is read in the end, if it is the first.
    fn is_read(&mut self, part: Part<'a, '_>, state: &mut Body, description: &mut Option<body::Body<'a>>) -> bool {
        let media_type = part.media_type();
        let is_description = match part.content_type {
            None => part.body.bytes.starts_with(b"v=0"),
            Some(_) => media_type.eq_ignore_ascii_case(b"application/sdp"),
        };
        let opaque = part.encoded && (is_description || media_type.is_empty())
            || body::is_multipart(media_type)
            || media_type.eq_ignore_ascii_case(b"application/pkcs7-mime");
        if part.is_limited() {
            *state = Body::Cut;
            self.reading.header_whole = false;
            self.notes.note("limit_multipart", || {
                format!("a part is more than {} multipart bodies deep, or its boundary is too long", body::MAX_DEPTH)
            });
        } else if opaque {
            *state = Body::Cut;
            self.notes.note("opaque_body", || {
                format!("{} bytes that may describe media cannot be looked into", part.body.bytes.len())
            });
        } else if is_description {
            *description = description.or(Some(part.body));
        } else if is_recording_metadata(media_type) {
            self.keep_metadata(part, media_type);
        } else {
            return false;
        }
        true
    }

    /// Keeps what the metadata of a recording session says (RFC 7865).
    fn keep_metadata(&mut self, part: Part<'a, '_>, media_type: &[u8]) {
        let Self { payload, reading, notes, .. } = self;
        let mut keep = |row: Row<'_>| reading.row(payload, row);
        keep(Row { subject: Subject::RecordingSession, name: b"Content-Type", value: media_type });
        if part.encoded {
            return;
        }
        let all = recording::identifiers(part.body.bytes, |place, value| {
            keep(Row { subject: Subject::Recorded, name: place.name().as_bytes(), value });
        });
        if !all {
            notes.note("limit_metadata", || {
                format!("recording metadata of {} bytes is not read to its end", part.body.bytes.len())
            });
        }
    }

    /// Reads a description; says how much of the body, which was in this `state`, can be relied on.
    fn read_description_of(&mut self, body: body::Body<'a>, state: Body) -> Body {
        let bytes = match body.extent {
            Extent::Cut => sdp::whole_lines(body.bytes),
            Extent::Whole => body.bytes,
        };
        if self.read_description(bytes) == Body::Cut { Body::Cut } else { state }
    }

    fn read_description(&mut self, bytes: &[u8]) -> Body {
        let Self { payload, reading, notes, keep, descriptions } = self;
        reading.describe();
        let mut state = Body::Whole;
        let mut index = 0;
        let of_recording = descriptions.read(bytes, |media| {
            if index == sdp::MAX_SECTIONS {
                notes.note("limit_media_descriptions", || format!("more than {index} media descriptions"));
                state = Body::Cut;
                return ControlFlow::Break(());
            }
            index += 1;
            if media.port.is_none() {
                notes.note("bad_media_port", || format!("media description {index} has no readable port"));
            }
            let address = Some(media.address).filter(|address| address.len() <= MAX_ADDRESS_BYTES);
            if address.is_none() {
                notes.note("bad_media_address", || {
                    format!("the address of media description {index} has {} bytes", media.address.len())
                });
            }
            if media.exceeds_formats {
                notes.note("limit_formats", || {
                    format!("media description {index} has more than {} formats", sdp::MAX_FORMATS)
                });
            }
            let description = MediaDescription {
                media: media.media,
                port: media.port,
                address: address.unwrap_or_default(),
                codecs: media.codecs,
                direction: media.direction,
            };
            reading.section(payload, &description, media.port_digits);
            ControlFlow::Continue(())
        });
        if (of_recording || !keep.attributes.is_empty()) && !self.keep_attributes(bytes) {
            self.notes.note("limit_attributes", || {
                format!("more than {} attributes that are asked for", sdp::MAX_ATTRIBUTES)
            });
            if !self.keep.attributes.is_empty() {
                state = Body::Cut;
            }
        }
        state
    }

    /// Keeps the attributes that consent rules name and those of RFC 7866; `false` where there are too many.
    fn keep_attributes(&mut self, bytes: &[u8]) -> bool {
        let Self { payload, reading, keep, .. } = self;
        let is_of_rule = |name: &[u8]| keep.attributes.iter().any(|known| known.eq_ignore_ascii_case(name));
        let is_of_recording =
            |name: &[u8]| [b"record".as_slice(), b"recordpref"].iter().any(|known| known.eq_ignore_ascii_case(name));
        let wanted = |name: &[u8]| is_of_rule(name) || is_of_recording(name);
        sdp::attributes(bytes, wanted, |attribute| {
            let section = attribute.section as u16;
            let subject = if is_of_rule(attribute.name) {
                Subject::Attribute(section)
            } else {
                Subject::RecordingAttribute(section)
            };
            reading.row(payload, Row { subject, name: attribute.name, value: attribute.value });
        })
    }
}

fn is_recording_metadata(media_type: &[u8]) -> bool {
    [b"application/rs-metadata".as_slice(), b"application/rs-metadata+xml"]
        .iter()
        .any(|name| media_type.eq_ignore_ascii_case(name))
}

fn content_length(value: Option<&[u8]>, notes: &mut Notes<'_>) -> Option<usize> {
    let value = value?;
    let length = number(value);
    if length.is_none() {
        notes.note("bad_content_length", || format!("a value of {} bytes is no number", value.len()));
    }
    length
}

/// A run of digits; what does not fit is more than any payload has.
fn number(value: &[u8]) -> Option<usize> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(
        value.iter().fold(0_usize, |number, digit| number.saturating_mul(10).saturating_add(usize::from(digit - b'0'))),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::{Locus, SourceId, Timestamp};
    use crate::facts::{Hop, Signalling, StartLine, Store, Transport};
    use crate::random::Random;
    use crate::sdp::Direction;
    use crate::settings::ConsentRule;

    const INVITE: &str = "INVITE sip:+6561234567@byoc.example.com;user=phone SIP/2.0\r\n\
        Via: SIP/2.0/UDP 203.0.113.10:5060;branch=z9hG4bK-1;rport, SIP/2.0/UDP 192.0.2.9\r\n\
        Max-Forwards: 69\r\n\
        Contact: <sip:+6598765432@203.0.113.10:5060>\r\n\
        To: <sip:+6561234567@byoc.example.com>\r\n\
        From: \"Alice\" <sip:+6598765432@carrier.example.net>;tag=1928301774\r\n\
        Call-ID: a84b4c76e66710@203.0.113.10\r\n\
        CSeq: 1 INVITE\r\n\
        X-Genesys-Recording-Consent: true\r\n\
        Content-Type: application/sdp\r\n\
        Content-Length: 108\r\n\r\n\
        v=0\r\n\
        o=- 1 1 IN IP4 203.0.113.10\r\n\
        s=-\r\n\
        c=IN IP4 203.0.113.10\r\n\
        t=0 0\r\n\
        m=audio 40000 RTP/AVP 0 8\r\n\
        a=sendonly\r\n";

    fn seen(truncated: bool) -> Seen {
        Seen {
            at: Timestamp::new(7, 6),
            locus: Locus { source: SourceId(3), record: 41 },
            hop: Hop {
                source: "203.0.113.10:5060".parse().expect("an address"),
                destination: "192.0.2.20:5060".parse().expect("an address"),
            },
            transport: Transport::Udp,
            truncated,
        }
    }

    struct Outcome {
        extracted: Extracted,
        batch: SignallingBatch,
        anomalies: Anomalies,
    }

    impl Outcome {
        fn message(&self) -> Signalling<'_> {
            assert_eq!(self.extracted, Extracted::Message);
            self.batch.messages().next().expect("a message")
        }

        fn codes(&self) -> Vec<&'static str> {
            self.anomalies.iter().map(|(code, _)| code).collect()
        }

        /// The kept rows as `subject name=value`.
        fn rows(&self) -> Vec<String> {
            let show =
                |row: Row<'_>| format!("{:?} {}={}", row.subject, row.name.escape_ascii(), row.value.escape_ascii());
            self.message().rows().map(show).collect()
        }
    }

    fn extract_by(settings: &Settings, payload: &[u8], truncated: bool) -> Outcome {
        let keep = Keep::new(settings);
        let mut outcome = Outcome {
            extracted: Extracted::NotSip,
            batch: SignallingBatch::default(),
            anomalies: Anomalies::default(),
        };
        outcome.extracted = signalling(
            payload,
            seen(truncated),
            &mut Extractor::new(&keep),
            &mut outcome.batch,
            &mut outcome.anomalies,
        );
        outcome
    }

    fn extract(payload: impl AsRef<[u8]>) -> Outcome {
        extract_by(&Settings::default(), payload.as_ref(), false)
    }

    /// A request with these further rows, each ended.
    fn with_rows(rows: &str) -> String {
        format!("OPTIONS sip:a SIP/2.0\r\nCall-ID: 1\r\n{rows}\r\n")
    }

    /// Everything that later stages see of a message.
    fn everything(message: &Signalling<'_>) -> String {
        let Signalling { at, locus, hop, transport, start, header_whole, body, call_id, cseq, .. } = message;
        let Signalling { from_tag, to_tag, from_uri, to_uri, contact_uri, via_host, branch, fingerprint, .. } = message;
        let rows: Vec<_> = message.rows().collect();
        let media: Option<Vec<_>> = message.media().map(Iterator::collect);
        format!(
            "{:?}",
            (
                (at, locus, hop, transport, start, header_whole, body, call_id, cseq, fingerprint),
                (from_tag, to_tag, from_uri, to_uri, contact_uri, via_host, branch, rows, media)
            )
        )
    }

    #[test]
    fn what_messages_of_a_call_repeat_is_read_as_if_each_stood_alone() {
        let values: [(&str, &[&str]); 6] = [
            ("Call-ID", &["a@x", "b@x", "", "a@x\r\nCall-ID: b@x"]),
            (
                "From",
                &[
                    "<sip:a@x>;tag=1",
                    "<sip:a@x>;tag=2",
                    "\"A\"\r\n <sip:a@x>;\r\n tag=1",
                    "",
                    "sip:a@x;tag=\"1\"",
                    "<sip:b@x>;tag=9",
                ],
            ),
            // Requests of the callee have From and To turned.
            ("To", &["<sip:b@x>", "<sip:b@x>;tag=9", "<sip:b@x>;tag=", "sip:b@x", "<sip:a@x>;tag=1"]),
            ("Contact", &["<sip:c@y>, <sip:d@y>", "<sip:c@y>;+sip.src", "*", ","]),
            (
                "Via",
                &["SIP/2.0/UDP h;branch=z9hG4bK1", "SIP/2.0/UDP h;branch=z9hG4bK2, SIP/2.0/UDP i", "SIP/2.0/UDP h", ""],
            ),
            ("Max-Forwards", &["69", "70", "\"69\""]),
        ];
        let rule = ConsentRule { name: "Max-Forwards".to_owned(), ..Settings::default().rules[0].clone() };
        let settings = Settings { rules: vec![rule], ..Settings::default() };
        let keep = Keep::new(&settings);
        let mut extractor = Extractor::new(&keep);
        let mut random = Random(11);
        let mut below = |limit: usize| random.below(limit);
        let (mut together, mut anomalies) = (SignallingBatch::default(), Anomalies::default());
        let mut alone = Vec::new();
        let (mut block, store) = (SignallingBatch::default(), Store::default());
        for number in 0..3_000 {
            let mut payload = INVITE.lines().next().expect("a start line").to_owned() + "\r\n";
            for (name, values) in &values {
                if below(8) > 0 {
                    payload.push_str(&format!("{name}: {}\r\n", values[below(values.len())]));
                }
            }
            let media = ["audio 4000 RTP/AVP 0 8", "audio 4000 RTP/AVP 8", "video 4000 RTP/AVP 0 8"][below(3)];
            if below(2) == 0 {
                payload.push_str(&format!(
                    "Content-Type: application/sdp\r\n\r\nv=0\r\nc=IN IP4 192.0.2.1\r\nm={media}\r\n"
                ));
            } else {
                payload.push_str("\r\n");
            }
            let port = 5060 + below(3) as u16;
            let hop = Hop { source: ([203, 0, 113, 10], port).into(), ..seen(false).hop };
            let seen = Seen { locus: Locus { source: SourceId(0), record: number }, hop, ..seen(below(9) == 0) };
            let mut batch = SignallingBatch::default();
            let extracted = signalling(payload.as_bytes(), seen, &mut extractor, &mut batch, &mut anomalies);
            assert_eq!(signalling(payload.as_bytes(), seen, &mut extractor, &mut together, &mut anomalies), extracted);
            alone.extend(batch.messages().map(|message| everything(&message)));
            signalling(payload.as_bytes(), seen, &mut extractor, &mut block, &mut anomalies);
            if number % 97 == 0 || number == 2_999 {
                store.take_over(&block);
                block.clear();
            }
        }
        assert!(alone.len() > 1_500, "most have a Call-ID: {}", alone.len());
        assert!(together.messages().map(|message| everything(&message)).eq(alone.iter().cloned()));
        let messages = store.finish();
        let all = messages.all().expect("nothing to be read");
        let mut taken_over: Vec<_> = all.messages().collect();
        taken_over.sort_by_key(|message| message.locus);
        assert!(taken_over.iter().map(everything).eq(alone));
        for shelf in all.shelves() {
            for call in shelf.calls() {
                let own = taken_over.iter().filter(|message| message.call_id == call.call_id());
                assert!(call.messages().map(|message| message.locus).eq(own.map(|message| message.locus)));
            }
        }
        // What a batch held before leaves no trace in what it is read into again.
        together.clear();
        assert!(together.is_empty());
        let again = signalling(INVITE.as_bytes(), seen(false), &mut extractor, &mut together, &mut anomalies);
        assert_eq!(again, Extracted::Message);
        let alike = extract_by(&settings, INVITE.as_bytes(), false);
        assert_eq!(
            together.messages().map(|message| everything(&message)).collect::<Vec<_>>(),
            [everything(&alike.message())]
        );
    }

    /// Messages of which others are alike, with what readers look at more closely than at others.
    const FORMS: [&str; 8] = [
        "INVITE sip:+13035555933@platform.example:5060;user=phone SIP/2.0\r\nVia: SIP/2.0/UDP h1.example;rport;branch=z9hG4bK0i, SIP/2.0/TCP b;branch=z\r\n\
         Via: SIP/2.0/UDP h2;branch=z9\r\nMax-Forwards: 69\r\nFrom: \"Al \\\"x\\\" ice\" <sip:a@h>;x=y;tag=f1\r\nTo: <sip:b@h;tag=no>\r\n\
         Call-ID: 98612b92c7d69ec8@a.b\r\nCSeq: 17 INVITE\r\nContact: \"c\" <sip:c@203.0.113.1:5060;ob>;expires=60, <sip:d@y>\r\n\
         X-Genesys-Recording-Consent: true\r\nSession-ID: ab30317f1a784dc48ff824d0d3715d86;remote=00000000000000000000000000000000\r\n\
         Supported: 100rel, record-aware\r\nRoute: <sip:r1;lr>, <sip:r2;lr>\r\nX-Unknown: a: b;c=<d>\r\n folded here\r\nContent-Type: application/sdp\r\n\
         Content-Length: 294\r\n\r\nv=0\r\no=user 12345 6789 IN IP4 h1.example\r\ns=call 7\r\nc=IN IP4 203.0.113.10\r\nt=0 0\r\na=recvonly\r\na=record:on\r\n\
         m=audio 40000 RTP/AVP 0 101 96\r\na=rtpmap:101 telephone-event/8000\r\na=sendonly\r\na=rtpmap:96 opus/48000/2\r\n\
         m=video 4002/2 RTP/AVP 31\r\nc=IN IP6 2001:db8::1\r\na=inactive\r\nm=image 0 udptl t38\r\n",
        "SIP/2.0 180 Ringing 4 you\r\nv:SIP/2.0/UDP [2001:db8::7]:5060;received=203.0.113.10;branch=\"z9hG4bK0i\"\r\nServer: edge 7\r\nf: <sip:a@h>;tag=1\r\n\
         t: sip:b@h;tag=2\r\ni:98612b92c7d69ec8\r\nCSeq: 1 INVITE\r\nm:<sip:e@x>;+sip.src;reg-id=1\r\nl:0\r\n\r\n",
        "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP h1.example;branch=z9hG4bK0i\r\nFrom: a <sip:a@h>;tag=f1\r\nTo: \r\n <sip:b@h>;tag=t1\r\nCall-ID: 98612b92c7d69ec8@a.b\r\n\
         CSeq: 4294967295 INVITE\r\nContact: *\r\nc: application/sdp\r\nContent-Length: 83\r\n\r\n\
         v=0\r\nm=audio 40000 RTP/AVP 0\r\nc=IN IP4 203.0.113.10/127\r\nm=audio 60000 RTP/AVP 8\r\nc=x\r\ns=q\r\n",
        "BYE sip:a@h SIP/2.0\r\nCall-ID: 98612b92c7d69ec8\r\ni: 98612b92c7d69ec8\r\nX-Genesys-Recording-Consent: \t false \r\nFrom: a\r\nTo: b\r\nCSeq: 2 BYE\r\n\r\n",
        "INFO sip:b SIP/2.0\r\nCall-ID: 1a2b\r\nFrom: a\r\nTo: b\r\nCSeq: 0002 INFO\r\nContent-Type: application/dtmf-relay\r\nContent-Length: 24\r\n\r\n\
         Signal=5\r\nDuration=160\r\n",
        "\r\nMESSAGE sip:k@example.org SIP/2.0\r\nCall-ID: mpart\r\nFrom: <sip:a@h>;tag=1\r\nCSeq: 12 MESSAGE\r\nRequire: siprec\r\n\
         Content-Type: multipart/mixed;boundary=7a9c\r\n\r\n--7a9c\r\nContent-Type: text/plain\r\n\r\no=Hello\r\n--7a9c\r\nContent-Type: application/sdp\r\n\r\n\
         o=x\r\nm=audio 4000 RTP/AVP 0\r\nc=IN IP4 --7a9c\r\n--7a9c--",
        "SIP/2.0   200 no more\r\nCall-ID: 7766554433\r\nFrom: <sip:a@h>;tag=1\r\nCSeq: 1 OPTIONS\r\nContent-Length: 20\r\nContent-Type: text/plain\r\n\r\nv=0 whatever it says",
        "OPTIONS sip:b SIP/2.0\r\nCall-ID: 1\r\nX-Genesys-Recording-Consent: tr\r\n ue\r\nSubject: folded\r\n onto this row\r\nFrom: a\r\nTo: b\r\nCSeq: 2 OPTIONS\r\n\r\nv=0\r\nm=audio 4000 RTP/AVP 0\r\no=a\r\n",
    ];

    #[test]
    fn what_was_read_before_changes_nothing_in_what_is_like_it() {
        let attribute = ConsentRule {
            place: RulePlace::SdpAttribute,
            name: "record".to_owned(),
            ..Settings::default().rules[0].clone()
        };
        let from = ConsentRule { name: "From".to_owned(), ..Settings::default().rules[0].clone() };
        let rules = [Settings::default().rules, vec![attribute, from]].concat();
        let by_rules = Settings { rules, ..Settings::default() };
        for keep in [Keep::new(&Settings::default()), Keep::new(&by_rules).with_heads()] {
            let mut random = Random(0x616c_696b);
            let mut below = |limit: usize| random.below(limit);
            let mut extractor = Extractor::new(&keep);
            let (mut alike, mut others) = ([0; FORMS.len()], 0);
            for round in 0..20_000 {
                let form = below(FORMS.len());
                let mut payload = FORMS[form].as_bytes().to_vec();
                // Letters and digits for others, and now and then anything.
                for _ in 0..below(5) {
                    let at = below(payload.len());
                    if payload[at].is_ascii_alphanumeric() {
                        payload[at] = b"09Aaxz5tgW"[below(10)];
                    }
                }
                if below(6) == 0 {
                    let at = below(payload.len());
                    payload[at] = b"\0\t\n\r !\"+,-./:;<=>@AZ[\\]az\x7f\xff"[below(27)];
                }
                if below(50) == 0 {
                    payload.truncate(below(payload.len()));
                }
                let truncated = below(20) == 0;
                let is_like = !truncated && extractor.forms.find(&payload).is_some();
                if is_like {
                    alike[form] += 1
                } else {
                    others += 1
                }
                let read_by = |extractor: &mut Extractor<'_>| {
                    let (mut batch, mut anomalies) = (SignallingBatch::default(), Anomalies::default());
                    let extracted = signalling(&payload, seen(truncated), extractor, &mut batch, &mut anomalies);
                    let told: Vec<_> = batch.messages().map(|message| everything(&message)).collect();
                    (extracted, told, anomalies)
                };
                let (by_one, by_other) = (read_by(&mut extractor), read_by(&mut Extractor::new(&keep)));
                assert_eq!(by_one, by_other, "round {round}: {}", payload.escape_ascii());
            }
            assert!(others > 5_000, "{others} are like none");
            let [.., bye, _, _, _, _] = alike;
            assert!(bye == 0 && alike.iter().filter(|alike| **alike > 50).count() == 7, "{alike:?}");
        }
    }

    #[test]
    fn other_values_are_told_without_reading_and_what_divides_them_is_not() {
        let keep = Keep::new(&Settings::default());
        let is_like = |one: &str, other: &str| {
            let mut extractor = Extractor::new(&keep);
            let (mut batch, mut anomalies) = (SignallingBatch::default(), Anomalies::default());
            for payload in [one, other] {
                signalling(payload.as_bytes(), seen(false), &mut extractor, &mut batch, &mut anomalies);
            }
            extractor.forms.find(other.as_bytes()).is_some() && extractor.forms.len() == 1
        };
        let [_, ringing, answer, bye, info, ..] = FORMS;
        let invite = FORMS[0];
        for (form, from, to, expected) in [
            (invite, "+13035555933", "+19995550000", true),
            (invite, "98612b92c7d69ec8", "a8612b92c7d69ezZ", true),
            (invite, "98612b92c7d69ec8", "98612b92c7d69e-8", false),
            (invite, "CSeq: 17 ", "CSeq: 99 ", true),
            (invite, "CSeq: 17 ", "CSeq: 9x ", false),
            (invite, " ice\" <", " eve\" <", true),
            (invite, "tag=f1", "tag=zz", true),
            (invite, "tag=f1", "tab=f1", false),
            (invite, "x=y;tag", "x=z;tag", false),
            (invite, "z9hG4bK0i", "z9hG4bK1j", true),
            (invite, "UDP h1.example", "TCP h1.example", false),
            (invite, "Consent: true", "Consent: fals", true),
            (invite, "Consent: true", "Consent: fal\r", false),
            (invite, "X-Genesys-", "X-Genesis-", false),
            (invite, "a: b;c=<d>", "z: 0;9=<z>", true),
            (invite, "folded here", "folded also", true),
            (invite, "100rel", "200rel", false),
            (invite, "user 12345", "eve0 54321", true),
            (invite, "audio 40000", "audio 65535", true),
            (invite, "audio 40000", "audio 65536", false),
            (invite, "audio 40000", "audio 4000x", false),
            (invite, "audio 40000", "video 40000", false),
            (invite, "203.0.113.10\r\nt", "203.0.113.99\r\nt", true),
            (invite, "a=sendonly", "a=sendrecv", false),
            (ringing, "Ringing", "Singing", true),
            (ringing, "180 ", "183 ", false),
            (answer, "4294967295", "4294967294", false),
            (info, "Signal=5", "\0gnal=\r\n", true),
            (info, "Length: 24", "Length: 23", false),
        ] {
            assert!(is_like(form, form), "{form}");
            let other = form.replacen(from, to, 1);
            assert!(other.len() == form.len() && other != form, "{from}");
            assert_eq!(is_like(form, &other), expected, "{from:?} {to:?}");
        }
        assert!(!is_like(bye, bye), "two Call-IDs are compared");
        let long = invite.replace("folded here", &"x".repeat(3_000));
        assert!(!is_like(&long, &long));
    }

    #[test]
    fn a_payload_of_another_length_is_of_another_form() {
        let keep = Keep::new(&Settings::default());
        let mut extractor = Extractor::new(&keep);
        let rows = "Content-Type: application/isup\r\nContent-Length: 900\r\n";
        let whole = with_rows(rows) + &"i".repeat(900);
        let (mut batch, mut anomalies) = (SignallingBatch::default(), Anomalies::default());
        signalling(whole.as_bytes(), seen(false), &mut extractor, &mut batch, &mut anomalies);
        assert!(extractor.forms.find(whole.as_bytes()).is_some());
        // Some of them are looked for at the same place.
        for length in with_rows(rows).len()..whole.len() {
            assert!(extractor.forms.find(&whole.as_bytes()[..length]).is_none(), "{length}");
        }
    }

    #[test]
    fn a_header_that_ends_loosely_is_no_form_since_what_is_behind_it_decides() {
        let keep = Keep::new(&Settings::default());
        let mut extractor = Extractor::new(&keep);
        let loose =
            with_rows("Content-Type: text/plain\r\nContent-Length: 90\n").trim_end_matches("\r\n").to_owned() + "\n";
        let (one, other) = (loose.clone() + &"i".repeat(90), loose + &"i".repeat(80) + "\r\n\r\niiiiii");
        let mut codes = Vec::new();
        for payload in [one, other] {
            let (mut batch, mut anomalies) = (SignallingBatch::default(), Anomalies::default());
            signalling(payload.as_bytes(), seen(false), &mut extractor, &mut batch, &mut anomalies);
            codes.push(anomalies.iter().map(|(code, _)| code).collect::<Vec<_>>());
        }
        assert_eq!(codes, [vec![], vec!["mixed_line_ends"]]);
    }

    #[test]
    fn a_folded_value_is_no_place_and_is_read_anew() {
        let keep = Keep::new(&Settings::default());
        let mut extractor = Extractor::new(&keep);
        let with = |consent: &str| {
            with_rows(&format!("X-Padding: {}\r\nX-Genesys-Recording-Consent:\r\n {consent}\r\n", "x".repeat(64)))
        };
        for consent in ["true", "fals", "null", "0123"] {
            let (mut batch, mut anomalies) = (SignallingBatch::default(), Anomalies::default());
            signalling(with(consent).as_bytes(), seen(false), &mut extractor, &mut batch, &mut anomalies);
            let values: Vec<_> =
                batch.messages().flat_map(|own| own.rows().map(|row| row.value.to_vec()).collect::<Vec<_>>()).collect();
            assert_eq!(values, [consent.as_bytes()]);
        }
    }

    #[test]
    fn a_number_is_other_digits_and_nothing_else() {
        let keep = Keep::new(&Settings::default());
        let mut extractor = Extractor::new(&keep);
        let with = |cseq: &str, port: &str| {
            FORMS[0].replace("CSeq: 17 ", &format!("CSeq: {cseq} ")).replace("audio 40000", &format!("audio {port}"))
        };
        let (mut batch, mut anomalies) = (SignallingBatch::default(), Anomalies::default());
        for payload in [with("17", "40000"), with("99", "65535")] {
            signalling(payload.as_bytes(), seen(false), &mut extractor, &mut batch, &mut anomalies);
        }
        for (cseq, port, expected) in [
            ("18", "39999", true),
            ("00", "00000", true),
            ("1x", "40000", false),
            ("x1", "40000", false),
            ("p1", "40000", false),
            ("1:", "40000", false),
            ("17", "4000q", false),
            ("17", "65536", false),
            ("17", "65535", true),
        ] {
            let payload = with(cseq, port);
            assert_eq!(extractor.forms.find(payload.as_bytes()).is_some(), expected, "{cseq} {port}");
            let mut batch = SignallingBatch::default();
            signalling(payload.as_bytes(), seen(false), &mut extractor, &mut batch, &mut anomalies);
            let alone = extract(payload);
            let told: Vec<_> = batch.messages().map(|message| everything(&message)).collect();
            assert_eq!(told, [everything(&alone.message())]);
        }
    }

    #[test]
    fn who_repeats_nothing_is_not_remembered_for_ever_and_who_does_later_is() {
        let keep = Keep::new(&Settings::default());
        let mut extractor = Extractor::new(&keep);
        let mut is_like = |payload: &str| {
            let is_like = extractor.forms.find(payload.as_bytes()).is_some();
            let (mut batch, mut anomalies) = (SignallingBatch::default(), Anomalies::default());
            signalling(payload.as_bytes(), seen(false), &mut extractor, &mut batch, &mut anomalies);
            is_like
        };
        let other = |number: u32| {
            format!(
                "OPTIONS sip:b SIP/2.0\r\nCall-ID: 1\r\nX-{number}: 1\r\nFrom: a\r\nTo: b\r\nCSeq: 2 OPTIONS\r\n\r\n"
            )
        };
        let mut remembered = 0;
        for number in 0..10_000 {
            is_like(&other(number));
            remembered += usize::from(is_like(&other(number)));
        }
        assert!((250..2_000).contains(&remembered), "{remembered}");
        let misses = (0..10_000).filter(|_| !is_like(FORMS[0]));
        assert!(misses.count() <= 65, "one of 64 is remembered, whatever it costs");
    }

    #[test]
    fn an_invite_states_all_that_is_asked_of_it() {
        let outcome = extract(INVITE);
        let message = outcome.message();
        assert_eq!(
            message.start,
            StartLine::Request { method: Method::Invite, uri: b"sip:+6561234567@byoc.example.com;user=phone" }
        );
        assert_eq!((message.at, message.locus, message.hop), (seen(false).at, seen(false).locus, seen(false).hop));
        assert_eq!(message.call_id, b"a84b4c76e66710@203.0.113.10");
        assert_eq!(message.cseq, Some(CSeq { number: 1, method: Method::Invite }));
        assert_eq!((message.from_tag, message.to_tag), (Some(b"1928301774".as_slice()), None));
        assert_eq!(message.from_uri, b"sip:+6598765432@carrier.example.net");
        assert_eq!(message.to_uri, b"sip:+6561234567@byoc.example.com");
        assert_eq!(message.contact_uri, b"sip:+6598765432@203.0.113.10:5060");
        assert_eq!((message.via_host, message.branch), (b"203.0.113.10".as_slice(), Some(b"z9hG4bK-1".as_slice())));
        assert!(message.header_whole);
        assert_eq!(message.body, Body::Whole);
        assert_eq!(outcome.rows(), ["Consent(0) X-Genesys-Recording-Consent=true"]);
        let media: Vec<_> = message.media().expect("a description").collect();
        let expected = MediaDescription {
            media: b"audio",
            port: Some(40_000),
            address: b"203.0.113.10",
            codecs: b"PCMU/8000 PCMA/8000",
            direction: Direction::SendOnly,
        };
        assert_eq!(media, [expected]);
        assert!(outcome.anomalies.is_empty(), "{:?}", outcome.anomalies);
    }

    #[test]
    fn a_response_states_its_status_and_what_it_answers() {
        let outcome = extract(
            "SIP/2.0 200 OK\r\ni: x\r\nf: <sip:a>;tag=1\r\nt: <sip:b>;tag=2\r\ncseq: 3 BYE\r\nx-InIn-Cnv: c0ffee\r\nl: 0\r\n\r\n",
        );
        let message = outcome.message();
        assert_eq!((message.start, message.method()), (StartLine::Response(200), Some(Method::Bye)));
        assert_eq!((message.from_tag, message.to_tag), (Some(b"1".as_slice()), Some(b"2".as_slice())));
        assert_eq!(message.body, Body::Absent);
        assert!(message.media().is_none());
        assert_eq!(outcome.rows(), ["Conversation(0) x-InIn-Cnv=c0ffee"]);
    }

    #[test]
    fn compact_forms_count_in_either_case() {
        let compact = INVITE
            .replace("Via:", "V:")
            .replace("Contact:", "m :")
            .replace("To:", "T:")
            .replace("From:", "f:")
            .replace("Call-ID:", "I\t:")
            .replace("Content-Type:", "C:")
            .replace("Content-Length:", "l:");
        let (long, short) = (extract(INVITE), extract(&compact));
        let facts = |outcome: &Outcome| {
            let message = outcome.message();
            let media: Vec<_> = message.media().expect("a description").map(|media| format!("{media:?}")).collect();
            let texts = [message.call_id, message.from_uri, message.to_uri, message.contact_uri, message.via_host];
            (texts.map(<[u8]>::to_vec), message.from_tag.map(<[u8]>::to_vec), message.cseq, media, message.body)
        };
        assert_eq!(facts(&long), facts(&short));
    }

    #[test]
    fn a_folded_value_is_the_one_on_one_line() {
        let facts = |outcome: &Outcome| {
            let message = outcome.message();
            (message.call_id.to_vec(), message.from_uri.to_vec(), message.cseq)
        };
        let one = extract("OPTIONS sip:a SIP/2.0\r\nCall-ID: a b\r\nFrom: <sip:c d>\r\nCSeq: 1 OPTIONS\r\n\r\n");
        let folded = extract(
            "OPTIONS sip:a SIP/2.0\r\nCall-ID: a\r\n\t b\r\nFrom: <sip:c\r\n d>\r\nCSeq: 1\r\n OPTIONS\r\n\r\n",
        );
        assert_eq!(facts(&one).0, b"a b");
        assert_eq!(facts(&one), facts(&folded));
    }

    #[test]
    fn field_names_match_without_regard_to_case_folding_or_blanks() {
        for row in [
            "x-genesys-recording-consent: true\r\n",
            "X-GENESYS-RECORDING-CONSENT :\ttrue  \r\n",
            "X-Genesys-Recording-Consent:\r\n  true\r\n",
            "X-Genesys-Recording-Consent: \r\n\ttrue\r\n \r\n",
        ] {
            let rows = extract(with_rows(row)).rows();
            assert_eq!(rows.len(), 1, "{row:?}");
            assert!(rows.iter().all(|kept| kept.ends_with("=true")), "{rows:?}");
        }
        for row in [
            "X-Genesys-Recording-Consen: true\r\n",
            "XX-Genesys-Recording-Consent: true\r\n",
            "X-Genesys-Recording_Consent: true\r\n",
        ] {
            assert!(extract(with_rows(row)).rows().is_empty(), "{row:?}");
        }
    }

    #[test]
    fn every_rule_that_names_a_field_gets_a_row_and_every_row_counts() {
        let rule = |name: &str| ConsentRule { name: name.to_owned(), ..crate::settings::builtin::rule() };
        let settings = Settings {
            rules: vec![rule("X-Consent"), rule("x-consent"), rule("Subject"), rule("K")],
            identity_headers: vec!["Session-ID".to_owned()],
            ..Settings::default()
        };
        let payload = with_rows("X-Consent: a\r\ns: b\r\nX-CONSENT: c\r\nSupported: d\r\nSession-ID: e\r\n");
        let expected = [
            "Consent(0) X-Consent=a",
            "Consent(1) X-Consent=a",
            "Consent(2) s=b",
            "Consent(0) X-CONSENT=c",
            "Consent(1) X-CONSENT=c",
            "Consent(3) Supported=d",
            "SessionId Session-ID=e",
            "Conversation(0) Session-ID=e",
        ];
        assert_eq!(extract_by(&settings, payload.as_bytes(), false).rows(), expected);
    }

    #[test]
    fn a_long_field_name_is_compared_to_its_end() {
        let long = format!("X-{}-Consent", "long".repeat(20));
        let rule = ConsentRule { name: long.clone(), ..crate::settings::builtin::rule() };
        let settings = Settings { rules: vec![rule], ..Settings::default() };
        let other = long.replacen("longlong", "longLONK", 1);
        let payload = with_rows(&format!("{}: a\r\n{other}: b\r\n", long.to_uppercase()));
        assert_eq!(
            extract_by(&settings, payload.as_bytes(), false).rows(),
            [format!("Consent(0) {}=a", long.to_uppercase())]
        );
    }

    #[test]
    fn rows_that_link_dialogs_are_kept() {
        let payload = with_rows(
            "Route: <sip:p1;lr>, \"x, y\" <sip:p2;lr>\r\nRoute: <sip:p3>\r\nReplaces: 1@h;to-tag=a;from-tag=b\r\n\
             r: <sip:b@h?Replaces=1%40h>\r\nSession-ID: ab;remote=cd\r\njoin: 2@h;to-tag=a;from-tag=b\r\n\
             Target-Dialog: 3@h;local-tag=a;remote-tag=b\r\nb: <sip:c@h>;cid=1\r\n",
        );
        let expected = [
            "Route Route=sip:p1;lr",
            "Route Route=sip:p2;lr",
            "Route Route=sip:p3",
            "Replaces Replaces=1@h;to-tag=a;from-tag=b",
            "ReferTo r=<sip:b@h?Replaces=1%40h>",
            "SessionId Session-ID=ab;remote=cd",
            "Join join=2@h;to-tag=a;from-tag=b",
            "TargetDialog Target-Dialog=3@h;local-tag=a;remote-tag=b",
            "ReferredBy b=<sip:c@h>;cid=1",
        ];
        assert_eq!(extract(payload).rows(), expected);
    }

    #[test]
    fn signs_of_a_recording_session_are_kept() {
        let rows = |rows: &str| extract(with_rows(rows)).rows();
        assert_eq!(rows("Require: 100rel, SIPREC\r\n"), ["RecordingSession Require=SIPREC"]);
        assert_eq!(rows("Require: replaces\r\n"), [""; 0]);
        assert_eq!(rows("Contact: <sip:src@h>;+sip.src\r\n"), ["RecordingSession Contact=<sip:src@h>;+sip.src"]);
        assert_eq!(
            rows("m: <sip:a>, <sip:b>;audio;+SIP.SRS=\"x\"\r\n"),
            ["RecordingSession m=<sip:b>;audio;+SIP.SRS=\\\"x\\\""]
        );
        assert_eq!(rows("Contact: \"+sip.src\" <sip:+sip.src@h;+sip.src>;+sip.instance=\"1\"\r\n"), [""; 0]);
    }

    #[test]
    fn a_recording_session_s_metadata_stands_beside_its_description() {
        let body = "--b\r\nContent-Type: application/sdp\r\n\r\nm=audio 1 RTP/AVP 0\r\n\r\n--b\r\n\
            Content-Type: application/rs-metadata+xml\r\n\r\n<recording/>\r\n--b--\r\n";
        let payload = with_rows(&format!(
            "Content-Type: multipart/mixed;boundary=b\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ));
        let payload = payload.get(..payload.len() - 2).expect("longer");
        let outcome = extract(payload);
        assert_eq!(outcome.rows(), ["RecordingSession Content-Type=application/rs-metadata+xml"]);
        assert_eq!(outcome.message().media().expect("a description").len(), 1);
        assert_eq!(outcome.message().body, Body::Whole);
    }

    #[test]
    fn a_message_without_call_id_leaves_no_trace_in_the_batch() {
        for rows in ["", "Call-ID:\r\n", "Call-ID: \r\n \r\n"] {
            let payload =
                format!("OPTIONS sip:a SIP/2.0\r\nX-Genesys-Recording-Consent: true\r\nRoute: <sip:a>\r\n{rows}\r\n");
            let outcome = extract(payload);
            assert_eq!(outcome.extracted, Extracted::NoCallId);
            assert!(outcome.batch.is_empty());
        }
        assert_eq!(extract("GET / HTTP/1.1\r\n\r\n").extracted, Extracted::NotSip);
    }

    #[test]
    fn two_call_ids_that_differ_are_an_anomaly_and_the_first_counts() {
        let outcome = extract(with_rows("i: 2\r\n"));
        assert_eq!((outcome.message().call_id, outcome.codes()), (b"1".as_slice(), vec!["duplicate_call_id"]));
        assert!(extract(with_rows("i:  1\r\n")).codes().is_empty());
    }

    #[test]
    fn the_call_id_is_kept_byte_by_byte() {
        let id = r#"intmeth.word%ZK-!.*_+'@word`~)(><:\/"][?}{"#;
        assert_eq!(extract(format!("OPTIONS sip:a SIP/2.0\nCall-ID:{id}\n\n")).message().call_id, id.as_bytes());
    }

    #[test]
    fn what_cannot_be_read_is_an_anomaly_of_its_record() {
        let outcome = extract(with_rows("garbage\r\nCSeq: x\r\nContent-Length: -1\r\n"));
        assert_eq!(outcome.codes(), ["bad_content_length", "bad_cseq", "bad_header_row"]);
        assert!(outcome.anomalies.iter().all(|(_, anomaly)| anomaly.first_record == Some(41)));
        assert!(outcome.message().header_whole);
    }

    #[test]
    fn bodies_say_how_much_of_them_is_known() {
        let body = |rows: &str, body: &str, truncated: bool| {
            let payload = format!("{}{body}", with_rows(rows));
            let outcome = extract_by(&Settings::default(), payload.as_bytes(), truncated);
            let message = outcome.message();
            (message.body, message.media().map(|media| media.len()))
        };
        let sdp = "Content-Type: application/sdp\r\n";
        assert_eq!(body("", "", false), (Body::Absent, None));
        assert_eq!(body("", "", true), (Body::Cut, None));
        assert_eq!(body("Content-Length: 0\r\n", "", true), (Body::Absent, None));
        assert_eq!(body(sdp, "m=audio 1 RTP/AVP 0\r\nm=x", false), (Body::Whole, Some(2)));
        assert_eq!(body(sdp, "m=audio 1 RTP/AVP 0\r\nm=x", true), (Body::Cut, Some(1)));
        assert_eq!(body(&format!("{sdp}l: 100\r\n"), "m=audio 1 RTP/AVP 0\r\nm=x", false), (Body::Cut, Some(1)));
        assert_eq!(body(&format!("{sdp}l: 21\r\n"), "m=audio 1 RTP/AVP 0\r\nm=x", true), (Body::Whole, Some(1)));
        assert_eq!(body("", "v=0\r\nm=audio 1 RTP/AVP 0\r\n", false), (Body::Whole, Some(1)));
        assert_eq!(body("", "m=audio 1 RTP/AVP 0\r\n", false), (Body::Whole, None));
        assert_eq!(body("Content-Type: text/plain\r\n", "v=0\r\nm=audio 1 RTP/AVP 0\r\n", false), (Body::Whole, None));
        assert_eq!(body(&format!("{sdp}Content-Encoding: gzip\r\n"), "\x1f", false), (Body::Cut, None));
        assert_eq!(body("Content-Type: application/pkcs7-mime\r\n", "x", false), (Body::Cut, None));
        let many = "m=audio 1 RTP/AVP 0\r\n".repeat(sdp::MAX_SECTIONS + 1);
        assert_eq!(body(sdp, &many, false), (Body::Cut, Some(sdp::MAX_SECTIONS)));
    }

    fn described(attributes: &str) -> String {
        with_rows("Content-Type: application/sdp\r\n")
            + &format!(
                "v=0\r\na=x-c:no\r\n{attributes}m=audio 1 RTP/AVP 0\r\na=X-C: yes\r\na=record:off\r\na=ptime:20\r\n"
            )
    }

    #[test]
    fn attributes_are_kept_where_a_rule_or_rfc_7866_names_them() {
        assert_eq!(extract(described("")).rows(), ["RecordingAttribute(1) record=off"]);
        let of = |names: &str| {
            let settings = Settings::from_toml(names, None).expect(names);
            extract_by(&settings, described("a=recordpref:on\r\n").as_bytes(), false).rows()
        };
        let named = "[[consent.sdp_attribute]]\nname = \"x-c\"\ngranted = [\"yes\"]\n";
        assert_eq!(
            of(named),
            [
                "Attribute(0) x-c=no",
                "RecordingAttribute(0) recordpref=on",
                "Attribute(1) X-C=yes",
                "RecordingAttribute(1) record=off"
            ]
        );
        let recorded = named.replace("x-c", "record");
        assert_eq!(of(&recorded), ["RecordingAttribute(0) recordpref=on", "Attribute(1) record=off"]);
    }

    #[test]
    fn a_flood_of_attributes_leaves_a_body_that_is_not_all() {
        let flood = described(&"a=x-c:1\r\n".repeat(sdp::MAX_ATTRIBUTES));
        let settings = "[[consent.sdp_attribute]]\nname = \"x-c\"\ngranted = [\"yes\"]\n";
        let settings = Settings::from_toml(settings, None).expect("settings");
        let outcome = extract_by(&settings, flood.as_bytes(), false);
        assert_eq!((outcome.message().body, outcome.codes()), (Body::Cut, vec!["limit_attributes"]));
        assert_eq!(extract(&flood).message().body, Body::Whole);
    }

    #[test]
    fn record_awareness_is_kept_of_supported_and_require() {
        let rows = |rows: &str| extract(with_rows(rows)).rows();
        assert_eq!(rows("k: timer, Record-Aware\r\n"), ["RecordAware k=Record-Aware"]);
        assert_eq!(rows("Require: record-aware\r\n"), ["RecordAware Require=record-aware"]);
        assert!(rows("Supported: record-aware-not, 100rel, view\r\n").is_empty());
    }

    #[test]
    fn user_to_user_data_is_kept_under_both_names() {
        let rule = "[[consent.user_to_user]]\ngranted = [\"yes\"]\n[[consent.uri_parameter]]\nname = \"c\"\ngranted = [\"yes\"]\n";
        let settings = Settings::from_toml(rule, None).expect("settings");
        let payload = with_rows("User-To-User: 1\r\nX-USER-TO-USER: 2\r\nc: text/plain\r\n");
        let outcome = extract_by(&settings, payload.as_bytes(), false);
        assert_eq!(outcome.rows(), ["Consent(0) User-To-User=1", "Consent(0) X-USER-TO-USER=2"]);
    }

    #[test]
    fn recording_metadata_shows_what_it_records() {
        let document =
            "<recording><session session_id='s'><sipSessionID>a;remote=b</sipSessionID></session></recording>";
        let outcome = extract(with_rows("Content-Type: application/rs-metadata+xml\r\n") + document);
        let rows = [
            "RecordingSession Content-Type=application/rs-metadata+xml",
            "Recorded session_id=s",
            "Recorded sipSessionID=a;remote=b",
        ];
        assert_eq!(outcome.rows(), rows);
        let long = document.replace("<session ", &format!("<x>{}</x><session ", "x".repeat(recording::MAX_BYTES)));
        let outcome = extract(with_rows("Content-Type: application/rs-metadata\r\n") + &long);
        assert_eq!((outcome.rows().len(), outcome.codes()), (1, vec!["limit_metadata"]));
        let encoded = with_rows("Content-Type: application/rs-metadata\r\nContent-Encoding: gzip\r\n") + document;
        assert_eq!(extract(encoded).rows().len(), 1);
    }

    #[test]
    fn the_first_of_several_descriptions_counts() {
        let payload = with_rows("c: multipart/alternative;boundary=b\r\n")
            + "--b\r\nc: application/sdp\r\n\r\nm=audio 1 RTP/AVP 0\r\n--b\r\nc: application/sdp\r\n\r\nm=video 2 RTP/AVP 31\r\n--b--";
        let outcome = extract(payload);
        let media: Vec<_> =
            outcome.message().media().expect("a description").map(|media| media.media.to_vec()).collect();
        assert_eq!(media, [b"audio"]);
    }

    #[test]
    fn what_another_receiver_would_read_on_is_no_header_seen_to_its_end() {
        let field = "X-Genesys-Recording-Consent: true\r\n";
        let whole = |payload: &str, truncated: bool| {
            let outcome = extract_by(&Settings::default(), payload.as_bytes(), truncated);
            (outcome.message().header_whole, outcome.codes().contains(&"mixed_line_ends"))
        };
        let rows = with_rows("Subject: x");
        let message = |empty: &str, behind: &str| format!("{}{empty}{behind}", rows.trim_end());
        for empty in ["\n\n", "\r\n\n", "\n\r\n"] {
            assert_eq!(whole(&message(empty, &format!("{field}\r\nv=0\r\n")), false), (false, true), "{empty:?}");
            // Nobody finds another end in a description.
            assert_eq!(whole(&message(empty, "v=0\r\nm=audio 1 RTP/AVP 0\r\n"), false), (true, false), "{empty:?}");
            assert_eq!(whole(&message(empty, "v=0\r\n"), true), (false, true), "{empty:?}");
        }
        assert_eq!(whole(&message("\r\n\r\n", &format!("{field}\r\n")), true), (true, false));
        assert_eq!(whole(&message("\n\n", "a\n\nb\r\n\r\n").replace("\r\n", "\n"), false), (true, false));
    }

    #[test]
    fn a_part_that_stays_closed_for_a_limit_may_have_told_more() {
        let metadata = "--b0\r\nContent-Type: application/rs-metadata+xml\r\n\r\n<recording/>\r\n--b0--\r\n";
        for (depth, expected) in [(3, true), (sip::body::MAX_DEPTH, true), (sip::body::MAX_DEPTH + 1, false)] {
            let mut body = metadata.to_owned();
            for inner in 0..depth - 1 {
                let outer = inner + 1;
                body = format!(
                    "--b{outer}\r\nContent-Type: multipart/mixed;boundary=b{inner}\r\n\r\n{body}\r\n--b{outer}--\r\n"
                );
            }
            let header = with_rows(&format!("Content-Type: multipart/mixed;boundary=b{}\r\n", depth - 1));
            let outcome = extract(header + &body);
            let codes: &[&str] = if expected { &[] } else { &["limit_multipart"] };
            assert_eq!((outcome.message().header_whole, outcome.codes().as_slice()), (expected, codes), "{depth}");
            assert_eq!(outcome.rows().len(), usize::from(expected), "{depth}");
        }
    }

    #[test]
    fn a_header_that_hits_a_limit_was_not_seen_to_its_end() {
        let outcome = extract(with_rows(&"A: b\r\n".repeat(sip::MAX_ROWS)));
        assert_eq!(outcome.codes(), ["limit_header"]);
        assert!(!outcome.message().header_whole);
        assert_eq!(outcome.message().body, Body::Cut);
    }

    #[test]
    fn a_header_cut_anywhere_says_so_and_shows_no_cut_row() {
        for payload in [
            INVITE.to_owned(),
            INVITE.replace("\r\n", "\n"),
            INVITE.replace("Consent: true", "Consent:\r\n  true\r\n , x"),
        ] {
            let folded = if payload.contains(", x") { "true , x" } else { "true" };
            let blank =
                payload.find("\r\n\r\n").map_or_else(|| payload.find("\n\n").map(|at| at + 2), |at| Some(at + 4));
            let blank = blank.expect("an empty line");
            for length in 0..payload.len() {
                let prefix = payload.as_bytes().get(..length).expect("a prefix");
                let outcome = extract_by(&Settings::default(), prefix, true);
                for message in outcome.batch.messages() {
                    assert_eq!(message.header_whole, length >= blank, "{length} bytes");
                    for row in message.rows() {
                        assert_eq!(row.value, folded.as_bytes(), "{length} bytes");
                    }
                    assert_eq!(message.call_id, b"a84b4c76e66710@203.0.113.10", "{length} bytes");
                    assert_eq!(message.body, Body::Cut, "{length} bytes");
                    let ports = message.media().into_iter().flatten().map(|media| media.port);
                    assert!(ports.into_iter().all(|port| port == Some(40_000)), "{length} bytes");
                }
                if outcome.extracted != Extracted::NotSip {
                    let code = if length >= blank { "truncated_body" } else { "truncated_header" };
                    assert_eq!(outcome.codes(), [code], "{length} bytes");
                } else {
                    assert!(length < 11, "{length} bytes");
                }
            }
        }
    }

    /// The messages of RFC 4475 that ask most of a reader, in our own words, and some of real stacks.
    fn odd_messages() -> Vec<Vec<u8>> {
        let mut messages: Vec<Vec<u8>> = [
            INVITE,
            "INVITE sip:v@chair.example.com;unknownparam SIP/2.0\r\nTO :\r\n sip:v@chair.example.com ;   tag    = 1918181833n\r\n\
             from   : \"J Rosenberg \\\\\\\"\"       <sip:j@example.com>\r\n  ;\r\n  tag = 98asjd8\r\nMaX-fOrWaRdS: 0068\r\n\
             Call-ID: wsinv.1@192.0.2.1\r\nContent-Length   : 28\r\ncseq: 0009\r\n  INVITE\r\nVia  : SIP  /   2.0\r\n /UDP\r\n    192.0.2.2;branch=390skdjuw\r\n\
             s :\r\nNewFangledHeader:   newfangled value\r\n continued newfangled value\r\nUnknown: ;;,,;;,;\r\nContent-Type: application/sdp\r\n\
             Route:\r\n <sip:services.example.com;lr;unknownwith=value;unknown-no-value>\r\n\
             m:\"Quoted string \\\"\\\"\" <sip:j@example.com> ; newparam =\r\n      newvalue ;\r\n  secondparam ; q = 0.33\r\n\r\nv=0\r\nm =video 3227 RTP/AVP 31\r\n",
            "!interesting-Method0123456789_*+`.%indeed'~ sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1@example.com SIP/2.0\r\n\
             Via: SIP/2.0/TCP host1.example.com;branch=z9hG4bK-.!%66*_+`'~\r\nTo: \"BEL:\\\u{7} NUL:\\\0 DEL:\\\u{7f}\" <sip:x;;*@example.com>\r\n\
             From: token1~` token2'+_ <sip:mundane@example.com>;fromParam''~+*_!.-%=\"работающий\";tag=_token~1'+`*%!-.\r\n\
             Call-ID: intmeth.word%ZK-!.*_+'@word`~)(><:\\/\"][?}{\r\nCSeq: 139122385 !interesting-Method0123456789_*+`.%indeed'~\r\nl: 0\r\n\r\n",
            "SIP/2.0 200 = 2**3 * 5**2 но\r\nVia: SIP/2.0/UDP 192.0.2.198;branch=z9hG4bK1324923\r\nCall-ID: unreason\r\nCSeq: 35 INVITE\r\n\
             From: sip:user@example.com;tag=1\r\nTo: sip:user@example.edu;tag=2\r\nContent-Type: application/sdp\r\n\r\nm=audio 1 RTP/AVP 0 12\r\n",
            "MESSAGE sip:k@example.org SIP/2.0\r\nCall-ID: mpart\r\nRoute: <sip:127.0.0.1:5080>, <sip:b>\r\nContact: <sip:f@127.0.0.1>;+sip.src\r\n\
             Content-Type: multipart/mixed;boundary=7a9c\r\nContent-Length: 96\r\n\r\n--7a9c\r\nContent-Type: text/plain\r\n\r\nHello\r\n--7a9c\r\nContent-Type: application/sdp\r\n\r\nm=audio 1 RTP/AVP 0\r\n--7a9c--",
            "REGISTER sip:example.com SIP/2.0\nTo: sip:null-%00-null@example.com\nf: \"x, <y>\nCall-ID: escnull\nCSeq: 36893488147419103232 REGISTER\n\
             Contact: <sip:%00@host5.example.com>, *, <\nRequire: nothing, siprec\nSession-ID: 0;remote=0\nL:0\n\n",
        ]
        .map(|text| text.as_bytes().to_vec())
        .to_vec();
        messages.push(b"\r\nBYE sip:a SIP/2.0\rCall-ID: 1\rFrom: \"J\xf8rg\" <sip:j>;tag=\xff\r\r".to_vec());
        messages
    }

    #[test]
    fn odd_but_valid_messages_are_read() {
        let outcomes: Vec<_> = odd_messages().into_iter().map(extract).collect();
        let wsinv = outcomes.get(1).expect("a message").message();
        assert_eq!((wsinv.from_tag, wsinv.to_tag), (Some(b"98asjd8".as_slice()), Some(b"1918181833n".as_slice())));
        assert_eq!((wsinv.via_host, wsinv.branch), (b"192.0.2.2".as_slice(), Some(b"390skdjuw".as_slice())));
        assert_eq!(wsinv.cseq, Some(CSeq { number: 9, method: Method::Invite }));
        assert_eq!(
            (wsinv.from_uri, wsinv.contact_uri),
            (b"sip:j@example.com".as_slice(), b"sip:j@example.com".as_slice())
        );
        assert_eq!((wsinv.body, wsinv.media().map(|media| media.len())), (Body::Whole, Some(1)));
        let intmeth = outcomes.get(2).expect("a message").message();
        assert_eq!(
            (intmeth.from_tag, intmeth.to_uri),
            (Some(b"_token~1'+`*%!-.".as_slice()), b"sip:x;;*@example.com".as_slice())
        );
        assert_eq!(intmeth.method(), Some(Method::Other));
        assert!(outcomes.iter().all(|outcome| outcome.message().header_whole));
    }

    /// A fixed sequence of numbers (xorshift64).
    struct Numbers(u64);

    impl Numbers {
        fn below(&mut self, limit: usize) -> usize {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            (self.0 >> 16) as usize % limit.max(1)
        }
    }

    #[test]
    fn no_damage_panics_or_breaks_what_is_promised() {
        let splices: [&[u8]; 14] = [
            b"\r\n",
            b"\r",
            b"\n",
            b"\r\n\r\n",
            b" ",
            b"\"",
            b"<",
            b">",
            b",",
            b";tag=",
            b"\0",
            b"\xff",
            b"--7a9c",
            b"\r\nm=audio 70000 x 0\r\n",
        ];
        let mut numbers = Numbers(0x5345_4544_5349_5031);
        let keep = Keep::new(&Settings::default());
        let mut extractor = Extractor::new(&keep);
        let messages = odd_messages();
        for _ in 0..20_000 {
            let mut payload = messages.get(numbers.below(messages.len())).cloned().unwrap_or_default();
            for _ in 0..=numbers.below(6) {
                let at = numbers.below(payload.len());
                match numbers.below(4) {
                    0 => payload.truncate(at),
                    1 => {
                        let splice = splices.get(numbers.below(splices.len())).copied().unwrap_or_default();
                        payload.splice(at..at, splice.iter().copied());
                    }
                    2 => {
                        let end = (at + numbers.below(40)).min(payload.len());
                        payload.drain(at..end);
                    }
                    _ => {
                        let byte = numbers.below(256) as u8;
                        if let Some(place) = payload.get_mut(at) {
                            *place = byte;
                        }
                    }
                }
            }
            let mut batch = SignallingBatch::default();
            let mut anomalies = Anomalies::default();
            let truncated = numbers.below(2) == 0;
            let extracted = signalling(&payload, seen(truncated), &mut extractor, &mut batch, &mut anomalies);
            assert_eq!(batch.len(), usize::from(extracted == Extracted::Message));
            // What was met before changes nothing.
            let alone = extract_by(&Settings::default(), &payload, truncated);
            assert_eq!(alone.extracted, extracted, "{}", payload.escape_ascii());
            assert!(
                batch.messages().map(|own| everything(&own)).eq(alone.batch.messages().map(|own| everything(&own)))
            );
            assert!(anomalies.iter().eq(alone.anomalies.iter()), "{}", payload.escape_ascii());
            assert!(extracted == Extracted::NotSip || sip::looks_like_sip(&payload), "{}", payload.escape_ascii());
            let met = |wanted: &str| anomalies.iter().any(|(code, _)| code == wanted);
            for message in batch.messages() {
                assert!(!message.call_id.is_empty());
                if !message.header_whole {
                    assert!(
                        truncated || met("mixed_line_ends") || met("truncated_header"),
                        "{}",
                        payload.escape_ascii()
                    );
                    assert!(message.body != Body::Whole && message.media().is_none());
                }
                if message.body == Body::Cut {
                    assert!(!anomalies.is_empty(), "{}", payload.escape_ascii());
                }
            }
        }
    }

    #[test]
    fn hostile_lengths_cost_linear_time() {
        let long = 60_000;
        let bodies = [
            "\r--b",
            "\r\n--b\r\n",
            "\n--b \n\n",
            "m=audio 1 RTP/AVP 0\r\n",
            "a=rtpmap:0 x\r",
            "m=a 1 RTP/AVP 0 0 0 0 0 0 0\n",
        ];
        for (content_type, unit) in
            bodies.iter().flat_map(|unit| [("multipart/mixed;boundary=b", unit), ("application/sdp", unit)])
        {
            let body = unit.repeat(long / unit.len());
            extract(with_rows(&format!("Content-Type: {content_type}\r\n")) + &body);
        }
        for unit in ["<", "\"", "\\\"", ",", ";", ";=\"", "<,", "\",", ";a=\"\\\";", "@", "=", "\r\n ", "\r", ":", " "]
        {
            for name in ["Contact", "Route", "From", "Via", "Require", "CSeq", "X", ""] {
                extract(with_rows(&format!("{name}: +sip.{}\r\n", unit.repeat(long / unit.len()))));
            }
        }
    }

    /// Where `rsip` takes a message without the differences that are known, both read the same.
    #[test]
    fn rsip_agrees_where_its_grammar_serves() {
        use rsip::prelude::{HeadersExt, ToTypedHeader, UntypedHeader};

        let mut numbers = Numbers(0x7273_6970_7273_6970);
        let pick = |numbers: &mut Numbers, choices: &[&str]| {
            (*choices.get(numbers.below(choices.len())).expect("a choice")).to_owned()
        };
        let mut compared = 0;
        for round in 0..3_000 {
            let from = pick(
                &mut numbers,
                &[
                    "<sip:a@example.com>",
                    "\"Alice, A\" <sip:a@192.0.2.1:5060;user=phone>",
                    "Bob <sips:b@h.example>",
                    "sip:c@d.example",
                ],
            );
            let to = pick(
                &mut numbers,
                &["<sip:+65@byoc.example.com;transport=udp>", "sip:b@example.com", "\"B \\\" b\" <sip:b@example.com>"],
            );
            let to_tag = pick(&mut numbers, &["", ";tag=to-1", ";x=y;tag=2"]);
            let method = pick(&mut numbers, &["INVITE", "BYE", "OPTIONS", "ACK"]);
            let start = if numbers.below(2) == 0 {
                format!("{method} sip:x@example.com SIP/2.0")
            } else {
                "SIP/2.0 180 Ringing".to_owned()
            };
            let mut rows = [
                format!("From: {from};tag=f{round}"),
                format!("To: {to}{to_tag}"),
                format!("Call-ID: {round}@h{}", pick(&mut numbers, &["", "/x", "%41", "<>\""])),
                format!("CSeq: {} {method}", numbers.below(1 << 31)),
                format!("Via: SIP/2.0/UDP h:5060;branch=z9hG4bK{round}"),
                "Max-Forwards: 70".to_owned(),
                "X-Other: Call-ID: no".to_owned(),
            ];
            for last in (1..rows.len()).rev() {
                rows.swap(last, numbers.below(last + 1));
            }
            let text = format!("{start}\r\n{}\r\n\r\n", rows.join("\r\n"));
            let Ok(theirs) = rsip::SipMessage::try_from(text.as_bytes()) else { continue };
            let outcome = extract(&text);
            let ours = outcome.message();
            let tag = |tag: Option<&[u8]>| tag.map(|tag| String::from_utf8_lossy(tag).into_owned());
            assert_eq!(theirs.call_id_header().expect(&text).value().as_bytes(), ours.call_id, "{text}");
            let cseq = theirs.cseq_header().expect(&text).typed().expect(&text);
            let method = |method: Method| method.name().to_owned();
            assert_eq!(
                ours.cseq.map(|cseq| (cseq.number, method(cseq.method))),
                Some((cseq.seq, cseq.method.to_string())),
                "{text}"
            );
            // Its From and To refuse an addr-spec without brackets that has parameters; no answer is no disagreement.
            if let Ok(from) = theirs.from_header().expect(&text).typed() {
                assert_eq!(from.tag().map(|tag| tag.value().to_owned()), tag(ours.from_tag), "{text}");
                compared += 1;
            }
            if let Ok(to) = theirs.to_header().expect(&text).typed() {
                assert_eq!(to.tag().map(|tag| tag.value().to_owned()), tag(ours.to_tag), "{text}");
                compared += 1;
            }
        }
        assert!(compared > 1_000, "rsip took too few messages to compare: {compared}");
    }
}
