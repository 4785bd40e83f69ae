//! `ActivityWatch`: since when a job has reported nothing or written no output, and whether it counts as slow.

use std::time::Duration;

use super::state_machine::StopReason;
use crate::clock::Deadline;
use crate::options::TimeLimits;

/// The age that a report may have when it is sent: reports in short succession are sent together.
const REPORT_DELAY: Duration = Duration::from_millis(50);

/// When a running function counts as stalled, silent or slow. A limit that isn't set costs nothing, not even a look at the
/// clock.
#[derive(Debug)]
pub(super) struct ActivityWatch {
    limits: TimeLimits,
    stalled: Deadline,
    silent: Deadline,
    /// Never, once it is reported.
    slow: Deadline,
}

impl ActivityWatch {
    pub(super) fn new(limits: TimeLimits) -> Self {
        let never = Deadline::NEVER;
        Self { limits, stalled: never, silent: never, slow: never }
    }

    /// The function is called.
    pub(super) fn start(&mut self) {
        self.reported();
        self.wrote();
        if let Some(slow) = self.limits.slow {
            self.slow = Deadline::after(slow);
        }
    }

    /// The job has reported something.
    pub(super) fn reported(&mut self) {
        if let Some(stall) = self.limits.stall {
            self.stalled = Deadline::after(stall.saturating_add(REPORT_DELAY));
        }
    }

    /// The job has written something.
    pub(super) fn wrote(&mut self) {
        if let Some(silence) = self.limits.silence {
            self.silent = Deadline::after(silence);
        }
    }

    /// Returns when the next limit passes.
    pub(super) fn deadline(&self) -> Deadline {
        self.stalled.earlier(self.silent).earlier(self.slow)
    }

    /// Returns whether the limit on the time without output has passed.
    pub(super) fn is_silent(&self) -> bool {
        self.silent.is_past()
    }

    /// Returns why the job is to be stopped, if a limit has passed: the earliest one.
    pub(super) fn stop_reason(&self) -> Option<StopReason> {
        let (deadline, reason) = [(self.stalled, StopReason::Stalled), (self.silent, StopReason::Silent)]
            .into_iter()
            .min_by_key(|limit| limit.0)?;
        deadline.is_past().then_some(reason)
    }

    /// Returns the time after which the job counts as slow, once, when it has passed.
    pub(super) fn take_slow(&mut self) -> Option<Duration> {
        let after = self.limits.slow.filter(|_| self.slow.is_past())?;
        self.slow = Deadline::NEVER;
        Some(after)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn watch(limits: TimeLimits) -> ActivityWatch {
        let mut watch = ActivityWatch::new(limits);
        watch.start();
        watch
    }

    #[test]
    fn nothing_passes_without_a_limit() {
        let mut watch = watch(TimeLimits::default());
        assert_eq!(watch.deadline(), Deadline::NEVER);
        assert_eq!((watch.stop_reason(), watch.take_slow()), (None, None));
    }

    #[test]
    fn a_limit_counts_from_the_call_of_the_function() {
        let limits = TimeLimits { silence: Some(Duration::ZERO), ..TimeLimits::default() };
        assert_eq!(ActivityWatch::new(limits).stop_reason(), None);
        assert_eq!(watch(limits).stop_reason(), Some(StopReason::Silent));
    }

    #[test]
    fn the_limit_that_passed_first_is_the_reason() {
        let limits = TimeLimits { stall: Some(HOUR), silence: Some(HOUR), slow: Some(HOUR), ..TimeLimits::default() };
        let past = |delta| Deadline::now().plus(delta);
        let mut watch = watch(limits);
        assert_eq!(watch.stop_reason(), None);
        (watch.silent, watch.stalled) = (past(Duration::ZERO), past(Duration::from_nanos(1)));
        while !watch.stalled.is_past() {}
        assert_eq!(watch.stop_reason(), Some(StopReason::Silent));
        watch.wrote();
        assert_eq!(watch.stop_reason(), Some(StopReason::Stalled));
        watch.reported();
        assert_eq!(watch.stop_reason(), None);
    }

    #[test]
    fn a_job_becomes_slow_once() {
        let mut watch = watch(TimeLimits { slow: Some(Duration::ZERO), ..TimeLimits::default() });
        assert_eq!((watch.take_slow(), watch.take_slow()), (Some(Duration::ZERO), None));
        assert_eq!(watch.deadline(), Deadline::NEVER);
    }
}
