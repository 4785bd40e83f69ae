//! Jobs in every environment that Cargo has: real Cargo runs the small crates in `workspace`, whose tests fail unless their
//! jobs ran, and ran in a process of their own.
//!
//! The table in `scheduler::guide` says what each environment needs.

mod isolated;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use scheduler_tests::profile::sample;
use scheduler_tests::skips::skipped;

/// Runs Cargo in the workspace, and returns the output of it and all that it ran.
#[track_caller]
fn cargo(arguments: &str, variables: &[(&str, &str)]) -> String {
    let (success, reported) = try_cargo(arguments, variables);
    assert!(success, "cargo {arguments}: {reported}");
    reported
}

/// Returns as well whether it succeeded.
fn try_cargo(arguments: &str, variables: &[(&str, &str)]) -> (bool, String) {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("environments/workspace");
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .current_dir(workspace)
        .args(arguments.split(' '))
        .env("CARGO_TARGET_DIR", target("environments"))
        .env("CARGO_TERM_COLOR", "never");
    // These tests are not configured as this one is.
    let ours = |name: &str| name.starts_with("RUST_TEST_") || name.starts_with("NEXTEST") || name == "RUST_BACKTRACE";
    for (name, _) in std::env::vars().filter(|(name, _)| ours(name)) {
        cargo.env_remove(name);
    }
    let output = cargo.envs(variables.iter().copied()).output().expect("Cargo runs this test");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.success(), text(&output.stdout) + &text(&output.stderr))
}

/// Cargo makes no folder in one that another Cargo is making, so that those of these tests stand side by side.
fn target(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

#[track_caller]
fn assert_prints(arguments: &str, variables: &[(&str, &str)], expected: &[&str]) {
    let reported = cargo(arguments, variables);
    for text in expected {
        assert!(reported.contains(text), "cargo {arguments}: no `{text}` in {reported}");
    }
}

#[test]
fn unit_tests_of_a_library_with_every_option_of_libtest() {
    let all = &["7 passed; 0 failed; 1 ignored"][..];
    let cases = [
        ("", &[][..], all),
        ("-- --test-threads=1", &[], all),
        ("-- --test-threads=16", &[], all),
        ("", &[("RUST_TEST_THREADS", "1")], all),
        ("-- --nocapture", &[], &["7 passed; 0 failed; 1 ignored", "printed by a job"]),
        ("", &[("RUST_TEST_NOCAPTURE", "1")], &["7 passed; 0 failed; 1 ignored", "printed by a job"]),
        ("-- -q", &[], all),
        ("-- --format=terse", &[], all),
        ("-- --ignored", &[], &["1 passed; 0 failed; 0 ignored; 0 measured; 7 filtered out"]),
        ("-- --include-ignored", &[], &["8 passed"]),
        (
            "-- tests::a_job_of_a_dependency --exact",
            &[],
            &["1 passed; 0 failed; 0 ignored; 0 measured; 7 filtered out"],
        ),
        ("-- a_job_of_a_f a_job_of_a_t", &[], &["2 passed"]),
        ("-- --skip scheduler_runs_jobs_here", &[], &["6 passed; 0 failed; 1 ignored; 0 measured; 1 filtered out"]),
        ("-- nothing_has_this_name", &[], &["0 passed; 0 failed; 0 ignored; 0 measured; 8 filtered out"]),
        ("-- --list", &[], &["tests::scheduler_runs_jobs_here: test", "8 tests, 0 benchmarks"]),
    ];
    for (flags, variables, expected) in sample(cases, 4) {
        assert_prints(format!("test --locked -p library --lib {flags}").trim_end(), variables, expected);
    }
}

#[test]
fn every_other_kind_of_target() {
    let cases = [
        ("test --locked -p library --test integration", &["2 passed; 0 failed; 1 ignored"][..]),
        // Its name is made of raw identifiers.
        ("test --locked -p library --test integration -- --ignored", &["1 passed; 0 failed"]),
        ("test --locked -p library --test own_main", &["1 passed of a test without harness"]),
        ("test --locked -p library --doc", &["3 passed; 0 failed", "1 passed; 0 failed"]),
        (
            "test --locked -p older",
            &["1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished", "Doc-tests older"],
        ),
        ("test --locked -p binary", &["2 passed; 0 failed", "1 passed; 0 failed"]),
        ("run --locked -p binary", &["panics unwind: as it must"]),
        ("run --locked -p library --example example", &["the example is done"]),
        ("test --locked -p library --example example", &["1 passed; 0 failed"]),
        ("test --locked -p library --bench with_tests", &["2 passed; 0 failed"]),
        ("test --locked -p library --bench own_main_bench", &["1 passed of a benchmark"]),
    ];
    for (arguments, expected) in sample(cases, 2) {
        assert_prints(arguments, &[], expected);
    }
}

#[test]
fn optimized_and_without_unwinding() {
    let cases = [
        ("run --locked --release -p binary", &["panics abort: as it must"]),
        ("test --locked --release -p library --lib", &["7 passed; 0 failed; 1 ignored"]),
        ("bench --locked -p library --bench own_main_bench", &["1 passed of a benchmark, called with [\"--bench\"]"]),
    ];
    for (arguments, expected) in sample(cases, 3) {
        assert_prints(arguments, &[], expected);
    }
}

/// An own `main` has no libtest that reaches the entry: its copies would run what it runs, and start copies endlessly.
#[test]
fn a_main_without_init_is_refused() {
    assert_prints("test --locked -p library --test forgetful", &[], &["refused: jobs can't run in this process"]);
}

#[test]
fn nextest() {
    let nextest = Command::new(env!("CARGO")).args(["nextest", "--version"]).output();
    if !nextest.is_ok_and(|output| output.status.success()) {
        skipped("cargo nextest is not installed");
        return;
    }
    assert_prints(
        "nextest run --locked -p library --lib --test integration",
        &[],
        &["9 tests run: 9 passed, 2 skipped"],
    );
    let (_, reported) = try_cargo("nextest run --locked -p trials --no-fail-fast", &[]);
    assert!(reported.contains("19 tests run: 6 passed, 13 failed, 1 skipped"), "{reported}");
}

/// What `cargo llvm-cov` counts: each process writes its counters to a file when it exits normally.
#[test]
fn code_that_ran_in_a_job_is_covered() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let profile = folder.path().join("%p-%m.profraw").display().to_string();
    let target = target("environments-coverage").display().to_string();
    let variables =
        [("RUSTFLAGS", "-Cinstrument-coverage"), ("LLVM_PROFILE_FILE", &*profile), ("CARGO_TARGET_DIR", &*target)];
    assert_prints("test --locked -p library --test coverage -- a_job_is_counted", &variables, &["1 passed"]);
    let counter = 1_234_567_u64.to_le_bytes();
    let was_in = |path: &Path| fs::read(path).expect("it was written").windows(8).any(|bytes| bytes == counter);
    let files = fs::read_dir(folder.path()).expect("it is a folder").map(|entry| entry.expect("an entry").path());
    assert_eq!(files.filter(|path| was_in(path)).count(), 1, "the loop ran in one process, the job's");
}
