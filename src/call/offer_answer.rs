//! Offers and answers over the life of a dialog (RFC 3264, RFC 3261 §13.2.1), into media streams.
//!
//! A stream is one media description that offer and answer accepted; where only one of the two was captured it stands
//! for both. Its windows are the times the signalling gives it; its endpoints are what RTP is tied by. What an early dialog
//! negotiated that no 2xx confirmed says where its early media goes, and opens and ends no stream.

use std::net::{IpAddr, SocketAddr};

use super::ledger::Outcome;
use crate::evidence::{Locus, Timestamp};
use crate::facts::{Body, CSeq, MediaDescription, MediaFlow, Method, Signalling, StartLine};

/// Offers and answers of one dialog that are followed. More are an attack, not a call.
const MOST_EXCHANGES: usize = 1024;

/// Responses of a dialog whose requests are looked for behind them.
const MOST_EARLY_RESPONSES: usize = 64;

/// One media stream of a leg.
#[derive(Clone, Debug)]
pub struct Stream<'a> {
    /// Its place among the media descriptions, from 0.
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
    pub windows: Vec<(Timestamp, Option<Timestamp>)>,
    /// Every address and port that was negotiated for it, and since when.
    pub endpoints: Vec<(SocketAddr, Timestamp)>,
    /// Whether it is one only if RTP is tied to it: its offer was refused, and no answer captured.
    pub if_media: bool,
    /// The RTP flows tied to it, with their runs within the dialog's life.
    pub flows: Vec<MediaFlow>,
    /// Packets that came from an address or went to one that no description names, though both sides' were captured:
    /// the first packet of each such flow.
    pub behind_nat: Vec<Locus>,
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
        self.endpoints.iter().any(|(socket, _)| socket.ip() == address)
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
pub(crate) struct Transaction {
    /// What became of it.
    pub(crate) outcome: Outcome,
    /// Whether its request was captured.
    pub(crate) request_captured: bool,
    /// Whether it is the one that set up the leg.
    pub(crate) sets_up: bool,
    /// Whether it belongs to a dialog of the leg: one that a 2xx confirmed or, before any 2xx, an early one.
    pub(crate) own: bool,
}

/// One offer with its answer.
#[derive(Clone, Debug)]
pub(crate) struct Exchange<'m, 'a> {
    offer: Option<&'m Signalling<'a>>,
    /// The answers; several when the offer forked.
    answers: Vec<&'m Signalling<'a>>,
    /// When the answer was given: the 2xx where one was seen.
    agreed: Option<Timestamp>,
    /// Whether it set up the leg.
    initial: bool,
    /// Whether it was refused and no answer captured: only RTP shows that something was agreed on.
    refused: bool,
    /// Whether it is a re-INVITE's: its 2xx shows a confirmed dialog.
    confirms: bool,
    /// Whether it was made in an early dialog that came to nothing.
    aside: bool,
}

impl Exchange<'_, '_> {
    /// The message that carries its description.
    pub(crate) fn locus(&self) -> Option<Locus> {
        self.offer.iter().chain(&self.answers).map(|message| message.locus).next()
    }
}

/// The exchanges of a dialog that were not refused, by time. `transaction` tells what is known of a message's.
pub(crate) fn exchanges<'m, 'a>(
    messages: &[&'m Signalling<'a>],
    invite: Option<&'m Signalling<'a>>,
    transaction: impl Fn(&Signalling<'a>) -> Transaction,
) -> Vec<Exchange<'m, 'a>> {
    let mut exchanges: Vec<(&'m Signalling<'a>, Exchange<'m, 'a>)> = Vec::new();
    // The exchange that a request may begin; none for an attempt that does not count, and for a refused one.
    let begins = |message: &'m Signalling<'a>| {
        let initial = invite.is_some_and(|invite| invite.locus == message.locus);
        let attempt = message.to_tag.is_none() && !initial;
        let refused = transaction(message).outcome == Outcome::Refused;
        (!attempt && (initial || !refused)).then(|| Exchange {
            offer: describes(message).then_some(message),
            answers: Vec::new(),
            agreed: None,
            initial,
            refused,
            confirms: !initial && message.method() == Some(Method::Invite),
            aside: !initial && !transaction(message).own,
        })
    };
    let mut early_responses = 0;
    for message in messages.iter().copied() {
        let Some(cseq) = message.cseq else { continue };
        let described = describes(message);
        let method = transaction_method(cseq);
        let own = |begun: &Signalling<'a>| {
            let own = begun.cseq.map(|own| (own.number, transaction_method(own)));
            begun.from_tag == message.from_tag && own == Some((cseq.number, method))
        };
        let asks = match message.start {
            StartLine::Request { method, .. } => matches!(method, Method::Invite | Method::Update | Method::Prack),
            StartLine::Response(status) => {
                if !(101..=299).contains(&status) || !matches!(method, Method::Invite | Method::Update | Method::Prack)
                {
                    continue;
                }
                false
            }
        };
        if asks {
            // The answer to what a reliable provisional response offered (RFC 3262 §5).
            let is_early = |offer: &Signalling<'_>| matches!(offer.start, StartLine::Response(..=199));
            let offered_early = exchanges.iter_mut().rev().take(64).find(|(begun, exchange)| {
                method == Method::Prack
                    && described
                    && begun.from_tag == message.from_tag
                    && exchange.answers.is_empty()
                    && exchange.offer.is_some_and(is_early)
            });
            if let Some((_, exchange)) = offered_early {
                exchange.answers.push(message);
                continue;
            }
            // It may be known: from a response that stood before it by the clock of another capture, from another hop.
            let known = exchanges.iter().position(|(begun, _)| own(begun) && begun.to_tag == message.to_tag);
            if let Some((_, exchange)) = known.and_then(|known| exchanges.get_mut(known)) {
                if exchange.offer.is_none() && exchange.answers.is_empty() {
                    exchange.offer = begins(message).and_then(|again| again.offer);
                }
            } else if exchanges.len() < MOST_EXCHANGES {
                exchanges.extend(begins(message).map(|exchange| (message, exchange)));
            }
            continue;
        }
        if !exchanges.iter().rev().any(|(begun, _)| own(begun)) && exchanges.len() < MOST_EXCHANGES {
            let of = transaction(message);
            if !of.request_captured {
                // The answer alone was captured: it stands for both.
                let confirms = !of.sets_up && method == Method::Invite;
                let exchange = Exchange {
                    offer: None,
                    answers: Vec::new(),
                    agreed: None,
                    initial: of.sets_up,
                    refused: false,
                    confirms,
                    aside: !of.sets_up && !of.own,
                };
                exchanges.extend(described.then_some((message, exchange)));
            } else if early_responses < MOST_EARLY_RESPONSES {
                early_responses += 1;
                let is_its =
                    |other: &&'m Signalling<'a>| is_request(other) && other.method() == Some(method) && own(other);
                let request = messages.iter().copied().find(is_its);
                exchanges.extend(request.and_then(|request| Some((request, begins(request)?))));
            }
        }
        let Some((begun, exchange)) = exchanges.iter_mut().rev().find(|(begun, _)| own(begun)) else { continue };
        let StartLine::Response(status) = message.start else {
            if described && exchange.answers.is_empty() {
                exchange.answers.push(message);
            }
            continue;
        };
        if status >= 200 && exchange.agreed.is_none() {
            exchange.agreed = Some(message.at);
        }
        // A request that was cut may have made the offer; then the response answers it.
        let asked = is_request(begun) && begun.header_whole && begun.body != Body::Cut;
        let offered_late = exchange.offer.is_some_and(|offer| !is_request(offer));
        match (described, asked) {
            (false, _) => {}
            // A request without an offer: the response makes it, the final one's standing (RFC 3264 §5).
            (true, true)
                if exchange.offer.is_none() || (offered_late && status >= 200 && exchange.answers.is_empty()) =>
            {
                exchange.offer = Some(message);
            }
            (true, true) if offered_late => {}
            (true, _) => keep_answer(&mut exchange.answers, message, status),
        }
    }
    // A refused INVITE agreed on nothing but what a provisional answer let flow early.
    exchanges
        .into_iter()
        .map(|(_, exchange)| Exchange { refused: exchange.refused && exchange.answers.is_empty(), ..exchange })
        .filter(|exchange| exchange.locus().is_some())
        .collect()
}

/// The method of a transaction: an ACK's is its INVITE's.
fn transaction_method(cseq: CSeq) -> Method {
    if cseq.method == Method::Ack { Method::Invite } else { cseq.method }
}

fn is_request(message: &Signalling<'_>) -> bool {
    matches!(message.start, StartLine::Request { .. })
}

/// Whether a message describes media: a description that was cut before its first section says nothing.
fn describes(message: &Signalling<'_>) -> bool {
    message.media().is_some_and(|media| media.len() > 0 || message.body != Body::Cut)
}

/// The answer of a final response takes the place of its provisional ones; a fork's answer stands beside.
fn keep_answer<'m, 'a>(answers: &mut Vec<&'m Signalling<'a>>, message: &'m Signalling<'a>, status: u16) {
    let is_final = |answer: &Signalling<'_>| matches!(answer.start, StartLine::Response(200..));
    if let Some(same) = answers.iter_mut().find(|answer| answer.to_tag == message.to_tag) {
        if status >= 200 && !is_final(same) {
            *same = message;
        }
    } else if answers.len() < 16 {
        answers.push(message);
        // The dialog that was confirmed first stands first.
        answers.sort_by_key(|answer| !is_final(answer));
    }
}

/// The streams that the exchanges accepted, in SDP order.
///
/// `began` is the leg's first message: what its first descriptions name is its own from then on. `answered` is the 2xx
/// that set up the leg; without one, and with an INVITE that was captured, only a re-INVITE's 2xx shows that a dialog
/// was confirmed.
pub(crate) fn streams<'a>(
    exchanges: &[Exchange<'_, 'a>],
    began: Timestamp,
    answered: Option<Timestamp>,
    invite_captured: bool,
) -> Vec<Stream<'a>> {
    let mut streams: Vec<Option<Stream<'a>>> = Vec::new();
    let mut described: Vec<Described<'a>> = Vec::new();
    for exchange in exchanges {
        let answer = exchange.answers.first().copied();
        let offered: Option<Vec<_>> = exchange.offer.as_ref().and_then(|offer| offer.media().map(Iterator::collect));
        let agreed: Option<Vec<_>> = answer.and_then(|answer| answer.media().map(Iterator::collect));
        let count = offered.as_ref().map_or(0, Vec::len).max(agreed.as_ref().map_or(0, Vec::len));
        let (first, second) = (exchange.offer, answer);
        let since = first.or(second).map(|message| message.at);
        // In the setting up, media runs from the 2xx; where it was not captured, nothing shows when it began.
        let opens = match answered {
            Some(answered) if exchange.initial => Some(answered),
            Some(answered) => exchange.agreed.map(|agreed| agreed.max(answered)),
            None if exchange.initial || exchange.confirms || !invite_captured => exchange.agreed,
            None => None,
        };
        for index in 0..count {
            let offer: Option<&MediaDescription<'a>> = offered.as_ref().and_then(|media| media.get(index));
            let answer: Option<&MediaDescription<'a>> = agreed.as_ref().and_then(|media| media.get(index));
            // A description that was captured whole and lacks the section rejects it; a cut one says nothing of it.
            let whole = |message: Option<&Signalling<'_>>| message.is_some_and(|message| message.body != Body::Cut);
            let accepted = match (offer, answer) {
                (Some(offer), Some(answer)) => offer.port != Some(0) && answer.port != Some(0),
                (Some(offer), None) => offer.port != Some(0) && !(second.is_some() && whole(second)),
                (None, Some(answer)) => answer.port != Some(0) && !(first.is_some() && whole(first)),
                (None, None) => false,
            };
            if streams.len() <= index {
                // Most calls have one: no room for more than there are.
                streams.reserve_exact(count - index);
                streams.push(None);
            }
            let Some(place) = streams.get_mut(index) else { continue };
            if exchange.aside && (!accepted || place.is_none()) {
                continue;
            }
            if !accepted {
                if let (Some(stream), Some(at)) = (place.as_mut(), opens.or(since))
                    && let Some((_, end @ None)) = stream.windows.last_mut()
                {
                    *end = Some(at);
                }
                continue;
            }
            let Some(best) = answer.or(offer) else { continue };
            let stream = place.get_or_insert_with(|| Stream {
                index: index as u32,
                media: best.media,
                codecs: best.codecs,
                offer: offer.map(endpoint),
                answer: answer.map(endpoint),
                windows: Vec::with_capacity(1),
                endpoints: Vec::with_capacity(2),
                if_media: exchange.refused,
                flows: Vec::new(),
                behind_nat: Vec::new(),
            });
            if let Some(from) = opens.filter(|_| !exchange.aside)
                && stream.windows.last().is_none_or(|(_, end)| end.is_some())
            {
                stream.windows.push((from, None));
            }
            let Some(since) = since else { continue };
            for message in exchange.offer.iter().chain(&exchange.answers).copied() {
                let Some(negotiated) = message.media().and_then(|mut media| media.nth(index)) else { continue };
                // What its sender said before was not captured: then the port may have been its own from the beginning.
                let is_first = exchange.initial || !described.iter().any(|known| known.covers(message, index));
                if let Some(socket) = socket(&negotiated)
                    && !stream.endpoints.iter().any(|(known, _)| *known == socket)
                {
                    stream.endpoints.push((socket, if is_first { began.min(since) } else { since }));
                }
            }
        }
        if exchanges.len() > 1 {
            described.extend(exchange.offer.iter().chain(&exchange.answers).copied().map(Described::of));
        }
    }
    streams.into_iter().flatten().collect()
}

/// What one side was seen to describe.
struct Described<'a> {
    /// Its tag.
    by: Option<&'a [u8]>,
    /// The sections that were captured; all that there are where the description was captured whole.
    sections: usize,
}

impl<'a> Described<'a> {
    fn of(message: &Signalling<'a>) -> Self {
        let captured = message.media().map_or(0, |media| media.len());
        Self { by: sender(message), sections: if message.body == Body::Cut { captured } else { usize::MAX } }
    }

    fn covers(&self, message: &Signalling<'_>, index: usize) -> bool {
        self.by == sender(message) && index < self.sections
    }
}

/// The tag of the side that sent a message.
fn sender<'a>(message: &Signalling<'a>) -> Option<&'a [u8]> {
    match message.start {
        StartLine::Request { .. } => message.from_tag,
        StartLine::Response(_) => message.to_tag,
    }
}

fn endpoint<'a>(media: &MediaDescription<'a>) -> Endpoint<'a> {
    Endpoint { address: media.address, port: media.port }
}

/// The socket that a media description names; `None` for a host name, for 0.0.0.0 and for port 0.
fn socket(media: &MediaDescription<'_>) -> Option<SocketAddr> {
    let address: IpAddr = std::str::from_utf8(media.address).ok()?.parse().ok()?;
    let port = media.port.filter(|port| *port != 0)?;
    (!address.is_unspecified()).then(|| SocketAddr::new(address.to_canonical(), port))
}
