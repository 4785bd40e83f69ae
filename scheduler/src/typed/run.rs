//! `Run<T>`: one finished run of a job, with its value.

use std::time::{Duration, SystemTime};

use serde::de::DeserializeOwned;

use crate::checkpoint::{Checkpoint, HoldsCheckpoint};
use crate::error::Error;
use crate::outcome::{Attempt, Captured, Failure, Late, Outcome, Panic, StandardStream, Status, Sweep, SweptBy, Usage};
use crate::record::{RunReport, total_duration};
use crate::result_codec::undecodable;
use crate::wire::codec::CodecError;

/// One finished run of a job whose result is a `T`.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Run<T> {
    /// How it ended.
    pub outcome: Outcome<T>,
    /// When the function was called, by the wall clock, in the last attempt; `None` if it never was.
    pub started_at: Option<SystemTime>,
    /// How long the function ran, by the parent's monotonic clock; zero if it never started.
    pub duration: Duration,
    /// What the job's process used.
    pub usage: Usage,
    /// What was found after the job.
    pub sweep: Sweep,
    /// By which means that was found out; `None` where no process was made.
    pub swept_by: Option<SweptBy>,
    /// The last text, up to 8 KiB, that a job without a result, or with an [`exit_failure`](Self::exit_failure), wrote to its
    /// standard error.
    pub stderr_tail: String,
    /// How the job's process failed after its outcome was complete, if it did: a crash in a destructor of a static, say. It changes
    /// nothing about the outcome.
    pub exit_failure: Option<Box<Failure>>,
    /// The first panics of the job's threads and tasks, up to 8, but for the one that is the outcome; caught ones, too. Without
    /// backtraces, and with up to 4 KiB of each message.
    pub panics: Box<[Panic]>,
    /// What was [captured](macro@crate::job#stdout-and-stderr) of what the job wrote; `None` if nothing was to be captured.
    pub output: Option<Captured>,
    /// Every attempt, where the job was [tried more than once](macro@crate::job#retries); nothing where it was run once.
    /// The last of them is the one that the other fields tell of.
    pub attempts: Box<[Attempt]>,
    /// How the function ended in its grace period, where it was cancelled.
    pub(crate) late: Option<Late<T>>,
    pub(crate) checkpoint: Option<Checkpoint>,
}

impl<T> Run<T> {
    /// Returns how the run ended, in one word.
    #[must_use]
    pub fn status(&self) -> Status {
        self.outcome.status()
    }

    /// Returns the text that the job wrote to its standard output, if that was captured, as [`Captured::text`] does.
    #[must_use]
    pub fn stdout(&self) -> Option<String> {
        self.output.as_ref()?.text(StandardStream::Stdout)
    }

    /// Returns the text that the job wrote to its standard error, if that was captured, as [`Captured::text`] does.
    #[must_use]
    pub fn stderr(&self) -> Option<String> {
        self.output.as_ref()?.text(StandardStream::Stderr)
    }

    /// Returns how long the function ran in all attempts together, without the times between them.
    #[must_use]
    pub fn total_duration(&self) -> Duration {
        total_duration(&self.attempts, self.duration)
    }

    /// Returns the value that the function returned in its grace period, after it was asked to end: at its timeout
    /// ([`Overrun::value`](crate::Overrun::value)), or as it was [cancelled](crate::Failure::Cancelled).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use scheduler::{job, observer, this_job, CancelToken, Failure, Observer, Outcome, Scheduler};
    ///
    /// #[job(grace = "10s")]
    /// fn wait_for_the_end() -> String {
    ///     this_job::cancelled().wait();
    ///     "put away".to_owned()
    /// }
    ///
    /// /// Cancels what has begun.
    /// struct Impatient(CancelToken);
    ///
    /// impl Observer for Impatient {
    ///     fn started(&self, _: &observer::Started<'_>) {
    ///         self.0.cancel();
    ///     }
    /// }
    ///
    /// #[scheduler::main]
    /// fn main() -> Result<(), scheduler::Error> {
    ///     let token = CancelToken::new();
    ///     let scheduler = Scheduler::new().cancel_token(&token).observer(Impatient(token.clone()));
    ///     let run = scheduler.spawn(wait_for_the_end::job())?.wait()?;
    ///     assert!(matches!(run.outcome, Outcome::Error(Failure::Cancelled { begun: true, .. })));
    ///     assert_eq!(run.late_result().map(String::as_str), Some("put away"));
    ///     Ok(())
    /// }
    /// ```
    #[must_use]
    pub fn late_result(&self) -> Option<&T> {
        let late = self.late.as_ref().and_then(Late::value);
        late.or_else(|| self.outcome.overrun()?.value())
    }

    /// Returns the value that the function returned in its grace period, as [`late_result`](Self::late_result) does.
    #[must_use]
    pub fn into_late_result(self) -> Option<T> {
        match self.outcome {
            Outcome::Timeout(overrun) => overrun.into_value(),
            _ => self.late?.into_value(),
        }
    }

    /// Returns how the function failed in its grace period, if it did: it returned `Err`, panicked, or its process ended.
    #[must_use]
    pub fn late_failure(&self) -> Option<&Failure> {
        let late = self.late.as_ref().and_then(Late::failure);
        late.or_else(|| self.outcome.overrun()?.failure())
    }

    /// Returns what came of a job, with its value.
    pub(crate) fn of(over: RunReport, decode: fn(&[u8]) -> Result<T, CodecError>) -> Self {
        let decoded = |bytes: Vec<u8>| decode(&bytes).map_err(|error| undecodable(&error));
        let outcome = over.outcome.and_then(decoded);
        let late = over.late.map(|late| late.and_then(decoded));
        Self {
            outcome,
            started_at: over.started_at,
            duration: over.duration,
            usage: over.usage,
            sweep: over.sweep,
            swept_by: over.swept_by,
            stderr_tail: over.stderr_tail,
            exit_failure: over.exit_failure,
            panics: over.panics,
            output: over.captured,
            attempts: over.attempts,
            late,
            checkpoint: over.checkpoint,
        }
    }

    /// Returns what the job has [saved](crate::this_job::checkpoint) last, if it has saved something.
    ///
    /// # Errors
    ///
    /// As [`Record::checkpoint`](crate::Record::checkpoint).
    pub fn checkpoint<U: DeserializeOwned + 'static>(&self) -> Result<Option<U>, Error> {
        self.checkpoint.as_ref().map(Checkpoint::get).transpose()
    }
}

impl<T> HoldsCheckpoint for Run<T> {
    fn held(&self) -> Option<&Checkpoint> {
        self.checkpoint.as_ref()
    }
}
