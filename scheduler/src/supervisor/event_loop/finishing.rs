//! What follows the end of an attempt: the journal has it, it is reported, and another attempt is queued or the job has finished.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use super::{EventLoop, Retry};
use crate::clock::{self, Deadline};
use crate::outcome::Status;
use crate::process::WaitKey;
use crate::record::RunReport;
use crate::supervisor::attempts::{NextStep, PendingRun};
use crate::supervisor::job_event::{EventDetail, EventHandler, JobEvent};
use crate::supervisor::loop_config::OnSuccess;
use crate::supervisor::queue::QueueKey;

impl EventLoop<'_> {
    /// Writes the checkpoints that jobs have saved to the journal, before they count.
    pub(super) fn save_checkpoints(&mut self, changed: &BTreeSet<WaitKey>) {
        for active in changed.iter().filter_map(|key| self.runs.get(*key)) {
            if let (Some(journal), Some(checkpoint)) = (&active.pending.spec.journal, active.run.checkpoint()) {
                self.is_stopped |= journal.save(checkpoint).is_break();
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
        retry: Retry,
        listener: &mut EventHandler<'_>,
    ) {
        self.queue.release(key);
        let journal = pending.spec.journal.clone();
        let is_needed = self.config.detail == EventDetail::All || journal.is_some();
        let attempt = is_needed.then(|| pending.attempt(&report));
        let next_step = match retry {
            Retry::AsConfigured => pending.next_step(report),
            Retry::Never => NextStep::Finish(pending.finish(report)),
        };
        // Before anything counts that it reports.
        let written = match (&journal, &next_step, &attempt) {
            (Some(journal), NextStep::Retry(..), Some(attempt)) => journal.end_attempt(attempt),
            (Some(journal), NextStep::Finish(report), _) => journal.finish(report),
            _ => ControlFlow::Continue(()),
        };
        self.is_stopped |= written.is_break();
        if let Some(attempt) = attempt.filter(|_| self.config.detail == EventDetail::All) {
            let retry = if let NextStep::Retry(pending, delay) = &next_step { pending.retried(*delay) } else { None };
            let event = JobEvent::AttemptEnded { at: clock::wall(), attempt, slot, retry };
            self.is_stopped |= listener(key.number, event).is_break();
        }
        match next_step {
            NextStep::Retry(pending, delay) => {
                pending.spec.load.iter().for_each(|token| token.requeue());
                self.queue.push_delayed(key, pending, Deadline::after(delay));
            }
            NextStep::Finish(report) => self.report_finished(key, report, listener),
        }
    }

    /// Reports that a job has finished, and stops the list if it is to end with this one.
    pub(super) fn report_finished(&mut self, key: QueueKey, report: RunReport, listener: &mut EventHandler<'_>) {
        let is_success = report.outcome.status() == Status::Ok;
        self.is_stopped |= listener(key.number, JobEvent::Finished(report)).is_break();
        self.failures = self.failures.saturating_add(u32::from(!is_success));
        let has_failed = self.config.on_failure.most_failures().is_some_and(|most| self.failures >= most);
        self.is_stopped |= has_failed || (is_success && self.config.on_success == OnSuccess::Stop);
    }
}
