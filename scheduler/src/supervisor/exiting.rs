//! `ExitingWardens`: the wardens that were dismissed, until each has exited.

use std::collections::BTreeMap;

use super::deadlines::Deadlines;
use super::warden_handle::REAP_LIMIT;
use crate::clock::Deadline;
use crate::process::{Interest, Origin, Poller, WaitKey, Worker};

/// Dismissed wardens.
///
/// Their keys are odd numbers, and none is used twice.
#[derive(Debug)]
pub(super) struct ExitingWardens {
    wardens: BTreeMap<WaitKey, ExitingWarden>,
    /// The time by which each must have exited; without those that the kernel holds on to after they were killed.
    deadlines: Deadlines,
    /// Those that no poller waits for yet.
    new: Vec<WaitKey>,
    next_key: WaitKey,
    origin: Origin,
}

#[derive(Debug)]
struct ExitingWarden {
    worker: Worker,
    deadline: Deadline,
}

impl ExitingWardens {
    pub(super) fn new() -> Self {
        let (wardens, deadlines) = (BTreeMap::new(), Deadlines::default());
        Self { wardens, deadlines, new: Vec::new(), next_key: 1, origin: Origin::here() }
    }

    /// Adds a warden that was dismissed, unless it has exited already.
    pub(super) fn push(&mut self, mut worker: Worker) {
        if worker.reap() {
            return;
        }
        let key = self.new_key();
        let deadline = Deadline::after(REAP_LIMIT);
        self.deadlines.insert(deadline, key);
        self.wardens.insert(key, ExitingWarden { worker, deadline });
        self.new.push(key);
    }

    /// Returns a key for another warden of the pool.
    pub(super) fn new_key(&mut self) -> WaitKey {
        let key = self.next_key;
        self.next_key += 2;
        key
    }

    /// Returns whether some take up room until they have exited. One that the kernel holds on to doesn't count.
    pub(super) fn take_up_room(&self) -> bool {
        !self.deadlines.is_empty()
    }

    /// Returns the time at which [`reap`](Self::reap) is due, even if no warden has exited.
    pub(super) fn deadline(&self) -> Deadline {
        self.deadlines.earliest()
    }

    /// Makes the poller wait for the wardens that were added since the last call.
    pub(super) fn register(&mut self, poller: &mut Poller) {
        for key in self.new.drain(..) {
            if let Some(ExitingWarden { worker, .. }) = self.wardens.get(&key) {
                poller.update(key, &Interest::exit(worker));
            }
        }
    }

    /// Returns the interest of a warden.
    pub(super) fn interest(&self, key: WaitKey) -> Option<Interest<'_>> {
        self.wardens.get(&key).map(|exiting| Interest::exit(&exiting.worker))
    }

    /// Reaps the wardens with these keys if they have exited, and kills those whose time is over.
    pub(super) fn reap(&mut self, ready: impl IntoIterator<Item = WaitKey>, poller: &mut Poller) {
        for key in ready {
            self.reap_one(key, poller);
        }
        while let Some(key) = self.deadlines.pop_passed() {
            if self.reap_one(key, poller) {
                continue;
            }
            // One that the kernel holds on to is waited for once more when the pool shuts down.
            self.wardens.get_mut(&key).into_iter().for_each(|exiting| exiting.worker.kill());
        }
    }

    /// Returns whether the warden with this key has exited.
    fn reap_one(&mut self, key: WaitKey, poller: &mut Poller) -> bool {
        let has_exited = self.wardens.get_mut(&key).is_none_or(|exiting| exiting.worker.reap());
        if has_exited && let Some(exiting) = self.wardens.remove(&key) {
            poller.remove(key);
            self.deadlines.remove(exiting.deadline, key);
        }
        has_exited
    }

    /// Waits, for a limited time, until all have exited.
    pub(super) fn wait_for_all(&mut self, poller: &mut Poller) {
        let deadline = Deadline::after(2 * REAP_LIMIT);
        while self.origin.is_here() && !self.wardens.is_empty() && !deadline.is_past() {
            self.register(poller);
            let until = deadline.earlier(self.deadline());
            let ready = poller.wait(|key| self.interest(key), None, until);
            self.reap(ready.into_iter().map(|(key, _)| key), poller);
        }
        for key in self.wardens.keys() {
            poller.remove(*key);
        }
        // In a fork they are children of another process. Here dropping a worker waits for it a last time.
        *self = Self { next_key: self.next_key, ..Self::new() };
    }
}
