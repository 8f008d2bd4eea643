//! One leg out of its messages: transactions and dialogs read (RFC 3261 §12, §17), the INVITE that counts found, and
//! the places where a request may be missing.
//!
//! Works on the messages that [`copies`](super::copies) left, over the hops that [`hops`](super::hops) told apart. Called
//! by [`legs`](super::legs). Knows what fields a rule reads, not what they mean.

use hashbrown::{HashMap, HashSet};

use super::copies::without_copies;
use super::field::{self, Field, Reads};
use super::hops::{Hops, is_answer};
use super::identity::By;
use super::ledger::{Entry, Gap, GapKind, Outcome, SetUp};
use super::legs::{At, Identifier, Leg, proves_invite};
use super::offer_answer::{self, Exchange};
use super::recorded::OfRecording;
use super::references;
use super::trunk::{self, Direction};
use crate::evidence::{Locus, Timestamp};
use crate::facts::{Body, CSeq, Method, Signalling, StartLine, Subject};
use crate::settings::{RuleMessage, Settings};

/// Dialogs of one leg that are told apart. More are forks of an attack, not of a call.
pub const MOST_DIALOGS: usize = 64;

/// Messages before a cut request among which its sender's last one is looked for.
const MOST_LOOKED_BACK: usize = 4096;

/// Distinct identifiers of one leg that are kept. A dialog that carries more names nothing.
const MOST_IDENTIFIERS: usize = 64;

pub(super) type Seed = foldhash::fast::RandomState;

/// A transaction, as the dialog needs it: the sender's tag, number and method (RFC 3261 §17; an ACK shares its INVITE's).
pub(crate) type TransactionKey<'a> = (Option<&'a [u8]>, CSeq);

/// A transaction within one dialog: its key and the To tag, `None` for all dialogs of the key together. Forks may use
/// the same number (RFC 3261 §12.2.1.1).
type DialogKey<'a> = (TransactionKey<'a>, Option<&'a [u8]>);

/// The transactions of a leg: a short list for the many legs that have few, with a table beside it for the others.
#[derive(Default)]
struct Transactions<'a> {
    seen: Vec<(DialogKey<'a>, Seen)>,
    /// The places in the list, once it is longer than [`SHORT`].
    places: HashMap<DialogKey<'a>, usize, Seed>,
}

/// Transactions that are looked for one after the other.
const SHORT: usize = 16;

impl<'a> Transactions<'a> {
    fn place(&self, key: &DialogKey<'a>) -> Option<usize> {
        if self.seen.len() > SHORT {
            return self.places.get(key).copied();
        }
        let ((tag, cseq), own) = *key;
        // The number tells most apart, and cheaply.
        self.seen.iter().position(|(((known_tag, known), known_own), _)| {
            *known == cseq && is_same(*known_own, own) && is_same(*known_tag, tag)
        })
    }

    fn get(&self, key: &DialogKey<'a>) -> Option<&Seen> {
        self.seen.get(self.place(key)?).map(|(_, seen)| seen)
    }

    fn add(&mut self, key: DialogKey<'a>, message: &Signalling<'_>) {
        if let Some((_, seen)) = self.place(&key).and_then(|place| self.seen.get_mut(place)) {
            seen.add(message);
            return;
        }
        let mut seen = Seen::default();
        seen.add(message);
        self.seen.push((key, seen));
        match self.seen.len() {
            0..=SHORT => {}
            long if long == SHORT + 1 => self.places.extend(self.seen.iter().map(|(key, _)| *key).zip(0..)),
            long => {
                self.places.insert(key, long - 1);
            }
        }
    }
}

/// Whether two tags are the same. Most are kept once, so that their place tells.
#[inline]
fn is_same(one: Option<&[u8]>, other: Option<&[u8]>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => one.len() == other.len() && (std::ptr::eq(one, other) || one == other),
        (None, None) => true,
        _ => false,
    }
}

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
    fn add(&mut self, message: &Signalling<'_>) {
        match message.start {
            StartLine::Request { method: Method::Ack, .. } | StartLine::Response(..=199) => {
                self.shown.get_or_insert(at(message));
            }
            StartLine::Request { .. } => {
                self.request = true;
                self.in_dialog |= message.to_tag.is_some();
            }
            StartLine::Response(200..=299) => {
                self.accepted.get_or_insert(at(message));
            }
            StartLine::Response(status) => self.refused = Some((status, at(message))),
        }
    }

    fn outcome(&self) -> Outcome {
        match (self.accepted, self.refused) {
            (Some(_), _) => Outcome::Accepted,
            (None, Some(_)) => Outcome::Refused,
            (None, None) => Outcome::Unknown,
        }
    }
}

/// Reads the messages of one leg, the use of its Call-ID of that number, sorted by time; `None` when no INVITE dialog is
/// among them.
pub(crate) fn leg<'a>(captured: &[Signalling<'a>], nth_use: u32, settings: &Settings) -> Option<Leg<'a>> {
    if !captured.iter().any(proves_invite) {
        return None;
    }
    let messages = without_copies(captured);
    let messages: &[Signalling<'a>] = &messages;
    let (first, last) = (at(messages.first()?), at(messages.last()?));
    let hops = Hops::of(messages);
    let (trunk, counting) = hops.choose(messages, settings);
    let on_dialog: Vec<&Signalling<'a>> = hops.dialog(messages, counting).collect();
    let transactions = transactions(&on_dialog);

    let answered_first = messages.iter().position(is_answer).unwrap_or(usize::MAX);
    let reads = Reads::of(settings);
    // Most legs have one INVITE.
    let mut ledger = Vec::with_capacity(1);
    let mut listed: Vec<&Signalling<'a>> = Vec::new();
    let mut initial: Vec<(usize, &Signalling<'a>)> = Vec::new();
    for (index, message) in messages.iter().enumerate() {
        let Some((kind, method)) = reads.message(message).zip(message.method()) else { continue };
        let status = match message.start {
            StartLine::Request { .. } => None,
            StartLine::Response(status) => Some(status),
        };
        let counts = hops.is_dialog(index, counting);
        // An INVITE cut before its To is taken as a re-INVITE once the leg was answered.
        let to_unread = !message.header_whole && message.to_uri.is_empty() && index > answered_first;
        let is_initial = kind == RuleMessage::Invite && message.to_tag.is_none() && !to_unread;
        if is_initial && hops.is(index, counting) {
            initial.push((ledger.len(), message));
        }
        listed.push(message);
        ledger.push(Entry {
            at: message.at,
            locus: message.locus,
            method,
            kind,
            status,
            cseq: message.cseq.map(|cseq| cseq.number),
            initial: is_initial,
            counts,
            sets_up: false,
            header_whole: message.header_whole,
            body: message.body,
            described: message.media().is_some(),
            sections: if reads.attributes { field::open_sections(message) } else { Box::default() },
            gap_from: message.at,
            outcome: Some(message)
                .filter(|_| counts)
                .and_then(|message| match status {
                    None => seen(&transactions, message),
                    // A refusal may name another dialog than the provisional response before it.
                    Some(_) => transactions.get(&((message.from_tag, message.cseq?), None)).copied(),
                })
                .map_or(Outcome::Unknown, |seen| seen.outcome()),
            fields: reads.fields(message, kind, is_initial, settings),
        });
    }

    let setting_up = SettingUp::of(&on_dialog, &initial, &transactions, &ledger);
    for (entry, message) in ledger.iter_mut().zip(&listed) {
        let own = message.cseq.map(|cseq| (message.from_tag, cseq));
        entry.sets_up = entry.status.is_some() && own.is_some() && setting_up.counting == own;
        entry.counts &= entry.initial || entry.sets_up || setting_up.is_own(message);
        let is_cut = !entry.header_whole || entry.body == Body::Cut;
        let is_asked = entry.status.is_none() && matches!(entry.method, Method::Invite | Method::Update);
        if is_cut && is_asked && entry.counts && !entry.initial {
            entry.gap_from = last_request_before(&on_dialog, message).unwrap_or(entry.at);
        }
    }
    let invite = initial.iter().find(|(index, _)| Some(*index) == setting_up.entry).map(|(_, invite)| *invite);
    let any_initial = invite.or_else(|| initial.first().map(|(_, invite)| *invite));
    let direction = match (trunk.and_then(|trunk| settings.trunks.get(trunk)), any_initial) {
        (Some(trunk), Some(invite)) => trunk::direction(trunk, invite),
        _ => Direction::Unknown,
    };
    let ended = end(&on_dialog, &transactions, &setting_up);
    let mut gaps = if setting_up.confirmed.is_empty() && !on_dialog.iter().any(|message| message.to_tag.is_some()) {
        Vec::new()
    } else {
        gaps(&on_dialog, &transactions, &setting_up, invite, (first, reads.info))
    };
    gaps.extend(on_other_hops(messages, (&ledger, &listed), &on_dialog, &transactions, &setting_up));
    gaps.sort_by_key(|gap| (gap.from, gap.locus));
    let parties = any_initial.or_else(|| on_dialog.first().copied())?;
    let caller = any_initial.map(|invite| invite.hop.source.ip());
    let exchanges = offer_answer::exchanges(&on_dialog, invite, |message| {
        let own = message.cseq.map(|cseq| {
            let method = if cseq.method == Method::Ack { Method::Invite } else { cseq.method };
            (message.from_tag, CSeq { method, ..cseq })
        });
        let seen = own.and_then(|key| transactions.get(&(key, message.to_tag)));
        offer_answer::Transaction {
            outcome: seen.map_or(Outcome::Unknown, |seen| seen.outcome()),
            // A response of the INVITE names a To tag that its request lacks.
            request_captured: seen.is_some_and(|seen| seen.request)
                || own
                    .and_then(|key| transactions.get(&(key, None)))
                    .is_some_and(|seen| seen.request && !seen.in_dialog),
            sets_up: setting_up.counting.is_none() || setting_up.counting == own,
            own: setting_up.is_own(message),
        }
    });
    let described = exchanges.iter().find_map(Exchange::locus);
    let trunk_settings = trunk.and_then(|trunk| settings.trunks.get(trunk));
    let recording_session = find_row(messages, Subject::RecordingSession).map(|(_, locus)| locus);
    Some(Leg {
        call_id: parties.call_id,
        nth_use,
        trunk,
        direction,
        from_uri: parties.from_uri,
        to_uri: parties.to_uri,
        first,
        last: on_dialog.last().map_or(last, |message| at(message)),
        answered: setting_up.answered,
        answered_elsewhere: setting_up.answered.is_none()
            && setting_up.counting.is_some_and(|(tag, cseq)| {
                let mut answers = messages.iter().filter(|message| is_answer(message));
                answers.any(|message| message.from_tag == tag && message.cseq == Some(cseq))
            }),
        ended,
        final_status: setting_up.final_status,
        cancelled: setting_up.cancelled,
        set_up: setting_up.set_up,
        ledger,
        gaps,
        streams: offer_answer::streams(
            &exchanges,
            first.at,
            setting_up.answered.map(|answered| answered.at),
            any_initial.is_some(),
        ),
        described,
        recording_session,
        replaces: invite.and_then(|invite| {
            let replaces = invite.rows().find(|row| row.subject == Subject::Replaces);
            replaces.map(|row| (references::call_id(row.value), invite.locus))
        }),
        refers: refers(messages),
        identifiers: identifiers(messages, |message| trunk::from_platform(trunk_settings, direction, message, caller)),
        of_recording: OfRecording::read(messages, &on_dialog, recording_session),
    })
}

fn at(message: &Signalling<'_>) -> At {
    At { at: message.at, locus: message.locus }
}

/// The Call-IDs that requests name but for Replaces, each once for each field that names it.
fn refers(messages: &[Signalling<'_>]) -> Vec<(By, Box<[u8]>, At)> {
    let mut found: Vec<(By, Box<[u8]>, At)> = Vec::new();
    for message in messages {
        let StartLine::Request { method, .. } = message.start else { continue };
        for row in message.rows() {
            let (by, call_id) = match (row.subject, method) {
                (Subject::Join, Method::Invite) => (By::Join, references::named(row.value)),
                (Subject::ReferTo, Method::Refer) => (By::ReferTo, references::referred(row.value)),
                (Subject::TargetDialog, _) => (By::TargetDialog, references::named(row.value)),
                _ => continue,
            };
            let Some(call_id) = call_id else { continue };
            let is_known = |(known_by, known, _): &(By, Box<[u8]>, At)| (*known_by, known) == (by, &call_id);
            if found.len() < MOST_IDENTIFIERS && !found.iter().any(is_known) {
                found.push((by, call_id, at(message)));
            }
        }
    }
    found
}

/// When the sender of a cut request sent its last one before, other than an ACK or a CANCEL. A cut that took the tag
/// away left the address.
fn last_request_before(messages: &[&Signalling<'_>], cut: &Signalling<'_>) -> Option<Timestamp> {
    let is_sender = |message: &Signalling<'_>| match cut.from_tag {
        Some(tag) => message.from_tag == Some(tag),
        None => message.hop.source.ip() == cut.hop.source.ip(),
    };
    let begun = messages.partition_point(|message| at(message) < at(cut));
    let before = messages.get(..begun).unwrap_or_default().iter().rev().take(MOST_LOOKED_BACK);
    let mut requests = before.filter(|message| match message.start {
        StartLine::Request { method, .. } => !matches!(method, Method::Ack | Method::Cancel) && is_sender(message),
        StartLine::Response(_) => false,
    });
    requests.next().map(|message| message.at)
}

fn find_row<'a>(messages: &[Signalling<'a>], subject: Subject) -> Option<(&'a [u8], Locus)> {
    messages
        .iter()
        .find_map(|message| message.rows().find(|row| row.subject == subject).map(|row| (row.value, message.locus)))
}

/// What was seen of the transaction of a message, in its own dialog where it names one.
fn seen<'a>(transactions: &Transactions<'a>, message: &Signalling<'a>) -> Option<Seen> {
    transactions.get(&((message.from_tag, message.cseq?), message.to_tag)).copied()
}

fn transactions<'a>(messages: &[&Signalling<'a>]) -> Transactions<'a> {
    let mut transactions = Transactions { seen: Vec::with_capacity(8), places: HashMap::default() };
    for message in messages {
        let Some(mut cseq) = message.cseq else { continue };
        if cseq.method == Method::Ack {
            cseq.method = Method::Invite;
        }
        let key = (message.from_tag, cseq);
        let own = [Some((key, None)), message.to_tag.map(|tag| (key, Some(tag)))];
        for key in own.into_iter().flatten() {
            transactions.add(key, message);
        }
    }
    transactions
}

/// The callees' tags that were met. A short list is searched, a long one through a set.
#[derive(Default)]
struct Tags<'a> {
    few: Vec<&'a [u8]>,
    many: HashSet<&'a [u8], Seed>,
}

impl<'a> Tags<'a> {
    fn insert(&mut self, tag: &'a [u8]) {
        if self.few.contains(&tag) {
            return;
        }
        if self.few.len() < 8 {
            self.few.push(tag);
        } else {
            self.many.insert(tag);
        }
    }

    fn len(&self) -> usize {
        self.few.len() + self.many.len()
    }

    /// In order, no more than dialogs are told apart.
    fn sorted(self) -> Vec<&'a [u8]> {
        let mut tags = self.few;
        tags.extend(self.many);
        tags.sort_unstable();
        tags.truncate(MOST_DIALOGS);
        tags
    }

    fn is_empty(&self) -> bool {
        self.few.is_empty()
    }
}

/// How a leg was set up.
struct SettingUp<'a> {
    set_up: SetUp,
    /// The entry of the INVITE that counts, also where another one contradicts what it says of consent.
    entry: Option<usize>,
    answered: Option<At>,
    final_status: Option<(u16, Locus)>,
    refused_at: Option<At>,
    cancelled: Option<Locus>,
    cancelled_at: Option<At>,
    /// The callees' tags of the dialogs that a 2xx confirmed.
    confirmed: Vec<&'a [u8]>,
    /// The callees' tags of its dialogs: the confirmed ones, and before any 2xx the early ones.
    own: Vec<&'a [u8]>,
    /// More dialogs than are told apart.
    limited: bool,
    /// The transaction of the INVITE that counts.
    counting: Option<TransactionKey<'a>>,
}

impl<'a> SettingUp<'a> {
    fn of(
        messages: &[&Signalling<'a>],
        initial: &[(usize, &Signalling<'a>)],
        transactions: &Transactions<'a>,
        ledger: &[Entry<'_>],
    ) -> Self {
        let is_attempt = |key: TransactionKey<'a>| transactions.get(&(key, None)).is_some_and(|seen| seen.request);
        let is_reinvite = |message: &Signalling<'a>| seen(transactions, message).is_some_and(|seen| seen.in_dialog);
        // The first 2xx that no captured re-INVITE explains answers the INVITE that counts.
        let answer = messages.iter().copied().find(|message| {
            matches!((message.start, message.method()), (StartLine::Response(200..=299), Some(Method::Invite)))
                && message.cseq.is_some()
                && !is_reinvite(message)
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
            let later = messages.iter().copied().rev().find(|message| {
                let Some(cseq) = message.cseq else { return false };
                let of_invite = matches!(cseq.method, Method::Invite | Method::Ack);
                let key = (message.from_tag, CSeq { method: Method::Invite, ..cseq });
                of_invite
                    && message.from_tag == invite.from_tag
                    && invite.cseq.is_some_and(|own| cseq.number > own.number)
                    && !is_attempt(key)
            });
            // A dialog that goes on after the last attempt was refused was set up by one that was not captured.
            let goes_on =
                invite.cseq.and_then(|cseq| goes_on_after_refusal(messages, transactions, (invite.from_tag, cseq)));
            match later {
                Some(message) => {
                    let key = message.cseq.map(|cseq| (message.from_tag, CSeq { method: Method::Invite, ..cseq }));
                    counting = key.filter(|key| goes_on_after_refusal(messages, transactions, *key).is_none());
                    SetUp::NotCaptured(message.locus)
                }
                None => match goes_on {
                    Some(message) => {
                        counting = None;
                        SetUp::NotCaptured(message.locus)
                    }
                    None => {
                        counting = invite.cseq.map(|cseq| (invite.from_tag, cseq));
                        SetUp::Entry(*entry)
                    }
                },
            }
        } else {
            let shown = messages.first().map(|message| message.locus);
            // No attempt was captured; the last one that shows was refused, unless its dialog goes on after that.
            let attempt = messages.iter().copied().rev().find_map(|message| {
                let cseq = message.cseq.filter(|cseq| matches!(cseq.method, Method::Invite | Method::Ack))?;
                let is_invite = matches!(message.start, StartLine::Request { method: Method::Invite, .. });
                let key = (message.from_tag, CSeq { method: Method::Invite, ..cseq });
                let in_dialog = transactions.get(&(key, message.to_tag)).is_some_and(|seen| seen.in_dialog);
                (!is_invite && !in_dialog).then_some(key)
            });
            counting = attempt.filter(|key| {
                transactions.get(&(*key, None)).is_some_and(|seen| seen.refused.is_some())
                    && goes_on_after_refusal(messages, transactions, *key).is_none()
            });
            match shown {
                Some(locus) => SetUp::NotCaptured(locus),
                // Unreachable: a leg has a message on the hop that counts.
                None => SetUp::Entry(0),
            }
        };
        let entry = match set_up {
            SetUp::Entry(entry) => Some(entry),
            SetUp::HopsDisagree(_) | SetUp::NotCaptured(_) => None,
        };
        let set_up = contradicted(set_up, ledger).unwrap_or(set_up);
        let seen = counting.and_then(|key| transactions.get(&(key, None))).copied().unwrap_or_default();
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
        let (mut confirmed, mut early) = (Tags::default(), Tags::default());
        for message in messages {
            let StartLine::Response(status) = message.start else { continue };
            let of_counting = counting.is_some_and(|(tag, cseq)| message.from_tag == tag && message.cseq == Some(cseq));
            let Some(tag) = message.to_tag.filter(|_| of_counting) else { continue };
            match status {
                200..=299 => confirmed.insert(tag),
                101..=199 => early.insert(tag),
                _ => continue,
            };
        }
        let limited = confirmed.len() > MOST_DIALOGS || (confirmed.is_empty() && early.len() > MOST_DIALOGS);
        let (confirmed, early) = (confirmed.sorted(), early.sorted());
        // A BYE shows a dialog, and so does what goes on: a CANCEL that crossed the answer ended nothing (RFC 3261 §9.1).
        let has_bye = messages.iter().any(|message| message.method() == Some(Method::Bye) && message.to_tag.is_some());
        let cancel = cancel.filter(|cancel| !has_bye && goes_on_after(messages, at(cancel)).is_none());
        Self {
            set_up,
            entry,
            answered,
            final_status,
            refused_at,
            cancelled: cancel.filter(|_| answered.is_none()).map(|message| message.locus),
            cancelled_at: cancel.map(|message| at(message)),
            own: if confirmed.is_empty() { early } else { confirmed.clone() },
            confirmed,
            limited,
            counting,
        }
    }

    /// Whether a request belongs to a dialog of the attempt that counts; where nothing names its dialogs, every one does.
    fn is_own(&self, message: &Signalling<'_>) -> bool {
        let names = |tag: Option<&[u8]>| tag.is_some_and(|tag| self.own.binary_search(&tag).is_ok());
        self.own.is_empty()
            || self.limited
            || names(message.from_tag)
            || names(message.to_tag)
            || (message.to_tag.is_none() && !message.header_whole)
    }
}

/// What shows that a dialog goes on after an attempt to set it up was refused.
fn goes_on_after_refusal<'m, 'a>(
    messages: &[&'m Signalling<'a>],
    transactions: &Transactions<'a>,
    attempt: TransactionKey<'a>,
) -> Option<&'m Signalling<'a>> {
    let (_, refused) = transactions.get(&(attempt, None)).and_then(|seen| seen.refused)?;
    goes_on_after(messages, refused)
}

/// What shows that a dialog goes on after this.
fn goes_on_after<'m, 'a>(messages: &[&'m Signalling<'a>], after: At) -> Option<&'m Signalling<'a>> {
    messages.iter().copied().find(|message| {
        let in_dialog = message.to_tag.is_some() && at(message) > after;
        match (message.start, message.method()) {
            (StartLine::Request { .. }, Some(Method::Ack | Method::Cancel)) => false,
            (StartLine::Request { .. }, _) => in_dialog,
            (StartLine::Response(200..=299), Some(Method::Bye | Method::Update)) => in_dialog,
            (StartLine::Response(_), _) => false,
        }
    })
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
            // An attempt of its own that was refused is no other hop's view of this one.
            let is_other_attempt = entry.outcome == Outcome::Refused && counting.outcome != Outcome::Refused;
            *other != index
                && entry.initial
                && entry.counts
                && entry.cseq == counting.cseq
                && !is_other_attempt
                && disagree(entry, counting)
        })
        .map(|(_, entry)| SetUp::HopsDisagree(entry.locus))
}

/// Whether two INVITEs say different things; of a cut one only what it still says counts.
fn disagree(one: &Entry<'_>, other: &Entry<'_>) -> bool {
    let within = |part: &Entry<'_>, whole: &Entry<'_>| {
        let says = |field: &Field<'_>| whole.fields.iter().any(|twin| twin.says_as(field));
        part.fields.iter().all(says)
    };
    match (one.header_whole, other.header_whole) {
        (true, true) => !within(one, other) || !within(other, one),
        (true, false) => !within(other, one),
        (false, true) => !within(one, other),
        (false, false) => !within(one, other) && !within(other, one),
    }
}

/// The end of the leg: the BYE of every dialog that a 2xx confirmed, else CANCEL or the final refusal.
fn end<'a>(messages: &[&Signalling<'a>], transactions: &Transactions<'a>, setting_up: &SettingUp<'a>) -> Option<At> {
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
            let challenged = seen(transactions, message).is_some_and(|seen| {
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
    transactions: &Transactions<'a>,
    setting_up: &SettingUp<'a>,
    invite: Option<&Signalling<'a>>,
    (first, info_speaks): (At, bool),
) -> Vec<Gap> {
    struct Number {
        number: u32,
        /// The request, where it was captured.
        request: Option<At>,
        shown: At,
        /// A request that could have changed consent, not captured and not seen refused.
        missing: bool,
    }
    let mut known: HashSet<Sender<'_>, Seed> = HashSet::default();
    let mut senders: Vec<Sender<'_>> = Vec::new();
    for message in messages {
        let sender = (message.from_tag, message.to_tag);
        if message.to_tag.is_none() || message.cseq.is_none() || !setting_up.is_own(message) {
            continue;
        }
        // Most dialogs have two; the set is for those that have many.
        let is_new = match senders.len() {
            0..=SHORT => !senders.contains(&sender),
            _ => {
                known.extend(senders.get(known.len()..).unwrap_or_default());
                known.insert(sender)
            }
        };
        if is_new {
            senders.push(sender);
        }
    }
    let mut gaps = Vec::new();
    if setting_up.limited || senders.len() > 2 * MOST_DIALOGS {
        // What the dialogs beyond the limit say is not known.
        gaps.push(Gap { from: first.at, shown: first.at, kind: GapKind::TooManyDialogs, locus: first.locus });
        senders.truncate(2 * MOST_DIALOGS);
    }
    // Whether a message belongs to a request that could have changed consent, not captured and not seen refused.
    let is_missing = |message: &Signalling<'a>, cseq: CSeq, is_base: bool| {
        let method = if cseq.method == Method::Ack { Method::Invite } else { cseq.method };
        let speaks = matches!(method, Method::Invite | Method::Update) || (info_speaks && method == Method::Info);
        speaks && !is_base && {
            let key = ((message.from_tag, CSeq { method, ..cseq }), message.to_tag);
            let seen = transactions.get(&key).copied().unwrap_or_default();
            !seen.request && seen.outcome() != Outcome::Refused
        }
    };
    for (from_tag, to_tag) in senders {
        let base = invite.filter(|invite| is_same(invite.from_tag, from_tag)).and_then(|invite| invite.cseq);
        // The sender's messages of the dialog, with their numbers.
        let own = messages.iter().filter_map(|message| {
            let cseq = message.cseq?;
            let is_base = base == Some(cseq)
                || (cseq.method == Method::Ack && base.is_some_and(|base| base.number == cseq.number));
            if cseq.method == Method::Cancel
                || !is_same(message.from_tag, from_tag)
                || !(message.to_tag.is_none() || is_same(message.to_tag, to_tag))
            {
                return None;
            }
            if message.to_tag.is_none() && !is_base && matches!(message.start, StartLine::Request { .. }) {
                // An earlier attempt, outside the dialog.
                return None;
            }
            base.is_none_or(|base| cseq.number >= base.number).then_some((*message, cseq, is_base))
        });
        // Most senders' numbers follow each other, and all their requests were captured.
        let is_whole = !own.clone().any(|(message, cseq, is_base)| is_missing(message, cseq, is_base));
        if is_whole && follow(own.clone().map(|(_, cseq, _)| cseq.number)) {
            continue;
        }
        let mut numbers: Vec<Number> = Vec::new();
        for (message, cseq, is_base) in own {
            let is_request = matches!(message.start, StartLine::Request { method, .. } if method != Method::Ack);
            numbers.push(Number {
                number: cseq.number,
                request: is_request.then(|| at(message)),
                shown: at(message),
                missing: is_missing(message, cseq, is_base),
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

/// The requests within the dialog that speak of consent, or were cut, on another hop, and that were not captured on the
/// one that counts: whether they arrived there, and with what, is not known. One that was seen refused changes nothing;
/// nor does one that is silent, for what a device adds on the way stands on its own hop.
fn on_other_hops<'a>(
    messages: &[Signalling<'a>],
    (ledger, listed): (&[Entry<'_>], &[&Signalling<'a>]),
    on_dialog: &[&Signalling<'a>],
    transactions: &Transactions<'a>,
    setting_up: &SettingUp<'a>,
) -> Vec<Gap> {
    let elsewhere = |(entry, message): &(&Entry<'_>, &&Signalling<'a>)| {
        let asks = entry.status.is_none() && !entry.initial && message.to_tag.is_some();
        let speaks = !entry.fields.is_empty() || !entry.header_whole;
        let here = || seen(transactions, message).is_some_and(|seen| seen.request);
        asks && speaks && !entry.counts && setting_up.is_own(message) && !here()
    };
    let mut candidates = ledger.iter().zip(listed).filter(elsewhere).peekable();
    if candidates.peek().is_none() {
        return Vec::new();
    }
    let everywhere = self::transactions(&messages.iter().collect::<Vec<_>>());
    let refused =
        |message: &Signalling<'a>| seen(&everywhere, message).is_some_and(|seen| seen.outcome() == Outcome::Refused);
    candidates
        .filter(|(_, message)| !refused(message))
        .map(|(entry, message)| {
            let from = last_request_before(on_dialog, message).unwrap_or(entry.at);
            Gap { from, shown: entry.at, kind: GapKind::OnAnotherHop, locus: entry.locus }
        })
        .collect()
}

/// Whether these numbers, in any order, leave none out between the least and the greatest; `false` where they reach too far
/// to be told at once.
fn follow(numbers: impl Iterator<Item = u32> + Clone) -> bool {
    let Some(least) = numbers.clone().min() else { return true };
    let mut seen = 0_u64;
    for number in numbers {
        match number - least {
            within @ 0..=62 => seen |= 1 << within,
            _ => return false,
        }
    }
    (seen + 1).is_power_of_two()
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
                let (subject, value, locus) = (row.subject, row.value, message.locus);
                found.push((Identifier { subject, value, locus, by_platform: platform }, platform));
            }
        }
    }
    let named_by_platform: Vec<Subject> = found
        .iter()
        .filter(|(known, platform)| *platform && known.subject != Subject::SessionId)
        .map(|(known, _)| known.subject)
        .collect();
    found.retain(|(known, platform)| *platform || !named_by_platform.contains(&known.subject));
    found.into_iter().map(|(known, by_platform)| Identifier { by_platform, ..known }).collect()
}
