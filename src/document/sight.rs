//! What the first bytes of a JSON document hold, so that others can say what it is.
//!
//! Every value that may be an entry is shown with samples: the document itself, the elements of arrays, and objects that
//! are members of others, by whatever key. A value that the head cuts off is shown as far as it goes.

use std::collections::BTreeMap;

use super::pattern::{Pattern, Step};

/// Objects and arrays above a candidate.
const LEVELS: usize = 6;

/// Objects and arrays in one another that are looked into.
const DEPTH: usize = 64;

/// Candidates that are shown.
const CANDIDATES: usize = 256;

/// Samples of one candidate.
const SAMPLES: usize = 32;

/// The same where a few are not enough to tell.
const MANY_SAMPLES: usize = 4096;

/// Keys of one sample.
const KEYS: usize = 64;

/// What the head of a document holds.
#[derive(Clone, Debug)]
pub struct Sight<'a> {
    /// The values that may be entries, outer ones and earlier ones first.
    pub candidates: Vec<Candidate<'a>>,
    /// Whether a value at the top goes over several lines.
    pub spans_lines: bool,
    /// Whether there are values that may be entries, and that are not shown: they lie too deep, or are too many.
    pub is_partial: bool,
}

/// Values that stand at the same place.
#[derive(Clone, Debug)]
pub struct Candidate<'a> {
    /// Where they stand.
    pub pattern: Pattern,
    /// The first of them. An array that is empty, or only begins, has none.
    pub samples: Vec<Sample<'a>>,
}

/// One value.
#[derive(Clone, Debug)]
pub struct Sample<'a> {
    /// Where it begins in what was shown.
    at: usize,
    /// Its bytes, as far as they go.
    pub bytes: &'a [u8],
    /// Whether it ends within the head.
    pub is_whole: bool,
    /// Of an object the keys, as written, as far as they go.
    pub keys: Vec<&'a [u8]>,
    /// Of a member of an object its own key, as written.
    pub key: Option<&'a [u8]>,
}

impl Candidate<'_> {
    /// Whether they are members of objects, not elements of arrays.
    #[must_use]
    pub fn is_keyed(&self) -> bool {
        self.samples.iter().any(|sample| sample.key.is_some())
    }

    /// Where those stand that are like the samples that `is_one` accepts, if any: of members, at any key where these have
    /// different ones.
    #[must_use]
    pub fn place(&self, is_one: impl Fn(&Sample<'_>) -> bool) -> Option<Pattern> {
        let mut alike = self.samples.iter().filter(|sample| is_one(sample));
        let first = alike.next()?;
        let mut pattern = self.pattern.clone();
        if let (Some(step @ Step::AnyKey), Some(key)) = (pattern.0.last_mut(), first.key)
            && alike.all(|sample| sample.key == Some(key))
        {
            *step = Step::Key(key.into());
        }
        Some(pattern)
    }
}

impl<'a> Sample<'a> {
    /// The whole value that `text` is, with its own keys; what its members hold is not looked at.
    #[must_use]
    pub fn of(text: &'a [u8]) -> Self {
        let mut keys = Vec::new();
        if text.first() == Some(&b'{') {
            own_keys(text, |key| {
                keys.push(key);
                keys.len() < KEYS
            });
        }
        Self { at: 0, bytes: text, is_whole: true, keys, key: None }
    }

    /// Whether any of its own keys is one that `may_be` accepts, as far as they are shown and can be told.
    #[must_use]
    pub fn may_have(&self, may_be: impl Fn(&[u8]) -> bool) -> bool {
        let is_one = |key: &&[u8]| memchr::memchr(b'\\', key).is_some() || may_be(key);
        self.keys.len() == KEYS || self.keys.iter().any(is_one)
    }

    /// Whether it is an object with all of `keys`.
    #[must_use]
    pub fn has(&self, keys: &[&str]) -> bool {
        keys.iter().all(|key| self.keys.contains(&key.as_bytes()))
    }
}

impl<'a> Sight<'a> {
    /// The same without the values that `is_one` accepts, and without all that these hold: the outermost that it accepts
    /// are asked of, what lies in them is a part of them. And how many were accepted.
    #[must_use]
    pub fn without(&self, is_one: impl Fn(&Sample<'a>) -> bool) -> (Self, usize) {
        // Where those begin that are accepted, and where they end. They do not overlap.
        let mut accepted: BTreeMap<usize, usize> = BTreeMap::new();
        let mut rest = self.clone();
        // A value comes before what it holds.
        for candidate in &mut rest.candidates {
            candidate.samples.retain(|sample| {
                let before = accepted.range(..=sample.at).next_back();
                let is_inside = before.is_some_and(|(_, end)| sample.at < *end);
                let is_accepted = !is_inside && is_one(sample);
                if is_accepted {
                    accepted.insert(sample.at, sample.at + sample.bytes.len());
                }
                !is_inside && !is_accepted
            });
        }
        (rest, accepted.len())
    }

    /// The candidate at `pattern`, written as [`Pattern::new`] reads it.
    #[must_use]
    pub fn at(&self, pattern: &str) -> Option<&Candidate<'a>> {
        let pattern = Pattern::new(pattern);
        self.candidates.iter().find(|candidate| candidate.pattern == pattern)
    }

    /// The first sample of the document itself.
    #[must_use]
    pub fn top(&self) -> Option<&Sample<'a>> {
        self.at("")?.samples.first()
    }
}

/// What `head` holds; `None` where it does not begin like a JSON object or array.
#[must_use]
pub fn sight(head: &[u8]) -> Option<Sight<'_>> {
    sight_with(head, SAMPLES)
}

/// [`sight`] with many more samples of each candidate.
#[must_use]
pub fn wide_sight(head: &[u8]) -> Option<Sight<'_>> {
    sight_with(head, MANY_SAMPLES)
}

/// What the JSON value that begins with `text` and stands at `key`, if at any, holds, and whether it ends there.
pub(super) fn inside<'a>(text: &'a [u8], key: Option<&'a [u8]>) -> (Sight<'a>, bool) {
    let mut viewer = Viewer::new(text, MANY_SAMPLES);
    let (_, is_whole) = viewer.value(0, &[], 0, key);
    (viewer.sight, is_whole)
}

/// Whether the object that begins with `text` has a member at one of `keys`; `None` where `text` ends before it tells.
pub(super) fn has_member(text: &[u8], keys: &[&[u8]]) -> Option<bool> {
    own_keys(text, |key| !keys.contains(&key)).map(|is_over| !is_over)
}

/// Shows `go_on` the keys of the object that begins with `text`, as written, until it says that they are enough: whether
/// it never did; `None` where `text` ends before.
fn own_keys<'a>(text: &'a [u8], mut go_on: impl FnMut(&'a [u8]) -> bool) -> Option<bool> {
    let (mut at, mut depth, mut may_be_key) = (0, 0_usize, false);
    loop {
        match text.get(at)? {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            b'"' => {
                let (end, is_whole) = string_end(text, at);
                if !is_whole {
                    return None;
                }
                if depth == 1 && may_be_key && !go_on(text.get(at + 1..end - 1)?) {
                    return Some(false);
                }
                at = end - 1;
            }
            _ => {}
        }
        if depth == 0 {
            return Some(true);
        }
        may_be_key =
            depth == 1 && matches!(text.get(at)?, b'{' | b',') || may_be_key && text.get(at)?.is_ascii_whitespace();
        at += 1;
    }
}

fn string_end(text: &[u8], at: usize) -> (usize, bool) {
    let mut end = at + 1;
    while let Some(length) = memchr::memchr2(b'"', b'\\', text.get(end..).unwrap_or_default()) {
        end += length;
        if text.get(end) == Some(&b'"') {
            return (end + 1, true);
        }
        end += 2;
    }
    (text.len(), false)
}

fn sight_with(head: &[u8], samples: usize) -> Option<Sight<'_>> {
    let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    let mut viewer = Viewer::new(text, samples);
    let mut at = viewer.blanks(0);
    while matches!(text.get(at), Some(b'{' | b'[')) {
        let (end, is_whole) = viewer.value(at, &[], 0, None);
        let value = text.get(at..end).unwrap_or_default();
        // A value that breaks off in its line says nothing of how the others stand.
        viewer.sight.spans_lines |= is_whole && memchr::memchr(b'\n', value).is_some();
        if !is_whole {
            break;
        }
        at = viewer.blanks(end);
        while matches!(text.get(at), Some(b',' | 0x1e)) {
            at = viewer.blanks(at + 1);
        }
    }
    (!viewer.sight.candidates.is_empty()).then_some(viewer.sight)
}

struct Viewer<'a> {
    text: &'a [u8],
    sight: Sight<'a>,
    /// Samples of one candidate that are taken down.
    samples: usize,
}

impl<'a> Viewer<'a> {
    fn new(text: &'a [u8], samples: usize) -> Self {
        Self { text, sight: Sight { candidates: Vec::new(), spans_lines: false, is_partial: false }, samples }
    }

    fn blanks(&self, at: usize) -> usize {
        let rest = self.text.get(at..).unwrap_or_default();
        at + rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n')).count()
    }

    /// The place of the candidate at `path`, made where it is new.
    fn candidate(&mut self, path: &[Step]) -> Option<&mut Candidate<'a>> {
        if path.len() > LEVELS {
            self.sight.is_partial = true;
            return None;
        }
        let known = self.sight.candidates.iter().position(|candidate| candidate.pattern.0 == path);
        if known.is_none() && self.sight.candidates.len() == CANDIDATES {
            self.sight.is_partial = true;
            return None;
        }
        let place = known.unwrap_or_else(|| {
            self.sight.candidates.push(Candidate { pattern: Pattern(path.to_vec()), samples: Vec::new() });
            self.sight.candidates.len() - 1
        });
        self.sight.candidates.get_mut(place)
    }

    /// Takes down a sample of the candidate at `path` and gives its place.
    fn sample(&mut self, path: &[Step], key: Option<&'a [u8]>) -> Option<usize> {
        let most = self.samples;
        let samples = &mut self.candidate(path)?.samples;
        let place = samples.len();
        if place == most {
            self.sight.is_partial = true;
            return None;
        }
        samples.push(Sample { at: 0, bytes: b"", is_whole: false, keys: Vec::new(), key });
        Some(place)
    }

    /// Views the value at `at`, which stands at `path`, as a member at `key`: where it ends, or the head does, and whether
    /// it is whole.
    fn value(&mut self, at: usize, path: &[Step], depth: usize, key: Option<&'a [u8]>) -> (usize, bool) {
        let opener = self.text.get(at).copied();
        let member = match path {
            [outer @ .., Step::Key(_)] if opener == Some(b'{') => [outer, &[Step::AnyKey]].concat(),
            _ => Vec::new(),
        };
        let is_candidate = path.last().is_none_or(|step| *step == Step::Element) || !member.is_empty();
        // An array at the top is never an entry itself.
        let is_sample = is_candidate && !(path.is_empty() && opener == Some(b'['));
        let place = if member.is_empty() { path } else { &member };
        let sample = is_sample.then(|| self.sample(place, key)).flatten().map(|sample| (place, sample));
        let (end, is_whole) = match opener {
            Some(b'{' | b'[') if depth == DEPTH => (at, false),
            Some(b'{') => self.object(at, path, depth, sample),
            Some(b'[') => self.array(at, path, depth),
            Some(b'"') => string_end(self.text, at),
            Some(_) => {
                let rest = self.text.get(at..).unwrap_or_default();
                let token = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
                let length = rest.iter().take_while(|byte| token(byte)).count();
                (at + length, length > 0 && length < rest.len())
            }
            None => (at, false),
        };
        let text = self.text;
        if let Some((place, sample)) = sample
            && let Some(sample) = self.candidate(place).and_then(|candidate| candidate.samples.get_mut(sample))
        {
            sample.at = at;
            sample.bytes = text.get(at..end).unwrap_or_default();
            sample.is_whole = is_whole;
        }
        (end, is_whole)
    }

    fn object(&mut self, at: usize, path: &[Step], depth: usize, sample: Option<(&[Step], usize)>) -> (usize, bool) {
        let mut at = self.blanks(at + 1);
        if self.text.get(at) == Some(&b'}') {
            return (at + 1, true);
        }
        while self.text.get(at) == Some(&b'"') {
            let (end, is_whole) = string_end(self.text, at);
            let text = self.text;
            let key = text.get(at + 1..end.saturating_sub(1)).unwrap_or_default();
            at = self.blanks(end);
            if !is_whole || self.text.get(at) != Some(&b':') {
                return (at, false);
            }
            if let Some((place, sample)) = sample
                && let Some(sample) = self.candidate(place).and_then(|candidate| candidate.samples.get_mut(sample))
                && sample.keys.len() < KEYS
            {
                sample.keys.push(key);
            }
            at = self.blanks(at + 1);
            let path = [path, &[Step::Key(key.into())]].concat();
            let (end, is_whole) = self.value(at, &path, depth + 1, Some(key));
            at = self.blanks(end);
            match self.text.get(at) {
                Some(b',') if is_whole => at = self.blanks(at + 1),
                Some(b'}') if is_whole => return (at + 1, true),
                _ => return (at, false),
            }
        }
        (at, false)
    }

    fn array(&mut self, at: usize, path: &[Step], depth: usize) -> (usize, bool) {
        let mut at = self.blanks(at + 1);
        let path = [path, &[Step::Element]].concat();
        self.candidate(&path);
        if self.text.get(at) == Some(&b']') {
            return (at + 1, true);
        }
        loop {
            let (end, is_whole) = self.value(at, &path, depth + 1, None);
            at = self.blanks(end);
            match self.text.get(at) {
                Some(b',') if is_whole => at = self.blanks(at + 1),
                Some(b']') if is_whole => return (at + 1, true),
                _ => return (at, false),
            }
        }
    }
}
