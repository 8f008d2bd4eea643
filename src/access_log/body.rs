//! What logged bodies say: which conversations a request names, what an answer refuses or hands out.
//!
//! A body counts only where it is JSON; of one that was cut only the error code does. A batch of recordings names its
//! conversations in the body of its request, and a batch job that is done may hide errors in an answer of status 200
//! (`results[].errorMsg`).

use crate::evidence::Timestamp;
use crate::facts::{BatchError, ErrorParam, Name, NameKind, Place};

use super::fields::{Fields, Known, Table};
use super::json::{self, Keys, Scalar, Sink, last_key};
use super::target;

/// Errors of one batch that are kept.
const ERRORS: usize = 256;

/// Names that the bodies of one request may give.
const NAMES: usize = 1_024;

/// What the bodies of one request say.
#[derive(Debug, Default)]
pub(super) struct Said {
    pub(super) error_code: Option<Box<[u8]>>,
    pub(super) correlation_id: Option<Box<[u8]>>,
    pub(super) error_params: Vec<ErrorParam>,
    pub(super) has_media_uri: bool,
    /// Whether an answer says that what it hands out is no call audio, also one that was cut.
    pub(super) no_audio: bool,
    /// When the recordings of call audio that an answer describes began and ended, and whether it hands out where their
    /// media are.
    pub(super) recorded: Vec<(Timestamp, Timestamp, bool)>,
    /// The conversations whose call audio answers say they hand out or describe; see [`Handed`].
    pub(super) handed: Handed,
    /// The identifiers that they name.
    pub(super) names: Vec<Name<'static>>,
    /// What a batch says went wrong.
    pub(super) batch_errors: Vec<BatchError>,
}

impl Said {
    /// Adds what the body of an answer says.
    pub(super) fn response(&mut self, text: &[u8], table: &Table) {
        if !is_json(text) {
            return;
        }
        let (mut fields, mut seen) = (Fields::default(), Vec::new());
        let whole = Known::below(b"body").collect(text, table, &mut fields, &mut seen).is_some();
        self.has_media_uri |= whole && fields.media_uris > 0;
        self.no_audio |= fields.no_audio;
        self.recorded.extend(recorded(&fields));
        self.handed.add(&fields);
        self.error_params.extend(error_params(&fields));
        self.correlation_id = self.correlation_id.take().or_else(|| fields.correlation_id().map(owned));
        self.error_code = self.error_code.take().or_else(|| fields.error_code().map(owned));
        if memchr::memmem::find(text, b"errorMsg").is_some() || memchr::memmem::find(text, b"resultUrl").is_some() {
            let mut batch = Batch { open: Vec::new(), said: self };
            // A batch that breaks off says what it said before.
            let _broken = json::walk(text, &mut Keys::new(), &mut batch);
        }
    }

    /// Adds what the body of a request names.
    pub(super) fn request(&mut self, text: &[u8], table: &Table) {
        let (mut fields, mut seen) = (Fields::default(), Vec::new());
        if is_json(text) && Known::below(b"request_body").collect(text, table, &mut fields, &mut seen).is_some() {
            for (kind, value) in fields.names.iter().take(NAMES) {
                target::push(&mut self.names, *kind, Place::Body, value.value().into_owned().into());
            }
        } else {
            self.written(text);
        }
    }

    /// Adds the conversations of a body that is no JSON, such as one that Python wrote: `'conversationId': '…'`.
    fn written(&mut self, text: &[u8]) {
        for key in [&b"conversationId"[..], b"conversation_id"] {
            for at in memchr::memmem::find_iter(text, key).take(NAMES) {
                let rest = text.get(at + key.len()..).unwrap_or_default();
                let skipped = rest.iter().take_while(|byte| matches!(byte, b'\'' | b'"' | b':' | b'=' | b' ')).count();
                let rest = rest.get(skipped..).unwrap_or_default();
                let length = rest.iter().take_while(|byte| byte.is_ascii_hexdigit() || **byte == b'-').count();
                if length == 36 {
                    let id = rest.get(..length).unwrap_or_default();
                    target::push(&mut self.names, NameKind::Conversation, Place::Body, id.to_owned().into());
                }
            }
        }
    }
}

fn is_json(text: &[u8]) -> bool {
    matches!(text.trim_ascii_start(), [b'{' | b'[', ..])
}

fn owned(value: Scalar<'_>) -> Box<[u8]> {
    value.value().into()
}

pub(super) fn error_params<'f>(fields: &'f Fields<'_>) -> impl Iterator<Item = ErrorParam> + use<'f> {
    fields.params.iter().map(|(name, value)| ErrorParam { name: name.clone(), value: owned(*value) })
}

/// When the recordings that an answer describes began and ended; what is no time, or no span, is left out.
pub(super) fn recorded(fields: &Fields<'_>) -> impl Iterator<Item = (Timestamp, Timestamp, bool)> {
    let instant = |value: Scalar<'_>| {
        let at: jiff::Timestamp = std::str::from_utf8(&value.value()).ok()?.trim().parse().ok()?;
        Some(Timestamp::new(i64::try_from(at.as_nanosecond()).ok()?, 9))
    };
    fields.recorded.iter().filter_map(move |recorded| {
        let (from, until) = (instant(recorded.from)?, instant(recorded.until)?);
        (from.ns <= until.ns).then_some((from, until, recorded.has_media_uri))
    })
}

/// The conversations that answers say the recordings are of whose media URIs they hand out, or, of one that hands out none,
/// those that it describes.
#[derive(Debug, Default)]
pub(super) struct Handed {
    conversations: Vec<Box<[u8]>>,
    /// Whether any is handed out of which it is not said.
    is_unsaid: bool,
}

impl Handed {
    /// Adds those of an answer.
    pub(super) fn add(&mut self, fields: &Fields<'_>) {
        self.is_unsaid |= !fields.are_attributed();
        let items = fields.items.iter().filter(|item| item.has_media_uri == (fields.media_uris > 0));
        self.conversations.extend(items.map(|item| owned(item.conversation)));
    }

    /// Each once; none where it is not said of all.
    pub(super) fn all(mut self) -> Box<[Box<[u8]>]> {
        if self.is_unsaid {
            return Box::default();
        }
        self.conversations.sort_unstable();
        self.conversations.dedup();
        self.conversations.into()
    }
}

/// Reads the results of a batch: every object with a conversation and a result or an error.
struct Batch<'s> {
    open: Vec<BatchResult>,
    said: &'s mut Said,
}

#[derive(Default)]
struct BatchResult {
    conversation: Option<Box<[u8]>>,
    recording: Option<Box<[u8]>>,
    message: Option<Box<[u8]>>,
    has_url: bool,
}

impl<'a> Sink<'a> for Batch<'_> {
    fn enter(&mut self) {
        self.open.push(BatchResult::default());
    }

    fn leave(&mut self) {
        let Some(BatchResult { conversation: Some(conversation), recording, message, has_url }) = self.open.pop()
        else {
            return;
        };
        if !has_url && message.is_none() {
            return;
        }
        if self.said.names.len() < NAMES {
            target::push(&mut self.said.names, NameKind::Conversation, Place::Body, conversation.to_vec().into());
        }
        if let Some(message) = message
            && self.said.batch_errors.len() < ERRORS
        {
            self.said.batch_errors.push(BatchError { conversation, recording, message });
        }
    }

    fn scalar(&mut self, keys: &Keys, place: json::Place, value: Scalar<'a>, _at: usize) {
        let Some(result) = self.open.last_mut() else { return };
        if value.text.is_empty() {
            return;
        }
        match last_key(keys.path(place.key)) {
            b"conversationid" => result.conversation = Some(owned(value)),
            b"recordingid" => result.recording = Some(owned(value)),
            b"errormsg" => result.message = Some(owned(value)),
            b"resulturl" => result.has_url = true,
            _ => {}
        }
    }
}

/// The bytes that `text` holds in Base64 (RFC 4648), with or without padding, also in the alphabet for URLs; `None` where
/// it is none. Line ends count for nothing.
pub(super) fn base64(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    let (mut word, mut bits) = (0_u32, 0_u32);
    let text = text.trim_ascii_end();
    let end = text.iter().rposition(|byte| *byte != b'=').map_or(0, |last| last + 1);
    for byte in text.get(..end)? {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            b'\r' | b'\n' => continue,
            _ => return None,
        };
        word = (word << 6 | u32::from(value)) & 0xff_ffff;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            // The byte above the bits that are left.
            out.push((word >> bits) as u8);
        }
    }
    (bits < 6).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;

    fn said(request: &str, response: &str) -> Said {
        let table = Table::new(&Settings::default(), "a.har");
        let mut said = Said::default();
        said.request(request.as_bytes(), &table);
        said.response(response.as_bytes(), &table);
        said
    }

    fn names(said: &Said) -> Vec<String> {
        said.names.iter().map(|name| String::from_utf8_lossy(&name.value).into_owned()).collect()
    }

    const ONE: &str = "11111111-1111-4111-8111-111111111111";
    const TWO: &str = "22222222-2222-4222-8222-222222222222";

    #[test]
    fn a_batch_names_its_conversations() {
        let list = format!(
            "{{\"batchDownloadRequestList\":[{{\"conversationId\":\"{ONE}\",\"recordingId\":\"r\"}},{{\"conversationId\":\"{TWO}\"}}]}}"
        );
        assert_eq!(names(&said(&list, "")), [ONE, TWO]);
        // As Python writes it.
        let written = list.replace('"', "'");
        assert_eq!(names(&said(&written, "")), [ONE, TWO]);
        assert_eq!(names(&said("'conversationId': 'x'", "")), [""; 0]);
    }

    #[test]
    fn a_job_that_is_done_says_what_went_wrong() {
        let said = said(
            "",
            &format!(
                "{{\"jobId\":\"j\",\"errorCount\":1,\"results\":[{{\"conversationId\":\"{ONE}\",\"recordingId\":\"r1\",\
                 \"resultUrl\":\"https://media/x?Signature=s\",\"errorMsg\":\"\"}},{{\"conversationId\":\"{TWO}\",\
                 \"recordingId\":\"r2\",\"errorMsg\":\"Forbidden\"}}]}}"
            ),
        );
        assert_eq!(names(&said), [ONE, TWO]);
        let error = BatchError {
            conversation: TWO.as_bytes().into(),
            recording: Some(b"r2"[..].into()),
            message: b"Forbidden"[..].into(),
        };
        assert_eq!(said.batch_errors, [error]);
        assert!(!said.has_media_uri);
    }

    #[test]
    fn base64_is_read_in_its_spellings() {
        for (text, expected) in [
            ("", Some("")),
            ("eyJhIjoxfQ==", Some("{\"a\":1}")),
            ("eyJhIjoxfQ", Some("{\"a\":1}")),
            ("eyJh\r\nIjoxfQ==\n", Some("{\"a\":1}")),
            ("Zm9v", Some("foo")),
            ("Z", None),
            ("{\"a\":1}", None),
        ] {
            assert_eq!(base64(text.as_bytes()).as_deref(), expected.map(str::as_bytes), "{text}");
        }
        assert_eq!(base64(b"_-8"), base64(b"/+8="));
    }
}
