//! Two groups of calls, each refused or allowed: counts, rates, and Fisher's exact test.
//!
//! The test is R. A. Fisher's of 1934 in the two-sided form most packages give: the probabilities of all tables with
//! the same margins that are no likelier than the one observed, added up. Called by [`super::consent`]; knows nothing
//! of calls. Deliberately no chi-squared: the groups are often small.
//!
//! # Design
//!
//! Probabilities are built as ratios outward from the likeliest table, by multiplication and division alone, so the
//! result is the same on every machine (logarithms of a system library are not), holds its precision far into the tail,
//! and costs some forty standard deviations of the distribution, not the counts: 40,000 steps for a million calls.

use std::cmp::Ordering;

/// Calls of one group, by what they were answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Refused, and never allowed.
    pub refused: u64,
    /// Allowed, and never refused.
    pub allowed: u64,
    /// Both: in no rate.
    pub mixed: u64,
}

impl Counts {
    /// The calls that a rate is of: refused and allowed, without the mixed.
    #[must_use]
    pub const fn rated(self) -> u64 {
        self.refused + self.allowed
    }
}

/// Calls that each group must hold before a comparison says anything.
pub const FEWEST: u64 = 5;

/// How unlikely a difference must be by chance alone.
pub const SIGNIFICANT: f64 = 0.05;

/// The least difference of rates that counts, as a fraction: numerator and denominator.
const DIFFERENCE: (i128, i128) = (1, 5);

/// Tables no likelier than the observed one but for rounding are as likely.
const TIE: f64 = 1.0 + 1e-7;

/// How the refusal rate of one group compares with another's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compared {
    /// A group is empty.
    Empty,
    /// A group holds fewer than [`FEWEST`] calls.
    TooFew,
    /// The first is refused more: unlikely by chance, and by 0.2 or more.
    More,
    /// The rates differ by less than 0.2.
    Alike,
    /// The first is refused less, in the same sense.
    Less,
    /// The rates differ by 0.2 or more, but chance alone may do that.
    Unclear,
}

/// Two groups compared.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Comparison {
    /// The first group.
    pub first: Counts,
    /// The second group.
    pub second: Counts,
    /// The test's probability; `None` when a group is empty.
    pub p: Option<f64>,
    /// What follows.
    pub compared: Compared,
}

/// Compares the refusal rates of two groups (contract §5).
#[must_use]
pub fn compare(first: Counts, second: Counts) -> Comparison {
    if first.rated() == 0 || second.rated() == 0 {
        return Comparison { first, second, p: None, compared: Compared::Empty };
    }
    let p = fisher([[first.refused, first.allowed], [second.refused, second.allowed]]);
    let compared = if first.rated() < FEWEST || second.rated() < FEWEST {
        Compared::TooFew
    } else {
        match (differ(first, second), p < SIGNIFICANT) {
            (Ordering::Equal, _) => Compared::Alike,
            (Ordering::Greater, true) => Compared::More,
            (Ordering::Less, true) => Compared::Less,
            (_, false) => Compared::Unclear,
        }
    };
    Comparison { first, second, p: Some(p), compared }
}

/// Whether the first rate is above or below the second by 0.2 or more, exactly; `Equal` when nearer than that.
fn differ(first: Counts, second: Counts) -> Ordering {
    let (one, other) = (i128::from(first.rated()), i128::from(second.rated()));
    // The difference of the rates over the common denominator, against 1/5 of that.
    let difference = i128::from(first.refused) * other - i128::from(second.refused) * one;
    let (numerator, denominator) = DIFFERENCE;
    if difference.abs() * denominator < one * other * numerator { Ordering::Equal } else { difference.cmp(&0) }
}

/// Fisher's exact test, two-sided, of a table of two rows and two columns: the probability, with these margins, of a
/// table no likelier than this one. Zero where it is below the smallest number that is held.
#[must_use]
pub fn fisher(table: [[u64; 2]; 2]) -> f64 {
    let [[a, b], [c, d]] = table.map(|row| row.map(u128::from));
    let margins = Margins { row: a + b, other_row: c + d, column: a + c };
    let mode = margins.mode();
    let observed = margins.weight_from(mode, a);
    let limit = observed * TIE;
    let mut all = 1.0;
    let mut as_unlikely = if limit >= 1.0 { 1.0 } else { 0.0 };
    for up in [true, false] {
        margins.walk(mode, up, |_, weight| {
            all += weight;
            if weight <= limit {
                as_unlikely += weight;
            }
            true
        });
    }
    f64::min(as_unlikely / all, 1.0)
}

/// The margins of a table; a table is then known by its first cell.
#[derive(Clone, Copy)]
struct Margins {
    row: u128,
    other_row: u128,
    column: u128,
}

impl Margins {
    const fn lowest(self) -> u128 {
        self.column.saturating_sub(self.other_row)
    }

    fn highest(self) -> u128 {
        self.row.min(self.column)
    }

    /// The likeliest first cell.
    fn mode(self) -> u128 {
        let mode = (self.row + 1) * (self.column + 1) / (self.row + self.other_row + 2);
        mode.clamp(self.lowest(), self.highest())
    }

    /// How much likelier the table with the first cell `cell + 1` is than that with `cell`.
    fn ratio(self, cell: u128) -> f64 {
        let better = (self.row - cell) as f64 * (self.column - cell) as f64;
        let worse = (cell + 1) as f64 * (self.other_row + cell + 1 - self.column) as f64;
        better / worse
    }

    /// Visits the cells beyond `mode` with their weight (that of the mode is 1), until the visitor has enough or the
    /// weight is too small to be held in full precision.
    fn walk(self, mode: u128, up: bool, mut visit: impl FnMut(u128, f64) -> bool) {
        let (mut cell, mut weight) = (mode, 1.0);
        loop {
            if up {
                if cell >= self.highest() {
                    return;
                }
                weight *= self.ratio(cell);
                cell += 1;
            } else {
                if cell <= self.lowest() {
                    return;
                }
                cell -= 1;
                weight /= self.ratio(cell);
            }
            if weight < f64::MIN_POSITIVE || !visit(cell, weight) {
                return;
            }
        }
    }

    /// The weight of `wanted`; zero where it is too small.
    fn weight_from(self, mode: u128, wanted: u128) -> f64 {
        if wanted == mode {
            return 1.0;
        }
        let mut found = 0.0;
        self.walk(mode, wanted > mode, |cell, weight| {
            if cell == wanted {
                found = weight;
            }
            cell != wanted
        });
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(refused: u64, allowed: u64) -> Counts {
        Counts { refused, allowed, mixed: 0 }
    }

    #[track_caller]
    fn check(table: [[u64; 2]; 2], expected: f64) {
        let p = fisher(table);
        let error = if expected == 0.0 { p } else { (p / expected - 1.0).abs() };
        assert!(error < 1e-9, "{table:?}: {p:e}, not {expected:e}");
    }

    #[test]
    fn published_values() {
        // Fisher's lady tasting tea: 34 of 70 tables are as unlikely.
        check([[3, 1], [1, 3]], 34.0 / 70.0);
        check([[4, 0], [0, 4]], 2.0 / 70.0);
        // R's help page of fisher.test, the convictions of like-sex twins: 0.0005367.
        assert_eq!(format!("{:.7}", fisher([[2, 15], [10, 3]])), "0.0005367");
        // The worked example of the Wikipedia article, studying among men and women: 0.002759456.
        assert_eq!(format!("{:.9}", fisher([[1, 9], [11, 3]])), "0.002759456");
    }

    // By exact integer arithmetic (binomial coefficients in Python), not by another program of this kind.
    #[test]
    fn exact_values_of_larger_tables() {
        for (table, expected) in EXACT {
            check(table, expected);
        }
    }

    #[test]
    fn margins_of_zero_say_nothing() {
        for table in [[[0, 0], [0, 0]], [[5, 0], [7, 0]], [[0, 5], [0, 7]], [[0, 0], [3, 4]], [[3, 4], [0, 0]]] {
            assert_eq!(fisher(table), 1.0, "{table:?}");
        }
    }

    #[test]
    fn rows_columns_and_transposition_do_not_matter() {
        let mut state = 1u64;
        let mut next = |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        };
        for round in 0..2_000 {
            let below = if round % 10 == 0 { 5_000 } else { 30 };
            let [a, b, c, d] = [(); 4].map(|()| next(below));
            let p = fisher([[a, b], [c, d]]);
            assert!((0.0..=1.0).contains(&p), "{p}");
            for same in [[[c, d], [a, b]], [[b, a], [d, c]], [[a, c], [b, d]], [[d, b], [c, a]]] {
                let other = fisher(same);
                assert!((p - other).abs() <= 1e-10 * p, "{a} {b} {c} {d}: {p:e} {other:e}");
            }
        }
    }

    #[test]
    fn a_million_calls_cost_some_thousand_steps() {
        let steps = |margins: Margins| {
            let mut steps = 0;
            for up in [true, false] {
                margins.walk(margins.mode(), up, |_, _| {
                    steps += 1;
                    true
                });
            }
            steps
        };
        assert!(steps(Margins { row: 2_000_000, other_row: 2_000_000, column: 2_000_000 }) < 60_000);
        assert_eq!(fisher([[1_000_000, 0], [0, 1_000_000]]), 0.0);
        check([[1_000_000, 1_000_000], [1_000_000, 1_000_000]], 1.0);
    }

    #[test]
    fn what_refused_more_and_alike_mean() {
        let of = |first, second| compare(first, second).compared;
        assert_eq!(of(counts(0, 0), counts(9, 9)), Compared::Empty);
        assert_eq!(of(counts(4, 0), counts(0, 100)), Compared::TooFew);
        assert_eq!(of(counts(5, 0), counts(0, 5)), Compared::More);
        assert_eq!(of(counts(0, 5), counts(5, 0)), Compared::Less);
        assert_eq!(of(counts(3, 2), counts(1, 4)), Compared::Unclear);
        assert_eq!(of(counts(5, 5), counts(5, 5)), Compared::Alike);
        // A tenth, however certain, is alike.
        assert_eq!(of(counts(2_000, 8_000), counts(1_000, 9_000)), Compared::Alike);
    }

    #[test]
    fn a_difference_of_exactly_a_fifth_counts() {
        assert_eq!(compare(counts(600, 400), counts(400, 600)).compared, Compared::More);
        assert_eq!(compare(counts(599, 401), counts(400, 600)).compared, Compared::Alike);
        assert_eq!(compare(counts(400, 600), counts(600, 400)).compared, Compared::Less);
    }

    #[test]
    fn mixed_calls_are_in_no_rate() {
        let mixed = Counts { mixed: 50, ..counts(2, 2) };
        assert_eq!(compare(mixed, counts(0, 9)).compared, Compared::TooFew);
        assert_eq!(compare(Counts { mixed: 9, ..counts(0, 0) }, counts(1, 9)).compared, Compared::Empty);
    }

    const EXACT: [([[u64; 2]; 2], f64); 11] = [
        ([[2, 15], [10, 3]], 5.367241191434358e-4),
        ([[1, 9], [11, 3]], 2.759456185220083e-3),
        ([[38, 2], [2, 58]], 1.006094458548327e-22),
        ([[120, 380], [90, 410]], 2.420635433446115e-2),
        ([[1000, 9000], [1100, 8900]], 2.237887480048016e-2),
        ([[7, 193], [0, 1000]], 3.269279805419747e-6),
        ([[60, 40], [10, 390]], 8.124793662455774e-40),
        ([[5, 0], [0, 5]], 7.936507936507937e-3),
        ([[0, 10], [3, 9]], 2.207792207792208e-1),
        ([[500, 500], [400, 600]], 8.453719674485642e-6),
        ([[800, 200], [200, 800]], 4.559773079198277e-169),
    ];
}
