//! `SigchldEvent`: a descriptor that becomes readable when a child of this process has exited or stopped.

#![expect(unsafe_code, reason = "rustix has no stable API for signal handlers")]

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::ptr;
use std::sync::atomic::{AtomicI32, Ordering};

use libc::c_int;
use rustix::event::{EventfdFlags, PollFd, PollFlags};

use crate::clock::Deadline;
use crate::process::unix::descriptor::above_standard;
use crate::process::unix::poll;

/// The eventfd that [`on_sigchld`] writes to.
static EVENTFD: AtomicI32 = AtomicI32::new(-1);

/// An eventfd that a handler of SIGCHLD writes to.
#[derive(Debug)]
pub(crate) struct SigchldEvent(OwnedFd);

impl SigchldEvent {
    /// Installs the handler.
    ///
    /// A handler, and neither a signalfd nor a blocked signal: under libtest the harness's own thread has the signal
    /// unblocked, and with the default disposition the kernel would discard it there.
    pub(super) fn install() -> io::Result<Self> {
        let eventfd = above_standard(rustix::event::eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?)?;
        EVENTFD.store(eventfd.as_raw_fd(), Ordering::Relaxed);
        // SAFETY: All-zero is a valid `sigaction`: no flags, an empty mask.
        let mut action: libc::sigaction = unsafe { MaybeUninit::zeroed().assume_init() };
        action.sa_sigaction = on_sigchld as *const () as usize;
        // Stops are reported as well (no `SA_NOCLDSTOP`): a job that asked to be traced waits for the warden at each.
        action.sa_flags = libc::SA_RESTART;
        // SAFETY: `action` is initialized, and `on_sigchld` makes only calls that are allowed in a handler.
        match unsafe { libc::sigaction(libc::SIGCHLD, &raw const action, ptr::null_mut()) } {
            0 => Ok(Self(eventfd)),
            _ => Err(io::Error::last_os_error()),
        }
    }

    /// Makes it unreadable again. Call it before the children are reaped: one that exits later makes it readable once more.
    pub(crate) fn reset(&self) {
        // There is nothing to read if no signal has come.
        let _ = rustix::io::read(&self.0, &mut [0; 8]);
    }

    /// Makes it readable, for what a reader may have consumed that didn't reap.
    pub(super) fn set(&self) {
        // If it fails, it is readable.
        let _ = rustix::io::write(&self.0, &1_u64.to_ne_bytes());
    }

    /// Returns once it is readable or the deadline has passed.
    pub(super) fn wait(&self, deadline: Deadline) {
        let mut fds = [PollFd::new(&self.0, PollFlags::IN)];
        if poll::poll(&mut fds, deadline).is_err() {
            poll::pause();
        }
    }
}

impl AsFd for SigchldEvent {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

extern "C" fn on_sigchld(_: c_int) {
    let one = 1_u64.to_ne_bytes();
    // libc, as a handler may call `write`, which is async-signal-safe, and must not change the `errno` of the code that it
    // interrupts.
    // SAFETY: `write` and the address of `errno` may be used in a handler, and the eventfd doesn't block.
    unsafe {
        let errno = *libc::__errno_location();
        libc::write(EVENTFD.load(Ordering::Relaxed), one.as_ptr().cast(), one.len());
        *libc::__errno_location() = errno;
    }
}
