//! Crashes: where a job was when it died by a signal.

use std::time::{Duration, Instant};

use scheduler::{
    AnyJob, Failure, Incomplete, Outcome, ProcessSnapshot, Record, Run, Scheduler, StartMethod, ThreadSnapshot,
    ThreadState,
};
use scheduler_tests::crashing::{Crash, crashes};
use scheduler_tests::jobs::fast;

use super::{calls, is_in_time};
use crate::{METHODS, PLENTY, at_once};

/// The most times that a job is run until its capture is whole: beside other work, its time may not be enough.
const TRIES: usize = 60;

/// Asserts that the job dies as it does without a capture, and that the function in which it crashed is on a stack.
fn assert_shows(how: Crash, signal: i32, names: &[&str]) {
    for method in METHODS {
        let run = |stacks: bool| {
            let scheduler = Scheduler::new().timeout(PLENTY).start_method(method).stacks(stacks);
            let run = scheduler.spawn(crashes::job(how)).and_then(|handle| handle.wait()).expect("nothing fails");
            match &run.outcome {
                Outcome::Error(Failure::Signaled { signal: found, .. }) => assert_eq!(*found, signal, "{run:?}"),
                Outcome::Error(Failure::StackOverflow { .. }) => assert_eq!(how, Crash::StackOverflow),
                other => panic!("{how:?}: {other:?}"),
            }
            run
        };
        assert!(run(false).stacks().is_empty());
        let shows = |stacks: &[ProcessSnapshot]| {
            let threads = stacks.first().map(ProcessSnapshot::threads).unwrap_or_default();
            let mut crashed = threads.iter().filter(|thread| thread.has_crashed());
            let is_shown = |thread: &ThreadSnapshot| calls(thread, names) && !calls(thread, &["on_crash"]);
            crashed.next().is_some_and(is_shown) && crashed.next().is_none()
        };
        let whole = (0..TRIES).map(|_| run(true)).find(|run| shows(run.stacks()) || is_whole(run.stacks()));
        let stacks = whole.as_ref().map(Run::stacks).expect("one of the captures is whole");
        assert!(shows(stacks), "{how:?}: {}\n{stacks:?}", ProcessSnapshot::tree(stacks));
    }
}

/// Returns whether the time was enough for everything, and the process was there.
fn is_whole(stacks: &[ProcessSnapshot]) -> bool {
    let has_exited = |thread: &ThreadSnapshot| thread.incomplete() == Some(Incomplete::Exited);
    is_in_time(stacks)
        && stacks.first().is_some_and(|job| job.state() != ThreadState::Zombie && !job.threads().iter().any(has_exited))
}

#[test]
fn a_crash_is_captured_where_it_happened_and_dies_as_ever() {
    at_once(
        [
            (Crash::Null, libc::SIGSEGV, &["writes_to_null", "crashing::crashes"][..]),
            (Crash::CallsNull, libc::SIGSEGV, &["calls_null", "crashing::crashes"]),
            (Crash::Abort, libc::SIGABRT, &["abort", "crashing::crashes"]),
            (Crash::WithoutDescriptors, libc::SIGABRT, &["abort", "crashing::crashes"]),
            (Crash::Trap, libc::SIGTRAP, &["traps", "crashing::crashes"]),
            (Crash::Raise(libc::SIGFPE), libc::SIGFPE, &["crashing::crashes"]),
            (Crash::Raise(libc::SIGILL), libc::SIGILL, &["crashing::crashes"]),
            (Crash::InThread, libc::SIGSEGV, &["writes_to_null", "thread"]),
            (Crash::Truncated, libc::SIGBUS, &["reads_a_truncated_file", "crashing::crashes"]),
            (Crash::StackOverflow, libc::SIGABRT, &["recurses", "recurses", "recurses"]),
        ],
        |(how, signal, names)| assert_shows(how, signal, names),
    );
}

/// What its timeout was about stays.
#[test]
fn a_crash_in_the_grace_period_leaves_the_stacks_of_the_timeout() {
    for method in METHODS {
        let run = || {
            let scheduler = Scheduler::new().start_method(method).stacks(true).grace(PLENTY);
            let job = crashes::job(Crash::InGrace).timeout(Duration::from_millis(200));
            scheduler.spawn(job).and_then(|handle| handle.wait()).expect("nothing fails")
        };
        let waits = |run: &Run<()>| {
            let mut threads = run.stacks().iter().flat_map(ProcessSnapshot::threads);
            threads.any(|thread| !thread.has_crashed() && calls(thread, &["waits_to_be_asked"]))
        };
        let whole = (0..TRIES).map(|_| run()).find(|run| waits(run) || is_whole(run.stacks()));
        let run = whole.expect("one of the captures is whole");
        assert!(
            matches!(run.outcome, Outcome::Timeout(_)) && waits(&run),
            "{run:?}\n{}",
            ProcessSnapshot::tree(run.stacks())
        );
    }
}

/// The second thread waits as well: its signal would kill the process.
#[test]
fn of_two_threads_that_crash_at_once_the_first_is_captured() {
    const ROUNDS: usize = 8;
    for method in METHODS {
        let run = || {
            let scheduler = Scheduler::new().timeout(PLENTY).start_method(method).stacks(true);
            let run = scheduler.spawn(crashes::job(Crash::Twice)).and_then(|handle| handle.wait());
            let run = run.expect("nothing fails");
            let is_segv = matches!(run.outcome, Outcome::Error(Failure::Signaled { signal: libc::SIGSEGV, .. }));
            assert!(is_segv, "{run:?}");
            run
        };
        let shows_crash = |run: &Run<()>| {
            let mut threads = run.stacks().iter().flat_map(ProcessSnapshot::threads);
            threads.any(|thread| thread.has_crashed() && calls(thread, &["writes_to_null"]))
        };
        let runs: Vec<_> = (0..ROUNDS).map(|_| run()).collect();
        // On a busy machine the time is not always enough.
        let lost = runs.iter().filter(|run| !shows_crash(run) && (is_in_time(run.stacks()) || run.stacks().is_empty()));
        let lost = lost.map(|run| ProcessSnapshot::tree(run.stacks()).to_string()).collect::<Vec<_>>();
        assert!(lost.is_empty(), "{} of {ROUNDS}: {lost:#?}", lost.len());
    }
}

#[test]
fn a_process_that_dies_of_several_threads_is_reaped_at_once() {
    const ROUNDS: usize = 20;
    // A warden that misses an exit looks for one after a second. The machine may be busy for a moment.
    const LATE: Duration = Duration::from_millis(900);
    for method in METHODS {
        let time = |stacks: bool| {
            let begin = Instant::now();
            let scheduler = Scheduler::new().timeout(PLENTY).start_method(method).stacks(stacks);
            let run = scheduler.spawn(crashes::job(Crash::AbortTogether)).and_then(|handle| handle.wait());
            let Outcome::Error(failure) = run.expect("nothing fails").outcome else { panic!("it aborts") };
            assert!(matches!(failure, Failure::Signaled { signal: libc::SIGABRT, .. }), "{failure:?}");
            begin.elapsed()
        };
        let late = (0..ROUNDS).filter(|_| time(true) > time(false) + LATE).count();
        assert!(late <= ROUNDS / 4, "{late} of {ROUNDS} were late");
    }
}

/// The handlers of an earlier call in the same process serve the later ones.
#[test]
fn a_crash_in_a_process_that_has_served_another_call_is_captured_too() {
    let shows = |record: &Record| {
        let mut threads = record.stacks().iter().flat_map(ProcessSnapshot::threads);
        threads.any(|thread| calls(thread, &["writes_to_null", "crashing::crashes"]))
    };
    let run = || {
        let scheduler = Scheduler::new().start_method(StartMethod::Reuse { calls: 3 }).timeout(PLENTY).stacks(true);
        let run = |job: AnyJob| scheduler.run([("id", job)]).expect("the input is fine").remove(0);
        let (first, second) = (run(fast::job().into()), run(crashes::job(Crash::Null).into()));
        assert_eq!(second.process(), first.process(), "{first:?}");
        let failure = second.failure();
        assert!(matches!(failure, Some(Failure::Signaled { signal: libc::SIGSEGV, .. })), "{second:?}");
        second
    };
    let whole = (0..TRIES).map(|_| run()).find(|record| shows(record) || is_whole(record.stacks()));
    let record = whole.expect("one of the captures is whole");
    assert!(shows(&record), "{record:#}");
}

/// A filter that kills decides how the process dies. With one that refuses, the process dies of its own crash.
#[test]
fn a_job_below_a_seccomp_filter_dies_of_its_crash_or_by_the_filter() {
    let refuses = libc::SECCOMP_RET_ERRNO | libc::EPERM.cast_unsigned();
    at_once([(libc::SECCOMP_RET_KILL_PROCESS, libc::SIGSYS), (refuses, libc::SIGSEGV)], |(action, signal)| {
        for method in METHODS {
            let scheduler = Scheduler::new().timeout(PLENTY).start_method(method).stacks(true);
            let handle = scheduler.spawn(crashes::job(Crash::Filtered(action))).expect("the input is fine");
            let run = handle.wait().expect("nothing fails");
            let Outcome::Error(Failure::Signaled { signal: found, .. }) = run.outcome else { panic!("{run:?}") };
            assert_eq!(found, signal);
        }
    });
}
