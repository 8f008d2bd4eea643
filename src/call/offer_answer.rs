//! Offers and answers over the life of a dialog (RFC 3264, RFC 3261 §13.2.1), into media streams.
//!
//! A stream is one media description that offer and answer accepted; where only one of the two was captured it stands
//! for both. A description of another medium in the same place is another stream (RFC 3264 §8.3.3). Its windows are the times the signalling gives it; its endpoints are what RTP is tied by. What an early dialog
//! negotiated that no 2xx confirmed says where its early media goes, and opens and ends no stream.

use std::net::{IpAddr, SocketAddr};

use arrayvec::ArrayVec;
use hashbrown::HashMap;

use super::course::of_invite;
use super::dialog::Seed;
use super::ledger::Outcome;
use super::recent::Recent;
use super::steps::{Start, Step, Tag};
use super::transactions::{Dialog, Named, Noted};
use crate::evidence::{Locus, Timestamp};
use crate::facts::{Body, MediaDescription, MediaFlow, Method, Signalling};
use crate::few::Few;

/// Offers and answers of one dialog that are followed, with the requests that may still bring some. More are an attack, not
/// a call.
const MOST_EXCHANGES: usize = 1024;

/// Answers to one offer that are told apart: more forks than a call has.
const MOST_ANSWERS: usize = 16;

/// One media stream of a leg.
#[derive(Clone, Debug)]
pub struct Stream<'a> {
    /// Its place among the media descriptions, from 0. Media that take each other's place (a fax that of speech) have the
    /// same, and come by time.
    pub index: u32,
    /// The media type.
    pub media: &'a [u8],
    /// The formats, the answer's where one was captured, separated by one blank.
    pub codecs: &'a [u8],
    /// Where the offerer wants to receive; `None` when the offer was not captured.
    pub offer: Option<Endpoint<'a>>,
    /// Where the answerer wants to receive; `None` when the answer was not captured.
    pub answer: Option<Endpoint<'a>>,
    /// When the signalling has it open: from, and until when it was rejected again; by time. Empty when no answer shows
    /// when it began.
    pub windows: Few<(Timestamp, Option<Timestamp>), 1>,
    /// Every address and port that was negotiated for it; none in a leg that is read for its outline.
    pub endpoints: Few<Negotiated, 2>,
    /// Whether it is one only if RTP is tied to it: its offer was refused, and no answer captured.
    pub if_media: bool,
    /// The RTP flows tied to it, with their runs within the dialog's life.
    pub flows: Vec<MediaFlow>,
    /// Packets that came from an address or went to one that no description names, though both sides' were captured:
    /// the first packet of each such flow.
    pub behind_nat: Vec<Locus>,
    /// Whether a limit left out a description of it, or RTP that may be its own, or RTP may be its own by all that can be
    /// compared of a description whose address is a host name.
    pub beyond_limits: bool,
}

/// An address and port that was negotiated for a stream.
#[derive(Clone, Copy, Debug)]
pub struct Negotiated {
    /// Where its side wants to receive.
    pub socket: SocketAddr,
    /// Since when.
    pub since: Timestamp,
    /// Until when: then its side named another one, rejected the stream, or was a fork that lost.
    pub until: Option<Timestamp>,
    /// The tag of its side.
    by: Tag,
}

impl Stream<'_> {
    /// Whether the addresses of both sides were captured and read.
    #[must_use]
    pub fn names_both_sides(&self) -> bool {
        self.offer.is_some() && self.answer.is_some() && self.endpoints.len() > 1
    }

    /// Whether some description of the stream names this address.
    #[must_use]
    pub fn names(&self, address: IpAddr) -> bool {
        self.endpoints.iter().any(|negotiated| negotiated.socket.ip() == address)
    }

    /// Whether some description of the stream names this address and port.
    pub(super) fn negotiates(&self, socket: SocketAddr) -> bool {
        self.endpoints.iter().any(|negotiated| negotiated.socket == socket)
    }

    /// Whether RTP on this socket may be its own for all that its descriptions say: one names no address, or no port, that
    /// packets could be compared with.
    pub(super) fn may_mean(&self, socket: SocketAddr) -> bool {
        [&self.offer, &self.answer].into_iter().flatten().any(|end| match (read_address(end.address), end.port) {
            (None, Some(port)) => port == socket.port(),
            (Some(address), None) => address.to_canonical() == socket.ip(),
            (None, None) => true,
            (Some(_), Some(_)) => false,
        })
    }

    /// Whether it may be sent as RTP. A fax is not (T.38 over UDPTL or TCP): what flows on its ports shows nothing of it.
    pub(super) fn is_of_rtp(&self) -> bool {
        !self.media.eq_ignore_ascii_case(b"image")
    }

    /// Ends it, if it is not accepted again.
    pub(super) fn close(&mut self, at: Timestamp) {
        if let Some((_, end @ None)) = self.windows.last_mut() {
            *end = Some(at);
        }
        self.give_up(at, |_| true);
    }

    /// Ends what was negotiated by the sides that `of` says yes to.
    fn give_up(&mut self, at: Timestamp, of: impl Fn(Tag) -> bool) {
        let open = self.endpoints.iter_mut().filter(|negotiated| negotiated.until.is_none() && of(negotiated.by));
        open.for_each(|negotiated| negotiated.until = Some(at));
    }
}

/// An address and a port as a session description writes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Endpoint<'a> {
    /// The address or host name; empty where none stands.
    pub address: &'a [u8],
    /// The port; `None` where it was unreadable.
    pub port: Option<u16>,
}

/// What is known of the transaction of a message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Transaction {
    /// What became of it.
    pub(super) outcome: Outcome,
    /// Whether its request was captured.
    pub(super) request_captured: bool,
    /// Whether it is the one that set up the leg.
    pub(super) sets_up: bool,
    /// Whether it belongs to a dialog of the leg: one that a 2xx confirmed or, before any 2xx, an early one.
    pub(super) own: bool,
}

/// One offer with its answer.
#[derive(Clone, Debug)]
struct Exchange {
    /// The message that began it.
    begun: usize,
    /// The transaction of that.
    named: Option<Named>,
    offer: Option<usize>,
    /// What the same INVITE offered on other hops that count.
    beside: Vec<u32>,
    /// The answers; several when the offer forked.
    answers: ArrayVec<u32, MOST_ANSWERS>,
    /// What shows when the answer was given: the 2xx where one was seen.
    agreed: Option<usize>,
    /// Its ACK, which shows when it was given where no 2xx was seen.
    acknowledged: Option<usize>,
    /// Whether it set up the leg.
    initial: bool,
    /// Whether it was refused and no answer captured: only RTP shows that something was agreed on.
    refused: bool,
    /// Whether it is a re-INVITE's: its 2xx shows a confirmed dialog.
    confirms: bool,
    /// Whether it was made in an early dialog that came to nothing.
    aside: bool,
}

/// The offers and answers of a leg.
#[derive(Clone, Debug, Default)]
pub(super) struct Exchanges {
    /// Those that describe something, by time.
    list: Vec<Exchange>,
    /// Whether there were more of them, or more answers to one, than are followed.
    pub(super) limited: bool,
}

impl Exchanges {
    /// The messages that offer and answer.
    pub(super) fn described(&self) -> impl Iterator<Item = usize> {
        self.list.iter().flat_map(Exchange::described)
    }
}

impl Exchange {
    /// Its ACK where that shows a 2xx: the ACK of a refusal has the branch of its INVITE (RFC 3261 §17.1.1.3).
    fn accepted(&self, messages: &[Signalling<'_>]) -> Option<usize> {
        let branch = |place: usize| messages.get(place).and_then(|message| message.branch);
        let own = branch(self.begun)?;
        self.acknowledged.filter(|ack| branch(*ack).is_some_and(|other| other != own))
    }

    fn described(&self) -> impl Iterator<Item = usize> {
        self.offer.into_iter().chain(self.answers.iter().map(|place| *place as usize))
    }
}

/// The exchanges of a dialog that were not refused, by time. `transaction` tells what is known of a message's.
pub(super) fn exchanges<'m>(
    dialog: Dialog<'m>,
    invite: Option<Noted<'m>>,
    transaction: impl Fn(Noted<'m>) -> Transaction,
) -> Exchanges {
    let mut exchanges: Vec<Exchange> = Vec::new();
    // The exchange that a request may begin; none for an attempt that does not count, and for a refused one.
    let begins = |message: Noted<'m>| {
        // The INVITE that counts, on whichever hop of those that cannot be told apart.
        let initial = invite.is_some_and(|invite| {
            let named = || invite.note.named.is_some() && invite.note.named == message.note.named;
            invite.place == message.place || (message.to.is_none() && named())
        });
        if message.to.is_none() && !initial {
            return None;
        }
        let of = transaction(message);
        let refused = of.outcome == Outcome::Refused;
        (initial || !refused).then(|| Exchange {
            begun: message.place,
            named: message.note.named.map(Named::of_invite),
            offer: message.describes().then_some(message.place),
            beside: Vec::new(),
            answers: ArrayVec::new(),
            agreed: None,
            acknowledged: None,
            initial,
            refused,
            confirms: !initial && message.method() == Some(Method::Invite),
            aside: !initial && !of.own,
        })
    };
    // The requests behind their responses, once one is asked for.
    let mut requests: Option<HashMap<Named, usize, Seed>> = None;
    let mut limited = false;
    for message in dialog.iter() {
        let Some(cseq) = message.cseq() else { continue };
        let method = of_invite(cseq);
        let asks = match message.start() {
            Start::Request(method) => matches!(method, Method::Invite | Method::Update | Method::Prack),
            Start::Response(status) => {
                if !(101..=299).contains(&status) || !matches!(method, Method::Invite | Method::Update | Method::Prack)
                {
                    continue;
                }
                false
            }
        };
        if exchanges.len() >= MOST_EXCHANGES {
            // What was answered without a description is done with.
            exchanges.retain(|exchange| exchange.agreed.is_none() || exchange.described().next().is_some());
        }
        let described = message.describes();
        let begun_by = |exchange: &Exchange| dialog.at(exchange.begun);
        let of_message = message.note.named.map(Named::of_invite);
        let is_own = |exchange: &Exchange| exchange.named == of_message;
        if asks {
            // The answer to what a reliable provisional response offered (RFC 3262 §5).
            let is_early =
                |place: usize| dialog.at(place).is_some_and(|offer| matches!(offer.start(), Start::Response(..=199)));
            let offered_early = exchanges.iter_mut().rev().find(|exchange| {
                method == Method::Prack
                    && described
                    && begun_by(exchange).is_some_and(|begun| begun.from == message.from)
                    && exchange.answers.is_empty()
                    && exchange.offer.is_some_and(is_early)
            });
            if let Some(exchange) = offered_early {
                exchange.answers.push(message.place as u32);
                continue;
            }
            // It may be known: from a response that stood before it by the clock of another capture, from another hop.
            let is_known = |exchange: &&mut Exchange| {
                is_own(exchange) && begun_by(exchange).is_some_and(|begun| begun.to == message.to)
            };
            let known = exchanges.iter_mut().find(is_known);
            if let Some(exchange) = known {
                if exchange.offer.is_none() && exchange.answers.is_empty() {
                    exchange.offer = begins(message).and_then(|again| again.offer);
                } else if exchange.initial && message.to.is_none() && described && exchange.beside.len() < MOST_ANSWERS
                {
                    exchange.beside.push(message.place as u32);
                }
            } else if exchanges.len() < MOST_EXCHANGES {
                exchanges.extend(begins(message));
            } else {
                limited = true;
            }
            continue;
        }
        let mut known = exchanges.iter().rposition(is_own);
        if known.is_none() && exchanges.len() >= MOST_EXCHANGES {
            limited = true;
        } else if known.is_none() {
            let before = exchanges.len();
            let of = transaction(message);
            if !of.request_captured {
                // The answer alone was captured: it stands for both.
                let confirms = !of.sets_up && method == Method::Invite;
                let exchange = Exchange {
                    begun: message.place,
                    named: of_message,
                    offer: None,
                    beside: Vec::new(),
                    answers: ArrayVec::new(),
                    agreed: None,
                    acknowledged: None,
                    initial: of.sets_up,
                    refused: false,
                    confirms,
                    aside: !of.sets_up && !of.own,
                };
                exchanges.extend(described.then_some(exchange));
            } else {
                let requests = requests.get_or_insert_with(|| requests_of(dialog));
                let request = of_message.and_then(|named| requests.get(&named)).and_then(|place| dialog.at(*place));
                exchanges.extend(request.and_then(begins));
            }
            known = (exchanges.len() > before).then_some(before);
        }
        let Some(exchange) = known.and_then(|known| exchanges.get_mut(known)) else { continue };
        let Start::Response(status) = message.start() else {
            if described && exchange.answers.is_empty() {
                exchange.answers.push(message.place as u32);
            }
            if message.method() == Some(Method::Ack) && exchange.confirms {
                exchange.acknowledged = exchange.acknowledged.or(Some(message.place));
            }
            continue;
        };
        if status >= 200 && exchange.agreed.is_none() {
            exchange.agreed = Some(message.place);
        }
        // A request that was cut may have made the offer; then the response answers it.
        let asked =
            begun_by(exchange).is_some_and(|begun| begun.is_request() && begun.header_whole() && !begun.body_cut());
        let by_request = |place: usize| dialog.at(place).is_some_and(|offer| offer.is_request());
        let offered_late = exchange.offer.is_some_and(|offer| !by_request(offer));
        match (described, asked) {
            (false, _) => {}
            // A request without an offer: the response makes it, the final one's standing (RFC 3264 §5).
            (true, true)
                if exchange.offer.is_none() || (offered_late && status >= 200 && exchange.answers.is_empty()) =>
            {
                exchange.offer = Some(message.place);
            }
            (true, true) if offered_late => {}
            (true, _) => limited |= !keep_answer(&mut exchange.answers, dialog, message, status),
        }
    }
    // A refused INVITE agreed on nothing but what a provisional answer let flow early.
    exchanges.retain_mut(|exchange| {
        exchange.refused &= exchange.answers.is_empty();
        exchange.described().next().is_some()
    });
    Exchanges { list: exchanges, limited }
}

/// The first request of each transaction that may offer; the ACK is none.
fn requests_of(dialog: Dialog<'_>) -> HashMap<Named, usize, Seed> {
    let mut requests = HashMap::default();
    for message in dialog.iter().filter(|message| message.is_request() && message.method() != Some(Method::Ack)) {
        if let Some(named) = message.note.named {
            requests.entry(named).or_insert(message.place);
        }
    }
    requests
}

/// The answer of a final response takes the place of its provisional ones; a fork's answer stands beside. Whether there was
/// room for it and for all before: that of a dialog that was confirmed takes the place of one that was not.
fn keep_answer(answers: &mut ArrayVec<u32, MOST_ANSWERS>, dialog: Dialog<'_>, message: Noted<'_>, status: u16) -> bool {
    let answer = |place: u32| dialog.at(place as usize);
    let is_final = |place: u32| answer(place).is_some_and(|answer| matches!(answer.start(), Start::Response(200..)));
    let is_same = |place: u32| answer(place).is_some_and(|answer| answer.to == message.to);
    if let Some(same) = answers.iter_mut().find(|known| is_same(**known)) {
        if status >= 200 && !is_final(*same) {
            *same = message.place as u32;
        }
        return true;
    }
    let mut has_room = answers.try_push(message.place as u32).is_ok();
    if !has_room && status >= 200 {
        // The confirmed ones stand first.
        if let Some(last) = answers.last_mut().filter(|last| !is_final(**last)) {
            *last = message.place as u32;
        }
        has_room = false;
    }
    // The dialog that was confirmed first stands first.
    answers.sort_by_key(|answer| !is_final(*answer));
    has_room
}

/// The streams that the exchanges accepted, in SDP order.
///
/// `streams` is an empty list to fill; their endpoints are told where there are `addresses`. `began` is the leg's first
/// message: what its first descriptions name is its own from then on. `answered` is the 2xx that set up the leg; without
/// one, and with an INVITE that was captured, only a re-INVITE's 2xx shows that a dialog was confirmed.
pub(super) fn streams<'a>(
    (messages, steps): (&[Signalling<'a>], &[Step]),
    Exchanges { list: exchanges, limited }: &Exchanges,
    mut addresses: Option<&mut Addresses<'a>>,
    (began, answered, invite_captured): (Timestamp, Option<Timestamp>, bool),
    mut streams: Vec<Stream<'a>>,
) -> Vec<Stream<'a>> {
    let mut described: Vec<Described> = Vec::new();
    for exchange in exchanges {
        let at = |place: &u32| messages.get(*place as usize);
        let first = exchange.offer.and_then(|place| messages.get(place));
        let second = exchange.answers.first().and_then(at);
        let sections = |message: Option<&Signalling<'a>>| message.and_then(Signalling::sections);
        let count = sections(first).max(sections(second)).unwrap_or(0);
        let since = first.or(second).map(|message| message.at);
        // In the setting up, media runs from the 2xx; where it was not captured, nothing shows when it began.
        let agreed = exchange.agreed.or_else(|| exchange.accepted(messages));
        let agreed = agreed.and_then(|place| messages.get(place)).map(|message| message.at);
        let opens = match answered {
            Some(answered) if exchange.initial => Some(answered),
            Some(answered) => agreed.map(|agreed| agreed.max(answered)),
            None if exchange.initial || exchange.confirms || !invite_captured => agreed,
            None => None,
        };
        // Section by section beside each other: looking for each from the first on would take the square of their number.
        let [mut offers, mut answers] = [first, second].map(|message| message.and_then(Signalling::media));
        let described_there = |place: &u32| (*place as usize, at(place).and_then(Signalling::media), None);
        let forks = exchange.answers.get(1..).unwrap_or_default();
        let mut forks: Vec<_> = forks.iter().map(described_there).collect();
        forks.extend(exchange.beside.iter().map(described_there));
        for index in 0..count {
            let (offer, answer) = (next(&mut offers), next(&mut answers));
            forks.iter_mut().for_each(|(_, sections, section)| *section = next(sections));
            // A description that was captured whole and lacks the section rejects it; a cut one says nothing of it.
            let is_whole = |message: Option<&Signalling<'_>>| message.is_some_and(|message| message.body != Body::Cut);
            let accepted = match (offer, answer) {
                (Some(offer), Some(answer)) => offer.port != Some(0) && answer.port != Some(0),
                (Some(offer), None) => offer.port != Some(0) && !is_whole(second),
                (None, Some(answer)) => answer.port != Some(0) && !is_whole(first),
                (None, None) => false,
            };
            let best = answer.or(offer).filter(|_| accepted);
            let (known, end) = of_index(&streams, index as u32, best.map(|best| best.media));
            if best.is_none() || known.is_none() {
                // Rejected, or another medium takes its place.
                let at = if best.is_none() { opens.or(since) } else { opens };
                if let Some(at) = at.filter(|_| !exchange.aside) {
                    let of_index = streams.iter_mut().take(end).rev().take_while(|stream| stream.index == index as u32);
                    of_index.for_each(|stream| stream.close(at));
                }
            }
            let Some(best) = best else { continue };
            let place = match known {
                Some(place) => place,
                // What came to nothing opens no stream.
                None if exchange.aside => continue,
                None => {
                    let place = end;
                    if streams.capacity() == 0 {
                        // No room for more than there may be.
                        streams.reserve_exact(count - index);
                    }
                    let stream = Stream {
                        index: index as u32,
                        media: best.media,
                        codecs: best.codecs,
                        offer: offer.as_ref().map(endpoint),
                        answer: answer.as_ref().map(endpoint),
                        windows: Few::new(),
                        endpoints: Few::new(),
                        if_media: exchange.refused,
                        flows: Vec::new(),
                        behind_nat: Vec::new(),
                        beyond_limits: false,
                    };
                    if place == streams.len() {
                        streams.push(stream);
                    } else {
                        streams.insert(place, stream);
                    }
                    place
                }
            };
            let Some(stream) = streams.get_mut(place) else { continue };
            if let Some(from) = opens.filter(|_| !exchange.aside)
                && stream.windows.last().is_none_or(|(_, end)| end.is_some())
            {
                stream.windows.push((from, None));
            }
            let Some((since, addresses)) = since.zip(addresses.as_deref_mut()) else { continue };
            let mut add = |place: usize, negotiated: Option<MediaDescription<'a>>| {
                let (Some(step), Some(negotiated)) = (steps.get(place), negotiated) else { return };
                // What its sender said before was not captured: then the port may have been its own from the beginning.
                let is_first = exchange.initial || !described.iter().any(|known| known.covers(step, index));
                let Some(socket) = addresses.socket(&negotiated) else { return };
                if stream.endpoints.iter().any(|known| known.until.is_none() && known.socket == socket) {
                    return;
                }
                let by = step.sender();
                if let Some(at) = opens.filter(|_| !exchange.aside && !exchange.initial) {
                    stream.give_up(at, |known| known == by);
                }
                let since = if is_first { began.min(since) } else { since };
                stream.endpoints.push(Negotiated { socket, since, until: None, by });
            };
            if let Some(place) = exchange.offer {
                add(place, offer);
            }
            if let Some(place) = exchange.answers.first() {
                add(*place as usize, answer);
            }
            forks.iter().for_each(|(place, _, section)| add(*place, *section));
            // A fork that only a provisional response speaks of lost when another one was confirmed.
            let confirmed = exchange.agreed.and_then(|place| steps.get(place)).map(Step::sender);
            for step in forks.iter().filter_map(|(place, ..)| steps.get(*place)) {
                let is_lost = matches!(step.start(), Start::Response(..=199))
                    && confirmed.is_some_and(|confirmed| confirmed != step.sender());
                if let Some(at) = agreed.filter(|_| is_lost) {
                    stream.give_up(at, |known| known == step.sender());
                }
            }
        }
        if exchanges.len() > 1 {
            let own = exchange.described().filter_map(|place| messages.get(place).zip(steps.get(place)));
            described.extend(own.map(|(message, step)| Described::of(message, step)));
        }
    }
    if *limited {
        streams.iter_mut().for_each(|stream| stream.beyond_limits = true);
    }
    streams
}

/// The stream of a media description that a later one of the same place and medium goes on with, and the end of those of
/// its place. Where another medium took the place meanwhile there is none, nor where the description has no medium.
fn of_index(streams: &[Stream<'_>], index: u32, media: Option<&[u8]>) -> (Option<usize>, usize) {
    // They stand in order; most calls have one.
    let end = match streams.last() {
        Some(last) if last.index > index => streams.partition_point(|stream| stream.index <= index),
        _ => streams.len(),
    };
    let own = streams.iter().enumerate().take(end).rev().take_while(|(_, stream)| stream.index == index);
    // What was offered and not seen accepted took no place.
    let is_same = |stream: &Stream<'_>| media.is_some_and(|media| stream.media.eq_ignore_ascii_case(media));
    let mut standing = own.skip_while(|(_, stream)| stream.windows.is_empty() && !is_same(stream));
    (standing.next().filter(|(_, stream)| is_same(stream)).map(|(place, _)| place), end)
}

/// The next section of a message that has any.
fn next<'a>(sections: &mut Option<impl Iterator<Item = MediaDescription<'a>>>) -> Option<MediaDescription<'a>> {
    sections.as_mut().and_then(Iterator::next)
}

/// What one side was seen to describe.
struct Described {
    /// Its tag.
    by: Tag,
    /// The sections that were captured; all that there are where the description was captured whole.
    sections: usize,
}

impl Described {
    fn of(message: &Signalling<'_>, step: &Step) -> Self {
        let captured = message.sections().unwrap_or(0);
        Self { by: step.sender(), sections: if step.body_cut() { captured } else { usize::MAX } }
    }

    fn covers(&self, step: &Step, index: usize) -> bool {
        self.by == step.sender() && index < self.sections
    }
}

fn endpoint<'a>(media: &MediaDescription<'a>) -> Endpoint<'a> {
    Endpoint { address: media.address, port: media.port }
}

/// The address that a description names, also in brackets or with zeros before its decimal numbers, as some devices write it;
/// `None` for a host name.
pub(super) fn read_address(written: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(written).ok()?;
    text.parse().ok().or_else(|| {
        let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
        let mut numbers = bare
            .split('.')
            .map(|number| number.parse::<u8>().ok().filter(|_| number.len() <= 3 && !number.starts_with('+')));
        let mut next = || numbers.next().flatten();
        let quad = [next(), next(), next(), next()];
        match (quad, numbers.next()) {
            ([Some(a), Some(b), Some(c), Some(d)], None) => Some(IpAddr::from([a, b, c, d])),
            _ => bare.parse().ok(),
        }
    })
}

/// The addresses that were read last.
#[derive(Default)]
pub(super) struct Addresses<'a> {
    known: Recent<'a, Option<IpAddr>>,
}

impl<'a> Addresses<'a> {
    /// The socket that a media description names; `None` for a host name, for 0.0.0.0 and for port 0.
    fn socket(&mut self, media: &MediaDescription<'a>) -> Option<SocketAddr> {
        let port = media.port.filter(|port| *port != 0)?;
        let address = self.known.or_find(media.address, || {
            let address = read_address(media.address);
            address.filter(|address| !address.is_unspecified()).map(|address| address.to_canonical())
        });
        Some(SocketAddr::new(address?, port))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_devices_write_them() {
        let read = |text: &str| read_address(text.as_bytes()).map(|address| address.to_string());
        for (written, is) in [
            ("203.0.113.10", Some("203.0.113.10")),
            ("203.000.113.010", Some("203.0.113.10")),
            ("[203.0.113.10]", Some("203.0.113.10")),
            ("[2001:db8::10]", Some("2001:db8::10")),
            ("2001:DB8::10", Some("2001:db8::10")),
            ("203.0.113.0010", None),
            ("203.0.113", None),
            ("203.0.113.10.1", None),
            ("203.0.113.256", None),
            ("media.example", None),
            ("[media.example", None),
            ("", None),
        ] {
            assert_eq!(read(written).as_deref(), is, "{written}");
        }
    }
}
