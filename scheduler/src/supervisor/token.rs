//! `CancelToken`: ends all that was started under it, from anywhere.

use std::fmt;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, Weak};

use super::mailbox::{Command, Mailbox, StopMode};
use crate::process::PerProcess;
use crate::sync::lock;

/// Ends the jobs of every [`Scheduler`](crate::Scheduler) that [has it](crate::Scheduler::cancel_token), from any thread.
///
/// Its clones are the same token. What it has cancelled stays so: a scheduler with it starts nothing any more.
///
/// Where it is cancelled, no further job is started, and those that run are ended. A list returns all its records, in its
/// order, as soon as the last one is over: a job that was ended, or was not begun, has
/// [`Failure::Cancelled`](crate::Failure::Cancelled) in it, and one that had come to an end of its own, that. A job that
/// waited for its next attempt has what came of the last one. No follow-up is called for what was cancelled.
///
/// The idea is that of the tokens of .NET, which Tokio's utilities have, too.
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
#[derive(Clone, Default)]
pub struct CancelToken(Arc<Shared>);

#[derive(Default)]
struct Shared {
    /// How far it went: nobody has asked for anything, the jobs are asked, or killed.
    stage: AtomicU8,
    /// Whom to tell.
    inboxes: PerProcess<Mutex<Vec<Weak<Mailbox>>>>,
}

const ASKED: u8 = 1;
const KILLED: u8 = 2;

impl CancelToken {
    /// Returns a token that nobody has cancelled.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Has the jobs ended: each is asked to, and killed once its [grace period](macro@crate::job#grace) is over; at once,
    /// if it has none. Returns at once.
    pub fn cancel(&self) {
        self.go_to(ASKED);
    }

    /// Has the jobs killed, without a grace period or within it. Returns at once.
    pub fn kill(&self) {
        self.go_to(KILLED);
    }

    /// Says whether [`cancel`](Self::cancel) or [`kill`](Self::kill) has been called.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.stage.load(Ordering::Acquire) >= ASKED
    }

    fn go_to(&self, stage: u8) {
        let inboxes = lock(self.0.inboxes.here());
        if self.0.stage.fetch_max(stage, Ordering::AcqRel) < stage {
            inboxes.iter().filter_map(Weak::upgrade).for_each(|mailbox| tell(&mailbox, stage));
        }
    }

    /// Has the loop that reads this inbox hear of it, now or later.
    pub(super) fn tell(&self, mailbox: &Arc<Mailbox>) {
        let mut inboxes = lock(self.0.inboxes.here());
        inboxes.retain(|mailbox| mailbox.strong_count() > 0);
        inboxes.push(Arc::downgrade(mailbox));
        // Under the lock, so that it is told by one of the two, and of no earlier stage after a later one.
        tell(mailbox, self.0.stage.load(Ordering::Acquire));
    }
}

fn tell(mailbox: &Mailbox, stage: u8) {
    let means = match stage {
        ASKED => StopMode::Graceful,
        KILLED => StopMode::Immediate,
        _ => return,
    };
    // Where nobody reads it nothing runs.
    let _ = mailbox.say(Command::EndAll(means));
}

impl fmt::Debug for CancelToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancelToken").field("is_cancelled", &self.is_cancelled()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(mailbox: &Mailbox) -> Vec<StopMode> {
        let means = |command| match command {
            Command::EndAll(means) => means,
            other => panic!("{other:?}"),
        };
        mailbox.take().into_iter().map(means).collect()
    }

    #[test]
    #[cfg_attr(miri, ignore = "a doorbell is the kernel's")]
    fn each_loop_hears_of_each_stage_once_whenever_it_comes() {
        let [early, late] = [Mailbox::new(), Mailbox::new()].map(|mailbox| Arc::new(mailbox.expect("a doorbell")));
        let token = CancelToken::new();
        token.tell(&early);
        assert!(!token.is_cancelled() && said(&early).is_empty());
        token.clone().cancel();
        token.cancel();
        token.tell(&late);
        assert!(token.is_cancelled());
        assert_eq!((said(&early), said(&late)), (vec![StopMode::Graceful], vec![StopMode::Graceful]));
        token.kill();
        token.cancel();
        assert_eq!((said(&early), said(&late)), (vec![StopMode::Immediate], vec![StopMode::Immediate]));
    }

    #[test]
    #[cfg_attr(miri, ignore = "a doorbell is the kernel's")]
    fn a_loop_that_is_gone_is_forgotten() {
        let token = CancelToken::new();
        for _ in 0..100 {
            token.tell(&Arc::new(Mailbox::new().expect("a doorbell")));
        }
        assert!(token.0.inboxes.here().lock().expect("nobody panics with it").len() <= 1);
    }
}
