//! `Fallback`: the deadlines that a job's process, or its warden, keeps by itself, a little later than the parent's.
//!
//! The parent may be stopped (Ctrl-Z, a debugger, a frozen container), and enforces nothing meanwhile.

use std::time::Duration;

use crate::wire::message::Request;

/// How much later than the parent a job is killed that has overrun: longer than it takes a busy parent to do so.
const MARGIN: Duration = Duration::from_millis(200);

/// How long a process may take to exit once its outcome is on its way.
const LEAVE_LIMIT: Duration = Duration::from_secs(2);

/// How far a job has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Milestone {
    /// Its function is called.
    Called,
    /// Its function has returned, or has panicked.
    Returned,
    /// What it returned is encoded, and is being sent.
    Encoded,
    /// The parent has all that it needs, or will have once it reads it.
    Delivered,
}

/// When a job must be killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    Now,
    /// After that time, unless it has reached another milestone by then.
    In(Duration),
    /// Not before it has reached another milestone.
    Never,
}

/// How long the steps of a job may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fallback {
    /// The function, its grace period included.
    function: Option<Duration>,
    delivery: Option<Duration>,
}

impl Fallback {
    pub(crate) fn of(request: &Request) -> Self {
        let function = request.timeout.and_then(|timeout| timeout.checked_add(request.grace)?.checked_add(MARGIN));
        Self { function, delivery: request.delivery.checked_add(MARGIN) }
    }

    /// Returns when a job must be killed that reached its last milestone that long ago, or none so far.
    pub(crate) fn due(&self, reached: Option<(Milestone, Duration)>) -> Due {
        let (limit, ago) = match reached {
            // It is called later than now, so that nothing is due before.
            None => return self.function.map_or(Due::Never, Due::In),
            Some((Milestone::Called, ago)) => (self.function, ago),
            Some((Milestone::Returned, ago)) => (self.delivery, ago),
            // It may wait for the parent to read. A value that came in time must not be lost for that.
            Some((Milestone::Encoded, _)) => return Due::Never,
            Some((Milestone::Delivered, ago)) => (Some(LEAVE_LIMIT + MARGIN), ago),
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

    #[test]
    fn a_job_is_killed_a_little_after_the_limit_of_what_it_is_doing() {
        let s = Duration::from_secs;
        let fallback = Fallback { function: Some(s(3)), delivery: Some(s(30)) };
        let leave = LEAVE_LIMIT + MARGIN;
        for (reached, due) in [
            (None, Due::In(s(3))),
            (Some((Milestone::Called, s(1))), Due::In(s(2))),
            (Some((Milestone::Called, s(3))), Due::Now),
            (Some((Milestone::Called, s(99))), Due::Now),
            (Some((Milestone::Returned, s(10))), Due::In(s(20))),
            (Some((Milestone::Returned, s(30))), Due::Now),
            (Some((Milestone::Encoded, s(99))), Due::Never),
            (Some((Milestone::Delivered, Duration::ZERO)), Due::In(leave)),
            (Some((Milestone::Delivered, leave)), Due::Now),
        ] {
            assert_eq!(fallback.due(reached), due, "{reached:?}");
        }
    }

    #[test]
    fn without_a_limit_a_function_may_take_for_ever() {
        let fallback = Fallback { function: None, delivery: None };
        for reached in [None, Some((Milestone::Called, Duration::MAX)), Some((Milestone::Returned, Duration::MAX))] {
            assert_eq!(fallback.due(reached), Due::Never, "{reached:?}");
        }
    }
}
