//! Many jobs at a time, each of which waits for two seconds: how long that takes, what the parent works for it, and how late
//! one of them is stopped at its timeout: `cargo bench --bench many`.
//!
//! 1,000 jobs, unless `BENCH_JOBS` says otherwise.

#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    unsafe_code,
    reason = "a benchmark reads clocks, and prints"
)]

mod figures;

use std::thread;
use std::time::{Duration, Instant};

use scheduler::{AnyJob, Scheduler, StartMethod, Status, job};

const LONG: Duration = Duration::from_secs(2);
const LIMIT: Duration = Duration::from_secs(1);

#[job]
fn waits(time: Duration) {
    thread::sleep(time);
}

/// Returns the time that this process has been working.
fn worked() -> Duration {
    // SAFETY: All-zero is a valid `rusage`, and the pointer is to a variable of ours.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        assert_eq!(libc::getrusage(libc::RUSAGE_SELF, &raw mut usage), 0);
        usage
    };
    let micros = |time: libc::timeval| u64::try_from(time.tv_sec * 1_000_000 + time.tv_usec).expect("time goes on");
    Duration::from_micros(micros(usage.ru_utime) + micros(usage.ru_stime))
}

/// Allows this process, and what it starts, as many descriptors as it may have.
fn raise_the_limit() {
    // SAFETY: The pointers are to a variable of ours, which is a valid limit whatever happens.
    unsafe {
        let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        assert_eq!(libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit), 0);
        limit.rlim_cur = limit.rlim_max;
        assert_eq!(libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit), 0);
    }
}

#[scheduler::main]
fn main() {
    raise_the_limit();
    let count = figures::number("BENCH_JOBS", 1000);
    println!(
        "| {count} jobs that wait for {LONG:?} | took | the parent worked | late at a timeout of {LIMIT:?} |\n|---|---|---|---|"
    );
    for method in [StartMethod::Exec, StartMethod::ForkServer] {
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
