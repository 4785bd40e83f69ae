//! Jobs that are followed up by jobs, in every way.

#![expect(
    clippy::missing_panics_doc,
    reason = "these jobs do what jobs should not, and they are not called as functions"
)]

use std::time::Duration;

use scheduler::{Ended, job, this_job};
use serde::{Deserialize, Serialize};

use crate::ending::Ending;
use crate::leftovers::{Leftover, leave};

/// Comes to this ending.
///
/// # Errors
///
/// If it is to fail.
#[job(follow_up = summarises)]
pub fn is_followed(ending: Ending) -> Result<(), String> {
    ending.come()
}

/// What a follow-up saw.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// The id.
    pub job_id: String,
    /// The name.
    pub job: String,
    /// The cause.
    pub cause: scheduler::Cause,
    /// The error.
    pub error: Option<String>,
    /// The limit.
    pub limit: Option<Duration>,
    /// The attempt.
    pub attempt: u32,
    /// The key.
    pub key: String,
}

/// Returns what it sees.
#[job(timeout = "60s")]
pub fn summarises(ended: Ended) -> Summary {
    Summary {
        job_id: ended.job_id().to_owned(),
        job: ended.job().to_owned(),
        cause: ended.cause(),
        error: ended.error().map(str::to_owned),
        limit: ended.limit(),
        attempt: ended.attempt(),
        key: ended.key().to_owned(),
    }
}

/// Hangs, and is followed up by a job that leaves a process behind and hangs.
#[job(timeout = "200ms", follow_up = leaves_and_hangs)]
pub fn hangs_with_a_tag(tag: String) {
    this_job::checkpoint(&tag).expect("text can be saved");
    Ending::Hangs.come().expect("it hangs");
}

/// Leaves a process behind that can be found by the checkpoint of the job, and hangs.
#[job(timeout = "1h")]
pub fn leaves_and_hangs(ended: Ended) {
    let tag = ended.checkpoint::<String>().expect("it is text").expect("it was saved");
    leave(Leftover::HARDEST, &tag);
    Ending::Hangs.come().expect("it hangs");
}

/// Comes to an ending of its own, with a process left behind.
///
/// # Errors
///
/// If it is to fail.
#[job]
pub fn follows(ended: Ended, leftover: Leftover, ending: Ending, tag: String) -> Result<String, String> {
    leave(leftover, &tag);
    ending.come()?;
    Ok(ended.job_id().to_owned())
}
