//! A job that is configured out leaves nothing behind.

use scheduler::{job, jobs};

#[cfg(any())]
#[job]
fn gone(missing: DoesNotExist) -> DoesNotExist {
    missing
}

#[job]
#[cfg(any())]
fn gone_too(missing: DoesNotExist) {}

#[job]
#[cfg_attr(all(), cfg(any()))]
fn gone_as_well(missing: DoesNotExist) {}

#[job]
#[cfg(not(any()))]
#[cfg_attr(all(), inline, cfg(all()))]
fn here() {}

// The same name twice, of which one is left.
#[job]
#[cfg(unix)]
fn either() -> u8 {
    1
}

#[job]
#[cfg(not(unix))]
fn either() -> u8 {
    2
}

fn main() {
    drop(jobs![("here", here), ("either", either)]);
}
