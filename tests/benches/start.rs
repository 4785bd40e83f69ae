//! What a job costs that does nothing, beside the bare execution of the same binary: `cargo bench --bench start`.

#![expect(clippy::print_stdout, clippy::disallowed_methods, reason = "a benchmark reads the clock, and prints")]

mod figures;
mod machine;

use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use figures::Figures;
use machine::FORK;
use scheduler::{AnyJob, Containment, Outcome, Scheduler, StartMethod, run_job_with_timeout};
use scheduler_tests::isolation::introduces_itself;
use scheduler_tests::jobs::fast;
use scheduler_tests::platform::METHODS;

/// Makes a copy of this program exit at once.
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

fn in_a_list(scheduler: &Scheduler, jobs: u32) -> Duration {
    let list: Vec<_> = (0..jobs).map(|index| (index.to_string(), AnyJob::from(fast::job()))).collect();
    let clock = Instant::now();
    let records = scheduler.run(list).expect("the input is fine");
    let taken = clock.elapsed() / jobs;
    assert!(records.iter().all(|record| record.status() == scheduler::Status::Ok), "{records:?}");
    taken
}

/// Returns the private memory of the warden that a scheduler keeps, in KiB, where there is one.
fn private_memory(scheduler: &Scheduler) -> Option<u64> {
    let records = scheduler.run([("a", introduces_itself::job())]).expect("the input is fine");
    let (_, warden, _): (u32, u32, u32) = records[0].result().expect("it succeeds");
    let memory = std::fs::read_to_string(format!("/proc/{warden}/smaps_rollup")).ok()?;
    let private = memory.lines().filter(|line| line.starts_with("Private_"));
    Some(private.filter_map(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok()).sum())
}

/// The method by which a process serves several calls, where there is one.
const REUSE: Option<StartMethod> = if cfg!(wardens) { Some(StartMethod::Reuse { calls: 1_000_000 }) } else { None };

fn how(method: StartMethod) -> &'static str {
    match method {
        StartMethod::ForkServer => ", by a fork server",
        StartMethod::Reuse { .. } => ", by a process that has served others",
        _ => "",
    }
}

fn main() {
    if std::env::var_os(BARE).is_some() {
        return;
    }
    scheduler::init();
    let (mut bares, mut forks, mut jobs) = (Figures::default(), Figures::default(), Figures::default());
    for _ in 0..figures::number("BENCH_SAMPLES", 500) {
        bares.add(timed(bare));
        if let Some(fork) = FORK {
            forks.add(timed(fork));
        }
        jobs.add(timed(job));
    }
    let scheduler = |method, containment| Scheduler::new().start_method(method).containment(containment);
    let mut calls: Vec<_> = METHODS
        .into_iter()
        .flat_map(|method| [0, 1].map(|standby| (method, standby)))
        .chain(REUSE.map(|method| (method, 0)))
        .map(|(method, standby)| {
            (method, standby, scheduler(method, Containment::None).standby(standby), Figures::default())
        })
        .collect();
    for _ in 0..figures::number("BENCH_SAMPLES", 500) {
        // Beside each other, as a machine's speed changes.
        bares.add(timed(bare));
        for (.., scheduler, figures) in &mut calls {
            // So that the next process can be made meanwhile.
            thread::sleep(Duration::from_millis(3));
            figures.add(in_a_list(scheduler, 1));
        }
    }
    let every_method = METHODS.into_iter().chain(REUSE);
    let mut lists: Vec<_> =
        every_method.map(|method| (method, scheduler(method, Containment::None), Figures::default())).collect();
    // Where none can be made, that is an error.
    let has_cgroups =
        scheduler(METHODS[0], Containment::Cgroup).run([("a".to_owned(), AnyJob::from(fast::job()))]).is_ok();
    let methods_in_cgroups = METHODS.into_iter().filter(|_| has_cgroups);
    let mut in_cgroups: Vec<_> =
        methods_in_cgroups.map(|method| (method, scheduler(method, Containment::Cgroup), Figures::default())).collect();
    for _ in 0..20 {
        for (_, scheduler, figures) in lists.iter_mut().chain(&mut in_cgroups) {
            figures.add(in_a_list(scheduler, 50));
        }
    }
    println!("{}", Figures::HEAD);
    println!("{}", bares.row("bare execution of the binary"));
    if FORK.is_some() {
        println!("{}", forks.row("bare fork of the process"));
    }
    println!("{}", jobs.row("a job that does nothing, from call to result"));
    for (method, standby, _, figures) in &calls {
        let how = how(*method);
        let ahead = if *standby > 0 { ", with `standby(1)`" } else { "" };
        println!("{}", figures.row(&format!("a call of a scheduler that has made calls before{how}{ahead}")));
    }
    for (method, standby, scheduler, _) in &calls {
        if let Some(memory) = private_memory(scheduler).filter(|_| *standby == 0) {
            println!("The warden that is kept has {memory} KiB of private memory ({method:?}).");
        }
    }
    for (lists, place) in [(&lists[..], ""), (&in_cgroups, ", in a cgroup of its own")] {
        for (method, _, figures) in lists {
            let how = how(*method);
            println!("{}", figures.row(&format!("one of 50 such jobs in a list{how}{place}")));
        }
    }
}
