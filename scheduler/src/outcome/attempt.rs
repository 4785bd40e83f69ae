//! `Attempt`: one of several runs of a job.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::outcome::{Failure, Outcome, ProcessSnapshot, Status, Sweep, Usage};

/// One attempt to run a job that has [`retries`](macro@crate::job#retries).
///
/// Serializes as `{"attempt": 1, "status": "error", "started_at": "…", "duration_sec": 0.0012, "waited_sec": 0.0, "error": "…",
/// "failure": {…}, "usage": {…}, "sweep": {…}}`, without `"error"` and `"failure"` if there is a result; [`Record`](crate::Record#json) describes
/// each field.
///
/// # Examples
///
/// ```
/// use scheduler::{job, jobs, Scheduler, Status};
///
/// #[job(retries = 2)]
/// fn fails() -> Result<(), String> { Err("no such host".into()) }
///
/// #[scheduler::main]
/// fn main() -> Result<(), scheduler::Error> {
///     let records = Scheduler::new().run(jobs![("a", fails)])?;
///     let attempts = records[0].attempts();
///     assert_eq!(attempts.len(), 3);
///     assert_eq!((attempts[0].number(), attempts[0].status()), (1, Status::Error));
///     assert_eq!(attempts[0].error().as_deref(), Some("returned an error: no such host"));
///     Ok(())
/// }
/// ```
#[derive(Clone, Debug)]
#[doc(alias = "retry")]
#[doc(alias = "try")]
pub struct Attempt {
    pub(crate) number: u32,
    pub(crate) outcome: Outcome<()>,
    pub(crate) started_at: Option<SystemTime>,
    pub(crate) duration: Duration,
    pub(crate) waited: Duration,
    pub(crate) usage: Usage,
    pub(crate) sweep: Sweep,
    pub(crate) stacks: Arc<[ProcessSnapshot]>,
}

impl Attempt {
    /// Returns the number of the attempt, from 1.
    #[must_use]
    pub fn number(&self) -> u32 {
        self.number
    }

    /// Returns the kind of its outcome.
    #[must_use]
    pub fn status(&self) -> Status {
        self.outcome.status()
    }

    /// Returns the reason for the status [`Error`](Status::Error), and `None` for every other status.
    #[must_use]
    pub fn failure(&self) -> Option<&Failure> {
        self.outcome.failure()
    }

    /// Returns one line with the reason why there is no result, and `None` if there is one.
    #[must_use]
    pub fn error(&self) -> Option<String> {
        self.outcome.error()
    }

    /// Returns when the function was called, by the wall clock; `None` if it was not called.
    #[must_use]
    pub fn started_at(&self) -> Option<SystemTime> {
        self.started_at
    }

    /// Returns how long the function ran, by the parent's monotonic clock; zero if it was not called.
    #[must_use]
    pub fn duration(&self) -> Duration {
        self.duration
    }

    /// Returns the [`backoff`](macro@crate::job#backoff) before it: the time from the end of the previous attempt to the
    /// earliest moment at which it could begin. Zero for the first.
    #[must_use]
    pub fn waited(&self) -> Duration {
        self.waited
    }

    /// Returns the processor time and memory that it used.
    #[must_use]
    pub fn usage(&self) -> Usage {
        self.usage
    }

    /// Returns the processes that it left running.
    #[must_use]
    pub fn sweep(&self) -> &Sweep {
        &self.sweep
    }

    /// Returns the stacks of the job's processes when the attempt was stopped, as [`Record::stacks`](crate::Record::stacks) does
    /// for the last one.
    #[must_use]
    pub fn stacks(&self) -> &[ProcessSnapshot] {
        &self.stacks
    }
}
