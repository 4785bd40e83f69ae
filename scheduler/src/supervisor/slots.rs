//! `Slots`: numbers for the running jobs, each the smallest that no other one has.

use std::collections::BTreeSet;

/// The numbers in use: up to the concurrency, whatever the number of jobs.
#[derive(Debug, Default)]
pub(super) struct Slots {
    /// The highest number that was ever in use.
    highest: usize,
    /// The numbers up to that which are free.
    free: BTreeSet<usize>,
}

impl Slots {
    /// Returns the smallest free number, from 1.
    pub(super) fn acquire(&mut self) -> usize {
        self.free.pop_first().unwrap_or_else(|| {
            self.highest += 1;
            self.highest
        })
    }

    pub(super) fn release(&mut self, slot: usize) {
        self.free.insert(slot);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_free_number_is_given() {
        let mut slots = Slots::default();
        assert_eq!([slots.acquire(), slots.acquire(), slots.acquire()], [1, 2, 3]);
        slots.release(2);
        slots.release(1);
        assert_eq!([slots.acquire(), slots.acquire(), slots.acquire()], [1, 2, 4]);
    }
}
