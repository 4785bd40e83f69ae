//! `Ledger`: where runs become records, and timeouts are followed up.

use std::fmt;
use std::ops::ControlFlow;

use crate::call::AnyJob;
use crate::error::Error;
use crate::escape::OneLine;
use crate::failure::Failure;
use crate::follow_up::{CallFollowUp, TimedOut};
use crate::outcome::Outcome;
use crate::record::Record;
use crate::supervisor::Finished;

/// The jobs of one list, and what has come of them.
#[derive(Debug)]
pub(crate) struct Ledger {
    jobs: Vec<(String, AnyJob)>,
    records: Vec<Option<Record>>,
    error: Option<Error>,
}

impl Ledger {
    pub(crate) fn open(jobs: Vec<(String, AnyJob)>) -> Self {
        Self { records: vec![None; jobs.len()], jobs, error: None }
    }

    /// Records a run, and follows it up if it timed out; `Break` if no further job may start.
    pub(crate) fn enter(&mut self, index: usize, over: Finished, follow_up: &dyn CallFollowUp) -> ControlFlow<()> {
        let (id, call) = &mut self.jobs[index];
        let record = record(std::mem::take(id), call, over);
        if let Outcome::Timeout(overrun) = &record.outcome
            && let Err(source) = follow_up.call(&TimedOut::new(&record, *overrun))
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
    }
}

/// The failure of a job whose result can't be read back.
pub(crate) fn undecodable(error: &impl fmt::Display) -> Failure {
    Failure::Unserializable { message: format!("it can't be read back: {error}") }
}
