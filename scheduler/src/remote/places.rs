//! `Places`: the slots by their numbers, with indices, so that a step of the hub costs what has happened, however many slots there are.

use std::collections::BTreeSet;
use std::ops::{Index, IndexMut};

use super::place::{SlotPlace, State};
use crate::clock::Deadline;

/// The slots that were opened once. Their states are replaced only by [`replace`](Self::replace).
#[derive(Debug, Default)]
pub(super) struct Places {
    all: Vec<SlotPlace>,
    /// When to look at a slot, with its number: not after it is due. One that has become due later is looked at twice, so that
    /// nothing that an agent sends changes the index.
    deadlines: BTreeSet<(Deadline, usize)>,
    /// Those that are closed.
    closed: BTreeSet<usize>,
    opening: usize,
    connected: usize,
}

impl Places {
    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    /// Returns how many are being opened.
    pub(super) fn opening(&self) -> usize {
        self.opening
    }

    /// Returns how many have an agent.
    pub(super) fn connected(&self) -> usize {
        self.connected
    }

    /// Returns the closed ones below this number, and those that were never open, the lowest first.
    pub(super) fn closed_below(&self, limit: usize) -> impl Iterator<Item = usize> {
        self.closed.range(..limit).copied().chain(self.all.len()..limit)
    }

    /// Returns whether jobs run at one of them, or may soon: one opens.
    pub(super) fn may_run_jobs(&self) -> bool {
        self.connected > 0 || self.opening > 0
    }

    /// Returns whether a closed one may be opened at this moment.
    pub(super) fn may_open(&self, number: usize, now: Deadline) -> bool {
        self.all.get(number).is_none_or(|place| matches!(place.state, State::Closed(from) if from <= now))
    }

    /// Returns how often in a row one has failed to open.
    pub(super) fn failed(&self, number: usize) -> u32 {
        self.all.get(number).map_or(0, |place| place.failed)
    }

    /// Adds the next one, which is closed, and may be opened at once.
    pub(super) fn push(&mut self) {
        self.closed.insert(self.all.len());
        self.all.push(SlotPlace { state: State::Closed(Deadline::now()), failed: 0, looked_at: Deadline::NEVER });
    }

    /// Replaces the state of a slot, and returns the one before.
    pub(super) fn replace(&mut self, number: usize, state: State) -> State {
        let count = match &state {
            State::Closed(_) => None,
            State::Opening(_) => Some(&mut self.opening),
            State::Open(_) => Some(&mut self.connected),
        };
        match count {
            Some(count) => {
                *count += 1;
                self.closed.remove(&number);
            }
            None => {
                self.closed.insert(number);
            }
        }
        let before = std::mem::replace(&mut self.all[number].state, state);
        match &before {
            State::Closed(_) => {}
            State::Opening(_) => self.opening -= 1,
            State::Open(_) => self.connected -= 1,
        }
        self.schedule(number);
        before
    }

    /// Looks at a slot when it is due. Call it when it has become due earlier.
    pub(super) fn schedule(&mut self, number: usize) {
        let place = &mut self.all[number];
        self.deadlines.remove(&(place.looked_at, number));
        place.looked_at = place.state.due();
        if place.looked_at != Deadline::NEVER {
            self.deadlines.insert((place.looked_at, number));
        }
    }

    /// Returns when the next one is to be looked at.
    pub(super) fn due(&self) -> Deadline {
        self.deadlines.first().map_or(Deadline::NEVER, |(deadline, _)| *deadline)
    }

    /// Returns those that are to be looked at. Call [`schedule`](Self::schedule) for each of them after that.
    pub(super) fn passed(&self) -> Vec<usize> {
        let now = Deadline::now();
        self.deadlines.iter().take_while(|(deadline, _)| *deadline <= now).map(|(_, number)| *number).collect()
    }

    /// Returns when the next closed one may be opened again that [may not](Self::may_open) at this moment. For a later one it would
    /// leave out those that have become free meanwhile, which nobody opens then.
    pub(super) fn next_retry(&self, now: Deadline) -> Deadline {
        let retries = self.closed.iter().filter_map(|number| match self.all[*number].state {
            State::Closed(from) if from > now => Some(from),
            _ => None,
        });
        retries.fold(Deadline::NEVER, Deadline::earlier)
    }
}

impl Index<usize> for Places {
    type Output = SlotPlace;

    fn index(&self, number: usize) -> &SlotPlace {
        &self.all[number]
    }
}

impl IndexMut<usize> for Places {
    fn index_mut(&mut self, number: usize) -> &mut SlotPlace {
        &mut self.all[number]
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_lowest_closed_ones_are_opened_first_and_none_is_looked_at() {
        let mut places = Places::default();
        for _ in 0..3 {
            places.push();
        }
        assert_eq!(places.closed_below(5).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
        assert_eq!(places.closed_below(2).collect::<Vec<_>>(), [0, 1]);
        let now = Deadline::now();
        assert_eq!((places.due(), places.next_retry(now)), (Deadline::NEVER, Deadline::NEVER));
        let later = Deadline::after(Duration::from_secs(60));
        places.replace(1, State::Closed(later));
        assert_eq!((places.due(), places.next_retry(now)), (Deadline::NEVER, later));
        assert_eq!((places.opening(), places.connected(), places.passed()), (0, 0, vec![]));
    }

    #[test]
    fn one_that_becomes_free_after_it_was_looked_at_is_looked_at_once_more() {
        let mut places = Places::default();
        places.push();
        let now = Deadline::now();
        let from = Deadline::after(Duration::from_micros(1));
        places.replace(0, State::Closed(from));
        assert!(!places.may_open(0, now));
        while !from.is_past() {}
        assert_eq!(places.next_retry(now), from);
        assert!(places.may_open(0, Deadline::now()));
    }
}
