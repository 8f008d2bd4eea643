//! Recordings and their metadata, as `…/recordings` and `…/recordingmetadata` list them.
//!
//! The models Recording and RecordingMetadata of the platform's SDK. Media URIs, which are signed, are never looked at.

use serde_json::Value;

use super::json::{field, text};
use super::time::Times;
use crate::evidence::Locus;
use crate::facts::Recording;

/// Whether an object looks like one.
pub(super) fn is_one(value: &Value) -> bool {
    let told = ["media", "mediasubtype", "filestate", "recordingfilerole", "mediauris"];
    field(value, "conversationid").is_some()
        && field(value, "id").is_some()
        && told.iter().any(|name| field(value, name).is_some())
}

/// Reads one; `None` where it names no recording or no conversation.
pub(super) fn read(value: &Value, locus: Locus, times: &mut Times<'_>) -> Option<Recording> {
    let mut time = |name| text(value, name).and_then(|text| times.instant(&text));
    let is = |name: &str, word: &str| text(value, name).is_some_and(|text| text.eq_ignore_ascii_case(word.as_bytes()));
    Some(Recording {
        locus,
        id: text(value, "id")?,
        conversation: text(value, "conversationid")?,
        // A call's audio is `audio` or, by its subtype, of the trunk, the station or a consultation.
        audio: text(value, "media").map_or(!is("mediasubtype", "Screen"), |_| is("media", "audio")),
        times: time("starttime").zip(time("endtime")).filter(|(start, end)| start <= end),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::SourceId;
    use crate::settings::{Settings, SourceZone};
    use serde_json::json;

    fn read_utc(value: &Value, locus: Locus) -> Option<Recording> {
        let zone = SourceZone::new(&Settings::default(), "a.json");
        read(value, locus, &mut Times::new(&zone))
    }

    #[test]
    fn audio_is_told_from_the_rest() {
        let locus = Locus { source: SourceId(0), record: 1 };
        for (value, audio) in [
            (json!({"media": "audio"}), true),
            (json!({"media": "audio", "mediaSubtype": "Trunk"}), true),
            (json!({"mediaSubtype": "Station"}), true),
            (json!({"media": "screen", "mediaSubtype": "Screen"}), false),
            (json!({"mediaSubtype": "Screen"}), false),
            (json!({"media": "email"}), false),
        ] {
            let mut value = value;
            value["id"] = json!("r");
            value["conversationId"] = json!("c");
            value["startTime"] = json!("2026-03-02T10:00:02.000Z");
            value["endTime"] = json!("2026-03-02T10:00:01.000Z");
            value["mediaUris"] = json!({"0": {"mediaUri": "https://host/secret"}});
            assert!(is_one(&value));
            let read = read_utc(&value, locus).expect("one");
            assert_eq!((read.audio, read.times), (audio, None), "{value}");
            assert!(!format!("{read:?}").contains("secret"));
        }
        assert!(!is_one(&json!({"id": "r", "conversationId": "c"})));
    }
}
