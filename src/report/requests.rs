//! The report's rows and figures of API requests.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use rayon::iter::{IndexedParallelIterator, IntoParallelRefIterator, ParallelIterator};

use super::build::{Concluded, pointer, text};
use super::model::{
    AnsweredBy, BatchError, EvidenceText, Instant, Notice, Request, RequestCounts, UnboundRefusal, are_escaped,
};
use crate::call::identity::{Binding, Unbound};
use crate::facts::ApiRequest;
use crate::sentence::{Kind, Sentence};

/// The rows of requests that inform several legs: a call's legs times its requests may be more than have room.
#[derive(Debug, Default)]
pub struct Shared(Vec<Option<OnceLock<Arc<Request>>>>);

impl Shared {
    /// For requests of these bindings.
    #[must_use]
    pub fn of(bindings: &[Binding]) -> Self {
        let is_shared = |binding: &Binding| matches!(binding, Binding::Legs(links) if links.len() > 1);
        let Some(last) = bindings.iter().rposition(is_shared) else { return Self::default() };
        Self(bindings.iter().take(last + 1).map(|binding| is_shared(binding).then(OnceLock::new)).collect())
    }

    /// The row of a request.
    pub(super) fn of_place(&self, place: usize, requests: &[ApiRequest]) -> Option<Arc<Request>> {
        let request = requests.get(place)?;
        let made = || Arc::new(row(request));
        let shared = self.0.get(place).and_then(Option::as_ref);
        Some(shared.map_or_else(made, |shared| shared.get_or_init(made).clone()))
    }
}

/// The row of a request.
pub(super) fn row(request: &ApiRequest) -> Request {
    let target = EvidenceText(request.target().into_owned());
    let [client, user, error_code] = request.who_and_code();
    let correlation_id = request.correlation_id();
    let texts = [client, user, error_code, correlation_id.as_deref()];
    let params = request.error_params().iter().flat_map(|param| [&*param.name, &*param.value]);
    let is_escaped = |text: &[u8]| str::from_utf8(text).is_err();
    let escaped = texts.into_iter().flatten().chain(params).any(is_escaped) || target.is_escaped();
    Request {
        at: request.at.map(Instant),
        method: method(request.method()),
        escaped,
        target,
        status: request.status.0,
        client: client.map(text),
        error_code: error_code.map(text),
        error_params: (!request.error_params().is_empty()).then(|| error_params(request)),
        user: user.map(text),
        correlation_id: correlation_id.map(|id| EvidenceText(id.into_owned())),
        answered_by: request
            .answered_by()
            .map(|answered| AnsweredBy { who: answered.by.name(), known_by: answered.known_by.name() }),
        batch_errors: request
            .batch_errors()
            .iter()
            .map(|error| {
                let (conversation_id, recording_id) = (text(&error.conversation), error.recording.as_deref().map(text));
                let message = text(&error.message);
                let escaped = are_escaped(recording_id.iter().chain([&conversation_id, &message]));
                BatchError { conversation_id, recording_id, message, escaped }
            })
            .collect(),
        source: pointer(request.locus),
    }
}

/// The name of a method. Those of RFC 9110 and RFC 5789 take no room of their own.
fn method(name: &str) -> Cow<'static, str> {
    const KNOWN: [&str; 9] = ["CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"];
    match KNOWN.iter().find(|known| **known == name) {
        Some(known) => Cow::Borrowed(known),
        None => Cow::Owned(name.to_owned()),
    }
}

/// By name; of one name the first counts.
fn error_params(request: &ApiRequest) -> BTreeMap<String, EvidenceText> {
    let mut params = BTreeMap::new();
    for param in request.error_params() {
        params.entry(text(&param.name).lossless().0.into_owned()).or_insert_with(|| text(&param.value));
    }
    params
}

/// The refusals that are bound to nothing, with the reason.
pub(super) fn unbound_refusals(concluded: &Concluded<'_>) -> Vec<UnboundRefusal> {
    // First which, then their rows: each is made where it will stand.
    let requests = concluded.requests.par_iter().zip(concluded.bindings).zip(concluded.requests_in_range);
    let unbound = requests.filter_map(|((request, binding), in_range)| match binding {
        Binding::Nothing(reason) if *in_range && request.is_refused() => Some((request, *reason)),
        Binding::Nothing(_) | Binding::Legs(_) | Binding::Trunk(_) => None,
    });
    let unbound: Vec<(&ApiRequest, Unbound)> = unbound.collect();
    let row =
        |(request, reason): &(&ApiRequest, Unbound)| UnboundRefusal { request: row(request), reason: reason.name() };
    unbound.par_iter().map(row).collect()
}

/// How many requests there are of each kind.
pub(super) fn counts(concluded: &Concluded<'_>, unbound: usize) -> RequestCounts {
    let mut counts =
        RequestCounts { total: concluded.total_requests, unbound_refusals: unbound as u64, ..RequestCounts::default() };
    for (request, _) in concluded.requests() {
        counts.recording += u64::from(request.audience.is_recording());
        counts.refused += u64::from(request.is_refused());
        counts.allowed += u64::from(request.is_allowed());
        counts.served += u64::from(request.is_served());
    }
    counts
}

/// Says that recordings were denied inside answers that look well.
pub(super) fn batch_errors(concluded: &Concluded<'_>) -> Option<Notice> {
    let requests = concluded.requests().map(|(request, _)| request);
    let told: Vec<&ApiRequest> = requests.filter(|request| !request.batch_errors().is_empty()).collect();
    let first = told.first()?;
    let errors: usize = told.iter().map(|request| request.batch_errors().len()).sum();
    let shown = concluded.accounts.get(first.locus.source.0 as usize).map_or("", |account| account.shown.as_str());
    Some(Notice {
        code: "batch_errors",
        text: Sentence::own(format!(
            "{errors} recordings were not handed out by batch jobs that say so inside {} answers; the first is record {} of ",
            told.len(),
            first.locus.record,
        ))
        .naming(Kind::Path, shown)
        .and(". By their status these answers count as any others: see batch_errors of the requests."),
    })
}
