//! What reading a capture costs at best: the yardstick of the speed goals.
//!
//!     cargo run --release --example floor -- CAPTURE [THREADS]
//!
//! Threads (two unless told otherwise) take turns to read a block of 1 MiB and to walk its records under one lock; outside it each
//! hashes the addresses and ports of every UDP datagram into a table of its own, and looks for the consent field in
//! every INVITE. Nothing is reassembled, checked or kept beyond that, and only classic little-endian pcap of Ethernet
//! and IPv4 is read: no audit could do less. Prints what it counted and the time it took.

use std::collections::HashMap;
use std::env;
use std::fs::File;
use std::io::{self, Read, Write};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Instant;

const BLOCK: usize = 1 << 20;
const FILE_HEADER: usize = 24;
const RECORD_HEADER: usize = 16;

/// The file, and what was read of it beyond the last whole record.
struct Front {
    file: File,
    rest: Vec<u8>,
    ended: bool,
}

/// What one thread found.
#[derive(Default)]
struct Found {
    packets: u64,
    flows: HashMap<u128, u64, foldhash::fast::RandomState>,
    invites: u64,
    consenting: u64,
}

fn main() -> io::Result<()> {
    let mut arguments = env::args().skip(1);
    let path = arguments.next().ok_or_else(|| io::Error::other("usage: floor CAPTURE [THREADS]"))?;
    let threads: usize = arguments.next().and_then(|threads| threads.parse().ok()).unwrap_or(2);
    let began = Instant::now();
    let mut file = File::open(path)?;
    file.read_exact(&mut [0; FILE_HEADER])?;
    let front = Mutex::new(Front { file, rest: Vec::new(), ended: false });
    let found: Vec<Found> = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(|| work(&front))).collect();
        workers.into_iter().filter_map(|worker| worker.join().ok()).collect::<io::Result<Vec<Found>>>()
    })?;
    let mut flows: HashMap<u128, u64, foldhash::fast::RandomState> = HashMap::default();
    let (mut packets, mut invites, mut consenting) = (0, 0, 0);
    for one in found {
        packets += one.packets;
        invites += one.invites;
        consenting += one.consenting;
        one.flows.into_iter().for_each(|(flow, count)| *flows.entry(flow).or_default() += count);
    }
    let seconds = began.elapsed().as_secs_f64();
    let flows = flows.len();
    writeln!(
        io::stdout(),
        "{packets} packets, {flows} flows, {invites} INVITEs, {consenting} with the field: {seconds:.4} s"
    )
}

fn work(front: &Mutex<Front>) -> io::Result<Found> {
    let mut found = Found::default();
    let mut block = Vec::with_capacity(2 * BLOCK);
    let consent = memchr::memmem::Finder::new("\r\nX-Genesys-Recording-Consent:");
    loop {
        let whole = front.lock().unwrap_or_else(PoisonError::into_inner).next(&mut block)?;
        let Some(whole) = whole else { return Ok(found) };
        let mut rest = block.get(..whole).unwrap_or_default();
        while let Some((frame, behind)) = record(rest) {
            found.packets += 1;
            count(frame, &consent, &mut found);
            rest = behind;
        }
    }
}

impl Front {
    /// Reads the next block: how many of its bytes are whole records. `None` at the end.
    fn next(&mut self, block: &mut Vec<u8>) -> io::Result<Option<usize>> {
        if self.ended {
            return Ok(None);
        }
        block.clear();
        block.append(&mut self.rest);
        let had = block.len();
        block.resize(had + BLOCK, 0);
        let mut read = had;
        while let Some(room) = block.get_mut(read..).filter(|room| !room.is_empty()) {
            match self.file.read(room)? {
                0 => {
                    self.ended = true;
                    break;
                }
                bytes => read += bytes,
            }
        }
        block.truncate(read);
        let mut rest = block.as_slice();
        while let Some((_, behind)) = record(rest) {
            rest = behind;
        }
        let whole = block.len() - rest.len();
        self.rest.extend_from_slice(block.get(whole..).unwrap_or_default());
        Ok(Some(whole))
    }
}

/// The frame of the first record, and what follows it; `None` where no whole record is left.
#[inline]
fn record(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (header, behind) = bytes.split_first_chunk::<RECORD_HEADER>()?;
    let [.., a, b, c, d, _, _, _, _] = *header;
    behind.split_at_checked(u32::from_le_bytes([a, b, c, d]) as usize)
}

/// Ethernet, IPv4 without options, UDP.
#[inline]
fn count(frame: &[u8], consent: &memchr::memmem::Finder<'_>, found: &mut Found) {
    let Some((headers, payload)) = frame.split_first_chunk::<42>() else { return };
    let [_, _, _, _, _, _, _, _, _, _, _, _, 8, 0, 0x45, _, _, _, _, _, _, _, _, 17, _, _, ends @ ..] = headers else {
        return;
    };
    let Some(ends) = ends.first_chunk::<12>() else { return };
    let mut key = [0; 16];
    key.iter_mut().zip(ends).for_each(|(place, byte)| *place = *byte);
    *found.flows.entry(u128::from_le_bytes(key)).or_default() += 1;
    if payload.starts_with(b"INVITE ") {
        found.invites += 1;
        found.consenting += u64::from(consent.find(payload).is_some());
    }
}
