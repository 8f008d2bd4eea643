//! API requests of all logs, in order, each once.

use hashbrown::HashMap;

use crate::evidence::SourceId;
use crate::facts::{Answered, Answerer, ApiRequest};

/// Sorts requests by time, source and record (those without a time last) and takes out those that another log states
/// too: the same correlation or request id, method and status. What only the copy says is added to the one that stays.
/// Gives the number taken out.
#[must_use]
pub fn distinct(mut requests: Vec<ApiRequest>) -> (Vec<ApiRequest>, u64) {
    requests.sort_unstable_by_key(|request| (request.at.is_none(), request.at, request.locus));
    // Only another log can hold a copy.
    if requests.windows(2).all(|two| matches!(two, [one, other] if one.locus.source == other.locus.source)) {
        return (requests, 0);
    }
    // The k-th request of an id in one log is the k-th of that id in another; within one log none is a copy.
    let mut seen: HashMap<Key, usize, foldhash::fast::RandomState> = HashMap::default();
    let mut nth: HashMap<(Box<[u8]>, SourceId), u32, foldhash::fast::RandomState> = HashMap::default();
    let mut kept: Vec<ApiRequest> = Vec::with_capacity(requests.len());
    let mut copies = 0;
    for request in requests {
        // What one log calls a correlation id another may call a request id.
        let second = request.request_id.as_ref().filter(|id| Some(*id) != request.correlation_id.as_ref());
        let keys = [request.correlation_id.as_ref(), second].map(|id| {
            let id = id?.clone();
            let count = nth.entry((id.clone(), request.locus.source)).or_insert(0);
            *count += 1;
            Some(Key { id, method: request.method.0.clone(), status: request.status.0, nth: *count })
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
                copies += 1;
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
fn merge(known: &mut ApiRequest, copy: ApiRequest) {
    for name in copy.names {
        if !known.names.contains(&name) {
            known.names.push(name);
        }
    }
    known.error_code = known.error_code.take().or(copy.error_code);
    known.client = known.client.take().or(copy.client);
    known.user = known.user.take().or(copy.user);
    known.correlation_id = known.correlation_id.take().or(copy.correlation_id);
    known.request_id = known.request_id.take().or(copy.request_id);
    known.answered = answered(known.answered, copy.answered);
    if known.error_params.is_empty() {
        known.error_params = copy.error_params;
    }
    known.body_has_media_uri |= copy.body_has_media_uri;
    if known.batch_errors.is_empty() {
        known.batch_errors = copy.batch_errors;
    }
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
    use crate::facts::Audience;
    use crate::http::{Method, StatusCode};

    fn request(source: u32, record: u64, id: Option<&str>) -> ApiRequest {
        ApiRequest {
            at: Some(Timestamp::new(i64::from(source) * 10 + record as i64, 0)),
            locus: Locus { source: SourceId(source), record },
            method: Method("GET".into()),
            target: Box::new(*b"/recordings/1"),
            status: StatusCode(403),
            client: None,
            user: None,
            error_code: None,
            error_params: Box::default(),
            request_id: id.map(|id| id.as_bytes().into()),
            correlation_id: None,
            answered: None,
            audience: Audience::RecordingMedia,
            body_has_media_uri: false,
            batch_errors: Box::default(),
            names: Vec::new(),
        }
    }

    #[test]
    fn the_same_request_in_two_logs_counts_once() {
        let (kept, copies) =
            distinct(vec![request(0, 1, Some("a")), request(1, 1, Some("a")), request(1, 2, Some("b"))]);
        assert_eq!((kept.len(), copies), (2, 1));
    }

    #[test]
    fn one_log_never_copies_itself_and_no_id_is_no_copy() {
        let (kept, copies) = distinct(vec![
            request(0, 1, Some("a")),
            request(0, 2, Some("a")),
            request(0, 3, None),
            request(1, 3, None),
        ]);
        assert_eq!((kept.len(), copies), (4, 0));
    }

    #[test]
    fn a_correlation_id_makes_one_of_two_and_so_does_either_id_of_a_third() {
        let id = |text: &str| Some(text.as_bytes().into());
        let answered = |by| Some(Answered { by, known_by: crate::facts::KnownBy::UpstreamStatus });
        let api = ApiRequest { correlation_id: id("k"), ..request(0, 1, None) };
        let gateway = ApiRequest {
            correlation_id: id("k"),
            answered: answered(Answerer::Upstream),
            user: id("ann"),
            ..request(1, 1, Some("r"))
        };
        let edge = ApiRequest { answered: answered(Answerer::Edge), ..request(2, 1, Some("r")) };
        // Some logs write the API's id under a name of their own.
        let other = request(3, 1, Some("k"));
        let (kept, copies) = distinct(vec![edge, other, gateway, api]);
        assert_eq!((kept.len(), copies), (1, 3));
        assert_eq!((&kept[0].user, &kept[0].request_id), (&id("ann"), &id("r")));
        assert_eq!(kept[0].answered_by().map(|answered| answered.by), Some(Answerer::Api), "its own word counts most");
        assert_eq!(kept[0].answered, answered(Answerer::Edge));
    }

    #[test]
    fn polls_under_one_id_pair_up() {
        let polls =
            [request(0, 1, Some("a")), request(0, 2, Some("a")), request(1, 1, Some("a")), request(1, 2, Some("a"))];
        let (kept, copies) = distinct(polls.to_vec());
        assert_eq!((kept.len(), copies), (2, 2));
    }
}
