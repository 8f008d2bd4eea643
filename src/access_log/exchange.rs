//! One exchange as a browser (HAR 1.2), Newman or Postman writes it: a request and its answer as nested objects.
//!
//! HAR: `startedDateTime`, `request{method, url, headers[{name, value}], postData{text}}`, `response{status, headers,
//! content{text, encoding}}`. Newman: `request{method, url{protocol, host[], port, path[], query[{key, value}]}, header[{key,
//! value}], body{raw}}`, `response{code, header, stream{data[]}}`. A run that Postman exports: `url`, `responseCode{code}`.
//!
//! # Design
//!
//! Newman writes no time for a request. What its answer's `Date` says is the server's clock in whole seconds, and honest;
//! an answer without it leaves the request without a time. The start of the run plus the durations would be invented.

use std::borrow::Cow;

use super::body::base64;
use super::fields::status;
use super::json::{self, Keys, Kind, Scalar, Sink};

/// What is taken of one exchange.
#[derive(Debug, Default)]
pub(super) struct Exchange<'a> {
    pub(super) time: Option<Scalar<'a>>,
    pub(super) method: Option<Scalar<'a>>,
    pub(super) url: Option<Cow<'a, [u8]>>,
    pub(super) status: Option<Scalar<'a>>,
    /// Header fields of the request, then of the answer: name and value.
    pub(super) headers: [Vec<(Scalar<'a>, Scalar<'a>)>; 2],
    pub(super) request_body: Option<Cow<'a, [u8]>>,
    pub(super) response_body: Option<Cow<'a, [u8]>>,
    /// Whether the same field stood twice with different values.
    pub(super) duplicate: bool,
}

impl<'a> Exchange<'a> {
    /// The exchange that `text` is; `None` where it is no JSON text.
    pub(super) fn of(text: &'a [u8], keys: &mut Keys) -> Option<Self> {
        let mut reader = Reader::default();
        keys.bound();
        json::walk(text, keys, &mut reader)?;
        Some(reader.finish())
    }

    /// The value of a header field of the answer.
    pub(super) fn answer_header(&self, name: &[u8]) -> Option<Scalar<'a>> {
        let [_, answer] = &self.headers;
        answer.iter().find(|(key, _)| key.value().eq_ignore_ascii_case(name)).map(|(_, value)| *value)
    }

    /// Whether the answer's header fields, if they were logged, show that the edge gave it: it bears the edge's marks and
    /// not the API's correlation id.
    pub(super) fn is_by_edge(&self) -> bool {
        let [_, answer] = &self.headers;
        let named = |part: &[u8]| {
            answer.iter().any(|(name, _)| {
                let name = name.value();
                name.get(..part.len()).is_some_and(|head| head.eq_ignore_ascii_case(part))
            })
        };
        let edge = named(b"x-amz-cf-") || named(b"x-cache") || named(b"cf-ray");
        edge && !named(b"inin-correlation-id")
    }
}

/// Takes an exchange from the walk over it.
#[derive(Default)]
struct Reader<'a> {
    exchange: Exchange<'a>,
    /// Name and value of the header field or query parameter that is open, and whose it is.
    pairs: Vec<(Option<Scalar<'a>>, Option<Scalar<'a>>, Owner)>,
    url: Option<Scalar<'a>>,
    parts: Parts<'a>,
    code: Option<Scalar<'a>>,
    encoding: Option<Scalar<'a>>,
    text: Option<Scalar<'a>>,
    stream: Vec<u8>,
    request_body: Option<Scalar<'a>>,
}

/// The parts of a URL that is an object.
#[derive(Default)]
struct Parts<'a> {
    protocol: Option<Scalar<'a>>,
    host: Vec<Scalar<'a>>,
    port: Option<Scalar<'a>>,
    path: Vec<Scalar<'a>>,
    query: Vec<(Option<Scalar<'a>>, Option<Scalar<'a>>)>,
}

/// Whose a name and a value are.
#[derive(Clone, Copy, Default)]
enum Owner {
    #[default]
    Nobody,
    Request,
    Answer,
    Query,
}

/// The first value stays; another one is said.
fn once<'a>(slot: &mut Option<Scalar<'a>>, value: Scalar<'a>, duplicate: &mut bool) {
    match slot {
        None => *slot = Some(value),
        Some(known) => *duplicate |= *known != value,
    }
}

impl<'a> Sink<'a> for Reader<'a> {
    fn enter(&mut self) {
        self.pairs.push((None, None, Owner::Nobody));
    }

    fn leave(&mut self) {
        let Some((name, value, owner)) = self.pairs.pop() else { return };
        let [request, answer] = &mut self.exchange.headers;
        match (owner, name, value) {
            (Owner::Query, name, value) => self.parts.query.push((name, value)),
            (Owner::Request, Some(name), Some(value)) => request.push((name, value)),
            (Owner::Answer, Some(name), Some(value)) => answer.push((name, value)),
            _ => {}
        }
    }

    fn scalar(&mut self, keys: &Keys, place: json::Place, value: Scalar<'a>, _at: usize) {
        let again = &mut self.exchange.duplicate;
        let (owner, is_name) = match keys.path(place.key) {
            b"starteddatetime" => return once(&mut self.exchange.time, value, again),
            b"request.method" | b"method" => return once(&mut self.exchange.method, value, again),
            b"request.url" | b"url" => return once(&mut self.url, value, again),
            b"request.url.protocol" => return once(&mut self.parts.protocol, value, again),
            b"request.url.host" => return self.parts.host.push(value),
            b"request.url.port" => return once(&mut self.parts.port, value, again),
            b"request.url.path" => return self.parts.path.push(value),
            // Newman has the reason phrase at `status` and the number at `code`.
            b"response.status" => return once(&mut self.exchange.status, value, again),
            b"response.code" | b"responsecode.code" => return once(&mut self.code, value, again),
            b"request.postdata.text" | b"request.body.raw" => return once(&mut self.request_body, value, again),
            b"response.content.text" | b"response.body" => return once(&mut self.text, value, again),
            b"response.content.encoding" => return once(&mut self.encoding, value, again),
            b"response.stream.data" => {
                let byte = str::from_utf8(value.text).ok().and_then(|number| number.parse::<u8>().ok());
                return self.stream.extend(byte);
            }
            b"request.headers.name" | b"request.header.key" => (Owner::Request, true),
            b"request.headers.value" | b"request.header.value" => (Owner::Request, false),
            b"response.headers.name" | b"response.header.key" => (Owner::Answer, true),
            b"response.headers.value" | b"response.header.value" => (Owner::Answer, false),
            b"request.url.query.key" => (Owner::Query, true),
            b"request.url.query.value" => (Owner::Query, false),
            _ => return,
        };
        if let Some(pair) = self.pairs.last_mut() {
            pair.2 = owner;
            let slot = if is_name { &mut pair.0 } else { &mut pair.1 };
            *slot = slot.or(Some(value));
        }
    }
}

impl<'a> Reader<'a> {
    fn finish(self) -> Exchange<'a> {
        let Self { mut exchange, url, parts, code, encoding, text, stream, request_body, .. } = self;
        exchange.url = url.map(Scalar::value).or_else(|| parts.join().map(Cow::Owned));
        exchange.status = code.filter(|code| status(code.text).is_some()).or(exchange.status);
        exchange.request_body = request_body.map(Scalar::value);
        exchange.response_body = match text.map(Scalar::value) {
            Some(text) if encoding.is_some_and(|encoding| encoding.text.eq_ignore_ascii_case(b"base64")) => {
                base64(&text).map(Cow::Owned)
            }
            None if !stream.is_empty() => Some(Cow::Owned(stream)),
            text => text,
        };
        if exchange.time.is_none() {
            exchange.time = exchange.answer_header(b"date");
        }
        exchange
    }
}

impl Parts<'_> {
    /// The URL that the parts make; `None` without any.
    fn join(&self) -> Option<Vec<u8>> {
        if self.host.is_empty() && self.path.is_empty() {
            return None;
        }
        let joined = |parts: &[Scalar<'_>], by: u8| {
            parts.iter().map(|part| part.value().into_owned()).collect::<Vec<_>>().join(&by)
        };
        let mut url = Vec::new();
        if !self.host.is_empty() {
            url.extend_from_slice(&self.protocol.map_or(Cow::Borrowed(&b"https"[..]), Scalar::value));
            url.extend_from_slice(b"://");
            url.extend(joined(&self.host, b'.'));
        }
        if let Some(port) = self.port {
            url.push(b':');
            url.extend_from_slice(port.text);
        }
        url.push(b'/');
        url.extend(joined(&self.path, b'/'));
        for ((name, value), before) in self.query.iter().zip(std::iter::once(b'?').chain(std::iter::repeat(b'&'))) {
            url.push(before);
            url.extend_from_slice(&name.map(Scalar::value).unwrap_or_default());
            if let Some(value) = value {
                url.push(b'=');
                url.extend_from_slice(&value.value());
            }
        }
        Some(url)
    }
}

/// A value that stands in a text as it is.
pub(super) fn plain(text: &[u8]) -> Scalar<'_> {
    Scalar { text, kind: Kind::Text }
}
