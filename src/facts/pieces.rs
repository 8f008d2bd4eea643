//! A list in pieces: it grows without copying what it holds and without room for as much again.
//!
//! A place is a number that stays the same however far the list grows. Runs that are added together lie together, so
//! that they can be handed out as slices.

use serde::{Deserialize, Serialize};

/// Values in pieces of 2^`BITS`. Only a run longer than that lies in a larger piece.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Pieces<T, const BITS: u32> {
    pieces: Vec<Vec<T>>,
}

/// How far a list had grown.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark {
    pieces: usize,
    /// Values in the last piece.
    last: usize,
}

impl<T, const BITS: u32> Default for Pieces<T, BITS> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T, const BITS: u32> Pieces<T, BITS> {
    const PIECE: usize = 1 << BITS;

    pub(super) const fn new() -> Self {
        Self { pieces: Vec::new() }
    }

    /// The value of that place.
    #[inline]
    pub(super) fn get(&self, place: u32) -> Option<&T> {
        self.pieces.get((place >> BITS) as usize)?.get(place as usize & (Self::PIECE - 1))
    }

    #[inline]
    pub(super) fn get_mut(&mut self, place: u32) -> Option<&mut T> {
        self.pieces.get_mut((place >> BITS) as usize)?.get_mut(place as usize & (Self::PIECE - 1))
    }

    /// The values of a run that was added as one, or of a part of it.
    #[inline]
    pub(super) fn run(&self, start: u32, len: usize) -> &[T] {
        let within = start as usize & (Self::PIECE - 1);
        let piece = self.pieces.get((start >> BITS) as usize);
        piece.and_then(|piece| piece.get(within..within + len)).unwrap_or_default()
    }

    /// How many places there are in pieces that are full or are being filled. Where values are added one by one, each
    /// place has one.
    pub(super) fn len(&self) -> usize {
        self.pieces.last().map_or(0, |last| (self.pieces.len() - 1) * Self::PIECE + last.len())
    }

    /// How far the list has grown.
    pub(super) fn mark(&self) -> Mark {
        Mark { pieces: self.pieces.len(), last: self.pieces.last().map_or(0, Vec::len) }
    }

    /// All values, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.pieces.iter().flatten()
    }

    /// Whether as many pieces may be added as a run of `more` values, however they fall, can ask for.
    pub(super) fn has_room(&self, more: usize) -> bool {
        self.pieces.len() + 2 * (more >> BITS) + 2 < (u32::MAX >> BITS) as usize
    }

    /// Whether half of the pieces that places can name are there: time for another list, long before one wraps.
    pub(super) fn is_half_full(&self) -> bool {
        self.pieces.len() > (u32::MAX >> BITS) as usize / 2
    }

    /// Takes all values away and keeps the room of the first piece.
    pub(super) fn clear(&mut self) {
        self.pieces.truncate(1);
        if let Some(first) = self.pieces.first_mut() {
            first.clear();
            first.shrink_to(Self::PIECE);
        }
    }

    /// Gives back the room behind the last value.
    pub(super) fn shrink(&mut self) {
        if let Some(last) = self.pieces.last_mut() {
            last.shrink_to_fit();
        }
    }

    /// Adds a value; gives its place.
    #[inline]
    pub(super) fn push(&mut self, value: T) -> u32 {
        let (start, piece) = self.open(1);
        let place = start + piece.len() as u32;
        piece.push(value);
        place
    }

    /// The piece that takes the next `more` values, and the place of its first one.
    #[inline]
    fn open(&mut self, more: usize) -> (u32, &mut Vec<T>) {
        let is_full = self.pieces.last().is_none_or(|last| last.len() + more > Self::PIECE && !last.is_empty());
        if is_full {
            // The first piece of a small list grows as any list does.
            let room = if self.pieces.is_empty() { 0 } else { Self::PIECE.max(more) };
            self.pieces.push(Vec::with_capacity(room));
        }
        let number = self.pieces.len() - 1;
        debug_assert!(number <= (u32::MAX >> BITS) as usize, "whoever adds asks for room in time");
        ((number as u32) << BITS, &mut self.pieces[number])
    }
}

/// Bytes in pieces, written out as bytes and not one by one.
pub(super) mod as_bytes {
    use serde::{Deserialize, Deserializer, Serializer};
    use serde_bytes::{ByteBuf, Bytes};

    use super::Pieces;

    pub(in super::super) fn serialize<S: Serializer, const BITS: u32>(
        bytes: &Pieces<u8, BITS>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(bytes.pieces.iter().map(|piece| Bytes::new(piece)))
    }

    pub(in super::super) fn deserialize<'d, D: Deserializer<'d>, const BITS: u32>(
        deserializer: D,
    ) -> Result<Pieces<u8, BITS>, D::Error> {
        let pieces = Vec::<ByteBuf>::deserialize(deserializer)?;
        Ok(Pieces { pieces: pieces.into_iter().map(ByteBuf::into_vec).collect() })
    }
}

#[cfg(test)]
impl<T, const BITS: u32> Pieces<T, BITS> {
    /// As if so many pieces had been filled, without their memory.
    pub(super) fn widen(&mut self, pieces: usize) {
        self.pieces.resize_with(pieces, Vec::new);
    }
}

impl<T: Copy, const BITS: u32> Pieces<T, BITS> {
    /// Adds a run; gives the place of its first value, any where it has none.
    #[inline]
    pub(super) fn extend(&mut self, values: &[T]) -> u32 {
        if values.is_empty() {
            return 0;
        }
        let (start, piece) = self.open(values.len());
        let place = start + piece.len() as u32;
        piece.extend_from_slice(values);
        place
    }

    /// Takes away what was added since the list had this mark.
    pub(super) fn roll_back(&mut self, mark: Mark) {
        self.pieces.truncate(mark.pieces.max(1));
        if let Some(last) = self.pieces.last_mut() {
            last.truncate(mark.last);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Small = Pieces<u8, 3>;

    #[test]
    fn places_stay_while_the_list_grows() {
        let mut list = Small::default();
        let places: Vec<u32> = (0..40).map(|value| list.push(value)).collect();
        assert_eq!(places, (0..40).collect::<Vec<u32>>());
        assert!((0..40).all(|value| list.get(u32::from(value)) == Some(&value)));
        assert_eq!((list.len(), list.get(40)), (40, None));
        assert!(list.iter().copied().eq(0..40));
    }

    #[test]
    fn a_run_lies_together() {
        let mut list = Small::default();
        let runs: Vec<(u32, Vec<u8>)> = [5, 5, 0, 30, 1, 8, 3]
            .into_iter()
            .map(|len| {
                let run: Vec<u8> = (0..len).collect();
                (list.extend(&run), run)
            })
            .collect();
        for (start, run) in &runs {
            assert_eq!(list.run(*start, run.len()), run.as_slice());
        }
        assert!(list.run(1_000, 2).is_empty());
        assert!(list.run(0, 9).is_empty());
    }

    #[test]
    fn what_is_taken_away_leaves_no_trace() {
        for kept in 0..20_u8 {
            for more in [0, 1, 7, 8, 9, 30] {
                let mut list = Small::default();
                for value in 0..kept {
                    list.push(value);
                }
                let mark = list.mark();
                list.extend(&vec![0xff; more]);
                list.extend(&[0xfe]);
                list.roll_back(mark);
                assert_eq!(list.len(), usize::from(kept), "{kept} and {more}");
                assert!(list.iter().copied().eq(0..kept), "{kept} and {more}");
                assert_eq!(list.push(9), u32::from(kept), "{kept} and {more}");
            }
        }
    }

    #[test]
    fn a_list_says_in_time_that_places_run_out() {
        // Pieces of 2^30 values: four of them can be named.
        let mut list: Pieces<(), 30> = Pieces::default();
        assert!(list.has_room(1) && !list.is_half_full());
        list.widen(2);
        assert!(list.is_half_full() && !list.has_room(1));
    }

    #[test]
    fn a_cleared_list_begins_anew() {
        let mut list = Small::default();
        list.extend(&[1; 30]);
        list.extend(&[1; 3]);
        list.clear();
        assert_eq!((list.len(), list.push(4), list.get(0)), (0, 0, Some(&4)));
        list.shrink();
        assert_eq!(list.get(0), Some(&4));
    }
}
