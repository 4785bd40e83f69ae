//! What a record says to a run that is resumed: whether its job came back, and whether it has finished.

use super::Record;

impl Record {
    /// Returns `true` if the job didn't run now: the record is that of an earlier run of the application, from a journal
    /// (`Scheduler::journal`, with the feature `journal`).
    #[must_use]
    #[doc(alias = "resume")]
    pub fn is_replayed(&self) -> bool {
        self.run.is_replayed()
    }

    /// Returns `true` if the job has not finished, as it was stopped for another reason than its own: it was
    /// [cancelled](crate::Failure::Cancelled), the [time of its list](crate::Scheduler::total_timeout) was over, or its last attempt
    /// failed and the [retries](macro@crate::job#retries) or the [fallback](crate::Job::or_else) that were left did not start.
    ///
    /// Where a run is resumed, from a job log (`report::Joblog`) or a journal (`Scheduler::journal`), such a job runs again. With a
    /// journal, so does one whose function was [never called](crate::Failure::NeverStarted), for which this is `false`.
    ///
    /// # Examples
    ///
    /// ```
    /// use scheduler::{job, jobs, observer::AttemptEnded, CancelToken, Observer, Scheduler};
    ///
    /// #[job(retries = 9, backoff = "1h")]
    /// fn fails() -> Result<(), String> { Err("no network".into()) }
    ///
    /// /// Lets nothing more start once a job has failed.
    /// struct Drains(CancelToken);
    ///
    /// impl Observer for Drains {
    ///     fn attempt_ended(&self, _: &AttemptEnded<'_>) {
    ///         self.0.drain();
    ///     }
    /// }
    ///
    /// #[scheduler::main]
    /// fn main() -> Result<(), scheduler::Error> {
    ///     let token = CancelToken::new();
    ///     let scheduler = Scheduler::new().cancel_token(&token).observer(Drains(token.clone()));
    ///     let records = scheduler.run(jobs![("a", fails)])?;
    ///     assert_eq!(records[0].error().as_deref(), Some("returned an error: no network"));
    ///     assert!(records[0].is_interrupted());
    ///     Ok(())
    /// }
    /// ```
    #[must_use]
    pub fn is_interrupted(&self) -> bool {
        self.run.is_interrupted()
    }
}
