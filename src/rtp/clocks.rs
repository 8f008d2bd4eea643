//! How far the clocks of sources that captured one flow are apart, where that is more than the walk takes for copies.
//!
//! A sender never sends numbers again while it goes on with later ones. So where one source has numbers that another
//! one had seconds before, and the other goes on without a pause meanwhile, both captured the same packets, by clocks that differ. The
//! earlier clock is taken, as it is for messages. Numbers that come again after all is sent may have been sent anew:
//! that is not told here (see [`crate::facts::Run::repeats`]).

use std::collections::BTreeMap;

use super::cell::{SECOND_NS, WIDTH};
use super::fold::{Piece, SPACE_NS};
use super::run::{MAX_DROPOUT, RUN_GAP_NS};

/// Pieces of a flow whose numbers are looked for in another source: its first ones, and others evenly chosen.
const PROBED: usize = 64;

/// Places of one number in a source that are looked at. It comes again every 65,536 packets.
const MOST_PLACES: usize = 64;

/// Sources with numbers of another one, at the same time, that it is compared with: the latest.
const MOST_COMPARED: usize = 64;

/// The pieces of one source.
struct Seen<'p, 'a> {
    /// By time.
    pieces: &'p [Piece<'a>],
    /// The first number of each, and its place, sorted.
    by_number: Vec<(u16, usize)>,
    /// The numbers that the widest of them spans.
    widest: u16,
    /// For each piece when its sender paused, or began anew.
    paused: Vec<i64>,
}

/// What speaks for two clocks being so many seconds apart.
#[derive(Clone, Copy, Debug, Default)]
struct Votes {
    numbers: usize,
    /// Whether the source that had them first went on meanwhile.
    goes_on: bool,
}

/// When a source has packets of a flow, and blocks of [`WIDTH`] numbers that they reach into, a bit each.
#[derive(Clone, Debug)]
struct Extent {
    first: i64,
    last: i64,
    blocks: [u64; BLOCKS / 64],
}

/// Blocks of [`WIDTH`] numbers.
const BLOCKS: usize = (u16::MAX / WIDTH) as usize + 1;

/// Sets the clocks of the sources of one flow right: each one's `pieces` are sorted by time. Whether any was wrong.
pub(super) fn align(sources: &mut [Vec<Piece<'_>>]) -> bool {
    let seen: Vec<Seen<'_, '_>> = sources.iter().map(|pieces| Seen::of(pieces)).collect();
    let extents: Vec<Extent> = seen.iter().map(Seen::extent).collect();
    let ahead = ahead(&extents, |known, own| lag(seen.get(known)?, seen.get(own)?));
    drop(seen);
    let mut is_any = false;
    for (pieces, (group, seconds)) in sources.iter_mut().zip(&ahead) {
        let least = ahead.iter().filter(|(other, _)| other == group).map(|(_, seconds)| *seconds).min();
        let by = seconds.saturating_sub(least.unwrap_or(0)).saturating_mul(SECOND_NS);
        is_any |= by > 0;
        for piece in pieces.iter_mut().filter(|_| by > 0) {
            for at in [&mut piece.second, &mut piece.first, &mut piece.last] {
                *at = at.saturating_sub(by);
            }
        }
    }
    is_any
}

/// For each source a first one of its group, and the seconds that its clock is ahead of that one's; `lag` compares two.
///
/// What two clocks show is seen only where both sources have packets at a time. Of a rotated capture that is no other file
/// but the next, and of two such taps few.
fn ahead(extents: &[Extent], mut lag: impl FnMut(usize, usize) -> Option<i64>) -> Vec<(usize, i64)> {
    let mut ahead: Vec<(usize, i64)> = (0..extents.len()).map(|place| (place, 0)).collect();
    let mut by_time: Vec<(usize, &Extent)> = extents.iter().enumerate().collect();
    by_time.sort_by_key(|(_, extent)| extent.first);
    let mut open: Vec<(usize, &Extent)> = Vec::new();
    for (own, extent) in by_time {
        open.retain(|(_, known)| known.last >= extent.first);
        let alike = open.iter().rev().filter(|(_, known)| known.shares_block(extent)).take(MOST_COMPARED);
        let found = alike.filter_map(|(known, _)| Some((ahead.get(*known)?, lag(*known, own)?))).next();
        if let Some(((group, seconds), lag)) = found {
            let found = (*group, seconds.saturating_add(lag));
            ahead.get_mut(own).into_iter().for_each(|own| *own = found);
        }
        open.push((own, extent));
    }
    ahead
}

impl Extent {
    fn shares_block(&self, other: &Self) -> bool {
        self.blocks.iter().zip(&other.blocks).any(|(one, other)| one & other != 0)
    }
}

/// The whole seconds that the clock of `own` is ahead of that of `known`; `None` if nothing shows that it is, or that it is
/// not.
fn lag(known: &Seen<'_, '_>, own: &Seen<'_, '_>) -> Option<i64> {
    let mut votes: BTreeMap<i64, Votes> = BTreeMap::new();
    let pieces = own.pieces;
    let step = pieces.len().div_ceil(PROBED).max(1);
    let probed = pieces.iter().enumerate().filter(|(place, _)| *place < PROBED / 4 || place % step == 0);
    for (place, piece) in probed {
        let (start, len) = piece.packets.span();
        for number in [start, start.wrapping_add(len / 2), start.wrapping_add(len - 1)] {
            for (of_other, other) in known.with(number).filter(|_| piece.packets.has(number)).take(MOST_PLACES) {
                let seconds = piece.second.saturating_sub(other.second) / SECOND_NS;
                let goes_on = match seconds {
                    1.. => known.goes_on_at(of_other, piece),
                    _ => own.goes_on_at(place, other),
                };
                let votes = votes.entry(seconds).or_default();
                votes.numbers += 1;
                votes.goes_on |= goes_on;
            }
        }
    }
    // What was captured in the same second by both clocks needs no other one.
    if votes.contains_key(&0) {
        return Some(0);
    }
    // A difference that is no whole number shows as two.
    let both = |seconds: i64| {
        let of = |seconds: i64| votes.get(&seconds).copied().unwrap_or_default();
        let (one, next) = (of(seconds), of(seconds.saturating_add(1)));
        (one.numbers + next.numbers, one.goes_on || next.goes_on)
    };
    let most = votes.keys().map(|seconds| both(*seconds).0).max()?;
    let shown = |seconds: &&i64| {
        let (numbers, goes_on) = both(**seconds);
        let before = seconds.saturating_sub(1);
        let is_best =
            (!votes.contains_key(&before) || numbers > both(before).0) && numbers >= both(seconds.saturating_add(1)).0;
        // Numbers that come again after 65,536 packets may well be more.
        goes_on && is_best && numbers >= most.div_ceil(4)
    };
    let lag = votes.keys().filter(shown).min_by_key(|seconds| (seconds.saturating_abs(), **seconds)).copied()?;
    let next = lag.saturating_add(1);
    let is_whole = !votes.contains_key(&next);
    // Neighbouring seconds are the walk's. The clock that is ahead stays ahead by what is left of a second.
    match lag {
        -1 => None,
        1 if is_whole => None,
        i64::MIN..=-2 if !is_whole => Some(next),
        _ => Some(lag),
    }
}

impl<'p, 'a> Seen<'p, 'a> {
    fn of(pieces: &'p [Piece<'a>]) -> Self {
        let mut by_number: Vec<(u16, usize)> =
            pieces.iter().enumerate().map(|(place, piece)| (piece.packets.span().0, place)).collect();
        by_number.sort_unstable();
        let widest = pieces.iter().map(|piece| piece.packets.span().1).max().unwrap_or(0);
        let mut paused: Vec<i64> = pieces.iter().map(|piece| piece.last).collect();
        for place in (1..pieces.len()).rev() {
            if let (Some([piece, next]), Some([until, later])) =
                (pieces.get(place - 1..=place), paused.get_mut(place - 1..=place))
                && goes_on_with(piece, next)
            {
                *until = (*until).max(*later);
            }
        }
        Self { pieces, by_number, widest, paused }
    }

    fn extent(&self) -> Extent {
        let mut extent = Extent { first: i64::MAX, last: i64::MIN, blocks: [0; BLOCKS / 64] };
        for piece in self.pieces {
            (extent.first, extent.last) = (extent.first.min(piece.first), extent.last.max(piece.last));
            let (start, len) = piece.packets.span();
            let first = usize::from(start / WIDTH);
            let count = (usize::from(start % WIDTH) + usize::from(len)).div_ceil(usize::from(WIDTH));
            for block in (0..count).map(|block| (first + block) % BLOCKS) {
                extent.blocks.get_mut(block / 64).into_iter().for_each(|bits| *bits |= 1 << (block % 64));
            }
        }
        extent
    }

    /// The pieces that have a number, with their places.
    fn with(&self, number: u16) -> impl Iterator<Item = (usize, &Piece<'a>)> {
        let from = number.wrapping_sub(self.widest);
        let upto = |number: u16| self.by_number.partition_point(|(start, _)| *start <= number);
        let (after, before) = (upto(from), upto(number));
        let (one, other) =
            if from <= number { (after..before, 0..0) } else { (after..self.by_number.len(), 0..before) };
        let places = [one, other].into_iter().flat_map(|range| self.by_number.get(range).unwrap_or_default());
        places
            .take(4 * MOST_PLACES)
            .filter_map(|(_, place)| self.pieces.get(*place).map(|piece| (*place, piece)))
            .filter(move |(_, piece)| piece.packets.has(number))
    }

    /// Whether the sender went on from a piece of this source until another one had begun: by more than the end of one
    /// file and the beginning of the next may be in disorder.
    fn goes_on_at(&self, place: usize, begun: &Piece<'_>) -> bool {
        self.paused.get(place).is_some_and(|paused| *paused >= begun.first.saturating_add(SPACE_NS))
    }
}

/// Whether a piece goes on with the one before it.
fn goes_on_with(piece: &Piece<'_>, next: &Piece<'_>) -> bool {
    let ahead = next.packets.span().0.wrapping_sub(piece.packets.span().0);
    ahead <= MAX_DROPOUT && next.first.saturating_sub(piece.last) <= RUN_GAP_NS
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A source of a minute from a second on that has all numbers of some blocks.
    fn minute(from: i64, blocks: std::ops::Range<usize>) -> Extent {
        let mut extent =
            Extent { first: from * SECOND_NS, last: (from + 60) * SECOND_NS - 1, blocks: [0; BLOCKS / 64] };
        blocks.for_each(|block| extent.blocks[block % BLOCKS / 64] |= 1 << (block % 64));
        extent
    }

    /// What is found, and how often two were compared.
    fn compared(extents: &[Extent], lag: impl Fn(usize, usize) -> Option<i64>) -> (Vec<(usize, i64)>, usize) {
        let mut count = 0;
        let found = ahead(extents, |known, own| {
            count += 1;
            lag(known, own)
        });
        (found, count)
    }

    #[test]
    fn a_flow_in_thousands_of_rotated_captures_is_not_compared_file_by_file() {
        // Fifty packets a second: the numbers come again in every 22nd file.
        let files = 5_000;
        let rotated = |ahead: i64| {
            (0..files).map(move |file| minute(60 * file + ahead, 47 * file as usize..47 * file as usize + 48))
        };
        let one: Vec<Extent> = rotated(0).collect();
        let (found, count) = compared(&one, |_, _| None);
        assert!(count == 0 && found.iter().enumerate().all(|(own, (group, _))| own == *group), "{count} comparisons");
        // A second tap's clock is three seconds ahead: each file of it is compared with those that it overlaps.
        let two: Vec<Extent> = rotated(0).chain(rotated(3)).collect();
        let lag = |known: usize, own: usize| (known + files as usize == own).then_some(3);
        let (found, count) = compared(&two, lag);
        assert!(found.iter().skip(files as usize).enumerate().all(|(own, found)| *found == (own, 3)));
        assert!(count <= 3 * two.len(), "{count} comparisons of {} files", two.len());
    }

    #[test]
    fn of_many_sources_at_one_time_some_are_compared() {
        let all: Vec<Extent> = (0..2_000).map(|number| minute(number % 7, 0..48)).collect();
        let (_, count) = compared(&all, |_, _| None);
        assert!(count <= MOST_COMPARED * all.len(), "{count} comparisons");
        let (found, count) = compared(&all, |_, _| Some(0));
        assert!(count < all.len() && found.iter().all(|found| *found == (0, 0)), "{count} comparisons");
    }
}
