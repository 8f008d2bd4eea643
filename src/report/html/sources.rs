//! What an auditor asks: refusals that nothing explains, the evidence with digests, coverage, tallies and anomalies, the
//! settings, and how to get this report again.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::super::escape;
use super::super::model::{Evidence, UnboundRefusal};
use super::super::words::{self, counted};
use super::page::Sheet;
use super::{inert, trunks};

/// Refused requests that no leg, call or trunk explains, by reason.
pub(super) fn unbound(sheet: &Sheet<'_>) -> Markup {
    let mut reasons: BTreeMap<&str, Vec<&UnboundRefusal>> = BTreeMap::new();
    for refusal in &sheet.report.unbound_refusals {
        reasons.entry(refusal.reason).or_default().push(refusal);
    }
    html! {
        @if !reasons.is_empty() {
            section #unbound aria-labelledby="unbound-h" {
                h2 #unbound-h { "Unbound refusals" }
                p { (counted(sheet.report.unbound_refusals.len() as u64, "refusal")) " (403) bound to no leg, call or trunk, each with the reason." }
                @for (reason, refusals) in reasons {
                    details open[refusals.len() <= 10] {
                        summary { strong { (reason) } ": " (refusals.len()) " " span.small { (words::unbound(reason)) } }
                        (trunks::requests(sheet, refusals.iter().map(|refusal| &refusal.request)))
                    }
                }
            }
        }
    }
}

/// The evidence list.
pub(super) fn evidence(sheet: &Sheet<'_>) -> Markup {
    let sources = &sheet.report.evidence;
    html! {
        section #evidence aria-labelledby="evidence-h" {
            h2 #evidence-h { "Evidence" }
            p { "Every record is used, or set aside and counted under a reason; the counts of a file add up to its records." }
            div.scroll tabindex="0" role="region" aria-label="Evidence" {
                table {
                    thead { tr { th scope="col" { "Id" } th scope="col" { "File" } th scope="col" { "What it is" } th.number scope="col" { "Bytes" } th.number scope="col" { "Records" } th scope="col" { "From" } th scope="col" { "To" } th.number scope="col" { "Anomalies" } } }
                    tbody { @for source in sources {
                        tr {
                            td { (source.id) }
                            th scope="row" { bdi { (escape::path(source)) } @if let Some(digest) = &source.digest { div.small.digest { (digest) } } @else { div.small { "no digest taken" } } }
                            td { (source.kind) @if let Some(format) = source.format { ", " (format) } @if let Some(compression) = source.compression { ", " (compression) } (zone(source)) }
                            td.number { (source.bytes) } td.number { (source.records) " " span.small { (words::record(source)) "s" } }
                            td.time { @match source.first { Some(at) => (at.0.rfc3339()), None => (inert::none()) } }
                            td.time { @match source.last { Some(at) => (at.0.rfc3339()), None => (inert::none()) } }
                            td.number { (source.anomalies.iter().map(|anomaly| anomaly.count).sum::<u64>()) }
                        }
                    } }
                }
            }
            h3 { "Tallies" }
            (tallies(sources))
            h3 { "Anomalies" }
            (anomalies(sheet, sources))
        }
    }
}

fn zone(source: &Evidence) -> Markup {
    html! {
        @if let Some(zone) = &source.timezone { @if zone.from != "written" { div.small { "zone " (inert::plain(&zone.zone)) ", " (zone.from) } } }
    }
}

fn tallies(sources: &[Evidence]) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="Tallies" {
            table {
                thead { tr { th scope="col" { "Id" } th scope="col" { "What became of the records" } th.number scope="col" { "Sum" } } }
                tbody { @for source in sources {
                    tr {
                        th scope="row" { (source.id) }
                        td { @for (reason, count) in &source.tally { span.tally { code { (reason) } " " b { (count) } } " " } }
                        td.number { (source.tally.values().sum::<u64>()) }
                    }
                } }
            }
        }
    }
}

fn anomalies(sheet: &Sheet<'_>, sources: &[Evidence]) -> Markup {
    html! {
        @if sources.iter().all(|source| source.anomalies.is_empty()) { p { "None: every record was read whole." } } @else {
            div.scroll tabindex="0" role="region" aria-label="Anomalies" {
                table {
                    thead { tr { th scope="col" { "File" } th scope="col" { "Anomaly" } th.number scope="col" { "Count" } th scope="col" { "First" } th scope="col" { "Quantities of the first" } } }
                    tbody { @for source in sources { @for anomaly in &source.anomalies {
                        tr {
                            td { (sheet.name(source.id)) } th scope="row" { code { (anomaly.code) } } td.number { (anomaly.count) }
                            td { @if let Some(record) = anomaly.first_record { (words::record(source)) " " (record) } }
                            td { (inert::plain(&anomaly.detail)) }
                        }
                    } } }
                }
            }
        }
    }
}

/// The settings in force, and how to get this report again.
pub(super) fn settings(sheet: &Sheet<'_>) -> Markup {
    let settings = serde_json::to_string_pretty(&sheet.report.settings).unwrap_or_default();
    let generator = &sheet.report.generator;
    html! {
        section #settings aria-labelledby="settings-h" {
            h2 #settings-h { "Settings and how to reproduce" }
            p {
                "Written by " (generator.name) " " (generator.version) ". The same evidence, settings and version give the same file, byte for byte, on any machine. "
                "Check the digests of the evidence above, write the settings below into a configuration file, and run:"
            }
            pre tabindex="0" { "sipconsent audit -c site.toml " (sheet.listing.options()) " -o report.html EVIDENCE…" }
            @match &sheet.report.settings.config_sha256 {
                Some(digest) => p { "SHA-256 of the configuration's text: " code.digest { (digest) } },
                None => p { "No configuration was given: the built-in rules held." },
            }
            details { summary { "The effective settings, every default included" } pre tabindex="0" { @for line in settings.lines() { (inert::plain(line)) "\n" } } }
        }
    }
}
