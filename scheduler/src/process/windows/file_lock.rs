//! Locking a file for this process.

use std::fs::{File, Metadata};
use std::io;
use std::os::windows::io::AsRawHandle;
use std::path::Path;

use windows_sys::Win32::Foundation::{ERROR_IO_PENDING, ERROR_LOCK_VIOLATION};
use windows_sys::Win32::Storage::FileSystem::{LOCKFILE_EXCLUSIVE_LOCK, LOCKFILE_FAIL_IMMEDIATELY, LockFileEx};
use windows_sys::Win32::System::IO::{OVERLAPPED, OVERLAPPED_0, OVERLAPPED_0_0};

use crate::process::FileLock;

/// Returns 1: the standard library has the number in no stable function, and two applications that open a file by two names are
/// not noticed.
pub(crate) fn names_of_file(_: &Metadata) -> u64 {
    1
}

/// Returns why this process can't write a file, as far as its attributes say; `None` if they don't forbid it.
pub(crate) fn write_obstacle(path: &Path) -> Option<io::Error> {
    let is_read_only = path.is_file() && path.metadata().is_ok_and(|file| file.permissions().readonly());
    is_read_only.then(|| io::ErrorKind::PermissionDenied.into())
}

/// Locks a file for this process, until it closes the file, or exits.
///
/// A byte far behind the end is locked, since no other process can read a locked one.
#[expect(
    unsafe_code,
    reason = "the standard library locks whole files, in a later version than the oldest supported one"
)]
pub(crate) fn lock_file(file: &File) -> io::Result<FileLock> {
    let place = OVERLAPPED_0 { Anonymous: OVERLAPPED_0_0 { Offset: 0, OffsetHigh: 1 } };
    let mut overlapped = OVERLAPPED { Anonymous: place, ..OVERLAPPED::default() };
    let flags = LOCKFILE_EXCLUSIVE_LOCK | LOCKFILE_FAIL_IMMEDIATELY;
    // SAFETY: the handle is open, and the structure outlives the call: a file that isn't opened for overlapped operations is
    // locked before it returns.
    let is_locked = unsafe { LockFileEx(file.as_raw_handle(), flags, 0, 1, 0, &raw mut overlapped) };
    if is_locked != 0 {
        return Ok(FileLock::Acquired);
    }
    let error = io::Error::last_os_error();
    let code = error.raw_os_error().map(i32::cast_unsigned);
    // The system doesn't name the holder.
    let is_held = code.is_some_and(|code| [ERROR_LOCK_VIOLATION, ERROR_IO_PENDING].contains(&code));
    if is_held { Ok(FileLock::Held { by: None }) } else { Err(error) }
}
