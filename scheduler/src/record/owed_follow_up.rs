//! `OwedFollowUp`: a follow-up job that is owed for the end of a job.

use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use crate::clock;
use crate::random::random_bytes;

/// What identifies a follow-up job, in each of its attempts, and in each run of the application until one has finished it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OwedFollowUp {
    /// What `Ended::key` returns.
    pub(crate) key: String,
    /// When nothing was left of the job, in microseconds since the epoch: what a journal keeps.
    pub(crate) since: u64,
}

impl OwedFollowUp {
    /// Returns that of a job which has ended just now.
    pub(crate) fn new() -> Self {
        let mut key = String::with_capacity(32);
        for byte in random_bytes() {
            write!(key, "{byte:02x}").expect("a `String` takes everything");
        }
        let since = clock::wall().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self { key, since: u64::try_from(since.as_micros()).unwrap_or(u64::MAX) }
    }

    pub(crate) fn time(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH.checked_add(Duration::from_micros(self.since)).unwrap_or(SystemTime::UNIX_EPOCH)
    }
}
