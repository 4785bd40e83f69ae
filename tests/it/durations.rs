//! The shortest and the longest duration, and none, in every setting that takes one: a run, or a refusal, and never a
//! panic.

use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use scheduler::{
    Backoff, Error, Handle, Job, Record, Scheduler, default_follow_up_logger, jobs, run_job_async,
    run_job_with_timeout, schedule_jobs, this_job,
};
use scheduler_tests::jobs::{fails, fast, hangs};
use scheduler_tests::profile::{quick_or_full, sample};

use crate::{PLENTY, WAIT_LIMIT};

const DURATIONS: [Duration; 3] = [Duration::ZERO, Duration::from_nanos(1), Duration::MAX];

/// Returns whether the input was refused; a run must have given something for every job.
#[track_caller]
fn is_refused<T>(what: &str, run: Result<T, Error>, is_complete: impl FnOnce(T) -> bool) -> bool {
    match run {
        Ok(result) => {
            assert!(is_complete(result), "{what}");
            false
        }
        Err(error) => {
            assert!(error.is_invalid_timeout() || error.is_invalid_setting(), "{what}: {error}");
            true
        }
    }
}

/// Two records, whatever is in them.
#[expect(clippy::needless_pass_by_value, reason = "it is what a run returns")]
fn two(records: Vec<Record>) -> bool {
    records.len() == 2
}

fn retried() -> Job<i32> {
    fails::job().retries(1)
}

#[test]
fn a_list_takes_any_duration_in_any_setting_or_refuses_it() {
    type Set = fn(Scheduler, Duration) -> Scheduler;
    let settings: [(&str, Set, [bool; 3]); 15] = [
        ("stall", |scheduler, duration| scheduler.stall(duration), [true, false, false]),
        ("silence", |scheduler, duration| scheduler.silence(duration), [true, false, false]),
        ("slow", |scheduler, duration| scheduler.slow(duration), [true, false, false]),
        ("maximum timeout", |scheduler, duration| scheduler.max_timeout(duration), [true, false, false]),
        ("timeout", |scheduler, duration| scheduler.timeout(duration), [true, false, false]),
        ("start timeout", |scheduler, duration| scheduler.start_timeout(duration), [true, false, false]),
        ("delivery timeout", |scheduler, duration| scheduler.delivery_timeout(duration), [true, false, false]),
        ("total timeout", |scheduler, duration| scheduler.total_timeout(duration), [true, false, false]),
        ("grace", |scheduler, duration| scheduler.grace(duration), [false, false, true]),
        ("CPU time", |scheduler, duration| scheduler.cpu_time(duration), [true, false, false]),
        ("fixed", |scheduler, duration| scheduler.backoff(Backoff::fixed(duration)), [false, false, true]),
        (
            "fixed, jitter",
            |scheduler, duration| scheduler.backoff(Backoff::fixed(duration).jitter(1.0)),
            [false, false, true],
        ),
        (
            "first",
            |scheduler, first| scheduler.backoff(Backoff::exponential(first, Duration::MAX)),
            [false, false, true],
        ),
        ("cap", |scheduler, cap| scheduler.backoff(Backoff::exponential(Duration::ZERO, cap)), [false; 3]),
        ("both", |scheduler, both| scheduler.backoff(Backoff::exponential(both, both)), [false, false, true]),
    ];
    for (what, set, refused) in sample(settings, 2) {
        for (duration, refused) in DURATIONS.into_iter().zip(refused) {
            let what = format!("{what} of {duration:?}");
            let clock = Instant::now();
            for concurrency in quick_or_full(2..=2, 1..=2) {
                let scheduler = set(Scheduler::new().concurrency(concurrency), duration);
                let list = jobs![("a", fast), ("b", { retried() })];
                assert_eq!(is_refused(&what, scheduler.run(list), two), refused, "{what}");
            }
            let scheduler = set(Scheduler::new(), duration);
            let handles: Result<Vec<_>, _> =
                [retried(), retried()].map(|job| scheduler.spawn(job)).into_iter().collect();
            let is_over = |handles: Vec<Handle<i32>>| handles.into_iter().all(|handle| handle.wait().is_ok());
            if !what.starts_with("total") {
                assert_eq!(is_refused(&what, handles, is_over), refused, "{what}");
            }
            assert!(clock.elapsed() < WAIT_LIMIT, "{what}: {:?}", clock.elapsed());
        }
    }
}

#[test]
fn a_call_takes_any_duration_in_any_setting_or_refuses_it() {
    type Set = fn(Job<i32>, Duration) -> Job<i32>;
    let settings: [(&str, Set, [bool; 3]); 7] = [
        ("stall", |job, duration| job.stall(duration), [true, false, false]),
        ("maximum timeout", |job, duration| job.max_timeout(duration), [true, false, false]),
        ("timeout", |job, duration| job.timeout(duration), [true, false, false]),
        ("grace", |job, duration| job.grace(duration), [false, false, true]),
        ("CPU time", |job, duration| job.cpu_time(duration), [true, false, false]),
        ("fixed", |job, duration| job.backoff(Backoff::fixed(duration)), [false, false, true]),
        ("both", |job, both| job.backoff(Backoff::exponential(both, both).jitter(0.5)), [false, false, true]),
    ];
    for (what, set, refused) in settings {
        for (duration, refused) in DURATIONS.into_iter().zip(refused) {
            let what = format!("{what} of {duration:?}");
            let run = run_job_with_timeout(set(retried(), duration), PLENTY);
            assert_eq!(is_refused(&what, run, |_| true), refused, "{what}");
            let handle = Scheduler::new().spawn(set(retried(), duration)).and_then(|handle| handle.wait());
            assert_eq!(is_refused(&what, handle, |_| true), refused, "{what}");
        }
    }
}

#[test]
fn a_ceiling_of_any_duration_is_kept_or_refused() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for duration in DURATIONS {
        let is_zero = duration.is_zero();
        let records = schedule_jobs(
            jobs![("a", fast), ("b", { retried() })],
            duration,
            default_follow_up_logger,
            folder.path().join("log"),
        );
        assert_eq!(is_refused("schedule_jobs", records, two), is_zero);
        assert_eq!(is_refused("run_job_with_timeout", run_job_with_timeout(retried(), duration), |_| true), is_zero);
        let mut future = pin!(run_job_async(retried(), duration));
        let clock = Instant::now();
        let run = loop {
            match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(run) => break run,
                Poll::Pending => assert!(clock.elapsed() < WAIT_LIMIT, "{duration:?}"),
            }
            thread::sleep(Duration::from_millis(1));
        };
        assert_eq!(is_refused("run_job_async", run, |_| true), is_zero);
    }
}

#[test]
fn a_handle_waits_for_any_duration() {
    for duration in [Duration::ZERO, Duration::from_nanos(1)] {
        let handle = Scheduler::new().spawn(hangs::job()).expect("the input is fine");
        assert!(handle.wait_timeout(duration).expect("nothing fails").is_none());
    }
    let handle = Scheduler::new().spawn(fast::job()).expect("the input is fine");
    assert!(handle.wait_timeout(Duration::MAX).expect("nothing fails").is_some());
}

#[scheduler::job(grace = "1ns", timeout = "500ms")]
fn waits_inside(timeout: Duration) -> (bool, Option<Duration>) {
    (this_job::cancelled().wait_timeout(timeout), this_job::remaining())
}

#[test]
fn a_job_waits_for_any_duration() {
    for (duration, kept) in DURATIONS.into_iter().zip([true, true, false]) {
        let run = run_job_with_timeout(waits_inside::job(duration), PLENTY).expect("the input is fine");
        match run.outcome {
            scheduler::Outcome::Ok((is_cancelled, left)) => assert!(kept && !is_cancelled && left.is_some()),
            outcome => assert!(!kept, "{duration:?}: {outcome:?}"),
        }
    }
}
