//! The integration tests: jobs on real processes, under libtest and in applications of their own.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "these tests look at the clock themselves, and say what they skip"
)]

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
mod endings;
mod environment;
mod expansion;
mod faults;
mod follow_ups;
mod fork_server;
mod grace;
mod handles;
mod hygiene;
mod limits;
mod look_ahead;
mod observing;
mod order;
#[cfg(unix)]
mod output;
mod parent_death;
mod progress;
mod records;
mod stress;
mod sweep;
mod tidy;
mod timeouts;
#[cfg(feature = "tracing")]
mod tracing;
mod ui;

use std::time::Duration;

use scheduler::StartMethod;

scheduler::enable_tests!();

/// Longer than any job takes that ends by itself, on however busy a machine.
const PLENTY: Duration = Duration::from_secs(60);

/// The ways to make processes, each of which promises the same.
const METHODS: [StartMethod; 2] = [StartMethod::Exec, StartMethod::ForkServer];
