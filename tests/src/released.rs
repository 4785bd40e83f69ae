//! Jobs that wait until their test releases them, by killing the process that they have started for that.

use std::process::Stdio;

use scheduler::job;

use crate::ending::Ending;
use crate::leftovers::{Leftover, starting};

/// Returns `bytes` bytes of text, once it is released.
#[job]
#[must_use]
pub fn returns_once_released(bytes: usize, tag: String) -> String {
    wait(&tag);
    "x".repeat(bytes)
}

/// Does the same, and has a long grace period.
#[job(grace = "60s")]
#[must_use]
pub fn returns_late_once_released(bytes: usize, tag: String) -> String {
    returns_once_released(bytes, tag)
}

/// Aborts, once it is released.
///
/// # Errors
///
/// Never: it aborts.
#[job]
pub fn aborts_once_released(tag: String) -> Result<(), String> {
    wait(&tag);
    Ending::Aborts.come()
}

fn wait(tag: &str) {
    let child = starting(Leftover::Plain, tag).stdout(Stdio::null()).spawn();
    let status = child.and_then(|mut child| child.wait());
    assert!(!status.expect("`sh` is everywhere").success(), "it is killed");
}
