//! Whether this process was started as a copy by a parent of the same user and the same rights.

use std::io;
#[cfg(not(target_os = "linux"))]
use std::os::fd::AsRawFd;
use std::os::fd::BorrowedFd;

use rustix::io::Errno;
use rustix::process::Uid;

use super::saved_stdio::has_saved_stdio;

/// Returns whether standard input is a Unix socket whose other end was made by the same user, as every copy has it.
///
/// So a role variable that was left in the environment by accident doesn't make an ordinary program a job's process, and no
/// user can make a program with other rights than theirs one.
///
/// # Errors
///
/// Fails if the kernel doesn't report what standard input is.
pub(crate) fn was_started_as_copy() -> io::Result<bool> {
    if has_saved_stdio() {
        // The constructor has checked it, before `main` could change anything.
        return Ok(true);
    }
    if is_privileged() {
        return Ok(false);
    }
    match peer(rustix::stdio::stdin()) {
        Ok(user) => Ok(user == rustix::process::geteuid()),
        // It is no socket, or has no such peer.
        Err(Errno::BADF | Errno::NOTSOCK | Errno::NOPROTOOPT | Errno::INVAL | Errno::NOTCONN) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Returns the user who made the other end of a socket.
#[cfg(target_os = "linux")]
fn peer(socket: BorrowedFd<'_>) -> Result<Uid, Errno> {
    Ok(rustix::net::sockopt::socket_peercred(socket)?.uid)
}

/// Returns the user who made the other end of a socket.
#[cfg(not(target_os = "linux"))]
#[expect(unsafe_code, reason = "rustix has no `getpeereid`")]
fn peer(socket: BorrowedFd<'_>) -> Result<Uid, Errno> {
    let (mut user, mut group) = (0, 0);
    // SAFETY: The pointers are to variables of ours.
    match unsafe { libc::getpeereid(socket.as_raw_fd(), &raw mut user, &raw mut group) } {
        0 => Ok(Uid::from_raw(user)),
        _ => Err(Errno::from_io_error(&io::Error::last_os_error()).unwrap_or(Errno::IO)),
    }
}

/// Returns whether a copy of this process would find itself with other rights than its parent.
pub(crate) fn makes_privileged_copies() -> bool {
    use rustix::process::{getegid, geteuid, getgid, getuid};
    is_privileged() || getuid() != geteuid() || getgid() != getegid()
}

/// Returns whether this process has other rights than the one that executed it.
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "rustix doesn't return `AT_SECURE`")]
fn is_privileged() -> bool {
    // SAFETY: `getauxval` reads a value that the kernel left for this process; it has no preconditions.
    unsafe { libc::getauxval(libc::AT_SECURE) != 0 }
}

/// Returns whether this process has other rights than the one that executed it.
#[cfg(not(target_os = "linux"))]
#[expect(unsafe_code, reason = "rustix has no `issetugid`")]
fn is_privileged() -> bool {
    // SAFETY: The call has no preconditions.
    unsafe { libc::issetugid() != 0 }
}
