//! Writes evidence of any size whose truth is known: media-heavy and signalling-heavy captures, and access logs.
//!
//!     cargo run --release --example load -- rtp rtp.pcap                     1,000 calls of 60 s with their RTP, 1.4 GB
//!     cargo run --release --example load -- sip sip.pcap                     150,000 calls, no RTP, 0.5 GB
//!     cargo run --release --example load -- ndjson api.jsonl                 3,000,000 JSON lines, 1.2 GB
//!     cargo run --release --example load -- combined access.log              the same requests in combined log format
//!     cargo run --release --example load -- sip --calls 10 --truth - /dev/null
//!
//! The same arguments write the same bytes on every machine. `--truth` says what an audit with the built-in settings
//! must conclude, as JSON. Nothing is kept in memory but what is being written, so any size can be asked for.
//!
//! With `--join` the 200 OK of call `n` carries a conversation id, and the `n`th recording request of a log of the same
//! seed names it: a capture and a log can be audited together.

mod calls;
mod capture;
mod log;
mod plan;

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use clap::{Parser, ValueEnum};

use capture::Container;
use plan::{Plan, Truth};

#[derive(Debug, Parser)]
#[command(about = "Writes evidence of any size whose truth is known")]
struct Arguments {
    /// What to write.
    load: Load,
    /// Where to write it; `-` is standard output.
    output: PathBuf,
    /// Calls of a capture [default: 1000 for rtp, 150000 for sip].
    #[arg(long)]
    calls: Option<u64>,
    /// Seconds that each call lasts.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Lines of a log; one in twenty asks for a recording.
    #[arg(long, default_value_t = 3_000_000)]
    lines: u64,
    /// Container of a capture.
    #[arg(long, default_value = "pcap")]
    format: Container,
    /// Names each call's conversation in its 200 OK, as the platform does.
    #[arg(long)]
    join: bool,
    /// Where the generator starts.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Writes there what must be concluded; `-` is standard output.
    #[arg(long)]
    truth: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Load {
    /// Calls with their RTP, a hundred at a time for each minute that a call lasts.
    Rtp,
    /// Calls without RTP, fifty begin in a second.
    Sip,
    /// JSON lines.
    Ndjson,
    /// Combined log format.
    Combined,
}

fn main() -> io::Result<()> {
    let arguments = Arguments::parse();
    let mut out = BufWriter::with_capacity(1 << 20, open(&arguments.output)?);
    let truth = write(&arguments, &mut out)?;
    out.flush()?;
    match &arguments.truth {
        Some(path) => writeln!(open(path)?, "{}", json(&truth)),
        None => Ok(()),
    }
}

fn write(arguments: &Arguments, out: &mut impl Write) -> io::Result<Truth> {
    let media = arguments.load == Load::Rtp;
    let plan = Plan {
        seed: arguments.seed,
        calls: arguments.calls.unwrap_or(if media { 1_000 } else { 150_000 }),
        seconds: arguments.seconds,
        media,
        join: arguments.join,
        lines: arguments.lines,
    };
    match arguments.load {
        Load::Rtp | Load::Sip => calls::write(&plan, arguments.format, out),
        Load::Ndjson => log::write(&plan, log::json, out),
        Load::Combined => log::write(&plan, log::combined, out),
    }
}

/// The truth as one line of JSON.
fn json(truth: &Truth) -> String {
    let Truth { bytes, records, sip_messages, rtp_packets, clear, unconsented, unconsented_ms, .. } = truth;
    let Truth { recording_requests, refused, allowed, .. } = truth;
    let seconds = *unconsented_ms as f64 / 1_000.0;
    format!(
        "{{\"bytes\":{bytes},\"records\":{records},\"sip_messages\":{sip_messages},\"rtp_packets\":{rtp_packets},\
         \"clear\":{clear},\"unconsented\":{unconsented},\"unconsented_media_s\":{seconds},\
         \"recording_requests\":{recording_requests},\"refused\":{refused},\"allowed\":{allowed}}}"
    )
}

fn open(path: &Path) -> io::Result<Box<dyn Write>> {
    if path.as_os_str() == "-" {
        return Ok(Box::new(io::stdout().lock()));
    }
    Ok(Box::new(File::create(path)?))
}
