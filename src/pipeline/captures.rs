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
use std::sync::Arc;

use crate::capture::{self, Format, Frame, LinkType};
use crate::evidence::{Anomalies, Block, Locus, Reading, SourceId, Stage, Tally, Timestamp};
use crate::facts::SignallingBatch;
use crate::facts::extract::{self, Extracted, Keep, Seen};
use crate::net::{self, Packet, Payload};
use crate::{rtp, sip};

/// What may become of a packet, with what it means: the reasons of a capture's tally. Stable words.
pub const REASONS: [(&str, &str); 15] = [
    ("icmp", "an ICMP message; SIP that it quotes is no message"),
    ("ip_fragment", "a part of a fragmented IP packet"),
    ("ip_other", "another protocol over IP"),
    ("link_type_unsupported", "a packet of a link type that is not read"),
    ("malformed", "a packet whose headers are cut or contradict themselves"),
    ("not_ip", "a packet without IP, such as ARP"),
    ("rtcp", "RTCP"),
    ("rtp", "RTP, counted in a flow"),
    ("rtp_no_dialog", "RTP of a flow that belongs to no negotiated stream"),
    ("rtp_uncounted", "RTP beyond the limits of accounting"),
    ("sip", "a SIP message"),
    ("sip_no_call_id", "a SIP message that shows no Call-ID"),
    ("tcp", "a TCP segment"),
    ("udp_empty", "a UDP datagram without content, or with line ends only, that keeps an address binding alive"),
    ("udp_other", "any other UDP datagram"),
];

/// How packets are counted while a block is decoded: one number for each of these reasons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reason {
    Icmp,
    IpFragment,
    IpOther,
    LinkTypeUnsupported,
    Malformed,
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
const WORDS: [&str; 13] = [
    "icmp",
    "ip_fragment",
    "ip_other",
    "link_type_unsupported",
    "malformed",
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
    ledger: Arc<rtp::Ledger>,
}

/// What one block of a capture gives.
#[derive(Debug)]
pub struct CapturePart {
    batch: SignallingBatch,
    tally: Tally,
    anomalies: Anomalies,
    unread_links: BTreeMap<u16, u64>,
    records: u64,
    first: Option<Timestamp>,
    last: Option<Timestamp>,
}

/// What a capture adds up to.
#[derive(Debug, Default)]
pub struct CaptureSum {
    /// Its SIP messages, in batches in the order of the capture.
    pub batches: Vec<SignallingBatch>,
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
    ledger: Arc<rtp::Ledger>,
    source: Option<SourceId>,
    /// Packets of each link type that is not read.
    unread_links: BTreeMap<u16, u64>,
}

/// Begins to read a capture of a format that [`capture::recognise`] told from its head.
pub fn reading<'s>(
    source: SourceId,
    reader: Box<dyn Read + Send>,
    format: Format,
    keep: &'s Keep,
) -> Reading<CaptureStage<'s>> {
    let ledger = Arc::new(rtp::Ledger::default());
    let sum = CaptureSum { ledger: Arc::clone(&ledger), source: Some(source), ..CaptureSum::default() };
    Reading::new(CaptureStage { source, keep, ledger }, capture::Walk::new(format), sum, reader)
}

/// What a capture added up to, once no worker takes steps any more, and the failure that ended its reading early.
#[must_use]
pub fn finish(reading: Reading<CaptureStage<'_>>) -> (CaptureSum, Option<io::Error>) {
    let (mut sum, _, failure) = reading.finish();
    if let Some(source) = sum.source.take() {
        sum.flows = std::mem::take(&mut sum.ledger).finish(source);
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
            format!("accounting for RTP takes more than {} bytes; {uncounted} packets are in no flow", rtp::DETAIL_LIMIT)
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
            keep: self.keep,
            batch: SignallingBatch::default(),
            table: self.ledger.take(),
            anomalies: Anomalies::default(),
            unread_links: BTreeMap::new(),
            counts: [0; WORDS.len()],
        };
        let (mut first, mut last) = (Instant::MAX, Instant::MIN);
        let mut frames = block.head.frames(block.bytes);
        for frame in frames.by_ref() {
            let reason = decoder.decode(&frame);
            if let Some(count) = decoder.counts.get_mut(reason as usize) {
                *count += 1;
            }
            // No digits: a packet that nothing gives a time.
            if frame.at.digits > 0 || frame.at.ns != 0 {
                first = first.min((frame.at.ns, frame.at.digits));
                last = last.max((frame.at.ns, frame.at.digits));
            }
        }
        self.ledger.give_back(decoder.table, block.end);
        let mut anomalies = frames.into_anomalies();
        anomalies.absorb(decoder.anomalies, 0);
        let mut tally = Tally::default();
        for (word, count) in WORDS.iter().zip(decoder.counts) {
            tally.add(word, count);
        }
        decoder.batch.shrink();
        let time = |(ns, digits)| (first <= last).then(|| Timestamp::new(ns, digits));
        CapturePart {
            batch: decoder.batch,
            records: tally.total(),
            tally,
            anomalies,
            unread_links: decoder.unread_links,
            first: time(first),
            last: time(last),
        }
    }

    fn absorb(&self, sum: &mut CaptureSum, part: CapturePart) {
        if !part.batch.is_empty() {
            sum.batches.push(part.batch);
        }
        sum.tally.merge(&part.tally);
        // Records are numbered through the whole capture already.
        sum.anomalies.absorb(part.anomalies, 0);
        for (link, count) in part.unread_links {
            *sum.unread_links.entry(link).or_insert(0) += count;
        }
        sum.records += part.records;
        sum.first = sum.first.into_iter().chain(part.first).min();
        sum.last = sum.last.into_iter().chain(part.last).max();
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
    keep: &'s Keep,
    batch: SignallingBatch,
    table: rtp::Table,
    anomalies: Anomalies,
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
            rtp::Kind::Other if sip::looks_like_sip(payload.bytes) => self.sip(frame, payload),
            rtp::Kind::Other => self.other_udp(frame, payload),
            rtp::Kind::Unreadable => {
                self.truncated(frame);
                Reason::UdpOther
            }
        }
    }

    #[inline(never)]
    fn sip(&mut self, frame: &Frame<'_>, payload: &Payload<'_>) -> Reason {
        let seen = Seen {
            at: frame.at,
            locus: Locus { source: self.source, record: frame.record },
            hop: payload.ends.hop(),
            transport: payload.transport,
            truncated: payload.truncated,
        };
        let reason = match extract::signalling(payload.bytes, seen, self.keep, &mut self.batch, &mut self.anomalies) {
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

    /// A frame without a UDP payload.
    #[inline(never)]
    fn aside(&mut self, frame: &Frame<'_>, packet: Packet<'_>) -> Reason {
        let (reason, truncated) = match packet {
            Packet::Fragment { truncated } => (Reason::IpFragment, truncated),
            Packet::Icmp => (Reason::Icmp, false),
            Packet::IpOther => (Reason::IpOther, false),
            Packet::Malformed { truncated } => (Reason::Malformed, truncated),
            Packet::NotIp => (Reason::NotIp, false),
            Packet::Tcp { truncated } => (Reason::Tcp, truncated),
            Packet::TooDeep => {
                self.anomalies.note("limit_tunnels", Some(frame.record), || {
                    format!("more than {} headers within headers; what is further in is not read", net::TUNNELS_LIMIT)
                });
                (Reason::IpOther, false)
            }
            Packet::Udp(_) => (Reason::UdpOther, false),
            Packet::UnsupportedLink => {
                if frame.link_type == LinkType::UNKNOWN {
                    return Reason::Malformed;
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

    /// Counts a packet of which something is missing that could have mattered.
    #[cold]
    fn truncated(&mut self, frame: &Frame<'_>) {
        let (captured, sent) = (frame.bytes.len(), frame.original_len);
        if frame.is_cut() {
            self.anomalies.note("truncated_packet", Some(frame.record), || format!("{captured} bytes captured of {sent}"));
        } else {
            self.anomalies.note("bad_length", Some(frame.record), || {
                format!("a header claims more bytes than the {captured} of its packet")
            });
        }
    }
}
