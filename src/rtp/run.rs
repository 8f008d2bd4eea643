//! The packets of one flow, of all sources together, into its runs.
//!
//! Second by second, a packet that the second before has too is a copy and left out. The rest are intervals of sequence
//! numbers. Each goes on with a run, fills one up, or begins one.
//!
//! At a break (a dialog that holds the port ended or began) a run ends though its packets go on. In the tail of a flow
//! it is exact to the packet, and between two bursts: see [`super::fold`]. A burst that goes on over a break in its
//! midst, elsewhere than in a tail, belongs up to its second's border to the run before. That run then ends with the break:
//! packets on both sides of it, less than a tenth of a second apart, show that media flowed until then.

use super::cell::{SECOND_NS, WIDTH, second_of};
use super::clocks;
use super::echo::Echoes;
use super::fold::{Packets, Piece, SPACE_NS, TAIL_NS};
use super::store::SourceFlow;
use std::net::SocketAddr;

use foldhash::fast::RandomState;
use hashbrown::HashMap;

use crate::evidence::{Locus, SourceId, Timestamp};
use crate::facts::{MediaFlow, Run};

/// Instants at which the runs of flows from or to a socket end, sorted.
pub type Breaks = HashMap<SocketAddr, Vec<i64>, RandomState>;

/// How long nothing may come within a run, in nanoseconds.
pub const RUN_GAP_NS: i64 = SECOND_NS;

/// How many sequence numbers may be missing at once within a run (RFC 3550 §A.1).
pub const MAX_DROPOUT: u16 = 3_000;

/// How far behind the highest sequence number a late packet may be (RFC 3550 §A.1).
pub const MAX_MISORDER: u16 = 100;

/// Runs before one whose numbers it may repeat.
const COMPARED: usize = 64;

/// Works out the runs of flows, one after the other.
#[derive(Debug, Default)]
pub(super) struct Runs {
    walk: Walk,
    echoes: Echoes,
}

impl Runs {
    /// The runs of one flow, ended at the breaks of its two sockets; `None` if it has none.
    pub(super) fn of<'f>(&mut self, sources: &'f [SourceFlow], breaks: &Breaks) -> Option<MediaFlow> {
        let key = sources.first()?.key;
        let Self { walk, echoes } = self;
        walk.clear();
        let mut of_source = |source: &'f SourceFlow| {
            let mut pieces: Vec<Piece<'f>> = source.flow.pieces().collect();
            pieces.sort_unstable_by_key(|piece| (piece.second, piece.first, piece.record));
            echoes.align(pieces)
        };
        let mut of_sources: Vec<Vec<Piece<'_>>> = sources.iter().map(&mut of_source).collect();
        if of_sources.len() > 1 {
            clocks::align(&mut of_sources);
        }
        let mut pieces: Vec<(SourceId, Piece<'_>)> = (sources.iter().zip(of_sources))
            .flat_map(|(source, pieces)| pieces.into_iter().map(|piece| (source.source, piece)))
            .collect();
        pieces.sort_unstable_by_key(|(source, piece)| (piece.second, piece.first, *source, piece.record));
        if let (Some((_, first)), Some((_, last))) = (pieces.first(), pieces.last()) {
            let (from, until) = (first.second, last.second.saturating_add(SECOND_NS));
            for socket in [key.source, key.destination] {
                let all = breaks.get(&socket).map_or(&[][..], Vec::as_slice);
                let within = all.partition_point(|at| *at < from)..all.partition_point(|at| *at < until);
                walk.breaks.extend_from_slice(all.get(within).unwrap_or_default());
            }
            walk.breaks.sort_unstable();
            walk.breaks.dedup();
        }
        let mut rest = pieces.as_slice();
        while let Some(second) = rest.first().map(|(_, piece)| piece.second) {
            let after = |ns: &i64| second.saturating_add(*ns);
            let next = rest.partition_point(|(_, piece)| piece.second < after(TAIL_NS.start()));
            let goes_on = rest.get(next).is_some_and(|(_, piece)| piece.second <= after(TAIL_NS.end()));
            let len = rest.partition_point(|(_, piece)| piece.second <= second);
            let (own, behind) = rest.split_at_checked(len).unwrap_or_default();
            walk.take(own, !goes_on);
            rest = behind;
        }
        for place in 0..walk.runs.len() {
            let (earlier, rest) = walk.runs.split_at_mut(place);
            if let Some(run) = rest.first_mut() {
                run.repeats = earlier.iter().rev().take(COMPARED).any(|earlier| run.repeats(earlier));
            }
        }
        let mut runs: Vec<Run> = walk.runs.drain(..).map(Growing::into_run).collect();
        runs.sort_by_key(|run| (run.first, run.first_record));
        (!runs.is_empty()).then_some(MediaFlow { key, runs })
    }
}

/// A set of sequence numbers.
#[derive(Debug)]
struct Numbers {
    words: Box<[u64; 1_024]>,
    /// The words that are not zero, perhaps more than once.
    touched: Vec<u16>,
}

impl Default for Numbers {
    fn default() -> Self {
        Self { words: Box::new([0; 1_024]), touched: Vec::new() }
    }
}

impl Numbers {
    fn clear(&mut self) {
        for word in self.touched.drain(..) {
            if let Some(word) = self.words.get_mut(usize::from(word)) {
                *word = 0;
            }
        }
    }

    /// The words of an interval with the bits it has in each.
    fn words_of(start: u16, len: u32) -> impl Iterator<Item = (u16, u64)> {
        let (mut at, mut left) = (start, len.min(u32::from(u16::MAX) + 1));
        std::iter::from_fn(move || {
            let bit = at % 64;
            let count = left.min(u32::from(64 - bit));
            let word = at / 64;
            at = at.wrapping_add(count as u16);
            left -= count;
            (count > 0).then(|| (word, (u64::MAX >> (64 - count)) << bit))
        })
    }

    fn insert(&mut self, start: u16, len: u32) {
        for (place, bits) in Self::words_of(start, len) {
            if let Some(word) = self.words.get_mut(usize::from(place)) {
                *word |= bits;
                self.touched.push(place);
            }
        }
    }

    fn meets(&self, start: u16, len: u32) -> bool {
        Self::words_of(start, len)
            .any(|(place, bits)| self.words.get(usize::from(place)).is_some_and(|word| word & bits != 0))
    }
}

/// A run that packets are added to.
#[derive(Debug)]
struct Growing {
    /// The lowest and the highest sequence number, extended beyond 16 bits.
    low: u64,
    high: u64,
    /// Which of the highest 128 sequence numbers were there, the highest first.
    seen: u128,
    packets: u64,
    bytes: u64,
    first: Timestamp,
    last: Timestamp,
    first_record: Locus,
    lost_before: u64,
    captured: Vec<(SourceId, u64)>,
    /// Breaks up to its beginning.
    breaks: usize,
    /// When it ended at the latest, where a break fell into a burst.
    until: i64,
    /// Whether its last packets are of a tail.
    in_tail: bool,
    continues: bool,
    /// Whether its numbers follow those of no run before.
    anew: bool,
    repeats: bool,
}

/// Packets in one second whose sequence numbers follow each other.
#[derive(Clone, Copy, Debug)]
struct Interval {
    start: u16,
    len: u32,
    bytes: u64,
    first: Timestamp,
    last: Timestamp,
    record: Locus,
    /// Breaks before it.
    breaks: usize,
    /// The first break within its burst.
    broken: Option<i64>,
}

impl Interval {
    fn has(&self, sequence: u16) -> bool {
        u32::from(sequence.wrapping_sub(self.start)) < self.len
    }
}

/// Runs that an interval may go on with: sequences that alternate on one flow are few.
const ALTERNATING: usize = 4;

#[derive(Debug, Default)]
struct Walk {
    runs: Vec<Growing>,
    /// The second that `before` and `went` speak of.
    second: i64,
    /// Everything captured in it, copies too: they may have copies themselves.
    before: Numbers,
    /// What was new in it, with the run it went to.
    went: Vec<(Interval, usize)>,
    /// The instants at which runs end, sorted.
    breaks: Vec<i64>,
    /// Whether the second is a tail.
    in_tail: bool,
    /// The last time of the second before.
    last_before: i64,
    /// Buffers of one second.
    packets: Vec<Seen>,
    whole: Vec<Interval>,
    new: Vec<Interval>,
}

/// One packet of one second.
#[derive(Clone, Copy, Debug)]
struct Seen {
    sequence: u16,
    size: u16,
    first: Timestamp,
    last: Timestamp,
    record: Locus,
}

impl Walk {
    /// Makes room for the next flow.
    fn clear(&mut self) {
        self.runs.clear();
        self.before.clear();
        self.went.clear();
        self.breaks.clear();
        (self.second, self.last_before) = (0, i64::MIN);
    }

    /// Adds the pieces of the next second.
    fn take(&mut self, pieces: &[(SourceId, Piece<'_>)], in_tail: bool) {
        let Some(((source, first), rest)) = pieces.split_first() else { return };
        if self.second.saturating_add(SECOND_NS) != first.second {
            self.before.clear();
            self.went.clear();
        }
        (self.second, self.in_tail) = (first.second, in_tail);
        let begun = self.breaks.partition_point(|at| *at <= first.second);
        let is_broken = self.breaks.get(begun).is_some_and(|at| *at < first.second.saturating_add(SECOND_NS));
        self.whole.clear();
        self.new.clear();
        match (&first.packets, rest) {
            (Packets::Uniform { start, len, size }, []) => {
                self.whole.push(interval(*source, first, *start, u32::from(*len), u64::from(*len) * u64::from(*size)));
            }
            (Packets::Listed { start, sizes }, []) => {
                let bytes = sizes.iter().map(|size| u64::from(*size)).sum();
                self.whole.push(interval(*source, first, *start, sizes.len() as u32, bytes));
            }
            _ => {
                self.list(pieces);
                join(&self.packets, &mut self.whole);
            }
        }
        // What the second before has too is a copy.
        let has_copies = self.whole.iter().any(|interval| self.before.meets(interval.start, interval.len));
        if has_copies || is_broken {
            self.list(pieces);
            let before = &self.before;
            self.packets.retain(|seen| !before.meets(seen.sequence, 1));
        }
        if is_broken {
            self.split();
        } else if has_copies {
            join(&self.packets, &mut self.new);
            self.new.iter_mut().for_each(|interval| interval.breaks = begun);
        } else {
            self.whole.iter_mut().for_each(|interval| interval.breaks = begun);
            self.new.extend_from_slice(&self.whole);
        }
        let base = self.base();
        self.new.sort_unstable_by_key(|interval| (interval.breaks, interval.start.wrapping_sub(base)));
        let went: Vec<(Interval, usize)> =
            std::mem::take(&mut self.new).into_iter().map(|interval| (interval, self.assign(&interval))).collect();
        self.count_captured(pieces, &went, has_copies);
        self.went = went;
        self.before.clear();
        for interval in &self.whole {
            self.before.insert(interval.start, interval.len);
        }
        self.last_before = pieces.iter().map(|(_, piece)| piece.last).max().unwrap_or(self.second);
    }

    /// The intervals of a second that breaks fall into, those of each part by themselves.
    fn split(&mut self) {
        let breaks = |upto: i64| self.breaks.partition_point(|at| *at <= upto);
        let mut parts: Vec<(usize, Option<i64>, Seen)> = Vec::with_capacity(self.packets.len());
        self.packets.sort_unstable_by_key(|seen| (seen.first, seen.sequence));
        if self.in_tail {
            parts.extend(self.packets.iter().map(|seen| (breaks(seen.first.ns), None, *seen)));
        } else {
            // Of the second before nothing nearer than its last time is known.
            let (mut start, mut end) = (self.second, self.last_before);
            let mut burst = 0;
            for seen in &self.packets {
                if seen.first.ns.saturating_sub(end) >= SPACE_NS {
                    (start, burst) = (seen.first.ns, parts.len());
                }
                end = end.max(seen.last.ns);
                let begun = breaks(start);
                parts.push((begun, None, *seen));
                let broken = self.breaks.get(begun).copied().filter(|at| *at <= end);
                if broken.is_some() {
                    parts.iter_mut().skip(burst).for_each(|(_, known, _)| *known = broken);
                }
            }
        }
        parts.sort_unstable_by_key(|(breaks, _, seen)| (*breaks, seen.sequence));
        for part in parts.chunk_by(|(one, ..), (other, ..)| one == other) {
            let Some((breaks, ..)) = part.first() else { continue };
            self.packets.clear();
            self.packets.extend(part.iter().map(|(_, _, seen)| *seen));
            let from = self.new.len();
            join(&self.packets, &mut self.new);
            let broken = part.iter().filter_map(|(_, broken, _)| *broken).min();
            for interval in self.new.iter_mut().skip(from) {
                (interval.breaks, interval.broken) = (*breaks, broken);
            }
        }
    }

    /// Every packet of the pieces once, by sequence number.
    fn list(&mut self, pieces: &[(SourceId, Piece<'_>)]) {
        self.packets.clear();
        for (source, piece) in pieces {
            let seen = |sequence: u16, size: u16| Seen {
                sequence,
                size,
                first: Timestamp::new(piece.first, piece.digits),
                last: Timestamp::new(piece.last, piece.digits),
                record: Locus { source: *source, record: piece.record },
            };
            match &piece.packets {
                Packets::Set(set, mask, Some(times)) => {
                    let own =
                        set.packets().zip(*times).filter(|((sequence, _), _)| mask >> (sequence % WIDTH) & 1 == 1);
                    self.packets.extend(own.map(|((sequence, size), since)| {
                        let at = Timestamp::new(piece.second.saturating_add(i64::from(*since)), piece.digits);
                        Seen { first: at, last: at, ..seen(sequence, size) }
                    }));
                }
                packets => packets.each(|sequence, size| self.packets.push(seen(sequence, size))),
            }
        }
        self.packets.sort_unstable_by_key(|seen| (seen.sequence, seen.first, seen.record, seen.size));
        self.packets.dedup_by(|copy, kept| {
            let is_copy = copy.sequence == kept.sequence;
            if is_copy {
                kept.size = kept.size.max(copy.size);
                kept.last = kept.last.min(copy.last);
            }
            is_copy
        });
    }

    /// The sequence number that the new intervals of this second are taken in order from.
    fn base(&self) -> u16 {
        if let Some(run) = self.runs.last() {
            return (run.high as u16).wrapping_sub(MAX_MISORDER);
        }
        // A flow begins behind the widest space between its intervals.
        let end_of = |interval: &Interval| interval.start.wrapping_add(interval.len as u16);
        let mut end = self.new.last().map_or(0, end_of);
        let (mut widest, mut base) = (0, self.new.first().map_or(0, |interval| interval.start));
        for interval in &self.new {
            let space = interval.start.wrapping_sub(end);
            if space > widest {
                (widest, base) = (space, interval.start);
            }
            end = end_of(interval);
        }
        base
    }

    /// Adds an interval to the run that it goes on with or fills up, or begins one: which.
    fn assign(&mut self, interval: &Interval) -> usize {
        let goes_on =
            |run: &Growing| interval.first.ns.saturating_sub(run.last.ns) <= RUN_GAP_NS && run.takes(interval);
        // Two sequences may alternate on one flow; the one begun last is the likelier.
        let recent = self.runs.len().saturating_sub(ALTERNATING);
        let (place, run) = self.runs.iter_mut().enumerate().skip(recent).rfind(|(_, run)| goes_on(run)).unzip();
        let cut = run.as_ref().is_some_and(|run| run.breaks < interval.breaks);
        let mut first = interval.first;
        if let (Some(place), Some(run)) = (place, run) {
            if !cut {
                run.add(interval);
                run.in_tail = self.in_tail;
                return place;
            }
            // Packets that go on without a space are as good as a burst over the border of the second.
            if !run.in_tail && interval.first.ns.saturating_sub(run.last.ns) < SPACE_NS {
                let border = second_of(run.last.ns).saturating_add(SECOND_NS);
                let at = self.breaks.get(run.breaks).map_or(border, |at| border.min(*at));
                run.end_in_burst(at);
                first.ns = first.ns.min(self.second.max(border));
            }
        }
        let before = if cut { place.and_then(|place| self.runs.get(place)) } else { self.runs.last() };
        let first_record = before.filter(|_| cut).map_or(interval.record, |run| run.first_record);
        let (low, lost_before, anew) = match before {
            None => (u64::from(u16::MAX) + 1 + u64::from(interval.start), 0, true),
            Some(run) => {
                let missing = interval.start.wrapping_sub((run.high as u16).wrapping_add(1));
                if missing <= MAX_DROPOUT {
                    (run.high + 1 + u64::from(missing), u64::from(missing), false)
                } else {
                    ((run.high | u64::from(u16::MAX)) + 1 + u64::from(interval.start), 0, true)
                }
            }
        };
        let mut run = Growing {
            low,
            high: low - 1,
            seen: 0,
            packets: 0,
            bytes: 0,
            first,
            last: interval.last,
            first_record,
            lost_before,
            captured: Vec::new(),
            breaks: interval.breaks,
            until: i64::MAX,
            in_tail: self.in_tail,
            continues: cut,
            anew,
            repeats: false,
        };
        run.add(interval);
        self.runs.push(run);
        self.runs.len() - 1
    }

    /// Counts the captured packets of every source for the runs that its numbers went to.
    fn count_captured(&mut self, pieces: &[(SourceId, Piece<'_>)], went: &[(Interval, usize)], has_copies: bool) {
        if let [(_, run), rest @ ..] = went
            && !has_copies
            && rest.iter().all(|(_, other)| other == run)
        {
            for (source, piece) in pieces {
                self.runs.get_mut(*run).into_iter().for_each(|run| run.count_captured(*source, piece.captured));
            }
            return;
        }
        // A copy counts for the run of the second before that has its like.
        let run_of = |sequence: u16| {
            let all = went.iter().chain(&self.went);
            all.filter(|(interval, _)| interval.has(sequence)).map(|(_, run)| *run).next()
        };
        let mut captured: Vec<(SourceId, u64)> =
            pieces.iter().map(|(source, piece)| (*source, piece.captured)).collect();
        captured.sort_unstable();
        captured.dedup_by(|(source, more), (known, sum)| {
            let is_same = source == known;
            *sum += if is_same { *more } else { 0 };
            is_same
        });
        for (source, captured) in captured {
            let mut numbers: Vec<u16> = Vec::new();
            for (_, piece) in pieces.iter().filter(|(of, _)| *of == source) {
                piece.packets.each(|sequence, _| numbers.push(sequence));
            }
            numbers.sort_unstable();
            numbers.dedup();
            let all = numbers.len().max(1) as u64;
            let newest = self.runs.len().saturating_sub(1);
            let mut runs: Vec<usize> = numbers.iter().map(|number| run_of(*number).unwrap_or(newest)).collect();
            runs.sort_unstable();
            // How often each of them was captured is not known: as often as another.
            let (mut counted, mut given) = (0, 0);
            for of_run in runs.chunk_by(|one, other| one == other) {
                counted += of_run.len() as u64;
                let upto = captured * counted / all;
                if let Some(run) = of_run.first().and_then(|run| self.runs.get_mut(*run)) {
                    run.count_captured(source, upto - given);
                }
                given = upto;
            }
        }
    }
}

fn interval(source: SourceId, piece: &Piece<'_>, start: u16, len: u32, bytes: u64) -> Interval {
    Interval {
        start,
        len,
        bytes,
        first: Timestamp::new(piece.first, piece.digits),
        last: Timestamp::new(piece.last, piece.digits),
        record: Locus { source, record: piece.record },
        breaks: 0,
        broken: None,
    }
}

/// Packets in order into intervals.
fn join(packets: &[Seen], intervals: &mut Vec<Interval>) {
    for run in packets.chunk_by(|one, next| one.sequence.checked_add(1) == Some(next.sequence)) {
        let Some(start) = run.first() else { continue };
        let earliest = run.iter().min_by_key(|seen| (seen.first, seen.record)).unwrap_or(start);
        intervals.push(Interval {
            start: start.sequence,
            len: run.len() as u32,
            bytes: run.iter().map(|seen| u64::from(seen.size)).sum(),
            first: earliest.first,
            last: run.iter().map(|seen| seen.last).max().unwrap_or(start.last),
            record: earliest.record,
            breaks: 0,
            broken: None,
        });
    }
}

impl Growing {
    /// Ends it before a break within a burst, which goes on over it.
    fn end_in_burst(&mut self, at: i64) {
        self.until = self.until.min(at.saturating_sub(1));
    }

    /// Whether it begins with a number that an earlier run had, which other sources captured.
    fn repeats(&self, earlier: &Self) -> bool {
        let numbers = earlier.high.saturating_sub(earlier.low);
        let into = (self.low as u16).wrapping_sub(earlier.low as u16);
        let captured = |source: &SourceId| self.captured.iter().any(|(own, _)| own == source);
        self.anew
            && numbers < u64::from(u16::MAX)
            && u64::from(into) <= numbers
            && earlier.last < self.first
            && !earlier.captured.iter().any(|(source, _)| captured(source))
    }

    fn count_captured(&mut self, source: SourceId, captured: u64) {
        match self.captured.iter_mut().find(|(known, _)| *known == source) {
            Some((_, count)) => *count += captured,
            None => self.captured.push((source, captured)),
        }
    }

    /// Whether an interval goes on with this run or fills it up. A number that it has had, and not just now, was sent anew.
    fn takes(&self, interval: &Interval) -> bool {
        let ahead = interval.start.wrapping_sub((self.high as u16).wrapping_add(1));
        let behind = (self.high as u16).wrapping_sub(interval.start);
        ahead <= MAX_DROPOUT || behind < MAX_MISORDER && self.seen >> behind & 1 == 0
    }

    fn add(&mut self, interval: &Interval) {
        let behind = (self.high as u16).wrapping_sub(interval.start);
        let mut start = self.high + 1 + u64::from(interval.start.wrapping_sub((self.high as u16).wrapping_add(1)));
        if self.packets > 0 && behind < MAX_MISORDER {
            start = (self.high - u64::from(behind)).max(1);
        }
        let (mut new, all) = (0_u64, u64::from(interval.len));
        for sequence in start..(start + all).min(self.high + 1) {
            // Late ones: at most as many as the window is wide.
            let place = 1_u128 << (self.high - sequence);
            if self.seen & place == 0 {
                self.seen |= place;
                new += 1;
            }
        }
        let end = start + all - 1;
        if end > self.high {
            let ahead = end - self.high.max(start - 1);
            let shift = end - self.high;
            self.seen = if shift >= 128 { 0 } else { self.seen << shift };
            self.seen |= if ahead >= 128 { u128::MAX } else { (1_u128 << ahead) - 1 };
            self.high = end;
            new += ahead;
        }
        // What came late is not lost before the run.
        self.lost_before = self.lost_before.saturating_sub(self.low.saturating_sub(start));
        self.low = self.low.min(start);
        self.packets += new;
        // Copies among them were left out before; what the window finds beyond has its share of the bytes.
        self.bytes += if new == all { interval.bytes } else { interval.bytes * new / all.max(1) };
        (self.first, self.first_record) = (self.first, self.first_record).min((interval.first, interval.record));
        self.last = self.last.max(interval.last);
        if let Some(at) = interval.broken {
            self.end_in_burst(at);
        }
    }

    fn into_run(mut self) -> Run {
        self.captured.sort_unstable_by_key(|(source, _)| *source);
        if self.until < i64::MAX {
            self.last.ns = self.until.max(self.first.ns);
        }
        Run {
            first: self.first,
            last: self.last,
            first_record: self.first_record,
            packets: self.packets,
            bytes: self.bytes,
            lost: (self.high + 1 - self.low).saturating_sub(self.packets),
            lost_before: self.lost_before,
            continues: self.continues,
            repeats: self.repeats,
            captured: self.captured.into_boxed_slice(),
        }
    }
}
