//! `ListThread`: orders that are supervised on a thread of its own, which tells what becomes of each.

use std::mem;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::panic::resume_unwind;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender, TryRecvError};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::event_loop::EventLoop;
use super::mailbox::{Command, Mailbox, StopMode};
use super::{JobEvent, JobSpec, Rules, WardenPool, take_all};
use crate::error::Error;
use crate::outcome::Outcome;
use crate::panic_guard::guarded;
use crate::process::Origin;
use crate::sync::lock;

/// Dropped before the end, it has the jobs that run killed, and the thread end when that is done.
#[derive(Debug)]
pub(crate) struct ListThread {
    told: Receiver<ListEvent>,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<Result<(), Error>>>,
    failure: Option<Error>,
    origin: Origin,
}

/// What the thread says of an order.
#[derive(Debug)]
pub(crate) struct ListEvent {
    pub(crate) index: usize,
    pub(crate) event: JobEvent,
    /// The next job waits for this to be dropped.
    pub(crate) follow_up_turn: FollowUpTurn,
}

/// The time in which a timeout is followed up, where jobs run one at a time.
pub(crate) type FollowUpTurn = Option<Sender<Taken>>;

/// The message has been received: its follow-up is under way until the sender is dropped.
#[derive(Debug)]
pub(crate) struct Taken;

/// How long a timeout waits to be received, so that it is followed up before the next job starts.
///
/// A future that is neither polled nor dropped would else keep the thread, and a process that was made ahead, for ever.
const TAKE_LIMIT: Duration = Duration::from_secs(30);

#[derive(Debug)]
struct Shared {
    mailbox: Arc<Mailbox>,
    /// Who waits for the thread to say something.
    waker: Mutex<Option<Waker>>,
}

impl ListThread {
    /// Starts the thread, which gets its crew by `open` and gives it back to `keep`: to start a fork server takes its time.
    pub(crate) fn start(
        specs: Vec<JobSpec>,
        open: impl FnOnce() -> Result<WardenPool, Error> + Send + 'static,
        keep: impl FnOnce(WardenPool) + Send + 'static,
        rules: Rules,
    ) -> Result<Self, Error> {
        let unwatched = |error| Error::internal("start a thread that watches over the jobs", error);
        let mailbox = Arc::new(Mailbox::new().map_err(unwatched)?);
        if let Some(token) = &rules.token {
            token.tell(&mailbox);
        }
        let shared = Arc::new(Shared { mailbox, waker: Mutex::default() });
        let (sender, told) = mpsc::channel();
        let theirs = Arc::clone(&shared);
        let watch = move || {
            // Dropped last, when it is known that nothing more will be said.
            let WakesAtTheEnd(shared) = &WakesAtTheEnd(theirs);
            let mut pool = open()?;
            let mut shift = EventLoop::new(&rules, &mut pool, Some(&shared.mailbox));
            let one_at_a_time = rules.concurrency == NonZeroUsize::MIN;
            let mut listener = move |index, event| {
                let is_late = matches!(&event, JobEvent::Over(over) if matches!(over.outcome, Outcome::Timeout(_)));
                let (follow_up_turn, is_over) = mpsc::channel();
                let follow_up_turn = (is_late && one_at_a_time).then_some(follow_up_turn);
                // Where nobody listens any more there is a word in the inbox.
                let _ = sender.send(ListEvent { index, event, follow_up_turn });
                shared.wake();
                wait_for_turn(&is_over, TAKE_LIMIT);
                ControlFlow::Continue(())
            };
            take_all(&mut shift, specs, &mut listener);
            shift.run(&mut listener);
            // It holds the sender: what comes after is not waited for.
            drop(listener);
            keep(pool);
            Ok(())
        };
        let thread = thread::Builder::new().name("scheduler".to_owned()).spawn(watch).map_err(unwatched)?;
        Ok(Self { told, shared, thread: Some(thread), failure: None, origin: Origin::here() })
    }

    /// Returns what is said next, once it is; nothing after the end.
    pub(crate) fn wait(&mut self) -> Option<ListEvent> {
        if !self.origin.is_here() {
            return self.fail(Error::forked());
        }
        self.told.recv().ok().map(ListEvent::taken).or_else(|| self.end())
    }

    /// Returns what is said next, or has the task be woken when there is something; nothing after the end.
    pub(crate) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<ListEvent>> {
        if !self.origin.is_here() {
            return Poll::Ready(self.fail(Error::forked()));
        }
        self.shared.listen(context.waker());
        match self.told.try_recv() {
            Ok(told) => Poll::Ready(Some(told.taken())),
            Err(TryRecvError::Empty) => Poll::Pending,
            Err(TryRecvError::Disconnected) => Poll::Ready(self.end()),
        }
    }

    /// Returns why no job was started, once nothing more is said.
    pub(crate) fn failure(&mut self) -> Option<Error> {
        self.failure.take()
    }

    /// Has no further job be started; those that run go on to their ends.
    pub(crate) fn stop(&self) {
        self.shared.say(Command::Stop);
    }

    fn fail(&mut self, failure: Error) -> Option<ListEvent> {
        self.failure = Some(failure);
        None
    }

    /// Sees the thread off, which has nothing more to do.
    fn end(&mut self) -> Option<ListEvent> {
        let ended = self.thread.take().map_or(Ok(Ok(())), JoinHandle::join);
        self.failure = ended.unwrap_or_else(|panic| resume_unwind(panic)).err();
        None
    }
}

impl Drop for ListThread {
    fn drop(&mut self) {
        if !self.origin.is_here() {
            // Here there is no such thread, and what it was about to say when this process was forked would be waited for.
            mem::forget(self.thread.take());
            mem::forget(mem::replace(&mut self.told, mpsc::channel().1));
            return;
        }
        // Nobody waits for the jobs any more, so that a grace period would serve nobody.
        self.shared.say(Command::EndAll(StopMode::Immediate));
    }
}

impl ListEvent {
    /// Has the thread know that the message was received.
    fn taken(self) -> Self {
        if let Some(follow_up_turn) = &self.follow_up_turn {
            // Where the thread has gone on meanwhile it waits no more.
            let _ = follow_up_turn.send(Taken);
        }
        self
    }
}

/// Returns once a timeout has been followed up, or was not received within `limit`.
///
/// A follow-up that has begun has all the time that it takes, as it has in a list that is not awaited.
fn wait_for_turn(follow_up_turn: &Receiver<Taken>, limit: Duration) {
    match follow_up_turn.recv_timeout(limit) {
        Ok(Taken) => drop(follow_up_turn.recv()),
        Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
    }
}

impl Shared {
    fn listen(&self, waker: &Waker) {
        let mut listening = lock(&self.waker);
        match &mut *listening {
            Some(before) => before.clone_from(waker),
            None => *listening = Some(waker.clone()),
        }
    }

    fn say(&self, command: Command) {
        // It is read as long as there is something that could be stopped.
        let _ = self.mailbox.say(command);
    }

    fn wake(&self) {
        let waker = lock(&self.waker).take();
        // What it does is the executor's own, and no lock of ours is held meanwhile; its panic must not end the jobs.
        let _ = guarded(|| waker.into_iter().for_each(Waker::wake));
    }
}

struct WakesAtTheEnd(Arc<Shared>);

impl Drop for WakesAtTheEnd {
    fn drop(&mut self) {
        self.0.wake();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn a_timeout_that_nobody_receives_holds_the_list_up_for_no_longer_than_the_limit() {
        let (follow_up_turn, is_over) = mpsc::channel();
        wait_for_turn(&is_over, Duration::from_millis(1));
        drop(follow_up_turn);
        // Nor does one that was dropped unreceived.
        let (follow_up_turn, is_over) = mpsc::channel();
        drop(follow_up_turn);
        wait_for_turn(&is_over, LONG);
    }

    #[test]
    fn a_follow_up_that_has_begun_is_waited_for() {
        let (follow_up_turn, is_over) = mpsc::channel();
        let told = ListEvent { index: 0, event: JobEvent::Queued, follow_up_turn: Some(follow_up_turn) }.taken();
        let (ended, has_ended) = mpsc::channel();
        thread::scope(|scope| {
            scope.spawn(move || {
                wait_for_turn(&is_over, Duration::ZERO);
                ended.send(()).expect("it is waited for");
            });
            assert_eq!(has_ended.recv_timeout(Duration::from_millis(50)), Err(RecvTimeoutError::Timeout));
            drop(told);
            has_ended.recv_timeout(LONG).expect("it goes on once the follow-up has ended");
        });
    }
}
