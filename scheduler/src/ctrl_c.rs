//! `CancelToken::on_ctrl_c`: a token that Ctrl-C cancels.

use std::sync::Mutex;

use crate::error::Error;
use crate::process;
use crate::supervisor::CancelToken;
use crate::sync::lock;

/// The token of this process, once it has one.
static TOKEN: Mutex<Option<CancelToken>> = Mutex::new(None);

impl CancelToken {
    /// Returns the token that Ctrl-C cancels, the same each time. With the feature `ctrlc`.
    ///
    /// The first time that somebody presses Ctrl-C the jobs are asked to end, as by [`cancel`](Self::cancel), and every time
    /// after that those that are left are killed, as by [`kill`](Self::kill).
    ///
    /// Before this was called Ctrl-C ended the application at once, and its jobs died with it. From here on it does no more
    /// than cancel, until the process ends: what runs under the token comes back with its records, and what the
    /// application does then is its own affair. A loop of it that takes no part should ask
    /// [`is_cancelled`](Self::is_cancelled). Jobs themselves don't see Ctrl-C: they are in sessions, or console groups, of
    /// their own.
    ///
    /// Where whoever started the application has Ctrl-C ignored, as a shell does with what a script runs in the background, it
    /// stays ignored, and cancels nothing.
    ///
    /// Call it after [`init`](crate::init), which a thread that listens must not be there before.
    ///
    /// # Errors
    ///
    /// Fails if there are no descriptors, or no threads, left to listen with.
    ///
    /// # Platform
    ///
    /// SIGINT on Unix and `CTRL_C_EVENT` on Windows, and nothing else, whatever features other crates enable: SIGTERM, SIGHUP,
    /// Ctrl-Break and the closing of a console do what they did before.
    ///
    /// On Unix a handler of SIGINT that the application has already is called as well; Tokio's signals, and all others that use
    /// [`signal-hook-registry`](https://docs.rs/signal-hook-registry), work beside this one. A handler that is installed later
    /// in another way, by `sigaction` or `ctrlc::set_handler` say, replaces this one: install it before, and both are called. On Windows the handler that was set last is called, and this one
    /// passes Ctrl-C on to no other.
    ///
    /// On Windows a job does see Ctrl-C if it asks to, by `SetConsoleCtrlHandler(NULL, FALSE)`.
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
    pub fn on_ctrl_c() -> Result<Self, Error> {
        let mut token = lock(&TOKEN);
        if let Some(token) = &*token {
            return Ok(token.clone());
        }
        let new = Self::new();
        let theirs = new.clone();
        let pressed = move || if theirs.is_cancelled() { theirs.kill() } else { theirs.cancel() };
        process::on_ctrl_c(pressed).map_err(|error| Error::internal("listen for Ctrl-C", error))?;
        Ok(token.insert(new).clone())
    }
}
