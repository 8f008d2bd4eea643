//! What the signalling of one leg says about consent, before anyone judges it: every INVITE, re-INVITE and UPDATE, and any
//! other message that a rule reads, with the fields that rules read, what became of it, and the places where such a
//! request may be missing.

use super::field::Field;
use crate::evidence::{Locus, Timestamp};
use crate::facts::{Body, Method};
use crate::few::Few;
use crate::settings::RuleMessage;

/// One INVITE, re-INVITE or UPDATE of a leg, or another message that a rule reads; retransmissions and second copies are
/// one.
#[derive(Clone, Debug)]
pub struct Entry<'a> {
    /// When it was sent first.
    pub at: Timestamp,
    /// Its packet; of several copies the first whole one.
    pub locus: Locus,
    /// Its method, or the one that it answers.
    pub method: Method,
    /// What rules call it.
    pub kind: RuleMessage,
    /// The status code of a response.
    pub status: Option<u16>,
    /// Its CSeq number; `None` where unreadable.
    pub cseq: Option<u32>,
    /// Whether it carries no To tag: an attempt to set up the leg.
    pub initial: bool,
    /// Whether it set up a further dialog of the leg, after the one before ended.
    pub anew: bool,
    /// Whether it was seen on a hop that counts, or within its dialog.
    pub counts: bool,
    /// Whether it is a response to the INVITE that counts.
    pub sets_up: bool,
    /// Whether its header section was captured to the end.
    pub header_whole: bool,
    /// How much of its body was captured.
    pub body: Body,
    /// Whether it carries a session description.
    pub described: bool,
    /// The media descriptions that are not rejected, from 1; empty where no rule reads them.
    pub sections: Box<[u16]>,
    /// Of a re-INVITE or UPDATE that was cut the time of its sender's last request before; else its own time.
    pub gap_from: Timestamp,
    /// What became of it, or of the request that it answers.
    pub outcome: Outcome,
    /// The same request on a hop that cannot be told from its own, where that says something else.
    pub disputed: Option<Locus>,
    /// What consent rules read in it.
    pub fields: Few<Field<'a>, 1>,
}

/// What became of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Outcome {
    /// A 2xx was seen.
    Accepted,
    /// A final response of 300 or above was seen, and no 2xx.
    Refused,
    /// No final response was seen.
    #[default]
    Unknown,
}

/// A place in the dialog where a request that could speak of consent was not captured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// From when on nothing is known: the sender's last request before the gap.
    pub from: Timestamp,
    /// When it shows: what was missing was sent before.
    pub shown: Timestamp,
    /// Why.
    pub kind: GapKind,
    /// What shows it.
    pub locus: Locus,
}

/// How a missing request shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GapKind {
    /// The sender's CSeq numbers skip.
    CSeqSkipped,
    /// A request that speaks of consent was captured on another hop only.
    OnAnotherHop,
    /// A response or an ACK belongs to a request that was not captured.
    RequestNotCaptured,
    /// The leg has more dialogs than are told apart.
    TooManyDialogs,
    /// A limit kept packets of its time from being read.
    Unread,
}

impl GapKind {
    /// The ground's word.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::CSeqSkipped => "cseq_skipped",
            Self::OnAnotherHop => "request_on_another_hop",
            Self::RequestNotCaptured => "request_not_captured",
            Self::TooManyDialogs => "limit_dialogs",
            Self::Unread => "limit_signalling",
        }
    }
}

/// The request that set up the leg: the INVITE that counts (contract §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetUp {
    /// The entry of that index.
    Entry(usize),
    /// It was not captured; the message that shows it.
    NotCaptured(Locus),
}
