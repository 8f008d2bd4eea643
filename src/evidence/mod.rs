//! STAGE 0: the words every stage shares: where a statement comes from, when it was, and what could not be read.
//!
//! Imports nothing of the crate. Keeps: nothing read is dropped without a [`Tally`] reason or an [`Anomaly`] code.

mod anomaly;
pub mod archive;
mod blocks;
mod budget;
mod compression;
mod digest;
mod locus;
mod progress;
mod reject;
mod source;
mod spool;
mod tally;
mod text;
mod timestamp;
mod utf16;

pub use anomaly::{Anomalies, Anomaly};
pub use blocks::{BLOCK_BYTES, Block, Reading, Stage, Task, work};
pub use budget::Budget;
pub use compression::{Compression, Content, DECOMPRESSED_FREE, DECOMPRESSED_RATIO, decompress};
pub use digest::{Account, Digest, HashKind};
pub use locus::{Locus, SourceId};
pub use progress::{Phase, Progress, Seen};
pub use reject::{Reject, in_order};
pub use source::{Source, collect};
pub use spool::{Extents, Rejected, Rejects, Spool};
pub use tally::Tally;
pub use text::escaped;
pub use timestamp::Timestamp;
pub use utf16::{Utf16, Utf16Reader, utf8};
