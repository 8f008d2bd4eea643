//! A flow of one source: its cells, and the seconds without loss folded into stretches.
//!
//! # Design
//!
//! Packets without a space of [`SPACE_NS`] between them make a burst. A second is regular when its sequence numbers are
//! an interval that its one or two bursts divide in order, and each packet was captured equally often. Regular bursts
//! that follow each other in number, without a space between, make a stretch: its first and last time, and two bytes
//! a second. Other seconds keep their sets of numbers, and the times of all packets if they have several bursts.
//!
//! What that forgets is when a packet inside of a burst was captured. Only a break inside of a burst asks for it, and
//! gets the burst for an answer. Where media ends is worth more: of a tail ([`TAIL_NS`]) all times are kept, and of seconds
//! whose numbers lie apart: two taps may have captured them.
//!
//! Whether a second is a tail, and how far a burst goes, is asked of the whole flow in the end; more packets only make
//! fewer tails and longer bursts. So nothing depends on when what was folded. Cells that come after their second was
//! folded, of a file whose packets are seconds out of order, are united in the end.

use super::cell::{Cell, SECOND_NS, Set, WIDTH, second_of};

/// The shortest space between two packets that ends a burst, in nanoseconds: longer than the usual packet times.
pub(super) const SPACE_NS: i64 = SECOND_NS / 10;

/// A second is a tail if nothing came from its end plus one second for so long, in nanoseconds: so a sender that takes up
/// to a second to hear of the call's end is told from it to the packet, at a price that pauses in speech do not pay.
pub(super) const TAIL_NS: std::ops::RangeInclusive<i64> = 2 * SECOND_NS..=6 * SECOND_NS;

/// Packets that are lost at once where the numbers of a second are of one sender and one tap still. Of more the times are
/// kept: a second tap's copies may stand beside, which say nothing of when media ended.
const MOST_LOST: u16 = 16;

/// A flow of one source.
#[derive(Debug, Default)]
pub(super) struct Flow {
    /// Cells of seconds that are not settled.
    cells: Vec<Cell>,
    settled: Option<Box<Settled>>,
}

/// The seconds of a flow for which no more cells are awaited.
#[derive(Debug, Default)]
struct Settled {
    kept: Vec<Kept>,
    stretches: Vec<Stretch>,
    /// Packets of each second of the stretches, one stretch behind the other.
    counts: Vec<u16>,
    /// The sizes of the packets of those stretches whose sizes differ.
    sizes: Vec<u16>,
}

/// A cell of a second that could not be folded.
#[derive(Debug)]
struct Kept {
    set: Set,
    /// The times of its packets, or of the first and the last if they are of one burst.
    times: Box<[u32]>,
}

/// Bursts that follow each other without a space, with sequence numbers that follow each other.
#[derive(Debug)]
struct Stretch {
    first: i64,
    last: i64,
    record: u64,
    size: Sizes,
    /// Its seconds. One of 2^32 is beyond every limit.
    seconds: u32,
    start: u16,
    /// The sequence number that would come next.
    next: u16,
    /// How often each packet was captured.
    times: u16,
    digits: u8,
}

/// The sizes of an interval of packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sizes {
    /// They differ: they are listed, from there on.
    Listed(usize),
    /// All have this one.
    Uniform(u16),
}

/// Packets of one source in one second whose sequence numbers follow each other, or any few that came near together.
#[derive(Clone, Debug)]
pub(super) struct Piece<'a> {
    /// The start of the second.
    pub(super) second: i64,
    pub(super) first: i64,
    pub(super) last: i64,
    pub(super) digits: u8,
    pub(super) record: u64,
    pub(super) captured: u64,
    pub(super) packets: Packets<'a>,
}

/// The packets of a piece.
#[derive(Clone, Debug)]
pub(super) enum Packets<'a> {
    /// Those of a set that a mask leaves; with the times of all in the set, in nanoseconds of the second, if these are known.
    Set(&'a Set, u64, Option<&'a [u32]>),
    /// An interval of packets of the sizes listed.
    Listed { start: u16, sizes: &'a [u16] },
    /// An interval of packets of one size.
    Uniform { start: u16, len: u16, size: u16 },
}

impl Packets<'_> {
    /// Shows each sequence number with its packet's size.
    pub(super) fn each(&self, mut show: impl FnMut(u16, u16)) {
        match self {
            Packets::Set(set, mask, _) => {
                set.packets_of(*mask).for_each(|(sequence, size)| show(sequence, size));
            }
            Packets::Uniform { start, len, size } => (0..*len).for_each(|place| show(start.wrapping_add(place), *size)),
            Packets::Listed { start, sizes } => {
                (0..).zip(*sizes).for_each(|(place, size)| show(start.wrapping_add(place), *size));
            }
        }
    }
}

impl<'a> Packets<'a> {
    /// The first number, and how many numbers there are up to the last.
    pub(super) fn span(&self) -> (u16, u16) {
        match self {
            Packets::Set(set, mask, _) => set.span_of(*mask),
            Packets::Listed { start, sizes } => (*start, sizes.len() as u16),
            Packets::Uniform { start, len, .. } => (*start, *len),
        }
    }

    /// Whether a number is among them.
    pub(super) fn has(&self, number: u16) -> bool {
        match self {
            Packets::Set(set, mask, _) => set.packets_of(*mask).any(|(own, _)| own == number),
            _ => {
                let (start, len) = self.span();
                number.wrapping_sub(start) < len
            }
        }
    }

    /// The first and the last time, where those of all are known.
    fn times(&self, second: i64) -> Option<(i64, i64)> {
        let Packets::Set(set, mask, Some(times)) = self else { return None };
        let own = set.packets().zip(*times).filter(|((number, _), _)| mask >> (number % WIDTH) & 1 == 1);
        let since = own.map(|(_, since)| second.saturating_add(i64::from(*since)));
        since.map(|at| (at, at)).reduce(|all, at| (all.0.min(at.0), all.1.max(at.1)))
    }

    fn count(&self) -> u64 {
        match self {
            Packets::Set(set, mask, _) => u64::from((set.bits & mask).count_ones()),
            _ => u64::from(self.span().1),
        }
    }

    /// Those that `fits` fits and the others, each as few parts.
    fn part(&self, mut fits: impl FnMut(u16) -> bool, mut show: impl FnMut(Packets<'a>, bool)) {
        if let Packets::Set(set, mask, times) = self {
            let mut fitting = 0;
            for (number, _) in set.packets_of(*mask).filter(|(number, _)| fits(*number)) {
                fitting |= 1 << (number % WIDTH);
            }
            for (mask, fits) in [(mask & fitting, true), (mask & !fitting, false)] {
                if set.bits & mask != 0 {
                    show(Packets::Set(set, mask, *times), fits);
                }
            }
            return;
        }
        let (start, len) = self.span();
        let told: Vec<bool> = (0..len).map(|place| fits(start.wrapping_add(place))).collect();
        let mut from = 0;
        for alike in told.chunk_by(|one, next| one == next) {
            let (begin, count) = (start.wrapping_add(from as u16), alike.len());
            let part = match self {
                Packets::Listed { sizes, .. } => {
                    Packets::Listed { start: begin, sizes: sizes.get(from..from + count).unwrap_or_default() }
                }
                Packets::Uniform { size, .. } => Packets::Uniform { start: begin, len: count as u16, size: *size },
                Packets::Set(..) => continue,
            };
            show(part, alike.first() == Some(&true));
            from += count;
        }
    }
}

impl<'a> Piece<'a> {
    /// The packets that `fits` fits and the others, each as few pieces, with their share of what was captured.
    pub(super) fn part(&self, fits: impl FnMut(u16) -> bool, mut show: impl FnMut(Self, bool)) {
        let all = self.packets.count().max(1);
        let (mut counted, mut given) = (0, 0);
        self.packets.part(fits, |packets, fits| {
            counted += packets.count();
            let upto = self.captured * counted / all;
            let (first, last) = packets.times(self.second).unwrap_or((self.first, self.last));
            show(Piece { captured: upto - given, packets, first, last, ..self.clone() }, fits);
            given = upto;
        });
    }
}

impl Flow {
    pub(super) fn add(&mut self, cell: Cell) {
        // Workers take turns, so most cells have their other half near the end.
        let recent = self.cells.len().saturating_sub(4);
        let place = cell.set.place();
        let mut near = self.cells.get_mut(recent..).unwrap_or_default().iter_mut().rev();
        match near.find(|known| known.set.place() == place) {
            Some(known) => known.unite(&cell),
            None => {
                if self.cells.capacity() == 0 {
                    self.cells.reserve_exact(1);
                }
                self.cells.push(cell);
            }
        }
    }

    /// Bytes of what is settled, but for two bytes a second.
    pub(super) fn detail(&self) -> usize {
        self.settled.as_ref().map_or(0, |settled| {
            let beside: usize = settled.kept.iter().map(|kept| kept.set.beside() + size_of_val(&*kept.times)).sum();
            size_of_val(&*settled.kept) + beside + size_of_val(&*settled.stretches) + size_of_val(&*settled.sizes)
        })
    }

    /// Packets captured, copies included.
    pub(super) fn captured(&self) -> u64 {
        let in_cells: u64 = self.cells.iter().map(|cell| u64::from(cell.set.captured)).sum();
        in_cells + self.pieces().map(|piece| piece.captured).sum::<u64>()
    }

    /// Settles the seconds before `until`, where every cell has come, unless what comes tells whether they are tails.
    pub(super) fn fold(&mut self, until: i64) {
        if !self.cells.iter().any(|cell| cell.set.second < until) {
            return;
        }
        if !self.cells.is_sorted_by_key(|cell| cell.set.place()) {
            self.cells.sort_by_key(|cell| cell.set.place());
        }
        self.cells.dedup_by(|cell, known| {
            let is_same = cell.set.place() == known.set.place();
            if is_same {
                known.unite(cell);
            }
            is_same
        });
        let mut rest = self.cells.as_mut_slice();
        while let Some(second) = rest.first().map(|cell| cell.set.second) {
            let after = |ns: &i64| second.saturating_add(*ns);
            let next = rest.partition_point(|cell| cell.set.second < after(TAIL_NS.start()));
            let goes_on = rest.get(next).is_some_and(|cell| cell.set.second <= after(TAIL_NS.end()));
            let (cells, others) = rest.split_at_mut(rest.partition_point(|cell| cell.set.second <= second));
            if second < until && (goes_on || after(TAIL_NS.end()) < until) {
                self.settled.get_or_insert_default().settle(cells, !goes_on);
                cells.iter_mut().for_each(|cell| cell.set.captured = 0);
            }
            rest = others;
        }
        self.cells.retain(|cell| cell.set.captured > 0);
        self.cells.shrink_to_fit();
    }

    /// What is settled as pieces, in no order.
    pub(super) fn pieces(&self) -> impl Iterator<Item = Piece<'_>> {
        self.settled.iter().flat_map(|settled| settled.kept.iter().map(Kept::piece).chain(settled.pieces()))
    }
}

impl Kept {
    fn of(cell: &Cell, with_times: bool) -> Self {
        let times: Box<[u32]> = if with_times {
            cell.times_of_packets().collect()
        } else {
            let ends = cell.times_of_packets().min().zip(cell.times_of_packets().max());
            ends.into_iter().flat_map(|(first, last)| [first, last]).collect()
        };
        Self { set: cell.set.clone(), times }
    }

    fn piece(&self) -> Piece<'_> {
        let set = &self.set;
        let ends = self.times.iter().min().copied().zip(self.times.iter().max().copied());
        let (first, last) = ends.map_or((0, 0), |(first, last)| (i64::from(first), i64::from(last)));
        let all = (self.times.len() == set.bits.count_ones() as usize).then_some(&*self.times);
        Piece {
            second: set.second,
            first: set.second.saturating_add(first),
            last: set.second.saturating_add(last),
            digits: set.digits,
            record: set.record,
            captured: u64::from(set.captured),
            packets: Packets::Set(set, u64::MAX, all),
        }
    }
}

/// The sequence numbers of a regular second.
struct Interval {
    start: u16,
    len: u16,
    times: u16,
}

impl Interval {
    /// The interval that the cells of one second make, in order of their blocks, if each packet was captured equally often.
    fn of(cells: &[Cell]) -> Option<Self> {
        let mut before = &cells.last()?.set;
        let (mut start, mut starts, mut len, mut captured) = (0, 0, 0_u32, 0_u64);
        for Cell { set, .. } in cells {
            let is_next = before.block.wrapping_add(1) % 1024 == set.block && !std::ptr::eq(before, set);
            let carried = if is_next { before.bits >> 63 } else { 0 };
            let begins = set.bits & !(set.bits << 1 | carried);
            if begins != 0 {
                start = set.block * WIDTH + begins.trailing_zeros() as u16;
                starts += begins.count_ones();
            }
            len += set.bits.count_ones();
            captured += u64::from(set.captured);
            before = set;
        }
        let times = u16::try_from(captured / u64::from(len.max(1))).ok()?;
        let evenly = cells
            .iter()
            .all(|cell| u64::from(cell.set.captured) == u64::from(times) * u64::from(cell.set.bits.count_ones()));
        let digits = cells.first()?.set.digits;
        if starts != 1 || !evenly || cells.iter().any(|cell| cell.set.digits != digits) {
            return None;
        }
        // So that no block holds both ends.
        let len = u16::try_from(len).ok().filter(|len| *len < u16::MAX - WIDTH)?;
        Some(Self { start, len, times })
    }
}

/// Packets of a regular second without a space between them.
#[derive(Clone, Copy, Debug)]
struct Burst {
    len: u16,
    first: u32,
    last: u32,
}

/// The bursts of an interval of packets whose times are in order of their numbers; `None` if they are more than two, or
/// not in that order.
fn bursts(times: &[u32]) -> Option<(Burst, Option<Burst>)> {
    let burst = |times: &[u32]| {
        let (first, last) = (times.first()?, times.last()?);
        Some(Burst { len: times.len() as u16, first: *first, last: *last })
    };
    let space = |one: u32, next: u32| next.wrapping_sub(one) >= SPACE_NS as u32;
    let pairs = || times.iter().zip(times.get(1..).unwrap_or_default());
    // Most seconds are one burst in order; without a way out the loop runs on many packets at once.
    if !pairs().fold(false, |any, (one, next)| any | space(*one, *next)) {
        return Some((burst(times)?, None));
    }
    if times.is_sorted() {
        let end = 1 + pairs().position(|(one, next)| space(*one, *next))?;
        let (before, behind) = times.split_at_checked(end)?;
        let is_one = !behind.iter().zip(behind.get(1..)?).any(|(one, next)| space(*one, *next));
        return Some((burst(before)?, Some(burst(behind).filter(|_| is_one)?)));
    }
    let (first, last) = (times.iter().min()?, times.iter().max()?);
    is_burst(times.to_vec()).then_some((Burst { len: times.len() as u16, first: *first, last: *last }, None))
}

/// Whether the numbers of a second lie in several groups, apart from each other by more than is lost at once.
fn is_apart(cells: &[Cell]) -> bool {
    let numbers = || cells.iter().flat_map(|cell| cell.set.packets()).map(|(number, _)| number);
    let ring = numbers().zip(numbers().skip(1).chain(numbers().next()));
    ring.filter(|(number, next)| next.wrapping_sub(*number) > MOST_LOST).count() > 1
}

/// Whether packets of these times have no space between them.
fn is_burst(mut times: Vec<u32>) -> bool {
    times.sort_unstable();
    times.iter().zip(times.get(1..).unwrap_or_default()).all(|(one, next)| i64::from(next - one) < SPACE_NS)
}

impl Settled {
    /// Settles the cells of a second.
    fn settle(&mut self, cells: &[Cell], is_tail: bool) {
        if !is_tail && self.fold(cells).is_some() {
            return;
        }
        let with_times =
            is_tail || is_apart(cells) || !is_burst(cells.iter().flat_map(Cell::times_of_packets).collect());
        self.kept.extend(cells.iter().map(|cell| Kept::of(cell, with_times)));
    }

    /// Folds a second; `None` if it is not regular.
    fn fold(&mut self, cells: &[Cell]) -> Option<()> {
        let interval = Interval::of(cells)?;
        // In order of the numbers, which may begin anew within the second.
        let begins = cells.iter().position(|cell| cell.set.block == interval.start / WIDTH)?;
        let (behind, from) = cells.split_at_checked(begins)?;
        let in_order = || from.iter().chain(behind);
        let mut times = Vec::with_capacity(usize::from(interval.len));
        in_order().for_each(|cell| times.extend_from_slice(cell.times()));
        let (first, second) = bursts(&times)?;
        let size = cells.first()?.set.uniform_size();
        let size = size.filter(|size| cells.iter().all(|cell| cell.set.uniform_size() == Some(*size)));
        let earliest = &cells.iter().min_by_key(|cell| (cell.set.first(), cell.set.record))?.set;
        let mut listed: Vec<u16> = Vec::new();
        if size.is_none() {
            listed.extend(in_order().flat_map(|cell| cell.set.packets()).map(|(_, size)| size));
        }
        let mut start = interval.start;
        let mut listed = listed.as_slice();
        for burst in [Some(first), second].into_iter().flatten() {
            self.stretch(earliest, (start, burst, interval.times), size);
            let (own, rest) = listed.split_at_checked(usize::from(burst.len)).unwrap_or_default();
            self.sizes.extend_from_slice(own);
            (start, listed) = (start.wrapping_add(burst.len), rest);
        }
        Some(())
    }

    /// Adds a burst to the stretch that it goes on with, or begins one. Its sizes are listed behind.
    fn stretch(&mut self, earliest: &Set, (start, burst, times): (u16, Burst, u16), size: Option<u16>) {
        let second = earliest.second;
        let at = |since: u32| second.saturating_add(i64::from(since));
        self.counts.push(burst.len);
        if let Some(stretch) = self.stretches.last_mut() {
            let goes_on = stretch.next_second() == second
                && stretch.next == start
                && stretch.times == times
                && stretch.digits == earliest.digits
                && at(burst.first).saturating_sub(stretch.last) < SPACE_NS
                && stretch.seconds < u32::MAX
                && match stretch.size {
                    Sizes::Listed(_) => size.is_none(),
                    Sizes::Uniform(known) => size == Some(known),
                };
            if goes_on {
                stretch.last = at(burst.last);
                stretch.next = start.wrapping_add(burst.len);
                stretch.seconds += 1;
                return;
            }
        }
        self.stretches.push(Stretch {
            first: at(burst.first),
            last: at(burst.last),
            record: earliest.record,
            size: size.map_or(Sizes::Listed(self.sizes.len()), Sizes::Uniform),
            seconds: 1,
            start,
            next: start.wrapping_add(burst.len),
            times,
            digits: earliest.digits,
        });
    }

    fn pieces(&self) -> impl Iterator<Item = Piece<'_>> {
        let mut counts = self.counts.as_slice();
        self.stretches.iter().flat_map(move |stretch| {
            let (own, rest) = counts.split_at_checked(stretch.seconds as usize).unwrap_or_default();
            counts = rest;
            stretch.pieces(own, &self.sizes)
        })
    }
}

impl Stretch {
    /// The start of the second that would come next.
    fn next_second(&self) -> i64 {
        second_of(self.first).saturating_add(i64::from(self.seconds).saturating_mul(SECOND_NS))
    }

    fn pieces<'a>(&self, counts: &'a [u16], sizes: &'a [u16]) -> impl Iterator<Item = Piece<'a>> + use<'a> {
        let (first, last, record) = (self.first, self.last, self.record);
        let (digits, times, size) = (self.digits, u64::from(self.times), self.size);
        let (mut start, mut second) = (self.start, second_of(first));
        let mut listed = match size {
            Sizes::Listed(from) => from,
            Sizes::Uniform(_) => 0,
        };
        counts.iter().map(move |len| {
            let packets = match size {
                Sizes::Uniform(size) => Packets::Uniform { start, len: *len, size },
                Sizes::Listed(_) => {
                    let own = sizes.get(listed..listed + usize::from(*len)).unwrap_or_default();
                    listed += usize::from(*len);
                    Packets::Listed { start, sizes: own }
                }
            };
            let piece = Piece {
                second,
                first: second.max(first),
                last: second.saturating_add(SECOND_NS - 1).min(last),
                digits,
                record,
                captured: times * u64::from(*len),
                packets,
            };
            start = start.wrapping_add(*len);
            second = second.saturating_add(SECOND_NS);
            piece
        })
    }
}
