//! `Mailbox`: what others say to the loop that supervises runs, while it waits for those.

use std::io;
use std::mem;
use std::sync::{Mutex, MutexGuard};

use super::job_spec::JobSpec;
use super::queue::QueueKey;
use crate::process::{LoopWaker, Origin};
use crate::sync::lock;

/// It is read by one loop, and written to from any thread.
#[derive(Debug)]
pub(crate) struct Mailbox {
    waker: LoopWaker,
    words: Mutex<Words>,
    origin: Origin,
}

#[derive(Debug)]
struct Words {
    /// Nobody reads them any more.
    closed: bool,
    instructions: Vec<Command>,
}

/// What can be said to a loop.
#[derive(Debug)]
pub(crate) enum Command {
    /// One more order, to be told of by the ticket's number.
    Take(QueueKey, Box<JobSpec>),
    /// That order is given up.
    End(QueueKey, StopMode),
    /// No further job is to be started; those that run go on to their ends.
    Stop,
    /// No further job is to be started, and those that run are ended.
    EndAll(StopMode),
}

/// How a job that runs is ended. One that waits is just not started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StopMode {
    /// It is asked to, and has its grace period.
    Graceful,
    /// It is killed at once.
    Immediate,
}

impl Mailbox {
    pub(crate) fn new() -> io::Result<Self> {
        let words = Mutex::new(Words { closed: false, instructions: Vec::new() });
        Ok(Self { waker: LoopWaker::new()?, words, origin: Origin::here() })
    }

    /// Has the loop hear of it, at once if it waits.
    ///
    /// # Errors
    ///
    /// Gives the instruction back if there is no loop any more that could follow it, or none in this process, which is a fork
    /// of the one that has it.
    pub(crate) fn say(&self, command: Command) -> Result<(), Command> {
        if !self.origin.is_here() {
            return Err(command);
        }
        let mut words = self.words();
        if words.closed {
            return Err(command);
        }
        words.instructions.push(command);
        drop(words);
        self.waker.ring();
        Ok(())
    }

    /// Says whether something was said since [`take`](Self::take), for the price of a look at memory.
    pub(super) fn has_words(&self) -> bool {
        self.waker.is_rung()
    }

    /// Returns what was said.
    pub(super) fn take(&self) -> Vec<Command> {
        // Before the words are taken: who says something later rings later.
        self.waker.hush();
        mem::take(&mut self.words().instructions)
    }

    /// Takes no more from here on, unless something has been said that was not taken.
    pub(super) fn close_if_empty(&self) -> bool {
        let mut words = self.words();
        words.closed |= words.instructions.is_empty();
        words.closed
    }

    /// Takes no more from here on, and forgets what was said.
    pub(super) fn close(&self) {
        let mut words = self.words();
        words.closed = true;
        words.instructions.clear();
    }

    pub(super) fn waker(&self) -> &LoopWaker {
        &self.waker
    }

    fn words(&self) -> MutexGuard<'_, Words> {
        lock(&self.words)
    }
}
