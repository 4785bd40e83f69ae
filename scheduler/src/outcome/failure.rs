//! `Failure`: the death certificate of a job that gave no result.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::escape::OneLine;
use crate::seconds;

/// How a job failed, told from evidence and never guessed.
///
/// Its `Display` is one line, whatever the job's own message holds.
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
/// Serializes with its fields beside a `"kind"`, in any format: `{"kind": "signaled", "signal": 11, "name": "SIGSEGV",
/// "core_dumped": false}`. [`Record`](crate::Record#json) has the whole list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Failure {
    /// The function returned `Err`.
    #[non_exhaustive]
    Returned {
        /// What the error's `Display` wrote.
        message: String,
        /// What `Display` of each [`source`](std::error::Error::source) wrote, the nearest cause first.
        sources: Vec<String>,
    },
    /// The function panicked, or a panic could not be unwound and aborted its process.
    Panicked(Panic),
    /// A signal that the scheduler did not send ended the job's process.
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
        /// Whether the kernel wrote a core dump.
        core_dumped: bool,
    },
    /// A thread of the job overflowed its stack.
    #[non_exhaustive]
    StackOverflow {
        /// The line in which the runtime of the standard library said so, with the thread's name.
        message: String,
    },
    /// The job ran out of memory: its own limit's, or the machine's. Its arguments are in its memory, too.
    ///
    /// Told from evidence, and nowhere guessed. That the job's [`memory`](macro@crate::job#memory) limit was in its way, a
    /// process says that aborts with the last words of an allocation that failed (`memory allocation of 64 bytes failed`,
    /// or C++'s `std::bad_alloc`) on its standard error, where the parent sees that. An allocation may also fail otherwise,
    /// as an `Err` or a panic of the job's own, which is told as such.
    ///
    /// # Platform
    ///
    /// That the machine, or a cgroup, had no more, is told on Linux by the count of such ends in the job's cgroup, which rose
    /// while the job ran: another process of the same cgroup may have been meant, if one was ended at the same time.
    #[non_exhaustive]
    OutOfMemory {
        /// The job's limit in bytes, if that was in its way; `None` if the kernel ended it.
        #[serde(rename = "limit_bytes")]
        limit: Option<u64>,
    },
    /// The job used up its processor time ([`cpu_time`](macro@crate::job#cpu_time)).
    ///
    /// Told from the signal `SIGXCPU`, or, of a job that didn't heed that, from the kill that follows where its [`Usage`]
    /// is over the limit.
    ///
    /// [`Usage`]: crate::Usage
    #[non_exhaustive]
    CpuTime {
        /// The limit.
        #[serde(rename = "limit_sec", serialize_with = "seconds::serialize")]
        limit: Duration,
    },
    /// The job was ended as it wrote more to a file than its limit allows ([`file_size`](macro@crate::job#file_size)).
    #[non_exhaustive]
    FileSize {
        /// The limit, in bytes.
        #[serde(rename = "limit_bytes")]
        limit: u64,
    },
    /// The job's process exited before it gave a result; with code 0, too.
    ///
    /// # Platform
    ///
    /// On Windows a crash is an exit, too: the code is that of the exception that nobody handled, such as 0xC0000005 as an
    /// `i32`, which `Display` names. A process that exits with such a code of its own accord looks the same.
    #[non_exhaustive]
    Exited {
        /// The exit code.
        code: i32,
    },
    /// The process exited with a code other than 0, after the job's outcome was complete: in a destructor of a static, say.
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
        /// How long it was left to exit: the rest of its timeout, and never more than 2 seconds.
        #[serde(rename = "limit_sec", serialize_with = "seconds::serialize")]
        limit: Duration,
    },
    /// The function returned a value, and the value could not be brought to the parent.
    #[non_exhaustive]
    Unserializable {
        /// What the value's `Serialize` or `Deserialize`, or a limit on its size, had against it.
        message: String,
    },
    /// The function returned, and its outcome, a value or an error, did not reach the parent within the
    /// [delivery timeout](crate::Scheduler::delivery_timeout).
    #[non_exhaustive]
    Undelivered {
        /// The delivery timeout.
        #[serde(rename = "limit_sec", serialize_with = "seconds::serialize")]
        limit: Duration,
    },
    /// The function never began. Where its process died of a limit before that, that is told instead.
    #[non_exhaustive]
    NeverStarted {
        /// What stood in its way.
        reason: String,
    },
    /// The job was not to go on, or not to begin, for a reason that was not its own: its [handle](crate::Handle) or a
    /// [token](crate::CancelToken) was cancelled, another job of the list [failed](crate::Scheduler::on_failure), or the
    /// time of the whole list [was over](crate::Scheduler::total_timeout).
    ///
    /// What the function returned in its [grace period](macro@crate::job#grace) is kept beside it:
    /// [`Record::late_result`](crate::Record::late_result), [`Run::late_result`](crate::Run::late_result).
    #[non_exhaustive]
    Cancelled {
        /// Whether the function was called.
        begun: bool,
    },
    /// What came from the job's process was no outcome that the scheduler could trust.
    #[non_exhaustive]
    ProtocolBroken {
        /// Where it broke.
        message: String,
    },
}

/// A panic, as the job's process saw it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Panic {
    /// The panic's message; a payload that is no string is described instead.
    pub message: String,
    /// Where the panic was raised. `None` if the job replaced the panic hook.
    pub location: Option<Location>,
    /// The name of the thread that panicked, if it has one.
    pub thread: Option<String>,
    /// The backtrace, if `RUST_BACKTRACE` asked for one.
    pub backtrace: Option<String>,
}

/// A place in the source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Location {
    /// The file, as the compiler was given it.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
    /// The column, from 1.
    pub column: u32,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Returned { message, sources } => {
                write!(f, "returned an error: {}", OneLine(message))?;
                // Many errors write their source themselves; saying it twice helps nobody.
                let unsaid = sources.iter().filter(|source| !message.contains(*source));
                unsaid.into_iter().try_for_each(|source| write!(f, ": {}", OneLine(source)))
            }
            Self::Panicked(panic) => write!(f, "{panic}"),
            Self::Signaled { signal, name, core_dumped } => {
                write!(f, "ended by signal {signal} ({name})")?;
                f.write_str(if *core_dumped { ", core dumped" } else { "" })
            }
            Self::StackOverflow { message } => write!(f, "stack overflow: {}", OneLine(message)),
            Self::OutOfMemory { limit: None } => f.write_str("ended by the kernel: out of memory"),
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
        }
    }
}

/// An exit code, with the name that it has as a status of the Windows kernel. No other system has codes like those.
struct ExitCode(i32);

impl fmt::Display for ExitCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let code = self.0.cast_unsigned();
        let name = match code {
            0x4001_0005 => "DBG_CONTROL_C",
            0x8000_0003 => "STATUS_BREAKPOINT",
            0x8000_0004 => "STATUS_SINGLE_STEP",
            0xC000_0005 => "STATUS_ACCESS_VIOLATION",
            0xC000_0006 => "STATUS_IN_PAGE_ERROR",
            0xC000_0008 => "STATUS_INVALID_HANDLE",
            0xC000_0017 => "STATUS_NO_MEMORY",
            0xC000_001D => "STATUS_ILLEGAL_INSTRUCTION",
            0xC000_008C => "STATUS_ARRAY_BOUNDS_EXCEEDED",
            0xC000_008E => "STATUS_FLOAT_DIVIDE_BY_ZERO",
            0xC000_0094 => "STATUS_INTEGER_DIVIDE_BY_ZERO",
            0xC000_0095 => "STATUS_INTEGER_OVERFLOW",
            0xC000_0096 => "STATUS_PRIVILEGED_INSTRUCTION",
            0xC000_00FD => "STATUS_STACK_OVERFLOW",
            0xC000_0135 => "STATUS_DLL_NOT_FOUND",
            0xC000_0138 => "STATUS_ORDINAL_NOT_FOUND",
            0xC000_0139 => "STATUS_ENTRYPOINT_NOT_FOUND",
            0xC000_013A => "STATUS_CONTROL_C_EXIT",
            0xC000_0142 => "STATUS_DLL_INIT_FAILED",
            0xC000_0374 => "STATUS_HEAP_CORRUPTION",
            0xC000_0409 => "STATUS_STACK_BUFFER_OVERRUN",
            0xC000_0417 => "STATUS_INVALID_CRUNTIME_PARAMETER",
            0xC000_041D => "STATUS_FATAL_USER_CALLBACK_EXCEPTION",
            0xC000_0420 => "STATUS_ASSERTION_FAILURE",
            0xE06D_7363 => "a C++ exception",
            _ if code >= 0xC000_0000 => return write!(f, "{code:#X}"),
            _ => return self.0.fmt(f),
        };
        write!(f, "0x{code:08X} ({name})")
    }
}

impl fmt::Display for Panic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("panicked")?;
        if let Some(location) = &self.location {
            write!(f, " at {location}")?;
        }
        write!(f, ": {}", OneLine(&self.message))
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", OneLine(&self.file), self.line, self.column)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_said_once_even_if_the_message_says_it_already() {
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
        ];
        for failure in failures {
            let line = failure.to_string();
            assert!(!line.contains(['\n', '\r']), "{line:?}");
            assert!(line.contains(r"two\nlines"), "{line:?}");
        }
    }

    #[test]
    fn a_code_and_a_signal_are_told_apart() {
        assert_eq!(Failure::Exited { code: 137 }.to_string(), "exited with code 137 before it gave a result");
        let killed = Failure::Signaled { signal: 9, name: "SIGKILL", core_dumped: false };
        assert_eq!(killed.to_string(), "ended by signal 9 (SIGKILL)");
    }

    #[test]
    fn a_status_of_windows_has_its_name() {
        let line = |code: u32| Failure::Exited { code: code.cast_signed() }.to_string();
        assert_eq!(line(0xC000_0005), "exited with code 0xC0000005 (STATUS_ACCESS_VIOLATION) before it gave a result");
        assert_eq!(line(0xC000_1234), "exited with code 0xC0001234 before it gave a result");
        assert_eq!(line(3), "exited with code 3 before it gave a result");
    }
}
