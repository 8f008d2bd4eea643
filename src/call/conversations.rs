//! What the platform's exports state of conversations, each told once however many exports list it.

use std::collections::{BTreeMap, BTreeSet};

use super::identifier::{normal, written};
use super::legs::At;
use crate::evidence::Timestamp;
use crate::facts::{ApiRequest, Audience, Exports, FlowName, NameKind, Place};

type Ids = BTreeSet<Box<[u8]>>;

/// What is known of one conversation, or of several that are one call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// Its divisions; empty where no export says.
    pub divisions: Ids,
    /// Its queues.
    pub queues: Ids,
    /// The users that took part.
    pub agents: Ids,
    /// The flows it entered.
    pub flows: BTreeSet<FlowName>,
    /// Whether its audio was recorded; `None` where no export says.
    pub recorded: Option<bool>,
    /// Whether conversation details show how it was handled, so that a queue or an agent that is not named was none.
    pub handled: bool,
    /// The entries that say so, by time.
    pub sources: BTreeSet<At>,
}

impl Known {
    /// Adds what is known of another conversation of the same call.
    pub fn merge(&mut self, other: &Self) {
        let sets = [
            (&mut self.divisions, &other.divisions),
            (&mut self.queues, &other.queues),
            (&mut self.agents, &other.agents),
        ];
        for (own, others) in sets {
            own.extend(others.iter().cloned());
        }
        self.flows.extend(other.flows.iter().cloned());
        // That there was no recording, queue or agent must hold of both.
        self.recorded = match (self.recorded, other.recorded) {
            (Some(true), _) | (_, Some(true)) => Some(true),
            (one, other) => one.and(other),
        };
        self.handled &= other.handled;
        self.sources.extend(&other.sources);
    }
}

/// `true` if one says so, else what either says.
fn either(one: Option<bool>, other: Option<bool>) -> Option<bool> {
    match (one, other) {
        (Some(true), _) | (_, Some(true)) => Some(true),
        (one, other) => one.or(other),
    }
}

/// The conversations of all exports.
#[derive(Debug, Default)]
pub struct Conversations {
    known: BTreeMap<Box<[u8]>, Known>,
    /// When recordings of a call's audio began and ended, by their ids.
    times: BTreeMap<Box<[u8]>, (Timestamp, Timestamp)>,
    /// The conversations that recordings belong to, by the recordings' ids.
    of: BTreeMap<Box<[u8]>, Ids>,
    /// Recordings of screens, chats and messages, by their ids.
    no_audio: BTreeSet<Box<[u8]>>,
}

impl Conversations {
    /// Reads the conversations and recordings of `exports`.
    ///
    /// Details leave `recording` out where it is not true. That a conversation was not recorded is believed of such
    /// silence only where some conversation of the evidence has the field, so that the export is seen to carry it, where
    /// the entry shows the session that would have it, and where the conversation has ended.
    #[must_use]
    pub fn of(exports: &Exports) -> Self {
        let carried = exports.conversations.iter().any(|conversation| conversation.recorded.is_some());
        let mut known: BTreeMap<Box<[u8]>, Known> = BTreeMap::new();
        let at = |time: Option<Timestamp>, locus| At { at: time.unwrap_or(Timestamp::new(0, 0)), locus };
        for conversation in &exports.conversations {
            let own = known.entry(normal(&conversation.id)).or_default();
            own.handled |= conversation.shows_segments;
            own.divisions.extend(conversation.divisions.iter().map(|id| written(id)));
            own.queues.extend(conversation.queues.iter().map(|id| written(id)));
            own.agents.extend(conversation.agents.iter().map(|id| written(id)));
            own.flows.extend(conversation.flows.iter().cloned());
            let silent = carried && conversation.shows_customer && conversation.end.is_some();
            own.recorded = either(own.recorded, conversation.recorded.or(silent.then_some(false)));
            own.sources.insert(at(conversation.start, conversation.locus));
        }
        let mut times: BTreeMap<Box<[u8]>, (Timestamp, Timestamp)> = BTreeMap::new();
        for recording in exports.recordings.iter().filter(|recording| recording.audio) {
            if let Some((start, end)) = recording.times {
                // Two listings that differ: only what both say.
                let both = times.entry(normal(&recording.id)).or_insert((start, end));
                *both = (both.0.max(start), both.1.min(end));
            }
            let own = known.entry(normal(&recording.conversation)).or_default();
            own.recorded = Some(true);
            own.sources.insert(at(recording.times.map(|(start, _)| start), recording.locus));
        }
        let mut of: BTreeMap<Box<[u8]>, Ids> = BTreeMap::new();
        for recording in &exports.recordings {
            of.entry(normal(&recording.id)).or_default().insert(normal(&recording.conversation));
        }
        let no_audio = exports.recordings.iter().filter(|recording| !recording.audio);
        Self { known, times, of, no_audio: no_audio.map(|recording| normal(&recording.id)).collect() }
    }

    /// When the recording that a served request names in its path began and ended, where an export lists it.
    #[must_use]
    pub fn recorded(&self, request: &ApiRequest) -> Option<(Timestamp, Timestamp)> {
        if self.times.is_empty() || !request.is_served() {
            return None;
        }
        path_names(request).find_map(|name| self.times.get(&name).copied())
    }

    /// Whether the exports say that the recording that a request names in its path is of other conversations than a call's,
    /// whose `ids` are asked for where that is so, or the answer itself that all it hands out is.
    #[must_use]
    pub fn are_elsewhere(&self, request: &ApiRequest, ids: impl Fn() -> Vec<Box<[u8]>>) -> bool {
        if !request.is_served() {
            return false;
        }
        let is_not_of = |of: &Ids| {
            let own = ids();
            !own.is_empty() && own.iter().all(|id| !of.contains(&normal(id)))
        };
        let handed: Ids = request.handed().iter().map(|id| normal(id)).collect();
        // Of a call whose conversation nobody names, the target may.
        let is_not_of_target = || {
            let mut named = request
                .names()
                .filter(|name| name.kind == NameKind::Conversation && matches!(name.place, Place::Path | Place::Query));
            named.next().is_some_and(|first| {
                !handed.contains(&normal(&first.value)) && named.all(|name| !handed.contains(&normal(&name.value)))
            })
        };
        !handed.is_empty() && (is_not_of(&handed) || ids().is_empty() && is_not_of_target())
            || !self.of.is_empty() && path_names(request).filter_map(|name| self.of.get(&name)).any(is_not_of)
    }

    /// Takes requests for recordings that an export lists as a screen's, a chat's or a message's for what they are: what
    /// they hand out is no call audio.
    pub fn correct(&self, requests: &mut [ApiRequest]) {
        if self.no_audio.is_empty() {
            return;
        }
        for request in requests.iter_mut().filter(|request| request.audience == Audience::RecordingMedia) {
            if path_names(request).any(|name| self.no_audio.contains(&name)) {
                request.audience = Audience::Recording;
            }
        }
    }

    /// Whether no export states any.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// What is known of a call with these conversation ids; `None` where no export names one of them.
    #[must_use]
    pub fn known(&self, ids: &[Box<[u8]>]) -> Option<Known> {
        if self.known.is_empty() {
            return None;
        }
        let mut all = ids.iter().filter_map(|id| self.known.get(&normal(id)));
        let mut found = all.next()?.clone();
        all.for_each(|other| found.merge(other));
        Some(found)
    }
}

/// What a request's path names, as it is compared.
fn path_names(request: &ApiRequest) -> impl Iterator<Item = Box<[u8]>> {
    request.names().filter(|name| name.place == Place::Path).map(|name| normal(&name.value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::{Locus, SourceId};
    use crate::facts::{Conversation, Name, Recording, Texts};
    use crate::http::StatusCode;

    fn conversation(id: &str, recorded: Option<bool>, ended: bool) -> Conversation {
        Conversation {
            locus: Locus { source: SourceId(0), record: 1 },
            id: id.as_bytes().into(),
            start: None,
            end: ended.then_some(Timestamp::new(1, 0)),
            call_ids: Vec::new(),
            divisions: vec![b"D1".as_slice().into()],
            queues: Vec::new(),
            agents: Vec::new(),
            flows: Vec::new(),
            recorded,
            shows_customer: true,
            shows_segments: true,
        }
    }

    fn recorded(conversations: Vec<Conversation>, recordings: Vec<Recording>, id: &str) -> Option<bool> {
        let exports = Exports { conversations, recordings, ..Exports::default() };
        Conversations::of(&exports).known(&[id.as_bytes().into()]).and_then(|known| known.recorded)
    }

    #[test]
    fn silence_says_not_recorded_only_where_the_field_is_carried() {
        let silent = || conversation("c", None, true);
        assert_eq!(recorded(vec![silent()], vec![], "c"), None);
        assert_eq!(recorded(vec![silent(), conversation("d", Some(true), true)], vec![], "c"), Some(false));
        let going_on = vec![conversation("c", None, false), conversation("d", Some(true), true)];
        assert_eq!(recorded(going_on, vec![], "c"), None);
        assert_eq!(recorded(vec![conversation("c", Some(false), false)], vec![], "c"), Some(false));
        let unseen = Conversation { shows_customer: false, ..silent() };
        assert_eq!(recorded(vec![unseen, conversation("d", Some(true), true)], vec![], "c"), None);
    }

    #[test]
    fn of_a_call_of_several_conversations_nothing_was_recorded_only_where_all_say_so() {
        let of = |recorded: [Option<bool>; 2], shown: [bool; 2]| {
            let own = |id, place: usize| Conversation {
                shows_segments: shown[place],
                ..conversation(id, recorded[place], false)
            };
            let exports = Exports { conversations: vec![own("c", 0), own("d", 1)], ..Exports::default() };
            let ids = ["c", "d", "not-exported"].map(|id| id.as_bytes().into());
            let known = Conversations::of(&exports).known(&ids).expect("known");
            (known.recorded, known.handled)
        };
        assert_eq!(of([Some(false), Some(false)], [true, true]), (Some(false), true));
        assert_eq!(of([Some(false), None], [true, false]), (None, false));
        assert_eq!(of([None, Some(true)], [false, true]), (Some(true), false));
    }

    #[test]
    fn a_listed_recording_of_audio_outweighs() {
        let recording = |audio| Recording {
            locus: Locus { source: SourceId(1), record: 1 },
            id: b"r".as_slice().into(),
            conversation: b"c".as_slice().into(),
            audio,
            times: None,
        };
        let of = |audio| recorded(vec![conversation("c", Some(false), true)], vec![recording(audio)], "c");
        assert_eq!((of(true), of(false)), (Some(true), Some(false)));
    }

    #[test]
    fn a_recording_of_another_conversation_is_told() {
        let recording = |conversation: &str| Recording {
            locus: Locus { source: SourceId(1), record: 1 },
            id: b"r1".as_slice().into(),
            conversation: conversation.as_bytes().into(),
            audio: true,
            times: None,
        };
        let is_elsewhere = |listed: &[&str], ids: &[&str]| {
            let recordings = listed.iter().map(|conversation| recording(conversation)).collect();
            let target = b"/api/v2/conversations/c1/recordings/r1";
            let name = Name { kind: NameKind::Segment, place: Place::Path, value: b"r1".into() };
            let texts = Texts { method: "GET", target, names: vec![name], ..Texts::default() };
            let at = (None, Locus { source: SourceId(0), record: 1 });
            let request = ApiRequest::new(at, StatusCode(200), Audience::RecordingMedia, &texts);
            let ids: Vec<Box<[u8]>> = ids.iter().map(|id| id.as_bytes().into()).collect();
            Conversations::of(&Exports { recordings, ..Exports::default() }).are_elsewhere(&request, || ids.clone())
        };
        assert!(is_elsewhere(&["c77"], &["c1"]));
        assert!(!is_elsewhere(&["c1"], &["c1"]) && !is_elsewhere(&["c77", "c1"], &["c1", "c2"]));
        assert!(!is_elsewhere(&[], &["c1"]) && !is_elsewhere(&["c77"], &[]), "nothing says so");
    }

    #[test]
    fn ids_are_one_in_any_case() {
        let id = "C0FFEE01-0000-4000-8000-000000000007";
        assert_eq!(recorded(vec![conversation(id, Some(true), true)], vec![], &id.to_lowercase()), Some(true));
        assert_eq!(recorded(vec![], vec![], id), None);
    }
}
