//! `Slots`: numbers for the running jobs, each the smallest that no other one has.

/// The numbers in use: up to the concurrency, whatever the number of jobs.
#[derive(Debug, Default)]
pub(super) struct Slots {
    /// The element `n` is `true` if the number `n + 1` is in use.
    in_use: Vec<bool>,
}

impl Slots {
    /// Returns the smallest free number, from 1.
    pub(super) fn acquire(&mut self) -> usize {
        let free = self.in_use.iter().position(|in_use| !in_use).unwrap_or(self.in_use.len());
        if free == self.in_use.len() {
            self.in_use.push(true);
        } else {
            self.in_use[free] = true;
        }
        free + 1
    }

    pub(super) fn release(&mut self, slot: usize) {
        self.in_use[slot - 1] = false;
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
