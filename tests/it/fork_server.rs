//! The fork server: a fresh process for every job, made by a warden that stays.

use std::collections::BTreeSet;

use scheduler::{AnyJob, Failure, Record, Scheduler, StartMethod, Status, Sweep, jobs};
use scheduler_tests::ending::Ending;
use scheduler_tests::isolation::{introduces_itself, keeps, searches};
use scheduler_tests::jobs::{fast, measure};
use scheduler_tests::leftovers::{Leftover, alive, leaves, new_tag};

use crate::application::{app, records};

fn forking() -> Scheduler {
    Scheduler::new().start_method(StartMethod::ForkServer)
}

fn many(count: usize) -> Vec<(String, AnyJob)> {
    (0..count).map(|index| (index.to_string(), introduces_itself::job().into())).collect()
}

fn introduced(records: &[Record]) -> Vec<(u32, u32, u32)> {
    records.iter().map(|record| record.result().unwrap_or_else(|error| panic!("{error}: {record:?}"))).collect()
}

#[test]
fn every_job_has_a_fresh_process_of_one_parent() {
    let scheduler = forking();
    let mut met = introduced(&scheduler.run(many(20)).expect("the input is fine"));
    met.extend(introduced(&scheduler.run(many(20)).expect("the input is fine")));
    let processes: BTreeSet<_> = met.iter().map(|(process, ..)| process).collect();
    assert_eq!(processes.len(), 40, "{met:?}");
    assert!(met.iter().all(|(.., calls)| *calls == 1), "{met:?}");
    let servers: BTreeSet<_> = met.iter().map(|(_, parent, _)| parent).collect();
    // One has the job that runs, and another the next one. Between the lists only one of them is kept.
    assert!(servers.len() <= 3, "{met:?}");
}

#[test]
fn each_concurrent_job_has_a_fork_server_and_one_prespawns_the_next() {
    let scheduler = forking().concurrency(2);
    let met = introduced(&scheduler.run(many(20)).expect("the input is fine"));
    let servers: BTreeSet<_> = met.iter().map(|(_, parent, _)| parent).collect();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    assert!(servers.len() <= 2 + cores.min(2), "{met:?}");
}

#[test]
fn a_lost_fork_server_is_replaced_and_its_run_has_a_true_record() {
    let tag = new_tag();
    let lost = |name: &str| (name.to_owned(), leaves::job(Leftover::Session, Ending::KillsWarden, tag.clone()).into());
    let mut calls = vec![lost("a")];
    calls.extend(many(3));
    calls.push(lost("b"));
    calls.extend(many(3));
    let records = forking().run(calls).expect("the input is fine");
    assert_eq!(alive(&tag), [0; 0]);
    for (index, record) in records.iter().enumerate() {
        if index % 4 == 0 {
            assert_eq!(record.status(), Status::Error);
            assert!(matches!(record.sweep(), Sweep::Unproved { .. }), "{record:?}");
            assert!(record.error().is_some_and(|error| error.contains("warden was killed")), "{record:?}");
        } else {
            assert_eq!((record.status(), record.sweep()), (Status::Ok, &Sweep::Clean), "{record:?}");
        }
    }
}

#[test]
fn nothing_of_a_past_job_is_found_in_the_memory_of_the_next() {
    let secret = "a secret of one job";
    let shifted: Vec<u8> = secret.bytes().map(|byte| byte + 1).collect();
    // By turns, so that each server has had both.
    let list: Vec<_> = (0..6)
        .map(|index| {
            let secret = secret.repeat(index * 100 + 1);
            let call = if index < 4 { AnyJob::from(keeps::job(secret)) } else { searches::job(shifted.clone()).into() };
            (index.to_string(), call)
        })
        .collect();
    let records = forking().run(list).expect("the input is fine");
    let found: Vec<usize> = records[4..].iter().map(|record| record.result().expect("it returns a count")).collect();
    assert_eq!(found, [0, 0]);
}

#[test]
fn arguments_and_results_of_any_size_arrive() {
    let list: Vec<_> = [0, 1, 100_000, 10_000_000]
        .into_iter()
        .flat_map(|length| jobs![(length.to_string(), measure("x".repeat(length)))])
        .collect();
    let records = forking().run(list).expect("the input is fine");
    let lengths: Vec<usize> = records.iter().map(|record| record.result().expect("it returns a length")).collect();
    assert_eq!(lengths, [0, 1, 100_000, 10_000_000]);
}

#[test]
fn fork_servers_exit_with_their_scheduler() {
    let scheduler = forking();
    let records = scheduler.run(many(1)).expect("the input is fine");
    let servers: BTreeSet<u32> = introduced(&records).iter().map(|(_, parent, _)| *parent).collect();
    let there = || {
        let state = |id: &u32| std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        let is_alive = |id: &&u32| state(id).rsplit(") ").next().is_some_and(|rest| rest.starts_with(['R', 'S', 'D']));
        servers.iter().filter(is_alive).count()
    };
    assert_eq!(there(), servers.len());
    drop(scheduler);
    assert_eq!(there(), 0);
}

#[test]
fn a_copy_with_threads_is_refused_before_any_job_and_auto_uses_exec() {
    let reported = |method: &str| {
        let mut command = app("threaded", &["60000", "fast", "fast"]);
        command.env("APP_METHOD", method).output().expect("the fixture is built")
    };
    let refused = reported("forks");
    assert!(!refused.status.success());
    let text = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(text.contains("failed to start a fork server") && text.contains("other threads"), "{text}");
    let done = records(&reported("forks if it can"));
    assert_eq!((&done[0]["result"], &done[1]["result"]), (&42.into(), &42.into()));
}

#[test]
fn a_copy_that_never_reaches_init_is_reported_with_its_output() {
    let mut command = app("exits early", &["60000", "fast"]);
    let output = command.env("APP_METHOD", "forks").output().expect("the fixture is built");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(text.contains("it exited before it reached") && text.contains("It wrote: usage: app"), "{text}");
}

#[test]
fn an_empty_list_starts_no_fork_server() {
    let scheduler = forking().start_timeout(std::time::Duration::from_nanos(1));
    assert_eq!(scheduler.run(jobs![]).expect("there is nothing to do").len(), 0);
}

#[test]
fn a_late_fork_server_fails_the_start_of_its_jobs_and_loses_no_record() {
    let scheduler = forking().start_timeout(std::time::Duration::from_nanos(1));
    let records = scheduler.run(jobs![("a", fast), ("b", fast)]).expect("the input is fine");
    let [first, second] = &records[..] else { panic!("{records:?}") };
    let never_started = |record: &Record| matches!(record.failure(), Some(Failure::NeverStarted { .. }));
    assert!(never_started(first), "{first:?}");
    // Its process was made while the first job's was, and may exist when its turn comes.
    assert!(never_started(second) || second.status() == Status::Ok, "{second:?}");
}
