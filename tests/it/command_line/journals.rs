//! `status` and `report` of a journal.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use std::{fs, thread};

use scheduler::journal::Journal;
use scheduler::report::{Joblog, Junit};
use scheduler::{Scheduler, job, jobs};
use scheduler_tests::jobs::{fast, hangs};
use serde_json::Value;

use super::{joblog as joblog_of, output};
use crate::wait_until;

/// Runs the application with a journal in this folder until it dies at that moment.
fn dies(folder: &Path, moment: &str) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_journaled"));
    let died = command.arg(folder).env("APP_MODE", "relaxed").env("APP_DIES", moment).output();
    assert!(!died.expect("it is built").status.success());
}

fn status(journal: &Path) -> (String, Value) {
    let path = journal.to_str().expect("temporary folders have plain names");
    let text = output(&["status", path]);
    assert!(text.status.success(), "{text:?}");
    let json = serde_json::from_slice(&output(&["status", "--json", path]).stdout).expect("it is JSON");
    (String::from_utf8(text.stdout).expect("it is text"), json)
}

#[test]
fn the_status_of_a_journal_has_what_is_finished_and_owed() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    dies(folder.path(), "in the follow-up");
    let (text, json) = status(&folder.path().join("run.journal"));
    // Beside the follow-up job, the function of `on_timeout`.
    let counts = ["ok", "failed", "timed_out", "waiting", "owed", "is_running"].map(|name| &json[name]);
    let expected = [2.into(), 0.into(), 1.into(), 2.into(), 2.into(), Value::from(false)];
    assert_eq!(counts, expected.each_ref(), "{json}");
    let line = text.lines().nth(1).expect("there are two");
    assert_eq!(line, "2 ok, 0 failed, 1 timed out, 2 waiting, 2 follow-ups owed");
    assert!(text.contains("has exited; its last event was "), "{text}");
}

#[job]
fn waits_for(path: PathBuf) {
    wait_until("the file is there", || path.exists());
}

#[test]
fn the_status_of_a_journal_in_use_has_what_runs() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (path, file) = (folder.path().join("run.journal"), folder.path().join("file"));
    let journal = Journal::open(&path).expect("it is new");
    let list = jobs![("a", fast), ("b", waits_for(file.clone())), ("c", fast)];
    let run = thread::spawn(move || Scheduler::new().journal(journal).run(list).expect("nothing fails"));
    let runs = || {
        let shown = output(&["status", "--json", path.to_str().expect("temporary folders have plain names")]);
        String::from_utf8_lossy(&shown.stdout).contains("\"job_id\": \"b\"")
    };
    wait_until("the second job runs", || path.exists() && runs());
    let (text, json) = status(&path);
    fs::write(file, "").expect("the folder is ours");
    run.join().expect("it doesn't panic");
    assert_eq!((&json["is_running"], &json["process"]), (&true.into(), &std::process::id().into()), "{json}");
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines[1], "1 ok, 0 failed, 0 timed out, 1 running, 1 waiting", "{text}");
    assert!(lines[2].contains("  b  ") && lines[2].ends_with("waits_for, slot 1"), "{text}");
}

#[job]
fn gives() -> u32 {
    1
}

#[job]
fn refuses(n: u32) -> Result<u32, String> {
    Err(format!("not {n}"))
}

#[test]
fn a_chain_is_one_job_in_the_reports_of_a_journal_as_in_those_of_its_run() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = |name: &str| folder.path().join(name).to_str().expect("temporary folders have plain names").to_owned();
    let read = |name: &str| fs::read_to_string(path(name)).expect("it was written");
    let failing = || gives::job().and_then(refuses::job);
    let late = || hangs::job().timeout(Duration::from_millis(100));
    let list = || {
        jobs![
            ("first", fast),
            ("value", { failing().or_else(3) }),
            ("same", { failing().or_else(gives::job()) }),
            ("same", { failing() }),
            ("same", { gives::job().and_then(|_| gives::job().retries(1)) }),
            ("hung", { late() }),
        ]
    };
    // The second time, all of them come back.
    for _ in 0..2 {
        let journal = Journal::open(path("run.journal")).expect("nothing else uses it");
        let joblog = Joblog::create(path("live")).expect("the folder is ours");
        let junit = Junit::create(path("live.xml")).expect("the folder is ours");
        let scheduler = Scheduler::new().journal(journal).observer(joblog).observer(junit);
        scheduler.run(list()).expect("nothing stops it");
        let made = output(&["report", &path("run.journal"), "--joblog", &path("read"), "--junit", &path("read.xml")]);
        assert!(made.status.success(), "{made:?}");
        let numbered = |name: &str| joblog_of(Path::new(&path(name)));
        assert_eq!(numbered("read"), numbered("live"));
        let cases = |name: &str| read(name).matches("<testcase").count();
        let failures = |name: &str| read(name).matches("<failure").count();
        assert_eq!((cases("read.xml"), failures("read.xml")), (6, failures("live.xml")), "{}", read("read.xml"));
        let (text, _) = status(Path::new(&path("run.journal")));
        assert_eq!(text.lines().nth(1), Some("4 ok, 1 failed, 1 timed out"), "{text}");
    }
}

#[test]
fn every_report_can_be_made_of_a_journal() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    dies(folder.path(), "at its end");
    let path = |name: &str| folder.path().join(name).to_str().expect("temporary folders have plain names").to_owned();
    let made = output(&[
        "report",
        &path("run.journal"),
        "--joblog",
        &path("joblog"),
        "--junit",
        &path("junit.xml"),
        "--timeline",
        &path("timeline.html"),
        "--trace",
        &path("trace.json"),
    ]);
    assert!(made.status.success(), "{made:?}");
    let read = |name: &str| fs::read_to_string(path(name)).expect("it was written");
    // A heading and five jobs: neither a part of a chain nor a follow-up is a job of the list.
    assert_eq!(read("joblog").lines().count(), 6, "{}", read("joblog"));
    for name in ["junit.xml", "timeline.html", "trace.json"] {
        let text = read(name);
        for expected in ["returns", "hangs", "chained", "analyses"] {
            assert!(text.contains(expected), "{name}: {expected}");
        }
    }
    assert!(read("junit.xml").contains("stopped at its timeout of 150ms"), "{}", read("junit.xml"));
    serde_json::from_str::<Value>(&read("trace.json")).expect("it is JSON");
    // What is no journal.
    let other = fs::read(path("run.journal")).expect("it is there");
    fs::write(path("other"), [&other[..68], b"none", &other[72..]].concat()).expect("the folder is ours");
    let refused = output(&["status", &path("other")]);
    let message = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(refused.status.code() == Some(125) && message.contains("is a database, and not a journal"), "{refused:?}");
}
