//! `Canceller`: cancels or kills one spawned job, from anywhere.

use std::fmt;

use crate::supervisor::{QueueKey, SpawnLoop, StopMode};

/// Cancels or kills one spawned job: what [`Handle::canceller`](crate::Handle::canceller) returns.
///
/// It can be cloned, sent to any thread and kept for any time, while the handle waits for the job somewhere else. It
/// doesn't keep the job alive: when the last clone of the handle is dropped, the job is killed.
///
/// After the job has finished it has no effect; nor in a fork of the process that spawned the job.
///
/// The idea is that of Tokio's `AbortHandle`.
///
/// # Examples
///
/// ```
/// use scheduler::{job, Failure, Outcome, Scheduler};
///
/// #[job]
/// fn hang() { loop { std::thread::park() } }
///
/// #[scheduler::main]
/// fn main() -> Result<(), scheduler::Error> {
///     let handle = Scheduler::new().spawn(hang::job())?;
///     let canceller = handle.canceller();
///     std::thread::spawn(move || canceller.cancel());
///     assert!(matches!(handle.wait()?.outcome, Outcome::Error(Failure::Cancelled { .. })));
///     Ok(())
/// }
/// ```
#[doc(alias = "AbortHandle")]
#[doc(alias = "CancellationToken")]
#[derive(Clone)]
pub struct Canceller {
    spawn_loop: SpawnLoop,
    key: QueueKey,
}

impl Canceller {
    pub(crate) fn new(spawn_loop: SpawnLoop, key: QueueKey) -> Self {
        Self { spawn_loop, key }
    }

    /// Cancels the job: asks it to stop, and kills it when its [grace period](macro@crate::job#grace) is over, or at once
    /// if it has none. A job that is still queued is not started. Returns at once.
    ///
    /// The outcome of the job is then [`Failure::Cancelled`](crate::Failure::Cancelled), unless it finished first. A job
    /// that waits for its next attempt has the outcome of the last one.
    #[doc(alias = "abort")]
    #[doc(alias = "terminate")]
    pub fn cancel(&self) {
        self.spawn_loop.cancel(self.key, StopMode::Graceful);
    }

    /// Kills the job, with everything that it started, without a grace period or within it. Returns at once.
    ///
    /// Otherwise the same as [`cancel`](Self::cancel).
    #[doc(alias = "abort")]
    #[doc(alias = "SIGKILL")]
    pub fn kill(&self) {
        self.spawn_loop.cancel(self.key, StopMode::Immediate);
    }
}

impl fmt::Debug for Canceller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Canceller").finish_non_exhaustive()
    }
}
