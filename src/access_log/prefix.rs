//! What log shippers write before a record: syslog headers and the marks of container runtimes.
//!
//! RFC 5424 and RFC 3164, each with or without `<PRI>` and an octet count (RFC 6587), rsyslog's and journalctl's forms
//! with an RFC 3339 time, the container runtime interface (`… stdout F …`), `docker compose` (`name | …`) and
//! `kubectl logs --prefix`. Called by [`super::batch`] for a line that is no record itself, and by [`super::combined`]
//! for what stands before an address.

use memchr::memchr;

/// A line without its prefix.
pub(super) struct Stripped<'a> {
    /// What stands behind the prefix.
    pub(super) record: &'a [u8],
    /// The prefix's time, where it has a whole one.
    pub(super) time: Option<&'a [u8]>,
    /// Whether the prefix can be nothing else: then the line is whole, whatever the record is.
    pub(super) is_certain: bool,
}

/// Takes the prefix off `line`; `None` where it has none.
pub(super) fn strip(line: &[u8]) -> Option<Stripped<'_>> {
    let certain = |record, time| Some(Stripped { record, time, is_certain: true });
    let line = octets(line);
    let (line, priority) = match priority(line) {
        Some(behind) => (behind, true),
        None => (line, false),
    };
    if let Some(behind) = line.strip_prefix(b"1 ")
        && let Some((record, time)) = rfc5424(behind)
    {
        return certain(record, time);
    }
    if let Some((time, behind)) = iso_time(line) {
        let behind = behind.trim_ascii_start();
        return match runtime(behind) {
            Some(record) => certain(record, Some(time)),
            None => Some(Stripped { record: tagged(behind), time: Some(time), is_certain: priority }),
        };
    }
    if let Some(behind) = rfc3164(line) {
        return certain(tagged(behind.trim_ascii_start()), None);
    }
    if let Some(behind) = line.strip_prefix(b"[pod/").and_then(|rest| behind(rest, b"] ")) {
        return certain(behind, None);
    }
    // `caddy-1  | {…`
    let name = line.iter().take_while(|byte| is_name(**byte)).count();
    let rest = line.get(name..).unwrap_or_default();
    let bar = rest.trim_ascii_start();
    if let Some(behind) = bar.strip_prefix(b"| ").filter(|_| (1..=128).contains(&name) && bar.len() < rest.len()) {
        return certain(behind.trim_ascii_start(), None);
    }
    if priority { certain(tagged(line.trim_ascii_start()), None) } else { None }
}

/// Without the count of RFC 6587 before `<`.
fn octets(line: &[u8]) -> &[u8] {
    let digits = line.iter().take_while(|byte| byte.is_ascii_digit()).count();
    match line.get(digits..) {
        Some([b' ', rest @ ..]) if (1..=8).contains(&digits) && rest.first() == Some(&b'<') => rest,
        _ => line,
    }
}

/// What stands behind `<PRI>`.
fn priority(line: &[u8]) -> Option<&[u8]> {
    let rest = line.strip_prefix(b"<")?;
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    (1..=3).contains(&digits).then(|| rest.get(digits..)?.strip_prefix(b">"))?
}

/// `TIMESTAMP HOSTNAME APP-NAME PROCID MSGID STRUCTURED-DATA MSG` (RFC 5424 §6).
fn rfc5424(line: &[u8]) -> Option<(&[u8], Option<&[u8]>)> {
    let (time, mut rest) = token(line)?;
    let time = iso_time(time).map(|(time, _)| time);
    if time.is_none() && !line.starts_with(b"- ") {
        return None;
    }
    for _ in 0..4 {
        (_, rest) = token(rest)?;
    }
    loop {
        match rest {
            [b'-', b' ', behind @ ..] => return Some((message(behind), time)),
            [b'[', ..] => {
                rest = element(rest)?;
                if let [b' ', behind @ ..] = rest {
                    return Some((message(behind), time));
                }
            }
            // Heroku's router writes no structured data.
            _ => return Some((message(rest), time)),
        }
    }
}

/// What stands behind one element of structured data, in which `]` may be escaped.
fn element(text: &[u8]) -> Option<&[u8]> {
    let mut at = 1;
    loop {
        match text.get(at)? {
            b'\\' => at += 2,
            b']' => return text.get(at + 1..),
            _ => at += 1,
        }
    }
}

/// A message without its byte order mark.
fn message(text: &[u8]) -> &[u8] {
    text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text).trim_ascii_start()
}

/// A time of RFC 3339, also with a blank for the `T`, at the front of `line`, and what follows it.
pub(super) fn iso_time(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let head = line.first_chunk::<19>()?;
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2, b'T' | b't' | b' ', h1, h2, b':', n1, n2, b':', s1, s2] = head
    else {
        return None;
    };
    if ![y1, y2, y3, y4, m1, m2, d1, d2, h1, h2, n1, n2, s1, s2].into_iter().all(u8::is_ascii_digit) {
        return None;
    }
    let more = line.get(19..)?.iter().take_while(|byte| !matches!(byte, b' ' | b'\t')).count();
    line.split_at_checked(19 + more.min(24))
}

/// What stands behind `Mmm dd hh:mm:ss` (RFC 3164 §4.1.2), which has no year and so is no time.
fn rfc3164(line: &[u8]) -> Option<&[u8]> {
    let head = line.first_chunk::<16>()?;
    let [month @ .., b' ', d1, d2, b' ', h1, h2, b':', n1, n2, b':', s1, s2, end] = head else { return None };
    let named = month.len() == 3 && month.iter().all(u8::is_ascii_alphabetic);
    let digits = [d2, h1, h2, n1, n2, s1, s2].into_iter().all(u8::is_ascii_digit) && matches!(d1, b' ' | b'0'..=b'3');
    if !named || !digits {
        return None;
    }
    match end {
        b' ' => line.get(16..),
        // A fraction of the second.
        b'.' => behind(line.get(16..)?, b" "),
        _ => None,
    }
}

/// What stands behind the stream and the mark of a container's line.
fn runtime(text: &[u8]) -> Option<&[u8]> {
    let rest = text.strip_prefix(b"stdout ").or_else(|| text.strip_prefix(b"stderr "))?;
    rest.strip_prefix(b"F ").or_else(|| rest.strip_prefix(b"P "))
}

/// What stands behind `host tag[pid]:`, of which each may be missing.
fn tagged(text: &[u8]) -> &[u8] {
    let behind_tag = |text: &[u8]| -> Option<usize> {
        let (tag, rest) = token(text)?;
        let is_tag = tag.len() > 1 && tag.ends_with(b":") && !tag.iter().any(|byte| matches!(byte, b'"' | b'{'));
        is_tag.then(|| text.len() - rest.trim_ascii_start().len())
    };
    let after = |at: usize| text.get(at..).unwrap_or_default();
    let message = if matches!(text, [b'{' | b'[' | b'"', ..]) {
        text
    } else if let Some(at) = behind_tag(text) {
        after(at)
    } else if let Some((_, rest)) = token(text) {
        let rest = rest.trim_ascii_start();
        behind_tag(rest).and_then(|at| rest.get(at..)).unwrap_or(rest)
    } else {
        text
    };
    message.strip_prefix(b"@cee:").unwrap_or(message).trim_ascii_start()
}

fn token(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let (token, rest) = text.split_at_checked(memchr(b' ', text)?)?;
    Some((token, rest.get(1..)?))
}

fn behind<'t>(text: &'t [u8], mark: &[u8]) -> Option<&'t [u8]> {
    text.get(memchr::memmem::find(text, mark)? + mark.len()..)
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, expected: Option<(&str, Option<&str>)>) {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let found = strip(line.as_bytes()).map(|found| (text(found.record), found.time.map(text)));
        let expected = expected.map(|(record, time)| (record.to_owned(), time.map(str::to_owned)));
        assert_eq!(found, expected, "{line}");
    }

    #[test]
    fn syslog_headers_are_taken_off() {
        for prefix in [
            "<134>Nov 22 17:29:05 lb1 haproxy[77]: ",
            "Nov 22 17:29:05 lb1 haproxy[77]: ",
            "<134>Nov  2 17:29:05 haproxy: ",
            "Nov  2 17:29:05.123 lb1 nginx: ",
            "Nov  2 17:29:05 lb1 ",
            "<14>nginx: ",
            "Nov 22 17:29:05 lb1 app[1]: @cee: ",
            "caddy-1  | ",
            "[pod/edge-7f/caddy] ",
        ] {
            check(&format!("{prefix}{{\"a\":1}}"), Some(("{\"a\":1}", None)));
        }
        let time = "2026-11-22T17:29:05.123+08:00";
        for prefix in ["<134>T lb1 nginx[1]: ", "T lb1 nginx: ", "T nginx: ", "T stdout F ", "T 192.0.2.7  ", "T "] {
            let prefix = prefix.replace('T', time);
            check(&format!("{prefix}{{\"a\":1}}"), Some(("{\"a\":1}", Some(time))));
        }
        for prefix in [
            "<134>1 T lb1 nginx 77 - - ",
            "1 T lb1 nginx 77 access - \u{feff}",
            "<134>1 T - - - - [a@1 b=\"\\]\"][c] ",
            "120 <134>1 T - - - - - ",
            "<158>1 T host heroku router - ",
        ] {
            let prefix = prefix.replace('T', time);
            check(&format!("{prefix}10.0.0.1 - - x"), Some(("10.0.0.1 - - x", Some(time))));
        }
        check("<134>1 - lb1 nginx - - - x", Some(("x", None)));
    }

    #[test]
    fn a_record_has_no_prefix() {
        for line in [
            "",
            "192.0.2.1 - - [10/Oct/2000:13:55:36 -0700] \"GET / HTTP/1.1\" 200 5",
            "time=1 | x",
            "a|b",
            "| x",
            "<abc> x",
            "Nov 22 17:29",
        ] {
            check(line, None);
        }
    }

    #[test]
    fn no_prefix_of_a_line_harms() {
        let line = "120 <134>1 2026-11-22T17:29:05.123+08:00 lb1 nginx 77 - [a b=\"\\]\"] Nov 22 17:29:05 a b[1]: x";
        for start in 0..line.len() {
            for end in start..=line.len() {
                let _ = strip(line.as_bytes().get(start..end).unwrap_or_default());
            }
        }
    }
}
