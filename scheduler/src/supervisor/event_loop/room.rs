//! Whether there is room for one more job: in the limits of this process, and on the machine.

use super::EventLoop;
use crate::clock::{self, Deadline};
use crate::supervisor::attempts::PendingRun;
use crate::supervisor::job_event::{EventDetail, EventHandler, JobEvent};
use crate::supervisor::queue::QueueKey;

impl EventLoop<'_> {
    /// Returns the time until which no job starts, if one could and the machine has no room for it.
    pub(super) fn wait_for_capacity(&mut self) -> Option<Deadline> {
        if !self.capacity.is_limited() || self.queue.peek(1).is_empty() {
            return None;
        }
        let runs = &self.runs;
        self.capacity.wait(runs.len(), || runs.starting())
    }

    /// Returns whether there are processes of ours, beside those that are exiting, whose exit would make room.
    pub(super) fn has_processes(&self) -> bool {
        !self.runs.is_empty() || !self.prespawned.is_empty() || self.pool.has_spare()
    }

    /// Starts no further job until there is room: until a running one has finished, or if none runs, until the processes
    /// have exited that were kept for later jobs.
    pub(super) fn wait_for_room(&mut self) {
        self.has_no_room = true;
        if self.runs.is_empty() {
            self.prespawned.discard_all(self.pool);
            self.pool.dismiss_spare();
        }
    }

    /// Reports that a job has to wait for room, at first, and if less than half as many run as at the last report.
    pub(super) fn report_lack(
        &mut self,
        key: QueueKey,
        reason: impl FnOnce() -> String,
        listener: &mut EventHandler<'_>,
    ) {
        let running = self.runs.len();
        if self.config.detail == EventDetail::All && running < self.reported_room / 2 {
            self.reported_room = running;
            let event = JobEvent::Postponed { at: clock::wall(), running, reason: reason() };
            self.is_stopped |= listener(key.number, event).is_break();
        }
    }

    /// Puts a job that was to start back into its place in the queue.
    pub(super) fn requeue(&mut self, key: QueueKey, pending: PendingRun) {
        pending.spec.load.iter().for_each(|token| token.requeue());
        if pending.is_follow_up() {
            return self.owed.push_front((key, pending));
        }
        self.queue.release(key);
        self.queue.push(key, pending);
    }
}
