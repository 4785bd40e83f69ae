//! What follows the failure or the timeout of a job.

use std::sync::Arc;

use super::Scheduler;
use crate::ended::FollowUpJob;
use crate::follow_up::{FollowUpResult, TimedOut};
use crate::options::{OnFailure, option_setters};
use crate::spawner::Spawner;

/// # Failures and retries
impl<F> Scheduler<F> {
    option_setters!(retries of "each job that doesn't set its own");
    option_setters!(follow_ups of "each job that doesn't set its own");

    /// Sets whether the other jobs of a list run after one has failed or timed out, without a retry left: they do unless
    /// set. [`OnFailure::StopAfter`] stops after several failures.
    ///
    /// # Examples
    ///
    /// ```
    /// use scheduler::{job, jobs, Failure, OnFailure, Scheduler, Status};
    ///
    /// #[job]
    /// fn compile(source: String) -> Result<(), String> {
    ///     if source.is_empty() { Err("nothing to compile".into()) } else { Ok(()) }
    /// }
    ///
    /// #[scheduler::main]
    /// fn main() -> Result<(), scheduler::Error> {
    ///     let list = jobs![("a", compile("x".into())), ("b", compile("".into())), ("c", compile("z".into()))];
    ///     let records = Scheduler::new().on_failure(OnFailure::Stop).run(list)?;
    ///     assert_eq!(records[0].status(), Status::Ok);
    ///     assert_eq!(records[1].status(), Status::Error);
    ///     assert!(matches!(records[2].failure(), Some(Failure::Cancelled { begun: false, .. })));
    ///     Ok(())
    /// }
    /// ```
    #[doc(alias = "fail_fast")]
    #[doc(alias = "max_fail")]
    #[doc(alias = "keep_going")]
    pub fn on_failure(mut self, on_failure: OnFailure) -> Self {
        self.settings.on_failure = on_failure;
        self
    }

    /// Sets the follow-up job of each job that doesn't set its own: a job that receives how that one [`Ended`](crate::Ended), if it
    /// ends in one of the causes of [`follow_up_on`](Self::follow_up_on), a timeout unless set.
    ///
    /// It runs in a process of its own, under its own limit, and even if the list was cancelled meanwhile. See
    /// [`follow_up`](macro@crate::job#follow_up). A closure that runs in this process is set by [`on_timeout`](Self::on_timeout);
    /// with both, the job runs first.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use scheduler::{job, jobs, Cause, Ended, Scheduler};
    ///
    /// #[job(timeout = "10s")]
    /// fn report(ended: Ended) -> String { format!("{}: {}", ended.job(), ended.error().unwrap_or("ok")) }
    ///
    /// #[job]
    /// fn halve(n: u32) -> Result<u32, String> {
    ///     if n % 2 == 0 { Ok(n / 2) } else { Err(format!("{n} is odd")) }
    /// }
    ///
    /// #[scheduler::main]
    /// fn main() -> Result<(), scheduler::Error> {
    ///     let scheduler = Scheduler::new().follow_up_job(report::job).follow_up_on(Cause::FAILURES);
    ///     let records = scheduler.run(jobs![("a", halve(6)), ("b", halve(7))])?;
    ///     assert!(records[0].follow_ups().is_empty());
    ///     let text = records[1].follow_ups()[0].result::<String>()?;
    ///     assert!(text.ends_with("halve: returned an error: 7 is odd"));
    ///     Ok(())
    /// }
    /// ```
    #[doc(alias = "follow_up")]
    #[doc(alias = "on_failure_callback")]
    pub fn follow_up_job(mut self, follow_up: impl FollowUpJob) -> Self {
        let options = std::mem::take(self.options_mut());
        *self.options_mut() = options.follow_up(follow_up);
        self
    }

    /// Sets the follow-up of a timeout: a closure that is called as soon as a job has been stopped at its timeout.
    ///
    /// It returns `()`, or a `Result<(), E>` where `E` converts into `Box<dyn Error + Send + Sync>`. It is called in this
    /// process, on the thread that called [`run`](Self::run), or on the task that awaits [`run_async`](Self::run_async).
    ///
    /// No other job is started until it returns, unless the concurrency is more than 1. If it fails or panics, no further
    /// job is started, and [`run`](Self::run) returns its error.
    /// [`default_follow_up_logger`](crate::default_follow_up_logger) appends a line to a log file.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use scheduler::{job, Scheduler, default_follow_up_logger};
    ///
    /// #[job(timeout = "50ms")]
    /// fn hang() { loop { std::thread::park() } }
    ///
    /// #[scheduler::main]
    /// fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     let count = std::cell::Cell::new(0);
    ///     Scheduler::new().on_timeout(|_| count.set(count.get() + 1)).run([("a", hang::job())])?;
    ///     assert_eq!(count.get(), 1);
    ///
    ///     let folder = tempfile::tempdir()?;
    ///     let log = folder.path().join("timeouts.log");
    ///     Scheduler::new()
    ///         .on_timeout(|late| default_follow_up_logger(late.job_id(), late.reason(), late.elapsed(), &log))
    ///         .run([("a", hang::job())])?;
    ///     assert!(std::fs::read_to_string(&log)?.contains("Job ID: a, Reason: timeout"));
    ///     Ok(())
    /// }
    /// ```
    #[doc(alias = "follow_up")]
    #[doc(alias = "callback")]
    pub fn on_timeout<G, R>(self, follow_up: G) -> Scheduler<G>
    where
        G: Fn(&TimedOut<'_>) -> R,
        R: FollowUpResult,
    {
        Scheduler {
            settings: self.settings,
            shared_pool: self.shared_pool,
            spawner: Spawner::default(),
            follow_up: Arc::new(follow_up),
        }
    }
}
