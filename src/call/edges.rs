//! The edges of the graph that makes legs one call, as the report shows them: by what, how strong, and which records.
//!
//! Every identifier that names a conversation, that several legs of the call share, or by which one leg names another,
//! with the legs it names. Asked call by call, after [`super::identity`] has joined: an identifier that too many legs share
//! joins nothing and is no edge.

use std::collections::BTreeMap;

use super::exported::Tied;
use super::identifier::{halves, normal, written};
use super::identity::{By, Identity, Strength};
use super::outline::Outline;
use crate::evidence::Locus;
use crate::facts::Subject;

/// One identifier and the legs of a call that it names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edge {
    /// The conversation id or the Session-ID half; the Call-ID by which one leg names the other.
    pub identifier: Box<[u8]>,
    /// The legs, by index, sorted. A single one is tied to the conversation and joined to nothing by it.
    pub legs: Vec<usize>,
    /// What ties them, sorted.
    pub by: Vec<By>,
    /// How strong that is.
    pub strength: Strength,
    /// The first record of each leg that shows it, sorted.
    pub sources: Vec<Locus>,
}

impl Edge {
    fn add(&mut self, leg: usize, by: By, locus: Locus) {
        if self.legs.last() != Some(&leg) {
            self.legs.push(leg);
        }
        if !self.by.contains(&by) {
            self.by.push(by);
        }
        self.sources.push(locus);
    }
}

impl Identity {
    /// What ties the legs of `call` to each other and to their conversations, in the order of their first records.
    #[must_use]
    pub fn edges(&self, call: &[usize], legs: &[Outline<'_>]) -> Vec<Edge> {
        let mut found: BTreeMap<(Box<[u8]>, Strength), Edge> = BTreeMap::new();
        let mut add = |identifier: &[u8], leg: usize, by: By, strength: Strength, locus: Locus| {
            let key = (normal(identifier), strength);
            let new = || Edge {
                identifier: written(identifier),
                legs: Vec::new(),
                by: Vec::new(),
                strength,
                sources: Vec::new(),
            };
            found.entry(key).or_insert_with(new).add(leg, by, locus);
        };
        for place in call {
            let Some(leg) = legs.get(*place) else { continue };
            let is_overruled = self.overruled.binary_search(place).is_ok();
            for identifier in leg.identifiers() {
                if is_overruled && matches!(identifier.subject, Subject::Conversation(_)) {
                    continue;
                }
                for half in halves(identifier.subject, identifier.value) {
                    add(half, *place, By::Field(identifier.subject), Strength::Bridged, identifier.locus);
                }
            }
            let own = self.tied.partition_point(|tied| tied.leg < *place);
            for Tied { conversation, by, strength, locus, .. } in
                self.tied.iter().skip(own).take_while(|tied| tied.leg == *place)
            {
                add(conversation, *place, *by, *strength, *locus);
            }
        }
        let names_conversation = |by: &By| !matches!(by, By::Field(Subject::SessionId));
        let mut edges: Vec<Edge> = found
            .into_iter()
            .filter(|((identifier, _), edge)| {
                !self.too_common.contains_key(identifier)
                    && (edge.legs.len() > 1 || edge.by.iter().any(names_conversation))
            })
            .map(|(_, edge)| edge)
            .collect();
        for place in call {
            let own = self.references.partition_point(|reference| reference.naming < *place);
            for reference in self.references.iter().skip(own).take_while(|reference| reference.naming == *place) {
                let Some(named) = legs.get(reference.named) else { continue };
                let mut both = vec![reference.naming, reference.named];
                both.sort_unstable();
                edges.push(Edge {
                    identifier: named.call_id.into(),
                    legs: both,
                    by: vec![reference.by],
                    strength: Strength::Exact,
                    sources: vec![reference.locus],
                });
            }
        }
        for edge in &mut edges {
            edge.by.sort_unstable();
            edge.sources.sort_unstable();
            edge.sources.dedup();
        }
        edges.sort_by(|one, other| {
            let key = |edge: &Edge| (edge.legs.first().copied(), edge.sources.first().copied(), edge.legs.len());
            key(one).cmp(&key(other)).then_with(|| one.identifier.cmp(&other.identifier))
        });
        edges
    }
}
