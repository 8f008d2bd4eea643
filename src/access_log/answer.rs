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

/// Whether the record says that what the client got under a status of success came from no one behind the proxy, who
/// refused it or was not asked: then it is a page of the proxy's own. An answer out of a cache came from there once.
pub(super) fn is_own_page<'v>(mut signs: impl Iterator<Item = (Sign, &'v [u8])>) -> bool {
    signs.any(|(sign, value)| match sign {
        Sign::Status | Sign::EdgeStatus => last_status(value).is_some_and(|code| code >= 400),
        // Others tell of an answer that had begun.
        Sign::Details => matches!(value, b"direct_response" | b"fault_filter_abort" | b"lua_response"),
        Sign::Flags => value.split(|byte| *byte == b',').any(|flag| flag == b"FI"),
        Sign::Server => value.first() == Some(&b'<') && value != b"<CACHE>",
        Sign::EdgeResult => edge(value) == Some(Answerer::Edge) && !matches!(value, b"Hit" | b"RefreshHit"),
        Sign::Host | Sign::Termination => false,
    })
}

/// The last of the statuses that the proxy got from behind it; nginx lists several tries.
fn last_status(value: &[u8]) -> Option<u16> {
    str::from_utf8(last_try(value)).ok()?.parse().ok()
}

fn last_try(value: &[u8]) -> &[u8] {
    value.rsplit(|byte| matches!(byte, b',' | b':')).next().unwrap_or_default().trim_ascii()
}

/// The status that the proxy got from behind it: `-`, nothing or 0 where it asked nobody.
fn passed_on(status: u16, value: &[u8]) -> Option<Answerer> {
    if matches!(last_try(value), b"" | b"-" | b"0" | b"000") {
        return Some(Answerer::Proxy);
    }
    Some(if last_status(value)? == status { Answerer::Upstream } else { Answerer::Proxy })
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
    fn what_the_proxy_made_itself_came_from_no_one_behind_it() {
        let own = |sign: Sign, value: &str| is_own_page([(sign, value.as_bytes())].into_iter());
        for refused in ["403", "404", "500", "502", "200, 403", "200 : 404"] {
            assert!(own(Sign::Status, refused) && own(Sign::EdgeStatus, refused), "{refused}");
        }
        for passed in ["200", "206", "304", "403, 200", "-", "", "0"] {
            assert!(!own(Sign::Status, passed) && !own(Sign::EdgeStatus, passed), "{passed}");
        }
        for details in ["direct_response", "fault_filter_abort"] {
            assert!(own(Sign::Details, details));
        }
        for details in ["via_upstream", "response_from_cache", "upstream_reset_after_response_started", "-", ""] {
            assert!(!own(Sign::Details, details), "{details}");
        }
        assert!(own(Sign::Flags, "FI") && !own(Sign::Flags, "-") && !own(Sign::Flags, "UT"));
        assert!(own(Sign::EdgeResult, "FunctionGeneratedResponse") && own(Sign::EdgeResult, "SYNTH"));
        assert!(
            !own(Sign::EdgeResult, "Hit") && !own(Sign::EdgeResult, "Miss") && !own(Sign::EdgeResult, "RefreshHit")
        );
        assert!(own(Sign::Server, "<STATS>") && own(Sign::Server, "<NOSRV>"));
        assert!(!own(Sign::Server, "<CACHE>") && !own(Sign::Server, "api1"));
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
