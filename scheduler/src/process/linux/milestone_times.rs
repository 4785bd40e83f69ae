//! `MilestoneTimes`: the times at which a job reached its milestones, which its warden can read.
//!
//! The warden enforces deadlines of its own, as the parent may be stopped, and the function's time begins in the job's
//! process. A message from there would wake the warden in each run, and nearly always for nothing. So the times are in a
//! page that both have mapped, and a milestone costs the job one store. A job that was executed shares no memory with its
//! warden: it writes to a socket, which the warden reads when it needs the times.

#![expect(unsafe_code, reason = "memory that processes share has no safe API")]

use std::ffi::c_int;
use std::mem;
use std::os::fd::{AsFd, OwnedFd};
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous, munmap};
use rustix::net::{RecvFlags, SendFlags};
use rustix::time::Timespec;

use super::monotonic;
use crate::process::Milestone;
use crate::process::unix::descriptor::{FileIdentity, identity};

/// The milestones, in order.
const ALL: [Milestone; 4] = [Milestone::Called, Milestone::Returned, Milestone::Encoded, Milestone::Delivered];

/// The index of the thread that has crashed, behind the times of the milestones.
const CRASH: usize = ALL.len();

/// The index of the time at which the process began to wait for another call, behind that.
const IDLE: usize = CRASH + 1;

/// The time of each milestone in nanoseconds of the monotonic clock; zero if it is not reached. [`CRASH`] and [`IDLE`] follow.
type Timestamps = [AtomicU64; ALL.len() + 2];

/// What a warden shares with the job that it has forked.
#[derive(Debug)]
struct Page {
    times: Timestamps,
    /// Not zero once the crashed job is captured. A futex.
    captured: AtomicU32,
}

/// The times of a job's milestones.
#[derive(Debug)]
pub(crate) struct MilestoneTimes(Storage);

#[derive(Debug)]
enum Storage {
    /// A page that a warden and the processes that it forks have mapped. It is mapped as long as this exists.
    Shared(NonNull<Page>),
    /// In the job's process: a socket to send them to, unless the job has closed it and its number is another file by now.
    Sent(Arc<OwnedFd>, FileIdentity),
    /// In the warden: a socket to receive them from, and those that were received.
    Received(OwnedFd, Timestamps),
    /// No page could be mapped, and no time is known.
    Missing,
}

// SAFETY: The pointer leads to atomics, which are mapped as long as this exists.
unsafe impl Send for MilestoneTimes {}
// SAFETY: The same holds.
unsafe impl Sync for MilestoneTimes {}

/// The number of bytes that are mapped.
const SIZE: usize = size_of::<Page>();

impl MilestoneTimes {
    /// Returns times that are shared with the processes that are forked from now on.
    pub(crate) fn shared() -> Self {
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: The kernel chooses the address of the new mapping, which is all zeros.
        let mapped = unsafe { mmap_anonymous(ptr::null_mut(), SIZE, protection, MapFlags::SHARED) };
        let mapped = mapped.ok().and_then(|mapped| NonNull::new(mapped.cast()));
        Self(mapped.map_or(Storage::Missing, Storage::Shared))
    }

    /// Returns times that are sent to a warden through this socket.
    pub(crate) fn sent(socket: impl Into<Arc<OwnedFd>>) -> Self {
        let socket = socket.into();
        Self(identity(socket.as_fd()).map_or(Storage::Missing, |identity| Storage::Sent(socket, identity)))
    }

    /// Returns the times that are received through this socket.
    pub(crate) fn received(socket: OwnedFd) -> Self {
        Self(Storage::Received(socket, Timestamps::default()))
    }

    /// Clears the times, for the next job that is forked.
    pub(crate) fn reset(&mut self) {
        if matches!(self.0, Storage::Received(..) | Storage::Missing) {
            *self = Self::shared();
        }
        for time in self.timestamps().into_iter().flatten() {
            time.store(0, Ordering::Relaxed);
        }
        if let Some(page) = self.page() {
            page.captured.store(0, Ordering::Relaxed);
        }
    }

    /// Stores that the job has reached this milestone now.
    pub(crate) fn record(&self, milestone: Milestone) {
        if let Some(index) = ALL.iter().position(|one| *one == milestone) {
            self.store(index, now());
        }
    }

    /// Stores that the job's process crashes by this thread. The handler of a signal may call it.
    pub(crate) fn record_crash(&self, thread: u32) {
        self.store(CRASH, thread.into());
    }

    /// Returns the thread by which the job's process crashes, if it does.
    pub(crate) fn crashed_thread(&self) -> Option<u32> {
        self.receive();
        let thread = self.timestamps()?[CRASH].load(Ordering::Relaxed);
        u32::try_from(thread).ok().filter(|thread| *thread > 0)
    }

    /// Lets a crashed process die, which waits for its capture.
    pub(crate) fn report_captured(&self) {
        match &self.0 {
            Storage::Shared(_) => {
                if let Some(page) = self.page() {
                    page.captured.store(1, Ordering::Release);
                    // SAFETY: The address is that of a number which is mapped. The call writes nothing.
                    unsafe { libc::syscall(libc::SYS_futex, page.captured.as_ptr(), libc::FUTEX_WAKE, c_int::MAX) };
                }
            }
            Storage::Received(socket, _) => {
                // If it fails, the process waits for its limit.
                let _ = rustix::net::send(socket, &[0], SendFlags::DONTWAIT | SendFlags::NOSIGNAL);
            }
            Storage::Sent(..) | Storage::Missing => {}
        }
    }

    /// Returns once the warden has captured this process, which crashes; or after this time. The handler of a signal may call it.
    pub(crate) fn wait_for_capture(&self, limit: Duration) {
        let stopwatch = monotonic();
        while let Some(left) = limit.checked_sub(monotonic().saturating_sub(stopwatch)).filter(|left| !left.is_zero()) {
            let waited = match &self.0 {
                Storage::Shared(_) => self.page().map_or(Ok(true), |page| wait_until_set(&page.captured, left)),
                // Nothing else is sent during a call, and a process that has crashed serves no other one.
                Storage::Sent(socket, known) if identity(socket.as_fd()).is_ok_and(|identity| identity == *known) => {
                    let time = Timespec::try_from(left).ok();
                    match poll(&mut [PollFd::new(socket, PollFlags::IN)], time.as_ref()) {
                        // The job may have no descriptors, by its limits.
                        Err(Errno::INVAL) => Ok(has_arrived_after_pause(socket)),
                        ready => ready.map(|ready| ready > 0),
                    }
                }
                _ => return,
            };
            match waited {
                Ok(false) | Err(Errno::INTR) => {}
                // A seccomp filter may refuse the call.
                Ok(true) | Err(_) => return,
            }
        }
    }

    fn store(&self, index: usize, value: u64) {
        match &self.0 {
            // The job may have closed it, and its number may be another file by now.
            Storage::Sent(socket, known) if identity(socket.as_fd()).is_ok_and(|identity| identity == *known) => {
                let mut message = [0; MESSAGE];
                message[0] = u8::try_from(index).unwrap_or(u8::MAX);
                message[1..].copy_from_slice(&value.to_ne_bytes());
                // If it fails, only the parent enforces the deadlines.
                let _ = rustix::net::send(socket, &message, SendFlags::DONTWAIT | SendFlags::NOSIGNAL);
            }
            _ => {
                if let Some(times) = self.timestamps() {
                    times[index].store(value, Ordering::Relaxed);
                }
            }
        }
    }

    /// Tells the warden that the job's process waits for another call, which it only finds if it looks.
    pub(crate) fn record_idle(&self) {
        self.store(IDLE, now());
    }

    /// Returns whether the job's process waits for another call.
    pub(crate) fn is_idle(&self) -> bool {
        self.receive();
        self.timestamps().is_some_and(|times| times[IDLE].load(Ordering::Relaxed) > 0)
    }

    /// Removes and returns the socket from which the times are received.
    pub(crate) fn take_socket(&mut self) -> Option<OwnedFd> {
        if !matches!(self.0, Storage::Received(..)) {
            return None;
        }
        match mem::replace(&mut self.0, Storage::Missing) {
            Storage::Received(socket, _) => Some(socket),
            _ => None,
        }
    }

    /// Returns the last milestone, and how long ago it was reached. Returns `None` before the function is called.
    pub(crate) fn latest(&self) -> Option<(Milestone, Duration)> {
        self.receive();
        let reached = self.timestamps()?.iter().zip(ALL).filter_map(|(time, one)| Some((one, since(time)?)));
        reached.last()
    }

    /// Returns how long the function has run, or ran.
    pub(crate) fn function_time(&self) -> Option<Duration> {
        self.receive();
        let [called, returned, ..] = self.timestamps()?.each_ref().map(|time| time.load(Ordering::Relaxed));
        let until = if returned > 0 { returned } else { now() };
        (called > 0).then(|| Duration::from_nanos(until.saturating_sub(called)))
    }

    /// Reads the messages of a job that was executed.
    fn receive(&self) {
        let Storage::Received(socket, times) = &self.0 else {
            return;
        };
        let mut messages = [0; MESSAGE * (ALL.len() + 2)];
        // Each is sent in one call, and is short enough to arrive whole.
        while let Ok((count @ 1.., _)) = rustix::net::recv(socket, &mut messages, RecvFlags::DONTWAIT) {
            for message in messages[..count].as_chunks::<MESSAGE>().0 {
                let [index, value @ ..] = *message;
                if let Some(slot) = times.get(usize::from(index)) {
                    slot.store(u64::from_ne_bytes(value), Ordering::Relaxed);
                }
            }
            if count < messages.len() {
                return;
            }
        }
    }

    fn timestamps(&self) -> Option<&Timestamps> {
        match &self.0 {
            // SAFETY: It is mapped as long as this exists, and any bytes are valid numbers.
            Storage::Shared(page) => Some(unsafe { &page.as_ref().times }),
            Storage::Received(_, times) => Some(times),
            Storage::Sent(..) | Storage::Missing => None,
        }
    }

    fn page(&self) -> Option<&Page> {
        match &self.0 {
            // SAFETY: As above.
            Storage::Shared(page) => Some(unsafe { page.as_ref() }),
            _ => None,
        }
    }
}

impl Drop for MilestoneTimes {
    fn drop(&mut self) {
        if let Storage::Shared(page) = self.0 {
            // SAFETY: This is the mapping, and nothing borrows from it any more.
            let _ = unsafe { munmap(page.as_ptr().cast(), SIZE) };
        }
    }
}

/// Returns whether a message has arrived after a millisecond, which stays there.
fn has_arrived_after_pause(socket: &OwnedFd) -> bool {
    let pause = libc::timespec { tv_sec: 0, tv_nsec: 1_000_000 };
    // SAFETY: The pointer is to a variable of this function, and the call writes nothing.
    unsafe { libc::nanosleep(&raw const pause, ptr::null_mut()) };
    rustix::net::recv(socket, &mut [0; 1], RecvFlags::DONTWAIT | RecvFlags::PEEK).is_ok()
}

/// Waits until this number isn't zero, at most for this time. Returns whether it is.
fn wait_until_set(number: &AtomicU32, limit: Duration) -> rustix::io::Result<bool> {
    let time = libc::timespec {
        tv_sec: libc::time_t::try_from(limit.as_secs()).unwrap_or(libc::time_t::MAX),
        tv_nsec: libc::c_long::from(i32::try_from(limit.subsec_nanos()).unwrap_or_default()),
    };
    // SAFETY: The pointers are to a number that is mapped and to a variable of this function, and the call writes nothing.
    let result = unsafe { libc::syscall(libc::SYS_futex, number.as_ptr(), libc::FUTEX_WAIT, 0, &raw const time) };
    // SAFETY: The pointer is always valid.
    let errno = unsafe { *libc::__errno_location() };
    match errno {
        _ if number.load(Ordering::Acquire) != 0 => Ok(true),
        libc::ETIMEDOUT | libc::EINTR => Ok(false),
        errno if result == -1 => Err(Errno::from_raw_os_error(errno)),
        _ => Ok(false),
    }
}

/// The length of a message: an index of [`Timestamps`], and what is stored there.
const MESSAGE: usize = 9;

fn now() -> u64 {
    u64::try_from(monotonic().as_nanos()).unwrap_or(u64::MAX)
}

/// Returns how long ago that was, if the milestone is reached.
fn since(time: &AtomicU64) -> Option<Duration> {
    let time = time.load(Ordering::Relaxed);
    (time > 0).then(|| Duration::from_nanos(now().saturating_sub(time)))
}

#[cfg(all(test, not(miri)))]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    fn reach_all(jobs: &MilestoneTimes, wardens: &MilestoneTimes) {
        assert!(wardens.latest().is_none() && wardens.function_time().is_none());
        let mut ran = Duration::ZERO;
        for milestone in ALL {
            jobs.record(milestone);
            assert!(matches!(wardens.latest(), Some((reached, _)) if reached == milestone));
            assert!(wardens.function_time() >= Some(ran));
            ran = wardens.function_time().expect("the function is called");
        }
    }

    #[test]
    fn the_warden_sees_what_the_job_reaches() {
        let (warden, job) = UnixStream::pair().expect("a socket pair");
        reach_all(&MilestoneTimes::sent(OwnedFd::from(job)), &MilestoneTimes::received(warden.into()));
        let mut shared = MilestoneTimes::shared();
        for _ in 0..2 {
            reach_all(&shared, &shared);
            shared.reset();
        }
    }

    #[test]
    fn a_crashed_process_waits_until_it_is_captured_or_its_time_is_over() {
        let (warden, job) = UnixStream::pair().expect("a socket pair");
        let (sent, received) = (MilestoneTimes::sent(OwnedFd::from(job)), MilestoneTimes::received(warden.into()));
        let mut shared = MilestoneTimes::shared();
        for (job, warden) in [(&sent, &received), (&shared, &shared)] {
            assert_eq!(warden.crashed_thread(), None);
            job.record_crash(u32::MAX);
            assert_eq!(warden.crashed_thread(), Some(u32::MAX));
            let begin = monotonic();
            job.wait_for_capture(Duration::from_millis(20));
            assert!(monotonic().saturating_sub(begin) >= Duration::from_millis(20));
            std::thread::scope(|scope| {
                let waits = scope.spawn(|| job.wait_for_capture(Duration::from_secs(600)));
                warden.report_captured();
                waits.join().expect("it returns");
            });
            // A thread that crashes later need not wait.
            job.wait_for_capture(Duration::from_secs(600));
        }
        shared.reset();
        let begin = monotonic();
        shared.wait_for_capture(Duration::from_millis(5));
        assert!(monotonic().saturating_sub(begin) >= Duration::from_millis(5));
        MilestoneTimes(Storage::Missing).wait_for_capture(Duration::from_secs(600));
    }

    #[test]
    fn nothing_is_sent_to_a_file_that_has_the_sockets_number() {
        let (warden, job) = UnixStream::pair().expect("a socket pair");
        let (_, other) = UnixStream::pair().expect("a socket pair");
        let other = identity(other.as_fd()).expect("a socket has one");
        MilestoneTimes(Storage::Sent(Arc::new(job.into()), other)).record(Milestone::Called);
        assert!(MilestoneTimes::received(warden.into()).latest().is_none());
    }
}
