//! One captured packet, before anything in it is understood.

use crate::evidence::Timestamp;

/// One captured packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// The bytes that were captured, from the link header on.
    pub bytes: &'a [u8],
    /// How many bytes the packet had on the wire; more than were captured when a snapshot length cut it.
    pub original_len: u32,
    /// When it was captured.
    pub at: Timestamp,
    /// Its number in the capture, from 1, as Wireshark counts.
    pub record: u64,
    /// What its first bytes are.
    pub link_type: LinkType,
}

impl Frame<'_> {
    /// Stands for a time that nothing tells: neither the packet's block nor one before it.
    pub const NO_TIME: Timestamp = Timestamp::new(0, 0);

    /// Whether something tells when it was captured.
    #[must_use]
    #[inline]
    pub const fn has_time(&self) -> bool {
        self.at.digits > 0 || self.at.ns != 0
    }

    /// Whether fewer bytes were captured than the packet had.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.bytes.len() < self.original_len as usize
    }
}

/// A link-layer header type by its number in the tcpdump.org registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkType(pub u16);

impl LinkType {
    /// Stands for the link type of a pcapng interface that no block describes. Not a number of the registry.
    pub const UNKNOWN: Self = Self(u16::MAX);

    /// Stands for a record that carries no packet. Not a number of the registry.
    pub const NO_PACKET: Self = Self(u16::MAX - 1);
}
