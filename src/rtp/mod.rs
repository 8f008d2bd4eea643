//! STAGE 3a: RTP payloads into flow accounting: packets, bytes, loss and times by SSRC and direction.
//!
//! Follows RFC 3550 §5.1 for the header, RFC 5761 §4 for telling RTCP on the same port, and the thresholds of RFC 3550
//! §A.1 for sequence numbers. Called by `pipeline::captures`; only headers are touched. Whether a flow belongs to a
//! call is not asked here.
//!
//! Keeps: what is counted is a **set**. A packet is its flow, the second it was captured in, its sequence number and its
//! size; a packet captured twice is in the set once. Sets are united in any order, so that the result depends neither
//! on the cut into blocks, nor on the number of workers, nor on the order of the sources. Everything that needs an
//! order (extended sequence numbers, runs, loss) is worked out from the whole set in the end, by [`Flows::finish`].
//!
//! # Design
//!
//! - Two captured packets are copies of each other when they are of one flow, have the same sequence number, and were
//!   captured in the same second or in neighbouring ones of the clock. The clocks of two sources, or of two taps merged into one, may differ by
//!   more, as long as the one still goes on when its numbers come again in the other: see [`clocks`] and [`echo`]. A source that sends the
//!   same recording again on the same ports is told apart from two seconds on.
//! - A copy says nothing of when media ended: a packet has the time at which it was captured first within its second.
//! - A new run begins when nothing came for more than [`RUN_GAP_NS`], or when a sequence number is more than
//!   [`MAX_DROPOUT`] ahead or [`MAX_MISORDER`] behind: then its sender has begun anew, and nothing counts as lost between.
//! - A run also ends where the caller says so ([`Breaks`]): a dialog's end is no pause of the packets. How exactly is
//!   told in [`run`].
//! - Workers count into a [`Table`] each: one look-up and a few stores for a packet, 64 sequence numbers of one second
//!   in one cell. Cells move on to the source's store now and then, where seconds without loss are folded into stretches
//!   of two bytes a second, so that memory grows with loss, pauses and the number of flows, hardly with the traffic.
//! - A source's flows are limited to [`FLOWS_LIMIT`], what they take beyond that to [`DETAIL_LIMIT`] bytes. Of too many flows
//!   those stay that come first by a fixed hash, which no order of reading changes; of too much detail nothing stays.
#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

mod cell;
mod clocks;
mod echo;
mod fold;
mod fragment;
mod ledger;
mod packet;
mod run;
mod store;
mod table;

pub use fragment::{Begun, begun};
pub use ledger::Ledger;
pub use packet::{Header, Kind, header_len, recognise};
pub use run::{Breaks, MAX_DROPOUT, MAX_MISORDER, RUN_GAP_NS};
pub use store::{DETAIL_LIMIT, FLOWS_LIMIT, Flows, Unaccounted};
pub use table::Table;

#[cfg(test)]
mod tests;
