//! Where one worker counts packets: an open cell for each flow it has seen of late.

use std::hash::Hash;

use foldhash::fast::RandomState;
use hashbrown::HashMap;
use hashbrown::hash_map::Entry;

use super::cell::{Captured, Cell, SECOND_NS};
use super::packet::Header;
use super::store::{KeyV4, KeyV6, Store};
use crate::evidence::Timestamp;
use crate::net::Ends;

/// Cells that a table logs before they should move on to the store.
const LOG_CELLS: usize = 2_048;

/// Blocks that a table counts before its cells should move on, so that the store can fold what is complete.
const BLOCKS: usize = 16;

/// How far the times of packets that a table still gets may lie behind the newest.
const BEHIND_NS: i64 = 2 * SECOND_NS;

/// No cell.
const NONE: u32 = u32::MAX;

/// What one worker has counted and the store does not hold yet.
#[derive(Debug)]
pub struct Table {
    pub(super) id: usize,
    v4: HashMap<KeyV4, Open, RandomState>,
    v6: HashMap<KeyV6, Open, RandomState>,
    /// Cells that were closed, chained by flow.
    log: Vec<Logged>,
    /// The latest time of a packet.
    newest: i64,
    blocks: usize,
}

/// The cell of a flow that packets are being added to.
#[derive(Debug)]
struct Open {
    cell: Cell,
    /// The last cell of the flow in the log.
    logged: u32,
}

#[derive(Debug)]
struct Logged {
    cell: Option<Cell>,
    before: u32,
}

impl Table {
    pub(super) fn new(id: usize) -> Self {
        Self { id, v4: HashMap::default(), v6: HashMap::default(), log: Vec::new(), newest: i64::MIN, blocks: 0 }
    }

    /// Counts one packet.
    #[inline(always)]
    pub fn count(&mut self, ends: &Ends, header: Header, at: Timestamp, record: u64) {
        let Header { sequence, ssrc, size } = header;
        let packet = Captured { ns: at.ns, digits: at.digits, record, sequence, size };
        self.newest = self.newest.max(at.ns);
        match ends {
            Ends::V4 { addresses, ports } => {
                let key = KeyV4::new(*addresses, *ports, ssrc);
                add(&mut self.v4, &mut self.log, key, packet);
            }
            Ends::V6 { addresses, ports } => {
                let key = KeyV6::new(*addresses, *ports, ssrc);
                add(&mut self.v6, &mut self.log, key, packet);
            }
        }
    }

    /// Whether its cells should move on, now that a block is counted.
    pub(super) fn is_due(&mut self) -> bool {
        self.blocks += 1;
        self.blocks >= BLOCKS || self.log.len() >= LOG_CELLS
    }

    /// Moves all cells that are complete to the store; every cell, when nothing more will come.
    pub(super) fn flush(&mut self, store: &mut Store, everything: bool) {
        let until = if everything { i64::MAX } else { self.newest.saturating_sub(BEHIND_NS) };
        let log = &mut self.log;
        self.v4.retain(|key, open| keep(open, log, until, |cell| store.add_v4(*key, cell)));
        self.v6.retain(|key, open| keep(open, log, until, |cell| store.add_v6(*key, cell)));
        log.clear();
        self.blocks = 0;
        store.flushed(self.id, until);
    }
}

/// Moves the closed cells of a flow on, and the open one if it is older than `until`: then the flow is let go.
fn keep(open: &mut Open, log: &mut [Logged], until: i64, mut add: impl FnMut(Cell)) -> bool {
    while let Some(logged) = log.get_mut(open.logged as usize) {
        if let Some(cell) = logged.cell.take() {
            add(cell);
        }
        open.logged = logged.before;
    }
    open.logged = NONE;
    if open.cell.set.second.saturating_add(SECOND_NS) > until && until != i64::MAX {
        return true;
    }
    add(open.cell.clone());
    false
}

#[inline(always)]
fn add<K: Hash + Eq>(open: &mut HashMap<K, Open, RandomState>, log: &mut Vec<Logged>, key: K, packet: Captured) {
    match open.entry(key) {
        Entry::Occupied(mut entry) => {
            let open = entry.get_mut();
            if !open.cell.add(packet) {
                let cell = std::mem::replace(&mut open.cell, Cell::of(packet));
                // The log is emptied long before it holds that many.
                let place = log.len() as u32;
                log.push(Logged { cell: Some(cell), before: open.logged });
                open.logged = place;
            }
        }
        Entry::Vacant(entry) => {
            entry.insert(Open { cell: Cell::of(packet), logged: NONE });
        }
    }
}
