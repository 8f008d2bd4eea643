//! The flows of one source, counted by any number of workers at once.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::store::{Flows, Store};
use super::table::Table;
use crate::evidence::SourceId;

/// Hands a table to whoever counts a block, and gathers what the tables hold.
///
/// Which table counts which block does not matter, since sets are united.
#[derive(Debug, Default)]
pub struct Ledger {
    /// Tables that no worker holds. Taken in turn, so that none keeps cells for long.
    tables: Mutex<VecDeque<Table>>,
    store: Mutex<Store>,
    ended: AtomicBool,
}

impl Ledger {
    #[cfg(test)]
    pub(super) fn limited(limits: super::store::Limits) -> Self {
        Self { store: Mutex::new(Store::limited(limits)), ..Self::default() }
    }

    /// A table to count one block with. Give it back.
    #[must_use]
    pub fn take(&self) -> Table {
        let free = lock(&self.tables).pop_front();
        free.unwrap_or_else(|| Table::new(lock(&self.store).admit()))
    }

    /// Takes back the table of a block that is counted; `end` when the source ends with that block.
    pub fn give_back(&self, mut table: Table, end: bool) {
        if end {
            self.ended.store(true, Ordering::Relaxed);
        }
        // Behind the end tables are emptied at once, so that a source that is read holds no table any more.
        if self.ended.load(Ordering::Relaxed) {
            let mut store = lock(&self.store);
            table.flush(&mut store, true);
            while let Some(mut table) = lock(&self.tables).pop_front() {
                table.flush(&mut store, true);
            }
            return;
        }
        if table.is_due() {
            table.flush(&mut lock(&self.store), false);
        }
        lock(&self.tables).push_back(table);
    }

    /// The flows of `source`, which is read to its end; the ledger is empty then.
    #[must_use]
    pub fn finish(&self, source: SourceId) -> Flows {
        let mut store = lock(&self.store);
        while let Some(mut table) = lock(&self.tables).pop_front() {
            table.flush(&mut store, true);
        }
        std::mem::take(&mut *store).finish(source)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A poisoned lock means another worker panicked; that panic already ends the run.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
