//! `JobUpdate`: what a run has to tell while it goes on, and the board where notes wait for whoever wants to know.

use std::mem;
use std::sync::{Arc, Mutex};

use super::state_machine::StopReason;
use crate::checkpoint::Checkpoint;
use crate::sync::lock;

/// What a run tells before it is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum JobUpdate {
    /// The job was asked to end.
    Terminating(StopReason),
    /// The job has done so much, of so much.
    Progress { done: u64, total: u64 },
    /// What the job is at.
    Message(String),
    /// The job has saved this.
    Checkpoint(Checkpoint),
}

/// Where notes wait: the last of each kind, however much a job says, and however long nobody looks.
#[derive(Clone, Debug, Default)]
pub(crate) struct LatestUpdates(Arc<Mutex<Notes>>);

#[derive(Debug, Default, PartialEq, Eq)]
struct Notes {
    asked: Option<StopReason>,
    progress: Option<(u64, u64)>,
    message: Option<String>,
    checkpoint: Option<Checkpoint>,
}

/// Whether somebody is to be told to look at a board.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Posted {
    First,
    /// Others wait there, of which somebody has been told.
    Beside,
}

impl LatestUpdates {
    pub(super) fn post(&self, note: JobUpdate) -> Posted {
        let mut notes = lock(&self.0);
        let posted = if *notes == Notes::default() { Posted::First } else { Posted::Beside };
        match note {
            JobUpdate::Terminating(why) => notes.asked = Some(why),
            JobUpdate::Progress { done, total } => notes.progress = Some((done, total)),
            JobUpdate::Message(text) => notes.message = Some(text),
            JobUpdate::Checkpoint(checkpoint) => notes.checkpoint = Some(checkpoint),
        }
        posted
    }

    /// Takes what there is.
    pub(crate) fn take(&self) -> impl Iterator<Item = JobUpdate> + use<> {
        let Notes { asked, progress, message, checkpoint } = mem::take(&mut *lock(&self.0));
        let progress = progress.map(|(done, total)| JobUpdate::Progress { done, total });
        let (message, checkpoint) = (message.map(JobUpdate::Message), checkpoint.map(JobUpdate::Checkpoint));
        [message, progress, checkpoint, asked.map(JobUpdate::Terminating)].into_iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_board_holds_the_last_of_each_kind_and_is_told_of_once() {
        let board = LatestUpdates::default();
        let progress = |done| JobUpdate::Progress { done, total: 9 };
        assert_eq!(board.post(progress(1)), Posted::First);
        for done in 2..5 {
            assert_eq!(board.post(progress(done)), Posted::Beside);
        }
        assert_eq!(board.post(JobUpdate::Message("at work".to_owned())), Posted::Beside);
        let taken: Vec<_> = board.take().collect();
        assert_eq!(taken, [JobUpdate::Message("at work".to_owned()), progress(4)]);
        assert_eq!(board.take().count(), 0);
        assert_eq!(board.post(JobUpdate::Terminating(StopReason::Timeout)), Posted::First);
    }
}
