//! `SpawnLoop`: a loop that takes orders as they come, on a thread of its own, and ends when there are none.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::thread;

use super::event_loop::EventLoop;
use super::job_spec::JobSpec;
use super::mailbox::{Command, Mailbox, StopMode};
use super::queue::QueueKey;
use super::{JobEvent, Rules, WardenPool};
use crate::error::Error;

/// The way to a loop that may have ended.
#[derive(Clone, Debug)]
pub(crate) struct SpawnLoop(Arc<Mailbox>);

impl SpawnLoop {
    /// Starts the thread, which gives its crew to `keep` in the end.
    pub(crate) fn start(
        mut pool: WardenPool,
        keep: impl FnOnce(WardenPool) + Send + 'static,
        rules: Rules,
        first: (QueueKey, JobSpec),
        mut listener: impl FnMut(usize, JobEvent) + Send + 'static,
    ) -> Result<Self, Error> {
        let unwatched = |error| Error::internal("start a thread that watches over the jobs", error);
        let mailbox = Arc::new(Mailbox::new().map_err(unwatched)?);
        if let Some(token) = &rules.token {
            token.tell(&mailbox);
        }
        let theirs = Arc::clone(&mailbox);
        let live = move || {
            // Whatever happens to the thread, nobody may rely on it afterwards.
            let closed = ClosedAtTheEnd(theirs);
            let mut shift = EventLoop::new(&rules, &mut pool, Some(&closed.0));
            let mut listener = |number, event| {
                listener(number, event);
                ControlFlow::Continue(())
            };
            shift.take(first.0, first.1, &mut listener);
            shift.run_until_closed(&mut listener);
            keep(pool);
        };
        thread::Builder::new().name("scheduler".to_owned()).spawn(live).map_err(unwatched)?;
        Ok(Self(mailbox))
    }

    /// Gives it one more order, or gives that back if there is no loop any more.
    pub(crate) fn give(&self, key: QueueKey, spec: JobSpec) -> Result<(), Box<JobSpec>> {
        match self.0.say(Command::Take(key, Box::new(spec))) {
            Err(Command::Take(_, spec)) => Err(spec),
            _ => Ok(()),
        }
    }

    /// Has it give up an order.
    pub(crate) fn end(&self, key: QueueKey, means: StopMode) {
        // Where there is no loop any more, it has been carried out.
        let _ = self.0.say(Command::End(key, means));
    }
}

struct ClosedAtTheEnd(Arc<Mailbox>);

impl Drop for ClosedAtTheEnd {
    fn drop(&mut self) {
        self.0.close();
    }
}
