//! `JournalEntry`: one job in a journal, and what the supervisor writes about it.

use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};

use rusqlite::{Connection, params};

use super::shared::{JournalProblem, SharedJournal, now};
use crate::checkpoint::Checkpoint;
use crate::outcome::{Attempt, Failure, Outcome};
use crate::process;
use crate::record::RunReport;
use crate::sync::lock;

/// A job in a journal. Each method writes one thing, and returns `Break` if no further job may start as that failed.
#[derive(Clone, Debug)]
pub(crate) struct JournalEntry(Arc<EntryFields>);

#[derive(Debug)]
struct EntryFields {
    shared: Arc<SharedJournal>,
    /// The row of the job.
    id: i64,
    /// An earlier run has finished it, and its record comes back.
    is_finished: bool,
    follow_ups: FollowUps,
    follow_up: Mutex<FollowUpState>,
    /// The checkpoint that was written last.
    saved: Mutex<Option<Checkpoint>>,
}

/// The follow-up of a job that has finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FollowUpState {
    None,
    Owed,
    Done,
}

impl FollowUpState {
    pub(super) fn from_text(text: &str) -> Self {
        if text == "done" { Self::Done } else { Self::Owed }
    }

    fn text(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Owed => Some("owed"),
            Self::Done => Some("done"),
        }
    }
}

/// Whether timeouts are followed up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FollowUps {
    OfTimeouts,
    Never,
}

/// What becomes of a job before it is queued.
#[derive(Debug)]
pub(crate) enum Replay {
    /// An earlier run of the application has finished it, with this report.
    Finished(Box<RunReport>),
    /// It has to run.
    Pending,
    /// Its record can't be read, and no job may start.
    Stop,
}

impl JournalEntry {
    pub(super) fn new(
        shared: Arc<SharedJournal>,
        id: i64,
        is_finished: bool,
        follow_ups: FollowUps,
        follow_up: FollowUpState,
    ) -> Self {
        let (follow_up, saved) = (Mutex::new(follow_up), Mutex::default());
        Self(Arc::new(EntryFields { shared, id, is_finished, follow_ups, follow_up, saved }))
    }

    /// Keeps the checkpoint that the journal has.
    pub(super) fn keep_saved(&self, checkpoint: Option<&Checkpoint>) {
        *lock(&self.0.saved) = checkpoint.cloned();
    }

    /// Returns the report of an earlier run.
    pub(crate) fn replay(&self) -> Replay {
        let EntryFields { shared, id, is_finished, .. } = &*self.0;
        if !is_finished || shared.has_failed() {
            return if shared.fatal_failure().is_some() { Replay::Stop } else { Replay::Pending };
        }
        let report = shared.with(|connection| {
            let sql = "SELECT record, checkpoint, job_id FROM jobs WHERE id = ?1";
            let row = connection.query_row(sql, [id], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
            let (record, checkpoint, job_id): (Vec<u8>, Option<Vec<u8>>, String) = row;
            let mut report = RunReport::from_stored(&record, process::system_call_name)
                .map_err(|problem| format!("the record of `{}`: {problem}", job_id.escape_debug()))?;
            report.details.checkpoint = checkpoint.map(Checkpoint::from_bytes);
            Ok(report)
        });
        match report {
            Ok(report) => Replay::Finished(Box::new(report)),
            Err(error) => {
                shared.fail(error);
                if shared.fatal_failure().is_some() { Replay::Stop } else { Replay::Pending }
            }
        }
    }

    /// An attempt is about to start.
    pub(crate) fn start(&self, attempt: u32) -> ControlFlow<()> {
        self.write(|connection, id| {
            let sql = "INSERT OR REPLACE INTO attempts (job, number, started_at) VALUES (?1, ?2, ?3)";
            connection.execute(sql, params![id, attempt, now()])?;
            Ok(())
        })
    }

    /// The job has this checkpoint, which it may have saved just now.
    pub(crate) fn save(&self, checkpoint: &Checkpoint) -> ControlFlow<()> {
        let Some(bytes) = self.unsaved(Some(checkpoint)) else {
            return ControlFlow::Continue(());
        };
        let saved = self.write(|connection, id| {
            connection.execute("UPDATE jobs SET checkpoint = ?1 WHERE id = ?2", params![&bytes[..], id])?;
            Ok(())
        });
        self.keep_saved(Some(checkpoint));
        saved
    }

    /// An attempt has ended, and another one follows.
    pub(crate) fn end_attempt(&self, attempt: &Attempt) -> ControlFlow<()> {
        self.write(|connection, id| {
            let sql = "UPDATE attempts SET record = ?1 WHERE job = ?2 AND number = ?3";
            connection.execute(sql, params![attempt.to_stored()?, id, attempt.number()])?;
            Ok(())
        })
    }

    /// The job has finished, with this report.
    ///
    /// If it was stopped for another reason than its own, it has not finished: it runs again. What was written about its attempts and
    /// its checkpoint stays.
    pub(crate) fn finish(&self, report: &RunReport) -> ControlFlow<()> {
        let state = match &report.outcome {
            Outcome::Error(Failure::Cancelled { .. }) => return ControlFlow::Continue(()),
            Outcome::Timeout(overrun) if overrun.is_of_list() => return ControlFlow::Continue(()),
            Outcome::Ok(_) => "ok",
            Outcome::Timeout(_) => "timeout",
            Outcome::Error(_) => "error",
        };
        let is_owed = state == "timeout" && self.0.follow_ups == FollowUps::OfTimeouts;
        let follow_up = if is_owed { FollowUpState::Owed } else { FollowUpState::None };
        let finished = self.write(|connection, id| {
            let record = report.to_stored()?;
            let (error, at, follow_up) = (report.error(), now(), follow_up.text());
            if let Some(checkpoint) = self.unsaved(report.details.checkpoint.as_ref()) {
                let sql = "UPDATE jobs SET state = ?1, error = ?2, finished_at = ?3, follow_up = ?4, record = ?5, checkpoint = ?6
                           WHERE id = ?7";
                connection.execute(sql, params![state, error, at, follow_up, record, &checkpoint[..], id])?;
            } else {
                let sql = "UPDATE jobs SET state = ?1, error = ?2, finished_at = ?3, follow_up = ?4, record = ?5 WHERE id = ?6";
                connection.execute(sql, params![state, error, at, follow_up, record, id])?;
            }
            Ok(())
        });
        *lock(&self.0.follow_up) = follow_up;
        finished
    }

    /// Returns whether the follow-up of the job has run, in this run of the application or an earlier one.
    pub(crate) fn is_followed_up(&self) -> bool {
        *lock(&self.0.follow_up) == FollowUpState::Done
    }

    /// The follow-up of the job has run.
    pub(crate) fn follow_up_done(&self) {
        if *lock(&self.0.follow_up) == FollowUpState::Owed {
            let done = FollowUpState::Done;
            // A failure is kept, and ends the list.
            let _ = self.write(|connection, id| {
                connection.execute("UPDATE jobs SET follow_up = ?1 WHERE id = ?2", params![done.text(), id])?;
                Ok(())
            });
            *lock(&self.0.follow_up) = done;
        }
    }

    /// Returns the encoded checkpoint, unless it is the one that was written last.
    fn unsaved(&self, checkpoint: Option<&Checkpoint>) -> Option<Arc<Vec<u8>>> {
        let bytes = checkpoint?.bytes();
        let saved = lock(&self.0.saved);
        let is_saved = saved.as_ref().is_some_and(|saved| Arc::ptr_eq(saved.bytes(), bytes));
        (!is_saved).then(|| Arc::clone(bytes))
    }

    fn write(&self, code: impl FnOnce(&Connection, i64) -> Result<(), JournalProblem>) -> ControlFlow<()> {
        let EntryFields { shared, id, .. } = &*self.0;
        if !shared.has_failed()
            && let Err(error) = shared.with(|connection| code(connection, *id))
        {
            shared.fail(error);
        }
        if shared.fatal_failure().is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}
