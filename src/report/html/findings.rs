//! The listed legs: a table to search, filter and sort, and each leg in full.
//!
//! The first legs stand in the page as they are; all others lie packed behind them, their rows for the table and their
//! articles apart. The row that the script builds from packed data is the row that [`row`] writes: a test in a browser
//! compares them.

use std::collections::BTreeMap;
use std::io::{self, Write};

use maud::{Markup, html};
use serde::Serialize;

use super::super::model::{Call, Leg};
use super::super::show::FINDINGS;
use super::super::words::{VERDICTS, counted};
use super::super::{escape, rows};
use super::page::Sheet;
use super::summary::{chip, state};
use super::{leg, packed};

/// Legs that stand in the page as they are.
const STANDING: usize = 100;

/// Rows of one packed block, and articles of one.
const ROWS: usize = 4096;
const ARTICLES: usize = 32;

/// What the table shows and searches of one leg.
#[derive(Serialize)]
struct Row {
    verdict: &'static str,
    call_id: String,
    parties: String,
    trunk: String,
    direction: &'static str,
    state: &'static str,
    first: String,
    unconsented_s: f64,
    requests: String,
    /// What is searched and not shown: conversations, request targets and clients.
    more: String,
}

impl Row {
    fn of(call: &Call, leg: &Leg) -> Self {
        let party = |text: &Option<super::super::model::EvidenceText>| {
            text.as_ref().map_or_else(|| "none".to_owned(), |text| escape::bytes(&text.0).into_owned())
        };
        let mut statuses: BTreeMap<u16, u64> = BTreeMap::new();
        let mut more: Vec<String> = call.conversation_ids.iter().map(|id| escape::bytes(&id.0).into_owned()).collect();
        for bound in &leg.requests {
            *statuses.entry(bound.request.status).or_insert(0) += 1;
            if more.len() < 24 {
                more.push(escape::bytes(&bound.request.target.0).into_owned());
                more.extend(bound.request.client.as_ref().map(|client| escape::bytes(&client.0).into_owned()));
            }
        }
        more.dedup();
        let statuses: Vec<String> = statuses.iter().map(|(status, count)| format!("{count} × {status}")).collect();
        let unconsented: i128 = leg.streams.iter().map(|stream| stream.unconsented_s.0).sum();
        Self {
            verdict: leg.verdict,
            call_id: escape::bytes(&leg.call_id.0).into_owned(),
            parties: format!("{} → {}", party(&leg.from), party(&leg.to)),
            trunk: leg
                .trunk
                .name
                .as_ref()
                .map_or_else(|| "no trunk fits".to_owned(), |name| escape::text(name).into_owned()),
            direction: leg.direction,
            state: leg.consent.state,
            first: leg.first.0.rfc3339(),
            unconsented_s: super::super::model::Seconds(unconsented).rounded(),
            requests: if statuses.is_empty() { "none".to_owned() } else { statuses.join(", ") },
            more: more.join(" "),
        }
    }
}

/// The legs that are listed, gravest first, then by time.
fn listed<'a>(sheet: &Sheet<'a>) -> Vec<(&'a Call, &'a Leg)> {
    let rank = |leg: &Leg| VERDICTS.iter().position(|(verdict, _)| *verdict == leg.verdict);
    let legs = sheet.report.calls.iter().flat_map(|call| call.legs.iter().map(move |leg| (call, leg)));
    let mut legs: Vec<(&Call, &Leg)> = legs.filter(|(_, leg)| sheet.listing.lists(leg)).collect();
    legs.sort_by_key(|(_, leg)| rank(leg));
    legs
}

/// Writes the section.
pub(super) fn write(sheet: &Sheet<'_>, out: &mut (impl Write + Send)) -> io::Result<()> {
    let legs = listed(sheet);
    let only_findings = legs.iter().all(|(_, leg)| FINDINGS.contains(&leg.verdict));
    let title = if only_findings { "Findings" } else { "Legs" };
    let standing = legs.get(..STANDING).unwrap_or(&legs);
    write!(out, r#"<section id="findings" aria-labelledby="findings-h"><h2 id="findings-h">{title}</h2>"#)?;
    if legs.is_empty() {
        return write!(out, "{}</section>", html! { p { "No leg is listed." } }.0);
    }
    let rows: Vec<Row> = standing.iter().map(|(call, leg)| Row::of(call, leg)).collect();
    write!(out, "{}", self::head(legs.len(), standing.len(), sheet).0)?;
    for (number, row) in (1..).zip(&rows) {
        write!(out, "{}", self::row(number, row).0)?;
    }
    write!(out, r#"</tbody></table></div><nav id="pages" aria-label="Pages of the table" hidden></nav>"#)?;
    write!(out, r#"<div id="legs">"#)?;
    for (number, (call, leg)) in (1..).zip(standing) {
        write!(out, "{}", leg::article(sheet, number, call, leg).0)?;
    }
    writeln!(out, "</div></section>")?;
    let blocks: Vec<_> = legs.chunks(ROWS).enumerate().collect();
    rows::write(&blocks, 1, out, |(block, legs), _, out| {
        let rows: Vec<Row> = legs.iter().map(|(call, leg)| Row::of(call, leg)).collect();
        packed::write(out, "rows", block * ROWS + 1, &rows)
    })?;
    let rest = legs.get(standing.len()..).unwrap_or_default();
    let blocks: Vec<_> = rest.chunks(ARTICLES).enumerate().collect();
    rows::write(&blocks, 1, out, |(block, legs), _, out| {
        let first = standing.len() + block * ARTICLES + 1;
        let articles: Vec<String> =
            (first..).zip(*legs).map(|(number, (call, leg))| leg::article(sheet, number, call, leg).0).collect();
        packed::write(out, "legs", first, &articles)
    })
}

/// What stands above the rows: how many there are, the controls, the columns.
fn head(legs: usize, standing: usize, sheet: &Sheet<'_>) -> Markup {
    let column = |key: &str, name: &str, class: &str| {
        html! { th scope="col" class=[(!class.is_empty()).then_some(class)] data-key=(key) { (name) } }
    };
    html! {
        p #count aria-live="polite" { (counted(legs as u64, "leg")) " listed (" (sheet.listing.options()) "), gravest first." }
        @if let Some(listed) = sheet.listing.listed(sheet.report) { p.warn { "Filtered: " (listed.not_listed) " legs of the evidence are not listed. The figures are those of all." } }
        @if legs > standing {
            noscript { p.warn { "Without a script this page shows the first " (standing) " of them. The JSON, CSV and text reports list all." } }
            p.print-only.warn { "On paper stand the details of the first " (standing) " of " (legs) " legs." }
        }
        form #controls role="search" hidden {
            label for="search" { "Search " input #search type="search" autocomplete="off" spellcheck="false" placeholder="Call-ID, party, conversation, target"; }
            label for="verdict" { "Verdict " select #verdict { option value="" { "any" } } }
            label for="trunk" { "Trunk " select #trunk { option value="" { "any" } } }
            label for="state" { "Consent " select #state { option value="" { "any" } } }
            button type="reset" { "Clear" }
        }
        (maud::PreEscaped(r#"<div class="scroll" tabindex="0" role="region" aria-label="Legs">"#))
        (maud::PreEscaped(r#"<table id="table">"#))
        thead { tr {
            (column("verdict", "Verdict", ""))
            (column("call_id", "Call", ""))
            (column("trunk", "Trunk", "wide"))
            (column("state", "Consent", ""))
            (column("first", "Began (UTC)", "wide"))
            (column("unconsented_s", "Unconsented", "number wide"))
            (column("requests", "Requests", "wide"))
        } }
        (maud::PreEscaped("<tbody>"))
    }
}

/// One row of the table. The script builds the same from packed data.
fn row(number: usize, row: &Row) -> Markup {
    html! {
        tr data-n=(number) {
            td { (chip(row.verdict)) }
            th scope="row" { a href=(format!("#leg-{number}")) { bdi { (row.call_id) } } div.parties { bdi { (row.parties) } } }
            td.wide { bdi { (row.trunk) } div.small { (row.direction) } }
            td { (state(row.state)) }
            td.wide.time { (row.first) }
            td.number.wide { (format!("{:.3} s", row.unconsented_s)) }
            td.wide { (row.requests) }
        }
    }
}
