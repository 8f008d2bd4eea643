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
use super::outline::Outline;
use crate::evidence::{Locus, Timestamp};
use crate::facts::{Signalling, StartLine, Subject};
use crate::sip::recording::Place;

type Seed = foldhash::fast::RandomState;

/// Identifiers of one leg's metadata that are kept, and states of awareness.
const MOST_KEPT: usize = 64;

/// What the messages of a leg say of recording. Most legs' say nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OfRecording<'a> {
    /// The identifiers of communication sessions that its recording metadata carries.
    pub sessions: Vec<NamedSession<'a>>,
    /// What is said of being recorded by RFC 7866.
    pub awareness: Vec<Awareness<'a>>,
}

impl<'a> OfRecording<'a> {
    /// Reads the messages on the hop that counts for what they say, and all of a recording session for metadata; `None`
    /// where there is neither.
    pub(super) fn read<'m>(
        messages: &[Signalling<'a>],
        on_dialog: impl Iterator<Item = &'m Signalling<'a>>,
        recording_session: Option<Locus>,
    ) -> Option<Box<Self>>
    where
        'a: 'm,
    {
        let sessions = if recording_session.is_some() { identifiers(messages) } else { Vec::new() };
        let own = Self { sessions, awareness: awareness(on_dialog) };
        (!own.sessions.is_empty() || !own.awareness.is_empty()).then(|| Box::new(own))
    }
}

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
fn identifiers<'a>(messages: &[Signalling<'a>]) -> Vec<NamedSession<'a>> {
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
fn awareness<'m, 'a: 'm>(messages: impl Iterator<Item = &'m Signalling<'a>>) -> Vec<Awareness<'a>> {
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
pub fn ties(legs: &[Outline<'_>]) -> Vec<Vec<Tie>> {
    if legs.iter().all(|leg| leg.sessions().len() == 0) {
        return Vec::new();
    }
    let known = Known::of(legs);
    let tie = |own: &Outline<'_>| {
        let mut ties: Vec<Tie> = Vec::new();
        for session in own.sessions() {
            for leg in known.named(&session) {
                let overlaps =
                    |leg: &Outline<'_>| leg.first().at.ns <= own.last().ns && own.first().at.ns <= leg.last().ns;
                if legs.get(leg).is_some_and(overlaps) && !ties.iter().any(|known| known.leg == leg) {
                    ties.push(Tie { leg, place: session.place, locus: session.locus });
                }
            }
        }
        ties.sort_by_key(|tie| tie.leg);
        ties
    };
    legs.iter().map(tie).collect()
}

/// The communication sessions of the evidence by what names them.
struct Known<'a> {
    by_call_id: HashMap<&'a [u8], Vec<usize>, Seed>,
    by_half: HashMap<Box<[u8]>, Vec<usize>, Seed>,
}

impl<'a> Known<'a> {
    fn of(legs: &'a [Outline<'_>]) -> Self {
        let mut known = Self { by_call_id: HashMap::default(), by_half: HashMap::default() };
        for (place, leg) in legs.iter().enumerate().filter(|(_, leg)| !leg.is_recording_session) {
            known.by_call_id.entry(leg.call_id).or_default().push(place);
            for identifier in leg.identifiers().filter(|identifier| identifier.subject == Subject::SessionId) {
                for half in halves(identifier.subject, identifier.value) {
                    let sharers = known.by_half.entry(normal(half)).or_default();
                    if sharers.last() != Some(&place) {
                        sharers.push(place);
                    }
                }
            }
        }
        known
    }

    /// The legs that an identifier names. One that too many share names none.
    fn named(&self, session: &NamedSession<'_>) -> Vec<usize> {
        let few = |legs: &&Vec<usize>| legs.len() <= MOST_LEGS_OF_AN_IDENTIFIER;
        if let Some(legs) = self.by_call_id.get(session.value) {
            return Some(legs).filter(few).cloned().unwrap_or_default();
        }
        if session.place != Place::SipSessionId {
            return Vec::new();
        }
        let halves = halves(Subject::SessionId, session.value).into_iter();
        let legs: Option<Vec<&Vec<usize>>> = halves.map(|half| self.by_half.get(&normal(half)).filter(few)).collect();
        let Some([first, others @ ..]) = legs.as_deref() else { return Vec::new() };
        first.iter().copied().filter(|leg| others.iter().all(|other| other.contains(leg))).collect()
    }
}
