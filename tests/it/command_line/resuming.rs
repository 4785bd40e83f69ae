//! Batches that are resumed from their job logs.

use std::fs::{self, File};
use std::io::{BufReader, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::thread;

use rustix::io::ioctl_fionread;
use serde_json::Value;

use super::batches::{DRAINED, batch, records};
use super::{images, joblog, press_ctrl_c, wait_for_line};
use crate::wait_until;

#[test]
fn a_batch_that_was_killed_is_resumed_where_it_was() {
    let folder = tempfile::tempdir().expect("there is room");
    let (calls, log) = (folder.path().join("calls.jsonl"), folder.path().join("joblog"));
    let add = |n| format!("{{\"job\": \"add\", \"args\": [{n}, 0], \"id\": \"same\"}}\n");
    // The fourth line waits until it is killed.
    let lines = [add(1), "\n".to_owned(), add(3), "{\"job\": \"waits\"}\n".to_owned(), add(5), add(6)];
    fs::write(&calls, lines.concat()).expect("the folder is ours");
    let [calls, log] = [&calls, &log].map(|path| path.to_str().expect("it is text"));
    let resumed = |arguments: &[&str]| images(&[&["batch", calls, "--joblog", log], arguments].concat());

    let mut child = resumed(&["--resume"]).spawn().expect("it is built");
    let mut stderr = BufReader::new(child.stderr.take().expect("it is piped"));
    wait_for_line(&mut stderr, "begun");
    // An observer may learn of a record when the next job has begun.
    wait_until("the third line is logged", || joblog(log.as_ref()).len() == 2);
    child.kill().expect("it is ours");
    child.wait().expect("it is ours");
    let ok = |number| (number, "0".to_owned());
    assert_eq!(joblog(log.as_ref()), [ok(1), ok(3)]);

    let lines = [add(1), "\n".to_owned(), add(3), "{\"job\": \"exits\", \"args\": [7]}\n".to_owned(), add(5), add(6)];
    fs::write(calls, lines.concat()).expect("the folder is ours");
    let output = resumed(&["--resume"]).output().expect("it is built");
    assert_eq!((output.status.code(), records(&output).len()), (Some(1), 3), "{output:?}");
    assert_eq!(joblog(log.as_ref()), [ok(1), ok(3), (4, "7".to_owned()), ok(5), ok(6)]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("3 jobs: 2 ok, 1 failed, 0 timed out, 2 run before"), "{stderr}");

    let output = resumed(&["--resume"]).output().expect("it is built");
    assert_eq!((output.status.code(), records(&output).len()), (Some(0), 0), "{output:?}");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("0 timed out, 5 run before (1 of them failed)"), "{stderr}");
    let output = resumed(&["--resume-failed"]).output().expect("it is built");
    assert_eq!((output.status.code(), records(&output).len()), (Some(1), 1), "{output:?}");
    let output = images(&["batch", calls, "--resume"]).output().expect("it is built");
    assert_eq!(output.status.code(), Some(125), "{output:?}");
}

/// As GNU parallel does it.
#[test]
fn a_job_that_a_stop_interrupts_is_not_in_the_job_log() {
    let folder = tempfile::tempdir().expect("there is room");
    let path = |name: &str| folder.path().join(name).to_str().expect("it is text").to_owned();
    let (calls, log, events) = (path("calls.jsonl"), path("joblog"), path("events"));
    let waits = r#"{"job": "waits"}"#;
    let retried = r#"{"job": "exits", "args": [3], "retries": 5, "backoff": "600s"}"#;
    let exits = r#"{"job": "exits", "args": [3]}"#;

    // One runs, one waits for its next attempt, and the third one ends the batch.
    let options = ["-j", "3", "--halt", "now,fail=1", "--joblog", &log, "--log", &events];
    let (mut child, mut stdin) = batch(&options);
    writeln!(stdin, "{waits}\n{retried}").expect("it reads");
    let mut stderr = BufReader::new(child.stderr.take().expect("it is piped"));
    wait_for_line(&mut stderr, "begun");
    wait_until("a job waits for its next attempt", || {
        fs::read_to_string(&events).is_ok_and(|events| events.contains("retry_in_sec"))
    });
    writeln!(stdin, "{exits}").expect("it reads");
    let mut printed = String::new();
    stderr.read_to_string(&mut printed).expect("it is text");
    let output = child.wait_with_output().expect("it is ours");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert_eq!(joblog(log.as_ref()), [(3, "3".to_owned())], "{printed}");
    assert!(printed.contains("1 job: 0 ok, 1 failed, 0 timed out, 2 interrupted"), "{printed}");
    let interrupted: Vec<_> = records(&output).iter().map(|record| record["interrupted"] == true).collect();
    assert_eq!(interrupted.iter().filter(|is| **is).count(), 2, "{output:?}");
    // Nor is it in the one that is made of its events.
    let again = super::output(&["report", &events, "--joblog", &path("again")]);
    assert!(again.status.success(), "{again:?}");
    assert_eq!(joblog(path("again").as_ref()).len(), 1);

    // They run again.
    fs::write(&calls, [r#"{"job": "add", "args": [1, 2]}"#; 3].join("\n")).expect("the folder is ours");
    let output = super::output(&["batch", &calls, "--resume", "--joblog", &log]);
    assert_eq!((output.status.code(), records(&output).len()), (Some(0), 2), "{output:?}");

    // Once: the one that runs fails, and has attempts left. Twice: it is asked to stop.
    let hangs = format!(r#"{{"job": "sleeps_until", "args": [{:?}], "timeout": "400ms", "retries": 5}}"#, path("none"));
    for (line, presses) in [(&*hangs, 1), (waits, 2)] {
        let (mut child, mut stdin) = batch(&["--joblog", &log]);
        writeln!(stdin, "{line}").expect("it reads");
        let mut stderr = BufReader::new(child.stderr.take().expect("it is piped"));
        wait_for_line(&mut stderr, "begun");
        for press in 1..=presses {
            press_ctrl_c(&child);
            if press == 1 {
                wait_for_line(&mut stderr, DRAINED);
            }
        }
        let mut printed = String::new();
        stderr.read_to_string(&mut printed).expect("it is text");
        let output = child.wait_with_output().expect("it is ours");
        assert_eq!(output.status.signal(), Some(libc::SIGINT), "{output:?}");
        assert_eq!(joblog(log.as_ref()), [], "{printed}");
        assert!(printed.contains("0 jobs: 0 ok, 0 failed, 0 timed out, 1 interrupted"), "{printed}");
    }
}

/// Returns the ids of the records in a text, of which the last one may be cut.
fn delivered(text: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(text);
    let records = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    records.map(|record| record["job_id"].as_str().expect("each has one").to_owned()).collect()
}

#[test]
fn a_job_whose_record_was_not_delivered_is_not_in_the_job_log() {
    let folder = tempfile::tempdir().expect("there is room");
    let path = |name: &str| folder.path().join(name).to_str().expect("it is text").to_owned();
    let (calls, log) = (path("calls"), path("joblog"));
    let add = r#"{"job": "add", "args": [1, 2]}"#;
    fs::write(&calls, [add; 40].join("\n")).expect("the folder is ours");

    // No record is ever written.
    let full = File::options().write(true).open("/dev/full").expect("Linux has it");
    let output = images(&["batch", &calls, "-j", "3", "--joblog", &log]).stdout(full).output().expect("it is built");
    assert_eq!((output.status.code(), joblog(log.as_ref())), (Some(125), Vec::new()), "{output:?}");

    // The log of all events is to have them as well.
    let output = super::output(&["batch", &calls, "-j", "3", "--joblog", &log, "--log", "/dev/full"]);
    assert_eq!((output.status.code(), joblog(log.as_ref())), (Some(125), Vec::new()), "{output:?}");

    // Each is printed, now or before.
    let output = super::output(&["batch", &calls, "--joblog", &log, "--resume"]);
    assert_eq!((output.status.code(), records(&output).len(), joblog(log.as_ref()).len()), (Some(0), 40, 40));
}

#[test]
fn a_batch_that_is_killed_while_its_reader_is_slow_has_delivered_what_is_in_its_job_log() {
    let folder = tempfile::tempdir().expect("there is room");
    let log = folder.path().join("joblog");
    let (mut child, mut stdin) = batch(&["--joblog", log.to_str().expect("it is text"), "--start-method", "auto"]);
    // Records of this length fill the pipe, as nobody reads.
    let name = "x".repeat(10_000);
    let feeder = thread::spawn(move || {
        let line = format!(r#"{{"job": "resize", "args": ["{name}", {{"width": 1, "height": 1}}]}}"#);
        // Until the batch is killed.
        while writeln!(stdin, "{line}").is_ok() {}
    });
    let mut stdout = child.stdout.take().expect("it is piped");
    let mut text = Vec::new();
    wait_until("a job is entered", || {
        let mut piece = vec![0; 1000];
        let length = stdout.read(&mut piece).expect("it is a pipe");
        text.extend(&piece[..length]);
        log.exists() && !joblog(&log).is_empty()
    });
    wait_until("the pipe is full", || ioctl_fionread(&stdout).is_ok_and(|bytes| bytes > 50_000));
    wait_until("the batch waits for its reader", || {
        let threads = fs::read_dir(format!("/proc/{}/task", child.id())).expect("it runs");
        let mut calls = threads.filter_map(|thread| fs::read_to_string(thread.ok()?.path().join("syscall")).ok());
        let write = format!("{} ", libc::SYS_write);
        calls.any(|call| call.starts_with(&write))
    });
    child.kill().expect("it is ours");
    child.wait().expect("it is ours");
    feeder.join().expect("it ends with the batch");
    stdout.read_to_end(&mut text).expect("it is a pipe");
    let (delivered, entered) = (delivered(&text), joblog(&log));
    assert!(!entered.is_empty() && entered.len() <= delivered.len(), "{} and {}", entered.len(), delivered.len());
    for (number, _) in entered {
        assert!(delivered.contains(&format!("images::resize:{number}")), "{number} is not in {delivered:?}");
    }
}

#[test]
fn a_call_whose_result_json_can_not_hold_has_failed() {
    let folder = tempfile::tempdir().expect("there is room");
    let path = |name: &str| folder.path().join(name).to_str().expect("it is text").to_owned();
    let (calls, log, events, again) = (path("calls"), path("joblog"), path("events"), path("again"));
    fs::write(&calls, r#"{"job": "unwritable"}"#).expect("the folder is ours");
    for option in ["--resume", "--resume-failed"] {
        let output = super::output(&["batch", &calls, "--joblog", &log, "--log", &events, option]);
        assert_eq!((output.status.code(), records(&output).len()), (Some(1), 1), "{output:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("1 job: 0 ok, 1 failed"), "{output:?}");
    }
    let unread = (1, "125".to_owned());
    assert_eq!(joblog(log.as_ref()), [unread.clone(), unread]);
    assert!(super::output(&["report", &events, "--joblog", &again]).status.success());
    assert!(joblog(again.as_ref()).iter().all(|(_, exit)| exit == "125"));
    let status = super::output(&["status", &events]);
    assert!(String::from_utf8_lossy(&status.stdout).contains("0 ok, 1 failed"), "{status:?}");
}

#[test]
fn a_batch_from_standard_input_does_not_empty_it() {
    let folder = tempfile::tempdir().expect("there is room");
    let calls = folder.path().join("calls");
    let name = calls.to_str().expect("it is text");
    let call = r#"{"job": "add", "args": [1, 2]}"#;
    fs::write(&calls, call).expect("the folder is ours");
    let opened = |append| File::options().read(true).append(append).open(&calls).expect("it is there");
    for (arguments, stdout) in [(&["batch", "-", "--log", name][..], false), (&["batch", name], true)] {
        let mut command = images(arguments);
        command.stdin(opened(false));
        if stdout {
            command.stdout(opened(true));
        }
        let output = command.output().expect("it is built");
        assert_eq!(output.status.code(), Some(125), "{output:?}");
        assert_eq!(fs::read_to_string(&calls).expect("it is there"), call, "{output:?}");
    }
}
