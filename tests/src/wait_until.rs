//! `wait_until`: how a test waits for something that it can't be woken by.

use std::time::{Duration, Instant};

/// Longer than a job takes to be stopped on a busy machine, and shorter than any job that would return by itself.
pub const WAIT_LIMIT: Duration = Duration::from_secs(20);

/// Returns once it is so.
///
/// # Panics
///
/// Panics if it is not so within 20 seconds.
#[track_caller]
#[expect(clippy::disallowed_methods, reason = "a test may look again and again")]
pub fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let clock = Instant::now();
    while !is_so() {
        assert!(clock.elapsed() < WAIT_LIMIT, "{what}: not after {WAIT_LIMIT:?}");
        std::thread::sleep(Duration::from_millis(2));
    }
}
