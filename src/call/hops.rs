//! The hops of one leg: a proxy forwards a Call-ID, and each pair of addresses is observed separately.
//!
//! Contract §3: the leg's trunk is the first whose platform addresses a hop touches, else the first that any hop
//! matches, and that hop counts. A hop whose INVITE was lost shows in the responses to it and may count too.

use std::net::SocketAddr;

use hashbrown::HashMap;

use super::dialog::{MOST_DIALOGS, Seed};
use super::trunk;
use crate::facts::{Hop, Method, Signalling, StartLine};
use crate::settings::{Settings, Trunk};

/// The hops of a leg: the pairs of addresses its messages went between.
pub(super) struct Hops {
    /// For each message its hop.
    of: Vec<usize>,
    /// The hops in the order of their first message.
    hops: Vec<OneHop>,
}

/// What went over one hop.
#[derive(Default)]
struct OneHop {
    /// Its messages, once there is another hop beside it; else it has all.
    messages: Vec<usize>,
    /// An initial INVITE was seen on it.
    initial: bool,
    /// It took part in setting up the leg: an initial INVITE was seen on it, or a response to one.
    sets_up: bool,
    /// A 2xx to an INVITE was seen on it.
    answered: bool,
    /// A request of a dialog was seen on it.
    goes_on: bool,
}

impl Hops {
    pub(super) fn of(messages: &[Signalling<'_>]) -> Self {
        let mut invites: Vec<&Signalling<'_>> = Vec::with_capacity(2);
        invites.extend(messages.iter().filter(|message| is_initial_invite(message)).take(MOST_DIALOGS));
        // Two initial INVITEs of one CSeq between the same addresses but other ports are two hops of one host.
        let by_port = invites.iter().enumerate().any(|(index, message)| {
            invites.iter().take(index).any(|other| {
                address_pair(other.hop) == address_pair(message.hop)
                    && socket_pair(other.hop) != socket_pair(message.hop)
                    && other.cseq == message.cseq
                    && other.from_tag == message.from_tag
            })
        });
        let of_attempt = |message: &Signalling<'_>| {
            let of = |invite: &&Signalling<'_>| invite.cseq == message.cseq && invite.from_tag == message.from_tag;
            message.cseq.is_some() && invites.iter().any(of)
        };
        let mut known: Known = Known::default();
        let mut last: Option<(Hop, usize)> = None;
        let mut of = Vec::with_capacity(messages.len());
        let mut hops: Vec<OneHop> = Vec::new();
        for (index, message) in messages.iter().enumerate() {
            // Most legs have one hop: the table is asked where the hop changes.
            let place = match last {
                Some((hop, place)) if hop == message.hop || hop == turned(message.hop) => place,
                _ => {
                    let pair = socket_pair(message.hop);
                    let (one, other) = address_pair(message.hop);
                    known.place(if by_port {
                        (pair.source, pair.destination)
                    } else {
                        (SocketAddr::new(one, 0), SocketAddr::new(other, 0))
                    })
                }
            };
            last = Some((message.hop, place));
            of.push(place);
            if place == hops.len() {
                if let [only] = hops.as_mut_slice() {
                    only.messages.extend(0..index);
                }
                hops.push(OneHop::default());
            }
            let alone = hops.len() == 1;
            let Some(hop) = hops.get_mut(place) else { continue };
            if !alone {
                hop.messages.push(index);
            }
            let initial = is_initial_invite(message);
            hop.initial |= initial;
            hop.answered |= is_answer(message);
            let is_request = match message.start {
                StartLine::Request { method, .. } => !matches!(method, Method::Ack | Method::Cancel),
                StartLine::Response(_) => false,
            };
            hop.goes_on |= is_request && message.to_tag.is_some();
            // The transaction of a forwarded INVITE has the same tag and number on every hop.
            hop.sets_up |= initial || (matches!(message.start, StartLine::Response(_)) && of_attempt(message));
        }
        Self { of, hops }
    }

    /// The trunk of the leg and the hop that counts (contract §3).
    pub(super) fn choose(&self, messages: &[Signalling<'_>], settings: &Settings) -> (Option<usize>, usize) {
        if let [hop] = self.hops.as_slice() {
            let judged = || messages.iter().filter(|message| !hop.initial || is_initial_invite(message));
            let fits = |trunk: &Trunk| trunk::fit(trunk, judged()).is_some();
            return (settings.trunks.iter().position(fits), 0);
        }
        let any_sets_up = self.hops.iter().any(|hop| hop.sets_up);
        let candidates: Vec<(usize, &OneHop)> =
            self.hops.iter().enumerate().filter(|(_, hop)| !any_sets_up || hop.sets_up).collect();
        // A hop is judged by its initial INVITEs; by every packet when none was captured on it.
        let judged = |hop: &OneHop| {
            let only_initial = hop.initial;
            let own = hop.messages.iter().filter_map(|message| messages.get(*message));
            own.filter(move |message| !only_initial || is_initial_invite(message)).collect::<Vec<_>>()
        };
        let best = |fitting: &[usize]| {
            // Where a 2xx was not captured, a dialog that goes on shows it.
            let with = |holds: fn(&OneHop) -> bool| fitting.iter().find(|hop| self.hops.get(**hop).is_some_and(holds));
            with(|hop| hop.answered).or_else(|| with(|hop| hop.goes_on)).or(fitting.first()).copied()
        };
        let mut any_fit = None;
        for (index, trunk) in settings.trunks.iter().enumerate() {
            let fits: Vec<(usize, trunk::Fit)> = candidates
                .iter()
                .filter_map(|(place, hop)| trunk::fit(trunk, judged(hop).into_iter()).map(|fit| (*place, fit)))
                .collect();
            if candidates.len() > 1 {
                let platform: Vec<usize> = fits.iter().filter(|(_, fit)| fit.platform).map(|(hop, _)| *hop).collect();
                if let Some(hop) = best(&platform) {
                    return (Some(index), hop);
                }
            }
            if any_fit.is_none() {
                let fitting: Vec<usize> = fits.iter().map(|(hop, _)| *hop).collect();
                any_fit = best(&fitting).map(|hop| (Some(index), hop));
            }
        }
        let places: Vec<usize> = candidates.iter().map(|(place, _)| *place).collect();
        any_fit.unwrap_or_else(|| (None, best(&places).unwrap_or(0)))
    }

    pub(super) fn is(&self, message: usize, hop: usize) -> bool {
        self.of.get(message) == Some(&hop)
    }

    /// Whether a message belongs to the dialog of the hop that counts: seen on it, or on a path that no initial
    /// INVITE took (in-dialog requests may go past the proxies, RFC 3261 §12.2.1.1).
    pub(super) fn is_dialog(&self, message: usize, counting: usize) -> bool {
        self.of.get(message).is_some_and(|hop| *hop == counting || self.hops.get(*hop).is_some_and(|hop| !hop.sets_up))
    }

    pub(super) fn dialog<'m, 'a>(
        &self,
        messages: &'m [Signalling<'a>],
        counting: usize,
    ) -> impl Iterator<Item = &'m Signalling<'a>> {
        messages
            .iter()
            .enumerate()
            .filter(move |(index, _)| self.is_dialog(*index, counting))
            .map(|(_, message)| message)
    }
}

/// The hops that were met, by the pair of addresses in order. A short list is searched, a long one through a table.
#[derive(Default)]
struct Known {
    few: Vec<(SocketAddr, SocketAddr)>,
    many: HashMap<(SocketAddr, SocketAddr), usize, Seed>,
}

impl Known {
    /// The place of a pair, which is the next one if it was not met.
    fn place(&mut self, pair: (SocketAddr, SocketAddr)) -> usize {
        if let Some(place) = self.few.iter().position(|known| *known == pair) {
            return place;
        }
        if self.few.len() < 8 {
            self.few.push(pair);
            return self.few.len() - 1;
        }
        let next = self.few.len() + self.many.len();
        *self.many.entry(pair).or_insert(next)
    }
}

fn turned(hop: Hop) -> Hop {
    Hop { source: hop.destination, destination: hop.source }
}

pub(super) fn is_initial_invite(message: &Signalling<'_>) -> bool {
    matches!(message.start, StartLine::Request { method: Method::Invite, .. }) && message.to_tag.is_none()
}

/// A 2xx to an INVITE.
pub(super) fn is_answer(message: &Signalling<'_>) -> bool {
    matches!((message.start, message.method()), (StartLine::Response(200..=299), Some(Method::Invite)))
}

fn socket_pair(hop: Hop) -> Hop {
    if hop.source <= hop.destination { hop } else { Hop { source: hop.destination, destination: hop.source } }
}

fn address_pair(hop: Hop) -> (std::net::IpAddr, std::net::IpAddr) {
    let pair = socket_pair(hop);
    (pair.source.ip().min(pair.destination.ip()), pair.source.ip().max(pair.destination.ip()))
}
