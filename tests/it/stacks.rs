//! Stacks: the printed record of a hung job names the lines that it had reached.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use scheduler::{
    AnyJob, Attempt, Incomplete, ProcessSnapshot, Record, Scheduler, Status, ThreadSnapshot, ThreadState,
    detailed_follow_up_logger, jobs, run_job_with_timeout,
};
use scheduler_tests::jobs::fast;
use scheduler_tests::stacks::{in_three_threads_and_a_child, is_stuck_once, line_of, spins};

use crate::METHODS;

/// Longer than a job takes until it is stuck.
const LIMIT: Duration = Duration::from_secs(2);

/// How often a job is run until its snapshots are complete: beside other work, 100 ms may not be enough.
const ROUNDS: usize = 60;

fn record_of(scheduler: Scheduler, call: impl Into<AnyJob>) -> Record {
    let (scheduler, call) = (scheduler.timeout(LIMIT).stacks(true), call.into());
    let mut rounds = (0..ROUNDS).map(|_| {
        let mut records = scheduler.run([("J1", call.clone())]).expect("the input is fine");
        records.pop().expect("one job, one record")
    });
    let complete = rounds.find(|record| {
        let attempts = record.attempts().iter().flat_map(Attempt::stacks);
        record.stacks().iter().chain(attempts).all(is_complete)
    });
    complete.expect("one of the records is complete")
}

fn is_complete(process: &ProcessSnapshot) -> bool {
    let mut missing = process.threads().iter().filter_map(ThreadSnapshot::incomplete);
    !process.incomplete().contains(&Incomplete::TimeLimit) && !missing.any(|missing| missing == Incomplete::TimeLimit)
}

#[track_caller]
fn assert_named(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "`{part}` is not in\n{text}");
    }
}

#[test]
fn the_hanging_lines_of_three_threads_and_a_child_are_found_from_the_printed_record() {
    for method in METHODS {
        let record = record_of(Scheduler::new().start_method(method), in_three_threads_and_a_child::job());
        assert_eq!(record.status(), Status::Timeout);
        let text = ProcessSnapshot::tree(record.stacks()).to_string();
        let [job, child] = record.stacks() else { panic!("{text}") };
        assert_eq!((child.parent(), child.command_line()), (job.pid(), &["sleep".to_owned(), "300".to_owned()][..]));
        // A copy that was executed, not forked, has the main thread of libtest as well.
        let main = usize::from(text.contains("test::test_main_static"));
        assert_eq!(job.threads().len(), 3 + main, "{text}");
        let waiting = format!("waiting for process {} (`sleep 300`)", child.pid());
        assert_named(&text, &[&waiting, "`locker`, in futex_wait", "`reader`, in read on fd ", " (pipe)"]);
        assert_named(&text, &[&line_of("the child"), &line_of("the lock"), &line_of("the pipe")]);
        // The job's function is the last line of its thread, and nothing of the runtime is there.
        assert_named(&text, &["scheduler_tests::stacks::in_three_threads_and_a_child at "]);
        assert!(!text.contains("scheduler::") && !text.contains("__scheduler"), "{text}");
        assert_eq!(format!("{record:#}"), format!("{record}\n  {}", text.replace('\n', "\n  ")));
    }
}

#[test]
fn a_record_has_the_stacks_in_its_json() {
    let record = record_of(Scheduler::new(), in_three_threads_and_a_child::job());
    let json = serde_json::to_value(&record).expect("it is written");
    let [job, child] = json["stacks"].as_array().expect("a list").as_slice() else { panic!("{json:#}") };
    assert_eq!(child["command_line"], serde_json::json!(["sleep", "300"]));
    assert_eq!(job["pid"], child["parent"]);
    let threads = job["threads"].as_array().expect("a list");
    let reader = threads.iter().find(|thread| thread["name"] == "reader").expect("it is one of them");
    assert_eq!((&reader["system_call"]["name"], &reader["state"]), (&"read".into(), &"sleeping".into()));
    assert!(reader["system_call"]["descriptor_target"].as_str().is_some_and(|target| target.starts_with("pipe:[")));
    let frames = reader["frames"].as_array().expect("a list");
    let symbols = frames.iter().flat_map(|frame| frame["symbols"].as_array().expect("a list"));
    let function = symbols.clone().find(|symbol| symbol["function"] == "scheduler_tests::stacks::reads");
    assert!(function.is_some_and(|symbol| symbol["line"].is_u64()), "{reader:#}");
}

#[test]
fn a_thread_that_computes_is_running_and_has_its_line() {
    let record = record_of(Scheduler::new(), spins::job());
    let text = ProcessSnapshot::tree(record.stacks()).to_string();
    let [job] = record.stacks() else { panic!("{text}") };
    // Below a test harness the process may have another thread, which waits.
    let is_running = |thread: &&ThreadSnapshot| thread.state() == ThreadState::Running;
    let thread = job.threads().iter().find(is_running).unwrap_or_else(|| panic!("{text}"));
    assert!(thread.cpu_time() > LIMIT / 50, "{text}");
    assert_named(&text, &["running, ", " s of CPU time", "scheduler_tests::stacks::spins at "]);
}

#[test]
fn each_attempt_has_its_own_stacks() {
    let record = record_of(Scheduler::new(), is_stuck_once::job().retries(1));
    assert!(record.is_flaky() && record.stacks().is_empty(), "{record:?}");
    let text = ProcessSnapshot::tree(record.attempts()[0].stacks()).to_string();
    assert_named(&text, &[&line_of("the message")]);
    assert!(record.attempts()[1].stacks().is_empty());
    // The record as text has those of each attempt, if they are asked for.
    let (line, whole) = (record.to_string(), format!("{record:#}"));
    let (first, rest) = whole.split_once('\n').expect("it has lines");
    assert_eq!((first, line.lines().count()), (&*line, 1));
    assert!(rest.starts_with("  attempt 1:\n  process ") && !rest.contains("attempt 2"), "{whole}");
    assert_named(rest, &[&line_of("the message")]);
}

#[test]
fn a_job_has_stacks_only_if_it_times_out_and_asks_for_them() {
    let seen = Arc::new(AtomicUsize::new(0));
    let in_follow_up = Arc::clone(&seen);
    let scheduler = Scheduler::new().timeout(Duration::from_millis(300)).stacks(true).on_timeout(move |timed_out| {
        in_follow_up.fetch_add(timed_out.stacks().len(), Ordering::Relaxed);
    });
    let silent = spins::job().stacks(false);
    let records = scheduler.run(jobs![("a", fast), ("b", { silent })]).expect("the input is fine");
    assert_eq!([records[0].status(), records[1].status()], [Status::Ok, Status::Timeout]);
    assert!(records.iter().all(|record| record.stacks().is_empty()), "{records:?}");
    let json = serde_json::to_value(&records[1]).expect("it is written");
    assert_eq!(json.get("stacks"), None);

    assert_eq!(seen.load(Ordering::Relaxed), 0);

    let run = run_job_with_timeout(spins::job().stacks(true), Duration::from_millis(300)).expect("the input is fine");
    assert_eq!(run.stacks().len(), 1);
    let records = scheduler.run(jobs![("c", spins)]).expect("the input is fine");
    assert_eq!((records[0].stacks().len(), seen.load(Ordering::Relaxed)), (1, 1));
}

#[test]
fn the_detailed_log_has_the_usual_line_and_the_stacks_below_it() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let log = folder.path().join("new folder/timeouts.log");
    let scheduler = Scheduler::new().timeout(LIMIT).stacks(true).on_timeout(detailed_follow_up_logger(&log));
    let complete = (0..ROUNDS).any(|_| {
        let _ = std::fs::remove_file(&log);
        let list = jobs![("J1\nforged", in_three_threads_and_a_child)];
        scheduler.run(list).expect("the folder is ours")[0].stacks().iter().all(is_complete)
    });
    let text = std::fs::read_to_string(&log).expect("it was written");
    assert!(complete, "{text}");
    let (first, rest) = text.split_once('\n').expect("it has lines");
    assert!(first.contains(r" - Job ID: J1\nforged, Reason: timeout, Elapsed Time: 2."), "{text}");
    assert!(rest.ends_with('\n') && rest.lines().all(|line| line.starts_with("  ")), "{text}");
    assert_named(rest, &["\n    thread ", &line_of("the lock"), "process ", ": sleep 300\n"]);
}
