//! `Recorder`: makes records of finished jobs, notifies observers, and calls the follow-up of a timeout.

mod recorded_list;
mod unrecorded;

use std::mem;
use std::ops::ControlFlow;
use std::time::SystemTime;

use crate::answer_thread::AnswerThread;
use crate::answers::Answers;
use crate::call::AnyJob;
use crate::clock;
use crate::error::Error;
use crate::escape::OneLine;
use crate::follow_up::{CallFollowUp, TimedOut};
use crate::journal::JournalEntry;
use crate::observer::{
    AttemptEnded, CheckpointSaved, EventMemo, Line, Message, Observer, Observers, Postponed, Progress, Queued,
    Recorded, Slow, Started, Swept, Terminating, new_keys,
};
use crate::outcome::{Failure, Outcome};
use crate::panic_guard::{self, guarded};
use crate::process::OutputLine;
use crate::record::{Record, RunReport};
use crate::result_codec::undecodable;
use crate::settings::JournaledList;
use crate::supervisor::{JobEvent, JobUpdate, PartEvent, StopReason};
use crate::wire::value::Encoding;
pub(crate) use recorded_list::RecordedList;
pub(crate) use unrecorded::{Unrecorded, record_rest};

/// The jobs of one list, and their records so far.
#[derive(Debug)]
pub(crate) struct Recorder {
    jobs: Vec<(String, AnyJob)>,
    records: Vec<Option<Record>>,
    /// Those that only observers get.
    unwanted: Vec<usize>,
    error: Option<Error>,
    observers: Observers,
    answers: AnswerThread,
    journaled: JournaledList,
    /// The first job's key for observers; those of the others follow.
    first_key: u64,
}

impl Recorder {
    /// Returns a recorder for these jobs, whose specifications have been made: it drops their options.
    pub(crate) fn new(
        mut jobs: Vec<(String, AnyJob)>,
        observers: Observers,
        answers: Answers,
        journaled: JournaledList,
    ) -> Self {
        for (_, call) in &mut jobs {
            call.drop_options();
        }
        let (records, first_key) = (vec![None; jobs.len()], new_keys(jobs.len()));
        let answers = AnswerThread::new(answers);
        Self { jobs, records, unwanted: Vec::new(), error: None, observers, answers, journaled, first_key }
    }

    /// Handles an event of a job: notifies observers, and makes the record of a finished job. Returns `Break` if no further
    /// job may start.
    pub(crate) fn handle(&mut self, index: usize, event: JobEvent, follow_up: &dyn CallFollowUp) -> ControlFlow<()> {
        let Some(report) = self.notify(index, event) else {
            return ControlFlow::Continue(());
        };
        // Of a job that never started because a follow-up or the journal failed, only the observers get a record.
        let is_unstarted = report.never_began();
        let is_unwanted = is_unstarted && (self.error.is_some() || self.journaled.failure().is_some());
        let entry = self.journaled.entry(index).cloned();
        let record = self.record(index, report);
        if is_unwanted {
            self.unwanted.push(index);
            return ControlFlow::Break(());
        }
        if let Err(error) = call_follow_up(record, entry.as_ref(), follow_up) {
            match &self.error {
                None => self.error = Some(error),
                // It holds a value of the user's type, whose `Drop` may panic.
                Some(_) => panic_guard::discard(error),
            }
        }
        if self.error.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    /// Notifies the observers of an event of a job; returns the report of one that has finished.
    fn notify(&mut self, index: usize, event: JobEvent) -> Option<RunReport> {
        let (job_id, call) = &self.jobs[index];
        let subject = Subject { key: self.first_key + index as u64, job_id, job: call.name(), follows: None };
        let encoding = call.entry.codec().encoding();
        notify(&mut self.observers, &mut self.answers, encoding, subject, event)
    }

    /// Makes the record of a job, and notifies the observers.
    fn record(&mut self, index: usize, report: RunReport) -> &Record {
        let (id, call) = &mut self.jobs[index];
        let record = make_record(mem::take(id), call, report);
        notify_recorded(&mut self.observers, self.first_key + index as u64, &record);
        self.records[index].insert(record)
    }

    /// Notifies the observers of a record of each job that has none: no further event will come.
    fn conclude(&mut self) {
        if self.observers.is_empty() {
            return;
        }
        for index in 0..self.jobs.len() {
            if self.records[index].is_none() {
                self.record(index, unfinished());
                self.unwanted.push(index);
            }
        }
    }

    /// Returns every record, in the order of the jobs.
    pub(crate) fn finish(mut self) -> Result<Vec<Record>, Error> {
        for index in self.unwanted {
            self.records[index] = None;
        }
        let records = self.records.into_iter().flatten().collect();
        match self.error.or_else(|| self.journaled.failure()) {
            Some(error) => Err(error.with_records(records)),
            None => Ok(records),
        }
    }
}

/// The job that an observer is notified about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subject<'a> {
    pub(crate) key: u64,
    pub(crate) job_id: &'a str,
    pub(crate) job: &'static str,
    /// The key of the job that it follows, if it is a follow-up.
    pub(crate) follows: Option<u64>,
}

/// Notifies the observers of an event, has a question answered in the job's encoding, or returns the report of a finished job.
pub(crate) fn notify(
    observers: &mut Observers,
    answers: &mut AnswerThread,
    encoding: Encoding,
    subject: Subject<'_>,
    event: JobEvent,
) -> Option<RunReport> {
    let Subject { key, job_id, job, follows } = subject;
    let memo = &EventMemo::default();
    match event {
        JobEvent::Queued { at, group } => {
            let group = group.as_deref();
            observers.notify(|observer| observer.queued(&Queued { key, job_id, job, at, follows, group, memo }));
        }
        JobEvent::Postponed { at, running, reason } => {
            let reason = reason.as_str();
            let postponed = Postponed { key, job_id, job, at, follows, running, reason, memo };
            observers.notify(|observer| observer.postponed(&postponed));
        }
        JobEvent::Started { at, attempt, slot, process, host } => {
            let host = host.as_deref();
            let started = Started { key, job_id, job, at, follows, attempt, slot, process, host, memo };
            observers.notify(|observer| observer.started(&started));
        }
        JobEvent::Updated { at, attempt, updates } => {
            for update in updates.take() {
                let memo = &EventMemo::default();
                observers.notify(|observer| notify_update(observer, &update, (at, attempt), subject, memo));
            }
        }
        JobEvent::Asked(question) => answers.answer(question, encoding),
        JobEvent::AttemptEnded { at, attempt, slot, retry } => {
            let (number, sweep, attempt) = (attempt.number(), attempt.sweep(), &attempt);
            let retry_in = retry.as_ref().map(|retry| retry.delay);
            let stderr_tail = retry.as_ref().map_or("", |retry| &retry.stderr_tail);
            let output = retry.as_ref().and_then(|retry| retry.captured.as_ref());
            let ended =
                AttemptEnded { key, job_id, job, at, follows, attempt, slot, retry_in, stderr_tail, output, memo };
            let swept = Swept { key, job_id, job, at, follows, attempt: number, sweep, memo: &EventMemo::default() };
            observers.notify(|observer| {
                observer.attempt_ended(&ended);
                observer.swept(&swept);
            });
        }
        JobEvent::OfPart(part) => notify_of_part(observers, answers, subject, *part),
        // It is reported as that of a part.
        JobEvent::FollowedUp { .. } => {}
        JobEvent::Finished(report) => return Some(report),
    }
    None
}

/// Notifies the observers of an event of a follow-up, or of a later part of a chain.
fn notify_of_part(observers: &mut Observers, answers: &mut AnswerThread, subject: Subject<'_>, part: PartEvent) {
    let PartEvent { follow_up, job, encoding, event } = part;
    let subject = match follow_up {
        Some(key) => Subject { key, job, follows: Some(subject.key), ..subject },
        None => Subject { job, ..subject },
    };
    let Subject { key, job_id, follows, .. } = subject;
    match event {
        JobEvent::FollowedUp { at, record } => {
            let record = &checked(*record);
            let recorded = Recorded { key, job_id, job, at, follows, record, memo: &EventMemo::default() };
            observers.notify(|observer| observer.recorded(&recorded));
        }
        event => drop(notify(observers, answers, encoding, subject, event)),
    }
}

fn notify_update(
    observer: &dyn Observer,
    update: &JobUpdate,
    (at, attempt): (SystemTime, u32),
    subject: Subject<'_>,
    memo: &EventMemo,
) {
    let Subject { key, job_id, job, follows } = subject;
    match update {
        &JobUpdate::Slow(after) => observer.slow(&Slow { key, job_id, job, at, follows, attempt, after, memo }),
        JobUpdate::Terminating(reason) => {
            let reason = match reason {
                StopReason::Timeout | StopReason::TotalTimeout => "timeout",
                StopReason::Stalled => "stall",
                StopReason::Silent => "silence",
                StopReason::Cancelled => "cancelled",
            };
            observer.terminating(&Terminating { key, job_id, job, at, follows, attempt, reason, memo });
        }
        &JobUpdate::Progress { done, total } => {
            observer.progress(&Progress { key, job_id, job, at, follows, attempt, done, total, memo });
        }
        &JobUpdate::Line { at, ref line, skipped } => {
            let OutputLine { stream, ref text } = *line;
            observer.line(&Line { key, job_id, job, at, follows, attempt, stream, text, skipped, memo });
        }
        JobUpdate::Message(text) => observer.message(&Message { key, job_id, job, at, follows, attempt, text, memo }),
        JobUpdate::Checkpoint(checkpoint) => {
            observer.checkpoint_saved(&CheckpointSaved { key, job_id, job, at, follows, attempt, checkpoint, memo });
        }
    }
}

/// Notifies the observers of a record, and calls the follow-up if it is of a timeout, unless an earlier run of the application has
/// called it.
pub(crate) fn record_and_follow_up(
    observers: &mut Observers,
    key: u64,
    record: &Record,
    entry: Option<&JournalEntry>,
    follow_up: &dyn CallFollowUp,
) -> Result<(), Error> {
    notify_recorded(observers, key, record);
    call_follow_up(record, entry, follow_up)
}

/// Notifies the observers of a record.
pub(crate) fn notify_recorded(observers: &mut Observers, key: u64, record: &Record) {
    if !observers.is_empty() {
        let (job_id, job, at) = (record.job_id(), record.job(), clock::wall());
        let recorded = Recorded { key, job_id, job, at, follows: None, record, memo: &EventMemo::default() };
        observers.notify(|observer| observer.recorded(&recorded));
    }
}

/// Calls the follow-up if the record is of a timeout, unless an earlier run of the application has called it.
fn call_follow_up(record: &Record, entry: Option<&JournalEntry>, follow_up: &dyn CallFollowUp) -> Result<(), Error> {
    // A part of a chain that timed out is followed up, whatever came after it.
    let mut part = entry;
    for record in record.steps().iter().chain([record]) {
        let entry = part;
        part = entry.and_then(JournalEntry::next);
        if let Outcome::Timeout(overrun) = &record.run.outcome
            && !entry.is_some_and(JournalEntry::is_followed_up)
        {
            let followed_up = guarded(|| follow_up.call(&TimedOut::new(record, overrun.limit())));
            let followed_up = followed_up.unwrap_or_else(|panic| Err(panic.into()));
            followed_up.map_err(|source| Error::follow_up(OneLine(record.job_id()), source))?;
            entry.into_iter().for_each(JournalEntry::follow_up_done);
        }
    }
    Ok(())
}

/// Returns the report of a job that the supervisor has left without one, as it could run no job.
pub(crate) fn unfinished() -> RunReport {
    RunReport::not_begun(Failure::Cancelled { begun: false })
}

/// Returns the record of a job. Its result is decoded once, to check that it can be read back.
///
/// The decoded value is dropped, which runs its `Drop`: only the `Deserialize` of `T` knows whether bytes are those of a
/// `T`, and it makes one.
pub(crate) fn make_record(job_id: String, call: &AnyJob, report: RunReport) -> Record {
    let ran = report.details.sequence.as_deref().and_then(|sequence| sequence.ran);
    let (job, codec) = ran.unwrap_or((call.name(), call.entry.codec()));
    checked(Record { job_id, job, codec, run: report })
}

/// Returns a record whose results, and those of the runs beside it, can be read back, or else are failures.
fn checked(record: Record) -> Record {
    let Record { job_id, job, codec, run: mut report } = record;
    if let Some(sequence) = &mut report.details.sequence {
        for records in [&mut sequence.steps, &mut sequence.follow_ups] {
            *records = mem::take(records).into_iter().map(checked).collect();
        }
    }
    let run = report.and_then(|mut bytes| match codec.decode(&bytes) {
        Ok(value) => {
            panic_guard::discard(value);
            bytes.shrink_to_fit();
            Ok(bytes)
        }
        Err(error) => Err(undecodable(&error)),
    });
    Record { job_id, job, codec, run }
}
