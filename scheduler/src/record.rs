//! `Record`: what is kept of one finished run, and how it is serialised.

use std::fmt;
use std::time::Duration;

use serde::ser::{Error as _, SerializeStruct};
use serde::{Serialize, Serializer};

use crate::attempt::Attempt;
use crate::captured::{Captured, StandardStream};
use crate::checkpoint::{Checkpoint, HoldsCheckpoint};
use crate::evidence::{Sweep, Usage};
use crate::failure::Failure;
use crate::outcome::{Outcome, Status};
use crate::output::ErasedOutput;

/// One finished run: its id, how it ended, how long it took, and its result or error.
///
/// Serialises, to any `serde` format, as `{"job_id": "J1", "status": "ok", "duration_sec": 0.0012, "result": 42}`, and
/// for a run that gave no result with `"error": "…"` in place of `"result"`. Where there was more than one attempt it has
/// `"flaky"` and `"attempts"`, too, and where it was captured `"stdout"` or `"stderr"`, as text; what a job returned in its
/// grace period is its `"late_result"`.
///
/// # The result's own code
///
/// A record keeps the result's bytes. They are decoded in the application when the record is made, as only the `Deserialize`
/// of the result's type can tell whether they are a value, and again for each call of [`result`](Self::result) and each time
/// that the record is serialized. Each decoded value runs its `Drop`, also one that nobody asked for: a type whose `Drop` deletes
/// a file is no type for a result. A `Deserialize` or `Serialize` that panics costs this record its result, a `Drop` that
/// panics costs nothing, and no other record is lost.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use scheduler::{job, jobs, Scheduler, Status};
///
/// #[job]
/// fn answer() -> i32 { 42 }
///
/// #[scheduler::main]
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let records = Scheduler::new().run(jobs![("J1", answer)])?;
///     let record = &records[0];
///     assert_eq!((record.job_id(), record.status()), ("J1", Status::Ok));
///     assert_eq!(record.result::<i32>()?, 42);
///
///     let json = serde_json::to_value(record)?;
///     assert_eq!(json["status"], "ok");
///     assert_eq!(json["result"], 42);
///     Ok(())
/// }
/// ```
#[derive(Clone)]
pub struct Record {
    pub(crate) job_id: String,
    pub(crate) job: &'static str,
    pub(crate) outcome: Outcome<Box<[u8]>>,
    pub(crate) output: ErasedOutput,
    pub(crate) duration: Duration,
    pub(crate) usage: Usage,
    pub(crate) sweep: Sweep,
    pub(crate) stderr_tail: Box<str>,
    pub(crate) captured: Option<Box<Captured>>,
    /// All of them, where there was more than one.
    pub(crate) attempts: Box<[Attempt]>,
    pub(crate) checkpoint: Option<Checkpoint>,
}

impl Record {
    /// Returns the id that the caller gave to this run.
    #[must_use]
    pub fn job_id(&self) -> &str {
        &self.job_id
    }

    /// Returns the registered name of the job that ran.
    #[must_use]
    pub fn job(&self) -> &'static str {
        self.job
    }

    /// Returns how the run ended, in one word.
    #[must_use]
    pub fn status(&self) -> Status {
        self.outcome.status()
    }

    /// Returns how long the function ran, by the parent's monotonic clock: from its start until its outcome was
    /// complete or it was stopped. Zero if it never started.
    ///
    /// # Platform
    ///
    /// The clock stands still while a Linux or macOS machine is suspended.
    #[must_use]
    pub fn duration(&self) -> Duration {
        self.duration
    }

    /// Returns the death certificate of a job whose status is `error`, and `None` for every other.
    #[must_use]
    pub fn failure(&self) -> Option<&Failure> {
        self.outcome.failure()
    }

    /// Returns one line that says why there is no result, and `None` if there is one.
    #[must_use]
    pub fn error(&self) -> Option<String> {
        self.outcome.error()
    }

    /// Returns the processor time and memory that the job used.
    #[must_use]
    pub fn usage(&self) -> Usage {
        self.usage
    }

    /// Returns what was found after the job: the processes that it left running.
    #[must_use]
    pub fn sweep(&self) -> &Sweep {
        &self.sweep
    }

    /// Returns the last text, up to 8 KiB, that a job without a result wrote to its standard error.
    ///
    /// Bytes that are no UTF-8 are replaced, control characters are left as they are. Empty if there is a result.
    #[must_use]
    pub fn stderr_tail(&self) -> &str {
        &self.stderr_tail
    }

    /// Returns what was [captured](macro@crate::job#stdout-and-stderr) of what the job wrote, in its last attempt; `None` if
    /// nothing was to be captured.
    #[must_use]
    pub fn output(&self) -> Option<&Captured> {
        self.captured.as_deref()
    }

    /// Returns the text that the job wrote to its standard output, if that was captured, as [`Captured::text`] does.
    #[must_use]
    pub fn stdout(&self) -> Option<String> {
        self.output()?.text(StandardStream::Stdout)
    }

    /// Returns the text that the job wrote to its standard error, if that was captured, as [`Captured::text`] does.
    #[must_use]
    pub fn stderr(&self) -> Option<String> {
        self.output()?.text(StandardStream::Stderr)
    }

    /// Returns every attempt at the job, where it was [tried more than once](macro@crate::job#retries); nothing for a job
    /// that was run once. The last of them is the one that the rest of the record tells of.
    #[must_use]
    pub fn attempts(&self) -> &[Attempt] {
        &self.attempts
    }

    /// Says whether the job gave a result after an attempt that had not.
    ///
    /// The word is that of test runners: it is the same job with the same arguments, so that something else must have been
    /// different.
    #[must_use]
    pub fn is_flaky(&self) -> bool {
        !self.attempts.is_empty() && self.status() == Status::Ok
    }
}

impl HoldsCheckpoint for Record {
    fn held(&self) -> Option<&Checkpoint> {
        self.checkpoint.as_ref()
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut record = f.debug_struct("Record");
        record
            .field("job_id", &self.job_id)
            .field("job", &self.job)
            .field("status", &self.status())
            .field("duration", &self.duration);
        match &self.outcome {
            Outcome::Ok(bytes) => record.field("result", &format_args!("{:?} of {} bytes", self.output, bytes.len())),
            Outcome::Error(failure) => record.field("failure", failure),
            Outcome::Timeout(overrun) => record.field("overrun", overrun),
        };
        record.field("sweep", &self.sweep).finish_non_exhaustive()
    }
}

impl Serialize for Record {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let late = match &self.outcome {
            Outcome::Timeout(overrun) => overrun.value(),
            _ => None,
        };
        let of_attempts = if self.attempts.is_empty() { 0 } else { 2 };
        let texts = [("stdout", self.stdout()), ("stderr", self.stderr())];
        let captured = texts.iter().filter(|(_, text)| text.is_some()).count();
        let fields = 4 + usize::from(late.is_some()) + captured + of_attempts;
        let mut record = serializer.serialize_struct("Record", fields)?;
        record.serialize_field("job_id", &self.job_id)?;
        record.serialize_field("status", &self.status())?;
        record.serialize_field("duration_sec", &self.duration.as_secs_f64())?;
        match (&self.outcome, self.error()) {
            (Outcome::Ok(bytes), _) => {
                let value = self.output.revive(bytes).map_err(S::Error::custom)?;
                record.serialize_field("result", &value)?;
            }
            (_, error) => record.serialize_field("error", &error.unwrap_or_default())?,
        }
        if let Some(bytes) = late {
            record.serialize_field("late_result", &self.output.revive(bytes).map_err(S::Error::custom)?)?;
        }
        for (name, text) in texts {
            if let Some(text) = text {
                record.serialize_field(name, &text)?;
            }
        }
        if !self.attempts.is_empty() {
            record.serialize_field("flaky", &self.is_flaky())?;
            record.serialize_field("attempts", &self.attempts)?;
        }
        record.end()
    }
}
