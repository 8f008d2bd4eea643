//! RTP tied to the streams that signalling negotiated, within the dialogs' lives.
//!
//! A run of packets belongs to a stream when it goes to an address and port negotiated for it (or, where nothing was
//! negotiated for its destination, comes from one: media behind NAT) and begins within the dialog's life. Ports are
//! used again by later calls: a leg whose end was not seen gives its port up to a leg that negotiates it after the
//! first one's last message. A leg whose offer another leg passes on unchanged shares its media with it.

use std::net::SocketAddr;

use hashbrown::HashMap;

use super::legs::Leg;
use crate::facts::MediaFlow;

/// How far a run may begin before the offer by the clocks of two captures, in nanoseconds.
const CLOCKS_APART_NS: i64 = 1_000_000_000;

/// A stream's claim on an address and port.
#[derive(Clone, Copy, Debug)]
struct Claim {
    leg: usize,
    stream: usize,
    from: i64,
    until: i64,
}

/// Ties `flows` to the streams of `legs`, which are sorted by first message. Gives back the runs that belong to none.
pub fn tie(flows: Vec<MediaFlow>, legs: &mut [Leg<'_>]) -> Vec<MediaFlow> {
    let claims = claims(legs);
    let mut untied = Vec::new();
    for flow in flows {
        let (mut rest, mut tied): (Vec<_>, Vec<(usize, usize, bool, Vec<_>)>) = (Vec::new(), Vec::new());
        for run in flow.runs {
            let first = run.first.ns;
            let fitting = |socket: &SocketAddr| -> Vec<Claim> {
                claims
                    .get(socket)
                    .into_iter()
                    .flatten()
                    .filter(|claim| claim.from.saturating_sub(CLOCKS_APART_NS) <= first && first <= claim.until)
                    .copied()
                    .collect()
            };
            let mut owners = fitting(&flow.key.destination);
            let by_source = owners.is_empty();
            if by_source {
                owners = fitting(&flow.key.source);
            } else {
                // The stream that negotiated both ends knows better than one that negotiated the destination alone.
                let both: Vec<Claim> = owners
                    .iter()
                    .filter(|claim| {
                        legs.get(claim.leg)
                            .and_then(|leg| leg.streams.get(claim.stream))
                            .is_some_and(|stream| stream.endpoints.iter().any(|(socket, _)| *socket == flow.key.source))
                    })
                    .copied()
                    .collect();
                if !both.is_empty() {
                    owners = both;
                }
            }
            if owners.is_empty() {
                rest.push(run);
                continue;
            }
            for owner in owners {
                let known = tied.iter_mut().find(|(leg, stream, ..)| (*leg, *stream) == (owner.leg, owner.stream));
                match known {
                    Some((.., by, runs)) => {
                        *by |= by_source;
                        runs.push(run.clone());
                    }
                    None => tied.push((owner.leg, owner.stream, by_source, vec![run.clone()])),
                }
            }
        }
        for (leg, stream, by_source, runs) in tied {
            if let Some(stream) = legs.get_mut(leg).and_then(|leg| leg.streams.get_mut(stream)) {
                stream.behind_nat |= by_source;
                stream.flows.push(MediaFlow { key: flow.key, runs });
            }
        }
        if !rest.is_empty() {
            untied.push(MediaFlow { key: flow.key, runs: rest });
        }
    }
    untied
}

/// The claims on every negotiated socket.
fn claims(legs: &[Leg<'_>]) -> HashMap<SocketAddr, Vec<Claim>, foldhash::fast::RandomState> {
    let mut claims: HashMap<SocketAddr, Vec<Claim>, foldhash::fast::RandomState> = HashMap::default();
    for (place, leg) in legs.iter().enumerate() {
        for (stream, negotiated) in leg.streams.iter().enumerate() {
            for (socket, since) in &negotiated.endpoints {
                let from = since.ns.max(leg.first.at.ns);
                let until = leg.ended.map_or(i64::MAX, |ended| ended.at.ns);
                let of_socket = claims.entry(*socket).or_default();
                for earlier in of_socket.iter_mut() {
                    let over = legs.get(earlier.leg).is_some_and(|leg| leg.ended.is_none() && leg.last.at.ns < from);
                    if earlier.leg != place && over {
                        earlier.until = earlier.until.min(from - 1);
                    }
                }
                of_socket.push(Claim { leg: place, stream, from, until });
            }
        }
    }
    claims
}
