//! What comes after an attempt: another one, if the job was told so, and failed for a cause that counts.

use std::time::Duration;

use super::order::{Finished, Order};
use super::warden::random;
use crate::attempt::Attempt;
use crate::failure::Failure;
use crate::options::Cause;
use crate::outcome::Outcome;

/// An order with the attempts that there have been at it.
#[derive(Debug)]
pub(super) struct Task {
    pub(super) order: Order,
    before: Vec<Attempt>,
    /// What came of the last of them.
    last: Option<Box<Finished>>,
    /// How long the attempt that comes next, or runs, had to wait.
    waited: Duration,
}

/// What comes after an attempt.
#[derive(Debug)]
pub(super) enum After {
    /// One more, after this time.
    Again(Task, Duration),
    Nothing(Finished),
}

impl Task {
    pub(super) fn new(order: Order) -> Self {
        Self { order, before: Vec::new(), last: None, waited: Duration::ZERO }
    }

    /// Returns the attempt of which this came.
    pub(super) fn attempt(&self, over: &Finished) -> Attempt {
        let outcome = match &over.outcome {
            Outcome::Ok(_) => Outcome::Ok(()),
            Outcome::Error(failure) => Outcome::Error(failure.clone()),
            Outcome::Timeout(overrun) => Outcome::Timeout(overrun.without_value()),
        };
        let (started_at, duration, sweep) = (over.started_at, over.duration, over.sweep.clone());
        Attempt { number: self.order.attempt, outcome, started_at, duration, waited: self.waited, sweep }
    }

    /// Takes what came of an attempt after which no other follows.
    pub(super) fn end(mut self, mut over: Finished) -> Finished {
        over.checkpoint = over.checkpoint.or(self.order.checkpoint.take());
        if !self.before.is_empty() {
            self.before.push(self.attempt(&over));
            over.attempts = self.before.into_boxed_slice();
        }
        over
    }

    /// Takes what came of an attempt, and returns what follows.
    pub(super) fn go_on(mut self, over: Finished) -> After {
        let Some(delay) = self.delay(&over.outcome) else {
            return After::Nothing(self.end(over));
        };
        self.before.push(self.attempt(&over));
        if over.checkpoint.is_some() {
            self.order.checkpoint.clone_from(&over.checkpoint);
        }
        self.last = Some(Box::new(over));
        self.waited = delay;
        self.order.attempt += 1;
        After::Again(self, delay)
    }

    /// Returns what is to be told of an order for whose next attempt it is too late: what came of the last one, if there
    /// was one.
    pub(super) fn give_up(self) -> Finished {
        let Some(mut last) = self.last else {
            let not_begun = Finished::not_begun(Failure::Cancelled { begun: false });
            return Finished { checkpoint: self.order.checkpoint, ..not_begun };
        };
        if self.before.len() > 1 {
            last.attempts = self.before.into_boxed_slice();
        }
        *last
    }

    /// Returns how long the next attempt has to wait, if there is to be one.
    fn delay<T>(&self, outcome: &Outcome<T>) -> Option<Duration> {
        let options = &self.order.options;
        let made = self.order.attempt;
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
            | Failure::ProtocolBroken { .. } => Cause::Machinery,
        },
    })
}

/// Returns a number from 0 to 1 that nobody can tell.
fn chance() -> f64 {
    let [first, ..] = random();
    f64::from(first) / f64::from(u8::MAX)
}
