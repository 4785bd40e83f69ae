//! `FrameReceiver`: receives what the parent sends while the function runs: the command to stop, and replies to requests.
//!
//! The stream is read only on demand. A query polls it without blocking. The first waiter starts a thread, which reads the
//! stream for all waiters.

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, ErrorKind, Read};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, TryLockError};
use std::task::{Context, Poll, Waker};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::clock::{Deadline, Stopwatch};
use crate::process::Incoming;
use crate::sync::{lock, unpoisoned};
use crate::wire::codec;
use crate::wire::frame::{Frame, FrameKind, FrameReader, ReadStep};

/// The minimum time between two reads of the stream, so that a job may query in its innermost loop.
const CHECK_INTERVAL: Duration = Duration::from_millis(1);

/// The interval at which a waiter polls if no thread could be started.
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// The receiver of the frames that follow the arguments.
pub(crate) struct FrameReceiver {
    is_cancelled: AtomicBool,
    read_half: Mutex<ReadHalf>,
    inbox: Mutex<Inbox>,
    wake_signal: Condvar,
    /// Whether the thread could be started, once one was needed.
    has_thread: OnceLock<bool>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// The receiving half of the data stream. Its reader holds the lock.
struct ReadHalf {
    frames: FrameReader,
    /// `None` once it is closed.
    incoming: Option<Incoming>,
    checked: Option<Stopwatch>,
    closed: bool,
}

/// What has arrived, and who waits for it.
#[derive(Default)]
struct Inbox {
    /// The tasks to wake when the job is asked to stop, or a message arrives, each with its key.
    wakers: Vec<(usize, Waker)>,
    next_key: usize,
    /// The replies that are waited for, each with the number of its request.
    replies: Vec<(u64, Option<Vec<u8>>)>,
    next_number: u64,
    /// The messages that were not received.
    messages: VecDeque<Vec<u8>>,
    /// Nothing more will arrive.
    is_closed: bool,
}

impl Inbox {
    /// Wakes the task when something arrives.
    fn register(&mut self, reader: StreamReader, key: &mut Option<usize>, context: &Context<'_>) {
        if reader == StreamReader::None {
            // Without a thread, the task must poll again.
            return context.waker().wake_by_ref();
        }
        let known = key.and_then(|key| self.wakers.iter_mut().find(|(other, _)| *other == key));
        if let Some((_, waker)) = known {
            waker.clone_from(context.waker());
        } else {
            let fresh = self.next_key;
            self.next_key += 1;
            self.wakers.push((fresh, context.waker().clone()));
            *key = Some(fresh);
        }
    }
}

impl FrameReceiver {
    pub(super) fn new(frames: FrameReader, incoming: Incoming) -> Self {
        Self {
            is_cancelled: AtomicBool::new(false),
            read_half: Mutex::new(ReadHalf { frames, incoming: Some(incoming), checked: None, closed: false }),
            inbox: Mutex::default(),
            wake_signal: Condvar::new(),
            has_thread: OnceLock::new(),
            thread: Mutex::default(),
        }
    }

    /// Returns whether the job was asked to stop.
    pub(crate) fn is_cancelled(&self) -> bool {
        if !self.is_cancelled.load(Ordering::Acquire) {
            self.check_stream();
        }
        self.is_cancelled.load(Ordering::Acquire)
    }

    /// Delivers what has arrived, unless that was done a moment ago.
    fn check_stream(&self) {
        let mut read_half = match self.read_half.try_lock() {
            Ok(read_half) => read_half,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            // The reader that holds the lock delivers it.
            Err(TryLockError::WouldBlock) => return,
        };
        if read_half.checked.is_some_and(|checked| checked.elapsed() < CHECK_INTERVAL) {
            return;
        }
        read_half.checked = Some(Stopwatch::start());
        read_half.read(ReadMode::NonBlocking, |frame| self.deliver(frame));
        let is_closed = read_half.closed;
        drop(read_half);
        if is_closed {
            self.close();
        }
    }

    /// Stores a frame, and wakes its waiters.
    fn deliver(&self, Frame { kind, payload }: Frame) {
        match kind {
            FrameKind::Stop => self.wake_all(),
            FrameKind::ExtensionReply | FrameKind::Answer => self.deliver_reply(payload),
            FrameKind::UserMessage => {
                let mut inbox = lock(&self.inbox);
                inbox.messages.push_back(payload);
                self.wake_tasks(inbox);
            }
            _ => {}
        }
    }

    fn deliver_reply(&self, payload: Vec<u8>) {
        // Every reply begins with the number of its request.
        let Ok(number) = codec::take::<u64>(&mut &payload[..]) else {
            return;
        };
        let mut inbox = lock(&self.inbox);
        if let Some((_, reply)) = inbox.replies.iter_mut().find(|(expected, _)| *expected == number) {
            *reply = Some(payload);
            drop(inbox);
            self.wake_signal.notify_all();
        }
    }

    /// Ends the waits for what can't arrive any more.
    fn close(&self) {
        let mut inbox = lock(&self.inbox);
        inbox.is_closed = true;
        self.wake_tasks(inbox);
    }

    /// Returns the number of a request that is about to be sent, and keeps its reply.
    pub(crate) fn expect_reply(&self) -> u64 {
        let mut inbox = lock(&self.inbox);
        inbox.next_number += 1;
        let number = inbox.next_number;
        inbox.replies.push((number, None));
        number
    }

    /// Blocks until the reply to a request arrives, the parent is gone or the deadline passes.
    pub(crate) fn wait_for_reply(&'static self, number: u64, deadline: Deadline) -> Option<Vec<u8>> {
        let reply = self.wait_for(deadline, |inbox| {
            let reply = inbox.replies.iter_mut().find(|(expected, _)| *expected == number)?.1.take();
            reply.map(Some).or_else(|| inbox.is_closed.then_some(None))
        });
        lock(&self.inbox).replies.retain(|(expected, _)| *expected != number);
        reply.flatten()
    }

    /// Blocks until `take` finds something or the deadline passes.
    fn wait_for<T>(&'static self, deadline: Deadline, mut take: impl FnMut(&mut Inbox) -> Option<T>) -> Option<T> {
        let has_thread = self.has_thread();
        loop {
            if !has_thread {
                self.check_stream();
            }
            let mut inbox = lock(&self.inbox);
            if let Some(taken) = take(&mut inbox) {
                return Some(taken);
            }
            let left = deadline.remaining();
            if left.is_some_and(|left| left.is_zero()) {
                return None;
            }
            let left = if has_thread { left } else { Some(left.map_or(POLL_INTERVAL, |left| left.min(POLL_INTERVAL))) };
            drop(match left {
                Some(left) => {
                    self.wake_signal.wait_timeout(inbox, left).map_or_else(|e| e.into_inner().0, |woken| woken.0)
                }
                None => unpoisoned(self.wake_signal.wait(inbox)),
            });
        }
    }

    /// Blocks until the job is asked to stop or the deadline passes. Returns whether it was asked.
    pub(crate) fn wait(&'static self, deadline: Deadline) -> bool {
        self.is_cancelled()
            || self.wait_for(deadline, |_| self.is_cancelled.load(Ordering::Acquire).then_some(())).is_some()
    }

    /// Returns whether the job was asked to stop; if not, wakes the task when it is. `key` identifies the task from one
    /// poll to the next.
    pub(crate) fn poll(&'static self, key: &mut Option<usize>, context: &Context<'_>) -> bool {
        let has_thread = self.has_thread();
        if self.is_cancelled() {
            return true;
        }
        let mut waiters = lock(&self.inbox);
        if self.is_cancelled.load(Ordering::Acquire) {
            return true;
        }
        waiters.register(has_thread.into(), key, context);
        false
    }

    /// Blocks until a message arrives, and returns it. Returns `None` after the deadline, and if none can arrive any more or
    /// the job was asked to stop.
    pub(crate) fn wait_for_message(&'static self, deadline: Deadline) -> Option<Vec<u8>> {
        // What has arrived counts, even if there is no time to wait.
        self.check_stream();
        let found = self.wait_for(deadline, |inbox| match self.message_or_end(inbox) {
            Poll::Ready(message) => Some(message),
            Poll::Pending => None,
        });
        found.flatten()
    }

    /// Returns the next message as [`wait_for_message`](Self::wait_for_message) does, or wakes the task when there is one.
    pub(crate) fn poll_message(&'static self, key: &mut Option<usize>, context: &Context<'_>) -> Poll<Option<Vec<u8>>> {
        let has_thread = self.has_thread();
        self.check_stream();
        let mut inbox = lock(&self.inbox);
        if let Poll::Ready(message) = self.message_or_end(&mut inbox) {
            return Poll::Ready(message);
        }
        inbox.register(has_thread.into(), key, context);
        Poll::Pending
    }

    /// Returns `Pending` if there is no message, but one may still arrive.
    fn message_or_end(&self, inbox: &mut Inbox) -> Poll<Option<Vec<u8>>> {
        let is_over = inbox.is_closed || self.is_cancelled.load(Ordering::Acquire);
        match inbox.messages.pop_front() {
            None if !is_over => Poll::Pending,
            message => Poll::Ready(message),
        }
    }

    /// Removes a task that waits no longer.
    pub(crate) fn forget(&self, key: usize) {
        lock(&self.inbox).wakers.retain(|(other, _)| *other != key);
    }

    /// Starts the thread, once. Returns whether there is one.
    fn has_thread(&'static self) -> bool {
        *self.has_thread.get_or_init(|| {
            let read = || {
                lock(&self.read_half).read(ReadMode::Blocking, |frame| self.deliver(frame));
                self.close();
            };
            let started = thread::Builder::new().name("scheduler".to_owned()).spawn(read).ok();
            let is_started = started.is_some();
            *lock(&self.thread) = started;
            is_started
        })
    }

    /// Closes the stream in this direction, once its other end is closed: the thread ends then.
    pub(super) fn close_stream(&self) {
        if let Some(thread) = lock(&self.thread).take() {
            // It panics only if a task's waker does.
            let _ = thread.join();
        }
        let mut read_half = lock(&self.read_half);
        read_half.closed = true;
        read_half.incoming = None;
        // The rest is small, and stays: the run of each call is kept.
        read_half.frames = FrameReader::learning_mark(0);
        drop(read_half);
        self.close();
    }

    fn wake_all(&self) {
        let inbox = lock(&self.inbox);
        self.is_cancelled.store(true, Ordering::Release);
        self.wake_tasks(inbox);
    }

    /// Wakes every waiting thread and task, which look for themselves what has arrived.
    fn wake_tasks(&self, mut inbox: MutexGuard<'_, Inbox>) {
        let wakers = std::mem::take(&mut inbox.wakers);
        drop(inbox);
        self.wake_signal.notify_all();
        for (_, waker) in wakers {
            waker.wake();
        }
    }
}

impl fmt::Debug for FrameReceiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FrameReceiver").field("is_cancelled", &self.is_cancelled).finish_non_exhaustive()
    }
}

/// Whether a thread reads the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum StreamReader {
    Thread,
    None,
}

impl From<bool> for StreamReader {
    fn from(has_thread: bool) -> Self {
        if has_thread { Self::Thread } else { Self::None }
    }
}

/// How to read the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ReadMode {
    /// Reads what is available.
    NonBlocking,
    /// Reads until the end of the stream.
    Blocking,
}

impl ReadHalf {
    /// Reads frames, and passes them on.
    fn read(&mut self, mode: ReadMode, deliver: impl Fn(Frame)) {
        while !self.closed
            && let Some(incoming) = &mut self.incoming
        {
            let mut stream = ModeReader(incoming, mode);
            match self.frames.read(&mut stream) {
                Ok(ReadStep::Frame(frame)) => deliver(frame),
                Ok(ReadStep::Partial) => {}
                Ok(ReadStep::WouldBlock) => return,
                // The parent is gone, and this process will be killed; or the job has closed the stream.
                Ok(ReadStep::End) | Err(_) => self.closed = true,
            }
        }
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
