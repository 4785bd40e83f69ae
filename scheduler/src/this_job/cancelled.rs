//! `Cancelled`: waits until the job is asked to stop.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::thread;
use std::time::Duration;

use crate::child::RunContext;
use crate::clock::Deadline;

/// Returns a [`Cancelled`], which waits until this job is asked to stop: on this thread with [`wait`](Cancelled::wait), or
/// as a future on any executor.
///
/// The first wait starts a thread in the job's process, which reads from the parent for all of them.
///
/// # Examples
///
/// ```
/// use std::sync::mpsc;
/// use std::time::Duration;
/// use scheduler::{job, run_job_with_timeout, this_job, Outcome};
///
/// /// Serves requests, until it is asked to stop.
/// #[job(grace = "10s")]
/// fn serve() -> u32 {
///     let (stop, requests) = mpsc::channel::<()>();
///     std::thread::spawn(move || {
///         this_job::cancelled().wait();
///         drop(stop);
///     });
///     requests.iter().map(|()| 1).sum()
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
/// In a job that is an `async fn`, beside its work:
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

/// Waits until this job is asked to stop: see [`cancelled`].
///
/// Outside of a job it waits forever.
#[derive(Debug)]
#[must_use = "it does nothing until it is awaited, or `wait` is called"]
pub struct Cancelled {
    /// The key of the waiting task, from one poll to the next.
    key: Option<usize>,
}

impl Cancelled {
    /// Blocks this thread until the job is asked to stop.
    pub fn wait(self) {
        self.wait_until(Deadline::NEVER);
    }

    /// Blocks this thread until the job is asked to stop, for at most `timeout`. Returns whether it was asked.
    ///
    /// It is a sleep that cancellation interrupts.
    #[must_use]
    pub fn wait_timeout(self, timeout: Duration) -> bool {
        self.wait_until(Deadline::after(timeout))
    }

    #[expect(clippy::unused_self, reason = "a wait consumes it")]
    fn wait_until(self, deadline: Deadline) -> bool {
        if let Some(context) = RunContext::current() {
            return context.receiver().wait(deadline);
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
            Some(run) if run.receiver().poll(&mut self.key, context) => Poll::Ready(()),
            _ => Poll::Pending,
        }
    }
}

impl Drop for Cancelled {
    fn drop(&mut self) {
        if let (Some(key), Some(context)) = (self.key, RunContext::current()) {
            context.receiver().forget(key);
        }
    }
}
