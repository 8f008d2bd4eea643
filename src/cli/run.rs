//! One run of the program, from its arguments to its outcome.

use std::error::Error as _;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use clap::Parser as _;

use super::args::{self, Audit, Cli, Color, Command, Reading};
use super::output::{Look, Output};
use super::progress::watch;
use super::{Outcome, Stream, carve, init, manual, show, verify};
use crate::error::Error;
use crate::evidence;
use crate::pipeline::{self, Beside};
use crate::report::calls::{Calls, Whole};
use crate::report::escape;
use crate::report::messages::Wanted;
use crate::report::model::{Leg, Report};
use crate::report::own;
use crate::report::redact::{self, Key};
use crate::report::rejects;
use crate::report::show::Mark;
use crate::report::write::Destination;
use crate::settings::Settings;

/// Runs the program with its arguments, the program's own name first.
///
/// Reports go to `out` or to files, everything else to `err`. A reader of `out` that went away is no failure.
pub fn run<O: Write + Send, E: Write + Send>(
    args: impl IntoIterator<Item = OsString>,
    out: &mut Stream<O>,
    err: &mut Stream<E>,
) -> Outcome {
    run_with(args, out, err, |evidence, settings, threads, beside, then| {
        pipeline::audit_and(evidence, settings, threads, beside, then)
    })
}

type Auditor = fn(&[PathBuf], &Settings, Option<usize>, Beside<'_>, Then<'_>) -> Result<(), Error>;

/// What is done with an audit.
type Then<'t> = Box<dyn FnOnce(pipeline::Audit, &dyn Calls) + Send + 't>;

fn run_with<O: Write + Send, E: Write + Send>(
    args: impl IntoIterator<Item = OsString>,
    out: &mut Stream<O>,
    err: &mut Stream<E>,
    auditor: Auditor,
) -> Outcome {
    let outcome = match Cli::try_parse_from(args) {
        Ok(Cli { command }) => match command {
            Command::Audit(args) => audit(&args, out, err, auditor),
            Command::Carve(args) => carve::run(&args, err),
            Command::Show(args) => show::show(&args, out, err),
            Command::Verify(args) => verify::verify(&args, out, err),
            Command::Init(args) => init::init(&args, out, err),
            Command::Schema => manual::schema(out),
            Command::Completions { shell } => manual::completions(shell, out),
            Command::Man { command } => manual::page(command.as_deref(), out),
        },
        Err(error) => Err(Stop::Usage(error)),
    };
    match outcome {
        Ok(outcome) => outcome,
        Err(Stop::Error(error)) => {
            complain(err, &error);
            Outcome::Incomplete
        }
        Err(Stop::Usage(error)) if error.use_stderr() => {
            say(err, &error);
            Outcome::Incomplete
        }
        // Help or version, asked for.
        Err(Stop::Usage(error)) => {
            let text = rendered(&error, out.color);
            match to_stdout(&mut out.to, |to| to.write_all(text.as_bytes())) {
                Ok(()) => Outcome::Clear,
                Err(error) => {
                    complain(err, &error);
                    Outcome::Incomplete
                }
            }
        }
    }
}

/// What ends a run before there is a report.
pub(super) enum Stop {
    Error(Error),
    Usage(clap::Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

fn audit<O: Write + Send, E: Write + Send>(
    args: &Audit,
    out: &mut Stream<O>,
    err: &mut Stream<E>,
    auditor: Auditor,
) -> Result<Outcome, Stop> {
    let usage = |message: String| Stop::Usage(args::usage("audit", message));
    let outputs = Output::all(args).map_err(usage)?;
    args.reading.range().map_err(usage)?;
    if args.reading.evidence.iter().filter(|path| path.as_os_str() == "-").count() > 1 {
        return Err(usage("standard input (-) is named twice".to_owned()));
    }
    let settings = Settings { hash: args.hash.into(), ..args.reading.settings()? };
    known_trunks(args, &settings).map_err(usage)?;
    let key = redaction(args)?;
    let destinations = destinations(args, &outputs)?;
    let kept = rejects_destination(args, &destinations)?;

    let shows_messages = |leg: &Leg| outputs.iter().any(|output| output.shows_messages(leg));
    let needs_messages = outputs.iter().any(Output::needs_messages);
    let needs_row = |mark: &Mark<'_>| outputs.iter().any(|output| output.needs_row(mark));
    let asks_row = |mark: &Mark<'_>| outputs.iter().any(|output| output.asks_row(mark));
    let wanted = Wanted {
        messages: needs_messages.then_some(&shows_messages as _),
        // What a report says elsewhere of a leg without a row would not be made a pseudonym.
        rows: key.is_none().then_some(&needs_row as _),
        written: key.is_none().then_some(&asks_row as _),
    };
    let Reading { evidence, running, .. } = &args.reading;
    let keeps_rejects = kept.is_some();
    let mut outcome = Outcome::Incomplete;
    watch(err, running.shows_progress(args.quiet), |progress, watched| {
        let beside = Beside { wanted, rejects: keeps_rejects, progress: Some(progress) };
        let write = |audit: pipeline::Audit, calls: &dyn Calls| {
            let reports = Reports { args, outputs: &outputs, destinations, rejects: kept, key: key.as_ref() };
            watched.end(|err| outcome = reports.write(audit, calls, (out, err)));
        };
        auditor(evidence, &settings, running.threads(), beside, Box::new(write))
    })?;
    Ok(outcome)
}

/// The reports that are written of an audit.
struct Reports<'a> {
    args: &'a Audit,
    outputs: &'a [Output],
    /// Of each output.
    destinations: Vec<Option<Destination>>,
    rejects: Option<Destination>,
    /// Of pseudonyms.
    key: Option<&'a Key>,
}

impl Reports<'_> {
    /// Writes them, and says what went wrong.
    fn write<O: Write + Send, E: Write>(
        self,
        audit: pipeline::Audit,
        calls: &dyn Calls,
        (out, err): (&mut Stream<O>, &mut Stream<E>),
    ) -> Outcome {
        let Self { args, outputs, destinations, rejects: kept, key } = self;
        let pipeline::Audit { mut report, failures, rejects } = audit;
        for failure in &failures {
            complain(err, failure);
        }
        let anomalies = report.evidence.iter().flat_map(|source| &source.anomalies);
        let anomalies: u64 = anomalies.map(|anomaly| anomaly.count).sum();
        let strict = args.strict && anomalies > 0;
        if strict {
            let word = if anomalies == 1 { "anomaly" } else { "anomalies" };
            let text = format!("the evidence has {anomalies} {word}, listed in the report, and --strict is given");
            line(err, &format!("sipconsent: {text}"));
        }
        let mut outcome = Outcome::of(&report, failures.is_empty() && !strict);
        let mut outputs = outputs.to_vec();
        if let Some(key) = key {
            redact::redact(&mut report, key);
            outputs.iter_mut().for_each(|output| redact::names(&mut output.listing.trunks, key));
        }
        // Rows that name pseudonyms are held.
        let calls = if key.is_some() { &report.calls } else { calls };
        let whole = Whole { report: &report, calls };
        let closing = outcome.meaning();
        let mut written = Vec::new();
        for (output, destination) in outputs.iter().zip(destinations) {
            let result = match destination {
                Some(destination) => {
                    let color = args.color == Color::Always;
                    let look = Look { width: None, color, verbose: args.verbose, closing };
                    let name = output.path.as_ref().map(|path| path.display().to_string());
                    destination.write(|to| output.render(whole, look, to)).map(|()| written.extend(name))
                }
                None => {
                    let color = colored(args.color, out.color);
                    let look = Look { width: out.width, color, verbose: args.verbose, closing };
                    to_stdout(&mut out.to, |to| output.render(whole, look, to))
                }
            };
            if let Err(error) = result {
                complain(err, &error);
                outcome = Outcome::Incomplete;
            }
        }
        if let Some((destination, rejects)) = kept.zip(rejects) {
            match destination.write(|to| rejects::write(rejects, &report.generator, &report.evidence, to)) {
                Ok(()) => written.extend(args.rejects.as_ref().map(|path| path.display().to_string())),
                Err(error) => {
                    complain(err, &error);
                    outcome = Outcome::Incomplete;
                }
            }
        }
        if !args.quiet && !written.is_empty() {
            line(err, &format!("sipconsent: {}; written to {}", figures(&report), written.join(", ")));
        }
        // The process ends. Giving back hundred thousands of rows one by one would make it wait.
        std::mem::forget(report);
        outcome
    }
}

/// The key of `--redact`: that of the file named, else a random one that nobody keeps.
fn redaction(args: &Audit) -> Result<Option<Key>, Stop> {
    match &args.redact_key {
        _ if !args.redact => Ok(None),
        Some(path) => key_of("audit", path).map(Some),
        None => {
            let mut bytes = vec![0; 32];
            let random = getrandom::fill(&mut bytes);
            random
                .map_err(|error| Error::ReadKey { path: PathBuf::from("(random)"), cause: io::Error::other(error) })?;
            Ok(Key::new(bytes))
        }
    }
}

/// The key in a file, for this command.
pub(super) fn key_of(command: &str, path: &Path) -> Result<Key, Stop> {
    let bytes = std::fs::read(path).map_err(|cause| Error::ReadKey { path: path.to_owned(), cause })?;
    let found = bytes.len();
    Key::new(bytes).ok_or_else(|| {
        let few = format!("--redact-key holds {found} bytes; a key has {} or more", Key::FEWEST_BYTES);
        Stop::Usage(args::usage(command, few))
    })
}

/// Whether every `--trunk` names one of the configuration; or what would be right.
fn known_trunks(args: &Audit, settings: &Settings) -> Result<(), String> {
    let known: Vec<&str> = settings.trunks.iter().map(|trunk| trunk.name.as_str()).collect();
    match args.trunk.iter().find(|name| !known.contains(&name.as_str())) {
        None => Ok(()),
        Some(name) => Err(format!("--trunk {name}: no trunk has this name; the trunks are {}", known.join(", "))),
    }
}

/// Every file that will be written, tried before any evidence is read: of each output its own, if it has any.
fn destinations(args: &Audit, outputs: &[Output]) -> Result<Vec<Option<Destination>>, Stop> {
    let mut destinations = Vec::with_capacity(outputs.len());
    for output in outputs {
        let path = output.path.as_ref();
        let destination = path.map(|path| destination(args, ("--output", path), &destinations)).transpose()?;
        destinations.push(destination);
    }
    Ok(destinations)
}

/// The file that rejects will be written to, if any, tried as the reports' are.
fn rejects_destination(args: &Audit, outputs: &[Option<Destination>]) -> Result<Option<Destination>, Stop> {
    match &args.rejects {
        None => Ok(None),
        Some(path) if path.as_os_str() == "-" => {
            let message = "--rejects names a file; standard output is the report's".to_owned();
            Err(Stop::Usage(args::usage("audit", message)))
        }
        Some(path) => destination(args, ("--rejects", path), outputs).map(Some),
    }
}

/// The file at `path`, which `option` names; no evidence, no configuration, and none of those named before.
fn destination(
    args: &Audit,
    (option, path): (&str, &Path),
    others: &[Option<Destination>],
) -> Result<Destination, Stop> {
    let destination = Destination::open(path)?;
    let refuse = |reason: &str| {
        let message = format!("{option} {} {reason}; name another file", path.display());
        Err(Stop::Usage(args::usage("audit", message)))
    };
    if args.reading.evidence.iter().any(|evidence| destination.replaces(evidence)) {
        return refuse("is evidence itself");
    }
    if is_among_evidence(&destination, path, &args.reading.evidence) {
        return refuse("lies among the evidence and is no report of sipconsent");
    }
    if args.reading.config.iter().any(|config| destination.replaces(config)) {
        return refuse("is the configuration");
    }
    if others.iter().flatten().any(|known| known.is_same(&destination)) {
        return refuse("is given twice");
    }
    Ok(destination)
}

/// Whether a report would replace a file of a folder of evidence that is none of this program's own reports. What cannot
/// be listed or opened is told when it is read.
fn is_among_evidence(destination: &Destination, path: &Path, evidence: &[PathBuf]) -> bool {
    if !path.metadata().is_ok_and(|found| found.is_file()) {
        return false;
    }
    let mut head = Vec::new();
    let read = File::open(path).and_then(|file| file.take(own::OPENING as u64).read_to_end(&mut head));
    if read.is_err() || head.is_empty() || own::is_own(&head) {
        return false;
    }
    let whole = (&evidence::Progress::default(), evidence::Phase::Reading);
    let sources = evidence::collect(evidence, whole).unwrap_or_default();
    sources.iter().filter_map(|source| source.path.as_deref()).any(|source| destination.replaces(source))
}

/// Whether to use colour, given what the stream's reader wants.
pub(super) fn colored(asked: Color, wanted: bool) -> bool {
    match asked {
        Color::Always => true,
        Color::Auto => wanted,
        Color::Never => false,
    }
}

/// Writes to standard output. A reader that went away has seen enough.
pub(super) fn to_stdout(
    out: &mut (impl Write + Send),
    render: impl FnOnce(&mut (dyn Write + Send)) -> io::Result<()>,
) -> Result<(), Error> {
    let mut buffered = BufWriter::with_capacity(64 << 10, out);
    let result = render(&mut buffered).and_then(|()| buffered.flush());
    // What a broken stream did not take is not tried again when the buffer goes.
    let (out, _) = buffered.into_parts();
    match result.and_then(|()| out.flush()) {
        Err(cause) if cause.kind() != io::ErrorKind::BrokenPipe => Err(Error::of_writing(None, cause)),
        _ => Ok(()),
    }
}

/// The report in one line.
fn figures(report: &Report) -> String {
    let summary = &report.summary;
    let plural = |count: u64| if count == 1 { "" } else { "s" };
    let (findings, open) = (summary.verdicts.findings(), summary.verdicts.indeterminate);
    format!(
        "{findings} finding{}, {open} undecided leg{} among {} on BYOC trunks",
        plural(findings),
        plural(open),
        summary.byoc_legs
    )
}

/// An error on one line: what failed, its causes, and what to do where that helps.
pub(super) fn complain<W: Write>(err: &mut Stream<W>, error: &Error) {
    let mut text = format!("sipconsent: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    if let Some(hint) = hint(error) {
        text.push_str(&format!(" ({hint})"));
    }
    line(err, &text);
}

fn hint(error: &Error) -> Option<&'static str> {
    match error {
        Error::Open { cause, .. } if cause.kind() == io::ErrorKind::NotFound => {
            Some("evidence is named as files, folders, or - for standard input")
        }
        Error::Open { cause, .. } if cause.kind() == io::ErrorKind::PermissionDenied => {
            Some("whoever runs this may not read it; give the right and run again, the rest was read all the same")
        }
        Error::ReadConfig { cause, .. } if cause.kind() == io::ErrorKind::NotFound => {
            Some("without --config the built-in rules hold")
        }
        Error::ReadKey { .. } => Some("without --redact-key a random key is taken"),
        Error::Unrecognised { .. } => {
            Some("in a folder that is named it would be listed as unrecognised and passed over")
        }
        Error::Carve { cause, .. } if cause.kind() == io::ErrorKind::DirectoryNotEmpty => {
            Some("carving fills a new folder")
        }
        Error::MemoryLimit { .. } => {
            Some("give it more, or less evidence at a time: calls of one day, with their requests")
        }
        Error::Threads { .. } => Some("try fewer --threads"),
        Error::ReadReport { .. } => Some("verify takes a report of --format json"),
        Error::SetAside { .. } => Some("TMPDIR names the folder of temporary files; what they hold needs room there"),
        Error::Carve { .. }
        | Error::Config { .. }
        | Error::Open { .. }
        | Error::ReadConfig { .. }
        | Error::Write { .. } => None,
    }
}

/// One line on standard error. Where that is gone too, nobody is left to tell.
pub(super) fn line<W: Write>(err: &mut Stream<W>, text: &str) {
    let _ = writeln!(err.to, "{}", escape::text(text));
}

/// Help, version or a usage error, as clap words them.
/// What the parser of arguments has to say.
fn rendered(error: &clap::Error, color: bool) -> String {
    let text = error.render();
    if color { text.ansi().to_string() } else { text.to_string() }
}

fn say<W: Write>(stream: &mut Stream<W>, error: &clap::Error) {
    let text = rendered(error, stream.color);
    let _ = stream.to.write_all(text.as_bytes()).and_then(|()| stream.to.flush());
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::report::calls::Render;
    use crate::report::model::Verdicts;
    use crate::report::sample;
    use crate::report::show::Listing;

    /// What the sample holds, and what else becomes of it; its calls are those that it holds.
    fn told(settings: &Settings, then: Then<'_>, change: impl FnOnce(&mut pipeline::Audit)) -> Result<(), Error> {
        let mut report = sample::incident();
        report.settings = settings.clone();
        let mut audit = pipeline::Audit { report, failures: Vec::new(), rejects: None };
        change(&mut audit);
        let calls = audit.report.calls.clone();
        then(audit, &calls);
        Ok(())
    }

    /// An auditor that finds what the sample holds.
    fn incident(
        _: &[PathBuf],
        settings: &Settings,
        _: Option<usize>,
        _: Beside<'_>,
        then: Then<'_>,
    ) -> Result<(), Error> {
        told(settings, then, |_| ())
    }

    /// One that finds nothing, in evidence without anomalies.
    fn clear(_: &[PathBuf], settings: &Settings, _: Option<usize>, _: Beside<'_>, then: Then<'_>) -> Result<(), Error> {
        told(settings, then, |audit| {
            audit.report.summary.verdicts = Verdicts { clear: 7, ..Verdicts::default() };
            audit.report.summary.requests.unbound_refusals = 0;
            audit.report.evidence.iter_mut().for_each(|source| source.anomalies.clear());
        })
    }

    /// One whose second source could not be read.
    fn failing(
        _: &[PathBuf],
        settings: &Settings,
        _: Option<usize>,
        _: Beside<'_>,
        then: Then<'_>,
    ) -> Result<(), Error> {
        told(settings, then, |audit| {
            audit.report.complete = false;
            let cause = io::Error::new(io::ErrorKind::PermissionDenied, "permission denied");
            audit.failures.push(Error::Open { path: PathBuf::from("b.pcap"), cause });
            audit.failures.push(Error::Unrecognised { path: PathBuf::from("no\x1btes.txt"), found: None });
        })
    }

    /// One that finds no evidence where it was named.
    fn missing(_: &[PathBuf], _: &Settings, _: Option<usize>, _: Beside<'_>, _: Then<'_>) -> Result<(), Error> {
        let cause = io::Error::new(io::ErrorKind::NotFound, "no such file");
        Err(Error::Open { path: PathBuf::from("none.pcap"), cause })
    }

    /// One that must not be asked.
    fn unasked(_: &[PathBuf], _: &Settings, _: Option<usize>, _: Beside<'_>, _: Then<'_>) -> Result<(), Error> {
        panic!("evidence is read though the run cannot succeed")
    }

    /// Exit status, standard output and standard error of a run.
    fn run(args: &[&str], auditor: Auditor) -> (u8, String, String) {
        let (mut out, mut err) = (Stream::plain(Vec::new()), Stream::plain(Vec::new()));
        let args = ["sipconsent"].iter().chain(args).map(OsString::from);
        let outcome = run_with(args, &mut out, &mut err, auditor);
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        (outcome.code(), text(out.to), text(err.to))
    }

    fn path(folder: &Path, name: &str) -> String {
        folder.join(name).to_string_lossy().into_owned()
    }

    #[test]
    fn the_report_goes_to_standard_output_and_nothing_beside_it() {
        let (status, out, err) = run(&["audit", "evidence"], incident);
        assert_eq!((status, err.as_str()), (1, ""));
        assert!(out.starts_with("Recording consent") && out.ends_with("Exit status 1: complete, with findings.\n"));
        let (status, out, err) = run(&["audit", "-f", "json", "evidence"], clear);
        assert_eq!((status, err.as_str()), (0, ""));
        assert!(out.starts_with("{\n  \"schema\"") && out.ends_with("}\n"));
    }

    #[test]
    fn colour_is_used_when_asked_for() {
        let (_, plain, _) = run(&["audit", "evidence"], incident);
        let (_, colored, _) = run(&["audit", "--color", "always", "evidence"], incident);
        assert!(!plain.contains('\x1b') && colored.contains('\x1b'));
    }

    #[test]
    fn reports_are_written_to_every_file_named() {
        let folder = tempfile::tempdir().expect("folder");
        let (json, text) = (path(folder.path(), "a.json"), path(folder.path(), "b.txt"));
        let (status, out, err) = run(&["audit", "-o", &json, "-o", &text, "evidence"], incident);
        let said =
            format!("sipconsent: 4 findings, 1 undecided leg among 7 on BYOC trunks; written to {json}, {text}\n");
        assert_eq!((status, out.as_str(), err), (1, "", said));
        assert!(fs::read_to_string(&json).expect("json").starts_with('{'));
        assert!(fs::read_to_string(&text).expect("text").starts_with("Recording consent"));
        let (status, out, err) = run(&["audit", "-q", "-o", &json, "-o", "-", "evidence"], clear);
        assert_eq!((status, err.as_str()), (0, ""));
        assert!(out.ends_with("every leg on BYOC trunks decided.\n"));
    }

    #[test]
    fn failures_are_told_and_the_report_is_written_all_the_same() {
        let (status, out, err) = run(&["audit", "a.pcap", "b.pcap", "notes.txt"], failing);
        assert_eq!(status, 2);
        assert!(out.contains("Exit status 2: "));
        let expected = "sipconsent: cannot open evidence b.pcap: permission denied (whoever runs this may not read it; give \
                        the right and run again, the rest was read all the same)\n\
                        sipconsent: no\\x1btes.txt: neither a capture (pcap, pcapng, snoop) nor an access log, a document \
                        of API requests or an export of the platform (in a folder that is named it would be listed as unrecognised and passed over)\n";
        assert_eq!(err, expected);
    }

    #[test]
    fn a_run_that_fails_leaves_the_older_report() {
        let folder = tempfile::tempdir().expect("folder");
        let report = path(folder.path(), "report.json");
        fs::write(&report, "old").expect("write");
        let (status, out, err) = run(&["audit", "-o", &report, "none.pcap"], missing);
        assert_eq!((status, out.as_str()), (2, ""));
        let expected = "sipconsent: cannot open evidence none.pcap: no such file (evidence is named as \
                        files, folders, or - for standard input)\n";
        assert_eq!(err, expected);
        assert_eq!(fs::read_to_string(&report).expect("read"), "old");
    }

    /// Calls that cannot be made any more.
    struct Lost;

    impl Calls for Lost {
        fn write(&self, _: &Listing, out: &mut (dyn Write + Send), _: &Render<'_>) -> io::Result<usize> {
            out.write_all(b"begun")?;
            Err(io::Error::other(Error::SetAside { cause: io::ErrorKind::UnexpectedEof.into() }))
        }

        fn listed(&self, _: &Listing) -> u64 {
            0
        }
    }

    /// An auditor whose temporary file is lost when it has concluded.
    fn losing(
        _: &[PathBuf],
        settings: &Settings,
        _: Option<usize>,
        _: Beside<'_>,
        then: Then<'_>,
    ) -> Result<(), Error> {
        told(settings, Box::new(|audit, _| then(audit, &Lost)), |_| ())
    }

    #[test]
    fn rows_that_cannot_be_made_leave_the_older_report_and_say_why() {
        let folder = tempfile::tempdir().expect("folder");
        let said = "sipconsent: cannot read again what was set aside in a temporary file: unexpected end of file \
                    (TMPDIR names the folder of temporary files; what they hold needs room there)\n";
        for format in ["json", "ndjson", "csv"] {
            let report = path(folder.path(), "report");
            fs::write(&report, "old").expect("write");
            let (status, out, err) = run(&["audit", "-f", format, "-o", &report, "x"], losing);
            assert_eq!((status, out.as_str(), err.as_str()), (2, "", said), "{format}");
            assert_eq!(fs::read_to_string(&report).expect("read"), "old", "{format}");
            let (status, out, err) = run(&["audit", "-f", format, "x"], losing);
            assert_eq!((status, out.ends_with("}\n"), err.as_str()), (2, false, said), "{format}");
        }
        // What asks for no row does not miss any.
        let (status, _, err) = run(&["audit", "x"], losing);
        assert_eq!((status, err.as_str()), (1, ""));
    }

    #[test]
    fn strict_makes_anomalies_count() {
        let (status, out, err) = run(&["audit", "--strict", "-q", "evidence"], incident);
        let said = "sipconsent: the evidence has 1 anomaly, listed in the report, and --strict is given\n";
        assert_eq!((status, err.as_str()), (2, said));
        assert!(out.contains("FINDINGS"));
        assert_eq!(run(&["audit", "--strict", "evidence"], clear).0, 0);
    }

    #[test]
    fn a_destination_that_cannot_be_costs_no_reading() {
        let folder = tempfile::tempdir().expect("folder");
        let evidence = path(folder.path(), "a.txt");
        fs::write(&evidence, "evidence").expect("write");
        let missing = path(folder.path(), "none/report.json");
        let same = path(folder.path(), "./a.txt");
        let name = folder.path().file_name().expect("name").to_string_lossy();
        let (one, other) = (path(folder.path(), "b.txt"), path(folder.path(), &format!("../{name}/b.txt")));
        fs::write(&one, "old").expect("write");
        for (output, expected) in [
            (vec![missing.as_str()], "its folder does not exist; create it first"),
            (vec![same.as_str()], "is evidence itself; name another file"),
            (vec![one.as_str(), other.as_str()], "is given twice; name another file"),
        ] {
            let mut args = vec!["audit", &evidence];
            output.iter().for_each(|output| args.extend(["-o", output]));
            let (status, out, err) = run(&args, unasked);
            assert_eq!((status, out.as_str()), (2, ""));
            assert!(err.contains(expected), "{err}");
        }
        assert_eq!(fs::read_to_string(&evidence).expect("read"), "evidence");
    }

    #[test]
    fn a_wrong_configuration_costs_no_reading() {
        let folder = tempfile::tempdir().expect("folder");
        let config = path(folder.path(), "site.toml");
        fs::write(&config, "[[trunk]]\nadress = 1\n").expect("write");
        let (status, out, err) = run(&["audit", "-c", &config, "evidence"], unasked);
        assert_eq!((status, out.as_str()), (2, ""));
        assert!(err.starts_with(&format!("sipconsent: {config}:2: unknown key `adress` in [[trunk]]; valid keys: ")));
        let none = path(folder.path(), "none.toml");
        let (status, _, err) = run(&["audit", "-c", &none, "evidence"], unasked);
        assert_eq!(status, 2);
        assert!(err.ends_with(" (without --config the built-in rules hold)\n"), "{err}");
    }

    #[test]
    fn options_reach_the_settings() {
        let (_, out, _) = run(
            &["audit", "-f", "json", "--clock-skew", "500ms", "--log-timezone", "+08:00", "--hash", "none", "x"],
            incident,
        );
        let report: serde_json::Value = serde_json::from_str(&out).expect("JSON");
        let expected = serde_json::json!({"from": null, "to": null, "clock_skew_s": 0.5, "log_timezone": "+08:00", "hash": "none"});
        assert_eq!(report["settings"]["options"], expected);
    }

    #[test]
    fn help_and_version_are_asked_for_and_wrong_usage_is_not() {
        let (status, out, err) = run(&["--version"], unasked);
        assert_eq!((status, err.as_str()), (0, ""));
        assert_eq!(out, format!("sipconsent {}\n", env!("CARGO_PKG_VERSION")));
        let (status, out, err) = run(&["audit", "--help"], unasked);
        assert_eq!((status, err.as_str()), (0, ""));
        assert!(out.contains("Examples:") && out.contains("Exit status:") && out.contains("--no-progress"));
        let backwards = ["audit", "--from", "2026-03-02T00:00:00Z", "--to", "2026-03-01T00:00:00Z", "x"];
        for args in [&[][..], &["audit"], &["audti", "x"], &["audit", "-", "-"], &["audit", "--bogus", "x"], &backwards]
        {
            let (status, out, err) = run(args, unasked);
            assert_eq!((status, out.as_str()), (2, ""), "{args:?}");
            assert!(err.contains("Usage: sipconsent"), "{err}");
        }
    }

    /// A stream that fails at once.
    struct Broken(io::ErrorKind);

    impl Write for Broken {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Err(self.0.into())
        }
    }

    #[test]
    fn a_reader_that_went_away_is_no_failure_but_a_full_disk_is() {
        for (kind, status, said) in [
            (io::ErrorKind::BrokenPipe, 1, ""),
            (
                io::ErrorKind::StorageFull,
                2,
                "sipconsent: cannot write the report to standard output: no storage space\n",
            ),
        ] {
            let (mut out, mut err) = (Stream::plain(Broken(kind)), Stream::plain(Vec::new()));
            let args = ["sipconsent", "audit", "x"].iter().map(OsString::from);
            let outcome = run_with(args, &mut out, &mut err, incident);
            assert_eq!(outcome.code(), status);
            assert_eq!(String::from_utf8(err.to).expect("UTF-8"), said);
        }
    }

    /// A device without room.
    struct Full;

    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn help_that_is_not_written_is_no_success() {
        for asked in ["--help", "--version"] {
            let args = ["sipconsent", asked].map(OsString::from);
            let mut said = Vec::new();
            let outcome = super::run(args.clone(), &mut Stream::plain(Full), &mut Stream::plain(&mut said));
            assert_eq!((outcome, said.is_empty()), (Outcome::Incomplete, false), "{asked}");
            assert_eq!(super::run(args, &mut Stream::plain(&mut said), &mut Stream::plain(io::sink())), Outcome::Clear);
        }
    }
}
