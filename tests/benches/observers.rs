//! What an observer costs a list of jobs that do nothing: `cargo bench --bench observers`. With standard error on a
//! terminal the bar is drawn.
//!
//! 500 jobs in a list, and 20 lists with each observer, in turn, unless `BENCH_JOBS` and `BENCH_SAMPLES` say otherwise;
//! `BENCH_OBSERVERS=Bar,nothing` measures some. Medians, also of how much longer a list took than the one without an observer
//! in the same round.

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
    // `none` is what the others are compared with.
    let only = std::env::var("BENCH_OBSERVERS").ok();
    let is_wanted = |name: &str| only.as_ref().is_none_or(|only| only.split(',').any(|wanted| name.contains(wanted)));
    let rows: Vec<_> = OBSERVERS.iter().filter(|(name, _)| *name == "none" || is_wanted(name)).collect();
    for (method, concurrency) in METHODS.into_iter().flat_map(|method| [(method, 1), (method, 2)]) {
        let mut figures: Vec<_> = rows.iter().map(|_| (Figures::default(), Figures::default())).collect();
        let samples = figures::number("BENCH_SAMPLES", 20);
        for sample in 0..samples {
            // Each is first in turn.
            for index in (0..rows.len()).map(|index| (index + sample) % rows.len()) {
                let list: Vec<_> = (0..jobs).map(|index| (index.to_string(), fast::job())).collect();
                let scheduler = Scheduler::new().start_method(method).concurrency(concurrency);
                let scheduler = (rows[index].1)(scheduler, folder.path());
                let (clock, before) = (Instant::now(), worked());
                let records = scheduler.run(list).expect("the input is fine");
                // With its observers.
                drop(scheduler);
                figures[index].0.add(clock.elapsed());
                figures[index].1.add(worked().saturating_sub(before));
                assert!(records.iter().all(|record| record.status().is_ok()));
            }
        }
        println!(
            "| {jobs} jobs, {method:?}, {concurrency} at a time, observed by | the list took | beside the one without | \
             the parent worked, for each job |\n|---|---|---|---|"
        );
        let (base, _) = &figures[0];
        for ((name, _), (taken, work)) in rows.iter().zip(&figures) {
            let each = work.median() / u32::try_from(jobs).expect("not so many");
            let beside = taken.beside(base);
            println!("| {name} | {:.1?} | {beside:+.1} % | {each:.1?} |", taken.median());
        }
    }
}
