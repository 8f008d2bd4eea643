//! One source as a task: opened by the first worker that comes, recognised by its content, read by whoever is free.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::documents::Text;
use super::gather::{Gathered, Limits};
use super::{captures, documents, logs};
use crate::access_log::LogSum;
use crate::error::Error;
use crate::evidence::{Account, Budget, Compression, Extents, Reading, Source, SourceId, Spool, Task, Utf16};
use crate::facts::extract::Keep;
use crate::facts::{ApiRequest, Exports, Store};
use crate::report::build::{REQUESTS_UNREAD, SourceAccount};
use crate::report::own;
use crate::rtp::Flows;
use crate::settings::{Settings, SourceZone};
use crate::{access_log, capture, evidence};

/// A source to be read.
pub(crate) struct SourceTask<'s> {
    source: Source,
    id: SourceId,
    settings: &'s Settings,
    keep: &'s Keep,
    store: &'s Store,
    limits: Limits,
    rejects: Option<&'s Spool>,
    budget: Arc<Budget>,
    opened: OnceLock<Result<Opened<'s>, Error>>,
}

struct Opened<'s> {
    compression: Option<Compression>,
    account: Account,
    content: Content<'s>,
}

enum Content<'s> {
    Capture(capture::Format, Reading<captures::CaptureStage<'s>>),
    Document(documents::Content, Box<Reading<documents::DocumentStage<'s>>>),
    Log(Reading<logs::LogStage<'s>>),
    /// A text in whose beginning nothing was recognised, read as a log: whether it is one, all of it tells.
    Text(Reading<logs::LogStage<'s>>),
    /// Nobody reads it; it is only digested. What is known of its format, and how many packets it says it has.
    Unrecognised(Unread, Mutex<Option<Box<dyn io::Read + Send>>>, Mutex<Option<io::Error>>),
}

/// What is known of a source that nobody reads.
enum Unread {
    /// A capture format that is known by name only, and the packets that the file says it has.
    Format(&'static str, Option<u64>),
    /// An archive of that format.
    Archive(&'static str),
    /// Nothing.
    Nothing,
    /// That it holds nothing.
    Empty,
    /// That it is text in whose first `bytes`, or all of it, some records are API requests, too few to make it a log.
    Requests { requests: u64, records: u64, bytes: Option<usize> },
    /// What lies in a folder and is not opened, and why.
    PassedOver(&'static str),
    /// A report of this program, left there by an earlier run: no evidence, and no mistake either.
    Report,
}

/// How a capture becomes one that is read.
const CONVERT: &str = "Wireshark's `editcap -F pcapng IN OUT` converts it";

/// What is said of an archive.
fn archive(format: &str) -> String {
    format!("an archive in the format {format}, which is not read; unpack it, and name the files or their folder")
}

impl Unread {
    /// What it is said to be, where something is known.
    fn told(&self, compression: Option<Compression>, account: &Account) -> Option<String> {
        match self {
            Self::Format(format, _) => Some(format!("a capture in the format {format}, which is not read; {CONVERT}")),
            Self::Archive(format) => Some(archive(format)),
            Self::Requests { requests, records, bytes } => {
                let bytes = bytes.map_or(String::new(), |bytes| format!(" in the first {bytes} bytes"));
                Some(format!(
                    "text of which {requests} of {records} records{bytes} look like API requests, but which is no access \
                     log as a whole"
                ))
            }
            Self::Nothing | Self::Empty if account.is_damaged() => {
                let compression = compression.map_or("compressed", Compression::name);
                Some(format!(
                    "a {compression} file that is cut or damaged: nothing could be recognised in what it gives"
                ))
            }
            Self::Empty => Some("it is empty".to_owned()),
            Self::Nothing | Self::PassedOver(_) | Self::Report => None,
        }
    }
}

/// What one source gave.
pub(crate) struct Read {
    pub(crate) account: SourceAccount,
    pub(crate) flows: Flows,
    pub(crate) gathered: Gathered,
    pub(crate) requests: Vec<ApiRequest>,
    pub(crate) total_requests: u64,
    pub(crate) exports: Exports,
    pub(crate) rejects: Extents,
    pub(crate) failure: Option<Error>,
}

impl Read {
    /// Takes over what a log gave.
    fn log(&mut self, sum: LogSum) {
        let account = &mut self.account;
        account.kind = "access_log";
        account.format = sum.format.map(access_log::Format::name);
        account.records = sum.records;
        account.first = sum.first;
        account.last = sum.last;
        account.timezone = sum.zone().map(|zone| (zone.name, zone.from.name()));
        account.log_digits = sum.digits;
        account.tally = sum.tally;
        account.anomalies = sum.anomalies;
        self.requests = sum.requests;
        self.total_requests = sum.total;
    }

    /// Tells what is known of what nobody reads; of what was `named` that is a failure.
    fn unrecognised(&mut self, unread: Unread, found: Option<String>, named: Option<PathBuf>) {
        let account = &mut self.account;
        match unread {
            Unread::Format(format, packets) => {
                account.format = Some(format);
                account.anomalies.note("unsupported_format", None, || {
                    let packets = packets.map(|packets| format!(", with {packets} packets"));
                    format!("a capture of a format that is not read{}; {CONVERT}", packets.unwrap_or_default())
                });
            }
            Unread::Archive(format) => {
                account.format = Some(format);
                account.anomalies.note("unsupported_format", None, || archive(format));
            }
            Unread::Nothing | Unread::Empty => {}
            Unread::Requests { .. } => {
                account.anomalies.note(REQUESTS_UNREAD, None, || found.clone().unwrap_or_default());
            }
            Unread::PassedOver(reason) => {
                account.anomalies.note("passed_over", None, || reason.to_owned());
            }
            Unread::Report => account.format = Some(own::FORMAT),
        }
        if let Some(path) = named.filter(|_| !matches!(unread, Unread::Report)) {
            self.failure = Some(Error::Unrecognised { path, found });
        }
    }
}

impl<'s> SourceTask<'s> {
    pub(crate) fn new(
        source: Source,
        id: SourceId,
        settings: &'s Settings,
        (keep, store): (&'s Keep, &'s Store),
        limits: Limits,
    ) -> Self {
        let (budget, opened) = (Arc::default(), OnceLock::new());
        Self { source, id, settings, keep, store, limits, rejects: None, budget, opened }
    }

    /// The same, with a place for records that give nothing, if anybody wants them.
    pub(crate) fn with_rejects(self, rejects: Option<&'s Spool>) -> Self {
        Self { rejects, ..self }
    }

    /// The same, within a budget that it shares with others.
    pub(crate) fn within(self, budget: &Arc<Budget>) -> Self {
        Self { budget: Arc::clone(budget), ..self }
    }

    /// The budget that all sources share.
    fn budget(&self) -> Arc<Budget> {
        Arc::clone(&self.budget)
    }

    fn open(&self) -> Result<Opened<'s>, Error> {
        if let Some(reason) = self.source.passed_over {
            let account = Account::of_nothing();
            let content = Content::Unrecognised(Unread::PassedOver(reason), Mutex::new(None), Mutex::new(None));
            return Ok(Opened { compression: None, account, content });
        }
        let content = self.source.open(self.settings.hash)?;
        let (compression, account) = (content.compression, content.account.clone());
        let content = if let Some(format) = capture::recognise(&content.head) {
            let reading =
                captures::reading(self.id, content.reader, format, (self.keep, self.store), self.limits.clone());
            // Blocks hold the file's own bytes, the first of which were looked at.
            let in_blocks = compression.is_none().then_some(content.head.len());
            Content::Capture(format, reading.within(self.budget()).digesting(account.clone(), in_blocks))
        } else if own::is_own(&content.head) {
            Content::Unrecognised(Unread::Report, Mutex::new(Some(content.reader)), Mutex::new(None))
        } else if let Some(format) = evidence::archive::recognise(&content.head) {
            Content::Unrecognised(Unread::Archive(format), Mutex::new(Some(content.reader)), Mutex::new(None))
        } else {
            self.open_text(content)
        };
        Ok(Opened { compression, account, content })
    }

    /// Opens what is no capture.
    fn open_text(&self, mut opened: evidence::Content) -> Content<'s> {
        let shown = &self.source.shown;
        let named = (self.id, shown.as_str());
        let text = documents::look(&mut opened, shown, self.settings);
        let unread = text.is_none().then(|| self.unread(&opened));
        let goes_on = matches!(unread, Some(Unread::Nothing | Unread::Requests { .. })) && documents::goes_on(&opened);
        let is_recoded = opened.compression.is_some() || Utf16::recognise(&opened.head).is_some();
        let in_blocks = (!is_recoded).then_some(opened.head.len());
        let account = opened.account;
        let (_, reader) = evidence::utf8(opened.head, opened.reader);
        match text {
            Some(Text::Document(what, plan)) => {
                let into = (self.settings, self.keep, self.store);
                let reading = documents::reading(named, reader, (what, &plan), into, self.rejects);
                Content::Document(what, Box::new(reading.within(self.budget()).digesting(account, in_blocks)))
            }
            Some(Text::Log(format)) => {
                let reading = logs::reading(named, reader, Some(format), self.settings, self.rejects);
                Content::Log(reading.within(self.budget()).digesting(account, in_blocks))
            }
            None if goes_on => {
                let reading = logs::reading(named, reader, None, self.settings, self.rejects);
                Content::Text(reading.within(self.budget()).digesting(account, in_blocks))
            }
            None => {
                Content::Unrecognised(unread.unwrap_or(Unread::Nothing), Mutex::new(Some(reader)), Mutex::new(None))
            }
        }
    }

    /// What is known of a source that nobody reads.
    fn unread(&self, opened: &evidence::Content) -> Unread {
        if let Some((format, packets)) = capture::recognise_unread(&opened.head) {
            return Unread::Format(format, packets);
        }
        if opened.head.is_empty() {
            return Unread::Empty;
        }
        let head = documents::text(opened);
        let (requests, records) = match documents::is_text(&head) {
            true => documents::requests_among(&head, &self.source.shown, self.settings),
            false => (0, 0),
        };
        if requests > 0 {
            Unread::Requests { requests, records, bytes: Some(opened.head.len()) }
        } else {
            Unread::Nothing
        }
    }

    /// What the source gave, once no worker takes steps any more.
    pub(crate) fn finish(self) -> Read {
        let name = self.source.name();
        let mut read = Read {
            account: SourceAccount {
                shown: self.source.shown,
                escaped: self.source.escaped,
                ..SourceAccount::default()
            },
            flows: Flows::default(),
            gathered: Gathered::default(),
            requests: Vec::new(),
            total_requests: 0,
            exports: Exports::default(),
            rejects: Extents::default(),
            failure: None,
        };
        let opened = match self.opened.into_inner() {
            Some(Ok(opened)) => opened,
            Some(Err(error)) => {
                let reason = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
                read.account.anomalies.note("not_opened", None, || reason);
                read.failure = Some(error);
                return read;
            }
            // Unreachable: every task is stepped at least once.
            None => return read,
        };
        let account = &mut read.account;
        account.compression = opened.compression.map(Compression::name);
        let failure = match opened.content {
            Content::Capture(format, reading) => {
                let (sum, failure) = captures::finish(reading);
                account.kind = "capture";
                account.format = Some(format.name());
                account.records = sum.records;
                account.first = sum.first;
                account.last = sum.last;
                account.timezone = Some(("UTC".to_owned(), "written"));
                account.tally = sum.tally;
                account.anomalies = sum.anomalies;
                read.flows = sum.flows;
                read.gathered = sum.gathered;
                failure
            }
            Content::Document(what, reading) => {
                let (sum, _, failure) = reading.finish();
                read.rejects = sum.extents;
                match what {
                    documents::Content::Requests(_) => read.log(sum.requests),
                    documents::Content::Export(kind) => {
                        account.kind = "genesys_export";
                        account.format = Some(kind.name());
                        account.records = sum.export.tally.total();
                        account.first = sum.export.first;
                        account.last = sum.export.last;
                        account.tally = sum.export.tally;
                        account.anomalies = sum.export.anomalies;
                        let zone = SourceZone::new(self.settings, &account.shown).reported(sum.export.zones);
                        account.timezone = zone.map(|zone| (zone.name, zone.from.name()));
                        read.exports = sum.export.exports;
                    }
                }
                failure
            }
            Content::Log(reading) => {
                let ((sum, extents), _, failure) = reading.finish();
                read.log(sum);
                read.rejects = extents;
                failure
            }
            Content::Text(reading) => {
                let ((sum, extents), _, failure) = reading.finish();
                if sum.is_log() {
                    read.log(sum);
                    read.rejects = extents;
                } else {
                    let requests = Unread::Requests { requests: sum.total, records: sum.records, bytes: None };
                    let unread = if sum.total > 0 { requests } else { Unread::Nothing };
                    let found = unread.told(opened.compression, &opened.account);
                    read.unrecognised(unread, found, self.source.named.then(|| name.clone()));
                }
                failure
            }
            Content::Unrecognised(unread, _, failure) => {
                let found = unread.told(opened.compression, &opened.account);
                read.unrecognised(unread, found, self.source.named.then(|| name.clone()));
                failure.into_inner().unwrap_or_else(PoisonError::into_inner)
            }
        };
        let digest = opened.account.finish();
        let account = &mut read.account;
        account.bytes = digest.bytes;
        account.digest = digest.digest;
        if let Some(damage) = digest.stream_damage {
            account.anomalies.note("truncated_stream", None, || damage);
        }
        if let Some(limit) = digest.stream_limit {
            account.anomalies.note("limit_decompressed", None, || limit);
        }
        if let Some(cause) = failure {
            account.anomalies.note("read_failed", None, || cause.to_string());
            read.failure = Some(Error::Open { path: name, cause });
        }
        read
    }
}

impl Task for SourceTask<'_> {
    fn step(&self, buffer: &mut Vec<u8>) -> bool {
        match self.opened.get_or_init(|| self.open()) {
            Err(_) => false,
            Ok(opened) => match &opened.content {
                Content::Capture(_, reading) => reading.step(buffer),
                Content::Document(_, reading) => reading.step(buffer),
                Content::Log(reading) | Content::Text(reading) => reading.step(buffer),
                Content::Unrecognised(_, reader, failure) => {
                    let taken = reader.lock().unwrap_or_else(PoisonError::into_inner).take();
                    if let Some(mut reader) = taken
                        && let Err(error) = io::copy(&mut reader, &mut io::sink())
                    {
                        *failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                    }
                    false
                }
            },
        }
    }
}
