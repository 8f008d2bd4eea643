//! Literal reports for the tests of renderers and of the command line: one leg of each interesting kind.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::model::{
    Anomaly, BoundRequest, Call, CallLink, Consent, Endpoint, Evidence, EvidenceId, EvidenceText, Generator, Ground,
    Instant, Leg, Link, Observation, Outcome, Outcomes, PlainRequest, Pointer, Registration, Report, Request,
    RequestCounts, Rtp, SCHEMA, Seconds, StateFrom, Stream, Summary, Timezone, Trunk, TrunkRef, UnboundRefusal, Unseen,
    Verdicts,
};
use crate::evidence::Timestamp;
use crate::settings::Settings;

/// `ms` milliseconds after 2026-01-02T03:04:05Z, written with three digits.
pub(crate) fn at(ms: i64) -> Instant {
    Instant(Timestamp::new((1_767_323_045_000 + ms) * 1_000_000, 3))
}

pub(crate) fn text(text: &str) -> EvidenceText {
    EvidenceText(text.as_bytes().to_vec())
}

/// Packet `record` of `capture.pcap`.
pub(crate) fn packet(record: u64) -> Pointer {
    Pointer { evidence: EvidenceId(1), record }
}

/// Line `record` of `access.log`.
pub(crate) fn line(record: u64) -> Pointer {
    Pointer { evidence: EvidenceId(0), record }
}

pub(crate) fn seconds(ms: i128) -> Seconds {
    Seconds(ms * 1_000_000)
}

/// An INVITE at `ms` that carries `field`.
pub(crate) fn invite(ms: i64, field: Option<(&str, &[u8])>, state: &'static str) -> Observation {
    Observation {
        at: at(ms),
        method: "INVITE".to_owned(),
        cseq: Some(1),
        header: field.map(|(name, _)| text(name)),
        value: field.map(|(_, value)| EvidenceText(value.to_vec())),
        escaped: false,
        state,
        source: packet(1 + ms.unsigned_abs() / 10),
    }
}

/// An audio stream by signalling with these milliseconds consented, unconsented and unknown.
pub(crate) fn stream(consented: i128, unconsented: i128, unknown: i128) -> Stream {
    Stream {
        index: 0,
        media: text("audio"),
        codecs: vec![text("PCMU"), text("telephone-event")],
        offer: Some(Endpoint::new(text("203.0.113.5"), Some(4000))),
        answer: Some(Endpoint::new(text("192.0.2.9"), Some(16384))),
        start: Some(at(2000)),
        end: Some(at(14_000)),
        end_seen: true,
        measured_by: "signalling",
        consented_s: seconds(consented),
        unconsented_s: seconds(unconsented),
        unknown_s: seconds(unknown),
        rtp: Vec::new(),
        timeline: Vec::new(),
        escaped: false,
    }
}

/// A recording request at `ms`, bound through the conversation.
pub(crate) fn bound(ms: i64, status: u16, target: &str) -> BoundRequest {
    BoundRequest {
        request: Arc::new(Request {
            at: Some(at(ms)),
            method: "GET".into(),
            target: text(target),
            escaped: false,
            status,
            client: Some(text("198.51.100.7")),
            error_code: (status == 403).then(|| text("not.authorized")),
            error_params: None,
            user: None,
            correlation_id: None,
            answered_by: None,
            batch_errors: Vec::new(),
            source: line(ms.unsigned_abs() / 1000),
        }),
        link: Link { by: "x-inin-cnv".to_owned(), strength: "bridged" },
        lag_s: seconds(i128::from(ms)),
    }
}

/// A leg of trunk SG1, inbound, answered and ended.
pub(crate) fn leg(call_id: &str, verdict: &'static str, state: &'static str) -> Leg {
    Leg {
        call_id: text(call_id),
        escaped: false,
        trunk: TrunkRef { name: Some("SG1".to_owned()), kind: "byoc" },
        direction: "inbound",
        from: Some(text("sip:+6561234567@carrier.example")),
        to: Some(text("sip:+18005550100@sg1.byoc.mypurecloud.com")),
        first: at(0),
        answered: Some(at(2000)),
        ended: Some(at(14_000)),
        final_status: Some(200),
        consent: Consent {
            state,
            observations: vec![invite(0, None, state)],
            timeline: vec![StateFrom { from: at(0), state }],
        },
        streams: vec![stream(0, 12_000, 0)],
        requests: Vec::new(),
        verdict,
        grounds: vec![Ground { reason: "consent_missing", sources: vec![packet(1)] }],
        records: Vec::new(),
        recording_awareness: Vec::new(),
        ladder: None,
    }
}

fn call(conversation: Option<&str>, leg: Leg) -> Call {
    Call {
        conversation_ids: conversation.map(text).into_iter().collect(),
        legs: vec![leg],
        export: None,
        links: Vec::new(),
        escaped: false,
    }
}

/// A report of a small incident: four findings, one undecided leg, others, two unbound refusals.
pub(crate) fn incident() -> Report {
    const CONVERSATION: &str = "6f1b7a52-3c0e-4f0e-9d55-0a1b2c3d4e5f";
    const MEDIA: &str = "/api/v2/conversations/6f1b7a52-3c0e-4f0e-9d55-0a1b2c3d4e5f/recordings/r1";
    let exposed = Leg {
        streams: vec![Stream {
            measured_by: "rtp",
            rtp: vec![Rtp {
                ssrc: "0x1234abcd".to_owned(),
                source: "203.0.113.5:4000".to_owned(),
                destination: "192.0.2.9:16384".to_owned(),
                packets: 600,
                bytes: 96_000,
                lost: 3,
                first: at(2000),
                last: at(14_000),
            }],
            ..stream(0, 12_000, 0)
        }],
        requests: vec![
            bound(60_000, 202, MEDIA),
            bound(65_000, 202, MEDIA),
            bound(70_000, 202, MEDIA),
            bound(75_000, 200, MEDIA),
        ],
        grounds: vec![
            Ground { reason: "consent_missing", sources: vec![packet(1)] },
            Ground { reason: "audio_served", sources: vec![line(75), packet(7), packet(9)] },
        ],
        ..leg("a84b4c76e66710@pc33.carrier.example", "exposed_unconsented", "missing")
    };
    let mut blocked = leg("blocked@carrier.example", "blocked_unconsented", "partial");
    blocked.consent.observations = vec![
        invite(0, Some(("X-Genesys-Recording-Consent", b" True ")), "granted"),
        Observation {
            method: "UPDATE".to_owned(),
            cseq: Some(2),
            ..invite(9000, Some(("x-genesys-recording-consent", b"false")), "denied")
        },
        Observation { cseq: Some(3), ..invite(9500, None, "denied") },
    ];
    blocked.streams = vec![stream(7000, 5000, 0)];
    blocked.requests = vec![bound(80_000, 403, MEDIA)];
    let mut hostile = leg("evil\x1b[2J\u{202e}@x", "unconsented", "invalid");
    hostile.from = Some(EvidenceText(b"sip:\xff\xfe@carrier.example".to_vec()));
    hostile.to = None;
    hostile.consent.observations = vec![invite(0, Some(("X-Genesys-Recording-Consent", b"\x1b]0;\"t\x07")), "invalid")];
    let mut consented = leg("consented@carrier.example", "blocked_consented", "granted");
    consented.consent.observations = vec![invite(0, Some(("X-Genesys-Recording-Consent", b"true")), "granted")];
    consented.streams = vec![stream(12_000, 0, 0)];
    consented.requests = vec![BoundRequest {
        link: Link { by: "call_id".to_owned(), strength: "weak" },
        ..bound(90_000, 403, "/api/v2/recordings?callId=consented")
    }];
    let mut cut = leg("cut@carrier.example", "indeterminate", "unknown");
    cut.streams = vec![stream(0, 0, 12_000)];
    cut.ended = None;
    cut.grounds = vec![Ground { reason: "invite_cut", sources: vec![packet(40)] }];
    let mut clear = leg("clear@carrier.example", "clear", "granted");
    clear.streams = vec![stream(12_000, 0, 0)];
    clear.grounds = vec![Ground { reason: "consent_granted", sources: vec![packet(50)] }];
    let mut quiet = leg("busy@carrier.example", "no_media", "missing");
    quiet.streams = Vec::new();
    quiet.answered = None;
    quiet.final_status = Some(486);
    quiet.grounds = vec![Ground { reason: "final_refusal", sources: vec![packet(61)] }];
    let mut office = leg("office@pbx.example", "not_byoc", "missing");
    office.trunk = TrunkRef { name: Some("Office".to_owned()), kind: "standard" };
    office.grounds = vec![Ground { reason: "trunk_standard", sources: Vec::new() }];
    let refusal = |ms, reason| UnboundRefusal {
        request: (*bound(ms, 403, "/api/v2/conversations/ffff/recordings").request).clone(),
        reason,
    };
    let verdicts = Verdicts {
        not_byoc: 1,
        no_media: 1,
        exposed_unconsented: 1,
        blocked_unconsented: 1,
        unconsented: 1,
        indeterminate: 1,
        blocked_consented: 1,
        clear: 1,
        ..Verdicts::default()
    };
    Report {
        schema: SCHEMA,
        generator: Generator { name: "sipconsent", version: "0.1.0" },
        settings: Settings::default(),
        complete: true,
        notices: Vec::new(),
        evidence: evidence(),
        summary: Summary {
            calls: 8,
            legs: 8,
            byoc_legs: 7,
            verdicts: verdicts.clone(),
            unconsented_streams: 3,
            unconsented_media_s: seconds(29_000),
            requests: RequestCounts { total: 20, recording: 8, refused: 4, allowed: 4, served: 1, unbound_refusals: 2 },
        },
        calls: vec![
            call(Some(CONVERSATION), exposed),
            call(None, clear),
            call(None, consented),
            call(Some(CONVERSATION), blocked),
            call(None, hostile),
            call(None, cut),
            call(None, quiet),
            call(None, office),
        ],
        trunks: trunks(verdicts),
        unbound_refusals: vec![refusal(100_000, "no_such_call"), refusal(110_000, "no_such_call")],
        diagnosis: Vec::new(),
    }
}

fn evidence() -> Vec<Evidence> {
    let log = Evidence {
        id: EvidenceId(0),
        path: "access.log".to_owned(),
        escaped: false,
        kind: "access_log",
        format: Some("json_lines"),
        compression: Some("gzip"),
        bytes: 2048,
        digest: Some(format!("sha256:{}", "0123456789abcdef".repeat(4))),
        records: 20,
        first: Some(at(60_000)),
        last: Some(at(110_000)),
        timezone: Some(Timezone { zone: "UTC".to_owned(), from: "assumed" }),
        resolution_s: Some(0.001),
        tally: BTreeMap::from([("api_request", 19), ("bad_record", 1)]),
        anomalies: vec![Anomaly {
            code: "bad_record",
            count: 1,
            first_record: Some(13),
            detail: crate::sentence::Sentence::own("no JSON object"),
        }],
    };
    let capture = Evidence {
        id: EvidenceId(1),
        path: "capture.pcap".to_owned(),
        escaped: false,
        kind: "capture",
        format: Some("pcap"),
        compression: None,
        bytes: 123_456,
        digest: None,
        records: 700,
        first: Some(at(0)),
        last: Some(at(14_000)),
        timezone: Some(Timezone { zone: "UTC".to_owned(), from: "written" }),
        resolution_s: None,
        tally: BTreeMap::from([("rtp", 600), ("sip", 100)]),
        anomalies: Vec::new(),
    };
    let notes = Evidence {
        id: EvidenceId(2),
        path: "notes.txt".to_owned(),
        escaped: false,
        kind: "unrecognised",
        format: None,
        compression: None,
        bytes: 12,
        digest: None,
        records: 0,
        first: None,
        last: None,
        timezone: None,
        resolution_s: None,
        tally: BTreeMap::new(),
        anomalies: Vec::new(),
    };
    vec![log, capture, notes]
}

fn trunks(verdicts: Verdicts) -> Vec<Trunk> {
    let sg1 = Trunk {
        name: Some("SG1".to_owned()),
        kind: "byoc",
        id: None,
        legs: 7,
        verdicts: Verdicts { not_byoc: 0, ..verdicts },
        requests: Outcomes {
            consented: Outcome { refused: 1, allowed: 0, mixed: 0 },
            unconsented: Outcome { refused: 0, allowed: 1, mixed: 0 },
        },
        registrations: vec![Registration { at: at(500), status: Some(200), source: packet(3) }],
        unseen: Unseen { tls_connections: 1, tls_packets: 42 },
        refusals: vec![PlainRequest((*bound(95_000, 403, "/api/v2/recordings?trunkId=sg1").request).clone())],
        inventory: Vec::new(),
        options: None,
    };
    let office = Trunk {
        name: Some("Office".to_owned()),
        kind: "standard",
        id: None,
        legs: 1,
        verdicts: Verdicts { not_byoc: 1, ..Verdicts::default() },
        requests: Outcomes::default(),
        registrations: Vec::new(),
        unseen: Unseen::default(),
        refusals: Vec::new(),
        inventory: Vec::new(),
        options: None,
    };
    vec![sg1, office]
}

/// The incident, its first call of two legs that share a conversation; an agent's leg beside the one on the trunk.
pub(crate) fn joined() -> Report {
    let mut report = incident();
    if let Some(call) = report.calls.first_mut() {
        let mut agent = leg("agent@pbx.example", "not_byoc", "missing");
        agent.trunk = TrunkRef { name: Some("Office".to_owned()), kind: "standard" };
        call.links = vec![CallLink {
            legs: call.legs.iter().map(|leg| leg.call_id.clone()).chain([agent.call_id.clone()]).collect(),
            by: vec!["X-Own-Id".to_owned(), "protocolCallId".to_owned()],
            strength: "bridged",
            identifier: call.conversation_ids.first().cloned().unwrap_or_default(),
            sources: vec![packet(2), packet(9)],
            escaped: false,
        }];
        call.legs.push(agent);
    }
    report
}
