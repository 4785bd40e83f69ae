//! What an upgrade may put in the place of an application: it has a job of the same name, with another signature.

use scheduler::job;

#[job(name = "scheduler_tests::jobs::fast")]
fn fast(seconds: u64) -> String {
    seconds.to_string()
}

#[scheduler::main]
fn main() {}
