//! What an observer costs a list of jobs that do nothing: `cargo bench --bench observers`. With standard error on a
//! terminal the bar is drawn.
//!
//! 500 jobs in a list, and 20 lists with each observer, in turn, unless `BENCH_JOBS` and `BENCH_SAMPLES` say otherwise.
//! Medians.

#![expect(clippy::print_stdout, clippy::disallowed_methods, reason = "a benchmark reads the clock, and prints")]

mod figures;
mod machine;

use std::path::Path;
use std::time::Instant;

use figures::Figures;
use machine::worked;
use scheduler::{Metrics, Observer, Scheduler, Tracing, progress, report};
use scheduler_tests::jobs::fast;
use scheduler_tests::platform::METHODS;

/// Does nothing with the events that it receives.
struct Nothing;

impl Observer for Nothing {}

type Row = (&'static str, fn(Scheduler, &Path) -> Scheduler);

const OBSERVERS: [Row; 10] = [
    ("none", |scheduler, _| scheduler),
    ("one that does nothing", |scheduler, _| scheduler.observer(Nothing)),
    ("`progress::Bar`", |scheduler, _| scheduler.observer(progress::Bar::new())),
    ("`report::JsonLines`", |scheduler, folder| {
        scheduler.observer(report::JsonLines::create(folder.join("a")).expect("ours"))
    }),
    ("`report::Joblog`", |scheduler, folder| {
        scheduler.observer(report::Joblog::create(folder.join("b")).expect("ours"))
    }),
    ("`report::Junit`", |scheduler, folder| scheduler.observer(report::Junit::create(folder.join("c")).expect("ours"))),
    ("`report::Trace`", |scheduler, folder| scheduler.observer(report::Trace::create(folder.join("d")).expect("ours"))),
    ("`report::Timeline`", |scheduler, folder| {
        scheduler.observer(report::Timeline::create(folder.join("e")).expect("ours"))
    }),
    ("`Metrics`, without a recorder", |scheduler, _| scheduler.observer(Metrics::new())),
    ("`Tracing`, without a subscriber", |scheduler, _| scheduler.observer(Tracing::new())),
];

#[scheduler::main]
fn main() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let jobs = figures::number("BENCH_JOBS", 500);
    for method in METHODS {
        let mut figures: Vec<_> = OBSERVERS.iter().map(|_| (Figures::default(), Figures::default())).collect();
        for _ in 0..figures::number("BENCH_SAMPLES", 20) {
            for ((_, observe), (taken, work)) in OBSERVERS.iter().zip(&mut figures) {
                let list: Vec<_> = (0..jobs).map(|index| (index.to_string(), fast::job())).collect();
                let (clock, before) = (Instant::now(), worked());
                let scheduler = observe(Scheduler::new().start_method(method), folder.path());
                let records = scheduler.run(list).expect("the input is fine");
                // With its observers.
                drop(scheduler);
                taken.add(clock.elapsed());
                work.add(worked().saturating_sub(before));
                assert!(records.iter().all(|record| record.status().is_ok()));
            }
        }
        println!(
            "| {jobs} jobs, {method:?}, observed by | the list took | the parent worked, for each job |\n|---|---|---|"
        );
        for ((name, _), (taken, work)) in OBSERVERS.iter().zip(&figures) {
            let each = work.median() / u32::try_from(jobs).expect("not so many");
            println!("| {name} | {:.1?} | {each:.1?} |", taken.median());
        }
    }
}
