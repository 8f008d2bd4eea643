//! `verify`: a report held against its evidence, one line for each point.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde_json::Value;

use super::args::Verify;
use super::progress::watch;
use super::run::{Stop, complain, key_of, to_stdout};
use super::{Outcome, Stream};
use crate::error::Error;
use crate::pipeline::{self, Beside};
use crate::report::model::{self, Report};
use crate::report::redact;
use crate::report::show::{Listing, Show};
use crate::report::{escape, json};
use crate::settings::{Settings, Timezone};

/// Differences that are named for one point; more are counted.
const NAMED: usize = 5;

/// What became of one point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Match {
    Matches,
    Differs,
    Unverified,
}

/// One line of the verification.
struct Point {
    name: &'static str,
    result: Match,
    text: String,
}

/// Re-hashes the evidence, audits it again with the recorded settings, and says what of the report matches.
pub(super) fn verify<O: Write + Send, E: Write + Send>(
    args: &Verify,
    out: &mut Stream<O>,
    err: &mut Stream<E>,
) -> Result<Outcome, Stop> {
    let unread = |cause: io::Error| Error::ReadReport { path: args.report.clone(), cause };
    let bytes = std::fs::read(&args.report).map_err(unread)?;
    let report: Value = serde_json::from_slice(&bytes).map_err(|error| unread(error.into()))?;
    if report["schema"] != model::SCHEMA {
        let other = format!("its schema is {}, not \"{}\"", report["schema"], model::SCHEMA);
        return Err(unread(io::Error::other(other)).into());
    }
    let key = args.redact_key.as_ref().map(|path| key_of("verify", path)).transpose()?;
    let notices = list(&report["notices"]);
    let redacted = notices.iter().any(|notice| notice["code"] == redact::NOTICE);
    let (settings, recorded) = settings(args, &report, redacted)?;
    let settings = Settings { memory_limit: args.running.memory_limit(), ..settings };

    let audit = watch(err, args.running.shows_progress(false), |progress, _| {
        let beside = Beside { progress: Some(progress), ..Beside::default() };
        pipeline::audit_beside(&args.evidence, &settings, args.running.threads(), beside)
    })?;
    for failure in &audit.failures {
        complain(err, failure);
    }
    let mut again = audit.report;
    let named = !redacted || key.is_some();
    if let (true, Some(key)) = (redacted, &key) {
        redact::redact(&mut again, key);
    }
    let mut points = vec![version(&report), digests(&report, &again, named)];
    points.push(match &recorded {
        Err(why) => Point { name: "settings", result: Match::Unverified, text: why.clone() },
        Ok(()) if redacted && !named => unverified("settings"),
        Ok(()) => same_settings(&report, &again),
    });
    points.push(verdicts(&report, &again, named));
    points.push(if named { whole(&bytes, &report, &again) } else { unverified("report") });
    to_stdout(&mut out.to, |to| points.iter().try_for_each(|point| line(point, to)))?;
    let worst = points.iter().map(|point| point.result).max().unwrap_or(Match::Matches);
    Ok(match worst {
        _ if !audit.failures.is_empty() => Outcome::Incomplete,
        Match::Matches => Outcome::Clear,
        Match::Differs => Outcome::Findings,
        Match::Unverified => Outcome::Incomplete,
    })
}

fn unverified(name: &'static str) -> Point {
    let text = "the report is redacted; name its key with --redact-key".to_owned();
    Point { name, result: Match::Unverified, text }
}

/// The settings to audit with again, and whether the report says all of them.
fn settings(args: &Verify, report: &Value, redacted: bool) -> Result<(Settings, Result<(), String>), Stop> {
    let mut recorded = Settings::recorded(&report["settings"]);
    if let Ok(settings) = &mut recorded
        && said_utc(report)
    {
        settings.log_timezone.get_or_insert_with(Timezone::utc);
    }
    if !redacted {
        return Ok(match recorded {
            Ok(settings) => (settings, Ok(())),
            Err(why) => (Settings::default(), Err(format!("this version cannot take them: {why}"))),
        });
    }
    // Options stand in a redacted report as they were; the configuration itself must come from the site.
    let mut own = match &args.config {
        Some(path) => Settings::read(path)?,
        None => Settings::default(),
    };
    let needed = args.config.is_none() && !report["settings"]["config_sha256"].is_null();
    Ok(match recorded {
        Err(why) => (own, Err(format!("this version cannot take them: {why}"))),
        Ok(options) => {
            own.clock_skew_ns = options.clock_skew_ns;
            own.log_timezone = options.log_timezone;
            own.from = options.from;
            own.to = options.to;
            own.hash = options.hash;
            let why = "the report is redacted, so its configuration holds pseudonyms; name the original with --config";
            (own, if needed { Err(why.to_owned()) } else { Ok(()) })
        }
    })
}

/// Whether the zone of logs that carry none was said to be UTC, and not assumed: the sources tell.
fn said_utc(report: &Value) -> bool {
    let tables = list(&report["settings"]["access_logs"]);
    let zone = |source: &Value| source["timezone"]["zone"] == "UTC" && source["timezone"]["from"] == "configured";
    tables.iter().all(|table| table["timezone"].is_null()) && list(&report["evidence"]).iter().any(zone)
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn version(report: &Value) -> Point {
    let (wrote, own) = (text(&report["generator"]["version"]), env!("CARGO_PKG_VERSION"));
    let result = if wrote == own { Match::Matches } else { Match::Differs };
    let text = match result {
        Match::Matches => format!("sipconsent {own}"),
        _ => format!("sipconsent {wrote} wrote the report, this is {own}; what differs below may be theirs"),
    };
    Point { name: "version", result, text }
}

/// The sources by path, or by digest alone where paths are pseudonyms that cannot be made again.
fn digests(report: &Value, again: &Report, named: bool) -> Point {
    let mut differences = Vec::new();
    let mut left: BTreeMap<(String, String, u64), u64> = BTreeMap::new();
    let path = |path: &str| if named { path.to_owned() } else { String::new() };
    let mut without = 0;
    for source in &again.evidence {
        let digest = source.digest.clone().unwrap_or_default();
        *left.entry((path(&source.path), digest, source.bytes)).or_default() += 1;
    }
    let mut matched = 0_u64;
    for source in list(&report["evidence"]) {
        let (shown, digest) = (text(&source["path"]), text(&source["digest"]));
        let bytes = source["bytes"].as_u64().unwrap_or_default();
        without += u64::from(digest.is_empty());
        match left.get_mut(&(path(shown), digest.to_owned(), bytes)) {
            Some(count) if *count > 0 => {
                *count -= 1;
                matched += 1;
            }
            _ => {
                let found = again.evidence.iter().any(|other| named && other.path == shown);
                let what = if found { "other bytes" } else { "not in the evidence named" };
                differences.push(format!("{shown}: {what}"));
            }
        }
    }
    let known = |shown: &str| list(&report["evidence"]).iter().any(|source| text(&source["path"]) == shown);
    for ((shown, ..), _) in left.iter().filter(|((shown, ..), count)| **count > 0 && !known(shown)) {
        differences.push(format!("{shown}: not in the report"));
    }
    let all = list(&report["evidence"]).len();
    if differences.is_empty() && without > 0 {
        let text = format!("{without} of {all} sources have no digest in the report (--hash none); sizes match");
        return Point { name: "digests", result: Match::Unverified, text };
    }
    point("digests", format!("{matched} of {all} sources"), &differences)
}

fn same_settings(report: &Value, again: &Report) -> Point {
    let own = serde_json::to_value(&again.settings).unwrap_or_default();
    let keys = own.as_object().into_iter().flatten().map(|(key, _)| key.as_str());
    let differences: Vec<String> =
        keys.filter(|key| own[*key] != report["settings"][*key]).map(|key| format!("{key}: other values")).collect();
    point("settings", "the audit was run again with them".to_owned(), &differences)
}

fn verdicts(report: &Value, again: &Report, named: bool) -> Point {
    let mut own: BTreeMap<(String, String, String), i64> = BTreeMap::new();
    let mut counts: BTreeMap<String, i64> = BTreeMap::new();
    for leg in again.calls.iter().flat_map(|call| &call.legs) {
        let call_id = leg.call_id.lossless().0.into_owned();
        *own.entry((call_id, leg.first.0.rfc3339(), leg.verdict.to_owned())).or_default() += 1;
    }
    for (verdict, count) in again.summary.verdicts.named() {
        counts.insert(verdict.to_owned(), count as i64);
    }
    let mut differences = Vec::new();
    let mut legs = 0;
    for leg in list(&report["calls"]).iter().flat_map(|call| list(&call["legs"])) {
        legs += 1;
        if !named {
            continue;
        }
        let key = (text(&leg["call_id"]).to_owned(), text(&leg["first"]).to_owned(), text(&leg["verdict"]).to_owned());
        match own.get_mut(&key) {
            Some(count) if *count > 0 => *count -= 1,
            _ => differences.push(format!("{}: not {} in the evidence", key.0, key.2)),
        }
    }
    for (verdict, count) in &counts {
        let wrote = report["summary"]["verdicts"][verdict].as_i64();
        if wrote != Some(*count) {
            let wrote = wrote.map_or_else(|| "nothing".to_owned(), |wrote| wrote.to_string());
            differences.push(format!("{verdict}: the report counts {wrote}, the evidence gives {count}"));
        }
    }
    let what = if named {
        format!("{legs} legs listed, and all counts")
    } else {
        "all counts; legs only with the key".to_owned()
    };
    point("verdicts", what, &differences)
}

/// The report's own bytes, whatever it lists.
fn whole(bytes: &[u8], report: &Value, again: &Report) -> Point {
    let words = |value: &Value| list(value).iter().map(text).map(str::to_owned).collect::<Vec<_>>();
    let (only, trunks) = (words(&report["listing"]["only"]), words(&report["listing"]["trunks"]));
    let known = model::Verdicts::default().named().map(|(name, _)| name);
    let only: Vec<&'static str> = known.into_iter().filter(|name| only.iter().any(|only| only == name)).collect();
    for show in [Show::All, Show::Byoc, Show::Findings] {
        let mut ordered = only.clone();
        let wanted = words(&report["listing"]["only"]);
        ordered.sort_by_key(|name| wanted.iter().position(|only| only == name));
        let listing = Listing { show, only: ordered, trunks: trunks.clone() };
        let mut written = Vec::with_capacity(bytes.len());
        if json::write(again, &listing, &mut written).is_ok() && written == bytes {
            let text = format!("the same {} bytes", bytes.len());
            return Point { name: "report", result: Match::Matches, text };
        }
    }
    point("report", String::new(), &["its bytes are not those that the evidence gives".to_owned()])
}

fn point(name: &'static str, matches: String, differences: &[String]) -> Point {
    if differences.is_empty() {
        return Point { name, result: Match::Matches, text: matches };
    }
    let named = differences.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join("; ");
    let more = match differences.len().saturating_sub(NAMED) {
        0 => String::new(),
        left => format!("; and {left} more"),
    };
    Point { name, result: Match::Differs, text: format!("{named}{more}") }
}

fn line(point: &Point, to: &mut dyn Write) -> io::Result<()> {
    let word = match point.result {
        Match::Matches => "matches",
        Match::Differs => "DIFFERS",
        Match::Unverified => "not verified",
    };
    writeln!(to, "{:<9} {word:<13} {}", point.name, escape::text(&point.text))
}
