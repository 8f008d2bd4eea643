//! REGISTER and OPTIONS transactions of the trunks (RFC 3261 §10, §11).
//!
//! A transaction is the messages of one Call-ID and CSeq number; the trunk is that of its request. Called by the pipeline.
//! Deliberately says nothing of why a request was not answered: its response may not have been captured.

use crate::evidence::{Locus, Timestamp};
use crate::facts::{Method, Shelf, StartLine};
use crate::settings::{Settings, Trunk};

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

/// The OPTIONS transactions of one trunk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// Transactions whose request was captured.
    pub sent: u64,
    /// Those answered with a 2xx.
    pub answered: u64,
    /// Those answered with another final status.
    pub refused: u64,
    /// When the first and the last request was sent.
    pub span: Option<(Timestamp, Timestamp)>,
    /// The request that was last answered with a 2xx.
    pub last_answered: Option<Locus>,
    /// The request that last was not.
    pub last_failed: Option<Locus>,
}

/// The transactions of trunks that are no calls, of some Call-IDs or of all.
#[derive(Clone, Debug, Default)]
pub struct Transactions {
    /// The REGISTER transactions that belong to a trunk, by time.
    pub registrations: Vec<Registration>,
    /// The OPTIONS transactions that do.
    options: Vec<Registration>,
}

impl Transactions {
    /// Of the calls of a shelf.
    #[must_use]
    pub fn of(shelf: &Shelf<'_>, settings: &Settings) -> Self {
        let of = |method| transactions(method, shelf, settings);
        Self { registrations: of(Method::Register), options: of(Method::Options) }
    }

    /// Of all Call-IDs, from those of some each.
    #[must_use]
    pub fn union(parts: impl IntoIterator<Item = Self>) -> Self {
        let mut all = Self::default();
        for Self { registrations, options } in parts {
            all.registrations.extend(registrations);
            all.options.extend(options);
        }
        all.registrations.sort_unstable_by_key(Registration::order);
        all.options.sort_unstable_by_key(Registration::order);
        all
    }

    /// For each trunk of the settings its OPTIONS transactions.
    #[must_use]
    pub fn health(&self, settings: &Settings) -> Vec<Health> {
        health(&self.options, settings)
    }
}

impl Registration {
    /// Several may begin in one packet: then what is known of them tells them apart.
    fn order(&self) -> (i64, Locus, usize, Option<u16>) {
        (self.at.ns, self.locus, self.trunk, self.status)
    }
}

fn health(options: &[Registration], settings: &Settings) -> Vec<Health> {
    let mut health = vec![Health::default(); settings.trunks.len()];
    for probe in options {
        let Some(own) = health.get_mut(probe.trunk) else { continue };
        own.sent += 1;
        own.span = Some((own.span.map_or(probe.at, |(first, _)| first), probe.at));
        match probe.status {
            Some(200..=299) => {
                own.answered += 1;
                own.last_answered = Some(probe.locus);
            }
            status => {
                own.refused += u64::from(status.is_some());
                own.last_failed = Some(probe.locus);
            }
        }
    }
    health
}

fn transactions(method: Method, shelf: &Shelf<'_>, settings: &Settings) -> Vec<Registration> {
    let messages = shelf.calls().filter(|call| call.has(method)).flat_map(|call| call.messages());
    let mut messages: Vec<_> = messages.filter(|message| message.method() == Some(method)).collect();
    let key = |message: &crate::facts::Signalling<'_>| message.cseq.map(|cseq| cseq.number);
    messages.sort_by(|one, other| {
        (one.call_id, key(one), one.at, one.locus).cmp(&(other.call_id, key(other), other.at, other.locus))
    });
    let mut registrations: Vec<Registration> = messages
        .chunk_by(|one, other| (one.call_id, key(one)) == (other.call_id, key(other)))
        .filter_map(|transaction| {
            let first = transaction.iter().find(|message| matches!(message.start, StartLine::Request { .. }))?;
            let fits = |own: &Trunk| trunk::fits(own, std::iter::once(first), |uri| trunk::uri_of_platform(own, uri));
            let trunk = settings.trunks.iter().position(fits)?;
            let status = transaction.iter().rev().find_map(|message| match message.start {
                StartLine::Response(status) if status >= 200 => Some(status),
                _ => None,
            });
            Some(Registration { at: first.at, locus: first.locus, status, trunk })
        })
        .collect();
    registrations.sort_unstable_by_key(Registration::order);
    registrations
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::SourceId;

    #[test]
    fn transactions_of_one_packet_come_in_one_order_wherever_they_were_kept() {
        let (at, locus) = (Timestamp::new(1, 6), Locus { source: SourceId(0), record: 7 });
        let of = |status, trunk| Registration { at, locus, status, trunk };
        let parts = [of(None, 0), of(Some(200), 0), of(Some(403), 0), of(Some(200), 1)];
        let union = |places: [usize; 4]| {
            let part = |place: usize| Transactions { registrations: vec![parts[place]], options: vec![parts[place]] };
            let all = Transactions::union(places.map(part));
            (all.registrations, all.options)
        };
        let expected = union([0, 1, 2, 3]);
        assert_eq!(expected.0, parts);
        for places in [[3, 2, 1, 0], [1, 0, 3, 2], [2, 3, 0, 1]] {
            assert_eq!(union(places), expected);
        }
    }
}
