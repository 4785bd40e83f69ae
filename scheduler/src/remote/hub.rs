//! `Hub`: the thread that opens slots, gives them runs and hears what becomes of these, for all lists and handles of a scheduler.

use std::io;
use std::mem;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use super::engine::Engine;
use super::hub_command::{HubCommand, HubSettings};
use super::slots::HubSlots;
use crate::process::LoopWaker;
use crate::sync::lock;

/// The handle to the thread. Dropping it closes the slots, and waits until no client is left.
#[derive(Debug)]
pub(super) struct Hub {
    inbox: Arc<HubInbox>,
    thread: Option<JoinHandle<()>>,
}

/// What was sent to the thread.
#[derive(Debug)]
struct HubInbox {
    commands: Mutex<Vec<HubCommand>>,
    waker: LoopWaker,
}

impl Hub {
    /// Starts the thread.
    pub(super) fn start(engine: Arc<dyn Engine>, settings: HubSettings) -> io::Result<Self> {
        let inbox = Arc::new(HubInbox { commands: Mutex::default(), waker: LoopWaker::new()? });
        let shared = Arc::clone(&inbox);
        let run = move || {
            let mut slots = HubSlots::new(engine, settings);
            while !slots.are_closed() {
                // First: a later command wakes the thread once more.
                if shared.waker.is_woken() {
                    shared.waker.reset();
                }
                let commands = mem::take(&mut *lock(&shared.commands));
                for command in commands {
                    slots.handle(command);
                }
                slots.dispatch();
                if !slots.are_closed() {
                    slots.advance(&shared.waker);
                }
            }
        };
        let thread = thread::Builder::new().name("scheduler-slots".to_owned()).spawn(run)?;
        Ok(Self { inbox, thread: Some(thread) })
    }

    pub(super) fn send(&self, command: HubCommand) {
        lock(&self.inbox.commands).push(command);
        self.inbox.waker.wake();
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.send(HubCommand::Close);
        if let Some(thread) = self.thread.take() {
            // A thread that has panicked has dropped its clients, whose agents end with their input.
            let _ = thread.join();
        }
    }
}
