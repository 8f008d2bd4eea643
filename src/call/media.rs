//! RTP tied to the streams that signalling negotiated, within the dialogs' lives.
//!
//! A run of packets belongs to a stream when it goes to an address and port negotiated for it (or, where nothing was
//! negotiated for its destination, comes from one: media behind NAT) and begins within the dialog's life. Ports are
//! used again by later calls: a leg whose end was not seen gives its port up to a leg that negotiates it after the
//! first one's last message, and after a silence of [`SILENCE_NS`]. Packets may go on on the same ports with the same SSRC when one call ends and
//! the next begins; so runs also end where a claim begins or ends ([`Claims::breaks`]). A leg whose offer another leg passes on unchanged shares its media with it.

use std::net::SocketAddr;

use hashbrown::HashMap;
use hashbrown::hash_map::Entry;

use super::legs::Leg;
use super::offer_answer::Stream;
use crate::facts::{FlowKey, MediaFlow, MediaFlows, Run};

/// How far a run may begin before the offer by the clocks of two captures, in nanoseconds, where no other leg claims it.
const CLOCKS_APART_NS: i64 = 1_000_000_000;

/// How long after a CANCEL without a final response RTP still shows that it crossed the answer: by then the transaction is
/// given up (RFC 3261 §9.1, 64 times T1).
const CANCEL_NS: i64 = 32_000_000_000;

/// How long after the last message and the last tied packet of a leg whose end was not seen RTP is still taken as its
/// own, in nanoseconds: five minutes, longer than a hold that nobody refreshes, far shorter than the reuse of a port by
/// chance would need to look like it.
pub const SILENCE_NS: i64 = 300_000_000_000;

/// Claims on one socket that share a run. More streams at once on one port are an attack, not a call: whose media it is
/// stays unknown.
const MOST_CLAIMS: usize = 16;

/// Flows of the streams of one leg that are kept. A call has a handful; what is beyond is nobody's, and the time of the
/// stream unknown.
const MOST_FLOWS: usize = 1024;

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
pub fn tie(flows: MediaFlows, claims: Claims, legs: &mut [Leg<'_>]) -> Vec<MediaFlow> {
    let MediaFlows { flows, is_limited } = flows;
    let Claims(claims) = claims;
    let mut sockets: HashMap<SocketAddr, OnSocket, Seed> =
        claims.into_iter().map(|(socket, claims)| (socket, OnSocket::of(claims))).collect();
    let keys: Vec<_> = flows.iter().map(|flow| flow.key).collect();
    let mut runs: Vec<(usize, Run, bool)> = Vec::new();
    for (flow, MediaFlow { runs: own, .. }) in flows.into_iter().enumerate() {
        let mut own = own.into_iter().peekable();
        while let Some(run) = own.next() {
            let goes_on = own.peek().is_some_and(|next| next.continues);
            runs.push((flow, run, goes_on));
        }
    }
    // By time: what is tied keeps a leg whose end was not seen alive for what follows.
    runs.sort_by_key(|(flow, run, _)| (run.first, run.first_record, *flow));
    let mut untied: HashMap<usize, MediaFlow, Seed> = HashMap::default();
    // Where each flow stands in each stream it is tied to, and how many a leg has.
    let mut places: HashMap<(usize, usize, usize), usize, Seed> = HashMap::default();
    let mut counts = vec![0; legs.len()];
    for (flow, run, goes_on) in runs {
        let Some(key) = keys.get(flow).copied() else { continue };
        let mut claimed = key.destination;
        let mut owners = Vec::new();
        for socket in [key.destination, key.source] {
            let Some(on_socket) = sockets.get_mut(&socket) else { continue };
            owners = on_socket.fitting(&run, goes_on, legs);
            claimed = socket;
            if !owners.is_empty() {
                break;
            }
        }
        let by_source = claimed != key.destination;
        settle(&mut owners, &key, by_source, legs);
        let mut is_tied = false;
        for (place, owner) in &owners {
            if let Some(on_socket) = sockets.get_mut(&claimed) {
                on_socket.keep_alive(*place, run.last.ns);
            }
            let Some(leg) = legs.get_mut(owner.leg) else { continue };
            // By the clock of one of the leg's own messages it was sent in the dialog's life, anew or not.
            let repeats = run.repeats && !is_of_one_clock(leg, &run);
            let Some(stream) = leg.streams.get_mut(owner.stream) else { continue };
            // Where one side's description was not captured, nothing says that its packets are not where it wants them.
            let is_moved = stream.names_both_sides()
                && (by_source && !stream.negotiates(key.destination) || !stream.names(key.source.ip()));
            let own = Run { repeats, ..run.clone() };
            match places.entry((owner.leg, owner.stream, flow)) {
                Entry::Occupied(place) => {
                    if let Some(known) = stream.flows.get_mut(*place.get()) {
                        known.runs.push(own);
                    }
                }
                Entry::Vacant(place) => {
                    let Some(count) = counts.get_mut(owner.leg).filter(|count| **count < MOST_FLOWS) else {
                        stream.beyond_limits = true;
                        continue;
                    };
                    *count += 1;
                    place.insert(stream.flows.len());
                    // Most flows are one run.
                    stream.flows.push(MediaFlow { key, runs: vec![own] });
                    if is_moved {
                        stream.behind_nat.push(run.first_record);
                    }
                }
            }
            is_tied = true;
        }
        if !is_tied {
            untied.entry(flow).or_insert_with(|| MediaFlow { key, runs: Vec::new() }).runs.push(run);
        }
    }
    for stream in legs.iter_mut().flat_map(|leg| &mut leg.streams) {
        stream.beyond_limits |= is_limited && stream.flows.is_empty() && !stream.if_media && stream.is_of_rtp();
    }
    mark_nameless(legs, &untied);
    for leg in legs {
        leg.streams.retain(|stream| !stream.if_media || !stream.flows.is_empty() || stream.beyond_limits);
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

/// Finds streams whose descriptions name no address that packets could be compared with, and RTP that is nobody's and may
/// be theirs: nobody knows when that flowed.
fn mark_nameless(legs: &mut [Leg<'_>], untied: &HashMap<usize, MediaFlow, Seed>) {
    let mut ends: Vec<(u16, SocketAddr, i64, i64)> = untied
        .values()
        .flat_map(|flow| {
            let sockets = [flow.key.destination, flow.key.source];
            let all = flow.runs.iter().map(|run| (run.first.ns, run.last.ns));
            let whole = all.reduce(|one, other| (one.0.min(other.0), one.1.max(other.1)));
            sockets.into_iter().zip([whole; 2]).filter_map(|(socket, whole)| Some((socket, whole?)))
        })
        .map(|(socket, (first, last))| (socket.port(), socket, first, last))
        .collect();
    ends.sort_unstable();
    for leg in legs.iter_mut() {
        let from = leg.first.at.ns.saturating_sub(CLOCKS_APART_NS);
        let until = leg.ended.map_or(leg.last.at.ns.saturating_add(SILENCE_NS), |ended| ended.at.ns);
        let nameless = |stream: &&mut Stream<'_>| {
            stream.flows.is_empty() && !stream.if_media && stream.is_of_rtp() && !stream.names_both_sides()
        };
        for stream in leg.streams.iter_mut().filter(nameless) {
            let of_port = |port: Option<u16>| match port {
                Some(port) => {
                    let first = ends.partition_point(|(other, ..)| *other < port);
                    first..ends.partition_point(|(other, ..)| *other <= port)
                }
                None => 0..ends.len(),
            };
            let described = [stream.offer, stream.answer].into_iter().flatten();
            stream.beyond_limits |= described.map(|end| of_port(end.port)).any(|range| {
                let near = ends.get(range).unwrap_or_default().iter();
                near.filter(|(.., first, last)| from <= *last && *first <= until)
                    .any(|(_, socket, ..)| stream.may_mean(*socket))
            });
        }
    }
}

/// The claims on one socket, while runs come in order of their beginning.
#[derive(Debug)]
struct OnSocket {
    /// By when they begin.
    claims: Vec<Claim>,
    /// How many have begun.
    begun: usize,
    /// Those of them that may not have ended.
    alive: Vec<usize>,
    /// How many were given up before they began.
    given_up: usize,
    /// Those of legs whose setting up was not seen.
    unbegun: Vec<usize>,
}

impl OnSocket {
    fn of(claims: Vec<Claim>) -> Self {
        let unbegun = (0..).zip(&claims).filter(|(_, claim)| claim.unbegun).map(|(place, _)| place).collect();
        Self { claims, begun: 0, alive: Vec::new(), given_up: 0, unbegun }
    }

    /// The claims within whose life `run` begins; where there are none, those that begin so little later that the clocks of
    /// two captures may account for it, if the run goes on then, unless it only goes on with what another one held; else
    /// that of a leg whose setting up was not seen, where the run goes on until it begins. Too many are none.
    fn fitting(&mut self, run: &Run, goes_on: bool, legs: &mut [Leg<'_>]) -> Vec<(usize, Claim)> {
        let first = run.first.ns;
        while self.claims.get(self.begun).is_some_and(|claim| claim.from <= first) {
            self.alive.push(self.begun);
            self.begun += 1;
        }
        let claims = &self.claims;
        // Runs come by time, and nothing revives a claim.
        self.alive.retain(|place| claims.get(*place).is_some_and(|claim| first <= claim.until));
        let alive = || self.alive.iter().filter_map(|place| claims.get(*place).map(|claim| (*place, *claim)));
        if self.alive.len() > MOST_CLAIMS {
            alive().for_each(|(_, claim)| claim.give_up(legs));
            self.alive.clear();
            return Vec::new();
        }
        if !self.alive.is_empty() || run.continues {
            return alive().collect();
        }
        let later = |at: i64| claims.partition_point(|claim| claim.from <= at.saturating_add(CLOCKS_APART_NS));
        let soon = self.begun..later(first);
        let by_another_clock = |claim: &&Claim| legs.get(claim.leg).is_some_and(|leg| !is_of_one_clock(leg, run));
        if goes_on && soon.len() > MOST_CLAIMS {
            // Each once, however many runs there are.
            let from = std::mem::replace(&mut self.given_up, soon.end).max(soon.start);
            let given_up: Vec<Claim> =
                claims.get(from..soon.end).unwrap_or_default().iter().filter(by_another_clock).copied().collect();
            given_up.iter().for_each(|claim| claim.give_up(legs));
            return Vec::new();
        }
        let all = claims.iter().enumerate().take(soon.end).skip(soon.start);
        let slightly_later = all.filter(|(_, claim)| goes_on && by_another_clock(claim));
        let slightly_later: Vec<_> = slightly_later.map(|(place, claim)| (place, *claim)).collect();
        if !slightly_later.is_empty() {
            return slightly_later;
        }
        let next = self.unbegun.partition_point(|place| *place < soon.end);
        let unbegun = self.unbegun.get(next).filter(|place| **place < later(run.last.ns));
        unbegun.and_then(|place| Some((*place, *claims.get(*place)?))).into_iter().collect()
    }

    /// Keeps the claim of a leg whose end was not seen alive by a packet. An end that was seen is not moved.
    fn keep_alive(&mut self, place: usize, last: i64) {
        if let Some(claim) = self.claims.get_mut(place).filter(|claim| claim.open) {
            claim.until = claim.until.max(last.saturating_add(SILENCE_NS));
        }
    }
}

impl Claim {
    /// What its stream's RTP is cannot be told any more.
    fn give_up(&self, legs: &mut [Leg<'_>]) {
        if let Some(stream) = legs.get_mut(self.leg).and_then(|leg| leg.streams.get_mut(self.stream)) {
            stream.beyond_limits = true;
        }
    }
}

/// Leaves of the claims on a flow's socket those that know better than others.
fn settle(owners: &mut Vec<(usize, Claim)>, key: &FlowKey, by_source: bool, legs: &[Leg<'_>]) {
    let stream = |claim: &Claim| legs.get(claim.leg).and_then(|leg| leg.streams.get(claim.stream));
    // The stream that negotiated both ends knows better than one that negotiated the destination alone.
    let negotiated_both =
        |claim: &Claim| !by_source && stream(claim).is_some_and(|stream| stream.negotiates(key.source));
    // What was offered and refused was not agreed on.
    let is_agreed = |claim: &Claim| stream(claim).is_some_and(|stream| !stream.if_media);
    for knows in [&negotiated_both as &dyn Fn(&Claim) -> bool, &is_agreed] {
        if owners.iter().any(|(_, claim)| knows(claim)) {
            owners.retain(|(_, claim)| knows(claim));
        }
    }
    // A leg of which nothing more was seen gives way to one that begins later.
    let all = owners.clone();
    owners.retain(|(_, claim)| {
        let last = legs.get(claim.leg).map_or(i64::MAX, |leg| leg.last.at.ns);
        !claim.open
            || negotiated_both(claim)
            || !all.iter().any(|(_, other)| other.leg != claim.leg && last < other.from)
    });
}

/// Whether a message of the leg was captured where packets of the run were.
fn is_of_one_clock(leg: &Leg<'_>, run: &Run) -> bool {
    let shown = [Some(leg.first), leg.answered, leg.ended, Some(leg.last)];
    shown.into_iter().flatten().any(|at| run.captured.iter().any(|(source, _)| *source == at.locus.source))
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
        for (stream, negotiated) in leg.streams.iter().enumerate().filter(|(_, stream)| stream.is_of_rtp()) {
            for endpoint in &negotiated.endpoints {
                let from = endpoint.since.ns.max(leg.first.at.ns);
                let left = endpoint.until.map(|until| until.ns).filter(|until| *until < end);
                let (until, open, left) = (left.unwrap_or(end), open && left.is_none(), left.is_some());
                let claim = Claim { leg: place, stream, from, until, open, unbegun, left };
                claims.entry(endpoint.socket).or_default().push(claim);
            }
        }
    }
    // A leg whose end was not seen gives its ports up, all that its stream holds, to one that negotiates one of them
    // after its last message. An offer that nobody was seen to accept takes nothing.
    let mut given_up: HashMap<(usize, usize), i64, Seed> = HashMap::default();
    for of_socket in claims.values_mut() {
        of_socket.sort_by_key(|claim| (claim.from, claim.leg, claim.stream));
        let mut still_open: Vec<Claim> = Vec::new();
        let accepted = |claim: &Claim| {
            let stream = |leg: &Leg<'_>| leg.streams.get(claim.stream).is_some_and(|stream| stream.answer.is_some());
            legs.get(claim.leg).is_some_and(|leg| leg.answered.is_some() || stream(leg))
        };
        for claim in of_socket.iter() {
            let takes = accepted(claim);
            still_open.retain(|earlier| {
                let silent = legs.get(earlier.leg).is_some_and(|leg| leg.last.at.ns < claim.from);
                if silent && takes && earlier.leg != claim.leg {
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
