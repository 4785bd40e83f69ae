//! Collecting a process that has ended: how it ended, and what it used.

use std::io;
use std::time::Duration;

use super::pid::ChildPid;
use crate::outcome::{Exit, Usage};

/// A process that has ended, and is gone now.
#[derive(Debug)]
pub(in crate::process) struct Collected {
    pub(in crate::process) pid: ChildPid,
    pub(in crate::process) exit: Exit,
    pub(in crate::process) usage: Usage,
}

/// In which unit the kernel counts memory, in bytes.
const MEMORY_UNIT: u64 = if cfg!(target_vendor = "apple") { 1 } else { 1024 };

/// Collects this child, or any, if it has ended, without waiting.
///
/// A child that asked to be traced by its parent stops at every signal, and `wait4` returns that stop, too. It is no end:
/// the child gets its signal and runs on.
pub(in crate::process) fn collect(child: Option<ChildPid>, options: libc::c_int) -> io::Result<Option<Collected>> {
    loop {
        let Some((pid, status, usage)) = wait4(child, options)? else {
            return Ok(None);
        };
        if libc::WIFSTOPPED(status) {
            pass_on_stop(pid, libc::WSTOPSIG(status));
        } else if !libc::WIFCONTINUED(status) {
            return Ok(Some(collected(pid, status, &usage)));
        }
    }
}

/// Returns the next change of state that the kernel reports, without waiting.
#[expect(unsafe_code, reason = "`wait4`, which reports what a child used, has no safe API")]
fn wait4(child: Option<ChildPid>, options: libc::c_int) -> io::Result<Option<(ChildPid, libc::c_int, libc::rusage)>> {
    let which = child.map_or(-1, ChildPid::get);
    let mut status = 0;
    // SAFETY: All-zero is a valid `rusage`.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    let raw = loop {
        // SAFETY: Both pointers are to variables of ours that the call may write.
        let raw = unsafe { libc::wait4(which, &raw mut status, libc::WNOHANG | options, &raw mut usage) };
        // Taken for an error, it would cost the job its life.
        if raw != -1 || io::Error::last_os_error().kind() != io::ErrorKind::Interrupted {
            break raw;
        }
    };
    match ChildPid::new(raw) {
        Some(pid) => Ok(Some((pid, status, usage))),
        None if raw == 0 => Ok(None),
        None => Err(io::Error::last_os_error()),
    }
}

/// Stops tracing a child that stopped at this signal, and delivers the signal to it.
///
/// Detached, the child behaves as if it had never asked: later signals don't stop it, and a stop signal stops it in the
/// ordinary way. Only the thread that made the child can do this. Where the child is another thread's, an orphan in a test
/// binary, it stays stopped until it is killed.
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "`ptrace` has no safe API")]
fn pass_on_stop(child: ChildPid, signal: libc::c_int) {
    let nothing = std::ptr::null_mut::<libc::c_void>();
    // SAFETY: All-zero is a valid `siginfo_t`, and the call writes no more than one.
    let sender = unsafe {
        let mut info: libc::siginfo_t = std::mem::zeroed();
        libc::ptrace(libc::PTRACE_GETSIGINFO, child.get(), nothing, &raw mut info);
        info.si_code
    };
    // The kernel makes a traced process stop after it has executed a program, with a signal that looks as if it came from
    // another process. A breakpoint, or `raise`, has another code.
    let is_by_exec = signal == libc::SIGTRAP && sender == libc::SI_USER;
    let delivered = if is_by_exec { 0 } else { usize::try_from(signal).unwrap_or_default() };
    // SAFETY: The call reads and writes no memory of this process. It fails if the child is not stopped any more.
    unsafe { libc::ptrace(libc::PTRACE_DETACH, child.get(), nothing, delivered) };
}

/// Elsewhere than on Linux a traced job stays stopped until its timeout.
#[cfg(not(target_os = "linux"))]
fn pass_on_stop(_: ChildPid, _: libc::c_int) {}

fn collected(pid: ChildPid, status: libc::c_int, usage: &libc::rusage) -> Collected {
    let exit = if libc::WIFSIGNALED(status) {
        Exit::Signal { number: libc::WTERMSIG(status), core_dumped: libc::WCOREDUMP(status) }
    } else {
        Exit::Code(libc::WEXITSTATUS(status))
    };
    let usage = Usage {
        user: duration(usage.ru_utime),
        system: duration(usage.ru_stime),
        peak_memory: u64::try_from(usage.ru_maxrss).unwrap_or_default() * MEMORY_UNIT,
    };
    Collected { pid, exit, usage }
}

fn duration(time: libc::timeval) -> Duration {
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    let micros = u64::try_from(time.tv_usec).unwrap_or_default();
    Duration::from_secs(seconds) + Duration::from_micros(micros)
}
