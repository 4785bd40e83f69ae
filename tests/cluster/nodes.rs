//! A node or a daemon of Slurm fails.

use std::time::Duration;

use rustix::process::Signal;
use scheduler_tests::distributed::Engine;

use crate::application::LEASE;
use crate::cluster::{Cluster, in_cluster_if_full};
use crate::scene::{SOON, Scene, assert_no_process_is_left};

/// A job that is over before Slurm notices anything.
const SHORT: Duration = Duration::from_secs(4);

/// Asserts that a daemon may die while a short job runs.
fn a_short_job_survives(cluster: &Cluster, daemon: impl Fn(&Scene) -> String) {
    let mut scene = Scene::with(cluster, Cluster::slurm(), SHORT, |_| {});
    let daemon = cluster.daemon(&daemon(&scene));
    scene.signal(Signal::KILL, &[daemon]);
    let printed = scene.application.record(SHORT + LEASE);
    assert!(printed.is_ok(), "{printed:#?}");
    let (records, error) = scene.application.finish();
    assert!(records.is_empty() && error.is_none(), "{error:?} {records:#?}");
    // The queue is not as it should be without the daemon.
    assert_no_process_is_left();
}

#[test]
fn a_short_job_survives_slurmd() {
    in_cluster_if_full(|cluster| a_short_job_survives(cluster, |scene| format!("{}/slurmd", scene.host)));
}

#[test]
fn a_short_job_survives_slurmctld() {
    in_cluster_if_full(|cluster| a_short_job_survives(cluster, |_| "slurmctld".into()));
}

#[test]
fn a_long_job_without_slurmd_is_lost_when_slurm_gives_up_its_node_and_dies_by_the_lease() {
    in_cluster_if_full(|cluster| {
        let mut scene = Scene::new(cluster, Cluster::slurm());
        let daemon = cluster.daemon(&format!("{}/slurmd", scene.host));
        scene.signal(Signal::KILL, &[daemon]);
        let lost = scene.assert_lost_within(Duration::from_secs(80));
        scene.act(|_| {});
        scene.assert_dead_within(LEASE + SOON);
        scene.assert_ended_as_recorded(&lost);
        scene.application.finish();
        assert_no_process_is_left();
    });
}

#[test]
fn a_job_of_a_stopped_node_is_lost_by_the_lease_and_dies_as_soon_as_the_node_continues() {
    in_cluster_if_full(|cluster| {
        for engine in [Cluster::slurm(), cluster.ssh()] {
            let mut scene = Scene::new(cluster, engine);
            let processes = cluster.processes_of(&scene.host);
            scene.signal(Signal::STOP, &processes);
            scene.assert_lost_within(LEASE + SOON);
            scene.signal(Signal::CONT, &processes);
            scene.assert_dead_within(SOON);
            scene.assert_nothing_is_left();
            std::fs::remove_file(cluster.folder.join("ticks")).expect("the job has ticked");
        }
    });
}

fn a_job_is_tried_again_after_a_power_failure(cluster: &Cluster, engine: Engine) {
    let mut scene = Scene::with(cluster, engine, SHORT, |plan| {
        plan.slots = 2;
        plan.retries = 1;
        plan.retries_lost = true;
    });
    scene.act(|scene| cluster.cut_power(&scene.host));
    // The second attempt waits until the first must be over, and for a slot.
    scene.assert_tried_again_elsewhere(LEASE + Duration::from_secs(10), SHORT);
    scene.application.finish();
    assert_no_process_is_left();
}

#[test]
fn a_job_of_slurm_whose_node_loses_its_power_is_tried_again_on_the_other() {
    in_cluster_if_full(|cluster| a_job_is_tried_again_after_a_power_failure(cluster, Cluster::slurm()));
}

#[test]
fn a_job_of_ssh_whose_host_loses_its_power_is_tried_again_on_the_other() {
    in_cluster_if_full(|cluster| a_job_is_tried_again_after_a_power_failure(cluster, cluster.ssh()));
}
