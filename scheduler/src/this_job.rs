//! What a job can ask about its own run, and tell its parent while it goes on.
//!
//! A job that runs in a process of its own finds here who it is, how much time it has, and whether it is asked to end.
//! Every function can be called from any thread of the job, and none from a signal handler.
//!
//! # Outside of a job
//!
//! A job is an ordinary function, too, and called as one it has no parent. Everything here then answers as it would in a
//! run that nobody limits or ends: there is no [`id`], the [`attempt`] is the first, there is no [`deadline`], and nobody
//! ever asks it to end; there is nothing to [`resume`], and what it tells or saves goes nowhere. The same is true while
//! the arguments of a job are read, and in a process that a job has made by a bare `fork`, but that it can't save.
//!
//! # Where the idea comes from
//!
//! Celery gives a task `self.request` and raises `SoftTimeLimitExceeded` within it; a Go function is handed a
//! [`context.Context`](https://pkg.go.dev/context). A Rust function can't be interrupted from outside, and a context as an
//! argument would have to travel: the process has one job, so that the functions of a module do.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::thread;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::checkpoint::Checkpoint;
use crate::child::{ProcessKind, RunContext};
use crate::clock::Deadline;
use crate::error::Error;
use crate::wire::message::TEXT_LIMIT;

/// Returns the id that the caller gave to this run: the job's name, where he gave none. `None` outside of a job.
///
/// # Examples
///
/// ```
/// use scheduler::{job, jobs, this_job, Scheduler};
///
/// #[job]
/// fn who() -> Option<String> { this_job::id().map(str::to_owned) }
///
/// #[scheduler::main]
/// fn main() -> Result<(), scheduler::Error> {
///     let records = Scheduler::new().run(jobs![("J1", who)])?;
///     assert_eq!(records[0].result::<Option<String>>()?.as_deref(), Some("J1"));
///     assert_eq!(who(), None); // An ordinary call.
///     Ok(())
/// }
/// ```
#[must_use]
pub fn id() -> Option<&'static str> {
    RunContext::current().map(RunContext::id)
}

/// Returns which attempt this is, from 1; more than 1 where the job is tried once more
/// ([`retries`](macro@crate::job#retries)). 1 outside of a job.
#[must_use]
pub fn attempt() -> u32 {
    RunContext::current().map_or(1, RunContext::attempt)
}

/// Returns the moment at which the timeout of this run passes. `None` where it has no limit, and outside of a job.
///
/// At that moment the job is killed, or asked to end where it has a [grace period](macro@crate::job#grace). It is counted
/// by this process from the call of the function, without what a [whole list](crate::Scheduler::total_timeout) may have for
/// a limit. The parent counts for itself; the two differ by what it takes to wake it, a fraction of a millisecond on a
/// machine that isn't busy.
///
/// # Platform
///
/// The clock stands still while a Linux or macOS machine is suspended.
#[must_use]
pub fn deadline() -> Option<Instant> {
    time().and_then(Deadline::moment)
}

/// Returns how long it is until the [`deadline`]; zero once that has passed. `None` where there is no limit, and outside of
/// a job.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use scheduler::{job, run_job_with_timeout, this_job, Outcome};
///
/// /// Improves its answer for as long as there is time for one more round.
/// #[job]
/// fn approximate() -> u32 {
///     let mut rounds = 0;
///     while this_job::remaining().is_none_or(|left| left > Duration::from_millis(900)) {
///         rounds += 1;
///     }
///     rounds
/// }
///
/// #[scheduler::main]
/// fn main() -> Result<(), scheduler::Error> {
///     let run = run_job_with_timeout(approximate::job(), Duration::from_secs(1))?;
///     assert!(matches!(run.outcome, Outcome::Ok(rounds) if rounds > 0));
///     Ok(())
/// }
/// ```
#[must_use]
pub fn remaining() -> Option<Duration> {
    time().and_then(Deadline::remaining)
}

fn time() -> Option<Deadline> {
    RunContext::current().map(RunContext::deadline)
}

/// Says whether this job was asked to end, at its timeout or because it was cancelled. `false` outside of a job.
///
/// A job hears that only if it has a [grace period](macro@crate::job#grace): others are killed at once. It may be called
/// in an inner loop: the stream to the parent is looked at once in a millisecond at the most, which takes no thread.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use scheduler::{job, run_job_with_timeout, this_job, Outcome, Status};
///
/// #[job(grace = "10s")]
/// fn primes() -> Vec<u64> {
///     let mut found: Vec<u64> = Vec::new();
///     for n in 2.. {
///         if this_job::is_cancelled() {
///             break;
///         }
///         if found.iter().take_while(|p| *p * *p <= n).all(|p| n % p != 0) {
///             found.push(n);
///         }
///     }
///     found
/// }
///
/// #[scheduler::main]
/// fn main() -> Result<(), scheduler::Error> {
///     let run = run_job_with_timeout(primes::job(), Duration::from_millis(100))?;
///     assert_eq!(run.status(), Status::Timeout);
///     let Outcome::Timeout(overrun) = run.outcome else { panic!("{:?}", run.outcome) };
///     assert!(overrun.value().is_some_and(|found| found.starts_with(&[2, 3, 5, 7])));
///     Ok(())
/// }
/// ```
#[must_use]
pub fn is_cancelled() -> bool {
    RunContext::current().is_some_and(|context| context.cancel_source().is_cancelled())
}

/// Saves a value in the parent: what this job has done so far, as it would need it to go on from there.
///
/// The last value that was saved whole survives whatever becomes of the job, a kill included. It is in the
/// [`Record`](crate::Record::checkpoint), and in what a [follow-up](crate::Scheduler::on_timeout) is given; the next attempt
/// ([`retries`](macro@crate::job#retries)) finds it with [`resume`], and so does a call that is made to
/// [`resume_from`](crate::Job::resume_from) the record.
///
/// It returns once the value is on its way, at which the parent has it however the job ends. The parent keeps one value for
/// each job. A value costs what an argument of its size costs: it is encoded, decoded once to check that it can be read back,
/// and what was decoded is dropped. Save after a stretch of work that you would not like to do once more, and not in the
/// innermost loop.
///
/// # Errors
///
/// Fails with [`is_checkpoint`](Error::is_checkpoint) if the value can't be encoded, can't be read back (an `untagged` enum
/// takes [`encoding = "cbor"`](macro@crate::job#encoding)) or takes more than 64 MiB (write such a
/// thing to a file, and save where that is), if the parent is gone, and in a process that the job has forked.
///
/// # Examples
///
/// ```
/// use scheduler::{job, jobs, this_job, Scheduler};
///
/// /// Fails on the way, and goes on from there.
/// #[job(retries = 1)]
/// fn travel() -> Result<Vec<String>, Box<dyn std::error::Error>> {
///     let mut seen: Vec<String> = this_job::resume()?.unwrap_or_default();
///     for place in ["here", "there", "everywhere"].into_iter().skip(seen.len()) {
///         if place == "everywhere" && this_job::attempt() == 1 {
///             return Err("lost".into());
///         }
///         seen.push(format!("{place}, at attempt {}", this_job::attempt()));
///         this_job::checkpoint(&seen)?;
///     }
///     Ok(seen)
/// }
///
/// #[scheduler::main]
/// fn main() -> Result<(), scheduler::Error> {
///     let records = Scheduler::new().run(jobs![("J1", travel)])?;
///     let seen = records[0].result::<Vec<String>>()?;
///     assert_eq!(seen, ["here, at attempt 1", "there, at attempt 1", "everywhere, at attempt 2"]);
///     assert!(records[0].is_flaky());
///     Ok(())
/// }
/// ```
///
/// The idea is that of checkpoints in simulations and of resumable jobs in queues; here the parent is where they are kept,
/// and a job needs no place of its own for them.
pub fn checkpoint<T: Serialize + DeserializeOwned + 'static>(value: &T) -> Result<(), Error> {
    match RunContext::process_kind() {
        ProcessKind::Other => Ok(()),
        ProcessKind::ForkOfJob => {
            Err(Error::checkpoint("a process that the job has forked can't save for it; save in the job"))
        }
        ProcessKind::Job(context) => {
            let encoded = Checkpoint::encoded(value, context.encoding()).map_err(Error::checkpoint)?;
            let sent = context.save(&encoded);
            sent.map_err(|error| Error::checkpoint("it could not be sent to the parent").caused_by(error))
        }
    }
}

/// Returns the value that an earlier attempt has [saved](checkpoint) last, or the run that this call is made to
/// [`resume_from`](crate::Job::resume_from). `None` if there is none, and outside of a job.
///
/// # Errors
///
/// Fails with [`is_checkpoint`](Error::is_checkpoint) if what was saved is not a `T`: that the bytes would decode as `T` is
/// not enough.
pub fn resume<T: DeserializeOwned + 'static>() -> Result<Option<T>, Error> {
    RunContext::current().and_then(RunContext::checkpoint).map(Checkpoint::get).transpose()
}

/// Tells the parent that so much is done, of so much: an [`Observer`](crate::Observer) there hears of it.
///
/// It may be called in a loop that does little else: one report in 50 milliseconds is sent, and the last one before the
/// function ends is always among them. Of a job that is killed the reports of its last 50 milliseconds may be missing. To
/// send one takes as long as the parent takes to read it, which reads whenever it waits for its jobs.
///
/// Nothing comes of it outside of a job, and in a process that the job has forked.
///
/// # Examples
///
/// ```
/// use std::sync::{Arc, Mutex};
/// use scheduler::{job, jobs, observer, this_job, Observer, Scheduler};
///
/// #[job]
/// fn copy(files: u64) {
///     for file in 1..=files {
///         this_job::progress(file, files);
///     }
/// }
///
/// #[derive(Default)]
/// struct Bar(Mutex<Option<(u64, u64)>>);
///
/// impl Observer for Bar {
///     fn progress(&self, event: &observer::Progress<'_>) {
///         *self.0.lock().unwrap() = Some((event.done, event.total));
///     }
/// }
///
/// #[scheduler::main]
/// fn main() -> Result<(), scheduler::Error> {
///     let bar = Arc::new(Bar::default());
///     Scheduler::new().observer(Arc::clone(&bar)).run(jobs![("J1", copy(1_000_000))])?;
///     assert_eq!(*bar.0.lock().unwrap(), Some((1_000_000, 1_000_000)));
///     Ok(())
/// }
/// ```
pub fn progress(done: u64, total: u64) {
    if let Some(context) = RunContext::current() {
        context.progress(done, total);
    }
}

/// Tells the parent what this job is at: an [`Observer`](crate::Observer) there hears of it.
///
/// It is a status, and no log: as with [`progress`], one in 50 milliseconds is sent, and the last one before the function
/// ends is always among them. A text is cut after 4 KiB.
pub fn message(text: impl AsRef<str>) {
    if let Some(context) = RunContext::current() {
        let text = text.as_ref();
        let fits = |end: &usize| text.is_char_boundary(*end);
        let end = (0..=TEXT_LIMIT.min(text.len())).rev().find(fits).unwrap_or_default();
        context.message(&text[..end]);
    }
}

/// Returns what waits until this job is asked to end: on this thread by [`wait`](Cancelled::wait), or as a future that any
/// executor can run.
///
/// The first one that waits has a thread started in the job's process, which listens for all.
///
/// # Examples
///
/// ```
/// use std::sync::mpsc;
/// use std::time::Duration;
/// use scheduler::{job, run_job_with_timeout, this_job, Outcome};
///
/// /// Serves what comes, until it is asked to end.
/// #[job(grace = "10s")]
/// fn serve() -> u32 {
///     let (stop, orders) = mpsc::channel::<()>();
///     std::thread::spawn(move || {
///         this_job::cancelled().wait();
///         drop(stop);
///     });
///     orders.iter().map(|()| 1).sum()
/// }
///
/// #[scheduler::main]
/// fn main() -> Result<(), scheduler::Error> {
///     let run = run_job_with_timeout(serve::job(), Duration::from_millis(50))?;
///     assert!(matches!(run.outcome, Outcome::Timeout(overrun) if overrun.value() == Some(&0)));
///     Ok(())
/// }
/// ```
///
/// In a job that is an `async fn`, beside what it works at:
///
#[cfg_attr(feature = "tokio", doc = "```")]
#[cfg_attr(not(feature = "tokio"), doc = "```ignore")]
/// use std::time::Duration;
/// use scheduler::{job, run_job_with_timeout, this_job, Outcome};
///
/// #[job(grace = "10s")]
/// async fn tick() -> u32 {
///     let mut ticks = 0;
///     let cancelled = this_job::cancelled();
///     tokio::pin!(cancelled);
///     loop {
///         tokio::select! {
///             () = &mut cancelled => return ticks,
///             () = tokio::time::sleep(Duration::from_millis(1)) => ticks += 1,
///         }
///     }
/// }
///
/// #[scheduler::main]
/// fn main() -> Result<(), scheduler::Error> {
///     let run = run_job_with_timeout(tick::job(), Duration::from_millis(100))?;
///     assert!(matches!(run.outcome, Outcome::Timeout(overrun) if overrun.ended_in_order()));
///     Ok(())
/// }
/// ```
pub fn cancelled() -> Cancelled {
    Cancelled { key: None }
}

/// Waits until this job is asked to end: see [`cancelled`].
///
/// Outside of a job it waits for ever, as nobody asks there.
#[derive(Debug)]
#[must_use = "it waits when it is awaited, or told to `wait`"]
pub struct Cancelled {
    /// Where the task that awaits it is known from one poll to the next.
    key: Option<usize>,
}

impl Cancelled {
    /// Blocks this thread until the job is asked to end.
    pub fn wait(self) {
        self.wait_until(Deadline::after(Duration::MAX));
    }

    /// Blocks this thread until the job is asked to end, but no longer than `timeout`; says whether it was asked.
    ///
    /// It is a sleep that ends early where there is reason to.
    #[must_use]
    pub fn wait_timeout(self, timeout: Duration) -> bool {
        self.wait_until(Deadline::after(timeout))
    }

    #[expect(clippy::unused_self, reason = "who waits has no further use for it")]
    fn wait_until(self, deadline: Deadline) -> bool {
        if let Some(context) = RunContext::current() {
            return context.cancel_source().wait(deadline);
        }
        while !deadline.is_past() {
            thread::park_timeout(deadline.remaining().unwrap_or(Duration::MAX));
        }
        false
    }
}

impl Future for Cancelled {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        match RunContext::current() {
            Some(run) if run.cancel_source().poll(&mut self.key, context) => Poll::Ready(()),
            _ => Poll::Pending,
        }
    }
}

impl Drop for Cancelled {
    fn drop(&mut self) {
        if let (Some(key), Some(context)) = (self.key, RunContext::current()) {
            context.cancel_source().forget(key);
        }
    }
}
