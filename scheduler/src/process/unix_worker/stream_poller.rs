//! `StreamPoller`: waits for any of many streams, of which most are idle.

use std::collections::HashMap;
use std::os::fd::{AsRawFd as _, BorrowedFd, RawFd};

use rustix::event::PollFlags;

use super::poller::KernelQueue;
use crate::clock::Deadline;
use crate::process::unix::poll::{self, Awaited};
use crate::process::unix::{Client, ClientStream, LoopWaker};

/// Streams that are registered with the kernel where it has a queue for that, and polled elsewhere. Each has a token, which is never
/// used twice.
#[derive(Debug)]
pub(crate) struct ManyStreams<Q> {
    queue: Option<Q>,
    registered: HashMap<u64, (RawFd, PollFlags)>,
}

/// It waits for no stream, and gets none.
impl<Q> Default for ManyStreams<Q> {
    fn default() -> Self {
        Self { queue: None, registered: HashMap::new() }
    }
}

impl<Q: KernelQueue> ManyStreams<Q> {
    pub(crate) fn new() -> Self {
        Self { queue: Q::open().ok(), registered: HashMap::new() }
    }

    /// Waits for an open stream of a client from now on: until there is something to read, or room to write.
    pub(crate) fn add(&mut self, token: u64, client: &Client, stream: ClientStream) {
        let events = if stream == ClientStream::Input { PollFlags::OUT } else { PollFlags::IN };
        let Some(stream) = client.stream(stream) else { return };
        let awaited = Awaited::new(&stream, events);
        if self.queue.as_mut().is_some_and(|queue| queue.add(token, awaited).is_err()) {
            // The limit of the kernel is reached: all of them are polled.
            self.queue = None;
        }
        self.registered.insert(token, (stream.as_raw_fd(), events));
    }

    /// Doesn't wait for it any more. Call it before the stream is closed.
    pub(crate) fn remove(&mut self, token: u64) {
        if let (Some((number, _)), Some(queue)) = (self.registered.remove(&token), &mut self.queue) {
            queue.remove(token, number);
        }
    }

    /// Waits until a stream is ready, the waker is set or the deadline has passed, and returns the tokens of those that are ready.
    pub(crate) fn wait(&mut self, waker: &LoopWaker, deadline: Deadline) -> Vec<u64> {
        let mut fds = vec![waker.interest().poll_fd()];
        let tokens: Vec<u64> = match &self.queue {
            Some(queue) => {
                fds.push(Awaited::new(queue, PollFlags::IN).poll_fd());
                Vec::new()
            }
            None => self.polled(&mut fds),
        };
        if poll::poll(&mut fds, deadline).is_err() {
            poll::pause();
            return self.registered.keys().copied().collect();
        }
        if !fds[0].revents().is_empty() {
            waker.mark_woken();
        }
        if let Some(queue) = &self.queue {
            return if fds[1].revents().is_empty() { Vec::new() } else { queue.ready().unwrap_or_default() };
        }
        let ready = tokens.into_iter().zip(&fds[1..]).filter(|(_, fd)| !fd.revents().is_empty());
        ready.map(|(token, _)| token).collect()
    }

    /// Adds all streams to those that are polled, and returns their tokens.
    #[expect(unsafe_code, reason = "a registered stream is known by its number")]
    fn polled<'a>(&self, fds: &mut Vec<rustix::event::PollFd<'a>>) -> Vec<u64> {
        let mut tokens = Vec::new();
        for (token, (number, events)) in &self.registered {
            // SAFETY: A stream is removed before it is closed.
            let stream: BorrowedFd<'a> = unsafe { BorrowedFd::borrow_raw(*number) };
            fds.push(rustix::event::PollFd::from_borrowed_fd(stream, *events));
            tokens.push(*token);
        }
        tokens
    }
}
