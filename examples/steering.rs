//! A job that is steered while it runs: `cargo run --example steering`.
//!
//! The application sends it work, answers its questions, gives it more time as long as it gets on, and has a stop button. A job
//! that hangs is found out long before its timeout, since it reports nothing.

#![expect(clippy::print_stdout, reason = "an example prints its results")]

use std::thread;
use std::time::Duration;

use scheduler::observer::{Message, Slow};
use scheduler::{Observer, Outcome, OverrunKind, Scheduler, job, this_job};
use serde::{Deserialize, Serialize};

/// What the application sends.
#[derive(Debug, Serialize, Deserialize)]
enum Order {
    Copy { file: String },
    Finish,
}

/// What the job asks.
#[derive(Serialize, Deserialize)]
struct MayReplace {
    file: String,
}

/// Copies files until it is to finish, and returns those that it copied. Each order gives it a second more, up to an hour.
#[job(timeout = "5s", max_timeout = "1h", stall = "2s", slow = "1s")]
fn copier() -> Result<Vec<String>, scheduler::Error> {
    let mut copied = Vec::new();
    while let Some(Order::Copy { file }) = this_job::receive().wait()? {
        this_job::message(format!("copies {file}"));
        if !this_job::ask::<_, bool>(&MayReplace { file: file.clone() })? {
            continue;
        }
        if file == "broken" {
            thread::park(); // A disk that never answers.
        }
        copied.push(file);
        if !this_job::extend(Duration::from_secs(1)) {
            break; // There is no more time.
        }
    }
    Ok(copied)
}

/// Prints what the jobs report.
struct Console;

impl Observer for Console {
    fn message(&self, event: &Message<'_>) {
        println!("{}: {}", event.job_id, event.text);
    }

    fn slow(&self, event: &Slow<'_>) {
        println!("{}: takes longer than {:?}", event.job_id, event.after);
    }
}

#[scheduler::main]
fn main() -> Result<(), scheduler::Error> {
    let scheduler = Scheduler::new().concurrency(2).observer(Console);
    let scheduler = scheduler.on_ask(|question: MayReplace| question.file != "precious");

    let handle = scheduler.spawn_as("photos", copier::job())?;
    for file in ["sea", "precious", "hills"] {
        handle.send(&Order::Copy { file: file.to_owned() })?;
    }
    handle.send(&Order::Finish)?;
    println!("photos: {:?}", handle.wait()?.outcome.ok());

    let hangs = scheduler.spawn_as("backup", copier::job())?;
    hangs.send(&Order::Copy { file: "broken".to_owned() })?;
    // Any thread may stop a job, while another one waits for it.
    let waits = scheduler.spawn_as("idle", copier::job())?;
    let button = waits.canceller();
    thread::spawn(move || button.cancel());
    println!("idle: {}", waits.wait()?.error().unwrap_or_default());
    match hangs.wait()?.outcome {
        Outcome::Timeout(overrun) if overrun.kind() == OverrunKind::Stall => println!("backup: {overrun}"),
        outcome => println!("backup: {outcome:?}"),
    }
    Ok(())
}
