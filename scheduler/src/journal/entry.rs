//! `JournalEntry`: one job in a journal, and what the supervisor writes about it.

use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, OnceLock};

use rusqlite::{Connection, Row, params};

use super::shared::{JournalProblem, SharedJournal, now};
use crate::checkpoint::Checkpoint;
use crate::error::Error;
use crate::outcome::{Attempt, Outcome, Status};
use crate::process;
use crate::record::{Continuation, OwedFollowUp, RunReport};
use crate::sync::lock;

/// A job in a journal. Each method writes one thing, and returns `Break` if no further job may start as that failed.
#[derive(Clone, Debug)]
pub(crate) struct JournalEntry(Arc<EntryFields>);

#[derive(Debug)]
struct EntryFields {
    shared: Arc<SharedJournal>,
    row: JobRow,
    follow_ups: FollowUps,
    follow_up: Mutex<FollowUpState>,
    /// The checkpoint that was written last.
    saved: Mutex<Option<Checkpoint>>,
    /// The next part of its chain.
    next: OnceLock<JournalEntry>,
}

/// The row of a job.
#[derive(Clone, Copy, Debug)]
pub(super) struct JobRow {
    pub(super) id: i64,
    /// 0, or the number of a later part of a chain.
    pub(super) part: u32,
    /// An earlier run has finished it, and its record comes back.
    pub(super) is_finished: bool,
}

/// Whether the function that follows up on a timeout was called.
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
    /// An earlier run of the application has finished it.
    Finished(Box<ReplayedJob>),
    /// It has to run.
    Pending,
    /// Its record can't be read, and no job may start.
    Stop,
}

/// A job that an earlier run of the application has finished.
#[derive(Debug)]
pub(crate) struct ReplayedJob {
    pub(crate) report: RunReport,
    pub(crate) follow_up: Option<ReplayedFollowUp>,
}

/// The follow-up job of such a job.
#[derive(Debug)]
pub(crate) enum ReplayedFollowUp {
    /// It has not finished, and has to run.
    Owed(OwedFollowUp),
    /// It has finished, too. Its job has this registered name.
    Done { job: String, signature: u64, report: Box<RunReport> },
}

impl JournalEntry {
    pub(super) fn new(
        shared: Arc<SharedJournal>,
        row: JobRow,
        follow_ups: FollowUps,
        follow_up: FollowUpState,
    ) -> Self {
        let (follow_up, saved, next) = (Mutex::new(follow_up), Mutex::default(), OnceLock::new());
        Self(Arc::new(EntryFields { shared, row, follow_ups, follow_up, saved, next }))
    }

    /// Returns the number of the part after this one.
    pub(crate) fn next_part(&self) -> u32 {
        self.0.row.part + 1
    }

    /// Sets the next part of its chain.
    pub(crate) fn set_next(&self, next: &Self) {
        // A chain goes on from a part once.
        let _ = self.0.next.set(next.clone());
    }

    /// Returns the next part of its chain, if it has come to that.
    pub(crate) fn next(&self) -> Option<&Self> {
        self.0.next.get()
    }

    /// Returns whether timeouts are followed up by a function.
    pub(crate) fn follow_ups(&self) -> FollowUps {
        self.0.follow_ups
    }

    /// Returns why jobs that use the journal end with an error, if they do.
    pub(crate) fn fatal_failure(&self) -> Option<Error> {
        self.0.shared.fatal_failure()
    }

    /// Keeps the checkpoint that the journal has.
    pub(super) fn keep_saved(&self, checkpoint: Option<&Checkpoint>) {
        *lock(&self.0.saved) = checkpoint.cloned();
    }

    /// Returns what an earlier run has left. A result that is not `readable` is of a build in which its type had another form: that job
    /// is not this one, and begins anew.
    pub(crate) fn replay(&self, is_readable: impl FnOnce(&[u8]) -> bool) -> Replay {
        let EntryFields { shared, row, .. } = &*self.0;
        if !row.is_finished || shared.has_failed() {
            return if shared.fatal_failure().is_some() { Replay::Stop } else { Replay::Pending };
        }
        let replayed = shared.with(|connection| {
            let sql =
                "SELECT jobs.record, checkpoint, job_id, follow_ups.state, key, owed_at, name, follow_ups.signature,
                       follow_ups.record FROM jobs LEFT JOIN follow_ups ON follow_ups.job = jobs.id WHERE jobs.id = ?1";
            let stored = connection.query_row(sql, [row.id], StoredJob::read)?;
            let job_id = stored.job_id.clone();
            stored.replay().map_err(|problem| {
                let job_id = job_id.escape_debug();
                format!(
                    "the record of `{job_id}`: {problem}; restore a backup, or begin a new journal with another path"
                )
                .into()
            })
        });
        match replayed {
            Ok(ReplayedJob { report: RunReport { outcome: Outcome::Ok(result), .. }, .. }) if !is_readable(&result) => {
                match self.renew() {
                    ControlFlow::Continue(()) => Replay::Pending,
                    ControlFlow::Break(()) => Replay::Stop,
                }
            }
            Ok(replayed) => Replay::Finished(Box::new(replayed)),
            Err(error) => {
                shared.fail(error);
                if shared.fatal_failure().is_some() { Replay::Stop } else { Replay::Pending }
            }
        }
    }

    /// Forgets what an earlier run has left, as the result's type has another form now.
    fn renew(&self) -> ControlFlow<()> {
        *lock(&self.0.follow_up) = FollowUpState::None;
        self.write(|connection, id| {
            let transaction = connection.unchecked_transaction()?;
            begin_anew(connection, id, false)?;
            connection.execute("UPDATE jobs SET change = 'signature' WHERE id = ?1", [id])?;
            Ok(transaction.commit()?)
        })
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
            let sql = "UPDATE jobs SET checkpoint = ?1 WHERE id = ?2";
            connection.execute(sql, params![&bytes[..], id])?;
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

    /// The job has finished, with this report, owes this follow-up job, and is followed by this in its chain.
    ///
    /// If it was stopped for another reason than its own, or its function was never called, it has not finished: it runs again. What was
    /// written about its attempts and its checkpoint stays.
    pub(crate) fn finish(
        &self,
        report: &RunReport,
        owed: Option<&OwedFollowUp>,
        continuation: Continuation,
    ) -> ControlFlow<()> {
        if !report.is_final() {
            return ControlFlow::Continue(());
        }
        let status = report.outcome.status();
        let is_owed = status == Status::Timeout && self.0.follow_ups == FollowUps::OfTimeouts;
        let follow_up = if is_owed { FollowUpState::Owed } else { FollowUpState::None };
        let finished = self.write(|connection, id| {
            // One statement is a transaction of its own.
            let transaction = owed.map(|_| connection.unchecked_transaction()).transpose()?;
            let record = report.to_stored()?;
            let (state, error, at, follow_up) = (state(status), report.error(), now(), follow_up.text());
            let next = continuation_text(continuation);
            if let Some(checkpoint) = self.unsaved(report.details.checkpoint.as_ref()) {
                let sql =
                    "UPDATE jobs SET state = ?1, error = ?2, finished_at = ?3, follow_up = ?4, record = ?5, next = ?6,
                           checkpoint = ?7 WHERE id = ?8";
                let values = params![state, error, at, follow_up, record, next, &checkpoint[..], id];
                connection.execute(sql, values)?;
            } else {
                let sql =
                    "UPDATE jobs SET state = ?1, error = ?2, finished_at = ?3, follow_up = ?4, record = ?5, next = ?6
                           WHERE id = ?7";
                connection.execute(sql, params![state, error, at, follow_up, record, next, id])?;
            }
            if let Some(OwedFollowUp { key, since }) = owed {
                let sql = "INSERT OR REPLACE INTO follow_ups (job, key, owed_at, state) VALUES (?1, ?2, ?3, 'owed')";
                connection.execute(sql, params![id, key, since.cast_signed()])?;
            }
            transaction.map_or(Ok(()), |transaction| Ok(transaction.commit()?))
        });
        *lock(&self.0.follow_up) = follow_up;
        finished
    }

    /// The follow-up job has finished, with this report. One that was killed or never started has not, and stays owed.
    pub(crate) fn finish_follow_up(&self, job: &str, signature: u64, report: &RunReport) -> ControlFlow<()> {
        if !report.is_final() {
            return ControlFlow::Continue(());
        }
        self.write(|connection, id| {
            let sql =
                "UPDATE follow_ups SET state = ?1, finished_at = ?2, name = ?3, signature = ?4, error = ?5, record = ?6
                       WHERE job = ?7";
            let (state, record) = (state(report.outcome.status()), report.to_stored()?);
            let values = params![state, now(), job, signature.cast_signed(), report.error(), record, id];
            connection.execute(sql, values)?;
            Ok(())
        })
    }

    /// Returns whether the function that follows up on the timeout was called, in this run of the application or an earlier one.
    pub(crate) fn is_followed_up(&self) -> bool {
        *lock(&self.0.follow_up) == FollowUpState::Done
    }

    /// The function that follows up on the timeout has returned.
    pub(crate) fn follow_up_done(&self) {
        if *lock(&self.0.follow_up) == FollowUpState::Owed {
            let done = FollowUpState::Done;
            // A failure is kept, and ends the list.
            let _ = self.write(|connection, id| {
                let sql = "UPDATE jobs SET follow_up = ?1 WHERE id = ?2";
                connection.execute(sql, params![done.text(), id])?;
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
        let EntryFields { shared, row, .. } = &*self.0;
        if !shared.has_failed()
            && let Err(error) = shared.with(|connection| code(connection, row.id))
        {
            shared.fail(error);
        }
        if shared.fatal_failure().is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

/// Makes a job one that was never started: without its record, its attempts and its follow-up. Belongs in a transaction.
pub(super) fn begin_anew(connection: &Connection, id: i64, keeps_checkpoint: bool) -> rusqlite::Result<()> {
    let sql = "UPDATE jobs SET state = 'ordered', error = NULL, finished_at = NULL, follow_up = NULL, record = NULL, next = NULL,
               checkpoint = iif(?2, checkpoint, NULL) WHERE id = ?1";
    connection.execute(sql, params![id, keeps_checkpoint])?;
    connection.execute("DELETE FROM attempts WHERE job = ?1", [id])?;
    connection.execute("DELETE FROM follow_ups WHERE job = ?1", [id])?;
    Ok(())
}

/// Returns what the row of a part says about the next one.
fn continuation_text(continuation: Continuation) -> Option<&'static str> {
    match continuation {
        Continuation::End => None,
        Continuation::Part => Some("part"),
        Continuation::Value => Some("value"),
    }
}

/// Returns the state of a row.
fn state(status: Status) -> &'static str {
    match status {
        Status::Ok => "ok",
        Status::Timeout => "timeout",
        Status::Error => "error",
    }
}

/// The rows of a job that has finished.
struct StoredJob {
    record: Vec<u8>,
    checkpoint: Option<Vec<u8>>,
    job_id: String,
    follow_up: Option<StoredFollowUp>,
}

struct StoredFollowUp {
    key: String,
    owed_at: i64,
    /// The name, the signature and the record of one that has finished.
    done: Option<(String, i64, Vec<u8>)>,
}

impl StoredJob {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        let (record, checkpoint, job_id) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let follow_up = match row.get::<_, Option<String>>(3)?.as_deref() {
            None => None,
            Some("owed") => Some(StoredFollowUp { key: row.get(4)?, owed_at: row.get(5)?, done: None }),
            Some(_) => {
                let done = Some((row.get(6)?, row.get(7)?, row.get(8)?));
                Some(StoredFollowUp { key: row.get(4)?, owed_at: row.get(5)?, done })
            }
        };
        Ok(Self { record, checkpoint, job_id, follow_up })
    }

    fn replay(self) -> Result<ReplayedJob, String> {
        let read = |bytes: &[u8]| RunReport::from_stored(bytes, process::system_call_name);
        let mut report = read(&self.record)?;
        report.details.checkpoint = self.checkpoint.map(Checkpoint::from_bytes);
        let follow_up = self.follow_up.map(|StoredFollowUp { key, owed_at, done }| match done {
            None => Ok(ReplayedFollowUp::Owed(OwedFollowUp { key, since: owed_at.max(0).cast_unsigned() })),
            Some((job, signature, record)) => {
                let report = Box::new(read(&record)?);
                Ok::<_, String>(ReplayedFollowUp::Done { job, signature: signature.cast_unsigned(), report })
            }
        });
        Ok(ReplayedJob { report, follow_up: follow_up.transpose()? })
    }
}
