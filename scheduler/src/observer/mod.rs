//! `Observer`: who is told what happens to jobs, as it happens.

#[cfg(feature = "tracing")]
mod tracing_observer;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::checkpoint::Checkpoint;
use crate::outcome::{Attempt, Sweep};
use crate::panic_guard::{self, guarded};
use crate::record::Record;
#[cfg(feature = "tracing")]
pub use tracing_observer::Tracing;

/// Is told what happens to the jobs of a [`Scheduler`](crate::Scheduler), as it happens: for progress bars, logs, metrics.
///
/// Every method does nothing unless it is written, and new ones may come. What happens to one job is told in its order:
/// [`queued`](Self::queued), then for each attempt [`started`](Self::started), what it tells itself,
/// [`attempt_ended`](Self::attempt_ended) and [`swept`](Self::swept), and at last [`recorded`](Self::recorded), once, whatever became of it.
///
/// The methods are called one after the other: on the thread that called [`run`](crate::Scheduler::run), or the task that
/// awaits [`run_async`](crate::Scheduler::run_async). Another thread watches over the jobs meanwhile, so that no deadline
/// waits for an observer. The end of the list does. For jobs that are [spawned](crate::Scheduler::spawn) a thread of its own
/// calls them, and a handle hears of the end of its job after that.
///
/// An observer that panics receives nothing more of that list. Nothing else changes: the panic ends here, and every record
/// is there. Where the application is built with `panic = "abort"` any panic ends the process.
///
/// A scheduler without one costs nothing for it. The idea is that of the reporters of test runners, and of the signals of
/// Celery.
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
pub trait Observer: Send + Sync {
    /// A job waits for its turn. All jobs of a list are told of before the first one starts.
    fn queued(&self, event: &Queued<'_>) {
        let _ = event;
    }

    /// A job's function was called.
    fn started(&self, event: &Started<'_>) {
        let _ = event;
    }

    /// A job has told how far it is ([`this_job::progress`](crate::this_job::progress)), while it runs.
    ///
    /// Of what it tells while the observer is busy the last is told.
    fn progress(&self, event: &Progress<'_>) {
        let _ = event;
    }

    /// A job has told what it is at ([`this_job::message`](crate::this_job::message)), while it runs: as
    /// [`progress`](Self::progress).
    fn message(&self, event: &Message<'_>) {
        let _ = event;
    }

    /// A job has saved some of its work ([`this_job::checkpoint`](crate::this_job::checkpoint)), while it runs: as
    /// [`progress`](Self::progress).
    fn checkpoint(&self, event: &Saved<'_>) {
        let _ = event;
    }

    /// A job was asked to end, and is in its [grace period](macro@crate::job#grace).
    fn asked(&self, event: &Asked<'_>) {
        let _ = event;
    }

    /// An attempt is over: the only one, mostly.
    fn attempt_ended(&self, event: &AttemptEnded<'_>) {
        let _ = event;
    }

    /// What an attempt left behind was looked for, and ended: told after each, also if nothing was found.
    fn swept(&self, event: &Swept<'_>) {
        let _ = event;
    }

    /// A job is over, and this is its record. A follow-up comes after it.
    fn recorded(&self, event: &Recorded<'_>) {
        let _ = event;
    }
}

impl<O: Observer + ?Sized> Observer for Arc<O> {
    fn queued(&self, event: &Queued<'_>) {
        (**self).queued(event);
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

    fn checkpoint(&self, event: &Saved<'_>) {
        (**self).checkpoint(event);
    }

    fn asked(&self, event: &Asked<'_>) {
        (**self).asked(event);
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

/// Writes the types of events, each with what says which job it is about.
macro_rules! events {
    ($($(#[$about:meta])* $event:ident { $($(#[$field_about:meta])* $field:ident: $type:ty),* })*) => {$(
        $(#[$about])*
        #[derive(Clone, Copy, Debug)]
        #[non_exhaustive]
        pub struct $event<'a> {
            /// A number that no other job of this process has, not even one with the same id: the same in all that is told
            /// of this one. Within a list it grows from job to job, by one.
            pub key: u64,
            /// The id that the caller gave.
            pub job_id: &'a str,
            /// The registered name of the job.
            pub job: &'static str,
            $($(#[$field_about])* pub $field: $type,)*
        }
    )*};
}

events! {
    /// What [`Observer::queued`] is told.
    Queued {}

    /// What [`Observer::started`] is told.
    Started {
        /// Which attempt it is, from 1.
        attempt: u32,
        /// The id of the job's process, if that is known.
        process: Option<u32>
    }

    /// What [`Observer::progress`] is told.
    Progress {
        /// Which attempt it is, from 1.
        attempt: u32,
        /// How much is done. It is what the job says: it may be more than the whole, or less than before.
        done: u64,
        /// Of how much.
        total: u64
    }

    /// What [`Observer::message`] is told.
    Message {
        /// Which attempt it is, from 1.
        attempt: u32,
        /// What the job says, up to 4 KiB. It may hold anything, line breaks and control characters too.
        text: &'a str
    }

    /// What [`Observer::checkpoint`] is told.
    Saved {
        /// Which attempt it is, from 1.
        attempt: u32,
        /// What was saved.
        checkpoint: &'a Checkpoint
    }

    /// What [`Observer::asked`] is told.
    Asked {
        /// Which attempt it is, from 1.
        attempt: u32,
        /// Why: `"timeout"`, its own or that of the whole list, or `"cancelled"`.
        reason: &'static str
    }

    /// What [`Observer::attempt_ended`] is told.
    AttemptEnded {
        /// How it ended.
        attempt: &'a Attempt,
        /// How long the next attempt waits for its turn at the least, if there is to be one.
        retry_in: Option<Duration>
    }

    /// What [`Observer::swept`] is told.
    Swept {
        /// After which attempt, from 1.
        attempt: u32,
        /// What was found.
        sweep: &'a Sweep
    }

    /// What [`Observer::recorded`] is told.
    Recorded {
        /// All that is kept of the job.
        record: &'a Record
    }
}

/// The observers of a scheduler, or those of a list that have not panicked.
#[derive(Clone, Default)]
pub(crate) struct Observers(Vec<Arc<dyn Observer>>);

impl Observers {
    pub(crate) fn admit(&mut self, observer: Arc<dyn Observer>) {
        self.0.push(observer);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Tells each of them; who panics is told nothing more.
    pub(crate) fn tell(&mut self, tell: impl Fn(&dyn Observer)) {
        self.0.extract_if(.., |observer| guarded(|| tell(&**observer)).is_err()).for_each(panic_guard::discard);
    }
}

impl Drop for Observers {
    fn drop(&mut self) {
        // Some may be gone with this, and their `Drop` is the user's.
        self.0.drain(..).for_each(panic_guard::discard);
    }
}

impl fmt::Debug for Observers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} observers", self.0.len())
    }
}

/// Returns the first of so many keys that nobody else has.
pub(crate) fn new_keys(count: usize) -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(count as u64, Ordering::Relaxed)
}
