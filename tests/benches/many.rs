//! Many jobs at a time, which only wait: what the parent works for each, how long that takes, and how late one of them is
//! stopped at its timeout: `cargo bench --bench many`.
//!
//! Up to 1,000 at a time, unless `BENCH_MOST` says otherwise (`BENCH_MOST=5000`).

#![expect(clippy::print_stdout, clippy::disallowed_methods, reason = "a benchmark reads clocks, and prints")]

mod figures;
mod machine;

use std::thread;
use std::time::{Duration, Instant};

use machine::worked;
use scheduler::{AnyJob, Scheduler, Status, job};
use scheduler_tests::platform::METHODS;

/// How many jobs run at a time, how many there are, and how long each waits: all of those that run at a time are started
/// before the first of them returns.
const ROWS: [(usize, usize, Duration); 5] = [
    (1, 200, Duration::from_millis(10)),
    (10, 400, Duration::from_millis(50)),
    (100, 1000, Duration::from_millis(500)),
    (1000, 2000, Duration::from_secs(4)),
    (5000, 5000, Duration::from_secs(20)),
];

#[job]
fn waits(time: Duration) {
    thread::sleep(time);
}

#[scheduler::main]
fn main() {
    let most = figures::number("BENCH_MOST", 1000);
    println!(
        "| | jobs | each waits | all took | the parent worked, for each | late at a timeout |\n|---|---|---|---|---|---|"
    );
    for method in METHODS {
        for (at_a_time, jobs, time) in ROWS.into_iter().filter(|(at_a_time, ..)| *at_a_time <= most) {
            let limit = time / 2;
            let list = (0..jobs).map(|index| {
                let call = AnyJob::from(waits::job(time));
                (index.to_string(), if index == at_a_time / 2 { call.timeout(limit) } else { call })
            });
            let scheduler = Scheduler::new().start_method(method).concurrency(at_a_time);
            let (clock, before) = (Instant::now(), worked());
            let records = scheduler.run(list).expect("the input is fine");
            let (taken, work) = (clock.elapsed(), worked().saturating_sub(before));
            let failed: Vec<_> = records.iter().filter(|record| record.status() == Status::Error).collect();
            assert!(failed.is_empty(), "{} failed, the first: {:?}", failed.len(), failed[0]);
            let late = records[at_a_time / 2].duration().saturating_sub(limit);
            let each = work / u32::try_from(jobs).expect("not so many");
            println!(
                "| {method:?}, {at_a_time} at a time | {jobs} | {time:?} | {taken:.3?} | {each:.3?} | {late:.3?} |"
            );
        }
    }
}
