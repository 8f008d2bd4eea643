//! The command line as typed: its grammar, its help, and what each value means.

use std::path::PathBuf;

use clap::{ArgAction, Args, CommandFactory, Parser, Subcommand, ValueEnum, ValueHint};

use super::carve;
use crate::error::Error;
use crate::evidence::{HashKind, Timestamp};
use crate::report::model::Verdicts;
use crate::report::show::Show;
use crate::settings::{Settings, Timezone};

const ABOUT: &str = "Says, for every call on a BYOC trunk, what consent its signalling carried and what the recording \
                     API answered";

const LONG_ABOUT: &str = "\
Says, for every call on a BYOC trunk, what recording consent its signalling carried while media flowed, what the \
recording API answered afterwards, and where the evidence does not decide. Evidence is captured SIP and the access logs \
of the recording API. Nothing is sent anywhere.";

const EXIT_STATUS: &str = "\
Exit status:
  0  complete, nothing found, every leg on BYOC trunks decided
  1  complete, with findings (exposed_unconsented, blocked_unconsented,
     unconsented, blocked_consented)
  2  not complete: usage, configuration, an input that cannot be read or that
     nobody recognises, a report not written, or --strict with anomalies
  3  complete, no finding, but not all decided: indeterminate legs, unbound
     refusals, or no leg on a BYOC trunk in the evidence";

const EXAMPLES: &str = "\
Examples:
  A folder of captures and access logs, with the built-in rules:
      sipconsent audit incident/
  Trunks and consent rules of this site; a report to read and one to process:
      sipconsent audit -c site.toml -o report.txt -o report.json incident/
  For a spreadsheet, only what was served without consent, on one trunk:
      sipconsent audit -c site.toml -o legs.csv --only exposed_unconsented --trunk SG1 incident/
  Logs whose times carry no zone, written by a clock up to five seconds behind:
      sipconsent audit --log-timezone Asia/Singapore --clock-skew 5s a.pcap b.log
  A report to hand over, joinable with the next one made with the same key:
      head -c 32 /dev/urandom > site.key
      sipconsent audit --redact --redact-key site.key -o report.json incident/
  What could not be read of the logs, to look at:
      sipconsent audit --rejects rejects.ndjson incident/
  A capture from a pipe, every leg on BYOC trunks in full:
      zcat trace.pcap.gz | sipconsent audit --show byoc -v - access.log";

const SHOW_EXAMPLES: &str = "\
Examples:
  A leg that a report lists, by the trunks of this site:
      sipconsent show -c site.toml a84b4c76e66710@pc33.carrier.example incident/
  By the beginning of its Call-ID, in a pager:
      sipconsent show --color always a84b incident/ | less -R";

const VERIFY_EXAMPLES: &str = "\
Exit status: 0 when every point matches, 1 when one does not, 2 when one cannot be verified.

Examples:
  An archived report against the archived evidence:
      sipconsent verify report.json incident/
  A redacted one, with the key and the configuration it was made with:
      sipconsent verify --redact-key site.key -c site.toml report.json incident/";

const INIT_EXAMPLES: &str = "\
Examples:
  What the evidence shows, to look at:
      sipconsent init incident/
  A configuration to complete and then to audit with:
      sipconsent init -o site.toml incident/
      sipconsent audit -c site.toml incident/";

const SCHEMA_EXAMPLES: &str = "\
The schema (JSON Schema 2020-12) covers reports of --format json and the lines of --format ndjson.

Examples:
      sipconsent schema > report.schema.json
      sipconsent audit -o report.json incident/; jv report.schema.json report.json";

const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  Bash, for this user:
      sipconsent completions bash > ~/.local/share/bash-completion/completions/sipconsent
  Fish:
      sipconsent completions fish > ~/.config/fish/completions/sipconsent.fish
  Zsh, in a folder of $fpath:
      sipconsent completions zsh > _sipconsent";

const MAN_EXAMPLES: &str = "\
Examples:
  To read:
      sipconsent man audit | man -l -
  To install:
      sipconsent man > /usr/local/share/man/man1/sipconsent.1";

/// The whole command line.
#[derive(Debug, Parser)]
#[command(name = "sipconsent", version, about = ABOUT, long_about = LONG_ABOUT, after_help = EXIT_STATUS)]
#[command(max_term_width = 100, infer_subcommands = false, disable_help_subcommand = true)]
pub(super) struct Cli {
    #[command(subcommand)]
    pub(super) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Audit evidence and report on every call
    #[command(after_help = EXIT_STATUS, after_long_help = format!("{EXAMPLES}\n\n{EXIT_STATUS}"))]
    Audit(Audit),

    /// Show one leg: its messages as a ladder, its consent over time, its requests, its verdict and why
    #[command(after_help = SHOW_EXAMPLES)]
    Show(ShowLeg),

    /// Hold a report against its evidence: digests, settings, verdicts, bytes
    #[command(after_help = VERIFY_EXAMPLES)]
    Verify(Verify),

    /// Copy the evidence of some calls into a small folder that gives the same verdicts
    #[command(after_help = carve::EXIT_STATUS, after_long_help = format!("{}\n\n{}", carve::EXAMPLES, carve::EXIT_STATUS))]
    Carve(carve::Carve),

    /// Propose a configuration from what the INVITEs of the evidence show
    #[command(after_help = INIT_EXAMPLES)]
    Init(Init),

    /// Print the JSON Schema of the report
    #[command(after_help = SCHEMA_EXAMPLES)]
    Schema,

    /// Print a shell's completion script
    #[command(after_help = COMPLETIONS_EXAMPLES)]
    Completions {
        /// The shell to complete in
        shell: clap_complete::Shell,
    },

    /// Print the manual page of the program, or of one command
    #[command(after_help = MAN_EXAMPLES)]
    Man {
        /// A command, such as audit [default: the whole program]
        #[arg(value_name = "COMMAND")]
        command: Option<String>,
    },
}

/// What every command that reads evidence takes.
#[derive(Args, Debug)]
pub(super) struct Reading {
    /// Captures, access logs and exports of the platform: files, folders, or - for standard input
    ///
    /// Captures are pcap, pcapng or snoop; access logs those of most servers, proxies and gateways, HAR and other JSON
    /// documents too; each plain or compressed (gzip, zstd, bzip2, xz, LZ4). What a file is, is decided by its content,
    /// never by its name. Folders are walked whole.
    #[arg(required = true, value_name = "EVIDENCE", value_hint = ValueHint::AnyPath)]
    pub(super) evidence: Vec<PathBuf>,

    /// Trunks, consent rules, identifiers and log fields, in TOML [default: built-in rules]
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Reading")]
    pub(super) config: Option<PathBuf>,

    /// Only calls that began at this time or later, such as 2026-03-02T10:00:00Z; their requests follow them
    #[arg(long, value_name = "TIME", value_parser = instant, help_heading = "Reading")]
    pub(super) from: Option<Timestamp>,

    /// Only calls that began before this time
    #[arg(long, value_name = "TIME", value_parser = instant, help_heading = "Reading")]
    pub(super) to: Option<Timestamp>,

    /// How far the logs' clock may run behind the captures', such as 500ms or 1m30s
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = clock_skew)]
    #[arg(allow_hyphen_values = true, help_heading = "Reading")]
    pub(super) clock_skew: ClockSkew,

    /// Zone of log times that carry none: a name such as Asia/Singapore, or ±HH:MM [default: UTC, and said]
    #[arg(long, value_name = "TZ", value_parser = timezone)]
    #[arg(allow_hyphen_values = true, help_heading = "Reading")]
    pub(super) log_timezone: Option<Timezone>,

    #[command(flatten)]
    pub(super) running: Running,
}

/// How a command that reads evidence runs.
#[derive(Args, Debug)]
pub(super) struct Running {
    /// Worker threads [default: all cores]
    #[arg(short = 'j', long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    #[arg(help_heading = "Reading")]
    threads: Option<u16>,

    /// Show no progress; it is shown on a terminal only, when a run takes long
    #[arg(long, help_heading = "Reading")]
    no_progress: bool,

    /// Fail when what must be kept of the evidence takes more memory than this, such as 800M or 4G [default: no limit]
    #[arg(long, value_name = "SIZE", value_parser = size, help_heading = "Reading")]
    memory_limit: Option<u64>,
}

impl Running {
    /// The worker threads; `None` for one each core.
    pub(super) fn threads(&self) -> Option<usize> {
        self.threads.map(usize::from)
    }

    /// The bytes that may be kept of the evidence; `None` for any number.
    pub(super) fn memory_limit(&self) -> Option<u64> {
        self.memory_limit
    }

    /// Whether progress may be shown; a command that was asked to be `quiet` shows none.
    pub(super) fn shows_progress(&self, quiet: bool) -> bool {
        !self.no_progress && !quiet
    }
}

impl Reading {
    /// How the evidence is read and judged.
    pub(super) fn settings(&self) -> Result<Settings, Error> {
        let mut settings = match &self.config {
            Some(path) => Settings::read(path)?,
            None => Settings::default(),
        };
        settings.clock_skew_ns = self.clock_skew.0;
        settings.from = self.from;
        settings.to = self.to;
        settings.log_timezone = self.log_timezone.clone();
        settings.memory_limit = self.running.memory_limit();
        Ok(settings)
    }

    /// Whether the time range can hold a call; or what is wrong with it.
    pub(super) fn range(&self) -> Result<(), String> {
        match (self.from, self.to) {
            (Some(from), Some(to)) if from.ns >= to.ns => {
                Err("--from is not before --to: no call can have begun in that range".to_owned())
            }
            _ => Ok(()),
        }
    }
}

/// The options of `show`.
#[derive(Args, Debug)]
pub(super) struct ShowLeg {
    /// The Call-ID of the leg as reports show it, or its beginning where that names one only
    #[arg(value_name = "CALL-ID")]
    pub(super) call_id: String,

    #[command(flatten)]
    pub(super) reading: Reading,

    /// List every pointer, request and RTP flow
    #[arg(short, long, help_heading = "Report")]
    pub(super) verbose: bool,

    /// Colour; auto asks the terminal and NO_COLOR
    #[arg(long, value_enum, value_name = "WHEN", default_value_t = Color::Auto, help_heading = "Report")]
    pub(super) color: Color,
}

/// The options of `verify`.
#[derive(Args, Debug)]
pub(super) struct Verify {
    /// The report, as --format json wrote it
    #[arg(value_name = "REPORT", value_hint = ValueHint::FilePath)]
    pub(super) report: PathBuf,

    /// The evidence, named as it was for the report: files, folders, or - for standard input
    #[arg(required = true, value_name = "EVIDENCE", value_hint = ValueHint::AnyPath)]
    pub(super) evidence: Vec<PathBuf>,

    /// The configuration of a redacted report, which itself holds pseudonyms only
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(super) config: Option<PathBuf>,

    /// The key that a redacted report was made with
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(super) redact_key: Option<PathBuf>,

    #[command(flatten)]
    pub(super) running: Running,
}

/// The options of `init`.
#[derive(Args, Debug)]
pub(super) struct Init {
    /// Captures, access logs and exports of the platform: files, folders, or - for standard input
    #[arg(required = true, value_name = "EVIDENCE", value_hint = ValueHint::AnyPath)]
    pub(super) evidence: Vec<PathBuf>,

    /// Write the configuration there, if nothing is there yet [default: standard output]
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(super) output: Option<PathBuf>,

    #[command(flatten)]
    pub(super) running: Running,
}

/// The options of `audit`.
#[derive(Args, Debug)]
pub(super) struct Audit {
    #[command(flatten)]
    pub(super) reading: Reading,

    /// Digest of every input, in the report's evidence list
    #[arg(long, value_enum, default_value_t = Hash::Sha256, help_heading = "Reading")]
    pub(super) hash: Hash,

    /// Make anomalies in the evidence count as not complete: exit status 2
    #[arg(long, help_heading = "Reading")]
    pub(super) strict: bool,

    /// Format of the report [default: by the ending of --output, else text]
    #[arg(short, long, value_enum, help_heading = "Report")]
    pub(super) format: Option<Format>,

    /// Write the report there, whole or not at all; may be repeated [default: standard output]
    ///
    /// The ending of the name says the format (.html, .json, .ndjson, .csv, .md; any other is text) unless --format does.
    /// - is standard output.
    #[arg(short, long, value_name = "FILE", action = ArgAction::Append, value_hint = ValueHint::FilePath)]
    #[arg(help_heading = "Report")]
    pub(super) output: Vec<PathBuf>,

    /// Keep the records of logs and exports that gave nothing there, each with its place, reason and bytes
    ///
    /// One JSON object a line, whole or not at all. The bytes stay as they are, secrets too: not with --redact.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with = "redact")]
    #[arg(help_heading = "Report")]
    pub(super) rejects: Option<PathBuf>,

    /// Legs to list [default: findings; for json, ndjson and csv, and with --only, all]
    #[arg(long, value_enum, help_heading = "Report")]
    pub(super) show: Option<Listed>,

    /// List only legs of this verdict, such as exposed_unconsented; may be repeated, or several with commas
    ///
    /// The figures and the exit status stay those of the whole evidence; the report says what it leaves out.
    #[arg(long, value_name = "VERDICT", value_delimiter = ',', value_parser = verdict, help_heading = "Report")]
    pub(super) only: Vec<&'static str>,

    /// List only legs on the trunk of this name in the configuration; may be repeated
    #[arg(long, value_name = "NAME", action = ArgAction::Append, help_heading = "Report")]
    pub(super) trunk: Vec<String>,

    /// Write parties, numbers, addresses, identifiers and names as keyed pseudonyms that stay joinable
    ///
    /// Without --redact-key the key is random and kept nowhere: pseudonyms of two runs cannot be joined then.
    #[arg(long, help_heading = "Report")]
    pub(super) redact: bool,

    /// The key of --redact: any file of 16 bytes or more; the same key gives the same pseudonyms
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, requires = "redact", help_heading = "Report")]
    pub(super) redact_key: Option<PathBuf>,

    /// In text, list every pointer, request and RTP flow, whole digests, and the other legs like findings
    #[arg(short, long, help_heading = "Report")]
    pub(super) verbose: bool,

    /// Colour in text reports; auto asks the terminal and NO_COLOR
    #[arg(long, value_enum, value_name = "WHEN", default_value_t = Color::Auto, help_heading = "Report")]
    pub(super) color: Color,

    /// Nothing but errors on standard error
    #[arg(short, long, help_heading = "Report")]
    pub(super) quiet: bool,
}

/// The format of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For people, on a terminal
    Text,
    /// For programs, everything in it
    Json,
    /// For programs that read line by line: one for each leg, last the rest
    Ndjson,
    /// For spreadsheets: one media stream a row
    Csv,
    /// For tickets and wikis
    #[value(alias = "md")]
    Markdown,
    /// For people, in a browser: one file with tables, ladder diagrams and the evidence behind each claim
    Html,
}

/// `--show`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Listed {
    /// Legs with a finding
    Findings,
    /// Legs on BYOC trunks
    Byoc,
    /// Every leg
    All,
}

/// `--hash`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Hash {
    Sha256,
    Blake3,
    None,
}

/// `--color`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Color {
    Auto,
    Always,
    Never,
}

/// A clock skew in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ClockSkew(pub(super) i64);

impl From<Listed> for Show {
    fn from(listed: Listed) -> Self {
        match listed {
            Listed::All => Self::All,
            Listed::Byoc => Self::Byoc,
            Listed::Findings => Self::Findings,
        }
    }
}

impl From<Hash> for HashKind {
    fn from(hash: Hash) -> Self {
        match hash {
            Hash::Blake3 => Self::Blake3,
            Hash::None => Self::None,
            Hash::Sha256 => Self::Sha256,
        }
    }
}

/// The widest skew that is taken for one: a day, more than any two time zones are apart.
const WIDEST_SKEW: jiff::SignedDuration = jiff::SignedDuration::from_hours(26);

fn clock_skew(text: &str) -> Result<ClockSkew, String> {
    if text == "0" {
        return Ok(ClockSkew(0));
    }
    let Ok(duration) = text.parse::<jiff::SignedDuration>() else {
        return Err("write a duration with its unit, such as 2s, 500ms, 1m30s, or 0".to_owned());
    };
    if duration.is_negative() {
        return Err("a skew is 0 or more".to_owned());
    }
    match i64::try_from(duration.as_nanos()) {
        Ok(ns) if duration <= WIDEST_SKEW => Ok(ClockSkew(ns)),
        _ => Err("a skew is 26h at most, as far as time zones are apart; is it --log-timezone you want?".to_owned()),
    }
}

fn verdict(text: &str) -> Result<&'static str, String> {
    let known = Verdicts::default().named().map(|(name, _)| name);
    let found = known.into_iter().find(|name| *name == text);
    found.ok_or_else(|| format!("no verdict has this name; the verdicts are {}", known.join(", ")))
}

/// A number of bytes, or of the 1024ths that `K`, `M`, `G` and `T` stand for.
fn size(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|last: char| last.is_ascii_alphabetic());
    let shift = match text.get(digits.len()..).unwrap_or_default().to_ascii_uppercase().as_str() {
        "" | "B" => 0,
        "K" | "KB" | "KIB" => 10,
        "M" | "MB" | "MIB" => 20,
        "G" | "GB" | "GIB" => 30,
        "T" | "TB" | "TIB" => 40,
        _ => return Err("write a number with K, M, G or T behind it, such as 800M or 4G".to_owned()),
    };
    let number: u64 = digits.parse().ok().ok_or("write a whole number of bytes, such as 800M or 4G")?;
    number
        .checked_mul(1 << shift)
        .filter(|bytes| *bytes > 0)
        .ok_or_else(|| "no machine has so much, or so little".to_owned())
}

fn instant(text: &str) -> Result<Timestamp, String> {
    text.parse()
}

fn timezone(text: &str) -> Result<Timezone, String> {
    text.parse()
}

/// A usage error of a command found after the arguments were read, in the words of its own.
pub(super) fn usage(command_name: &str, message: impl std::fmt::Display) -> clap::Error {
    let mut command = Cli::command();
    command.build();
    match command.find_subcommand_mut(command_name) {
        Some(named) => named.error(clap::error::ErrorKind::ValueValidation, message),
        None => command.error(clap::error::ErrorKind::ValueValidation, message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &str) -> Result<Audit, String> {
        let args = ["sipconsent", "audit"].into_iter().chain(args.split_whitespace());
        match Cli::try_parse_from(args) {
            Ok(Cli { command: Command::Audit(audit) }) => Ok(audit),
            Ok(_) => Err("another command".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn the_grammar_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn defaults_are_those_of_the_contract() {
        let audit = parse("evidence").expect("audit");
        assert_eq!(audit.reading.evidence, [PathBuf::from("evidence")]);
        assert_eq!(audit.reading.clock_skew, ClockSkew(2_000_000_000));
        assert_eq!(audit.reading.log_timezone, None);
        assert_eq!((audit.hash, audit.color), (Hash::Sha256, Color::Auto));
        assert_eq!((audit.format, audit.show, audit.reading.running.threads()), (None, None, None));
        assert!(
            !audit.strict
                && !audit.quiet
                && !audit.verbose
                && audit.output.is_empty()
                && audit.reading.config.is_none()
        );
    }

    #[test]
    fn every_option_is_taken() {
        let audit = parse(
            "-c site.toml -f json -o a.json --output b --show byoc --clock-skew 1m30s --log-timezone -03:30 --hash blake3 \
             -j 4 --strict --color never -q -v --no-progress a.pcap - dir",
        )
        .expect("audit");
        assert_eq!(audit.reading.evidence.len(), 3);
        assert_eq!(audit.reading.config, Some(PathBuf::from("site.toml")));
        assert_eq!(audit.output, [PathBuf::from("a.json"), PathBuf::from("b")]);
        assert_eq!((audit.format, audit.show), (Some(Format::Json), Some(Listed::Byoc)));
        assert_eq!((audit.reading.clock_skew, audit.reading.running.threads()), (ClockSkew(90_000_000_000), Some(4)));
        assert_eq!(audit.reading.log_timezone.map(|zone| zone.name).as_deref(), Some("-03:30"));
        assert!(audit.strict && audit.quiet && audit.verbose && !audit.reading.running.shows_progress(false));
        assert_eq!((audit.hash, audit.color), (Hash::Blake3, Color::Never));
    }

    #[test]
    fn durations_say_their_unit() {
        let skew = |text: &str| clock_skew(text).map(|skew| skew.0);
        assert_eq!(skew("0"), Ok(0));
        assert_eq!(skew("0s"), Ok(0));
        assert_eq!(skew("2s"), Ok(2_000_000_000));
        assert_eq!(skew("500ms"), Ok(500_000_000));
        assert_eq!(skew("1m30s"), Ok(90_000_000_000));
        assert_eq!(skew("1.5s"), Ok(1_500_000_000));
        assert_eq!(skew("8h"), Ok(8 * 3_600_000_000_000));
        for wrong in ["", "2", "s", "2x", "two", "-2s", "2s ago", "27h", "9999999999h"] {
            assert!(skew(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn wrong_usage_says_what_would_be_right() {
        for (args, expected) in [
            ("", "<EVIDENCE>..."),
            ("-j 0 x", "0 is not in 1..=65535"),
            ("-f pdf x", "[possible values: text, json, ndjson, csv, markdown, html]"),
            ("--only exposed x", "the verdicts are not_byoc, unclassified,"),
            ("--show none x", "[possible values: findings, byoc, all]"),
            ("--clock-skew 2 x", "write a duration with its unit, such as 2s"),
            ("--log-timezone Mars x", "`Mars` is no time zone; write a name such as Asia/Singapore"),
            ("--redact-key k x", "--redact"),
        ] {
            let error = parse(args).expect_err(args);
            assert!(error.contains(expected), "{args}: {error}");
        }
        assert!(usage("audit", "no").to_string().contains("Usage: sipconsent audit [OPTIONS] <EVIDENCE>..."));
    }
}
