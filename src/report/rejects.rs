//! The records that were counted and not used, as newline-delimited JSON: what `--rejects` writes.
//!
//! The first line says what the file is. Each further one is a record: where it stands (`source`, as the report points at
//! evidence, and its `path`), the `reason` it is counted under, how many `bytes` it has, and all of them as `text`, by the
//! report's rule for bytes that are not UTF-8 (`"escaped": true` beside it). In the order of evidence and record.
//!
//! Keeps: a record is never held whole, however long; from the text its very bytes can be had again.

use std::io::{self, Write};

use serde::Serialize;

use super::json;
use super::model::{Evidence, EvidenceId, EvidenceText, Generator, Pointer};
use crate::evidence::{Rejected, Rejects};

/// What the first line calls the file.
pub const SCHEMA: &str = "sipconsent.rejects/1";

/// Writes all of `rejects`. `evidence` is the list of the report.
///
/// # Errors
///
/// When the rejects could not be kept, or cannot be read again, and those of `out`.
pub fn write(rejects: Rejects, generator: &Generator, evidence: &[Evidence], out: &mut dyn Write) -> io::Result<()> {
    let mut out = out;
    json::line(&Opening { schema: SCHEMA, generator }, &mut out)?;
    rejects.each(|rejected| row(rejected, evidence, &mut out))
}

#[derive(Serialize)]
struct Opening<'a> {
    schema: &'static str,
    generator: &'a Generator,
}

/// What stands before the text of a record.
#[derive(Serialize)]
struct Head<'a> {
    source: Pointer,
    path: &'a str,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    path_escaped: bool,
    reason: &'a str,
    bytes: u64,
}

fn row(rejected: &mut Rejected<'_>, evidence: &[Evidence], out: &mut impl Write) -> io::Result<()> {
    let source = evidence.get(rejected.source.0 as usize);
    let head = Head {
        source: Pointer { evidence: EvidenceId(rejected.source.0), record: rejected.record },
        path: source.map_or("", |source| source.path.as_str()),
        path_escaped: source.is_some_and(|source| source.escaped),
        reason: rejected.reason,
        bytes: rejected.length(),
    };
    let mut opening = Vec::new();
    json::line(&head, &mut opening)?;
    out.write_all(opening.strip_suffix(b"}\n").unwrap_or(&opening))?;
    out.write_all(b",\"text\":\"")?;
    let is_text = is_utf8(rejected)?;
    let mut cut = Vec::new();
    rejected.bytes(|piece| {
        cut.extend_from_slice(piece);
        let whole = cut.len() - unfinished(&cut);
        let rest = cut.split_off(whole);
        fragment(&std::mem::replace(&mut cut, rest), is_text, out)
    })?;
    fragment(&cut, is_text, out)?;
    out.write_all(if is_text { b"\"}\n" } else { b"\",\"escaped\":true}\n" })
}

fn fragment(bytes: &[u8], is_text: bool, out: &mut impl Write) -> io::Result<()> {
    match std::str::from_utf8(bytes) {
        Ok(text) if is_text => json::fragment(text, out),
        _ => json::fragment(&EvidenceText::escape(bytes), out),
    }
}

fn is_utf8(rejected: &mut Rejected<'_>) -> io::Result<bool> {
    let (mut cut, mut is_text) = (Vec::new(), true);
    rejected.bytes(|piece| {
        if is_text {
            cut.extend_from_slice(piece);
            let whole = cut.len() - unfinished(&cut);
            is_text = std::str::from_utf8(cut.get(..whole).unwrap_or_default()).is_ok();
            cut.drain(..whole);
        }
        Ok(())
    })?;
    Ok(is_text && cut.is_empty())
}

/// How many bytes at the end begin a character that may go on.
fn unfinished(bytes: &[u8]) -> usize {
    let from = bytes.len().saturating_sub(3);
    let tail = bytes.get(from..).unwrap_or_default();
    // A byte that is none of those in the middle of a character begins one.
    let Some(start) = tail.iter().rposition(|byte| byte & 0xc0 != 0x80) else { return 0 };
    let last = tail.get(start..).unwrap_or_default();
    match std::str::from_utf8(last) {
        Err(error) if error.error_len().is_none() => last.len(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::evidence::{Extents, Reject, SourceId, Spool};
    use crate::report::{own, sample};

    /// The lines for one record in these pieces.
    fn written(pieces: &[&[u8]]) -> String {
        let (spool, mut extents) = (Spool::default(), Extents::default());
        for piece in pieces {
            spool.keep(&mut extents, &[Reject { record: 7, reason: "bad_record", bytes: (*piece).into() }]);
        }
        let rejects = spool.finish(vec![(SourceId(0), Extents::default()), (SourceId(1), extents)]);
        let mut out = Vec::new();
        let mut report = sample::incident();
        for (source, path) in report.evidence.iter_mut().zip(["a.log", "b\u{202e}.log"]) {
            source.path = path.to_owned();
        }
        write(rejects, &report.generator, &report.evidence, &mut out).expect("memory");
        String::from_utf8(out).expect("UTF-8")
    }

    #[track_caller]
    fn check(pieces: &[&[u8]], text: &str, escaped: bool) {
        let all = written(pieces);
        let lines: Vec<Value> = all.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        let length: usize = pieces.iter().map(|piece| piece.len()).sum();
        let mut expected = json!({"source": {"evidence": "E2", "record": 7}, "path": "b\u{202e}.log", "reason": "bad_record",
            "bytes": length, "text": text});
        if escaped {
            expected["escaped"] = true.into();
        }
        assert_eq!(lines[1..], [expected]);
    }

    #[test]
    fn a_record_is_kept_to_the_byte_wherever_it_is_cut() {
        check(&[b"torn {\"a\\n"], "torn {\"a\\n", false);
        check(&[b""], "", false);
        check(&["caf\u{e9} \u{1f4de}".as_bytes()], "caf\u{e9} \u{1f4de}", false);
        for cut in 0..=9 {
            let (one, other) = "caf\u{e9}\u{1f4de}".as_bytes().split_at(cut);
            check(&[one, other], "caf\u{e9}\u{1f4de}", false);
        }
        check(&[b"a\xff\\b"], "a\\xff\\\\b", true);
        check(&[b"a\\b", b"\xe2\x82"], "a\\\\b\\xe2\\x82", true);
        check(&[b"\xe2", b"\x28\x80"], "\\xe2(\\x80", true);
        let long = vec![b'x'; 200_000];
        check(&[&long, b"\xc3", b"\xa9"], &format!("{}\u{e9}", "x".repeat(200_000)), false);
    }

    #[test]
    fn nothing_in_a_record_acts_on_a_terminal() {
        let all = written(&[b"\x1b[2J\x00\r", "\u{202e}\u{9b}".as_bytes()]);
        assert!(!all.chars().any(|character| character != '\n' && (character.is_control() || character == '\u{202e}')));
        assert_eq!(all.lines().count(), 2);
    }

    #[test]
    fn such_a_file_is_told_to_be_no_evidence() {
        let all = written(&[b"{\"time\":\"2026-01-02T03:04:05Z\",\"uri\":\"/\",\"status\":200"]);
        assert!(all.starts_with("{\"schema\":\"sipconsent.rejects/1\",\"generator\":{"), "{all}");
        assert!(own::is_own(all.as_bytes()));
    }
}
