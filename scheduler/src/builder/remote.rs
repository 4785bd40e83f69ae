//! `Scheduler::on`: jobs that run on other machines.

use std::sync::Arc;

use super::Scheduler;
use crate::remote::{Engine, SlotPool};

impl<F> Scheduler<F> {
    /// Runs the jobs at slots on other machines: in a Slurm cluster ([`remote::Slurm`](crate::remote::Slurm)), on hosts behind `ssh`
    /// ([`remote::Ssh`](crate::remote::Ssh)), or behind any command that carries bytes
    /// ([`remote::Command`](crate::remote::Command)). [`remote`](crate::remote) explains what that means for a job.
    ///
    /// The [`concurrency`](Self::concurrency) is the number of slots. They open when they are first needed, or at
    /// [`prewarm`](Self::prewarm), and stay open until the scheduler is dropped, which waits until none of their clients is left. All
    /// else is as on this machine: limits, retries, groups, observers, follow-ups, journals.
    ///
    /// # Errors
    ///
    /// A method that runs jobs fails if the slots' settings are invalid, or if the scheduler has settings that are about this machine:
    /// [`adopt_orphans`](Self::adopt_orphans), [`max_load`](Self::max_load) and [`min_free_memory`](Self::min_free_memory). A job
    /// that [inherits a descriptor](macro@crate::job#inherit_fd) is refused as well.
    ///
    /// # Examples
    ///
    /// ```
    /// use scheduler::{job, jobs, remote, Scheduler};
    ///
    /// #[job(timeout = "10s")]
    /// fn solve(size: u32) -> u32 { size * size }
    ///
    /// #[scheduler::main]
    /// fn main() -> Result<(), scheduler::Error> {
    ///     // Two copies of this binary on this machine; one line to change for those on others.
    ///     let slots = remote::Command::new(|slot| slot.agent_argv());
    ///     let scheduler = Scheduler::new().concurrency(2).on(slots);
    ///     let records = scheduler.run(jobs![("J1", solve(3)), ("J2", solve(4)), ("J3", solve(5))])?;
    ///     assert_eq!(records[2].result::<u32>()?, 25);
    ///     assert!(records.iter().all(|record| record.slot().is_some_and(|slot| slot <= 2)));
    ///     Ok(())
    /// }
    /// ```
    #[doc(alias = "cluster")]
    #[doc(alias = "distributed")]
    #[doc(alias = "ssh")]
    #[doc(alias = "slurm")]
    pub fn on(mut self, engine: impl Engine) -> Self {
        self.settings_mut().slots = Some(Arc::new(SlotPool::new(engine)));
        self
    }
}
