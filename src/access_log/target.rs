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

use memchr::{memchr, memchr_iter, memmem};

use crate::facts::{Audience, Name, NameKind, Place};
use crate::http::{path_and_query, percent_decode};
use crate::settings::Settings;

use super::fields::{Table, configured};
use super::json::fold;
use super::scan::may_name_recordings;
use crate::settings::pattern;

/// What a word of a path means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word {
    Analytics,
    /// What may stand below a recording and lead to its audio.
    Audio,
    Conversations,
    /// A collection below `conversations`: the conversation stands behind it.
    Kind,
    Media,
    /// What may stand behind `recordings` or below a recording without being the recording or its audio.
    NoAudio,
    OrphanRecordings,
    /// A word that names nothing and means nothing here.
    Plain,
    Recording,
    RecordingMetadata,
    Recordings,
    ScreenSessions,
    /// A collection whose members are neither calls nor conversations: jobs, policies, reports.
    Things,
    UserRecordings,
}

impl Word {
    /// Whether what stands behind it is by the API's own grammar no call and no conversation.
    const fn holds_other_things(self) -> bool {
        matches!(self, Self::OrphanRecordings | Self::ScreenSessions | Self::Things | Self::UserRecordings)
    }

    /// Whether it makes a recording request.
    const fn is_recording(self) -> bool {
        use Word::{OrphanRecordings, Recording, RecordingMetadata, Recordings, ScreenSessions, UserRecordings};
        matches!(self, OrphanRecordings | Recording | RecordingMetadata | Recordings | ScreenSessions | UserRecordings)
    }
}

/// The words of the platform's paths (its SDK, release 257), in lower case, and of gateways before it: by their length,
/// then by their letters, for a segment is mostly told by its length to be none.
const WORDS: [(&[u8], Word); 155] = [
    (b"me", Word::Plain),
    (b"all", Word::NoAudio),
    (b"api", Word::Plain),
    (b"ogg", Word::Audio),
    (b"raw", Word::Audio),
    (b"rec", Word::Plain),
    (b"tag", Word::NoAudio),
    (b"wav", Word::Audio),
    (b"apis", Word::Plain),
    (b"blob", Word::Audio),
    (b"bulk", Word::Plain),
    (b"data", Word::Audio),
    (b"file", Word::Audio),
    (b"find", Word::NoAudio),
    (b"info", Word::NoAudio),
    (b"jobs", Word::Things),
    (b"list", Word::Plain),
    (b"logs", Word::NoAudio),
    (b"meta", Word::NoAudio),
    (b"null", Word::NoAudio),
    (b"opus", Word::Audio),
    (b"part", Word::Audio),
    (b"pcap", Word::Plain),
    (b"ping", Word::NoAudio),
    (b"play", Word::Audio),
    (b"rest", Word::Plain),
    (b"tags", Word::NoAudio),
    (b"webm", Word::Audio),
    (b"audio", Word::Audio),
    (b"audit", Word::NoAudio),
    (b"batch", Word::Plain),
    (b"calls", Word::Kind),
    (b"chats", Word::Kind),
    (b"count", Word::NoAudio),
    (b"edges", Word::Plain),
    (b"files", Word::Audio),
    (b"flags", Word::NoAudio),
    (b"index", Word::NoAudio),
    (b"media", Word::Media),
    (b"notes", Word::NoAudio),
    (b"parts", Word::Audio),
    (b"proxy", Word::Plain),
    (b"query", Word::NoAudio),
    (b"state", Word::NoAudio),
    (b"stats", Word::NoAudio),
    (b"token", Word::Plain),
    (b"track", Word::Audio),
    (b"users", Word::Plain),
    (b"video", Word::NoAudio),
    (b"words", Word::NoAudio),
    (b"audits", Word::Plain),
    (b"binary", Word::Audio),
    (b"config", Word::NoAudio),
    (b"emails", Word::Kind),
    (b"events", Word::NoAudio),
    (b"exists", Word::NoAudio),
    (b"export", Word::Audio),
    (b"filter", Word::NoAudio),
    (b"health", Word::NoAudio),
    (b"labels", Word::NoAudio),
    (b"listen", Word::Audio),
    (b"lookup", Word::NoAudio),
    (b"policy", Word::NoAudio),
    (b"public", Word::Plain),
    (b"recent", Word::NoAudio),
    (b"record", Word::Plain),
    (b"schema", Word::NoAudio),
    (b"scores", Word::NoAudio),
    (b"screen", Word::Plain),
    (b"search", Word::NoAudio),
    (b"status", Word::NoAudio),
    (b"stream", Word::Audio),
    (b"topics", Word::NoAudio),
    (b"tracks", Word::Audio),
    (b"trunks", Word::Plain),
    (b"videos", Word::Kind),
    (b"channel", Word::Audio),
    (b"comment", Word::NoAudio),
    (b"content", Word::Audio),
    (b"details", Word::NoAudio),
    (b"gateway", Word::Plain),
    (b"genesys", Word::Plain),
    (b"history", Word::NoAudio),
    (b"quality", Word::Plain),
    (b"reports", Word::Things),
    (b"segment", Word::Audio),
    (b"snippet", Word::Audio),
    (b"socials", Word::Kind),
    (b"summary", Word::NoAudio),
    (b"uploads", Word::Plain),
    (b"version", Word::NoAudio),
    (b"channels", Word::Audio),
    (b"cobrowse", Word::Plain),
    (b"comments", Word::NoAudio),
    (b"download", Word::Audio),
    (b"internal", Word::Plain),
    (b"messages", Word::Kind),
    (b"metadata", Word::NoAudio),
    (b"original", Word::Audio),
    (b"platform", Word::Plain),
    (b"playback", Word::Audio),
    (b"policies", Word::NoAudio),
    (b"segments", Word::Audio),
    (b"settings", Word::NoAudio),
    (b"snippets", Word::Audio),
    (b"speakers", Word::NoAudio),
    (b"versions", Word::NoAudio),
    (b"waveform", Word::NoAudio),
    (b"analytics", Word::Analytics),
    (b"callbacks", Word::Kind),
    (b"downloads", Word::Audio),
    (b"localkeys", Word::Plain),
    (b"providers", Word::Plain),
    (b"recording", Word::Recording),
    (b"retention", Word::NoAudio),
    (b"sentiment", Word::NoAudio),
    (b"siptraces", Word::Plain),
    (b"telephony", Word::Plain),
    (b"thumbnail", Word::NoAudio),
    (b"undefined", Word::NoAudio),
    (b"permission", Word::NoAudio),
    (b"properties", Word::NoAudio),
    (b"recordings", Word::Recordings),
    (b"retentions", Word::NoAudio),
    (b"statistics", Word::NoAudio),
    (b"transcript", Word::NoAudio),
    (b"acknowledge", Word::NoAudio),
    (b"annotations", Word::NoAudio),
    (b"evaluations", Word::Plain),
    (b"permissions", Word::NoAudio),
    (b"transcoding", Word::NoAudio),
    (b"transcripts", Word::NoAudio),
    (b"conversation", Word::Conversations),
    (b"participants", Word::Plain),
    (b"screenshares", Word::Kind),
    (b"batchrequests", Word::Things),
    (b"configuration", Word::NoAudio),
    (b"conversations", Word::Conversations),
    (b"crossplatform", Word::Plain),
    (b"recordingkeys", Word::Plain),
    (b"transcription", Word::NoAudio),
    (b"communications", Word::Plain),
    (b"recordingstate", Word::Plain),
    (b"screensessions", Word::ScreenSessions),
    (b"userrecordings", Word::UserRecordings),
    (b"screenrecording", Word::Plain),
    (b"cobrowsesessions", Word::Kind),
    (b"failedrecordings", Word::Plain),
    (b"orphanrecordings", Word::OrphanRecordings),
    (b"rotationschedule", Word::Plain),
    (b"screenrecordings", Word::Plain),
    (b"keyconfigurations", Word::Things),
    (b"recordingmetadata", Word::RecordingMetadata),
    (b"deletionprotection", Word::NoAudio),
    (b"mediaretentionpolicies", Word::Things),
];

/// What a segment in lower case means.
fn word(segment: &[u8]) -> Option<Word> {
    if let [b'v', digits @ ..] = segment
        && digits.len() < 4
        && digits.iter().all(u8::is_ascii_digit)
    {
        return Some(Word::Plain);
    }
    let place =
        WORDS.binary_search_by(|(word, _)| word.len().cmp(&segment.len()).then_with(|| (*word).cmp(segment))).ok()?;
    WORDS.get(place).map(|(_, word)| *word)
}

/// Bytes of the longest of those words.
const LONGEST_OF_WORDS: usize = WORDS[WORDS.len() - 1].0.len();

/// Bytes of the longest word looked for, configured ones too.
const LONGEST: usize = 48;

/// A segment of a path, percent-decoded once.
struct Segment<'t> {
    text: Cow<'t, [u8]>,
    word: Option<Word>,
}

/// What the targets of one log are judged by.
#[derive(Clone, Debug)]
pub(super) struct Targets {
    /// Configured recording paths.
    paths: Vec<String>,
    /// The longest run of each without `*`: a target that holds none of them, and no escape, is none of these paths.
    needles: Vec<memmem::Finder<'static>>,
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
        let longest = |path: &String| path.split('*').max_by_key(|run| run.len()).unwrap_or_default().to_owned();
        let needles = paths.iter().map(|path| memmem::Finder::new(&longest(path)).into_owned()).collect();
        Self { paths, needles, words }
    }

    /// Whether `target`, which may have more around it, could be about a recording. Tells most that are not at a glance.
    pub(super) fn may_be_recording(&self, target: &[u8]) -> bool {
        may_name_recordings(target) || self.needles.iter().any(|needle| needle.find(target).is_some())
    }

    /// Whether the site has recording paths of its own.
    pub(super) fn are_configured(&self) -> bool {
        !self.paths.is_empty()
    }

    /// What `target` is about, and every identifier it names, in the order they stand. `None` where it is about no
    /// recording.
    pub(super) fn about<'t>(&self, target: &'t [u8], table: &Table) -> Option<(Audience, Vec<Name<'t>>)> {
        if !self.may_be_recording(target) {
            return None;
        }
        let (path, query) = path_and_query(target);
        let segments = self.segments(path);
        let audience = if self.is_configured(path) { Audience::Recording } else { judge(&segments)? };
        Some((audience, names(&segments, query, table)))
    }

    fn is_configured(&self, path: &[u8]) -> bool {
        if self.paths.is_empty() {
            return false;
        }
        let decoded = percent_decode(path);
        self.paths
            .iter()
            .any(|pattern| pattern::fits(pattern.as_bytes(), path) || pattern::fits(pattern.as_bytes(), &decoded))
    }

    /// The segments of a path that are not empty.
    fn segments<'t>(&self, path: &'t [u8]) -> Vec<Segment<'t>> {
        let mut segments = Vec::with_capacity(8);
        let is_encoded = memchr(b'%', path).is_some();
        let mut start = 0;
        for end in memchr_iter(b'/', path).chain([path.len()]) {
            let raw = path.get(start..end).unwrap_or_default();
            start = end + 1;
            if !raw.is_empty() {
                let text = if is_encoded { percent_decode(raw) } else { Cow::Borrowed(raw) };
                segments.push(Segment { word: self.word(&text), text });
            }
        }
        segments
    }

    fn word(&self, segment: &[u8]) -> Option<Word> {
        if segment.len() > LONGEST_OF_WORDS && self.words.is_empty() {
            return None;
        }
        let mut lower = [0; LONGEST];
        let lower = lower.get_mut(..segment.len())?;
        lower.copy_from_slice(segment);
        lower.make_ascii_lowercase();
        word(lower).or_else(|| self.words.iter().any(|word| *word == *lower).then_some(Word::Plain))
    }
}

/// Whether a segment says that what it leads to is a screen's: `screen`, `screens`, `screenrecordings`, `screen.webm`. A
/// Call-ID with a host is none of these words.
fn is_screen(segment: &Segment<'_>) -> bool {
    const SCREEN: &[u8] = b"screen";
    let head = segment.text.get(..SCREEN.len());
    head.is_some_and(|head| head.eq_ignore_ascii_case(SCREEN)) && memchr(b'@', &segment.text).is_none()
}

/// What a path is about; `None` where that is no recording.
fn judge(segments: &[Segment<'_>]) -> Option<Audience> {
    let words = || segments.iter().map(|segment| segment.word);
    let has = |wanted: Word| words().any(|word| word == Some(wanted));
    if !words().flatten().any(Word::is_recording) {
        return None;
    }
    if segments.iter().any(is_screen) || has(Word::RecordingMetadata) || has(Word::UserRecordings) {
        return Some(Audience::Recording);
    }
    let below = |wanted: Word| {
        let at = words().position(|word| word == Some(wanted))?;
        segments.get(at + 1..)
    };
    Some(match (below(Word::OrphanRecordings), below(Word::Recordings)) {
        (Some([orphan, media]), _)
            if media.word == Some(Word::Media) && !orphan.word.is_some_and(Word::is_recording) =>
        {
            Audience::RecordingMedia
        }
        (Some(_), _) | (None, None) => Audience::Recording,
        (None, Some([])) => Audience::RecordingList,
        (None, Some(below)) => {
            if leads_to_audio(below) {
                Audience::RecordingMedia
            } else {
                Audience::Recording
            }
        }
    })
}

/// Whether what stands behind `recordings` leads to one recording or its audio. Words alone (`…/recordings/jobs`) name no
/// recording, and neither do blanks and marks. Below the recording nothing counts but words of audio, further identifiers
/// and files that may be audio: what else an API hands out there is endless.
fn leads_to_audio(below: &[Segment<'_>]) -> bool {
    let mut is_named = false;
    below.iter().all(|segment| match segment.word {
        Some(Word::Audio | Word::Media) => true,
        Some(Word::Plain | Word::Kind | Word::Conversations) => !is_named,
        Some(_) => false,
        None => {
            let ending = ending(&segment.text);
            let may_be_below = matches!(ending, Ending::Audio)
                || segment.text.iter().any(|byte| byte.is_ascii_digit() || *byte == b'@');
            let is_one = segment.text.iter().any(u8::is_ascii_alphanumeric) && !matches!(ending, Ending::Other);
            is_one && (!std::mem::replace(&mut is_named, true) || may_be_below)
        }
    }) && is_named
}

/// What the ending of a name says of the file.
enum Ending {
    Audio,
    /// Another kind of file.
    Other,
    /// Nothing: there is none, or it may be a part of an identifier.
    None,
}

/// The endings of files that hold audio, in lower case.
const AUDIO_ENDINGS: [&str; 28] = [
    "aac", "aif", "aiff", "alaw", "amr", "au", "bin", "caf", "flac", "gsm", "gz", "m4a", "mka", "mp3", "mp4", "oga",
    "ogg", "opus", "pcm", "raw", "snd", "spx", "tar", "ulaw", "vox", "wav", "webm", "wma",
];

fn ending(name: &[u8]) -> Ending {
    let Some(dot) = memchr::memrchr(b'.', name).filter(|_| memchr(b'@', name).is_none()) else { return Ending::None };
    let ending = name.get(dot + 1..).unwrap_or_default();
    if AUDIO_ENDINGS.iter().any(|known| known.as_bytes().eq_ignore_ascii_case(ending)) {
        return Ending::Audio;
    }
    let is_other = (2..=4).contains(&ending.len()) && ending.iter().all(u8::is_ascii_alphabetic);
    if is_other { Ending::Other } else { Ending::None }
}

/// Whether a segment stands for any: `{conversationId}`, `{proxy+}`. An identifier in braces has digits.
fn is_template(segment: &[u8]) -> bool {
    let inner = segment.strip_prefix(b"{").and_then(|inner| inner.strip_suffix(b"}"));
    inner.is_some_and(|inner| inner.iter().all(|byte| byte.is_ascii_alphabetic() || matches!(byte, b'_' | b'+')))
}

/// Every identifier of a path and a query.
fn names<'t>(segments: &[Segment<'t>], query: &'t [u8], table: &Table) -> Vec<Name<'t>> {
    let mut names = Vec::new();
    let (mut conversation, mut other, mut analytics) = (false, false, false);
    for Segment { text, word } in segments {
        if word.is_none() && !is_template(text) {
            let kind = match (conversation, other) {
                (true, _) => NameKind::Conversation,
                (false, true) => NameKind::Other,
                (false, false) => NameKind::Segment,
            };
            push(&mut names, kind, Place::Path, text.clone());
        }
        other = word.is_some_and(Word::holds_other_things);
        conversation = *word == Some(Word::Conversations) || (conversation && *word == Some(Word::Kind));
        analytics |= *word == Some(Word::Analytics);
    }
    for written in query.split(|byte| *byte == b'&').filter(|written| !written.is_empty()) {
        let (name, value) = halves(written, b'=').unwrap_or((written, b""));
        let (name, value) = match memchr(b'%', written) {
            Some(_) => (percent_decode(name), percent_decode(value)),
            None => (Cow::Borrowed(name), Cow::Borrowed(value)),
        };
        match &value {
            Cow::Borrowed(value) => parameter(&mut names, table, (&name, *value), analytics, Cow::Borrowed),
            Cow::Owned(value) => {
                parameter(&mut names, table, (&name, value), analytics, |part| Cow::Owned(part.to_owned()));
            }
        }
    }
    names
}

/// Takes down what a parameter, decoded, names; `keep` makes a part of its value last.
fn parameter<'v, 't>(
    names: &mut Vec<Name<'t>>,
    table: &Table,
    (name, value): (&[u8], &'v [u8]),
    analytics: bool,
    keep: impl Fn(&'v [u8]) -> Cow<'t, [u8]>,
) {
    if name.eq_ignore_ascii_case(b"filter") || name.eq_ignore_ascii_case(b"filters") {
        for (name, value) in filters(value) {
            named(names, table, (name, value), analytics, &keep);
        }
    } else {
        // `filter[callId]=…`
        let inner = halves(name, b'[').and_then(|(_, inner)| inner.strip_suffix(b"]"));
        named(names, table, (inner.unwrap_or(name), value), analytics, &keep);
    }
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
        let named =
            next.iter().position(|byte| !(byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b' ')));
        if end < text.len() && named.is_none_or(|at| at == 0 || next.get(at) != Some(&b':')) {
            continue;
        }
        found.extend(halves(text.get(start..end).unwrap_or_default().trim_ascii(), b':'));
        start = end + 1;
    }
    found
}

/// Takes down what a parameter or a part of a filter names.
fn named<'v, 't>(
    names: &mut Vec<Name<'t>>,
    table: &Table,
    (name, value): (&[u8], &'v [u8]),
    analytics: bool,
    keep: impl Fn(&'v [u8]) -> Cow<'t, [u8]>,
) {
    let kind = match table.parameter(name) {
        Some(kind @ (NameKind::Conversation | NameKind::Trunk)) => kind,
        Some(kind) => return push(names, kind, Place::Query, keep(value)),
        None if fold(name).eq(*b"conversationids") || (analytics && name == b"id") => NameKind::Conversation,
        None => return,
    };
    // UUIDs hold no comma: a list of them has one name each.
    for one in value.split(|byte| *byte == b',') {
        push(names, kind, Place::Query, keep(one.trim_ascii()));
    }
}

/// Names of one request that are compared one by one.
pub(super) const FEW: usize = 64;

/// Takes down a name that says something, once; those beyond [`FEW`] are told apart when all are there.
pub(super) fn push<'t>(names: &mut Vec<Name<'t>>, kind: NameKind, place: Place, value: Cow<'t, [u8]>) {
    let known = |name: &Name<'_>| name.kind == kind && name.place == place && name.value == value;
    if !matches!(&*value, b"" | b"-") && !names.iter().take(FEW).any(known) {
        names.push(Name { kind, place, value });
    }
}

/// How the targets of a log are read whose recordings lie at these paths, too.
#[cfg(test)]
pub(super) fn targets(paths: &[&str]) -> (Targets, Table) {
    let log = crate::settings::AccessLog {
        recording_paths: paths.iter().map(|path| (*path).to_owned()).collect(),
        ..Default::default()
    };
    let settings = Settings { access_logs: vec![log], ..Settings::default() };
    (Targets::new(&settings, "a.log"), Table::new(&settings, "a.log"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn about(target: &str, expected: Audience) {
        let (targets, table) = targets(&[]);
        let audience = targets.about(target.as_bytes(), &table).map_or(Audience::Other, |(audience, _)| audience);
        assert_eq!(audience, expected, "{target}");
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
            "/recordings/screen1@host",
            "/api/v2/orphanrecordings/o1/media",
            "/gw/recordings/r1/download",
            "/gw/recordings/r1/Audio/r1.WAV",
            "/gw/recordings/r1/channels/0/wav",
            "/gw/recordings/r1.wav",
            "/gw/recordings/r1/left.mp3",
            "/gw/recordings/download/abc",
            "/gw/recordings/1700000000.42",
            "/gw/recordings/a@pbx.example.com",
            "/gw/recordings/2026/03/02/r1.ogg",
        ] {
            about(target, Audience::RecordingMedia);
        }
    }

    #[test]
    fn lists_metadata_settings_annotations_and_screens_do_not() {
        for target in
            ["/api/v2/conversations/c1/recordings", "/api/v2/recordings?pageSize=25", "/v2/recordings/", "recordings"]
        {
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
            "/gw/v1/recordings/jobs",
            "/recordings/export/",
            "/api/v2/recording/jobs/j1",
            "/api/v2/recording/batchrequests/b1",
            "/api/v2/recording/settings",
            "/api/v2/orphanrecordings",
            "/api/v2/orphanrecordings/o1",
            "/api/v2/orphanrecordings/recordings/media",
            "/api/v2/userrecordings/u1",
            "/api/v2/userrecordings/u1/recordings/r1",
            "/screensessions",
            "/api/v2/recordings/screen/0ec0de00-0000-4000-8000-000000000009",
            "/recordings/screens/r1",
            "/recordings/Screen-Recordings/r1",
            "/recordings/screenRecording/r1",
            "/gw/recordings/r1/screen",
            "/gw/recordings/r1/%73creen.webm",
            "/gw/recordings/r1/video",
            "/gw/screen/recordings/r1",
            "/api/v2/conversations/screenshares/c1/recordings/r1",
            "/gw/recordings/count",
            "/gw/recordings/status",
            "/gw/recordings/r1/status",
            "/gw/recordings/r1/transcoding",
            "/gw/recordings/r1/meta",
            "/gw/recordings/r1/comments",
            "/gw/recordings/r1/whatever",
            "/gw/recordings/r1/media/%6Deta",
            "/gw/recordings/r1/media/whatever",
            "/gw/recordings/r1/x.json",
            "/gw/recordings/r1/media/x1.png",
            "/gw/recordings/r1.json",
            "/gw/recordings/index.html",
            "/gw/recordings/jobs/j1",
            "/gw/recordings/undefined?callId=a",
            "/gw/recordings/permissions",
            "/gw/recordings/download",
            "/gw/recordings/%20",
            "/gw/recordings/-",
        ] {
            about(target, Audience::Recording);
        }
    }

    #[test]
    fn other_requests_are_none() {
        for target in [
            "/",
            "",
            "*",
            "/api/v2/conversations/c1",
            "/api/v2/recordingsx",
            "/?x=/recordings/",
            "/a?u=/recordings/1#/recordings",
            "http://recordings",
            "http://recordings/x",
            "api.example:443",
            "/precording/s",
            "/api/v2/recordin%67x",
            "/re%63ordin",
            "/api/v2/conversations/calls/c1/participants/p1/snippet/record",
            "/a#/recordings/x",
            "/%2frecordings",
        ] {
            about(target, Audience::Other);
        }
    }

    #[test]
    fn configured_paths_are_recording_requests_that_never_serve() {
        let (targets, table) = targets(&["/internal/rec/*", "/x/recordings/*"]);
        let audience = |target: &str| targets.about(target.as_bytes(), &table).map(|(audience, _)| audience);
        for target in ["/internal/rec/a/b?c", "https://h/internal/rec/", "/internal/%72ec/1", "/x/recordings/1"] {
            assert_eq!(audience(target), Some(Audience::Recording), "{target}");
        }
        assert_eq!(audience("/internal/rec"), None);
        for (path, fitting, other) in
            [("*", "/a", None), ("/a*bcd*", "/axbcd", Some("/bc")), ("*/x/", "/y/x/", Some("/x"))]
        {
            let (targets, table) = self::targets(&[path]);
            assert!(targets.about(fitting.as_bytes(), &table).is_some(), "{path}");
            assert!(other.is_none_or(|other| !targets.may_be_recording(other.as_bytes())), "{path}");
        }
        assert_eq!(audience("/y/recordings/1"), Some(Audience::RecordingMedia));
    }

    #[track_caller]
    fn names(target: &str, expected: &[(NameKind, Place, &str)]) {
        let (targets, table) = targets(&["/internal/rec/*/x"]);
        let (_, names) = targets.about(target.as_bytes(), &table).expect(target);
        let names: Vec<_> =
            names.iter().map(|name| (name.kind, name.place, String::from_utf8_lossy(&name.value))).collect();
        let names: Vec<_> = names.iter().map(|(kind, place, value)| (*kind, *place, value.as_ref())).collect();
        assert_eq!(names, expected, "{target}");
    }

    #[test]
    fn words_are_found_and_only_they() {
        for (text, meaning) in WORDS {
            assert!(text.len() <= LONGEST && text.iter().all(u8::is_ascii_lowercase));
            assert_eq!(word(text), Some(meaning), "{}", text.escape_ascii());
        }
        assert_eq!([&b"v"[..], b"v2", b"v999"].map(word), [Some(Word::Plain); 3]);
        assert_eq!([&b""[..], b"v1234", b"vx", b"recordingz", b"zzz", b"0"].map(word), [None; 6]);
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
        names("/api/v2/conversations/{conversationId}/recordings/{proxy+}", &[]);
        names("/recordings/{0ec0-de}", &[(Segment, Place::Path, "{0ec0-de}")]);
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
        names(
            "/recordings?trunk_id=t1&x-inin-cnv=c1",
            &[(Trunk, Place::Query, "t1"), (Conversation, Place::Query, "c1")],
        );
        names("/recordings?id=1&name=callId", &[]);
        names(
            "/api/v2/analytics/conversations/recordings?id=c1,c2",
            &[(Conversation, Place::Query, "c1"), (Conversation, Place::Query, "c2")],
        );
    }
}
