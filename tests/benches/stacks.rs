//! What the capture of a job's stacks adds to the time from its deadline to its record, and what the option costs a job that
//! returns: `cargo bench --bench stacks`.
//!
//! The job has as many threads, which sleep. The clock is one that processes share: the job writes the time at which its function
//! began to a file.

#![expect(clippy::print_stdout, reason = "a benchmark prints what it measures")]

mod figures;
mod machine;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Barrier};
use std::time::Duration;
use std::{fs, io, thread};

use figures::Figures;
use machine::now;
use scheduler::{ProcessSnapshot, Scheduler, StartMethod, Status, jobs};
use scheduler_tests::jobs::fast;

/// Enough for the job to start five hundred threads.
const LIMIT: Duration = Duration::from_millis(150);

#[scheduler::job]
fn has_threads(count: usize, clock: PathBuf) -> io::Result<()> {
    fs::write(clock, now().as_nanos().to_string())?;
    let all = Arc::new(Barrier::new(count));
    for _ in 1..count {
        let all = Arc::clone(&all);
        thread::Builder::new().stack_size(64 << 10).spawn(move || {
            all.wait();
            thread::park();
        })?;
    }
    all.wait();
    loop {
        thread::park();
    }
}

/// Whether a job's stacks are captured.
#[derive(Clone, Copy)]
enum Stacks {
    Captured,
    Ignored,
}

/// Returns the time from the deadline to the record, and the number of frames in it.
fn job(count: usize, clock: &Path, stacks: Stacks) -> (Duration, usize) {
    let list = jobs![("a", has_threads(count, clock.to_owned()))];
    let scheduler = Scheduler::new().timeout(LIMIT).stacks(matches!(stacks, Stacks::Captured));
    let records = scheduler.run(list).expect("the input is fine");
    let end = now();
    assert_eq!(records[0].status(), Status::Timeout, "{records:?}");
    let began = fs::read_to_string(clock).expect("the job wrote it").parse().expect("a number");
    let deadline = Duration::from_nanos(began) + LIMIT;
    let threads = records[0].stacks().iter().flat_map(ProcessSnapshot::threads);
    let frames = threads.map(|thread| thread.frames().len()).sum();
    (end.checked_sub(deadline).expect("a job is not stopped before its deadline"), frames)
}

/// How many jobs a list has of those that return.
const JOBS: u32 = 50;

/// Returns the time that each job of a list takes that returns at once.
fn list(scheduler: &Scheduler) -> Duration {
    let list: Vec<_> = (0..JOBS).map(|index| (index.to_string(), fast::job())).collect();
    let begin = now();
    let records = scheduler.run(list).expect("the input is fine");
    let took = now().checked_sub(begin).expect("time does not go backwards");
    assert!(records.iter().all(|record| record.status() == Status::Ok), "{records:?}");
    took / JOBS
}

#[scheduler::main]
fn main() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let clock = folder.path().join("clock");
    println!("{}", Figures::HEAD);
    for count in [1, 8, 100, 500] {
        let (mut with, mut without, mut frames) = (Figures::default(), Figures::default(), 0);
        for _ in 0..figures::number("BENCH_SAMPLES", 30) {
            let (took, found) = job(count, &clock, Stacks::Captured);
            with.add(took);
            frames = found;
            without.add(job(count, &clock, Stacks::Ignored).0);
        }
        println!("{}", with.row(&format!("threads: {count}, captured with {frames} frames")));
        println!("{}", without.row(&format!("threads: {count}, not captured")));
    }
    for (name, method) in [("executed", StartMethod::Exec), ("forked", StartMethod::Auto)] {
        let scheduler = |stacks| Scheduler::new().timeout(Duration::from_secs(60)).start_method(method).stacks(stacks);
        let schedulers = [scheduler(true), scheduler(false)];
        let (mut with, mut without) = (Figures::default(), Figures::default());
        for _ in 0..figures::number("BENCH_SAMPLES", 30) {
            with.add(list(&schedulers[0]));
            without.add(list(&schedulers[1]));
        }
        println!("{}", with.row(&format!("a job of a list that returns, {name}, with the option")));
        println!("{}", without.row(&format!("a job of a list that returns, {name}, without")));
    }
}
