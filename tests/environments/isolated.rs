//! `#[scheduler::test(timeout = …)]`: how libtest shows the tests of the crate `trials`, of which most fail.

use std::collections::HashMap;

use scheduler_tests::profile::sample;

use crate::try_cargo;

/// Runs the tests, and returns libtest's output.
#[track_caller]
fn tried(arguments: &str, result: &str) -> String {
    let arguments = format!("test --locked -p trials {arguments}");
    let (success, reported) = try_cargo(arguments.trim_end(), &[]);
    assert!(!success, "some of these tests fail: {reported}");
    assert!(reported.contains(result), "no `{result}` in {reported}");
    reported
}

/// Whether the lines that a hung test has reached are known here.
const STACKS: bool = cfg!(all(wardens, any(target_arch = "x86_64", target_arch = "aarch64")));

const ALL: &str = "test result: FAILED. 5 passed; 12 failed; 1 ignored";

/// Returns what stands under the name of each test that failed.
fn sections(reported: &str) -> HashMap<&str, &str> {
    let reported = reported.rsplit_once("\nfailures:\n").expect("the names of those that failed come last").0;
    let parts = reported.split("\n---- ").skip(1);
    parts.map(|part| part.split_once(" stdout ----\n").expect("each begins with its name")).collect()
}

#[test]
fn each_fails_alone_and_says_how() {
    let reported = tried("--test isolated", ALL);
    let sections = sections(&reported);
    for (name, expected) in [
        ("returns_an_error", "Error: Custom { kind: Other, error: \"there is no such thing\" }\n"),
        ("hangs", "began to hang\nthe test was stopped at its timeout of 100ms\n"),
        ("aborts", "the test ended without a verdict: killed by signal 6 (SIGABRT)\n"),
        (
            "aborts_as_its_process_exits",
            "the test's process failed after the test had ended: killed by signal 6 (SIGABRT)\n",
        ),
        ("overflows", "the test ended without a verdict: stack overflow: "),
        ("exits", "the test ended without a verdict: exited with code 0 before it gave a result\n"),
        ("leaves_a_process", "the test left something running: 1 process was left behind and killed\n"),
        ("does_not_panic", "note: test did not panic as expected at trials/tests/isolated.rs:"),
        ("panics_otherwise", " expected substring: \"something else\""),
        ("hangs_instead_of_panicking", "note: test did not panic as expected"),
        ("panics_with_a_value", "panicked at trials/tests/isolated.rs:"),
    ] {
        let section = sections.get(name).unwrap_or_else(|| panic!("no section of `{name}` in {reported}"));
        assert!(section.contains(expected), "{name}: {section}");
    }
    assert_eq!(sections.len(), 12, "{reported}");
    // Its processes and threads stand between.
    assert!(sections["hangs_instead_of_panicking"].contains("the test was stopped at its timeout of 100ms\n"));
    if STACKS {
        let hangs = sections["hangs"];
        for part in [
            "\nprocess ",
            ", in clock_nanosleep\n    std::thread::",
            "\n    isolated::hangs::hangs at tests/isolated.rs:76\n",
        ] {
            assert!(hangs.contains(part), "`{part}` is not in {hangs}");
        }
    }
}

#[test]
fn a_panic_and_the_output_are_shown_as_those_of_any_test() {
    let reported = tried("--test isolated panics", "test result: FAILED. 1 passed; 3 failed");
    let shown = sections(&reported)["panics"];
    let (printed, panic) = shown.split_once("\nthread 'panics' (").expect("the thread has the test's name");
    let printed: Vec<_> = printed.lines().collect();
    // Standard error has a way of its own.
    assert!(printed == ["one two", "three", "four"] || printed == ["one two", "four", "three"], "{shown}");
    let panic = panic.split_once(") panicked at trials/tests/isolated.rs:").expect("it has its place").1;
    let rest = panic.split_once(":5:\n").expect("it has its column").1;
    let message = "assertion `left == right` failed: five\n  left: 2\n right: 3\n";
    // What fails last stands last, and has no blank line behind it.
    assert_eq!(
        rest.trim_end(),
        format!("{message}note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace")
    );
}

#[test]
fn every_option_of_libtest() {
    for flags in sample(["-- --test-threads=1", "-- --test-threads=16", "-- --format=terse"], 3) {
        tried(&format!("--test isolated {flags}"), ALL);
    }
    let reported = tried("--test isolated -- --nocapture --test-threads=1", ALL);
    assert!(reported.contains("nobody reads this") && reported.contains("one two\n"), "{reported}");
    tried(
        "--test isolated -- --ignored",
        "test result: FAILED. 0 passed; 1 failed; 0 ignored; 0 measured; 17 filtered out",
    );
    let reported = tried("--lib", "test result: FAILED. 1 passed; 1 failed");
    assert!(reported.contains("test tests::is_none_the_worse_for_it ... ok"), "{reported}");
}
