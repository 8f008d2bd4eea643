//! The trunks: what crossed them, their registrations, what of them is encrypted, and refused queries by trunk.

use maud::{Markup, html};

use super::super::model::{Registration, Request, Trunk};
use super::page::Sheet;
use super::summary::chip;
use super::{inert, leg};

/// Rows of one list that are shown.
const ROWS: usize = 50;

pub(super) fn section(sheet: &Sheet<'_>) -> Markup {
    html! {
        @if !sheet.report.trunks.is_empty() {
            section #trunks aria-labelledby="trunks-h" {
                h2 #trunks-h { "Trunks" }
                div.scroll tabindex="0" role="region" aria-label="Trunks" {
                    table {
                        thead { tr { th scope="col" { "Trunk" } th scope="col" { "Kind" } th.number scope="col" { "Legs" } th scope="col" { "Verdicts" } th scope="col" { "Registrations" } th scope="col" { "OPTIONS" } th scope="col" { "Encrypted, not read" } } }
                        tbody { @for trunk in &sheet.report.trunks { (row(trunk)) } }
                    }
                }
                @for trunk in &sheet.report.trunks { (lists(sheet, trunk)) }
            }
        }
    }
}

fn name(trunk: &Trunk) -> Markup {
    html! { @match &trunk.name { Some(name) => (inert::plain(name)), None => "no trunk fits" } }
}

fn row(trunk: &Trunk) -> Markup {
    let granted = trunk.registrations.iter().filter(|one| matches!(one.status, Some(200..=299))).count();
    html! {
        tr {
            th scope="row" { (name(trunk)) @if let Some(id) = &trunk.id { div.small { (inert::plain(id)) } } }
            td { (trunk.kind) } td.number { (trunk.legs) }
            td { @for (verdict, count) in trunk.verdicts.named() { @if count > 0 { span.nowrap { (chip(verdict)) " " (count) } " " } } }
            td { @if trunk.registrations.is_empty() { (inert::none()) } @else { (granted) " of " (trunk.registrations.len()) " successful" } }
            td { @match &trunk.options { None => (inert::none()), Some(options) => { (options.answered) " of " (options.sent) " answered" } } }
            td { @if trunk.unseen.tls_packets == 0 { (inert::none()) } @else { (trunk.unseen.tls_packets) " packets in " (trunk.unseen.tls_connections) " TLS connections" } }
        }
    }
}

fn lists(sheet: &Sheet<'_>, trunk: &Trunk) -> Markup {
    html! {
        @if !trunk.registrations.is_empty() {
            details {
                summary { "Registrations of " (name(trunk)) " (" (trunk.registrations.len()) ")" }
                ul { @for registration in trunk.registrations.iter().take(ROWS) { li { (self::registration(sheet, registration)) } } (more(trunk.registrations.len())) }
            }
        }
        @if !trunk.refusals.is_empty() {
            details {
                summary { "Refused queries by trunk " (name(trunk)) " (" (trunk.refusals.len()) ")" }
                (requests(sheet, trunk.refusals.iter().map(|refusal| &refusal.0)))
            }
        }
    }
}

fn more(count: usize) -> Markup {
    html! { @if count > ROWS { li.small.warn { "and " (count - ROWS) " more, which the JSON report lists" } } }
}

fn registration(sheet: &Sheet<'_>, registration: &Registration) -> Markup {
    html! {
        span.time { (registration.at.0.rfc3339()) } " "
        @match registration.status { Some(status) => (super::super::words::status(status)), None => "no final response seen" }
        " " (sheet.pointer(registration.source))
    }
}

/// Requests in a table, the first ones.
pub(super) fn requests<'a>(sheet: &Sheet<'_>, requests: impl Iterator<Item = &'a Request>) -> Markup {
    let requests: Vec<&Request> = requests.collect();
    html! {
        div.scroll tabindex="0" role="region" aria-label="Requests" {
            table {
                thead { tr { th scope="col" { "Time" } th scope="col" { "Status" } th scope="col" { "Request" } th scope="col" { "Client" } th scope="col" { "Record" } } }
                tbody {
                    @for request in requests.iter().take(ROWS) {
                        tr {
                            td.time { @match request.at { Some(at) => (at.0.rfc3339()), None => "no readable time" } }
                            td { (leg::status(request.status)) @if let Some(code) = &request.error_code { div.small { (inert::text(code)) } } }
                            td { (inert::plain(&request.method)) " " (inert::text(&request.target)) }
                            td { (inert::optional(request.client.as_ref())) }
                            td { (sheet.pointer(request.source)) }
                        }
                    }
                }
            }
        }
        ul { (more(requests.len())) }
    }
}
