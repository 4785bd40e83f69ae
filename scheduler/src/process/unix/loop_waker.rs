//! `LoopWaker`: calls whoever waits for processes away from that, from another thread.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};

#[cfg(target_os = "linux")]
use rustix::event::EventfdFlags;
use rustix::event::{PollFd, PollFlags};

use super::descriptor::above_standard;

/// It goes on ringing until it is hushed.
#[derive(Debug)]
pub(crate) struct LoopWaker {
    /// It is ready once the bell has rung.
    event: OwnedFd,
    /// Where to write, if that is another descriptor.
    #[cfg(not(target_os = "linux"))]
    write_end: OwnedFd,
    woken: AtomicBool,
}

impl LoopWaker {
    #[cfg(not(target_os = "linux"))]
    pub(crate) fn new() -> io::Result<Self> {
        let (event, write_end) = io::pipe()?;
        let (event, write_end) = (above_standard(event)?, above_standard(write_end)?);
        rustix::io::ioctl_fionbio(&event, true)?;
        rustix::io::ioctl_fionbio(&write_end, true)?;
        Ok(Self { event: event.into(), write_end: write_end.into(), woken: AtomicBool::new(false) })
    }

    #[cfg(target_os = "linux")]
    pub(crate) fn new() -> io::Result<Self> {
        let event = above_standard(rustix::event::eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?)?;
        Ok(Self { event, woken: AtomicBool::new(false) })
    }

    /// Has [`wait()`](super::wait()) return, now or when it is called next.
    pub(crate) fn wake(&self) {
        // A counter takes a one at any time, but for a signal, until it has been rung as often as a `u64` counts; and a pipe
        // that takes no more is ready as it is.
        let _ = rustix::io::retry_on_intr(|| rustix::io::write(self.write_end(), &1_u64.to_ne_bytes()));
        // Last: where it is seen, the counter can be read.
        self.woken.store(true, Ordering::Release);
    }

    /// Leaves the bell as a ring does that was read together with the one before it: rung, with nothing left to be read.
    #[cfg(test)]
    pub(crate) fn mark_woken(&self) {
        self.woken.store(true, Ordering::Release);
    }

    /// Has it ring no more until it is rung again. What it was rung for is to be looked at after this.
    #[cfg(target_os = "linux")]
    pub(crate) fn reset(&self) {
        self.woken.store(false, Ordering::Release);
        // It may be that nothing is there to be read, as it was read for an earlier ring.
        let _ = rustix::io::read(&self.event, &mut [0; 8]);
    }

    /// Has it ring no more until it is rung again. What it was rung for is to be looked at after this.
    #[cfg(not(target_os = "linux"))]
    pub(crate) fn reset(&self) {
        self.woken.store(false, Ordering::Release);
        // A pipe keeps a word for every ring.
        while rustix::io::read(&self.event, &mut [0; 512]).is_ok_and(|count| count == 512) {}
    }

    #[cfg(target_os = "linux")]
    fn write_end(&self) -> &OwnedFd {
        &self.event
    }

    #[cfg(not(target_os = "linux"))]
    fn write_end(&self) -> &OwnedFd {
        &self.write_end
    }

    pub(crate) fn is_woken(&self) -> bool {
        self.woken.load(Ordering::Acquire)
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
        let waker = LoopWaker::new().expect("an eventfd");
        thread::scope(|scope| {
            scope.spawn(|| waker.wake());
            for _ in 0..2 {
                wait(std::iter::empty(), Some(&waker), Deadline::after(Duration::MAX));
            }
        });
        assert!(waker.is_woken());
    }

    #[test]
    fn it_rings_again_after_it_was_hushed() {
        let waker = LoopWaker::new().expect("an eventfd");
        for _ in 0..3 {
            waker.wake();
            waker.wake();
            assert!(waker.is_woken());
            waker.reset();
            assert!(!waker.is_woken());
            let shortly = Deadline::after(Duration::from_millis(5));
            wait(std::iter::empty(), Some(&waker), shortly);
            assert!(shortly.is_past(), "a bell that is hushed ends no wait");
        }
    }
}
