//! Panics: which one is the cause of a failure, which are kept beside it, and what is printed of them.

use std::time::Duration;

use scheduler::{AnyJob, Failure, Panic, Record, Scheduler, Status, jobs};
use scheduler_tests::jobs::{panics, panics_twice};
use scheduler_tests::panics::{
    Afterwards, breaks_a_precondition, catches_panics_and, panics_as_a_thread_ends, panics_elsewhere_and,
    panics_in_a_callback, panics_in_a_callback_elsewhere, passes_a_panic_on,
};
use serde_json::Value;

use crate::application::{app, records};
use crate::{METHODS, PLENTY, at_once};

const LIMIT: Duration = Duration::from_secs(1);

/// Returns the records of a job, one for each way to make its process.
fn ended(call: impl Into<AnyJob>, limit: Duration) -> Vec<Record> {
    let call = call.into();
    at_once(METHODS, |method| {
        // A printed backtrace would take the place of the message in the tail of standard error.
        let scheduler = Scheduler::new().start_method(method).timeout(limit).env_remove("RUST_BACKTRACE");
        let records = scheduler.run([("a".to_owned(), call.clone())]).expect("the input is fine");
        let [record] = <[Record; 1]>::try_from(records).expect("one job, one record");
        record
    })
}

fn messages(panics: &[Panic]) -> Vec<&str> {
    panics.iter().map(|panic| panic.message.as_str()).collect()
}

/// Asserts that this panic is the cause of a job's failure, and that these were raised beside it.
#[track_caller]
fn assert_caused_by(call: impl Into<AnyJob>, message: &str, file: &str, beside: &[&str]) {
    for record in ended(call, PLENTY) {
        let Some(Failure::Panicked(panic)) = record.failure() else {
            panic!("{record:?} {:?} {:?}", record.panics(), record.stderr_tail())
        };
        assert_eq!(panic.message, message);
        assert!(panic.location.as_ref().is_some_and(|location| location.file.ends_with(file)), "{panic:?}");
        assert_eq!(messages(record.panics()), beside);
        assert!(record.stderr_tail().contains(message), "{}", record.stderr_tail());
    }
}

#[cfg(unix)]
#[test]
fn a_caught_panic_is_not_the_cause_of_a_later_failure() {
    use Afterwards::{Aborts, Exits, FailsAnAssertion, Overflows, SignalsItself};
    let aborted = |failure: &Failure| matches!(failure, Failure::Signaled { name: "SIGABRT", .. });
    for (then, is_expected) in [
        (Aborts, aborted as fn(&Failure) -> bool),
        (FailsAnAssertion, aborted),
        (SignalsItself, aborted),
        (Overflows, |failure| matches!(failure, Failure::StackOverflow { .. })),
        (Exits, |failure| matches!(failure, Failure::Exited { code: 3, .. })),
    ] {
        for (call, message) in
            [(catches_panics_and::job(1, then), "caught 0"), (panics_elsewhere_and::job(then), "the cause")]
        {
            for record in ended(call, PLENTY) {
                assert!(record.failure().is_some_and(is_expected), "{then:?}: {record:?}");
                assert_eq!(messages(record.panics()), [message]);
            }
        }
    }
}

#[cfg(unix)]
#[test]
fn a_signal_after_a_caught_panic_is_retried_as_a_signal() {
    let call = catches_panics_and::job(1, Afterwards::Aborts).retries(2).retry_on(vec![scheduler::Cause::Signal]);
    let records = Scheduler::new().run([("a".to_owned(), AnyJob::from(call))]).expect("the input is fine");
    assert_eq!(records[0].attempts().len(), 3, "{:?}", records[0]);
}

#[test]
fn a_fatal_panic_is_the_cause_and_the_one_before_it_is_named() {
    let cannot_unwind = "panic in a function that cannot unwind";
    assert_caused_by(panics::job(), "plain text", "jobs.rs", &[]);
    assert_caused_by(panics_in_a_callback::job(), "the cause", "panics.rs", &["caught before", cannot_unwind]);
    assert_caused_by(
        panics_in_a_callback_elsewhere::job(),
        "the cause",
        "panics.rs",
        &["caught before", cannot_unwind],
    );
    let in_cleanup = "panic in a destructor during cleanup";
    assert_caused_by(panics_twice::job(), "the first", "jobs.rs", &["while another panic unwinds", in_cleanup]);
    assert_caused_by(passes_a_panic_on::job(), "the cause", "panics.rs", &["caught before"]);
    if cfg!(debug_assertions) {
        let [record, ..] = &ended(breaks_a_precondition::job(), PLENTY)[..] else { panic!("one for each method") };
        let Some(Failure::Panicked(panic)) = record.failure() else { panic!("{record:?}") };
        assert!(panic.message.starts_with("unsafe precondition(s) violated"), "{panic:?}");
    }
}

#[cfg(unix)]
#[test]
fn a_panic_as_a_thread_exits_is_the_cause_of_the_abort() {
    assert_caused_by(panics_as_a_thread_ends::job(), "the cause", "panics.rs", &[]);
}

#[test]
fn the_panic_of_a_thread_is_kept_and_printed_whatever_the_outcome() {
    for record in ended(panics_elsewhere_and::job(Afterwards::Hangs), LIMIT) {
        assert_eq!(record.status(), Status::Timeout);
        let [panic] = record.panics() else { panic!("{record:?}") };
        assert_eq!((panic.message.as_str(), panic.thread.as_deref()), ("the cause", Some("other")));
        assert!(panic.location.as_ref().is_some_and(|location| location.file.ends_with("panics.rs")), "{panic:?}");
        let tail = record.stderr_tail();
        assert!(tail.contains("thread 'other'") && tail.contains("the cause"), "{tail}");
        let json = serde_json::to_value(&record).expect("it serializes");
        assert_eq!((&json["status"], &json["panics"][0]["message"]), (&"timeout".into(), &"the cause".into()));
    }
    for record in ended(panics_elsewhere_and::job(Afterwards::Returns), PLENTY) {
        assert_eq!(record.result::<i32>().expect("it returned"), 1);
        assert_eq!(messages(record.panics()), ["the cause"]);
    }
}

#[cfg(feature = "tokio")]
#[test]
fn the_panic_of_a_task_is_kept_and_printed() {
    for record in ended(scheduler_tests::panics::panics_in_a_task_and_waits::job(), LIMIT) {
        assert_eq!((record.status(), messages(record.panics())), (Status::Timeout, vec!["the cause"]));
        assert!(record.stderr_tail().contains("the cause"), "{}", record.stderr_tail());
    }
}

#[test]
fn a_typed_run_has_the_panics_too() {
    let run = scheduler::run_job_with_timeout(panics_elsewhere_and::job(Afterwards::Returns), PLENTY);
    assert_eq!(messages(run.expect("the input is fine").panics()), ["the cause"]);
}

#[test]
fn of_a_flood_of_panics_the_first_are_kept() {
    for record in ended(catches_panics_and::job(5000, Afterwards::Returns), PLENTY) {
        assert_eq!(record.result::<i32>().expect("it returned"), 1);
        let first: Vec<_> = (0..8).map(|number| format!("caught {number}")).collect();
        assert_eq!(messages(record.panics()), first);
    }
}

#[test]
fn a_job_that_did_not_panic_has_no_panics() {
    let record = &Scheduler::new().run(jobs![("a", scheduler_tests::jobs::fast)]).expect("the input is fine")[0];
    assert!(record.panics().is_empty());
    assert!(serde_json::to_value(record).expect("it serializes").get("panics").is_none());
}

#[test]
fn a_job_prints_its_panics_as_an_ordinary_program_does() {
    for backtrace in ["0", "1"] {
        let output = app("", &["60000", "panics"]).env("RUST_BACKTRACE", backtrace).output().expect("it is built");
        let reported = String::from_utf8_lossy(&output.stderr);
        assert!(reported.contains("\nthread 'main'") && reported.contains(":\nplain text\n"), "{reported}");
        assert_eq!(reported.matches("plain text").count(), 1, "{reported}");
        assert_eq!(reported.contains("stack backtrace:\n"), backtrace == "1", "{reported}");
    }
}

#[test]
fn the_panic_hook_of_main_is_called_in_the_job() {
    for backtrace in ["0", "1"] {
        let output = app("hooked", &["60000", "panics"]).env("RUST_BACKTRACE", backtrace).output();
        let output = output.expect("the fixture is built");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "the application's hook: plain text\n");
        let error = records(&output)[0]["error"].clone();
        assert!(error.as_str().is_some_and(|error| error.contains("panicked at ")), "{error}");
    }
}

/// Returns the records of jobs in an application that wants backtraces.
fn traced(jobs: &[&str]) -> Vec<Value> {
    let arguments = [&["60000"], jobs].concat();
    records(&app("", &arguments).env("RUST_BACKTRACE", "1").output().expect("the fixture is built"))
}

#[test]
fn resolving_a_backtrace_does_not_count_against_the_timeout() {
    // The best of three, as the machine may be busy.
    let tried = (0..3).map(|_| {
        let [resolves, panics, ..] = &traced(&["resolves_a_backtrace", "panics"])[..] else { panic!("two records") };
        let took: Duration = serde_json::from_value(resolves["result"].clone()).expect("it is a duration");
        assert!(panics["error"].as_str().is_some_and(|error| error.contains("plain text")), "{panics}");
        panics["duration_sec"].as_f64().expect("it is a number") / took.as_secs_f64()
    });
    let ratio = tried.fold(f64::MAX, f64::min);
    assert!(ratio < 0.5, "{ratio} of the time that it takes to resolve one");
}
