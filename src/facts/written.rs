//! What bytes stand for: how the facts of messages are written down, and read again.
//!
//! Millions of messages are kept until all evidence is read. So each is written once, in few bytes, as soon as it is read,
//! and from then on moved as bytes: onto a shelf, into a file, and back. The messages of a Call-ID follow each other, and
//! what one says as the one before did (who called whom, which way it went, the rows that settings name) is not written
//! again.
//!
//! A message is its [`Head`], and behind it the values that are new, each behind its [field](Said). Lengths are
//! [numbers](number); numbers of fixed width have their lowest byte first.
//!
//! Keeps: [`Reader::next`] gives what was written, if it reads all messages of a strand from its first. Bytes that nobody
//! wrote so give nothing, and no panic.

use std::net::{IpAddr, SocketAddr, SocketAddrV6};

use super::bytes::{Cursor, number, text};
use super::signalling::{Body, CSeq, Hop, MediaDescription, Method, Row, Signalling, StartLine, Subject, Transport};
use crate::evidence::{Locus, SourceId, Timestamp};
use crate::sdp::Direction;

/// What messages of a Call-ID repeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// Its URI and tag.
    From,
    /// Its URI and tag.
    To,
    /// Its URI.
    Contact,
    /// The top one's host and branch.
    Via,
    /// The Request-URI.
    RequestUri,
    /// The rows that settings name.
    Rows,
    /// The media descriptions.
    Media,
    /// The capture, and the hop.
    Way,
}

/// How many of [`Said`] have two parts of text: the first ones.
pub(super) const TEXTUAL: usize = 5;

impl Said {
    /// All of them; those with text come first.
    pub(super) const ALL: [Self; 8] =
        [Self::From, Self::To, Self::Contact, Self::Via, Self::RequestUri, Self::Rows, Self::Media, Self::Way];

    const fn bit(self) -> u8 {
        1 << self as u8
    }

    /// Whose URI or host the first part of a new value often is: a To is given a tag, the next request has another branch
    /// and goes to the Contact of the other end.
    pub(super) const fn alike(self) -> Self {
        match self {
            Self::RequestUri => Self::Contact,
            own => own,
        }
    }
}

/// Set beside a [field](Said) whose first part is that of [the one alike](Said::alike).
const SAME_FIRST: u8 = 1 << 7;

/// What of a message is written how.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Form {
    /// The fields it has. What is not new of them is what the last message said that had the field.
    has: u8,
    /// Which of them are new.
    new: u8,
    turned: u8,
}

/// Beside [`Form::turned`]: before anything new, From and To change places.
const ENDS_TURNED: u8 = 1;
/// Beside [`Form::turned`]: the hop goes the other way.
const WAY_TURNED: u8 = 2;

impl Form {
    /// The message says again what the last one said that had the field.
    pub(super) const fn again(&mut self, field: Said) {
        self.has |= field.bit();
    }

    /// What stands behind this call in `bytes` is the value of the field.
    pub(super) fn begin(&mut self, field: Said, bytes: &mut Vec<u8>) {
        self.is_new(field);
        bytes.push(field as u8);
    }

    const fn is_new(&mut self, field: Said) {
        self.has |= field.bit();
        self.new |= field.bit();
    }

    /// Writes a value of one of the first [`TEXTUAL`] fields; `same_first` says that its first part is that of
    /// [the one alike](Said::alike). Gives where the first part begins, if it is written.
    pub(super) fn write_said(
        &mut self,
        field: Said,
        (first, second): Parts<'_>,
        same_first: bool,
        bytes: &mut Vec<u8>,
    ) -> Option<usize> {
        self.is_new(field);
        let at = match same_first {
            true => {
                bytes.push(field as u8 | SAME_FIRST);
                None
            }
            false => {
                bytes.push(field as u8);
                text(bytes, first);
                Some(bytes.len() - first.len())
            }
        };
        match second {
            None => bytes.push(0),
            Some(second) => {
                number(bytes, second.len() + 1);
                bytes.extend_from_slice(second);
            }
        }
        at
    }

    /// From and To change places before anything new is read.
    pub(super) const fn turn_ends(&mut self) {
        self.turned |= ENDS_TURNED;
    }

    const fn ends_are_turned(self) -> bool {
        self.turned & ENDS_TURNED != 0
    }

    const fn has(self, field: Said) -> bool {
        self.has & field.bit() != 0
    }

    /// Writes the way of a message, behind one of the way `last` in the same strand.
    pub(super) fn write_way(&mut self, way: &Way, last: Option<&Way>, bytes: &mut Vec<u8>) {
        match last {
            Some(last) if last == way => {}
            Some(last) if last.turned() == *way => self.turned |= WAY_TURNED,
            _ => {
                self.begin(Said::Way, bytes);
                way.write(bytes);
            }
        }
    }
}

/// A capture and a hop in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Way {
    pub(super) source: SourceId,
    pub(super) hop: Hop,
}

impl Way {
    pub(super) const NOWHERE: Self = Self { source: SourceId(0), hop: Hop::NOWHERE };

    const fn turned(self) -> Self {
        Self { source: self.source, hop: Hop { source: self.hop.destination, destination: self.hop.source } }
    }

    fn write(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&self.source.0.to_le_bytes());
        for end in [self.hop.source, self.hop.destination] {
            match end.ip() {
                IpAddr::V4(address) => {
                    bytes.push(4);
                    bytes.extend_from_slice(&address.octets());
                }
                IpAddr::V6(address) => {
                    bytes.push(6);
                    bytes.extend_from_slice(&address.octets());
                }
            }
            bytes.extend_from_slice(&end.port().to_le_bytes());
            if let SocketAddr::V6(end) = end {
                bytes.extend_from_slice(&end.flowinfo().to_le_bytes());
                bytes.extend_from_slice(&end.scope_id().to_le_bytes());
            }
        }
    }

    fn read(cursor: &mut Cursor<'_>) -> Option<Self> {
        let source = SourceId(u32::from_le_bytes(*cursor.fixed()?));
        let mut end = || -> Option<SocketAddr> {
            Some(match cursor.byte()? {
                4 => (*cursor.fixed::<4>()?, u16::from_le_bytes(*cursor.fixed()?)).into(),
                _ => {
                    let (address, port) = (*cursor.fixed::<16>()?, u16::from_le_bytes(*cursor.fixed()?));
                    let [flow_info, scope] = [cursor.fixed()?, cursor.fixed()?].map(|word| u32::from_le_bytes(*word));
                    SocketAddrV6::new(address.into(), port, flow_info, scope).into()
                }
            })
        };
        Some(Self { source, hop: Hop { source: end()?, destination: end()? } })
    }
}

/// What every message has, in a fixed number of bytes.
pub(super) type Head = [u8; HEAD];

/// Nanoseconds, fingerprint, start, fields, new ones, flags, digits of the time, the lower halves of record and CSeq number.
pub(super) const HEAD: usize = 8 + 8 + 2 + 1 + 1 + 1 + 1 + 4 + 2;

/// Set in the start of a request. Beneath it stand the method of CSeq, and the request's method or the status code.
const REQUEST: u16 = 1 << 15;
const CSEQ_METHOD: u32 = 10;
const START: u16 = (1 << CSEQ_METHOD) - 1;
/// Stands for the method of a CSeq that was not readable.
const NO_CSEQ: u16 = 15;
/// Set in the flags where the whole header section was captured. Beneath it stand transport, body, and what is turned.
const WHOLE: u8 = 1 << 6;
/// Set in the flags where the upper halves of record and CSeq number stand behind the values; else they are 0.
const LARGE: u8 = 1 << 7;

/// The head of a message.
pub(super) fn head(message: &Signalling<'_>, form: Form) -> Head {
    let cseq = message.cseq.map_or(NO_CSEQ, |cseq| cseq.method as u16);
    let start = match message.start {
        StartLine::Request { method, .. } => REQUEST | method as u16,
        // Below 700.
        StartLine::Response(status) => status & START,
    };
    let flags = message.transport as u8 | (message.body as u8) << 2 | form.turned << 4;
    let mut bytes = [0; HEAD];
    bytes[..8].copy_from_slice(&message.at.ns.to_le_bytes());
    bytes[8..16].copy_from_slice(&message.fingerprint.to_le_bytes());
    bytes[16..18].copy_from_slice(&(start | cseq << CSEQ_METHOD).to_le_bytes());
    bytes[18] = form.has;
    bytes[19] = form.new;
    bytes[20] =
        flags | if message.header_whole { WHOLE } else { 0 } | if upper_halves(message) == (0, 0) { 0 } else { LARGE };
    bytes[21] = message.at.digits;
    bytes[22..26].copy_from_slice(&(message.locus.record as u32).to_le_bytes());
    bytes[26..28].copy_from_slice(&(cseq_number(message) as u16).to_le_bytes());
    bytes
}

fn cseq_number(message: &Signalling<'_>) -> u32 {
    message.cseq.map_or(0, |cseq| cseq.number)
}

/// Of a message's record and of the number of its CSeq.
fn upper_halves(message: &Signalling<'_>) -> (u32, u16) {
    ((message.locus.record >> 32) as u32, (cseq_number(message) >> 16) as u16)
}

/// Writes what stands behind a message's values.
pub(super) fn write_upper_halves(message: &Signalling<'_>, bytes: &mut Vec<u8>) {
    let (record, cseq) = upper_halves(message);
    if (record, cseq) != (0, 0) {
        bytes.extend_from_slice(&record.to_le_bytes());
        bytes.extend_from_slice(&cseq.to_le_bytes());
    }
}

/// The two parts of a value that are asked for.
pub(super) type Parts<'v> = (&'v [u8], Option<&'v [u8]>);

/// Adds a row to others.
pub(super) fn write_row(row: &Row<'_>, bytes: &mut Vec<u8>) {
    let (kind, place) = kind_of(row.subject);
    let [low, high] = place.to_le_bytes();
    bytes.extend_from_slice(&[kind, low, high]);
    text(bytes, row.name);
    text(bytes, row.value);
}

const fn kind_of(subject: Subject) -> (u8, u16) {
    match subject {
        Subject::Attribute(section) => (0, section),
        Subject::Consent(rule) => (1, rule),
        Subject::Conversation(header) => (2, header),
        Subject::Head => (3, 0),
        Subject::Join => (4, 0),
        Subject::ReferTo => (5, 0),
        Subject::Replaces => (6, 0),
        Subject::Route => (7, 0),
        Subject::SessionId => (8, 0),
        Subject::RecordAware => (9, 0),
        Subject::Recorded => (10, 0),
        Subject::RecordingAttribute(section) => (11, section),
        Subject::RecordingSession => (12, 0),
        Subject::TargetDialog => (13, 0),
        Subject::ReferredBy => (14, 0),
    }
}

const fn subject_of(kind: u8, place: u16) -> Option<Subject> {
    Some(match kind {
        0 => Subject::Attribute(place),
        1 => Subject::Consent(place),
        2 => Subject::Conversation(place),
        3 => Subject::Head,
        4 => Subject::Join,
        5 => Subject::ReferTo,
        6 => Subject::Replaces,
        7 => Subject::Route,
        8 => Subject::SessionId,
        9 => Subject::RecordAware,
        10 => Subject::Recorded,
        11 => Subject::RecordingAttribute(place),
        12 => Subject::RecordingSession,
        13 => Subject::TargetDialog,
        14 => Subject::ReferredBy,
        _ => return None,
    })
}

/// Rows, in wire order.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rows<'a>(Cursor<'a>);

impl<'a> Rows<'a> {
    pub(super) const fn of(bytes: &'a [u8]) -> Self {
        Self(Cursor(bytes))
    }
}

impl<'a> Iterator for Rows<'a> {
    type Item = Row<'a>;

    fn next(&mut self) -> Option<Row<'a>> {
        let [kind, low, high] = *self.0.fixed()?;
        let subject = subject_of(kind, u16::from_le_bytes([low, high]))?;
        Some(Row { subject, name: self.0.text()?, value: self.0.text()? })
    }
}

/// Media type, address, codecs.
const TEXTS: usize = 3;
/// Set where the port is known; beneath it stands the direction, above it which texts are those of the description before.
const PORT: u8 = 1 << 2;
const SAME: u8 = 1 << 3;

/// Writes media descriptions. Their number stands first, and a text that is that of the description before stands there
/// only.
#[derive(Debug, Default)]
pub(super) struct MediaWriter {
    bytes: Vec<u8>,
    /// Where the texts of the last description stand.
    last: [(usize, usize); TEXTS],
}

impl MediaWriter {
    /// Begins with none.
    pub(super) fn begin(&mut self) {
        self.bytes.clear();
        self.bytes.extend_from_slice(&[0; 2]);
    }

    pub(super) fn add(&mut self, description: &MediaDescription<'_>) {
        let Self { bytes, last } = self;
        let Some(count) = bytes.first_chunk_mut() else { return };
        let before = u16::from_le_bytes(*count);
        // Descriptions are read up to a number of sections that is far below what has room.
        *count = before.saturating_add(1).to_le_bytes();
        let at = bytes.len();
        bytes.push(description.direction as u8 | if description.port.is_some() { PORT } else { 0 });
        bytes.extend_from_slice(&description.port.unwrap_or_default().to_le_bytes());
        let texts = [description.media, description.address, description.codecs];
        for ((own, last), place) in texts.into_iter().zip(last).zip(0..) {
            if before > 0 && bytes.get(last.0..last.1) == Some(own) {
                if let Some(flags) = bytes.get_mut(at) {
                    *flags |= SAME << place;
                }
            } else {
                text(bytes, own);
                *last = (bytes.len() - own.len(), bytes.len());
            }
        }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// Media descriptions, in order.
#[derive(Clone, Copy, Debug)]
pub(super) struct Media<'a> {
    left: usize,
    cursor: Cursor<'a>,
    last: [&'a [u8]; TEXTS],
}

impl<'a> Media<'a> {
    pub(super) fn of(bytes: &'a [u8]) -> Self {
        let mut cursor = Cursor(bytes);
        let left = cursor.fixed().map_or(0, |count| usize::from(u16::from_le_bytes(*count)));
        Self { left, cursor, last: [&[]; TEXTS] }
    }
}

impl<'a> Iterator for Media<'a> {
    type Item = MediaDescription<'a>;

    fn next(&mut self) -> Option<MediaDescription<'a>> {
        self.left = self.left.checked_sub(1)?;
        let [flags, low, high] = *self.cursor.fixed()?;
        for (place, text) in (0..).zip(&mut self.last) {
            if flags & SAME << place == 0 {
                *text = self.cursor.text()?;
            }
        }
        let [media, address, codecs] = self.last;
        let direction = match flags & 3 {
            0 => Direction::Inactive,
            1 => Direction::RecvOnly,
            2 => Direction::SendOnly,
            _ => Direction::SendRecv,
        };
        let port = (flags & PORT != 0).then_some(u16::from_le_bytes([low, high]));
        Some(MediaDescription { media, port, address, codecs, direction })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Media<'_> {}

/// Reads the messages of one Call-ID, each behind the one before it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a> {
    /// What the last message said that had the field.
    said: [Parts<'a>; TEXTUAL],
    rows: &'a [u8],
    media: &'a [u8],
    /// The last message.
    message: Signalling<'a>,
    /// Which fields it has.
    has: u8,
}

impl<'a> Reader<'a> {
    pub(super) fn of(call_id: &'a [u8]) -> Self {
        let Way { source, hop } = Way::NOWHERE;
        let (at, locus, start) = (Timestamp { ns: 0, digits: 0 }, Locus { source, record: 0 }, StartLine::Response(0));
        let message = Signalling { call_id, ..Signalling::bare(at, locus, hop, start) };
        Self { said: [(&[], None); TEXTUAL], rows: &[], media: &[], message, has: 0 }
    }

    /// The message that begins at the cursor, which is moved behind it; `None` where none does.
    pub(super) fn next(&mut self, cursor: &mut Cursor<'a>) -> Option<&Signalling<'a>> {
        let mut head = Cursor(cursor.fixed::<HEAD>()?);
        let ns = i64::from_le_bytes(*head.fixed()?);
        let fingerprint = u64::from_le_bytes(*head.fixed()?);
        let start = u16::from_le_bytes(*head.fixed()?);
        let [has, new, flags, digits] = *head.fixed()?;
        let mut record = u64::from(u32::from_le_bytes(*head.fixed()?));
        let mut cseq = u32::from(u16::from_le_bytes(*head.fixed()?));
        let form = Form { has, new, turned: flags >> 4 & (ENDS_TURNED | WAY_TURNED) };

        let Self { said, rows, media, message, .. } = self;
        let mut changed = has ^ self.has;
        if form.ends_are_turned() {
            let [from, to, ..] = said;
            std::mem::swap(from, to);
            changed |= Said::From.bit() | Said::To.bit();
        }
        if form.turned & WAY_TURNED != 0 {
            std::mem::swap(&mut message.hop.source, &mut message.hop.destination);
        }
        for _ in 0..new.count_ones() {
            let field = cursor.byte()?;
            let kind = *Said::ALL.get(usize::from(field & !SAME_FIRST))?;
            changed |= kind.bit();
            match kind {
                Said::Rows => *rows = cursor.text()?,
                Said::Media => *media = cursor.text()?,
                Said::Way => {
                    let way = Way::read(cursor)?;
                    (message.locus.source, message.hop) = (way.source, way.hop);
                }
                kind => {
                    let first = match field & SAME_FIRST {
                        0 => cursor.text()?,
                        _ => said.get(kind.alike() as usize)?.0,
                    };
                    let second = match cursor.number()?.checked_sub(1) {
                        None => None,
                        Some(length) => Some(cursor.run(length)?),
                    };
                    *said.get_mut(kind as usize)? = (first, second);
                }
            }
        }
        if flags & LARGE != 0 {
            record |= u64::from(u32::from_le_bytes(*cursor.fixed()?)) << 32;
            cseq |= u32::from(u16::from_le_bytes(*cursor.fixed()?)) << 16;
        }
        let said_of = |field: Said, value: Parts<'a>| if form.has(field) { value } else { (&[][..], None) };
        let is_changed = |field: Said| changed & field.bit() != 0;
        let [from, to, contact, via, uri] = *said;
        if is_changed(Said::From) {
            (message.from_uri, message.from_tag) = said_of(Said::From, from);
        }
        if is_changed(Said::To) {
            (message.to_uri, message.to_tag) = said_of(Said::To, to);
        }
        if is_changed(Said::Contact) {
            (message.contact_uri, _) = said_of(Said::Contact, contact);
        }
        if is_changed(Said::Via) {
            (message.via_host, message.branch) = said_of(Said::Via, via);
        }
        if is_changed(Said::Rows) {
            message.written.rows = if form.has(Said::Rows) { *rows } else { &[] };
        }
        if is_changed(Said::Media) {
            message.written.media = form.has(Said::Media).then_some(*media);
        }
        self.has = has;
        let method = |number: u16| Method::ALL.get(usize::from(number)).copied();
        message.at = Timestamp { ns, digits };
        message.locus.record = record;
        message.fingerprint = fingerprint;
        message.transport = match flags & 3 {
            0 => Transport::Tcp,
            1 => Transport::Udp,
            _ => Transport::WebSocket,
        };
        message.start = match start & REQUEST {
            0 => StartLine::Response(start & START),
            _ => StartLine::Request { method: method(start & START)?, uri: said_of(Said::RequestUri, uri).0 },
        };
        message.header_whole = flags & WHOLE != 0;
        message.body = match flags >> 2 & 3 {
            0 => Body::Absent,
            1 => Body::Cut,
            _ => Body::Whole,
        };
        message.cseq = method((start & !REQUEST) >> CSEQ_METHOD).map(|method| CSeq { number: cseq, method });
        Some(message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    fn described<'a>(texts: [&'a [u8]; TEXTS], port: Option<u16>, direction: Direction) -> MediaDescription<'a> {
        let [media, address, codecs] = texts;
        MediaDescription { media, port, address, codecs, direction }
    }

    #[test]
    fn media_descriptions_come_back_whatever_they_repeat() {
        let texts: [&[u8]; 3] = [b"", b"audio", b"192.0.2.1"];
        let directions = [Direction::Inactive, Direction::RecvOnly, Direction::SendOnly, Direction::SendRecv];
        let mut descriptions = Vec::new();
        for number in 0..200_usize {
            let of = |every: usize| texts[number / every % 3];
            let port = (number % 5 > 0).then_some((number * 331) as u16);
            descriptions.push(described([of(1), of(2), of(7)], port, directions[number / 3 % 4]));
        }
        let mut writer = MediaWriter::default();
        for count in [0, 1, 2, 200, 3] {
            writer.begin();
            descriptions.iter().take(count).for_each(|description| writer.add(description));
            let media = Media::of(writer.bytes());
            assert_eq!(media.len(), count);
            assert!(media.eq(descriptions.iter().take(count).copied()), "{count}");
        }
    }

    #[test]
    fn every_subject_comes_back() {
        let mut bytes = Vec::new();
        let mut rows = Vec::new();
        for kind in 0..=u8::MAX {
            let Some(subject) = subject_of(kind, 777) else { continue };
            rows.push(Row { subject, name: b"X-Name", value: b"" });
            rows.push(Row { subject, name: b"", value: &[b'v'; 300] });
        }
        assert_eq!(rows.len(), 30);
        rows.iter().for_each(|row| write_row(row, &mut bytes));
        assert!(Rows::of(&bytes).eq(rows.iter().copied()));
    }

    #[test]
    fn every_method_has_its_number() {
        for (place, method) in Method::ALL.into_iter().enumerate() {
            assert_eq!(method as usize, place);
        }
    }

    #[test]
    fn bytes_that_nobody_wrote_give_nothing_and_no_panic() {
        let mut random = Random(5);
        for length in 0..4_000_usize {
            let bytes: Vec<u8> =
                (0..length % 300).map(|_| random.below(256) as u8 & [0xff, 0x07][length % 2]).collect();
            let mut cursor = Cursor(&bytes);
            let mut reader = Reader::of(b"a");
            while let Some(message) = reader.next(&mut cursor) {
                let _ = (message.rows().count(), message.media().map(Iterator::count));
            }
            let _ = (Rows::of(&bytes).count(), Media::of(&bytes).count());
        }
    }
}
