//! The order of jobs: priorities, groups, and the effect of a failure on the others.

use std::fs;
use std::path::PathBuf;

use scheduler::{AnyJob, Failure, OnFailure, Record, Scheduler, Status, jobs};
use scheduler_tests::attempts::{comes_to, makes, waits_for};
use scheduler_tests::ending::Ending;
use scheduler_tests::isolation::notes;
use scheduler_tests::jobs::fast;

use crate::{METHODS, PLENTY};

fn lines(file: &PathBuf) -> Vec<String> {
    fs::read_to_string(file).unwrap_or_default().lines().map(ToOwned::to_owned).collect()
}

fn is_cancelled(record: &Record) -> bool {
    matches!(record.failure(), Some(Failure::Cancelled { begun: false, .. }))
}

#[scheduler::job(priority = 5)]
fn urgent(file: PathBuf) -> std::io::Result<()> {
    notes(file, "urgent".to_owned())
}

#[test]
fn the_highest_priority_runs_first_and_records_keep_their_order() {
    for method in METHODS {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("notes");
        let call = |name: &str| notes::job(file.clone(), name.to_owned());
        let list = jobs![
            ("a", { call("low").priority(-1) }),
            ("b", { call("first") }),
            ("c", urgent(file.clone())),
            ("d", { call("second") }),
            ("e", { call("most urgent").priority(i32::MAX) }),
        ];
        let records = Scheduler::new().start_method(method).run(list).expect("the input is fine");
        let begun: Vec<_> =
            lines(&file).into_iter().filter_map(|line| line.strip_suffix(" begins").map(ToOwned::to_owned)).collect();
        assert_eq!(begun, ["most urgent", "urgent", "first", "second", "low"]);
        let ids: Vec<_> = records.iter().map(Record::job_id).collect();
        assert_eq!(ids, ["a", "b", "c", "d", "e"]);
    }
}

#[test]
fn a_group_runs_no_more_jobs_at_a_time_than_its_limit() {
    for method in METHODS {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("notes");
        let list = (0..12).map(|index| {
            let call = notes::job(file.clone(), index.to_string()).group("db");
            (index.to_string(), AnyJob::from(call))
        });
        let scheduler = Scheduler::new().start_method(method).concurrency(6).limit_group("db", 1);
        let records = scheduler.run(list).expect("the input is fine");
        assert!(records.iter().all(|record| record.status() == Status::Ok), "{records:?}");
        let expected: Vec<_> = (0..12).flat_map(|index| [format!("{index} begins"), format!("{index} ends")]).collect();
        assert_eq!(lines(&file), expected);
    }
}

#[test]
fn a_full_group_delays_no_other_job() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let go = folder.path().join("go");
    // "a" returns only if "c" runs, which is queued after "b", which waits for "a".
    let list = jobs![
        ("a", { waits_for::job(go.clone()).group("db") }),
        ("b", { fast::job().group("db") }),
        ("c", { makes::job(go.clone()).group("disk") }),
    ];
    let scheduler = Scheduler::new().timeout(PLENTY).concurrency(2).limit_group("db", 1).limit_group("disk", 2);
    let records = scheduler.run(list).expect("the input is fine");
    assert!(records.iter().all(|record| record.status() == Status::Ok), "{records:?}");
}

#[test]
fn a_job_that_waits_for_its_next_attempt_takes_no_slot_of_its_group() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("notes");
    let fails_once = comes_to::job(file.clone(), "a".to_owned(), vec![Ending::Fails]).retries(1);
    let list = jobs![
        ("a", { fails_once.backoff(scheduler::Backoff::fixed(PLENTY)).group("db") }),
        ("b", { comes_to::job(file.clone(), "b".to_owned(), vec![]).group("db") }),
    ];
    let first = Scheduler::new().limit_group("db", 1).stream(list).expect("the input is fine").next();
    assert_eq!(first.as_ref().map(Record::job_id), Some("b"));
    assert_eq!(lines(&file), ["a", "b"]);
}

#[test]
fn a_group_without_a_limit_is_refused_with_a_list_of_those_that_have_one() {
    let list = || jobs![("a", fast), ("b", { fast::job().group("db") })];
    let refused = |scheduler: Scheduler| {
        let error = scheduler.run(list()).expect_err("it makes no sense");
        assert!(error.is_invalid_setting(), "{error}");
        error.to_string()
    };
    let whose = "invalid setting: `b` (job `scheduler_tests::jobs::fast`): group `db` has no limit; ";
    let advised = format!("{whose}`Scheduler::limit_group` gives it one, on a command line `--limit-group`");
    assert_eq!(refused(Scheduler::new()), advised);
    let others = Scheduler::new().limit_group("disk", 1).limit_group("net", 2);
    assert_eq!(refused(others), format!("{whose}those that have one: `disk`, `net`"));
    let zero = refused(Scheduler::new().limit_group("db", 0));
    assert_eq!(zero, "invalid setting: a limit of 0 for the group `db` runs nothing; give 1 or more");
}

#[test]
fn a_list_that_stops_at_failures_starts_no_further_job() {
    for concurrency in [1, 2] {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("notes");
        let call = |name: &str, endings: &[Ending]| comes_to::job(file.clone(), name.to_owned(), endings.to_vec());
        let list = || {
            jobs![
                ("a", { call("a", &[Ending::Fails]).retries(1) }),
                ("b", { call("b", &[Ending::Dies]).group("one") }),
                ("c", { call("c", &[]).group("one") }),
                ("d", { call("d", &[]).group("one") }),
            ]
        };
        let scheduler = Scheduler::new().concurrency(concurrency).limit_group("one", 1);
        let records = scheduler.on_failure(OnFailure::Stop).run(list()).expect("the input is fine");
        assert_eq!((records.len(), records[1].status()), (4, Status::Error));
        assert!(
            records[1].error().is_some_and(|error| error.contains(if cfg!(windows) { "code 9" } else { "SIGKILL" })),
            "{records:?}"
        );
        assert!(is_cancelled(&records[2]) && is_cancelled(&records[3]), "{records:?}");
        assert_eq!(records[3].error().as_deref(), Some("cancelled before it began"));
        assert!(!lines(&file).iter().any(|line| line == "c" || line == "d"), "{records:?}");
        let unless_wanted = Scheduler::new().limit_group("one", 1).run(list()).expect("the input is fine");
        assert_eq!(unless_wanted[3].status(), Status::Ok);
    }
}

#[test]
fn running_jobs_finish_when_another_one_fails() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let go = folder.path().join("go");
    // "a" can only return once the failure of "b" has been recorded.
    let list = jobs![
        ("a", waits_for(go.clone())),
        ("b", { comes_to::job(folder.path().join("n"), "b".into(), vec![Ending::Fails]) }),
        ("c", fast)
    ];
    let scheduler = Scheduler::new().timeout(PLENTY).concurrency(2).on_failure(OnFailure::Stop);
    let scheduler = scheduler.observer(Makes { file: go, after: "b" });
    let records = scheduler.run(list).expect("the input is fine");
    assert_eq!((records[0].status(), records[1].status()), (Status::Ok, Status::Error));
    assert!(is_cancelled(&records[2]), "{records:?}");
}

/// Makes a file once this job has been recorded.
struct Makes {
    file: PathBuf,
    after: &'static str,
}

impl scheduler::Observer for Makes {
    fn recorded(&self, event: &scheduler::observer::Recorded<'_>) {
        if event.job_id == self.after {
            fs::write(&self.file, "").expect("the folder is the test's");
        }
    }
}
