//! Tests of the program as its users meet it: evidence in, report, exit status and messages out.

mod support;

/// What the sources must look like: imports, headers, the README's options.
mod architecture;
/// Evidence of cases rewritten by hand into forms that no scene makes.
mod byhand;
/// Every case of fixtures/calls through one check.
mod calls;
mod carve;
/// Help, usage errors, exit status, files written, streams.
mod cli;
/// Tallies and sums of every fixture.
mod conservation;
/// Threads, order, place, splits and copies of the evidence.
mod determinism;
/// The incident's log in every form of document; bodies, batches, secrets.
mod documents;
/// The same packets in every link layer and tunnel.
mod encapsulated;
/// One incident logged in every format.
mod formats;
/// Cuts, flipped bits, lying lengths, hostile text.
mod hostile;
/// The HTML report in a real browser.
mod html;
/// The recorded incident, whole.
mod incident;
/// Text that attacks, one test for each attack and format.
mod inert;
/// Limits of media, each met.
mod limits;
/// Generated loads, whose truth their generator knows.
mod load;
/// Completion scripts, manual pages, a proposed configuration.
mod manual;
/// The messages of legs, as reports show them one by one.
mod messages;
/// The recorded incident, captured otherwise.
mod metamorphic;
/// Laws of the verdicts over generated scenes.
mod properties;
/// What redacted reports hold, in every format.
mod redact;
/// Records that gave nothing, kept for whoever asks.
mod rejects;
/// Small logs in every format, against their truths.
mod samples;
/// The JSON Schema of the report, against the reports.
mod schema;
/// What gives access never leaves an export or a log.
mod secrets;
/// One leg shown on the terminal.
mod show;
/// The program on a real terminal: widths, progress, hostile text.
#[cfg(unix)]
mod terminal;
/// Reports held against their evidence, and reports among it.
mod verify;
