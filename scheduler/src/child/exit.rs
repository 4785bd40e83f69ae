//! The ways in which a copy exits before it can run a job.

use std::io::{self, Write};

/// Returns whether this process was started to run a job; exits if that is unknown.
///
/// The process must not go on as an ordinary program then: it would start copies of itself, and those further ones.
pub(super) fn known_or_exit<T>(result: io::Result<T>) -> T {
    result.unwrap_or_else(|error| {
        exit_with(&format!("failed to find out whether this process was started to run a job: {error}"))
    })
}

/// Returns the message that the job's process could not be set up.
pub(super) fn setup_failure(error: &io::Error) -> String {
    format!("its process could not be made: {error}")
}

/// Exits with a reason on standard error, whose end the parent records: the copy has no other stream to it yet.
#[expect(clippy::disallowed_methods, reason = "this process is a copy, and there is nothing to go on with")]
pub(super) fn exit_with(reason: &str) -> ! {
    let _ = writeln!(io::stderr(), "{reason}");
    std::process::exit(1)
}

/// Exits a process whose parent is gone.
#[expect(clippy::disallowed_methods, reason = "no caller is left to return to")]
pub(super) fn exit_silently() -> ! {
    std::process::exit(1)
}

/// Exits an agent.
#[cfg(feature = "remote")]
#[expect(clippy::disallowed_methods, reason = "this process is an agent, and its work is done")]
pub(super) fn exit_after(code: i32) -> ! {
    std::process::exit(code)
}
