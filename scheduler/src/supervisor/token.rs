//! `CancelToken`: cancels the jobs of every scheduler that has it.

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, Weak};

use super::mailbox::{Command, Mailbox, StopMode};
use crate::process::PerProcess;
use crate::sync::lock;

/// Cancels the jobs of every [`Scheduler`](crate::Scheduler) that [has it](crate::Scheduler::cancel_token), from any
/// thread.
///
/// Clones are the same token. Cancelling can't be undone: a scheduler with a cancelled token starts nothing more.
///
/// When it is cancelled, no further job starts, and the running ones are stopped. A list still returns all its records, in
/// its order, as soon as the last job has stopped. A job that was stopped or not started fails with
/// [`Failure::Cancelled`](crate::Failure::Cancelled); a job that had finished before keeps its outcome, and one that waited
/// for its next attempt that of its last one. No follow-up is called for a cancelled job.
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
    /// 0, [`CANCELLED`] or [`KILLED`]; it never goes back.
    stage: AtomicU8,
    /// The loops that run jobs under this token.
    mailboxes: PerProcess<Mutex<Vec<Weak<Mailbox>>>>,
}

const CANCELLED: u8 = 1;
const KILLED: u8 = 2;

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

    fn advance_to(&self, stage: u8) {
        let mailboxes = lock(self.0.mailboxes.here());
        if self.0.stage.fetch_max(stage, Ordering::AcqRel) < stage {
            mailboxes.iter().filter_map(Weak::upgrade).for_each(|mailbox| send_stage(&mailbox, stage));
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

fn send_stage(mailbox: &Mailbox, stage: u8) {
    let mode = match stage {
        CANCELLED => StopMode::Graceful,
        KILLED => StopMode::Immediate,
        _ => return,
    };
    // If the loop has exited, no job of its runs.
    let _ = mailbox.send(Command::CancelAll(mode));
}

impl fmt::Debug for CancelToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancelToken").field("is_cancelled", &self.is_cancelled()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(mailbox: &Mailbox) -> Vec<StopMode> {
        let mode = |command| match command {
            Command::CancelAll(mode) => mode,
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
        assert!(!token.is_cancelled() && sent(&early).is_empty());
        token.clone().cancel();
        token.cancel();
        token.subscribe(&late);
        assert!(token.is_cancelled());
        assert_eq!((sent(&early), sent(&late)), (vec![StopMode::Graceful], vec![StopMode::Graceful]));
        token.kill();
        token.cancel();
        assert_eq!((sent(&early), sent(&late)), (vec![StopMode::Immediate], vec![StopMode::Immediate]));
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
