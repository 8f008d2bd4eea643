//! The prefilter held against an oracle that knows none: which of many oddly spelt lines are about recordings.
//!
//! The oracle has a whole JSON parser's word for the target, and judges it by the contract alone: no search for words, no
//! shapes, no table of this program. Lines are spelt as no one would, and as an attacker might: escapes in values and
//! keys, percent-encoding of any letter, upper case, other orders of the keys, hosts and queries that look like paths.

use std::collections::BTreeSet;

use super::batch::LogReader;
use super::line::Part;
use super::noise::Noise;
use crate::evidence::SourceId;
use crate::settings::{AccessLog, LogFields, Settings};

/// The segments that make a request one about recordings, by the contract.
const WORDS: [&str; 6] =
    ["recording", "recordings", "recordingmetadata", "orphanrecordings", "userrecordings", "screensessions"];

/// Segments that only look so, and others.
const OTHERS: [&str; 16] = [
    "api",
    "v2",
    "recordingsx",
    "xrecordings",
    "record",
    "records",
    "recordin",
    "rec",
    "screen",
    "reccordings",
    "c1",
    "",
    "internal",
    "geheim",
    "a b",
    "\u{e9}",
];

/// Paths that the second reader is configured with.
const PATHS: [&str; 2] = ["/internal/*/x", "*geheim*"];

/// A target as the client sent it.
fn target(noise: &mut Noise) -> Vec<u8> {
    let mut text = match noise.below(8) {
        0 => b"https://api.example:443".to_vec(),
        1 => b"http://recordings".to_vec(),
        2 => b"//".to_vec(),
        _ => Vec::new(),
    };
    for _ in 0..1 + noise.below(5) {
        text.extend(b"/");
        let segment = match noise.below(3) {
            0 => *noise.pick(&WORDS),
            _ => *noise.pick(&OTHERS),
        };
        let (shout, encode) = (noise.below(4) == 0, noise.below(3) == 0);
        for byte in segment.bytes() {
            let byte = if shout && noise.below(2) == 0 { byte.to_ascii_uppercase() } else { byte };
            if !byte.is_ascii_graphic() || (encode && noise.below(4) == 0) {
                let digits = if noise.below(2) == 0 { format!("%{byte:02x}") } else { format!("%{byte:02X}") };
                text.extend(digits.bytes());
            } else {
                text.push(byte);
            }
        }
    }
    let query = *noise.pick(&["", "", "?a=b", "?u=/recordings/1", "#/recordings", "?", "?callId=a%40b"]);
    text.extend(query.bytes());
    text
}

/// What the contract has the target be about; `paths` are configured.
fn is_recording(target: &[u8], paths: &[&str]) -> bool {
    let end = target.iter().position(|byte| matches!(byte, b'?' | b'#')).unwrap_or(target.len());
    let mut path = &target[..end];
    if !path.starts_with(b"/") {
        let authority = path.windows(3).position(|mark| mark == b"://").map_or(0, |at| at + 3);
        path = &path[authority..];
        path = &path[path.iter().position(|byte| *byte == b'/').unwrap_or(path.len())..];
    }
    let word = |segment: &[u8]| {
        let segment = decoded(segment).to_ascii_lowercase();
        WORDS.iter().any(|word| word.as_bytes() == segment)
    };
    let whole = decoded(path);
    path.split(|byte| *byte == b'/').any(word)
        || paths.iter().any(|pattern| fits(pattern, path) || fits(pattern, &whole))
}

fn decoded(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some((byte, behind)) = rest.split_first() {
        let code = behind.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        match code.filter(|_| *byte == b'%').and_then(|code| u8::from_str_radix(code, 16).ok()) {
            Some(code) => {
                out.push(code);
                rest = &behind[2..];
            }
            None => {
                out.push(*byte);
                rest = behind;
            }
        }
    }
    out
}

/// Whether `*` for any run of characters makes `pattern` fit, tried one place after the other.
fn fits(pattern: &str, text: &[u8]) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern.as_bytes() == text };
    let Some(text) = text.strip_prefix(first.as_bytes()) else { return false };
    // What follows a star may begin anywhere, and must begin there.
    (0..=text.len()).any(|from| fits(rest, &text[from..]))
}

/// A JSON string of `text`, spelt at random.
fn quoted(noise: &mut Noise, text: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(text);
    let odd = noise.below(3) == 0;
    let mut out = b"\"".to_vec();
    for letter in text.chars() {
        match letter {
            '"' | '\\' => out.extend(format!("\\{letter}").bytes()),
            '/' if odd && noise.below(4) == 0 => out.extend(b"\\/"),
            _ if odd && noise.below(5) == 0 => {
                for unit in letter.encode_utf16(&mut [0; 2]) {
                    let digits = if noise.below(2) == 0 { format!("\\u{unit:04x}") } else { format!("\\u{unit:04X}") };
                    out.extend(digits.bytes());
                }
            }
            _ => out.extend(letter.to_string().bytes()),
        }
    }
    out.push(b'"');
    out
}

/// How the lines of one log are mostly written.
struct Form {
    /// Keys in their order.
    keys: Vec<&'static str>,
    blank: &'static str,
}

impl Form {
    fn new(noise: &mut Noise) -> Self {
        let target = *noise.pick(&["uri", "request_uri", "url", "path", "request", "own.target"]);
        let mut keys = vec!["time", "status", "method", target, "agent", "size"];
        for place in (1..keys.len()).rev() {
            keys.swap(place, noise.below(place + 1));
        }
        Self { keys, blank: *noise.pick(&["", "", " ", "\t"]) }
    }

    /// A line about `target`.
    fn line(&self, noise: &mut Noise, target: &[u8]) -> Vec<u8> {
        let agent = *noise.pick(&["app/1.0", "/recordings/agent", "a \\ \" b", "re\\u0063ordings"]);
        let blank = if noise.below(10) == 0 { "  " } else { self.blank };
        let mut line = b"{".to_vec();
        for key in &self.keys {
            if line.len() > 1 {
                line.push(b',');
                line.extend(blank.bytes());
            }
            let spelling = match noise.below(12) {
                0 => key.to_ascii_uppercase(),
                1 => key.replace('_', "-"),
                _ => (*key).to_owned(),
            };
            line.extend(if noise.below(12) == 0 {
                quoted(noise, spelling.as_bytes())
            } else {
                format!("\"{spelling}\"").into_bytes()
            });
            line.push(b':');
            line.extend(blank.bytes());
            let value = match *key {
                "time" => format!("\"2026-01-02T03:04:{:02}Z\"", noise.below(60)).into_bytes(),
                "status" => noise.pick(&["200", "403", "\"403\"", "404"]).as_bytes().to_vec(),
                "method" => b"\"GET\"".to_vec(),
                "agent" => quoted(noise, agent.as_bytes()),
                "size" => noise.below(100_000).to_string().into_bytes(),
                "request" => quoted(noise, &[b"GET ", target, b" HTTP/1.1"].concat()),
                _ => quoted(noise, target),
            };
            line.extend(value);
        }
        line.push(b'}');
        line
    }
}

/// A line of the combined format about `target`, with the escapes of Apache and nginx.
fn combined(noise: &mut Noise, target: &[u8]) -> Vec<u8> {
    let odd = noise.below(3) == 0;
    let mut line = b"192.0.2.1 - - [02/Jan/2026:03:04:05 +0000] \"GET ".to_vec();
    for byte in target {
        if !byte.is_ascii_graphic() || (odd && noise.below(5) == 0) {
            let digits = if noise.below(2) == 0 { format!("\\x{byte:02x}") } else { format!("\\x{byte:02X}") };
            line.extend(digits.bytes());
        } else {
            line.push(*byte);
        }
    }
    line.extend(b" HTTP/1.1\" 403 5 \"https://h/recordings/1\" \"recordings\"");
    line
}

/// The target that a whole parser finds in a line of JSON.
fn parsed(line: &[u8]) -> Vec<u8> {
    let record: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(line).expect("JSON");
    let of = |wanted: &str| {
        let found = record.iter().find(|(key, _)| key.to_ascii_lowercase().replace('-', "_") == wanted);
        found.and_then(|(_, value)| value.as_str())
    };
    let target = ["uri", "request_uri", "url", "path", "own.target"].into_iter().find_map(of);
    let line = || of("request").expect("a target");
    target.unwrap_or_else(|| line().trim_start_matches("GET ").trim_end_matches(" HTTP/1.1")).as_bytes().to_vec()
}

#[test]
fn no_spelling_of_a_recording_request_escapes_the_prefilter() {
    let mut noise = Noise::new(7);
    let fields = LogFields { target: vec!["own.target".to_owned()], ..LogFields::default() };
    let own = AccessLog { fields, ..AccessLog::default() };
    let configured = AccessLog { recording_paths: PATHS.map(str::to_owned).to_vec(), ..own.clone() };
    let reader = |log: &AccessLog| {
        let settings = Settings { access_logs: vec![log.clone()], ..Settings::default() };
        LogReader::new(SourceId(0), "a.log", &settings)
    };
    let readers = [(reader(&own), &[][..]), (reader(&configured), &PATHS[..])];
    let (mut recordings, mut lines) = (0, 0);
    for round in 0..240 {
        let form = Form::new(&mut noise);
        let mut text = Vec::new();
        let mut targets = Vec::new();
        for _ in 0..100 {
            let target = target(&mut noise);
            if round % 4 == 3 {
                text.extend(combined(&mut noise, &target));
                targets.push(target);
            } else {
                let line = form.line(&mut noise, &target);
                targets.push(parsed(&line));
                text.extend(line);
            }
            text.push(b'\n');
        }
        for (reader, paths) in &readers {
            let log = reader.read(&text, Part::WHOLE);
            assert_eq!((log.total, log.records), (100, 100), "{}", text.escape_ascii());
            let found: BTreeSet<u64> = log.requests.iter().map(|request| request.locus.record).collect();
            for (target, record) in targets.iter().zip(1..) {
                let line = text.split(|byte| *byte == b'\n').nth(record as usize - 1).unwrap_or_default();
                assert_eq!(
                    found.contains(&record),
                    is_recording(target, paths),
                    "{} with {paths:?}: {}",
                    target.escape_ascii(),
                    String::from_utf8_lossy(line)
                );
            }
            recordings += found.len();
            lines += targets.len();
        }
    }
    // Neither all nor none: both answers are put to the test.
    assert!(recordings * 5 > lines && recordings * 5 < lines * 4, "{recordings} of {lines}");
}

#[test]
fn the_oracle_knows_the_contract() {
    for (target, expected) in [
        ("/api/v2/recordings", true),
        ("/api/v2/%52ECORDINGS/x", true),
        ("https://h/x/recording/settings?a", true),
        ("/screensessions", true),
        ("/recordingsx", false),
        ("/a?u=/recordings", false),
        ("http://recordings", false),
        ("/a#/recordings", false),
        ("/%2frecordings", false),
        ("/%2572ecordings", false),
    ] {
        assert_eq!(is_recording(target.as_bytes(), &[]), expected, "{target}");
    }
    assert!(is_recording(b"/internal/a/b/x", &PATHS) && is_recording(b"/%67eheim", &PATHS));
    assert!(!is_recording(b"/internal/x", &PATHS) && !is_recording(b"/internal/a/y", &PATHS));
}
