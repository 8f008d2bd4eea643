//! STAGE 1a: bytes of a capture file into blocks of [`Frame`]s.
//!
//! Reads the classic pcap format (draft-ietf-opsawg-pcap: either byte order, micro- and nanoseconds, Kuznetzov's
//! "modified" records; also several such files joined into one), pcapng (draft-ietf-opsawg-pcapng: sections of either byte
//! order, any number of interfaces) and snoop (RFC 1761). [`recognise`] tells them by content. A [`Walk`] steps along the records in order and cuts blocks of whole ones;
//! [`Head::frames`] reads the frames of one block, on any worker. Called by `pipeline::captures`; knows nothing of what
//! a frame carries.
//!
//! Keeps: every byte belongs to a record, to a block that carries no packet, or to a gap that is an anomaly with its
//! file offset; no length in the file is believed beyond [`RECORD_LIMIT`]; no byte sequence panics, loops or makes the
//! walk ask for more than twice that limit.
//!
//! # Anomalies
//!
//! | code | met when |
//! |---|---|
//! | `record_length` | a record's length cannot be: the bytes up to the next chain of plausible records are passed over |
//! | `truncated_file` | the file ends inside a record or a file header |
//! | `bad_time` | a sub-second field beyond its unit, or an instant that 64 bits of nanoseconds do not hold |
//! | `no_time` | packets that the format gives no time (simple packet blocks); they get that of the last packet before them that has one, else none |
//! | `unknown_interface` | packets of an interface that no block describes |
//! | `unknown_version` | a pcapng section of another major version than 1: read as if it were 1 |
//! | `limit_interfaces` | more interfaces in a section than [`INTERFACES_LIMIT`]; those beyond are unknown |
//!
//! # Incomplete support
//!
//! Options of packet blocks are not read: the length of a frame check sequence that they may state does not matter,
//! since IP says where it ends. Network Monitor's and other tools' own formats are
//! recognised by name ([`recognise_unread`]) and not read. Decryption secrets and name resolution are passed over.
#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

mod format;
mod frame;
mod pcap;
mod pcapng;
#[cfg(test)]
pub(crate) mod sample;
mod snoop;
mod walk;

pub use format::{Format, recognise, recognise_unread};
pub use frame::{Frame, LinkType};
pub use pcapng::INTERFACES_LIMIT;
pub use walk::{Frames, Head, RECORD_LIMIT, Walk};

#[cfg(test)]
mod tests;
