//! API requests of all logs, in order, each once.
//!
//! # Design
//!
//! An equal id alone makes no copy: gateways number their requests from one, clients send one id with all they ask, and
//! loggers write a word where there is none. So what the records say of the request itself must agree, too: the method,
//! the status, the time, and what the target names. A gateway may have put a prefix before the path, or taken off the host
//! or the query; one that wrote another path is believed only where the id is too long to be a number and no log repeats
//! it. When in doubt they are two.
//!
//! Of two records that agree in all this but whose times are whole quarters of an hour apart, one without a zone was read in
//! the wrong one. What the other says of the time holds.

use std::borrow::Cow;
use std::collections::BTreeMap;

use hashbrown::{HashMap, HashSet};

use super::identifier::{is_nil, normal};
use crate::evidence::{Locus, SourceId};
use crate::facts::{Answered, Answerer, ApiRequest, Audience, More, NameKind, Place, Room, distinct_names};
use crate::http::{path_and_query, percent_decode};

type Seed = foldhash::fast::RandomState;

/// How far the times of one request may lie apart in two logs, in nanoseconds: one writes when it began, another when it
/// was answered, and each has its own clock.
const APART_NS: u64 = 60_000_000_000;

/// Zones are whole quarters of an hour apart, by 26 hours at most.
const QUARTER_NS: u64 = 900_000_000_000;
const ZONES_APART_NS: u64 = 26 * 3_600_000_000_000;

/// Requests with an id, the latest, among which one with the same is looked for.
const LOOKED_AT: usize = 64;

/// Bytes that an id has if it is no number of a log's own.
const LONG_ID: usize = 16;

/// What other logs state too.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Copies {
    /// The number of requests taken out of each log.
    pub taken: BTreeMap<SourceId, u64>,
    /// Records without a zone whose copies have one and say another time, with the nanoseconds that theirs is later.
    pub misread: Vec<(Locus, i64)>,
}

/// Sorts requests by time, source and record (those without a time last) and takes out those that another log states
/// too. What only the copy says is added to the one that stays.
#[must_use]
pub fn distinct(mut requests: Vec<ApiRequest>) -> (Vec<ApiRequest>, Copies) {
    let order = |request: &ApiRequest| (request.at.is_none(), request.at.map(|at| at.ns), request.locus);
    requests.sort_unstable_by_key(order);
    // Only another log can hold a copy.
    if requests.windows(2).all(|two| matches!(two, [one, other] if one.locus.source == other.locus.source)) {
        return (requests, Copies::default());
    }
    let mut known = Known::of(&requests);
    let mut kept: Vec<ApiRequest> = Vec::with_capacity(requests.len());
    let mut copies = Copies::default();
    for mut request in requests {
        let found = known.same(&request, &kept);
        known.keep(&request, found.unwrap_or(kept.len()));
        match found.and_then(|place| kept.get_mut(place)) {
            Some(same) => {
                if let (Some(own), Some(other)) = (same.at, request.at)
                    && own.ns.abs_diff(other.ns) > APART_NS
                {
                    if same.is_local {
                        std::mem::swap(same, &mut request);
                    }
                    copies
                        .misread
                        .push((request.locus, (own.ns - other.ns).abs() * if same.at == Some(own) { -1 } else { 1 }));
                }
                *copies.taken.entry(request.locus.source).or_insert(0) += 1;
                merge(same, request);
            }
            None => kept.push(request),
        }
    }
    if !copies.misread.is_empty() {
        kept.sort_unstable_by_key(order);
    }
    (kept, copies)
}

/// The requests that are kept, by their ids.
struct Known {
    bearers: HashMap<Box<[u8]>, Bearers, Seed>,
    /// The logs that state a request.
    logs: HashMap<usize, Vec<SourceId>, Seed>,
}

/// The requests with one id.
#[derive(Default)]
struct Bearers {
    /// The logs that hold it, until one holds it twice.
    logs: Vec<SourceId>,
    /// Whether one does: then the id is no request's own.
    is_repeated: bool,
    kept: Vec<usize>,
}

impl Bearers {
    fn latest(&self) -> &[usize] {
        self.kept.get(self.kept.len().saturating_sub(LOOKED_AT)..).unwrap_or_default()
    }
}

impl Known {
    /// None yet, with what the ids of all `requests` are worth.
    fn of(requests: &[ApiRequest]) -> Self {
        let mut bearers: HashMap<Box<[u8]>, Bearers, Seed> = HashMap::default();
        for request in requests {
            for id in ids(request) {
                let bearers = bearers.entry(id.as_ref().into()).or_default();
                if bearers.is_repeated || bearers.logs.contains(&request.locus.source) {
                    bearers.is_repeated = true;
                } else {
                    bearers.logs.push(request.locus.source);
                }
            }
        }
        Self { bearers, logs: HashMap::default() }
    }

    /// Which of those `kept` is the same request in another log: one whose target is the same, else one whose id is its
    /// own and whose target does not gainsay it. Of several the first, for the k-th in one log is the k-th in another.
    fn same(&self, request: &ApiRequest, kept: &[ApiRequest]) -> Option<usize> {
        let mut alike = None;
        for id in ids(request) {
            let Some(bearers) = self.bearers.get(&*id) else { continue };
            let is_long = id.len() >= LONG_ID;
            for place in bearers.latest() {
                let Some(one) = kept.get(*place).filter(|one| self.may_be(one, *place, request)) else {
                    continue;
                };
                let is_own = is_long && !bearers.is_repeated;
                let times = Times::of(one, request);
                match Targets::of(one, request) {
                    Targets::Same if times.agree(is_long, is_own) => return Some(*place),
                    Targets::Unlike if times.agree(is_long, false) && is_long && !bearers.is_repeated => {
                        alike = alike.or(Some(*place))
                    }
                    Targets::Same | Targets::Unlike | Targets::Contradicting => {}
                }
            }
        }
        alike
    }

    /// Whether all but the targets and the times may be of one request.
    fn may_be(&self, one: &ApiRequest, place: usize, other: &ApiRequest) -> bool {
        let source = other.locus.source;
        one.status == other.status
            && one.method() == other.method()
            // Within one log none is a copy.
            && self.logs.get(&place).is_some_and(|logs| !logs.contains(&source))
    }

    /// Takes down that `request` is the one at `place`. Either of its ids leads there.
    fn keep(&mut self, request: &ApiRequest, place: usize) {
        for id in ids(request) {
            if let Some(bearers) = self.bearers.get_mut(&*id)
                && !bearers.latest().contains(&place)
            {
                bearers.kept.push(place);
                self.logs.entry(place).or_default();
            }
        }
        if let Some(logs) = self.logs.get_mut(&place) {
            logs.push(request.locus.source);
        }
    }
}

/// The ids that a request bears; what one log calls a correlation id another may call a request id.
fn ids(request: &ApiRequest) -> impl Iterator<Item = Cow<'_, [u8]>> {
    let [request_id, correlation_id] = request.ids();
    let second = request_id.filter(|id| Some(id) != correlation_id.as_ref());
    [correlation_id, second].into_iter().flatten().filter(|id| names_one(id))
}

/// Whether an id names a request, and does not stand where none is.
fn names_one(id: &[u8]) -> bool {
    const NONE: [&[u8]; 9] = [b"empty", b"n/a", b"na", b"nil", b"none", b"null", b"undefined", b"unknown", b"unset"];
    let bare: Vec<u8> =
        id.iter().filter(|byte| !b"\"'()<>[]{} \\".contains(byte)).map(u8::to_ascii_lowercase).collect();
    !is_nil(&bare) && !NONE.contains(&&*bare)
}

/// How the times of two requests compare.
#[derive(Clone, Copy)]
enum Times {
    Near,
    /// One was read in a zone that its record does not name, and differs by what zones differ.
    OfAnotherZone,
    /// One has none.
    Unknown,
    Apart,
}

impl Times {
    fn of(one: &ApiRequest, other: &ApiRequest) -> Self {
        let (Some(at), Some(other_at)) = (one.at, other.at) else { return Self::Unknown };
        let apart = at.ns.abs_diff(other_at.ns);
        let is_of_a_zone = (apart + APART_NS) % QUARTER_NS <= 2 * APART_NS && apart <= ZONES_APART_NS;
        match apart {
            ..=APART_NS => Self::Near,
            _ if is_of_a_zone && one.is_local != other.is_local => Self::OfAnotherZone,
            _ => Self::Apart,
        }
    }

    /// Whether they may be of one request, whose id is long, and its own.
    fn agree(self, is_long: bool, is_own: bool) -> bool {
        match self {
            Self::Near => true,
            Self::OfAnotherZone => is_own,
            Self::Unknown => is_long,
            Self::Apart => false,
        }
    }
}

/// How the targets of two requests compare.
enum Targets {
    /// They lead to the same, but for what gateways put before a path and take off.
    Same,
    /// Neither shows what the other leads to.
    Unlike,
    /// They name different things of a kind.
    Contradicting,
}

impl Targets {
    fn of(one: &ApiRequest, other: &ApiRequest) -> Self {
        let named = |kind: NameKind| differ(&values(one, kind), &values(other, kind));
        if [NameKind::CallId, NameKind::Conversation, NameKind::Trunk].into_iter().any(named) {
            return Self::Contradicting;
        }
        if is_same_path(one, other) {
            return Self::Same;
        }
        let hand_out_otherwise = matches!(
            [one.audience, other.audience],
            [Audience::RecordingList, Audience::RecordingMedia] | [Audience::RecordingMedia, Audience::RecordingList]
        );
        if hand_out_otherwise || named(NameKind::Segment) { Self::Contradicting } else { Self::Unlike }
    }
}

/// Whether both name something, and nothing that is the same.
fn differ(one: &HashSet<Box<[u8]>, Seed>, other: &HashSet<Box<[u8]>, Seed>) -> bool {
    !one.is_empty() && !other.is_empty() && one.is_disjoint(other)
}

/// What a request names of that kind, as it is compared. A field may hold it encoded.
fn values(request: &ApiRequest, kind: NameKind) -> HashSet<Box<[u8]>, Seed> {
    request.names().filter(|name| name.kind == kind).map(|name| normal(&percent_decode(&name.value))).collect()
}

/// Whether one path ends as the other does, and what stands before that is a gateway's own: it names no conversation, and
/// anything else only where the common end names something, too.
fn is_same_path(one: &ApiRequest, other: &ApiRequest) -> bool {
    let targets = [one.target(), other.target()];
    let [one_path, other_path] = targets.each_ref().map(|target| {
        let (path, _) = path_and_query(target);
        path.split(|byte| *byte == b'/')
            .filter(|segment| !segment.is_empty())
            .map(|segment| normal(&percent_decode(segment)))
    });
    let named: HashMap<Box<[u8]>, NameKind, Seed> = [one, other]
        .into_iter()
        .flat_map(ApiRequest::names)
        .filter(|name| name.place == Place::Path)
        .map(|name| (normal(&name.value), name.kind))
        .collect();
    let (mut one_path, mut other_path) = (one_path.rev().peekable(), other_path.rev().peekable());
    let (mut is_common, mut names_something) = (false, false);
    while let Some(segment) = one_path.next_if(|segment| other_path.peek() == Some(segment)) {
        other_path.next();
        is_common = true;
        names_something |= named.contains_key(&segment);
    }
    is_common
        && one_path.chain(other_path).all(|segment| match named.get(&segment) {
            None => true,
            Some(NameKind::Segment) => names_something,
            Some(_) => false,
        })
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
            let More { error_params, recorded, batch_errors, handed } = *others;
            if more.error_params.is_empty() {
                more.error_params = error_params;
            }
            if more.recorded.is_empty() {
                more.recorded = recorded;
            }
            if more.batch_errors.is_empty() {
                more.batch_errors = batch_errors;
            }
            if more.handed.is_empty() {
                more.handed = handed;
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
    use crate::access_log::{LogReader, Part};
    use crate::evidence::Timestamp;
    use crate::facts::Texts;
    use crate::http::StatusCode;
    use crate::settings::Settings;

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
        assert_eq!((kept.len(), copies.taken), (2, BTreeMap::from([(SourceId(1), 1)])));
    }

    #[test]
    fn one_log_never_copies_itself_and_no_id_is_no_copy() {
        let (kept, copies) = distinct(vec![
            request(0, 1, Some("a")),
            request(0, 2, Some("a")),
            request(0, 3, None),
            request(1, 3, None),
        ]);
        assert_eq!((kept.len(), copies), (4, Copies::default()));
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
        assert_eq!((kept.len(), copies.taken.values().sum::<u64>()), (1, 3));
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
        assert_eq!((kept.len(), copies.taken), (2, BTreeMap::from([(SourceId(1), 2)])));
    }

    const ONE: &str = "/api/v2/conversations/00000001-1111-4222-8333-000000000001/recordings";
    const OTHER: &str = "/api/v2/conversations/00000002-1111-4222-8333-000000000002/recordings";
    const LONG: &str = "5e6dd5e995b61e467dd5bbbe7b03d0e0";

    /// What the reader makes of a target that a log states with this id, so many seconds after the first.
    fn read(source: u32, seconds: i64, target: &str, id: &str) -> ApiRequest {
        let line = format!(
            "{{\"time\":{},\"method\":\"GET\",\"uri\":\"{target}\",\"status\":403,\"request_id\":\"{id}\"}}\n",
            1_700_000_000 + seconds
        );
        let reader = LogReader::new(SourceId(source), "a.log", &Settings::default());
        let mut request = reader.read(line.as_bytes(), Part::WHOLE).requests.remove(0);
        request.locus.record = seconds.unsigned_abs();
        request
    }

    #[track_caller]
    fn check(one: (&str, &str), other: (i64, &str), expected: usize) {
        let ((id, target), (seconds, of_other)) = (one, other);
        for [first, second] in [[0, 1], [1, 0]] {
            let (kept, _) = distinct(vec![read(first, 0, target, id), read(second, seconds, of_other, id)]);
            assert_eq!(kept.len(), expected, "{one:?} {other:?}");
        }
    }

    #[test]
    fn a_copy_leads_to_the_same_at_about_the_same_time() {
        let prefixed = format!("https://gw.example/crm/v1{}?token=x", ONE.trim_start_matches("/api/v2"));
        for id in ["17", LONG] {
            check((id, ONE), (2, ONE), 1);
            check((id, ONE), (60, ONE), 1);
            check((id, ONE), (61, ONE), 2);
            check((id, ONE), (2, &prefixed), 1);
            check(
                (id, ONE),
                (
                    2,
                    &ONE.to_uppercase()
                        .replace("API/V2/CONVERSATIONS", "conversations")
                        .replace("RECORDINGS", "recordings"),
                ),
                1,
            );
            check((id, ONE), (2, OTHER), 2);
            check((id, ONE), (2, &format!("{ONE}/r1")), 2);
            check((id, &format!("{ONE}/r1")), (2, &format!("{ONE}/r2")), 2);
            check((id, "/api/v2/recordings"), (2, "/gateway/recordings"), 1);
            check((id, "/recordings?callId=a%40h"), (2, "/recordings?callId=b%40h"), 2);
            check((id, "/recordings?callId=a%40h"), (2, "/recordings"), 1);
            check((id, "/calls/a@h/recordings"), (2, "/calls/b@h/recordings"), 2);
            check((id, "/calls/a@h/recordings/r1"), (2, "/recordings/r1"), 1);
        }
    }

    #[test]
    fn a_path_of_the_gateways_own_is_believed_where_the_id_is_the_requests_own() {
        for target in ["/api/v2/recordings", "/crm/recordings", "/calls/a@h/recordings"] {
            check((LONG, ONE), (2, target), 1);
            check(("17", ONE), (2, target), 2);
        }
        // The client sends that id with all it asks.
        let (all, first) = ("/api/v2/recordings", ("17", ONE).1);
        let of = |source, seconds, target| read(source, seconds, target, LONG);
        let (kept, copies) = distinct(vec![of(0, 1, first), of(0, 2, all), of(1, 3, all), of(2, 4, OTHER)]);
        assert_eq!((kept.len(), copies.taken), (3, BTreeMap::from([(SourceId(1), 1)])));
        assert_eq!(kept[1].names().count(), 0, "what it leads to is its own");
    }

    #[test]
    fn a_copy_without_a_zone_may_be_hours_off_and_the_written_zone_holds() {
        const HOUR: i64 = 3_600;
        let of = |hours: i64, is_local: [bool; 2], id: &str| {
            let mut requests = [read(0, 0, ONE, id), read(1, hours * HOUR / 4 + 2, ONE, id)];
            requests.iter_mut().zip(is_local).for_each(|(request, is_local)| request.is_local = is_local);
            let [one, other] = requests.clone();
            let (kept, copies) = distinct(requests.to_vec());
            let (again, same) = distinct(vec![other, one]);
            assert_eq!((again.len(), &same), (kept.len(), &copies));
            (kept.len(), kept[0].locus.source.0, copies.misread)
        };
        let record = |source: u32, record: u64| Locus { source: SourceId(source), record };
        // In quarters of an hour.
        let late = 8 * HOUR + 2;
        assert_eq!(of(32, [false, true], LONG), (1, 0, vec![(record(1, late as u64), -late * 1_000_000_000)]));
        assert_eq!(of(32, [true, false], LONG), (1, 1, vec![(record(0, 0), late * 1_000_000_000)]));
        assert_eq!(of(-32, [true, false], LONG).1, 1);
        assert_eq!(of(15, [true, false], LONG).0, 1, "+03:45");
        // Both or neither say their zone, or the difference is none of zones, or the id may be another's.
        for (quarters, is_local, id) in
            [(32, [true; 2], LONG), (32, [false; 2], LONG), (32, [true, false], "17"), (108, [true, false], LONG)]
        {
            assert_eq!(of(quarters, is_local, id).0, 2, "{quarters} {is_local:?} {id}");
        }
        let mut odd = read(1, 8 * HOUR + 300, ONE, LONG);
        odd.is_local = true;
        assert_eq!(distinct(vec![read(0, 0, ONE, LONG), odd]).0.len(), 2);
    }

    #[test]
    fn words_that_stand_where_no_id_is_are_none() {
        for id in [
            "0",
            "none",
            "null",
            "Unknown",
            "undefined",
            "(null)",
            "00000000-0000-0000-0000-000000000000",
            "\\\"\\\"",
            "[-]",
        ] {
            check((id, ONE), (0, ONE), 2);
        }
        check(("01", ONE), (0, ONE), 1);
    }

    #[test]
    fn an_id_that_is_sent_with_everything_takes_no_square_of_time() {
        let requests = (0..20_000).map(|number| request(number % 2, u64::from(number), Some("a")));
        assert_eq!(distinct(requests.collect()).0.len(), 10_000);
    }
}
