//! Tests that can't be run where they are: each says why, and fails where `CI` is set, unless a list allows it.

use std::env;
use std::fmt::Display;
use std::io::{self, Write as _};
use std::thread;

/// The lines `name of a test: why`, which `.ci/run` sets.
pub const ALLOWED: &str = "SCHEDULER_SKIPS";

/// Reports that the test of this thread, or a part of it, is skipped, and why.
///
/// A test that can't be run passes without having tried anything. That is right on a developer's machine; where `CI` is set
/// it would hide what is never tested, so it fails there unless [`ALLOWED`] names the test.
///
/// # Panics
///
/// Panics if `CI` is set, and the list doesn't name the test.
#[track_caller]
pub fn skipped(reason: impl Display) {
    let thread = thread::current();
    skipped_as(thread.name().unwrap_or("a thread without a name"), reason);
}

/// Does the same for a test that is one of many which are skipped for the same reason: the list has a name for all of them.
///
/// # Panics
///
/// Panics if `CI` is set, and the list doesn't have the name.
#[track_caller]
pub fn skipped_as(test: &str, reason: impl Display) {
    let list = env::var(ALLOWED).unwrap_or_default();
    let is_allowed = is_allowed(env::var("CI").ok().as_deref(), &list, test);
    assert!(
        is_allowed,
        "`{test}` can't be run here: {reason}; where `CI` is set that is a failure, unless `{ALLOWED}` has a line \
         `{test}: why` (`.ci/run` has the list)"
    );
    // The test harness captures `eprintln!`.
    let _ = writeln!(io::stderr(), "skipped: {test}: {reason}");
}

fn is_allowed(ci: Option<&str>, list: &str, test: &str) -> bool {
    let is_ci = ci.is_some_and(|ci| !ci.is_empty() && ci != "false");
    !is_ci
        || list
            .lines()
            .filter_map(|line| line.trim().split_once(": "))
            .any(|(name, why)| name == test && !why.is_empty())
}

#[cfg(test)]
mod tests {
    use super::is_allowed;

    #[test]
    fn without_ci_every_skip_is_allowed() {
        for ci in [None, Some(""), Some("false")] {
            assert!(is_allowed(ci, "", "limits::cores"), "{ci:?}");
        }
    }

    #[test]
    fn under_ci_a_skip_is_allowed_where_the_list_names_the_test_and_says_why() {
        let list = "limits::cores: the kernel pipes them away\n  sweep::all: it takes root\nsweep::some\nsweep::few: ";
        for (test, allowed) in [
            ("limits::cores", true),
            ("sweep::all", true),
            ("sweep::some", false),
            ("sweep::few", false),
            ("limits::core", false),
            ("cores", false),
        ] {
            assert_eq!(is_allowed(Some("true"), list, test), allowed, "{test}");
        }
        assert!(!is_allowed(Some("1"), "", "limits::cores"));
    }
}
