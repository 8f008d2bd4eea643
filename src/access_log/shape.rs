//! Learned shapes of JSON records: a line that differs from an earlier one only in its values need not be walked.
//!
//! Loggers write the same keys in the same order line after line. A [`Shape`] remembers what lies between the values of
//! one line, and where in it each value that matters stands; a line that fits it holds the same keys in the same places,
//! and what it says is read without looking at a single key. A line that fits none is walked.
//!
//! Keeps: for every line, fitting a shape gives what walking it gives. A value without escapes or control characters
//! between the quotes, or a number by the grammar, can only be that value, and all else is equal byte by byte.

use memchr::memchr2;

use super::fields::{Entry, Fields, Seen};
use super::json::{Kind, Scalar, has_control, number};

/// Values of one shape. A record of more is walked every time.
const VALUES: usize = 256;

/// Shapes kept at once.
const SHAPES: usize = 8;

/// Shapes learned from one block before learning stops: such a log has no shapes to speak of.
const LEARNED: usize = 64;

/// The shapes of one block's lines.
#[derive(Debug)]
pub(super) struct Shapes {
    /// The one that fitted last comes first.
    known: Vec<Shape>,
    /// How many may still be learned.
    left: usize,
}

/// What the lines of one kind have in common.
#[derive(Debug)]
struct Shape {
    values: Vec<Value>,
    /// What follows the last value.
    tail: Box<[u8]>,
}

#[derive(Debug)]
struct Value {
    /// What stands before it.
    before: Box<[u8]>,
    number: bool,
    /// What it holds, where that matters, and whether it stands alone; see [`Fields::offer`].
    entry: Option<(Entry, bool)>,
}

impl Shapes {
    pub(super) fn new() -> Self {
        Self { known: Vec::new(), left: LEARNED }
    }

    /// None at all: every line is walked.
    #[cfg(test)]
    pub(super) fn none() -> Self {
        Self { known: Vec::new(), left: 0 }
    }

    /// Fills `fields` where `line` fits a known shape; else `fields` holds nothing to rely on.
    pub(super) fn read<'a>(&mut self, line: &'a [u8], fields: &mut Fields<'a>) -> bool {
        if self.known.is_empty() || has_control(line) {
            return false;
        }
        for place in 0..self.known.len() {
            fields.clear();
            if self.known.get(place).is_some_and(|shape| shape.read(line, fields).is_some()) {
                if let Some(before) = self.known.get_mut(..=place) {
                    before.rotate_right(1);
                }
                return true;
            }
        }
        false
    }

    /// Learns the shape of `line`, which was walked and whose values are `seen`.
    pub(super) fn learn(&mut self, line: &[u8], seen: &[Seen]) {
        if self.left == 0 || seen.len() > VALUES {
            return;
        }
        let mut values = Vec::with_capacity(seen.len());
        let mut end = 0;
        for value in seen {
            let Some(before) = line.get(end..value.start) else { return };
            let entry = value.entry.map(|entry| (entry, value.alone));
            values.push(Value { before: before.into(), number: value.kind == Kind::Number, entry });
            end = value.end;
        }
        let tail = line.get(end..).unwrap_or_default().into();
        self.known.truncate(SHAPES - 1);
        self.known.insert(0, Shape { values, tail });
        self.left -= 1;
    }
}

impl Shape {
    /// Fills `fields` where `line`, which holds no control character, fits.
    fn read<'a>(&self, line: &'a [u8], fields: &mut Fields<'a>) -> Option<()> {
        let mut rest = line;
        for value in &self.values {
            rest = rest.strip_prefix(&*value.before)?;
            let (text, kind) = if value.number {
                (number(rest)?, Kind::Number)
            } else {
                let end = memchr2(b'"', b'\\', rest)?;
                if rest.get(end) == Some(&b'\\') {
                    return None;
                }
                (rest.get(..end)?, Kind::Text)
            };
            rest = rest.get(text.len()..)?;
            if let Some((entry, alone)) = value.entry {
                fields.offer(entry, Scalar { text, kind }, alone);
            }
        }
        (*rest == *self.tail).then_some(())
    }
}
