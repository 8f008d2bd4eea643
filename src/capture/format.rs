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
