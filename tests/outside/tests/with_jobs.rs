//! Jobs under `cargo test` and `cargo nextest run`, in an integration test.

use std::time::Duration;

use outside::{fast_job, panics, slow_job};
use scheduler::{Failure, Outcome, Status, job, run_job_with_timeout};

scheduler::enable_tests!();

const PLENTY: Duration = Duration::from_secs(60);

#[job]
fn declared_in_a_test(n: u32) -> u32 {
    n + 1
}

#[test]
fn jobs_run() {
    assert_eq!(run_job_with_timeout(fast_job::job(), PLENTY).unwrap().outcome, Outcome::Ok(42));
    assert_eq!(run_job_with_timeout(declared_in_a_test::job(1), PLENTY).unwrap().outcome, Outcome::Ok(2));
}

#[test]
fn jobs_are_stopped() {
    let run = run_job_with_timeout(slow_job::job(), Duration::from_millis(100)).unwrap();
    assert_eq!(run.status(), Status::Timeout);
}

#[test]
fn a_panic_is_told() {
    let run = run_job_with_timeout(panics::job(), PLENTY).unwrap();
    assert!(matches!(run.outcome, Outcome::Error(Failure::Panicked(_))), "{:?}", run.outcome);
}
