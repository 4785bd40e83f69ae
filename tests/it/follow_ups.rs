//! Follow-ups: called for timeouts only, at once, and nothing is lost when one fails.

use std::cell::RefCell;
use std::error::Error as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use scheduler::{Record, Scheduler, Status, default_follow_up_logger, jobs, schedule_jobs};
use scheduler_tests::jobs::{exits, fails, fast, hangs};

const SHORT: Duration = Duration::from_millis(300);

#[test]
fn the_logger_writes_one_line_for_each_timeout_and_for_nothing_else() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let log = folder.path().join("new folder/job_followups.log");
    let list = jobs![("J1", fast), ("J2\nforged", hangs), ("J3", fails), ("J4", exits(1)), ("J5", hangs)];
    let records = schedule_jobs(list, SHORT, default_follow_up_logger, &log).expect("the folder is ours");
    let statuses: Vec<_> = records.iter().map(Record::status).collect();
    assert_eq!(statuses, [Status::Ok, Status::Timeout, Status::Error, Status::Error, Status::Timeout]);
    let text = std::fs::read_to_string(&log).expect("it was written");
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 2, "{text}");
    assert!(lines[0].contains(r" - Job ID: J2\nforged, Reason: timeout, Elapsed Time: 0."), "{text}");
    assert!(lines[1].contains(" - Job ID: J5, Reason: timeout, Elapsed Time: 0."), "{text}");
}

#[scheduler::job]
fn exists(path: PathBuf) -> bool {
    path.exists()
}

#[test]
fn a_follow_up_is_called_before_the_next_job_runs() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let log = folder.path().join("seen");
    let list = jobs![("a", exists(log.clone())), ("b", hangs), ("c", exists(log.clone()))];
    let records = schedule_jobs(list, SHORT, default_follow_up_logger, &log).expect("the folder is ours");
    assert!(!records[0].result::<bool>().expect("it returned"));
    assert!(records[2].result::<bool>().expect("it returned"));
}

#[test]
fn a_follow_up_is_given_all_details_and_writes_the_log_alone() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let log = folder.path().join("seen");
    let seen = RefCell::new(Vec::new());
    let follow_up = |id: &str, reason: &str, elapsed: Duration, log_file: &Path| {
        seen.borrow_mut().push((id.to_owned(), reason.to_owned(), elapsed, log_file.to_owned()));
        Ok::<_, std::io::Error>(())
    };
    let records = schedule_jobs(jobs![("a", hangs), ("b", fast)], SHORT, follow_up, &log).expect("nothing fails");
    assert_eq!(seen.into_inner(), [("a".to_owned(), "timeout".to_owned(), records[0].duration(), log.clone())]);
    assert!(!log.exists());
}

#[test]
fn a_log_that_can_not_be_written_loses_no_record() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let log = folder.path().join("file/below/a/file.log");
    std::fs::write(folder.path().join("file"), "").expect("the folder is ours");
    let list = jobs![("a", fast), ("b", hangs), ("c", fast)];
    let error = schedule_jobs(list, SHORT, default_follow_up_logger, &log).expect_err("a file is no folder");
    assert!(error.is_follow_up(), "{error}");
    assert_eq!(error.to_string(), "the follow-up of `b` failed");
    let source = error.source().and_then(|source| source.downcast_ref::<std::io::Error>()).expect("the logger's own");
    assert!(source.to_string().starts_with(&format!("`{}` can't be created: ", log.parent().unwrap().display())));
    let system = source.source().and_then(|system| system.downcast_ref::<std::io::Error>()).expect("the file system's");
    assert!(system.raw_os_error().is_some() && system.kind() == source.kind(), "{source}");
    let records = error.into_records();
    let ended: Vec<_> = records.iter().map(|record| (record.job_id(), record.status())).collect();
    assert_eq!(ended, [("a", Status::Ok), ("b", Status::Timeout)]);
    assert_eq!(records[0].result::<i32>().expect("it is whole"), 42);
}

/// Opening a FIFO blocks until its other end is opened, too.
#[cfg(unix)]
#[test]
fn a_log_that_is_a_fifo_without_a_reader_fails_at_once_and_loses_no_record() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let log = folder.path().join("fifo");
    assert!(std::process::Command::new("mkfifo").arg(&log).status().expect("every Unix has it").success());
    let clock = std::time::Instant::now();
    let error = schedule_jobs(jobs![("a", fast), ("b", hangs)], SHORT, default_follow_up_logger, &log);
    let error = error.expect_err("it has no reader");
    assert!(clock.elapsed() < crate::WAIT_LIMIT, "{:?}", clock.elapsed());
    assert!(error.is_follow_up(), "{error}");
    let source = error.source().expect("the logger's own").to_string();
    let problem = "can't be appended to: it is a FIFO that nobody reads; open its other end first";
    assert_eq!(source, format!("`{}` {problem}", log.display()));
    assert_eq!(error.into_records().len(), 2);

    // The same for what a job's output goes to.
    let call = fast::job().stdout(scheduler::Output::Append(log.clone()));
    let run = scheduler::run_job_with_timeout(call, crate::PLENTY).expect("the input is fine");
    let line = match run.outcome {
        scheduler::Outcome::Error(failure) => failure.to_string(),
        outcome => panic!("{outcome:?}"),
    };
    let problem = "it is a FIFO that nobody reads; open its other end first";
    assert_eq!(line, format!("never started: its standard output can't be written to `{}`: {problem}", log.display()));
}

#[cfg(unix)]
#[test]
fn a_log_may_be_a_device_or_a_fifo_with_a_reader() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let fifo = folder.path().join("fifo");
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().expect("every Unix has it").success());
    let path = fifo.clone();
    let reader = std::thread::spawn(move || std::fs::read_to_string(path).expect("it is written to"));
    // The reader may not have opened it yet.
    crate::wait_until("the FIFO is read", || default_follow_up_logger("J1", "timeout", SHORT, &fifo).is_ok());
    let read = reader.join().expect("it doesn't panic");
    assert!(read.ends_with(" - Job ID: J1, Reason: timeout, Elapsed Time: 0.300000 seconds\n"), "{read}");
    default_follow_up_logger("J1", "timeout", SHORT, Path::new("/dev/null")).expect("it takes everything");
}

#[test]
fn a_full_disk_under_the_log_loses_no_record() {
    let list = jobs![("a", fast), ("b", hangs)];
    let error = schedule_jobs(list, SHORT, default_follow_up_logger, "/dev/full").expect_err("it is full");
    let source = error.source().and_then(|source| source.downcast_ref::<std::io::Error>()).expect("the logger's own");
    assert_eq!(source.kind(), std::io::ErrorKind::StorageFull);
    assert_eq!(error.into_records().len(), 2);
}

#[test]
fn a_follow_up_may_read_the_whole_record() {
    let seen = RefCell::new(String::new());
    let records = Scheduler::new()
        .timeout(SHORT)
        .concurrency(3)
        .on_timeout(|late| {
            assert_eq!((late.reason(), late.limit()), ("timeout", SHORT));
            assert!(late.elapsed() >= SHORT && late.record().status() == Status::Timeout);
            seen.replace(format!("{} {}", late.job_id(), late.job()));
        })
        .run(jobs![("a", fast), ("b", hangs)]);
    assert_eq!(records.expect("nothing fails").len(), 2);
    assert_eq!(seen.into_inner(), "b scheduler_tests::jobs::hangs");
}

/// A follow-up that can fail in no way, and one that can.
#[test]
fn a_follow_up_returns_nothing_or_a_result() {
    let calls = std::cell::Cell::new(0);
    let count = || calls.set(calls.get() + 1);
    let list = || jobs![("a", hangs)];
    let scheduler = || Scheduler::new().timeout(SHORT);
    scheduler().on_timeout(|_| count()).run(list()).expect("nothing fails");
    let error = scheduler().on_timeout(|late| Err(late.job_id().to_owned())).run(list()).expect_err("it fails");
    assert_eq!(error.source().map(ToString::to_string).as_deref(), Some("a"));
    schedule_jobs(list(), SHORT, |_, _, _, _| count(), "x.log").expect("nothing fails");
    let error = schedule_jobs(list(), SHORT, |_, _, _, _| Err("no"), "x.log").expect_err("it fails");
    assert!(error.is_follow_up());
    assert_eq!(calls.get(), 2);
}

#[test]
fn concurrent_jobs_are_recorded_when_a_follow_up_fails() {
    // Longer than a busy machine takes to call the follow-up.
    let long = || hangs::job().timeout(Duration::from_secs(3));
    let error = Scheduler::new()
        .timeout(SHORT)
        .concurrency(2)
        .on_timeout(|late| if late.job_id() == "a" { Err("no") } else { Ok(()) })
        // `c` may begin before the follow-up is known to have failed, and lasts until then.
        .run(jobs![("a", hangs), ("b", { long() }), ("c", { long() }), ("d", fast)])
        .expect_err("the follow-up of `a` fails");
    let records = error.into_records();
    let ids: Vec<_> = records.iter().map(Record::job_id).collect();
    assert!(ids == ["a", "b"] || ids == ["a", "b", "c"], "{ids:?}");
    assert_eq!(records[1].status(), Status::Timeout);
}
