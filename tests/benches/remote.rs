//! What a run at a slot costs beside one in a list of this machine, and what the parent works for each run at up to 1,000 slots:
//! `cargo bench --bench remote`. The slots are processes of this machine.
//!
//! 20 rounds of 50 jobs each, and up to 1,000 slots, unless `BENCH_SAMPLES` and `BENCH_MOST` say otherwise.

#![expect(clippy::print_stdout, clippy::disallowed_methods, reason = "a benchmark reads clocks, and prints")]

mod figures;
mod machine;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use figures::Figures;
use machine::worked;
use scheduler::{Record, Scheduler, StartMethod, Status, remote};
use scheduler_tests::jobs::fast;

/// The jobs of a list whose time is measured.
const LENGTH: u32 = 50;

/// The jobs whose work is measured, however many slots there are.
const JOBS: u32 = 8000;

/// The jobs whose work is measured while all other slots are idle.
const CALLS: u32 = 1000;

fn slots() -> remote::Command {
    remote::Command::new(remote::Slot::agent_argv).lease(Duration::from_secs(300))
}

fn ran(scheduler: &Scheduler, count: u32) -> Vec<Record> {
    let list = (0..count).map(|index| (index.to_string(), fast::job()));
    let records = scheduler.run(list).expect("the input is fine");
    let failed = records.iter().find(|record| record.status() != Status::Ok);
    assert!(failed.is_none(), "{failed:?}");
    records
}

fn one_at_a_time() {
    let lists = [
        ("list, Exec", Scheduler::new().start_method(StartMethod::Exec)),
        ("list, ForkServer", Scheduler::new().start_method(StartMethod::ForkServer)),
        ("slot, Exec", Scheduler::new().start_method(StartMethod::Exec).on(slots())),
        ("slot, ForkServer", Scheduler::new().start_method(StartMethod::ForkServer).on(slots())),
    ];
    let mut figures = lists.each_ref().map(|_| Figures::default());
    let rounds = figures::number("BENCH_SAMPLES", 20);
    for round in 0..=rounds {
        for ((_, scheduler), figures) in lists.iter().zip(&mut figures) {
            let clock = Instant::now();
            ran(scheduler, LENGTH);
            // In the first round the slots are opened.
            if round > 0 {
                figures.add(clock.elapsed() / LENGTH);
            }
        }
    }
    println!(
        "| each of {LENGTH} jobs | of the list by Exec | samples | fastest | median | worst |\n|---|---|---|---|---|---|"
    );
    for ((what, _), own) in lists.iter().zip(&figures) {
        let ratio = 1.0 + own.beside(&figures[0]) / 100.0;
        println!("{}", own.row(&format!("{what} | {ratio:.2}")));
    }
}

fn work_of_the_parent() {
    let most = figures::number("BENCH_MOST", 1000);
    println!(
        "\n| slots | of these used | each of {JOBS} jobs took | the parent worked, for each | for each of {CALLS}, one at a time |\n\
        |---|---|---|---|---|"
    );
    for limit in [1, 10, 100, 1000].into_iter().filter(|limit| *limit <= most) {
        let scheduler = Scheduler::new()
            .start_method(StartMethod::ForkServer)
            .concurrency(limit)
            .on(slots().queue_limit(Duration::from_secs(600)));
        scheduler.prewarm().expect("a thread can be started");
        // Until as good as all of them are open.
        let mut used = BTreeSet::new();
        for _ in 0..100 {
            let records = ran(&scheduler, u32::try_from(limit * 2).expect("not so many"));
            used.extend(records.iter().filter_map(Record::slot));
            if used.len() == limit {
                break;
            }
        }
        let (clock, before) = (Instant::now(), worked());
        ran(&scheduler, JOBS);
        let (taken, work) = (clock.elapsed() / JOBS, worked().saturating_sub(before) / JOBS);
        let before = worked();
        for _ in 0..CALLS {
            let run = scheduler.spawn(fast::job()).and_then(|handle| handle.wait()).expect("the input is fine");
            assert_eq!(run.status(), Status::Ok);
        }
        let alone = worked().saturating_sub(before) / CALLS;
        println!("| {limit} | {} | {taken:.3?} | {work:.3?} | {alone:.3?} |", used.len());
    }
}

#[scheduler::main]
fn main() {
    one_at_a_time();
    work_of_the_parent();
}
