//! `TokenWatchers`: the tasks that wait until a token stops its jobs.

use std::mem;
use std::sync::Mutex;
use std::task::Waker;

use crate::panic_guard::guarded;
use crate::sync::lock;

/// The tasks, by the number of their future.
#[derive(Debug, Default)]
pub(super) struct TokenWatchers(Mutex<WatcherList>);

#[derive(Debug, Default)]
struct WatcherList {
    /// How many futures have been polled.
    polled: usize,
    wakers: Vec<(usize, Waker)>,
}

impl TokenWatchers {
    /// Keeps the waker of a future, in place of its last one. The first call for a future gives it a number.
    pub(super) fn register(&self, future: &mut Option<usize>, waker: &Waker) {
        let mut list = lock(&self.0);
        let number = *future.get_or_insert(list.polled);
        list.polled += usize::from(number == list.polled);
        match list.wakers.iter_mut().find(|(of, _)| *of == number) {
            Some((_, before)) => before.clone_from(waker),
            None => list.wakers.push((number, waker.clone())),
        }
    }

    /// Forgets a future that is dropped.
    pub(super) fn forget(&self, future: usize) {
        let mut list = lock(&self.0);
        let index = list.wakers.iter().position(|(of, _)| *of == future);
        let waker = index.map(|index| list.wakers.swap_remove(index));
        // Dropping it runs the executor's code.
        drop(list);
        drop(waker);
    }

    /// Wakes all tasks.
    pub(super) fn wake(&self) {
        let wakers = mem::take(&mut lock(&self.0).wakers);
        for (_, waker) in wakers {
            // This runs the executor's code: no lock of ours is held, and its panic must not keep the other tasks waiting.
            let _ = guarded(|| waker.wake());
        }
    }
}
