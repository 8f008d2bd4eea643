//! The walk along a JSON document: where its values begin and end, and which of them are entries.
//!
//! Follows RFC 8259 in what brackets, commas, colons and strings may follow one another; what a number or a word is, and
//! which escapes there are, the reader of an entry decides. Several documents may stand behind one another, with blanks,
//! commas or record separators (RFC 7464) between them. Where the text breaks these rules the entry that was begun is
//! damaged, and [`super::resume`] looks for the next one.

use std::sync::Arc;

use super::pattern::{Pattern, Step};
use super::resume::Resume;
use super::sight;
use super::walk::{Aside, BAD, ENTRY_BYTES, Found, Gap, OTHER_KIND, Pieces, Probe, Span, TOO_LONG};

/// Objects and arrays that may lie in one another. The readers of entries give up long before.
const DEPTH: usize = 512;

/// Bytes of the longest key that a pattern may name.
const KEY_BYTES: usize = 4 << 10;

/// Bytes of a value at an unforeseen place that are looked at to find records in it.
pub(super) const LOOK_BYTES: usize = 1 << 20;

/// Objects and arrays above such a value. With every one of them its bytes may be looked at once more.
const LOOK_DEPTH: usize = 8;

/// The word for text between entries that is no JSON. It is no record of its own.
const DAMAGED: &str = "damaged_document";

/// Bytes before the place that is looked at next that are kept in sight: what an entry stands behind.
pub(super) const LOOKBACK: usize = 256;

/// The walk along one JSON document.
#[derive(Clone, Debug)]
pub struct JsonWalk {
    patterns: Vec<Pattern>,
    /// Finds records where no pattern says there are any.
    probe: Option<Probe>,
    /// What it was shown of values that are open, outermost first.
    looked: Vec<Looked>,
    /// The open objects and arrays, outermost first.
    open: Vec<Open>,
    state: State,
    /// The byte that is looked at next, and the places below, count from the last cut.
    at: usize,
    entry: Option<Begun>,
    /// Where the key that is being read begins, outside entries.
    key: Option<usize>,
    /// Entries met so far.
    records: u64,
    /// Of the document that is being read: whether it had an entry yet.
    has_entry: bool,
    resume: Resume,
    /// The bytes that belong to no entry that is given, while they are walked over.
    aside: Option<Aside>,
    /// Those that stand behind the next cut.
    gaps: Vec<Gap>,
    /// Bytes cut before.
    offset: u64,
    /// Bytes looked at again after damage.
    again: u64,
}

/// An open object or array.
#[derive(Clone, Debug)]
struct Open {
    is_array: bool,
    /// Outside entries the key that was read last.
    key: Option<Box<[u8]>>,
}

/// A value at an unforeseen place that was looked at.
#[derive(Clone, Debug)]
struct Looked {
    /// How many objects and arrays were open before it.
    depth: usize,
    /// Whether all of it was shown.
    is_whole: bool,
    /// The records in it, from the top of the document.
    found: Vec<Found>,
}

/// An entry that has begun.
#[derive(Clone, Debug)]
struct Begun {
    start: usize,
    /// How many objects and arrays were open before it.
    depth: usize,
    path: Arc<[u8]>,
    /// Whether it is of the document's kind.
    is_read: bool,
    /// It is too long: its bytes are let go.
    is_skipped: bool,
    /// Where its first key begins.
    first_key: Option<usize>,
}

/// What may follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// A document.
    Document,
    /// A value, `]` too at the beginning of an array.
    Value {
        or_end: bool,
    },
    /// A key, `}` too at the beginning of an object.
    Key {
        or_end: bool,
    },
    Colon,
    /// A comma or a closing bracket.
    Next,
    /// The rest of a string.
    Text {
        is_key: bool,
    },
    /// What a backslash escapes.
    Escape {
        is_key: bool,
    },
    /// The rest of a number or a word.
    Scalar,
    /// Anything, until an entry begins: the text is damaged.
    Search,
}

impl JsonWalk {
    pub(super) fn new(patterns: Vec<Pattern>, probe: Option<Probe>) -> Self {
        Self {
            resume: Resume::new(&patterns),
            patterns,
            probe,
            looked: Vec::new(),
            open: Vec::new(),
            state: State::Document,
            at: 0,
            entry: None,
            key: None,
            records: 0,
            has_entry: false,
            aside: None,
            gaps: Vec::new(),
            offset: 0,
            again: 0,
        }
    }

    pub(super) fn cut(&mut self, bytes: &[u8], end: bool) -> (usize, Pieces) {
        let mut pieces = Pieces::default();
        self.run(bytes, end, &mut pieces);
        if let Some(entry) = &mut self.entry
            && !entry.is_skipped
            && self.at - entry.start > ENTRY_BYTES
        {
            entry.is_skipped = true;
            pieces.too_long(self.records + 1);
            self.aside = Some(Aside { start: entry.start, record: self.records + 1, reason: TOO_LONG });
        }
        if end {
            self.finish(bytes, &mut pieces);
            self.at = bytes.len();
            self.set_aside(bytes.len(), &mut pieces);
            return (bytes.len(), pieces);
        }
        let mut taken = self.at.saturating_sub(LOOKBACK);
        if let Some(entry) = self.entry.as_ref().filter(|entry| !entry.is_skipped) {
            taken = taken.min(entry.start.saturating_sub(LOOKBACK));
        }
        if let Some(key) = self.key {
            taken = taken.min(key);
        }
        taken = taken.max(pieces.spans.last().map_or(0, |span| span.end));
        self.set_aside(taken, &mut pieces);
        self.shift(taken);
        (taken, pieces)
    }

    /// Hands out what is set aside of the bytes before `taken`.
    fn set_aside(&mut self, taken: usize, pieces: &mut Pieces) {
        self.gaps.extend(self.aside.map(|aside| aside.until(self.at)));
        if let Some(aside) = &mut self.aside {
            aside.start = self.at;
        }
        pieces.gaps.extend(self.gaps.iter().map(|gap| Gap { end: gap.end.min(taken), ..*gap }));
        self.gaps.retain_mut(|gap| {
            gap.start = gap.start.max(taken);
            gap.start < gap.end
        });
    }

    /// Ends what is set aside before the byte at `end`.
    fn end_aside(&mut self, end: usize) {
        self.gaps.extend(self.aside.take().map(|aside| aside.until(end)));
    }

    /// Counts places from `taken` on.
    fn shift(&mut self, taken: usize) {
        self.at -= taken;
        self.offset += taken as u64;
        if let Some(entry) = &mut self.entry {
            entry.start = entry.start.saturating_sub(taken);
            entry.first_key = entry.first_key.and_then(|key| key.checked_sub(taken));
        }
        self.key = self.key.map(|key| key.saturating_sub(taken));
        for gap in &mut self.gaps {
            (gap.start, gap.end) = (gap.start - taken, gap.end - taken);
        }
        if let Some(aside) = &mut self.aside {
            aside.start -= taken;
        }
        self.resume.shift(taken);
    }

    /// Looks at `bytes` as far as they go.
    fn run(&mut self, bytes: &[u8], end: bool, pieces: &mut Pieces) {
        while let Some(byte) = bytes.get(self.at).copied() {
            match self.state {
                State::Search => match self.resume.find(bytes, self.at) {
                    Some(at) if self.resume.is_entry(bytes, at, end) == Some(true) => {
                        self.at = at;
                        self.begin(bytes, self.resume.path(), true);
                        self.value(bytes, pieces);
                    }
                    Some(at) if self.resume.is_entry(bytes, at, end) == Some(false) => self.at = at + 1,
                    Some(at) => {
                        self.at = at;
                        return;
                    }
                    None => self.at = bytes.len(),
                },
                State::Text { is_key } => self.text(bytes, is_key, pieces),
                State::Escape { is_key } => {
                    self.at += usize::from(byte != b'\n');
                    self.state = State::Text { is_key };
                }
                State::Scalar => {
                    let rest = bytes.get(self.at..).unwrap_or_default();
                    let token = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.' | b'_');
                    match rest.iter().position(|byte| !token(byte)) {
                        Some(length) => {
                            self.at += length;
                            self.value_ends(pieces);
                        }
                        None => self.at = bytes.len(),
                    }
                }
                _ if matches!(byte, b' ' | b'\t' | b'\r' | b'\n') => self.at += 1,
                State::Document => match byte {
                    // Also the byte order mark that each of several files brought along.
                    b',' | 0x1e | 0xef | 0xbb | 0xbf => self.at += 1,
                    b'{' | b'[' => {
                        if !self.look(bytes, end) {
                            return;
                        }
                        self.has_entry = false;
                        self.value(bytes, pieces);
                    }
                    _ => self.damage(bytes, pieces),
                },
                State::Value { or_end: true } if byte == b']' => self.close(bytes, pieces),
                State::Value { .. } => {
                    if !self.look(bytes, end) {
                        return;
                    }
                    self.value(bytes, pieces);
                }
                State::Key { or_end: true } if byte == b'}' => self.close(bytes, pieces),
                State::Key { .. } if byte == b'"' => {
                    match &mut self.entry {
                        Some(entry) if entry.first_key.is_none() && self.open.len() == entry.depth + 1 => {
                            entry.first_key = Some(self.at);
                        }
                        Some(_) => {}
                        None => self.key = Some(self.at),
                    }
                    self.at += 1;
                    self.state = State::Text { is_key: true };
                }
                State::Colon if byte == b':' => {
                    self.at += 1;
                    self.state = State::Value { or_end: false };
                }
                State::Next => match (byte, self.open.last().is_some_and(|open| open.is_array)) {
                    (b',', true) => {
                        self.at += 1;
                        self.state = State::Value { or_end: false };
                    }
                    (b',', false) => {
                        self.at += 1;
                        self.state = State::Key { or_end: false };
                    }
                    (b']', true) | (b'}', false) => self.close(bytes, pieces),
                    _ => self.damage(bytes, pieces),
                },
                State::Key { .. } | State::Colon => self.damage(bytes, pieces),
            }
        }
    }

    /// Goes on in a string.
    fn text(&mut self, bytes: &[u8], is_key: bool, pieces: &mut Pieces) {
        let rest = bytes.get(self.at..).unwrap_or_default();
        let Some(length) = memchr::memchr3(b'"', b'\\', b'\n', rest) else {
            self.at = bytes.len();
            if self.key.is_some_and(|key| self.at - key > KEY_BYTES) {
                self.key = None;
            }
            return;
        };
        self.at += length;
        match bytes.get(self.at) {
            Some(b'\\') => {
                self.at += 1;
                self.state = State::Escape { is_key };
            }
            Some(b'"') => {
                self.at += 1;
                if !is_key {
                    self.value_ends(pieces);
                    return;
                }
                match &self.entry {
                    Some(entry) => {
                        if self.open.len() == entry.depth + 1
                            && entry.is_read
                            && let Some(key) = entry.first_key.and_then(|key| bytes.get(key..self.at))
                        {
                            self.resume.learn_key(key);
                        }
                    }
                    None => {
                        let key = self.key.take().and_then(|key| bytes.get(key + 1..self.at - 1));
                        if let Some(open) = self.open.last_mut() {
                            open.key = key.filter(|key| key.len() <= KEY_BYTES).map(Into::into);
                        }
                    }
                }
                self.state = State::Colon;
            }
            // A line that breaks off inside a string.
            _ => self.damage(bytes, pieces),
        }
    }

    /// Begins the value that the next byte begins.
    fn value(&mut self, bytes: &[u8], pieces: &mut Pieces) {
        let is_nested = matches!(bytes.get(self.at), Some(b'{' | b'['));
        if self.entry.is_none()
            && let Some((path, is_read)) = self.entry_path(is_nested)
        {
            self.begin(bytes, path, is_read);
        }
        let is_array = match bytes.get(self.at) {
            Some(b'[') => true,
            Some(b'{') => false,
            Some(b'"') => {
                self.at += 1;
                self.state = State::Text { is_key: false };
                return;
            }
            // A number or a word, `NaN` and `Infinity` among them.
            Some(b'-' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z') => {
                self.at += 1;
                self.state = State::Scalar;
                return;
            }
            _ => return self.damage(bytes, pieces),
        };
        if self.open.len() == DEPTH {
            pieces.anomalies.note("limit_nesting", Some(self.records + 1), || {
                format!("more than {DEPTH} objects and arrays in one another")
            });
            return self.damage(bytes, pieces);
        }
        self.at += 1;
        self.open.push(Open { is_array, key: None });
        self.state = if is_array { State::Value { or_end: true } } else { State::Key { or_end: true } };
    }

    /// Closes the innermost object or array.
    fn close(&mut self, bytes: &[u8], pieces: &mut Pieces) {
        debug_assert!(matches!(bytes.get(self.at), Some(b']' | b'}')));
        self.at += 1;
        self.open.pop();
        self.looked.pop_if(|looked| looked.depth >= self.open.len());
        self.value_ends(pieces);
    }

    /// Goes on behind a value, which ends at the byte that is looked at next.
    fn value_ends(&mut self, pieces: &mut Pieces) {
        self.state = if self.open.is_empty() { State::Document } else { State::Next };
        let Some(entry) = self.entry.take_if(|entry| self.open.len() == entry.depth) else {
            if self.open.is_empty() && !self.has_entry && !self.resume.is_loose {
                pieces.tally.add("no_entries", 1);
                self.records += 1;
            }
            return;
        };
        self.records += 1;
        if entry.is_skipped {
            self.end_aside(self.at);
        } else {
            if self.at - entry.start > ENTRY_BYTES {
                pieces.too_long(self.records);
                let aside = Aside { start: entry.start, record: self.records, reason: TOO_LONG };
                self.gaps.push(aside.until(self.at));
            } else if !entry.is_read {
                pieces.other_kind(self.records, &entry.path);
                let aside = Aside { start: entry.start, record: self.records, reason: OTHER_KIND };
                self.gaps.push(aside.until(self.at));
            } else {
                pieces.spans.push(Span { start: entry.start, end: self.at, record: self.records, path: entry.path });
            }
        }
        if entry.is_read {
            self.resume.last_end = Some(self.at);
        }
        if self.resume.is_loose {
            self.state = State::Search;
        }
    }

    fn begin(&mut self, bytes: &[u8], path: Arc<[u8]>, is_read: bool) {
        self.end_aside(self.at);
        if is_read {
            self.resume.learn_place(bytes, self.at, &path);
        }
        self.has_entry = true;
        let (start, depth) = (self.at, self.open.len());
        self.entry = Some(Begun { start, depth, path, is_read, is_skipped: false, first_key: None });
    }

    /// Looks for records in the value that begins now, if no pattern says what stands there; what is found holds until
    /// the value ends. False where more bytes must be seen first.
    ///
    /// All of the value is looked at, or as much of it as is looked at at most, whatever blocks it comes in.
    fn look(&mut self, bytes: &[u8], end: bool) -> bool {
        let Some(probe) = &self.probe else { return true };
        let rest = bytes.get(self.at..).unwrap_or_default();
        if self.entry.is_some()
            || self.resume.is_loose
            || !matches!(rest.first(), Some(b'{' | b'['))
            || self.open.len() > LOOK_DEPTH
            || !probe.reaches(self.open.len())
            || self.looked.last().is_some_and(|looked| looked.is_whole)
        {
            return true;
        }
        let rest = rest.get(..LOOK_BYTES).unwrap_or(rest);
        let is_all = end || rest.len() == LOOK_BYTES;
        match self.is_foreseen(rest) {
            Some(true) => return true,
            None if !is_all => return false,
            _ => {}
        }
        let key = self.open.last().and_then(|open| open.key.as_deref().filter(|_| !open.is_array));
        let (sight, is_whole) = sight::inside(rest, key);
        if !is_whole && !is_all {
            return false;
        }
        let step = |open: &Open| match &open.key {
            _ if open.is_array => Step::Element,
            Some(key) => Step::Key(key.clone()),
            None => Step::AnyKey,
        };
        let mut found = probe.find(&sight);
        for found in &mut found {
            found.pattern.0.splice(..0, self.open.iter().map(step));
        }
        let is_whole = is_whole && !sight.is_partial;
        self.looked.push(Looked { depth: self.open.len(), is_whole, found });
        true
    }

    /// Whether a pattern speaks of the value that begins now, which is that of `rest`, or of what it has inside; `None` where
    /// `rest` ends before it tells.
    fn is_foreseen(&self, rest: &[u8]) -> Option<bool> {
        let found = self.looked.iter().flat_map(|looked| &looked.found).map(|found| &found.pattern);
        let is_object = rest.first() == Some(&b'{');
        let mut keys: Vec<&[u8]> = Vec::new();
        for pattern in self.patterns.iter().chain(found) {
            let Some((above, below)) = pattern.0.split_at_checked(self.open.len()) else { continue };
            if !above.iter().zip(&self.open).all(fits) {
                continue;
            }
            match below.first() {
                Some(Step::Key(key)) if is_object => keys.push(key),
                Some(Step::Key(_)) => {}
                Some(Step::AnyKey) if !is_object => {}
                Some(Step::Element) if is_object => {}
                Some(Step::AnyKey | Step::Element) | None => return Some(true),
            }
        }
        if keys.is_empty() { Some(false) } else { sight::has_member(rest, &keys) }
    }

    /// The path of the value that begins now, an object or array if it `is_nested`, if it is an entry, and whether it is of
    /// the document's kind. Among the members of an object numbers and texts say something of the object.
    fn entry_path(&self, is_nested: bool) -> Option<(Arc<[u8]>, bool)> {
        let is_here = |Pattern(steps): &Pattern| {
            steps.len() == self.open.len()
                && steps.iter().zip(&self.open).all(fits)
                && (is_nested || steps.last() != Some(&Step::AnyKey))
        };
        let is_read = match self.patterns.iter().any(is_here) {
            true => true,
            false => {
                let mut found = self.looked.iter().flat_map(|looked| &looked.found);
                found.find(|found| is_here(&found.pattern))?.is_read
            }
        };
        let keys: Vec<&[u8]> = self.open.iter().filter_map(|open| open.key.as_deref()).collect();
        let path = keys.join(&b'.');
        Some((self.resume.same_path(&path).unwrap_or_else(|| path.into()), is_read))
    }

    /// The byte that is looked at breaks the rules: what was begun is damaged, and the next entry is looked for.
    fn damage(&mut self, bytes: &[u8], pieces: &mut Pieces) {
        let place = self.offset + self.at as u64 + 1;
        let entry = self.entry.take();
        match &entry {
            Some(entry) => {
                self.records += 1;
                if !entry.is_skipped {
                    pieces.damaged(self.records, || format!("no JSON from byte {place} of the document on"));
                    self.aside = Some(Aside { start: entry.start, record: self.records, reason: BAD });
                }
                // What looked like the inside of this entry may be others, behind one that was cut short. Text that is
                // damaged again and again is looked at only so often.
                let length = (self.at - entry.start) as u64;
                if !entry.is_skipped && self.again < (1 << 20) + 4 * (self.offset + bytes.len() as u64) {
                    self.again += length;
                    self.at = entry.start + 1;
                }
            }
            None => {
                let detail = || format!("no JSON from byte {place} on");
                pieces.anomalies.note(DAMAGED, Some(self.records + 1), detail);
                let aside = Aside { start: self.at, record: self.records + 1, reason: DAMAGED };
                self.aside = self.aside.or(Some(aside));
            }
        }
        self.open.clear();
        self.looked.clear();
        self.key = None;
        self.resume.is_loose = true;
        self.state = State::Search;
    }

    /// Says what the end of the document cuts off.
    fn finish(&mut self, bytes: &[u8], pieces: &mut Pieces) {
        if self.state == State::Scalar {
            self.value_ends(pieces);
        }
        let ends =
            |what: &str| format!("the document ends inside {what}, after {} bytes", self.offset + bytes.len() as u64);
        if let Some(entry) = &self.entry {
            let record = self.records + 1;
            pieces.anomalies.note("truncated_file", Some(record), || ends("an entry"));
            if !entry.is_skipped {
                pieces.tally.add(BAD, 1);
                self.aside = Some(Aside { start: entry.start, record, reason: BAD });
            }
        } else if !matches!(self.state, State::Document | State::Search) {
            pieces.anomalies.note("truncated_file", Some(self.records + 1), || ends("an object or array"));
        }
    }
}

/// Whether a step of a pattern leads to what is being read of an open object or array.
fn fits((step, open): (&Step, &Open)) -> bool {
    match step {
        Step::Key(key) => !open.is_array && open.key.as_ref() == Some(key),
        Step::AnyKey => !open.is_array,
        Step::Element => open.is_array,
    }
}
