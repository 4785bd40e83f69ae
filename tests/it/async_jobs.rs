//! Jobs that are `async`: a runtime of their own runs them, and they end as any job does.

use std::time::Duration;

use scheduler::{Failure, JobResult, Outcome, Run, Status, run_job_with_timeout};
#[cfg(target_os = "linux")]
use scheduler_tests::async_jobs::needs_descriptors;
use scheduler_tests::async_jobs::{
    adds_later, awaits_a_job, awaits_for_ever, blocks_for_ever, fails_later, keeps_to_its_thread, leaves_a_task,
    leaves_a_thread_that_blocks, panics_later, returns_nothing, speaks_to_itself,
};
#[cfg(target_os = "linux")]
use scheduler_tests::process_state::NoMoreDescriptors;

use crate::PLENTY;

const SHORT: Duration = Duration::from_millis(300);

fn run<T: JobResult>(job: scheduler::Job<T>) -> Run<T> {
    run_job_with_timeout(job, PLENTY).expect("the input is fine")
}

#[test]
fn an_async_job_returns_the_output_of_its_future() {
    assert_eq!(run(adds_later::job(40, 2)).outcome, Outcome::Ok(42));
    assert_eq!(run(keeps_to_its_thread::job()).outcome, Outcome::Ok(1));
    assert_eq!(run(returns_nothing::job()).outcome, Outcome::Ok(()));
}

#[test]
fn an_async_job_has_timers_and_the_network() {
    assert_eq!(run(speaks_to_itself::job("ü".into())).outcome, Outcome::Ok("ü".to_owned()));
}

#[test]
fn the_function_stays_async() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("there are descriptors");
    assert_eq!(runtime.block_on(adds_later(1, 2)), 3);
}

#[test]
fn an_error_of_an_async_job_has_its_sources() {
    let Outcome::Error(Failure::Returned { message, sources, .. }) = run(fails_later::job()).outcome else {
        panic!("it returned an error");
    };
    assert_eq!((&*message, &*sources.join(", ")), ("layer 2", "layer 1, layer 0"));
}

#[test]
fn a_panic_of_an_async_job_has_its_location() {
    let Outcome::Error(Failure::Panicked(panic)) = run(panics_later::job(3)).outcome else {
        panic!("it panicked");
    };
    assert_eq!(panic.message, "number 3");
    assert!(panic.location.is_some_and(|location| location.file.ends_with("async_jobs.rs")));
}

#[test]
fn a_job_that_awaits_forever_is_killed_like_one_that_blocks() {
    for job in [awaits_for_ever::job(), blocks_for_ever::job()] {
        let run = run_job_with_timeout(job, SHORT).expect("the input is fine");
        assert_eq!(run.status(), Status::Timeout);
        assert!(run.duration >= SHORT, "{:?}", run.duration);
    }
}

#[test]
fn a_thread_that_blocks_does_not_delay_the_end_of_its_job() {
    assert_eq!(run(leaves_a_thread_that_blocks::job(false)).outcome, Outcome::Ok(5));
    let Outcome::Error(Failure::Panicked(panic)) = run(leaves_a_thread_that_blocks::job(true)).outcome else {
        panic!("it panicked");
    };
    assert_eq!(panic.message, "beside a thread");
}

#[test]
fn a_task_left_behind_is_dropped() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("dropped");
    assert_eq!(run(leaves_a_task::job(file.clone())).outcome, Outcome::Ok(()));
    assert!(file.exists());
}

#[cfg(target_os = "linux")]
#[test]
fn a_job_without_a_runtime_is_never_called() {
    let Outcome::Error(Failure::NeverStarted { reason, .. }) = run(needs_descriptors::job(NoMoreDescriptors)).outcome
    else {
        panic!("there was no descriptor for a runtime");
    };
    assert!(reason.contains("the runtime of its `async fn` can't be created: "), "{reason}");
}

#[test]
fn an_async_job_may_await_jobs() {
    assert_eq!(run(awaits_a_job::job()).outcome, Outcome::Ok(42));
}

#[test]
fn an_async_job_is_listed_as_it_was_declared() {
    let listed: Vec<_> = scheduler::registry().iter().map(ToString::to_string).collect();
    for declared in
        ["::adds_later(a: u32, b: u32) -> u32", "::fails_later() -> Result<i32, Layer>", "::returns_nothing() -> ()"]
    {
        assert!(listed.iter().any(|entry| entry.ends_with(declared)), "{declared}");
    }
}

#[scheduler::test(timeout = "1m")]
async fn a_test_in_a_process_of_its_own_may_be_async() -> Result<(), tokio::task::JoinError> {
    let task = tokio::spawn(async { 40 + 2 });
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(task.await?, 42);
    Ok(())
}
