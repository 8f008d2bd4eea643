//! The walk along the records of a capture, and the frames of the blocks it cuts, for either format.

use super::{Format, Frame, pcap, pcapng, snoop};
use crate::evidence::Anomalies;

/// The longest record that is read, in bytes: 64 times the snapshot length that tools take for "everything". A record
/// that claims more has a wild length.
pub const RECORD_LIMIT: usize = 16 << 20;

/// A record up to this length needs no other sign to be believed.
pub(super) const ORDINARY_LIMIT: usize = 256 << 10;

/// The state between the blocks of one capture.
#[derive(Debug)]
pub struct Walk(Kind);

#[derive(Debug)]
enum Kind {
    Pcap(pcap::Walk),
    PcapNg(pcapng::Walk),
    Snoop(snoop::Walk),
}

/// What the decoder of a block must know beside its bytes.
#[derive(Debug)]
pub struct Head(HeadKind);

#[derive(Debug)]
enum HeadKind {
    Pcap(pcap::Head),
    PcapNg(pcapng::Head),
    Snoop(snoop::Head),
}

impl Walk {
    /// Begins at the start of a capture.
    #[must_use]
    pub fn new(format: Format) -> Self {
        Self(match format {
            Format::Pcap => Kind::Pcap(pcap::Walk::default()),
            Format::PcapNg => Kind::PcapNg(pcapng::Walk::default()),
            Format::Snoop => Kind::Snoop(snoop::Walk::default()),
        })
    }

    /// Cuts whole records from the front of `bytes`, which follow the last cut: how many bytes they take, and what their
    /// decoder must know. Taking nothing asks for more bytes; at the `end` of the capture everything is taken.
    pub fn cut(&mut self, bytes: &[u8], end: bool) -> (usize, Head) {
        match &mut self.0 {
            Kind::Pcap(walk) => {
                let (taken, head) = walk.cut(bytes, end);
                (taken, Head(HeadKind::Pcap(head)))
            }
            Kind::PcapNg(walk) => {
                let (taken, head) = walk.cut(bytes, end);
                (taken, Head(HeadKind::PcapNg(head)))
            }
            Kind::Snoop(walk) => {
                let (taken, head) = walk.cut(bytes, end);
                (taken, Head(HeadKind::Snoop(head)))
            }
        }
    }

    /// Records walked so far.
    #[must_use]
    pub fn records(&self) -> u64 {
        match &self.0 {
            Kind::Pcap(walk) => walk.records(),
            Kind::PcapNg(walk) => walk.records(),
            Kind::Snoop(walk) => walk.records(),
        }
    }
}

impl Head {
    /// The frames of the block that [`Walk::cut`] took, in order.
    #[must_use]
    pub fn frames(self, bytes: &[u8]) -> Frames<'_> {
        Frames(match self.0 {
            HeadKind::Pcap(head) => FramesKind::Pcap(head.frames(bytes)),
            HeadKind::PcapNg(head) => FramesKind::PcapNg(head.frames(bytes)),
            HeadKind::Snoop(head) => FramesKind::Snoop(head.frames(bytes)),
        })
    }
}

/// The frames of one block, in order.
#[derive(Debug)]
pub struct Frames<'a>(FramesKind<'a>);

#[derive(Debug)]
enum FramesKind<'a> {
    Pcap(pcap::Frames<'a>),
    PcapNg(pcapng::Frames<'a>),
    Snoop(snoop::Frames<'a>),
}

impl<'a> Iterator for Frames<'a> {
    type Item = Frame<'a>;

    #[inline(always)]
    fn next(&mut self) -> Option<Frame<'a>> {
        match &mut self.0 {
            FramesKind::Pcap(frames) => frames.next(),
            FramesKind::PcapNg(frames) => frames.next(),
            FramesKind::Snoop(frames) => frames.next(),
        }
    }
}

impl Frames<'_> {
    /// What was met between the frames read so far.
    #[must_use]
    pub fn into_anomalies(self) -> Anomalies {
        match self.0 {
            FramesKind::Pcap(frames) => frames.into_anomalies(),
            FramesKind::PcapNg(frames) => frames.into_anomalies(),
            FramesKind::Snoop(frames) => frames.into_anomalies(),
        }
    }
}

/// Bytes between two records that are passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Gap {
    /// Where in the block it begins.
    pub(super) at: usize,
    /// How many bytes it has.
    pub(super) len: usize,
    /// What it is.
    pub(super) cause: Cause,
}

/// Why bytes are passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// They are the file's header.
    FileHeader,
    /// A record cannot have the length that its header at this file offset claims.
    Length { offset: u64, claimed: u64 },
    /// They go on from the damage that an earlier gap began.
    Lost,
    /// The file ends before what begins at this file offset does.
    Truncated { offset: u64, needs: u64, has: u64 },
}

impl Cause {
    /// Counts the gap, met before the record `record`.
    pub(super) fn note(self, record: u64, anomalies: &mut Anomalies) {
        match self {
            Self::FileHeader | Self::Lost => {}
            Self::Length { offset, claimed } => anomalies.note("record_length", Some(record), || {
                format!(
                    "the record at byte {offset} claims {claimed} bytes; reading goes on at the next plausible record"
                )
            }),
            Self::Truncated { offset, needs, has } => anomalies.note("truncated_file", Some(record), || {
                format!("the record at byte {offset} needs {needs} bytes, {has} are left")
            }),
        }
    }
}

/// What the walk finds where no ordinary whole record stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A record after all, of that many bytes with its header.
    Record(usize),
    /// Bytes to pass over.
    Gap(usize, Cause),
    /// More bytes must be seen to tell; or none are left.
    More,
}

/// The outcome of a search for the next chain of plausible records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Search {
    /// It begins there.
    Found(usize),
    /// Nothing before there; what begins there cannot be told yet.
    Undecided(usize),
}
