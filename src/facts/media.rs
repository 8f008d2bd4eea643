//! RTP as counted: flows by SSRC and direction, in runs of packets that follow each other.

use std::net::SocketAddr;

use crate::evidence::{Locus, SourceId, Timestamp};

/// What tells one RTP flow from another (RFC 3550 §3, SSRC): one synchronization source in one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub struct FlowKey {
    pub source: SocketAddr,
    pub destination: SocketAddr,
    pub ssrc: u32,
}

/// The flows of all sources.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MediaFlows {
    /// By key.
    pub flows: Vec<MediaFlow>,
    /// Whether packets of a source are in none of them, since a limit was hit.
    pub is_limited: bool,
}

/// One flow and its runs, by time.
#[derive(Clone, Debug, PartialEq)]
pub struct MediaFlow {
    /// Which flow.
    pub key: FlowKey,
    /// Its runs by first packet. Never empty.
    pub runs: Vec<Run>,
}

/// Packets of one flow that follow each other in sequence number and time: a talk spurt, or a whole call.
///
/// A packet captured twice (a second tap, a doubled mirror) counts once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// The first packet's time.
    pub first: Timestamp,
    /// The last packet's time.
    pub last: Timestamp,
    /// The record of the first packet.
    pub first_record: Locus,
    /// Distinct packets.
    pub packets: u64,
    /// Their payload bytes after the RTP header's fixed 12 bytes, extensions and padding included.
    pub bytes: u64,
    /// Sequence numbers between the first and the last that no packet had.
    pub lost: u64,
    /// Sequence numbers missing between the flow's run before this one and this one, when this one goes on with its
    /// numbers; 0 for the first run, and when the numbers begin anew.
    pub lost_before: u64,
    /// Whether it goes on without a pause with the run before it: a dialog ended or began in between. Then
    /// `first_record` is the one that the flow went on from.
    pub continues: bool,
    /// Whether its numbers begin among those of an earlier run, which other sources captured: they may have been sent
    /// anew, or captured twice by clocks that differ by more than the earlier run lasted.
    pub repeats: bool,
    /// Packets captured in each source, copies included, by source. Their sum over all runs is what sources tallied.
    pub captured: Box<[(SourceId, u64)]>,
}
