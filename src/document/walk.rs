//! The walk along the entries of one document, block by block.

use std::fmt;
use std::sync::Arc;

use crate::evidence::{Anomalies, Reject, Tally};
use crate::sentence::{Kind, Sentence};

use super::json::JsonWalk;
use super::pattern::Pattern;
use super::sight::{Sample, Sight};
use super::text::{Marker, TextWalk};

/// Bytes of the longest entry that is read. A longer one is set aside whole.
pub const ENTRY_BYTES: usize = 64 << 20;

/// Entries in one another whose insides are looked at.
pub const NESTED: u8 = 8;

/// How a document is cut into entries.
#[derive(Clone, Debug)]
pub enum Plan {
    /// JSON: every value that stands where one of the patterns says is an entry; so is what is found elsewhere, if
    /// anybody looks for it.
    Json(Vec<Pattern>, Option<Probe>),
    /// Text whose records begin at a marker.
    Text(Marker),
    /// The whole text is one entry.
    Whole,
}

/// Tells which values inside another are records, at a place where no pattern says there are any.
#[derive(Clone)]
pub struct Probe {
    find: Arc<Find>,
    is_other: Arc<IsOther>,
    /// Whether it looks at whole documents only, not at what stands in one.
    is_shallow: bool,
}

/// What is shown, to what is found in it.
type Find = dyn Fn(&Sight<'_>) -> Vec<Found> + Send + Sync;

/// Whether an entry is a record of another kind than its document's.
type IsOther = dyn Fn(&Sample<'_>) -> bool + Send + Sync;

/// Records that stand where none was expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Where they stand, from the top of what was shown.
    pub pattern: Pattern,
    /// Whether they are of the document's kind. Others are counted as [`OTHER_KIND`] and not given.
    pub is_read: bool,
}

impl Probe {
    /// A probe that finds what `find` says, and of entries that are no records tells by `is_other` whether they are some
    /// of another kind.
    pub fn new(
        find: impl Fn(&Sight<'_>) -> Vec<Found> + Send + Sync + 'static,
        is_other: impl Fn(&Sample<'_>) -> bool + Send + Sync + 'static,
    ) -> Self {
        Self { find: Arc::new(find), is_other: Arc::new(is_other), is_shallow: false }
    }

    /// The same, for documents whose format says where their records stand: what is none of it beside them is looked at,
    /// nothing inside them.
    #[must_use]
    pub fn beside(self) -> Self {
        Self { is_shallow: true, ..self }
    }

    /// Whether it looks at a value inside `depth` others.
    pub(super) fn reaches(&self, depth: usize) -> bool {
        depth == 0 || !self.is_shallow
    }

    /// Whether an entry with these `bytes`, which is none of its document's kind, is a record of another.
    #[must_use]
    pub fn is_other(&self, bytes: &[u8]) -> bool {
        (self.is_other)(&Sample::of(bytes))
    }

    /// What an entry with these `bytes` holds that is none itself: a record of another kind, which it may be, or records in
    /// it, wherever they stand; `None` where it holds none.
    #[must_use]
    pub fn within(&self, bytes: &[u8]) -> Option<Pieces> {
        if self.is_shallow {
            return None;
        }
        if self.is_other(bytes) {
            let mut pieces = Pieces::default();
            pieces.other_kind(1, b"");
            pieces.gaps.push(Aside { start: 0, record: 1, reason: OTHER_KIND }.until(bytes.len()));
            return Some(pieces);
        }
        memchr::memchr2(b'{', b'[', bytes.get(1..)?)?;
        let (_, pieces) = JsonWalk::new(Vec::new(), Some(self.clone())).cut(bytes, true);
        (!pieces.spans.is_empty() || pieces.tally.count(OTHER_KIND) > 0).then_some(pieces)
    }

    pub(super) fn find(&self, sight: &Sight<'_>) -> Vec<Found> {
        (self.find)(sight)
    }
}

impl fmt::Debug for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Probe")
    }
}

/// What makes entries a document again.
#[derive(Clone, Debug, Default)]
pub struct Frame {
    /// What stands before the first.
    pub head: Vec<u8>,
    /// What stands between two.
    pub separator: &'static [u8],
    /// What stands behind the last.
    pub tail: Vec<u8>,
}

impl Plan {
    /// JSON whose entries stand where one of these patterns says, and nowhere else.
    #[must_use]
    pub const fn json(patterns: Vec<Pattern>) -> Self {
        Self::Json(patterns, None)
    }

    /// The same, where records that stand elsewhere are found by `probe`.
    #[must_use]
    pub fn probing(self, probe: Probe) -> Self {
        match self {
            Self::Json(patterns, _) => Self::Json(patterns, Some(probe)),
            Self::Text(_) | Self::Whole => self,
        }
    }

    /// What finds records where no pattern says there are any, if anybody looks for them.
    #[must_use]
    pub const fn probe(&self) -> Option<&Probe> {
        match self {
            Self::Json(_, probe) => probe.as_ref(),
            Self::Text(_) | Self::Whole => None,
        }
    }

    /// What stands around the entries of a document that is cut by this plan and holds nothing else.
    #[must_use]
    pub fn frame(&self) -> Frame {
        match self {
            Self::Json(patterns, _) => {
                let [mut head, mut tail] = patterns.first().map(Pattern::frame).unwrap_or_default();
                let is_top = patterns.first().is_none_or(Pattern::is_top);
                if !is_top {
                    head.push(b'\n');
                }
                tail.insert(0, b'\n');
                Frame { head, separator: if is_top { b"\n" } else { b",\n" }, tail }
            }
            Self::Text(_) | Self::Whole => Frame::default(),
        }
    }
}

/// One entry of a document.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// Its bytes. Of JSON one value that is balanced; its reader says whether it is whole JSON.
    pub bytes: &'a [u8],
    /// Its position in the document, from 1.
    pub record: u64,
    /// Where it stands: the keys above it joined by dots, array steps left out.
    pub path: &'a [u8],
}

/// What a block of a document holds.
#[derive(Clone, Debug, Default)]
pub struct Pieces {
    pub(super) spans: Vec<Span>,
    pub(super) gaps: Vec<Gap>,
    /// Entries that are not given, by reason.
    pub tally: Tally,
    /// What is wrong with the document itself.
    pub anomalies: Anomalies,
}

#[derive(Clone, Debug)]
pub(super) struct Span {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) record: u64,
    pub(super) path: Arc<[u8]>,
}

/// Bytes of an entry that is not given, or some of them: the rest follows in the next block.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gap {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) record: u64,
    pub(super) reason: &'static str,
}

/// The bytes that are set aside at the moment, from where on and as what.
#[derive(Clone, Copy, Debug)]
pub(super) struct Aside {
    pub(super) start: usize,
    pub(super) record: u64,
    pub(super) reason: &'static str,
}

impl Aside {
    /// What of it stands before `end`.
    pub(super) fn until(self, end: usize) -> Gap {
        let Self { start, record, reason } = self;
        Gap { start, end, record, reason }
    }
}

/// The reason of an entry that cannot be read.
pub(super) const BAD: &str = "bad_record";

/// The reason of an entry that is of another kind than its document.
pub const OTHER_KIND: &str = "other_kind";

/// The reason of an entry beyond the limit.
pub(super) const TOO_LONG: &str = "entry_too_long";

impl Pieces {
    /// The bytes of the entries that are not given, in the block with these `bytes`.
    pub fn rejects<'a>(&'a self, bytes: &'a [u8]) -> impl Iterator<Item = Reject> + 'a {
        self.gaps.iter().filter(|gap| gap.start < gap.end).map(move |gap| Reject {
            record: gap.record,
            reason: gap.reason,
            bytes: bytes.get(gap.start..gap.end).unwrap_or_default().into(),
        })
    }

    /// The entries of the block with these `bytes`.
    pub fn entries<'a>(&'a self, bytes: &'a [u8]) -> impl Iterator<Item = Entry<'a>> {
        self.spans.iter().map(move |span| Entry {
            bytes: bytes.get(span.start..span.end).unwrap_or_default(),
            record: span.record,
            path: &span.path,
        })
    }

    pub(super) fn too_long(&mut self, record: u64) {
        self.tally.add(TOO_LONG, 1);
        self.anomalies.note("limit_entry", Some(record), || format!("an entry of more than {ENTRY_BYTES} bytes"));
    }

    pub(super) fn other_kind(&mut self, record: u64, path: &[u8]) {
        self.tally.add(OTHER_KIND, 1);
        self.anomalies.note(OTHER_KIND, Some(record), || {
            let told = Sentence::own("a record of another kind than the document's");
            let told = match path {
                b"" => told,
                _ => told.and(", at ").naming_raw(Kind::Keys, path, &path.escape_ascii().to_string()),
            };
            told.and("; it is read from a file of its own only")
        });
    }

    pub(super) fn damaged(&mut self, record: u64, detail: impl FnOnce() -> String) {
        self.tally.add(BAD, 1);
        self.anomalies.note(BAD, Some(record), detail);
    }
}

/// The state of the walk between two blocks.
#[derive(Clone, Debug)]
pub enum Walk {
    /// Along JSON.
    Json(Box<JsonWalk>),
    /// Along text with markers.
    Text(TextWalk),
    /// Over a text that is one entry; true once it is too long.
    Whole(bool),
}

impl Walk {
    /// The walk along a document that is cut as `plan` says, before its first byte.
    #[must_use]
    pub fn new(plan: &Plan) -> Self {
        match plan {
            Plan::Json(patterns, probe) => Self::Json(Box::new(JsonWalk::new(patterns.clone(), probe.clone()))),
            Plan::Text(marker) => Self::Text(TextWalk::new(marker.clone())),
            Plan::Whole => Self::Whole(false),
        }
    }

    /// Cuts what is whole from the front of `bytes`, which follow the last cut: how many bytes it takes, and what it
    /// holds. At the `end` of the document all is taken.
    pub fn cut(&mut self, bytes: &[u8], end: bool) -> (usize, Pieces) {
        match self {
            Self::Json(walk) => walk.cut(bytes, end),
            Self::Text(walk) => walk.cut(bytes, end),
            Self::Whole(too_long) => {
                let mut pieces = Pieces::default();
                if !*too_long && bytes.len() > ENTRY_BYTES {
                    *too_long = true;
                    pieces.too_long(1);
                }
                if *too_long {
                    pieces.gaps.push(Aside { start: 0, record: 1, reason: TOO_LONG }.until(bytes.len()));
                    return (bytes.len(), pieces);
                }
                if !end {
                    return (0, pieces);
                }
                pieces.spans.push(Span { start: 0, end: bytes.len(), record: 1, path: Arc::default() });
                (bytes.len(), pieces)
            }
        }
    }
}
