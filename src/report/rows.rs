//! Many rows to bytes, on as many threads as there are, in their order.
//!
//! Each worker renders some rows at a time into a [`Buffer`] of its own. What comes next in order is written by the
//! worker that made it, together with what was ready before; nobody waits for others but where one is too far ahead, or where
//! its rows are larger than a buffer may be: then it waits for its turn and writes them while it renders. So memory is
//! a few buffers whatever the number and the size of the rows, and the bytes are those of one thread. Runs on the pool that
//! it is called in.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::mem;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Rows of some hundred bytes that are worth being rendered apart from others.
pub const SMALL: usize = 128;

/// The same of rows of some thousand bytes.
pub(super) const LARGE: usize = 16;

/// Buffers for each thread: more than one, for rows are of different size.
const EACH: usize = 4;

/// Bytes of a buffer, before it waits for its turn.
const BUFFER_BYTES: usize = 4 << 20;

/// What rows are rendered into.
pub struct Buffer<'p> {
    bytes: Vec<u8>,
    /// Writes what it holds, once it is its turn, and empties it.
    spill: &'p mut Spill<'p>,
}

type Spill<'p> = dyn FnMut(&mut Vec<u8>) -> io::Result<()> + 'p;

impl std::fmt::Debug for Buffer<'_> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Buffer").field("bytes", &self.bytes.len()).finish_non_exhaustive()
    }
}

impl Write for Buffer<'_> {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all(bytes).map(|()| bytes.len())
    }

    #[inline]
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.bytes.extend_from_slice(bytes);
        if self.bytes.len() >= BUFFER_BYTES { (self.spill)(&mut self.bytes) } else { Ok(()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes what `render` makes of each row and of whether it is the first, `together` rows at a time.
///
/// # Errors
///
/// Those of `out`, and of `render`.
pub(super) fn write<T: Sync>(
    rows: &[T],
    together: usize,
    out: &mut (impl Write + Send + ?Sized),
    render: impl Fn(&T, bool, &mut Buffer<'_>) -> io::Result<()> + Sync,
) -> io::Result<()> {
    write_with(rows, (together, || ()), out, |(), row, first, out| render(row, first, out))
}

/// The same; each worker has a `room` for it.
///
/// # Errors
///
/// Those of `out`, and of `render`.
pub fn write_with<T: Sync, S>(
    rows: &[T],
    (together, room): (usize, impl Fn() -> S + Sync),
    out: &mut (impl Write + Send + ?Sized),
    render: impl Fn(&mut S, &T, bool, &mut Buffer<'_>) -> io::Result<()> + Sync,
) -> io::Result<()> {
    let some = |room: &mut S, number: usize, rows: &[T], out: &mut Buffer<'_>| {
        rows.iter()
            .zip((0..).map(|place| number == 0 && place == 0))
            .try_for_each(|(row, first)| render(room, row, first, out))
    };
    let threads = rayon::current_num_threads();
    if rows.len() <= together || threads == 1 {
        let (mut buffer, mut room) = (Vec::new(), room());
        let mut spill = |buffer: &mut Vec<u8>| {
            out.write_all(buffer)?;
            buffer.clear();
            Ok(())
        };
        return rows.chunks(together).enumerate().try_for_each(|(number, rows)| {
            let mut own = Buffer { bytes: mem::take(&mut buffer), spill: &mut spill };
            some(&mut room, number, rows, &mut own)?;
            buffer = own.bytes;
            spill(&mut buffer)
        });
    }
    let ahead = EACH * threads;
    let (turn, advanced) = (AtomicUsize::new(0), Condvar::new());
    let order =
        Mutex::new(Order { out: Some(out), next: 0, ready: BTreeMap::new(), spare: Vec::new(), outcome: Ok(()) });
    let wait = |held| advanced.wait(held).unwrap_or_else(PoisonError::into_inner);
    rayon::broadcast(|_| {
        let (mut buffer, mut room) = (Vec::new(), room());
        loop {
            let number = turn.fetch_add(1, Ordering::Relaxed);
            let Some(rows) = rows.get(number * together..).filter(|rows| !rows.is_empty()) else { return };
            // Where they go once it is their turn, if they are too many to wait for it.
            let mut through = None;
            let mut spill = |buffer: &mut Vec<u8>| {
                if through.is_none() {
                    let mut held = lock(&order);
                    // Who makes what comes before never waits for this one, so the wait ends.
                    while held.next < number && held.outcome.is_ok() {
                        held = wait(held);
                    }
                    if held.outcome.is_ok() {
                        through = held.out.take();
                    }
                }
                let out = through.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
                out.write_all(buffer)?;
                buffer.clear();
                Ok(())
            };
            let mut own = Buffer { bytes: mem::take(&mut buffer), spill: &mut spill };
            let mut made = some(&mut room, number, rows.get(..together).unwrap_or(rows), &mut own);
            buffer = own.bytes;
            let went_through = through.is_some();
            if let Some(out) = &mut through {
                made = made.and_then(|()| out.write_all(&buffer));
                buffer.clear();
            }
            let mut held = lock(&order);
            // Who makes what comes next never waits here, so the wait ends.
            while number > held.next + ahead && held.outcome.is_ok() {
                held = wait(held);
            }
            held.note(made);
            if went_through {
                held.out = through;
                held.next += 1;
                held.spare.push(mem::take(&mut buffer));
                advanced.notify_all();
            } else {
                held.ready.insert(number, mem::take(&mut buffer));
            }
            while let Some((out, made)) = held.turn() {
                drop(held);
                let written = out.write_all(&made);
                held = lock(&order);
                held.out = Some(out);
                held.next += 1;
                held.note(written);
                held.spare.push(made);
                advanced.notify_all();
            }
            if held.outcome.is_err() {
                advanced.notify_all();
                return;
            }
            buffer = held.spare.pop().unwrap_or_default();
            buffer.clear();
        }
    });
    order.into_inner().unwrap_or_else(PoisonError::into_inner).outcome
}

/// What is written and what waits for it.
struct Order<'o, W: ?Sized> {
    /// `None` while somebody writes.
    out: Option<&'o mut W>,
    /// The number of what is written next.
    next: usize,
    ready: BTreeMap<usize, Vec<u8>>,
    /// Buffers to be used again.
    spare: Vec<Vec<u8>>,
    /// The first failure.
    outcome: io::Result<()>,
}

impl<'o, W: ?Sized> Order<'o, W> {
    /// What is to be written now, and where, if it is there and nobody writes.
    fn turn(&mut self) -> Option<(&'o mut W, Vec<u8>)> {
        if self.outcome.is_err() || !self.ready.contains_key(&self.next) {
            return None;
        }
        let out = self.out.take()?;
        Some((out, self.ready.remove(&self.next).unwrap_or_default()))
    }

    fn note(&mut self, result: io::Result<()>) {
        if self.outcome.is_ok() {
            self.outcome = result;
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_stand_in_their_order_however_many_there_are() {
        for threads in [1, 2, 3, 8] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
            for count in [0, 1, SMALL - 1, SMALL, SMALL + 1, 2 * SMALL, 20 * SMALL + 7, 500 * SMALL] {
                let rows: Vec<usize> = (0..count).collect();
                let expected: Vec<String> = rows.iter().map(|row| row.to_string()).collect();
                let mut out = Vec::new();
                let render = |row: &usize, first: bool, out: &mut Buffer<'_>| {
                    write!(out, "{}{row}", if first { "" } else { "," })
                };
                pool.install(|| write(&rows, SMALL, &mut out, render)).expect("memory");
                assert_eq!(String::from_utf8(out).expect("text"), expected.join(","));
            }
        }
    }

    #[test]
    fn a_row_larger_than_a_buffer_is_written_while_it_is_rendered() {
        /// The most bytes that it was given at once.
        #[derive(Default)]
        struct Most(usize, Vec<u8>);
        impl Write for Most {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0 = self.0.max(bytes.len());
                self.1.extend(bytes.iter().filter(|byte| **byte != b'x'));
                Ok(bytes.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        for threads in [1, 2, 8] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
            let rows: Vec<usize> = (0..40).collect();
            let mut out = Most::default();
            let render = |row: &usize, _: bool, out: &mut Buffer<'_>| {
                write!(out, "{row},")?;
                let many = if row.is_multiple_of(7) { 5 * BUFFER_BYTES / 1_000 } else { 1 };
                (0..many).try_for_each(|_| out.write_all(&[b'x'; 1_000]))?;
                write!(out, "{row};")
            };
            pool.install(|| write(&rows, 1, &mut out, render)).expect("memory");
            let expected: String = rows.iter().map(|row| format!("{row},{row};")).collect();
            assert_eq!(String::from_utf8(out.1).expect("text"), expected, "{threads} threads");
            assert!(out.0 < 2 * BUFFER_BYTES, "{} bytes at once", out.0);
        }
    }

    #[test]
    fn a_row_that_cannot_be_written_is_an_error() {
        /// Takes so many bytes.
        struct Full(usize);
        impl Write for Full {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0 = self.0.checked_sub(bytes.len()).ok_or_else(|| io::Error::other("disk full"))?;
                Ok(bytes.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        for (threads, count, room) in [1, 2, 8].into_iter().flat_map(|threads| {
            [(1, 0), (5 * SMALL, 0), (5 * SMALL, SMALL), (500 * SMALL, 40 * SMALL)]
                .map(|(count, room)| (threads, count, room))
        }) {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
            let render = |_: &usize, _: bool, out: &mut Buffer<'_>| out.write_all(b"x");
            let mut full = Full(room);
            let error = pool.install(|| write(&vec![0; count], SMALL, &mut full, render)).expect_err("no room");
            assert_eq!((error.to_string().as_str(), full.0), ("disk full", 0));
        }
    }

    #[test]
    fn a_row_that_cannot_be_rendered_ends_the_writing_behind_what_stands_before_it() {
        for threads in [1, 2, 8] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
            let rows: Vec<usize> = (0..200 * SMALL).collect();
            let mut out = Vec::new();
            let render = |row: &usize, _: bool, out: &mut Buffer<'_>| match row {
                9_000 => Err(io::Error::other("no text")),
                _ => out.write_all(b"x"),
            };
            let error = pool.install(|| write(&rows, SMALL, &mut out, render)).expect_err("no text");
            assert_eq!(error.to_string(), "no text");
            assert!(out.len() <= 9_000 / SMALL * SMALL, "{}", out.len());
        }
    }

    #[test]
    fn who_is_far_ahead_waits_for_the_first() {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().expect("threads");
        let begun = AtomicUsize::new(0);
        let rows: Vec<usize> = (0..1_000).collect();
        let mut out = Vec::new();
        let render = |row: &usize, _: bool, out: &mut Buffer<'_>| {
            if *row == 0 {
                std::thread::sleep(std::time::Duration::from_millis(50));
                assert!(begun.load(Ordering::SeqCst) <= 2 * EACH + 1, "buffers without bound");
            }
            begun.fetch_add(1, Ordering::SeqCst);
            writeln!(out, "{row}")
        };
        pool.install(|| write(&rows, 1, &mut out, render)).expect("memory");
        assert_eq!(out.iter().filter(|byte| **byte == b'\n').count(), 1_000);
    }
}
