//! REGISTER transactions of the trunks (RFC 3261 §10).

use crate::evidence::{Locus, Timestamp};
use crate::facts::{Method, SignallingBatch, StartLine};
use crate::settings::Settings;

use super::trunk;

/// One REGISTER transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Registration {
    /// When it was sent first.
    pub at: Timestamp,
    /// Its packet.
    pub locus: Locus,
    /// Its final status; `None` when none was seen.
    pub status: Option<u16>,
    /// The trunk, by its index in the settings.
    pub trunk: usize,
}

/// The REGISTER transactions that belong to a trunk, by time.
#[must_use]
pub fn registrations(batches: &[SignallingBatch], settings: &Settings) -> Vec<Registration> {
    let mut messages: Vec<_> = batches.iter().flat_map(|batch| batch.of_method(Method::Register)).collect();
    let key = |message: &crate::facts::Signalling<'_>| message.cseq.map(|cseq| cseq.number);
    messages.sort_by(|one, other| {
        (one.call_id, key(one), one.at, one.locus).cmp(&(other.call_id, key(other), other.at, other.locus))
    });
    let mut registrations: Vec<Registration> = messages
        .chunk_by(|one, other| (one.call_id, key(one)) == (other.call_id, key(other)))
        .filter_map(|transaction| {
            let first = transaction.iter().find(|message| matches!(message.start, StartLine::Request { .. }))?;
            let trunk = settings.trunks.iter().position(|trunk| trunk::fit(trunk, std::iter::once(first)).is_some())?;
            let status = transaction.iter().rev().find_map(|message| match message.start {
                StartLine::Response(status) if status >= 200 => Some(status),
                _ => None,
            });
            Some(Registration { at: first.at, locus: first.locus, status, trunk })
        })
        .collect();
    registrations.sort_unstable_by_key(|registration| (registration.at, registration.locus));
    registrations
}
