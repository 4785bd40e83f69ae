//! What stands between an application and its job dies or stops: clients, servers, the agent, the application itself.

use std::process::Command;
use std::thread;
use std::time::Duration;

use rustix::process::Signal;
use scheduler_tests::distributed::Engine;
use scheduler_tests::wait_until::wait_until;

use crate::application::{APP, LEASE};
use crate::cluster::{Cluster, in_cluster, in_cluster_if_full};
use crate::process::Process;
use crate::scene::{SOON, Scene, assert_no_process_is_left};

/// How soon an application knows that a connection is closed: `srun` takes a second to exit after its task.
const KNOWN: Duration = Duration::from_secs(3);

fn local() -> Engine {
    Engine::Command(Vec::new())
}

/// Asserts that the job dies soon after a signal to some processes, with the whole slot, and that the application knows.
fn a_slot_dies_by(cluster: &Cluster, engine: Engine, signal: Signal, processes: impl Fn(&Scene) -> Vec<Process>) {
    let mut scene = Scene::new(cluster, engine);
    let processes = processes(&scene);
    scene.signal(signal, &processes);
    let lost = scene.assert_lost_within(KNOWN);
    scene.assert_dead_within(SOON);
    scene.assert_ended_as_recorded(&lost);
    scene.assert_nothing_is_left();
}

#[test]
fn a_job_dies_with_srun() {
    in_cluster(|cluster| a_slot_dies_by(cluster, Cluster::slurm(), Signal::KILL, |scene| vec![scene.client()]));
}

#[test]
fn a_job_dies_when_srun_is_asked_to_terminate() {
    in_cluster_if_full(|cluster| a_slot_dies_by(cluster, Cluster::slurm(), Signal::TERM, |scene| vec![scene.client()]));
}

#[test]
fn a_job_whose_srun_dies_with_its_shepherd_dies_by_the_lease() {
    in_cluster_if_full(|cluster| {
        let mut scene = Scene::new(cluster, Cluster::slurm());
        let client = scene.client();
        let mut both: Vec<_> = client.children().filter(|child| child.name() == "srun").collect();
        assert_eq!(both.len(), 1, "srun has a shepherd");
        both.push(client);
        scene.signal(Signal::KILL, &both);
        let lost = scene.assert_lost_within(KNOWN);
        scene.assert_dead_within(LEASE + SOON);
        scene.assert_ended_as_recorded(&lost);
        // With the allocation, which nobody else would end.
        scene.assert_nothing_is_left();
    });
}

#[test]
fn a_job_dies_with_the_client_of_ssh() {
    in_cluster(|cluster| a_slot_dies_by(cluster, cluster.ssh(), Signal::KILL, |scene| vec![scene.client()]));
}

#[test]
fn a_job_dies_with_its_session_of_sshd() {
    in_cluster_if_full(|cluster| {
        a_slot_dies_by(cluster, cluster.ssh(), Signal::KILL, |scene| vec![scene.server("sshd")]);
    });
}

#[test]
fn a_job_dies_with_its_agent() {
    in_cluster_if_full(|cluster| {
        for engine in [local(), Cluster::slurm(), cluster.ssh()] {
            a_slot_dies_by(cluster, engine, Signal::KILL, |scene| vec![scene.agent]);
            std::fs::remove_file(cluster.folder.join("ticks")).expect("the job has ticked");
        }
    });
}

#[test]
fn a_job_dies_with_slurmstepd_and_its_record_comes_by_the_lease() {
    in_cluster_if_full(|cluster| {
        let mut scene = Scene::new(cluster, Cluster::slurm());
        scene.signal(Signal::KILL, &[scene.server("slurmstepd")]);
        scene.assert_dead_within(SOON);
        // `srun` notices nothing.
        let lost = scene.assert_lost_within(LEASE + SOON);
        scene.assert_ended_as_recorded(&lost);
        scene.assert_nothing_is_left();
    });
}

#[test]
fn a_job_dies_when_its_allocation_is_cancelled() {
    in_cluster_if_full(|cluster| {
        let mut scene = Scene::new(cluster, Cluster::slurm());
        scene.act(|_| {
            let status = Command::new("scancel").args(["--user", "root"]).status().expect("it is installed");
            assert!(status.success());
        });
        // Slurm asks first, and waits two seconds here.
        let lost = scene.assert_lost_within(KNOWN + KNOWN);
        scene.assert_dead_within(KNOWN);
        scene.assert_ended_as_recorded(&lost);
        scene.assert_nothing_is_left();
    });
}

#[test]
fn a_job_of_a_stopped_agent_dies_by_the_lease() {
    in_cluster(|cluster| {
        let mut scene = Scene::new(cluster, Cluster::slurm());
        scene.signal(Signal::STOP, &[scene.agent]);
        let lost = scene.assert_lost_within(LEASE + SOON);
        scene.assert_dead_within(LEASE + SOON);
        scene.assert_ended_as_recorded(&lost);
        scene.assert_nothing_is_left();
    });
}

#[test]
fn a_job_dies_with_its_application() {
    in_cluster_if_full(|cluster| {
        for engine in [local(), Cluster::slurm(), cluster.ssh()] {
            let mut scene = Scene::new(cluster, engine);
            let application = scene.application.process();
            scene.signal(Signal::KILL, &[application]);
            scene.assert_dead_within(SOON);
            assert_no_process_is_left();
            Cluster::assert_queue_is_empty();
            std::fs::remove_file(cluster.folder.join("ticks")).expect("the job has ticked");
        }
    });
}

#[test]
fn a_job_of_a_stopped_application_dies_by_the_lease_and_is_lost() {
    in_cluster_if_full(|cluster| {
        for engine in [Cluster::slurm(), cluster.ssh()] {
            let mut scene = Scene::new(cluster, engine);
            let application = scene.application.process();
            scene.signal(Signal::STOP, &[application]);
            scene.assert_dead_within(LEASE + SOON);
            // Its own clock is to see the end of the lease as well.
            thread::sleep(Duration::from_secs(2));
            scene.act(|_| application.signal(Signal::CONT));
            let lost = scene.assert_lost_within(KNOWN);
            scene.assert_ended_as_recorded(&lost);
            scene.assert_nothing_is_left();
            std::fs::remove_file(cluster.folder.join("ticks")).expect("the job has ticked");
        }
    });
}

#[test]
fn an_application_that_is_stopped_for_less_than_a_lease_loses_nothing() {
    in_cluster_if_full(|cluster| {
        let length = Duration::from_secs(4);
        let scene = Scene::with(cluster, Cluster::slurm(), length, |plan| plan.lease = Duration::from_secs(15));
        let application = scene.application.process();
        application.signal(Signal::STOP);
        wait_until("the job is over", || !scene.job.is_alive());
        application.signal(Signal::CONT);
        let printed = scene.application.record(LEASE);
        assert!(printed.is_ok(), "{printed:#?}");
        scene.assert_nothing_is_left();
    });
}

#[test]
fn an_agent_is_a_copy_of_the_application() {
    in_cluster_if_full(|cluster| {
        let scene = Scene::with(cluster, cluster.ssh(), SOON, |_| {});
        assert!(scene.agent.executes(APP));
        assert!(cluster.processes_of(&scene.host).contains(&scene.agent), "it runs on {}", scene.host);
        let printed = scene.application.record(LEASE);
        assert_eq!(printed.text("/host"), scene.host, "{printed:#?}");
        scene.assert_nothing_is_left();
    });
}
