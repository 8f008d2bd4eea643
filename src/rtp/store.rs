//! The flows of one source, and those of all sources together.

use std::hash::{BuildHasher, Hash};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use foldhash::fast::{FixedState, RandomState};
use hashbrown::HashMap;

use super::cell::{Cell, SECOND_NS};
use super::fold::Flow;
use super::run::{Breaks, Runs};
use crate::evidence::SourceId;
use crate::facts::{FlowKey, MediaFlows};

/// Flows of one source that are kept. A day of a large site has a tenth of that.
pub const FLOWS_LIMIT: usize = 1 << 19;

/// Bytes that one source's flows may take beyond two bytes for a second.
pub const DETAIL_LIMIT: usize = 256 << 20;

/// Cells that come between two rounds of folding, at least: a round looks at every flow.
const FOLD_EVERY: usize = 1 << 15;

/// The seed of the hash that chooses among too many flows. Written down since it decides about results.
const CHOICE_SEED: u64 = 0x5349_5043_4f4e_5345;

/// A flow over IPv4: addresses, ports, SSRC, in 128 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct KeyV4(u128);

/// A flow over IPv6: source, destination, ports and SSRC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct KeyV6(u128, u128, u64);

impl KeyV4 {
    #[inline]
    pub(super) fn new(addresses: [u8; 8], ports: [u8; 4], ssrc: u32) -> Self {
        let addresses = u128::from(u64::from_be_bytes(addresses));
        Self(addresses << 64 | u128::from(u32::from_be_bytes(ports)) << 32 | u128::from(ssrc))
    }

    fn flow(self) -> FlowKey {
        let word = |shift: u32| (self.0 >> shift & 0xffff_ffff) as u32;
        let socket =
            |address: u32, port: u32| SocketAddr::new(IpAddr::from(Ipv4Addr::from(address)), (port & 0xffff) as u16);
        FlowKey { source: socket(word(96), word(32) >> 16), destination: socket(word(64), word(32)), ssrc: word(0) }
    }
}

impl KeyV6 {
    #[inline]
    pub(super) fn new(addresses: [u8; 32], ports: [u8; 4], ssrc: u32) -> Self {
        let mut halves =
            addresses.chunks_exact(16).map(|half| half.first_chunk().map_or(0, |half| u128::from_be_bytes(*half)));
        let source = halves.next().unwrap_or(0);
        let destination = halves.next().unwrap_or(0);
        Self(source, destination, u64::from(u32::from_be_bytes(ports)) << 32 | u64::from(ssrc))
    }

    fn flow(self) -> FlowKey {
        let socket =
            |address: u128, port: u64| SocketAddr::new(IpAddr::from(Ipv6Addr::from(address)), (port & 0xffff) as u16);
        FlowKey {
            source: socket(self.0, self.2 >> 48),
            destination: socket(self.1, self.2 >> 32),
            ssrc: (self.2 & 0xffff_ffff) as u32,
        }
    }
}

/// The flows of one source while it is read.
#[derive(Debug, Default)]
pub(super) struct Store {
    v4: Shelf<KeyV4>,
    v6: Shelf<KeyV6>,
    /// Until when each table has handed over everything, by its number.
    flushed: Vec<i64>,
    /// Cells added since the last round of folding.
    added: usize,
    limits: Limits,
}

/// What a store keeps at most.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) flows: usize,
    pub(super) detail: usize,
    pub(super) fold_every: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { flows: FLOWS_LIMIT, detail: DETAIL_LIMIT, fold_every: FOLD_EVERY }
    }
}

/// Flows of one address family.
#[derive(Debug)]
struct Shelf<K> {
    flows: HashMap<K, Flow, RandomState>,
    /// Flows whose place in the choice is beyond this one are not kept.
    choice: u64,
    /// Bytes that its flows take beyond two bytes for a second.
    detail: usize,
    /// Whether the detail became too much: then nothing is kept.
    overflowed: bool,
}

impl<K> Default for Shelf<K> {
    fn default() -> Self {
        Self { flows: HashMap::default(), choice: u64::MAX, detail: 0, overflowed: false }
    }
}

/// A flow's place in the choice among too many.
fn choice<K: Hash>(key: &K) -> u64 {
    FixedState::with_seed(CHOICE_SEED).hash_one(key)
}

impl<K: Hash + Eq + Copy> Shelf<K> {
    fn add(&mut self, key: K, cell: Cell, limits: Limits) {
        if self.overflowed || self.choice < u64::MAX && choice(&key) > self.choice {
            return;
        }
        self.flows.entry(key).or_default().add(cell);
        if self.flows.len() > 2 * limits.flows {
            self.choose(limits.flows);
        }
    }

    /// Keeps the `limit` flows that come first in the choice.
    fn choose(&mut self, limit: usize) {
        if self.flows.len() <= limit {
            return;
        }
        let mut places: Vec<u64> = self.flows.keys().map(choice).collect();
        if let Some(last) = limit.checked_sub(1) {
            let (_, place, _) = places.select_nth_unstable(last);
            self.choice = *place;
        }
        let threshold = self.choice;
        self.flows.retain(|key, _| choice(key) <= threshold);
    }

    fn fold(&mut self, until: i64, limits: Limits) {
        let mut detail = 0;
        self.flows.retain(|_, flow| {
            flow.fold(until);
            detail += flow.detail();
            true
        });
        self.detail = detail;
        // Twice the limit while cells of other workers may still fill the holes; what counts is told in the end.
        if detail > 2 * limits.detail {
            self.overflow();
        }
    }

    fn overflow(&mut self) {
        self.overflowed = true;
        self.flows = HashMap::default();
    }
}

impl Store {
    #[cfg(test)]
    pub(super) fn limited(limits: Limits) -> Self {
        Self { limits, ..Self::default() }
    }

    pub(super) fn add_v4(&mut self, key: KeyV4, cell: Cell) {
        self.v4.add(key, cell, self.limits);
        self.added += 1;
    }

    pub(super) fn add_v6(&mut self, key: KeyV6, cell: Cell) {
        self.v6.add(key, cell, self.limits);
        self.added += 1;
    }

    /// Makes room for one more table: its number.
    pub(super) fn admit(&mut self) -> usize {
        self.flushed.push(i64::MIN);
        self.flushed.len() - 1
    }

    /// Takes note that a table has handed over everything up to `until`; folds now and then.
    pub(super) fn flushed(&mut self, table: usize, until: i64) {
        if let Some(flushed) = self.flushed.get_mut(table) {
            *flushed = until.saturating_sub(SECOND_NS);
        }
        if self.added >= self.limits.fold_every.max((self.v4.flows.len() + self.v6.flows.len()) / 4) {
            self.fold(self.flushed.iter().copied().min().unwrap_or(i64::MIN));
        }
    }

    fn fold(&mut self, until: i64) {
        self.added = 0;
        self.v4.fold(until, self.limits);
        self.v6.fold(until, self.limits);
    }

    /// The flows of the source, once nothing more will come.
    pub(super) fn finish(mut self, source: SourceId) -> Flows {
        self.fold(i64::MAX);
        let limits = self.limits;
        let mut unaccounted = Unaccounted::default();
        let mut flows = Vec::new();
        let overflowed = self.v4.overflowed || self.v6.overflowed || self.v4.detail + self.v6.detail > limits.detail;
        if overflowed {
            unaccounted.detail_limited = true;
        } else {
            for limited in
                [shelve(self.v4, limits, KeyV4::flow, &mut flows), shelve(self.v6, limits, KeyV6::flow, &mut flows)]
            {
                unaccounted.flows_limited |= limited;
            }
        }
        let mut flows: Vec<SourceFlow> =
            flows.into_iter().map(|(key, flow)| SourceFlow { key, source, flow }).collect();
        flows.sort_unstable_by_key(|flow| flow.key);
        Flows { flows, unaccounted }
    }
}

/// Takes the flows of a shelf out; whether some had to stay.
fn shelve<K: Hash + Eq + Copy>(
    mut shelf: Shelf<K>,
    limits: Limits,
    name: fn(K) -> FlowKey,
    flows: &mut Vec<(FlowKey, Flow)>,
) -> bool {
    let limited = shelf.choice < u64::MAX || shelf.flows.len() > limits.flows;
    shelf.choose(limits.flows);
    flows.extend(shelf.flows.into_iter().map(|(key, flow)| (name(key), flow)));
    limited
}

/// A flow as one source saw it.
#[derive(Debug)]
pub(super) struct SourceFlow {
    pub(super) key: FlowKey,
    pub(super) source: SourceId,
    pub(super) flow: Flow,
}

/// The flows of any number of sources.
#[derive(Debug, Default)]
pub struct Flows {
    flows: Vec<SourceFlow>,
    unaccounted: Unaccounted,
}

/// Why packets of a source are in none of its flows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unaccounted {
    /// There were more flows than [`FLOWS_LIMIT`].
    pub flows_limited: bool,
    /// There was more detail than [`DETAIL_LIMIT`].
    pub detail_limited: bool,
    /// Packets that may have been RTP were not read.
    pub unread: bool,
}

impl Flows {
    /// Adds those of another source.
    pub fn merge(&mut self, other: Self) {
        self.flows.extend(other.flows);
        self.unaccounted.flows_limited |= other.unaccounted.flows_limited;
        self.unaccounted.detail_limited |= other.unaccounted.detail_limited;
        self.unaccounted.unread |= other.unaccounted.unread;
    }

    /// Packets that may have been RTP were not read.
    pub fn leave_out(&mut self) {
        self.unaccounted.unread = true;
    }

    /// Whether there are none, and no limit left any out.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.flows.is_empty() && self.unaccounted == Unaccounted::default()
    }

    /// Packets that were captured in these flows, copies included.
    #[must_use]
    pub fn captured(&self) -> u64 {
        self.flows.iter().map(|flow| flow.flow.captured()).sum()
    }

    /// Why packets are missing from them, if any are.
    #[must_use]
    pub fn unaccounted(&self) -> Unaccounted {
        self.unaccounted
    }

    /// Every flow with its runs, by key, ended at the breaks too. The order in which sources were merged does not matter.
    #[must_use]
    pub fn finish(mut self, breaks: &Breaks) -> MediaFlows {
        self.flows.sort_unstable_by_key(|flow| (flow.key, flow.source));
        let mut runs = Runs::default();
        let of_key = self.flows.chunk_by(|one, other| one.key == other.key);
        MediaFlows {
            flows: of_key.filter_map(|sources| runs.of(sources, breaks)).collect(),
            is_limited: self.unaccounted != Unaccounted::default(),
        }
    }
}
