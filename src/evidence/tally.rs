//! What became of the records of one source.

use std::collections::BTreeMap;

/// Records of a source by what became of them. The sum of the counts is the number of records read.
///
/// Reasons are stable words, listed in the README.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally(BTreeMap<&'static str, u64>);

impl Tally {
    /// Counts `count` more records under `reason`; zero leaves no trace.
    pub fn add(&mut self, reason: &'static str, count: u64) {
        if count > 0 {
            *self.0.entry(reason).or_insert(0) += count;
        }
    }

    /// Moves `count` records from one reason to another, when a later stage knows better.
    pub fn shift(&mut self, from: &'static str, to: &'static str, count: u64) {
        let held = self.0.get_mut(from);
        let moved = held.map_or(0, |held| {
            let moved = count.min(*held);
            *held -= moved;
            moved
        });
        if self.0.get(from) == Some(&0) {
            self.0.remove(from);
        }
        self.add(to, moved);
    }

    /// Adds every count of `other`.
    pub fn merge(&mut self, other: &Self) {
        for (reason, count) in &other.0 {
            self.add(reason, *count);
        }
    }

    /// The sum of all counts.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.values().sum()
    }

    /// The count under `reason`.
    #[must_use]
    pub fn count(&self, reason: &str) -> u64 {
        self.0.get(reason).copied().unwrap_or(0)
    }

    /// Reasons with their counts, by reason.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.0.iter().map(|(reason, count)| (*reason, *count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shift_keeps_the_sum() {
        let mut tally = Tally::default();
        tally.add("rtp", 5);
        tally.shift("rtp", "rtp_unbound", 5);
        assert_eq!(tally.total(), 5);
        assert_eq!(tally.count("rtp"), 0);
        assert_eq!(tally.iter().collect::<Vec<_>>(), [("rtp_unbound", 5)]);
    }
}
