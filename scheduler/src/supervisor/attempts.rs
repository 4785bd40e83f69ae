//! What comes after an attempt: another one, if the job was told so, and failed for a cause that counts.

use std::time::Duration;

use super::job_spec::JobSpec;
use super::warden::random;
use crate::options::Cause;
use crate::outcome::{Attempt, Failure, Outcome};
use crate::record::RunReport;

/// An order with the attempts that there have been at it.
#[derive(Debug)]
pub(super) struct PendingRun {
    pub(super) spec: JobSpec,
    before: Vec<Attempt>,
    /// What came of the last of them.
    last: Option<Box<RunReport>>,
    /// How long the attempt that comes next, or runs, had to wait.
    waited: Duration,
}

/// What comes after an attempt.
#[derive(Debug)]
pub(super) enum NextStep {
    /// One more, after this time.
    Again(PendingRun, Duration),
    Nothing(RunReport),
}

impl PendingRun {
    pub(super) fn new(spec: JobSpec) -> Self {
        Self { spec, before: Vec::new(), last: None, waited: Duration::ZERO }
    }

    /// Returns the attempt of which this came.
    pub(super) fn attempt(&self, over: &RunReport) -> Attempt {
        let outcome = match &over.outcome {
            Outcome::Ok(_) => Outcome::Ok(()),
            Outcome::Error(failure) => Outcome::Error(failure.clone()),
            Outcome::Timeout(overrun) => Outcome::Timeout(overrun.without_value()),
        };
        let (started_at, duration, sweep) = (over.started_at, over.duration, over.sweep.clone());
        Attempt { number: self.spec.attempt, outcome, started_at, duration, waited: self.waited, sweep }
    }

    /// Takes what came of an attempt after which no other follows.
    pub(super) fn end(mut self, mut over: RunReport) -> RunReport {
        over.checkpoint = over.checkpoint.or(self.spec.checkpoint.take());
        if !self.before.is_empty() {
            self.before.push(self.attempt(&over));
            over.attempts = self.before.into_boxed_slice();
        }
        over
    }

    /// Takes what came of an attempt, and returns what follows.
    pub(super) fn go_on(mut self, over: RunReport) -> NextStep {
        let Some(delay) = self.delay(&over.outcome) else {
            return NextStep::Nothing(self.end(over));
        };
        self.before.push(self.attempt(&over));
        if over.checkpoint.is_some() {
            self.spec.checkpoint.clone_from(&over.checkpoint);
        }
        self.last = Some(Box::new(over));
        self.waited = delay;
        self.spec.attempt += 1;
        NextStep::Again(self, delay)
    }

    /// Returns what is to be told of an order for whose next attempt it is too late: what came of the last one, if there
    /// was one.
    pub(super) fn give_up(self) -> RunReport {
        let Some(mut last) = self.last else {
            let not_begun = RunReport::not_begun(Failure::Cancelled { begun: false });
            return RunReport { checkpoint: self.spec.checkpoint, ..not_begun };
        };
        if self.before.len() > 1 {
            last.attempts = self.before.into_boxed_slice();
        }
        *last
    }

    /// Returns how long the next attempt has to wait, if there is to be one.
    fn delay<T>(&self, outcome: &Outcome<T>) -> Option<Duration> {
        let options = &self.spec.options;
        let made = self.spec.attempt;
        if made > options.retries.unwrap_or(0) {
            return None;
        }
        let cause = cause(outcome)?;
        if options.retry_on.as_ref().is_some_and(|causes| !causes.contains(&cause)) {
            return None;
        }
        Some(options.backoff.unwrap_or_default().delay(made, chance()))
    }
}

/// Returns the cause of a failure, as [`retry_on`](macro@crate::job#retry_on) names it.
fn cause<T>(outcome: &Outcome<T>) -> Option<Cause> {
    Some(match outcome {
        Outcome::Ok(_) => return None,
        Outcome::Timeout(_) => Cause::Timeout,
        Outcome::Error(failure) => match failure {
            Failure::Returned { .. } => Cause::Returned,
            Failure::Panicked(_) => Cause::Panic,
            Failure::Signaled { .. } | Failure::StackOverflow { .. } | Failure::FileSize { .. } => Cause::Signal,
            Failure::OutOfMemory { .. } => Cause::OutOfMemory,
            Failure::CpuTime { .. } => Cause::CpuTime,
            // The last two are never an outcome.
            Failure::Exited { .. } | Failure::BadExit { .. } | Failure::ExitTimeout { .. } => Cause::Exit,
            // Whoever cancelled it wants no more of it.
            Failure::Cancelled { .. } => return None,
            Failure::Unserializable { .. }
            | Failure::Undelivered { .. }
            | Failure::NeverStarted { .. }
            | Failure::ProtocolBroken { .. } => Cause::Internal,
        },
    })
}

/// Returns a number from 0 to 1 that nobody can tell.
fn chance() -> f64 {
    let [first, ..] = random();
    f64::from(first) / f64::from(u8::MAX)
}
