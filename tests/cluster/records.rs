//! Jobs on nodes return, fail and hang as local ones do.

use std::collections::BTreeSet;
use std::time::Duration;

use rustix::process::Signal;
use scheduler_tests::distributed::{Engine, Work};
use scheduler_tests::ending::Ending;
use scheduler_tests::leftovers::{Leftover, alive, new_tag};
use scheduler_tests::profile::{quick_or_full, sample};
use scheduler_tests::wait_until::wait_until;
use serde_json::{Value, json};

use crate::application::{Application, LEASE, plan};
use crate::cluster::{Cluster, in_cluster, in_cluster_if_full};
use crate::scene::{SOON, Scene, assert_no_process_is_left};

fn job(name: &str, arguments: Value) -> Work {
    Work::Job(name.into(), arguments)
}

/// Every ending with leftovers of every kind: the records are those of local jobs, and nothing is left.
fn every_failure_is_recorded(cluster: &Cluster, engine: Engine) {
    // A job that kills or stops its warden may hide a daemon: the local battery has these.
    let is_tame = |ending: &&Ending| !matches!(ending, Ending::KillsWarden | Ending::StopsWarden);
    let leftovers = [Leftover::Nothing, Leftover::HARDEST, Leftover::IgnoresSignals];
    let cases = Ending::ALL.iter().filter(is_tame).flat_map(|ending| leftovers.map(|leftover| (*ending, leftover)));
    let cases: Vec<_> = sample(cases, 4).map(|(ending, leftover)| (ending, leftover, new_tag())).collect();
    let jobs = cases.iter().map(|(ending, leftover, tag)| ("", job("leaves", json!([leftover, ending, tag]))));
    let mut plan = plan(engine, jobs);
    for (index, job) in plan.jobs.iter_mut().enumerate() {
        job.0 = format!("{index:03}");
    }
    plan.slots = 4;
    plan.timeout = Duration::from_secs(2);
    let records = Application::run(&plan);
    assert_eq!(records.len(), cases.len());
    for (printed, (ending, leftover, tag)) in records.iter().zip(&cases) {
        let what = format!("{ending:?}, {leftover:?}: {printed:#?}");
        let kind = match ending {
            Ending::Returns => "",
            Ending::Fails => "returned",
            Ending::Panics | Ending::PanicsTwice => "panicked",
            Ending::Exits => "exited",
            Ending::Overflows => "stack_overflow",
            Ending::Aborts | Ending::Faults | Ending::Dies => "signaled",
            ending => {
                assert!(ending.is_a_timeout(), "{what}");
                assert_eq!(printed.text("/status"), "timeout", "{what}");
                "timeout"
            }
        };
        assert_eq!(printed.failure_kind().replace("timeout", ""), kind.replace("timeout", ""), "{what}");
        assert!(cluster.nodes.iter().any(|node| node == printed.text("/host")), "{what}");
        assert_eq!(alive(tag), [0; 0], "{what}");
        if *leftover != Leftover::Nothing {
            assert_eq!(printed.text("/sweep/kind"), "killed", "{what}");
        }
    }
    assert_no_process_is_left();
    Cluster::assert_queue_is_empty();
}

#[test]
fn every_failure_is_recorded_through_slurm() {
    in_cluster(|cluster| every_failure_is_recorded(cluster, Cluster::slurm()));
}

#[test]
fn every_failure_is_recorded_through_ssh() {
    in_cluster(|cluster| every_failure_is_recorded(cluster, cluster.ssh()));
}

#[test]
fn big_arguments_and_results() {
    in_cluster(|cluster| {
        let bytes = quick_or_full(1_000_000, 100_000_000);
        for engine in [Cluster::slurm(), cluster.ssh()] {
            let records = Application::run(&plan(engine, [("1", Work::Big(bytes)), ("2", Work::Measure(bytes))]));
            let results: Vec<_> = records.iter().map(|printed| printed.record.pointer("/result")).collect();
            assert_eq!(results, [Some(&json!(bytes)); 2], "{records:#?}");
        }
        assert_no_process_is_left();
    });
}

#[test]
fn many_jobs_at_all_slots() {
    in_cluster(|cluster| {
        for engine in [Cluster::slurm(), cluster.ssh()] {
            let mut plan = plan(engine, (0..200).map(|_| ("", job("echo", json!(["here"])))));
            plan.slots = 4;
            let records = Application::run(&plan);
            assert_eq!(records.len(), 200);
            for printed in &records {
                assert_eq!(printed.text("/result"), "here", "{printed:#?}");
            }
            let hosts: BTreeSet<_> = records.iter().map(|printed| printed.text("/host")).collect();
            assert_eq!(hosts, cluster.nodes.iter().map(String::as_str).collect(), "both nodes are used");
        }
        assert_no_process_is_left();
        Cluster::assert_queue_is_empty();
    });
}

#[test]
fn failed_jobs_are_tried_again() {
    in_cluster(|cluster| {
        for (name, engine) in [("slurm", Cluster::slurm()), ("ssh", cluster.ssh())] {
            let endings = json!([cluster.folder.join(name), name, [Ending::Fails, Ending::Dies]]);
            let mut plan = plan(engine, [("1", job("comes_to", endings))]);
            plan.retries = 2;
            let records = Application::run(&plan);
            assert_eq!(records[0].record.pointer("/result"), Some(&json!(3)), "{records:#?}");
        }
        assert_no_process_is_left();
    });
}

/// Starts a job that ticks and another one that waits for its slot, and passes a command.
fn two_jobs(cluster: &Cluster, engine: Engine, length: Duration, command: &str) -> Scene {
    let mut scene = Scene::with(cluster, engine, length, |plan| {
        plan.jobs.push(("waits".into(), job("fast", json!([]))));
    });
    scene.act(|_| {});
    scene.application.command(command);
    scene
}

#[test]
fn cancelled_jobs_die_at_once() {
    in_cluster(|cluster| {
        for engine in [Cluster::slurm(), cluster.ssh()] {
            let scene = two_jobs(cluster, engine, Duration::from_secs(100), "cancel");
            for _ in 0..2 {
                let printed = scene.application.record(LEASE);
                assert_eq!(printed.failure_kind(), "cancelled", "{printed:#?}");
            }
            scene.assert_dead_within(SOON);
            scene.assert_nothing_is_left();
            std::fs::remove_file(cluster.folder.join("ticks")).expect("the job has ticked");
        }
    });
}

#[test]
fn drained_jobs_finish_and_no_other_begins() {
    in_cluster_if_full(|cluster| {
        for engine in [Cluster::slurm(), cluster.ssh()] {
            let scene = two_jobs(cluster, engine, Duration::from_secs(2), "drain");
            let printed = [scene.application.record(LEASE), scene.application.record(LEASE)];
            let of = |id: &str| printed.iter().find(|printed| printed.id() == id).expect("each has a record");
            assert!(of("ticks").is_ok(), "{printed:#?}");
            assert_eq!(of("waits").failure_kind(), "cancelled", "{printed:#?}");
            scene.assert_nothing_is_left();
            std::fs::remove_file(cluster.folder.join("ticks")).expect("the job has ticked");
        }
    });
}

#[test]
fn an_application_that_is_asked_to_terminate_takes_its_slots_along() {
    in_cluster_if_full(|cluster| {
        let mut scene = Scene::new(cluster, Cluster::slurm());
        let application = scene.application.process();
        scene.signal(Signal::TERM, &[application]);
        scene.assert_dead_within(SOON);
        wait_until("it has exited", || !application.is_alive());
        assert_no_process_is_left();
        Cluster::assert_queue_is_empty();
    });
}
