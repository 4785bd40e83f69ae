//! `Inbox`: what others say to the loop that supervises runs, while it waits for those.

use std::io;
use std::sync::{Mutex, PoisonError};

use crate::process::Doorbell;

/// It is read by one loop, and written to from any thread.
#[derive(Debug)]
pub(crate) struct Inbox {
    doorbell: Doorbell,
    words: Mutex<Vec<Instruction>>,
}

/// What can be said to a loop.
#[derive(Debug)]
pub(crate) enum Instruction {
    /// No further job is to be started; those that run go on to their ends.
    Stop,
    /// The same, and the time of those that run is over.
    Abandon,
}

impl Inbox {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self { doorbell: Doorbell::new()?, words: Mutex::default() })
    }

    /// Has the loop hear of it, at once if it waits.
    pub(crate) fn say(&self, instruction: Instruction) {
        self.words.lock().unwrap_or_else(PoisonError::into_inner).push(instruction);
        self.doorbell.ring();
    }

    /// Says whether something was said since [`take`](Self::take), for the price of a look at memory.
    pub(super) fn has_words(&self) -> bool {
        self.doorbell.is_rung()
    }

    /// Returns what was said.
    pub(super) fn take(&self) -> Vec<Instruction> {
        // Before the words are taken: who says something later rings later.
        self.doorbell.hush();
        std::mem::take(&mut *self.words.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn doorbell(&self) -> &Doorbell {
        &self.doorbell
    }
}
