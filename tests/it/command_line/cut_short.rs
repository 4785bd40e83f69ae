//! Batches that are cut short: by a reader that doesn't read, a file that may not grow, or a kill; and what is made of their logs.

use std::fs::{self, File};
use std::io::{BufReader, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, Stdio};

use rustix::io::ioctl_fionread;
use serde_json::Value;

use super::batches::batch;
use super::{IMAGES, images, joblog, output, press_ctrl_c, wait_for_line};
use crate::wait_until;

const ADD: &str = r#"{"job": "add", "args": [1, 2]}"#;

/// Presses Ctrl-C this often. A signal that is not handled yet would be merged with the next one.
fn press(child: &Child, times: usize) {
    for _ in 0..times {
        press_ctrl_c(child);
        let status = format!("/proc/{}/status", child.id());
        wait_until("the signal is handled", || {
            let status = fs::read_to_string(&status).unwrap_or_default();
            let pending = status.lines().filter(|line| line.starts_with("SigPnd:") || line.starts_with("ShdPnd:"));
            pending
                .map(|line| line.split('\t').nth(1))
                .all(|mask| mask.is_some_and(|mask| mask.trim_matches('0').is_empty()))
        });
    }
}

#[test]
fn ctrl_c_ends_a_command_whose_output_nobody_reads() {
    let long = "x".repeat(300_000);
    let call = format!(r#"{{"job": "resize", "args": ["{long}", {{"width": 1, "height": 1}}]}}"#);
    let (mut child, mut stdin) = batch(&["-q"]);
    writeln!(stdin, "{call}").expect("it reads");
    let stdout = child.stdout.take().expect("it is piped");
    wait_until("the pipe is full", || ioctl_fionread(&stdout).is_ok_and(|bytes| bytes > 50_000));
    press(&child, 4);
    assert_eq!(child.wait().expect("it is ours").signal(), Some(libc::SIGINT));

    let argument = "x".repeat(100_000);
    let mut child = images(&["run", "resize", &format!("{argument:?}"), r#"{"width": 1, "height": 1}"#])
        .spawn()
        .expect("it is built");
    let stdout = child.stdout.take().expect("it is piped");
    wait_until("the pipe is full", || ioctl_fionread(&stdout).is_ok_and(|bytes| bytes > 50_000));
    press(&child, 3);
    assert_eq!(child.wait().expect("it is ours").signal(), Some(libc::SIGINT));
}

#[test]
fn a_report_that_may_not_grow_is_complete_as_far_as_it_got() {
    let folder = tempfile::tempdir().expect("there is room");
    let path = |name: &str| folder.path().join(name).to_str().expect("it is text").to_owned();
    let (calls, junit, trace) = (path("calls"), path("junit.xml"), path("trace.json"));
    fs::write(&calls, [ADD; 200].join("\n")).expect("the folder is ours");
    let mut command = Command::new("sh");
    // 16 blocks of 512 bytes.
    command.args(["-c", "ulimit -f 16 && exec \"$@\"", "sh", IMAGES, "batch", &calls, "-q"]);
    let output =
        command.args(["--junit", &junit, "--trace", &trace]).stdout(Stdio::piped()).output().expect("it is built");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), stderr.matches("File too large").count()), (Some(125), 2), "{stderr}");

    let trace = fs::read_to_string(&trace).expect("it is text");
    let events: Vec<Value> = serde_json::from_str(&trace).unwrap_or_else(|error| panic!("{error}: {trace}"));
    assert!(events.len() > 10, "{events:?}");
    let junit = fs::read_to_string(&junit).expect("it is text");
    let cases = junit.matches("<testcase ").count();
    assert!(cases > 2 && junit.ends_with("    </testsuite>\n</testsuites>\n"), "{junit}");
    assert!(junit.contains(&format!("tests=\"{cases}\"")), "{junit}");
}

#[test]
fn a_record_that_was_cut_takes_no_other_with_it() {
    let folder = tempfile::tempdir().expect("there is room");
    let (calls, records) = (folder.path().join("calls"), folder.path().join("records"));
    fs::write(&calls, ADD).expect("the folder is ours");
    let calls = calls.to_str().expect("it is text");
    for (before, expected) in [("", 1), ("{\"a\":1}\n", 2), ("{\"a\":1}\n{\"job_id\":\"cu", 3)] {
        fs::write(&records, before).expect("the folder is ours");
        let file = File::options().append(true).open(&records).expect("it is there");
        assert!(images(&["batch", calls, "-q"]).stdout(file).status().expect("it is built").success());
        let text = fs::read_to_string(&records).expect("it is text");
        assert!(text.starts_with(before) && text.lines().count() == expected, "{text}");
        let last: Value = serde_json::from_str(text.lines().last().expect("it has lines")).expect("it is whole");
        assert_eq!(last["result"], 3);
    }
}

#[test]
fn reports_of_a_log_have_each_job_of_a_resumed_batch_once() {
    let folder = tempfile::tempdir().expect("there is room");
    let path = |name: &str| folder.path().join(name).to_str().expect("it is text").to_owned();
    let (calls, log, entered) = (path("calls"), path("log"), path("joblog"));
    let exits = r#"{"job": "exits", "args": [7]}"#;
    let lines = |fourth| [ADD, exits, ADD, fourth, ADD, ADD].join("\n");
    fs::write(&calls, lines(r#"{"job": "waits", "id": "images::add:4"}"#)).expect("the folder is ours");
    let resumed = |option| images(&["batch", &calls, "--joblog", &entered, "--log", &log, option]);

    // Killed in the fourth job. The next batch runs what is left, and that of the second line again.
    let mut child = resumed("--resume").spawn().expect("it is built");
    let mut stderr = BufReader::new(child.stderr.take().expect("it is piped"));
    wait_for_line(&mut stderr, "begun");
    wait_until("three lines are logged", || joblog(entered.as_ref()).len() == 3);
    child.kill().expect("it is ours");
    child.wait().expect("it is ours");
    fs::write(&calls, lines(ADD).replace("exits", "prints").replace("[7]", "[\"x\"]")).expect("the folder is ours");
    let again = resumed("--resume-failed").output().expect("it is built");
    assert!(again.status.success(), "{again:?}");

    let (junit, trace, timeline, again) = (path("junit.xml"), path("trace"), path("timeline.html"), path("again"));
    let reports = ["--junit", &junit, "--trace", &trace, "--timeline", &timeline, "--joblog", &again];
    assert!(output(&[&["report", &log], &reports[..]].concat()).status.success());
    let junit = fs::read_to_string(&junit).expect("it is text");
    // That of the second line is another job the second time.
    assert!(junit.contains("tests=\"8\"") || junit.contains("tests=\"7\""), "{junit}");
    assert_eq!((junit.matches("images::add:1\"").count(), junit.matches("images::add:4\"").count()), (1, 1), "{junit}");
    let trace: Vec<Value> = serde_json::from_str(&fs::read_to_string(&trace).expect("it is text")).expect("it is JSON");
    let count = |phase: &str| trace.iter().filter(|event| event["ph"] == phase).count();
    assert_eq!(count("B"), count("E"), "{trace:#?}");
    assert!(fs::read_to_string(&timeline).expect("it is text").contains("\n[\"o\",0,"));
}

#[test]
fn a_file_that_is_no_log_is_not_added_to() {
    let folder = tempfile::tempdir().expect("there is room");
    let path = |name: &str| folder.path().join(name).to_str().expect("it is text").to_owned();
    let (calls, log, other) = (path("calls"), path("joblog"), path("other"));
    fs::write(&calls, ADD).expect("the folder is ours");
    fs::write(&other, "notes\n").expect("the folder is ours");
    let refused = output(&["batch", &calls, "--joblog", &log, "--log", &other, "--resume"]);
    let stderr = String::from_utf8_lossy(&refused.stderr);
    assert!(refused.status.code() == Some(125) && stderr.contains("line 1: not an event"), "{stderr}");
    assert_eq!(fs::read_to_string(&other).expect("it is text"), "notes\n");
    let run = output(&["batch", &calls, "--joblog", &log, "--log", &path("new"), "--resume"]);
    assert!(run.status.success(), "{run:?}");
}
