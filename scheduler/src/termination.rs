//! `CancelToken::on_termination`: the token that SIGTERM drains.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::Error;
use crate::process;
use crate::supervisor::CancelToken;
use crate::sync::lock;

/// What the first request to terminate does, for
/// [`CancelToken::on_termination_with`](crate::CancelToken::on_termination_with).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Shutdown {
    /// Running jobs finish, as [`CancelToken::drain`](crate::CancelToken::drain) lets them: for a service, whose jobs are
    /// short and have timeouts.
    #[default]
    Drain,
    /// Running jobs are asked to stop, and have their grace period, as by
    /// [`CancelToken::cancel`](crate::CancelToken::cancel): for jobs that run long and save what they have.
    Cancel,
}

/// The tokens of this process, one for each [`Shutdown`] that was asked for.
static TOKENS: Mutex<Vec<(Shutdown, CancelToken)>> = Mutex::new(Vec::new());

impl CancelToken {
    /// Returns the token that a request to terminate drains, the same each time. Needs the feature `signals`.
    ///
    /// The first request [drains](Self::drain): no further job starts, and running jobs finish. Every further one
    /// [kills](Self::kill) the jobs that are left. [`on_termination_with`](Self::on_termination_with) can begin with
    /// [`cancel`](Self::cancel) instead.
    ///
    /// Without this call a request kills the application, and its jobs with it. After it, and until the process exits,
    /// requests only act on the token: the lists under it return their records, and the application decides when to exit. A
    /// loop of the application that starts work should check [`is_draining`](Self::is_draining).
    ///
    /// Draining has no limit but the jobs' timeouts. Under Kubernetes let `terminationGracePeriodSeconds` be longer than the
    /// longest of them: when it has passed, the application is killed, and its jobs with it. Under systemd set
    /// `KillMode=mixed`: by default systemd sends SIGTERM to every process of the service, and it kills the jobs.
    ///
    /// Call this after [`init`](crate::init), before which no other thread may run.
    ///
    /// # Errors
    ///
    /// Fails if no descriptor or thread is left for the handlers.
    ///
    /// # Platform
    ///
    /// On Unix the requests are SIGINT (Ctrl-C), SIGTERM and SIGHUP. A signal that was ignored when this is called stays
    /// ignored: SIGHUP under `nohup`, SIGINT in the background of a script. A second SIGHUP within a second of the first is
    /// the same request, since a terminal that is closed sends it twice. The application's earlier handlers are called as
    /// well, and Tokio's signals work beside this, as for [`on_ctrl_c`](Self::on_ctrl_c).
    ///
    /// On Windows the requests are Ctrl-C, Ctrl-Break, the closing of the console, and the shutdown of the system. After the
    /// last two the system gives the application some seconds (five, unless configured), and then ends it and its jobs. The
    /// handler that was set last is called first, and this one passes its events to no other.
    ///
    /// # Examples
    ///
    /// ```
    /// use scheduler::{job, jobs, CancelToken, Scheduler};
    ///
    /// #[job(timeout = "10s")]
    /// fn quick() -> u8 { 1 }
    ///
    /// #[scheduler::main]
    /// fn main() -> Result<(), scheduler::Error> {
    ///     let token = CancelToken::on_termination()?;
    ///     let scheduler = Scheduler::new().cancel_token(&token);
    ///     while !token.is_draining() {
    ///         let records = scheduler.run(jobs![("a", quick)])?;
    ///         assert_eq!(records[0].result::<u8>()?, 1);
    ///         # break;
    ///     }
    ///     Ok(())
    /// }
    /// ```
    #[doc(alias = "SIGTERM")]
    #[doc(alias = "SIGHUP")]
    #[doc(alias = "graceful_shutdown")]
    pub fn on_termination() -> Result<Self, Error> {
        Self::on_termination_with(Shutdown::Drain)
    }

    /// Returns the token on which a request to terminate acts in this way first, the same each time for each way. Every
    /// further request kills.
    ///
    /// Otherwise the same as [`on_termination`](Self::on_termination).
    ///
    /// # Errors
    ///
    /// As [`on_termination`](Self::on_termination).
    ///
    /// # Examples
    ///
    /// ```
    /// use scheduler::{job, jobs, this_job, CancelToken, Scheduler, Shutdown};
    ///
    /// /// Counts until it is asked to stop.
    /// #[job(grace = "10s")]
    /// fn count() -> u64 {
    ///     let mut counted = 0;
    ///     while !this_job::is_cancelled() {
    ///         counted += 1;
    ///         # if counted == 3 { break }
    ///     }
    ///     counted
    /// }
    ///
    /// #[scheduler::main]
    /// fn main() -> Result<(), scheduler::Error> {
    ///     let token = CancelToken::on_termination_with(Shutdown::Cancel)?;
    ///     let records = Scheduler::new().cancel_token(&token).run(jobs![("a", count)])?;
    ///     # assert_eq!(records[0].result::<u64>()?, 3);
    ///     # /*
    ///     println!("counted to {}", records[0].late_result::<u64>()?);
    ///     # */
    ///     Ok(())
    /// }
    /// ```
    pub fn on_termination_with(first: Shutdown) -> Result<Self, Error> {
        let mut tokens = lock(&TOKENS);
        if let Some((_, token)) = tokens.iter().find(|(of, _)| *of == first) {
            return Ok(token.clone());
        }
        let token = Self::new();
        let (theirs, was_requested) = (token.clone(), AtomicBool::new(false));
        // The application may drain it, too: the first request is one that arrived here.
        let requested = move || match first {
            _ if was_requested.swap(true, Ordering::AcqRel) => theirs.kill(),
            Shutdown::Drain => theirs.drain(),
            Shutdown::Cancel => theirs.cancel(),
        };
        let step = "install handlers for requests to terminate";
        process::on_termination(requested).map_err(|error| Error::internal(step, error))?;
        tokens.push((first, token.clone()));
        Ok(token)
    }
}
