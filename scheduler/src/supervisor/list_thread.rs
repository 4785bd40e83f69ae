//! `ListThread`: an event loop on a thread of its own, which runs a list of jobs and sends their events.

use std::mem;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::panic::resume_unwind;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender, TryRecvError};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::thread::JoinHandle;
use std::time::Duration;

use super::event_loop::EventLoop;
use super::job_event::JobEvent;
use super::job_spec::JobSpec;
use super::loop_config::LoopConfig;
use super::loop_thread::start_loop_thread;
use super::mailbox::{Command, Mailbox, StopMode};
use super::warden_pool::WardenPool;
use crate::error::Error;
use crate::panic_guard::guarded;
use crate::process::Origin;
use crate::sync::lock;

/// Dropping it early kills the running jobs; the thread exits after that.
#[derive(Debug)]
pub(crate) struct ListThread {
    events: Receiver<ListEvent>,
    mailbox: Arc<Mailbox>,
    waker: Arc<TaskWaker>,
    thread: Option<JoinHandle<Result<(), Error>>>,
    failure: Option<Error>,
    origin: Origin,
}

/// An event of a job of the list.
#[derive(Debug)]
pub(crate) struct ListEvent {
    pub(crate) index: usize,
    pub(crate) event: JobEvent,
    /// The next job starts after this is dropped.
    pub(crate) follow_up_turn: FollowUpTurn,
}

/// Held while the follow-up of a timeout runs, if jobs run one at a time.
pub(crate) type FollowUpTurn = Option<Sender<Acknowledged>>;

/// The event has been received: its follow-up runs until the sender is dropped.
#[derive(Debug)]
pub(crate) struct Acknowledged;

/// Whether all jobs of a list are known when its loop starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Submissions {
    Complete,
    /// More will be submitted, until the list is closed.
    Open,
}

/// How long the event of a timeout may wait to be received, so that its follow-up runs before the next job starts.
///
/// Without a limit, a future that is neither polled nor dropped would keep the thread, and a prespawned process, for ever.
const RECEIVE_LIMIT: Duration = Duration::from_secs(30);

impl ListThread {
    /// Starts the thread.
    pub(crate) fn start(
        specs: Vec<JobSpec>,
        mut pool: WardenPool,
        config: LoopConfig,
        submissions: Submissions,
    ) -> Result<Self, Error> {
        let (sender, events) = mpsc::channel();
        let (token, waker) = (config.token.clone(), Arc::new(TaskWaker::default()));
        let shared = Arc::clone(&waker);
        let run = move |mailbox: Arc<Mailbox>| {
            // Dropped last, when no event can follow.
            let WakeOnDrop(waker) = &WakeOnDrop(shared);
            let mut event_loop = EventLoop::new(&config, &mut pool, Some(&mailbox));
            let is_one_at_a_time = config.concurrency == NonZeroUsize::MIN;
            let mut listener = move |index, event| {
                let is_timeout = matches!(&event, JobEvent::Finished(report) if report.has_timed_out());
                let (follow_up_turn, is_over) = mpsc::channel();
                let follow_up_turn = (is_timeout && is_one_at_a_time).then_some(follow_up_turn);
                // If the receiver is gone, a stop command is pending already.
                let _ = sender.send(ListEvent { index, event, follow_up_turn });
                waker.wake();
                wait_for_follow_up(&is_over, RECEIVE_LIMIT);
                ControlFlow::Continue(())
            };
            if submissions == Submissions::Open {
                event_loop.keep_open();
            }
            event_loop.submit_all(specs, &mut listener);
            event_loop.run(&mut listener)
        };
        let (mailbox, thread) = start_loop_thread(token.as_ref(), run)?;
        Ok(Self { events, mailbox, waker, thread: Some(thread), failure: None, origin: Origin::here() })
    }

    /// Waits for the next event, and returns it; `None` after the last one.
    pub(crate) fn recv(&mut self) -> Option<ListEvent> {
        if !self.origin.is_here() {
            return self.fail(Error::forked());
        }
        self.events.recv().ok().map(ListEvent::received).or_else(|| self.join())
    }

    /// Returns the next event if there is one.
    pub(crate) fn try_recv(&mut self) -> Option<ListEvent> {
        if self.origin.is_here() { self.events.try_recv().ok().map(ListEvent::received) } else { None }
    }

    /// Returns the next event, or wakes the task when there is one; `None` after the last one.
    pub(crate) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<ListEvent>> {
        if !self.origin.is_here() {
            return Poll::Ready(self.fail(Error::forked()));
        }
        // Before the channel is read: an event that is sent after that wakes the task.
        self.waker.register(context.waker());
        match self.events.try_recv() {
            Ok(event) => Poll::Ready(Some(event.received())),
            Err(TryRecvError::Empty) => Poll::Pending,
            Err(TryRecvError::Disconnected) => Poll::Ready(self.join()),
        }
    }

    /// Returns why no job was started, after the last event.
    pub(crate) fn failure(&mut self) -> Option<Error> {
        self.failure.take()
    }

    /// Submits one more job to an open list; its events bear this index.
    pub(crate) fn submit(&self, index: usize, spec: JobSpec) {
        self.send(Command::Submit(spec.key(index), Box::new(spec)));
    }

    /// Submits no more: the thread exits after the last job.
    pub(crate) fn close(&self) {
        self.send(Command::Close);
    }

    /// Starts no further job, and lets the running ones finish.
    pub(crate) fn stop(&self) {
        self.send(Command::Stop);
    }

    /// Starts no further job, and cancels the running ones.
    pub(crate) fn cancel(&self) {
        self.send(Command::CancelAll(StopMode::Graceful));
    }

    /// Returns whether no further job starts.
    pub(crate) fn has_stopped(&self) -> bool {
        self.mailbox.has_stopped()
    }

    fn send(&self, command: Command) {
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
        // Nothing waits for the jobs any more, so a grace period is of no use.
        self.send(Command::CancelAll(StopMode::Immediate));
        self.send(Command::Close);
    }
}

impl ListEvent {
    /// Reports to the thread that the event was received.
    fn received(self) -> Self {
        if let Some(follow_up_turn) = &self.follow_up_turn {
            // If the thread has stopped waiting, it goes on.
            let _ = follow_up_turn.send(Acknowledged);
        }
        self
    }
}

/// Waits until the follow-up of a timeout has run, unless its event is not received within `limit`.
///
/// A follow-up that has begun may take as long as it likes, as in a list that is not awaited.
fn wait_for_follow_up(turn: &Receiver<Acknowledged>, limit: Duration) {
    match turn.recv_timeout(limit) {
        Ok(Acknowledged) => drop(turn.recv()),
        Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
    }
}

/// The task that waits for the next event.
#[derive(Debug, Default)]
struct TaskWaker(Mutex<Option<Waker>>);

impl TaskWaker {
    fn register(&self, waker: &Waker) {
        let mut registered = lock(&self.0);
        match &mut *registered {
            Some(before) => before.clone_from(waker),
            None => *registered = Some(waker.clone()),
        }
    }

    fn wake(&self) {
        let waker = lock(&self.0).take();
        // This runs the executor's code: no lock of ours is held, and its panic must not stop the jobs.
        let _ = guarded(|| waker.into_iter().for_each(Waker::wake));
    }
}

struct WakeOnDrop(Arc<TaskWaker>);

impl Drop for WakeOnDrop {
    fn drop(&mut self) {
        self.0.wake();
    }
}

#[cfg(test)]
mod tests {
    use std::thread;
    use std::time::SystemTime;

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn a_timeout_that_is_not_received_holds_the_list_up_for_no_longer_than_the_limit() {
        let (follow_up_turn, is_over) = mpsc::channel();
        wait_for_follow_up(&is_over, Duration::from_millis(1));
        drop(follow_up_turn);
        // Nor does one that was dropped unreceived.
        let (follow_up_turn, is_over) = mpsc::channel();
        drop(follow_up_turn);
        wait_for_follow_up(&is_over, LONG);
    }

    #[test]
    fn a_follow_up_that_has_begun_is_waited_for() {
        let (follow_up_turn, is_over) = mpsc::channel();
        let event = JobEvent::Queued { at: SystemTime::UNIX_EPOCH, group: None };
        let event = ListEvent { index: 0, event, follow_up_turn: Some(follow_up_turn) }.received();
        let (returned, has_returned) = mpsc::channel();
        thread::scope(|scope| {
            scope.spawn(move || {
                wait_for_follow_up(&is_over, Duration::ZERO);
                returned.send(()).expect("it is waited for");
            });
            assert_eq!(has_returned.recv_timeout(Duration::from_millis(50)), Err(RecvTimeoutError::Timeout));
            drop(event);
            has_returned.recv_timeout(LONG).expect("it returns after the follow-up");
        });
    }
}
