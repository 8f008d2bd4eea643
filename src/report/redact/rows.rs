//! The walk over a report, row by row and field by field.
//!
//! Every row is taken apart by the names of all its fields: one that is new does not compile until it is decided here
//! whether it names something.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use super::pseudonym::Pseudonyms;
use super::{Key, NOTICE};
use crate::report::model::{
    Anomaly, Awareness, BatchError, BoundRequest, Call, CallExport, CallLink, Consent, Endpoint, Evidence,
    EvidenceText, Ground, HeaderField, Hop, Hypothesis, Ladder, Leg, Link, ListedTrunk, MediaDescription, Message,
    Notice, Observation, OptionsHealth, PlainRequest, RecordedLeg, Remedy, Report, Request, Rtp, Stream, Timezone,
    Trunk, TrunkRef, UnboundRefusal,
};
use crate::sentence::{Kind, Sentence};
use crate::settings::{self, AccessLog, ConsentRule, LogFields, Settings, builtin};

/// Words of request methods (RFC 9110, RFC 5789).
const METHODS: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"];

/// Media types of session descriptions (RFC 8866 §8.2.2 and its registry).
const MEDIA: [&str; 6] = ["audio", "video", "text", "application", "message", "image"];

/// Formats that many devices offer.
const CODECS: [&str; 22] = [
    "PCMU",
    "PCMA",
    "G722",
    "G723",
    "G728",
    "G729",
    "GSM",
    "iLBC",
    "opus",
    "speex",
    "AMR",
    "AMR-WB",
    "EVS",
    "L16",
    "CN",
    "telephone-event",
    "red",
    "t140",
    "H264",
    "VP8",
    "t38",
    "rtx",
];

/// Capabilities of a trunk that are publicly known.
const CAPABILITIES: [&str; 2] = ["analytics:byoc", "recording:consent"];

/// Parameters of the platform's error messages.
const ERROR_PARAMETERS: [&str; 4] = ["permission", "permissions", "permissionsAndDivisions", "divisions"];

/// Values that a consent field may have anywhere.
const VALUES: [&str; 11] =
    ["true", "false", "yes", "no", "1", "0", "on", "off", "pause", "nopreference", "record-aware"];

/// Replaces all that names somebody, something or some place by pseudonyms of this key.
pub fn redact(report: &mut Report, key: &Key) {
    let mut names = Pseudonyms::new(key);
    names.call_ids = report.calls.iter().flat_map(|call| &call.legs).map(|leg| leg.call_id.0.clone()).collect();
    // Identifiers of calls and trunks, and those that only a sentence names: requests may ask for them.
    names.identifiers = report.calls.iter().flat_map(|call| &call.conversation_ids).map(|id| id.0.clone()).collect();
    names.identifiers.extend(report.trunks.iter().filter_map(|trunk| trunk.id.clone()).map(String::into_bytes));
    let said = report.notices.iter().flat_map(|notice| notice.text.named());
    names.identifiers.extend(said.filter(|(kind, _)| *kind == Kind::Identifier).map(|(_, name)| name.to_vec()));
    let rule = builtin::rule();
    names.kept.extend([builtin::TRUNK.to_owned(), rule.name.clone()]);
    names.kept.extend(rule.granted.into_iter().chain(rule.denied));
    names.kept.extend(Settings::default().identity_headers);
    let fields = Fields { names: &names, shared: RefCell::default() };
    let Report {
        schema: _,
        generator: _,
        settings,
        complete: _,
        notices,
        evidence,
        summary: _,
        calls,
        trunks,
        unbound_refusals,
        diagnosis,
    } = report;
    fields.settings(settings);
    calls.iter_mut().for_each(|call| fields.call(call));
    trunks.iter_mut().for_each(|trunk| fields.trunk(trunk));
    for UnboundRefusal { request, reason: _ } in unbound_refusals {
        fields.request(request);
    }
    for row in evidence {
        let Evidence {
            id: _,
            path,
            escaped,
            kind: _,
            format: _,
            compression: _,
            bytes: _,
            digest: _,
            records: _,
            first: _,
            last: _,
            timezone,
            tally: _,
            anomalies,
            resolution_s: _,
        } = row;
        *path = names.path(path);
        *escaped = false;
        if let Some(Timezone { zone: _, from: _ }) = timezone {}
        for Anomaly { code: _, count: _, first_record: _, detail } in anomalies {
            fields.sentence(detail);
        }
    }
    for row in diagnosis.iter_mut() {
        let Hypothesis {
            trunk,
            hypothesis: _,
            status: _,
            counts: _,
            p: _,
            not_separable_from: _,
            explanation,
            sources: _,
            remedy,
        } = row;
        fields.trunk_name(trunk);
        fields.sentence(explanation);
        if let Some(Remedy { text, basis: _ }) = remedy {
            fields.sentence(text);
        }
    }
    for Notice { code: _, text } in notices.iter_mut() {
        fields.sentence(text);
    }
    notices.push(Notice {
        code: NOTICE,
        text: Sentence::own(
            "Parties, numbers, addresses, identifiers and names are keyed pseudonyms: the same thing has the same one in \
             every report made with the same key. Times, counts, record numbers and digests are those of the evidence.",
        ),
    });
}

/// Replaces names of trunks as [`redact`] does in a report: for what is listed by them.
pub fn names(trunks: &mut [String], key: &Key) {
    let names = Pseudonyms::new(key);
    trunks.iter_mut().for_each(|name| Fields { names: &names, shared: RefCell::default() }.trunk_name(name));
}

/// A row as it was, and redacted. The former is kept, so that no other one stands in its place.
type SharedRow = (Arc<Request>, Arc<Request>);

struct Fields<'n, 'k> {
    names: &'n Pseudonyms<'k>,
    /// The rows that several legs have, by where they stood.
    shared: RefCell<HashMap<*const Request, SharedRow>>,
}

fn set(text: &mut EvidenceText, shown: String) {
    text.0 = shown.into_bytes();
}

impl Fields<'_, '_> {
    /// A sentence: what it names gets the pseudonym that it has in the fields.
    fn sentence(&self, sentence: &mut Sentence) {
        *sentence = sentence.renamed(|kind, name| match kind {
            Kind::Trunk => {
                let mut name = String::from_utf8_lossy(name).into_owned();
                self.trunk_name(&mut name);
                name
            }
            Kind::Path => self.names.path(&String::from_utf8_lossy(name)),
            Kind::Field => self.header(name),
            Kind::Parameter => self.names.plain("parameter", name),
            Kind::Value => self.value(name),
            Kind::Identifier => self.names.identifier(name),
            Kind::Permission => self.names.permission(name),
            Kind::Keys => self.names.plain("keys", name),
        });
    }

    fn settings(&self, settings: &mut Settings) {
        let Settings {
            trunks,
            rules,
            identity_headers,
            access_logs,
            clock_skew_ns: _,
            log_timezone: _,
            from: _,
            to: _,
            hash: _,
            memory_limit: _,
            config_sha256: _,
        } = settings;
        for trunk in trunks.iter_mut().filter(|trunk| **trunk != builtin::trunk()) {
            let settings::Trunk { name, kind: _, id, addresses, platform_addresses, hosts, capabilities } = trunk;
            self.trunk_name(name);
            if let Some(id) = id {
                *id = self.names.identifier(id.as_bytes());
            }
            for network in addresses.iter_mut().chain(platform_addresses) {
                if let Ok(pseudonym) = self.names.network(&network.to_string()).parse() {
                    *network = pseudonym;
                }
            }
            for host in hosts {
                *host = self.names.host(host.as_bytes());
            }
            for capability in capabilities.iter_mut().flatten() {
                *capability = self.names.word("capability", capability.as_bytes(), &CAPABILITIES);
            }
        }
        for rule in rules {
            let ConsentRule { name, granted, denied, direction: _, place: _, parameter, discriminator: _, messages: _ } =
                rule;
            *name = self.header(name.as_bytes());
            if let Some(parameter) = parameter {
                *parameter = self.names.plain("parameter", parameter.as_bytes());
            }
            for value in granted.iter_mut().chain(denied) {
                *value = self.value(value.as_bytes());
            }
        }
        for header in identity_headers {
            *header = self.header(header.as_bytes());
        }
        for AccessLog { files, timezone: _, fields, recording_paths } in access_logs {
            if let Some(glob) = files {
                *glob = self.names.plain("files", glob.as_bytes());
            }
            let LogFields {
                time,
                method,
                target,
                status,
                client,
                error_code,
                request_id,
                call_id,
                conversation_id,
                correlation_id,
                user,
            } = fields;
            let lists = [time, method, target, status, client, error_code, request_id, call_id, conversation_id];
            for name in lists.into_iter().chain([correlation_id, user]).flatten() {
                *name = self.names.plain("field", name.as_bytes());
            }
            for path in recording_paths {
                *path = self.names.plain("path", path.as_bytes());
            }
        }
    }

    fn call(&self, call: &mut Call) {
        let Call { conversation_ids, legs, export, links, escaped } = call;
        *escaped = false;
        for CallLink { legs, by, strength: _, identifier, sources: _, escaped } in links {
            *escaped = false;
            for leg in legs {
                set(leg, self.names.call_id(&leg.0));
            }
            set(identifier, self.names.identifier(&identifier.0));
            by.iter_mut().for_each(|by| self.bridge(by));
        }
        for id in conversation_ids.iter_mut() {
            set(id, self.names.identifier(&id.0));
        }
        conversation_ids.sort();
        legs.iter_mut().for_each(|leg| self.leg(leg));
        if let Some(CallExport { divisions, queues, agents, flows, recorded: _, sources: _, escaped }) = export {
            *escaped = false;
            for ids in [divisions, queues, agents] {
                ids.iter_mut().for_each(|id| set(id, self.names.identifier(&id.0)));
                ids.sort();
            }
            flows.iter_mut().for_each(|flow| set(flow, self.names.plain("flow", &flow.0)));
            flows.sort();
        }
    }

    fn leg(&self, leg: &mut Leg) {
        let Leg {
            call_id,
            escaped,
            trunk,
            direction: _,
            from,
            to,
            first: _,
            answered: _,
            ended: _,
            final_status: _,
            consent,
            streams,
            requests,
            verdict: _,
            grounds,
            records,
            recording_awareness,
            ladder,
        } = leg;
        set(call_id, self.names.call_id(&call_id.0));
        *escaped = false;
        let TrunkRef { name, kind: _ } = trunk;
        if let Some(name) = name {
            self.trunk_name(name);
        }
        for uri in from.iter_mut().chain(to) {
            set(uri, self.names.uri(&uri.0));
        }
        let Consent { state: _, observations, timeline: _ } = consent;
        observations.iter_mut().for_each(|observation| self.observation(observation));
        streams.iter_mut().for_each(|stream| self.stream(stream));
        for BoundRequest { request, link, lag_s: _ } in requests {
            self.shared_request(request);
            let Link { by, strength: _ } = link;
            self.bridge(by);
        }
        for Ground { reason: _, sources: _ } in grounds {}
        for RecordedLeg { call_id, first: _, by: _, source: _, escaped } in records {
            *escaped = false;
            set(call_id, self.names.call_id(&call_id.0));
        }
        for Awareness { at: _, name, value, stream: _, source: _, escaped } in recording_awareness {
            *escaped = false;
            set(name, self.header(&name.0));
            set(value, self.value(&value.0));
        }
        if let Some(Ladder { messages, left_out: _ }) = ladder {
            messages.iter_mut().for_each(|message| self.message(message));
        }
    }

    /// What ties a request or a leg: the name of a field, unless it is a word of the report.
    fn bridge(&self, by: &mut String) {
        const WORDS: [&str; 8] =
            ["call_id", "Session-ID", "protocolCallId", "sip_trace", "Replaces", "Refer-To", "Join", "Target-Dialog"];
        if !WORDS.contains(&by.as_str()) {
            *by = self.header(by.as_bytes());
        }
    }

    fn observation(&self, observation: &mut Observation) {
        let Observation { at: _, method: _, cseq: _, header, value, escaped, state: _, source: _ } = observation;
        *escaped = false;
        if let Some(header) = header {
            set(header, self.header(&header.0));
        }
        if let Some(value) = value {
            set(value, self.value(&value.0));
        }
    }

    fn stream(&self, stream: &mut Stream) {
        let Stream {
            index: _,
            media,
            codecs,
            offer,
            answer,
            start: _,
            end: _,
            end_seen: _,
            measured_by: _,
            consented_s: _,
            unconsented_s: _,
            unknown_s: _,
            rtp,
            timeline: _,
            escaped,
        } = stream;
        *escaped = false;
        set(media, self.names.word("media", &media.0, &MEDIA));
        self.codecs(codecs);
        for endpoint in offer.iter_mut().chain(answer) {
            self.endpoint(endpoint);
        }
        for Rtp { ssrc, source, destination, packets: _, bytes: _, lost: _, first: _, last: _ } in rtp {
            *ssrc = self.names.plain("ssrc", ssrc.as_bytes());
            *source = self.names.endpoint(source);
            *destination = self.names.endpoint(destination);
        }
    }

    fn codecs(&self, codecs: &mut [EvidenceText]) {
        for codec in codecs {
            let name = codec.0.split(|byte| *byte == b'/').next().unwrap_or_default();
            let rate = codec.0.get(name.len()..).unwrap_or_default();
            let known = CODECS.iter().any(|known| known.as_bytes().eq_ignore_ascii_case(name));
            let number = !name.is_empty() && name.len() <= 3 && name.iter().all(u8::is_ascii_digit);
            if !((known || number) && rate.iter().all(|byte| byte.is_ascii_digit() || *byte == b'/')) {
                set(codec, self.names.plain("codec", &codec.0));
            }
        }
    }

    fn endpoint(&self, endpoint: &mut Endpoint) {
        let Endpoint { address, port: _, escaped } = endpoint;
        *escaped = false;
        set(address, self.names.host(&address.0));
    }

    fn shared_request(&self, request: &mut Arc<Request>) {
        if let Some(own) = Arc::get_mut(request) {
            return self.request(own);
        }
        let mut shared = self.shared.borrow_mut();
        let (_, redacted) = shared.entry(Arc::as_ptr(request)).or_insert_with(|| {
            let mut redacted = (**request).clone();
            self.request(&mut redacted);
            (request.clone(), Arc::new(redacted))
        });
        *request = redacted.clone();
    }

    fn request(&self, request: &mut Request) {
        let Request {
            at: _,
            method,
            target,
            escaped,
            status: _,
            client,
            error_code,
            error_params,
            user,
            correlation_id,
            answered_by: _,
            batch_errors,
            source: _,
        } = request;
        for BatchError { conversation_id, recording_id, message, escaped } in batch_errors {
            *escaped = false;
            for id in recording_id.iter_mut().chain([conversation_id]) {
                set(id, self.names.identifier(&id.0));
            }
            set(message, self.names.plain("message", &message.0));
        }
        *method = self.names.word("method", method.as_bytes(), &METHODS).into();
        set(target, self.names.target(&target.0));
        *escaped = false;
        for who in client.iter_mut().chain(user) {
            set(who, self.names.client(&who.0));
        }
        if let Some(id) = correlation_id {
            set(id, self.names.identifier(&id.0));
        }
        if let Some(parameters) = error_params {
            *parameters = std::mem::take(parameters)
                .into_iter()
                .map(|(name, value)| {
                    (
                        self.names.word("name", name.as_bytes(), &ERROR_PARAMETERS),
                        EvidenceText(self.names.permissions(&value.0).into_bytes()),
                    )
                })
                .collect();
        }
        if let Some(code) = error_code {
            set(code, self.names.code(&code.0));
        }
    }

    fn trunk(&self, trunk: &mut Trunk) {
        let Trunk {
            name,
            kind: _,
            id,
            legs: _,
            verdicts: _,
            requests: _,
            registrations: _,
            unseen: _,
            refusals,
            inventory,
            options,
        } = trunk;
        if let Some(OptionsHealth {
            sent: _,
            answered: _,
            refused: _,
            unanswered: _,
            first: _,
            last: _,
            last_answered: _,
            last_failed: _,
        }) = options
        {}
        for listed in inventory {
            let ListedTrunk {
                id,
                kind: _,
                active: _,
                recording: _,
                consent_required: _,
                registered: _,
                options_answered: _,
                source: _,
                escaped,
            } = listed;
            *escaped = false;
            if let Some(id) = id {
                set(id, self.names.identifier(&id.0));
            }
        }
        if let Some(name) = name {
            self.trunk_name(name);
        }
        if let Some(id) = id {
            *id = self.names.identifier(id.as_bytes());
        }
        for PlainRequest(request) in refusals {
            self.request(request);
        }
    }

    fn message(&self, message: &mut Message) {
        let Message {
            at: _,
            hop: Hop { source, destination },
            transport: _,
            method: _,
            status: _,
            request_uri,
            cseq: _,
            consent: _,
            media,
            header_whole: _,
            body_whole: _,
            rows,
            head,
            source: _,
            copies: _,
            copies_count: _,
        } = message;
        *source = self.names.endpoint(source);
        *destination = self.names.endpoint(destination);
        if let Some(uri) = request_uri {
            set(uri, self.names.uri(&uri.0));
        }
        for MediaDescription { media, endpoint, codecs, direction: _ } in media.iter_mut().flatten() {
            set(media, self.names.word("media", &media.0, &MEDIA));
            self.endpoint(endpoint);
            self.codecs(codecs);
        }
        for HeaderField { name, value } in rows {
            set(name, self.header(&name.0));
            set(value, self.value(&value.0));
        }
        // Whole header sections name everything; the rows above are what was read of them.
        *head = None;
    }

    /// The built-in trunk's name is everybody's.
    fn trunk_name(&self, name: &mut String) {
        if name != builtin::TRUNK {
            *name = self.names.plain("trunk", name.as_bytes());
        }
    }

    /// A header field's name: those of the built-in rules and of the standards stay.
    fn header(&self, name: &[u8]) -> String {
        const STANDARD: [&str; 16] = [
            "Session-ID",
            "Replaces",
            "Refer-To",
            "Referred-By",
            "Join",
            "Target-Dialog",
            "Route",
            "Require",
            "Supported",
            "Contact",
            "Content-Type",
            "Call-ID",
            "Request-URI",
            "User-to-User",
            "record",
            "recordpref",
        ];
        // An attribute has the pseudonym of its name.
        if let Some(attribute) = name.strip_prefix(b"a=") {
            return format!("a={}", self.header(attribute));
        }
        let kept: Vec<&str> = self.names.kept.iter().map(String::as_str).chain(STANDARD).collect();
        match kept.iter().any(|known| known.as_bytes().eq_ignore_ascii_case(name)) {
            true => String::from_utf8_lossy(name).into_owned(),
            false => self.names.plain("header", &name.to_ascii_lowercase()),
        }
    }

    /// A header field's value: a common word, or an identifier as such, or hidden.
    fn value(&self, value: &[u8]) -> String {
        let words = value
            .split(|byte| *byte == b',')
            .all(|word| VALUES.iter().any(|known| known.as_bytes().eq_ignore_ascii_case(word.trim_ascii())));
        if words {
            return String::from_utf8_lossy(value).into_owned();
        }
        let known = self.names.known(value.trim_ascii());
        known.unwrap_or_else(|| self.names.plain("value", value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::show::Show;
    use crate::report::{csv, json, ndjson, sample, text};

    fn key() -> Key {
        Key::new(b"0123456789abcdef".to_vec()).expect("key")
    }

    fn redacted() -> Report {
        let mut report = sample::incident();
        let notice = |code, text| Notice { code, text };
        report.notices = vec![
            notice("timezone_assumed", Sentence::own("In: ").naming(Kind::Path, "access.log").and(". Set it.")),
            notice(
                "identifier_too_common",
                Sentence::own("The identifier ").naming(Kind::Identifier, "room of acme").and(" joins nothing."),
            ),
        ];
        redact(&mut report, &key());
        report
    }

    /// The report in every format.
    fn formats(report: &Report) -> Vec<String> {
        let all = Show::All.into();
        let mut out = vec![Vec::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new()];
        let options = |medium| text::Options { medium, listing: &all, verbose: true, closing: None };
        json::write(report, &all, &mut out[0]).expect("memory");
        ndjson::write(report, &all, &mut out[1]).expect("memory");
        csv::write(report, &all, &mut out[2]).expect("memory");
        text::write(report, &options(text::Medium::Markdown), &mut out[3]).expect("memory");
        text::write(report, &options(text::Medium::Terminal { width: 100, color: false }), &mut out[4])
            .expect("memory");
        out.into_iter().map(|bytes| String::from_utf8(bytes).expect("UTF-8")).collect()
    }

    #[test]
    fn no_original_survives_in_any_format() {
        let originals = [
            "a84b4c76e66710",
            "pc33",
            "carrier.example",
            "6561234567",
            "18005550100",
            "sg1.byoc",
            "203.0.113.5",
            "192.0.2.9",
            "198.51.100.7",
            "6f1b7a52",
            "0x1234abcd",
            "SG1",
            "sg1",
            "Office",
            "office",
            "pbx.example",
            "evil",
            "access.log",
            "capture.pcap",
            "notes.txt",
            "ffff",
            "/r1",
            "acme",
            "room",
        ];
        for (clear, shown) in formats(&sample::incident()).iter().zip(formats(&redacted())) {
            for original in originals {
                assert!(!shown.contains(original), "{original} in\n{shown}");
            }
            assert!(clear.contains("203.0.113.5") && shown.contains("2001:db8::"));
        }
    }

    #[test]
    fn what_ties_legs_stays_joinable_and_names_nothing() {
        let mut report = sample::joined();
        redact(&mut report, &key());
        let call = &report.calls[0];
        let link = &call.links[0];
        assert_eq!(link.legs, call.legs.iter().map(|leg| leg.call_id.clone()).collect::<Vec<_>>());
        assert_eq!(Some(&link.identifier), call.conversation_ids.first());
        assert_eq!(link.by[1], "protocolCallId");
        for text in formats(&report) {
            for original in ["agent@pbx", "X-Own-Id", "6f1b7a52"] {
                assert!(!text.contains(original), "{original}\n{text}");
            }
        }
    }

    #[test]
    fn the_same_key_gives_the_same_bytes_and_another_one_does_not() {
        assert_eq!(formats(&redacted()), formats(&redacted()));
        let mut other = sample::incident();
        redact(&mut other, &Key::new(b"0123456789abcdeF".to_vec()).expect("key"));
        let ids = |report: &Report| report.calls.iter().map(|call| call.legs[0].call_id.clone()).collect::<Vec<_>>();
        assert!(ids(&other).iter().zip(ids(&redacted())).all(|(one, other)| *one != other));
    }

    #[test]
    fn what_belongs_together_still_does() {
        let report = redacted();
        let (exposed, blocked) = (&report.calls[0], &report.calls[3]);
        assert_eq!(exposed.conversation_ids, blocked.conversation_ids);
        let id = String::from_utf8_lossy(&exposed.conversation_ids[0].0).into_owned();
        let target = String::from_utf8_lossy(&exposed.legs[0].requests[0].request.target.0).into_owned();
        assert!(target.starts_with(&format!("/api/v2/conversations/{id}/recordings/value-")), "{target}");
        assert_eq!(exposed.legs[0].from, blocked.legs[0].from);
        assert_eq!(report.trunks[0].name, exposed.legs[0].trunk.name);
        let offer =
            String::from_utf8_lossy(&exposed.legs[0].streams[0].offer.as_ref().expect("offer").address.0).into_owned();
        assert_eq!(exposed.legs[0].streams[0].rtp[0].source, format!("[{offer}]:4000"));
        // The words that a verdict rests on stay.
        let values: Vec<_> = blocked.legs[0].consent.observations.iter().filter_map(|one| one.value.clone()).collect();
        assert_eq!(values, [sample::text(" True "), sample::text("false")]);
        assert_eq!(report.summary.verdicts, sample::incident().summary.verdicts);
        assert_eq!(report.notices.last().map(|notice| notice.code), Some(NOTICE));
        assert!(report.notices[0].text.starts_with("In: file-"), "{}", report.notices[0].text);
    }

    #[test]
    fn a_configuration_of_the_site_is_hidden_and_the_built_in_one_stays() {
        let mut report = sample::incident();
        redact(&mut report, &key());
        assert_eq!(report.settings, Settings::default());
        report.settings = Settings::from_toml(
            "[[trunk]]\nname = \"acme\"\nkind = \"byoc\"\nid = \"acme-1\"\naddresses = [\"203.0.113.0/24\"]\n\
             platform_addresses = [\"192.0.2.9\"]\nhosts = [\"*.acme.example\"]\ncapabilities = [\"acme:x\", \"analytics:byoc\"]\n\
             [[consent.header]]\nname = \"X-Acme-Consent\"\ngranted = [\"acme-yes\"]\n[identity]\nheaders = [\"X-Acme-Id\"]\n\
             [[access_log]]\nfiles = \"*acme*\"\nfields = { call_id = [\"acme.id\"] }\nrecording_paths = [\"/acme/*\"]\n",
            None,
        )
        .expect("configuration");
        redact(&mut report, &key());
        let shown = serde_json::to_string(&report.settings).expect("JSON");
        for original in ["acme", "Acme", "203.0.113", "192.0.2.9"] {
            assert!(!shown.contains(original), "{shown}");
        }
        assert!(shown.contains("analytics:byoc") && shown.contains("x-inin-cnv") && shown.contains("/120"), "{shown}");
    }

    #[test]
    fn a_sentence_names_things_as_the_fields_do_and_its_own_words_stay() {
        let mut report = sample::incident();
        let words = ["sg1", "calls", "of", "on", "Call-ID", "1", "value-", "user-", "2026", "a"];
        for word in words {
            let mut said = report.clone();
            said.settings = Settings::from_toml(
                &format!("[[trunk]]\nname = \"{word}\"\nkind = \"byoc\"\nid = \"{word}\"\nhosts = [\"h.example\"]\n"),
                None,
            )
            .expect("configuration");
            said.trunks[0].name = Some(word.to_owned());
            let leg = &mut said.calls[0].legs[0];
            leg.call_id = sample::text(word);
            let request = Arc::make_mut(&mut leg.requests[0].request);
            request.client = Some(sample::text(word));
            request.target = EvidenceText(format!("/{word}?callId={word}").into_bytes());
            let own = "calls of sg1 on 1 Call-ID: user- 2026, value- a, {} /api/v2/recordings/{conversationId} ";
            let sentence =
                Sentence::own(own).naming(Kind::Trunk, word).and(own).naming(Kind::Identifier, word).and(own);
            said.notices = vec![Notice { code: "x", text: sentence }];
            redact(&mut said, &key());
            let trunk = said.trunks[0].name.clone().expect("a name");
            let call_id = said.calls[0].legs[0].call_id.lossless().0.into_owned();
            assert_eq!(said.notices[0].text, format!("{own}{trunk}{own}{call_id}{own}").as_str(), "{word}");
        }
        report.notices = vec![Notice { code: "x", text: Sentence::own("SG1, sg1.byoc of 203.0.113.5") }];
        redact(&mut report, &key());
        assert_eq!(report.notices[0].text, "SG1, sg1.byoc of 203.0.113.5", "own words are nobody's");
    }

    #[test]
    fn permissions_are_named_one_by_one_wherever_they_stand() {
        let key = key();
        let names = Pseudonyms::new(&key);
        let own = names.permission(b"recording:alice:view");
        assert!(own.starts_with("value-"), "{own}");
        assert_eq!(
            names.permissions(b"[recording:alice:view, recording:recording:view,*]"),
            format!("[{own}, recording:recording:view,*]")
        );
        assert_eq!(
            names.code(b"missing.any.permissions [recording:alice:view]"),
            format!("missing.any.permissions [{own}]")
        );
        let free = names.permissions(b"Quality Media, recording:view");
        assert!(!free.contains("Quality") && !free.contains("Media") && free.ends_with(", recording:view"), "{free}");
        assert!(names.code(b"missing.any.alice [recording:alice:view]").starts_with("code-"));
    }
}
