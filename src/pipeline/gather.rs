//! What one capture holds of TCP connections and of fragmented packets, kept until all captures were read.
//!
//! The decoder of a block copies TCP segments and fragments into [`Pieces`]; they are absorbed in the order of the
//! capture, so that what is kept does not depend on who decoded which block. A connection is kept raw while it may be,
//! or once it is, SIP, WebSocket or HEP; TLS is counted; anything else is let go as soon as it is known for what it is, or
//! after [`UNDECIDED_BYTES`]: then it is taken up again where a segment starts like one of ours. [`super::join`] puts
//! together what is kept, over all captures.
//!
//! Connections that carried nothing, and those that were silent longest of the ones that showed nothing of ours, give way to
//! others.
//!
//! Keeps: memory within the limits of [`Limits`]; what a limit leaves out is a hole to those who read on, and
//! [unread](super::unread) to the legs of its time.
//!
//! # Anomalies
//!
//! | code | met when |
//! |---|---|
//! | `limit_tcp_connections` | a segment of a connection beyond [`CONNECTIONS`] that carry SIP or may |
//! | `limit_tcp_bytes` | captures together have more than [`KEPT_BYTES`] of connections with SIP: the first segment beyond the share of this one |
//! | `limit_tcp_undecided` | a connection turns out to be of a protocol that is read behind [`UNDECIDED_BYTES`] that did not show it; they are let go |
//! | `limit_fragments` | a packet that is not whole in the capture, beyond [`SET_ASIDE`](super::fragments::SET_ASIDE) of these, or a fragment beyond those that are kept of one packet or the [bytes](super::fragments::FRAGMENT_BYTES) that wait for others |
//! | `fragment_overlap` | fragments of one packet say different bytes of the same place |

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hashbrown::HashMap;

use super::fragments::{Fragmented, Fragments, Part, Reassembled};
use super::unread::Unread;
use crate::capture::Frame;
use crate::evidence::{Anomalies, Locus, SourceId, Timestamp};
use crate::net::fragment::{self, Fragment};
use crate::net::tcp::Segment;
use crate::net::{Ends, hep, tls, websocket};
use crate::sip;

/// Bytes of either direction, keep-alives left out, after which a connection that shows no protocol of ours is let go.
pub const UNDECIDED_BYTES: u64 = 64 << 10;

/// Bytes of TCP that are kept of all captures together.
pub const KEPT_BYTES: u64 = 2 << 30;

/// Connections of one capture that are followed at a time.
pub const CONNECTIONS: usize = 1 << 18;

/// Nanoseconds of capture time after which a packet is not expected to be completed (RFC 8200 §4.5 says 60 s, systems 30).
pub const PENDING_NS: i64 = 30_000_000_000;

/// What bookkeeping of one segment is reckoned as.
const SEGMENT_COST: u64 = 64;

/// How much may be kept of one capture.
///
/// Each may take what all captures have room for, until that is full: then each keeps no more than its share. So how much is
/// kept of one does not depend on how many others there are, nor on who was read first.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Bytes of TCP that one capture may keep whatever the others do.
    share: u64,
    /// Bytes that all of them may keep.
    most: u64,
    /// Bytes that all of them kept at most so far: captures only ever add to it.
    kept: Arc<AtomicU64>,
    connections: usize,
}

impl Limits {
    /// What may be kept of `sources` together.
    #[must_use]
    pub fn of(sources: usize) -> Self {
        let share = (KEPT_BYTES / sources.max(1) as u64).max(8 << 20);
        Self { share, most: KEPT_BYTES, kept: Arc::default(), connections: CONNECTIONS }
    }

    /// Smaller ones: of bytes the share and the whole, and of connections.
    #[cfg(test)]
    pub(crate) fn small((share, most): (u64, u64), connections: usize) -> Self {
        Self { share, most, kept: Arc::default(), connections }
    }

    /// A capture keeps more than it ever did.
    fn tell(&self, more: u64) {
        self.kept.fetch_add(more, Ordering::Relaxed);
    }

    fn are_exceeded(&self) -> bool {
        self.kept.load(Ordering::Relaxed) > self.most
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
    /// How often there was no room for a connection since sweeping made some.
    pressed: usize,
    /// What is kept of connections that may matter, and how much of that the limits were told of.
    kept_bytes: u64,
    told: u64,
    /// What is kept of those that have shown nothing yet.
    undecided_bytes: u64,
    /// The first segment with which more than the share was kept, and the time of the last one from there on.
    over: Option<(Timestamp, Locus)>,
    last_over: Option<Timestamp>,
    /// Whether nothing is kept from there on.
    is_cut: bool,
    unread: Unread,
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
    /// The record of its last segment.
    last: u64,
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
    let bytes = bytes.get(sip::framing::behind_proxy(bytes)..).unwrap_or_default();
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
            pressed: 0,
            kept_bytes: 0,
            told: 0,
            undecided_bytes: 0,
            over: None,
            last_over: None,
            is_cut: false,
            unread: Unread::default(),
            fragments: Fragments::default(),
        }
    }

    /// Takes what the next block of the capture gave. Gives packets that a limit hands on as far as they go.
    pub(crate) fn absorb(&mut self, pieces: &Pieces, anomalies: &mut Anomalies) -> Vec<Reassembled> {
        self.cut();
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
                        brought_by: Vec::new(),
                        offset: *offset,
                        more: *more,
                        truncated: entry.truncated,
                        bytes: bytes.into(),
                    };
                    self.fragments.add(*id, part, anomalies);
                }
            }
        }
        self.fragments.take_cut_short()
    }

    fn segment(&mut self, key: Ends, held: Held, bytes: &[u8], anomalies: &mut Anomalies) {
        let record = Some(held.locus.record);
        if self.over.is_some() {
            self.last_over = self.last_over.max(Some(held.at));
        }
        if self.undecided_bytes > self.limits.share / 2 {
            self.pass_over();
        }
        if !self.connections.contains_key(&key) && !self.has_room() {
            let most = self.limits.connections;
            anomalies.note("limit_tcp_connections", record, || format!("more than {most} TCP connections"));
            self.unread.add(held.at, held.locus);
            return;
        }
        let connection = self.connections.entry(key).or_default();
        let direction = usize::from(held.turned);
        if held.syn {
            let moved = connection.begin(direction, held.sequence);
            self.undecided_bytes -= moved;
            self.kept_bytes += moved;
        }
        connection.last = held.locus.record;
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
            (Phase::Undecided, Guess::Sip | Guess::WebSocket | Guess::Hep) => {
                let moved = connection.settle();
                self.undecided_bytes -= moved;
                self.kept_bytes += moved;
            }
            (Phase::LetGo, Guess::Sip | Guess::WebSocket | Guess::Hep) => {
                connection.phase = Phase::Kept;
                anomalies.note("limit_tcp_undecided", record, || {
                    format!(
                        "the first {UNDECIDED_BYTES} bytes do not show what the connection carries; they are not read"
                    )
                });
            }
            (Phase::Undecided, Guess::Tls) => {
                self.undecided_bytes -= connection.let_go(Phase::Tls);
                let (initial, turned) = (connection.initial, held.turned);
                let (first, last) = (held.at, held.at);
                let server_name = Vec::new();
                connection.tls.push(TlsUse { initial, turned, first, last, packets: 0, server_name });
                connection.hello =
                    Some(Box::new(ClientHello { turned, next: held.sequence, ..ClientHello::default() }));
            }
            (Phase::Undecided, Guess::Nothing) => {
                self.undecided_bytes -= connection.let_go(Phase::Dismissed);
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
        if self.is_cut {
            connection.overflowed = true;
        } else {
            connection.keep(held, bytes);
            match connection.phase {
                Phase::Kept => self.kept_bytes += cost,
                _ => self.undecided_bytes += cost,
            }
        }
        let is_long = connection.seen.iter().any(|seen| *seen > UNDECIDED_BYTES);
        if connection.phase == Phase::Undecided && is_long {
            if super::join::is_ours(connection) {
                let moved = connection.settle();
                self.undecided_bytes -= moved;
                self.kept_bytes += moved;
            } else {
                self.undecided_bytes -= connection.let_go(Phase::LetGo);
            }
        }
        self.reckon(held.at, held.locus);
    }

    /// Tells the limits what is kept, and notes where that is more than the share.
    fn reckon(&mut self, at: Timestamp, locus: Locus) {
        if self.kept_bytes > self.told {
            self.limits.tell(self.kept_bytes - self.told);
            self.told = self.kept_bytes;
        }
        if self.kept_bytes > self.limits.share && self.over.is_none() {
            self.over = Some((at, locus));
            self.last_over = Some(at);
        }
    }

    /// Once all captures together keep too much, lets go of what is beyond this one's share: everything from the segment on
    /// that went beyond it.
    fn cut(&mut self) {
        let Some((_, locus)) = self.over.filter(|_| !self.is_cut && self.limits.are_exceeded()) else { return };
        self.is_cut = true;
        let (mut undecided, mut kept) = (0, 0);
        self.connections.retain(|_, connection| {
            connection.cut_at(locus.record);
            kept += connection.settled_cost();
            match connection.phase {
                Phase::Undecided => undecided += connection.own_cost(),
                _ => kept += connection.own_cost(),
            }
            true
        });
        (self.undecided_bytes, self.kept_bytes) = (undecided, kept);
    }

    /// Whether there is room for one more connection.
    fn has_room(&mut self) -> bool {
        let most = self.limits.connections;
        if self.connections.len() < most {
            return true;
        }
        // A table full of what matters is not swept for every newcomer.
        if self.pressed.is_multiple_of((most / 4).max(1)) {
            self.sweep();
        }
        self.pressed += 1;
        let room = most.saturating_sub(self.connections.len());
        if room > most / 16 {
            self.pressed = 0;
        }
        room > 0
    }

    /// Forgets connections that carried nothing, or nothing of ours. To meet one of them again costs time, no truth.
    fn sweep(&mut self) {
        let (mut freed, mut settled) = (0, 0);
        self.connections.retain(|_, connection| {
            let is_bare = connection.phase == Phase::Undecided && connection.bytes.is_empty();
            let stays = connection.is_used() || !(connection.is_dismissed() || is_bare);
            if !stays {
                freed += connection.own_cost();
                settled += connection.settled_cost();
            }
            stays
        });
        self.undecided_bytes -= freed;
        self.kept_bytes -= settled;
        if self.connections.len() > self.limits.connections / 4 * 3 {
            self.pass_over();
        }
    }

    /// Of the connections that have shown nothing of ours, forgets the half that was silent longest.
    fn pass_over(&mut self) {
        let (mut ours, mut freed, mut settled) = (0, 0, 0);
        let mut silent = Vec::new();
        self.connections.retain(|_, connection| {
            if connection.phase == Phase::Undecided && connection.own_cost() > 0 {
                match super::join::is_ours(connection) {
                    true => ours += connection.settle(),
                    false => silent.push(connection.last),
                }
            }
            true
        });
        silent.sort_unstable();
        if let Some(newest) = silent.get(silent.len().saturating_sub(1) / 2).copied() {
            self.connections.retain(|_, connection| {
                if connection.phase != Phase::Undecided || connection.last > newest {
                    return true;
                }
                freed += connection.let_go(Phase::Undecided);
                let stays = connection.is_used();
                if !stays {
                    settled += connection.settled_cost();
                }
                stays
            });
        }
        self.undecided_bytes -= ours + freed;
        self.kept_bytes = self.kept_bytes + ours - settled;
    }

    /// What is kept, in an order that nothing but the capture decides.
    pub(crate) fn finish(mut self, anomalies: &mut Anomalies) -> Gathered {
        self.cut();
        if let Some((at, locus)) = self.over.filter(|_| self.is_cut) {
            self.unread.add_all(at, locus, self.last_over.unwrap_or(at));
            let Limits { share, most, .. } = self.limits;
            anomalies.note("limit_tcp_bytes", Some(locus.record), || {
                format!(
                    "more than {most} bytes of TCP to be kept of all captures; of this one {share} are, and nothing from \
                     this segment on"
                )
            });
        }
        let mut connections: Vec<(Ends, Connection)> =
            self.connections.drain().filter(|(_, connection)| connection.is_used()).collect();
        connections.sort_unstable_by_key(|(key, _)| *key);
        Gathered { connections, fragmented: self.fragments.finish(anomalies), unread: self.unread }
    }
}

impl Connection {
    /// A SYN: of a use of the ports that is known, or of a new one. Gives what was kept of one that had shown nothing.
    fn begin(&mut self, direction: usize, sequence: u32) -> u64 {
        let Some(initial) = self.initial.get_mut(direction) else { return 0 };
        if initial.replace(sequence) == Some(sequence) {
            return 0;
        }
        let moved = if self.phase == Phase::Undecided { self.own_cost() } else { 0 };
        self.phase = Phase::Undecided;
        self.hello = None;
        self.seen = [0; 2];
        self.settled = (self.held.len(), self.bytes.len());
        moved
    }

    /// It is one of ours; gives what is kept of it.
    fn settle(&mut self) -> u64 {
        self.phase = Phase::Kept;
        self.own_cost()
    }

    /// What the segments of this use of the ports are reckoned as.
    fn own_cost(&self) -> u64 {
        let (held, bytes) = self.settled;
        (self.held.len() - held) as u64 * SEGMENT_COST + (self.bytes.len() - bytes) as u64
    }

    /// What those of earlier uses are reckoned as.
    fn settled_cost(&self) -> u64 {
        let (held, bytes) = self.settled;
        held as u64 * SEGMENT_COST + bytes as u64
    }

    /// Lets go of the segments from that record on.
    fn cut_at(&mut self, record: u64) {
        let kept = self.held.partition_point(|held| held.locus.record < record);
        if kept < self.held.len() {
            self.overflowed = true;
            self.held.truncate(kept);
            self.bytes.truncate(self.held.last().map_or(0, |held| held.bytes.1));
            self.settled = (self.settled.0.min(self.held.len()), self.settled.1.min(self.bytes.len()));
            self.held.shrink_to_fit();
            self.bytes.shrink_to_fit();
        }
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
        let freed = self.own_cost();
        let (held, bytes) = self.settled;
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
    /// What its fragments gave.
    pub(crate) fragmented: Fragmented,
    /// What limits kept from being read.
    pub(crate) unread: Unread,
}
