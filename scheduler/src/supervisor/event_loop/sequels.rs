//! What follows a job in the same entry of its list: its follow-up, the next part of its chain, or the end of the entry.

use super::EventLoop;
use super::finishing::Allowed;
use crate::clock;
use crate::record::RunReport;
use crate::supervisor::attempts::{FinishedJob, PendingRun};
use crate::supervisor::job_event::{EventDetail, EventHandler, JobEvent, PartEvent};
use crate::supervisor::job_spec::{JobSpec, NextPart};
use crate::supervisor::mailbox::StopMode;
use crate::supervisor::place::{EarlierParts, FollowedJob, Place, not_begun, record_of, value_report, with_earlier};
use crate::supervisor::queue::QueueKey;

/// The key of a job that goes before all others, and has no group.
fn first_key(number: usize) -> QueueKey {
    QueueKey { priority: i32::MAX, number, lane: 0 }
}

impl EventLoop<'_> {
    /// Handles the end of a job, after its last attempt: starts what follows it, or reports that the entry has finished.
    pub(super) fn conclude(
        &mut self,
        key: QueueKey,
        finished: FinishedJob,
        allowed: Allowed,
        listener: &mut EventHandler<'_>,
    ) {
        let FinishedJob { spec, report, place } = finished;
        match place {
            Place::FollowUp(followed) => self.conclude_follow_up(key, &spec, report, *followed, allowed, listener),
            // Of most jobs nothing follows.
            Place::First if spec.sequel.is_none() => self.report_finished(key, spec.load.as_deref(), report, listener),
            Place::First => self.conclude_part(key, spec, report, None, allowed, listener),
            Place::Later(earlier) => self.conclude_part(key, spec, report, Some(earlier), allowed, listener),
        }
    }

    /// Starts the follow-up of a job, if one is owed, or else the next part of its chain.
    fn conclude_part(
        &mut self,
        key: QueueKey,
        spec: JobSpec,
        report: RunReport,
        earlier: Option<Box<EarlierParts>>,
        allowed: Allowed,
        listener: &mut EventHandler<'_>,
    ) {
        let owed = spec.sequel.as_ref().and_then(|sequel| sequel.follow_up(&spec, &report));
        let Some(follow_up) = owed else {
            return self.advance_chain(key, spec, report, earlier, allowed, listener);
        };
        let mut followed = FollowedJob::new(spec, report, earlier);
        followed.is_unwanted = matches!(allowed, Allowed::FollowUp | Allowed::Nothing);
        match follow_up {
            Ok(follow_up) if allowed != Allowed::Nothing => {
                let key = first_key(key.number);
                let pending = PendingRun::at(follow_up, Place::FollowUp(Box::new(followed)));
                if self.config.detail == EventDetail::All {
                    let event = JobEvent::Queued { at: clock::wall(), group: None };
                    self.is_stopped |= listener(key.number, pending.event(event)).is_break();
                }
                self.owed.push_back((key, pending));
            }
            Ok(follow_up) => self.conclude_follow_up(key, &follow_up, not_begun(None), followed, allowed, listener),
            Err(reason) => {
                let failed = followed.spec.clone();
                self.conclude_follow_up(key, &failed, not_begun(Some(reason)), followed, allowed, listener);
            }
        }
    }

    /// Keeps the record of a follow-up, and goes on with the entry of the job.
    fn conclude_follow_up(
        &mut self,
        key: QueueKey,
        spec: &JobSpec,
        report: RunReport,
        followed: FollowedJob,
        allowed: Allowed,
        listener: &mut EventHandler<'_>,
    ) {
        let FollowedJob { spec: job, report: mut job_report, earlier, key: observer_key, is_unwanted } = followed;
        self.count(report.outcome.status());
        let record = record_of(spec, report);
        if self.config.detail == EventDetail::All {
            let event = JobEvent::FollowedUp { at: clock::wall(), record: Box::new(record.clone()) };
            let encoding = spec.entry.codec().encoding();
            let event = PartEvent { follow_up: Some(observer_key), job: record.job, encoding, event };
            self.is_stopped |= listener(key.number, JobEvent::OfPart(Box::new(event))).is_break();
        }
        job_report.details.sequence.get_or_insert_default().follow_ups.push(record);
        let allowed = if is_unwanted { allowed.max(Allowed::FollowUp) } else { allowed };
        self.advance_chain(key, job, job_report, earlier, allowed, listener);
    }

    /// Starts the next part of a chain, or reports that the entry has finished.
    fn advance_chain(
        &mut self,
        key: QueueKey,
        spec: JobSpec,
        mut report: RunReport,
        earlier: Option<Box<EarlierParts>>,
        allowed: Allowed,
        listener: &mut EventHandler<'_>,
    ) {
        let may_start = !self.is_stopped && matches!(allowed, Allowed::Everything | Allowed::NoRetry);
        let next = match &spec.sequel {
            Some(sequel) => sequel.next_part(&spec, &report),
            None => NextPart::End { is_partial: false },
        };
        let next = match next {
            // It takes the place of a result only if it can start.
            NextPart::Fallback(_) if !may_start => NextPart::End { is_partial: true },
            next => next,
        };
        let is_fallback = matches!(next, NextPart::Fallback(_) | NextPart::Value { .. });
        if let NextPart::End { is_partial } = next {
            if is_partial {
                report.details.sequence.get_or_insert_default().is_partial = true;
            }
            with_earlier(&mut report, &spec, earlier);
            // With its follow-up it has finished. If the application dies before that, both run again.
            if let Some(journal) = &spec.journal {
                self.is_stopped |= journal.finish(&report).is_break();
            }
            return self.report_finished(key, spec.load.as_deref(), report, listener);
        }
        let mut earlier = earlier.unwrap_or_default();
        earlier.attempts += spec.attempt;
        earlier.is_fallback |= is_fallback;
        earlier.steps.push(record_of(&spec, report));
        let (spec, mut report) = match next {
            NextPart::Job(next) | NextPart::Fallback(next) if may_start => {
                next.load.iter().for_each(|token| token.requeue());
                let key = QueueKey { lane: next.lane, ..first_key(key.number) };
                self.moved.insert(key.number, key);
                self.queue.push(key, PendingRun::at(*next, Place::Later(earlier)));
                return;
            }
            NextPart::Job(next) | NextPart::Fallback(next) => (*next, not_begun(None)),
            NextPart::Value { bytes, codec } => {
                let mut report = value_report(bytes);
                report.details.sequence.get_or_insert_default().ran = Some((spec.entry.name(), codec));
                (spec, report)
            }
            NextPart::Broken(reason) => (spec, not_begun(Some(reason))),
            NextPart::End { .. } => unreachable!("it was handled above"),
        };
        with_earlier(&mut report, &spec, Some(earlier));
        self.report_finished(key, spec.load.as_deref(), report, listener);
    }

    /// Returns the key under which an entry waits: that of its part, if it isn't at its first one.
    pub(super) fn waiting_key(&self, key: QueueKey) -> QueueKey {
        self.moved.get(&key.number).copied().unwrap_or(key)
    }

    /// Removes the next job: a follow-up that is owed, even if no further job starts, or one from the queue.
    pub(super) fn pop_next(&mut self) -> Option<(QueueKey, PendingRun)> {
        let owed = self.owed.pop_front();
        owed.or_else(|| if self.is_stopped { None } else { self.queue.pop() })
    }

    /// Cancels the entry of a follow-up that waits for its start. The follow-up itself runs all the same, unless it is killed.
    /// Returns whether there is such an entry.
    pub(super) fn cancel_owed(&mut self, number: usize, mode: StopMode, listener: &mut EventHandler<'_>) -> bool {
        let Some(index) = self.owed.iter().position(|(key, _)| key.number == number) else {
            return false;
        };
        match mode {
            StopMode::Graceful => self.owed[index].1.mark_unwanted(),
            StopMode::Immediate => {
                if let Some((key, pending)) = self.owed.remove(index) {
                    self.conclude(key, pending.cancel(), Allowed::Nothing, listener);
                }
            }
        }
        true
    }

    /// Kills the follow-ups that wait for their start.
    pub(super) fn kill_owed(&mut self, listener: &mut EventHandler<'_>) {
        while let Some((key, pending)) = self.owed.pop_front() {
            self.conclude(key, pending.cancel(), Allowed::Nothing, listener);
        }
    }
}
