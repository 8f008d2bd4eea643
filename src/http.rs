//! The API side's words (RFC 9110): methods, status codes, and request targets as they may be shown. Never mixed with SIP's, which look alike.

use std::borrow::Cow;

/// Whether a method (RFC 9110 §9) is GET, the only one that hands out a recording.
#[must_use]
pub fn is_get(method: &str) -> bool {
    method == "GET"
}

/// An HTTP status code (RFC 9110 §15), 100 to 599 in practice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StatusCode(pub u16);

impl StatusCode {
    /// 403: the request was understood and refused (RFC 9110 §15.5.4).
    #[must_use]
    pub const fn is_refused(self) -> bool {
        self.0 == 403
    }

    /// Any 2xx.
    #[must_use]
    pub const fn is_allowed(self) -> bool {
        self.0 >= 200 && self.0 < 300
    }
}

/// The path of a request target and its query, without scheme, host and fragment.
#[must_use]
pub fn path_and_query(target: &[u8]) -> (&[u8], &[u8]) {
    let target = memchr::memchr(b'#', target).map_or(target, |at| target.get(..at).unwrap_or_default());
    let (target, query) = match memchr::memchr(b'?', target) {
        Some(at) => (target.get(..at).unwrap_or_default(), target.get(at + 1..).unwrap_or_default()),
        None => (target, &b""[..]),
    };
    if target.first() == Some(&b'/') {
        return (target, query);
    }
    let path = match memchr::memmem::find(target, b"://") {
        Some(at) => {
            let authority = target.get(at + 3..).unwrap_or_default();
            memchr::memchr(b'/', authority).map_or(&b""[..], |slash| authority.get(slash..).unwrap_or_default())
        }
        None => target,
    };
    (path, query)
}

/// What stands for a secret that is not shown.
const HIDDEN: &[u8] = "…".as_bytes();

/// Names of parameters whose values are secret, in lower case without `-`, `_` and `.`.
const SECRET: [&[u8]; 18] = [
    b"auth",
    b"authorization",
    b"awsaccesskeyid",
    b"cookie",
    b"googleaccessid",
    b"hmac",
    b"jwt",
    b"keypairid",
    b"pass",
    b"passphrase",
    b"passwd",
    b"policy",
    b"pwd",
    b"session",
    b"sessionid",
    b"sig",
    b"ticket",
    b"accesskey",
];

/// How the names of other such parameters end.
const SECRET_ENDS: [&[u8]; 8] =
    [b"token", b"secret", b"password", b"signature", b"credential", b"credentials", b"apikey", b"accesskeyid"];

/// A request target without what gives access: the values of access tokens, signatures of signed URLs, passwords, user
/// information before a host, and JSON Web Tokens anywhere are written as `…`. The names stay.
///
/// # Incomplete support
///
/// A secret that stands in a path and does not look like a token is shown: nothing tells it from an identifier.
#[must_use]
pub fn without_secrets(target: &[u8]) -> Cow<'_, [u8]> {
    // Nothing is hidden in most targets, and they are not copied.
    if memchr::memchr2(b'=', b'@', target).is_none() && !holds_jwt(target) {
        return Cow::Borrowed(target);
    }
    let mut shown = Shown { target, length: 0, text: None };
    let start = memchr::memchr2(b'?', b'#', target).unwrap_or(target.len());
    let (path, parameters) = target.split_at(start);
    path_without_secrets(path, &mut shown);
    let mut rest = parameters;
    while let Some((mark, behind)) = rest.split_first() {
        shown.keep(std::slice::from_ref(mark));
        let end = behind.iter().position(|byte| matches!(byte, b'&' | b';' | b'?' | b'#')).unwrap_or(behind.len());
        let (parameter, after) = behind.split_at(end);
        rest = after;
        let (name, value) = match parameter.iter().position(|byte| *byte == b'=') {
            Some(at) => parameter.split_at(at + 1),
            None => parameter.split_at(0),
        };
        shown.keep(name);
        match !value.is_empty() && (is_secret_name(name) || holds_secret(value)) {
            true => shown.hide(value),
            false => shown.keep(value),
        }
    }
    shown.text.map_or(Cow::Borrowed(target), Cow::Owned)
}

/// A target as it is shown, piece by piece: its own bytes, as long as nothing is hidden.
struct Shown<'t> {
    target: &'t [u8],
    /// Bytes of the target that were taken.
    length: usize,
    /// What is shown of them, where it is something else.
    text: Option<Vec<u8>>,
}

impl Shown<'_> {
    fn keep(&mut self, piece: &[u8]) {
        if let Some(text) = &mut self.text {
            text.extend_from_slice(piece);
        }
        self.length += piece.len();
    }

    fn hide(&mut self, piece: &[u8]) {
        let taken = self.target.get(..self.length).unwrap_or_default();
        self.text.get_or_insert_with(|| taken.to_vec()).extend_from_slice(HIDDEN);
        self.length += piece.len();
    }
}

fn path_without_secrets(path: &[u8], shown: &mut Shown<'_>) {
    if memchr::memchr2(b'=', b'@', path).is_none() && !holds_jwt(path) {
        return shown.keep(path);
    }
    let mut authority = path.windows(3).position(|mark| mark == b"://").map(|at| at + 3);
    let mut at = 0;
    for segment in path.split_inclusive(|byte| *byte == b'/') {
        let text = segment.strip_suffix(b"/").unwrap_or(segment);
        let end = segment.get(text.len()..).unwrap_or_default();
        match text.iter().rposition(|byte| *byte == b'@') {
            Some(user) if authority == Some(at) => {
                let (hidden, host) = text.split_at(user);
                shown.hide(hidden);
                shown.keep(host);
                authority = None;
            }
            _ if holds_jwt(text) => shown.hide(text),
            // `;jsessionid=…` (RFC 3986 §3.3)
            _ => match text.iter().position(|byte| *byte == b'=') {
                Some(equals) if is_secret_name(text.get(..=equals).unwrap_or_default()) => {
                    let (name, value) = text.split_at(equals + 1);
                    shown.keep(name);
                    shown.hide(value);
                }
                _ => shown.keep(text),
            },
        }
        shown.keep(end);
        at += segment.len();
    }
}

fn is_secret_name(name: &[u8]) -> bool {
    // The last word of `a;jsessionid=`, `filter[token]=`.
    let name = percent_decode(name);
    let last = name.iter().rev().take_while(|byte| !matches!(byte, b'[' | b';' | b'/'));
    let mut letters = last.filter(|byte| !matches!(byte, b'-' | b'_' | b'.' | b']' | b'=' | b' '));
    // Its end is enough: room for the longest name and one letter more.
    let (mut folded, mut start) = ([0; 16], 16_usize);
    while let Some((place, letter)) = start.checked_sub(1).zip(letters.next()) {
        if let Some(room) = folded.get_mut(place) {
            *room = letter.to_ascii_lowercase();
        }
        start = place;
    }
    let folded = folded.get(start..).unwrap_or_default();
    SECRET.contains(&folded) || folded.ends_with(b"sessionid") || SECRET_ENDS.iter().any(|end| folded.ends_with(end))
}

/// Whether the value of a parameter holds a secret itself: a token, or an address that is signed.
fn holds_secret(value: &[u8]) -> bool {
    if holds_jwt(value) {
        return true;
    }
    let decoded = percent_decode(value);
    let is_bearer = decoded.get(..7).is_some_and(|head| head.eq_ignore_ascii_case(b"bearer "));
    let mut parameters = decoded.split(|byte| matches!(byte, b'?' | b'&' | b'#' | b';'));
    let named = |parameter: &[u8]| {
        parameter
            .iter()
            .position(|byte| *byte == b'=')
            .is_some_and(|at| at + 1 < parameter.len() && is_secret_name(parameter.get(..=at).unwrap_or_default()))
    };
    is_bearer || parameters.any(named)
}

/// Whether `text` holds a JSON Web Token (RFC 7519): an object in Base64, a point, and more.
fn holds_jwt(text: &[u8]) -> bool {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    // Of the three characters that an object in Base64 begins with, the last is the rarest.
    memchr::memchr_iter(b'J', text).any(|at| {
        let rest = at.checked_sub(2).and_then(|start| text.get(start..)).unwrap_or_default();
        rest.starts_with(b"eyJ") && {
            let length = rest.iter().take_while(|byte| is_part(byte)).count();
            length >= 10 && rest.get(length) == Some(&b'.') && rest.get(length + 1).is_some_and(is_part)
        }
    })
}

/// Percent-decodes `text` once (RFC 3986 §2.1); a `%` without two hexadecimal digits behind it stays.
#[must_use]
pub fn percent_decode(text: &[u8]) -> Cow<'_, [u8]> {
    if !text.contains(&b'%') {
        return Cow::Borrowed(text);
    }
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [byte, after @ ..] = rest {
        rest = after;
        out.push(match after {
            [high, low, behind @ ..] if *byte == b'%' => match (digit(*high), digit(*low)) {
                (Some(high), Some(low)) => {
                    rest = behind;
                    // Two hexadecimal digits.
                    (high * 16 + low) as u8
                }
                _ => b'%',
            },
            _ => *byte,
        });
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(target: &str, expected: &str) {
        assert_eq!(String::from_utf8_lossy(&without_secrets(target.as_bytes())), expected, "{target}");
    }

    #[test]
    fn secrets_of_a_target_are_hidden_and_their_names_stay() {
        for (target, expected) in [
            ("/recordings/1?access_token=abc&x=1", "/recordings/1?access_token=…&x=1"),
            ("/r?Access-Token=a%20b#id_token=c", "/r?Access-Token=…#id_token=…"),
            ("/r?x=1;apiKey=k", "/r?x=1;apiKey=…"),
            (
                "/m.wav?X-Amz-Credential=a%2Fb&X-Amz-Signature=ff&X-Amz-Security-Token=t&X-Amz-Expires=9",
                "/m.wav?X-Amz-Credential=…&X-Amz-Signature=…&X-Amz-Security-Token=…&X-Amz-Expires=9",
            ),
            ("/m?Policy=p&Signature=s&Key-Pair-Id=K", "/m?Policy=…&Signature=…&Key-Pair-Id=…"),
            ("/m?sv=1&sig=a%2Bb", "/m?sv=1&sig=…"),
            ("https://ann:pw@h/recordings/a@b", "https://…@h/recordings/a@b"),
            ("/r/eyJhbGciOiJ9.eyJzdWIi.c2ln/x", "/r/…/x"),
            ("/r?t=eyJhbGciOiJ9.eyJzdWIi.c2ln", "/r?t=…"),
            ("/r?url=https%3A%2F%2Fh%2Fm%3FSignature%3Dabc", "/r?url=…"),
            ("/r?h=Bearer%20abc", "/r?h=…"),
            ("/r?%61ccess_token=abc", "/r?%61ccess_token=…"),
            ("/r;jsessionid=abc/x", "/r;jsessionid=…/x"),
            ("/r?filter[token]=abc", "/r?filter[token]=…"),
        ] {
            check(target, expected);
        }
    }

    #[test]
    fn no_name_of_a_secret_is_longer_than_what_is_compared() {
        assert!(SECRET.iter().chain(&SECRET_ENDS).all(|name| name.len() < 16));
        assert!(is_secret_name(b"x-google-access-id-of-the-token") && !is_secret_name(b"xgoogleaccessid"));
    }

    #[test]
    fn what_is_no_secret_stays() {
        for target in [
            "/api/v2/conversations/c1/recordings/a%40b?formatId=WAV&callId=a@b;c=d",
            "/recordings?filter=callId:a@b&trunkId=1",
            "/recordings/a@b",
            "/r?access_token=",
            "/r?access_token",
            "/r?tokens=3&policyId=7&author=x",
            "/r?%",
            "",
        ] {
            check(target, target);
        }
    }
}
