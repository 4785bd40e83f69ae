//! `Record::result`: the typed ways back to a job's value.

use crate::error::Error;
use crate::escape::OneLine;
use crate::outcome::Outcome;
use crate::output::JobResult;
use crate::record::Record;
use crate::wire::codec;

impl Record {
    /// Returns the value that the function returned; of a `Result` the value within.
    ///
    /// # Errors
    ///
    /// Fails if the run gave no result, or if `T` is not the job's own result type: that the bytes would decode as `T`
    /// is not enough.
    ///
    /// # Examples
    ///
    /// ```
    /// use scheduler::{job, jobs, Scheduler};
    ///
    /// #[job]
    /// fn answer() -> i32 { 42 }
    ///
    /// #[scheduler::main]
    /// fn main() -> Result<(), scheduler::Error> {
    ///     let records = Scheduler::new().run(jobs![("J1", answer)])?;
    ///     assert_eq!(records[0].result::<i32>()?, 42);
    ///     assert!(records[0].result::<i64>().is_err());
    ///     Ok(())
    /// }
    /// ```
    pub fn result<T: JobResult>(&self) -> Result<T, Error> {
        let Outcome::Ok(bytes) = &self.outcome else {
            let why = self.error().unwrap_or_default();
            return Err(Error::no_result(format!("{} has no result: {why}", self.run())));
        };
        self.decoded(bytes)
    }

    /// Returns the value that the function returned in its grace period, after it was asked to end at its timeout.
    ///
    /// The status of such a run is `timeout`, and what it returned may be less than the whole.
    ///
    /// # Errors
    ///
    /// Fails if the run gave no such value, or if `T` is not the job's own result type.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use scheduler::{job, jobs, this_job, Scheduler, Status};
    ///
    /// #[job(timeout = "50ms", grace = "10s")]
    /// fn wait_for_the_end() -> String {
    ///     this_job::cancelled().wait();
    ///     "put away".to_owned()
    /// }
    ///
    /// #[scheduler::main]
    /// fn main() -> Result<(), scheduler::Error> {
    ///     let records = Scheduler::new().run(jobs![("J1", wait_for_the_end)])?;
    ///     assert_eq!(records[0].status(), Status::Timeout);
    ///     assert_eq!(records[0].late_result::<String>()?, "put away");
    ///     assert!(records[0].result::<String>().is_err()); // It did not come in time.
    ///     Ok(())
    /// }
    /// ```
    pub fn late_result<T: JobResult>(&self) -> Result<T, Error> {
        let late = match &self.outcome {
            Outcome::Timeout(overrun) => overrun.value(),
            _ => None,
        };
        let Some(bytes) = late else {
            let why = self.error().unwrap_or_else(|| "it returned in time".to_owned());
            return Err(Error::no_result(format!("{} has no late result: {why}", self.run())));
        };
        self.decoded(bytes)
    }

    fn decoded<T: JobResult>(&self, bytes: &[u8]) -> Result<T, Error> {
        let run = self.run();
        if !self.output.is::<T>() {
            return Err(Error::no_result(format!(
                "the result of {run} is of type `{}`, not `{}`",
                self.output.type_name(),
                std::any::type_name::<T>(),
            )));
        }
        codec::decode(bytes)
            .map_err(|error| Error::no_result(format!("the result of {run} can't be decoded")).caused_by(error))
    }

    /// Names the run in a message.
    fn run(&self) -> String {
        format!("`{}` (job `{}`)", OneLine(&self.job_id), self.job)
    }
}
