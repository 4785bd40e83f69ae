//! What limits are where only the oldest of them are known: to whole seconds of processor time, and of address space.

#![expect(unsafe_code, reason = "a mapping that is tried out has no safe API")]

use std::io;
use std::ptr;
use std::time::Duration;

use rustix::process::Resource;

use crate::process::unix::limits::hold;

/// Holds the address space of this process, and of each that it starts, to so many bytes, where the kernel does that.
pub(crate) fn hold_memory(bytes: u64) -> Result<(), String> {
    hold(Resource::As, bytes, bytes, "bytes of memory")?;
    if can_map(bytes) {
        return Err("a limit on memory is not held by this system; leave it out".to_owned());
    }
    Ok(())
}

/// Says whether so many bytes more can be had, without touching any of them.
fn can_map(bytes: u64) -> bool {
    let Ok(length) = usize::try_from(bytes) else {
        return false;
    };
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: The kernel chooses a place where nothing is.
    let mapped = unsafe { libc::mmap(ptr::null_mut(), length, protection, libc::MAP_PRIVATE | libc::MAP_ANON, -1, 0) };
    if mapped == libc::MAP_FAILED {
        return false;
    }
    // SAFETY: It was just mapped, and nothing points there.
    unsafe { libc::munmap(mapped, length) };
    true
}

/// The limit in whole seconds, which is set already, is all that there is.
#[expect(clippy::unnecessary_wraps, reason = "on Linux there is a timer")]
pub(crate) fn time_out(_: Duration) -> io::Result<()> {
    Ok(())
}

/// Niceness counts as it is.
pub(crate) fn share_by_niceness(_: i32) {}
