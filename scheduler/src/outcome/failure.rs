//! `Failure` and `Overrun`: why a job gave no result. A failure may be an overrun, and an overrun has a failure.

mod overrun_text;
mod serialized;

use std::error::Error;
use std::fmt;
use std::time::{Duration, SystemTime};

use serde::Serialize;

use crate::escape::OneLine;
use crate::outcome::exit_code::ExitCode;
use crate::outcome::overrun_kind::OverrunKind;
use crate::outcome::panic::Panic;
use crate::seconds;

/// Why a job gave no result: what was observed, never a guess.
///
/// | What happened | Variant |
/// |---|---|
/// | The function returned `Err` | [`Returned`](Self::Returned) |
/// | The function panicked | [`Panicked`](Self::Panicked) |
/// | It returned a value that `serde` can't write or read back, or that is over the size limit | [`Unserializable`](Self::Unserializable) |
/// | It returned, and its outcome did not arrive within the delivery timeout | [`Undelivered`](Self::Undelivered) |
/// | A signal killed its process: a segmentation fault, `abort()`, a `kill` from elsewhere | [`Signaled`](Self::Signaled) |
/// | A thread overflowed its stack | [`StackOverflow`](Self::StackOverflow) |
/// | It reached its `memory` limit, or the kernel ran out of memory | [`OutOfMemory`](Self::OutOfMemory) |
/// | It reached its `cpu_time` limit | [`CpuTime`](Self::CpuTime) |
/// | It reached its `file_size` limit | [`FileSize`](Self::FileSize) |
/// | It called `exit`, or crashed on Windows | [`Exited`](Self::Exited) |
/// | Its process could not be made, or did not call the function in time | [`NeverStarted`](Self::NeverStarted) |
/// | It was cancelled: by its handle, a token, a failed job of its list or the list's timeout | [`Cancelled`](Self::Cancelled) |
/// | Its process sent something else than an outcome | [`ProtocolBroken`](Self::ProtocolBroken) |
/// | The connection to the machine that ran it was lost | [`Lost`](Self::Lost) |
/// | It ran into its timeout, and [`Outcome::into_result`](crate::Outcome::into_result) was called | [`Timeout`](Self::Timeout) |
/// | Its process exited with another code than 0 after its outcome | [`BadExit`](Self::BadExit), an [`exit_failure`] |
/// | Its process did not exit after its outcome | [`ExitTimeout`](Self::ExitTimeout), an [`exit_failure`] |
///
/// [`exit_failure`]: crate::Record::exit_failure
///
/// `Display` writes one line, whatever the job's own message contains.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use scheduler::{job, run_job_with_timeout, Failure, Outcome};
///
/// #[job]
/// fn halve(n: u32) -> Result<u32, String> {
///     if n % 2 == 0 { Ok(n / 2) } else { Err(format!("{n} is odd")) }
/// }
///
/// #[scheduler::main]
/// fn main() -> Result<(), scheduler::Error> {
///     let run = run_job_with_timeout(halve::job(7), Duration::from_secs(10))?;
///     match run.outcome {
///         Outcome::Error(Failure::Returned { message, .. }) => assert_eq!(message, "7 is odd"),
///         other => panic!("{other:?}"),
///     }
///     Ok(())
/// }
/// ```
///
/// As an [`Error`], it has no [`source`](Error::source): the job's process sent its error and the sources of that as text,
/// and the message contains them all.
///
/// Serializes with its fields beside a `"kind"`, in any format: `{"kind": "signaled", "signal": 11, "name": "SIGSEGV",
/// "core_dumped": false}`. [`Record`](crate::Record#json) has the whole list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Failure {
    /// The function returned `Err`.
    #[non_exhaustive]
    Returned {
        /// The error's `Display`.
        message: String,
        /// The `Display` of each [`source`](Error::source), the nearest cause first.
        sources: Vec<String>,
    },
    /// The function panicked, or a panic that could not unwind aborted its process.
    #[doc(alias = "panic")]
    Panicked(Panic),
    /// A signal that the scheduler did not send killed the job's process.
    ///
    /// # Platform
    ///
    /// Unix.
    #[non_exhaustive]
    Signaled {
        /// The signal's number on this platform.
        signal: i32,
        /// The signal's name, such as `SIGSEGV`.
        name: &'static str,
        /// `true` if the kernel wrote a core dump.
        core_dumped: bool,
    },
    /// A thread of the job overflowed its stack.
    #[non_exhaustive]
    StackOverflow {
        /// The line that the standard library's runtime printed, with the thread's name.
        message: String,
    },
    /// The job ran out of memory: it reached its own limit, or the machine had no more. Its arguments count as its memory.
    ///
    /// That the job reached its [`memory`](macro@crate::job#memory) limit is recognized by its standard error, where the parent
    /// sees that: the process aborted after the message of a failed allocation (`memory allocation of 64 bytes failed`, or C++'s
    /// `std::bad_alloc`). A failed allocation that the job handles itself, as an `Err` or a panic, is reported as that.
    ///
    /// # Platform
    ///
    /// That the machine or a cgroup ran out of memory is recognized on Linux only, by the cgroup's counter of such kills, which rose
    /// while the job ran. If another process of the same cgroup was killed for the same reason at the same time, the counter may
    /// have risen for that one.
    #[non_exhaustive]
    OutOfMemory {
        /// The job's limit in bytes, if it reached that; `None` if the kernel killed it.
        #[serde(rename = "limit_bytes")]
        limit: Option<u64>,
    },
    /// The job used up its processor time ([`cpu_time`](macro@crate::job#cpu_time)).
    ///
    /// Recognized by the signal `SIGXCPU` or, if the job ignored that, by the kill that follows and a [`Usage`] over the limit.
    ///
    /// [`Usage`]: crate::Usage
    #[non_exhaustive]
    CpuTime {
        /// The limit.
        #[serde(rename = "limit_sec", serialize_with = "seconds::serialize")]
        limit: Duration,
    },
    /// The job was killed as it wrote more to a file than its limit allows ([`file_size`](macro@crate::job#file_size)).
    #[non_exhaustive]
    FileSize {
        /// The limit, in bytes.
        #[serde(rename = "limit_bytes")]
        limit: u64,
    },
    /// The job's process exited before it gave a result, with any code, including 0.
    ///
    /// # Platform
    ///
    /// On Windows a crash is an exit, too: the code is that of the unhandled exception, such as 0xC0000005 as an `i32`, which
    /// `Display` names. A process that passes such a code to `exit` looks the same.
    #[non_exhaustive]
    Exited {
        /// The exit code.
        code: i32,
    },
    /// The process exited with a code other than 0 after the job's outcome was complete, for example in a destructor of a static.
    ///
    /// Only as [`Record::exit_failure`](crate::Record::exit_failure).
    #[non_exhaustive]
    BadExit {
        /// The exit code.
        code: i32,
    },
    /// The process did not exit after the job's outcome was complete, and was killed.
    ///
    /// Only as [`Record::exit_failure`](crate::Record::exit_failure).
    #[non_exhaustive]
    ExitTimeout {
        /// The time that it had to exit: the rest of its timeout, 2 seconds at most.
        #[serde(rename = "limit_sec", serialize_with = "seconds::serialize")]
        limit: Duration,
    },
    /// The function returned a value that could not be sent to the parent.
    #[non_exhaustive]
    Unserializable {
        /// The error of the value's `Serialize` or `Deserialize`, or the size limit that it exceeds.
        message: String,
    },
    /// The function returned, but its outcome, a value or an error, did not reach the parent within the
    /// [delivery timeout](crate::Scheduler::delivery_timeout).
    #[non_exhaustive]
    Undelivered {
        /// The delivery timeout.
        #[serde(rename = "limit_sec", serialize_with = "seconds::serialize")]
        limit: Duration,
    },
    /// The function was never called. If the job's process reached one of its limits before the call, that is the failure instead.
    #[doc(alias = "spawn")]
    #[non_exhaustive]
    NeverStarted {
        /// The reason.
        reason: String,
    },
    /// The job was stopped, or not started, for a reason that was not its own: its [handle](crate::Handle) or a
    /// [token](crate::CancelToken) was cancelled or drained, another job of the list [failed](crate::Scheduler::on_failure), or the
    /// [timeout of the whole list](crate::Scheduler::total_timeout) passed before it started.
    ///
    /// A value that the function returned in its [grace period](macro@crate::job#grace) is kept beside the failure:
    /// [`Record::late_result`](crate::Record::late_result), [`Run::late_result`](crate::Run::late_result).
    #[doc(alias = "canceled")]
    #[doc(alias = "aborted")]
    #[non_exhaustive]
    Cancelled {
        /// `true` if the function was called.
        begun: bool,
    },
    /// The job's process sent something else than an outcome.
    #[non_exhaustive]
    ProtocolBroken {
        /// The rule of the protocol that was broken.
        message: String,
    },
    /// The connection to the machine that ran the job was lost before its outcome had arrived (feature `remote`).
    ///
    /// It may have run to its end, so it is retried only where [`retry_on`](macro@crate::job#retry_on) names [`Lost`](crate::Cause::Lost).
    #[non_exhaustive]
    Lost {
        /// The name of the machine, as it calls itself.
        host: String,
        /// The number of the slot, from 1.
        slot: usize,
        /// `true` if the job may have begun.
        begun: bool,
        /// The time, by the application's clock, at which no process of the job can be alive any more: the end of the lease.
        #[serde(serialize_with = "serialized::moment")]
        end: SystemTime,
        /// How the connection was lost, with what the client wrote.
        reason: String,
    },
    /// The function was still running at its timeout. Never the failure of an [`Outcome::Error`](crate::Outcome::Error): a timeout
    /// becomes one in [`Outcome::into_result`](crate::Outcome::into_result) only.
    #[doc(alias = "elapsed")]
    #[serde(serialize_with = "serialized::overrun")]
    Timeout(Overrun),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Returned { message, sources } => {
                write!(f, "returned an error: {}", OneLine(message))?;
                // The message of many errors contains that of their source.
                let mut others = sources.iter().filter(|source| !message.contains(*source));
                others.try_for_each(|source| write!(f, ": {}", OneLine(source)))
            }
            Self::Panicked(panic) => write!(f, "{panic}"),
            Self::Signaled { signal, name, core_dumped } => {
                write!(f, "killed by signal {signal} ({name})")?;
                f.write_str(if *core_dumped { ", core dumped" } else { "" })
            }
            Self::StackOverflow { message } => write!(f, "stack overflow: {}", OneLine(message)),
            Self::OutOfMemory { limit: None } => f.write_str("killed by the kernel: out of memory"),
            Self::OutOfMemory { limit: Some(limit) } => write!(f, "out of memory: its limit is {limit} bytes"),
            Self::CpuTime { limit } => write!(f, "used up its processor time: its limit is {limit:?}"),
            Self::FileSize { limit } => write!(f, "wrote too large a file: its limit is {limit} bytes"),
            Self::Exited { code } => write!(f, "exited with code {} before it gave a result", ExitCode(*code)),
            Self::BadExit { code } => write!(f, "exited with code {} after its outcome", ExitCode(*code)),
            Self::ExitTimeout { limit } => write!(f, "did not exit within {limit:?} after its outcome, and was killed"),
            Self::Unserializable { message } => {
                write!(f, "its result could not be serialized: {}", OneLine(message))
            }
            Self::Undelivered { limit } => {
                write!(f, "its outcome was not delivered within {limit:?} after the function returned")
            }
            Self::NeverStarted { reason } => write!(f, "never started: {}", OneLine(reason)),
            Self::Cancelled { begun: true } => f.write_str("cancelled while it ran"),
            Self::Cancelled { begun: false } => f.write_str("cancelled before it began"),
            Self::ProtocolBroken { message } => write!(f, "gave no outcome: {}", OneLine(message)),
            Self::Lost { host, slot, begun, reason, .. } => {
                let begun = if *begun { "" } else { " before it began" };
                write!(f, "lost{begun}, at slot {slot} on {}: {}", OneLine(host), OneLine(reason))
            }
            Self::Timeout(overrun) => overrun.fmt(f),
        }
    }
}

impl Error for Failure {}

/// A run whose function was still running at its timeout, or at another of its [limits](Self::kind).
///
/// Without a [grace period](macro@crate::job#grace) it was killed then. With one it was asked to stop first, and what the function
/// returned in that time is kept here.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use scheduler::{job, run_job_with_timeout, this_job, Outcome};
///
/// /// Counts until it is asked to stop.
/// #[job(grace = "10s")]
/// fn count() -> u64 {
///     let mut counted = 0;
///     while !this_job::is_cancelled() {
///         counted += 1;
///     }
///     counted
/// }
///
/// #[scheduler::main]
/// fn main() -> Result<(), scheduler::Error> {
///     let run = run_job_with_timeout(count::job(), Duration::from_millis(50))?;
///     let Outcome::Timeout(overrun) = run.outcome else { panic!("{:?}", run.outcome) };
///     assert!(overrun.ended_in_order());
///     assert!(overrun.into_value().is_some_and(|counted| counted > 0));
///     Ok(())
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[doc(alias = "Elapsed")]
#[doc(alias = "TimeoutError")]
pub struct Overrun<T = ()> {
    limit: Duration,
    kind: OverrunKind,
    grace: Duration,
    late: Option<Late<T>>,
}

/// The end of a function in its grace period.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Late<T> {
    Value(T),
    Failure(Box<Failure>),
}

impl<T> Late<T> {
    pub(crate) fn value(&self) -> Option<&T> {
        if let Self::Value(value) = self { Some(value) } else { None }
    }

    pub(crate) fn into_value(self) -> Option<T> {
        if let Self::Value(value) = self { Some(value) } else { None }
    }

    pub(crate) fn failure(&self) -> Option<&Failure> {
        if let Self::Failure(failure) = self { Some(failure) } else { None }
    }

    /// Returns the same, without a value.
    pub(crate) fn without_value(self) -> Option<Self> {
        if let Self::Value(_) = self { None } else { Some(self) }
    }

    /// Returns the same with a reference to the value.
    pub(crate) fn borrowed(&self) -> Late<&T> {
        match self {
            Self::Value(value) => Late::Value(value),
            Self::Failure(failure) => Late::Failure(failure.clone()),
        }
    }

    /// Converts the value.
    pub(crate) fn and_then<U>(self, convert: impl FnOnce(T) -> Result<U, Failure>) -> Late<U> {
        match self {
            Self::Value(value) => convert(value).map_or_else(|failure| Late::Failure(Box::new(failure)), Late::Value),
            Self::Failure(failure) => Late::Failure(failure),
        }
    }
}

impl<T> Overrun<T> {
    pub(crate) fn new(limit: Duration, grace: Duration, late: Option<Late<T>>) -> Self {
        Self { limit, kind: OverrunKind::Timeout, grace, late }
    }

    /// Returns the same with another kind of limit.
    pub(crate) fn of_kind(self, kind: OverrunKind) -> Self {
        Self { kind, ..self }
    }

    /// Returns which of its limits the job was stopped at.
    #[must_use]
    pub fn kind(&self) -> OverrunKind {
        self.kind
    }

    /// Returns the limit that passed, of this [kind](Self::kind): the job's own timeout, with every
    /// [extension](crate::this_job::extend), or another limit.
    #[must_use]
    pub fn limit(&self) -> Duration {
        self.limit
    }

    /// Returns `true` if the [timeout of the whole list](crate::Scheduler::total_timeout) passed, not the job's own.
    #[must_use]
    pub fn is_of_list(&self) -> bool {
        self.kind == OverrunKind::TotalTimeout
    }

    /// Returns the grace period that the job had after its timeout, zero if it had none.
    #[must_use]
    pub fn grace(&self) -> Duration {
        self.grace
    }

    /// Returns `true` if the function, asked to stop, returned a value or an `Err` within its grace period.
    #[must_use]
    #[doc(alias = "graceful")]
    pub fn ended_in_order(&self) -> bool {
        matches!(&self.late, Some(Late::Value(_))) || matches!(self.failure(), Some(Failure::Returned { .. }))
    }

    /// Returns the value that the function returned within its grace period.
    #[must_use]
    pub fn value(&self) -> Option<&T> {
        self.late.as_ref().and_then(Late::value)
    }

    /// Returns the value that the function returned within its grace period.
    #[must_use]
    pub fn into_value(self) -> Option<T> {
        self.late.and_then(Late::into_value)
    }

    /// Returns how the function failed within its grace period, if it did: it returned `Err`, it panicked, or its process
    /// exited or was killed by a signal, such as SIGTERM.
    #[must_use]
    pub fn failure(&self) -> Option<&Failure> {
        self.late.as_ref().and_then(Late::failure)
    }

    /// Returns the end of the function within its grace period.
    #[cfg(any(feature = "journal", feature = "remote"))]
    pub(crate) fn late(&self) -> Option<&Late<T>> {
        self.late.as_ref()
    }

    /// Returns the same with a reference to the value.
    pub(super) fn borrowed(&self) -> Overrun<&T> {
        let late = self.late.as_ref().map(Late::borrowed);
        Overrun { limit: self.limit, kind: self.kind, grace: self.grace, late }
    }

    /// Returns the same, without a value from the grace period.
    pub(super) fn without_late_value(mut self) -> Self {
        self.late = self.late.and_then(Late::without_value);
        self
    }

    /// Returns the same without the value.
    pub(crate) fn without_value(&self) -> Overrun {
        self.borrowed().and_then(|_| Ok(()))
    }

    pub(super) fn and_then<U>(self, convert: impl FnOnce(T) -> Result<U, Failure>) -> Overrun<U> {
        let late = self.late.map(|late| late.and_then(convert));
        Overrun { limit: self.limit, kind: self.kind, grace: self.grace, late }
    }
}

/// Has no [`source`](Error::source): a [failure](Overrun::failure) in the grace period is a part of the message.
impl<T: fmt::Debug> Error for Overrun<T> {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::panic::Location;

    #[test]
    fn a_source_that_is_a_part_of_the_message_is_written_once() {
        let failure = Failure::Returned {
            message: "can't read a.toml: no such file".into(),
            sources: vec!["no such file".into(), "os error 2".into()],
        };
        assert_eq!(failure.to_string(), "returned an error: can't read a.toml: no such file: os error 2");
    }

    #[test]
    fn every_failure_is_one_line() {
        let text = || "two\nlines".to_owned();
        let failures = [
            Failure::Returned { message: text(), sources: vec![text() + "\r"] },
            Failure::Panicked(Panic {
                message: text(),
                location: Some(Location { file: text(), line: 1, column: 2 }),
                thread: Some(text()),
                backtrace: Some(text()),
            }),
            Failure::StackOverflow { message: text() },
            Failure::Unserializable { message: text() },
            Failure::NeverStarted { reason: text() },
            Failure::ProtocolBroken { message: text() },
            Failure::Lost { host: text(), slot: 1, begun: false, end: SystemTime::UNIX_EPOCH, reason: text() },
        ];
        for failure in failures {
            let line = failure.to_string();
            assert!(!line.contains(['\n', '\r']), "{line:?}");
            assert!(line.contains(r"two\nlines"), "{line:?}");
        }
    }

    #[test]
    fn an_exit_code_and_a_signal_are_distinguished() {
        assert_eq!(Failure::Exited { code: 137 }.to_string(), "exited with code 137 before it gave a result");
        let killed = Failure::Signaled { signal: 9, name: "SIGKILL", core_dumped: false };
        assert_eq!(killed.to_string(), "killed by signal 9 (SIGKILL)");
    }

    #[test]
    fn a_windows_status_has_its_name() {
        let line = |code: u32| Failure::Exited { code: code.cast_signed() }.to_string();
        assert_eq!(line(0xC000_0005), "exited with code 0xC0000005 (STATUS_ACCESS_VIOLATION) before it gave a result");
        assert_eq!(line(0xC000_1234), "exited with code 0xC0001234 before it gave a result");
        assert_eq!(line(3), "exited with code 3 before it gave a result");
    }
}
