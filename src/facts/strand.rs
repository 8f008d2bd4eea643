//! The messages of a Call-ID, wherever they were read.
//!
//! What one batch held of a Call-ID is a [`Strand`]; all of its strands are a [`Call`]; and a [`Shelf`] has the calls of
//! some hashes, whole.

use super::bytes::{Cursor, number};
use super::signalling::{Method, Signalling};
use super::written::Reader;

/// The messages of one Call-ID that one batch held.
#[derive(Clone, Copy, Debug)]
pub(super) struct Strand<'m> {
    /// Of the Call-ID; or the [place](Self::at) that stands for it.
    pub(super) hash: u64,
    pub(super) call_id: &'m [u8],
    methods: Methods,
    /// As they are [written](super::written).
    messages: &'m [u8],
    /// All bytes of it.
    whole: &'m [u8],
}

/// Which methods the messages of a strand have, by their [number](Method); those of responses are the requests'.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Methods(u16);

/// All messages of one Call-ID.
#[derive(Clone, Copy, Debug)]
pub struct Call<'s, 'm> {
    strands: &'s [Strand<'m>],
}

/// The calls of some hashes.
#[derive(Debug, Default)]
pub struct Shelf<'m> {
    /// Those of a Call-ID side by side, in the order in which they were added.
    strands: Vec<Strand<'m>>,
}

impl Methods {
    pub(super) const NONE: Self = Self(0);

    pub(super) fn add(&mut self, message: &Signalling<'_>) {
        self.0 |= Self::of(message).0;
    }

    fn of(message: &Signalling<'_>) -> Self {
        Self(message.method().map_or(0, |method| 1 << method as u16))
    }

    const fn have(self, method: Method) -> bool {
        self.0 & 1 << method as u16 != 0
    }
}

impl<'m> Strand<'m> {
    /// Writes what stands before `length` bytes of messages.
    pub(super) fn write_head((hash, methods): (u64, Methods), call_id: &[u8], length: usize, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&hash.to_le_bytes());
        bytes.extend_from_slice(&methods.0.to_le_bytes());
        number(bytes, call_id.len());
        number(bytes, length);
        bytes.extend_from_slice(call_id);
    }

    /// The strands that are written one behind the other.
    pub(super) fn all(bytes: &'m [u8]) -> impl Iterator<Item = Self> {
        let mut cursor = Cursor(bytes);
        std::iter::from_fn(move || {
            let before = cursor.0;
            let hash = u64::from_le_bytes(*cursor.fixed()?);
            let methods = Methods(u16::from_le_bytes(*cursor.fixed()?));
            let (call_id, messages) = (cursor.number()?, cursor.number()?);
            let (call_id, messages) = (cursor.run(call_id)?, cursor.run(messages)?);
            let whole = before.get(..before.len() - cursor.0.len())?;
            Some(Self { hash, call_id, methods, messages, whole })
        })
    }

    /// All bytes of it.
    pub(super) const fn bytes(&self) -> &'m [u8] {
        self.whole
    }

    /// The same under a place: a shelf has the calls in the order of theirs.
    pub(super) fn at(self, place: u32) -> Self {
        Self { hash: place.into(), ..self }
    }

    /// Writes all bytes of it, under a place.
    pub(super) fn write_at(&self, place: u32, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&u64::from(place).to_le_bytes());
        bytes.extend_from_slice(self.whole.get(8..).unwrap_or_default());
    }

    pub(super) fn messages(self) -> impl Iterator<Item = Signalling<'m>> {
        let (mut reader, mut cursor) = (Reader::of(self.call_id), Cursor(self.messages));
        std::iter::from_fn(move || reader.next(&mut cursor).copied())
    }
}

impl<'s, 'm> Call<'s, 'm> {
    /// Call-ID, byte by byte.
    #[must_use]
    pub fn call_id(&self) -> &'m [u8] {
        self.strands.first().map_or(&[], |strand| strand.call_id)
    }

    /// Its messages, in the order in which they were added.
    pub fn messages(self) -> impl Iterator<Item = Signalling<'m>> + use<'s, 'm> {
        self.strands.iter().flat_map(|strand| strand.messages())
    }

    /// Adds [its messages](Self::messages) to `messages`.
    pub fn read_into(self, messages: &mut Vec<Signalling<'m>>) {
        for strand in self.strands {
            let (mut reader, mut cursor) = (Reader::of(strand.call_id), Cursor(strand.messages));
            while let Some(message) = reader.next(&mut cursor) {
                messages.push(*message);
            }
        }
    }

    /// Whether it has messages of the method, requests or responses.
    #[must_use]
    pub fn has(&self, method: Method) -> bool {
        self.strands.iter().any(|strand| strand.methods.have(method))
    }
}

impl<'m> Shelf<'m> {
    pub(super) fn of(strands: impl IntoIterator<Item = Strand<'m>>) -> Self {
        let unsorted: Vec<Strand<'m>> = strands.into_iter().collect();
        // By most of the hash, and among those of one in the order in which they were added: the messages of one packet
        // stay in the order they stood in. Numbers are sorted faster than strands.
        let mut order: Vec<(u64, u32)> = unsorted.iter().map(|strand| strand.hash).zip(0..).collect();
        order.sort_unstable();
        let mut strands: Vec<Strand<'m>> =
            order.into_iter().filter_map(|(_, place)| unsorted.get(place as usize)).copied().collect();
        // Nobody finds two Call-IDs of one hash by chance.
        for alike in strands.chunk_by_mut(|one, other| one.hash == other.hash) {
            if alike.len() > 1 {
                alike.sort_by_key(|strand| strand.call_id);
            }
        }
        Self { strands }
    }

    /// The call of a Call-ID that lies [under a place](super::store::Places).
    #[must_use]
    pub fn call_at(&self, place: u32, call_id: &[u8]) -> Option<Call<'_, 'm>> {
        let place = u64::from(place);
        let from = self.strands.partition_point(|strand| strand.hash < place);
        let alike = self.strands.get(from..)?.iter().take_while(|strand| strand.hash == place);
        // Another Call-ID of the same hash may lie there, too.
        let is_other = |strand: &&Strand<'m>| strand.call_id != call_id;
        let from = from + alike.clone().take_while(is_other).count();
        let length = alike.skip_while(is_other).take_while(|strand| !is_other(strand)).count();
        let strands = self.strands.get(from..from + length).filter(|strands| !strands.is_empty())?;
        Some(Call { strands })
    }

    /// Its calls, in no order of the evidence.
    pub fn calls(&self) -> impl Iterator<Item = Call<'_, 'm>> {
        let is_same = |one: &Strand<'m>, other: &Strand<'m>| (one.hash, one.call_id) == (other.hash, other.call_id);
        self.strands.chunk_by(is_same).map(|strands| Call { strands })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_found_at_its_place_whatever_else_has_its_hash() {
        let mut bytes = Vec::new();
        let told: [(u64, &[u8]); 5] = [(7, b"b"), (9, b"x"), (7, b"a"), (7, b"b"), (7, b"c")];
        for (hash, call_id) in told {
            let mut own = Vec::new();
            Strand::write_head((hash, Methods::NONE), call_id, 0, &mut own);
            Strand::all(&own).for_each(|strand| strand.write_at(if hash == 7 { 3 } else { 1 }, &mut bytes));
        }
        let mut other = Vec::new();
        Strand::write_head((7, Methods::NONE), b"b", 0, &mut other);
        let shelf = Shelf::of(Strand::all(&bytes).chain(Strand::all(&other).map(|strand| strand.at(3))));
        let found = |place, call_id: &[u8]| shelf.call_at(place, call_id).map(|call| call.strands.len());
        let of_three = [b"a", b"b", b"c"].map(|call_id| found(3, call_id));
        assert_eq!(of_three, [Some(1), Some(3), Some(1)]);
        assert_eq!((found(1, b"x"), found(1, b"a"), found(3, b"x"), found(2, b"a")), (Some(1), None, None, None));
        assert!(shelf.calls().map(|call| call.call_id()).eq([&b"x"[..], b"a", b"b", b"c"]), "by place");
    }

    #[test]
    fn call_ids_of_one_hash_are_calls_of_their_own() {
        let mut bytes = Vec::new();
        let told: [(u64, &[u8]); 7] = [(7, b"b"), (9, b"x"), (7, b"a"), (7, b"b"), (1, b"y"), (7, b"a"), (7, b"c")];
        told.iter().for_each(|(hash, call_id)| Strand::write_head((*hash, Methods::NONE), call_id, 0, &mut bytes));
        let shelf = Shelf::of(Strand::all(&bytes));
        let mut calls: Vec<(&[u8], usize)> = shelf.calls().map(|call| (call.call_id(), call.strands.len())).collect();
        calls.sort_unstable();
        assert_eq!(calls, [(&b"a"[..], 2), (b"b", 2), (b"c", 1), (b"x", 1), (b"y", 1)]);
    }
}
