//! What a copy does before its `main` begins: it closes the descriptors that it inherited by accident, and saves its
//! standard streams.
//!
//! The application may hold descriptors without close-on-exec: a C library's pipe, a socket that systemd passed to it.
//! Every copy inherits them, and the reader of such a pipe would see no end of file for as long as a job runs or a fork
//! server waits.
//!
//! When `init()` runs it is too late: the descriptors that `main` opened before it belong to the program and must stay
//! open. So a constructor does this, which runs before `main`. The order of constructors is undefined: another one may have
//! run, and opened descriptors, already; close-on-exec distinguishes those from inherited ones. This one makes system calls
//! and nothing else, and in a process that isn't a copy it only reads one variable.

#![expect(unsafe_code, reason = "a constructor, and inherited descriptors, which are known by number only")]

use std::ffi::CStr;
use std::os::fd::BorrowedFd;

use rustix::io::FdFlags;

use super::copy_check::was_started_as_copy;
use super::descriptor::LOWEST;
use super::saved_stdio;

/// [`ROLE_VARIABLE`](crate::process::ROLE_VARIABLE), as the C library takes it.
const ROLE_VARIABLE: &CStr = c"__SCHEDULER_CHILD";

/// The prefixes of the roles that a copy may have. Any other value of the variable is not this crate's.
const ROLES: [&[u8]; 2] = [b"warden", b"job"];

#[used]
#[cfg_attr(target_vendor = "apple", unsafe(link_section = "__DATA,__mod_init_func"))]
#[cfg_attr(not(target_vendor = "apple"), unsafe(link_section = ".init_array"))]
static AT_START: extern "C" fn() = at_start;

extern "C" fn at_start() {
    // The standard library may not have been initialized yet.
    // SAFETY: No other thread runs yet that could change the environment, and the value lasts until it is changed.
    let role = unsafe {
        let value = libc::getenv(ROLE_VARIABLE.as_ptr());
        if value.is_null() {
            return;
        }
        CStr::from_ptr(value)
    };
    // An ordinary program may find the variable in its environment, too. Only a copy's standard input is such a socket.
    if was_started_as_copy().unwrap_or(false) {
        close_inherited();
        let role = role.to_bytes();
        if ROLES.iter().any(|prefix| role.starts_with(prefix)) {
            saved_stdio::save();
        }
    }
}

fn parse(text: &[u8]) -> Option<i32> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// Closes a descriptor if it was inherited.
///
/// An inherited descriptor is never close-on-exec. One that was opened since the execution, by a library that was loaded
/// before this one for instance, almost always is, and stays open.
fn close_if_inherited(number: i32) {
    if number < LOWEST {
        return;
    }
    // SAFETY: The call only queries the number, which may be closed.
    let flags = rustix::io::fcntl_getfd(unsafe { BorrowedFd::borrow_raw(number) });
    if flags.is_ok_and(|flags| !flags.contains(FdFlags::CLOEXEC)) {
        // SAFETY: `main` has not begun, and no code of this program can know the number yet.
        unsafe { rustix::io::close(number) };
    }
}

#[cfg(target_os = "linux")]
fn close_inherited() {
    use std::mem::MaybeUninit;

    use rustix::fs::{Mode, OFlags, RawDir};

    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let Ok(folder) = rustix::fs::open(c"/proc/self/fd", flags, Mode::empty()) else {
        return close_all();
    };
    let mut buffer = [MaybeUninit::uninit(); 2048];
    let mut entries = RawDir::new(folder, &mut buffer);
    while let Some(Ok(entry)) = entries.next() {
        if let Some(number) = parse(entry.file_name().to_bytes()) {
            close_if_inherited(number);
        }
    }
}

/// Closes all descriptors but the standard streams: there is no `/proc` to list them.
#[cfg(target_os = "linux")]
fn close_all() {
    // SAFETY: As above, for each of the numbers.
    let closed = unsafe { libc::syscall(libc::SYS_close_range, LOWEST, i32::MAX, 0) };
    // An old kernel doesn't have the call.
    if closed != 0 {
        close_up_to_the_limit();
    }
}

#[cfg(target_vendor = "apple")]
fn close_inherited() {
    use rustix::fs::{Dir, Mode, OFlags};

    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let Some(entries) =
        rustix::fs::open(c"/dev/fd", flags, Mode::empty()).ok().and_then(|folder| Dir::new(folder).ok())
    else {
        return close_up_to_the_limit();
    };
    for entry in entries.flatten() {
        if let Some(number) = parse(entry.file_name().to_bytes()) {
            close_if_inherited(number);
        }
    }
}

/// These systems need not have a list of open descriptors.
#[cfg(any(target_os = "freebsd", target_os = "openbsd", target_os = "netbsd", target_os = "dragonfly"))]
fn close_inherited() {
    // SAFETY: `main` has not begun, and no code of this program can know any of the numbers yet.
    unsafe { libc::closefrom(LOWEST) };
}

#[cfg(not(any(
    target_os = "linux",
    target_vendor = "apple",
    target_os = "freebsd",
    target_os = "openbsd",
    target_os = "netbsd",
    target_os = "dragonfly"
)))]
fn close_inherited() {
    close_up_to_the_limit();
}

/// Queries each number up to the limit on open descriptors.
#[cfg(not(any(target_os = "freebsd", target_os = "openbsd", target_os = "netbsd", target_os = "dragonfly")))]
fn close_up_to_the_limit() {
    /// To query more than this would take longer than a job.
    const QUERIED: u64 = 65_536;
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    let limit = limit.map_or(QUERIED, |limit| limit.min(QUERIED));
    (LOWEST..i32::try_from(limit).unwrap_or(LOWEST)).for_each(close_if_inherited);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variable_is_the_one_that_copies_are_started_with() {
        assert_eq!(ROLE_VARIABLE.to_str(), Ok(crate::process::ROLE_VARIABLE));
    }
}
