//! A list that most often is short: as many values as that lie in it, more on the heap.
//!
//! There are millions of legs, and of each a handful of lists with one value. An allocation for each would cost more than
//! what is read and concluded. The crates that have such lists make whatever holds one invariant in its lifetime
//! (`smallvec` does), which a leg that is lent to later stages must not be.

use std::fmt;
use std::ops::{Deref, DerefMut};

use arrayvec::ArrayVec;

/// A list that holds `N` values without an allocation.
#[derive(Clone)]
pub struct Few<T, const N: usize>(Kept<T, N>);

#[derive(Clone)]
enum Kept<T, const N: usize> {
    Here(ArrayVec<T, N>),
    There(Vec<T>),
}

impl<T, const N: usize> Few<T, N> {
    /// A list without values.
    #[must_use]
    pub fn new() -> Self {
        Self(Kept::Here(ArrayVec::new_const()))
    }

    /// A list of one value.
    #[must_use]
    pub fn one(value: T) -> Self {
        let mut list = Self::new();
        list.push(value);
        list
    }

    /// Adds a value behind the others.
    #[inline]
    pub fn push(&mut self, value: T) {
        match &mut self.0 {
            Kept::Here(here) => {
                if let Err(full) = here.try_push(value) {
                    let mut there = Vec::with_capacity(2 * N + 2);
                    there.extend(here.drain(..));
                    there.push(full.element());
                    self.0 = Kept::There(there);
                }
            }
            Kept::There(there) => there.push(value),
        }
    }

    /// Keeps the values that `holds` says yes to.
    pub fn retain(&mut self, mut holds: impl FnMut(&T) -> bool) {
        match &mut self.0 {
            Kept::Here(here) => here.retain(|value| holds(value)),
            Kept::There(there) => there.retain(holds),
        }
    }
}

impl<T, const N: usize> Default for Few<T, N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T, const N: usize> Deref for Few<T, N> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        match &self.0 {
            Kept::Here(here) => here,
            Kept::There(there) => there,
        }
    }
}

impl<T, const N: usize> DerefMut for Few<T, N> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [T] {
        match &mut self.0 {
            Kept::Here(here) => here,
            Kept::There(there) => there,
        }
    }
}

impl<T, const N: usize> Extend<T> for Few<T, N> {
    fn extend<I: IntoIterator<Item = T>>(&mut self, values: I) {
        values.into_iter().for_each(|value| self.push(value));
    }
}

impl<T, const N: usize> FromIterator<T> for Few<T, N> {
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> Self {
        let mut list = Self::new();
        list.extend(values);
        list
    }
}

impl<'l, T, const N: usize> IntoIterator for &'l Few<T, N> {
    type Item = &'l T;
    type IntoIter = std::slice::Iter<'l, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<T: fmt::Debug, const N: usize> fmt::Debug for Few<T, N> {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.deref().fmt(to)
    }
}

impl<T: PartialEq, const N: usize> PartialEq for Few<T, N> {
    fn eq(&self, other: &Self) -> bool {
        self.deref() == other.deref()
    }
}

impl<T: Eq, const N: usize> Eq for Few<T, N> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_same_list_however_many_there_are() {
        for number in 0..9 {
            let all: Vec<u32> = (0..number).collect();
            let mut list: Few<u32, 3> = all.iter().copied().collect();
            assert_eq!(&*list, all, "{number}");
            assert_eq!(format!("{list:?}"), format!("{all:?}"));
            assert_eq!((list.clone(), list.len()), (list.clone(), number as usize));
            assert_eq!(list.into_iter().count(), number as usize);
            if let Some(last) = list.last_mut() {
                *last = 100;
                assert_eq!(list.last(), Some(&100));
            }
            list.retain(|value| value % 2 == 1);
            let odd: Vec<u32> = all.iter().copied().filter(|value| value % 2 == 1 && value + 1 != number).collect();
            assert_eq!(&*list, odd, "{number}");
        }
    }

    #[test]
    fn lists_are_compared_by_their_values() {
        let there: Few<u32, 1> = [1, 2].into_iter().collect();
        let mut here_again = there.clone();
        here_again.retain(|value| *value == 1);
        assert_eq!(here_again, Few::one(1));
        assert_ne!(there, Few::one(1));
    }
}
