//! `Watch`: orders that are supervised on a thread of its own, which tells what becomes of each.

use std::convert::Infallible;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::panic::resume_unwind;
use std::sync::mpsc::{self, Receiver, Sender, TryRecvError};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread::{self, JoinHandle};

use super::inbox::{Inbox, Instruction, Means};
use super::shift::Shift;
use super::{Crew, News, Order, Rules, take_all};
use crate::error::Error;
use crate::outcome::Outcome;

/// Dropped before the end, it has the jobs that run killed, and the thread end when that is done.
#[derive(Debug)]
pub(crate) struct Watch {
    told: Receiver<Told>,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<Result<(), Error>>>,
    failure: Option<Error>,
}

/// What the thread says of an order.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) index: usize,
    pub(crate) news: News,
    /// The next job waits for this to be dropped.
    pub(crate) turn: Turn,
}

/// The time in which a timeout is followed up, where jobs run one at a time.
pub(crate) type Turn = Option<Sender<Infallible>>;

#[derive(Debug)]
struct Shared {
    inbox: Arc<Inbox>,
    /// Who waits for the thread to say something.
    waker: Mutex<Option<Waker>>,
}

impl Watch {
    /// Starts the thread, which gets its crew by `open` and gives it back to `keep`: to start a fork server takes its time.
    pub(crate) fn start(
        orders: Vec<Order>,
        open: impl FnOnce() -> Result<Crew, Error> + Send + 'static,
        keep: impl FnOnce(Crew) + Send + 'static,
        rules: Rules,
    ) -> Result<Self, Error> {
        let unwatched = |error| Error::machinery("start a thread that watches over the jobs", error);
        let inbox = Arc::new(Inbox::new().map_err(unwatched)?);
        if let Some(token) = &rules.token {
            token.tell(&inbox);
        }
        let shared = Arc::new(Shared { inbox, waker: Mutex::default() });
        let (sender, told) = mpsc::channel();
        let theirs = Arc::clone(&shared);
        let watch = move || {
            // Dropped last, when it is known that nothing more will be said.
            let WakesAtTheEnd(shared) = &WakesAtTheEnd(theirs);
            let mut crew = open()?;
            let mut shift = Shift::new(&rules, &mut crew, Some(&shared.inbox));
            let one_at_a_time = rules.concurrency == NonZeroUsize::MIN;
            let mut listener = move |index, news| {
                let is_late = matches!(&news, News::Over(over) if matches!(over.outcome, Outcome::Timeout(_)));
                let (turn, is_over) = mpsc::channel();
                let turn = (is_late && one_at_a_time).then_some(turn);
                // Where nobody listens any more there is a word in the inbox.
                let _ = sender.send(Told { index, news, turn });
                shared.wake();
                let _ = is_over.recv();
                ControlFlow::Continue(())
            };
            take_all(&mut shift, orders, &mut listener);
            shift.run(&mut listener);
            // It holds the sender: what comes after is not waited for.
            drop(listener);
            keep(crew);
            Ok(())
        };
        let thread = thread::Builder::new().name("scheduler".to_owned()).spawn(watch).map_err(unwatched)?;
        Ok(Self { told, shared, thread: Some(thread), failure: None })
    }

    /// Returns what is said next, once it is; nothing after the end.
    pub(crate) fn wait(&mut self) -> Option<Told> {
        self.told.recv().ok().or_else(|| self.end())
    }

    /// Returns what is said next, or has the task be woken when there is something; nothing after the end.
    pub(crate) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Told>> {
        self.shared.listen(context.waker());
        match self.told.try_recv() {
            Ok(told) => Poll::Ready(Some(told)),
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
        self.shared.say(Instruction::Stop);
    }

    /// Sees the thread off, which has nothing more to do.
    fn end(&mut self) -> Option<Told> {
        let ended = self.thread.take().map_or(Ok(Ok(())), JoinHandle::join);
        self.failure = ended.unwrap_or_else(|panic| resume_unwind(panic)).err();
        None
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.shared.say(Instruction::EndAll(Means::Word));
    }
}

impl Shared {
    fn listen(&self, waker: &Waker) {
        let mut listening = self.waker.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *listening {
            Some(before) => before.clone_from(waker),
            None => *listening = Some(waker.clone()),
        }
    }

    fn say(&self, instruction: Instruction) {
        // It is read as long as there is something that could be stopped.
        let _ = self.inbox.say(instruction);
    }

    fn wake(&self) {
        let waker = self.waker.lock().unwrap_or_else(PoisonError::into_inner).take();
        // What it does is the executor's own, and no lock of ours is held meanwhile.
        waker.into_iter().for_each(Waker::wake);
    }
}

struct WakesAtTheEnd(Arc<Shared>);

impl Drop for WakesAtTheEnd {
    fn drop(&mut self) {
        self.0.wake();
    }
}
