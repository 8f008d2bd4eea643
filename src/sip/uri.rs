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
use crate::scan::{find, find_either};

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
    let last = memrchr(b'@', behind_first.get(..authority_end).unwrap_or_default());
    let at = last.map_or(first, |last| first + 1 + last);
    (rest.get(..at).unwrap_or_default(), rest.get(at + 1..).unwrap_or_default())
}

/// The host at the start of `host[:port]` and what may follow.
pub(super) fn host_of_authority(authority: &[u8]) -> &[u8] {
    let authority = authority.trim_ascii_start();
    let host = match authority.split_first() {
        Some((b'[', inner)) => inner.split(|byte| *byte == b']').next(),
        _ => authority.split(|byte| matches!(byte, b':' | b';' | b'?' | b'>' | b' ' | b'\t')).next(),
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
    /// UTF-8, and what it leaves unread behind the host it drops. There [`host`] and [`user`] stand in.
    #[must_use]
    pub fn of(uri: &[u8]) -> Self {
        Self::by_grammar(uri).unwrap_or_else(|| Self {
            user: user(uri).map(Box::from),
            host: host(uri).map(Box::from),
        })
    }

    fn by_grammar(uri: &[u8]) -> Option<Self> {
        let parsed = rsip::Uri::try_from(str::from_utf8(uri).ok()?).ok()?;
        if !matches!(parsed.scheme, Some(rsip::Scheme::Sip | rsip::Scheme::Sips)) || parsed.to_string().len() != uri.len() {
            return None;
        }
        let host = parsed.host().to_string();
        let user = parsed.user().filter(|user| !user.contains(';')).map(|user| Box::from(user.as_bytes()));
        let user = user.or_else(|| self::user(uri).map(Box::from));
        Some(Self { user, host: Some(Box::from(host.as_bytes())) })
    }
}
