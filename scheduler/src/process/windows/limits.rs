//! Limits: the job object may hold a job's process to some; so far it holds it to none.

use crate::options::Limits;

/// Says why this process can't be held to these limits.
pub(crate) fn limit(_: &Limits) -> Result<(), String> {
    Err("no job is held to limits on this platform yet; leave them out".to_owned())
}
