//! What a capture must never do: change a job that goes on, or leave something stopped or alive.

use std::process::Command;
use std::time::{Duration, Instant};

use scheduler::{Outcome, Scheduler, Status};
use scheduler_tests::going_on::goes_on;
use scheduler_tests::leftovers::{FAMILY, alive, new_tag};
use scheduler_tests::signals::{Signal, signal};
use scheduler_tests::stuck::{Stuck, is_stuck, waits_for_cancellation};
use scheduler_tests::wait_until::wait_until;

use super::{Mark, cancelled, captured, is_complete};
use crate::application::app;
use crate::parent_death::Ready;
use crate::{METHODS, PLENTY};

#[test]
fn a_job_goes_on_after_its_capture_and_returns_in_its_grace_period() {
    for method in METHODS {
        let run = captured(method, waits_for_cancellation::job, |stacks| {
            stacks.first().is_some_and(|job| is_complete(&job.threads()[0]))
        });
        assert_eq!(run.late_result(), Some(&42), "{run:?}");
    }
}

/// The kernel restarts these calls, but `epoll_wait`, which fails at every stop of its thread (`signal(7)`).
#[test]
fn system_calls_go_on_after_a_capture() {
    for method in METHODS {
        let run = cancelled(method, goes_on::job);
        let Some(errors) = run.late_result() else { panic!("{run:?}") };
        for (call, error) in errors {
            let may_fail = call == "epoll_wait" && *error == libc::EINTR;
            assert!(*error == 0 || may_fail, "{errors:?}");
        }
    }
}

#[test]
fn a_timeout_with_a_grace_period_has_the_stacks_from_before_the_job_was_asked() {
    for method in METHODS {
        let mark = Mark::new();
        let scheduler = Scheduler::new().start_method(method).stacks(true);
        let job = waits_for_cancellation::job(mark.path()).timeout(Duration::from_millis(700));
        let run = scheduler.spawn(job).and_then(|handle| handle.wait()).expect("nothing fails");
        let Outcome::Timeout(overrun) = &run.outcome else { panic!("{run:?}") };
        assert_eq!(overrun.value(), Some(&42));
        assert_eq!(run.stacks().len(), 1, "{run:?}");
        assert!(run.duration < PLENTY);
    }
}

#[test]
fn a_job_that_is_killed_at_once_or_finishes_is_not_captured() {
    for method in METHODS {
        let mark = Mark::new();
        let scheduler = Scheduler::new().start_method(method).stacks(true);
        let handle = scheduler.spawn(is_stuck::job(Stuck::Sleeping, mark.path())).expect("the input is fine");
        mark.wait();
        handle.kill();
        assert!(handle.wait().expect("nothing fails").stacks().is_empty());
        let run = scheduler.spawn(scheduler_tests::jobs::fast::job()).and_then(|handle| handle.wait());
        let run = run.expect("nothing fails");
        assert!(run.status().is_ok() && run.stacks().is_empty());
    }
}

#[test]
fn a_job_is_captured_only_if_that_is_asked_for() {
    let mark = Mark::new();
    let scheduler = Scheduler::new().timeout(Duration::from_millis(300));
    let records = scheduler.run([("id", is_stuck::job(Stuck::Sleeping, mark.path()))]).expect("the input is fine");
    assert_eq!(records[0].status(), Status::Timeout);
    assert!(records[0].stacks().is_empty());
}

#[test]
fn the_leftovers_of_a_captured_job_are_counted_once_each() {
    for method in METHODS {
        let run = cancelled(method, |mark| is_stuck::job(Stuck::WaitingForChild, mark));
        assert!(scheduler_tests::platform::swept(run.sweep(), |count| count == 1), "{run:?}");
        let run = cancelled(method, |mark| is_stuck::job(Stuck::HundredThreads, mark));
        assert!(scheduler_tests::platform::swept(run.sweep(), |count| count == 0), "{run:?}");
    }
}

/// Returns the process ids of the wardens and jobs of an application, by the variable that they inherit.
fn family(tag: &str, application: u32) -> Vec<u32> {
    alive(tag).into_iter().filter(|pid| *pid != application).collect()
}

/// The number of times that the application or the warden is killed: each a millisecond later after the job was stopped.
const MOMENTS: u64 = 6;

#[test]
fn nothing_survives_and_nothing_stays_stopped_if_the_application_or_the_warden_dies_during_a_capture() {
    // On a busy machine a capture may be over before it is seen.
    crate::at_once(["application", "warden"], |victim| {
        for moment in 0..MOMENTS {
            assert!((0..20).any(|_| dies_during_a_capture(victim, moment)), "it is captured before it is killed");
        }
    });
}

/// A record could not be received any more.
#[test]
fn a_job_whose_application_dies_is_killed_without_a_capture() {
    let tag = new_tag();
    let mut command = app("", &["60000", "captured"]);
    command.env(FAMILY, &tag);
    let application = Ready::new(command);
    let id = application.id();
    let mut job = None;
    wait_until("the job has its threads", || {
        job = child_of(id).and_then(child_of);
        job.is_some_and(|job| threads_of(job) >= 200)
    });
    let job = job.expect("it runs");
    signal(id, Signal::KILL);
    // A capture of two hundred threads takes some milliseconds.
    while let Some(state) = state_of(job) {
        assert_ne!(state, 't', "it is traced");
    }
    application.kill();
    wait_until("nothing is left", || alive(&tag).is_empty());
}

/// Returns the number of a process's threads.
fn threads_of(process: u32) -> usize {
    std::fs::read_dir(format!("/proc/{process}/task")).map(Iterator::count).unwrap_or_default()
}

/// Kills the application or the warden so many milliseconds after the job was stopped for its capture, and waits until nothing is
/// left. Returns `false` if the job was gone before.
fn dies_during_a_capture(victim: &str, moment: u64) -> bool {
    let tag = new_tag();
    // Enough for the job to run and to be found, on a busy machine.
    let mut command = app("", &["2500", "captured"]);
    command.env(FAMILY, &tag);
    let application = Ready::new(command);
    let id = application.id();
    let mut job = None;
    wait_until("the job runs", || {
        job = child_of(id).and_then(|warden| Some((warden, child_of(warden)?)));
        job.is_some()
    });
    let (warden, job) = job.expect("it runs");
    let begin = Instant::now();
    // `t`: stopped because it is traced.
    let is_captured = loop {
        match state_of(job) {
            Some('t') => break true,
            Some(_) => assert!(begin.elapsed() < PLENTY, "it is captured"),
            None => break false,
        }
    };
    if !is_captured {
        application.kill();
        return false;
    }
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_millis(moment) {
        std::thread::yield_now();
    }
    signal(if victim == "application" { id } else { warden }, Signal::KILL);
    wait_until("nothing of the job is left", || family(&tag, id).is_empty());
    application.kill();
    wait_until("nothing is left", || alive(&tag).is_empty());
    true
}

/// Returns the letter of a process's state.
fn state_of(process: u32) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    stat.rsplit(") ").next()?.chars().next()
}

/// Returns the first child of a process.
fn child_of(process: u32) -> Option<u32> {
    let listed = Command::new("ps").args(["-o", "pid=", "--ppid", &process.to_string()]).output().ok()?;
    String::from_utf8_lossy(&listed.stdout).split_whitespace().next()?.parse().ok()
}

/// A stopped application can't ask for a capture: the warden takes one before it enforces the deadline itself.
#[test]
fn a_stopped_application_finds_the_stacks_in_its_records() {
    let tag = new_tag();
    let mut command = app("", &["3000", "captured"]);
    command.env(FAMILY, &tag);
    let mut application = Ready::new(command);
    let id = application.id();
    wait_until("the job runs", || family(&tag, id).len() >= 2);
    signal(id, Signal::STOP);
    wait_until("the warden has killed the job", || family(&tag, id).len() <= 1);
    signal(id, Signal::CONT);
    let records = application.records();
    assert_eq!(records[0]["status"], "timeout", "{records}");
    // On a busy machine the time is over before all are read.
    let threads = records[0]["stacks"][0]["threads"].as_array().map(Vec::len);
    assert!(threads.is_some_and(|threads| threads > 0), "{records}");
    application.kill();
}
