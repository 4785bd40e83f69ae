//! Applications in environments where something is missing: `/proc`, descriptors, processes, privileges.

use std::os::fd::OwnedFd;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};
use std::{fs, io};

use scheduler_tests::leftovers::{alive, new_tag};
use scheduler_tests::profile::quick_or_full;
use scheduler_tests::skips::skipped;
use serde_json::{Value, json};

use crate::application::{APP, app, app_at, copy_to, records, run, sweeps};
use crate::at_once;

/// Returns a command that runs the script in new namespaces, with the application as `$0` and its arguments; `None`, after
/// reporting why, if none can be made.
pub(crate) fn unshared(script: &str, mode: &str, arguments: &[&str]) -> Option<Command> {
    let unshare = || {
        let mut command = Command::new("unshare");
        command.args(["--mount", "--pid", "--fork", "--kill-child"]);
        command
    };
    if !unshare().arg("true").status().is_ok_and(|status| status.success()) {
        skipped("no namespaces can be made here");
        return None;
    }
    let mut command = unshare();
    command.args(["sh", "-c", script, APP]).args(arguments).env("APP_MODE", mode).stdin(Stdio::null());
    Some(command)
}

const WITHOUT_PROC: &str = "mount -t tmpfs none /proc && exec \"$0\" \"$@\"";

/// Asserts what holds whatever is missing: each record has a value, is the expected timeout, or has an error that
/// begins with this reason.
fn assert_valid(records: &[Value], reason: &str) {
    for record in records {
        let reported = match record["status"].as_str() {
            Some("ok") => record["result"] == 42,
            Some("timeout") => true,
            _ => record["error"].as_str().is_some_and(|error| error.starts_with(reason)),
        };
        assert!(reported, "{record}");
    }
}

#[test]
fn without_proc_jobs_run_and_nothing_survives_them() {
    let jobs = ["600", "fast", &format!("leaves {}", new_tag()), "aborts"];
    let Some(mut command) = unshared(WITHOUT_PROC, "", &jobs) else { return };
    let output = command.output().expect("the fixture is built");
    // When the first process of a namespace exits, the kernel kills the others: only the records count.
    let killed = json!({"kind": "killed", "killed": 1});
    assert_eq!(sweeps(&output), [json!({"kind": "clean"}), killed, json!({"kind": "clean"})]);
    let records = records(&output);
    assert_eq!(records[0]["result"], 42);
    assert_eq!(records[1]["status"], "timeout");
    assert_eq!(records[2]["error"], "killed by signal 6 (SIGABRT)");
}

#[test]
fn without_proc_a_fork_server_is_refused_with_the_actual_reason() {
    let Some(mut command) = unshared(WITHOUT_PROC, "", &["60000", "fast"]) else { return };
    let output = command.env("APP_METHOD", "forks").output().expect("the fixture is built");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("without `/proc` its threads can't be counted"), "{text}");
}

/// Without `/proc` the running image is known only by its path, where another file may be by now.
#[test]
fn a_copy_of_another_build_refuses_the_job() {
    let other = env!("CARGO_BIN_EXE_other_build");
    let script = format!("mount -t tmpfs none /proc && exec bash -c 'exec -a {other} \"$0\" \"$@\"' \"$0\" \"$@\"");
    let Some(mut command) = unshared(&script, "", &["60000", "fast"]) else { return };
    let records = records(&command.output().expect("the fixture is built"));
    assert_eq!(
        records[0]["error"],
        "never started: the re-executed binary is of another build, which declares the job as \
         `scheduler_tests::jobs::fast(seconds: u64) -> String`"
    );
}

#[test]
fn a_copy_of_a_file_that_was_replaced_refuses_the_job() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let copy = copy_to(folder.path());
    let script = format!("mount -t tmpfs none /proc && exec {} \"$@\"", copy.display());
    let results = ["", "is rebuilt"].map(|mode| {
        let output = unshared(&script, mode, &["60000", "fast"])?.output().expect("the fixture is built");
        Some(records(&output).remove(0))
    });
    let [Some(kept), Some(replaced)] = results else { return };
    assert_eq!(kept["result"], 42);
    let error = replaced["error"].as_str().unwrap_or_default();
    assert!(
        error.starts_with("never started: the application's executable was replaced by another build while it ran"),
        "{replaced}"
    );
}

#[test]
fn without_proc_a_reader_that_never_reads_delays_no_run() {
    let Some(mut command) = unshared(WITHOUT_PROC, "", &["500", "prints 1048576", "fast"]) else { return };
    let clock = Instant::now();
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it is built");
    let text = io::read_to_string(child.stdout.take().expect("piped")).expect("the pipe is ours");
    let records: Vec<Value> = serde_json::from_str(text.lines().last().unwrap_or_default()).expect("records");
    assert_eq!((&records[0]["status"], &records[1]["result"]), (&"timeout".into(), &42.into()));
    child.kill().expect("it is ours");
    child.wait().expect("it is ours");
    assert!(clock.elapsed() < Duration::from_secs(30), "{:?}", clock.elapsed());
}

#[test]
fn where_other_users_processes_are_hidden_jobs_run_and_nothing_survives_them() {
    let script = "mount -t proc -o hidepid=2 none /proc && exec \"$0\" \"$@\"";
    let Some(mut command) = unshared(script, "processes 10000", &["600", "fast", &format!("leaves {}", new_tag())])
    else {
        return;
    };
    let output = command.output().expect("the fixture is built");
    assert_eq!(sweeps(&output), [json!({"kind": "clean"}), json!({"kind": "killed", "killed": 1})]);
    let records = records(&output);
    assert_eq!((&records[0]["result"], &records[1]["status"]), (&42.into(), &"timeout".into()));
}

#[test]
fn in_a_chroot_without_the_binary_a_job_never_starts_and_has_the_reason() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mode = format!("chroot {}", folder.path().display());
    for missing in ["`/dev/null` can't be opened".to_owned(), format!("`{APP}` can't be executed")] {
        let output = app(&mode, &["1000", "fast"]).output().expect("the fixture is built");
        if String::from_utf8_lossy(&output.stderr).contains("PermissionDenied") {
            skipped("this user may not change the root");
            return;
        }
        let records = records(&output);
        let error = records[0]["error"].as_str().unwrap_or_default();
        let reported = format!("never started: its process could not be made: {missing}: No such file or directory");
        assert!(error.starts_with(&reported), "{error}");
        // A plain file serves as well as the device, as nothing is written to it.
        fs::create_dir_all(folder.path().join("dev")).expect("the folder is ours");
        fs::write(folder.path().join("dev/null"), "").expect("the folder is ours");
    }
}

#[test]
fn on_a_kernel_without_pidfds_jobs_run_and_nothing_survives_them() {
    let tag = new_tag();
    let leaves = format!("leaves {tag}");
    let mut jobs = vec!["300", "fast", &leaves, "aborts"];
    jobs.extend(["fast"; 20]);
    let clock = Instant::now();
    let records = run("without pidfds", &jobs);
    assert_eq!(alive(&tag), [0; 0]);
    assert_eq!((&records[0]["result"], &records[1]["status"]), (&42.into(), &"timeout".into()));
    assert_eq!(records[2]["error"], "killed by signal 6 (SIGABRT)");
    assert!(records[3..].iter().all(|record| record["result"] == 42), "{records:?}");
    // Twenty waits of a second each, the limit for the exit of a warden, would take longer.
    assert!(clock.elapsed() < Duration::from_secs(15), "{:?}", clock.elapsed());
}

#[test]
fn with_too_few_descriptors_a_job_runs_or_has_the_reason() {
    // In three threads, as they mostly wait.
    let have_run = at_once(0..3, |first| {
        let numbers = (3..24).skip(first).step_by(3);
        numbers.map(runs_with_descriptors).collect::<Vec<_>>()
    });
    let [run, failed] = [true, false].map(|runs| have_run.iter().flatten().filter(|ran| **ran == runs).count());
    assert!(run > 3 && failed > 3, "{run} ran, {failed} failed");
}

/// Runs jobs with a limit of `number` descriptors. Returns whether the first job ran.
fn runs_with_descriptors(number: usize) -> bool {
    let tag = new_tag();
    let mode = format!("descriptors {number}");
    let output = app(&mode, &["500", "fast", &format!("leaves {tag}"), "fast"]).output();
    let records = records(&output.expect("the fixture is built"));
    assert_eq!(alive(&tag), [0; 0]);
    // A job that can't start a program panics.
    assert_valid(&records[..1], "never started: its process could not be made");
    assert_valid(&records[2..], "never started: its process could not be made");
    records[0]["status"] == "ok"
}

/// Runs sixty jobs, fifty at a time if there is room, and by every start method.
fn sixty_jobs(mode: &str) -> impl Iterator<Item = Output> {
    ["", "forks"].into_iter().map(move |method| {
        let mut jobs = vec!["60000"];
        jobs.extend(["fast"; 60]);
        let mut command = app(mode, &jobs);
        command.env("APP_CONCURRENCY", "50").env("APP_METHOD", method).output().expect("the fixture is built")
    })
}

#[track_caller]
fn assert_all_ran(output: &Output) {
    let records = records(output);
    assert_eq!(records.len(), 60);
    for record in records {
        assert_eq!(record["result"], 42, "{record:?}");
    }
}

#[test]
fn where_descriptors_run_out_fewer_jobs_run_at_a_time() {
    for output in sixty_jobs("descriptors 40") {
        assert_all_ran(&output);
    }
}

#[test]
fn where_processes_run_out_fewer_jobs_run_at_a_time() {
    for output in sixty_jobs("processes 14") {
        if String::from_utf8_lossy(&output.stderr).contains("PermissionDenied") {
            skipped("this user may not become another");
            return;
        }
        assert_all_ran(&output);
    }
}

#[test]
fn with_too_few_processes_a_job_runs_or_has_the_reason() {
    let mut command = app("processes 0", &["500", "fast", "fast"]);
    let output = command.output().expect("the fixture is built");
    if String::from_utf8_lossy(&output.stderr).contains("PermissionDenied") {
        skipped("this user may not become another");
        return;
    }
    let denied = records(&output);
    assert_valid(&denied, "never started: its process could not be made: Resource temporarily unavailable");
    assert_eq!(denied[0]["status"], "error");
    for number in 1..6 {
        assert_valid(
            &run(&format!("processes {number}"), &["500", "fast"]),
            "never started: its process could not be made",
        );
    }
}

/// Starts the application with a warden's marker and a socket on its standard input; returns whether it became a warden,
/// found the other end closed, and exited silently.
fn becomes_a_warden(program: &std::path::Path) -> bool {
    let (ours, wardens) = UnixStream::pair().expect("a socket pair");
    drop(ours);
    let mut command = Command::new(program);
    command.args(["1000", "fast"]).env("__SCHEDULER_CHILD", "warden").stdin(OwnedFd::from(wardens));
    let output = command.output().expect("it can be executed");
    output.status.success() && output.stdout.is_empty()
}

#[test]
fn a_program_with_more_rights_than_its_caller_becomes_no_warden() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let copy = copy_to(folder.path());
    assert!(becomes_a_warden(&copy), "without those rights it is one");
    let raised =
        chown(&copy, None, Some(65534)).and_then(|()| fs::set_permissions(&copy, fs::Permissions::from_mode(0o2755)));
    if let Err(error) = raised {
        skipped(format_args!("this user may not make such a program: {error}"));
        return;
    }
    assert!(!becomes_a_warden(&copy));
}

#[test]
fn an_application_with_other_rights_than_its_caller_runs_no_job() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let copy = copy_to(folder.path());
    if chown(&copy, Some(0), Some(0)).is_err() {
        skipped("only root can give a program other rights");
        return;
    }
    for (path, mode) in [(folder.path(), 0o755), (&copy, 0o4755)] {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("it is ours");
    }
    let set_user_id = || {
        let mut command = app_at(&copy, "", &["1000", "fast"]);
        command.uid(65534).gid(65534);
        command
    };
    let mut marked = set_user_id();
    marked.env("__SCHEDULER_CHILD", "warden");
    for mut command in [set_user_id(), marked, app("acts as another user", &["1000", "fast"])] {
        let output = command.output().expect("the copy can be executed");
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && error.contains("gains privileges when it starts"), "{error}");
        assert_eq!(String::from_utf8_lossy(&output.stdout), "ready\n");
    }
}

#[test]
fn many_runs_leak_nothing_in_the_application() {
    let list = ["5", "fast", "hangs", "aborts", "fast", "fast", "fast", "fast", "fast"];
    for (mode, jobs, rounds) in
        [("soaks", &list[..], quick_or_full("40", "300")), ("soaks in single runs", &["5"], "100")]
    {
        let output = app(mode, jobs).env("APP_ROUNDS", rounds).output().expect("the fixture is built");
        let text = String::from_utf8_lossy(&output.stdout);
        let held: Value = serde_json::from_str(text.lines().last().unwrap_or_default()).expect("two maps");
        for what in ["descriptors", "threads", "children"] {
            assert_eq!(held[0][what], held[1][what], "{mode}: {what}: {held}");
        }
        let [before, after] = [0, 1].map(|index| held[index]["pages"].as_u64().expect("a number"));
        assert!(after < before + 256, "{mode}: memory grew by more than a MiB: {held}");
    }
}
