//! Documents through the block engine: entries are cut under the source's lock, read outside it, added up in order.

use std::borrow::Cow;
use std::io::Read;

use super::traces;
use crate::access_log::{self, Format, LogReader, LogSum};
use crate::document::{self, Found, Pieces, Plan, Probe, Sight, Walk};
use crate::evidence::{self, Block, Extents, Reading, Reject, SourceId, Spool, Stage, Utf16, in_order};
use crate::facts::Store;
use crate::facts::extract::Keep;
use crate::platform::{self, ExportReader, ExportSum, Kind};
use crate::settings::Settings;

/// What a document was recognised as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// API requests, written so.
    Requests(Format),
    /// An export of the platform.
    Export(Kind),
}

/// What the document shown as `shown` that begins with `head` is, and how it is cut; `None` where it is none, or a log
/// of lines.
///
/// What is a complete request is one, whatever else it carries: fields of an export beside it, or entries of one in the body
/// that was logged.
#[must_use]
pub fn recognise(head: &[u8], shown: &str, settings: &Settings) -> Option<(Content, Plan)> {
    recognise_by(document::sight, head, shown, settings)
}

fn recognise_by(
    sight: impl Fn(&[u8]) -> Option<Sight<'_>>,
    head: &[u8],
    shown: &str,
    settings: &Settings,
) -> Option<(Content, Plan)> {
    let export = |(kind, plan)| (Content::Export(kind), plan);
    let requests = |(format, plan)| (Content::Requests(format), plan);
    let (content, plan) = match sight(head) {
        Some(sight) => platform::recognise(&sight)
            .filter(|(_, plan)| !is_of_requests(plan, &sight, shown, settings))
            .map(export)
            .or_else(|| access_log::recognise_document(&sight, shown, settings).map(requests)),
        None => platform::recognise_text(head).map(export).or_else(|| access_log::recognise_text(head).map(requests)),
    }?;
    let is_export = match content {
        Content::Requests(Format::JsonDocument) => false,
        // Their formats say where records stand.
        Content::Export(Kind::Terraform | Kind::CallFlow) | Content::Requests(_) => return Some((content, plan)),
        Content::Export(_) => true,
    };
    Some((content, plan.probing(probe(is_export, shown, settings))))
}

/// Whether what is cut by `plan`, as entries of an export, are API requests for the most part, or parts of requests.
fn is_of_requests(plan: &Plan, sight: &Sight<'_>, shown: &str, settings: &Settings) -> bool {
    let Plan::Json(patterns, _) = plan else { return false };
    let reader = LogReader::new(SourceId(0), shown, settings);
    sight.candidates.iter().any(|candidate| {
        let is_within = patterns.iter().any(|pattern| pattern.is_within(&candidate.pattern));
        let requests = if is_within { access_log::requests_in(candidate, &reader).0 } else { 0 };
        let is_around = !patterns.iter().any(|pattern| candidate.pattern.is_within(pattern));
        requests > 0 && (is_around || requests > platform::entries_among(candidate, |sample| reader.is_request(sample)))
    })
}

/// What finds records where nothing says that there are any: entries of an export, or API requests.
#[must_use]
pub fn probe(is_export: bool, shown: &str, settings: &Settings) -> Probe {
    let reader = LogReader::new(SourceId(0), shown, settings);
    Probe::new(move |sight| {
        let mut found: Vec<Found> = Vec::new();
        for candidate in &sight.candidates {
            if found.iter().any(|found| candidate.pattern.is_within(&found.pattern)) {
                continue;
            }
            let place = |entries: bool| match entries {
                true => platform::entries(candidate),
                false => access_log::requests(candidate, &reader),
            };
            let of_its_kind = place(is_export).map(|pattern| Found { pattern, is_read: true });
            let other = || place(!is_export).map(|pattern| Found { pattern, is_read: false });
            found.extend(of_its_kind.or_else(other));
        }
        found
    })
}

/// What a text is.
#[derive(Debug)]
pub enum Text {
    /// A document, and how it is cut.
    Document(Content, Plan),
    /// A log of lines.
    Log(Format),
}

/// Bytes of a text that are looked at beyond the head that every source shows, until something is recognised: a log may
/// begin with long lines, or with many of another program.
const FURTHER: [usize; 2] = [1 << 20, 8 << 20];

/// What the text shown as `shown` is, by as much of its beginning as tells; `None` where it is no evidence.
pub fn look(opened: &mut evidence::Content, shown: &str, settings: &Settings) -> Option<Text> {
    let lines = |head: &[u8]| access_log::recognise(head, shown, settings).map(Text::Log);
    let document = |(content, plan)| Text::Document(content, plan);
    let mut found = {
        let head = text(opened);
        recognise(&head, shown, settings).map(document).or_else(|| lines(&head))
    };
    for (length, is_first) in FURTHER.into_iter().zip([true, false]) {
        if found.is_some() || !is_text(&text(opened)) {
            break;
        }
        // Of a short document more is looked at too: more of its values.
        let is_longer = opened.look_on(length);
        if !is_longer && !is_first {
            break;
        }
        let head = text(opened);
        found = recognise_by(document::wide_sight, &head, shown, settings).map(document);
        found = found.or_else(|| is_longer.then(|| lines(&head)).flatten());
    }
    found
}

/// Of a text that is no evidence, how many of how many records are API requests all the same, as far as `head` goes.
#[must_use]
pub fn requests_among(head: &[u8], shown: &str, settings: &Settings) -> (u64, u64) {
    let reader = LogReader::new(SourceId(0), shown, settings);
    let sight = document::wide_sight(head);
    let candidates = sight.iter().flat_map(|sight| &sight.candidates);
    let most = candidates.map(|candidate| access_log::requests_in(candidate, &reader)).max();
    most.filter(|(requests, _)| *requests > 0).unwrap_or_else(|| access_log::requests_among(head, shown, settings))
}

/// The head of a text, in UTF-8.
pub fn text(opened: &evidence::Content) -> Cow<'_, [u8]> {
    match Utf16::recognise(&opened.head) {
        Some(order) => Cow::Owned(order.text(&opened.head)),
        None => Cow::Borrowed(&opened.head),
    }
}

/// Whether `head` may be that of a text: it has few control characters. Zero bytes do not count: a log whose beginning
/// was cut off while it was written has a hole of them.
#[must_use]
pub fn is_text(head: &[u8]) -> bool {
    let is_control = |byte: &&u8| matches!(byte, 1..=8 | 0x0b | 0x0c | 0x0e..=0x1a | 0x1c..=0x1d | 0x1f | 0x7f);
    head.iter().filter(is_control).count() * 64 <= head.len()
}

/// How the entries of one document become facts.
pub struct DocumentStage<'s> {
    entries: Entries<'s>,
    rejects: Option<&'s Spool>,
}

/// Who reads the entries.
enum Entries<'s> {
    /// API requests.
    Requests(Box<LogReader>, Format),
    /// What the platform states, what is kept of the messages of its traces, and where.
    Export(ExportReader, &'s Keep, &'s Store),
}

/// What a document, or a part of it, adds up to; one of the two stays empty.
#[derive(Debug, Default)]
pub struct DocumentSum {
    /// Of API requests, the damage to the document too.
    pub requests: LogSum,
    /// Of an export, the damage to the document too.
    pub export: ExportSum,
    /// Where the entries that gave nothing are kept.
    pub extents: Extents,
    /// Those that are not kept yet.
    rejects: Vec<Reject>,
}

/// Begins to read the document `source`, shown as `shown`, recognised as `content` and cut as `plan` says. Entries that
/// give nothing go to `rejects`, if anybody wants them; SIP messages of trace records to `store`.
#[must_use]
pub fn reading<'s>(
    (source, shown): (SourceId, &str),
    reader: Box<dyn Read + Send>,
    (content, plan): (Content, &Plan),
    (settings, keep, store): (&Settings, &'s Keep, &'s Store),
    rejects: Option<&'s Spool>,
) -> Reading<DocumentStage<'s>> {
    let (keeps_rejects, probe) = (rejects.is_some(), plan.probe().cloned());
    let entries = match content {
        Content::Requests(format) => {
            let log = LogReader::new(source, shown, settings).keeping_rejects(keeps_rejects).probing(probe);
            Entries::Requests(Box::new(log), format)
        }
        Content::Export(kind) => Entries::Export(ExportReader { source, kind, keeps_rejects, probe }, keep, store),
    };
    let stage = DocumentStage { entries, rejects };
    Reading::new(stage, Walk::new(plan), DocumentSum::default(), reader)
}

impl Stage for DocumentStage<'_> {
    type Walk = Walk;
    type Head = Pieces;
    type Part = DocumentSum;
    type Sum = DocumentSum;

    fn cut(&self, walk: &mut Walk, bytes: &[u8], end: bool) -> (usize, Pieces) {
        walk.cut(bytes, end)
    }

    fn decode(&self, block: Block<'_, Pieces>) -> DocumentSum {
        let mut sum = DocumentSum::default();
        let entries = block.head.entries(block.bytes);
        match &self.entries {
            Entries::Requests(reader, format) => {
                sum.requests = reader.read_entries(*format, entries);
                sum.requests.records += block.head.tally.total();
            }
            Entries::Export(reader, keep, store) => {
                sum.export = reader.read(entries);
                let ExportSum { messages, tally, anomalies, .. } = &mut sum.export;
                let not_sip = traces::signalling(&std::mem::take(messages), (keep, store), tally, anomalies);
                if self.rejects.is_some() && !not_sip.is_empty() {
                    let named = block.head.entries(block.bytes).filter(|entry| not_sip.contains(&entry.record));
                    sum.rejects.extend(named.map(|entry| Reject {
                        record: entry.record,
                        reason: traces::NOT_SIP,
                        bytes: entry.bytes.into(),
                    }));
                }
            }
        }
        if self.rejects.is_some() {
            // What the walk set aside before an entry has the entry's number, and stands before it.
            let aside = block.head.rejects(block.bytes);
            let mut rejects: Vec<Reject> = aside.chain(std::mem::take(&mut sum.rejects)).collect();
            rejects.append(&mut sum.requests.rejects);
            rejects.append(&mut sum.export.rejects);
            sum.rejects = in_order(rejects);
        }
        let (tally, anomalies) = match &self.entries {
            Entries::Requests(..) => (&mut sum.requests.tally, &mut sum.requests.anomalies),
            Entries::Export(..) => (&mut sum.export.tally, &mut sum.export.anomalies),
        };
        tally.merge(&block.head.tally);
        anomalies.absorb(block.head.anomalies, 0);
        sum
    }

    fn absorb(&self, sum: &mut DocumentSum, part: DocumentSum) -> u64 {
        let kept = part.requests.reckoned();
        sum.requests.append(part.requests);
        sum.export.append(part.export);
        if let Some(spool) = self.rejects {
            spool.keep(&mut sum.extents, &part.rejects);
        }
        kept
    }
}
