//! `Note`: what a run has to tell while it goes on, and the board where notes wait for whoever wants to know.

use std::mem;
use std::sync::{Arc, Mutex, PoisonError};

use super::step::Why;
use crate::checkpoint::Checkpoint;

/// What a run tells before it is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Note {
    /// The job was asked to end.
    Asked(Why),
    /// The job has done so much, of so much.
    Progress { done: u64, total: u64 },
    /// What the job is at.
    Message(String),
    /// The job has saved this.
    Checkpoint(Checkpoint),
}

/// Where notes wait: the last of each kind, however much a job says, and however long nobody looks.
#[derive(Clone, Debug, Default)]
pub(crate) struct Board(Arc<Mutex<Notes>>);

#[derive(Debug, Default, PartialEq, Eq)]
struct Notes {
    asked: Option<Why>,
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

impl Board {
    pub(super) fn post(&self, note: Note) -> Posted {
        let mut notes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let posted = if *notes == Notes::default() { Posted::First } else { Posted::Beside };
        match note {
            Note::Asked(why) => notes.asked = Some(why),
            Note::Progress { done, total } => notes.progress = Some((done, total)),
            Note::Message(text) => notes.message = Some(text),
            Note::Checkpoint(checkpoint) => notes.checkpoint = Some(checkpoint),
        }
        posted
    }

    /// Takes what there is.
    pub(crate) fn take(&self) -> impl Iterator<Item = Note> + use<> {
        let Notes { asked, progress, message, checkpoint } =
            mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        let progress = progress.map(|(done, total)| Note::Progress { done, total });
        let (message, checkpoint) = (message.map(Note::Message), checkpoint.map(Note::Checkpoint));
        [message, progress, checkpoint, asked.map(Note::Asked)].into_iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_board_holds_the_last_of_each_kind_and_is_told_of_once() {
        let board = Board::default();
        let progress = |done| Note::Progress { done, total: 9 };
        assert_eq!(board.post(progress(1)), Posted::First);
        for done in 2..5 {
            assert_eq!(board.post(progress(done)), Posted::Beside);
        }
        assert_eq!(board.post(Note::Message("at work".to_owned())), Posted::Beside);
        let taken: Vec<_> = board.take().collect();
        assert_eq!(taken, [Note::Message("at work".to_owned()), progress(4)]);
        assert_eq!(board.take().count(), 0);
        assert_eq!(board.post(Note::Asked(Why::Overran)), Posted::First);
    }
}
