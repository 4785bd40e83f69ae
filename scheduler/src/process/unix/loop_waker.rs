//! `LoopWaker`: makes [`Poller::wait`](crate::process::Poller) return, from another thread than the one that waits.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};

#[cfg(target_os = "linux")]
use rustix::event::EventfdFlags;
use rustix::event::PollFlags;

use super::descriptor::above_standard;
use super::poll::Awaited;

/// A flag that ends waiting, until it is reset.
#[derive(Debug)]
pub(crate) struct LoopWaker {
    /// Readable once the waker is set.
    event: OwnedFd,
    /// The other end of the pipe, if it is a pipe.
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

    /// Makes [`Poller::wait`](crate::process::Poller) return, now or when it is called next.
    pub(crate) fn wake(&self) {
        // The write fails only if a signal interrupts it, if the eventfd's counter overflows, which is a `u64`, or if the
        // pipe is full. In the last two cases it is readable already.
        let _ = rustix::io::retry_on_intr(|| rustix::io::write(self.write_end(), &1_u64.to_ne_bytes()));
        // Last: a thread that sees the flag can read the event.
        self.woken.store(true, Ordering::Release);
    }

    /// Sets the flag alone: its event has ended a wait. The thread that wakes may have been interrupted just before it sets the flag,
    /// by this very event; until it goes on, no reset would be made, and no wait would wait.
    pub(crate) fn mark_woken(&self) {
        self.woken.store(true, Ordering::Release);
    }

    /// Resets it. Call this before you look for the reason of the wake: a later `wake` sets it once more.
    #[cfg(target_os = "linux")]
    pub(crate) fn reset(&self) {
        self.woken.store(false, Ordering::Release);
        // There may be nothing to read, if this event was read together with an earlier one.
        let _ = rustix::io::read(&self.event, &mut [0; 8]);
    }

    /// Resets it. Call this before you look for the reason of the wake: a later `wake` sets it once more.
    #[cfg(not(target_os = "linux"))]
    pub(crate) fn reset(&self) {
        self.woken.store(false, Ordering::Release);
        // A pipe keeps the bytes of every `wake`.
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

    pub(in crate::process) fn interest(&self) -> Awaited<'_> {
        Awaited::new(&self.event, PollFlags::IN)
    }
}

#[cfg(test)]
mod tests {
    use std::thread;
    use std::time::Duration;

    use super::*;
    use crate::clock::Deadline;
    use crate::process::unix_worker::wait;

    #[test]
    fn a_wake_ends_a_wait_that_has_begun_and_the_next_one() {
        let waker = LoopWaker::new().expect("an eventfd");
        thread::scope(|scope| {
            scope.spawn(|| waker.wake());
            for _ in 0..2 {
                wait(std::iter::empty(), Some(&waker), Deadline::NEVER);
            }
        });
        assert!(waker.is_woken());
    }

    #[test]
    fn a_wait_that_the_event_ends_sets_the_flag_for_a_thread_that_has_not_yet() {
        let waker = LoopWaker::new().expect("an eventfd");
        rustix::io::write(waker.write_end(), &1_u64.to_ne_bytes()).expect("there is room");
        assert!(!waker.is_woken());
        wait(std::iter::empty(), Some(&waker), Deadline::NEVER);
        assert!(waker.is_woken());
    }

    #[test]
    fn a_waker_that_was_reset_can_be_set_again() {
        let waker = LoopWaker::new().expect("an eventfd");
        for _ in 0..3 {
            waker.wake();
            waker.wake();
            assert!(waker.is_woken());
            waker.reset();
            assert!(!waker.is_woken());
            let shortly = Deadline::after(Duration::from_millis(5));
            wait(std::iter::empty(), Some(&waker), shortly);
            assert!(shortly.is_past(), "a waker that was reset ends no wait");
        }
    }
}
