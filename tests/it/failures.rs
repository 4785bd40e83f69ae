//! Every way to fail without a value, and its record.

use std::time::Duration;

use scheduler::{AnyJob, Failure, Record, Scheduler, Status};
use scheduler_tests::jobs;
use scheduler_tests::platform::wine_is_in_the_way;

use crate::PLENTY;

fn record_of(call: impl Into<AnyJob>) -> Record {
    let records = Scheduler::new().timeout(PLENTY).run([("id", call)]).expect("the input is fine");
    let [record] = <[Record; 1]>::try_from(records).expect("one job, one record");
    record
}

fn failure_of(call: impl Into<AnyJob>) -> Failure {
    let record = record_of(call);
    assert_eq!(record.status(), Status::Error, "{record:?}");
    assert!(record.result::<()>().is_err());
    let failure = record.failure().cloned().expect("an error has a failure");
    assert_eq!(record.error(), Some(failure.to_string()));
    failure
}

#[test]
fn an_error_has_its_sources() {
    let failure = failure_of(jobs::fails::job());
    assert_eq!(failure.to_string(), "returned an error: layer 2: layer 1: layer 0");
    let Failure::Returned { message, sources, .. } = failure else { panic!("{failure:?}") };
    assert_eq!((message.as_str(), sources.len()), ("layer 2", 2));
}

#[test]
fn an_error_in_a_box_has_its_sources() {
    assert_eq!(failure_of(jobs::fails_boxed::job()).to_string(), "returned an error: layer 1: layer 0");
}

#[test]
fn an_error_that_is_only_text_is_displayed_on_one_line() {
    assert_eq!(failure_of(jobs::fails_with_text::job()).to_string(), r"returned an error: first\nsecond");
}

#[test]
fn an_error_behind_an_alias_is_no_success() {
    assert!(matches!(failure_of(jobs::fails_through_an_alias::job()), Failure::Returned { .. }));
}

#[test]
fn a_panic_has_its_message_and_location() {
    let cases = [
        (AnyJob::from(jobs::panics::job()), "plain text"),
        (jobs::panics_formatted::job(7).into(), "number 7"),
        (jobs::panics_with_a_number::job().into(), "a payload that is no text"),
    ];
    for (call, message) in cases {
        let failure = failure_of(call);
        let Failure::Panicked(panic) = &failure else { panic!("{failure:?}") };
        assert_eq!(panic.message, message);
        let location = panic.location.as_ref().expect("our hook was there");
        if message != "a payload that is no text" {
            assert!(location.file.ends_with("src/jobs.rs") && location.line > 1, "{location}");
        }
        assert!(failure.to_string().starts_with("panicked at "), "{failure}");
    }
}

#[test]
fn a_panic_that_can_not_unwind_is_recorded_as_a_panic() {
    let failure = failure_of(jobs::panics_twice::job());
    let Failure::Panicked(panic) = &failure else { panic!("{failure:?}") };
    assert_eq!(panic.message, "the first");
}

#[test]
fn panics_that_are_caught_are_no_failure() {
    let record = record_of(jobs::survives_panics::job());
    assert_eq!(record.result::<i32>().expect("it returned"), 1);
}

#[test]
fn a_panic_under_the_jobs_own_hook_keeps_its_message() {
    assert_eq!(failure_of(jobs::panics_under_its_own_hook::job()).to_string(), "panicked: unseen");
}

#[test]
fn values_that_can_not_be_encoded_or_decoded_are_reported() {
    let failure = failure_of(jobs::returns_the_unwritable::job());
    assert_eq!(failure.to_string(), "its result could not be serialized: it has no form");
    let failure = failure_of(jobs::returns_the_unreadable::job());
    assert!(matches!(failure, Failure::Unserializable { .. }), "{failure:?}");
    assert!(failure.to_string().contains("put `#[job(encoding = \"cbor\")]` above the job"), "{failure}");
    let failure = failure_of(jobs::takes_the_unreadable::job(serde_json::json!({"a": 1})));
    assert!(matches!(failure, Failure::NeverStarted { .. }), "{failure:?}");
    assert!(failure.to_string().contains("argument `_value` can't be read"), "{failure}");
}

#[test]
fn a_job_may_refuse_its_arguments_before_all_of_them_have_arrived() {
    // More than its stream holds.
    let long = "x".repeat(64 << 20);
    let failure = failure_of(jobs::takes_the_unreadable::job(serde_json::json!(long)));
    assert!(matches!(failure, Failure::NeverStarted { .. }), "{failure:?}");
    assert!(failure.to_string().contains("argument `_value` can't be read"), "{failure}");
}

#[test]
fn a_value_with_a_forged_length_takes_no_memory_in_the_application() {
    let failure = failure_of(jobs::returns_a_promise::job());
    let expected = "its result could not be serialized: it can't be read back: the bytes end too early; if \
        `Serialize` and `Deserialize` differ in form, make them agree; if only in order or names, put \
        `#[job(encoding = \"cbor\")]` above the job";
    assert_eq!(failure.to_string(), expected);
}

#[test]
fn an_exit_has_its_code() {
    for code in [0, 3, 137] {
        let failure = failure_of(jobs::exits::job(code));
        assert!(matches!(failure, Failure::Exited { code: reported, .. } if reported == code), "{failure:?}");
    }
}

#[cfg(unix)]
#[test]
fn a_signal_has_its_name() {
    let cases = [
        (AnyJob::from(jobs::aborts::job()), libc::SIGABRT, "SIGABRT"),
        #[cfg(not(target_vendor = "apple"))]
        (jobs::faults::job().into(), libc::SIGSEGV, "SIGSEGV"),
        #[cfg(target_vendor = "apple")]
        (jobs::faults::job().into(), libc::SIGBUS, "SIGBUS"),
        (jobs::dies_of_signal::job(libc::SIGKILL).into(), libc::SIGKILL, "SIGKILL"),
        (jobs::dies_of_signal::job(libc::SIGTERM).into(), libc::SIGTERM, "SIGTERM"),
    ];
    for (call, number, expected) in cases {
        let failure = failure_of(call);
        let Failure::Signaled { signal, name, .. } = failure else { panic!("{failure:?}") };
        assert_eq!((signal, name), (number, expected));
    }
}

#[test]
fn a_stack_overflow_is_recorded_as_one() {
    if wine_is_in_the_way("a process whose stack overflows seems to exit with code 0") {
        return;
    }
    let failure = failure_of(jobs::overflows::job());
    assert!(matches!(failure, Failure::StackOverflow { .. }), "{failure:?}");
    assert!(failure.to_string().contains("has overflowed its stack"), "{failure}");
}

#[test]
fn what_looks_like_an_outcome_on_standard_output_is_none() {
    let record = record_of(jobs::writes_to_descriptor_1::job());
    assert_eq!(record.result::<i32>().expect("it returned"), 42);
}

#[test]
fn the_last_output_of_a_failed_job_is_kept() {
    let record = record_of(jobs::complains_and_exits::job());
    assert_eq!(record.stderr_tail(), "first line\nlast line: ü\n");
}

#[cfg(unix)]
#[test]
fn a_job_that_closes_the_schedulers_descriptor_has_no_outcome_and_harms_no_file() {
    let failure = failure_of(jobs::closes_all_descriptors::job());
    assert!(matches!(failure, Failure::Exited { code: 1, .. }), "{failure:?}");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("own");
    let failure = failure_of(jobs::reuses_all_descriptors::job(file.clone()));
    assert!(matches!(failure, Failure::Exited { code: 1, .. }), "{failure:?}");
    assert_eq!(std::fs::read(file).expect("the job made it"), b"");
}

#[cfg(unix)]
#[test]
fn a_fork_of_a_job_reports_nothing() {
    let record = record_of(jobs::returns_twice::job());
    assert!(record.result::<u32>().expect("the job returned") > 1);
    let failure = failure_of(jobs::aborts_after_its_copy_panicked::job());
    assert!(matches!(failure, Failure::Signaled { name: "SIGABRT", .. }), "{failure:?}");
}

#[test]
fn the_resource_usage_of_a_job_is_recorded() {
    if wine_is_in_the_way("it reports the usage of the calling process, and no memory of one that has exited") {
        return;
    }
    let usage = |timeout| {
        let run = Scheduler::new().timeout(timeout).run(scheduler::jobs![("a", jobs::spins)]);
        run.expect("the input is fine")[0].usage()
    };
    // On a busy machine a job may get next to no processor time for a while.
    let mut usages = [300, 3_000, 30_000].map(Duration::from_millis).into_iter().map(usage);
    let spun = usages.find(|usage| usage.user > Duration::from_millis(20)).expect("its processor time is recorded");
    assert!(spun.peak_memory > 100 * 1024, "{spun:?}");
}
