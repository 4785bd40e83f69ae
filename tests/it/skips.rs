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
    let script = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../.ci/run");
    let script = std::fs::read_to_string(script).expect("it is part of the repository");
    let listed = script.lines().filter_map(|line| line.trim().strip_prefix('"')?.split_once(": "));
    // Those of Windows are compiled there, and the storms have their own binary.
    let is_here = |name: &&str| name.contains("::") && !name.contains("::windows::") && !name.starts_with("storms::");
    let listed = listed.map(|(name, _)| name).filter(is_here);
    let listed: Vec<_> = listed.collect();
    assert!(listed.len() > 10, "{listed:?}");
    let tests = itself(&["--list"], |_| {});
    let tests = String::from_utf8(tests.stdout).expect("names are text");
    for name in listed {
        assert!(tests.lines().any(|line| line == format!("{name}: test")), "there is no test `{name}`");
    }
}
