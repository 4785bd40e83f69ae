//! Limits: sets the resource limits of a job's process, which all processes that it starts inherit.
//!
//! Where a kernel may accept a limit and not enforce it, the limit is tested, and setting it fails.

use std::fmt::Display;
use std::io;
use std::ptr;
use std::time::Duration;

use rustix::io::Errno;
use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous, munmap};
use rustix::process::{Resource, Rlimit, WaitOptions, getrlimit, setrlimit};
use rustix::time::{ClockId, clock_gettime};

use crate::options::{Cpus, Limits};

/// The limits that differ between platforms.
pub(in crate::process) struct PlatformLimits {
    /// Limits the memory of this process, and of each process that it starts, to a number of bytes.
    pub(in crate::process) memory: fn(u64) -> Result<(), String>,
    /// Makes the kernel send SIGXCPU to this process, and to none that it starts, after it has used this much more
    /// processor time. The limit in whole seconds is set already.
    pub(in crate::process) cpu_timer: fn(Duration) -> io::Result<()>,
    /// Restricts this process, and each process that it starts, to a set of processors.
    pub(in crate::process) cpus: fn(&Cpus) -> Result<(), String>,
    /// Applies a niceness among sessions as well.
    pub(in crate::process) session_niceness: fn(i32),
}

/// Sets the limits of this process. Returns a message if one can't be set.
///
/// Call it before user code runs, on the thread that starts all others of the job.
pub(in crate::process) fn apply(limits: &Limits, platform: &PlatformLimits) -> Result<(), String> {
    let Limits { memory, cpu_time, open_files, processes, file_size, core_size, niceness, cpus, .. } = *limits;
    niceness.map_or(Ok(()), |niceness| set_niceness(niceness, platform))?;
    cpus.map_or(Ok(()), |cpus| (platform.cpus)(&cpus))?;
    // With a limit of 0 Linux still passes the dump to the program in `core_pattern`, if there is one. With 1 it doesn't,
    // and a file of one byte is no dump.
    core_size.map_or(Ok(()), |size| set_limit(Resource::Core, size.max(1), size, "bytes of a core dump"))?;
    file_size.map_or(Ok(()), |size| set_limit(Resource::Fsize, size, size, "bytes of a file"))?;
    open_files.map_or(Ok(()), |count| set_limit(Resource::Nofile, count, count, "open files"))?;
    processes.map_or(Ok(()), limit_processes)?;
    memory.map_or(Ok(()), platform.memory)?;
    // Last: its time begins here.
    cpu_time.map_or(Ok(()), |limit| limit_cpu_time(limit, platform))
}

/// Sets the soft and the hard limit of a resource. An error message shows the limit as `shown`, in `unit`.
pub(in crate::process) fn set_limit(
    resource: Resource,
    limit: u64,
    shown: impl Display,
    unit: &str,
) -> Result<(), String> {
    set_rlimit(resource, limit, limit, format_args!("its limit of {shown} {unit}"))
}

fn set_rlimit(resource: Resource, soft: u64, hard: u64, which: impl Display) -> Result<(), String> {
    setrlimit(resource, Rlimit { current: Some(soft), maximum: Some(hard) }).map_err(|error| {
        match getrlimit(resource).maximum {
            Some(own) if error == Errno::PERM && own < hard => {
                format!("{which} is above the hard limit of this process, {own}; give less, or raise that one")
            }
            _ => format!("{which} can't be set: {}", io::Error::from(error)),
        }
    })
}

fn set_niceness(niceness: i32, platform: &PlatformLimits) -> Result<(), String> {
    rustix::process::setpriority_process(None, niceness).map_err(
        |error| match rustix::process::getpriority_process(None) {
            Ok(own) if matches!(error, Errno::ACCESS | Errno::PERM) => {
                format!("a niceness of {niceness} takes rights that this process doesn't have; give {own} or more")
            }
            _ => format!("its niceness of {niceness} can't be set: {}", io::Error::from(error)),
        },
    )?;
    (platform.session_niceness)(niceness);
    Ok(())
}

/// Limits the number of processes and threads of the user. The kernel doesn't enforce it for some users, root for instance.
fn limit_processes(count: u64) -> Result<(), String> {
    // At least two exist: this one, and the one that started it.
    let tried = Rlimit { current: Some(1), ..getrlimit(Resource::Nproc) };
    if setrlimit(Resource::Nproc, tried).is_ok() && can_fork() {
        let advice = "run the application as a user without the rights of root, or leave that limit out";
        return Err(format!("a limit on processes is not enforced for this user; {advice}"));
    }
    set_limit(Resource::Nproc, count, count, "processes")
}

/// Returns whether this process can map `bytes` more. Maps and unmaps them, and touches none.
#[expect(unsafe_code, reason = "a mapping has no safe API")]
pub(in crate::process) fn can_map(bytes: u64, flags: MapFlags) -> bool {
    let Ok(length) = usize::try_from(bytes) else {
        return false;
    };
    // SAFETY: The kernel chooses an address where nothing is mapped.
    let mapped = unsafe { mmap_anonymous(ptr::null_mut(), length, ProtFlags::READ | ProtFlags::WRITE, flags) };
    // SAFETY: It was just mapped, and nothing points there.
    mapped.map(|mapped| unsafe { munmap(mapped, length) }).is_ok()
}

/// Returns whether this process can fork, by forking.
#[expect(unsafe_code, reason = "rustix has no stable `fork`")]
fn can_fork() -> bool {
    // SAFETY: The copy exits at once, and touches nothing that another thread might have held.
    let copy = match unsafe { libc::fork() } {
        // SAFETY: It exits the copy, whatever its state.
        0 => unsafe { libc::_exit(0) },
        copy => super::ChildPid::new(copy),
    };
    if let Some(copy) = copy {
        let pid = rustix::process::Pid::from_raw(copy.get());
        while matches!(rustix::process::waitpid(pid, WaitOptions::empty()), Err(Errno::INTR)) {}
    }
    copy.is_some()
}

/// Limits the processor time of this process as exactly as the platform can, and that of each process that it starts to
/// whole seconds.
fn limit_cpu_time(limit: Duration, platform: &PlatformLimits) -> Result<(), String> {
    let used = clock_gettime(ClockId::ProcessCPUTime);
    let used = Duration::new(used.tv_sec.unsigned_abs(), used.tv_nsec.try_into().unwrap_or_default());
    let until = limit.saturating_add(used);
    let seconds = until.as_secs().saturating_add(u64::from(until.subsec_nanos() > 0));
    // A process that handles or ignores SIGXCPU is killed a second later.
    let later = seconds.saturating_add(1);
    let hard = getrlimit(Resource::Cpu).maximum.map_or(later, |own| own.min(later)).max(seconds);
    set_rlimit(Resource::Cpu, seconds, hard, format_args!("its limit of {limit:?} of processor time"))?;
    (platform.cpu_timer)(limit)
        .map_err(|error| format!("its limit of {limit:?} of processor time can't be set: {error}"))
}
