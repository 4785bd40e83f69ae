//! Output: what a job writes goes to its configured target with every start method, and no reader can delay a run.

use std::fs;
use std::io::Read;
use std::time::Duration;

use scheduler::{AnyJob, Failure, Output, Record, Scheduler, StandardStream, Status, jobs, run_job_with_timeout};
use scheduler_tests::jobs::{complains_and_exits, fast, overflows};
#[cfg(unix)]
use scheduler_tests::output::alternates;
#[cfg(target_os = "linux")]
use scheduler_tests::output::leaves_a_speaker;
use scheduler_tests::output::{counts, is_captured, speaks_and_hangs, writes_for_ever};
use scheduler_tests::platform::wine_is_in_the_way;
#[cfg(target_os = "linux")]
use scheduler_tests::process_state::inspects_its_process;
use serde_json::Value;

use crate::application::{app, methods, records, run};
use crate::{METHODS, PLENTY};

fn schedulers() -> impl Iterator<Item = Scheduler> {
    METHODS.into_iter().map(|method| Scheduler::new().timeout(PLENTY).start_method(method))
}

/// Returns what comes of a call whose streams are both captured, by every start method.
fn captured(call: impl Into<AnyJob>) -> impl Iterator<Item = Record> {
    let call = call.into().stdout(Output::Capture).stderr(Output::Capture);
    schedulers().map(move |scheduler| {
        let records = scheduler.run([("id".to_owned(), call.clone())]).expect("the input is fine");
        let [record] = <[Record; 1]>::try_from(records).expect("one job, one record");
        record
    })
}

#[cfg(unix)]
#[test]
fn both_streams_are_captured_separately_and_in_their_order() {
    for record in captured(alternates::job(3)) {
        assert_eq!(record.status(), Status::Ok, "{record:?}");
        assert_eq!(record.stdout().as_deref(), Some("out 0\nout 1\nout 2\n"));
        assert_eq!(record.stderr().as_deref(), Some("err 0\nerr 1\nerr 2\n"));
        let output = record.output().expect("it was captured");
        assert_eq!(output.to_string(), "out 0\nerr 0\nout 1\nerr 1\nout 2\nerr 2\n");
        assert_eq!(output.pieces().len(), 6);
    }
}

#[test]
fn a_single_job_has_its_output_too() {
    let run = run_job_with_timeout(is_captured::job(), PLENTY).expect("the input is fine");
    assert_eq!((run.stdout().as_deref(), run.stderr().as_deref()), (Some("out\n"), Some("err\n")));
    let run = run_job_with_timeout(counts::job(0).stderr(Output::Capture), PLENTY).expect("the input is fine");
    assert_eq!((run.stdout(), run.stderr().as_deref()), (None, Some("")));
    let run = run_job_with_timeout(fast::job(), PLENTY).expect("the input is fine");
    assert_eq!(run.output(), None);
}

#[test]
fn output_written_before_a_kill_is_kept() {
    for record in captured(AnyJob::from(speaks_and_hangs::job()).timeout(Duration::from_millis(300))) {
        assert_eq!(record.status(), Status::Timeout);
        assert_eq!((record.stdout().as_deref(), record.stderr().as_deref()), (Some("last word"), Some("last cry")));
        assert_eq!(record.stderr_tail(), "last cry");
    }
}

#[test]
fn of_output_over_the_limit_the_beginning_and_the_end_are_kept() {
    const LINES: usize = 200_000;
    let all = (0..LINES).fold(String::new(), |text, line| text + &format!("line {line}\n"));
    for scheduler in schedulers() {
        let (little, usual) =
            (counts::job(LINES).stdout(Output::CaptureUpTo(40)), counts::job(LINES).stdout(Output::Capture));
        let records = scheduler.run(jobs![("a", { little }), ("b", { usual })]).expect("the input is fine");
        for (record, kept) in records.iter().zip([40, 64 * 1024]) {
            let output = record.output().expect("it was captured");
            let bytes = output.bytes(StandardStream::Stdout).expect("it was captured");
            let (beginning, end) = bytes.split_at(kept / 2);
            assert!(bytes.len() == kept && all.as_bytes().starts_with(beginning) && all.as_bytes().ends_with(end));
            assert_eq!(output.left_out(StandardStream::Stdout), (all.len() - kept) as u64);
        }
        let text = records[0].stdout().expect("it was captured");
        assert!(text.starts_with("line 0\nline 1\n") && text.ends_with("\nline 199999\n"), "{text}");
        assert!(text.contains(&format!("\n[… {} bytes left out …]\n", all.len() - 40)), "{text}");
    }
}

#[test]
fn each_run_has_its_own_output() {
    for scheduler in schedulers() {
        let calls = (0..20).map(|lines| (lines.to_string(), counts::job(lines).stdout(Output::Capture)));
        let records = scheduler.concurrency(3).run(calls).expect("the input is fine");
        for (lines, record) in records.iter().enumerate() {
            let text = record.stdout().unwrap_or_else(|| panic!("{record:?}"));
            assert_eq!(text.lines().count(), lines, "{text}");
        }
    }
}

#[test]
fn the_last_output_explains_a_failure_wherever_the_parent_reads_it() {
    let is_wine = wine_is_in_the_way("a process whose stack overflows seems to exit with code 0");
    for output in [Output::Capture, Output::CaptureUpTo(1), Output::Lines] {
        for scheduler in schedulers() {
            let exits = complains_and_exits::job().stderr(output.clone());
            let records = scheduler.run(jobs![("a", { exits })]).expect("the input is fine");
            assert_eq!(records[0].stderr_tail(), "first line\nlast line: ü\n");
            if is_wine {
                continue;
            }
            let overflows = overflows::job().stderr(output.clone());
            let records = scheduler.run(jobs![("b", { overflows })]).expect("the input is fine");
            assert!(matches!(records[0].failure(), Some(Failure::StackOverflow { .. })), "{records:?}");
        }
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_process_that_holds_a_stream_open_delays_no_run() {
    for record in captured(leaves_a_speaker::job()) {
        let is_swept = matches!(
            record.sweep(),
            scheduler::Sweep::Killed { count: 1, .. } | scheduler::Sweep::Unproved { killed: 1, .. }
        );
        assert!(is_swept && record.status() == Status::Ok, "{record:?}");
        assert_eq!((record.stdout().as_deref(), record.stderr().as_deref()), (Some("out\n"), Some("err\n")));
    }
}

#[test]
fn a_file_is_created_or_appended_to() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("log");
    for scheduler in schedulers() {
        let to_file = |call: AnyJob| call.stdout(Output::Append(path.clone())).stderr(Output::Append(path.clone()));
        let list = [to_file(counts::job(2).into()), to_file(complains_and_exits::job().into())];
        let records = scheduler.run(list.map(|call| ("id", call))).expect("the input is fine");
        assert_eq!((records[0].status(), records[1].stderr_tail()), (Status::Ok, ""), "{records:?}");
    }
    let once = "line 0\nline 1\nfirst line\nlast line: ü\n";
    assert_eq!(fs::read_to_string(path).expect("it was made"), once.repeat(METHODS.len()));
}

#[test]
fn a_file_that_can_not_be_written_to_is_named() {
    for scheduler in schedulers() {
        let call = fast::job().stderr(Output::Append("/no/such/folder/log".into()));
        let records = scheduler.run(jobs![("a", { call })]).expect("the input is fine");
        let error = records[0].error().expect("it has no file");
        let expected = "never started: its standard error can't be written to `/no/such/folder/log`: ";
        assert!(error.starts_with(expected), "{error}");
    }
}

#[test]
fn only_captured_output_is_serialized() {
    let records = Scheduler::new().run(jobs![("a", is_captured), ("b", fast)]).expect("the input is fine");
    let json = serde_json::to_value(&records[0]).expect("it can be written");
    assert!(json["result"].is_null() && json["stdout"] == "out\n" && json["stderr"] == "err\n", "{json}");
    let json = serde_json::to_value(&records[1]).expect("it can be written");
    assert!(json.get("stdout").is_none() && json.get("stderr").is_none(), "{json}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_job_with_captured_output_has_no_additional_descriptor() {
    let count = |record: &Record| {
        let found: scheduler_tests::process_state::ProcessState = record.result().expect("it returned");
        (found.descriptors.len(), found.descriptors_of_children.len())
    };
    for scheduler in schedulers() {
        let call = inspects_its_process::job().stdout(Output::Capture).stderr(Output::Capture);
        let records = scheduler.run(jobs![("a", inspects_its_process), ("b", { call })]).expect("the input is fine");
        assert_eq!(count(&records[0]), count(&records[1]));
    }
}

#[test]
fn a_job_that_writes_forever_is_killed() {
    for scheduler in schedulers() {
        let list = jobs![("a", { writes_for_ever::job().stdout(Output::Capture) }), ("b", fast)];
        let records = scheduler.timeout(Duration::from_millis(100)).run(list).expect("the input is fine");
        assert_eq!((records[0].status(), records[1].result::<i32>().ok()), (Status::Timeout, Some(42)));
        assert!(records[0].stdout().is_some_and(|text| text.starts_with("out\nout\n")));
    }
}

#[test]
fn capturing_up_to_zero_bytes_is_refused() {
    let call = fast::job().stdout(Output::CaptureUpTo(0));
    let error = Scheduler::new().run(jobs![("a", { call })]).expect_err("it makes no sense");
    assert!(error.is_invalid_setting() && error.to_string().ends_with("write `Output::Discard` instead"), "{error}");
}

/// Returns the values of `APP_MODE` and `APP_METHOD` for each way to start jobs.
fn ways() -> impl Iterator<Item = (&'static str, &'static str)> {
    methods().map(|method| ("", method)).chain([("threaded", "")])
}

#[test]
fn streams_lead_to_their_targets_with_every_start_method() {
    for (mode, method) in ways() {
        let mut command = app(mode, &["60000", "is_captured", "is_discarded", "writes_lines"]);
        let output = command.env("APP_METHOD", method).output().expect("the fixture is built");
        let records = records(&output);
        assert_eq!((&records[0]["stdout"], &records[0]["stderr"]), (&"out\n".into(), &"err\n".into()), "{records:?}");
        assert!(records.iter().all(|record| record["status"] == "ok"), "{records:?}");
        let stdout = String::from_utf8_lossy(&output.stdout);
        let printed: Vec<_> = stdout.lines().filter(|line| !line.starts_with(['[', 'r'])).collect();
        assert_eq!(printed, ["writes_lines| one", "writes_lines| ", "writes_lines| three"], "{mode}{method}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "writes_lines| err\n", "{mode}{method}");
    }
}

#[test]
fn lines_of_jobs_that_run_at_a_time_stay_whole() {
    let mut command =
        app("", &["60000", "writes_many_lines 20000", "writes_many_lines 19999", "writes_many_lines 19998"]);
    let output = command.env("APP_CONCURRENCY", "3").output().expect("the fixture is built");
    assert!(records(&output).iter().all(|record| record["status"] == "ok"));
    assert_lines_are_whole(&String::from_utf8_lossy(&output.stderr));
}

/// A terminal takes a part of what it is given.
#[cfg(target_os = "linux")]
#[test]
fn lines_stay_whole_if_they_are_read_in_parts() {
    let (mut reader, writer) = terminal();
    let mut command =
        app("", &["60000", "writes_many_lines 20000", "writes_many_lines 19999", "writes_many_lines 19998"]);
    let command = command.env("APP_CONCURRENCY", "3").stderr(writer).stdout(std::process::Stdio::null());
    let mut child = command.spawn().expect("the fixture is built");
    // It keeps its target.
    command.stderr(std::process::Stdio::null());
    let mut text = Vec::new();
    // A closed terminal is reported as an error.
    let _ = reader.read_to_end(&mut text);
    assert!(child.wait().expect("it is ours").success());
    assert_lines_are_whole(&String::from_utf8_lossy(&text));
}

/// Returns the two ends of a terminal in raw mode.
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "a terminal has no safe API")]
fn terminal() -> (fs::File, std::os::fd::OwnedFd) {
    use std::os::fd::FromRawFd;
    let (mut reader, mut writer) = (-1, -1);
    // SAFETY: All-zero is a valid `termios`, and the pointers are to variables of ours.
    unsafe {
        let mut settings = std::mem::zeroed();
        libc::cfmakeraw(&raw mut settings);
        let none = std::ptr::null_mut();
        let opened = libc::openpty(&raw mut reader, &raw mut writer, none, &raw const settings, std::ptr::null());
        assert_eq!(opened, 0, "a terminal can be had");
        // What other tests start meanwhile is not to hold it open.
        assert_eq!(libc::fcntl(reader, libc::F_SETFD, libc::FD_CLOEXEC), 0);
        assert_eq!(libc::fcntl(writer, libc::F_SETFD, libc::FD_CLOEXEC), 0);
        (fs::File::from_raw_fd(reader), std::os::fd::OwnedFd::from_raw_fd(writer))
    }
}

fn assert_lines_are_whole(text: &str) {
    assert_eq!(text.lines().count(), 59_997);
    for line in text.lines() {
        let (id, written) = line.split_once("| ").unwrap_or_else(|| panic!("{line}"));
        assert!(id.starts_with("writes_many_lines 1") || id == "writes_many_lines 20000", "{line}");
        assert!(written.len() == 99 && written.bytes().all(|byte| byte == b'x'), "{line}");
    }
}

#[test]
fn a_reader_that_never_reads_lines_delays_no_run() {
    let mut child = app("", &["500", "writes_many_lines 100000", "fast"]).spawn().expect("the fixture is built");
    // Standard error is open and full, and stays so.
    let mut text = Vec::new();
    child.stdout.take().expect("piped").read_to_end(&mut text).expect("the pipe is ours");
    let text = String::from_utf8_lossy(&text);
    let records: Vec<Value> = serde_json::from_str(text.lines().last().unwrap_or_default()).expect("records");
    assert_eq!((&records[0]["status"], &records[1]["result"]), (&"timeout".into(), &42.into()));
    assert!(child.wait().expect("it is ours").success());
}

#[test]
fn lines_are_passed_on_while_the_job_runs() {
    let records = run("", &["300", "writes_for_ever"]);
    assert_eq!(records[0]["status"], "timeout");
    assert!(records[0]["stderr"].as_str().is_some_and(|text| text.starts_with("err\n")), "{records:?}");
}
