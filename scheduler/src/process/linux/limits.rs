//! What limits are on Linux alone: of memory, of processor time to the nanosecond, and niceness among sessions.

#![expect(unsafe_code, reason = "a timer of processor time, and a mapping that is tried out, have no safe API")]

use std::fs;
use std::io;
use std::mem::MaybeUninit;
use std::ptr;
use std::time::Duration;

use rustix::process::Resource;

use crate::process::unix::limits::hold;

/// Holds the memory of this process, and of each that it starts, to so many bytes.
///
/// What counts is what a process may write to and shares with nobody (`RLIMIT_DATA`), as that has to be kept somewhere:
/// the heap, and the stacks of threads. Address space alone costs nothing, and every thread's heap reserves much of it.
pub(crate) fn hold_memory(bytes: u64) -> Result<(), String> {
    hold(Resource::Data, bytes, bytes, "bytes of memory")?;
    if can_map(bytes) {
        // An old kernel, or one that was told not to, doesn't count so. Each counts address space.
        hold(Resource::As, bytes, bytes, "bytes of memory")?;
    }
    Ok(())
}

/// Says whether so many bytes more can be had, without touching any of them.
fn can_map(bytes: u64) -> bool {
    let Ok(length) = usize::try_from(bytes) else {
        return false;
    };
    let (protection, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    // SAFETY: The kernel chooses a place where nothing is.
    let mapped = unsafe { libc::mmap(ptr::null_mut(), length, protection, flags | libc::MAP_NORESERVE, -1, 0) };
    if mapped == libc::MAP_FAILED {
        return false;
    }
    // SAFETY: It was just mapped, and nothing points there.
    unsafe { libc::munmap(mapped, length) };
    true
}

/// Has this process, and none that it starts, get SIGXCPU once it has used so much more processor time.
pub(crate) fn time_out(limit: Duration) -> io::Result<()> {
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

/// The most seconds that a timer takes where seconds have 32 bits: 68 years.
const LONGEST: u64 = i32::MAX.unsigned_abs() as u64;

/// Converts a number to the platform's type, which has 32 or 64 bits. The number fits into either.
fn fitting<From, To: TryFrom<From> + Default>(number: From) -> To {
    To::try_from(number).unwrap_or_default()
}

/// Has niceness count among all sessions, where the kernel shares the processor among those first: each job leads one.
pub(crate) fn share_by_niceness(niceness: i32) {
    // Only where the kernel does so there is such a file, and it takes a few words in a second only.
    let _ = fs::write("/proc/self/autogroup", niceness.to_string());
}
