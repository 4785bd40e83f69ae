//! `Terminate`: how a job is asked to end when its time is over and it has a grace period.

use std::time::Duration;

/// A grace period that is longer makes a hard timeout soft.
pub(super) const LONGEST_GRACE: Duration = Duration::from_secs(3600);

/// How a job is asked to end at its timeout, before the grace period.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Terminate {
    /// By word: inside the job `this_job` says so.
    #[default]
    Cooperative,
    /// By word, and with SIGTERM to every process of the job's process group: for jobs that are mostly subprocesses.
    ///
    /// # Platform
    ///
    /// Unix. Elsewhere the same as `Cooperative`.
    Signal,
}
