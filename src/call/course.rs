//! The course that a leg took: transactions and dialogs read (RFC 3261 §12, §17), the INVITE that counts found, and the
//! places where a request may be missing.
//!
//! Read from the [steps](super::steps) of a leg alone, and told in places among its messages, which come by time;
//! [`dialog`](super::dialog) fills in what they say. A million legs take some hundred courses, so a course that was read is
//! remembered.

use std::hash::BuildHasher;

use arrayvec::ArrayVec;
use hashbrown::hash_table::{Entry, HashTable};
use hashbrown::{HashMap, HashSet};

use super::dialog::Seed;
use super::field::Reads;
use super::ledger::{GapKind, Outcome};
use super::offer_answer::{self, Exchanges};
use super::steps::{SHORT, Start, Step, Steps, Tag, Tags};
use super::transactions::{Dialog, Named, Noted, Seen, Transactions};
use crate::facts::Method;
use crate::settings::RuleMessage;

/// Dialogs of one leg that are told apart. More are forks of an attack, not of a call.
pub const MOST_DIALOGS: usize = 64;

/// Steps of the courses that are remembered: no more than two megabytes, whatever they hold.
const MOST_REMEMBERED: usize = 8_192;

/// What became of a leg, each message by its place.
#[derive(Debug)]
pub(super) struct Course {
    /// The messages on the hops that count.
    pub(super) on_dialog: Box<[u32]>,
    /// The messages of the ledger.
    pub(super) listed: Vec<Listed>,
    /// The request that set it up.
    pub(super) begun: Begun,
    /// Its initial INVITE on a hop that counts: the one that counts, else the first.
    pub(super) initial: Option<usize>,
    /// The first 2xx to the INVITE that counts.
    pub(super) answered: Option<usize>,
    /// Whether the 2xx was seen on another hop only.
    pub(super) answered_elsewhere: bool,
    /// The last final response to that INVITE; of those that do not refuse it the first.
    pub(super) final_response: Option<usize>,
    /// A CANCEL of it, without a 2xx.
    pub(super) cancelled: Option<usize>,
    /// The end that was seen.
    pub(super) ended: Option<usize>,
    /// The last message of its dialogs, or of the INVITE that set them up.
    pub(super) last: Option<usize>,
    /// The messages that are of none of its dialogs and of no attempt to set one up, whatever Call-ID they bear. What is
    /// read without them has none.
    pub(super) strays: Box<[u32]>,
    /// Requests that were not captured, in no order.
    pub(super) missing: Vec<Missing>,
    /// Its offers and answers.
    pub(super) exchanges: Exchanges,
}

/// A message of the ledger.
#[derive(Clone, Copy, Debug)]
pub(super) struct Listed {
    pub(super) place: usize,
    /// What rules call it.
    pub(super) kind: RuleMessage,
    /// Its method, or the one that it answers.
    pub(super) method: Method,
    /// The status code of a response.
    pub(super) status: Option<u16>,
    /// Whether it is an attempt to set up the leg.
    pub(super) initial: bool,
    /// Whether it was seen on a hop that counts, or within its dialog.
    pub(super) counts: bool,
    /// Whether it is a response to the INVITE that counts.
    pub(super) sets_up: bool,
    /// What became of it, or of the request that it answers.
    pub(super) outcome: Outcome,
    /// Whether it is a request within the dialog that was captured on another hop only, and not seen refused.
    pub(super) elsewhere: bool,
    /// Whether it was seen on a hop behind the ones that count, and may count as well.
    pub(super) behind: bool,
    /// Of such a one within a dialog the entry that is the same message on a hop that counts.
    pub(super) same_as: Option<usize>,
}

/// How a leg began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Begun {
    /// With the INVITE of that entry of the ledger.
    Entry(usize),
    /// With one that was not captured; the message that shows it.
    NotCaptured(usize),
}

/// A request that was not captured.
#[derive(Clone, Copy, Debug)]
pub(super) struct Missing {
    /// The sender's last request before it, or the first message.
    pub(super) from: usize,
    /// What shows it.
    pub(super) shown: usize,
    pub(super) kind: GapKind,
}

/// The courses that were read last.
#[derive(Default)]
pub(super) struct Courses {
    seed: Seed,
    remembered: HashTable<(Box<[Step]>, Course)>,
    /// Steps of them all.
    steps: usize,
    /// One that is not remembered.
    alone: Option<Course>,
    room: Room,
}

/// What one course took room for, the next one uses again.
#[derive(Default)]
struct Room {
    transactions: Transactions,
    dialogs: Dialogs,
}

impl Courses {
    /// The course of a leg.
    pub(super) fn of(&mut self, Steps { list, tags }: &Steps<'_>, reads: Reads) -> &Course {
        let Self { seed, remembered, steps, alone, room } = self;
        if tags.len() > MOST_DIALOGS {
            // Which of so many dialogs are followed their tags' texts tell.
            return alone.insert(Course::read(list, tags, reads, room));
        }
        if *steps > MOST_REMEMBERED {
            remembered.clear();
            *steps = 0;
        }
        let is_same = |(known, _): &(Box<[Step]>, Course)| **known == **list;
        match remembered.entry(seed.hash_one(list), is_same, |(known, _)| seed.hash_one(known)) {
            Entry::Occupied(known) => &known.into_mut().1,
            Entry::Vacant(place) => {
                *steps += list.len();
                let course = Course::read(list, tags, reads, room);
                &place.insert((list.as_slice().into(), course)).into_mut().1
            }
        }
    }
}

#[cfg(test)]
impl Courses {
    /// How many are remembered.
    pub(super) fn len(&self) -> usize {
        self.remembered.len()
    }
}

impl Course {
    fn read(steps: &[Step], tags: &Tags<'_>, reads: Reads, room: &mut Room) -> Self {
        let dialog = room.transactions.read(steps);
        let (mut listed, initial) = list(dialog, reads);
        let setting_up = SettingUp::of(dialog, &initial, (&mut room.dialogs, tags));
        // What is passed on is answered on every hop, and some answers are captured on one alone.
        let everywhere = (dialog.places().len() < steps.len()).then(|| dialog.seen_everywhere());
        let everywhere = everywhere.as_ref().map(|seen| dialog.with(seen));
        settle(&mut listed, (dialog, everywhere), &setting_up);
        find_same(&mut listed, dialog);
        let invite = match setting_up.begun {
            Begun::Entry(entry) => listed.get(entry).and_then(|entry| dialog.at(entry.place)),
            Begun::NotCaptured(_) => None,
        };
        let has_dialog = !setting_up.confirmed.is_empty() || dialog.iter().any(|step| !step.to.is_none());
        let counting = setting_up.counting;
        let of = |step: Noted<'_>| {
            let named = step.note.named.map(Named::of_invite);
            let (seen, all) = (dialog.own(step.note), dialog.seen(named));
            offer_answer::Transaction {
                outcome: outcome((dialog, everywhere), step, |dialog| dialog.own(step.note)),
                // A response of the INVITE names a To tag that its request lacks.
                request_captured: seen.request || (all.request && !all.in_dialog),
                sets_up: counting.is_none() || counting == named,
                own: setting_up.is_own(step.step),
            }
        };
        Self {
            on_dialog: dialog.places().into(),
            begun: setting_up.begun,
            initial: invite.or(initial.first().map(|(_, invite)| *invite)).map(|invite| invite.place),
            answered: setting_up.answered,
            answered_elsewhere: setting_up.answered.is_none()
                && counting.is_some()
                && dialog.everywhere().any(|step| step.is_answer() && step.note.named == counting),
            final_response: setting_up.answered.or(setting_up.refused),
            cancelled: setting_up.cancelled.filter(|_| setting_up.answered.is_none()),
            ended: end((dialog, everywhere), &setting_up),
            last: dialog.iter().rev().find(|step| setting_up.is_of_leg(*step)).map(|step| step.place),
            strays: strays(dialog),
            missing: if has_dialog { missing(dialog, &setting_up, invite, reads.info) } else { Vec::new() },
            exchanges: offer_answer::exchanges(dialog, invite, of),
            listed,
        }
    }
}

/// The messages of the ledger, and the initial INVITEs of the hops that count, each behind its entry.
fn list(dialog: Dialog<'_>, reads: Reads) -> (Vec<Listed>, Vec<(usize, Noted<'_>)>) {
    let (mut listed, mut initial) = (Vec::new(), Vec::new());
    let mut is_answered = false;
    for step in dialog.everywhere() {
        let was_answered = is_answered;
        is_answered |= step.is_answer();
        let Some((kind, method)) = reads.message(step.step).zip(step.method()) else { continue };
        // An INVITE cut before its To is taken as a re-INVITE once the leg was answered.
        let is_again = step.has_to_unread() && was_answered;
        let is_initial = kind == RuleMessage::Invite && step.to.is_none() && !is_again;
        if is_initial && step.on_hop() {
            initial.push((listed.len(), step));
        }
        let status = match step.start() {
            Start::Request(_) => None,
            Start::Response(status) => Some(status),
        };
        listed.push(Listed {
            place: step.place,
            kind,
            method,
            status,
            initial: is_initial,
            counts: step.on_dialog(),
            sets_up: false,
            outcome: Outcome::Unknown,
            elsewhere: false,
            behind: step.is_behind(),
            same_as: None,
        });
    }
    (listed, initial)
}

/// Tells what each message of the ledger is to the INVITE that counts.
fn settle(listed: &mut [Listed], (dialog, everywhere): (Dialog<'_>, Option<Dialog<'_>>), setting_up: &SettingUp<'_>) {
    for entry in listed {
        let Some(step) = dialog.at(entry.place) else { continue };
        let is_request = step.is_request();
        // A refusal may name another dialog than the provisional response before it.
        let outcome = outcome((dialog, everywhere), step, |dialog| match is_request {
            true => dialog.seen_of(step.note),
            false => dialog.seen(step.note.named),
        });
        if entry.counts {
            entry.outcome = outcome;
        }
        entry.sets_up = !is_request && step.note.named.is_some() && setting_up.counting == step.note.named;
        let is_own = setting_up.is_own(step.step);
        entry.counts &= entry.initial || entry.sets_up || is_own;
        let is_within = is_request && !entry.initial && !step.to.is_none() && is_own;
        entry.elsewhere =
            is_within && !entry.counts && !dialog.seen_of(step.note).request && outcome != Outcome::Refused;
    }
}

/// What became of a request, or of the one that a response answers, by what is `seen` of it on the hops that count; within a
/// dialog, that it was refused on another one where nothing was seen here: a proxy passes on what it got.
fn outcome<'d>(
    (dialog, everywhere): (Dialog<'d>, Option<Dialog<'d>>),
    step: Noted<'_>,
    seen: impl Fn(Dialog<'d>) -> Seen,
) -> Outcome {
    let refused = |dialog: Dialog<'d>| seen(dialog).outcome() == Outcome::Refused;
    match seen(dialog).outcome() {
        Outcome::Unknown if !step.to.is_none() && everywhere.is_some_and(refused) => Outcome::Refused,
        outcome => outcome,
    }
}

/// Finds for each message behind the hops that count the same one there. Attempts to set up the leg are compared all with
/// all.
fn find_same(listed: &mut [Listed], dialog: Dialog<'_>) {
    if !listed.iter().any(|entry| entry.behind) {
        return;
    }
    let key = |entry: &Listed| {
        let step = dialog.at(entry.place).filter(|_| !entry.initial)?;
        Some((step.note.named?, step.to, entry.status))
    };
    // The first of several stands.
    let counting = listed.iter().enumerate().rev().filter(|(_, entry)| entry.counts);
    let known: HashMap<_, usize, Seed> = counting.filter_map(|(own, entry)| Some((key(entry)?, own))).collect();
    for entry in listed.iter_mut().filter(|entry| entry.behind) {
        entry.same_as = key(entry).and_then(|key| known.get(&key).copied());
    }
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
    fn read(&mut self, dialog: Dialog<'_>, counting: Option<Named>, tags: &Tags<'_>) -> bool {
        self.confirmed.clear();
        self.early.clear();
        self.known.clear();
        let Some(counting) = counting else { return false };
        self.known.resize(tags.len(), Known::default());
        for step in dialog.iter() {
            let Start::Response(status) = step.start() else { continue };
            if step.note.named != Some(counting) || step.to.is_none() {
                continue;
            }
            let Some(known) = self.known.get_mut(step.to.place()) else { continue };
            match status {
                200..=299 if !std::mem::replace(&mut known.confirmed, true) => self.confirmed.push(step.to),
                101..=199 if !std::mem::replace(&mut known.early, true) => self.early.push(step.to),
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
    begun: Begun,
    answered: Option<usize>,
    refused: Option<usize>,
    cancelled: Option<usize>,
    /// The caller's tag; none where the INVITE that counts does not show.
    caller: Tag,
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
    /// `initial` are the initial INVITEs of the hops that count, each behind its entry.
    fn of(dialog: Dialog<'_>, initial: &[(usize, Noted<'_>)], (dialogs, tags): (&'m mut Dialogs, &Tags<'_>)) -> Self {
        let initial = || initial.iter().map(|(entry, invite)| (*entry, *invite));
        // The first 2xx that no captured re-INVITE explains answers the INVITE that counts.
        let answer = dialog
            .iter()
            .find(|step| step.is_answer() && step.cseq().is_some() && !dialog.seen_of(step.note).in_dialog);
        let last = initial().rev().find(|(_, invite)| invite.cseq().is_some()).or_else(|| initial().next_back());
        let counting: Option<Named>;
        let begun = if let Some(answer) = answer {
            counting = answer.note.named;
            match initial().find(|(_, invite)| counting == invite.note.named) {
                Some((entry, _)) => Begun::Entry(entry),
                // An INVITE cut before its CSeq may be the one; it is unknown either way, and says so itself.
                None => match initial().find(|(_, invite)| invite.cseq().is_none()) {
                    Some((entry, _)) if initial().count() == 1 => Begun::Entry(entry),
                    _ => Begun::NotCaptured(answer.place),
                },
            }
        } else if let Some((entry, invite)) = last {
            // A response or an ACK of a later attempt shows that the last one was not captured.
            let later = dialog.iter().rev().find(|step| {
                matches!(step.cseq(), Some(Method::Invite | Method::Ack))
                    && step.from == invite.from
                    && invite.cseq().is_some()
                    && step.number > invite.number
                    && !dialog.seen(step.note.named.map(Named::of_invite)).request
            });
            // A dialog that goes on after the last attempt was refused was set up by one that was not captured.
            let goes_on = goes_on_after_refusal(dialog, invite.note.named);
            match later {
                Some(step) => {
                    let named = step.note.named.map(Named::of_invite);
                    counting = named.filter(|named| goes_on_after_refusal(dialog, Some(*named)).is_none());
                    Begun::NotCaptured(step.place)
                }
                None => match goes_on {
                    Some(step) => {
                        counting = None;
                        Begun::NotCaptured(step.place)
                    }
                    None => {
                        counting = invite.note.named;
                        Begun::Entry(entry)
                    }
                },
            }
        } else {
            // No attempt was captured; the last one that shows was refused, unless its dialog goes on after that.
            let attempt = dialog.iter().rev().find_map(|step| {
                step.cseq().filter(|method| matches!(method, Method::Invite | Method::Ack))?;
                let is_invite = step.start() == Start::Request(Method::Invite);
                let in_dialog = dialog.own(step.note).in_dialog;
                step.note.named.filter(|_| !is_invite && !in_dialog).map(Named::of_invite)
            });
            counting = attempt.filter(|named| {
                dialog.seen(Some(*named)).refused().is_some() && goes_on_after_refusal(dialog, Some(*named)).is_none()
            });
            // A leg has a message on a hop that counts.
            Begun::NotCaptured(dialog.iter().next().map_or(0, |step| step.place))
        };
        let refused = dialog.seen(counting).refused();
        let cancel = dialog.iter().find(|step| {
            step.method() == Some(Method::Cancel)
                && counting.is_none_or(|counting| {
                    let (tag, of_counting) = dialog.number(counting);
                    step.from == tag && (step.cseq().is_none() || step.number == of_counting)
                })
        });
        let limited = dialogs.read(dialog, counting, tags);
        // A BYE shows a dialog, and so does what goes on: a CANCEL that crossed the answer ended nothing (RFC 3261 §9.1).
        let is_bye = |step: Noted<'_>| step.method() == Some(Method::Bye) && !step.to.is_none();
        let cancel =
            cancel.filter(|cancel| !dialog.iter().any(is_bye) && goes_on_after(dialog, cancel.place).is_none());
        let dialogs: &'m Dialogs = dialogs;
        Self {
            begun,
            answered: answer.map(|answer| answer.place),
            refused,
            cancelled: cancel.map(|cancel| cancel.place),
            caller: counting.map_or(Tag::NONE, |counting| dialog.number(counting).0),
            confirmed: &dialogs.confirmed,
            dialogs,
            limited,
            counting,
        }
    }

    /// Whether a message belongs to a dialog of the leg or to the transaction of the INVITE that counts, or answers or confirms it.
    fn is_of_leg(&self, step: Noted<'_>) -> bool {
        let named = step.note.named.map(Named::of_invite);
        self.is_own(step.step) || self.counting.is_none() || named == self.counting.map(Named::of_invite)
    }

    /// Whether a request belongs to a dialog of the attempt that counts; where nothing names its dialogs, every one does.
    fn is_own(&self, step: &Step) -> bool {
        self.limited
            || (self.confirmed.is_empty() && self.dialogs.early.is_empty())
            || (self.dialogs.is_own(step.from) && self.may_be_caller(step.to))
            || (self.dialogs.is_own(step.to) && self.may_be_caller(step.from))
            || (step.to.is_none() && !step.header_whole())
    }

    /// Whether this may be the caller's tag: a dialog has two (RFC 3261 §12), where both are known.
    fn may_be_caller(&self, tag: Tag) -> bool {
        tag == self.caller || tag.is_none() || self.caller.is_none()
    }
}

/// The messages of no INVITE dialog: those that name none of the tags that an INVITE's sender had (an OPTIONS, a SUBSCRIBE, a
/// BYE of its own), and what is sent outside of any dialog, with its responses.
fn strays(dialog: Dialog<'_>) -> Box<[u32]> {
    use Method::{Ack, Bye, Cancel, Invite, Message, Notify, Options, Other, Prack, Publish, Refer, Register};
    use Method::{Subscribe, Update};

    // Tags far behind in the list are taken as one: such a leg has more dialogs than are told apart.
    let bit = |tag: Tag| 1_u64 << tag.place().min(63);
    let is_of_invite = |step: &Noted<'_>| matches!(step.method(), Some(Ack | Cancel | Invite | Prack));
    let invites = || dialog.everywhere().filter(is_of_invite);
    let (mut callers, mut callees) =
        invites().fold((0, 0), |(from, to), step| (from | bit(step.from), to | bit(step.to)));
    if callers == 0 {
        let shows_one = |step: &Noted<'_>| matches!(step.method(), Some(Bye | Update));
        callers = dialog.everywhere().filter(shows_one).fold(0, |all, step| all | bit(step.from) | bit(step.to));
        callees = callers;
    }
    let is_outside = |step: &Noted<'_>| match step.start() {
        Start::Request(Message | Notify | Options | Other | Publish | Refer | Register | Subscribe) => {
            step.to.is_none() && step.header_whole()
        }
        _ => false,
    };
    let outside: HashSet<Named, Seed> =
        dialog.everywhere().filter(is_outside).filter_map(|step| step.note.named).collect();
    let is_stray = |step: &Noted<'_>| {
        let is_unread = step.from.is_none() || (step.to.is_none() && !step.header_whole());
        // Where one tag is missing, the other is either side's.
        let parties = if step.to.is_none() { callers | callees } else { callers };
        let is_foreign = (bit(step.from) | bit(step.to)) & parties == 0 && !is_unread;
        let answers = !step.is_request() && step.note.named.is_some_and(|named| outside.contains(&named));
        !is_of_invite(step) && (is_foreign || is_outside(step) || answers)
    };
    dialog.everywhere().filter(is_stray).map(|step| step.place as u32).collect()
}

/// What shows that a dialog goes on after an attempt to set it up was refused.
fn goes_on_after_refusal(dialog: Dialog<'_>, attempt: Option<Named>) -> Option<Noted<'_>> {
    goes_on_after(dialog, dialog.seen(attempt).refused()?)
}

/// What shows that a dialog goes on after this.
fn goes_on_after(dialog: Dialog<'_>, place: usize) -> Option<Noted<'_>> {
    dialog.iter().find(|step| {
        let in_dialog = !step.to.is_none() && step.place > place;
        match (step.start(), step.cseq()) {
            (Start::Request(Method::Ack | Method::Cancel), _) => false,
            (Start::Request(_), _) => in_dialog,
            (Start::Response(200..=299), Some(Method::Bye | Method::Update)) => in_dialog,
            (Start::Response(_), _) => false,
        }
    })
}

/// The end of the leg: the BYE of every dialog that a 2xx confirmed, else CANCEL or the final refusal. A BYE that names both
/// tags of a dialog and was captured on another hop alone ends it, too: a proxy passes it on.
fn end((dialog, everywhere): (Dialog<'_>, Option<Dialog<'_>>), setting_up: &SettingUp<'_>) -> Option<usize> {
    let bye_of = |tag: Tag| {
        let is_bye = |dialog: Dialog<'_>, step: &Noted<'_>| {
            let ends = match step.start() {
                Start::Request(method) => method == Method::Bye,
                // A BYE that was not captured shows in its answer.
                Start::Response(status) => (200..300).contains(&status) && step.cseq() == Some(Method::Bye),
            };
            // A challenged BYE is sent again (RFC 3261 §22.2).
            let is_challenged = || {
                let seen = dialog.seen_of(step.note);
                let refused = seen.refused().and_then(|refused| dialog.at(refused));
                !seen.accepted && refused.is_some_and(|refused| matches!(refused.start(), Start::Response(401 | 407)))
            };
            let is_between = |callee: Tag, caller: Tag| {
                setting_up.may_be_caller(caller) && (tag.is_none() || callee == tag || callee.is_none())
            };
            ends && (is_between(step.from, step.to) || is_between(step.to, step.from)) && !is_challenged()
        };
        dialog.iter().find(|step| is_bye(dialog, step)).or_else(|| {
            let everywhere = everywhere.filter(|_| !tag.is_none())?;
            let mut named = everywhere.everywhere().filter(|step| !step.from.is_none() && !step.to.is_none());
            named.find(|step| is_bye(everywhere, step))
        })
    };
    if setting_up.confirmed.is_empty() {
        let bye = bye_of(Tag::NONE).map(|bye| bye.place);
        return bye.or(setting_up.refused.filter(|_| setting_up.answered.is_none())).or(setting_up.cancelled);
    }
    let mut last = None;
    for tag in setting_up.confirmed {
        let bye = bye_of(*tag)?;
        last = last.max(Some(bye.place));
    }
    last
}

/// Where a request that could speak of consent was not captured: one sender's CSeq numbers skip, or a response or an
/// ACK belongs to none that was seen. What was seen refused, or is of another method, is no gap.
fn missing(
    dialog: Dialog<'_>,
    setting_up: &SettingUp<'_>,
    invite: Option<Noted<'_>>,
    info_speaks: bool,
) -> Vec<Missing> {
    struct Number {
        number: i64,
        /// The request, where it was captured.
        request: Option<usize>,
        shown: usize,
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
        gaps.push(Missing { from: 0, shown: 0, kind: GapKind::TooManyDialogs });
    }
    // Whether a step belongs to a request that could have changed consent, not captured and not seen refused.
    let is_missing = |step: Noted<'_>, method: Method, is_base: bool| {
        let method = of_invite(method);
        let speaks = matches!(method, Method::Invite | Method::Update) || (info_speaks && method == Method::Info);
        speaks && !is_base && {
            let seen = dialog.own(step.note);
            !seen.request && seen.outcome() != Outcome::Refused
        }
    };
    for sender in senders.iter().take(2 * MOST_DIALOGS) {
        let base = invite.filter(|invite| invite.from == sender.from && invite.cseq().is_some());
        // The sender's steps of the dialog, with their methods.
        let own = dialog.iter().filter_map(|step| {
            let method = step.cseq()?;
            if step.from != sender.from || !(step.to.is_none() || step.to == sender.to) || method == Method::Cancel {
                return None;
            }
            let is_base = base.is_some_and(|base| {
                step.number == base.number && (step.cseq() == base.cseq() || method == Method::Ack)
            });
            if step.to.is_none() && !is_base && step.is_request() {
                // An earlier attempt, outside the dialog.
                return None;
            }
            base.is_none_or(|base| step.number >= base.number).then_some((step, method, is_base))
        });
        // Most senders' numbers follow each other, and all their requests were captured.
        let mut numbers = Numbers::default();
        if own.clone().all(|(step, method, is_base)| !is_missing(step, method, is_base) && numbers.add(step.number))
            && numbers.follow()
        {
            continue;
        }
        let mut numbers: Vec<Number> = Vec::new();
        for (step, method, is_base) in own {
            let is_request = step.is_request() && step.start() != Start::Request(Method::Ack);
            numbers.push(Number {
                number: step.number,
                request: is_request.then_some(step.place),
                shown: step.place,
                missing: is_missing(step, method, is_base),
            });
        }
        numbers.sort_by_key(|number| (number.number, number.shown));
        let mut before = base.map(|invite| invite.place);
        let mut previous: Option<i64> = None;
        for alike in numbers.chunk_by(|one, other| one.number == other.number) {
            let Some(number) = alike.first() else { continue };
            let from = before.unwrap_or(0);
            let request = alike.iter().find_map(|number| number.request);
            if request.is_none() && alike.iter().any(|number| number.missing) {
                gaps.push(Missing { from, shown: number.shown, kind: GapKind::RequestNotCaptured });
            }
            if previous.is_some_and(|previous| number.number > previous + 1) {
                gaps.push(Missing { from, shown: number.shown, kind: GapKind::CSeqSkipped });
            }
            previous = Some(number.number);
            before = request.or(before);
        }
    }
    gaps
}

/// One sender within one dialog: its own tag and the peer's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Sender {
    from: Tag,
    to: Tag,
}

/// The senders within the dialogs of a leg, in the order of their first messages: most legs have two, the others a list.
fn senders(dialog: Dialog<'_>, setting_up: &SettingUp<'_>) -> (ArrayVec<Sender, SHORT>, Option<Vec<Sender>>) {
    let mut few = ArrayVec::new();
    let mut many: Option<(Vec<Sender>, HashSet<Sender, Seed>)> = None;
    for step in dialog.iter() {
        let Step { from, to, .. } = *step.step;
        if to.is_none() || step.note.named.is_none() || !setting_up.is_own(step.step) {
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

/// The method of a transaction: an ACK's is its INVITE's.
pub(super) fn of_invite(method: Method) -> Method {
    if method == Method::Ack { Method::Invite } else { method }
}

/// Numbers near to each other.
#[derive(Default)]
struct Numbers {
    first: Option<i64>,
    /// The number of each bit's place, from 31 before the first one on.
    seen: u64,
}

impl Numbers {
    /// Adds a number; `false` where it is too far from the first one to be told at once.
    #[inline]
    fn add(&mut self, number: i64) -> bool {
        let first = *self.first.get_or_insert(number);
        let place = number - first + 31;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_follow_each_other_in_any_order() {
        let told = |numbers: &[i64]| {
            let mut all = Numbers::default();
            numbers.iter().all(|number| all.add(*number)).then(|| all.follow())
        };
        let top = i64::from(u32::MAX);
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
        let all: Vec<i64> = (9..=72).collect();
        assert_eq!(told(&[&[40], &all[..]].concat()), Some(true));
        assert_eq!(told(&[&[40], &all[..31], &all[32..]].concat()), Some(true), "40 stands before them");
        assert_eq!(told(&[&[40], &all[..30], &all[31..]].concat()), Some(false), "39 is left out");
    }
}
