//! Copies the evidence of some calls out of a large folder into a small one that gives the same verdicts.
//!
//! [`carve`] audits the evidence, chooses calls by the report, and goes through the sources a second time: packets of
//! the calls' signalling and media into one pcapng ([`packets`], [`pcapng`]), the log records bound to them and the
//! entries of documents that speak of them into files of the names they had ([`lines`], [`entries`]), and what came from where into `manifest.json` ([`manifest`]). Then the folder is
//! audited itself, and the verdicts are compared: what cannot be shown to say the same is told. Called by
//! [`crate::cli`]; the only module beside it that audits.
//!
//! Keeps: bytes, times and link types of a packet as captured; media packets may be cut behind their RTP header, which is
//! all that an audit reads of them. The folder appears whole or not at all. The same evidence gives the same bytes.
//!
//! # Design
//!
//! - A call is carved whole: its other legs and the legs that it replaces decide about its verdict too.
//! - Of a TCP connection the segments of the calls' messages are taken. Where that turns out to say something else than
//!   the whole connection did (a border between two messages was guessed by what follows), the whole connections are.
//! - Packets are ordered by time, then source, then record.

mod choice;
mod entries;
mod folder;
mod lines;
mod manifest;
mod packets;
mod pcapng;
mod spool;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

pub use choice::Wanted;
pub use manifest::LegVerdict;
pub use packets::Media;

use crate::capture;
use crate::error::Error;
use crate::evidence::{self, HashKind, Phase, Progress, SourceId};
use crate::pipeline::documents::Text;
use crate::pipeline::{self, Audit, Beside, Choice, Trace, Trail};
use crate::settings::Settings;
use folder::Folder;
use manifest::Manifest;

/// The name of the carved capture.
pub const CAPTURE: &str = "calls.pcapng";

/// What is to be carved, out of what.
#[derive(Clone, Copy, Debug)]
pub struct Order<'o> {
    /// Files, folders, or `-`.
    pub evidence: &'o [PathBuf],
    /// How it is audited, before and after.
    pub settings: &'o Settings,
    /// Worker threads; `None` takes one for each core.
    pub threads: Option<usize>,
    /// Which calls.
    pub wanted: &'o Wanted,
    /// What of their media.
    pub media: Media,
    /// Says at any time how far it has come.
    pub progress: &'o Progress,
}

/// What was carved.
#[derive(Debug)]
pub struct Carved {
    /// The audit of the evidence.
    pub audit: Audit,
    /// Call-IDs that were asked for and that no leg of the evidence bears.
    pub unknown: Vec<String>,
    /// The legs carved, each with its verdict before and after.
    pub legs: Vec<LegVerdict>,
    /// Packets in the capture.
    pub packets: u64,
    /// Log records.
    pub records: u64,
    /// Whether whole TCP connections had to be taken.
    pub whole_connections: bool,
}

impl Carved {
    /// Whether every leg has the verdict it had.
    #[must_use]
    pub fn is_same(&self) -> bool {
        self.legs.iter().all(LegVerdict::is_same)
    }
}

/// Carves what `order` says into `folder`, which must not exist or be empty. Nothing is written when no leg
/// is wanted, or one that is not there.
///
/// # Errors
///
/// As [`pipeline::audit`], and when the folder is not empty or cannot be written.
pub fn carve(order: &Order<'_>, folder: &Path) -> Result<Carved, Error> {
    let written = |cause| Error::Carve { path: folder.to_owned(), cause };
    folder::check(folder).map_err(written)?;
    let mut carved = attempt(order, folder, Trace::Messages)?;
    if !carved.0.is_same() {
        carved = attempt(order, folder, Trace::Connections)?;
    }
    let (carved, place) = carved;
    if let Some(place) = place {
        place.settle(folder).map_err(written)?;
    }
    Ok(carved)
}

/// One way of carving, tried out in a folder beside the one that is wanted.
fn attempt(order: &Order<'_>, folder: &Path, trace: Trace) -> Result<(Carved, Option<Folder>), Error> {
    let choice = Choice { trace, choose: &|report| order.wanted.choose(report) };
    let (audit, trail) = pipeline::trace(order.evidence, order.settings, order.threads, &choice, order.progress)?;
    let mut carved = Carved {
        unknown: order.wanted.unknown(&audit.report),
        audit,
        legs: Vec::new(),
        packets: 0,
        records: 0,
        whole_connections: trace == Trace::Connections,
    };
    if trail.call_ids.is_empty() || !carved.unknown.is_empty() {
        return Ok((carved, None));
    }
    let written = |cause| Error::Carve { path: folder.to_owned(), cause };
    let place = Folder::beside(folder).map_err(written)?;
    let mut manifest = copy(order, &carved.audit, &trail, &place, folder)?;
    carved.packets = manifest.packets;
    carved.records = manifest.records.len() as u64;
    let beside = Beside { progress: Some(order.progress), ..Beside::default() };
    let again = pipeline::audit_beside(&[place.path().to_owned()], order.settings, order.threads, beside)?;
    carved.legs = manifest::compare(&carved.audit.report, &again.report, &trail.call_ids);
    manifest.legs.clone_from(&carved.legs);
    manifest.whole_connections = carved.whole_connections;
    manifest.write(&place.path().join(manifest::NAME)).map_err(written)?;
    Ok((carved, Some(place)))
}

/// Goes through the sources a second time.
fn copy(order: &Order<'_>, audit: &Audit, trail: &Trail, place: &Folder, folder: &Path) -> Result<Manifest, Error> {
    let written = |cause| Error::Carve { path: folder.to_owned(), cause };
    let mut manifest = Manifest::new(order.media, &audit.report);
    let flows = choice::flows(&audit.report, &trail.call_ids);
    let records = choice::records(&audit.report, &trail.call_ids);
    let mut spool = spool::Spool::new().map_err(written)?;
    let mut names = BTreeSet::from([CAPTURE.to_owned(), manifest::NAME.to_owned()]);
    let pool = pipeline::workers(order.threads)?;
    for (source, rank) in evidence::collect(order.evidence, (order.progress, Phase::Copying))?.into_iter().zip(0..) {
        let id = SourceId(rank);
        let shown = source.shown.clone();
        let none = BTreeSet::new();
        let wanted = trail.packets.get(&id).unwrap_or(&none);
        let from_log = records.get(&id).unwrap_or(&none);
        let account = audit.report.evidence.get(rank as usize);
        let was_not_read =
            account.is_some_and(|account| account.anomalies.iter().any(|anomaly| anomaly.code == "not_opened"));
        if source.passed_over.is_some() || was_not_read {
            continue;
        }
        let mut content = source.open(HashKind::None)?;
        if capture::recognise(&content.head).is_some() {
            packets::pick(&pool, id, content, (wanted, &flows), order.media, &mut spool)
                .map_err(|cause| Error::Open { path: source.name(), cause })?;
            continue;
        }
        let wanted: BTreeSet<u64> = wanted.union(from_log).copied().collect();
        if !wanted.is_empty() {
            // UTF-16 becomes UTF-8, as it is for everyone else who reads it.
            let text = pipeline::documents::look(&mut content, &shown, order.settings);
            let (_, reader) = evidence::utf8(content.head, content.reader);
            let name = folder::free_name(&shown, &mut names);
            let path = place.path().join(&name);
            let places = match text {
                Some(Text::Document(_, plan)) => entries::copy(&pool, reader, &plan, &wanted, &path),
                Some(Text::Log(format)) => {
                    lines::copy((Some(format), reader), (&shown, order.settings), &wanted, &path)
                }
                None => lines::copy((None, reader), (&shown, order.settings), &wanted, &path),
            };
            manifest.lines(&name, id, &places.map_err(written)?);
        }
    }
    manifest.packets = spool.len();
    if manifest.packets > 0 {
        pcapng::write(spool, &manifest.names(), &place.path().join(CAPTURE)).map_err(written)?;
    }
    Ok(manifest)
}
