//! Slots that can't be opened: the jobs never start, and the reason is in the client's own words.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::Signal;
use scheduler_tests::distributed::{Engine, Plan, Work};
use scheduler_tests::wait_until::wait_until;
use serde_json::json;

use crate::application::{Application, plan};
use crate::cluster::{Cluster, in_cluster, in_cluster_if_full};
use crate::process::Process;
use crate::scene::assert_no_process_is_left;

/// Returns a plan with two jobs.
fn two_jobs(engine: Engine) -> Plan {
    plan(engine, ["1", "2"].map(|id| (id, Work::Job("fast".into(), json!([])))))
}

/// Asserts that no job of a plan starts, and that the reason is given, with these words.
#[track_caller]
fn assert_refused(plan: &Plan, words: &[&str]) {
    let (records, error) = Application::start(plan).finish();
    assert_eq!(records.len(), 2, "{error:?}");
    for printed in records {
        assert_eq!(printed.failure_kind(), "never_started", "{printed:#?}");
        let failure = printed.failure.as_deref().unwrap_or_default();
        for word in words {
            assert!(failure.contains(word), "`{word}` isn't in `{failure}`");
        }
    }
    assert_no_process_is_left();
    Cluster::assert_queue_is_empty();
}

#[test]
fn an_unknown_host_key() {
    in_cluster(|cluster| {
        assert_refused(&two_jobs(cluster.ssh_to(&["stranger"])), &["Host key verification failed"]);
    });
}

#[test]
fn a_missing_program() {
    in_cluster_if_full(|cluster| {
        let Engine::Ssh { hosts, config, .. } = cluster.ssh() else { unreachable!("it is ssh") };
        let engine = Engine::Ssh { hosts, config, program: Some("/nowhere/application".into()) };
        assert_refused(&two_jobs(engine), &["/nowhere/application", "No such file"]);
        let engine = Engine::Command(vec!["/nowhere/client".into()]);
        assert_refused(&two_jobs(engine), &["/nowhere/client", "No such file"]);
    });
}

#[test]
fn an_unknown_partition() {
    in_cluster(|_| {
        let engine = Engine::Slurm { partition: "none".into() };
        assert_refused(&two_jobs(engine), &["invalid partition specified: none"]);
    });
}

#[test]
fn another_build() {
    in_cluster_if_full(|cluster| {
        let other = env!("CARGO_BIN_EXE_other_build");
        // The first word of the agent's command is the program of this build.
        let script = format!("shift; exec {other} \"$@\"");
        let engine = Engine::Command(["sh", "-c", &script, "sh"].map(str::to_owned).to_vec());
        // `$0` is `sh`, and the program is the first argument.
        assert_refused(&two_jobs(engine), &["build"]);
        let Engine::Ssh { hosts, config, .. } = cluster.ssh() else { unreachable!("it is ssh") };
        let engine = Engine::Ssh { hosts, config, program: Some(other.into()) };
        assert_refused(&two_jobs(engine), &["build"]);
    });
}

#[test]
fn a_program_that_is_no_agent() {
    in_cluster_if_full(|_| {
        // One that says something else and stays, and one that exits.
        for command in ["echo 'a prompt> '; exec sleep 100 <&- ", "echo 'out of order' >&2; exit 3"] {
            let engine = Engine::Command(["sh", "-c", command, "sh"].map(str::to_owned).to_vec());
            let word = if command.contains("prompt") { "a prompt>" } else { "out of order" };
            assert_refused(&two_jobs(engine), &[word]);
        }
    });
}

/// Keeps all processors of the cluster busy.
struct Busy(Child);

impl Busy {
    fn new() -> Self {
        // The nodes have 16 processors each.
        let mut busy = Command::new("srun");
        busy.args(["--nodes=2", "--ntasks=32", "sleep", "1000"]).stdin(Stdio::null());
        let busy = busy.spawn().expect("it is installed");
        let all = |name: &str| Process::all().filter(|process| process.name() == name).count();
        wait_until("all processors are busy", || all("sleep") >= 32);
        Self(busy)
    }

    fn end(mut self) {
        Process::new(self.0.id().try_into().expect("it is small")).signal(Signal::TERM);
        self.0.wait().expect("it is ours");
        Cluster::assert_queue_is_empty();
        assert_no_process_is_left();
    }
}

#[test]
fn a_queue_that_is_too_long() {
    in_cluster_if_full(|_| {
        let busy = Busy::new();
        let mut plan = two_jobs(Cluster::slurm());
        plan.queue_limit = Some(Duration::from_secs(2));
        let (records, error) = Application::start(&plan).finish();
        assert_eq!(records.len(), 2, "{error:?}");
        for printed in records {
            assert_eq!(printed.failure_kind(), "never_started", "{printed:#?}");
            let failure = printed.failure.as_deref().unwrap_or_default();
            assert!(failure.contains("queue limit of 2s") && failure.contains("nodes are busy"), "{printed:#?}");
        }
        busy.end();
    });
}

#[test]
fn slots_that_wait_leave_the_queue_with_their_application() {
    in_cluster(|_| {
        let busy = Busy::new();
        let waiting = || {
            let queue = Command::new("squeue").args(["--noheader", "--states=PENDING"]).output();
            let queue = queue.expect("it is installed");
            queue.status.success().then(|| String::from_utf8_lossy(&queue.stdout).lines().count())
        };
        for signal in [Signal::KILL, Signal::TERM] {
            let application = Application::start(&two_jobs(Cluster::slurm()));
            wait_until("its slots wait", || waiting().is_some_and(|count| count > 0));
            application.process().signal(signal);
            wait_until("none of them waits any more", || waiting() == Some(0));
        }
        busy.end();
    });
}
