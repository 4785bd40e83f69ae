//! The exit of a job's process after its outcome: the outcome counts, and a failure of the process is kept beside it.

use std::time::Duration;

use scheduler::{Failure, Outcome, Record, Scheduler, Status, jobs, run_job_with_timeout};
use scheduler_tests::exits::{AtExit, returns_and_then};
use scheduler_tests::jobs::{fast, hangs_at_exit};

use crate::{METHODS, PLENTY, at_once};

#[cfg(unix)]
#[test]
fn a_process_that_fails_after_its_outcome_keeps_the_outcome() {
    for (at_exit, is_expected, text, kind) in [
        (
            AtExit::Aborts,
            (|failure| matches!(failure, Failure::Signaled { name: "SIGABRT", .. })) as fn(&Failure) -> bool,
            "killed by signal 6 (SIGABRT)",
            "signaled",
        ),
        (
            AtExit::ExitsWith3,
            |failure| matches!(failure, Failure::BadExit { code: 3, .. }),
            "exited with code 3 after its outcome",
            "bad_exit",
        ),
        (
            AtExit::Hangs,
            |failure| matches!(failure, Failure::ExitTimeout { .. }),
            "did not exit within ",
            "exit_timeout",
        ),
    ] {
        at_once(METHODS, |method| {
            let list = jobs![("a", returns_and_then(at_exit, false)), ("b", returns_and_then(at_exit, true))];
            // They mostly wait.
            let scheduler = Scheduler::new().timeout(PLENTY).start_method(method).concurrency(2);
            let records = scheduler.run(list).expect("the input is fine");
            let [value, error] = <[Record; 2]>::try_from(records).expect("two jobs, two records");
            assert_eq!(value.result::<i32>().expect("it returned"), 7);
            assert!(matches!(error.failure(), Some(Failure::Returned { .. })), "{error:?}");
            for record in [value, error] {
                let failure = record.exit_failure().expect("its process failed");
                assert!(is_expected(failure), "{at_exit:?}: {failure:?}");
                assert!(failure.to_string().starts_with(text), "{failure}");
                let json = serde_json::to_value(&record).expect("it serializes");
                assert_eq!(json["exit_failure"]["kind"], kind, "{json}");
            }
        });
    }
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[test]
fn a_panic_at_exit_is_the_cause_of_that_failure() {
    for method in METHODS {
        let list = jobs![("a", scheduler_tests::panics::panics_at_exit)];
        let records = Scheduler::new().timeout(PLENTY).start_method(method).run(list).expect("the input is fine");
        assert_eq!(records[0].result::<i32>().expect("it returned"), 7);
        let failure = records[0].exit_failure();
        assert!(matches!(failure, Some(Failure::Panicked(panic)) if panic.message == "the cause"), "{failure:?}");
        assert!(records[0].stderr_tail().contains("the cause"), "{:?}", records[0].stderr_tail());
    }
}

#[test]
fn a_process_that_does_not_exit_is_killed_and_its_record_has_the_limit() {
    let run = run_job_with_timeout(hangs_at_exit::job(), PLENTY).expect("the input is fine");
    assert_eq!(run.outcome, Outcome::Ok(7));
    // No handler of the C library runs at an exit on Windows.
    if cfg!(windows) {
        assert_eq!(run.exit_failure(), None);
        return;
    }
    let Some(Failure::ExitTimeout { limit, .. }) = run.exit_failure() else { panic!("{run:?}") };
    assert!(*limit >= Duration::from_secs(2) && *limit < PLENTY, "{limit:?}");
}

#[test]
fn a_process_that_exits_normally_has_no_exit_failure() {
    for method in METHODS {
        let record = &Scheduler::new().start_method(method).run(jobs![("a", fast)]).expect("the input is fine")[0];
        assert_eq!((record.status(), record.exit_failure()), (Status::Ok, None));
        assert!(serde_json::to_value(record).expect("it serializes").get("exit_failure").is_none());
    }
}
