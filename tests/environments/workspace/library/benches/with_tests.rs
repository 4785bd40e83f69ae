//! A benchmark with libtest's harness, in which there are tests too.

use declares::{runs_elsewhere, witness};
use scheduler::job;

scheduler::enable_tests!();

#[job]
fn of_a_benchmark_with_tests() -> u32 {
    witness("of a benchmark with tests")
}

#[test]
fn a_job_of_a_benchmark() {
    runs_elsewhere(of_a_benchmark_with_tests::job());
}
