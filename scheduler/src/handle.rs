//! `Handle<T>`: a spawned job, from its place in the queue to its run.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::clock::Deadline;
use crate::error::Error;
use crate::record::{Run, RunReport};
use crate::spawner::HandleParts;
use crate::supervisor::StopMode;
use crate::wire::codec::CodecError;

/// A handle to a job that [`Scheduler::spawn`](crate::Scheduler::spawn) has queued: waits for it, cancels it or kills it.
///
/// **Dropping a handle kills its job**, with everything that the job started, or removes it from the queue. The drop
/// returns at once. [`detach`](Self::detach) lets the job continue without a handle. Threads and Tokio tasks continue when
/// their handles are dropped; a job that has a hard timeout and a dropped handle is more often forgotten than meant.
///
/// A handle is a future, on any executor or none, with the output of [`wait`](Self::wait).
///
/// In a fork of the process that spawned the job (`fork` without `exec`), a handle has no effect: waiting for the job is an
/// error, and dropping the handle leaves the job alone.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use scheduler::{job, Failure, Outcome, Scheduler};
///
/// #[job]
/// fn square(n: u64) -> u64 { n * n }
///
/// #[job]
/// fn hang() { loop { std::thread::park() } }
///
/// #[scheduler::main]
/// fn main() -> Result<(), scheduler::Error> {
///     let scheduler = Scheduler::new().concurrency(2).timeout(Duration::from_secs(10));
///     let hanging = scheduler.spawn(hang::job())?;
///     let squared = scheduler.spawn(square::job(12))?;
///     assert_eq!(squared.wait()?.outcome, Outcome::Ok(144));
///
///     hanging.cancel();
///     let run = hanging.wait()?;
///     assert!(matches!(run.outcome, Outcome::Error(Failure::Cancelled { .. })));
///     Ok(())
/// }
/// ```
#[doc(alias = "JoinHandle")]
#[doc(alias = "Child")]
#[must_use = "dropping a handle kills its job; `detach` it to let the job continue"]
pub struct Handle<T> {
    spawned: HandleParts,
    decode: fn(&[u8]) -> Result<T, CodecError>,
    /// The run, once `try_wait` or `wait_timeout` has returned it. Boxed, so that a handle is `Unpin` for every `T`.
    finished: Option<Box<Result<Run<T>, Error>>>,
    on_drop: OnDrop,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OnDrop {
    Kill,
    Detach,
}

impl<T> Handle<T> {
    pub(crate) fn new(spawned: HandleParts, decode: fn(&[u8]) -> Result<T, CodecError>) -> Self {
        Self { spawned, decode, finished: None, on_drop: OnDrop::Kill }
    }

    /// Returns the id of the run: the one that [`spawn_as`](crate::Scheduler::spawn_as) was given, else the job's name.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.spawned.job.job_id
    }

    /// Returns the registered name of the job.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.spawned.job.name()
    }

    /// Returns the id of the process in which the job runs now.
    ///
    /// Returns `None` before the function is called, between two attempts, and after the job has finished. The process may
    /// exit at any time, after which the system can reuse its id.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.spawned.job.process().filter(|_| self.is_in_origin())
    }

    /// Returns whether the job has finished, so that [`wait`](Self::wait) returns at once.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        !self.is_in_origin() || self.spawned.job.is_finished()
    }

    /// Cancels the job: asks it to stop, and kills it when its [grace period](macro@crate::job#grace) is over, or at once
    /// if it has none. A job that is still queued is not started. Returns at once.
    ///
    /// The outcome of the job is then [`Failure::Cancelled`](crate::Failure::Cancelled), unless it finished first. A job
    /// that waits for its next attempt has the outcome of the last one.
    #[doc(alias = "abort")]
    #[doc(alias = "terminate")]
    pub fn cancel(&self) {
        self.spawned.spawn_loop.cancel(self.spawned.key, StopMode::Graceful);
    }

    /// Kills the job, with everything that it started, without a grace period or within it. Returns at once.
    ///
    /// Otherwise the same as [`cancel`](Self::cancel).
    #[doc(alias = "abort")]
    #[doc(alias = "SIGKILL")]
    pub fn kill(&self) {
        self.spawned.spawn_loop.cancel(self.spawned.key, StopMode::Immediate);
    }

    /// Waits until the job has finished, and returns its run. Nothing that the job started is left then.
    ///
    /// # Errors
    ///
    /// A job that fails, dies or overruns is an [`Outcome`](crate::Outcome), not an error. Fails
    ///
    /// - with [`is_follow_up`](Error::is_follow_up) if the follow-up of its timeout failed; its record is in
    ///   [`into_records`](Error::into_records),
    /// - in a fork of the process that spawned the job,
    /// - if awaiting the handle returned the run before.
    #[doc(alias = "join")]
    #[expect(clippy::missing_panics_doc, reason = "without a deadline the run is there")]
    pub fn wait(mut self) -> Result<Run<T>, Error> {
        self.wait_until(Deadline::after(Duration::MAX))?;
        *self.finished.take().expect("it waited without a deadline")
    }

    /// Waits until the job has finished, for at most `timeout`, and returns its run, or `None` if it has not finished.
    ///
    /// Can be called again: once the job has finished, every call returns the same run. [`wait`](Self::wait) then returns
    /// it by value.
    ///
    /// # Errors
    ///
    /// As [`wait`](Self::wait).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use scheduler::{job, Scheduler, Status};
    ///
    /// #[job]
    /// fn hang() { loop { std::thread::park() } }
    ///
    /// #[scheduler::main]
    /// fn main() -> Result<(), scheduler::Error> {
    ///     let mut handle = Scheduler::new().spawn(hang::job())?;
    ///     if handle.wait_timeout(Duration::from_millis(100))?.is_none() {
    ///         handle.kill();
    ///     }
    ///     let run = handle.wait()?;
    ///     assert_eq!(run.status(), Status::Error);
    ///     Ok(())
    /// }
    /// ```
    pub fn wait_timeout(&mut self, timeout: Duration) -> Result<Option<&Run<T>>, Error> {
        self.wait_until(Deadline::after(timeout))?;
        self.finished.as_deref().map(Result::as_ref).transpose().map_err(Error::clone)
    }

    /// Returns the run of the job, or `None` if it has not finished.
    ///
    /// Can be called again, as [`Child::try_wait`](std::process::Child::try_wait): once the job has finished, every call
    /// returns the same run. [`wait`](Self::wait) then returns it by value.
    ///
    /// # Errors
    ///
    /// As [`wait`](Self::wait).
    ///
    /// # Examples
    ///
    /// ```
    /// use scheduler::{job, Outcome, Scheduler};
    ///
    /// #[job]
    /// fn square(n: u64) -> u64 { n * n }
    ///
    /// #[scheduler::main]
    /// fn main() -> Result<(), scheduler::Error> {
    ///     let mut handle = Scheduler::new().spawn(square::job(12))?;
    ///     while handle.try_wait()?.is_none() {
    ///         std::thread::yield_now(); // Do something else.
    ///     }
    ///     assert_eq!(handle.try_wait()?.unwrap().outcome, Outcome::Ok(144));
    ///     assert_eq!(handle.wait()?.outcome, Outcome::Ok(144));
    ///     Ok(())
    /// }
    /// ```
    pub fn try_wait(&mut self) -> Result<Option<&Run<T>>, Error> {
        self.wait_timeout(Duration::ZERO)
    }

    /// Lets the job continue without a handle: only observers and follow-ups receive its outcome.
    ///
    /// The job is killed when this process exits.
    #[doc(alias = "disown")]
    #[doc(alias = "forget")]
    pub fn detach(mut self) {
        self.on_drop = OnDrop::Detach;
    }

    /// Returns whether this is the process that spawned the job, not a fork of it.
    fn is_in_origin(&self) -> bool {
        self.spawned.origin.is_here()
    }

    fn refuse_in_a_fork(&self) -> Result<(), Error> {
        if self.is_in_origin() { Ok(()) } else { Err(Error::forked()) }
    }

    /// Waits until `finished` is set, or the deadline passes.
    fn wait_until(&mut self, deadline: Deadline) -> Result<(), Error> {
        self.refuse_in_a_fork()?;
        if self.finished.is_none() {
            let report = self.spawned.job.wait(deadline);
            self.finished = report.map(|report| Box::new(self.run(report)));
        }
        Ok(())
    }

    fn run(&self, report: Result<RunReport, Error>) -> Result<Run<T>, Error> {
        Ok(Run::of(report?, self.decode))
    }
}

impl<T> Future for Handle<T> {
    type Output = Result<Run<T>, Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.refuse_in_a_fork()?;
        match self.finished.take() {
            Some(finished) => Poll::Ready(*finished),
            None => self.spawned.job.poll(context).map(|report| self.run(report)),
        }
    }
}

impl<T> Drop for Handle<T> {
    fn drop(&mut self) {
        if self.on_drop == OnDrop::Kill && !self.is_finished() {
            self.kill();
        }
    }
}

impl<T> fmt::Debug for Handle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match (self.is_finished(), self.pid()) {
            (true, _) => "finished".to_owned(),
            (false, Some(process)) => format!("runs in process {process}"),
            (false, None) => "waits".to_owned(),
        };
        f.debug_struct("Handle").field("id", &self.id()).field("state", &format_args!("{state}")).finish()
    }
}
