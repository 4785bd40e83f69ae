//! `TaskWaker`: the task that waits for the next event of a list.

use std::sync::{Arc, Mutex};
use std::task::Waker;

use crate::panic_guard::{self, guarded};
use crate::sync::lock;

/// The task that waits for the next event, if one waits.
#[derive(Debug, Default)]
pub(super) struct TaskWaker(Mutex<Option<Waker>>);

impl TaskWaker {
    pub(super) fn register(&self, waker: &Waker) {
        let mut registered = lock(&self.0);
        match &mut *registered {
            Some(before) => before.clone_from(waker),
            None => *registered = Some(waker.clone()),
        }
    }

    /// Forgets the task, which doesn't wait any more.
    pub(super) fn forget(&self) {
        let waker = lock(&self.0).take();
        // Dropping it runs the executor's code.
        panic_guard::discard(waker);
    }

    pub(super) fn wake(&self) {
        let waker = lock(&self.0).take();
        // This runs the executor's code: no lock of ours is held, and its panic must not stop the jobs.
        let _ = guarded(|| waker.into_iter().for_each(Waker::wake));
    }
}

/// Wakes the task when it is dropped.
pub(super) struct WakeOnDrop(pub(super) Arc<TaskWaker>);

impl Drop for WakeOnDrop {
    fn drop(&mut self) {
        self.0.wake();
    }
}
