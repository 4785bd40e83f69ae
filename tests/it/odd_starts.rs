//! Applications that were started in an unusual way, or where something is missing: their jobs run, or their records name
//! the reason.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use scheduler_tests::profile::sample;
use scheduler_tests::skips::skipped;
use serde_json::Value;

use crate::adversity::unshared;
use crate::application::{APP, methods, records};

/// Returns the ways to run jobs in this mode: each start method, with a list and with spawned jobs.
fn ways(mode: &str) -> impl Iterator<Item = (&'static str, &'static str)> {
    // With threads there is no fork server.
    let methods = methods().filter(move |method| mode != "threaded" || method.is_empty());
    methods.flat_map(|method| ["", "spawn"].map(|calls| (method, calls)))
}

/// Runs an application in this mode in each way.
fn each_way(mode: &str, start: impl Fn() -> Command) -> impl Iterator<Item = Output> {
    in_ways(ways(mode), mode, start)
}

/// Runs an application in this mode in these ways.
fn in_ways<'a>(
    ways: impl Iterator<Item = (&'a str, &'a str)>,
    mode: &str,
    start: impl Fn() -> Command,
) -> impl Iterator<Item = Output> {
    ways.map(move |(method, calls)| {
        let mut command = start();
        command.env("APP_MODE", mode).env("APP_METHOD", method).env("APP_CALLS", calls).stdin(Stdio::null());
        command.output().expect("it can be started")
    })
}

#[track_caller]
fn assert_all_ran(outputs: impl Iterator<Item = Output>) {
    for output in outputs {
        let records = records(&output);
        let results: Vec<&Value> = records.iter().map(|record| &record["result"]).collect();
        assert_eq!(results, [42, 42], "{output:?}");
    }
}

/// Returns the dynamic loader, which this program was loaded by, too.
#[cfg(target_env = "gnu")]
fn loader() -> PathBuf {
    let maps = fs::read_to_string("/proc/self/maps").expect("this is Linux");
    let files = maps.lines().filter_map(|line| line.split_whitespace().nth(5));
    let loader = files
        .map(Path::new)
        .find(|file| file.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with("ld")));
    loader.expect("a dynamic program has one").to_owned()
}

#[cfg(target_env = "gnu")]
#[test]
fn an_application_that_was_started_through_the_loader_runs_jobs() {
    for mode in ["", "threaded"] {
        assert_all_ran(each_way(mode, || {
            let mut command = Command::new(loader());
            // By a path that leads nowhere from another folder.
            let file = Path::new(APP);
            command.current_dir(file.parent().expect("it is in a folder")).arg("./app");
            command.args(["60000", "fast", "fast"]);
            command
        }));
    }
}

#[cfg(target_env = "gnu")]
#[test]
fn the_loaders_options_are_passed_on() {
    for method in methods() {
        let mut command = Command::new(loader());
        let options = ["--inhibit-cache", "--library-path", "/opt/nowhere:/opt/nowhere/else"];
        command.args(options).args([APP, "60000", "is_started_as"]).env("APP_METHOD", method).stdin(Stdio::null());
        let records = records(&command.output().expect("the loader is there"));
        let line = records[0]["result"].as_array().unwrap_or_else(|| panic!("{records:?}"));
        assert_eq!(line[1..4], options, "{line:?}");
        assert_eq!(line[4..], [APP], "{line:?}");
    }
}

#[test]
fn an_application_under_valgrind_runs_jobs() {
    if !Command::new("valgrind").arg("--version").output().is_ok_and(|output| output.status.success()) {
        skipped("valgrind is not installed");
        return;
    }
    // In the quick profile a list with one start method, and spawned jobs with the other.
    assert_all_ran(in_ways(sample(ways(""), 3), "", || {
        let mut command = Command::new("valgrind");
        command.args(["--quiet", "--tool=none", APP, "60000", "fast", "fast"]);
        command
    }));
}

#[test]
fn an_application_that_can_not_write_files_runs_jobs_with_and_without_threads() {
    for mode in ["", "threaded"] {
        assert_all_ran(each_way(mode, || {
            let mut command = Command::new("sh");
            command.args(["-c", "ulimit -f 0 && exec \"$0\" \"$@\"", APP, "60000", "fast", "fast"]);
            command
        }));
    }
}

#[test]
fn an_application_whose_working_directory_was_deleted_runs_jobs() {
    for mode in ["", "threaded"] {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let ways = each_way(mode, || {
            let gone = folder.path().join("gone");
            let script = "mkdir -p \"$GONE\" && cd \"$GONE\" && rmdir \"$GONE\" && exec \"$0\" \"$@\"";
            let mut command = Command::new("sh");
            command.args(["-c", script, APP, "60000", "fast", "fast"]).env("GONE", gone);
            command
        });
        assert_all_ran(ways);
    }
}

#[test]
fn an_application_with_an_empty_dev_gets_the_name_of_the_missing_file() {
    let script = "mount -t tmpfs none /dev && exec \"$0\" \"$@\"";
    if unshared(script, "", &[]).is_none() {
        return;
    }
    let outputs =
        each_way("", || unshared(script, "", &["60000", "fast", "fast"]).expect("it was to be had a moment ago"));
    let mut reported = 0;
    for output in outputs {
        let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        assert!(text.contains("`/dev/null` can't be opened: No such file or directory"), "{text}");
        reported += 1;
    }
    assert_eq!(reported, 4);
}
