//! The first look at each leg, as soon as it is read from its messages.
//!
//! Where the evidence holds no RTP, a leg's signalling settles all that is concluded of it but for the requests that bind
//! to it and the leg that it may replace. So a leg is judged here and let go of: of it stays its outline and what the
//! report's figures ask. Those that others ask for, or that await RTP, are [read again](super::judging), and those that
//! have a row [once more](super::made) when it is made.

use std::sync::atomic::{AtomicBool, Ordering};

use super::unread::Unread;
use crate::call::{GapKind, Leg};
use crate::report::build::{Brief, JudgedLeg};
use crate::settings::{RuleMessage, Settings};
use crate::verdict::{self, BoundRequest, Consent};

/// What is looked for, and what was seen in all legs.
pub(super) struct Look<'s> {
    settings: &'s Settings,
    unread: Unread,
    /// Whether RTP may still be tied to the legs.
    awaits_media: bool,
    /// For each rule whether its field occurs on some INVITE of the evidence, or on another message that it reads.
    rules_seen: Vec<AtomicBool>,
    any_entry: AtomicBool,
}

/// What stays of one leg.
#[derive(Clone, Copy, Debug)]
pub(super) enum Seen {
    /// It is read again whatever the others are; what is concluded is not known yet.
    Asked,
    /// What is concluded of it as long as nothing else concerns it.
    Settled(Brief),
}

impl Seen {
    pub(super) const fn is_asked(&self) -> bool {
        matches!(self, Self::Asked)
    }
}

impl<'s> Look<'s> {
    pub(super) fn new(settings: &'s Settings, unread: Unread, awaits_media: bool) -> Self {
        let rules_seen = settings.rules.iter().map(|_| AtomicBool::new(false)).collect();
        Self { settings, unread, awaits_media, rules_seen, any_entry: AtomicBool::new(false) }
    }

    /// Looks at a leg.
    pub(super) fn at(&self, leg: &mut Leg<'_>) -> Seen {
        self.unread.mark(leg);
        self.note(leg);
        if self.awaits_media || concerns_others(leg) {
            return Seen::Asked;
        }
        leg.streams.retain(|stream| !stream.if_media);
        let (verdict, unconsented) = verdict::brief(leg, self.settings);
        Seen::Settled(Brief::of(verdict, unconsented))
    }

    fn note(&self, leg: &Leg<'_>) {
        // Written once, read by all: most legs say what others said.
        let mark = |seen: &AtomicBool| {
            if !seen.load(Ordering::Relaxed) {
                seen.store(true, Ordering::Relaxed);
            }
        };
        for entry in &leg.ledger {
            mark(&self.any_entry);
            for field in &entry.fields {
                let place = usize::from(field.rule);
                if let Some((seen, rule)) = self.rules_seen.get(place).zip(self.settings.rules.get(place))
                    && (entry.kind == RuleMessage::Invite || !rule.is_plain())
                {
                    mark(seen);
                }
            }
        }
    }

    /// For each rule whether what it reads was seen, and whether any leg has an entry.
    pub(super) fn finish(self) -> (Vec<bool>, bool) {
        (self.rules_seen.into_iter().map(AtomicBool::into_inner).collect(), self.any_entry.into_inner())
    }
}

/// Whether others ask for the leg in full: consent may have been lost between its hops, it may replace another, or more
/// was met in it than is read.
fn concerns_others(leg: &Leg<'_>) -> bool {
    let initial = leg.ledger.iter().filter(|entry| entry.initial).count();
    initial > 1
        || leg.replaces.is_some()
        || leg.transferred.is_some()
        || leg.is_limited()
        || leg.gaps.iter().any(|gap| gap.kind == GapKind::TooManyDialogs)
}

/// Judges a leg with the requests that bind to it.
pub(super) fn judge(
    leg: &Leg<'_>,
    consent: Option<Consent>,
    requests: &[BoundRequest<'_>],
    settings: &Settings,
) -> JudgedLeg {
    let mut consent = consent.unwrap_or_else(|| Consent::of(leg, settings, None));
    let measured = verdict::measure(leg, &consent);
    let (verdict, grounds) = verdict::judge(leg, &mut consent, &measured, requests, settings);
    JudgedLeg { consent, measured, verdict, grounds }
}
