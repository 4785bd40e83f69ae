//! What signals do in the warden: none that is meant for a whole group ends it, and the end of a child rings a bell.

#![expect(unsafe_code, reason = "signal dispositions have no safe API")]

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::RawFd;
use std::ptr;
use std::sync::atomic::{AtomicI32, Ordering};

use libc::c_int;

use super::signals::{set, unblock};

/// What must not end the warden before it has swept: a service manager sends these to a whole group.
const SHIELDED: [c_int; 9] = [
    libc::SIGHUP,
    libc::SIGINT,
    libc::SIGQUIT,
    libc::SIGTERM,
    libc::SIGUSR1,
    libc::SIGUSR2,
    libc::SIGALRM,
    libc::SIGTSTP,
    libc::SIGTTOU,
];

/// Makes the warden deaf to what would end or stop it.
pub(in crate::process) fn shield() {
    for signal in SHIELDED {
        set(signal, libc::SIG_IGN);
    }
}

/// Gives the job, which the warden forked, the dispositions and the mask that a program starts with.
pub(in crate::process) fn unshield() {
    for signal in SHIELDED {
        set(signal, libc::SIG_DFL);
    }
    set(libc::SIGCHLD, libc::SIG_DFL);
    unblock();
}

/// The descriptor that [`on_child`] writes to.
static BELL: AtomicI32 = AtomicI32::new(-1);

/// Writes to `eventfd` whenever a child has ended.
///
/// A handler, and neither a signalfd nor a blocked signal: under libtest the harness's own thread has the signal
/// unblocked, and with the default disposition the kernel would drop it there.
pub(in crate::process) fn ring_on_child(eventfd: RawFd) -> io::Result<()> {
    BELL.store(eventfd, Ordering::Relaxed);
    // SAFETY: All-zero is a valid `sigaction`: no flags, an empty mask.
    let mut action: libc::sigaction = unsafe { MaybeUninit::zeroed().assume_init() };
    action.sa_sigaction = on_child as *const () as usize;
    // It rings for stops, too (no `SA_NOCLDSTOP`): a job that asked to be traced waits for the warden at each.
    action.sa_flags = libc::SA_RESTART;
    // SAFETY: `action` is initialised, and `on_child` does only what is allowed in a handler.
    match unsafe { libc::sigaction(libc::SIGCHLD, &raw const action, ptr::null_mut()) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

extern "C" fn on_child(_: c_int) {
    let one = 1_u64.to_ne_bytes();
    // SAFETY: `write` and the place of `errno` may be used in a handler; the eventfd doesn't block. What was
    // interrupted must find its `errno` unchanged.
    unsafe {
        let errno = *libc::__errno_location();
        libc::write(BELL.load(Ordering::Relaxed), one.as_ptr().cast(), one.len());
        *libc::__errno_location() = errno;
    }
}
