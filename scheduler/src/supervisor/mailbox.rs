//! `Mailbox`: the commands that other threads send to an event loop.

use std::io;
use std::mem;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
#[cfg(feature = "remote")]
use std::time::Duration;

use super::job_spec::JobSpec;
use super::queue::QueueKey;
#[cfg(feature = "remote")]
use super::remote_event::{RemoteEvent, RemoteId};
use super::state_machine::StopMode;
#[cfg(feature = "remote")]
use super::state_machine::StopReason;
use crate::process::{LoopWaker, Origin};
use crate::sync::lock;

/// One loop reads it, any thread may send to it.
#[derive(Debug)]
pub(crate) struct Mailbox {
    waker: Arc<LoopWaker>,
    pending: Mutex<PendingCommands>,
    /// The loop starts no further job.
    has_stopped: AtomicBool,
    origin: Origin,
}

#[derive(Debug)]
struct PendingCommands {
    is_closed: bool,
    commands: Vec<LoopCommand>,
}

/// A command to an event loop.
#[derive(Debug)]
pub(crate) enum LoopCommand {
    /// Run one more job; its events bear the key's number.
    Submit(QueueKey, Box<JobSpec>),
    /// Cancel this job.
    Cancel(QueueKey, StopMode),
    /// No more jobs will be submitted.
    Close,
    /// Send a job the answer to its question, or why there is none.
    Answer(Asking, Result<Vec<u8>, String>),
    /// Send this job what its handle has added to its messages.
    SendMessages(QueueKey),
    /// Something has happened to the run of this job that has this id.
    #[cfg(feature = "remote")]
    Remote(usize, RemoteId, Box<RemoteEvent>),
    /// Stop this job, for a reason that isn't its own.
    #[cfg(feature = "remote")]
    StopRun(QueueKey, StopReason, StopMode),
    /// The jobs may live until this time since the machine's start.
    #[cfg(feature = "remote")]
    Renew(Duration),
    /// Start no further job, and let those that run finish.
    Stop,
    /// Start no further job, and cancel those that run.
    CancelAll(StopMode),
}

/// Where an answer goes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asking {
    pub(super) key: QueueKey,
    /// An answer for an attempt that has ended is dropped.
    pub(super) attempt: u32,
    /// The number of the request.
    pub(super) number: u64,
}

impl Mailbox {
    pub(crate) fn new() -> io::Result<Self> {
        let pending = Mutex::new(PendingCommands { is_closed: false, commands: Vec::new() });
        let (waker, has_stopped) = (Arc::new(LoopWaker::new()?), AtomicBool::new(false));
        Ok(Self { waker, pending, has_stopped, origin: Origin::here() })
    }

    /// Sends a command to the loop, and wakes it if it waits.
    ///
    /// # Errors
    ///
    /// Gives the command back if the loop has exited, or if this process is a fork of the one that runs it.
    pub(crate) fn send(&self, command: LoopCommand) -> Result<(), LoopCommand> {
        if !self.origin.is_here() {
            return Err(command);
        }
        let mut pending = lock(&self.pending);
        if pending.is_closed {
            return Err(command);
        }
        pending.commands.push(command);
        drop(pending);
        self.waker.wake();
        Ok(())
    }

    /// Returns whether a command was sent since [`take`](Self::take). Costs one atomic load.
    pub(super) fn has_pending(&self) -> bool {
        self.waker.is_woken()
    }

    /// Removes and returns the commands.
    pub(super) fn take(&self) -> Vec<LoopCommand> {
        // First: the sender of a later command wakes the loop once more.
        self.waker.reset();
        mem::take(&mut lock(&self.pending).commands)
    }

    /// Refuses further commands, unless some were sent and not taken. Returns whether it is closed.
    pub(super) fn close_if_empty(&self) -> bool {
        let mut pending = lock(&self.pending);
        pending.is_closed |= pending.commands.is_empty();
        pending.is_closed
    }

    /// Refuses further commands, and drops those that were not taken.
    pub(super) fn close(&self) {
        let mut pending = lock(&self.pending);
        pending.is_closed = true;
        pending.commands.clear();
    }

    /// Reports to the senders that no further job starts.
    pub(super) fn mark_stopped(&self) {
        self.has_stopped.store(true, Ordering::Release);
    }

    /// Returns whether the loop starts no further job.
    pub(super) fn has_stopped(&self) -> bool {
        self.has_stopped.load(Ordering::Acquire)
    }

    pub(super) fn waker(&self) -> &Arc<LoopWaker> {
        &self.waker
    }
}
