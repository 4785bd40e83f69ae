//! The timeouts of jobs and lists.

use std::time::Duration;

use super::Scheduler;
use crate::options::option_setters;

/// # Timeouts
impl<F> Scheduler<F> {
    /// Sets the timeout of each job that has none of its own.
    ///
    /// It counts from the call of the function. A call's own timeout, and then the attribute's, wins over it, whether
    /// shorter or longer. `Duration::MAX` means no limit; zero is an error when the jobs are run.
    #[doc(alias = "deadline")]
    #[doc(alias = "time_limit")]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.settings.options.timeout = Some(timeout);
        self
    }

    /// Sets the longest timeout of any job, whatever its own.
    pub(crate) fn ceiling(mut self, ceiling: Duration) -> Self {
        self.settings.ceiling = Some(ceiling);
        self
    }

    /// Sets how long all jobs of a list may take together, from the moment at which [`run`](Self::run) starts the first: no
    /// limit unless set.
    ///
    /// At this timeout no further job is started: the jobs that haven't started are recorded as
    /// [`Failure::Cancelled`](crate::Failure::Cancelled). Running jobs are stopped as at their own timeouts, after their
    /// [grace period](macro@crate::job#grace) if they have one. They are recorded as timed out, with
    /// [`Overrun::is_of_list`](crate::Overrun::is_of_list) true, and followed up. A job that waits for its next attempt has
    /// the outcome of the last one. Spawned jobs are not a list, and have no such limit.
    ///
    /// `Duration::MAX` means no limit; zero is an error when the jobs are run.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use scheduler::{job, jobs, Failure, Scheduler, Status};
    ///
    /// #[job]
    /// fn hang() { loop { std::thread::park() } }
    ///
    /// #[scheduler::main]
    /// fn main() -> Result<(), scheduler::Error> {
    ///     let scheduler = Scheduler::new().total_timeout(Duration::from_secs(2));
    ///     let records = scheduler.run(jobs![("a", hang), ("b", hang)])?;
    ///     assert_eq!(records[0].error().unwrap(), "stopped at the whole list's timeout of 2s");
    ///     assert!(matches!(records[1].failure(), Some(Failure::Cancelled { begun: false, .. })));
    ///     Ok(())
    /// }
    /// ```
    pub fn total_timeout(mut self, timeout: Duration) -> Self {
        self.settings.total_timeout = Some(timeout);
        self
    }

    /// Sets how long a job may take to start, from the creation of its process to the call of its function: 30 seconds
    /// unless set.
    ///
    /// A job that takes longer is recorded as [`Failure::NeverStarted`](crate::Failure::NeverStarted). The first fork
    /// server has this limit as well; if it exceeds the limit, each job waits for a fork server of its own. Zero is an
    /// error when the jobs are run.
    pub fn start_timeout(mut self, start_timeout: Duration) -> Self {
        self.settings.start_timeout = start_timeout;
        self
    }

    /// Sets how long a job may take from the return of its function until its outcome begins to arrive, and how long the
    /// transfer may then stall: 30 seconds unless set.
    ///
    /// The timeout of a job is the timeout of its function: encoding the result, or formatting the error, has this limit
    /// instead. A job that exceeds it is killed, and recorded as [`Failure::Undelivered`](crate::Failure::Undelivered).
    /// Zero is an error when the jobs are run.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use scheduler::{job, jobs, Scheduler};
    ///
    /// #[job(timeout = "10s")]
    /// fn table() -> Vec<u64> { (0..1_000_000).collect() }
    ///
    /// #[scheduler::main]
    /// fn main() -> Result<(), scheduler::Error> {
    ///     let records = Scheduler::new().delivery_timeout(Duration::from_secs(60)).run(jobs![("a", table)])?;
    ///     assert_eq!(records[0].result::<Vec<u64>>()?.len(), 1_000_000);
    ///     Ok(())
    /// }
    /// ```
    pub fn delivery_timeout(mut self, delivery_timeout: Duration) -> Self {
        self.settings.delivery_timeout = delivery_timeout;
        self
    }

    option_setters!(timeouts of "each job that doesn't set its own");
}
