//! The report for people: what must be known first, then the figures, then each finding with what it rests on.
//!
//! On a terminal or as Markdown: the same words, laid out for each. Written straight to the output, section by section, in words that say what was seen together and never what caused
//! what. Text of the evidence stands in it only through [`escape`](super::escape). The same report and [`Options`] give
//! the same bytes; nothing depends on colour to be understood.

mod call;
mod layout;
mod leg;
mod markdown;
mod pointer;
mod sections;

use std::collections::BTreeSet;
use std::io::{self, Write};

use self::layout::{Form, Page};
use self::pointer::Names;
use super::model::{Call, Leg, Report};
use super::show::{FINDINGS, Listed, Listing, Mark, Show};

/// Columns of a text that no terminal will show.
pub const WIDTH: usize = 100;

/// The widths a report is laid out for; narrower terminals wrap, wider ones keep a margin.
const WIDTHS: std::ops::RangeInclusive<usize> = 60..=160;

/// How the text is to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options<'a> {
    /// What it is laid out for.
    pub medium: Medium,
    /// The legs that are listed.
    pub listing: &'a Listing,
    /// Whether to list every pointer, request, flow and digest in full, and the other legs like findings.
    pub verbose: bool,
    /// The last line: what became of the run.
    pub closing: Option<&'a str>,
}

/// What a text is laid out for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Medium {
    /// Markdown as CommonMark has it, with the tables of GitHub's flavour; evidence in code spans.
    Markdown,
    /// A terminal or a plain file.
    Terminal {
        /// Columns of the terminal; [`WIDTH`] where there is none.
        width: usize,
        /// Whether to use ANSI colours.
        color: bool,
    },
}

impl Medium {
    fn form(self) -> Form {
        match self {
            Self::Markdown => Form::Markdown { blank: true },
            Self::Terminal { width, color } => {
                Form::Terminal { width: width.clamp(*WIDTHS.start(), *WIDTHS.end()), color }
            }
        }
    }
}

/// Writes the report: many small pieces, so hand it a buffered writer.
///
/// # Errors
///
/// Only those of `out`.
pub fn write(report: &Report, options: &Options<'_>, out: &mut (impl Write + Send)) -> io::Result<()> {
    let mut page = Page::new(out, options.medium.form());
    let names = Names::new(&report.evidence);
    let listed = options.listing.listed(report);
    let sheet = Sheet { report, names: &names, listing: options.listing, listed, verbose: options.verbose };
    sections::opening(&sheet, &mut page)?;
    sections::summary(&sheet, &mut page)?;
    findings(&sheet, &mut page)?;
    undecided(&sheet, &mut page)?;
    others(&sheet, &mut page)?;
    sections::unbound(&sheet, &mut page)?;
    sections::trunks(&sheet, &mut page)?;
    sections::diagnosis(&sheet, &mut page)?;
    sections::evidence(&sheet, &mut page)?;
    if let Some(closing) = options.closing {
        page.blank()?;
        page.indented(0, &layout::Phrase::words(closing))?;
    }
    Ok(())
}

/// Whether a report shows legs of this mark, or counts them: those that are listed, and findings and undecided legs that
/// pass the filters whatever is to be listed.
#[must_use]
pub fn shows(listing: &Listing, mark: &Mark<'_>) -> bool {
    let is_open = FINDINGS.contains(&mark.verdict) || mark.verdict == UNDECIDED;
    listing.picks(mark) || (is_open && listing.lets_through(mark))
}

/// Writes one leg whole, with the messages it carries: `sipconsent show`.
///
/// # Errors
///
/// Only those of `out`.
pub fn write_leg(
    report: &Report,
    call: &Call,
    leg: &Leg,
    options: &Options<'_>,
    out: &mut impl Write,
) -> io::Result<()> {
    let form = options.medium.form();
    let mut page = Page::new(out, form);
    let names = Names::new(&report.evidence);
    let sheet = Sheet { report, names: &names, listing: options.listing, listed: None, verbose: options.verbose };
    call::whole(&sheet, &mut page, call, leg)
}

/// The legs of a Call-ID, or those near to it.
#[derive(Debug)]
pub enum Found<'a> {
    /// Every leg that bears it, or the only ones whose Call-ID begins so.
    Legs(Vec<(&'a Call, &'a Leg)>),
    /// Call-IDs near to it, as they are shown.
    Near(Vec<String>),
    /// Several Call-IDs that begin so, as they are shown.
    Several(Vec<String>),
}

/// Looks a Call-ID up as a user types it: its bytes, or as reports show it; else as the beginning of one only.
#[must_use]
pub fn find<'a>(report: &'a Report, wanted: &str) -> Found<'a> {
    let legs = || report.calls.iter().flat_map(|call| call.legs.iter().map(move |leg| (call, leg)));
    let exact: Vec<_> = legs().filter(|(_, leg)| is(leg, wanted)).collect();
    if !exact.is_empty() {
        return Found::Legs(exact);
    }
    let begins: Vec<_> = legs().filter(|(_, leg)| may_be(leg, wanted)).collect();
    match begins.first() {
        Some((_, first)) if begins.iter().all(|(_, leg)| leg.call_id == first.call_id) => Found::Legs(begins),
        None => Found::Near(call::near(wanted, legs().map(|(_, leg)| &leg.call_id))),
        Some(_) => {
            let shown: BTreeSet<String> = begins.iter().map(|(_, leg)| leg::shown(&leg.call_id)).collect();
            Found::Several(shown.into_iter().collect())
        }
    }
}

/// Whether [`find`] may give this leg.
#[must_use]
pub fn may_be(leg: &Leg, wanted: &str) -> bool {
    is(leg, wanted) || (!wanted.is_empty() && leg::shown(&leg.call_id).starts_with(wanted))
}

fn is(leg: &Leg, wanted: &str) -> bool {
    let call_id = &leg.call_id;
    call_id.0 == wanted.as_bytes() || leg::shown(call_id) == wanted || call_id.lossless().0 == wanted
}

/// What every section needs.
struct Sheet<'a> {
    report: &'a Report,
    names: &'a Names<'a>,
    listing: &'a Listing,
    listed: Option<Listed>,
    verbose: bool,
}

impl<'a> Sheet<'a> {
    /// The legs with their calls, in the report's order.
    fn legs(&self) -> impl Iterator<Item = (&'a Call, &'a Leg)> {
        self.report.calls.iter().flat_map(|call| call.legs.iter().map(move |leg| (call, leg)))
    }

    /// How many items of a list are shown, when `most` are enough for a first look.
    fn at_most(&self, most: usize) -> usize {
        if self.verbose { usize::MAX } else { most }
    }
}

fn findings<W: Write + Send>(sheet: &Sheet<'_>, page: &mut Page<'_, W>) -> io::Result<()> {
    let listed = |leg: &Leg| FINDINGS.contains(&leg.verdict) && sheet.listing.passes(leg);
    let count = sheet.legs().filter(|(_, leg)| listed(leg)).count() as u64;
    if count == 0 {
        return Ok(());
    }
    page.heading(&format!("FINDINGS: {}, gravest first", counted(count, "leg")))?;
    let of = |verdict| sheet.legs().filter(move |(_, leg)| leg.verdict == verdict && listed(leg));
    let numbered: Vec<_> = (1..).zip(FINDINGS.into_iter().flat_map(of)).collect();
    page.items(&numbered, |(number, (call, finding)): &(u64, _), page| {
        page.blank()?;
        leg::full(sheet, page, &format!("{number}."), call, finding)
    })
}

/// The verdict of legs that the evidence does not decide.
const UNDECIDED: &str = "indeterminate";

/// How many of them are listed without `--show byoc` or `--show all`.
const MOST_UNDECIDED: usize = 20;

fn undecided<W: Write>(sheet: &Sheet<'_>, page: &mut Page<'_, W>) -> io::Result<()> {
    let listed = |leg: &Leg| leg.verdict == UNDECIDED && sheet.listing.passes(leg);
    let count = sheet.legs().filter(|(_, leg)| listed(leg)).count() as u64;
    if count == 0 {
        return Ok(());
    }
    page.heading(&format!("UNDECIDED: {} that the evidence does not decide", counted(count, "leg")))?;
    let most = if sheet.listing.show == Show::Findings { sheet.at_most(MOST_UNDECIDED) } else { usize::MAX };
    let mut left = 0_u64;
    for (index, (call, leg)) in sheet.legs().filter(|(_, leg)| listed(leg)).enumerate() {
        if index < most {
            leg::short(sheet, page, call, leg)?;
        } else {
            left += 1;
        }
    }
    if left > 0 {
        let more = format!("and {}; --show byoc lists them all", counted(left, "more leg"));
        page.indented(2, &layout::Phrase::words(&more))?;
    }
    Ok(())
}

/// Legs that are neither findings nor undecided, where asked for.
fn others<W: Write>(sheet: &Sheet<'_>, page: &mut Page<'_, W>) -> io::Result<()> {
    let other = |leg: &Leg| sheet.listing.lists(leg) && leg.verdict != UNDECIDED && !FINDINGS.contains(&leg.verdict);
    let count = sheet.legs().filter(|(_, leg)| other(leg)).count() as u64;
    if count == 0 {
        return Ok(());
    }
    page.heading(&format!("OTHER LEGS: {}", counted(count, "leg")))?;
    for (call, leg) in sheet.legs().filter(|(_, leg)| other(leg)) {
        leg::short(sheet, page, call, leg)?;
    }
    Ok(())
}

/// `1 leg`, `2 legs`.
fn counted(count: u64, thing: &str) -> String {
    if count == 1 { format!("1 {thing}") } else { format!("{count} {thing}s") }
}

#[cfg(test)]
mod tests;
