//! `Tally`: how far a run is.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::mem;
use std::time::Duration;

use super::estimate::{Estimate, Share};
use crate::clock::Stopwatch;
use crate::outcome::{Failure, Status};
use crate::record::Record;

/// How many characters of an id are kept: more than a line shows.
const ID_LENGTH: usize = 400;

/// The numbers of a run, and its running jobs. Its size depends on the jobs that run, not on those that are over.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) counts: Counts,
    /// By key, so that a job keeps its line.
    pub(super) running: BTreeMap<u64, JobLine>,
    /// Those that wait for their next attempt.
    pub(super) retrying: BTreeSet<u64>,
    pub(super) estimate: Estimate,
    /// For each slot that has become free while jobs wait, since when.
    freed: VecDeque<Stopwatch>,
    /// How long the jobs that are not over have had a slot, in the attempts that are.
    occupied: BTreeMap<u64, Duration>,
    /// Since the first job was queued; `None` between two runs.
    began: Option<Stopwatch>,
    expected: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) queued: u64,
    pub(super) ok: u64,
    pub(super) failed: u64,
    pub(super) timed_out: u64,
    pub(super) cancelled: u64,
    pub(super) flaky: u64,
}

/// Whether a running job is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LineKind {
    Job,
    FollowUp,
}

impl LineKind {
    /// Returns the kind of a job that follows the one of this key.
    pub(super) fn of(follows: Option<u64>) -> Self {
        if follows.is_some() { Self::FollowUp } else { Self::Job }
    }
}

/// A job that runs.
#[derive(Debug)]
pub(super) struct JobLine {
    pub(super) kind: LineKind,
    pub(super) id: String,
    pub(super) job: &'static str,
    pub(super) attempt: u32,
    pub(super) clock: Stopwatch,
    /// How long its slot was free before it started: the time that it takes to start a job.
    start_delay: Duration,
    pub(super) progress: Option<(u64, u64)>,
    pub(super) message: String,
}

impl Counts {
    pub(super) fn done(self) -> u64 {
        self.ok + self.failed + self.timed_out + self.cancelled
    }
}

impl Tally {
    pub(super) fn expect(&mut self, jobs: u64) {
        self.expected = jobs;
    }

    /// Returns the number of jobs, as far as it is known.
    pub(super) fn total(&self) -> u64 {
        self.counts.queued.max(self.expected)
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.began.map_or(Duration::ZERO, Stopwatch::elapsed)
    }

    /// Returns the estimated time until the last job is over, `None` before one has finished.
    pub(super) fn time_left(&self) -> Option<Duration> {
        let running = self.running.values().map(|job| Share {
            job: job.job,
            elapsed: job.clock.elapsed(),
            progress: job.progress,
        });
        self.estimate.time_left(running, self.total().saturating_sub(self.counts.queued))
    }

    /// Counts a job that waits, and returns whether a run begins with it.
    pub(super) fn queue(&mut self, job: &'static str) -> bool {
        let is_first = self.began.is_none();
        if is_first {
            self.began = Some(Stopwatch::start());
        }
        self.counts.queued += 1;
        self.estimate.wait(job);
        is_first
    }

    pub(super) fn start(&mut self, key: u64, kind: LineKind, id: &str, job: &'static str, attempt: u32) {
        let (id, message, clock) = (id.chars().take(ID_LENGTH).collect(), String::new(), Stopwatch::start());
        self.retrying.remove(&key);
        let start_delay = self.freed.pop_front().map_or(Duration::ZERO, Stopwatch::elapsed);
        self.running.insert(key, JobLine { kind, id, job, attempt, clock, start_delay, progress: None, message });
        if kind == LineKind::Job {
            self.estimate.start(job, self.running.len());
        }
    }

    pub(super) fn change(&mut self, key: u64, change: impl FnOnce(&mut JobLine)) {
        self.running.get_mut(&key).map(change);
    }

    /// Ends an attempt, whether or not the function was called.
    pub(super) fn stop(&mut self, key: u64, kind: LineKind, job: &'static str) {
        match self.running.remove(&key) {
            Some(line) if kind == LineKind::Job => {
                let occupied = self.occupied.entry(key).or_default();
                *occupied = occupied.saturating_add(line.start_delay).saturating_add(line.clock.elapsed());
                if self.estimate.has_waiting() {
                    self.freed.push_back(Stopwatch::start());
                }
            }
            None if kind == LineKind::Job => {
                self.retrying.remove(&key);
                self.estimate.cancel(job);
            }
            Some(_) | None => {}
        }
    }

    /// Counts a job that waits for its next attempt.
    pub(super) fn retry(&mut self, key: u64, job: &'static str) {
        self.retrying.insert(key);
        self.estimate.wait(job);
    }

    /// Counts a job that is over, and returns whether it was the last one.
    pub(super) fn record(&mut self, key: u64, job: &'static str, record: &Record) -> bool {
        let counts = &mut self.counts;
        match (record.status(), record.failure()) {
            (Status::Ok, _) => counts.ok += 1,
            (Status::Timeout, _) => counts.timed_out += 1,
            (Status::Error, Some(Failure::Cancelled { .. })) => counts.cancelled += 1,
            (Status::Error, _) => counts.failed += 1,
        }
        counts.flaky += u64::from(record.is_flaky());
        let occupied = self.occupied.remove(&key);
        if self.retrying.remove(&key) || matches!(record.failure(), Some(Failure::Cancelled { begun: false })) {
            self.estimate.cancel(job);
        } else {
            self.estimate.finish(job, occupied.unwrap_or(record.total_duration()));
        }
        self.counts.done() >= self.total()
    }

    /// Ends the run and returns it; `None` if none is going on.
    pub(super) fn finish(&mut self) -> Option<Self> {
        self.began?;
        Some(mem::take(self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The time between the end of a job and the start of the next one counts as that of the next.
    #[test]
    fn a_job_has_its_slot_from_the_end_of_the_one_before() {
        let mut tally = Tally::default();
        tally.queue("f");
        tally.queue("f");
        tally.start(0, LineKind::Job, "a", "f", 1);
        assert_eq!(tally.running[&0].start_delay, Duration::ZERO, "no slot was free before");
        tally.stop(0, LineKind::Job, "f");
        assert!(tally.occupied[&0] > Duration::ZERO);
        tally.start(1, LineKind::Job, "b", "f", 1);
        let start_delay = tally.running[&1].start_delay;
        assert!(start_delay > Duration::ZERO);
        tally.stop(1, LineKind::Job, "f");
        assert!(tally.occupied[&1] >= start_delay);
        assert!(tally.freed.is_empty(), "nothing waits for a slot");
    }
}
