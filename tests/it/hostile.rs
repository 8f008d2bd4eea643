//! Hostile evidence: no bytes crash the program, make it hang or make it accuse; text from evidence is inert.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use crate::calls::{CONFIG, Case};
use crate::support::packet::{Packet, frame, pcap};
use crate::support::run::{Run, audit, program};
use crate::support::scene::{START_US, Scene};
use crate::support::truth::list;
use crate::support::{here, laws, read};

fn config() -> String {
    here(CONFIG).to_string_lossy().into_owned()
}

/// A run that ended as a run ends, whatever the evidence: a report whose sums close, and no panic.
fn survived(run: &Run, name: &str) -> Value {
    assert!(matches!(run.code, Some(0..=3)), "{name}: {}", run.ending());
    assert!(!run.stderr.contains("panicked"), "{name}: {}", run.stderr);
    let report = run.report();
    let broken = laws::broken(&report, run.code);
    assert!(broken.is_empty(), "{name}: {broken:?}");
    report
}

/// Audits one file named by itself.
fn audit_bytes(folder: &Path, name: &str, bytes: &[u8]) -> Run {
    std::fs::write(folder.join(name), bytes).expect("evidence can be written");
    let run = audit(folder, &["--config", &config(), "--hash", "none", name]);
    std::fs::remove_file(folder.join(name)).expect("evidence can be removed");
    run
}

/// Audits many files in one folder.
fn audit_all(files: impl IntoIterator<Item = (String, Vec<u8>)>) -> Run {
    let folder = TempDir::new().expect("a folder");
    for (name, bytes) in files {
        std::fs::write(folder.path().join(name), bytes).expect("evidence can be written");
    }
    audit(folder.path(), &["--config", &config(), "--hash", "none", "."])
}

fn small_capture() -> Vec<u8> {
    let case = Case::open(&here("fixtures/calls/streams-by-signalling")).expect("a case");
    pcap(&case.scene.packets())
}

fn anomalies(report: &Value) -> Vec<&str> {
    list(&report["evidence"])
        .iter()
        .flat_map(|source| list(&source["anomalies"]))
        .filter_map(|anomaly| anomaly["code"].as_str())
        .collect()
}

#[test]
fn a_capture_cut_at_every_byte_is_read_as_far_as_it_goes() {
    let whole = small_capture();
    let run = audit_all((0..whole.len()).map(|at| (format!("{at:05}.pcap"), whole[..at].to_vec())));
    let report = survived(&run, "every prefix in one folder");
    assert_eq!(report["complete"], true, "damage in the bytes leaves the report complete");
    assert_eq!(list(&report["evidence"]).len(), whole.len());
    assert!(anomalies(&report).contains(&"truncated_file"));
    let records: Vec<u64> =
        list(&report["evidence"]).iter().map(|source| source["records"].as_u64().unwrap_or(0)).collect();
    assert!(records.is_sorted(), "a longer prefix never holds fewer records");
}

#[test]
fn a_cut_capture_alone_never_accuses_before_the_invite_is_whole() {
    let whole = small_capture();
    let folder = TempDir::new().unwrap();
    let first = 24 + 16 + u32::from_le_bytes(whole[32..36].try_into().unwrap()) as usize;
    for at in (24..whole.len()).step_by(61) {
        let run = audit_bytes(folder.path(), "cut.pcap", &whole[..at]);
        let report = survived(&run, &format!("cut at {at}"));
        if at < first {
            assert_eq!(run.code, Some(3), "cut at {at}: {}", report["summary"]["verdicts"]);
        }
    }
}

#[test]
fn a_log_cut_at_every_byte_is_read_as_far_as_it_goes() {
    for name in ["request-exact", "request-combined-log"] {
        let case = Case::open(&here("fixtures/calls").join(name)).unwrap();
        let files = case.scene.evidence().0;
        let (_, log) = files.iter().find(|(name, _)| name.starts_with("access")).unwrap();
        let run = audit_all((0..log.len()).map(|at| (format!("{at:05}.log"), log[..at].to_vec())));
        survived(&run, name);
    }
}

/// A small generator of numbers, the same on every run (Numerical Recipes' linear congruence).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from((self.0 >> 33) % limit as u64).expect("below the limit")
    }
}

/// `count` copies of `bytes`, each with a few bits flipped.
fn flipped(bytes: &[u8], count: usize, seed: u64) -> Vec<Vec<u8>> {
    let mut numbers = Numbers(seed);
    (0..count)
        .map(|_| {
            let mut bytes = bytes.to_vec();
            for _ in 0..=numbers.below(8) {
                let at = numbers.below(bytes.len());
                bytes[at] ^= 1 << numbers.below(8);
            }
            bytes
        })
        .collect()
}

#[test]
fn flipped_bits_in_a_capture_harm_nobody() {
    let whole = small_capture();
    let copies = flipped(&whole, 400, 7);
    let run = audit_all(copies.iter().enumerate().map(|(number, bytes)| (format!("{number:04}.pcap"), bytes.clone())));
    survived(&run, "all together");
    let folder = TempDir::new().unwrap();
    for (number, bytes) in copies.iter().take(100).enumerate() {
        let run = audit_bytes(folder.path(), "flipped.pcap", bytes);
        survived(&run, &format!("copy {number}"));
    }
}

/// A TCP segment from the carrier to the platform in a packet of its own.
fn segment(sequence: u32, payload: &[u8]) -> Vec<u8> {
    let total = u16::try_from(40 + payload.len()).expect("a segment is short").to_be_bytes();
    let mut ip = [&[0x45, 0][..], &total, &[0, 0, 0, 0, 64, 6, 0, 0, 203, 0, 113, 10, 192, 0, 2, 10]].concat();
    ip.extend([0x13, 0xc4, 0x13, 0xc4]);
    ip.extend(sequence.to_be_bytes());
    ip.extend([0, 0, 0, 0, 0x50, 0x18, 0xff, 0xff, 0, 0, 0, 0]);
    ip.extend(payload);
    ip
}

/// A capture of IP packets in Ethernet frames.
fn ip_pcap(packets: &[Vec<u8>]) -> Vec<u8> {
    let mut file = pcap(&[]);
    for (packet, number) in packets.iter().zip(0_u32..) {
        let frame = [&[2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0], &packet[..]].concat();
        let length = u32::try_from(frame.len()).expect("a frame is short");
        for word in [1_772_445_600 + number, 0, length, length] {
            file.extend(word.to_le_bytes());
        }
        file.extend(frame);
    }
    file
}

/// A masked WebSocket text frame (RFC 6455 §5.2).
fn websocket_frame(payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).expect("a message is short").to_be_bytes();
    let key = [0x37, 0xfa, 0x21, 0x3d];
    let masked = payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key);
    [0x81, 0xfe].into_iter().chain(length).chain(key).chain(masked).collect()
}

/// A HEP3 packet around one message: family, protocol, addresses, ports, time, SIP, payload.
fn hep(payload: &[u8]) -> Vec<u8> {
    let chunk = |kind: u16, bytes: &[u8]| {
        let length = u16::try_from(6 + bytes.len()).expect("a chunk is short").to_be_bytes();
        [&[0, 0][..], &kind.to_be_bytes(), &length, bytes].concat()
    };
    let chunks = [
        chunk(1, &[2]),
        chunk(2, &[17]),
        chunk(3, &[203, 0, 113, 10]),
        chunk(4, &[192, 0, 2, 10]),
        chunk(7, &5060_u16.to_be_bytes()),
        chunk(8, &5060_u16.to_be_bytes()),
        chunk(9, &1_772_445_600_u32.to_be_bytes()),
        chunk(10, &[0; 4]),
        chunk(11, &[1]),
        chunk(15, payload),
    ]
    .concat();
    let total = u16::try_from(6 + chunks.len()).expect("a packet is short").to_be_bytes();
    [&b"HEP3"[..], &total, &chunks].concat()
}

#[test]
fn flipped_bits_in_tcp_websocket_and_hep_harm_nobody() {
    let case = Case::open(&here("fixtures/calls/streams-by-signalling")).expect("a case");
    let messages: Vec<Vec<u8>> = case.scene.packets().into_iter().map(|packet| packet.payload).collect();
    let stream = |parts: &[Vec<u8>]| {
        let mut sequence = 1_000_u32;
        let whole = parts.concat();
        let segments = whole.chunks(300).map(|part| {
            let segment = segment(sequence, part);
            sequence += u32::try_from(part.len()).expect("a part is short");
            segment
        });
        ip_pcap(&segments.collect::<Vec<_>>())
    };
    let handshake = b"GET / HTTP/1.1\r\nHost: a.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: sip\r\nSec-WebSocket-Version: 13\r\n\r\n".to_vec();
    let frames: Vec<Vec<u8>> =
        std::iter::once(handshake).chain(messages.iter().map(|message| websocket_frame(message))).collect();
    let in_hep: Vec<Packet> = messages.iter().map(|message| datagram(&hep(message))).collect();
    for (name, whole) in [
        ("TCP", stream(&messages)),
        ("WebSocket", stream(&frames)),
        ("HEP", pcap(&in_hep)),
        ("HEP over TCP", stream(&messages.iter().map(|message| hep(message)).collect::<Vec<_>>())),
    ] {
        let unharmed = survived(&audit_all([("whole.pcap".to_owned(), whole.clone())]), name);
        assert_eq!(unharmed["summary"]["legs"], 1, "{name}: what is flipped is read at all");
        let copies = flipped(&whole, 150, 23);
        let named = copies.iter().enumerate().map(|(number, bytes)| (format!("{number:04}.pcap"), bytes.clone()));
        survived(&audit_all(named), name);
        let folder = TempDir::new().unwrap();
        for (number, bytes) in copies.iter().take(30).enumerate() {
            let run = audit_bytes(folder.path(), "flipped.pcap", bytes);
            survived(&run, &format!("{name}: copy {number}"));
        }
    }
}

#[test]
fn flipped_bits_in_a_log_harm_nobody() {
    for name in ["request-exact", "request-combined-log"] {
        let case = Case::open(&here("fixtures/calls").join(name)).unwrap();
        let files = case.scene.evidence().0;
        let (_, log) = files.iter().find(|(name, _)| name.starts_with("access")).unwrap();
        let copies = flipped(log, 300, 11).into_iter().enumerate();
        survived(&audit_all(copies.map(|(number, bytes)| (format!("{number:04}.log"), bytes))), name);
    }
}

#[test]
fn flipped_bits_are_really_flipped() {
    let copies = flipped(b"some bytes", 10, 1);
    assert!(copies.iter().all(|copy| copy != b"some bytes" && copy.len() == 10));
    assert_eq!(copies, flipped(b"some bytes", 10, 1));
}

fn datagram(payload: &[u8]) -> Packet {
    Packet {
        at_us: START_US,
        source: "203.0.113.10:5060".parse().expect("an address"),
        destination: "192.0.2.10:5060".parse().expect("an address"),
        payload: payload.to_vec(),
        captured: None,
    }
}

#[test]
fn wild_lengths_are_anomalies_and_nothing_is_allocated_for_them() {
    let folder = TempDir::new().unwrap();
    let whole = small_capture();
    let mut wild = whole.clone();
    let second = 24 + 16 + u32::from_le_bytes(whole[32..36].try_into().unwrap()) as usize;
    for (name, length) in
        [("all ones", u32::MAX), ("two gigabytes", 0x7fff_ffff), ("a bit more than the file", 9_999_999)]
    {
        wild[second + 8..second + 12].copy_from_slice(&length.to_le_bytes());
        let run = audit_bytes(folder.path(), "wild.pcap", &wild);
        let report = survived(&run, name);
        let codes = anomalies(&report);
        assert!(codes.contains(&"record_length") || codes.contains(&"truncated_file"), "{name}: {codes:?}");
        assert_eq!(report["complete"], true, "{name}");
        assert_eq!(report["summary"]["legs"], 1, "{name}: the packet before is read");
    }
}

#[test]
fn lengths_that_lie_inside_a_packet_harm_nobody() {
    let folder = TempDir::new().unwrap();
    let invite = b"INVITE sip:b@192.0.2.10 SIP/2.0\r\nVia: SIP/2.0/UDP 203.0.113.10;branch=z9hG4bK1\r\nFrom: <sip:a@x>;tag=1\r\nTo: <sip:b@x>\r\nCall-ID: a@x\r\nCSeq: 1 INVITE\r\nContent-Length: 99999999999999999999\r\n\r\nv=0\r\n";
    let plain = frame(&datagram(invite));
    // IHL, total length, UDP length, version: each with values that lie.
    for (name, at, lies) in [
        ("version and IHL", 14, &[0x40_u8, 0x4f, 0x65, 0x00, 0xff][..]),
        ("total length, high", 16, &[0, 0xff]),
        ("total length, low", 17, &[0, 19, 20, 0xff]),
        ("fragment", 20, &[0x20, 0x3f, 0x1f]),
        ("protocol", 23, &[0, 6, 132, 4, 41, 47]),
        ("UDP length, high", 38, &[0, 0xff]),
        ("UDP length, low", 39, &[0, 7, 8, 9, 0xff]),
    ] {
        for lie in lies {
            let mut lied = plain.clone();
            lied[at] = *lie;
            let mut file = pcap(&[]);
            file.extend([0; 8]);
            let length = u32::try_from(lied.len()).unwrap().to_le_bytes();
            file.extend(length);
            file.extend(length);
            file.extend(&lied);
            survived(&audit_bytes(folder.path(), "lie.pcap", &file), &format!("{name} = {lie}"));
        }
    }
    let whole = audit_bytes(folder.path(), "content-length.pcap", &pcap(&[datagram(invite)]));
    assert_eq!(survived(&whole, "Content-Length")["summary"]["legs"], 1, "Content-Length does not hide the header");
}

#[test]
fn messages_of_extreme_shapes_harm_nobody() {
    let head = "INVITE sip:b@192.0.2.10 SIP/2.0\r\nVia: SIP/2.0/UDP 203.0.113.10;branch=z9hG4bK1\r\nFrom: <sip:a@x>;tag=1\r\nTo: <sip:b@x>\r\nCall-ID: a@x\r\nCSeq: 1 INVITE\r\n";
    let many = |row: &str, count: usize| row.repeat(count);
    let messages: Vec<(&str, String)> = vec![
        ("many rows", format!("{head}{}\r\n", many("X-A: 1\r\n", 7000))),
        ("many folds", format!("{head}X-A: 1\r\n{}\r\n", many(" \r\n", 15_000))),
        ("one long row", format!("{head}X-A: {}\r\n\r\n", many("a", 60_000))),
        ("a long Call-ID", format!("{head}Call-ID: {}\r\n\r\n", many("a", 60_000))),
        ("no end of the header", head.to_owned()),
        ("only line ends", many("\r\n", 30_000)),
        ("only a start line", "INVITE sip:b@x SIP/2.0\r\n\r\n".to_owned()),
        (
            "many media descriptions",
            format!("{head}Content-Type: application/sdp\r\n\r\nv=0\r\n{}", many("m=audio 4000 RTP/AVP 0\r\n", 2500)),
        ),
        (
            "many formats",
            format!("{head}Content-Type: application/sdp\r\n\r\nv=0\r\nm=audio 4000 RTP/AVP{}\r\n", many(" 0", 25_000)),
        ),
        (
            "port out of range",
            format!(
                "{head}Content-Type: application/sdp\r\n\r\nv=0\r\nm=audio 99999999999 RTP/AVP 0\r\nm=audio 4000/65535 RTP/AVP 0\r\n"
            ),
        ),
        ("CSeq out of range", head.replace("CSeq: 1", "CSeq: 99999999999999") + "\r\n"),
        ("a status out of range", head.replace("INVITE sip:b@192.0.2.10 SIP/2.0", "SIP/2.0 99999 OK") + "\r\n"),
        (
            "nested multipart",
            format!(
                "{head}Content-Type: multipart/mixed;boundary=a\r\n\r\n{}",
                many("--a\r\nContent-Type: multipart/mixed;boundary=a\r\n\r\n", 1000)
            ),
        ),
        (
            "an endless boundary",
            format!("{head}Content-Type: multipart/mixed;boundary={}\r\n\r\n--a\r\n", many("b", 50_000)),
        ),
        ("many consent rows", format!("{head}{}\r\n", many("X-Genesys-Recording-Consent: true\r\n", 1700))),
        ("many identifiers", format!("{head}{}\r\n", many("x-inin-cnv: 1\r\nSession-ID: ab\r\n", 1700))),
        ("many parameters", format!("{head}Contact: <sip:a@x{}>\r\n\r\n", many(";a=b", 15_000))),
    ];
    let folder = TempDir::new().unwrap();
    for (name, message) in &messages {
        let run = audit_bytes(folder.path(), "extreme.pcap", &pcap(&[datagram(message.as_bytes())]));
        let report = survived(&run, name);
        assert_eq!(report["complete"], true, "{name}");
        assert_eq!(report["evidence"][0]["records"], 1, "{name}");
    }
}

#[test]
fn log_records_of_extreme_shapes_harm_nobody() {
    let good = r#"{"time":"2026-03-02T10:00:20Z","method":"GET","target":"/api/v2/recordings","status":403}"#;
    let many = |text: &str, count: usize| text.repeat(count);
    let logs: Vec<(&str, String)> = vec![
        ("deep arrays", format!("{good}\n{{\"a\":{}\n{good}\n", many("[", 200_000))),
        ("deep objects", format!("{good}\n{}\n{good}\n", many("{\"a\":", 200_000))),
        ("a long line", format!("{good}\n{}\n{good}\n", many("x", 20_000_000))),
        ("a long string", format!("{good}\n{{\"target\":\"{}\"}}\n{good}\n", many("/", 5_000_000))),
        ("many keys", format!("{good}\n{{{}\"z\":1}}\n{good}\n", many("\"k\":1,", 300_000))),
        (
            "times out of range",
            format!(
                "{good}\n{}\n{}\n{good}\n",
                good.replace("\"2026-03-02T10:00:20Z\"", "1e308"),
                good.replace("2026-03-02", "999999-99-99")
            ),
        ),
        (
            "status out of range",
            format!(
                "{good}\n{}\n{}\n{good}\n",
                good.replace("403", "-1"),
                good.replace("403", "4030000000000000000000")
            ),
        ),
        ("zero bytes", format!("{good}\n{}\n{good}\n", many("\0", 1000))),
        (
            "percent signs",
            format!("{good}\n{}\n{good}\n", good.replace("/recordings", "/recordings?callId=%&x=%4&y=%zz&%=%")),
        ),
    ];
    let folder = TempDir::new().unwrap();
    for (name, log) in &logs {
        let run = audit_bytes(folder.path(), "extreme.jsonl", log.as_bytes());
        let report = survived(&run, name);
        assert_eq!(report["complete"], true, "{name}");
        let refused = report["summary"]["requests"]["refused"].as_u64().unwrap_or(0);
        assert!(refused >= 2, "{name}: the records around it are read, {refused} refused");
    }
}

#[test]
fn a_compressed_file_that_is_cut_or_huge_harms_nobody() {
    let folder = TempDir::new().unwrap();
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(&small_capture()).unwrap();
    let whole = encoder.finish().unwrap();
    for at in [10, 20, whole.len() / 2, whole.len() - 9, whole.len() - 1] {
        let run = audit_bytes(folder.path(), "cut.pcap.gz", &whole[..at]);
        assert!(matches!(run.code, Some(0..=3)), "cut at {at}: {}", run.ending());
        assert!(!run.stderr.contains("panicked"), "cut at {at}: {}", run.stderr);
    }
    let half = audit_bytes(folder.path(), "half.pcap.gz", &whole[..whole.len() * 3 / 4]);
    assert!(anomalies(&half.report()).contains(&"truncated_stream"), "{:?}", anomalies(&half.report()));
    // 16 MiB of blanks behind one record, in a few kilobytes: one member of a mebibyte, repeated (RFC 1952 §2.2).
    let member = |bytes: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    };
    let record = r#"{"time":"2026-03-02T10:00:20Z","method":"GET","target":"/api/v2/recordings","status":403}"#;
    let mut bomb = member(format!("{record}\n").as_bytes());
    let blanks = member(&[b' '; 1 << 20]);
    for _ in 0..16 {
        bomb.extend(&blanks);
    }
    let run = audit_bytes(folder.path(), "bomb.jsonl.gz", &bomb);
    let report = survived(&run, "bomb");
    assert_eq!(report["summary"]["requests"]["refused"], 1);
}

/// Characters that a terminal or a reader would obey rather than show.
pub(crate) fn obeyed(character: char) -> bool {
    character != '\n' && character.is_control()
        || matches!(character, '\u{200e}' | '\u{200f}' | '\u{61c}' | '\u{2028}' | '\u{2029}')
        || matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The evidence of the hostile texts in a folder, two letters of it made bytes that are no UTF-8.
pub(crate) fn hostile_texts() -> (TempDir, Scene) {
    let scene = Scene::parse(&read(&here("fixtures/hostile/text/scene.toml"))).expect("the scene");
    let folder = TempDir::new().expect("a folder");
    for (name, mut bytes) in scene.evidence().0 {
        while let Some(at) = bytes.windows(2).position(|pair| pair == b"QQ") {
            bytes[at..at + 2].copy_from_slice(&[0xff, 0xfe]);
        }
        std::fs::write(folder.path().join(name), bytes).expect("evidence can be written");
    }
    std::fs::write(folder.path().join("name\u{1b}[31m\u{202e}.txt"), "of nobody's kind").expect("a name");
    (folder, scene)
}

#[test]
fn hostile_text_reaches_people_inert() {
    let (folder, _scene) = hostile_texts();
    for show in ["findings", "byoc", "all"] {
        let run = program(folder.path(), ["audit", "-c", &config(), "--show", show, "-f", "text", "."]);
        assert_eq!(run.code, Some(1), "{}", run.ending());
        let text = String::from_utf8(run.stdout.clone()).expect("text for people is UTF-8");
        let bad: Vec<String> = text
            .lines()
            .filter(|line| line.chars().any(obeyed))
            .map(|line| line.escape_unicode().to_string())
            .collect();
        assert_eq!(bad, Vec::<String>::new(), "--show {show}");
        assert!(text.contains("gpj.exe"), "what is inert is still shown:\n{text}");
    }
}

#[test]
fn hostile_text_reaches_programs_whole() {
    let (folder, _scene) = hostile_texts();
    let run = audit(folder.path(), &["--config", &config(), "."]);
    let report = survived(&run, "hostile texts");
    let raw = String::from_utf8(run.stdout.clone()).expect("JSON is UTF-8");
    assert!(!raw.chars().any(|character| character != '\n' && character < ' '), "JSON escapes controls");
    let ids: Vec<&str> = list(&report["calls"])
        .iter()
        .flat_map(|call| list(&call["legs"]))
        .filter_map(|leg| leg["call_id"].as_str())
        .collect();
    for id in ["bidi\u{202e}gpj.exe@x", "=cmd|'/C'!A0", "<script>alert(1)</script>@x", "raw-byte-\\xff\\xfe@x"] {
        assert!(ids.contains(&id), "{id:?} is not in {ids:?}");
    }
    let legs = || list(&report["calls"]).iter().flat_map(|call| list(&call["legs"]));
    let raw_byte = legs().find(|leg| leg["call_id"] == "raw-byte-\\xff\\xfe@x").expect("the leg");
    assert_eq!(raw_byte["escaped"], Value::Bool(true));
    let observation = &raw_byte["consent"]["observations"][0];
    assert_eq!((observation["value"].as_str(), &observation["escaped"]), (Some("\\xff\\xfe"), &Value::Bool(true)));
    assert!(legs().any(|leg| leg["consent"]["observations"][0].get("escaped").is_none()));
    assert!(!raw.contains("back\\\\\\\\slash"), "a backslash is doubled only in a string that is escaped");
}

#[test]
fn messages_to_people_are_inert_too() {
    let folder = TempDir::new().unwrap();
    let run = program(folder.path(), ["audit", "no-such\u{1b}[31m\u{202e}.pcap"]);
    assert_eq!(run.code, Some(2));
    let bad: Vec<char> = run.stderr.chars().filter(|character| obeyed(*character)).collect();
    assert_eq!(bad, Vec::<char>::new(), "{}", run.stderr.escape_unicode());
}

#[test]
fn characters_that_are_obeyed_are_known() {
    for character in ['\u{1b}', '\u{7}', '\u{9b}', '\u{202e}', '\u{2066}', '\u{200f}', '\r', '\t', '\u{7f}'] {
        assert!(obeyed(character), "{}", character.escape_unicode());
    }
    for character in ['a', ' ', '\n', 'é', '漢', '→', '█'] {
        assert!(!obeyed(character), "{}", character.escape_unicode());
    }
}

/// Where a report shows a text that holds `\xff` and no `"escaped": true` stands beside it, and the keys of all such texts.
fn unmarked(value: &Value, at: &str, keys: &mut BTreeSet<String>) -> Vec<String> {
    fn holds(value: &Value) -> bool {
        match value {
            Value::String(text) => text.contains(r"\xff"),
            Value::Array(many) => many.iter().any(|one| one.is_string() && holds(one)),
            _ => false,
        }
    }
    match value {
        Value::Array(many) => {
            many.iter().zip(0..).flat_map(|(one, n)| unmarked(one, &format!("{at}/{n}"), keys)).collect()
        }
        Value::Object(fields) => {
            let mut found = Vec::new();
            for (key, value) in fields {
                let at = format!("{at}/{key}");
                let names = value.as_object().filter(|_| key == "error_params");
                if holds(value) || names.is_some_and(|names| names.values().any(holds)) {
                    keys.insert(key.clone());
                    if fields.get("escaped") != Some(&Value::Bool(true)) {
                        found.push(at);
                    }
                } else {
                    found.extend(unmarked(value, &at, keys));
                }
            }
            found
        }
        _ => Vec::new(),
    }
}

#[test]
fn text_that_is_escaped_says_so_beside_it() {
    // ¤ stands for a byte that is not UTF-8.
    let bytes = |text: &str| {
        let pieces: Vec<&[u8]> = text.split('¤').map(str::as_bytes).collect();
        pieces.join(&0xff)
    };
    let description = "v=0\r\no=- 1 1 IN IP4 203.0.113.10\r\ns=-\r\nc=IN IP4 host¤\r\nt=0 0\r\nm=aud¤io 4000 RTP/AVP 0\r\n\
                       a=rtpmap:0 PC¤MU/8000\r\na=record:o¤n\r\n";
    let message = |start: &str, call_id: &str, cseq: &str, to_tag: &str, body: &str| {
        format!(
            "{start}\r\nVia: SIP/2.0/UDP 203.0.113.10;branch=z9hG4bK{call_id}{cseq}\r\nFrom: <sip:1@a>;tag=1\r\nTo: <sip:2@b>{to_tag}\r\n\
             Call-ID: {call_id}\r\nCSeq: {cseq}\r\nx-inin-cnv: c¤\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}",
            bytes(body).len()
        )
    };
    let mut packets = Vec::new();
    let (carrier, platform) = ("203.0.113.10:5060", "192.0.2.10:5060");
    for (call_id, start) in [("a@h", 0), ("b¤@h", 100)] {
        for (after, ends, message) in [
            (0, [carrier, platform], message("INVITE sip:2@b SIP/2.0", call_id, "1 INVITE", "", description)),
            (1, [platform, carrier], message("SIP/2.0 200 OK", call_id, "1 INVITE", ";tag=2", description)),
            (20, [carrier, platform], message("BYE sip:2@b SIP/2.0", call_id, "2 BYE", ";tag=2", "")),
        ] {
            let [source, destination] = ends.map(|end| end.parse().expect("an address"));
            let at_us = 1_772_445_600_000_000 + (start + after) * 1_000_000;
            packets.push(Packet { at_us, source, destination, payload: bytes(&message), captured: None });
        }
    }
    let line = "{\"time\":\"2026-03-02T10:01:00Z\",\"method\":\"GET\",\"path\":\"/api/v2/recordings?callId=a@h\",\"status\":403,\
                \"response_body\":{\"code\":\"missing.permissions\",\"messageParams\":{\"permissions\":\"r¤\"}}}\n";
    let folder = TempDir::new().expect("a folder");
    let write = |name: &str, bytes: &[u8]| fs::write(folder.path().join(name), bytes).expect("a file");
    write("site.toml", b"[[trunk]]\nname = \"SG1\"\nkind = \"byoc\"\nplatform_addresses = [\"192.0.2.0/24\"]\n");
    fs::create_dir(folder.path().join("evidence")).expect("a folder");
    write("evidence/a.pcap", &pcap(&packets));
    write("evidence/a.log", &bytes(line));
    for format in ["json", "ndjson"] {
        let run = program(folder.path(), ["audit", "-c", "site.toml", "-q", "-f", format, "evidence"]);
        let mut keys = BTreeSet::new();
        for line in serde_json::Deserializer::from_slice(&run.stdout).into_iter::<Value>() {
            assert_eq!(unmarked(&line.expect("JSON"), format, &mut keys), [""; 0]);
        }
        for key in ["conversation_ids", "identifier", "call_id", "media", "codecs", "value", "error_params"] {
            assert!(keys.contains(key), "{format}: no escaped {key} among {keys:?}");
        }
    }
}
