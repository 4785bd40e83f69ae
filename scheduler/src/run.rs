//! `Run<T>`: one finished run of a job, with its value.

use std::time::Duration;

use serde::de::DeserializeOwned;

use crate::attempt::Attempt;
use crate::captured::{Captured, StandardStream};
use crate::checkpoint::{Checkpoint, HoldsCheckpoint};
use crate::error::Error;
use crate::evidence::{Sweep, Usage};
use crate::ledger::undecodable;
use crate::outcome::{Outcome, Status};
use crate::supervisor::Finished;
use crate::wire::codec::CodecError;

/// One finished run of a job whose result is a `T`.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Run<T> {
    /// How it ended.
    pub outcome: Outcome<T>,
    /// How long the function ran, by the parent's monotonic clock; zero if it never started.
    pub duration: Duration,
    /// What the job's process used.
    pub usage: Usage,
    /// What was found after the job.
    pub sweep: Sweep,
    /// The last text, up to 8 KiB, that a job without a result wrote to its standard error.
    pub stderr_tail: String,
    /// What was [captured](macro@crate::job#stdout-and-stderr) of what the job wrote; `None` if nothing was to be captured.
    pub output: Option<Captured>,
    /// Every attempt, where the job was [tried more than once](macro@crate::job#retries); nothing where it was run once.
    /// The last of them is the one that the other fields tell of.
    pub attempts: Box<[Attempt]>,
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

    /// Returns what came of a job, with its value.
    pub(crate) fn of(over: Finished, decode: fn(&[u8]) -> Result<T, CodecError>) -> Self {
        let outcome = over.outcome.and_then(|bytes| decode(&bytes).map_err(|error| undecodable(&error)));
        let Finished { duration, usage, sweep, stderr_tail, captured: output, attempts, checkpoint, .. } = over;
        Self { outcome, duration, usage, sweep, stderr_tail, output, attempts, checkpoint }
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
