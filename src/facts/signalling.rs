//! What one SIP message states, as far as any later stage asks: kept in one arena for each block of a capture.
//!
//! Follows RFC 3261 for the header fields and RFC 8866 for the session description. A message is pushed once, by the
//! decoder of its block, and read through the borrowed view [`Signalling`]. No message owns memory of its own.

use std::hash::BuildHasher;
use std::net::SocketAddr;

use crate::evidence::{Locus, SourceId, Timestamp};

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
    /// Refer-To (RFC 3515), which may carry Replaces.
    ReferTo,
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
    rows: &'a [RawRow],
    media: Option<&'a [RawMedia]>,
    text: &'a [u8],
}

impl<'a> Signalling<'a> {
    /// The kept header field rows, in wire order.
    pub fn rows(&self) -> impl Iterator<Item = Row<'a>> + use<'a> {
        let text = self.text;
        self.rows.iter().map(move |row| Row {
            subject: row.subject,
            name: row.name.of(text),
            value: row.value.of(text),
        })
    }

    /// The start line and header section as captured; `None` unless they were asked for.
    #[must_use]
    pub fn head(&self) -> Option<&'a [u8]> {
        self.rows().find(|row| row.subject == Subject::Head).map(|row| row.value)
    }

    /// The media descriptions of the session description, in order; `None` when the message carries no description.
    #[must_use]
    pub fn media(&self) -> Option<impl ExactSizeIterator<Item = MediaDescription<'a>> + use<'a>> {
        let text = self.text;
        self.media.map(|media| {
            media.iter().map(move |media| MediaDescription {
                media: media.media.of(text),
                port: media.port,
                address: media.address.of(text),
                codecs: media.codecs.of(text),
                direction: media.direction,
            })
        })
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

/// The SIP messages of one block of a capture, in the order of the capture.
#[derive(Debug, Default)]
pub struct SignallingBatch {
    text: Vec<u8>,
    rows: Vec<RawRow>,
    media: Vec<RawMedia>,
    /// What From, To, Contact and Via said, each as long as the messages of a call say the same.
    said: Vec<RawSaid>,
    hops: Vec<Hop>,
    messages: Vec<RawMessage>,
    /// For each message a hash of its Call-ID, apart from it: grouping looks at nothing else.
    call_hashes: Vec<u64>,
    /// The last message of a call, by a hash of its Call-ID; only while the batch grows.
    recent: Vec<Option<Recent>>,
    /// The place of a hop, by a hash of it; only while the batch grows.
    recent_hops: Vec<u32>,
}

/// A field whose value the messages of a call repeat, and the two parts of it that are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// Its URI.
    Contact,
    /// Its URI and tag.
    From,
    /// Its URI and tag.
    To,
    /// The top one's host and branch.
    Via,
}

/// Calls whose last message is remembered: those that are being set up or cleared at a time on a busy trunk.
const RECENT: usize = 256;

/// What the last message of a call said.
#[derive(Clone, Copy, Debug)]
struct Recent {
    call_id: Text,
    /// The whole values, by [`Said`].
    values: [Text; 4],
    /// Their places in [`SignallingBatch::said`].
    said: [u32; 4],
}

/// A range of a batch's text. Start `u32::MAX` stands for none.
#[derive(Clone, Copy, Debug)]
struct Text {
    start: u32,
    len: u32,
}

impl Text {
    const NONE: Self = Self { start: u32::MAX, len: 0 };

    fn of(self, text: &[u8]) -> &[u8] {
        let start = self.start as usize;
        text.get(start..start + self.len as usize).unwrap_or_default()
    }

    fn optional(self, text: &[u8]) -> Option<&[u8]> {
        (self.start != u32::MAX).then(|| self.of(text))
    }
}

/// The two parts of a value.
#[derive(Clone, Copy, Debug)]
struct RawSaid {
    first: Text,
    second: Text,
}

impl RawSaid {
    const NOTHING: Self = Self { first: Text { start: 0, len: 0 }, second: Text::NONE };
}

#[derive(Clone, Copy, Debug)]
struct RawRow {
    subject: Subject,
    name: Text,
    value: Text,
}

#[derive(Clone, Copy, Debug)]
struct RawMedia {
    media: Text,
    address: Text,
    codecs: Text,
    port: Option<u16>,
    direction: crate::sdp::Direction,
}

#[derive(Clone, Copy, Debug)]
enum RawStart {
    Request(Method),
    Response(u16),
}

/// One message: as small as may be, for there are millions.
#[derive(Clone, Copy, Debug)]
struct RawMessage {
    ns: i64,
    record: u64,
    fingerprint: u64,
    source: SourceId,
    hop: u32,
    /// The Request-URI; [`Text::NONE`] in a response.
    uri: Text,
    call_id: Text,
    /// By [`Said`]; `u32::MAX` for a field without a value.
    said: [u32; 4],
    /// Where its rows and descriptions begin. They end where the next message's begin.
    rows: u32,
    media: u32,
    cseq: u32,
    start: RawStart,
    cseq_method: Option<Method>,
    transport: Transport,
    body: Body,
    digits: u8,
    described: bool,
    header_whole: bool,
}

impl SignallingBatch {
    /// Starts a message: rows and descriptions are added to the draft as they are read, the message itself at its end.
    /// A draft that is dropped leaves no trace.
    pub fn draft(&mut self) -> Draft<'_> {
        Draft {
            text: self.text.len(),
            rows: self.rows.len(),
            media: self.media.len(),
            said: self.said.len(),
            described: false,
            committed: false,
            values: [None; 4],
            known: None,
            call_hash: None,
            batch: self,
        }
    }

    /// Adds a message. Its texts are copied into the batch; the view's own rows and media are not read: give `rows`
    /// in wire order and the descriptions as `media`, or `None` when there is no session description.
    pub fn push<'t>(
        &mut self,
        message: &Signalling<'t>,
        rows: impl IntoIterator<Item = Row<'t>>,
        media: Option<impl IntoIterator<Item = MediaDescription<'t>>>,
    ) {
        let mut draft = self.draft();
        for row in rows {
            draft.row(row);
        }
        if let Some(media) = media {
            draft.describe();
            for description in media {
                draft.media(description, [description.codecs]);
            }
        }
        draft.commit(message);
    }

    /// How many messages the batch holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.messages.len()
    }

    /// The memory it takes at the peak of an audit, in bytes, with the legs that are read from it.
    #[must_use]
    pub fn reckoned(&self) -> u64 {
        /// Of a message: its share in the leg, in what is concluded of it, and in tables.
        const SHARE: usize = 600;
        let own = self.text.len()
            + size_of_val(self.rows.as_slice())
            + size_of_val(self.media.as_slice())
            + size_of_val(self.said.as_slice())
            + size_of_val(self.messages.as_slice())
            + size_of_val(self.call_hashes.as_slice());
        (own + SHARE * self.messages.len()) as u64
    }

    /// Whether the batch holds no message.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// The messages, in the order they were pushed.
    pub fn messages(&self) -> impl ExactSizeIterator<Item = Signalling<'_>> {
        (0..self.messages.len()).zip(&self.messages).map(|(index, raw)| self.view(index, raw))
    }

    /// The message of that place in the batch.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<Signalling<'_>> {
        self.messages.get(index).map(|raw| self.view(index, raw))
    }

    /// For each message a hash of its Call-ID, the same in every batch: it groups, and what shares one is told apart by
    /// its bytes.
    pub fn call_hashes(&self) -> impl ExactSizeIterator<Item = u64> {
        self.call_hashes.iter().copied()
    }

    /// Counts the records of every message from `offset` + 1 on, once the block's place in its source is known.
    pub fn shift_records(&mut self, offset: u64) {
        for message in &mut self.messages {
            message.record += offset;
        }
    }

    /// The same messages, in as much memory as they need. This one is empty then and keeps its room for the next block.
    #[must_use]
    pub fn take(&mut self) -> Self {
        let taken = Self {
            text: self.text.clone(),
            rows: self.rows.clone(),
            media: self.media.clone(),
            said: self.said.clone(),
            hops: self.hops.clone(),
            messages: self.messages.clone(),
            call_hashes: self.call_hashes.clone(),
            recent: Vec::new(),
            recent_hops: Vec::new(),
        };
        self.text.clear();
        self.rows.clear();
        self.media.clear();
        self.said.clear();
        self.hops.clear();
        self.messages.clear();
        self.call_hashes.clear();
        self.recent.fill(None);
        self.recent_hops.fill(u32::MAX);
        taken
    }

    /// The messages of one method, requests and responses, without a look at the others' texts.
    pub fn of_method(&self, method: Method) -> impl Iterator<Item = Signalling<'_>> {
        let is_of = move |raw: &RawMessage| match raw.start {
            RawStart::Request(own) => own == method,
            RawStart::Response(_) => raw.cseq_method == Some(method),
        };
        let messages = (0..self.messages.len()).zip(&self.messages);
        messages.filter(move |(_, raw)| is_of(raw)).map(|(index, raw)| self.view(index, raw))
    }

    /// Where each message was captured, and where it went.
    pub fn hops(&self) -> impl Iterator<Item = (Locus, Hop)> {
        self.messages.iter().filter_map(|raw| Some((raw.locus(), *self.hops.get(raw.hop as usize)?)))
    }

    #[inline]
    fn view<'a>(&'a self, index: usize, raw: &RawMessage) -> Signalling<'a> {
        let text = self.text.as_slice();
        let next = self.messages.get(index + 1);
        let said = |what: Said| {
            let place = raw.said.get(what as usize).map_or(usize::MAX, |place| *place as usize);
            self.said.get(place).copied().unwrap_or(RawSaid::NOTHING)
        };
        let (contact, from, to, via) = (said(Said::Contact), said(Said::From), said(Said::To), said(Said::Via));
        let (rows, media) =
            next.map_or((self.rows.len(), self.media.len()), |next| (next.rows as usize, next.media as usize));
        Signalling {
            at: Timestamp { ns: raw.ns, digits: raw.digits },
            locus: raw.locus(),
            // Every message has its hop in the table.
            hop: self.hops.get(raw.hop as usize).copied().unwrap_or(Hop::NOWHERE),
            transport: raw.transport,
            start: match raw.start {
                RawStart::Request(method) => StartLine::Request { method, uri: raw.uri.of(text) },
                RawStart::Response(status) => StartLine::Response(status),
            },
            header_whole: raw.header_whole,
            body: raw.body,
            call_id: raw.call_id.of(text),
            cseq: raw.cseq_method.map(|method| CSeq { number: raw.cseq, method }),
            from_tag: from.second.optional(text),
            to_tag: to.second.optional(text),
            from_uri: from.first.of(text),
            to_uri: to.first.of(text),
            contact_uri: contact.first.of(text),
            via_host: via.first.of(text),
            branch: via.second.optional(text),
            fingerprint: raw.fingerprint,
            rows: self.rows.get(raw.rows as usize..rows).unwrap_or_default(),
            media: raw.described.then(|| self.media.get(raw.media as usize..media).unwrap_or_default()),
            text,
        }
    }

    fn keep(&mut self, bytes: &[u8]) -> Text {
        // A block is far below 4 GiB: a longer record is cut by the reader's limits before it comes here.
        let start = self.text.len() as u32;
        self.text.extend_from_slice(bytes);
        Text { start, len: bytes.len() as u32 }
    }

    fn keep_optional(&mut self, bytes: Option<&[u8]>) -> Text {
        bytes.map_or(Text::NONE, |bytes| self.keep(bytes))
    }

    /// [`Self::keep`], but for what stands in the text already as `known`.
    fn keep_again(&mut self, bytes: &[u8], known: Option<Text>) -> Text {
        match known {
            Some(known) if known.of(&self.text) == bytes => known,
            _ => self.keep(bytes),
        }
    }

    #[inline]
    fn hop(&mut self, hop: Hop) -> u32 {
        if self.recent_hops.is_empty() {
            self.recent_hops.resize(RECENT, u32::MAX);
        }
        let Some(recent) = self.recent_hops.get_mut(hop.place()) else { return u32::MAX };
        if self.hops.get(*recent as usize) != Some(&hop) {
            // Two hops that take turns at one place of the table stand in the list again and again; that costs memory only.
            *recent = self.hops.len() as u32;
            self.hops.push(hop);
        }
        *recent
    }
}

/// A message that is being read into a batch.
#[derive(Debug)]
pub struct Draft<'b> {
    batch: &'b mut SignallingBatch,
    // What the batch held before.
    text: usize,
    rows: usize,
    media: usize,
    said: usize,
    described: bool,
    committed: bool,
    /// What was said so far: the whole value, and its place.
    values: [Option<(Text, u32)>; 4],
    /// The last message of the call.
    known: Option<Recent>,
    /// The hash of its Call-ID, once that is known.
    call_hash: Option<u64>,
}

impl Draft<'_> {
    /// Keeps a header field row, the next in wire order.
    pub fn row(&mut self, row: Row<'_>) {
        let alike = self.batch.rows.iter().rev().take(4).find(|known| known.subject == row.subject);
        let known = alike.map(|known| (known.name, known.value));
        let name = self.batch.keep_again(row.name, known.map(|(name, _)| name));
        let value = self.batch.keep_again(row.value, known.map(|(_, value)| value));
        self.batch.rows.push(RawRow { subject: row.subject, name, value });
    }

    /// Says that the message carries a session description, if only an empty one.
    pub fn describe(&mut self) {
        self.described = true;
    }

    /// Keeps a media description, the next in order. The names in `codecs` stand for [`MediaDescription::codecs`],
    /// which is not read.
    pub fn media<'t>(&mut self, description: MediaDescription<'_>, codecs: impl IntoIterator<Item = &'t [u8]>) {
        self.described = true;
        let known = self.batch.media.last().map(|known| (known.media, known.codecs));
        let media = self.batch.keep_again(description.media, known.map(|(media, _)| media));
        let address = self.batch.keep(description.address);
        let start = self.batch.text.len();
        for name in codecs {
            if self.batch.text.len() > start {
                self.batch.text.push(b' ');
            }
            self.batch.text.extend_from_slice(name);
        }
        let mut codecs = Text { start: start as u32, len: (self.batch.text.len() - start) as u32 };
        if let Some((_, known)) = known
            && known.of(&self.batch.text) == codecs.of(&self.batch.text)
        {
            self.batch.text.truncate(start);
            codecs = known;
        }
        let kept = RawMedia { media, address, codecs, port: description.port, direction: description.direction };
        self.batch.media.push(kept);
    }

    /// Says which call the message is of, before [`Self::said`].
    pub(super) fn of_call(&mut self, call_id: &[u8]) {
        let hash = call_hash(call_id);
        self.call_hash = Some(hash);
        let known = self.batch.recent.get(hash as usize % RECENT).copied().flatten();
        self.known = known.filter(|known| known.call_id.of(&self.batch.text) == call_id);
    }

    /// Keeps the value of a field; `read` gives its parts, slices of it. A value that the call's last message had too
    /// is neither read nor kept again.
    pub(super) fn said<'v>(&mut self, what: Said, value: &'v [u8], read: impl FnOnce(&'v [u8]) -> Parts<'v>) {
        let batch = &mut *self.batch;
        let known = self
            .known
            .as_ref()
            .and_then(|known| Some((*known.values.get(what as usize)?, *known.said.get(what as usize)?)));
        let said = match known {
            Some((whole, place)) if place != u32::MAX && whole.of(&batch.text) == value => (whole, place),
            _ => {
                let (first, second) = read(value);
                let whole = batch.keep(value);
                let mut part = |part: &[u8]| within(value, whole, part).unwrap_or_else(|| batch.keep(part));
                let (first, second) = (part(first), second.map_or(Text::NONE, part));
                batch.said.push(RawSaid { first, second });
                (whole, batch.said.len() as u32 - 1)
            }
        };
        if let Some(place) = self.values.get_mut(what as usize) {
            *place = Some(said);
        }
    }

    /// Adds the message with the rows and descriptions kept before; the view's own are not read.
    pub fn commit(mut self, message: &Signalling<'_>) {
        let parts = [
            (Said::Contact, message.contact_uri, None),
            (Said::From, message.from_uri, message.from_tag),
            (Said::To, message.to_uri, message.to_tag),
            (Said::Via, message.via_host, message.branch),
        ];
        for (what, first, second) in parts {
            let said = RawSaid { first: self.batch.keep(first), second: self.batch.keep_optional(second) };
            self.batch.said.push(said);
            if let Some(place) = self.values.get_mut(what as usize) {
                *place = Some((said.first, self.batch.said.len() as u32 - 1));
            }
        }
        self.finish(message, false);
    }

    /// Adds the message with the rows, descriptions and values kept before; of the view's own texts the Call-ID and the
    /// Request-URI are read.
    pub(super) fn commit_said(mut self, message: &Signalling<'_>) {
        self.finish(message, true);
    }

    fn finish(&mut self, message: &Signalling<'_>, remember: bool) {
        let batch = &mut *self.batch;
        let call_hash = self.call_hash.unwrap_or_else(|| call_hash(message.call_id));
        let call_id = batch.keep_again(message.call_id, self.known.map(|known| known.call_id));
        let said = self.values.map(|said| said.map_or(u32::MAX, |(_, place)| place));
        if remember {
            if batch.recent.is_empty() {
                batch.recent.resize(RECENT, None);
            }
            let values = self.values.map(|said| said.map_or(Text::NONE, |(whole, _)| whole));
            if let Some(place) = batch.recent.get_mut(call_hash as usize % RECENT) {
                *place = Some(Recent { call_id, values, said });
            }
        }
        let (start, uri) = match message.start {
            StartLine::Request { method, uri } => (RawStart::Request(method), batch.keep(uri)),
            StartLine::Response(status) => (RawStart::Response(status), Text::NONE),
        };
        let raw = RawMessage {
            ns: message.at.ns,
            record: message.locus.record,
            fingerprint: message.fingerprint,
            source: message.locus.source,
            hop: batch.hop(message.hop),
            uri,
            call_id,
            said,
            rows: self.rows as u32,
            media: self.media as u32,
            cseq: message.cseq.map_or(0, |cseq| cseq.number),
            start,
            cseq_method: message.cseq.map(|cseq| cseq.method),
            transport: message.transport,
            body: message.body,
            digits: message.at.digits,
            described: self.described,
            header_whole: message.header_whole,
        };
        batch.messages.push(raw);
        batch.call_hashes.push(call_hash);
        self.committed = true;
    }
}

impl Drop for Draft<'_> {
    fn drop(&mut self) {
        if !self.committed {
            self.batch.text.truncate(self.text);
            self.batch.rows.truncate(self.rows);
            self.batch.media.truncate(self.media);
            self.batch.said.truncate(self.said);
        }
    }
}

/// The two parts of a value that are asked for.
pub(super) type Parts<'v> = (&'v [u8], Option<&'v [u8]>);

/// Where `part` stands in the text, if it is a slice of `value`, which stands there as `whole`.
fn within(value: &[u8], whole: Text, part: &[u8]) -> Option<Text> {
    let start = part.as_ptr().addr().checked_sub(value.as_ptr().addr())?;
    let len = part.len();
    (start + len <= value.len()).then(|| Text { start: whole.start + start as u32, len: len as u32 })
}

fn call_hash(call_id: &[u8]) -> u64 {
    // A fixed seed: the same in every batch.
    foldhash::quality::FixedState::with_seed(0).hash_one(call_id)
}

impl RawMessage {
    fn locus(&self) -> Locus {
        Locus { source: self.source, record: self.record }
    }
}

impl Hop {
    /// Its place among [`RECENT`] ones: by the low bits of what differs between the hops of one site.
    #[inline]
    fn place(&self) -> usize {
        let of = |socket: &SocketAddr| match socket {
            SocketAddr::V4(socket) => u64::from(u32::from(*socket.ip())) << 16 | u64::from(socket.port()),
            SocketAddr::V6(socket) => u128::from(*socket.ip()) as u64 ^ u64::from(socket.port()) << 48,
        };
        let mixed = of(&self.source).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ of(&self.destination).rotate_left(24);
        (mixed.wrapping_mul(0xd6e8_feb8_6659_fd93) >> 32) as usize % RECENT
    }

    /// Stands for a hop that is not known.
    const NOWHERE: Self = {
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
            rows: &[],
            media: None,
            text: &[],
        }
    }
}
