//! The network between an application and its nodes is cut, and mended.

use std::thread;
use std::time::Duration;

use scheduler_tests::distributed::{Engine, boot_time};

use crate::cluster::{Cluster, in_cluster_if_full};
use crate::scene::{SOON, Scene};

/// A lease that outlives a short partition, and not a long one.
const LEASE: Duration = Duration::from_secs(15);
const SHORT: Duration = Duration::from_secs(8);
const LONG: Duration = Duration::from_secs(60);

fn a_short_partition_is_survived(cluster: &Cluster, engine: Engine) {
    let length = Duration::from_secs(12);
    let mut scene = Scene::with(cluster, engine, length, |plan| plan.lease = LEASE);
    scene.act(|scene| cluster.partition(&scene.host));
    thread::sleep(SHORT);
    cluster.heal(&scene.host);
    let printed = scene.application.record(LEASE);
    assert!(printed.is_ok(), "{printed:#?}");
    scene.assert_nothing_is_left();
}

#[test]
fn a_job_of_slurm_survives_a_partition_that_is_shorter_than_its_lease() {
    in_cluster_if_full(|cluster| a_short_partition_is_survived(cluster, Cluster::slurm()));
}

#[test]
fn a_job_of_ssh_survives_a_partition_that_is_shorter_than_its_lease() {
    in_cluster_if_full(|cluster| a_short_partition_is_survived(cluster, cluster.ssh()));
}

fn a_long_partition_costs_an_attempt(cluster: &Cluster, engine: Engine) {
    // So long that the first attempt isn't over by itself.
    let length = LEASE + Duration::from_secs(5);
    let mut scene = Scene::with(cluster, engine, length, |plan| {
        plan.lease = LEASE;
        plan.slots = 2;
        plan.retries = 1;
        plan.retries_lost = true;
    });
    scene.act(|scene| cluster.partition(&scene.host));
    let began = boot_time();
    scene.assert_dead_within(LEASE + SOON);
    scene.assert_tried_again_elsewhere(LEASE + Duration::from_secs(10), length);
    thread::sleep((began + LONG).saturating_sub(boot_time()));
    cluster.heal(&scene.host);
    scene.assert_nothing_is_left();
}

#[test]
fn a_job_of_slurm_is_tried_again_elsewhere_once_a_partition_has_outlived_its_lease() {
    in_cluster_if_full(|cluster| a_long_partition_costs_an_attempt(cluster, Cluster::slurm()));
}

#[test]
fn a_job_of_ssh_is_tried_again_elsewhere_once_a_partition_has_outlived_its_lease() {
    in_cluster_if_full(|cluster| a_long_partition_costs_an_attempt(cluster, cluster.ssh()));
}

#[test]
fn a_timeout_in_a_partition_is_enforced_on_the_node_and_reported_after_it() {
    in_cluster_if_full(|cluster| {
        // Slurm would give the node up meanwhile.
        let mut scene = Scene::with(cluster, cluster.ssh(), LONG * 2, |plan| {
            // TCP waits twice as long before each time that it sends again, so that it may notice the heal only after as long.
            plan.lease = LONG * 2 + LEASE;
            plan.timeout = SHORT;
        });
        scene.act(|scene| cluster.partition(&scene.host));
        let began = boot_time();
        scene.assert_dead_within(SHORT + SOON);
        thread::sleep((began + LONG).saturating_sub(boot_time()));
        cluster.heal(&scene.host);
        let printed = scene.application.record(LONG);
        assert_eq!(printed.text("/status"), "timeout", "{printed:#?}");
        assert_eq!(printed.text("/host"), scene.host, "{printed:#?}");
        scene.assert_nothing_is_left();
    });
}
