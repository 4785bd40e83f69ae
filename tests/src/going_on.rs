//! A job that goes on after it was captured, for the tests of what its system calls return.

#![expect(unsafe_code, reason = "the system calls have no safe API")]
#![expect(
    clippy::missing_panics_doc,
    clippy::must_use_candidate,
    reason = "these jobs do what jobs should not, and they are not called as functions"
)]

use std::ffi::c_int;
use std::io::Write as _;
use std::os::fd::AsRawFd as _;
use std::path::PathBuf;
use std::{ptr, thread};

use scheduler::{job, this_job};

use crate::stuck::ready;

/// Waits in system calls on many threads until it is cancelled, and returns the error of each: 0 if there was none.
#[job(grace = "30s")]
pub fn goes_on(mark: PathBuf) -> Vec<(String, i32)> {
    let (reader, mut writer) = std::io::pipe().expect("there is room for a pipe");
    let descriptor = reader.as_raw_fd();
    let calls: [(&str, Waits); 4] =
        [("read", read_byte), ("poll", polls), ("epoll_wait", waits_for_event), ("nanosleep", sleeps_a_second)];
    let threads = calls.map(|(name, call)| {
        let body = move || {
            let failed = call(descriptor) < 0;
            if failed { std::io::Error::last_os_error().raw_os_error().unwrap_or_default() } else { 0 }
        };
        (name, thread::Builder::new().name(name.to_owned()).spawn(body).expect("there is room for a thread"))
    });
    ready(&mark);
    this_job::cancelled().wait();
    // One byte for the thread that reads, and one for those that wait for a byte.
    writer.write_all(b"xx").expect("the pipe is ours");
    threads.map(|(name, thread)| (name.to_owned(), thread.join().expect("it does not panic"))).into()
}

/// A system call that waits for something of a descriptor.
type Waits = fn(c_int) -> c_int;

fn read_byte(descriptor: c_int) -> c_int {
    let mut byte = 0_u8;
    // SAFETY: The call writes one byte.
    let count = unsafe { libc::read(descriptor, (&raw mut byte).cast(), 1) };
    c_int::try_from(count).expect("it is at most 1")
}

fn polls(descriptor: c_int) -> c_int {
    let mut polled = libc::pollfd { fd: descriptor, events: libc::POLLIN, revents: 0 };
    // SAFETY: The pointer is to a variable of ours.
    unsafe { libc::poll(&raw mut polled, 1, 60_000) }
}

fn waits_for_event(descriptor: c_int) -> c_int {
    // SAFETY: The pointers are to variables of ours.
    unsafe {
        let epoll = libc::epoll_create1(libc::EPOLL_CLOEXEC);
        let mut event = libc::epoll_event { events: libc::EPOLLIN as u32, u64: 0 };
        assert_eq!(libc::epoll_ctl(epoll, libc::EPOLL_CTL_ADD, descriptor, &raw mut event), 0);
        libc::epoll_wait(epoll, &raw mut event, 1, 60_000)
    }
}

fn sleeps_a_second(_: c_int) -> c_int {
    let time = libc::timespec { tv_sec: 1, tv_nsec: 0 };
    // SAFETY: The pointer is to a variable of ours.
    unsafe { libc::nanosleep(&raw const time, ptr::null_mut()) }
}
