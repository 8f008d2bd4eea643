//! Lines of `key=value` pairs (logfmt), as Heroku's router and many Go programs write them.
//!
//! A value in quotes may hold blanks, and backslash escapes as in JSON. Keys are matched by the names' table. Called by
//! [`super::batch`]. A line is one only if all of it is pairs and single words, and it begins with a pair.

use super::fields::{Fields, Known, Table};
use super::json::{Kind, Scalar};
use super::scan::find;

/// Pairs of one line that are looked at.
const PAIRS: usize = 256;

/// Fills `fields` from `line`; `None` where it is no line of pairs.
pub(super) fn collect<'a>(line: &'a [u8], known: &mut Known, table: &Table, fields: &mut Fields<'a>) -> Option<()> {
    fields.clear();
    known.bound();
    let (mut rest, mut before, mut pairs) = (line, None, 0);
    loop {
        rest = rest.trim_ascii_start();
        if rest.is_empty() {
            return (pairs >= 2).then_some(());
        }
        let end = rest.iter().position(|byte| matches!(byte, b' ' | b'=' | b'"')).unwrap_or(rest.len());
        let (key, behind) = rest.split_at_checked(end)?;
        match behind.first() {
            Some(b'=') if !key.is_empty() => {}
            // A word alone says that something is so.
            Some(b' ') | None if pairs > 0 => {
                rest = behind;
                continue;
            }
            _ => return None,
        }
        let (value, behind) = value(behind.get(1..)?)?;
        pairs += 1;
        if pairs > PAIRS {
            return None;
        }
        let entry = known.pair(key, &mut before, table)?;
        if let Some(entry) = entry {
            fields.offer(entry, value, true);
        }
        rest = behind;
    }
}

/// The value at the front of `text`, and what follows it.
fn value(text: &[u8]) -> Option<(Scalar<'_>, &[u8])> {
    let Some(quoted) = text.strip_prefix(b"\"") else {
        let end = find(b' ', text).unwrap_or(text.len());
        let (text, rest) = text.split_at_checked(end)?;
        return Some((Scalar::plain(text), rest));
    };
    let (mut at, mut kind) = (0, Kind::Text);
    loop {
        at += memchr::memchr2(b'"', b'\\', quoted.get(at..)?)?;
        if quoted.get(at) == Some(&b'"') {
            return Some((Scalar { text: quoted.get(..at)?, kind }, quoted.get(at + 1..)?));
        }
        kind = Kind::Clf;
        at += 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;

    fn collect<'a>(line: &'a str, fields: &mut Fields<'a>) -> bool {
        let table = Table::new(&Settings::default(), "a.log");
        super::collect(line.as_bytes(), &mut Known::new(), &table, fields).is_some()
    }

    #[test]
    fn pairs_in_their_variants() {
        let mut fields = Fields::default();
        for line in [
            "at=info method=GET path=\"/recordings/1\" status=403",
            "status=403  path=/recordings/1 msg=\"a \\\"b\\\" c\" done",
            "ts=2026-01-02T03:04:05Z http.target=/recordings/1 http.status_code=403 empty= q=a=b",
        ] {
            assert!(collect(line, &mut fields), "{line}");
            assert_eq!(fields.status(), Some(403), "{line}");
            assert_eq!(fields.target().map(|target| target.text), Some(&b"/recordings/1"[..]), "{line}");
        }
    }

    #[test]
    fn other_lines_are_none() {
        for line in ["", "word a=b c=d", "a=b", "a=\"b c=d", "=b c=d", "a=b \"c d\"", "GET /?a=b&c=d HTTP/1.1"] {
            assert!(!collect(line, &mut Fields::default()), "{line}");
        }
    }
}
