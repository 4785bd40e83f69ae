//! The methods that run jobs: `run`, `map`, `run_async` and `spawn`.

use std::num::NonZeroUsize;
use std::sync::Arc;

use super::Scheduler;
use crate::call::{AnyJob, Job};
use crate::error::Error;
use crate::follow_up::{CallFollowUp, FollowUp};
use crate::handle::Handle;
use crate::into_job::{IntoJob, ListedJob};
use crate::record::{Record, Run};
use crate::recorder::Recorder;
use crate::running::Running;
use crate::settings::Settings;
use crate::supervisor::{EventDetail, ListEvent, ListThread, SharedPool, supervise};

/// # Running jobs
impl<F: FollowUp> Scheduler<F> {
    /// Runs the jobs and returns their records, one for each, in the order of the jobs.
    ///
    /// Returns once all have finished and nothing that they started is left. The list is anything that iterates over pairs
    /// of an id and a call: [`jobs!`](crate::jobs), an array, a `Vec`. The same id may appear twice.
    ///
    /// # Errors
    ///
    /// A job that fails, dies or overruns is a record, not an error. Fails, before anything is started,
    ///
    /// - with [`is_invalid_timeout`](Error::is_invalid_timeout) if a timeout is zero,
    /// - with [`is_invalid_setting`](Error::is_invalid_setting) if the concurrency is zero, or a job has a group without a
    ///   [limit](Self::limit_group),
    /// - with [`is_invalid_jobs`](Error::is_invalid_jobs) if two jobs are registered under one name,
    /// - with [`is_not_initialised`](Error::is_not_initialised) if this process never reached [`init`](crate::init),
    /// - if a fork server is required and can't be made ([`StartMethod::ForkServer`](crate::StartMethod::ForkServer)),
    /// - if this process has other rights than the user who started it, by set-user-ID or file capabilities;
    ///
    /// and later with [`is_follow_up`](Error::is_follow_up) if the follow-up failed or panicked. The records that were
    /// finished before are in [`into_records`](Error::into_records).
    ///
    /// # Examples
    ///
    /// ```
    /// use scheduler::{job, jobs, Scheduler};
    ///
    /// #[job]
    /// fn square(n: u64) -> u64 { n * n }
    ///
    /// #[scheduler::main]
    /// fn main() -> Result<(), scheduler::Error> {
    ///     let scheduler = Scheduler::new();
    ///     let records = scheduler.run(jobs![("a", square(12)), ("b", square(13))])?;
    ///     assert_eq!(records[1].result::<u64>()?, 169);
    ///
    ///     let records = scheduler.run([("a", square::job(12))])?;
    ///     assert_eq!(records[0].result::<u64>()?, 144);
    ///
    ///     let mut list = Vec::new();
    ///     for n in 1..4 {
    ///         list.push((format!("square of {n}"), square::job(n)));
    ///     }
    ///     let records = scheduler.run(list)?;
    ///     assert_eq!(records[2].job_id(), "square of 3");
    ///     Ok(())
    /// }
    /// ```
    #[doc(alias = "run_all")]
    #[doc(alias = "batch")]
    pub fn run(&self, jobs: impl IntoIterator<Item: ListedJob>) -> Result<Vec<Record>, Error> {
        run(&self.settings, &self.shared_pool, listed(jobs), &*self.follow_up)
    }

    /// Runs one job for each of the inputs and returns the runs, with their values, in the order of the inputs.
    ///
    /// The jobs are a list, with the scheduler's concurrency, observers and follow-up, as for [`run`](Self::run). The id of
    /// a run is the job's name and the index of its input, such as `my_crate::square[0]`.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run).
    ///
    /// # Examples
    ///
    /// ```
    /// use scheduler::{job, Outcome, Scheduler};
    ///
    /// #[job]
    /// fn square(n: u64) -> u64 { n * n }
    ///
    /// #[job]
    /// fn divide(a: u64, b: u64) -> Result<u64, String> { a.checked_div(b).ok_or("division by zero".into()) }
    ///
    /// #[scheduler::main]
    /// fn main() -> Result<(), scheduler::Error> {
    ///     let scheduler = Scheduler::new().concurrency(4);
    ///     for (n, run) in scheduler.map(square::job, 0..8)?.into_iter().enumerate() {
    ///         assert_eq!(run.outcome, Outcome::Ok(n as u64 * n as u64));
    ///     }
    ///
    ///     let runs = scheduler.map(|(a, b)| divide::job(a, b), [(6, 2), (1, 0)])?;
    ///     assert_eq!(runs[0].outcome, Outcome::Ok(3));
    ///     assert!(matches!(runs[1].outcome, Outcome::Error(_)));
    ///     Ok(())
    /// }
    /// ```
    #[doc(alias = "starmap")]
    #[doc(alias = "par_iter")]
    pub fn map<I, T>(
        &self,
        job: impl Fn(I) -> Job<T>,
        inputs: impl IntoIterator<Item = I>,
    ) -> Result<Vec<Run<T>>, Error> {
        let jobs: Vec<_> = inputs.into_iter().map(job).collect();
        let decoders: Vec<_> = jobs.iter().map(|job| job.decode).collect();
        let named = |(index, job): (usize, Job<T>)| (format!("{}[{index}]", job.name()), job.call);
        let jobs = jobs.into_iter().enumerate().map(named).collect();
        let records = run(&self.settings, &self.shared_pool, jobs, &*self.follow_up)?;
        Ok(records.into_iter().zip(decoders).map(|(record, decode)| Run::of(record.run, decode)).collect())
    }

    /// Runs the jobs as [`run`](Self::run) does, while the returned future is awaited, without blocking its thread.
    ///
    /// Nothing is started before the first poll. A thread of its own supervises the jobs from then on: the future needs no
    /// runtime, and a busy executor delays no timeout. Follow-ups are called, and results are decoded, on the task that
    /// awaits the future. As in [`run`](Self::run), no other job is started until a follow-up returns, unless the
    /// concurrency is more than 1. After a timeout the list waits for up to 30 seconds for the poll that calls the
    /// follow-up, and then continues without it.
    ///
    /// The future can be spawned on any executor: it borrows nothing from the scheduler, and is `Send` if the follow-up
    /// is `Send` and `Sync`.
    ///
    /// **Dropping the future kills the jobs that it runs**, with everything that they started, even in a
    /// [grace period](macro@crate::job#grace), and starts no further job. The drop returns at once; the thread kills the
    /// jobs, and exits afterwards.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run), when it is awaited.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use scheduler::{job, jobs, Scheduler, Status};
    ///
    /// #[job]
    /// fn square(n: u64) -> u64 { n * n }
    ///
    /// #[job]
    /// fn hang() { loop { std::thread::park() } }
    ///
    /// #[scheduler::main]
    /// #[tokio::main]
    /// async fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     let scheduler = Scheduler::new().timeout(Duration::from_millis(200));
    ///     let task = tokio::spawn(scheduler.run_async(jobs![("a", square(12)), ("b", hang)]));
    ///     // … the runtime is free for other tasks …
    ///     let records = task.await??;
    ///     assert_eq!(records[0].result::<u64>()?, 144);
    ///     assert_eq!(records[1].status(), Status::Timeout);
    ///
    ///     // Dropped after 50 milliseconds: the job is killed.
    ///     let running = Scheduler::new().run_async(jobs![("c", hang)]);
    ///     assert!(tokio::time::timeout(Duration::from_millis(50), running).await.is_err());
    ///     Ok(())
    /// }
    /// ```
    pub fn run_async(&self, jobs: impl IntoIterator<Item: ListedJob>) -> Running<F> {
        Running::new(self.settings.clone(), self.shared_pool.clone(), listed(jobs), Arc::clone(&self.follow_up))
    }
}

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
        self.spawn_as(job.name(), job)
    }

    /// Queues one job, as [`spawn`](Self::spawn) does, under the given id.
    ///
    /// # Errors
    ///
    /// As [`spawn`](Self::spawn).
    pub fn spawn_as<T>(&self, id: impl Into<String>, job: impl IntoJob<T>) -> Result<Handle<T>, Error> {
        self.spawn_within(None, id.into(), job.into_job())
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
        self.spawn_within(self.settings.queue_capacity, job.name().to_owned(), job)
    }

    fn spawn_within<T>(&self, capacity: Option<usize>, id: String, job: Job<T>) -> Result<Handle<T>, Error> {
        let Job { call, decode } = job;
        let follow_up = Arc::clone(&self.follow_up);
        let spawned = self.spawner.spawn((id, call), &self.settings, &self.shared_pool, follow_up, capacity)?;
        Ok(Handle::new(spawned, decode))
    }
}

fn listed(jobs: impl IntoIterator<Item: ListedJob>) -> Vec<(String, AnyJob)> {
    jobs.into_iter().map(ListedJob::into_listed).collect()
}

fn run(
    settings: &Settings,
    shared_pool: &SharedPool,
    jobs: Vec<(String, AnyJob)>,
    follow_up: &dyn CallFollowUp,
) -> Result<Vec<Record>, Error> {
    let specs = settings.specs(&jobs, shared_pool)?;
    if specs.is_empty() {
        return Ok(Vec::new());
    }
    let (mut pool, config) = (settings.pool(shared_pool)?, settings.loop_config()?);
    let mut recorder = Recorder::new(jobs, settings.observers.clone());
    if config.concurrency == NonZeroUsize::MIN && config.detail == EventDetail::FinishedOnly {
        supervise(specs, &mut pool, &config, |index, event| recorder.handle(index, event, follow_up))?;
        return recorder.finish();
    }
    // On a thread of its own, so that a slow follow-up or observer delays no deadline.
    let mut list = ListThread::start(specs, pool, config)?;
    while let Some(ListEvent { index, event, follow_up_turn }) = list.recv() {
        if recorder.handle(index, event, follow_up).is_break() {
            list.stop();
        }
        drop(follow_up_turn);
    }
    if let Some(error) = list.failure() {
        return Err(error);
    }
    recorder.finish()
}
