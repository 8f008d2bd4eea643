//! Packets on their way: their bytes in a file without a name, what orders them in memory.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};

use crate::capture::LinkType;
use crate::evidence::{Locus, Timestamp};

/// Packets set aside until all are known.
#[derive(Debug)]
pub(super) struct Spool {
    file: BufWriter<File>,
    entries: Vec<Entry>,
    bytes: u64,
}

/// One packet of the spool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entry {
    pub(super) at: Timestamp,
    pub(super) locus: Locus,
    pub(super) link_type: LinkType,
    pub(super) original_len: u32,
    start: u64,
    len: usize,
}

impl Spool {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self { file: BufWriter::new(tempfile::tempfile()?), entries: Vec::new(), bytes: 0 })
    }

    pub(super) fn len(&self) -> u64 {
        self.entries.len() as u64
    }

    pub(super) fn add(&mut self, packet: &super::packets::Picked, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        let super::packets::Picked { at, locus, link_type, original_len, .. } = *packet;
        self.entries.push(Entry { at, locus, link_type, original_len, start: self.bytes, len: bytes.len() });
        self.bytes += bytes.len() as u64;
        Ok(())
    }

    /// Hands out the packets by time, then source, then record.
    pub(super) fn drain(mut self, mut take: impl FnMut(&Entry, &[u8]) -> io::Result<()>) -> io::Result<()> {
        self.entries.sort_unstable_by_key(|entry| (entry.at.ns, entry.locus));
        let mut file = BufReader::new(self.file.into_inner().map_err(io::IntoInnerError::into_error)?);
        file.seek(SeekFrom::Start(0))?;
        let mut at: u64 = 0;
        let mut bytes = Vec::new();
        for entry in &self.entries {
            // Neighbours in time are near each other in the file: most steps stay in the buffer.
            file.seek_relative(entry.start.wrapping_sub(at).cast_signed())?;
            bytes.resize(entry.len, 0);
            file.read_exact(&mut bytes)?;
            at = entry.start + entry.len as u64;
            take(entry, &bytes)?;
        }
        Ok(())
    }
}
