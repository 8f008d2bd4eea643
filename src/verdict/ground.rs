//! What a verdict rests on.

use crate::evidence::Locus;
use crate::few::Few;

/// One reason, as a stable word, and the records that show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ground {
    /// The word; the README lists them.
    pub reason: &'static str,
    /// The packets and lines, sorted.
    pub sources: Few<Locus, 1>,
}

impl Ground {
    /// A ground shown by one record.
    #[must_use]
    pub fn one(reason: &'static str, locus: Locus) -> Self {
        Self { reason, sources: Few::one(locus) }
    }

    /// A ground shown by several records; `None` when there are none.
    #[must_use]
    pub fn several(reason: &'static str, sources: impl IntoIterator<Item = Locus>) -> Option<Self> {
        let mut sources: Few<Locus, 1> = sources.into_iter().collect();
        sources.sort_unstable();
        let mut before = None;
        sources.retain(|locus| before.replace(*locus) != Some(*locus));
        (!sources.is_empty()).then_some(Self { reason, sources })
    }
}

/// The grounds of what is concluded, as it is; none where nobody asks for them.
#[derive(Clone, Debug)]
pub(super) struct Grounds(Option<Vec<Ground>>);

impl Grounds {
    /// For a conclusion whose grounds are asked for.
    pub(super) const fn asked() -> Self {
        Self(Some(Vec::new()))
    }

    /// For a conclusion of which nobody asks why.
    pub(super) const fn not_asked() -> Self {
        Self(None)
    }

    /// Adds a ground shown by one record.
    pub(super) fn one(&mut self, reason: &'static str, locus: Locus) {
        if let Some(grounds) = &mut self.0 {
            grounds.push(Ground::one(reason, locus));
        }
    }

    /// Adds what `tell` tells.
    pub(super) fn add(&mut self, tell: impl FnOnce() -> Option<Ground>) {
        if let Some(grounds) = &mut self.0 {
            grounds.extend(tell());
        }
    }

    /// Adds those of a conclusion that this one rests on.
    pub(super) fn take_over(&mut self, mut others: Self) {
        if let (Some(grounds), Some(others)) = (&mut self.0, &mut others.0) {
            grounds.append(others);
        }
    }

    /// Leaves one of several that are alike.
    pub(super) fn tell_once(&mut self) {
        let Some(grounds) = &mut self.0 else { return };
        let mut told: Vec<Ground> = Vec::new();
        for ground in std::mem::take(grounds) {
            if !told.contains(&ground) {
                told.push(ground);
            }
        }
        *grounds = told;
    }

    /// As a list.
    pub(super) fn told(self) -> Vec<Ground> {
        self.0.unwrap_or_default()
    }
}
