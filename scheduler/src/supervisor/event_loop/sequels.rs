//! What follows a job in the same entry of its list: its follow-up, the next part of its chain, or the end of the entry.

use super::EventLoop;
use super::finishing::Allowed;
use crate::clock;
use crate::journal::{Replay, ReplayedFollowUp, ReplayedJob};
use crate::outcome::Attempt;
use crate::panic_guard;
use crate::record::{OwedFollowUp, RunReport};
use crate::supervisor::attempts::{FinishedJob, PendingRun};
use crate::supervisor::job_event::{EventDetail, EventHandler, JobEvent, PartEvent};
use crate::supervisor::job_spec::{JobSpec, NextPart};
use crate::supervisor::place::{
    EarlierParts, FollowedJob, Place, not_begun, owed_by, record_of, replayed_record, with_earlier,
};
use crate::supervisor::queue::QueueKey;
use crate::supervisor::state_machine::StopMode;

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
        let FinishedJob { spec, report, place, owed } = finished;
        match place {
            Place::FollowUp(followed) => self.conclude_follow_up(key, &spec, report, *followed, allowed, listener),
            // Of most jobs nothing follows.
            Place::First if spec.sequel.is_none() => {
                // With it the journal: once a handle has its report, that may be closed.
                let load = spec.load.clone();
                drop(spec);
                self.report_finished(key, load.as_deref(), report, listener);
            }
            Place::First => self.conclude_part(key, (spec, report, None), owed, allowed, listener),
            Place::Later(earlier) => self.conclude_part(key, (spec, report, Some(earlier)), owed, allowed, listener),
        }
    }

    /// Goes on with an entry whose job an earlier run of the application has finished: with the follow-up that is still owed, or the
    /// next part of its chain.
    pub(super) fn conclude_replayed(
        &mut self,
        key: QueueKey,
        mut spec: JobSpec,
        replayed: ReplayedJob,
        earlier: Option<Box<EarlierParts>>,
        listener: &mut EventHandler<'_>,
    ) {
        let ReplayedJob { mut report, follow_up } = replayed;
        spec.attempt = report.attempts().last().map_or(spec.attempt, Attempt::number);
        match follow_up {
            Some(ReplayedFollowUp::Owed(owed)) => {
                self.conclude_part(key, (spec, report, earlier), Some(owed), Allowed::Everything, listener);
            }
            Some(ReplayedFollowUp::Done { job, signature, report: follow_up }) => {
                let record = replayed_record(&spec, &job, signature, *follow_up);
                self.count(record.status());
                report.details.sequence.get_or_insert_default().follow_ups.push(record);
                self.advance_chain(key, spec, report, earlier, Allowed::Everything, listener);
            }
            None => self.advance_chain(key, spec, report, earlier, Allowed::Everything, listener),
        }
    }

    /// Starts the follow-up of a job, if one is owed, or else the next part of its chain.
    fn conclude_part(
        &mut self,
        key: QueueKey,
        (spec, report, earlier): (JobSpec, RunReport, Option<Box<EarlierParts>>),
        owed: Option<OwedFollowUp>,
        allowed: Allowed,
        listener: &mut EventHandler<'_>,
    ) {
        let owed = owed.or_else(|| owed_by(&spec, &report));
        let follow_up = owed.and_then(|owed| spec.sequel.as_ref()?.follow_up(&spec, &report, &owed));
        let Some(follow_up) = follow_up else {
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
        if let Some(journal) = &job.journal {
            let written = journal.finish_follow_up(record.job, spec.entry.signature(), &record.run);
            self.is_stopped |= written.is_break();
        }
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
        let next = match &spec.sequel {
            Some(sequel) => sequel.next_part(&spec, &report),
            None => NextPart::End { is_partial: false },
        };
        let replay = match &next {
            NextPart::Job(next) | NextPart::Fallback(next) => self.replay(next),
            _ => Replay::Pending,
        };
        let may_start = !self.is_stopped && matches!(allowed, Allowed::Everything | Allowed::NoRetry);
        let may_start = may_start || matches!(replay, Replay::Finished(_));
        let next = match next {
            // It takes the place of a result only if it can start.
            NextPart::Fallback(_) if !may_start => {
                report.details.is_cut_short = true;
                NextPart::End { is_partial: true }
            }
            next => next,
        };
        let is_fallback =
            matches!(next, NextPart::Fallback(_) | NextPart::Value { .. } | NextPart::Broken { is_fallback: true, .. });
        if let NextPart::End { is_partial } = next {
            if is_partial {
                report.details.sequence.get_or_insert_default().is_partial = true;
            }
            with_earlier(&mut report, &spec, earlier);
            let load = spec.load.clone();
            drop(spec);
            return self.report_finished(key, load.as_deref(), report, listener);
        }
        let is_replayed = report.details.is_replayed;
        let mut earlier = earlier.unwrap_or_default();
        earlier.attempts += spec.attempt;
        earlier.is_fallback |= is_fallback;
        earlier.steps.push(record_of(&spec, report));
        let (spec, mut report) = match next {
            NextPart::Job(next) | NextPart::Fallback(next) if may_start => {
                if let Replay::Finished(replayed) = replay {
                    return self.conclude_replayed(key, *next, *replayed, Some(earlier), listener);
                }
                next.load.iter().for_each(|token| token.requeue());
                let key = QueueKey { lane: next.lane, ..first_key(key.number) };
                self.moved.insert(key.number, key);
                self.queue.push(key, PendingRun::at(*next, Place::Later(earlier)));
                return;
            }
            NextPart::Job(next) | NextPart::Fallback(next) => (*next, not_begun(None)),
            NextPart::Value { bytes, codec } => {
                let mut report = RunReport::of_value(bytes);
                report.details.is_replayed = is_replayed;
                report.details.sequence.get_or_insert_default().ran = Some((spec.entry.name(), codec));
                (spec, report)
            }
            NextPart::Broken { spec, reason, .. } => {
                let mut report = not_begun(Some(reason));
                report.details.is_replayed = is_replayed;
                return self.advance_chain(key, *spec, report, Some(earlier), allowed, listener);
            }
            NextPart::End { .. } => unreachable!("it was handled above"),
        };
        with_earlier(&mut report, &spec, Some(earlier));
        let load = spec.load.clone();
        drop(spec);
        self.report_finished(key, load.as_deref(), report, listener);
    }

    /// Returns what an earlier run of the application has left of a job, and starts no further one if the journal can't be read.
    pub(super) fn replay(&mut self, spec: &JobSpec) -> Replay {
        let is_readable = |result: &[u8]| spec.entry.codec().decode(result).map(panic_guard::discard).is_ok();
        let replay = spec.journal.as_ref().map_or(Replay::Pending, |journal| journal.replay(is_readable));
        self.is_stopped |= matches!(replay, Replay::Stop);
        replay
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
