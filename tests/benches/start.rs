//! What a job costs that does nothing, beside the bare execution of the same binary: `cargo bench --bench start`.

#![expect(clippy::print_stdout, clippy::disallowed_methods, reason = "a benchmark reads the clock, and prints")]

mod figures;

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use figures::Figures;
use scheduler::{Outcome, run_job_with_timeout};
use scheduler_tests::jobs::fast;

/// Has a copy of this program end at once.
const BARE: &str = "BENCH_BARE";

fn timed(run: impl FnOnce()) -> Duration {
    let clock = Instant::now();
    run();
    clock.elapsed()
}

fn bare() {
    let image = std::env::current_exe().expect("/proc is mounted");
    let status = Command::new(image).env(BARE, "1").stdin(Stdio::null()).status();
    assert!(status.is_ok_and(|status| status.success()));
}

fn job() {
    let run = run_job_with_timeout(fast::job(), Duration::from_secs(60)).expect("the input is fine");
    assert_eq!(run.outcome, Outcome::Ok(42));
}

fn main() {
    if std::env::var_os(BARE).is_some() {
        return;
    }
    scheduler::init();
    let (mut bares, mut jobs) = (Figures::default(), Figures::default());
    for _ in 0..figures::number("BENCH_SAMPLES", 500) {
        bares.add(timed(bare));
        jobs.add(timed(job));
    }
    println!("{}", Figures::HEAD);
    println!("{}", bares.row("bare execution of the binary"));
    println!("{}", jobs.row("a job that does nothing, from call to result"));
}
