//! `CancelToken`: drains or cancels every scheduler that has it.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::task::{Context, Poll};

use super::mailbox::{LoopCommand, Mailbox};
use super::state_machine::StopMode;
use super::token_watchers::TokenWatchers;
use crate::process::PerProcess;
use crate::sync::lock;

/// Cancels the jobs of every [`Scheduler`](crate::Scheduler) that [has it](crate::Scheduler::cancel_token), from any
/// thread.
///
/// Clones are the same token. Cancelling can't be undone: a scheduler with a cancelled token starts nothing more.
///
/// | | further jobs | jobs that run |
/// |---|---|---|
/// | [`drain`](Self::drain) | don't start | finish |
/// | [`cancel`](Self::cancel) | don't start | are asked to stop, and have their [grace period](macro@crate::job#grace) |
/// | [`kill`](Self::kill) | don't start | are killed |
///
/// When it is cancelled, no further job starts, and the running ones are stopped. A list still returns all its records, in
/// its order, as soon as the last job has stopped. A job that was stopped or not started fails with
/// [`Failure::Cancelled`](crate::Failure::Cancelled); a job that had finished before keeps its outcome, and one that waited
/// for its next attempt that of its last one. No follow-up is called for a cancelled job, unless its
/// [`follow_up_on`](macro@crate::job#follow_up) names [`Cause::Cancelled`](crate::Cause::Cancelled).
///
/// The idea comes from .NET's cancellation tokens, by way of `tokio-util`.
///
/// # Examples
///
/// ```
/// use scheduler::{job, jobs, CancelToken, Failure, Scheduler, Status};
///
/// #[job]
/// fn quick() -> u8 { 1 }
///
/// #[job(timeout = "50ms")]
/// fn hang() { loop { std::thread::park() } }
///
/// #[scheduler::main]
/// fn main() -> Result<(), scheduler::Error> {
///     let token = CancelToken::new();
///     let records = Scheduler::new()
///         .cancel_token(&token)
///         .on_timeout(|_| token.cancel()) // From here, or from any thread.
///         .run(jobs![("a", quick), ("b", hang), ("c", quick)])?;
///     assert_eq!(records[0].status(), Status::Ok);
///     assert_eq!(records[1].status(), Status::Timeout);
///     assert!(matches!(records[2].failure(), Some(Failure::Cancelled { begun: false, .. })));
///     assert!(token.is_cancelled());
///     Ok(())
/// }
/// ```
#[doc(alias = "CancellationToken")]
#[derive(Clone, Default)]
pub struct CancelToken(Arc<TokenState>);

#[derive(Default)]
struct TokenState {
    /// 0, [`DRAINED`], [`CANCELLED`] or [`KILLED`]; it never goes back.
    stage: AtomicU8,
    /// The loops that run jobs under this token.
    mailboxes: PerProcess<Mutex<Vec<Weak<Mailbox>>>>,
    /// The tasks that wait until it is drained.
    watchers: PerProcess<TokenWatchers>,
}

const DRAINED: u8 = 1;
const CANCELLED: u8 = 2;
const KILLED: u8 = 3;

/// Returns a new mailbox, to which `token` sends its cancellation.
pub(super) fn subscribed_mailbox(token: Option<&CancelToken>) -> io::Result<Arc<Mailbox>> {
    let mailbox = Arc::new(Mailbox::new()?);
    if let Some(token) = token {
        token.subscribe(&mailbox);
    }
    Ok(mailbox)
}

impl CancelToken {
    /// Returns a token that is not cancelled.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts nothing more, and lets the jobs that run finish. Doesn't wait for that.
    ///
    /// Their results are kept, as are those of jobs that have finished. A job that was not started is recorded as
    /// [`Failure::Cancelled`](crate::Failure::Cancelled), with `begun: false`. A job that fails is not retried, and one that
    /// waits for its next attempt has the outcome of its last one; both are [interrupted](crate::Record::is_interrupted). Jobs in
    /// a grace period keep it, and timeouts are followed up. Nothing but their timeouts limits how long the running jobs take;
    /// [`cancel`](Self::cancel) and [`kill`](Self::kill) can follow.
    ///
    /// Can be called from any thread, from an observer and from a follow-up, any number of times. It takes a lock, so it
    /// must not be called inside a signal handler; `on_termination` (feature `signals`) does it for signals.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::thread;
    /// use std::time::Duration;
    ///
    /// use scheduler::{job, jobs, CancelToken, Failure, Scheduler};
    ///
    /// #[job]
    /// fn square(n: u64) -> u64 { n * n }
    ///
    /// #[job(timeout = "100ms")]
    /// fn hang() { loop { thread::park(); } }
    ///
    /// #[scheduler::main]
    /// fn main() -> Result<(), scheduler::Error> {
    ///     let token = CancelToken::new();
    ///     // Nothing more starts after a timeout.
    ///     let scheduler = Scheduler::new().timeout(Duration::from_secs(10)).cancel_token(&token).on_timeout(|_| token.drain());
    ///     let records = scheduler.run(jobs![("a", square(12)), ("b", hang), ("c", square(14))])?;
    ///     assert_eq!(records[0].result::<u64>()?, 144);
    ///     assert!(matches!(records[2].failure(), Some(Failure::Cancelled { begun: false, .. })));
    ///     assert!(token.is_draining() && !token.is_cancelled());
    ///     Ok(())
    /// }
    /// ```
    #[doc(alias = "graceful_shutdown")]
    #[doc(alias = "SIGTERM")]
    pub fn drain(&self) {
        self.advance_to(DRAINED);
    }

    /// Stops the jobs: each is asked to stop, and killed after its [grace period](macro@crate::job#grace); at once if it
    /// has none. Doesn't wait for that.
    #[doc(alias = "stop")]
    pub fn cancel(&self) {
        self.advance_to(CANCELLED);
    }

    /// Kills the jobs, without a grace period or within it. Doesn't wait for that.
    #[doc(alias = "SIGKILL")]
    pub fn kill(&self) {
        self.advance_to(KILLED);
    }

    /// Returns whether [`cancel`](Self::cancel) or [`kill`](Self::kill) has been called.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.stage.load(Ordering::Acquire) >= CANCELLED
    }

    /// Returns whether [`drain`](Self::drain), [`cancel`](Self::cancel) or [`kill`](Self::kill) has been called: nothing
    /// more is started.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.0.stage.load(Ordering::Acquire) >= DRAINED
    }

    /// Waits until [`drain`](Self::drain), [`cancel`](Self::cancel) or [`kill`](Self::kill) is called: a future for the loop
    /// of a service that accepts work, on any executor.
    ///
    /// The idea is that of `cancelled` of `tokio-util`'s token.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use scheduler::CancelToken;
    ///
    /// #[tokio::main]
    /// async fn main() {
    ///     let token = CancelToken::new();
    ///     let drains = token.clone();
    ///     tokio::spawn(async move { drains.drain() });
    ///     loop {
    ///         tokio::select! {
    ///             () = token.draining() => break,
    ///             () = tokio::time::sleep(Duration::from_millis(10)) => {} // Accept a request, and spawn its job.
    ///         }
    ///     }
    ///     assert!(token.is_draining());
    /// }
    /// ```
    #[doc(alias = "cancelled")]
    #[doc(alias = "shutdown")]
    pub fn draining(&self) -> impl Future<Output = ()> + Send + Sync + Unpin + use<> {
        Draining { token: self.clone(), number: None }
    }

    fn advance_to(&self, stage: u8) {
        let mailboxes = lock(self.0.mailboxes.here());
        let before = self.0.stage.load(Ordering::Acquire);
        if before < stage {
            // First the commands: where the token is seen to drain, no loop starts a job any more.
            mailboxes.iter().filter_map(Weak::upgrade).for_each(|mailbox| send_stage(&mailbox, stage));
            self.0.stage.store(stage, Ordering::Release);
        }
        drop(mailboxes);
        if before < DRAINED {
            self.0.watchers.here().wake();
        }
    }

    /// Cancels the loop that reads this mailbox when the token is cancelled, or now if it is.
    fn subscribe(&self, mailbox: &Arc<Mailbox>) {
        let mut mailboxes = lock(self.0.mailboxes.here());
        mailboxes.retain(|mailbox| mailbox.strong_count() > 0);
        mailboxes.push(Arc::downgrade(mailbox));
        // Under the lock: either this call or `advance_to` sends a stage, and no earlier one after a later one.
        send_stage(mailbox, self.0.stage.load(Ordering::Acquire));
    }
}

/// Waits until a token is drained.
struct Draining {
    token: CancelToken,
    /// Its number among the watchers, once it was polled.
    number: Option<usize>,
}

impl Future for Draining {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let Self { token, number } = &mut *self;
        // Before the stage is read: a later `drain` wakes the task.
        token.0.watchers.here().register(number, context.waker());
        if token.is_draining() { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl Drop for Draining {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            self.token.0.watchers.here().forget(number);
        }
    }
}

fn send_stage(mailbox: &Mailbox, stage: u8) {
    let command = match stage {
        DRAINED => LoopCommand::Stop,
        CANCELLED => LoopCommand::CancelAll(StopMode::Graceful),
        KILLED => LoopCommand::CancelAll(StopMode::Immediate),
        _ => return,
    };
    // If the loop has exited, no job of its runs.
    let _ = mailbox.send(command);
}

impl fmt::Debug for CancelToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancelToken")
            .field("is_draining", &self.is_draining())
            .field("is_cancelled", &self.is_cancelled())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Wake, Waker};

    use super::*;

    /// Returns the modes that were sent, `None` for a drain.
    fn sent(mailbox: &Mailbox) -> Vec<Option<StopMode>> {
        let mode = |command| match command {
            LoopCommand::Stop => None,
            LoopCommand::CancelAll(mode) => Some(mode),
            other => panic!("{other:?}"),
        };
        mailbox.take().into_iter().map(mode).collect()
    }

    #[test]
    #[cfg_attr(miri, ignore = "a waker is a descriptor")]
    fn each_loop_is_sent_each_stage_once_whenever_it_subscribes() {
        let [early, late] = [Mailbox::new(), Mailbox::new()].map(|mailbox| Arc::new(mailbox.expect("a waker")));
        let token = CancelToken::new();
        token.subscribe(&early);
        assert!(!token.is_draining() && sent(&early).is_empty());
        token.drain();
        token.drain();
        assert!(token.is_draining() && !token.is_cancelled());
        assert_eq!(sent(&early), [None]);
        token.clone().cancel();
        token.drain();
        token.cancel();
        token.subscribe(&late);
        assert!(token.is_cancelled());
        assert_eq!((sent(&early), sent(&late)), (vec![Some(StopMode::Graceful)], vec![Some(StopMode::Graceful)]));
        token.kill();
        token.cancel();
        assert_eq!((sent(&early), sent(&late)), (vec![Some(StopMode::Immediate)], vec![Some(StopMode::Immediate)]));
    }

    #[test]
    fn a_task_is_woken_once_by_the_first_call_and_one_that_gave_up_never() {
        struct Count(AtomicU8);
        impl Wake for Count {
            fn wake(self: Arc<Self>) {
                self.0.fetch_add(1, Ordering::AcqRel);
            }
        }
        fn poll(future: &mut (impl Future + Unpin), count: &Arc<Count>) -> bool {
            let waker = Waker::from(Arc::clone(count));
            Pin::new(future).poll(&mut Context::from_waker(&waker)).is_ready()
        }
        let token = CancelToken::new();
        let [waits, gave_up] = [0; 2].map(|_| Arc::new(Count(AtomicU8::new(0))));
        let mut future = token.draining();
        assert!(!poll(&mut future, &waits) && !poll(&mut future, &waits));
        assert!(!poll(&mut token.draining(), &gave_up));
        assert_eq!(Arc::strong_count(&gave_up), 1);
        token.drain();
        token.cancel();
        assert!(poll(&mut future, &waits) && poll(&mut token.draining(), &gave_up));
        assert_eq!((waits.0.load(Ordering::Acquire), gave_up.0.load(Ordering::Acquire)), (1, 0));
    }

    #[test]
    #[cfg_attr(miri, ignore = "a waker is a descriptor")]
    fn a_loop_that_has_exited_is_forgotten() {
        let token = CancelToken::new();
        for _ in 0..100 {
            token.subscribe(&Arc::new(Mailbox::new().expect("a waker")));
        }
        assert!(token.0.mailboxes.here().lock().expect("no holder panics").len() <= 1);
    }
}
