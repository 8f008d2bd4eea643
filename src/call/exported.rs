//! Which legs the platform's exports tie to which conversations: by the Call-ID that conversation details
//! (`protocolCallId`) and SIP trace records name.
//!
//! Call-IDs compare byte by byte. Called by [`super::identity`], which joins legs by what is tied here firmly.
//!
//! # Design
//!
//! A tie is firm where the Call-ID is the leg's own and no other word on its conversation stands against it. The rest is
//! loose: it binds requests to that leg alone, joins nothing and supports no exposure. So is a Call-ID that several
//! conversations name, and one whose leg names another conversation in its signalling: on the platform's side the
//! signalling holds, on the other side the export does. A Call-ID used anew belongs, of its legs, to those that fall into
//! the conversation's time, where the export states that.

use std::collections::BTreeMap;

use hashbrown::HashMap;

use super::identifier::{is_nil, normal, user};
use super::identity::{By, Link, Strength};
use super::legs::Identifier;
use super::outline::Outline;
use super::trunk::Direction;
use crate::evidence::{Locus, Timestamp};
use crate::facts::{Exports, Subject};
use crate::settings::Settings;

/// Conversations that may name one Call-ID before none of them is believed.
const MOST_CONVERSATIONS: usize = 32;

/// What the exports tie.
#[derive(Debug, Default)]
pub(super) struct Ties {
    /// Every statement on a leg, by leg.
    pub(super) tied: Vec<Tied>,
    /// Conversations that inform a leg without joining it, by their compared form.
    pub(super) loose: HashMap<Box<[u8]>, Vec<Link>, foldhash::fast::RandomState>,
    /// Legs whose own word on their conversation the export's outweighs.
    pub(super) overruled: Vec<usize>,
    /// Entries that name another conversation for a leg than its signalling or another entry does.
    pub(super) disagreeing: Vec<Locus>,
}

/// What an export says of one leg.
#[derive(Clone, Debug)]
pub(super) struct Tied {
    pub(super) leg: usize,
    /// The conversation, as written.
    pub(super) conversation: Box<[u8]>,
    pub(super) by: By,
    pub(super) strength: Strength,
    /// Whether the leg belongs to the conversation; else the export informs it and joins nothing.
    pub(super) firm: bool,
    /// The entry.
    pub(super) locus: Locus,
}

/// One statement of an export.
#[derive(Clone, Copy)]
struct Said<'e> {
    conversation: &'e [u8],
    by: By,
    locus: Locus,
    /// When the conversation was, where that is stated.
    span: Option<(Timestamp, Timestamp)>,
}

/// What `exports` tie to `legs`, which are found by their Call-ID and by its part before the host.
pub(super) fn ties(
    exports: &Exports,
    legs: &[Outline<'_>],
    by_call_id: impl Fn(&[u8]) -> Vec<usize>,
    by_user: impl Fn(&[u8]) -> Vec<usize>,
    settings: &Settings,
) -> Ties {
    let mut said: BTreeMap<&[u8], Vec<Said<'_>>> = BTreeMap::new();
    for conversation in &exports.conversations {
        let span = conversation.start.zip(conversation.end);
        for call_id in &conversation.call_ids {
            let (by, locus) = (By::ProtocolCallId, conversation.locus);
            said.entry(call_id).or_default().push(Said { conversation: &conversation.id, by, locus, span });
        }
    }
    for traced in &exports.traced {
        let (by, locus) = (By::SipTrace, traced.locus);
        said.entry(&traced.call_id).or_default().push(Said {
            conversation: &traced.conversation,
            by,
            locus,
            span: None,
        });
    }
    let mut own: BTreeMap<usize, Vec<Said<'_>>> = BTreeMap::new();
    let mut weak: BTreeMap<usize, Vec<Said<'_>>> = BTreeMap::new();
    for (call_id, said) in said {
        let said: Vec<Said<'_>> = said.into_iter().filter(|said| !is_nil(said.conversation)).collect();
        match (by_call_id(call_id).as_slice(), by_user(user(call_id)).as_slice()) {
            ([], [leg]) => weak.entry(*leg).or_default().extend(said),
            ([], _) => {}
            ([leg], _) => own.entry(*leg).or_default().extend(said),
            (several, _) => {
                for said in said {
                    for leg in within(several, &said, legs, settings) {
                        own.entry(leg).or_default().push(said);
                    }
                }
            }
        }
    }
    let mut ties = Ties::default();
    for (place, said) in &own {
        if let Some(leg) = legs.get(*place) {
            ties.of_leg(*place, leg, said);
        }
    }
    for (place, said) in weak {
        let speaks = legs.get(place).is_some_and(|leg| named(leg).next().is_some());
        if !own.contains_key(&place) && !speaks {
            ties.loosen(place, &said, Strength::Weak);
        }
    }
    ties.disagreeing.sort_unstable();
    ties.disagreeing.dedup();
    ties.tied.sort_by_key(|tied| tied.leg);
    ties
}

/// Of several legs with one Call-ID those that fall into a conversation's time; all where it does not tell them apart.
fn within(several: &[usize], said: &Said<'_>, legs: &[Outline<'_>], settings: &Settings) -> Vec<usize> {
    let skew = settings.clock_skew_ns;
    let fits = |leg: &&usize| {
        let (Some((start, end)), Some(leg)) = (said.span, legs.get(**leg)) else { return false };
        leg.first().at.ns <= end.ns.saturating_add(skew) && leg.last().ns >= start.ns.saturating_sub(skew)
    };
    let fitting: Vec<usize> = several.iter().filter(fits).copied().collect();
    if fitting.is_empty() { several.to_vec() } else { fitting }
}

/// The conversations that a leg's own messages name.
fn named<'l>(leg: &'l Outline<'_>) -> impl Iterator<Item = Identifier<'l>> {
    leg.identifiers()
        .filter(|identifier| matches!(identifier.subject, Subject::Conversation(_)) && !is_nil(identifier.value))
}

impl Ties {
    fn of_leg(&mut self, place: usize, leg: &Outline<'_>, said: &[Said<'_>]) {
        // Of each conversation the first entry of each kind.
        let mut by_conversation: BTreeMap<Box<[u8]>, Vec<Said<'_>>> = BTreeMap::new();
        for said in said {
            let known = by_conversation.entry(normal(said.conversation)).or_default();
            if !known.iter().any(|known| known.by == said.by) {
                known.push(*said);
            }
        }
        let own: Vec<Box<[u8]>> = named(leg).map(|identifier| normal(identifier.value)).collect();
        let agreed: Vec<&Box<[u8]>> = by_conversation.keys().filter(|id| own.contains(*id)).collect();
        let disagree = (!own.is_empty() && agreed.is_empty()) || by_conversation.len() > agreed.len().max(1);
        if disagree {
            self.disagreeing.extend(said.iter().map(|said| said.locus));
        }
        if by_conversation.len() > MOST_CONVERSATIONS {
            return;
        }
        // The other side's word gives way to the platform's, where it is known which side spoke.
        let platform = leg.direction == Direction::Unknown || named(leg).any(|identifier| identifier.by_platform);
        let gives_way = !own.is_empty() && agreed.is_empty() && !platform;
        let single = by_conversation.len() == 1 && (own.is_empty() || gives_way);
        if gives_way && single {
            self.overruled.push(place);
        }
        for (id, said) in &by_conversation {
            if single || own.contains(id) {
                said.iter().for_each(|said| self.tie(place, said, Strength::Bridged, true));
            } else {
                self.loosen(place, said, Strength::Bridged);
            }
        }
    }

    fn tie(&mut self, leg: usize, said: &Said<'_>, strength: Strength, firm: bool) {
        let Said { conversation, by, locus, .. } = *said;
        self.tied.push(Tied { leg, conversation: conversation.into(), by, strength, firm, locus });
    }

    fn loosen(&mut self, leg: usize, said: &[Said<'_>], strength: Strength) {
        for said in said.iter().take(MOST_CONVERSATIONS) {
            let links = self.loose.entry(normal(said.conversation)).or_default();
            if !links.iter().any(|link| link.leg == leg) {
                links.push(Link { leg, by: said.by, strength, exposes: false });
                self.tie(leg, said, strength, false);
            }
        }
    }
}
