//! What a verdict rests on.

use crate::evidence::Locus;

/// One reason, as a stable word, and the records that show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ground {
    /// The word; the README lists them.
    pub reason: &'static str,
    /// The packets and lines, sorted.
    pub sources: Vec<Locus>,
}

impl Ground {
    /// A ground shown by one record.
    #[must_use]
    pub fn one(reason: &'static str, locus: Locus) -> Self {
        Self { reason, sources: vec![locus] }
    }

    /// A ground shown by several records; `None` when there are none.
    #[must_use]
    pub fn several(reason: &'static str, sources: impl IntoIterator<Item = Locus>) -> Option<Self> {
        let mut sources: Vec<Locus> = sources.into_iter().collect();
        sources.sort_unstable();
        sources.dedup();
        (!sources.is_empty()).then_some(Self { reason, sources })
    }
}
