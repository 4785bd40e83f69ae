//! `Scheduler`: calls in, records out.

use std::fmt;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use crate::call::AnyJob;
use crate::error::Error;
use crate::escape::OneLine;
use crate::failure::Failure;
use crate::follow_up::{FollowUpError, TimedOut};
use crate::launcher::Launcher;
use crate::outcome::Outcome;
use crate::process::{self, Orphans};
use crate::record::Record;
use crate::registry;
use crate::start_method::StartMethod;
use crate::supervisor::{Crew, Finished, Order, supervise};
use crate::wire::frame;

/// How long a job may take until its function is called, unless the builder says otherwise.
const START_TIMEOUT: Duration = Duration::from_secs(30);

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
pub struct Scheduler<'a> {
    timeout: Option<Duration>,
    ceiling: Option<Duration>,
    start_timeout: Duration,
    concurrency: usize,
    start_method: StartMethod,
    orphans: Orphans,
    on_timeout: Option<FollowUp<'a>>,
    /// The fork servers, between the runs.
    crew: Mutex<Option<Crew>>,
}

type FollowUp<'a> = Box<dyn Fn(&TimedOut<'_>) -> Result<(), FollowUpError> + 'a>;

impl<'a> Scheduler<'a> {
    /// Returns a scheduler that runs one job at a time, without a limit but for the jobs' own, and follows nothing up.
    pub fn new() -> Self {
        Self {
            timeout: None,
            ceiling: None,
            start_timeout: START_TIMEOUT,
            concurrency: 1,
            start_method: StartMethod::default(),
            orphans: Orphans::default(),
            on_timeout: None,
            crew: Mutex::new(None),
        }
    }

    /// Sets the timeout of every job that has none of its own.
    ///
    /// It counts from the moment at which the function is called. A call's own timeout, and then the attribute's, come
    /// before it, whether shorter or longer. `Duration::MAX` is no limit; zero is an error when the jobs are to run.
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout: Some(timeout), ..self }
    }

    /// Sets a timeout that no job may exceed, whatever its own.
    pub(crate) fn ceiling(self, ceiling: Duration) -> Self {
        Self { ceiling: Some(ceiling), ..self }
    }

    /// Sets how long a job may take to start: from the making of its process to the call of its function. 30 seconds
    /// unless set.
    ///
    /// A job that takes longer is recorded as [`Failure::NeverStarted`]. Zero is an error when the jobs are to run.
    pub fn start_timeout(self, start_timeout: Duration) -> Self {
        Self { start_timeout, ..self }
    }

    /// Sets how many jobs run at a time: 1 unless set. Records come in input order all the same.
    ///
    /// Zero is an error when the jobs are to run.
    pub fn concurrency(self, concurrency: usize) -> Self {
        Self { concurrency, ..self }
    }

    /// Sets how the processes of jobs come to be: [`StartMethod::Exec`] unless set.
    pub fn start_method(self, start_method: StartMethod) -> Self {
        Self { start_method, crew: Mutex::new(None), ..self }
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
    pub fn adopt_orphans(self) -> Self {
        Self { orphans: Orphans::Adopted, ..self }
    }

    /// Has `follow_up` called at once, in this process and on the thread that called [`run`](Self::run), when a job has
    /// been stopped at its timeout.
    ///
    /// While it runs no other job is started, unless the concurrency is more than 1. If it fails, no further job is
    /// started, and [`run`](Self::run) fails with its error.
    pub fn on_timeout<F, E>(self, follow_up: F) -> Self
    where
        F: Fn(&TimedOut<'_>) -> Result<(), E> + 'a,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        Self { on_timeout: Some(Box::new(move |timed_out| follow_up(timed_out).map_err(Into::into))), ..self }
    }

    /// Runs the jobs and returns their records, one for each, in the order of the jobs.
    ///
    /// Returns once all are over and nothing that they started is left. [`jobs!`](crate::jobs) builds the list.
    ///
    /// # Errors
    ///
    /// A job that fails, dies or overruns is a record, not an error. Fails, before anything is started,
    ///
    /// - with [`is_invalid_timeout`](Error::is_invalid_timeout) if a timeout is zero,
    /// - with [`is_invalid_setting`](Error::is_invalid_setting) if the concurrency is zero,
    /// - with [`is_invalid_jobs`](Error::is_invalid_jobs) if two jobs are registered under one name, or arguments can't
    ///   be encoded,
    /// - with [`is_not_initialised`](Error::is_not_initialised) if this process never reached [`init`](crate::init),
    /// - if this process has other rights than whoever started it, by set-user-ID or file capabilities;
    ///
    /// and later with [`is_follow_up`](Error::is_follow_up) if the follow-up failed. The records that were finished by
    /// then are in [`into_records`](Error::into_records).
    pub fn run(&self, jobs: impl IntoIterator<Item = (String, AnyJob)>) -> Result<Vec<Record>, Error> {
        self.check()?;
        let jobs: Vec<_> = jobs.into_iter().collect();
        let orders = self.orders(&jobs)?;
        if orders.is_empty() {
            return Ok(Vec::new());
        }
        let mut crew = self.crew()?;
        self.orphans.arrange().map_err(|error| Error::machinery("make this process a subreaper", error))?;
        let mut ledger =
            Ledger { follow_up: self.on_timeout.as_ref(), records: vec![None; jobs.len()], jobs, error: None };
        let watched = match NonZeroUsize::new(self.concurrency) {
            Some(many) if many.get() > 1 => supervise_beside(orders, &mut crew, many, &mut ledger),
            _ => {
                supervise(orders, &mut crew, NonZeroUsize::MIN, |index, over| ledger.enter(index, over));
                Ok(())
            }
        };
        self.keep(crew);
        if let Err(error) = watched {
            ledger.error.get_or_insert(Error::machinery("start a thread that watches over the jobs", error));
        }
        ledger.close()
    }

    /// Runs one call and returns what came of it.
    pub(crate) fn run_one(&self, call: &AnyJob) -> Result<Finished, Error> {
        self.check()?;
        let order = self.order(None, call)?;
        registry::check()?;
        let mut crew = self.crew()?;
        let mut finished = None;
        supervise(vec![order], &mut crew, NonZeroUsize::MIN, |_, over| {
            finished = Some(over);
            ControlFlow::Continue(())
        });
        Ok(finished.expect("every order is finished before `supervise` returns"))
    }

    /// Returns the wardens of the last run that stayed, or those of a first one.
    fn crew(&self) -> Result<Crew, Error> {
        let launcher = launcher()?;
        let kept = self.crew.lock().unwrap_or_else(PoisonError::into_inner).take();
        kept.map_or_else(|| Crew::open(launcher, self.start_method, self.start_timeout), Ok)
    }

    /// Keeps them for the next run.
    fn keep(&self, crew: Crew) {
        *self.crew.lock().unwrap_or_else(PoisonError::into_inner) = Some(crew);
    }

    fn check(&self) -> Result<(), Error> {
        if self.timeout == Some(Duration::ZERO) || self.ceiling == Some(Duration::ZERO) {
            return Err(Error::invalid_timeout(""));
        }
        if self.start_timeout.is_zero() {
            return Err(Error::invalid_timeout(" for the start"));
        }
        if self.concurrency == 0 {
            return Err(Error::invalid_setting("a concurrency of 0 runs nothing; give 1 or more"));
        }
        Ok(())
    }

    fn orders(&self, jobs: &[(String, AnyJob)]) -> Result<Vec<Order>, Error> {
        if jobs.is_empty() {
            return Ok(Vec::new());
        }
        registry::check()?;
        jobs.iter().map(|(id, call)| self.order(Some(id), call)).collect()
    }

    fn order(&self, id: Option<&str>, call: &AnyJob) -> Result<Order, Error> {
        let whose = || {
            let id = id.map_or(String::new(), |id| format!(" `{}`", OneLine(id)));
            format!("{id} (job `{}`)", call.name())
        };
        let own = call.timeout.or(call.entry.timeout()).or(self.timeout);
        if own == Some(Duration::ZERO) {
            return Err(Error::invalid_timeout(&format!(" of{}", whose())));
        }
        let arguments = match &call.arguments {
            Ok(bytes) if bytes.len() as u64 > frame::LIMIT => {
                Err(format!("its arguments take {} bytes, over the limit of {}", bytes.len(), frame::LIMIT))
            }
            Ok(bytes) => Ok(Arc::clone(bytes)),
            Err(problem) => Err(format!("its arguments can't be encoded: {problem}")),
        };
        Ok(Order {
            entry: call.entry,
            arguments: arguments.map_err(|problem| Error::invalid_jobs(format!("{}: {problem}", whose().trim())))?,
            limit: own.unwrap_or(Duration::MAX).min(self.ceiling.unwrap_or(Duration::MAX)),
            start_limit: self.start_timeout,
            orphans: self.orphans,
        })
    }
}

/// Returns how to launch copies of this process that will know what they are there for.
fn launcher() -> Result<Launcher, Error> {
    // Its copies would take no orders.
    if process::makes_privileged_copies() {
        return Err(Error::privileged());
    }
    Launcher::of_this_process()
}

/// Watches over the jobs on another thread, so that a follow-up that takes its time delays nobody's deadline.
fn supervise_beside(
    orders: Vec<Order>,
    crew: &mut Crew,
    concurrency: NonZeroUsize,
    ledger: &mut Ledger<'_, '_>,
) -> std::io::Result<()> {
    let stopped = AtomicBool::new(false);
    let (sender, receiver) = mpsc::channel();
    thread::scope(|scope| {
        let stopped = &stopped;
        let supervisor = thread::Builder::new().name("scheduler".to_owned()).spawn_scoped(scope, move || {
            supervise(orders, crew, concurrency, |index, over| {
                // Nobody receives any more if a follow-up has panicked.
                let lost = sender.send((index, over)).is_err();
                if lost || stopped.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            });
        })?;
        for (index, over) in receiver {
            if ledger.enter(index, over).is_break() {
                stopped.store(true, Ordering::Relaxed);
            }
        }
        supervisor.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        Ok(())
    })
}

/// Where runs become records, and timeouts are followed up.
struct Ledger<'s, 'a> {
    jobs: Vec<(String, AnyJob)>,
    follow_up: Option<&'s FollowUp<'a>>,
    records: Vec<Option<Record>>,
    error: Option<Error>,
}

impl Ledger<'_, '_> {
    fn enter(&mut self, index: usize, over: Finished) -> ControlFlow<()> {
        let (id, call) = &mut self.jobs[index];
        let record = record(std::mem::take(id), call, over);
        if let (Outcome::Timeout(overrun), Some(follow_up)) = (&record.outcome, self.follow_up)
            && let Err(source) = follow_up(&TimedOut::new(&record, *overrun))
        {
            self.error.get_or_insert_with(|| Error::follow_up(OneLine(record.job_id()), source));
        }
        self.records[index] = Some(record);
        if self.error.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn close(self) -> Result<Vec<Record>, Error> {
        let records = self.records.into_iter().flatten().collect();
        match self.error {
            Some(error) => Err(error.with_records(records)),
            None => Ok(records),
        }
    }
}

fn record(job_id: String, call: &AnyJob, over: Finished) -> Record {
    let output = call.entry.output();
    let outcome = over.outcome.and_then(|bytes| match output.revive(&bytes) {
        Ok(_) => Ok(bytes.into_boxed_slice()),
        Err(error) => Err(undecodable(&error)),
    });
    Record {
        job_id,
        job: call.name(),
        outcome,
        output,
        duration: over.duration,
        usage: over.usage,
        sweep: over.sweep,
        stderr_tail: over.stderr_tail.into_boxed_str(),
    }
}

/// The failure of a job whose result can't be read back.
pub(crate) fn undecodable(error: &impl fmt::Display) -> Failure {
    Failure::Unserializable { message: format!("it can't be read back: {error}") }
}

impl Default for Scheduler<'_> {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Scheduler<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scheduler")
            .field("timeout", &self.timeout)
            .field("start_timeout", &self.start_timeout)
            .field("concurrency", &self.concurrency)
            .field("start_method", &self.start_method)
            .field("orphans", &self.orphans)
            .finish_non_exhaustive()
    }
}
