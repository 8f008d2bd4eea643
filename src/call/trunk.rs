//! Which trunk a leg crossed, and in which direction.
//!
//! Contract §3: by address or by host name, the first configured trunk that fits; the hop that touches the platform
//! counts before others.

use std::net::IpAddr;

use crate::facts::{Signalling, StartLine, Subject};
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

/// How a hop fits a trunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fit<'a> {
    /// The hop touches one of the trunk's platform addresses.
    pub(crate) platform: bool,
    /// A Request-URI that was seen to name one of the trunk's hosts.
    pub(crate) of_platform: Option<&'a [u8]>,
}

/// Whether a hop, judged by these messages, belongs to `trunk`.
pub(crate) fn fit<'m, 'a: 'm>(trunk: &Trunk, messages: impl Iterator<Item = &'m Signalling<'a>>) -> Option<Fit<'a>> {
    let mut fit = None;
    for message in messages {
        let ends = [message.hop.source.ip(), message.hop.destination.ip()];
        if ends.iter().any(|end| platform_side(trunk, *end)) {
            return Some(Fit { platform: true, of_platform: None });
        }
        let of_platform = match message.start {
            _ if ends.iter().any(|end| carrier_side(trunk, *end)) => None,
            StartLine::Request { uri, .. } if uri_of_platform(trunk, uri) => Some(uri),
            _ if names_host(trunk, message) => None,
            _ => continue,
        };
        fit = Some(Fit { platform: false, of_platform });
    }
    fit
}

/// The direction of a leg whose initial INVITE is `invite`. Addresses are asked before hosts; where both directions
/// fit it is unknown. `of_platform` is a Request-URI that is known to name one of the trunk's hosts.
pub(crate) fn direction(trunk: &Trunk, invite: &Signalling<'_>, of_platform: Option<&[u8]>) -> Direction {
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
    .or_else(|| {
        let is_known = of_platform.is_some_and(|known| std::ptr::eq(known, request_uri));
        one_of(is_known || uri_of_platform(trunk, request_uri), uri_of_platform(trunk, invite.contact_uri))
    })
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

/// Whether To, Contact, top Via or Route name one of the trunk's hosts.
fn names_host(trunk: &Trunk, message: &Signalling<'_>) -> bool {
    if trunk.hosts.is_empty() {
        return false;
    }
    uri_of_platform(trunk, message.to_uri)
        || uri_of_platform(trunk, message.contact_uri)
        || is_host(trunk, message.via_host)
        || message.rows().any(|row| row.subject == Subject::Route && uri_of_platform(trunk, row.value))
}

/// Whether a URI's host, or its `trunk-context` (RFC 4904), is one of the trunk's hosts.
fn uri_of_platform(trunk: &Trunk, text: &[u8]) -> bool {
    if trunk.hosts.is_empty() || text.is_empty() {
        return false;
    }
    uri::host(text).is_some_and(|host| is_host(trunk, host))
        || uri::parameter(text, b"trunk-context").is_some_and(|context| is_host(trunk, context))
}

fn is_host(trunk: &Trunk, host: &[u8]) -> bool {
    // A fully qualified name may end in a dot.
    let host = host.strip_suffix(b".").unwrap_or(host);
    !host.is_empty() && trunk.hosts.iter().any(|wanted| pattern::fits_host(wanted.as_bytes(), host))
}
