//! `Milestones`: how far a job has come, as its warden can find out.
//!
//! The warden keeps a deadline of its own, as the parent may be stopped, and the function's time begins in the job's process.
//! A message from there would wake the warden in each run, to no purpose in nearly all of them. So it is a page that both have
//! mapped, which costs the job a store. A job that was executed has no memory of its warden's: it writes to a socket, which the
//! warden reads when it wants to know.

#![expect(unsafe_code, reason = "memory that processes share has no safe API")]

use std::os::fd::{AsFd, OwnedFd};
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous, munmap};
use rustix::net::{RecvFlags, SendFlags};

use super::channel::identity;
use super::monotonic;
use crate::process::Milestone;

/// The milestones, in their order.
const ALL: [Milestone; 4] = [Milestone::Called, Milestone::Returned, Milestone::Encoded, Milestone::Delivered];

/// When each of them was reached, in nanoseconds of the monotonic clock; zero if it is still to come.
type Moments = [AtomicU64; ALL.len()];

/// The milestones of a job.
#[derive(Debug)]
pub(crate) struct Milestones(Place);

#[derive(Debug)]
enum Place {
    /// In memory that is mapped as long as this lives, by a warden and by what it forks.
    Shared(NonNull<Moments>),
    /// In the job's process, which sends them, unless its socket has become another file.
    Sent(OwnedFd, (i128, u64)),
    /// In the warden, as far as they have been received.
    Received(OwnedFd, Moments),
    /// The kernel has no room: nothing is known.
    Nowhere,
}

// SAFETY: What the pointer leads to is atomic, and mapped as long as this lives.
unsafe impl Send for Milestones {}
// SAFETY: The same holds.
unsafe impl Sync for Milestones {}

/// How many bytes are mapped.
const SIZE: usize = size_of::<Moments>();

impl Milestones {
    /// Returns milestones that are shared with the processes that are forked from now on.
    pub(crate) fn shared() -> Self {
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: The kernel chooses the place of a new mapping, which is full of zeroes.
        let mapped = unsafe { mmap_anonymous(ptr::null_mut(), SIZE, protection, MapFlags::SHARED) };
        let mapped = mapped.ok().and_then(|mapped| NonNull::new(mapped.cast()));
        Self(mapped.map_or(Place::Nowhere, Place::Shared))
    }

    /// Returns those of this process, which go to a warden by this socket.
    pub(crate) fn sent(socket: OwnedFd) -> Self {
        Self(identity(socket.as_fd()).map_or(Place::Nowhere, |identity| Place::Sent(socket, identity)))
    }

    /// Returns those of a process at the other end of this socket.
    pub(crate) fn received(socket: OwnedFd) -> Self {
        Self(Place::Received(socket, Moments::default()))
    }

    /// Forgets the job before.
    pub(crate) fn reset(&self) {
        for moment in self.moments().into_iter().flatten() {
            moment.store(0, Ordering::Relaxed);
        }
    }

    /// Takes note that the job has come so far.
    pub(crate) fn reach(&self, milestone: Milestone) {
        let Some(index) = ALL.iter().position(|one| *one == milestone) else {
            return;
        };
        match &self.0 {
            // The job may have closed it, and its number may be a file of the job's by now.
            Place::Sent(socket, known) if identity(socket.as_fd()).is_ok_and(|identity| identity == *known) => {
                let mut message = [0; MESSAGE];
                message[0] = u8::try_from(index).unwrap_or(u8::MAX);
                message[1..].copy_from_slice(&now().to_ne_bytes());
                // Without it the parent alone keeps the deadlines.
                let _ = rustix::net::send(socket, &message, SendFlags::DONTWAIT | SendFlags::NOSIGNAL);
            }
            _ => {
                if let Some(moments) = self.moments() {
                    moments[index].store(now(), Ordering::Relaxed);
                }
            }
        }
    }

    /// Returns how far the job has come, and how long ago that was; `None` before its function is called.
    pub(crate) fn reached(&self) -> Option<(Milestone, Duration)> {
        self.receive();
        let reached = self.moments()?.iter().zip(ALL).filter_map(|(moment, one)| Some((one, since(moment)?)));
        reached.last()
    }

    /// Returns how long the function has run, or ran.
    pub(crate) fn ran(&self) -> Option<Duration> {
        self.receive();
        let [called, returned, ..] = self.moments()?.each_ref().map(|moment| moment.load(Ordering::Relaxed));
        let until = if returned > 0 { returned } else { now() };
        (called > 0).then(|| Duration::from_nanos(until.saturating_sub(called)))
    }

    /// Takes what has come from the job.
    fn receive(&self) {
        let Place::Received(socket, moments) = &self.0 else {
            return;
        };
        let mut message = [0; MESSAGE];
        // Each is sent in one piece, and is short enough to arrive in one.
        while let Ok((MESSAGE, _)) = rustix::net::recv(socket, &mut message, RecvFlags::DONTWAIT) {
            let [index, moment @ ..] = message;
            if let Some(place) = moments.get(usize::from(index)) {
                place.store(u64::from_ne_bytes(moment), Ordering::Relaxed);
            }
        }
    }

    fn moments(&self) -> Option<&Moments> {
        match &self.0 {
            // SAFETY: It is mapped as long as this lives, and any bytes are numbers.
            Place::Shared(moments) => Some(unsafe { moments.as_ref() }),
            Place::Received(_, moments) => Some(moments),
            Place::Sent(..) | Place::Nowhere => None,
        }
    }
}

impl Drop for Milestones {
    fn drop(&mut self) {
        if let Place::Shared(moments) = self.0 {
            // SAFETY: This is the mapping, and nothing borrows from it any more.
            let _ = unsafe { munmap(moments.as_ptr().cast(), SIZE) };
        }
    }
}

/// How many bytes a milestone and its moment take.
const MESSAGE: usize = 9;

fn now() -> u64 {
    u64::try_from(monotonic().as_nanos()).unwrap_or(u64::MAX)
}

/// Returns how long ago that was, unless it is still to come.
fn since(moment: &AtomicU64) -> Option<Duration> {
    let moment = moment.load(Ordering::Relaxed);
    (moment > 0).then(|| Duration::from_nanos(now().saturating_sub(moment)))
}

#[cfg(all(test, not(miri)))]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    fn come_to_the_end(jobs: &Milestones, wardens: &Milestones) {
        assert!(wardens.reached().is_none() && wardens.ran().is_none());
        let mut ran = Duration::ZERO;
        for milestone in ALL {
            jobs.reach(milestone);
            assert!(matches!(wardens.reached(), Some((reached, _)) if reached == milestone));
            assert!(wardens.ran() >= Some(ran));
            ran = wardens.ran().expect("the function is called");
        }
    }

    #[test]
    fn the_warden_sees_what_the_job_reaches() {
        let (warden, job) = UnixStream::pair().expect("a socket pair");
        come_to_the_end(&Milestones::sent(job.into()), &Milestones::received(warden.into()));
        let shared = Milestones::shared();
        for _ in 0..2 {
            come_to_the_end(&shared, &shared);
            shared.reset();
        }
    }

    #[test]
    fn nothing_is_sent_to_a_file_that_has_taken_the_sockets_number() {
        let (warden, job) = UnixStream::pair().expect("a socket pair");
        let (_, other) = UnixStream::pair().expect("a socket pair");
        let other = identity(other.as_fd()).expect("a socket has one");
        Milestones(Place::Sent(job.into(), other)).reach(Milestone::Called);
        assert!(Milestones::received(warden.into()).reached().is_none());
    }
}
