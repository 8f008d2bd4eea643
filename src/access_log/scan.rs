//! Searches over the few bytes between two separators, eight at a time.
//!
//! # Design
//!
//! Most values of a log line are shorter than the call of a general search takes; `memchr` is for the long stretches,
//! such as to the end of the line. The tricks on whole words (Hacker's Delight §6-1) may find too much behind the first
//! byte that is there, never before it, so only the first one found is trusted. A test holds them against a byte by
//! byte search.

const ONES: u64 = u64::MAX / 255;
const TOPS: u64 = ONES * 0x80;

/// The top bit of the first byte that is `byte`, and perhaps of some behind it.
#[inline(always)]
const fn equal(word: u64, byte: u8) -> u64 {
    let other = word ^ (ONES * byte as u64);
    other.wrapping_sub(ONES) & !other & TOPS
}

/// The top bit of the first byte below `byte`, which is at most 128, and perhaps of some behind it.
#[inline(always)]
const fn below(word: u64, byte: u8) -> u64 {
    word.wrapping_sub(ONES * byte as u64) & !word & TOPS
}

/// The place of the first byte that `wanted` finds; `filler`, which must not be found, stands behind the end.
#[inline(always)]
fn first(bytes: &[u8], filler: u8, wanted: impl Fn(u64) -> u64) -> Option<usize> {
    let mut at = 0;
    let mut rest = bytes;
    while let Some((chunk, behind)) = rest.split_first_chunk() {
        let found = wanted(u64::from_le_bytes(*chunk));
        if found != 0 {
            return Some(at + found.trailing_zeros() as usize / 8);
        }
        at += 8;
        rest = behind;
    }
    if rest.is_empty() {
        return None;
    }
    let mut chunk = [filler; 8];
    chunk.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
    let found = wanted(u64::from_le_bytes(chunk));
    (found != 0).then(|| at + found.trailing_zeros() as usize / 8)
}

/// The place of the first quote, backslash or control character: where a plain quoted string ends.
#[inline]
pub(super) fn string_end(bytes: &[u8]) -> Option<usize> {
    first(bytes, b' ', |word| equal(word, b'"') | equal(word, b'\\') | below(word, 0x20))
}

/// The place of the first `byte`, which is likely to be near.
#[inline]
pub(super) fn find(byte: u8, bytes: &[u8]) -> Option<usize> {
    const NEAR: usize = 32;
    let (near, far) = bytes.split_at(bytes.len().min(NEAR));
    first(near, !byte, |word| equal(word, byte)).or_else(|| memchr::memchr(byte, far).map(|at| NEAR + at))
}

/// The place of the first of two bytes, one of which is near.
#[inline]
pub(super) fn either(one: u8, other: u8, bytes: &[u8]) -> Option<usize> {
    let filler = if one == 0 || other == 0 { b' ' } else { 0 };
    first(bytes, filler, |word| equal(word, one) | equal(word, other))
}

/// How often `byte` occurs.
pub(super) fn count(byte: u8, bytes: &[u8]) -> usize {
    // Few enough for a sum of eight bits, and of fixed size, so that the compiler takes all at a time.
    let of = |chunk: &[u8; 64]| usize::from(chunk.iter().map(|own| u8::from(*own == byte)).sum::<u8>());
    let (chunks, rest) = bytes.as_chunks();
    let mut last = [!byte; 64];
    if let Some(room) = last.get_mut(..rest.len()) {
        room.copy_from_slice(rest);
    }
    chunks.iter().map(of).sum::<usize>() + of(&last)
}

/// Whether `target` may name recordings: it holds `rec` or `ree` in any case (`record`, `screen`), or an escape that
/// could hide them. Only then need its segments be looked at.
#[inline]
pub(super) fn may_name_recordings(target: &[u8]) -> bool {
    let mut rest = target;
    while let Some(chunk) = rest.first_chunk::<66>() {
        if long_chunk_may_name(chunk) {
            return true;
        }
        rest = rest.get(64..).unwrap_or_default();
    }
    if let Some(last) = target.last_chunk().filter(|_| rest.len() > 18) {
        // What it repeats was looked at before.
        return long_chunk_may_name(last) || matches!(last, [.., b'%' | b'\\', _] | [.., b'%' | b'\\']);
    }
    while let Some(chunk) = rest.first_chunk::<18>() {
        if chunk_may_name(chunk) {
            return true;
        }
        // The last two may begin a word that goes on in the next chunk.
        rest = rest.get(16..).unwrap_or_default();
    }
    let mut chunk = [0; 18];
    match target.last_chunk() {
        // What the last chunk repeats was looked at before: that costs less than copying.
        Some(last) => chunk = *last,
        None => chunk.iter_mut().zip(target).for_each(|(to, from)| *to = *from),
    }
    // `%` and the backslash also in the last two places.
    chunk_may_name(&chunk) || matches!(chunk, [.., b'%' | b'\\', _] | [.., b'%' | b'\\'])
}

/// Of a chunk of fixed size, without an early end, so that the compiler takes all bytes at a time.
#[inline(always)]
fn chunk_may_name(chunk: &[u8; 18]) -> bool {
    let mut found = [0_u8; 16];
    for (at, found) in found.iter_mut().enumerate() {
        *found = may_begin(chunk[at], chunk[at + 1], chunk[at + 2]);
    }
    u128::from_le_bytes(found) != 0
}

/// The same of a longer one.
#[inline(always)]
fn long_chunk_may_name(chunk: &[u8; 66]) -> bool {
    (0..64).fold(0, |found, at| found | may_begin(chunk[at], chunk[at + 1], chunk[at + 2])) != 0
}

/// Whether an escape or the beginning of one of the words stands there: 1 or 0.
#[inline(always)]
fn may_begin(one: u8, two: u8, three: u8) -> u8 {
    let (second, third) = (two | 0x20, three | 0x20);
    let named = (one | 0x20 == b'r') & (second == b'e') & ((third == b'c') | (third == b'e'));
    u8::from(named | (one == b'%') | (one == b'\\'))
}

/// A text to be compared with others: words of eight bytes, and the last eight, which may overlap them.
#[derive(Debug)]
pub(super) struct Literal {
    words: Vec<[u8; 8]>,
    last: [u8; 8],
    bytes: Box<[u8]>,
}

impl Literal {
    pub(super) fn new(bytes: &[u8]) -> Self {
        let (words, _) = bytes.as_chunks::<8>();
        Self { words: words.to_vec(), last: bytes.last_chunk().copied().unwrap_or_default(), bytes: bytes.into() }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether it stands at the `at`th byte of `line`; then the place behind it.
    #[inline(always)]
    pub(super) fn at(&self, line: &[u8], at: usize) -> Option<usize> {
        let end = at + self.bytes.len();
        let window = line.get(at..end)?;
        let same = match window.last_chunk::<8>() {
            Some(last) => {
                let words = window.as_chunks::<8>().0.iter().zip(&self.words);
                *last == self.last && words.fold(true, |same, (one, other)| same & (one == other))
            }
            None => window.iter().eq(&self.bytes),
        };
        same.then_some(end)
    }
}

#[cfg(test)]
mod tests {
    use super::super::noise::Noise;
    use super::*;

    #[test]
    fn what_is_found_is_what_a_byte_by_byte_search_finds() {
        let mut noise = Noise::new(11);
        let mut hits = [0, 0];
        for _ in 0..5_000 {
            let length = noise.below(200);
            let bytes: Vec<u8> = (0..length)
                .map(|_| if noise.below(30) == 0 { noise.next() as u8 } else { *noise.pick(b"abcdORcrEe/. \x52\x12") })
                .collect();
            let end = bytes.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20));
            assert_eq!(string_end(&bytes), end);
            assert_eq!(either(b'/', b'.', &bytes), bytes.iter().position(|byte| matches!(byte, b'/' | b'.')));
            assert_eq!(find(b'/', &bytes), bytes.iter().position(|byte| *byte == b'/'));
            assert_eq!(find(0xff, &bytes), bytes.iter().position(|byte| *byte == 0xff));
            let lower = bytes.to_ascii_lowercase();
            let named = bytes.contains(&b'%')
                || bytes.contains(&b'\\')
                || lower.windows(3).any(|three| three == b"rec" || three == b"ree");
            assert_eq!(may_name_recordings(&bytes), named, "{}", String::from_utf8_lossy(&bytes));
            hits[usize::from(may_name_recordings(&bytes))] += 1;
        }
        assert!(hits[0] > 500 && hits[1] > 500);
    }

    #[test]
    fn a_literal_stands_where_it_stands() {
        let mut noise = Noise::new(12);
        for _ in 0..5_000 {
            let text: Vec<u8> = (0..noise.below(40)).map(|_| *noise.pick(b"ab")).collect();
            let at = noise.below(text.len() + 1);
            let length = noise.below(text.len() - at + 1);
            let own = &text[at..at + length];
            let literal = if noise.below(2) == 0 { own.to_vec() } else { noise.mutate(own, b"ab") };
            let stands = text[at..].starts_with(&literal);
            assert_eq!(Literal::new(&literal).at(&text, at), stands.then_some(at + literal.len()));
        }
    }

    #[test]
    fn a_count_is_a_count() {
        let mut noise = Noise::new(13);
        for _ in 0..5000 {
            let text: Vec<u8> = (0..noise.below(300)).map(|_| *noise.pick(b"ab\"")).collect();
            assert_eq!(count(b'"', &text), text.iter().filter(|byte| **byte == b'"').count());
        }
    }
}
