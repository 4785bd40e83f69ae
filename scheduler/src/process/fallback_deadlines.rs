//! `FallbackDeadlines`: the deadlines that a job's warden, or its own process, enforces a little later than the parent.
//!
//! The parent may be stopped (Ctrl-Z, a debugger, a frozen container), and enforces nothing then.

use std::time::Duration;

use crate::wire::message::Request;

/// The delay after the parent's deadline: longer than a busy parent takes to kill the job.
const MARGIN: Duration = Duration::from_millis(200);

/// By what the time limits of a capture are multiplied. On an emulated processor everything takes many times as long, so the tests
/// there are compiled with `--cfg scheduler_emulated` (`.ci/arm-machine`).
pub(crate) const CAPTURE_FACTOR: u64 = if cfg!(scheduler_emulated) { 30 } else { 1 };

/// The time that a capture of the job's processes may delay the parent's kill.
pub(crate) const CAPTURE_LIMIT: Duration = Duration::from_millis(150 * CAPTURE_FACTOR);

/// The time that a process may take to exit after its outcome was sent.
const EXIT_LIMIT: Duration = Duration::from_secs(2);

/// A point that a job has reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Milestone {
    /// Its function is called.
    Called,
    /// Its function has returned, or has panicked.
    Returned,
    /// The returned value is encoded, and is being sent.
    Encoded,
    /// The outcome is sent completely.
    Delivered,
}

/// When a job must be killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    Now,
    /// After this time, unless it reaches another milestone first.
    In(Duration),
    /// Not before it reaches another milestone.
    Never,
}

/// The time limits of a job's steps, with the delay included.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FallbackDeadlines {
    /// The limit of the function, with its grace period.
    function: Option<Duration>,
    grace: Duration,
    /// The delay after the parent's deadline.
    margin: Duration,
    delivery: Option<Duration>,
    /// By the time since the machine's start.
    last_moment: Option<Duration>,
}

impl FallbackDeadlines {
    pub(crate) fn new(request: &Request) -> Self {
        let margin = if request.stacks { MARGIN + CAPTURE_LIMIT } else { MARGIN };
        let mut deadlines = Self {
            function: None,
            grace: request.grace,
            margin,
            delivery: request.delivery.checked_add(MARGIN),
            last_moment: None,
        };
        if let Some(timeout) = request.timeout {
            deadlines.extend(timeout);
        }
        deadlines.last_moment = request.last_moment;
        deadlines
    }

    /// Sets the time since the machine's start at which a job must be killed whatever it does.
    pub(crate) fn renew(&mut self, until: Duration) {
        self.last_moment = Some(until);
    }

    /// Returns when a job must be killed that reached this milestone last, this long ago, or none yet. `since_boot` returns the time
    /// since the machine's start.
    pub(crate) fn due(&self, reached: Option<(Milestone, Duration)>, since_boot: impl FnOnce() -> Duration) -> Due {
        let due = self.due_by_milestone(reached);
        let Some(until) = self.last_moment else {
            return due;
        };
        match (until.saturating_sub(since_boot()), due) {
            (Duration::ZERO, _) | (_, Due::Now) => Due::Now,
            (left, Due::In(other)) => Due::In(left.min(other)),
            (left, Due::Never) => Due::In(left),
        }
    }

    /// Sets the limit of the function.
    pub(crate) fn extend(&mut self, timeout: Duration) {
        self.function = timeout.checked_add(self.grace).and_then(|limit| limit.checked_add(self.margin));
    }

    fn due_by_milestone(&self, reached: Option<(Milestone, Duration)>) -> Due {
        let (limit, ago) = match reached {
            // The function will be called after now, so nothing can be due earlier.
            None => return self.function.map_or(Due::Never, Due::In),
            Some((Milestone::Called, ago)) => (self.function, ago),
            Some((Milestone::Returned, ago)) => (self.delivery, ago),
            // The job may be waiting for the parent to read. A value that was returned in time must not be lost for that.
            Some((Milestone::Encoded, _)) => return Due::Never,
            Some((Milestone::Delivered, ago)) => (Some(EXIT_LIMIT + MARGIN), ago),
        };
        match limit.map(|limit| limit.saturating_sub(ago)) {
            None => Due::Never,
            Some(Duration::ZERO) => Due::Now,
            Some(left) => Due::In(left),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Duration {
        Duration::from_secs(1000)
    }

    #[test]
    fn a_job_is_killed_a_little_after_the_limit_of_its_step() {
        let s = Duration::from_secs;
        let fallback = FallbackDeadlines {
            function: Some(s(3)),
            grace: Duration::ZERO,
            margin: MARGIN,
            delivery: Some(s(30)),
            last_moment: None,
        };
        let exit = EXIT_LIMIT + MARGIN;
        for (reached, due) in [
            (None, Due::In(s(3))),
            (Some((Milestone::Called, s(1))), Due::In(s(2))),
            (Some((Milestone::Called, s(3))), Due::Now),
            (Some((Milestone::Called, s(99))), Due::Now),
            (Some((Milestone::Returned, s(10))), Due::In(s(20))),
            (Some((Milestone::Returned, s(30))), Due::Now),
            (Some((Milestone::Encoded, s(99))), Due::Never),
            (Some((Milestone::Delivered, Duration::ZERO)), Due::In(exit)),
            (Some((Milestone::Delivered, exit)), Due::Now),
        ] {
            assert_eq!(fallback.due(reached, now), due, "{reached:?}");
        }
    }

    #[test]
    fn an_extended_limit_has_the_grace_period_as_well() {
        let s = Duration::from_secs;
        let mut fallback =
            FallbackDeadlines { function: Some(s(3)), grace: s(2), margin: MARGIN, delivery: None, last_moment: None };
        fallback.extend(s(5));
        let called = |ago| Some((Milestone::Called, ago));
        assert_eq!(fallback.due(called(s(3)), now), Due::In(s(4) + MARGIN));
        assert_eq!(fallback.due(called(s(7) + MARGIN), now), Due::Now);
        fallback.extend(Duration::MAX);
        assert_eq!(fallback.due(called(s(99)), now), Due::Never);
    }

    #[test]
    fn a_function_without_a_limit_may_run_forever() {
        let fallback = FallbackDeadlines {
            function: None,
            grace: Duration::ZERO,
            margin: MARGIN,
            delivery: None,
            last_moment: None,
        };
        for reached in [None, Some((Milestone::Called, Duration::MAX)), Some((Milestone::Returned, Duration::MAX))] {
            assert_eq!(fallback.due(reached, now), Due::Never, "{reached:?}");
        }
    }

    #[test]
    fn no_milestone_moves_the_last_moment() {
        let s = Duration::from_secs;
        let mut fallback = FallbackDeadlines {
            function: None,
            grace: Duration::ZERO,
            margin: MARGIN,
            delivery: None,
            last_moment: Some(s(1000)),
        };
        let reached = [None, Some((Milestone::Called, s(1))), Some((Milestone::Encoded, s(1)))];
        for reached in reached {
            assert_eq!(fallback.due(reached, now), Due::Now, "{reached:?}");
        }
        fallback.renew(s(1100));
        for reached in reached {
            assert_eq!(fallback.due(reached, now), Due::In(s(100)), "{reached:?}");
        }
    }
}
