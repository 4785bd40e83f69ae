//! `Handle<T>`: a job that was spawned, while it waits, runs and is over.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::clock::Deadline;
use crate::error::Error;
use crate::spawner::HandleParts;
use crate::supervisor::StopMode;
use crate::typed::Run;
use crate::wire::codec::CodecError;

/// A job that [`Scheduler::spawn`](crate::Scheduler::spawn) has put in line: it can be waited for, awaited, cancelled and
/// killed.
///
/// **To drop it is to kill the job**, with everything that it started, or to take it out of the line; nobody waits for that.
/// Whoever wants it to go on says so, by [`detach`](Self::detach). Threads and Tokio's tasks go on by themselves when their
/// handles are dropped; a job with a hard timeout that nobody waits for is more often forgotten than meant.
///
/// It is a future, too, of the same as [`wait`](Self::wait) returns, on any executor or none.
///
/// In a process that was forked from the one that spawned the job (`fork` without an execution) a handle does nothing: dropping
/// it, too, leaves the job alone, and to wait for it is an error.
///
/// # Panics
///
/// What came of the job is given once. A handle that is asked for it once more, or polled, panics.
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
#[must_use = "to drop a handle is to kill its job; `detach` it if it is to go on"]
pub struct Handle<T> {
    spawned: HandleParts,
    decode: fn(&[u8]) -> Result<T, CodecError>,
    when_dropped: WhenDropped,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum WhenDropped {
    Immediate,
    LetGoOn,
}

impl<T> Handle<T> {
    pub(crate) fn new(spawned: HandleParts, decode: fn(&[u8]) -> Result<T, CodecError>) -> Self {
        Self { spawned, decode, when_dropped: WhenDropped::Immediate }
    }

    /// Returns the id of the run: what [`spawn_as`](crate::Scheduler::spawn_as) was given, else the job's name.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.spawned.job.job_id
    }

    /// Returns the id of the process in which the job runs now; nothing before its function is called, between two
    /// attempts, and when it is over.
    ///
    /// By the time that you use it the process may have ended, and its id may be another one's.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.spawned.job.process().filter(|_| self.is_at_home())
    }

    /// Says whether the job is over, so that [`wait`](Self::wait) returns at once.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        !self.is_at_home() || self.spawned.job.is_over()
    }

    /// Has the job ended: it is asked to, and killed once its [grace period](macro@crate::job#grace) is over; at once, if it
    /// has none. One that waits is not started. Returns at once.
    ///
    /// It is then over with [`Failure::Cancelled`](crate::Failure::Cancelled), unless it had come to an end of its own
    /// first, or waits for its next attempt: then with what came of the last one.
    pub fn cancel(&self) {
        self.spawned.spawn_loop.end(self.spawned.key, StopMode::Graceful);
    }

    /// Has the job killed, with everything that it started, without a grace period or within it. Returns at once.
    ///
    /// Else as [`cancel`](Self::cancel).
    pub fn kill(&self) {
        self.spawned.spawn_loop.end(self.spawned.key, StopMode::Immediate);
    }

    /// Waits until the job is over, and returns what came of it. Nothing that it started is left then.
    ///
    /// # Errors
    ///
    /// A job that fails, dies or overruns is an [`Outcome`](crate::Outcome), not an error. Fails with
    /// [`is_follow_up`](Error::is_follow_up) if the follow-up of its timeout failed; its record is in
    /// [`into_records`](Error::into_records).
    ///
    /// # Panics
    ///
    /// If what came of it has been given already.
    pub fn wait(self) -> Result<Run<T>, Error> {
        self.refuse_in_a_fork()?;
        let over = self.spawned.job.wait(Deadline::after(Duration::MAX));
        self.run(over.expect("there is no deadline"))
    }

    /// Waits until the job is over, but no longer than `timeout`, and returns what came of it, if it is.
    ///
    /// # Errors
    ///
    /// As [`wait`](Self::wait).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use scheduler::{job, Scheduler};
    ///
    /// #[job]
    /// fn hang() { loop { std::thread::park() } }
    ///
    /// #[scheduler::main]
    /// fn main() -> Result<(), scheduler::Error> {
    ///     let mut handle = Scheduler::new().spawn(hang::job())?;
    ///     assert!(handle.wait_timeout(Duration::from_millis(100))?.is_none());
    ///     drop(handle); // Which kills it.
    ///     Ok(())
    /// }
    /// ```
    pub fn wait_timeout(&mut self, timeout: Duration) -> Result<Option<Run<T>>, Error> {
        self.refuse_in_a_fork()?;
        self.spawned.job.wait(Deadline::after(timeout)).map(|over| self.run(over)).transpose()
    }

    /// Returns what came of the job, if it is over.
    ///
    /// # Errors
    ///
    /// As [`wait`](Self::wait).
    pub fn try_wait(&mut self) -> Result<Option<Run<T>>, Error> {
        self.wait_timeout(Duration::ZERO)
    }

    /// Lets the job go on, and nobody hears what comes of it but observers and follow-ups.
    ///
    /// It ends with this process at the latest.
    pub fn detach(mut self) {
        self.when_dropped = WhenDropped::LetGoOn;
    }

    /// Says whether this is the process that spawned the job, and no fork of it.
    fn is_at_home(&self) -> bool {
        self.spawned.origin.is_here()
    }

    fn refuse_in_a_fork(&self) -> Result<(), Error> {
        if self.is_at_home() { Ok(()) } else { Err(Error::forked()) }
    }

    fn run(&self, over: Result<crate::record::RunReport, Error>) -> Result<Run<T>, Error> {
        Ok(Run::of(over?, self.decode))
    }
}

impl<T> Future for Handle<T> {
    type Output = Result<Run<T>, Error>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.refuse_in_a_fork()?;
        self.spawned.job.poll(context).map(|over| self.run(over))
    }
}

impl<T> Drop for Handle<T> {
    fn drop(&mut self) {
        if self.when_dropped == WhenDropped::Immediate && !self.is_finished() {
            self.kill();
        }
    }
}

impl<T> fmt::Debug for Handle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match (self.is_finished(), self.pid()) {
            (true, _) => "over".to_owned(),
            (false, Some(process)) => format!("runs in process {process}"),
            (false, None) => "waits".to_owned(),
        };
        f.debug_struct("Handle").field("id", &self.id()).field("state", &format_args!("{state}")).finish()
    }
}
