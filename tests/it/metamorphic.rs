//! The recorded incident, captured otherwise: in every link and tunnel, in IP fragments, over TCP, split, doubled, in
//! another order, compressed, in another format. What is concluded does not move.

use std::collections::HashMap;
use std::io::Write as _;

use serde_json::Value;
use tempfile::TempDir;

use crate::calls::{CONFIG, Case};
use crate::support::encapsulate::{ENCAPSULATIONS, Encapsulation};
use crate::support::laws::broken;
use crate::support::packet::pcap;
use crate::support::run::audit;
use crate::support::{here, read};

/// UDP in the IP header.
const UDP: u8 = 17;

/// Bytes of an Ethernet header.
const ETHERNET: usize = 14;

/// One packet of the incident: seconds, microseconds, the bytes from the IP header on.
#[derive(Clone)]
struct Sent {
    at: [u32; 2],
    ip: Vec<u8>,
}

fn word(bytes: &[u8]) -> u32 {
    u32::from_le_bytes(bytes[..4].try_into().expect("four bytes"))
}

/// The packets of the incident by time, and its logs.
fn incident() -> (Vec<Sent>, Vec<(String, Vec<u8>)>) {
    let folder = here("fixtures/incident/evidence");
    let mut packets = Vec::new();
    for name in ["incident.pcap", "incident.pcap1", "incident.pcap2"] {
        let file = std::fs::read(folder.join(name)).expect("the capture");
        assert_eq!((word(&file), word(&file[20..])), (0xa1b2_c3d4, 1), "microseconds, Ethernet");
        let mut rest = &file[24..];
        while rest.len() >= 16 {
            let len = word(&rest[8..]) as usize;
            packets.push(Sent { at: [word(rest), word(&rest[4..])], ip: rest[16 + ETHERNET..16 + len].to_vec() });
            rest = &rest[16 + len..];
        }
    }
    packets.sort_by_key(|packet| packet.at);
    let logs = ["api-access.jsonl", "edge-access.jsonl", "gateway.log"]
        .map(|name| (name.to_owned(), read(&folder.join(name)).into_bytes()));
    (packets, logs.to_vec())
}

fn ethernet(packet: &Sent) -> Vec<u8> {
    (ENCAPSULATIONS[0].wrap)(&packet.ip)
}

/// A pcap file of Ethernet frames.
fn ethernet_pcap(packets: &[Sent]) -> Vec<u8> {
    let mut file: Vec<u8> =
        [0xa1b2_c3d4, 0x0004_0002, 0, 0, 262_144, 1].into_iter().flat_map(u32::to_le_bytes).collect();
    for packet in packets {
        let frame = ethernet(packet);
        let len = u32::try_from(frame.len()).expect("a frame is short");
        file.extend([packet.at[0], packet.at[1], len, len].into_iter().flat_map(u32::to_le_bytes));
        file.extend(frame);
    }
    file
}

/// A pcapng block, its lengths around it.
fn block(big: bool, kind: u32, body: &[u8]) -> Vec<u8> {
    let number = |value: u32| if big { value.to_be_bytes() } else { value.to_le_bytes() };
    let mut body = body.to_vec();
    body.resize(body.len().next_multiple_of(4), 0);
    let len = number(u32::try_from(12 + body.len()).expect("a block is short"));
    [&number(kind)[..], &len, &body, &len].concat()
}

/// A pcapng file of one section: each packet in the encapsulation that `of` gives for its place, an interface for each.
fn pcapng(packets: &[Sent], big: bool, of: impl Fn(usize) -> &'static Encapsulation) -> Vec<u8> {
    let number = |value: u32| if big { value.to_be_bytes() } else { value.to_le_bytes() };
    let short = |value: u16| if big { value.to_be_bytes() } else { value.to_le_bytes() };
    let mut file = block(big, 0x0a0d_0d0a, &[&number(0x1a2b_3c4d)[..], &short(1), &short(0), &[0xff; 8]].concat());
    let mut interfaces: Vec<u16> = Vec::new();
    for (place, packet) in packets.iter().enumerate() {
        let encapsulation = of(place);
        let known = interfaces.iter().position(|link| *link == encapsulation.link_type);
        let interface = known.unwrap_or_else(|| {
            interfaces.push(encapsulation.link_type);
            file.extend(block(big, 1, &[&short(encapsulation.link_type)[..], &[0; 6]].concat()));
            interfaces.len() - 1
        });
        let frame = (encapsulation.wrap)(&packet.ip);
        let ticks = u64::from(packet.at[0]) * 1_000_000 + u64::from(packet.at[1]);
        let len = u32::try_from(frame.len()).expect("a frame is short");
        let words = [interface as u32, (ticks >> 32) as u32, ticks as u32, len, len];
        let mut body: Vec<u8> = words.into_iter().flat_map(number).collect();
        body.extend(frame);
        file.extend(block(big, 6, &body));
    }
    file
}

/// What a report concludes: without pointers into the evidence, which is another, and calls that began in the same
/// microsecond in an order of their own (the report's is that of the packets).
fn concluded(report: &Value) -> Value {
    fn strip(value: &mut Value) {
        match value {
            Value::Object(fields) => {
                for name in ["source", "sources", "last_answered", "last_failed"] {
                    fields
                        .remove_entry(name)
                        .filter(|(_, value)| value.is_string())
                        .map(|(name, value)| fields.insert(name, value));
                }
                fields.values_mut().for_each(strip);
            }
            Value::Array(values) => values.iter_mut().for_each(strip),
            _ => {}
        }
    }
    let names = ["summary", "calls", "trunks", "unbound_refusals", "diagnosis"];
    let mut found: Value = names.map(|name| report[name].clone()).to_vec().into();
    strip(&mut found);
    if let Some(calls) = found[1].as_array_mut() {
        calls.sort_by_key(|call| {
            let leg = &call["legs"][0];
            [&leg["first"], &leg["call_id"]].map(|field| field.as_str().unwrap_or_default().to_owned())
        });
    }
    found
}

/// Audits the logs of the incident beside these captures.
fn conclusions(name: &str, logs: &[(String, Vec<u8>)], captures: &[(&str, &[u8])]) -> Value {
    let folder = TempDir::new().expect("a folder");
    let logs = logs.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice()));
    for (file, bytes) in logs.chain(captures.iter().copied()) {
        std::fs::write(folder.path().join(file), bytes).expect("evidence can be written");
    }
    let config = here("fixtures/incident/sipconsent.toml");
    let run = audit(folder.path(), &["-c", &config.to_string_lossy(), "--hash", "none", "."]);
    let report = run.report();
    assert_eq!(broken(&report, run.code), Vec::<String>::new(), "{name}");
    for source in report["evidence"].as_array().expect("evidence") {
        assert_eq!(source["anomalies"], serde_json::json!([]), "{name}: {}", source["path"]);
    }
    concluded(&report)
}

/// The first place where two conclusions differ.
fn difference(wanted: &Value, is: &Value) -> Option<String> {
    match (wanted, is) {
        (Value::Object(wanted), Value::Object(other)) if wanted.keys().eq(other.keys()) => {
            wanted.iter().find_map(|(key, value)| difference(value, &other[key]).map(|text| format!("{key}.{text}")))
        }
        (Value::Array(wanted), Value::Array(other)) if wanted.len() == other.len() => {
            let pairs = wanted.iter().zip(other).enumerate();
            pairs.into_iter().find_map(|(at, (one, other))| difference(one, other).map(|text| format!("{at}.{text}")))
        }
        _ => (wanted != is).then(|| format!(" is {is}, wanted {wanted}")),
    }
}

/// One way of capturing the incident: its name, and its files by name.
type Variant = (String, Vec<(&'static str, Vec<u8>)>);

/// Holds each variant of the captures against the incident as it was recorded.
fn hold(variants: Vec<Variant>) {
    let (packets, logs) = incident();
    let wanted = conclusions("as recorded", &logs, &[("a.pcap", &ethernet_pcap(&packets))]);
    for (name, files) in variants {
        let files: Vec<(&str, &[u8])> = files.iter().map(|(name, bytes)| (*name, bytes.as_slice())).collect();
        let is = conclusions(&name, &logs, &files);
        assert_eq!(difference(&wanted, &is), None, "{name}");
    }
}

fn is_sip(packet: &Sent) -> bool {
    memchr::memmem::find(&packet.ip, b"SIP/2.0").is_some()
}

#[test]
fn in_every_link_and_tunnel_of_one_pcapng() {
    let (packets, _) = incident();
    let count = ENCAPSULATIONS.len();
    // Each packet in another one; over the variants every call meets many.
    let variants = (0..3).map(|shift| {
        let file = pcapng(&packets, shift == 1, |place| &ENCAPSULATIONS[(place + shift * count / 3) % count]);
        (format!("shift {shift}"), vec![("a.pcapng", file)])
    });
    hold(variants.collect());
}

/// The fragments of an IPv4 packet, `size` bytes each, in an order of which the last comes first.
fn fragments(packet: &Sent, id: u16, size: usize) -> Vec<Sent> {
    let header = usize::from(packet.ip[0] & 0x0f) * 4;
    let payload = &packet.ip[header..];
    let parts: Vec<Sent> = payload
        .chunks(size)
        .enumerate()
        .map(|(place, part)| {
            let mut ip = [&packet.ip[..header], part].concat();
            let more = if (place + 1) * size < payload.len() { 0x2000 } else { 0 };
            let offset = u16::try_from(place * size / 8).expect("a packet is short") | more;
            ip[2..4].copy_from_slice(&u16::try_from(header + part.len()).expect("a packet is short").to_be_bytes());
            ip[4..6].copy_from_slice(&id.to_be_bytes());
            ip[6..8].copy_from_slice(&offset.to_be_bytes());
            Sent { at: packet.at, ip }
        })
        .collect();
    parts.into_iter().rev().collect()
}

/// The same packet in a tunnel over IPv6 whose packets are fragmented.
fn fragments_v6(packet: &Sent, id: u32, size: usize) -> Vec<Sent> {
    let count = packet.ip.chunks(size).len();
    let part = |(place, part): (usize, &[u8])| {
        let more = u16::from(place + 1 < count);
        let offset = u16::try_from(place * size).expect("a packet is short") | more;
        let len = u16::try_from(8 + part.len()).expect("a packet is short").to_be_bytes();
        let mut ip = [&[0x60, 0, 0, 0][..], &len, &[44, 64]].concat();
        for last in [1, 2] {
            ip.extend([0x20, 1, 0x0d, 0xb8, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, last]);
        }
        ip.extend([4, 0]);
        ip.extend(offset.to_be_bytes());
        ip.extend(id.to_be_bytes());
        ip.extend(part);
        Sent { at: packet.at, ip }
    };
    packet.ip.chunks(size).enumerate().map(part).collect()
}

#[test]
fn in_ip_fragments() {
    let (packets, _) = incident();
    let cut = |of: &dyn Fn(&Sent, usize) -> Vec<Sent>| -> Vec<u8> {
        let parts = packets.iter().enumerate().flat_map(|(place, packet)| of(packet, place));
        ethernet_pcap(&parts.collect::<Vec<_>>())
    };
    hold(vec![
        ("small".to_owned(), vec![("a.pcap", cut(&|packet, place| fragments(packet, place as u16, 48)))]),
        ("large".to_owned(), vec![("a.pcap", cut(&|packet, place| fragments(packet, place as u16, 400)))]),
        ("over IPv6".to_owned(), vec![("a.pcap", cut(&|packet, place| fragments_v6(packet, place as u32, 136)))]),
    ]);
}

/// The same signalling over TCP: each datagram's bytes in segments of odd sizes; what was sent over TCP stays so.
fn over_tcp(packets: &[Sent], sizes: &[usize]) -> Vec<Sent> {
    let mut next: HashMap<Vec<u8>, u32> = HashMap::new();
    let mut sizes = sizes.iter().cycle();
    let mut sent = Vec::new();
    for packet in packets {
        if packet.ip[9] != UDP || !is_sip(packet) {
            sent.push(packet.clone());
            continue;
        }
        let header = usize::from(packet.ip[0] & 0x0f) * 4;
        let ends = [&packet.ip[12..20], &packet.ip[header..header + 4]].concat();
        let mut segment = |sequence: u32, flags: u8, payload: &[u8]| {
            let total = u16::try_from(40 + payload.len()).expect("a packet is short").to_be_bytes();
            let mut ip = [&[0x45, 0][..], &total, &[0, 0, 0, 0, 64, 6, 0, 0], &ends].concat();
            ip.extend(sequence.to_be_bytes());
            ip.extend([0, 0, 0, 0, 0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
            ip.extend(payload);
            sent.push(Sent { at: packet.at, ip });
        };
        let sequence = next.entry(ends.clone()).or_insert_with(|| {
            // Near the end of the sequence space, so that it wraps.
            segment(u32::MAX - 500, 2, b"");
            u32::MAX - 499
        });
        let mut rest = &packet.ip[header + 8..];
        while !rest.is_empty() {
            let (part, behind) = rest.split_at(rest.len().min(*sizes.next().expect("sizes")));
            segment(*sequence, 0x18, part);
            *sequence = sequence.wrapping_add(u32::try_from(part.len()).expect("a part is short"));
            rest = behind;
        }
    }
    sent
}

#[test]
fn over_tcp_in_segments_of_odd_sizes() {
    let (packets, _) = incident();
    let variant = |sizes: &[usize]| (format!("{sizes:?}"), vec![("a.pcap", ethernet_pcap(&over_tcp(&packets, sizes)))]);
    hold(vec![variant(&[1_460]), variant(&[1, 7, 130]), variant(&[3, 511, 19])]);
}

#[test]
fn split_doubled_and_in_any_order() {
    let (packets, _) = incident();
    let mut variants = Vec::new();
    for at in (1..packets.len()).step_by(packets.len() / 5) {
        let (one, other) = packets.split_at(at);
        variants
            .push((format!("split at {at}"), vec![("b.pcap", ethernet_pcap(one)), ("a.pcap", ethernet_pcap(other))]));
    }
    let doubled: Vec<Sent> = packets.iter().flat_map(|packet| [packet.clone(), packet.clone()]).collect();
    variants.push(("doubled".to_owned(), vec![("a.pcap", ethernet_pcap(&doubled))]));
    let thirds = |names: [&'static str; 3]| -> Vec<(&'static str, Vec<u8>)> {
        names
            .into_iter()
            .zip(packets.chunks(packets.len().div_ceil(3)))
            .map(|(name, part)| (name, ethernet_pcap(part)))
            .collect()
    };
    variants.push(("another order".to_owned(), thirds(["c.pcap", "a.pcap", "b.pcap"])));
    // Every other packet at one tap, the others at another.
    let half = |odd: usize| ethernet_pcap(&packets.iter().skip(odd).step_by(2).cloned().collect::<Vec<_>>());
    variants.push(("two taps".to_owned(), vec![("a.pcap", half(0)), ("b.pcap", half(1))]));
    hold(variants);
}

#[test]
fn compressed_and_in_other_formats() {
    let (packets, _) = incident();
    let plain = ethernet_pcap(&packets);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&plain).expect("memory");
    let mut bzip2 = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    bzip2.write_all(&plain).expect("memory");
    let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 0);
    xz.write_all(&plain).expect("memory");
    let mut lz4 = lz4_flex::frame::FrameEncoder::new(Vec::new());
    lz4.write_all(&plain).expect("memory");
    let zstd = zstd::encode_all(plain.as_slice(), 1).expect("memory");
    let little = pcapng(&packets, false, |_| &ENCAPSULATIONS[0]);
    let (one, other) = packets.split_at(packets.len() / 2);
    let sections = [pcapng(one, true, |_| &ENCAPSULATIONS[0]), pcapng(other, false, |_| &ENCAPSULATIONS[0])].concat();
    let files = [
        ("gzip", gzip.finish().expect("memory")),
        ("bzip2", bzip2.finish().expect("memory")),
        ("xz", xz.finish().expect("memory")),
        ("lz4", lz4.finish().expect("memory")),
        ("zstd", zstd),
        ("pcapng", little),
        ("sections of either order", sections),
    ];
    hold(files.map(|(name, file)| (name.to_owned(), vec![("evidence", file)])).to_vec());
}

#[test]
fn a_small_case_split_at_every_packet() {
    let case = Case::open(&here("fixtures/calls/reinvite-grants")).expect("a case");
    let config = here(CONFIG).to_string_lossy().into_owned();
    let packets = case.scene.packets();
    let run = |files: &[(&str, Vec<u8>)]| {
        let folder = TempDir::new().expect("a folder");
        for (name, bytes) in files {
            std::fs::write(folder.path().join(name), bytes).expect("evidence can be written");
        }
        concluded(&audit(folder.path(), &["-c", &config, "--hash", "none", "."]).report())
    };
    let whole = run(&[("a.pcap", pcap(&packets))]);
    for at in 1..packets.len() {
        let (one, other) = packets.split_at(at);
        let split = run(&[("b.pcap", pcap(one)), ("a.pcap", pcap(other))]);
        assert_eq!(difference(&whole, &split), None, "split at {at}");
    }
}

#[test]
fn a_verdict_that_moves_is_noticed() {
    let (packets, logs) = incident();
    let wanted = conclusions("whole", &logs, &[("a.pcap", &ethernet_pcap(&packets))]);
    // Without the first INVITE.
    let first = packets.iter().position(|packet| memchr::memmem::find(&packet.ip, b"INVITE sip").is_some());
    let mut fewer = packets.clone();
    fewer.remove(first.expect("an INVITE"));
    let is = conclusions("without an INVITE", &logs, &[("a.pcap", &ethernet_pcap(&fewer))]);
    assert!(difference(&wanted, &is).is_some());
    let pointer = serde_json::json!([{"calls": [{"source": {"record": 1}, "rtp": {"source": "192.0.2.1:4000"}}]}]);
    let stripped = concluded(&serde_json::json!({"calls": pointer}));
    assert_eq!(stripped[1][0]["calls"][0], serde_json::json!({"rtp": {"source": "192.0.2.1:4000"}}));
}
