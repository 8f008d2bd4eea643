//! The fragmented packets of one capture, put together as its fragments come; and those that lie in several captures.
//!
//! What is whole is known for a while, so that a copy of its parts is told from a packet that uses the identification
//! anew. What is not is set aside until the other captures were read. What a tunnel carries may be a fragment itself:
//! then that is put together, too.
//!
//! Keeps: memory within the limits below. A limit takes nothing out in silence: what begins a packet is handed on as far
//! as it goes, so that a message it begins is known to be there.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::gather::PENDING_NS;
use crate::evidence::{Anomalies, Locus, Timestamp};
use crate::net::fragment::{self, Joined, MAX_FRAGMENTS};
use crate::net::{self, Packet, TUNNELS_LIMIT, hep};
use crate::{rtp, sip};

/// Packets of one capture that are followed at a time, whole ones included. Those before them are set aside.
const FOLLOWED: usize = 1 << 16;

/// Packets of one capture that are set aside until the others were read.
pub(super) const SET_ASIDE: usize = 1 << 16;

/// Bytes of the fragments of one capture that wait for others.
pub(super) const FRAGMENT_BYTES: usize = 64 << 20;

/// What knowing a part of a whole packet is reckoned as.
const DONE_COST: usize = 64;

/// Parts of whole packets of which copies are known in other captures. Beyond, such copies count as lost fragments.
const KNOWN: usize = 1 << 20;

/// A fragment that is kept.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) at: Timestamp,
    pub(crate) locus: Locus,
    /// The packets that brought it, where those were fragments themselves.
    pub(crate) brought_by: Vec<Locus>,
    pub(crate) offset: u32,
    pub(crate) more: bool,
    pub(crate) truncated: bool,
    pub(crate) bytes: Box<[u8]>,
}

/// Which bytes of a packet a part holds, whatever they are.
type Shape = (u32, usize, bool);

/// What a part says, of which packet.
type Print = [u8; 16];

impl Part {
    fn shape(&self) -> Shape {
        (self.offset, self.bytes.len(), self.more)
    }

    fn print(&self, id: &fragment::Id) -> Print {
        let mut hasher = blake3::Hasher::new();
        let hop = id.ends.hop();
        hasher.update(format!("{} {} {} {}", hop.source, hop.destination, id.protocol, id.id).as_bytes());
        hasher.update(&self.offset.to_be_bytes());
        hasher.update(&[u8::from(self.more)]);
        hasher.update(&self.bytes);
        let mut print = Print::default();
        hasher.finalize_xof().fill(&mut print);
        print
    }

    fn loci(&self) -> impl Iterator<Item = Locus> {
        [self.locus].into_iter().chain(self.brought_by.iter().copied())
    }
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

impl Incomplete {
    fn first(&self) -> Option<(Timestamp, Locus)> {
        self.parts.iter().map(|part| (part.at, part.locus)).min()
    }
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

impl Reassembled {
    /// The packet of these parts, which are in the order of their capture; `None` where its beginning is missing.
    fn of(parts: &[Part], packet: fragment::Packet) -> Option<Self> {
        let at = parts.iter().filter(|part| part.offset == 0).map(|part| part.at).min()?;
        let locus = parts.last()?.locus;
        Some(Self { at, locus, parts: parts.iter().flat_map(Part::loci).collect(), packet })
    }
}

/// What a packet carries.
enum Carried {
    /// A part of another packet.
    Fragment(fragment::Id, Part),
    /// Media, counted by the fragment that showed its header.
    Media,
    /// What nobody reads.
    Nothing,
    /// What later stages read.
    Something,
}

fn carried(reassembled: &Reassembled) -> Carried {
    let Reassembled { at, locus, parts, packet } = reassembled;
    match net::decode_ip(&packet.bytes, packet.cut) {
        Packet::Udp(payload) if sip::looks_like_sip(payload.bytes) || hep::could_be(payload.bytes) => {
            Carried::Something
        }
        Packet::Udp(payload) => match rtp::recognise(payload.bytes, payload.len) {
            rtp::Kind::Rtp(_) => Carried::Media,
            _ => Carried::Nothing,
        },
        Packet::Tcp(_) => Carried::Something,
        Packet::Fragment(inner) => {
            let part = Part {
                at: *at,
                locus: *locus,
                brought_by: parts.clone(),
                offset: inner.offset,
                more: inner.more,
                truncated: inner.truncated,
                bytes: inner.bytes.into(),
            };
            Carried::Fragment(inner.id, part)
        }
        _ => Carried::Nothing,
    }
}

/// What the fragments of one capture give.
#[derive(Debug, Default)]
pub(crate) struct Fragmented {
    /// Packets put together of fragments.
    pub(crate) packets: Vec<Reassembled>,
    /// Packets of which something is missing in this capture.
    pub(crate) incomplete: Vec<Incomplete>,
    /// Parts of whole packets of which copies may stand in other captures.
    pub(crate) known: Vec<Print>,
}

/// The fragments of one capture.
#[derive(Debug, Default)]
pub(super) struct Fragments {
    pending: BTreeMap<fragment::Id, Pending>,
    /// When packets were begun or completed, oldest first.
    order: VecDeque<(i64, fragment::Id, u64)>,
    births: u64,
    given: Fragmented,
    /// Packets that a limit hands on as far as they go.
    cut_short: Vec<Reassembled>,
    /// Bytes of the parts that wait.
    bytes: usize,
    /// When the first fragment was captured.
    began: Option<i64>,
}

#[derive(Debug, Default)]
struct Pending {
    birth: u64,
    parts: Vec<Part>,
    /// Bytes of the parts, copies and all.
    bytes: usize,
    /// Where the packet ends, once a part said so.
    end: Option<usize>,
    /// Completed: what comes again is a copy of one of these.
    done: Vec<(Shape, Print)>,
    /// Which bytes the parts of the packet hold that was completed before under the same identification.
    before: Vec<Shape>,
}

impl Fragments {
    pub(super) fn add(&mut self, id: fragment::Id, part: Part, anomalies: &mut Anomalies) {
        self.began = self.began.or(Some(part.at.ns));
        let mut next = Some((id, part));
        let mut left = TUNNELS_LIMIT;
        while let Some((id, part)) = next {
            let locus = part.locus;
            next = self.take(id, part, anomalies);
            if next.is_some() && left == 0 {
                too_deep(&mut |code, _, detail| anomalies.note(code, Some(locus.record), || detail), locus);
                return;
            }
            left = left.saturating_sub(1);
        }
    }

    /// Takes a fragment; gives the one that is inside of the packet that it completes.
    fn take(&mut self, id: fragment::Id, part: Part, anomalies: &mut Anomalies) -> Option<(fragment::Id, Part)> {
        self.expire(Some(part.at.ns), anomalies);
        let mut before = Vec::new();
        if let Some(pending) = self.pending.get(&id).filter(|pending| !pending.done.is_empty()) {
            let shape = part.shape();
            if pending.done.iter().any(|(known, print)| *known == shape && *print == part.print(&id)) {
                return None;
            }
            // The identification is used again, or somebody contradicts what is complete: only what follows can tell.
            before.extend(pending.done.iter().map(|(shape, _)| *shape));
            self.bytes = self.bytes.saturating_sub(pending.done.len() * DONE_COST);
            self.pending.remove(&id);
        }
        let is_crowded = |pending: &Pending| pending.parts.len() >= MAX_FRAGMENTS;
        if self.bytes + part.bytes.len() > FRAGMENT_BYTES || self.pending.get(&id).is_some_and(is_crowded) {
            anomalies.note("limit_fragments", Some(part.locus.record), || {
                format!(
                    "more than {MAX_FRAGMENTS} fragments of a packet, or {FRAGMENT_BYTES} bytes that wait for others"
                )
            });
            self.cut_short(&id, &[part]);
            return None;
        }
        let pending = self.pending.entry(id).or_default();
        if pending.parts.is_empty() {
            self.births += 1;
            (pending.birth, pending.before) = (self.births, before);
            self.order.push_back((part.at.ns, id, self.births));
        }
        self.bytes += part.bytes.len();
        pending.bytes += part.bytes.len();
        if !part.more && !part.truncated {
            pending.end = pending.end.or(Some(part.offset as usize + part.bytes.len()));
        }
        let locus = part.locus;
        pending.parts.push(part);
        let joined = pending.end.is_some_and(|end| pending.bytes >= end).then(|| join(&id, &pending.parts));
        let mut inner = None;
        if let Some(Joined::Several(_)) = joined {
            self.part(id, anomalies);
        } else if let Some(Joined::Whole(packet)) = joined {
            if packet.conflict {
                anomalies.note("fragment_overlap", Some(locus.record), || {
                    "fragments of one packet contradict each other".to_owned()
                });
            }
            inner = self.completed(id, packet);
        }
        if self.pending.len() > FOLLOWED {
            self.give_up(anomalies);
        }
        inner
    }

    /// Hands on a packet that is whole; gives the fragment that it carries.
    fn completed(&mut self, id: fragment::Id, packet: fragment::Packet) -> Option<(fragment::Id, Part)> {
        let pending = self.pending.get_mut(&id)?;
        let parts = std::mem::take(&mut pending.parts);
        self.bytes = self.bytes.saturating_sub(size(&parts)) + parts.len() * DONE_COST;
        pending.done = parts.iter().map(|part| (part.shape(), part.print(&id))).collect();
        let reassembled = Reassembled::of(&parts, packet)?;
        let carried = carried(&reassembled);
        // Of media copies may be captured on the other side of a border of files. Of what is read they are all known:
        // the packet is kept, too.
        let soon = self.began.is_none_or(|began| reassembled.at.ns.saturating_sub(began) <= PENDING_NS);
        if (soon || matches!(carried, Carried::Something)) && self.given.known.len() < KNOWN {
            self.given.known.extend(pending.done.iter().map(|(_, print)| *print));
        }
        match carried {
            Carried::Fragment(id, part) => return Some((id, part)),
            Carried::Something => self.given.packets.push(reassembled),
            Carried::Media | Carried::Nothing => {}
        }
        None
    }

    /// The last part of an incomplete packet is of another one than those before it, whose turn that is now.
    fn part(&mut self, id: fragment::Id, anomalies: &mut Anomalies) {
        let Some(pending) = self.pending.get_mut(&id) else { return };
        let Some(last) = pending.parts.pop() else { return };
        self.births += 1;
        self.order.push_back((last.at.ns, id, self.births));
        let end = (!last.more && !last.truncated).then_some(last.offset as usize + last.bytes.len());
        let (birth, bytes) = (self.births, last.bytes.len());
        let next = Pending { birth, parts: vec![last], bytes, end, ..Pending::default() };
        let before = std::mem::replace(pending, next);
        self.set_aside(id, before, anomalies);
    }

    /// Gives up the packets that are too old at `now`, or all of them.
    fn expire(&mut self, now: Option<i64>, anomalies: &mut Anomalies) {
        while let Some((born, ..)) = self.order.front() {
            if now.is_some_and(|now| now.saturating_sub(*born) <= PENDING_NS) {
                return;
            }
            self.give_up(anomalies);
        }
    }

    fn give_up(&mut self, anomalies: &mut Anomalies) {
        let Some((_, id, birth)) = self.order.pop_front() else { return };
        if self.pending.get(&id).is_none_or(|pending| pending.birth != birth) {
            return;
        }
        if let Some(pending) = self.pending.remove(&id) {
            self.set_aside(id, pending, anomalies);
        }
    }

    /// Keeps what there is of a packet until the other captures were read.
    fn set_aside(&mut self, id: fragment::Id, pending: Pending, anomalies: &mut Anomalies) {
        let Pending { parts, before, done, .. } = pending;
        self.bytes = self.bytes.saturating_sub(done.len() * DONE_COST);
        if parts.is_empty() {
            return;
        }
        if self.given.incomplete.len() >= SET_ASIDE {
            self.bytes = self.bytes.saturating_sub(size(&parts));
            let record = parts.last().map(|part| part.locus.record);
            anomalies.note("limit_fragments", record, || {
                format!("more than {SET_ASIDE} packets are not whole; the rest of those is not looked for elsewhere")
            });
            anomalies.note("lost_fragment", record, || lost(parts.len()));
            self.cut_short(&id, &parts);
            return;
        }
        let contradicts = !before.is_empty() && parts.iter().all(|part| before.contains(&part.shape()));
        self.given.incomplete.push(Incomplete { id, parts, contradicts });
    }

    /// Hands on what a packet begins with.
    fn cut_short(&mut self, id: &fragment::Id, parts: &[Part]) {
        let (Joined::Whole(mut packet) | Joined::Several(mut packet) | Joined::Partial(Some(mut packet))) =
            join(id, parts)
        else {
            return;
        };
        packet.cut = true;
        let Some(mut reassembled) = Reassembled::of(parts, packet) else { return };
        for _ in 0..TUNNELS_LIMIT {
            match carried(&reassembled) {
                Carried::Fragment(id, part) => {
                    let part = Part { truncated: true, ..part };
                    let Joined::Partial(Some(packet)) = join(&id, std::slice::from_ref(&part)) else { return };
                    let Some(inner) = Reassembled::of(&[part], packet) else { return };
                    reassembled = inner;
                }
                Carried::Something => {
                    self.cut_short.push(reassembled);
                    return;
                }
                Carried::Media | Carried::Nothing => return,
            }
        }
    }

    /// Packets that a limit hands on as far as they go, since the last time.
    pub(super) fn take_cut_short(&mut self) -> Vec<Reassembled> {
        std::mem::take(&mut self.cut_short)
    }

    /// What the capture gave, once nothing more will come.
    pub(super) fn finish(mut self, anomalies: &mut Anomalies) -> Fragmented {
        let last = self.pending.values().flat_map(|pending| &pending.done);
        self.given.known.extend(last.map(|(_, print)| *print));
        self.expire(None, anomalies);
        self.given.packets.append(&mut self.cut_short);
        self.given
    }
}

fn size(parts: &[Part]) -> usize {
    parts.iter().map(|part| part.bytes.len()).sum()
}

/// Puts parts together, in the order given.
fn join(id: &fragment::Id, parts: &[Part]) -> Joined {
    let parts: Vec<_> = parts.iter().map(|part| (part.offset, part.more, part.truncated, &*part.bytes)).collect();
    fragment::join(id, &parts)
}

/// What is said of a packet of which so many fragments were captured.
fn lost(count: usize) -> String {
    format!("{count} fragments captured of a packet, not all")
}

/// Puts together what lies in several captures, given the packets that are `incomplete` in each and the parts of whole
/// ones that are `known`. What stays incomplete is handed on as far as it goes, and noted.
pub(super) fn across(
    mut incomplete: Vec<Incomplete>,
    known: &BTreeSet<Print>,
    mut note: impl FnMut(&'static str, Locus, String),
) -> Vec<Reassembled> {
    for Incomplete { id, parts, .. } in &mut incomplete {
        parts.retain(|part| !known.contains(&part.print(id)));
    }
    let mut packets = Vec::new();
    // Each round may show fragments that the packets of the one before carry.
    let mut rounds = 0;
    while !incomplete.is_empty() {
        let mut inner = Vec::new();
        let mut missing = Vec::new();
        for group in groups(incomplete) {
            match whole(&group, &mut note) {
                None => missing.push(group),
                Some(reassembled) => sort_out(reassembled, &mut packets, &mut inner),
            }
        }
        rounds += 1;
        if !inner.is_empty() && rounds < 2 * TUNNELS_LIMIT {
            inner.extend(missing);
            incomplete = inner;
            continue;
        }
        for group in missing {
            if let Some(reassembled) = partial(&group, &mut note) {
                sort_out(reassembled, &mut packets, &mut inner);
            }
        }
        if rounds >= 2 * TUNNELS_LIMIT {
            inner.drain(..).filter_map(|packet| packet.first()).for_each(|(_, locus)| too_deep(&mut note, locus));
        }
        incomplete = inner;
    }
    packets
}

fn too_deep(note: &mut impl FnMut(&'static str, Locus, String), locus: Locus) {
    let detail = format!("more than {TUNNELS_LIMIT} fragments within fragments; what is further in is not read");
    note("limit_tunnels", locus, detail);
}

/// Those that are of one packet as one, by identification and time.
fn groups(mut incomplete: Vec<Incomplete>) -> Vec<Incomplete> {
    incomplete.retain(|packet| !packet.parts.is_empty());
    incomplete.sort_by_key(|packet| (packet.id, packet.first()));
    let mut groups: Vec<Incomplete> = Vec::new();
    let mut began = 0;
    for packet in incomplete {
        let first = packet.first().map_or(0, |(at, _)| at.ns);
        match groups.last_mut().filter(|group| group.id == packet.id && first.saturating_sub(began) <= PENDING_NS) {
            Some(group) => {
                group.parts.extend(packet.parts);
                group.contradicts &= packet.contradicts;
            }
            None => {
                began = first;
                groups.push(packet);
            }
        }
    }
    for group in &mut groups {
        group.parts.sort_by_key(|part| (part.at, part.locus));
    }
    groups
}

/// The packet that these parts make, if nothing is missing.
fn whole(group: &Incomplete, note: &mut impl FnMut(&'static str, Locus, String)) -> Option<Reassembled> {
    let Joined::Whole(packet) = join(&group.id, &group.parts) else { return None };
    let reassembled = Reassembled::of(&group.parts, packet)?;
    if reassembled.packet.conflict {
        let detail = "fragments of one packet contradict each other".to_owned();
        note("fragment_overlap", reassembled.locus, detail);
    }
    Some(reassembled)
}

/// What these parts show of a packet that stays incomplete; notes why.
fn partial(group: &Incomplete, note: &mut impl FnMut(&'static str, Locus, String)) -> Option<Reassembled> {
    let (packet, is_several) = match join(&group.id, &group.parts) {
        Joined::Whole(packet) => (Some(packet), false),
        Joined::Partial(packet) => (packet, false),
        Joined::Several(packet) => (Some(packet), true),
    };
    let conflict = packet.as_ref().is_some_and(|packet| packet.conflict);
    let reassembled = packet.and_then(|packet| Reassembled::of(&group.parts, packet));
    let (last, count) = (group.parts.last()?.locus, group.parts.len());
    // Of media nothing is missing that is used.
    let is_media = reassembled.as_ref().is_some_and(|begun| matches!(carried(begun), Carried::Media));
    if group.contradicts {
        let detail = format!("{count} fragments say other bytes than a packet that was complete before them");
        note("fragment_overlap", last, detail);
    } else if is_several {
        let detail =
            format!("{count} fragments captured, and lengths or checksums say that they are of several packets");
        note("lost_fragment", last, detail);
    } else if !is_media {
        note("lost_fragment", last, lost(count));
    }
    if conflict {
        note("fragment_overlap", last, "fragments of one packet contradict each other".to_owned());
    }
    reassembled
}

/// Adds a packet to those that are read, or what it carries to those that are put together.
fn sort_out(reassembled: Reassembled, packets: &mut Vec<Reassembled>, inner: &mut Vec<Incomplete>) {
    match carried(&reassembled) {
        Carried::Fragment(id, part) => {
            let part = Part { truncated: part.truncated || reassembled.packet.cut, ..part };
            inner.push(Incomplete { id, parts: vec![part], contradicts: false });
        }
        Carried::Something => packets.push(reassembled),
        Carried::Media | Carried::Nothing => {}
    }
}
