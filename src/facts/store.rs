//! The SIP messages of all evidence, by Call-ID, in memory or set aside in a file without a name.
//!
//! Whoever decodes a block borrows a batch ([`Store::batch`]), pushes what the block holds, and gives it back
//! ([`Store::give_back`]), in any order and from any thread. Batches that hold much are taken over: the Call-IDs are spread
//! over shelves by their hashes, so that all messages of a Call-ID lie on one shelf, whatever capture they came from; a
//! shelf can be looked at on its own. Once the shelves hold more than there is room for, those that have grown are set
//! aside, and come back one by one when they are looked at ([`Shelves::visit`], [`Shelves::choose`]). So memory does not
//! grow with the signalling.
//!
//! Keeps: what is seen of the messages of a Call-ID depends neither on the order nor on the threads of those who added
//! them, nor on what was set aside, as far as it is sorted by time and locus. Where the file cannot be written, nothing
//! is lost: the messages stay in memory.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hashbrown::HashSet;
use rayon::iter::{IntoParallelRefIterator, ParallelIterator};

use super::batch::{SignallingBatch, Taken};
use crate::evidence::Budget;

/// A shelf that is looked at is in memory as a whole: with so many, those of ten million messages have 20 MB. With
/// more of them, taking over costs more than it need: each has ends of its own that should stay in the cache.
const SHELVES: usize = 64;

/// Messages that a batch holds before they are taken over: some for every shelf, and no more than a cache holds.
const TAKEN_AT_ONCE: usize = 4_096;

/// Bytes of messages that are held before any are set aside.
const ROOM: u64 = 160 << 20;

/// Bytes that a shelf holds before it is set aside once there is no more room.
const ASIDE: u64 = 128 << 10;

/// SIP messages that are being gathered.
#[derive(Debug)]
pub struct Store {
    shelves: Vec<Mutex<Shelf>>,
    room: u64,
    held: AtomicU64,
    /// Of that what the budget knows.
    kept: AtomicU64,
    /// Whether shelves are set aside as they grow.
    is_short: AtomicBool,
    file: Mutex<Aside>,
    /// Batches that nobody fills now, whose messages were not taken over yet.
    open: Mutex<Vec<SignallingBatch>>,
    budget: Arc<Budget>,
}

/// The messages of the Call-IDs of some hashes.
#[derive(Debug, Default)]
struct Shelf {
    batches: Vec<SignallingBatch>,
    /// What the batches take.
    held: u64,
    /// Where batches lie in the file: beginnings and lengths.
    aside: Vec<(u64, usize)>,
    /// Call-IDs of the batches that lie there, each once for each of these.
    calls_aside: usize,
}

/// Where batches are set aside.
#[derive(Debug, Default)]
struct Aside {
    /// Made with the first batch.
    file: Option<File>,
    length: u64,
    /// Whether it could not be written once: from then on everything stays in memory.
    failed: bool,
}

/// The SIP messages of all evidence.
#[derive(Debug)]
pub struct Shelves {
    shelves: Vec<Shelf>,
    file: Mutex<Aside>,
}

/// Call-IDs, byte by byte.
pub type CallIds<'c> = HashSet<&'c [u8], foldhash::fast::RandomState>;

/// The messages of chosen Call-IDs, and of others with them where that is cheaper.
#[derive(Debug)]
pub struct Chosen<'s> {
    /// Of each shelf what was read again, and what lies there.
    shelves: Vec<(Vec<SignallingBatch>, &'s [SignallingBatch])>,
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
        Self {
            shelves: (0..SHELVES).map(|_| Mutex::default()).collect(),
            room,
            held: AtomicU64::new(0),
            kept: AtomicU64::new(0),
            is_short: AtomicBool::new(false),
            file: Mutex::default(),
            open: Mutex::default(),
            budget,
        }
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
    pub fn make_room(&self, batch: &mut SignallingBatch) {
        if holds_much(batch) {
            self.give_back(std::mem::take(batch));
            *batch = self.batch();
        }
    }

    fn take_over(&self, block: &SignallingBatch) {
        let mut taken = Taken::of(block);
        let mut calls: Vec<(usize, u32)> = block.hashes().map(shelf_of).zip(0..).collect();
        calls.sort_unstable();
        for calls in calls.chunk_by(|(one, _), (other, _)| one == other) {
            let Some(shelf) = calls.first().and_then(|(shelf, _)| self.shelves.get(*shelf)) else { continue };
            let mut shelf = lock(shelf);
            SignallingBatch::take_over(&mut shelf.batches, block, calls.iter().map(|(_, call)| *call), &mut taken);
            let before = shelf.held;
            shelf.held = shelf.batches.iter().map(SignallingBatch::reckoned).sum();
            let more = shelf.held.saturating_sub(before);
            if self.held.fetch_add(more, Ordering::Relaxed) + more > self.room {
                self.is_short.store(true, Ordering::Relaxed);
            }
            if self.is_short.load(Ordering::Relaxed) && shelf.held > ASIDE.min(self.room / SHELVES as u64) {
                self.set_aside(&mut shelf, more);
            }
        }
    }

    /// Sets the messages of a shelf aside, if that is possible. It has grown by so many bytes.
    fn set_aside(&self, shelf: &mut Shelf, more: u64) {
        if lock(&self.file).failed {
            self.keep(more);
            return;
        }
        let is_large = shelf.held > 2 * ASIDE;
        for batch in &mut shelf.batches {
            let written = postcard::to_stdvec(batch).ok();
            match written.and_then(|bytes| lock(&self.file).append(&bytes)) {
                Some(extent) => {
                    shelf.aside.push(extent);
                    shelf.calls_aside += batch.calls();
                    // What had grown while there was room gives it back.
                    if is_large {
                        *batch = SignallingBatch::default();
                    } else {
                        batch.clear();
                    }
                }
                None => {
                    self.keep(more);
                    break;
                }
            }
        }
        if shelf.batches.iter().all(SignallingBatch::is_empty) {
            // The room of one is used again.
            shelf.batches.truncate(1);
        } else {
            shelf.batches.retain(|batch| !batch.is_empty());
        }
        let left = shelf.batches.iter().map(SignallingBatch::reckoned).sum();
        self.held.fetch_sub(std::mem::replace(&mut shelf.held, left) - left, Ordering::Relaxed);
    }

    /// What was to be set aside stays: the budget is to know before everything is read.
    fn keep(&self, bytes: u64) {
        self.kept.fetch_add(bytes, Ordering::Relaxed);
        self.budget.keep(bytes);
    }

    /// The messages, once nobody adds any.
    #[must_use]
    pub fn finish(self) -> Shelves {
        let open = std::mem::take(&mut *lock(&self.open));
        open.iter().filter(|batch| !batch.is_empty()).for_each(|batch| self.take_over(batch));
        drop(open);
        let Self { shelves, file, room, held, kept, budget, .. } = self;
        let mut shelves: Vec<Shelf> =
            shelves.into_iter().map(|shelf| shelf.into_inner().unwrap_or_else(PoisonError::into_inner)).collect();
        for shelf in &mut shelves {
            shelf.batches.retain(|batch| !batch.is_empty());
            shelf.batches.iter_mut().for_each(SignallingBatch::settle);
        }
        let shelves = Shelves { shelves, file };
        // How much is held now depends on who added when. Whether the budget is spent must not: the room counts whole.
        budget.keep(if lock(&shelves.file).failed {
            held.into_inner().saturating_sub(kept.into_inner())
        } else if shelves.calls() > 0 {
            room
        } else {
            0
        });
        shelves
    }
}

impl Default for Store {
    fn default() -> Self {
        Self::within(&Arc::default())
    }
}

impl Aside {
    /// Where `bytes` stand; `None` once writing failed.
    fn append(&mut self, bytes: &[u8]) -> Option<(u64, usize)> {
        if self.failed {
            return None;
        }
        let at = self.length;
        match self.write(bytes) {
            Ok(()) => {
                self.length += bytes.len() as u64;
                Some((at, bytes.len()))
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

    fn read(&mut self, (at, length): (u64, usize)) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        if let Some(file) = &mut self.file {
            file.seek(SeekFrom::Start(at))?;
            file.read_exact(&mut bytes)?;
        }
        Ok(bytes)
    }
}

impl Shelves {
    /// How many Call-IDs there are. One of which some messages were set aside and others not may count several times.
    #[must_use]
    pub fn calls(&self) -> usize {
        let on = |shelf: &Shelf| shelf.calls_aside + shelf.batches.iter().map(SignallingBatch::calls).sum::<usize>();
        self.shelves.iter().map(on).sum()
    }

    /// How many shelves there are.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "there always are some")]
    pub fn len(&self) -> usize {
        self.shelves.len()
    }

    /// Shows the messages of each shelf, by its number, once: those of a Call-ID are together, in one or several of the
    /// batches. What is made of them comes in no order of the evidence. One after the other, so that there is one shelf in
    /// memory of what was set aside.
    ///
    /// # Errors
    ///
    /// When what was set aside cannot be read.
    pub fn visit<T>(&self, mut look: impl FnMut(usize, &[&SignallingBatch]) -> T) -> io::Result<Vec<T>> {
        let visit = |(number, shelf): (usize, &Shelf)| {
            let again = self.again(shelf)?;
            Ok(look(number, &again.iter().chain(&shelf.batches).collect::<Vec<_>>()))
        };
        self.shelves.iter().enumerate().map(visit).collect()
    }

    /// The messages of these Call-IDs, and maybe of others.
    ///
    /// # Errors
    ///
    /// When what was set aside cannot be read.
    pub fn choose(&self, call_ids: &CallIds<'_>) -> io::Result<Chosen<'_>> {
        let choose = |shelf: &Shelf| -> io::Result<Vec<SignallingBatch>> {
            let mut own = Vec::new();
            for batch in self.again(shelf)?.iter().chain(&shelf.batches) {
                let is_chosen = |call: &usize| batch.call_id(*call).is_some_and(|(id, _)| call_ids.contains(id));
                let chosen = (0..batch.calls()).filter(is_chosen).map(|call| call as u32);
                SignallingBatch::take_over(&mut own, batch, chosen, &mut Taken::of(batch));
            }
            own.iter_mut().for_each(SignallingBatch::settle);
            Ok(own)
        };
        let on_shelf = |shelf: &Shelf| match shelf.aside.is_empty() || call_ids.is_empty() {
            true => Ok(Vec::new()),
            false => choose(shelf),
        };
        let again: Vec<Vec<SignallingBatch>> = self.shelves.iter().map(on_shelf).collect::<io::Result<_>>()?;
        let lying = self.shelves.iter().map(|shelf| match shelf {
            Shelf { aside, batches, .. } if aside.is_empty() => batches.as_slice(),
            _ => &[],
        });
        Ok(Chosen { shelves: again.into_iter().zip(lying).collect() })
    }

    /// All messages.
    ///
    /// # Errors
    ///
    /// When what was set aside cannot be read.
    pub fn into_batches(self) -> io::Result<Vec<SignallingBatch>> {
        let mut all = Vec::new();
        for shelf in &self.shelves {
            all.extend(self.again(shelf)?);
        }
        all.extend(self.shelves.into_iter().flat_map(|shelf| shelf.batches));
        Ok(all)
    }

    /// What was set aside of a shelf.
    fn again(&self, shelf: &Shelf) -> io::Result<Vec<SignallingBatch>> {
        let read = |extent: &(u64, usize)| {
            let bytes = lock(&self.file).read(*extent)?;
            postcard::from_bytes(&bytes).map_err(io::Error::other)
        };
        shelf.aside.par_iter().map(read).collect()
    }
}

impl Chosen<'_> {
    /// The messages shelf by shelf: those of a Call-ID are together.
    pub fn shelves(&self) -> Vec<Vec<&SignallingBatch>> {
        self.shelves.iter().map(|(again, lying)| again.iter().chain(*lying).collect()).collect()
    }

    /// All messages' batches.
    pub fn batches(&self) -> impl Iterator<Item = &SignallingBatch> {
        self.shelves.iter().flat_map(|(again, lying)| again.iter().chain(*lying))
    }
}

fn holds_much(batch: &SignallingBatch) -> bool {
    batch.len() >= TAKEN_AT_ONCE || batch.is_full()
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
    fn by_call(batches: &[&SignallingBatch]) -> Vec<Vec<String>> {
        let mut messages: Vec<Signalling<'_>> = batches.iter().flat_map(|batch| batch.messages()).collect();
        messages.sort_by_key(|message| (message.call_id, message.at));
        let calls = messages.chunk_by(|one, other| one.call_id == other.call_id);
        let mut calls: Vec<Vec<String>> = calls.map(|call| call.iter().map(shown).collect()).collect();
        calls.sort();
        calls
    }

    /// Those that a visit shows together.
    fn seen(shelves: &Shelves) -> Vec<Vec<String>> {
        let mut calls = shelves.visit(|_, batches| by_call(batches)).expect("it can be read").concat();
        calls.sort();
        calls
    }

    /// What was pushed.
    fn pushed() -> Vec<Vec<String>> {
        by_call(&blocks().iter().collect::<Vec<_>>())
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
        assert_eq!(all.calls() as u64, CALLS);
        let few = filled(0);
        assert!(few.shelves.iter().all(|shelf| shelf.held == 0 && shelf.batches.is_empty()));
        // Each of a Call-ID's four messages was set aside on its own.
        assert_eq!(few.calls() as u64, 4 * CALLS);
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
        assert_eq!(store.finish().calls(), 7);
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
            let own = |message: &Signalling<'_>| wanted.contains(message.call_id);
            let mut found: Vec<String> = chosen
                .batches()
                .flat_map(|batch| batch.messages())
                .filter(own)
                .map(|message| shown(&message))
                .collect();
            found.sort();
            let is_wanted = |call: &&Vec<String>| ids.iter().any(|id| call[0].starts_with(&format!("{id:?}")));
            let mut expected: Vec<String> = pushed().iter().filter(is_wanted).flatten().cloned().collect();
            expected.sort();
            assert_eq!(found.len(), ids.len() * 4);
            assert_eq!(found, expected, "{room}");
            let others = chosen.batches().flat_map(|batch| batch.messages()).filter(|message| !own(message)).count();
            assert_eq!(others > 0, room > 0, "from a file only those come back that are asked for");
            assert!(room > 0 || shelves.choose(&CallIds::default()).expect("nothing to read").batches().count() == 0);
        }
    }

    #[test]
    fn where_nothing_can_be_set_aside_nothing_is_lost_and_the_budget_knows() {
        let budget: Arc<Budget> = Arc::new(Budget::new(Some(10_000)));
        let store = Store::within(&budget);
        store.file.lock().expect("a lock").failed = true;
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

    #[test]
    fn a_file_that_cannot_be_read_again_is_an_error() {
        let shelves = filled(0);
        shelves.file.lock().expect("a lock").file.as_ref().expect("a file").set_len(100).expect("a shorter file");
        assert!(shelves.visit(|_, batches| batches.len()).is_err());
        let id: CallIds<'_> = std::iter::once(b"0@host".as_slice()).collect();
        assert!(shelves.choose(&id).is_err());
        assert!(shelves.into_batches().is_err());
    }
}
