//! What stands in the values of From, To, Contact, Route, Via and CSeq.
//!
//! Follows RFC 3261 §20 and §25.1: name-addr and addr-spec with parameters behind them, comma-separated lists, the
//! sent-by of Via. Values come unfolded. Called by `facts`.
//!
//! Keeps: a value that breaks the grammar gives what can be read of it; linear time.
//!
//! # Incomplete support
//!
//! Escapes in quoted strings are stepped over, not taken out. Comments in parentheses are part of the value.

use memchr::memchr3;

use super::uri;
use crate::scan::{self, find, find_either};

/// A name-addr or addr-spec with its header parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address<'a> {
    /// The URI as written, without the angle brackets.
    pub uri: &'a [u8],
    parameters: &'a [u8],
}

impl<'a> Address<'a> {
    /// Reads one value.
    ///
    /// Without angle brackets what follows the first `;` are header parameters (RFC 3261 §20). A display name whose
    /// quote does not end, or a bracket that does not close, still gives the URI.
    #[must_use]
    #[inline]
    pub fn read(value: &'a [u8]) -> Self {
        let value = scan::trim(value);
        let Some(open) = open_bracket(value) else {
            let end = find(value, b';').unwrap_or(value.len());
            let (uri, parameters) = value.split_at_checked(end).unwrap_or_default();
            return Self { uri: uri.trim_ascii_end(), parameters };
        };
        let inner = value.get(open + 1..).unwrap_or_default();
        let close = find(inner, b'>').unwrap_or(inner.len());
        let uri = scan::trim(inner.get(..close).unwrap_or_default());
        Self { uri, parameters: inner.get(close + 1..).unwrap_or_default() }
    }

    /// The value of the header parameter `name`, its name compared without regard to case, without quotes; empty for a
    /// parameter without a value. The first of several counts.
    #[must_use]
    pub fn parameter(&self, name: &[u8]) -> Option<&'a [u8]> {
        parameter(self.parameters, name)
    }

    /// The tag (RFC 3261 §19.3); `None` where there is none or it is empty.
    #[must_use]
    pub fn tag(&self) -> Option<&'a [u8]> {
        self.parameter(b"tag").filter(|tag| !tag.is_empty())
    }
}

/// The place of the `<` that opens the URI: outside a quoted display name.
fn open_bracket(value: &[u8]) -> Option<usize> {
    // Most often there is no display name.
    if value.first() == Some(&b'<') {
        return Some(0);
    }
    let mut from = 0;
    loop {
        let at = from + find_either(value.get(from..)?, b'"', b'<')?;
        if value.get(at) == Some(&b'<') {
            return Some(at);
        }
        match behind_quote(value, at) {
            Some(behind) => from = behind,
            // The quote does not end: the bracket is the better guess than no URI at all.
            None => return find(value, b'<'),
        }
    }
}

/// The place behind the quoted string whose opening quote stands at `open`; `None` when it does not end.
fn behind_quote(text: &[u8], open: usize) -> Option<usize> {
    let mut from = open + 1;
    loop {
        let at = from + find_either(text.get(from..)?, b'"', b'\\')?;
        match text.get(at) {
            Some(b'"') => return Some(at + 1),
            _ => from = at + 2,
        }
    }
}

/// The value of parameter `name` in text such as `;a=1;b`; empty for a parameter without a value.
#[must_use]
#[inline(always)]
pub fn parameter<'a>(text: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    // Most often it is the first, in small letters, without a blank or a quote.
    if let [b';', rest @ ..] = text
        && let Some((found, [b'=', value @ ..])) = rest.split_at_checked(name.len())
        && found == name
        && !matches!(value, [b'"' | 0..=b' ', ..])
    {
        return Some(scan::trim(value.get(..find(value, b';').unwrap_or(value.len()))?));
    }
    any_parameter(text, name)
}

#[inline(never)]
fn any_parameter<'a>(text: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let mut rest = text;
    loop {
        rest = rest.get(find(rest, b';')? + 1..)?;
        let name_end = find_either(rest, b'=', b';').unwrap_or(rest.len());
        let found = rest.get(..name_end)?.trim_ascii().eq_ignore_ascii_case(name);
        let Some(b'=') = rest.get(name_end) else {
            if found {
                return Some(b"");
            }
            rest = rest.get(name_end..)?;
            continue;
        };
        rest = rest.get(name_end + 1..)?.trim_ascii_start();
        let quoted = if rest.first() == Some(&b'"') { behind_quote(rest, 0) } else { None };
        let value = match quoted {
            Some(behind) => rest.get(1..behind - 1)?,
            None => scan::trim(rest.get(..find(rest, b';').unwrap_or(rest.len()))?),
        };
        if found {
            return Some(value);
        }
        rest = rest.get(quoted.unwrap_or(value.len())..)?;
    }
}

/// Every value of parameter `name` in a list of values with parameters, such as `recording=granted;by=ivr, x`: what stands
/// before the first `;` is asked like what follows. Without quotes; empty for a parameter without a value.
#[must_use]
pub fn every_parameter<'a>(list: &'a [u8], name: &[u8]) -> Vec<&'a [u8]> {
    let mut found = Vec::new();
    for value in values(list) {
        let mut rest = Some(value);
        let mut ends = (true, true);
        while let Some(text) = rest {
            let end = end_of_parameter(text, &mut ends);
            let part = text.get(..end).unwrap_or_default();
            rest = text.get(end + 1..);
            let (own, value) = match find(part, b'=') {
                Some(at) => (part.get(..at).unwrap_or_default(), part.get(at + 1..).unwrap_or_default().trim_ascii()),
                None => (part, b"".as_slice()),
            };
            if own.trim_ascii().eq_ignore_ascii_case(name) {
                found.push(match value {
                    [b'"', inner @ .., b'"'] => inner,
                    _ => value,
                });
            }
        }
    }
    found
}

/// The place of the `;` that ends the first parameter of `text`: outside quotes and angle brackets. `ends` says whether
/// quotes and brackets that are opened are known to be closed again somewhere; what is not hides nothing.
fn end_of_parameter(text: &[u8], ends: &mut (bool, bool)) -> usize {
    let mut from = 0;
    while let Some(at) = text.get(from..).and_then(|rest| memchr3(b';', b'"', b'<', rest)) {
        let at = from + at;
        from = at + 1;
        match text.get(at) {
            Some(b'"') if ends.0 => match behind_quote(text, at) {
                Some(behind) => from = behind,
                None => ends.0 = false,
            },
            Some(b'<') if ends.1 => match text.get(at..).and_then(|rest| find(rest, b'>')) {
                Some(close) => from = at + close + 1,
                None => ends.1 = false,
            },
            Some(b';') => return at,
            _ => {}
        }
    }
    text.len()
}

/// Splits a comma-separated list (RFC 3261 §7.3.1); commas in quoted strings and angle brackets do not separate.
/// Empty values are passed over.
#[must_use]
pub fn values(list: &[u8]) -> Values<'_> {
    Values { rest: list, quotes_end: true, brackets_close: true }
}

/// The values of one comma-separated list.
#[derive(Clone, Debug)]
pub struct Values<'a> {
    rest: &'a [u8],
    /// Whether the last quote that was looked for ended. One that did not leaves none to look for.
    quotes_end: bool,
    brackets_close: bool,
}

impl<'a> Iterator for Values<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        while !self.rest.is_empty() {
            let end = self.end_of_value();
            let value = scan::trim(self.rest.get(..end).unwrap_or_default());
            self.rest = self.rest.get(end + 1..).unwrap_or_default();
            if !value.is_empty() {
                return Some(value);
            }
        }
        None
    }
}

impl Values<'_> {
    fn end_of_value(&mut self) -> usize {
        // Most lists have one value.
        let Some(comma) = find(self.rest, b',') else { return self.rest.len() };
        if find_either(self.rest.get(..comma).unwrap_or_default(), b'"', b'<').is_none() {
            return comma;
        }
        let mut from = 0;
        loop {
            let Some(at) = self.rest.get(from..).and_then(|rest| memchr3(b',', b'"', b'<', rest)) else {
                return self.rest.len();
            };
            let at = from + at;
            from = at + 1;
            match self.rest.get(at) {
                Some(b'"') if self.quotes_end => match behind_quote(self.rest, at) {
                    Some(behind) => from = behind,
                    None => self.quotes_end = false,
                },
                Some(b'<') if self.brackets_close => match self.rest.get(at..).and_then(|rest| find(rest, b'>')) {
                    Some(close) => from = at + close + 1,
                    None => self.brackets_close = false,
                },
                Some(b',') => return at,
                _ => {}
            }
        }
    }
}

/// One value of Via (RFC 3261 §20.42).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Via<'a> {
    /// The host of sent-by without port, an IPv6 address without its brackets; empty where unreadable.
    pub host: &'a [u8],
    parameters: &'a [u8],
}

impl<'a> Via<'a> {
    /// Reads the first value of a Via field: the top one when the row is the first.
    #[must_use]
    pub fn top(value: &'a [u8]) -> Self {
        let end = find_either(value, b';', b',').unwrap_or(value.len());
        let (before, behind) = value.split_at_checked(end).unwrap_or_default();
        let parameters = behind.get(..find(behind, b',').unwrap_or(behind.len())).unwrap_or_default();
        let host = sent_by(before).map(uri::host_of_authority).unwrap_or_default();
        Self { host, parameters }
    }

    /// The branch parameter; `None` where there is none or it is empty.
    #[must_use]
    pub fn branch(&self) -> Option<&'a [u8]> {
        parameter(self.parameters, b"branch").filter(|branch| !branch.is_empty())
    }
}

/// What stands behind `SIP/2.0/UDP`, blanks allowed around each part.
fn sent_by(text: &[u8]) -> Option<&[u8]> {
    if let Some(transport) = text.strip_prefix(b"SIP/2.0/")
        && let Some(end) = find(transport, b' ').filter(|end| *end > 0)
    {
        return transport.get(end..);
    }
    let behind_name = text.get(find(text, b'/')? + 1..)?;
    let transport = behind_name.get(find(behind_name, b'/')? + 1..)?.trim_ascii();
    let end = find_either(transport, b' ', b'\t')?;
    Some(transport.get(end..)?.trim_ascii())
}

/// The number and the method token of a CSeq value (RFC 3261 §20.16); `None` when the number does not fit 32 bits or
/// either is missing.
#[must_use]
#[inline]
pub fn cseq(value: &[u8]) -> Option<(u32, &[u8])> {
    plain_cseq(value).or_else(|| any_cseq(value))
}

/// At most nine digits, a blank, a method without controls: `None` for everything else.
#[inline]
fn plain_cseq(value: &[u8]) -> Option<(u32, &[u8])> {
    let (mut number, mut digits) = (0, 0);
    while let Some(digit @ b'0'..=b'9') = value.get(digits)
        && digits < 9
    {
        number = number * 10 + u32::from(digit - b'0');
        digits += 1;
    }
    let [b' ', method @ ..] = value.get(digits..)? else { return None };
    (digits > 0 && !method.is_empty() && method.iter().all(|byte| *byte > b' ')).then_some((number, method))
}

fn any_cseq(value: &[u8]) -> Option<(u32, &[u8])> {
    let value = value.trim_ascii();
    let digits = value.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (number, behind) = value.split_at_checked(digits)?;
    let method = behind.trim_ascii_start();
    if number.is_empty()
        || method.is_empty()
        || method.len() == behind.len()
        || method.iter().any(u8::is_ascii_whitespace)
    {
        return None;
    }
    let number =
        number.iter().try_fold(0_u32, |number, digit| number.checked_mul(10)?.checked_add(u32::from(digit - b'0')))?;
    Some((number, method))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(value: &str, uri: &str, tag: Option<&str>) {
        let address = Address::read(value.as_bytes());
        assert_eq!((address.uri, address.tag()), (uri.as_bytes(), tag.map(str::as_bytes)), "{value}");
    }

    #[test]
    fn parameters_are_found_anywhere_in_a_list() {
        let check = |list: &str, expected: &[&str]| {
            let found: Vec<_> = every_parameter(list.as_bytes(), b"recording")
                .into_iter()
                .map(|value| str::from_utf8(value).expect("text"))
                .collect();
            assert_eq!(found, expected, "{list}");
        };
        check("recording=granted;by=ivr", &["granted"]);
        check("v=1 ; Recording = granted ;by=ivr", &["granted"]);
        check("x;recording=a, y;recording=\"b;c\", recording", &["a", "b;c", ""]);
        check("<sip:a;recording=no>;by=\"recording=no;recording=no\"", &[]);
        check("<sip:a;recording=yes", &["yes"]);
        check("\"recording=no;recording=yes", &["yes"]);
        check("recordings=no", &[]);
        check("", &[]);
    }

    #[test]
    fn addresses_give_uri_and_tag() {
        check("<sip:a@b>;tag=1", "sip:a@b", Some("1"));
        check("Alice <sip:a@b;user=phone>;x=y;TAG = 1 ", "sip:a@b;user=phone", Some("1"));
        check("sip:a@b;tag=1", "sip:a@b", Some("1"));
        check("sip:a@b", "sip:a@b", None);
        check("<tel:+1;phone-context=x>;tag=t", "tel:+1;phone-context=x", Some("t"));
        check("<sip:[2001:db8::1]:5060>;tag=a", "sip:[2001:db8::1]:5060", Some("a"));
        check("<sip:a@b>;tag=", "sip:a@b", None);
        check("<sip:a@b>;xtag=1;tagx=2", "sip:a@b", None);
        check("caller<sip:caller@example.com>;tag=323", "sip:caller@example.com", Some("323"));
        check("*", "*", None);
        check("", "", None);
    }

    #[test]
    fn quoted_display_names_hide_what_they_hold() {
        check(r#""<sip:not@this>;tag=no" <sip:a@b>;tag=1"#, "sip:a@b", Some("1"));
        check(r#""J Rosenberg \\\""       <sip:a@b>;tag=1"#, "sip:a@b", Some("1"));
        check(r#"<sip:a@b>;x=";tag=no\";tag=no";tag=1"#, "sip:a@b", Some("1"));
        check(r#"sip:a@b;x="<sip:no>";tag=1"#, "sip:a@b", Some("1"));
    }

    #[test]
    fn broken_quotes_and_brackets_still_give_the_uri() {
        check(r#""Mr. J. User <sip:j.user@example.com>;tag=1"#, "sip:j.user@example.com", Some("1"));
        check("<sip:a@b", "sip:a@b", None);
        check("<sip:a@b;tag=1", "sip:a@b;tag=1", None);
    }

    fn split(list: &str) -> Vec<&str> {
        values(list.as_bytes()).map(|value| str::from_utf8(value).expect("text")).collect()
    }

    #[test]
    fn lists_split_at_commas_outside_quotes_and_brackets() {
        assert_eq!(split("a, b ,c"), ["a", "b", "c"]);
        assert_eq!(
            split(r#""x, y" <sip:a,b@c>, <sip:d>;e="f,g", h"#),
            [r#""x, y" <sip:a,b@c>"#, r#"<sip:d>;e="f,g""#, "h"]
        );
        assert_eq!(split(" , a,,"), ["a"]);
        assert_eq!(split(r#"a"b, <c, d"#), [r#"a"b"#, "<c", "d"]);
        assert!(split("").is_empty());
    }

    fn via(value: &str, host: &str, branch: Option<&str>) {
        let top = Via::top(value.as_bytes());
        assert_eq!((top.host, top.branch()), (host.as_bytes(), branch.map(str::as_bytes)), "{value}");
    }

    #[test]
    fn via_gives_host_and_branch() {
        via("SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1;rport", "192.0.2.1", Some("z9hG4bK1"));
        via("SIP/2.0/TLS [2001:db8::1]:5061;branch=x", "2001:db8::1", Some("x"));
        via(
            "SIP  / 2.0  / TCP     spindle.example.com   ; branch  =   z9 , SIP/2.0/UDP b;branch=y",
            "spindle.example.com",
            Some("z9"),
        );
        via("SIP/2.0/UDP host : 5060", "host", None);
        via("nonsense", "", None);
        via("SIP/2.0/UDP", "", None);
    }

    #[test]
    fn the_first_parameter_is_found_as_any_is() {
        let mut found = 0;
        for text in [";tag=a-1", ";tag=a;b=c", ";branch=z9hG4bK1 ;tag=2", ";Tag = \"a;tag=b\"", ";tag=\"a;b\"", "tag=1"]
        {
            for at in 0..=text.len() {
                for byte in 0..=u8::MAX {
                    for behind in [at, text.len().min(at + 1)] {
                        let mut text = text.as_bytes().to_vec();
                        text.splice(at..behind, [byte]);
                        for name in [b"tag".as_slice(), b"branch"] {
                            let read = parameter(&text, name);
                            assert_eq!(read, any_parameter(&text, name), "{}", text.escape_ascii());
                            found += usize::from(read.is_some());
                        }
                    }
                }
            }
        }
        assert!(found > 10_000, "{found}");
    }

    #[test]
    fn cseq_needs_a_number_and_a_method() {
        assert_eq!(cseq(b"1 INVITE"), Some((1, b"INVITE".as_slice())));
        assert_eq!(cseq(b" 0009   INVITE "), Some((9, b"INVITE".as_slice())));
        assert_eq!(cseq(b"4294967295 X"), Some((u32::MAX, b"X".as_slice())));
        for value in
            ["", "1", "INVITE", "1INVITE", "4294967296 INVITE", "-1 INVITE", "36893488147419103232 REGISTER", "1 A B"]
        {
            assert_eq!(cseq(value.as_bytes()), None, "{value}");
        }
        let mut plain = 0;
        for value in ["1 INVITE", "999999999 ACK", "4294967295 X", "4294967296 X", "0000000001 INVITE", "12 \tX Y"] {
            for at in 0..=value.len() {
                for byte in 0..=u8::MAX {
                    let mut value = value.as_bytes().to_vec();
                    value.splice(at..at, [byte]);
                    if let Some(read) = plain_cseq(&value) {
                        assert_eq!(any_cseq(&value), Some(read), "{}", value.escape_ascii());
                        plain += 1;
                    }
                }
            }
        }
        assert!(plain > 1_000, "{plain}");
    }
}
