//! Many jobs at a time, each of which waits for two seconds: how long that takes, what the parent works for it, and how
//! late one of them is stopped at its timeout: `cargo bench --bench many`.
//!
//! 1,000 jobs, unless `BENCH_JOBS` says otherwise.

#![expect(clippy::print_stdout, clippy::disallowed_methods, reason = "a benchmark reads clocks, and prints")]

mod figures;
mod machine;

use std::thread;
use std::time::{Duration, Instant};

use machine::{raise_the_limit, worked};
use scheduler::{AnyJob, Scheduler, Status, job};
use scheduler_tests::platform::METHODS;

const LONG: Duration = Duration::from_secs(2);
const LIMIT: Duration = Duration::from_secs(1);

#[job]
fn waits(time: Duration) {
    thread::sleep(time);
}

#[scheduler::main]
fn main() {
    raise_the_limit();
    let count = figures::number("BENCH_JOBS", 1000);
    println!(
        "| {count} jobs that wait for {LONG:?} | took | the parent worked | late at a timeout of {LIMIT:?} |\n|---|---|---|---|"
    );
    for method in METHODS {
        for at_a_time in [count / 10, count] {
            let jobs = at_a_time;
            let list = (0..jobs).map(|index| {
                let call = AnyJob::from(waits::job(LONG));
                (index.to_string(), if index == jobs / 2 { call.timeout(LIMIT) } else { call })
            });
            let (clock, before) = (Instant::now(), worked());
            let records =
                Scheduler::new().start_method(method).concurrency(at_a_time).run(list).expect("the input is fine");
            let (taken, work) = (clock.elapsed(), worked().saturating_sub(before));
            let failed: Vec<_> = records.iter().filter(|record| record.status() == Status::Error).collect();
            assert!(failed.is_empty(), "{failed:?}");
            let late = records[jobs / 2].duration().saturating_sub(LIMIT);
            println!("| {method:?}, {at_a_time} at a time | {taken:.3?} | {work:.3?} | {late:.3?} |");
        }
    }
}
