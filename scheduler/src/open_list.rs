//! `OpenList`: a list whose jobs are drawn while it runs, a few ahead of those that run.

use std::collections::HashMap;
use std::mem;
use std::slice;
use std::task::{Context, Poll, ready};

use crate::answer_thread::AnswerThread;
use crate::answers::Answers;
use crate::call::AnyJob;
use crate::error::Error;
use crate::follow_up::CallFollowUp;
use crate::journal::{FollowUps, JournalEntry};
use crate::observer::{Observers, new_keys};
use crate::panic_guard;
use crate::record::{Record, RunReport};
use crate::recorder::{
    Subject, Unrecorded, make_record, notify, notify_recorded, record_and_follow_up, record_rest, unfinished,
};
use crate::settings::{Settings, SpecMaker};
use crate::supervisor::{
    EventDetail, JobEvent, ListEvent, ListThread, LoopConfig, OnSuccess, Records, SharedPool, Submissions,
};
use crate::wire::value::Encoding;

/// How many jobs may wait for their next attempt, beside those in the window.
const MOST_DELAYED: usize = 1024;

/// The size of an iterator that is over.
const NO_MORE: (usize, Option<usize>) = (0, Some(0));

/// Jobs are drawn from an iterator, and their records are returned in the order in which the jobs finish.
///
/// Dropping it early kills the running jobs. Its observers are notified of what becomes of them on another thread.
#[derive(Debug)]
pub(crate) struct OpenList {
    maker: SpecMaker,
    follow_ups: FollowUps,
    /// How many jobs may be in flight that don't wait for their next attempt.
    window: usize,
    in_flight: HashMap<usize, JobInFlight>,
    /// How many of those in flight wait for their next attempt.
    delayed: usize,
    submitted: usize,
    observers: Observers,
    answers: AnswerThread,
    thread: ListThread,
    is_closed: bool,
    /// A follow-up has failed: jobs that haven't started get no record.
    has_failed: bool,
    error: Option<Error>,
}

/// A job that was drawn, and whose record hasn't been returned.
#[derive(Debug)]
struct JobInFlight {
    job_id: String,
    call: AnyJob,
    /// Its key for observers.
    key: u64,
    entry: Option<JournalEntry>,
    /// Observers were notified of it.
    is_queued: bool,
    /// It waits for its next attempt.
    is_delayed: bool,
}

impl JobInFlight {
    /// Returns a job whose specification has been made: it drops its options.
    fn new((job_id, mut call): (String, AnyJob), entry: Option<&JournalEntry>) -> Self {
        call.drop_options();
        Self { job_id, call, key: new_keys(1), entry: entry.cloned(), is_queued: false, is_delayed: false }
    }

    fn subject(&self) -> Subject<'_> {
        Subject { key: self.key, job_id: &self.job_id, job: self.call.name(), follows: None }
    }

    fn encoding(&self) -> Encoding {
        self.call.entry.codec().encoding()
    }

    /// Notifies the observers of its record.
    fn record(self, observers: &mut Observers, report: RunReport) {
        let record = make_record(self.job_id, &self.call, report);
        notify_recorded(observers, self.key, &record);
    }
}

impl OpenList {
    /// Draws the first jobs, checks them, and starts the thread that runs them; `None` if there are no jobs, or none may start.
    pub(crate) fn start(
        settings: &Settings,
        shared_pool: &SharedPool,
        jobs: &mut dyn Iterator<Item = (String, AnyJob)>,
        on_success: OnSuccess,
        follow_ups: FollowUps,
    ) -> Result<Option<Self>, Error> {
        settings.check()?;
        if settings.has_drained() {
            return Ok(None);
        }
        let window = settings.window();
        // Those that are there without waiting, and one at least.
        let certain = jobs.size_hint().0.clamp(1, window);
        let first: Vec<_> = jobs.take(certain).collect();
        if first.is_empty() {
            return Ok(None);
        }
        let is_closed = jobs.size_hint() == NO_MORE;
        let submissions = if is_closed { Submissions::Complete } else { Submissions::Open };
        let maker = settings.spec_maker(shared_pool)?;
        let mut specs = first.iter().map(|(id, call)| maker.spec(id, call)).collect::<Result<Vec<_>, _>>()?;
        let journaled = maker.enter(&mut specs, follow_ups)?;
        // Attempts are reported, as a job that waits for its next one makes room.
        let config = LoopConfig { detail: EventDetail::All, on_success, ..settings.loop_config()? };
        let thread = ListThread::start(specs, settings.pool(shared_pool)?, config, submissions, Records::Streamed)?;
        Ok(Some(Self {
            maker,
            follow_ups,
            window,
            submitted: first.len(),
            in_flight: first
                .into_iter()
                .enumerate()
                .map(|(index, job)| (index, JobInFlight::new(job, journaled.entry(index))))
                .collect(),
            delayed: 0,
            observers: settings.observers.clone(),
            answers: AnswerThread::new(settings.answers.clone()),
            thread,
            is_closed,
            has_failed: false,
            error: None,
        }))
    }

    /// Returns whether one more job may be in flight.
    fn has_room(&self) -> bool {
        !self.is_closed && self.in_flight.len() - self.delayed < self.window && self.delayed <= MOST_DELAYED
    }

    /// Submits one more job, or closes the list after the last one, or at one that is invalid.
    fn draw(&mut self, jobs: &mut dyn Iterator<Item = (String, AnyJob)>) {
        let Some(job) = jobs.next() else {
            return self.close();
        };
        let made = self.maker.spec(&job.0, &job.1).and_then(|mut spec| {
            let journaled = self.maker.enter(slice::from_mut(&mut spec), self.follow_ups)?;
            Ok((spec, journaled))
        });
        match made {
            Ok((spec, journaled)) => {
                // Before it can have events.
                self.in_flight.insert(self.submitted, JobInFlight::new(job, journaled.entry(0)));
                self.thread.submit(self.submitted, spec);
                self.submitted += 1;
            }
            // The jobs before it are valid, and run.
            Err(error) => {
                self.error.get_or_insert(error);
                self.close();
            }
        }
    }

    /// Submits as many jobs as there is room for and are certain to be there: an iterator that may wait for its next item is
    /// asked only when there is no event. Once no further job starts, none is drawn.
    fn draw_certain(&mut self, jobs: &mut dyn Iterator<Item = (String, AnyJob)>) {
        if self.thread.has_stopped() || self.maker.has_drained() {
            self.close();
        }
        while self.has_room() && jobs.size_hint().0 > 0 {
            self.draw(jobs);
        }
        if jobs.size_hint() == NO_MORE {
            self.close();
        }
    }

    /// Draws no more jobs.
    fn close(&mut self) {
        if !self.is_closed {
            self.is_closed = true;
            self.thread.close();
        }
    }

    /// Cancels the jobs, and draws no more.
    pub(crate) fn cancel(&mut self) {
        self.thread.cancel();
        self.close();
    }

    /// Ends the list early, as a follow-up has failed: the running jobs finish.
    fn fail(&mut self, error: Error) {
        self.has_failed = true;
        match &self.error {
            None => self.error = Some(error),
            // It holds a value of the user's type, whose `Drop` may panic.
            Some(_) => panic_guard::discard(error),
        }
        self.thread.stop();
        self.close();
    }

    /// Returns why the list ended early.
    pub(crate) fn error(&self) -> Option<&Error> {
        self.error.as_ref()
    }

    pub(crate) fn into_error(mut self) -> Option<Error> {
        self.error.take()
    }

    /// Waits for the next record, and returns it with the job's index; `None` after the last one. Draws jobs meanwhile.
    pub(crate) fn recv(
        &mut self,
        jobs: &mut dyn Iterator<Item = (String, AnyJob)>,
        follow_up: &dyn CallFollowUp,
    ) -> Option<(usize, Record)> {
        loop {
            self.draw_certain(jobs);
            let event = match self.thread.try_recv() {
                None if self.has_room() => {
                    self.draw(jobs);
                    continue;
                }
                None => self.thread.recv(),
                event => event,
            };
            let Some(event) = event else {
                return self.end();
            };
            if let Some(record) = self.handle(event, follow_up) {
                return Some(record);
            }
        }
    }

    /// Returns the next record, as [`recv`](Self::recv), or wakes the task when there is one.
    pub(crate) fn poll(
        &mut self,
        jobs: &mut dyn Iterator<Item = (String, AnyJob)>,
        follow_up: &dyn CallFollowUp,
        context: &mut Context<'_>,
    ) -> Poll<Option<(usize, Record)>> {
        loop {
            match self.poll_certain(jobs, follow_up, context) {
                Poll::Pending if self.has_room() => self.draw(jobs),
                polled => return polled,
            }
        }
    }

    /// As [`poll`](Self::poll), but draws only jobs that are there without waiting: those that the iterator's `size_hint`
    /// is certain of. The list ends when that is sure that there are none.
    pub(crate) fn poll_certain(
        &mut self,
        jobs: &mut dyn Iterator<Item = (String, AnyJob)>,
        follow_up: &dyn CallFollowUp,
        context: &mut Context<'_>,
    ) -> Poll<Option<(usize, Record)>> {
        loop {
            self.draw_certain(jobs);
            let Some(event) = ready!(self.thread.poll(context)) else {
                return Poll::Ready(self.end());
            };
            if let Some(record) = self.handle(event, follow_up) {
                return Poll::Ready(Some(record));
            }
        }
    }

    /// Keeps the reason why the thread has exited, if it has one.
    fn end(&mut self) -> Option<(usize, Record)> {
        self.is_closed = true;
        // In a fork the jobs are those of the original process, and so are its observers.
        if self.thread.is_here() {
            self.unrecorded().record_unfinished();
        }
        self.in_flight.clear();
        self.delayed = 0;
        if let Some(error) = self.thread.failure().or_else(|| self.maker.journal_failure()) {
            self.error.get_or_insert(error);
        }
        None
    }

    fn handle(&mut self, event: ListEvent, follow_up: &dyn CallFollowUp) -> Option<(usize, Record)> {
        // The turn is held until the follow-up has returned.
        let ListEvent { index, event, follow_up_turn: _turn } = event;
        let job = self.in_flight.get_mut(&index)?;
        job.is_queued |= matches!(event, JobEvent::Queued { .. });
        let is_delayed = matches!(event, JobEvent::AttemptEnded { retry: Some(_), .. });
        self.delayed = self.delayed + usize::from(is_delayed) - usize::from(job.is_delayed);
        job.is_delayed = is_delayed;
        let report = notify(&mut self.observers, &mut self.answers, job.encoding(), job.subject(), event)?;
        let JobInFlight { job_id, call, key, entry, .. } = self.in_flight.remove(&index)?;
        let is_unstarted = report.never_began();
        let record = make_record(job_id, &call, report);
        if is_unstarted && (self.has_failed || self.maker.journal_failure().is_some()) {
            notify_recorded(&mut self.observers, key, &record);
            return None;
        }
        if let Err(error) = record_and_follow_up(&mut self.observers, key, &record, entry.as_ref(), follow_up) {
            self.fail(error);
        }
        Some((index, record))
    }
}

impl OpenList {
    /// Takes the jobs that have no record yet, with their observers.
    fn unrecorded(&mut self) -> UnrecordedJobs {
        UnrecordedJobs { in_flight: mem::take(&mut self.in_flight), observers: mem::take(&mut self.observers) }
    }
}

impl Drop for OpenList {
    fn drop(&mut self) {
        if !self.observers.is_empty()
            && !self.in_flight.is_empty()
            && let Some(thread) = self.thread.abandon()
        {
            record_rest(thread, self.unrecorded());
        }
    }
}

/// The jobs of a list that was dropped, or whose thread has exited.
struct UnrecordedJobs {
    in_flight: HashMap<usize, JobInFlight>,
    observers: Observers,
}

impl Unrecorded for UnrecordedJobs {
    fn observe(&mut self, index: usize, event: JobEvent) {
        let Some(job) = self.in_flight.get_mut(&index) else {
            return;
        };
        job.is_queued |= matches!(event, JobEvent::Queued { .. });
        // No job waits for an answer any more.
        let answers = &mut AnswerThread::new(Answers::default());
        if let Some(report) = notify(&mut self.observers, answers, job.encoding(), job.subject(), event)
            && let Some(job) = self.in_flight.remove(&index)
        {
            job.record(&mut self.observers, report);
        }
    }

    fn record_unfinished(&mut self) {
        for (_, job) in self.in_flight.drain().filter(|(_, job)| job.is_queued) {
            job.record(&mut self.observers, unfinished());
        }
    }
}
