//! `Record::result`: the typed way back to a job's value.

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
        let run = || format!("`{}` (job `{}`)", OneLine(&self.job_id), self.job);
        let Outcome::Ok(bytes) = &self.outcome else {
            let why = self.error().unwrap_or_default();
            return Err(Error::no_result(format!("{} has no result: {why}", run())));
        };
        if !self.output.is::<T>() {
            return Err(Error::no_result(format!(
                "the result of {} is of type `{}`, not `{}`",
                run(),
                self.output.type_name(),
                std::any::type_name::<T>(),
            )));
        }
        codec::decode(bytes)
            .map_err(|error| Error::no_result(format!("the result of {} can't be decoded", run())).caused_by(error))
    }
}
