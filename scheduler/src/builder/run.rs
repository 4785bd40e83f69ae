//! The methods that run jobs: `run`, `map`, `stream`, `first_ok` and `run_async`.

use std::num::NonZeroUsize;
use std::sync::Arc;

use super::Scheduler;
use crate::call::{AnyJob, Job};
use crate::error::Error;
use crate::follow_up::{CallFollowUp, FollowUp};
use crate::into_job::ListedJob;
use crate::open_list::OpenList;
use crate::record::{Record, Run};
use crate::recorder::{RecordedList, Recorder};
use crate::running::Running;
use crate::settings::Settings;
use crate::stream::Stream;
use crate::supervisor::{EventDetail, ListThread, OnSuccess, Records, SharedPool, Submissions, supervise};

/// # Running jobs
impl<F: FollowUp> Scheduler<F> {
    /// Runs the jobs and returns their records, one for each, in the order of the jobs.
    ///
    /// Returns once all have finished and nothing that they started is left. Of a list that stops early, the jobs that didn't
    /// start have records as well, as [cancelled](crate::Failure::Cancelled). The list is anything that iterates over pairs
    /// of an id and a call: [`jobs!`](crate::jobs), an array, a `Vec`. The same id may appear twice. It is collected before the
    /// first job starts; a [`stream`](Self::stream) takes one that is long or endless.
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
    /// Inputs are drawn while the jobs run: at most twice as many as the [concurrency](Self::concurrency) are in flight, as
    /// in a [`stream`](Self::stream), so that a million inputs don't stand in memory. Their results do, as all of them are
    /// returned; a stream returns them one by one.
    ///
    /// As in a stream, no more inputs are drawn once a token is [drained](crate::CancelToken::drain) or cancelled, the
    /// [total timeout](Self::total_timeout) has passed, or [`on_failure`](Self::on_failure) stops the list: the runs are then
    /// those of the inputs that were drawn, which are the first ones, and there are fewer of them than inputs.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run). If the job of a later input turns out to be invalid, the jobs before it finish, no further one
    /// is drawn, and the records are in [`into_records`](Error::into_records).
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
    #[doc(alias = "buffered")]
    pub fn map<I, T>(
        &self,
        job: impl Fn(I) -> Job<T>,
        inputs: impl IntoIterator<Item = I>,
    ) -> Result<Vec<Run<T>>, Error> {
        // The first inputs are drawn below.
        self.settings.check()?;
        if self.settings.has_drained() {
            return Ok(Vec::new());
        }
        let mut decoders = Vec::new();
        let mut jobs = inputs.into_iter().map(job).enumerate().map(|(index, job)| {
            decoders.push(job.decode);
            (format!("{}[{index}]", job.name()), job.call)
        });
        let first: Vec<_> = jobs.by_ref().take(self.settings.window()).collect();
        let records = if first.len() < self.settings.window() {
            run(&self.settings, &self.shared_pool, first, &*self.follow_up)?
        } else {
            run_drawn(&self.settings, &self.shared_pool, &mut first.into_iter().chain(&mut jobs), &*self.follow_up)?
        };
        drop(jobs);
        Ok(records.into_iter().zip(decoders).map(|(record, decode)| Run::of(record.run, decode)).collect())
    }

    /// Runs the jobs, and returns an iterator over their records in the order in which they finish.
    ///
    /// The first jobs start at once, and further ones are drawn from their iterator while the records are taken, so that
    /// the jobs may be millions, or without end. [`Stream`] describes how many are in flight, and what ends a stream. It can
    /// be awaited as well: [`Stream::recv`].
    ///
    /// **Dropping the stream kills the running jobs**, and starts no more. Observers and the follow-up are called on the
    /// thread, or task, that takes the records. With a concurrency of 1 the next job starts after the follow-up of a timeout
    /// has returned, or 30 seconds later if no record is taken. After a drop [observers](crate::Observer) are notified on another
    /// thread, and the follow-up isn't called any more.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run), before anything is started, if the settings or one of the first jobs are invalid. Later the
    /// stream ends early, and [`Stream::error`] returns the reason.
    ///
    /// # Examples
    ///
    /// ```
    /// use scheduler::{job, Scheduler};
    ///
    /// #[job]
    /// fn collatz(n: u64) -> u32 {
    ///     let next = |n: &u64| Some(if n % 2 == 0 { n / 2 } else { 3 * n + 1 });
    ///     std::iter::successors(Some(n), next).position(|n| n == 1).unwrap_or(0) as u32
    /// }
    ///
    /// #[scheduler::main]
    /// fn main() -> Result<(), scheduler::Error> {
    ///     let scheduler = Scheduler::new().concurrency(4);
    ///     // Without an end: no more jobs run once a record of more than a hundred steps has come.
    ///     for record in scheduler.stream((1..).map(|n| (n.to_string(), collatz::job(n))))? {
    ///         if record.result::<u32>()? > 100 {
    ///             println!("{} takes a while", record.job_id());
    ///             break;
    ///         }
    ///     }
    ///     Ok(())
    /// }
    /// ```
    #[doc(alias = "imap_unordered")]
    #[doc(alias = "as_completed")]
    #[doc(alias = "buffer_unordered")]
    #[doc(alias = "JoinSet")]
    pub fn stream<J: IntoIterator<Item: ListedJob>>(&self, jobs: J) -> Result<Stream<J::IntoIter, F>, Error> {
        self.start_stream(jobs, OnSuccess::Continue)
    }

    /// Runs the jobs until one succeeds, cancels the others, and returns its record; if none succeeds, the records of all,
    /// in the order of the jobs.
    ///
    /// Running jobs are cancelled as by a [token](crate::CancelToken::cancel): they have their
    /// [grace period](macro@crate::job#grace). Returns once nothing that the jobs started is left. Jobs are drawn as in a
    /// [`stream`](Self::stream): with a concurrency of 1 each is a fallback for those before it.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run); the records are in [`into_records`](Error::into_records).
    ///
    /// # Examples
    ///
    /// ```
    /// use scheduler::{job, jobs, Scheduler};
    ///
    /// #[job]
    /// fn ask(mirror: String) -> Result<String, String> {
    ///     match mirror.as_str() {
    ///         "down" => Err("no answer".into()),
    ///         "slow" => loop { std::thread::park() },
    ///         _ => Ok(format!("the answer of {mirror}")),
    ///     }
    /// }
    ///
    /// #[scheduler::main]
    /// fn main() -> Result<(), scheduler::Error> {
    ///     let scheduler = Scheduler::new().concurrency(3);
    ///     let mirrors = ["down", "slow", "near"].map(|mirror| (mirror, ask::job(mirror.into())));
    ///     match scheduler.first_ok(mirrors)? {
    ///         Ok(record) => assert_eq!(record.result::<String>()?, "the answer of near"),
    ///         Err(failed) => panic!("none of the {} answers", failed.len()),
    ///     }
    ///     Ok(())
    /// }
    /// ```
    #[doc(alias = "select_ok")]
    #[doc(alias = "race")]
    #[doc(alias = "any")]
    #[doc(alias = "FIRST_COMPLETED")]
    pub fn first_ok(&self, jobs: impl IntoIterator<Item: ListedJob>) -> Result<Result<Record, Vec<Record>>, Error> {
        let mut stream = self.start_stream(jobs, OnSuccess::Stop)?;
        let (mut first, mut others) = (None, Vec::new());
        while let Some((index, record)) = stream.next_with_index() {
            if first.is_none() && record.status().is_ok() {
                stream.cancel();
                first = Some((index, record));
            } else {
                others.push((index, record));
            }
        }
        let error = stream.into_error();
        if let Some((_, record)) = first.take_if(|_| error.is_none()) {
            return Ok(Ok(record));
        }
        others.extend(first);
        let records = in_order(others);
        match error {
            Some(error) => Err(error.with_records(records)),
            None => Ok(Err(records)),
        }
    }

    fn start_stream<J: IntoIterator<Item: ListedJob>>(
        &self,
        jobs: J,
        on_success: OnSuccess,
    ) -> Result<Stream<J::IntoIter, F>, Error> {
        let follow_up = Arc::clone(&self.follow_up);
        Stream::start(&self.settings, &self.shared_pool, jobs.into_iter(), follow_up, on_success)
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
    /// jobs, and exits afterwards. [Observers](crate::Observer) are notified of what becomes of the jobs on another thread, after the
    /// drop; a timeout that was not followed up before the drop is not followed up any more.
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

fn listed(jobs: impl IntoIterator<Item: ListedJob>) -> Vec<(String, AnyJob)> {
    jobs.into_iter().map(ListedJob::into_listed).collect()
}

/// Returns the records in the order of their jobs.
fn in_order(mut records: Vec<(usize, Record)>) -> Vec<Record> {
    records.sort_by_key(|(index, _)| *index);
    records.into_iter().map(|(_, record)| record).collect()
}

/// Runs jobs that are drawn while they run, and returns their records in the order of the jobs.
fn run_drawn(
    settings: &Settings,
    shared_pool: &SharedPool,
    jobs: &mut dyn Iterator<Item = (String, AnyJob)>,
    follow_up: &dyn CallFollowUp,
) -> Result<Vec<Record>, Error> {
    let Some(mut list) = OpenList::start(settings, shared_pool, jobs, OnSuccess::Continue, follow_up.into())? else {
        return Ok(Vec::new());
    };
    let mut records = Vec::new();
    while let Some(record) = list.recv(jobs, follow_up) {
        records.push(record);
    }
    let records = in_order(records);
    match list.into_error() {
        Some(error) => Err(error.with_records(records)),
        None => Ok(records),
    }
}

fn run(
    settings: &Settings,
    shared_pool: &SharedPool,
    jobs: Vec<(String, AnyJob)>,
    follow_up: &dyn CallFollowUp,
) -> Result<Vec<Record>, Error> {
    let (specs, journaled) = settings.list(&jobs, shared_pool, follow_up.into())?;
    if specs.is_empty() {
        return Ok(Vec::new());
    }
    let (mut pool, config) = (settings.pool(shared_pool)?, settings.loop_config()?);
    let mut recorder = Recorder::new(jobs, settings.observers.clone(), settings.answers.clone(), journaled);
    if config.concurrency == NonZeroUsize::MIN && config.detail == EventDetail::FinishedOnly && !settings.is_remote() {
        supervise(specs, &mut pool, &config, |index, event| recorder.handle(index, event, follow_up))?;
        return recorder.finish();
    }
    // On a thread of its own, so that a slow follow-up or observer delays no deadline.
    let thread = ListThread::start(specs, pool, config, Submissions::Complete, Records::Collected)?;
    RecordedList::new(thread, recorder).wait(follow_up)
}
