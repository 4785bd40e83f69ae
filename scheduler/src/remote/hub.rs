//! `Hub`: the thread that opens slots, gives them runs and hears what becomes of these, for all lists and handles of a scheduler.
//!
//! A run for which a slot is idle is sent by the thread that submits it, which saves the way through this one.

use std::io;
use std::mem;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use super::engine::Engine;
use super::hub_command::{HubCommand, HubSettings};
use super::slots::{HubSlots, Sent};
use crate::clock::Deadline;
use crate::process::LoopWaker;
use crate::supervisor::RemoteOrder;
use crate::sync::lock;

/// The handle to the thread. Dropping it closes the slots, and waits until no client is left.
#[derive(Debug)]
pub(super) struct Hub {
    shared: Arc<HubShared>,
    thread: Option<JoinHandle<()>>,
}

/// What the thread shares with those that send to it.
#[derive(Debug)]
struct HubShared {
    /// The thread has them, but while it waits.
    slots: Mutex<HubSlots>,
    /// What was sent to the thread.
    commands: Mutex<Vec<HubCommand>>,
    waker: LoopWaker,
}

impl Hub {
    /// Starts the thread.
    pub(super) fn start(engine: Arc<dyn Engine>, settings: HubSettings) -> io::Result<Self> {
        let slots = Mutex::new(HubSlots::new(engine, settings));
        let shared = Arc::new(HubShared { slots, commands: Mutex::default(), waker: LoopWaker::new()? });
        let own = Arc::clone(&shared);
        let run = move || while own.step().is_continue() {};
        let thread = thread::Builder::new().name("scheduler-slots".to_owned()).spawn(run)?;
        Ok(Self { shared, thread: Some(thread) })
    }

    pub(super) fn send(&self, command: HubCommand) {
        lock(&self.shared.commands).push(command);
        self.shared.waker.wake();
    }

    /// Gives a run to an idle slot, or to the thread if that is busy, or has to do something about it.
    pub(super) fn submit(&self, order: Box<RemoteOrder>) {
        // An earlier run that the thread has not yet seen is not overtaken.
        let is_next = lock(&self.shared.commands).is_empty();
        let sent = match self.shared.slots.try_lock() {
            Ok(mut slots) if is_next => slots.assign_at_once(order),
            _ => Err(order),
        };
        match sent {
            Ok(Sent::Wholly) => {}
            Ok(Sent::Partly) => self.shared.waker.wake(),
            Err(order) => self.send(HubCommand::Submit(order)),
        }
    }
}

impl HubShared {
    /// Handles what was sent, waits until something has happened, and handles that.
    fn step(&self) -> ControlFlow<()> {
        // First: a later command wakes the thread once more.
        if self.waker.is_woken() {
            self.waker.reset();
        }
        let commands = mem::take(&mut *lock(&self.commands));
        let mut slots = lock(&self.slots);
        for command in commands {
            slots.handle(command);
        }
        let now = Deadline::now();
        slots.dispatch(now);
        if slots.are_closed() {
            return ControlFlow::Break(());
        }
        let (mut poller, due) = (mem::take(&mut slots.poller), slots.due(now));
        drop(slots);
        let ready = poller.wait(&self.waker, due);
        let mut slots = lock(&self.slots);
        slots.poller = poller;
        slots.advance(ready);
        if slots.are_closed() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
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
