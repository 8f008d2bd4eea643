//! `sipconsent carve`: the evidence of some calls, as a small folder of its own.

use std::io::Write;
use std::path::PathBuf;

use clap::{ArgGroup, Args, ValueEnum, ValueHint};

use super::args::{self, Reading};
use super::progress::watch;
use super::run::{Stop, complain, line};
use super::{Outcome, Stream};
use crate::carve::{self, Carved, Order, Wanted};

pub(super) const EXIT_STATUS: &str = "\
Exit status:
  0  carved, and the folder gives every carved leg the verdict it has in the
     whole evidence
  2  not carved (usage, configuration, unreadable evidence, an unknown Call-ID,
     a folder that cannot be written), or carved and some verdict differs
  3  nothing to carve: no finding";

pub(super) const EXAMPLES: &str = "\
Examples:
  One call, to hand to the carrier:
      sipconsent carve -c site.toml --call 8f3a@203.0.113.10 -o handover incident/
  All findings, with the sound of the calls left out:
      sipconsent carve -c site.toml --findings -o findings incident/";

/// The options of `carve`.
#[derive(Args, Debug)]
#[command(group = ArgGroup::new("calls").required(true))]
pub(super) struct Carve {
    #[command(flatten)]
    reading: Reading,

    /// The call of this leg, by its Call-ID as reports show it; may be repeated
    ///
    /// The other legs of its call come with it, and legs that it replaces: the verdict rests on them too.
    #[arg(long, value_name = "CALL-ID", group = "calls", help_heading = "Carving")]
    call: Vec<String>,

    /// Every call with a finding
    #[arg(long, group = "calls", conflicts_with = "call", help_heading = "Carving")]
    findings: bool,

    /// What of media packets is copied: the RTP headers that were counted, nothing, or all
    #[arg(long, value_enum, default_value_t = Media::Headers, help_heading = "Carving")]
    media: Media,

    /// The folder to fill: a new one, or an empty one
    ///
    /// It gets calls.pcapng (each packet with a comment that names its file and number), the records of the logs that
    /// are bound to the calls, under the names of their logs, and manifest.json.
    #[arg(short, long, value_name = "DIR", value_hint = ValueHint::DirPath, help_heading = "Carving")]
    output: PathBuf,

    /// Nothing but errors on standard error
    #[arg(short, long, help_heading = "Carving")]
    quiet: bool,
}

/// `--media`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Media {
    /// Up to the end of the RTP header
    Headers,
    /// No media packets; verdicts may then differ
    None,
    /// As captured
    Whole,
}

impl From<Media> for carve::Media {
    fn from(media: Media) -> Self {
        match media {
            Media::Headers => Self::Headers,
            Media::None => Self::None,
            Media::Whole => Self::Whole,
        }
    }
}

pub(super) fn run<E: Write + Send>(args: &Carve, err: &mut Stream<E>) -> Result<Outcome, Stop> {
    let usage = |message: String| Stop::Usage(args::usage("carve", message));
    args.reading.range().map_err(usage)?;
    if args.reading.evidence.iter().any(|path| path.as_os_str() == "-") {
        return Err(usage("carving reads the evidence twice; name a file instead of standard input (-)".to_owned()));
    }
    let wanted = if args.findings { Wanted::Findings } else { Wanted::Calls(args.call.clone()) };
    let settings = args.reading.settings()?;
    let running = &args.reading.running;
    let carved = watch(err, running.shows_progress(args.quiet), |progress, _| {
        let order = Order {
            evidence: &args.reading.evidence,
            settings: &settings,
            threads: running.threads(),
            wanted: &wanted,
            media: args.media.into(),
            progress,
        };
        carve::carve(&order, &args.output)
    })?;
    for failure in &carved.audit.failures {
        complain(err, failure);
    }
    for call_id in &carved.unknown {
        line(err, &format!("sipconsent: no leg has the Call-ID {call_id}; audit --show all lists every one"));
    }
    if !carved.legs.is_empty() && !args.quiet {
        line(err, &format!("sipconsent: {}", figures(&carved, args)));
    }
    for leg in carved.legs.iter().filter(|leg| !leg.is_same()) {
        let call_id = leg.call_id.lossless().0;
        let after = leg.carved.unwrap_or("no leg");
        line(err, &format!("sipconsent: {call_id} is {} in the whole evidence, {after} in the carved", leg.verdict));
    }
    Ok(if !carved.audit.failures.is_empty() || !carved.unknown.is_empty() || !carved.is_same() {
        Outcome::Incomplete
    } else if carved.legs.is_empty() {
        if !args.quiet {
            line(err, "sipconsent: no leg has a finding; nothing is carved");
        }
        Outcome::Undecided
    } else {
        Outcome::Clear
    })
}

/// What was carved, in one line.
fn figures(carved: &Carved, args: &Carve) -> String {
    let count = |count: u64, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    let legs = count(carved.legs.len() as u64, "leg");
    let (packets, records) = (count(carved.packets, "packet"), count(carved.records, "log record"));
    let same = if carved.is_same() { "the same verdicts as in the whole evidence" } else { "not the same verdicts" };
    format!("{legs}, {packets} and {records} carved into {}; {same}", args.output.display())
}
