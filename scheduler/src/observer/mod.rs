//! `Observer`: receives the events of jobs as they happen.

#[cfg_attr(not(feature = "report"), allow(dead_code, reason = "only reports need an event in another form"))]
mod event_memo;
#[cfg(feature = "metrics")]
mod metrics_observer;
#[cfg(feature = "tracing")]
mod tracing_observer;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use crate::checkpoint::Checkpoint;
use crate::outcome::{Attempt, Captured, StandardStream, Sweep};
use crate::panic_guard::{self, guarded};
use crate::record::Record;
pub(crate) use event_memo::EventMemo;
#[cfg(feature = "metrics")]
pub use metrics_observer::Metrics;
#[cfg(feature = "tracing")]
pub use tracing_observer::Tracing;

/// Receives the events of a [`Scheduler`](crate::Scheduler)'s jobs as they happen: for progress bars, logs and metrics.
///
/// The default of every method does nothing, and methods may be added. The events of one job come in order:
/// [`queued`](Self::queued); for each attempt [`started`](Self::started), the job's own reports, [`attempt_ended`](Self::attempt_ended)
/// and [`swept`](Self::swept); and finally [`recorded`](Self::recorded), exactly once, whatever the outcome.
///
/// The methods are never called concurrently for one list. They run on the thread that called [`run`](crate::Scheduler::run), or in
/// the task that awaits [`run_async`](crate::Scheduler::run_async). Another thread supervises the jobs meanwhile, so a slow observer
/// delays no deadline; it delays the return of the list. Events that follow each other closely are delivered together, at most ten
/// milliseconds late, since to wake a thread for each would slow a list of very short jobs by a tenth. For jobs that are
/// [spawned](crate::Scheduler::spawn) a separate thread calls them, and a handle completes after them: a slow observer delays
/// [`wait`](crate::Handle::wait), and one that itself waits for a job of its scheduler gets an error.
///
/// A list that is dropped early, a [`Stream`](crate::Stream) or the future of [`run_async`](crate::Scheduler::run_async), kills its jobs.
/// Another thread then notifies the observers of the rest, so that the drop doesn't wait for it: a job that was stopped and one that
/// never began are recorded as [cancelled](crate::Failure::Cancelled). An application that exits meanwhile loses these events. Where
/// the list itself fails, jobs of which the caller gets no record are recorded as cancelled as well.
///
/// A [follow-up job](macro@crate::job#follow_up) has its own events and its own [`key`](Queued::key), from `queued` to `recorded`, and
/// [`follows`](Queued::follows) is the key of its job, whose `recorded` comes after them. The later parts of a
/// [chain](crate::Job::and_then) have the key of their entry, and their attempts are counted on; their `job` is their own.
///
/// An observer that panics receives no further events of that list. The panic is caught and affects no record, unless the
/// application is built with `panic = "abort"`.
///
/// A scheduler without an observer has no cost for it. The idea is that of the reporters of test runners and of Celery's signals.
///
/// # Examples
///
/// ```
/// use std::sync::{Arc, Mutex};
/// use scheduler::{job, jobs, observer, Observer, Scheduler};
///
/// #[job]
/// fn add(a: u32, b: u32) -> u32 { a + b }
///
/// #[derive(Default)]
/// struct Log(Mutex<Vec<String>>);
///
/// impl Observer for Log {
///     fn started(&self, event: &observer::Started<'_>) {
///         self.0.lock().unwrap().push(format!("{} began", event.job_id));
///     }
///
///     fn recorded(&self, event: &observer::Recorded<'_>) {
///         self.0.lock().unwrap().push(format!("{}: {}", event.job_id, event.record.status()));
///     }
/// }
///
/// #[scheduler::main]
/// fn main() -> Result<(), scheduler::Error> {
///     let log = Arc::new(Log::default());
///     Scheduler::new().observer(Arc::clone(&log)).run(jobs![("a", add(1, 2)), ("b", add(3, 4))])?;
///     assert_eq!(*log.0.lock().unwrap(), ["a began", "a: ok", "b began", "b: ok"]);
///     Ok(())
/// }
/// ```
#[doc(alias = "reporter")]
#[doc(alias = "listener")]
#[doc(alias = "hook")]
#[doc(alias = "callback")]
pub trait Observer: Send + Sync {
    /// A job waits for its turn. All jobs of a list are queued before the first one starts.
    fn queued(&self, event: &Queued<'_>) {
        let _ = event;
    }

    /// A job was to start, and waits until another one has finished: no descriptor, process or memory is left for its process.
    ///
    /// So fewer jobs run at a time than the [concurrency](crate::Scheduler::concurrency) allows. This is called when that happens
    /// first, and again if less than half as many run as then.
    #[doc(alias = "throttled")]
    #[doc(alias = "EMFILE")]
    fn postponed(&self, event: &Postponed<'_>) {
        let _ = event;
    }

    /// A job's function was called.
    fn started(&self, event: &Started<'_>) {
        let _ = event;
    }

    /// A job reported its progress ([`this_job::progress`](crate::this_job::progress)).
    ///
    /// If several reports arrive while the observer is busy, it receives the last one.
    fn progress(&self, event: &Progress<'_>) {
        let _ = event;
    }

    /// A job reported what it is doing ([`this_job::message`](crate::this_job::message)). As for [`progress`](Self::progress), the
    /// last of several messages counts.
    fn message(&self, event: &Message<'_>) {
        let _ = event;
    }

    /// A job wrote a line to one of its streams that pass through this process: standard error, unless it is discarded or appended
    /// to a file, and standard output if it is [captured](crate::Output::Capture) or passed on in [lines](crate::Output::Lines). A
    /// job that inherits standard output writes to that of the application without this process in between.
    ///
    /// What the set-up of its process writes comes before [`started`](Self::started).
    ///
    /// Every line arrives, in the order of its stream, as soon as it is complete; the last one of an attempt also without its end.
    /// What a line contains that isn't UTF-8 is replaced, and one of more than 64 KiB arrives in parts. Of an observer that falls
    /// behind by more than 1 MiB of one job's lines, the oldest are dropped: [`Line::skipped`] counts them.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::{Arc, Mutex};
    /// use scheduler::{job, jobs, observer, Observer, Scheduler};
    ///
    /// /// Passes the output of a program on.
    /// #[job(stdout = "capture")]
    /// fn build() {
    ///     println!("compiling");
    ///     println!("linking");
    /// }
    ///
    /// #[derive(Default)]
    /// struct Console(Mutex<Vec<String>>);
    ///
    /// impl Observer for Console {
    ///     fn line(&self, event: &observer::Line<'_>) {
    ///         self.0.lock().unwrap().push(format!("{}: {}", event.job_id, event.text));
    ///     }
    /// }
    ///
    /// #[scheduler::main]
    /// fn main() -> Result<(), scheduler::Error> {
    ///     let console = Arc::new(Console::default());
    ///     Scheduler::new().observer(Arc::clone(&console)).run(jobs![("J1", build)])?;
    ///     assert_eq!(*console.0.lock().unwrap(), ["J1: compiling", "J1: linking"]);
    ///     Ok(())
    /// }
    /// ```
    #[doc(alias = "stdout")]
    #[doc(alias = "stderr")]
    #[doc(alias = "output")]
    fn line(&self, event: &Line<'_>) {
        let _ = event;
    }

    /// A job saved a checkpoint ([`this_job::checkpoint`](crate::this_job::checkpoint)). As for [`progress`](Self::progress), the last
    /// of several checkpoints counts.
    fn checkpoint_saved(&self, event: &CheckpointSaved<'_>) {
        let _ = event;
    }

    /// A job has run for as long as its option [`slow`](macro@crate::job#slow) sets, and runs on. Called once for each attempt.
    #[doc(alias = "slow_timeout")]
    fn slow(&self, event: &Slow<'_>) {
        let _ = event;
    }

    /// A job was asked to stop, at one of its timeouts or because it was cancelled, and its [grace period](macro@crate::job#grace) began.
    #[doc(alias = "timeout")]
    #[doc(alias = "cancelled")]
    fn terminating(&self, event: &Terminating<'_>) {
        let _ = event;
    }

    /// An attempt is over. Usually it is the only one.
    #[doc(alias = "retry")]
    fn attempt_ended(&self, event: &AttemptEnded<'_>) {
        let _ = event;
    }

    /// The processes that an attempt left running were searched for and killed. Called after each attempt, even if none were found.
    fn swept(&self, event: &Swept<'_>) {
        let _ = event;
    }

    /// A job is over, and this is its record. Its follow-up, if any, runs after this.
    #[doc(alias = "finished")]
    fn recorded(&self, event: &Recorded<'_>) {
        let _ = event;
    }
}

impl<O: Observer + ?Sized> Observer for Arc<O> {
    fn queued(&self, event: &Queued<'_>) {
        (**self).queued(event);
    }

    fn postponed(&self, event: &Postponed<'_>) {
        (**self).postponed(event);
    }

    fn started(&self, event: &Started<'_>) {
        (**self).started(event);
    }

    fn progress(&self, event: &Progress<'_>) {
        (**self).progress(event);
    }

    fn message(&self, event: &Message<'_>) {
        (**self).message(event);
    }

    fn line(&self, event: &Line<'_>) {
        (**self).line(event);
    }

    fn checkpoint_saved(&self, event: &CheckpointSaved<'_>) {
        (**self).checkpoint_saved(event);
    }

    fn slow(&self, event: &Slow<'_>) {
        (**self).slow(event);
    }

    fn terminating(&self, event: &Terminating<'_>) {
        (**self).terminating(event);
    }

    fn attempt_ended(&self, event: &AttemptEnded<'_>) {
        (**self).attempt_ended(event);
    }

    fn swept(&self, event: &Swept<'_>) {
        (**self).swept(event);
    }

    fn recorded(&self, event: &Recorded<'_>) {
        (**self).recorded(event);
    }
}

/// Defines the types of events, each with the fields that identify its job.
macro_rules! events {
    ($($(#[$about:meta])* $event:ident { $($(#[$field_about:meta])* $field:ident: $type:ty),* })*) => {$(
        $(#[$about])*
        #[derive(Clone, Copy, Debug)]
        #[non_exhaustive]
        pub struct $event<'a> {
            /// A number that identifies the job among all jobs of this process, the same in all events of the job. Within a list it
            /// increases by one from job to job.
            pub key: u64,
            /// The id that the caller gave to the job; another job may have the same one.
            pub job_id: &'a str,
            /// The registered name of the job.
            pub job: &'static str,
            /// When it happened, as the scheduler noticed it, by the wall clock. An observer that is busy receives the event later.
            pub at: SystemTime,
            /// The key of the job that this one follows up on, if it is a [follow-up job](macro@crate::job#follow_up).
            pub follows: Option<u64>,
            $($(#[$field_about])* pub $field: $type,)*
            #[allow(dead_code, reason = "only reports read it, and not of each event")]
            pub(crate) memo: &'a EventMemo,
        }
    )*};
}

events! {
    /// The event of [`Observer::queued`].
    Queued {
        /// The job's [group](macro@crate::job#group), if it has one.
        group: Option<&'a str>
    }

    /// The event of [`Observer::postponed`].
    Postponed {
        /// The number of jobs of the list, or of the spawned jobs of the scheduler, that run.
        running: usize,
        /// The error that no process could be started, and for descriptors the limit.
        reason: &'a str
    }

    /// The event of [`Observer::started`].
    Started {
        /// The number of the attempt, from 1.
        attempt: u32,
        /// The smallest number, from 1, that no other job of the list had while this one started. It is never more than the
        /// [concurrency](crate::Scheduler::concurrency), and belongs to the job until [`attempt_ended`](Observer::attempt_ended).
        /// The idea is GNU parallel's `{%}`.
        slot: usize,
        /// The id of the job's process, if it is known.
        process: Option<u32>,
        /// The name of the machine that it runs on, if it runs at a [slot](crate::Record::slot) on another one; `slot` is then the number
        /// of that.
        host: Option<&'a str>
    }

    /// The event of [`Observer::progress`].
    Progress {
        /// The number of the attempt, from 1.
        attempt: u32,
        /// The finished part, as the job reports it: it may exceed the total, or be less than before.
        done: u64,
        /// The whole.
        total: u64
    }

    /// The event of [`Observer::message`].
    Message {
        /// The number of the attempt, from 1.
        attempt: u32,
        /// The message, up to 4 KiB. It may contain any text, including line breaks and control characters.
        text: &'a str
    }

    /// The event of [`Observer::line`].
    Line {
        /// The number of the attempt, from 1.
        attempt: u32,
        /// The stream that the job wrote to.
        stream: StandardStream,
        /// The line without its end. It may contain control characters.
        text: &'a str,
        /// How many lines before this one the observer has not received, as it was behind.
        skipped: usize
    }

    /// The event of [`Observer::checkpoint_saved`].
    CheckpointSaved {
        /// The number of the attempt, from 1.
        attempt: u32,
        /// The checkpoint.
        checkpoint: &'a Checkpoint
    }

    /// The event of [`Observer::slow`].
    Slow {
        /// The number of the attempt, from 1.
        attempt: u32,
        /// The time that the option sets: the job has run for a little longer.
        after: Duration
    }

    /// The event of [`Observer::terminating`].
    Terminating {
        /// The number of the attempt, from 1.
        attempt: u32,
        /// The reason: `"timeout"`, the job's own or that of the whole list, `"stall"`, `"silence"`, or `"cancelled"`.
        reason: &'static str
    }

    /// The event of [`Observer::attempt_ended`].
    AttemptEnded {
        /// The attempt, with its outcome.
        attempt: &'a Attempt,
        /// The number of [`Started::slot`], `None` if no process was made. Another job may have it from now on.
        slot: Option<usize>,
        /// The minimum delay before the next attempt, if there is one.
        retry_in: Option<Duration>,
        /// The end of its standard error, if another attempt follows; the [record](Record::stderr_tail) has that of the last one.
        stderr_tail: &'a str,
        /// The captured output, if another attempt follows; the [record](Record::output) has that of the last one.
        output: Option<&'a Captured>
    }

    /// The event of [`Observer::swept`].
    Swept {
        /// The number of the attempt, from 1.
        attempt: u32,
        /// The processes that were found.
        sweep: &'a Sweep
    }

    /// The event of [`Observer::recorded`].
    Recorded {
        /// The record.
        record: &'a Record
    }
}

/// The observers of a scheduler; those of a list without the ones that panicked.
#[derive(Clone, Default)]
pub(crate) struct Observers(Vec<Arc<dyn Observer>>);

impl Observers {
    pub(crate) fn add(&mut self, observer: Arc<dyn Observer>) {
        self.0.push(observer);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Calls each of them, and removes one that panics.
    pub(crate) fn notify(&mut self, notify: impl Fn(&dyn Observer)) {
        self.0.extract_if(.., |observer| guarded(|| notify(&**observer)).is_err()).for_each(panic_guard::discard);
    }
}

impl Drop for Observers {
    fn drop(&mut self) {
        // This may drop an observer, and its `Drop` is the user's code.
        self.0.drain(..).for_each(panic_guard::discard);
    }
}

impl fmt::Debug for Observers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} observers", self.0.len())
    }
}

/// Reserves `count` consecutive keys, and returns the first.
pub(crate) fn new_keys(count: usize) -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(count as u64, Ordering::Relaxed)
}
