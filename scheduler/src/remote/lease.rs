//! The lease of an agent: how long it may run a job without a sign of the application, and what the application may conclude.
//!
//! No two clocks are compared. The agent sends its own time, the application echoes it, and the agent's lease lasts for its length
//! after the time that it had *sent*. Any byte that the application hears renews its own view of the agent. Since the application
//! only echoes what it has heard, the lease of an agent ends no later than the application gives it up. The idea is that of the
//! leases of Gray and Cheriton (1989), with the holder's clock alone.

use std::time::Duration;

use crate::clock::Deadline;

/// The length of a lease, unless set.
pub(super) const DEFAULT: Duration = Duration::from_secs(30);

/// The shortest length: with less, an agent is lost on a busy machine.
pub(super) const SHORTEST: Duration = Duration::from_secs(5);

/// The longest length: a job that is cut off could run for so long.
pub(super) const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// How long an agent takes to notice that its lease has passed, and to kill a job: a second, and the limit of a sweep with some
/// room.
const MARGIN: Duration = Duration::from_secs(4);

/// Returns the time between two signs of an agent: a tenth of the lease, and three seconds at most.
pub(super) fn beat(lease: Duration) -> Duration {
    (lease / 10).min(Duration::from_secs(3))
}

/// Returns for how long an agent may run a job on whose application has died.
pub(super) fn longest_life(lease: Duration) -> Duration {
    lease + MARGIN
}

/// The lease as the agent holds it, by the time since its machine's start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct HeldLease {
    length: Duration,
    until: Duration,
}

impl HeldLease {
    /// Returns the lease of an agent that sent this time in its first message, and got an answer.
    pub(super) fn new(length: Duration, sent: Duration) -> Self {
        Self { length, until: sent.saturating_add(length) }
    }

    /// Renews the lease: the application has echoed this time.
    pub(super) fn renew(&mut self, echoed: Duration, now: Duration) {
        // An echo from the future is none of ours.
        self.until = self.until.max(echoed.min(now).saturating_add(self.length));
    }

    /// Returns the last moment, by the same clock.
    pub(super) fn until(&self) -> Duration {
        self.until
    }

    pub(super) fn has_passed(&self, now: Duration) -> bool {
        now >= self.until
    }
}

/// The lease as the application sees it.
#[derive(Clone, Copy, Debug)]
pub(super) struct SeenLease {
    length: Duration,
    /// The agent is given up then.
    silent_by: Deadline,
    /// No job of it can be alive then.
    gone_by: Deadline,
}

impl SeenLease {
    pub(super) fn new(length: Duration) -> Self {
        Self { length, silent_by: Deadline::after(length), gone_by: Deadline::after(longest_life(length)) }
    }

    /// Notes that something was heard.
    pub(super) fn heard(&mut self) {
        self.silent_by = Deadline::after(self.length);
    }

    /// Notes that an echo is about to be sent, by which the agent may renew its lease.
    pub(super) fn echoes(&mut self) {
        self.gone_by = Deadline::after(longest_life(self.length));
    }

    pub(super) fn silent_by(&self) -> Deadline {
        self.silent_by
    }

    pub(super) fn gone_by(&self) -> Deadline {
        self.gone_by
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_lease_lasts_from_the_time_that_was_sent_and_not_from_its_echo() {
        let mut lease = HeldLease::new(10 * SECOND, 100 * SECOND);
        assert!(!lease.has_passed(109 * SECOND) && lease.has_passed(110 * SECOND));
        // The echo took four seconds.
        lease.renew(103 * SECOND, 107 * SECOND);
        assert_eq!(lease.until(), 113 * SECOND);
        // Echoes may arrive late.
        lease.renew(101 * SECOND, 108 * SECOND);
        assert_eq!(lease.until(), 113 * SECOND);
        lease.renew(900 * SECOND, 109 * SECOND);
        assert_eq!(lease.until(), 119 * SECOND);
    }

    #[test]
    fn an_agent_beats_several_times_in_a_lease() {
        for (lease, expected) in [(SHORTEST, SECOND / 2), (DEFAULT, 3 * SECOND), (LONGEST, 3 * SECOND)] {
            assert_eq!(beat(lease), expected);
        }
    }
}
