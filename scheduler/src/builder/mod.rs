//! `Scheduler`: calls in, records out.

mod spawn;
mod together;

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use crate::call::AnyJob;
use crate::error::Error;
use crate::follow_up::{CallFollowUp, FollowUp, NoFollowUp, TimedOut};
use crate::into_job::ListedJob;
use crate::options::StartMethod;
use crate::options::{Containment, Options, option_setters};
use crate::process::Orphans;
use crate::record::Record;
use crate::recorder::Recorder;
use crate::running::Running;
use crate::settings::Settings;
use crate::spawner::Spawner;
use crate::supervisor::{EventDetail, ListThread, SharedPool, supervise};

/// Runs lists of jobs: how many at a time, for how long, and what happens on a timeout.
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
/// #[job(timeout = "50ms")]
/// fn hang() { loop { std::thread::park() } }
///
/// #[scheduler::main]
/// fn main() -> Result<(), scheduler::Error> {
///     let late = std::cell::RefCell::new(Vec::new());
///     let records = Scheduler::new()
///         .timeout(Duration::from_secs(10))
///         .concurrency(2)
///         .on_timeout(|timed_out| {
///             late.borrow_mut().push(timed_out.job_id().to_owned());
///             Ok::<(), std::io::Error>(())
///         })
///         .run(jobs![("a", square(12)), ("b", hang), ("c", square(13))])?;
///
///     assert_eq!(records[0].result::<u64>()?, 144);
///     assert_eq!(records[1].status(), Status::Timeout);
///     assert_eq!(records[2].result::<u64>()?, 169);
///     assert_eq!(*late.borrow(), ["b"]);
///     Ok(())
/// }
/// ```
#[must_use = "a scheduler does nothing until it is given jobs to run"]
pub struct Scheduler<F = NoFollowUp> {
    settings: Settings,
    /// Where its fork servers are between the lists.
    shared_pool: SharedPool,
    /// Where the jobs are that were spawned.
    spawner: Spawner,
    /// Shared with the lists that are under way.
    follow_up: Arc<F>,
}

impl Scheduler {
    /// Returns a scheduler that runs one job at a time, without a limit but for the jobs' own, and follows nothing up.
    pub fn new() -> Self {
        Self {
            settings: Settings::default(),
            shared_pool: SharedPool::default(),
            spawner: Spawner::default(),
            follow_up: Arc::new(NoFollowUp),
        }
    }
}

impl<F> Scheduler<F> {
    option_setters!("every job that isn't told otherwise");

    fn options_mut(&mut self) -> &mut Options {
        &mut self.settings.options
    }

    /// Returns the settings to change something that holds for all jobs together: what was spawned so far goes on under
    /// those of before, by itself.
    fn settings_mut(&mut self) -> &mut Settings {
        self.spawner = Spawner::default();
        &mut self.settings
    }

    /// Sets the timeout of every job that has none of its own.
    ///
    /// It counts from the moment at which the function is called. A call's own timeout, and then the attribute's, come
    /// before it, whether shorter or longer. `Duration::MAX` is no limit; zero is an error when the jobs are to run.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.settings.options.timeout = Some(timeout);
        self
    }

    /// Sets a timeout that no job may exceed, whatever its own.
    pub(crate) fn ceiling(mut self, ceiling: Duration) -> Self {
        self.settings.ceiling = Some(ceiling);
        self
    }

    /// Sets how long a job may take to start: from the making of its process to the call of its function. 30 seconds
    /// unless set.
    ///
    /// A job that takes longer is recorded as [`Failure::NeverStarted`](crate::Failure::NeverStarted).
    /// The first fork server has this limit as well; if it is late, each job waits for one of its own. Zero is an error when
    /// the jobs are to run.
    pub fn start_timeout(mut self, start_timeout: Duration) -> Self {
        self.settings.start_timeout = start_timeout;
        self
    }

    /// Sets how long a job may take, once its function has returned, until its outcome begins to arrive, and how long that may
    /// stand still then. 30 seconds unless set.
    ///
    /// The timeout of a job is that of its function: what encodes the result, or writes the error, has this limit. A job that
    /// exceeds it is killed, and recorded as [`Failure::Undelivered`](crate::Failure::Undelivered). Zero is an error when
    /// the jobs are to run.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use scheduler::{job, jobs, Scheduler};
    ///
    /// #[job(timeout = "10s")]
    /// fn table() -> Vec<u64> { (0..1_000_000).collect() }
    ///
    /// #[scheduler::main]
    /// fn main() -> Result<(), scheduler::Error> {
    ///     let records = Scheduler::new().delivery_timeout(Duration::from_secs(60)).run(jobs![("a", table)])?;
    ///     assert_eq!(records[0].result::<Vec<u64>>()?.len(), 1_000_000);
    ///     Ok(())
    /// }
    /// ```
    pub fn delivery_timeout(mut self, delivery_timeout: Duration) -> Self {
        self.settings.delivery_timeout = delivery_timeout;
        self
    }

    /// Sets how many jobs run at a time: 1 unless set. Records come in input order all the same.
    ///
    /// Each takes about five descriptors and two processes. Where there are no more to be had, fewer run at a time: for a
    /// thousand, raise the limit on descriptors first. Zero is an error when the jobs are to run.
    pub fn concurrency(mut self, concurrency: usize) -> Self {
        self.settings_mut().concurrency = concurrency;
        self
    }

    /// Sets how the processes of jobs come to be: [`StartMethod::Exec`] unless set.
    pub fn start_method(mut self, start_method: StartMethod) -> Self {
        self.settings_mut().start_method = start_method;
        self.shared_pool = SharedPool::default();
        self
    }

    /// Sets whether each run gets a cgroup of its own: [`Containment::None`] unless set.
    ///
    /// With a cgroup no storm of processes takes longer to be ended than the kernel takes. The group is made below the
    /// application's own one, under a name that begins with `scheduler-`, and removed before the record is there. Where one is
    /// asked for and can't be had, that is an error when the jobs are to run.
    ///
    /// # Platform
    ///
    /// Linux; see [`Containment`].
    pub fn containment(mut self, containment: Containment) -> Self {
        self.settings_mut().containment = containment;
        self
    }

    /// Says that this process may adopt what is left of jobs whose warden was lost, and end it.
    ///
    /// The warden, a small process between this one and the job, ends all that the job started. Should it be killed
    /// itself, by the job or by an operator, the job dies with it, and the rest is found as far as it goes: by an
    /// environment variable that it inherited, `SCHEDULER_RUN`, and by the job's session. What has left both is found
    /// only if orphans become children of this process.
    ///
    /// # Platform
    ///
    /// On Linux [`run`](Self::run) then makes this process a subreaper, and leaves it one. **Any child of this process
    /// that is no warden is taken for a job's**, once a warden was lost: call this only in an application that starts no
    /// process by other means.
    pub fn adopt_orphans(mut self) -> Self {
        self.settings.orphans = Orphans::Adopted;
        self
    }

    /// Has `follow_up` called at once, in this process and on the thread that called [`run`](Self::run), when a job has
    /// been stopped at its timeout; with [`run_async`](Self::run_async), on the task that awaits it.
    ///
    /// While it runs no other job is started, unless the concurrency is more than 1. If it fails or panics, no further job is
    /// started, and [`run`](Self::run) fails with its error.
    pub fn on_timeout<G, E>(self, follow_up: G) -> Scheduler<G>
    where
        G: Fn(&TimedOut<'_>) -> Result<(), E>,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        Scheduler {
            settings: self.settings,
            shared_pool: self.shared_pool,
            spawner: Spawner::default(),
            follow_up: Arc::new(follow_up),
        }
    }
}

impl<F: FollowUp> Scheduler<F> {
    /// Runs the jobs and returns their records, one for each, in the order of the jobs.
    ///
    /// Returns once all are over and nothing that they started is left. [`jobs!`](crate::jobs) builds the list.
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
    /// - if a fork server is wanted and can't be had ([`StartMethod::ForkServer`]),
    /// - if this process has other rights than whoever started it, by set-user-ID or file capabilities;
    ///
    /// and later with [`is_follow_up`](Error::is_follow_up) if the follow-up failed or panicked. The records that were finished
    /// by then are in [`into_records`](Error::into_records).
    pub fn run(&self, jobs: impl IntoIterator<Item: ListedJob>) -> Result<Vec<Record>, Error> {
        run(&self.settings, &self.shared_pool, jobs.into_iter().map(ListedJob::into_listed).collect(), &*self.follow_up)
    }

    /// Runs the jobs as [`run`](Self::run) does, while the future that is returned is awaited, and blocks nobody.
    ///
    /// Nothing is started before it is first polled. From then on a thread of its own watches over the jobs, so that it
    /// needs no runtime, and every deadline is kept whoever is busy. Follow-ups are called, and results are decoded, on the
    /// task that awaits it. A follow-up has its time there as in [`run`](Self::run): unless the concurrency is more than
    /// 1, no other job is started until it has returned. A timeout waits up to 30 seconds for the poll in which it is followed
    /// up; after that the list goes on without.
    ///
    /// The future can be spawned on any executor: it borrows nothing from the scheduler, and is `Send` where the follow-up
    /// is `Send` and `Sync`.
    ///
    /// **To drop it is to kill what it runs.** At once no further job is started, and those that run are killed with everything
    /// that they started, also those that have a [grace period](macro@crate::job#grace). The drop returns at once; the thread
    /// sees to the kill, and exits afterwards.
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
    ///     // Given up: the job is killed.
    ///     let patience = Duration::from_millis(50);
    ///     let given_up = tokio::time::timeout(patience, Scheduler::new().run_async(jobs![("c", hang)]));
    ///     assert!(given_up.await.is_err());
    ///     Ok(())
    /// }
    /// ```
    pub fn run_async(&self, jobs: impl IntoIterator<Item: ListedJob>) -> Running<F> {
        Running::new(
            self.settings.clone(),
            self.shared_pool.clone(),
            jobs.into_iter().map(ListedJob::into_listed).collect(),
            Arc::clone(&self.follow_up),
        )
    }
}

fn run(
    settings: &Settings,
    shared_pool: &SharedPool,
    jobs: Vec<(String, AnyJob)>,
    follow_up: &dyn CallFollowUp,
) -> Result<Vec<Record>, Error> {
    let specs = settings.specs(&jobs)?;
    if specs.is_empty() {
        return Ok(Vec::new());
    }
    let (open, rules) = (settings.pool(shared_pool)?, settings.rules()?);
    let mut recorder = Recorder::open(jobs, settings.observers.clone());
    if rules.concurrency == NonZeroUsize::MIN && rules.detail == EventDetail::FinishedOnly {
        let mut pool = open()?;
        let supervised = supervise(specs, &mut pool, &rules, |index, event| recorder.enter(index, event, follow_up));
        shared_pool.keep(pool);
        supervised?;
        return recorder.close();
    }
    // A follow-up or an observer that takes its time must delay nobody's deadline.
    let theirs = shared_pool.clone();
    let mut watch = ListThread::start(specs, open, move |pool| theirs.keep(pool), rules)?;
    while let Some(told) = watch.wait() {
        if recorder.enter(told.index, told.event, follow_up).is_break() {
            watch.stop();
        }
    }
    if let Some(error) = watch.failure() {
        return Err(error);
    }
    recorder.close()
}

impl Default for Scheduler {
    fn default() -> Self {
        Self::new()
    }
}

impl<F> fmt::Debug for Scheduler<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Settings { options, start_timeout, delivery_timeout, concurrency, start_method, orphans, .. } =
            &self.settings;
        f.debug_struct("Scheduler")
            .field("options", options)
            .field("start_timeout", start_timeout)
            .field("delivery_timeout", delivery_timeout)
            .field("concurrency", concurrency)
            .field("start_method", start_method)
            .field("orphans", orphans)
            .finish_non_exhaustive()
    }
}
