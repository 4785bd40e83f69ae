//! `poll`: waits until a descriptor is ready or a deadline has passed. `Awaited`: one such descriptor.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;

use crate::clock::Deadline;

/// The polling interval where the kernel doesn't report that something is ready.
const RECHECK_INTERVAL: Duration = Duration::from_millis(2);

/// A descriptor, and what it is awaited for. Its end and its errors always count as well.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Awaited<'a> {
    pub(in crate::process) descriptor: BorrowedFd<'a>,
    pub(in crate::process) events: PollFlags,
}

impl<'a> Awaited<'a> {
    pub(in crate::process) fn new(descriptor: &'a impl AsFd, events: PollFlags) -> Self {
        Self { descriptor: descriptor.as_fd(), events }
    }

    pub(in crate::process) fn poll_fd(self) -> PollFd<'a> {
        PollFd::from_borrowed_fd(self.descriptor, self.events)
    }
}

/// Returns once a descriptor is ready or the deadline has passed. Signals do not interrupt it.
pub(crate) fn poll(fds: &mut [PollFd<'_>], deadline: Deadline) -> io::Result<()> {
    loop {
        let timeout = deadline.remaining().map(timespec);
        match rustix::event::poll(fds, timeout.as_ref()) {
            Err(Errno::INTR) => {}
            result => return Ok(result.map(drop)?),
        }
    }
}

/// Sleeps for one polling interval: the fallback where [`poll`] fails, for lack of memory for instance.
#[expect(clippy::disallowed_methods, reason = "there is no event to wait for")]
pub(crate) fn pause() {
    std::thread::sleep(RECHECK_INTERVAL);
}

/// Returns when to check again what the kernel doesn't report.
pub(crate) fn next_recheck() -> Deadline {
    Deadline::after(RECHECK_INTERVAL)
}

fn timespec(duration: Duration) -> Timespec {
    Timespec { tv_sec: duration.as_secs().try_into().unwrap_or(i64::MAX), tv_nsec: duration.subsec_nanos().into() }
}
