//! Analytics conversation details: which Call-IDs a conversation has, and what recording and permissions depend on.
//!
//! The model AnalyticsConversation of the platform's SDK. A conversation has a session for each of its legs; the
//! platform documents `protocolCallId` as the SIP Call-ID of that leg. `recording` stands where it is true, often on the
//! customer's session alone: only where that one is shown can silence mean that there is none.

use serde_json::Value;

use super::json::{distinct, field, list, mentions, plain, text, truth};
use super::time::Times;
use crate::evidence::Locus;
use crate::facts::{Conversation, FlowName};

/// Whether an object looks like one.
pub(super) fn is_one(value: &Value) -> bool {
    field(value, "conversationid").is_some() && field(value, "participants").is_some_and(Value::is_array)
}

/// Reads one; `None` where it names no conversation.
pub(super) fn read(value: &Value, locus: Locus, times: &mut Times<'_>) -> Option<Conversation> {
    let mut time = |name| text(value, name).and_then(|text| times.instant(&text));
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
        shows_customer: false,
        shows_segments: false,
    };
    let mut open = false;
    conversation.divisions.extend(list(value, "divisionids").filter_map(plain));
    for participant in list(value, "participants") {
        conversation.agents.extend(text(participant, "userid"));
        let customer = text(participant, "purpose").is_some_and(|purpose| is_customer(&purpose));
        for session in list(participant, "sessions") {
            open |= read_session(session, customer, &mut conversation);
        }
    }
    if open {
        conversation.recorded = conversation.recorded.filter(|recorded| *recorded);
        conversation.shows_customer = false;
    }
    distinct(&mut conversation.flows);
    let Conversation { call_ids, divisions, queues, agents, .. } = &mut conversation;
    for values in [call_ids, divisions, queues, agents] {
        distinct(values);
    }
    Some(conversation)
}

/// Whether that purpose of a participant is of whoever is outside.
fn is_customer(purpose: &[u8]) -> bool {
    [b"customer".as_slice(), b"external"].iter().any(|known| known.eq_ignore_ascii_case(purpose))
}

/// Reads a session; gives whether it leaves open that it was recorded, having the field and no truth in it.
fn read_session(session: &Value, customer: bool, conversation: &mut Conversation) -> bool {
    let segments = list(session, "segments").filter(|segment| segment.is_object());
    let mut shown = false;
    conversation.queues.extend(segments.inspect(|_| shown = true).filter_map(|segment| text(segment, "queueid")));
    conversation.shows_segments |= shown;
    if let Some(flow) = field(session, "flow") {
        let flow = FlowName { id: text(flow, "flowid"), name: text(flow, "flowname") };
        conversation.flows.extend(Some(flow).filter(|flow| flow.id.is_some() || flow.name.is_some()));
    }
    let voice = text(session, "mediatype").is_none_or(|media| media.eq_ignore_ascii_case(b"voice"));
    if !voice {
        return false;
    }
    conversation.shows_customer |= customer && shown;
    conversation.call_ids.extend(text(session, "protocolcallid"));
    let recorded = truth(session, "recording");
    if let Some(recorded) = recorded {
        conversation.recorded = Some(conversation.recorded.unwrap_or(false) || recorded);
    }
    recorded.is_none() && mentions(session, "recording")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::SourceId;
    use crate::settings::{Settings, SourceZone};
    use serde_json::json;

    const LOCUS: Locus = Locus { source: SourceId(0), record: 1 };

    fn texts(values: &[Box<[u8]>]) -> Vec<String> {
        values.iter().map(|value| String::from_utf8_lossy(value).into_owned()).collect()
    }

    fn read_utc(value: &Value, locus: Locus) -> Option<Conversation> {
        let zone = SourceZone::new(&Settings::default(), "a.json");
        read(value, locus, &mut Times::new(&zone))
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
        let read = read_utc(&value, LOCUS).expect("a conversation");
        assert_eq!(texts(&read.call_ids), ["a@b", "c"]);
        assert_eq!((texts(&read.divisions), texts(&read.queues)), (vec!["d1".into(), "d2".into()], vec!["q".into()]));
        assert_eq!((texts(&read.agents), read.recorded), (vec!["u1".into()], Some(true)));
        assert!(read.shows_customer && read.shows_segments);
        assert_eq!(read.flows.len(), 1);
        assert_eq!(read.end.map(|end| end.rfc3339()).as_deref(), Some("2026-03-02T10:01:00.000Z"));
    }

    #[test]
    fn what_is_not_said_is_unknown() {
        let of = |sessions: Value| {
            read_utc(&json!({"conversation_id": "c", "participants": [{"sessions": sessions}]}), LOCUS).expect("one")
        };
        assert_eq!(of(json!([{"media_type": "voice"}])).recorded, None);
        assert_eq!(of(json!([{"recording": false}, {}])).recorded, Some(false));
        assert_eq!(of(json!([{"recording": false}, {"recording": true}])).recorded, Some(true));
        assert_eq!(of(json!([{"mediaType": "chat", "recording": true}])).recorded, None);
        assert_eq!(read_utc(&json!({"conversationId": "", "participants": []}), LOCUS), None);
    }

    #[test]
    fn silence_says_something_only_where_what_would_say_it_is_shown() {
        let of = |purpose: Value, session: Value| {
            let participant = json!({"purpose": purpose, "sessions": [session]});
            let read = read_utc(&json!({"conversationId": "c", "participants": [participant]}), LOCUS).expect("one");
            (read.shows_customer, read.shows_segments, read.recorded)
        };
        let segments = || json!([{"segmentType": "interact"}]);
        assert_eq!(of("customer".into(), json!({"segments": segments()})), (true, true, None));
        assert_eq!(of("External".into(), json!({"mediaType": "VOICE", "segments": segments()})), (true, true, None));
        assert_eq!(of("agent".into(), json!({"segments": segments()})), (false, true, None));
        assert_eq!(of(Value::Null, json!({"segments": segments()})), (false, true, None));
        assert_eq!(of("customer".into(), json!({"mediaType": "chat", "segments": segments()})), (false, true, None));
        assert_eq!(of("customer".into(), json!({"protocolCallId": "a@b"})), (false, false, None));
        assert_eq!(of("customer".into(), json!({"segments": [null]})), (false, false, None));
        // The field is there, and nobody knows.
        let open = json!({"recording": null, "segments": segments()});
        assert_eq!(of("customer".into(), open.clone()), (false, true, None));
        for (recorded, expected) in [(true, Some(true)), (false, None)] {
            let sessions = json!([open, {"recording": recorded}]);
            let value = json!({"conversationId": "c", "participants": [{"sessions": sessions}]});
            assert_eq!(read_utc(&value, LOCUS).expect("one").recorded, expected);
        }
    }
}
