//! A job that runs a very particular number of times.

use declares::{runs_elsewhere, witness};
use scheduler::job;

scheduler::enable_tests!();

#[job]
fn counts() -> u32 {
    for n in 0..1_234_567_u64 {
        step(n);
    }
    witness("counts")
}

#[inline(never)]
fn step(n: u64) {
    std::hint::black_box(n);
}

#[test]
fn a_job_is_counted() {
    runs_elsewhere(counts::job());
}
