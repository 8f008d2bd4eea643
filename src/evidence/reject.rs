//! Records that were counted and not used, kept as they are for whoever asks to see them.
//!
//! Decoders hand out a [`Reject`] for each record that they set aside for its form; the pipeline spools them, a report
//! of their own shows them. Nobody judges by them.
//!
//! Keeps: a record that is longer than a block comes in pieces, in order and one behind another, so that none needs to be
//! held whole.

/// A record that gave nothing, or the next piece of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reject {
    /// Its number, as loci and anomalies count. The next piece of a record has the same, and the same reason.
    pub record: u64,
    /// What it is counted under: a word of the tally.
    pub reason: &'static str,
    /// Its bytes without the line end.
    pub bytes: Box<[u8]>,
}

/// Puts what two readers of one block set aside in the order of its records.
#[must_use]
pub fn in_order(mut rejects: Vec<Reject>) -> Vec<Reject> {
    rejects.sort_by_key(|reject| reject.record);
    rejects
}
