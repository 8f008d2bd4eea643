//! What the readers of logs make of a file, as lines of text that a truth can be held against.

use std::fmt::Write as _;
use std::io::{Cursor, Read as _};

use sipconsent::Settings;
use sipconsent::access_log::{self, LogReader, LogSum};
use sipconsent::document;
use sipconsent::evidence::{HashKind, Reject, SourceId, Timestamp, decompress, in_order, utf8};
use sipconsent::facts::{ApiRequest, Audience, NameKind, Place};
use sipconsent::pipeline::documents::{self, Content, Text};

/// Reads a log or document of requests, shown as `shown`; `None` where it is none.
pub(crate) fn read(bytes: &[u8], shown: &str, settings: &Settings) -> Option<LogSum> {
    read_in_blocks(bytes, usize::MAX / 2, shown, settings)
}

/// The same, cut as it would be that comes in blocks of `size`.
pub(crate) fn read_in_blocks(bytes: &[u8], size: usize, shown: &str, settings: &Settings) -> Option<LogSum> {
    let content = decompress(Box::new(Cursor::new(bytes.to_vec())), HashKind::None).expect("memory");
    let (head, mut reader) = utf8(content.head, content.reader);
    let mut text = Vec::new();
    reader.read_to_end(&mut text).expect("memory");
    let log = LogReader::new(SourceId(0), shown, settings).keeping_rejects(true);
    let mut sum;
    let found = documents::recognise(&head, shown, settings)?;
    if let Text::Document(content, plan) = found {
        let Content::Requests(format) = content else { return None };
        let log = log.probing(plan.probe().cloned());
        let mut walk = document::Walk::new(&plan);
        sum = LogSum::new(format);
        blocks(&text, size, |bytes, end| {
            let (taken, pieces) = walk.cut(bytes, end);
            let block = &bytes[..taken];
            let mut part = log.read_entries(format, pieces.entries(block));
            part.rejects = in_order(pieces.rejects(block).chain(part.rejects).collect());
            part.records += pieces.tally.total();
            part.tally.merge(&pieces.tally);
            part.anomalies.absorb(pieces.anomalies, 0);
            sum.append(part);
            taken
        });
    } else {
        let Text::Log(format) = found else { return None };
        let log = log.probing(Some(documents::probe(false, shown, settings)));
        let mut walk = access_log::Walk::new(format);
        sum = LogSum::new(format);
        blocks(&text, size, |bytes, end| {
            let (taken, part) = walk.cut(bytes, end, &log);
            log.append(&mut sum, log.part(&bytes[..taken], part));
            taken
        });
    }
    // The pieces of one record are one.
    let mut joined: Vec<Reject> = Vec::new();
    for reject in sum.rejects.drain(..) {
        match joined.last_mut().filter(|last| (last.record, last.reason) == (reject.record, reject.reason)) {
            Some(last) => last.bytes = [&*last.bytes, &*reject.bytes].concat().into(),
            None => joined.push(reject),
        }
    }
    sum.rejects = joined;
    Some(sum)
}

/// Hands `text` to `take` as it comes in blocks of `size`, from behind what was taken before; then its end.
fn blocks(text: &[u8], size: usize, mut take: impl FnMut(&[u8], bool) -> usize) {
    let (mut start, mut filled) = (0_usize, 0_usize);
    loop {
        filled = filled.saturating_add(size).min(text.len());
        let end = filled == text.len();
        start += take(&text[start..filled], end);
        if end {
            return;
        }
    }
}

/// A request on one line: record, time, method, status, client, target, and then what else it says.
pub(crate) fn row(request: &ApiRequest) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let at = request.at.map_or_else(|| "-".to_owned(), Timestamp::rfc3339);
    let client = request.client().map_or_else(|| "-".to_owned(), text);
    let mut row = format!(
        "{} | {at} | {} | {} | {client} | {}",
        request.locus.record,
        request.method(),
        request.status.0,
        text(&request.target())
    );
    let mut more = vec![("about", about(request).to_owned())];
    let names: Vec<String> = request
        .names()
        .map(|name| format!("{}@{}:{}", kind(name.kind), place(name.place), text(&name.value)))
        .collect();
    more.push(("names", names.join(",")));
    let said = |bytes: Option<&[u8]>| bytes.map(text).unwrap_or_default();
    more.push(("user", said(request.user())));
    more.push(("error_code", said(request.error_code())));
    let params: Vec<String> =
        request.error_params().iter().map(|param| format!("{}:{}", text(&param.name), text(&param.value))).collect();
    more.push(("params", params.join(",")));
    more.push(("request_id", said(request.request_id().as_deref())));
    more.push(("correlation_id", said(request.correlation_id().as_deref())));
    let answered = request.answered_by().map(|answered| format!("{}:{}", answered.by.name(), answered.known_by.name()));
    more.push(("answered", answered.unwrap_or_default()));
    let batch: Vec<String> = request
        .batch_errors()
        .iter()
        .map(|error| {
            let recording = error.recording.as_deref().map(text).unwrap_or_default();
            format!("{}/{recording}:{}", text(&error.conversation), text(&error.message))
        })
        .collect();
    more.push(("batch", batch.join(",")));
    let mut mark = " | ";
    for (name, value) in more.iter().filter(|(_, value)| !value.is_empty()) {
        let _memory = write!(row, "{mark}{name}={value}");
        mark = " ; ";
    }
    row
}

fn about(request: &ApiRequest) -> &'static str {
    match request.audience {
        Audience::Other => "other",
        Audience::Recording => "recording",
        Audience::RecordingList => "list",
        Audience::RecordingMedia => "media",
    }
}

fn kind(kind: NameKind) -> &'static str {
    match kind {
        NameKind::CallId => "call_id",
        NameKind::Conversation => "conversation",
        NameKind::Trunk => "trunk",
        NameKind::Other | NameKind::Segment => "segment",
    }
}

fn place(place: Place) -> &'static str {
    match place {
        Place::Path => "path",
        Place::Query => "query",
        Place::Field => "field",
        Place::Body => "body",
    }
}
