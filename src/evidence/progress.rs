//! How far a run has come: told by those who read evidence, asked by whoever waits for them.
//!
//! A [`Progress`] is a handful of counters behind a shared pointer. [`super::source`] adds the bytes of every piece that it
//! reads from a file, as they lie on the disk; the pipeline says which [`Phase`] it is in. Nobody waits for it and nothing
//! of a report depends on it: it may be asked at any time, from any thread.
//!
//! Keeps: one addition for each piece read (a block of a file, some kilobytes of a compressed one), none for a packet or
//! a line, and no lock.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};

/// What a run is busy with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// Reading the evidence for the first time.
    #[default]
    Reading,
    /// Following calls and judging them.
    Judging,
    /// Reading the evidence again, to copy parts of it.
    Copying,
}

/// The phases by their number.
const PHASES: [Phase; 3] = [Phase::Reading, Phase::Judging, Phase::Copying];

/// How far a run has come. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Progress(Arc<Counters>);

#[derive(Debug, Default)]
struct Counters {
    phase: AtomicU8,
    /// How often reading began.
    passes: AtomicU64,
    read: AtomicU64,
    total: AtomicU64,
    /// Whether `total` counts all there is.
    bounded: AtomicBool,
}

/// A look at a [`Progress`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// What the run is busy with.
    pub phase: Phase,
    /// How often reading began so far; 1 during the first time.
    pub pass: u64,
    /// Bytes read in this pass, as they lie on the disk.
    pub read: u64,
    /// Bytes there are to read in it; `None` where that is unknown, as of a pipe.
    pub total: Option<u64>,
}

impl Progress {
    /// A pass over the evidence begins: `total` bytes, or nobody knows how many.
    pub fn begin(&self, phase: Phase, total: Option<u64>) {
        self.0.read.store(0, Ordering::Relaxed);
        self.0.total.store(total.unwrap_or(0), Ordering::Relaxed);
        self.0.bounded.store(total.is_some(), Ordering::Relaxed);
        self.0.passes.fetch_add(1, Ordering::Relaxed);
        self.enter(phase);
    }

    /// The run is now busy with this.
    pub fn enter(&self, phase: Phase) {
        self.0.phase.store(phase as u8, Ordering::Relaxed);
    }

    /// How far it has come.
    #[must_use]
    pub fn seen(&self) -> Seen {
        let phase = usize::from(self.0.phase.load(Ordering::Relaxed));
        let bounded = self.0.bounded.load(Ordering::Relaxed);
        Seen {
            phase: PHASES.get(phase).copied().unwrap_or_default(),
            pass: self.0.passes.load(Ordering::Relaxed),
            read: self.0.read.load(Ordering::Relaxed),
            total: bounded.then(|| self.0.total.load(Ordering::Relaxed)),
        }
    }

    /// A reader whose bytes count.
    pub(super) fn watch<R: Read>(&self, inner: R) -> impl Read + use<R> {
        Watched { inner, progress: self.clone() }
    }
}

struct Watched<R> {
    inner: R,
    progress: Progress,
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.progress.0.read.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_count_as_they_are_read_and_each_pass_begins_anew() {
        let progress = Progress::default();
        progress.begin(Phase::Reading, Some(10));
        let mut piece = [0; 4];
        progress.watch(&b"0123456789"[..]).read_exact(&mut piece).expect("four bytes");
        assert_eq!(progress.seen(), Seen { phase: Phase::Reading, pass: 1, read: 4, total: Some(10) });
        progress.enter(Phase::Judging);
        assert_eq!(progress.seen(), Seen { phase: Phase::Judging, pass: 1, read: 4, total: Some(10) });
        progress.clone().begin(Phase::Copying, None);
        assert_eq!(progress.seen(), Seen { phase: Phase::Copying, pass: 2, read: 0, total: None });
    }
}
