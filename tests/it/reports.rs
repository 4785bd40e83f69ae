//! Reports of a run: each is read back by a reader of its format, whatever its jobs are called and print, and however the
//! application ends.

mod follow_ups;
mod pages;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use scheduler::report::{Joblog, LoggedEvent, LoggedKind, read};
use scheduler::{Scheduler, Status, jobs, report};
use scheduler_tests::jobs::fast;
use scheduler_tests::skips::skipped;
use serde_json::Value;

const REPORTING: &str = env!("CARGO_BIN_EXE_reporting");

/// The number of jobs that `reporting run` runs.
const COUNT: usize = 9;

fn reporting(arguments: &[&str]) {
    let output = Command::new(REPORTING).args(arguments).output().expect("the fixture is built");
    assert!(output.status.success(), "{}", text(&output));
}

pub(crate) fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Runs jobs of every kind, some with hostile names, and returns the folder with their reports.
fn every_kind() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    reporting(&["run", &folder.path().to_string_lossy()]);
    folder
}

fn file(folder: &Path, name: &str) -> String {
    fs::read_to_string(folder.join(name)).expect("it was written")
}

fn events(folder: &Path) -> Vec<LoggedEvent> {
    read(file(folder, "log.jsonl").as_bytes()).collect::<Result<_, _>>().expect("it can be read")
}

/// Returns the data of a timeline: what stands in its last script element.
fn rows(page: &str) -> Vec<Value> {
    let (_, data) = page.rsplit_once(r#"<script type="application/json" id="data">"#).expect("it has data");
    let (data, _) = data.split_once("</script>").expect("the element ends");
    serde_json::from_str(data).unwrap_or_else(|error| panic!("{error}: {data}"))
}

#[test]
fn a_log_of_lines_has_every_event_in_order() {
    let folder = every_kind();
    let log = file(folder.path(), "log.jsonl");
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect();
    assert_eq!((&lines[0]["event"], &lines[0]["version"]), (&"opened".into(), &1.into()));
    assert!(lines[1..=COUNT].iter().all(|line| line["event"] == "queued"), "{log}");
    let mut names: BTreeMap<u64, Vec<&str>> = BTreeMap::new();
    for line in &lines[1..] {
        let (key, event) = (line["key"].as_u64().expect("a number"), line["event"].as_str().expect("a text"));
        names.entry(key).or_default().push(event);
    }
    let first = *names.keys().next().expect("there are jobs");
    let of = |index: u64| names[&(first + index)].as_slice();
    assert_eq!(of(0), ["queued", "started", "attempt_ended", "recorded"]);
    assert_eq!(
        of(4)[1..],
        ["started", "attempt_ended", "started", "attempt_ended", "started", "attempt_ended", "recorded"]
    );
    assert_eq!(of(7), ["queued", "started", "slow", "terminating", "attempt_ended", "recorded"]);
    let slow = lines.iter().find(|line| line["event"] == "slow").expect("it is among them");
    assert_eq!((&slow["job_id"], &slow["after_sec"]), (&"asked".into(), &0.001.into()));
    assert_eq!(of(8), ["queued", "started", "message", "progress", "attempt_ended", "recorded"]);
    let slots: BTreeSet<_> = lines.iter().filter_map(|line| line["slot"].as_u64()).collect();
    assert!(!slots.is_empty() && slots.is_subset(&BTreeSet::from([1, 2, 3])), "{slots:?}");
    let hostile = lines.last().expect("there are lines");
    assert!(lines.iter().any(|line| line["job_id"].as_str().is_some_and(|id| id.contains('\0'))), "{hostile}");
}

#[test]
fn a_log_read_back_has_what_was_observed() {
    let folder = every_kind();
    let records: BTreeMap<_, _> = events(folder.path())
        .into_iter()
        .filter_map(|event| match event.kind {
            LoggedKind::Recorded(record) => Some((event.key, (event.job_id, record))),
            _ => None,
        })
        .collect();
    let records: Vec<_> = records.into_values().collect();
    let statuses: Vec<_> = records.iter().map(|(_, record)| record.status.as_str()).collect();
    assert_eq!(statuses, ["ok", "ok", "error", "ok", "ok", "timeout", "timeout", "timeout", "error"]);
    let (_, flaky) = &records[4];
    assert!(flaky.flaky && flaky.attempts == 3 && flaky.total_duration >= flaky.duration, "{flaky:?}");
    // `reports_made_of_a_log_are_those_of_the_run` compares them with those of the run.
    let stacks = records[5].1.stacks.as_deref().expect("they were taken");
    assert!(stacks.starts_with("process ") && records[6].1.stacks.is_none(), "{stacks}");
    let has_frames = cfg!(all(target_os = "linux", not(scheduler_portable), feature = "stacks"));
    assert!(!has_frames || stacks.contains("scheduler_tests::jobs::hangs"), "{stacks}");
    let (id, hostile) = &records[8];
    assert_eq!(hostile.stdout.as_deref(), Some(format!("{id}\n").as_str()));
    let slow = |event: &LoggedEvent| matches!(&event.kind, LoggedKind::Slow { attempt: 1, after, .. } if after.as_millis() == 1);
    assert_eq!(events(folder.path()).iter().filter(|event| slow(event)).count(), 1);
    assert!(records[0].1.usage.peak_memory > 0 || cfg!(not(unix)), "{records:?}");
}

#[test]
fn reports_made_of_a_log_are_those_of_the_run() {
    let folder = every_kind();
    let again = tempfile::tempdir().expect("a temporary folder");
    let log = folder.path().join("log.jsonl");
    reporting(&["replay", &log.to_string_lossy(), &again.path().to_string_lossy()]);
    let [own, replayed] = [folder.path(), again.path()].map(|folder| file(folder, "joblog"));
    assert_eq!(own.lines().count(), COUNT + 1);
    assert_eq!(own, replayed);
    let report = |folder: &Path| file(folder, "junit.xml");
    let cases = |report: &str| report.split_once("<testcase").map(|(_, cases)| cases.to_owned()).expect("it has cases");
    let [own, replayed] = [folder.path(), again.path()].map(report);
    assert_eq!(cases(&own), cases(&replayed));
    // The log was opened just before or after the report.
    let times = |report: &str| {
        let report = quick_junit::Report::deserialize(report.as_bytes()).expect("it is valid");
        (report.timestamp.expect("it has one"), report.time.expect("it has one"))
    };
    let ((own_begin, own_time), (begin, time)) = (times(&own), times(&replayed));
    assert!((own_begin - begin).num_seconds().abs() <= 5, "{own_begin} {begin}");
    assert!(own_time.abs_diff(time) <= Duration::from_secs(5), "{own_time:?} {time:?}");
    let [own, replayed] = [folder.path(), again.path()].map(|folder| rows(&file(folder, "timeline.html")));
    assert_eq!(own.len(), replayed.len());
    let [own, replayed] = [folder.path(), again.path()].map(|folder| {
        let trace: Vec<Value> = serde_json::from_str(&file(folder, "trace.json")).expect("it is an array");
        let what =
            |event: &Value| (event["ph"].clone(), event["pid"].clone(), event["tid"].clone(), event["name"].clone());
        trace.iter().map(what).collect::<Vec<_>>()
    });
    assert_eq!(own[0].3, "process_name");
    assert_eq!(own, replayed);
}

#[test]
fn a_junit_report_is_read_by_the_crate_that_nextest_writes_it_with() {
    let folder = every_kind();
    let report = quick_junit::Report::deserialize(file(folder.path(), "junit.xml").as_bytes()).expect("it is valid");
    for written in ["junit.xml", "trace.json", "timeline.html"] {
        let written = file(folder.path(), written);
        assert!(written.contains("process ") && written.contains("thread"), "{written}");
    }
    let suite = &report.test_suites[0];
    assert_eq!((report.tests, report.failures, report.errors, suite.test_cases.len()), (COUNT, 5, 0, COUNT));
    let case = |name: &str| suite.test_cases.iter().find(|case| case.name.as_str() == name).expect("it is there");
    assert!(
        matches!(&case("flaky").status, quick_junit::TestCaseStatus::Success { flaky_runs } if flaky_runs.len() == 2)
    );
    let quick_junit::TestCaseStatus::NonSuccess { ty, reruns, .. } = &case("hangs again and again").status else {
        panic!("it failed")
    };
    assert_eq!((ty.as_ref().map(quick_junit::XmlString::as_str), reruns.runs.len()), (Some("timeout"), 2));
}

/// Returns the output of a Python program of ours, or `None` without Python.
pub(crate) fn python(program: &str, arguments: &[&std::ffi::OsStr]) -> Option<Output> {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("reports").join(program);
    match Command::new("python3").arg(program).args(arguments).output() {
        Ok(output) => Some(output),
        Err(error) => {
            skipped(format_args!("no Python: {error}"));
            None
        }
    }
}

#[test]
fn a_junit_report_has_the_form_that_ci_systems_read() {
    let folder = every_kind();
    let path = folder.path().join("junit.xml");
    let Some(output) = python("junit.py", &[path.as_os_str()]) else { return };
    assert!(output.status.success(), "{}", text(&output));
    assert_eq!(text(&output).trim(), "9 2 2");
    match Command::new("xmllint").arg("--noout").arg(&path).output() {
        Ok(output) => assert!(output.status.success(), "{}", text(&output)),
        Err(error) => skipped(format_args!("no xmllint: {error}")),
    }
}

/// Checked against the documentation of the Trace Event Format. Perfetto's own reader, `trace_processor`, is in no registry of
/// packages: the one of Python called `perfetto` downloads it from elsewhere when it is used first.
#[test]
fn a_trace_has_the_documented_form() {
    let folder = every_kind();
    let trace: Vec<Value> = serde_json::from_str(&file(folder.path(), "trace.json")).expect("it is an array");
    let mut open: BTreeMap<u64, Vec<(f64, &Value)>> = BTreeMap::new();
    let mut last: BTreeMap<u64, f64> = BTreeMap::new();
    for event in &trace {
        let phase = event["ph"].as_str().expect("each event has a phase");
        assert!(event["pid"].is_u64() && event["tid"].is_u64(), "{event}");
        let slot = event["tid"].as_u64().expect("a number");
        let time = || event["ts"].as_f64().unwrap_or_else(|| panic!("{event}"));
        match phase {
            "M" => assert!(event["args"].is_object(), "{event}"),
            "B" => {
                assert!(event["name"].is_string() && time() >= last.get(&slot).copied().unwrap_or(-1.0), "{event}");
                open.entry(slot).or_default().push((time(), &event["name"]));
            }
            // A slice ends where the last one of its row that is open began, or later, and has its name.
            "E" => {
                let (began, name) = open.get_mut(&slot).and_then(Vec::pop).unwrap_or_else(|| panic!("{event}"));
                assert!(time() >= began && event["name"] == *name, "{event} ends {name}");
                last.insert(slot, time());
            }
            "X" => {
                assert!(event["dur"].as_f64().is_some_and(|dur| dur >= 0.0), "{event}");
                assert!(open.get(&slot).is_none_or(Vec::is_empty), "{event}");
                last.insert(slot, time() + event["dur"].as_f64().unwrap_or_default());
            }
            "i" => assert_eq!(event["s"], "t"),
            "C" => assert!(event["args"].as_object().is_some_and(|args| args.values().all(Value::is_u64)), "{event}"),
            "b" | "e" => assert!(event["id"].is_string() && event["cat"].is_string(), "{event}"),
            other => panic!("phase {other}: {event}"),
        }
    }
    assert!(open.values().all(Vec::is_empty), "{open:?}");
    let of = |phase: &str| trace.iter().filter(|event| event["ph"] == phase).count();
    // Nine jobs, two of which had two more attempts, and one a grace period.
    assert_eq!((of("B"), of("E"), of("b"), of("e")), (14, 14, 4, 4));
    assert_eq!(trace.iter().filter(|event| event["cat"] == "slow" && event["ph"] == "i").count(), 1);
}

#[test]
fn a_timeline_has_its_data_and_no_text_of_a_job_outside_of_it() {
    let folder = every_kind();
    let page = file(folder.path(), "timeline.html");
    assert!(page.starts_with("<!DOCTYPE html>") && page.ends_with("</html>\n"));
    // One for the styles' reader, one for the script, one for the data.
    assert_eq!(page.matches("</script>").count(), 2);
    assert!(!page.contains("<!--]]>"));
    let rows = rows(&page);
    let count = |kind: &str| rows.iter().filter(|row| row[0] == kind).count();
    assert_eq!((count("z"), count("q"), count("s"), count("a"), count("r")), (1, 9, 13, 13, 9));
}

#[test]
fn gnu_parallel_resumes_from_a_job_log() {
    // Another package has a program of this name, too.
    match Command::new("parallel").arg("--version").stdin(Stdio::null()).output() {
        Ok(output) if text(&output).contains("GNU parallel") => {}
        Ok(_) => return skipped("`parallel` is not GNU parallel"),
        Err(error) => return skipped(format_args!("no GNU parallel: {error}")),
    }
    let folder = every_kind();
    let log = folder.path().join("joblog");
    // One more job than the log has.
    let numbers: Vec<_> = (1..=COUNT + 1).map(|number| number.to_string()).collect();
    let mut parallel = Command::new("parallel");
    // It asks for a citation where it writes to a terminal, and keeps its own files in the home folder.
    parallel
        .env("HOME", folder.path())
        .args(["--will-cite", "--resume", "--joblog"])
        .arg(&log)
        .args(["echo", "ran", ":::"]);
    let output = parallel.args(&numbers).stdin(Stdio::null()).output().expect("it ran before");
    assert_eq!(String::from_utf8_lossy(&output.stdout), format!("ran {}\n", COUNT + 1), "{}", text(&output));
    // It has added its line to ours.
    let finished = Joblog::finished(&log).expect("it can be read");
    assert!(finished.into_iter().eq(1..=COUNT as u64 + 1));
    let mut again = Command::new("parallel");
    again
        .env("HOME", folder.path())
        .args(["--will-cite", "--resume-failed", "--joblog"])
        .arg(&log)
        .args(["echo", "ran", ":::"]);
    let output = again.args(&numbers).stdin(Stdio::null()).output().expect("it ran before");
    let mut ran: Vec<_> = String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect();
    ran.sort();
    assert_eq!(ran, ["ran 3", "ran 6", "ran 7", "ran 8", "ran 9"], "{}", text(&output));
}

#[test]
fn an_application_that_is_killed_leaves_reports_as_far_as_it_got() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut command = Command::new(REPORTING);
    let mut child =
        command.arg("hang").arg(folder.path()).stdout(Stdio::piped()).spawn().expect("the fixture is built");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("the pipe is ours");
    assert_eq!(line, "ready\n");
    child.kill().expect("it is ours");
    child.wait().expect("it is ours");

    let events = events(folder.path());
    let recorded = events.iter().filter(|event| matches!(event.kind, LoggedKind::Recorded(_))).count();
    let started = events.iter().filter(|event| matches!(event.kind, LoggedKind::Started { .. })).count();
    assert_eq!((recorded, started), (2, 3), "{events:?}");
    assert_eq!(Vec::from_iter(Joblog::finished(folder.path().join("joblog")).expect("it can be read")), [1, 2]);
    let junit = file(folder.path(), "junit.xml");
    let report = quick_junit::Report::deserialize(junit.as_bytes()).unwrap_or_else(|error| panic!("{error}: {junit}"));
    assert_eq!((report.tests, report.failures, report.test_suites[0].test_cases.len()), (2, 1, 2));
    let trace: Vec<Value> = serde_json::from_str(&file(folder.path(), "trace.json")).expect("it is complete");
    let of = |phase: &str| trace.iter().filter(|event| event["ph"] == phase).count();
    assert_eq!((of("B"), of("E")), (3, 2));
    let rows = rows(&file(folder.path(), "timeline.html"));
    assert_eq!(rows.iter().filter(|row| row[0] == "s").count(), 3);
}

/// A disk with room for nothing.
#[cfg(target_os = "linux")]
#[test]
fn a_report_that_can_not_be_written_stops_alone_and_has_its_error() {
    let full = report::JsonLines::append("/dev/full").expect("it can be opened");
    let full = std::sync::Arc::new(full);
    let records = Scheduler::new().observer(std::sync::Arc::clone(&full)).run(jobs![("a", fast)]);
    assert_eq!(records.expect("no job is affected")[0].status(), Status::Ok);
    assert_eq!(full.finish().expect_err("there was no room").kind(), std::io::ErrorKind::StorageFull);
    full.finish().expect("it is returned once");
}

#[test]
fn a_report_that_can_not_be_created_is_an_error() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::write(folder.path().join("file"), "").expect("the folder is ours");
    let below = folder.path().join("file/report");
    assert!(report::JsonLines::create(&below).is_err() && Joblog::create(&below).is_err());
    assert!(report::Junit::create(&below).is_err() && report::Trace::create(&below).is_err());
    assert!(report::Timeline::create(&below).is_err());
}

#[test]
fn a_log_that_was_cut_is_continued_on_a_line_of_its_own() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("log.jsonl");
    let run = || {
        let log = report::JsonLines::append(&path).expect("it can be opened");
        Scheduler::new().observer(log).run(jobs![("a", fast)]).expect("the input is fine");
    };
    run();
    let whole = fs::read(&path).expect("it was written");
    fs::write(&path, &whole[..whole.len() - 7]).expect("the folder is ours");
    run();
    // The line that was cut is skipped.
    let events: Result<Vec<_>, _> = read(fs::read(&path).expect("it was written").as_slice()).collect();
    assert_eq!(events.expect("it can be read").len(), 9);
}
