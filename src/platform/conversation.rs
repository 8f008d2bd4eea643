//! Analytics conversation details: which Call-IDs a conversation has, and what recording and permissions depend on.
//!
//! The model AnalyticsConversation of the platform's SDK. A conversation has a session for each of its legs; the
//! platform documents `protocolCallId` as the SIP Call-ID of that leg. `recording` stands where it is true, often on the
//! customer's session alone.

use serde_json::Value;

use super::json::{distinct, field, list, plain, text, truth};
use super::time::instant;
use crate::evidence::Locus;
use crate::facts::{Conversation, FlowName};

/// Whether an object looks like one.
pub(super) fn is_one(value: &Value) -> bool {
    field(value, "conversationid").is_some() && field(value, "participants").is_some_and(Value::is_array)
}

/// Reads one; `None` where it names no conversation.
pub(super) fn read(value: &Value, locus: Locus) -> Option<Conversation> {
    let time = |name| text(value, name).and_then(|text| instant(&text));
    let mut conversation = Conversation {
        locus,
        id: text(value, "conversationid")?,
        start: time("conversationstart"),
        end: time("conversationend"),
        call_ids: Vec::new(),
        divisions: Vec::new(),
        queues: Vec::new(),
        agents: Vec::new(),
        flows: Vec::new(),
        recorded: None,
        voice: false,
    };
    conversation.divisions.extend(list(value, "divisionids").filter_map(plain));
    for participant in list(value, "participants") {
        conversation.agents.extend(text(participant, "userid"));
        for session in list(participant, "sessions") {
            read_session(session, &mut conversation);
        }
    }
    distinct(&mut conversation.flows);
    let Conversation { call_ids, divisions, queues, agents, .. } = &mut conversation;
    for values in [call_ids, divisions, queues, agents] {
        distinct(values);
    }
    Some(conversation)
}

fn read_session(session: &Value, conversation: &mut Conversation) {
    conversation.queues.extend(list(session, "segments").filter_map(|segment| text(segment, "queueid")));
    if let Some(flow) = field(session, "flow") {
        let flow = FlowName { id: text(flow, "flowid"), name: text(flow, "flowname") };
        conversation.flows.extend(Some(flow).filter(|flow| flow.id.is_some() || flow.name.is_some()));
    }
    let voice = text(session, "mediatype").is_none_or(|media| media.eq_ignore_ascii_case(b"voice"));
    if !voice {
        return;
    }
    conversation.voice = true;
    conversation.call_ids.extend(text(session, "protocolcallid"));
    if let Some(recorded) = truth(session, "recording") {
        conversation.recorded = Some(conversation.recorded.unwrap_or(false) || recorded);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::SourceId;
    use serde_json::json;

    const LOCUS: Locus = Locus { source: SourceId(0), record: 1 };

    fn texts(values: &[Box<[u8]>]) -> Vec<String> {
        values.iter().map(|value| String::from_utf8_lossy(value).into_owned()).collect()
    }

    #[test]
    fn a_conversation_says_what_its_sessions_say() {
        let value = json!({
            "conversationId": "C0FFEE01-0000-4000-8000-000000000007",
            "conversationStart": "2026-03-02T10:00:00.000Z",
            "conversationEnd": "2026-03-02T10:01:00.000Z",
            "divisionIds": ["d1", "d2", "d1"],
            "participants": [
                {"purpose": "customer", "sessions": [{
                    "mediaType": "voice", "protocolCallId": "a@b", "recording": true,
                    "segments": [{"segmentType": "system"}]}]},
                {"purpose": "ivr", "sessions": [{
                    "mediaType": "voice", "protocolCallId": "a@b", "flow": {"flowId": "f", "flowName": "Main"}}]},
                {"purpose": "agent", "userId": "u1", "sessions": [
                    {"mediaType": "voice", "protocolCallId": "c", "segments": [{"queueId": "q"}, {"queueId": "q"}]},
                    {"mediaType": "cobrowse", "protocolCallId": "x", "recording": false}]},
                "rubbish", {"sessions": "rubbish"}
            ]
        });
        assert!(is_one(&value));
        let read = read(&value, LOCUS).expect("a conversation");
        assert_eq!(texts(&read.call_ids), ["a@b", "c"]);
        assert_eq!((texts(&read.divisions), texts(&read.queues)), (vec!["d1".into(), "d2".into()], vec!["q".into()]));
        assert_eq!((texts(&read.agents), read.recorded, read.voice), (vec!["u1".into()], Some(true), true));
        assert_eq!(read.flows.len(), 1);
        assert_eq!(read.end.map(|end| end.rfc3339()).as_deref(), Some("2026-03-02T10:01:00.000Z"));
    }

    #[test]
    fn what_is_not_said_is_unknown() {
        let of = |sessions: Value| {
            read(&json!({"conversation_id": "c", "participants": [{"sessions": sessions}]}), LOCUS).expect("one")
        };
        assert_eq!(of(json!([{"media_type": "voice"}])).recorded, None);
        assert_eq!(of(json!([{"recording": false}, {}])).recorded, Some(false));
        assert_eq!(of(json!([{"recording": false}, {"recording": true}])).recorded, Some(true));
        assert_eq!(of(json!([{"mediaType": "chat", "recording": true}])).recorded, None);
        assert!(!of(json!([{"mediaType": "chat"}])).voice);
        assert_eq!(read(&json!({"conversationId": "", "participants": []}), LOCUS), None);
    }
}
