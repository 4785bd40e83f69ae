//! The limits of a capture, and what it costs the parent's promise.

use std::time::{Duration, Instant};

use scheduler::{Incomplete, Scheduler, Status};
use scheduler_tests::stuck::{Stuck, is_stuck};

use super::{Mark, captured, is_complete, is_in_time};
use crate::METHODS;

#[test]
fn a_hundred_threads_are_shown_with_whole_stacks() {
    let run = captured(
        METHODS[0],
        |mark| is_stuck::job(Stuck::HundredThreads, mark),
        |stacks| {
            is_in_time(stacks)
                && stacks.first().is_some_and(|job| job.threads().len() == 100 && job.threads().iter().all(is_complete))
        },
    );
    let job = &run.stacks()[0];
    assert!(job.incomplete().is_empty(), "{:?}", job.incomplete());
    assert_eq!(job.threads()[0].id(), job.pid());
    assert!(job.threads().iter().any(|thread| thread.name() == "thread 98"));
}

#[test]
fn threads_beyond_the_limit_are_counted() {
    let run = captured(
        METHODS[0],
        |mark| is_stuck::job(Stuck::ManyThreads, mark),
        |stacks| {
            stacks.first().is_some_and(|job| {
                let omitted = |reason: &Incomplete| matches!(reason, Incomplete::ThreadLimit { omitted: 38, .. });
                // A busy machine has no time for so many.
                job.incomplete().iter().any(omitted) || job.incomplete().contains(&Incomplete::TimeLimit)
            })
        },
    );
    // The message may have no room for all of them, which is marked as well.
    let job = &run.stacks()[0];
    let is_marked = [Incomplete::SizeLimit, Incomplete::TimeLimit].iter().any(|why| job.incomplete().contains(why));
    assert!(job.threads().len() == 512 || is_marked, "{:?}", job.incomplete());
}

#[test]
fn processes_beyond_the_limit_are_counted() {
    let run = captured(METHODS[0], |mark| is_stuck::job(Stuck::HundredChildren, mark), |stacks| stacks.len() == 64);
    let reasons = format!("{:?}", run.stacks()[0].incomplete());
    assert!(reasons.contains("ProcessLimit { omitted: 37 }"), "{reasons}");
}

#[test]
fn a_job_of_many_threads_and_processes_has_all_processes_and_the_stacks_of_its_first_threads() {
    let run = captured(
        METHODS[0],
        |mark| is_stuck::job(Stuck::ManyThreadsAndChildren, mark),
        |stacks| {
            let has_all = stacks.len() == 31 && stacks.iter().all(|process| !process.threads().is_empty());
            let has_stacks = || stacks[0].threads()[..100].iter().all(|thread| !thread.frames().is_empty());
            // A busy machine has no time for so many.
            (has_all && has_stacks()) || (!stacks.is_empty() && !is_in_time(stacks))
        },
    );
    // Whatever is missing is marked.
    let job = &run.stacks()[0];
    let mut without = job.threads().iter().filter(|thread| thread.frames().is_empty());
    assert!(job.threads().len() == 512 || !job.incomplete().is_empty(), "{:?}", job.incomplete());
    assert!(without.all(|thread| thread.incomplete().is_some()) || !is_in_time(run.stacks()));
}

/// As long as a capture may delay a kill, by the promise, on a machine that is not busy.
const PROMISE: Duration = Duration::from_millis(if cfg!(scheduler_emulated) { 30 * 150 } else { 150 });

#[test]
fn the_record_of_a_timeout_is_hardly_later_for_its_capture() {
    const LIMIT: Duration = Duration::from_millis(500);
    for how in [Stuck::Sleeping, Stuck::Spinning, Stuck::HundredThreads] {
        // The machine may be busy for a moment: a job that gets no processor is not captured in the time for it.
        let took = (0..10).filter_map(|_| {
            let mark = Mark::new();
            let begin = Instant::now();
            let scheduler = Scheduler::new().timeout(LIMIT).stacks(true);
            let records = scheduler.run([("id", is_stuck::job(how, mark.path()))]).expect("the input is fine");
            let took = begin.elapsed();
            assert_eq!(records[0].status(), Status::Timeout);
            (records[0].stacks().len() == 1).then_some(took)
        });
        let fastest = took.min().expect("one of ten was captured");
        println!("{how:?}: {fastest:?}");
        assert!(fastest < LIMIT + PROMISE + Duration::from_millis(100), "{how:?}: {fastest:?}");
    }
}
