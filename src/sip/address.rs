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
use crate::scan::{find, find_either};

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
    pub fn read(value: &'a [u8]) -> Self {
        let value = value.trim_ascii();
        let Some(open) = open_bracket(value) else {
            let end = find(value, b';').unwrap_or(value.len());
            let (uri, parameters) = value.split_at_checked(end).unwrap_or_default();
            return Self { uri: uri.trim_ascii_end(), parameters };
        };
        let inner = value.get(open + 1..).unwrap_or_default();
        let close = find(inner, b'>').unwrap_or(inner.len());
        let uri = inner.get(..close).unwrap_or_default().trim_ascii();
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
pub fn parameter<'a>(text: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
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
            None => rest.get(..find(rest, b';').unwrap_or(rest.len()))?.trim_ascii_end(),
        };
        if found {
            return Some(value);
        }
        rest = rest.get(quoted.unwrap_or(value.len())..)?;
    }
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
            let value = self.rest.get(..end).unwrap_or_default().trim_ascii();
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
        let value = value.get(..find(value, b',').unwrap_or(value.len())).unwrap_or_default();
        let end = find(value, b';').unwrap_or(value.len());
        let (before, parameters) = value.split_at_checked(end).unwrap_or_default();
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
    let behind_name = text.get(find(text, b'/')? + 1..)?;
    let transport = behind_name.get(find(behind_name, b'/')? + 1..)?.trim_ascii();
    let end = find_either(transport, b' ', b'\t')?;
    Some(transport.get(end..)?.trim_ascii())
}

/// The number and the method token of a CSeq value (RFC 3261 §20.16); `None` when the number does not fit 32 bits or
/// either is missing.
#[must_use]
pub fn cseq(value: &[u8]) -> Option<(u32, &[u8])> {
    let value = value.trim_ascii();
    let digits = value.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (number, behind) = value.split_at_checked(digits)?;
    let method = behind.trim_ascii_start();
    if number.is_empty() || method.is_empty() || method.len() == behind.len() || method.iter().any(u8::is_ascii_whitespace) {
        return None;
    }
    let number = number.iter().try_fold(0_u32, |number, digit| {
        number.checked_mul(10)?.checked_add(u32::from(digit - b'0'))
    })?;
    Some((number, method))
}
