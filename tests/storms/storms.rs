//! Storms: jobs that fork faster than they can be listed. Each runs in a cgroup that limits the number of processes, and in
//! a namespace that dies with its first process.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use scheduler_tests::application::{methods, records, sweeps};
use scheduler_tests::profile::sample;
use scheduler_tests::skips::skipped;
use scheduler_tests::wait_until::wait_until;
use serde_json::Value;

/// The application.
const APP: &str = env!("CARGO_BIN_EXE_app");

/// How many processes a storm may have.
const CAP: u32 = 1500;

/// A cgroup that limits the number of processes.
struct Capped(PathBuf);

impl Capped {
    /// Makes one; `None`, after reporting why, if that is impossible.
    fn new() -> Option<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("storm-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        // The controller of version 1, or of version 2 where the root delegates it.
        for hierarchy in ["/sys/fs/cgroup/pids", "/sys/fs/cgroup"] {
            let capped = Self(Path::new(hierarchy).join(&name));
            // Where that is no cgroup there is no such file, and none must be made.
            let limit = |folder: &Path| {
                fs::create_dir(folder)?;
                fs::OpenOptions::new().write(true).open(folder.join("pids.max"))?.write_all(CAP.to_string().as_bytes())
            };
            if limit(&capped.0).is_ok() {
                return Some(capped);
            }
        }
        skipped("no cgroup can be made here that limits the number of processes");
        None
    }

    /// Runs the application in it, on one processor, and in a namespace that dies with it.
    fn run(&self, method: &str, containment: &str, jobs: &[&str]) -> Output {
        let script = "echo $$ > \"$CAPPED/cgroup.procs\" && exec taskset --cpu-list $CPU unshare --mount --pid --fork --mount-proc --kill-child \
                      timeout -s KILL 60 \"$0\" \"$@\"";
        let mut command = Command::new("sh");
        command.args(["-c", script, APP]).args(jobs).env("CAPPED", &self.0).stdin(Stdio::null());
        command.env("CPU", last_processor()).env("APP_MODE", "counts what is left").env("APP_METHOD", method);
        command.env("APP_CONTAINMENT", containment);
        command.output().expect("`sh` is everywhere")
    }
}

impl Drop for Capped {
    fn drop(&mut self) {
        // Its last process may be about to leave.
        wait_until("the cgroup of a storm is empty", || fs::remove_dir(&self.0).is_ok() || !self.0.exists());
    }
}

/// Returns the number of the last processor that this process may use.
fn last_processor() -> String {
    let status = fs::read_to_string("/proc/self/status").expect("/proc is mounted");
    let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).unwrap_or_default();
    list.trim().rsplit([',', '-']).next().unwrap_or_default().to_owned()
}

/// The result of a storm: how long the call took, and how many processes were alive after it and some seconds later.
fn result(output: &Output) -> (f64, usize, usize) {
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().rev().nth(2).unwrap_or_default();
    let errors = String::from_utf8_lossy(&output.stderr);
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {text}{errors}"))
}

/// How often a storm is tried: on a machine that is busy with other tests a sweep may run out of time, and must report
/// that.
const TRIES: usize = 3;

/// Asserts that a call whose job storms returns in time with a true record, and that a sweep kills the storm.
fn a_storm_ends(storm: &str, containment: &str) {
    // The other tests need what is left of the machine.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    for method in sample(methods(), 2) {
        let mut was_ended = false;
        for _ in 0..TRIES {
            let Some(capped) = Capped::new() else { return };
            was_ended = is_ended_by_its_sweep(storm, &capped.run(method, containment, &["500", storm, "fast"]));
            if was_ended {
                break;
            }
        }
        assert!(was_ended, "{storm}, {method:?}: no sweep of {TRIES} killed it");
    }
}

/// Asserts that the call returned in time with true records, and returns whether they say that nothing is left.
#[expect(clippy::print_stdout, reason = "a test that fails shows what the tries before came to")]
fn is_ended_by_its_sweep(storm: &str, output: &Output) -> bool {
    let (seconds, alive, stayed) = result(output);
    let (records, sweeps): (Vec<Value>, _) = (records(output), sweeps(output));
    println!("{storm}: {seconds} s, {sweeps:?}, {alive} alive, {stayed} later");
    assert_eq!(records[0]["status"], "timeout", "{records:?}");
    assert!(seconds < 9.5, "the call took {seconds} s: {sweeps:?}");
    let sweep = &sweeps[0];
    match sweep["kind"].as_str() {
        Some("killed") => {
            assert!(sweep["killed"] != 0 && alive == 0 && stayed == 0, "{sweeps:?}, {alive} alive, {stayed} later");
            assert_eq!(records[1]["result"], 42, "{records:?}");
            true
        }
        kind => {
            let pids = sweep["pids"].as_array().map_or(0, Vec::len);
            assert!(kind == Some("unproved") || (1..=32).contains(&pids), "{sweep}");
            // The leftovers may use up all processes.
            let next = &records[1];
            assert!(next["result"] == 42 || next["failure"]["kind"] == "never_started", "{records:?}");
            false
        }
    }
}

#[test]
fn comets_in_their_own_sessions_are_killed_in_time() {
    a_storm_ends("comets 400", "");
}

#[test]
fn a_fork_bomb_is_killed_in_time() {
    a_storm_ends("fork_bomb", "");
}

#[test]
fn processes_that_change_their_session_at_each_fork_are_killed_in_time() {
    a_storm_ends("shooting_stars 40", "");
}

#[test]
fn a_storm_in_a_cgroup_is_killed_by_one_write() {
    // If none can be made, that is an error: see `containment`.
    let cgroups = ["/sys/fs/cgroup/cgroup.procs", "/sys/fs/cgroup/unified/cgroup.procs"];
    if !cgroups.iter().any(|path| fs::OpenOptions::new().write(true).open(path).is_ok()) {
        skipped("no cgroup can be made here");
        return;
    }
    for storm in sample(["comets 400", "fork_bomb", "shooting_stars 40"], 3) {
        a_storm_ends(storm, "cgroup");
    }
}
