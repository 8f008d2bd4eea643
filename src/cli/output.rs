//! Where reports go and in which format: `--output`, `--format`, `--show` and the filters taken together.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::args::{Audit, Format};
use crate::report::calls::Whole;
use crate::report::model::Leg;
use crate::report::show::{Listing, Mark, Show};
use crate::report::{csv, html, json, ndjson, text};

/// One report to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Output {
    /// `None` for standard output.
    pub(super) path: Option<PathBuf>,
    pub(super) format: Format,
    pub(super) listing: Listing,
}

/// What the text format asks beyond a report.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    /// Columns of the terminal; `None` where there is none.
    pub(super) width: Option<usize>,
    pub(super) color: bool,
    pub(super) verbose: bool,
    /// The report's last line.
    pub(super) closing: &'static str,
}

impl Output {
    /// The reports that the options ask for; or what is wrong with them.
    pub(super) fn all(audit: &Audit) -> Result<Vec<Self>, String> {
        let mut outputs: Vec<Self> = Vec::new();
        for path in &audit.output {
            let path = (path.as_os_str() != "-").then_some(path.as_path());
            if outputs.iter().any(|known| known.path.as_deref() == path) {
                let name = path.map_or_else(|| "-".into(), Path::to_string_lossy);
                return Err(format!("--output {name} is given twice"));
            }
            outputs.push(Self::new(audit, path));
        }
        if outputs.is_empty() {
            outputs.push(Self::new(audit, None));
        }
        Ok(outputs)
    }

    fn new(audit: &Audit, path: Option<&Path>) -> Self {
        let format = match (audit.format, path) {
            (Some(format), _) => format,
            (None, None) => Format::Text,
            (None, Some(path)) => by_ending(path),
        };
        let show = match (audit.show, format) {
            (Some(show), _) => show.into(),
            // Who asks for verdicts wants the legs that have them.
            (None, _) if !audit.only.is_empty() => Show::All,
            (None, Format::Csv | Format::Json | Format::Ndjson) => Show::All,
            (None, Format::Html | Format::Markdown | Format::Text) => Show::Findings,
        };
        let listing = Listing { show, only: audit.only.clone(), trunks: audit.trunk.clone() };
        Self { path: path.map(Path::to_owned), format, listing }
    }

    /// Whether it shows SIP messages one by one.
    pub(super) fn needs_messages(&self) -> bool {
        self.format == Format::Html
    }

    /// Whether the report must hold the rows of legs of this mark for it: people's formats look at them several times, and
    /// the timeline of HTML at all.
    pub(super) fn needs_row(&self, mark: &Mark<'_>) -> bool {
        match self.format {
            Format::Csv | Format::Json | Format::Ndjson => false,
            Format::Html => true,
            Format::Markdown | Format::Text => text::shows(&self.listing, mark),
        }
    }

    /// Whether it asks for rows of legs of this mark while it is written.
    pub(super) fn asks_row(&self, mark: &Mark<'_>) -> bool {
        self.asks_rows() && self.listing.picks(mark)
    }

    /// Whether it asks for rows one by one.
    fn asks_rows(&self) -> bool {
        matches!(self.format, Format::Csv | Format::Json | Format::Ndjson)
    }

    /// Whether it shows those of `leg`.
    pub(super) fn shows_messages(&self, leg: &Leg) -> bool {
        self.needs_messages() && self.listing.lists(leg)
    }

    /// Renders a report as this output wants it.
    pub(super) fn render(&self, whole: Whole<'_>, look: Look, mut out: &mut (dyn Write + Send)) -> io::Result<()> {
        let report = whole.report;
        let Look { width, color, verbose, closing } = look;
        let medium = match self.format {
            Format::Csv => return csv::write(whole, &self.listing, &mut out),
            Format::Html => return html::write(report, &self.listing, Some(closing), &mut out),
            Format::Json => return json::write(whole, &self.listing, &mut out),
            Format::Ndjson => return ndjson::write(whole, &self.listing, &mut out),
            Format::Markdown => text::Medium::Markdown,
            Format::Text => text::Medium::Terminal { width: width.unwrap_or(text::WIDTH), color },
        };
        let options = text::Options { medium, listing: &self.listing, verbose, closing: Some(closing) };
        text::write(report, &options, &mut out)
    }
}

/// The format that a name's ending says; text where it says none.
fn by_ending(path: &Path) -> Format {
    let ending = path.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    match ending.as_str() {
        "csv" => Format::Csv,
        "htm" | "html" => Format::Html,
        "json" => Format::Json,
        "jsonl" | "ndjson" => Format::Ndjson,
        "markdown" | "md" => Format::Markdown,
        _ => Format::Text,
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::args::{Cli, Command};

    fn outputs(args: &str) -> Result<Vec<(Option<String>, Format, Show)>, String> {
        let args = format!("sipconsent audit {args} evidence");
        let command = Cli::try_parse_from(args.split_whitespace()).expect("arguments").command;
        let Command::Audit(audit) = command else { panic!("{command:?}") };
        let outputs = Output::all(&audit)?;
        let path = |path: PathBuf| path.to_string_lossy().into_owned();
        Ok(outputs.into_iter().map(|output| (output.path.map(path), output.format, output.listing.show)).collect())
    }

    #[test]
    fn the_format_is_said_by_the_option_or_the_ending() {
        let file = |name: &str| Some(name.to_owned());
        assert_eq!(outputs(""), Ok(vec![(None, Format::Text, Show::Findings)]));
        assert_eq!(outputs("-f json"), Ok(vec![(None, Format::Json, Show::All)]));
        assert_eq!(outputs("-o - -f json"), Ok(vec![(None, Format::Json, Show::All)]));
        assert_eq!(outputs("-o a.JSON"), Ok(vec![(file("a.JSON"), Format::Json, Show::All)]));
        assert_eq!(
            outputs("-o a.json -o b.txt -o -"),
            Ok(vec![
                (file("a.json"), Format::Json, Show::All),
                (file("b.txt"), Format::Text, Show::Findings),
                (None, Format::Text, Show::Findings),
            ])
        );
        assert_eq!(outputs("-o a.txt -f json --show byoc"), Ok(vec![(file("a.txt"), Format::Json, Show::Byoc)]));
    }

    #[test]
    fn what_is_listed_by_default_depends_on_the_format() {
        for (arguments, expected) in [
            ("-f markdown", Show::Findings),
            ("-o a.md", Show::Findings),
            ("-o a.csv", Show::All),
            ("-o a.html", Show::Findings),
            ("-f html --show all", Show::All),
            ("-o a.ndjson", Show::All),
            ("-f csv --show findings", Show::Findings),
            ("--only clear", Show::All),
            ("--only clear --show byoc", Show::Byoc),
            ("--trunk SG1", Show::Findings),
        ] {
            assert_eq!(outputs(arguments).map(|outputs| outputs[0].2), Ok(expected), "{arguments}");
        }
    }

    #[test]
    fn an_ending_that_says_nothing_is_text() {
        for name in ["report", "report.log", "report.", ".json"] {
            assert_eq!(outputs(&format!("-o {name}")), Ok(vec![(Some(name.to_owned()), Format::Text, Show::Findings)]));
        }
        assert_eq!(outputs("-o report -f json").map(|outputs| outputs[0].1), Ok(Format::Json));
    }

    #[test]
    fn one_destination_holds_one_report() {
        assert_eq!(outputs("-o a.txt -o a.txt"), Err("--output a.txt is given twice".to_owned()));
        assert_eq!(outputs("-o - -o -"), Err("--output - is given twice".to_owned()));
    }
}
