//! The SIP messages of all evidence, by Call-ID, in memory or set aside in a file without a name.
//!
//! Whoever decodes a block borrows a batch ([`Store::batch`]), pushes what the block holds, and gives it back
//! ([`Store::give_back`]), in any order and from any thread. Batches that hold much are taken over: the Call-IDs are spread
//! over shelves by their hashes, so that all messages of a Call-ID lie on one shelf, whatever capture they came from; a
//! shelf can be looked at on its own. Messages are [written](super::written) when they are read, and moved as bytes from
//! then on: taking over is copying. Once the shelves hold more than there is room for, those that have grown are set
//! aside, and come back one by one when they are looked at ([`Shelves::visit`], [`Shelves::choose`]). So memory does not
//! grow with the signalling. Who asks for Call-IDs in an order of his own has them part by part ([`Shelves::in_parts`]):
//! what was set aside is set aside anew, in as many places as there are parts; the rest is pointed at.
//!
//! Keeps: what is seen of the messages of a Call-ID depends neither on the order nor on the threads of those who added
//! them, nor on what was set aside, as far as it is sorted by time and locus. Where the file cannot be written, nothing
//! is lost: the messages stay in memory.

use std::fs::File;
use std::hash::BuildHasher;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hashbrown::hash_map::Entry;
use hashbrown::{HashMap, HashSet};
use rayon::iter::{IndexedParallelIterator, IntoParallelRefIterator, ParallelIterator};

use super::batch::{SignallingBatch, hash_of};
use super::signalling::Signalling;
use super::strand::{Shelf, Strand};
use crate::evidence::Budget;

/// A shelf that is looked at is in memory as a whole: with so many, those of ten million messages have 10 MB each.
const SHELVES: usize = 128;

/// Messages that a batch holds before they are taken over: several for every shelf, and no more than a cache holds.
const TAKEN_AT_ONCE: usize = 4_096;

/// Bytes that they have before they are, however few they are.
const TAKEN_AT_SIZE: usize = 4 << 20;

/// Bytes of messages that are held before any are set aside.
const ROOM: u64 = 140 << 20;

/// Bytes that a shelf holds before it is set aside once there is no more room.
const ASIDE: u64 = 128 << 10;

/// SIP messages that are being gathered.
#[derive(Debug)]
pub struct Store {
    filling: Filling,
    /// Batches that nobody fills now, whose messages were not taken over yet.
    open: Mutex<Vec<SignallingBatch>>,
}

/// Shelves that are being filled.
#[derive(Debug)]
struct Filling {
    shelves: Vec<Mutex<Lying>>,
    room: u64,
    held: AtomicU64,
    /// Of that what the budget knows.
    kept: AtomicU64,
    /// Whether shelves are set aside as they grow.
    is_short: AtomicBool,
    file: Mutex<Aside>,
    budget: Arc<Budget>,
}

/// The messages of the Call-IDs of some hashes: what one shelf holds.
#[derive(Debug, Default)]
struct Lying {
    strands: Strands,
    /// Where others lie in the file.
    aside: Vec<Extent>,
}

/// [Strands](Strand), one behind the other.
#[derive(Debug, Default)]
struct Strands {
    /// In one piece: what is large goes back to the system when it is given back, whatever else is held.
    bytes: Vec<u8>,
    /// How many there are, also of those that were set aside.
    number: usize,
}

/// What was set aside at once.
#[derive(Clone, Copy, Debug)]
struct Extent {
    at: u64,
    length: usize,
    /// Of the bytes: whether they are the same when they come back.
    digest: u64,
}

/// Where messages are set aside.
#[derive(Debug, Default)]
struct Aside {
    /// Made with the first bytes.
    file: Option<File>,
    length: u64,
    /// Whether it could not be written once: from then on everything stays in memory.
    failed: bool,
}

/// The SIP messages of all evidence.
#[derive(Debug)]
pub struct Shelves {
    shelves: Vec<Lying>,
    file: Mutex<Aside>,
    /// Bytes of messages that may be held.
    room: u64,
    budget: Arc<Budget>,
}

/// Call-IDs, byte by byte.
pub type CallIds<'c> = HashSet<&'c [u8], foldhash::fast::RandomState>;

/// The messages of chosen Call-IDs.
#[derive(Debug)]
pub struct Chosen<'s> {
    /// Of each shelf what was read again, and what lies there.
    shelves: Vec<(Strands, Vec<Strand<'s>>)>,
}

/// Where Call-IDs stand in an order of somebody's, by half of their hashes: there may be millions.
#[derive(Debug, Default)]
pub struct Places(HashMap<u32, u32, foldhash::fast::RandomState>);

/// A place and the bytes of a [strand](Strand) that belongs there.
type Placed<'s> = (u32, &'s [u8]);

/// The messages of chosen Call-IDs in an order of somebody's, part by part.
#[derive(Debug)]
pub struct Parts<'s> {
    /// Of each part what lies on the shelves.
    lying: Vec<Vec<Placed<'s>>>,
    /// Those that were set aside there, a shelf for each part.
    aside: Shelves,
}

impl Store {
    /// An empty store within a budget, which is asked for nothing as long as messages can be set aside.
    #[must_use]
    pub fn within(budget: &Arc<Budget>) -> Self {
        // What is made of the messages has the rest.
        let room = budget.limit().map_or(ROOM, |limit| ROOM.min(limit / 4));
        Self::with_room(room, Arc::clone(budget))
    }

    fn with_room(room: u64, budget: Arc<Budget>) -> Self {
        Self { filling: Filling::new(SHELVES, room, budget), open: Mutex::default() }
    }

    /// A batch to push messages into and give back. It holds some already.
    #[must_use]
    pub fn batch(&self) -> SignallingBatch {
        lock(&self.open).pop().unwrap_or_default()
    }

    /// Adds the messages of a batch.
    pub fn give_back(&self, mut batch: SignallingBatch) {
        if holds_much(&batch) {
            self.take_over(&batch);
            batch.clear();
        }
        lock(&self.open).push(batch);
    }

    /// Goes on with another batch where one holds much. Whoever pushes more than a block's messages asks for it.
    #[inline]
    pub fn make_room(&self, batch: &mut SignallingBatch) {
        if holds_much(batch) {
            self.give_back(std::mem::take(batch));
            *batch = self.batch();
        }
    }

    pub(super) fn take_over(&self, block: &SignallingBatch) {
        let mut calls: Vec<(usize, usize)> = block.hashes().map(shelf_of).zip(0..).collect();
        calls.sort_unstable();
        for calls in calls.chunk_by(|(one, _), (other, _)| one == other) {
            let Some((shelf, _)) = calls.first() else { continue };
            self.filling.add(*shelf, |strands| {
                calls.iter().for_each(|(_, call)| strands.add(|bytes| block.write_strand(*call, bytes)));
            });
        }
    }

    /// The messages, once nobody adds any.
    #[must_use]
    pub fn finish(self) -> Shelves {
        let open = std::mem::take(&mut *lock(&self.open));
        open.iter().filter(|batch| !batch.is_empty()).for_each(|batch| self.take_over(batch));
        drop(open);
        let shelves = self.filling.finish();
        // How much is held now depends on who added when. Whether the budget is spent must not: the room counts whole.
        if shelves.strands() > 0 && !lock(&shelves.file).failed {
            shelves.budget.keep(shelves.room);
        }
        shelves
    }
}

impl Filling {
    fn new(shelves: usize, room: u64, budget: Arc<Budget>) -> Self {
        Self {
            shelves: (0..shelves).map(|_| Mutex::default()).collect(),
            room,
            held: AtomicU64::new(0),
            kept: AtomicU64::new(0),
            is_short: AtomicBool::new(false),
            file: Mutex::default(),
            budget,
        }
    }

    /// Adds to a shelf.
    fn add(&self, shelf: usize, add: impl FnOnce(&mut Strands)) {
        let Some(shelf) = self.shelves.get(shelf) else { return };
        let mut shelf = lock(shelf);
        let before = shelf.strands.length();
        add(&mut shelf.strands);
        let more = shelf.strands.length() - before;
        if self.held.fetch_add(more, Ordering::Relaxed) + more > self.room {
            self.is_short.store(true, Ordering::Relaxed);
        }
        let least = ASIDE.min(self.room / self.shelves.len() as u64);
        if self.is_short.load(Ordering::Relaxed) && shelf.strands.length() > least {
            self.set_aside(&mut shelf, more);
        }
    }

    /// Sets the messages of a shelf aside, if that is possible. It has grown by so many bytes.
    fn set_aside(&self, shelf: &mut Lying, more: u64) {
        let Lying { strands, aside } = shelf;
        match lock(&self.file).append(&strands.bytes) {
            Some(extent) => {
                aside.push(extent);
                self.held.fetch_sub(strands.length(), Ordering::Relaxed);
                strands.clear();
            }
            None => self.keep(more),
        }
    }

    /// What was to be set aside stays: the budget is to know before everything is read.
    fn keep(&self, bytes: u64) {
        self.kept.fetch_add(bytes, Ordering::Relaxed);
        self.budget.keep(bytes);
    }

    fn finish(self) -> Shelves {
        let Self { shelves, file, room, held, kept, budget, .. } = self;
        if lock(&file).failed {
            budget.keep(held.into_inner().saturating_sub(kept.into_inner()));
        }
        let shelves = shelves.into_iter().map(|shelf| shelf.into_inner().unwrap_or_else(PoisonError::into_inner));
        Shelves { shelves: shelves.collect(), file, room, budget }
    }
}

impl Default for Store {
    fn default() -> Self {
        Self::within(&Arc::default())
    }
}

impl Strands {
    /// Adds a strand.
    fn add(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.bytes);
        self.number += 1;
    }

    fn length(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn iter(&self) -> impl Iterator<Item = Strand<'_>> {
        Strand::all(&self.bytes)
    }

    /// Takes all away; the room of what is set aside next time stays.
    fn clear(&mut self) {
        self.bytes.clear();
        self.bytes.shrink_to(2 * ASIDE as usize);
    }
}

impl Aside {
    /// Where `bytes` stand; `None` once writing failed.
    fn append(&mut self, bytes: &[u8]) -> Option<Extent> {
        if self.failed {
            return None;
        }
        let at = self.length;
        match self.write(bytes) {
            Ok(()) => {
                self.length += bytes.len() as u64;
                Some(Extent { at, length: bytes.len(), digest: digest(bytes) })
            }
            Err(_) => {
                self.failed = true;
                None
            }
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(tempfile::tempfile()?),
        };
        file.seek(SeekFrom::Start(self.length))?;
        file.write_all(bytes)
    }

    fn read(&mut self, extent: &Extent) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; extent.length];
        if let Some(file) = &mut self.file {
            file.seek(SeekFrom::Start(extent.at))?;
            file.read_exact(&mut bytes)?;
        }
        match digest(&bytes) == extent.digest {
            true => Ok(bytes),
            false => Err(io::Error::new(io::ErrorKind::InvalidData, "it holds other bytes than were written")),
        }
    }
}

fn digest(bytes: &[u8]) -> u64 {
    foldhash::quality::FixedState::default().hash_one(bytes)
}

impl Shelves {
    /// Call-IDs, of which those with many messages count several times: no fewer than there are.
    #[must_use]
    pub fn strands(&self) -> usize {
        self.shelves.iter().map(|shelf| shelf.strands.number).sum()
    }

    /// How many shelves there are.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "there always are some")]
    pub fn len(&self) -> usize {
        self.shelves.len()
    }

    /// Shows each shelf, by its number, once. What is made of them comes in the order of their numbers, which is no order
    /// of the evidence. Of what was set aside as many shelves are in memory as there are workers.
    ///
    /// # Errors
    ///
    /// When what was set aside cannot be read.
    pub fn visit<T: Send>(&self, look: impl Fn(usize, &Shelf<'_>) -> T + Sync) -> io::Result<Vec<T>> {
        let visit = |(number, shelf): (usize, &Lying)| {
            let again = self.again(shelf)?;
            Ok(look(number, &Shelf::of(again.iter().flat_map(Strands::iter).chain(shelf.strands.iter()))))
        };
        self.shelves.par_iter().enumerate().with_max_len(1).map(visit).collect()
    }

    /// The messages of these Call-IDs.
    ///
    /// # Errors
    ///
    /// When what was set aside cannot be read.
    pub fn choose(&self, call_ids: &CallIds<'_>) -> io::Result<Chosen<'_>> {
        let hashes: HashSet<u64, foldhash::fast::RandomState> =
            call_ids.iter().map(|call_id| hash_of(call_id)).collect();
        let mut is_asked = vec![false; self.shelves.len()];
        hashes.iter().for_each(|hash| {
            if let Some(asked) = is_asked.get_mut(shelf_of(*hash)) {
                *asked = true;
            }
        });
        self.pick(&is_asked, |strand| hashes.contains(&strand.hash) && call_ids.contains(strand.call_id))
    }

    /// All messages.
    ///
    /// # Errors
    ///
    /// When what was set aside cannot be read.
    pub fn all(&self) -> io::Result<Chosen<'_>> {
        self.pick(&vec![true; self.shelves.len()], |_| true)
    }

    /// The messages of the Call-IDs that have places, in so many parts: those of `together` places that follow each other
    /// are one.
    ///
    /// # Errors
    ///
    /// When what was set aside cannot be read.
    pub fn in_parts<'s>(&'s self, places: &Places, (parts, together): (usize, usize)) -> io::Result<Parts<'s>> {
        // Where nothing was set aside, nothing is set aside here. Else half of what may lie on a shelf is enough.
        let room = self.room.min(parts as u64 * ASIDE / 2);
        let aside = Filling::new(parts, room, Arc::clone(&self.budget));
        let lying: Vec<Mutex<Vec<Placed<'s>>>> = (0..parts).map(|_| Mutex::default()).collect();
        let place_of = |strand: &Strand<'_>| {
            let place = places.of(strand.hash)?;
            Some((place, place as usize / together.max(1)))
        };
        let spread = |shelf: &'s Lying| -> io::Result<()> {
            let Lying { strands, aside: extents } = shelf;
            // Piece by piece: nobody asks for the shelf as a whole.
            for extent in extents {
                let bytes = lock(&self.file).read(extent)?;
                for strand in Strand::all(&bytes) {
                    let Some((place, part)) = place_of(&strand) else { continue };
                    aside.add(part, |strands| strands.add(|bytes| strand.write_at(place, bytes)));
                }
            }
            for strand in strands.iter() {
                let Some((place, part)) = place_of(&strand) else { continue };
                if let Some(part) = lying.get(part) {
                    lock(part).push((place, strand.bytes()));
                }
            }
            Ok(())
        };
        if !places.0.is_empty() {
            self.shelves.par_iter().with_max_len(1).try_for_each(spread)?;
        }
        let lying = lying.into_iter().map(|part| part.into_inner().unwrap_or_else(PoisonError::into_inner));
        Ok(Parts { lying: lying.collect(), aside: aside.finish() })
    }

    fn pick<'s>(&'s self, is_asked: &[bool], is_chosen: impl Fn(&Strand<'_>) -> bool + Sync) -> io::Result<Chosen<'s>> {
        let pick = |(shelf, is_asked): (&'s Lying, &bool)| {
            let mut own = Strands::default();
            if !is_asked {
                return Ok((own, Vec::new()));
            }
            for strand in self.again(shelf)?.iter().flat_map(Strands::iter).filter(&is_chosen) {
                own.add(|bytes| bytes.extend_from_slice(strand.bytes()));
            }
            Ok((own, shelf.strands.iter().filter(&is_chosen).collect()))
        };
        let shelves: io::Result<Vec<(Strands, Vec<Strand<'s>>)>> =
            self.shelves.par_iter().zip(is_asked).with_max_len(1).map(pick).collect();
        Ok(Chosen { shelves: shelves? })
    }

    /// What was set aside of a shelf.
    fn again(&self, shelf: &Lying) -> io::Result<Vec<Strands>> {
        let read = |extent: &Extent| Ok(Strands { bytes: lock(&self.file).read(extent)?, number: 0 });
        shelf.aside.iter().map(read).collect()
    }
}

impl Places {
    /// With room for so many.
    #[must_use]
    pub fn with_capacity(places: usize) -> Self {
        Self(HashMap::with_capacity_and_hasher(places, Default::default()))
    }

    /// Gives a Call-ID its place.
    ///
    /// # Errors
    ///
    /// The place of who came before it: the same Call-ID, or one that cannot be told from it here.
    pub fn add(&mut self, call_id: &[u8], place: u32) -> Result<(), u32> {
        match self.0.entry(hash_of(call_id) as u32) {
            Entry::Occupied(known) => Err(*known.get()),
            Entry::Vacant(vacant) => {
                vacant.insert(place);
                Ok(())
            }
        }
    }

    /// The place of a hash: of a Call-ID that has one, and maybe of some that have none.
    fn of(&self, hash: u64) -> Option<u32> {
        self.0.get(&(hash as u32)).copied()
    }
}

impl Parts<'_> {
    /// Shows a part: its calls lie [at their places](Shelf::call_at).
    ///
    /// # Errors
    ///
    /// When what was set aside cannot be read.
    pub fn look<T>(&self, part: usize, look: impl FnOnce(&Shelf<'_>) -> T) -> io::Result<T> {
        let Some(aside) = self.aside.shelves.get(part) else { return Ok(look(&Shelf::default())) };
        let again = self.aside.again(aside)?;
        // What was set aside there came before what lies there still.
        let aside = again.iter().flat_map(Strands::iter).chain(aside.strands.iter());
        let lying = self.lying.get(part).map_or(&[][..], Vec::as_slice);
        let lying = lying.iter().flat_map(|(place, strand)| Strand::all(strand).map(|strand| strand.at(*place)));
        Ok(look(&Shelf::of(aside.chain(lying))))
    }
}

impl Chosen<'_> {
    /// The calls.
    #[must_use]
    pub fn shelves(&self) -> Vec<Shelf<'_>> {
        self.shelves.par_iter().map(|(again, lying)| Shelf::of(again.iter().chain(lying.iter().copied()))).collect()
    }

    /// The messages, in no order of the evidence.
    pub fn messages(&self) -> impl Iterator<Item = Signalling<'_>> {
        self.shelves
            .iter()
            .flat_map(|(again, lying)| again.iter().chain(lying.iter().copied()).flat_map(Strand::messages))
    }
}

fn holds_much(batch: &SignallingBatch) -> bool {
    batch.len() >= TAKEN_AT_ONCE || batch.size() >= TAKEN_AT_SIZE
}

/// The shelf of a hash. The tables of a batch go by other bits of it.
fn shelf_of(hash: u64) -> usize {
    (hash >> 40) as usize % SHELVES
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    // A poisoned lock means another worker panicked; that panic already ends the run.
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::{Locus, SourceId, Timestamp};
    use crate::facts::{Body, CSeq, Hop, MediaDescription, Method, Row, Signalling, StartLine, Subject};
    use crate::sdp::Direction;

    const CALLS: u64 = 300;

    /// Message `number` of call `call`, with a row and a description that tell it.
    fn push(batch: &mut SignallingBatch, call: u64, number: u64) {
        let call_id = format!("{call}@host");
        let hop =
            Hop { source: ([203, 0, 113, 1], 5060).into(), destination: ([192, 0, 2, (call % 9) as u8], 5060).into() };
        let locus = Locus { source: SourceId((call % 3) as u32), record: (call % 5) << 33 | (call * 8 + number) };
        let at = Timestamp::new((number * 1_000 + call) as i64, 9);
        let start = match number % 2 {
            0 => StartLine::Request { method: Method::Invite, uri: b"sip:b@platform" },
            _ => StartLine::Response(200 + number as u16),
        };
        let mut message = Signalling::bare(at, locus, hop, start);
        message.call_id = call_id.as_bytes();
        message.cseq = Some(CSeq { number: number as u32, method: Method::Invite });
        message.from_tag = Some(b"a");
        message.to_tag = (number > 0).then_some(b"b".as_slice());
        message.fingerprint = u64::MAX - number;
        message.body = Body::Whole;
        let value = format!("{call}/{number}");
        let row = Row { subject: Subject::Consent(7), name: b"X-Consent", value: value.as_bytes() };
        let media = MediaDescription {
            media: b"audio",
            port: Some(4_000 + number as u16),
            address: value.as_bytes(),
            codecs: b"PCMU/8000",
            direction: Direction::SendOnly,
        };
        batch.push(&message, [row], (number < 2).then_some([media]));
    }

    /// All that a message states.
    fn shown(message: &Signalling<'_>) -> String {
        let rows: Vec<_> = message.rows().map(|row| format!("{row:?}")).collect();
        let media: Option<Vec<_>> = message.media().map(|media| media.map(|one| format!("{one:?}")).collect());
        format!(
            "{:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {} {:?} {rows:?} {media:?}",
            message.call_id,
            message.at,
            message.locus,
            message.hop,
            message.start,
            message.cseq,
            message.from_tag,
            message.to_tag,
            message.fingerprint,
            message.body,
        )
    }

    /// Blocks that each hold one message of every call.
    fn blocks() -> Vec<SignallingBatch> {
        let block = |number| {
            let mut block = SignallingBatch::default();
            (0..CALLS).for_each(|call| push(&mut block, call, number));
            block
        };
        (0..4).map(block).collect()
    }

    fn store(room: u64) -> Store {
        Store::with_room(room, Arc::default())
    }

    fn filled(room: u64) -> Shelves {
        let store = store(room);
        blocks().iter().for_each(|block| store.take_over(block));
        store.finish()
    }

    /// The messages of each Call-ID, each call's by time.
    fn by_call<'m>(messages: impl Iterator<Item = Signalling<'m>>) -> Vec<Vec<String>> {
        let mut messages: Vec<Signalling<'_>> = messages.collect();
        messages.sort_by_key(|message| (message.call_id, message.at));
        let calls = messages.chunk_by(|one, other| one.call_id == other.call_id);
        let mut calls: Vec<Vec<String>> = calls.map(|call| call.iter().map(shown).collect()).collect();
        calls.sort();
        calls
    }

    /// Those that a visit shows together.
    fn seen(shelves: &Shelves) -> Vec<Vec<String>> {
        let of_shelf = |_, shelf: &Shelf<'_>| -> Vec<Vec<String>> {
            shelf.calls().flat_map(|call| by_call(call.messages())).collect()
        };
        let mut calls = shelves.visit(of_shelf).expect("it can be read").concat();
        calls.sort();
        calls
    }

    /// What was pushed.
    fn pushed() -> Vec<Vec<String>> {
        by_call(blocks().iter().flat_map(|block| block.messages()))
    }

    #[test]
    fn all_messages_of_a_call_id_are_seen_together_wherever_they_are_kept() {
        let pushed = pushed();
        assert_eq!(pushed.len() as u64, CALLS);
        assert!(pushed.iter().all(|call| call.len() == 4));
        for room in [0, 1, 40_000, 100_000, u64::MAX] {
            let shelves = filled(room);
            assert_eq!(shelves.shelves.iter().any(|shelf| !shelf.aside.is_empty()), room < u64::MAX, "{room}");
            assert_eq!(seen(&shelves), pushed, "{room}");
        }
    }

    #[test]
    fn what_is_set_aside_is_not_held() {
        let all = filled(u64::MAX);
        assert!(all.shelves.iter().all(|shelf| shelf.aside.is_empty()));
        assert!(all.shelves.iter().any(|shelf| shelf.strands.length() > 0));
        let few = filled(0);
        assert!(few.shelves.iter().all(|shelf| shelf.strands.length() == 0 && shelf.strands.iter().count() == 0));
        // Each of a Call-ID's four messages was added on its own.
        assert_eq!((all.strands() as u64, few.strands() as u64), (4 * CALLS, 4 * CALLS));
    }

    #[test]
    fn batches_are_filled_further_until_they_hold_much() {
        let store = store(u64::MAX);
        let mut most = 0;
        for number in 0..TAKEN_AT_ONCE as u64 + 10 {
            let mut batch = store.batch();
            most = most.max(batch.len());
            push(&mut batch, number % 7, number);
            store.give_back(batch);
        }
        assert_eq!((most, lock(&store.open).iter().map(SignallingBatch::len).sum::<usize>()), (TAKEN_AT_ONCE - 1, 10));
        assert_eq!(store.finish().strands(), 14);
    }

    #[test]
    fn adding_from_several_threads_shows_the_same() {
        for room in [u64::MAX, 50_000, 0] {
            let store = store(room);
            std::thread::scope(|scope| {
                for block in blocks() {
                    let store = &store;
                    scope.spawn(move || store.take_over(&block));
                }
            });
            assert_eq!(seen(&store.finish()), pushed(), "{room}");
        }
    }

    #[test]
    fn chosen_call_ids_are_there_with_all_their_messages() {
        let ids: Vec<Vec<u8>> = (0..CALLS).step_by(50).map(|call| format!("{call}@host").into_bytes()).collect();
        let wanted: CallIds<'_> = ids.iter().map(Vec::as_slice).collect();
        for room in [u64::MAX, 50_000, 0] {
            let shelves = filled(room);
            let chosen = shelves.choose(&wanted).expect("it can be read");
            let mut found: Vec<String> = chosen.messages().map(|message| shown(&message)).collect();
            found.sort();
            let is_wanted = |call: &&Vec<String>| ids.iter().any(|id| call[0].starts_with(&format!("{id:?}")));
            let mut expected: Vec<String> = pushed().iter().filter(is_wanted).flatten().cloned().collect();
            expected.sort();
            assert_eq!(found.len(), ids.len() * 4);
            assert_eq!(found, expected, "{room}");
            let of_shelves = chosen.shelves();
            let calls = of_shelves.iter().flat_map(Shelf::calls);
            assert_eq!(calls.map(|call| call.messages().count()).collect::<Vec<_>>(), vec![4; ids.len()]);
            let none = shelves.choose(&CallIds::default()).expect("nothing to read");
            assert_eq!(none.messages().count(), 0);
            assert_eq!(shelves.all().expect("it can be read").messages().count() as u64, 4 * CALLS);
        }
    }

    #[test]
    fn parts_have_the_messages_of_their_places_wherever_those_are_kept() {
        // Every other Call-ID has a place, the last one first.
        let ids: Vec<Vec<u8>> = (0..CALLS).rev().step_by(2).map(|call| format!("{call}@host").into_bytes()).collect();
        let mut places = Places::default();
        for (place, id) in (0..).zip(&ids) {
            assert_eq!(places.add(id, place), Ok(()));
        }
        assert_eq!(places.add(&ids[7], 1_000), Err(7));
        for room in [0, 1, 40_000, 100_000, u64::MAX] {
            let shelves = filled(room);
            for (parts, together) in [(1, ids.len()), (4, 40), (ids.len(), 1)] {
                let laid = shelves.in_parts(&places, (parts, together)).expect("it can be read");
                let mut found = Vec::new();
                for part in 0..parts {
                    let of_part = |shelf: &Shelf<'_>| -> Vec<Vec<String>> {
                        let own = (0..).zip(&ids).skip(part * together).take(together);
                        let own = own.map(|(place, id)| shelf.call_at(place, id).expect("a call"));
                        own.flat_map(|call| {
                            assert!(call.messages().is_sorted_by_key(|message| message.at), "as they were added");
                            by_call(call.messages())
                        })
                        .collect()
                    };
                    let (own, all) = laid.look(part, |shelf| (of_part(shelf), shelf.calls().count())).expect("read");
                    assert_eq!(own.len(), all, "and no other");
                    found.extend(own);
                }
                found.sort();
                let has_place = |call: &&Vec<String>| ids.iter().any(|id| call[0].starts_with(&format!("{id:?}")));
                let expected: Vec<Vec<String>> = pushed().iter().filter(has_place).cloned().collect();
                assert_eq!((found.len(), found == expected), (ids.len(), true), "{room}, {parts} parts");
                assert_eq!(laid.look(parts, |shelf| shelf.calls().count()).expect("nothing to be read"), 0);
            }
        }
    }

    #[test]
    fn what_was_set_aside_is_not_held_in_parts_either() {
        let mut places = Places::default();
        (0..CALLS as u32).for_each(|call| places.add(format!("{call}@host").as_bytes(), call).expect("another"));
        let held = |aside, room| {
            let shelves = Shelves { room, ..filled(aside) };
            let laid = shelves.in_parts(&places, (1, CALLS as usize)).expect("it can be read");
            assert_eq!(laid.look(0, |shelf| shelf.calls().count()).expect("it can be read") as u64, CALLS);
            laid.aside.shelves.iter().map(|part| part.strands.length()).sum::<u64>()
        };
        let all = filled(u64::MAX).shelves.iter().map(|shelf| shelf.strands.length()).sum::<u64>();
        assert!(all > 100_000, "{all} bytes tell nothing");
        assert!(held(0, u64::MAX) <= ASIDE / 2, "however much room there is");
        assert_eq!((held(0, 0), held(u64::MAX, u64::MAX)), (0, 0));
    }

    #[test]
    fn where_nothing_can_be_set_aside_nothing_is_lost_and_the_budget_knows() {
        let budget: Arc<Budget> = Arc::new(Budget::new(Some(10_000)));
        let store = Store::within(&budget);
        store.filling.file.lock().expect("a lock").failed = true;
        blocks().iter().for_each(|block| store.take_over(block));
        assert!(budget.is_spent());
        let shelves = store.finish();
        assert!(shelves.shelves.iter().all(|shelf| shelf.aside.is_empty()));
        assert_eq!(seen(&shelves), pushed());
        // The same where it can.
        let budget: Arc<Budget> = Arc::new(Budget::new(Some(10_000)));
        let store = Store::within(&budget);
        blocks().iter().for_each(|block| store.take_over(block));
        assert!(!budget.is_spent());
        drop(store.finish());
        assert!(!budget.is_spent());
        // A quarter of it is for signalling, however much of that is held.
        budget.keep(7_500);
        assert!(!budget.is_spent());
        budget.keep(1);
        assert!(budget.is_spent());
        // Nothing is for none.
        let budget: Arc<Budget> = Arc::new(Budget::new(Some(10_000)));
        drop(Store::within(&budget).finish());
        budget.keep(10_000);
        assert!(!budget.is_spent());
    }

    fn is_unreadable(shelves: &Shelves) -> bool {
        let ids: Vec<Vec<u8>> = (0..CALLS).map(|call| format!("{call}@host").into_bytes()).collect();
        let ids: CallIds<'_> = ids.iter().map(Vec::as_slice).collect();
        let mut places = Places::default();
        ids.iter().for_each(|id| places.add(id, 0).expect("another"));
        let of = [
            shelves.visit(|_, _| ()).is_err(),
            shelves.choose(&ids).is_err(),
            shelves.all().is_err(),
            shelves.in_parts(&places, (1, 1)).is_err(),
        ];
        assert!(of == [of[0]; 4], "{of:?}");
        of[0]
    }

    #[test]
    fn a_file_that_holds_other_bytes_than_were_written_is_an_error() {
        let shelves = filled(0);
        assert!(!is_unreadable(&shelves));
        let length = shelves.file.lock().expect("a lock").length;
        for at in [0, length / 2, length - 1] {
            let change = || {
                let mut aside = shelves.file.lock().expect("a lock");
                let file = aside.file.as_mut().expect("a file");
                let mut byte = [0];
                file.seek(SeekFrom::Start(at)).expect("a place");
                file.read_exact(&mut byte).expect("a byte");
                file.seek(SeekFrom::Start(at)).expect("a place");
                file.write_all(&[!byte[0]]).expect("another byte");
            };
            change();
            assert!(is_unreadable(&shelves), "{at}");
            change();
            assert!(!is_unreadable(&shelves), "{at}");
        }
    }

    #[test]
    fn parts_that_cannot_be_read_again_are_an_error() {
        let mut places = Places::default();
        (0..CALLS as u32).for_each(|call| places.add(format!("{call}@host").as_bytes(), call).expect("another"));
        let shelves = filled(0);
        let laid = shelves.in_parts(&places, (3, 100)).expect("it can be read");
        let is_read = || [0, 1, 2].map(|part| laid.look(part, |shelf| shelf.calls().count()).ok());
        assert_eq!(is_read(), [Some(100); 3]);
        let file = laid.aside.file.lock().expect("a lock");
        file.file.as_ref().expect("a file").set_len(100).expect("a shorter file");
        drop(file);
        assert_eq!(is_read(), [None; 3]);
    }

    #[test]
    fn a_file_that_cannot_be_read_again_is_an_error() {
        let shelves = filled(0);
        shelves.file.lock().expect("a lock").file.as_ref().expect("a file").set_len(100).expect("a shorter file");
        assert!(is_unreadable(&shelves));
    }
}
