//! Where reports go and in which format: `--output`, `--format` and `--show` taken together.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::args::{Audit, Format};
use crate::report::model::{Leg, Report};
use crate::report::show::Show;
use crate::report::{html, json, text};

/// One report to write.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Output {
    /// `None` for standard output.
    pub(super) path: Option<PathBuf>,
    pub(super) format: Format,
    show: Show,
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
            outputs.push(Self::new(audit, path)?);
        }
        if outputs.is_empty() {
            outputs.push(Self::new(audit, None)?);
        }
        Ok(outputs)
    }

    fn new(audit: &Audit, path: Option<&Path>) -> Result<Self, String> {
        let format = match (audit.format, path) {
            (Some(format), _) => format,
            (None, None) => Format::Text,
            (None, Some(path)) => by_ending(path)?,
        };
        let show = match (audit.show, format) {
            (Some(show), _) => show.into(),
            (None, Format::Json) => Show::All,
            (None, Format::Html | Format::Text) => Show::Findings,
        };
        Ok(Self { path: path.map(Path::to_owned), format, show })
    }

    /// Whether it shows SIP messages one by one.
    pub(super) fn needs_messages(&self) -> bool {
        self.format == Format::Html
    }

    /// Whether it shows those of `leg`.
    pub(super) fn shows_messages(&self, leg: &Leg) -> bool {
        self.needs_messages() && self.show.lists(leg)
    }

    /// Renders `report` as this output wants it.
    pub(super) fn render(&self, report: &Report, look: Look, mut out: &mut dyn Write) -> io::Result<()> {
        match self.format {
            Format::Html => html::write(report, self.show, Some(look.closing), &mut out),
            Format::Json => json::write(report, self.show, &mut out),
            Format::Text => {
                let Look { width, color, verbose, closing } = look;
                let width = width.unwrap_or(text::WIDTH);
                let options = text::Options { width, color, show: self.show, verbose, closing: Some(closing) };
                text::write(report, &options, &mut out)
            }
        }
    }
}

fn by_ending(path: &Path) -> Result<Format, String> {
    let ending = path.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    match ending.as_str() {
        "htm" | "html" => Ok(Format::Html),
        "json" => Ok(Format::Json),
        "txt" => Ok(Format::Text),
        _ => Err(format!(
            "--output {}: the name's ending says no format; end it in .html, .json or .txt, or add --format",
            path.display()
        )),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::args::{Cli, Command};

    fn outputs(args: &str) -> Result<Vec<(Option<String>, Format, Show)>, String> {
        let args = format!("sipconsent audit {args} evidence");
        let Command::Audit(audit) = Cli::try_parse_from(args.split_whitespace()).expect("arguments").command else {
            panic!("not audit: {args}");
        };
        let outputs = Output::all(&audit)?;
        let path = |path: PathBuf| path.to_string_lossy().into_owned();
        Ok(outputs.into_iter().map(|output| (output.path.map(path), output.format, output.show)).collect())
    }

    #[test]
    fn the_format_is_said_by_the_option_or_the_ending() {
        let file = |name: &str| Some(name.to_owned());
        assert_eq!(outputs(""), Ok(vec![(None, Format::Text, Show::Findings)]));
        assert_eq!(outputs("-f json"), Ok(vec![(None, Format::Json, Show::All)]));
        assert_eq!(outputs("-o - -f json"), Ok(vec![(None, Format::Json, Show::All)]));
        assert_eq!(outputs("-o a.html"), Ok(vec![(file("a.html"), Format::Html, Show::Findings)]));
        assert_eq!(outputs("-f html --show all"), Ok(vec![(None, Format::Html, Show::All)]));
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
    fn an_ending_that_says_nothing_is_refused() {
        let wrong = "the name's ending says no format; end it in .html, .json or .txt, or add --format";
        for name in ["report", "report.pdf", "report.", ".json"] {
            assert_eq!(outputs(&format!("-o {name}")), Err(format!("--output {name}: {wrong}")));
        }
        assert!(outputs("-o report -f text").is_ok());
    }

    #[test]
    fn one_destination_holds_one_report() {
        assert_eq!(outputs("-o a.txt -o a.txt"), Err("--output a.txt is given twice".to_owned()));
        assert_eq!(outputs("-o - -o -"), Err("--output - is given twice".to_owned()));
    }
}
