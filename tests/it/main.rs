//! The integration tests: jobs in real processes, under libtest and in applications with their own `main`.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "these tests look at the clock themselves, and print what they measured"
)]
#![cfg_attr(
    not(wardens),
    allow(unused_imports, dead_code, reason = "what only some tests need, all of which only Linux has")
)]

// It needs namespaces, `/proc` and its own users, and tests wardens.
mod activity;
#[cfg(wardens)]
mod adversity;
mod application;
#[cfg(feature = "tokio")]
mod async_jobs;
mod attempts;
mod auto_traits;
mod awaiting;
mod battery;
mod calls;
mod cancelling;
// It reads what only a warden can read.
#[cfg(all(wardens, feature = "stacks", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod captures;
mod chains;
mod checkpoints;
// It ends programs by signals, and reads terminals and `/proc`.
#[cfg(all(target_os = "linux", feature = "cli"))]
mod command_line;
// Only Linux has cgroups.
#[cfg(wardens)]
mod containment;
// Without the feature only Windows can receive it.
#[cfg(any(feature = "ctrlc", windows))]
mod ctrl_c;
mod delivery;
mod draining;
mod dropped_lists;
mod durations;
mod failures;
// It runs `/usr/bin/env`; `platforms` has the tests for Windows.
#[cfg(unix)]
mod environment;
mod exits;
mod expansion;
// It makes system calls fail with a filter of seccomp.
#[cfg(wardens)]
mod faults;
mod follow_up_jobs;
mod follow_ups;
// Elsewhere there is none: see `platforms`.
#[cfg(wardens)]
mod fork_server;
mod grace;
mod handles;
// It reads `/proc`.
#[cfg(target_os = "linux")]
mod hygiene;
#[cfg(feature = "journal")]
mod journal;
#[cfg(feature = "journal")]
mod journal_crashes;
// Tested as Linux enforces them; those of a job object are in `platforms`.
#[cfg(target_os = "linux")]
mod limits;
mod load;
mod many;
mod messages;
#[cfg(feature = "metrics")]
mod metrics;
mod observing;
mod prespawn;
// Loaders, valgrind, namespaces.
#[cfg(wardens)]
mod odd_starts;
mod order;
mod output;
mod panics;
mod parent_death;
// It draws in a terminal.
#[cfg(all(target_os = "linux", feature = "progress", feature = "report"))]
mod pictures;
mod platforms;
mod process_options;
mod progress;
#[cfg(all(feature = "progress", feature = "report"))]
mod progress_bar;
mod records;
// Its tests read `/proc`.
#[cfg(all(target_os = "linux", feature = "remote"))]
mod remote;
#[cfg(all(feature = "progress", feature = "report"))]
mod reports;
#[cfg(wardens)]
mod reuse;
// It reads `/proc`, and needs fork servers.
mod shared_handles;
#[cfg(wardens)]
mod shared_pool;
mod skips;
// `platforms` has the test for Windows.
#[cfg(unix)]
mod snapshots;
// Only wardens take them, on two architectures.
#[cfg(all(feature = "stacks", wardens, any(target_arch = "x86_64", target_arch = "aarch64")))]
mod stacks;
// Elsewhere no process stays.
#[cfg(wardens)]
mod staying;
// Elsewhere there is no signal that stops a process.
#[cfg(unix)]
mod stopped;
mod streaming;
mod stress;
mod sweep;
mod temp_dirs;
#[cfg(all(target_os = "linux", feature = "progress", feature = "report"))]
mod terminal;
#[cfg(feature = "signals")]
mod termination;
mod test_limits;
mod tidy;
mod timeouts;
// Without a warden only a job on the first thread of its process continues, and in a test binary none runs there.
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

use std::panic::resume_unwind;
use std::thread;
use std::time::Duration;

use scheduler_tests::platform::METHODS;
use scheduler_tests::wait_until::{WAIT_LIMIT, wait_until};

scheduler::enable_tests!();

/// Longer than any job takes that exits by itself, on a busy machine, too.
const PLENTY: Duration = Duration::from_secs(60);

/// Calls the function with all of the inputs at the same time, as tests mostly wait, and returns the results in their
/// order.
fn at_once<I: Send, T: Send>(inputs: impl IntoIterator<Item = I>, call: impl Fn(I) -> T + Sync) -> Vec<T> {
    thread::scope(|scope| {
        let call = &call;
        let threads: Vec<_> = inputs.into_iter().map(|input| scope.spawn(move || call(input))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic))).collect()
    })
}
