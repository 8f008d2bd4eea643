//! API requests of all logs, in order, each once.

use hashbrown::HashMap;

use crate::evidence::SourceId;
use crate::facts::ApiRequest;

/// Sorts requests by time, source and record (those without a time last) and takes out those that another log states
/// too: the same request id, method and status. What only the copy names is added to the one that stays. Gives the
/// number taken out.
#[must_use]
pub fn distinct(mut requests: Vec<ApiRequest>) -> (Vec<ApiRequest>, u64) {
    requests.sort_unstable_by_key(|request| (request.at.is_none(), request.at, request.locus));
    // The k-th request of an id in one log is the k-th of that id in another; within one log none is a copy.
    let mut seen: HashMap<Key, usize, foldhash::fast::RandomState> = HashMap::default();
    let mut nth: HashMap<(Box<[u8]>, SourceId), u32, foldhash::fast::RandomState> = HashMap::default();
    let mut kept: Vec<ApiRequest> = Vec::with_capacity(requests.len());
    let mut copies = 0;
    for request in requests {
        let Some(id) = &request.request_id else {
            kept.push(request);
            continue;
        };
        let count = nth.entry((id.clone(), request.locus.source)).or_insert(0);
        *count += 1;
        let key = Key { id: id.clone(), method: request.method.0.clone(), status: request.status.0, nth: *count };
        match seen.get(&key).and_then(|place| kept.get_mut(*place)) {
            Some(known) if known.locus.source != request.locus.source => {
                copies += 1;
                merge(known, request);
            }
            _ => {
                seen.insert(key, kept.len());
                kept.push(request);
            }
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
    known.body_has_media_uri |= copy.body_has_media_uri;
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
            error_code: None,
            request_id: id.map(|id| id.as_bytes().into()),
            audience: Audience::RecordingMedia,
            body_has_media_uri: false,
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
    fn polls_under_one_id_pair_up() {
        let polls =
            [request(0, 1, Some("a")), request(0, 2, Some("a")), request(1, 1, Some("a")), request(1, 2, Some("a"))];
        let (kept, copies) = distinct(polls.to_vec());
        assert_eq!((kept.len(), copies), (2, 2));
    }
}
