//! What is known of the platform whose API refuses: its endpoints, its error codes, its settings. One vendor's facts,
//! and nothing else here is.
//!
//! From the project's fact sheet: the endpoints are those of the platform's Python SDK, release 257.1.0 (2026-05), and,
//! where older clients called more, of its swagger of 2018-03; the 403 codes are that swagger's; settings, permissions
//! and scopes are the vendor's help pages. The proxies' codes are those proxies' own documentation. Called by
//! [`super::target`] and [`super::hypothesis`].
//!
//! # Incomplete support
//!
//! The method of a request is not compared. A host that is not below one of the platform's domains may be a gateway's: there
//! the path alone tells, and one that exists is taken as right.

use std::borrow::Cow;

use super::hypothesis::{Basis, Hypothesis, Remedy};
use crate::facts::{Answered, Answerer, ApiRequest};
use crate::http::percent_decode;
use crate::sentence::{Kind, Sentence};
use crate::settings::ConsentRule;

/// The capability that a forum thread names. Not found in the vendor's documentation.
pub(super) const CAPABILITY: &str = "recording:consent";

/// The response field that only the API itself sets.
pub(super) const CORRELATION_FIELD: &str = "ININ-Correlation-Id";

/// Paths below `/api/v2/` that have to do with recordings; `{}` is one segment of any kind.
const ENDPOINTS: [&str; 39] = [
    "conversations/{}/recordings",
    "conversations/{}/recordings/{}",
    "conversations/{}/recordings/{}/annotations",
    "conversations/{}/recordings/{}/annotations/{}",
    "conversations/{}/recordingmetadata",
    "conversations/{}/recordingmetadata/{}",
    "orphanrecordings",
    "orphanrecordings/{}",
    "orphanrecordings/{}/media",
    "recording/batchrequests",
    "recording/batchrequests/{}",
    "recording/crossplatform/mediaretentionpolicies",
    "recording/crossplatform/mediaretentionpolicies/{}",
    "recording/jobs",
    "recording/jobs/{}",
    "recording/jobs/{}/failedrecordings",
    "recording/keyconfigurations",
    "recording/keyconfigurations/{}",
    "recording/localkeys",
    "recording/localkeys/settings",
    "recording/localkeys/settings/{}",
    "recording/mediaretentionpolicies",
    "recording/mediaretentionpolicies/{}",
    "recording/recordingkeys",
    "recording/recordingkeys/rotationschedule",
    "recording/settings",
    "recording/uploads/reports",
    "recording/uploads/reports/{}",
    "recordings/deletionprotection",
    "recordings/retention/query",
    "recordings/screensessions",
    "recordings/screensessions/details",
    // `acknowledge` and `metadata` today; the session's id in 2018.
    "recordings/screensessions/{}",
    "uploads/recordings",
    "userrecordings",
    "userrecordings/summary",
    "userrecordings/{}",
    "userrecordings/{}/media",
    "userrecordings/{}/transcoding",
];

/// The hosts of the API: below each of these domains `api`, a region's.
const API_DOMAINS: [&str; 17] = [
    "apne2.pure.cloud",
    "apne3.pure.cloud",
    "aps1.pure.cloud",
    "apse1.pure.cloud",
    "cac1.pure.cloud",
    "euc2.pure.cloud",
    "euw2.pure.cloud",
    "mec1.pure.cloud",
    "mxc1.pure.cloud",
    "mypurecloud.com",
    "mypurecloud.com.au",
    "mypurecloud.de",
    "mypurecloud.ie",
    "mypurecloud.jp",
    "sae1.pure.cloud",
    "use2.us-gov-pure.cloud",
    "usw2.pure.cloud",
];

/// The domains of the vendor: a host below one of them is the platform's or nobody's, never a site's own.
const VENDOR_DOMAINS: [&str; 10] = [
    "genesys.cloud",
    "genesys.com",
    "genesyscloud.com",
    "mypurecloud.com",
    "mypurecloud.com.au",
    "mypurecloud.de",
    "mypurecloud.ie",
    "mypurecloud.jp",
    "pure.cloud",
    "us-gov-pure.cloud",
];

/// Whether a host of the platform's domains is none of its API's. The vendor's own web client asks the API through the host
/// that serves it, `apps`, below `/platform/`: a browser's log shows it.
fn is_no_api_host(host: &[u8]) -> bool {
    let host = host.to_ascii_lowercase();
    let below = |domain: &str| host.strip_suffix(domain.as_bytes()).filter(|own| own.is_empty() || own.ends_with(b"."));
    let is_api = API_DOMAINS.iter().any(|domain| matches!(below(domain), Some(b"api." | b"apps.")));
    !is_api && VENDOR_DOMAINS.iter().any(|domain| below(domain).is_some())
}

/// Whether a segment of a path is a word of the platform's published API: it names nothing of the site.
#[must_use]
pub fn is_public_segment(segment: &[u8]) -> bool {
    let known = || ENDPOINTS.iter().flat_map(|known| known.split('/')).filter(|word| *word != "{}");
    segment == b"api" || is_version(segment) || known().any(|word| word.as_bytes() == segment)
}

/// Whether an error code is one that the platform or a common gateway publishes.
#[must_use]
pub fn is_public_code(code: &[u8]) -> bool {
    API_CODES.iter().chain(&PROXY_CODES).any(|known| known.as_bytes() == code)
}

/// Codes of the API's own 403 answers.
const API_CODES: [&str; 8] = [
    "batch.download.permission.denied",
    "conversation.error.forbidden.not.active.participant",
    "missing.any.permissions",
    "missing.permissions",
    "missing.trustor.permissions",
    "not.authorized",
    "recording.orphan.edit.permission.check.failed",
    "recording.recording.view.permission.check.failed",
];

/// Codes that gateways write for refusals of their own: Amazon API Gateway's response types and exceptions, and the
/// response code details of Envoy, whose access control adds the policy in brackets.
const PROXY_CODES: [&str; 7] = [
    "access_denied",
    "accessdeniedexception",
    "ext_authz_denied",
    "missing_authentication_token",
    "missingauthenticationtokenexception",
    "rbac_access_denied",
    "waf_filtered",
];

/// What a request target names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Endpoint {
    /// An endpoint of the API.
    Exists,
    /// A target addressed to the API that its published list does not have, with its kind: the path without what looks
    /// like an identifier, behind `//` and the host where that is what the platform does not have.
    Nonexistent(Box<[u8]>),
    /// A path of the site's own, such as a gateway's: what it stands for is not in the log.
    SitesOwn,
}

/// What `target` names.
pub(super) fn endpoint(target: &[u8]) -> Endpoint {
    // As a server reads it: the path is taken apart, then its segments are decoded once.
    let (host, path) = host_and_path(target);
    let segments = path.split(|byte| *byte == b'/').filter(|segment| !segment.is_empty());
    let decoded: Vec<Cow<'_, [u8]>>;
    let segments: Vec<&[u8]> = match memchr::memchr(b'%', target) {
        Some(_) => {
            decoded = segments.map(percent_decode).collect();
            decoded.iter().map(|segment| &**segment).collect()
        }
        None => segments.collect(),
    };
    // A gateway may put something before the API's own path.
    let api = segments.windows(2).position(|pair| pair == [b"api".as_slice(), b"v2"]);
    let nowhere = host.filter(|host| is_no_api_host(host));
    if nowhere.is_none()
        && let Some(own) = api.and_then(|at| segments.get(at + 2..))
        && ENDPOINTS.iter().any(|known| fits(known, own))
    {
        return Endpoint::Exists;
    }
    let meant = match segments.as_slice() {
        [first, ..] => *first == b"api" || is_version(first),
        [] => false,
    };
    if api.is_none() && !meant && nowhere.is_none() {
        return Endpoint::SitesOwn;
    }
    let mut kind = Vec::new();
    if let Some(host) = nowhere {
        kind.extend_from_slice(b"//");
        kind.extend(host.to_ascii_lowercase());
    }
    for segment in segments.get(api.unwrap_or(0)..).unwrap_or_default() {
        kind.push(b'/');
        kind.extend_from_slice(if is_word(segment) { segment } else { b"{id}" });
    }
    Endpoint::Nonexistent(kind.into())
}

/// A kind of target as a sentence may show it: words of the platform's own paths, anything else left out.
pub(super) fn shown(kind: &[u8]) -> String {
    let segments = kind.split(|byte| *byte == b'/').filter(|segment| !segment.is_empty()).take(8);
    let host = if kind.starts_with(b"//") { "/" } else { "" };
    let segments = segments.map(|segment| {
        if is_public_segment(segment) { format!("/{}", segment.escape_ascii()) } else { "/{}".to_owned() }
    });
    std::iter::once(host.to_owned()).chain(segments).collect()
}

/// The host, where one is named, and the path of a request target in origin or absolute form (RFC 9112 §3.2), without its
/// query.
fn host_and_path(target: &[u8]) -> (Option<&[u8]>, &[u8]) {
    let end = memchr::memchr2(b'?', b'#', target).unwrap_or(target.len());
    let path = target.get(..end).unwrap_or(target);
    if path.starts_with(b"/") {
        return (None, path);
    }
    let Some(rest) = memchr::memmem::find(path, b"://").and_then(|scheme| path.get(scheme + 3..)) else {
        return (None, path);
    };
    let (authority, path) = rest.split_at(memchr::memchr(b'/', rest).unwrap_or(rest.len()));
    let host = authority.rsplit(|byte| *byte == b'@').next().unwrap_or_default();
    let host = host.split(|byte| *byte == b':').next().unwrap_or_default();
    (Some(host.strip_suffix(b".").unwrap_or(host)), path)
}

fn fits(known: &str, segments: &[&[u8]]) -> bool {
    // Every known path begins with a word, which most segments are not.
    if segments.first().is_none_or(|first| !known.as_bytes().starts_with(first)) {
        return false;
    }
    let mut wanted = known.split('/');
    segments.iter().all(|segment| wanted.next().is_some_and(|known| known == "{}" || known.as_bytes() == *segment))
        && wanted.next().is_none()
}

fn is_version(segment: &[u8]) -> bool {
    matches!(segment, [b'v', digits @ ..] if !digits.is_empty() && digits.len() <= 3 && digits.iter().all(u8::is_ascii_digit))
}

/// Whether a segment is a word of a path rather than an identifier.
fn is_word(segment: &[u8]) -> bool {
    let letters = |byte: &u8| byte.is_ascii_lowercase() || matches!(byte, b'-' | b'_');
    is_version(segment) || (segment.len() <= 32 && segment.iter().all(letters))
}

/// Who answered, as far as the record shows.
pub(super) fn answered_by(request: &ApiRequest) -> Option<Answerer> {
    let by_code = || request.is_refused() && request.error_code().is_some_and(is_proxy_code);
    match request.answered_by() {
        // What passed it on may have had it from a gateway behind it.
        None | Some(Answered { by: Answerer::Upstream, .. }) if by_code() => Some(Answerer::Proxy),
        answered => answered.map(|answered| answered.by),
    }
}

fn is_proxy_code(code: &[u8]) -> bool {
    let word = code.split(|byte| *byte == b'[').next().unwrap_or_default();
    let word = word.strip_suffix(b"_matched_policy").unwrap_or(word);
    PROXY_CODES.iter().any(|known| known.as_bytes().eq_ignore_ascii_case(word))
}

/// Whether an error code is one of the API's own.
pub(super) fn is_api_code(code: &[u8]) -> bool {
    API_CODES.iter().any(|known| known.as_bytes() == bare_code(code))
}

/// An error code without what its parameters are said to be in brackets behind it.
#[must_use]
pub fn bare_code(code: &[u8]) -> &[u8] {
    code.split(|byte| matches!(byte, b' ' | b'[')).next().unwrap_or_default()
}

/// Permissions that a refusal says are missing: in the parameters of its message, or in brackets behind its code. Only
/// what is formed like one of the platform's own (`recording:recording:view`): a sentence may name it.
pub(super) fn missing_permissions(request: &ApiRequest) -> impl Iterator<Item = &str> {
    let code = request.error_code().filter(|code| is_api_code(code));
    let params = request.error_params().iter().map(|param| &*param.value);
    let texts = code.into_iter().chain(params);
    let words = texts.flat_map(|text| text.split(|byte| !is_of_permission(*byte)));
    words.filter_map(|word| str::from_utf8(word).ok()).filter(|word| is_permission(word))
}

/// The first words of the platform's permissions that may stand in the way of a recording.
const PERMISSION_DOMAINS: [&str; 9] = [
    "analytics",
    "authorization",
    "conversation",
    "integrations",
    "oauth",
    "quality",
    "recording",
    "routing",
    "telephony",
];

/// Whether a byte is one of a permission's name; the others stand between names.
#[must_use]
pub fn is_of_permission(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b':' || !byte.is_ascii()
}

fn is_permission(word: &str) -> bool {
    let mut parts = word.split(':');
    let known = parts.next().is_some_and(|domain| PERMISSION_DOMAINS.contains(&domain));
    let formed = |part: &str| (1..=40).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphabetic());
    known && parts.clone().count() == 2 && parts.all(formed)
}

/// What to do where `hypothesis` is supported.
pub(super) fn remedy(hypothesis: Hypothesis, rules: &[ConsentRule]) -> Remedy {
    let with_fields = |said: &str| Sentence::own(said).list(rules.iter().map(ConsentRule::shown), " or ");
    let (basis, text) = match hypothesis {
        Hypothesis::ConsentHeader => (
            Basis::Claimed,
            with_fields("Have the carrier or the SBC send ").and(
                " in the INVITE once the caller agreed. That the recording API heeds \
                 such a field is claimed, not documented. What the vendor documents is the call flow: on a trunk that \
                 requires consent, the inbound flow runs Enable Participant Recording after the caller agreed.",
            ),
        ),
        Hypothesis::ConsentHeaderFormat => (Basis::Claimed, {
            let granted = rules.iter().flat_map(|rule| &rule.granted);
            let values = granted.map(|value| Sentence::own("\"").naming(Kind::Value, value).and("\""));
            with_fields("Have the sender of ")
                .and(" write a value that the rule takes as given (")
                .list(values, ", ")
                .and("), once in an INVITE. Which values the platform expects is claimed, not documented.")
        }),
        Hypothesis::HeaderStripped => (
            Basis::Claimed,
            with_fields("Have the device between the two packets pass ").and(
                " on (header manipulation or pass-through rules of \
                 the SBC). The vendor reserves names that begin with x-genesys, x-inin, x-pcv and x-gcv; a device may \
                 drop them for that.",
            ),
        ),
        Hypothesis::TrunkCapability => (
            Basis::Verified,
            Sentence::own(
                "Compare the external trunk's recording settings with those of the standard trunk: line recording \
             (trunk_recording_enabled) and required consent (trunk_recording_consent_required). A \"Capabilities\" page \
             is claimed by a forum thread only.",
            ),
        ),
        Hypothesis::StalePermissionCache => (
            Basis::Claimed,
            Sentence::own(
                "Let the trunk register anew when permissions or trunk settings have changed. That this flushes a cache is \
             claimed, not documented; ask the vendor before relying on it.",
            ),
        ),
        Hypothesis::ClientPermission => (
            Basis::Verified,
            Sentence::own(
                "Give the role of the refused client one of recording:recording:view, recording:recordingSegment:view, \
             recording:snippetRecording:view or recording:screenRecording:view in the right division, and its token the \
             scope recordings or recordings:readonly; the narrower of role and scope wins.",
            ),
        ),
        Hypothesis::WrongEndpoint => (
            Basis::Verified,
            Sentence::own(
                "Ask for /api/v2/conversations/{conversationId}/recordings, one conversation at a time; the API has no list \
             of recordings by trunk or by Call-ID. The conversation's id stands in analytics conversation details \
             beside protocolCallId.",
            ),
        ),
        Hypothesis::GatewayRefusal => (
            Basis::Verified,
            Sentence::own(format!(
                "Ask whoever runs the proxy before the API for the rule that refused these requests, and log the response \
                 field {CORRELATION_FIELD}: the API sets it on its own answers, 403 too."
            )),
        ),
        Hypothesis::FlowNotRecording => (
            Basis::Verified,
            Sentence::own(
                "Have these calls recorded: line recording on the external trunk (trunk_recording_enabled), a flow that does not \
             suppress recording (suppressRecording in its speech recognition settings), a queue that does not \
             (suppressInQueueCallRecording), and, where the trunk requires consent, Enable Participant Recording in the \
             flow after the caller agreed.",
            ),
        ),
        Hypothesis::DivisionOrCondition => (
            Basis::Verified,
            Sentence::own(
                "Give the role of the refused client the divisions of these calls, and check conditions (queue, user, work \
             team) on its recording permissions; a client of client credentials has no user of its own.",
            ),
        ),
    };
    Remedy { text, basis }
}

#[cfg(test)]
mod tests {
    use super::super::sample::restate;
    use super::*;
    use crate::facts::{ErrorParam, More};

    #[track_caller]
    fn kind(target: &str, expected: &str) {
        assert_eq!(endpoint(target.as_bytes()), Endpoint::Nonexistent(expected.as_bytes().into()), "{target}");
    }

    #[test]
    fn the_published_endpoints_exist() {
        for target in [
            "/api/v2/conversations/c0ffee01-0000-4000-8000-000000000007/recordings?maxWaitMs=0",
            "/api/v2/conversations/a%2Fb/recordings/0ec0/",
            "https://api.mypurecloud.com/api/v2/orphanrecordings/1/media",
            "/genesys/api/v2/recordings/screensessions/details",
            "/api/v2/recording/jobs",
            "/api/v2/conversations/c%31/%72ecordings",
            // The fact sheet's own list.
            "/api/v2/conversations/1/recordings/2/annotations",
            "/api/v2/conversations/1/recordings/2/annotations/3",
            "/api/v2/conversations/1/recordingmetadata",
            "/api/v2/conversations/1/recordingmetadata/2",
            "/api/v2/recording/batchrequests",
            "/api/v2/recording/batchrequests/1",
            "/api/v2/recording/jobs/1/failedrecordings",
            "/api/v2/recording/settings",
            "/api/v2/recording/mediaretentionpolicies/1",
            "/api/v2/recording/crossplatform/mediaretentionpolicies",
            "/api/v2/recording/recordingkeys/rotationschedule",
            "/api/v2/recording/keyconfigurations",
            "/api/v2/recording/localkeys",
            "/api/v2/recording/uploads/reports/1",
            "/api/v2/recordings/deletionprotection",
            "/api/v2/recordings/retention/query",
            "/api/v2/recordings/screensessions/acknowledge",
            "/api/v2/recordings/screensessions/metadata",
            "/api/v2/orphanrecordings/1",
            "/api/v2/userrecordings/1/transcoding",
            "/api/v2/userrecordings/summary",
            "/api/v2/uploads/recordings",
        ] {
            assert_eq!(endpoint(target.as_bytes()), Endpoint::Exists, "{target}");
        }
    }

    #[test]
    fn targets_of_the_thread_do_not() {
        kind("/api/v2/recordings?trunkId=5160", "/api/v2/recordings");
        kind("/v2/recordings", "/v2/recordings");
        kind("/api/v2/recordings/screen/42", "/api/v2/recordings/screen/{id}");
        kind("https://api.mypurecloud.com/v2/recordings/abc@192.0.2.1", "/v2/recordings/{id}");
        kind("/api/v2/analytics/recordings/0EC0", "/api/v2/analytics/recordings/{id}");
        kind("/api/v2/conversations/1/recordings/2/media", "/api/v2/conversations/{id}/recordings/{id}/media");
    }

    #[test]
    fn a_host_that_the_platform_does_not_have_has_no_endpoint() {
        const LISTED: &str = "/api/v2/conversations/1/recordings";
        for host in [
            "api.mypurecloud.com",
            "api.mypurecloud.com.au",
            "API.USW2.pure.cloud.:443",
            "user@api.use2.us-gov-pure.cloud",
            // Where the vendor's web client asks.
            "apps.mypurecloud.ie/platform",
            // A gateway's may be called anything.
            "gw.example.com",
            "api.genesys.example.com",
            "notgenesyscloud.com",
            "192.0.2.1:8080",
            "",
        ] {
            assert_eq!(endpoint(format!("https://{host}{LISTED}").as_bytes()), Endpoint::Exists, "{host}");
        }
        for host in ["api.us.genesyscloud.com", "mypurecloud.com", "x.api.mypurecloud.ie", "api.usw9.pure.cloud"] {
            let target = format!("https://{}:443{LISTED}", host.to_uppercase());
            kind(&target, &format!("//{host}/api/v2/conversations/{{id}}/recordings"));
            kind(&format!("https://{host}/recordings"), &format!("//{host}/recordings"));
        }
        assert_eq!(
            shown(b"//api.us.genesyscloud.com/api/v2/conversations/{id}/recordings"),
            "//{}/api/v2/conversations/{}/recordings"
        );
    }

    #[test]
    fn a_path_of_the_sites_own_is_not_judged() {
        for target in ["/gw/v1/recordings?callId=1", "/internal/audio/7", "/recordings", "", "*"] {
            assert_eq!(endpoint(target.as_bytes()), Endpoint::SitesOwn, "{target}");
        }
    }

    #[test]
    fn a_sentence_shows_no_word_of_the_evidence() {
        assert_eq!(shown(b"/api/v2/recordings/john-doe/{id}"), "/api/v2/recordings/{}/{}");
        assert_eq!(shown(b"/v2/recordings"), "/v2/recordings");
    }

    #[test]
    fn permissions_that_are_missing_are_named_where_they_are_the_platforms() {
        let missing = |code: &str, value: &str| {
            let params = [ErrorParam { name: Box::new(*b"permissions"), value: value.as_bytes().into() }];
            let mut request = super::super::sample::request(1, 1, 403, None);
            restate(&mut request, |texts| texts.error_code = Some(code.as_bytes()));
            request.more = More { error_params: params.into(), ..More::default() }.kept();
            missing_permissions(&request).map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(missing("missing.permissions", "recording:recording:view"), ["recording:recording:view"]);
        assert_eq!(
            missing("missing.any.permissions", "[recording:recording:view, recording:screenRecording:view]"),
            ["recording:recording:view", "recording:screenRecording:view"]
        );
        assert_eq!(missing("missing.any.permissions [telephony:plugin:all]", ""), ["telephony:plugin:all"]);
        for other in
            ["", "=cmd:recording:view", "recording:view", "recording::view", "a:b:c", "recording:a:b:c", "10:20:30"]
        {
            assert_eq!(missing("forbidden [recording:recording:view]", other), [""; 0], "{other}");
        }
    }

    #[test]
    fn codes_of_proxies_and_of_the_api() {
        for code in
            ["AccessDeniedException", "WAF_FILTERED", "rbac_access_denied_matched_policy[none]", "ext_authz_denied"]
        {
            assert!(is_proxy_code(code.as_bytes()), "{code}");
        }
        for code in ["forbidden", "missing.any.permissions", "", "403"] {
            assert!(!is_proxy_code(code.as_bytes()), "{code}");
        }
        assert!(is_api_code(b"missing.any.permissions"));
        assert!(!is_api_code(b"forbidden"));
    }
}
