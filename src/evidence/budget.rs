//! How much may be kept of all sources of an audit together.
//!
//! What is kept until the end is reckoned here as it is added up: signalling and API requests, and at last the legs that
//! will be made of the signalling. What has limits of its own (TCP segments, fragments, RTP flows) is not. Beyond the limit no source is read any
//! further, and the audit fails: half the evidence would accuse.
//!
//! Keeps: whether the limit is met depends on the evidence alone, not on the order or the number of its readers.

use std::sync::atomic::{AtomicU64, Ordering};

/// The bytes that may be kept, and those that are.
#[derive(Debug)]
pub struct Budget {
    limit: u64,
    kept: AtomicU64,
}

impl Budget {
    /// So many bytes; `None` for any number.
    #[must_use]
    pub fn new(limit: Option<u64>) -> Self {
        Self { limit: limit.unwrap_or(u64::MAX), kept: AtomicU64::new(0) }
    }

    /// The bytes that may be kept; `None` for any number.
    #[must_use]
    pub fn limit(&self) -> Option<u64> {
        (self.limit != u64::MAX).then_some(self.limit)
    }

    /// Reckons with `bytes` more.
    pub fn keep(&self, bytes: u64) {
        self.kept.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Whether more is kept than may be.
    #[must_use]
    pub fn is_spent(&self) -> bool {
        self.kept.load(Ordering::Relaxed) > self.limit
    }
}

impl Default for Budget {
    /// Without a limit.
    fn default() -> Self {
        Self::new(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_spent_by_the_first_byte_beyond_it() {
        let budget = Budget::new(Some(10));
        budget.keep(4);
        budget.keep(6);
        assert!(!budget.is_spent());
        budget.keep(1);
        assert!(budget.is_spent());
        let any = Budget::default();
        any.keep(u64::MAX);
        assert!(!any.is_spent());
    }
}
