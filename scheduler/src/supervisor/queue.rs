//! `Queue`: the jobs that wait, by priority, the free slots of their group, and the time before which they may not start.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::mem;
use std::num::NonZeroUsize;

/// The identity of a waiting job, and its position in the queue. No two have the same number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct QueueKey {
    /// The highest goes first.
    pub(crate) priority: i32,
    /// Of jobs with the same priority the lowest goes first.
    pub(crate) number: usize,
    /// The lane of the job's group; 0 for none.
    pub(crate) lane: usize,
}

/// A position in a lane.
type Rank = (Reverse<i32>, usize);

impl QueueKey {
    fn rank(self) -> Rank {
        (Reverse(self.priority), self.number)
    }
}

/// A queue of `T`, with times of type `I`.
#[derive(Debug)]
pub(crate) struct Queue<T, I> {
    /// One for each group, after the one for jobs without a group.
    lanes: Vec<Lane<T>>,
    /// The first item of each lane that has a free slot.
    heads: BTreeSet<(Rank, usize)>,
    /// The items that are not due yet, by their time and number.
    delayed: BTreeMap<(I, usize), (QueueKey, T)>,
}

#[derive(Debug)]
struct Lane<T> {
    /// How many more may run; `None` for any number.
    free_slots: Option<usize>,
    waiting: BTreeMap<Rank, T>,
}

impl<T> Lane<T> {
    fn head(&self) -> Option<Rank> {
        let first = self.waiting.first_key_value().map(|(rank, _)| *rank);
        first.filter(|_| self.free_slots != Some(0))
    }
}

impl<T, I: Ord + Copy> Queue<T, I> {
    /// Returns an empty queue with an unlimited lane 0, and a lane for each of the limits.
    pub(crate) fn new(limits: impl IntoIterator<Item = NonZeroUsize>) -> Self {
        let limits = std::iter::once(None).chain(limits.into_iter().map(|limit| Some(limit.get())));
        let lanes = limits.map(|free_slots| Lane { free_slots, waiting: BTreeMap::new() }).collect();
        Self { lanes, heads: BTreeSet::new(), delayed: BTreeMap::new() }
    }

    pub(crate) fn push(&mut self, key: QueueKey, item: T) {
        self.update_lane(key.lane, |lane| drop(lane.waiting.insert(key.rank(), item)));
    }

    /// Adds an item that may not start before `due`, and delays no other one until then.
    pub(crate) fn push_delayed(&mut self, key: QueueKey, item: T, due: I) {
        self.delayed.insert((due, key.number), (key, item));
    }

    /// Moves the delayed items that are due to their lanes. Calls `now` only if there are delayed items.
    pub(crate) fn promote_due(&mut self, now: impl FnOnce() -> I) {
        if self.delayed.is_empty() {
            return;
        }
        let now = now();
        while let Some(first) = self.delayed.first_entry().filter(|first| first.key().0 <= now) {
            let (key, item) = first.remove();
            self.push(key, item);
        }
    }

    /// Returns the time at which [`promote_due`](Self::promote_due) has something to move.
    pub(crate) fn next_due(&self) -> Option<I> {
        self.delayed.keys().next().map(|(due, _)| *due)
    }

    /// Removes the item that goes next, if any may, and takes a slot of its group until [`release`](Self::release).
    pub(crate) fn pop(&mut self) -> Option<(QueueKey, T)> {
        let &((priority, number), lane) = self.heads.first()?;
        let item = self.update_lane(lane, |lane| {
            lane.free_slots = lane.free_slots.map(|free| free - 1);
            lane.waiting.pop_first().expect("a head is the first item of its lane").1
        });
        Some((QueueKey { priority: priority.0, number, lane }, item))
    }

    /// Returns up to `count` of the items that may go next, in their order.
    pub(crate) fn peek(&self, count: usize) -> Vec<(QueueKey, &T)> {
        let mut first: Vec<_> = self
            .heads
            .iter()
            .take(count)
            .flat_map(|&(_, lane)| {
                let Lane { free_slots, waiting } = &self.lanes[lane];
                let count = free_slots.map_or(count, |free| free.min(count));
                waiting
                    .iter()
                    .take(count)
                    .map(move |(&(priority, number), item)| (QueueKey { priority: priority.0, number, lane }, item))
            })
            .collect();
        first.sort_by_key(|(key, _)| key.rank());
        first.truncate(count);
        first
    }

    /// Gives back the slot that a popped item took.
    pub(crate) fn release(&mut self, key: QueueKey) {
        self.update_lane(key.lane, |lane| lane.free_slots = lane.free_slots.map(|free| free + 1));
    }

    /// Removes a waiting or delayed item.
    pub(crate) fn remove(&mut self, key: QueueKey) -> Option<T> {
        let waiting = self.update_lane(key.lane, |lane| lane.waiting.remove(&key.rank()));
        waiting.or_else(|| {
            let key = *self.delayed.keys().find(|(_, number)| *number == key.number)?;
            self.delayed.remove(&key).map(|(_, item)| item)
        })
    }

    /// Removes and returns every item, in the order of their numbers.
    pub(crate) fn drain(&mut self) -> Vec<(QueueKey, T)> {
        self.heads.clear();
        let mut all: Vec<_> = mem::take(&mut self.delayed).into_values().collect();
        for (index, lane) in self.lanes.iter_mut().enumerate() {
            let waiting = mem::take(&mut lane.waiting).into_iter();
            all.extend(
                waiting
                    .map(|((priority, number), item)| (QueueKey { priority: priority.0, number, lane: index }, item)),
            );
        }
        all.sort_by_key(|(key, _)| key.number);
        all
    }

    /// Returns `true` if nothing waits, also not for its time.
    pub(crate) fn is_empty(&self) -> bool {
        self.delayed.is_empty() && self.lanes.iter().all(|lane| lane.waiting.is_empty())
    }

    /// Changes a lane, and updates its entry in `heads`.
    fn update_lane<R>(&mut self, index: usize, change: impl FnOnce(&mut Lane<T>) -> R) -> R {
        let lane = &mut self.lanes[index];
        let before = lane.head();
        let result = change(lane);
        let after = lane.head();
        if before != after {
            before.map(|rank| self.heads.remove(&(rank, index)));
            after.map(|rank| self.heads.insert((rank, index)));
        }
        result
    }
}

#[cfg(test)]
mod tests;
