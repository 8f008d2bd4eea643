//! The lines of one block to API requests, and blocks to the whole log.
//!
//! Every line that is not blank is a record, and every record ends under one reason of the tally: the request it holds,
//! or why it holds none. A record is told by itself alone, so formats may change from line to line, and a block may be
//! read on any thread: record numbers count from the block's first line until [`LogSum::append`] puts them in place.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use memchr::memmem;

use crate::document::{Entry, NESTED, Probe, Sample};
use crate::evidence::{Anomalies, Locus, Reject, SourceId, Tally, Timestamp, in_order};
use crate::facts::{Answered, Answerer, ApiRequest, Audience, KnownBy, More, Packer, Place, Texts, distinct_names};
use crate::http::StatusCode;
use crate::settings::{Settings, Zone, Zones};

use super::alike::Alike;
use super::body::{Said, error_params, recorded};
use super::columns::{self, Header};
use super::exchange::Exchange;
use super::fields::{Fields, Known, Role, Seen, Table};
use super::format::Format;
use super::json::{self, Scalar};
use super::line::{self, LINE_BYTES, Part};
use super::sdk;
use super::shape::{Shapes, Sketch};
use super::stream::Shipped;
use super::target::{self, Targets};
use super::time::{Clock, Instant, Memo, joined};
use super::{answer, balancer, combined, document, logfmt, prefix};

/// What a log, or a part of it, adds up to.
#[derive(Clone, Debug, Default)]
pub struct LogSum {
    /// The recording requests, in the order of their records.
    pub requests: Vec<ApiRequest>,
    /// API requests read, those that are about no recording too.
    pub total: u64,
    /// Lines that are not blank.
    pub records: u64,
    /// Records by what became of them; the sum is [`records`](Self::records).
    pub tally: Tally,
    /// What could not be read.
    pub anomalies: Anomalies,
    /// The earliest time of a request.
    pub first: Option<Timestamp>,
    /// The latest time of a request.
    pub last: Option<Timestamp>,
    /// The fewest digits of the second that a time was written with.
    pub digits: Option<u8>,
    /// The format of the first request; formats may be mixed.
    pub format: Option<Format>,
    /// Records that gave no request, where the reader keeps them.
    pub rejects: Vec<Reject>,
    /// Records of no known form before the first request, where they were counted; see [`LogReader::part_of_unknown`].
    before: Option<u64>,
    /// Lines, blank ones too.
    lines: u64,
    /// Bytes that the texts of the requests of a block take; nothing is said of them in a sum.
    text_bytes: u64,
    /// The last line that names columns.
    header: Option<Arc<[u8]>>,
    /// The format of the first table.
    table: Option<Format>,
    /// Lines that nothing fits before any header, by their numbers: one may stand in an earlier part of the log.
    waiting: Vec<(u64, Box<[u8]>)>,
    zones: Zones,
    /// What a zone is told by; the same for every part of a log.
    clock: Option<Clock>,
}

impl LogSum {
    /// Of a log recognised as `format`, before anything is read.
    #[must_use]
    pub fn new(format: Format) -> Self {
        Self { format: Some(format), ..Self::default() }
    }

    /// Adds the part of the log that follows, in which no row waits for its header.
    pub fn append(&mut self, next: Self) {
        let offset = self.lines;
        let more = next.requests.len();
        if let Some(before) = next.before.filter(|_| self.total == 0 && next.total > 0) {
            self.before = Some(before + self.of_no_form());
        }
        if self.requests.capacity() - self.requests.len() < more {
            // Room that is not used costs nothing, moving does, and memory that is touched for the second time does too.
            self.requests.reserve(more + 3 * self.requests.len());
        }
        self.requests.extend(next.requests.into_iter().map(|mut request| {
            request.locus.record += offset;
            request
        }));
        self.total += next.total;
        self.records += next.records;
        self.tally.merge(&next.tally);
        self.anomalies.absorb(next.anomalies, offset);
        self.rejects.extend(next.rejects.into_iter().map(|reject| Reject { record: reject.record + offset, ..reject }));
        self.first = earliest(self.first, next.first);
        self.last = self.last.max(next.last);
        self.digits = [self.digits, next.digits].into_iter().flatten().min();
        self.format = self.format.or(next.format);
        self.lines += next.lines;
        self.header = next.header.or(self.header.take());
        self.table = self.table.or(next.table);
        self.zones.merge(next.zones);
        self.clock = self.clock.take().or(next.clock);
    }

    /// The memory that the requests of a block take at the peak of an audit, in bytes; see [`ApiRequest::reckoned`].
    #[must_use]
    pub fn reckoned(&self) -> u64 {
        self.text_bytes + self.requests.iter().map(ApiRequest::reckoned).sum::<u64>()
    }

    /// Whether what was read as a log of unknown form is one.
    #[must_use]
    pub fn is_log(&self) -> bool {
        super::format::is_log(self.total, self.of_no_form(), || self.before.unwrap_or(0))
    }

    /// The format of a log that holds a header and no row.
    pub(super) fn empty_table(&self) -> Option<Format> {
        let only = self.tally.count(Fate::Comment.word()) + self.tally.count(Fate::Header.word()) == self.records;
        self.table.filter(|_| only)
    }

    /// How many records are of no known form.
    pub(super) fn of_no_form(&self) -> u64 {
        let of_no_form = Fate::ALL.into_iter().filter(|fate| fate.is_of_no_form());
        of_no_form.map(|fate| self.tally.count(fate.word())).sum()
    }

    /// The zone the times were read in, and where it came from; `None` where no time was read.
    #[must_use]
    pub fn zone(&self) -> Option<Zone> {
        self.clock.as_ref()?.zone(self.zones)
    }

    fn saw(&mut self, at: Timestamp) {
        self.digits = Some(self.digits.map_or(at.digits, |digits| digits.min(at.digits)));
        if self.first.is_none_or(|first| at < first) {
            self.first = Some(at);
        }
        if self.last.is_none_or(|last| at > last) {
            self.last = Some(at);
        }
    }
}

fn earliest(one: Option<Timestamp>, other: Option<Timestamp>) -> Option<Timestamp> {
    [one, other].into_iter().flatten().min()
}

/// What became of a record: the words of the tally.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// No log format fits it.
    BadRecord,
    /// It begins with `#`.
    Comment,
    /// It names the columns of the rows that follow.
    Header,
    LineTooLong,
    /// A request without a status: no answer was logged.
    NoStatus,
    /// A whole record of something else, such as a program's own log line.
    NotARequest,
    /// A request about no recording.
    OtherRequest,
    RecordingRequest,
}

impl Fate {
    const ALL: [Self; 8] = [
        Self::BadRecord,
        Self::Comment,
        Self::Header,
        Self::LineTooLong,
        Self::NoStatus,
        Self::NotARequest,
        Self::OtherRequest,
        Self::RecordingRequest,
    ];

    /// Whether the record gave nothing and may have been meant to: all but requests, headers and comments.
    const fn is_reject(self) -> bool {
        matches!(self, Self::BadRecord | Self::LineTooLong | Self::NoStatus | Self::NotARequest)
    }

    /// Whether the record is a request that was answered.
    const fn is_request(self) -> bool {
        matches!(self, Self::OtherRequest | Self::RecordingRequest)
    }

    /// Whether nothing tells what the record is.
    const fn is_of_no_form(self) -> bool {
        matches!(self, Self::BadRecord | Self::LineTooLong)
    }

    const fn word(self) -> &'static str {
        match self {
            Self::BadRecord => "bad_record",
            Self::Comment => "comment",
            Self::Header => "header",
            Self::LineTooLong => "line_too_long",
            Self::NoStatus => "no_status",
            Self::NotARequest => "not_a_request",
            Self::OtherRequest => "other_request",
            Self::RecordingRequest => "recording_request",
        }
    }
}

/// Reads the records of one log: knows its names, its zone and its recording paths.
#[derive(Clone, Debug)]
pub struct LogReader {
    source: SourceId,
    table: Table,
    clock: Clock,
    targets: Targets,
    keeps_rejects: bool,
    /// Finds records in others that are no requests.
    probe: Option<Probe>,
}

impl LogReader {
    /// The reader of `source`, which reports show as `shown`.
    #[must_use]
    pub fn new(source: SourceId, shown: &str, settings: &Settings) -> Self {
        Self {
            source,
            table: Table::new(settings, shown),
            clock: Clock::new(settings, shown),
            targets: Targets::new(settings, shown),
            keeps_rejects: false,
            probe: None,
        }
    }

    /// The same, where what `probe` finds in a record that is no request is read in its stead, under its number.
    #[must_use]
    pub fn probing(self, probe: Option<Probe>) -> Self {
        Self { probe, ..self }
    }

    /// The same, keeping the records that give no request.
    #[must_use]
    pub fn keeping_rejects(self, keeps_rejects: bool) -> Self {
        Self { keeps_rejects, ..self }
    }

    /// Reads a block of whole lines. Records count from 1, from its first line.
    #[must_use]
    pub fn read(&self, bytes: &[u8], part: Part) -> LogSum {
        let mut log = LogSum::default();
        self.append(&mut log, self.part(bytes, part));
        log
    }

    /// [`read`](Self::read), but rows whose header may stand in an earlier block wait for it.
    #[must_use]
    pub fn part(&self, bytes: &[u8], part: Part) -> LogSum {
        self.read_with(bytes, part, Shapes::new(), |_, _| ())
    }

    /// Adds to `sum` the part of the log that follows it.
    pub fn append(&self, sum: &mut LogSum, mut part: LogSum) {
        if !part.waiting.is_empty() {
            self.settle(&mut part, sum.header.clone());
        }
        sum.append(part);
    }

    /// Whether the line names the columns of the rows that follow.
    #[must_use]
    pub fn is_header(&self, line: &[u8]) -> bool {
        Header::parse(line, &self.table).is_some()
    }

    /// Whether the JSON that begins with `text` has the target and the status of a request.
    pub(super) fn is_request(&self, text: &[u8]) -> bool {
        let (mut fields, mut seen) = (Fields::default(), Vec::new());
        // What was cut says what it said before.
        let _cut = Known::new().collect(text, &self.table, &mut fields, &mut seen);
        fields.status().is_some() && request_line(&fields).is_some()
    }

    /// Whether the JSON of `sample` has the target and the status of a request.
    pub(super) fn is_request_of(&self, sample: &Sample<'_>) -> bool {
        sample.may_have(|key| self.table.may_lead_to_status(key)) && self.is_request(sample.bytes)
    }

    /// [`part`](Self::part) of a text that may be no log, with what stands before the first request counted.
    #[must_use]
    pub fn part_of_unknown(&self, bytes: &[u8], part: Part) -> LogSum {
        let (mut before, mut is_met) = (0, false);
        let mut log = self.read_with(bytes, part, Shapes::new(), |line, fate| {
            is_met |= fate.is_some_and(Fate::is_request);
            // A line that waits for a header has no known form yet.
            let is_unknown = fate.map_or(!line.trim_ascii().is_empty(), Fate::is_of_no_form);
            before += u64::from(!is_met && is_unknown);
        });
        log.before = Some(before);
        log
    }

    /// How many records of no known form stand before the first request of a whole log.
    #[must_use]
    pub(super) fn before_requests(&self, bytes: &[u8]) -> u64 {
        self.part_of_unknown(bytes, Part::WHOLE).before.unwrap_or(0)
    }

    /// [`part`](Self::part) with these shapes, telling `watch` what became of every line that is held.
    fn read_with(
        &self,
        bytes: &[u8],
        part: Part,
        shapes: Shapes,
        mut watch: impl FnMut(&[u8], Option<Fate>),
    ) -> LogSum {
        let mut block = Block::new(self, shapes, part.header());
        let mut fates = Fates::default();
        if part.is_open() {
            block.log.lines += 1;
            let fate = Some(block.too_long());
            block.keep(bytes, fate);
            fates.count(fate);
        } else if let Some(rest) = part.rest_of_a_line(bytes) {
            block.keep(rest, Some(Fate::LineTooLong));
        }
        let mut fields = Fields::default();
        let mut rest = part.lines(bytes);
        while !rest.is_empty() {
            block.log.lines += 1;
            if block.spans_lines
                && let Some((record, behind, more)) = block.record_of_lines(rest, &mut fields)
            {
                let fate = Some(block.exchange(&mut fields, Outer::default(), Format::Csv));
                watch(record, fate);
                block.keep(record, fate);
                fates.count(fate);
                block.log.lines += more;
                rest = behind;
                continue;
            }
            if let Some((line, behind)) = block.skim(rest) {
                watch(line, Some(Fate::OtherRequest));
                fates.count(Some(Fate::OtherRequest));
                rest = behind;
                continue;
            }
            let (line, behind) = line::split(rest);
            let fate = block.line(line, &mut fields);
            watch(line, fate);
            block.keep(line, fate);
            fates.count(fate);
            rest = behind;
        }
        block.finish(&fates)
    }

    /// Reads the rows of `part` that waited for a header, which is the last one before it in the log, if any.
    fn settle(&self, part: &mut LogSum, header: Option<Arc<[u8]>>) {
        let mut block = Block::new(self, Shapes::new(), header);
        // What no header helps is bad now.
        block.log.header = None;
        block.is_last_try = true;
        let (mut fates, waiting) = (Fates::default(), std::mem::take(&mut part.waiting));
        let (lines, before) = (part.lines, part.before);
        for (record, line) in &waiting {
            block.log.lines = *record;
            let fate = block.line(line, &mut Fields::default());
            block.keep(line, fate);
            fates.count(fate);
        }
        let mut settled = block.finish(&fates);
        settled.lines = 0;
        settled.header = part.header.take();
        let format = part.format.or(settled.format);
        settled.append(std::mem::take(part));
        *part = settled;
        part.format = format;
        part.lines = lines;
        part.before = before;
        part.requests.sort_by_key(|request| request.locus.record);
        part.rejects = in_order(std::mem::take(&mut part.rejects));
    }

    /// Reads entries of a document of this `format`. Records are where the entries say.
    pub fn read_entries<'a>(&self, format: Format, entries: impl Iterator<Item = Entry<'a>>) -> LogSum {
        let mut block = Block::new(self, Shapes::new(), None);
        block.log.format = Some(format);
        let (mut fates, mut fields) = (Fates::default(), Fields::default());
        for entry in entries {
            block.log.lines = entry.record;
            let fate = block.entry(entry.bytes, format, &mut fields, 0);
            block.keep(entry.bytes, fate);
            fates.count(fate);
        }
        block.log.lines = 0;
        block.finish(&fates)
    }
}

/// How many records had which fate.
#[derive(Default)]
struct Fates([u64; Fate::ALL.len()]);

impl Fates {
    fn count(&mut self, fate: Option<Fate>) {
        if let Some(count) = fate.and_then(|fate| self.0.get_mut(fate as usize)) {
            *count += 1;
        }
    }
}

impl LogReader {
    /// Whether a sketch tells its line to be a request about no recording; then its time is taken down.
    fn is_other(&self, sketch: &Sketch<'_, '_>, log: &mut LogSum, memo: &mut Memo) -> bool {
        if log.format.is_none() || sketch.targets().any(|target| self.targets.may_be_recording(target)) {
            return false;
        }
        let Some(time) = sketch.time() else { return false };
        let instant = self.clock.read_like(time, memo, &mut log.zones);
        let Some(Instant { at, ambiguous: false, .. }) = instant else { return false };
        log.saw(at);
        true
    }
}

/// A block being read.
struct Block<'r> {
    reader: &'r LogReader,
    log: LogSum,
    shapes: Shapes,
    seen: Vec<Seen>,
    known: Known,
    /// The keys of lines of pairs.
    pairs: Known,
    /// The last time read, which the next one mostly repeats.
    memo: Memo,
    /// The time that the line skimmed last was written with, and which has been taken down.
    skimmed: Option<[u8; combined::TIME]>,
    /// What the rows that follow hold.
    header: Option<Header>,
    /// Whether records of that table may go on in further lines.
    spans_lines: bool,
    /// Whether there is no later try for a line that nothing fits.
    is_last_try: bool,
    /// Whether the time that was read last was ambiguous, and whether it was written without a zone.
    is_ambiguous: bool,
    is_local: bool,
    /// The texts of its requests.
    packer: Packer,
    /// What their targets were about.
    alike: Alike,
}

/// What a request was taken from, beside its fields.
#[derive(Clone, Copy)]
struct Around<'e> {
    outer: Outer<'e>,
    format: Format,
    exchange: &'e Exchange<'e>,
}

/// What stands around a record.
#[derive(Clone, Copy, Debug, Default)]
struct Outer<'a> {
    /// The time that a prefix or an object around it has.
    time: Option<&'a [u8]>,
    /// How many prefixes and objects.
    depth: u8,
}

/// Prefixes and objects around a record that are taken off.
const DEPTH: u8 = 3;

impl<'r> Block<'r> {
    fn new(reader: &'r LogReader, shapes: Shapes, header: Option<Arc<[u8]>>) -> Self {
        let log = LogSum { clock: Some(reader.clock.clone()), ..LogSum::default() };
        let (known, pairs, memo) = (Known::new(), Known::new(), Memo::default());
        let mut block = Self {
            reader,
            log,
            shapes,
            seen: Vec::new(),
            known,
            pairs,
            memo,
            skimmed: None,
            header: None,
            spans_lines: false,
            is_last_try: false,
            is_ambiguous: false,
            is_local: false,
            packer: Packer::default(),
            alike: Alike::new(),
        };
        if let Some(line) = header {
            block.take_header(Header::parse(&line, &reader.table));
        }
        block
    }

    /// The log with its records counted.
    fn finish(self, fates: &Fates) -> LogSum {
        let mut log = self.log;
        log.text_bytes = self.packer.finish();
        for (fate, count) in Fate::ALL.into_iter().zip(fates.0) {
            log.tally.add(fate.word(), count);
        }
        log.records = log.tally.total();
        log.total = log.tally.count(Fate::OtherRequest.word()) + log.tally.count(Fate::RecordingRequest.word());
        log
    }

    fn take_header(&mut self, header: Option<Header>) {
        if let Some(header) = header {
            self.log.header = Some(header.line().into());
            self.log.table = self.log.table.or(Some(header.format()));
            self.spans_lines = header.spans_lines();
            self.header = Some(header);
        }
    }

    /// The record of several lines at the front of `text`, with its fields; see [`columns::record_of_lines`].
    fn record_of_lines<'a>(&self, text: &'a [u8], fields: &mut Fields<'a>) -> Option<(&'a [u8], &'a [u8], u64)> {
        let found = columns::record_of_lines(text)?;
        self.header.as_ref()?.row(found.0, fields).then_some(found)
    }

    /// Whether a line that is no request may be a record of another kind, or hold records.
    fn may_hold(&self, line: &[u8]) -> bool {
        let is_other = || self.reader.probe.as_ref().is_some_and(|probe| probe.is_other(line));
        line.first() == Some(&b'{') && (is_list_of_objects(line) || is_other())
    }

    /// Reads what a record holds that is no request itself; whether it holds any.
    fn held(&mut self, bytes: &[u8], format: Format, depth: u8) -> bool {
        let Some(inner) = self.reader.probe.as_ref().and_then(|probe| probe.within(bytes)) else { return false };
        let record = self.log.lines;
        if depth == NESTED {
            let detail = || format!("more than {NESTED} lists in one another");
            self.log.anomalies.note("limit_nesting", Some(record), detail);
            return false;
        }
        let mut fields = Fields::default();
        for nested in inner.entries(bytes) {
            let format = document::exchange(&Sample::of(nested.bytes)).unwrap_or(format);
            if let Some(fate) = self.entry(nested.bytes, format, &mut fields, depth + 1) {
                self.keep(nested.bytes, Some(fate));
                self.log.tally.add(fate.word(), 1);
            }
        }
        if self.reader.keeps_rejects {
            self.log.rejects.extend(inner.rejects(bytes).map(|reject| Reject { record, ..reject }));
        }
        self.log.tally.merge(&inner.tally);
        self.log.anomalies.absorb(inner.anomalies.at(record), 0);
        true
    }

    /// Reads an entry of a document; `None` where it is none itself, and what it holds was read.
    fn entry<'a>(&mut self, bytes: &'a [u8], format: Format, fields: &mut Fields<'a>, depth: u8) -> Option<Fate> {
        let fate = self.entry_itself(bytes, format, fields);
        // A line that was handed out with its time is text, and holds no records but itself.
        let nothing = if bytes.first() == Some(&b'[') { Fate::BadRecord } else { Fate::NotARequest };
        if fate == nothing && self.held(bytes, format, depth) {
            return None;
        }
        if fate == Fate::BadRecord {
            let detail = || format!("{} bytes that are no JSON", bytes.len());
            self.log.anomalies.note("bad_record", Some(self.log.lines), detail);
        }
        Some(fate)
    }

    fn entry_itself<'a>(&mut self, bytes: &'a [u8], format: Format, fields: &mut Fields<'a>) -> Fate {
        match format {
            Format::Har | Format::Newman => match Exchange::of(bytes, &mut self.known.keys) {
                Some(exchange) => {
                    let heard = self.heard(&exchange, fields);
                    // Among exchanges another record may stand that is a request.
                    let mut other =
                        || Some(self.json(bytes, fields, Outer::default())).filter(|fate| fate.is_request());
                    if heard.is_request() { heard } else { other().unwrap_or(heard) }
                }
                None => Fate::BadRecord,
            },
            // A line among the blocks that is a record by itself.
            Format::SdkText if bytes.first() == Some(&b'{') => self.json(bytes, fields, Outer::default()),
            Format::SdkText => self.heard(&sdk::parse(bytes), fields),
            Format::JsonDocument if bytes.first() == Some(&b'[') => self.shipped(bytes),
            _ => self.json(bytes, fields, Outer::default()),
        }
    }

    /// Reads an entry that is a line with its time.
    fn shipped(&mut self, bytes: &[u8]) -> Fate {
        match Shipped::parse(bytes) {
            Some(Shipped { time, line }) => {
                self.inner(line.as_bytes(), Outer { time: Some(time.as_bytes()), depth: 1 })
            }
            None => Fate::BadRecord,
        }
    }

    /// Takes down an exchange of a document.
    fn heard<'a>(&mut self, exchange: &Exchange<'a>, fields: &mut Fields<'a>) -> Fate {
        let Some(url) = exchange.url.as_deref() else { return Fate::NotARequest };
        let table = &self.reader.table;
        fields.clear();
        fields.duplicate = exchange.duplicate;
        for (role, value) in [(Role::Time, exchange.time), (Role::Status, exchange.status)] {
            if let Some(value) = value {
                fields.offer((role, 0), value, false);
            }
        }
        if self.reader.targets.may_be_recording(url) {
            for (headers, part) in exchange.headers.iter().zip([&b"requestheaders."[..], b"responseheaders."]) {
                for (name, value) in headers {
                    let path: Vec<u8> = part.iter().copied().chain(json::fold(&name.value())).collect();
                    if let Some(entry) = table.entry(&path) {
                        fields.offer(entry, *value, false);
                    }
                }
            }
        }
        let method = exchange.method.map(Scalar::value).unwrap_or_default();
        let around = Around { outer: Outer::default(), format: Format::JsonDocument, exchange };
        self.request((method, Cow::Borrowed(url)), fields, around)
    }

    /// Keeps the record that is read now, if it gave nothing.
    fn keep(&mut self, bytes: &[u8], fate: Option<Fate>) {
        if self.reader.keeps_rejects
            && let Some(fate) = fate.filter(|fate| fate.is_reject())
        {
            self.log.rejects.push(Reject { record: self.log.lines, reason: fate.word(), bytes: bytes.into() });
        }
    }

    fn too_long(&mut self) -> Fate {
        self.log.anomalies.note("line_too_long", Some(self.log.lines), || format!("more than {LINE_BYTES} bytes"));
        Fate::LineTooLong
    }

    /// The line at the front of `text` and what follows it, where it is of the combined format, about no recording, and
    /// written with a time that differs from the last one in its second alone: nothing else need be known of it.
    fn skim<'a>(&mut self, text: &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
        // With a header the line may be a row, and the first line of a log tells its format.
        if self.header.is_some() || self.log.format.is_none() {
            return None;
        }
        let glance = combined::glance(text)?;
        if self.skimmed.as_ref() != Some(glance.time) {
            let Instant { at, ambiguous: false, .. } = self.memo.recall(glance.time)? else { return None };
            if glance.time.contains(&b'\n') {
                return None;
            }
            self.log.saw(at);
            self.skimmed = Some(*glance.time);
        }
        if self.reader.targets.may_be_recording(glance.request) {
            return None;
        }
        let more = text.get(glance.length..)?;
        let end = glance.length + memchr::memchr(b'\n', more).unwrap_or(more.len());
        let line = text.get(..end).filter(|line| line.len() <= LINE_BYTES)?;
        Some((line.strip_suffix(b"\r").unwrap_or(line), text.get(end + 1..).unwrap_or_default()))
    }

    /// Reads a line; `None` for a blank one, one that waits for its header, and one of which what it holds was read.
    fn line<'a>(&mut self, line: &'a [u8], fields: &mut Fields<'a>) -> Option<Fate> {
        let record = Some(self.log.lines);
        if line.len() > LINE_BYTES {
            return Some(self.too_long());
        }
        // A log that was emptied while it was written to goes on behind a hole of NULs.
        let start = line.iter().position(|byte| !matches!(byte, 0 | b' ' | b'\t'));
        let whole = line;
        let line = line.get(start?..)?;
        let fate = self.record(line, fields, Outer::default());
        if fate == Fate::NotARequest && self.may_hold(line) && self.held(line, Format::JsonLines, 0) {
            return None;
        }
        if fate == Fate::BadRecord {
            if self.header.is_none() && !self.is_last_try {
                self.log.waiting.push((self.log.lines, whole.into()));
                return None;
            }
            self.log.anomalies.note("bad_record", record, || format!("{} bytes of no known form", line.len()));
        }
        Some(fate)
    }

    /// Reads what begins with no blank.
    fn record<'a>(&mut self, line: &'a [u8], fields: &mut Fields<'a>, outer: Outer<'a>) -> Fate {
        match line.first() {
            Some(b'{') => return self.json(line, fields, outer),
            Some(b'#') if outer.depth == 0 => {
                self.take_header(Header::directive(line, &self.reader.table));
                return Fate::Comment;
            }
            _ => {}
        }
        if let Some(header) = &self.header
            && header.row(line, fields)
        {
            let format = header.format();
            // A row without what makes a request may be a record of another format.
            if fields.has_status() {
                return self.exchange(fields, outer, format);
            }
        }
        if let Some(parsed) = combined::parse(line) {
            return self.combined(parsed, outer);
        }
        if let Some(format) = balancer::parse(line, fields) {
            return self.exchange(fields, outer, format);
        }
        if logfmt::collect(line, &mut self.pairs, &self.reader.table, fields).is_some() {
            return self.exchange(fields, outer, Format::Logfmt);
        }
        if outer.depth < DEPTH
            && let Some(stripped) = prefix::strip(line)
        {
            let outer = Outer { time: stripped.time.or(outer.time), depth: outer.depth + 1 };
            let fate = match stripped.record {
                b"" => Fate::BadRecord,
                record => self.record(record, fields, outer),
            };
            if fate != Fate::BadRecord {
                return fate;
            }
            if stripped.is_certain {
                return if looks_like_a_request(stripped.record) { fate } else { Fate::NotARequest };
            }
        }
        if outer.depth > 0
            && let Some(parsed) = combined::without_time(line)
        {
            return self.combined(parsed, outer);
        }
        if self.header.is_none()
            && let Some(header) = Header::of_edge_row(line, &self.reader.table)
        {
            header.row(line, fields);
            return self.exchange(fields, outer, Format::CloudFront);
        }
        if outer.depth == 0
            && let Some(header) = Header::csv(line, &self.reader.table)
        {
            self.take_header(Some(header));
            return Fate::Header;
        }
        Fate::BadRecord
    }

    fn combined(&mut self, parsed: combined::Line<'_>, outer: Outer<'_>) -> Fate {
        let Some(status) = parsed.status else { return Fate::NoStatus };
        if self.log.format.is_none() {
            self.log.format = Some(if parsed.is_combined() { Format::Combined } else { Format::Common });
        }
        let time = (!parsed.time.is_empty()).then(|| Scalar::plain(parsed.time));
        let at = self.time([time, None], outer.time, Format::Combined);
        let (method, target) = parsed.request();
        if !self.reader.targets.may_be_recording(&target) {
            return Fate::OtherRequest;
        }
        let Some((audience, mut names, shown)) = self.alike.about(&self.reader.targets, &self.reader.table, &target)
        else {
            return Fate::OtherRequest;
        };
        let behind = parsed.behind(&self.reader.table);
        for (kind, value) in &behind.names {
            target::push(&mut names, *kind, Place::Field, combined::unescape(value));
        }
        if names.len() > target::FEW {
            distinct_names(&mut names);
        }
        let signs = behind.signs.iter().map(|(sign, value)| (*sign, *value));
        let [host, user] = parsed.asker();
        let client = match behind.client {
            Some(client) => Some(Cow::Borrowed(client)),
            None => user.or(host).map(without_port),
        };
        let texts = Texts {
            method: &method_name(&method),
            target: &shown,
            client: client.as_deref(),
            user,
            error_code: behind.error_code,
            request_id: behind.request_id,
            correlation_id: behind.correlation_id,
            names,
        };
        let at = (at, self.locus());
        let request = ApiRequest::among(at, StatusCode(status), audience, (&texts, &mut self.packer));
        let Self { is_ambiguous, is_local, .. } = *self;
        let is_no_audio =
            StatusCode(status).is_allowed() && (answer::is_own_page(signs.clone()) || is_refusal(behind.error_code));
        self.log.requests.push(ApiRequest {
            answered: answer::answered(status, signs),
            is_no_audio,
            is_ambiguous,
            is_local,
            ..request
        });
        Fate::RecordingRequest
    }

    fn json<'a>(&mut self, line: &'a [u8], fields: &mut Fields<'a>, outer: Outer<'a>) -> Fate {
        let fit = self.shapes.fit(line);
        let is_known = fit.is_some();
        if let Some(fit) = fit {
            let (log, memo) = (&mut self.log, &mut self.memo);
            if fit.sketch().is_some_and(|sketch| self.reader.is_other(&sketch, log, memo)) {
                return Fate::OtherRequest;
            }
            if fit.fill(fields) {
                return self.exchange(fields, outer, Format::JsonLines);
            }
        }
        let table = &self.reader.table;
        let Some(collected) = self.known.collect(line, table, fields, &mut self.seen) else {
            return Fate::BadRecord;
        };
        if !collected.odd && !is_known {
            self.shapes.learn(line, &self.seen);
        }
        self.exchange(fields, outer, Format::JsonLines)
    }

    /// What a JSON record holds that is only the wrapper of one: of a line of another format, or of JSON as text.
    fn wrapped(&mut self, fields: &Fields<'_>, outer: Outer<'_>) -> Fate {
        let Some(text) = fields.wrapped().filter(|_| outer.depth < DEPTH) else { return Fate::NotARequest };
        let text = text.value();
        let time = fields.times().into_iter().flatten().next().map(Scalar::value);
        self.inner(&text, Outer { time: time.as_deref().or(outer.time), depth: outer.depth + 1 })
    }

    /// What a text holds that something whole stands around.
    fn inner(&mut self, text: &[u8], outer: Outer<'_>) -> Fate {
        let record = text.trim_ascii();
        if record.is_empty() {
            return Fate::NotARequest;
        }
        match self.record(record, &mut Fields::default(), outer) {
            Fate::BadRecord if !looks_like_a_request(record) => Fate::NotARequest,
            fate => fate,
        }
    }

    /// Takes down the record in `fields`.
    fn exchange(&mut self, fields: &mut Fields<'_>, outer: Outer<'_>, format: Format) -> Fate {
        match request_line(fields) {
            Some(line) => self.request(line, fields, Around { outer, format, exchange: &Exchange::default() }),
            None => self.wrapped(fields, outer),
        }
    }

    /// Takes down the request that `fields` and, of a document, an exchange hold.
    fn request<'a>(&mut self, line: RequestLine<'_>, fields: &Fields<'a>, around: Around<'_>) -> Fate {
        let ((method, target), Around { outer, format, exchange }) = (line, around);
        let Some(status) = fields.status() else {
            return if method.is_empty() { Fate::NotARequest } else { Fate::NoStatus };
        };
        self.log.format = self.log.format.or(Some(format));
        if fields.duplicate {
            self.log.anomalies.note("duplicate_key", Some(self.log.lines), || {
                "the same field twice with different values; the first counts".to_owned()
            });
        }
        let at = self.time(fields.times(), outer.time, format);
        if !self.reader.targets.may_be_recording(&target) {
            return Fate::OtherRequest;
        }
        let target = match fields.query() {
            Some(query) if memchr::memchr(b'?', &target).is_none() => {
                let query = query.value();
                Cow::Owned([&target, &b"?"[..], query.strip_prefix(b"?").unwrap_or(&query)].concat())
            }
            _ => target,
        };
        let Some((audience, mut names, shown)) = self.alike.about(&self.reader.targets, &self.reader.table, &target)
        else {
            return Fate::OtherRequest;
        };
        let body = self.bodies(fields, exchange);
        for (kind, value) in &fields.names {
            target::push(&mut names, *kind, Place::Field, value.value());
        }
        names.extend(body.names);
        if names.len() > target::FEW {
            distinct_names(&mut names);
        }
        let signs = fields.signs.iter().map(|(sign, value)| (*sign, value.text));
        let by_edge = status >= 400 && exchange.is_by_edge();
        let edge = by_edge.then_some(Answered { by: Answerer::Edge, known_by: KnownBy::ResponseHeaders });
        let said = |field: Option<Scalar<'a>>| field.map(Scalar::value);
        let [user, error_code, request_id, correlation_id] =
            [fields.user(), fields.error_code(), fields.request_id(), fields.correlation_id()].map(said);
        let client = said(fields.client());
        let client = client.as_deref().map(without_port);
        let texts = Texts {
            method: &method_name(&method),
            target: &shown,
            client: client.as_deref(),
            user: user.as_deref(),
            error_code: error_code.as_deref().or(body.error_code.as_deref()),
            request_id: request_id.as_deref(),
            correlation_id: correlation_id.as_deref().or(body.correlation_id.as_deref()),
            names,
        };
        let handed = body.handed.all();
        let more = More {
            // Several may each be of another call: nothing says whose times these are.
            recorded: match handed.len() {
                // Of a list, what it hands out.
                0 | 1 => recorded(fields)
                    .chain(body.recorded)
                    .filter(|(.., has_media_uri)| *has_media_uri || audience == Audience::RecordingMedia)
                    .map(|(from, until, _)| (from, until))
                    .collect(),
                _ => Box::default(),
            },
            error_params: error_params(fields).chain(body.error_params).collect(),
            batch_errors: body.batch_errors.into(),
            handed,
        };
        let is_denied =
            StatusCode(status).is_allowed() && (answer::is_own_page(signs.clone()) || is_refusal(texts.error_code));
        let request = ApiRequest {
            answered: edge.or_else(|| answer::answered(status, signs)),
            body_has_media_uri: fields.media_uris > 0 || body.has_media_uri,
            is_no_audio: fields.no_audio || body.no_audio || is_denied,
            more: more.kept(),
            is_ambiguous: self.is_ambiguous,
            is_local: self.is_local,
            ..ApiRequest::among((at, self.locus()), StatusCode(status), audience, (&texts, &mut self.packer))
        };
        self.log.requests.push(request);
        Fate::RecordingRequest
    }

    /// What the bodies say that were logged as text, and those of a document.
    fn bodies(&self, fields: &Fields<'_>, exchange: &Exchange<'_>) -> Said {
        let (mut said, table) = (Said::default(), &self.reader.table);
        for body in &fields.request_bodies {
            said.request(&body.value(), table);
        }
        if let Some(body) = &exchange.request_body {
            said.request(body, table);
        }
        said.handed.add(fields);
        for body in &fields.bodies {
            said.response(&body.value(), table);
        }
        if let Some(body) = &exchange.response_body {
            said.response(body, table);
        }
        said
    }

    /// The first readable one of the candidates for the time; else the two of them together, where one is a date and the
    /// other the time of the day; else that of what stands around the record.
    fn time(&mut self, candidates: [Option<Scalar<'_>>; 2], outer: Option<&[u8]>, format: Format) -> Option<Timestamp> {
        (self.is_ambiguous, self.is_local) = (false, false);
        if let [Some(one), Some(other)] = candidates
            && let Some(joined) = joined(&one.value(), &other.value(), format.is_utc())
            && let Some(at) = self.read_time(joined.text())
        {
            return Some(at);
        }
        for candidate in candidates.into_iter().flatten() {
            if let Some(at) = self.read_time(&candidate.value()) {
                return Some(at);
            }
        }
        if let Some(at) = outer.and_then(|text| self.read_time(text)) {
            return Some(at);
        }
        self.log.anomalies.note("bad_time", Some(self.log.lines), || match candidates {
            [None, _] => "no field holds a time".to_owned(),
            _ => "no field holds a time that can be read".to_owned(),
        });
        None
    }

    fn read_time(&mut self, text: &[u8]) -> Option<Timestamp> {
        let Instant { at, ambiguous, local } =
            self.reader.clock.read_like(text, &mut self.memo, &mut self.log.zones)?;
        (self.is_ambiguous, self.is_local) = (ambiguous, local);
        if ambiguous {
            self.log.anomalies.note("ambiguous_time", Some(self.log.lines), || {
                "a local time while the clock was changed, without an offset".to_owned()
            });
        }
        self.log.saw(at);
        Some(at)
    }

    fn locus(&self) -> Locus {
        Locus { source: self.reader.source, record: self.log.lines }
    }
}

/// Whether an error code is one of the API's, such as `not.authorized`, which no answer has that hands out a recording.
fn is_refusal(code: Option<&[u8]>) -> bool {
    code.is_some_and(|code| {
        code.contains(&b'.')
            && code.first().is_some_and(u8::is_ascii_lowercase)
            && code.iter().all(|byte| byte.is_ascii_lowercase() || matches!(byte, b'.' | b'_' | b'-'))
    })
}

/// Whether a JSON text may have an array of objects in it.
fn is_list_of_objects(line: &[u8]) -> bool {
    memchr::memchr_iter(b'[', line)
        .any(|at| line.get(at + 1..).unwrap_or_default().trim_ascii_start().starts_with(b"{"))
}

/// Whether text that is no record was meant to be one of a request, and so was torn.
fn looks_like_a_request(text: &[u8]) -> bool {
    text.first() == Some(&b'{')
        || [&b" HTTP/"[..], b"\"GET /", b"\"POST /"].iter().any(|mark| memmem::find(text, mark).is_some())
}

/// Method and target of a record. The request line is what the client sent; other fields may have been decoded or
/// rewritten, so they stand in only where it is missing, unless the configuration names them.
fn request_line<'a>(fields: &Fields<'a>) -> Option<RequestLine<'a>> {
    let method = fields.method().map(Scalar::value);
    let target = fields.target();
    let line = fields.request().map(Scalar::value).filter(|_| !fields.target_is_configured());
    let sent: Option<RequestLine<'a>> = match line {
        Some(Cow::Borrowed(line)) => combined::sent(line).map(|(method, target)| (method.into(), target.into())),
        Some(Cow::Owned(line)) => {
            combined::sent(&line).map(|(method, target)| (method.to_vec().into(), target.to_vec().into()))
        }
        None => None,
    };
    match (sent, target) {
        (Some((sent, target)), _) if !sent.is_empty() => Some((sent, target)),
        (_, Some(target)) => {
            let target = target.value();
            let with_method = match target.first() {
                Some(b'/') => None,
                _ => combined::sent(&target).filter(|(method, _)| !method.is_empty()),
            };
            match with_method.map(|(method, target)| (method.to_vec(), target.to_vec())) {
                Some((method, target)) => Some((method.into(), target.into())),
                None => Some((method.unwrap_or_default(), target)),
            }
        }
        (Some((_, target)), None) => Some((method.unwrap_or_default(), target)),
        (None, None) => None,
    }
}

/// A method, empty where none is logged, and a target.
type RequestLine<'a> = (Cow<'a, [u8]>, Cow<'a, [u8]>);

/// Methods are case-sensitive and upper-case; some logs write them otherwise.
fn method_name(method: &[u8]) -> Cow<'_, str> {
    let name = String::from_utf8_lossy(method);
    if name.bytes().any(|byte| byte.is_ascii_lowercase()) { name.to_ascii_uppercase().into() } else { name }
}

/// A client without the port of its address, which would make every connection another client; of the addresses of an
/// `X-Forwarded-For` the first.
fn without_port(client: &[u8]) -> Cow<'_, [u8]> {
    let is_bare = !client.iter().any(|byte| matches!(byte, b':' | b',' | b'['));
    let Some(text) = str::from_utf8(client).ok().filter(|_| !is_bare) else { return client.into() };
    let first = text.split(',').next().unwrap_or_default().trim();
    let bare = first.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(first);
    if let Ok(socket) = first.parse::<SocketAddr>() {
        socket.ip().to_string().into_bytes().into()
    } else if bare.parse::<IpAddr>().is_ok() {
        Cow::Borrowed(bare.as_bytes())
    } else {
        client.into()
    }
}

#[cfg(test)]
mod tests {
    use super::super::line::Walk;
    use super::super::noise::Noise;
    use super::*;
    use crate::facts::{ErrorParam, NameKind};

    fn reader() -> LogReader {
        LogReader::new(SourceId(3), "a.log", &Settings::default())
    }

    fn read(text: &str) -> LogSum {
        let log = reader().read(text.as_bytes(), Part::WHOLE);
        assert_eq!(log.tally.total(), log.records);
        log
    }

    #[test]
    fn a_time_of_an_hour_that_comes_twice_is_told() {
        let settings =
            Settings { log_timezone: Some("America/New_York".parse().expect("a zone")), ..Settings::default() };
        let reader = LogReader::new(SourceId(3), "a.log", &settings);
        for (time, expected) in
            [("2026-11-01T01:31:00", true), ("2026-11-01T02:31:00", false), ("2026-11-01T01:31:00-05:00", false)]
        {
            let line = format!("{{\"time\":\"{time}\",\"path\":\"/api/v2/recordings/1\",\"status\":403}}\n");
            let log = reader.read(line.as_bytes(), Part::WHOLE);
            assert_eq!(
                log.requests.iter().map(|request| request.is_ambiguous).collect::<Vec<_>>(),
                [expected],
                "{time}"
            );
        }
    }

    #[test]
    fn what_the_record_says_was_refused_behind_the_proxy_is_not_served() {
        let is_served = |more: &str| {
            let line = format!(
                "{{\"time\":\"2026-03-02T10:00:00Z\",\"method\":\"GET\",\"uri\":\"/api/v2/recordings/r1\",\"status\":200{more}}}\n"
            );
            request(&line).is_served()
        };
        for more in ["", ",\"upstream_status\":\"200\"", ",\"upstream_status\":\"-\"", ",\"error_code\":\"OK\""] {
            assert!(is_served(more), "{more}");
        }
        for more in [
            ",\"upstream_status\":\"403\"",
            ",\"upstream_status\":502",
            ",\"response_code_details\":\"direct_response\"",
            ",\"error_code\":\"not.authorized\"",
            ",\"responseBody\":{\"code\":\"not.authorized\",\"status\":403}",
            ",\"responseBody\":\"{\\\"code\\\":\\\"not.authorized\\\"}\"",
        ] {
            assert!(!is_served(more), "{more}");
        }
        let line = |status: &str| {
            format!(
                "192.0.2.1 - - [02/Mar/2026:10:00:00 +0000] \"GET /recordings/r1 HTTP/1.1\" 200 1 \"-\" \"a\" upstream_status={status}\n"
            )
        };
        assert_eq!(["200", "404"].map(|status| request(&line(status)).is_served()), [true, false]);
    }

    #[test]
    fn a_request_that_names_very_much_names_it_once_and_takes_no_square_of_time() {
        let path: String = (0..200_000).map(|number| format!("/a{}", number % 150_000)).collect();
        let line =
            format!("{{\"time\":\"2026-03-02T10:00:00Z\",\"path\":\"/api/v2/recordings{path}\",\"status\":403}}\n");
        assert_eq!(request(&line).names().count(), 150_000);
        let fields: String = (0..100_000).map(|number| format!(",\"callId\":\"{}\"", number % 80_000)).collect();
        let line =
            format!("{{\"time\":\"2026-03-02T10:00:00Z\",\"path\":\"/api/v2/recordings/1\",\"status\":403{fields}}}\n");
        assert_eq!(request(&line).names().count(), 80_001);
    }

    fn tally(log: &LogSum) -> Vec<(&'static str, u64)> {
        log.tally.iter().collect()
    }

    /// The request of a log with one recording request.
    #[track_caller]
    fn request(text: &str) -> ApiRequest {
        let log = read(text);
        assert_eq!(log.requests.len(), 1, "{text}: {:?}", tally(&log));
        log.requests.into_iter().next().expect("one request")
    }

    fn text(bytes: Option<&[u8]>) -> Option<&str> {
        bytes.map(|bytes| str::from_utf8(bytes).expect("UTF-8"))
    }

    fn named(request: &ApiRequest) -> Vec<(NameKind, Place, String)> {
        let name =
            |name: crate::facts::Name<'_>| (name.kind, name.place, String::from_utf8_lossy(&name.value).into_owned());
        request.names().map(name).collect()
    }

    #[test]
    fn a_json_record_says_all_it_says() {
        let request = request(concat!(
            r#"{"@timestamp":"2026-01-02T03:04:05.678+08:00","http":{"request":{"method":"GET","id":"r-1"},"#,
            r#""response":{"status_code":"403"}},"url":{"original":"/api/v2/conversations/C-1/recordings/R-1"},"#,
            r#""client":{"ip":"10.9.0.2"},"user":{"name":"ann"},"error":{"code":"missing.permissions"},"#,
            r#""headers":{"X-Call-ID":["a@b","c"],"inin-correlation-id":"k-1"}}"#
        ));
        assert_eq!(request.at.map(Timestamp::rfc3339).as_deref(), Some("2026-01-01T19:04:05.678Z"));
        assert_eq!(request.locus, Locus { source: SourceId(3), record: 1 });
        assert_eq!((request.method(), request.status.0), ("GET", 403));
        assert_eq!(*request.target(), *b"/api/v2/conversations/C-1/recordings/R-1");
        assert_eq!(text(request.client()), Some("ann"));
        assert_eq!(text(request.error_code()), Some("missing.permissions"));
        assert_eq!(
            (text(request.request_id().as_deref()), text(request.correlation_id().as_deref())),
            (Some("r-1"), Some("k-1"))
        );
        assert_eq!(text(request.user()), Some("ann"));
        assert_eq!(request.audience, Audience::RecordingMedia);
        assert!(request.is_refused());
        let expected = [
            (NameKind::Conversation, Place::Path, "C-1"),
            (NameKind::Segment, Place::Path, "R-1"),
            (NameKind::CallId, Place::Field, "a@b"),
            (NameKind::CallId, Place::Field, "c"),
        ];
        assert_eq!(named(&request), expected.map(|(kind, place, value)| (kind, place, value.to_owned())));
    }

    #[test]
    fn a_combined_record_says_all_it_says() {
        let request = request(
            "gw:443 192.0.2.1 - ann [10/Oct/2000:13:55:36 -0700] \"GET https://h/recordings/a%40b?trunkId=t1 HTTP/1.1\" 200 5 \"-\" \"x\"\n",
        );
        assert_eq!(request.at.map(Timestamp::rfc3339).as_deref(), Some("2000-10-10T20:55:36Z"));
        assert_eq!(*request.target(), *b"https://h/recordings/a%40b?trunkId=t1");
        assert_eq!(text(request.client()), Some("ann"));
        assert!(request.is_served());
        let expected = [(NameKind::Segment, Place::Path, "a@b"), (NameKind::Trunk, Place::Query, "t1")];
        assert_eq!(named(&request), expected.map(|(kind, place, value)| (kind, place, value.to_owned())));
    }

    #[test]
    fn where_the_target_stands() {
        for (fields, target, method) in [
            (r#""uri":"/recordings/1""#, "/recordings/1", ""),
            (r#""request":"GET /recordings/1?a=b HTTP/1.1","uri":"/other""#, "/recordings/1?a=b", "GET"),
            (r#""request":"GET \/recordings\/1 HTTP\/1.1""#, "/recordings/1", "GET"),
            (r#""request":"/recordings/1","method":"put""#, "/recordings/1", "PUT"),
            (r#""request":"some text","path":"/recordings/1""#, "/recordings/1", ""),
            (r#""request":{"method":"GET","uri":"/recordings/1"}"#, "/recordings/1", "GET"),
            (r#""path":"/recordings","query":"?a=b""#, "/recordings?a=b", ""),
            (r#""url":{"path":"/recordings","query":"a=b"}"#, "/recordings?a=b", ""),
            (r#""url.path":"/recordings","url.query":"a=b""#, "/recordings?a=b", ""),
            (r#""uri":"/recordings?c","args":"a=b""#, "/recordings?c", ""),
            (r#""ClientRequestURI":"/recordings","ClientRequestMethod":"GET""#, "/recordings", "GET"),
            (r#""url":"/rec\u006frdings/\x31""#, "/recordings/1", ""),
        ] {
            let request = request(&format!("{{{fields},\"status\":403,\"ts\":1767323045}}"));
            assert_eq!((&*request.target(), request.method()), (target.as_bytes(), method), "{fields}");
        }
    }

    #[test]
    fn the_client_is_an_oauth_client_then_a_user_then_an_address() {
        for (fields, client) in [
            (r#""remote_addr":"10.0.0.1","remote_user":"ann","client_id":"app""#, "app"),
            (r#""remote_addr":"10.0.0.1","remote_user":"ann","client_id":"""#, "ann"),
            (r#""remote_addr":"10.0.0.1","remote_user":"-""#, "10.0.0.1"),
            (r#""downstream_remote_address":"10.0.0.1:4711""#, "10.0.0.1"),
            (r#""client_ip":"[2001:db8::1]:4711""#, "2001:db8::1"),
            (r#""x_forwarded_for":"10.0.0.1, 10.0.0.2""#, "10.0.0.1"),
        ] {
            let request = request(&format!("{{\"uri\":\"/recordings/1\",\"status\":403,{fields}}}"));
            assert_eq!(text(request.client()), Some(client), "{fields}");
        }
    }

    #[test]
    fn bodies_logged_as_text_are_read_for_codes_and_media_uris() {
        let line = |body: &str, status: u16| {
            format!("{{\"uri\":\"/recordings\",\"method\":\"GET\",\"status\":{status},\"response_body\":\"{body}\"}}")
        };
        let refused = request(&line(
            r#"{\"code\":\"missing.permissions\",\"status\":403,\"messageParams\":{\"permissions\":\"a:b:c\"},\"contextId\":\"k\"}"#,
            403,
        ));
        assert_eq!(text(refused.error_code()), Some("missing.permissions"));
        assert_eq!(text(refused.correlation_id().as_deref()), Some("k"));
        let params = [ErrorParam { name: Box::new(*b"permissions"), value: Box::new(*b"a:b:c") }];
        assert_eq!(*refused.error_params(), params);
        assert!(!refused.is_served());
        let list = r#"[{\"media\":\"audio\",\"mediaUris\":{\"0\":{\"mediaUri\":\"https://m\"}}}"#;
        assert!(request(&line(&format!("{list}]"), 200)).is_served());
        assert!(!request(&line(list, 200)).is_served(), "cut");
        assert!(!request(&line("[]", 200)).is_served());
    }

    #[test]
    fn every_line_is_counted_under_one_reason() {
        let log = read(concat!(
            "\u{feff}# a comment\r\n",
            "\r\n",
            "   \n",
            "{\"uri\":\"/a\",\"status\":200,\"time\":\"2026-01-02T03:04:05Z\"}\r\n",
            "{\"uri\":\"/recordings/1\",\"status\":403,\"time\":\"yesterday\"}\n",
            "{\"uri\":\"/a\",\"method\":\"GET\"}\n",
            "{\"level\":\"info\"}\n",
            "{\"level\":\"in\n",
            "fo\"}\n",
            "\0\0\0192.0.2.1 - - [10/Oct/2000:13:55:36 -0700] \"GET /recordings HTTP/1.1\" 200 5\n",
            "192.0.2.1 - - [10/Oct/2000:13:55:36 -0700] \"GET / HTTP/1.1\" - -\n",
            "192.0.2.1 - - [10/Oct/2000:13:5",
        ));
        let expected = [
            ("bad_record", 3),
            ("comment", 1),
            ("no_status", 2),
            ("not_a_request", 1),
            ("other_request", 1),
            ("recording_request", 2),
        ];
        assert_eq!(tally(&log), expected);
        assert_eq!((log.records, log.total), (10, 3));
        assert_eq!(log.requests.iter().map(|request| request.locus.record).collect::<Vec<_>>(), [5, 10]);
        assert_eq!(log.requests.first().expect("first").at, None);
        assert_eq!(log.first.map(Timestamp::rfc3339).as_deref(), Some("2000-10-10T20:55:36Z"));
        assert_eq!(log.last.map(Timestamp::rfc3339).as_deref(), Some("2026-01-02T03:04:05Z"));
        assert_eq!(log.format, Some(Format::JsonLines));
        let anomalies: Vec<_> = log.anomalies.iter().map(|(code, one)| (code, one.count, one.first_record)).collect();
        assert_eq!(anomalies, [("bad_record", 3, Some(8)), ("bad_time", 1, Some(5))]);
    }

    #[test]
    fn bytes_that_are_no_utf_8_do_not_lose_a_request() {
        let log = reader().read(b"{\"uri\":\"/recordings/\xff\",\"agent\":\"\xc3\",\"status\":403}", Part::WHOLE);
        assert_eq!(log.requests.first().map(ApiRequest::target).as_deref(), Some(&b"/recordings/\xff"[..]));
        let log = reader().read(b"{\"uri\":\"/recordings/\0\",\"status\":403}", Part::WHOLE);
        assert_eq!(tally(&log), [("bad_record", 1)]);
    }

    /// Lines of every kind, some of which share shapes.
    fn line(noise: &mut Noise) -> Vec<u8> {
        let path = *noise.pick(&[
            "/a",
            "/api/v2/conversations/C1/recordings/R1",
            "/re%63ordings/x",
            "/recordings?callId=a%40b",
            "/x\\u002f",
            "-",
            "/api/v2/conversations/C1",
            "",
            "/recordings/x\\\\",
            "/recordingmetadata",
        ]);
        let status = *noise.pick(&["403", "200", "\"403\"", "\"\"", "null", "-1", "\"-\"", "4.5e1"]);
        let time = *noise.pick(&[
            "\"2026-01-02T03:04:05.678Z\"",
            "\"2026-01-02 03:04:06\"",
            "1767323045.25",
            "\"10/Oct/2000:13:55:36 -0700\"",
            "\"-\"",
            "\"bad\"",
            "null",
            "12",
        ]);
        let user = *noise.pick(&["ann", "-", "", "bob\\\"", "\u{e9}"]);
        let clf = noise.pick(&["10/Oct/2000:13:55:36 -0700", "10/Oct/2000:13:55:37", "10/Foo/2000:13:55:37"]);
        match noise.below(8) {
            6.. => {
                let (size, agent) = (noise.below(2000), *noise.pick(&["agent", "other agent/1.0", "\u{e9}"]));
                format!("{{\"time\":\"2026-01-02T03:04:{:02}Z\",\"method\":\"GET\",\"size\":{size},\"uri\":\"/api/{}\",\"status\":200,\"agent\":\"{agent}\"}}",
                    noise.below(60), noise.below(100_000))
            }
            0 => format!("{{\"time\":{time},\"method\":\"GET\",\"uri\":\"{path}\",\"status\":{status},\"user\":\"{user}\"}}"),
            1 => format!("{{\"status\":{status}, \"ts\":{time}, \"request\":{{\"uri\":\"{path}\"}}, \"h\":{{\"x-call-id\":[\"{user}\"]}}}}"),
            2 => format!("{{\"status\":{status},\"status\":200,\"request\":\"GET {path} HTTP/1.1\",\"msec\":{time},\"time\":{time}}}"),
            3 => format!("{{\"uri\":\"{path}\",\"status\":{status},\"body\":[{{\"mediaUri\":\"{user}\",\"media\":\"{user}\"}}]}}"),
            4 => format!("h - {user} [{clf}] \"GET {path} HTTP/1.1\" 403 5"),
            _ => format!("v h - {user} [{clf}] \"GET {path} HTTP/1.1\" - 5 \"{path}\" \"x\" {time}"),
        }
        .into_bytes()
    }

    /// A log of such lines with damage: about one line in five.
    fn damaged(noise: &mut Noise, lines: usize) -> Vec<u8> {
        let mut text = Vec::new();
        for _ in 0..lines {
            let mut line = line(noise);
            if noise.below(5) == 0 {
                line = noise.mutate(&line, b"{}[]\",:\\-0\0 \n\r\t%u");
            }
            text.extend(line);
            let end = *noise.pick(&["\n", "\n", "\n", "\r\n", "\n\n", ""]);
            text.extend(end.bytes());
        }
        text
    }

    /// What a line is to be when no value of it is broken inside: a sketch looks at none that it does not need.
    fn mended(line: &[u8]) -> Vec<u8> {
        let mut line: Vec<u8> =
            line.iter().map(|byte| if *byte < 0x20 || *byte == b'\\' { b'x' } else { *byte }).collect();
        if let Some(start) = memchr::memmem::find(&line, b"\"size\":").map(|at| at + 7) {
            let end =
                line[start..].iter().position(|byte| matches!(byte, b'"')).map_or(line.len(), |at| start + at - 1);
            line[start..end].fill(b'1');
        }
        line
    }

    #[test]
    fn fitting_a_shape_gives_what_walking_gives() {
        let mut noise = Noise::new(1);
        let reader = reader();
        let mut sketched = 0;
        for _ in 0..60 {
            let text = damaged(&mut noise, 120);
            let fates = |shapes: Shapes| {
                let mut fates = Vec::new();
                let log = reader.read_with(&text, Part::WHOLE, shapes, |line, fate| fates.push((line.to_vec(), fate)));
                assert_eq!(log.tally.total(), log.records);
                (log, fates)
            };
            let (fitted, fitted_fates) = fates(Shapes::new());
            let (walked, walked_fates) = fates(Shapes::none());
            assert_eq!(format!("{:?}", fitted.requests), format!("{:?}", walked.requests));
            let mut same = true;
            for ((line, fitted), (_, walked)) in fitted_fates.iter().zip(&walked_fates) {
                if fitted == walked {
                    continue;
                }
                same = false;
                sketched += 1;
                assert_eq!((*fitted, *walked), (Some(Fate::OtherRequest), None), "{}", line.escape_ascii());
                let mended = reader.read_with(&mended(line), Part::WHOLE, Shapes::none(), |_, _| ());
                assert_eq!(tally(&mended), [("other_request", 1)], "{}", line.escape_ascii());
            }
            if same {
                assert_eq!(format!("{fitted:?}"), format!("{walked:?}"), "{}", text.escape_ascii());
            }
        }
        assert!(sketched > 0, "the noise must reach the one difference there may be");
    }

    #[test]
    fn a_line_of_known_shape_is_not_taken_for_what_it_is_not() {
        let good = r#"{"time":"2026-01-02T03:04:05Z","method":"GET","uri":"/a","size":12,"status":200,"agent":"x"}"#;
        // As long as the one before, with another key where a value ended.
        for other in [
            r#"{"time":"2026-01-02T03:04:05Z","method":"GET","uri":"/a","size":12,"status":200,"agent":"x","uri":"/recordings/1"}"#,
            r#"{"time":"2026-01-02T03:04:05Z","method":"G","request_uri":"/recordings/1","uri":"/a","size":12,"status":200,"agent":"x"}"#,
            r#"{"time":"2026-01-02T03:04:05Z","method":"GET","uri":"/recordings/1","size":12,"status":200,"agent":"x"}"#,
            r#"{"time":"2026-01-02T03:04:05Z","method":"GET","uri":"/\u0072ecordings/1","size":12,"status":200,"agent":"x"}"#,
            r#"{"time":"2026-01-02T03:04:05Z","method":"GET","uri":"/%72ecordings/1","size":12,"status":200,"agent":"x"}"#,
        ] {
            let long = good.replace("GET", "GXXrequest_uriXXXrecordingsXX1X");
            let walked = reader().read_with(other.as_bytes(), Part::WHOLE, Shapes::none(), |_, _| ());
            for before in [good, &long] {
                let log = read(&format!("{before}\n{before}\n{other}\n{before}\n"));
                assert_eq!(log.tally.count("recording_request"), walked.tally.count("recording_request"), "{other}");
                assert_eq!(log.tally.count("recording_request") + log.tally.count("other_request"), 4, "{other}");
            }
        }
    }

    #[test]
    fn a_line_skimmed_is_the_line_read() {
        let mut noise = Noise::new(3);
        let reader = reader();
        let mut skimmed = 0;
        for _ in 0..150 {
            let mut text = Vec::new();
            for _ in 0..40 {
                let front =
                    *noise.pick(&["192.0.2.1 - - ", "h - ann ", "", "a.example 192.0.2.1 - ", "{ - - ", "# - - "]);
                let time = *noise.pick(&[
                    "02/Jan/2026:03:04:05 +0000",
                    "02/Jan/2026:03:04:05 +0000",
                    "02/Jan/2026:03:04:59 +0000",
                ]);
                let time = if noise.below(8) == 0 { "02/Jan/2026:03:05:07 -0130" } else { time };
                let target = *noise.pick(&[
                    "/a",
                    "/api/v2/users/1?x=y",
                    "/recordings/1",
                    "/%72ecordings/1",
                    r"/\x72ecordings/1",
                    "-",
                ]);
                let more =
                    *noise.pick(&["200 5 \"-\" \"agent\"", "403 5", "- 5", "200", "2000 1", "404 - \"recordings\""]);
                let line = format!("{front}[{time}] \"GET {target} HTTP/1.1\" {more}");
                let odd = noise.below(3) == 0;
                text.extend(if odd {
                    noise.mutate(line.as_bytes(), b"[]\"\\\n\r {#%/0:\0")
                } else {
                    line.into_bytes()
                });
                text.extend(if noise.below(5) == 0 { &b"\r\n"[..] } else { b"\n" });
            }
            let mut fates = Vec::new();
            let part =
                reader.read_with(&text, Part::WHOLE, Shapes::new(), |line, fate| fates.push((line.to_vec(), fate)));
            let mut whole = LogSum::default();
            reader.append(&mut whole, part);
            // The first line of a block is never skimmed.
            let mut sum = LogSum::default();
            let mut walk = Walk::default();
            for line in text.split_inclusive(|byte| *byte == b'\n') {
                let (_, part) = walk.cut(line, false, &reader);
                reader.append(&mut sum, reader.part(line, part));
            }
            assert_eq!(format!("{whole:?}"), format!("{sum:?}"), "{}", text.escape_ascii());
            skimmed += fates.iter().filter(|(_, fate)| *fate == Some(Fate::OtherRequest)).count();
        }
        assert!(skimmed > 1_000);
    }

    #[test]
    fn the_sum_does_not_depend_on_where_blocks_end() {
        let mut noise = Noise::new(2);
        let reader = reader();
        for round in 0..20 {
            let text = damaged(&mut noise, 60);
            let whole = reader.read(&text, Part::WHOLE);
            let size = [7, 100, 333, 1000, 5000][round % 5];
            let (mut walk, mut sum) = (Walk::default(), LogSum::default());
            let (mut start, mut filled) = (0, 0);
            while start < text.len() || filled == 0 {
                filled = (filled + size).min(text.len());
                let (taken, part) = walk.cut(&text[start..filled], filled == text.len(), &reader);
                reader.append(&mut sum, reader.part(&text[start..start + taken], part));
                start += taken;
            }
            assert_eq!(format!("{sum:?}"), format!("{whole:?}"), "{size}: {}", String::from_utf8_lossy(&text));
        }
    }

    #[test]
    fn every_prefix_of_a_log_is_counted() {
        let mut noise = Noise::new(3);
        let text: Vec<u8> = (0..12).flat_map(|_| [line(&mut noise), b"\n".to_vec()].concat()).collect();
        for end in 0..=text.len() {
            let log = reader().read(&text[..end], Part::WHOLE);
            assert_eq!(log.tally.total(), log.records);
            let lines = text[..end].split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).count();
            assert_eq!(log.records, lines as u64);
        }
    }

    #[test]
    fn any_bytes_are_counted() {
        let mut noise = Noise::new(4);
        for _ in 0..500 {
            let bytes: Vec<u8> = (0..noise.below(300)).map(|_| noise.next() as u8).collect();
            let log = reader().read(&bytes, Part::WHOLE);
            assert_eq!(log.tally.total(), log.records);
        }
    }
}
