//! `StartMethod`: how the process of a job is made.

use serde::{Deserialize, Serialize};

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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
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
    /// about a quarter of an execution. With a [concurrency](crate::Scheduler::concurrency) of n there are up to n fork
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
    /// A job's process serves up to this many calls of its [`Scheduler`](crate::Scheduler), one after the other, which costs about a
    /// quarter of an execution. What the program keeps in memory, a cache, a model or an interpreter, is there for the next call.
    /// **So is what a call has broken there**: choose it for jobs that you trust, and that are slow to warm up. Every call still has
    /// its own hard limits, output and record, and is killed with all that it started.
    ///
    /// A process is used again only while it is clean. After a call that returned its value, the process is compared with what it
    /// was before its first call: its threads, child processes and open files; its working directory, environment variables and
    /// umask; how it handles signals; its timers, resource limits, priorities, credentials and seccomp filters; and whether its
    /// memory has grown by more than 256 MiB. If something differs, if the call panicked, failed, timed out, was cancelled or left
    /// a process behind, or if its options want a cgroup, a `temp_dir`, a `stdin` or inherited descriptors, the process ends, and the next
    /// call has a new one. [`Record::reuse`](crate::Record::reuse) has the reason. So does a call whose options for the environment,
    /// resource limits, `stacks` or `setup` differ from those of the process's other calls, or whose application has changed.
    ///
    /// Exit handlers run when the process ends, and no record has what goes wrong there.
    ///
    /// What a job is to keep open, such as a file or a connection, is opened before the comparison begins: in
    /// [`init_with`](crate::init_with) or the option [`setup`](macro@crate::job#setup), which run once for each process.
    /// [`this_job::is_first_call`](crate::this_job::is_first_call) tells a first call from a later one.
    ///
    /// At most as many processes are kept as jobs run at a time, until the scheduler is dropped. None is started before its job's
    /// turn, but with [`standby`](crate::Scheduler::standby).
    ///
    /// The idea is that of `max_tasks` in Python's pools, and of `worker_max_tasks_per_child` in Celery.
    ///
    /// # Platform
    ///
    /// Linux. Elsewhere [`Scheduler::run`](crate::Scheduler::run) fails with an [`Error`](crate::Error).
    Reuse {
        /// How many calls a process serves at most, from 1. Each leaves less than a kilobyte of this crate's in its memory.
        calls: u32,
    },
    /// `ForkServer` if the platform and the binary allow it, else `Exec`.
    Auto,
}
