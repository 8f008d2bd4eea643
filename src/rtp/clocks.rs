//! How far the clocks of sources that captured one flow are apart, where that is more than the walk takes for copies.
//!
//! A sender never sends numbers again while it goes on with later ones. So where one source has numbers that another
//! one had seconds before, and the other goes on without a pause meanwhile, both captured the same packets, by clocks that differ. The
//! earlier clock is taken, as it is for messages. Numbers that come again after all is sent may have been sent anew:
//! that is not told here (see [`crate::facts::Run::repeats`]).

use std::collections::{BTreeMap, BTreeSet};

use super::cell::{SECOND_NS, WIDTH};
use super::fold::{Packets, Piece, SPACE_NS};
use super::run::{MAX_DROPOUT, RUN_GAP_NS};

/// Pieces of a flow whose numbers are looked for in another source: its first ones, and others evenly chosen.
const PROBED: usize = 64;

/// Places of one number in a source that are looked at. It comes again every 65,536 packets.
const MOST_PLACES: usize = 64;

/// Sources with numbers of another one that it is compared with.
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

/// Sets the clocks of the sources of one flow right: each one's `pieces` are sorted by time.
pub(super) fn align(sources: &mut [Vec<Piece<'_>>]) {
    // Seconds that each clock is ahead of the first one of its group, and that one.
    let mut ahead: Vec<(usize, i64)> = Vec::with_capacity(sources.len());
    let seen: Vec<Seen<'_, '_>> = sources.iter().map(|pieces| Seen::of(pieces)).collect();
    // Who shares no number has nothing to tell, and of a rotated capture that is nearly every other file.
    let mut with_block: BTreeMap<u16, Vec<usize>> = BTreeMap::new();
    for (place, own) in seen.iter().enumerate() {
        let blocks = own.blocks();
        let alike: BTreeSet<usize> =
            blocks.iter().filter_map(|block| with_block.get(block)).flatten().copied().collect();
        let found = alike.into_iter().take(MOST_COMPARED).find_map(|other| {
            let (group, seconds) = ahead.get(other)?;
            Some((*group, seconds.saturating_add(lag(seen.get(other)?, own)?)))
        });
        ahead.push(found.unwrap_or((place, 0)));
        blocks.into_iter().for_each(|block| with_block.entry(block).or_default().push(place));
    }
    drop(seen);
    for (pieces, (group, seconds)) in sources.iter_mut().zip(&ahead) {
        let least = ahead.iter().filter(|(other, _)| other == group).map(|(_, seconds)| *seconds).min();
        let by = seconds.saturating_sub(least.unwrap_or(0)).saturating_mul(SECOND_NS);
        for piece in pieces.iter_mut().filter(|_| by > 0) {
            for at in [&mut piece.second, &mut piece.first, &mut piece.last] {
                *at = at.saturating_sub(by);
            }
        }
    }
}

/// The whole seconds that the clock of `own` is ahead of that of `known`; `None` if nothing shows that it is.
fn lag(known: &Seen<'_, '_>, own: &Seen<'_, '_>) -> Option<i64> {
    let mut votes: BTreeMap<i64, Votes> = BTreeMap::new();
    let pieces = own.pieces;
    let step = pieces.len().div_ceil(PROBED).max(1);
    let probed = pieces.iter().enumerate().filter(|(place, _)| *place < PROBED / 4 || place % step == 0);
    for (place, piece) in probed {
        let (start, len) = span(&piece.packets);
        for number in [start, start.wrapping_add(len / 2), start.wrapping_add(len - 1)] {
            for (of_other, other) in known.with(number).filter(|_| has(&piece.packets, number)).take(MOST_PLACES) {
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
        return None;
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
            pieces.iter().enumerate().map(|(place, piece)| (span(&piece.packets).0, place)).collect();
        by_number.sort_unstable();
        let widest = pieces.iter().map(|piece| span(&piece.packets).1).max().unwrap_or(0);
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

    /// The blocks of [`WIDTH`] numbers that its pieces reach into.
    fn blocks(&self) -> BTreeSet<u16> {
        let of = |piece: &Piece<'_>| {
            let (start, len) = span(&piece.packets);
            let first = start / WIDTH;
            let count = (u32::from(start % WIDTH) + u32::from(len)).div_ceil(u32::from(WIDTH));
            (0..count as u16).map(move |block| first.wrapping_add(block) % (u16::MAX / WIDTH + 1))
        };
        self.pieces.iter().flat_map(of).collect()
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
            .filter(move |(_, piece)| has(&piece.packets, number))
    }

    /// Whether the sender went on from a piece of this source until another one had begun: by more than the end of one
    /// file and the beginning of the next may be in disorder.
    fn goes_on_at(&self, place: usize, begun: &Piece<'_>) -> bool {
        self.paused.get(place).is_some_and(|paused| *paused >= begun.first.saturating_add(SPACE_NS))
    }
}

/// Whether a piece goes on with the one before it.
fn goes_on_with(piece: &Piece<'_>, next: &Piece<'_>) -> bool {
    let ahead = span(&next.packets).0.wrapping_sub(span(&piece.packets).0);
    ahead <= MAX_DROPOUT && next.first.saturating_sub(piece.last) <= RUN_GAP_NS
}

/// The first number of a piece, and how many numbers it spans.
fn span(packets: &Packets<'_>) -> (u16, u16) {
    match packets {
        Packets::Set(set, _) => set.span(),
        Packets::Listed { start, sizes } => (*start, sizes.len() as u16),
        Packets::Uniform { start, len, .. } => (*start, *len),
    }
}

fn has(packets: &Packets<'_>, number: u16) -> bool {
    match packets {
        Packets::Set(set, _) => set.has_number(number),
        _ => {
            let (start, len) = span(packets);
            number.wrapping_sub(start) < len
        }
    }
}
