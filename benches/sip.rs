//! SIP payloads into signalling facts: messages and bytes a second, for short and long headers.

use std::hint::black_box;

use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use sipconsent::evidence::{Anomalies, Locus, SourceId, Timestamp};
use sipconsent::facts::extract::{Extracted, Extractor, Keep, Seen, signalling};
use sipconsent::facts::{Hop, SignallingBatch, Transport};
use sipconsent::settings::Settings;
use sipconsent::sip::{Extent, Message, looks_like_sip};

fn main() {
    divan::main();
}

/// Messages of one batch: as many as a block of a capture full of signalling holds.
const MESSAGES: usize = 200;

const INVITE: &str = "INVITE sip:+6561234567@byoc.example.com;user=phone SIP/2.0\r\n\
Via: SIP/2.0/UDP 203.0.113.10:5060;branch=z9hG4bK-524287-1---8f6a3c2d;rport\r\n\
Max-Forwards: 69\r\n\
Contact: <sip:+6598765432@203.0.113.10:5060>\r\n\
To: <sip:+6561234567@byoc.example.com>\r\n\
From: \"Alice\" <sip:+6598765432@carrier.example.net>;tag=1928301774\r\n\
Call-ID: a84b4c76e66710-000001@203.0.113.10\r\n\
CSeq: 1 INVITE\r\n\
Allow: INVITE, ACK, CANCEL, BYE, OPTIONS\r\n\
X-Genesys-Recording-Consent: true\r\n\
Content-Type: application/sdp\r\n\
Content-Length: 160\r\n\r\n\
v=0\r\n\
o=- 3890 3890 IN IP4 203.0.113.10\r\n\
s=-\r\n\
c=IN IP4 203.0.113.10\r\n\
t=0 0\r\n\
m=audio 40000 RTP/AVP 0 8 101\r\n\
a=rtpmap:101 telephone-event/8000\r\n\
a=fmtp:101 0-15\r\n\
a=sendrecv\r\n";

const BYE: &str = "BYE sip:+6598765432@203.0.113.10:5060 SIP/2.0\r\n\
Via: SIP/2.0/UDP 192.0.2.20:5060;branch=z9hG4bK-524287-2---1b2c3d4e\r\n\
Max-Forwards: 70\r\n\
To: \"Alice\" <sip:+6598765432@carrier.example.net>;tag=1928301774\r\n\
From: <sip:+6561234567@byoc.example.com>;tag=314159\r\n\
Call-ID: a84b4c76e66710-000001@203.0.113.10\r\n\
CSeq: 2 BYE\r\n\
Content-Length: 0\r\n\r\n";

/// An INVITE that passed many hops: 2 KB of header.
fn long_invite() -> String {
    let mut rows = String::new();
    for hop in 0..12 {
        rows.push_str(&format!(
            "Via: SIP/2.0/UDP 198.51.100.{hop}:5060;branch=z9hG4bK-{hop}-f00dfeed;received=192.0.2.1\r\n"
        ));
        rows.push_str(&format!("Record-Route: <sip:198.51.100.{hop};lr;ftag=1928301774>\r\n"));
    }
    rows.push_str(
        "P-Asserted-Identity: <sip:+6598765432@carrier.example.net>\r\nPrivacy: none\r\nUser-Agent: SBC/7.20\r\n",
    );
    INVITE.replacen("Max-Forwards", &format!("{rows}Max-Forwards"), 1)
}

fn bench(bencher: Bencher<'_, '_>, message: &str, expected: Extracted) {
    let keep = Keep::new(&Settings::default());
    let address = "203.0.113.10:5060".parse().expect("a literal address");
    let seen = Seen {
        at: Timestamp::new(0, 6),
        locus: Locus { source: SourceId(0), record: 1 },
        hop: Hop { source: address, destination: address },
        transport: Transport::Udp,
        truncated: false,
    };
    let payload = message.as_bytes();
    bencher.counter(ItemsCount::new(MESSAGES)).counter(BytesCount::new(MESSAGES * payload.len())).bench(|| {
        let mut batch = SignallingBatch::default();
        let mut anomalies = Anomalies::default();
        let mut extractor = Extractor::new(&keep);
        for _ in 0..MESSAGES {
            let extracted = signalling(black_box(payload), seen, &mut extractor, &mut batch, &mut anomalies);
            assert_eq!(extracted, expected);
        }
        batch
    });
}

#[divan::bench]
fn invite(bencher: Bencher<'_, '_>) {
    bench(bencher, INVITE, Extracted::Message);
}

#[divan::bench]
fn invite_long_header(bencher: Bencher<'_, '_>) {
    bench(bencher, &long_invite(), Extracted::Message);
}

#[divan::bench]
fn bye(bencher: Bencher<'_, '_>) {
    bench(bencher, BYE, Extracted::Message);
}

#[divan::bench]
fn http_that_is_not_sip(bencher: Bencher<'_, '_>) {
    bench(bencher, "OPTIONS /index.html HTTP/1.1\r\nHost: example.com\r\n\r\n", Extracted::NotSip);
}

#[divan::bench]
fn rtp_that_is_not_sip(bencher: Bencher<'_, '_>) {
    let payload = b"\x80\x00\x12\x34\x00\x00\x00\xa0\xde\xad\xbe\xef rest of the packet";
    bencher
        .counter(ItemsCount::new(MESSAGES))
        .bench(|| (0..MESSAGES).filter(|_| looks_like_sip(black_box(payload))).count());
}

/// What a full parse costs: the ratio tells more than either time on a shared machine.
#[divan::bench]
fn invite_by_rsip(bencher: Bencher<'_, '_>) {
    let payload = INVITE.as_bytes();
    bencher
        .counter(ItemsCount::new(MESSAGES))
        .counter(BytesCount::new(MESSAGES * payload.len()))
        .bench(|| (0..MESSAGES).filter(|_| rsip::SipMessage::try_from(black_box(payload)).is_ok()).count());
}

/// Line ends alone, by memchr: the floor of any reader that looks at every row.
#[divan::bench]
fn invite_line_ends_by_memchr(bencher: Bencher<'_, '_>) {
    let payload = INVITE.as_bytes();
    bencher.counter(ItemsCount::new(MESSAGES)).counter(BytesCount::new(MESSAGES * payload.len())).bench(|| {
        let mut rows = 0;
        for _ in 0..MESSAGES {
            let mut rest = black_box(payload);
            while let Some(at) = memchr::memchr(b'\n', rest) {
                rest = rest.get(at + 1..).unwrap_or_default();
                rows += usize::from(matches!(rest, [b'X' | b'C', ..]));
            }
        }
        rows
    });
}

/// Header rows found and named, nothing kept.
#[divan::bench]
fn invite_rows(bencher: Bencher<'_, '_>) {
    let payload = INVITE.as_bytes();
    bencher.counter(ItemsCount::new(MESSAGES)).counter(BytesCount::new(MESSAGES * payload.len())).bench(|| {
        let rows = |payload| Message::scan(payload, Extent::Whole).map_or(0, |message| message.header().count());
        (0..MESSAGES).map(|_| rows(black_box(payload))).sum::<usize>()
    });
}
