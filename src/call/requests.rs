//! API requests of all logs, in order, each once.

use std::collections::BTreeMap;

use hashbrown::HashMap;

use crate::evidence::SourceId;
use crate::facts::{Answered, Answerer, ApiRequest, More, Room, distinct_names};

/// Sorts requests by time, source and record (those without a time last) and takes out those that another log states
/// too: the same correlation or request id, method and status. What only the copy says is added to the one that stays.
/// Gives the number taken out of each log.
#[must_use]
pub fn distinct(mut requests: Vec<ApiRequest>) -> (Vec<ApiRequest>, BTreeMap<SourceId, u64>) {
    requests.sort_unstable_by_key(|request| (request.at.is_none(), request.at.map(|at| at.ns), request.locus));
    // Only another log can hold a copy.
    if requests.windows(2).all(|two| matches!(two, [one, other] if one.locus.source == other.locus.source)) {
        return (requests, BTreeMap::new());
    }
    // The k-th request of an id in one log is the k-th of that id in another; within one log none is a copy.
    let mut seen: HashMap<Key, usize, foldhash::fast::RandomState> = HashMap::default();
    let mut nth: HashMap<(Box<[u8]>, SourceId), u32, foldhash::fast::RandomState> = HashMap::default();
    let mut kept: Vec<ApiRequest> = Vec::with_capacity(requests.len());
    let mut copies = BTreeMap::new();
    for request in requests {
        let [request_id, correlation_id] = request.ids();
        // What one log calls a correlation id another may call a request id.
        let second = request_id.filter(|id| Some(id) != correlation_id.as_ref());
        let keys = [correlation_id, second].map(|id| {
            let id: Box<[u8]> = id?.into();
            let count = nth.entry((id.clone(), request.locus.source)).or_insert(0);
            *count += 1;
            Some(Key { id, method: request.method().into(), status: request.status.0, nth: *count })
        });
        let known = keys.iter().flatten().find_map(|key| {
            let place = *seen.get(key)?;
            (kept.get(place)?.locus.source != request.locus.source).then_some(place)
        });
        let place = known.unwrap_or(kept.len());
        for key in keys.into_iter().flatten() {
            match known {
                // The copy's other id leads to the same request.
                Some(place) => _ = seen.entry(key).or_insert(place),
                None => _ = seen.insert(key, place),
            }
        }
        match known.and_then(|place| kept.get_mut(place)) {
            Some(known) => {
                *copies.entry(request.locus.source).or_insert(0) += 1;
                merge(known, request);
            }
            None => kept.push(request),
        }
    }
    (kept, copies)
}

#[derive(PartialEq, Eq, Hash)]
struct Key {
    id: Box<[u8]>,
    method: Box<str>,
    status: u16,
    nth: u32,
}

/// Adds what only the copy says.
fn merge(known: &mut ApiRequest, mut copy: ApiRequest) {
    let own = known.clone();
    let [mut room, mut others] = [Room::default(), Room::default()];
    let (mut texts, others) = (own.texts(&mut room), copy.texts(&mut others));
    texts.names.extend(others.names);
    distinct_names(&mut texts.names);
    texts.error_code = texts.error_code.or(others.error_code);
    texts.client = texts.client.or(others.client);
    texts.user = texts.user.or(others.user);
    texts.correlation_id = texts.correlation_id.or(others.correlation_id);
    texts.request_id = texts.request_id.or(others.request_id);
    known.set_texts(&texts);
    known.answered = answered(known.answered, copy.answered);
    known.body_has_media_uri |= copy.body_has_media_uri;
    known.is_no_audio |= copy.is_no_audio;
    // A gateway's own path does not say what the API's path behind it does.
    known.audience = known.audience.max(copy.audience);
    let more = match (known.more.take(), copy.more.take()) {
        (Some(mut more), Some(others)) => {
            let More { error_params, recorded, batch_errors } = *others;
            if more.error_params.is_empty() {
                more.error_params = error_params;
            }
            if more.recorded.is_empty() {
                more.recorded = recorded;
            }
            if more.batch_errors.is_empty() {
                more.batch_errors = batch_errors;
            }
            Some(more)
        }
        (own, others) => own.or(others),
    };
    known.more = more;
}

/// Who answered, by two logs. A proxy that answered itself asked nobody behind it; one that passed an answer on does not
/// know where it came from.
fn answered(one: Option<Answered>, other: Option<Answered>) -> Option<Answered> {
    match (one, other) {
        (Some(Answered { by: Answerer::Upstream, .. }), Some(_)) => other,
        _ => one.or(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::{Locus, Timestamp};
    use crate::facts::{Audience, Texts};
    use crate::http::StatusCode;

    fn request(source: u32, record: u64, id: Option<&str>) -> ApiRequest {
        saying(source, record, Texts { request_id: id.map(str::as_bytes), ..Texts::default() })
    }

    fn saying(source: u32, record: u64, texts: Texts<'_>) -> ApiRequest {
        let at = Timestamp::new(i64::from(source) * 10 + record as i64, 0);
        let texts = Texts { method: "GET", target: b"/recordings/1", ..texts };
        let locus = Locus { source: SourceId(source), record };
        ApiRequest::new((Some(at), locus), StatusCode(403), Audience::RecordingMedia, &texts)
    }

    #[test]
    fn the_same_request_in_two_logs_counts_once() {
        let (kept, copies) =
            distinct(vec![request(0, 1, Some("a")), request(1, 1, Some("a")), request(1, 2, Some("b"))]);
        assert_eq!((kept.len(), copies), (2, BTreeMap::from([(SourceId(1), 1)])));
    }

    #[test]
    fn one_log_never_copies_itself_and_no_id_is_no_copy() {
        let (kept, copies) = distinct(vec![
            request(0, 1, Some("a")),
            request(0, 2, Some("a")),
            request(0, 3, None),
            request(1, 3, None),
        ]);
        assert_eq!((kept.len(), copies), (4, BTreeMap::new()));
    }

    #[test]
    fn a_correlation_id_makes_one_of_two_and_so_does_either_id_of_a_third() {
        let answered = |by| Some(Answered { by, known_by: crate::facts::KnownBy::UpstreamStatus });
        let correlated = Texts { correlation_id: Some(b"k"), ..Texts::default() };
        let api = saying(0, 1, correlated.clone());
        let gateway = ApiRequest {
            answered: answered(Answerer::Upstream),
            ..saying(1, 1, Texts { user: Some(b"ann"), request_id: Some(b"r"), ..correlated })
        };
        let edge = ApiRequest { answered: answered(Answerer::Edge), ..request(2, 1, Some("r")) };
        // Some logs write the API's id under a name of their own.
        let other = request(3, 1, Some("k"));
        let (kept, copies) = distinct(vec![edge, other, gateway, api]);
        assert_eq!((kept.len(), copies.values().sum::<u64>()), (1, 3));
        assert_eq!((kept[0].user(), kept[0].request_id().as_deref()), (Some(&b"ann"[..]), Some(&b"r"[..])));
        assert_eq!(kept[0].answered_by().map(|answered| answered.by), Some(Answerer::Api), "its own word counts most");
        assert_eq!(kept[0].answered, answered(Answerer::Edge));
    }

    #[test]
    fn what_either_log_shows_of_the_target_holds() {
        let gateway = ApiRequest { audience: Audience::Recording, ..request(0, 1, Some("r")) };
        let api = request(1, 1, Some("r"));
        let (kept, _) = distinct(vec![gateway.clone(), api.clone()]);
        assert_eq!(kept[0].audience, Audience::RecordingMedia);
        let screen = ApiRequest { is_no_audio: true, ..request(2, 1, Some("r")) };
        let (kept, _) = distinct(vec![gateway, api, screen]);
        assert!(kept[0].is_no_audio);
    }

    #[test]
    fn polls_under_one_id_pair_up() {
        let polls =
            [request(0, 1, Some("a")), request(0, 2, Some("a")), request(1, 1, Some("a")), request(1, 2, Some("a"))];
        let (kept, copies) = distinct(polls.to_vec());
        assert_eq!((kept.len(), copies), (2, BTreeMap::from([(SourceId(1), 2)])));
    }
}
