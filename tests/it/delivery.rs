//! From the return of a function to its outcome: this time is not the function's, and has its own limit.

use std::time::Duration;

use scheduler::{AnyJob, Failure, Outcome, Record, Scheduler, Status, jobs, run_job_with_timeout};
use scheduler_tests::delivery::{
    Encoded, aborts_as_it_is_encoded, fails_with_what_is_never_written, is_asked_and_encoded_late, is_encoded_late,
    is_never_encoded,
};
use scheduler_tests::jobs::big;
use scheduler_tests::profile::sample;

use crate::{METHODS, PLENTY, at_once};

const LIMIT: Duration = Duration::from_secs(1);

/// Returns the record of a call with each start method.
fn ended(call: impl Into<AnyJob>, scheduler: impl Fn() -> Scheduler + Sync) -> Vec<Record> {
    let call = call.into();
    at_once(METHODS, |method| {
        let list = [("a".to_owned(), call.clone())];
        let records = scheduler().start_method(method).run(list).expect("the input is fine");
        let [record] = <[Record; 1]>::try_from(records).expect("one job, one record");
        record
    })
}

#[test]
fn encoding_a_result_does_not_count_against_the_timeout() {
    for record in ended(is_encoded_late::job(1500), || Scheduler::new().timeout(LIMIT)) {
        assert_eq!(record.result::<Encoded>().expect("it returned in time"), Encoded::Late(1500));
        assert!(record.duration() < LIMIT, "{record:?}");
    }
    let run = run_job_with_timeout(is_encoded_late::job(1500), LIMIT).expect("the input is fine");
    assert_eq!(run.outcome, Outcome::Ok(Encoded::Late(1500)));
}

#[test]
fn a_result_that_is_never_encoded_is_killed_and_reported_as_undelivered() {
    let scheduler = || Scheduler::new().timeout(PLENTY).delivery_timeout(LIMIT);
    for record in ended(is_never_encoded::job(), scheduler)
        .into_iter()
        .chain(ended(fails_with_what_is_never_written::job(), scheduler))
    {
        assert_eq!(
            record.error().as_deref(),
            Some("its outcome was not delivered within 1s after the function returned")
        );
        assert!(matches!(record.failure(), Some(Failure::Undelivered { .. })), "{record:?}");
        assert!(record.duration() < LIMIT, "{record:?}");
    }
}

#[test]
fn a_delivery_timeout_of_zero_is_an_error() {
    let error = Scheduler::new().delivery_timeout(Duration::ZERO).run(jobs![("a", big(1))]);
    let error = error.expect_err("nothing is delivered in no time");
    assert!(error.is_invalid_timeout(), "{error}");
}

#[test]
fn a_process_that_dies_while_its_result_is_encoded_has_the_cause_of_its_death() {
    for record in ended(aborts_as_it_is_encoded::job(), || Scheduler::new().timeout(PLENTY)) {
        #[cfg(unix)]
        assert!(matches!(record.failure(), Some(Failure::Signaled { name: "SIGABRT", .. })), "{record:?}");
        #[cfg(windows)]
        assert!(matches!(record.failure(), Some(Failure::Exited { .. })), "{record:?}");
    }
}

#[test]
fn a_result_returned_in_the_grace_period_may_be_encoded_after_it() {
    let scheduler = || Scheduler::new().timeout(Duration::from_millis(100)).grace(LIMIT);
    for record in ended(is_asked_and_encoded_late::job(1500), scheduler) {
        assert_eq!(record.status(), Status::Timeout);
        assert_eq!(record.late_result::<Encoded>().expect("it returned"), Encoded::Late(1500));
        assert!(record.duration() < LIMIT, "{record:?}");
    }
    let scheduler = || Scheduler::new().timeout(LIMIT).grace(PLENTY).delivery_timeout(LIMIT);
    for record in ended(is_never_encoded::job(), scheduler) {
        assert!(matches!(record.failure(), Some(Failure::Undelivered { .. })), "{record:?}");
    }
}

#[test]
fn a_large_result_of_a_quick_function_is_no_timeout() {
    // It takes longer than this to send, and so it would to encode in a debug build if it were encoded byte by byte.
    for method in sample(METHODS, 2) {
        let scheduler = Scheduler::new().start_method(method).timeout(LIMIT);
        let record = scheduler.run(jobs![("a", big(200 << 20))]).expect("the input is fine").remove(0);
        assert_eq!(record.status(), Status::Ok, "{record:?}");
        assert_eq!(record.result::<String>().expect("it returned").len(), 200 << 20);
    }
}
