//! Learned shapes of JSON records: a line that differs from an earlier one only in its values need not be walked.
//!
//! Loggers write the same keys in the same order line after line. A [`Shape`] remembers what lies between the values of
//! one line, and where in it each value that matters stands; a line that fits it holds the same keys in the same places,
//! and what it says is read without looking at a single key. A line that fits none is walked.
//!
//! Keeps: for every line, fitting a shape gives what walking it gives. A value without escapes or control characters
//! between the quotes, or a number by the grammar, can only be that value, and all else is equal byte by byte.

use super::fields::{Entry, Fields, Seen};
use super::json::{Kind, Scalar, number};
use super::scan::{Literal, string_end};

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
    /// Lines that fitted, and that fitted none.
    fitted: usize,
    missed: usize,
}

/// What the lines of one kind have in common.
#[derive(Debug)]
struct Shape {
    values: Vec<Value>,
    /// What follows the last value.
    tail: Literal,
}

#[derive(Debug)]
struct Value {
    /// What stands before it.
    before: Literal,
    number: bool,
    /// What it holds, where that matters, and whether it stands alone; see [`Fields::offer`].
    entry: Option<(Entry, bool)>,
}

impl Shapes {
    pub(super) fn new() -> Self {
        Self { known: Vec::new(), left: LEARNED, fitted: 0, missed: 0 }
    }

    /// None at all: every line is walked.
    #[cfg(test)]
    pub(super) fn none() -> Self {
        Self { known: Vec::new(), left: 0, fitted: 0, missed: 0 }
    }

    /// Fills `fields` where a line that fits a known shape stands at the front of `bytes`, and tells its length with its
    /// end; else `fields` holds nothing to rely on.
    pub(super) fn read<'a>(&mut self, bytes: &'a [u8], fields: &mut Fields<'a>) -> Option<usize> {
        for place in 0..self.known.len() {
            fields.clear();
            let rest = self.known.get(place).and_then(|shape| shape.read(bytes, fields));
            if let Some(rest) = rest {
                if let Some(before) = self.known.get_mut(..=place).filter(|_| place > 0) {
                    before.rotate_right(1);
                }
                self.fitted += 1;
                return Some(bytes.len() - rest.len());
            }
        }
        self.missed += 1;
        // Not worth the trying.
        if self.missed > 4 * LEARNED && self.missed > self.fitted {
            self.known.clear();
            self.left = 0;
        }
        None
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
            values.push(Value { before: Literal::new(before), number: value.kind == Kind::Number, entry });
            end = value.end;
        }
        let tail = Literal::new(line.get(end..).unwrap_or_default());
        self.known.truncate(SHAPES - 1);
        self.known.insert(0, Shape { values, tail });
        self.left -= 1;
    }
}

impl Shape {
    /// Fills `fields` where the line at the front of `bytes` fits, and gives what follows it.
    fn read<'a>(&self, bytes: &'a [u8], fields: &mut Fields<'a>) -> Option<&'a [u8]> {
        let mut rest = bytes;
        for value in &self.values {
            rest = value.before.strip(rest)?;
            let (text, kind) = if value.number {
                (number(rest)?, Kind::Number)
            } else {
                let (text, behind) = rest.split_at_checked(string_end(rest)?)?;
                // Not an escape, nor a control character: the end of the line is one too.
                if behind.first() != Some(&b'"') {
                    return None;
                }
                (text, Kind::Text)
            };
            rest = rest.get(text.len()..)?;
            if let Some((entry, alone)) = value.entry {
                fields.offer(entry, Scalar { text, kind }, alone);
            }
        }
        match self.tail.strip(rest)? {
            [] => Some(&[]),
            [b'\n', rest @ ..] | [b'\r', b'\n', rest @ ..] => Some(rest),
            _ => None,
        }
    }
}
