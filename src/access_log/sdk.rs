//! The text log of the platform's SDKs: blocks of `=== REQUEST ===` and `=== RESPONSE ===`.
//!
//! The line before a block holds the level and the local time, in the spelling of the language's own logger. Header
//! fields stand indented below `Headers:`, a body goes on to the next line that begins a part. The log's other form, a
//! JSON object a line, is read as JSON lines are.

use std::borrow::Cow;

use super::exchange::{Exchange, plain};
use super::line;

/// What begins the request of a block.
pub(super) const REQUEST: &[u8] = b"=== REQUEST ===";

/// What begins its answer.
const RESPONSE: &[u8] = b"=== RESPONSE ===";

/// The levels of the loggers.
const LEVELS: [&[u8]; 9] =
    [b"trace", b"debug", b"info", b"warning", b"warn", b"error", b"critical", b"fatal", b"severe"];

/// Bytes of the longest line before a block.
const HEAD_BYTES: usize = 512;

/// Whether `line` may stand before a block: it holds a level.
pub(super) fn is_head(line: &[u8]) -> bool {
    line.len() <= HEAD_BYTES && level(line).is_some()
}

/// Where a level stands in `line`, and its length.
fn level(line: &[u8]) -> Option<(usize, usize)> {
    let is_letter = |at: Option<usize>| at.and_then(|at| line.get(at)).is_some_and(u8::is_ascii_alphabetic);
    (0..line.len()).filter(|at| !is_letter(at.checked_sub(1))).find_map(|at| {
        let fits = |level: &&&[u8]| {
            let word = line.get(at..at + level.len());
            word.is_some_and(|word| word.eq_ignore_ascii_case(level)) && !is_letter(Some(at + level.len()))
        };
        LEVELS.iter().find(fits).map(|level| (at, level.len()))
    })
}

/// The time of the line before a block: what is left of it from the first digit on, without the level.
fn time(line: &[u8]) -> Option<&[u8]> {
    let (at, length) = level(line)?;
    let digit = |text: &[u8]| text.iter().position(u8::is_ascii_digit);
    let (before, behind) = (line.get(..at)?, line.get(at + length..)?);
    let text = match (digit(before), digit(behind)) {
        (Some(from), _) => before.get(from..),
        (None, Some(from)) => behind.get(from..),
        (None, None) => None,
    }?;
    let end = text.iter().rposition(|byte| byte.is_ascii_alphanumeric()).map_or(0, |last| last + 1);
    text.get(..end)
}

/// The exchange of one block.
pub(super) fn parse(block: &[u8]) -> Exchange<'_> {
    let mut exchange = Exchange::default();
    let mut rest = block;
    // 0 before the request, 1 in it, 2 in the answer.
    let mut part = 0;
    while !rest.is_empty() {
        let (line, behind) = line::split(rest);
        let trimmed = line.trim_ascii();
        rest = behind;
        if trimmed == REQUEST || trimmed == RESPONSE {
            part = if trimmed == REQUEST { 1 } else { 2 };
            continue;
        }
        if part == 0 {
            exchange.time = exchange.time.or(time(line).map(plain));
            continue;
        }
        let Some((name, value)) = super::target::halves(line, b':') else { continue };
        let value = value.trim_ascii();
        if line.first().is_some_and(|byte| matches!(byte, b'\t' | b' ')) {
            if let Some(headers) = exchange.headers.get_mut(part - 1) {
                headers.push((plain(name.trim_ascii()), plain(value)));
            }
            continue;
        }
        match (name, part) {
            (b"URL", 1) => exchange.url = exchange.url.or(Some(Cow::Borrowed(value))),
            (b"Method", 1) => exchange.method = exchange.method.or(Some(plain(value))),
            (b"Status", 2) => exchange.status = exchange.status.or(Some(plain(value))),
            (b"CorrelationId", 2) if !value.is_empty() => {
                if let Some(headers) = exchange.headers.get_mut(1) {
                    headers.push((plain(b"ININ-Correlation-Id"), plain(value)));
                }
            }
            (b"Body", _) => {
                let start = block.len() - behind.len() - line.len();
                let text = block.get(start..).unwrap_or_default();
                let end = if part == 1 { memchr::memmem::find(text, RESPONSE) } else { None };
                let (text, after) = text.split_at(end.unwrap_or(text.len()));
                let body = super::target::halves(text, b':').map_or(text, |(_, body)| body).trim_ascii();
                let slot = if part == 1 { &mut exchange.request_body } else { &mut exchange.response_body };
                *slot = Some(Cow::Borrowed(json_of(body)));
                rest = after;
            }
            _ => {}
        }
    }
    exchange
}

/// A body without what other loggers wrote behind it: of JSON, up to the last bracket.
fn json_of(body: &[u8]) -> &[u8] {
    let close = match body.first() {
        Some(b'{') => b'}',
        Some(b'[') => b']',
        _ => return body,
    };
    memchr::memrchr(close, body).and_then(|last| body.get(..=last)).unwrap_or(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_before_a_block_says_when() {
        for (line, expected) in [
            ("2026-11-22 10:00:00,123 ERROR ", Some("2026-11-22 10:00:00,123")),
            ("error: 2026-11-22T10:00:00.123Z", Some("2026-11-22T10:00:00.123Z")),
            ("[DEBUG] 11-22-2026, 10:00:00", Some("11-22-2026, 10:00:00")),
            ("TRACE", None),
            ("a line about terrors", None),
        ] {
            assert_eq!(time(line.as_bytes()), expected.map(str::as_bytes), "{line}");
        }
    }

    #[test]
    fn a_block_is_read_whole() {
        let block = b"2026-11-22 10:00:00,123 ERROR \r\n=== REQUEST ===\r\nURL: https://h/x?a=b:c\r\nMethod: GET\r\n\
            Headers: \r\n\tAuthorization: [REDACTED]\r\n\tX-Call-ID: a@b\r\nBody: {'a': 1}\r\n=== RESPONSE ===\r\n\
            Status: 403\r\nHeaders: \r\n\tServer: x\r\nCorrelationId: k-1\r\nBody: {\"code\":\r\n\"x\"}\r\nother text\r\n";
        let exchange = parse(block);
        assert_eq!(exchange.url.as_deref(), Some(&b"https://h/x?a=b:c"[..]));
        assert_eq!(exchange.method.map(|method| method.text), Some(&b"GET"[..]));
        assert_eq!(exchange.status.map(|status| status.text), Some(&b"403"[..]));
        assert_eq!(exchange.time.map(|time| time.text), Some(&b"2026-11-22 10:00:00,123"[..]));
        assert_eq!(exchange.headers.each_ref().map(Vec::len), [2, 2]);
        assert_eq!(exchange.answer_header(b"inin-correlation-id").map(|id| id.text), Some(&b"k-1"[..]));
        assert_eq!(exchange.request_body.as_deref(), Some(&b"{'a': 1}"[..]));
        assert_eq!(exchange.response_body.as_deref(), Some(&b"{\"code\":\r\n\"x\"}"[..]));
    }
}
