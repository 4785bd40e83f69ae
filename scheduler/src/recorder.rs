//! `Recorder`: where runs become records, and timeouts are followed up.

use std::ops::ControlFlow;

use crate::call::AnyJob;
use crate::error::Error;
use crate::escape::OneLine;
use crate::follow_up::{CallFollowUp, TimedOut};
use crate::observer::{
    Asked, AttemptEnded, Message, Observer, Observers, Progress, Queued, Recorded, Saved, Started, Swept, new_keys,
};
use crate::outcome::{Failure, Outcome};
use crate::panic_guard::{self, guarded};
use crate::record::{Record, RunReport};
use crate::result_codec::undecodable;
use crate::supervisor::{JobEvent, JobUpdate, StopReason};

/// The jobs of one list, and what has come of them.
#[derive(Debug)]
pub(crate) struct Recorder {
    jobs: Vec<(String, AnyJob)>,
    records: Vec<Option<Record>>,
    error: Option<Error>,
    observers: Observers,
    /// By what the audience tells the first job from others.
    first_key: u64,
}

impl Recorder {
    /// Opens it for these jobs, whose orders were given.
    pub(crate) fn open(mut jobs: Vec<(String, AnyJob)>, observers: Observers) -> Self {
        for (_, call) in &mut jobs {
            call.forget_options();
        }
        Self { records: vec![None; jobs.len()], first_key: new_keys(jobs.len()), jobs, error: None, observers }
    }

    /// Takes what is told of a job. Once it is over it is recorded, and followed up if it timed out; `Break` if no further
    /// job may start.
    pub(crate) fn enter(&mut self, index: usize, news: JobEvent, follow_up: &dyn CallFollowUp) -> ControlFlow<()> {
        let (job_id, call) = &self.jobs[index];
        let subject = Subject { key: self.first_key + index as u64, job_id, job: call.name() };
        let Some(over) = announce(&mut self.observers, subject, news) else {
            return ControlFlow::Continue(());
        };
        // What was not begun as a follow-up failed was not over before that, and has no record.
        if self.error.is_some() && matches!(over.outcome, Outcome::Error(Failure::Cancelled { begun: false })) {
            return ControlFlow::Break(());
        }
        let (id, call) = &mut self.jobs[index];
        let record = record(std::mem::take(id), call, over);
        if let Err(error) = settle(&mut self.observers, self.first_key + index as u64, &record, follow_up) {
            match &self.error {
                None => self.error = Some(error),
                // It holds an error of the user's.
                Some(_) => panic_guard::discard(error),
            }
        }
        self.records[index] = Some(record);
        if self.error.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    /// Returns every record, in the order of the jobs.
    pub(crate) fn close(self) -> Result<Vec<Record>, Error> {
        let records = self.records.into_iter().flatten().collect();
        match self.error {
            Some(error) => Err(error.with_records(records)),
            None => Ok(records),
        }
    }
}

/// Which job something is told of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subject<'a> {
    pub(crate) key: u64,
    pub(crate) job_id: &'a str,
    pub(crate) job: &'static str,
}

/// Tells the audience what is told of a job before it is over; returns what came of it once it is.
pub(crate) fn announce(observers: &mut Observers, subject: Subject<'_>, news: JobEvent) -> Option<RunReport> {
    let Subject { key, job_id, job } = subject;
    match news {
        JobEvent::Queued => observers.tell(|observer| observer.queued(&Queued { key, job_id, job })),
        JobEvent::Started { attempt, process } => {
            observers.tell(|observer| observer.started(&Started { key, job_id, job, attempt, process }));
        }
        JobEvent::Posted { attempt, board } => {
            for note in board.take() {
                observers.tell(|observer| pass_on(observer, &note, attempt, subject));
            }
        }
        JobEvent::Ended { attempt, retry_in } => {
            let (number, sweep) = (attempt.number(), attempt.sweep());
            observers.tell(|observer| {
                observer.attempt_ended(&AttemptEnded { key, job_id, job, attempt: &attempt, retry_in });
                observer.swept(&Swept { key, job_id, job, attempt: number, sweep });
            });
        }
        JobEvent::Over(over) => return Some(over),
    }
    None
}

/// Tells an observer what an attempt has told.
fn pass_on(observer: &dyn Observer, note: &JobUpdate, attempt: u32, subject: Subject<'_>) {
    let Subject { key, job_id, job } = subject;
    match note {
        JobUpdate::Terminating(why) => {
            let reason = match why {
                StopReason::Timeout | StopReason::TotalTimeout => "timeout",
                StopReason::Cancelled => "cancelled",
            };
            observer.asked(&Asked { key, job_id, job, attempt, reason });
        }
        &JobUpdate::Progress { done, total } => {
            observer.progress(&Progress { key, job_id, job, attempt, done, total });
        }
        JobUpdate::Message(text) => observer.message(&Message { key, job_id, job, attempt, text }),
        JobUpdate::Checkpoint(checkpoint) => {
            observer.checkpoint(&Saved { key, job_id, job, attempt, checkpoint });
        }
    }
}

/// Tells the audience of a record, and has it followed up if it is of a timeout.
pub(crate) fn settle(
    observers: &mut Observers,
    key: u64,
    record: &Record,
    follow_up: &dyn CallFollowUp,
) -> Result<(), Error> {
    let (job_id, job) = (record.job_id(), record.job());
    observers.tell(|observer| observer.recorded(&Recorded { key, job_id, job, record }));
    if let Outcome::Timeout(overrun) = &record.outcome {
        let followed_up = guarded(|| follow_up.call(&TimedOut::new(record, overrun.limit())));
        let followed_up = followed_up.unwrap_or_else(|panic| Err(panic.into()));
        return followed_up.map_err(|source| Error::follow_up(OneLine(job_id), source));
    }
    Ok(())
}

/// Returns the record of a job, whose result has been decoded once, to know that it can be read back.
///
/// The value that comes of it runs its `Drop`: whether its bytes are those of a `T` only the `Deserialize` of `T` knows, which
/// makes one.
pub(crate) fn record(job_id: String, call: &AnyJob, over: RunReport) -> Record {
    let output = call.entry.output();
    let checked = |bytes: Vec<u8>| match output.revive(&bytes) {
        Ok(value) => {
            panic_guard::discard(value);
            Ok(bytes.into_boxed_slice())
        }
        Err(error) => Err(undecodable(&error)),
    };
    let outcome = over.outcome.and_then(checked);
    Record {
        job_id,
        job: call.name(),
        outcome,
        late: over.late.map(|late| late.and_then(checked)),
        output,
        started_at: over.started_at,
        duration: over.duration,
        usage: over.usage,
        sweep: over.sweep,
        swept_by: over.swept_by,
        stderr_tail: over.stderr_tail.into_boxed_str(),
        exit_failure: over.exit_failure,
        panics: over.panics,
        captured: over.captured.map(Box::new),
        attempts: over.attempts,
        checkpoint: over.checkpoint,
    }
}

/// Returns what came of the job of a record.
pub(crate) fn unrecorded(record: Record) -> RunReport {
    let Record {
        outcome,
        late,
        started_at,
        duration,
        usage,
        sweep,
        swept_by,
        stderr_tail,
        exit_failure,
        panics,
        captured,
        attempts,
        checkpoint,
        ..
    } = record;
    let outcome = outcome.and_then(|bytes| Ok(bytes.into_vec()));
    RunReport {
        outcome,
        late: late.map(|late| late.and_then(|bytes| Ok(bytes.into_vec()))),
        started_at,
        duration,
        usage,
        sweep,
        swept_by,
        stderr_tail: stderr_tail.into_string(),
        exit_failure,
        panics,
        captured: captured.map(|captured| *captured),
        attempts,
        checkpoint,
    }
}
