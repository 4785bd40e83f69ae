//! Jobs that ask to be traced by their parent, or trace others.

#![expect(unsafe_code, reason = "tracing has no safe API")]
#![expect(
    clippy::missing_panics_doc,
    clippy::must_use_candidate,
    reason = "these jobs do what jobs should not, and they are not called as functions"
)]

use std::os::unix::process::CommandExt;
use std::process::Command;
use std::ptr;
use std::sync::atomic::{AtomicI32, Ordering};

use scheduler::job;

use crate::jobs::hangs;

fn ask_to_be_traced() {
    let nothing = ptr::null_mut::<libc::c_void>();
    // SAFETY: The request has no arguments.
    let asked = unsafe { libc::ptrace(libc::PTRACE_TRACEME, 0, nothing, nothing) };
    assert_eq!(asked, 0, "a process may ask to be traced by its parent");
}

static HANDLED: AtomicI32 = AtomicI32::new(0);

extern "C" fn note(signal: libc::c_int) {
    HANDLED.fetch_add(signal, Ordering::Relaxed);
}

/// Asks to be traced, sends itself a signal that does nothing, and one that it handles, twice each; returns 42.
#[job]
pub fn goes_on_after_signals() -> i32 {
    ask_to_be_traced();
    for _ in 0..2 {
        // SAFETY: The handler does nothing that a handler may not do.
        unsafe {
            libc::signal(libc::SIGUSR1, note as *const () as libc::sighandler_t);
            libc::raise(libc::SIGURG);
            libc::raise(libc::SIGUSR1);
        }
    }
    assert_eq!(HANDLED.load(Ordering::Relaxed), 2 * libc::SIGUSR1, "the handler was called at each");
    42
}

/// Asks to be traced, and sends itself a signal.
#[job]
pub fn signals_itself(signal: i32) {
    ask_to_be_traced();
    // SAFETY: `raise` has no preconditions.
    unsafe { libc::raise(signal) };
    hangs();
}

/// Asks to be traced, and executes a shell that exits with this code.
#[job]
pub fn executes(code: i32) {
    ask_to_be_traced();
    let error = Command::new("sh").args(["-c", &format!("exit {code}")]).exec();
    panic!("{error}");
}

/// Traces its own child, which stops at a signal, continues and exits; returns 42.
#[job]
pub fn traces_a_child() -> i32 {
    let nothing = ptr::null_mut::<libc::c_void>();
    // SAFETY: The job has one thread. The child makes three calls that may be made after a fork.
    unsafe {
        let child = libc::fork();
        if child == 0 {
            libc::ptrace(libc::PTRACE_TRACEME, 0, nothing, nothing);
            libc::raise(libc::SIGUSR1);
            libc::_exit(7);
        }
        let mut status = 0;
        assert_eq!(libc::waitpid(child, &raw mut status, 0), child);
        assert!(libc::WIFSTOPPED(status) && libc::WSTOPSIG(status) == libc::SIGUSR1);
        assert_eq!(libc::ptrace(libc::PTRACE_CONT, child, nothing, nothing), 0);
        assert_eq!(libc::waitpid(child, &raw mut status, 0), child);
        assert!(libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 7);
    }
    42
}
