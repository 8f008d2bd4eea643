//! A scene says who sends what when; from it come the bytes of a capture and of access logs, the same every time.
//!
//! `fixtures/README.md` explains the words of a scene. Unknown words are errors, so a misspelt one cannot pass for an
//! absent one. The helper knows just enough of SIP to fill in what a scene leaves out (tags, CSeq numbers, branches).

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use serde::Deserialize;

use super::exports::ExportShape;
use super::packet::{Packet, pcap};

/// The first moment of every scene: 2026-03-02T10:00:00Z, in microseconds since the epoch.
pub(crate) const START_US: i64 = 1_772_445_600_000_000;

/// The file that captured packets go to.
pub(crate) const CAPTURE: &str = "capture.pcap";
/// The file of a second tap.
pub(crate) const TAP: &str = "tap.pcap";
/// The file that log lines go to unless they name another.
pub(crate) const LOG: &str = "access.jsonl";

const CONSENT: &str = "X-Genesys-Recording-Consent";

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Scene {
    /// What the case proves, in one sentence.
    pub(crate) purpose: String,
    /// Where that is promised.
    pub(crate) clause: String,
    /// `built-in` for a run without a configuration file.
    pub(crate) config: Option<String>,
    /// Further arguments of the run.
    #[serde(default)]
    pub(crate) args: Vec<String>,
    /// Hosts beside the ones that every scene has: name = address[:port].
    #[serde(default)]
    hosts: BTreeMap<String, String>,
    /// Whole calls.
    #[serde(default)]
    calls: Vec<CallShape>,
    /// Single messages.
    #[serde(default)]
    messages: Vec<MessageShape>,
    /// RTP beside that of the calls.
    #[serde(default)]
    rtp: Vec<RtpShape>,
    /// Its RTP is left out.
    #[serde(skip)]
    pub(crate) silent: bool,
    /// Lines of access logs.
    #[serde(default)]
    log: Vec<LogShape>,
    /// The platform's own exports.
    #[serde(default)]
    exports: Vec<ExportShape>,
    /// Call-IDs whose messages were not captured; `*` for all that is sent.
    #[serde(default)]
    not_captured: Vec<String>,
    /// A second capture of every packet, this many seconds late.
    second_tap: Option<f64>,
    /// A second tap of every packet, so many seconds late, in the same capture.
    merged_tap: Option<f64>,
    /// Every packet is captured so many times at once, as a doubled mirror does.
    #[serde(default = "once")]
    copies: usize,
    /// The capture's clock steps back.
    clock_back: Option<ClockBack>,
}

/// A clock that is set back: what is captured from `at` on carries times so many `seconds` earlier.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ClockBack {
    at: f64,
    seconds: f64,
}

/// A call: INVITE, 100, 180, 200, ACK, RTP both ways, BYE, 200. Times but `at` count from `at`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CallShape {
    call_id: String,
    from: String,
    to: String,
    #[serde(default)]
    at: f64,
    consent: Option<String>,
    #[serde(default)]
    headers: Vec<String>,
    #[serde(default)]
    answer_headers: Vec<String>,
    /// INVITEs before this one, each answered by its status.
    #[serde(default)]
    attempts: Vec<Attempt>,
    #[serde(default = "one")]
    answer: f64,
    /// A final refusal instead of an answer.
    refused: Option<u16>,
    #[serde(default = "eleven")]
    bye: f64,
    rtp: Option<(f64, f64)>,
    /// Parts that do not happen: `provisional`, `answer`, `ack`, `rtp`, `bye`.
    #[serde(default)]
    without: Vec<String>,
    /// Messages that happen and are not captured, by method or status.
    #[serde(default)]
    lost: Vec<String>,
    #[serde(default)]
    reinvites: Vec<Again>,
    ports: Option<(u16, u16)>,
    sdp: Option<Vec<String>>,
    answer_sdp: Option<Vec<String>>,
    request_uri: Option<String>,
    from_uri: Option<String>,
    to_uri: Option<String>,
    contact: Option<String>,
    from_tag: Option<String>,
    to_tag: Option<String>,
    cut_after: Option<String>,
    cut_before: Option<String>,
    answer_cut_after: Option<String>,
    /// Repetitions of the INVITE, seconds after it.
    #[serde(default)]
    again: Vec<f64>,
    #[serde(default)]
    compact: bool,
    /// So many calls, a minute apart, `{n}` in `call_id` telling them apart.
    #[serde(default = "one_call")]
    count: u32,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Attempt {
    status: u16,
    consent: Option<String>,
}

/// A re-INVITE or UPDATE by the caller and the answer to it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Again {
    at: f64,
    #[serde(default = "invite")]
    method: String,
    consent: Option<String>,
    #[serde(default = "ok")]
    status: u16,
    sdp: Option<Vec<String>>,
    answer_sdp: Option<Vec<String>>,
    cut_before: Option<String>,
    /// Messages of it that are not captured: the method, the status, `ACK`.
    #[serde(default)]
    lost: Vec<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct MessageShape {
    at: f64,
    from: String,
    to: String,
    /// A method or a status code.
    send: String,
    call_id: String,
    /// Which dialog of that Call-ID, from 1.
    #[serde(default = "first")]
    nth: usize,
    cseq: Option<String>,
    from_tag: Option<String>,
    to_tag: Option<String>,
    request_uri: Option<String>,
    from_uri: Option<String>,
    to_uri: Option<String>,
    contact: Option<String>,
    consent: Option<String>,
    #[serde(default)]
    headers: Vec<String>,
    sdp: Option<Vec<String>>,
    body: Option<String>,
    content_type: Option<String>,
    #[serde(default)]
    compact: bool,
    cut_after: Option<String>,
    cut_before: Option<String>,
    #[serde(default)]
    lost: bool,
    #[serde(default)]
    again: Vec<f64>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RtpShape {
    from: String,
    to: String,
    at: f64,
    seconds: f64,
    #[serde(default = "ten")]
    pps: u32,
    #[serde(default = "ssrc")]
    ssrc: u32,
    #[serde(default)]
    seq: u16,
    /// Packets that were sent and not captured, by their number from 0.
    #[serde(default)]
    lost: Vec<u32>,
    /// An RTCP sender report on the same port behind every so many packets; 0 for none.
    #[serde(default)]
    rtcp: u32,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct LogShape {
    at: Option<f64>,
    #[serde(default = "get")]
    method: String,
    target: String,
    status: u16,
    client: Option<String>,
    call_id: Option<String>,
    conversation_id: Option<String>,
    request_id: Option<String>,
    error_code: Option<String>,
    #[serde(default)]
    fields: BTreeMap<String, String>,
    /// A file ending in `.log` gets combined lines, any other JSON lines.
    #[serde(default = "log_file")]
    file: String,
    /// `none` leaves the zone out of the time.
    zone: Option<String>,
    /// The whole line as it is to stand.
    raw: Option<String>,
    /// So many lines, a minute apart, `{n}` in `target` telling them apart.
    #[serde(default = "one_call")]
    count: u32,
}

fn one() -> f64 {
    1.0
}
fn eleven() -> f64 {
    11.0
}
fn one_call() -> u32 {
    1
}
fn invite() -> String {
    "INVITE".to_owned()
}
fn ok() -> u16 {
    200
}
fn first() -> usize {
    1
}
fn once() -> usize {
    1
}
fn ten() -> u32 {
    10
}
fn ssrc() -> u32 {
    0x00c0_ffee
}
fn get() -> String {
    "GET".to_owned()
}
fn log_file() -> String {
    LOG.to_owned()
}

/// The files of a scene by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Evidence(pub(crate) BTreeMap<String, Vec<u8>>);

impl Evidence {
    /// Writes the files into `folder`.
    pub(crate) fn write_to(&self, folder: &Path) {
        for (name, bytes) in &self.0 {
            std::fs::write(folder.join(name), bytes).expect("evidence can be written");
        }
    }
}

impl Scene {
    /// The scene that `text` says.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        toml::from_str(text).map_err(|error| error.to_string())
    }

    /// The packets in the order they were captured.
    pub(crate) fn packets(&self) -> Vec<Packet> {
        let hosts = Hosts::new(&self.hosts);
        let mut messages = self.messages.clone();
        let mut streams = self.rtp.clone();
        let mut dialogs: BTreeMap<String, usize> = BTreeMap::new();
        let mut serial = 0;
        for call in &self.calls {
            for number in 0..call.count {
                let mut call = call.clone();
                call.at += 60.0 * f64::from(number);
                call.call_id = call.call_id.replace("{n}", &number.to_string());
                let nth = dialogs.entry(call.call_id.clone()).or_insert(0);
                *nth += 1;
                call.expand(*nth, serial, &mut messages, &mut streams);
                serial += 1;
            }
        }
        messages.sort_by_key(|message| micros(message.at));
        let mut packets = Vec::new();
        let mut parties = Parties::default();
        for message in &messages {
            let bytes = parties.say(message, &hosts);
            if message.lost {
                continue;
            }
            let captured = cut(message, &bytes);
            for offset in std::iter::once(0.0).chain(message.again.iter().copied()) {
                packets.push(Packet {
                    at_us: START_US + micros(message.at) + micros(offset),
                    source: hosts.at(&message.from),
                    destination: hosts.at(&message.to),
                    payload: bytes.clone(),
                    captured,
                });
            }
        }
        for stream in streams.iter().filter(|_| !self.silent) {
            stream.packets(&hosts, &mut packets);
        }
        packets.sort_by_key(|packet| packet.at_us);
        if let Some(step) = &self.clock_back {
            let from = START_US + micros(step.at);
            for packet in packets.iter_mut().filter(|packet| packet.at_us >= from) {
                packet.at_us -= micros(step.seconds);
            }
        }
        if let Some(late) = self.merged_tap {
            let tap = packets.clone().into_iter();
            packets.extend(tap.map(|packet| Packet { at_us: packet.at_us + micros(late), ..packet }));
            packets.sort_by_key(|packet| packet.at_us);
        }
        packets.into_iter().flat_map(|packet| vec![packet; self.copies]).collect()
    }

    /// The evidence.
    pub(crate) fn evidence(&self) -> Evidence {
        let mut files = BTreeMap::new();
        let mut packets = self.packets();
        for export in &self.exports {
            files.insert(export.file.clone(), export.bytes(&packets));
        }
        for call_id in &self.not_captured {
            let row = format!("Call-ID: {call_id}\r\n");
            let is_own = |packet: &Packet| packet.payload.windows(row.len()).any(|window| window == row.as_bytes());
            packets.retain(|packet| call_id != "*" && !is_own(packet));
        }
        if !packets.is_empty() {
            files.insert(CAPTURE.to_owned(), pcap(&packets));
        }
        if let Some(late) = self.second_tap {
            let late: Vec<Packet> =
                packets.into_iter().map(|packet| Packet { at_us: packet.at_us + micros(late), ..packet }).collect();
            files.insert(TAP.to_owned(), pcap(&late));
        }
        for line in self.log.iter().flat_map(LogShape::repeated) {
            let file = files.entry(line.file.clone()).or_default();
            file.extend(line.text().into_bytes());
            file.push(b'\n');
        }
        Evidence(files)
    }
}

fn micros(seconds: f64) -> i64 {
    #[expect(clippy::cast_possible_truncation, reason = "scenes last minutes")]
    let micros = (seconds * 1e6).round() as i64;
    micros
}

/// How much of a message is captured.
fn cut(message: &MessageShape, bytes: &[u8]) -> Option<usize> {
    let place = |needle: &str| {
        let needle = needle.as_bytes();
        bytes
            .windows(needle.len())
            .position(|window| window == needle)
            .unwrap_or_else(|| panic!("no `{}` to cut at in {}", needle.escape_ascii(), bytes.escape_ascii()))
    };
    let before = message.cut_before.as_deref().map(place);
    let after = message.cut_after.as_deref().map(|needle| place(needle) + needle.len());
    before.or(after)
}

/// Names and addresses of a scene's hosts.
struct Hosts(BTreeMap<String, SocketAddr>);

impl Hosts {
    fn new(own: &BTreeMap<String, String>) -> Self {
        let common = [
            ("carrier", "203.0.113.10"),
            ("carrier2", "203.0.113.11"),
            ("platform", "192.0.2.10"),
            ("platform2", "192.0.2.11"),
            ("pstn", "198.51.100.10"),
            ("edge", "100.64.0.10"),
            ("pbx", "10.0.0.5"),
            ("agent", "10.0.0.6"),
            ("proxy", "10.0.0.7"),
        ];
        let mut hosts = BTreeMap::new();
        let own = own.iter().map(|(name, address)| (name.as_str(), address.as_str()));
        for (name, address) in common.into_iter().chain(own) {
            let address = address
                .parse::<SocketAddr>()
                .or_else(|_| address.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, 5060)))
                .unwrap_or_else(|_| panic!("host {name}: `{address}` is no address"));
            hosts.insert(name.to_owned(), address);
        }
        Self(hosts)
    }

    /// The address of `name`, or of `name:port`, or an address as it stands.
    fn at(&self, name: &str) -> SocketAddr {
        if let Some(host) = self.0.get(name) {
            return *host;
        }
        if let Some((host, port)) = name.rsplit_once(':')
            && let Some(host) = self.0.get(host)
        {
            return SocketAddr::new(host.ip(), port.parse().unwrap_or_else(|_| panic!("`{name}`: no port")));
        }
        name.parse().unwrap_or_else(|_| panic!("no host `{name}` in the scene"))
    }
}

/// An address as it stands in a URI or a Via.
fn host(address: SocketAddr) -> String {
    match address.ip() {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    }
}

impl CallShape {
    fn expand(&self, nth: usize, serial: u16, messages: &mut Vec<MessageShape>, streams: &mut Vec<RtpShape>) {
        for word in &self.without {
            let known = ["provisional", "answer", "ack", "rtp", "bye"];
            assert!(known.contains(&word.as_str()), "a call has no part `{word}`; it has {known:?}");
        }
        let has = |part: &str| !self.without.iter().any(|word| word == part);
        let answered = has("answer") && self.refused.is_none();
        let (near, far) = self.ports.unwrap_or((4000 + 10 * serial, 6000 + 10 * serial));
        let offer = self.sdp.clone().unwrap_or_else(|| vec![format!("audio {}:{near} PCMU", self.from)]);
        let answer = self.answer_sdp.clone().unwrap_or_else(|| vec![format!("audio {}:{far} PCMU", self.to)]);
        let mut push = |at: f64, down: bool, send: &str, more: MessageShape| {
            let (from, to) = if down { (&self.from, &self.to) } else { (&self.to, &self.from) };
            messages.push(MessageShape {
                at: self.at + at,
                from: from.clone(),
                to: to.clone(),
                send: send.to_owned(),
                call_id: self.call_id.clone(),
                nth,
                compact: self.compact,
                lost: more.lost || self.lost.iter().any(|word| word == send),
                ..more
            });
        };
        let bare = MessageShape::default;
        let invite = |consent: &Option<String>| MessageShape {
            consent: consent.clone(),
            headers: self.headers.clone(),
            sdp: (!offer.is_empty()).then(|| offer.clone()),
            request_uri: self.request_uri.clone(),
            from_uri: self.from_uri.clone(),
            to_uri: self.to_uri.clone(),
            contact: self.contact.clone(),
            from_tag: self.from_tag.clone(),
            ..MessageShape::default()
        };
        let mut before = 0.1 * self.attempts.len() as f64;
        for attempt in &self.attempts {
            push(-before, true, "INVITE", invite(&attempt.consent));
            push(-before + 0.02, false, &attempt.status.to_string(), bare());
            push(-before + 0.04, true, "ACK", bare());
            before -= 0.1;
        }
        push(
            0.0,
            true,
            "INVITE",
            MessageShape {
                cut_after: self.cut_after.clone(),
                cut_before: self.cut_before.clone(),
                again: self.again.clone(),
                ..invite(&self.consent)
            },
        );
        if has("provisional") {
            push(0.01, false, "100", bare());
            push(0.1, false, "180", MessageShape { to_tag: self.to_tag.clone(), ..bare() });
        }
        if let Some(status) = self.refused {
            push(self.answer, false, &status.to_string(), bare());
            push(self.answer + 0.02, true, "ACK", bare());
        }
        if answered {
            push(
                self.answer,
                false,
                "200",
                MessageShape {
                    headers: self.answer_headers.clone(),
                    sdp: (!answer.is_empty()).then(|| answer.clone()),
                    to_tag: self.to_tag.clone(),
                    cut_after: self.answer_cut_after.clone(),
                    ..bare()
                },
            );
            if has("ack") {
                push(self.answer + 0.02, true, "ACK", bare());
            }
        }
        for again in &self.reinvites {
            let lost = |word: &str| again.lost.iter().any(|lost| lost == word);
            push(
                again.at,
                true,
                &again.method,
                MessageShape {
                    consent: again.consent.clone(),
                    sdp: again.sdp.clone().or_else(|| (again.method == "INVITE").then(|| offer.clone())),
                    cut_before: again.cut_before.clone(),
                    lost: lost(&again.method),
                    ..bare()
                },
            );
            let status = again.status.to_string();
            let accepted = again.status < 300 && again.method == "INVITE";
            push(
                again.at + 0.02,
                false,
                &status,
                MessageShape {
                    sdp: again.answer_sdp.clone().or_else(|| accepted.then(|| answer.clone())),
                    lost: lost(&status),
                    ..bare()
                },
            );
            if again.method == "INVITE" {
                push(again.at + 0.04, true, "ACK", MessageShape { lost: lost("ACK"), ..bare() });
            }
        }
        if answered && has("bye") {
            push(self.bye, true, "BYE", bare());
            push(self.bye + 0.02, false, "200", bare());
        }
        let rtp = self.rtp.or_else(|| (answered && has("rtp")).then_some((1.5, 10.5)));
        if let Some((start, end)) = rtp {
            let caller = format!("{}:{near}", self.from);
            let callee = format!("{}:{far}", self.to);
            for (from, to, ssrc) in [(&caller, &callee, 2 * serial), (&callee, &caller, 2 * serial + 1)] {
                streams.push(RtpShape {
                    from: from.clone(),
                    to: to.clone(),
                    at: self.at + start,
                    seconds: end - start,
                    pps: 10,
                    ssrc: 0x1000_0000 + u32::from(ssrc),
                    seq: 100 * ssrc,
                    lost: Vec::new(),
                    rtcp: 0,
                });
            }
        }
    }
}

impl RtpShape {
    fn packets(&self, hosts: &Hosts, packets: &mut Vec<Packet>) {
        let gap = 1_000_000 / i64::from(self.pps);
        let last = micros(self.seconds) / gap;
        assert_eq!(last * gap, micros(self.seconds), "RTP ends with a packet: `seconds` must be a multiple of 1/pps");
        for number in 0..=u32::try_from(last).expect("a span has an end after its start") {
            if self.lost.contains(&number) {
                continue;
            }
            #[expect(clippy::cast_possible_truncation, reason = "sequence numbers wrap (RFC 3550 §5.1)")]
            let sequence = self.seq.wrapping_add(number as u16);
            let clock = number.wrapping_mul(8000 / self.pps);
            let mut payload = vec![0x80, 0];
            payload.extend(sequence.to_be_bytes());
            payload.extend(clock.to_be_bytes());
            payload.extend(self.ssrc.to_be_bytes());
            payload.extend([0xff; 160]);
            packets.push(Packet {
                at_us: START_US + micros(self.at) + i64::from(number) * gap,
                source: hosts.at(&self.from),
                destination: hosts.at(&self.to),
                payload,
                captured: None,
            });
            if self.rtcp > 0 && (number + 1) % self.rtcp == 0 {
                // RFC 3550 §6.4.1: a sender report of seven words without reception reports.
                let mut report = vec![0x80, 200, 0, 6];
                report.extend(self.ssrc.to_be_bytes());
                report.extend([0; 20]);
                packets.push(Packet {
                    at_us: START_US + micros(self.at) + i64::from(number) * gap + 1,
                    source: hosts.at(&self.from),
                    destination: hosts.at(&self.to),
                    payload: report,
                    captured: None,
                });
            }
        }
    }
}

/// What the parties of all dialogs remember.
#[derive(Default)]
struct Parties(BTreeMap<(String, usize), Dialog>);

struct Dialog {
    /// The hosts from the caller to the callee; those between are proxies.
    path: Vec<String>,
    caller_tag: String,
    callee_tag: String,
    caller_uri: String,
    callee_uri: String,
    /// The last CSeq number of each side, the caller's first.
    numbers: [u32; 2],
    tagged: bool,
    confirmed: bool,
    requests: Vec<Asked>,
}

#[derive(Clone)]
struct Asked {
    from: String,
    to: String,
    down: bool,
    number: u32,
    method: String,
    via: String,
}

impl Parties {
    /// The bytes of the next message.
    fn say(&mut self, message: &MessageShape, hosts: &Hosts) -> Vec<u8> {
        let status = message.send.parse::<u16>().ok();
        let key = (message.call_id.clone(), message.nth);
        let serial = self.0.len();
        let dialog = self.0.entry(key).or_insert_with(|| {
            let (caller, callee) =
                if status.is_some() { (&message.to, &message.from) } else { (&message.from, &message.to) };
            Dialog {
                path: vec![caller.clone(), callee.clone()],
                caller_tag: format!("from-{serial}"),
                callee_tag: format!("to-{serial}"),
                caller_uri: format!("sip:+6581230001@{}", host(hosts.at(caller))),
                callee_uri: format!("sip:+6562220002@{}", host(hosts.at(callee))),
                numbers: [0, 100],
                tagged: false,
                confirmed: false,
                requests: Vec::new(),
            }
        });
        match status {
            None => dialog.request(message, hosts),
            Some(status) => dialog.response(message, status, hosts),
        }
    }
}

impl Dialog {
    fn place(&self, host: &str) -> Option<usize> {
        self.path.iter().position(|known| known == host)
    }

    /// Whether the message goes from the caller's side to the callee's.
    fn down(&mut self, message: &MessageShape) -> bool {
        match (self.place(&message.from), self.place(&message.to)) {
            (Some(from), Some(to)) => from < to,
            (Some(_), None) => {
                self.path.push(message.to.clone());
                true
            }
            // A slow clock showed first what was passed on.
            (None, Some(0)) => {
                self.path.insert(0, message.from.clone());
                true
            }
            _ => panic!("`{}` is no party of {}", message.from, message.call_id),
        }
    }

    fn request(&mut self, message: &MessageShape, hosts: &Hosts) -> Vec<u8> {
        let method = message.send.as_str();
        let down = self.down(message);
        let origin = if down { self.path.first() } else { self.path.last() };
        let forwards = origin != Some(&message.from);
        let last = self
            .requests
            .iter()
            .rev()
            .find(|asked| asked.down == down && (asked.method == method || !forwards && asked.method == "INVITE"));
        let number = match &message.cseq {
            Some(cseq) => number(cseq),
            None if forwards || matches!(method, "ACK" | "CANCEL") => last.map_or(1, |asked| asked.number),
            None => self.numbers[usize::from(!down)] + 1,
        };
        if !matches!(method, "ACK" | "CANCEL") {
            self.numbers[usize::from(!down)] = number;
        }
        if method == "INVITE" && !self.confirmed {
            self.caller_tag = message.from_tag.clone().unwrap_or_else(|| self.caller_tag.clone());
            self.caller_uri = message.from_uri.clone().unwrap_or_else(|| self.caller_uri.clone());
            self.callee_uri = message.to_uri.clone().unwrap_or_else(|| self.callee_uri.clone());
        }
        let sender = hosts.at(&message.from);
        let receiver = hosts.at(&message.to);
        let same_transaction = method == "CANCEL" || method == "ACK" && !self.confirmed;
        let branch_method = if same_transaction { "INVITE" } else { method };
        let via = format!(
            "SIP/2.0/UDP {}:{};branch=z9hG4bK-{}-{number}-{branch_method}",
            host(sender),
            sender.port(),
            self.caller_tag
        );
        let in_dialog = match method {
            "INVITE" => self.confirmed,
            "CANCEL" | "REGISTER" | "OPTIONS" | "SUBSCRIBE" => false,
            _ => self.tagged,
        };
        let (from, to) = self.ends(down);
        let mut from_field = format!("<{}>;tag={}", from.0, message.from_tag.as_deref().unwrap_or(from.1));
        let mut to_field = format!("<{}>", to.0);
        let tag = message.to_tag.as_deref().or(in_dialog.then_some(to.1)).unwrap_or_default();
        if !tag.is_empty() {
            to_field.push_str(&format!(";tag={tag}"));
        }
        if let Some(uri) = &message.from_uri {
            from_field = format!("<{uri}>;tag={}", message.from_tag.as_deref().unwrap_or(from.1));
        }
        let initial = method == "INVITE" && !self.confirmed;
        let target = message.request_uri.clone().unwrap_or_else(|| {
            if initial { to.0.to_owned() } else { format!("sip:{}:{}", host(receiver), receiver.port()) }
        });
        self.requests.push(Asked {
            from: message.from.clone(),
            to: message.to.clone(),
            down,
            number,
            method: method.to_owned(),
            via: via.clone(),
        });
        let lines = Lines {
            start: format!("{method} {target} SIP/2.0"),
            via,
            from: from_field,
            to: to_field,
            cseq: format!("{number} {method}"),
        };
        lines.bytes(message, hosts)
    }

    fn response(&mut self, message: &MessageShape, status: u16, hosts: &Hosts) -> Vec<u8> {
        let down = self.down(message);
        let wanted = message.cseq.as_deref().map(|cseq| (number(cseq), cseq.rsplit(' ').next().unwrap_or_default()));
        let fits = |asked: &&Asked| match wanted {
            None => asked.down != down && asked.method != "ACK",
            Some((number, method)) => asked.number == number && asked.method == method,
        };
        let on_hop = |asked: &&Asked| fits(asked) && asked.from == message.to && asked.to == message.from;
        let asked = self.requests.iter().rev().find(on_hop).or_else(|| self.requests.iter().rev().find(fits)).cloned();
        let asked = asked.unwrap_or_else(|| {
            let (number, method) = wanted.unwrap_or((1, "INVITE"));
            let receiver = hosts.at(&message.to);
            let via = format!("SIP/2.0/UDP {}:{};branch=z9hG4bK-unseen", host(receiver), receiver.port());
            Asked { from: String::new(), to: String::new(), down: !down, number, method: method.to_owned(), via }
        });
        if asked.down
            && let Some(tag) = &message.to_tag
        {
            self.callee_tag = tag.clone();
        }
        self.tagged |= status > 100;
        self.confirmed |= asked.method == "INVITE" && (200..300).contains(&status);
        let (from, to) = self.ends(asked.down);
        let mut to_field = format!("<{}>", to.0);
        if status > 100 {
            to_field.push_str(&format!(";tag={}", message.to_tag.as_deref().unwrap_or(to.1)));
        }
        let lines = Lines {
            start: format!("SIP/2.0 {status} {}", reason(status)),
            via: asked.via.clone(),
            from: format!("<{}>;tag={}", from.0, message.from_tag.as_deref().unwrap_or(from.1)),
            to: to_field,
            cseq: format!("{} {}", asked.number, asked.method),
        };
        lines.bytes(message, hosts)
    }

    /// URI and tag of the sender's and of the receiver's side of a request.
    fn ends(&self, down: bool) -> ((&str, &str), (&str, &str)) {
        let caller = (self.caller_uri.as_str(), self.caller_tag.as_str());
        let callee = (self.callee_uri.as_str(), self.callee_tag.as_str());
        if down { (caller, callee) } else { (callee, caller) }
    }
}

fn number(cseq: &str) -> u32 {
    let number = cseq.split(' ').next().and_then(|number| number.parse().ok());
    number.unwrap_or_else(|| panic!("`{cseq}` is no CSeq"))
}

fn reason(status: u16) -> &'static str {
    match status {
        100 => "Trying",
        180 => "Ringing",
        183 => "Session Progress",
        200 => "OK",
        302 => "Moved Temporarily",
        401 => "Unauthorized",
        403 => "Forbidden",
        407 => "Proxy Authentication Required",
        422 => "Session Interval Too Small",
        486 => "Busy Here",
        487 => "Request Terminated",
        488 => "Not Acceptable Here",
        _ => "Status",
    }
}

/// The parts of a message that the parties filled in.
struct Lines {
    start: String,
    via: String,
    from: String,
    to: String,
    cseq: String,
}

impl Lines {
    fn bytes(&self, message: &MessageShape, hosts: &Hosts) -> Vec<u8> {
        let sender = hosts.at(&message.from);
        let name = |long: &'static str, short: &'static str| if message.compact { short } else { long };
        let mut rows = vec![
            format!("{}: {}", name("Via", "v"), self.via),
            "Max-Forwards: 70".to_owned(),
            format!("{}: {}", name("From", "f"), self.from),
            format!("{}: {}", name("To", "t"), self.to),
            format!("{}: {}", name("Call-ID", "i"), message.call_id),
            format!("CSeq: {}", self.cseq),
        ];
        let contact = message.contact.clone().unwrap_or_else(|| format!("sip:gw@{}:{}", host(sender), sender.port()));
        rows.push(format!("{}: <{contact}>", name("Contact", "m")));
        if let Some(value) = &message.consent {
            rows.push(format!("{CONSENT}: {value}"));
        }
        rows.extend(message.headers.iter().cloned());
        let mut body = message.body.as_deref().unwrap_or_default().replace('\n', "\r\n");
        if let Some(media) = &message.sdp {
            body = description(media, hosts);
        }
        if !body.is_empty() {
            let kind = message.content_type.as_deref().unwrap_or("application/sdp");
            rows.push(format!("{}: {kind}", name("Content-Type", "c")));
        }
        rows.push(format!("{}: {}", name("Content-Length", "l"), body.len()));
        let mut text = format!("{}\r\n", self.start);
        for row in rows {
            text.push_str(&row);
            text.push_str("\r\n");
        }
        text.push_str("\r\n");
        text.push_str(&body);
        text.into_bytes()
    }
}

/// A session description from words such as `audio carrier:4000 PCMU sendonly`, with further attributes behind them; those
/// that stand first are the session's. `media.example=carrier:4000` writes the address so.
fn description(media: &[String], hosts: &Hosts) -> String {
    let mut text = String::new();
    let is_attribute = |word: &&String| word.starts_with("a=");
    let of_session = media.iter().take_while(is_attribute).map(|line| format!("{line}\r\n")).collect::<String>();
    for section in media.iter().skip_while(is_attribute) {
        let mut words = section.split(' ');
        let kind = words.next().expect("a media type");
        let place = words.next().unwrap_or_else(|| panic!("`{section}` has no address"));
        let (written, place) = place.split_once('=').map_or((None, place), |(written, place)| (Some(written), place));
        let address = hosts.at(place);
        let codec = words.next().unwrap_or_else(|| panic!("`{section}` has no format"));
        let direction = words.next().unwrap_or("sendrecv");
        let attributes = words.map(|word| format!("{word}\r\n")).collect::<String>();
        let family = if address.is_ipv4() { "IP4" } else { "IP6" };
        let ip = written.map_or_else(|| address.ip().to_string(), str::to_owned);
        if text.is_empty() {
            text = format!("v=0\r\no=- 1 1 IN {family} {ip}\r\ns=-\r\nc=IN {family} {ip}\r\nt=0 0\r\n");
            text.push_str(&of_session);
        }
        let format = match codec {
            "PCMU" => "RTP/AVP 0\r\na=rtpmap:0 PCMU/8000",
            "PCMA" => "RTP/AVP 8\r\na=rtpmap:8 PCMA/8000",
            "opus" => "RTP/AVP 96\r\na=rtpmap:96 opus/48000/2",
            "H264" => "RTP/AVP 97\r\na=rtpmap:97 H264/90000",
            "t38" => "udptl t38",
            _ => panic!("no format `{codec}`"),
        };
        let (profile, map) = format.split_once("\r\n").unwrap_or((format, ""));
        text.push_str(&format!("m={kind} {} {profile}\r\nc=IN {family} {ip}\r\n", address.port()));
        if !map.is_empty() {
            text.push_str(&format!("{map}\r\n"));
        }
        text.push_str(&format!("a={direction}\r\n{attributes}"));
    }
    text
}

impl LogShape {
    fn repeated(&self) -> impl Iterator<Item = Self> {
        (0..self.count).map(|number| Self {
            at: self.at.map(|at| at + 60.0 * f64::from(number)),
            target: self.target.replace("{n}", &number.to_string()),
            ..self.clone()
        })
    }

    fn text(&self) -> String {
        if let Some(raw) = &self.raw {
            return raw.clone();
        }
        let at = self.at.map(|at| {
            let micros = START_US + micros(at);
            jiff::Timestamp::from_microsecond(micros).expect("a time in range")
        });
        if self.file.ends_with(".log") {
            let at = at.map_or_else(|| "-".to_owned(), |at| at.strftime("%d/%b/%Y:%H:%M:%S +0000").to_string());
            let client = self.client.as_deref().unwrap_or("10.9.0.2");
            let Self { method, target, status, .. } = self;
            return format!("{client} - - [{at}] \"{method} {target} HTTP/1.1\" {status} 512 \"-\" \"app/1.0\"");
        }
        let mut record = serde_json::Map::new();
        if let Some(at) = at {
            let form =
                if self.zone.as_deref() == Some("none") { "%Y-%m-%dT%H:%M:%S%.3f" } else { "%Y-%m-%dT%H:%M:%S%.3fZ" };
            record.insert("time".to_owned(), at.strftime(form).to_string().into());
        }
        record.insert("method".to_owned(), self.method.clone().into());
        record.insert("target".to_owned(), self.target.clone().into());
        record.insert("status".to_owned(), self.status.into());
        record.insert("client_id".to_owned(), self.client.as_deref().unwrap_or("app-1").into());
        let optional = [
            ("call_id", &self.call_id),
            ("conversation_id", &self.conversation_id),
            ("request_id", &self.request_id),
            ("error_code", &self.error_code),
        ];
        for (name, value) in optional {
            if let Some(value) = value {
                record.insert(name.to_owned(), value.clone().into());
            }
        }
        for (name, value) in &self.fields {
            record.insert(name.clone(), value.clone().into());
        }
        serde_json::Value::Object(record).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(scene: &str) -> Vec<String> {
        let scene = Scene::parse(&format!("purpose = \"\"\nclause = \"\"\n{scene}")).unwrap();
        scene.packets().iter().map(|packet| String::from_utf8_lossy(&packet.payload).into_owned()).collect()
    }

    #[test]
    fn an_unknown_word_is_an_error_that_names_it() {
        let error = Scene::parse("purpose = \"\"\nclause = \"\"\nmesages = []").unwrap_err();
        assert!(error.contains("mesages"), "{error}");
    }

    #[test]
    fn a_call_speaks_sip_in_order_with_tags_and_numbers_that_fit() {
        let said = messages(
            "calls = [{ call_id = 'a@x', from = 'carrier', to = 'platform', consent = 'true', without = ['rtp'] }]",
        );
        let starts: Vec<&str> = said.iter().filter_map(|message| message.lines().next()).collect();
        assert_eq!(
            starts,
            [
                "INVITE sip:+6562220002@192.0.2.10 SIP/2.0",
                "SIP/2.0 100 Trying",
                "SIP/2.0 180 Ringing",
                "SIP/2.0 200 OK",
                "ACK sip:192.0.2.10:5060 SIP/2.0",
                "BYE sip:192.0.2.10:5060 SIP/2.0",
                "SIP/2.0 200 OK",
            ]
        );
        assert!(said[0].contains("\r\nX-Genesys-Recording-Consent: true\r\n"), "{}", said[0]);
        assert!(said[0].contains("\r\nTo: <sip:+6562220002@192.0.2.10>\r\n"), "{}", said[0]);
        assert!(said[0].contains("\r\nm=audio 4000 RTP/AVP 0\r\n"), "{}", said[0]);
        assert!(said[3].contains(";tag=to-0\r\n") && said[3].contains("CSeq: 1 INVITE"), "{}", said[3]);
        assert!(said[4].contains("CSeq: 1 ACK"), "{}", said[4]);
        assert!(said[5].contains("CSeq: 2 BYE") && said[5].contains(";tag=to-0\r\n"), "{}", said[5]);
    }

    #[test]
    fn a_repeated_invite_has_the_next_number_and_no_to_tag() {
        let said = messages(
            "calls = [{ call_id = 'a@x', from = 'carrier', to = 'platform', attempts = [{ status = 407 }], without = ['rtp', 'provisional', 'bye'] }]",
        );
        let numbers: Vec<&str> =
            said.iter().filter_map(|message| message.lines().find(|line| line.starts_with("CSeq"))).collect();
        assert_eq!(
            numbers,
            ["CSeq: 1 INVITE", "CSeq: 1 INVITE", "CSeq: 1 ACK", "CSeq: 2 INVITE", "CSeq: 2 INVITE", "CSeq: 2 ACK"]
        );
        assert!(said[3].contains("To: <sip:+6562220002@192.0.2.10>\r\n"), "{}", said[3]);
    }

    #[test]
    fn a_proxy_forwards_with_the_same_number() {
        let said = messages(
            "messages = [
               { at = 0, from = 'carrier', to = 'proxy', send = 'INVITE', call_id = 'a@x' },
               { at = 1, from = 'proxy', to = 'platform', send = 'INVITE', call_id = 'a@x' },
               { at = 2, from = 'platform', to = 'proxy', send = '200', call_id = 'a@x' },
               { at = 3, from = 'proxy', to = 'carrier', send = '200', call_id = 'a@x' },
               { at = 4, from = 'platform', to = 'proxy', send = 'BYE', call_id = 'a@x' },
             ]",
        );
        assert!(said[1].contains("Via: SIP/2.0/UDP 10.0.0.7:5060") && said[1].contains("CSeq: 1 INVITE"));
        assert!(said[1].contains("From: <sip:+6581230001@203.0.113.10>;tag=from-0"));
        assert!(said[2].contains("Via: SIP/2.0/UDP 10.0.0.7:5060"));
        assert!(said[3].contains("Via: SIP/2.0/UDP 203.0.113.10:5060"));
        assert!(said[4].contains("CSeq: 101 BYE") && said[4].contains("From: <sip:+6562220002@10.0.0.7>;tag=to-0"));
    }

    #[test]
    fn rtp_spans_its_seconds_exactly() {
        let scene = Scene::parse(
            "purpose = ''\nclause = ''\nrtp = [{ from = 'carrier:4000', to = 'platform:5000', at = 1.5, seconds = 9, lost = [3] }]",
        )
        .unwrap();
        let packets = scene.packets();
        assert_eq!(packets.len(), 90);
        assert_eq!(packets[89].at_us - packets[0].at_us, 9_000_000);
    }

    #[test]
    fn a_cut_keeps_the_length_that_was_sent() {
        let scene = Scene::parse(
            "purpose = ''\nclause = ''\nmessages = [{ at = 0, from = 'carrier', to = 'platform', send = 'INVITE', call_id = 'a@x', cut_before = 'CSeq:' }]",
        )
        .unwrap();
        let file = pcap(&scene.packets());
        let captured = u32::from_le_bytes(file[32..36].try_into().unwrap());
        let sent = u32::from_le_bytes(file[36..40].try_into().unwrap());
        assert!(captured < sent);
        assert_eq!(file.len(), 40 + captured as usize);
        assert!(file.ends_with(b"Call-ID: a@x\r\n"));
    }

    #[test]
    fn the_same_scene_gives_the_same_bytes() {
        let text = "purpose = ''\nclause = ''\ncalls = [{ call_id = 'a@x', from = 'carrier', to = 'platform' }]\nlog = [{ at = 20, target = '/x', status = 403 }]";
        assert_eq!(Scene::parse(text).unwrap().evidence(), Scene::parse(text).unwrap().evidence());
    }
}
