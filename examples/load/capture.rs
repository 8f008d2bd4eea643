//! Packets into a capture: classic pcap with microseconds, or pcapng with nanoseconds.

use std::io::{self, Write};
use std::net::SocketAddrV4;

use clap::ValueEnum;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Container {
    /// Classic pcap, little-endian, microseconds.
    Pcap,
    /// pcapng, little-endian, one interface, nanoseconds.
    Pcapng,
}

/// Ethernet, IPv4 and UDP before a payload.
const HEADERS: usize = 14 + 20 + 8;

/// A capture being written.
pub(crate) struct Capture<'w, W> {
    out: &'w mut W,
    container: Container,
    record: Vec<u8>,
    pub(crate) bytes: u64,
    pub(crate) packets: u64,
}

impl<'w, W: Write> Capture<'w, W> {
    pub(crate) fn new(container: Container, out: &'w mut W) -> io::Result<Self> {
        let mut capture = Self { out, container, record: Vec::new(), bytes: 0, packets: 0 };
        match container {
            Container::Pcap => {
                capture.words(&[0xa1b2_c3d4, 0x0004_0002, 0, 0, 262_144, 1]);
            }
            Container::Pcapng => {
                // Section header, its length unknown; one Ethernet interface whose if_tsresol is 10^-9.
                capture.words(&[0x0a0d_0d0a, 28, 0x1a2b_3c4d, 1, u32::MAX, u32::MAX, 28]);
                capture.words(&[1, 32, 1, 262_144, 0x0001_0009, 9, 0, 32]);
            }
        }
        capture.flush()?;
        Ok(capture)
    }

    /// Adds a UDP datagram at `micros` after the load's begin.
    pub(crate) fn udp(&mut self, micros: u64, ends: (SocketAddrV4, SocketAddrV4), payload: &[u8]) -> io::Result<()> {
        let len = HEADERS + payload.len();
        let micros = super::plan::BEGIN_S * 1_000_000 + micros;
        match self.container {
            Container::Pcap => {
                let (seconds, fraction) = (micros / 1_000_000, micros % 1_000_000);
                self.words(&[seconds as u32, fraction as u32, len as u32, len as u32]);
                self.frame(ends, payload);
            }
            Container::Pcapng => {
                let (nanos, block) = (micros * 1_000, (32 + len.next_multiple_of(4)) as u32);
                self.words(&[6, block, 0, (nanos >> 32) as u32, nanos as u32, len as u32, len as u32]);
                self.frame(ends, payload);
                self.record.resize(self.record.len().next_multiple_of(4), 0);
                self.words(&[block]);
            }
        }
        self.packets += 1;
        self.flush()
    }

    fn frame(&mut self, (source, destination): (SocketAddrV4, SocketAddrV4), payload: &[u8]) {
        self.record.extend([2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0]);
        let ip = self.record.len();
        self.record.extend([0x45, 0]);
        self.record.extend((28 + payload.len() as u16).to_be_bytes());
        self.record.extend([0, 0, 0x40, 0, 64, 17, 0, 0]);
        self.record.extend(source.ip().octets());
        self.record.extend(destination.ip().octets());
        let sum = checksum(self.record.get(ip..).unwrap_or_default());
        if let Some(place) = self.record.get_mut(ip + 10..ip + 12) {
            place.copy_from_slice(&sum.to_be_bytes());
        }
        self.record.extend(source.port().to_be_bytes());
        self.record.extend(destination.port().to_be_bytes());
        self.record.extend((8 + payload.len() as u16).to_be_bytes());
        // No UDP checksum was computed (RFC 768).
        self.record.extend([0, 0]);
        self.record.extend_from_slice(payload);
    }

    fn words(&mut self, words: &[u32]) {
        self.record.extend(words.iter().flat_map(|word| word.to_le_bytes()));
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.write_all(&self.record)?;
        self.bytes += self.record.len() as u64;
        self.record.clear();
        Ok(())
    }
}

/// The checksum of an IPv4 header (RFC 1071) whose own field is zero.
fn checksum(header: &[u8]) -> u16 {
    let words = header.chunks(2).map(|pair| pair.iter().fold(0, |word, byte| word << 8 | u32::from(*byte)));
    let sum: u32 = words.sum();
    !((sum & 0xffff) + (sum >> 16)) as u16
}
