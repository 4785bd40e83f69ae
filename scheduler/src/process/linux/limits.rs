//! Limits that only Linux has: writable memory, processor time to the nanosecond, and niceness among sessions.

#![expect(
    unsafe_code,
    reason = "rustix has no timers of processor time, and sets of processors only with another feature"
)]

use std::fs;
use std::io;
use std::mem::MaybeUninit;
use std::ptr;
use std::time::Duration;

use rustix::mm::MapFlags;
use rustix::process::Resource;

use crate::options::{Cpus, Limits};
use crate::process::unix::limits::{self, PlatformLimits, can_map, set_limit};

/// Sets the limits of this process. Returns a message if one can't be set.
pub(crate) fn apply_limits(limits: &Limits) -> Result<(), String> {
    let (cpu_timer, session_niceness) = (set_cpu_timer, set_session_niceness);
    limits::apply(limits, &PlatformLimits { memory: limit_memory, cpu_timer, cpus: restrict_to, session_niceness })
}

/// Limits the memory of this process, and of each process that it starts.
///
/// Private writable memory counts (`RLIMIT_DATA`), which needs memory or swap behind it: the heap, and the stacks of
/// threads. Address space alone costs nothing, and every thread's heap reserves much of it.
fn limit_memory(bytes: u64) -> Result<(), String> {
    set_limit(Resource::Data, bytes, bytes, "bytes of memory")?;
    if can_map(bytes, MapFlags::PRIVATE | MapFlags::NORESERVE) {
        // An old kernel, or one that is configured so, doesn't enforce that limit. Every kernel limits address space.
        set_limit(Resource::As, bytes, bytes, "bytes of memory")?;
    }
    Ok(())
}

/// Restricts this process, and each process that it starts, to these processors.
fn restrict_to(cpus: &Cpus) -> Result<(), String> {
    // SAFETY: All-zero is the empty set.
    let mut set: libc::cpu_set_t = unsafe { MaybeUninit::zeroed().assume_init() };
    for number in cpus.numbers().take_while(|number| *number < MOST_CPUS) {
        // SAFETY: The number is within the set.
        unsafe { libc::CPU_SET(number, &mut set) };
    }
    let available = || Some(numbers(&affinity()?));
    // SAFETY: The pointer is to a set of ours.
    if unsafe { libc::sched_setaffinity(0, size_of_val(&set), &raw const set) } != 0 {
        let error = io::Error::last_os_error();
        return Err(match (error.raw_os_error(), available()) {
            (Some(libc::EINVAL), Some(usable)) => {
                format!("it can't run on the processors {cpus}: none of them is available; give some of {usable}")
            }
            _ => format!("it can't run on the processors {cpus}: {error}"),
        });
    }
    // The kernel leaves out those that don't exist, or that a cgroup excludes.
    match available() {
        Some(usable) if usable != cpus.to_string() => Err(cpus.partly_available(&usable)),
        _ => Ok(()),
    }
}

/// The number of processors in a set of the C library.
const MOST_CPUS: usize = 8 * size_of::<libc::cpu_set_t>();

/// Returns the processors on which this process may run.
fn affinity() -> Option<libc::cpu_set_t> {
    // SAFETY: All-zero is the empty set.
    let mut set: libc::cpu_set_t = unsafe { MaybeUninit::zeroed().assume_init() };
    // SAFETY: The pointer is to a set of ours.
    (unsafe { libc::sched_getaffinity(0, size_of_val(&set), &raw mut set) } == 0).then_some(set)
}

/// Returns the numbers in a set, as text.
fn numbers(set: &libc::cpu_set_t) -> String {
    // SAFETY: Each number is within the set.
    let is_in = |number: &usize| unsafe { libc::CPU_ISSET(*number, set) };
    let mut limits = Limits::default();
    limits.set_cpus((0..MOST_CPUS).filter(is_in));
    limits.cpus.map_or(String::new(), |cpus| cpus.to_string())
}

/// Makes the kernel send SIGXCPU to this process, and to none that it starts, after this much more processor time.
fn set_cpu_timer(limit: Duration) -> io::Result<()> {
    // SAFETY: All-zero is a valid `sigevent`.
    let mut event: libc::sigevent = unsafe { MaybeUninit::zeroed().assume_init() };
    event.sigev_notify = libc::SIGEV_SIGNAL;
    event.sigev_signo = libc::SIGXCPU;
    let mut timer = ptr::null_mut();
    // SAFETY: Both pointers are to variables of ours.
    if unsafe { libc::timer_create(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut event, &raw mut timer) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let once = libc::itimerspec {
        it_interval: libc::timespec { tv_sec: 0, tv_nsec: 0 },
        it_value: libc::timespec {
            tv_sec: fitting(limit.as_secs().min(LONGEST)),
            tv_nsec: fitting(limit.subsec_nanos()),
        },
    };
    // SAFETY: The timer was just made, and lives as long as the process.
    match unsafe { libc::timer_settime(timer, 0, &raw const once, ptr::null_mut()) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// The maximum number of seconds of a timer where `time_t` has 32 bits: 68 years.
const LONGEST: u64 = i32::MAX.unsigned_abs() as u64;

/// Converts a number to the platform's type, which has 32 or 64 bits. The number fits into both.
fn fitting<From, To: TryFrom<From> + Default>(number: From) -> To {
    To::try_from(number).unwrap_or_default()
}

/// Sets the niceness of the session, which each job leads, where the kernel divides the processor among sessions first.
fn set_session_niceness(niceness: i32) {
    // The file exists only where the kernel does so, and it takes only a few writes in a second.
    let _ = fs::write("/proc/self/autogroup", niceness.to_string());
}
