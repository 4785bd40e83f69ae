//! `Scheduler::spawn`: one job, at once, and a handle to it.

use std::sync::Arc;

use super::Scheduler;
use crate::call::Job;
use crate::error::Error;
use crate::follow_up::FollowUp;
use crate::handle::Handle;
use crate::into_job::IntoJob;

impl<F: FollowUp + Send + Sync + 'static> Scheduler<F> {
    /// Puts one job in line, and returns a [handle](Handle) to it at once.
    ///
    /// What is spawned keeps to the scheduler's concurrency, groups and priorities, among itself: jobs of lists that run at
    /// the same time are not counted. The id of the run is the job's name.
    ///
    /// One thread watches over all that was spawned; it starts with the first job, and ends when none is left. If there
    /// are [observers](Self::observer), or a [follow-up](Self::on_timeout), these are called on a second one.
    ///
    /// # Errors
    ///
    /// Fails as [`run`](Self::run) does, before anything is started. With a fork server the first call waits until that is
    /// there.
    ///
    /// # Examples
    ///
    /// ```
    /// use scheduler::{job, Handle, Outcome, Scheduler};
    ///
    /// #[job]
    /// fn square(n: u64) -> u64 { n * n }
    ///
    /// #[scheduler::main]
    /// fn main() -> Result<(), scheduler::Error> {
    ///     let scheduler = Scheduler::new().concurrency(4);
    ///     let handles: Result<Vec<Handle<u64>>, _> = (0..8).map(|n| scheduler.spawn(square::job(n))).collect();
    ///     for (n, handle) in (0..8).zip(handles?) {
    ///         assert_eq!(handle.wait()?.outcome, Outcome::Ok(n * n));
    ///     }
    ///     Ok(())
    /// }
    /// ```
    pub fn spawn<T>(&self, job: impl IntoJob<T>) -> Result<Handle<T>, Error> {
        let job = job.into_job();
        self.spawn_as(job.call.name(), job)
    }

    /// Puts one job in line, as [`spawn`](Self::spawn) does, under this id.
    ///
    /// # Errors
    ///
    /// As [`spawn`](Self::spawn).
    pub fn spawn_as<T>(&self, id: impl Into<String>, job: impl IntoJob<T>) -> Result<Handle<T>, Error> {
        let Job { call, decode } = job.into_job();
        let follow_up = Arc::clone(&self.follow_up);
        let spawned = self.spawner.spawn((id.into(), call), &self.settings, &self.shared_pool, follow_up)?;
        Ok(Handle::new(spawned, decode))
    }
}
