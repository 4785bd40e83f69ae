//! `Handle<T>`: a spawned job, from its place in the queue to its run.

use std::fmt;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use serde::Serialize;

use crate::canceller::Canceller;
use crate::checkpoint::encode_typed;
use crate::clock::Deadline;
use crate::error::Error;
use crate::escape::OneLine;
use crate::record::Run;
use crate::spawner::{HandleParts, KeptReport};
use crate::supervisor::{MOST_BYTES, MOST_MESSAGES, Unsendable};
use crate::wire::codec::CodecError;

/// A handle to a job that [`Scheduler::spawn`](crate::Scheduler::spawn) has queued: waits for it, cancels it or kills it.
///
/// **Dropping a handle kills its job**, with everything that the job started, or removes it from the queue. The drop
/// returns at once. [`detach`](Self::detach) lets the job continue without a handle. Threads and Tokio tasks continue when
/// their handles are dropped; a job that has a hard timeout and a dropped handle is more often forgotten than meant.
///
/// A handle is a future, on any executor or none, with the output of [`wait`](Self::wait).
///
/// Several threads and tasks can wait for one job: by a shared reference, or with a clone each. Every one of them gets a run
/// with a value of its own, as often as it asks. The job is killed when the last clone is dropped. A
/// [`canceller`](Self::canceller) stops the job from elsewhere, and keeps nothing alive. The encoded result is kept until
/// the last clone is dropped.
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
    shared: Arc<SharedHandle>,
    decode: fn(&[u8]) -> Result<T, CodecError>,
    /// The run, once `try_wait` or `wait_timeout` has returned it. Boxed, so that a handle is `Unpin` for every `T`.
    finished: OnceLock<Box<Result<Run<T>, Error>>>,
    /// Its number among those that were polled.
    polled: Option<usize>,
}

/// The part that all clones of a handle share. Dropping it kills the job.
struct SharedHandle {
    spawned: HandleParts,
    is_detached: AtomicBool,
}

impl<T> Handle<T> {
    pub(crate) fn new(spawned: HandleParts, decode: fn(&[u8]) -> Result<T, CodecError>) -> Self {
        Self::of(Arc::new(SharedHandle { spawned, is_detached: AtomicBool::new(false) }), decode)
    }

    fn of(shared: Arc<SharedHandle>, decode: fn(&[u8]) -> Result<T, CodecError>) -> Self {
        Self { shared, decode, finished: OnceLock::new(), polled: None }
    }

    /// Returns the id of the run: the one that [`spawn_as`](crate::Scheduler::spawn_as) was given, else the job's name.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.spawned().job.job_id
    }

    /// Returns the registered name of the job.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.spawned().job.name()
    }

    /// Returns the id of the process in which the job runs now.
    ///
    /// Returns `None` before the function is called, between two attempts, and after the job has finished. The process may
    /// exit at any time, after which the system can reuse its id. For a job at a slot it is an id of the slot's machine.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.spawned().job.process().filter(|_| self.shared.is_in_origin())
    }

    /// Returns whether the job has finished, so that [`wait`](Self::wait) returns at once.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.shared.is_finished()
    }

    /// Cancels the job: asks it to stop, and kills it when its [grace period](macro@crate::job#grace) is over, or at once
    /// if it has none. A job that is still queued is not started. Returns at once.
    ///
    /// The outcome of the job is then [`Failure::Cancelled`](crate::Failure::Cancelled), unless it finished first. A job
    /// that waits for its next attempt has the outcome of the last one.
    #[doc(alias = "abort")]
    #[doc(alias = "terminate")]
    pub fn cancel(&self) {
        self.canceller().cancel();
    }

    /// Kills the job, with everything that it started, without a grace period or within it. Returns at once.
    ///
    /// Otherwise the same as [`cancel`](Self::cancel).
    #[doc(alias = "abort")]
    #[doc(alias = "SIGKILL")]
    pub fn kill(&self) {
        self.canceller().kill();
    }

    /// Returns a [`Canceller`], which cancels or kills this job from any thread, and can be cloned.
    #[must_use]
    #[doc(alias = "abort_handle")]
    pub fn canceller(&self) -> Canceller {
        Canceller::new(self.spawned().spawn_loop.clone(), self.spawned().key)
    }

    /// Sends a value to the job, which receives it with [`this_job::receive`](crate::this_job::receive). Returns at once.
    ///
    /// The job receives it as a value of the same type, and a `&str` as a `String`. Messages arrive in order, each once. A job that is queued receives them when it runs; if an attempt fails, the next one
    /// receives those that it had not. What the job doesn't receive before it returns is lost.
    ///
    /// # Errors
    ///
    /// Fails with [`is_message`](Error::is_message), and sends nothing,
    ///
    /// - if the job has finished,
    /// - if it hasn't received the last 1024 messages, or those that it hasn't received take 16 MiB with this one: a job that
    ///   never receives anything can't fill the memory,
    /// - if the value can't be encoded,
    /// - in a fork of the process that spawned the job.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use scheduler::{job, this_job, Outcome, Scheduler};
    ///
    /// /// Adds up numbers until there is none.
    /// #[job(timeout = "60s")]
    /// fn sum() -> Result<u64, scheduler::Error> {
    ///     let mut sum = 0;
    ///     while let Some(Some(number)) = this_job::receive::<Option<u64>>().wait()? {
    ///         sum += number;
    ///     }
    ///     Ok(sum)
    /// }
    ///
    /// #[scheduler::main]
    /// fn main() -> Result<(), scheduler::Error> {
    ///     let handle = Scheduler::new().spawn(sum::job())?;
    ///     for number in [Some(1_u64), Some(2), Some(3), None] {
    ///         handle.send(&number)?;
    ///     }
    ///     assert_eq!(handle.wait()?.outcome, Outcome::Ok(6));
    ///     Ok(())
    /// }
    /// ```
    ///
    /// The idea is that of the mailboxes of Erlang's processes, with a bound.
    pub fn send<M: Serialize + ?Sized + 'static>(&self, message: &M) -> Result<(), Error> {
        self.shared.refuse_in_a_fork()?;
        let job = &self.spawned().job;
        let refused =
            |problem: &str| Error::message(format_args!("`{}` was sent no message: {problem}", OneLine(self.id())));
        let (bytes, _) = encode_typed(message, job.encoding()).map_err(|problem| refused(&problem))?;
        job.messages.push(bytes).map_err(|unsendable| match unsendable {
            Unsendable::Over => refused("it has finished"),
            Unsendable::Full => refused(&format!(
                "too many wait; it can leave up to {MOST_MESSAGES} messages, of {MOST_BYTES} bytes together, unreceived"
            )),
            Unsendable::TooLong => {
                refused(&format!("the value takes more than {MOST_BYTES} bytes; write it to a file, and send the path"))
            }
        })?;
        self.spawned().spawn_loop.send_messages(self.spawned().key);
        Ok(())
    }

    /// Waits until the job has finished, and returns its run. Nothing that the job started is left then.
    ///
    /// Can be called again, and by several threads: each call decodes a value of its own.
    ///
    /// # Errors
    ///
    /// A job that fails, dies or overruns is an [`Outcome`](crate::Outcome), not an error. Fails
    ///
    /// - with [`is_follow_up`](Error::is_follow_up) if the follow-up of its timeout failed; its record is in
    ///   [`into_records`](Error::into_records),
    /// - in a fork of the process that spawned the job,
    /// - in an [observer](crate::Observer) or a follow-up of the job's scheduler, if the job has not finished: handles are completed by
    ///   the thread that calls these, so that it would wait for itself. [`on_ask`](crate::Scheduler::on_ask) has a thread of its own,
    ///   and may wait, [within limits](crate::Scheduler::on_ask).
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
    ///     let handle = Scheduler::new().spawn(square::job(12))?;
    ///     std::thread::scope(|scope| {
    ///         for _ in 0..3 {
    ///             scope.spawn(|| assert_eq!(handle.wait().unwrap().outcome, Outcome::Ok(144)));
    ///         }
    ///     });
    ///     assert_eq!(handle.wait()?.outcome, Outcome::Ok(144));
    ///     Ok(())
    /// }
    /// ```
    #[doc(alias = "join")]
    #[expect(clippy::missing_panics_doc, reason = "without a deadline the report is there")]
    pub fn wait(&self) -> Result<Run<T>, Error> {
        self.shared.refuse_in_a_fork()?;
        self.shared.refuse_to_wait_for_itself()?;
        let report = self.spawned().job.wait(Deadline::NEVER);
        self.run(&report.expect("it waited without a deadline"))
    }

    /// Waits until the job has finished, for at most `timeout`, and returns its run, or `None` if it has not finished.
    ///
    /// Can be called again: once the job has finished, every call of this handle returns the same run.
    /// [`wait`](Self::wait) returns one by value.
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
    ///     let handle = Scheduler::new().spawn(hang::job())?;
    ///     if handle.wait_timeout(Duration::from_millis(100))?.is_none() {
    ///         handle.kill();
    ///     }
    ///     let run = handle.wait()?;
    ///     assert_eq!(run.status(), Status::Error);
    ///     Ok(())
    /// }
    /// ```
    pub fn wait_timeout(&self, timeout: Duration) -> Result<Option<&Run<T>>, Error> {
        self.shared.refuse_in_a_fork()?;
        if !timeout.is_zero() {
            self.shared.refuse_to_wait_for_itself()?;
        }
        if self.finished.get().is_none()
            && let Some(report) = self.spawned().job.wait(Deadline::after(timeout))
        {
            // If another thread was faster, its run stays.
            let _ = self.finished.set(Box::new(self.run(&report)));
        }
        self.finished.get().map(|run| run.as_ref().as_ref()).transpose().map_err(Error::clone)
    }

    /// Returns the run of the job, or `None` if it has not finished.
    ///
    /// Can be called again, as [`Child::try_wait`](std::process::Child::try_wait): once the job has finished, every call of
    /// this handle returns the same run. [`wait`](Self::wait) returns one by value.
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
    ///     let handle = Scheduler::new().spawn(square::job(12))?;
    ///     while handle.try_wait()?.is_none() {
    ///         std::thread::yield_now(); // Do something else.
    ///     }
    ///     assert_eq!(handle.try_wait()?.unwrap().outcome, Outcome::Ok(144));
    ///     assert_eq!(handle.wait()?.outcome, Outcome::Ok(144));
    ///     Ok(())
    /// }
    /// ```
    pub fn try_wait(&self) -> Result<Option<&Run<T>>, Error> {
        self.wait_timeout(Duration::ZERO)
    }

    /// Lets the job continue without a handle: only observers and follow-ups receive its outcome. Other clones of the
    /// handle can still wait for it; dropping the last of them doesn't kill the job.
    ///
    /// The job is killed when this process exits.
    #[doc(alias = "disown")]
    #[doc(alias = "forget")]
    pub fn detach(self) {
        self.shared.is_detached.store(true, Ordering::Release);
    }

    fn spawned(&self) -> &HandleParts {
        &self.shared.spawned
    }

    fn run(&self, report: &KeptReport) -> Result<Run<T>, Error> {
        match &**report {
            Ok(report) => Ok(Run::of_kept(report, self.decode)),
            Err(error) => Err(error.clone()),
        }
    }
}

impl SharedHandle {
    /// Returns whether this is the process that spawned the job, not a fork of it.
    fn is_in_origin(&self) -> bool {
        self.spawned.origin.is_here()
    }

    fn is_finished(&self) -> bool {
        !self.is_in_origin() || self.spawned.job.is_finished()
    }

    fn refuse_to_wait_for_itself(&self) -> Result<(), Error> {
        let job = &self.spawned.job;
        if job.waits_for_this_thread() { Err(Error::waits_for_itself(OneLine(&job.job_id))) } else { Ok(()) }
    }

    fn refuse_in_a_fork(&self) -> Result<(), Error> {
        if self.is_in_origin() { Ok(()) } else { Err(Error::forked()) }
    }
}

impl<T> Future for Handle<T> {
    type Output = Result<Run<T>, Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let handle = &mut *self;
        handle.shared.refuse_in_a_fork()?;
        let report = handle.shared.spawned.job.poll(&mut handle.polled, context);
        report.map(|report| handle.run(&report))
    }
}

/// Another handle to the same job, which waits on its own.
impl<T> Clone for Handle<T> {
    fn clone(&self) -> Self {
        Self::of(Arc::clone(&self.shared), self.decode)
    }
}

impl<T> Drop for Handle<T> {
    fn drop(&mut self) {
        if let Some(polled) = self.polled.filter(|_| self.shared.is_in_origin()) {
            self.spawned().job.forget_waker(polled);
        }
    }
}

impl Drop for SharedHandle {
    fn drop(&mut self) {
        if !*self.is_detached.get_mut() && !self.is_finished() {
            Canceller::new(self.spawned.spawn_loop.clone(), self.spawned.key).kill();
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
