//! Host, user and parameters of the URIs that SIP messages carry.
//!
//! Follows RFC 3261 §19.1 for `sip:` and `sips:`, RFC 3966 for `tel:`, RFC 4904 for parameters in the user part.
//! [`host`] and [`parameter`] borrow and serve every message; [`Party`] asks the grammar of `rsip` and serves reports.
//!
//! # Incomplete support
//!
//! Percent escapes stay as written. URIs of other schemes have no host and no user here.
//!
//! # Design
//!
//! Senders leave `@` unescaped on both sides of the true one. The user part ends at the last `@` that stands before the
//! first `;` or `?` behind the first `@`: so in `sip:a@b@proxy` the host is `proxy`, and in
//! `sip:user@host?Replaces=1@other` it is `host`.

use memchr::memrchr;

use super::address;
use crate::scan::{find, find_either, host_end};

/// The host of a SIP or SIPS URI, without port, an IPv6 address without its brackets; `None` for other schemes and where
/// there is none.
#[must_use]
pub fn host(uri: &[u8]) -> Option<&[u8]> {
    let (_, authority) = split(behind_scheme(uri)?);
    Some(host_of_authority(authority)).filter(|host| !host.is_empty())
}

/// The user part of a SIP or SIPS URI without password, or the number of a `tel:` URI, each without parameters where it
/// is a number; `None` where there is none.
#[must_use]
pub fn user(uri: &[u8]) -> Option<&[u8]> {
    let user = match behind_scheme(uri) {
        Some(rest) => {
            let user = split(rest).0;
            user.get(..find(user, b':').unwrap_or(user.len()))?
        }
        None => behind(uri, b"tel:")?,
    };
    let number = user.first().is_some_and(|first| first.is_ascii_digit() || *first == b'+');
    let end = if number { find(user, b';').unwrap_or(user.len()) } else { user.len() };
    user.get(..end).filter(|user| !user.is_empty())
}

/// The value of parameter `name`, compared without regard to case: in the user part first (RFC 4904 §5), then behind the
/// host, or behind the number of a `tel:` URI. Empty for a parameter without a value. URI headers are not asked.
#[must_use]
pub fn parameter<'a>(uri: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    // Most have none at all.
    find(uri, b';')?;
    let Some(rest) = behind_scheme(uri) else {
        return address::parameter(behind(uri, b"tel:")?, name);
    };
    let (user, authority) = split(rest);
    let authority = authority.get(..find(authority, b'?').unwrap_or(authority.len()))?;
    address::parameter(user, name).or_else(|| address::parameter(authority, name))
}

/// The user part, empty where there is none, and what stands behind its `@`.
fn split(rest: &[u8]) -> (&[u8], &[u8]) {
    let Some(first) = find(rest, b'@') else { return (b"", rest) };
    let behind_first = rest.get(first + 1..).unwrap_or_default();
    let authority_end = find_either(behind_first, b';', b'?').unwrap_or(behind_first.len());
    let authority = behind_first.get(..authority_end).unwrap_or_default();
    // Most have no other.
    let last = find(authority, b'@').and_then(|_| memrchr(b'@', authority));
    let at = last.map_or(first, |last| first + 1 + last);
    (rest.get(..at).unwrap_or_default(), rest.get(at + 1..).unwrap_or_default())
}

/// The host at the start of `host[:port]` and what may follow.
pub(super) fn host_of_authority(authority: &[u8]) -> &[u8] {
    let authority = authority.trim_ascii_start();
    let host = match authority.split_first() {
        Some((b'[', inner)) => inner.split(|byte| *byte == b']').next(),
        _ => authority.get(..host_end(authority).unwrap_or(authority.len())),
    };
    host.unwrap_or_default()
}

fn behind_scheme(uri: &[u8]) -> Option<&[u8]> {
    behind(uri, b"sip:").or_else(|| behind(uri, b"sips:"))
}

fn behind<'a>(uri: &'a [u8], scheme: &[u8]) -> Option<&'a [u8]> {
    let (start, rest) = uri.split_at_checked(scheme.len())?;
    start.eq_ignore_ascii_case(scheme).then_some(rest)
}

/// A party as a report shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Party {
    /// The user or the number, as written; `None` where the URI has none.
    pub user: Option<Box<[u8]>>,
    /// The host, an IPv6 address without brackets; `None` where the URI has none.
    pub host: Option<Box<[u8]>>,
}

impl Party {
    /// Reads the URI of From, To or Contact.
    ///
    /// `rsip`'s grammar has the word where it takes the whole URI; it refuses `tel:`, IPv6 hosts and bytes that are not
    /// UTF-8, drops what it leaves unread behind the host, and takes a second `@` into the host. There [`host`] and
    /// [`user`] stand in.
    #[must_use]
    pub fn of(uri: &[u8]) -> Self {
        Self::by_grammar(uri).unwrap_or_else(|| Self { user: user(uri).map(Box::from), host: host(uri).map(Box::from) })
    }

    fn by_grammar(uri: &[u8]) -> Option<Self> {
        if memchr::memchr_iter(b'@', uri).count() > 1 {
            return None;
        }
        let parsed = rsip::Uri::try_from(str::from_utf8(uri).ok()?).ok()?;
        if !matches!(parsed.scheme, Some(rsip::Scheme::Sip | rsip::Scheme::Sips))
            || parsed.to_string().len() != uri.len()
        {
            return None;
        }
        let host = parsed.host().to_string();
        let user = parsed.user().filter(|user| !user.contains(';')).map(|user| Box::from(user.as_bytes()));
        let user = user.or_else(|| self::user(uri).map(Box::from));
        Some(Self { user, host: Some(Box::from(host.as_bytes())) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: Option<&[u8]>) -> Option<&str> {
        bytes.map(|bytes| str::from_utf8(bytes).expect("text"))
    }

    fn check(uri: &str, expected_user: Option<&str>, expected_host: Option<&str>) {
        let uri = uri.as_bytes();
        assert_eq!(text(user(uri)), expected_user, "user of {}", uri.escape_ascii());
        assert_eq!(text(host(uri)), expected_host, "host of {}", uri.escape_ascii());
        let party = Party::of(uri);
        assert_eq!(text(party.user.as_deref()), expected_user, "party's user of {}", uri.escape_ascii());
        assert_eq!(text(party.host.as_deref()), expected_host, "party's host of {}", uri.escape_ascii());
    }

    #[test]
    fn user_and_host_whatever_the_grammar_takes() {
        check("sip:alice@example.com", Some("alice"), Some("example.com"));
        check("SIPS:alice@example.com:5061;transport=tcp?a=b", Some("alice"), Some("example.com"));
        check("sip:alice:secret@192.0.2.1", Some("alice"), Some("192.0.2.1"));
        check("sip:192.0.2.1:5060", None, Some("192.0.2.1"));
        check("sip:a@[2001:db8::1]:5060;lr", Some("a"), Some("2001:db8::1"));
        check("sip:[2001:db8::1]", None, Some("2001:db8::1"));
        check("tel:+6561234567;phone-context=example.com", Some("+6561234567"), None);
        check("sip:+6561234567;tgrp=x;trunk-context=byoc.example@host", Some("+6561234567"), Some("host"));
        check("sip:user;par=u%40example.net@example.com", Some("user;par=u%40example.net"), Some("example.com"));
        check("sip:a@b@proxy", Some("a@b"), Some("proxy"));
        check("sip:user@host?Replaces=1@other", Some("user"), Some("host"));
        check("urn:service:sos", None, None);
        check("soap.beep://192.0.2.103:3002", None, None);
        check("*", None, None);
        check("sip:", None, None);
        check("", None, None);
    }

    #[test]
    fn bytes_that_are_not_utf_8_are_a_party_too() {
        assert_eq!(Party::of(b"sip:J\xf8rg@example.com").user.as_deref(), Some(b"J\xf8rg".as_slice()));
    }

    #[test]
    fn parameters_are_found_in_the_user_part_and_behind_the_host() {
        let find = |uri: &'static str, name: &str| text(parameter(uri.as_bytes(), name.as_bytes()));
        assert_eq!(find("sip:+65;tgrp=x;trunk-context=byoc.example@host", "trunk-context"), Some("byoc.example"));
        assert_eq!(find("sip:+65@host;user=phone;Trunk-Context=byoc.example", "trunk-context"), Some("byoc.example"));
        assert_eq!(find("tel:+65;tgrp=x;trunk-context=byoc.example", "trunk-context"), Some("byoc.example"));
        assert_eq!(find("sip:+65@host;lr", "lr"), Some(""));
        assert_eq!(find("sip:+65@host?x=;trunk-context=no", "trunk-context"), None);
        assert_eq!(find("sip:host", "trunk-context"), None);
    }
}
