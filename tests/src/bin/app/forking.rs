//! Applications that fork without executing anything or are stopped, and what becomes of their jobs and fork servers.

use std::error::Error;
use std::time::Instant;

use scheduler::{AnyJob, Scheduler, job};
use scheduler_tests::ending::Ending;
use scheduler_tests::forks::{exit_at_once, fork_that_waits};
use scheduler_tests::jobs::spins;
use scheduler_tests::leftovers::{FAMILY, Leftover, alive, leave, leaves};
use scheduler_tests::signals::{Signal, signal};

/// Detaches a job, and becomes a daemon while it runs: a fork continues, whose id is printed, and the original exits.
pub(crate) fn daemonise(scheduler: &Scheduler) -> Result<(), Box<dyn Error>> {
    let tag = std::env::var(FAMILY)?;
    let handle = scheduler.spawn(leaves::job(Leftover::HARDEST, Ending::Hangs, tag.clone()))?;
    while alive(&tag).len() < crate::WITH_A_JOB {
        std::thread::yield_now();
    }
    handle.detach();
    println!("{}", fork_that_waits()?);
    exit_at_once()
}

/// Stops its application, leaves a process behind, and computes forever.
#[job]
fn stops_its_application(application: u32, tag: String) {
    signal(application, Signal::STOP);
    leave(Leftover::Plain, &tag);
    spins();
}

/// Spawns a job that stops this process and overruns, and prints how it ended and how many milliseconds it took.
pub(crate) fn spawn_an_overrun(scheduler: &Scheduler) -> Result<(), Box<dyn Error>> {
    let job = stops_its_application::job(std::process::id(), std::env::var(FAMILY)?);
    let run = scheduler.spawn(job)?.wait()?;
    println!("{} {}", run.status(), run.duration.as_millis());
    Ok(())
}

/// Drops its scheduler while a copy of it lives, and prints the copy's id and how many milliseconds that took.
pub(crate) fn fork_and_drop(scheduler: Scheduler, jobs: Vec<(String, AnyJob)>) -> Result<(), Box<dyn Error>> {
    crate::print_records(&scheduler.run(jobs)?);
    let copy = fork_that_waits()?;
    let clock = Instant::now();
    drop(scheduler);
    println!("{copy} {}", clock.elapsed().as_millis());
    Ok(())
}
