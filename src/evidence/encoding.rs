//! UTF-16 into UTF-8, as tools on Windows write text.
//!
//! Recognised by its byte order mark, or by the NUL beside each of the first letters. Called by [`crate::pipeline`] for
//! what is no capture.
//!
//! Keeps: nothing is dropped. A surrogate without its other half, and an odd last byte, are U+FFFD.

use std::io::{self, Read};

/// The order of the two bytes of a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Big,
    Little,
}

/// The order of the units of a text that begins with `head`; `None` where it is no UTF-16.
fn order(head: &[u8]) -> Option<Order> {
    match head {
        [0xff, 0xfe, 0, 0, ..] => None,
        [0xff, 0xfe, ..] => Some(Order::Little),
        [0xfe, 0xff, ..] => Some(Order::Big),
        // Four letters of ASCII in a row, each with a NUL.
        [a, 0, b, 0, c, 0, d, 0, ..] if [a, b, c, d].iter().all(|byte| is_text(**byte)) => Some(Order::Little),
        [0, a, 0, b, 0, c, 0, d, ..] if [a, b, c, d].iter().all(|byte| is_text(**byte)) => Some(Order::Big),
        _ => None,
    }
}

fn is_text(byte: u8) -> bool {
    matches!(byte, b' '..=b'~' | b'\t' | b'\r' | b'\n')
}

/// The head and the reader of a text in UTF-8, where it is in UTF-16; else those given. The byte order mark is left out.
#[must_use]
pub fn utf8(head: Vec<u8>, reader: Box<dyn Read + Send>) -> (Vec<u8>, Box<dyn Read + Send>) {
    let Some(order) = order(&head) else { return (head, reader) };
    let mut shown = Transcoder { inner: io::Cursor::new(head), order, state: State::default() };
    let mut text = Vec::new();
    // A cursor does not fail.
    let _length = shown.read_to_end(&mut text);
    // The head may end inside a character.
    let whole = text.strip_suffix("\u{fffd}".as_bytes()).map_or(text.len(), <[u8]>::len);
    text.truncate(whole);
    (text, Box::new(Transcoder { inner: reader, order, state: State::default() }))
}

struct Transcoder<R> {
    inner: R,
    order: Order,
    state: State,
}

#[derive(Default)]
struct State {
    /// The first byte of a unit whose second was not read yet.
    half: Option<u8>,
    /// The first half of a pair.
    high: Option<u16>,
    begun: bool,
    ended: bool,
    /// What was transcoded and not given yet, from the place on.
    text: Vec<u8>,
    given: usize,
}

impl State {
    fn push(&mut self, unit: u16) {
        let begun = std::mem::replace(&mut self.begun, true);
        if !begun && unit == 0xfeff {
            return;
        }
        let high = self.high.take();
        match (high, unit) {
            (_, 0xd800..0xdc00) => {
                self.lost(high.is_some());
                self.high = Some(unit);
            }
            (Some(high), 0xdc00..0xe000) => {
                let code = 0x1_0000 + ((u32::from(high) - 0xd800) << 10) + (u32::from(unit) - 0xdc00);
                self.letter(code);
            }
            _ => {
                self.lost(high.is_some());
                self.letter(u32::from(unit));
            }
        }
    }

    fn lost(&mut self, is_lost: bool) {
        if is_lost {
            self.letter(0xfffd);
        }
    }

    fn letter(&mut self, code: u32) {
        let letter = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
        self.text.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
    }
}

impl<R: Read> Read for Transcoder<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let state = &mut self.state;
        while state.given == state.text.len() && !state.ended {
            state.text.clear();
            state.given = 0;
            let mut raw = [0; 16 << 10];
            let count = self.inner.read(&mut raw)?;
            for byte in raw.get(..count).unwrap_or_default() {
                match state.half.take() {
                    None => state.half = Some(*byte),
                    Some(half) => state.push(match self.order {
                        Order::Big => u16::from_be_bytes([half, *byte]),
                        Order::Little => u16::from_le_bytes([half, *byte]),
                    }),
                }
            }
            if count == 0 {
                state.ended = true;
                let is_lost = state.half.take().is_some() | state.high.take().is_some();
                state.lost(is_lost);
            }
        }
        let rest = state.text.get(state.given..).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..count), rest.get(..count)) {
            to.copy_from_slice(from);
        }
        state.given += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> (String, String) {
        let reader = Box::new(io::Cursor::new(bytes.to_vec()));
        let head = bytes.get(..64 << 10).unwrap_or(bytes).to_vec();
        let (head, mut reader) = utf8(head, reader);
        let mut text = Vec::new();
        reader.read_to_end(&mut text).expect("a cursor");
        (String::from_utf8_lossy(&head).into_owned(), String::from_utf8_lossy(&text).into_owned())
    }

    fn units(text: &str, mark: bool, to: fn(u16) -> [u8; 2]) -> Vec<u8> {
        mark.then_some(0xfeff).into_iter().chain(text.encode_utf16()).flat_map(to).collect()
    }

    #[test]
    fn utf_16_is_read_in_both_orders_with_and_without_a_mark() {
        let text = "{\"a\":\"ä€😀\"}\r\n".repeat(5_000);
        for mark in [true, false] {
            for to in [u16::to_le_bytes as fn(u16) -> [u8; 2], u16::to_be_bytes] {
                let (head, whole) = read(&units(&text, mark, to));
                assert_eq!(whole, text);
                assert!(text.starts_with(&head) && head.len() > 20_000, "{}", head.len());
            }
        }
    }

    #[test]
    fn what_is_lost_is_marked_and_other_text_stays() {
        assert_eq!(read(b"\xff\xfea\0\x00\xd8b\0c").1, "a\u{fffd}b\u{fffd}");
        assert_eq!(read(b"\xfe\xff\xd8\x00").1, "\u{fffd}");
        for bytes in [&b""[..], b"{\"a\":1}", b"\xff\xfe\0\0a\0\0\0", b"a\0b\0", b"\xef\xbb\xbfabc"] {
            assert_eq!(read(bytes).1, String::from_utf8_lossy(bytes));
        }
    }
}
