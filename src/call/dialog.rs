//! One leg out of its messages: copies taken out, hops told apart, transactions and dialogs read (RFC 3261 §12, §17).

use hashbrown::HashMap;

use super::ledger::{Entry, Gap, GapKind, Outcome, SetUp};
use super::legs::{At, Identifier, Leg, proves_invite};
use super::offer_answer::{self, Exchange};
use super::trunk::{self, Direction};
use crate::evidence::Locus;
use crate::facts::{Body, CSeq, Hop, Method, Signalling, StartLine, Subject};
use crate::settings::Settings;

/// Dialogs of one leg that are told apart. More are forks of an attack, not of a call.
const MOST_DIALOGS: usize = 64;

/// Distinct identifiers of one leg that are kept. A dialog that carries more names nothing.
const MOST_IDENTIFIERS: usize = 64;

type Seed = foldhash::fast::RandomState;

/// A transaction, as the dialog needs it: the sender's tag, number and method (RFC 3261 §17; an ACK shares its INVITE's).
pub(crate) type TransactionKey<'a> = (Option<&'a [u8]>, CSeq);

/// One sender within one dialog: its own tag and the peer's.
type Sender<'a> = (Option<&'a [u8]>, Option<&'a [u8]>);

/// What was seen of a transaction.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seen {
    /// Whether its request was captured.
    pub(crate) request: bool,
    /// Whether that request carried a To tag.
    in_dialog: bool,
    /// The first 2xx.
    accepted: Option<At>,
    /// The last final response of 300 or above.
    refused: Option<(u16, At)>,
    /// Any other message that shows it: a provisional response, an ACK.
    shown: Option<At>,
}

impl Seen {
    fn outcome(&self) -> Outcome {
        match (self.accepted, self.refused) {
            (Some(_), _) => Outcome::Accepted,
            (None, Some(_)) => Outcome::Refused,
            (None, None) => Outcome::Unknown,
        }
    }
}

/// Reads the messages of one leg, sorted by time; `None` when no INVITE dialog is among them.
pub(crate) fn leg<'a>(captured: &[Signalling<'a>], settings: &Settings) -> Option<Leg<'a>> {
    if !captured.iter().any(proves_invite) {
        return None;
    }
    let messages = without_copies(captured);
    let (first, last) = (at(messages.first()?), at(messages.last()?));
    let hops = Hops::of(&messages);
    let (trunk, counting) = hops.choose(&messages, settings);
    let on_dialog: Vec<&Signalling<'a>> = hops.dialog(&messages, counting).collect();
    let transactions = transactions(&on_dialog);

    let mut ledger = Vec::new();
    let mut initial: Vec<(usize, &Signalling<'a>)> = Vec::new();
    for (index, message) in messages.iter().enumerate() {
        let StartLine::Request { method: method @ (Method::Invite | Method::Update), .. } = message.start else {
            continue;
        };
        let counts = hops.is_dialog(index, counting);
        let is_initial = message.to_tag.is_none() && method == Method::Invite;
        if is_initial && hops.is(index, counting) {
            initial.push((ledger.len(), message));
        }
        ledger.push(Entry {
            at: message.at,
            locus: message.locus,
            method,
            cseq: message.cseq.map(|cseq| cseq.number),
            initial: is_initial,
            counts,
            header_whole: message.header_whole,
            outcome: message
                .cseq
                .filter(|_| counts)
                .and_then(|cseq| transactions.get(&(message.from_tag, cseq)))
                .map_or(Outcome::Unknown, Seen::outcome),
            fields: message
                .rows()
                .filter_map(|row| match row.subject {
                    Subject::Consent(rule) => Some((rule, row.name, row.value)),
                    _ => None,
                })
                .collect(),
        });
    }

    let setting_up = SettingUp::of(&on_dialog, &initial, &transactions, &ledger);
    let invite = match setting_up.set_up {
        SetUp::Entry(entry) => initial.iter().find(|(index, _)| *index == entry).map(|(_, invite)| *invite),
        SetUp::HopsDisagree(_) | SetUp::NotCaptured(_) => None,
    };
    let any_initial = invite.or_else(|| initial.first().map(|(_, invite)| *invite));
    let direction = match (trunk.and_then(|trunk| settings.trunks.get(trunk)), any_initial) {
        (Some(trunk), Some(invite)) => trunk::direction(trunk, invite),
        _ => Direction::Unknown,
    };
    let ended = end(&on_dialog, &transactions, &setting_up);
    let gaps = if setting_up.confirmed.is_empty() && !on_dialog.iter().any(|message| message.to_tag.is_some()) {
        Vec::new()
    } else {
        gaps(&on_dialog, &transactions, invite, first)
    };
    let parties = any_initial.or_else(|| on_dialog.first().copied())?;
    let caller = any_initial.map(|invite| invite.hop.source.ip());
    let exchanges = offer_answer::exchanges(&on_dialog, invite, |message| {
        message
            .cseq
            .and_then(|cseq| transactions.get(&(message.from_tag, cseq)))
            .map_or(Outcome::Unknown, Seen::outcome)
    });
    let described = exchanges.iter().find_map(Exchange::locus);
    let trunk_settings = trunk.and_then(|trunk| settings.trunks.get(trunk));
    Some(Leg {
        call_id: parties.call_id,
        trunk,
        direction,
        from_uri: parties.from_uri,
        to_uri: parties.to_uri,
        first,
        last: on_dialog.last().map_or(last, |message| at(message)),
        answered: setting_up.answered,
        ended,
        final_status: setting_up.final_status,
        cancelled: setting_up.cancelled,
        set_up: setting_up.set_up,
        ledger,
        gaps,
        streams: offer_answer::streams(&exchanges, setting_up.answered.map(|answered| answered.at)),
        described,
        recording_session: find_row(&messages, Subject::RecordingSession).map(|(_, locus)| locus),
        replaces: invite.and_then(|invite| {
            invite.rows().find(|row| row.subject == Subject::Replaces).map(|row| {
                let call_id = row.value.split(|byte| *byte == b';').next().unwrap_or_default();
                (call_id.trim_ascii(), invite.locus)
            })
        }),
        identifiers: identifiers(&messages, |message| trunk::from_platform(trunk_settings, direction, message, caller)),
    })
}

fn at(message: &Signalling<'_>) -> At {
    At { at: message.at, locus: message.locus }
}

fn find_row<'a>(messages: &[Signalling<'a>], subject: Subject) -> Option<(&'a [u8], Locus)> {
    messages
        .iter()
        .find_map(|message| message.rows().find(|row| row.subject == subject).map(|row| (row.value, message.locus)))
}

/// Takes out retransmissions and second copies: the same message between the same two addresses. Of several copies
/// the first time stands, with the first whole copy's content and record.
fn without_copies<'a>(captured: &[Signalling<'a>]) -> Vec<Signalling<'a>> {
    let mut messages: Vec<Signalling<'a>> = Vec::with_capacity(captured.len());
    if captured.len() <= 24 {
        for message in captured {
            match messages.iter_mut().find(|known| is_copy(known, message)) {
                Some(known) => keep_better(known, message),
                None => messages.push(*message),
            }
        }
        return messages;
    }
    let mut known: HashMap<_, Vec<usize>, Seed> = HashMap::default();
    for message in captured {
        // A cut message may lack all but these; whatever copies it shares them.
        let alike = known.entry((message.hop, start_key(message))).or_default();
        // Bounded: a flood of distinct messages between two addresses is not compared without end.
        let copy = alike
            .iter()
            .rev()
            .take(64)
            .find(|index| messages.get(**index).is_some_and(|known| is_copy(known, message)));
        match copy.and_then(|index| messages.get_mut(*index)) {
            Some(known) => keep_better(known, message),
            None => {
                alike.push(messages.len());
                messages.push(*message);
            }
        }
    }
    messages
}

fn start_key(message: &Signalling<'_>) -> (Option<Method>, u16) {
    match message.start {
        StartLine::Request { method, .. } => (Some(method), 0),
        StartLine::Response(status) => (None, status),
    }
}

/// Whether two messages of a Call-ID are the same one. The branch and CSeq of one sender name one transaction
/// (RFC 3261 §17.1.3, §17.2.3), so what is alike in them and in its start line is a copy; a field that the cut took
/// away is taken as alike. Requests that say different things of consent are never copies.
fn is_copy(known: &Signalling<'_>, message: &Signalling<'_>) -> bool {
    if known.hop != message.hop || start_key(known) != start_key(message) || known.transport != message.transport {
        return false;
    }
    if known.fingerprint == message.fingerprint {
        return true;
    }
    let cut = !known.header_whole || !message.header_whole;
    let alike = |one: Option<&[u8]>, other: Option<&[u8]>| one == other || (cut && (one.is_none() || other.is_none()));
    let same_number = known.cseq == message.cseq || (cut && (known.cseq.is_none() || message.cseq.is_none()));
    if !same_number
        || !alike(known.branch, message.branch)
        || !alike(known.to_tag, message.to_tag)
        || !alike(known.from_tag, message.from_tag)
    {
        return false;
    }
    let speaks = |message: &Signalling<'_>| message.rows().any(|row| matches!(row.subject, Subject::Consent(_)));
    let says = |of: &Signalling<'_>, other: &Signalling<'_>| {
        of.rows()
            .filter(|row| matches!(row.subject, Subject::Consent(_)))
            .all(|row| other.rows().any(|twin| twin.subject == row.subject && twin.value == row.value))
    };
    if cut {
        // What a cut copy still says must stand in the whole one too.
        return match (known.header_whole, message.header_whole) {
            (true, false) => !speaks(message) || says(message, known),
            (false, true) => !speaks(known) || says(known, message),
            _ => says(known, message) || says(message, known),
        };
    }
    says(known, message) && says(message, known)
}

/// Keeps the earlier time and the fuller content of two copies.
fn keep_better<'a>(known: &mut Signalling<'a>, copy: &Signalling<'a>) {
    let rank = |message: &Signalling<'_>| (message.header_whole, message.body != Body::Cut);
    if rank(copy) > rank(known) {
        let first = known.at;
        *known = *copy;
        known.at = first;
    }
}

/// The hops of a leg: the pairs of addresses its messages went between.
struct Hops {
    /// For each message its hop.
    of: Vec<usize>,
    /// For each hop whether an initial INVITE went over it, in the order of their first message.
    initial: Vec<bool>,
}

impl Hops {
    fn of(messages: &[Signalling<'_>]) -> Self {
        // Two initial INVITEs of one CSeq between the same addresses but other ports are two hops of one host.
        let mut pairs: Vec<Hop> = Vec::new();
        let invites: Vec<&Signalling<'_>> =
            messages.iter().filter(|message| is_initial_invite(message)).take(MOST_DIALOGS).collect();
        let by_port = invites.iter().enumerate().any(|(index, message)| {
            invites.iter().take(index).any(|other| {
                address_pair(other.hop) == address_pair(message.hop)
                    && socket_pair(other.hop) != socket_pair(message.hop)
                    && other.cseq == message.cseq
                    && other.from_tag == message.from_tag
            })
        });
        let mut of = Vec::with_capacity(messages.len());
        let mut initial = Vec::new();
        for message in messages {
            let own = pairs.iter().position(|pair| {
                if by_port {
                    *pair == socket_pair(message.hop)
                } else {
                    address_pair(*pair) == address_pair(message.hop)
                }
            });
            let hop = own.unwrap_or_else(|| {
                pairs.push(socket_pair(message.hop));
                initial.push(false);
                pairs.len() - 1
            });
            of.push(hop);
            if is_initial_invite(message)
                && let Some(initial) = initial.get_mut(hop)
            {
                *initial = true;
            }
        }
        Self { of, initial }
    }

    /// The trunk of the leg and the hop that counts (contract §3).
    fn choose(&self, messages: &[Signalling<'_>], settings: &Settings) -> (Option<usize>, usize) {
        let has_initial = self.initial.contains(&true);
        // Judged by the initial INVITEs; by every packet of the dialog when none was captured.
        let judged = |hop: usize| {
            messages.iter().zip(&self.of).filter_map(move |(message, of)| {
                (*of == hop && (!has_initial || is_initial_invite(message))).then_some(message)
            })
        };
        let candidates: Vec<usize> = (0..self.initial.len())
            .filter(|hop| !has_initial || self.initial.get(*hop).copied().unwrap_or(false))
            .collect();
        let answered = |hop: usize| {
            messages.iter().zip(&self.of).any(|(message, of)| {
                *of == hop
                    && matches!(
                        (message.start, message.method()),
                        (StartLine::Response(200..=299), Some(Method::Invite))
                    )
            })
        };
        let best =
            |fitting: &[usize]| fitting.iter().copied().find(|hop| answered(*hop)).or_else(|| fitting.first().copied());
        let mut any_fit = None;
        for (index, trunk) in settings.trunks.iter().enumerate() {
            let fits: Vec<(usize, trunk::Fit)> =
                candidates.iter().filter_map(|hop| trunk::fit(trunk, judged(*hop)).map(|fit| (*hop, fit))).collect();
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
        any_fit.unwrap_or_else(|| (None, best(&candidates).unwrap_or(0)))
    }

    fn is(&self, message: usize, hop: usize) -> bool {
        self.of.get(message) == Some(&hop)
    }

    /// Whether a message belongs to the dialog of the hop that counts: seen on it, or on a path that no initial
    /// INVITE took (in-dialog requests may go past the proxies, RFC 3261 §12.2.1.1).
    fn is_dialog(&self, message: usize, counting: usize) -> bool {
        self.of.get(message).is_some_and(|hop| *hop == counting || self.initial.get(*hop) == Some(&false))
    }

    fn dialog<'m, 'a>(
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

fn is_initial_invite(message: &Signalling<'_>) -> bool {
    matches!(message.start, StartLine::Request { method: Method::Invite, .. }) && message.to_tag.is_none()
}

fn socket_pair(hop: Hop) -> Hop {
    if hop.source <= hop.destination { hop } else { Hop { source: hop.destination, destination: hop.source } }
}

fn address_pair(hop: Hop) -> (std::net::IpAddr, std::net::IpAddr) {
    let pair = socket_pair(hop);
    (pair.source.ip().min(pair.destination.ip()), pair.source.ip().max(pair.destination.ip()))
}

fn transactions<'a>(messages: &[&Signalling<'a>]) -> HashMap<TransactionKey<'a>, Seen, Seed> {
    let mut transactions: HashMap<TransactionKey<'a>, Seen, Seed> =
        HashMap::with_capacity_and_hasher(4, Seed::default());
    for message in messages {
        let Some(mut cseq) = message.cseq else { continue };
        if cseq.method == Method::Ack {
            cseq.method = Method::Invite;
        }
        let seen = transactions.entry((message.from_tag, cseq)).or_default();
        match message.start {
            StartLine::Request { method: Method::Ack, .. } | StartLine::Response(..=199) => {
                seen.shown.get_or_insert(at(message));
            }
            StartLine::Request { .. } => {
                seen.request = true;
                seen.in_dialog |= message.to_tag.is_some();
            }
            StartLine::Response(200..=299) => {
                seen.accepted.get_or_insert(at(message));
            }
            StartLine::Response(status) => seen.refused = Some((status, at(message))),
        }
    }
    transactions
}

/// How a leg was set up.
struct SettingUp<'a> {
    set_up: SetUp,
    answered: Option<At>,
    final_status: Option<(u16, Locus)>,
    refused_at: Option<At>,
    cancelled: Option<Locus>,
    cancelled_at: Option<At>,
    /// The callees' tags of the dialogs that a 2xx confirmed.
    confirmed: Vec<&'a [u8]>,
}

impl<'a> SettingUp<'a> {
    fn of(
        messages: &[&Signalling<'a>],
        initial: &[(usize, &Signalling<'a>)],
        transactions: &HashMap<TransactionKey<'a>, Seen, Seed>,
        ledger: &[Entry<'_>],
    ) -> Self {
        let is_attempt = |key: TransactionKey<'a>| transactions.get(&key).is_some_and(|seen| seen.request);
        let is_reinvite = |key: TransactionKey<'a>| transactions.get(&key).is_some_and(|seen| seen.in_dialog);
        // The first 2xx that no captured re-INVITE explains answers the INVITE that counts.
        let answer = messages.iter().copied().find(|message| {
            matches!((message.start, message.method()), (StartLine::Response(200..=299), Some(Method::Invite)))
                && message.cseq.is_some_and(|cseq| !is_reinvite((message.from_tag, cseq)))
        });
        let last = initial.iter().rev().find(|(_, invite)| invite.cseq.is_some()).or(initial.last());
        let counting: Option<TransactionKey<'a>>;
        let set_up = if let Some(answer) = answer {
            let key = answer.cseq.map(|cseq| (answer.from_tag, cseq));
            counting = key;
            match initial.iter().find(|(_, invite)| key == invite.cseq.map(|cseq| (invite.from_tag, cseq))) {
                Some((entry, _)) => SetUp::Entry(*entry),
                // An INVITE cut before its CSeq may be the one; it is unknown either way, and says so itself.
                None => match initial.iter().find(|(_, invite)| invite.cseq.is_none()) {
                    Some((entry, _)) if initial.len() == 1 => SetUp::Entry(*entry),
                    _ => SetUp::NotCaptured(answer.locus),
                },
            }
        } else if let Some((entry, invite)) = last {
            // A response or an ACK of a later attempt shows that the last one was not captured.
            let later = messages.iter().copied().find(|message| {
                let Some(cseq) = message.cseq else { return false };
                let of_invite = matches!(cseq.method, Method::Invite | Method::Ack);
                let key = (message.from_tag, CSeq { method: Method::Invite, ..cseq });
                of_invite
                    && message.from_tag == invite.from_tag
                    && invite.cseq.is_some_and(|own| cseq.number > own.number)
                    && !is_attempt(key)
            });
            match later {
                Some(message) => {
                    counting = message.cseq.map(|cseq| (message.from_tag, CSeq { method: Method::Invite, ..cseq }));
                    SetUp::NotCaptured(message.locus)
                }
                None => {
                    counting = invite.cseq.map(|cseq| (invite.from_tag, cseq));
                    SetUp::Entry(*entry)
                }
            }
        } else {
            let shown = messages.first().map(|message| message.locus);
            counting = messages.iter().find_map(|message| match (message.start, message.cseq) {
                (StartLine::Response(300..), Some(cseq)) if cseq.method == Method::Invite => {
                    Some((message.from_tag, cseq))
                }
                _ => None,
            });
            match shown {
                Some(locus) => SetUp::NotCaptured(locus),
                // Unreachable: a leg has a message on the hop that counts.
                None => SetUp::Entry(0),
            }
        };
        let set_up = contradicted(set_up, ledger).unwrap_or(set_up);
        let seen = counting.and_then(|key| transactions.get(&key)).copied().unwrap_or_default();
        let answered = answer.map(at);
        let refused_at = seen.refused.map(|(_, at)| at);
        let final_status = match (answer, seen.refused) {
            (Some(answer), _) => match answer.start {
                StartLine::Response(status) => Some((status, answer.locus)),
                StartLine::Request { .. } => None,
            },
            (None, Some((status, at))) => Some((status, at.locus)),
            (None, None) => None,
        };
        let cancel = messages.iter().find(|message| {
            matches!(message.method(), Some(Method::Cancel))
                && counting.is_none_or(|(tag, cseq)| {
                    message.from_tag == tag && message.cseq.is_none_or(|own| own.number == cseq.number)
                })
        });
        let mut confirmed = Vec::new();
        for message in messages {
            let accepted = matches!(message.start, StartLine::Response(200..=299));
            if accepted
                && counting.is_some_and(|(tag, cseq)| message.from_tag == tag && message.cseq == Some(cseq))
                && let Some(tag) = message.to_tag
                && confirmed.len() < MOST_DIALOGS
                && !confirmed.contains(&tag)
            {
                confirmed.push(tag);
            }
        }
        Self {
            set_up,
            answered,
            final_status,
            refused_at,
            cancelled: cancel.filter(|_| answered.is_none()).map(|message| message.locus),
            cancelled_at: cancel.map(|message| at(message)),
            confirmed,
        }
    }
}

/// INVITEs of the counting attempt on hops that cannot be told apart, saying different things.
fn contradicted(set_up: SetUp, ledger: &[Entry<'_>]) -> Option<SetUp> {
    let SetUp::Entry(index) = set_up else { return None };
    let counting = ledger.get(index)?;
    counting.cseq?;
    ledger
        .iter()
        .enumerate()
        .find(|(other, entry)| {
            *other != index
                && entry.initial
                && entry.counts
                && entry.cseq == counting.cseq
                && entry.header_whole
                && counting.header_whole
                && (entry.fields.len() != counting.fields.len()
                    || entry
                        .fields
                        .iter()
                        .zip(&counting.fields)
                        .any(|(one, other)| (one.0, one.2) != (other.0, other.2)))
        })
        .map(|(_, entry)| SetUp::HopsDisagree(entry.locus))
}

/// The end of the leg: the BYE of every dialog that a 2xx confirmed, else CANCEL or the final refusal.
fn end<'a>(
    messages: &[&Signalling<'a>],
    transactions: &HashMap<TransactionKey<'a>, Seen, Seed>,
    setting_up: &SettingUp<'a>,
) -> Option<At> {
    let bye_of = |tag: Option<&[u8]>| {
        messages.iter().find(|message| {
            let ends = match message.start {
                StartLine::Request { method, .. } => method == Method::Bye,
                // A BYE that was not captured shows in its answer.
                StartLine::Response(status) => {
                    (200..300).contains(&status) && message.cseq.is_some_and(|cseq| cseq.method == Method::Bye)
                }
            };
            // A challenged BYE is sent again (RFC 3261 §22.2).
            let challenged =
                message.cseq.and_then(|cseq| transactions.get(&(message.from_tag, cseq))).is_some_and(|seen| {
                    seen.accepted.is_none() && seen.refused.is_some_and(|(status, _)| matches!(status, 401 | 407))
                });
            ends && !challenged
                && tag.is_none_or(|tag| {
                    message.from_tag == Some(tag) || message.to_tag == Some(tag) || message.to_tag.is_none()
                })
        })
    };
    if setting_up.confirmed.is_empty() {
        let bye = bye_of(None).map(|message| at(message));
        return bye.or(setting_up.refused_at.filter(|_| setting_up.answered.is_none())).or(setting_up.cancelled_at);
    }
    let mut last = None;
    for tag in &setting_up.confirmed {
        last = last.max(Some(at(bye_of(Some(tag))?)));
    }
    last
}

/// Where a request that could speak of consent was not captured: one sender's CSeq numbers skip, or a response or an
/// ACK belongs to none that was seen. What was seen refused, or is of another method, is no gap.
fn gaps<'a>(
    messages: &[&Signalling<'a>],
    transactions: &HashMap<TransactionKey<'a>, Seen, Seed>,
    invite: Option<&Signalling<'a>>,
    first: At,
) -> Vec<Gap> {
    struct Number {
        number: u32,
        /// The request, where it was captured.
        request: Option<At>,
        shown: At,
        /// A request that could have changed consent, not captured and not seen refused.
        missing: bool,
    }
    let mut senders: Vec<Sender<'_>> = Vec::new();
    for message in messages {
        if message.to_tag.is_some() && message.cseq.is_some() {
            let sender = (message.from_tag, message.to_tag);
            if senders.len() < 2 * MOST_DIALOGS && !senders.contains(&sender) {
                senders.push(sender);
            }
        }
    }
    let mut gaps = Vec::new();
    for (from_tag, to_tag) in senders {
        let base = invite.filter(|invite| invite.from_tag == from_tag).and_then(|invite| invite.cseq);
        let mut numbers: Vec<Number> = Vec::new();
        for message in messages {
            let Some(cseq) = message.cseq else { continue };
            let is_base = base == Some(cseq)
                || (cseq.method == Method::Ack && base.is_some_and(|base| base.number == cseq.number));
            if message.from_tag != from_tag || !(message.to_tag == to_tag || message.to_tag.is_none()) {
                continue;
            }
            if message.to_tag.is_none() && !is_base && matches!(message.start, StartLine::Request { .. }) {
                // An earlier attempt, outside the dialog.
                continue;
            }
            if base.is_some_and(|base| cseq.number < base.number) {
                continue;
            }
            let key = (
                from_tag,
                CSeq { method: if cseq.method == Method::Ack { Method::Invite } else { cseq.method }, ..cseq },
            );
            let seen = transactions.get(&key).copied().unwrap_or_default();
            let speaks = matches!(key.1.method, Method::Invite | Method::Update);
            let is_request = matches!(message.start, StartLine::Request { method, .. } if method != Method::Ack);
            if key.1.method == Method::Cancel {
                continue;
            }
            numbers.push(Number {
                number: cseq.number,
                request: is_request.then(|| at(message)),
                shown: at(message),
                missing: speaks && !seen.request && seen.outcome() != Outcome::Refused && !is_base,
            });
        }
        numbers.sort_by_key(|number| (number.number, number.shown));
        let mut before = if base.is_some() { invite.map(at) } else { None };
        let mut previous: Option<u32> = None;
        for alike in numbers.chunk_by(|one, other| one.number == other.number) {
            let Some(number) = alike.first() else { continue };
            let from = before.map_or(first.at, |before| before.at);
            let request = alike.iter().find_map(|number| number.request);
            if request.is_none() && alike.iter().any(|number| number.missing) {
                gaps.push(Gap {
                    from,
                    shown: number.shown.at,
                    kind: GapKind::RequestNotCaptured,
                    locus: number.shown.locus,
                });
            }
            if previous.is_some_and(|previous| number.number > previous.saturating_add(1)) {
                gaps.push(Gap { from, shown: number.shown.at, kind: GapKind::CSeqSkipped, locus: number.shown.locus });
            }
            previous = Some(number.number);
            before = request.or(before);
        }
    }
    gaps.sort_by_key(|gap| (gap.from, gap.locus));
    gaps.dedup();
    gaps
}

/// The identifiers that the messages carry. Where the two sides name different conversations, the platform's hold.
fn identifiers<'a>(
    messages: &[Signalling<'a>],
    from_platform: impl Fn(&Signalling<'_>) -> bool,
) -> Vec<Identifier<'a>> {
    let mut found: Vec<(Identifier<'a>, bool)> = Vec::new();
    for message in messages {
        for row in message.rows() {
            if !matches!(row.subject, Subject::Conversation(_) | Subject::SessionId) || row.value.is_empty() {
                continue;
            }
            let platform = from_platform(message);
            let known = found.iter().position(|(known, _)| (known.subject, known.value) == (row.subject, row.value));
            if let Some((_, by_platform)) = known.and_then(|known| found.get_mut(known)) {
                *by_platform |= platform;
            } else if found.len() < MOST_IDENTIFIERS {
                found.push((Identifier { subject: row.subject, value: row.value, locus: message.locus }, platform));
            }
        }
    }
    let platform_names =
        found.iter().any(|(known, platform)| *platform && matches!(known.subject, Subject::Conversation(_)));
    found.retain(|(known, platform)| !platform_names || *platform || known.subject == Subject::SessionId);
    found.into_iter().map(|(known, _)| known).collect()
}
