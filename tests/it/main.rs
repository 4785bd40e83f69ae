//! The integration tests: jobs on real processes, under libtest and in applications of their own.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "these tests look at the clock themselves, and print what they measured"
)]
#![cfg_attr(
    not(wardens),
    allow(unused_imports, dead_code, reason = "what only some tests need, all of which only Linux has")
)]

// It takes namespaces, `/proc` and users of its own, and tries out wardens.
#[cfg(wardens)]
mod adversity;
mod application;
#[cfg(feature = "tokio")]
mod async_jobs;
mod attempts;
mod awaiting;
mod battery;
mod calls;
mod cancelling;
mod checkpoints;
// Only Linux has cgroups.
#[cfg(wardens)]
mod containment;
// Without the feature there is nothing to hear it by, but on Windows.
#[cfg(any(feature = "ctrlc", windows))]
mod ctrl_c;
mod delivery;
mod durations;
mod failures;
// It asks `/usr/bin/env`; what of it is Windows' own, `platforms` tells.
#[cfg(unix)]
mod environment;
mod exits;
mod expansion;
// It makes system calls fail with a filter of seccomp.
#[cfg(wardens)]
mod faults;
mod follow_ups;
// Elsewhere there is none: see `platforms`.
#[cfg(wardens)]
mod fork_server;
mod grace;
mod handles;
// It looks around in `/proc`.
#[cfg(target_os = "linux")]
mod hygiene;
// They are the kernel's, and tried out as Linux holds them; those of a job object are in `platforms`.
#[cfg(target_os = "linux")]
mod limits;
mod observing;
mod prespawn;
// Loaders, valgrind, namespaces.
#[cfg(wardens)]
mod odd_starts;
mod order;
mod output;
mod panics;
mod parent_death;
mod platforms;
mod progress;
mod records;
mod skips;
// Elsewhere there is no signal that stops a process.
#[cfg(unix)]
mod stopped;
mod stress;
mod sweep;
mod tidy;
mod timeouts;
// Without a warden only a job that runs on its process's first thread goes on, and in a test binary none does.
#[cfg(wardens)]
mod traced;
// The types that a self-describing encoding carries are among them.
#[cfg(feature = "tracing")]
mod tracing;
mod ui;
mod user_code;
#[cfg(feature = "cbor")]
mod values;
// What it does to itself only Unix has.
#[cfg(unix)]
mod untidy;

use std::time::Duration;

use scheduler_tests::platform::METHODS;
use scheduler_tests::wait_until::{WAIT_LIMIT, wait_until};

scheduler::enable_tests!();

/// Longer than any job takes that ends by itself, on however busy a machine.
const PLENTY: Duration = Duration::from_secs(60);
