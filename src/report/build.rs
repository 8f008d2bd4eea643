//! What was concluded, as the report's rows: the only place that orders them.
//!
//! Legs, requests and calls come sorted by time, then source, then record; nothing here depends on which worker did
//! what. Concludes nothing new.

use std::collections::BTreeMap;

use super::messages::Wanted;
use super::model::{
    self, Anomaly, Awareness, BoundRequest, Call, Endpoint, Evidence, EvidenceId, EvidenceText, Generator, Ground,
    Hypothesis, Instant, Link, Notice, Observation, Outcome, Outcomes, PlainRequest, Pointer, RecordedLeg,
    Registration, Report, Rtp, Seconds, StateFrom, Stream, Summary, Timezone, Trunk, TrunkRef, Unseen, Verdicts,
    are_escaped,
};
use super::requests;
use super::show::Mark;
use crate::call::conversations::{Conversations, Known};
use crate::call::identity::{self, Binding, Identity};
use crate::call::inventory::Inventory;
use crate::call::{self, Field, Leg, Outline};
use crate::diagnosis::{Counts, Group, Held, Population, Status, Weighed};
use crate::evidence::{Anomalies, Locus, Tally, Timestamp};
use crate::facts::{ApiRequest, InventoryKind, MediaFlow, TrunkSettings};
use crate::sentence::{Kind, Sentence};
use crate::settings::{self, RulePlace, Settings, TrunkKind, builtin};
use crate::verdict::{self, Consent, Measured, Unconsented, Verdict};

/// The anomaly of a text that is no access log though some of its records are API requests.
pub const REQUESTS_UNREAD: &str = "unread_requests";

/// The anomaly of a file with records that are not read, for they are of another kind than the file.
const OTHER_KIND: &str = "other_kind";

/// What one source told, beside its facts.
#[derive(Clone, Debug)]
pub struct SourceAccount {
    /// The path shown.
    pub shown: String,
    /// Whether it is escaped.
    pub escaped: bool,
    /// The report's word for its kind.
    pub kind: &'static str,
    /// The format's name.
    pub format: Option<&'static str>,
    /// The compression's name.
    pub compression: Option<&'static str>,
    /// Size of the file in bytes.
    pub bytes: u64,
    /// Its digest.
    pub digest: Option<String>,
    /// Records read.
    pub records: u64,
    /// The earliest time.
    pub first: Option<Timestamp>,
    /// The latest time.
    pub last: Option<Timestamp>,
    /// The zone's name and where it comes from.
    pub timezone: Option<(String, &'static str)>,
    /// Of a log, the fewest digits of the second that a time has.
    pub log_digits: Option<u8>,
    /// What became of the records.
    pub tally: Tally,
    /// What could not be read.
    pub anomalies: Anomalies,
}

impl Default for SourceAccount {
    fn default() -> Self {
        Self {
            shown: String::new(),
            escaped: false,
            kind: "unrecognised",
            format: None,
            compression: None,
            bytes: 0,
            digest: None,
            records: 0,
            first: None,
            last: None,
            timezone: None,
            log_digits: None,
            tally: Tally::default(),
            anomalies: Anomalies::default(),
        }
    }
}

/// What is concluded of one leg.
#[derive(Clone, Debug)]
pub struct JudgedLeg {
    /// Its consent over time.
    pub consent: Consent,
    /// Its streams' seconds.
    pub measured: Measured,
    /// Its verdict.
    pub verdict: Verdict,
    /// What the verdict rests on.
    pub grounds: Vec<verdict::Ground>,
}

/// What is concluded of every leg, as far as the figures of a report ask.
#[derive(Clone, Copy, Debug)]
pub struct Brief {
    /// Its verdict.
    pub verdict: Verdict,
    /// Its streams with unconsented time.
    pub unconsented_streams: u32,
    /// The time of them all, in nanoseconds; beyond 292 years no more is counted.
    pub unconsented_ns: i64,
}

impl Brief {
    /// Of one leg.
    #[must_use]
    pub fn of(verdict: Verdict, unconsented: Unconsented) -> Self {
        let unconsented_ns = i64::try_from(unconsented.ns).unwrap_or(i64::MAX);
        Self { verdict, unconsented_streams: unconsented.streams, unconsented_ns }
    }
}

/// The legs that are to have a row, by trunk and verdict.
#[derive(Clone, Debug)]
pub struct Rows {
    /// For each trunk of the settings, and behind them for none, whether each verdict's have one.
    of_trunk: Vec<[bool; Verdict::ALL.len()]>,
}

impl Rows {
    /// As they are wanted.
    #[must_use]
    pub fn of(settings: &Settings, wanted: Wanted<'_>) -> Self {
        Self::picked(settings, |mark| wanted.rows.is_none_or(|wanted| wanted(mark)))
    }

    /// Those that `picks`.
    #[must_use]
    pub fn picked(settings: &Settings, picks: impl Fn(&Mark<'_>) -> bool) -> Self {
        let trunks = settings.trunks.iter().map(Some).chain([None]);
        let of_trunk = |trunk: Option<&settings::Trunk>| {
            Verdict::ALL.map(|verdict| {
                let mark = Mark {
                    verdict: verdict.name(),
                    trunk: trunk.map(|trunk| trunk.name.as_str()),
                    kind: trunk.map_or(TrunkKind::Unknown, |trunk| trunk.kind).name(),
                };
                picks(&mark)
            })
        };
        Self { of_trunk: trunks.map(of_trunk).collect() }
    }

    /// Whether a leg that crossed `trunk` has one.
    #[must_use]
    pub fn has(&self, trunk: Option<usize>, verdict: Verdict) -> bool {
        let of_trunk = trunk.and_then(|trunk| self.of_trunk.get(trunk)).or(self.of_trunk.last());
        of_trunk.and_then(|of_trunk| of_trunk.get(verdict as usize)).is_some_and(|has| *has)
    }
}

/// All that was concluded.
#[expect(missing_debug_implementations, reason = "a bundle of references for one call")]
pub struct Concluded<'a> {
    /// The settings.
    pub settings: &'a Settings,
    /// The sources, by rank.
    pub accounts: &'a [SourceAccount],
    /// Whether everything named was read whole.
    pub complete: bool,
    /// The legs, by first message.
    pub legs: &'a [Outline<'a>],
    /// What is concluded of each.
    pub briefs: &'a [Brief],
    /// The legs that more than their own signalling concerns, in full, and what is concluded of them, by leg.
    pub full: &'a BTreeMap<usize, (Leg<'a>, JudgedLeg)>,
    /// Whether any leg has an INVITE or another message that rules read.
    pub any_entry: bool,
    /// Which legs are one call.
    pub identity: &'a Identity,
    /// What the platform's exports state of conversations.
    pub conversations: &'a Conversations,
    /// What they state of trunks.
    pub inventory: &'a Inventory<'a>,
    /// The recording requests, by time.
    pub requests: &'a [ApiRequest],
    /// What each is bound to.
    pub bindings: &'a [Binding],
    /// The rows of requests that inform several legs.
    pub request_rows: &'a requests::Shared,
    /// For each leg its requests with their links, by time.
    pub bound: &'a identity::Bound,
    /// API requests of all logs, each once.
    pub total_requests: u64,
    /// For each leg whether its call began in the time range of the settings.
    pub legs_in_range: &'a [bool],
    /// For each request whether it is not bound to calls out of that range alone.
    pub requests_in_range: &'a [bool],
    /// The trunks' registrations, by time.
    pub registrations: &'a [call::registration::Registration],
    /// For each trunk of the settings its OPTIONS.
    pub health: &'a [call::registration::Health],
    /// For each rule whether its field occurs on some INVITE.
    pub rules_seen: &'a [bool],
    /// The calls as the diagnosis counts them.
    pub population: &'a Population<'a>,
    /// The hypotheses weighed, by trunk.
    pub diagnosis: &'a [Weighed],
    /// For each trunk of the settings what of its traffic cannot be read.
    pub unseen: &'a [Unseen],
    /// For each leg the legs that its recording metadata names; empty where no leg has any.
    pub ties: &'a [Vec<call::recorded::Tie>],
}

impl<'a> Concluded<'a> {
    /// The calls in the time range.
    pub fn calls(&self) -> impl Iterator<Item = &'a [usize]> {
        let in_range = self.legs_in_range;
        self.identity.calls.iter().filter(move |call| call.iter().all(|leg| in_range.get(*leg) == Some(&true)))
    }

    /// Whether a call has a leg that is one of `rows`.
    #[must_use]
    pub fn has_row(&self, rows: &Rows, call: &[usize]) -> bool {
        let legs = call.iter().filter_map(|leg| self.legs.get(*leg).zip(self.briefs.get(*leg)));
        legs.into_iter().any(|(leg, brief)| rows.has(leg.trunk(), brief.verdict))
    }

    /// The legs in the time range, judged.
    pub fn legs(&self) -> impl Iterator<Item = (&'a Outline<'a>, &'a Brief)> {
        let legs = self.legs.iter().zip(self.briefs).zip(self.legs_in_range);
        legs.filter(|(_, in_range)| **in_range).map(|(leg, _)| leg)
    }

    /// The recording requests that are not bound to calls out of the time range alone.
    pub(super) fn requests(&self) -> impl Iterator<Item = (&'a ApiRequest, &'a Binding)> {
        let requests = self.requests.iter().zip(self.bindings).zip(self.requests_in_range);
        requests.filter(|(_, in_range)| **in_range).map(|(request, _)| request)
    }
}

/// Builds the report, which holds these of its calls.
#[must_use]
pub fn build(concluded: &Concluded<'_>, calls: Vec<Call>) -> Report {
    let unbound_refusals = requests::unbound_refusals(concluded);
    Report {
        schema: model::SCHEMA,
        generator: Generator { name: env!("CARGO_PKG_NAME"), version: env!("CARGO_PKG_VERSION") },
        settings: concluded.settings.clone(),
        complete: concluded.complete,
        notices: notices(concluded),
        evidence: concluded.accounts.iter().zip(0..).map(|(account, rank)| evidence(account, rank)).collect(),
        summary: summary(concluded, concluded.calls().count(), unbound_refusals.len()),
        calls,
        trunks: trunks(concluded),
        unbound_refusals,
        diagnosis: concluded.diagnosis.iter().filter_map(|weighed| hypothesis(concluded, weighed)).collect(),
    }
}

/// The hypotheses as people read them: trunk by trunk, each with what the evidence supports first.
#[must_use]
pub fn ranked(diagnosis: &[Hypothesis]) -> Vec<&Hypothesis> {
    let mut ranked = Vec::with_capacity(diagnosis.len());
    for trunk in diagnosis.chunk_by(|one, other| one.trunk == other.trunk) {
        let mut rows: Vec<&Hypothesis> = trunk.iter().collect();
        rows.sort_by_key(|row| Status::of_name(row.status));
        ranked.extend(rows);
    }
    ranked
}

fn hypothesis(concluded: &Concluded<'_>, weighed: &Weighed) -> Option<Hypothesis> {
    Some(Hypothesis {
        trunk: concluded.settings.trunks.get(weighed.trunk)?.name.clone(),
        hypothesis: weighed.hypothesis.name(),
        status: weighed.status.name(),
        counts: weighed.counts.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect(),
        p: weighed.p,
        not_separable_from: weighed.not_separable_from.iter().map(|other| other.name()).collect(),
        explanation: weighed.explanation.clone(),
        sources: weighed.sources.iter().copied().map(pointer).collect(),
        remedy: weighed
            .remedy
            .as_ref()
            .map(|remedy| model::Remedy { text: remedy.text.clone(), basis: remedy.basis.name() }),
    })
}

pub(super) fn pointer(locus: Locus) -> Pointer {
    Pointer { evidence: EvidenceId(locus.source.0), record: locus.record }
}

pub(super) fn text(bytes: &[u8]) -> EvidenceText {
    EvidenceText(bytes.to_vec())
}

fn optional_text(bytes: &[u8]) -> Option<EvidenceText> {
    (!bytes.is_empty()).then(|| text(bytes))
}

/// The row of a call with those of its legs.
#[must_use]
pub fn call(concluded: &Concluded<'_>, call: &[usize], legs: Vec<model::Leg>) -> Call {
    let conversation_ids = concluded.identity.conversation_ids(call);
    let export = concluded.conversations.known(&conversation_ids).map(exported);
    let conversation_ids: Vec<EvidenceText> = conversation_ids.iter().map(|id| text(id)).collect();
    let escaped = are_escaped(&conversation_ids);
    Call { legs, export, conversation_ids, links: links(concluded, call), escaped }
}

/// What ties the legs of a call.
fn links(concluded: &Concluded<'_>, call: &[usize]) -> Vec<model::CallLink> {
    let edges = concluded.identity.edges(call, concluded.legs);
    let link = |edge: call::edges::Edge| {
        let legs = edge.legs.iter().filter_map(|leg| concluded.legs.get(*leg));
        let legs: Vec<EvidenceText> = legs.map(|leg| text(leg.call_id)).collect();
        let identifier = text(&edge.identifier);
        model::CallLink {
            escaped: are_escaped(legs.iter().chain([&identifier])),
            legs,
            by: edge.by.iter().map(|by| by.name(concluded.settings).to_owned()).collect(),
            strength: edge.strength.name(),
            identifier,
            sources: edge.sources.into_iter().map(pointer).collect(),
        }
    };
    edges.into_iter().map(link).collect()
}

/// What the platform's exports state of a call.
fn exported(known: Known) -> model::CallExport {
    let texts = |ids: &std::collections::BTreeSet<Box<[u8]>>| ids.iter().map(|id| text(id)).collect::<Vec<_>>();
    let [divisions, queues, agents] = [&known.divisions, &known.queues, &known.agents].map(texts);
    let flows = known.flows.iter().filter_map(|flow| flow.name.as_ref().or(flow.id.as_ref()));
    let flows: Vec<EvidenceText> = flows.map(|name| text(name)).collect();
    model::CallExport {
        escaped: are_escaped([&divisions, &queues, &agents, &flows].into_iter().flatten()),
        divisions,
        queues,
        agents,
        flows,
        recorded: known.recorded,
        sources: known.sources.iter().map(|at| pointer(at.locus)).collect(),
    }
}

/// The row of the leg at this place, which is `leg`.
#[must_use]
pub fn leg(concluded: &Concluded<'_>, place: usize, (leg, judged): (&Leg<'_>, &JudgedLeg)) -> model::Leg {
    let settings = concluded.settings;
    let call_id = text(leg.call_id);
    let requests = concluded.bound.of_leg(place).iter().filter_map(|(request, link)| {
        let lag = i128::from(concluded.requests.get(*request)?.at?.ns) - i128::from(leg.first.at.ns);
        Some(BoundRequest {
            request: concluded.request_rows.of_place(*request, concluded.requests)?,
            link: Link { by: link.by.name(settings).to_owned(), strength: link.strength.name() },
            lag_s: Seconds(lag),
        })
    });
    let recorded = |tie: &call::recorded::Tie| {
        let own = concluded.legs.get(tie.leg)?;
        let (call_id, first) = (text(own.call_id), Instant(own.first().at));
        let escaped = call_id.is_escaped();
        Some(RecordedLeg { call_id, first, by: tie.place.name(), source: pointer(tie.locus), escaped })
    };
    let (from, to) = (optional_text(leg.from_uri), optional_text(leg.to_uri));
    let escaped = are_escaped([&from, &to].into_iter().flatten().chain([&call_id]));
    model::Leg {
        escaped,
        call_id,
        trunk: trunk_ref(leg, settings),
        direction: leg.direction.name(),
        from,
        to,
        first: Instant(leg.first.at),
        answered: leg.answered.map(|at| Instant(at.at)),
        ended: leg.ended.map(|at| Instant(at.at)),
        final_status: leg.final_status.map(|(status, _)| status),
        consent: model::Consent {
            state: Held::of(&judged.consent, &judged.measured).name(),
            observations: observations(leg, &judged.consent, settings),
            timeline: timeline(&judged.consent.timeline),
        },
        streams: leg
            .streams
            .iter()
            .zip(&judged.measured.streams)
            .map(|(stream, time)| self::stream(leg, stream, time, &judged.consent))
            .collect(),
        requests: requests.collect(),
        verdict: judged.verdict.name(),
        grounds: judged
            .grounds
            .iter()
            .chain(&stripped(concluded, place))
            .map(|ground| Ground {
                reason: ground.reason,
                sources: ground.sources.iter().copied().map(pointer).collect(),
            })
            .collect(),
        records: concluded.ties.get(place).map_or(&[][..], Vec::as_slice).iter().filter_map(recorded).collect(),
        recording_awareness: leg.of_recording.iter().flat_map(|own| &own.awareness).map(awareness).collect(),
        ladder: None,
    }
}

/// Consent that an INVITE upstream carried and the one on the trunk did not: both packets.
fn stripped(concluded: &Concluded<'_>, place: usize) -> Option<verdict::Ground> {
    let passage = concluded.population.passages.get(&place).filter(|passage| !passage.kept)?;
    verdict::Ground::several("header_stripped", [passage.upstream.locus, passage.here.locus])
}

fn timeline(states: &[(Timestamp, verdict::State)]) -> Vec<StateFrom> {
    states.iter().map(|(from, state)| StateFrom { from: Instant(*from), state: state.name() }).collect()
}

fn awareness(said: &call::recorded::Awareness<'_>) -> Awareness {
    let name = if said.is_attribute { EvidenceText([b"a=", said.name].concat()) } else { text(said.name) };
    let stream = said.section.checked_sub(1).map(u32::from);
    let value = text(said.value);
    let escaped = are_escaped([&name, &value]);
    Awareness { at: Instant(said.at), name, value, stream, source: pointer(said.locus), escaped }
}

/// The name of a field as observations show it.
fn field_name(field: &Field<'_>, settings: &Settings) -> Vec<u8> {
    match settings.rules.get(usize::from(field.rule)).map(|rule| rule.place) {
        Some(RulePlace::SdpAttribute) => [b"a=", field.name].concat(),
        Some(RulePlace::UriParameter) => b"Request-URI".to_vec(),
        Some(RulePlace::Header | RulePlace::UserToUser) | None => field.name.to_vec(),
    }
}

fn observations(leg: &Leg<'_>, consent: &Consent, settings: &Settings) -> Vec<Observation> {
    let mut observations: Vec<Observation> = leg
        .ledger
        .iter()
        .zip(consent.observed(leg, settings))
        .map(|(entry, state)| {
            // Rows of one request that several rules read stand once; different rows are joined as one field's list.
            let mut values: Vec<(Vec<u8>, &[u8])> = Vec::new();
            for field in &entry.fields {
                let said = (field_name(field, settings), field.value);
                if !values.contains(&said) {
                    values.push(said);
                }
            }
            // One field: what rows of another name say stands in the state alone.
            if let Some((first, _)) = values.first().cloned() {
                values.retain(|(name, _)| name.eq_ignore_ascii_case(&first));
            }
            let joined = values.iter().map(|(_, value)| *value).collect::<Vec<_>>().join(b", ".as_slice());
            let header = values.first().map(|(name, _)| text(name));
            let value = (!values.is_empty()).then_some(EvidenceText(joined));
            let escaped = are_escaped([&header, &value].into_iter().flatten());
            Observation {
                at: Instant(entry.at),
                method: entry.status.map_or_else(|| entry.method.name().to_owned(), |status| status.to_string()),
                cseq: entry.cseq,
                escaped,
                header,
                value,
                state: state.name(),
                source: pointer(entry.locus),
            }
        })
        .collect();
    observations.sort_by_key(|observation| (observation.at.0.ns, observation.source));
    observations
}

fn stream(leg: &Leg<'_>, stream: &call::Stream<'_>, time: &verdict::StreamTime, consent: &Consent) -> Stream {
    let endpoint = |endpoint: &call::Endpoint<'_>| Endpoint::new(text(endpoint.address), endpoint.port);
    let mut rtp: Vec<Rtp> = stream.flows.iter().filter_map(self::rtp).collect();
    rtp.sort_by(|one, other| {
        (one.first, &one.source, &one.destination, &one.ssrc).cmp(&(
            other.first,
            &other.source,
            &other.destination,
            &other.ssrc,
        ))
    });
    let media = text(stream.media);
    let codecs = stream.codecs.split(|byte| *byte == b' ').filter(|codec| !codec.is_empty());
    let codecs: Vec<EvidenceText> = codecs.map(text).collect();
    Stream {
        index: stream.index,
        escaped: are_escaped(codecs.iter().chain([&media])),
        media,
        codecs,
        offer: stream.offer.as_ref().map(endpoint),
        answer: stream.answer.as_ref().map(endpoint),
        start: time.start.map(Instant),
        end: time.end.map(Instant),
        end_seen: leg.ended.is_some(),
        measured_by: time.source.name(),
        consented_s: Seconds(time.consented_ns()),
        unconsented_s: Seconds(time.unconsented_ns()),
        unknown_s: Seconds(time.unknown_ns()),
        rtp,
        timeline: if consent.concerns_streams() { timeline(consent.of_stream(stream.index)) } else { Vec::new() },
    }
}

fn rtp(flow: &MediaFlow) -> Option<Rtp> {
    let first = flow.runs.iter().map(|run| run.first).min()?;
    let last = flow.runs.iter().map(|run| run.last).max()?;
    // What was lost between two runs counts when both belong to the stream.
    let between: u64 = flow.runs.iter().skip(1).map(|run| run.lost_before).sum();
    Some(Rtp {
        ssrc: format!("0x{:08x}", flow.key.ssrc),
        source: flow.key.source.to_string(),
        destination: flow.key.destination.to_string(),
        packets: flow.runs.iter().map(|run| run.packets).sum(),
        bytes: flow.runs.iter().map(|run| run.bytes).sum(),
        lost: flow.runs.iter().map(|run| run.lost).sum::<u64>() + between,
        first: Instant(first),
        last: Instant(last),
    })
}

fn trunk_ref(leg: &Leg<'_>, settings: &Settings) -> TrunkRef {
    match leg.trunk.and_then(|trunk| settings.trunks.get(trunk)) {
        Some(trunk) => TrunkRef { name: Some(trunk.name.clone()), kind: trunk.kind.name() },
        None => TrunkRef { name: None, kind: TrunkKind::Unknown.name() },
    }
}

fn count(verdicts: &mut Verdicts, verdict: Verdict) {
    let place = match verdict {
        Verdict::NotByoc => &mut verdicts.not_byoc,
        Verdict::Unclassified => &mut verdicts.unclassified,
        Verdict::RecordingSession => &mut verdicts.recording_session,
        Verdict::NoMedia => &mut verdicts.no_media,
        Verdict::ExposedUnconsented => &mut verdicts.exposed_unconsented,
        Verdict::BlockedUnconsented => &mut verdicts.blocked_unconsented,
        Verdict::Unconsented => &mut verdicts.unconsented,
        Verdict::Indeterminate => &mut verdicts.indeterminate,
        Verdict::BlockedConsented => &mut verdicts.blocked_consented,
        Verdict::Clear => &mut verdicts.clear,
    };
    *place += 1;
}

fn summary(concluded: &Concluded<'_>, calls: usize, unbound: usize) -> Summary {
    let mut summary = Summary { calls: calls as u64, legs: concluded.legs().count() as u64, ..Summary::default() };
    let mut unconsented_ns: i128 = 0;
    for (leg, brief) in concluded.legs() {
        count(&mut summary.verdicts, brief.verdict);
        if leg.kind(concluded.settings) != TrunkKind::Byoc {
            continue;
        }
        summary.byoc_legs += 1;
        if brief.verdict != Verdict::RecordingSession {
            summary.unconsented_streams += u64::from(brief.unconsented_streams);
            unconsented_ns += i128::from(brief.unconsented_ns);
        }
    }
    summary.unconsented_media_s = Seconds(unconsented_ns);
    summary.requests = requests::counts(concluded, unbound);
    summary
}

fn trunks(concluded: &Concluded<'_>) -> Vec<Trunk> {
    let settings = concluded.settings;
    let no_trunk = settings::Trunk { name: String::new(), ..settings::Trunk::default() };
    let configured = settings.trunks.iter().enumerate().map(|(place, trunk)| (Some(place), trunk));
    let unfitted = concluded.legs().any(|(leg, _)| leg.trunk().is_none()).then_some((None, &no_trunk));
    configured.chain(unfitted).map(|(place, trunk)| self::trunk(concluded, place, trunk)).collect()
}

/// One trunk's figures; `None` stands for the legs that no trunk fits.
fn trunk(concluded: &Concluded<'_>, place: Option<usize>, trunk: &settings::Trunk) -> Trunk {
    let own = || concluded.legs().filter(move |(leg, _)| leg.trunk() == place);
    let mut verdicts = Verdicts::default();
    for (_, brief) in own() {
        count(&mut verdicts, brief.verdict);
    }
    let refusals = concluded
        .requests()
        .filter(|(request, binding)| {
            request.is_refused() && matches!(binding, Binding::Trunk(trunk) if Some(*trunk) == place)
        })
        .map(|(request, _)| PlainRequest(requests::row(request)));
    Trunk {
        name: place.is_some().then(|| trunk.name.clone()),
        kind: trunk.kind.name(),
        id: trunk.id.clone(),
        legs: own().count() as u64,
        verdicts,
        requests: outcomes(concluded, place),
        registrations: concluded
            .registrations
            .iter()
            .filter(|registration| Some(registration.trunk) == place)
            .map(|registration| Registration {
                at: Instant(registration.at),
                status: registration.status,
                source: pointer(registration.locus),
            })
            .collect(),
        unseen: place.and_then(|place| concluded.unseen.get(place)).copied().unwrap_or_default(),
        inventory: place.into_iter().flat_map(|place| concluded.inventory.of_trunk(place)).map(listed).collect(),
        options: place.and_then(|place| concluded.health.get(place)).and_then(options),
        refusals: refusals.collect(),
    }
}

/// The OPTIONS of a trunk, where any was captured.
fn options(health: &call::registration::Health) -> Option<model::OptionsHealth> {
    let (first, last) = health.span?;
    Some(model::OptionsHealth {
        sent: health.sent,
        answered: health.answered,
        refused: health.refused,
        unanswered: health.sent - health.answered - health.refused,
        first: Instant(first),
        last: Instant(last),
        last_answered: health.last_answered.map(pointer),
        last_failed: health.last_failed.map(pointer),
    })
}

/// What an inventory lists of a trunk.
fn listed(listed: &TrunkSettings) -> model::ListedTrunk {
    let id = listed.id.as_deref().map(text);
    model::ListedTrunk {
        escaped: are_escaped(&id),
        id,
        kind: match listed.kind {
            InventoryKind::Byoc => Some("byoc"),
            InventoryKind::External => Some("external"),
            InventoryKind::Internal => Some("internal"),
            InventoryKind::Unsaid => None,
        },
        active: listed.active,
        recording: listed.recording,
        consent_required: listed.consent_required,
        registered: listed.registered,
        options_answered: listed.options_answered,
        source: pointer(listed.locus),
    }
}

/// Calls of a trunk by consent and by what one client was answered (contract §5).
fn outcomes(concluded: &Concluded<'_>, trunk: Option<usize>) -> Outcomes {
    let outcome = |fits: fn(Group) -> bool| {
        let Counts { refused, allowed, mixed } = concluded.population.count(trunk, fits);
        Outcome { refused, allowed, mixed }
    };
    Outcomes {
        consented: outcome(|group| group == Group::Consented),
        unconsented: outcome(|group| group != Group::Consented),
    }
}

fn evidence(account: &SourceAccount, rank: u32) -> Evidence {
    Evidence {
        id: EvidenceId(rank),
        path: account.shown.clone(),
        escaped: account.escaped,
        kind: account.kind,
        format: account.format,
        compression: account.compression,
        bytes: account.bytes,
        digest: account.digest.clone(),
        records: account.records,
        first: account.first.map(Instant),
        last: account.last.map(Instant),
        timezone: account.timezone.as_ref().map(|(zone, from)| Timezone { zone: zone.clone(), from }),
        resolution_s: account.log_digits.map(|digits| 10_f64.powi(-i32::from(digits))),
        tally: account.tally.iter().collect(),
        anomalies: account
            .anomalies
            .iter()
            .map(|(code, anomaly)| Anomaly {
                code,
                count: anomaly.count,
                first_record: anomaly.first_record,
                detail: anomaly.detail.clone(),
            })
            .collect(),
    }
}

/// A record as a sentence names it.
fn place_of(locus: Locus) -> String {
    format!("{} entry {}", EvidenceId(locus.source.0), locus.record)
}

/// What the time range of the settings leaves out; `None` without one.
fn time_range(concluded: &Concluded<'_>) -> Option<Notice> {
    let bound = |word: &str, at: Option<Timestamp>| at.map(|at| format!(" {word} {}", at.rfc3339()));
    let bounds: Vec<String> = [bound("from", concluded.settings.from), bound("before", concluded.settings.to)]
        .into_iter()
        .flatten()
        .collect();
    if bounds.is_empty() {
        return None;
    }
    let left_out = |kept: &[bool], thing: &str| match kept.iter().filter(|kept| !**kept).count() {
        1 => format!("1 {thing}"),
        count => format!("{count} {thing}s"),
    };
    Some(Notice {
        code: "time_range",
        text: Sentence::own(format!(
            "Only calls that began{} count, and the requests that are not bound to others alone. Left out of every figure, \
             list and comparison: {} of other calls, {} bound to them alone.",
            bounds.join(" and"),
            left_out(concluded.legs_in_range, "leg"),
            left_out(concluded.requests_in_range, "recording request"),
        )),
    })
}

/// What a reader must know before anything else, gravest first.
fn notices(concluded: &Concluded<'_>) -> Vec<Notice> {
    let settings = concluded.settings;
    let mut notices = Vec::new();
    let advice = if !concluded.any_entry {
        "It holds no INVITE at all."
    } else {
        "That says nothing about any single call: check that the rule names the field your carrier sends before reading \
         \"missing\" as a lack of consent."
    };
    for (rule, seen) in settings.rules.iter().zip(concluded.rules_seen) {
        if !seen {
            let (what, place) = match rule.is_plain() {
                true => ("field", "INVITE"),
                false => ("signal", "message that the rule reads"),
            };
            notices.push(Notice {
                code: "rule_never_seen",
                text: Sentence::own(format!("The {what} "))
                    .join(rule.shown())
                    .and(&format!(" occurs on no {place} of this evidence. {advice}")),
            });
        }
    }
    notices.extend(time_range(concluded));
    if !concluded.complete {
        notices.push(Notice {
            code: "incomplete",
            text: Sentence::own(
                "Not everything named could be read whole; the evidence list says what. What is missing may change any verdict.",
            ),
        });
    }
    if settings.rules.contains(&builtin::rule()) {
        notices.push(Notice {
            code: "builtin_rule",
            text: Sentence::own(format!(
                "Consent is read by the built-in rule ({}), a header field that a forum thread names and the vendor does \
                 not document. A site sets its own with [[consent.header]].",
                builtin::rule().name
            )),
        });
    }
    for trunk in settings.trunks.iter().filter(|trunk| !trunk.can_fit()) {
        notices.push(Notice {
            code: "trunk_without_match",
            text: Sentence::own("The trunk ").naming(Kind::Trunk, &trunk.name).and(
                " has neither addresses nor hosts, so no call can be on it. Set its addresses, platform_addresses or \
                 hosts.",
            ),
        });
    }
    if !concluded.legs().any(|(leg, _)| leg.kind(settings) == TrunkKind::Byoc) {
        notices.push(Notice {
            code: "no_byoc_leg",
            text: Sentence::own(
                "No call of this evidence crossed a BYOC trunk by the configured trunks, so nothing was judged.",
            ),
        });
    }
    let assumed: Vec<&str> = concluded
        .accounts
        .iter()
        .filter(|account| account.timezone.as_ref().is_some_and(|(_, from)| *from == "assumed"))
        .map(|account| account.shown.as_str())
        .collect();
    if !assumed.is_empty() {
        notices.push(Notice {
            code: "timezone_assumed",
            text: Sentence::own("Times without a zone were taken as UTC in: ")
                .list(assumed.iter().map(|path| Sentence::default().naming(Kind::Path, path)), ", ")
                .and(". Set --log-timezone or [[access_log]] timezone if that is wrong."),
        });
    }
    let with = |anomaly: &str| -> Vec<Sentence> {
        let accounts =
            concluded.accounts.iter().filter(|account| account.anomalies.iter().any(|(code, _)| code == anomaly));
        accounts.map(|account| Sentence::default().naming(Kind::Path, &account.shown)).collect()
    };
    let damaged = with("truncated_stream");
    if !damaged.is_empty() {
        notices.push(Notice {
            code: "damaged_stream",
            text: Sentence::own("Compressed files that are cut or damaged: ").list(damaged, ", ").and(
                ". What stood before the damage was read; what stood behind it was not, and where a checksum does not agree \
                 what was read may be altered.",
            ),
        });
    }
    let passed_over = with(REQUESTS_UNREAD);
    if !passed_over.is_empty() {
        notices.push(Notice {
            code: REQUESTS_UNREAD,
            text: Sentence::own(
                "Text in which some records look like API requests was not read, for it is no access log as a whole, or holds \
                 them in no array: ",
            )
            .list(passed_over, ", ")
            .and(". To have them read, put them into a file of their own, one a line."),
        });
    }
    let of_two_kinds = with(OTHER_KIND);
    if !of_two_kinds.is_empty() {
        notices.push(Notice {
            code: OTHER_KIND,
            text: Sentence::own(
                "API requests and entries of the platform's exports stand in one file, of which one kind only was read: ",
            )
            .list(of_two_kinds, ", ")
            .and(". The other is counted as other_kind; to have it read, put it into a file of its own."),
        });
    }
    notices.extend(requests::batch_errors(concluded));
    for (place, listed) in concluded.inventory.disagreeing(settings) {
        let name = settings.trunks.get(place).map_or("", |trunk| trunk.name.as_str());
        notices.push(Notice {
            code: "trunk_kind_disagrees",
            text: Sentence::own("The configuration calls the trunk ").naming(Kind::Trunk, name).and(&format!(
                " standard; the platform's inventory lists it as a BYOC trunk ({}). The configuration holds. If it is wrong, \
                 calls were left unjudged and the control group is mixed.",
                place_of(listed.locus)
            )),
        });
    }
    if let [first, ..] = concluded.identity.disagreeing.as_slice() {
        let count = concluded.identity.disagreeing.len();
        let entries =
            if count == 1 { "entry of an export names".to_owned() } else { "entries of exports name".to_owned() };
        notices.push(Notice {
            code: "conversation_disagrees",
            text: Sentence::own(format!(
                "{count} {entries} another conversation for a Call-ID than its signalling or another entry does (first: \
                 {}). What only they tie joins no call and exposes none.",
                place_of(*first)
            )),
        });
    }
    for identity::TooCommon { shown, legs } in concluded.identity.too_common.values() {
        notices.push(Notice {
            code: "identifier_too_common",
            text: Sentence::own("The identifier ").naming_raw(Kind::Identifier, shown, &text(shown).lossless().0).and(
                &format!(
                    " is shared by {legs} legs, more than {}; it joins nothing.",
                    identity::MOST_LEGS_OF_AN_IDENTIFIER
                ),
            ),
        });
    }
    for (first, legs) in &concluded.identity.too_long {
        let call_id = concluded.legs.get(*first).map_or(&[][..], |leg| leg.call_id);
        notices.push(Notice {
            code: "limit_call",
            text: Sentence::own("Identifiers that few legs share chain the leg ")
                .naming_raw(Kind::Identifier, call_id, &text(call_id).lossless().0)
                .and(&format!(
                    " and others, {legs} in all, to one call, more than {}; they join nothing.",
                    identity::MOST_LEGS_OF_A_CALL
                )),
        });
    }
    notices
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hypotheses_are_ranked_within_their_trunk() {
        let row = |trunk: &str, hypothesis, status| Hypothesis {
            trunk: trunk.to_owned(),
            hypothesis,
            status,
            counts: Default::default(),
            p: None,
            not_separable_from: Vec::new(),
            explanation: Sentence::default(),
            sources: Vec::new(),
            remedy: None,
        };
        let rows = [
            row("SG2", "a", "untested"),
            row("SG2", "b", "contradicted"),
            row("SG2", "c", "supported"),
            row("SG1", "a", "inconclusive"),
            row("SG1", "b", "supported"),
            row("SG1", "c", "supported"),
        ];
        let ranked: Vec<(&str, &str)> =
            ranked(&rows).into_iter().map(|row| (row.trunk.as_str(), row.hypothesis)).collect();
        assert_eq!(ranked, [("SG2", "c"), ("SG2", "b"), ("SG2", "a"), ("SG1", "b"), ("SG1", "c"), ("SG1", "a")]);
    }
}
