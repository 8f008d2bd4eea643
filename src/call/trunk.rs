//! Which trunk a leg crossed, and in which direction.
//!
//! Contract §3: by address or by host name, the first configured trunk that fits; the hop that touches the platform
//! counts before others.

use std::net::IpAddr;

use super::recent::Recent;
use crate::facts::{Signalling, StartLine, Subject};
use crate::scan::find_either;
use crate::settings::{Settings, Trunk, TrunkKind, pattern};
use crate::sip::uri;

/// Which way a leg was set up, seen from the platform.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    /// Towards the platform.
    Inbound,
    /// From the platform.
    Outbound,
    /// Neither, or both, can be told.
    #[default]
    Unknown,
}

impl Direction {
    /// The word the report uses.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Inbound => "inbound",
            Self::Outbound => "outbound",
            Self::Unknown => "unknown",
        }
    }
}

/// The kind of a trunk by its index in the settings; of none it is unknown.
pub(super) fn kind(trunk: Option<usize>, settings: &Settings) -> TrunkKind {
    trunk.and_then(|trunk| settings.trunks.get(trunk)).map_or(TrunkKind::Unknown, |trunk| trunk.kind)
}

/// How a hop fits a trunk, in the order in which hops count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fit {
    /// By an address of the carrier's side, or by a host that its messages name.
    Other,
    /// Both its ends are platform addresses of the trunk.
    Within,
    /// One of its ends is.
    Border,
}

/// Whether any of these messages fits `trunk`. `names_host` tells whether a URI names one of its hosts.
pub(crate) fn fits<'m, 'a: 'm>(
    trunk: &Trunk,
    mut messages: impl Iterator<Item = &'m Signalling<'a>>,
    mut names_host: impl FnMut(&'a [u8]) -> bool,
) -> bool {
    messages.any(|message| {
        let ends = [message.hop.source.ip(), message.hop.destination.ip()];
        ends.iter().any(|end| platform_side(trunk, *end) || carrier_side(trunk, *end))
            || names(trunk, message, &mut names_host)
    })
}

/// How a hop, judged by these messages, fits `trunk`: the best that any of them shows.
pub(crate) fn fit<'m, 'a: 'm>(
    trunk: &Trunk,
    messages: impl Iterator<Item = &'m Signalling<'a>>,
    mut names_host: impl FnMut(&'a [u8]) -> bool,
) -> Option<Fit> {
    let shown = messages.filter_map(|message| {
        let ends = [message.hop.source.ip(), message.hop.destination.ip()];
        match ends.map(|end| platform_side(trunk, end)) {
            [true, true] => Some(Fit::Within),
            [true, false] | [false, true] => Some(Fit::Border),
            [false, false] => fits(trunk, std::iter::once(message), &mut names_host).then_some(Fit::Other),
        }
    });
    shown.max()
}

/// The direction of a leg whose initial INVITE is `invite`. Addresses are asked before hosts; where both directions
/// fit it is unknown. `names_host` tells whether a URI names one of the trunk's hosts.
pub(crate) fn direction<'a>(
    trunk: &Trunk,
    invite: &Signalling<'a>,
    mut names_host: impl FnMut(&'a [u8]) -> bool,
) -> Direction {
    let StartLine::Request { uri: request_uri, .. } = invite.start else { return Direction::Unknown };
    let (source, destination) = (invite.hop.source.ip(), invite.hop.destination.ip());
    let one_of = |inbound: bool, outbound: bool| match (inbound, outbound) {
        (true, false) => Some(Direction::Inbound),
        (false, true) => Some(Direction::Outbound),
        (true, true) => Some(Direction::Unknown),
        (false, false) => None,
    };
    one_of(
        carrier_side(trunk, source) || platform_side(trunk, destination),
        carrier_side(trunk, destination) || platform_side(trunk, source),
    )
    .or_else(|| one_of(names_host(request_uri), names_host(invite.contact_uri)))
    .unwrap_or_default()
}

/// Whether `message` was sent from the platform's side of a leg of this direction whose INVITE came from `caller`.
pub(crate) fn from_platform(
    trunk: Option<&Trunk>,
    direction: Direction,
    message: &Signalling<'_>,
    caller: Option<IpAddr>,
) -> bool {
    let source = message.hop.source.ip();
    if let Some(trunk) = trunk {
        if platform_side(trunk, source) {
            return true;
        }
        if carrier_side(trunk, source) {
            return false;
        }
    }
    match (direction, caller) {
        (Direction::Inbound, Some(caller)) => source != caller,
        (Direction::Outbound, Some(caller)) => source == caller,
        _ => false,
    }
}

fn carrier_side(trunk: &Trunk, address: IpAddr) -> bool {
    trunk.addresses.iter().any(|network| network.contains(address))
}

fn platform_side(trunk: &Trunk, address: IpAddr) -> bool {
    trunk.platform_addresses.iter().any(|network| network.contains(address))
}

/// Whether the Request-URI, To, Contact, top Via or Route name one of the trunk's hosts.
fn names<'a>(trunk: &Trunk, message: &Signalling<'a>, mut names_host: impl FnMut(&'a [u8]) -> bool) -> bool {
    if trunk.hosts.is_empty() {
        return false;
    }
    matches!(message.start, StartLine::Request { uri, .. } if names_host(uri))
        || names_host(message.to_uri)
        || names_host(message.contact_uri)
        || is_host(trunk, message.via_host)
        || message.rows().any(|row| row.subject == Subject::Route && names_host(row.value))
}

/// Whether a URI's host, or its `trunk-context` (RFC 4904), is one of the trunk's hosts.
pub(crate) fn uri_of_platform(trunk: &Trunk, text: &[u8]) -> bool {
    if trunk.hosts.is_empty() || text.is_empty() {
        return false;
    }
    uri::host(text).is_some_and(|host| is_host(trunk, host))
        || uri::parameter(text, b"trunk-context").is_some_and(|context| is_host(trunk, context))
}

/// What was found of the URIs that were asked for: those of one carrier's calls have all but the user in common.
#[derive(Default)]
pub(super) struct Hosts<'a> {
    /// For what stands behind the user a bit for each trunk that it names.
    known: Recent<'a, u64>,
    /// The last URI.
    last: (&'a [u8], u64),
}

impl<'a> Hosts<'a> {
    /// Whether a URI names one of the hosts of a trunk of the settings.
    pub(super) fn name(&mut self, uri: &'a [u8], trunk: usize, settings: &Settings) -> bool {
        if trunk >= u64::BITS as usize {
            return settings.trunks.get(trunk).is_some_and(|trunk| uri_of_platform(trunk, uri));
        }
        if !std::ptr::eq(self.last.0, uri) {
            let find = || {
                let trunks = settings.trunks.iter().zip(0..u64::BITS);
                let named = trunks.filter(|(trunk, _)| uri_of_platform(trunk, uri));
                named.fold(0, |named, (_, trunk)| named | (1 << trunk))
            };
            self.last = (uri, behind_user(uri).map_or_else(find, |behind| self.known.or_find(behind, find)));
        }
        (self.last.1 >> trunk) & 1 == 1
    }
}

/// What of a SIP URI tells its host and parameters: all from the `@` on, where the user part has no parameters.
fn behind_user(uri: &[u8]) -> Option<&[u8]> {
    let rest = uri.strip_prefix(b"sip:")?;
    let behind = rest.get(find_either(rest, b'@', b';')?..)?;
    behind.starts_with(b"@").then_some(behind)
}

fn is_host(trunk: &Trunk, host: &[u8]) -> bool {
    // A fully qualified name may end in a dot.
    let host = host.strip_suffix(b".").unwrap_or(host);
    !host.is_empty() && trunk.hosts.iter().any(|wanted| pattern::fits_host(wanted.as_bytes(), host))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_of_uris_is_what_they_say() {
        let parts = [
            "sip:",
            "sips:",
            "SIP:",
            "tel:",
            "a",
            "@",
            "@p.example",
            "@q.example:5060",
            ";",
            "?",
            ";trunk-context=p.example",
        ];
        let mut uris: Vec<String> = vec![String::new()];
        for _ in 0..4 {
            uris.extend(uris.clone().iter().flat_map(|uri| parts.map(|part| format!("{uri}{part}"))));
        }
        let trunk = |host: &str| Trunk { hosts: vec![host.to_owned()], ..Trunk::default() };
        let settings = Settings { trunks: vec![trunk("q.example"), trunk("p.example")], ..Settings::default() };
        let mut hosts = Hosts::default();
        let mut named = 0;
        for uri in &uris {
            for (place, trunk) in settings.trunks.iter().enumerate() {
                let names = uri_of_platform(trunk, uri.as_bytes());
                assert_eq!(hosts.name(uri.as_bytes(), place, &settings), names, "{uri}");
                named += usize::from(names);
            }
        }
        assert!(named > 1_000, "{named} of {}", uris.len());
    }
}
