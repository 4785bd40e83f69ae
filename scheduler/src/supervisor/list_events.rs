//! `EventBatch`: the events of a list on their way to its caller, several at a time where many come at once.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::Duration;

use super::job_event::JobEvent;
use super::task_waker::TaskWaker;
use crate::clock::Deadline;

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

/// Sends events from the loop's thread to the caller's.
///
/// A wake-up of another thread costs a tenth of a short job, so there is at most one in [`BATCH_INTERVAL`]: an event that comes
/// alone is sent as soon as the loop has nothing else to do, and those that follow it within that time are sent together at its
/// end. What something waits for is never kept back. The idea is that of interrupt coalescing.
#[derive(Debug)]
pub(super) struct EventBatch {
    sender: Sender<Vec<ListEvent>>,
    waker: Arc<TaskWaker>,
    /// Those that are kept back.
    events: RefCell<Vec<ListEvent>>,
    /// When the next ones may be sent.
    due: Cell<Deadline>,
    /// Whether the next job starts after the follow-up of a timeout.
    is_one_at_a_time: bool,
    records: Records,
}

/// What the caller does with the records of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Records {
    /// It returns all of them at the end.
    Collected,
    /// It returns each, or draws another job after it.
    Streamed,
}

/// The time between two wake-ups of the caller: nobody sees the difference, and a hundred of them in a second cost little.
const BATCH_INTERVAL: Duration = Duration::from_millis(10);

/// How long the event of a timeout may wait to be received, so that its follow-up runs before the next job starts.
///
/// Without a limit, a future that is neither polled nor dropped would keep the thread, and a prespawned process, for ever.
const RECEIVE_LIMIT: Duration = Duration::from_secs(30);

impl EventBatch {
    pub(super) fn new(
        sender: Sender<Vec<ListEvent>>,
        waker: Arc<TaskWaker>,
        is_one_at_a_time: bool,
        records: Records,
    ) -> Self {
        Self { sender, waker, events: RefCell::default(), due: Cell::new(Deadline::now()), is_one_at_a_time, records }
    }

    /// Adds an event, and sends it with those before it if something waits for it. Returns after the follow-up of a timeout, if jobs
    /// run one at a time.
    pub(super) fn add(&self, index: usize, event: JobEvent) {
        let is_timeout = matches!(&event, JobEvent::Finished(report) if report.has_timed_out());
        let turn = (is_timeout && self.is_one_at_a_time).then(mpsc::channel);
        let (follow_up_turn, is_over) = turn.unzip();
        let is_awaited = self.is_awaited(&event);
        self.events.borrow_mut().push(ListEvent { index, event, follow_up_turn });
        if is_awaited {
            self.send();
        }
        if let Some(is_over) = is_over {
            wait_for_follow_up(&is_over, RECEIVE_LIMIT);
        }
    }

    /// Returns when the events that are kept back are to be sent.
    pub(super) fn due(&self) -> Deadline {
        if self.events.borrow().is_empty() { Deadline::NEVER } else { self.due.get() }
    }

    pub(super) fn send_if_due(&self) {
        if self.due().is_past() {
            self.send();
        }
    }

    /// Sends the events that are kept back.
    pub(super) fn send(&self) {
        let events = self.events.take();
        if !events.is_empty() {
            self.due.set(Deadline::after(BATCH_INTERVAL));
            // If the receiver is gone, a stop command is pending already.
            let _ = self.sender.send(events);
            self.waker.wake();
        }
    }

    /// Returns whether something waits for the event: a job for its answer, a follow-up for its timeout, a stream for a record.
    fn is_awaited(&self, event: &JobEvent) -> bool {
        match event {
            JobEvent::Asked(_) => true,
            JobEvent::OfPart(part) => self.is_awaited(&part.event),
            JobEvent::Finished(report) => report.has_timed_out() || self.records == Records::Streamed,
            JobEvent::Queued { .. }
            | JobEvent::Postponed { .. }
            | JobEvent::Started { .. }
            | JobEvent::Updated { .. }
            | JobEvent::AttemptEnded { .. }
            | JobEvent::FollowedUp { .. } => false,
        }
    }
}

impl Drop for EventBatch {
    fn drop(&mut self) {
        self.send();
    }
}

impl ListEvent {
    /// Reports to the thread that the event was received.
    pub(super) fn received(self) -> Self {
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

#[cfg(test)]
mod tests {
    use std::thread;
    use std::time::SystemTime;

    use super::*;
    use crate::record::RunReport;

    const LONG: Duration = Duration::from_secs(60);

    fn queued() -> JobEvent {
        JobEvent::Queued { at: SystemTime::UNIX_EPOCH, group: None }
    }

    fn finished() -> JobEvent {
        JobEvent::Finished(RunReport::without_arguments("a test"))
    }

    /// Returns a batch that isn't due for long, and what receives it.
    fn batch(records: Records) -> (EventBatch, Receiver<Vec<ListEvent>>) {
        let (sender, receiver) = mpsc::channel();
        let batch = EventBatch::new(sender, Arc::default(), false, records);
        assert_eq!(batch.due(), Deadline::NEVER, "there is nothing to send");
        batch.add(0, queued());
        assert!(batch.due().is_past(), "the first event isn't kept back");
        batch.send_if_due();
        assert_eq!(received(&receiver), [vec![0]]);
        batch.due.set(Deadline::after(LONG));
        (batch, receiver)
    }

    fn received(receiver: &Receiver<Vec<ListEvent>>) -> Vec<Vec<usize>> {
        receiver.try_iter().map(|batch| batch.iter().map(|event| event.index).collect()).collect()
    }

    #[test]
    fn events_that_follow_each_other_are_sent_together() {
        let (batch, receiver) = batch(Records::Collected);
        for (index, event) in [(1, queued()), (2, finished()), (3, queued())] {
            batch.add(index, event);
        }
        batch.send_if_due();
        assert!(received(&receiver).is_empty() && batch.due() != Deadline::NEVER);
        batch.due.set(Deadline::now());
        batch.send_if_due();
        assert_eq!(received(&receiver), [vec![1, 2, 3]]);
        batch.add(4, finished());
        drop(batch);
        assert_eq!(received(&receiver), [vec![4]], "the end of the loop sends the rest");
    }

    #[test]
    fn an_event_that_is_waited_for_is_sent_with_those_before_it() {
        let (batch, receiver) = batch(Records::Streamed);
        batch.add(1, queued());
        assert!(received(&receiver).is_empty());
        batch.add(2, finished());
        assert_eq!(received(&receiver), [vec![1, 2]]);
    }

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
        let event = ListEvent { index: 0, event: queued(), follow_up_turn: Some(follow_up_turn) }.received();
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
