//! The methods that spawn single jobs: `spawn`, `spawn_as` and `try_spawn`.

use super::Scheduler;
use crate::call::Job;
use crate::error::Error;
use crate::follow_up::FollowUp;
use crate::handle::Handle;
use crate::into_job::IntoJob;
use crate::spawner::{Journaling, SharedFollowUp, SpawnRequest};

/// # Spawning jobs
impl<F: FollowUp + Send + Sync + 'static> Scheduler<F> {
    /// Queues one job, and returns a [handle](Handle) to it at once.
    ///
    /// Spawned jobs share the scheduler's concurrency, groups and priorities with each other: jobs of lists that run at
    /// the same time are not counted. The id of the run is the job's name.
    ///
    /// One thread supervises all spawned jobs; it starts with the first job, and exits when none is left.
    /// [Observers](Self::observer) and a [follow-up](Self::on_timeout) are called on a second thread.
    ///
    /// # Errors
    ///
    /// Fails as [`run`](Self::run) does, before anything is started. That a required fork server can't be made is known
    /// later: then [`Handle::wait`] fails.
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
    #[doc(alias = "submit")]
    #[doc(alias = "start")]
    pub fn spawn<T>(&self, job: impl IntoJob<T>) -> Result<Handle<T>, Error> {
        let job = job.into_job();
        self.spawn_within(None, job.name().to_owned(), job, Journaling::Never)
    }

    /// Queues one job, as [`spawn`](Self::spawn) does, under the given id.
    ///
    /// With a [journal](Self::journal) the id also says which job it is: if an earlier run of the application has finished the job of
    /// this id, with the same arguments, its result comes back without running.
    ///
    /// # Errors
    ///
    /// As [`spawn`](Self::spawn).
    pub fn spawn_as<T>(&self, id: impl Into<String>, job: impl IntoJob<T>) -> Result<Handle<T>, Error> {
        self.spawn_within(None, id.into(), job.into_job(), Journaling::ById)
    }

    /// Queues one job, as [`spawn`](Self::spawn) does, unless the queue is full: if as many spawned jobs wait as
    /// [`queue_capacity`](Self::queue_capacity) allows, beside those that run.
    ///
    /// A service refuses a request then, instead of letting it wait behind all others.
    ///
    /// # Errors
    ///
    /// Fails with [`is_queue_full`](Error::is_queue_full) if the queue is full, and as [`spawn`](Self::spawn).
    ///
    /// # Examples
    ///
    /// ```
    /// use scheduler::{job, Scheduler};
    ///
    /// #[job]
    /// fn hang() { loop { std::thread::park() } }
    ///
    /// #[scheduler::main]
    /// fn main() -> Result<(), scheduler::Error> {
    ///     let scheduler = Scheduler::new().concurrency(2).queue_capacity(1);
    ///     // Two run, one waits.
    ///     let handles: Result<Vec<_>, _> = (0..3).map(|_| scheduler.try_spawn(hang::job())).collect();
    ///     let handles = handles?;
    ///     assert!(scheduler.try_spawn(hang::job()).unwrap_err().is_queue_full());
    ///     # drop(handles);
    ///     Ok(())
    /// }
    /// ```
    #[doc(alias = "try_submit")]
    #[doc(alias = "backpressure")]
    pub fn try_spawn<T>(&self, job: impl IntoJob<T>) -> Result<Handle<T>, Error> {
        let job = job.into_job();
        self.spawn_within(self.settings.queue_capacity, job.name().to_owned(), job, Journaling::Never)
    }

    fn spawn_within<T>(
        &self,
        capacity: Option<usize>,
        job_id: String,
        job: Job<T>,
        journaling: Journaling,
    ) -> Result<Handle<T>, Error> {
        let Job { call, decode } = job;
        let request = SpawnRequest { job_id, call, journaling, capacity };
        let follow_up: SharedFollowUp = self.follow_up.clone();
        let spawned = self.spawner.spawn(request, &self.settings, &self.shared_pool, &follow_up)?;
        Ok(Handle::new(spawned, decode))
    }
}
