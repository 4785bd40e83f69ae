//! `PendingRun`: a job with the attempts so far, and the decision whether another one follows.

use std::mem;
use std::sync::Arc;
use std::time::Duration;

use super::job_event::{JobEvent, Retried};
use super::job_spec::JobSpec;
use super::place::Place;
use crate::clock::Deadline;
use crate::options::Cause;
#[cfg(feature = "remote")]
use crate::outcome::Sweep;
use crate::outcome::{Attempt, Failure, Outcome};
use crate::random::random_bytes;
use crate::record::{OwedFollowUp, RunReport};

/// A job that waits or runs, with its finished attempts.
#[derive(Debug)]
pub(super) struct PendingRun {
    pub(super) spec: JobSpec,
    finished: Vec<Attempt>,
    /// The report of the last of them.
    last: Option<Box<RunReport>>,
    /// The delay before the current attempt, or the next one.
    waited: Duration,
    /// How many wardens have exited that the job was given to, before they made its process.
    pub(super) lost_wardens: u32,
    place: Place,
}

/// A job after its last attempt.
#[derive(Debug)]
pub(super) struct FinishedJob {
    pub(super) spec: JobSpec,
    pub(super) report: RunReport,
    pub(super) place: Place,
    /// The follow-up job that it owes, if that is in the journal already.
    pub(super) owed: Option<OwedFollowUp>,
}

/// What follows an attempt.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "most are of the large one, and are moved once")]
pub(super) enum NextStep {
    /// Another attempt after this delay.
    Retry(PendingRun, Duration),
    /// Nothing: the job has its report.
    Finish(FinishedJob),
}

impl PendingRun {
    pub(super) fn new(spec: JobSpec) -> Self {
        Self::at(spec, Place::First)
    }

    /// Returns a job that is not the first one of its entry.
    pub(super) fn at(mut spec: JobSpec, place: Place) -> Self {
        let finished = mem::take(&mut spec.earlier_attempts);
        Self { spec, finished, last: None, waited: Duration::ZERO, lost_wardens: 0, place }
    }

    /// Returns whether its last attempt was lost with the application that had begun it, so that nothing proves it to be over.
    #[cfg(feature = "remote")]
    pub(super) fn follows_unproved_attempt(&self) -> bool {
        self.finished.last().is_some_and(|last| {
            let is_interrupted = matches!(last.outcome, Outcome::Error(Failure::Cancelled { begun: true }));
            is_interrupted && matches!(last.sweep, Sweep::Unproved { .. })
        })
    }

    pub(super) fn is_follow_up(&self) -> bool {
        self.place.is_follow_up()
    }

    /// Notes that nothing but the follow-up is wanted of its entry any more.
    pub(super) fn mark_unwanted(&mut self) {
        if let Place::FollowUp(followed) = &mut self.place {
            followed.is_unwanted = true;
        }
    }

    /// Returns the number of the current attempt among all of its entry, as observers count them.
    pub(super) fn attempt_number(&self) -> u32 {
        self.spec.attempt + self.place.earlier_attempts()
    }

    /// Returns an event of this job as it is reported for its entry.
    pub(super) fn event(&self, event: JobEvent) -> JobEvent {
        self.place.event(&self.spec, event)
    }

    /// Returns the current attempt, which has finished with this report.
    pub(super) fn attempt(&self, report: &RunReport) -> Attempt {
        Attempt {
            number: self.spec.attempt,
            outcome: report.outcome.without_value(),
            started_at: report.started_at(),
            duration: report.duration,
            waited: self.waited,
            usage: report.usage(),
            sweep: report.sweep().clone(),
            stacks: Arc::clone(&report.details.stacks),
        }
    }

    /// Returns the details of the last attempt that has finished, if another one follows it after this delay.
    pub(super) fn retried(&self, delay: Duration) -> Option<Retried> {
        let details = &self.last.as_deref()?.details;
        Some(Retried { delay, stderr_tail: details.stderr_tail.clone(), captured: details.captured.clone() })
    }

    /// Returns the finished job, given the report of its last attempt.
    pub(super) fn finish(mut self, mut report: RunReport) -> FinishedJob {
        report.details.checkpoint = report.details.checkpoint.or(self.spec.checkpoint.take());
        if !self.finished.is_empty() {
            self.finished.push(self.attempt(&report));
            report.details.attempts = self.finished.into_boxed_slice();
        }
        FinishedJob { spec: self.spec, report, place: self.place, owed: None }
    }

    /// Returns what follows an attempt with this report: another attempt if the options allow one for its cause.
    pub(super) fn next_step(mut self, report: RunReport) -> NextStep {
        let Some(delay) = self.retry_delay(&report.outcome) else {
            return NextStep::Finish(self.finish(report));
        };
        // Two attempts never overlap.
        let gone_in = report.details.gone_by.and_then(Deadline::remaining);
        let delay = delay.max(gone_in.unwrap_or_default());
        self.finished.push(self.attempt(&report));
        if report.details.checkpoint.is_some() {
            self.spec.checkpoint.clone_from(&report.details.checkpoint);
        }
        self.spec.avoided_slot = report.details.gone_by.and(report.slot());
        self.last = Some(Box::new(report));
        self.waited = delay;
        self.spec.attempt += 1;
        NextStep::Retry(self, delay)
    }

    /// Returns the finished job after an attempt with this report, since nothing more is to start: if it has attempts left, it is
    /// cut short.
    pub(super) fn stop(mut self, mut report: RunReport) -> FinishedJob {
        if self.retry_delay(&report.outcome).is_some() {
            self.leave_journal();
            report.details.is_cut_short = true;
        }
        self.finish(report)
    }

    /// Returns a job whose next attempt is cancelled, with the report of the last attempt, if there was one.
    pub(super) fn cancel(mut self) -> FinishedJob {
        self.leave_journal();
        let report = if let Some(mut last) = self.last {
            last.details.is_cut_short = true;
            if self.finished.len() > 1 {
                last.details.attempts = self.finished.into_boxed_slice();
            }
            *last
        } else {
            let mut not_begun = RunReport::not_begun(Failure::Cancelled { begun: false });
            not_begun.details.checkpoint = self.spec.checkpoint.take();
            not_begun
        };
        FinishedJob { spec: self.spec, report, place: self.place, owed: None }
    }

    /// Notes that it has attempts left: in a journal it has not finished.
    fn leave_journal(&mut self) {
        self.spec.journal = None;
        if let Place::FollowUp(followed) = &mut self.place {
            followed.spec.journal = None;
        }
    }

    /// Returns the delay before the next attempt, if there is to be one.
    fn retry_delay<T>(&self, outcome: &Outcome<T>) -> Option<Duration> {
        let options = &self.spec.options;
        let attempt = self.spec.attempt;
        if attempt > options.most_retries() {
            return None;
        }
        // Neither a value nor a cancelled job is retried.
        let cause = outcome.cause().filter(|cause| !matches!(cause, Cause::Ok | Cause::Cancelled))?;
        if !options.retry_on.as_deref().unwrap_or(&Cause::FAILURES).contains(&cause) {
            return None;
        }
        Some(options.retry_delay(attempt, jitter()))
    }
}

/// Returns a random number from 0 to 1.
fn jitter() -> f64 {
    let [first, ..] = random_bytes();
    f64::from(first) / f64::from(u8::MAX)
}
