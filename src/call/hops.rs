//! The hops of one leg: a proxy forwards a Call-ID, and each pair of addresses is observed separately.
//!
//! Contract §3: the leg's trunk is the first whose platform addresses a hop touches, else the first that any hop
//! matches, and that hop counts. A hop whose INVITE was lost shows in the responses to it and may count too.
//!
//! # Design
//!
//! Of several hops that fit, the one counts on which most of the attempt shows to have succeeded, then the one that crosses
//! the platform's border. Where that leaves several, nothing tells which one counts. Forks and attempts one after the other
//! are then read together, as those between two addresses are. Of hops that pass one INVITE on, the first is read, for what
//! comes after it on the way are the same dialogs once more; the others are asked whether they say the same.

use std::net::{IpAddr, SocketAddr};

use hashbrown::{HashMap, HashSet};

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
    /// From where to where the INVITE went, where the hop took part in setting up the leg: an initial INVITE was seen on it,
    /// or a response to one.
    way: Option<(SocketAddr, SocketAddr)>,
    /// What became of it.
    attempt: Attempt,
    /// How it stands to the hops that count.
    stands: Stands,
}

impl OneHop {
    fn sets_up(&self) -> bool {
        self.way.is_some()
    }
}

/// What a hop shows of the attempt to set up the leg, in the order in which hops count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Attempt {
    /// It was refused or cancelled, here or before it was passed on to here, and nothing goes on.
    Failed,
    /// Nothing shows what became of it.
    #[default]
    Open,
    /// A dialog goes on, as it does behind a 2xx that was not captured.
    GoesOn,
    /// A 2xx to an INVITE was seen.
    Answered,
}

impl Attempt {
    /// What it is behind a message of the hop. `of_attempt` tells whether the message names the transaction of an attempt.
    fn behind(self, step: &Step, of_attempt: impl Fn() -> bool) -> Self {
        let shown = match (step.start(), step.method()) {
            _ if step.is_answer() => Self::Answered,
            (Start::Request(Method::Invite), _) if step.to.is_none() => Self::Open,
            (_, Some(Method::Cancel)) => Self::Failed,
            (Start::Response(300..), Some(Method::Invite)) if of_attempt() => Self::Failed,
            // PRACK and UPDATE go on in early dialogs, too; an ACK follows a refusal as well.
            (_, None | Some(Method::Ack | Method::Prack | Method::Update)) => return self,
            (Start::Request(_) | Start::Response(200..=299), _) if !step.to.is_none() => Self::GoesOn,
            _ => return self,
        };
        if self <= Self::Open { shown } else { self.max(shown) }
    }
}

/// How a hop stands to those that count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stands {
    /// It is one of them.
    Counts,
    /// It is as good as they are, and passes on what one of them does.
    Behind,
    #[default]
    Aside,
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
        let by_port = self.tell_apart(messages, steps);
        let named = |step: &Step| Some((step.from, step.number, step.cseq()?));
        let attempts: Vec<(Tag, i64, Method)> =
            self.attempts().filter_map(|invite| named(steps.get(invite)?)).collect();
        for ((message, step), hop) in messages.iter().zip(steps).zip(&self.of) {
            let Some(hop) = self.hops.get_mut(*hop as usize) else { continue };
            // The transaction of a forwarded INVITE has the same tag and number on every hop.
            let of_attempt = || named(step).is_some_and(|named| attempts.contains(&named));
            let initial = step.is_initial_invite();
            hop.initial |= initial;
            hop.attempt = hop.attempt.behind(step, of_attempt);
            if hop.way.is_none() && (initial || (!step.is_request() && of_attempt())) {
                let end = |socket: SocketAddr| SocketAddr::new(socket.ip(), if by_port { socket.port() } else { 0 });
                let Hop { source, destination } = message.hop;
                hop.way = Some(match step.is_request() {
                    true => (end(source), end(destination)),
                    false => (end(destination), end(source)),
                });
            }
        }
        // What failed before it was passed on failed here.
        let failed = ends(self.hops.iter().filter(|hop| hop.attempt == Attempt::Failed));
        for hop in self.hops.iter_mut().filter(|hop| hop.attempt == Attempt::Open) {
            if hop.way.is_some_and(|(from, _)| failed.contains(&from)) {
                hop.attempt = Attempt::Failed;
            }
        }
        self.group();
    }

    /// The initial INVITEs by which hops are told apart, no more than there may be dialogs.
    fn attempts(&self) -> impl Iterator<Item = usize> {
        self.invites.iter().map(|place| *place as usize).take(MOST_DIALOGS)
    }

    /// Gives each message its hop; tells whether ports tell hops apart.
    fn tell_apart(&mut self, messages: &[Signalling<'_>], steps: &[Step]) -> bool {
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
        by_port
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
        &mut self,
        messages: &[Signalling<'a>],
        steps: &mut [Step],
        (settings, hosts): (&Settings, &mut Hosts<'a>),
    ) -> Option<usize> {
        if self.hops.len() <= 1 {
            // A hop is judged by its initial INVITEs; by every packet when none was captured on it.
            let invites = || self.invites.iter().filter_map(|place| messages.get(*place as usize));
            let mut fits = |(index, trunk)| match self.invites.as_slice() {
                [] => trunk::fits(trunk, messages.iter(), |uri| hosts.name(uri, index, settings)),
                _ => trunk::fits(trunk, invites(), |uri| hosts.name(uri, index, settings)),
            };
            return settings.trunks.iter().enumerate().position(&mut fits);
        }
        let (trunk, best) = self.best(messages, steps, (settings, hosts));
        self.stand(&best);
        for (step, own) in steps.iter_mut().zip(&self.of) {
            let Some(hop) = self.hops.get(*own as usize) else { continue };
            let counts = hop.stands == Stands::Counts;
            // Seen on one, or on a path that no initial INVITE took (in-dialog requests may go past the proxies, RFC 3261
            // §12.2.1.1).
            step.place_on(counts, counts || !hop.sets_up(), hop.stands == Stands::Behind);
        }
        trunk
    }

    /// Tells how each hop stands to those that count, of which `best` are the ones that nothing else tells apart.
    fn stand(&mut self, best: &[usize]) {
        let passed_on = ends(best.iter().filter_map(|place| self.hops.get(*place)));
        let is_behind = |hop: &OneHop| hop.way.is_some_and(|(from, _)| passed_on.contains(&from));
        // What goes around in a circle has no first one.
        let has_first = best.iter().filter_map(|place| self.hops.get(*place)).any(|hop| !is_behind(hop));
        for place in best {
            let Some(hop) = self.hops.get_mut(*place) else { continue };
            hop.stands = if has_first && is_behind(hop) { Stands::Behind } else { Stands::Counts };
        }
    }

    /// The trunk of the leg, and of the hops that fit it the best.
    fn best<'a>(
        &self,
        messages: &[Signalling<'a>],
        steps: &[Step],
        (settings, hosts): (&Settings, &mut Hosts<'a>),
    ) -> (Option<usize>, Vec<usize>) {
        let any_sets_up = self.hops.iter().any(OneHop::sets_up);
        let candidates: Vec<(usize, &OneHop)> =
            self.hops.iter().enumerate().filter(|(_, hop)| !any_sets_up || hop.sets_up()).collect();
        let judged = |(place, hop): &(usize, &OneHop)| {
            let only_initial = hop.initial;
            let own = self.messages_of(*place).iter().map(|place| *place as usize);
            let own = own.filter_map(|place| messages.get(place).zip(steps.get(place)));
            own.filter(move |(_, step)| !only_initial || step.is_initial_invite()).map(|(message, _)| message)
        };
        let best = |fitting: &[(usize, trunk::Fit)]| -> Vec<usize> {
            let rank = |(hop, fit): &(usize, trunk::Fit)| (self.hops.get(*hop).map(|hop| hop.attempt), *fit);
            let most = fitting.iter().map(rank).max();
            fitting.iter().filter(|own| Some(rank(own)) == most).map(|(hop, _)| *hop).collect()
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
                let platform = fits.iter().filter(|(_, fit)| *fit != trunk::Fit::Other);
                let platform: Vec<(usize, trunk::Fit)> = platform.copied().collect();
                if !platform.is_empty() {
                    return (Some(index), best(&platform));
                }
            }
            if any_fit.is_none() && !fits.is_empty() {
                any_fit = Some((Some(index), best(&fits)));
            }
        }
        let all = || candidates.iter().map(|(place, _)| (*place, trunk::Fit::Other)).collect::<Vec<_>>();
        any_fit.unwrap_or_else(|| (None, best(&all())))
    }
}

/// Where these hops lead.
fn ends<'h>(hops: impl Iterator<Item = &'h OneHop>) -> HashSet<SocketAddr, Seed> {
    hops.filter_map(|hop| hop.way).filter(|(from, to)| from != to).map(|(_, to)| to).collect()
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

pub(super) fn address_pair(hop: Hop) -> (IpAddr, IpAddr) {
    let pair = socket_pair(hop);
    (pair.source.ip().min(pair.destination.ip()), pair.source.ip().max(pair.destination.ip()))
}

#[cfg(test)]
mod tests {
    use super::super::steps::Steps;
    use super::*;
    use crate::evidence::{Locus, SourceId, Timestamp};
    use crate::facts::{CSeq, StartLine};

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

    #[test]
    fn of_hops_that_pass_an_invite_on_the_first_counts_and_in_a_circle_all() {
        let locus = Locus { source: SourceId(0), record: 1 };
        let invite = |from: u8, to: u8| {
            let hop = Hop { source: ([192, 0, 2, from], 5060).into(), destination: ([192, 0, 2, to], 5060).into() };
            let start = StartLine::Request { method: Method::Invite, uri: b"sip:b@x" };
            let mut message = Signalling::bare(Timestamp::new(0, 6), locus, hop, start);
            message.cseq = Some(CSeq { number: 1, method: Method::Invite });
            message
        };
        let settings = Settings::default();
        let (mut hops, mut steps, mut hosts) = (Hops::default(), Steps::default(), Hosts::default());
        let mut told = |ways: &[(u8, u8)]| -> Vec<(bool, bool)> {
            let messages: Vec<Signalling<'_>> = ways.iter().map(|(from, to)| invite(*from, *to)).collect();
            steps.read(&messages);
            hops.read(&messages, &steps.list);
            hops.choose(&messages, &mut steps.list, (&settings, &mut hosts));
            steps.list.iter().map(|step| (step.on_hop(), step.is_behind())).collect()
        };
        let (first, behind) = ((true, false), (false, true));
        // In a row, in whatever order; forks; forks behind a row; a circle.
        assert_eq!(told(&[(1, 2), (2, 3), (3, 4)]), [first, behind, behind]);
        assert_eq!(told(&[(3, 4), (2, 3), (1, 2)]), [behind, behind, first]);
        assert_eq!(told(&[(1, 2), (1, 3)]), [first, first]);
        assert_eq!(told(&[(2, 3), (2, 4), (1, 2)]), [behind, behind, first]);
        assert_eq!(told(&[(1, 2), (2, 3), (3, 1)]), [first, first, first]);
    }
}
