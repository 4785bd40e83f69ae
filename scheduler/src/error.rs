//! `Error`: a failure of the scheduler itself or of its input. A job that fails is an outcome, never an `Error`.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use crate::record::Record;

type Source = Box<dyn StdError + Send + Sync>;

/// A failure of the scheduler itself or of its input.
///
/// A job that panics, crashes or times out is not an `Error`: see [`Record`] and [`Outcome`](crate::Outcome). The cause is in
/// [`source`](StdError::source); [`into_records`](Self::into_records) returns every record that was finished before the error.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use scheduler::{jobs, schedule_jobs, default_follow_up_logger};
///
/// let error = schedule_jobs(jobs![], Duration::ZERO, default_follow_up_logger, "a.log").unwrap_err();
/// assert!(error.is_invalid_timeout());
/// assert_eq!(error.to_string(), "invalid timeout: it is zero; give a duration, or `Duration::MAX` for no limit");
/// ```
#[derive(Clone)]
pub struct Error(Box<Inner>);

#[derive(Clone)]
struct Inner {
    kind: Kind,
    message: String,
    /// Shared by the clones.
    source: Option<Arc<dyn StdError + Send + Sync>>,
    records: Vec<Record>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    InvalidTimeout,
    InvalidJobs,
    InvalidLogFile,
    InvalidSetting,
    QueueFull,
    FollowUp,
    NotInitialised,
    NoResult,
    Checkpoint,
    Message,
    #[cfg(feature = "journal")]
    Journal,
    Internal,
}

impl Error {
    fn new(kind: Kind, message: String) -> Self {
        Self(Box::new(Inner { kind, message, source: None, records: Vec::new() }))
    }

    pub(crate) fn invalid_timeout(whose: &str) -> Self {
        let message = format!("invalid timeout{whose}: it is zero; give a duration, or `Duration::MAX` for no limit");
        Self::new(Kind::InvalidTimeout, message)
    }

    pub(crate) fn invalid_jobs(problem: impl fmt::Display) -> Self {
        Self::new(Kind::InvalidJobs, format!("invalid jobs: {problem}"))
    }

    pub(crate) fn invalid_log_file(problem: impl fmt::Display) -> Self {
        Self::new(Kind::InvalidLogFile, format!("invalid log file: {problem}"))
    }

    pub(crate) fn invalid_setting(problem: impl fmt::Display) -> Self {
        Self::new(Kind::InvalidSetting, format!("invalid setting: {problem}"))
    }

    pub(crate) fn queue_full(capacity: usize) -> Self {
        let waiting = match capacity {
            0 => "no spawned job may wait".to_owned(),
            1 => "1 spawned job waits".to_owned(),
            several => format!("{several} spawned jobs wait"),
        };
        let message = format!("the queue is full: {waiting}; try again later, or refuse the request");
        Self::new(Kind::QueueFull, message)
    }

    pub(crate) fn follow_up(job_id: impl fmt::Display, source: Source) -> Self {
        let message = format!("the follow-up of `{job_id}` failed");
        Self::new(Kind::FollowUp, message).caused_by(source)
    }

    pub(crate) fn not_initialised() -> Self {
        let message = "jobs can't run in this process: it was never initialized, so a copy of it could not detect that it \
            has a job to run; put `#[scheduler::main]` on `main` (above `#[tokio::main]`) or call \
            `scheduler::init()` first thing in it; in tests without a `main` of their own write \
            `scheduler::enable_tests!();` once in the crate, or `#[scheduler::test]` in place of `#[test]`";
        Self::new(Kind::NotInitialised, message.to_owned())
    }

    pub(crate) fn stray_role(variable: &str) -> Self {
        let message = format!(
            "jobs can't run in this process: `{variable}` was in its environment, which marks a copy that has a job to run, and \
             this process is not such a copy; either the variable was set by mistake, or a copy started this process, as a test \
             harness does that runs each test in its own process (`-Zpanic-abort-tests`)"
        );
        Self::new(Kind::NotInitialised, message)
    }

    pub(crate) fn forked() -> Self {
        let message = "the jobs were started by another process, of which this one is a fork, and can't be awaited here; \
            await them there, or run other jobs with the `Scheduler` here";
        Self::new(Kind::Internal, message.to_owned())
    }

    pub(crate) fn waits_for_itself(job_id: impl fmt::Display) -> Self {
        let message = format!(
            "`{job_id}` can't be waited for in an observer or a follow-up of its scheduler: the thread that calls these \
             completes the handles of its jobs, and would wait for itself; use `Handle::try_wait`, or wait in another thread"
        );
        Self::new(Kind::Internal, message)
    }

    pub(crate) fn privileged() -> Self {
        let message = "jobs can't run in a process that gains privileges when it starts (by set-user-ID, set-group-ID or \
            file capabilities): a copy of it can't trust the requests that it receives; start the process as that user, or \
            with ambient capabilities, instead";
        Self::new(Kind::Internal, message.to_owned())
    }

    pub(crate) fn no_result(problem: impl fmt::Display) -> Self {
        Self::new(Kind::NoResult, problem.to_string())
    }

    pub(crate) fn checkpoint(problem: impl fmt::Display) -> Self {
        Self::new(Kind::Checkpoint, format!("invalid checkpoint: {problem}"))
    }

    pub(crate) fn message(problem: impl fmt::Display) -> Self {
        Self::new(Kind::Message, problem.to_string())
    }

    #[cfg(feature = "journal")]
    pub(crate) fn journal(problem: impl fmt::Display) -> Self {
        Self::new(Kind::Journal, problem.to_string())
    }

    pub(crate) fn internal(step: impl fmt::Display, source: impl Into<Source>) -> Self {
        Self::new(Kind::Internal, format!("failed to {step}")).caused_by(source)
    }

    pub(crate) fn caused_by(mut self, source: impl Into<Source>) -> Self {
        self.0.source = Some(source.into().into());
        self
    }

    pub(crate) fn with_records(mut self, records: Vec<Record>) -> Self {
        self.0.records = records;
        self
    }

    /// Returns `true` if a timeout is zero. [`Duration::MAX`](std::time::Duration::MAX) means no limit.
    #[must_use]
    pub fn is_invalid_timeout(&self) -> bool {
        self.0.kind == Kind::InvalidTimeout
    }

    /// Returns `true` if a job is unknown, is registered twice, or has arguments that can't be sent.
    #[must_use]
    pub fn is_invalid_jobs(&self) -> bool {
        self.0.kind == Kind::InvalidJobs
    }

    /// Returns `true` if the path of the log file is invalid.
    #[must_use]
    pub fn is_invalid_log_file(&self) -> bool {
        self.0.kind == Kind::InvalidLogFile
    }

    /// Returns `true` if a setting of the [`Scheduler`](crate::Scheduler) is invalid.
    #[must_use]
    pub fn is_invalid_setting(&self) -> bool {
        self.0.kind == Kind::InvalidSetting
    }

    /// Returns `true` if [`try_spawn`](crate::Scheduler::try_spawn) has refused a job, as too many wait.
    #[must_use]
    pub fn is_queue_full(&self) -> bool {
        self.0.kind == Kind::QueueFull
    }

    /// Returns `true` if a follow-up failed; its own error is the [`source`](StdError::source).
    #[must_use]
    pub fn is_follow_up(&self) -> bool {
        self.0.kind == Kind::FollowUp
    }

    /// Returns `true` if this process never reached [`init`](crate::init) and isn't a test binary with an entry point for jobs.
    #[must_use]
    pub fn is_not_initialised(&self) -> bool {
        self.0.kind == Kind::NotInitialised
    }

    /// Returns `true` if a record has no result, or one of another type than was requested.
    #[must_use]
    pub fn is_no_result(&self) -> bool {
        self.0.kind == Kind::NoResult
    }

    /// Returns `true` if a checkpoint could not be saved, or is of another type than was requested.
    #[must_use]
    pub fn is_checkpoint(&self) -> bool {
        self.0.kind == Kind::Checkpoint
    }

    /// Returns `true` if a message between a job and its handle could not be sent, or is of another type than was requested.
    #[must_use]
    pub fn is_message(&self) -> bool {
        self.0.kind == Kind::Message
    }

    /// Returns `true` if a [journal](crate::journal) is in use elsewhere, can't be read or written, or is not a journal.
    #[must_use]
    #[cfg(feature = "journal")]
    pub fn is_journal(&self) -> bool {
        self.0.kind == Kind::Journal
    }

    /// Returns every record that was finished before this error, in input order.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use scheduler::{job, jobs, Scheduler, Status};
    ///
    /// #[job]
    /// fn quick() -> i32 { 1 }
    ///
    /// #[job(timeout = "50ms")]
    /// fn slow() { loop { std::thread::park() } }
    ///
    /// #[scheduler::main]
    /// fn main() {
    ///     let error = Scheduler::new()
    ///         .on_timeout(|_| Err("the pager is down"))
    ///         .run(jobs![("a", quick), ("b", slow), ("c", quick)])
    ///         .unwrap_err();
    ///     assert!(error.is_follow_up());
    ///     let statuses: Vec<_> = error.into_records().iter().map(|record| record.status()).collect();
    ///     assert_eq!(statuses, [Status::Ok, Status::Timeout]);
    /// }
    /// ```
    #[must_use]
    pub fn into_records(self) -> Vec<Record> {
        self.0.records
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    /// Writes the message and its causes as one sentence, because that is what a `main` that returns the error prints; with `{:#?}`,
    /// every field.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !f.alternate() {
            f.write_str(&self.0.message)?;
            return std::iter::successors(self.source(), |&cause| cause.source())
                .try_for_each(|cause| write!(f, ": {cause}"));
        }
        f.debug_struct("Error")
            .field("kind", &self.0.kind)
            .field("message", &self.0.message)
            .field("source", &self.0.source)
            .field("records", &self.0.records.len())
            .finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_writes_a_sentence_with_the_causes() {
        let pager = std::io::Error::other("the pager is down");
        let error = Error::follow_up("nightly", Error::internal("page", pager).into());
        let sentence = "the follow-up of `nightly` failed: failed to page: the pager is down";
        assert_eq!(format!("{error:?}"), sentence);
        assert_eq!(format!("{:?}", Error::invalid_jobs("there is none")), "invalid jobs: there is none");
    }

    #[test]
    fn alternate_debug_writes_the_fields() {
        let fields = format!("{:#?}", Error::invalid_jobs("there is none"));
        assert!(fields.starts_with("Error {\n") && fields.contains("kind: InvalidJobs"), "{fields}");
    }
}
