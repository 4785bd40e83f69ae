//! The journal of a scheduler.

use super::Scheduler;
use crate::journal::Journal;

/// # Journal
impl<F> Scheduler<F> {
    /// Sets the [journal](Journal) in which lists keep their jobs, so that they go on where they were if the application is killed
    /// and started again. A second journal replaces the first.
    ///
    /// It serves [`run`](Self::run), [`run_async`](Self::run_async), [`map`](Self::map), [`stream`](Self::stream),
    /// [`first_ok`](Self::first_ok) and [`spawn_as`](Self::spawn_as). Jobs that are spawned without an id are not in it: equal requests
    /// are different jobs.
    ///
    /// # Examples
    ///
    /// ```
    /// use scheduler::journal::Journal;
    /// use scheduler::{job, jobs, Scheduler};
    ///
    /// #[job]
    /// fn square(n: u64) -> u64 { n * n }
    ///
    /// #[scheduler::main]
    /// fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     let folder = tempfile::tempdir()?;
    ///     for is_second_time in [false, true] {
    ///         let journal = Journal::open(folder.path().join("run.journal"))?;
    ///         let records = Scheduler::new().journal(journal).run(jobs![("a", square(12))])?;
    ///         assert_eq!(records[0].result::<u64>()?, 144);
    ///         assert_eq!(records[0].is_replayed(), is_second_time);
    ///     }
    ///     Ok(())
    /// }
    /// ```
    #[doc(alias = "resume")]
    #[doc(alias = "checkpoint")]
    pub fn journal(mut self, journal: Journal) -> Self {
        self.settings_mut().journal = Some(journal);
        self
    }
}
