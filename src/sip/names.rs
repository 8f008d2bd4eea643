//! The field names that somebody asks for, each with a number.
//!
//! Called by [`super::Header`] for every row, so that rows nobody asks for cost a look at their name and no more.
//!
//! Keeps: names compare without regard to case and no byte of them is left out; the compact form of a name
//! (RFC 3261 §7.3.3) is the name.

use super::header::{compact, long_form};
use crate::scan::{self, Beginning, Key, Step};

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

    /// The number of a name, which holds no blanks and no controls.
    #[must_use]
    pub fn number(&self, name: &[u8]) -> Option<usize> {
        let key = Key::of(name);
        let mut at = key.hash().checked_shr(self.shift)? as usize;
        loop {
            let known = self.known.get((*self.places.get(at)? as usize).wrapping_sub(1))?;
            if known.key == key
                && known.spelling.len() == name.len()
                && (known.is_plain || known.spelling.eq_ignore_ascii_case(name))
            {
                return Some(known.number);
            }
            at = (at + 1) % self.places.len();
        }
    }
}

/// The names of header field rows as they were met, with their numbers.
///
/// Senders repeat the spelling of their names and their order. So the name of a row is first compared with those that were
/// met behind the name of the row before it; the others are looked up, and one of few places is theirs from then on.
/// What is found does not depend on what was met.
#[derive(Clone, Debug)]
pub struct Met<'n> {
    names: &'n Names,
    /// The first stands for the start of a header.
    spellings: Box<[Spelling; PLACES]>,
}

/// A name as it was met.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spelling {
    /// How it begins, with its colon.
    beginning: Beginning,
    /// All of it, with its colon; zeros behind.
    name: [u8; MAX_BYTES],
    /// Its bytes without the colon; none where no name was met.
    bytes: u8,
    /// The places of some that were met behind it.
    followers: [u8; 4],
    /// Its number; [`NOBODY`] where nobody asks for it.
    number: u32,
}

/// Stands for the number of a name that nobody asks for.
const NOBODY: u32 = u32::MAX;

/// Places for names that are met: senders write some tens of them.
const PLACES: usize = 128;

/// Bytes of a name that is met, with its colon; longer ones are looked up by their row.
const MAX_BYTES: usize = 32;

impl<'n> Met<'n> {
    /// The place of what stands before the first row.
    pub(super) const START: usize = 0;

    /// None yet of these names.
    #[must_use]
    pub fn new(names: &'n Names) -> Self {
        Self { names, spellings: Box::new([Spelling::NONE; PLACES]) }
    }

    /// The name that stands at `at`, if it stood behind the name at the place `before` already. Its first bytes are `start`.
    #[inline(always)]
    pub(super) fn guess(&self, before: usize, start: &Step, text: &[u8], at: usize) -> Option<Found> {
        let followers = self.spellings[before % PLACES].followers;
        for place in followers.map(usize::from) {
            let own = &self.spellings[place % PLACES];
            if own.beginning.begins(start) && (usize::from(own.bytes) < start.len() || own.is_at(text, at)) {
                return Some(own.found(place));
            }
        }
        None
    }

    /// The name that stands at `at`; `None` where there is none, or a long one.
    #[inline(never)]
    pub(super) fn look_up(&mut self, before: usize, text: &[u8], at: usize) -> Option<Found> {
        let row = text.get(at..).unwrap_or_default();
        let colon =
            scan::name_end(row).filter(|colon| (1..MAX_BYTES).contains(colon) && row.get(*colon) == Some(&b':'));
        let name = row.get(..colon?)?;
        let hash = Key::of(name).hash() >> 32;
        let place = |step: u64| 1 + (hash + step) as usize % (PLACES - 1);
        let is_free = |place: &usize| {
            let own = &self.spellings[place % PLACES];
            own.bytes == 0 || own.name() == name
        };
        let place = (0..4).map(place).find(is_free).unwrap_or(place(0));
        let own = &mut self.spellings[place % PLACES];
        if own.name() != name {
            *own = Spelling::of(name, self.names.number(name));
        }
        let found = own.found(place);
        let [first, second, third, _] = self.spellings[before % PLACES].followers;
        self.spellings[before % PLACES].followers = [place as u8, first, second, third];
        Some(found)
    }
}

/// A name that was met.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    /// Its place.
    pub(super) place: usize,
    /// Its bytes, without the colon.
    pub(super) bytes: usize,
    number: u32,
}

impl Found {
    /// The number of the name, if somebody asks for it.
    #[inline(always)]
    pub(super) fn number(self) -> Option<usize> {
        (self.number != NOBODY).then_some(self.number as usize)
    }
}

impl Spelling {
    const NONE: Self =
        Self { beginning: Beginning::NONE, name: [0; MAX_BYTES], bytes: 0, followers: [0; 4], number: NOBODY };

    /// Of a name that is not too long.
    fn of(name: &[u8], number: Option<usize>) -> Self {
        let number = number.and_then(|number| u32::try_from(number).ok()).unwrap_or(NOBODY);
        let mut own = Self { bytes: name.len() as u8, number, ..Self::NONE };
        own.name.iter_mut().zip(name.iter().chain(b":")).for_each(|(place, byte)| *place = *byte);
        own.beginning = Beginning::of(own.name.get(..=name.len()).unwrap_or_default());
        own
    }

    #[inline(always)]
    fn found(&self, place: usize) -> Found {
        Found { place, bytes: usize::from(self.bytes), number: self.number }
    }

    fn name(&self) -> &[u8] {
        self.name.get(..usize::from(self.bytes)).unwrap_or_default()
    }

    /// Whether the name with its colon stands at `at`.
    #[inline(never)]
    fn is_at(&self, text: &[u8], at: usize) -> bool {
        let name = self.name.get(..=usize::from(self.bytes)).unwrap_or_default();
        text.get(at..).is_some_and(|row| row.starts_with(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

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
    fn names_that_were_met_are_those_that_are_looked_up() {
        let name = |number: usize| match number % 3 {
            0 => format!("X-{number}"),
            1 => format!("P-Charging-Vector-{number}"),
            _ => format!("X-{}-{number}", "y".repeat(number % 40)),
        };
        let mut names = Names::default();
        (0..400).step_by(2).for_each(|number| _ = names.add(name(number).as_bytes()));
        let mut met = Met::new(&names);
        let (mut random, mut guessed) = (Random(0x4d65_7420), 0);
        let mut below = |limit: usize| random.below(limit);
        let mut before = Met::START;
        for round in 0..60_000 {
            // Few names first, later more than there are places; most as they were written before.
            let number = below(if round < 20_000 { 12 } else { 400 });
            let own = if below(8) == 0 { name(number).to_uppercase() } else { name(number) };
            let behind = [": value of a row\r\n", ":", "x: value of a row\r\n", " : value of a row\r\n"];
            let text = format!("-{own}{}", behind[below(20).saturating_sub(16)]);
            let text = text.as_bytes();
            let guess = text[1..].first_chunk().and_then(|start| met.guess(before, start, text, 1));
            guessed += usize::from(guess.is_some());
            let found = guess.or_else(|| met.look_up(before, text, 1));
            let end = text.iter().skip(1).position(|byte| *byte <= b' ' || *byte == b':').expect("an end");
            let written = &text[1..=end];
            let is_name = text[1 + end] == b':';
            match found {
                Some(found) => {
                    assert!(is_name && found.bytes == written.len(), "{}", text.escape_ascii());
                    assert_eq!(found.number(), names.number(written), "{}", text.escape_ascii());
                    before = found.place;
                }
                None => assert!(!is_name || written.len() >= MAX_BYTES, "{}", text.escape_ascii()),
            }
        }
        assert!(guessed > 1_000, "{guessed}");
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
