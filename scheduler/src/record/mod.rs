//! `Record`: what is kept of one finished run, and how it is serialised.

mod json;
mod run_report;
mod text;

use std::fmt;
use std::time::{Duration, SystemTime};

use crate::checkpoint::{Checkpoint, HoldsCheckpoint};
use crate::outcome::{Attempt, Captured, Failure, Late, Outcome, Panic, StandardStream, Status, Sweep, SweptBy, Usage};
use crate::result_codec::ErasedOutput;
pub(crate) use run_report::RunReport;

/// One finished run: its id, how it ended, how long it took, and its result or error.
///
/// Serializes, to any `serde` format, as [below](#json).
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
/// use std::time::{Duration, SystemTime};
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
///
/// # JSON
///
/// These names and meanings are stable; fields may be added.
///
/// ```json
/// {
///   "job_id": "J1",
///   "job": "my_crate::images::resize",
///   "status": "error",
///   "started_at": "2026-11-23T17:09:00.123456+01:00",
///   "duration_sec": 0.001234567,
///   "total_duration_sec": 0.0023,
///   "error": "ended by signal 11 (SIGSEGV)",
///   "failure": {"kind": "signaled", "signal": 11, "name": "SIGSEGV", "core_dumped": false},
///   "usage": {"user_sec": 0.001, "system_sec": 0.0, "peak_memory_bytes": 4194304},
///   "sweep": {"kind": "clean"},
///   "swept_by": "warden"
/// }
/// ```
///
/// - Durations are seconds, in decimals without an exponent; times under ten microseconds are rounded.
/// - `started_at`: when the function was called, by the wall clock, in local time with its offset from UTC (RFC 3339); `null` if
///   it never was.
/// - `duration_sec` is that of the last attempt, `total_duration_sec` that of all attempts.
/// - `result`, where the status is `ok`: the value itself. A value that can't be written (in JSON a map whose keys are tuples, or
///   an integer of more than 64 bits) is left out, and `result_error` says why; the record, and all others, are written.
/// - `error` and `failure`, for every other status: one line for people, and an object by its `kind`.
/// - `late_result`, or `late_result_error`: what the job returned in its grace period, after a timeout or a cancellation.
/// - `sweep`, by its `kind`: `clean`, `killed` (with `killed`, a number), `escaped` (with `pids`), `unproved` (with `killed`).
/// - `exit_failure`: how the process [failed after its outcome](Self::exit_failure), as a `failure` is written.
/// - `panics`, where there were [others than the failure](Self::panics): each has `message`, `location`, `thread` and `backtrace`.
/// - `swept_by`, where a process was made: `warden`, `cgroup`, `job_object` or `search`.
/// - `stdout` and `stderr`, where they are captured; `stderr_tail`, where there is no result, or an `exit_failure`, and something was
///   written.
/// - `flaky` and `attempts`, where there was more than one attempt; each has `attempt` (from 1), `status`, `started_at`,
///   `duration_sec`, `waited_sec`, `sweep`, and without a result `error` and `failure`.
///
/// | `kind` of a `failure` | beside it |
/// |---|---|
/// | `returned` | `message`, `sources` |
/// | `panicked` | `message`, `location` (`file`, `line`, `column`, or `null`), `thread`, `backtrace` |
/// | `signaled` | `signal`, `name`, `core_dumped` |
/// | `stack_overflow`, `unserializable`, `protocol_broken` | `message` |
/// | `out_of_memory` | `limit_bytes`, or `null` if the kernel killed it |
/// | `cpu_time` | `limit_sec` |
/// | `file_size` | `limit_bytes` |
/// | `exited` | `code` |
/// | `bad_exit`, as an `exit_failure` | `code` |
/// | `exit_timeout`, as an `exit_failure` | `limit_sec` |
/// | `never_started` | `reason` |
/// | `cancelled` | `begun` |
/// | `timeout` | `limit_sec`, `whose` (`job` or `list`), `grace_sec`, `ended_in_order`, and `late_failure` if it failed in its grace period |
#[derive(Clone)]
pub struct Record {
    pub(crate) job_id: String,
    pub(crate) job: &'static str,
    pub(crate) outcome: Outcome<Box<[u8]>>,
    /// How the function ended in its grace period, where it was cancelled.
    pub(crate) late: Option<Late<Box<[u8]>>>,
    pub(crate) output: ErasedOutput,
    pub(crate) started_at: Option<SystemTime>,
    pub(crate) duration: Duration,
    pub(crate) usage: Usage,
    pub(crate) sweep: Sweep,
    pub(crate) swept_by: Option<SweptBy>,
    pub(crate) stderr_tail: Box<str>,
    pub(crate) exit_failure: Option<Box<Failure>>,
    pub(crate) panics: Box<[Panic]>,
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

    /// Returns when the function was called, by the wall clock: in the last attempt, where there was more than one. `None` if it
    /// never was.
    ///
    /// It is for people and logs: the clock may have been set meanwhile, and [`duration`](Self::duration) doesn't come of it.
    #[must_use]
    pub fn started_at(&self) -> Option<SystemTime> {
        self.started_at
    }

    /// Returns how long the function ran in all [attempts](Self::attempts) together, without the times between them.
    #[must_use]
    pub fn total_duration(&self) -> Duration {
        total_duration(&self.attempts, self.duration)
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

    /// Returns by which means that was found out, of the last attempt; `None` where no process was made.
    #[must_use]
    pub fn swept_by(&self) -> Option<SweptBy> {
        self.swept_by
    }

    /// Returns the last text, up to 8 KiB, that a job without a result wrote to its standard error.
    ///
    /// Bytes that are no UTF-8 are replaced, control characters are left as they are. Empty if there is a
    /// result and no [failure after it](Self::exit_failure).
    #[must_use]
    pub fn stderr_tail(&self) -> &str {
        &self.stderr_tail
    }

    /// Returns how the job's process failed after its outcome was complete, if it did: it crashed in what it had registered for
    /// its exit, exited with a code other than 0, or did not exit.
    ///
    /// The outcome stands, whatever comes after it. A process that was killed before it had a tenth of a second to exit is not
    /// said to have failed.
    ///
    /// # Examples
    ///
    /// ```
    /// use scheduler::{job, jobs, Failure, Scheduler};
    ///
    /// struct FailsAtExit;
    ///
    /// impl Drop for FailsAtExit {
    ///     fn drop(&mut self) { std::process::abort() }
    /// }
    ///
    /// thread_local! { static LATE: FailsAtExit = const { FailsAtExit }; }
    ///
    /// #[job]
    /// fn answer() -> i32 { LATE.with(|_| 42) }
    ///
    /// #[scheduler::main]
    /// fn main() -> Result<(), scheduler::Error> {
    ///     let records = Scheduler::new().run(jobs![("a", answer)])?;
    ///     assert_eq!(records[0].result::<i32>()?, 42);
    /// #   #[cfg(target_os = "linux")] // Elsewhere destructors may not run at exit.
    ///     assert!(matches!(records[0].exit_failure(), Some(Failure::Signaled { name: "SIGABRT", .. })));
    ///     Ok(())
    /// }
    /// ```
    #[must_use]
    pub fn exit_failure(&self) -> Option<&Failure> {
        self.exit_failure.as_deref()
    }

    /// Returns the first panics of the job's threads and tasks, up to 8, in the order in which they were raised: caught ones,
    /// too, but not the one that is the [failure](Self::failure).
    ///
    /// Each is also printed on the job's standard error, as in an ordinary program. They have no backtraces, and up to 4 KiB of
    /// each message.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use scheduler::{job, jobs, Scheduler, Status};
    ///
    /// /// Waits for what never comes, as the thread that was to send it has panicked.
    /// #[job(timeout = "1s")]
    /// fn waits() {
    ///     std::thread::spawn(|| panic!("the cause"));
    ///     loop { std::thread::park() }
    /// }
    ///
    /// #[scheduler::main]
    /// fn main() -> Result<(), scheduler::Error> {
    ///     let records = Scheduler::new().run(jobs![("a", waits)])?;
    ///     assert_eq!(records[0].status(), Status::Timeout);
    ///     assert_eq!(records[0].panics()[0].message, "the cause");
    ///     Ok(())
    /// }
    /// ```
    #[must_use]
    pub fn panics(&self) -> &[Panic] {
        &self.panics
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

impl Record {
    /// Returns how the function failed in its grace period, if it did: it returned `Err`, panicked, or its process ended.
    #[must_use]
    pub fn late_failure(&self) -> Option<&Failure> {
        let late = self.late.as_ref().and_then(Late::failure);
        late.or_else(|| self.outcome.overrun()?.failure())
    }

    /// Returns the value that the function returned in its grace period.
    pub(crate) fn late_bytes(&self) -> Option<&[u8]> {
        let late = self.late.as_ref().and_then(Late::value);
        late.or_else(|| self.outcome.overrun()?.value()).map(|bytes| &**bytes)
    }
}

/// Returns how long the function ran in all attempts, or in the only one.
pub(crate) fn total_duration(attempts: &[Attempt], only: Duration) -> Duration {
    match attempts {
        [] => only,
        attempts => attempts.iter().fold(Duration::ZERO, |sum, attempt| sum.saturating_add(attempt.duration)),
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
