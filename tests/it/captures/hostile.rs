//! Jobs that forge what a capture reads gain nothing by it.

use std::time::{Duration, Instant};

use scheduler::{Failure, Outcome};
use scheduler_tests::profile::quick_or_full;
use scheduler_tests::stuck::{Stuck, is_stuck};

use super::cancelled;
use crate::METHODS;

#[test]
fn a_job_with_forged_tables_and_stacks_is_captured_and_killed_like_any_other() {
    for seed in 1..=quick_or_full(8, 100) {
        let begin = Instant::now();
        let run = cancelled(METHODS[0], |mark| is_stuck::job(Stuck::Forging(seed), mark));
        assert!(matches!(run.outcome, Outcome::Error(Failure::Cancelled { begun: true, .. })), "{run:?}");
        assert!(scheduler_tests::platform::swept(run.sweep(), |count| count == 0), "{run:?}");
        assert!(run.stacks().len() <= 1, "{run:?}");
        assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
    }
}
