//! Crashes: where a job was when it died by a signal.

use scheduler::{Failure, Outcome, Scheduler};
use scheduler_tests::crashing::{Crash, crashes};
use scheduler_tests::skips::skipped;

use super::calls;
use crate::{METHODS, PLENTY, at_once};

/// Asserts that the job dies as it does without a capture, and that the function in which it crashed is on a stack.
fn assert_shows(how: Crash, signal: i32, names: &[&str]) {
    for method in METHODS {
        let run = |stacks: bool| {
            let scheduler = Scheduler::new().timeout(PLENTY).start_method(method).stacks(stacks);
            scheduler.spawn(crashes::job(how)).and_then(|handle| handle.wait()).expect("nothing fails")
        };
        let (with, without) = (run(true), run(false));
        assert!(without.stacks().is_empty());
        match (&with.outcome, &without.outcome) {
            (
                Outcome::Error(Failure::Signaled { signal: found, .. }),
                Outcome::Error(Failure::Signaled { signal: expected, .. }),
            ) => assert_eq!([*found, *expected], [signal; 2]),
            // The text has the id of the thread.
            (Outcome::Error(Failure::StackOverflow { .. }), Outcome::Error(Failure::StackOverflow { .. })) => {
                assert_eq!(how, Crash::StackOverflow);
            }
            others => panic!("{how:?}: {others:?}"),
        }
        // The machine may be too busy for the moment that the process waits.
        let Some(job) = with.stacks().first() else { return skipped(format_args!("{how:?}: no capture in time")) };
        let shows = job.threads().iter().any(|thread| calls(thread, names));
        let functions: Vec<_> = job.threads().iter().map(super::functions).collect();
        assert!(shows, "{how:?}: {functions:?}");
    }
}

#[test]
fn a_crash_is_captured_where_it_happened_and_dies_as_ever() {
    at_once(
        [
            (Crash::Null, libc::SIGSEGV, &["writes_to_null", "crashing::crashes"][..]),
            (Crash::Abort, libc::SIGABRT, &["abort", "crashing::crashes"]),
            (Crash::Raise(libc::SIGFPE), libc::SIGFPE, &["crashing::crashes"]),
            (Crash::Raise(libc::SIGILL), libc::SIGILL, &["crashing::crashes"]),
            (Crash::InThread, libc::SIGSEGV, &["writes_to_null", "thread"]),
            (Crash::Truncated, libc::SIGBUS, &["reads_a_truncated_file", "crashing::crashes"]),
            (Crash::StackOverflow, libc::SIGABRT, &["recurses", "recurses", "recurses"]),
        ],
        |(how, signal, names)| assert_shows(how, signal, names),
    );
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
