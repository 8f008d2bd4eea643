//! Captures into facts: bytes a second on one worker, for media, for signalling, and for the walk alone.

use std::io::Cursor;

use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use sipconsent::capture::{Format, Walk};
use sipconsent::evidence::{BLOCK_BYTES, SourceId, Task};
use sipconsent::facts::Store;
use sipconsent::facts::extract::Keep;
use sipconsent::pipeline::{captures, gather::Limits};
use sipconsent::settings::Settings;

fn main() {
    divan::main();
}

/// Packets of one capture.
const PACKETS: u32 = 300_000;

const INVITE: &str = "INVITE sip:+6561234567@byoc.example.com;user=phone SIP/2.0\r\n\
Via: SIP/2.0/UDP 203.0.113.10:5060;branch=z9hG4bK-524287-1---8f6a3c2d;rport\r\n\
Max-Forwards: 69\r\n\
Contact: <sip:+6598765432@203.0.113.10:5060>\r\n\
To: <sip:+6561234567@byoc.example.com>\r\n\
From: \"Alice\" <sip:+6598765432@carrier.example.net>;tag=1928301774\r\n\
Call-ID: a84b4c76e66710-000001@203.0.113.10\r\n\
CSeq: 1 INVITE\r\n\
X-Genesys-Recording-Consent: true\r\n\
Content-Length: 0\r\n\r\n";

/// A UDP datagram over IPv4 over Ethernet.
fn frame(call: u32, port: u16, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, 0];
    bytes.extend((28 + payload.len() as u16).to_be_bytes());
    bytes.extend([0, 0, 0x40, 0, 64, 17, 0, 0, 203, 0, 113, 5]);
    bytes.extend((0x0a00_0000 | call >> 12).to_be_bytes());
    bytes.extend(port.to_be_bytes());
    bytes.extend((10_000 + (call & 0xfff) as u16 * 2).to_be_bytes());
    bytes.extend((8 + payload.len() as u16).to_be_bytes());
    bytes.extend([0, 0]);
    bytes.extend_from_slice(payload);
    bytes
}

fn pcap() -> Vec<u8> {
    [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 262_144, 1].iter().flat_map(|word| word.to_le_bytes()).collect()
}

fn record(file: &mut Vec<u8>, micros: u64, bytes: &[u8]) {
    let seconds = 1_700_000_000 + (micros / 1_000_000) as u32;
    for word in [seconds, (micros % 1_000_000) as u32, bytes.len() as u32, bytes.len() as u32] {
        file.extend(word.to_le_bytes());
    }
    file.extend_from_slice(bytes);
}

/// Calls of both directions at a time, a packet every 20 ms; an INVITE in a thousand packets.
fn media(flows: u32) -> Vec<u8> {
    let mut file = pcap();
    for n in 0..PACKETS {
        let (flow, sequence) = (n % flows, n / flows);
        let micros = u64::from(sequence) * 20_000 + u64::from(flow) * 20_000 / u64::from(flows);
        let mut payload = vec![0x80, 0];
        payload.extend((sequence as u16).to_be_bytes());
        payload.extend((sequence * 160).to_be_bytes());
        payload.extend((flow * 7_919).to_be_bytes());
        payload.resize(172, 0xd5);
        let bytes = if n % 1_000 == 0 { frame(flow, 5060, INVITE.as_bytes()) } else { frame(flow, 16_384, &payload) };
        record(&mut file, micros, &bytes);
    }
    file
}

fn signalling() -> Vec<u8> {
    let mut file = pcap();
    for n in 0..PACKETS / 4 {
        record(&mut file, u64::from(n) * 500, &frame(n, 5060, INVITE.as_bytes()));
    }
    file
}

fn read(bencher: Bencher<'_, '_>, file: &[u8], records: u64) {
    let keep = Keep::new(&Settings::default());
    bencher
        .counter(BytesCount::new(file.len()))
        .counter(ItemsCount::new(records))
        .with_inputs(|| Box::new(Cursor::new(file.to_vec())))
        .bench_local_values(|reader| {
            let store = Store::default();
            let reading = captures::reading(SourceId(0), reader, Format::Pcap, (&keep, &store), Limits::of(1));
            let mut buffer = Vec::new();
            while reading.step(&mut buffer) {}
            let (sum, failure) = captures::finish(reading);
            assert!(failure.is_none() && sum.records == records);
            sum.flows.finish(&sipconsent::rtp::Breaks::default()).flows.len()
        });
}

#[divan::bench(args = [200, 4_000])]
fn rtp(bencher: Bencher<'_, '_>, flows: u32) {
    read(bencher, &media(flows), u64::from(PACKETS));
}

#[divan::bench]
fn sip(bencher: Bencher<'_, '_>) {
    read(bencher, &signalling(), u64::from(PACKETS / 4));
}

/// The serial part: what happens under the lock, but for the reading.
#[divan::bench]
fn walk(bencher: Bencher<'_, '_>) {
    let file = media(200);
    bencher.counter(BytesCount::new(file.len())).counter(ItemsCount::new(PACKETS)).bench_local(|| {
        let mut walk = Walk::new(Format::Pcap);
        let mut at = 0;
        while at < file.len() {
            let end = (at + BLOCK_BYTES).min(file.len());
            at += walk.cut(&file[at..end], end == file.len()).0;
        }
        walk.records()
    });
}
