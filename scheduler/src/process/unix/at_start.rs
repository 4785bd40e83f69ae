//! What a copy of this binary does before its `main` begins: it closes the descriptors that it inherited and was not given, and
//! keeps its standard streams.
//!
//! The application may hold descriptors without close-on-exec: a C library's pipe, a socket that systemd handed over. Every copy
//! inherits them, and the other end of such a pipe would see no end of file for as long as a job runs or a fork server waits.
//!
//! It must happen before `main`, as what `main` opens before it reaches `init()` is the program's own and stays open. So it is
//! done by a constructor, which runs before `main` in no particular order among others. It does nothing but system calls, and
//! nothing at all in a process that isn't a copy.

#![expect(unsafe_code, reason = "a constructor, and descriptors that are known by their numbers only")]

use std::ffi::CStr;
use std::os::fd::BorrowedFd;

use rustix::io::FdFlags;

use super::{channel, kept};
use crate::process::HAS_FORK_SERVERS;

/// [`MARKER`](crate::process::MARKER), as the C library wants it.
const MARKER: &CStr = c"__SCHEDULER_CHILD";

/// How the roles begin that a copy may have. What else stands in the marker is not ours.
const ROLES: [&[u8]; 2] = [b"warden", b"job"];

/// The lowest number that isn't one of the standard streams'.
const LOWEST: i32 = 3;

/// How many descriptors a copy may be given by their numbers.
const MOST: usize = 64;

#[used]
#[cfg_attr(target_vendor = "apple", unsafe(link_section = "__DATA,__mod_init_func"))]
#[cfg_attr(not(target_vendor = "apple"), unsafe(link_section = ".init_array"))]
static AT_START: extern "C" fn() = at_start;

extern "C" fn at_start() {
    // SAFETY: No other thread runs yet that could change the environment, and what is returned lasts until somebody does.
    let role = unsafe {
        let value = libc::getenv(MARKER.as_ptr());
        if value.is_null() {
            return;
        }
        CStr::from_ptr(value)
    };
    // An ordinary program may find the variable in its environment, too; only a copy has a socket for its standard input.
    if channel::was_started_as_copy().unwrap_or(false) {
        close_inherited(&Given::by(role));
        let role = role.to_bytes();
        if ROLES.iter().any(|prefix| role.starts_with(prefix)) {
            kept::keep();
        }
    }
}

/// The descriptors that a copy was given by their numbers: only a job that a warden executes is, and they stand in its marker.
struct Given([i32; MOST]);

impl Given {
    fn by(role: &CStr) -> Self {
        let mut given = [-1; MOST];
        let numbers = role.to_bytes().strip_prefix(b"job:").filter(|_| HAS_FORK_SERVERS).unwrap_or_default();
        for (place, number) in given.iter_mut().zip(numbers.split(|byte| *byte == b',')) {
            *place = parse(number).unwrap_or(-1);
        }
        Self(given)
    }

    fn holds(&self, number: i32) -> bool {
        self.0.contains(&number)
    }
}

fn parse(text: &[u8]) -> Option<i32> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// Closes this descriptor if it was inherited: what something has opened since the execution, a library that was loaded before
/// this one for instance, is close-on-exec as a rule, and what was inherited never is.
fn close_if_inherited(number: i32, given: &Given) {
    if number < LOWEST || given.holds(number) {
        return;
    }
    // SAFETY: The number is asked about and nothing else; it may be nobody's.
    let flags = rustix::io::fcntl_getfd(unsafe { BorrowedFd::borrow_raw(number) });
    if flags.is_ok_and(|flags| !flags.contains(FdFlags::CLOEXEC)) {
        // SAFETY: `main` has not begun, and nothing of this program can have come to know of it.
        unsafe { libc::close(number) };
    }
}

#[cfg(target_os = "linux")]
fn close_inherited(given: &Given) {
    use std::mem::MaybeUninit;

    use rustix::fs::{Mode, OFlags, RawDir};

    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let Ok(folder) = rustix::fs::open(c"/proc/self/fd", flags, Mode::empty()) else {
        return close_all(given);
    };
    let mut buffer = [MaybeUninit::uninit(); 2048];
    let mut entries = RawDir::new(folder, &mut buffer);
    while let Some(Ok(entry)) = entries.next() {
        if let Some(number) = parse(entry.file_name().to_bytes()) {
            close_if_inherited(number, given);
        }
    }
}

/// Closes all but the standard streams and what was given.
#[cfg(target_os = "linux")]
fn close_all(given: &Given) {
    let mut first = LOWEST;
    loop {
        let last = (0..MOST).map(|place| given.0[place]).filter(|number| *number >= first).min();
        // SAFETY: The numbers are ones that nothing of this program can have come to know of.
        let closed = unsafe { libc::syscall(libc::SYS_close_range, first, last.map_or(i32::MAX, |last| last - 1), 0) };
        // Between two neighbors there is nothing to close. An old kernel has no such call.
        if closed != 0 && last != Some(first) {
            return close_up_to_the_limit(given);
        }
        let Some(last) = last else {
            return;
        };
        first = last + 1;
    }
}

#[cfg(target_vendor = "apple")]
fn close_inherited(given: &Given) {
    use rustix::fs::{Dir, Mode, OFlags};

    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let Some(entries) =
        rustix::fs::open(c"/dev/fd", flags, Mode::empty()).ok().and_then(|folder| Dir::new(folder).ok())
    else {
        return close_up_to_the_limit(given);
    };
    for entry in entries.flatten() {
        if let Some(number) = parse(entry.file_name().to_bytes()) {
            close_if_inherited(number, given);
        }
    }
}

/// There is no list of them everywhere. Here no copy is given any by its number.
#[cfg(any(target_os = "freebsd", target_os = "openbsd", target_os = "netbsd", target_os = "dragonfly"))]
fn close_inherited(_: &Given) {
    // SAFETY: `main` has not begun, and nothing of this program can have come to know of one.
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
fn close_inherited(given: &Given) {
    close_up_to_the_limit(given);
}

/// Looks at one number after the other.
#[cfg(not(any(target_os = "freebsd", target_os = "openbsd", target_os = "netbsd", target_os = "dragonfly")))]
fn close_up_to_the_limit(given: &Given) {
    /// Where there are more, to ask for each would take longer than a job.
    const ASKED: u64 = 65_536;
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    let limit = limit.map_or(ASKED, |limit| limit.min(ASKED));
    (LOWEST..i32::try_from(limit).unwrap_or(LOWEST)).for_each(|number| close_if_inherited(number, given));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_marker_is_the_one_that_copies_have() {
        assert_eq!(MARKER.to_str(), Ok(crate::process::MARKER));
    }

    #[test]
    fn what_the_marker_names_is_given() {
        let given = Given::by(c"job:207,9,-,14");
        assert!([207, 9, 14].iter().all(|number| given.holds(*number) == HAS_FORK_SERVERS));
        assert!(![0, 3, 20, 7].iter().any(|number| given.holds(*number)));
        assert!(!Given::by(c"warden:14").holds(14));
    }
}
