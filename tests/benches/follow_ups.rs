//! What a follow-up job costs: `cargo bench --bench follow_ups`.
//!
//! Lists of one job at a time, in turn, so that a busy machine delays all alike: jobs that fail, the same with a follow-up job for
//! each, jobs that succeed, and the same with a follow-up that is never owed. Beside them, jobs that are spawned one after the other:
//! as follow-ups, and other than the jobs of a list, they can't be started ahead of their turn. `BENCH_JOBS` and `BENCH_SAMPLES` set other numbers.

#![expect(clippy::print_stdout, clippy::disallowed_methods, reason = "a benchmark reads the clock, and prints")]

mod figures;

use std::time::{Duration, Instant};

use figures::Figures;
use scheduler::{Cause, Ended, Scheduler, StartMethod, Status, job};

#[job]
fn ends(succeeds: bool) -> Result<(), String> {
    if succeeds { Ok(()) } else { Err("as requested".to_owned()) }
}

#[job]
fn follows(_: Ended) {}

/// Returns how long the jobs take, with their follow-ups.
fn run(scheduler: &Scheduler, succeed: bool, jobs: usize, follow_ups: usize) -> Duration {
    let clock = Instant::now();
    let records =
        scheduler.run((0..jobs).map(|index| (index.to_string(), ends::job(succeed)))).expect("the input is fine");
    let elapsed = clock.elapsed();
    assert_eq!(records.iter().map(|record| record.follow_ups().len()).sum::<usize>(), follow_ups);
    elapsed
}

/// Returns how long the jobs take if each is spawned when the one before has ended.
fn spawn_each(scheduler: &Scheduler, jobs: usize) -> Duration {
    let clock = Instant::now();
    for _ in 0..jobs {
        let run = scheduler.spawn(ends::job(false)).and_then(|handle| handle.wait()).expect("the input is fine");
        assert_eq!(run.status(), Status::Error);
    }
    clock.elapsed()
}

#[scheduler::main]
fn main() {
    let jobs = figures::number("BENCH_JOBS", 1000);
    let samples = figures::number("BENCH_SAMPLES", 9);
    for method in [StartMethod::Exec, StartMethod::ForkServer] {
        let scheduler = || Scheduler::new().start_method(method);
        let followed = || scheduler().follow_up_job(follows::job).follow_up_on([Cause::Returned]);
        let mut figures: [Figures; 5] = Default::default();
        for _ in 0..samples {
            figures[0].add(run(&scheduler(), false, jobs, 0));
            figures[1].add(run(&followed(), false, jobs, jobs));
            figures[2].add(run(&scheduler(), true, jobs, 0));
            figures[3].add(run(&followed(), true, jobs, 0));
            figures[4].add(spawn_each(&scheduler(), jobs));
        }
        println!("{jobs} jobs by `{method:?}`, one at a time\n\n{}", Figures::HEAD);
        let names = [
            "each fails",
            "each fails, and is followed up",
            "each succeeds",
            "the same, with a follow-up for failures",
            "each is spawned when the one before has ended",
        ];
        for (figures, name) in figures.iter().zip(names) {
            println!("{}", figures.row(name));
        }
        println!(
            "\na follow-up costs {:.0} % of a job of the list, {:.0} % of one that is spawned; one that isn't owed {:.1} %\n",
            figures[1].beside(&figures[0]),
            figures[1].more_than(&figures[0], &figures[4]),
            figures[3].beside(&figures[2])
        );
    }
}
