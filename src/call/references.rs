//! Dialogs that name other dialogs: an INVITE's Replaces (RFC 3891) and Join (RFC 3911), a request's Target-Dialog
//! (RFC 4538), and the Replaces within a REFER's Refer-To (RFC 3515, RFC 5589: an attended transfer).
//!
//! All name the other leg's Call-ID itself. Called by [`super::dialog`] for what a message says and by
//! [`super::identity`] for which leg it means. A leg that names, or is named by, more legs than an identifier may join
//! names none.
//!
//! # Design
//!
//! The tags beside the Call-ID are not compared. A leg is one Call-ID, and its forks share one INVITE: what consent that
//! carried is known whichever of them is meant, also where the one that is was not captured. Where several legs bear the
//! Call-ID, the one that began last before the naming message is linked; for consent all of them are asked, and one that
//! was granted or cannot be told is enough for `unknown`.
//!
//! # Incomplete support
//!
//! In-Reply-To is not read: it names a call that is over.

use std::collections::{BTreeMap, BTreeSet};

use hashbrown::HashMap;

use super::dialog::Seed;
use super::identity::{By, MOST_LEGS_OF_AN_IDENTIFIER};
use super::legs::At;
use super::outline::Outline;
use crate::evidence::{Locus, Timestamp};
use crate::facts::{Method, Signalling, StartLine, Subject};
use crate::http::percent_decode;
use crate::sip::address::Address;
use crate::sip::uri;

/// A transfer without Replaces (RFC 3515, RFC 5589 §6), as the REFER asks for it and the INVITE that follows says it comes
/// from it: where to, and by whom (Referred-By, RFC 3892).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Transfer(Box<[u8]>);

impl Transfer {
    /// Of two URIs users and hosts are compared; parameters and ports are what each side adds.
    fn new(target: &[u8], referror: &[u8]) -> Self {
        let mut key = Vec::with_capacity(target.len() + referror.len());
        for uri in [target, referror] {
            key.extend_from_slice(uri::user(uri).unwrap_or_default());
            key.push(b'@');
            key.extend(uri::host(uri).unwrap_or_default().iter().map(u8::to_ascii_lowercase));
            key.push(b' ');
        }
        Self(key.into())
    }

    /// The one that an INVITE comes from; `None` where it replaces a dialog that it names, or nobody referred it.
    pub(super) fn of_invite(invite: &Signalling<'_>) -> Option<(Self, Locus)> {
        let StartLine::Request { uri, method: Method::Invite } = invite.start else { return None };
        let referror = row(invite, Subject::ReferredBy)?;
        let replaces = row(invite, Subject::Replaces);
        replaces.is_none().then(|| (Self::new(uri, Address::read(referror).uri), invite.locus))
    }

    /// The one that a REFER asks for. Without Referred-By its sender is who refers.
    pub(super) fn of_refer(refer: &Signalling<'_>) -> Option<Self> {
        let StartLine::Request { method: Method::Refer, .. } = refer.start else { return None };
        let target = Address::read(row(refer, Subject::ReferTo)?).uri;
        let referror = row(refer, Subject::ReferredBy).map_or(refer.from_uri, |value| Address::read(value).uri);
        Some(Self::new(target, referror))
    }
}

fn row<'a>(message: &Signalling<'a>, subject: Subject) -> Option<&'a [u8]> {
    message.rows().find(|row| row.subject == subject).map(|row| row.value)
}

/// The legs in which one transfer is asked for, and for each its first REFER.
#[derive(Debug, Default)]
pub(super) struct Asked {
    pub(super) legs: Vec<usize>,
    when: Vec<At>,
}

impl Asked {
    /// Those of them that asked by then.
    pub(super) fn by(&self, at: Timestamp) -> impl Iterator<Item = usize> {
        self.legs.iter().zip(&self.when).filter(move |(_, asked)| asked.at.ns <= at.ns).map(|(leg, _)| *leg)
    }
}

/// The legs in which transfers are asked for.
pub(super) fn transfers(legs: &[Outline<'_>]) -> HashMap<Transfer, Asked, Seed> {
    let mut found: HashMap<Transfer, Asked, Seed> = HashMap::default();
    // Most evidence has none that anybody comes from.
    if !legs.iter().any(|leg| leg.transferred().is_some()) {
        return found;
    }
    for (place, leg) in legs.iter().enumerate() {
        for (transfer, at) in leg.transfers() {
            let Asked { legs, when } = found.entry(transfer.clone()).or_default();
            legs.push(place);
            when.push(*at);
        }
    }
    found
}

/// One leg that names another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Reference {
    /// The leg whose message names the other.
    pub(super) naming: usize,
    /// The leg that is named.
    pub(super) named: usize,
    /// By what.
    pub(super) by: By,
    /// The message.
    pub(super) locus: Locus,
}

/// The Call-ID at the beginning of a Join or Target-Dialog value; `None` where there is none.
pub(super) fn named(value: &[u8]) -> Option<Box<[u8]>> {
    let call_id = call_id(value);
    (!call_id.is_empty()).then(|| call_id.into())
}

/// The Call-ID at the beginning of a Replaces value.
pub(super) fn call_id(replaces: &[u8]) -> &[u8] {
    replaces.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii()
}

/// The Call-ID that the Replaces header of a Refer-To value's URI names (RFC 3261 §19.1.1).
pub(super) fn referred(refer_to: &[u8]) -> Option<Box<[u8]>> {
    let (_, headers) = refer_to.split_at_checked(memchr::memchr(b'?', refer_to)? + 1)?;
    let headers = headers.split(|byte| *byte == b'>').next().unwrap_or_default();
    let value = headers.split(|byte| *byte == b'&').find_map(|header| {
        let (name, value) = header.split_at_checked(b"Replaces=".len())?;
        name.eq_ignore_ascii_case(b"Replaces=").then_some(value)
    })?;
    let decoded = percent_decode(value);
    named(&decoded)
}

/// Which legs name which, sorted; and the Call-IDs of those that would join too many, with their number of legs.
pub(super) fn references<'b>(
    legs: &[Outline<'_>],
    bearing: impl Fn(&[u8]) -> &'b [usize],
) -> (Vec<Reference>, BTreeMap<Box<[u8]>, usize>) {
    let mut found: Vec<Reference> = Vec::new();
    for (naming, leg) in legs.iter().enumerate() {
        let replaces = leg.replaces().map(|(call_id, locus)| (By::Replaces, call_id, At { at: leg.first().at, locus }));
        let refers = leg.refers().iter().map(|(by, call_id, at)| (*by, &**call_id, *at));
        for (by, call_id, at) in replaces.into_iter().chain(refers) {
            let bearing = bearing(call_id);
            // By first message, as the legs are.
            let begun = |place: &usize| legs.get(*place).is_some_and(|leg| leg.first().at.ns <= at.at.ns);
            let begun = bearing.partition_point(begun);
            let named = bearing.get(begun.saturating_sub(1)).copied();
            let Some(named) = named.filter(|named| *named != naming) else { continue };
            found.push(Reference { naming, named, by, locus: at.locus });
        }
    }
    found.sort_unstable();
    found.dedup_by_key(|one| (one.naming, one.named, one.by));
    let mut beside: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
    for Reference { naming, named, .. } in &found {
        beside.entry(*naming).or_default().insert(*named);
        beside.entry(*named).or_default().insert(*naming);
    }
    beside.retain(|_, others| others.len() >= MOST_LEGS_OF_AN_IDENTIFIER);
    found.retain(|one| !beside.contains_key(&one.naming) && !beside.contains_key(&one.named));
    let hubs = beside.iter().filter_map(|(leg, others)| Some((legs.get(*leg)?.call_id.into(), others.len() + 1)));
    (found, hubs.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replaces_value_begins_with_the_call_id() {
        assert_eq!(named(b" ;local-tag=1;remote-tag=2"), None);
        assert_eq!(call_id(b"98732@sip.example.com ;from-tag=r33th4x0r;to-tag=ff87ff"), b"98732@sip.example.com");
    }

    #[test]
    fn the_replaces_within_a_refer_to_is_decoded_once() {
        for (value, expected) in [
            // RFC 5589 §7.
            (
                "<sips:transferer@192.0.2.4?Replaces=090459243588173445%3Bto-tag%3D7553452%3Bfrom-tag%3D31431>",
                Some("090459243588173445"),
            ),
            ("<sip:b@h?Require=replaces&replaces=a%2540b%40h%3Bto-tag%3D1>;x=1", Some("a%40b@h")),
            ("sip:b@h?Replaces=a%40h", Some("a@h")),
            ("<sip:b@h?Replaces=%3Bto-tag%3D1>", None),
            ("<sip:b@h>;y=?Replaces", None),
            ("<sip:b@h>", None),
            ("", None),
        ] {
            assert_eq!(referred(value.as_bytes()).as_deref(), expected.map(str::as_bytes), "{value}");
        }
    }
}
