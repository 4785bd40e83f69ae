//! Ctrl-C: a thread that waits for it (SIGINT), and calls something each time that it is pressed.
//!
//! No other signal is handled, whatever other crates do, and a handler that is there already is called as well: both are
//! what `signal-hook-registry` does, which Tokio's signals use, too.

#![expect(unsafe_code, reason = "what a signal handler may do no compiler checks")]

use std::io;
use std::iter;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use super::signals::is_ignored;
use super::{LoopWaker, wait};
use crate::clock::Deadline;

/// What the handler and the thread share.
struct Presses {
    /// How many of them the thread has not seen. A fork of this process counts its own, and nobody looks at those.
    unseen: AtomicUsize,
    waker: LoopWaker,
}

/// Has `pressed` called in a thread of its own each time that somebody presses Ctrl-C, until the process exits.
///
/// Where Ctrl-C is ignored, as a shell has it for what a script runs in the background, it stays ignored.
pub(crate) fn on_ctrl_c(pressed: impl Fn() + Send + 'static) -> io::Result<()> {
    if is_ignored(libc::SIGINT) {
        return Ok(());
    }
    let shared = Arc::new(Presses { unseen: AtomicUsize::new(0), waker: LoopWaker::new()? });
    let theirs = Arc::clone(&shared);
    // SAFETY: The handler adds to an atomic and writes to a descriptor that stays open; it takes no lock, allocates nothing and
    // can't panic.
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
        wait(iter::empty(), Some(&self.waker), Deadline::after(Duration::MAX));
    }

    fn take(&self) -> usize {
        // Before the count is read: a press that comes later rings once more.
        self.waker.reset();
        self.unseen.swap(0, Ordering::AcqRel)
    }
}
