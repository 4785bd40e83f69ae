//! Finds out where jobs are stuck: two threads that wait for each other's mutex, and a program that never answers.
//!
//! Run it with `cargo run -p with-crates --example stuck` on Linux. Each job is killed at its timeout, and its record names the
//! lines that it had reached.

#![expect(clippy::print_stdout, reason = "an example prints its results")]

use std::io::{self, Read as _};
use std::process::{Command, Stdio};
use std::sync::{Arc, Barrier, Mutex};
use std::thread;

use scheduler::{Scheduler, job, jobs};

/// Moves money between two accounts, in both directions at once. Each direction locks its source first.
#[job(timeout = "300ms")]
fn transfer_both_ways() {
    let accounts = Arc::new([Mutex::new(100), Mutex::new(100)]);
    let both_have_one = Arc::new(Barrier::new(2));
    let spawn = |name: &str, from: usize, to: usize| {
        let (accounts, both_have_one) = (Arc::clone(&accounts), Arc::clone(&both_have_one));
        let body = move || transfer(&accounts[from], &accounts[to], &both_have_one);
        thread::Builder::new().name(name.to_owned()).spawn(body).expect("there is room for a thread")
    };
    let directions = [spawn("there", 0, 1), spawn("back", 1, 0)];
    for direction in directions {
        direction.join().expect("it doesn't panic");
    }
}

fn transfer(from: &Mutex<u32>, to: &Mutex<u32>, both_have_one: &Barrier) {
    let mut from = from.lock().expect("no thread panics");
    both_have_one.wait();
    let mut to = to.lock().expect("no thread panics"); // Neither thread gets past this line.
    *from -= 1;
    *to += 1;
}

/// Asks another program, which never answers.
#[job(timeout = "300ms")]
fn ask() -> io::Result<String> {
    let mut program = Command::new("sleep").arg("300").stdout(Stdio::piped()).spawn()?;
    let mut answer = String::new();
    program.stdout.take().expect("it is a pipe").read_to_string(&mut answer)?; // It is stuck here.
    program.wait()?;
    Ok(answer)
}

#[scheduler::main]
fn main() -> Result<(), scheduler::Error> {
    let scheduler = Scheduler::new().stacks(true).concurrency(2);
    let records = scheduler.run(jobs![("transfer", transfer_both_ways), ("ask", ask)])?;
    for record in &records {
        println!("{record:#}\n");
    }
    Ok(())
}
