//! What a request target is about, and which identifiers it names.
//!
//! Contract §3: a recording request has one of six path segments, or a configured path. Scheme and host of an
//! absolute form, the fragment and empty segments do not matter. Every segment and parameter is percent-decoded once;
//! a `%` that starts no escape stays, and `+` stays too: form decoding would turn it into a blank, and a Call-ID may
//! hold it. Parameters are parted at `&`.
//!
//! # Design
//!
//! Segments compare without regard to ASCII case: paths are case-sensitive, but a gateway in front of the API may not
//! care, and a refusal overlooked is worse than a stray one listed. Which segments name something is decided by a list
//! of the platform's own path words; whatever else stands in a path may be a Call-ID.

use std::borrow::Cow;

use memchr::{memchr, memchr_iter};

use crate::facts::{Audience, Name, NameKind, Place};
use crate::settings::Settings;

use super::fields::{Table, configured};
use super::glob;
use super::json::fold;
use super::scan::may_name_recordings;

/// Segments that make a recording request.
const RECORDING: [&str; 6] =
    ["recording", "recordings", "recordingmetadata", "orphanrecordings", "userrecordings", "screensessions"];

/// What may stand behind `recordings` or below a recording without being the recording or its audio.
const NO_AUDIO: [&str; 16] = [
    "acknowledge", "annotations", "deletionprotection", "details", "metadata", "query", "recording",
    "recordingmetadata", "retention", "screensessions", "search", "settings", "summary", "transcript", "transcripts",
    "waveform",
];

/// Words of the platform's paths (its SDK, release 257) and of gateways before it, in order: they name nothing.
const WORDS: [&str; 84] = [
    "acknowledge", "analytics", "annotations", "api", "apis", "audio", "audits", "batch", "batchrequests", "bulk",
    "callbacks", "calls", "chats", "cobrowse", "cobrowsesessions", "communications", "conversation", "conversations",
    "crossplatform", "deletionprotection", "details", "download", "downloads", "edges", "emails", "evaluations",
    "export", "failedrecordings", "file", "files", "gateway", "genesys", "internal", "jobs", "keyconfigurations", "list",
    "localkeys", "me", "media", "mediaretentionpolicies", "messages", "metadata", "orphanrecordings", "participants",
    "pcap", "platform", "play", "providers", "proxy", "public", "quality", "query", "rec", "record", "recording",
    "recordingkeys", "recordingmetadata", "recordings", "recordingstate", "reports", "rest", "retention",
    "rotationschedule", "screen", "screenrecording", "screenrecordings", "screensessions", "screenshares", "search",
    "settings", "siptraces", "snippet", "socials", "stream", "summary", "telephony", "token", "transcoding",
    "transcripts", "trunks", "uploads", "userrecordings", "users", "videos",
];

/// Bytes of the longest word looked for, configured ones too.
const LONGEST: usize = 48;

/// Collections below `conversations`: the conversation stands behind them.
const KINDS: [&str; 9] =
    ["callbacks", "calls", "chats", "cobrowsesessions", "emails", "messages", "screenshares", "socials", "videos"];

/// What the targets of one log are judged by.
#[derive(Clone, Debug)]
pub(super) struct Targets {
    /// Configured recording paths.
    paths: Vec<String>,
    /// Their segments without `*`, in lower case: they name nothing either.
    words: Vec<Vec<u8>>,
}

impl Targets {
    pub(super) fn new(settings: &Settings, shown: &str) -> Self {
        let paths: Vec<String> =
            configured(settings, shown).flat_map(|log| log.recording_paths.iter().cloned()).collect();
        let literal = |segment: &&str| !segment.is_empty() && !segment.contains('*');
        let segments = paths.iter().flat_map(|path| path.split('/').filter(literal));
        let words = segments.map(|segment| segment.to_ascii_lowercase().into_bytes()).collect();
        Self { paths, words }
    }

    /// Whether `target`, which may have more around it, could be about a recording. Tells most that are not at a glance.
    pub(super) fn may_be_recording(&self, target: &[u8]) -> bool {
        !self.paths.is_empty() || may_name_recordings(target)
    }

    /// What `target` is about.
    pub(super) fn audience(&self, target: &[u8]) -> Audience {
        if !self.may_be_recording(target) {
            return Audience::Other;
        }
        let (path, _) = split(target);
        if !self.paths.is_empty() {
            let decoded = percent_decode(path);
            let fits = |pattern: &String| glob::fits(pattern, path) || glob::fits(pattern, &decoded);
            if self.paths.iter().any(fits) {
                return Audience::Recording;
            }
        }
        if memchr(b'%', path).is_none() && !segments(path).any(is_recording_word) {
            return Audience::Other;
        }
        let segments: Vec<Cow<'_, [u8]>> = segments(path).map(percent_decode).collect();
        judge(&segments)
    }

    /// Every identifier that `target` names, in the order they stand.
    pub(super) fn names(&self, target: &[u8], table: &Table) -> Vec<Name> {
        let mut names = Vec::new();
        let (path, query) = split(target);
        let segments: Vec<Cow<'_, [u8]>> = segments(path).map(percent_decode).collect();
        let mut conversation = false;
        for segment in &segments {
            let word = self.is_word(segment);
            if !word {
                let kind = if conversation { NameKind::Conversation } else { NameKind::Segment };
                push(&mut names, kind, Place::Path, segment);
            }
            conversation = is_any(segment, &["conversations", "conversation"]) || (conversation && is_any(segment, &KINDS));
        }
        let analytics = segments.iter().any(|segment| segment.eq_ignore_ascii_case(b"analytics"));
        for parameter in query.split(|byte| *byte == b'&') {
            let (name, value) = halves(parameter, b'=').unwrap_or((parameter, b""));
            let (name, value) = (percent_decode(name), percent_decode(value));
            if name.eq_ignore_ascii_case(b"filter") || name.eq_ignore_ascii_case(b"filters") {
                for (name, value) in filters(&value) {
                    named(&mut names, table, name, value, analytics);
                }
            } else {
                // `filter[callId]=…`
                let inner = halves(&name, b'[').and_then(|(_, inner)| inner.strip_suffix(b"]"));
                named(&mut names, table, inner.unwrap_or(&name), &value, analytics);
            }
        }
        names
    }

    /// Whether a segment is a word of the path rather than an identifier.
    fn is_word(&self, segment: &[u8]) -> bool {
        let mut lower = [0; LONGEST];
        let Some(lower) = lower.get_mut(..segment.len()) else { return false };
        lower.iter_mut().zip(segment).for_each(|(to, from)| *to = from.to_ascii_lowercase());
        let version = matches!(segment, [b'v' | b'V', digits @ ..] if digits.len() < 4 && digits.iter().all(u8::is_ascii_digit));
        version
            || WORDS.binary_search_by(|word| word.as_bytes().cmp(lower)).is_ok()
            || self.words.iter().any(|word| *word == *lower)
    }
}

fn judge(segments: &[Cow<'_, [u8]>]) -> Audience {
    let is = |segment: &[u8], word: &str| segment.eq_ignore_ascii_case(word.as_bytes());
    if !segments.iter().any(|segment| is_recording_word(segment)) {
        return Audience::Other;
    }
    let has = |word: &str| segments.iter().any(|segment| is(segment, word));
    if has("screensessions") || has("recordingmetadata") || has("userrecordings") {
        return Audience::Recording;
    }
    if let Some(at) = segments.iter().position(|segment| is(segment, "orphanrecordings")) {
        let below = segments.get(at + 1..).unwrap_or_default();
        return match below {
            [orphan, media] if !is_recording_word(orphan) && is(media, "media") => Audience::RecordingMedia,
            _ => Audience::Recording,
        };
    }
    let Some(at) = segments.iter().position(|segment| is(segment, "recordings")) else { return Audience::Recording };
    match segments.get(at + 1..).unwrap_or_default() {
        [] => Audience::RecordingList,
        below if below.iter().any(|segment| is_any(segment, &NO_AUDIO) || is(segment, "recordings")) => Audience::Recording,
        _ => Audience::RecordingMedia,
    }
}

fn is_recording_word(segment: &[u8]) -> bool {
    // The words' lengths, so that most segments are told by theirs.
    matches!(segment.len(), 9 | 10 | 14 | 16 | 17) && is_any(segment, &RECORDING)
}

fn is_any(segment: &[u8], words: &[&str]) -> bool {
    words.iter().any(|word| segment.eq_ignore_ascii_case(word.as_bytes()))
}

/// The path of a target and its query, without scheme, host and fragment.
fn split(target: &[u8]) -> (&[u8], &[u8]) {
    let target = memchr(b'#', target).map_or(target, |at| target.get(..at).unwrap_or_default());
    let (target, query) = halves(target, b'?').unwrap_or((target, b""));
    if target.first() == Some(&b'/') {
        return (target, query);
    }
    let path = match memchr::memmem::find(target, b"://") {
        Some(at) => {
            let authority = target.get(at + 3..).unwrap_or_default();
            memchr(b'/', authority).map_or(&b""[..], |slash| authority.get(slash..).unwrap_or_default())
        }
        None => target,
    };
    (path, query)
}

/// The segments of a path that are not empty.
fn segments(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut start = 0;
    memchr_iter(b'/', path)
        .chain([path.len()])
        .map(move |end| path.get(std::mem::replace(&mut start, end + 1)..end).unwrap_or_default())
        .filter(|segment| !segment.is_empty())
}

/// What stands before and behind the first `byte`.
pub(super) fn halves(bytes: &[u8], byte: u8) -> Option<(&[u8], &[u8])> {
    let (head, tail) = bytes.split_at_checked(memchr(byte, bytes)?)?;
    Some((head, tail.get(1..)?))
}

/// `name:value`, also several with commas between; a comma that no `name:` follows belongs to the value.
fn filters(text: &[u8]) -> Vec<(&[u8], &[u8])> {
    let mut found: Vec<(&[u8], &[u8])> = Vec::new();
    let mut start = 0;
    for end in memchr_iter(b',', text).chain([text.len()]) {
        let next = text.get(end + 1..).unwrap_or_default();
        let named = next.iter().position(|byte| !(byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b' ')));
        if end < text.len() && named.is_none_or(|at| at == 0 || next.get(at) != Some(&b':')) {
            continue;
        }
        found.extend(halves(text.get(start..end).unwrap_or_default().trim_ascii(), b':'));
        start = end + 1;
    }
    found
}

/// Takes down what a parameter names.
fn named(names: &mut Vec<Name>, table: &Table, name: &[u8], value: &[u8], analytics: bool) {
    match table.parameter(name) {
        Some(kind @ (NameKind::Conversation | NameKind::Trunk)) => several(names, kind, value),
        Some(kind) => push(names, kind, Place::Query, value),
        None if fold(name).eq(*b"conversationids") || (analytics && name == b"id") => {
            several(names, NameKind::Conversation, value);
        }
        None => {}
    }
}

/// UUIDs hold no comma: a list of them has one name each.
fn several(names: &mut Vec<Name>, kind: NameKind, value: &[u8]) {
    for one in value.split(|byte| *byte == b',') {
        push(names, kind, Place::Query, one.trim_ascii());
    }
}

/// Takes down a name that says something, once.
pub(super) fn push(names: &mut Vec<Name>, kind: NameKind, place: Place, value: &[u8]) {
    let known = |name: &Name| name.kind == kind && name.place == place && *name.value == *value;
    if !matches!(value, b"" | b"-") && !names.iter().any(known) {
        names.push(Name { kind, place, value: value.into() });
    }
}

/// Percent-decodes `text` once (RFC 3986 §2.1); a `%` without two hexadecimal digits behind it stays.
pub(super) fn percent_decode(text: &[u8]) -> Cow<'_, [u8]> {
    if memchr(b'%', text).is_none() {
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

    #[test]
    fn the_words_are_in_order() {
        assert!(WORDS.is_sorted());
        assert!(WORDS.iter().all(|word| word.len() <= LONGEST));
    }

    fn targets(paths: &[&str]) -> (Targets, Table) {
        let log = crate::settings::AccessLog {
            recording_paths: paths.iter().map(|path| (*path).to_owned()).collect(),
            ..Default::default()
        };
        let settings = Settings { access_logs: vec![log], ..Settings::default() };
        (Targets::new(&settings, "a.log"), Table::new(&settings, "a.log"))
    }

    #[track_caller]
    fn about(target: &str, expected: Audience) {
        assert_eq!(targets(&[]).0.audience(target.as_bytes()), expected, "{target}");
    }

    #[test]
    fn a_recording_or_its_media_hands_out_audio() {
        for target in [
            "/api/v2/conversations/c1/recordings/r1",
            "/api/v2/conversations/c1/recordings/r1?formatId=WAV&download=true",
            "https://api.mypurecloud.com/api/v2/conversations/c1/recordings/r1#x",
            "/API/V2/Conversations/c1/Recordings/r1/media",
            "/api/v2/conversations/c1//recordings//r1/",
            "/api/v2/conversations/c1/%72ecordings/r1",
            "/recordings/abc%2Fdef@host/play/file.wav",
            "/recordings/abc",
            "/api/v2/orphanrecordings/o1/media",
        ] {
            about(target, Audience::RecordingMedia);
        }
    }

    #[test]
    fn lists_metadata_settings_annotations_and_screens_do_not() {
        for target in ["/api/v2/conversations/c1/recordings", "/api/v2/recordings?pageSize=25", "/v2/recordings/", "recordings"] {
            about(target, Audience::RecordingList);
        }
        for target in [
            "/api/v2/conversations/c1/recordings/r1/annotations",
            "/api/v2/conversations/c1/recordings/r1/annotations/a1",
            "/api/v2/conversations/c1/recordingmetadata",
            "/api/v2/conversations/c1/recordingmetadata/r1",
            "/api/v2/recordings/screensessions",
            "/api/v2/recordings/screensessions/s1",
            "/api/v2/recordings/retention/query",
            "/api/v2/recordings/deletionprotection",
            "/api/v2/recording/jobs/j1",
            "/api/v2/recording/batchrequests/b1",
            "/api/v2/recording/settings",
            "/api/v2/orphanrecordings",
            "/api/v2/orphanrecordings/o1",
            "/api/v2/orphanrecordings/recordings/media",
            "/api/v2/userrecordings/u1",
            "/api/v2/userrecordings/u1/recordings/r1",
            "/screensessions",
        ] {
            about(target, Audience::Recording);
        }
    }

    #[test]
    fn other_requests_are_none() {
        for target in [
            "/", "", "*", "/api/v2/conversations/c1", "/api/v2/recordingsx", "/?x=/recordings/", "/a?u=/recordings/1#/recordings",
            "http://recordings", "http://recordings/x", "api.example:443", "/precording/s", "/api/v2/recordin%67x", "/re%63ordin",
            "/api/v2/conversations/calls/c1/participants/p1/snippet/record", "/a#/recordings/x", "/%2frecordings",
        ] {
            about(target, Audience::Other);
        }
    }

    #[test]
    fn configured_paths_are_recording_requests_that_never_serve() {
        let (targets, _) = targets(&["/internal/rec/*", "/x/recordings/*"]);
        for target in ["/internal/rec/a/b?c", "https://h/internal/rec/", "/internal/%72ec/1", "/x/recordings/1"] {
            assert_eq!(targets.audience(target.as_bytes()), Audience::Recording, "{target}");
        }
        assert_eq!(targets.audience(b"/internal/rec"), Audience::Other);
        assert_eq!(targets.audience(b"/y/recordings/1"), Audience::RecordingMedia);
    }

    #[track_caller]
    fn names(target: &str, expected: &[(NameKind, Place, &str)]) {
        let (targets, table) = targets(&["/internal/rec/*/x"]);
        let names = targets.names(target.as_bytes(), &table);
        let names: Vec<_> = names.iter().map(|name| (name.kind, name.place, String::from_utf8_lossy(&name.value))).collect();
        let names: Vec<_> = names.iter().map(|(kind, place, value)| (*kind, *place, value.as_ref())).collect();
        assert_eq!(names, expected, "{target}");
    }

    #[test]
    fn path_segments_that_are_no_words_name_something() {
        use NameKind::{Conversation, Segment};
        names("/api/v2/recordings?pageSize=25", &[]);
        names("/internal/rec/a-1/x", &[(Segment, Place::Path, "a-1")]);
        names(
            "/api/v2/conversations/C-1/recordings/r1/annotations/7",
            &[(Conversation, Place::Path, "C-1"), (Segment, Place::Path, "r1"), (Segment, Place::Path, "7")],
        );
        names("/api/v2/conversations/calls/C-1/recordings", &[(Conversation, Place::Path, "C-1")]);
        names("/recordings/a%2Fb%2540c+d@h", &[(Segment, Place::Path, "a/b%40c+d@h")]);
        names("/recordings/a%zz%4", &[(Segment, Place::Path, "a%zz%4")]);
    }

    #[test]
    fn parameters_and_filters_name_by_their_own_names() {
        use NameKind::{CallId, Conversation, Trunk};
        for name in ["callId", "call_id", "sipCallId", "Call-ID", "X-Call-ID", "protocolCallId", "sip_call_id"] {
            names(&format!("/recordings?a=b&{name}=a%40b:c"), &[(CallId, Place::Query, "a@b:c")]);
            names(&format!("/recordings?filter={name}:a%40b:c,d"), &[(CallId, Place::Query, "a@b:c,d")]);
            names(&format!("/recordings?filter={name}%3Aa%2540b"), &[(CallId, Place::Query, "a%40b")]);
            names(&format!("/recordings?filter[{name}]=x"), &[(CallId, Place::Query, "x")]);
        }
        names(
            "/recordings?filter=trunkId:t1,callId:a+b&filter=conversationId:c1&callId=",
            &[(Trunk, Place::Query, "t1"), (CallId, Place::Query, "a+b"), (Conversation, Place::Query, "c1")],
        );
        names("/recordings?trunk_id=t1&x-inin-cnv=c1", &[(Trunk, Place::Query, "t1"), (Conversation, Place::Query, "c1")]);
        names("/recordings?id=1&name=callId", &[]);
        names(
            "/api/v2/analytics/conversations/details?id=c1,c2",
            &[(Conversation, Place::Query, "c1"), (Conversation, Place::Query, "c2")],
        );
    }
}
