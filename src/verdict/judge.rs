//! The verdict of a leg: the first row of contract §4 that fits, and its grounds.

use crate::call::{Leg, Stream, identity::Strength};
use crate::evidence::Timestamp;
use crate::facts::ApiRequest;
use crate::settings::{Settings, TrunkKind};

use super::consent::{Consent, State};
use super::ground::{Ground, Grounds};
use super::measure::{ByState, Measured, Unconsented, each_stream};

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
    /// Every verdict, each at its place.
    pub const ALL: [Self; 10] = [
        Self::NotByoc,
        Self::Unclassified,
        Self::RecordingSession,
        Self::NoMedia,
        Self::ExposedUnconsented,
        Self::BlockedUnconsented,
        Self::Unconsented,
        Self::Indeterminate,
        Self::BlockedConsented,
        Self::Clear,
    ];

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
    let mut grounds = Grounds::asked();
    let records = |bound: &BoundRequest<'_>| records_unconsented(bound, consent, measured, settings);
    let verdict = row(leg, &measured.by_state, (requests, records), settings, &mut grounds);
    let of_consent = std::mem::replace(&mut consent.grounds, Grounds::not_asked());
    if !matches!(verdict, Verdict::NotByoc | Verdict::Unclassified | Verdict::RecordingSession) {
        grounds.take_over(of_consent);
        media_grounds(leg, measured, &mut grounds);
    }
    (verdict, grounds.told())
}

/// The verdict of a leg that replaces none and to which no request binds, with the unconsented time of its streams: what
/// [`judge`] says of it, without the grounds.
#[must_use]
pub fn brief(leg: &Leg<'_>, settings: &Settings) -> (Verdict, Unconsented) {
    let consent = Consent::read(leg, settings, None, Grounds::not_asked());
    let mut unconsented = Unconsented::default();
    let by_state = each_stream(leg, &consent, |stream| unconsented.add(&stream));
    let verdict = row(leg, &by_state, (&[], |_| false), settings, &mut Grounds::not_asked());
    (verdict, unconsented)
}

/// The row of contract §4 that fits. `records` tells whether a request hands out unconsented media as far as its times
/// tell.
fn row(
    leg: &Leg<'_>,
    by_state: &ByState,
    (requests, records): (&[BoundRequest<'_>], impl Fn(&BoundRequest<'_>) -> bool),
    settings: &Settings,
    grounds: &mut Grounds,
) -> Verdict {
    let at_set_up = || {
        let invite = leg.ledger.iter().find(|entry| entry.initial && entry.counts);
        invite.map_or(leg.first.locus, |entry| entry.locus)
    };
    match leg.kind(settings) {
        TrunkKind::Standard => {
            grounds.one("standard_trunk", at_set_up());
            return Verdict::NotByoc;
        }
        TrunkKind::Unknown => {
            grounds.one("no_trunk_fits", at_set_up());
            return Verdict::Unclassified;
        }
        TrunkKind::Byoc => {}
    }
    if let Some(locus) = leg.recording_session {
        grounds.one("siprec", locus);
        return Verdict::RecordingSession;
    }
    if excludes_media(leg, by_state, grounds) {
        return Verdict::NoMedia;
    }
    let refused = || requests.iter().filter(|bound| bound.request.is_refused()).map(|bound| bound.request.locus);
    let is_refused = refused().next().is_some();
    let (granted, unconsented, unknown) =
        (by_state.of(State::Granted), by_state.unconsented(), by_state.of(State::Unknown));
    if unconsented > 0 {
        let served = || {
            let served = requests.iter().filter(|bound| supports_exposure(leg, bound, settings));
            served.filter(|bound| granted == 0 || records(bound)).map(|bound| bound.request.locus)
        };
        let verdict = match (served().next(), is_refused) {
            (Some(_), _) => Verdict::ExposedUnconsented,
            (None, true) => Verdict::BlockedUnconsented,
            (None, false) => Verdict::Unconsented,
        };
        grounds.add(|| Ground::several("served", served()));
        grounds.add(|| Ground::several("refused", refused()));
        return verdict;
    }
    // Media that was seen to flow does not show that the call was answered, or by which INVITE.
    let excluded = leg.final_status.is_some() || leg.cancelled.is_some();
    if leg.answered.is_none() && !leg.answered_elsewhere && !excluded {
        grounds.one("answer_not_seen", leg.last.locus);
        return Verdict::Indeterminate;
    }
    if let Some(answered) = leg.answered
        && leg.described.is_none()
    {
        grounds.one("no_media_description", answered.locus);
        return Verdict::Indeterminate;
    }
    if unknown > 0 {
        return Verdict::Indeterminate;
    }
    if granted == 0 {
        let reason = if leg.ended.is_none() { "end_not_seen" } else { "no_media_measured" };
        grounds.one(reason, leg.last.locus);
        return Verdict::Indeterminate;
    }
    grounds.add(|| Ground::several("refused", refused()));
    if is_refused { Verdict::BlockedConsented } else { Verdict::Clear }
}

/// Whether a leg is seen to have had no media: to be told from one whose media was not seen.
#[must_use]
pub fn is_without_media(leg: &Leg<'_>, measured: &Measured) -> bool {
    excludes_media(leg, &measured.by_state, &mut Grounds::not_asked())
}

/// Whether a leg is seen to have had no media, and by what.
fn excludes_media(leg: &Leg<'_>, by_state: &ByState, grounds: &mut Grounds) -> bool {
    // What a limit left out may have been media.
    if leg.is_limited() || leg.streams.iter().any(|stream| !stream.flows.is_empty()) {
        return false;
    }
    let Some(answered) = leg.answered else {
        let refused = leg.final_status.map(|(_, locus)| ("final_refusal", locus));
        let excluded = refused.or(leg.cancelled.map(|locus| ("cancelled", locus)));
        if let Some((reason, locus)) = excluded {
            grounds.one(reason, locus);
        }
        return excluded.is_some();
    };
    let Some(described) = leg.described else { return false };
    if leg.streams.is_empty() {
        grounds.one("media_rejected", described);
        return true;
    }
    // Without the end, a stream that shows no duration may have had one.
    let Some(ended) = leg.ended.filter(|ended| ended.at.ns >= answered.at.ns) else { return false };
    // Nor does one whose beginning no answer shows.
    let is_open = |stream: &Stream<'_>| stream.windows.is_empty() && !stream.if_media;
    let is_excluded = by_state.total() == 0 && !leg.streams.iter().any(is_open);
    if is_excluded {
        grounds.add(|| Ground::several("no_duration", [answered.locus, ended.locus]));
    }
    is_excluded
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
fn media_grounds(leg: &Leg<'_>, measured: &Measured, grounds: &mut Grounds) {
    let first_packets = leg
        .streams
        .iter()
        .flat_map(|stream| stream.flows.iter().filter_map(|flow| flow.runs.first()))
        .map(|run| run.first_record);
    let rtp = Ground::several("media_by_rtp", first_packets);
    if rtp.is_none() && measured.total_ns() > 0 {
        let shown = leg.answered.into_iter().chain(leg.ended.or(Some(leg.last))).map(|at| at.locus);
        grounds.add(|| Ground::several("media_by_signalling", shown));
    }
    grounds.add(|| rtp);
    let behind_nat = leg.streams.iter().flat_map(|stream| stream.behind_nat.iter().copied());
    grounds.add(|| Ground::several("media_behind_nat", behind_nat));
    let runs = leg.streams.iter().flat_map(|stream| &stream.flows).flat_map(|flow| &flow.runs);
    let repeated = runs.filter(|run| run.repeats).map(|run| run.first_record);
    grounds.add(|| Ground::several("media_repeated", repeated));
    if leg.is_limited() {
        grounds.one("limit_media", leg.first.locus);
    }
}
