//! The entries of one export, read and added up.

use crate::document::Entry;
use crate::evidence::{Anomalies, SourceId, Tally, Timestamp};

use super::kind::Kind;

/// What an export, or a part of it, adds up to.
#[derive(Clone, Debug, Default)]
pub struct ExportSum {
    /// Entries by what became of them.
    pub tally: Tally,
    /// What could not be read.
    pub anomalies: Anomalies,
    /// The earliest time that it states.
    pub first: Option<Timestamp>,
    /// The latest.
    pub last: Option<Timestamp>,
}

impl ExportSum {
    /// Adds the part of the export that follows. Records are numbered by the document.
    pub fn append(&mut self, next: Self) {
        self.tally.merge(&next.tally);
        self.anomalies.absorb(next.anomalies, 0);
        self.first = [self.first, next.first].into_iter().flatten().min();
        self.last = self.last.max(next.last);
    }
}

/// Reads the entries of one export.
#[derive(Clone, Debug)]
pub struct ExportReader {
    /// Where what it states stands.
    pub source: SourceId,
    /// What it was recognised as.
    pub kind: Kind,
}

impl ExportReader {
    /// Reads `entries`, which follow one another in the document.
    pub fn read<'a>(&self, entries: impl Iterator<Item = Entry<'a>>) -> ExportSum {
        let mut sum = ExportSum::default();
        sum.tally.add("export_entry", entries.count() as u64);
        sum
    }
}
