//! A file in which lists keep their jobs, so that a run survives its application (feature `journal`).
//!
#![doc = include_str!("../docs/journal.md")]

mod database;
mod entry;
mod explained;
#[cfg(feature = "cli")]
mod history;
mod location;
mod lock;
mod order;
mod reader;
mod reading;
mod shared;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::Error;
pub(crate) use entry::{FollowUps, JournalEntry, Replay, ReplayedFollowUp, ReplayedJob};
#[cfg(feature = "cli")]
pub(crate) use history::{HistoryAttempt, HistoryFollowUp, HistoryJob, HistoryRecord, HistoryRun};
pub(crate) use order::{JournalOrder, Ordered};
pub use reader::{JobChange, JobState, JournalReader, JournaledJob, JournaledRun};
use shared::SharedJournal;

/// A file in which a [`Scheduler`](crate::Scheduler) keeps its jobs, so that a run survives its application.
///
/// Pass it to [`Scheduler::journal`](crate::Scheduler::journal). The [module](self) has an example, and describes what is kept, and
/// what is promised. Clones share the file, which is closed with the last of them, and of the schedulers, streams and handles that use
/// it. (A dropped stream or handle kills its jobs first, which takes some milliseconds.)
///
/// An open journal locks its file: a second application that opens it is refused. Reading goes on meanwhile, with
/// [`JournalReader`], or any tool for SQLite.
#[derive(Clone)]
#[doc(alias = "resume")]
#[doc(alias = "durable")]
#[doc(alias = "persistence")]
#[doc(alias = "sqlite")]
pub struct Journal {
    shared: Arc<SharedJournal>,
    resume: Resume,
}

/// What comes back from a journal in place of running again.
///
/// The difference between the first two is that of GNU parallel's `--resume` and `--resume-failed`. A job that was interrupted or
/// cancelled, or whose function was never called, has not finished, and always runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Resume {
    /// The record of each finished job, whatever its outcome.
    #[default]
    All,
    /// The records of successful jobs. Those that failed or timed out run again, from their first attempt and their last checkpoint, and
    /// so does what follows them up: a follow-up that was still owed for the earlier end is dropped.
    Failed,
    /// Nothing: all jobs run from the beginning, and their new records replace the old ones.
    Nothing,
}

/// What a journal survives, and what it costs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
#[doc(alias = "fsync")]
pub enum Durability {
    /// Everything, including a loss of power: each start, checkpoint and record is on the disk before it counts (`fsync`).
    #[default]
    Full,
    /// The end of the application, however it ends. What was written within the last seconds before a loss of power may be
    /// missing; the journal is never damaged by that.
    Relaxed,
}

/// What happens if a journal can't be written or read while jobs run: the disk is full, or fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnError {
    /// No further job starts, the running ones finish, and the list ends with an [`Error`] that holds the records.
    #[default]
    Stop,
    /// The jobs go on without the journal, which is not used again. [`Journal::error`] returns the reason.
    Continue,
}

impl Journal {
    /// Opens a journal, and creates the file if it doesn't exist. Beside it stand two files of SQLite's while it is open, ending with
    /// `-wal` and `-shm`, and one for the lock, ending with `-lock`, which stays.
    ///
    /// The file must be on a local disk: SQLite needs locks and shared memory that network file systems don't provide.
    ///
    /// # Errors
    ///
    /// Fails with [`is_journal`](Error::is_journal) if the file is in use, with the other process's id; if it is no journal, damaged, of
    /// a newer version of this crate, or not writable; if it has several names (hard links), since its lock and its log stand beside
    /// one of them; and as the file system does. A symbolic link to the file is the same as the file.
    ///
    /// # Examples
    ///
    /// ```
    /// use scheduler::journal::Journal;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let folder = tempfile::tempdir()?;
    /// let path = folder.path().join("run.journal");
    /// let journal = Journal::open(&path)?;
    /// let refused = Journal::open(&path).unwrap_err();
    /// assert!(refused.is_journal() && refused.to_string().contains("is open in this process already"));
    /// drop(journal);
    /// assert!(Journal::open(&path).is_ok());
    /// # Ok(())
    /// # }
    /// ```
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        Ok(Self { shared: Arc::new(SharedJournal::open(path.as_ref())?), resume: Resume::default() })
    }

    /// Sets what comes back in place of running again; [`Resume::All`] by default.
    #[must_use]
    pub fn resume(self, resume: Resume) -> Self {
        Self { resume, ..self }
    }

    /// Sets what the journal survives, for all of its clones; [`Durability::Full`] by default.
    #[must_use]
    pub fn durability(self, durability: Durability) -> Self {
        self.shared.set_durability(durability);
        self
    }

    /// Sets what happens if it fails while jobs run, for all of its clones; [`OnError::Stop`] by default.
    #[must_use]
    pub fn on_error(self, on_error: OnError) -> Self {
        self.shared.set_on_error(on_error);
        self
    }

    /// Returns the runs that used the journal, the oldest first, with their jobs. Each opening that has run jobs is one run.
    ///
    /// # Errors
    ///
    /// Fails with [`is_journal`](Error::is_journal) if the file can't be read.
    ///
    /// # Examples
    ///
    /// ```
    /// use scheduler::journal::{Journal, JobState};
    /// use scheduler::{job, jobs, Scheduler};
    ///
    /// #[job]
    /// fn square(n: u64) -> u64 { n * n }
    ///
    /// #[scheduler::main]
    /// fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     let folder = tempfile::tempdir()?;
    ///     let journal = Journal::open(folder.path().join("run.journal"))?;
    ///     Scheduler::new().journal(journal.clone()).run(jobs![("a", square(12))])?;
    ///     let runs = journal.runs()?;
    ///     assert_eq!(runs[0].process(), std::process::id());
    ///     assert_eq!(runs[0].jobs()[0].job_id(), "a");
    ///     assert_eq!(runs[0].jobs()[0].state(), JobState::Ok);
    ///     Ok(())
    /// }
    /// ```
    pub fn runs(&self) -> Result<Vec<JournaledRun>, Error> {
        self.shared.read(reader::runs)
    }

    /// Returns why the journal is not used any more; `None` if it is.
    #[must_use]
    pub fn error(&self) -> Option<Error> {
        self.shared.failure()
    }

    /// Returns the path, as it was given.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.shared.path()
    }

    /// Returns why lists that use the journal end with an error, if they do.
    pub(crate) fn fatal_error(&self) -> Option<Error> {
        self.shared.fatal_failure()
    }

    /// Writes the jobs, before any of them starts, and returns what is known about each. Returns nothing if the journal has failed
    /// and the jobs are to go on without it.
    pub(crate) fn order(&self, orders: &[JournalOrder<'_>], follow_ups: FollowUps) -> Result<Vec<Ordered>, Error> {
        order::order(&self.shared, orders, self.resume, follow_ups)
    }
}

impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Journal").field("path", &self.path()).field("resume", &self.resume).finish_non_exhaustive()
    }
}

/// Returns the path of a file beside the journal.
fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}
