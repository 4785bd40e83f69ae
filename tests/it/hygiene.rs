//! What a job's process inherits: markers, signals, descriptors, arguments.

use std::collections::BTreeMap;

use scheduler::{Scheduler, jobs};
use scheduler_tests::platform::HAS_WARDENS;
use scheduler_tests::process_state::{ProcessState, inspects_its_process};

use crate::METHODS;

/// Returns what the first and later jobs of a list find, with every start method.
fn process_states() -> impl Iterator<Item = ProcessState> {
    METHODS.into_iter().flat_map(|method| {
        let list = jobs![("a", inspects_its_process), ("b", inspects_its_process), ("c", inspects_its_process)];
        let records = Scheduler::new().start_method(method).run(list).expect("the input is fine");
        let found = |record: scheduler::Record| record.result().unwrap_or_else(|error| panic!("{error}: {record:?}"));
        records.into_iter().map(found)
    })
}

#[test]
fn a_job_sees_no_marker_and_neither_do_its_children() {
    for found in process_states() {
        assert_eq!(found.markers, [""; 0]);
        assert_eq!(found.markers_of_children, "");
    }
}

#[test]
fn a_job_has_empty_standard_input_and_leads_its_own_session_or_group() {
    for found in process_states() {
        assert_eq!(found.stdin, 0);
        assert_eq!(found.descriptors[&0], "/dev/null");
        let [process, session, group] = found.ids;
        assert_eq!((session == process, group), (HAS_WARDENS, process));
    }
}

#[test]
fn a_job_starts_with_default_signals() {
    for found in process_states() {
        let handled = assert_plain_signals(&found);
        assert_eq!(handled, [libc::SIGBUS, libc::SIGSEGV], "the standard library's own");
    }
}

/// Asserts that the job found no signal blocked, and ignored only what every Rust program ignores; returns those that it
/// found handled.
pub(crate) fn assert_plain_signals(found: &ProcessState) -> Vec<i32> {
    let set = |name: &str| {
        let mask = u64::from_str_radix(&found.signals[name], 16).expect("a mask is hexadecimal");
        // The C library keeps 32 and 33 to itself, and a program can't change what it inherits of them.
        let signals = (1..=64).filter(|signal| mask >> (signal - 1) & 1 == 1 && ![32, 33].contains(signal));
        signals.collect::<Vec<i32>>()
    };
    assert_eq!(set("SigBlk"), [0; 0]);
    assert_eq!(set("SigIgn"), [libc::SIGPIPE]);
    set("SigCgt")
}

#[test]
fn a_job_and_its_children_inherit_no_descriptors() {
    for found in process_states() {
        // The one through which the job sends its outcome is closed when it executes a program.
        let unexpected: BTreeMap<_, _> = found.descriptors.iter().filter(|(number, _)| **number > 2).collect();
        // There may be one more: by which a job's process detects that the application is gone, or tells its warden how far
        // it has come.
        assert!(unexpected.len() <= 2, "{unexpected:?}");
        assert!(unexpected.values().all(|target| target.starts_with("socket:")), "{unexpected:?}");
        for number in found.descriptors_of_children {
            // The shell has some of its own.
            assert!(number < 10, "{number} is open in a child");
        }
    }
}

#[test]
fn a_copy_gets_only_the_arguments_that_libtest_needs() {
    let arguments = process_states().next().expect("there are several").arguments;
    let (entry, flags) = arguments.split_first().expect("the name of a test stands first");
    // Any test that runs jobs will do.
    let entries = [
        "scheduler_runs_jobs_here",
        "expansion::a_scheduler_test_may_panic",
        "async_jobs::a_test_in_a_process_of_its_own_may_be_async",
    ];
    assert!(entries.contains(&entry.as_str()), "{entry}");
    assert_eq!(flags, ["--exact", "--include-ignored", "--nocapture", "--test-threads=1"]);
}
