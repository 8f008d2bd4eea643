//! Populations and captured calls written by hand, for the tests of this stage.

use std::collections::BTreeMap;

use super::contingency::Counts;
use super::hypothesis::{Hypothesis, Weighed, diagnose};
use super::passage::Passage;
use super::population::{Answer, Crossing, Group, Hidden, Judged, Loose, Material, Population, Standing, Unit};
use crate::call::Outline;
use crate::call::conversations::{Conversations, Known};
use crate::call::identity::{Binding, Bound, Identity};
use crate::call::inventory::Inventory;
use crate::call::legs::{self, At};
use crate::call::registration::{Health, Registration, Transactions};
use crate::evidence::{Anomalies, Locus, SourceId, Timestamp};
use crate::facts::extract::{Extracted, Extractor, Keep, Seen, signalling};
use crate::facts::{
    Answerer, ApiRequest, Audience, Exports, Hop, Name, NameKind, Place, SignallingBatch, Store, Texts, Transport,
};
use crate::http::StatusCode;
use crate::settings::{Settings, Trunk, TrunkKind};
use crate::verdict::{Consent, Measured, measure};

/// The BYOC trunk in question, the standard one, and another BYOC one.
pub(super) const SG1: usize = 0;
pub(super) const PBX: usize = 1;
pub(super) const SG2: usize = 2;

pub(super) const CONSENTED: Option<Group> = Some(Group::Consented);
pub(super) const MISSING: Option<Group> = Some(Group::Unconsented { invalid: false });
pub(super) const INVALID: Option<Group> = Some(Group::Unconsented { invalid: true });
pub(super) const UNKNOWN: Option<Group> = None;

pub(super) fn settings() -> Settings {
    let trunk = |name: &str, kind, addresses: &str, platform: &str| Trunk {
        name: name.to_owned(),
        kind,
        addresses: vec![addresses.parse().expect("a literal network")],
        platform_addresses: vec![platform.parse().expect("a literal network")],
        ..Trunk::default()
    };
    Settings {
        trunks: vec![
            trunk("SG1", TrunkKind::Byoc, "10.1.0.0/16", "10.2.0.0/16"),
            trunk("PBX", TrunkKind::Standard, "10.3.0.0/16", "10.4.0.0/16"),
            trunk("SG2", TrunkKind::Byoc, "10.5.0.0/16", "10.6.0.0/16"),
        ],
        ..Settings::default()
    }
}

/// That second, to the nanosecond.
pub(super) fn second(second: i64) -> Timestamp {
    Timestamp::new(second * 1_000_000_000, 9)
}

pub(super) fn locus(record: u64) -> Locus {
    Locus { source: SourceId(0), record }
}

pub(super) fn request(record: u64, at: i64, status: u16, client: Option<&str>) -> ApiRequest {
    let texts = Texts {
        method: "GET",
        target: b"/api/v2/conversations/c0ffee01/recordings",
        client: client.map(str::as_bytes),
        ..Texts::default()
    };
    let place = (Some(second(at)), Locus { source: SourceId(1), record });
    ApiRequest::new(place, StatusCode(status), Audience::RecordingList, &texts)
}

/// Changes the texts of a request.
pub(super) fn restate<'t>(request: &mut ApiRequest, change: impl FnOnce(&mut Texts<'t>)) {
    let own: &'static ApiRequest = Box::leak(Box::new(request.clone()));
    let mut texts: Texts<'t> = own.texts(Box::leak(Box::default()));
    change(&mut texts);
    request.set_texts(&texts);
}

/// A call, who asked for it, and what they were answered.
type Asked = (usize, Option<&'static str>, Vec<(ApiRequest, Option<Answerer>)>);

/// A population written down call by call. What it borrows is leaked: tests are short.
pub(super) struct Sample {
    pub(super) settings: Settings,
    calls: Vec<Standing>,
    units: Vec<Asked>,
    loose: Vec<(ApiRequest, Option<Answerer>, Option<usize>)>,
    pub(super) hidden: Hidden,
    registrations: Vec<Registration>,
    pub(super) health: Vec<Health>,
    /// Flows and trunks that an export lists.
    pub(super) exports: Exports,
    record: u64,
}

impl Sample {
    pub(super) fn new() -> Self {
        Self {
            settings: settings(),
            calls: Vec::new(),
            units: Vec::new(),
            loose: Vec::new(),
            hidden: Hidden::default(),
            registrations: Vec::new(),
            health: Vec::new(),
            exports: Exports::default(),
            record: 0,
        }
    }

    fn next(&mut self) -> u64 {
        self.record += 1;
        self.record
    }

    /// A call whose legs on `trunk` are of `group`; on the standard trunk it is in the control. Gives its index.
    pub(super) fn call(&mut self, trunk: usize, group: Option<Group>) -> usize {
        let record = self.next();
        let invites = vec![At { at: second(record as i64), locus: locus(record) }];
        let carried_invalid = group == INVALID;
        let unseen = group == UNKNOWN;
        let crossing = Crossing {
            trunk: Some(trunk),
            group,
            carried_invalid,
            unseen,
            may_be_consented: unseen,
            may_be_unconsented: unseen,
            invites,
            passages: Vec::new(),
        };
        self.calls.push(Standing { crossings: vec![crossing], control: trunk == PBX, ..Standing::default() });
        self.calls.len() - 1
    }

    /// `client` asks for `call` at these seconds and is answered so.
    pub(super) fn asked(&mut self, call: usize, client: Option<&'static str>, answers: &[(i64, u16)]) -> &mut Self {
        let answers = answers.iter().map(|(at, status)| (request(self.next(), *at, *status, client), None)).collect();
        self.calls[call].asked = true;
        self.units.push((call, client, answers));
        self
    }

    /// What an export says of the last call.
    pub(super) fn known(&mut self, known: impl FnOnce(&mut Known)) -> &mut Self {
        let own = self.calls.last_mut().expect("a call").known.get_or_insert_default();
        own.handled = true;
        known(own);
        self
    }

    /// As many calls, each asked for once by `crm` and answered so.
    pub(super) fn calls(&mut self, count: u64, trunk: usize, group: Option<Group>, status: u16) -> &mut Self {
        for _ in 0..count {
            let call = self.call(trunk, group);
            self.asked(call, Some("crm"), &[(call as i64 + 10_000, status)]);
        }
        self
    }

    /// Consent carried towards the trunk of the call, kept there or not.
    pub(super) fn passage(&mut self, call: usize, kept: bool) -> &mut Self {
        let (upstream, here) = (self.next(), self.next());
        let at = |record: u64| At { at: second(record as i64), locus: locus(record) };
        let passage = Passage { upstream: at(upstream), here: at(here), kept };
        self.calls[call].crossings[0].passages.push(passage);
        self
    }

    pub(super) fn register(&mut self, trunk: usize, at: i64, status: Option<u16>) -> &mut Self {
        let locus = locus(self.next());
        self.registrations.push(Registration { at: second(at), locus, status, trunk });
        self.registrations.sort_by_key(|registration| registration.at);
        self
    }

    /// A refusal that no leg explains.
    pub(super) fn loose(&mut self, target: &str, trunk: Option<usize>) -> &mut Self {
        let mut request = request(self.next(), 1, 403, Some("crm"));
        restate(&mut request, |texts| texts.target = target.as_bytes());
        self.loose.push((request, None, trunk));
        self
    }

    /// Changes the last unit's requests.
    pub(super) fn so(&mut self, change: impl Fn(&mut ApiRequest, &mut Option<Answerer>)) -> &mut Self {
        for (request, by) in &mut self.units.last_mut().expect("a unit").2 {
            change(request, by);
        }
        self
    }

    pub(super) fn population(&self) -> Population<'static> {
        let units = self.units.iter().flat_map(|(.., answers)| answers).map(|(request, _)| request);
        let requests: Vec<ApiRequest> = units.chain(self.loose.iter().map(|(request, ..)| request)).cloned().collect();
        let requests: &'static [ApiRequest] = requests.leak();
        let mut next = requests.iter();
        let mut answer = |by: Option<Answerer>| Answer { request: next.next().expect("as many"), answered_by: by };
        let units = self
            .units
            .iter()
            .map(|(call, client, answers)| {
                Unit::new(*call, client.map(str::as_bytes), answers.iter().map(|(_, by)| answer(*by)).collect())
            })
            .filter(|unit| !unit.answers().is_empty())
            .collect();
        let loose = self.loose.iter().map(|(_, by, trunk)| Loose { answer: answer(*by), trunk: *trunk }).collect();
        Population {
            settings: Box::leak(Box::new(self.settings.clone())),
            calls: self.calls.clone(),
            units,
            loose,
            hidden: self.hidden,
            requests,
            registrations: self.registrations.clone().leak(),
            health: self.health.clone().leak(),
            passages: Default::default(),
            beyond_passages: Vec::new(),
            inventory: Box::leak(Box::new(Inventory::of(
                Box::leak(Box::new(self.exports.clone())),
                Box::leak(Box::new(self.settings.clone())),
            ))),
            flows: self.exports.flows.clone().leak(),
        }
    }

    /// What is concluded of a hypothesis for SG1.
    pub(super) fn weigh(&self, hypothesis: Hypothesis) -> Weighed {
        row(&diagnose(&self.population()), SG1, hypothesis)
    }
}

pub(super) fn row(diagnosis: &[Weighed], trunk: usize, hypothesis: Hypothesis) -> Weighed {
    let own = diagnosis.iter().find(|weighed| weighed.trunk == trunk && weighed.hypothesis == hypothesis);
    own.expect("a row for each").clone()
}

/// Captured calls, message by message, and what follows from them.
#[derive(Default)]
pub(super) struct Capture {
    messages: Vec<(i64, Hop, Vec<u8>)>,
    requests: Vec<ApiRequest>,
}

impl Capture {
    /// One message from one address to another, both at port 5060.
    pub(super) fn message(&mut self, at: i64, from: &str, to: &str, message: String) -> &mut Self {
        let socket = |address: &str| format!("{address}:5060").parse().expect("a literal address");
        self.messages.push((at, Hop { source: socket(from), destination: socket(to) }, message.into_bytes()));
        self
    }

    /// A call of ten seconds from `at` on; `rows` are further header rows of its INVITE and 200.
    pub(super) fn call(&mut self, at: i64, from: &str, to: &str, call_id: &str, rows: [&str; 2]) -> &mut Self {
        let [invite, ok] = rows;
        self.message(at, from, to, message("INVITE sip:1@platform SIP/2.0", call_id, from, "1 INVITE", invite, true));
        self.message(at + 1, to, from, message("SIP/2.0 200 OK", call_id, from, "1 INVITE", ok, true));
        self.message(at + 11, from, to, message("BYE sip:1@platform SIP/2.0", call_id, from, "2 BYE", "", false))
    }

    /// The API answers a request for the call of that Call-ID.
    pub(super) fn asked(&mut self, at: i64, call_id: &str, client: Option<&str>, status: u16) -> &mut Self {
        let name = Name { kind: NameKind::CallId, place: Place::Query, value: call_id.as_bytes().into() };
        let record = self.requests.len() as u64 + 1;
        let mut request = request(record, at, status, client);
        restate(&mut request, |texts| texts.names = vec![name]);
        self.requests.push(request);
        self
    }

    pub(super) fn population<R>(&self, settings: &Settings, read: impl FnOnce(&Population<'_>) -> R) -> R {
        let keep = Keep::new(settings);
        let mut batch = SignallingBatch::default();
        let mut anomalies = Anomalies::default();
        for ((at, hop, payload), record) in self.messages.iter().zip(1..) {
            let seen =
                Seen { at: second(*at), locus: locus(record), hop: *hop, transport: Transport::Udp, truncated: false };
            let extracted = signalling(payload, seen, &mut Extractor::new(&keep), &mut batch, &mut anomalies);
            assert_eq!(extracted, Extracted::Message, "{}", String::from_utf8_lossy(payload));
        }
        let store = Store::default();
        store.give_back(batch);
        let messages = store.finish();
        let chosen = messages.all().expect("nothing to be read");
        let legs = legs::correlate(&chosen, settings);
        let consents: Vec<Consent> = legs.iter().map(|leg| Consent::of(leg, settings, None)).collect();
        let measured: Vec<Measured> = legs.iter().zip(&consents).map(|(leg, own)| measure(leg, own)).collect();
        let concluded = legs.iter().zip(&consents).zip(&measured);
        let judged: BTreeMap<usize, Judged<'_, '_>> =
            concluded.map(|((leg, consent), measured)| Judged { leg, consent, measured }).enumerate().collect();
        let legs = Outline::of_all(&legs);
        let exports = Exports::default();
        let inventory = Inventory::of(&exports, settings);
        let identity = Identity::of(&legs, &exports, settings);
        let bindings: Vec<Binding> =
            self.requests.iter().map(|request| identity.bind(request, &legs, &inventory, settings)).collect();
        let bound = Bound::of(&bindings);
        let transactions = Transactions::union(chosen.shelves().iter().map(|shelf| Transactions::of(shelf, settings)));
        read(&Population::of(&Material {
            settings,
            chosen: &chosen,
            judged: &judged,
            calls: &identity.calls.iter().collect::<Vec<_>>(),
            requests: &self.requests,
            bindings: &bindings,
            requests_in_range: &vec![true; self.requests.len()],
            bound: &bound,
            registrations: &transactions.registrations,
            health: &transactions.health(settings),
            identity: &identity,
            conversations: &Conversations::default(),
            inventory: &inventory,
            flows: &[],
        }))
    }
}

/// One SIP message. `start` is its start line, `from` the host of the caller.
pub(super) fn message(start: &str, call_id: &str, from: &str, cseq: &str, rows: &str, described: bool) -> String {
    let to_tag = if start.starts_with("INVITE") { "" } else { ";tag=b" };
    let body = if described {
        format!("v=0\r\no=- 1 1 IN IP4 {from}\r\ns=-\r\nc=IN IP4 {from}\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n")
    } else {
        String::new()
    };
    let kind = if described { "Content-Type: application/sdp\r\n" } else { "" };
    format!(
        "{start}\r\nVia: SIP/2.0/UDP {from};branch=z9hG4bK-{cseq}\r\nFrom: <sip:2@{from}>;tag=a\r\nTo: <sip:1@platform>{to_tag}\r\n\
         Call-ID: {call_id}\r\nCSeq: {cseq}\r\n{rows}{kind}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Counts without mixed calls.
pub(super) fn counts(refused: u64, allowed: u64) -> Counts {
    Counts { refused, allowed, mixed: 0 }
}
