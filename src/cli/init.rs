//! `init`: a configuration proposed from the evidence, to standard output or to a file that is not there yet.

use std::fs::OpenOptions;
use std::io::{self, Write};

use super::args::{self, Init};
use super::progress::watch;
use super::run::{Stop, complain, line, to_stdout};
use super::{Outcome, Stream};
use crate::error::Error;
use crate::evidence::HashKind;
use crate::pipeline::{self, Beside};
use crate::report::messages::Wanted;
use crate::report::proposal;
use crate::settings::Settings;

/// Reads the evidence by the built-in rules and proposes a configuration.
pub(super) fn init<O: Write + Send, E: Write + Send>(
    args: &Init,
    out: &mut Stream<O>,
    err: &mut Stream<E>,
) -> Result<Outcome, Stop> {
    if let Some(path) = &args.output
        && path.symlink_metadata().is_ok()
    {
        let message =
            format!("--output {} exists; init overwrites no configuration: name another file", path.display());
        return Err(Stop::Usage(args::usage("init", message)));
    }
    let settings = Settings { hash: HashKind::None, memory_limit: args.running.memory_limit(), ..Settings::default() };
    let wanted = |_: &crate::report::model::Leg| true;
    let audit = watch(err, args.running.shows_progress(false), |progress, _| {
        let beside = Beside { wanted: Wanted::messages(&wanted), progress: Some(progress), ..Beside::default() };
        pipeline::audit_beside(&args.evidence, &settings, args.running.threads(), beside)
    })?;
    for failure in &audit.failures {
        complain(err, failure);
    }
    let text = proposal::propose(&audit.report);
    match &args.output {
        None => to_stdout(&mut out.to, |to| to.write_all(text.as_bytes()))?,
        Some(path) => {
            create(path, text.as_bytes()).map_err(|cause| Error::Write { path: Some(path.clone()), cause })?;
            let next = format!("complete it, then: sipconsent audit -c {} …", path.display());
            line(err, &format!("sipconsent: wrote {}; {next}", path.display()));
        }
    }
    Ok(if audit.failures.is_empty() { Outcome::Clear } else { Outcome::Incomplete })
}

/// Writes a file that must not be there, whoever made it in the meantime.
fn create(path: &std::path::Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}
