//! `CancelToken::on_ctrl_c`: the token that Ctrl-C cancels.

use std::sync::Mutex;

use crate::error::Error;
use crate::process;
use crate::supervisor::CancelToken;
use crate::sync::lock;

/// The token of this process, once `on_ctrl_c` was called.
static TOKEN: Mutex<Option<CancelToken>> = Mutex::new(None);

impl CancelToken {
    /// Returns the token that Ctrl-C cancels, the same each time. Needs the feature `ctrlc`.
    ///
    /// The first Ctrl-C asks the jobs to stop, as [`cancel`](Self::cancel) does; every further one kills the jobs that are
    /// left, as [`kill`](Self::kill) does.
    ///
    /// Without this call Ctrl-C kills the application, and its jobs with it. After it, and until the process exits, Ctrl-C
    /// only cancels: the lists under the token return their records, and the application decides when to exit. A loop of
    /// the application that runs no jobs should check [`is_cancelled`](Self::is_cancelled). Jobs don't receive Ctrl-C: they
    /// are in sessions, or console groups, of their own.
    ///
    /// If the application was started with Ctrl-C ignored, as a shell does for background commands of a script, Ctrl-C
    /// stays ignored, and cancels nothing.
    ///
    /// Call this after [`init`](crate::init), before which no other thread may run.
    ///
    /// # Errors
    ///
    /// Fails if no descriptor or thread is left for the handler.
    ///
    /// # Platform
    ///
    /// SIGINT on Unix and `CTRL_C_EVENT` on Windows, and nothing else, whatever features other crates enable: SIGTERM,
    /// SIGHUP, Ctrl-Break and the closing of a console have their previous effects.
    ///
    /// On Unix an earlier handler of SIGINT is called as well. Tokio's signals, and all others that use
    /// [`signal-hook-registry`](https://docs.rs/signal-hook-registry), work beside this one. A handler that is installed
    /// later in another way, for example by `sigaction` or `ctrlc::set_handler`, replaces this one: install it before, and
    /// both are called. On Windows the handler that was set last is called first, and this one passes Ctrl-C to no other.
    ///
    /// On Windows a job receives Ctrl-C if it calls `SetConsoleCtrlHandler(NULL, FALSE)`.
    ///
    /// # Examples
    ///
    /// ```
    /// use scheduler::{job, jobs, CancelToken, Scheduler};
    ///
    /// #[job]
    /// fn quick() -> u8 { 1 }
    ///
    /// #[scheduler::main]
    /// fn main() -> Result<(), scheduler::Error> {
    ///     let token = CancelToken::on_ctrl_c()?;
    ///     let records = Scheduler::new().cancel_token(&token).run(jobs![("a", quick)])?;
    ///     assert_eq!(records[0].result::<u8>()?, 1);
    ///     Ok(())
    /// }
    /// ```
    #[doc(alias = "SIGINT")]
    #[doc(alias = "signal")]
    pub fn on_ctrl_c() -> Result<Self, Error> {
        let mut token = lock(&TOKEN);
        if let Some(token) = &*token {
            return Ok(token.clone());
        }
        let new = Self::new();
        let theirs = new.clone();
        let pressed = move || if theirs.is_cancelled() { theirs.kill() } else { theirs.cancel() };
        process::on_ctrl_c(pressed).map_err(|error| Error::internal("install a handler for Ctrl-C", error))?;
        Ok(token.insert(new).clone())
    }
}
