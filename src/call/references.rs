//! Dialogs that name other dialogs: an INVITE's Replaces (RFC 3891), and the Replaces within a REFER's Refer-To (RFC 3515,
//! RFC 5589: an attended transfer).
//!
//! Both name the other leg's Call-ID itself. Called by [`super::dialog`] for what a message says and by
//! [`super::identity`] for which leg it means. A leg that names, or is named by, more legs than an identifier may join
//! names none.
//!
//! # Incomplete support
//!
//! Tags are not compared: where several legs bear the Call-ID, the one that began last before the naming message is meant.
//! Target-Dialog, Join and In-Reply-To are not read.

use std::collections::{BTreeMap, BTreeSet};

use super::identity::{By, MOST_LEGS_OF_AN_IDENTIFIER};
use super::legs::At;
use super::outline::Outline;
use crate::evidence::Locus;
use crate::http::percent_decode;

/// One leg that names another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Reference {
    /// The leg whose message names the other.
    pub(super) naming: usize,
    /// The leg that is named.
    pub(super) named: usize,
    /// Whether a REFER names it; else an INVITE's Replaces.
    pub(super) by_refer: bool,
    /// The message.
    pub(super) locus: Locus,
}

impl Reference {
    pub(super) const fn by(&self) -> By {
        if self.by_refer { By::ReferTo } else { By::Replaces }
    }
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
    let call_id = call_id(&decoded);
    (!call_id.is_empty()).then(|| call_id.into())
}

/// Which legs name which, sorted; and the Call-IDs of those that would join too many, with their number of legs.
pub(super) fn references(
    legs: &[Outline<'_>],
    bearing: impl Fn(&[u8]) -> Vec<usize>,
) -> (Vec<Reference>, BTreeMap<Box<[u8]>, usize>) {
    let mut found: Vec<Reference> = Vec::new();
    for (naming, leg) in legs.iter().enumerate() {
        let replaces = leg.replaces().map(|(call_id, locus)| (call_id, At { at: leg.first.at, locus }, false));
        let refers = leg.refers().iter().map(|(call_id, at)| (&**call_id, *at, true));
        for (call_id, at, by_refer) in replaces.into_iter().chain(refers) {
            let bearing = bearing(call_id);
            let begun = |place: &&usize| legs.get(**place).is_some_and(|leg| leg.first.at.ns <= at.at.ns);
            let named = bearing.iter().rev().find(begun).or(bearing.first()).copied();
            let Some(named) = named.filter(|named| *named != naming) else { continue };
            found.push(Reference { naming, named, by_refer, locus: at.locus });
        }
    }
    found.sort_unstable();
    found.dedup_by_key(|one| (one.naming, one.named, one.by_refer));
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
