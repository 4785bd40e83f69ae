//! `Usage` and `Exit`: what a job's process used, and how it exited.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::seconds;

/// How a process exited, as the kernel reports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Exit {
    Code(i32),
    Signal { number: i32, core_dumped: bool },
}

/// Processor time and memory of a job's process and of the children that it waited for.
///
/// Serializes as `{"user_sec": 0.001, "system_sec": 0.0, "peak_memory_bytes": 4194304}`.
///
/// # Platform
///
/// On Unix these are the numbers of `wait4`. On Windows the times are those of the job object, of everything that the job started,
/// and the memory is that of the job's own process. All are zero if nothing observed the exit of the job's process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
#[doc(alias = "rusage")]
#[doc(alias = "getrusage")]
pub struct Usage {
    /// Processor time in user code.
    #[serde(rename = "user_sec", serialize_with = "seconds::serialize")]
    pub user: Duration,
    /// Processor time in the kernel.
    #[serde(rename = "system_sec", serialize_with = "seconds::serialize")]
    pub system: Duration,
    /// The largest resident set, in bytes.
    #[serde(rename = "peak_memory_bytes")]
    pub peak_memory: u64,
}

impl Usage {
    /// Returns what was used after `before`. The memory is that of all the time.
    pub(crate) fn since(self, before: Self) -> Self {
        Self {
            user: self.user.saturating_sub(before.user),
            system: self.system.saturating_sub(before.system),
            peak_memory: self.peak_memory,
        }
    }
}
