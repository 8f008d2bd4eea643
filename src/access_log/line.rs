//! Where the lines of a log begin and end, block by block, without ever holding one that is too long.
//!
//! Every line counts for the line number, blank ones too, as an editor shows it. LF ends a line; a CR before it is no
//! part of it.

use memchr::memrchr;

/// Bytes of the longest line that is read, without its end. A longer one is set aside whole.
pub const LINE_BYTES: usize = 4 << 20;

/// The walk along the line ends of one log.
#[derive(Clone, Copy, Debug, Default)]
pub struct Walk {
    begun: bool,
    /// Whether the bytes that follow belong to a line that is too long.
    inside: bool,
}

/// What a block of a log holds beside whole lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// The log begins here.
    first: bool,
    /// It begins inside a line that is too long and was counted before.
    inside: bool,
    /// It is the beginning of a line that is too long, and nothing else.
    open: bool,
}

impl Part {
    /// A whole log in one block.
    pub const WHOLE: Self = Self { first: true, inside: false, open: false };

    /// The lines of a block with this part's bytes: `None` for one that is too long.
    pub(super) fn lines(self, bytes: &[u8]) -> impl Iterator<Item = Option<&[u8]>> {
        let bytes = match self {
            Self { inside: true, .. } => {
                memchr::memchr(b'\n', bytes).and_then(|end| bytes.get(end + 1..)).unwrap_or_default()
            }
            // The byte order mark of UTF-8 is no part of the first line.
            Self { first: true, .. } => bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes),
            _ => bytes,
        };
        let bytes = if self.open { b"" } else { bytes };
        self.open.then_some(None).into_iter().chain(split(bytes).map(|line| (line.len() <= LINE_BYTES).then_some(line)))
    }
}

/// The lines of `bytes` without their ends. The last one may have none.
fn split(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        let line = rest.get(..end)?;
        rest = rest.get(end + 1..).unwrap_or_default();
        Some(line.strip_suffix(b"\r").unwrap_or(line))
    })
}

impl Walk {
    /// Cuts whole lines from the front of `bytes`: how many bytes they take, and what they are. At the `end` of the log
    /// all are taken.
    pub fn cut(&mut self, bytes: &[u8], end: bool) -> (usize, Part) {
        let part = Part { first: !self.begun, inside: self.inside, open: false };
        let taken = if end { bytes.len() } else { memrchr(b'\n', bytes).map_or(0, |at| at + 1) };
        if taken > 0 {
            self.begun = true;
            self.inside = false;
            return (taken, part);
        }
        // Room for a carriage return that is no part of the line, and for a byte order mark.
        if !self.inside && bytes.len() <= LINE_BYTES + 8 {
            return (0, part);
        }
        let part = Part { open: !self.inside, ..part };
        self.begun = true;
        self.inside = true;
        (bytes.len(), part)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Cuts `text` as it would come in blocks of `size`, and gives the lines' lengths.
    fn lengths(text: &[u8], size: usize) -> Vec<Option<usize>> {
        let (mut walk, mut lines) = (Walk::default(), Vec::new());
        let (mut start, mut filled) = (0, 0);
        loop {
            filled = (filled + size).min(text.len());
            let end = filled == text.len();
            let bytes = &text[start..filled];
            let (taken, part) = walk.cut(bytes, end);
            lines.extend(part.lines(&bytes[..taken]).map(|line| line.map(<[u8]>::len)));
            start += taken;
            if end {
                return lines;
            }
        }
    }

    #[test]
    fn lines_do_not_depend_on_where_blocks_end() {
        let long = |length: usize| vec![b'x'; length];
        let text = [
            &b"\xef\xbb\xbfone\r\n\n\r\n"[..],
            &long(LINE_BYTES),
            b"\ntwo\n",
            &long(LINE_BYTES + 1),
            b"\nthree\n",
            &long(3 * LINE_BYTES),
            b"\r\nfour",
        ]
        .concat();
        let expected = [Some(3), Some(0), Some(0), Some(LINE_BYTES), Some(3), None, Some(5), None, Some(4)];
        for size in [1 << 20, 1 << 16, (1 << 20) + 7, 3 * LINE_BYTES / 2, 100 << 20] {
            assert_eq!(lengths(&text, size), expected, "{size}");
        }
        for size in 1..40 {
            assert_eq!(lengths(b"a\n\nbb\r\nccc\n", size), [Some(1), Some(0), Some(2), Some(3)], "{size}");
        }
        assert_eq!(lengths(b"", 5), []);
        assert_eq!(lengths(&long(9 * LINE_BYTES), 1 << 20), [None]);
        assert_eq!(lengths(&[&long(9 * LINE_BYTES)[..], b"\nx"].concat(), 1 << 20), [None, Some(1)]);
    }
}
