//! A test that skips itself fails where `CI` is set, unless the list names it.

use std::process::{Command, Output};

use scheduler_tests::skips::{ALLOWED, skipped};

const SKIPS_ITSELF: &str = "skips::this_test_skips_itself";

#[test]
#[ignore = "the test below runs it"]
fn this_test_skips_itself() {
    skipped("it was made to");
}

/// Runs a copy of this binary.
#[expect(clippy::disallowed_methods, reason = "the binary is not replaced while its tests run")]
fn itself(arguments: &[&str], prepare: impl Fn(&mut Command)) -> Output {
    let mut command = Command::new(std::env::current_exe().expect("the binary of these tests runs"));
    prepare(command.args(arguments));
    command.output().expect("it can be executed once more")
}

/// Runs the test that skips itself.
fn skips_itself(ci: &str, list: &str) -> Output {
    itself(&[SKIPS_ITSELF, "--exact", "--include-ignored"], |command| {
        command.env("CI", ci).env(ALLOWED, list);
    })
}

#[test]
fn a_test_that_skips_itself_passes_only_without_ci_or_if_listed() {
    let reason = format!("{SKIPS_ITSELF}: it is a test of the list");
    for (ci, list, passes) in
        [("", "", true), ("true", "", false), ("true", "skips::another: why", false), ("true", &reason, true)]
    {
        let output = skips_itself(ci, list);
        assert_eq!(output.status.success(), passes, "CI={ci} {list}: {output:?}");
        let said =
            if passes { format!("skipped: {SKIPS_ITSELF}: it was made to") } else { format!("`{SKIPS_ITSELF}: why`") };
        let reported = [output.stdout, output.stderr].concat();
        assert!(
            String::from_utf8_lossy(&reported).contains(&said),
            "CI={ci} {list}: {}",
            String::from_utf8_lossy(&reported)
        );
    }
}

/// Otherwise a renamed test would fail on the one machine where it must skip itself.
#[cfg(wardens)]
#[test]
fn the_list_of_the_script_names_existing_tests() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |file: &str| std::fs::read_to_string(folder.join(file)).expect("it is part of the repository");
    let script = read("../.ci/run");
    let listed = script.lines().filter_map(|line| line.trim().strip_prefix('"')?.split_once(": "));
    let listed: Vec<_> = listed.map(|(name, _)| name).filter(|name| name.contains("::")).collect();
    assert!(listed.len() > 10, "{listed:?}");
    let tests = itself(&["--list"], |_| {});
    let tests = String::from_utf8(tests.stdout).expect("names are text");
    // This binary has neither the storms nor the tests for Windows.
    let sources = read("storms/storms.rs") + &read("it/platforms.rs");
    for name in listed {
        let function = name.rsplit("::").next().unwrap_or_default();
        let is_elsewhere = name.contains("::windows::") || name.starts_with("storms::");
        let exists = tests.lines().any(|line| line == format!("{name}: test"))
            || is_elsewhere && sources.contains(&format!("fn {function}()"));
        assert!(exists, "there is no test `{name}`");
    }
}
