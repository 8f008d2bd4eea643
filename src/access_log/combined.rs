//! One line of the common or combined log format, also with the virtual host before it or more fields behind it.
//!
//! What makes a line one: `[` and a CLF date, `]`, a quoted request, and a status or `-` (Apache `mod_log_config`
//! `"%h %l %u %t \"%r\" %>s %b"`, nginx `combined`). What stands before the bracket are host, ident and user, with or
//! without a virtual host; users may hold blanks. Apache and nginx escape what would end the quoted request (`\"`,
//! `\x22`, `\n`); a quote that no status follows is taken as part of a request that was written without escapes.

use std::borrow::Cow;
use std::net::IpAddr;

use memchr::{memchr, memchr2, memchr3, memmem};

use super::balancer::{Token, Tokens};
use super::fields::{Role, Sign, Table};
use super::json::fold;
use super::prefix;
use super::scan::{either, find};
use super::target::halves;
use crate::facts::NameKind;

/// The parts of a line, as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Line<'a> {
    /// What stands before the time.
    front: &'a [u8],
    /// What stands in the brackets.
    pub(super) time: &'a [u8],
    /// What stands in the request's quotes.
    request: &'a [u8],
    /// Whether the request may hold escapes.
    escaped: bool,
    /// `None` for `-`.
    pub(super) status: Option<u16>,
    /// What follows the status.
    rest: &'a [u8],
}

/// What fields behind the referrer and the agent say.
#[derive(Clone, Debug, Default)]
pub(super) struct Behind<'a> {
    /// What says who answered.
    pub(super) signs: Vec<(Sign, &'a [u8])>,
    /// Identifiers.
    pub(super) names: Vec<(NameKind, &'a [u8])>,
    /// An OAuth client.
    pub(super) client: Option<&'a [u8]>,
    pub(super) correlation_id: Option<&'a [u8]>,
    pub(super) error_code: Option<&'a [u8]>,
    pub(super) request_id: Option<&'a [u8]>,
}

/// Takes a line apart; `None` where it is of no such format.
pub(super) fn parse(line: &[u8]) -> Option<Line<'_>> {
    let mut searched = 0;
    loop {
        searched += find(b'[', line.get(searched..)?)? + 1;
        let (front, time) = line.split_at_checked(searched - 1)?;
        let time = time.get(1..)?;
        // `10/Oct/2000:13`, so that brackets in a user's name are no matter.
        if !matches!(time.first_chunk::<12>(), Some([_, _, b'/', _, _, _, b'/', _, _, _, _, b':'])) {
            continue;
        }
        let close = match time.get(26) {
            Some(b']') => 26,
            _ => find(b']', time.get(..48.min(time.len()))?)?,
        };
        let (time, behind) = time.split_at_checked(close)?;
        let Some(quoted) = behind.strip_prefix(b"] \"") else { continue };
        return request(front, time, quoted);
    }
}

/// Takes a line apart that has no time, as some programs write behind the header of syslog.
pub(super) fn without_time(line: &[u8]) -> Option<Line<'_>> {
    let (front, quoted) = line.split_at_checked(find(b'"', line)?)?;
    let words = front.split(|byte| *byte == b' ').filter(|word| !word.is_empty()).count();
    let parsed = request(front, b"", quoted.get(1..)?)?;
    ((2..=4).contains(&words) && memmem::find(parsed.request, b" HTTP/").is_some()).then_some(parsed)
}

/// Bytes of the time between its brackets.
pub(super) const TIME: usize = 26;

/// What tells most lines to be about no recording, when their time is known to be one.
pub(super) struct Glance<'a> {
    pub(super) time: &'a [u8; TIME],
    /// What stands in the request's quotes, without an escape.
    pub(super) request: &'a [u8],
    /// How much of the text up to here is of its first line, if no line ends in the time.
    pub(super) length: usize,
}

/// Takes the line at the front of `text` apart where it is as plain as most are. Then, if there is no line end in its time
/// and that is one, [`parse`] finds the same there.
#[inline]
pub(super) fn glance(text: &[u8]) -> Option<Glance<'_>> {
    // A blank is skipped, an object and a comment are no such lines.
    if matches!(text.first()?, 0 | b' ' | b'\t' | b'{' | b'#') {
        return None;
    }
    let start = either(b'[', b'\n', text.get(..64)?)?;
    let (mark, behind) = text.get(start..)?.split_first()?;
    let (time, behind) = behind.split_first_chunk::<TIME>()?;
    let is_date = matches!(time, [_, _, b'/', _, _, _, b'/', _, _, _, _, b':', ..]);
    let quoted = behind.strip_prefix(b"] \"")?;
    if *mark != b'[' || !is_date {
        return None;
    }
    let (request, behind) = quoted.split_at_checked(memchr3(b'"', b'\\', b'\n', quoted)?)?;
    // A status follows, and more.
    let [b'"', b' ', b'0'..=b'9', b'0'..=b'9', b'0'..=b'9', b' ', ..] = behind else { return None };
    Some(Glance { time, request, length: start + 4 + TIME + request.len() + 6 })
}

fn request<'a>(front: &'a [u8], time: &'a [u8], quoted: &'a [u8]) -> Option<Line<'a>> {
    let (mut at, mut escaped) = (0, false);
    loop {
        at += memchr2(b'"', b'\\', quoted.get(at..)?)?;
        if quoted.get(at) == Some(&b'\\') {
            escaped = true;
            at += 2;
            continue;
        }
        let (request, behind) = quoted.split_at_checked(at)?;
        let status = match behind {
            [b'"', b' ', a @ b'0'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9', rest @ ..]
                if matches!(rest, [] | [b' ', ..]) =>
            {
                let digit = |byte: &u8| u16::from(byte - b'0');
                Some((Some(digit(a) * 100 + digit(b) * 10 + digit(c)), rest))
            }
            [b'"', b' ', b'-', rest @ ..] if matches!(rest, [] | [b' ', ..]) => Some((None, rest)),
            _ => None,
        };
        if let Some((status, rest)) = status {
            return Some(Line { front, time, request, escaped, status, rest });
        }
        at += 1;
    }
}

impl<'a> Line<'a> {
    /// Whether more than the bytes sent follows the status: the referrer and the agent, in quotes.
    pub(super) fn is_combined(&self) -> bool {
        memchr(b'"', self.rest).is_some()
    }

    /// Method and target of the request, unescaped; both empty where the request is missing.
    pub(super) fn request(&self) -> (Cow<'a, [u8]>, Cow<'a, [u8]>) {
        let (method, target) = request_line(self.request);
        match self.escaped {
            true => (unescape(method), unescape(target)),
            false => (method.into(), target.into()),
        }
    }

    /// What fields behind the referrer and the agent say.
    ///
    /// Such fields carry no names, so only those are read that can be nothing else: `name=value` with a known name,
    /// Traefik's four, ingress-nginx's, and nginx's request id, which is 32 hexadecimal digits.
    pub(super) fn behind(&self, table: &Table) -> Behind<'a> {
        let mut tokens = Tokens::new(self.rest);
        // The bytes sent, the referrer, the agent.
        let (_bytes, referrer, agent) = (tokens.next(), tokens.next(), tokens.next());
        let is_combined = [referrer, agent].iter().all(|token| token.is_some_and(|token| token.quoted));
        // Without the two, fields of the site's own stand in their place.
        let own = [referrer, agent].into_iter().flatten().filter(|token| !is_combined && !token.quoted);
        let rest: Vec<Token<'a>> = own.chain(tokens.take(32)).collect();
        let mut behind = Behind::default();
        for token in &rest {
            if let Some((name, value)) = halves(token.text, b'=') {
                let name: Vec<u8> = fold(name).collect();
                let value = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")).unwrap_or(value);
                let said = said(value);
                match table.entry(&name) {
                    Some((Role::Sign(sign), _)) => behind.signs.push((sign, value)),
                    Some((Role::Name(kind), _)) => behind.names.extend(said.map(|value| (kind, value))),
                    Some((Role::Client, _)) => behind.client = behind.client.or(said),
                    Some((Role::CorrelationId, _)) => behind.correlation_id = behind.correlation_id.or(said),
                    Some((Role::ErrorCode, _)) => behind.error_code = behind.error_code.or(said),
                    Some((Role::RequestId, _)) => behind.request_id = behind.request_id.or(said),
                    _ => {}
                }
            } else if is_combined && token.text.len() == 32 && token.text.iter().all(u8::is_ascii_hexdigit) {
                behind.request_id = behind.request_id.or(Some(token.text));
            }
        }
        if !is_combined {
            return behind;
        }
        match rest.as_slice() {
            [_number, router, server, time, ..]
                if router.quoted && server.quoted && time.text.ends_with(b"ms") && !time.quoted =>
            {
                behind.signs.extend([(Sign::Flags, &b"-"[..]), (Sign::Host, server.text)]);
            }
            [_length, _time, name, other, _address, _bytes, _seconds, status, ..]
                if name.bracketed && other.bracketed && !status.quoted =>
            {
                behind.signs.push((Sign::Status, status.text));
            }
            _ => {}
        }
        behind
    }

    /// Who asked: the host and the user.
    pub(super) fn asker(&self) -> [Option<&'a [u8]>; 2] {
        // What a log shipper wrote before the record.
        let front = prefix::strip(self.front).map_or(self.front, |stripped| stripped.record);
        let (first, behind) = word(front.trim_ascii());
        let (second, after) = word(behind);
        // A virtual host stands before the address, and what a proxy was told of the client before that of the proxy.
        let (host, behind) = match (is_address(first), is_address(second)) {
            (true, true) => (first, after),
            (false, true) => (second, after),
            (_, false) => (first, behind),
        };
        let (_ident, user) = token(behind);
        let user = user.trim_ascii();
        [said(host), said(user).filter(|user| user.iter().any(|byte| !matches!(byte, b'-' | b' ')))]
    }
}

/// What stands before the first blank, or between quotes, and behind it. Of a list, which a comma before the blank
/// continues, the first address: the client's own, before those of the proxies.
fn word(text: &[u8]) -> (&[u8], &[u8]) {
    let (list, behind) = match text.strip_prefix(b"\"") {
        Some(quoted) => match memchr(b'"', quoted) {
            Some(end) => {
                (quoted.get(..end).unwrap_or_default(), quoted.get(end + 1..).unwrap_or_default().trim_ascii_start())
            }
            // The quote of a line that was quoted as a whole.
            None => return word(quoted),
        },
        None => {
            let mut end = 0;
            loop {
                let rest = text.get(end..).unwrap_or_default();
                end += find(b' ', rest).unwrap_or(rest.len());
                if end == text.len() || end == 0 || text.get(end - 1) != Some(&b',') {
                    break (text.get(..end).unwrap_or_default(), text.get(end + 1..).unwrap_or_default());
                }
                end += 1;
            }
        }
    };
    let mut parts = list.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    let first = parts.clone().next().unwrap_or_default();
    (parts.find(|part| is_address(part)).unwrap_or(first), behind)
}

fn said(name: &[u8]) -> Option<&[u8]> {
    (!matches!(name, b"" | b"-" | b"\"\"")).then_some(name)
}

/// Method and target of a request line, or two empty ones for `-`. A line without `HTTP/…` is taken whole.
pub(super) fn request_line(line: &[u8]) -> (&[u8], &[u8]) {
    if line == b"-" {
        return (b"", b"");
    }
    let (method, target) = token(line);
    // `HTTP/1.1`, `HTTP/2`
    let version = [9, 7].into_iter().find_map(|length| {
        let (target, version) = target.split_at_checked(target.len().checked_sub(length)?)?;
        version.starts_with(b" HTTP/").then_some(target)
    });
    (method, version.unwrap_or(target))
}

/// Method and target of a field that holds a request line, or a target alone: then the method is empty. `None` for
/// other text.
pub(super) fn sent(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let is_target = |text: &[u8]| text.first() == Some(&b'/') || memchr::memmem::find(text, b"://").is_some();
    let (method, target) = request_line(line);
    let is_method = !method.is_empty() && method.iter().all(|byte| byte.is_ascii_uppercase() || *byte == b'-');
    if is_method && (is_target(target) || target.len() + method.len() + 1 < line.len()) {
        Some((method, target))
    } else {
        is_target(line).then_some((b"", line))
    }
}

/// What stands before the first blank and behind it.
fn token(text: &[u8]) -> (&[u8], &[u8]) {
    let Some(end) = find(b' ', text) else { return (text, b"") };
    (text.get(..end).unwrap_or_default(), text.get(end + 1..).unwrap_or_default())
}

fn is_address(token: &[u8]) -> bool {
    str::from_utf8(token).is_ok_and(|token| token.parse::<IpAddr>().is_ok())
}

/// What Apache and nginx escaped.
pub(super) fn unescape(text: &[u8]) -> Cow<'_, [u8]> {
    if memchr(b'\\', text).is_none() {
        return Cow::Borrowed(text);
    }
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [byte, after @ ..] = rest {
        rest = after;
        let [letter, behind @ ..] = after else {
            out.push(*byte);
            continue;
        };
        if *byte != b'\\' {
            out.push(*byte);
            continue;
        }
        rest = behind;
        match (letter, behind) {
            (b'x' | b'X', [high, low, after @ ..]) if digit(high).is_some() && digit(low).is_some() => {
                // Two hexadecimal digits.
                out.push((digit(high).unwrap_or(0) * 16 + digit(low).unwrap_or(0)) as u8);
                rest = after;
            }
            (b'b', _) => out.push(8),
            (b'n', _) => out.push(b'\n'),
            (b'r', _) => out.push(b'\r'),
            (b't', _) => out.push(b'\t'),
            (b'v', _) => out.push(11),
            (b'"' | b'\\', _) => out.push(*letter),
            _ => out.extend([b'\\', *letter]),
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, method: &str, target: &str, status: Option<u16>, client: Option<&str>) {
        let parsed = parse(line.as_bytes()).expect(line);
        let (seen_method, seen_target) = parsed.request();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert_eq!((text(&seen_method).as_str(), text(&seen_target).as_str()), (method, target), "{line}");
        assert_eq!(parsed.status, status, "{line}");
        let [host, user] = parsed.asker();
        assert_eq!(user.or(host).map(text).as_deref(), client, "{line}");
    }

    const TIME: &str = "[10/Oct/2000:13:55:36 -0700]";

    #[test]
    fn the_front_in_its_variants() {
        for (front, client) in [
            ("192.0.2.1 - - ", "192.0.2.1"),
            ("192.0.2.1 - frank ", "frank"),
            ("192.0.2.1 - frank of house ", "frank of house"),
            ("192.0.2.1 - ", "192.0.2.1"),
            ("host.example - - ", "host.example"),
            ("www.example.com 192.0.2.1 - - ", "192.0.2.1"),
            ("www.example.com:443 2001:db8::1 - u@d ", "u@d"),
            ("example.com 192.0.2.1 ", "192.0.2.1"),
            ("\"192.0.2.1 - - ", "192.0.2.1"),
            ("192.0.2.1 - [x] ", "[x]"),
            ("\"192.0.2.1, 10.0.0.5\" - - ", "192.0.2.1"),
            ("\"unknown, 192.0.2.1\" - frank ", "frank"),
            ("\"192.0.2.1\" - - ", "192.0.2.1"),
            ("\"192.0.2.1\" 10.0.0.5 - - ", "192.0.2.1"),
            ("\"-\" 10.0.0.5 - - ", "10.0.0.5"),
            ("192.0.2.1 10.0.0.5 - frank ", "frank"),
            ("192.0.2.1, 10.0.0.5 - - ", "192.0.2.1"),
            ("192.0.2.1,10.0.0.4, 10.0.0.5 - ann ", "ann"),
            ("www.example.com 192.0.2.1, 10.0.0.5 - - ", "192.0.2.1"),
        ] {
            check(&format!("{front}{TIME} \"GET / HTTP/1.1\" 200 1"), "GET", "/", Some(200), Some(client));
        }
        for front in ["- - - ", "\"-\" - - ", "\"\" - - ", "- ", "\"-\" - "] {
            check(&format!("{front}{TIME} \"GET / HTTP/1.1\" 200 1"), "GET", "/", Some(200), None);
        }
    }

    #[test]
    fn requests_in_their_variants() {
        for (request, method, target) in [
            ("GET /a?b=c HTTP/1.1", "GET", "/a?b=c"),
            ("GET /a b HTTP/2.0", "GET", "/a b"),
            ("GET /a", "GET", "/a"),
            ("GET http://h/a HTTP/1.1", "GET", "http://h/a"),
            ("-", "", ""),
            ("", "", ""),
            (r"GET /\x22a\xC3\xa9\\\q HTTP/1.1", "GET", "/\"aé\\\\q"),
            (r#"GET /\"a\" HTTP/1.1"#, "GET", "/\"a\""),
            ("GET /a\"b\"c HTTP/1.1", "GET", "/a\"b\"c"),
            (r"\x16\x03\x01", "\u{16}\u{3}\u{1}", ""),
        ] {
            let line = format!("192.0.2.1 - - {TIME} \"{request}\" 403 17 \"-\" \"agent\" \"more\" 0ms");
            check(&line, method, target, Some(403), Some("192.0.2.1"));
            assert!(parse(line.as_bytes()).expect("line").is_combined());
        }
    }

    #[test]
    fn a_missing_status_is_none_and_the_format_is_told() {
        check(&format!("h - - {TIME} \"GET / HTTP/1.1\" - -"), "GET", "/", None, Some("h"));
        let common = format!("h - - {TIME} \"GET / HTTP/1.1\" 200 5");
        assert!(!parse(common.as_bytes()).expect("line").is_combined());
        assert!(parse(common.strip_suffix(" 5").expect("bytes").as_bytes()).is_some());
    }

    #[test]
    fn fields_behind_the_agent_are_read_where_they_can_be_nothing_else() {
        let table = Table::new(&crate::settings::Settings::default(), "a.log");
        let behind = |text: &str| {
            let line = format!("192.0.2.1 - - {TIME} \"GET / HTTP/1.1\" 403 17 {text}");
            let behind = parse(line.as_bytes()).expect("line").behind(&table);
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            let signs: Vec<_> = behind.signs.iter().map(|(sign, value)| (*sign, text(value))).collect();
            (signs, behind.request_id.map(text))
        };
        let id = "5e6dd5e995b61e467dd5bbbe7b03d0e0";
        let status = |value: &str| vec![(Sign::Status, value.to_owned())];
        let host = |value: &str| vec![(Sign::Flags, "-".to_owned()), (Sign::Host, value.to_owned())];
        assert_eq!(behind(&format!("\"-\" \"a\" 0.002 {id}")), (vec![], Some(id.to_owned())));
        assert_eq!(
            behind("\"-\" \"a\" rt=0.1 upstream_status=\"-\" request_id=r-1"),
            (status("-"), Some("r-1".to_owned()))
        );
        let named = |text: &str| {
            let line = format!("192.0.2.1 - - [02/Mar/2026:10:00:00 +0000] \"GET /r HTTP/1.1\" 403 5 {text}");
            let behind = parse(line.as_bytes()).expect("line").behind(&table);
            let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
            let names: Vec<_> = behind.names.iter().map(|(kind, value)| (*kind, text(value))).collect();
            (names, behind.client.map(text), behind.correlation_id.map(text), behind.error_code.map(text))
        };
        let call = || vec![(NameKind::CallId, "a@b".to_owned())];
        assert_eq!(named("\"-\" \"a\" 0.1 call_id=\"a@b\""), (call(), None, None, None));
        assert_eq!(named("\"-\" \"a\" \"X-Call-ID=a@b\" client_id=crm"), (call(), Some("crm".to_owned()), None, None));
        assert_eq!(named("callId=a@b client_id=-"), (call(), None, None, None));
        assert_eq!(
            named("\"-\" \"a\" inin_correlation_id=k error_code=not.authorized"),
            (vec![], None, Some("k".to_owned()), Some("not.authorized".to_owned()))
        );
        assert_eq!(named("\"-\" \"a call_id=x\"").0, []);
        assert_eq!(behind("\"-\" \"a\" 240 \"r@docker\" \"-\" 0ms"), (host("-"), None));
        assert_eq!(behind("\"-\" \"a\" 240 \"r@docker\" \"http://h\" 1ms"), (host("http://h"), None));
        assert_eq!(
            behind(&format!("\"-\" \"a\" 120 0.003 [ns-svc-80] [] 10.0.0.1:80 30 0.003 403 {id}")),
            (status("403"), Some(id.to_owned()))
        );
        for nothing in
            ["", "\"-\"", "\"-\" \"a\"", "\"-\" \"a\" \"192.0.2.9\" 403 7", "\"-\" \"a", &format!("- - {id}")]
        {
            assert_eq!(behind(nothing), (vec![], None), "{nothing}");
        }
    }

    #[test]
    fn other_lines_are_none() {
        for line in [
            "",
            "2021/12/01 13:53:33 [error] 31#31: *46 request: \"GET /market/ HTTP/1.1\", host: \"localhost\"",
            "[2019-04-08T16:16:55.931Z] \"GET /service/1 HTTP/1.1\" 200 - 0 89 5 4",
            "127.0.0.1 - - \"GET /bad.foo HTTP/1.1\" 404 65508 4.386",
            "h - - [10/Oct/2000:13:55:36 -0700] \"GET / HTTP/1.1\"",
            "h - - [10/Oct/2000:13:55:36 -0700] \"GET / HTTP/1.1\" 2000",
            "h - - [10/Oct/2000:13:55:36 -0700] \"GET / HT",
            "h - - [10/Oct/2000:13:55:36 -0700] \"GET / HTTP/1.1\\",
            "10.0.0.1:80 [09/Dec/2013:12:59:46.633] lb default/i8 0/51536/1/48082/99627 200 83285 \"GET / HTTP/1.1\"",
        ] {
            assert_eq!(parse(line.as_bytes()), None, "{line}");
        }
    }
}
