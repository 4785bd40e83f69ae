//! `reap_child`: reaps a child that has exited, and returns its exit status and its usage.

use std::io;
use std::time::Duration;

use super::pid::ChildPid;
use crate::outcome::{Exit, Usage};

/// A child that has exited and is reaped.
#[derive(Debug)]
pub(crate) struct ExitedChild {
    pub(crate) pid: ChildPid,
    pub(crate) exit: Exit,
    pub(crate) usage: Usage,
}

/// The unit of `ru_maxrss`, in bytes.
const MEMORY_UNIT: u64 = if cfg!(target_vendor = "apple") { 1 } else { 1024 };

/// Reaps this child, or any, if it has exited. Doesn't wait.
///
/// A child that asked to be traced by its parent (`PTRACE_TRACEME`) stops at every signal, and `wait4` returns the stop as
/// well. That is no exit: the child is detached, its signal is delivered, and it runs on.
pub(in crate::process) fn reap_child(child: Option<ChildPid>, options: libc::c_int) -> io::Result<Option<ExitedChild>> {
    loop {
        let Some((pid, status, usage)) = wait4(child, options)? else {
            return Ok(None);
        };
        if libc::WIFSTOPPED(status) {
            pass_on_stop(pid, status);
        } else if !libc::WIFCONTINUED(status) {
            return Ok(Some(exited_child(pid, status, &usage)));
        }
    }
}

/// Returns the next change of state that the kernel reports, without waiting.
#[expect(unsafe_code, reason = "rustix has no `wait4`, which returns a child's usage")]
fn wait4(child: Option<ChildPid>, options: libc::c_int) -> io::Result<Option<(ChildPid, libc::c_int, libc::rusage)>> {
    let which = child.map_or(-1, ChildPid::get);
    let mut status = 0;
    // SAFETY: All-zero is a valid `rusage`.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    let raw = loop {
        // SAFETY: Both pointers are to variables of ours that the call may write.
        let raw = unsafe { libc::wait4(which, &raw mut status, libc::WNOHANG | options, &raw mut usage) };
        // Returned as an error, an interruption would get the job killed.
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

/// Stops tracing a child, or one of its threads, that stopped with this status, and delivers the signal to it at which it stopped.
///
/// A thread that was to stop for a capture, and stopped too late, has no signal to deliver.
///
/// After that, later signals don't make it stop, and a stop signal stops it in the ordinary way, as if it had never asked
/// to be traced. Only the thread that forked the child can do this. A child of another thread, an orphan in a test binary,
/// stays stopped until it is killed.
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "rustix has no `ptrace`")]
fn pass_on_stop(child: ChildPid, status: libc::c_int) {
    let signal = libc::WSTOPSIG(status);
    let nothing = std::ptr::null_mut::<libc::c_void>();
    // SAFETY: All-zero is a valid `siginfo_t`, and the call writes at most one.
    let sender = unsafe {
        let mut info: libc::siginfo_t = std::mem::zeroed();
        libc::ptrace(libc::PTRACE_GETSIGINFO, child.get(), nothing, &raw mut info);
        info.si_code
    };
    // After a traced process has executed a program, the kernel stops it with a SIGTRAP that looks as if another process
    // had sent it. A breakpoint and `raise` have other codes.
    let is_by_exec = signal == libc::SIGTRAP && sender == libc::SI_USER;
    let is_by_request = status >> 16 == libc::PTRACE_EVENT_STOP;
    let delivered = if is_by_exec || is_by_request { 0 } else { usize::try_from(signal).unwrap_or_default() };
    // SAFETY: The call reads and writes no memory of this process. It fails if the child is not stopped any more.
    unsafe { libc::ptrace(libc::PTRACE_DETACH, child.get(), nothing, delivered) };
}

/// On other systems a traced job stays stopped until its timeout.
#[cfg(not(target_os = "linux"))]
fn pass_on_stop(_: ChildPid, _: libc::c_int) {}

/// Returns what this process and the children that it has waited for have used so far.
#[expect(unsafe_code, reason = "rustix has no `getrusage`")]
pub(crate) fn own_usage() -> Usage {
    let of = |who| {
        // SAFETY: All-zero is a valid `rusage`.
        let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
        // SAFETY: The call writes to a variable of ours.
        unsafe { libc::getrusage(who, &raw mut usage) };
        usage_of(&usage)
    };
    let (own, children) = (of(libc::RUSAGE_SELF), of(libc::RUSAGE_CHILDREN));
    Usage {
        user: own.user + children.user,
        system: own.system + children.system,
        peak_memory: own.peak_memory.max(children.peak_memory),
    }
}

fn exited_child(pid: ChildPid, status: libc::c_int, usage: &libc::rusage) -> ExitedChild {
    let exit = if libc::WIFSIGNALED(status) {
        Exit::Signal { number: libc::WTERMSIG(status), core_dumped: libc::WCOREDUMP(status) }
    } else {
        Exit::Code(libc::WEXITSTATUS(status))
    };
    ExitedChild { pid, exit, usage: usage_of(usage) }
}

fn usage_of(usage: &libc::rusage) -> Usage {
    Usage {
        user: duration(usage.ru_utime),
        system: duration(usage.ru_stime),
        peak_memory: u64::try_from(usage.ru_maxrss).unwrap_or_default() * MEMORY_UNIT,
    }
}

fn duration(time: libc::timeval) -> Duration {
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    let micros = u64::try_from(time.tv_usec).unwrap_or_default();
    Duration::from_secs(seconds) + Duration::from_micros(micros)
}
