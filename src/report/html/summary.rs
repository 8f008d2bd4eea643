//! What a manager asks: how bad it is, what must be known before reading on, and consent against refusal beside the
//! control trunk.

use maud::{Markup, html};

use super::super::model::{Hypothesis, Outcome, Report, Trunk};
use super::super::show::FINDINGS;
use super::super::words::{self, VERDICTS, counted};
use super::inert;

/// The notices, gravest first.
pub(super) fn notices(report: &Report) -> Markup {
    html! {
        @if !report.notices.is_empty() {
            section #notices aria-label="Read this first" {
                @for notice in &report.notices {
                    div.notice.grave[notice.code == "incomplete"] role="note" {
                        p { strong { (words::opening(notice.code)) } (inert::plain(&notice.text)) }
                        p.code { code { (notice.code) } }
                    }
                }
            }
        }
    }
}

/// The headline and the figures.
pub(super) fn section(report: &Report) -> Markup {
    let summary = &report.summary;
    let counts = summary.verdicts.named();
    let count = |verdict: &str| counts.iter().find(|(name, _)| *name == verdict).map_or(0, |(_, count)| *count);
    let most = counts.iter().map(|(_, count)| *count).max().unwrap_or(0).max(1);
    html! {
        section #summary aria-labelledby="summary-h" {
            h2 #summary-h { "Summary" }
            p.headline { (words::result(summary)) "." }
            div.columns {
                div {
                    table.verdicts {
                        caption { "Legs by verdict, gravest first" }
                        thead { tr { th scope="col" { "Verdict" } th.number scope="col" { "Legs" } th scope="col" { "What it means" } } }
                        tbody {
                            @for (verdict, meaning) in VERDICTS {
                                @let legs = count(verdict);
                                @if legs > 0 || FINDINGS.contains(&verdict) {
                                    tr {
                                        th scope="row" { (chip(verdict)) }
                                        td.number { (legs) }
                                        td {
                                            (meaning)
                                            svg.share viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true" {
                                                rect.(format!("v-{verdict}")) width=(format!("{:.2}", legs as f64 * 100.0 / most as f64)) height="4" {}
                                            }
                                        }
                                    }
                                }
                            }
                        }
                    }
                }
                div {
                    dl.figures {
                        dt { "Read" } dd { (inert::figures(&words::read(&report.evidence))) }
                        dt { "Calls" } dd { (words::calls(summary)) }
                        dt { "Media" } dd { (words::media(summary)) }
                        dt { "Requests" } dd { (words::requests(summary)) }
                        @let weighed = words::weighed(&report.diagnosis);
                        @if !weighed.is_empty() {
                            dt { a href="#diagnosis" { "Diagnosis" } }
                            @for trunk in &weighed { dd { bdi { (trunk) } } }
                        }
                    }
                    @for rule in &report.settings.rules {
                        p.small { (words::rule(rule)) }
                    }
                    p.small {
                        "This report says what was seen together, not what caused what. Times are UTC. A pointer names a file with its packet (#), or with its line or record (:)."
                    }
                }
            }
            (matrix(report))
        }
    }
}

/// A verdict as the page shows it.
pub(super) fn chip(verdict: &str) -> Markup {
    html! { span.chip.(format!("v-{verdict}")) { (verdict) } }
}

/// A consent state as the page shows it.
pub(super) fn state(state: &str) -> Markup {
    html! { span.state.(format!("s-{state}")) { (state) } }
}

/// Consent against refusal, trunk by trunk, beside the control.
fn matrix(report: &Report) -> Markup {
    let byoc: Vec<&Trunk> = report.trunks.iter().filter(|trunk| trunk.kind == "byoc" && trunk.legs > 0).collect();
    html! {
        @if !byoc.is_empty() {
            h3 { "Consent against refusal" }
            p.small {
                "One call for one client each: refused if its recording requests were answered 403, allowed if 2xx, mixed if both. "
                "Calls of partial or unknown consent, and calls nobody asked for, are in no row."
            }
            div.scroll tabindex="0" role="region" aria-label="Consent against refusal" {
                table.matrix {
                    thead {
                        tr {
                            th scope="col" { "Trunk" } th scope="col" { "Calls" }
                            th.number scope="col" { "Refused (403)" } th.number scope="col" { "Allowed (2xx)" }
                            th.number scope="col" { "Mixed" } th scope="col" { "Share refused" }
                        }
                    }
                    @for trunk in byoc {
                        @let rows = [
                            ("with consent", trunk.requests.consented),
                            ("without consent", trunk.requests.unconsented),
                            ("control: standard trunks", control(&report.diagnosis, trunk)),
                        ];
                        tbody {
                            @for (index, (who, outcome)) in rows.into_iter().enumerate() {
                                tr.control[index == 2] {
                                    @if index == 0 {
                                        th scope="rowgroup" rowspan="3" { @match &trunk.name { Some(name) => (inert::plain(name)), None => "no trunk fits" } }
                                    }
                                    th scope="row" { (who) }
                                    td.number { (outcome.refused) } td.number { (outcome.allowed) } td.number { (outcome.mixed) }
                                    td { (share(outcome)) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The calls of the control group, as the comparison with this trunk counted them.
fn control(diagnosis: &[Hypothesis], trunk: &Trunk) -> Outcome {
    let own = |row: &&Hypothesis| row.hypothesis == "trunk_capability" && Some(&row.trunk) == trunk.name.as_ref();
    let counts = diagnosis.iter().find(own).map(|row| &row.counts);
    let count = |name: &str| counts.and_then(|counts| counts.get(name)).copied().unwrap_or(0);
    Outcome { refused: count("standard_refused"), allowed: count("standard_allowed"), mixed: count("standard_mixed") }
}

fn share(outcome: Outcome) -> Markup {
    let decided = outcome.refused + outcome.allowed;
    html! {
        @if decided == 0 {
            span.none { "no call to compare" }
        } @else {
            @let share = outcome.refused as f64 * 100.0 / decided as f64;
            svg.bar viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true" {
                rect.rest width="100" height="10" {}
                rect.refused width=(format!("{share:.1}")) height="10" {}
            }
            " " (format!("{share:.0} %")) span.small { " of " (counted(decided, "call")) }
        }
    }
}
