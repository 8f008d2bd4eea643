//! Many rows to bytes, on as many threads as there are, in their order.
//!
//! Rows are rendered by the hundred into buffers that are used again, and written in order, so that memory is a few
//! buffers whatever the number of rows, and the bytes are those of one thread. Runs on the pool that it is called in.

use std::io::{self, Write};
use std::mem;

use rayon::iter::{IndexedParallelIterator, IntoParallelRefMutIterator, ParallelIterator};
use rayon::slice::ParallelSlice;

/// Rows of some hundred bytes that are worth being rendered apart from others.
pub(super) const SMALL: usize = 128;

/// The same of rows of some thousand bytes.
pub(super) const LARGE: usize = 16;

/// Buffers for each thread: more than one, for rows are of different size.
const EACH: usize = 4;

/// Writes what `render` makes of each row and of whether it is the first, `together` rows at a time.
///
/// # Errors
///
/// Those of `out`, and of `render`.
pub(super) fn write<T: Sync>(
    rows: &[T],
    together: usize,
    out: &mut (impl Write + Send),
    render: impl Fn(&T, bool, &mut Vec<u8>) -> io::Result<()> + Sync,
) -> io::Result<()> {
    let some = |rows: &[T], first: bool, buffer: &mut Vec<u8>| {
        rows.iter()
            .zip((0..).map(|number| first && number == 0))
            .try_for_each(|(row, first)| render(row, first, buffer))
    };
    if rows.len() <= together {
        let mut buffer = Vec::new();
        some(rows, true, &mut buffer)?;
        return out.write_all(&buffer);
    }
    let mut ready: Vec<Vec<u8>> = Vec::new();
    let mut next: Vec<Vec<u8>> = Vec::new();
    ready.resize_with(EACH * rayon::current_num_threads(), Vec::new);
    next.resize_with(ready.len(), Vec::new);
    let mut is_first = true;
    for wave in rows.chunks(together * ready.len()) {
        let first = mem::take(&mut is_first);
        let render = || {
            let rows = wave.par_chunks(together).zip(next.par_iter_mut()).enumerate();
            rows.map(|(number, (rows, buffer))| some(rows, first && number == 0, buffer)).collect::<io::Result<()>>()
        };
        // What is ready is written while more is made.
        let (rendered, written) = rayon::join(render, || flush(&mut ready, out));
        rendered.and(written)?;
        mem::swap(&mut ready, &mut next);
    }
    flush(&mut ready, out)
}

fn flush(buffers: &mut [Vec<u8>], out: &mut impl Write) -> io::Result<()> {
    for buffer in buffers {
        out.write_all(buffer)?;
        buffer.clear();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_stand_in_their_order_however_many_there_are() {
        for threads in [1, 3] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
            for count in [0, 1, SMALL, SMALL + 1, 20 * SMALL + 7] {
                let rows: Vec<usize> = (0..count).collect();
                let expected: Vec<String> = rows.iter().map(|row| row.to_string()).collect();
                let mut out = Vec::new();
                let render =
                    |row: &usize, first: bool, out: &mut Vec<u8>| write!(out, "{}{row}", if first { "" } else { "," });
                pool.install(|| write(&rows, SMALL, &mut out, render)).expect("memory");
                assert_eq!(String::from_utf8(out).expect("text"), expected.join(","));
            }
        }
    }

    #[test]
    fn a_row_that_cannot_be_written_is_an_error() {
        struct Full;
        impl Write for Full {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::Error::other("disk full"))
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        for count in [1, 5 * SMALL] {
            let render = |_: &usize, _: bool, out: &mut Vec<u8>| out.write_all(b"x");
            assert!(write(&vec![0; count], SMALL, &mut Full, render).is_err());
        }
    }
}
