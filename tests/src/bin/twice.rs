//! An application in which two jobs have the same name.

#![expect(clippy::print_stdout, reason = "this program talks to its test")]

use scheduler::{Scheduler, job, jobs};

#[job(name = "tidy")]
fn tidy() {}

mod elsewhere {
    #[scheduler::job(name = "tidy")]
    pub(crate) fn tidy_too() {}
}

#[scheduler::main]
fn main() {
    let refused = Scheduler::new().run(jobs![("a", tidy), ("b", elsewhere::tidy_too)]);
    let error = refused.expect_err("the two can't be distinguished");
    println!("{} {error}", error.is_invalid_jobs());
}
