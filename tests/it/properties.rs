//! Laws of the verdicts, over generated scenes: seconds add up, arrival and unrelated evidence move nothing, and an
//! accusation falls with the packet that alone carries its ground.
//!
//! Scenes come from a generator with a fixed seed, the same on every machine; `SIPCONSENT_SCENES` runs more of them. The
//! audit runs in this process, on files.
//!
//! # Design
//!
//! "Less evidence is never harsher" is no law of the contract, and so none here. Tried over hundreds of scenes, packet by
//! packet, it fails where the contract lets a verdict rest on what was seen beside the accusation and nothing else shows
//! it: the refusal of a re-INVITE takes back what it denies, and a final refusal what its INVITE offered; a response, an ACK
//! or a CSeq number is all that shows a request that was not captured; consented time keeps a served recording from
//! exposing, time that became unknown does not (§4); a second BYOC leg in the call does so too (§3); and the initial INVITE
//! tells the direction, without which the field counts wherever it is present (§3). The law is of the packets that carry
//! the ground of the *accusation*: without every copy of them nobody is accused.

use std::collections::BTreeMap;
use std::path::PathBuf;

use sipconsent::Settings;
use sipconsent::report::model::{Leg, Pointer, Report};
use tempfile::TempDir;

use crate::support::laws::VERDICTS;
use crate::support::packet::{Packet, pcap};
use crate::support::scene::{LOG, Scene};
use crate::support::{here, read};

/// Scenes of each law.
const SCENES: u64 = 120;

/// A linear congruential generator: the same numbers on every machine.
struct Random(u64);

impl Random {
    fn below(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }

    /// One in so many.
    fn one_in(&mut self, many: u64) -> bool {
        self.below(many) == 0
    }

    fn pick<'t>(&mut self, from: &[&'t str]) -> &'t str {
        from[self.below(from.len() as u64) as usize]
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for place in (1..items.len()).rev() {
            items.swap(place, self.below(place as u64 + 1) as usize);
        }
    }
}

/// What one scene gives: packets at times of their own, by time, and log lines.
#[derive(Clone)]
struct Evidence {
    /// The scene, for those who look into a failure.
    text: String,
    packets: Vec<Packet>,
    log: Vec<Vec<u8>>,
}

const CONSENTS: [&str; 5] = ["", "consent = 'true',", "consent = 'false',", "consent = 'maybe',", "consent = 'true',"];

/// A scene of one to three calls whose names begin with `prefix` and whose ports begin at `port`.
fn scene(random: &mut Random, prefix: &str, port: u64) -> Evidence {
    let mut calls = String::new();
    let mut messages = String::new();
    let mut log = String::new();
    let count = 1 + random.below(3);
    for call in 0..count {
        let id = format!("{prefix}{call}@x");
        let at = call * random.pick(&["7", "30"]).parse::<u64>().expect("a literal") + 5;
        if random.one_in(6) {
            messages.push_str(&proxied(random, &id, at, port + 20 * call));
        } else {
            calls.push_str(&self::call(random, prefix, call, at, port + 20 * call));
        }
        for _ in 0..random.below(4) {
            let status = random.pick(&["403", "200", "206", "404"]);
            let target = match random.below(4) {
                0 => format!("/api/v2/conversations/{prefix}-conversation-{}/recordings/1", random.below(2)),
                1 => format!("/gw/recordings/1/media?callId={prefix}{call}@elsewhere"),
                _ => format!("/gw/recordings/1/media?callId={id}"),
            };
            let client = random.pick(&["one", "two"]);
            let at = at + random.below(60);
            log.push_str(&format!("{{ at = {at}, target = '{target}', status = {status}, client = '{client}' }},\n"));
        }
    }
    let text = format!("purpose = ''\nclause = ''\ncalls = [\n{calls}]\nmessages = [\n{messages}]\nlog = [\n{log}]\n");
    let scene = Scene::parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let mut packets = scene.packets();
    for (packet, apart) in packets.iter_mut().zip(0..) {
        packet.at_us += apart;
    }
    let files = scene.evidence().0;
    let log = files.get(LOG).map_or(b"".as_slice(), Vec::as_slice);
    let lines = log.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let log = lines.map(<[u8]>::to_vec).collect();
    Evidence { text, packets, log }
}

fn call(random: &mut Random, prefix: &str, number: u64, at: u64, port: u64) -> String {
    let ways = [
        "from = 'carrier', to = 'platform'",
        "from = 'carrier', to = 'platform'",
        "from = 'carrier', to = 'platform'",
        "from = 'platform', to = 'carrier'",
        "from = 'edge', to = 'pstn'",
    ];
    let (way, consent) = (random.pick(&ways), random.pick(&CONSENTS));
    let (near, far) = (port, port + 2_000);
    let mut text = format!("{{ call_id = '{prefix}{number}@x', {way}, at = {at}, ports = [{near}, {far}], {consent}");
    let attempts: Vec<String> = (0..random.below(3))
        .map(|_| {
            let status = random.pick(&["401", "407", "302", "422"]);
            format!("{{ status = {status}, {} }}", random.pick(&CONSENTS))
        })
        .collect();
    text.push_str(&format!(" attempts = [{}],", attempts.join(", ")));
    let mut reinvites = Vec::new();
    for again in 0..random.below(4) {
        let (method, consent) = (random.pick(&["INVITE", "UPDATE"]), random.pick(&CONSENTS));
        let status = random.pick(&["200", "200", "200", "488"]);
        let lost = match (random.below(8), method) {
            (0, method) => format!("lost = ['{method}'],"),
            (1, _) => format!("lost = ['{status}'],"),
            (2, "INVITE") => "lost = ['INVITE', '200', '488'],".to_owned(),
            _ => String::new(),
        };
        let cut = if random.one_in(10) { "cut_before = 'Contact:'," } else { "" };
        let at = 2 + 2 * again;
        reinvites.push(format!("{{ at = {at}.5, method = '{method}', {consent} status = {status}, {lost} {cut} }}"));
    }
    text.push_str(&format!(" reinvites = [{}],", reinvites.join(", ")));
    text.push_str(match random.below(12) {
        0 => "refused = 486, ",
        1 => "refused = 486, rtp = [0.2, 0.8], ",
        2 => "without = ['rtp'], ",
        3 => "without = ['rtp', 'bye'], ",
        4 => "without = ['answer'], ",
        5 => "without = ['provisional'], lost = ['200'], ",
        6 => "cut_before = 'Contact:', ",
        7 => "again = [0.5], ",
        _ => "",
    });
    let mut headers = Vec::new();
    if random.one_in(3) {
        let half = random.below(3);
        headers.push(format!("'Session-ID: {prefix}session{half};remote=00000000000000000000000000000000'"));
    }
    if number > 0 && random.one_in(3) {
        headers.push(format!("'Replaces: {prefix}{}@x;to-tag=a;from-tag=b'", number - 1));
    }
    text.push_str(&format!("headers = [{}],", headers.join(", ")));
    if random.one_in(2) {
        let conversation = random.below(2);
        text.push_str(&format!(" answer_headers = ['x-inin-cnv: {prefix}-conversation-{conversation}'],"));
    }
    text.push_str(" },\n");
    text
}

/// A call that a proxy forwards, with the field on either hop or not.
fn proxied(random: &mut Random, id: &str, at: u64, port: u64) -> String {
    let (outside, inside) = (random.pick(&CONSENTS), random.pick(&CONSENTS));
    let (near, far) =
        (format!("sdp = ['audio carrier:{port} PCMU']"), format!("sdp = ['audio platform:{} PCMU']", port + 2_000));
    let mut text = String::new();
    let mut say = |after: f64, from: &str, to: &str, send: &str, rest: &str| {
        let at = at as f64 + after;
        text.push_str(&format!(
            "{{ at = {at}, from = '{from}', to = '{to}', send = '{send}', call_id = '{id}', {rest} }},\n"
        ));
    };
    say(0.0, "carrier", "proxy", "INVITE", &format!("{outside} {near}"));
    say(0.01, "proxy", "platform", "INVITE", &format!("{inside} {near}"));
    say(1.0, "platform", "proxy", "200", &far);
    say(1.01, "proxy", "carrier", "200", &far);
    say(1.1, "carrier", "proxy", "ACK", "");
    say(1.11, "proxy", "platform", "ACK", "");
    say(11.0, "carrier", "proxy", "BYE", "");
    say(11.01, "proxy", "platform", "BYE", "");
    text
}

fn settings() -> Settings {
    let text = read(&here("fixtures/calls/sipconsent.toml"));
    Settings::from_toml(&text, None).expect("a configuration")
}

/// The report on packets that lie in these captures, in this order, and on a log.
fn report(settings: &Settings, captures: &[(&str, &[Packet])], log: &[Vec<u8>]) -> Report {
    let folder = TempDir::new().expect("a folder");
    let write = |name: &str, bytes: Vec<u8>| std::fs::write(folder.path().join(name), bytes).expect("written");
    for (name, packets) in captures.iter().filter(|(_, packets)| !packets.is_empty()) {
        write(name, pcap(packets));
    }
    if !log.is_empty() {
        write(LOG, [log.join(&b'\n'), vec![b'\n']].concat());
    }
    let evidence: [PathBuf; 1] = [folder.path().to_owned()];
    sipconsent::audit(&evidence, settings, Some(1)).expect("an audit").report
}

/// The legs by Call-ID, those of one by their first message.
fn legs(report: &Report) -> BTreeMap<(Vec<u8>, usize), &Leg> {
    let mut all: Vec<&Leg> = report.calls.iter().flat_map(|call| &call.legs).collect();
    all.sort_by_key(|leg| leg.first);
    let mut found = BTreeMap::new();
    for leg in all {
        let id = &leg.call_id.0;
        let nth = found.keys().filter(|(known, _): &&(Vec<u8>, usize)| known == id).count();
        found.insert((id.clone(), nth), leg);
    }
    found
}

/// What is concluded of a leg, without pointers.
fn concluded(leg: &Leg) -> String {
    let seconds: Vec<[i128; 3]> =
        leg.streams.iter().map(|stream| [stream.consented_s.0, stream.unconsented_s.0, stream.unknown_s.0]).collect();
    let grounds: Vec<&str> = leg.grounds.iter().map(|ground| ground.reason).collect();
    let requests: Vec<(u16, &str, &str)> =
        leg.requests.iter().map(|bound| (bound.request.status, bound.link.by.as_str(), bound.link.strength)).collect();
    format!("{} {} {seconds:?} {grounds:?} {requests:?} {:?}", leg.verdict, leg.consent.state, leg.direction)
}

fn all_concluded(report: &Report) -> BTreeMap<(Vec<u8>, usize), String> {
    legs(report).into_iter().map(|(id, leg)| (id, concluded(leg))).collect()
}

fn scenes() -> u64 {
    std::env::var("SIPCONSENT_SCENES").ok().and_then(|count| count.parse().ok()).unwrap_or(SCENES)
}

/// Every scene by its seed, audited as it was captured.
fn each(mut check: impl FnMut(u64, &mut Random, &Settings, Evidence, Report)) {
    let settings = settings();
    for seed in 0..scenes() {
        let mut random = Random(seed);
        random.below(1);
        let evidence = scene(&mut random, "a", 4_000);
        let report = report(&settings, &[("capture.pcap", &evidence.packets)], &evidence.log);
        check(seed, &mut random, &settings, evidence, report);
    }
}

#[test]
fn consented_unconsented_and_unknown_are_the_stream() {
    let mut streams = 0;
    each(|seed, _, _, _, report| {
        for ((id, _), leg) in legs(&report) {
            for stream in &leg.streams {
                let sum = stream.consented_s.0 + stream.unconsented_s.0 + stream.unknown_s.0;
                let interval = match (stream.start, stream.end) {
                    (Some(start), Some(end)) => i128::from(end.0.ns) - i128::from(start.0.ns),
                    _ => 0,
                };
                assert_eq!(sum, interval, "scene {seed}, {}", id.escape_ascii());
                streams += u64::from(sum > 0);
            }
        }
    });
    assert!(streams > scenes(), "only {streams} streams had media");
}

#[test]
fn the_order_of_arrival_decides_nothing() {
    each(|seed, random, settings, evidence, report| {
        let expected = all_concluded(&report);
        let Evidence { text, mut packets, mut log } = evidence;
        random.shuffle(&mut packets);
        random.shuffle(&mut log);
        let (one, rest) = packets.split_at(packets.len() / 3);
        let (two, three) = rest.split_at(rest.len() / 2);
        let names = [["x.pcap", "y.pcap", "z.pcap"], ["z.pcap", "x.pcap", "y.pcap"]][random.below(2) as usize];
        let shuffled = self::report(settings, &[(names[0], one), (names[1], two), (names[2], three)], &log);
        assert_eq!(all_concluded(&shuffled), expected, "scene {seed}\n{text}");
    });
}

#[test]
fn unrelated_evidence_moves_no_verdict() {
    each(|seed, random, settings, evidence, report| {
        let expected = all_concluded(&report);
        let more = scene(random, "z", 14_000);
        let mut packets = evidence.packets;
        // At odd nanoseconds of their own: no two packets of the scenes share a time.
        packets.extend(more.packets.into_iter().map(|packet| Packet { at_us: packet.at_us + 500_003, ..packet }));
        packets.sort_by_key(|packet| packet.at_us);
        let mut log = [evidence.log, more.log].concat();
        random.shuffle(&mut log);
        let beside = self::report(settings, &[("capture.pcap", &packets)], &log);
        let mut concluded = all_concluded(&beside);
        concluded.retain(|(id, _), _| id.starts_with(b"a"));
        assert_eq!(concluded, expected, "scene {seed}\n{}", evidence.text);
    });
}

/// How grave a verdict is; what accuses nobody of unconsented media is 0.
fn gravity(verdict: &str) -> u8 {
    match verdict {
        "exposed_unconsented" => 3,
        "blocked_unconsented" => 2,
        "unconsented" => 1,
        _ => 0,
    }
}

/// The packets that show consent to be denied, invalid or missing in a leg.
fn accusing(leg: &Leg) -> Vec<Pointer> {
    let grounds = leg.grounds.iter().filter(|ground| {
        ["consent_missing", "consent_denied", "consent_invalid"].iter().any(|word| ground.reason.starts_with(word))
    });
    let mut found: Vec<Pointer> = grounds.flat_map(|ground| ground.sources.iter().copied()).collect();
    found.sort_unstable();
    found.dedup();
    found
}

/// What is left of the packets without every copy of these.
fn without(packets: &[Packet], records: &[Pointer]) -> Vec<Packet> {
    let gone: Vec<&Packet> = records.iter().map(|pointer| &packets[pointer.record as usize - 1]).collect();
    let is_copy = |packet: &Packet| {
        gone.iter().any(|gone| {
            (packet.source, packet.destination, &packet.payload) == (gone.source, gone.destination, &gone.payload)
        })
    };
    packets.iter().filter(|packet| !is_copy(packet)).cloned().collect()
}

#[test]
fn an_accusation_falls_with_the_packets_that_carry_its_ground() {
    let (mut by_one, mut by_several) = (0, 0);
    each(|seed, _, settings, evidence, report| {
        for (id, leg) in legs(&report).into_iter().filter(|(_, leg)| gravity(leg.verdict) > 0) {
            let carrying = accusing(leg);
            let name = id.0.escape_ascii();
            assert!(!carrying.is_empty(), "scene {seed}, {name}: {} on no packet\n{}", leg.verdict, evidence.text);
            let packets = without(&evidence.packets, &carrying);
            let less = self::report(settings, &[("capture.pcap", &packets)], &evidence.log);
            let verdict = legs(&less).get(&id).map_or("no leg", |leg| leg.verdict);
            let records: Vec<u64> = carrying.iter().map(|pointer| pointer.record).collect();
            assert_eq!(
                gravity(verdict),
                0,
                "scene {seed}, {name}: {} is {verdict} without packets {records:?}\n{}",
                leg.verdict,
                evidence.text
            );
            *(if carrying.len() == 1 { &mut by_one } else { &mut by_several }) += 1;
        }
    });
    assert!(by_one > scenes() / 3 && by_several > scenes() / 12, "{by_one} by one packet, {by_several} by several");
}

#[test]
fn a_scene_accuses_exposes_and_clears() {
    // A generator that never accused would keep every law.
    let mut met: BTreeMap<&str, u64> = BTreeMap::new();
    each(|_, _, _, _, report| {
        for leg in legs(&report).into_values() {
            *met.entry(leg.verdict).or_default() += 1;
        }
    });
    // Scenes have no calls off the trunks and no recording sessions.
    for verdict in VERDICTS.into_iter().filter(|verdict| !matches!(*verdict, "unclassified" | "recording_session")) {
        assert!(met.contains_key(verdict), "no {verdict} in {met:?}");
    }
}
