//! The free memory of the machine. Windows has no load average.

#![expect(unsafe_code, reason = "the free memory has no safe API")]

use std::time::Duration;

use windows_sys::Win32::System::SystemInformation::{GetTickCount64, GlobalMemoryStatusEx, MEMORYSTATUSEX};

/// Returns the time since the machine's start.
pub(crate) fn since_boot() -> Duration {
    // SAFETY: The call only reads a clock.
    Duration::from_millis(unsafe { GetTickCount64() })
}

/// Returns `None`: there is no such number.
pub(crate) fn machine_load() -> Option<f64> {
    None
}

/// Returns how many bytes of memory new processes can have without swapping, `None` if that can't be read.
pub(crate) fn free_memory() -> Option<u64> {
    let length = u32::try_from(size_of::<MEMORYSTATUSEX>()).expect("it has some fields");
    let mut status = MEMORYSTATUSEX { dwLength: length, ..MEMORYSTATUSEX::default() };
    // SAFETY: The structure is valid, and has its own length.
    let is_read = unsafe { GlobalMemoryStatusEx(&raw mut status) } != 0;
    is_read.then_some(status.ullAvailPhys)
}
