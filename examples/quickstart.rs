//! Two jobs under a timeout of one second: one is fast, one is not. Run it with `cargo run --example quickstart`.

#![expect(clippy::print_stdout, reason = "a program talks to whoever started it")]

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
#[expect(clippy::disallowed_methods, reason = "it stands for a call that nobody can stop")]
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

    println!("{:<8}{:<10}{:>10}  result or error", "job", "status", "seconds");
    for record in &records {
        println!(
            "{:<8}{:<10}{:>10.6}  {}",
            record.job_id(),
            record.status(),
            record.duration().as_secs_f64(),
            told(record)?,
        );
    }

    println!("\n{} ends with:", fs::canonicalize(log_file)?.display());
    let log = fs::read_to_string(log_file)?;
    println!("{}", log.lines().last().unwrap_or_default());
    Ok(())
}

fn told(record: &Record) -> Result<String, scheduler::Error> {
    match record.error() {
        Some(error) => Ok(error),
        None => Ok(record.result::<i32>()?.to_string()),
    }
}
