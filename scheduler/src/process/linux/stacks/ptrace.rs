//! The requests of `ptrace` that a capture makes, and the wait for a thread to stop.

#![expect(unsafe_code, reason = "tracing has no safe API")]

use std::ffi::c_void;
use std::io;
use std::mem::MaybeUninit;
use std::ptr;

use crate::process::unix::ChildPid;

/// Nothing to deliver: the stop was asked for, or the thread was stopped by a signal before.
const NO_SIGNAL: i32 = 0;

/// Begins to trace a thread, which runs on. The kernel kills its process if this process exits while it traces it.
pub(super) fn seize(thread: ChildPid) -> io::Result<()> {
    let nothing = ptr::null_mut::<c_void>();
    let options = usize::try_from(libc::PTRACE_O_EXITKILL).unwrap_or_default();
    // SAFETY: The call reads and writes no memory of this process.
    check(unsafe { libc::ptrace(libc::PTRACE_SEIZE, thread.get(), nothing, options) })
}

/// Makes a traced thread stop. [`wait`] detects that it has.
pub(super) fn interrupt(thread: ChildPid) -> io::Result<()> {
    let nothing = ptr::null_mut::<c_void>();
    // SAFETY: The call reads and writes no memory of this process.
    check(unsafe { libc::ptrace(libc::PTRACE_INTERRUPT, thread.get(), nothing, nothing) })
}

/// Stops tracing a thread that stands, and delivers this signal to it. It runs on, unless it was stopped by a signal before.
pub(super) fn detach(thread: ChildPid, signal: i32) -> io::Result<()> {
    let nothing = ptr::null_mut::<c_void>();
    let signal = usize::try_from(signal).unwrap_or_default();
    // SAFETY: The call reads and writes no memory of this process.
    check(unsafe { libc::ptrace(libc::PTRACE_DETACH, thread.get(), nothing, signal) })
}

/// What a traced thread does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TraceState {
    /// It has not stopped yet.
    Running,
    /// It stands, and this signal is to be delivered to it when it goes on.
    Standing { signal: i32 },
    /// It has exited.
    Exited,
}

/// Returns what a traced thread does, without waiting for it. The report of its stop is consumed, that of its exit is not.
///
/// A report that stayed would be taken by the next `wait4` for any child, which detaches whatever has stopped.
pub(super) fn wait(thread: ChildPid) -> TraceState {
    // To ask for exits as well, but keep the report, tells them from threads that run.
    let Ok((code, _)) = waitid(thread, libc::WSTOPPED | libc::WEXITED | libc::WNOWAIT) else {
        return TraceState::Exited;
    };
    match code {
        NOTHING => return TraceState::Running,
        libc::CLD_EXITED | libc::CLD_KILLED | libc::CLD_DUMPED => return TraceState::Exited,
        _ => {}
    }
    match waitid(thread, libc::WSTOPPED) {
        Err(_) => TraceState::Exited,
        // It was killed in between.
        Ok((NOTHING, _)) => TraceState::Running,
        // A stop for a signal, which is held back. Above the signal's number other stops have that of an event.
        Ok((_, signal @ 1..=0x7f)) => TraceState::Standing { signal },
        Ok(_) => TraceState::Standing { signal: NO_SIGNAL },
    }
}

/// The code of a thread that has nothing to report.
const NOTHING: i32 = 0;

/// Returns the code and the status of what a thread has to report.
fn waitid(thread: ChildPid, options: i32) -> io::Result<(i32, i32)> {
    let id = thread.get().cast_unsigned();
    let mut info = MaybeUninit::<libc::siginfo_t>::zeroed();
    // SAFETY: The call writes at most a `siginfo_t`.
    let result = unsafe { libc::waitid(libc::P_PID, id, info.as_mut_ptr(), options | libc::WNOHANG | libc::__WALL) };
    check(result)?;
    // SAFETY: All-zero is a valid `siginfo_t`, and one that the kernel has written is that of a child.
    let (code, status, reporter) = unsafe {
        let info = info.assume_init();
        (info.si_code, info.si_status(), info.si_pid())
    };
    Ok(if reporter == 0 { (NOTHING, 0) } else { (code, status) })
}

pub(super) fn check(result: impl Into<i64>) -> io::Result<()> {
    if result.into() == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
