//! What one message says, told by the places where it says so.
//!
//! [`super::extract`] makes a reading of a payload; the reading writes the message into a batch.
//!
//! Keeps: a reading holds no text of its payload, but for what does not stand there as it was meant (a folded value, the
//! names of codecs). So it is the reading of any other payload as well in which only the text at its places is another
//! ([`super::forms`]).

use std::hash::{BuildHasher, Hasher};
use std::ops::Range;

use super::written::{Parts, Said};
use super::{
    Body, CSeq, Hop, MediaDescription, Method, Row, Signalling, SignallingBatch, StartLine, Subject, Transport,
};
use crate::evidence::{Locus, Timestamp};
use crate::sdp::Direction;
use crate::sip::address::{self, Address, Via};

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

/// Where a text stands in a payload. Behind its end stand the texts that are not of the payload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    start: u32,
    length: u32,
}

impl Place {
    /// The bytes there.
    pub(super) fn range(self) -> Range<usize> {
        self.start as usize..self.start as usize + self.length as usize
    }
}

/// Where a value stands of which two parts are asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Value {
    pub(super) whole: Place,
    /// Where they stand, if that was read: a value that the call's last message had, too, need not be.
    pub(super) parts: Option<(Place, Option<Place>)>,
}

/// The start line.
#[derive(Clone, Copy, Debug)]
pub(super) enum Start {
    /// With the Request-URI.
    Request { method: Method, uri: Place },
    /// With the status code.
    Response { status: u16 },
}

/// A media description.
#[derive(Clone, Copy, Debug)]
pub(super) struct Section {
    media: Place,
    port: Option<u16>,
    pub(super) port_digits: Place,
    pub(super) address: Place,
    codecs: Place,
    direction: Direction,
}

/// A port of more digits may be none.
const PORT_DIGITS: usize = 5;

impl Section {
    /// Whether its port is digits alone, and few.
    pub(super) fn has_plain_port(&self) -> bool {
        self.port.is_some() && self.port_digits.length as usize <= PORT_DIGITS
    }
}

/// The values that a message has once.
pub(super) const VALUES: [Said; 4] = [Said::From, Said::To, Said::Contact, Said::Via];

/// What one message says.
#[derive(Clone, Debug)]
pub(super) struct Reading {
    /// What stands behind the payload's end.
    beside: Vec<u8>,
    pub(super) start: Start,
    pub(super) header_whole: bool,
    pub(super) body: Body,
    pub(super) call_id: Place,
    cseq: Option<CSeq>,
    /// The digits of the number of CSeq; empty where there is none, or one of so many digits that it may not be one.
    pub(super) cseq_digits: Place,
    /// In the order of [`VALUES`].
    pub(super) values: [Option<Value>; VALUES.len()],
    rows: Vec<(Subject, Place, Place)>,
    /// The media descriptions, if there is a session description.
    pub(super) sections: Vec<Section>,
    described: bool,
}

impl Default for Reading {
    fn default() -> Self {
        Self {
            beside: Vec::new(),
            start: Start::Response { status: 0 },
            header_whole: false,
            body: Body::Absent,
            call_id: Place::default(),
            cseq: None,
            cseq_digits: Place::default(),
            values: [None; VALUES.len()],
            rows: Vec::new(),
            sections: Vec::new(),
            described: false,
        }
    }
}

/// Digits of any number of 32 bits.
const DIGITS: usize = 9;

impl Reading {
    /// Begins anew, in the same room.
    pub(super) fn clear(&mut self) {
        let Self { beside, rows, sections, .. } = self;
        beside.clear();
        rows.clear();
        sections.clear();
        *self = Self {
            beside: std::mem::take(beside),
            rows: std::mem::take(rows),
            sections: std::mem::take(sections),
            ..Self::default()
        };
    }

    /// Where `text` stands: in the payload if it was borrowed from there, else it is put beside it.
    pub(super) fn place(&mut self, payload: &[u8], text: &[u8]) -> Place {
        let range = range_in(payload, text).unwrap_or_else(|| {
            let start = payload.len() + self.beside.len();
            self.beside.extend_from_slice(text);
            start..start + text.len()
        });
        Place { start: range.start as u32, length: range.len() as u32 }
    }

    /// Reads where the parts of all values stand.
    pub(super) fn read_parts(&mut self, payload: &[u8]) {
        for (place, field) in VALUES.into_iter().enumerate() {
            let Some(Value { whole, .. }) = self.values.get(place).copied().flatten() else { continue };
            let value = self.text(payload, whole);
            let within = |part: &[u8]| {
                let start = range_in(value, part).map_or(0, |range| range.start as u32);
                Place { start: whole.start + start, length: part.len() as u32 }
            };
            let (first, second) = parts_of(field, value);
            let parts = Some((within(first), second.map(within)));
            self.values.get_mut(place).into_iter().for_each(|own| *own = Some(Value { whole, parts }));
        }
    }

    /// Keeps the number and method of CSeq, whose `value` is this.
    pub(super) fn cseq(&mut self, payload: &[u8], value: &[u8], cseq: CSeq) {
        self.cseq = Some(cseq);
        let digits = value.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if (1..=DIGITS).contains(&digits) && range_in(payload, value).is_some() {
            self.cseq_digits = self.place(payload, value.get(..digits).unwrap_or_default());
        }
    }

    /// Keeps a row, the next in wire order.
    pub(super) fn row(&mut self, payload: &[u8], Row { subject, name, value }: Row<'_>) {
        let (name, value) = (self.place(payload, name), self.place(payload, value));
        self.rows.push((subject, name, value));
    }

    /// Says that there is a session description, if only an empty one.
    pub(super) fn describe(&mut self) {
        self.described = true;
    }

    /// Keeps a media description, the next in order, whose port has these digits.
    pub(super) fn section(&mut self, payload: &[u8], description: &MediaDescription<'_>, port_digits: &[u8]) {
        let MediaDescription { media, port, address, codecs, direction } = *description;
        let [media, port_digits, address, codecs] =
            [media, port_digits, address, codecs].map(|text| self.place(payload, text));
        self.sections.push(Section { media, port, port_digits, address, codecs, direction });
    }

    /// What stands at a place.
    #[inline(always)]
    fn text<'t>(&'t self, payload: &'t [u8], place: Place) -> &'t [u8] {
        let start = place.start as usize;
        let (text, start) = match start.checked_sub(payload.len()) {
            None => (payload, start),
            Some(start) => (self.beside.as_slice(), start),
        };
        text.get(start..start + place.length as usize).unwrap_or_default()
    }

    /// Reads the numbers again, of another payload; `false` where one cannot be what it stands for. Their digits are
    /// digits there, too.
    #[inline(always)]
    pub(super) fn read_numbers(&mut self, payload: &[u8]) -> bool {
        if let Some(cseq) = &mut self.cseq
            && self.cseq_digits.length > 0
        {
            cseq.number = number(payload.get(self.cseq_digits.range()).unwrap_or_default());
        }
        for section in self.sections.iter_mut().filter(|section| section.has_plain_port()) {
            let port = number(payload.get(section.port_digits.range()).unwrap_or_default());
            let Ok(port) = u16::try_from(port) else { return false };
            section.port = Some(port);
        }
        true
    }

    /// Adds the message in `payload`, of which this is the reading, to a batch.
    #[inline(never)]
    pub(super) fn write(&self, payload: &[u8], seen: &Seen, batch: &mut SignallingBatch) {
        let text = |place: Place| self.text(payload, place);
        let call_id = text(self.call_id);
        let start = match self.start {
            Start::Request { method, uri } => StartLine::Request { method, uri: text(uri) },
            Start::Response { status } => StartLine::Response(status),
        };
        let Some(mut draft) = batch.draft(call_id) else { return };
        for (field, value) in VALUES.into_iter().zip(&self.values) {
            if let Some(Value { whole, parts }) = *value {
                draft.said(field, text(whole), || match parts {
                    Some((first, second)) => (text(first), second.map(text)),
                    None => parts_of(field, text(whole)),
                });
            }
        }
        for (subject, name, value) in &self.rows {
            draft.row(Row { subject: *subject, name: text(*name), value: text(*value) });
        }
        if self.described {
            draft.describe();
            for section in &self.sections {
                draft.media(&MediaDescription {
                    media: text(section.media),
                    port: section.port,
                    address: text(section.address),
                    codecs: text(section.codecs),
                    direction: section.direction,
                });
            }
        }
        let mut facts = Signalling::bare(seen.at, seen.locus, seen.hop, start);
        facts.transport = seen.transport;
        (facts.header_whole, facts.body, facts.call_id, facts.cseq) =
            (self.header_whole, self.body, call_id, self.cseq);
        facts.fingerprint = fingerprint(payload);
        draft.commit_said(&facts);
    }
}

/// The two parts of a value that are asked for: of From and To the URI and the tag, of Contact the first URI, of Via host
/// and branch of the top one.
fn parts_of(field: Said, value: &[u8]) -> Parts<'_> {
    match field {
        Said::From | Said::To => {
            let address = Address::read(value);
            (address.uri, address.tag())
        }
        Said::Contact => (address::values(value).next().map_or(b"".as_slice(), |value| Address::read(value).uri), None),
        _ => {
            let top = Via::top(value);
            (top.host, top.branch())
        }
    }
}

/// Where `part` was borrowed from `whole`; `None` where it was not.
pub(super) fn range_in(whole: &[u8], part: &[u8]) -> Option<Range<usize>> {
    let start = part.as_ptr().addr().checked_sub(whole.as_ptr().addr())?;
    (start + part.len() <= whole.len()).then(|| start..start + part.len())
}

/// The number of at most [`DIGITS`] digits.
#[inline(always)]
fn number(digits: &[u8]) -> u32 {
    digits.iter().fold(0, |number, digit| number * 10 + u32::from(digit & 0x0f))
}

/// A digest of the bytes as captured. Not proof against a sender who seeks two messages with one digest: compare what
/// else tells them apart before taking one for a copy.
fn fingerprint(payload: &[u8]) -> u64 {
    let mut hasher = foldhash::quality::FixedState::with_seed(0x5349_5032).build_hasher();
    hasher.write(payload);
    hasher.finish()
}
