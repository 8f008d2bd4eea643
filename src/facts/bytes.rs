//! Numbers and texts as bytes, written one behind the other, and read again.
//!
//! Bytes that nobody wrote so read as `None` or as something else; nothing panics.

/// Writes a number in base 128, its lowest digit first; all but the last are marked.
#[inline]
pub(super) fn number(bytes: &mut Vec<u8>, mut number: usize) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

/// Writes a text behind its length.
#[inline]
pub(super) fn text(bytes: &mut Vec<u8>, text: &[u8]) {
    number(bytes, text.len());
    bytes.extend_from_slice(text);
}

/// Reads what was written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor<'p>(pub(super) &'p [u8]);

impl<'p> Cursor<'p> {
    pub(super) fn at(bytes: &'p [u8], place: usize) -> Option<Self> {
        bytes.get(place..).map(Self)
    }

    #[inline]
    pub(super) fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*byte)
    }

    #[inline]
    pub(super) fn number(&mut self) -> Option<usize> {
        let first = self.byte()?;
        if first < 0x80 {
            return Some(usize::from(first));
        }
        let (mut number, mut shift) = (usize::from(first & 0x7f), 7);
        loop {
            let byte = self.byte()?;
            number |= usize::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 || shift > 56 {
                return Some(number);
            }
            shift += 7;
        }
    }

    /// So many bytes.
    #[inline]
    pub(super) fn run(&mut self, length: usize) -> Option<&'p [u8]> {
        let (run, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(run)
    }

    #[inline]
    pub(super) fn text(&mut self) -> Option<&'p [u8]> {
        let length = self.number()?;
        self.run(length)
    }

    /// A fixed number of bytes.
    #[inline]
    pub(super) fn fixed<const N: usize>(&mut self) -> Option<&'p [u8; N]> {
        let (bytes, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_texts_come_back() {
        let numbers = [0, 1, 127, 128, 129, 16_383, 16_384, usize::MAX >> 8, usize::MAX];
        let mut bytes = Vec::new();
        for own in numbers {
            number(&mut bytes, own);
            text(&mut bytes, own.to_string().as_bytes());
        }
        let mut cursor = Cursor(&bytes);
        for own in numbers {
            assert_eq!(cursor.number(), Some(own));
            assert_eq!(cursor.text(), Some(own.to_string().as_bytes()));
        }
        assert_eq!((cursor.0, cursor.byte(), cursor.number(), cursor.text()), (&b""[..], None, None, None));
    }

    #[test]
    fn what_was_cut_gives_nothing() {
        let mut bytes = Vec::new();
        text(&mut bytes, &[7; 200]);
        for end in 0..bytes.len() {
            assert_eq!(Cursor(&bytes[..end]).text(), None, "{end}");
        }
        assert_eq!(Cursor(&[0x80; 30]).number(), Some(0), "a number without an end ends");
        assert_eq!((Cursor(b"ab").fixed::<3>(), Cursor(b"ab").run(3)), (None, None));
    }
}
