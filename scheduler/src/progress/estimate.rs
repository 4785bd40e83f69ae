//! `Estimate`: the time that is left, from what finished jobs took.

use std::collections::HashMap;
use std::time::Duration;

/// What is known about the jobs of each name.
#[derive(Debug, Default)]
pub(super) struct Estimate {
    by_name: HashMap<&'static str, Jobs>,
    all: Jobs,
    /// The most that ran at a time.
    width: usize,
}

#[derive(Clone, Copy, Debug, Default)]
struct Jobs {
    waiting: u64,
    finished: u64,
    time: Duration,
}

impl Jobs {
    /// Returns the mean of the finished ones, in seconds.
    fn mean(&self) -> Option<f64> {
        #[expect(clippy::cast_precision_loss, reason = "no run has that many jobs")]
        let finished = self.finished as f64;
        (self.finished > 0).then(|| self.time.as_secs_f64() / finished)
    }
}

/// A running job.
#[derive(Clone, Copy, Debug)]
pub(super) struct Share {
    pub(super) job: &'static str,
    pub(super) elapsed: Duration,
    pub(super) progress: Option<(u64, u64)>,
}

impl Estimate {
    pub(super) fn wait(&mut self, job: &'static str) {
        self.by_name.entry(job).or_default().waiting += 1;
    }

    pub(super) fn has_waiting(&self) -> bool {
        self.by_name.values().any(|jobs| jobs.waiting > 0)
    }

    pub(super) fn start(&mut self, job: &'static str, running: usize) {
        self.cancel(job);
        self.width = self.width.max(running);
    }

    /// Takes back a job that waited.
    pub(super) fn cancel(&mut self, job: &'static str) {
        let jobs = self.by_name.entry(job).or_default();
        jobs.waiting = jobs.waiting.saturating_sub(1);
    }

    pub(super) fn finish(&mut self, job: &'static str, time: Duration) {
        for jobs in [self.by_name.entry(job).or_default(), &mut self.all] {
            jobs.finished += 1;
            jobs.time = jobs.time.saturating_add(time);
        }
    }

    /// Returns the time that is left for the running jobs, those that wait, and `unknown` others; `None` before a job
    /// has finished.
    #[expect(clippy::cast_precision_loss, reason = "it is an estimate")]
    pub(super) fn time_left(&self, running: impl Iterator<Item = Share>, unknown: u64) -> Option<Duration> {
        let mean = self.all.mean()?;
        let mean_of = |job: &str| self.by_name.get(job).and_then(Jobs::mean).unwrap_or(mean);
        let waiting: f64 = self.by_name.iter().map(|(job, jobs)| jobs.waiting as f64 * mean_of(job)).sum();
        let (mut longest, mut sum) = (0.0_f64, 0.0);
        for share in running {
            let elapsed = share.elapsed.as_secs_f64();
            let rest = match share.progress {
                Some((done, total)) if done > 0 && total > 0 => {
                    elapsed * (total.saturating_sub(done) as f64 / done as f64)
                }
                _ => (mean_of(share.job) - elapsed).max(0.0),
            };
            longest = longest.max(rest);
            sum += rest;
        }
        let work = sum + waiting + unknown as f64 * mean;
        // However many run at a time, the last one is awaited.
        let left = (work / self.width.max(1) as f64).max(longest);
        Duration::try_from_secs_f64(left).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn running(job: &'static str, elapsed: u32, progress: Option<(u64, u64)>) -> Share {
        Share { job, elapsed: SECOND * elapsed, progress }
    }

    /// Six jobs `a` and two jobs `b`, two at a time: one of each has finished.
    fn two_finished() -> Estimate {
        let mut estimate = Estimate::default();
        for job in ["a", "a", "a", "a", "a", "a", "b", "b"] {
            estimate.wait(job);
        }
        estimate.start("a", 1);
        estimate.start("b", 2);
        estimate.finish("a", SECOND * 2);
        estimate.finish("b", SECOND * 10);
        estimate
    }

    #[test]
    fn nothing_is_known_before_a_job_has_finished() {
        let mut estimate = Estimate::default();
        estimate.wait("a");
        assert_eq!(estimate.time_left([].into_iter(), 5), None);
    }

    #[test]
    fn each_job_takes_what_those_of_its_name_took() {
        let estimate = two_finished();
        // Five times two seconds and once ten, two at a time.
        assert_eq!(estimate.time_left([].into_iter(), 0), Some(SECOND * 10));
        // Those that aren't queued yet take what all took.
        assert_eq!(estimate.time_left([].into_iter(), 2), Some(SECOND * 16));
    }

    #[test]
    fn a_running_job_takes_the_rest_or_what_its_progress_implies() {
        let mut estimate = two_finished();
        for _ in 0..5 {
            estimate.cancel("a");
        }
        estimate.cancel("b");
        let left = |share| estimate.time_left([share].into_iter(), 0);
        assert_eq!(left(running("b", 4, None)), Some(SECOND * 6));
        assert_eq!(left(running("b", 14, None)), Some(Duration::ZERO));
        assert_eq!(left(running("b", 14, Some((1, 4)))), Some(SECOND * 42));
        assert_eq!(left(running("b", 4, Some((0, 4)))), Some(SECOND * 6));
    }
}
