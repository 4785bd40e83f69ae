//! Three ways to the results of many jobs: `cargo run --example results`.
//!
//! `map` runs one job over many inputs, `stream` returns records as they are made, and `first_ok` waits for the first success.

#![expect(clippy::disallowed_methods, reason = "a slow answer is one that sleeps")]
#![expect(clippy::print_stdout, reason = "an example prints its results")]

use std::thread;
use std::time::Duration;

use scheduler::{Outcome, Scheduler, job};

/// Returns the number of steps until the Collatz sequence of `n` reaches 1.
#[job(timeout = "10s")]
fn steps(mut n: u64) -> u32 {
    let mut steps = 0;
    while n != 1 {
        n = if n.is_multiple_of(2) { n / 2 } else { 3 * n + 1 };
        steps += 1;
    }
    steps
}

/// Asks a mirror, which takes this long to answer.
#[job(timeout = "10s")]
fn ask(mirror: String, millis: u64) -> Result<String, String> {
    thread::sleep(Duration::from_millis(millis));
    if mirror == "down" { Err(format!("`{mirror}` doesn't answer")) } else { Ok(format!("the answer of `{mirror}`")) }
}

#[scheduler::main]
fn main() -> Result<(), scheduler::Error> {
    let scheduler = Scheduler::new().concurrency(3);

    // Typed, and in the order of the inputs.
    for (n, run) in (1..).zip(scheduler.map(steps::job, 1..=5)?) {
        if let Outcome::Ok(steps) = run.outcome {
            println!("{n} needs {steps} steps");
        }
    }

    // From an iterator without an end, of which some jobs are drawn ahead. The records come as the jobs finish.
    let endless = (1_u64..).map(|n| (n.to_string(), steps::job(n)));
    for record in scheduler.stream(endless)? {
        if record.result::<u32>()? > 100 {
            println!("the first that needs more than 100 steps: {}", record.job_id());
            break; // The stream is dropped: what runs is killed, and no more is started.
        }
    }

    // The others are cancelled.
    let mirrors =
        [("down", 10), ("slow", 8000), ("near", 100)].map(|(name, millis)| (name, ask::job(name.into(), millis)));
    match scheduler.first_ok(mirrors)? {
        Ok(record) => println!("{}", record.result::<String>()?),
        Err(failed) => println!("none of {} mirrors answers", failed.len()),
    }
    Ok(())
}
