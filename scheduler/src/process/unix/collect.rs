//! Collecting a process that has ended: how it ended, and what it used.

use std::io;
use std::time::Duration;

use super::pid::ChildPid;
use crate::evidence::{Exit, Usage};

/// A process that has ended, and is gone now.
#[derive(Debug)]
pub(in crate::process) struct Collected {
    #[cfg_attr(
        any(not(target_os = "linux"), scheduler_portable),
        expect(dead_code, reason = "only wardens collect whatever ends")
    )]
    pub(in crate::process) pid: ChildPid,
    pub(in crate::process) exit: Exit,
    pub(in crate::process) usage: Usage,
}

/// In which unit the kernel counts memory, in bytes.
const MEMORY_UNIT: u64 = if cfg!(target_vendor = "apple") { 1 } else { 1024 };

/// Collects this child, or any, if it has ended, without waiting.
#[expect(unsafe_code, reason = "`wait4`, which tells what a child used, has no safe API")]
pub(in crate::process) fn collect(child: Option<ChildPid>, options: libc::c_int) -> io::Result<Option<Collected>> {
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
    let Some(pid) = ChildPid::new(raw) else {
        let error = io::Error::last_os_error();
        return if raw == 0 { Ok(None) } else { Err(error) };
    };
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
    Ok(Some(Collected { pid, exit, usage }))
}

fn duration(time: libc::timeval) -> Duration {
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    let micros = u64::try_from(time.tv_usec).unwrap_or_default();
    Duration::from_secs(seconds) + Duration::from_micros(micros)
}
