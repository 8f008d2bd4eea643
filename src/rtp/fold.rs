//! A flow of one source: its cells, and the seconds without loss folded into stretches.
//!
//! # Design
//!
//! A second is regular when its sequence numbers are an interval and each packet was captured equally often. Regular
//! seconds that follow each other in time and number make a stretch: its first and last time, and two bytes a second.
//! What a fold forgets, the times of the seconds inside, no result needs: no gap hides there. Cells that come after
//! their second was folded stay cells, and are united in the end.

use super::cell::{Cell, SECOND_NS, second_of};
use super::run::RUN_GAP_NS;

/// A flow of one source.
#[derive(Debug, Default)]
pub(super) struct Flow {
    /// Cells: the first `settled` ones stay as they are.
    cells: Vec<Cell>,
    settled: u32,
    folded: Option<Box<Folded>>,
}

#[derive(Debug, Default)]
struct Folded {
    stretches: Vec<Stretch>,
    /// Packets of each second of the stretches, one stretch behind the other.
    counts: Vec<u16>,
    /// The sizes of the packets of those stretches whose sizes differ.
    sizes: Vec<u16>,
}

/// Seconds that follow each other, with sequence numbers that follow each other.
#[derive(Debug)]
struct Stretch {
    first: i64,
    last: i64,
    /// The start of the second that would come next.
    next_second: i64,
    record: u64,
    /// The sequence number that would come next.
    next: u16,
    start: u16,
    /// Where its counts begin.
    counts: usize,
    size: Sizes,
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
    /// Those of a cell.
    Cell(&'a Cell),
    /// An interval of packets of the sizes listed.
    Listed { start: u16, sizes: &'a [u16] },
    /// An interval of packets of one size.
    Uniform { start: u16, len: u16, size: u16 },
}

impl Flow {
    pub(super) fn add(&mut self, cell: Cell) {
        // Workers take turns, so most cells have their other half near the end.
        let unsettled = self.cells.get_mut(self.settled as usize..).unwrap_or_default();
        let recent = unsettled.len().saturating_sub(4);
        let place = cell.place();
        let same =
            unsettled.get_mut(recent..).unwrap_or_default().iter_mut().rev().find(|known| known.place() == place);
        match same {
            Some(known) => known.unite(cell),
            None => {
                if self.cells.capacity() == 0 {
                    self.cells.reserve_exact(1);
                }
                self.cells.push(cell);
            }
        }
    }

    /// Bytes of what could not be folded.
    pub(super) fn detail(&self) -> usize {
        let cells = self.cells.get(..self.settled as usize).unwrap_or_default();
        let beside: usize = cells.iter().map(Cell::beside).sum();
        size_of_val(cells) + beside + self.folded.as_ref().map_or(0, |folded| 2 * folded.sizes.len())
    }

    /// Packets captured, copies included.
    pub(super) fn captured(&self) -> u64 {
        let in_cells: u64 = self.cells.iter().map(|cell| u64::from(cell.captured)).sum();
        let in_stretches: u64 = self
            .folded
            .iter()
            .flat_map(|folded| folded.spans())
            .map(|(stretch, counts)| {
                u64::from(stretch.times) * counts.iter().map(|count| u64::from(*count)).sum::<u64>()
            })
            .sum();
        in_cells + in_stretches
    }

    /// Folds the regular seconds before `until`, where every cell has come.
    pub(super) fn fold(&mut self, until: i64) {
        let settled = self.settled as usize;
        let Some(unsettled) = self.cells.get_mut(settled..) else { return };
        if !unsettled.iter().any(|cell| cell.second() < until) {
            return;
        }
        let mut cells = self.cells.split_off(settled);
        cells.sort_unstable_by_key(Cell::place);
        let mut cells = united(cells);
        let complete = cells.partition_point(|cell| cell.second() < until);
        let later = cells.split_off(complete);
        for second in cells.chunk_by(|one, other| one.second() == other.second()) {
            let folded = Interval::of(second)
                .is_some_and(|interval| self.folded.get_or_insert_default().take(second, &interval));
            if !folded {
                self.cells.extend_from_slice(second);
            }
        }
        // A source of 2^32 cells is beyond every limit.
        self.settled = self.cells.len() as u32;
        self.cells.extend(later);
        self.cells.shrink_to_fit();
    }

    /// Everything as pieces, in no order.
    pub(super) fn pieces(&self) -> impl Iterator<Item = Piece<'_>> {
        let cells = self.cells.iter().map(|cell| Piece {
            second: cell.second(),
            first: cell.first,
            last: cell.last(),
            digits: cell.digits,
            record: cell.record,
            captured: u64::from(cell.captured),
            packets: Packets::Cell(cell),
        });
        cells.chain(self.folded.iter().flat_map(|folded| folded.pieces()))
    }
}

/// Cells in order, those of one place united.
fn united(cells: Vec<Cell>) -> Vec<Cell> {
    let mut united: Vec<Cell> = Vec::with_capacity(cells.len());
    for cell in cells {
        match united.last_mut() {
            Some(last) if last.place() == cell.place() => last.unite(cell),
            _ => united.push(cell),
        }
    }
    united
}

/// The sequence numbers of a regular second.
struct Interval {
    start: u16,
    len: u16,
    times: u16,
}

impl Interval {
    /// The interval that the cells of one second make, in order of their blocks, if they are regular.
    fn of(cells: &[Cell]) -> Option<Self> {
        let mut before = cells.last()?;
        let (mut start, mut starts, mut len, mut captured) = (0, 0, 0_u32, 0_u64);
        for cell in cells {
            let is_next = before.block.wrapping_add(1) % 1024 == cell.block && !std::ptr::eq(before, cell);
            let carried = if is_next { before.bits >> 63 } else { 0 };
            let begins = cell.bits & !(cell.bits << 1 | carried);
            if begins != 0 {
                start = cell.block * super::cell::WIDTH + begins.trailing_zeros() as u16;
                starts += begins.count_ones();
            }
            len += cell.bits.count_ones();
            captured += u64::from(cell.captured);
            before = cell;
        }
        let times = u16::try_from(captured / u64::from(len.max(1))).ok()?;
        let evenly =
            cells.iter().all(|cell| u64::from(cell.captured) == u64::from(times) * u64::from(cell.bits.count_ones()));
        let digits = cells.first()?.digits;
        if starts != 1 || !evenly || cells.iter().any(|cell| cell.digits != digits) {
            return None;
        }
        Some(Self { start, len: u16::try_from(len).ok()?, times })
    }
}

impl Folded {
    /// Folds a regular second; `false` when that would forget too much.
    fn take(&mut self, cells: &[Cell], interval: &Interval) -> bool {
        let Some(earliest) = cells.iter().min_by_key(|cell| (cell.first, cell.record)) else { return false };
        let last = cells.iter().map(Cell::last).max().unwrap_or(earliest.first);
        let second = earliest.second();
        let uniform =
            earliest.uniform_size().filter(|size| cells.iter().all(|cell| cell.uniform_size() == Some(*size)));
        if let Some(stretch) = self.stretches.last_mut() {
            let goes_on = stretch.next_second == second
                && stretch.next == interval.start
                && stretch.times == interval.times
                && stretch.digits == earliest.digits
                && earliest.first.saturating_sub(stretch.last) <= RUN_GAP_NS
                && match stretch.size {
                    Sizes::Listed(_) => uniform.is_none(),
                    Sizes::Uniform(size) => uniform == Some(size),
                };
            if goes_on {
                stretch.last = last;
                stretch.next = interval.start.wrapping_add(interval.len);
                stretch.next_second = second.saturating_add(SECOND_NS);
                self.list(cells, interval, uniform);
                return true;
            }
        }
        let size = uniform.map_or(Sizes::Listed(self.sizes.len()), Sizes::Uniform);
        self.stretches.push(Stretch {
            first: earliest.first,
            last,
            next_second: second.saturating_add(SECOND_NS),
            record: earliest.record,
            next: interval.start.wrapping_add(interval.len),
            start: interval.start,
            counts: self.counts.len(),
            size,
            times: interval.times,
            digits: earliest.digits,
        });
        self.list(cells, interval, uniform);
        true
    }

    /// Lists the count of a second, and its packets' sizes where they differ.
    fn list(&mut self, cells: &[Cell], interval: &Interval, uniform: Option<u16>) {
        self.counts.push(interval.len);
        if uniform.is_none() {
            let from = self.sizes.len();
            let mut packets: Vec<(u16, u16)> = cells.iter().flat_map(Cell::packets).collect();
            packets.sort_unstable_by_key(|(sequence, _)| sequence.wrapping_sub(interval.start));
            self.sizes.extend(packets.iter().map(|(_, size)| *size));
            debug_assert_eq!(self.sizes.len() - from, usize::from(interval.len));
        }
    }

    /// The stretches with their counts.
    fn spans(&self) -> impl Iterator<Item = (&Stretch, &[u16])> {
        let ends = self.stretches.iter().skip(1).map(|stretch| stretch.counts).chain([self.counts.len()]);
        self.stretches
            .iter()
            .zip(ends)
            .map(|(stretch, end)| (stretch, self.counts.get(stretch.counts..end).unwrap_or_default()))
    }

    fn pieces(&self) -> impl Iterator<Item = Piece<'_>> {
        self.spans().flat_map(move |(stretch, counts)| {
            let mut start = stretch.start;
            let mut second = second_of(stretch.first);
            let mut listed = match stretch.size {
                Sizes::Listed(from) => from,
                Sizes::Uniform(_) => 0,
            };
            counts.iter().map(move |len| {
                let packets = match stretch.size {
                    Sizes::Uniform(size) => Packets::Uniform { start, len: *len, size },
                    Sizes::Listed(_) => {
                        let sizes = self.sizes.get(listed..listed + usize::from(*len)).unwrap_or_default();
                        listed += usize::from(*len);
                        Packets::Listed { start, sizes }
                    }
                };
                let piece = Piece {
                    second,
                    first: second.max(stretch.first),
                    last: second.saturating_add(SECOND_NS - 1).min(stretch.last),
                    digits: stretch.digits,
                    record: stretch.record,
                    captured: u64::from(stretch.times) * u64::from(*len),
                    packets,
                };
                start = start.wrapping_add(*len);
                second = second.saturating_add(SECOND_NS);
                piece
            })
        })
    }
}
