//! Ctrl-C: a thread that waits for SIGINT and calls a function for each.
//!
//! Handlers that other code has installed for SIGINT are still called: `signal-hook-registry` sees to that, which Tokio's
//! signals use as well. No other signal is handled.

#![expect(unsafe_code, reason = "the compiler doesn't check what a signal handler does")]

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::signals::is_ignored;
use super::{LoopWaker, poll};
use crate::clock::Deadline;

/// The state that the handler and the thread share.
struct Presses {
    /// The number of presses that the thread has not handled. A fork of this process has a counter of its own, and no
    /// thread.
    unseen: AtomicUsize,
    waker: LoopWaker,
}

/// Calls `pressed` on a thread of its own each time that Ctrl-C is pressed, until the process exits.
///
/// Where SIGINT is ignored, as in a program that a shell script runs in the background, it stays ignored.
pub(crate) fn on_ctrl_c(pressed: impl Fn() + Send + 'static) -> io::Result<()> {
    if is_ignored(libc::SIGINT) {
        return Ok(());
    }
    let shared = Arc::new(Presses { unseen: AtomicUsize::new(0), waker: LoopWaker::new()? });
    let theirs = Arc::clone(&shared);
    // SAFETY: The handler adds to an atomic and writes to a descriptor that stays open; it takes no lock, allocates nothing
    // and can't panic.
    let handler = unsafe { signal_hook_registry::register(libc::SIGINT, move || theirs.add()) }?;
    let listen = move || {
        loop {
            shared.wait();
            (0..shared.take()).for_each(|_| pressed());
        }
    };
    let thread = thread::Builder::new().name("scheduler-ctrl-c".to_owned()).spawn(listen);
    if thread.is_err() {
        signal_hook_registry::unregister(handler);
    }
    thread.map(drop)
}

impl Presses {
    fn add(&self) {
        self.unseen.fetch_add(1, Ordering::AcqRel);
        self.waker.wake();
    }

    fn wait(&self) {
        if poll::poll(&mut [self.waker.interest().poll_fd()], Deadline::NEVER).is_err() {
            poll::pause();
        }
    }

    fn take(&self) -> usize {
        // Before the count is read: the handler of a later press sets the waker once more.
        self.waker.reset();
        self.unseen.swap(0, Ordering::AcqRel)
    }
}
