//! What follows the end of an attempt: the journal has it, it is reported, and another attempt is queued or the job has finished.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use super::EventLoop;
use crate::clock::{self, Deadline};
use crate::outcome::Status;
use crate::process::WaitKey;
use crate::record::{Continuation, RunReport};
use crate::supervisor::attempts::{FinishedJob, NextStep, PendingRun};
use crate::supervisor::job_event::{EventDetail, EventHandler, JobEvent};
use crate::supervisor::load::LoadToken;
use crate::supervisor::loop_config::OnSuccess;
use crate::supervisor::place::owed_by;
use crate::supervisor::queue::QueueKey;

/// What may follow an attempt: each of these excludes more than the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Allowed {
    /// Another attempt, a follow-up, the next part of a chain.
    Everything,
    /// Another attempt would fail in the same way.
    NoRetry,
    /// Nothing more of the list, or of this entry, is to start, but the follow-up that is owed for what has ended.
    FollowUp,
    /// It was killed.
    Nothing,
}

impl EventLoop<'_> {
    /// Writes the checkpoints that jobs have saved to the journal, before they count.
    pub(super) fn save_checkpoints(&mut self, changed: &BTreeSet<WaitKey>) {
        for key in changed {
            if let Some(active) = self.runs.get_mut(*key) {
                self.is_stopped |= active.run.write_checkpoint().is_break();
            }
        }
    }

    /// Reports an attempt, and queues the next one if there is to be one.
    pub(super) fn finish_attempt(
        &mut self,
        key: QueueKey,
        pending: PendingRun,
        slot: Option<usize>,
        report: RunReport,
        allowed: Allowed,
        listener: &mut EventHandler<'_>,
    ) {
        self.queue.release(key);
        let journal = pending.spec.journal.clone();
        let is_needed = self.config.detail == EventDetail::All || journal.is_some();
        let mut attempt = is_needed.then(|| pending.attempt(&report));
        if let Some(attempt) = &mut attempt {
            attempt.number = pending.attempt_number();
        }
        let mut next_step = match allowed {
            Allowed::Everything => pending.next_step(report),
            Allowed::NoRetry => NextStep::Finish(pending.finish(report)),
            Allowed::FollowUp | Allowed::Nothing => NextStep::Finish(pending.stop(report)),
        };
        // Before anything counts that it reports.
        let written = match (journal, &mut next_step, &attempt) {
            (Some(journal), NextStep::Retry(..), Some(attempt)) => journal.end_attempt(attempt),
            (Some(journal), NextStep::Finish(FinishedJob { report, .. }), Some(attempt))
                if report.details.is_cut_short || report.never_started() =>
            {
                journal.end_attempt(attempt)
            }
            (Some(journal), NextStep::Finish(finished), _) => {
                let FinishedJob { spec, report, owed, .. } = finished;
                *owed = owed_by(spec, report);
                let continuation = spec.sequel.as_ref().map_or(Continuation::End, |sequel| sequel.continuation(report));
                journal.finish(report, owed.as_ref(), continuation)
            }
            _ => ControlFlow::Continue(()),
        };
        self.is_stopped |= written.is_break();
        if let Some(attempt) = attempt.filter(|_| self.config.detail == EventDetail::All) {
            let at = clock::wall();
            let event = |retry| JobEvent::AttemptEnded { at, attempt, slot, retry };
            let event = match &next_step {
                NextStep::Retry(pending, delay) => pending.event(event(pending.retried(*delay))),
                NextStep::Finish(finished) => finished.place.event(&finished.spec, event(None)),
            };
            self.is_stopped |= listener(key.number, event).is_break();
        }
        match next_step {
            NextStep::Retry(pending, delay) => {
                pending.spec.load.iter().for_each(|token| token.requeue());
                self.queue.push_delayed(key, pending, Deadline::after(delay));
            }
            NextStep::Finish(finished) => self.conclude(key, finished, allowed, listener),
        }
    }

    /// Reports that an entry has finished, and stops the list if it is to end with this one.
    pub(super) fn report_finished(
        &mut self,
        key: QueueKey,
        load: Option<&LoadToken>,
        report: RunReport,
        listener: &mut EventHandler<'_>,
    ) {
        load.inspect(|load| load.end());
        if !self.moved.is_empty() {
            self.moved.remove(&key.number);
        }
        let status = report.outcome.status();
        self.is_stopped |= listener(key.number, JobEvent::Finished(report)).is_break();
        self.count(status);
        self.is_stopped |= status == Status::Ok && self.config.on_success == OnSuccess::Stop;
    }

    /// Counts a failure, after which no further job may start.
    pub(super) fn count(&mut self, status: Status) {
        self.failures = self.failures.saturating_add(u32::from(status != Status::Ok));
        self.is_stopped |= self.config.on_failure.most_failures().is_some_and(|most| self.failures >= most);
    }
}
