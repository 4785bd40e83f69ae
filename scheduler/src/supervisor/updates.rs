//! `LatestUpdates`: the progress, message and checkpoint that a running job sent last, until an observer is notified.

use std::mem;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::state_machine::StopReason;
use crate::checkpoint::Checkpoint;
use crate::sync::lock;

/// Something that a run reports before it finishes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum JobUpdate {
    /// The job has run for this long, and counts as slow.
    Slow(Duration),
    /// The job was asked to stop.
    Terminating(StopReason),
    /// The work done so far, and all of it.
    Progress { done: u64, total: u64 },
    /// A text of the job's own.
    Message(String),
    /// A saved checkpoint.
    Checkpoint(Checkpoint),
}

/// The latest update of each kind. Later ones replace earlier ones, so that its size doesn't depend on how much a job
/// sends, or on how long an observer takes.
#[derive(Clone, Debug, Default)]
pub(crate) struct LatestUpdates(Arc<Mutex<UpdateSlots>>);

#[derive(Debug, Default, PartialEq, Eq)]
struct UpdateSlots {
    slow: Option<Duration>,
    terminating: Option<StopReason>,
    progress: Option<(u64, u64)>,
    message: Option<String>,
    checkpoint: Option<Checkpoint>,
}

/// Whether an update has to be announced with an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stored {
    First,
    /// Earlier ones have not been taken yet, and were announced.
    Coalesced,
}

impl LatestUpdates {
    pub(super) fn store(&self, update: JobUpdate) -> Stored {
        let mut slots = lock(&self.0);
        let stored = if *slots == UpdateSlots::default() { Stored::First } else { Stored::Coalesced };
        match update {
            JobUpdate::Slow(after) => slots.slow = Some(after),
            JobUpdate::Terminating(why) => slots.terminating = Some(why),
            JobUpdate::Progress { done, total } => slots.progress = Some((done, total)),
            JobUpdate::Message(text) => slots.message = Some(text),
            JobUpdate::Checkpoint(checkpoint) => slots.checkpoint = Some(checkpoint),
        }
        stored
    }

    /// Removes and returns the updates.
    pub(crate) fn take(&self) -> impl Iterator<Item = JobUpdate> + use<> {
        let UpdateSlots { slow, terminating, progress, message, checkpoint } = mem::take(&mut *lock(&self.0));
        let progress = progress.map(|(done, total)| JobUpdate::Progress { done, total });
        let (message, checkpoint) = (message.map(JobUpdate::Message), checkpoint.map(JobUpdate::Checkpoint));
        let (slow, terminating) = (slow.map(JobUpdate::Slow), terminating.map(JobUpdate::Terminating));
        [message, progress, checkpoint, slow, terminating].into_iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_update_of_each_kind_is_kept_and_the_first_one_is_announced() {
        let updates = LatestUpdates::default();
        let progress = |done| JobUpdate::Progress { done, total: 9 };
        assert_eq!(updates.store(progress(1)), Stored::First);
        for done in 2..5 {
            assert_eq!(updates.store(progress(done)), Stored::Coalesced);
        }
        assert_eq!(updates.store(JobUpdate::Message("at work".to_owned())), Stored::Coalesced);
        let taken: Vec<_> = updates.take().collect();
        assert_eq!(taken, [JobUpdate::Message("at work".to_owned()), progress(4)]);
        assert_eq!(updates.take().count(), 0);
        assert_eq!(updates.store(JobUpdate::Terminating(StopReason::Timeout)), Stored::First);
    }
}
