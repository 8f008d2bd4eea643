//! What was carved from where, and whether it says the same: `manifest.json`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use serde::Serialize;

use super::packets::Media;
use crate::evidence::SourceId;
use crate::report::model::{Evidence, EvidenceId, EvidenceText, Instant, Leg, Report};

/// Its name.
pub(super) const NAME: &str = "manifest.json";

/// The schema's name.
const SCHEMA: &str = "sipconsent.carve/1";

/// What was carved.
#[derive(Debug, Serialize)]
pub(super) struct Manifest {
    schema: &'static str,
    /// The sources' names, as the report of the whole evidence shows them.
    pub(super) sources: Vec<String>,
    /// The same, with what tells those of one name apart.
    evidence: Vec<Origin>,
    media: &'static str,
    pub(super) whole_connections: bool,
    pub(super) packets: u64,
    pub(super) records: Vec<Record>,
    pub(super) legs: Vec<LegVerdict>,
}

/// A source of the whole evidence.
#[derive(Debug, Serialize)]
struct Origin {
    /// Its id in the report.
    id: EvidenceId,
    path: String,
    digest: Option<String>,
}

/// A log record: where it stands and where it stood.
#[derive(Debug, Serialize)]
pub(super) struct Record {
    path: String,
    record: u64,
    source: String,
    source_id: EvidenceId,
    source_record: u64,
}

/// A leg's verdict in the whole evidence and in what was carved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LegVerdict {
    /// Its Call-ID.
    pub call_id: EvidenceText,
    /// Its first message.
    pub first: Instant,
    /// The verdict in the whole evidence.
    pub verdict: &'static str,
    /// The verdict in what was carved; null when the leg is not in it.
    pub carved: Option<&'static str>,
}

impl LegVerdict {
    /// Whether the carved evidence says the same.
    #[must_use]
    pub fn is_same(&self) -> bool {
        self.carved == Some(self.verdict)
    }
}

impl Manifest {
    /// That of nothing yet, carved of the evidence of `whole`.
    pub(super) fn new(media: Media, whole: &Report) -> Self {
        let origin =
            |source: &Evidence| Origin { id: source.id, path: source.path.clone(), digest: source.digest.clone() };
        Self {
            schema: SCHEMA,
            sources: whole.evidence.iter().map(|source| source.path.clone()).collect(),
            evidence: whole.evidence.iter().map(origin).collect(),
            media: media.name(),
            whole_connections: false,
            packets: 0,
            records: Vec::new(),
            legs: Vec::new(),
        }
    }

    /// Notes that the file at `path` holds records of the source `id`: the number of each here and there.
    pub(super) fn lines(&mut self, path: &str, id: SourceId, places: &[(u64, u64)]) {
        let source = self.sources.get(id.0 as usize).cloned().unwrap_or_default();
        self.records.extend(places.iter().map(|(record, source_record)| Record {
            path: path.to_owned(),
            record: *record,
            source: source.clone(),
            source_id: EvidenceId(id.0),
            source_record: *source_record,
        }));
    }

    /// What each source is called where nothing but a name tells it: those of one name with their ids.
    pub(super) fn names(&self) -> Vec<String> {
        let mut bearers: BTreeMap<&str, u32> = BTreeMap::new();
        self.sources.iter().for_each(|name| *bearers.entry(name).or_default() += 1);
        let name = |origin: &Origin| match bearers.get(origin.path.as_str()) {
            Some(2..) => format!("{} ({})", origin.path, origin.id),
            _ => origin.path.clone(),
        };
        self.evidence.iter().map(name).collect()
    }

    pub(super) fn write(&self, path: &Path) -> io::Result<()> {
        let mut out = BufWriter::new(File::create_new(path)?);
        serde_json::to_writer_pretty(&mut out, self)?;
        out.write_all(b"\n")?;
        out.flush()
    }
}

/// The legs with these Call-IDs in two reports, by first message.
pub(super) fn compare(whole: &Report, carved: &Report, call_ids: &BTreeSet<Vec<u8>>) -> Vec<LegVerdict> {
    let key = |leg: &Leg| (leg.call_id.clone(), leg.first);
    let after: BTreeMap<_, _> =
        carved.calls.iter().flat_map(|call| &call.legs).map(|leg| (key(leg), leg.verdict)).collect();
    let mut legs: Vec<LegVerdict> = whole
        .calls
        .iter()
        .flat_map(|call| &call.legs)
        .filter(|leg| call_ids.contains(&leg.call_id.0))
        .map(|leg| LegVerdict {
            call_id: leg.call_id.clone(),
            first: leg.first,
            verdict: leg.verdict,
            carved: after.get(&key(leg)).copied(),
        })
        .collect();
    legs.sort_by(|one, other| (one.first, &one.call_id).cmp(&(other.first, &other.call_id)));
    legs
}
