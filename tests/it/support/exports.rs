//! The platform's exports of a scene, in the platform's own fields.

use serde::Deserialize;
use serde_json::{Value, json};

use super::packet::Packet;
use super::scene::START_US;

/// One file of an export.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExportShape {
    pub(crate) file: String,
    /// `answer` (the API's own envelope), `array`, `lines`, or `single`: the first entry alone.
    #[serde(default = "answer")]
    layout: String,
    #[serde(default)]
    conversations: Vec<ConversationShape>,
    #[serde(default)]
    recordings: Vec<RecordingShape>,
    #[serde(default)]
    trunks: Vec<TrunkShape>,
    #[serde(default)]
    traces: Vec<TraceShape>,
    /// The whole text as it is to stand.
    text: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ConversationShape {
    id: String,
    #[serde(default)]
    call_ids: Vec<String>,
    recording: Option<bool>,
    #[serde(default)]
    divisions: Vec<String>,
    queue: Option<String>,
    agent: Option<String>,
    flow: Option<String>,
    start: Option<f64>,
    end: Option<f64>,
    /// So many of them, `{n}` in `id` and `call_ids` telling them apart.
    #[serde(default = "one")]
    count: u32,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RecordingShape {
    id: String,
    conversation: String,
    #[serde(default = "audio")]
    media: String,
    start: Option<f64>,
    end: Option<f64>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TrunkShape {
    id: String,
    name: String,
    #[serde(default = "carrier")]
    metabase: String,
    recording: Option<bool>,
    consent_required: Option<bool>,
    /// Makes it an instance of these base settings.
    base: Option<String>,
    registered: Option<bool>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TraceShape {
    /// The Call-ID whose messages are trace records.
    call_id: String,
    conversation: Option<String>,
    /// How far the platform's clock runs ahead.
    #[serde(default)]
    late: f64,
    /// The message that is cut at half of its length: a method or a status.
    cut: Option<String>,
}

fn answer() -> String {
    "answer".to_owned()
}
fn one() -> u32 {
    1
}
fn audio() -> String {
    "audio".to_owned()
}
fn carrier() -> String {
    "external_sip_pcv_byoc_carrier.json".to_owned()
}

/// A time as the platform writes it.
fn time(seconds: f64) -> String {
    #[expect(clippy::cast_possible_truncation, reason = "scenes last minutes")]
    let micros = START_US + (seconds * 1e6).round() as i64;
    let at = jiff::Timestamp::from_microsecond(micros).expect("a time in range");
    at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

/// An object without the fields that are not said.
fn said(mut value: Value) -> Value {
    if let Some(fields) = value.as_object_mut() {
        fields.retain(|_, value| !value.is_null() && value.as_array().is_none_or(|list| !list.is_empty()));
    }
    value
}

impl ExportShape {
    /// The bytes of the file. `packets` are all that happened, captured or not.
    pub(crate) fn bytes(&self, packets: &[Packet]) -> Vec<u8> {
        if let Some(text) = &self.text {
            return text.clone().into_bytes();
        }
        let mut entries: Vec<Value> = Vec::new();
        for shape in &self.conversations {
            entries.extend((0..shape.count).map(|number| shape.value(number)));
        }
        entries.extend(self.recordings.iter().map(RecordingShape::value));
        entries.extend(self.trunks.iter().map(TrunkShape::value));
        for shape in &self.traces {
            shape.records(packets, &mut entries);
        }
        let envelope = if !self.conversations.is_empty() {
            json!({"conversations": entries, "totalHits": entries.len()})
        } else if !self.traces.is_empty() {
            json!({"id": "1", "status": 200, "data": entries, "count": entries.len(), "selfUri": "/api/v2/telephony/siptraces"})
        } else {
            json!({"entities": entries, "pageSize": 25, "pageNumber": 1, "total": entries.len(), "pageCount": 1})
        };
        let text = match self.layout.as_str() {
            "answer" => serde_json::to_string_pretty(&envelope).expect("JSON"),
            "array" => serde_json::to_string(&entries).expect("JSON"),
            "lines" => entries.iter().map(|entry| format!("{entry}\n")).collect(),
            "single" => serde_json::to_string_pretty(&entries[0]).expect("JSON"),
            other => panic!("no layout `{other}`"),
        };
        text.into_bytes()
    }
}

impl ConversationShape {
    fn value(&self, number: u32) -> Value {
        let numbered = |text: &String| text.replace("{n}", &number.to_string());
        let session = |call_id: &String| {
            said(json!({
                "sessionId": "0aa7e4b4-6c3c-4d1e-9a39-6f7ad6c7b001", "mediaType": "voice", "provider": "Edge",
                "direction": "inbound", "ani": "tel:+6561000000", "dnis": "tel:+6561234567",
                "protocolCallId": numbered(call_id), "recording": self.recording,
                "flow": self.flow.as_ref().map(|name| json!({"flowId": "f1", "flowName": name, "flowType": "INBOUNDCALL"})),
                "segments": [said(json!({"segmentType": "interact", "queueId": self.queue}))],
            }))
        };
        let sessions: Vec<Value> = self.call_ids.iter().map(session).collect();
        let mut participants = vec![json!({
            "participantId": "p1", "purpose": "customer", "attributes": {"secret": "hunter2"}, "sessions": sessions,
        })];
        if let Some(agent) = &self.agent {
            participants.push(json!({
                "participantId": "p2", "purpose": "agent", "userId": agent,
                "sessions": [{"mediaType": "voice", "segments": []}],
            }));
        }
        said(json!({
            "conversationId": numbered(&self.id),
            "conversationStart": self.start.map(time), "conversationEnd": self.end.map(time),
            "originatingDirection": "inbound", "divisionIds": self.divisions, "participants": participants,
        }))
    }
}

impl RecordingShape {
    fn value(&self) -> Value {
        said(json!({
            "id": self.id, "conversationId": self.conversation, "media": self.media, "fileState": "AVAILABLE",
            "startTime": self.start.map(time), "endTime": self.end.map(time),
            "mediaUris": {"0": {"mediaUri": "https://api.example.com/signed?token=hunter2"}},
        }))
    }
}

impl TrunkShape {
    fn value(&self) -> Value {
        let instance = |value: Value| json!({"type": "x", "value": {"instance": value}});
        let mut properties = serde_json::Map::new();
        let flags =
            [("trunk_recording_enabled", self.recording), ("trunk_recording_consent_required", self.consent_required)];
        for (name, value) in flags {
            if let Some(value) = value {
                properties.insert(name.to_owned(), instance(value.into()));
            }
        }
        for name in ["trunk_sip_authentication_credentials_password", "trunk_outboundIdentity_callingName"] {
            properties.insert(name.to_owned(), instance("hunter2".into()));
        }
        let registers = self.registered.map(|state| json!([{"proxyAddress": "203.0.113.10", "registerState": state}]));
        said(json!({
            "id": self.id, "name": self.name, "state": "active", "trunkType": "EXTERNAL",
            "trunkMetabase": {"id": self.metabase, "name": "x"},
            "trunkBase": self.base.as_ref().map(|id| json!({"id": id})),
            "registersStatus": registers,
            "properties": if self.base.is_some() { Value::Null } else { properties.into() },
        }))
    }
}

impl TraceShape {
    fn records(&self, packets: &[Packet], entries: &mut Vec<Value>) {
        let row = format!("Call-ID: {}\r\n", self.call_id);
        let before = entries.len();
        for packet in packets {
            let message = String::from_utf8_lossy(&packet.payload);
            if !message.contains(&row) {
                continue;
            }
            let is_cut = self.cut.as_ref().is_some_and(|word| {
                message.starts_with(&format!("{word} ")) || message.starts_with(&format!("SIP/2.0 {word} "))
            });
            let message = if is_cut { message.split_at(message.len() / 2).0 } else { &message };
            #[expect(clippy::cast_possible_truncation, reason = "scenes last minutes")]
            let at_us = packet.at_us + (self.late * 1e6).round() as i64;
            let at = jiff::Timestamp::from_microsecond(at_us).expect("a time in range");
            entries.push(said(json!({
                "id": entries.len().to_string(), "date": at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string(),
                "milliTs": (at_us / 1000).to_string(), "microTs": at_us.to_string(), "callid": self.call_id,
                "sourceIp": packet.source.ip().to_string(), "sourcePort": packet.source.port().to_string(),
                "destinationIp": packet.destination.ip().to_string(),
                "destinationPort": packet.destination.port().to_string(), "proto": "17", "msg": message,
                "auth": "Digest hunter2", "conversationId": self.conversation,
            })));
        }
        assert!(entries.len() > before, "no message of `{}` to trace", self.call_id);
    }
}

/// Entries of an export's file, for the law that nothing vanishes.
pub(crate) fn records(bytes: &[u8]) -> u64 {
    let Ok(value) = serde_json::from_slice::<Value>(bytes) else {
        // JSON lines; any other text is one entry.
        let lines = bytes.split(|byte| *byte == b'\n').filter(|line| line.starts_with(b"{"));
        return (lines.count() as u64).max(1);
    };
    let list =
        ["conversations", "data", "entities"].iter().find_map(|name| value[*name].as_array()).or(value.as_array());
    list.map_or(1, |list| list.len() as u64)
}
