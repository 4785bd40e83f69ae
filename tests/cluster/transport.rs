//! What a connection carries beside frames, and what it does to them.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use rustix::process::Signal;
use scheduler_tests::distributed::{Engine, Work};
use serde_json::json;

use crate::application::{APP, Application, LEASE, plan};
use crate::cluster::{Cluster, in_cluster, in_cluster_if_full};
use crate::scene::{SOON, Scene, assert_no_process_is_left};

/// Returns a command that runs a script, which has the agent's command as its arguments.
fn script(text: &str) -> Engine {
    Engine::Command(["sh", "-c", text, "sh"].map(str::to_owned).to_vec())
}

fn fast() -> [(&'static str, Work); 1] {
    [("fast", Work::Job("fast".into(), json!([])))]
}

#[track_caller]
fn assert_returns_42(engine: Engine) {
    let records = Application::run(&plan(engine, fast()));
    assert_eq!(records[0].record.pointer("/result"), Some(&json!(42)), "{records:#?}");
}

#[test]
fn what_a_job_prints_is_not_among_the_frames() {
    in_cluster(|cluster| {
        for engine in [script("exec \"$@\""), Cluster::slurm(), cluster.ssh()] {
            let bytes = 1 << 20;
            let prints = Work::Job("prints".into(), json!([bytes]));
            let direct = Work::Job("writes_to_descriptor_1".into(), json!([]));
            let closes = Work::Job("closes_all_descriptors".into(), json!([]));
            let records = Application::run(&plan(engine, [("1", prints), ("2", direct), ("3", closes)]));
            assert!(records[0].is_ok() && records[1].is_ok(), "{records:#?}");
        }
        assert_no_process_is_left();
    });
}

#[test]
fn a_client_that_floods_its_standard_error_delays_nothing() {
    in_cluster(|_| {
        let flood = "head -c 50000000 /dev/zero | tr '\\0' x >&2";
        assert_returns_42(script(&format!("{flood}; exec \"$@\"")));
        assert_returns_42(script(&format!("{flood} & exec \"$@\"")));
        assert_no_process_is_left();
    });
}

#[test]
fn what_comes_before_the_agent_is_skipped() {
    in_cluster(|cluster| {
        let noise = "echo 'Welcome!'; head -c 65000 /dev/urandom | tr -d '\\211'; echo";
        assert_returns_42(script(&format!("{noise}; exec \"$@\"")));
        let program = cluster.folder.join("noisy");
        fs::write(&program, format!("#!/bin/sh\n{noise}\nexec {APP} \"$@\"\n")).expect("the folder is ours");
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("the file is ours");
        let Engine::Ssh { hosts, config, .. } = cluster.ssh() else { unreachable!("it is ssh") };
        assert_returns_42(Engine::Ssh { hosts, config, program: Some(program) });
        assert_no_process_is_left();
    });
}

#[test]
fn a_line_among_the_frames_loses_the_job() {
    in_cluster_if_full(|cluster| {
        let file = cluster.folder.join("now");
        let line = format!("(while [ ! -e {} ]; do sleep 0.01; done; echo 'kernel: something') &", file.display());
        let mut scene = Scene::new(cluster, script(&format!("{line} exec \"$@\"")));
        scene.act(|_| fs::write(&file, "").expect("the folder is ours"));
        let lost = scene.assert_lost_within(SOON);
        assert!(lost.failure.as_deref().is_some_and(|text| text.contains("kernel: something")), "{lost:#?}");
        scene.assert_dead_within(SOON);
        scene.assert_nothing_is_left();
    });
}

#[test]
fn a_bit_that_is_flipped_loses_the_job_and_is_never_a_result() {
    in_cluster_if_full(|_| {
        let bytes = 600_000;
        // All of them are within the result.
        for place in [5_000, 100_000, 262_200, 599_000] {
            let before = [APP, "flip", &place.to_string()].map(str::to_owned).to_vec();
            let records = Application::run(&plan(Engine::Command(before), [("big", Work::Big(bytes))]));
            assert_eq!(records[0].failure_kind(), "lost", "{place}: {records:#?}");
        }
        assert_no_process_is_left();
    });
}

#[test]
fn a_bit_that_is_flipped_anywhere_changes_no_result() {
    in_cluster_if_full(|_| {
        let (sender, receiver) = std::sync::mpsc::channel();
        // From the mark of the agent to the first outcome and the beats after it.
        for place in (0..400).step_by(37) {
            let sender = sender.clone();
            std::thread::spawn(move || {
                let before = [APP, "flip", &place.to_string()].map(str::to_owned).to_vec();
                let plan = plan(Engine::Command(before), fast());
                // The test waits for all of them.
                let _ = sender.send((place, Application::start(&plan).finish()));
            });
        }
        drop(sender);
        for (place, (records, error)) in receiver {
            let [printed] = records.as_slice() else { panic!("{place}: {error:?} {records:#?}") };
            let is_true = match printed.failure_kind() {
                "" => printed.record.pointer("/result") == Some(&json!(42)),
                kind => ["lost", "never_started"].contains(&kind),
            };
            assert!(is_true, "{place}: {printed:#?}");
        }
        assert_no_process_is_left();
    });
}

#[test]
fn a_connection_that_is_silent_loses_the_job_by_the_lease() {
    in_cluster_if_full(|cluster| {
        // `cat` passes the bytes on until it is stopped.
        let mut scene = Scene::new(cluster, script("\"$@\" | cat"));
        let shell = scene.client();
        let cat = shell.children().find(|child| child.name() == "cat").expect("the shell has started it");
        scene.signal(Signal::STOP, &[cat]);
        let lost = scene.assert_lost_within(LEASE + SOON);
        scene.assert_dead_within(LEASE + SOON);
        scene.assert_ended_as_recorded(&lost);
        scene.assert_nothing_is_left();
        cat.signal(Signal::KILL);
    });
}
