//! `ActiveRuns`: the runs of an event loop, with an index of their deadlines, so that each step of the loop handles only the
//! runs for which something has happened.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::mem;

use super::attempts::PendingRun;
use super::deadlines::Deadlines;
use super::execution::Execution;
use super::queue::QueueKey;
use super::state_machine::{StopMode, StopReason};
use crate::clock::Deadline;
use crate::process::{Interest, Poller, Readiness, WaitKey};

/// A run of an event loop, with its job.
#[derive(Debug)]
pub(super) struct ActiveRun {
    pub(super) key: QueueKey,
    pub(super) pending: PendingRun,
    pub(super) run: Execution,
    pub(super) slot: usize,
    /// The event that its function was called has been reported.
    pub(super) is_announced: bool,
    /// It was cancelled: no other attempt follows, and no follow-up either if it was killed.
    pub(super) cancelled: Option<StopMode>,
    /// The start of another process delays this one no longer. It is counted in [`ActiveRuns::up`].
    is_up: bool,
    /// The deadline in the index.
    deadline: Deadline,
}

impl ActiveRun {
    pub(super) fn new(key: QueueKey, pending: PendingRun, run: Execution, slot: usize) -> Self {
        let deadline = Deadline::NEVER;
        Self { key, pending, run, slot, is_announced: false, cancelled: None, is_up: false, deadline }
    }

    /// Cancels it. A follow-up runs on, under its own limit, unless it is killed: the job that it follows is over.
    pub(super) fn cancel(&mut self, mode: StopMode) {
        if self.cancelled != Some(StopMode::Immediate) {
            self.cancelled = Some(mode);
        }
        self.pending.mark_unwanted();
        if self.pending.is_follow_up() && mode == StopMode::Graceful {
            return;
        }
        match mode {
            StopMode::Graceful => self.run.request_stop(StopReason::Cancelled),
            StopMode::Immediate => self.run.kill(StopReason::Cancelled),
        }
    }
}

/// The runs of an event loop, in the order of their starts.
///
/// The keys are even numbers, and none is used twice.
#[derive(Debug, Default)]
pub(super) struct ActiveRuns {
    runs: BTreeMap<WaitKey, Box<ActiveRun>>,
    /// The key of each job, by its number.
    keys: HashMap<usize, WaitKey>,
    /// The deadlines that some run has, with its key.
    deadlines: Deadlines,
    /// The runs for which something has happened since [`take_changed`](Self::take_changed).
    changed: BTreeSet<WaitKey>,
    next_key: WaitKey,
    /// The number of runs that the start of another process delays no longer.
    up: usize,
}

impl ActiveRuns {
    pub(super) fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.runs.len()
    }

    /// Returns how many runs the start of another process delays no longer.
    pub(super) fn up(&self) -> usize {
        self.up
    }

    /// Returns how many of their functions have not been called.
    pub(super) fn starting(&self) -> usize {
        self.runs.values().filter(|active| !active.run.has_started()).count()
    }

    /// Adds a run, and returns its key.
    pub(super) fn insert(&mut self, mut run: ActiveRun) -> WaitKey {
        let key = self.next_key;
        self.next_key += 2;
        // If its process was there before, that of the next job can be started while the function begins.
        run.is_up = run.run.is_up();
        self.up += usize::from(run.is_up);
        self.keys.insert(run.key.number, key);
        self.runs.insert(key, Box::new(run));
        self.change(key, |_| {});
        key
    }

    /// Removes a run. Call it only for one that is done, after [`register`](Self::register).
    pub(super) fn remove(&mut self, key: WaitKey) -> Option<ActiveRun> {
        let removed = self.runs.remove(&key)?;
        self.keys.remove(&removed.key.number);
        self.deadlines.remove(removed.deadline, key);
        self.up -= usize::from(removed.is_up);
        Some(*removed)
    }

    /// Forgets all runs.
    pub(super) fn clear(&mut self) {
        *self = Self { next_key: self.next_key, ..Self::default() };
    }

    pub(super) fn get(&self, key: WaitKey) -> Option<&ActiveRun> {
        self.runs.get(&key).map(|run| &**run)
    }

    pub(super) fn get_mut(&mut self, key: WaitKey) -> Option<&mut ActiveRun> {
        self.runs.get_mut(&key).map(|run| &mut **run)
    }

    /// Returns the key of the run of the job with this number.
    pub(super) fn key_of(&self, number: usize) -> Option<WaitKey> {
        self.keys.get(&number).copied()
    }

    /// Applies a change to a run.
    pub(super) fn change(&mut self, key: WaitKey, change: impl FnOnce(&mut ActiveRun)) {
        if let Some(run) = self.runs.get_mut(&key) {
            change(run);
            self.changed.insert(key);
        }
    }

    /// Applies a command to a run, and makes the step that follows: no event may come for it.
    pub(super) fn command(&mut self, key: WaitKey, command: impl FnOnce(&mut ActiveRun)) {
        self.change(key, |active| {
            command(active);
            active.run.advance(Readiness::default());
        });
    }

    /// Applies a command to all runs.
    pub(super) fn command_all(&mut self, command: impl Fn(&mut ActiveRun)) {
        let keys: Vec<_> = self.runs.keys().copied().collect();
        for key in keys {
            self.command(key, &command);
        }
    }

    /// Advances the runs that are ready, and those whose deadline has passed.
    pub(super) fn advance(&mut self, ready: impl IntoIterator<Item = (WaitKey, Readiness)>) {
        for (key, ready) in ready {
            self.change(key, |active| active.run.advance(ready));
        }
        let due: Vec<_> = self.deadlines.passed().collect();
        for key in due {
            // Its deadline in the index may be the one before the step that was just made.
            self.change(key, |active| active.run.advance(Readiness::default()));
        }
    }

    /// Returns the earliest deadline.
    pub(super) fn deadline(&self) -> Deadline {
        self.deadlines.earliest()
    }

    /// Returns the interest of a run.
    pub(super) fn interest(&self, key: WaitKey) -> Option<Interest<'_>> {
        self.runs.get(&key)?.run.interests()
    }

    /// Registers the interests and deadlines of the runs that have changed, or removes those of runs that are done. Returns
    /// whether there is one that is done.
    pub(super) fn register(&mut self, poller: &mut Poller) -> bool {
        let mut has_done = false;
        for &key in &self.changed {
            let Some(active) = self.runs.get_mut(&key) else {
                continue;
            };
            let is_done = active.run.is_done();
            has_done |= is_done;
            if is_done {
                poller.remove(key);
            } else if let Some(interests) = active.run.interests() {
                poller.update(key, &interests);
            }
            let deadline = active.run.deadline();
            if deadline != active.deadline {
                self.deadlines.remove(active.deadline, key);
                active.deadline = deadline;
                self.deadlines.insert(deadline, key);
            }
            let is_up = active.run.is_up();
            self.up = self.up + usize::from(is_up) - usize::from(active.is_up);
            active.is_up = is_up;
        }
        has_done
    }

    /// Returns the keys of the runs for which something has happened since the last call.
    pub(super) fn take_changed(&mut self) -> BTreeSet<WaitKey> {
        mem::take(&mut self.changed)
    }
}
