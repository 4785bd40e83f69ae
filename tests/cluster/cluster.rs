//! `in_cluster`: runs a test in a cluster of its own.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use scheduler_tests::distributed::Engine;
use scheduler_tests::profile::Profile;
use scheduler_tests::skips::skipped_as;
use scheduler_tests::wait_until::wait_until;

use crate::process::Process;

/// The variable with the folder of the test that runs in a cluster.
const FOLDER: &str = "TEST_FOLDER";
/// What no test takes.
const LIMIT: Duration = Duration::from_secs(180);

/// The cluster that this test runs in.
pub(crate) struct Cluster {
    /// A folder that all nodes have.
    pub(crate) folder: PathBuf,
    /// The names of the nodes.
    pub(crate) nodes: [String; 2],
    ssh_config: PathBuf,
    /// The first processes of the nodes, and daemons, by their names.
    pids: BTreeMap<String, i32>,
}

/// Runs a test in a cluster of its own, or skips it where there can be none.
#[track_caller]
pub(crate) fn in_cluster(test: impl FnOnce(&Cluster)) {
    if let Some(folder) = env::var_os(FOLDER) {
        return test(&Cluster::from_environment(folder.into()));
    }
    let thread = thread::current();
    let name = thread.name().expect("a test has a name");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cluster").join(name.replace("::", "."));
    // What a failed test has left.
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("the folder is ours");
    let (log, script) = (folder.join("output"), concat!(env!("CARGO_MANIFEST_DIR"), "/../.ci/cluster"));
    let output = fs::File::create(&log).expect("the folder is ours");
    // The cluster dies with this thread.
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "bash", script, "run"]).arg(folder.join("cluster"));
    command.arg(env::current_exe().expect("it is executed")).args([name, "--exact", "--nocapture"]);
    command.env(FOLDER, &folder).stdin(Stdio::null());
    command.stderr(output.try_clone().expect("it is open")).stdout(output);
    let mut child = command.spawn().expect("`setpriv` is a part of util-linux");
    let clock = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().expect("it is ours") {
            break Some(status);
        }
        if clock.elapsed() > LIMIT {
            child.kill().expect("it is ours");
            child.wait().expect("it is ours");
            break None;
        }
        thread::sleep(Duration::from_millis(10));
    };
    let printed = fs::read_to_string(&log).unwrap_or_default();
    match status.map(|status| status.code()) {
        Some(Some(0)) => drop(fs::remove_dir_all(&folder)),
        Some(Some(77)) => skipped_as("cluster", printed.lines().last().unwrap_or("no cluster can be made")),
        Some(_) => panic!("{printed}\nthe logs are in {}", folder.display()),
        None => panic!("{printed}\nstill running after {LIMIT:?}; the logs are in {}", folder.display()),
    }
}

/// Does the same in the full profile only.
#[track_caller]
pub(crate) fn in_cluster_if_full(test: impl FnOnce(&Cluster)) {
    if Profile::current() == Profile::Full {
        in_cluster(test);
    }
}

impl Cluster {
    fn from_environment(folder: PathBuf) -> Self {
        let variable = |name| env::var(name).unwrap_or_else(|_| panic!("`.ci/cluster` sets {name}"));
        let nodes = variable("CLUSTER_NODES");
        let nodes: Vec<_> = nodes.split_whitespace().map(str::to_owned).collect();
        let pids = variable("CLUSTER_PIDS");
        let pids = pids.split_whitespace().filter_map(|pid| {
            let (name, pid) = pid.split_once('=')?;
            Some((name.to_owned(), pid.parse().ok()?))
        });
        Self {
            folder,
            nodes: nodes.try_into().expect("a cluster has two nodes"),
            ssh_config: variable("CLUSTER_SSH_CONFIG").into(),
            pids: pids.collect(),
        }
    }

    pub(crate) fn slurm() -> Engine {
        Engine::Slurm { partition: "short".into() }
    }

    pub(crate) fn ssh(&self) -> Engine {
        self.ssh_to(&self.nodes.each_ref().map(String::as_str))
    }

    pub(crate) fn ssh_to(&self, hosts: &[&str]) -> Engine {
        let hosts = hosts.iter().map(|&host| host.to_owned()).collect();
        Engine::Ssh { hosts, config: self.ssh_config.clone(), program: None }
    }

    /// Returns a daemon, such as `slurmctld` or `NODE/slurmd`, or the first process of a node.
    pub(crate) fn daemon(&self, name: &str) -> Process {
        Process::new(*self.pids.get(name).unwrap_or_else(|| panic!("there is no {name} in {:?}", self.pids)))
    }

    pub(crate) fn partition(&self, node: &str) {
        run_script(&["partition", &self.cluster(), node]);
    }

    pub(crate) fn heal(&self, node: &str) {
        run_script(&["heal", &self.cluster(), node]);
    }

    /// A node loses its power: its processes are dead, and can't even say so.
    pub(crate) fn cut_power(&self, node: &str) {
        self.partition(node);
        self.daemon(node).signal(Signal::KILL);
    }

    /// Returns all processes of a node.
    pub(crate) fn processes_of(&self, node: &str) -> Vec<Process> {
        let namespace = self.daemon(node).namespace();
        Process::all().filter(|process| process.namespace() == namespace).collect()
    }

    /// Asserts that Slurm soon has no job any more.
    pub(crate) fn assert_queue_is_empty() {
        wait_until("the queue is empty", || {
            let queue = Command::new("squeue").arg("--noheader").output().expect("it is installed");
            queue.status.success() && queue.stdout.is_empty()
        });
    }

    fn cluster(&self) -> String {
        self.folder.join("cluster").to_string_lossy().into_owned()
    }
}

fn run_script(arguments: &[&str]) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../.ci/cluster");
    let status = Command::new("bash").arg(script).args(arguments).status().expect("`bash` runs this");
    assert!(status.success(), "{arguments:?}");
}
