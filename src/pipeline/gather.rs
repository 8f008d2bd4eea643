//! What one capture holds of TCP connections and of fragmented packets, kept until all captures were read.
//!
//! The decoder of a block copies TCP segments and fragments into [`Pieces`]; they are absorbed in the order of the
//! capture, so that what is kept does not depend on who decoded which block. A connection is kept raw while it may be,
//! or once it is, SIP, WebSocket or HEP; TLS is counted; anything else is let go as soon as it is known for what it is, or
//! after [`UNDECIDED_BYTES`]: then it is taken up again where a segment starts like one of ours. [`super::join`] puts
//! together what is kept, over all captures.
//!
//! Keeps: memory within the limits of [`Limits`]; what a limit leaves out is a hole to those who read on.
//!
//! # Anomalies
//!
//! | code | met when |
//! |---|---|
//! | `limit_tcp_connections` | a segment of a connection beyond [`CONNECTIONS`] that are followed at a time |
//! | `limit_tcp_bytes` | a segment beyond the bytes that are kept of TCP, [`KEPT_BYTES`] for all captures together |
//! | `limit_tcp_undecided` | a connection turns out to be of a protocol that is read behind [`UNDECIDED_BYTES`] that did not show it; they are let go |
//! | `limit_fragments` | a fragment of a packet given up because more than [`PENDING_PACKETS`] were incomplete, or because it has too many or too many bytes of them are kept |
//! | `fragment_overlap` | fragments of one packet say different bytes of the same place |

use std::collections::{BTreeMap, VecDeque};

use hashbrown::HashMap;

use crate::capture::Frame;
use crate::evidence::{Anomalies, Locus, SourceId, Timestamp};
use crate::net::fragment::{self, Fragment, Joined, MAX_FRAGMENTS};
use crate::net::tcp::Segment;
use crate::net::{Ends, hep, tls, websocket};
use crate::sip;

/// Bytes of either direction, keep-alives left out, after which a connection that shows no protocol of ours is let go.
pub const UNDECIDED_BYTES: u64 = 64 << 10;

/// Bytes of TCP that are kept of all captures together.
pub const KEPT_BYTES: u64 = 2 << 30;

/// Connections of one capture that are followed at a time.
pub const CONNECTIONS: usize = 1 << 18;

/// Incomplete packets of one capture at a time.
pub const PENDING_PACKETS: usize = 4_096;

/// Nanoseconds of capture time after which a packet is not expected to be completed (RFC 8200 §4.5 says 60 s, systems 30).
pub const PENDING_NS: i64 = 30_000_000_000;

/// Bytes of incomplete packets, and of those put together, that are kept of one capture.
const FRAGMENT_BYTES: usize = 64 << 20;

/// What bookkeeping of one segment is reckoned as.
const SEGMENT_COST: u64 = 64;

/// How much may be kept of one capture.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    tcp_bytes: u64,
    connections: usize,
}

impl Limits {
    /// Shares what may be kept among `sources`.
    #[must_use]
    pub fn of(sources: usize) -> Self {
        Self { tcp_bytes: (KEPT_BYTES / sources.max(1) as u64).max(8 << 20), connections: CONNECTIONS }
    }
}

/// What one block gave that spans packets: its TCP segments and fragments, in order, their bytes in one arena.
#[derive(Debug, Default)]
pub(crate) struct Pieces {
    entries: Vec<Entry>,
    bytes: Vec<u8>,
}

#[derive(Debug)]
struct Entry {
    at: Timestamp,
    record: u64,
    what: What,
    truncated: bool,
    bytes: (usize, usize),
}

#[derive(Debug)]
enum What {
    Segment { ends: Ends, sequence: u32, syn: bool },
    Fragment { id: fragment::Id, offset: u32, more: bool },
}

impl Pieces {
    pub(crate) fn segment(&mut self, frame: &Frame<'_>, segment: &Segment<'_>) {
        if segment.bytes.is_empty() && !segment.syn && !segment.truncated {
            return;
        }
        let Segment { ends, sequence, syn, bytes, truncated } = *segment;
        self.push(frame, What::Segment { ends, sequence, syn }, bytes, truncated);
    }

    pub(crate) fn fragment(&mut self, frame: &Frame<'_>, fragment: &Fragment<'_>) {
        let Fragment { id, offset, more, bytes, truncated } = *fragment;
        self.push(frame, What::Fragment { id, offset, more }, bytes, truncated);
    }

    fn push(&mut self, frame: &Frame<'_>, what: What, bytes: &[u8], truncated: bool) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        self.entries.push(Entry {
            at: frame.at,
            record: frame.record,
            what,
            truncated,
            bytes: (start, self.bytes.len()),
        });
    }
}

/// What is kept of one capture.
#[derive(Debug)]
pub(crate) struct Gathering {
    limits: Limits,
    source: SourceId,
    connections: HashMap<Ends, Connection, foldhash::fast::RandomState>,
    /// Connections let go since the map was last swept.
    dismissed: usize,
    kept_bytes: u64,
    fragments: Fragments,
}

/// Both directions of one pair of ends.
#[derive(Debug, Default)]
pub(crate) struct Connection {
    pub(crate) held: Vec<Held>,
    pub(crate) bytes: Vec<u8>,
    pub(crate) tls: Vec<TlsUse>,
    hello: Option<Box<ClientHello>>,
    /// Whether segments were left out for a limit.
    pub(crate) overflowed: bool,
    phase: Phase,
    /// The sequence numbers of the SYNs seen last, by direction.
    initial: [Option<u32>; 2],
    /// Payload bytes since then, by direction.
    seen: [u64; 2],
    /// How many segments and bytes belong to earlier uses of the ports.
    settled: (usize, usize),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Undecided,
    Kept,
    Tls,
    /// Of a protocol that is not read.
    Dismissed,
    /// Of none that its first bytes show.
    LetGo,
}

/// A segment that is kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Held {
    pub(crate) at: Timestamp,
    pub(crate) locus: Locus,
    pub(crate) sequence: u32,
    pub(crate) syn: bool,
    pub(crate) truncated: bool,
    /// Whether it goes against the order in which the connection's ends stand.
    pub(crate) turned: bool,
    /// Whether it came in IP fragments, which are counted as such.
    pub(crate) fragmented: bool,
    /// Its place in the connection's bytes.
    pub(crate) bytes: (usize, usize),
}

/// One use of TLS on a connection.
#[derive(Clone, Debug)]
pub(crate) struct TlsUse {
    pub(crate) initial: [Option<u32>; 2],
    pub(crate) turned: bool,
    pub(crate) first: Timestamp,
    pub(crate) last: Timestamp,
    pub(crate) packets: u64,
    /// The server name that the client asked for; empty where none was seen.
    pub(crate) server_name: Vec<u8>,
}

/// The first bytes of a TLS client, until the name of the server is in them.
#[derive(Debug, Default)]
struct ClientHello {
    bytes: Vec<u8>,
    turned: bool,
    /// The sequence number of the byte that comes next.
    next: u32,
}

/// What the bytes at the start of a segment, or of a stream, are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Guess {
    Hep,
    /// A protocol that is not read.
    Nothing,
    Sip,
    Tls,
    Unknown,
    WebSocket,
}

/// Judges by the first bytes.
pub(crate) fn guess(bytes: &[u8]) -> Guess {
    if sip::looks_like_sip(bytes) {
        return Guess::Sip;
    }
    match bytes {
        // Alert, handshake or data of TLS 1.0 to 1.3, or SSL 3 (RFC 8446 §5.1), with a length that may be.
        [20..=23, 3, 0..=4, high, low, ..] if (1..=18_432).contains(&u16::from_be_bytes([*high, *low])) => Guess::Tls,
        _ if hep::length(bytes).is_some() => Guess::Hep,
        _ => match websocket::handshake(bytes) {
            Some(found) if found.upgrade && found.sip => Guess::WebSocket,
            // What another header row would say may be in the next segment; an upgrade may be answered with `sip`.
            Some(found) if found.bytes.is_none() || found.upgrade => Guess::Unknown,
            Some(_) => Guess::Nothing,
            None if is_sip_frame(bytes) => Guess::WebSocket,
            None => Guess::Unknown,
        },
    }
}

/// Whether a WebSocket frame that carries SIP starts here.
pub(crate) fn is_sip_frame(bytes: &[u8]) -> bool {
    let Some(Some(frame @ websocket::Frame { kind: websocket::Kind::Data, .. })) = websocket::frame(bytes) else {
        return false;
    };
    let payload = bytes.get(frame.header..).unwrap_or_default();
    let payload = payload.get(..payload.len().min(512).min(usize::try_from(frame.payload).unwrap_or(512)));
    let mut text = Vec::new();
    websocket::unmask(payload.unwrap_or_default(), frame.mask, &mut text);
    sip::looks_like_sip(&text)
}

impl Gathering {
    pub(crate) fn new(source: SourceId, limits: Limits) -> Self {
        Self {
            limits,
            source,
            connections: HashMap::default(),
            dismissed: 0,
            kept_bytes: 0,
            fragments: Fragments::default(),
        }
    }

    /// Takes what the next block of the capture gave.
    pub(crate) fn absorb(&mut self, pieces: &Pieces, anomalies: &mut Anomalies) {
        for entry in &pieces.entries {
            let bytes = pieces.bytes.get(entry.bytes.0..entry.bytes.1).unwrap_or_default();
            let locus = Locus { source: self.source, record: entry.record };
            match &entry.what {
                What::Segment { ends, sequence, syn } => {
                    let turned = ends.turned() < *ends;
                    let held = Held {
                        at: entry.at,
                        locus,
                        sequence: *sequence,
                        syn: *syn,
                        truncated: entry.truncated,
                        turned,
                        fragmented: false,
                        bytes: (0, 0),
                    };
                    self.segment(if turned { ends.turned() } else { *ends }, held, bytes, anomalies);
                }
                What::Fragment { id, offset, more } => {
                    let part = Part {
                        at: entry.at,
                        locus,
                        offset: *offset,
                        more: *more,
                        truncated: entry.truncated,
                        bytes: bytes.into(),
                    };
                    self.fragments.add(*id, part, anomalies);
                }
            }
        }
    }

    fn segment(&mut self, key: Ends, held: Held, bytes: &[u8], anomalies: &mut Anomalies) {
        let record = Some(held.locus.record);
        if !self.connections.contains_key(&key) && self.connections.len() >= self.limits.connections {
            if self.dismissed >= self.limits.connections / 4 {
                // To meet one of them again costs time, no truth.
                self.connections.retain(|_, connection| !connection.is_dismissed() || connection.is_used());
                self.dismissed = 0;
            }
            if self.connections.len() >= self.limits.connections {
                let most = self.limits.connections;
                anomalies.note("limit_tcp_connections", record, || format!("more than {most} TCP connections"));
                return;
            }
        }
        let connection = self.connections.entry(key).or_default();
        let direction = usize::from(held.turned);
        if held.syn {
            connection.begin(direction, held.sequence);
        }
        // What keeps a connection alive (RFC 5626 §3.5.1) says nothing of its protocol, however long it lasts.
        let is_blank = bytes.iter().all(|byte| matches!(byte, b'\r' | b'\n'));
        if let Some(seen) = connection.seen.get_mut(direction).filter(|_| !is_blank) {
            *seen += bytes.len() as u64;
        }
        let guess = match connection.phase {
            Phase::Undecided | Phase::LetGo => self::guess(bytes),
            Phase::Kept | Phase::Tls | Phase::Dismissed => Guess::Unknown,
        };
        match (connection.phase, guess) {
            (Phase::Undecided, Guess::Sip | Guess::WebSocket | Guess::Hep) => connection.phase = Phase::Kept,
            (Phase::LetGo, Guess::Sip | Guess::WebSocket | Guess::Hep) => {
                connection.phase = Phase::Kept;
                anomalies.note("limit_tcp_undecided", record, || {
                    format!(
                        "the first {UNDECIDED_BYTES} bytes do not show what the connection carries; they are not read"
                    )
                });
            }
            (Phase::Undecided, Guess::Tls) => {
                self.kept_bytes -= connection.let_go(Phase::Tls);
                let (initial, turned) = (connection.initial, held.turned);
                let (first, last) = (held.at, held.at);
                let server_name = Vec::new();
                connection.tls.push(TlsUse { initial, turned, first, last, packets: 0, server_name });
                connection.hello =
                    Some(Box::new(ClientHello { turned, next: held.sequence, ..ClientHello::default() }));
            }
            (Phase::Undecided, Guess::Nothing) => {
                self.kept_bytes -= connection.let_go(Phase::Dismissed);
                self.dismissed += 1;
            }
            _ => {}
        }
        match connection.phase {
            Phase::Dismissed | Phase::LetGo => return,
            Phase::Tls => {
                connection.read_hello(&held, bytes);
                if let Some(tls) = connection.tls.last_mut().filter(|_| !bytes.is_empty()) {
                    tls.packets += 1;
                    tls.first = tls.first.min(held.at);
                    tls.last = tls.last.max(held.at);
                }
                return;
            }
            Phase::Undecided | Phase::Kept => {}
        }
        let cost = bytes.len() as u64 + SEGMENT_COST;
        // Half is for those that are known to matter.
        let room = if connection.phase == Phase::Kept { self.limits.tcp_bytes } else { self.limits.tcp_bytes / 2 };
        if self.kept_bytes + cost > room {
            connection.overflowed = true;
            let most = self.limits.tcp_bytes;
            anomalies
                .note("limit_tcp_bytes", record, || format!("more than {most} bytes of TCP to be kept of one capture"));
        } else {
            self.kept_bytes += cost;
            connection.keep(held, bytes);
        }
        let is_long = connection.seen.iter().any(|seen| *seen > UNDECIDED_BYTES);
        if connection.phase == Phase::Undecided && is_long {
            if super::join::is_ours(connection) {
                connection.phase = Phase::Kept;
            } else {
                self.kept_bytes -= connection.let_go(Phase::LetGo);
                self.dismissed += 1;
            }
        }
    }

    /// What is kept, in an order that nothing but the capture decides.
    pub(crate) fn finish(mut self) -> Gathered {
        let mut connections: Vec<(Ends, Connection)> =
            self.connections.drain().filter(|(_, connection)| connection.is_used()).collect();
        connections.sort_unstable_by_key(|(key, _)| *key);
        self.fragments.expire(None);
        Gathered { connections, packets: self.fragments.packets, incomplete: self.fragments.incomplete }
    }
}

impl Connection {
    /// A SYN: of a use of the ports that is known, or of a new one.
    fn begin(&mut self, direction: usize, sequence: u32) {
        let Some(initial) = self.initial.get_mut(direction) else { return };
        if initial.replace(sequence) == Some(sequence) {
            return;
        }
        self.phase = Phase::Undecided;
        self.hello = None;
        self.seen = [0; 2];
        self.settled = (self.held.len(), self.bytes.len());
    }

    /// Takes the next bytes of a TLS client, up to the name of the server it asks for. Bytes out of order end it.
    fn read_hello(&mut self, held: &Held, bytes: &[u8]) {
        let Some(hello) = self.hello.as_mut().filter(|hello| hello.turned == held.turned && !bytes.is_empty()) else {
            return;
        };
        if hello.next != held.sequence {
            // A copy of what was taken is passed over; behind a hole nothing is read.
            if hello.next.wrapping_sub(held.sequence) as usize != bytes.len() {
                self.hello = None;
            }
            return;
        }
        hello.next = hello.next.wrapping_add(bytes.len() as u32);
        hello.bytes.extend_from_slice(bytes);
        let Some(used) = self.tls.last_mut() else { return };
        if tls::server_name(&hello.bytes, &mut used.server_name) != tls::Hello::Cut {
            self.hello = None;
        }
    }

    fn keep(&mut self, held: Held, bytes: &[u8]) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        self.held.push(Held { bytes: (start, self.bytes.len()), ..held });
    }

    /// Lets go of what is kept of this use of the ports; gives what that is reckoned as.
    fn let_go(&mut self, phase: Phase) -> u64 {
        self.phase = phase;
        let (held, bytes) = self.settled;
        let freed = (self.held.len() - held) as u64 * SEGMENT_COST + (self.bytes.len() - bytes) as u64;
        self.held.truncate(held);
        self.bytes.truncate(bytes);
        if self.held.is_empty() {
            self.held = Vec::new();
            self.bytes = Vec::new();
        }
        freed
    }

    fn is_dismissed(&self) -> bool {
        matches!(self.phase, Phase::Dismissed | Phase::LetGo)
    }

    fn is_used(&self) -> bool {
        !self.bytes.is_empty() || !self.tls.is_empty()
    }
}

/// What is kept of one capture, in order.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    /// By ends, the smaller one first.
    pub(crate) connections: Vec<(Ends, Connection)>,
    /// Packets put together of fragments.
    pub(crate) packets: Vec<Reassembled>,
    /// Packets of which something is missing in this capture.
    pub(crate) incomplete: Vec<Incomplete>,
}

/// A packet of which something is missing.
#[derive(Debug)]
pub(crate) struct Incomplete {
    pub(crate) id: fragment::Id,
    pub(crate) parts: Vec<Part>,
    /// Whether each part stands where one of a packet stands that was complete before it, with other bytes: whether they
    /// contradict that one or are another's, nobody knows.
    pub(crate) contradicts: bool,
}

/// A packet put together of fragments.
#[derive(Debug)]
pub(crate) struct Reassembled {
    /// When its first byte was captured.
    pub(crate) at: Timestamp,
    /// The fragment that completed it.
    pub(crate) locus: Locus,
    /// The fragments it was put together of, and copies of them that came before it was whole.
    pub(crate) parts: Vec<Locus>,
    pub(crate) packet: fragment::Packet,
}

/// A fragment that is kept.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) at: Timestamp,
    pub(crate) locus: Locus,
    pub(crate) offset: u32,
    pub(crate) more: bool,
    pub(crate) truncated: bool,
    pub(crate) bytes: Box<[u8]>,
}

impl Part {
    /// Which bytes of the packet it holds, whatever they are.
    fn shape(&self) -> (u32, usize, bool) {
        (self.offset, self.bytes.len(), self.more)
    }
}

/// The fragments of one capture.
#[derive(Debug, Default)]
struct Fragments {
    pending: BTreeMap<fragment::Id, Pending>,
    /// When packets were begun or completed, oldest first.
    order: VecDeque<(i64, fragment::Id, u64)>,
    births: u64,
    packets: Vec<Reassembled>,
    incomplete: Vec<Incomplete>,
    bytes: usize,
}

#[derive(Debug, Default)]
struct Pending {
    birth: u64,
    parts: Vec<Part>,
    /// Bytes of the parts, copies and all.
    bytes: usize,
    /// Where the packet ends, once a part said so.
    end: Option<usize>,
    /// Completed: what comes again is a copy.
    done: bool,
    /// Which bytes the parts of the packet hold that was completed before under the same identification.
    before: Vec<(u32, usize, bool)>,
}

impl Fragments {
    fn add(&mut self, id: fragment::Id, part: Part, anomalies: &mut Anomalies) {
        self.expire(Some(part.at.ns));
        let record = Some(part.locus.record);
        let pending = self.pending.entry(id).or_default();
        if pending.done {
            let is_copy =
                |known: &Part| known.offset == part.offset && known.bytes == part.bytes && known.more == part.more;
            if pending.parts.iter().any(is_copy) {
                return;
            }
            // The identification is used again, or somebody contradicts what is complete: only what follows can tell.
            self.bytes = self.bytes.saturating_sub(size(&pending.parts));
            let shape = pending.parts.iter().map(Part::shape).collect();
            *pending = Pending { before: shape, ..Pending::default() };
        }
        if pending.parts.is_empty() {
            self.births += 1;
            pending.birth = self.births;
            self.order.push_back((part.at.ns, id, self.births));
        }
        if pending.parts.len() >= MAX_FRAGMENTS || self.bytes + part.bytes.len() > FRAGMENT_BYTES {
            anomalies.note("limit_fragments", record, || {
                format!("more than {MAX_FRAGMENTS} fragments, or {FRAGMENT_BYTES} bytes of them")
            });
            return;
        }
        self.bytes += part.bytes.len();
        let (at, locus) = (part.at, part.locus);
        pending.bytes += part.bytes.len();
        if !part.more && !part.truncated {
            pending.end = pending.end.or(Some(part.offset as usize + part.bytes.len()));
        }
        pending.parts.push(part);
        let joined = pending.end.is_some_and(|end| pending.bytes >= end).then(|| join(&id, &pending.parts));
        if let Some(Joined::Several(_)) = joined {
            self.part(id);
        } else if let Some(Joined::Whole(packet)) = joined {
            pending.done = true;
            let first = pending.parts.iter().filter(|part| part.offset == 0).map(|part| part.at).min().unwrap_or(at);
            if packet.conflict {
                anomalies
                    .note("fragment_overlap", record, || "fragments of one packet contradict each other".to_owned());
            }
            if matters(&packet) {
                let parts = pending.parts.iter().map(|part| part.locus).collect();
                self.packets.push(Reassembled { at: first, locus, parts, packet });
            }
        }
        if self.pending.len() > PENDING_PACKETS {
            anomalies.note("limit_fragments", record, || {
                format!("more than {PENDING_PACKETS} packets in fragments at a time")
            });
            self.give_up();
        }
    }

    /// The last part of an incomplete packet is of another one than those before it, whose turn that is now.
    fn part(&mut self, id: fragment::Id) {
        let Some(pending) = self.pending.get_mut(&id) else { return };
        let Some(last) = pending.parts.pop() else { return };
        self.births += 1;
        self.order.push_back((last.at.ns, id, self.births));
        let end = (!last.more && !last.truncated).then_some(last.offset as usize + last.bytes.len());
        let (birth, bytes) = (self.births, last.bytes.len());
        let next = Pending { birth, parts: vec![last], bytes, end, ..Pending::default() };
        let before = std::mem::replace(pending, next);
        self.set_aside(id, before);
    }

    /// Gives up the packets that are too old at `now`, or all of them.
    fn expire(&mut self, now: Option<i64>) {
        while let Some((born, ..)) = self.order.front() {
            if now.is_some_and(|now| now.saturating_sub(*born) <= PENDING_NS) {
                return;
            }
            self.give_up();
        }
    }

    fn give_up(&mut self) {
        let Some((_, id, birth)) = self.order.pop_front() else { return };
        if self.pending.get(&id).is_none_or(|pending| pending.birth != birth) {
            return;
        }
        if let Some(pending) = self.pending.remove(&id) {
            self.set_aside(id, pending);
        }
    }

    /// Keeps what there is of a packet until the other captures were read.
    fn set_aside(&mut self, id: fragment::Id, pending: Pending) {
        let bytes = size(&pending.parts);
        if pending.done || self.incomplete.len() >= 16 * PENDING_PACKETS {
            self.bytes = self.bytes.saturating_sub(bytes);
            return;
        }
        let contradicts =
            !pending.before.is_empty() && pending.parts.iter().all(|part| pending.before.contains(&part.shape()));
        self.incomplete.push(Incomplete { id, parts: pending.parts, contradicts });
    }
}

fn size(parts: &[Part]) -> usize {
    parts.iter().map(|part| part.bytes.len()).sum()
}

/// Puts parts together, in the order given.
pub(crate) fn join(id: &fragment::Id, parts: &[Part]) -> Joined {
    let parts: Vec<_> = parts.iter().map(|part| (part.offset, part.more, part.truncated, &*part.bytes)).collect();
    fragment::join(id, &parts)
}

/// Whether a packet carries what later stages read: anything but media and what nobody reads.
fn matters(packet: &fragment::Packet) -> bool {
    match crate::net::decode_ip(&packet.bytes, packet.cut) {
        crate::net::Packet::Udp(payload) => sip::looks_like_sip(payload.bytes) || hep::could_be(payload.bytes),
        crate::net::Packet::Tcp(_) => true,
        _ => false,
    }
}
