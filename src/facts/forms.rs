//! Messages that are like one that was read before but for their values.
//!
//! A sender fills in the same form for every call, and most of what it fills in has always the same length. So the
//! readings of messages are remembered, and a payload that differs from one of theirs only in letters and digits, and
//! only where those are values, has the same [reading](Reading): its places are told without reading it.
//!
//! Keeps: what is told of a payload that is like another is what [`super::extract`] reads in it. For that, whoever
//! remembers a reading frees only bytes that decide nothing but what stands at its places, or nothing at all; a free
//! letter or digit may be another letter or digit, a free digit of a number another digit, and every other byte is the
//! same: all that ends lines, names, values and their parts stands where it stood.

use std::ops::Range;

use super::reading::Reading;
use crate::scan::{Likeness, Window};

/// Forms remembered at once.
const PLACES: usize = 256;

/// Bytes of the longest form that is remembered.
const LONGEST: usize = 2_048;

/// What remembering a form costs, told in payloads that were like one.
const COST: u32 = 4;

/// Forms that are remembered without any payload being like one.
const CREDIT: u32 = 256 * COST;

/// Of so many payloads that are like none, one is remembered whatever it costs: senders change.
const SELDOM: u32 = 64;

/// What was read, for others that are like it.
#[derive(Clone, Debug)]
pub(super) struct Forms {
    known: Vec<Form>,
    /// What may still be spent on remembering.
    credit: u32,
    /// Payloads that were like none and are not remembered.
    passed: u32,
}

/// Payloads that were read and are alike.
#[derive(Clone, Debug, Default)]
struct Form {
    /// The bytes of the payload; those behind what its reading depends on are not kept. Nothing where none is remembered.
    length: usize,
    bytes: Vec<u8>,
    free: Free,
    /// The bits that are the same in every payload like it.
    same: Likeness,
    /// The bytes that may be other letters and digits.
    words: Vec<Window>,
    reading: Reading,
}

/// What of a payload may be other in one that is like it.
#[derive(Clone, Debug, Default)]
pub(super) struct Free(Vec<Value>);

/// Where something may be other.
#[derive(Clone, Debug)]
struct Value {
    range: Range<usize>,
    /// Whether it is a number: digits that are digits elsewhere, too. Else letters and digits are other ones.
    is_number: bool,
    /// Whether it was another in some payload. As long as it was not, it counts as no value: what every message of a
    /// sender says need not be looked at.
    varies: bool,
}

impl Free {
    /// Letters and digits here may be other ones; nothing else.
    pub(super) fn words(&mut self, range: Range<usize>) {
        self.0.push(Value { range, is_number: false, varies: false });
    }

    /// These are digits, and may be other ones.
    pub(super) fn number(&mut self, range: Range<usize>) {
        self.0.push(Value { range, is_number: true, varies: false });
    }
}

impl Default for Forms {
    fn default() -> Self {
        Self { known: vec![Form::default(); PLACES], credit: CREDIT, passed: 0 }
    }
}

impl Forms {
    /// The reading of `payload`, if that is like one that is remembered.
    #[inline(always)]
    pub(super) fn find(&mut self, payload: &[u8]) -> Option<&Reading> {
        let place = place_of(payload)?;
        let known = self.known.get_mut(place..place + 2)?;
        let form = known.iter_mut().find(|form| form.is_of(payload))?;
        if !form.reading.read_numbers(payload) {
            return None;
        }
        self.credit = (self.credit + 1).min(CREDIT);
        Some(&form.reading)
    }

    /// How many are remembered.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.known.iter().filter(|form| form.length > 0).count()
    }

    /// Remembers the reading of a payload that is like none, where that pays. It depends on the payload's length and on
    /// `covered`, its first bytes, of which `free` tells what may be other; `None` where nothing can be told.
    #[inline]
    pub(super) fn remember(
        &mut self,
        (payload, covered): (&[u8], &[u8]),
        reading: &mut Reading,
        free: impl FnOnce(&mut Reading) -> Option<Free>,
    ) {
        let Some(credit) = self.credit.checked_sub(COST) else {
            self.passed += 1;
            if self.passed == SELDOM {
                (self.passed, self.credit) = (0, COST);
            }
            return;
        };
        self.credit = credit;
        let place = place_of(payload).filter(|_| covered.len() <= LONGEST);
        let Some(both) = place.and_then(|place| self.known.get_mut(place..)?.first_chunk_mut::<2>()) else { return };
        let Some(free) = free(reading) else { return };
        let [newer, older] = both;
        let form = if newer.is_same(payload, covered, &free) {
            newer
        } else if older.is_same(payload, covered, &free) {
            older
        } else {
            std::mem::swap(newer, older);
            (newer.length, newer.free) = (payload.len(), free);
            newer.bytes.clear();
            newer.bytes.extend_from_slice(covered);
            newer
        };
        form.take(covered, reading);
    }
}

/// The first of the two places where what is like this may be remembered; `None` for what is too short.
#[inline(always)]
fn place_of(payload: &[u8]) -> Option<usize> {
    let start: &[u8; 12] = payload.first_chunk()?;
    let [a, b, c, d, e, f, g, h, rest @ ..] = *start;
    let start = u64::from_le_bytes([a, b, c, d, e, f, g, h]) ^ u64::from(u32::from_le_bytes(rest)).rotate_left(40);
    let key = (start ^ (payload.len() as u64).rotate_left(20)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    Some((key >> 32) as usize % (PLACES / 2) * 2)
}

impl Form {
    /// Whether a payload is of this form, its values apart, whether they varied before or not.
    fn is_same(&self, payload: &[u8], covered: &[u8], free: &Free) -> bool {
        let places =
            |free: &'_ Free| free.0.iter().map(|value| (value.range.clone(), value.is_number)).collect::<Vec<_>>();
        let mut own = self.bytes.clone();
        if payload.len() != self.length || covered.len() != own.len() || places(&self.free) != places(free) {
            return false;
        }
        for value in &free.0 {
            let values = own.get_mut(value.range.clone()).into_iter().flatten();
            for (own, other) in values.zip(covered.get(value.range.clone()).unwrap_or_default()) {
                if own.is_ascii_alphanumeric() && other.is_ascii_alphanumeric() {
                    *own = *other;
                }
            }
        }
        own == covered
    }

    /// Takes the values of one more payload, with its reading.
    fn take(&mut self, covered: &[u8], reading: &Reading) {
        let Self { bytes, free, same, words, reading: own, .. } = self;
        let mut fixed = vec![u8::MAX; covered.len()];
        let mut marked = vec![false; covered.len()];
        for Value { range, is_number, varies } in &mut free.0 {
            *varies |= bytes.get(range.clone()) != covered.get(range.clone());
            let places = fixed.get_mut(range.clone()).into_iter().flatten();
            let places = places.zip(marked.get_mut(range.clone()).into_iter().flatten());
            for ((fixed, marked), byte) in places.zip(covered.get(range.clone()).unwrap_or_default()) {
                if *varies && byte.is_ascii_alphanumeric() {
                    // No letter has the upper half of a digit.
                    (*fixed, *marked) = (if *is_number { 0xf0 } else { 0 }, true);
                }
            }
        }
        bytes.clear();
        bytes.extend_from_slice(covered);
        *same = Likeness::of(bytes, &fixed);
        words.clear();
        words.extend(Window::over(&marked));
        own.clone_from(reading);
    }

    #[inline(always)]
    fn is_of(&self, payload: &[u8]) -> bool {
        payload.len() == self.length && self.same.begins(payload) && Window::are_words(&self.words, payload)
    }
}
