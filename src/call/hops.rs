//! The hops of one leg: a proxy forwards a Call-ID, and each pair of addresses is observed separately.
//!
//! Contract §3: the leg's trunk is the first whose platform addresses a hop touches, else the first that any hop
//! matches, and that hop counts. A hop whose INVITE was lost shows in the responses to it and may count too. Where one side
//! sent the INVITE to several addresses, or from several, and nothing shows which one the call went on with, the last one that
//! is not known to be over counts, and the INVITEs of the others may still be the one: they are read beside it.

use std::net::SocketAddr;

use hashbrown::HashMap;

use super::course::MOST_DIALOGS;
use super::dialog::Seed;
use super::steps::{Start, Step, Tag};
use super::trunk::{self, Hosts};
use crate::facts::{Hop, Method, Signalling};
use crate::settings::Settings;

/// The hops of a leg: the pairs of addresses its messages went between.
#[derive(Default)]
pub(super) struct Hops {
    /// For each message its hop; empty where there is one alone.
    of: Vec<u32>,
    /// The hops in the order of their first message, where there are several.
    hops: Vec<OneHop>,
    /// Their messages, hop by hop.
    messages: Vec<u32>,
    /// The initial INVITEs.
    invites: Vec<u32>,
    known: Known,
}

/// What went over one hop.
#[derive(Clone, Copy, Default)]
struct OneHop {
    /// Where its messages end in the list of all.
    end: u32,
    /// An initial INVITE was seen on it.
    initial: bool,
    /// It took part in setting up the leg: an initial INVITE was seen on it, or a response to one.
    sets_up: bool,
    /// A 2xx to an INVITE was seen on it.
    answered: bool,
    /// A request of a dialog was seen on it.
    goes_on: bool,
    /// Its last initial INVITE was cancelled or refused.
    over: bool,
    /// The last initial INVITE on it.
    last_invite: u32,
}

/// The hop that counts, and what leaves it open.
struct Choice {
    hop: usize,
    /// Hops that the call may have gone on with as well.
    open: Vec<usize>,
}

impl Hops {
    /// Tells the hops of these messages apart.
    pub(super) fn read(&mut self, messages: &[Signalling<'_>], steps: &[Step]) {
        self.of.clear();
        self.hops.clear();
        self.messages.clear();
        self.invites.clear();
        let Some(first) = messages.first() else { return };
        let initial = (0..).zip(steps).filter(|(_, step)| step.is_initial_invite());
        self.invites.extend(initial.map(|(place, _)| place));
        // Most legs have one hop.
        let mut others = messages.iter().skip(1);
        if others.all(|message| is_between(&message.hop, &first.hop)) {
            return;
        }
        self.tell_apart(messages, steps);
        let named = |step: &Step| Some((step.from, step.number, step.cseq()?));
        let attempts: Vec<(Tag, i64, Method)> =
            self.attempts().filter_map(|invite| named(steps.get(invite)?)).collect();
        for ((step, hop), place) in steps.iter().zip(&self.of).zip(0..) {
            let Some(hop) = self.hops.get_mut(*hop as usize) else { continue };
            let initial = step.is_initial_invite();
            hop.initial |= initial;
            hop.answered |= step.is_answer();
            let is_request = match step.start() {
                Start::Request(method) => !matches!(method, Method::Ack | Method::Cancel),
                Start::Response(_) => false,
            };
            hop.goes_on |= is_request && !step.to.is_none();
            // The transaction of a forwarded INVITE has the same tag and number on every hop.
            let of_attempt = || named(step).is_some_and(|named| attempts.contains(&named));
            let is_response_to_it = !step.is_request() && of_attempt();
            hop.sets_up |= initial || is_response_to_it;
            if initial {
                (hop.over, hop.last_invite) = (false, place);
            }
            hop.over |= match step.start() {
                Start::Request(method) => method == Method::Cancel,
                Start::Response(status) => is_response_to_it && status >= 300,
            };
        }
        self.group();
    }

    /// The initial INVITEs by which hops are told apart, no more than there may be dialogs.
    fn attempts(&self) -> impl Iterator<Item = usize> {
        self.invites.iter().map(|place| *place as usize).take(MOST_DIALOGS)
    }

    /// Gives each message its hop.
    fn tell_apart(&mut self, messages: &[Signalling<'_>], steps: &[Step]) {
        let invites = || self.attempts().filter_map(|place| messages.get(place).zip(steps.get(place)));
        // Two initial INVITEs of one CSeq between the same addresses but other ports are two hops of one host.
        let by_port = invites().enumerate().any(|(index, (message, step))| {
            invites().take(index).any(|(other, other_step)| {
                address_pair(other.hop) == address_pair(message.hop)
                    && socket_pair(other.hop) != socket_pair(message.hop)
                    && other.cseq == message.cseq
                    && other_step.from == step.from
            })
        });
        self.known.clear();
        let mut last: Option<(Hop, u32)> = None;
        for message in messages {
            let place = match last {
                Some((hop, place)) if is_between(&message.hop, &hop) => place,
                _ => {
                    let pair = socket_pair(message.hop);
                    let (one, other) = address_pair(message.hop);
                    self.known.place(if by_port {
                        (pair.source, pair.destination)
                    } else {
                        (SocketAddr::new(one, 0), SocketAddr::new(other, 0))
                    })
                }
            };
            last = Some((message.hop, place));
            self.of.push(place);
            if place as usize == self.hops.len() {
                self.hops.push(OneHop::default());
            }
        }
    }

    /// Lists the messages hop by hop.
    fn group(&mut self) {
        for hop in &self.of {
            if let Some(hop) = self.hops.get_mut(*hop as usize) {
                hop.end += 1;
            }
        }
        let mut begin = 0;
        for hop in &mut self.hops {
            // Moves on to the end while the messages are listed.
            (hop.end, begin) = (begin, begin + hop.end);
        }
        self.messages.resize(self.of.len(), 0);
        for (message, hop) in (0..).zip(&self.of) {
            let Some(hop) = self.hops.get_mut(*hop as usize) else { continue };
            if let Some(place) = self.messages.get_mut(hop.end as usize) {
                *place = message;
            }
            hop.end += 1;
        }
    }

    /// The places of the messages of a hop, where there are several hops.
    fn messages_of(&self, hop: usize) -> &[u32] {
        let begin = hop.checked_sub(1).and_then(|before| self.hops.get(before)).map_or(0, |before| before.end);
        let end = self.hops.get(hop).map_or(0, |hop| hop.end);
        self.messages.get(begin as usize..end as usize).unwrap_or_default()
    }

    /// The trunk of the leg, by its index in the settings, or `None` when none fits; which of `steps` are on the hop that
    /// counts (contract §3) is told there.
    pub(super) fn choose<'a>(
        &self,
        messages: &[Signalling<'a>],
        steps: &mut [Step],
        (settings, hosts): (&Settings, &mut Hosts<'a>),
    ) -> Option<usize> {
        if self.hops.len() <= 1 {
            // A hop is judged by its initial INVITEs; by every packet when none was captured on it.
            let invites = || self.invites.iter().filter_map(|place| messages.get(*place as usize));
            let mut fits = |(index, trunk)| match self.invites.as_slice() {
                [] => trunk::fit(trunk, messages.iter(), |uri| hosts.name(uri, index, settings)).is_some(),
                _ => trunk::fit(trunk, invites(), |uri| hosts.name(uri, index, settings)).is_some(),
            };
            return settings.trunks.iter().enumerate().position(&mut fits);
        }
        let (trunk, counting) = self.choose_hop(messages, steps, (settings, hosts));
        for (step, own) in steps.iter_mut().zip(&self.of) {
            let own = *own as usize;
            let is_hop = own == counting.hop;
            // Seen on it, or on a path that no initial INVITE took (in-dialog requests may go past the proxies, RFC 3261
            // §12.2.1.1).
            let is_past = || self.hops.get(own).is_some_and(|hop| !hop.sets_up);
            let may_count = || step.is_initial_invite() && counting.open.contains(&own);
            let on_dialog = is_hop || is_past() || may_count();
            step.place_on(is_hop, on_dialog);
        }
        trunk
    }

    fn choose_hop<'a>(
        &self,
        messages: &[Signalling<'a>],
        steps: &[Step],
        (settings, hosts): (&Settings, &mut Hosts<'a>),
    ) -> (Option<usize>, Choice) {
        let any_sets_up = self.hops.iter().any(|hop| hop.sets_up);
        let candidates: Vec<(usize, &OneHop)> =
            self.hops.iter().enumerate().filter(|(_, hop)| !any_sets_up || hop.sets_up).collect();
        let judged = |(place, hop): &(usize, &OneHop)| {
            let only_initial = hop.initial;
            let own = self.messages_of(*place).iter().map(|place| *place as usize);
            let own = own.filter_map(|place| messages.get(place).zip(steps.get(place)));
            own.filter(move |(_, step)| !only_initial || step.is_initial_invite()).map(|(message, _)| message)
        };
        let best = |fitting: &[usize]| {
            // Where a 2xx was not captured, a dialog that goes on shows it.
            let with = |holds: fn(&OneHop) -> bool| fitting.iter().find(|hop| self.hops.get(**hop).is_some_and(holds));
            let shown = with(|hop| hop.answered).or_else(|| with(|hop| hop.goes_on)).copied();
            let shown = shown.map(|hop| Choice { hop, open: Vec::new() });
            shown.or_else(|| self.last_tried(fitting, messages))
        };
        let mut any_fit = None;
        for (index, trunk) in settings.trunks.iter().enumerate() {
            let fits: Vec<(usize, trunk::Fit)> = candidates
                .iter()
                .filter_map(|candidate| {
                    let fit = trunk::fit(trunk, judged(candidate), |uri| hosts.name(uri, index, settings));
                    Some((candidate.0, fit?))
                })
                .collect();
            if candidates.len() > 1 {
                let platform = fits.iter().filter(|(_, fit)| *fit == trunk::Fit::Platform);
                let platform: Vec<usize> = platform.map(|(hop, _)| *hop).collect();
                if let Some(choice) = best(&platform) {
                    return (Some(index), choice);
                }
            }
            if any_fit.is_none() {
                let fitting: Vec<usize> = fits.iter().map(|(hop, _)| *hop).collect();
                any_fit = best(&fitting).map(|choice| (Some(index), choice));
            }
        }
        let places: Vec<usize> = candidates.iter().map(|(place, _)| *place).collect();
        any_fit.unwrap_or_else(|| (None, best(&places).unwrap_or(Choice { hop: 0, open: Vec::new() })))
    }

    /// Of the `fitting` hops, none of which is seen to go on: the first, or of those that its sender tried beside it, or by
    /// which its recipient was tried, the last.
    fn last_tried(&self, fitting: &[usize], messages: &[Signalling<'_>]) -> Option<Choice> {
        let first = *fitting.first()?;
        let invite = |hop: usize| {
            let own = self.hops.get(hop).filter(|own| own.initial)?;
            Some((messages.get(own.last_invite as usize)?.hop, own))
        };
        let Some((tried, _)) = invite(first) else { return Some(Choice { hop: first, open: Vec::new() }) };
        // A proxy that forwards an INVITE is the recipient of one and the sender of the other.
        let is_beside =
            |hop: &Hop| hop.source.ip() == tried.source.ip() || hop.destination.ip() == tried.destination.ip();
        let beside = || {
            let tried = fitting.iter().filter_map(|place| Some((*place, invite(*place)?)));
            tried.filter(|(_, (hop, _))| is_beside(hop)).map(|(place, (_, own))| (place, own))
        };
        let last = beside().max_by_key(|(_, own)| (!own.over, own.last_invite));
        let hop = last.map_or(first, |(place, _)| place);
        let open = beside().filter(|(place, own)| *place != hop && !own.over).map(|(place, _)| place).collect();
        Some(Choice { hop, open })
    }
}

/// The hops that were met, by the pair of addresses in order. A short list is searched, a long one through a table.
#[derive(Default)]
struct Known {
    few: Vec<(SocketAddr, SocketAddr)>,
    many: HashMap<(SocketAddr, SocketAddr), u32, Seed>,
}

impl Known {
    /// The place of a pair, which is the next one if it was not met.
    fn place(&mut self, pair: (SocketAddr, SocketAddr)) -> u32 {
        if let Some(place) = self.few.iter().position(|known| *known == pair) {
            return place as u32;
        }
        if self.few.len() < 8 {
            self.few.push(pair);
            return self.few.len() as u32 - 1;
        }
        let next = (self.few.len() + self.many.len()) as u32;
        *self.many.entry(pair).or_insert(next)
    }

    fn clear(&mut self) {
        self.few.clear();
        self.many.clear();
    }
}

/// Whether two messages went between the same sockets, one way or the other.
#[inline(always)]
fn is_between(one: &Hop, other: &Hop) -> bool {
    (one.source == other.source && one.destination == other.destination)
        || (one.source == other.destination && one.destination == other.source)
}

fn socket_pair(hop: Hop) -> Hop {
    if hop.source <= hop.destination { hop } else { Hop { source: hop.destination, destination: hop.source } }
}

fn address_pair(hop: Hop) -> (std::net::IpAddr, std::net::IpAddr) {
    let pair = socket_pair(hop);
    (pair.source.ip().min(pair.destination.ip()), pair.source.ip().max(pair.destination.ip()))
}

#[cfg(test)]
mod tests {
    use super::super::steps::Steps;
    use super::*;
    use crate::evidence::{Locus, SourceId, Timestamp};
    use crate::facts::StartLine;

    #[test]
    fn each_message_is_of_the_hop_between_its_addresses() {
        let locus = Locus { source: SourceId(0), record: 1 };
        let between = |one: u8, other: u8, port: u16| {
            let hop = Hop { source: ([192, 0, 2, one], port).into(), destination: ([192, 0, 2, other], 5060).into() };
            Signalling::bare(Timestamp::new(0, 6), locus, hop, StartLine::Response(180))
        };
        let mut hops = Hops::default();
        let mut read = |messages: &[Signalling<'_>]| -> (Vec<Vec<u32>>, Vec<Vec<u32>>) {
            let mut steps = Steps::default();
            steps.read(messages);
            hops.read(messages, &steps.list);
            let number = hops.hops.len().max(1);
            let own = |hop: &usize, message: &u32| match hops.of.get(*message as usize) {
                Some(own) => *own as usize == *hop,
                None => *hop == 0,
            };
            let all = 0..messages.len() as u32;
            let told = (0..number).map(|hop| all.clone().filter(|message| own(&hop, message)).collect()).collect();
            (told, (0..hops.hops.len()).map(|hop| hops.messages_of(hop).to_vec()).collect())
        };
        // One hop, whichever way and from whichever port.
        assert_eq!(read(&[between(1, 2, 1), between(2, 1, 5060), between(1, 2, 1)]).0, [[0, 1, 2]]);
        // More hops than a short list holds, each met twice, the second time the other way.
        for number in [2, 8, 9, 20] {
            let there = (0..number).map(|hop| between(1, 10 + hop, 5060));
            let back = (0..number).rev().map(|hop| between(10 + hop, 1, 5060));
            let expected: Vec<Vec<u32>> =
                (0..u32::from(number)).map(|hop| vec![hop, 2 * u32::from(number) - 1 - hop]).collect();
            let messages: Vec<Signalling<'_>> = there.chain(back).collect();
            assert_eq!(read(&messages), (expected.clone(), expected));
        }
        assert_eq!(read(&[between(1, 2, 1), between(1, 2, 1)]), (vec![vec![0, 1]], vec![]), "nothing of the last leg");
    }
}
