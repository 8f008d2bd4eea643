//! The second way through a document: the entries that are bound to the carved calls or speak of them, one after another.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::path::Path;

use crate::document::{Plan, Walk};
use crate::evidence::BLOCK_BYTES;

/// Copies the entries with these numbers, from 1, into a new file at `path`, each with a line end behind it.
pub(super) fn copy(
    document: impl Read,
    plan: &Plan,
    wanted: &BTreeSet<u64>,
    path: &Path,
) -> io::Result<Vec<(u64, u64)>> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut out = BufWriter::new(File::create_new(path)?);
    pick(document, plan, wanted, &mut out)?;
    out.flush()?;
    Ok((1..).zip(wanted.iter().copied()).collect())
}

fn pick(mut document: impl Read, plan: &Plan, wanted: &BTreeSet<u64>, out: &mut impl Write) -> io::Result<()> {
    let mut walk = Walk::new(plan);
    let mut held = Vec::new();
    loop {
        let read = document.by_ref().take(BLOCK_BYTES as u64).read_to_end(&mut held)?;
        let (taken, pieces) = walk.cut(&held, read == 0);
        for entry in pieces.entries(&held).filter(|entry| wanted.contains(&entry.record)) {
            out.write_all(entry.bytes)?;
            out.write_all(b"\n")?;
        }
        held.drain(..taken.min(held.len()));
        if read == 0 {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Pattern;

    #[test]
    fn entries_are_copied_as_they_stand() {
        let document = b"{\"data\": [{\"a\": 1}, {\"a\":\n 2}, {\"a\": 3}]}";
        let plan = Plan::Json(vec![Pattern::new("data[]")]);
        for (wanted, expected) in [(&[1, 2][..], "{\"a\": 1}\n{\"a\":\n 2}\n"), (&[3], "{\"a\": 3}\n"), (&[9], "")] {
            let mut out = Vec::new();
            pick(&document[..], &plan, &wanted.iter().copied().collect(), &mut out).expect("no disk");
            assert_eq!(String::from_utf8_lossy(&out), expected);
        }
    }
}
