//! `show`: one leg on the terminal.

use std::io::Write;

use super::args::{ShowLeg, usage};
use super::progress::watch;
use super::run::{Stop, colored, complain, line, to_stdout};
use super::{Outcome, Stream};
use crate::evidence::HashKind;
use crate::pipeline::{self, Beside};
use crate::report::messages::Wanted;
use crate::report::model::Leg;
use crate::report::show::{Listing, Show as Legs};
use crate::report::text::{self, Found};
use crate::settings::Settings;

/// Call-IDs that are named where none, or more than one, is the one that was asked for.
const NEAR: usize = 8;

/// Reads the evidence and shows the legs of one Call-ID.
pub(super) fn show<O: Write + Send, E: Write + Send>(
    args: &ShowLeg,
    out: &mut Stream<O>,
    err: &mut Stream<E>,
) -> Result<Outcome, Stop> {
    args.reading.range().map_err(|message| Stop::Usage(usage("show", message)))?;
    let settings = Settings { hash: HashKind::None, ..args.reading.settings()? };
    // Which leg is meant is known only when all are: a Call-ID may be named by its beginning.
    let begins = |leg: &Leg| text::may_be(leg, &args.call_id);
    let running = &args.reading.running;
    let audit = watch(err, running.shows_progress(false), |progress, _| {
        let beside = Beside { wanted: Wanted::messages(&begins), progress: Some(progress), ..Beside::default() };
        pipeline::audit_beside(&args.reading.evidence, &settings, running.threads(), beside)
    })?;
    for failure in &audit.failures {
        complain(err, failure);
    }
    let legs = match text::find(&audit.report, &args.call_id) {
        Found::Legs(legs) => legs,
        Found::Near(near) => {
            line(err, &format!("sipconsent: {}", unknown(&args.call_id, &near, audit.report.summary.legs)));
            return Ok(Outcome::Incomplete);
        }
        Found::Several(several) => {
            let count = several.len();
            let text = format!("{} begins {count} Call-IDs; write more of one: {}", args.call_id, first(&several));
            line(err, &format!("sipconsent: {text}"));
            return Ok(Outcome::Incomplete);
        }
    };
    let listing = Listing::from(Legs::All);
    let medium =
        text::Medium::Terminal { width: out.width.unwrap_or(text::WIDTH), color: colored(args.color, out.color) };
    let options = text::Options { medium, listing: &listing, verbose: args.verbose, closing: None };
    to_stdout(&mut out.to, |mut to| {
        for (place, (call, leg)) in legs.iter().enumerate() {
            if place > 0 {
                writeln!(to)?;
            }
            text::write_leg(&audit.report, call, leg, &options, &mut to)?;
        }
        Ok(())
    })?;
    Ok(if audit.failures.is_empty() { Outcome::Clear } else { Outcome::Incomplete })
}

fn unknown(wanted: &str, near: &[String], legs: u64) -> String {
    if legs == 0 {
        return format!("no leg has the Call-ID {wanted}: the evidence holds no leg at all");
    }
    if near.is_empty() {
        return format!(
            "no leg has the Call-ID {wanted}, and none of the {legs} is near to it; audit --show all lists them"
        );
    }
    format!("no leg has the Call-ID {wanted}; near to it: {}", first(near))
}

/// The first of some Call-IDs, and how many follow.
fn first(call_ids: &[String]) -> String {
    let named = call_ids.iter().take(NEAR).map(String::as_str).collect::<Vec<_>>().join(", ");
    match call_ids.len().saturating_sub(NEAR) {
        0 => named,
        left => format!("{named} and {left} more"),
    }
}
