//! One leg out of its messages: transactions and dialogs read (RFC 3261 §12, §17), the INVITE that counts found, and
//! the places where a request may be missing.
//!
//! Works on the messages that [`copies`](super::copies) left, over the hops that [`hops`](super::hops) told apart. Called
//! by [`legs`](super::legs). Knows what fields a rule reads, not what they mean.

use arrayvec::ArrayVec;
use hashbrown::HashSet;

use super::copies::without_copies;
use super::field::{self, Field, Reads};
use super::hops::{Choice, Hops, is_answer};
use super::identity::By;
use super::ledger::{Entry, Gap, GapKind, Outcome, SetUp};
use super::legs::{At, Identifier, Leg, proves_invite};
use super::offer_answer::{self, Addresses, Exchange};
use super::recorded::OfRecording;
use super::references;
use super::transactions::{Dialog, Named, Note, Noted, SHORT, Tag, Tags, Transactions};
use super::trunk::{self, Direction};
use crate::evidence::{Locus, Timestamp};
use crate::facts::{Body, CSeq, Method, Signalling, StartLine, Subject};
use crate::settings::{RuleMessage, Settings};

/// Dialogs of one leg that are told apart. More are forks of an attack, not of a call.
pub const MOST_DIALOGS: usize = 64;

/// Messages before a cut request among which its sender's last one is looked for.
const MOST_LOOKED_BACK: usize = 4096;

/// Messages of a leg whose room is kept for the next one.
const MOST_ROOM: usize = 4096;

/// Distinct identifiers of one leg that are kept. A dialog that carries more names nothing.
const MOST_IDENTIFIERS: usize = 64;

pub(super) type Seed = foldhash::fast::RandomState;

/// Reads legs out of their messages, one after the other: what one took room for, the next one uses again.
pub(super) struct Reader<'s, 'a> {
    settings: &'s Settings,
    reads: Reads,
    transactions: Transactions<'a>,
    hops: Hops,
    /// The messages in the ledger, and the initial INVITEs of the hop that counts, each behind its entry.
    listed: Vec<usize>,
    initial: Vec<(usize, usize)>,
    dialogs: Dialogs,
    exchanges: Vec<Exchange>,
    addresses: Addresses<'a>,
}

impl<'s, 'a> Reader<'s, 'a> {
    pub(super) fn new(settings: &'s Settings) -> Self {
        Self {
            settings,
            reads: Reads::of(settings),
            transactions: Transactions::default(),
            hops: Hops::default(),
            listed: Vec::new(),
            initial: Vec::new(),
            dialogs: Dialogs::default(),
            exchanges: Vec::new(),
            addresses: Addresses::default(),
        }
    }

    /// Reads the messages of one leg, the use of its Call-ID of that number, sorted by time; `None` when no INVITE dialog
    /// is among them.
    pub(super) fn leg(&mut self, captured: &[Signalling<'a>], nth_use: u32) -> Option<Leg<'a>> {
        if !captured.iter().any(proves_invite) {
            return None;
        }
        let messages = without_copies(captured);
        let leg = self.read(&messages, nth_use);
        if messages.len() > MOST_ROOM {
            *self = Self::new(self.settings);
        }
        leg
    }

    fn read(&mut self, messages: &[Signalling<'a>], nth_use: u32) -> Option<Leg<'a>> {
        let Self { settings, reads, transactions, hops, listed, initial, dialogs, exchanges, addresses } = self;
        let (first, last) = (at(messages.first()?), at(messages.last()?));
        transactions.read(messages);
        hops.read(messages, &transactions.notes);
        let Choice { trunk, hop: counting, of_platform } = hops.choose(messages, settings);
        let (dialog, tags) = transactions.follow(messages, |place| hops.is_dialog(place, counting));
        let subjects = Subjects::of(messages);

        let mut is_answered = false;
        // Most legs have one INVITE.
        let mut ledger = Vec::with_capacity(1);
        listed.clear();
        initial.clear();
        for message in dialog.everywhere() {
            let was_answered = is_answered;
            is_answered |= is_answer(&message);
            let Some(kind) = reads.message(&message) else { continue };
            let Some(method) = message.method() else { continue };
            let status = match message.start {
                StartLine::Request { .. } => None,
                StartLine::Response(status) => Some(status),
            };
            let counts = hops.is_dialog(message.place, counting);
            // An INVITE cut before its To is taken as a re-INVITE once the leg was answered.
            let to_unread = !message.header_whole && message.to_uri.is_empty() && was_answered;
            let is_initial = kind == RuleMessage::Invite && message.to_tag.is_none() && !to_unread;
            if is_initial && hops.is(message.place, counting) {
                initial.push((ledger.len(), message.place));
            }
            listed.push(message.place);
            let outcome = match status {
                _ if !counts => Outcome::Unknown,
                None => dialog.seen_of(message.note).outcome(),
                // A refusal may name another dialog than the provisional response before it.
                Some(_) => dialog.seen(message.note.named).outcome(),
            };
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
                described: message.sections().is_some(),
                sections: if reads.attributes { field::open_sections(&message) } else { Box::default() },
                gap_from: message.at,
                outcome,
                fields: reads.fields(&message, kind, is_initial, settings),
            });
        }

        let setting_up = SettingUp::of(dialog, initial, &ledger, (dialogs, tags));
        for (entry, message) in ledger.iter_mut().zip(listed.iter().filter_map(|place| dialog.at(*place))) {
            entry.sets_up =
                entry.status.is_some() && message.note.named.is_some() && setting_up.counting == message.note.named;
            entry.counts &= entry.initial || entry.sets_up || setting_up.is_own(message);
            let is_cut = !entry.header_whole || entry.body == Body::Cut;
            let is_asked = entry.status.is_none() && matches!(entry.method, Method::Invite | Method::Update);
            if is_cut && is_asked && entry.counts && !entry.initial {
                entry.gap_from = last_request_before(dialog, message).unwrap_or(entry.at);
            }
        }
        let of_entry = |wanted: Option<usize>| {
            let invite = initial.iter().find(|(entry, _)| wanted.is_none_or(|wanted| *entry == wanted));
            invite.and_then(|(_, place)| dialog.at(*place))
        };
        let invite = setting_up.entry.and_then(|entry| of_entry(Some(entry)));
        let any_initial = invite.or_else(|| of_entry(None));
        let trunk_settings = trunk.and_then(|trunk| settings.trunks.get(trunk));
        let direction = match (trunk_settings, any_initial) {
            (Some(trunk), Some(invite)) => trunk::direction(trunk, &invite, of_platform),
            _ => Direction::Unknown,
        };
        let ended = end(dialog, &setting_up);
        let mut gaps = if setting_up.confirmed.is_empty() && !dialog.iter().any(|message| message.to_tag.is_some()) {
            Vec::new()
        } else {
            gaps(dialog, &setting_up, invite, (first, reads.info))
        };
        gaps.extend(on_other_hops(dialog, (&ledger, listed), &setting_up));
        gaps.sort_by_key(|gap| (gap.from, gap.locus));
        let parties = any_initial.or_else(|| dialog.first())?;
        let caller = any_initial.map(|invite| invite.hop.source.ip());
        let of = |message: Noted<'_, 'a>| {
            let named = message.note.named.map(Named::of_invite);
            let (seen, all) = (dialog.own(message.note), dialog.seen(named));
            offer_answer::Transaction {
                outcome: seen.outcome(),
                // A response of the INVITE names a To tag that its request lacks.
                request_captured: seen.request || (all.request && !all.in_dialog),
                sets_up: setting_up.counting.is_none() || setting_up.counting == named,
                own: setting_up.is_own(message),
            }
        };
        offer_answer::exchanges(dialog, invite, of, exchanges);
        let described = exchanges.iter().find_map(|exchange| exchange.locus(dialog));
        let recording_session = Some(messages)
            .filter(|_| subjects.recording_session)
            .and_then(|messages| find_row(messages, Subject::RecordingSession))
            .map(|(_, locus)| locus);
        Some(Leg {
            call_id: parties.message.call_id,
            nth_use,
            trunk,
            direction,
            from_uri: parties.message.from_uri,
            to_uri: parties.message.to_uri,
            first,
            last: dialog.last().map_or(last, |message| at(&message)),
            answered: setting_up.answered,
            answered_elsewhere: setting_up.answered.is_none()
                && setting_up.counting.is_some_and(|counting| {
                    let mut answers = dialog.everywhere().filter(|message| is_answer(message));
                    answers.any(|message| message.note.named == Some(counting))
                }),
            ended,
            final_status: setting_up.final_status,
            cancelled: setting_up.cancelled,
            set_up: setting_up.set_up,
            ledger,
            gaps,
            streams: offer_answer::streams(
                dialog,
                exchanges,
                addresses,
                (first.at, setting_up.answered.map(|answered| answered.at)),
                any_initial.is_some(),
            ),
            described,
            recording_session,
            replaces: invite.filter(|_| subjects.references).and_then(|invite| {
                let replaces = invite.message.rows().find(|row| row.subject == Subject::Replaces);
                replaces.map(|row| (references::call_id(row.value), invite.locus))
            }),
            refers: if subjects.references { refers(messages) } else { Vec::new() },
            identifiers: if subjects.identifiers {
                let from_platform =
                    |message: &Signalling<'_>| trunk::from_platform(trunk_settings, direction, message, caller);
                identifiers(messages, from_platform)
            } else {
                Vec::new()
            },
            of_recording: if subjects.recording || recording_session.is_some() {
                OfRecording::read(messages, dialog.iter().map(|message| message.message), recording_session)
            } else {
                None
            },
        })
    }
}

/// What the rows of a leg's messages are about, so that most legs' are looked at once.
#[derive(Clone, Copy, Debug, Default)]
struct Subjects {
    identifiers: bool,
    recording: bool,
    recording_session: bool,
    references: bool,
}

impl Subjects {
    fn of(messages: &[Signalling<'_>]) -> Self {
        let mut found = Self::default();
        for subject in messages.iter().flat_map(Signalling::subjects) {
            match subject {
                Subject::Consent(_) | Subject::Head | Subject::Recorded | Subject::Route => {}
                Subject::Conversation(_) | Subject::SessionId => found.identifiers = true,
                Subject::Attribute(_) | Subject::RecordAware | Subject::RecordingAttribute(_) => found.recording = true,
                Subject::RecordingSession => found.recording_session = true,
                Subject::Join | Subject::ReferTo | Subject::Replaces | Subject::TargetDialog => {
                    found.references = true;
                }
            }
        }
        found
    }
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
fn last_request_before(dialog: Dialog<'_, '_>, cut: Noted<'_, '_>) -> Option<Timestamp> {
    let is_sender = |message: &Noted<'_, '_>| {
        if cut.note.from.is_none() {
            message.hop.source.ip() == cut.hop.source.ip()
        } else {
            message.note.from == cut.note.from
        }
    };
    let before = dialog.before(|message| at(message) < at(&cut)).rev().take(MOST_LOOKED_BACK);
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

/// The dialogs that the responses to the INVITE that counts name, by the callee's tag.
#[derive(Default)]
struct Dialogs {
    confirmed: Vec<Tag>,
    early: Vec<Tag>,
    /// What is known of each tag, by its place.
    known: Vec<Known>,
}

/// Whether a tag names a dialog that was confirmed, an early one, one of the leg.
#[derive(Clone, Copy, Default)]
struct Known {
    confirmed: bool,
    early: bool,
    own: bool,
}

impl Dialogs {
    /// Takes the dialogs that responses of the transaction `counting` name; tells whether there are more than are told
    /// apart.
    fn read(&mut self, dialog: Dialog<'_, '_>, counting: Option<Named>, tags: &Tags<'_>) -> bool {
        self.confirmed.clear();
        self.early.clear();
        self.known.clear();
        let Some(counting) = counting else { return false };
        self.known.resize(tags.len(), Known::default());
        for message in dialog.iter() {
            let StartLine::Response(status) = message.start else { continue };
            if message.note.named != Some(counting) || message.note.to.is_none() {
                continue;
            }
            let Some(known) = self.known.get_mut(message.note.to.place()) else { continue };
            match status {
                200..=299 if !std::mem::replace(&mut known.confirmed, true) => self.confirmed.push(message.note.to),
                101..=199 if !std::mem::replace(&mut known.early, true) => self.early.push(message.note.to),
                _ => {}
            }
        }
        let is_many = |list: &[Tag]| list.len() > MOST_DIALOGS;
        let limited = is_many(&self.confirmed) || (self.confirmed.is_empty() && is_many(&self.early));
        if is_many(&self.confirmed) {
            // Whatever the order they came in, the same ones are followed.
            self.confirmed.sort_unstable_by_key(|tag| tags.text(*tag));
            self.confirmed.truncate(MOST_DIALOGS);
        }
        for tag in if self.confirmed.is_empty() { &self.early } else { &self.confirmed } {
            if let Some(known) = self.known.get_mut(tag.place()) {
                known.own = true;
            }
        }
        limited
    }

    fn is_own(&self, tag: Tag) -> bool {
        self.known.get(tag.place()).is_some_and(|known| known.own)
    }
}

/// How a leg was set up.
struct SettingUp<'m> {
    set_up: SetUp,
    /// The entry of the INVITE that counts, also where another one contradicts what it says of consent.
    entry: Option<usize>,
    answered: Option<At>,
    final_status: Option<(u16, Locus)>,
    refused_at: Option<At>,
    cancelled: Option<Locus>,
    cancelled_at: Option<At>,
    /// The callees' tags of the dialogs that a 2xx confirmed.
    confirmed: &'m [Tag],
    /// Of its dialogs: the confirmed ones, and before any 2xx the early ones.
    dialogs: &'m Dialogs,
    /// More dialogs than are told apart.
    limited: bool,
    /// The transaction of the INVITE that counts.
    counting: Option<Named>,
}

impl<'m> SettingUp<'m> {
    fn of(
        dialog: Dialog<'_, '_>,
        initial: &[(usize, usize)],
        ledger: &[Entry<'_>],
        (dialogs, tags): (&'m mut Dialogs, &Tags<'_>),
    ) -> Self {
        let initial = || initial.iter().filter_map(|(entry, place)| Some((*entry, dialog.at(*place)?)));
        // The first 2xx that no captured re-INVITE explains answers the INVITE that counts.
        let answer = dialog
            .iter()
            .find(|message| is_answer(message) && message.cseq.is_some() && !dialog.seen_of(message.note).in_dialog);
        let last = initial().rev().find(|(_, invite)| invite.cseq.is_some()).or_else(|| initial().next_back());
        let counting: Option<Named>;
        let set_up = if let Some(answer) = answer {
            counting = answer.note.named;
            match initial().find(|(_, invite)| counting == invite.note.named) {
                Some((entry, _)) => SetUp::Entry(entry),
                // An INVITE cut before its CSeq may be the one; it is unknown either way, and says so itself.
                None => match initial().find(|(_, invite)| invite.cseq.is_none()) {
                    Some((entry, _)) if initial().count() == 1 => SetUp::Entry(entry),
                    _ => SetUp::NotCaptured(answer.locus),
                },
            }
        } else if let Some((entry, invite)) = last {
            // A response or an ACK of a later attempt shows that the last one was not captured.
            let later = dialog.iter().rev().find(|message| {
                let Some(cseq) = message.cseq else { return false };
                let of_invite = matches!(cseq.method, Method::Invite | Method::Ack);
                of_invite
                    && message.note.from == invite.note.from
                    && invite.cseq.is_some_and(|own| cseq.number > own.number)
                    && !dialog.seen(message.note.named.map(Named::of_invite)).request
            });
            // A dialog that goes on after the last attempt was refused was set up by one that was not captured.
            let goes_on = goes_on_after_refusal(dialog, invite.note.named);
            match later {
                Some(message) => {
                    let named = message.note.named.map(Named::of_invite);
                    counting = named.filter(|named| goes_on_after_refusal(dialog, Some(*named)).is_none());
                    SetUp::NotCaptured(message.locus)
                }
                None => match goes_on {
                    Some(message) => {
                        counting = None;
                        SetUp::NotCaptured(message.locus)
                    }
                    None => {
                        counting = invite.note.named;
                        SetUp::Entry(entry)
                    }
                },
            }
        } else {
            let shown = dialog.first().map(|message| message.locus);
            // No attempt was captured; the last one that shows was refused, unless its dialog goes on after that.
            let attempt = dialog.iter().rev().find_map(|message| {
                message.cseq.filter(|cseq| matches!(cseq.method, Method::Invite | Method::Ack))?;
                let is_invite = matches!(message.start, StartLine::Request { method: Method::Invite, .. });
                let in_dialog = dialog.own(message.note).in_dialog;
                message.note.named.filter(|_| !is_invite && !in_dialog).map(Named::of_invite)
            });
            counting = attempt.filter(|named| {
                dialog.seen(Some(*named)).refused(dialog.messages).is_some()
                    && goes_on_after_refusal(dialog, Some(*named)).is_none()
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
        let refused = dialog.seen(counting).refused(dialog.messages);
        let answered = answer.map(|answer| at(&answer));
        let final_status = match (answer, refused) {
            (Some(answer), _) => match answer.start {
                StartLine::Response(status) => Some((status, answer.locus)),
                StartLine::Request { .. } => None,
            },
            (None, Some((status, refused))) => Some((status, refused.locus)),
            (None, None) => None,
        };
        let number = |named: Named| dialog.number(named);
        let cancel = dialog.iter().find(|message| {
            matches!(message.method(), Some(Method::Cancel))
                && counting.is_none_or(|counting| {
                    let (tag, of_counting) = number(counting);
                    message.note.from == tag && message.cseq.is_none_or(|own| own.number == of_counting)
                })
        });
        let limited = dialogs.read(dialog, counting, tags);
        // A BYE shows a dialog, and so does what goes on: a CANCEL that crossed the answer ended nothing (RFC 3261 §9.1).
        let is_bye = |message: Noted<'_, '_>| message.method() == Some(Method::Bye) && message.to_tag.is_some();
        let cancel = cancel.filter(|cancel| !dialog.iter().any(is_bye) && goes_on_after(dialog, at(cancel)).is_none());
        let dialogs: &'m Dialogs = dialogs;
        Self {
            set_up,
            entry,
            answered,
            final_status,
            refused_at: refused.map(|(_, refused)| at(refused)),
            cancelled: cancel.filter(|_| answered.is_none()).map(|message| message.locus),
            cancelled_at: cancel.map(|message| at(&message)),
            confirmed: &dialogs.confirmed,
            dialogs,
            limited,
            counting,
        }
    }

    /// Whether a request belongs to a dialog of the attempt that counts; where nothing names its dialogs, every one does.
    fn is_own(&self, message: Noted<'_, '_>) -> bool {
        self.limited
            || (self.confirmed.is_empty() && self.dialogs.early.is_empty())
            || self.dialogs.is_own(message.note.from)
            || self.dialogs.is_own(message.note.to)
            || (message.to_tag.is_none() && !message.header_whole)
    }
}

/// What shows that a dialog goes on after an attempt to set it up was refused.
fn goes_on_after_refusal<'m, 'a>(dialog: Dialog<'m, 'a>, attempt: Option<Named>) -> Option<Noted<'m, 'a>> {
    let (_, refused) = dialog.seen(attempt).refused(dialog.messages)?;
    goes_on_after(dialog, at(refused))
}

/// What shows that a dialog goes on after this.
fn goes_on_after<'m, 'a>(dialog: Dialog<'m, 'a>, after: At) -> Option<Noted<'m, 'a>> {
    dialog.iter().find(|message| {
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
fn end(dialog: Dialog<'_, '_>, setting_up: &SettingUp<'_>) -> Option<At> {
    let bye_of = |tag: Tag| {
        dialog.iter().find(|message| {
            let ends = match message.start {
                StartLine::Request { method, .. } => method == Method::Bye,
                // A BYE that was not captured shows in its answer.
                StartLine::Response(status) => {
                    (200..300).contains(&status) && message.cseq.is_some_and(|cseq| cseq.method == Method::Bye)
                }
            };
            // A challenged BYE is sent again (RFC 3261 §22.2).
            let is_challenged = || {
                let seen = dialog.seen_of(message.note);
                let status = seen.refused(dialog.messages).map(|(status, _)| status);
                !seen.accepted && matches!(status, Some(401 | 407))
            };
            let note = message.note;
            ends && (tag.is_none() || note.from == tag || note.to == tag || note.to.is_none()) && !is_challenged()
        })
    };
    if setting_up.confirmed.is_empty() {
        let bye = bye_of(Tag::NONE).map(|message| at(&message));
        return bye.or(setting_up.refused_at.filter(|_| setting_up.answered.is_none())).or(setting_up.cancelled_at);
    }
    let mut last = None;
    for tag in setting_up.confirmed {
        let bye = bye_of(*tag)?;
        last = last.max(Some(at(&bye)));
    }
    last
}

/// Where a request that could speak of consent was not captured: one sender's CSeq numbers skip, or a response or an
/// ACK belongs to none that was seen. What was seen refused, or is of another method, is no gap.
fn gaps(
    dialog: Dialog<'_, '_>,
    setting_up: &SettingUp<'_>,
    invite: Option<Noted<'_, '_>>,
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
    let mut gaps = Vec::new();
    let (few, many) = senders(dialog, setting_up);
    let mut senders = &few[..];
    if let Some(many) = &many {
        senders = many;
    }
    if setting_up.limited || senders.len() > 2 * MOST_DIALOGS {
        // What the dialogs beyond the limit say is not known.
        gaps.push(Gap { from: first.at, shown: first.at, kind: GapKind::TooManyDialogs, locus: first.locus });
    }
    // Whether a message belongs to a request that could have changed consent, not captured and not seen refused.
    let is_missing = |message: Noted<'_, '_>, cseq: CSeq, is_base: bool| {
        let method = if cseq.method == Method::Ack { Method::Invite } else { cseq.method };
        let speaks = matches!(method, Method::Invite | Method::Update) || (info_speaks && method == Method::Info);
        speaks && !is_base && {
            let seen = dialog.own(message.note);
            !seen.request && seen.outcome() != Outcome::Refused
        }
    };
    for sender in senders.iter().take(2 * MOST_DIALOGS) {
        let base = invite.filter(|invite| invite.note.from == sender.from).and_then(|invite| invite.cseq);
        // The sender's messages of the dialog, with their numbers.
        let own = dialog.iter().filter_map(|message| {
            let cseq = message.cseq?;
            let note = message.note;
            if note.from != sender.from || !(note.to.is_none() || note.to == sender.to) || cseq.method == Method::Cancel
            {
                return None;
            }
            let is_base = base == Some(cseq)
                || (cseq.method == Method::Ack && base.is_some_and(|base| base.number == cseq.number));
            if note.to.is_none() && !is_base && matches!(message.start, StartLine::Request { .. }) {
                // An earlier attempt, outside the dialog.
                return None;
            }
            base.is_none_or(|base| cseq.number >= base.number).then_some((message, cseq, is_base))
        });
        // Most senders' numbers follow each other, and all their requests were captured.
        let mut numbers = Numbers::default();
        if own.clone().all(|(message, cseq, is_base)| !is_missing(message, cseq, is_base) && numbers.add(cseq.number))
            && numbers.follow()
        {
            continue;
        }
        let mut numbers: Vec<Number> = Vec::new();
        for (message, cseq, is_base) in own {
            let is_request = matches!(message.start, StartLine::Request { method, .. } if method != Method::Ack);
            numbers.push(Number {
                number: cseq.number,
                request: is_request.then(|| at(&message)),
                shown: at(&message),
                missing: is_missing(message, cseq, is_base),
            });
        }
        numbers.sort_by_key(|number| (number.number, number.shown));
        let mut before = if base.is_some() { invite.map(|invite| at(&invite)) } else { None };
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

/// One sender within one dialog: its own tag and the peer's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Sender {
    from: Tag,
    to: Tag,
}

/// The senders within the dialogs of a leg, in the order of their first messages: most legs have two, the others a list.
fn senders(dialog: Dialog<'_, '_>, setting_up: &SettingUp<'_>) -> (ArrayVec<Sender, SHORT>, Option<Vec<Sender>>) {
    let mut few = ArrayVec::new();
    let mut many: Option<(Vec<Sender>, HashSet<Sender, Seed>)> = None;
    for message in dialog.iter() {
        let &Note { from, to, named, .. } = message.note;
        if to.is_none() || named.is_none() || !setting_up.is_own(message) {
            continue;
        }
        let sender = Sender { from, to };
        if let Some((list, known)) = &mut many {
            if known.insert(sender) {
                list.push(sender);
            }
        } else if !few.contains(&sender) && few.try_push(sender).is_err() {
            let list: Vec<Sender> = few.iter().copied().chain([sender]).collect();
            let known = list.iter().copied().collect();
            many = Some((list, known));
        }
    }
    (few, many.map(|(list, _)| list))
}

/// The requests within the dialog that speak of consent, or were cut, on another hop, and that were not captured on the
/// one that counts: whether they arrived there, and with what, is not known. One that was seen refused changes nothing;
/// nor does one that is silent, for what a device adds on the way stands on its own hop.
fn on_other_hops(
    dialog: Dialog<'_, '_>,
    (ledger, listed): (&[Entry<'_>], &[usize]),
    setting_up: &SettingUp<'_>,
) -> Vec<Gap> {
    let noted = listed.iter().filter_map(|place| dialog.at(*place));
    let elsewhere = |(entry, message): &(&Entry<'_>, Noted<'_, '_>)| {
        let asks = entry.status.is_none() && !entry.initial && message.to_tag.is_some();
        let speaks = !entry.fields.is_empty() || !entry.header_whole;
        let here = || dialog.seen_of(message.note).request;
        asks && speaks && !entry.counts && setting_up.is_own(*message) && !here()
    };
    let mut candidates = ledger.iter().zip(noted).filter(elsewhere).peekable();
    if candidates.peek().is_none() {
        return Vec::new();
    }
    let seen = dialog.seen_everywhere();
    let everywhere = dialog.with(&seen);
    candidates
        .filter(|(_, message)| everywhere.seen_of(message.note).outcome() != Outcome::Refused)
        .map(|(entry, message)| {
            let from = last_request_before(dialog, message).unwrap_or(entry.at);
            Gap { from, shown: entry.at, kind: GapKind::OnAnotherHop, locus: entry.locus }
        })
        .collect()
}

/// Numbers near to each other.
#[derive(Default)]
struct Numbers {
    first: Option<u32>,
    /// The number of each bit's place, from 31 before the first one on.
    seen: u64,
}

impl Numbers {
    /// Adds a number; `false` where it is too far from the first one to be told at once.
    #[inline]
    fn add(&mut self, number: u32) -> bool {
        let first = *self.first.get_or_insert(number);
        let place = i64::from(number) - i64::from(first) + 31;
        let is_near = (0..64).contains(&place);
        if is_near {
            self.seen |= 1 << place;
        }
        is_near
    }

    /// Whether they leave none out between the least and the greatest.
    fn follow(&self) -> bool {
        let from_least = self.seen >> self.seen.trailing_zeros().min(63);
        from_least & from_least.wrapping_add(1) == 0
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_follow_each_other_in_any_order() {
        let told = |numbers: &[u32]| {
            let mut all = Numbers::default();
            numbers.iter().all(|number| all.add(*number)).then(|| all.follow())
        };
        let top = u32::MAX;
        for (numbers, expected) in [
            (&[][..], Some(true)),
            (&[0], Some(true)),
            (&[top], Some(true)),
            (&[5, 4, 6, 5], Some(true)),
            (&[5, 4, 7], Some(false)),
            (&[40, 9], Some(false)),
            (&[top, top - 1], Some(true)),
            // As far as is told at once, and one further.
            (&[40, 8], None),
            (&[40, 72], Some(false)),
            (&[40, 73], None),
            (&[0, top], None),
        ] {
            assert_eq!(told(numbers), expected, "{numbers:?}");
        }
        let all: Vec<u32> = (9..=72).collect();
        assert_eq!(told(&[&[40], &all[..]].concat()), Some(true));
        assert_eq!(told(&[&[40], &all[..31], &all[32..]].concat()), Some(true), "40 stands before them");
        assert_eq!(told(&[&[40], &all[..30], &all[31..]].concat()), Some(false), "39 is left out");
    }
}
