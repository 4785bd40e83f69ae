//! `SpawnLoop`: an event loop on a thread of its own, for jobs that are submitted one by one. It exits when none is left.

use std::ops::ControlFlow;
use std::sync::Arc;

use super::event_loop::EventLoop;
use super::job_event::JobEvent;
use super::job_spec::JobSpec;
use super::loop_config::LoopConfig;
use super::loop_thread::start_loop_thread;
use super::mailbox::{LoopCommand, Mailbox};
use super::queue::QueueKey;
use super::state_machine::StopMode;
use super::warden_pool::WardenPool;
use crate::error::Error;

/// A handle to a loop that may have exited.
#[derive(Clone, Debug)]
pub(crate) struct SpawnLoop(Arc<Mailbox>);

impl SpawnLoop {
    /// Starts the thread. It calls `fail` if no job can run.
    pub(crate) fn start(
        mut pool: WardenPool,
        config: LoopConfig,
        first: (QueueKey, JobSpec),
        mut listener: impl FnMut(usize, JobEvent) + Send + 'static,
        fail: impl FnOnce(Error) + Send + 'static,
    ) -> Result<Self, Error> {
        let token = config.token.clone();
        let run = move |mailbox| {
            // Also if the thread panics, no job may be submitted to it afterwards.
            let mailbox = CloseOnDrop(mailbox);
            let mut event_loop = EventLoop::new(&config, &mut pool, Some(&mailbox.0));
            let mut listener = |number, event| {
                listener(number, event);
                ControlFlow::Continue(())
            };
            event_loop.submit(first.0, first.1, &mut listener);
            if let Err(failure) = event_loop.run_until_closed(&mut listener) {
                fail(failure);
            }
        };
        start_loop_thread(token.as_ref(), run).map(|(mailbox, _)| Self(mailbox))
    }

    /// Submits one more job, or gives it back if the loop has exited.
    pub(crate) fn submit(&self, key: QueueKey, spec: JobSpec) -> Result<(), Box<JobSpec>> {
        match self.0.send(LoopCommand::Submit(key, Box::new(spec))) {
            Err(LoopCommand::Submit(_, spec)) => Err(spec),
            _ => Ok(()),
        }
    }

    /// Sends a job the messages that were added.
    pub(crate) fn send_messages(&self, key: QueueKey) {
        // If the loop has exited, the job has finished.
        let _ = self.0.send(LoopCommand::SendMessages(key));
    }

    /// Cancels a job.
    pub(crate) fn cancel(&self, key: QueueKey, mode: StopMode) {
        // If the loop has exited, the job has finished.
        let _ = self.0.send(LoopCommand::Cancel(key, mode));
    }
}

struct CloseOnDrop(Arc<Mailbox>);

impl Drop for CloseOnDrop {
    fn drop(&mut self) {
        self.0.close();
    }
}
