//! `Attempt`: one of several runs that a job was given, as it failed or, in the end, did not.

use std::time::{Duration, SystemTime};

use crate::outcome::{Failure, Outcome, Status, Sweep};

/// One attempt at a job, of those that [`retries`](macro@crate::job#retries) allow.
///
/// Serializes as `{"attempt": 1, "status": "error", "started_at": "…", "duration_sec": 0.0012, "waited_sec": 0.0, "error": "…",
/// "failure": {…}, "sweep": {…}}`, without `"error"` and `"failure"` if it gave a result; [`Record`](crate::Record#json) says what
/// each of them is.
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
pub struct Attempt {
    pub(crate) number: u32,
    pub(crate) outcome: Outcome<()>,
    pub(crate) started_at: Option<SystemTime>,
    pub(crate) duration: Duration,
    pub(crate) waited: Duration,
    pub(crate) sweep: Sweep,
}

impl Attempt {
    /// Returns which attempt it was, from 1.
    #[must_use]
    pub fn number(&self) -> u32 {
        self.number
    }

    /// Returns how it ended, in one word.
    #[must_use]
    pub fn status(&self) -> Status {
        self.outcome.status()
    }

    /// Returns the death certificate of an attempt whose status is `error`, and `None` for every other.
    #[must_use]
    pub fn failure(&self) -> Option<&Failure> {
        self.outcome.failure()
    }

    /// Returns one line that says why it gave no result, and `None` if it gave one.
    #[must_use]
    pub fn error(&self) -> Option<String> {
        self.outcome.error()
    }

    /// Returns when the function was called, by the wall clock; `None` if it never was.
    #[must_use]
    pub fn started_at(&self) -> Option<SystemTime> {
        self.started_at
    }

    /// Returns how long the function ran, by the parent's monotonic clock; zero if it never started.
    #[must_use]
    pub fn duration(&self) -> Duration {
        self.duration
    }

    /// Returns how long its [`backoff`](macro@crate::job#backoff) was: the time between the end of the attempt before it
    /// and the moment from which on it could begin. Zero for the first.
    #[must_use]
    pub fn waited(&self) -> Duration {
        self.waited
    }

    /// Returns what was found after it: the processes that it left running.
    #[must_use]
    pub fn sweep(&self) -> &Sweep {
        &self.sweep
    }
}
