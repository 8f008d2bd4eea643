//! Documents through the block engine: entries are cut under the source's lock, read outside it, added up in order.

use std::borrow::Cow;
use std::io::Read;

use super::traces;
use crate::access_log::{self, Format, LogReader, LogSum};
use crate::document::{self, Found, Pieces, Plan, Probe, Sample, Sight, Walk};
use crate::evidence::{self, Block, Extents, Reading, Reject, SourceId, Spool, Stage, Utf16, in_order};
use crate::facts::Store;
use crate::facts::extract::Keep;
use crate::platform::{self, ExportReader, ExportSum, Kind};
use crate::settings::{Settings, SourceZone};

/// What a document was recognised as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// API requests, written so.
    Requests(Format),
    /// An export of the platform.
    Export(Kind),
}

/// What finds records where nothing says that there are any: entries of an export, or API requests.
#[must_use]
pub fn probe(is_export: bool, shown: &str, settings: &Settings) -> Probe {
    let reader = LogReader::new(SourceId(0), shown, settings);
    let other = reader.clone();
    let find = move |sight: &Sight<'_>| {
        let mut found: Vec<Found> = Vec::new();
        for candidate in &sight.candidates {
            if found.iter().any(|found| candidate.pattern.is_within(&found.pattern)) {
                continue;
            }
            let place = |entries: bool| match entries {
                true => candidate.place(|sample| is_entry(sample, &reader)),
                false => access_log::requests(candidate, &reader),
            };
            let of_its_kind = place(is_export).map(|pattern| Found { pattern, is_read: true });
            let other = || place(!is_export).map(|pattern| Found { pattern, is_read: false });
            found.extend(of_its_kind.or_else(other));
        }
        found
    };
    Probe::new(find, move |sample| match is_export {
        true => access_log::is_request(sample, &other),
        false => platform::is_entry(sample),
    })
}

/// Whether it is an entry of an export. A record that has a method, a target and a status of its own is a request, whatever
/// else it carries.
fn is_entry(sample: &Sample<'_>, reader: &LogReader) -> bool {
    platform::is_entry(sample) && !access_log::is_request(sample, reader)
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

/// Whether more of a text follows than was looked at: it may be a log all the same, further on.
#[must_use]
pub fn goes_on(opened: &evidence::Content) -> bool {
    opened.head.len() >= FURTHER[1] && is_text(&text(opened))
}

/// What the text shown as `shown` is, by as much of its beginning as tells; `None` where it is no evidence.
pub fn look(opened: &mut evidence::Content, shown: &str, settings: &Settings) -> Option<Text> {
    let mut found = recognise(&text(opened), shown, settings);
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
        let lines = || is_longer.then(|| log(&head, shown, settings)).flatten();
        found = of(document::wide_sight(&head), &head, (shown, settings), lines);
    }
    found
}

/// What the text shown as `shown` that begins with `head` is; `None` where that tells of no evidence.
#[must_use]
pub fn recognise(head: &[u8], shown: &str, settings: &Settings) -> Option<Text> {
    of(document::sight(head), head, (shown, settings), || log(head, shown, settings))
}

/// The log of lines that begins with `head`.
fn log(head: &[u8], shown: &str, settings: &Settings) -> Option<Text> {
    access_log::recognise(head, shown, settings).map(Text::Log)
}

/// What the text that begins with `head`, and as JSON as `sight` says, is; `lines` sees a log of lines in it, if it is one.
fn of(
    sight: Option<Sight<'_>>,
    head: &[u8],
    named: (&str, &Settings),
    lines: impl FnOnce() -> Option<Text>,
) -> Option<Text> {
    match sight {
        Some(sight) => of_json(&sight, named, lines),
        None => of_text(head, named).or_else(lines),
    }
}

/// What the JSON that begins as `sight` says is, in which `lines` sees a log of lines, if it is one.
///
/// API requests are asked first, and of values in one another the outermost: a request is one whatever it holds, such as
/// the answer that was logged with it, and so is an entry of an export. Where both stand beside one another, it is what most
/// of them are; the others are counted where they stand.
fn of_json(
    sight: &Sight<'_>,
    (shown, settings): (&str, &Settings),
    lines: impl FnOnce() -> Option<Text>,
) -> Option<Text> {
    let reader = LogReader::new(SourceId(0), shown, settings);
    let is_request = |sample: &Sample<'_>| access_log::is_request(sample, &reader);
    let (beside_requests, _) = sight.without(is_request);
    let (beside_entries, _) = sight.without(|sample| is_entry(sample, &reader));
    let [requests_shown, entries_shown] =
        [beside_entries.without(is_request).1, beside_requests.without(platform::is_entry).1];
    let export = platform::recognise(&beside_requests);
    let document = |content, plan: Plan| {
        let probe = || probe(matches!(content, Content::Export(_)), shown, settings);
        // Of some formats it is known where in a document its records stand.
        let plan = match content {
            Content::Export(Kind::Terraform | Kind::CallFlow) | Content::Requests(Format::SdkText) => plan,
            Content::Requests(Format::Newman) => plan.probing(probe().beside()),
            Content::Export(_) | Content::Requests(_) => plan.probing(probe()),
        };
        Text::Document(content, plan)
    };
    let mut export = export.map(|(kind, plan)| (kind, document(Content::Export(kind), plan)));
    let is_export = |kind: Kind| kind == Kind::Terraform || entries_shown > requests_shown;
    if let Some((_, text)) = export.take_if(|(kind, _)| is_export(*kind)) {
        return Some(text);
    }
    let requests = access_log::recognise_document(&beside_entries, &reader);
    let requests = requests.map(|(format, plan)| document(Content::Requests(format), plan));
    requests.or_else(lines).or_else(|| export.map(|(_, text)| text))
}

/// What the text that is no JSON and begins with `head` is.
fn of_text(head: &[u8], (shown, settings): (&str, &Settings)) -> Option<Text> {
    let export = platform::recognise_text(head).map(|(kind, plan)| Text::Document(Content::Export(kind), plan));
    let requests = || {
        let recognised = access_log::recognise_text(head, || LogReader::new(SourceId(0), shown, settings));
        recognised.map(|(format, plan)| Text::Document(Content::Requests(format), plan))
    };
    export.or_else(requests)
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
        Content::Export(kind) => {
            let zone = SourceZone::new(settings, shown);
            Entries::Export(ExportReader { source, kind, zone, keeps_rejects, probe }, keep, store)
        }
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
