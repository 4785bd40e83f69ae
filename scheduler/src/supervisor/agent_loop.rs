//! `AgentLoop`: an event loop on a thread of its own, for the jobs that an agent runs one after the other. It stays until it is closed.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use super::event_loop::EventLoop;
use super::job_event::JobEvent;
use super::job_spec::JobSpec;
use super::loop_config::LoopConfig;
use super::loop_thread::start_loop_thread;
use super::mailbox::{LoopCommand, Mailbox};
use super::queue::QueueKey;
use super::state_machine::{StopMode, StopReason};
use super::warden_pool::WardenPool;
use crate::error::Error;

/// A handle to the loop.
#[derive(Debug)]
pub(crate) struct AgentLoop {
    mailbox: Arc<Mailbox>,
    thread: JoinHandle<Result<(), Error>>,
}

impl AgentLoop {
    /// Starts the thread.
    pub(crate) fn start(
        mut pool: WardenPool,
        config: LoopConfig,
        mut listener: impl FnMut(usize, JobEvent) + Send + 'static,
    ) -> Result<Self, Error> {
        // An agent does nothing else, so that nobody changes its folder, environment or limits.
        pool.assume_constant();
        let run = move |mailbox: Arc<Mailbox>| {
            let mut event_loop = EventLoop::new(&config, &mut pool, Some(&mailbox));
            event_loop.keep_open();
            event_loop.run(&mut |number, event| {
                listener(number, event);
                ControlFlow::Continue(())
            })
        };
        let (mailbox, thread) = start_loop_thread(None, run)?;
        Ok(Self { mailbox, thread })
    }

    /// Runs a job.
    pub(crate) fn submit(&self, key: QueueKey, spec: JobSpec) {
        self.send(LoopCommand::Submit(key, Box::new(spec)));
    }

    /// Stops a job.
    pub(crate) fn stop(&self, key: QueueKey, reason: StopReason, mode: StopMode) {
        self.send(LoopCommand::StopRun(key, reason, mode));
    }

    /// Sends a job the messages that were added.
    pub(crate) fn send_messages(&self, key: QueueKey) {
        self.send(LoopCommand::SendMessages(key));
    }

    /// Lets the jobs live until this time since the machine's start.
    pub(crate) fn renew(&self, until: Duration) {
        self.send(LoopCommand::Renew(until));
    }

    fn send(&self, command: LoopCommand) {
        // If the loop has exited, the agent is about to.
        let _ = self.mailbox.send(command);
    }

    /// Returns whether the loop has exited, which it does only after a failure.
    pub(crate) fn has_failed(&self) -> bool {
        self.thread.is_finished()
    }

    /// Kills the jobs, and waits until no process of them is left.
    pub(crate) fn close(self) -> Result<(), Error> {
        self.send(LoopCommand::CancelAll(StopMode::Immediate));
        self.send(LoopCommand::Close);
        self.thread.join().unwrap_or(Ok(()))
    }
}
