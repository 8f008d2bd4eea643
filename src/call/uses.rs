//! The uses of one Call-ID, one after the other.
//!
//! Contract §3: a Call-ID used anew after its dialog ended, by an initial INVITE with another From tag, starts another leg;
//! and a leg is also a Call-ID of which the INVITE dialog alone was seen. So where the INVITE of one of the uses was not
//! captured, what names none of the tags of the ended use, between the addresses that it ended between, is of another one.
//! On other hops the same call may have other tags. Called by [`legs`](super::legs).

use std::net::IpAddr;

use hashbrown::{HashMap, HashSet};

use super::course::MOST_DIALOGS;
use super::dialog::Seed;
use super::hops::address_pair;
use super::legs::{is_initial_invite, proves_invite};
use crate::facts::{Method, Signalling, StartLine};

/// Shows the messages of each use of one Call-ID, which come sorted by time, with its number from 0.
pub(super) fn each_use<'a>(alike: &[Signalling<'a>], mut show: impl FnMut(u32, &[Signalling<'a>])) {
    if is_one(alike) {
        return show(0, alike);
    }
    match split(alike).as_slice() {
        [] | [_] => show(0, alike),
        several => (0..).zip(several).for_each(|(nth_use, messages)| show(nth_use, messages)),
    }
}

/// Whether nothing speaks for several uses: no second initial INVITE, and all messages of INVITE dialogs name a tag of the
/// first one.
fn is_one(alike: &[Signalling<'_>]) -> bool {
    let (mut is_begun, mut first) = (false, None);
    alike.iter().all(|message| {
        if is_initial_invite(message) && std::mem::replace(&mut is_begun, true) {
            return false;
        }
        if message.from_tag.is_none() || !proves_invite(message) {
            return true;
        }
        let [from, to] = *first.get_or_insert([message.from_tag, message.to_tag]);
        [message.from_tag, message.to_tag].into_iter().any(|tag| is_same(tag, from) || is_same(tag, to))
    })
}

/// Whether two tags are equal. Most of a call are kept at one place.
#[inline]
fn is_same(one: Option<&[u8]>, other: Option<&[u8]>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => std::ptr::eq(one, other) || one == other,
        _ => false,
    }
}

/// Splits the messages of one Call-ID, sorted by time, among its uses.
fn split<'a>(messages: &[Signalling<'a>]) -> Vec<Vec<Signalling<'a>>> {
    let mut uses = vec![Vec::new()];
    // The use that named a tag last.
    let mut known: HashMap<&[u8], usize, Seed> = HashMap::default();
    let mut course = Course::default();
    for message in messages {
        let of = |tag: Option<&[u8]>| tag.and_then(|tag| known.get(tag).copied());
        // A straggler of an earlier use carries tags of that use.
        let own = of(message.from_tag).max(of(message.to_tag));
        let begins = course.ended && proves_invite(message) && course.is_left_by(message, own.is_some());
        if begins {
            uses.push(Vec::new());
            course = Course::default();
        }
        let current = uses.len() - 1;
        let owner = own.filter(|_| !begins).unwrap_or(current);
        if proves_invite(message) {
            for tag in [message.from_tag, message.to_tag].into_iter().flatten() {
                known.entry(tag).or_insert(owner);
            }
            if let Some(tag) = message.from_tag.filter(|_| begins) {
                known.insert(tag, owner);
            }
            if owner == current {
                course.add(message);
            }
        }
        if let Some(own) = uses.get_mut(owner) {
            own.push(*message);
        }
    }
    uses
}

/// The messages of one use, sorted by time and without copies, dialog after dialog where the same caller set up a further
/// one, with a higher number, after a BYE. All in one where there is one alone.
pub(super) fn in_turn<'a>(messages: &[Signalling<'a>]) -> Vec<Vec<Signalling<'a>>> {
    if messages.iter().filter(|message| is_initial_invite(message)).nth(1).is_none() {
        return Vec::new();
    }
    let mut turns = vec![Vec::new()];
    let mut course = Course::default();
    for message in messages {
        if turns.len() < MOST_DIALOGS && course.ended && course.is_begun_anew_by(message) {
            turns.push(Vec::new());
            course = Course::default();
        }
        course.add(message);
        if let Some(turn) = turns.last_mut() {
            turn.push(*message);
        }
    }
    turns
}

/// How far a use has come.
#[derive(Default)]
struct Course<'a> {
    /// The From tags of its initial INVITEs.
    callers: Vec<Option<&'a [u8]>>,
    /// Its dialogs that a 2xx confirmed and no BYE ended: the caller's tag and the callee's.
    open: Vec<[Option<&'a [u8]>; 2]>,
    /// The tags of those who sent INVITEs and what belongs to them, on all hops.
    senders: HashSet<&'a [u8], Seed>,
    /// The tags that BYEs named.
    gone: HashSet<&'a [u8], Seed>,
    /// Whether a dialog was confirmed.
    confirmed: bool,
    /// Whether its dialogs ended, or its setting up was refused.
    ended: bool,
    /// The greatest CSeq number of the first caller.
    number: u32,
    /// The addresses that ends were seen between.
    between: Vec<(IpAddr, IpAddr)>,
}

impl<'a> Course<'a> {
    /// Whether a message of an INVITE dialog is of another use than this one, which has ended. `is_known` tells whether a
    /// use named one of its tags.
    fn is_left_by(&self, message: &Signalling<'a>, is_known: bool) -> bool {
        let is_new = message.from_tag.is_some() && !is_known;
        match is_initial_invite(message) {
            true if self.callers.is_empty() => is_new,
            true => !self.callers.contains(&message.from_tag),
            false => is_new && message.header_whole && self.between.contains(&address_pair(message.hop)),
        }
    }

    /// Whether the caller sets up another dialog, the ones before having ended with a BYE.
    fn is_begun_anew_by(&self, message: &Signalling<'a>) -> bool {
        is_initial_invite(message)
            && self.callers.first() == Some(&message.from_tag)
            && message.from_tag.is_some_and(|tag| self.gone.contains(tag))
            && message.cseq.is_some_and(|cseq| cseq.number > self.number)
    }

    fn add(&mut self, message: &Signalling<'a>) {
        let (from, to) = (message.from_tag, message.to_tag);
        if let Some(cseq) = message.cseq.filter(|_| self.callers.first().is_none_or(|caller| *caller == from)) {
            self.number = self.number.max(cseq.number);
        }
        let is_caller = || self.callers.first().is_none_or(|caller| *caller == from);
        if matches!(message.method(), Some(Method::Ack | Method::Cancel | Method::Invite | Method::Prack)) {
            self.senders.extend(from);
        }
        match (message.start, message.method()) {
            (StartLine::Request { .. }, Some(Method::Invite)) if to.is_none() => keep(&mut self.callers, from),
            // What refuses a re-INVITE ends nothing.
            (StartLine::Request { .. }, Some(Method::Invite)) => self.confirmed = true,
            (StartLine::Request { .. } | StartLine::Response(200..=299), Some(Method::Bye)) => self.end(message),
            (StartLine::Response(200..=299), Some(Method::Invite)) => {
                self.confirmed = true;
                // One that is sent again behind the BYE confirms nothing.
                if !to.is_some_and(|to| self.gone.contains(to)) {
                    keep(&mut self.open, [from, to]);
                    self.ended = false;
                }
            }
            (StartLine::Response(status), Some(Method::Invite))
                if ends_the_call(status) && !self.confirmed && is_caller() =>
            {
                self.ended = true;
                keep(&mut self.between, address_pair(message.hop));
            }
            _ => {}
        }
    }

    /// A BYE ends the dialog of both its tags, and the use unless another dialog of one of them goes on.
    fn end(&mut self, message: &Signalling<'a>) {
        let own = [message.from_tag, message.to_tag];
        let names = |tag: &Option<&[u8]>| tag.is_some() && own.contains(tag);
        let before = self.open.len();
        self.open.retain(|[caller, callee]| !(names(caller) && (names(callee) || own[1].is_none())));
        let is_sender = |tag: &Option<&[u8]>| tag.is_some_and(|tag| self.senders.contains(tag));
        let is_own = self.open.len() < before || self.senders.is_empty() || own.iter().any(is_sender);
        self.gone.extend(own.into_iter().flatten());
        if is_own && !self.open.iter().flatten().any(names) {
            self.ended = true;
            keep(&mut self.between, address_pair(message.hop));
        }
    }
}

/// Keeps what is new, within the limit of dialogs.
fn keep<T: PartialEq>(list: &mut Vec<T>, own: T) {
    if list.len() < MOST_DIALOGS && !list.contains(&own) {
        list.push(own);
    }
}

/// Whether a final status ends the call: after a challenge, a redirection or 422 the same caller tries again.
fn ends_the_call(status: u16) -> bool {
    status >= 400 && !matches!(status, 401 | 407 | 422)
}
