use super::Hidden;
use super::gather::{Gathered, Gathering, Limits, Pieces};
use super::join::{TlsConnection, Trace, Union, union};
use super::unread::Unread;
use crate::capture::{Frame, LinkType};
use crate::evidence::{Anomalies, SourceId, Timestamp};
use crate::facts::extract::Keep;
use crate::facts::{Body, Hop, Shelves, Signalling, Store, Transport};
use crate::net::sample::{client_hello, hep_sip, ip, udp, websocket_frame};
use crate::net::{self, Packet};
use crate::settings::{Settings, Trunk, TrunkKind};

const SYN: u8 = 0x02;
const CLIENT: (&str, u16) = ("203.0.113.5", 40_000);
const SERVER: (&str, u16) = ("192.0.2.9", 5060);

/// One packet of the wire: record number, milliseconds, bytes from the IP header on.
#[derive(Clone)]
struct Sent {
    record: u64,
    ms: i64,
    bytes: Vec<u8>,
    original: usize,
}

fn tcp(source: (&str, u16), destination: (&str, u16), sequence: u32, flags: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = [source.1.to_be_bytes(), destination.1.to_be_bytes()].concat();
    bytes.extend(sequence.to_be_bytes());
    bytes.extend([0, 0, 0, 0, 0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
    bytes.extend_from_slice(payload);
    ip(source.0, destination.0, 6, &bytes)
}

fn sent(record: u64, bytes: Vec<u8>) -> Sent {
    Sent { record, ms: record as i64, original: bytes.len(), bytes }
}

/// The client's segments with these payloads, behind a SYN.
fn stream(isn: u32, parts: &[&[u8]]) -> Vec<Sent> {
    let mut packets = vec![sent(1, tcp(CLIENT, SERVER, isn, SYN, b""))];
    let mut sequence = isn.wrapping_add(1);
    for (part, record) in parts.iter().zip(2..) {
        packets.push(sent(record, tcp(CLIENT, SERVER, sequence, 0x18, part)));
        sequence = sequence.wrapping_add(part.len() as u32);
    }
    packets
}

fn gathered(source: u32, packets: &[Sent]) -> (Gathered, Anomalies) {
    let mut gathering = Gathering::new(SourceId(source), Limits::of(1));
    let mut anomalies = Anomalies::default();
    let mut cut_short = Vec::new();
    for block in packets.chunks(3) {
        let mut pieces = Pieces::default();
        for packet in block {
            let frame = Frame {
                bytes: &packet.bytes,
                original_len: packet.original as u32,
                at: Timestamp::new(packet.ms * 1_000_000, 3),
                record: packet.record,
                link_type: LinkType(101),
            };
            match net::decode(&frame) {
                Packet::Tcp(segment) => pieces.segment(&frame, &segment),
                Packet::Fragment(fragment) => pieces.fragment(&frame, &fragment),
                _ => {}
            }
        }
        cut_short.extend(gathering.absorb(&pieces, &mut anomalies));
    }
    let mut gathered = gathering.finish(&mut anomalies);
    gathered.fragmented.packets.extend(cut_short);
    (gathered, anomalies)
}

/// What one capture or several give.
struct Given {
    union: Union,
    messages: Shelves,
}

fn read(captures: &[&[Sent]]) -> Given {
    let gathered = captures.iter().zip(0..).map(|(packets, rank)| (SourceId(rank), self::gathered(rank, packets).0));
    let store = Store::default();
    let union = union(gathered.collect(), (&Keep::new(&Settings::default()), &store), Trace::Nothing);
    Given { union, messages: store.finish() }
}

fn show(message: &Signalling<'_>) -> String {
    let what = match message.start {
        crate::facts::StartLine::Request { method, .. } => method.name().to_owned(),
        crate::facts::StartLine::Response(status) => status.to_string(),
    };
    let header = if message.header_whole { "" } else { " header cut" };
    let body = match message.body {
        Body::Absent => "",
        Body::Cut => " body cut",
        Body::Whole => " body",
    };
    format!(
        "{what} {} @{} #{}{header}{body}",
        message.call_id.escape_ascii(),
        message.at.ns / 1_000_000,
        message.locus.record
    )
}

fn messages(given: &Given) -> Vec<String> {
    let all = given.messages.all().expect("nothing to be read");
    let mut found: Vec<String> = all.messages().map(|message| show(&message)).collect();
    found.sort();
    found
}

/// Every anomaly's code and how often it was met.
fn codes(given: &Given) -> Vec<(&'static str, u64)> {
    let mut codes: Vec<_> = given
        .union
        .effects
        .values()
        .flat_map(|effect| effect.anomalies.iter().map(|(code, anomaly)| (code, anomaly.count)))
        .collect();
    codes.sort_unstable();
    codes
}

fn request(method: &str, call_id: &str, body: &str) -> String {
    format!(
        "{method} sip:a@b SIP/2.0\r\nCall-ID: {call_id}\r\nCSeq: 1 {method}\r\nX-Genesys-Recording-Consent: true\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Numbers that look random and are the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % sides
    }
}

#[test]
fn messages_are_found_however_the_stream_is_split() {
    let text =
        format!("{}\r\n\r\n{}{}", request("INVITE", "1", "v=0\r\n"), request("ACK", "1", ""), request("BYE", "1", ""));
    let bytes = text.as_bytes();
    for at in 1..bytes.len() {
        let given = read(&[&stream(u32::MAX - 50, &[&bytes[..at], &bytes[at..]])]);
        let found = messages(&given);
        assert_eq!(found.len(), 3, "{at}: {found:?}");
        assert!(found.iter().all(|message| !message.contains("cut")), "{at}: {found:?}");
        assert!(codes(&given).is_empty());
        assert_eq!(given.union.effects[&SourceId(0)].segments["sip_tcp"], 2, "{at}");
    }
    let single: Vec<&[u8]> = bytes.chunks(1).collect();
    let found = messages(&read(&[&stream(7, &single)]));
    let (first, last) = (2, 1 + request("INVITE", "1", "v=0\r\n").len());
    assert_eq!(found[2], format!("INVITE 1 @{first} #{last} body"));
    assert_eq!(found.len(), 3);
}

#[test]
fn any_order_and_any_copies_give_the_same_messages() {
    let text = format!("{}{}{}", request("INVITE", "1", "v=0\r\n"), request("ACK", "1", ""), request("BYE", "1", ""));
    let parts: Vec<&[u8]> = text.as_bytes().chunks(37).collect();
    let packets = stream(99, &parts);
    let expected = messages(&read(&[&packets]));
    assert_eq!(expected.len(), 3);
    let mut dice = Dice(1);
    for _ in 0..200 {
        let mut shuffled = packets.clone();
        for _ in 0..4 {
            let copy = shuffled[dice.roll(shuffled.len())].clone();
            shuffled.push(Sent { record: copy.record + 100, ms: copy.ms + 100, ..copy });
        }
        for place in (1..shuffled.len()).rev() {
            shuffled.swap(place, dice.roll(place + 1));
        }
        assert_eq!(messages(&read(&[&shuffled])), expected);
        // The order in which they were captured says when, not what.
        for (place, packet) in (1..).zip(&mut shuffled) {
            (packet.record, packet.ms) = (place, place as i64);
        }
        let bare = |found: Vec<String>| -> Vec<String> {
            found.iter().map(|message| message.split(" @").next().unwrap_or_default().to_owned()).collect()
        };
        assert_eq!(bare(messages(&read(&[&shuffled]))), bare(expected.clone()));
    }
}

#[test]
fn a_stream_over_two_files_and_two_taps_is_one() {
    let text = format!("{}{}", request("INVITE", "1", "v=0\r\n"), request("BYE", "1", ""));
    let parts: Vec<&[u8]> = text.as_bytes().chunks(20).collect();
    let packets = stream(99, &parts);
    let expected = messages(&read(&[&packets]));
    for at in 0..packets.len() {
        let (one, other) = packets.split_at(at);
        assert_eq!(messages(&read(&[one, other])), expected, "{at}");
        assert_eq!(messages(&read(&[other, one])), expected, "{at}");
        assert_eq!(messages(&read(&[&packets, other])), expected, "{at}");
    }
}

#[test]
fn a_hole_leaves_no_header_whole_that_was_not_seen() {
    let texts = [request("INVITE", "1", "v=0\r\n"), request("ACK", "1", ""), request("BYE", "1", "bye")];
    let text = texts.concat();
    let parts: Vec<&[u8]> = text.as_bytes().chunks(16).collect();
    let packets = stream(99, &parts);
    let mut dice = Dice(2);
    for _ in 0..400 {
        let mut lost = vec![false; parts.len()];
        for _ in 0..=dice.roll(4) {
            lost[dice.roll(parts.len())] = true;
        }
        let kept: Vec<Sent> = packets
            .iter()
            .enumerate()
            .filter(|(place, _)| *place == 0 || !lost[place - 1])
            .map(|(_, packet)| packet.clone())
            .collect();
        let mut start = 0;
        let found = messages(&read(&[&kept]));
        for (message, name) in texts.iter().zip(["INVITE", "ACK", "BYE"]) {
            let header = start + message.find("\r\n\r\n").expect("an end") + 4;
            let is_whole = (start..header).all(|byte| !lost[byte / 16]);
            start += message.len();
            let whole = found.iter().filter(|found| found.starts_with(name) && !found.contains("header cut")).count();
            assert!(whole == 0 || is_whole, "{name} {lost:?} {found:?}");
            // What was captured whole behind a hole is found where a segment or a line shows its start.
            assert!(whole <= 1);
        }
    }
}

#[test]
fn a_hole_in_a_body_cuts_the_body_and_a_hole_in_a_header_the_header() {
    let first = request("INVITE", "1", &"x".repeat(40));
    let header = first.len() - 40;
    let rest = request("BYE", "1", "");
    let parts = [
        &first.as_bytes()[..header + 5],
        &first.as_bytes()[header + 5..header + 20],
        &first.as_bytes()[header + 20..],
        rest.as_bytes(),
    ];
    let mut packets = stream(1, &parts);
    packets.remove(2);
    let given = read(&[&packets]);
    assert_eq!(messages(&given), ["BYE 1 @5 #5", "INVITE 1 @2 #2 body cut"]);
    assert_eq!(codes(&given), [("tcp_gap", 1), ("truncated_body", 1)]);

    let parts = [&first.as_bytes()[..60], &first.as_bytes()[60..70], &first.as_bytes()[70..], rest.as_bytes()];
    let mut packets = stream(1, &parts);
    packets.remove(2);
    let given = read(&[&packets]);
    assert_eq!(messages(&given), ["BYE 1 @5 #5", "INVITE 1 @2 #2 header cut body cut"]);
    assert_eq!(codes(&given), [("tcp_gap", 1), ("truncated_header", 1)]);
}

#[test]
fn a_connection_that_began_before_the_capture_is_read_from_its_next_message_on() {
    let text = format!("le of a header\r\nl: 0\r\n\r\n{}", request("BYE", "1", ""));
    let mut packets = stream(5, &[text.as_bytes(), request("ACK", "1", "").as_bytes()]);
    packets.remove(0);
    assert_eq!(messages(&read(&[&packets])), ["ACK 1 @3 #3", "BYE 1 @2 #2"]);
}

#[test]
fn ports_used_again_are_another_stream() {
    let mut packets = stream(5, &[&request("INVITE", "1", "").as_bytes()[..40]]);
    for (place, mut packet) in stream(90_000, &[request("BYE", "2", "").as_bytes()]).into_iter().enumerate() {
        packet.record = 10 + place as u64;
        packet.ms = 10 + place as i64;
        packets.push(packet);
    }
    assert_eq!(messages(&read(&[&packets])), ["BYE 2 @11 #11", "INVITE 1 @2 #2 header cut body cut"]);
}

#[test]
fn bytes_captured_in_two_versions_are_not_believed() {
    let text = request("INVITE", "1", "");
    let mut packets = stream(5, &[text.as_bytes()]);
    let at = text.find("true").expect("a value");
    packets.push(sent(9, tcp(CLIENT, SERVER, 6 + at as u32, 0x18, b"nope")));
    let given = read(&[&packets]);
    assert_eq!(messages(&given), ["INVITE 1 @2 #2 header cut body cut"]);
    assert_eq!(codes(&given), [("tcp_overlap", 1), ("truncated_header", 1)]);
}

#[test]
fn a_segment_that_the_snapshot_length_cut_leaves_a_hole() {
    let text = request("INVITE", "1", "");
    let mut packets = stream(5, &[text.as_bytes(), request("BYE", "1", "").as_bytes()]);
    packets[1].bytes.truncate(100);
    assert_eq!(messages(&read(&[&packets])), ["BYE 1 @3 #3", "INVITE 1 @2 #2 header cut body cut"]);
}

#[test]
fn what_is_not_ours_is_let_go_and_tls_is_counted() {
    let junk = vec![b'x'; 1000];
    let parts: Vec<&[u8]> = (0..200).map(|_| &junk[..]).collect();
    let (gathered, anomalies) = gathered(0, &stream(1, &parts));
    assert!(gathered.connections.is_empty() && anomalies.is_empty());
    let http = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_vec();
    let quoted = format!("HTTP/1.1 200 OK\r\n\r\n{}", request("INVITE", "1", ""));
    assert!(
        messages(&read(&[&stream(1, &[&http, quoted.as_bytes(), request("INVITE", "1", "").as_bytes()])])).is_empty()
    );

    let hello = b"\x16\x03\x01\x00\x05hello";
    let given = read(&[&stream(1, &[hello, b"\x17\x03\x03\x00\x02ab"])]);
    let [TlsConnection { first, last, hop, packets, .. }] = given.union.tls.as_slice() else {
        panic!("{:?}", given.union.tls)
    };
    assert_eq!((first.ns, last.ns, *packets), (2_000_000, 3_000_000, 2));
    assert_eq!(hop.source.to_string(), "203.0.113.5:40000");
    assert_eq!(given.union.effects[&SourceId(0)].segments["tls"], 2);
    // It goes on in the next file.
    let packets = stream(1, &[hello, b"\x17\x03\x03\x00\x02ab"]);
    assert_eq!(read(&[&packets[..2], &packets[2..]]).union.tls.len(), 1);
}

#[test]
fn a_connection_that_shows_late_what_it_carries_is_read_from_there_on() {
    let (line, sip) = ([b'x'; 1024], request("INVITE", "1", ""));
    let hep = hep_sip(request("INVITE", "1", "").as_bytes());
    let frame = websocket_frame(0x81, Some([1, 2, 3, 4]), request("INVITE", "1", "").as_bytes());
    for message in [sip.as_bytes(), &hep, &frame] {
        for (kib, named) in [(64, 0), (65, 1), (200, 1)] {
            // The rest of a body that began before the capture.
            let parts: Vec<&[u8]> = (0..kib).map(|_| &line[..]).chain([message]).collect();
            let packets = &stream(1, &parts)[1..];
            assert_eq!(messages(&read(&[packets])).len(), 1, "{kib}");
            let (_, anomalies) = gathered(0, packets);
            assert!(
                anomalies.iter().map(|(code, _)| code).eq(["limit_tcp_undecided"].into_iter().take(named)),
                "{kib}"
            );
        }
    }
    // Keep-alives say nothing, however many there are.
    let blanks: Vec<&[u8]> = (0..20_000).map(|_| &b"\r\n\r\n"[..]).chain([sip.as_bytes()]).collect();
    let packets = &stream(1, &blanks)[1..];
    assert_eq!(messages(&read(&[packets])).len(), 1);
    assert!(gathered(0, packets).1.is_empty());
}

#[test]
fn tls_is_counted_by_trunk_and_may_hide_calls_from_its_beginning_on() {
    let network = |text: &str| vec![text.parse().expect("a network")];
    let trunk = |kind, addresses: &str, platform: &str| Trunk {
        kind,
        addresses: network(addresses),
        platform_addresses: network(platform),
        ..Trunk::default()
    };
    let tls = |ms: i64, source: &str, destination: &str, packets| TlsConnection {
        first: Timestamp::new(ms * 1_000_000, 3),
        last: Timestamp::new(ms * 1_000_000, 3),
        hop: Hop { source: source.parse().expect("an end"), destination: destination.parse().expect("an end") },
        packets,
        server_name: Vec::new(),
    };
    let mut settings = Settings {
        trunks: vec![
            trunk(TrunkKind::Byoc, "203.0.113.0/24", "192.0.2.0/28"),
            trunk(TrunkKind::Standard, "198.51.100.0/24", "192.0.2.128/28"),
        ],
        clock_skew_ns: 1_000_000,
        ..Settings::default()
    };
    let connections = [
        tls(1, "198.51.100.1:1", "192.0.2.130:5061", 3),
        tls(9, "203.0.113.5:1", "192.0.2.1:5061", 4),
        tls(10, "203.0.113.5:2", "192.0.2.1:5061", 5),
        tls(11, "203.0.113.5:2", "192.0.2.130:5061", 1),
        tls(12, "10.0.0.1:2", "10.0.0.2:443", 5),
    ];
    let hidden = Hidden::of(&connections, &settings);
    let counts: Vec<_> = hidden.trunks.iter().map(|trunk| (trunk.tls_connections, trunk.tls_packets)).collect();
    assert_eq!(counts, [(2, 9), (2, 4)]);
    let may_hold = |ms: i64, settings: &Settings| hidden.may_hold(Some(Timestamp::new(ms * 1_000_000, 3)), settings);
    assert!(!may_hold(7, &settings) && may_hold(8, &settings) && may_hold(99, &settings));
    assert!(!hidden.may_hold(None, &settings));
    settings.trunks.remove(0);
    assert!(!Hidden::of(&connections, &settings).may_hold(Some(Timestamp::new(i64::MAX, 3)), &settings));
}

#[test]
fn tls_is_of_the_trunk_whose_host_the_client_asks_for() {
    let hello = client_hello(Some("Acme.BYOC.mypurecloud.com"));
    let parts = |size| hello.chunks(size).chain([&b"\x17\x03\x03\x00\x02ab"[..]]).collect::<Vec<_>>();
    for size in [6, 40, 1_000] {
        let packets = stream(1, &parts(size));
        let doubled: Vec<Sent> = packets.iter().flat_map(|packet| [packet.clone(), packet.clone()]).collect();
        for packets in [packets, doubled] {
            let given = read(&[&packets]);
            assert_eq!(given.union.tls[0].server_name, b"Acme.BYOC.mypurecloud.com", "{size}");
            let hidden = Hidden::of(&given.union.tls, &Settings::default());
            assert_eq!(hidden.trunks[0].tls_connections, 1);
            assert_eq!(hidden.byoc_from, Some(2_000_000));
        }
    }
    // A part that was not captured: nobody knows whom it was for.
    let mut packets = stream(1, &parts(40));
    packets.remove(2);
    assert_eq!(read(&[&packets]).union.tls[0].server_name, b"");
    let elsewhere = client_hello(Some("api.mypurecloud.com"));
    let given = read(&[&stream(1, &[&elsewhere])]);
    assert_eq!(Hidden::of(&given.union.tls, &Settings::default()).trunks[0].tls_connections, 0);
}

#[test]
fn a_message_beyond_the_limit_is_cut_and_counted() {
    let large = request("INVITE", "1", &"x".repeat((1 << 20) + 1));
    let parts: Vec<&[u8]> = large.as_bytes().chunks(60_000).collect();
    let given = read(&[&stream(1, &parts)]);
    assert_eq!(messages(&given), ["INVITE 1 @2 #2 body cut"]);
    assert!(codes(&given).contains(&("limit_message", 1)), "{:?}", codes(&given));
    let small = request("INVITE", "1", &"x".repeat(1 << 20));
    let parts: Vec<&[u8]> = small.as_bytes().chunks(60_000).collect();
    assert!(codes(&read(&[&stream(1, &parts)])).is_empty());
    // In frames of WebSocket.
    let upgrade = b"GET / HTTP/1.1\r\nUpgrade: websocket\r\nSec-WebSocket-Protocol: sip\r\n\r\n".to_vec();
    let mut frames = upgrade;
    let last = large.len() / 50_000;
    for (place, part) in large.as_bytes().chunks(50_000).enumerate() {
        let first = u8::from(place == 0) | if place == last { 0x80 } else { 0 };
        frames.extend(websocket_frame(first, None, part));
    }
    let parts: Vec<&[u8]> = frames.chunks(60_000).collect();
    let given = read(&[&stream(1, &parts)]);
    assert!(codes(&given).contains(&("limit_message", 1)), "{:?}", codes(&given));
    assert!(messages(&given)[0].ends_with(" body cut"), "{:?}", messages(&given));
}

#[test]
fn a_fragment_that_contradicts_a_complete_packet_is_no_lost_one() {
    let text = request("INVITE", "1", &"x".repeat(100));
    let mut packets = fragments(7, text.as_bytes(), 64);
    let mut late = fragments(7, text.replace("true", "nope").as_bytes(), 64).remove(1);
    (late.record, late.ms) = (9, 9);
    packets.push(late.clone());
    let given = read(&[&packets]);
    assert_eq!(messages(&given), ["INVITE 1 @1 #4 body"], "the receiver had it complete");
    assert_eq!(codes(&given), [("fragment_overlap", 1)]);
    // Another packet of that identification, of which a part is missing: cut elsewhere.
    packets.pop();
    let mut other = fragments(7, text.replace("true", "nope").as_bytes(), 80).remove(1);
    (other.record, other.ms) = (9, 9);
    packets.push(other);
    assert_eq!(codes(&read(&[&packets])), [("lost_fragment", 1)]);
}

#[test]
fn fragments_of_several_packets_that_fit_are_none_but_for_the_first() {
    let texts = ["1", "2", "3"].map(|call_id| request("INVITE", call_id, &call_id.repeat(100)));
    let summed = |text: &str| {
        let mut datagram = udp(CLIENT.1, SERVER.1, text.as_bytes());
        // Of the pseudo-header: the two addresses, the protocol and the length.
        let pseudo = [&[203, 0, 113, 5, 192, 0, 2, 9, 0, 17], &(datagram.len() as u16).to_be_bytes()[..]].concat();
        let words = pseudo.chunks(2).chain(datagram.chunks(2));
        let sum: u32 = words.map(|pair| u32::from(pair[0]) * 256 + u32::from(*pair.get(1).unwrap_or(&0))).sum();
        let sum = (sum & 0xffff) + (sum >> 16);
        datagram[6..8].copy_from_slice(&(!((sum & 0xffff) + (sum >> 16)) as u16).to_be_bytes());
        datagram
    };
    let parts = |text: &str, at: i64| {
        let datagram = summed(text);
        [0, 64].map(|place: usize| {
            let end = if place == 0 { 64 } else { datagram.len() };
            let mut bytes = ip(CLIENT.0, SERVER.0, 17, &datagram[place..end]);
            bytes[4..6].copy_from_slice(&[0, 7]);
            let flags = (place / 8) as u16 | if place == 0 { 0x2000 } else { 0 };
            bytes[6..8].copy_from_slice(&flags.to_be_bytes());
            let at = at + place as i64;
            Sent { record: at as u64, ms: at, original: bytes.len(), bytes }
        })
    };
    let ([first, _], [_, second], third) = (parts(&texts[0], 100), parts(&texts[1], 600), parts(&texts[2], 900));
    let given = read(&[&[first.clone(), second.clone()]]);
    assert_eq!(messages(&given), ["INVITE 1 @100 #664 header cut body cut"]);
    assert_eq!(codes(&given), [("lost_fragment", 1), ("truncated_header", 1)]);
    let in_two_files = read(&[std::slice::from_ref(&first), std::slice::from_ref(&second)]);
    assert_eq!(messages(&in_two_files), messages(&given));
    // What comes next under the identification is whole.
    let [third, fourth] = third;
    let given = read(&[&[first, second, third, fourth]]);
    assert_eq!(messages(&given), ["INVITE 1 @100 #664 header cut body cut", "INVITE 3 @900 #964 body"]);
}

#[test]
fn a_header_beyond_the_limits_of_rows_is_named_so_on_a_stream() {
    let text =
        request("INVITE", "1", "").replace("Content-Length", &format!("{}Content-Length", "A: b\r\n".repeat(4_500)));
    let bytes = format!("{text}{}", request("BYE", "1", ""));
    let parts: Vec<&[u8]> = bytes.as_bytes().chunks(1_400).collect();
    let given = read(&[&stream(1, &parts)]);
    assert_eq!(codes(&given), [("limit_header", 1)]);
    assert_eq!(messages(&given).len(), 2);
}

#[test]
fn a_request_line_of_many_segments_is_read() {
    let text = request("INVITE", "1", "").replace("a@b", &format!("{}@b", "a".repeat(9_000)));
    let parts: Vec<&[u8]> = text.as_bytes().chunks(1_400).collect();
    assert_eq!(messages(&read(&[&stream(1, &parts)])), ["INVITE 1 @2 #8"]);
}

#[test]
fn what_is_lost_right_behind_the_syn_is_a_gap() {
    let (invite, bye) = (request("INVITE", "1", ""), request("BYE", "1", ""));
    let mut packets = stream(1, &[&invite.as_bytes()[..50], &invite.as_bytes()[50..], bye.as_bytes()]);
    packets.remove(1);
    let given = read(&[&packets]);
    assert_eq!((messages(&given), codes(&given)), (vec!["BYE 1 @4 #4".to_owned()], vec![("tcp_gap", 1)]));
    packets.remove(1);
    let given = read(&[&packets]);
    assert_eq!((messages(&given), codes(&given)), (vec!["BYE 1 @4 #4".to_owned()], vec![("tcp_gap", 1)]));
    // Without the SYN nobody knows whether anything came before, but for what is part of a message.
    let given = read(&[&packets[1..]]);
    assert_eq!((messages(&given), codes(&given)), (vec!["BYE 1 @4 #4".to_owned()], vec![]));
}

#[test]
fn a_capture_that_begins_within_a_message_says_so_and_what_may_hide_behind_its_tail_is_unread() {
    let (invite, bye) = (request("INVITE", "1", ""), request("BYE", "1", ""));
    for (tail, found, unread) in [("a=sendrecv\r\n", 2, false), ("a=sendrecv", 1, true)] {
        let parts = [format!("{tail}{invite}"), bye.clone()];
        let parts: Vec<&[u8]> = parts.iter().map(String::as_bytes).collect();
        let given = read(&[&stream(1, &parts)[1..]]);
        assert_eq!((messages(&given).len(), codes(&given)), (found, vec![("tcp_gap", 1)]), "{tail:?}");
        assert_eq!(given.union.unread != Unread::default(), unread, "{tail:?}");
    }
}

#[test]
fn the_header_of_a_load_balancer_hides_no_message() {
    let invite = request("INVITE", "1", "");
    for header in [
        &b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x01\xc0\0\x02\x02\x13\xc4\x13\xc4"[..],
        b"PROXY TCP4 192.0.2.1 192.0.2.2 5060 5060\r\n",
    ] {
        let first = [header, invite.as_bytes()].concat();
        for packets in
            [stream(1, &[&first]), stream(1, &[header, invite.as_bytes()]), stream(1, &[&first])[1..].to_vec()]
        {
            let given = read(&[&packets]);
            assert_eq!((messages(&given).len(), codes(&given)), (1, vec![]), "{}", header.escape_ascii());
        }
    }
}

/// What a capture of these packets gives within limits, and how it was gathered so far.
fn gather(limits: &Limits, source: u32, packets: &[Sent]) -> (Gathering, Anomalies) {
    let mut gathering = Gathering::new(SourceId(source), limits.clone());
    let mut anomalies = Anomalies::default();
    for packet in packets {
        let mut pieces = Pieces::default();
        let frame = Frame {
            bytes: &packet.bytes,
            original_len: packet.original as u32,
            at: Timestamp::new(packet.ms * 1_000_000, 3),
            record: packet.record,
            link_type: LinkType(101),
        };
        if let Packet::Tcp(segment) = net::decode(&frame) {
            pieces.segment(&frame, &segment);
        }
        gathering.absorb(&pieces, &mut anomalies);
    }
    (gathering, anomalies)
}

/// How much of TCP is kept in the end, the anomalies, and whether something is unread.
fn kept((gathering, mut anomalies): (Gathering, Anomalies)) -> (usize, Vec<(&'static str, Option<u64>)>, bool) {
    let gathered = gathering.finish(&mut anomalies);
    let bytes = gathered.connections.iter().map(|(_, connection)| connection.bytes.len()).sum();
    let codes = anomalies.iter().map(|(code, anomaly)| (code, anomaly.first_record)).collect();
    (bytes, codes, gathered.unread != Unread::default())
}

#[test]
fn what_all_captures_may_keep_is_shared_only_once_it_is_full() {
    let invite = request("INVITE", "1", &"x".repeat(60_000));
    let bytes = invite.repeat(20);
    let parts: Vec<&[u8]> = bytes.as_bytes().chunks(60_000).collect();
    let packets = stream(1, &parts);
    // Each has a share of 500,000 bytes: eight segments. One alone, and one beside others that hold little, has room for all.
    let limits = Limits::small((500_000, 2_000_000), 100);
    let (large, little) = (gather(&limits, 0, &packets), gather(&limits, 1, &packets[..3]));
    assert_eq!(kept(large), (bytes.len(), vec![], false));
    assert_eq!(kept(little).1, []);
    // Two that hold much: both keep their share, whoever was read first and whenever that showed.
    let limits = Limits::small((500_000, 2_000_000), 100);
    let (one, other) = (gather(&limits, 0, &packets), gather(&limits, 1, &packets));
    let expected = (8 * 60_000, vec![("limit_tcp_bytes", Some(10))], true);
    assert_eq!(kept(other), expected);
    assert_eq!(kept(one), expected);
}

/// A connection from that port that carries this in one segment, without its SYN; or its SYN alone.
fn from_port(port: u16, record: u64, payload: &[u8]) -> Sent {
    let flags = if payload.is_empty() { SYN } else { 0x18 };
    sent(record, tcp((CLIENT.0, port), SERVER, 7, flags, payload))
}

#[test]
fn connections_without_sip_give_way_to_those_with_it() {
    let limits = Limits::small((1 << 20, 1 << 20), 16);
    let invite = request("INVITE", "1", "");
    for other in [b"".as_slice(), b"*1\r\n$4\r\nPING\r\n", b"\x16\x03\x01\x02\x00\x01", b"GET / HTTP/1.1\r\n\r\n"] {
        let tls = other.starts_with(b"\x16");
        let others = (0..if tls { 10 } else { 200 }).map(|n| from_port(1_000 + n, 10 + u64::from(n), other));
        let before = (0..3).map(|n| from_port(100 + n, 1 + u64::from(n), invite.as_bytes()));
        let after = (0..3).map(|n| from_port(200 + n, 1_001 + u64::from(n), invite.as_bytes()));
        let packets: Vec<Sent> = before.chain(others).chain(after).collect();
        let (gathering, mut anomalies) = gather(&limits, 0, &packets);
        let gathered = gathering.finish(&mut anomalies);
        let sip = gathered.connections.iter().filter(|(_, connection)| connection.bytes.starts_with(b"INVITE"));
        assert_eq!((sip.count(), anomalies.is_empty(), gathered.unread), (6, true, Unread::default()), "{other:?}");
    }
}

#[test]
fn more_connections_with_sip_than_are_followed_leave_the_rest_unread() {
    let limits = Limits::small((1 << 20, 1 << 20), 16);
    let invite = request("INVITE", "1", "");
    let packets: Vec<Sent> = (1..=18).map(|n| from_port(n, n.into(), invite.as_bytes())).collect();
    let (bytes, codes, unread) = kept(gather(&limits, 0, &packets));
    assert_eq!((bytes, codes, unread), (16 * invite.len(), vec![("limit_tcp_connections", Some(17))], true));
}

#[test]
fn bytes_that_show_nothing_of_ours_give_way_and_are_no_limit() {
    let limits = Limits::small((100_000, 100_000), 1_000);
    let invite = request("INVITE", "1", "");
    let other: Vec<Sent> = (0..200).map(|n| from_port(1_000 + n, 1 + u64::from(n), &[b'*'; 1_000])).collect();
    let packets: Vec<Sent> = other.into_iter().chain([from_port(1, 900, invite.as_bytes())]).collect();
    let (gathering, mut anomalies) = gather(&limits, 0, &packets);
    let gathered = gathering.finish(&mut anomalies);
    let held: usize = gathered.connections.iter().map(|(_, connection)| connection.bytes.len()).sum();
    assert!(held <= 60_000, "{held}");
    assert!(anomalies.is_empty() && gathered.unread == Unread::default());
    assert!(gathered.connections.iter().any(|(_, connection)| connection.bytes.starts_with(b"INVITE")));
}

/// The fragments of one UDP datagram of the client.
fn fragments(id: u16, payload: &[u8], size: usize) -> Vec<Sent> {
    let datagram = udp(CLIENT.1, SERVER.1, payload);
    let last = datagram.len().div_ceil(size) - 1;
    let parts = datagram.chunks(size).enumerate().map(|(place, part)| {
        let mut bytes = ip(CLIENT.0, SERVER.0, 17, part);
        bytes[4..6].copy_from_slice(&id.to_be_bytes());
        let flags = (place * size / 8) as u16 | if place < last { 0x2000 } else { 0 };
        bytes[6..8].copy_from_slice(&flags.to_be_bytes());
        sent(1 + place as u64, bytes)
    });
    parts.collect()
}

#[test]
fn fragments_make_a_message_in_any_order_over_any_files() {
    let text = request("INVITE", "1", &"x".repeat(100));
    let packets = fragments(7, text.as_bytes(), 64);
    assert_eq!(packets.len(), 4);
    let expected = ["INVITE 1 @1 #4 body"];
    for at in 0..=packets.len() {
        let (one, other) = packets.split_at(at);
        assert_eq!(messages(&read(&[one, other])), expected);
        let turned: Vec<Sent> = packets.iter().rev().cloned().collect();
        assert_eq!(messages(&read(&[&turned]))[0].split(" @").next(), Some("INVITE 1"));
    }
    // A doubled mirror.
    let doubled: Vec<Sent> = packets.iter().flat_map(|packet| [packet.clone(), packet.clone()]).collect();
    let given = read(&[&doubled]);
    assert_eq!(messages(&given), expected);
    assert!(codes(&given).is_empty());
}

#[test]
fn a_lost_fragment_leaves_what_came_before_it() {
    let text = request("INVITE", "1", &"x".repeat(100));
    for lost in 0..4 {
        let mut packets = fragments(7, text.as_bytes(), 64);
        packets.remove(lost);
        let given = read(&[&packets]);
        let expected: &[&str] = match lost {
            0 => &[],
            1 => &["INVITE 1 @1 #4 header cut body cut"],
            2 => &["INVITE 1 @1 #4 body cut"],
            _ => &["INVITE 1 @1 #3 body cut"],
        };
        assert_eq!(messages(&given), expected, "{lost}");
        assert!(codes(&given).contains(&("lost_fragment", 1)));
    }
}

#[test]
fn fragments_that_contradict_each_other_cut_the_header() {
    let text = request("INVITE", "1", &"x".repeat(100));
    let other = text.replace("true", "nope");
    let mut packets = fragments(7, text.as_bytes(), 64);
    packets.insert(1, fragments(7, other.as_bytes(), 64).remove(1));
    for (place, packet) in (1..).zip(&mut packets) {
        (packet.record, packet.ms) = (place, place as i64);
    }
    assert_eq!(messages(&read(&[&packets])), ["INVITE 1 @1 #5 header cut body cut"]);
    assert!(gathered(0, &packets).1.iter().any(|(code, _)| code == "fragment_overlap"));
}

/// Packets of which the first fragment alone was captured, all at one time.
fn begun(count: u32, from: u64) -> Vec<Sent> {
    let one = fragments(0, &[b'x'; 100], 80).remove(0);
    let of = |place: u32| {
        let mut packet = one.clone();
        packet.bytes[4..6].copy_from_slice(&(place as u16).to_be_bytes());
        packet.bytes[15] = (place >> 16) as u8 + 100;
        (packet.record, packet.ms) = (from + u64::from(place), from as i64);
        packet
    };
    (0..count).map(of).collect()
}

#[test]
fn behind_a_flood_of_fragments_what_begins_a_message_is_known() {
    let text = request("UPDATE", "1", &"x".repeat(100));
    let mut late = fragments(7, text.as_bytes(), 64).remove(0);
    (late.record, late.ms) = (900_000, 900_000);
    for (count, code) in [(1_000, None), (70_000, Some("limit_fragments"))] {
        let mut packets = begun(count, 1);
        packets.push(late.clone());
        let (_, anomalies) = gathered(0, &packets);
        assert_eq!(anomalies.iter().find(|(code, _)| *code == "limit_fragments").map(|(code, _)| code), code);
        assert_eq!(messages(&read(&[&packets])), ["UPDATE 1 @900000 #900000 header cut body cut"], "{count}");
        // None of them is passed over in silence.
        let within = anomalies.iter().find(|(code, _)| *code == "lost_fragment").map_or(0, |(_, lost)| lost.count);
        let across =
            codes(&read(&[&packets])).iter().find(|(code, _)| *code == "lost_fragment").map_or(0, |lost| lost.1);
        assert_eq!(within + across, u64::from(count) + 1);
    }
}

#[test]
fn whole_packets_reach_no_limit() {
    let packets: Vec<Sent> = (0..30_000_u16)
        .flat_map(|id| {
            let mut parts = fragments(id, &[b'x'; 1_400], 720);
            parts.iter_mut().for_each(|part| part.ms = i64::from(id) / 2);
            parts
        })
        .collect();
    let (gathered, anomalies) = gathered(0, &packets);
    assert!(anomalies.is_empty() && gathered.fragmented.incomplete.is_empty());
}

#[test]
fn a_copy_of_a_fragment_in_another_file_is_no_lost_one() {
    let text = request("INVITE", "1", &"x".repeat(100));
    let packets = fragments(7, text.as_bytes(), 64);
    for place in 0..packets.len() {
        for copies in [[&packets[place..=place], &packets], [&packets, &packets[place..=place]]] {
            let given = read(&copies);
            assert_eq!(messages(&given).len(), 1, "{place}");
            assert!(messages(&given)[0].ends_with("body") && codes(&given).is_empty(), "{place} {:?}", codes(&given));
        }
    }
}

/// Packets in GRE, whose packets are fragmented.
fn in_fragmented_gre(packets: &[Sent], size: usize) -> Vec<Sent> {
    let mut sent = Vec::new();
    for (packet, id) in packets.iter().zip(100_u16..) {
        let inner = [&[0, 0, 8, 0][..], &packet.bytes].concat();
        let count = inner.len().div_ceil(size);
        for (place, part) in inner.chunks(size).enumerate() {
            let mut bytes = ip("10.0.0.1", "10.0.0.2", 47, part);
            bytes[4..6].copy_from_slice(&id.to_be_bytes());
            let flags = (place * size / 8) as u16 | if place + 1 < count { 0x2000 } else { 0 };
            bytes[6..8].copy_from_slice(&flags.to_be_bytes());
            sent.push(self::sent(sent.len() as u64 + 1, bytes));
        }
    }
    sent
}

#[test]
fn fragments_within_fragments_make_a_message() {
    let text = request("INVITE", "1", &"x".repeat(100));
    let inner = fragments(7, text.as_bytes(), 128);
    let packets = in_fragmented_gre(&inner, 80);
    assert_eq!((inner.len(), packets.len()), (2, 4));
    for at in 0..=packets.len() {
        let (one, other) = packets.split_at(at);
        let given = read(&[one, other]);
        assert_eq!(messages(&given), ["INVITE 1 @1 #4 body"], "{at}");
        assert!(codes(&given).is_empty(), "{at} {:?}", codes(&given));
    }
    // Of a lost one what came before it is known.
    for lost in 1..packets.len() {
        let mut packets = packets.clone();
        packets.remove(lost);
        let given = read(&[&packets]);
        let found = messages(&given);
        assert!(found.len() == 1 && found[0].ends_with("body cut"), "{lost} {found:?}");
        assert!(codes(&given).iter().any(|(code, _)| *code == "lost_fragment"), "{lost}");
    }
    // Deeper.
    let deep = in_fragmented_gre(&packets, 64);
    assert_eq!(messages(&read(&[&deep])), [format!("INVITE 1 @1 #{} body", deep.len())]);
}

#[test]
fn sip_over_websocket_is_unwrapped() {
    let upgrade = b"GET / HTTP/1.1\r\nUpgrade: websocket\r\nSec-WebSocket-Protocol: sip\r\n\r\n".to_vec();
    let mask = Some([9, 8, 7, 6]);
    let text = request("INVITE", "1", "v=0\r\n");
    let (head, tail) = text.as_bytes().split_at(50);
    let frames = [
        upgrade.clone(),
        websocket_frame(0x01, mask, head),
        websocket_frame(0x89, mask, b"ping"),
        websocket_frame(0x80, mask, tail),
        websocket_frame(0x82, mask, b"\r\n\r\n"),
        websocket_frame(0xc1, mask, b"deflated"),
        websocket_frame(0x81, mask, request("BYE", "1", "").as_bytes()),
        websocket_frame(0x88, mask, b""),
    ];
    let bytes = frames.concat();
    for size in [1, 7, 100, 10_000] {
        let parts: Vec<&[u8]> = bytes.chunks(size).collect();
        let given = read(&[&stream(1, &parts)]);
        let all = given.messages.all().expect("nothing to be read");
        let found: Vec<&str> = all
            .messages()
            .map(|message| (message.transport, message.header_whole))
            .map(|(transport, whole)| if transport == Transport::WebSocket && whole { "whole" } else { "other" })
            .collect();
        assert_eq!(found, ["whole", "whole"], "{size}");
        assert_eq!(codes(&given), [("websocket_compressed", 1)], "{size}");
    }
    // Begun before the capture.
    let parts: Vec<&[u8]> = frames[6..].iter().map(Vec::as_slice).collect();
    assert_eq!(messages(&read(&[&stream(1, &parts)[1..]])).len(), 1);
    // A lost part of a message cuts it, and the next message is found.
    let parts: Vec<&[u8]> = frames.iter().map(Vec::as_slice).collect();
    let mut packets = stream(1, &parts);
    packets.remove(4);
    assert_eq!(messages(&read(&[&packets])), ["BYE 1 @8 #8", "INVITE 1 @3 #3 header cut body cut"]);
}

#[test]
fn hep_over_tcp_is_unwrapped() {
    let one = hep_sip(request("INVITE", "1", "").as_bytes());
    let other = hep_sip(request("BYE", "1", "").as_bytes());
    let bytes = [one, other].concat();
    for size in [11, 64, 1000] {
        let parts: Vec<&[u8]> = bytes.chunks(size).collect();
        let given = read(&[&stream(1, &parts)]);
        let found = messages(&given);
        assert_eq!(found.len(), 2, "{size} {found:?}");
        assert!(found.iter().all(|message| message.contains("@1000000 ") && !message.contains("cut")), "{found:?}");
        assert_eq!(given.union.effects[&SourceId(0)].segments["hep"], parts.len() as u64);
    }
}

#[test]
fn bent_packets_never_stop_the_reading() {
    let upgrade = b"GET / HTTP/1.1\r\nUpgrade: websocket\r\nSec-WebSocket-Protocol: sip\r\n\r\n".to_vec();
    let frame = websocket_frame(0x81, Some([1, 2, 3, 4]), request("BYE", "1", "").as_bytes());
    let capsule = hep_sip(request("BYE", "1", "").as_bytes());
    let text = request("INVITE", "1", "v=0\r\n");
    let seeds = [
        stream(1, &text.as_bytes().chunks(50).collect::<Vec<_>>()),
        stream(1, &[&upgrade, &frame, &frame]),
        stream(1, &[&capsule, &capsule]),
        fragments(3, text.as_bytes(), 48),
    ];
    let mut dice = Dice(3);
    for round in 0..3_000 {
        let mut packets = seeds[round % seeds.len()].clone();
        for _ in 0..=dice.roll(6) {
            let place = dice.roll(packets.len());
            match dice.roll(4) {
                0 => {
                    let at = dice.roll(packets[place].bytes.len());
                    packets[place].bytes[at] ^= 1 << dice.roll(8);
                }
                1 => {
                    let to = dice.roll(packets[place].bytes.len()).max(1);
                    packets[place].bytes.truncate(to);
                }
                2 => {
                    let copy = packets[place].clone();
                    packets.insert(dice.roll(packets.len()), copy);
                }
                _ => {
                    let other = dice.roll(packets.len());
                    packets.swap(place, other);
                }
            }
        }
        let once = messages(&read(&[&packets]));
        assert_eq!(messages(&read(&[&packets])), once);
    }
}
