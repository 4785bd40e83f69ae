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
    /// The binary is re-executed for every job.
    #[default]
    Exec,
}
