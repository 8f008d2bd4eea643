//! Joins what spans packets, over all captures: fragments into packets, TCP segments into streams, streams into messages.
//!
//! Rotated files are one conversation, and two taps see the same one: what the captures kept is put together by
//! connection over the time-ordered union, connections in parallel, and framed as SIP (RFC 3261 §18.3), SIP over WebSocket
//! (RFC 7118) or HEP. Whatever came twice counts once.
//!
//! Keeps: the result does not depend on threads, on block borders or on the order of the files; no header counts as whole
//! of which a byte was not captured, or was captured in two versions.
//!
//! # Anomalies
//!
//! Those of [`crate::facts::extract`], and
//!
//! | code | met when |
//! |---|---|
//! | `tcp_gap` | bytes of a connection that carries SIP were not captured |
//! | `tcp_overlap` | segments of such a connection say different bytes of the same place |
//! | `limit_message` | a message on a stream, in WebSocket frames or compressed in HEP has more bytes than are read of one |
//! | `no_content_length` | a SIP message on a stream does not say how long it is |
//! | `lost_fragment` | a part of a fragmented packet was not captured, or fragments of several packets fit but for their lengths or checksums |
//! | `fragment_overlap` | fragments of one packet say different bytes of the same place |
//! | `websocket_compressed` | a WebSocket message is compressed and not read |
//! | `bad_hep` | a HEP packet is cut or contradicts itself |

use std::collections::{BTreeMap, BTreeSet};

use rayon::iter::{IndexedParallelIterator, IntoParallelIterator, ParallelIterator};

use super::fragments::{self, Reassembled};
use super::gather::{Connection, Gathered, Guess, Held, TlsUse, guess, is_sip_frame};
use super::unread::Unread;
use crate::evidence::{Anomalies, Locus, SourceId, Timestamp};
use crate::facts::extract::{self, Extracted, Extractor, Keep, Seen};
use crate::facts::{Hop, SignallingBatch, Store, Transport};
use crate::net::tcp::{self, Piece, Run, Stream};
use crate::net::{self, Ends, Packet, Payload, hep, websocket};
use crate::sip::{self, framing};

/// Connections that are put together by one worker at a time.
const CONNECTIONS_AT_ONCE: usize = 64;

/// A TLS connection: nothing of it can be read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TlsConnection {
    /// The time of its first TLS packet.
    pub first: Timestamp,
    /// The time of its last one.
    pub last: Timestamp,
    /// Between whom.
    pub hop: Hop,
    /// Packets with payload.
    pub packets: u64,
    /// The server name that the client asked for (RFC 6066 §3); empty where none was captured.
    pub server_name: Vec<u8>,
}

/// What the captures together hold beside SIP messages.
#[derive(Debug, Default)]
pub(crate) struct Union {
    /// What became of packets, and what could not be read, by source.
    pub(crate) effects: BTreeMap<SourceId, Effect>,
    /// What limits kept from being read.
    pub(crate) unread: Unread,
    /// TLS connections, by time.
    pub(crate) tls: Vec<TlsConnection>,
    /// For a packet that completed something, the packets that something was made of; filled in as [`Trace`] says.
    pub(crate) made_of: MadeOf,
}

/// The packets that messages and packets were put together of, by the packet that completed them.
pub(crate) type MadeOf = BTreeMap<Locus, BTreeSet<Locus>>;

/// Whether to remember what was put together of what: those who copy packets out of a capture ask it, an audit does not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Trace {
    /// Not at all.
    #[default]
    Nothing,
    /// The fragments and segments of each message.
    Messages,
    /// All segments of each connection that carries messages.
    Connections,
}

/// What is known of one source's packets after the join.
#[derive(Debug, Default)]
pub(crate) struct Effect {
    pub(crate) anomalies: Anomalies,
    /// TCP segments that are counted under another reason.
    pub(crate) segments: BTreeMap<&'static str, u64>,
    /// Bytes that may hold messages and are not read.
    unread: Unread,
}

/// Puts together what the captures kept; the SIP messages go to `store`.
pub(crate) fn union(gathered: Vec<(SourceId, Gathered)>, (keep, store): (&Keep, &Store), trace: Trace) -> Union {
    let mut reader = Reader::new(keep, store, trace);
    let mut packets = Vec::new();
    let mut incomplete = Vec::new();
    let mut known = BTreeSet::new();
    let mut connections: BTreeMap<Ends, Merged> = BTreeMap::new();
    let mut tls = Vec::new();
    let mut unread = Unread::default();
    for (source, gathered) in gathered {
        unread.merge(gathered.unread);
        packets.extend(gathered.fragmented.packets);
        incomplete.extend(gathered.fragmented.incomplete);
        known.extend(gathered.fragmented.known);
        for (key, connection) in gathered.connections {
            for used in &connection.tls {
                tls.push((key, used.clone(), source));
                *reader.effects.entry(source).or_default().segments.entry("tls").or_default() += used.packets;
            }
            if !connection.held.is_empty() {
                connections.entry(key).or_default().add(connection);
            }
        }
    }
    packets.extend(fragments::across(incomplete, &known, |code, locus, detail| reader.note(code, locus, || detail)));
    packets.sort_by_key(|packet| (packet.at, packet.locus));
    for packet in &packets {
        reader.trace(packet.locus, || packet.parts.iter().copied());
        if let Some((key, held, bytes)) = reader.packet(packet) {
            connections.entry(key).or_default().push(held, bytes);
        }
    }
    let tls = tls_connections(tls);
    let connections: Vec<(Ends, Merged)> = connections.into_iter().collect();
    let read: Vec<(BTreeMap<SourceId, Effect>, MadeOf)> = connections
        .into_par_iter()
        .chunks(CONNECTIONS_AT_ONCE)
        .map(|some| {
            let mut reader = Reader::new(keep, store, trace);
            for (key, merged) in some {
                reader.connection(&key, &merged);
            }
            reader.finish()
        })
        .collect();
    let (effects, made_of) = reader.finish();
    let mut union = Union { effects, unread, tls, made_of };
    for (effects, made_of) in read {
        for (source, effect) in effects {
            union.effects.entry(source).or_default().merge(effect);
        }
        for (locus, parts) in made_of {
            union.made_of.entry(locus).or_default().extend(parts);
        }
    }
    for effect in union.effects.values() {
        union.unread.merge(effect.unread);
    }
    union
}

impl Effect {
    fn merge(&mut self, other: Self) {
        self.anomalies.absorb(other.anomalies, 0);
        self.unread.merge(other.unread);
        for (reason, count) in other.segments {
            *self.segments.entry(reason).or_default() += count;
        }
    }
}

/// Uses of TLS, seen in one capture or several, as connections.
fn tls_connections(mut uses: Vec<(Ends, TlsUse, SourceId)>) -> Vec<TlsConnection> {
    uses.sort_by_key(|(key, used, source)| (*key, used.first, *source));
    let mut found: Vec<(Ends, [Option<u32>; 2], TlsConnection)> = Vec::new();
    for (key, used, _) in uses {
        // Without a SYN of its own it goes on what began before.
        let goes_on = |known: &[Option<u32>; 2]| {
            used.initial == [None; 2]
                || known.iter().zip(&used.initial).any(|(one, other)| one.is_some() && one == other)
        };
        match found.last_mut().filter(|(known, initial, _)| *known == key && goes_on(initial)) {
            Some((_, _, connection)) => {
                connection.last = connection.last.max(used.last);
                connection.packets += used.packets;
                if connection.server_name.is_empty() {
                    connection.server_name = used.server_name;
                }
            }
            None => {
                let ends = if used.turned { key.turned() } else { key };
                let TlsUse { first, last, packets, server_name, .. } = used;
                let connection = TlsConnection { first, last, hop: ends.hop(), packets, server_name };
                found.push((key, used.initial, connection));
            }
        }
    }
    let mut connections: Vec<TlsConnection> = found.into_iter().map(|(.., connection)| connection).collect();
    connections.sort_unstable();
    connections
}

/// The segments of one connection from all captures.
#[derive(Default)]
struct Merged {
    held: Vec<Held>,
    bytes: Vec<u8>,
    overflowed: bool,
}

impl Merged {
    fn add(&mut self, connection: Connection) {
        let offset = self.bytes.len();
        self.overflowed |= connection.overflowed;
        if self.held.is_empty() {
            (self.held, self.bytes) = (connection.held, connection.bytes);
            return;
        }
        self.bytes.extend_from_slice(&connection.bytes);
        self.held.extend(
            connection
                .held
                .into_iter()
                .map(|held| Held { bytes: (held.bytes.0 + offset, held.bytes.1 + offset), ..held }),
        );
    }

    fn push(&mut self, held: Held, bytes: &[u8]) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        self.held.push(Held { bytes: (start, self.bytes.len()), ..held });
    }

    /// The streams of one direction, and the segments they were made of.
    fn streams(&self, turned: bool) -> (Vec<Held>, Vec<Stream>) {
        let mut held: Vec<Held> = self.held.iter().filter(|held| held.turned == turned).copied().collect();
        held.sort_by_key(|held| (held.at, held.locus));
        let pieces: Vec<Piece<'_>> = held.iter().map(|held| piece(held, &self.bytes)).collect();
        let mut streams = tcp::streams(&pieces);
        if self.overflowed {
            for run in streams.iter_mut().filter_map(|stream| stream.runs.last_mut()) {
                run.cut = true;
            }
        }
        (held, streams)
    }
}

fn piece<'a>(held: &Held, bytes: &'a [u8]) -> Piece<'a> {
    Piece {
        at: held.at,
        locus: held.locus,
        sequence: held.sequence,
        syn: held.syn,
        bytes: bytes.get(held.bytes.0..held.bytes.1).unwrap_or_default(),
        truncated: held.truncated,
    }
}

/// Whether what is held of a connection, put together, turns out to be of a protocol that is read.
pub(crate) fn is_ours(connection: &Connection) -> bool {
    [false, true].into_iter().any(|turned| {
        let mut held: Vec<Held> = connection.held.iter().filter(|held| held.turned == turned).copied().collect();
        held.sort_by_key(|held| (held.at, held.locus));
        let pieces: Vec<Piece<'_>> = held.iter().map(|held| piece(held, &connection.bytes)).collect();
        tcp::streams(&pieces).iter().any(|stream| protocol(stream).is_some())
    })
}

/// What a stream carries that is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Protocol {
    Hep,
    Sip,
    WebSocket,
}

/// Judges a stream by its first bytes, else by the first segment that starts like something.
fn protocol(stream: &Stream) -> Option<Protocol> {
    for run in &stream.runs {
        for (place, mark) in run.marks.iter().enumerate() {
            // The header of a handshake may be long; a start line is not.
            let window = if place < 64 { websocket::MAX_HANDSHAKE_BYTES } else { 2 << 10 };
            let rest = run.bytes.get(mark.start..).unwrap_or_default();
            match guess(rest.get(..window).unwrap_or(rest)) {
                Guess::Hep => return Some(Protocol::Hep),
                Guess::Sip => return Some(Protocol::Sip),
                Guess::WebSocket => return Some(Protocol::WebSocket),
                Guess::Nothing | Guess::Tls => return None,
                Guess::Unknown => {}
            }
        }
    }
    None
}

/// Reads messages, and notes by source what it met.
struct Reader<'k> {
    extractor: Extractor<'k>,
    store: &'k Store,
    batch: SignallingBatch,
    effects: BTreeMap<SourceId, Effect>,
    trace: Trace,
    made_of: MadeOf,
    /// A packet that stands for all of the connection being read.
    connection: Option<Locus>,
}

impl<'k> Reader<'k> {
    fn new(keep: &'k Keep, store: &'k Store, trace: Trace) -> Self {
        let (batch, effects, made_of) = (store.batch(), BTreeMap::new(), MadeOf::new());
        let extractor = Extractor::new(keep);
        Self { extractor, store, batch, effects, trace, made_of, connection: None }
    }

    /// Adds what was not added yet; gives the rest.
    fn finish(self) -> (BTreeMap<SourceId, Effect>, MadeOf) {
        self.store.give_back(self.batch);
        (self.effects, self.made_of)
    }

    /// Remembers what the thing that `completed` completed was made of.
    fn trace<I: Iterator<Item = Locus>>(&mut self, completed: Locus, parts: impl FnOnce() -> I) {
        if self.trace != Trace::Nothing {
            let made_of = self.made_of.entry(completed).or_default();
            made_of.extend(parts());
            made_of.extend(self.connection);
        }
    }

    fn note(&mut self, code: &'static str, locus: Locus, detail: impl FnOnce() -> String) {
        self.effects.entry(locus.source).or_default().anomalies.note(code, Some(locus.record), detail);
    }

    fn message(&mut self, payload: &[u8], seen: Seen) -> Extracted {
        self.store.make_room(&mut self.batch);
        let anomalies = &mut self.effects.entry(seen.locus.source).or_default().anomalies;
        extract::signalling(payload, seen, &mut self.extractor, &mut self.batch, anomalies)
    }

    /// Reads a packet that was put together of fragments; a TCP segment is given back with the ends of its connection.
    fn packet<'p>(&mut self, reassembled: &'p Reassembled) -> Option<(Ends, Held, &'p [u8])> {
        let (at, locus) = (reassembled.at, reassembled.locus);
        match net::decode_ip(&reassembled.packet.bytes, reassembled.packet.cut) {
            Packet::Udp(payload) => {
                self.store.make_room(&mut self.batch);
                let anomalies = &mut self.effects.entry(locus.source).or_default().anomalies;
                let truncated = payload.truncated || reassembled.packet.cut;
                let payload = Payload { truncated, ..payload };
                datagram(&payload, at, locus, &mut self.extractor, &mut self.batch, anomalies);
                None
            }
            Packet::Tcp(segment) => {
                let turned = segment.ends.turned() < segment.ends;
                let held = Held {
                    at,
                    locus,
                    sequence: segment.sequence,
                    syn: segment.syn,
                    truncated: segment.truncated || reassembled.packet.cut,
                    turned,
                    fragmented: true,
                    bytes: (0, 0),
                };
                Some((if turned { segment.ends.turned() } else { segment.ends }, held, segment.bytes))
            }
            _ => None,
        }
    }

    fn hep(&mut self, packet: &[u8], truncated: bool, at: Timestamp, locus: Locus) -> bool {
        self.store.make_room(&mut self.batch);
        let anomalies = &mut self.effects.entry(locus.source).or_default().anomalies;
        hep(packet, truncated, at, locus, &mut self.extractor, &mut self.batch, anomalies)
    }

    /// Reads both directions of a connection.
    fn connection(&mut self, key: &Ends, merged: &Merged) {
        let directions = [false, true].map(|turned| (turned, merged.streams(turned)));
        let all = || directions.iter().flat_map(|(_, (_, streams))| streams);
        let Some(common) = all().find_map(protocol) else { return };
        if self.trace == Trace::Connections {
            let loci = || merged.held.iter().map(|held| held.locus);
            self.connection = None;
            if let Some(first) = loci().min() {
                self.trace(first, loci);
                self.connection = Some(first);
            }
        }
        for (turned, (held, streams)) in &directions {
            let hop = if *turned { key.turned() } else { *key }.hop();
            for stream in streams {
                let own = protocol(stream).unwrap_or(common);
                let (reason, covered) = match own {
                    Protocol::Sip => ("sip_tcp", self.sip(stream, hop)),
                    Protocol::WebSocket => ("sip_tcp", self.websocket(stream, hop)),
                    Protocol::Hep => ("hep", self.hep_stream(stream)),
                };
                self.holes(stream);
                if covered.is_empty() {
                    continue;
                }
                for (place, from, to) in &stream.placed {
                    let next = covered.partition_point(|(_, end)| end <= from);
                    if covered.get(next).is_some_and(|(start, _)| start < to)
                        && let Some(held) = held.get(*place).filter(|held| !held.fragmented)
                    {
                        let effect = self.effects.entry(held.locus.source).or_default();
                        *effect.segments.entry(reason).or_default() += 1;
                    }
                }
            }
        }
    }

    /// Notes what of a stream was not captured, and what was captured in two versions.
    fn holes(&mut self, stream: &Stream) {
        // The first byte behind a SYN has the offset zero.
        let mut end = 0;
        for run in &stream.runs {
            let missing = run.offset.saturating_sub(end);
            if let Some(mark) = run.marks.first().filter(|_| missing > 0) {
                self.note("tcp_gap", mark.locus, || format!("{missing} bytes before this segment were not captured"));
            }
            end = run.offset + run.bytes.len() as u64;
        }
        for (from, to, locus) in &stream.conflicts {
            let bytes = to - from;
            self.note("tcp_overlap", *locus, || format!("up to {bytes} bytes differ from those captured before"));
        }
    }

    /// Reads SIP messages off a stream; gives the ranges of it that they take.
    fn sip(&mut self, stream: &Stream, hop: Hop) -> Vec<(u64, u64)> {
        let mut covered = Vec::new();
        let mut next = stream.from_start.then(|| stream.runs.first().map_or(0, |run| run.offset));
        for (place, run) in stream.runs.iter().enumerate() {
            let borders: Vec<usize> = run.marks.iter().map(|mark| mark.start).collect();
            let stretch = framing::Stretch { bytes: &run.bytes, borders: &borders, cut: run.cut };
            let (mut at, mut expected) = match next.and_then(|next| next.checked_sub(run.offset)) {
                // The body of a message goes on beyond this run.
                Some(within) if within >= run.bytes.len() as u64 => continue,
                Some(within) => (within as usize, true),
                None => (0, false),
            };
            if !expected && place == 0 {
                self.begins_within(run, framing::next(&stretch, at, expected).map(|framed| framed.start));
            }
            next = None;
            while let Some(framed) = framing::next(&stretch, at, expected) {
                self.framed(stream, run, &framed, hop);
                let offset = |place: usize| run.offset + place as u64;
                covered.push((offset(framed.start), offset(framed.next.max(framed.end))));
                expected = matches!(framed.ending, framing::Ending::Stated | framing::Ending::Unstated);
                at = framed.next;
                if at > run.bytes.len() {
                    next = Some(offset(at));
                    break;
                }
            }
        }
        covered
    }

    /// Notes where the capture begins within a message, before the first that is read.
    fn begins_within(&mut self, run: &Run, first: Option<usize>) {
        let before = run.bytes.get(..first.unwrap_or(run.bytes.len())).unwrap_or_default();
        let Some(mark) = run.marks.first().filter(|_| !before.iter().all(|byte| matches!(byte, b'\r' | b'\n'))) else {
            return;
        };
        if framing::behind_proxy(before) == before.len() {
            return;
        }
        let bytes = before.len();
        // Behind a hole the gap is noted there.
        if run.offset == 0 {
            self.note("tcp_gap", mark.locus, || {
                format!("the capture begins within a message, of which {bytes} bytes are here")
            });
        }
        // A message that begins behind its tail, in the middle of a line, is not found.
        if memchr::memmem::find(before, b" SIP/2.0").is_some() {
            self.effects.entry(mark.locus.source).or_default().unread.add(mark.at, mark.locus);
        }
    }

    fn framed(&mut self, stream: &Stream, run: &Run, framed: &framing::Framed, hop: Hop) {
        let (Some(first), Some(completed)) = (run.mark(framed.start), run.completed(framed.start, framed.end)) else {
            return;
        };
        let (at, locus) = (first.at, completed.locus);
        if matches!(framed.ending, framing::Ending::Guessed | framing::Ending::Unstated) {
            self.note("no_content_length", locus, || {
                "the message ends where another starts, or where nothing follows".to_owned()
            });
        }
        self.trace(locus, || stream.gave(run, framed.start, framed.end));
        if framed.ending == framing::Ending::Limit {
            self.note("limit_message", locus, || too_long(framing::MAX_MESSAGE_BYTES as u64));
        }
        let believed = believed(stream, run, framed.start, framed.end);
        let is_whole = matches!(framed.ending, framing::Ending::Stated | framing::Ending::Unstated);
        let truncated = !is_whole || believed < framed.end;
        let payload = run.bytes.get(framed.start..believed).unwrap_or_default();
        self.message(payload, Seen { at, locus, hop, transport: Transport::Tcp, truncated });
    }

    /// Reads HEP packets off a stream; gives the ranges of it that they take.
    fn hep_stream(&mut self, stream: &Stream) -> Vec<(u64, u64)> {
        let mut covered = Vec::new();
        for run in &stream.runs {
            let mut at = 0;
            while let Some(start) = hep::find(&run.bytes, at) {
                let Some(length) = run.bytes.get(start..).and_then(hep::length) else {
                    at = start + 4;
                    continue;
                };
                let end = (start + length).min(run.bytes.len());
                let end_believed = believed(stream, run, start, end);
                if let (Some(first), Some(completed)) = (run.mark(start), run.completed(start, end)) {
                    let packet = run.bytes.get(start..end_believed).unwrap_or_default();
                    self.trace(completed.locus, || stream.gave(run, start, end));
                    self.hep(packet, end_believed < start + length, first.at, completed.locus);
                }
                covered.push((run.offset + start as u64, run.offset + end as u64));
                at = end;
            }
        }
        covered
    }

    /// Reads SIP messages off a WebSocket stream; gives the ranges of it that its frames take.
    fn websocket(&mut self, stream: &Stream, hop: Hop) -> Vec<(u64, u64)> {
        let mut covered = Vec::new();
        let mut open: Option<Unwrapped> = None;
        let mut next = None;
        for (index, run) in stream.runs.iter().enumerate() {
            let len = run.bytes.len();
            let mut at = match next.and_then(|next: u64| next.checked_sub(run.offset)) {
                Some(within) if within >= len as u64 => continue,
                Some(within) => Some(within as usize),
                None if index == 0 => Some(0),
                None => {
                    self.unwrapped(open.take(), true, hop);
                    frame_border(run, 0)
                }
            };
            next = None;
            while let Some(start) = at {
                let bytes = run.bytes.get(start..).unwrap_or_default();
                if let Some(handshake) = websocket::handshake(bytes) {
                    at = handshake.bytes.filter(|bytes| *bytes > 0).map(|bytes| start + bytes);
                    if let Some(end) = at {
                        covered.push((run.offset + start as u64, run.offset + end as u64));
                    }
                    continue;
                }
                let frame = match websocket::frame(bytes) {
                    Some(Some(frame)) if frame.payload <= 16 * websocket::MAX_MESSAGE_BYTES as u64 => frame,
                    // The header is cut.
                    Some(None) => break,
                    _ => {
                        self.unwrapped(open.take(), true, hop);
                        at = frame_border(run, start + 1);
                        continue;
                    }
                };
                let from = start + frame.header;
                let end = from + frame.payload as usize;
                covered.push((run.offset + start as u64, run.offset + end as u64));
                self.frame(&mut open, (stream, run), &frame, (start, from, end), hop);
                if end >= len {
                    next = Some(run.offset + end as u64);
                    break;
                }
                at = Some(end);
            }
        }
        self.unwrapped(open.take(), true, hop);
        covered
    }

    /// Takes one frame: adds it to the message that is open, and hands that on when it is complete.
    fn frame(
        &mut self,
        open: &mut Option<Unwrapped>,
        (stream, run): (&Stream, &Run),
        frame: &websocket::Frame,
        (start, from, end): (usize, usize, usize),
        hop: Hop,
    ) {
        let (Some(first), Some(completed)) = (run.mark(start), run.completed(start, end.min(run.bytes.len()))) else {
            return;
        };
        match frame.kind {
            websocket::Kind::Control => return,
            websocket::Kind::Data => {
                self.unwrapped(open.take(), true, hop);
                if frame.compressed {
                    self.note("websocket_compressed", completed.locus, || {
                        "a compressed message is not read".to_owned()
                    });
                }
                *open = Some(Unwrapped {
                    bytes: Vec::new(),
                    at: first.at,
                    completed: (completed.at, completed.locus),
                    parts: BTreeSet::new(),
                    unreadable: frame.compressed,
                    cut: false,
                });
            }
            websocket::Kind::Continuation => {}
        }
        // A continuation of what was not seen is passed over.
        let Some(message) = open.as_mut() else { return };
        if self.trace != Trace::Nothing {
            message.parts.extend(stream.gave(run, start, end.min(run.bytes.len())));
        }
        message.completed = message.completed.max((completed.at, completed.locus));
        let there = believed(stream, run, from.min(run.bytes.len()), end.min(run.bytes.len()));
        let room = websocket::MAX_MESSAGE_BYTES.saturating_sub(message.bytes.len());
        let payload = run.bytes.get(from..there).unwrap_or_default();
        if !message.cut && !message.unreadable {
            websocket::unmask(payload.get(..room).unwrap_or(payload), frame.mask, &mut message.bytes);
        }
        // Behind a cut nothing is added, so that the limit is met once.
        let is_too_long = payload.len() > room && !message.cut && !message.unreadable;
        message.cut |= there < end || is_too_long;
        if is_too_long {
            self.note("limit_message", completed.locus, || too_long(websocket::MAX_MESSAGE_BYTES as u64));
        }
        if frame.last {
            self.unwrapped(open.take(), false, hop);
        }
    }

    /// Hands on a message that came in WebSocket frames.
    fn unwrapped(&mut self, message: Option<Unwrapped>, cut: bool, hop: Hop) {
        let Some(message) = message.filter(|message| !message.unreadable) else { return };
        if sip::looks_like_sip(&message.bytes) {
            let (_, locus) = message.completed;
            self.trace(locus, || message.parts.iter().copied());
            let truncated = cut || message.cut;
            let seen = Seen { at: message.at, locus, hop, transport: Transport::WebSocket, truncated };
            self.message(&message.bytes, seen);
        }
    }
}

/// What is said of a message that is longer than any that is read.
fn too_long(limit: u64) -> String {
    format!("a message has more than {limit} bytes; what is beyond is not read")
}

/// A WebSocket message being put together.
struct Unwrapped {
    bytes: Vec<u8>,
    at: Timestamp,
    completed: (Timestamp, Locus),
    parts: BTreeSet<Locus>,
    unreadable: bool,
    cut: bool,
}

/// Where a frame with SIP begins next, at a segment's start.
fn frame_border(run: &Run, from: usize) -> Option<usize> {
    let first = run.marks.partition_point(|mark| mark.start < from);
    let mut borders = run.marks.get(first..)?.iter().map(|mark| mark.start);
    borders.find(|start| run.bytes.get(*start..).is_some_and(is_sip_frame))
}

/// How far the bytes `from..to` of a run can be believed: up to the first that was captured in two versions.
fn believed(stream: &Stream, run: &Run, from: usize, to: usize) -> usize {
    let uncertain = stream.uncertain(run.offset + from as u64, run.offset + to as u64);
    uncertain.map_or(to, |at| (at - run.offset) as usize)
}

/// Reads a datagram that was put together of fragments.
pub(crate) fn datagram(
    payload: &Payload<'_>,
    at: Timestamp,
    locus: Locus,
    extractor: &mut Extractor<'_>,
    batch: &mut SignallingBatch,
    anomalies: &mut Anomalies,
) {
    let Payload { ends, transport, bytes, truncated, .. } = *payload;
    if sip::looks_like_sip(bytes) {
        let seen = Seen { at, locus, hop: ends.hop(), transport, truncated };
        extract::signalling(bytes, seen, extractor, batch, anomalies);
    } else {
        hep(bytes, truncated, at, locus, extractor, batch, anomalies);
    }
}

/// Reads a HEP packet; `false` when it is none.
pub(crate) fn hep(
    packet: &[u8],
    truncated: bool,
    at: Timestamp,
    locus: Locus,
    extractor: &mut Extractor<'_>,
    batch: &mut SignallingBatch,
    anomalies: &mut Anomalies,
) -> bool {
    let is_certain = hep::length(packet).is_some();
    match hep::decode(packet, truncated) {
        None => return false,
        Some(hep::Capsule::Other) => {}
        Some(hep::Capsule::Unreadable) if !is_certain => return false,
        Some(hep::Capsule::Unreadable) => {
            anomalies.note("bad_hep", Some(locus.record), || format!("{} bytes of HEP say too little", packet.len()));
        }
        Some(hep::Capsule::Sip(inner)) => {
            if !sip::looks_like_sip(&inner.bytes) {
                return is_certain;
            }
            if inner.limited {
                anomalies.note("limit_message", Some(locus.record), || too_long(inner.bytes.len() as u64));
            }
            let at = inner.at.unwrap_or(at);
            let seen = Seen { at, locus, hop: inner.hop, transport: inner.transport, truncated: inner.truncated };
            extract::signalling(&inner.bytes, seen, extractor, batch, anomalies);
        }
    }
    true
}
