//! `Record::result` and its variants: decode the results and checkpoints of finished runs.
//!
//! They return an `Error`, and so stand above it, apart from the types in `record`.

use serde::de::DeserializeOwned;

use crate::checkpoint::Checkpoint;
use crate::error::Error;
use crate::escape::OneLine;
use crate::outcome::Outcome;
use crate::record::{Record, Run};
use crate::result_codec::JobResult;
use crate::wire::value;

impl Record {
    /// Returns the value that the function returned; of a `Result`, the value in its `Ok`.
    ///
    /// # Errors
    ///
    /// Fails with [`is_no_result`](Error::is_no_result) if there is no result, or if `T` isn't the job's own result type, even if
    /// its bytes would decode as a `T`.
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
        let Outcome::Ok(bytes) = &self.run.outcome else {
            let why = self.error().unwrap_or_default();
            return Err(Error::no_result(format!("{} has no result: {why}", self.title())));
        };
        self.decoded(bytes)
    }

    /// Returns the value that the function returned in its grace period, after it was asked to stop: at its timeout, or because it
    /// was [cancelled](crate::Failure::Cancelled).
    ///
    /// The status of such a run is `timeout` or `error`, and the value may be incomplete.
    ///
    /// # Errors
    ///
    /// Fails with [`is_no_result`](Error::is_no_result) if there is no such value, or if `T` isn't the job's own result type.
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
        let Some(bytes) = self.run.late_result() else {
            let why = self.error().unwrap_or_else(|| "it returned in time".to_owned());
            return Err(Error::no_result(format!("{} has no late result: {why}", self.title())));
        };
        self.decoded(bytes)
    }

    /// Returns the last [checkpoint](crate::this_job::checkpoint) that the job saved, in this attempt or an earlier one; `None` if
    /// it saved none.
    ///
    /// # Errors
    ///
    /// Fails with [`is_checkpoint`](Error::is_checkpoint) if a value of another type was saved, even if its bytes would decode as a
    /// `T`.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use scheduler::{job, jobs, this_job, Scheduler, Status};
    ///
    /// #[job(timeout = "500ms")]
    /// fn squares() -> Result<u64, scheduler::Error> {
    ///     for n in 1..=3_u64 {
    ///         this_job::checkpoint(&n)?;
    ///     }
    ///     loop { std::thread::park() } // The checkpoint survives the kill.
    /// }
    ///
    /// #[scheduler::main]
    /// fn main() -> Result<(), scheduler::Error> {
    ///     let records = Scheduler::new().run(jobs![("J1", squares)])?;
    ///     assert_eq!(records[0].status(), Status::Timeout);
    ///     assert_eq!(records[0].checkpoint::<u64>()?, Some(3));
    ///     Ok(())
    /// }
    /// ```
    pub fn checkpoint<T: DeserializeOwned + 'static>(&self) -> Result<Option<T>, Error> {
        self.run.checkpoint()
    }

    fn decoded<T: JobResult>(&self, bytes: &[u8]) -> Result<T, Error> {
        let run = self.title();
        if !self.codec.is::<T>() {
            return Err(Error::no_result(format!(
                "the result of {run} is of type `{}`, not `{}`",
                self.codec.type_name(),
                std::any::type_name::<T>(),
            )));
        }
        value::decode(bytes)
            .map_err(|error| Error::no_result(format!("the result of {run} can't be decoded")).caused_by(error))
    }

    /// Returns the name of the run for messages.
    fn title(&self) -> String {
        format!("`{}` (job `{}`)", OneLine(&self.job_id), self.job)
    }
}

impl<T> Run<T> {
    /// Returns the last [checkpoint](crate::this_job::checkpoint) that the job saved, if it saved one.
    ///
    /// # Errors
    ///
    /// As [`Record::checkpoint`].
    pub fn checkpoint<U: DeserializeOwned + 'static>(&self) -> Result<Option<U>, Error> {
        self.details.checkpoint.as_ref().map(Checkpoint::get).transpose()
    }
}

impl Checkpoint {
    /// Returns the value that was saved.
    ///
    /// # Errors
    ///
    /// Fails with [`is_checkpoint`](Error::is_checkpoint) if a value of another type was saved.
    pub fn get<T: DeserializeOwned + 'static>(&self) -> Result<T, Error> {
        self.decoded().map_err(Error::checkpoint)
    }
}
