//! Who answered a request, by what proxies write of it.
//!
//! Called by [`super::batch`] with the signs of one record. Each proxy's words are those of its own documentation: AWS
//! (ALB, API Gateway, CloudFront), Cloudflare, Envoy, HAProxy, nginx, Traefik. What is not known to tell is `None`.
//!
//! # Design
//!
//! A status from behind the proxy says no more than that the proxy passed it on: what stands there may be another
//! gateway. Only its own correlation id says that the API answered. CloudFront's result type `Error` is written for
//! errors of the origin as for its own, so it says nothing.

use crate::facts::{Answered, Answerer, KnownBy};

use super::fields::{Sign, is_said};

/// Who answered with `status`, by the `signs` of the record.
pub(super) fn answered<'v>(status: u16, signs: impl Iterator<Item = (Sign, &'v [u8])> + Clone) -> Option<Answered> {
    let of = |wanted: Sign| signs.clone().filter(move |(sign, _)| *sign == wanted).map(|(_, value)| value);
    let flagless = of(Sign::Flags).any(|flags| !is_said(flags));
    let found = None
        .or_else(|| of(Sign::Details).find_map(details).map(|by| (by, KnownBy::ResponseDetails)))
        .or_else(|| {
            let server = of(Sign::Server).next().unwrap_or_default();
            Some((of(Sign::Termination).find_map(|state| termination(state, server))?, KnownBy::TerminationState))
        })
        .or_else(|| of(Sign::Flags).find_map(flags).map(|by| (by, KnownBy::ResponseFlags)))
        .or_else(|| of(Sign::EdgeResult).find_map(edge).map(|by| (by, KnownBy::EdgeResult)))
        .or_else(|| {
            let by = of(Sign::EdgeStatus).find_map(|value| passed_on(status, value))?;
            let by = if by == Answerer::Proxy { Answerer::Edge } else { by };
            Some((by, KnownBy::UpstreamStatus))
        })
        .or_else(|| Some((of(Sign::Status).find_map(|value| passed_on(status, value))?, KnownBy::UpstreamStatus)))
        // Envoy chooses a host after its own filters passed the request.
        .or_else(|| of(Sign::Host).find_map(|host| server(host, flagless)).map(|by| (by, KnownBy::UpstreamHost)));
    found.map(|(by, known_by)| Answered { by, known_by })
}

/// The status that the proxy got from behind it: `-`, nothing or 0 where it asked nobody. nginx lists several tries.
fn passed_on(status: u16, value: &[u8]) -> Option<Answerer> {
    let last = value.rsplit(|byte| matches!(byte, b',' | b':')).next().unwrap_or_default().trim_ascii();
    let code = match last {
        b"" | b"-" | b"0" | b"000" => return Some(Answerer::Proxy),
        digits => str::from_utf8(digits).ok()?.parse::<u16>().ok()?,
    };
    Some(if code == status { Answerer::Upstream } else { Answerer::Proxy })
}

/// Envoy's response code details.
fn details(value: &[u8]) -> Option<Answerer> {
    match value {
        _ if !is_said(value) => None,
        b"via_upstream" | b"response_sent_by_backend" => Some(Answerer::Upstream),
        _ => Some(Answerer::Proxy),
    }
}

/// Envoy's response flags that say that Envoy itself made the answer.
const LOCAL: [&str; 25] = [
    "DF", "DPE", "DT", "FI", "IH", "LH", "LR", "NC", "NFCF", "NR", "OM", "RFCF", "RL", "RLSE", "SI", "UAEX", "UC",
    "UF", "UH", "UMSDR", "UO", "UPE", "UR", "UT", "OLR",
];

fn flags(value: &[u8]) -> Option<Answerer> {
    let local = |flag: &[u8]| LOCAL.iter().any(|known| known.as_bytes() == flag);
    value.split(|byte| *byte == b',').any(local).then_some(Answerer::Proxy)
}

/// HAProxy's termination state, whose first letter says who ended the session, and the server, or why there was none.
fn termination(state: &[u8], server: &[u8]) -> Option<Answerer> {
    match (state.first()?, server) {
        // Denied, out of resources, an internal error, answered by itself.
        (b'P' | b'R' | b'I' | b'L', _) | (_, [b'<', ..] | b"-") => Some(Answerer::Proxy),
        (b'-', server) if !server.is_empty() => Some(Answerer::Upstream),
        _ => None,
    }
}

/// What the edge says it did.
fn edge(value: &[u8]) -> Option<Answerer> {
    Some(match value {
        b"Miss" | b"OriginShieldHit" | b"MISS" | b"MISS-CLUSTER" | b"PASS" => Answerer::Upstream,
        b"AccessDenied"
        | b"CapacityExceeded"
        | b"ClientGeoBlocked"
        | b"FunctionExecutionError"
        | b"FunctionGeneratedResponse"
        | b"FunctionThrottledError"
        | b"Hit"
        | b"InvalidRequest"
        | b"InvalidRequestBlocked"
        | b"InvalidRequestCertificate"
        | b"InvalidRequestHeader"
        | b"InvalidRequestMethod"
        | b"LambdaGeneratedResponse"
        | b"LimitExceeded"
        | b"MissGeneratedResponse"
        | b"Redirect"
        | b"RefreshHit"
        | b"block"
        | b"SYNTH" => Answerer::Edge,
        _ => return None,
    })
}

/// The server that the proxy asked; `flagless` says that the log tells of nothing else that answered.
fn server(value: &[u8], flagless: bool) -> Option<Answerer> {
    match is_said(value) {
        false => Some(Answerer::Proxy),
        true => flagless.then_some(Answerer::Upstream),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Answerer::{Edge, Proxy, Upstream};

    #[track_caller]
    fn check(signs: &[(Sign, &str)], expected: Option<(Answerer, KnownBy)>) {
        let found = answered(403, signs.iter().map(|(sign, value)| (*sign, value.as_bytes())));
        assert_eq!(found.map(|found| (found.by, found.known_by)), expected, "{signs:?}");
    }

    #[test]
    fn the_status_from_behind_the_proxy_tells() {
        let status = |value: &str, by| check(&[(Sign::Status, value)], Some((by, KnownBy::UpstreamStatus)));
        for none in ["-", "", "0", "502, -"] {
            status(none, Proxy);
        }
        for same in ["403", "502, 403", "502 : 403"] {
            status(same, Upstream);
        }
        status("200", Proxy);
        check(&[(Sign::Status, "x")], None);
        check(&[(Sign::EdgeStatus, "0")], Some((Edge, KnownBy::UpstreamStatus)));
        check(&[(Sign::EdgeStatus, "403")], Some((Upstream, KnownBy::UpstreamStatus)));
        check(&[], None);
    }

    #[test]
    fn envoys_words_tell() {
        check(&[(Sign::Flags, "UAEX"), (Sign::Host, "-")], Some((Proxy, KnownBy::ResponseFlags)));
        check(&[(Sign::Flags, "DC,NR")], Some((Proxy, KnownBy::ResponseFlags)));
        check(&[(Sign::Flags, "-"), (Sign::Host, "10.0.0.1:80")], Some((Upstream, KnownBy::UpstreamHost)));
        check(&[(Sign::Flags, "-"), (Sign::Host, "-")], Some((Proxy, KnownBy::UpstreamHost)));
        check(&[(Sign::Host, "10.0.0.1:80")], None);
        let details = |value| [(Sign::Flags, "-"), (Sign::Details, value), (Sign::Host, "10.0.0.1:80")];
        check(&details("via_upstream"), Some((Upstream, KnownBy::ResponseDetails)));
        check(&details("rbac_access_denied_matched_policy[none]"), Some((Proxy, KnownBy::ResponseDetails)));
        check(&details("-"), Some((Upstream, KnownBy::UpstreamHost)));
    }

    #[test]
    fn haproxys_and_the_edges_words_tell() {
        let state = |value, server, by: Option<Answerer>| {
            let signs = [(Sign::Termination, value), (Sign::Server, server)];
            check(&signs, by.map(|by| (by, KnownBy::TerminationState)));
        };
        state("PR--", "<NOSRV>", Some(Proxy));
        state("----", "<NOSRV>", Some(Proxy));
        state("----", "api1", Some(Upstream));
        state("PR--", "api1", Some(Proxy));
        state("LR--", "<STATS>", Some(Proxy));
        state("cD--", "api1", None);
        let edge = |value, by: Option<Answerer>| {
            check(&[(Sign::EdgeResult, value)], by.map(|by| (by, KnownBy::EdgeResult)));
        };
        edge("LimitExceeded", Some(Edge));
        edge("ClientGeoBlocked", Some(Edge));
        edge("Miss", Some(Upstream));
        edge("Error", None);
    }
}
