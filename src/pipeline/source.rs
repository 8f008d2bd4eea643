//! One source as a task: opened by the first worker that comes, recognised by its content, read by whoever is free.

use std::io;
use std::sync::{Mutex, OnceLock, PoisonError};

use super::gather::{Gathered, Limits};
use super::{captures, logs};
use crate::error::Error;
use crate::evidence::{Account, Compression, Reading, Source, SourceId, Task, Utf16, Utf16Reader};
use crate::facts::extract::Keep;
use crate::facts::{ApiRequest, SignallingBatch};
use crate::report::build::SourceAccount;
use crate::report::own;
use crate::rtp::Flows;
use crate::settings::Settings;
use crate::{access_log, capture};

/// A source to be read.
pub(crate) struct SourceTask<'s> {
    source: Source,
    id: SourceId,
    settings: &'s Settings,
    keep: &'s Keep,
    limits: Limits,
    opened: OnceLock<Result<Opened<'s>, Error>>,
}

struct Opened<'s> {
    compression: Option<Compression>,
    account: Account,
    content: Content<'s>,
}

enum Content<'s> {
    Capture(capture::Format, Reading<captures::CaptureStage<'s>>),
    Log(Reading<logs::LogStage>),
    /// Nobody reads it; it is only digested. What is known of its format, and how many packets it says it has.
    Unrecognised(Unread, Mutex<Option<Box<dyn io::Read + Send>>>, Mutex<Option<io::Error>>),
}

/// What is known of a source that nobody reads.
enum Unread {
    /// A capture format that is known by name only, and the packets that the file says it has.
    Format(&'static str, Option<u64>),
    /// Nothing.
    Nothing,
    /// A report of this program, left there by an earlier run: no evidence, and no mistake either.
    Report,
}

/// What one source gave.
pub(crate) struct Read {
    pub(crate) account: SourceAccount,
    pub(crate) batches: Vec<SignallingBatch>,
    pub(crate) flows: Flows,
    pub(crate) gathered: Gathered,
    pub(crate) requests: Vec<ApiRequest>,
    pub(crate) total_requests: u64,
    pub(crate) failure: Option<Error>,
}

impl<'s> SourceTask<'s> {
    pub(crate) fn new(source: Source, id: SourceId, settings: &'s Settings, keep: &'s Keep, limits: Limits) -> Self {
        Self { source, id, settings, keep, limits, opened: OnceLock::new() }
    }

    fn open(&self) -> Result<Opened<'s>, Error> {
        let mut content = self.source.open(self.settings.hash)?;
        if let Some(order) = Utf16::recognise(&content.head).filter(|_| capture::recognise(&content.head).is_none()) {
            content.head = order.text(&content.head);
            content.reader = Box::new(Utf16Reader::new(content.reader, order));
        }
        let (compression, account) = (content.compression, content.account.clone());
        let content = if let Some(format) = capture::recognise(&content.head) {
            Content::Capture(format, captures::reading(self.id, content.reader, format, self.keep, self.limits))
        } else if own::is_own(&content.head) {
            Content::Unrecognised(Unread::Report, Mutex::new(Some(content.reader)), Mutex::new(None))
        } else if let Some(format) = access_log::recognise(&content.head, &self.source.shown, self.settings) {
            Content::Log(logs::reading(self.id, &self.source.shown, content.reader, format, self.settings))
        } else {
            let unread = match capture::recognise_unread(&content.head) {
                Some((format, packets)) => Unread::Format(format, packets),
                None => Unread::Nothing,
            };
            Content::Unrecognised(unread, Mutex::new(Some(content.reader)), Mutex::new(None))
        };
        Ok(Opened { compression, account, content })
    }

    /// What the source gave, once no worker takes steps any more.
    pub(crate) fn finish(self) -> Read {
        let name = self.source.name();
        let mut read = Read {
            account: SourceAccount { shown: self.source.shown, ..SourceAccount::default() },
            batches: Vec::new(),
            flows: Flows::default(),
            gathered: Gathered::default(),
            requests: Vec::new(),
            total_requests: 0,
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
                read.batches = sum.batches;
                read.flows = sum.flows;
                read.gathered = sum.gathered;
                failure
            }
            Content::Log(reading) => {
                let (sum, _, failure) = reading.finish();
                account.kind = "access_log";
                account.format = sum.format.map(access_log::Format::name);
                account.records = sum.records;
                account.first = sum.first;
                account.last = sum.last;
                account.timezone = sum.zone().map(|zone| (zone.name, zone.from.name()));
                account.tally = sum.tally;
                account.anomalies = sum.anomalies;
                read.requests = sum.requests;
                read.total_requests = sum.total;
                failure
            }
            Content::Unrecognised(unread, _, failure) => {
                match unread {
                    Unread::Format(format, packets) => {
                        account.format = Some(format);
                        account.anomalies.note("unsupported_format", None, || match packets {
                            Some(packets) => format!("a capture of a format that is not read, with {packets} packets"),
                            None => "a capture of a format that is not read".to_owned(),
                        });
                    }
                    Unread::Nothing => {}
                    Unread::Report => account.format = Some(own::FORMAT),
                }
                if self.source.named && !matches!(unread, Unread::Report) {
                    read.failure = Some(Error::Unrecognised { path: name.clone() });
                }
                failure.into_inner().unwrap_or_else(PoisonError::into_inner)
            }
        };
        let digest = opened.account.finish();
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
                Content::Log(reading) => reading.step(buffer),
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
