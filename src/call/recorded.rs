//! Recording sessions and what they record: RFC 7866 and RFC 7865 as far as the signalling shows them.
//!
//! A recording session (RS) carries a copy of what some communication session (CS) carries. Its metadata may name the CS;
//! [`ties`] says which captured legs it names. What messages say of being recorded ([`Awareness`]) is shown and concludes
//! nothing: it is the recorder's state or the caller's preference, and some phones write it into every offer.
//!
//! Keeps: a tie needs an identifier that names the CS exactly, a Call-ID byte by byte or every half of a Session-ID
//! (RFC 7989), and sessions that overlap in time. Parties and times alone tie nothing. A tie joins no legs into a call and
//! changes no verdict.

use hashbrown::HashMap;

use super::identifier::{halves, normal};
use super::identity::MOST_LEGS_OF_AN_IDENTIFIER;
use super::legs::Leg;
use crate::evidence::{Locus, Timestamp};
use crate::facts::{Signalling, StartLine, Subject};
use crate::sip::recording::Place;

type Seed = foldhash::fast::RandomState;

/// Identifiers of one leg's metadata that are kept, and states of awareness.
const MOST_KEPT: usize = 64;

/// An identifier of a communication session in the metadata of a recording session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NamedSession<'a> {
    /// What it stands in.
    pub place: Place,
    /// As written.
    pub value: &'a [u8],
    /// The first message that carries it.
    pub locus: Locus,
}

/// What one message says of recording by RFC 7866, where it differs from what its sender said before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Awareness<'a> {
    /// When.
    pub at: Timestamp,
    /// The media description it stands in, from 1; 0 for the session or the whole message.
    pub section: u16,
    /// `record`, `recordpref`, or the header field's name.
    pub name: &'a [u8],
    /// Its value: `on`, `off`, `record-aware`.
    pub value: &'a [u8],
    /// Whether it is an attribute of the session description.
    pub is_attribute: bool,
    /// The message.
    pub locus: Locus,
}

/// A communication session that a recording session's metadata names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tie {
    /// The leg of the communication session.
    pub leg: usize,
    /// What the identifier stands in.
    pub place: Place,
    /// The message that carries it.
    pub locus: Locus,
}

/// The identifiers that the metadata in `messages` carries, each once.
pub(super) fn identifiers<'a>(messages: &[Signalling<'a>]) -> Vec<NamedSession<'a>> {
    let mut found: Vec<NamedSession<'a>> = Vec::new();
    for message in messages {
        for row in message.rows().filter(|row| row.subject == Subject::Recorded) {
            let place = Place::ALL.into_iter().find(|place| place.name().as_bytes() == row.name);
            let Some(place) = place.filter(|_| found.len() < MOST_KEPT) else { continue };
            if !found.iter().any(|known| (known.place, known.value) == (place, row.value)) {
                found.push(NamedSession { place, value: row.value, locus: message.locus });
            }
        }
    }
    found
}

/// What `messages`, sorted by time, say of recording, and where that changes.
pub(super) fn awareness<'a>(messages: &[&Signalling<'a>]) -> Vec<Awareness<'a>> {
    let mut said: Vec<(Option<&'a [u8]>, Awareness<'a>)> = Vec::new();
    for message in messages {
        for row in message.rows() {
            let section = match row.subject {
                Subject::RecordAware => None,
                Subject::RecordingAttribute(section) => Some(section),
                Subject::Attribute(section)
                    if [b"record".as_slice(), b"recordpref"].iter().any(|name| row.name.eq_ignore_ascii_case(name)) =>
                {
                    Some(section)
                }
                _ => continue,
            };
            let one = Awareness {
                at: message.at,
                section: section.unwrap_or(0),
                name: row.name,
                value: row.value,
                is_attribute: section.is_some(),
                locus: message.locus,
            };
            let sender = sender(message);
            let key = |one: &Awareness<'a>| (one.section, one.name, one.is_attribute);
            let before = said.iter().rev().find(|(who, known)| *who == sender && key(known) == key(&one));
            if before.is_none_or(|(_, known)| known.value != one.value) && said.len() < MOST_KEPT {
                said.push((sender, one));
            }
        }
    }
    said.into_iter().map(|(_, one)| one).collect()
}

/// The tag of who sent a message: From's in a request, To's in a response.
fn sender<'a>(message: &Signalling<'a>) -> Option<&'a [u8]> {
    match message.start {
        StartLine::Request { .. } => message.from_tag,
        StartLine::Response(_) => message.to_tag,
    }
}

/// For each leg the communication sessions that its metadata names; empty where no leg has any.
#[must_use]
pub fn ties(legs: &[Leg<'_>]) -> Vec<Vec<Tie>> {
    let is_recording = |leg: &Leg<'_>| leg.recording_session.is_some();
    if !legs.iter().any(|leg| is_recording(leg) && !leg.recorded.is_empty()) {
        return Vec::new();
    }
    let mut by_call_id: HashMap<&[u8], Vec<usize>, Seed> = HashMap::default();
    let mut by_session: HashMap<Box<[u8]>, Vec<usize>, Seed> = HashMap::default();
    for (place, leg) in legs.iter().enumerate().filter(|(_, leg)| !is_recording(leg)) {
        by_call_id.entry(leg.call_id).or_default().push(place);
        for identifier in leg.identifiers.iter().filter(|identifier| identifier.subject == Subject::SessionId) {
            for half in halves(identifier.subject, identifier.value) {
                let sharers = by_session.entry(normal(half)).or_default();
                if sharers.last() != Some(&place) {
                    sharers.push(place);
                }
            }
        }
    }
    let nobody = Vec::new();
    let named = |session: &NamedSession<'_>| -> Vec<usize> {
        let by_call_id = by_call_id.get(session.value).unwrap_or(&nobody);
        if !by_call_id.is_empty() || session.place != Place::SipSessionId {
            return by_call_id.clone();
        }
        let mut halves = halves(Subject::SessionId, session.value)
            .into_iter()
            .map(|half| by_session.get(&normal(half)).unwrap_or(&nobody));
        let Some(first) = halves.next() else { return Vec::new() };
        let others: Vec<&Vec<usize>> = halves.collect();
        first.iter().copied().filter(|leg| others.iter().all(|other| other.contains(leg))).collect()
    };
    legs.iter()
        .map(|own| {
            let mut ties: Vec<Tie> = Vec::new();
            for session in own.recorded.iter().filter(|_| is_recording(own)) {
                let legs_named = named(session);
                if legs_named.len() > MOST_LEGS_OF_AN_IDENTIFIER {
                    continue;
                }
                for leg in legs_named {
                    let overlaps = legs
                        .get(leg)
                        .is_some_and(|leg| leg.first.at.ns <= own.last.at.ns && own.first.at.ns <= leg.last.at.ns);
                    if overlaps && !ties.iter().any(|known| known.leg == leg) {
                        ties.push(Tie { leg, place: session.place, locus: session.locus });
                    }
                }
            }
            ties.sort_by_key(|tie| tie.leg);
            ties
        })
        .collect()
}
