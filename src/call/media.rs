//! RTP tied to the streams that signalling negotiated, within the dialogs' lives.
//!
//! A run of packets belongs to a stream when it goes to an address and port negotiated for it (or, where nothing was
//! negotiated for its destination, comes from one: media behind NAT) and begins within the dialog's life. Ports are
//! used again by later calls: a leg whose end was not seen gives its port up to a leg that negotiates it after the
//! first one's last message, and after a silence of [`SILENCE_NS`]. Packets may go on on the same ports with the same SSRC when one call ends and
//! the next begins; so runs also end where a claim begins or ends ([`Claims::breaks`]). A leg whose offer another leg passes on unchanged shares its media with it.

use std::net::SocketAddr;

use hashbrown::HashMap;

use super::legs::Leg;
use super::offer_answer::Negotiated;
use crate::facts::{MediaFlow, Run};

/// How far a run may begin before the offer by the clocks of two captures, in nanoseconds, where no other leg claims it.
const CLOCKS_APART_NS: i64 = 1_000_000_000;

/// How long after a CANCEL without a final response RTP still shows that it crossed the answer: by then the transaction is
/// given up (RFC 3261 §9.1, 64 times T1).
const CANCEL_NS: i64 = 32_000_000_000;

/// How long after the last message and the last tied packet of a leg whose end was not seen RTP is still taken as its
/// own, in nanoseconds: five minutes, longer than a hold that nobody refreshes, far shorter than the reuse of a port by
/// chance would need to look like it.
pub const SILENCE_NS: i64 = 300_000_000_000;

/// Claims on one socket that are looked at for one run. More legs at once on one port are an attack, not a call.
const MOST_CLAIMS: usize = 64;

type Seed = foldhash::fast::RandomState;

/// A stream's claim on an address and port.
#[derive(Clone, Copy, Debug)]
struct Claim {
    leg: usize,
    stream: usize,
    from: i64,
    until: i64,
    /// The leg's end was not seen, or was a CANCEL that may have crossed the answer: packets that follow keep the claim alive.
    open: bool,
    /// Nothing of the leg's setting up was seen: packets that go on into the claim were its own before.
    unbegun: bool,
    /// The stream left the port while the leg went on: packets that were under way to it are its own still.
    left: bool,
}

/// What the streams of legs claim, by address and port.
#[derive(Debug)]
pub struct Claims(HashMap<SocketAddr, Vec<Claim>, Seed>);

impl Claims {
    /// The claims of `legs`, which are sorted by first message.
    #[must_use]
    pub fn of(legs: &[Leg<'_>]) -> Self {
        Self(claims(legs))
    }

    /// Where a claim on a socket begins, and where one ends whose end is known.
    #[must_use]
    pub fn breaks(&self) -> HashMap<SocketAddr, Vec<i64>, Seed> {
        let breaks = |claims: &[Claim]| -> Vec<i64> {
            let ends = |claim: &Claim| !claim.open && !claim.left;
            let of = |claim: &Claim| [Some(claim.from), ends(claim).then(|| claim.until.saturating_add(1))];
            let mut breaks: Vec<i64> = claims.iter().flat_map(of).flatten().collect();
            breaks.sort_unstable();
            breaks.dedup();
            breaks
        };
        self.0.iter().map(|(socket, claims)| (*socket, breaks(claims))).collect()
    }
}

/// Ties `flows` to the streams of `legs`, by their `claims`, and takes out those that only media would have made streams.
/// Gives back the runs that belong to none.
pub fn tie(flows: Vec<MediaFlow>, claims: Claims, legs: &mut [Leg<'_>]) -> Vec<MediaFlow> {
    let Claims(mut claims) = claims;
    let keys: Vec<_> = flows.iter().map(|flow| flow.key).collect();
    let mut runs: Vec<(usize, Run)> = flows
        .into_iter()
        .enumerate()
        .flat_map(|(flow, runs)| runs.runs.into_iter().map(move |run| (flow, run)))
        .collect();
    // By time: what is tied keeps a leg whose end was not seen alive for what follows.
    runs.sort_by_key(|(flow, run)| (run.first, run.first_record, *flow));
    let mut untied: HashMap<usize, MediaFlow, Seed> = HashMap::default();
    // Where each flow stands in each stream it is tied to.
    let mut places: HashMap<(usize, usize, usize), usize, Seed> = HashMap::default();
    for (flow, run) in runs {
        let Some(key) = keys.get(flow).copied() else { continue };
        let mut owners = fitting(&claims, &key.destination, &run);
        let by_source = owners.is_empty();
        if by_source {
            owners = fitting(&claims, &key.source, &run);
        } else {
            // The stream that negotiated both ends knows better than one that negotiated the destination alone.
            let negotiated_both = |claim: &Claim| {
                legs.get(claim.leg)
                    .and_then(|leg| leg.streams.get(claim.stream))
                    .is_some_and(|stream| stream.endpoints.iter().any(|endpoint| endpoint.socket == key.source))
            };
            if owners.iter().any(negotiated_both) {
                owners.retain(negotiated_both);
            }
        }
        for owner in &owners {
            let claimed = if by_source { key.source } else { key.destination };
            // An end that was seen is not moved; looking for the claim would cost every leg on the port.
            for claim in claims.get_mut(&claimed).filter(|_| owner.open).into_iter().flatten() {
                if claim.open && (claim.leg, claim.stream) == (owner.leg, owner.stream) {
                    claim.until = claim.until.max(run.last.ns.saturating_add(SILENCE_NS));
                }
            }
            let Some(leg) = legs.get_mut(owner.leg) else { continue };
            // By the clock of one of the leg's own messages it was sent in the dialog's life, anew or not.
            let repeats = run.repeats && !is_of_one_clock(leg, &run);
            let Some(stream) = leg.streams.get_mut(owner.stream) else { continue };
            // Where one side's description was not captured, nothing says that its packets are not where it wants them.
            let is_moved = stream.names_both_sides() && (by_source || !stream.names(key.source.ip()));
            let place = *places.entry((owner.leg, owner.stream, flow)).or_insert_with(|| {
                stream.flows.push(MediaFlow { key, runs: Vec::new() });
                if is_moved {
                    stream.behind_nat.push(run.first_record);
                }
                stream.flows.len() - 1
            });
            if let Some(known) = stream.flows.get_mut(place) {
                known.runs.push(Run { repeats, ..run.clone() });
            }
        }
        if owners.is_empty() {
            untied.entry(flow).or_insert_with(|| MediaFlow { key, runs: Vec::new() }).runs.push(run);
        }
    }
    for leg in legs {
        leg.streams.retain(|stream| !stream.if_media || !stream.flows.is_empty());
        // Packets that were on their way show nothing; media that goes on shows an answer that was not captured.
        if let Some(cancel) = leg.cancelled_in_vain() {
            let mut runs = leg.streams.iter().flat_map(|stream| stream.flows.iter().flat_map(|flow| &flow.runs));
            if runs.any(|run| run.last.ns > cancel.at.ns.saturating_add(CLOCKS_APART_NS)) {
                (leg.ended, leg.cancelled) = (None, None);
            }
        }
    }
    let mut untied: Vec<MediaFlow> = untied.into_values().collect();
    untied.sort_by_key(|flow| flow.key);
    untied
}

/// Whether a message of the leg was captured where packets of the run were.
fn is_of_one_clock(leg: &Leg<'_>, run: &Run) -> bool {
    let shown = [Some(leg.first), leg.answered, leg.ended, Some(leg.last)];
    shown.into_iter().flatten().any(|at| run.captured.iter().any(|(source, _)| *source == at.locus.source))
}

/// The claims on `socket` within whose life `run` begins; where there are none, those that begin so little later that
/// the clocks of two captures may account for it, unless it only goes on with what another one held; else that of a leg
/// whose setting up was not seen, where the run goes on until it begins.
fn fitting(claims: &HashMap<SocketAddr, Vec<Claim>, Seed>, socket: &SocketAddr, run: &Run) -> Vec<Claim> {
    let first = run.first.ns;
    let Some(claims) = claims.get(socket) else { return Vec::new() };
    let begun = |at: i64| claims.partition_point(|claim| claim.from <= at);
    let within = |upto: usize| -> Vec<Claim> {
        let own = claims.get(..upto).unwrap_or_default().iter().rev().take(MOST_CLAIMS);
        own.filter(|claim| first <= claim.until).copied().collect()
    };
    let strictly = within(begun(first));
    if !strictly.is_empty() || run.continues {
        return strictly;
    }
    let later = begun(first.saturating_add(CLOCKS_APART_NS));
    let slightly_later = within(later);
    if !slightly_later.is_empty() {
        return slightly_later;
    }
    let reached = claims.get(later..begun(run.last.ns.saturating_add(CLOCKS_APART_NS))).unwrap_or_default();
    reached.iter().take(MOST_CLAIMS).find(|claim| claim.unbegun).copied().into_iter().collect()
}

/// The claims on every negotiated socket, by when they begin.
fn claims(legs: &[Leg<'_>]) -> HashMap<SocketAddr, Vec<Claim>, Seed> {
    let mut claims: HashMap<SocketAddr, Vec<Claim>, Seed> = HashMap::default();
    for (place, leg) in legs.iter().enumerate() {
        let unbegun = leg.is_unbegun();
        let (end, open) = match (leg.ended, leg.cancelled_in_vain()) {
            (_, Some(cancel)) => (cancel.at.ns.saturating_add(CANCEL_NS), true),
            (Some(ended), None) => (ended.at.ns, false),
            (None, None) => (leg.last.at.ns.saturating_add(SILENCE_NS), true),
        };
        for (stream, negotiated) in leg.streams.iter().enumerate() {
            for Negotiated { socket, since, until } in negotiated.endpoints.iter().copied() {
                let from = since.ns.max(leg.first.at.ns);
                let left = until.map(|until| until.ns).filter(|until| *until < end);
                let (until, open, left) = (left.unwrap_or(end), open && left.is_none(), left.is_some());
                let claim = Claim { leg: place, stream, from, until, open, unbegun, left };
                claims.entry(socket).or_default().push(claim);
            }
        }
    }
    // A leg whose end was not seen gives its ports up, all that its stream holds, to one that negotiates one of them
    // after its last message.
    let mut given_up: HashMap<(usize, usize), i64, Seed> = HashMap::default();
    for of_socket in claims.values_mut() {
        of_socket.sort_by_key(|claim| (claim.from, claim.leg, claim.stream));
        let mut still_open: Vec<Claim> = Vec::new();
        for claim in of_socket.iter() {
            still_open.retain(|earlier| {
                let silent = legs.get(earlier.leg).is_some_and(|leg| leg.last.at.ns < claim.from);
                if silent && earlier.leg != claim.leg {
                    let until = given_up.entry((earlier.leg, earlier.stream)).or_insert(i64::MAX);
                    *until = (*until).min(claim.from - 1);
                    return false;
                }
                true
            });
            if claim.open && still_open.len() < MOST_CLAIMS {
                still_open.push(*claim);
            }
        }
    }
    for claim in claims.values_mut().flatten() {
        if let Some(until) = given_up.get(&(claim.leg, claim.stream)) {
            claim.until = claim.until.min(*until);
            claim.open = false;
        }
    }
    claims
}
