//! One leg out of its messages.
//!
//! Works on the messages that [`copies`](super::copies) left: tells what each is to the others ([`steps`](super::steps)),
//! over the hops that [`hops`](super::hops) told apart, and fills in what they say in the [course](super::course) that the
//! leg took. Called by [`legs`](super::legs). Knows what fields a rule reads, not what they mean.

use super::copies::without_copies;
use super::course::{Begun, Course, Courses, Listed};
use super::field::{self, Field, Reads};
use super::hops::Hops;
use super::identity::By;
use super::ledger::{Entry, Gap, GapKind, Outcome, SetUp};
use super::legs::{At, Identifier, Leg, proves_invite};
use super::offer_answer::{self, Addresses};
use super::recorded::OfRecording;
use super::references::{self, Transfer};
use super::steps::{Start, Step, Steps};
use super::trunk::{self, Direction, Hosts};
use super::uses::in_turn;
use crate::evidence::{Locus, Timestamp};
use crate::facts::{Body, Method, Signalling, StartLine, Subject};
use crate::settings::Settings;

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
    steps: Steps<'a>,
    hops: Hops,
    courses: Courses,
    hosts: Hosts<'a>,
    /// `None` where nobody asks where RTP of its streams would go.
    addresses: Option<Addresses<'a>>,
    /// The last leg.
    leg: Option<Leg<'a>>,
}

impl<'s, 'a> Reader<'s, 'a> {
    pub(super) fn new(settings: &'s Settings) -> Self {
        Self {
            settings,
            reads: Reads::of(settings),
            steps: Steps::default(),
            hops: Hops::default(),
            courses: Courses::default(),
            hosts: Hosts::default(),
            addresses: Some(Addresses::default()),
            leg: None,
        }
    }

    /// The same for legs that no RTP is tied to: their streams come without endpoints.
    pub(super) fn without_endpoints(self) -> Self {
        Self { addresses: None, ..self }
    }

    /// Reads the messages of one leg, the use of its Call-ID of that number, sorted by time; `None` when no INVITE dialog
    /// is among them.
    pub(super) fn leg(&mut self, captured: &[Signalling<'a>], nth_use: u32) -> Option<&mut Leg<'a>> {
        if !captured.iter().any(proves_invite) {
            return None;
        }
        let messages = without_copies(captured);
        let read = match in_turn(&messages).as_slice() {
            [] | [_] => self.read(&messages, nth_use),
            turns => self.read_turns(turns, nth_use),
        };
        if messages.len() > MOST_ROOM {
            (self.steps, self.hops, self.courses) = Default::default();
        }
        read.and(self.leg.as_mut())
    }

    /// Reads the dialogs that the same caller set up one after the other into one leg.
    fn read_turns(&mut self, turns: &[Vec<Signalling<'a>>], nth_use: u32) -> Option<()> {
        let mut whole: Option<Leg<'a>> = None;
        for turn in turns {
            self.read(turn, nth_use)?;
            let next = self.leg.take()?;
            match &mut whole {
                Some(leg) => leg.goes_on(next),
                None => whole = Some(next),
            }
        }
        self.leg = whole;
        Some(())
    }

    /// The last leg, to keep.
    pub(super) fn take(&mut self) -> Option<Leg<'a>> {
        self.leg.take()
    }

    /// Reads them into `leg`, which is not moved from then on: it is large.
    fn read(&mut self, messages: &[Signalling<'a>], nth_use: u32) -> Option<()> {
        let Self { settings, reads, steps, hops, courses, hosts, addresses, leg } = self;
        steps.read(messages);
        hops.read(messages, &steps.list);
        let trunk = hops.choose(messages, &mut steps.list, (settings, hosts));
        let course = courses.of(steps, *reads);
        if !course.strays.is_empty() {
            // What is of none of its dialogs says nothing of when it began, where it went, or what it is called.
            let is_own = |place: u32| course.strays.binary_search(&place).is_err();
            let own: Vec<Signalling<'a>> =
                (0..).zip(messages).filter(|(place, _)| is_own(*place)).map(|(_, message)| *message).collect();
            return self.read(&own, nth_use);
        }
        let all = Messages { messages, steps: &steps.list, on_dialog: &course.on_dialog };

        let entry = |listed: &Listed| Some(entry(*listed, all.at(listed.place)?, *reads, settings));
        let (mut ledger, mut streams) = leg.take().map(|leg| (leg.ledger, leg.streams)).unwrap_or_default();
        ledger.clear();
        ledger.shrink_to(MOST_ROOM);
        streams.clear();
        // No room for more than there is.
        ledger.reserve_exact(course.listed.len());
        ledger.extend(course.listed.iter().filter_map(entry));
        let was_cut = |entry: &Entry<'_>| !entry.header_whole || entry.body == Body::Cut;
        for (entry, listed) in ledger.iter_mut().zip(&course.listed) {
            let asks = entry.status.is_none() && matches!(entry.method, Method::Invite | Method::Update);
            if asks && !entry.initial && entry.counts && was_cut(entry) {
                entry.gap_from = all.last_request_before(listed.place).unwrap_or(entry.at);
            }
        }

        dispute(&mut ledger, course);

        let first = all.at(0)?;
        let parties = all.at(course.initial.or_else(|| all.on_dialog.first().map(|place| *place as usize))?)?;
        let initial = course.initial.map(|_| parties);
        let invite = initial.filter(|_| matches!(course.begun, Begun::Entry(_)));
        let trunk_settings = trunk.and_then(|trunk| settings.trunks.get(trunk));
        let direction = match (trunk.zip(trunk_settings), initial) {
            (Some((index, trunk)), Some(invite)) => {
                trunk::direction(trunk, invite, |uri| hosts.name(uri, index, settings))
            }
            _ => Direction::Unknown,
        };
        let answered = all.when(course.answered);
        let subjects = Subjects::of(messages);
        let recording_session = Some(messages)
            .filter(|_| subjects.recording_session)
            .and_then(|messages| find_row(messages, Subject::RecordingSession))
            .map(|(_, locus)| locus);
        *leg = Some(Leg {
            call_id: parties.call_id,
            nth_use,
            trunk,
            direction,
            from_uri: parties.from_uri,
            to_uri: parties.to_uri,
            first: at(first),
            last: {
                let last = course.last.or(all.on_dialog.last().map(|place| *place as usize));
                at(last.and_then(|place| all.at(place)).or(messages.last())?)
            },
            answered,
            answered_elsewhere: course.answered_elsewhere,
            ended: all.when(course.ended),
            final_status: course.final_response.and_then(|place| all.at(place)).and_then(|response| {
                match response.start {
                    StartLine::Response(status) => Some((status, response.locus)),
                    StartLine::Request { .. } => None,
                }
            }),
            cancelled: all.when(course.cancelled).map(|at| at.locus),
            set_up: match course.begun {
                Begun::Entry(entry) => SetUp::Entry(entry),
                Begun::NotCaptured(shown) => SetUp::NotCaptured(all.at(shown)?.locus),
            },
            gaps: gaps(all, course, &ledger),
            ledger,
            streams: offer_answer::streams(
                (messages, all.steps),
                &course.exchanges,
                addresses.as_mut(),
                (first.at, answered.map(|answered| answered.at), initial.is_some()),
                streams,
            ),
            described: course.exchanges.described().find_map(|place| all.at(place)).map(|message| message.locus),
            beyond_limits: course.exchanges.limited,
            recording_session,
            replaces: invite.filter(|_| subjects.references).and_then(|invite| {
                let replaces = invite.rows().find(|row| row.subject == Subject::Replaces);
                replaces.map(|row| (references::call_id(row.value), invite.locus))
            }),
            transferred: invite.filter(|_| subjects.references).and_then(Transfer::of_invite),
            transfers: if subjects.references { transfers(messages) } else { Vec::new() },
            refers: if subjects.references { refers(messages) } else { Vec::new() },
            identifiers: if subjects.identifiers {
                let caller = initial.map(|invite| invite.hop.source.ip());
                let from_platform =
                    |message: &Signalling<'_>| trunk::from_platform(trunk_settings, direction, message, caller);
                identifiers(messages, from_platform)
            } else {
                Vec::new()
            },
            of_recording: if subjects.recording || recording_session.is_some() {
                let on_dialog = all.on_dialog.iter().filter_map(|place| all.at(*place as usize));
                OfRecording::read(messages, on_dialog, recording_session)
            } else {
                None
            },
        });
        Some(())
    }
}

/// The messages of a leg, what each is to the others, and which of them are on the hop that counts.
#[derive(Clone, Copy)]
struct Messages<'m, 'a> {
    messages: &'m [Signalling<'a>],
    steps: &'m [Step],
    on_dialog: &'m [u32],
}

impl<'m, 'a> Messages<'m, 'a> {
    fn at(self, place: usize) -> Option<&'m Signalling<'a>> {
        self.messages.get(place)
    }

    fn when(self, place: Option<usize>) -> Option<At> {
        place.and_then(|place| self.at(place)).map(at)
    }

    /// When the sender of a cut request sent its last one before, other than an ACK or a CANCEL. A cut that took the tag
    /// away left the address.
    fn last_request_before(self, cut: usize) -> Option<Timestamp> {
        let (message, step) = (self.at(cut)?, self.steps.get(cut)?);
        let begun = self.on_dialog.partition_point(|place| (*place as usize) < cut);
        let places = self.on_dialog.get(..begun)?.iter().rev().map(|place| *place as usize);
        let noted = places.filter_map(|place| self.messages.get(place).zip(self.steps.get(place)));
        let mut before = noted.filter(|(own, _)| at(own) < at(message));
        let is_request = |(own, own_step): &(&Signalling<'_>, &Step)| {
            let is_sender = match step.from.is_none() {
                true => own.hop.source.ip() == message.hop.source.ip(),
                false => own_step.from == step.from,
            };
            is_sender
                && matches!(own_step.start(), Start::Request(method) if !matches!(method, Method::Ack | Method::Cancel))
        };
        let found = before.by_ref().take(MOST_LOOKED_BACK).find(is_request);
        // Behind so many that are not its own it may have been any of those before.
        found.map(|(own, _)| own).or_else(|| before.next().and_then(|_| self.at(0))).map(|own| own.at)
    }
}

/// An entry of the ledger.
fn entry<'a>(listed: Listed, message: &Signalling<'a>, reads: Reads, settings: &Settings) -> Entry<'a> {
    let Listed { kind, method, status, initial, counts, sets_up, outcome, .. } = listed;
    Entry {
        at: message.at,
        locus: message.locus,
        method,
        kind,
        status,
        cseq: message.cseq.map(|cseq| cseq.number),
        initial,
        anew: false,
        counts,
        sets_up,
        header_whole: message.header_whole,
        body: message.body,
        described: message.sections().is_some(),
        sections: if reads.attributes { field::open_sections(message) } else { Box::default() },
        gap_from: message.at,
        outcome,
        disputed: None,
        fields: reads.fields(message, kind, initial, settings),
    }
}

/// The requests that were not captured, by time: on no hop; or on another one than the one that counts, where they speak of
/// consent or were cut: whether they arrived there, and with what, is not known. What is silent changes nothing, for what a
/// device adds on the way stands on its own hop.
fn gaps(all: Messages<'_, '_>, course: &Course, ledger: &[Entry<'_>]) -> Vec<Gap> {
    let missing = course.missing.iter().filter_map(|missing| {
        let shown = all.at(missing.shown)?;
        Some(Gap { from: all.at(missing.from)?.at, shown: shown.at, kind: missing.kind, locus: shown.locus })
    });
    let mut gaps: Vec<Gap> = missing.collect();
    gaps.sort_by_key(|gap| (gap.from, gap.locus));
    gaps.dedup();
    for (listed, entry) in course.listed.iter().zip(ledger) {
        if listed.elsewhere && (!entry.fields.is_empty() || !entry.header_whole) {
            let from = all.last_request_before(listed.place).unwrap_or(entry.at);
            gaps.push(Gap { from, shown: entry.at, kind: GapKind::OnAnotherHop, locus: entry.locus });
        }
    }
    gaps.sort_by_key(|gap| (gap.from, gap.locus));
    gaps
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
        for message in messages {
            for subject in message.subjects() {
                match subject {
                    Subject::Consent(_) | Subject::Head | Subject::Recorded | Subject::Route => {}
                    Subject::Conversation(_) | Subject::SessionId => found.identifiers = true,
                    Subject::Attribute(_) | Subject::RecordAware | Subject::RecordingAttribute(_) => {
                        found.recording = true;
                    }
                    Subject::RecordingSession => found.recording_session = true,
                    Subject::Join
                    | Subject::ReferTo
                    | Subject::ReferredBy
                    | Subject::Replaces
                    | Subject::TargetDialog => {
                        found.references = true;
                    }
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

/// The transfers that REFERs ask for, each once.
fn transfers(messages: &[Signalling<'_>]) -> Vec<(Transfer, At)> {
    let mut found: Vec<(Transfer, At)> = Vec::new();
    for message in messages {
        let Some(transfer) = Transfer::of_refer(message) else { continue };
        if found.len() < MOST_IDENTIFIERS && !found.iter().any(|(known, _)| *known == transfer) {
            found.push((transfer, at(message)));
        }
    }
    found
}

fn find_row<'a>(messages: &[Signalling<'a>], subject: Subject) -> Option<(&'a [u8], Locus)> {
    messages
        .iter()
        .find_map(|message| message.rows().find(|row| row.subject == subject).map(|row| (row.value, message.locus)))
}

/// Finds what hops that cannot be told apart say differently: the INVITEs of the attempt that counts, and the same message
/// within a dialog on a hop that counts and behind it.
fn dispute(ledger: &mut [Entry<'_>], course: &Course) {
    let within = (0..).zip(&course.listed).filter_map(|(other, listed)| Some((listed.same_as?, other)));
    let mut found: Vec<(usize, Locus)> = Vec::new();
    let mut compare = |own: usize, other: usize| {
        if let (Some(own_entry), Some(entry)) = (ledger.get(own), ledger.get(other))
            && disagree(entry, own_entry)
        {
            found.push((own, entry.locus));
        }
    };
    within.for_each(|(own, other)| compare(own, other));
    if let Begun::Entry(begun) = course.begun
        && let Some(counting) = ledger.get(begun).filter(|entry| entry.cseq.is_some())
    {
        for (other, (entry, listed)) in ledger.iter().zip(&course.listed).enumerate() {
            // An attempt of its own that was refused is no other hop's view of this one; one that was accepted as well set
            // up a dialog beside it.
            let is_other_attempt = entry.outcome == Outcome::Refused && counting.outcome != Outcome::Refused;
            let is_beside = entry.counts && entry.outcome == Outcome::Accepted;
            let is_same =
                entry.initial && (entry.counts || listed.behind) && (entry.cseq == counting.cseq || is_beside);
            if other != begun && is_same && !is_other_attempt {
                compare(begun, other);
            }
        }
    }
    for (own, locus) in found {
        if let Some(entry) = ledger.get_mut(own) {
            entry.disputed.get_or_insert(locus);
        }
    }
}

/// Whether two messages say different things; of a cut one only what it still says counts.
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
    use crate::evidence::{Anomalies, SourceId};
    use crate::facts::extract::{self, Keep, Seen};
    use crate::facts::{Hop, Shelf, SignallingBatch, Store, Transport};
    use crate::random::Random;

    fn pick<'o>(random: &mut Random, of: &[&'o str]) -> &'o str {
        of[random.below(of.len())]
    }

    /// Adds the messages of a call. Those of calls of one script take the same course, near enough: one may be cut or want
    /// a field by its own numbers.
    fn add(batch: &mut SignallingBatch, script: u64, number: u64, settings: &Settings) {
        let (mut dice, mut own) = (Random(script), Random(number.wrapping_mul(7919)));
        let keep = Keep::new(settings);
        let mut at = (number * 1_000) as i64;
        // The numbers of the two sides begin anywhere, at the very end, too.
        let firsts = [0, 0].map(|_| if own.below(9) == 0 { u32::MAX - 3 } else { own.below(1_000) as u32 });
        for message in 0..=dice.below(9) {
            let method = pick(&mut dice, &["INVITE", "INVITE", "INVITE", "BYE", "UPDATE", "PRACK", "CANCEL", "INFO"]);
            let status = pick(&mut dice, &["", "", "", "100", "180", "183", "200", "200", "401", "486", "487"]);
            let start = match status {
                "" => {
                    format!("{} sip:1@host{}.example SIP/2.0", pick(&mut dice, &[method, method, "ACK"]), own.below(3))
                }
                status => format!("SIP/2.0 {status} Some"),
            };
            let [one, other] = if dice.below(3) > 0 { ["a", "b"] } else { ["b", "a"] };
            let tag = |own: &str| format!(";tag={own}{number}");
            let fork = pick(&mut dice, &["", "", "", "fork"]);
            let to_tag = if dice.below(3) > 0 { tag(other) + fork } else { String::new() };
            let first = if one == "a" { firsts[0] } else { firsts[1] };
            let cseq = if own.below(40) == 0 {
                String::new()
            } else {
                format!("CSeq: {} {method}\r\n", first + dice.below(4) as u32)
            };
            let consent = pick(
                &mut dice,
                &["", "", "X-Genesys-Recording-Consent: true\r\n", "X-Genesys-Recording-Consent: no\r\n"],
            );
            let port = pick(&mut dice, &["0", "4000", "4000", "4002"]);
            let body = match dice.below(2) {
                0 => String::new(),
                _ => format!("v=0\r\nc=IN IP4 192.0.2.{}\r\nm=audio {port} RTP/AVP 0\r\n", own.below(5)),
            };
            let payload = format!(
                "{start}\r\nVia: SIP/2.0/UDP x;branch=z9hG4bK{number}.{message}\r\nFrom: <sip:{one}@y>{}\r\nTo: <sip:{other}@z>{to_tag}\r\nCall-ID: {number}@x\r\n{cseq}{consent}Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}",
                tag(one),
                body.len()
            );
            let whole = payload.len();
            let kept = if own.below(30) == 0 { whole / 2 + own.below(whole / 2) } else { whole };
            let socket = |host: usize| ([192, 0, 2, host as u8 + 1], 5060).into();
            let hop = dice.below(12) / 8;
            let (source, destination) = (socket(hop), socket(hop + 1));
            let hop =
                if one == "a" { Hop { source, destination } } else { Hop { source: destination, destination: source } };
            at += own.below(3) as i64;
            let seen = Seen {
                at: Timestamp::new(at * 1_000_000, 6),
                locus: Locus { source: SourceId(0), record: number * 100 + message as u64 },
                hop,
                transport: Transport::Udp,
                truncated: kept < whole,
            };
            extract::signalling(
                &payload.as_bytes()[..kept],
                seen,
                &mut extract::Extractor::new(&keep),
                batch,
                &mut Anomalies::default(),
            );
        }
    }

    #[test]
    fn a_leg_is_the_same_whatever_was_read_before_it() {
        let settings = Settings::default();
        let mut batch = SignallingBatch::default();
        for number in 0..2_000 {
            add(&mut batch, number % 150, number, &settings);
        }
        let store = Store::default();
        store.give_back(batch);
        let messages = store.finish();
        let chosen = messages.all().expect("nothing to be read");
        let mut reader = Reader::new(&settings);
        let mut legs = 0;
        for call in chosen.shelves().iter().flat_map(Shelf::calls) {
            let mut messages: Vec<Signalling<'_>> = call.messages().collect();
            messages.sort_by_key(|message| (message.at, message.locus));
            let (leg, mut alone) = (reader.leg(&messages, 0), Reader::new(&settings));
            legs += usize::from(leg.is_some());
            assert_eq!(format!("{leg:?}"), format!("{:?}", alone.leg(&messages, 0)), "{messages:?}");
        }
        assert!(legs > 1_500, "{legs} legs");
        let courses = reader.courses.len();
        assert!((150..legs / 2).contains(&courses), "{courses} courses of {legs} legs");
    }
}
