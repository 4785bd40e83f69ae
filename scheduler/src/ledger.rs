//! `Ledger`: where runs become records, and timeouts are followed up.

use std::fmt;
use std::ops::ControlFlow;

use crate::call::AnyJob;
use crate::error::Error;
use crate::escape::OneLine;
use crate::failure::Failure;
use crate::follow_up::{CallFollowUp, TimedOut};
use crate::observer::{AttemptEnded, Audience, Queued, Recorded, Started, Swept, new_keys};
use crate::outcome::Outcome;
use crate::record::Record;
use crate::supervisor::{Finished, News};

/// The jobs of one list, and what has come of them.
#[derive(Debug)]
pub(crate) struct Ledger {
    jobs: Vec<(String, AnyJob)>,
    records: Vec<Option<Record>>,
    error: Option<Error>,
    audience: Audience,
    /// By what the audience tells the first job from others.
    first_key: u64,
}

impl Ledger {
    pub(crate) fn open(jobs: Vec<(String, AnyJob)>, mut audience: Audience) -> Self {
        let first_key = new_keys(jobs.len());
        for (key, (job_id, call)) in (first_key..).zip(&jobs) {
            audience.tell(|observer| observer.queued(&Queued { key, job_id, job: call.name() }));
        }
        Self { records: vec![None; jobs.len()], jobs, error: None, audience, first_key }
    }

    /// Takes what is told of a job. Once it is over it is recorded, and followed up if it timed out; `Break` if no further
    /// job may start.
    pub(crate) fn enter(&mut self, index: usize, news: News, follow_up: &dyn CallFollowUp) -> ControlFlow<()> {
        let key = self.first_key + index as u64;
        let (job_id, call) = &self.jobs[index];
        let job = call.name();
        let over = match news {
            News::Started { attempt, process } => {
                self.audience.tell(|observer| observer.started(&Started { key, job_id, job, attempt, process }));
                return ControlFlow::Continue(());
            }
            News::Ended { attempt, retry_in } => {
                let (number, sweep) = (attempt.number(), attempt.sweep());
                self.audience.tell(|observer| {
                    observer.attempt_ended(&AttemptEnded { key, job_id, job, attempt: &attempt, retry_in });
                    observer.swept(&Swept { key, job_id, job, attempt: number, sweep });
                });
                return ControlFlow::Continue(());
            }
            News::Over(over) => over,
        };
        // What was not begun as a follow-up failed was not over before that, and has no record.
        if self.error.is_some() && matches!(over.outcome, Outcome::Error(Failure::Cancelled { begun: false })) {
            return ControlFlow::Break(());
        }
        let (id, call) = &mut self.jobs[index];
        let record = record(std::mem::take(id), call, over);
        let job_id = record.job_id();
        self.audience.tell(|observer| observer.recorded(&Recorded { key, job_id, job, record: &record }));
        if let Outcome::Timeout(overrun) = &record.outcome
            && let Err(source) = follow_up.call(&TimedOut::new(&record, overrun.limit()))
        {
            self.error.get_or_insert_with(|| Error::follow_up(OneLine(record.job_id()), source));
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

fn record(job_id: String, call: &AnyJob, over: Finished) -> Record {
    let output = call.entry.output();
    let outcome = over.outcome.and_then(|bytes| match output.revive(&bytes) {
        Ok(_) => Ok(bytes.into_boxed_slice()),
        Err(error) => Err(undecodable(&error)),
    });
    Record {
        job_id,
        job: call.name(),
        outcome,
        output,
        duration: over.duration,
        usage: over.usage,
        sweep: over.sweep,
        stderr_tail: over.stderr_tail.into_boxed_str(),
        attempts: over.attempts,
    }
}

/// The failure of a job whose result can't be read back.
pub(crate) fn undecodable(error: &impl fmt::Display) -> Failure {
    Failure::Unserializable { message: format!("it can't be read back: {error}") }
}
