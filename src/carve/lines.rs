//! The second way through a log: the records that are bound to the carved calls, byte for byte, and what they need to be
//! read: the header lines before them.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::path::Path;

use memchr::memchr;

use crate::access_log::{Format, LINE_BYTES, LogReader};
use crate::evidence::SourceId;
use crate::settings::Settings;

/// Copies the records at the lines with these numbers, from 1, into a new file at `path`. Gives the line of each, here
/// and there.
pub(super) fn copy(
    (format, log): (Option<Format>, impl Read),
    (shown, settings): (&str, &Settings),
    wanted: &BTreeSet<u64>,
    path: &Path,
) -> io::Result<Vec<(u64, u64)>> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let reader = LogReader::new(SourceId(0), shown, settings);
    let is_header = |line: &[u8]| reader.is_header(line);
    let shape = Shape {
        is_header: format.filter(|format| format.has_header()).map(|_| &is_header as &IsHeader<'_>),
        is_quoted: format == Some(Format::Csv),
    };
    let mut out = BufWriter::new(File::create_new(path)?);
    let places = pick(&mut BufReader::with_capacity(1 << 20, log), &shape, wanted, &mut out)?;
    out.flush()?;
    Ok(places)
}

/// Tells whether a line names columns.
type IsHeader<'s> = dyn Fn(&[u8]) -> bool + 's;

/// What holds lines together.
struct Shape<'s> {
    /// Tells the lines that name columns, where there are such.
    is_header: Option<&'s IsHeader<'s>>,
    /// A line end between quotes ends no record.
    is_quoted: bool,
}

/// Copies records from `log`, whose end need not be a line end; no line longer than a record can be is held.
fn pick(
    log: &mut impl BufRead,
    shape: &Shape<'_>,
    wanted: &BTreeSet<u64>,
    out: &mut impl Write,
) -> io::Result<Vec<(u64, u64)>> {
    let mut rest = wanted.iter().copied().peekable();
    let mut places = Vec::new();
    let (mut number, mut written) = (1, 0);
    let mut line = Vec::new();
    // Whether this line goes on with a record that is being copied, and whether that stands within quotes.
    let (mut goes_on, mut open) = (false, false);
    // Whether some of the record at this line was copied, and its line end is still to come.
    let mut begun = false;
    while rest.peek().is_some() || goes_on {
        let bytes = match log.fill_buf() {
            Ok([]) => break,
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let end = memchr(b'\n', bytes);
        let taken = end.map_or(bytes.len(), |end| end + 1);
        let bytes = bytes.get(..taken).unwrap_or_default();
        let is_wanted = goes_on || rest.peek() == Some(&number);
        if is_wanted {
            out.write_all(bytes)?;
            begun = !goes_on;
            open ^= shape.is_quoted && bytes.iter().filter(|byte| **byte == b'"').count() % 2 == 1;
        } else if shape.is_header.is_some() && line.len() <= LINE_BYTES {
            line.extend_from_slice(bytes);
        }
        log.consume(taken);
        if end.is_none() {
            continue;
        }
        if is_wanted {
            written += 1;
            if !goes_on {
                places.push((written, number));
                rest.next();
            }
            (goes_on, begun) = (open, false);
        } else if shape.is_header.is_some_and(|is_header| is_header(content(&line))) {
            out.write_all(&line)?;
            written += 1;
        }
        line.clear();
        number += 1;
    }
    if begun {
        places.push((written + 1, number));
    }
    Ok(places)
}

/// A line without its end and without a byte order mark.
fn content(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(log: &[u8], shape: &Shape<'_>, wanted: &[u64], expected: &[u8], places: &[(u64, u64)]) {
        for capacity in [1, 2, 5, 100] {
            let mut out = Vec::new();
            let mut log = BufReader::with_capacity(capacity, log);
            let found = pick(&mut log, shape, &wanted.iter().copied().collect(), &mut out).expect("no disk");
            assert_eq!(String::from_utf8_lossy(&out), String::from_utf8_lossy(expected), "{wanted:?} {capacity}");
            assert_eq!(found, places, "{wanted:?} {capacity}");
        }
    }

    #[test]
    fn lines_are_copied_with_their_ends_wherever_the_buffer_ends() {
        let log = b"one\r\ntwo\n\nfour\xff\nfive";
        let plain = Shape { is_header: None, is_quoted: false };
        check(log, &plain, &[1], b"one\r\n", &[(1, 1)]);
        check(log, &plain, &[2, 4], b"two\nfour\xff\n", &[(1, 2), (2, 4)]);
        check(log, &plain, &[3, 5], b"\nfive", &[(1, 3), (2, 5)]);
        check(log, &plain, &[9], b"", &[]);
        check(log, &plain, &[], b"", &[]);
    }

    #[test]
    fn rows_come_with_the_headers_before_them() {
        let log = b"#Fields: a\r\n1\r\n#Fields: b\r\n2\r\n3\r\n#Fields: c\r\n4\r\n";
        let is_header = |line: &[u8]| line.starts_with(b"#Fields:") && !line.ends_with(b"\r");
        let w3c = Shape { is_header: Some(&is_header), is_quoted: false };
        check(log, &w3c, &[2], b"#Fields: a\r\n1\r\n", &[(2, 2)]);
        check(log, &w3c, &[5], b"#Fields: a\r\n#Fields: b\r\n3\r\n", &[(3, 5)]);
    }

    #[test]
    fn a_record_with_a_line_end_in_quotes_is_copied_whole() {
        let log = b"a,b\n1,\"x\ny \"\"z\"\n2,w\n";
        let is_header = |line: &[u8]| line == b"a,b";
        let csv = Shape { is_header: Some(&is_header), is_quoted: true };
        check(log, &csv, &[2], b"a,b\n1,\"x\ny \"\"z\"\n", &[(2, 2)]);
        check(log, &csv, &[4], b"a,b\n2,w\n", &[(2, 4)]);
        check(log, &csv, &[2, 4], log, &[(2, 2), (4, 4)]);
    }
}
