//! `Record`: one finished run with its id and the name of its job, and how it is serialized.

mod host;
mod json;
mod owed_follow_up;
mod resuming;
mod run;
mod sequence;
mod site;
#[cfg(any(feature = "journal", feature = "remote"))]
mod stored;
mod text;

use std::borrow::Cow;
use std::fmt;
use std::time::{Duration, SystemTime};

use crate::checkpoint::{Checkpoint, HoldsCheckpoint};
use crate::outcome::{
    Attempt, Captured, Failure, Outcome, Panic, ProcessReuse, ProcessSnapshot, Status, Sweep, SweptBy, Usage,
};
use crate::result_codec::ErasedCodec;
pub(crate) use owed_follow_up::OwedFollowUp;
pub use run::Run;
pub(crate) use run::{RunDetails, RunReport};
pub(crate) use sequence::{Continuation, RunSequence};
pub(crate) use site::Site;

/// One finished run: its id, its outcome, its duration, and its result or error.
///
/// [`Run`] answers the same questions by the same names, for a job whose result type is known. `Display` writes one line for a
/// record, and [`Record::table`] several records as a table.
///
/// Serializes, to any `serde` format, as [below](#json).
///
/// # The result's own code
///
/// A record keeps the result's bytes. The application decodes them when the record is made, because only the `Deserialize` of the
/// result's type knows whether they are valid, and again for each call of [`result`](Self::result) and each serialization of the
/// record. Each decoded value is dropped, so a type whose `Drop` deletes a file is unsuitable as a result. If a `Deserialize` or
/// `Serialize` panics, this record has no result; if a `Drop` panics, nothing is lost. Other records aren't affected.
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
///   "ended_at": "2026-11-23T17:09:00.124691+01:00",
///   "process": 4242,
///   "duration_sec": 0.001234567,
///   "total_duration_sec": 0.0023,
///   "error": "killed by signal 11 (SIGSEGV)",
///   "failure": {"kind": "signaled", "signal": 11, "name": "SIGSEGV", "core_dumped": false},
///   "usage": {"user_sec": 0.001, "system_sec": 0.0, "peak_memory_bytes": 4194304},
///   "sweep": {"kind": "clean"},
///   "swept_by": "warden"
/// }
/// ```
///
/// - Durations are seconds, in decimals without an exponent; times under ten microseconds are rounded.
/// - `started_at`: when the function was called, by the wall clock, in local time with its offset from UTC (RFC 3339); `null` if
///   it was not called.
/// - `ended_at`: when it had returned or was stopped, in the same form; `process`: the id of its process, or `null`.
/// - `duration_sec` is that of the last attempt, `total_duration_sec` that of all attempts.
/// - `result`, where the status is `ok`: the value itself. A value that can't be written (in JSON a map whose keys are tuples, or
///   an integer of more than 64 bits) is left out, and `result_error` says why; the record, and all others, are written.
/// - `error` and `failure`, for every other status: one line for people, and an object with a `kind`.
/// - `late_result`, or `late_result_error`: what the job returned in its grace period, after a timeout or a cancellation.
/// - `sweep`, by its `kind`: `clean`, `killed` (with `killed`, a number), `escaped` (with `pids`), `unproved` (with `killed`).
/// - `exit_failure`: how the process [failed after its outcome](Self::exit_failure), in the form of a `failure`.
/// - `stacks`, if they were [taken](Self::stacks): a list of [`ProcessSnapshot`]s, the job's process first.
/// - `panics`, if there were [others than the failure](Self::panics): each has `message`, `location`, `thread` and `backtrace`.
/// - `swept_by`, if a process was made: `warden`, `cgroup`, `job_object` or `search`.
/// - `stdout` and `stderr`, if they are captured; `stderr_tail`, if there is no result, or an `exit_failure`, and the job wrote
///   something.
/// - `temp_dir_error`, if the job's [temporary folder](Self::temp_dir_error) could not be removed.
/// - `reuse`, as `"kept"` or `{"replaced": {"reason": …}}`, if the process may serve [several calls](Self::reuse).
/// - `host` and `slot`, if it ran [on another machine](Self::host).
/// - `replayed`, as `true`, if the record is [from a journal](Self::is_replayed).
/// - `interrupted`, as `true`, if [a stop](Self::is_interrupted) kept the job from finishing.
/// - `fallback`, as `true`, if it is of a [fallback](Self::is_fallback).
/// - `steps`, if it is of a chain: the records of the [parts before it](Self::steps), in this form.
/// - `follow_ups`, if there were some: the records of its [follow-up jobs](Self::follow_ups), in this form.
/// - `flaky` and `attempts`, if there was more than one attempt; each has `attempt` (from 1), `status`, `started_at`,
///   `duration_sec`, `waited_sec`, `usage`, `sweep`, `stacks` if they were taken, and without a result `error` and `failure`.
///
/// | `kind` of a `failure` | Fields beside it |
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
/// | `lost` | `host`, `slot`, `begun`, `end` (a time, by which it is over), `reason` |
/// | `cancelled` | `begun` |
/// | `timeout` | `limit_sec`, `reason` (`timeout`, `total_timeout`, `stall` or `silence`), `whose` (`job` or `list`), `grace_sec`, `ended_in_order`, and `late_failure` if it failed in its grace period |
#[derive(Clone)]
pub struct Record {
    pub(crate) job_id: String,
    pub(crate) job: &'static str,
    pub(crate) codec: ErasedCodec,
    pub(crate) run: RunReport,
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

    /// Returns the kind of the outcome.
    #[must_use]
    pub fn status(&self) -> Status {
        self.run.status()
    }

    /// Returns how long the function ran, by the parent's monotonic clock: from its call until its outcome was complete or it was
    /// stopped. Zero if it was not called.
    ///
    /// # Platform
    ///
    /// The clock stands still while a Linux or macOS machine is suspended.
    #[must_use]
    #[doc(alias = "elapsed")]
    pub fn duration(&self) -> Duration {
        self.run.duration
    }

    /// Returns when the function was called, by the wall clock, in the last attempt; `None` if it was not called.
    ///
    /// It is for people and logs: the wall clock may be set at any time, and [`duration`](Self::duration) doesn't depend on it.
    #[must_use]
    pub fn started_at(&self) -> Option<SystemTime> {
        self.run.started_at()
    }

    /// Returns when the function had returned or was stopped, by the wall clock, in the last attempt; `None` if it was not called.
    ///
    /// The wall clock may be set while a job runs: [`duration`](Self::duration) is measured by another one.
    #[must_use]
    pub fn ended_at(&self) -> Option<SystemTime> {
        self.run.ended_at()
    }

    /// Returns the id that the job's process had in the last attempt; `None` if no process was made, or its id isn't known.
    ///
    /// It is for logs, and for what the kernel has noted about the process: the process is gone, and its id may be another
    /// process's by now. With a [`host`](Self::host) it is an id of that machine.
    ///
    /// # Examples
    ///
    /// ```
    /// use scheduler::{job, jobs, Scheduler};
    ///
    /// #[job]
    /// fn own_id() -> u32 { std::process::id() }
    ///
    /// #[scheduler::main]
    /// fn main() -> Result<(), scheduler::Error> {
    ///     let records = Scheduler::new().run(jobs![("J1", own_id)])?;
    ///     assert_eq!(records[0].process(), Some(records[0].result::<u32>()?));
    ///     assert!(records[0].started_at() <= records[0].ended_at());
    ///     Ok(())
    /// }
    /// ```
    #[doc(alias = "pid")]
    #[must_use]
    pub fn process(&self) -> Option<u32> {
        self.run.process()
    }

    /// Returns how long the function ran in all [attempts](Self::attempts) together, without the times between them.
    #[must_use]
    pub fn total_duration(&self) -> Duration {
        self.run.total_duration()
    }

    /// Returns the reason for the status [`Error`](Status::Error), and `None` for every other status.
    #[must_use]
    pub fn failure(&self) -> Option<&Failure> {
        self.run.failure()
    }

    /// Returns one line with the reason why there is no result, and `None` if there is one.
    #[must_use]
    pub fn error(&self) -> Option<String> {
        self.run.error()
    }

    /// Returns the processor time and memory that the job used.
    #[must_use]
    pub fn usage(&self) -> Usage {
        self.run.usage()
    }

    /// Returns the processes that the job left running.
    #[must_use]
    #[doc(alias = "leaked")]
    pub fn sweep(&self) -> &Sweep {
        self.run.sweep()
    }

    /// Returns the means by which those were found and killed, in the last attempt; `None` if no process was made.
    #[must_use]
    pub fn swept_by(&self) -> Option<SweptBy> {
        self.run.swept_by()
    }

    /// Returns the last text, up to 8 KiB, that a job without a result wrote to its standard error.
    ///
    /// Bytes that aren't UTF-8 are replaced; control characters are kept. Empty if there is a result and no [failure after
    /// it](Self::exit_failure).
    #[must_use]
    pub fn stderr_tail(&self) -> &str {
        self.run.stderr_tail()
    }

    /// Returns how the job's process failed after its outcome was complete, if it did: it crashed in an exit handler, exited with
    /// a code other than 0, or did not exit.
    ///
    /// The outcome doesn't change. A process that was killed before it had a tenth of a second to exit has not failed.
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
        self.run.exit_failure()
    }

    /// Returns the first panics of the job's threads and tasks, up to 8, in the order in which they were raised: caught ones,
    /// too, but not the one that is the [failure](Self::failure).
    ///
    /// Each is also printed to the job's standard error, as in an ordinary program. They have no backtraces, and messages are cut
    /// after 4 KiB.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use scheduler::{job, jobs, Scheduler, Status};
    ///
    /// /// Waits forever, because the thread that would wake it has panicked.
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
        self.run.panics()
    }

    /// Returns one line that names the job's [temporary folder](macro@crate::job#temp_dir), and why it could not be removed
    /// within ten seconds; `None` if it was removed, or there was none. That of an earlier attempt isn't kept.
    ///
    /// The outcome of the job doesn't depend on it.
    #[must_use]
    pub fn temp_dir_error(&self) -> Option<&str> {
        self.run.temp_dir_error()
    }

    /// Returns the [captured](macro@crate::job#stdout-and-stderr) output of the last attempt; `None` if nothing was captured.
    #[must_use]
    pub fn output(&self) -> Option<&Captured> {
        self.run.output()
    }

    /// Returns the captured standard output as text, as [`Captured::text`] does.
    #[must_use]
    pub fn stdout(&self) -> Option<Cow<'_, str>> {
        self.run.stdout()
    }

    /// Returns the captured standard error as text, as [`Captured::text`] does.
    #[must_use]
    pub fn stderr(&self) -> Option<Cow<'_, str>> {
        self.run.stderr()
    }

    /// Returns every attempt at a job that was [tried more than once](macro@crate::job#retries), and nothing for a job that ran
    /// once. The rest of the record is about the last of them.
    #[must_use]
    #[doc(alias = "retries")]
    pub fn attempts(&self) -> &[Attempt] {
        self.run.attempts()
    }

    /// Returns where the job was when it was stopped or crashed, if the option [`stacks`](macro@crate::job#stacks) is set: its processes, the
    /// job's own first, with the stacks of their threads.
    ///
    /// Empty if the function returned in time, or if the platform can't tell. [`ProcessSnapshot::tree`] writes them for people.
    ///
    /// # Examples
    ///
    /// ```
    /// use scheduler::{job, jobs, ProcessSnapshot, Scheduler, Status};
    ///
    /// /// Waits for a message that no one sends.
    /// #[job(timeout = "200ms", stacks = true)]
    /// fn waits() {
    ///     let (_sender, receiver) = std::sync::mpsc::channel::<()>();
    ///     let _ = receiver.recv();
    /// }
    ///
    /// #[scheduler::main]
    /// fn main() -> Result<(), scheduler::Error> {
    ///     let records = Scheduler::new().run(jobs![("J1", waits)])?;
    ///     assert_eq!(records[0].status(), Status::Timeout);
    ///     eprintln!("{}", ProcessSnapshot::tree(records[0].stacks()));
    ///     // process 4711: app: job app::waits [J1]
    ///     //   thread 4711, in futex_wait
    ///     //     std::sync::mpsc::recv<()>
    ///     //     app::waits at src/main.rs:6
    ///     Ok(())
    /// }
    /// ```
    #[must_use]
    #[doc(alias = "backtrace")]
    #[doc(alias = "stack_trace")]
    #[doc(alias = "traceback")]
    pub fn stacks(&self) -> &[ProcessSnapshot] {
        self.run.stacks()
    }

    /// Returns `true` if the job gave a result after an attempt that had not.
    ///
    /// Test runners call such a test flaky: the job and its arguments are the same, so something else must differ.
    #[must_use]
    pub fn is_flaky(&self) -> bool {
        self.run.is_flaky()
    }

    /// Returns what became of the job's process after its last attempt, if processes may serve several calls
    /// ([`StartMethod::Reuse`](crate::StartMethod::Reuse)) and the function was called: that it waits for another call, or why not.
    #[must_use]
    pub fn reuse(&self) -> Option<&ProcessReuse> {
        self.run.reuse()
    }

    /// Returns how the function failed in its grace period, if it did: it returned `Err`, it panicked, or its process exited.
    #[must_use]
    pub fn late_failure(&self) -> Option<&Failure> {
        self.run.late_failure()
    }
}

impl HoldsCheckpoint for Record {
    fn held(&self) -> Option<&Checkpoint> {
        self.run.held()
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut record = f.debug_struct("Record");
        record
            .field("job_id", &self.job_id)
            .field("job", &self.job)
            .field("status", &self.status())
            .field("duration", &self.duration());
        match &self.run.outcome {
            Outcome::Ok(bytes) => record.field("result", &format_args!("{:?} of {} bytes", self.codec, bytes.len())),
            Outcome::Error(failure) => record.field("failure", failure),
            Outcome::Timeout(overrun) => record.field("overrun", overrun),
        };
        record.field("sweep", self.sweep()).finish_non_exhaustive()
    }
}
