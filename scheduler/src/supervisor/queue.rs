//! `Queue`: who is next among those that wait, by priority, by the room in its group, and by the moment before which it
//! may not go.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;

/// Who waits, and in which line. No two have the same number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct QueueKey {
    /// The highest goes first.
    pub(crate) priority: i32,
    /// Of those with the same priority the lowest goes first.
    pub(crate) number: usize,
    /// The line of its group; 0 for none.
    pub(crate) line: usize,
}

/// Where somebody stands in a line.
type Place = (Reverse<i32>, usize);

impl QueueKey {
    fn place(self) -> Place {
        (Reverse(self.priority), self.number)
    }
}

/// Those that wait. What waits is a `T`, and moments are of type `M`.
#[derive(Debug)]
pub(crate) struct Queue<T, M> {
    lines: Vec<Line<T>>,
    /// The first of each line in which there is room.
    heads: BTreeSet<(Place, usize)>,
    /// Those whose moment has not come, by that and their number.
    later: BTreeMap<(M, usize), (QueueKey, T)>,
}

#[derive(Debug)]
struct Line<T> {
    /// How many more may go; `None` for any number.
    room: Option<usize>,
    waiting: BTreeMap<Place, T>,
}

impl<T> Line<T> {
    fn head(&self) -> Option<Place> {
        let first = self.waiting.first_key_value().map(|(place, _)| *place);
        first.filter(|_| self.room != Some(0))
    }
}

impl<T, M: Ord + Copy> Queue<T, M> {
    /// Returns an empty one with a line without a limit, and one for each of the limits.
    pub(crate) fn new(limits: impl IntoIterator<Item = NonZeroUsize>) -> Self {
        let limits = std::iter::once(None).chain(limits.into_iter().map(|limit| Some(limit.get())));
        let lines = limits.map(|room| Line { room, waiting: BTreeMap::new() }).collect();
        Self { lines, heads: BTreeSet::new(), later: BTreeMap::new() }
    }

    /// Has somebody wait.
    pub(crate) fn join(&mut self, key: QueueKey, who: T) {
        self.change(key.line, |line| drop(line.waiting.insert(key.place(), who)));
    }

    /// Has somebody wait who may not go before `moment`, and holds nobody else up until then.
    pub(crate) fn push_delayed(&mut self, key: QueueKey, who: T, moment: M) {
        self.later.insert((moment, key.number), (key, who));
    }

    /// Lets those go to their lines whose moment has come. What time it is, is asked only if that matters.
    pub(crate) fn admit(&mut self, now: impl FnOnce() -> M) {
        if self.later.is_empty() {
            return;
        }
        let now = now();
        while let Some(first) = self.later.first_entry().filter(|first| first.key().0 <= now) {
            let (key, who) = first.remove();
            self.join(key, who);
        }
    }

    /// Returns the moment at which [`admit`](Self::admit) is due.
    pub(crate) fn moment(&self) -> Option<M> {
        self.later.keys().next().map(|(moment, _)| *moment)
    }

    /// Lets the next one go, if anybody may. The room that it takes in its group is free again once it was
    /// [seen off](Self::see_off).
    pub(crate) fn next(&mut self) -> Option<(QueueKey, T)> {
        let &((priority, number), line) = self.heads.first()?;
        let who = self.change(line, |line| {
            line.room = line.room.map(|room| room - 1);
            line.waiting.pop_first().expect("a head is the first of those that wait").1
        });
        Some((QueueKey { priority: priority.0, number, line }, who))
    }

    /// Returns up to so many of those that may go next, in their order.
    pub(crate) fn first(&self, count: usize) -> Vec<(QueueKey, &T)> {
        let mut first: Vec<_> = self
            .heads
            .iter()
            .take(count)
            .flat_map(|&(_, line)| {
                let Line { room, waiting } = &self.lines[line];
                let count = room.map_or(count, |room| room.min(count));
                waiting
                    .iter()
                    .take(count)
                    .map(move |(&(priority, number), who)| (QueueKey { priority: priority.0, number, line }, who))
            })
            .collect();
        first.sort_by_key(|(key, _)| key.place());
        first.truncate(count);
        first
    }

    /// Gives back the room that somebody took who had been let go.
    pub(crate) fn release(&mut self, key: QueueKey) {
        self.change(key.line, |line| line.room = line.room.map(|room| room + 1));
    }

    /// Takes somebody out who waits.
    pub(crate) fn remove(&mut self, key: QueueKey) -> Option<T> {
        let waiting = self.change(key.line, |line| line.waiting.remove(&key.place()));
        waiting.or_else(|| {
            let key = *self.later.keys().find(|(_, number)| *number == key.number)?;
            self.later.remove(&key).map(|(_, who)| who)
        })
    }

    /// Takes everybody out, in the order of their numbers.
    pub(crate) fn clear(&mut self) -> Vec<(QueueKey, T)> {
        self.heads.clear();
        let mut all: Vec<_> = std::mem::take(&mut self.later).into_values().collect();
        for (index, line) in self.lines.iter_mut().enumerate() {
            let waiting = std::mem::take(&mut line.waiting).into_iter();
            all.extend(
                waiting.map(|((priority, number), who)| (QueueKey { priority: priority.0, number, line: index }, who)),
            );
        }
        all.sort_by_key(|(key, _)| key.number);
        all
    }

    /// Says whether nobody waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.later.is_empty() && self.lines.iter().all(|line| line.waiting.is_empty())
    }

    /// Changes a line, and keeps its head among the heads.
    fn change<R>(&mut self, index: usize, change: impl FnOnce(&mut Line<T>) -> R) -> R {
        let line = &mut self.lines[index];
        let before = line.head();
        let result = change(line);
        let after = line.head();
        if before != after {
            before.map(|place| self.heads.remove(&(place, index)));
            after.map(|place| self.heads.insert((place, index)));
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(number: usize, priority: i32, line: usize) -> QueueKey {
        QueueKey { priority, number, line }
    }

    /// Returns an empty queue whose groups have these limits. What waits is its own number, and moments are numbers, too.
    fn queue(limits: &[usize]) -> Queue<usize, u32> {
        Queue::new(limits.iter().map(|limit| NonZeroUsize::new(*limit).expect("a limit is not zero")))
    }

    fn of(keys: &[QueueKey], limits: &[usize]) -> Queue<usize, u32> {
        let mut queue = queue(limits);
        for key in keys {
            queue.join(*key, key.number);
        }
        queue
    }

    /// Lets all go who may, and returns their numbers.
    fn all(queue: &mut Queue<usize, u32>) -> Vec<usize> {
        std::iter::from_fn(|| queue.next()).map(|(_, who)| who).collect()
    }

    #[test]
    fn the_highest_priority_goes_first_and_then_the_lowest_number() {
        let keys = [key(0, 0, 0), key(1, 5, 0), key(2, -1, 0), key(3, 5, 0), key(4, i32::MIN, 0)];
        assert_eq!(all(&mut of(&keys, &[])), [1, 3, 0, 2, 4]);
    }

    #[test]
    fn a_full_group_is_passed_over_until_there_is_room_again() {
        let keys = [key(0, 9, 1), key(1, 9, 1), key(2, 9, 1), key(3, 0, 0), key(4, 0, 2)];
        let mut queue = of(&keys, &[2, 1]);
        assert_eq!(all(&mut queue), [0, 1, 3, 4]);
        queue.release(keys[4]);
        assert_eq!(all(&mut queue), [0; 0]);
        queue.release(keys[1]);
        assert_eq!(all(&mut queue), [2]);
        assert!(queue.is_empty());
    }

    #[test]
    fn who_may_go_later_holds_nobody_up_and_has_its_own_place_then() {
        let mut queue = of(&[key(1, 0, 0), key(2, 0, 0)], &[]);
        queue.push_delayed(key(0, 0, 0), 0, 10);
        queue.push_delayed(key(3, 0, 0), 3, 10);
        queue.push_delayed(key(4, 7, 0), 4, 20);
        queue.admit(|| 9);
        assert_eq!((queue.moment(), queue.next().map(|(_, who)| who)), (Some(10), Some(1)));
        queue.admit(|| 10);
        assert_eq!((queue.moment(), all(&mut queue)), (Some(20), vec![0, 2, 3]));
        assert!(!queue.is_empty());
        queue.admit(|| u32::MAX);
        assert_eq!((queue.moment(), all(&mut queue)), (None, vec![4]));
    }

    #[test]
    fn everybody_is_taken_out_in_the_order_of_their_numbers() {
        let mut queue = of(&[key(3, 0, 0), key(1, 8, 1), key(2, 9, 0)], &[1]);
        queue.push_delayed(key(0, 0, 1), 0, 10);
        assert_eq!(queue.clear().into_iter().map(|(_, who)| who).collect::<Vec<_>>(), [0, 1, 2, 3]);
        assert!(queue.is_empty() && queue.next().is_none());
    }

    #[test]
    fn who_is_taken_out_leaves_its_place_to_the_next() {
        let keys = [key(0, 3, 1), key(1, 2, 1), key(2, 0, 0)];
        let mut queue = of(&keys, &[1]);
        queue.push_delayed(key(3, 9, 0), 3, 10);
        assert_eq!((queue.remove(keys[0]), queue.remove(keys[0])), (Some(0), None));
        assert_eq!((queue.remove(key(3, 9, 0)), queue.moment()), (Some(3), None));
        assert_eq!(all(&mut queue), [1, 2]);
    }

    /// What can happen to a queue: somebody joins with this priority and line, the next one goes, the first that went is
    /// seen off, or it becomes later.
    #[derive(Clone, Debug)]
    enum Step {
        Join(i32, usize),
        JoinLater(i32, usize, u32),
        Next,
        SeeOff,
        Wait(u32),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            (-2..3, 0_usize..4).prop_map(|(priority, line)| Step::Join(priority, line)),
            (-2..3, 0_usize..4, 0_u32..9).prop_map(|(priority, line, time)| Step::JoinLater(priority, line, time)),
            Just(Step::Next),
            Just(Step::SeeOff),
            (0_u32..5).prop_map(Step::Wait),
        ];
        proptest::collection::vec(step, 0..80)
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(if cfg!(miri) { 4 } else { 500 }) })]

        /// Against the plainest queue that there is: a list, looked through each time.
        #[test]
        fn it_does_what_a_list_does_that_is_looked_through(steps in steps()) {
            let limits = [1, 2, 3];
            let mut queue = queue(&limits);
            let mut waiting: Vec<(u32, QueueKey)> = Vec::new();
            let (mut gone, mut now) = (Vec::<QueueKey>::new(), 0);
            for (number, step) in steps.into_iter().enumerate() {
                match step {
                    Step::Join(priority, line) => {
                        waiting.push((0, key(number, priority, line)));
                        queue.join(key(number, priority, line), number);
                    }
                    Step::JoinLater(priority, line, time) => {
                        waiting.push((now + time, key(number, priority, line)));
                        queue.push_delayed(key(number, priority, line), number, now + time);
                    }
                    Step::SeeOff if gone.is_empty() => {}
                    Step::SeeOff => queue.release(gone.remove(0)),
                    Step::Wait(time) => now += time,
                    Step::Next => {
                        queue.admit(|| now);
                        let has_room = |line: usize| {
                            line == 0 || gone.iter().filter(|of| of.line == line).count() < limits[line - 1]
                        };
                        let ready = waiting.iter().filter(|(from, of)| *from <= now && has_room(of.line));
                        let expected = ready.map(|(_, of)| *of).min_by_key(|of| of.place());
                        let first: Vec<_> = queue.first(1).into_iter().map(|(of, _)| of).collect();
                        prop_assert_eq!(first.first().copied(), expected);
                        prop_assert_eq!(queue.next(), expected.map(|of| (of, of.number)));
                        waiting.retain(|(_, of)| Some(*of) != expected);
                        gone.extend(expected);
                    }
                }
                prop_assert_eq!(queue.is_empty(), waiting.is_empty());
            }
        }
    }
}
