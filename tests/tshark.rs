//! Every SIP message that the program reads, held against tshark: packet number, method or status code, CSeq and Call-ID,
//! both ways.
//!
//! `tests/tshark.tsv` lists every difference there is, with the reason. A difference that is not listed fails the test,
//! and so does one that is listed and gone. Where tshark is absent the test says so in one line and passes, unless
//! `CI` or `SIPCONSENT_REQUIRE_TSHARK` is set. The captures of the corpus (see `tests/corpus.rs`) take minutes, most of
//! them for starting tshark; they are compared where one of these is set too, and must be there. The list holds for
//! tshark 4.0, Debian 12's.

#[expect(dead_code, reason = "shared with the other test target, which uses all of it")]
#[path = "it/support/mod.rs"]
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use sipconsent::facts::{Method, Signalling, StartLine};
use sipconsent::{Settings, pipeline};

use support::{folders, here, read};

/// One SIP message as a reader sees it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Message {
    packet: u64,
    /// The method of a request, the status code of a response.
    start: String,
    /// The CSeq number and method; empty where unreadable.
    cseq: String,
    call_id: Vec<u8>,
}

/// What one reader saw and the other did not: by capture and reader, `packet:start` of each message.
type Differences = BTreeMap<(String, &'static str), Vec<String>>;

const TSHARK: &str = "tshark";
const OWN: &str = "sipconsent";

#[expect(clippy::print_stdout, reason = "the test names what it could not compare")]
fn say(text: &str) {
    println!("{text}");
}

fn is_set(name: &str) -> bool {
    std::env::var_os(name).is_some()
}

/// Whether nothing may be left uncompared.
fn is_required() -> bool {
    is_set("CI") || is_set("SIPCONSENT_REQUIRE_TSHARK")
}

/// Whether tshark is there; where it must be and is not, the test fails.
fn has_tshark() -> bool {
    let found = Command::new(TSHARK).arg("--version").output().is_ok_and(|output| output.status.success());
    assert!(found || !is_required(), "tshark is required and not installed");
    if !found {
        say("no tshark on the path: nothing was compared");
    }
    found
}

/// The SIP messages of a capture, as the program reads them.
fn own(path: &Path) -> Vec<Message> {
    let messages = pipeline::signalling(&[path.to_owned()], &Settings::default(), Some(1))
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let all = messages.all().unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let message = |message: Signalling<'_>| Message {
        packet: message.locus.record,
        start: match message.start {
            StartLine::Request { method, .. } => method.name().to_owned(),
            StartLine::Response(status) => status.to_string(),
        },
        cseq: message.cseq.map_or_else(String::new, |cseq| format!("{} {}", cseq.number, cseq.method.name())),
        call_id: message.call_id.to_vec(),
    };
    all.messages().map(message).collect()
}

/// The SIP messages of a capture, as tshark reads them.
fn theirs(path: &Path) -> Vec<Message> {
    let output = Command::new(TSHARK)
        // No names of hosts; TCP out of order put in order; no other preference than the built-in ones.
        .args([
            "-n",
            "-o",
            "tcp.reassemble_out_of_order:TRUE",
            "-C",
            "Default",
            "-Y",
            "sip",
            "-T",
            "pdml",
            "-J",
            "sip",
            "-r",
        ])
        .arg(path)
        .output()
        .expect("tshark runs");
    let text = String::from_utf8_lossy(&output.stdout);
    let mut messages: Vec<Message> = Vec::new();
    let mut packet = 0;
    for line in text.lines().map(str::trim_start) {
        if line.starts_with("<field name=\"num\"") {
            packet = attribute(line, "show").and_then(|number| number.parse().ok()).unwrap_or(0);
        } else if line.starts_with("<proto name=\"sip\"") {
            messages.push(Message { packet, start: String::new(), cseq: String::new(), call_id: Vec::new() });
        }
        let Some(message) = messages.last_mut() else { continue };
        let Some(name) = line.strip_prefix("<field name=\"sip.").and_then(|rest| rest.split('"').next()) else {
            continue;
        };
        let value = || attribute(line, "value").map(unhex).unwrap_or_default();
        let text = || String::from_utf8_lossy(&value()).into_owned();
        match name {
            "Status-Code" if message.start.is_empty() => message.start = text(),
            "Method" if message.start.is_empty() => message.start = known(text()),
            "CSeq.seq" if message.cseq.is_empty() => {
                message.cseq = attribute(line, "show").unwrap_or_default().to_owned();
            }
            "CSeq.method" if !message.cseq.contains(' ') => {
                let _ = write!(message.cseq, " {}", known(text()));
            }
            // The bytes are the whole row's.
            "Call-ID" if message.call_id.is_empty() => {
                let row = value();
                let colon = row.iter().position(|byte| *byte == b':').map_or(0, |colon| colon + 1);
                message.call_id = row[colon..].trim_ascii().to_vec();
            }
            _ => {}
        }
    }
    messages
}

/// A method by its name; the program tells apart those that matter to it, all others are one.
fn known(method: String) -> String {
    Method::of(method.as_bytes()).name().to_owned()
}

fn attribute<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = line.split_once(&format!(" {name}=\""))?;
    rest.split('"').next()
}

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.chars().filter_map(|digit| digit.to_digit(16)).map(|digit| digit as u8).collect();
    digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

/// What each of two lists has more often than the other.
fn differ(own: Vec<Message>, theirs: Vec<Message>) -> [Vec<Message>; 2] {
    let mut counts: BTreeMap<Message, [usize; 2]> = BTreeMap::new();
    for (side, messages) in [own, theirs].into_iter().enumerate() {
        for message in messages {
            counts.entry(message).or_default()[side] += 1;
        }
    }
    [0, 1].map(|side| {
        let surplus = |[own, theirs]: &[usize; 2]| {
            if side == 0 { own.saturating_sub(*theirs) } else { theirs.saturating_sub(*own) }
        };
        counts.iter().flat_map(|(message, counts)| vec![message.clone(); surplus(counts)]).collect()
    })
}

fn compare(name: &str, path: &Path) -> Differences {
    let (own, theirs) = (own(path), theirs(path));
    let mut found = Differences::new();
    for (reader, messages) in [OWN, TSHARK].into_iter().zip(differ(own, theirs)) {
        if !messages.is_empty() {
            let list = messages.iter().map(|message| format!("{}:{}", message.packet, message.start)).collect();
            found.insert((name.to_owned(), reader), list);
        }
        for message in messages {
            let (cseq, call_id) = (&message.cseq, message.call_id.escape_ascii());
            say(&format!("{name}: only {reader}: {}:{} {cseq} {call_id}", message.packet, message.start));
        }
    }
    found
}

/// Compares captures, as many at a time as there are processors.
fn compare_all(captures: Vec<(String, PathBuf)>) -> Differences {
    let rest = Mutex::new(captures.into_iter());
    let found = Mutex::new(Differences::new());
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let next = rest.lock().expect("no worker panics").next();
                    let Some((name, path)) = next else { return };
                    let of_capture = compare(&name, &path);
                    found.lock().expect("no worker panics").extend(of_capture);
                }
            });
        }
    });
    found.into_inner().expect("no worker panics")
}

/// The name of the capture that joins the scenes.
const SCENES: &str = "calls";

/// Each scene with the number of packets before it.
type Places = Vec<(u64, String)>;

/// The captures that the repository holds, those of the scenes joined into one.
fn fixtures(folder: &Path) -> (Vec<(String, PathBuf)>, Places) {
    let mut places = Places::new();
    let mut captures: Vec<(String, PathBuf)> = ["incident.pcap", "incident.pcap1", "incident.pcap2"]
        .map(|name| (format!("incident/{name}"), here("fixtures/incident/evidence").join(name)))
        .to_vec();
    let mut packets = Vec::new();
    for case in folders(&here("fixtures/calls")) {
        let scene = support::scene::Scene::parse(&read(&case.join("scene.toml")));
        places.push((packets.len() as u64, case.file_name().expect("a name").to_string_lossy().into_owned()));
        packets.extend(scene.unwrap_or_else(|error| panic!("{}: {error}", case.display())).packets());
    }
    let scenes = folder.join("scenes.pcap");
    std::fs::write(&scenes, support::packet::pcap(&packets)).expect("evidence can be written");
    captures.push((SCENES.to_owned(), scenes));
    (captures, places)
}

/// The differences with those of the joined scenes told by scene and by its own packet numbers.
fn by_scene(found: Differences, places: &Places) -> Differences {
    let mut told = Differences::new();
    for ((name, reader), messages) in found {
        for message in messages {
            let mut place = (name.clone(), message.clone());
            if name == SCENES {
                let (packet, start) = message.split_once(':').expect("packet:start");
                let packet: u64 = packet.parse().expect("a number");
                let (before, scene) = &places[places.partition_point(|(before, _)| *before < packet) - 1];
                place = (format!("{SCENES}/{scene}"), format!("{}:{start}", packet - before));
            }
            told.entry((place.0, reader)).or_default().push(place.1);
        }
    }
    told
}

/// The captures of the corpus, where it is.
fn corpus() -> Option<Vec<(String, PathBuf)>> {
    let set = std::env::var_os("SIPCONSENT_CORPUS").map(PathBuf::from);
    let folder = set.unwrap_or_else(|| here("../shared/corpus"));
    let mut captures = Vec::new();
    for kind in ["odd", "sip"] {
        for entry in std::fs::read_dir(folder.join(kind)).ok()? {
            let path = entry.ok()?.path();
            captures.push((format!("{kind}/{}", path.file_name()?.to_string_lossy()), path));
        }
    }
    captures.sort();
    Some(captures)
}

/// The differences that are listed: those of the corpus, and those of the fixtures.
fn listed() -> Differences {
    let mut rows = Differences::new();
    for (number, line) in (1..).zip(read(&here("tests/tshark.tsv")).lines()) {
        if line.starts_with('#') || line.is_empty() {
            continue;
        }
        let columns: Vec<&str> = line.split('\t').collect();
        let [capture, reader, messages, why] = columns.as_slice() else { panic!("line {number}: not four columns") };
        let reader = if *reader == OWN { OWN } else { TSHARK };
        assert!(why.len() > 10, "line {number}: a difference without a reason");
        rows.entry(((*capture).to_owned(), reader)).or_default().extend(messages.split(' ').map(str::to_owned));
    }
    rows
}

fn is_of_the_corpus(name: &str) -> bool {
    name.starts_with("odd/") || name.starts_with("sip/")
}

/// What is found and not listed, and what is listed and not found.
fn unexpected(found: &Differences, listed: &Differences) -> Vec<String> {
    let rows = |of: &Differences| -> BTreeSet<(String, &'static str, String)> {
        let mut rows = BTreeSet::new();
        for ((capture, reader), messages) in of {
            let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
            for message in messages {
                let again = seen.entry(message).or_default();
                *again += 1;
                rows.insert((capture.clone(), *reader, format!("{message} ({again})")));
            }
        }
        rows
    };
    let (found, listed) = (rows(found), rows(listed));
    let mut text = Vec::new();
    for (capture, reader, message) in found.difference(&listed) {
        text.push(format!("{capture}: only {reader} sees {message}, and tests/tshark.tsv does not list it"));
    }
    for (capture, reader, message) in listed.difference(&found) {
        text.push(format!("{capture}: tests/tshark.tsv lists {message} of {reader}, and it is no difference any more"));
    }
    text
}

#[test]
fn every_sip_message_is_what_tshark_sees_but_for_the_listed_differences() {
    if !has_tshark() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let (mut captures, places) = fixtures(folder.path());
    let mut listed = listed();
    if is_required() {
        captures.extend(corpus().expect("the corpus is required and not there: set SIPCONSENT_CORPUS"));
    } else {
        say("only the fixtures were compared: SIPCONSENT_REQUIRE_TSHARK has the corpus compared too");
        listed.retain(|(name, _), _| !is_of_the_corpus(name));
    }
    let unexpected = unexpected(&by_scene(compare_all(captures), &places), &listed);
    assert!(unexpected.is_empty(), "{} differences:\n{}", unexpected.len(), unexpected.join("\n"));
}

#[test]
fn a_difference_that_appears_or_disappears_is_noticed() {
    let message = |packet: u64, start: &str| Message {
        packet,
        start: start.to_owned(),
        cseq: "1 INVITE".to_owned(),
        call_id: b"a@x".to_vec(),
    };
    let (invite, ringing) = (message(1, "INVITE"), message(2, "180"));
    let none: [Vec<Message>; 2] = [Vec::new(), Vec::new()];
    assert_eq!(differ(vec![invite.clone(), ringing.clone()], vec![ringing.clone(), invite.clone()]), none);
    assert_eq!(differ(vec![invite.clone(); 2], vec![invite.clone()]), [vec![invite.clone()], Vec::new()]);
    let other = Message { call_id: b"b@x".to_vec(), ..ringing.clone() };
    assert_eq!(differ(vec![ringing.clone()], vec![other.clone()]), [vec![ringing], vec![other]]);
    let rows = |messages: &[&str]| -> Differences {
        let messages = messages.iter().map(|message| (*message).to_owned()).collect();
        [(("sip/a.pcap".to_owned(), TSHARK), messages)].into()
    };
    assert!(unexpected(&rows(&["1:INVITE"]), &rows(&["1:INVITE"])).is_empty());
    assert_eq!(unexpected(&rows(&["1:INVITE", "1:INVITE"]), &rows(&["1:INVITE"])).len(), 1);
    assert_eq!(unexpected(&rows(&["1:INVITE"]), &rows(&["2:INVITE"])).len(), 2);
    assert_eq!(unexpected(&Differences::new(), &rows(&["1:INVITE"])).len(), 1);
    let joined = [((SCENES.to_owned(), OWN), vec!["7:200".to_owned(), "8:INVITE".to_owned()])].into();
    let told = by_scene(joined, &vec![(0, "a".to_owned()), (7, "b".to_owned())]);
    let wanted = [("calls/a", "7:200"), ("calls/b", "1:INVITE")]
        .map(|(scene, message)| ((scene.to_owned(), OWN), vec![message.to_owned()]));
    assert_eq!(told, wanted.into());
}

#[test]
fn tsharks_words_are_read() {
    let line = r#"<field name="sip.Call-ID" showname="Call-ID: &lt;a" size="2" pos="9" show="&lt;a" value="3c61"/>"#;
    assert_eq!((attribute(line, "value").map(unhex), attribute(line, "pos")), (Some(b"<a".to_vec()), Some("9")));
}
