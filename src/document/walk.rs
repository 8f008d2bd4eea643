//! The walk along the entries of one document, block by block.

use std::sync::Arc;

use crate::evidence::{Anomalies, Tally};

use super::json::JsonWalk;
use super::pattern::Pattern;
use super::text::{Marker, TextWalk};

/// Bytes of the longest entry that is read. A longer one is set aside whole.
pub const ENTRY_BYTES: usize = 64 << 20;

/// How a document is cut into entries.
#[derive(Clone, Debug)]
pub enum Plan {
    /// JSON: every value that stands where one of the patterns says is an entry.
    Json(Vec<Pattern>),
    /// Text whose records begin at a marker.
    Text(Marker),
    /// The whole text is one entry.
    Whole,
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

impl Pieces {
    /// The entries of the block with these `bytes`.
    pub fn entries<'a>(&'a self, bytes: &'a [u8]) -> impl Iterator<Item = Entry<'a>> {
        self.spans.iter().map(move |span| Entry {
            bytes: bytes.get(span.start..span.end).unwrap_or_default(),
            record: span.record,
            path: &span.path,
        })
    }

    pub(super) fn too_long(&mut self, record: u64) {
        self.tally.add("entry_too_long", 1);
        self.anomalies.note("limit_entry", Some(record), || format!("an entry of more than {ENTRY_BYTES} bytes"));
    }

    pub(super) fn damaged(&mut self, record: u64, detail: impl FnOnce() -> String) {
        self.tally.add("bad_record", 1);
        self.anomalies.note("bad_record", Some(record), detail);
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
            Plan::Json(patterns) => Self::Json(Box::new(JsonWalk::new(patterns.clone()))),
            Plan::Text(marker) => Self::Text(TextWalk::new(*marker)),
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
                if *too_long {
                    return (bytes.len(), pieces);
                }
                if bytes.len() > ENTRY_BYTES {
                    *too_long = true;
                    pieces.too_long(1);
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
