//! `Terminate`: how a job that has a grace period is asked to stop.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The longest grace period: with a longer one the hard timeout would not be hard.
pub(super) const LONGEST_GRACE: Duration = Duration::from_secs(3600);

/// How a job is asked to stop at its timeout, at the start of its grace period; for [`terminate`](crate::Job::terminate).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Terminate {
    /// By a message, which the job reads with [`this_job::is_cancelled`](crate::this_job::is_cancelled) or awaits with
    /// [`this_job::cancelled`](crate::this_job::cancelled).
    #[default]
    Cooperative,
    /// By the same message, and with SIGTERM to every process of the job's process group: for jobs that mostly run
    /// subprocesses.
    ///
    /// # Platform
    ///
    /// Unix. On other systems the same as `Cooperative`.
    Signal,
}
