//! `OpeningFailures`: what follows when slots don't open: other attempts, ever later, or none any more.

use std::time::Duration;

use crate::clock::Deadline;

/// After how many failures of one kind in a row no slot is expected to open.
const MOST_FAILURES: u32 = 3;

/// How long no further attempt is made after that.
const PAUSE: Duration = Duration::from_secs(30);

/// The delay before a slot is opened again after its first failure; it doubles with each.
const FIRST_DELAY: Duration = Duration::from_millis(100);

/// The longest delay.
const LONGEST_DELAY: Duration = Duration::from_secs(10);

/// What kept a slot from opening.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FailureKind {
    /// There is no command, or its program can't be started.
    Start,
    /// The client ended before an agent had answered.
    Ended,
    /// The client's queue had no place for it in time.
    NotGranted,
    /// Nothing answered in time.
    Late,
    /// Something else than an agent answered.
    Foreign,
    /// The agent is of another build.
    OtherBuild,
    /// The agent went away before it had run anything.
    Left,
}

/// The failures since a slot has opened last.
#[derive(Debug, Default)]
pub(super) struct OpeningFailures {
    last: Option<FailureKind>,
    count: u32,
    /// Why no slot is opened at present, and until when.
    pause: Option<(String, Deadline)>,
}

impl OpeningFailures {
    /// Notes that a slot has opened.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Notes a failure. Returns whether no slot is expected to open.
    pub(super) fn add(&mut self, kind: FailureKind, reason: &str) -> bool {
        self.count = if self.last == Some(kind) { self.count + 1 } else { 1 };
        self.last = Some(kind);
        // It has waited for as long as it may.
        let is_hopeless = self.count >= MOST_FAILURES || kind == FailureKind::NotGranted;
        if is_hopeless {
            self.pause = Some((reason.to_owned(), Deadline::after(PAUSE)));
            self.count = 0;
        }
        is_hopeless
    }

    /// Returns why no slot is opened at present.
    pub(super) fn pause(&self) -> Option<&str> {
        self.pause.as_ref().filter(|(_, until)| !until.is_past()).map(|(reason, _)| &**reason)
    }
}

/// Returns the delay before a slot is opened again after so many failures in a row.
pub(super) fn delay(failed: u32) -> Duration {
    let doubled = FIRST_DELAY.saturating_mul(1_u32.checked_shl(failed.saturating_sub(1)).unwrap_or(u32::MAX));
    doubled.min(LONGEST_DELAY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_failures_of_one_kind_in_a_row_are_enough() {
        let mut failures = OpeningFailures::default();
        assert!(!failures.add(FailureKind::Ended, "a"));
        assert!(!failures.add(FailureKind::Ended, "b"));
        assert!(!failures.add(FailureKind::Late, "c"), "it is of another kind");
        assert!(!failures.add(FailureKind::Ended, "d"));
        assert!(failures.add(FailureKind::NotGranted, "once"), "that took its time");
        failures.clear();
        assert!(!failures.add(FailureKind::Ended, "e") && !failures.add(FailureKind::Ended, "f"));
        assert_eq!(failures.pause(), None);
        assert!(failures.add(FailureKind::Ended, "g"));
        assert_eq!(failures.pause(), Some("g"));
    }

    #[test]
    fn a_slot_is_opened_again_ever_later() {
        let delays = [1, 2, 3, 7, 8, 99].map(|failed| delay(failed).as_millis());
        assert_eq!(delays, [100, 200, 400, 6400, 10_000, 10_000]);
    }
}
