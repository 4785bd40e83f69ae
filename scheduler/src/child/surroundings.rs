//! What a job was told of its surroundings, arranged in its process before its function is called.

use crate::process;
use crate::wire::message::Request;

/// Arranges them, or says why that can't be done.
///
/// Call it when it is the job's turn, and no earlier: what the job before it has made may be part of them.
pub(super) fn arrange(request: &Request) -> Result<(), String> {
    request.limits.as_ref().map_or(Ok(()), process::limit)
}
