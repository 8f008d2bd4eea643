//! Captures made by hand, for tests.

/// Byte order and layout of a classic pcap file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pcap {
    pub(crate) big_endian: bool,
    pub(crate) nanoseconds: bool,
    pub(crate) modified: bool,
    pub(crate) link_type: u32,
}

impl Default for Pcap {
    fn default() -> Self {
        Self { big_endian: false, nanoseconds: false, modified: false, link_type: 1 }
    }
}

impl Pcap {
    fn word(self, word: u32) -> [u8; 4] {
        if self.big_endian { word.to_be_bytes() } else { word.to_le_bytes() }
    }

    pub(crate) fn header(self) -> Vec<u8> {
        let magic = match (self.nanoseconds, self.modified) {
            (true, _) => 0xa1b2_3c4d,
            (false, true) => 0xa1b2_cd34,
            (false, false) => 0xa1b2_c3d4,
        };
        let mut bytes = self.word(magic).to_vec();
        let version = if self.big_endian { [0, 2, 0, 4] } else { [2, 0, 4, 0] };
        bytes.extend(version);
        for word in [0, 0, 262_144, self.link_type] {
            bytes.extend(self.word(word));
        }
        bytes
    }

    /// A record at `seconds` and `fraction`; `original` bytes on the wire.
    pub(crate) fn record(self, seconds: u32, fraction: u32, data: &[u8], original: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        for word in [seconds, fraction, data.len() as u32, original as u32] {
            bytes.extend(self.word(word));
        }
        if self.modified {
            bytes.extend([0; 8]);
        }
        bytes.extend_from_slice(data);
        bytes
    }

    /// A file of one-second steps from 1,700,000,000 on.
    pub(crate) fn file(self, packets: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = self.header();
        for (packet, second) in packets.iter().zip(1_700_000_000..) {
            bytes.extend(self.record(second, 5, packet, packet.len()));
        }
        bytes
    }
}

/// Writes pcapng blocks in one byte order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PcapNg {
    pub(crate) big_endian: bool,
}

impl PcapNg {
    pub(crate) fn word(self, word: u32) -> [u8; 4] {
        if self.big_endian { word.to_be_bytes() } else { word.to_le_bytes() }
    }

    pub(crate) fn half(self, half: u16) -> [u8; 2] {
        if self.big_endian { half.to_be_bytes() } else { half.to_le_bytes() }
    }

    pub(crate) fn block(self, block_type: u32, body: &[u8]) -> Vec<u8> {
        let padded = body.len().next_multiple_of(4);
        let len = self.word(padded as u32 + 12);
        let mut bytes = self.word(block_type).to_vec();
        bytes.extend(len);
        bytes.extend_from_slice(body);
        bytes.resize(8 + padded, 0);
        bytes.extend(len);
        bytes
    }

    pub(crate) fn section(self) -> Vec<u8> {
        let mut body = self.word(0x1a2b_3c4d).to_vec();
        body.extend(self.half(1));
        body.extend(self.half(0));
        body.extend([0xff; 8]);
        self.block(0x0a0d_0d0a, &body)
    }

    /// An interface with options of code and value.
    pub(crate) fn interface(self, link_type: u16, snaplen: u32, options: &[(u16, &[u8])]) -> Vec<u8> {
        let mut body = self.half(link_type).to_vec();
        body.extend([0; 2]);
        body.extend(self.word(snaplen));
        for (code, value) in options {
            body.extend(self.half(*code));
            body.extend(self.half(value.len() as u16));
            body.extend_from_slice(value);
            body.resize(body.len().next_multiple_of(4), 0);
        }
        if !options.is_empty() {
            body.extend([0; 4]);
        }
        self.block(1, &body)
    }

    pub(crate) fn enhanced(self, interface: u32, units: u64, data: &[u8], original: usize) -> Vec<u8> {
        let mut body = Vec::new();
        for word in [interface, (units >> 32) as u32, units as u32, data.len() as u32, original as u32] {
            body.extend(self.word(word));
        }
        body.extend_from_slice(data);
        self.block(6, &body)
    }

    /// The obsolete packet block.
    pub(crate) fn obsolete(self, interface: u16, units: u64, data: &[u8], original: usize) -> Vec<u8> {
        let mut body = self.half(interface).to_vec();
        body.extend([0; 2]);
        for word in [(units >> 32) as u32, units as u32, data.len() as u32, original as u32] {
            body.extend(self.word(word));
        }
        body.extend_from_slice(data);
        self.block(2, &body)
    }

    pub(crate) fn simple(self, data: &[u8], original: usize) -> Vec<u8> {
        let mut body = self.word(original as u32).to_vec();
        body.extend_from_slice(data);
        self.block(3, &body)
    }
}
