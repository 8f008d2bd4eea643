//! Lines of load balancers and proxies whose fields have fixed places: AWS ALB, classic ELB and S3, HAProxy, Envoy.
//!
//! Follows the vendors' own descriptions: "Access logs for your Application Load Balancer", "… Classic Load Balancer",
//! "Amazon S3 server access log format", HAProxy's "HTTP log format" (§8.2.3, also with captured header fields and with
//! more behind the request), Envoy's default format and Istio's longer one. Called by [`super::batch`], which has taken
//! off what a log shipper wrote before the line.
//!
//! Keeps: a line is of one of these forms only if all its fields up to the request, or the status, are; the forms
//! exclude each other.
//!
//! # Incomplete support
//!
//! HAProxy's captured header fields carry no names, so they name nothing. A request that HAProxy cut is none.

use super::fields::{Entry, Fields, Role, Sign, fixed, is_said, status};
use super::format::Format;
use super::json::{Kind, Scalar};
use super::prefix::iso_time;
use super::scan::find;

/// Fills `fields` from `line` and gives its format; `None` where it is of no such form.
pub(super) fn parse<'a>(line: &'a [u8], fields: &mut Fields<'a>) -> Option<Format> {
    fields.clear();
    let found = match line.first()? {
        b'[' => envoy(line, fields),
        b'0'..=b'9' if iso_time(line).is_some() => elb(line, fields),
        _ => None,
    };
    if found.is_some() {
        return found;
    }
    let (word, rest) = line.split_at_checked(find(b' ', line)?)?;
    let rest = rest.get(1..)?;
    match word {
        b"http" | b"https" | b"h2" | b"grpcs" | b"ws" | b"wss" => alb(rest, fields),
        // Emissary writes a word before Envoy's format.
        _ if rest.first() == Some(&b'[') && word.iter().all(u8::is_ascii_alphabetic) => envoy(rest, fields),
        _ if word.len() >= 32 && word.iter().all(u8::is_ascii_alphanumeric) => s3(rest, fields),
        _ => haproxy(line, fields),
    }
}

fn put<'a>(fields: &mut Fields<'a>, role: Role, text: &'a [u8]) {
    let kind = if memchr::memchr(b'\\', text).is_some() { Kind::Clf } else { Kind::Text };
    let entry: Entry = fixed(role);
    fields.offer(entry, Scalar { text, kind }, true);
}

/// `time elb client:port target:port request_time target_time response_time elb_status target_status received sent
/// "request" "user_agent" …`, behind the type.
fn alb<'a>(line: &'a [u8], fields: &mut Fields<'a>) -> Option<Format> {
    let mut tokens = Tokens { rest: line };
    let answered = balanced(&mut tokens, fields)?;
    // User agent, cipher, protocol, target group, trace; domain, certificate, rule, when the request came.
    let behind: Vec<&[u8]> = tokens.by_ref().take(9).map(|token| token.text).collect();
    if let Some(trace) = behind.get(4) {
        put(fields, Role::RequestId, trace);
    }
    let came = behind.get(8).copied().filter(|time| iso_time(time).is_some());
    put(fields, Role::Time, came.unwrap_or(answered));
    Some(Format::AwsAlb)
}

fn elb<'a>(line: &'a [u8], fields: &mut Fields<'a>) -> Option<Format> {
    let time = balanced(&mut Tokens { rest: line }, fields)?;
    put(fields, Role::Time, time);
    Some(Format::AwsElb)
}

/// What both kinds of load balancer write, up to the request; gives the time at the front.
fn balanced<'a>(tokens: &mut Tokens<'a>, fields: &mut Fields<'a>) -> Option<&'a [u8]> {
    let time = tokens.plain()?;
    iso_time(time)?;
    let (_name, client, _target) = (tokens.plain()?, tokens.word()?, tokens.word()?);
    for _ in 0..3 {
        if !is_seconds(tokens.plain()?) {
            return None;
        }
    }
    let (own, behind) = (tokens.plain()?, tokens.plain()?);
    for code in [own, behind] {
        // Nobody behind it was asked: `-`, or 0 in the classic form.
        if is_said(code) && status(code).is_none() && !matches!(code, b"0" | b"000") {
            return None;
        }
    }
    let (_received, _sent) = (tokens.plain()?, tokens.plain()?);
    let request = tokens.next().filter(|token| token.quoted)?;
    put(fields, Role::Address, host(client));
    put(fields, Role::Status, own);
    put(fields, Role::Sign(Sign::Status), behind);
    put(fields, Role::Request, request.text);
    Some(time)
}

/// A client without its port, which always stands behind it: so an address of IPv6 needs no brackets.
fn host(client: &[u8]) -> &[u8] {
    let Some((host, port)) = memchr::memrchr(b':', client).and_then(|at| client.split_at_checked(at)) else {
        return client;
    };
    if port.len() < 2 || !is_number(port.get(1..).unwrap_or_default()) {
        return client;
    }
    host.strip_prefix(b"[").and_then(|host| host.strip_suffix(b"]")).unwrap_or(host)
}

/// `bucket [time] address requester request_id operation key "request" status error_code …`, behind the owner.
fn s3<'a>(line: &'a [u8], fields: &mut Fields<'a>) -> Option<Format> {
    let mut tokens = Tokens { rest: line };
    let _bucket = tokens.plain()?;
    let time = tokens.next().filter(|token| token.bracketed)?.text;
    let (address, requester) = (tokens.plain()?, tokens.plain()?);
    let (id, _operation, _key) = (tokens.plain()?, tokens.plain()?, tokens.plain()?);
    let request = tokens.next()?;
    let (code, error) = (tokens.plain()?, tokens.plain()?);
    if is_said(code) && status(code).is_none() {
        return None;
    }
    put(fields, Role::Time, time);
    put(fields, Role::Address, address);
    put(fields, Role::User, requester);
    put(fields, Role::RequestId, id);
    put(fields, Role::Request, request.text);
    put(fields, Role::Status, code);
    put(fields, Role::ErrorCode, error);
    Some(Format::AwsS3)
}

/// `client:port [accept_date] frontend backend/server Tq/Tw/Tc/Tr/Tt status bytes cookie cookie state conns queues
/// {request headers} {response headers} "request"`.
fn haproxy<'a>(line: &'a [u8], fields: &mut Fields<'a>) -> Option<Format> {
    let (client, rest) = line.split_at_checked(find(b' ', line)?)?;
    let mut tokens = Tokens { rest };
    let time = tokens.next().filter(|token| token.bracketed)?.text;
    if !matches!(time.first_chunk::<12>(), Some([_, _, b'/', _, _, _, b'/', _, _, _, _, b':'])) {
        return None;
    }
    let (_frontend, backend) = (tokens.plain()?, tokens.plain()?);
    let server = backend.split_at_checked(find(b'/', backend)? + 1)?.1;
    // Some write a field of their own, such as the host, before the timers.
    let mut timers = tokens.plain()?;
    for _ in 0..2 {
        if is_timers(timers) {
            break;
        }
        timers = tokens.plain()?;
    }
    let (code, _bytes) = (tokens.plain()?, tokens.plain()?);
    if !is_timers(timers) || (status(code).is_none() && !matches!(code, b"-1" | b"0" | b"-")) {
        return None;
    }
    let (_cookie, _set_cookie, state) = (tokens.plain()?, tokens.plain()?, tokens.plain()?);
    let (_connections, queues) = (tokens.plain()?, tokens.plain()?);
    if state.len() != 4 && state.len() != 2 || find(b'/', queues).is_none() {
        return None;
    }
    let start = captures(tokens.rest)?;
    let quoted = start.strip_prefix(b"\"")?;
    let end = memchr::memrchr(b'"', quoted)?;
    let request = quoted.get(..end)?;
    // More may stand behind the request, quoted too.
    let request = memchr::memmem::find(request, b"\" ").and_then(|end| request.get(..end)).unwrap_or(request);
    put(fields, Role::Time, time);
    put(fields, Role::Address, host(client));
    put(fields, Role::Status, code);
    put(fields, Role::Sign(Sign::Termination), state);
    put(fields, Role::Sign(Sign::Server), server);
    put(fields, Role::Request, request);
    Some(Format::HaProxy)
}

/// What stands behind captured header fields: none, one or two groups in braces.
fn captures(mut text: &[u8]) -> Option<&[u8]> {
    loop {
        text = text.trim_ascii_start();
        if text.first() != Some(&b'{') {
            return Some(text);
        }
        let close = text.windows(2).position(|two| two == b"} ")?;
        text = text.get(close + 1..)?;
    }
}

/// `[time] "METHOD path PROTOCOL" status flags …received sent duration upstream "forwarded" "agent" "request id"
/// "authority" "host"`.
fn envoy<'a>(line: &'a [u8], fields: &mut Fields<'a>) -> Option<Format> {
    let mut tokens = Tokens { rest: line };
    let time = tokens.next().filter(|token| token.bracketed)?.text;
    iso_time(time)?;
    let request = tokens.next().filter(|token| token.quoted)?.text;
    let (code, flags) = (tokens.plain()?, tokens.plain()?);
    if status(code).is_none() && !matches!(code, b"0" | b"-") {
        return None;
    }
    let mut next = tokens.next();
    let mut details = None;
    // Istio: details, how the connection ended, and why the transport failed.
    if let Some(token) = next.filter(|token| !is_number(token.text)) {
        details = Some(token.text);
        while next.is_some_and(|token| !is_number(token.text) || token.quoted) {
            next = tokens.next();
        }
    }
    // Sent, duration, and the upstream's time; five in quotes; Istio's cluster and addresses.
    let rest: Vec<Token<'_>> = tokens.take(3 + 5 + 4).collect();
    let quoted = |place: usize| rest.get(3 + place).filter(|token| token.quoted).map(|token| token.text);
    put(fields, Role::Time, time);
    put(fields, Role::Request, request);
    put(fields, Role::Status, code);
    put(fields, Role::Sign(Sign::Flags), flags);
    if let Some(details) = details {
        put(fields, Role::Sign(Sign::Details), details);
    }
    // Who connected stands in where no proxy says for whom it did.
    let connected = rest.get(3 + 5 + 3).filter(|token| details.is_some() && !token.quoted).map(|token| token.text);
    let asked_for = quoted(0).filter(|address| is_said(address));
    if let Some(address) = asked_for.or(connected.filter(|address| is_said(address)).map(host)) {
        put(fields, Role::Address, address);
    }
    for (place, role) in [(2, Role::RequestId), (4, Role::Sign(Sign::Host))] {
        if let Some(text) = quoted(place) {
            put(fields, role, text);
        }
    }
    Some(Format::Envoy)
}

/// Seconds with a fraction, or `-1` where there was no such time.
fn is_seconds(text: &[u8]) -> bool {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    !text.is_empty() && digits.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.')
}

/// `0/0/1/0/2`: four or five, of which some may be -1 or begin with a plus.
fn is_timers(text: &[u8]) -> bool {
    let mut parts = text.split(|byte| *byte == b'/');
    (4..=7).contains(&parts.clone().count())
        && parts.all(|part| {
            let digits = part.strip_prefix(b"-").or_else(|| part.strip_prefix(b"+")).unwrap_or(part);
            !digits.is_empty() && digits.iter().all(u8::is_ascii_digit)
        })
}

fn is_number(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(u8::is_ascii_digit)
}

/// A field of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token<'a> {
    pub(super) text: &'a [u8],
    pub(super) quoted: bool,
    pub(super) bracketed: bool,
}

/// The fields of a line, parted by blanks; one may stand in quotes, where a backslash escapes, or in brackets.
pub(super) struct Tokens<'a> {
    rest: &'a [u8],
}

impl<'a> Tokens<'a> {
    pub(super) const fn new(rest: &'a [u8]) -> Self {
        Self { rest }
    }

    /// What stands before the next blank, whatever it begins with.
    fn word(&mut self) -> Option<&'a [u8]> {
        let line = self.rest.trim_ascii_start();
        let (word, rest) = line.split_at_checked(find(b' ', line).unwrap_or(line.len()))?;
        self.rest = rest;
        (!word.is_empty()).then_some(word)
    }

    /// The next field, which must be plain.
    fn plain(&mut self) -> Option<&'a [u8]> {
        self.next().filter(|token| !token.quoted && !token.bracketed).map(|token| token.text)
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        let line = self.rest.trim_ascii_start();
        let (text, rest, quoted, bracketed) = match line.first()? {
            b'"' => {
                let mut at = 1;
                loop {
                    at += memchr::memchr2(b'"', b'\\', line.get(at..)?)?;
                    if line.get(at) == Some(&b'"') {
                        break;
                    }
                    at += 2;
                }
                (line.get(1..at)?, line.get(at + 1..)?, true, false)
            }
            b'[' => {
                let close = find(b']', line)?;
                (line.get(1..close)?, line.get(close + 1..)?, false, true)
            }
            _ => {
                let (word, rest) = line.split_at_checked(find(b' ', line).unwrap_or(line.len()))?;
                (word, rest, false, false)
            }
        };
        self.rest = rest;
        Some(Token { text, quoted, bracketed })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, format: Format, status: Option<u16>, request: &str) {
        let mut fields = Fields::default();
        assert_eq!(parse(line.as_bytes(), &mut fields), Some(format), "{line}");
        assert_eq!(fields.status(), status, "{line}");
        let sent = fields.request().map(|line| String::from_utf8_lossy(&line.value()).into_owned());
        assert_eq!(sent.as_deref(), Some(request), "{line}");
    }

    #[test]
    fn load_balancers() {
        let target = "https://api.example:443/api/v2/conversations/c1/recordings?a=b";
        for kind in ["http", "https", "h2", "wss"] {
            let line = format!(
                "{kind} 2026-01-02T03:04:05.678901Z app/lb/50dc 192.0.2.1:2817 - -1 -1 -1 403 - 34 366 \"GET {target} \
                 HTTP/1.1\" \"a \\\"b\\\"\" - - arn:aws:x \"Root=1-58337262-36d228ad\" \"-\" \"-\" 0 \
                 2026-01-02T03:04:05.600000Z \"waf\" \"-\" \"-\" \"-\" \"-\" \"-\" \"-\""
            );
            check(&line, Format::AwsAlb, Some(403), &format!("GET {target} HTTP/1.1"));
        }
        check(
            "2026-01-02T03:04:05.678901Z lb 192.0.2.1:2817 10.0.0.1:80 0.000073 0.001048 0.000057 200 200 0 29 \"GET \
             http://www.example.com:80/ HTTP/1.1\" \"curl/7.38.0\" - -",
            Format::AwsElb,
            Some(200),
            "GET http://www.example.com:80/ HTTP/1.1",
        );
        check(
            "79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be bucket [06/Feb/2019:00:00:38 +0000] 192.0.2.3 \
             arn:aws:iam::1:user/ann 3E57427F3EXAMPLE REST.GET.OBJECT recordings/1 \"GET /bucket/recordings/1 HTTP/1.1\" 403 \
             AccessDenied 243 - 7 - \"-\" \"S3Console/0.4\" -",
            Format::AwsS3,
            Some(403),
            "GET /bucket/recordings/1 HTTP/1.1",
        );
    }

    #[test]
    fn haproxy_in_its_variants() {
        let time = "[06/Feb/2009:12:14:14.655]";
        for (before, behind) in [
            ("192.0.2.1:33317 T in~ api/srv1 10/0/30/69/109 403 2750 - - ---- 1/1/1/1/0 0/0 {1wt.eu|} {} ", ""),
            ("192.0.2.1:33317 T in~ api/srv1 10/0/30/69/109 403 2750 - - ---- 1/1/1/1/0 0/0 {a b} ", ""),
            ("192.0.2.1:33317 T in api/<NOSRV> -1/-1/-1/-1/0 403 +200 - - PR-- 1/1/1/1/3 0/0 ", ""),
            ("2001:db8::1:33317 T in api/srv1 0/0/0/1 403 200 - - ---- 1/1/1/1/3 0/0 ", " 0/0/0/0/0 TLSv1.3"),
            ("-:22222 T www~ my/n2 site.example 0/0/0/18/18 403 200 - - ---- 2/2/2/0/0 0/0 ", " \"more\" x"),
        ] {
            let line = format!("{}\"GET /a \\x{{}} HTTP/1.1\"{behind}", before.replace('T', time));
            check(&line, Format::HaProxy, Some(403), "GET /a \\x{} HTTP/1.1");
        }
        let line =
            "192.0.2.1:1 T in api/<NOSRV> -1/-1/-1/-1/0 -1 0 - - CR-- 1/1/1/1/3 0/0 \"<BADREQ>\"".replace('T', time);
        check(&line, Format::HaProxy, None, "<BADREQ>");
    }

    #[test]
    fn envoy_and_istio() {
        check(
            "[2026-01-02T03:04:05.678Z] \"GET /api/v2/x HTTP/2\" 403 UAEX 0 19 2 - \"192.0.2.1\" \"a\" \"r-1\" \"api.example\" \"-\"",
            Format::Envoy,
            Some(403),
            "GET /api/v2/x HTTP/2",
        );
        let istio = "ACCESS [2026-01-02T03:04:05.678Z] \"GET /x HTTP/1.1\" 403 - rbac_access_denied_matched_policy[none] - \"-\" \
                     0 19 0 - \"-\" \"a\" \"r-1\" \"b\" \"-\" inbound|80|| - 10.0.0.1:80 10.0.0.2:1 - default";
        check(istio, Format::Envoy, Some(403), "GET /x HTTP/1.1");
        let mut fields = Fields::default();
        parse(istio.as_bytes(), &mut fields);
        assert_eq!(fields.request_id().map(|id| id.text), Some(&b"r-1"[..]));
        check(
            "[2019-04-08T16:50:12.533Z] \"- - -\" 0 - 87 254 4 - \"-\" \"-\" \"-\" \"-\" \"172.27.0.2:80\"",
            Format::Envoy,
            None,
            "- - -",
        );
    }

    #[test]
    fn other_lines_and_torn_ones_are_none() {
        for line in [
            "",
            "http",
            "http 2026-01-02T03:04:05Z app/lb 192.0.2.1:2817 - -1 -1 -1 403 - 34 366 \"GET /",
            "http 2026-01-02T03:04:05Z app/lb 192.0.2.1:2817 - -1 -1 x 403 - 34 366 \"GET / HTTP/1.1\"",
            "2026-01-02T03:04:05Z lb 192.0.2.1:2817 10.0.0.1:80 0.1 0.1 0.1 4033 200 0 29 \"GET / HTTP/1.1\"",
            "192.0.2.1:1 [06/Feb/2009:12:14:14.655] in api/s 0/0/0/0/0 403 1 - - ---- 1/1/1/1/0 0/0 \"GET /a",
            "192.0.2.1:1 [06/Feb/2009:12:14:14.655] in api/s: SSL handshake failure",
            "[2026-01-02T03:04:05.678Z] \"GET /x HTTP/1.1\" 40",
            "[2026-01-02T03:04:05.678Z] info started",
            "192.0.2.1 - - [10/Oct/2000:13:55:36 -0700] \"GET / HTTP/1.1\" 200 5",
        ] {
            assert_eq!(parse(line.as_bytes(), &mut Fields::default()), None, "{line}");
        }
    }
}
