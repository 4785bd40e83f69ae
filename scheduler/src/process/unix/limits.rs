//! Limits: what the kernel holds a job's process to, and whatever that starts.
//!
//! A limit that isn't held is none: where the kernel may take one and do nothing about it, it is tried out.

use std::fmt::Display;
use std::io;
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, WaitOptions, getrlimit, setrlimit};
use rustix::time::{ClockId, clock_gettime};

use crate::options::Limits;
use crate::process::{hold_memory, share_by_niceness, time_out};

/// Holds this process to these limits, or says why that can't be done.
///
/// Call it on the thread that all others of the job come from, and before user code runs.
pub(crate) fn limit(limits: &Limits) -> Result<(), String> {
    let Limits { memory, cpu_time, open_files, processes, file_size, core_size, niceness } = *limits;
    niceness.map_or(Ok(()), make_nice)?;
    // With a limit of 0 Linux still hands the dump to the program that collects such, if there is one; with 1 it
    // doesn't, and a file of one byte is no dump.
    core_size.map_or(Ok(()), |size| hold(Resource::Core, size.max(1), size, "bytes of a core dump"))?;
    file_size.map_or(Ok(()), |size| hold(Resource::Fsize, size, size, "bytes of a file"))?;
    open_files.map_or(Ok(()), |count| hold(Resource::Nofile, count, count, "open files"))?;
    processes.map_or(Ok(()), hold_processes)?;
    memory.map_or(Ok(()), hold_memory)?;
    // Last: its time begins here.
    cpu_time.map_or(Ok(()), hold_cpu_time)
}

/// Sets both limits of a resource: the one that is kept, and the one up to which a process may raise that.
pub(in crate::process) fn hold(resource: Resource, limit: u64, told: impl Display, what: &str) -> Result<(), String> {
    set(resource, limit, limit, format_args!("its limit of {told} {what}"))
}

fn set(resource: Resource, kept: u64, hard: u64, which: impl Display) -> Result<(), String> {
    setrlimit(resource, Rlimit { current: Some(kept), maximum: Some(hard) }).map_err(|error| {
        match getrlimit(resource).maximum {
            Some(own) if error == Errno::PERM && own < hard => {
                format!("{which} is above the hard limit of this process, {own}; give less, or raise that one")
            }
            _ => format!("{which} can't be set: {}", io::Error::from(error)),
        }
    })
}

fn make_nice(niceness: i32) -> Result<(), String> {
    rustix::process::setpriority_process(None, niceness).map_err(
        |error| match rustix::process::getpriority_process(None) {
            Ok(own) if matches!(error, Errno::ACCESS | Errno::PERM) => {
                format!("a niceness of {niceness} takes rights that this process doesn't have; give {own} or more")
            }
            _ => format!("its niceness of {niceness} can't be set: {}", io::Error::from(error)),
        },
    )?;
    share_by_niceness(niceness);
    Ok(())
}

/// The kernel counts the processes and threads of the user, and some users it holds to no number.
fn hold_processes(count: u64) -> Result<(), String> {
    // There are more: this one, and the one that started it.
    let tried = Rlimit { current: Some(1), ..getrlimit(Resource::Nproc) };
    if setrlimit(Resource::Nproc, tried).is_ok() && can_fork() {
        let advice = "run the application as a user without the rights of root, or leave that limit out";
        return Err(format!("a limit on processes does not hold this user; {advice}"));
    }
    hold(Resource::Nproc, count, count, "processes")
}

/// Says whether another process can be made, by making one.
#[expect(unsafe_code, reason = "a fork has no safe API")]
fn can_fork() -> bool {
    // SAFETY: The copy ends at once, and touches nothing that another thread might have held.
    let copy = match unsafe { libc::fork() } {
        // SAFETY: It ends the copy, whatever its state.
        0 => unsafe { libc::_exit(0) },
        copy => super::ChildPid::new(copy),
    };
    if let Some(copy) = copy {
        let pid = rustix::process::Pid::from_raw(copy.get());
        while matches!(rustix::process::waitpid(pid, WaitOptions::empty()), Err(Errno::INTR)) {}
    }
    copy.is_some()
}

/// Holds the processor time of this process to the limit as exactly as the platform can, and that of each process that it
/// starts to whole seconds.
fn hold_cpu_time(limit: Duration) -> Result<(), String> {
    let used = clock_gettime(ClockId::ProcessCPUTime);
    let used = Duration::new(used.tv_sec.unsigned_abs(), used.tv_nsec.try_into().unwrap_or_default());
    let until = limit.saturating_add(used);
    let seconds = until.as_secs().saturating_add(u64::from(until.subsec_nanos() > 0));
    // Who doesn't heed the signal that comes then is killed a second later.
    let later = seconds.saturating_add(1);
    let hard = getrlimit(Resource::Cpu).maximum.map_or(later, |own| own.min(later)).max(seconds);
    set(Resource::Cpu, seconds, hard, format_args!("its limit of {limit:?} of processor time"))?;
    time_out(limit).map_err(|error| format!("its limit of {limit:?} of processor time can't be set: {error}"))
}
