//! `StartMethod`: how a job's process comes to be.

/// How a job's process comes to be, for [`Scheduler::start_method`](crate::Scheduler::start_method).
///
/// The words are those of Python's `multiprocessing`.
///
/// # Examples
///
/// ```
/// use scheduler::{job, jobs, Scheduler, StartMethod};
///
/// #[job]
/// fn quick() -> u8 { 1 }
///
/// #[scheduler::main]
/// fn main() -> Result<(), scheduler::Error> {
///     let records = Scheduler::new().start_method(StartMethod::Exec).run(jobs![("a", quick)])?;
///     assert_eq!(records[0].result::<u8>()?, 1);
///     Ok(())
/// }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StartMethod {
    /// The binary is re-executed for every job: about what it costs to execute it, a millisecond or more. While a job runs,
    /// the next one's process is started ahead, up to [`init`](crate::init), where there is more than one core.
    #[default]
    Exec,
    /// The binary is re-executed once, and that copy forks a fresh process for every job: about what a fork costs, a tenth
    /// of an execution. With a [concurrency](crate::Scheduler::concurrency) of n there are up to n such copies for the jobs
    /// that run, and up to n more, but no more than there are cores, for the processes that are made ahead. They stay
    /// as long as the scheduler does, and see the environment and the working directory as these were when they were
    /// started. All else, what is killed and what is recorded, is as with `Exec`.
    ///
    /// # Platform
    ///
    /// Linux. A process with threads can't safely fork: where other threads run in a copy of this binary when it reaches
    /// [`init`](crate::init), [`Scheduler::run`](crate::Scheduler::run) fails with an [`Error`](crate::Error) that says so,
    /// before any job is started.
    ForkServer,
    /// `ForkServer` where it can be had, else `Exec`.
    Auto,
}
