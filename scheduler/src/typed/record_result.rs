//! `Record::result` and its kin: the typed ways back to what a job has returned, or saved.

use serde::de::DeserializeOwned;

use crate::checkpoint::Checkpoint;
use crate::error::Error;
use crate::escape::OneLine;
use crate::outcome::Outcome;
use crate::record::Record;
use crate::result_codec::JobResult;
use crate::wire::value;

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

    /// Returns the value that the function returned in its grace period, after it was asked to end: at its timeout, or as it was
    /// [cancelled](crate::Failure::Cancelled).
    ///
    /// The status of such a run is `timeout` or `error`, and what it returned may be less than the whole.
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
        let Some(bytes) = self.late_bytes() else {
            let why = self.error().unwrap_or_else(|| "it returned in time".to_owned());
            return Err(Error::no_result(format!("{} has no late result: {why}", self.run())));
        };
        self.decoded(bytes)
    }

    /// Returns what the job has [saved](crate::this_job::checkpoint) last of its work, in this attempt or an earlier one;
    /// `None` if it has saved nothing.
    ///
    /// # Errors
    ///
    /// Fails with [`is_checkpoint`](Error::is_checkpoint) if what was saved is not a `T`: that the bytes would decode as `T`
    /// is not enough.
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
    ///     loop { std::thread::park() } // What was saved survives that.
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
        self.checkpoint.as_ref().map(Checkpoint::get).transpose()
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
        value::decode(bytes)
            .map_err(|error| Error::no_result(format!("the result of {run} can't be decoded")).caused_by(error))
    }

    /// Names the run in a message.
    fn run(&self) -> String {
        format!("`{}` (job `{}`)", OneLine(&self.job_id), self.job)
    }
}

impl Checkpoint {
    /// Returns the value that was saved.
    ///
    /// # Errors
    ///
    /// Fails with [`is_checkpoint`](Error::is_checkpoint) if it is not a `T`.
    pub fn get<T: DeserializeOwned + 'static>(&self) -> Result<T, Error> {
        self.decoded().map_err(Error::checkpoint)
    }
}
