//! [`audit`]: the only module that knows every stage. It owns the threads and fixes the order.
//!
//! Map: every source is read on its own, block by block, captures and logs at the same time. Join: fragments and TCP
//! segments into what they carry, signalling by Call-ID, RTP by flow. Reduce: each leg is read, measured and judged
//! on its own, and read again where something else concerns it. Then one sort and one report, whose rows are made of the
//! signalling once more, where they are asked for and nobody holds their legs. No step depends on which worker did what, so
//! the same evidence gives the same report for any number of threads.

pub mod captures;
pub mod documents;
mod fragments;
pub mod gather;
pub mod join;
mod judging;
pub mod logs;
mod look;
mod made;
mod source;
mod traces;
mod trail;
mod unread;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use rayon::iter::{IntoParallelIterator, IntoParallelRefIterator, ParallelIterator};
use rayon::slice::ParallelSliceMut;

use crate::call::conversations::Conversations;
use crate::call::identity::{Binding, Bound, Identity, Unbound};
use crate::call::inventory::Inventory;
use crate::call::media::Claims;
use crate::call::registration::Transactions;
use crate::call::{self, GapKind, Leg, Outline, Outlines, legs};
use crate::diagnosis::{self, Population};
use crate::error::Error;
use crate::evidence::{self, Budget, Extents, Phase, Progress, Rejects, Source, SourceId, Spool, Timestamp};
use crate::facts::extract::Keep;
use crate::facts::{ApiRequest, CallIds, Exports, Places, Shelves, Store};
use crate::report::build::{self, Brief, Concluded, Rows};
use crate::report::calls::Calls;
use crate::report::messages::{self, Wanted};
use crate::report::model::{Report, Unseen};
use crate::report::requests::Shared;
use crate::rtp::Flows;
use crate::settings::{Network, Settings, Trunk, TrunkKind, pattern};

use judging::Concerning;
use look::{Look, Seen};
use made::{Laid, Made};
use source::{Read, SourceTask};

pub use join::Trace;
use trail::shared;
pub use trail::{Choice, Trail};

/// What an audit gives.
#[derive(Debug)]
pub struct Audit {
    /// The report. It is whole also when a source failed; `complete` is then false.
    pub report: Report,
    /// Sources that could not be opened or read to the end, and named ones that nobody recognises.
    pub failures: Vec<Error>,
    /// Records that gave nothing, where they were asked for.
    pub rejects: Option<Rejects>,
}

/// What is asked for beside the report.
#[derive(Clone, Copy, Default)]
#[expect(missing_debug_implementations, reason = "it holds functions")]
pub struct Beside<'a> {
    /// The rows of the report, and the messages of its legs.
    pub wanted: Wanted<'a>,
    /// Whether records of logs, documents and exports that give nothing are kept.
    pub rejects: bool,
    /// Told how far the run has come.
    pub progress: Option<&'a Progress>,
}

/// Reads the evidence (files, folders, `-` for standard input), follows every call, and reports.
///
/// `threads` is the number of workers; `None` takes one for each core.
///
/// # Errors
///
/// When a named input does not exist or cannot be opened, before anything is read, and when threads cannot be started.
/// A source that fails later is one of [`Audit::failures`].
pub fn audit(evidence: &[PathBuf], settings: &Settings, threads: Option<usize>) -> Result<Audit, Error> {
    audit_with_messages(evidence, settings, threads, None)
}

/// The same; the legs that `wanted` picks have rows, and come with their SIP messages, which costs another look at the
/// signalling.
///
/// # Errors
///
/// Those of [`audit`].
pub fn audit_with_messages(
    evidence: &[PathBuf],
    settings: &Settings,
    threads: Option<usize>,
    wanted: Option<Wanted<'_>>,
) -> Result<Audit, Error> {
    audit_beside(evidence, settings, threads, Beside { wanted: wanted.unwrap_or_default(), ..Beside::default() })
}

/// The same, with all that may be asked for.
///
/// # Errors
///
/// Those of [`audit`].
pub fn audit_beside(
    evidence: &[PathBuf],
    settings: &Settings,
    threads: Option<usize>,
    beside: Beside<'_>,
) -> Result<Audit, Error> {
    audit_and(evidence, settings, threads, beside, |audit, _| audit)
}

/// The same, for whoever writes reports of more legs than have room: gives `then` the audit and its [`Calls`], which make
/// the rows that are [asked for while it is written](Wanted::written), one by one. On one of the audit's own threads.
///
/// # Errors
///
/// Those of [`audit`]; then `then` is not asked.
pub fn audit_and<T: Send>(
    evidence: &[PathBuf],
    settings: &Settings,
    threads: Option<usize>,
    beside: Beside<'_>,
    then: impl FnOnce(Audit, &dyn Calls) -> T + Send,
) -> Result<T, Error> {
    follow(evidence, settings, threads, Asked { choice: None, beside }, |audit, calls, _| then(audit, calls))
}

/// Audits as [`audit`] does, and says which packets hold the signalling of the calls that `choice` chooses by the report.
///
/// # Errors
///
/// As [`audit`].
pub fn trace(
    evidence: &[PathBuf],
    settings: &Settings,
    threads: Option<usize>,
    choice: &Choice<'_>,
    progress: &Progress,
) -> Result<(Audit, Trail), Error> {
    follow(
        evidence,
        settings,
        threads,
        Asked { choice: Some(choice), beside: Beside { progress: Some(progress), ..Beside::default() } },
        |audit, _, trail| (audit, trail),
    )
}

/// All that is asked for.
#[derive(Clone, Copy)]
struct Asked<'a> {
    /// The calls whose packets are traced.
    choice: Option<&'a Choice<'a>>,
    beside: Beside<'a>,
}

fn follow<T: Send>(
    evidence: &[PathBuf],
    settings: &Settings,
    threads: Option<usize>,
    asked: Asked<'_>,
    then: impl FnOnce(Audit, &dyn Calls, Trail) -> T + Send,
) -> Result<T, Error> {
    let unwatched = Progress::default();
    let progress = asked.beside.progress.unwrap_or(&unwatched);
    let sources = evidence::collect(evidence, (progress, Phase::Reading))?;
    let pool = workers(threads)?;
    let keep = Keep::new(settings);
    let keep = if asked.beside.wanted.messages.is_some() { keep.with_heads() } else { keep };
    let spool = asked.beside.rejects.then(Spool::default);
    let budget = Arc::new(Budget::new(settings.memory_limit));
    let store = Store::within(&budget);
    let mut read = read(sources, (settings, &keep, &store), spool.as_ref(), (&pool, &budget))?;
    progress.enter(Phase::Judging);
    let extents: Vec<(SourceId, Extents)> =
        read.iter_mut().zip(0..).map(|(read, rank)| (SourceId(rank), std::mem::take(&mut read.rejects))).collect();
    let rejects = spool.map(|spool| spool.finish(extents));
    pool.install(|| {
        conclude(read, store, (settings, &keep, &budget), asked, |audit, calls, trail| {
            then(Audit { rejects, ..audit }, calls, trail)
        })
    })
}

/// Every SIP message of the evidence, of all transports: what is known before anything is concluded. Messages that show no Call-ID are not among them.
///
/// # Errors
///
/// As [`audit`]; a source that fails later gives what was read of it.
pub fn signalling(evidence: &[PathBuf], settings: &Settings, threads: Option<usize>) -> Result<Shelves, Error> {
    let sources = evidence::collect(evidence, (&Progress::default(), Phase::Reading))?;
    let pool = workers(threads)?;
    let keep = Keep::new(settings);
    let store = Store::default();
    let read = read(sources, (settings, &keep, &store), None, (&pool, &Arc::default()))?;
    let gathered = read.into_iter().zip(0..).map(|(source, rank)| (SourceId(rank), source.gathered)).collect();
    pool.install(|| join::union(gathered, (&keep, &store), Default::default()));
    Ok(store.finish())
}

/// Reads every source, as far as it goes on its own.
///
/// # Errors
///
/// When more must be kept than the settings let.
fn read(
    sources: Vec<Source>,
    (settings, keep, store): (&Settings, &Keep, &Store),
    rejects: Option<&Spool>,
    (pool, budget): (&rayon::ThreadPool, &Arc<Budget>),
) -> Result<Vec<Read>, Error> {
    let limits = gather::Limits::of(sources.len());
    let tasks: Vec<SourceTask<'_>> = sources
        .into_iter()
        .zip(0..)
        .map(|(source, rank)| {
            let task = SourceTask::new(source, SourceId(rank), settings, (keep, store), limits.clone());
            task.with_rejects(rejects).within(budget)
        })
        .collect();
    evidence::work(pool, &tasks);
    within(budget)?;
    Ok(tasks.into_iter().map(SourceTask::finish).collect())
}

fn within(budget: &Budget) -> Result<(), Error> {
    match budget.limit() {
        Some(limit) if budget.is_spent() => Err(Error::MemoryLimit { limit }),
        _ => Ok(()),
    }
}

/// What the legs of so many Call-IDs will take, in bytes, as far as can be told before they are read.
fn of_legs(calls: usize, has_media: bool, wanted: Wanted<'_>) -> u64 {
    /// Of a leg that is let go of once it is judged, with its share in tables.
    const OUTLINE: u64 = 200;
    /// Of a leg that is kept.
    const LEG: u64 = 3_500;
    /// Of its row in the report.
    const ROW: u64 = 2_500;
    let leg = if has_media { LEG } else { OUTLINE };
    calls as u64 * (leg + if wanted.rows.is_none() { ROW } else { 0 })
}

/// The workers of one run: `threads`, or one for each core.
///
/// # Errors
///
/// When the system gives no threads.
pub fn workers(threads: Option<usize>) -> Result<rayon::ThreadPool, Error> {
    let builder = rayon::ThreadPoolBuilder::new().num_threads(threads.unwrap_or(0));
    builder.build().map_err(|error| Error::Threads { message: error.to_string() })
}

/// Joins what the sources gave, and judges.
fn conclude<T>(
    read: Vec<Read>,
    store: Store,
    (settings, keep, budget): (&Settings, &Keep, &Budget),
    asked: Asked<'_>,
    then: impl FnOnce(Audit, &dyn Calls, Trail) -> T,
) -> Result<T, Error> {
    let Asked { choice, beside: Beside { wanted, .. } } = asked;
    let mut flows = Flows::default();
    let mut requests: Vec<ApiRequest> = Vec::new();
    let mut accounts = Vec::new();
    let mut failures = Vec::new();
    let mut total_requests = 0;
    let mut gathered = Vec::new();
    let mut exports = Exports::default();
    for (source, rank) in read.into_iter().zip(0..) {
        gathered.push((SourceId(rank), source.gathered));
        flows.merge(source.flows);
        match requests.is_empty() {
            true => requests = source.requests,
            false => requests.extend(source.requests),
        }
        exports.append(source.exports);
        total_requests += source.total_requests;
        failures.extend(source.failure);
        accounts.push(source.account);
    }

    let joined = join::union(gathered, (keep, &store), choice.map(|choice| choice.trace).unwrap_or_default());
    for (source, effect) in joined.effects {
        if let Some(account) = accounts.get_mut(source.0 as usize) {
            account.anomalies.absorb(effect.anomalies, 0);
            for (reason, count) in effect.segments {
                account.tally.shift("tcp", reason, count);
            }
        }
    }
    let messages = store.finish();
    let rows = Rows::of(settings, wanted);
    let look = Look::new(settings, joined.unread, !flows.is_empty());
    let call_ids: Vec<OnceLock<Box<[u8]>>> = (0..messages.len()).map(|_| OnceLock::new()).collect();
    let found = Outlines::new(&call_ids, messages.strands());
    let transactions = messages.visit(|number, shelf| {
        budget.keep(of_legs(shelf.calls().count(), !flows.is_empty(), wanted));
        if budget.is_spent() {
            return Transactions::default();
        }
        found.add(number, shelf, settings, |leg| look.at(leg));
        Transactions::of(shelf, settings)
    });
    let transactions = Transactions::union(transactions.map_err(unreadable)?);
    within(budget)?;
    let health = transactions.health(settings);
    let (rules_seen, any_entry) = look.finish();
    let (outlines, seen) = found.sorted();
    let (mut requests, copies) = call::requests::distinct(requests);
    for (source, count) in &copies.taken {
        if let Some(account) = accounts.get_mut(source.0 as usize) {
            account.tally.shift("recording_request", "recording_request_copy", *count);
        }
    }
    for (locus, ns) in &copies.misread {
        if let Some(account) = accounts.get_mut(locus.source.0 as usize) {
            let (sign, minutes) =
                (if *ns < 0 { "earlier" } else { "later" }, (ns.abs() + 30_000_000_000) / 60_000_000_000);
            account.anomalies.note("zone_contradicted", Some(locus.record), || {
                format!("another log has the same request with its zone, {}:{:02} h {sign}", minutes / 60, minutes % 60)
            });
        }
    }
    let inventory = Inventory::of(&exports, settings);
    let conversations = Conversations::of(&exports);
    conversations.correct(&mut requests);
    let identity = Identity::of(&outlines, &exports, settings);
    for first in identity.too_long.iter().filter_map(|(first, _)| outlines.get(*first)).map(Outline::first) {
        if let Some(account) = accounts.get_mut(first.locus.source.0 as usize) {
            let detail = || format!("more than {} legs chained to one call", call::identity::MOST_LEGS_OF_A_CALL);
            account.anomalies.note("limit_call", Some(first.locus.record), detail);
        }
    }
    let hidden = Hidden::of(&joined.tls, settings);
    let bindings: Vec<Binding> = requests
        .par_iter()
        .map(|request| match identity.bind(request, &outlines, &inventory, settings) {
            Binding::Nothing(Unbound::NoSuchCall) if hidden.may_hold(request.at, settings) => {
                Binding::Nothing(Unbound::SignallingNotCaptured)
            }
            binding => binding,
        })
        .collect();

    let bound = Bound::of(&bindings);
    let concerning = Concerning {
        settings,
        identity: &identity,
        outlines: &outlines,
        bound: &bound,
        requests: &requests,
        conversations: &conversations,
    };
    let range = Range::of(&outlines, &identity, &bindings, settings);
    let written = wanted.written.map(|picks| Rows::picked(settings, picks));
    let mut concerned = concerning.concerned(seen.iter().map(Seen::is_asked));
    let has_row = |leg: usize| {
        let (Some(outline), Some(Seen::Settled(brief))) = (outlines.get(leg), seen.get(leg)) else { return false };
        let has = |rows: &Rows| rows.has(outline.trunk(), brief.verdict);
        range.legs.get(leg) == Some(&true) && (has(&rows) || written.as_ref().is_some_and(has))
    };
    let places = places(&outlines, &mut concerned, has_row);
    let call_ids = concerned.iter().filter_map(|leg| outlines.get(*leg)).map(|leg| leg.call_id);
    let chosen = messages.choose(&call_ids.collect::<CallIds<'_>>()).map_err(unreadable)?;
    let mut full = legs::again(&chosen, &outlines, &concerned, settings);
    full.par_sort_unstable_by_key(|(leg, _)| *leg);
    full.iter_mut().for_each(|(_, leg)| joined.unread.mark(leg));
    let gaps = full.iter().flat_map(|(_, leg)| &leg.gaps);
    for gap in gaps.filter(|gap| gap.kind == GapKind::TooManyDialogs) {
        if let Some(account) = accounts.get_mut(gap.locus.source.0 as usize) {
            let detail =
                || format!("a leg has more than {} dialogs; what the others say is unknown", call::MOST_DIALOGS);
            account.anomalies.note(gap.kind.reason(), Some(gap.locus.record), detail);
        }
    }
    if flows.is_empty() {
        full.iter_mut().for_each(|(_, leg)| leg.streams.retain(|stream| !stream.if_media));
    } else {
        // Every leg is there.
        let mut all: Vec<Leg<'_>> = full.drain(..).map(|(_, leg)| leg).collect();
        let claims = Claims::of(&all);
        for flow in call::media::tie(flows.finish(&claims.breaks()), claims, &mut all) {
            for (source, count) in flow.runs.iter().flat_map(|run| &run.captured) {
                if let Some(account) = accounts.get_mut(source.0 as usize) {
                    account.tally.shift("rtp", "rtp_no_dialog", *count);
                }
            }
        }
        full.extend(all.into_iter().enumerate());
    }
    for (_, leg) in full.iter().filter(|(_, leg)| leg.is_limited()) {
        if let Some(account) = accounts.get_mut(leg.first.locus.source.0 as usize) {
            let detail = || {
                "a limit left out descriptions of a leg's media, or RTP may be its own that no address of them tells"
                    .to_owned()
            };
            account.anomalies.note("limit_media", Some(leg.first.locus.record), detail);
        }
    }
    let full = concerning.judge(full);
    let brief = |(leg, seen): (usize, Seen)| match (full.get(&leg), seen) {
        (Some((_, judged)), _) => Some(Brief::of(judged.verdict, judged.measured.unconsented())),
        (None, Seen::Settled(brief)) => Some(brief),
        // Unreachable: what was asked for is in full.
        (None, Seen::Asked) => None,
    };
    let briefs: Vec<Brief> = seen.into_iter().enumerate().filter_map(brief).collect();
    let concluded: BTreeMap<usize, diagnosis::Judged<'_, '_>> = full
        .iter()
        .map(|(place, (leg, judged))| {
            (*place, diagnosis::Judged { leg, consent: &judged.consent, measured: &judged.measured })
        })
        .collect();
    let counts = |call: &&[usize]| {
        call.iter().all(|leg| range.legs.get(*leg) == Some(&true)) && call.iter().any(|leg| concluded.contains_key(leg))
    };
    let calls: Vec<&[usize]> = identity.calls.iter().filter(counts).collect();
    let population = Population::of(&diagnosis::Material {
        settings,
        chosen: &chosen,
        judged: &concluded,
        calls: &calls,
        requests: &requests,
        bindings: &bindings,
        requests_in_range: &range.requests,
        bound: &bound,
        registrations: &transactions.registrations,
        health: &health,
        identity: &identity,
        conversations: &conversations,
        inventory: &inventory,
        flows: &exports.flows,
    });
    for here in &population.beyond_passages {
        if let Some(account) = accounts.get_mut(here.locus.source.0 as usize) {
            let detail = || "more INVITEs upstream of one on a trunk than are looked at".to_owned();
            account.anomalies.note("limit_upstream", Some(here.locus.record), detail);
        }
    }
    let laid = Laid::apart(&messages, &places, outlines.len()).map_err(unreadable)?;
    drop(places);
    within(budget)?;
    let request_rows = Shared::of(&bindings);
    let all = Concluded {
        settings,
        accounts: &accounts,
        complete: failures.is_empty(),
        legs: &outlines,
        briefs: &briefs,
        full: &full,
        any_entry,
        identity: &identity,
        requests: &requests,
        bindings: &bindings,
        request_rows: &request_rows,
        bound: &bound,
        total_requests: total_requests
            .saturating_sub(copies.taken.values().sum())
            .saturating_sub(range.excluded_requests()),
        legs_in_range: &range.legs,
        requests_in_range: &range.requests,
        registrations: &transactions.registrations,
        health: &health,
        rules_seen: &rules_seen,
        population: &population,
        conversations: &conversations,
        inventory: &inventory,
        diagnosis: &diagnosis::diagnose(&population),
        unseen: &hidden.trunks,
        ties: &call::recorded::ties(&outlines),
    };
    let made = Made { concluded: &all, messages: &laid, unread: joined.unread };
    let mut held = made.held(&rows)?;
    if let Some(wanted) = wanted.messages {
        let legs = all.calls().filter(|call| all.has_row(&rows, call)).flatten();
        let legs = legs.filter_map(|leg| outlines.get(*leg)).zip(held.iter_mut().flat_map(|call| &mut call.legs));
        let shown: Vec<_> = legs.filter(|(_, row)| wanted(row)).collect();
        let call_ids = shown.iter().map(|(leg, _)| leg.call_id).collect::<CallIds<'_>>();
        messages::fill(&messages.choose(&call_ids).map_err(unreadable)?, shown);
    }
    let report = build::build(&all, held);
    let trail = match choice {
        Some(choice) => {
            let asked = shared(&requests, &bindings);
            choice.trail(&report, &messages, &outlines, (&identity, &exports, &asked), &joined.made_of)
        }
        None => Ok(Trail::default()),
    };
    let trail = trail.map_err(unreadable)?;
    let given = then(Audit { report, failures, rejects: None }, &made, trail);
    // Giving back what a large capture left is worth sharing, too.
    drop(population);
    drop(concluded);
    rayon::join(|| drop(full), || drop((identity, bindings, bound)));
    drop(chosen);
    rayon::join(|| drop(messages), || drop(outlines));
    requests.into_par_iter().for_each(drop);
    Ok(given)
}

/// The places of the legs that are read again when their rows are made: those that have a row and that nothing further
/// concerns. Those whose Call-IDs cannot be told apart by their places become `concerned`: of one Call-ID that many legs
/// bear, each would be read out of the messages of all.
fn places(outlines: &[Outline<'_>], concerned: &mut Vec<usize>, has_row: impl Fn(usize) -> bool) -> Places {
    let mut sorted = concerned.iter().copied().peekable();
    let alone = |leg: &usize| sorted.next_if_eq(leg).is_none() && has_row(*leg);
    let alone: Vec<u32> = (0..outlines.len()).filter(alone).map(|leg| leg as u32).collect();
    let mut places = Places::with_capacity(alone.len());
    for leg in alone {
        let Some(outline) = outlines.get(leg as usize) else { continue };
        if let Err(other) = places.add(outline.call_id, leg) {
            concerned.extend([leg as usize, other as usize]);
        }
    }
    concerned.sort_unstable();
    concerned.dedup();
    places
}

/// Messages that were set aside could not be read again.
fn unreadable(cause: std::io::Error) -> Error {
    Error::SetAside { cause }
}

/// Whether a TLS server's name is one of the trunk's hosts.
fn names(trunk: &Trunk, server_name: &[u8]) -> bool {
    !server_name.is_empty() && trunk.hosts.iter().any(|host| pattern::fits_host(host.as_bytes(), server_name))
}

/// What is encrypted, by trunk.
struct Hidden {
    /// For each trunk of the settings.
    trunks: Vec<Unseen>,
    /// When the first TLS connection of a BYOC trunk was seen, in nanoseconds; a call may have begun in it from then on.
    byoc_from: Option<i64>,
}

impl Hidden {
    fn of(connections: &[join::TlsConnection], settings: &Settings) -> Self {
        let mut hidden = Self { trunks: vec![Unseen::default(); settings.trunks.len()], byoc_from: None };
        for connection in connections {
            let ends = [connection.hop.source.ip(), connection.hop.destination.ip()];
            let touches =
                |networks: &[Network]| networks.iter().any(|network| ends.iter().any(|end| network.contains(*end)));
            let trunks = || settings.trunks.iter();
            let place = trunks()
                .position(|trunk| touches(&trunk.platform_addresses))
                .or_else(|| trunks().position(|trunk| touches(&trunk.addresses)))
                .or_else(|| trunks().position(|trunk| names(trunk, &connection.server_name)));
            let Some(place) = place else { continue };
            if let Some(unseen) = hidden.trunks.get_mut(place) {
                unseen.tls_connections += 1;
                unseen.tls_packets += connection.packets;
            }
            if settings.trunks.get(place).is_some_and(|trunk| trunk.kind == TrunkKind::Byoc) {
                let first = connection.first.ns;
                hidden.byoc_from = Some(hidden.byoc_from.map_or(first, |known| known.min(first)));
            }
        }
        hidden
    }

    /// Whether the call that a request of this time names may hide in a TLS connection that was open before it.
    fn may_hold(&self, at: Option<Timestamp>, settings: &Settings) -> bool {
        let Some((from, at)) = self.byoc_from.zip(at) else { return false };
        at.latest_ns() >= from.saturating_sub(settings.clock_skew_ns)
    }
}

/// Which legs and requests the time range of the settings keeps: calls that began in it, and the requests that are not
/// bound to others alone.
struct Range {
    legs: Vec<bool>,
    requests: Vec<bool>,
}

impl Range {
    fn of(legs: &[Outline<'_>], identity: &Identity, bindings: &[Binding], settings: &Settings) -> Self {
        let mut kept = vec![true; legs.len()];
        for call in identity.calls.iter() {
            let began = call.iter().filter_map(|leg| legs.get(*leg)).map(|leg| leg.first().at.ns).min();
            let within = began.is_none_or(|began| {
                settings.from.is_none_or(|from| from.ns <= began) && settings.to.is_none_or(|to| began < to.ns)
            });
            for leg in call {
                if let Some(kept) = kept.get_mut(*leg) {
                    *kept = within;
                }
            }
        }
        let requests = bindings
            .iter()
            .map(|binding| match binding {
                Binding::Legs(links) => links.iter().any(|link| kept.get(link.leg).copied().unwrap_or(false)),
                Binding::Trunk(_) | Binding::Nothing(_) => true,
            })
            .collect();
        Self { legs: kept, requests }
    }

    fn excluded_requests(&self) -> u64 {
        self.requests.iter().filter(|kept| !**kept).count() as u64
    }
}

#[cfg(test)]
mod tests;
