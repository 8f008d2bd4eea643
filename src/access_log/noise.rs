//! Seeded damage for tests: the same seed gives the same bytes everywhere.

/// A small generator (xorshift64*), good enough to break things.
pub(super) struct Noise(u64);

impl Noise {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `end`, 0 for 0.
    pub(super) fn below(&mut self, end: usize) -> usize {
        (self.next() >> 33) as usize % end.max(1)
    }

    pub(super) fn pick<'t, T>(&mut self, from: &'t [T]) -> &'t T {
        &from[self.below(from.len())]
    }

    /// `text` with nothing or up to three things done to it: bytes replaced, inserted, taken out, cut, doubled.
    pub(super) fn mutate(&mut self, text: &[u8], alphabet: &[u8]) -> Vec<u8> {
        let mut text = text.to_vec();
        for _ in 0..self.below(4) {
            let at = self.below(text.len());
            let end = (at + self.below(12)).min(text.len());
            match self.below(6) {
                0 if !text.is_empty() => text[at] = *self.pick(alphabet),
                1 => text.insert(at, *self.pick(alphabet)),
                2 => drop(text.drain(at..end)),
                3 => text.truncate(at),
                4 => {
                    let twice = text[at..end].to_vec();
                    text.splice(at..at, twice);
                }
                _ if !text.is_empty() => text[at] = self.next() as u8,
                _ => {}
            }
        }
        text
    }
}
