//! Pointers into the evidence as people look them up: `capture.pcap #12` (a packet), `access.log:56` (a line).

use std::collections::BTreeMap;

use super::super::escape;
use super::super::model::{Evidence, Pointer};
use super::layout::{FAINT, Phrase};

/// How the sources are named: by path, with the id beside it where two are named alike.
pub(super) struct Names<'a> {
    sources: Vec<(String, &'a str)>,
}

impl<'a> Names<'a> {
    pub(super) fn new(evidence: &'a [Evidence]) -> Self {
        let mut alike = BTreeMap::new();
        for source in evidence {
            *alike.entry(source.path.as_str()).or_insert(0_u32) += 1;
        }
        let named = |source: &'a Evidence| {
            let path = escape::path(source);
            match alike.get(source.path.as_str()) {
                Some(2..) => (format!("{path} ({})", source.id), source.kind),
                _ => (path.into_owned(), source.kind),
            }
        };
        Self { sources: evidence.iter().map(named).collect() }
    }

    /// Pointers in their order between brackets, the source named once for a run of them, and how many were left out
    /// beyond `most`. Nothing for no pointers.
    pub(super) fn list(&self, pointers: &[Pointer], most: usize) -> Phrase {
        let mut phrase = Phrase::default();
        if pointers.is_empty() {
            return phrase;
        }
        let mut last = None;
        for pointer in pointers.iter().take(most) {
            let id = pointer.evidence.to_string();
            let (name, kind) = match self.sources.get(pointer.evidence.0 as usize) {
                Some((name, kind)) => (name.as_str(), *kind),
                None => (id.as_str(), ""),
            };
            let (between, mark) = if kind == "capture" { (" ", "#") } else { ("", ":") };
            let name = if last == Some(pointer.evidence) { "" } else { name };
            let between = if name.is_empty() { "" } else { between };
            let shown = format!("{name}{between}{mark}{}", pointer.record);
            phrase = match last {
                None => phrase.and_styled(FAINT, "[").and_whole_glued_styled(FAINT, shown),
                Some(_) => phrase.and_glued_styled(FAINT, ",").and_whole_styled(FAINT, shown),
            };
            last = Some(pointer.evidence);
        }
        match pointers.len().saturating_sub(most) {
            0 => phrase.and_glued_styled(FAINT, "]"),
            left => phrase.and_styled(FAINT, &format!("and {left} more]")),
        }
    }

    /// One pointer.
    pub(super) fn one(&self, pointer: Pointer) -> Phrase {
        self.list(&[pointer], 1)
    }
}
