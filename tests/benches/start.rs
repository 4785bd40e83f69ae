//! What a job costs that does nothing, beside the bare execution of the same binary: `cargo bench --bench start`.

#![expect(clippy::print_stdout, clippy::disallowed_methods, reason = "a benchmark reads the clock, and prints")]

mod figures;
mod machine;

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use figures::Figures;
use machine::FORK;
use scheduler::{AnyJob, Containment, Outcome, Scheduler, StartMethod, run_job_with_timeout};
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
    let mut lists = METHODS.map(|method| (method, scheduler(method, Containment::None), Figures::default()));
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
    for (lists, place) in [(&lists[..], ""), (&in_cgroups, ", in a cgroup of its own")] {
        for (method, _, figures) in lists {
            let how = if *method == StartMethod::ForkServer { ", by a fork server" } else { "" };
            println!("{}", figures.row(&format!("one of 50 such jobs in a list{how}{place}")));
        }
    }
}
