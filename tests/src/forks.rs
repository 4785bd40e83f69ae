//! Applications that fork without executing anything: what a daemon, a prefork server and a crash handler do.

#![expect(
    unsafe_code,
    clippy::print_stdout,
    reason = "a fork has no safe API, and the program prints its id for the test"
)]

use std::io::{self, Read, Write};
use std::thread;

/// The variable that has an application fork once its test has sent it a byte.
pub const FORKS: &str = "APP_FORKS";

/// Makes a copy of this process that does nothing, for as long as any test takes, and returns its id.
///
/// # Errors
///
/// If there is no room for it.
pub fn fork_that_waits() -> io::Result<i32> {
    // SAFETY: The copy makes only calls that are allowed in a handler of signals, and never returns.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => loop {
            // SAFETY: They have no preconditions. The alarm kills a fork that its test has lost.
            unsafe {
                libc::alarm(120);
                libc::pause();
            }
        },
        copy => Ok(copy),
    }
}

/// Exits silently.
pub fn exit_at_once() -> ! {
    // SAFETY: It exits at once, whatever the state of the process.
    unsafe { libc::_exit(0) }
}

/// Forks once the test has sent a byte, and prints the fork's id, if the test configured that.
#[expect(clippy::missing_panics_doc, reason = "it is another thread that would panic")]
pub fn fork_when_told() {
    if std::env::var_os(FORKS).is_none() {
        return;
    }
    thread::spawn(|| {
        if io::stdin().read_exact(&mut [0]).is_ok() {
            println!("{}", fork_that_waits().expect("there is room for one more"));
            let _ = io::stdout().flush();
        }
    });
}
