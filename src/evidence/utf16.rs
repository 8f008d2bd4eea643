//! Text in UTF-16, as tools on Windows write it, as the UTF-8 that everything else reads.
//!
//! Told by a byte order mark (Unicode 23.8), or by the zero bytes that text of mostly ASCII letters has in every second
//! place. Called by the pipeline between the source's bytes and whoever reads text; the digest is of the source's own
//! bytes.
//!
//! Keeps: nothing is lost. A lone surrogate, which UTF-8 cannot hold, keeps its three-byte form; half a unit at the end
//! becomes U+FFFD. The byte order mark becomes that of UTF-8.

use std::io::{self, Read};

/// The order of the two bytes of a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Utf16 {
    /// The more significant byte first.
    Big,
    /// The less significant byte first.
    Little,
}

/// Units that are looked at where there is no byte order mark, and the fewest that tell.
const UNITS: usize = 256;
const FEWEST: usize = 8;

impl Utf16 {
    /// The order of text in UTF-16 that begins with `head`; `None` for anything else.
    #[must_use]
    pub fn recognise(head: &[u8]) -> Option<Self> {
        let (units, _) = head.as_chunks::<2>();
        match head {
            // The same mark, and a zero unit, would be UTF-32.
            [0xff, 0xfe, rest @ ..] if !rest.starts_with(&[0, 0]) => return Some(Self::Little),
            [0xfe, 0xff, ..] => return Some(Self::Big),
            _ if units.len() < FEWEST => return None,
            _ => {}
        }
        let units = units.get(..UNITS).unwrap_or(units);
        let letters = |wide: usize, narrow: usize| {
            let is_text = |unit: &&[u8; 2]| {
                unit.get(wide) == Some(&0)
                    && unit.get(narrow).is_some_and(|byte| (0x20..0x7f).contains(byte) || b"\t\r\n".contains(byte))
            };
            units.iter().filter(is_text).count() * 4 >= units.len() * 3
        };
        if letters(1, 0) { Some(Self::Little) } else { letters(0, 1).then_some(Self::Big) }
    }

    fn unit(self, bytes: [u8; 2]) -> u16 {
        match self {
            Self::Big => u16::from_be_bytes(bytes),
            Self::Little => u16::from_le_bytes(bytes),
        }
    }

    /// The whole units of `bytes` as UTF-8.
    #[must_use]
    pub fn text(self, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(bytes.len());
        let mut high = None;
        for unit in bytes.as_chunks().0 {
            push(&mut out, self.unit(*unit), &mut high);
        }
        out
    }
}

/// Adds a unit; `high` is the high surrogate before it, which `out` does not hold yet.
fn push(out: &mut Vec<u8>, unit: u16, high: &mut Option<u16>) {
    let code = match (high.take(), unit) {
        (Some(first), 0xdc00..0xe000) => 0x10000 + ((u32::from(first) - 0xd800) << 10) + (u32::from(unit) - 0xdc00),
        (first, _) => {
            first.into_iter().for_each(|first| push_code(out, u32::from(first)));
            if (0xd800..0xdc00).contains(&unit) {
                *high = Some(unit);
                return;
            }
            u32::from(unit)
        }
    };
    push_code(out, code);
}

fn push_code(out: &mut Vec<u8>, code: u32) {
    match char::from_u32(code) {
        Some(letter) => out.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes()),
        // A surrogate: always three bytes.
        None => out.extend([0xe0 | (code >> 12) as u8, 0x80 | (code >> 6 & 0x3f) as u8, 0x80 | (code & 0x3f) as u8]),
    }
}

/// The head and the reader of a text in UTF-8, where it is in UTF-16; else those given.
#[must_use]
pub fn utf8(head: Vec<u8>, reader: Box<dyn Read + Send>) -> (Vec<u8>, Box<dyn Read + Send>) {
    match Utf16::recognise(&head) {
        Some(order) => (order.text(&head), Box::new(Utf16Reader::new(reader, order))),
        None => (head, reader),
    }
}

/// Reads text in UTF-16 as UTF-8.
pub struct Utf16Reader<R> {
    inner: R,
    order: Utf16,
    raw: Box<[u8]>,
    /// Bytes at the front of `raw` that are half a unit.
    kept: usize,
    high: Option<u16>,
    out: Vec<u8>,
    taken: usize,
    ended: bool,
}

impl<R: Read> Utf16Reader<R> {
    /// The text that `inner` holds in this order.
    pub fn new(inner: R, order: Utf16) -> Self {
        let raw = vec![0; 64 << 10].into();
        Self { inner, order, raw, kept: 0, high: None, out: Vec::new(), taken: 0, ended: false }
    }

    fn fill(&mut self) -> io::Result<()> {
        self.out.clear();
        self.taken = 0;
        let count = self.inner.read(self.raw.get_mut(self.kept..).unwrap_or_default())?;
        if count == 0 {
            self.ended = true;
            if let Some(high) = self.high.take() {
                push_code(&mut self.out, u32::from(high));
            }
            if self.kept > 0 {
                push_code(&mut self.out, 0xfffd);
            }
            return Ok(());
        }
        let filled = self.kept + count;
        let (units, rest) = self.raw.get(..filled).unwrap_or_default().as_chunks();
        for unit in units {
            push(&mut self.out, self.order.unit(*unit), &mut self.high);
        }
        self.kept = rest.len();
        if let (Some(byte), Some(first)) = (rest.first().copied(), self.raw.first_mut()) {
            *first = byte;
        }
        Ok(())
    }
}

impl<R: Read> Read for Utf16Reader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.taken == self.out.len() && !self.ended {
            self.fill()?;
        }
        let rest = self.out.get(self.taken..).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..count), rest.get(..count)) {
            to.copy_from_slice(from);
        }
        self.taken += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives one byte at a time.
    struct Drip<'a>(&'a [u8]);

    impl Read for Drip<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let count = self.0.len().min(1).min(buffer.len());
            buffer[..count].copy_from_slice(&self.0[..count]);
            self.0 = &self.0[count..];
            Ok(count)
        }
    }

    fn read(bytes: &[u8], order: Utf16) -> Vec<u8> {
        let mut text = Vec::new();
        Utf16Reader::new(Drip(bytes), order).read_to_end(&mut text).expect("memory does not fail");
        text
    }

    #[test]
    fn text_is_the_same_in_either_order_and_in_any_pieces() {
        let text = "\u{feff}GET /a\u{e9}\u{1f600} 403\r\n\u{4f60}";
        let units: Vec<u16> = text.encode_utf16().collect();
        let (big, little): (Vec<u8>, Vec<u8>) = (
            units.iter().flat_map(|unit| unit.to_be_bytes()).collect(),
            units.iter().flat_map(|unit| unit.to_le_bytes()).collect(),
        );
        assert_eq!(read(&big, Utf16::Big), text.as_bytes());
        assert_eq!(read(&little, Utf16::Little), text.as_bytes());
        assert_eq!(Utf16::Little.text(&little), text.as_bytes());
        assert_eq!((Utf16::recognise(&big), Utf16::recognise(&little)), (Some(Utf16::Big), Some(Utf16::Little)));
    }

    #[test]
    fn damage_is_kept() {
        // A lone surrogate before a letter, a pair the wrong way round, half a unit.
        let units: [u16; 5] = [0xd83d, 0x41, 0xde00, 0xd83d, 0x42];
        let mut bytes: Vec<u8> = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
        bytes.push(0x43);
        let expected = b"\xed\xa0\xbdA\xed\xb8\x80\xed\xa0\xbdB\xef\xbf\xbd";
        assert_eq!(read(&bytes, Utf16::Little), expected);
        assert_eq!(read(&[0x3d, 0xd8], Utf16::Little), b"\xed\xa0\xbd");
        assert_eq!(read(b"", Utf16::Little), b"");
    }

    #[test]
    fn text_without_a_mark_is_told_by_its_zeros() {
        let wide: Vec<u8> = "2026-01-02 GET \u{4f60}".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(Utf16::recognise(&wide), Some(Utf16::Little));
        for other in [
            &b"plain ASCII text, long enough"[..],
            &[0; 64],
            b"\xff\xfe\0\0\x41\0\0\0",
            b"a\0",
            b"",
            &[1, 0].repeat(32),
        ] {
            assert_eq!(Utf16::recognise(other), None, "{}", other.escape_ascii());
        }
    }
}
