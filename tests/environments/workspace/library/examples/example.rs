//! An example with a test.

use declares::{runs_elsewhere, witness};
use scheduler::job;

#[job]
fn of_an_example() -> u32 {
    witness("of an example")
}

#[scheduler::main]
fn main() {
    runs_elsewhere(of_an_example::job());
    println!("the example is done");
}

#[scheduler::test]
fn a_job_of_an_example() {
    runs_elsewhere(of_an_example::job());
}
