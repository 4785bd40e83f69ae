//! `ProcessReuse`: what became of a job's process that may serve several calls.

use serde::Serialize;

/// What became of the process of a job after its call, if it may serve several: with
/// [`StartMethod::Reuse`](crate::StartMethod::Reuse). A [`Record`](crate::Record::reuse) and a [`Run`](crate::Run::reuse) have it.
///
/// # Examples
///
/// ```
/// use scheduler::{job, jobs, ProcessReuse, Scheduler, StartMethod};
///
/// #[job]
/// fn work(is_careless: bool) {
///     if is_careless {
///         std::thread::spawn(|| loop { std::thread::park() });
///     }
/// }
///
/// #[scheduler::main]
/// fn main() -> Result<(), scheduler::Error> {
///     if !cfg!(target_os = "linux") {
///         return Ok(()); // Elsewhere a process serves one call.
///     }
///     let scheduler = Scheduler::new().start_method(StartMethod::Reuse { calls: 100 });
///     let records = scheduler.run(jobs![("a", work(false)), ("b", work(true)), ("c", work(false))])?;
///     assert_eq!(records[0].reuse(), Some(&ProcessReuse::Kept));
///     let Some(ProcessReuse::Replaced { reason, .. }) = records[1].reuse() else { panic!() };
///     assert_eq!(reason, "it has left a thread");
///     assert_eq!(records[0].process(), records[1].process());
///     assert_ne!(records[1].process(), records[2].process());
///     Ok(())
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ProcessReuse {
    /// It waits for another call, which need not be of the same job.
    Kept,
    /// It has ended, and the next call has a new one.
    #[non_exhaustive]
    Replaced {
        /// Why, as a clause about the process, such as "it has left a thread".
        reason: String,
    },
}
