//! Numbers as a plain sentence gives them.
//!
//! No text of the evidence is ever in these: names of clients and targets are data of somebody, and stay where the
//! report can redact and escape them. What a sentence must name all the same, a [`Sentence`](crate::sentence::Sentence)
//! keeps apart from its words. Called by every family of hypotheses.

use super::contingency::{Counts, SIGNIFICANT};

/// `1 call`, `7 calls`.
pub(super) fn calls(count: u64) -> String {
    several(count, "call")
}

/// A count with its noun, in the plural with an s unless it is one.
pub(super) fn several(count: u64, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

/// `was` or `were`.
pub(super) const fn were(count: u64) -> &'static str {
    if count == 1 { "was" } else { "were" }
}

/// The refused of a group: `38 of 40 (95%)`.
pub(super) fn refused_of(counts: Counts) -> String {
    format!("{} of {} ({})", counts.refused, counts.rated(), percent(counts.refused, counts.rated()))
}

/// A share in whole per cent; nothing is rounded to none or to all.
pub(super) fn percent(part: u64, whole: u64) -> String {
    if whole == 0 {
        return "none".to_owned();
    }
    let rounded = (u128::from(part) * 200 + u128::from(whole)) / (u128::from(whole) * 2);
    match rounded {
        0 if part > 0 => "under 1%".to_owned(),
        100 if part < whole => "over 99%".to_owned(),
        rounded => format!("{rounded}%"),
    }
}

/// The test's probability: `p = 0.012`, `p < 0.001`.
pub(super) fn probability(p: Option<f64>) -> String {
    match p {
        Some(p) if p < 0.001 => "p < 0.001".to_owned(),
        Some(p) => {
            let rounded = (p * 1000.0).round() / 1000.0;
            // What is below the bound must not read as the bound.
            let shown = if (p < SIGNIFICANT) == (rounded < SIGNIFICANT) { rounded } else { six_digits(p) };
            format!("p = {shown}")
        }
        None => "no test".to_owned(),
    }
}

/// A number to six significant digits, so that the last ones of a long sum are not shown.
pub(super) fn six_digits(number: f64) -> f64 {
    format!("{number:.5e}").parse().unwrap_or(number)
}

/// A few of many, joined by commas.
pub(super) fn list(items: impl ExactSizeIterator<Item = String>, most: usize) -> String {
    let more = items.len().saturating_sub(most);
    let mut list = items.take(most).collect::<Vec<_>>().join(", ");
    if more > 0 {
        list.push_str(&format!(" and {more} more"));
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_not_rounded_to_none_or_all() {
        let shares = [(0, 9), (1, 1_000), (1, 3), (999, 1_000), (9, 9), (1, 200), (0, 0)];
        let texts = shares.map(|(part, whole)| percent(part, whole));
        assert_eq!(texts, ["0%", "under 1%", "33%", "over 99%", "100%", "1%", "none"]);
    }

    #[test]
    fn probabilities_keep_their_side_of_the_bound() {
        assert_eq!(probability(Some(0.04999)), "p = 0.04999");
        assert_eq!(probability(Some(1e-200)), "p < 0.001");
        assert_eq!(probability(Some(1.0)), "p = 1");
        assert_eq!(six_digits(34.0 / 70.0), 0.485714);
        assert_eq!(six_digits(0.0), 0.0);
    }

    #[test]
    fn a_list_is_cut_with_a_count() {
        assert_eq!(list(["a", "b", "c"].map(str::to_owned).into_iter(), 2), "a, b and 1 more");
        assert_eq!((calls(1), calls(0)), ("1 call".to_owned(), "0 calls".to_owned()));
    }
}
