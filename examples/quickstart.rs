//! Two jobs with a timeout of one second, one of which takes longer: `cargo run --example quickstart`.

#![expect(clippy::print_stdout, reason = "an example prints its results")]

use std::error::Error;
use std::fs;
use std::path::Path;
use std::thread;
use std::time::Duration;

use scheduler::{Record, default_follow_up_logger, job, jobs, schedule_jobs};

#[job]
fn fast_job() -> i32 {
    42
}

#[job]
#[expect(clippy::disallowed_methods, reason = "the sleep stands for a call that can't be stopped")]
fn slow_job() -> i32 {
    thread::sleep(Duration::from_secs(2));
    7
}

#[scheduler::main]
fn main() -> Result<(), Box<dyn Error>> {
    let log_file = Path::new("job_followups.log");
    let records = schedule_jobs(
        jobs![("J1", fast_job), ("J2", slow_job)],
        Duration::from_secs(1),
        default_follow_up_logger,
        log_file,
    )?;

    println!("{}", Record::table(&records));
    println!("\nJ1 returned {}", records[0].result::<i32>()?);

    println!("\nThe last line of {}:", fs::canonicalize(log_file)?.display());
    let log = fs::read_to_string(log_file)?;
    println!("{}", log.lines().last().unwrap_or_default());
    Ok(())
}
