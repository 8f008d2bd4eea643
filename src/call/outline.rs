//! A leg as far as other legs, requests and tables ask of it.
//!
//! There may be millions of legs, and of most of them nothing but this is asked once they are judged: what is shown or
//! argued with is read again from the messages ([`again`](super::legs::again)), which gives the same [`Leg`]. So an
//! outline is small; its Call-ID stands among those of others.

use super::identity::By;
use super::legs::{At, Identifier, Leg};
use super::recorded::NamedSession;
use super::references::Transfer;
use super::trunk::Direction;
use crate::evidence::{Locus, SourceId, Timestamp};
use crate::facts::Subject;
use crate::settings::{Settings, TrunkKind};
use crate::sip::recording::Place;

/// What is asked of every leg.
#[derive(Clone, Debug)]
pub struct Outline<'a> {
    /// Call-ID, byte by byte.
    pub call_id: &'a [u8],
    /// Most legs that an audit meets name nothing but themselves.
    names: Option<Box<Names>>,
    first_ns: i64,
    last_ns: i64,
    first_record: u64,
    first_source: SourceId,
    /// Which use of the Call-ID it is, from 0.
    pub nth_use: u32,
    /// `u32::MAX` for none.
    trunk: u32,
    first_digits: u8,
    last_digits: u8,
    /// Which way it was set up.
    pub direction: Direction,
    /// Whether it is a SIPREC recording session (RFC 7866).
    pub is_recording_session: bool,
}

/// What a leg's messages name beside its own Call-ID.
#[derive(Clone, Debug, Default)]
struct Names {
    identifiers: Vec<(Subject, Box<[u8]>, Locus, bool)>,
    replaces: Option<(Box<[u8]>, Locus)>,
    transferred: Option<(Transfer, Locus)>,
    transfers: Vec<(Transfer, At)>,
    refers: Vec<(By, Box<[u8]>, At)>,
    sessions: Vec<(Place, Box<[u8]>, Locus)>,
}

impl<'a> Outline<'a> {
    /// The outline of a leg.
    #[must_use]
    pub fn of(leg: &Leg<'a>) -> Self {
        let own = leg.of_recording.as_ref().filter(|_| leg.recording_session.is_some());
        let sessions = own.map_or(&[][..], |own| own.sessions.as_slice());
        let names_nothing = leg.identifiers.is_empty()
            && leg.replaces.is_none()
            && leg.transferred.is_none()
            && leg.transfers.is_empty()
            && leg.refers.is_empty()
            && sessions.is_empty();
        let names = || {
            let identifier = |own: &Identifier<'_>| (own.subject, own.value.into(), own.locus, own.by_platform);
            Box::new(Names {
                identifiers: leg.identifiers.iter().map(identifier).collect(),
                replaces: leg.replaces.map(|(call_id, locus)| (call_id.into(), locus)),
                transferred: leg.transferred.clone(),
                transfers: leg.transfers.clone(),
                refers: leg.refers.clone(),
                sessions: sessions.iter().map(|own| (own.place, own.value.into(), own.locus)).collect(),
            })
        };
        Self {
            call_id: leg.call_id,
            names: (!names_nothing).then(names),
            first_ns: leg.first.at.ns,
            last_ns: leg.last.at.ns,
            first_record: leg.first.locus.record,
            first_source: leg.first.locus.source,
            nth_use: leg.nth_use,
            trunk: leg.trunk.map_or(u32::MAX, |trunk| trunk as u32),
            first_digits: leg.first.at.digits,
            last_digits: leg.last.at.digits,
            direction: leg.direction,
            is_recording_session: leg.recording_session.is_some(),
        }
    }

    /// The outlines of `legs`.
    #[must_use]
    pub fn of_all(legs: &[Leg<'a>]) -> Vec<Self> {
        legs.iter().map(Self::of).collect()
    }

    /// The same; its Call-ID stands there.
    #[must_use]
    pub fn with_call_id(self, call_id: &[u8]) -> Outline<'_> {
        Outline { call_id, ..self }
    }

    /// The trunk, by its index in the settings; `None` when none fits.
    #[must_use]
    pub fn trunk(&self) -> Option<usize> {
        (self.trunk != u32::MAX).then_some(self.trunk as usize)
    }

    /// The first message.
    #[must_use]
    pub fn first(&self) -> At {
        let locus = Locus { source: self.first_source, record: self.first_record };
        At { at: Timestamp { ns: self.first_ns, digits: self.first_digits }, locus }
    }

    /// When the last message of its dialogs was captured.
    #[must_use]
    pub fn last(&self) -> Timestamp {
        Timestamp { ns: self.last_ns, digits: self.last_digits }
    }

    /// The identifiers that its messages carry, other than the Call-ID.
    pub fn identifiers(&self) -> impl Iterator<Item = Identifier<'_>> {
        let identifiers = self.names.as_ref().map_or(&[][..], |names| names.identifiers.as_slice());
        identifiers.iter().map(|(subject, value, locus, by_platform)| Identifier {
            subject: *subject,
            value,
            locus: *locus,
            by_platform: *by_platform,
        })
    }

    /// The Call-ID that its INVITE replaces (RFC 3891), and the INVITE.
    #[must_use]
    pub fn replaces(&self) -> Option<(&[u8], Locus)> {
        let (call_id, locus) = self.names.as_ref()?.replaces.as_ref()?;
        Some((call_id, *locus))
    }

    /// The transfer that its INVITE says it comes from, and the INVITE.
    #[must_use]
    pub fn transferred(&self) -> Option<&(Transfer, Locus)> {
        self.names.as_ref()?.transferred.as_ref()
    }

    /// The transfers that are asked for in it, and the REFERs.
    pub(super) fn transfers(&self) -> &[(Transfer, At)] {
        self.names.as_ref().map_or(&[], |names| names.transfers.as_slice())
    }

    /// The Call-IDs that its messages name but for Replaces, by what, and the messages.
    #[must_use]
    pub fn refers(&self) -> &[(By, Box<[u8]>, At)] {
        self.names.as_ref().map_or(&[], |names| names.refers.as_slice())
    }

    /// The sessions that the metadata of a recording session names.
    pub(super) fn sessions(&self) -> impl ExactSizeIterator<Item = NamedSession<'_>> {
        let sessions = self.names.as_ref().map_or(&[][..], |names| names.sessions.as_slice());
        sessions.iter().map(|(place, value, locus)| NamedSession { place: *place, value, locus: *locus })
    }

    /// The kind of the trunk that it crossed.
    #[must_use]
    pub fn kind(&self, settings: &Settings) -> TrunkKind {
        super::trunk::kind(self.trunk(), settings)
    }
}
