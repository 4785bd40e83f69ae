//! An application without a library.

use declares::{PLENTY, runs_elsewhere, witness};
use scheduler::{Failure, Outcome, job, run_job_with_timeout};

#[job]
fn of_the_binary() -> u32 {
    witness("of the binary")
}

#[job]
fn panics() -> u32 {
    panic!("as it must");
}

#[scheduler::main]
fn main() {
    runs_elsewhere(of_the_binary::job());
    let run = run_job_with_timeout(panics::job(), PLENTY).unwrap();
    let Outcome::Error(Failure::Panicked(panic)) = run.outcome else { panic!("{:?}", run.outcome) };
    println!("panics {}: {}", if cfg!(panic = "abort") { "abort" } else { "unwind" }, panic.message);
}

#[cfg(test)]
mod tests {
    scheduler::enable_tests!();

    #[test]
    fn a_job_of_the_binary() {
        declares::runs_elsewhere(super::of_the_binary::job());
    }
}
