//! Short byte searches, sixteen bytes at a time: for lines and values of some tens of bytes.
//!
//! A leaf, used by `sip`, `sdp` and `facts`. Where a search may run over kilobytes `memchr` is faster; on a header row
//! its call alone costs as much as the whole search here.
//!
//! Keeps: the first match, as a loop over the bytes would find it; safe code only.

use wide::{CmpGt, i8x16, u8x16};

/// Bytes that are looked at together.
const STEP: usize = 16;

/// As many bytes as are looked at together.
pub(crate) type Step = [u8; STEP];

/// A bit for each byte of the step that fits, the lowest for the first byte.
#[inline(always)]
fn marks(step: Step, fits: &impl Fn(u8x16) -> u8x16) -> u32 {
    fits(u8x16::new(step)).move_mask().cast_unsigned()
}

/// All ones where the byte is this one.
#[inline(always)]
fn is(bytes: u8x16, byte: u8) -> u8x16 {
    bytes.cmp_eq(u8x16::splat(byte))
}

/// All ones where the byte is `last` or less.
#[inline(always)]
fn up_to(bytes: u8x16, last: u8) -> u8x16 {
    bytes.min(u8x16::splat(last)).cmp_eq(bytes)
}

/// The place of the first byte that `fits`, from `from` on.
#[inline(always)]
fn first(bytes: &[u8], from: usize, fits: impl Fn(u8x16) -> u8x16) -> Option<usize> {
    let mut at = from;
    while let Some(step) = bytes.get(at..)?.first_chunk::<STEP>() {
        let marked = marks(*step, &fits);
        if marked != 0 {
            return Some(at + marked.trailing_zeros() as usize);
        }
        at += STEP;
    }
    first_of_few(bytes, at, fits)
}

/// [`first`] where fewer bytes than a step are left behind `from`.
#[inline(never)]
fn first_of_few(bytes: &[u8], from: usize, fits: impl Fn(u8x16) -> u8x16) -> Option<usize> {
    if from == bytes.len() {
        return None;
    }
    // They are looked at together with bytes before them, or with zeros behind them.
    let (start, step) = match bytes.last_chunk::<STEP>() {
        Some(last) => (bytes.len() - STEP, *last),
        None => (0, padded(bytes)),
    };
    let marked = marks(step, &fits) & u32::MAX << (from - start);
    let place = start + marked.trailing_zeros() as usize;
    (place < bytes.len()).then_some(place)
}

/// Up to a step of bytes, zeros behind them.
#[inline(always)]
fn padded(bytes: &[u8]) -> Step {
    let (low, high) = match (bytes.first_chunk::<8>(), bytes.last_chunk::<8>()) {
        (Some(first), Some(last)) => {
            // The last eight bytes reach back into the first; those are shifted out.
            let high = u64::from_le_bytes(*last).checked_shr(128 - bytes.len() as u32 * 8).unwrap_or(0);
            (u64::from_le_bytes(*first), high)
        }
        _ => (short(bytes), 0),
    };
    (u128::from(low) | u128::from(high) << 64).to_le_bytes()
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
    first(bytes, 0, |step| is(step, needle))
}

/// The place of the first `one` or `other`.
#[inline]
pub(crate) fn find_either(bytes: &[u8], one: u8, other: u8) -> Option<usize> {
    first(bytes, 0, |step| is(step, one) | is(step, other))
}

/// The place of the first CR or LF, from `from` on.
#[inline(always)]
pub(crate) fn line_end(bytes: &[u8], from: usize) -> Option<usize> {
    first(bytes, from, |step| is(step, b'\r') | is(step, b'\n'))
}

/// The line ends of one text, marked sixty-four bytes at a time: for whoever asks for one after the other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LineEnds {
    /// Which sixty-four bytes are marked.
    block: usize,
    /// A bit for each of them that is CR or LF, the lowest for the first.
    marked: u64,
}

impl Default for LineEnds {
    /// Of any text, of which no byte was looked at.
    #[inline]
    fn default() -> Self {
        Self { block: usize::MAX, marked: 0 }
    }
}

impl LineEnds {
    /// What [`line_end`] finds. The text is the same, or begins with the same, whenever it is asked for.
    #[inline(always)]
    pub(crate) fn next(&mut self, text: &[u8], from: usize) -> Option<usize> {
        let mut from = from;
        loop {
            if from / BLOCK != self.block {
                (self.block, self.marked) = (from / BLOCK, line_ends(text, from / BLOCK * BLOCK));
            }
            // The shift takes the lowest bits of the place: that within the block.
            let marked = self.marked.wrapping_shr(from as u32);
            if marked != 0 {
                return Some(from + marked.trailing_zeros() as usize);
            }
            from = (self.block + 1) * BLOCK;
            if from >= text.len() {
                return None;
            }
        }
    }
}

/// Bytes whose line ends are marked together.
pub(crate) const BLOCK: usize = u64::BITS as usize;

/// A bit for each CR and LF among the [`BLOCK`] bytes from `start` on; none behind the end of the text.
#[inline(always)]
fn line_ends(text: &[u8], start: usize) -> u64 {
    match text.get(start..).and_then(|rest| rest.first_chunk()) {
        Some(block) => line_ends_of(block),
        None => last_line_ends(text, start),
    }
}

/// [`line_ends`] where fewer bytes than a block are left.
#[inline(never)]
fn last_line_ends(text: &[u8], start: usize) -> u64 {
    let Some(left) = text.len().checked_sub(start) else { return 0 };
    match text.last_chunk() {
        // They are looked at together with bytes before them, or with zeros behind them.
        Some(last) => line_ends_of(last).checked_shr((BLOCK - left) as u32).unwrap_or(0),
        None => {
            let mut padded = [0; BLOCK];
            padded.iter_mut().zip(text.iter().skip(start)).for_each(|(place, byte)| *place = *byte);
            line_ends_of(&padded)
        }
    }
}

#[inline(always)]
fn line_ends_of(block: &[u8; BLOCK]) -> u64 {
    let (steps, _) = block.as_chunks();
    (0..).zip(steps).fold(0, |marked, (number, step)| {
        let ends = marks(*step, &|step| is(step, b'\r') | is(step, b'\n'));
        marked | u64::from(ends) << (number * STEP)
    })
}

/// Bits of one text that others may have, too.
#[derive(Clone, Debug, Default)]
pub(crate) struct Likeness {
    blocks: Vec<Block>,
    /// The last [`BLOCK`] bytes, which overlap the blocks before.
    last: Option<Block>,
    length: usize,
}

#[derive(Clone, Copy, Debug)]
struct Block {
    known: [u8x16; BLOCK / STEP],
    fixed: [u8x16; BLOCK / STEP],
}

impl Likeness {
    /// With the bits of `known` that are `fixed`, which is as long. One of less than [`BLOCK`] bytes is like nothing.
    pub(crate) fn of(known: &[u8], fixed: &[u8]) -> Self {
        let ((knowns, _), (fixeds, _)) = (known.as_chunks(), fixed.as_chunks());
        let blocks = knowns.iter().zip(fixeds).map(|(known, fixed)| Block::of(known, fixed)).collect();
        let last = known.last_chunk().zip(fixed.last_chunk()).map(|(known, fixed)| Block::of(known, fixed));
        Self { blocks, last, length: known.len() }
    }

    /// Whether `text` begins with these bits.
    #[inline(always)]
    pub(crate) fn begins(&self, text: &[u8]) -> bool {
        let Some(text) = text.get(..self.length) else { return false };
        let (texts, _) = text.as_chunks();
        texts.iter().zip(&self.blocks).all(|(text, block)| block.is_in(text))
            && text.last_chunk().zip(self.last.as_ref()).is_some_and(|(text, block)| block.is_in(text))
    }
}

impl Block {
    fn of(known: &[u8; BLOCK], fixed: &[u8; BLOCK]) -> Self {
        let ((knowns, _), (fixeds, _)) = (known.as_chunks(), fixed.as_chunks());
        let mut block = Self { known: [u8x16::splat(0); BLOCK / STEP], fixed: [u8x16::splat(0); BLOCK / STEP] };
        for (own, (known, fixed)) in block.known.iter_mut().zip(&mut block.fixed).zip(knowns.iter().zip(fixeds)) {
            (*own.0, *own.1) = (u8x16::new(*known), u8x16::new(*fixed));
        }
        block
    }

    #[inline(always)]
    fn is_in(&self, text: &[u8; BLOCK]) -> bool {
        let (texts, _) = text.as_chunks();
        let bits = self.known.iter().zip(&self.fixed);
        let differs = texts
            .iter()
            .zip(bits)
            .fold(u8x16::splat(0), |differs, (text, (known, fixed))| differs | (u8x16::new(*text) ^ *known) & *fixed);
        differs.cmp_eq(u8x16::splat(0)).move_mask() == 0xffff
    }
}

/// Some bytes that stand near each other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    /// Where the first byte of the step stands that they are in.
    at: usize,
    /// All ones for each other byte of the step.
    others: i8x16,
}

impl Window {
    /// Windows for all bytes of a text that are marked.
    pub(crate) fn over(marked: &[bool]) -> impl Iterator<Item = Self> {
        let mut from = 0;
        std::iter::from_fn(move || {
            let first = from + marked.get(from..)?.iter().position(|marked| *marked)?;
            let at = first.min(marked.len().saturating_sub(STEP));
            from = at + STEP;
            let mut others = [-1; STEP];
            for (other, marked) in others.iter_mut().zip(marked.get(at..)?) {
                *other = -i8::from(!*marked);
            }
            Some(Self { at, others: i8x16::new(others) })
        })
    }

    /// Whether all of them are letters and digits of ASCII; `false` where the text has no such step.
    #[inline(always)]
    pub(crate) fn are_words(windows: &[Self], text: &[u8]) -> bool {
        let all = windows.iter().try_fold(i8x16::splat(-1), |all, Self { at, others }| {
            let step: &Step = text.get(*at..)?.first_chunk()?;
            let step = i8x16::new(step.map(u8::cast_signed));
            Some(all & (is_letter_or_digit(step) | *others))
        });
        all.is_some_and(|all| all.move_mask() == 0xffff)
    }
}

/// All ones where the byte is a letter or a digit of ASCII.
#[inline(always)]
fn is_letter_or_digit(bytes: i8x16) -> i8x16 {
    // The last of each range is moved to the greatest number, what is behind it to the least ones.
    let ends_at = |bytes: i8x16, last: u8, count: i8| {
        let moved = bytes + i8x16::splat(i8::MAX - last.cast_signed());
        moved.cmp_gt(i8x16::splat(i8::MAX - count))
    };
    ends_at(bytes | i8x16::splat(0x20), b'z', 26) | ends_at(bytes, b'9', 10)
}

/// The place of the first blank or control.
#[inline]
pub(crate) fn blank(bytes: &[u8]) -> Option<usize> {
    first(bytes, 0, |step| up_to(step, b' '))
}

/// The place of the first colon, blank or control: where a field name ends.
#[inline]
pub(crate) fn name_end(bytes: &[u8]) -> Option<usize> {
    first(bytes, 0, is_no_name)
}

/// All ones where the byte ends a field name.
#[inline(always)]
fn is_no_name(bytes: u8x16) -> u8x16 {
    is(bytes, b':') | up_to(bytes, b' ')
}

/// The place of the first byte that no host holds: where it ends in `host:port;parameters` and the like.
#[inline]
pub(crate) fn host_end(bytes: &[u8]) -> Option<usize> {
    first(bytes, 0, |step| {
        let ends = is(step, b':') | is(step, b';') | is(step, b'?');
        ends | is(step, b'>') | is(step, b' ') | is(step, b'\t')
    })
}

/// Takes blanks and line ends off both ends. Other controls stay: they are part of what was written.
#[inline(always)]
pub(crate) fn trim(bytes: &[u8]) -> &[u8] {
    // Most often one blank stands in front, or none.
    let rest = if let [b' ', rest @ ..] = bytes { rest } else { bytes };
    let is_trim = rest.first().is_some_and(|first| *first > b' ') && rest.last().is_some_and(|last| *last > b' ');
    if is_trim { rest } else { trim_any(rest) }
}

fn trim_any(bytes: &[u8]) -> &[u8] {
    let mut bytes = bytes;
    while let [b' ' | b'\t' | b'\r' | b'\n', rest @ ..] = bytes {
        bytes = rest;
    }
    while let [rest @ .., b' ' | b'\t' | b'\r' | b'\n'] = bytes {
        bytes = rest;
    }
    bytes
}

/// What tells names apart without regard to case: their first sixteen bytes, zeros behind a shorter one, with the bit set
/// that parts capitals from small letters.
///
/// The keys of names that are equal but for case are equal. Names of the same length, at most 16, with equal keys are
/// equal but for case if one of them is plain ([`Key::is_of_plain`]) and the other has no blanks and no controls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Key(u128);

impl Key {
    /// The key of any name.
    #[inline]
    pub(crate) fn of(name: &[u8]) -> Self {
        const CASES: u128 = u128::from_le_bytes([0x20; STEP]);
        match name.first_chunk() {
            Some(first) => Self(u128::from_le_bytes(*first) | CASES),
            None => {
                let cases = CASES & !u128::MAX.checked_shl(8 * name.len() as u32).unwrap_or(0);
                Self(u128::from_le_bytes(padded(name)) | cases)
            }
        }
    }

    /// Whether only names that are equal but for case have the key of this one, which has small letters only.
    pub(crate) fn is_of_plain(name: &[u8]) -> bool {
        name.len() <= STEP && name.iter().all(|byte| matches!(byte, b'!'..=b'?' | b'a'..=b'z'))
    }

    /// A number that few keys share. Its high bits depend on all bits of the key.
    #[inline(always)]
    pub(crate) fn hash(self) -> u64 {
        (self.0 as u64 ^ ((self.0 >> 64) as u64).rotate_left(31)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }
}

/// How a text begins, up to sixteen bytes of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Beginning {
    step: Step,
    /// A bit for each byte that counts, the lowest for the first.
    counted: u32,
}

impl Beginning {
    /// How no text begins.
    pub(crate) const NONE: Self = Self { step: [0; STEP], counted: u32::MAX };

    /// All of a text that has no more than sixteen bytes, or the first sixteen.
    pub(crate) fn of(text: &[u8]) -> Self {
        let mut step = [0; STEP];
        step.iter_mut().zip(text).for_each(|(place, byte)| *place = *byte);
        Self { step, counted: (1 << text.len().min(STEP)) - 1 }
    }

    /// Whether these bytes begin so.
    #[inline(always)]
    pub(crate) fn begins(&self, step: &Step) -> bool {
        marks(*step, &|step| step.cmp_eq(u8x16::new(self.step))) & self.counted == self.counted
    }
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
            assert_eq!(name_end(&text), text.iter().position(|byte| *byte == b':' || *byte <= b' '), "{text:x?}");
            assert_eq!(blank(&text), text.iter().position(|byte| *byte <= b' '), "{text:x?}");
            let host = text.iter().position(|byte| matches!(byte, b':' | b';' | b'?' | b'>' | b' ' | b'\t'));
            assert_eq!(host_end(&text), host, "{text:x?}");
            for from in 0..text.len() + 2 {
                let behind = text.get(from..).unwrap_or_default();
                let expected = behind.iter().position(|byte| matches!(byte, b'\r' | b'\n')).map(|at| from + at);
                assert_eq!(line_end(&text, from), expected, "{from} {text:x?}");
                assert_eq!(LineEnds::default().next(&text, from), expected, "{from} {text:x?}");
            }
        }
    }

    #[test]
    fn line_ends_are_found_one_after_the_other() {
        let texts: Vec<_> = texts().collect();
        for some in texts.windows(9) {
            // Up to several blocks, with and without a whole number of them.
            let mut text = some.concat();
            for _ in 0..3 {
                let mut ends = LineEnds::default();
                let mut from = 0;
                while let Some(end) = ends.next(&text, from) {
                    assert_eq!(Some(end), line_end(&text, from), "{from} {text:x?}");
                    from = end + 1;
                }
                assert_eq!(line_end(&text, from), None, "{from} {text:x?}");
                assert_eq!(ends.next(&text, 0), line_end(&text, 0), "{text:x?}");
                text.truncate(text.len() / BLOCK * BLOCK + text.len() % 2 * 7);
            }
        }
    }

    #[test]
    fn like_is_what_differs_in_free_bits_alone() {
        for length in [63, 64, 65, 127, 128, 200] {
            let known: Vec<u8> = (0..length).map(|place| place as u8).collect();
            for at in 0..known.len() {
                let mut text = known.clone();
                text[at] ^= 0x12;
                for (bits, expected) in [(0xff, false), (0x02, false), (0x10, false), (0x00, true), (0xed, true)] {
                    let mut fixed = vec![u8::MAX; known.len()];
                    fixed[at] = bits;
                    assert_eq!(
                        Likeness::of(&known, &fixed).begins(&text),
                        expected && length >= BLOCK,
                        "{length} {at} {bits:x}"
                    );
                }
            }
        }
    }

    #[test]
    fn windows_see_each_marked_byte_and_no_other() {
        let all: Vec<u8> = (0..=u8::MAX).collect();
        for (at, byte) in all.iter().enumerate() {
            let marked: Vec<bool> = (0..all.len()).map(|place| place == at).collect();
            let windows: Vec<Window> = Window::over(&marked).collect();
            assert_eq!((windows.len(), Window::are_words(&windows, &all)), (1, byte.is_ascii_alphanumeric()), "{byte}");
        }
        let text = b"ab;cdefghijklmnopqrstuvwxyz;0123456789";
        let marked = |free: &[usize]| (0..text.len()).map(|place| free.contains(&place)).collect::<Vec<_>>();
        for (free, expected) in
            [(&[0, 1, 3, 26, 28, 37][..], true), (&[0, 2], false), (&[26, 27], false), (&[37], true)]
        {
            let windows: Vec<Window> = Window::over(&marked(free)).collect();
            assert_eq!(Window::are_words(&windows, text), expected, "{free:?}");
            assert!(!Window::are_words(&windows, &text[..10]), "not there");
        }
        assert!(Window::are_words(&[], text));
    }

    #[test]
    fn only_blanks_and_line_ends_are_trimmed() {
        assert_eq!(trim(b" \t\r\n a b\r\n "), b"a b");
        assert_eq!(trim(b"\x1b[2Ja\0 "), b"\x1b[2Ja\0");
        assert_eq!(trim(b" \t"), b"");
    }

    #[test]
    fn keys_tell_short_names_apart_as_comparing_does() {
        let mut texts: Vec<_> = texts().filter(|text| (1..=20).contains(&text.len())).take(400).collect();
        texts.extend(texts.clone().iter().map(|text| text.to_ascii_uppercase()));
        let visible = |name: &[u8]| name.iter().all(|byte| *byte > b' ');
        let (mut compared, mut plain) = (0, 0);
        for one in texts.iter().filter(|text| visible(text)) {
            for other in texts.iter().filter(|other| other.len() == one.len() && visible(other)) {
                let (alike, equal) = (Key::of(one) == Key::of(other), one.eq_ignore_ascii_case(other));
                assert!(alike || !equal, "{one:x?} {other:x?}");
                compared += 1;
                if Key::is_of_plain(one) {
                    assert_eq!(alike, equal, "{one:x?} {other:x?}");
                    plain += 1;
                }
            }
        }
        assert!(plain > 1_000 && compared > 2 * plain, "{plain} of {compared}");
    }

    #[test]
    fn texts_begin_with_what_they_begin_with() {
        let texts: Vec<_> = texts().filter(|text| text.len() >= STEP).take(300).collect();
        for one in &texts {
            for other in &texts {
                let step = other.first_chunk().expect("enough bytes");
                for len in [0, 1, 7, 15, 16] {
                    let expected = other.starts_with(&one[..len]);
                    assert_eq!(Beginning::of(&one[..len]).begins(step), expected, "{len} {one:x?} {other:x?}");
                }
                assert_eq!(Beginning::of(one).begins(step), other[..STEP] == one[..STEP], "{one:x?} {other:x?}");
                assert!(!Beginning::NONE.begins(step));
            }
        }
    }

    #[test]
    fn names_are_plain_where_no_other_byte_folds_onto_theirs() {
        for byte in 0..=u8::MAX {
            let alike = (b'!'..=u8::MAX).filter(|other| Key::of(&[*other]) == Key::of(&[byte]));
            let only_cases = alike.clone().all(|other| other.eq_ignore_ascii_case(&byte));
            let is_lower = !byte.is_ascii_uppercase() && byte > b' ';
            assert!(!Key::is_of_plain(&[byte]) || is_lower && only_cases, "{byte:x}");
        }
        assert!(Key::is_of_plain(b"x-consent-1") && !Key::is_of_plain(b"x_consent"));
        assert!(Key::is_of_plain(&[b'a'; 16]) && !Key::is_of_plain(&[b'a'; 17]));
    }
}
