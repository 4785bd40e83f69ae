//! `AgentLink`: what an agent sends, from the thread that reads the application's messages and from that of the event loop.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::frame::{BANNER, MessageKind, Session};
use super::outbox::Outbox;
use crate::clock::Deadline;
use crate::process::{AgentOutput, LoopWaker};
use crate::sync::lock;

/// How long an event may wait for others: an outcome that follows soon leaves in the same piece. Two small pieces in a row take 40 ms
/// over some links, since the second one waits for the acknowledgement of the first.
const COALESCING: Duration = Duration::from_millis(10);

/// When a message is to leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Urgency {
    Now,
    /// With the next one that is urgent, or after [`COALESCING`].
    Soon,
}

/// The way to the application.
#[derive(Debug)]
pub(super) struct AgentLink {
    sending: Mutex<Sending>,
    output: AgentOutput,
    /// Wakes the thread that waits for the application.
    waker: LoopWaker,
}

#[derive(Debug)]
struct Sending {
    outbox: Outbox,
    /// When what waits is to leave.
    due: Deadline,
    /// The stream is full.
    is_full: bool,
    failure: Option<io::Error>,
}

impl AgentLink {
    pub(super) fn new(output: AgentOutput) -> io::Result<Self> {
        let mut outbox = Outbox::default();
        outbox.push_bytes(BANNER);
        let sending = Sending { outbox, due: Deadline::NEVER, is_full: false, failure: None };
        Ok(Self { sending: Mutex::new(sending), output, waker: LoopWaker::new()? })
    }

    pub(super) fn set_session(&self, session: Session) {
        lock(&self.sending).outbox.set_session(session);
    }

    /// Sends a message, as far as the stream has room; the other thread sends the rest.
    pub(super) fn send(&self, kind: MessageKind, run: u64, payload: impl Into<Arc<Vec<u8>>>, urgency: Urgency) {
        let mut sending = lock(&self.sending);
        sending.outbox.push(kind, run, payload);
        match urgency {
            Urgency::Now => self.write(&mut sending),
            Urgency::Soon if sending.due == Deadline::NEVER => sending.due = Deadline::after(COALESCING),
            Urgency::Soon => return,
        }
        let must_wake = sending.is_full || sending.failure.is_some() || urgency == Urgency::Soon;
        drop(sending);
        if must_wake {
            self.waker.wake();
        }
    }

    fn write(&self, sending: &mut Sending) {
        sending.due = Deadline::NEVER;
        match sending.outbox.write(&mut &self.output) {
            Ok(is_empty) => sending.is_full = !is_empty,
            Err(error) => sending.failure = Some(error),
        }
    }

    /// Sends what is due, and what the stream had no room for.
    ///
    /// # Errors
    ///
    /// Fails if the stream does.
    pub(super) fn send_due(&self) -> io::Result<()> {
        let mut sending = lock(&self.sending);
        if sending.is_full || sending.due.is_past() {
            self.write(&mut sending);
        }
        sending.failure.take().map_or(Ok(()), Err)
    }

    /// Returns when [`send_due`](Self::send_due) is to be called.
    pub(super) fn due(&self) -> Deadline {
        lock(&self.sending).due
    }

    /// Returns the stream if it is full.
    pub(super) fn full(&self) -> Option<&AgentOutput> {
        lock(&self.sending).is_full.then_some(&self.output)
    }

    pub(super) fn waker(&self) -> &LoopWaker {
        &self.waker
    }

    /// Returns whether all was sent.
    pub(super) fn is_empty(&self) -> bool {
        lock(&self.sending).outbox.is_empty()
    }
}
