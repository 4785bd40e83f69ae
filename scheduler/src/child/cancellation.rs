//! `CancelSource`: receives the command to stop, in the job's process.
//!
//! The stream is read only on demand. A query polls it without blocking. The first waiter starts a thread, which reads the
//! stream for all waiters.

use std::fmt;
use std::io::{self, ErrorKind, Read};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, TryLockError};
use std::task::{Context, Waker};
use std::thread;
use std::time::Duration;

use crate::clock::{Deadline, Stopwatch};
use crate::process::Incoming;
use crate::sync::{lock, unpoisoned};
use crate::wire::frame::{Frame, FrameKind, FrameReader, ReadStep};

/// The minimum time between two reads of the stream, so that a job may query in its innermost loop.
const CHECK_INTERVAL: Duration = Duration::from_millis(1);

/// The interval at which a waiter polls if no thread could be started.
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// The receiver of the frames that follow the arguments.
pub(crate) struct CancelSource {
    is_cancelled: AtomicBool,
    read_half: Mutex<ReadHalf>,
    waiters: Mutex<Waiters>,
    wake_signal: Condvar,
    /// Whether the thread could be started, once one was needed.
    has_thread: OnceLock<bool>,
}

/// The receiving half of the data stream. Its reader holds the lock.
struct ReadHalf {
    frames: FrameReader,
    incoming: Incoming,
    checked: Option<Stopwatch>,
    closed: bool,
}

#[derive(Default)]
struct Waiters {
    /// The tasks to wake, each with its key.
    wakers: Vec<(usize, Waker)>,
    next_key: usize,
}

impl CancelSource {
    pub(super) fn new(frames: FrameReader, incoming: Incoming) -> Self {
        Self {
            is_cancelled: AtomicBool::new(false),
            read_half: Mutex::new(ReadHalf { frames, incoming, checked: None, closed: false }),
            waiters: Mutex::default(),
            wake_signal: Condvar::new(),
            has_thread: OnceLock::new(),
        }
    }

    /// Returns whether the job was asked to stop.
    pub(crate) fn is_cancelled(&self) -> bool {
        if self.is_cancelled.load(Ordering::Acquire) {
            return true;
        }
        let read_half = match self.read_half.try_lock() {
            Ok(read_half) => read_half,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            // The reader that holds the lock sets it.
            Err(TryLockError::WouldBlock) => return self.is_cancelled.load(Ordering::Acquire),
        };
        self.check_stream(read_half)
    }

    fn check_stream(&self, mut read_half: MutexGuard<'_, ReadHalf>) -> bool {
        if read_half.checked.is_some_and(|checked| checked.elapsed() < CHECK_INTERVAL) {
            return false;
        }
        read_half.checked = Some(Stopwatch::start());
        let is_stopped = read_half.poll_stop(ReadMode::NonBlocking);
        if is_stopped {
            self.wake_all();
        }
        is_stopped
    }

    /// Blocks until the job is asked to stop or the deadline passes. Returns whether it was asked.
    pub(crate) fn wait(&'static self, deadline: Deadline) -> bool {
        let has_thread = self.has_thread();
        loop {
            if self.is_cancelled() {
                return true;
            }
            let waiters = lock(&self.waiters);
            // The command may have arrived before the lock was taken.
            if self.is_cancelled.load(Ordering::Acquire) {
                return true;
            }
            let left = deadline.remaining();
            if left.is_some_and(|left| left.is_zero()) {
                return false;
            }
            let left = if has_thread { left } else { Some(left.map_or(POLL_INTERVAL, |left| left.min(POLL_INTERVAL))) };
            drop(match left {
                Some(left) => {
                    self.wake_signal.wait_timeout(waiters, left).map_or_else(|e| e.into_inner().0, |woken| woken.0)
                }
                None => unpoisoned(self.wake_signal.wait(waiters)),
            });
        }
    }

    /// Returns whether the job was asked to stop; if not, wakes the task when it is. `key` identifies the task from one
    /// poll to the next.
    pub(crate) fn poll(&'static self, key: &mut Option<usize>, context: &Context<'_>) -> bool {
        let has_thread = self.has_thread();
        if self.is_cancelled() {
            return true;
        }
        let mut waiters = lock(&self.waiters);
        if self.is_cancelled.load(Ordering::Acquire) {
            return true;
        }
        if !has_thread {
            // Without a thread, the task must poll again.
            context.waker().wake_by_ref();
            return false;
        }
        let known = key.and_then(|key| waiters.wakers.iter_mut().find(|(other, _)| *other == key));
        if let Some((_, waker)) = known {
            waker.clone_from(context.waker());
        } else {
            let fresh = waiters.next_key;
            waiters.next_key += 1;
            waiters.wakers.push((fresh, context.waker().clone()));
            *key = Some(fresh);
        }
        false
    }

    /// Removes a task that waits no longer.
    pub(crate) fn forget(&self, key: usize) {
        lock(&self.waiters).wakers.retain(|(other, _)| *other != key);
    }

    /// Starts the thread, once. Returns whether there is one.
    fn has_thread(&'static self) -> bool {
        *self.has_thread.get_or_init(|| {
            let read = || {
                let mut read_half = lock(&self.read_half);
                if read_half.poll_stop(ReadMode::Blocking) {
                    drop(read_half);
                    self.wake_all();
                }
            };
            thread::Builder::new().name("scheduler".to_owned()).spawn(read).is_ok()
        })
    }

    fn wake_all(&self) {
        let mut waiters = lock(&self.waiters);
        self.is_cancelled.store(true, Ordering::Release);
        let wakers = std::mem::take(&mut waiters.wakers);
        drop(waiters);
        self.wake_signal.notify_all();
        for (_, waker) in wakers {
            waker.wake();
        }
    }
}

impl fmt::Debug for CancelSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancelSource").field("is_cancelled", &self.is_cancelled).finish_non_exhaustive()
    }
}

/// How to read the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ReadMode {
    /// Reads what is available.
    NonBlocking,
    /// Reads until the command arrives.
    Blocking,
}

impl ReadHalf {
    /// Reads frames, and returns whether one was the stop command.
    fn poll_stop(&mut self, mode: ReadMode) -> bool {
        while !self.closed {
            let mut stream = ModeReader(&mut self.incoming, mode);
            match self.frames.read(&mut stream) {
                Ok(ReadStep::Frame(Frame { kind: FrameKind::Stop, .. })) => return true,
                Ok(ReadStep::Frame(_) | ReadStep::Partial) => {}
                Ok(ReadStep::WouldBlock) => return false,
                // The parent is gone, and this process will be killed; or the job has closed the stream.
                Ok(ReadStep::End) | Err(_) => self.closed = true,
            }
        }
        false
    }
}

/// The stream, read in one of the modes.
struct ModeReader<'a>(&'a mut Incoming, ReadMode);

impl Read for ModeReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Self(incoming, mode) = self;
        incoming.check()?;
        if *mode == ReadMode::Blocking || incoming.is_ready() {
            incoming.read(buffer)
        } else {
            Err(ErrorKind::WouldBlock.into())
        }
    }
}
