//! `ListThread`: an event loop on a thread of its own, which runs a list of jobs and sends their events.

use std::mem;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvError, TryRecvError};
use std::task::{Context, Poll};
use std::thread::JoinHandle;
use std::vec;

use super::event_loop::EventLoop;
use super::job_spec::JobSpec;
use super::list_events::{EventBatch, ListEvent, Records};
use super::loop_config::LoopConfig;
use super::loop_thread::start_loop_thread;
use super::mailbox::{LoopCommand, Mailbox};
use super::state_machine::StopMode;
use super::task_waker::{TaskWaker, WakeOnDrop};
use super::warden_pool::WardenPool;
use crate::error::Error;
use crate::process::Origin;

/// Dropping it early kills the running jobs; the thread exits after that.
#[derive(Debug)]
pub(crate) struct ListThread {
    events: Receiver<Vec<ListEvent>>,
    /// Those that have come and were not returned.
    received: vec::IntoIter<ListEvent>,
    mailbox: Arc<Mailbox>,
    waker: Arc<TaskWaker>,
    thread: Option<JoinHandle<Result<(), Error>>>,
    failure: Option<Error>,
    origin: Origin,
}

/// Whether all jobs of a list are known when its loop starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Submissions {
    Complete,
    /// More will be submitted, until the list is closed.
    Open,
}

impl ListThread {
    /// Starts the thread.
    pub(crate) fn start(
        specs: Vec<JobSpec>,
        mut pool: WardenPool,
        config: LoopConfig,
        submissions: Submissions,
        records: Records,
    ) -> Result<Self, Error> {
        let (sender, events) = mpsc::channel();
        let (token, waker) = (config.token.clone(), Arc::new(TaskWaker::default()));
        let shared = Arc::clone(&waker);
        let run = move |mailbox: Arc<Mailbox>| {
            // Dropped last, when no event can follow.
            let WakeOnDrop(waker) = &WakeOnDrop(shared);
            let mut event_loop = EventLoop::new(&config, &mut pool, Some(&mailbox));
            let is_one_at_a_time = config.concurrency == NonZeroUsize::MIN;
            let batch = EventBatch::new(sender, Arc::clone(waker), is_one_at_a_time, records);
            let mut listener = |index, event| {
                batch.add(index, event);
                ControlFlow::Continue(())
            };
            event_loop.send_batch(&batch);
            if submissions == Submissions::Open {
                event_loop.keep_open();
            }
            event_loop.submit_all(specs, &mut listener);
            event_loop.run(&mut listener)
        };
        let (mailbox, thread) = start_loop_thread(token.as_ref(), run)?;
        Ok(Self {
            events,
            received: Vec::new().into_iter(),
            mailbox,
            waker,
            thread: Some(thread),
            failure: None,
            origin: Origin::here(),
        })
    }

    /// Waits for the next event, and returns it; `None` after the last one.
    pub(crate) fn recv(&mut self) -> Option<ListEvent> {
        if !self.origin.is_here() {
            return self.fail(Error::forked());
        }
        loop {
            if let Some(event) = self.received.next() {
                return Some(event.received());
            }
            match self.events.recv() {
                Ok(batch) => self.received = batch.into_iter(),
                Err(RecvError) => return self.join(),
            }
        }
    }

    /// Returns the next event if there is one.
    pub(crate) fn try_recv(&mut self) -> Option<ListEvent> {
        if !self.origin.is_here() {
            return None;
        }
        self.next_received().ok()
    }

    /// Returns the next event, or wakes the task when there is one; `None` after the last one.
    pub(crate) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<ListEvent>> {
        if !self.origin.is_here() {
            return Poll::Ready(self.fail(Error::forked()));
        }
        // Before the channel is read: an event that is sent after that wakes the task.
        self.waker.register(context.waker());
        match self.next_received() {
            Ok(event) => Poll::Ready(Some(event)),
            Err(TryRecvError::Empty) => Poll::Pending,
            Err(TryRecvError::Disconnected) => Poll::Ready(self.join()),
        }
    }

    fn next_received(&mut self) -> Result<ListEvent, TryRecvError> {
        loop {
            if let Some(event) = self.received.next() {
                return Ok(event.received());
            }
            self.received = self.events.try_recv()?.into_iter();
        }
    }

    /// Returns why no job was started, after the last event.
    pub(crate) fn failure(&mut self) -> Option<Error> {
        self.failure.take()
    }

    /// Submits one more job to an open list; its events bear this index.
    pub(crate) fn submit(&self, index: usize, spec: JobSpec) {
        self.send(LoopCommand::Submit(spec.key(index), Box::new(spec)));
    }

    /// Submits no more: the thread exits after the last job.
    pub(crate) fn close(&self) {
        self.send(LoopCommand::Close);
    }

    /// Starts no further job, and lets the running ones finish.
    pub(crate) fn stop(&self) {
        self.send(LoopCommand::Stop);
    }

    /// Starts no further job, and cancels the running ones.
    pub(crate) fn cancel(&self) {
        self.send(LoopCommand::CancelAll(StopMode::Graceful));
    }

    /// Returns whether no further job starts.
    pub(crate) fn has_stopped(&self) -> bool {
        self.mailbox.has_stopped()
    }

    /// Returns whether this is the process that runs the jobs, and not a fork of it.
    pub(crate) fn is_here(&self) -> bool {
        self.origin.is_here()
    }

    /// Kills the jobs, and returns what receives the rest of their events, on any thread. Returns `None` if no event is left, or in
    /// a fork of the process that runs the jobs.
    pub(crate) fn abandon(&mut self) -> Option<Self> {
        if !self.is_here() {
            return None;
        }
        let thread = Some(self.thread.take()?);
        self.kill();
        // The task that waited is gone.
        self.waker.forget();
        Some(Self {
            events: mem::replace(&mut self.events, mpsc::channel().1),
            received: mem::take(&mut self.received),
            mailbox: Arc::clone(&self.mailbox),
            waker: Arc::clone(&self.waker),
            thread,
            failure: None,
            origin: self.origin,
        })
    }

    /// Kills the jobs: nothing waits for them any more, so a grace period is of no use.
    fn kill(&self) {
        self.send(LoopCommand::CancelAll(StopMode::Immediate));
        self.send(LoopCommand::Close);
    }

    fn send(&self, command: LoopCommand) {
        // The loop reads its commands as long as there is a job to stop.
        let _ = self.mailbox.send(command);
    }

    fn fail(&mut self, failure: Error) -> Option<ListEvent> {
        self.failure = Some(failure);
        None
    }

    /// Joins the thread, which has nothing more to do.
    fn join(&mut self) -> Option<ListEvent> {
        let joined = self.thread.take().map_or(Ok(Ok(())), JoinHandle::join);
        self.failure = joined.unwrap_or_else(|panic| resume_unwind(panic)).err();
        None
    }
}

impl Drop for ListThread {
    fn drop(&mut self) {
        if !self.origin.is_here() {
            // The thread doesn't exist here. Dropping the channel could wait for a send that was going on during the fork.
            mem::forget(self.thread.take());
            mem::forget(mem::replace(&mut self.events, mpsc::channel().1));
            return;
        }
        self.kill();
    }
}
