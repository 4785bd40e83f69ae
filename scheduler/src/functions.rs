//! The functions for one job and for a list, on top of [`Scheduler`].

use std::future::poll_fn;
use std::path::Path;
use std::time::Duration;

use crate::builder::Scheduler;
use crate::call::AnyJob;
use crate::error::Error;
use crate::follow_up::FollowUpResult;
use crate::into_job::{IntoJob, ListedJob};
use crate::record::{Record, Run, RunReport};
use crate::settings::Settings;
use crate::supervisor::{JobEvent, ListThread, LoopConfig, Records, Submissions, supervise_one};

/// Runs one job in a process of its own, for at most `timeout`.
///
/// The timeout is a maximum: a shorter one that the call or the attribute sets applies, a longer one doesn't.
/// `Duration::MAX` means no maximum. A [grace period](macro@crate::job#grace) comes on top. Returns once the job has
/// finished and nothing that it started is left.
///
/// A job with [retries](macro@crate::job#retries) is retried; the timeout is that of each attempt. Its group and its
/// priority have no effect.
///
/// # Errors
///
/// A job that fails, dies or overruns is an [`Outcome`](crate::Outcome), not an error. Fails with
/// [`is_invalid_timeout`](Error::is_invalid_timeout) if the timeout is zero,
/// [`is_invalid_jobs`](Error::is_invalid_jobs) if two jobs are registered under one name, and
/// [`is_not_initialised`](Error::is_not_initialised) if this process never reached [`init`](crate::init).
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use scheduler::{job, run_job_with_timeout, Outcome, Status};
///
/// #[job]
/// fn fast_job() -> i32 { 42 }
///
/// #[job]
/// fn slow_job() { std::thread::sleep(Duration::from_secs(1000)) }
///
/// #[scheduler::main]
/// fn main() -> Result<(), scheduler::Error> {
///     let run = run_job_with_timeout(fast_job::job(), Duration::from_secs(10))?;
///     assert_eq!(run.outcome, Outcome::Ok(42));
///
///     let run = run_job_with_timeout(slow_job::job(), Duration::from_millis(100))?;
///     assert_eq!(run.status(), Status::Timeout);
///     assert!(run.duration >= Duration::from_millis(100));
///     Ok(())
/// }
/// ```
pub fn run_job_with_timeout<T>(job: impl IntoJob<T>, timeout: Duration) -> Result<Run<T>, Error> {
    let job = job.into_job();
    Ok(Run::of(run_one(&job.call, timeout)?, job.decode))
}

/// Runs one job as [`run_job_with_timeout`] does, while the returned future is awaited, without blocking its thread.
///
/// Nothing is started before the first poll. The future needs no runtime, and can be spawned on any. **Dropping it kills
/// the job** with everything that it started, even in a grace period; see [`Scheduler::run_async`].
///
/// # Errors
///
/// As [`run_job_with_timeout`], when it is awaited.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use scheduler::{job, run_job_async, Outcome};
///
/// #[job]
/// fn fast_job() -> i32 { 42 }
///
/// #[scheduler::main]
/// #[tokio::main]
/// async fn main() -> Result<(), scheduler::Error> {
///     let run = run_job_async(fast_job::job(), Duration::from_secs(10)).await?;
///     assert_eq!(run.outcome, Outcome::Ok(42));
///     Ok(())
/// }
/// ```
pub fn run_job_async<T>(job: impl IntoJob<T>, timeout: Duration) -> impl Future<Output = Result<Run<T>, Error>> + Send {
    let job = job.into_job();
    async move { Ok(Run::of(run_one_async(&job.call, timeout).await?, job.decode)) }
}

fn run_one(call: &AnyJob, ceiling: Duration) -> Result<RunReport, Error> {
    let settings = Settings::under(ceiling);
    let spec = settings.job_spec(call)?;
    Ok(supervise_one(spec, &mut settings.single_pool()?))
}

async fn run_one_async(call: &AnyJob, ceiling: Duration) -> Result<RunReport, Error> {
    let settings = Settings::under(ceiling);
    let spec = settings.job_spec(call)?;
    let (pool, config) = (settings.single_pool()?, LoopConfig::for_one_job());
    let mut thread = ListThread::start(vec![spec], pool, config, Submissions::Complete, Records::Collected)?;
    loop {
        match poll_fn(|context| thread.poll(context)).await.map(|event| event.event) {
            Some(JobEvent::Finished(report)) => return Ok(report),
            Some(_) => {}
            None => return Err(thread.failure().expect("a list without a failure reports that its job has finished")),
        }
    }
}

/// Runs jobs one after the other, in input order, each for at most `timeout`, and returns their records.
///
/// On a timeout, and only then, `follow_up` is called at once with the job's id, the reason (`"timeout"`), the time that
/// the function ran, and `log_file`. It returns `()` or a `Result<(), E>`;
/// [`default_follow_up_logger`](crate::default_follow_up_logger) appends a line to the file. The timeout is a maximum: a
/// shorter one of the job's own applies, a longer one doesn't. An empty list returns an empty list and touches no file.
///
/// # Errors
///
/// Fails as [`Scheduler::run`] does, and with [`is_invalid_log_file`](Error::is_invalid_log_file) if the path is empty.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use scheduler::{default_follow_up_logger, job, jobs, schedule_jobs, Status};
///
/// #[job]
/// fn fast_job() -> i32 { 42 }
///
/// #[job]
/// fn slow_job() { std::thread::sleep(Duration::from_secs(1000)) }
///
/// #[scheduler::main]
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let folder = tempfile::tempdir()?;
///     let log = folder.path().join("job_followups.log");
///     let records = schedule_jobs(
///         jobs![("J1", fast_job), ("J2", slow_job)],
///         Duration::from_millis(500),
///         default_follow_up_logger,
///         &log,
///     )?;
///     assert_eq!(records[0].result::<i32>()?, 42);
///     assert_eq!(records[1].status(), Status::Timeout);
///     assert!(std::fs::read_to_string(&log)?.contains("Job ID: J2, Reason: timeout"));
///     Ok(())
/// }
/// ```
pub fn schedule_jobs<F, R>(
    jobs: impl IntoIterator<Item: ListedJob>,
    timeout: Duration,
    follow_up: F,
    log_file: impl AsRef<Path>,
) -> Result<Vec<Record>, Error>
where
    F: Fn(&str, &str, Duration, &Path) -> R,
    R: FollowUpResult,
{
    let log_file = log_file.as_ref();
    if log_file.as_os_str().is_empty() {
        return Err(Error::invalid_log_file("its path is empty; give one, such as `job_followups.log`"));
    }
    Scheduler::new()
        .ceiling(timeout)
        .on_timeout(|late| follow_up(late.job_id(), late.reason(), late.elapsed(), log_file))
        .run(jobs)
}
