//! Ctrl-C and requests to terminate: a thread that waits for chosen signals and calls a function for each.
//!
//! Handlers that other code has installed for these signals are still called: `signal-hook-registry` sees to that, which
//! Tokio's signals use as well. No other signal is handled, but SIGXFSZ by the command line.

#![expect(unsafe_code, reason = "the compiler doesn't check what a signal handler does")]

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use libc::c_int;

use super::signals::is_ignored;
use super::{LoopWaker, poll};
use crate::clock::{Deadline, Stopwatch};

/// A terminal that is closed sends SIGHUP twice: the shell to its jobs, and then the kernel to the foreground group. Within
/// this time that is one request.
const HANGUP_REPEATS: Duration = Duration::from_secs(1);

/// The state that the handlers and the thread share.
struct Arrivals {
    /// The number of signals, other than SIGHUP, that the thread has not handled. A fork of this process has counters of its
    /// own, and no thread.
    unseen: AtomicUsize,
    hangups: AtomicUsize,
    waker: LoopWaker,
}

/// Calls `pressed` on a thread of its own each time that Ctrl-C is pressed, until the process exits.
///
/// Where SIGINT is ignored, as in a program that a shell script runs in the background, it stays ignored.
pub(crate) fn on_ctrl_c(pressed: impl Fn() + Send + 'static) -> io::Result<()> {
    listen("scheduler-ctrl-c", &[libc::SIGINT], pressed)
}

/// Calls `requested` on a thread of its own for each SIGINT, SIGTERM and SIGHUP, until the process exits.
///
/// A signal that is ignored stays ignored: SIGHUP under `nohup`, for example.
#[cfg(feature = "signals")]
pub(crate) fn on_termination(requested: impl Fn() + Send + 'static) -> io::Result<()> {
    listen("scheduler-signals", &[libc::SIGINT, libc::SIGTERM, libc::SIGHUP], requested)
}

/// Makes a write beyond the limit on the size of files (`ulimit -f`) fail, instead of ending the process. What it executes is not
/// concerned: a handler ends with the program that has set it.
#[cfg(feature = "cli")]
pub(crate) fn report_file_size_limit() -> io::Result<()> {
    // SAFETY: The handler does nothing.
    unsafe { signal_hook_registry::register(libc::SIGXFSZ, || {}) }.map(drop)
}

fn listen(name: &str, signals: &[c_int], arrived: impl Fn() + Send + 'static) -> io::Result<()> {
    let signals: Vec<_> = signals.iter().copied().filter(|signal| !is_ignored(*signal)).collect();
    if signals.is_empty() {
        return Ok(());
    }
    let arrivals = Arrivals { unseen: AtomicUsize::new(0), hangups: AtomicUsize::new(0), waker: LoopWaker::new()? };
    let arrivals = Arc::new(arrivals);
    let mut handlers = Vec::new();
    let start = || {
        for &signal in &signals {
            let theirs = Arc::clone(&arrivals);
            // SAFETY: The handler adds to an atomic and writes to a descriptor that stays open; it takes no lock, allocates
            // nothing and can't panic.
            handlers.push(unsafe { signal_hook_registry::register(signal, move || theirs.add(signal)) }?);
        }
        let arrivals = Arc::clone(&arrivals);
        thread::Builder::new().name(name.to_owned()).spawn(move || arrivals.report(&arrived))
    };
    let started = start();
    if started.is_err() {
        for handler in handlers {
            signal_hook_registry::unregister(handler);
        }
    }
    started.map(drop)
}

impl Arrivals {
    fn add(&self, signal: c_int) {
        let counter = if signal == libc::SIGHUP { &self.hangups } else { &self.unseen };
        counter.fetch_add(1, Ordering::AcqRel);
        self.waker.wake();
    }

    /// Calls `arrived` for each signal, for ever.
    fn report(&self, arrived: &dyn Fn()) {
        let mut last_hangup: Option<Stopwatch> = None;
        loop {
            self.wait();
            // Before the counts are read: the handler of a later signal sets the waker once more.
            self.waker.reset();
            let mut count = self.unseen.swap(0, Ordering::AcqRel);
            if self.hangups.swap(0, Ordering::AcqRel) > 0 {
                count += usize::from(last_hangup.is_none_or(|last| last.elapsed() > HANGUP_REPEATS));
                last_hangup = Some(Stopwatch::start());
            }
            (0..count).for_each(|_| arrived());
        }
    }

    fn wait(&self) {
        if poll::poll(&mut [self.waker.interest().poll_fd()], Deadline::NEVER).is_err() {
            poll::pause();
        }
    }
}
