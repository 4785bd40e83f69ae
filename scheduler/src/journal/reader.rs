//! `JournalReader`: the runs in a journal and their jobs, also while an application writes it.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rusqlite::Connection;

use super::location::locate;
use super::reading::read_journal;
use super::shared::{JournalProblem, from_microseconds};
use crate::error::Error;

/// Reads a journal, also while an application writes it.
///
/// # Examples
///
/// ```
/// use scheduler::journal::{Journal, JournalReader};
/// use scheduler::{job, jobs, Scheduler};
///
/// #[job]
/// fn square(n: u64) -> u64 { n * n }
///
/// #[scheduler::main]
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let folder = tempfile::tempdir()?;
///     let path = folder.path().join("run.journal");
///     let journal = Journal::open(&path)?;
///     Scheduler::new().journal(journal.clone()).run(jobs![("a", square(12))])?;
///     // It is open above.
///     for run in JournalReader::open(&path)?.runs()? {
///         for job in run.jobs() {
///             println!("{} {}", job.job_id(), job.state());
///         }
///     }
///     Ok(())
/// }
/// ```
#[derive(Debug)]
pub struct JournalReader {
    /// Absolute, and of the file itself.
    path: PathBuf,
}

impl JournalReader {
    /// Opens a journal to read it, and makes no file beside one that is closed.
    ///
    /// The reader needs permission to read the file. While an application has it open, or after that was killed, the log and its index
    /// (`-wal`, `-shm`) must be readable as well.
    ///
    /// # Errors
    ///
    /// Fails with [`is_journal`](Error::is_journal) if there is no such file, or if it is no journal, damaged, or of a newer version.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let reader = Self { path: locate(path)? };
        if !reader.path.exists() {
            return Err(Error::journal(format_args!(
                "can't read the journal `{}`: there is no such file",
                path.display()
            )));
        }
        reader.read(|_| Ok(()))?;
        Ok(reader)
    }

    /// Reads.
    pub(super) fn read<T>(&self, code: impl Fn(&Connection) -> Result<T, JournalProblem>) -> Result<T, Error> {
        read_journal(&self.path, code)
    }

    /// Returns the runs that used the journal, the oldest first, as [`Journal::runs`](super::Journal::runs) does.
    ///
    /// # Errors
    ///
    /// Fails with [`is_journal`](Error::is_journal) if the file can't be read.
    pub fn runs(&self) -> Result<Vec<JournaledRun>, Error> {
        self.read(|connection| Ok(runs(connection)?))
    }
}

/// One run of an application that used a journal, with the jobs that it was the last to ask for.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct JournaledRun {
    started_at: SystemTime,
    ended_at: Option<SystemTime>,
    process: u32,
    program: String,
    jobs: Vec<JournaledJob>,
}

impl JournaledRun {
    /// Returns when it ordered its first job.
    #[must_use]
    pub fn started_at(&self) -> SystemTime {
        self.started_at
    }

    /// Returns when it closed the journal; `None` if it is open, or if the application was killed.
    #[must_use]
    pub fn ended_at(&self) -> Option<SystemTime> {
        self.ended_at
    }

    /// Returns the process id of the application.
    #[must_use]
    pub fn process(&self) -> u32 {
        self.process
    }

    /// Returns the program, as it was started.
    #[must_use]
    pub fn program(&self) -> &str {
        &self.program
    }

    /// Returns the jobs, in the order in which they were first ordered. One that a later run has asked for again is there.
    #[must_use]
    pub fn jobs(&self) -> &[JournaledJob] {
        &self.jobs
    }
}

/// A job in a journal.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct JournaledJob {
    job_id: String,
    job: String,
    state: JobState,
    change: Option<JobChange>,
    error: Option<String>,
    attempts: u32,
    ordered_at: SystemTime,
    finished_at: Option<SystemTime>,
    is_call_owed: bool,
    part: u32,
    started_at: Option<SystemTime>,
    follow_up: Option<JournaledFollowUp>,
}

/// The follow-up job of a job in a journal.
#[derive(Clone, Debug)]
struct JournaledFollowUp {
    key: String,
    state: JobState,
    error: Option<String>,
}

impl JournaledJob {
    /// Returns the id that the caller gave to the job.
    #[must_use]
    pub fn job_id(&self) -> &str {
        &self.job_id
    }

    /// Returns the registered name of the job, which this build may not have.
    #[must_use]
    pub fn job(&self) -> &str {
        &self.job
    }

    /// Returns how far the job is.
    #[must_use]
    pub fn state(&self) -> JobState {
        self.state
    }

    /// Returns what differs from an earlier job of the same id and name, which is why that one's record was not used.
    #[must_use]
    pub fn change(&self) -> Option<JobChange> {
        self.change
    }

    /// Returns one line with the reason why it has no result, if it has finished without one.
    #[must_use]
    pub fn error(&self) -> Option<&str> {
        self.error.as_deref()
    }

    /// Returns how many attempts have started.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// Returns when it was first ordered.
    #[must_use]
    pub fn ordered_at(&self) -> SystemTime {
        self.ordered_at
    }

    /// Returns when it finished.
    #[must_use]
    pub fn finished_at(&self) -> Option<SystemTime> {
        self.finished_at
    }

    /// Returns 0, or the number of a later part of a [chain](crate::Job::and_then): each part is a job of its own.
    #[must_use]
    pub fn part(&self) -> u32 {
        self.part
    }

    /// Returns when its last attempt started; `None` if none has.
    #[must_use]
    pub fn started_at(&self) -> Option<SystemTime> {
        self.started_at
    }

    /// Returns `true` if something that follows it up has not run yet, or not to its end: its [follow-up
    /// job](macro@crate::job#follow_up), or the function of [`on_timeout`](crate::Scheduler::on_timeout).
    #[must_use]
    pub fn is_follow_up_owed(&self) -> bool {
        self.is_call_owed || self.follow_up() == Some(JobState::Ordered)
    }

    /// Returns how far its [follow-up job](macro@crate::job#follow_up) is; `None` if none is owed for its end.
    /// [`Ordered`](JobState::Ordered) is one that is owed, whether or not it has started.
    #[must_use]
    pub fn follow_up(&self) -> Option<JobState> {
        Some(self.follow_up.as_ref()?.state)
    }

    /// Returns what [`Ended::key`](crate::Ended::key) returns in its follow-up job, if it has one.
    #[must_use]
    pub fn follow_up_key(&self) -> Option<&str> {
        Some(&self.follow_up.as_ref()?.key)
    }

    /// Returns one line with the reason why its follow-up job has no result, if that has finished without one.
    #[must_use]
    pub fn follow_up_error(&self) -> Option<&str> {
        self.follow_up.as_ref()?.error.as_deref()
    }
}

/// How far a job in a journal is.
///
/// Displayed as `ordered`, `started`, `ok`, `timeout` or `error`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum JobState {
    /// No attempt has started.
    Ordered,
    /// An attempt has started: it runs, was cancelled, was interrupted as its application ended, or never came to its function.
    Started,
    /// It gave a result.
    Ok,
    /// It ran into its timeout.
    Timeout,
    /// It gave no result.
    Error,
}

impl JobState {
    fn of(text: &str) -> Self {
        match text {
            "ok" => Self::Ok,
            "timeout" => Self::Timeout,
            "error" => Self::Error,
            _ => Self::Ordered,
        }
    }
}

impl std::fmt::Display for JobState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Ordered => "ordered",
            Self::Started => "started",
            Self::Ok => "ok",
            Self::Timeout => "timeout",
            Self::Error => "error",
        })
    }
}

/// Why a job is not the earlier one of the same id and name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum JobChange {
    /// Its arguments differ.
    Arguments,
    /// The types of its parameters or its result differ: it is of another build.
    Signature,
}

pub(super) fn runs(connection: &Connection) -> rusqlite::Result<Vec<JournaledRun>> {
    // Both tables as they are at one moment.
    let transaction = connection.unchecked_transaction()?;
    let mut runs = transaction.prepare("SELECT id, started_at, ended_at, process, program FROM runs ORDER BY id")?;
    let rows = runs.query_map([], |row| {
        let run = JournaledRun {
            started_at: from_microseconds(row.get(1)?),
            ended_at: row.get::<_, Option<_>>(2)?.map(from_microseconds),
            process: row.get(3)?,
            program: row.get(4)?,
            jobs: Vec::new(),
        };
        Ok((row.get::<_, i64>(0)?, run))
    })?;
    let mut found = rows.collect::<rusqlite::Result<Vec<_>>>()?;
    let mut jobs = transaction.prepare(
        "SELECT run, job_id, jobs.job, jobs.state, change, jobs.error, ordered_at, jobs.finished_at, follow_up IS 'owed', number,
         part, started_at, key, follow_ups.state, follow_ups.error FROM jobs
         LEFT JOIN attempts ON attempts.job = jobs.id
         AND number = (SELECT max(number) FROM attempts WHERE attempts.job = jobs.id)
         LEFT JOIN follow_ups ON follow_ups.job = jobs.id ORDER BY jobs.id",
    )?;
    let rows = jobs.query_map([], |row| {
        let attempts = row.get::<_, Option<u32>>(9)?.unwrap_or_default();
        let state = match JobState::of(&row.get::<_, String>(3)?) {
            JobState::Ordered if attempts > 0 => JobState::Started,
            state => state,
        };
        let follow_up = match row.get::<_, Option<String>>(12)? {
            Some(key) => {
                Some(JournaledFollowUp { key, state: JobState::of(&row.get::<_, String>(13)?), error: row.get(14)? })
            }
            None => None,
        };
        let change = row.get::<_, Option<String>>(4)?;
        let change =
            change.map(|change| if change == "arguments" { JobChange::Arguments } else { JobChange::Signature });
        let job = JournaledJob {
            job_id: row.get(1)?,
            job: row.get(2)?,
            state,
            change,
            error: row.get(5)?,
            attempts,
            ordered_at: from_microseconds(row.get(6)?),
            finished_at: row.get::<_, Option<_>>(7)?.map(from_microseconds),
            is_call_owed: row.get(8)?,
            part: row.get(10)?,
            started_at: row.get::<_, Option<_>>(11)?.map(from_microseconds),
            follow_up,
        };
        Ok((row.get::<_, i64>(0)?, job))
    })?;
    for row in rows {
        let (run, job) = row?;
        if let Ok(index) = found.binary_search_by_key(&run, |(id, _)| *id) {
            found[index].1.jobs.push(job);
        }
    }
    Ok(found.into_iter().map(|(_, run)| run).collect())
}
