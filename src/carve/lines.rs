//! The second way through a log: the lines that are bound to the carved calls, byte for byte.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::Path;

use memchr::memchr;

use crate::evidence::Content;

/// Copies the lines with these numbers, from 1, into a new file at `path`.
pub(super) fn copy(content: Content, wanted: &BTreeSet<u64>, path: &Path) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut out = BufWriter::new(File::create_new(path)?);
    pick(&mut BufReader::with_capacity(1 << 20, content.reader), wanted, &mut out)?;
    out.flush()
}

/// Copies lines from `log`, whose end need not be one; no line is held.
fn pick(log: &mut impl BufRead, wanted: &BTreeSet<u64>, out: &mut impl Write) -> io::Result<()> {
    let mut rest = wanted.iter().copied().peekable();
    let mut number = 1;
    while let Some(next) = rest.peek().copied() {
        let bytes = match log.fill_buf() {
            Ok([]) => break,
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let end = memchr(b'\n', bytes);
        let taken = end.map_or(bytes.len(), |end| end + 1);
        if number == next {
            out.write_all(bytes.get(..taken).unwrap_or_default())?;
        }
        log.consume(taken);
        if end.is_some() {
            if number == next {
                rest.next();
            }
            number += 1;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_copied_with_their_ends_wherever_the_buffer_ends() {
        let log = b"one\r\ntwo\n\nfour\xff\nfive";
        for (wanted, expected) in
            [(&[1][..], &b"one\r\n"[..]), (&[2, 4], b"two\nfour\xff\n"), (&[3, 5], b"\nfive"), (&[9], b""), (&[], b"")]
        {
            for capacity in [1, 2, 5, 100] {
                let mut out = Vec::new();
                let mut log = BufReader::with_capacity(capacity, &log[..]);
                pick(&mut log, &wanted.iter().copied().collect(), &mut out).expect("no disk");
                assert_eq!(out, expected, "{wanted:?} {capacity}");
            }
        }
    }
}
