//! Learned shapes of JSON records: a line that differs from an earlier one only in its values need not be walked.
//!
//! Loggers write the same keys in the same order line after line. A [`Shape`] remembers what lies between the values of
//! one line and what the values are; a line that has the same between its values holds the same keys in the same
//! places. Values mostly are as long as the line before had them, so what follows one is looked for there first.
//!
//! Keeps: a line that [`Shapes::fit`] fits has the shape's keys, for no quote stands anywhere but where the shape has
//! one. What its values hold was not looked at yet, so that a control character or a broken escape in a value nobody asks
//! for goes unnoticed in a line that a [`Sketch`] tells to be about no recording. A line that [`Fit::fill`] fills gives
//! what walking it gives.

use super::fields::{Entry, Fields, Role, Seen, is_said, status};
use super::json::{Kind, Scalar, number};
use super::scan::{Literal, count, find, string_end};

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
    /// What stands before the first value.
    head: Literal,
    quotes: usize,
    /// Of the values, those that tell a request about no recording; `None` where they cannot.
    other: Option<Other>,
}

#[derive(Debug)]
struct Value {
    number: bool,
    /// What it holds, where that matters, and whether it stands alone; see [`Fields::offer`].
    entry: Option<(Entry, bool)>,
    /// What follows it.
    after: Literal,
    /// Its length in the line that was read last, and where it began.
    length: usize,
    start: usize,
}

/// The best values of their roles, by their places in the shape.
#[derive(Debug)]
struct Other {
    status: usize,
    target: usize,
    time: Option<usize>,
    /// Every value that may hold a target.
    targets: Vec<usize>,
}

/// A line that has a known shape.
pub(super) struct Fit<'a, 's> {
    line: &'a [u8],
    shape: &'s Shape,
}

/// What a line says that needs no more reading if its targets are about no recording.
pub(super) struct Sketch<'a, 's> {
    fit: &'s Fit<'a, 's>,
    other: &'s Other,
}

impl<'a> Fit<'a, '_> {
    /// The line at a glance, where that tells it to be a request.
    pub(super) fn sketch(&self) -> Option<Sketch<'a, '_>> {
        let other = self.shape.other.as_ref()?;
        let is_request = status(self.text(other.status)).is_some() && is_said(self.text(other.target));
        is_request.then_some(Sketch { fit: self, other })
    }

    /// Fills `fields`; `false` where a value is more than plain text, or no number: then the line must be walked.
    pub(super) fn fill(&self, fields: &mut Fields<'a>) -> bool {
        fields.clear();
        for value in &self.shape.values {
            let text = self.line.get(value.start..value.start + value.length).unwrap_or_default();
            let (plain, kind) = match value.number {
                true => (number(text).is_some_and(|number| number.len() == text.len()), Kind::Number),
                false => (string_end(text).is_none(), Kind::Text),
            };
            if !plain {
                return false;
            }
            if let Some((entry, alone)) = value.entry {
                fields.offer(entry, Scalar { text, kind }, alone);
            }
        }
        true
    }

    fn text(&self, place: usize) -> &'a [u8] {
        let range = self.shape.values.get(place).map(|value| value.start..value.start + value.length);
        range.and_then(|range| self.line.get(range)).unwrap_or_default()
    }
}

impl<'a> Sketch<'a, '_> {
    /// Everything that may be the target.
    pub(super) fn targets(&self) -> impl Iterator<Item = &'a [u8]> {
        self.other.targets.iter().map(|place| self.fit.text(*place))
    }

    /// The best candidate for the time, where the shape has any.
    pub(super) fn time(&self) -> Option<&'a [u8]> {
        self.other.time.map(|place| self.fit.text(place))
    }
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

    /// The known shape of `line`.
    pub(super) fn fit<'a>(&mut self, line: &'a [u8]) -> Option<Fit<'a, '_>> {
        let Some(place) = self.known.iter_mut().position(|shape| shape.lay(line)) else {
            self.missed += 1;
            // Not worth the trying.
            if self.missed > 4 * LEARNED && self.missed > self.fitted {
                self.known.clear();
                self.left = 0;
            }
            return None;
        };
        self.fitted += 1;
        if place > 0 {
            self.known.get_mut(..=place)?.rotate_right(1);
        }
        Some(Fit { line, shape: self.known.first()? })
    }

    /// Learns the shape of `line`, which was walked and whose values are `seen`.
    pub(super) fn learn(&mut self, line: &[u8], seen: &[Seen]) {
        if self.left == 0 || seen.len() > VALUES {
            return;
        }
        let Some(first) = seen.first() else { return };
        let after = seen.iter().skip(1).map(|next| next.start).chain([line.len()]);
        let values = seen.iter().zip(after).map(|(value, next)| Value {
            number: value.kind == Kind::Number,
            entry: value.entry.map(|entry| (entry, value.alone)),
            after: Literal::new(line.get(value.end..next).unwrap_or_default()),
            length: value.end - value.start,
            start: value.start,
        });
        let values: Vec<Value> = values.collect();
        let head = Literal::new(line.get(..first.start).unwrap_or_default());
        let literals = values.iter().map(|value| &value.after).chain([&head]);
        let quotes = literals.map(|literal| count(b'"', literal.bytes())).sum();
        self.known.truncate(SHAPES - 1);
        self.known.insert(0, Shape { other: Other::new(&values), values, head, quotes });
        self.left -= 1;
    }
}

impl Other {
    /// `None` where two values claim the same rank, so that the record may be ambiguous.
    fn new(values: &[Value]) -> Option<Self> {
        let of = |wanted: &[Role]| -> Vec<(u16, usize)> {
            let entries = values.iter().enumerate();
            let ranked = entries.filter_map(|(place, value)| value.entry.map(|((role, rank), _)| (role, rank, place)));
            let mut found: Vec<_> =
                ranked.filter(|(role, ..)| wanted.contains(role)).map(|(_, rank, place)| (rank, place)).collect();
            found.sort_unstable();
            found
        };
        let singles = [
            Role::Address,
            Role::Client,
            Role::CorrelationId,
            Role::ErrorCode,
            Role::Method,
            Role::Query,
            Role::Request,
            Role::RequestId,
            Role::Status,
            Role::Target,
            Role::Time,
            Role::User,
        ];
        if singles
            .iter()
            .any(|role| of(&[*role]).windows(2).any(|two| matches!(two, [(one, _), (other, _)] if one == other)))
        {
            return None;
        }
        let best = |role: Role| of(&[role]).first().map(|(_, place)| *place);
        let targets = of(&[Role::Target, Role::Request]).into_iter().map(|(_, place)| place).collect();
        Some(Self { status: best(Role::Status)?, target: best(Role::Target)?, time: best(Role::Time), targets })
    }
}

impl Shape {
    /// Finds where the values of `line` stand; whether they stand where this shape has them.
    fn lay(&mut self, line: &[u8]) -> bool {
        let Some(mut at) = self.head.at(line, 0) else { return false };
        for value in &mut self.values {
            value.start = at;
            at = match value.after.at(line, at + value.length) {
                Some(behind) => behind,
                None => {
                    let rest = line.get(at..).unwrap_or_default();
                    let length = if value.number { number(rest).map(<[u8]>::len) } else { find(b'"', rest) };
                    let found = length.and_then(|length| Some((length, value.after.at(line, at + length)?)));
                    let Some((length, behind)) = found else { return false };
                    value.length = length;
                    behind
                }
            };
        }
        at == line.len() && count(b'"', line) == self.quotes
    }
}
