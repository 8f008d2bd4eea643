//! Short byte searches, sixteen bytes at a time: for lines and values of some tens of bytes.
//!
//! A leaf, used by `sip`, `sdp` and `facts`. Where a search may run over kilobytes `memchr` is faster; on a header row
//! its call alone costs as much as the whole search here.
//!
//! Keeps: the first match, as a loop over the bytes would find it; safe code only.

const LOW: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

/// `byte` in all eight places.
const fn all(byte: u8) -> u64 {
    LOW * byte as u64
}

/// The high bit of every byte that is zero. Bytes above the lowest such byte may be marked wrongly.
#[inline(always)]
const fn zero(word: u64) -> u64 {
    word.wrapping_sub(LOW) & !word & HIGH
}

/// The high bit of every byte below `limit`, which is at most 128. Bytes above the lowest such byte may be marked wrongly.
#[inline(always)]
const fn below(word: u64, limit: u8) -> u64 {
    word.wrapping_sub(all(limit)) & !word & HIGH
}

/// The place of the first byte that `fits`; `marks` marks the same bytes in a word.
///
/// The test of sixteen bytes has no early way out, so that the compiler makes one vector comparison of it.
#[inline(always)]
fn first(bytes: &[u8], fits: impl Fn(u8) -> bool, marks: impl Fn(u64) -> u64) -> Option<usize> {
    let (steps, tail) = bytes.as_chunks::<16>();
    for (index, step) in steps.iter().enumerate() {
        if step.iter().fold(false, |hit, byte| hit | fits(*byte)) {
            let word = u128::from_le_bytes(*step);
            let low = marks(word as u64);
            let within = if low != 0 { place(low) } else { 8 + place(marks((word >> 64) as u64)) };
            return Some(index * 16 + within);
        }
    }
    let start = bytes.len() - tail.len();
    let (low, rest) = match tail.split_first_chunk::<8>() {
        Some((low, rest)) => (marks(u64::from_le_bytes(*low)), rest),
        None => (0, tail),
    };
    if low != 0 {
        return Some(start + place(low));
    }
    let at = place(marks(short(rest)));
    // The places behind the tail are zero bytes; they are marked after all others.
    (at < rest.len()).then_some(bytes.len() - rest.len() + at)
}

/// [`first`] where it is most often near: two words are looked at before the rest.
#[inline(always)]
fn near(bytes: &[u8], fits: impl Fn(u8) -> bool, marks: impl Fn(u64) -> u64) -> Option<usize> {
    if let Some((word, rest)) = bytes.split_first_chunk::<8>() {
        let marked = marks(u64::from_le_bytes(*word));
        if marked != 0 {
            return Some(place(marked));
        }
        if let Some((word, rest)) = rest.split_first_chunk::<8>() {
            let marked = marks(u64::from_le_bytes(*word));
            if marked != 0 {
                return Some(8 + place(marked));
            }
            return first(rest, fits, marks).map(|at| at + 16);
        }
        return first(rest, fits, marks).map(|at| at + 8);
    }
    let at = place(marks(short(bytes)));
    // The places behind the bytes are zero bytes; they are marked after all others.
    (at < bytes.len()).then_some(at)
}

/// The place of the lowest mark; 8 where there is none.
#[inline(always)]
fn place(marked: u64) -> usize {
    marked.trailing_zeros() as usize / 8
}

/// Fewer than eight bytes as a word, zeros behind them.
#[inline(always)]
fn short(bytes: &[u8]) -> u64 {
    if let (Some(first), Some(last)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        let shift = (bytes.len() as u32).wrapping_sub(4) & 3;
        return u64::from(u32::from_le_bytes(*first)) | u64::from(u32::from_le_bytes(*last)) << (shift * 8);
    }
    match *bytes {
        [] => 0,
        [one] => u64::from(one),
        [one, two] => u64::from(one) | u64::from(two) << 8,
        [one, two, three, ..] => u64::from(one) | u64::from(two) << 8 | u64::from(three) << 16,
    }
}

/// The place of the first `needle`.
#[inline]
pub(crate) fn find(bytes: &[u8], needle: u8) -> Option<usize> {
    first(bytes, |byte| byte == needle, |word| zero(word ^ all(needle)))
}

/// The place of the first `one` or `other`.
#[inline]
pub(crate) fn find_either(bytes: &[u8], one: u8, other: u8) -> Option<usize> {
    first(bytes, |byte| (byte == one) | (byte == other), |word| zero(word ^ all(one)) | zero(word ^ all(other)))
}

/// The place of the first CR or LF.
#[inline(always)]
pub(crate) fn line_end(bytes: &[u8]) -> Option<usize> {
    let mut from = 0;
    loop {
        // CR is 13; the other controls up to it are rare.
        let at = from + first(bytes.get(from..)?, |byte| byte <= b'\r', |word| below(word, b'\r' + 1))?;
        if matches!(bytes.get(at), Some(b'\r' | b'\n')) {
            return Some(at);
        }
        from = at + 1;
    }
}

/// The place of the first space or tab.
#[inline]
pub(crate) fn word_end(bytes: &[u8]) -> Option<usize> {
    near(bytes, |byte| (byte == b' ') | (byte == b'\t'), |word| zero(word ^ all(b' ')) | zero(word ^ all(b'\t')))
}

/// The place of the first blank or control.
#[inline]
pub(crate) fn blank(bytes: &[u8]) -> Option<usize> {
    first(bytes, |byte| byte <= b' ', |word| below(word, b' ' + 1))
}

/// The place of the first colon, blank or control: where a field name ends.
#[inline]
pub(crate) fn name_end(bytes: &[u8]) -> Option<usize> {
    near(bytes, |byte| (byte == b':') | (byte <= b' '), |word| zero(word ^ all(b':')) | below(word, b' ' + 1))
}

/// The place of the first byte that no host holds: where it ends in `host:port;parameters` and the like.
#[inline]
pub(crate) fn host_end(bytes: &[u8]) -> Option<usize> {
    first(
        bytes,
        |byte| (byte == b':') | (byte == b';') | (byte == b'?') | (byte == b'>') | (byte == b' ') | (byte == b'\t'),
        |word| {
            let ends = zero(word ^ all(b':')) | zero(word ^ all(b';')) | zero(word ^ all(b'?'));
            ends | zero(word ^ all(b'>')) | zero(word ^ all(b' ')) | zero(word ^ all(b'\t'))
        },
    )
}

/// Takes blanks and line ends off both ends. Other controls stay: they are part of what was written.
#[inline]
pub(crate) fn trim(bytes: &[u8]) -> &[u8] {
    let mut bytes = bytes;
    while let [b' ' | b'\t' | b'\r' | b'\n', rest @ ..] = bytes {
        bytes = rest;
    }
    while let [rest @ .., b' ' | b'\t' | b'\r' | b'\n'] = bytes {
        bytes = rest;
    }
    bytes
}

/// A name as two words, letters in lower case: equal for names of the same length, at most 16, that are equal without
/// regard to case. Longer names are told by their first and last eight bytes only.
#[inline]
pub(crate) fn name_key(name: &[u8]) -> (u64, u64) {
    match (name.first_chunk::<8>(), name.last_chunk::<8>()) {
        (Some(first), Some(last)) => (lower(u64::from_le_bytes(*first)), lower(u64::from_le_bytes(*last))),
        _ => (lower(short(name)), 0),
    }
}

/// ASCII letters in lower case.
#[inline(always)]
const fn lower(word: u64) -> u64 {
    let seven = word & !HIGH;
    let from_a = seven + all(0x80 - b'A');
    let beyond_z = seven + all(0x7f - b'Z');
    let upper = (from_a ^ beyond_z) & !word & HIGH;
    word | upper >> 2
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes around every limit that the marks use, at every place of a word.
    fn texts() -> impl Iterator<Item = Vec<u8>> {
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        let alphabet = *b"\0\x01\t\n\x0b\x0c\r\x0e\x1f !\":;<,=@AZaz[`{\x7f\x80\x8d\xba\xff";
        (0..4_000).map(move |round| {
            (0..round % 41)
                .map(|_| {
                    state ^= state << 13;
                    state ^= state >> 7;
                    state ^= state << 17;
                    if state & 0x300 != 0 { b'x' } else { alphabet[(state >> 32) as usize % alphabet.len()] }
                })
                .collect()
        })
    }

    #[test]
    fn searches_find_what_a_loop_finds() {
        for text in texts() {
            assert_eq!(find(&text, b';'), text.iter().position(|byte| *byte == b';'), "{text:x?}");
            assert_eq!(find(&text, 0), text.iter().position(|byte| *byte == 0), "{text:x?}");
            let either = text.iter().position(|byte| matches!(byte, b'<' | b'"'));
            assert_eq!(find_either(&text, b'<', b'"'), either, "{text:x?}");
            assert_eq!(line_end(&text), text.iter().position(|byte| matches!(byte, b'\r' | b'\n')), "{text:x?}");
            let word = text.iter().position(|byte| matches!(byte, b' ' | b'\t'));
            assert_eq!(word_end(&text), word, "{text:x?}");
            assert_eq!(blank(&text), text.iter().position(|byte| *byte <= b' '), "{text:x?}");
            let host = text.iter().position(|byte| matches!(byte, b':' | b';' | b'?' | b'>' | b' ' | b'\t'));
            assert_eq!(host_end(&text), host, "{text:x?}");
            assert_eq!(name_end(&text), text.iter().position(|byte| *byte == b':' || *byte <= b' '), "{text:x?}");
        }
    }

    #[test]
    fn only_blanks_and_line_ends_are_trimmed() {
        assert_eq!(trim(b" \t\r\n a b\r\n "), b"a b");
        assert_eq!(trim(b"\x1b[2Ja\0 "), b"\x1b[2Ja\0");
        assert_eq!(trim(b" \t"), b"");
    }

    #[test]
    fn keys_tell_short_names_apart_as_comparing_does() {
        let mut texts: Vec<_> = texts().filter(|text| (1..=16).contains(&text.len())).take(300).collect();
        texts.extend(texts.clone().iter().map(|text| text.to_ascii_uppercase()));
        for one in &texts {
            for other in texts.iter().filter(|other| other.len() == one.len()) {
                assert_eq!(name_key(one) == name_key(other), one.eq_ignore_ascii_case(other), "{one:x?} {other:x?}");
            }
        }
    }
}
