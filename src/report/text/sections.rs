//! The report around its legs: what must be known first, the figures, unbound refusals, trunks, diagnosis, evidence.

use std::collections::BTreeMap;
use std::io::{self, Write};

use super::super::escape;
use super::super::model::{Evidence, ListedTrunk, Outcome, Pointer, Trunk, UnboundRefusal};
use super::super::own::{self, TITLE};
use super::super::words;
use super::layout::{FAINT, GRAVE, Label, Page, Phrase, STRONG, WARNING};
use super::{Sheet, counted, leg};

/// The column of labels, and that of what they label.
const LABEL: usize = 2;
const VALUE: usize = 13;

/// Unbound refusals of one reason that are enough for a first look.
const REFUSALS: usize = 3;

/// Digits of a digest that are enough to tell files apart.
const DIGEST: usize = 16;

/// What a reader must know before anything else.
pub(super) fn opening<W: Write>(sheet: &Sheet<'_>, page: &mut Page<'_, W>) -> io::Result<()> {
    for notice in &sheet.report.notices {
        let (style, word) = match notice.code {
            "incomplete" => (GRAVE, "INCOMPLETE:"),
            "time_range" => (WARNING, "FILTERED:"),
            _ => (WARNING, "NOTICE:"),
        };
        let phrase = Phrase::default().and_styled(style, word).and(&escape::text(&notice.text));
        page.indented(0, &phrase.and_styled(FAINT, &format!("[{}]", notice.code)))?;
    }
    if let Some(listed) = &sheet.listed {
        let words =
            format!("{} listed, {} not; the figures are those of all.", counted(listed.legs, "leg"), listed.not_listed);
        let phrase = Phrase::default().and_styled(WARNING, "FILTERED:").and_whole(escape::text(&listed.options()));
        page.indented(0, &phrase.and_glued(":").and(&words))?;
    }
    if !sheet.report.notices.is_empty() || sheet.listed.is_some() {
        page.blank()?;
    }
    page.title(TITLE)
}

/// The figures, and the words needed to read them.
pub(super) fn summary<W: Write>(sheet: &Sheet<'_>, page: &mut Page<'_, W>) -> io::Result<()> {
    let summary = &sheet.report.summary;
    page.heading("SUMMARY")?;
    let mut row = |label: &str, phrase: Phrase| page.hanging(Label::new(LABEL, label), VALUE, &phrase);
    row("Result", Phrase::default().and_styled(STRONG, &words::result(summary)))?;
    row("Read", Phrase::words(&words::read(&sheet.report.evidence)))?;
    row("Calls", Phrase::words(&words::calls(summary)))?;
    row("Media", Phrase::words(&words::media(summary)))?;
    row("Requests", Phrase::words(&words::requests(summary)))?;
    for (place, trunk) in words::weighed(&sheet.report.diagnosis).iter().enumerate() {
        row(if place == 0 { "Diagnosis" } else { "" }, Phrase::words(trunk))?;
    }
    if summary.legs > 0 {
        page.blank()?;
    }
    let width = words::VERDICTS.iter().map(|(word, _)| word.len()).max().unwrap_or(0);
    let counts = summary.verdicts.named();
    for (word, meaning) in words::VERDICTS {
        let count = counts.iter().find(|(name, _)| *name == word).map_or(0, |(_, count)| *count);
        if count > 0 {
            let label = format!("{count:>6}  {word}");
            let label = Label::new(LABEL, &label).styled(leg::style(word));
            page.hanging(label, LABEL + 10 + width, &Phrase::words(meaning))?;
        }
    }
    page.blank()?;
    for rule in &sheet.report.settings.rules {
        page.indented(LABEL, &Phrase::words(&words::rule(rule)))?;
    }
    let clock = "The report says what was seen together, not what caused what. Times are UTC. A pointer names a file \
                 with its packet (#), or with its line or record (:).";
    page.indented(LABEL, &Phrase::words(clock))
}

/// Refusals that nothing explains, by reason.
pub(super) fn unbound<W: Write>(sheet: &Sheet<'_>, page: &mut Page<'_, W>) -> io::Result<()> {
    let mut reasons: BTreeMap<&str, Vec<&UnboundRefusal>> = BTreeMap::new();
    for refusal in &sheet.report.unbound_refusals {
        reasons.entry(refusal.reason).or_default().push(refusal);
    }
    if reasons.is_empty() {
        return Ok(());
    }
    let count = sheet.report.unbound_refusals.len() as u64;
    page.heading(&format!("UNBOUND REFUSALS: {} (403) bound to no leg, call or trunk", counted(count, "refusal")))?;
    for (reason, refusals) in reasons {
        let head = Phrase::words(&refusals.len().to_string()).and_styled(STRONG, reason);
        page.indented(2, &head.and_glued(":").and(words::unbound(reason)))?;
        let most = sheet.at_most(REFUSALS);
        for refusal in refusals.iter().take(most) {
            request(sheet, page, 4, &refusal.request)?;
        }
        match refusals.len().saturating_sub(most) {
            0 => {}
            left => page.indented(4, &Phrase::words(&format!("and {left} more; -v lists them")))?,
        }
    }
    Ok(())
}

fn request<W: Write>(
    sheet: &Sheet<'_>,
    page: &mut Page<'_, W>,
    indent: usize,
    request: &super::super::model::Request,
) -> io::Result<()> {
    let phrase = leg::answer(request)
        .and_phrase(leg::time_of(request))
        .and_whole(leg::shown(&request.target))
        .and_phrase(leg::asker(request))
        .and_phrase(sheet.names.one(request.source));
    page.indented(indent, &phrase)
}

/// The trunks: consent against the outcome of recording requests, and what else was seen of them.
pub(super) fn trunks<W: Write>(sheet: &Sheet<'_>, page: &mut Page<'_, W>) -> io::Result<()> {
    if sheet.report.trunks.is_empty() {
        return Ok(());
    }
    page.heading("TRUNKS: calls by consent and outcome of their recording requests")?;
    let head = ["Trunk", "Kind", "Legs", "Consent", "Refused", "Allowed", "Mixed"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for trunk in &sheet.report.trunks {
        let row = |who: [String; 3], consent: &str, outcome: Outcome| {
            let numbers = [outcome.refused, outcome.allowed, outcome.mixed].map(|number| number.to_string());
            who.into_iter().chain([consent.to_owned()]).chain(numbers).collect()
        };
        let who = [name(trunk), trunk.kind.to_owned(), trunk.legs.to_string()];
        rows.push(row(who, "with", trunk.requests.consented));
        rows.push(row(Default::default(), "without", trunk.requests.unconsented));
    }
    page.table(2, "llrlrrr", &rows)?;
    for trunk in &sheet.report.trunks {
        let mut seen = Vec::new();
        if !trunk.registrations.is_empty() {
            let granted = trunk.registrations.iter().filter(|one| matches!(one.status, Some(200..=299))).count();
            let all = counted(trunk.registrations.len() as u64, "registration");
            seen.push(format!("{all}, {granted} of them successful"));
        }
        if let Some(options) = &trunk.options {
            let not = match (options.refused, options.unanswered) {
                (0, 0) => String::new(),
                (refused, unanswered) => format!(", {refused} refused, {unanswered} without an answer seen"),
            };
            seen.push(format!("{} of {} OPTIONS answered{not}", options.answered, options.sent));
        }
        if trunk.unseen.tls_packets > 0 {
            seen.push(format!(
                "{} in {} under TLS, not read",
                counted(trunk.unseen.tls_packets, "packet"),
                counted(trunk.unseen.tls_connections, "connection"),
            ));
        }
        seen.extend(trunk.inventory.iter().filter_map(inventory));
        if !trunk.refusals.is_empty() {
            seen.push(format!("{} (403) of queries by trunk", counted(trunk.refusals.len() as u64, "refusal")));
        }
        if !seen.is_empty() {
            let phrase = Phrase::default().and_whole_styled(STRONG, name(trunk)).and_glued(":").and(&seen.join("; "));
            page.indented(2, &phrase)?;
        }
        let most = sheet.at_most(REFUSALS);
        for refusal in trunk.refusals.iter().take(most) {
            request(sheet, page, 4, &refusal.0)?;
        }
        if trunk.refusals.len() > most {
            let left = trunk.refusals.len() - most;
            page.indented(4, &Phrase::words(&format!("and {left} more; -v lists them")))?;
        }
    }
    Ok(())
}

/// What an inventory lists of a trunk, where it lists more than that there is one.
fn inventory(listed: &ListedTrunk) -> Option<String> {
    let settings = [
        ("line recording on", "line recording off", listed.recording),
        ("consent required", "no consent required", listed.consent_required),
        ("registered", "not registered", listed.registered),
        ("OPTIONS answered", "OPTIONS unanswered", listed.options_answered),
    ];
    let mut said: Vec<&str> =
        settings.into_iter().filter_map(|(yes, no, is)| Some(if is? { yes } else { no })).collect();
    if !listed.active {
        said.push("not in use");
    }
    (!said.is_empty()).then(|| format!("by the inventory {}", said.join(", ")))
}

fn name(trunk: &Trunk) -> String {
    trunk.name.as_ref().map_or_else(|| "(no trunk fits)".to_owned(), |name| escape::text(name).into_owned())
}

/// The hypotheses, the supported ones first.
pub(super) fn diagnosis<W: Write>(sheet: &Sheet<'_>, page: &mut Page<'_, W>) -> io::Result<()> {
    if sheet.report.diagnosis.is_empty() {
        return Ok(());
    }
    page.heading("DIAGNOSIS: which explanations the evidence supports, contradicts or cannot test")?;
    for trunk in &sheet.report.trunks {
        for status in ["supported", "inconclusive", "contradicted", "untested"] {
            let on_trunk = |row: &&super::super::model::Hypothesis| Some(&row.trunk) == trunk.name.as_ref();
            for row in sheet.report.diagnosis.iter().filter(on_trunk).filter(|row| row.status == status) {
                let mut phrase = Phrase::default().and_styled(STRONG, row.hypothesis);
                let meaning = words::hypothesis(row.hypothesis);
                if !meaning.is_empty() {
                    phrase = phrase.and(&format!("({meaning})"));
                }
                phrase = phrase.and_glued(":");
                phrase = phrase.and(&escape::text(&row.explanation));
                if !row.not_separable_from.is_empty() {
                    phrase = phrase.and(&format!("Not separable from {}.", row.not_separable_from.join(", ")));
                }
                let sources: &[Pointer] = &row.sources;
                phrase = phrase.and_phrase(sheet.names.list(sources, sheet.at_most(REFUSALS)));
                page.hanging(Label::new(2, row.status), 16, &phrase.and(&format!("({})", name(trunk))))?;
                if let Some(remedy) = &row.remedy {
                    let text = format!("{} ({})", escape::text(&remedy.text), remedy.basis);
                    page.hanging(Label::new(16, "What to look at"), 18, &Phrase::default().and(&text))?;
                }
            }
        }
    }
    Ok(())
}

/// What was read, what became of it, and what could not be read.
pub(super) fn evidence<W: Write>(sheet: &Sheet<'_>, page: &mut Page<'_, W>) -> io::Result<()> {
    page.heading("EVIDENCE")?;
    for source in &sheet.report.evidence {
        let indent = 6;
        let path = Phrase::default().and_whole_styled(STRONG, escape::path(source));
        page.hanging(Label::new(2, &source.id.to_string()), indent, &path)?;
        page.indented(indent, &file(sheet, source))?;
        let unit = words::record(source);
        if source.kind != "unrecognised" {
            let mut text = counted(source.records, unit);
            if let (Some(first), Some(last)) = (source.first, source.last) {
                text.push_str(&format!(", {} to {}", first.0.rfc3339(), last.0.rfc3339()));
            }
            if let Some(timezone) = &source.timezone
                && timezone.from != "written"
            {
                text.push_str(&format!(", times without a zone taken as {} ({})", timezone.zone, timezone.from));
            }
            if source.resolution_s == Some(1.0) {
                text.push_str(", times to the second");
            }
            page.indented(indent, &Phrase::words(&escape::text(&text)))?;
        }
        if !source.tally.is_empty() {
            let parts: Vec<_> = source.tally.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
            page.indented(indent, &Phrase::words("of them:").and(&parts.join(", ")))?;
        }
        for anomaly in &source.anomalies {
            let mut phrase = Phrase::default().and_styled(WARNING, "anomaly").and(anomaly.code);
            phrase = phrase.and_glued(":").and(&anomaly.count.to_string());
            if let Some(record) = anomaly.first_record {
                phrase = phrase.and_glued(",").and(&format!("first at {unit} {record}"));
            }
            if !anomaly.detail.is_empty() {
                phrase = phrase.and(&format!("({})", escape::text(&anomaly.detail)));
            }
            page.indented(indent, &phrase)?;
        }
    }
    Ok(())
}

fn file(sheet: &Sheet<'_>, source: &Evidence) -> Phrase {
    let mut text = match (source.kind, source.format) {
        ("unrecognised", Some(own::FORMAT)) => "a report of sipconsent, set aside".to_owned(),
        ("unrecognised", Some(format)) => format!("{format}, a format that is not read"),
        ("unrecognised", None) => "not recognised, so not read".to_owned(),
        (kind, Some(format)) => format!("{}, {format}", kind.replace('_', " ")),
        (kind, None) => kind.replace('_', " "),
    };
    if let Some(compression) = source.compression {
        text.push_str(&format!(", {compression}"));
    }
    text.push_str(&format!(", {}", counted(source.bytes, "byte")));
    if let Some(digest) = &source.digest {
        let (kind, hex) = digest.split_once(':').unwrap_or(("", digest));
        let shown: String = hex.chars().take(sheet.at_most(DIGEST)).collect();
        let cut = if shown.len() < hex.len() { "…" } else { "" };
        text.push_str(&format!(", {kind}:{shown}{cut}"));
    }
    Phrase::words(&text)
}
