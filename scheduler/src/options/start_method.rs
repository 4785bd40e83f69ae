//! `StartMethod`: how the process of a job is made.

/// How the process of a job is made, for [`Scheduler::start_method`](crate::Scheduler::start_method).
///
/// The names follow Python's `multiprocessing`, where `Exec` is `spawn`.
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
    /// The binary is re-executed for every job, which costs about one execution of it, a millisecond or more. While a job
    /// runs, the process of the next one is started ahead, up to [`init`](crate::init), if there is more than one core.
    ///
    /// On Linux a small process, which executes the binary and kills all that the job leaves, stays between the calls of a
    /// scheduler, until that is dropped or makes no call for ten seconds. A job never notices: it has the environment,
    /// working directory, limits, credentials and priorities that the application has at the call.
    #[default]
    Exec,
    /// The binary is re-executed once, and that copy, the fork server, forks a fresh process for every job, which costs
    /// about a tenth of an execution. With a [concurrency](crate::Scheduler::concurrency) of n there are up to n fork
    /// servers for the running jobs, and up to n more, at most one for each core, for processes that are made ahead. All
    /// calls of a scheduler share them, from any thread. After a call as many are kept as jobs may run at a time, as long
    /// as the scheduler exists. The environment and the working directory are those of the application at the call. If it
    /// has changed its limits, credentials, priorities or the like, other fork servers are started: see
    /// [`Scheduler::renew`](crate::Scheduler::renew). [`Scheduler::prewarm`](crate::Scheduler::prewarm) starts them before the first call. Kills and records are the same
    /// as with `Exec`.
    ///
    /// # Platform
    ///
    /// Linux. A process with threads can't safely fork: if a copy of this binary runs other threads when it reaches
    /// [`init`](crate::init), [`Scheduler::run`](crate::Scheduler::run) fails with an [`Error`](crate::Error) before any
    /// job is started.
    ForkServer,
    /// `ForkServer` if the platform and the binary allow it, else `Exec`.
    Auto,
}
