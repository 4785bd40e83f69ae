//! The running job, for the code in it: its id, its deadline, cancellation, checkpoints and progress.
//!
//! Every function can be called from any thread of the job, and none from a signal handler.
//!
//! # Outside of a job
//!
//! A job is also an ordinary function. Called as one, it has no parent, and the functions of this module behave as in a run
//! without limits: there is no [`id`], the [`attempt`] is 1, there is no [`deadline`], the job is never cancelled, there is
//! nothing to [`resume`], and progress, messages and checkpoints are dropped. The same holds while the arguments of a job
//! are decoded, and in a process that the job has forked, except that [`checkpoint`] fails there.
//!
//! # Prior art
//!
//! Celery gives a task `self.request` and raises `SoftTimeLimitExceeded` within it; a Go function takes a
//! [`context.Context`](https://pkg.go.dev/context). A Rust function can't be interrupted from outside, and a context can't
//! be an argument, since arguments are serialized. The process runs a single job, so that the functions of a module
//! suffice.

mod cancelled;
mod messages;

use std::path::Path;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::checkpoint::Checkpoint;
use crate::child::{ProcessKind, RunContext};
use crate::clock::Deadline;
use crate::error::Error;
use crate::wire::message::TEXT_LIMIT;

pub use cancelled::{Cancelled, cancelled};
pub use messages::{Receive, ask, receive};

/// Returns the id of this run: the one in the list of jobs, or the job's name if it was run alone. `None` outside of a job.
///
/// # Examples
///
/// ```
/// use scheduler::{job, jobs, this_job, Scheduler};
///
/// #[job]
/// fn own_id() -> Option<String> { this_job::id().map(str::to_owned) }
///
/// #[scheduler::main]
/// fn main() -> Result<(), scheduler::Error> {
///     let records = Scheduler::new().run(jobs![("J1", own_id)])?;
///     assert_eq!(records[0].result::<Option<String>>()?.as_deref(), Some("J1"));
///     assert_eq!(own_id(), None); // An ordinary call.
///     Ok(())
/// }
/// ```
#[must_use]
pub fn id() -> Option<&'static str> {
    RunContext::current().map(RunContext::id)
}

/// Returns the number of this attempt, from 1; more than 1 if the job is being retried
/// ([`retries`](macro@crate::job#retries)). 1 outside of a job.
#[must_use]
pub fn attempt() -> u32 {
    RunContext::current().map_or(1, RunContext::attempt)
}

/// Returns `true` if this process has served no other call before this one: always, except with
/// [`StartMethod::Reuse`](crate::StartMethod::Reuse). `true` outside of a job.
///
/// # Examples
///
/// A parser that reads its grammar once:
///
/// ```
/// use std::sync::OnceLock;
/// use scheduler::{job, jobs, this_job, Scheduler, StartMethod};
///
/// static GRAMMAR: OnceLock<Vec<String>> = OnceLock::new();
///
/// #[job]
/// fn parse(text: String) -> (bool, bool) {
///     let is_new = GRAMMAR.get().is_none();
///     let grammar = GRAMMAR.get_or_init(|| vec!["plus".into(), "minus".into()]);
///     assert_eq!(is_new, this_job::is_first_call());
///     (is_new, grammar.contains(&text))
/// }
///
/// #[scheduler::main]
/// fn main() -> Result<(), scheduler::Error> {
///     if !cfg!(target_os = "linux") {
///         return Ok(());
///     }
///     let scheduler = Scheduler::new().start_method(StartMethod::Reuse { calls: 1000 });
///     let records = scheduler.run(jobs![("a", parse("plus".into())), ("b", parse("times".into()))])?;
///     assert_eq!(records[0].result::<(bool, bool)>()?, (true, true));
///     assert_eq!(records[1].result::<(bool, bool)>()?, (false, false));
///     Ok(())
/// }
/// ```
#[must_use]
pub fn is_first_call() -> bool {
    RunContext::current().is_none_or(RunContext::is_first_call)
}

/// Returns the private folder of this run for temporary files, if it has one ([`temp_dir`](macro@crate::job#temp_dir)). `None`
/// outside of a job.
///
/// # Examples
///
/// ```
/// use scheduler::{job, jobs, this_job, Scheduler};
///
/// #[job(temp_dir = true)]
/// fn scratch() -> std::io::Result<std::path::PathBuf> {
///     let folder = this_job::temp_dir().expect("the attribute asks for one");
///     assert_eq!(std::env::temp_dir(), folder);
///     std::fs::write(folder.join("notes"), "gone with the job")?;
///     Ok(folder.to_owned())
/// }
///
/// #[scheduler::main]
/// fn main() -> Result<(), scheduler::Error> {
///     let records = Scheduler::new().run(jobs![("J1", scratch)])?;
///     assert!(!records[0].result::<std::path::PathBuf>()?.exists());
///     Ok(())
/// }
/// ```
#[must_use]
pub fn temp_dir() -> Option<&'static Path> {
    RunContext::current().and_then(RunContext::temp_dir)
}

/// Returns the time at which the timeout of this run expires. `None` if it has no limit, and outside of a job.
///
/// At that time the job is killed, or asked to stop if it has a [grace period](macro@crate::job#grace). This process counts
/// it from the call of the function, without the [total timeout](crate::Scheduler::total_timeout) of a list. The parent
/// counts for itself; the two differ by the time that it takes to wake the parent, a fraction of a millisecond on an idle
/// machine.
///
/// # Platform
///
/// The clock stops while a Linux or macOS machine is suspended.
#[must_use]
pub fn deadline() -> Option<Instant> {
    time().and_then(Deadline::moment)
}

/// Returns the time until the [`deadline`]; zero once that has passed. `None` if there is no limit, and outside of a job.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use scheduler::{job, run_job_with_timeout, this_job, Outcome};
///
/// /// Improves its answer while there is time for another round.
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

/// Returns whether this job was asked to stop, at its timeout or because it was cancelled. `false` outside of a job.
///
/// Only a job that has a [grace period](macro@crate::job#grace) is asked: others are killed at once. The function is cheap
/// enough for an inner loop: it polls the stream from the parent at most once in a millisecond, and needs no thread.
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
    RunContext::current().is_some_and(|context| context.receiver().is_cancelled())
}

/// Saves a checkpoint in the parent: a value from which this job can resume.
///
/// The last value that was saved completely survives every end of the job, including a kill. It is in the
/// [`Record`](crate::Record::checkpoint), also in the one that a [follow-up](crate::Scheduler::on_timeout) receives.
/// [`resume`] returns it in the next attempt ([`retries`](macro@crate::job#retries)), and in a call that was made to
/// [`resume_from`](crate::Job::resume_from) the record.
///
/// Once the function has returned, the parent receives the value however the job ends. The parent keeps one value for each
/// job. A value costs as much as an argument of its size: it is encoded, and decoded once to check that it can be read
/// back; the decoded copy is dropped. Save after work that would be expensive to repeat, not in the innermost loop.
///
/// # Errors
///
/// Fails with [`is_checkpoint`](Error::is_checkpoint) if the value can't be encoded, can't be read back (an `untagged` enum
/// needs [`encoding = "cbor"`](macro@crate::job#encoding)) or takes more than 64 MiB (write it to a file, and save the
/// path), if the parent has exited, and in a process that the job has forked.
///
/// # Examples
///
/// ```
/// use scheduler::{job, jobs, this_job, Scheduler};
///
/// /// Fails on the way, and resumes there.
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
/// The idea is that of checkpoints in simulations and of resumable jobs in queues. Here the parent keeps them, so that a
/// job needs no storage of its own.
pub fn checkpoint<T: Serialize + DeserializeOwned + 'static>(value: &T) -> Result<(), Error> {
    match RunContext::process_kind() {
        ProcessKind::Other => Ok(()),
        ProcessKind::ForkOfJob => {
            Err(Error::checkpoint("a process that the job has forked can't save a checkpoint; save in the job"))
        }
        ProcessKind::Job(context) => {
            let encoded = Checkpoint::encoded(value, context.encoding()).map_err(Error::checkpoint)?;
            let sent = context.save(&encoded);
            sent.map_err(|error| Error::checkpoint("it could not be sent to the parent").caused_by(error))
        }
    }
}

/// Returns the last [checkpoint] of an earlier attempt, or of the run from which this call
/// [resumes](crate::Job::resume_from). `None` if there is none, and outside of a job.
///
/// # Errors
///
/// Fails with [`is_checkpoint`](Error::is_checkpoint) if the saved value is not a `T`, even if its bytes could be decoded
/// as one.
pub fn resume<T: DeserializeOwned + 'static>() -> Result<Option<T>, Error> {
    RunContext::current().and_then(RunContext::checkpoint).map(Checkpoint::get).transpose()
}

/// Reports progress to the parent, as a number of steps done and a total: to its [`Observer`](crate::Observer)s.
///
/// The function is cheap enough for a tight loop: at most one report in 50 milliseconds is sent, and always the last one
/// before the function returns. If a job is killed, the reports of its last 50 milliseconds may be missing. Sending waits
/// until the parent reads, which it does whenever it waits for its jobs.
///
/// Has no effect outside of a job, and in a process that the job has forked.
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

/// Reports the present status of this job to the parent, as a text: to its [`Observer`](crate::Observer)s.
///
/// This is a status, not a log: as for [`progress`], at most one message in 50 milliseconds is sent, and always the last
/// one before the function returns. A text is cut after 4 KiB.
pub fn message(text: impl AsRef<str>) {
    if let Some(context) = RunContext::current() {
        let text = text.as_ref();
        let fits = |end: &usize| text.is_char_boundary(*end);
        let end = (0..=TEXT_LIMIT.min(text.len())).rev().find(fits).unwrap_or_default();
        context.message(&text[..end]);
    }
}

/// Reports that this job makes progress, so that it doesn't count as [stalled](macro@crate::job#stall).
///
/// [`progress`], [`message`] and [`checkpoint`] report that as well. The function is cheap enough for a tight loop: at most
/// one report in 50 milliseconds is sent. Has no effect outside of a job, and in a process that the job has forked.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use scheduler::{job, run_job_with_timeout, this_job, Outcome};
///
/// /// Takes longer than a second in all, and never a second for one step.
/// #[job(stall = "1s")]
/// fn plod(steps: u32) -> u32 {
///     for _ in 0..steps {
///         std::thread::sleep(Duration::from_millis(150));
///         this_job::alive();
///     }
///     steps
/// }
///
/// #[scheduler::main]
/// fn main() -> Result<(), scheduler::Error> {
///     let run = run_job_with_timeout(plod::job(10), Duration::from_secs(60))?;
///     assert_eq!(run.outcome, Outcome::Ok(10));
///     Ok(())
/// }
/// ```
#[doc(alias = "heartbeat")]
#[doc(alias = "keepalive")]
pub fn alive() {
    if let Some(context) = RunContext::current() {
        context.alive();
    }
}

/// Asks the parent to move the [`deadline`] of this run, and returns whether it did.
///
/// The parent grants it as long as the timeout, with all extensions, doesn't exceed the
/// [`max_timeout`](macro@crate::job#max_timeout) that the caller has set; without one it grants nothing. A refused request
/// changes nothing: ask for less, or finish. A job that was asked to stop gets no more time.
///
/// Blocks until the parent answers, usually for less than a millisecond; the first call starts a thread in the job's process.
/// Returns `true` in a run without a limit and outside of a job, and `false` in a process that the job has forked.
///
/// The idea is that of extending the visibility timeout of a message in Amazon SQS, and of a lock in the queue `BullMQ`. There the worker
/// decides; here the caller sets how far.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use scheduler::{job, jobs, this_job, Scheduler};
///
/// #[job(timeout = "2s", max_timeout = "10s")]
/// fn upload(parts: u32) -> u32 {
///     for part in 0..parts {
///         if this_job::remaining().is_some_and(|left| left < Duration::from_secs(1)) && !this_job::extend(Duration::from_secs(2)) {
///             return part; // No more time: what is done so far.
///         }
///         std::thread::sleep(Duration::from_millis(20));
///     }
///     parts
/// }
///
/// #[scheduler::main]
/// fn main() -> Result<(), scheduler::Error> {
///     let records = Scheduler::new().run(jobs![("J1", upload(120))])?;
///     assert_eq!(records[0].result::<u32>()?, 120);
///     Ok(())
/// }
/// ```
#[must_use]
pub fn extend(by: Duration) -> bool {
    match RunContext::process_kind() {
        ProcessKind::Job(context) => context.extend(by),
        ProcessKind::ForkOfJob => false,
        ProcessKind::Other => true,
    }
}
