//! Waiting until a descriptor is ready or a deadline has passed.

use std::io;
use std::time::Duration;

use rustix::event::{PollFd, Timespec};
use rustix::io::Errno;

use crate::clock::Deadline;

/// How long to wait where the kernel can't tell when something is ready.
const GLANCE: Duration = Duration::from_millis(2);

/// Returns once a descriptor is ready or the deadline has passed; a signal in between does not count.
pub(crate) fn poll(fds: &mut [PollFd<'_>], deadline: Deadline) -> io::Result<()> {
    loop {
        let timeout = deadline.remaining().map(timespec);
        match rustix::event::poll(fds, timeout.as_ref()) {
            Err(Errno::INTR) => {}
            result => return Ok(result.map(drop)?),
        }
    }
}

/// Returns after a moment: where [`poll`] fails, for want of memory say, whoever must not give up looks by itself.
pub(crate) fn pause() {
    // One that is cut short does no harm.
    let _ = rustix::thread::nanosleep(&timespec(GLANCE));
}

/// Returns the moment at which to look again.
pub(crate) fn glance() -> Deadline {
    Deadline::after(GLANCE)
}

fn timespec(duration: Duration) -> Timespec {
    Timespec { tv_sec: duration.as_secs().try_into().unwrap_or(i64::MAX), tv_nsec: duration.subsec_nanos().into() }
}
