//! What the size of the application costs its jobs, and what its jobs cost the application: `cargo bench --bench parent`.
//!
//! A heap of 4 GiB and 20,000 records, unless `BENCH_HEAP` (in MiB) and `BENCH_RECORDS` say otherwise.

#![expect(clippy::print_stdout, clippy::disallowed_methods, reason = "a benchmark reads the clock, and prints")]

mod figures;

use std::fs;
use std::time::{Duration, Instant};

use figures::Figures;
use scheduler::{Outcome, Scheduler, StartMethod, run_job_with_timeout};
use scheduler_tests::jobs::fast;

fn job() -> Duration {
    let clock = Instant::now();
    let run = run_job_with_timeout(fast::job(), Duration::from_secs(60)).expect("the input is fine");
    assert_eq!(run.outcome, Outcome::Ok(42));
    clock.elapsed()
}

/// Returns how many bytes of memory this process has, where the system reports that.
fn memory() -> Option<usize> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let kibibytes = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.strip_suffix("kB"))?;
    Some(kibibytes.trim().parse::<usize>().ok()? << 10)
}

fn start_beside_a_heap() {
    let megabytes = figures::number("BENCH_HEAP", 4096);
    let samples = figures::number("BENCH_SAMPLES", 300);
    println!("{}", Figures::HEAD);
    let time = |what: &str| {
        let mut figures = Figures::default();
        for _ in 0..samples {
            figures.add(job());
        }
        println!("{}", figures.row(what));
    };
    time("a job of a small application");
    // Pieces of a size that no huge pages are made of, each page of them touched.
    let heap: Vec<_> = (0..megabytes * 16).map(|_| vec![1_u8; 1 << 16]).collect();
    time(&format!("a job of an application with a heap of {megabytes} MiB"));
    drop(heap);
}

fn records_in_memory() {
    let count = figures::number("BENCH_RECORDS", 20_000);
    let scheduler = Scheduler::new().start_method(StartMethod::Auto).concurrency(2);
    let run = |count: usize| {
        let list = (0..count).map(|index| (index.to_string(), fast::job()));
        scheduler.run(list).expect("the input is fine")
    };
    // What is there once is no cost of a record.
    drop(run(100));
    let before = memory();
    let records = run(count);
    let with_records = memory();
    drop(records);
    let (Some(before), Some(with_records), Some(after)) = (before, with_records, memory()) else {
        println!("{count} records: what they take is known where there is `/proc`");
        return;
    };
    let each = with_records.saturating_sub(before) / count;
    println!("{count} records: {each} bytes each; {before} bytes before, {with_records} with them, {after} after");
}

#[scheduler::main]
fn main() {
    start_beside_a_heap();
    records_in_memory();
}
