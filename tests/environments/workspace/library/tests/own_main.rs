//! A test without libtest.

use declares::{runs_elsewhere, witness};
use scheduler::job;

#[job]
fn of_a_test_without_harness() -> u32 {
    witness("of a test without harness")
}

#[scheduler::main]
fn main() {
    runs_elsewhere(of_a_test_without_harness::job());
    println!("1 passed of a test without harness");
}
