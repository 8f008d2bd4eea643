//! The page itself: its head with the policy, its sections in the order people read them.

use std::io::{self, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest as _, Sha256};

use super::super::escape;
use super::super::model::{EvidenceId, Pointer, Report};
use super::super::show::Listing;
use super::super::words::TITLE;
use super::{diagnosis, findings, inert, sources, summary, timeline, trunks};

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// What every section needs.
pub(super) struct Sheet<'a> {
    pub(super) report: &'a Report,
    pub(super) listing: &'a Listing,
    /// For each source its shown name, and whether its records are packets.
    names: Vec<(String, bool)>,
}

impl<'a> Sheet<'a> {
    fn new(report: &'a Report, listing: &'a Listing) -> Self {
        let paths = || report.evidence.iter().map(|source| source.path.as_str());
        let alike: std::collections::BTreeMap<&str, usize> = paths().fold(Default::default(), |mut alike, path| {
            *alike.entry(path).or_insert(0) += 1;
            alike
        });
        let name = |source: &super::super::model::Evidence| {
            let path = escape::path(source);
            match alike.get(source.path.as_str()) {
                Some(2..) => format!("{path} ({})", source.id),
                _ => path.into_owned(),
            }
        };
        let names = report.evidence.iter().map(|source| (name(source), source.kind == "capture")).collect();
        Self { report, listing, names }
    }

    /// A source's name.
    pub(super) fn name(&self, evidence: EvidenceId) -> Markup {
        match self.names.get(evidence.0 as usize) {
            Some((name, _)) => html! { bdi { (name) } },
            None => html! { (evidence) },
        }
    }

    /// A pointer as people look it up.
    pub(super) fn pointer(&self, pointer: Pointer) -> Markup {
        let packet = self.names.get(pointer.evidence.0 as usize).is_some_and(|(_, packet)| *packet);
        html! { span.pointer { (self.name(pointer.evidence)) @if packet { " #" } @else { ":" } (pointer.record) } }
    }

    /// The first pointers of a list, and how many follow.
    pub(super) fn pointers(&self, pointers: &[Pointer], most: usize) -> Markup {
        html! {
            @for (index, one) in pointers.iter().take(most).enumerate() { @if index > 0 { ", " } (self.pointer(*one)) }
            @if pointers.len() > most { span.small { " and " (pointers.len() - most) " more" } }
        }
    }
}

/// Writes the page. Many small pieces: hand it a buffered writer.
///
/// # Errors
///
/// Only those of `out`.
pub fn write(
    report: &Report,
    listing: &Listing,
    closing: Option<&str>,
    out: &mut (impl Write + Send),
) -> io::Result<()> {
    let sheet = Sheet::new(report, listing);
    write!(out, "{}", head(report).0)?;
    for section in
        [summary::notices(report), summary::section(report), timeline::section(report), diagnosis::section(&sheet)]
    {
        writeln!(out, "{}", section.0)?;
    }
    findings::write(&sheet, out)?;
    for section in
        [sources::unbound(&sheet), trunks::section(&sheet), sources::evidence(&sheet), sources::settings(&sheet)]
    {
        writeln!(out, "{}", section.0)?;
    }
    let foot = html! {
        footer { p.small { @if let Some(closing) = closing { (closing) " " } (report.schema) ", " (report.generator.name) " " (report.generator.version) } }
    };
    writeln!(out, "</main>{}<script>{SCRIPT}</script></body></html>", foot.0)
}

/// The digest of a text as a policy names it.
fn digest(text: &str) -> String {
    format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text.as_bytes())))
}

/// What the page may do: run its own script, wear its own style, and nothing else.
fn policy() -> String {
    format!(
        "default-src 'none'; script-src {}; style-src {}; base-uri 'none'; form-action 'none'",
        digest(SCRIPT),
        digest(STYLE)
    )
}

/// Everything up to the first section. The body and main elements are left open.
fn head(report: &Report) -> Markup {
    let has = |present: bool, id: &'static str, name: &'static str| present.then_some((id, name));
    let sections = [
        Some(("summary", "Summary")),
        Some(("timeline", "Timeline")),
        has(!report.diagnosis.is_empty(), "diagnosis", "Diagnosis"),
        Some(("findings", "Legs")),
        has(!report.unbound_refusals.is_empty(), "unbound", "Unbound refusals"),
        has(!report.trunks.is_empty(), "trunks", "Trunks"),
        Some(("evidence", "Evidence")),
        Some(("settings", "Settings")),
    ];
    html! {
        (DOCTYPE)
        (PreEscaped(r#"<html lang="en">"#))
        head {
            meta charset="utf-8";
            meta http-equiv="Content-Security-Policy" content=(policy());
            meta name="viewport" content="width=device-width, initial-scale=1";
            meta name="color-scheme" content="light dark";
            meta name="referrer" content="no-referrer";
            meta name="generator" content=(format!("{} {}", report.generator.name, report.generator.version));
            title { (TITLE) }
            style { (PreEscaped(STYLE)) }
        }
        (PreEscaped("<body>"))
        a.skip href="#main" { "Skip to the report" }
        header {
            h1 { (TITLE) }
            p.small { (inert::figures(&super::super::words::read(&report.evidence))) }
            nav aria-label="Sections" { ul { @for (id, name) in sections.iter().flatten() { li { a href=(format!("#{id}")) { (name) } } } } }
        }
        svg.patterns width="0" height="0" aria-hidden="true" {
            defs {
                pattern #hatch width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)" { rect.hatch-ground width="6" height="6" {} line.hatch-line x1="0" y1="0" x2="0" y2="6" {} }
                pattern #dots width="6" height="6" patternUnits="userSpaceOnUse" { rect.dots-ground width="6" height="6" {} circle.dots-dot cx="3" cy="3" r="1.4" {} }
            }
        }
        (PreEscaped(r#"<main id="main" tabindex="-1">"#))
    }
}
