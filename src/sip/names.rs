//! The field names that somebody asks for, each with a number.
//!
//! Called by [`super::Header`] for every row, so that rows nobody asks for cost a look at their name and no more.
//!
//! Keeps: names compare without regard to case and no byte of them is left out; the compact form of a name
//! (RFC 3261 §7.3.3) is the name.

use super::header::{compact, long_form};
use crate::scan::Key;

/// Field names by number.
#[derive(Clone, Debug, Default)]
pub struct Names {
    known: Vec<Known>,
    /// One more than the place of a name in `known`, where the high bits of its key's hash say or behind that; 0 where
    /// there is none. So many that most are free.
    places: Vec<u32>,
    /// Bits of a hash that are left out.
    shift: u32,
    numbers: usize,
}

/// One spelling of a name, in lower case.
#[derive(Clone, Debug)]
struct Known {
    key: Key,
    spelling: Box<[u8]>,
    /// Whether the key says all of the name.
    is_plain: bool,
    number: usize,
}

impl Names {
    /// The number of a name, which is added where it is new. Numbers count from 0.
    pub fn add(&mut self, name: &[u8]) -> usize {
        if let Some(known) = self.number(name) {
            return known;
        }
        let long = long_form(name).map_or_else(|| name.to_ascii_lowercase(), <[u8]>::to_vec);
        let number = self.numbers;
        self.numbers += 1;
        for spelling in compact(&long).map(|letter| vec![letter]).into_iter().chain([long]) {
            let (key, is_plain) = (Key::of(&spelling), Key::is_of_plain(&spelling));
            self.known.push(Known { key, spelling: spelling.into(), is_plain, number });
        }
        let bits = (8 * self.known.len()).ilog2() + 1;
        (self.places, self.shift) = (vec![0; 1 << bits], u64::BITS - bits);
        for (place, known) in (1..).zip(&self.known) {
            let mut free = (known.key.hash() >> self.shift) as usize;
            while self.places.get(free).is_some_and(|taken| *taken > 0) {
                free = (free + 1) % self.places.len();
            }
            if let Some(free) = self.places.get_mut(free) {
                *free = place;
            }
        }
        number
    }

    /// The number of a name.
    #[must_use]
    pub fn number(&self, name: &[u8]) -> Option<usize> {
        self.by_key(Key::of(name), name.len(), || name)
    }

    /// The number of the name that has this key and so many bytes. It holds no blanks and no controls.
    #[inline(always)]
    pub(super) fn by_key<'n>(&self, key: Key, bytes: usize, name: impl Fn() -> &'n [u8]) -> Option<usize> {
        let mut at = key.hash().checked_shr(self.shift)? as usize;
        loop {
            let known = self.known.get((*self.places.get(at)? as usize).wrapping_sub(1))?;
            if known.key == key
                && known.spelling.len() == bytes
                && (known.is_plain || known.spelling.eq_ignore_ascii_case(name()))
            {
                return Some(known.number);
            }
            at = (at + 1) % self.places.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_one_number_in_any_case_and_form() {
        let mut names = Names::default();
        assert_eq!(names.number(b"via"), None);
        assert_eq!(
            [names.add(b"Via"), names.add(b"X-Consent"), names.add(b"V"), names.add(b"x-consent")],
            [0, 1, 0, 1]
        );
        assert_eq!(names.add(b"k"), 2);
        for (name, number) in
            [("VIA", Some(0)), ("v", Some(0)), ("supported", Some(2)), ("K", Some(2)), ("x", None), ("", None)]
        {
            assert_eq!(names.number(name.as_bytes()), number, "{name}");
        }
    }

    #[test]
    fn every_byte_of_a_name_counts() {
        let mut names = Names::default();
        let long = format!("x-{}-consent", "long".repeat(20));
        let spellings = [long.as_str(), "x_consent", "x-consent", "abcdefghijklmnop", "a", "0123456789abcdef0"];
        for (number, name) in spellings.iter().enumerate() {
            assert_eq!(names.add(name.as_bytes()), number);
        }
        for (number, name) in spellings.iter().enumerate() {
            assert_eq!(names.number(name.to_ascii_uppercase().as_bytes()), Some(number), "{name}");
            for at in 0..name.len() {
                for byte in b'!'..=u8::MAX {
                    let mut other = name.as_bytes().to_vec();
                    other[at] = byte;
                    let same = other.eq_ignore_ascii_case(name.as_bytes());
                    let is_other = spellings.iter().position(|known| known.as_bytes() == other.to_ascii_lowercase());
                    let expected = if same { Some(number) } else { is_other };
                    // One letter may be the compact form of a field that has none here.
                    assert_eq!(names.number(&other), expected, "{}", other.escape_ascii());
                }
            }
            assert_eq!(names.number(&[name.as_bytes(), b"x"].concat()), None);
        }
    }

    #[test]
    fn many_names_are_told_apart() {
        let mut names = Names::default();
        let name = |number: usize| format!("X-{number}-{}", "y".repeat(number % 9)).into_bytes();
        assert!((0..1_000).all(|number| names.add(&name(number)) == number));
        assert!((0..1_000).all(|number| names.number(&name(number).to_ascii_uppercase()) == Some(number)));
        assert!((1_000..2_000).all(|number| names.number(&name(number)).is_none()));
    }
}
