//! The verdict of a leg: the first row of contract §4 that fits, and its grounds.

use crate::call::{Leg, identity::Strength};
use crate::evidence::{Locus, Timestamp};
use crate::facts::ApiRequest;
use crate::settings::{Settings, TrunkKind};

use super::consent::{Consent, State};
use super::ground::Ground;
use super::measure::Measured;

/// What is concluded of one leg, in the order of the contract's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the contract's words")]
pub enum Verdict {
    NotByoc,
    Unclassified,
    RecordingSession,
    NoMedia,
    ExposedUnconsented,
    BlockedUnconsented,
    Unconsented,
    Indeterminate,
    BlockedConsented,
    Clear,
}

impl Verdict {
    /// The word the report uses.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NotByoc => "not_byoc",
            Self::Unclassified => "unclassified",
            Self::RecordingSession => "recording_session",
            Self::NoMedia => "no_media",
            Self::ExposedUnconsented => "exposed_unconsented",
            Self::BlockedUnconsented => "blocked_unconsented",
            Self::Unconsented => "unconsented",
            Self::Indeterminate => "indeterminate",
            Self::BlockedConsented => "blocked_consented",
            Self::Clear => "clear",
        }
    }

    /// Whether the verdict is a finding (contract §2).
    #[must_use]
    pub const fn is_finding(self) -> bool {
        matches!(self, Self::ExposedUnconsented | Self::BlockedUnconsented | Self::Unconsented | Self::BlockedConsented)
    }
}

/// A recording request as bound to one leg.
#[derive(Clone, Copy, Debug)]
pub struct BoundRequest<'a> {
    /// The request.
    pub request: &'a ApiRequest,
    /// How strongly it is bound.
    pub strength: Strength,
    /// Whether the link may support an exposure, time apart.
    pub exposes: bool,
    /// When the recording that it names began and ended, where an export lists it.
    pub recorded: Option<(Timestamp, Timestamp)>,
}

/// Judges a leg by its consent, its measured streams and the requests bound to it. The grounds of the verdict take over
/// those of the consent.
#[must_use]
pub fn judge(
    leg: &Leg<'_>,
    consent: &mut Consent,
    measured: &Measured,
    requests: &[BoundRequest<'_>],
    settings: &Settings,
) -> (Verdict, Vec<Ground>) {
    let (verdict, mut grounds) = row(leg, (consent, measured), requests, settings);
    let of_consent = std::mem::take(&mut consent.grounds);
    if !matches!(verdict, Verdict::NotByoc | Verdict::Unclassified | Verdict::RecordingSession) {
        grounds.reserve_exact(of_consent.len() + 1);
        grounds.extend(of_consent);
        grounds.extend(media_grounds(leg, measured));
    }
    (verdict, grounds)
}

fn row(
    leg: &Leg<'_>,
    (consent, measured): (&Consent, &Measured),
    requests: &[BoundRequest<'_>],
    settings: &Settings,
) -> (Verdict, Vec<Ground>) {
    let kind = leg.kind(settings);
    let at_set_up =
        leg.ledger.iter().find(|entry| entry.initial && entry.counts).map_or(leg.first.locus, |entry| entry.locus);
    match kind {
        TrunkKind::Standard => return (Verdict::NotByoc, vec![Ground::one("standard_trunk", at_set_up)]),
        TrunkKind::Unknown => return (Verdict::Unclassified, vec![Ground::one("no_trunk_fits", at_set_up)]),
        TrunkKind::Byoc => {}
    }
    if let Some(locus) = leg.recording_session {
        return (Verdict::RecordingSession, vec![Ground::one("siprec", locus)]);
    }
    let has_rtp = leg.streams.iter().any(|stream| !stream.flows.is_empty());
    if !has_rtp && let Some(ground) = excludes_media(leg, measured) {
        return (Verdict::NoMedia, vec![ground]);
    }
    let refused = Ground::several(
        "refused",
        requests.iter().filter(|bound| bound.request.is_refused()).map(|bound| bound.request.locus),
    );
    let (granted, unconsented, unknown) =
        (measured.of(State::Granted), measured.unconsented_ns(), measured.of(State::Unknown));
    if unconsented > 0 {
        let served = requests
            .iter()
            .filter(|bound| supports_exposure(leg, bound, settings))
            .filter(|bound| granted == 0 || records_unconsented(bound, consent, measured, settings))
            .map(|bound| bound.request.locus);
        let served = Ground::several("served", served);
        return match (served, refused) {
            (Some(served), refused) => (Verdict::ExposedUnconsented, std::iter::once(served).chain(refused).collect()),
            (None, Some(refused)) => (Verdict::BlockedUnconsented, vec![refused]),
            (None, None) => (Verdict::Unconsented, Vec::new()),
        };
    }
    // Media that was seen to flow does not show that the call was answered, or by which INVITE.
    let excluded = leg.final_status.is_some() || leg.cancelled.is_some();
    if leg.answered.is_none() && !leg.answered_elsewhere && !excluded {
        return (Verdict::Indeterminate, vec![Ground::one("answer_not_seen", leg.last.locus)]);
    }
    if let Some(answered) = leg.answered
        && leg.described.is_none()
    {
        return (Verdict::Indeterminate, vec![Ground::one("no_media_description", answered.locus)]);
    }
    if unknown > 0 {
        return (Verdict::Indeterminate, Vec::new());
    }
    if granted == 0 {
        let reason = if leg.ended.is_none() { "end_not_seen" } else { "no_media_measured" };
        return (Verdict::Indeterminate, vec![Ground::one(reason, leg.last.locus)]);
    }
    match refused {
        Some(refused) => (Verdict::BlockedConsented, vec![refused]),
        None => (Verdict::Clear, Vec::new()),
    }
}

/// What shows that a leg without RTP had no media.
fn excludes_media(leg: &Leg<'_>, measured: &Measured) -> Option<Ground> {
    match leg.answered {
        None => {
            if let Some((_, locus)) = leg.final_status {
                return Some(Ground::one("final_refusal", locus));
            }
            leg.cancelled.map(|locus| Ground::one("cancelled", locus))
        }
        Some(answered) => {
            let described = leg.described?;
            if leg.streams.is_empty() {
                return Some(Ground::one("media_rejected", described));
            }
            // Without the end, a stream that shows no duration may have had one.
            (measured.total_ns() == 0 && leg.ended.is_some_and(|ended| ended.at.ns >= answered.at.ns)).then(|| {
                Ground::several(
                    "no_duration",
                    [Some(answered.locus), leg.ended.map(|ended| ended.locus)].into_iter().flatten(),
                )
            })?
        }
    }
}

/// Whether a request handed out call audio and its link may accuse: never a weak one, never one nearer to the leg's
/// first message than the clocks can tell.
fn supports_exposure(leg: &Leg<'_>, bound: &BoundRequest<'_>, settings: &Settings) -> bool {
    let later = bound
        .request
        .at
        .is_some_and(|at| at.ns > leg.first.at.ns && at.ns.saturating_sub(leg.first.at.ns) >= settings.clock_skew_ns);
    bound.request.is_served() && bound.exposes && bound.strength != Strength::Weak && later
}

/// Whether the recording that a request names is seen to hold unconsented media: its logged times overlap it by more than
/// the clocks can tell.
fn records_unconsented(bound: &BoundRequest<'_>, consent: &Consent, measured: &Measured, settings: &Settings) -> bool {
    let skew = settings.clock_skew_ns;
    let overlaps = |(from, until): &(Timestamp, Timestamp)| {
        measured.unconsented_between(consent, from.ns.saturating_add(skew), until.ns.saturating_sub(skew))
    };
    match &bound.recorded {
        Some(listed) => overlaps(listed),
        None => bound.request.recorded().iter().any(overlaps),
    }
}

/// What shows that media flowed, and how long.
fn media_grounds(leg: &Leg<'_>, measured: &Measured) -> Vec<Ground> {
    let mut grounds = Vec::new();
    let first_packets = leg
        .streams
        .iter()
        .flat_map(|stream| stream.flows.iter().filter_map(|flow| flow.runs.first()))
        .map(|run| run.first_record);
    let rtp = Ground::several("media_by_rtp", first_packets);
    if rtp.is_none() && measured.total_ns() > 0 {
        let shown: Vec<Locus> =
            leg.answered.into_iter().chain(leg.ended.or(Some(leg.last))).map(|at| at.locus).collect();
        grounds.extend(Ground::several("media_by_signalling", shown));
    }
    grounds.extend(rtp);
    let behind_nat = leg.streams.iter().flat_map(|stream| stream.behind_nat.iter().copied());
    grounds.extend(Ground::several("media_behind_nat", behind_nat));
    grounds
}
