//! Reads one capture: its frames into signalling facts, RTP accounting, and a tally of every packet.
//!
//! Ties `capture`, `net`, `sip`, `rtp` and `facts` together as a [`Stage`] of the block-wise reading. The walk along the
//! records is the serial part; everything else happens outside the lock, on any worker.
//!
//! Keeps: every record of the capture is in the tally under exactly one of [`REASONS`], so that the tally's total is
//! the number of records.
//!
//! # Anomalies
//!
//! Those of [`crate::capture`] and [`crate::facts::extract`], and
//!
//! | code | met when |
//! |---|---|
//! | `truncated_packet` | a packet was captured in part, and what is missing could have mattered: a SIP message, a TCP segment, a fragment, a header. RTP whose header is whole, and datagrams that are plainly neither, do not count: nothing of them is used |
//! | `unsupported_link_type` | packets of link types that are not read, with the number of each and its packets |
//! | `bad_length` | a packet that was captured whole, whose headers claim more bytes than it has |
//! | `limit_tunnels` | packets with more headers within headers than [`net::TUNNELS_LIMIT`]; tallied as `ip_other` |
//! | `limit_rtp_flows` | more RTP flows than [`rtp::FLOWS_LIMIT`]; those beyond are tallied as `rtp_uncounted` |
//! | `limit_rtp_detail` | RTP so irregular that accounting it takes more than [`rtp::DETAIL_LIMIT`] bytes; all of it is tallied as `rtp_uncounted` |

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::fragments::Reassembled;
use super::gather::{Gathered, Gathering, Limits, Pieces};
use super::join;
use super::unread::Unread;
use crate::capture::{self, Format, Frame, LinkType};
use crate::evidence::{Anomalies, Block, Locus, Reading, SourceId, Stage, Tally, Timestamp};
use crate::facts::extract::{self, Extracted, Extractor, Keep, Seen};
use crate::facts::{SignallingBatch, Store};
use crate::net::fragment::Fragment;
use crate::net::{self, Packet, Payload};
use crate::{rtp, sip};

/// What may become of a packet, with what it means: the reasons of a capture's tally. Stable words.
pub const REASONS: [(&str, &str); 20] = [
    ("hep", "HEP: what a capture agent saw and sent on"),
    ("icmp", "an ICMP message; SIP that it quotes is no message"),
    ("ip_fragment", "a part of a fragmented IP packet; what it belongs to is read"),
    ("ip_other", "another protocol over IP"),
    ("link_type_unsupported", "a packet of a link type that is not read"),
    ("malformed", "a packet whose headers are cut or contradict themselves"),
    ("no_packet", "a record of a capture that carries no packet, such as a journal entry"),
    ("no_time", "a packet that nothing gives a time; it is not read"),
    ("not_ip", "a packet without IP, such as ARP"),
    ("rtcp", "RTCP"),
    ("rtp", "RTP, counted in a flow; of a fragmented packet, the part that begins it"),
    ("rtp_no_dialog", "RTP of a flow that belongs to no negotiated stream"),
    ("rtp_uncounted", "RTP beyond the limits of accounting"),
    ("sip", "a SIP message"),
    ("sip_no_call_id", "a SIP message that shows no Call-ID"),
    ("sip_tcp", "a TCP segment that carries SIP"),
    ("tcp", "any other TCP segment"),
    ("tls", "a TCP segment of a TLS connection, which cannot be read"),
    ("udp_empty", "a UDP datagram without content, or with line ends only, that keeps an address binding alive"),
    ("udp_other", "any other UDP datagram"),
];

/// How packets are counted while a block is decoded: one number for each of these reasons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reason {
    Hep,
    Icmp,
    IpFragment,
    IpOther,
    LinkTypeUnsupported,
    Malformed,
    NoPacket,
    NoTime,
    NotIp,
    Rtcp,
    Rtp,
    Sip,
    SipNoCallId,
    Tcp,
    UdpEmpty,
    UdpOther,
}

/// The words of [`Reason`], in its order.
const WORDS: [&str; 16] = [
    "hep",
    "icmp",
    "ip_fragment",
    "ip_other",
    "link_type_unsupported",
    "malformed",
    "no_packet",
    "no_time",
    "not_ip",
    "rtcp",
    "rtp",
    "sip",
    "sip_no_call_id",
    "tcp",
    "udp_empty",
    "udp_other",
];

/// How the blocks of one capture become facts.
#[derive(Debug)]
pub struct CaptureStage<'s> {
    source: SourceId,
    keep: &'s Keep,
    /// Where its SIP messages go.
    store: &'s Store,
    ledger: Arc<rtp::Ledger>,
    /// Those that no block is decoded with now, with what they met in others.
    extractors: Mutex<Vec<Extractor<'s>>>,
}

/// What one block of a capture gives.
#[derive(Debug)]
pub struct CapturePart {
    pieces: Pieces,
    tally: Tally,
    anomalies: Anomalies,
    unread: Unread,
    unread_links: BTreeMap<u16, u64>,
    records: u64,
    first: Option<Timestamp>,
    last: Option<Timestamp>,
}

/// What a capture adds up to.
#[derive(Debug, Default)]
pub struct CaptureSum {
    /// Its RTP flows; filled in by [`finish`].
    pub flows: rtp::Flows,
    /// Its packets by what became of them.
    pub tally: Tally,
    /// What could not be read, by code.
    pub anomalies: Anomalies,
    /// Its packets.
    pub records: u64,
    /// The earliest time of a packet; `None` without any.
    pub first: Option<Timestamp>,
    /// The latest.
    pub last: Option<Timestamp>,
    /// What it holds of TCP connections and fragments; filled in by [`finish`].
    pub(crate) gathered: Gathered,
    gathering: Option<Box<Gathering>>,
    ledger: Arc<rtp::Ledger>,
    source: Option<SourceId>,
    unread: Unread,
    /// Packets of each link type that is not read.
    unread_links: BTreeMap<u16, u64>,
}

/// Begins to read a capture of a format that [`capture::recognise`] told from its head. Its SIP messages go to `store`.
pub fn reading<'s>(
    source: SourceId,
    reader: Box<dyn Read + Send>,
    format: Format,
    (keep, store): (&'s Keep, &'s Store),
    limits: Limits,
) -> Reading<CaptureStage<'s>> {
    let ledger = Arc::new(rtp::Ledger::default());
    let gathering = Some(Box::new(Gathering::new(source, limits)));
    let sum = CaptureSum { ledger: Arc::clone(&ledger), source: Some(source), gathering, ..CaptureSum::default() };
    let stage = CaptureStage { source, keep, store, ledger, extractors: Mutex::default() };
    Reading::new(stage, capture::Walk::new(format), sum, reader)
}

/// What a capture added up to, once no worker takes steps any more, and the failure that ended its reading early.
#[must_use]
pub fn finish(reading: Reading<CaptureStage<'_>>) -> (CaptureSum, Option<io::Error>) {
    let (mut sum, _, failure) = reading.finish();
    if let Some(source) = sum.source.take() {
        sum.flows = std::mem::take(&mut sum.ledger).finish(source);
    }
    if let Some(gathering) = sum.gathering.take() {
        sum.gathered = gathering.finish(&mut sum.anomalies);
        sum.gathered.unread.merge(sum.unread);
    }
    if sum.unread != Unread::default() {
        sum.flows.leave_out();
    }
    let unaccounted = sum.flows.unaccounted();
    let uncounted = sum.tally.count(Reason::Rtp.word()).saturating_sub(sum.flows.captured());
    if unaccounted.flows_limited {
        sum.anomalies.note("limit_rtp_flows", None, || {
            format!("more than {} RTP flows; {uncounted} packets are in none that is kept", rtp::FLOWS_LIMIT)
        });
    }
    if unaccounted.detail_limited {
        sum.anomalies.note("limit_rtp_detail", None, || {
            format!(
                "accounting for RTP takes more than {} bytes; {uncounted} packets are in no flow",
                rtp::DETAIL_LIMIT
            )
        });
    }
    sum.tally.shift(Reason::Rtp.word(), "rtp_uncounted", uncounted);
    if !sum.unread_links.is_empty() {
        let types: Vec<_> = sum.unread_links.iter().map(|(link, count)| format!("{link} ({count})")).collect();
        let detail = format!("link types that are not read, with their packets: {}", types.join(", "));
        sum.anomalies.describe("unsupported_link_type", detail);
    }
    (sum, failure)
}

impl<'s> CaptureStage<'s> {
    fn extractors(&self) -> MutexGuard<'_, Vec<Extractor<'s>>> {
        // A poisoned lock means another worker panicked; that panic already ends the run.
        self.extractors.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn extractor(&self) -> Extractor<'s> {
        self.extractors().pop().unwrap_or_else(|| Extractor::new(self.keep))
    }

    /// Reads what packets begin with that are waited for no longer.
    fn read(&self, cut_short: &[Reassembled], anomalies: &mut Anomalies) {
        if cut_short.is_empty() {
            return;
        }
        let (mut extractor, mut batch) = (self.extractor(), self.store.batch());
        for Reassembled { at, locus, packet, .. } in cut_short {
            self.store.make_room(&mut batch);
            if let Packet::Udp(payload) = net::decode_ip(&packet.bytes, packet.cut) {
                let payload = Payload { truncated: true, ..payload };
                join::datagram(&payload, *at, *locus, &mut extractor, &mut batch, anomalies);
            }
        }
        self.store.give_back(batch);
        self.extractors().push(extractor);
    }
}

impl Reason {
    const fn word(self) -> &'static str {
        WORDS[self as usize]
    }
}

impl Stage for CaptureStage<'_> {
    type Walk = capture::Walk;
    type Head = capture::Head;
    type Part = CapturePart;
    type Sum = CaptureSum;

    fn cut(&self, walk: &mut capture::Walk, bytes: &[u8], end: bool) -> (usize, capture::Head) {
        walk.cut(bytes, end)
    }

    fn decode(&self, block: Block<'_, capture::Head>) -> CapturePart {
        let mut decoder = Decoder {
            source: self.source,
            extractor: self.extractor(),
            store: self.store,
            batch: self.store.batch(),
            pieces: Pieces::default(),
            begun: Vec::new(),
            table: self.ledger.take(),
            anomalies: Anomalies::default(),
            unread: Unread::default(),
            unread_links: BTreeMap::new(),
            counts: [0; WORDS.len()],
        };
        let (mut first, mut last) = (Instant::MAX, Instant::MIN);
        let mut frames = block.head.frames(block.bytes);
        for frame in frames.by_ref() {
            let reason = if frame.has_time() {
                first = first.min((frame.at.ns, frame.at.digits));
                last = last.max((frame.at.ns, frame.at.digits));
                decoder.decode(&frame)
            } else {
                decoder.without_time(&frame)
            };
            if let Some(count) = decoder.counts.get_mut(reason as usize) {
                *count += 1;
            }
        }
        self.ledger.give_back(decoder.table, block.end);
        self.store.give_back(decoder.batch);
        self.extractors().push(decoder.extractor);
        let mut anomalies = frames.into_anomalies();
        anomalies.absorb(decoder.anomalies, 0);
        let mut tally = Tally::default();
        for (word, count) in WORDS.iter().zip(decoder.counts) {
            tally.add(word, count);
        }
        let time = |(ns, digits)| (first <= last).then(|| Timestamp::new(ns, digits));
        CapturePart {
            pieces: decoder.pieces,
            records: tally.total(),
            tally,
            anomalies,
            unread: decoder.unread,
            unread_links: decoder.unread_links,
            first: time(first),
            last: time(last),
        }
    }

    fn absorb(&self, sum: &mut CaptureSum, part: CapturePart) -> u64 {
        sum.tally.merge(&part.tally);
        // Records are numbered through the whole capture already.
        sum.anomalies.absorb(part.anomalies, 0);
        if let Some(gathering) = &mut sum.gathering {
            let cut_short = gathering.absorb(&part.pieces, &mut sum.anomalies);
            self.read(&cut_short, &mut sum.anomalies);
        }
        sum.unread.merge(part.unread);
        for (link, count) in part.unread_links {
            *sum.unread_links.entry(link).or_insert(0) += count;
        }
        sum.records += part.records;
        sum.first = sum.first.into_iter().chain(part.first).min();
        sum.last = sum.last.into_iter().chain(part.last).max();
        // The store reckons for itself; what else is kept has limits of its own.
        0
    }
}

/// Nanoseconds and digits, as [`Timestamp`] orders them.
struct Instant;

impl Instant {
    const MAX: (i64, u8) = (i64::MAX, u8::MAX);
    const MIN: (i64, u8) = (i64::MIN, 0);
}

/// Decodes the frames of one block.
struct Decoder<'s> {
    source: SourceId,
    extractor: Extractor<'s>,
    store: &'s Store,
    batch: SignallingBatch,
    pieces: Pieces,
    /// A packet of which a fragment shows the beginning.
    begun: Vec<u8>,
    table: rtp::Table,
    anomalies: Anomalies,
    unread: Unread,
    unread_links: BTreeMap<u16, u64>,
    counts: [u64; WORDS.len()],
}

impl Decoder<'_> {
    /// Takes what matters of a frame: the reason it is counted under.
    #[inline]
    fn decode(&mut self, frame: &Frame<'_>) -> Reason {
        match net::decode(frame) {
            Packet::Udp(payload) => self.udp(frame, &payload),
            other => self.aside(frame, other),
        }
    }

    #[inline]
    fn udp(&mut self, frame: &Frame<'_>, payload: &Payload<'_>) -> Reason {
        match rtp::recognise(payload.bytes, payload.len) {
            rtp::Kind::Rtp(header) => {
                self.table.count(&payload.ends, header, frame.at, frame.record);
                Reason::Rtp
            }
            rtp::Kind::Rtcp => Reason::Rtcp,
            rtp::Kind::Other if sip::could_start(payload.bytes) => self.sip(frame, payload),
            rtp::Kind::Other => self.other_udp(frame, payload),
            rtp::Kind::Unreadable => {
                self.truncated(frame);
                Reason::UdpOther
            }
        }
    }

    #[inline(never)]
    fn sip(&mut self, frame: &Frame<'_>, payload: &Payload<'_>) -> Reason {
        self.store.make_room(&mut self.batch);
        let seen = Seen {
            at: frame.at,
            locus: Locus { source: self.source, record: frame.record },
            hop: payload.ends.hop(),
            transport: payload.transport,
            truncated: payload.truncated,
        };
        let reason =
            match extract::signalling(payload.bytes, seen, &mut self.extractor, &mut self.batch, &mut self.anomalies) {
                Extracted::Message => Reason::Sip,
                Extracted::NoCallId => Reason::SipNoCallId,
                Extracted::NotSip => return self.other_udp(frame, payload),
            };
        if payload.truncated {
            self.truncated(frame);
        }
        reason
    }

    fn other_udp(&mut self, frame: &Frame<'_>, payload: &Payload<'_>) -> Reason {
        if net::hep::could_be(payload.bytes) && self.hep(frame, payload) {
            return Reason::Hep;
        }
        let is_blank = payload.bytes.iter().all(|byte| matches!(byte, b'\r' | b'\n' | 0));
        if !is_blank {
            return Reason::UdpOther;
        }
        if payload.truncated {
            // Cut before anything could be told from it.
            self.truncated(frame);
            return Reason::UdpOther;
        }
        Reason::UdpEmpty
    }

    #[inline(never)]
    fn hep(&mut self, frame: &Frame<'_>, payload: &Payload<'_>) -> bool {
        self.store.make_room(&mut self.batch);
        let locus = Locus { source: self.source, record: frame.record };
        let (batch, anomalies) = (&mut self.batch, &mut self.anomalies);
        let is_hep =
            join::hep(payload.bytes, payload.truncated, frame.at, locus, &mut self.extractor, batch, anomalies);
        if is_hep && payload.truncated {
            self.truncated(frame);
        }
        is_hep
    }

    /// A frame without a UDP payload.
    #[inline(never)]
    fn aside(&mut self, frame: &Frame<'_>, packet: Packet<'_>) -> Reason {
        let (reason, truncated) = match packet {
            Packet::Fragment(fragment) => self.fragment(frame, &fragment),
            Packet::Icmp => (Reason::Icmp, false),
            Packet::IpOther => (Reason::IpOther, false),
            Packet::Malformed { truncated } => (Reason::Malformed, truncated),
            Packet::NotIp => (Reason::NotIp, false),
            Packet::Tcp(segment) => {
                self.pieces.segment(frame, &segment);
                (Reason::Tcp, segment.truncated)
            }
            Packet::TooDeep => {
                self.anomalies.note("limit_tunnels", Some(frame.record), || {
                    format!("more than {} headers within headers; what is further in is not read", net::TUNNELS_LIMIT)
                });
                self.leave_out(frame);
                (Reason::IpOther, false)
            }
            Packet::Udp(_) => (Reason::UdpOther, false),
            Packet::UnsupportedLink => {
                if frame.link_type == LinkType::NO_PACKET {
                    return Reason::NoPacket;
                }
                if frame.link_type == LinkType::UNKNOWN {
                    if frame.bytes.is_empty() {
                        return Reason::Malformed;
                    }
                    self.leave_out(frame);
                    return Reason::LinkTypeUnsupported;
                }
                self.anomalies.note("unsupported_link_type", Some(frame.record), String::new);
                *self.unread_links.entry(frame.link_type.0).or_insert(0) += 1;
                (Reason::LinkTypeUnsupported, false)
            }
        };
        if truncated {
            self.truncated(frame);
        }
        reason
    }

    /// Keeps a fragment for those who put it together with others; counts the RTP that it begins. The same packet as a whole
    /// takes another way: here nothing is in a hurry.
    #[cold]
    #[inline(never)]
    fn fragment(&mut self, frame: &Frame<'_>, fragment: &Fragment<'_>) -> (Reason, bool) {
        self.pieces.fragment(frame, fragment);
        match rtp::begun(fragment, &mut self.begun) {
            Some(rtp::Begun { ends, header, .. }) => {
                self.table.count(&ends, header, frame.at, frame.record);
                (Reason::Rtp, false)
            }
            None => (Reason::IpFragment, fragment.truncated),
        }
    }

    /// A packet that nothing gives a time: whatever it says, nobody knows of when.
    #[cold]
    fn without_time(&mut self, frame: &Frame<'_>) -> Reason {
        if frame.link_type == LinkType::NO_PACKET {
            return Reason::NoPacket;
        }
        let locus = Locus { source: self.source, record: frame.record };
        match net::decode(frame) {
            Packet::Icmp | Packet::NotIp => {}
            _ => self.unread.add_all(Timestamp::new(i64::MIN, 0), locus, Timestamp::new(i64::MAX, 9)),
        }
        Reason::NoTime
    }

    /// Remembers a packet that is not read and could have been anything.
    #[cold]
    fn leave_out(&mut self, frame: &Frame<'_>) {
        self.unread.add(frame.at, Locus { source: self.source, record: frame.record });
    }

    /// Counts a packet of which something is missing that could have mattered.
    #[cold]
    fn truncated(&mut self, frame: &Frame<'_>) {
        let (captured, sent) = (frame.bytes.len(), frame.original_len);
        if frame.is_cut() {
            self.anomalies
                .note("truncated_packet", Some(frame.record), || format!("{captured} bytes captured of {sent}"));
        } else {
            self.anomalies.note("bad_length", Some(frame.record), || {
                format!("a header claims more bytes than the {captured} of its packet")
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::sample::{Pcap, PcapNg};
    use crate::evidence::{Task, work};
    use crate::facts::{Shelves, StartLine};
    use crate::net::sample::{ethernet, frame, ip, rtp};
    use crate::random::Random;
    use crate::settings::Settings;

    const INVITE: &[u8] = b"INVITE sip:b@192.0.2.9 SIP/2.0\r\nCall-ID: a@x\r\nCSeq: 1 INVITE\r\n\
        From: <sip:a@x>;tag=1\r\nTo: <sip:b@x>\r\nVia: SIP/2.0/UDP 203.0.113.5\r\nContent-Length: 0\r\n\r\n";
    const CARRIER: (&str, u16) = ("203.0.113.5", 5060);
    const PLATFORM: (&str, u16) = ("192.0.2.9", 5060);

    fn read(bytes: &[u8], threads: usize) -> CaptureSum {
        read_into(&Store::default(), bytes, threads)
    }

    /// The SIP messages of a capture.
    fn messages(bytes: &[u8], threads: usize) -> Shelves {
        let store = Store::default();
        read_into(&store, bytes, threads);
        store.finish()
    }

    fn read_into(store: &Store, bytes: &[u8], threads: usize) -> CaptureSum {
        let keep = Keep::new(&Settings::default());
        let format = capture::recognise(bytes).expect("a capture");
        let reading =
            reading(SourceId(0), Box::new(io::Cursor::new(bytes.to_vec())), format, (&keep, store), Limits::of(1));
        if threads == 1 {
            let mut buffer = Vec::new();
            while reading.step(&mut buffer) {}
        } else {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
            work(&pool, std::slice::from_ref(&reading));
        }
        let (sum, failure) = finish(reading);
        assert!(failure.is_none());
        assert_eq!(sum.tally.total(), sum.records, "every record has one reason");
        assert_eq!(sum.tally.count("rtp"), sum.flows.captured(), "every RTP packet is in a flow");
        sum
    }

    fn tally(sum: &CaptureSum) -> Vec<(&'static str, u64)> {
        sum.tally.iter().collect()
    }

    /// One packet for each reason.
    fn packets() -> Vec<Vec<u8>> {
        let mut fragment = frame(CARRIER, PLATFORM, b"part");
        fragment[20] = 0x20;
        // A segment without payload: its data begins after five words.
        let mut tcp = [0; 20];
        tcp[12] = 0x50;
        vec![
            frame(CARRIER, PLATFORM, INVITE),
            frame(CARRIER, PLATFORM, b"OPTIONS sip:b@x SIP/2.0\r\nCSeq: 1 OPTIONS\r\n\r\n"),
            frame(("203.0.113.5", 4000), ("192.0.2.9", 6000), &rtp(1, 1, 160)),
            frame(("2001:db8::5", 4000), ("2001:db8::9", 6000), &rtp(1, 1, 160)),
            frame(CARRIER, PLATFORM, &[0x80, 200, 0, 1, 0, 0, 0, 1]),
            frame(CARRIER, PLATFORM, b"\r\n\r\n"),
            frame(CARRIER, PLATFORM, b"\0\x01\0\0!\x12\xa4B"),
            fragment,
            ethernet(0x0800, &ip("203.0.113.5", "192.0.2.9", 6, &tcp)),
            ethernet(0x0800, &ip("203.0.113.5", "192.0.2.9", 1, &[0; 8])),
            ethernet(0x0800, &ip("203.0.113.5", "192.0.2.9", 47, &[0; 8])),
            ethernet(0x0806, &[0; 28]),
            vec![1, 2, 3],
        ]
    }

    #[test]
    fn every_packet_has_one_reason() {
        let file = Pcap::default().file(&packets());
        let sum = read(&file, 1);
        let wanted: Vec<(&str, u64)> = REASONS
            .iter()
            .map(|(word, _)| (*word, if *word == "rtp" { 2 } else { 1 }))
            .filter(|(word, _)| {
                !matches!(
                    *word,
                    "hep"
                        | "link_type_unsupported"
                        | "no_packet"
                        | "no_time"
                        | "rtp_no_dialog"
                        | "rtp_uncounted"
                        | "sip_tcp"
                        | "tls"
                )
            })
            .collect();
        assert_eq!(tally(&sum), wanted);
        assert_eq!(sum.first.map(|at| at.ns), Some(1_700_000_000_000_005_000));
        assert_eq!(sum.last.map(|at| at.ns), Some(1_700_000_012_000_005_000));
        let messages = messages(&file, 1);
        let all = messages.all().expect("nothing to be read");
        let message = all.messages().next().expect("the INVITE");
        assert_eq!((message.call_id, message.locus.record), (&b"a@x"[..], 1));
        assert!(matches!(message.start, StartLine::Request { .. }));
        assert_eq!(message.hop.source.to_string(), "203.0.113.5:5060");
    }

    #[test]
    fn every_word_is_a_reason_and_they_stand_in_order() {
        assert!(WORDS.iter().all(|word| REASONS.iter().any(|(reason, _)| reason == word)));
        assert!(REASONS.is_sorted_by_key(|(word, _)| word));
        assert_eq!(Reason::UdpOther.word(), "udp_other");
        assert_eq!(Reason::Rtp.word(), "rtp");
    }

    #[test]
    fn a_link_type_that_is_not_read_is_named() {
        let sum = read(&Pcap { link_type: 127, ..Pcap::default() }.file(&packets()[..4]), 1);
        assert_eq!(tally(&sum), [("link_type_unsupported", 4)]);
        let (code, anomaly) = sum.anomalies.iter().next().expect("an anomaly");
        assert_eq!((code, anomaly.count, anomaly.first_record), ("unsupported_link_type", 4, Some(1)));
        assert!(anomaly.detail.contains("127"));
    }

    #[test]
    fn only_cuts_that_could_matter_are_truncated_packets() {
        let kind = Pcap::default();
        let mut file = kind.header();
        let mut add =
            |bytes: &[u8], keep: usize| file.extend(kind.record(1_700_000_000, 0, &bytes[..keep], bytes.len()));
        let media = frame(("203.0.113.5", 4000), ("192.0.2.9", 6000), &rtp(1, 1, 160));
        // RTP behind its header: nothing is missing, and its size is known.
        add(&media, 60);
        add(&media, 50);
        add(&frame(CARRIER, PLATFORM, INVITE), 120);
        add(&frame(CARRIER, PLATFORM, &[3; 90]), 60);
        add(&frame(CARRIER, PLATFORM, &[3; 90]), 42);
        let sum = read(&file, 1);
        assert_eq!(tally(&sum), [("rtp", 1), ("sip", 1), ("udp_other", 3)]);
        let cut: Vec<_> =
            sum.anomalies.iter().filter(|(code, _)| *code == "truncated_packet").map(|(_, anomaly)| anomaly).collect();
        assert_eq!((cut[0].count, cut[0].first_record), (3, Some(2)));
        assert_eq!(cut[0].detail, "50 bytes captured of 214");
        assert_eq!(sum.flows.finish(&crate::rtp::Breaks::default()).flows[0].runs[0].bytes, 160);
    }

    /// A capture of several blocks: a few calls, much RTP.
    fn large() -> Vec<u8> {
        let kind = Pcap::default();
        let mut file = kind.header();
        for n in 0..30_000_u32 {
            let (seconds, micros) = (1_700_000_000 + n / 500, n % 500 * 2_000);
            let flow = n % 10;
            let source = ("203.0.113.5", 4_000 + 2 * flow as u16);
            let mut bytes = frame(source, ("192.0.2.9", 6000), &rtp(flow, (n / 10) as u16, 160));
            if n % 100 == 7 {
                bytes = frame(CARRIER, PLATFORM, INVITE);
            }
            file.extend(kind.record(seconds, micros, &bytes, bytes.len()));
        }
        file
    }

    #[test]
    fn the_sum_is_the_same_for_any_number_of_workers() {
        let file = large();
        let one = read(&file, 1);
        let loci = |threads| -> Vec<u64> {
            let messages = messages(&file, threads);
            let all = messages.all().expect("nothing to be read");
            let mut loci: Vec<u64> = all.messages().map(|message| message.locus.record).collect();
            loci.sort_unstable();
            loci
        };
        assert_eq!(tally(&one), [("rtp", 29_700), ("sip", 300)]);
        assert_eq!(loci(1), (0..300).map(|n| n * 100 + 8).collect::<Vec<u64>>());
        let flows = one.flows;
        for threads in [2, 5] {
            let other = read(&file, threads);
            assert_eq!((&other.tally, &other.anomalies), (&one.tally, &one.anomalies));
            assert_eq!(other.records, 30_000);
            assert_eq!(loci(threads), loci(1));
            drop(other);
        }
        let wanted = flows.finish(&crate::rtp::Breaks::default());
        assert_eq!(wanted.flows.len(), 10);
        assert_eq!(read(&file, 3).flows.finish(&crate::rtp::Breaks::default()), wanted);
    }

    #[test]
    fn mutated_captures_close_their_tallies() {
        let little = PcapNg { big_endian: false };
        let mut pcapng = [little.section(), little.interface(1, 0, &[])].concat();
        for packet in packets() {
            pcapng.extend(little.enhanced(0, 1_700_000_000_000_000, &packet, packet.len()));
        }
        let pcap = Pcap { big_endian: true, ..Pcap::default() }.file(&packets());
        let mut random = Random(3);
        for round in 0..300 {
            let mut file = if round % 2 == 0 { pcap.clone() } else { pcapng.clone() };
            for _ in 0..=random.below(12) {
                let at = 12 + random.below(file.len() - 12);
                file[at] = random.below(256) as u8;
            }
            if round % 5 == 0 {
                file.truncate(30 + random.below(file.len() - 30));
            }
            let sum = read(&file, 1);
            assert!(sum.records <= 20);
        }
    }
}
