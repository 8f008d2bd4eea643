//! Which capture format a file has, by its first bytes and never by its name.

/// A capture format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// The classic format of libpcap, in any of its variants.
    Pcap,
    /// The block format of Wireshark.
    PcapNg,
    /// The format of Solaris.
    Snoop,
}

impl Format {
    /// The word the report uses.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pcap => "pcap",
            Self::PcapNg => "pcapng",
            Self::Snoop => "snoop",
        }
    }
}

/// Recognises a capture by the head of its content.
///
/// Four bytes tell a pcap file; a pcapng file shows its block type and its byte-order magic, twelve bytes in all; a
/// snoop file its name and version, twelve bytes too.
#[must_use]
pub fn recognise(head: &[u8]) -> Option<Format> {
    if super::pcap::Shape::magic(head).is_some() {
        Some(Format::Pcap)
    } else if super::pcapng::section_order(head).is_some() {
        Some(Format::PcapNg)
    } else if super::snoop::is_snoop(head) {
        Some(Format::Snoop)
    } else {
        None
    }
}

/// The first bytes of capture formats that nobody here reads, with the word the report uses for each.
const UNREAD: [(&[u8], &str); 16] = [
    (b"GMBU", "netmon2"),
    (b"RTSS", "netmon1"),
    (b"TRSNIFF data    \x1a", "sniffer"),
    (b"XCP\0", "netxray"),
    (b"\x7fver", "peektagged"),
    (b"ObserverPktBuffe", "observer"),
    (b"iptrace 1.0", "iptrace"),
    (b"iptrace 2.0", "iptrace"),
    (b"btsnoop\0", "btsnoop"),
    (b"\x05VNF", "visual_networks"),
    (b"\0\0\x02\0\x12\x05\0\x10", "k12"),
    (b"TR\0d\0", "nettl"),
    (b"EyeSDN", "eyesdn"),
    (b"\x01\x10\x4c\0\x01\x05", "lanalyzer"),
    (b"CVFX", "commview"),
    (b"#!rtpplay1.0 ", "rtpdump"),
];

/// A capture format that is recognised and not read, by the head of the content: its word, and how many packets the file
/// says it has, where its header says so.
#[must_use]
pub fn recognise_unread(head: &[u8]) -> Option<(&'static str, Option<u64>)> {
    let (_, name) = UNREAD.iter().find(|(magic, _)| head.starts_with(magic))?;
    // Network Monitor's header holds the length of its table of frames, four bytes for each.
    let table = head.get(28..).and_then(|rest| rest.first_chunk::<4>()).map(|length| u32::from_le_bytes(*length) / 4);
    Some((name, table.filter(|_| name.starts_with("netmon")).map(u64::from)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_that_are_not_read_are_named() {
        let mut netmon = b"GMBU\0\x02\x01\0".to_vec();
        netmon.resize(28, 0);
        netmon.extend([12, 0, 0, 0]);
        assert_eq!(recognise_unread(&netmon), Some(("netmon2", Some(3))));
        assert_eq!(recognise_unread(&netmon[..20]), Some(("netmon2", None)));
        assert_eq!(recognise_unread(b"#!rtpplay1.0 192.0.2.1/4000\n"), Some(("rtpdump", None)));
        assert_eq!(recognise_unread(b"plain text"), None);
        assert_eq!(recognise_unread(b""), None);
        assert!(UNREAD.iter().all(|(magic, _)| recognise(magic).is_none()));
    }
}
