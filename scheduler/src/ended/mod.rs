//! `Ended`: how a job ended, as its follow-up job receives it.

mod follow_up_job;
mod message;

use std::fmt;
use std::time::{Duration, SystemTime};

use serde::de::DeserializeOwned;

use crate::call::AnyJob;
use crate::checkpoint::{Checkpoint, HoldsCheckpoint};
use crate::error::Error;
use crate::options::Cause;
use crate::outcome::{Captured, Panic, ProcessSnapshot, Status, Sweep, Usage};
pub use follow_up_job::FollowUpJob;
pub(crate) use follow_up_job::follow_up_of;

/// How a job ended: the argument of a [follow-up job](macro@crate::job#follow_up).
///
/// It owns all that is known: what the [record](crate::Record) of the job has, but for its result, and the call itself. It
/// serializes to any `serde` format, with a number for the version of its form, and can be stored and read back by the same
/// program.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use scheduler::{job, jobs, Cause, Ended, Scheduler};
///
/// #[job(timeout = "10s")]
/// fn analyse(ended: Ended) -> String {
///     assert_eq!(ended.cause(), Cause::Timeout);
///     format!("`{}` was stopped after {:?}: {}", ended.job_id(), ended.limit(), ended.error().unwrap_or_default())
/// }
///
/// #[job(timeout = "100ms", follow_up = analyse)]
/// fn convert(page: u32) {
///     # let _ = page;
///     loop { std::thread::park() }
/// }
///
/// #[scheduler::main]
/// fn main() -> Result<(), scheduler::Error> {
///     let records = Scheduler::new().run(jobs![("page 7", convert(7))])?;
///     let [follow_up] = records[0].follow_ups() else { panic!("{records:?}") };
///     let text = follow_up.result::<String>()?;
///     assert_eq!(text, "`page 7` was stopped after Some(100ms): stopped at its timeout of 100ms");
///     Ok(())
/// }
/// ```
#[derive(Clone)]
#[doc(alias = "Failure")]
#[doc(alias = "dead_letter")]
pub struct Ended {
    pub(crate) key: String,
    pub(crate) job_id: String,
    pub(crate) call: AnyJob,
    pub(crate) cause: Cause,
    pub(crate) error: Option<String>,
    pub(crate) limit: Option<Duration>,
    pub(crate) elapsed: Duration,
    pub(crate) attempt: u32,
    pub(crate) started_at: Option<SystemTime>,
    pub(crate) finished_at: SystemTime,
    pub(crate) stderr_tail: String,
    pub(crate) output: Option<Captured>,
    pub(crate) panics: Vec<Panic>,
    pub(crate) checkpoint: Option<Checkpoint>,
    pub(crate) stacks: Vec<ProcessSnapshot>,
    pub(crate) usage: Usage,
    pub(crate) sweep: Sweep,
}

impl Ended {
    /// Returns a key that is unique for this end of this run: the same in each attempt of the follow-up, and in each copy.
    ///
    /// A follow-up with an effect outside, which may be attempted twice, can pass it on to be idempotent.
    #[must_use]
    #[doc(alias = "idempotency_key")]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Returns the id that the caller gave to the run.
    #[must_use]
    pub fn job_id(&self) -> &str {
        &self.job_id
    }

    /// Returns the registered name of the job.
    #[must_use]
    pub fn job(&self) -> &'static str {
        self.call.name()
    }

    /// Returns how the job ended, as [`follow_up_on`](crate::Job::follow_up_on) names it.
    #[must_use]
    pub fn cause(&self) -> Cause {
        self.cause
    }

    /// Returns the status in the job's record.
    #[must_use]
    pub fn status(&self) -> Status {
        match self.cause {
            Cause::Ok => Status::Ok,
            Cause::Timeout => Status::Timeout,
            _ => Status::Error,
        }
    }

    /// Returns one line with the reason why there is no result, and `None` if there is one.
    #[must_use]
    pub fn error(&self) -> Option<&str> {
        self.error.as_deref()
    }

    /// Returns the timeout of the job, or that of its whole list if it was stopped by that one; `None` if it had none.
    #[must_use]
    pub fn limit(&self) -> Option<Duration> {
        self.limit
    }

    /// Returns how long the function ran in its last attempt; zero if it was not called.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.elapsed
    }

    /// Returns the number of the last attempt, from 1.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Returns when the function was called, by the wall clock, in the last attempt; `None` if it was not called.
    #[must_use]
    pub fn started_at(&self) -> Option<SystemTime> {
        self.started_at
    }

    /// Returns when the job had ended, by the wall clock, with nothing left that it started.
    #[must_use]
    pub fn ended_at(&self) -> SystemTime {
        self.finished_at
    }

    /// Returns the last text, up to 8 KiB, that the job wrote to its standard error, as [`Record::stderr_tail`] does.
    ///
    /// [`Record::stderr_tail`]: crate::Record::stderr_tail
    #[must_use]
    pub fn stderr_tail(&self) -> &str {
        &self.stderr_tail
    }

    /// Returns the [captured](macro@crate::job#stdout-and-stderr) output; `None` if nothing was captured.
    #[must_use]
    pub fn output(&self) -> Option<&Captured> {
        self.output.as_ref()
    }

    /// Returns the first panics of the job's threads that are not the failure, as [`Record::panics`](crate::Record::panics) does.
    #[must_use]
    pub fn panics(&self) -> &[Panic] {
        &self.panics
    }

    /// Returns the last [checkpoint](crate::this_job::checkpoint) that the job saved, in this attempt or an earlier one; `None` if
    /// it saved none.
    ///
    /// # Errors
    ///
    /// Fails with [`is_checkpoint`](Error::is_checkpoint) if a value of another type was saved.
    pub fn checkpoint<T: DeserializeOwned + 'static>(&self) -> Result<Option<T>, Error> {
        self.checkpoint.as_ref().map(Checkpoint::get).transpose()
    }

    /// Returns where the job was when it was stopped, as [`Record::stacks`](crate::Record::stacks) does: empty unless the option
    /// [`stacks`](macro@crate::job#stacks) is set. Names and lines are looked up where they are asked for: in the follow-up.
    #[must_use]
    pub fn stacks(&self) -> &[ProcessSnapshot] {
        &self.stacks
    }

    /// Returns the processor time and memory that the job used.
    #[must_use]
    pub fn usage(&self) -> Usage {
        self.usage
    }

    /// Returns the processes that the job left running.
    #[must_use]
    pub fn sweep(&self) -> &Sweep {
        &self.sweep
    }

    /// Returns the same call again: the job, its arguments and its options, to be run with a longer limit, or kept.
    ///
    /// It [serializes](AnyJob), so that a follow-up can return it, and the application can run it. It begins anew: to go on from
    /// the last checkpoint, call [`resume_from`](AnyJob::resume_from) with this `Ended`. What exists only in the process that made
    /// the call is not part of it: inherited descriptors, a follow-up that the call itself set, and the parts of a chain.
    ///
    /// A follow-up that the attribute sets is part of it. A follow-up job that runs the call itself sets
    /// [`follow_up_on([])`](AnyJob::follow_up_on), or a job that is stopped again is followed up again, without an end.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use scheduler::{job, jobs, AnyJob, Ended, Scheduler};
    ///
    /// /// Has the job run again without haste.
    /// #[job(timeout = "10s")]
    /// fn again(ended: Ended) -> AnyJob { ended.rerun().timeout(Duration::from_secs(60)) }
    ///
    /// #[job(timeout = "150ms", follow_up = again)]
    /// fn slow(millis: u64) -> u64 {
    ///     std::thread::sleep(Duration::from_millis(millis));
    ///     millis
    /// }
    ///
    /// #[scheduler::main]
    /// fn main() -> Result<(), scheduler::Error> {
    ///     let scheduler = Scheduler::new();
    ///     let records = scheduler.run(jobs![("a", slow(400))])?;
    ///     let call: AnyJob = records[0].follow_ups()[0].result()?;
    ///     assert_eq!(scheduler.run([("a, once more", call)])?[0].result::<u64>()?, 400);
    ///     Ok(())
    /// }
    /// ```
    pub fn rerun(&self) -> AnyJob {
        self.call.clone()
    }

    /// Returns the arguments of the call as JSON, as [`AnyJob::arguments_json`] does: so the input that hung can be kept. Needs the
    /// feature `json`.
    ///
    /// # Errors
    ///
    /// As [`AnyJob::arguments_json`].
    #[cfg(feature = "json")]
    pub fn arguments_json(&self) -> Result<String, Error> {
        self.call.arguments_json()
    }
}

impl HoldsCheckpoint for Ended {
    fn held(&self) -> Option<&Checkpoint> {
        self.checkpoint.as_ref()
    }
}

impl fmt::Debug for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ended")
            .field("job_id", &self.job_id)
            .field("call", &self.call)
            .field("cause", &self.cause)
            .field("error", &self.error)
            .field("attempt", &self.attempt)
            .finish_non_exhaustive()
    }
}
