//! Rejects on their way to a report of their own: into a file without a name while sources are read, out of it after.
//!
//! Sources are read at the same time, so their rejects lie mixed in one file, however many sources there are. Where
//! those of one source stand, in which order, is what its [`Extents`] say. Called by [`crate::pipeline`]; read by
//! [`crate::report`].
//!
//! Keeps: memory does not grow with the rejects, but for an extent each block. What comes out does not depend on who
//! wrote when.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::sync::{Mutex, PoisonError};

use super::locus::SourceId;
use super::reject::Reject;

/// Bytes of a reject that are held at a time.
const CHUNK: usize = 64 << 10;

/// The rejects of all sources while they are read.
#[derive(Debug, Default)]
pub struct Spool(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// Made with the first reject.
    file: Option<BufWriter<File>>,
    length: u64,
    failure: Option<io::Error>,
}

/// Where the rejects of one source stand in the spool: beginnings and ends, in the order of the source.
#[derive(Debug, Default)]
pub struct Extents(Vec<(u64, u64)>);

impl Spool {
    /// Keeps the rejects of a source that follow those of `extents`.
    pub fn keep(&self, extents: &mut Extents, rejects: &[Reject]) {
        if rejects.is_empty() {
            return;
        }
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((start, end)) = inner.append(rejects) {
            match extents.0.last_mut() {
                Some(last) if last.1 == start => last.1 = end,
                _ => extents.0.push((start, end)),
            }
        }
    }

    /// The rejects of `sources`, once all are read.
    #[must_use]
    pub fn finish(self, sources: Vec<(SourceId, Extents)>) -> Rejects {
        let Inner { file, failure, .. } = self.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        let (file, failure) = match file.map(|file| file.into_inner().map_err(io::IntoInnerError::into_error)) {
            Some(Err(unwritten)) => (None, failure.or(Some(unwritten))),
            Some(Ok(file)) => (Some(file), failure),
            None => (None, failure),
        };
        Rejects { file, sources, failure }
    }
}

impl Inner {
    /// Where `rejects` stand; `None` once writing failed.
    fn append(&mut self, rejects: &[Reject]) -> Option<(u64, u64)> {
        if self.failure.is_some() {
            return None;
        }
        let start = self.length;
        match rejects.iter().try_for_each(|reject| self.write(reject)) {
            Ok(()) => Some((start, self.length)),
            Err(failure) => {
                self.failure = Some(failure);
                None
            }
        }
    }

    fn write(&mut self, Reject { record, reason, bytes }: &Reject) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(BufWriter::with_capacity(CHUNK, tempfile::tempfile()?)),
        };
        // Words of a tally are short.
        let word = u8::try_from(reason.len()).unwrap_or(u8::MAX);
        let reason = reason.as_bytes().get(..usize::from(word)).unwrap_or_default();
        let length = bytes.len() as u64;
        for part in [&record.to_le_bytes()[..], &length.to_le_bytes(), &[word], reason, bytes] {
            file.write_all(part)?;
            self.length += part.len() as u64;
        }
        Ok(())
    }
}

/// The rejects of a run.
#[derive(Debug)]
pub struct Rejects {
    file: Option<File>,
    sources: Vec<(SourceId, Extents)>,
    failure: Option<io::Error>,
}

/// One rejected record.
#[derive(Debug)]
pub struct Rejected<'f> {
    /// Whose record it is.
    pub source: SourceId,
    /// Its number.
    pub record: u64,
    /// The word it is counted under.
    pub reason: &'f str,
    file: &'f mut Reader,
    pieces: &'f [(u64, u64)],
}

impl Rejects {
    /// Hands out every reject by source, then record.
    ///
    /// # Errors
    ///
    /// When they could not be kept, or cannot be read, and those of `take`.
    pub fn each(self, mut take: impl FnMut(&mut Rejected<'_>) -> io::Result<()>) -> io::Result<()> {
        if let Some(failure) = self.failure {
            return Err(failure);
        }
        let Some(file) = self.file else { return Ok(()) };
        let mut file = Reader { file: BufReader::with_capacity(CHUNK, file), at: None };
        for (source, extents) in self.sources {
            // The reject whose pieces are gathered.
            let mut open: Option<(u64, String)> = None;
            let mut pieces: Vec<(u64, u64)> = Vec::new();
            for (mut at, end) in extents.0 {
                while at < end {
                    let (head, start, length) = file.head(at)?;
                    at = start + length;
                    if open.as_ref() != Some(&head) {
                        if let Some((record, reason)) = &open {
                            let (record, file) = (*record, &mut file);
                            take(&mut Rejected { source, record, reason, file, pieces: &pieces })?;
                        }
                        pieces.clear();
                        open = Some(head);
                    }
                    pieces.push((start, length));
                }
            }
            if let Some((record, reason)) = &open {
                take(&mut Rejected { source, record: *record, reason, file: &mut file, pieces: &pieces })?;
            }
        }
        Ok(())
    }
}

impl Rejected<'_> {
    /// How many bytes it has.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.pieces.iter().map(|(_, length)| length).sum()
    }

    /// Hands out its bytes a piece at a time; as often as it is asked to.
    ///
    /// # Errors
    ///
    /// When they cannot be read, and those of `take`.
    pub fn bytes(&mut self, mut take: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        let mut chunk = vec![0; CHUNK.min(usize::try_from(self.length()).unwrap_or(CHUNK))];
        for (start, length) in self.pieces {
            let (mut at, end) = (*start, start + length);
            while at < end {
                let wanted = usize::try_from(end - at).unwrap_or(CHUNK).min(chunk.len());
                let piece = chunk.get_mut(..wanted).unwrap_or_default();
                self.file.read(at, piece)?;
                take(piece)?;
                at += wanted as u64;
            }
        }
        Ok(())
    }
}

/// The file, read from place to place that are mostly near each other.
#[derive(Debug)]
struct Reader {
    file: BufReader<File>,
    /// Where it stands; unknown before the first reading.
    at: Option<u64>,
}

impl Reader {
    fn read(&mut self, place: u64, into: &mut [u8]) -> io::Result<()> {
        match self.at {
            None => drop(self.file.seek(SeekFrom::Start(place))?),
            Some(at) => self.file.seek_relative(place.wrapping_sub(at).cast_signed())?,
        }
        self.at = None;
        self.file.read_exact(into)?;
        self.at = Some(place + into.len() as u64);
        Ok(())
    }

    /// Record and reason of what stands at `place`, and where its bytes begin and how many they are.
    fn head(&mut self, place: u64) -> io::Result<((u64, String), u64, u64)> {
        let [mut record, mut length, mut word] = [[0; 8], [0; 8], [0; 8]];
        let (word, reason) = (&mut word[..1], place + 17);
        self.read(place, &mut record)?;
        self.read(place + 8, &mut length)?;
        self.read(place + 16, word)?;
        let mut text = vec![0; word.first().copied().map_or(0, usize::from)];
        self.read(reason, &mut text)?;
        let bytes = reason + text.len() as u64;
        let text = String::from_utf8(text).map_err(io::Error::other)?;
        Ok(((u64::from_le_bytes(record), text), bytes, u64::from_le_bytes(length)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reject(record: u64, reason: &'static str, bytes: &[u8]) -> Reject {
        Reject { record, reason, bytes: bytes.into() }
    }

    fn all(rejects: Rejects) -> Vec<(u32, u64, String, Vec<u8>)> {
        let mut found = Vec::new();
        rejects
            .each(|one| {
                let mut own = Vec::new();
                for _ in 0..2 {
                    own.clear();
                    one.bytes(|piece| {
                        own.extend_from_slice(piece);
                        Ok(())
                    })?;
                }
                assert_eq!(one.length(), own.len() as u64);
                found.push((one.source.0, one.record, one.reason.to_owned(), own));
                Ok(())
            })
            .expect("a disk");
        found
    }

    #[test]
    fn rejects_come_out_by_source_and_record_with_their_pieces_joined() {
        let (spool, mut one, mut other) = (Spool::default(), Extents::default(), Extents::default());
        let long = vec![b'x'; 3 * CHUNK + 5];
        spool.keep(&mut other, &[reject(1, "bad_record", b"a"), reject(2, "bad_record", b"")]);
        spool.keep(&mut one, &[reject(7, "line_too_long", &long)]);
        spool.keep(&mut other, &[reject(2, "no_status", b"b")]);
        spool.keep(&mut one, &[reject(7, "line_too_long", b"\xff"), reject(8, "bad_record", b"c\0")]);
        spool.keep(&mut other, &[]);
        let found =
            all(spool.finish(vec![(SourceId(0), one), (SourceId(1), other), (SourceId(2), Extents::default())]));
        let expected = [
            (0, 7, "line_too_long", [&long[..], b"\xff"].concat()),
            (0, 8, "bad_record", b"c\0".to_vec()),
            (1, 1, "bad_record", b"a".to_vec()),
            (1, 2, "bad_record", Vec::new()),
            (1, 2, "no_status", b"b".to_vec()),
        ];
        assert_eq!(found, expected.map(|(source, record, reason, own)| (source, record, reason.to_owned(), own)));
        assert_eq!(all(Spool::default().finish(Vec::new())), []);
    }

    #[test]
    fn a_failure_is_told() {
        let spool = Spool::default();
        spool.0.lock().expect("a lock").failure = Some(io::Error::other("disk"));
        let mut extents = Extents::default();
        spool.keep(&mut extents, &[reject(1, "bad_record", b"a")]);
        let failure = spool.finish(vec![(SourceId(0), extents)]).each(|_| Ok(())).expect_err("told");
        assert_eq!(failure.to_string(), "disk");
    }
}
