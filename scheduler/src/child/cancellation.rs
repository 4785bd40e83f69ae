//! `CancelSource`: how a job hears that it is asked to end.
//!
//! Nothing listens until somebody wants to know. Who asks just whether it was said looks at the stream, and goes on. Who
//! waits for it has a thread started, which reads the stream for all that wait.

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

/// How long an answer to whether the job was asked stands until the stream is looked at again, lest a job that asks in its
/// innermost loop does nothing else.
const CHECK_INTERVAL: Duration = Duration::from_millis(1);

/// How long those wait who must look themselves, as no thread could be started for them.
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// Hears what the parent says after the arguments.
pub(crate) struct CancelSource {
    is_cancelled: AtomicBool,
    read_half: Mutex<ReadHalf>,
    /// Those that are to be woken, each with a key of its own.
    waiting: Mutex<Waiting>,
    wake_signal: Condvar,
    /// Whether there is a thread that listens, once one was wanted.
    has_thread: OnceLock<bool>,
}

/// The stream, and who reads it has the lock on it.
struct ReadHalf {
    frames: FrameReader,
    incoming: Incoming,
    checked: Option<Stopwatch>,
    closed: bool,
}

#[derive(Default)]
struct Waiting {
    wakers: Vec<(usize, Waker)>,
    next: usize,
}

impl CancelSource {
    pub(super) fn new(frames: FrameReader, incoming: Incoming) -> Self {
        Self {
            is_cancelled: AtomicBool::new(false),
            read_half: Mutex::new(ReadHalf { frames, incoming, checked: None, closed: false }),
            waiting: Mutex::default(),
            wake_signal: Condvar::new(),
            has_thread: OnceLock::new(),
        }
    }

    /// Says whether the job was asked to end.
    pub(crate) fn is_cancelled(&self) -> bool {
        if self.is_cancelled.load(Ordering::Acquire) {
            return true;
        }
        let read_half = match self.read_half.try_lock() {
            Ok(read_half) => read_half,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            // Whoever has it will tell.
            Err(TryLockError::WouldBlock) => return self.is_cancelled.load(Ordering::Acquire),
        };
        self.check_stream(read_half)
    }

    fn check_stream(&self, mut read_half: MutexGuard<'_, ReadHalf>) -> bool {
        if read_half.checked.is_some_and(|checked| checked.elapsed() < CHECK_INTERVAL) {
            return false;
        }
        read_half.checked = Some(Stopwatch::start());
        let is_asked = read_half.poll_stop(ReadMode::NonBlocking);
        if is_asked {
            self.wake_all();
        }
        is_asked
    }

    /// Returns once the job was asked to end, or the deadline has passed; whether it was asked.
    pub(crate) fn wait(&'static self, deadline: Deadline) -> bool {
        let has_thread = self.has_thread();
        loop {
            if self.is_cancelled() {
                return true;
            }
            let waiting = lock(&self.waiting);
            // It may have been told while the lock was open.
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
                    self.wake_signal.wait_timeout(waiting, left).map_or_else(|e| e.into_inner().0, |woken| woken.0)
                }
                None => unpoisoned(self.wake_signal.wait(waiting)),
            });
        }
    }

    /// Says whether the job was asked to end; if not, the task is woken when it is. `key` is where the task is known from
    /// one time to the next.
    pub(crate) fn poll(&'static self, key: &mut Option<usize>, context: &Context<'_>) -> bool {
        let has_thread = self.has_thread();
        if self.is_cancelled() {
            return true;
        }
        let mut waiting = lock(&self.waiting);
        if self.is_cancelled.load(Ordering::Acquire) {
            return true;
        }
        if !has_thread {
            // The only way to look again.
            context.waker().wake_by_ref();
            return false;
        }
        let known = key.and_then(|key| waiting.wakers.iter_mut().find(|(other, _)| *other == key));
        if let Some((_, waker)) = known {
            waker.clone_from(context.waker());
        } else {
            let fresh = waiting.next;
            waiting.next += 1;
            waiting.wakers.push((fresh, context.waker().clone()));
            *key = Some(fresh);
        }
        false
    }

    /// Forgets a task that waits no longer.
    pub(crate) fn forget(&self, key: usize) {
        lock(&self.waiting).wakers.retain(|(other, _)| *other != key);
    }

    /// Has a thread listen, if one can be had.
    fn has_thread(&'static self) -> bool {
        *self.has_thread.get_or_init(|| {
            let listen = || {
                let mut read_half = lock(&self.read_half);
                if read_half.poll_stop(ReadMode::Blocking) {
                    drop(read_half);
                    self.wake_all();
                }
            };
            thread::Builder::new().name("scheduler".to_owned()).spawn(listen).is_ok()
        })
    }

    fn wake_all(&self) {
        let mut waiting = lock(&self.waiting);
        self.is_cancelled.store(true, Ordering::Release);
        let wakers = std::mem::take(&mut waiting.wakers);
        drop(waiting);
        self.wake_signal.notify_all();
        for (_, waker) in wakers {
            waker.wake();
        }
    }
}

impl fmt::Debug for CancelSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener").field("was_asked", &self.is_cancelled).finish_non_exhaustive()
    }
}

/// How long to listen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ReadMode {
    /// As long as there is something to hear.
    NonBlocking,
    /// Until the job is asked.
    Blocking,
}

impl ReadHalf {
    /// Says whether the job was asked to end.
    fn poll_stop(&mut self, mode: ReadMode) -> bool {
        while !self.closed {
            let mut stream = ModeReader(&mut self.incoming, mode);
            match self.frames.read(&mut stream) {
                Ok(ReadStep::Frame(Frame { kind: FrameKind::Stop, .. })) => return true,
                Ok(ReadStep::Frame(_) | ReadStep::Partial) => {}
                Ok(ReadStep::WouldBlock) => return false,
                // The parent is gone, and whoever watches over this process ends it; or the job has closed the stream.
                Ok(ReadStep::End) | Err(_) => self.closed = true,
            }
        }
        false
    }
}

/// The stream, read with so much patience.
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
