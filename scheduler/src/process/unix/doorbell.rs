//! `Doorbell`: calls whoever waits for processes away from that, from another thread.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::event::{EventfdFlags, PollFd, PollFlags};

/// It is rung once, and goes on ringing.
#[derive(Debug)]
pub(crate) struct Doorbell {
    event: OwnedFd,
    rung: AtomicBool,
}

impl Doorbell {
    pub(crate) fn new() -> io::Result<Self> {
        let event = rustix::event::eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self { event, rung: AtomicBool::new(false) })
    }

    /// Has [`wait()`](super::wait()) return, now or when it is called next.
    pub(crate) fn ring(&self) {
        self.rung.store(true, Ordering::Release);
        // A counter that nobody reads takes a one at any time, but for a signal.
        let _ = rustix::io::retry_on_intr(|| rustix::io::write(&self.event, &1_u64.to_ne_bytes()));
    }

    pub(crate) fn is_rung(&self) -> bool {
        self.rung.load(Ordering::Acquire)
    }

    pub(in crate::process) fn interest(&self) -> PollFd<'_> {
        PollFd::new(&self.event, PollFlags::IN)
    }
}

#[cfg(test)]
mod tests {
    use std::thread;
    use std::time::Duration;

    use super::*;
    use crate::clock::Deadline;
    use crate::process::wait;

    #[test]
    fn a_ring_ends_a_wait_that_has_begun_and_one_that_has_not() {
        let doorbell = Doorbell::new().expect("an eventfd");
        thread::scope(|scope| {
            scope.spawn(|| doorbell.ring());
            for _ in 0..2 {
                wait(std::iter::empty(), Some(&doorbell), Deadline::after(Duration::MAX));
            }
        });
        assert!(doorbell.is_rung());
    }
}
