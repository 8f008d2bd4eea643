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

    /// What stands before and behind the entries of a document that holds nothing else. Members of an object become
    /// elements of an array: their keys are no part of them.
    pub(super) fn frame(&self) -> [Vec<u8>; 2] {
        let [mut head, mut tail] = [Vec::new(), Vec::new()];
        for (step, left) in self.0.iter().zip((0..self.0.len()).rev()) {
            let (open, close) = match step {
                Step::Key(_) | Step::AnyKey if left == 0 => (b"[".to_vec(), b']'),
                Step::Key(key) => ([b"{\"", &**key, b"\":"].concat(), b'}'),
                Step::AnyKey => (b"{\"\":".to_vec(), b'}'),
                Step::Element => (b"[".to_vec(), b']'),
            };
            head.extend(open);
            tail.insert(0, close);
        }
        [head, tail]
    }

    /// Whether it is the elements of an array with this key.
    #[must_use]
    pub fn is_below(&self, key: &str) -> bool {
        matches!(self.0.as_slice(), [.., Step::Key(last), Step::Element] if **last == *key.as_bytes())
    }

    /// Whether it names values inside those that `outer` names, or the same.
    #[must_use]
    pub fn is_within(&self, outer: &Self) -> bool {
        let leads =
            |(step, outer): (&Step, &Step)| step == outer || *outer == Step::AnyKey && matches!(step, Step::Key(_));
        self.0.len() >= outer.0.len() && self.0.iter().zip(&outer.0).all(leads)
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
        assert_eq!(Pattern::new("log.entries[]").frame(), [b"{\"log\":{\"entries\":[".to_vec(), b"]}}".to_vec()]);
        assert_eq!(Pattern::new("a.*").frame(), [b"{\"a\":[".to_vec(), b"]}".to_vec()]);
        assert!(Pattern::new("").is_top());
        let within = |one: &str, other: &str| Pattern::new(one).is_within(&Pattern::new(other));
        assert!(within("a.b[].c", "a.*") && within("a.*", "a") && within("a", ""));
        assert!(!within("a.*", "a.b") && !within("a[]", "a.*") && !within("a", "a.b"));
        assert!(
            Pattern::new("data.result[].values[]").is_below("values") && !Pattern::new("values").is_below("values")
        );
        assert_eq!(Pattern::new("a[][]").0, [Step::Key(b"a"[..].into()), Step::Element, Step::Element]);
    }
}
