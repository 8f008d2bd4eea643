//! The second way through a document: the entries that are bound to the carved calls, in as much of the document around
//! them as makes it one again.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::path::Path;

use crate::document::{Pieces, Plan, Walk};
use crate::evidence::{Block, Reading, Stage, work};

/// Takes the wanted entries out of a document.
struct Pick<'w> {
    wanted: &'w BTreeSet<u64>,
    /// Whether entries are numbered by their first lines.
    counts_lines: bool,
    separator: &'static [u8],
}

/// Where they go.
struct Sum {
    out: BufWriter<File>,
    /// Line ends written.
    lines: u64,
    /// The number of each entry there.
    numbers: Vec<u64>,
    failure: Option<io::Error>,
}

/// Copies the entries with these numbers, from 1, into a new document at `path`. Gives the number of each, here and there.
pub(super) fn copy(
    pool: &rayon::ThreadPool,
    reader: Box<dyn Read + Send>,
    plan: &Plan,
    wanted: &BTreeSet<u64>,
    path: &Path,
) -> io::Result<Vec<(u64, u64)>> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let frame = plan.frame();
    let mut out = BufWriter::new(File::create_new(path)?);
    out.write_all(&frame.head)?;
    let sum = Sum { out, lines: 0, numbers: Vec::new(), failure: None };
    let counts_lines = matches!(plan, Plan::Text(_));
    let reading = Reading::new(Pick { wanted, counts_lines, separator: frame.separator }, Walk::new(plan), sum, reader);
    work(pool, std::slice::from_ref(&reading));
    let (mut sum, _, failure) = reading.finish();
    if let Some(failure) = failure.or(sum.failure) {
        return Err(failure);
    }
    sum.out.write_all(&frame.tail)?;
    sum.out.flush()?;
    Ok(sum.numbers.into_iter().zip(wanted.iter().copied()).collect())
}

impl Stage for Pick<'_> {
    type Walk = Walk;
    type Head = Pieces;
    type Part = Vec<Vec<u8>>;
    type Sum = Sum;

    fn cut(&self, walk: &mut Walk, bytes: &[u8], end: bool) -> (usize, Pieces) {
        walk.cut(bytes, end)
    }

    fn decode(&self, block: Block<'_, Pieces>) -> Vec<Vec<u8>> {
        let entries = block.head.entries(block.bytes).filter(|entry| self.wanted.contains(&entry.record));
        entries.map(|entry| entry.bytes.to_vec()).collect()
    }

    fn absorb(&self, sum: &mut Sum, part: Vec<Vec<u8>>) -> u64 {
        for entry in part {
            if sum.failure.is_some() {
                break;
            }
            let separator = if sum.numbers.is_empty() { b"" } else { self.separator };
            sum.numbers.push(1 + if self.counts_lines { sum.lines } else { sum.numbers.len() as u64 });
            sum.lines += memchr::memchr_iter(b'\n', &entry).count() as u64;
            sum.failure = sum.out.write_all(separator).and_then(|()| sum.out.write_all(&entry)).err();
        }
        0
    }
}
