//! `RecordedList`: a list that runs on a thread of its own, with the recorder of its events.

use std::task::{Context, Poll, ready};

use super::Recorder;
use super::unrecorded::{Unrecorded, record_rest};
use crate::answer_thread::AnswerThread;
use crate::answers::Answers;
use crate::error::Error;
use crate::follow_up::CallFollowUp;
use crate::record::Record;
use crate::settings::JournaledList;
use crate::supervisor::{JobEvent, ListEvent, ListThread};

/// Dropping it early kills the running jobs. Its observers are notified of what becomes of the jobs on another thread.
#[derive(Debug)]
pub(crate) struct RecordedList {
    thread: ListThread,
    /// `None` once the records were returned.
    recorder: Option<Box<Recorder>>,
}

impl RecordedList {
    pub(crate) fn new(thread: ListThread, recorder: Recorder) -> Self {
        Self { thread, recorder: Some(Box::new(recorder)) }
    }

    /// Waits until all jobs have finished, and returns their records.
    pub(crate) fn wait(mut self, follow_up: &dyn CallFollowUp) -> Result<Vec<Record>, Error> {
        while let Some(event) = self.thread.recv() {
            self.handle(event, follow_up);
        }
        self.finish()
    }

    /// Returns the records once all jobs have finished, or wakes the task when something has happened.
    pub(crate) fn poll(
        &mut self,
        context: &mut Context<'_>,
        follow_up: &dyn CallFollowUp,
    ) -> Poll<Result<Vec<Record>, Error>> {
        while let Some(event) = ready!(self.thread.poll(context)) {
            self.handle(event, follow_up);
        }
        Poll::Ready(self.finish())
    }

    fn handle(&mut self, event: ListEvent, follow_up: &dyn CallFollowUp) {
        let ListEvent { index, event, follow_up_turn } = event;
        let recorder = self.recorder.as_mut().expect("the list is not over");
        if recorder.handle(index, event, follow_up).is_break() {
            self.thread.stop();
        }
        drop(follow_up_turn);
    }

    fn finish(&mut self) -> Result<Vec<Record>, Error> {
        let mut recorder = self.recorder.take().expect("the list is finished once");
        match self.thread.failure() {
            None => recorder.finish(),
            Some(error) => {
                // In a fork the jobs are those of the original process, and so are its observers.
                if self.thread.is_here() {
                    recorder.conclude();
                }
                Err(error)
            }
        }
    }
}

impl Drop for RecordedList {
    fn drop(&mut self) {
        if let Some(mut recorder) = self.recorder.take()
            && recorder.has_unrecorded()
            && let Some(thread) = self.thread.abandon()
        {
            // The journal is not used any more, and may be closed.
            recorder.journaled = JournaledList::default();
            record_rest(thread, recorder);
        }
    }
}

impl Recorder {
    /// Returns whether observers are to be notified of a record that has not been made.
    fn has_unrecorded(&self) -> bool {
        !self.observers.is_empty() && self.records.iter().any(Option::is_none)
    }
}

impl Unrecorded for Box<Recorder> {
    fn begin(&mut self) {
        // No job waits for an answer any more. This may wait for the thread of the answers.
        self.answers = AnswerThread::new(Answers::default());
    }

    fn observe(&mut self, index: usize, event: JobEvent) {
        if let Some(report) = self.notify(index, event) {
            self.record(index, report);
        }
    }

    fn record_unfinished(&mut self) {
        self.conclude();
    }
}
