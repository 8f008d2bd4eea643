//! Which values of a JSON document are its entries, by where they stand.

use std::fmt;

/// A step from a value down to one inside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The member with this key, as written between its quotes.
    Key(Box<[u8]>),
    /// Any member of an object.
    AnyKey,
    /// Any element of an array.
    Element,
}

/// Where the entries of a document stand, from its top: `log.entries[]`, `[]`, `resource.*.*`; empty for the top itself.
///
/// Keys compare as written. In the written form a key holds no `.` and does not end in `[]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pattern(pub(super) Vec<Step>);

impl Pattern {
    /// The pattern written as `text`.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let mut steps = Vec::new();
        for part in text.split('.').filter(|part| !part.is_empty()) {
            let key = part.trim_end_matches("[]");
            match key {
                "" => {}
                "*" => steps.push(Step::AnyKey),
                key => steps.push(Step::Key(key.as_bytes().into())),
            }
            steps.extend((0..(part.len() - key.len()) / 2).map(|_| Step::Element));
        }
        Self(steps)
    }

    /// Whether the document itself is the entry.
    #[must_use]
    pub fn is_top(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (step, place) in self.0.iter().zip(0..) {
            let dot = if place > 0 { "." } else { "" };
            match step {
                Step::Key(key) => write!(f, "{dot}{}", key.escape_ascii())?,
                Step::AnyKey => write!(f, "{dot}*")?,
                Step::Element => f.write_str("[]")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_read_as_it_is_written() {
        for text in ["", "[]", "log.entries[]", "resource.*.*", "data.result[].values[]", "[].conversations[]"] {
            assert_eq!(Pattern::new(text).to_string(), text, "{text}");
        }
        assert!(Pattern::new("").is_top());
        assert_eq!(Pattern::new("a[][]").0, [Step::Key(b"a"[..].into()), Step::Element, Step::Element]);
    }
}
