//! How many jobs that do nothing run in a second, one, two and eight at a time, beside bare executions of the same binary;
//! and what a job costs beyond its own time where the next one is prepared meanwhile: `cargo bench --bench throughput`.
//!
//! 2,000 jobs, unless `BENCH_JOBS` says otherwise.

#![expect(clippy::print_stdout, clippy::disallowed_methods, reason = "a benchmark reads the clock, and prints")]

mod figures;

use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use scheduler::{AnyJob, Record, Scheduler, Status, job, run_job_with_timeout};
use scheduler_tests::jobs::fast;
use scheduler_tests::platform::METHODS;

/// Makes a copy of this program exit at once.
const BARE: &str = "BENCH_BARE";

/// Keeps a core busy for so long.
#[job]
fn works(time: Duration) {
    let clock = Instant::now();
    while clock.elapsed() < time {
        std::hint::spin_loop();
    }
}

fn bare(count: usize, at_a_time: usize) -> Duration {
    let image = std::env::current_exe().expect("/proc is mounted");
    let next = AtomicUsize::new(0);
    let clock = Instant::now();
    thread::scope(|scope| {
        for _ in 0..at_a_time {
            scope.spawn(|| {
                while next.fetch_add(1, Ordering::Relaxed) < count {
                    let status = Command::new(&image).env(BARE, "1").stdin(Stdio::null()).status();
                    assert!(status.is_ok_and(|status| status.success()));
                }
            });
        }
    });
    clock.elapsed()
}

fn list(call: impl Fn() -> AnyJob, count: usize) -> Vec<(String, AnyJob)> {
    (0..count).map(|index| (index.to_string(), call())).collect()
}

fn ran(scheduler: &Scheduler, jobs: Vec<(String, AnyJob)>) -> (Vec<Record>, Duration) {
    let clock = Instant::now();
    let records = scheduler.run(jobs).expect("the input is fine");
    let taken = clock.elapsed();
    assert!(records.iter().all(|record| record.status() == Status::Ok));
    (records, taken)
}

/// Calls one job after the other, so that the next one is unknown and can't be prespawned.
fn calls(count: usize) -> Duration {
    let clock = Instant::now();
    for _ in 0..count {
        let run = run_job_with_timeout(fast::job(), Duration::from_secs(60)).expect("the input is fine");
        assert_eq!(run.status(), Status::Ok);
    }
    clock.elapsed()
}

fn row(what: &str, count: usize, taken: Duration) {
    let count = u32::try_from(count).expect("not so many");
    let each = taken / count;
    println!("| {what} | {:.3} ms | {:.0} |", each.as_secs_f64() * 1e3, 1.0 / each.as_secs_f64());
}

fn main() {
    if std::env::var_os(BARE).is_some() {
        return;
    }
    scheduler::init();
    let count = figures::number("BENCH_JOBS", 2000);
    println!("| {count} of them | each | in a second |\n|---|---|---|");
    row("calls, Exec, one after the other: nothing is prepared", count, calls(count));
    for at_a_time in [1, 2, 8] {
        row(&format!("bare executions, {at_a_time} at a time"), count, bare(count, at_a_time));
        for method in METHODS {
            let scheduler = Scheduler::new().start_method(method).concurrency(at_a_time);
            let (_, taken) = ran(&scheduler, list(|| fast::job().into(), count));
            row(&format!("jobs, {method:?}, {at_a_time} at a time"), count, taken);
        }
    }
    for millis in [2, 10] {
        let time = Duration::from_millis(millis);
        for method in METHODS {
            let jobs = list(|| works::job(time).into(), count / 10);
            let (records, taken) = ran(&Scheduler::new().start_method(method), jobs);
            let own: Duration = records.iter().map(Record::duration).sum();
            row(
                &format!("beyond the time of jobs that take {millis} ms, {method:?}"),
                count / 10,
                taken.saturating_sub(own),
            );
        }
    }
}
