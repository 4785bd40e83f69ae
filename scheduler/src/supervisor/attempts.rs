//! `PendingRun`: a job with the attempts so far, and the decision whether another one follows.

use std::mem;
use std::sync::Arc;
use std::time::Duration;

use super::job_event::Retried;
use super::job_spec::JobSpec;
use crate::options::Cause;
use crate::outcome::{Attempt, Failure, Outcome};
use crate::random::random_bytes;
use crate::record::RunReport;

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
}

/// What follows an attempt.
#[derive(Debug)]
pub(super) enum NextStep {
    /// Another attempt after this delay.
    Retry(PendingRun, Duration),
    /// Nothing: this is the job's report.
    Finish(RunReport),
}

impl PendingRun {
    pub(super) fn new(mut spec: JobSpec) -> Self {
        let finished = mem::take(&mut spec.earlier_attempts);
        Self { spec, finished, last: None, waited: Duration::ZERO, lost_wardens: 0 }
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

    /// Returns the job's report, given that of its last attempt.
    pub(super) fn finish(mut self, mut report: RunReport) -> RunReport {
        report.details.checkpoint = report.details.checkpoint.or(self.spec.checkpoint.take());
        if !self.finished.is_empty() {
            self.finished.push(self.attempt(&report));
            report.details.attempts = self.finished.into_boxed_slice();
        }
        report
    }

    /// Returns what follows an attempt with this report: another attempt if the options allow one for its cause.
    pub(super) fn next_step(mut self, report: RunReport) -> NextStep {
        let Some(delay) = self.retry_delay(&report.outcome) else {
            return NextStep::Finish(self.finish(report));
        };
        self.finished.push(self.attempt(&report));
        if report.details.checkpoint.is_some() {
            self.spec.checkpoint.clone_from(&report.details.checkpoint);
        }
        self.last = Some(Box::new(report));
        self.waited = delay;
        self.spec.attempt += 1;
        NextStep::Retry(self, delay)
    }

    /// Returns the report of a job whose next attempt is cancelled: that of the last attempt, if there was one.
    pub(super) fn cancel(self) -> RunReport {
        let Some(mut last) = self.last else {
            let mut not_begun = RunReport::not_begun(Failure::Cancelled { begun: false });
            not_begun.details.checkpoint = self.spec.checkpoint;
            return not_begun;
        };
        if self.finished.len() > 1 {
            last.details.attempts = self.finished.into_boxed_slice();
        }
        *last
    }

    /// Returns the delay before the next attempt, if there is to be one.
    fn retry_delay<T>(&self, outcome: &Outcome<T>) -> Option<Duration> {
        let options = &self.spec.options;
        let attempt = self.spec.attempt;
        if attempt > options.most_retries() {
            return None;
        }
        let cause = cause(outcome)?;
        if options.retry_on.as_ref().is_some_and(|causes| !causes.contains(&cause)) {
            return None;
        }
        Some(options.retry_delay(attempt, jitter()))
    }
}

/// Returns the cause of a failure, as [`retry_on`](macro@crate::job#retry_on) names it.
fn cause<T>(outcome: &Outcome<T>) -> Option<Cause> {
    Some(match outcome {
        Outcome::Ok(_) => return None,
        Outcome::Timeout(_) => Cause::Timeout,
        Outcome::Error(failure) => match failure {
            // Never an outcome.
            Failure::Timeout(_) => Cause::Timeout,
            Failure::Returned { .. } => Cause::Returned,
            Failure::Panicked(_) => Cause::Panic,
            Failure::Signaled { .. } | Failure::StackOverflow { .. } | Failure::FileSize { .. } => Cause::Signal,
            Failure::OutOfMemory { .. } => Cause::OutOfMemory,
            Failure::CpuTime { .. } => Cause::CpuTime,
            // The last two are never an outcome.
            Failure::Exited { .. } | Failure::BadExit { .. } | Failure::ExitTimeout { .. } => Cause::Exit,
            // A cancelled job is not wanted any more.
            Failure::Cancelled { .. } => return None,
            Failure::Unserializable { .. }
            | Failure::Undelivered { .. }
            | Failure::NeverStarted { .. }
            | Failure::ProtocolBroken { .. } => Cause::Internal,
        },
    })
}

/// Returns a random number from 0 to 1.
fn jitter() -> f64 {
    let [first, ..] = random_bytes();
    f64::from(first) / f64::from(u8::MAX)
}
