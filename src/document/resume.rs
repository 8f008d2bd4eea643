//! Where a damaged document goes on: the next place that looks like the beginning of an entry.
//!
//! What entries look like is learnt from those before: the key that comes first, how far they are indented, the array
//! they stand in. From the first damage on places are told by this alone, for the brackets around them may be lost.

use std::sync::Arc;

use super::json::LOOKBACK;
use super::pattern::{Pattern, Step};

/// First keys that are remembered.
const KEYS: usize = 8;

/// Bytes of the longest first key that is remembered, with its quotes.
const KEY_BYTES: usize = 128;

/// What is known of the beginnings of entries.
#[derive(Clone, Debug)]
pub(super) struct Resume {
    /// Whether the document was damaged before.
    pub(super) is_loose: bool,
    /// Where the last entry ended, if nothing but a comma and blanks were met since; counted from the last cut.
    pub(super) last_end: Option<usize>,
    /// The first keys of entries, in their quotes.
    keys: Vec<Box<[u8]>>,
    /// The blanks before an entry on its line; `None` where entries do not begin lines.
    indent: Option<Box<[u8]>>,
    /// The first byte of an entry.
    opener: u8,
    /// The key of the array that holds the entries, in its quotes.
    container: Option<Box<[u8]>>,
    path: Arc<[u8]>,
}

impl Resume {
    pub(super) fn new(patterns: &[Pattern]) -> Self {
        let keys = |pattern: &Pattern| -> Vec<Box<[u8]>> {
            let key = |step: &Step| match step {
                Step::Key(key) => Some(key.clone()),
                _ => None,
            };
            pattern.0.iter().filter_map(key).collect()
        };
        let keys = patterns.first().map(keys).unwrap_or_default();
        let lines = patterns.iter().any(Pattern::is_top);
        Self {
            is_loose: false,
            last_end: None,
            keys: Vec::new(),
            indent: lines.then(Box::default),
            opener: b'{',
            container: keys.last().map(|key| [&b"\""[..], key, b"\""].concat().into()),
            path: keys.join(&b'.').into(),
        }
    }

    pub(super) fn path(&self) -> Arc<[u8]> {
        Arc::clone(&self.path)
    }

    /// The path of the last entry, if it is this one: most entries of a document share theirs.
    pub(super) fn same_path(&self, path: &[u8]) -> Option<Arc<[u8]>> {
        (*self.path == *path).then(|| self.path())
    }

    pub(super) fn shift(&mut self, taken: usize) {
        self.last_end = self.last_end.and_then(|end| end.checked_sub(taken));
    }

    pub(super) fn learn_key(&mut self, key: &[u8]) {
        if key.len() <= KEY_BYTES && self.keys.len() < KEYS && !self.keys.iter().any(|known| **known == *key) {
            self.keys.push(key.into());
        }
    }

    /// Learns from the entry that begins at `at`.
    pub(super) fn learn_place(&mut self, bytes: &[u8], at: usize, path: &Arc<[u8]>) {
        if self.is_loose {
            return;
        }
        self.path = Arc::clone(path);
        self.opener = bytes.get(at).copied().unwrap_or(b'{');
        let blanks = before(bytes, at);
        let line = memchr::memrchr(b'\n', blanks).and_then(|line| blanks.get(line + 1..));
        // At the very beginning nothing tells yet whether entries begin lines.
        if line.is_some() || blanks.len() < at {
            self.indent = line.map(Into::into);
        }
    }

    /// The next place from `from` on whose byte may begin an entry.
    pub(super) fn find(&self, bytes: &[u8], from: usize) -> Option<usize> {
        memchr::memchr(self.opener, bytes.get(from..)?).map(|length| from + length)
    }

    /// Whether an entry begins at `at`; `None` where more bytes must be seen.
    pub(super) fn is_entry(&self, bytes: &[u8], at: usize, end: bool) -> Option<bool> {
        let blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
        if let Some(gap) = self.last_end.and_then(|last| bytes.get(last..at)) {
            let mut commas = gap.iter().filter(|byte| !blank(byte));
            if matches!((commas.next(), commas.next()), (None | Some(b','), None)) {
                return Some(true);
            }
        }
        let blanks = before(bytes, at);
        let line = memchr::memrchr(b'\n', blanks).map(|line| blanks.get(line + 1..).unwrap_or_default());
        if line.is_some() && line == self.indent.as_deref() {
            return Some(true);
        }
        let head = bytes.get(..at - blanks.len()).unwrap_or_default();
        if head.last() == Some(&b'[')
            && let Some(container) = &self.container
        {
            let head = head.get(..head.len() - 1).unwrap_or_default().trim_ascii_end();
            let head = head.strip_suffix(b":").unwrap_or_default().trim_ascii_end();
            if head.ends_with(container) {
                return Some(true);
            }
        }
        if line.is_none() && !matches!(head.last(), None | Some(b',' | b'[' | 0x1e)) {
            return Some(false);
        }
        let inner = bytes.get(at + 1..).unwrap_or_default();
        let skipped = inner.iter().take(LOOKBACK).take_while(|byte| blank(byte)).count();
        let inner = inner.get(skipped..).unwrap_or_default();
        if self.keys.iter().any(|key| inner.starts_with(key)) {
            return Some(true);
        }
        (end || inner.len() >= KEY_BYTES || skipped == LOOKBACK).then_some(false)
    }
}

/// The blanks before `at`, as far as they are in sight.
fn before(bytes: &[u8], at: usize) -> &[u8] {
    let head = bytes.get(at.saturating_sub(LOOKBACK)..at).unwrap_or_default();
    let blanks = head.iter().rev().take_while(|byte| byte.is_ascii_whitespace()).count();
    head.get(head.len() - blanks..).unwrap_or_default()
}
