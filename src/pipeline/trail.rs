//! Which packets hold the signalling of some calls: what those who copy evidence out of captures ask.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use super::join::{MadeOf, Trace};
use crate::call::Outline;
use crate::call::identity::{Binding, Identity};
use crate::evidence::{Locus, SourceId};
use crate::facts::{ApiRequest, Exports, Shelves};
use crate::report::model::Report;

/// Which calls are asked for, and how closely.
pub struct Choice<'c> {
    /// What is to be remembered of connections.
    pub trace: Trace,
    /// The Call-IDs of legs of the calls that are asked for, by the report.
    pub choose: &'c (dyn Fn(&Report) -> BTreeSet<Vec<u8>> + Sync),
}

/// The calls that were asked for, and the packets of their signalling.
#[derive(Clone, Debug, Default)]
pub struct Trail {
    /// The Call-IDs of all legs of those calls, and of the legs that they replace.
    pub call_ids: BTreeSet<Vec<u8>>,
    /// By source, the records that hold their messages: every copy, and every fragment and segment of each; of exports the
    /// entries that speak of them.
    pub packets: BTreeMap<SourceId, BTreeSet<u64>>,
}

impl Choice<'_> {
    pub(super) fn trail(
        &self,
        report: &Report,
        messages: &Shelves,
        legs: &[Outline<'_>],
        (identity, exports, shared): (&Identity, &Exports, &BTreeMap<usize, BTreeSet<usize>>),
        made_of: &MadeOf,
    ) -> io::Result<Trail> {
        let call_ids = whole_calls((self.choose)(report), legs, (identity, shared));
        let chosen = messages.visit(|_, shelf| -> Vec<Locus> {
            let chosen = shelf.calls().filter(|call| call_ids.contains(call.call_id()));
            chosen.flat_map(|call| call.messages()).map(|message| message.locus).collect()
        })?;
        let mut open: Vec<Locus> = chosen.into_iter().flatten().collect();
        let mut packets: BTreeMap<SourceId, BTreeSet<u64>> = BTreeMap::new();
        while let Some(locus) = open.pop() {
            if packets.entry(locus.source).or_default().insert(locus.record) {
                open.extend(made_of.get(&locus).into_iter().flatten());
            }
        }
        for locus in entries(&call_ids, exports, identity, legs) {
            packets.entry(locus.source).or_default().insert(locus.record);
        }
        Ok(Trail { call_ids, packets })
    }
}

/// The entries of exports that speak of the calls: by a Call-ID, whole or but for its host, or by their conversation.
fn entries(
    call_ids: &BTreeSet<Vec<u8>>,
    exports: &Exports,
    identity: &Identity,
    legs: &[Outline<'_>],
) -> BTreeSet<Locus> {
    let user = |call_id: &[u8]| call_id.split(|byte| *byte == b'@').next().unwrap_or_default().to_vec();
    let users: BTreeSet<Vec<u8>> = call_ids.iter().map(|call_id| user(call_id)).collect();
    let own: Vec<usize> =
        (0..legs.len()).filter(|leg| legs.get(*leg).is_some_and(|leg| call_ids.contains(leg.call_id))).collect();
    let mut conversations: BTreeSet<Vec<u8>> =
        identity.conversation_ids(&own).iter().map(|id| id.to_ascii_lowercase()).collect();
    let mut found = BTreeSet::new();
    for conversation in &exports.conversations {
        let named = conversation.call_ids.iter().any(|call_id| users.contains(&user(call_id)));
        if named || conversations.contains(&conversation.id.to_ascii_lowercase()) {
            found.insert(conversation.locus);
            conversations.insert(conversation.id.to_ascii_lowercase());
        }
    }
    for traced in exports.traced.iter().filter(|traced| users.contains(&user(&traced.call_id))) {
        found.insert(traced.locus);
        conversations.insert(traced.conversation.to_ascii_lowercase());
    }
    let recordings = exports.recordings.iter();
    found.extend(
        recordings.filter(|one| conversations.contains(&one.conversation.to_ascii_lowercase())).map(|one| one.locus),
    );
    found
}

/// Of each leg that was served together with others, by one request that names several, those others: it is they that keep
/// the request from exposing it.
pub(super) fn shared(requests: &[ApiRequest], bindings: &[Binding]) -> BTreeMap<usize, BTreeSet<usize>> {
    let mut shared: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
    for (request, binding) in requests.iter().zip(bindings) {
        let Binding::Legs(links) = binding else { continue };
        if request.is_served() && links.len() > 1 {
            for link in links {
                shared.entry(link.leg).or_default().extend(links.iter().map(|link| link.leg));
            }
        }
    }
    shared
}

/// Adds what the conclusions about the `chosen` legs rest on: the other legs of their calls, those served together with
/// them, and the legs they replace.
fn whole_calls(
    chosen: BTreeSet<Vec<u8>>,
    legs: &[Outline<'_>],
    (identity, shared): (&Identity, &BTreeMap<usize, BTreeSet<usize>>),
) -> BTreeSet<Vec<u8>> {
    let mut open: Vec<Vec<u8>> = chosen.into_iter().collect();
    let (mut whole, mut transfers) = (BTreeSet::new(), BTreeSet::new());
    while let Some(call_id) = open.pop() {
        if whole.contains(&call_id) {
            continue;
        }
        for place in identity.bearing(legs, &call_id) {
            let others = identity.calls.of(*place).iter().filter_map(|leg| legs.get(*leg));
            open.extend(others.map(|leg| leg.call_id.to_vec()));
            let together = shared.get(place).into_iter().flatten().filter_map(|leg| legs.get(*leg));
            open.extend(together.map(|leg| leg.call_id.to_vec()));
            let replaced = legs.get(*place).and_then(Outline::replaces);
            open.extend(replaced.map(|(call_id, _)| call_id.to_vec()));
            let transfer = legs.get(*place).and_then(Outline::transferred).map(|(transfer, _)| transfer);
            let asking =
                transfer.filter(|transfer| transfers.insert(*transfer)).map(|transfer| identity.asking(transfer));
            open.extend(asking.into_iter().flatten().filter_map(|leg| legs.get(*leg)).map(|leg| leg.call_id.to_vec()));
        }
        whole.insert(call_id);
    }
    whole
}
