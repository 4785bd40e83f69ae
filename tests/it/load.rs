//! Load: no further job starts while the machine is busy, short of memory, or after too many failures.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use scheduler::{AnyJob, Failure, OnFailure, Record, Scheduler, Status, jobs};
use scheduler_tests::isolation::notes;
use scheduler_tests::jobs::{fails, fast};

use crate::PLENTY;
use crate::streaming::meets;

/// Keeps a processor busy between its two lines.
#[scheduler::job]
fn works(file: PathBuf, name: String) -> std::io::Result<()> {
    let clock = Instant::now();
    notes(file.clone(), format!("{name} works"))?;
    while clock.elapsed() < Duration::from_millis(400) {
        std::hint::spin_loop();
    }
    notes(file, format!("{name} worked"))
}

fn begun(file: &PathBuf) -> Vec<String> {
    let text = fs::read_to_string(file).unwrap_or_default();
    text.lines().filter_map(|line| line.strip_suffix(" begins").map(ToOwned::to_owned)).collect()
}

#[cfg(target_os = "linux")]
#[test]
fn above_a_load_one_job_runs_at_a_time() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("notes");
    let list = ["a", "b", "c"].map(|name| (name, works::job(file.clone(), name.to_owned())));
    let records = Scheduler::new().timeout(PLENTY).concurrency(3).max_load(0.5).run(list).expect("the input is fine");
    assert!(records.iter().all(|record| record.status() == Status::Ok), "{records:?}");
    let expected = ["a works", "a worked", "b works", "b worked", "c works", "c worked"];
    assert_eq!(begun(&file), expected);
}

#[cfg(any(target_os = "linux", windows))]
#[test]
fn short_of_memory_one_job_runs_at_a_time_spawned_ones_too() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("notes");
    let job = |name: &str| notes::job(file.clone(), name.to_owned());
    let scheduler = Scheduler::new().timeout(PLENTY).concurrency(4).min_free_memory(u64::MAX);
    let handles = ["a", "b"].map(|name| scheduler.spawn(job(name)).expect("the input is fine"));
    for handle in handles {
        assert_eq!(handle.wait().expect("nothing fails").status(), Status::Ok);
    }
    scheduler.run(["c", "d", "e"].map(|name| (name, job(name)))).expect("the input is fine");
    let text = fs::read_to_string(&file).expect("it was written");
    let expected: String = ["a", "b", "c", "d", "e"].map(|name| format!("{name} begins\n{name} ends\n")).concat();
    assert_eq!(text, expected);
}

#[cfg(target_os = "linux")]
#[test]
fn below_both_limits_as_many_run_as_may() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let [one, other] = ["one", "other"].map(|name| folder.path().join(name));
    let list = jobs![("a", meets(one.clone(), other.clone())), ("b", meets(other.clone(), one.clone()))];
    let scheduler = Scheduler::new().timeout(PLENTY).concurrency(2).max_load(1e9).min_free_memory(0);
    let records = scheduler.run(list).expect("the input is fine");
    assert!(records.iter().all(|record| record.status() == Status::Ok), "{records:?}");
}

#[test]
fn a_load_that_is_always_exceeded_is_refused() {
    for (load, shown) in [(0.0, "0"), (-1.5, "-1.5"), (f64::NAN, "NaN"), (f64::NEG_INFINITY, "-inf")] {
        let scheduler = Scheduler::new().max_load(load);
        let expected = format!(
            "invalid setting: a maximum load of {shown} is always exceeded; give a number above 0, such as the number of \
             processors"
        );
        let error = scheduler.run(jobs![("a", fast)]).expect_err("it is invalid");
        assert!(error.is_invalid_setting() && error.to_string() == expected, "{error}");
        assert!(scheduler.spawn(fast::job()).expect_err("it is invalid").is_invalid_setting());
        assert!(scheduler.stream(jobs![("a", fast)]).expect_err("it is invalid").is_invalid_setting());
    }
    #[cfg(target_os = "linux")]
    assert!(Scheduler::new().max_load(f64::INFINITY).run(jobs![("a", fast)]).is_ok());
}

fn is_unstarted(record: &Record) -> bool {
    matches!(record.failure(), Some(Failure::Cancelled { begun: false, .. }))
}

#[test]
fn a_list_stops_after_as_many_failures() {
    let list = || -> Vec<(&str, AnyJob)> {
        vec![
            ("a", fails::job().into()),
            ("b", fast::job().into()),
            ("c", fails::job().into()),
            ("d", fast::job().into()),
            ("e", fails::job().into()),
            ("f", fast::job().into()),
        ]
    };
    for (after, unstarted) in [(1, 5), (2, 3), (3, 1), (4, 0), (u32::MAX, 0)] {
        let records = Scheduler::new().on_failure(OnFailure::StopAfter(after)).run(list()).expect("the input is fine");
        assert_eq!(records.iter().filter(|record| is_unstarted(record)).count(), unstarted, "{after}: {records:?}");
    }
    let error = Scheduler::new().on_failure(OnFailure::StopAfter(0)).run(list()).expect_err("it is zero");
    let expected = "invalid setting: a list that stops after 0 failures runs nothing; give 1 or more";
    assert_eq!(error.to_string(), expected);
}
