//! `Ending`: the exit status of a command, as coreutils' `timeout` has it.

use std::process::ExitCode;

use crate::outcome::{Failure, Status};
use crate::process::{FatalSignal, die_of};
use crate::record::Record;

/// How this program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    Exit(u8),
    /// By a signal, if the platform has signals, or else with 128 and its number.
    Signal(FatalSignal),
}

impl Ending {
    pub(super) const SUCCESS: Self = Self::Exit(0);
    /// At least one job of a batch gave no result.
    pub(super) const JOB_FAILED: Self = Self::Exit(1);
    /// The command line, its input or the scheduler itself is at fault.
    pub(super) const OWN_FAILURE: Self = Self::Exit(125);
    /// No job has the given name.
    pub(super) const NOT_FOUND: Self = Self::Exit(127);

    /// Returns the ending of a program that ran this one job.
    pub(super) fn of(record: &Record) -> Self {
        match (record.status(), record.failure()) {
            (Status::Ok, _) => Self::SUCCESS,
            (Status::Timeout, _) => Self::Exit(124),
            (Status::Error, Some(failure)) => Self::Exit(status_of(failure)),
            (Status::Error, None) => Self::JOB_FAILED,
        }
    }

    /// Ends the process by its signal, if it has one, or returns the code to exit with.
    pub(super) fn exit_code(self) -> ExitCode {
        match self {
            Self::Exit(status) => status.into(),
            Self::Signal(signal) => {
                die_of(signal);
                (128 + signal.number()).into()
            }
        }
    }
}

/// Returns the status for a failure: that of a program whose process ends in the same way.
fn status_of(failure: &Failure) -> u8 {
    const SIGNALED: u8 = 128;
    // The same on every Unix.
    const SIGABRT: u8 = 6;
    const SIGKILL: u8 = 9;
    const SIGXCPU: u8 = 24;
    const SIGXFSZ: u8 = 25;
    match failure {
        // As a `main` that panics.
        Failure::Panicked(_) => 101,
        Failure::Signaled { signal, .. } => u8::try_from(128 + signal).unwrap_or(SIGNALED),
        Failure::StackOverflow { .. } => SIGNALED + SIGABRT,
        // As if the kernel had killed it, also where a limit of the job made an allocation fail, which aborts the process.
        Failure::OutOfMemory { .. } => SIGNALED + SIGKILL,
        Failure::CpuTime { .. } => SIGNALED + SIGXCPU,
        Failure::FileSize { .. } => SIGNALED + SIGXFSZ,
        // 0 is no success without a result.
        Failure::Exited { code } => u8::try_from(*code).ok().filter(|code| *code != 0).unwrap_or(1),
        Failure::NeverStarted { .. } => 126,
        Failure::Cancelled { .. } => SIGNALED + FatalSignal::Interrupt.number(),
        Failure::ProtocolBroken { .. } => 125,
        Failure::Timeout(_) => 124,
        // As a `main` that returns an error.
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_has_the_status_of_a_program_that_ends_so() {
        let text = || "why".to_owned();
        for (failure, expected) in [
            (Failure::Returned { message: text(), sources: Vec::new() }, 1),
            (Failure::Signaled { signal: 11, name: "SIGSEGV", core_dumped: false }, 139),
            (Failure::StackOverflow { message: text() }, 134),
            (Failure::OutOfMemory { limit: None }, 137),
            (Failure::OutOfMemory { limit: Some(1) }, 137),
            (Failure::Exited { code: 3 }, 3),
            (Failure::Exited { code: 0 }, 1),
            (Failure::Exited { code: -1 }, 1),
            (Failure::NeverStarted { reason: text() }, 126),
            (Failure::Cancelled { begun: true }, 130),
            (Failure::ProtocolBroken { message: text() }, 125),
            (Failure::Unserializable { message: text() }, 1),
        ] {
            assert_eq!(status_of(&failure), expected, "{failure:?}");
        }
    }
}
