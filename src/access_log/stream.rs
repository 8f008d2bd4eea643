//! Lines as Loki hands them out: `["1772445601123456789", "the line", {…}]`, below `values` of a stream.
//!
//! Answers of its query API and its push API have the same entries: nanoseconds since the epoch as text, the line, perhaps
//! metadata. What a line is, is told by the line itself; the entry's time stands in where it has none. Called by
//! [`super::document`], which recognises such entries, and [`super::batch`], which reads the line. The labels of the
//! stream are not read.

use serde_json::Value;

/// The time and the line of one entry.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Shipped {
    pub(super) time: String,
    pub(super) line: String,
}

impl Shipped {
    /// The entry that `text` is; `None` where it is none, whole.
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        let mut parts: Vec<Value> = serde_json::from_slice(text).ok()?;
        match parts.get_mut(..2)? {
            [Value::String(time), Value::String(line)] => {
                Some(Self { time: std::mem::take(time), line: std::mem::take(line) })
            }
            _ => None,
        }
    }
}

/// Whether `text` begins like an entry: an array of a time in nanoseconds and another text.
pub(super) fn is_line(text: &[u8]) -> bool {
    let behind = |text: &[u8], byte: u8| text.trim_ascii_start().strip_prefix(&[byte]).map(<[u8]>::to_vec);
    let begins = || {
        let rest = behind(&behind(text, b'[')?, b'"')?;
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let rest = rest.get(digits..)?.strip_prefix(b"\"")?;
        (16..=20).contains(&digits).then(|| behind(&behind(rest, b',')?, b'"'))?
    };
    begins().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_a_time_and_a_line() {
        let line = |text: &str| Shipped::parse(text.as_bytes()).map(|one| (one.time, one.line));
        let found = Some(("1772445601123456789".to_owned(), "a \"b\"".to_owned()));
        assert_eq!(line(r#"["1772445601123456789", "a \"b\""]"#), found);
        assert_eq!(line(r#"["1772445601123456789","a \"b\"",{"traceID":"x"}]"#), found);
        for none in ["", "[]", r#"["1"]"#, r#"[1772445601.1,"1"]"#, r#"["1","2""#, r#"{"1":"2"}"#] {
            assert_eq!(line(none), None, "{none}");
        }
        assert!(is_line(br#"[ "1772445601123456789" , "cut"#));
        for none in
            [r#"[1772445601.1,"1"]"#, r#"["a","b"]"#, r#"["1772445601","b"]"#, r#"["1772445601123456789",1]"#, "["]
        {
            assert!(!is_line(none.as_bytes()), "{none}");
        }
    }
}
