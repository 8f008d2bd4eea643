//! Sentences of the report that name something.
//!
//! A [`Sentence`] keeps apart what the program says and what it names: a trunk, a file, a field. Whoever must not show
//! the one can replace it without touching the other, whatever somebody is called.

use std::ops::Range;

use serde::{Serialize, Serializer};

/// What kind of thing a sentence names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A trunk, by its name in the configuration.
    Trunk,
    /// A source of the evidence, by its shown path.
    Path,
    /// A header field or an attribute, by its name.
    Field,
    /// A parameter of a field.
    Parameter,
    /// A value of a field.
    Value,
    /// An identifier of a call or a conversation.
    Identifier,
    /// A permission that the platform's answer names.
    Permission,
    /// Keys of a document.
    Keys,
}

/// One thing that a sentence names.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Named {
    kind: Kind,
    /// Where it stands in the sentence, in bytes.
    place: Range<usize>,
    /// Its bytes, where the sentence shows them otherwise.
    raw: Option<Box<[u8]>>,
}

/// One or more plain sentences, and where they name something. Written as their text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sentence {
    text: String,
    named: Vec<Named>,
}

impl Sentence {
    /// The program's own words and numbers: nothing of the evidence or of a configuration.
    #[must_use]
    pub fn own(text: impl Into<String>) -> Self {
        Self { text: text.into(), named: Vec::new() }
    }

    /// With more of the program's own words behind it.
    #[must_use]
    pub fn and(mut self, own: &str) -> Self {
        self.text.push_str(own);
        self
    }

    /// With the name of something behind it.
    #[must_use]
    pub fn naming(mut self, kind: Kind, name: &str) -> Self {
        let from = self.text.len();
        self.text.push_str(name);
        self.named.push(Named { kind, place: from..self.text.len(), raw: None });
        self
    }

    /// With the name of something behind it whose bytes are shown as `shown`.
    #[must_use]
    pub fn naming_raw(self, kind: Kind, raw: &[u8], shown: &str) -> Self {
        let mut sentence = self.naming(kind, shown);
        if let Some(named) = sentence.named.last_mut() {
            named.raw = (raw != shown.as_bytes()).then(|| raw.into());
        }
        sentence
    }

    /// With another one behind it.
    #[must_use]
    pub fn join(mut self, other: Self) -> Self {
        let from = self.text.len();
        self.text.push_str(&other.text);
        self.named.extend(
            other
                .named
                .into_iter()
                .map(|named| Named { place: named.place.start + from..named.place.end + from, ..named }),
        );
        self
    }

    /// With a few of many behind it, between `mark`s.
    #[must_use]
    pub fn list(self, items: impl IntoIterator<Item = Self>, mark: &str) -> Self {
        items.into_iter().enumerate().fold(self, |sentence, (place, item)| match place {
            0 => sentence.join(item),
            _ => sentence.and(mark).join(item),
        })
    }

    /// What it names.
    pub fn named(&self) -> impl Iterator<Item = (Kind, &[u8])> {
        self.named.iter().map(|named| (named.kind, self.raw(named)))
    }

    fn raw<'s>(&'s self, Named { place, raw, .. }: &'s Named) -> &'s [u8] {
        let shown = || self.text.get(place.clone()).unwrap_or_default().as_bytes();
        raw.as_deref().unwrap_or_else(shown)
    }

    /// The same with other names for what it names.
    #[must_use]
    pub fn renamed(&self, name: impl Fn(Kind, &[u8]) -> String) -> Self {
        let mut renamed = Self::default();
        let mut from = 0;
        for named in &self.named {
            let own = self.text.get(from..named.place.start).unwrap_or_default();
            renamed = renamed.and(own).naming(named.kind, &name(named.kind, self.raw(named)));
            from = named.place.end;
        }
        renamed.and(self.text.get(from..).unwrap_or_default())
    }
}

impl std::ops::Deref for Sentence {
    type Target = str;

    fn deref(&self) -> &str {
        &self.text
    }
}

impl From<String> for Sentence {
    /// The program's own words and numbers, as [`Sentence::own`].
    fn from(own: String) -> Self {
        Self::own(own)
    }
}

impl std::fmt::Display for Sentence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&self.text)
    }
}

impl PartialEq<str> for Sentence {
    fn eq(&self, other: &str) -> bool {
        self.text == other
    }
}

impl PartialEq<&str> for Sentence {
    fn eq(&self, other: &&str) -> bool {
        self.text == *other
    }
}

impl Serialize for Sentence {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_named_is_renamed_where_it_is_named_and_nowhere_else() {
        let items = ["on", "a"].map(|name| Sentence::default().naming(Kind::Trunk, name).and("!"));
        let sentence = Sentence::own("on a trunk on ")
            .naming(Kind::Trunk, "on")
            .and(", a ")
            .naming_raw(Kind::Identifier, b"\xff", "\\xff")
            .and(": ")
            .list(items, ", ")
            .and(" on.");
        assert_eq!(sentence, "on a trunk on on, a \\xff: on!, a! on.");
        let renamed = sentence.renamed(|kind, name| format!("<{kind:?} {}>", name.escape_ascii()));
        assert_eq!(renamed, "on a trunk on <Trunk on>, a <Identifier \\xff>: <Trunk on>!, <Trunk a>! on.");
        let again = renamed.renamed(|_, name| String::from_utf8_lossy(name).len().to_string());
        assert_eq!(again, "on a trunk on 10, a 17: 10!, 9! on.");
        assert_eq!(serde_json::to_string(&Sentence::own("\"")).expect("JSON"), r#""\"""#);
    }
}
