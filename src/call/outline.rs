//! A leg as far as other legs, requests and tables ask of it.
//!
//! There may be millions of legs, and of most of them nothing but this is asked once they are judged: what is shown or
//! argued with is read again from the messages ([`Legs::again`](super::legs::Legs::again)), which gives the same
//! [`Leg`].

use super::identity::By;
use super::legs::{At, Identifier, Leg};
use super::recorded::NamedSession;
use super::trunk::Direction;
use crate::evidence::{Locus, Timestamp};
use crate::settings::{Settings, TrunkKind};

/// What is asked of every leg.
#[derive(Clone, Debug)]
pub struct Outline<'a> {
    /// Call-ID, byte by byte.
    pub call_id: &'a [u8],
    /// Which use of the Call-ID it is, from 0.
    pub nth_use: u32,
    /// The trunk, by its index in the settings; `None` when none fits.
    pub trunk: Option<usize>,
    /// Which way it was set up.
    pub direction: Direction,
    /// Whether it is a SIPREC recording session (RFC 7866).
    pub is_recording_session: bool,
    /// The first message.
    pub first: At,
    /// When the last message of its dialogs was captured.
    pub last: Timestamp,
    /// Most legs that an audit meets name nothing but themselves.
    names: Option<Box<Names<'a>>>,
}

/// What a leg's messages name beside its own Call-ID.
#[derive(Clone, Debug)]
struct Names<'a> {
    identifiers: Vec<Identifier<'a>>,
    replaces: Option<(&'a [u8], Locus)>,
    refers: Vec<(By, Box<[u8]>, At)>,
    sessions: Vec<NamedSession<'a>>,
}

impl<'a> Outline<'a> {
    /// The outline of a leg.
    #[must_use]
    pub fn of(leg: &Leg<'a>) -> Self {
        let own = leg.of_recording.as_ref().filter(|_| leg.recording_session.is_some());
        let sessions = own.map_or(&[][..], |own| own.sessions.as_slice());
        let names_nothing =
            leg.identifiers.is_empty() && leg.replaces.is_none() && leg.refers.is_empty() && sessions.is_empty();
        let names = || {
            Box::new(Names {
                identifiers: leg.identifiers.clone(),
                replaces: leg.replaces,
                refers: leg.refers.clone(),
                sessions: sessions.to_vec(),
            })
        };
        Self {
            call_id: leg.call_id,
            nth_use: leg.nth_use,
            trunk: leg.trunk,
            direction: leg.direction,
            is_recording_session: leg.recording_session.is_some(),
            first: leg.first,
            last: leg.last.at,
            names: (!names_nothing).then(names),
        }
    }

    /// The outlines of `legs`.
    #[must_use]
    pub fn of_all(legs: &[Leg<'a>]) -> Vec<Self> {
        legs.iter().map(Self::of).collect()
    }

    /// The identifiers that its messages carry, other than the Call-ID.
    #[must_use]
    pub fn identifiers(&self) -> &[Identifier<'a>] {
        self.names.as_ref().map_or(&[], |names| names.identifiers.as_slice())
    }

    /// The Call-ID that its INVITE replaces (RFC 3891), and the INVITE.
    #[must_use]
    pub fn replaces(&self) -> Option<(&'a [u8], Locus)> {
        self.names.as_ref()?.replaces
    }

    /// The Call-IDs that its messages name but for Replaces, by what, and the messages.
    #[must_use]
    pub fn refers(&self) -> &[(By, Box<[u8]>, At)] {
        self.names.as_ref().map_or(&[], |names| names.refers.as_slice())
    }

    /// The sessions that the metadata of a recording session names.
    pub(super) fn sessions(&self) -> &[NamedSession<'a>] {
        self.names.as_ref().map_or(&[], |names| names.sessions.as_slice())
    }

    /// The kind of the trunk that it crossed.
    #[must_use]
    pub fn kind(&self, settings: &Settings) -> TrunkKind {
        super::trunk::kind(self.trunk, settings)
    }
}
