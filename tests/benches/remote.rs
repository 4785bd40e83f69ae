//! What a run at a slot costs beside one in a list of this machine, and what the parent works for each run at up to 1,000 slots:
//! `cargo bench --bench remote`. The slots are processes of this machine.
//!
//! 20 rounds of 50 jobs each, and up to 1,000 slots, unless `BENCH_SAMPLES` and `BENCH_MOST` say otherwise.
//!
//! In a cluster it measures slots behind `srun` and `ssh` instead, and `srun` itself:
//! `CLUSTER_CPUS=64 bash .ci/cluster run DIR cargo bench --bench remote`.

#![expect(clippy::print_stdout, clippy::disallowed_methods, reason = "a benchmark reads clocks, and prints")]

#[cfg(unix)]
mod clients;
#[cfg(unix)]
mod engines;
mod figures;
mod machine;

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use figures::Figures;
use machine::worked;
use scheduler::{Record, Scheduler, StartMethod, Status, job, remote};
use scheduler_tests::jobs::{big, fast};

/// The jobs of a list whose time is measured.
const LENGTH: u32 = 50;

/// The jobs whose work is measured, however many slots there are.
const JOBS: u32 = 8000;

/// The jobs whose work is measured while all other slots are idle.
const CALLS: u32 = 1000;

/// How long the work of a parent is measured that has nothing to do: three beats of each agent.
const IDLE: Duration = Duration::from_secs(9);

#[job]
fn waits(time: Duration) {
    thread::sleep(time);
}

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

/// Returns the parent's work for each job of a list that keeps every place busy.
fn work_of_waiting(scheduler: &Scheduler, limit: usize) -> Duration {
    let jobs = (2 * limit).max(100);
    let before = worked();
    waited(scheduler, limit, jobs);
    worked().saturating_sub(before) / u32::try_from(jobs).expect("not so many")
}

/// Runs jobs that wait for so long that all places are taken before the first of them returns.
fn waited(scheduler: &Scheduler, limit: usize, jobs: usize) -> Vec<Record> {
    let time = Duration::from_millis(limit as u64 * 4).max(Duration::from_millis(10));
    let list = (0..jobs).map(|index| (index.to_string(), waits::job(time)));
    let records = scheduler.run(list).expect("the input is fine");
    assert!(records.iter().all(|record| record.status() == Status::Ok));
    records
}

/// Opens all slots, and returns when the last of them began its first job.
fn open_all(scheduler: &Scheduler, limit: usize) -> Duration {
    let clock = SystemTime::now();
    scheduler.prewarm().expect("a thread can be started");
    let mut first = BTreeMap::new();
    while first.len() < limit {
        for record in waited(scheduler, limit, limit) {
            let (slot, at) = (record.slot().expect("it ran at one"), record.started_at().expect("it has run"));
            let earliest = first.entry(slot).or_insert(at);
            *earliest = at.min(*earliest);
        }
    }
    first.into_values().max().and_then(|last| last.duration_since(clock).ok()).expect("there is a slot")
}

fn work_of_the_parent() {
    let most = figures::number("BENCH_MOST", 1000);
    println!(
        "\n| slots | all have begun a job after | each of {JOBS} jobs took | the parent worked, for each | for each of {CALLS} \
         calls | for each job of a list that keeps all slots busy | and in a list of this machine | in a second in which all are \
         idle |\n|---|---|---|---|---|---|---|---|"
    );
    for limit in [1, 10, 100, 1000].into_iter().filter(|limit| *limit <= most) {
        let scheduler = Scheduler::new().start_method(StartMethod::ForkServer).concurrency(limit);
        let here = work_of_waiting(&scheduler, limit);
        let scheduler = scheduler.on(slots().queue_limit(Duration::from_secs(600)));
        let opened = open_all(&scheduler, limit);
        let (clock, before) = (Instant::now(), worked());
        ran(&scheduler, JOBS);
        let (taken, work) = (clock.elapsed() / JOBS, worked().saturating_sub(before) / JOBS);
        let before = worked();
        for _ in 0..CALLS {
            let run = scheduler.spawn(fast::job()).and_then(|handle| handle.wait()).expect("the input is fine");
            assert_eq!(run.status(), Status::Ok);
        }
        let alone = worked().saturating_sub(before) / CALLS;
        let waiting = work_of_waiting(&scheduler, limit);
        let before = worked();
        thread::sleep(IDLE);
        let idle = worked().saturating_sub(before).div_f64(IDLE.as_secs_f64());
        println!(
            "| {limit} | {opened:.2?} | {taken:.3?} | {work:.3?} | {alone:.3?} | {waiting:.3?} | {here:.3?} | {idle:.3?} |"
        );
    }
}

/// The parent's work for each megabyte of a large result.
fn bytes() {
    const MEGABYTES: u32 = 100;
    const ROUNDS: u32 = 3;
    let list = Scheduler::new().start_method(StartMethod::ForkServer);
    let slot = Scheduler::new().start_method(StartMethod::ForkServer).on(slots());
    ran(&slot, 1);
    println!("\n| result of {MEGABYTES} MB | took | the parent worked, for each MB |\n|---|---|---|");
    for (what, scheduler) in [("list", list), ("slot", slot)] {
        let (clock, before) = (Instant::now(), worked());
        for _ in 0..ROUNDS {
            let handle = scheduler.spawn(big::job(1_000_000 * MEGABYTES as usize)).expect("the input is fine");
            assert_eq!(handle.wait().expect("the input is fine").status(), Status::Ok);
        }
        let (taken, work) = (clock.elapsed() / ROUNDS, worked().saturating_sub(before) / (ROUNDS * MEGABYTES));
        println!("| {what} | {taken:.3?} | {work:.3?} |");
    }
}

#[scheduler::main]
fn main() {
    #[cfg(unix)]
    if engines::are_there() {
        engines::compare();
        return clients::compare();
    }
    one_at_a_time();
    work_of_the_parent();
    bytes();
}
