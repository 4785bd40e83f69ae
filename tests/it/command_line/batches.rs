//! `batch`, and what `report` and `status` make of its log.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Output, Stdio};
use std::thread;

use scheduler_tests::profile::quick_or_full;
use serde_json::Value;

use super::{images, joblog, output, press_ctrl_c, wait_for_line};
use crate::wait_until;

/// What is printed after the first Ctrl-C.
pub(super) const DRAINED: &str = "interrupted: no more jobs start, and those that run may finish; Ctrl-C stops them";

/// Starts a batch of the calls that are written to it.
pub(super) fn batch(arguments: &[&str]) -> (Child, ChildStdin) {
    let mut command = images(&["batch", "-"]);
    let mut child = command.args(arguments).stdin(Stdio::piped()).spawn().expect("it is built");
    let stdin = child.stdin.take().expect("it is piped");
    (child, stdin)
}

/// Runs a batch of these lines.
pub(super) fn run_batch(arguments: &[&str], lines: &[&str]) -> Output {
    let (child, mut stdin) = batch(arguments);
    // A batch that has stopped reads no more.
    let _ = stdin.write_all(lines.join("\n").as_bytes());
    drop(stdin);
    child.wait_with_output().expect("it is ours")
}

pub(super) fn records(output: &Output) -> Vec<Value> {
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

#[test]
fn ctrl_c_stops_a_batch_that_waits_for_its_input() {
    let (mut child, mut stdin) = batch(&["-j", "2"]);
    writeln!(stdin, r#"{{"job": "waits", "id": "a"}}"#).expect("it reads");
    writeln!(stdin, r#"{{"job": "waits", "id": "b"}}"#).expect("it reads");
    let mut stderr = BufReader::new(child.stderr.take().expect("it is piped"));
    wait_for_line(&mut stderr, "begun");
    press_ctrl_c(&child);
    wait_for_line(&mut stderr, DRAINED);
    press_ctrl_c(&child);
    let mut rest = String::new();
    stderr.read_to_string(&mut rest).expect("it is text");
    let output = child.wait_with_output().expect("it is ours");
    assert_eq!(output.status.signal(), Some(libc::SIGINT), "{output:?}");
    assert!(rest.contains("asked to stop") && rest.contains("1 not run"), "{rest}");
    let records = records(&output);
    assert_eq!((records.len(), &records[0]["error"]), (1, &Value::from("cancelled while it ran")), "{records:?}");
    drop(stdin);
}

#[test]
fn ctrl_c_lets_the_jobs_of_a_batch_finish() {
    let folder = tempfile::tempdir().expect("there is room");
    let go = folder.path().join("go");
    let (mut child, mut stdin) = batch(&[]);
    for _ in 0..2 {
        writeln!(stdin, r#"{{"job": "sleeps_until", "args": [{go:?}]}}"#).expect("it reads");
    }
    let mut stderr = BufReader::new(child.stderr.take().expect("it is piped"));
    wait_for_line(&mut stderr, "begun");
    press_ctrl_c(&child);
    wait_for_line(&mut stderr, DRAINED);
    fs::write(&go, "").expect("the folder is ours");
    let output = child.wait_with_output().expect("it is ours");
    assert_eq!(output.status.signal(), Some(libc::SIGINT), "{output:?}");
    let records = records(&output);
    assert_eq!((records.len(), &records[0]["status"]), (1, &Value::from("ok")), "{records:?}");
    drop(stdin);
}

#[test]
fn calls_before_a_line_that_is_none_are_run_and_none_after_it() {
    let add = r#"{"job": "add", "args": [1, 2]}"#;
    for bad in ["{", r#"{"job": "ad"}"#, r#"{"job": "add", "args": [1, 2], "group": "unlimited"}"#] {
        let output = run_batch(&[], &[add, add, bad, add]);
        assert_eq!((output.status.code(), records(&output).len()), (Some(125), 2), "{bad}: {output:?}");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(stderr.contains("standard input:3"), "{stderr}");
    }
}

#[test]
fn another_terminal_shows_what_a_batch_runs() {
    let folder = tempfile::tempdir().expect("there is room");
    let log = folder.path().join("log.jsonl");
    let log = log.to_str().expect("it is text");
    let (mut child, mut stdin) = batch(&["--log", log, "-j", "2"]);
    writeln!(stdin, r#"{{"job": "add", "args": [1, 2]}}"#).expect("it reads");
    writeln!(stdin, r#"{{"job": "waits", "id": "a\u001bb", "slow": "1ms"}}"#).expect("it reads");
    writeln!(stdin, r#"{{"job": "waits", "id": "later"}}"#).expect("it reads");
    let mut stderr = BufReader::new(child.stderr.take().expect("it is piped"));
    wait_for_line(&mut stderr, "begun");
    let status = || {
        let text = output(&["status", log]);
        let json = output(&["status", log, "--json"]);
        assert!(text.status.success() && json.status.success(), "{text:?} {json:?}");
        let json: Value = serde_json::from_slice(&json.stdout).expect("it is JSON");
        (String::from_utf8_lossy(&text.stdout).into_owned(), json)
    };
    wait_until("all lines are read", || {
        let now = status().1;
        now["waiting"] == 1 && now["ok"] == 1 && now["running"][0]["is_slow"] == true
    });
    let (text, json) = status();
    assert!(json["running"][0]["is_slow"] == true, "{json}");
    assert!(text.contains(&format!("(process {}) runs, since 0:0", child.id())), "{text}");
    assert!(text.contains("1 ok, 0 failed, 0 timed out, 1 running, 1 waiting\n"), "{text}");
    assert!(text.contains(r"  a\u{1b}b  slow  images::waits, slot "), "{text}");
    assert_eq!((&json["is_running"], &json["running"][0]["job_id"]), (&true.into(), &"a\u{1b}b".into()), "{json}");
    child.kill().expect("it is ours");
    child.wait().expect("it is ours");
    let (text, json) = status();
    assert!(text.contains("has exited") && text.contains("1 not finished"), "{text}");
    assert_eq!(json["is_running"], false, "{json}");
    let none = output(&["status", "/dev/null"]);
    assert_eq!(none.status.code(), Some(125), "{none:?}");
    drop(stdin);
}

#[test]
fn a_batch_ends_when_its_reader_has_enough() {
    let (mut child, mut stdin) = batch(&[]);
    let mut stdout = BufReader::new(child.stdout.take().expect("it is piped"));
    writeln!(stdin, r#"{{"job": "add", "args": [1, 2]}}"#).expect("it reads");
    let mut first = String::new();
    stdout.read_line(&mut first).expect("it is text");
    assert!(first.contains(r#""result":3"#), "{first}");
    drop(stdout);
    // It reads until a record can't be written.
    while writeln!(stdin, r#"{{"job": "add", "args": [1, 2]}}"#).is_ok() {}
    let output = child.wait_with_output().expect("it is ours");
    assert_eq!(output.status.signal(), Some(libc::SIGPIPE), "{output:?}");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

#[test]
fn a_record_is_printed_before_the_next_line_is_there() {
    let (mut child, mut stdin) = batch(&["-j", "4"]);
    let mut stdout = BufReader::new(child.stdout.take().expect("it is piped"));
    for n in 0..3 {
        writeln!(stdin, r#"{{"job": "add", "args": [{n}, 0]}}"#).expect("it reads");
        let mut line = String::new();
        stdout.read_line(&mut line).expect("it is text");
        assert!(line.contains(&format!(r#""result":{n},"#)), "{line}");
    }
    drop(stdin);
    assert!(child.wait().expect("it is ours").success());
}

#[test]
fn records_of_a_batch_come_in_the_order_of_its_lines_unless_jobs_run_beside_each_other() {
    let lines: Vec<_> = (0..20).map(|n| format!(r#"{{"job": "add", "args": [{n}, 1], "id": {n}}}"#)).collect();
    let lines: Vec<_> = lines.iter().map(String::as_str).collect();
    let one_by_one = records(&run_batch(&[], &lines));
    let results: Vec<_> = one_by_one.iter().map(|record| record["result"].as_u64()).collect();
    assert_eq!(results, (1..=20).map(Some).collect::<Vec<_>>());
    let beside = run_batch(&["-j", "4"], &lines);
    let mut ids: Vec<_> = records(&beside).iter().map(|record| record["job_id"].as_str().map(str::to_owned)).collect();
    ids.sort();
    let mut expected: Vec<_> = (0..20).map(|n| Some(n.to_string())).collect();
    expected.sort();
    assert_eq!(ids, expected);
    assert!(String::from_utf8_lossy(&beside.stderr).contains("20 jobs: 20 ok, 0 failed, 0 timed out"));
}

#[test]
fn what_jobs_of_a_batch_print_goes_to_standard_error() {
    let output = run_batch(&["-q"], &[r#"{"job": "prints", "args": ["a"]}"#]);
    assert_eq!(records(&output).len(), 1);
    let stderr = String::from_utf8_lossy(&output.stderr);
    let mut lines: Vec<_> = stderr.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["to standard error: a", "to standard output: a"]);
}

#[test]
fn a_batch_halts_as_it_is_asked_to() {
    let add = r#"{"job": "add", "args": [1, 2]}"#;
    let exit = r#"{"job": "exits", "args": [3]}"#;
    let lines = [add, exit, add, add, add];
    for (halt, expected, status) in
        [("now,fail=1", 2, 1), ("soon,fail=1", 2, 1), ("soon,success=1", 1, 0), ("now,done=3", 3, 1)]
    {
        let output = run_batch(&["-j", "1", "--halt", halt], &lines);
        // Nothing begins after that job.
        assert_eq!((output.status.code(), records(&output).len()), (Some(status), expected), "{halt}: {output:?}");
    }
    let output = run_batch(&["--halt", "now,fail=2"], &lines);
    assert_eq!((output.status.code(), records(&output).len()), (Some(1), 5));
}

#[test]
fn groups_of_a_batch_have_limits() {
    let lines = [r#"{"job": "add", "args": [1, 2], "group": "db"}"#];
    let output = run_batch(&["--limit-group", "db=2"], &lines);
    assert!(output.status.success(), "{output:?}");
    let output = run_batch(&[], &lines);
    assert_eq!(output.status.code(), Some(125));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("standard input:1") && stderr.contains("group `db` has no limit"), "{stderr}");
}

#[test]
fn no_file_is_emptied_by_a_command_that_can_not_be_carried_out() {
    let folder = tempfile::tempdir().expect("there is room");
    let path = |name: &str| folder.path().join(name).to_str().expect("it is text").to_owned();
    let (calls, kept, other, new) = (path("calls"), path("kept"), path("other"), path("new"));
    fs::write(&calls, r#"{"job": "add", "args": [1, 2]}"#).expect("the folder is ours");
    let here = path("");
    let below_a_file = path("calls/log");
    for arguments in [
        &["batch", &calls, "--junit", &kept, "--log", &here][..],
        &["batch", &calls, "--joblog", &kept, "--trace", &here],
        &["batch", &calls, "--timeline", &kept, "--junit", &new, "--trace", &below_a_file],
        &["report", &path("none"), "--junit", &kept],
        &["report", &other, "--junit", &kept, "--trace", &new],
        &["report", "/dev/null", "--junit", &kept],
    ] {
        fs::write(&kept, "kept").expect("the folder is ours");
        fs::write(&other, "Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\tCommand\n")
            .expect("the folder is ours");
        let output = output(arguments);
        assert_eq!(output.status.code(), Some(125), "{arguments:?}: {output:?}");
        assert_eq!(fs::read_to_string(&kept).expect("it is there"), "kept", "{arguments:?}: {output:?}");
        assert!(!Path::new(&new).exists(), "{arguments:?}: {output:?}");
    }
}

#[test]
fn follow_ups_of_a_batch_run_and_count_as_no_line_of_it() {
    let folder = tempfile::tempdir().expect("there is room");
    let path = |name: &str| folder.path().join(name).to_str().expect("it is text").to_owned();
    let (joblog_path, log) = (path("joblog"), path("log"));
    let hang = r#"{"job": "hang", "timeout": "20ms", "follow_up": "explains"}"#;
    let add = r#"{"job": "add", "args": [1, 2]}"#;
    let output = run_batch(&["--joblog", &joblog_path, "--log", &log, "--progress"], &[hang, add, hang]);
    let records = records(&output);
    assert_eq!((output.status.code(), records.len()), (Some(1), 3), "{output:?}");
    let result = records[0]["follow_ups"][0]["result"].as_str().unwrap_or_default();
    assert!(result.ends_with("::hang:1 ended by Timeout"), "{records:?}");
    let numbers = joblog(joblog_path.as_ref());
    assert_eq!(numbers, [(1, "124".to_owned()), (2, "0".to_owned()), (3, "124".to_owned())]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    // One summary.
    assert!(!stderr.contains("3 jobs in") && stderr.contains("3 jobs: 1 ok, 0 failed, 2 timed out"), "{stderr}");
    let status = self::output(&["status", &log]);
    let status = String::from_utf8_lossy(&status.stdout).into_owned();
    assert!(status.contains("1 ok, 0 failed, 2 timed out"), "{status}");

    let all = run_batch(&["--follow-up", "explains", "--follow-up-on", "exit"], &[r#"{"job": "exits", "args": [3]}"#]);
    let records = self::records(&all);
    assert_eq!(records[0]["follow_ups"].as_array().map(Vec::len), Some(1), "{records:?}");
}

#[test]
fn reports_are_written_while_a_batch_runs_and_from_its_log() {
    let folder = tempfile::tempdir().expect("there is room");
    let path = |name: &str| folder.path().join(name).to_str().expect("it is text").to_owned();
    let options = |suffix: &str| {
        let kinds = [("--joblog", "log"), ("--junit", "xml"), ("--timeline", "html"), ("--trace", "json")];
        kinds.map(|(option, name)| [option.to_owned(), path(&format!("{name}{suffix}"))]).concat()
    };
    let live = [options(""), vec!["--log".to_owned(), path("events"), "--progress".to_owned()]].concat();
    let live: Vec<_> = live.iter().map(String::as_str).collect();
    let lines = [r#"{"job": "add", "args": [1, 2], "id": "a & b"}"#, r#"{"job": "exits", "args": [3]}"#];
    let output = run_batch(&live, &lines);
    assert_eq!((output.status.code(), records(&output).len()), (Some(1), 2), "{output:?}");

    let again = [vec!["report".to_owned(), path("events")], options(".again")].concat();
    let output = images(&again.iter().map(String::as_str).collect::<Vec<_>>()).output().expect("it is built");
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    for (name, expected) in [("log", "a & b"), ("xml", "a &amp; b"), ("html", "<html"), ("json", "\"ph\"")] {
        let [live, again] = ["", ".again"].map(|suffix| fs::read_to_string(path(&format!("{name}{suffix}"))));
        let (live, again) = (live.expect("it is written"), again.expect("it is written"));
        assert!(live.contains(expected) && again.contains(expected), "{name}: {live} {again}");
        assert!(live.len().abs_diff(again.len()) < live.len() / 4, "{name}: {} and {}", live.len(), again.len());
    }
    // A program on Windows has written a mark at its beginning.
    fs::write(path("marked"), format!("\u{feff}{}", fs::read_to_string(path("events")).expect("it is there")))
        .expect("the folder is ours");
    let output = output_of_report(&path("marked"));
    assert!(output.status.success(), "{output:?}");
    let output = output_of_report(&path("none"));
    assert_eq!(output.status.code(), Some(125), "{output:?}");
}

fn output_of_report(log: &str) -> Output {
    let folder = tempfile::tempdir().expect("there is room");
    output(&["report", log, "--trace", folder.path().join("trace").to_str().expect("it is text")])
}

/// Returns the most memory that a process has had, in KiB.
fn peak_memory(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("Linux reports it");
    line.trim_end_matches("kB").trim().parse().expect("it is a number")
}

/// A list of any length takes the memory of a few lines.
#[test]
fn a_batch_of_many_lines_takes_no_more_memory_than_one_of_few() {
    // Far more than the lines that are read ahead. BENCHMARKS.md has a million.
    let few = quick_or_full(400, 1_000);
    let many = quick_or_full(1_200, 6_000);
    let (mut child, mut stdin) = batch(&["-j", "2", "-q", "--start-method", "auto"]);
    let mut stdout = BufReader::new(child.stdout.take().expect("it is piped"));
    let feeder = thread::spawn(move || {
        for n in 0..many {
            writeln!(stdin, r#"{{"job": "add", "args": [{n}, 1]}}"#).expect("it reads");
        }
        stdin
    });
    let mut peaks = [0, 0];
    let mut line = String::new();
    for n in 1..=many {
        line.clear();
        stdout.read_line(&mut line).expect("it is text");
        if n == few {
            peaks[0] = peak_memory(child.id());
        }
    }
    peaks[1] = peak_memory(child.id());
    drop(feeder.join().expect("it writes"));
    assert!(child.wait().expect("it is ours").success());
    assert!(peaks[1] * 4 < peaks[0] * 5, "{peaks:?} KiB after {few} and {many} calls");
}

/// Of lines that are longer than what is read ahead, only the next one waits.
#[test]
fn long_lines_are_not_read_far_ahead() {
    const MEGABYTES: usize = 2;
    let lines = 24;
    let (mut child, mut stdin) = batch(&["-q", "--start-method", "auto"]);
    let mut stdout = BufReader::new(child.stdout.take().expect("it is piped"));
    let feeder = thread::spawn(move || {
        let name = "x".repeat(MEGABYTES << 20);
        for _ in 0..lines {
            let line = format!(r#"{{"job": "resize", "args": ["{name}", {{"width": 1, "height": 1}}]}}"#);
            writeln!(stdin, "{line}").expect("it reads");
        }
        stdin
    });
    let mut line = Vec::new();
    for _ in 0..lines {
        line.clear();
        stdout.read_until(b'\n', &mut line).expect("it is ours");
        assert!(line.len() > MEGABYTES << 20);
    }
    let peak = peak_memory(child.id());
    drop(feeder.join().expect("it writes"));
    assert!(child.wait().expect("it is ours").success());
    // The text of a line, its arguments, its result and the record are each as long as it.
    assert!(peak < 70 * 1024, "{peak} KiB");
}

#[test]
fn many_lines_are_checked_in_flat_memory() {
    let lines = quick_or_full(20_000, 200_000);
    let (child, mut stdin) = batch(&["--check"]);
    for n in 0..lines {
        writeln!(stdin, r#"{{"job": "resize", "args": {{"path": "{n}.png", "size": {{"width": {n}, "height": 1}}}}}}"#)
            .expect("it reads");
    }
    stdin.flush().expect("it reads");
    // All but what the pipe holds is read.
    let peak = peak_memory(child.id());
    drop(stdin);
    let output = child.wait_with_output().expect("it is ours");
    assert_eq!(String::from_utf8_lossy(&output.stderr), format!("{lines} calls are valid, 0 are not\n"));
    assert!(peak < 64 * 1024, "{peak} KiB");
}

#[test]
fn a_line_that_is_no_text_is_reported_with_its_number_and_the_others_are_checked() {
    let folder = tempfile::tempdir().expect("there is room");
    let calls = folder.path().join("calls");
    let add = br#"{"job": "add", "args": [1, 2]}"#;
    fs::write(&calls, [add, &b"{\"job\": \"add\xff\"}"[..], &b"\xfe\x00"[..], add].join(&b'\n'))
        .expect("the folder is ours");
    let output = output(&["batch", calls.to_str().expect("it is text"), "--check"]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(125), "{stderr}");
    for expected in ["line 2", "line 3", "2 calls are valid, 2 are not"] {
        assert!(stderr.contains(expected), "{expected}: {stderr}");
    }
}

#[test]
fn a_line_whose_options_do_not_fit_each_other_is_refused_by_the_check_and_by_the_batch() {
    for options in [
        r#""group": "zz""#,
        r#""timeout": "1s", "stall": "2s""#,
        r#""timeout": "2s", "max_timeout": "1s""#,
        r#""silence": "1s", "stdout": "discard", "stderr": "discard""#,
    ] {
        for arguments in [&["--check"][..], &[]] {
            let (child, mut stdin) = batch(arguments);
            writeln!(stdin, r#"{{"job": "add", "args": [1, 2], {options}}}"#).expect("it reads");
            drop(stdin);
            let output = child.wait_with_output().expect("it is ours");
            let stderr = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(125), "{options}: {stderr}");
            assert!(stderr.contains("standard input:1:1") && stderr.contains("^^^"), "{options}: {stderr}");
        }
    }
}

#[test]
fn a_batch_whose_output_file_may_not_grow_says_so_and_leaves_no_job() {
    let folder = tempfile::tempdir().expect("there is room");
    let (calls, records) = (folder.path().join("calls"), folder.path().join("records"));
    fs::write(&calls, [r#"{"job": "add", "args": [1, 2]}"#; 200].join("\n")).expect("the folder is ours");
    let calls = calls.to_str().expect("it is text");
    let mut command = Command::new("sh");
    // 8 blocks of 512 bytes.
    command.args(["-c", "ulimit -f 8 && exec \"$@\"", "sh", super::IMAGES, "batch", calls, "-j", "2"]);
    let output = command.stdout(File::create(&records).expect("the folder is ours")).output().expect("it is built");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(125), "{output:?}");
    assert!(stderr.contains("File too large"), "{stderr}");
    assert_eq!(fs::read(&records).expect("it is ours").len(), 8 * 512);
}

#[test]
fn a_batch_that_is_killed_leaves_no_job() {
    let (mut child, mut stdin) = batch(&[]);
    writeln!(stdin, r#"{{"job": "waits"}}"#).expect("it reads");
    let mut stderr = BufReader::new(child.stderr.take().expect("it is piped"));
    wait_for_line(&mut stderr, "begun");
    child.kill().expect("it is ours");
    child.wait().expect("it is ours");
    // The job holds the pipe as well.
    let mut rest = Vec::new();
    wait_until("nothing writes to the pipe", || stderr.read_to_end(&mut rest).is_ok());
}
