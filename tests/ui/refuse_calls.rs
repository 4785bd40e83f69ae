//! What stands in the place of a job, and is none.

#![allow(unused)]

use std::time::Duration;

use scheduler::{Scheduler, default_follow_up_logger, job, jobs, run_job_async, run_job_with_timeout, schedule_jobs};

#[job]
fn f(n: u8) -> u8 {
    n
}

fn plain() {}

mod module {
    pub fn plain(n: u8) -> u8 {
        n
    }
}

fn no_job_yet() {
    let _ = jobs![("a", plain), ("b", module::plain(1))];
}

fn unknown() {
    let _ = jobs![("a", plane), ("b", module::plane(1))];
}

fn called() {
    let _ = run_job_with_timeout(f(1), Duration::MAX);
    let _ = run_job_async(f(1), Duration::MAX);
    let _ = Scheduler::new().spawn(f(1));
    let _ = Scheduler::new().run(vec![("a", f(1))]);
    let _ = schedule_jobs(vec![("a", f(1))], Duration::MAX, default_follow_up_logger, "a.log");
    let _ = jobs![("a", { f(1) })];
}

fn named() {
    let _ = run_job_with_timeout(f, Duration::MAX);
    let _ = Scheduler::new().run([("a", f)]);
}

fn closures(n: u8) {
    let _ = jobs![("a", || 1), ("b", move || n)];
    let _ = run_job_with_timeout(|| 1, Duration::MAX);
    let _ = Scheduler::new().run([("a", || 1)]);
}

fn follow_ups() {
    let _ = Scheduler::new().on_timeout(|late| late.elapsed());
    let _ = Scheduler::new().on_timeout(|_| if true { Err("no") } else { Ok(1) });
    let _ = schedule_jobs(jobs![], Duration::MAX, |_, _, _, _| Err(1.5), "a.log");
}

fn main() {}
