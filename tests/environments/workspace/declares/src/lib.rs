//! A dependency that declares a job, and the checks that the other crates make of theirs.

use std::fs::File;
use std::io::Write;
use std::time::Duration;

use scheduler::{Job, Outcome, job, run_job_with_timeout};

/// Longer than any job here takes.
pub const PLENTY: Duration = Duration::from_secs(60);

/// A job of a dependency.
#[job]
pub fn of_a_dependency() -> u32 {
    witness("of a dependency")
}

/// Notes, in the file that `WITNESSES` names, that the job which calls it ran, and returns the process that it ran in.
pub fn witness(job: &str) -> u32 {
    let process = std::process::id();
    if let Some(path) = std::env::var_os("WITNESSES") {
        let mut file = File::options().append(true).create(true).open(path).unwrap();
        file.write_all(format!("{process} {job}\n").as_bytes()).unwrap();
    }
    process
}

/// Runs a job that returns its process, and fails unless that is another one than this.
#[track_caller]
pub fn runs_elsewhere(call: Job<u32>) {
    let run = run_job_with_timeout(call, PLENTY).unwrap();
    let Outcome::Ok(process) = run.outcome else { panic!("{:?}", run.outcome) };
    assert_ne!(process, std::process::id(), "the job ran in the process of its test");
}
