//! The hypotheses, ranked: what the evidence supports first, each with its table, its pointers and what to look at next.

use maud::{Markup, html};

use super::super::build;
use super::super::model::Hypothesis;
use super::super::words;
use super::inert;
use super::page::Sheet;

/// Pointers behind one hypothesis that are shown.
const POINTERS: usize = 12;

pub(super) fn section(sheet: &Sheet<'_>) -> Markup {
    let rows = build::ranked(&sheet.report.diagnosis);
    html! {
        @if !rows.is_empty() {
            section #diagnosis aria-labelledby="diagnosis-h" {
                h2 #diagnosis-h { "Diagnosis" }
                p { "Which explanations of the refusals the evidence supports, contradicts or cannot test. The unit is one call for one client." }
                @for trunk in rows.chunk_by(|one, other| one.trunk == other.trunk) {
                    @if let Some(first) = trunk.first() {
                        h3 { "Trunk " (inert::plain(&first.trunk)) }
                    }
                    ul.hypotheses { @for row in trunk { li { (hypothesis(sheet, row)) } } }
                }
            }
        }
    }
}

fn hypothesis(sheet: &Sheet<'_>, row: &Hypothesis) -> Markup {
    html! {
        details.hypothesis.(format!("h-{}", row.status)) open[row.status == "supported"] {
            summary {
                span.status { (row.status) } " " strong { (row.hypothesis) } " " span.meaning { (words::hypothesis(row.hypothesis)) }
            }
            p { (inert::plain(&row.explanation)) " " (sheet.pointers(&row.sources, POINTERS)) }
            @if let Some(remedy) = &row.remedy {
                p.remedy { strong { "What to look at: " } (inert::plain(&remedy.text)) " " span.small { "(" (remedy.basis) ")" } }
            }
            @if !row.not_separable_from.is_empty() {
                p { "Not separable from " @for (index, other) in row.not_separable_from.iter().enumerate() { @if index > 0 { ", " } code { (other) } } ": the same refused calls support both." }
            }
            (counts(row))
        }
    }
}

/// The counts: those that come in refused, allowed and mixed as one table, the others beside it.
fn counts(row: &Hypothesis) -> Markup {
    let group = |name: &str| {
        ["_refused", "_allowed", "_mixed"].iter().find_map(|end| name.strip_suffix(end)).map(str::to_owned)
    };
    let mut groups: Vec<String> = row.counts.keys().filter_map(|name| group(name)).collect();
    groups.dedup();
    groups.retain(|group| ["_refused", "_allowed"].iter().all(|end| row.counts.contains_key(&format!("{group}{end}"))));
    let others: Vec<(&String, &u64)> =
        row.counts.iter().filter(|(name, _)| group(name).is_none_or(|group| !groups.contains(&group))).collect();
    html! {
        @if !groups.is_empty() {
            table.counts {
                thead { tr { th scope="col" { "Calls" } th.number scope="col" { "Refused" } th.number scope="col" { "Allowed" } th.number scope="col" { "Mixed" } } }
                tbody {
                    @for group in &groups {
                        tr {
                            th scope="row" { (group) }
                            @for end in ["_refused", "_allowed", "_mixed"] {
                                td.number { (row.counts.get(&format!("{group}{end}")).copied().unwrap_or(0)) }
                            }
                        }
                    }
                }
            }
        }
        @if !others.is_empty() {
            p.small { @for (index, (name, count)) in others.iter().enumerate() { @if index > 0 { ", " } (name) " " b { (count) } } }
        }
        @if let Some(p) = row.p {
            p.small { "Fisher's exact test, two-sided: p = " (format!("{p:.4}")) }
        }
    }
}
