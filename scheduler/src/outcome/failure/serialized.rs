//! How parts of a failure are serialized.

use std::time::SystemTime;

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use super::Overrun;
use crate::clock::rfc_3339;
use crate::seconds::Seconds;

/// Serializes a time as records have it.
#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a field by reference; on Windows this one is small")]
pub(super) fn moment<S: Serializer>(moment: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
    rfc_3339(*moment).serialize(serializer)
}

/// Serializes a timeout as the fields of a [`Failure`](super::Failure), without its kind and without a value that came late.
pub(super) fn overrun<S: Serializer>(overrun: &Overrun, serializer: S) -> Result<S::Ok, S::Error> {
    let failure = overrun.failure();
    let mut fields = serializer.serialize_struct("Overrun", 5 + usize::from(failure.is_some()))?;
    fields.serialize_field("limit_sec", &Seconds(overrun.limit))?;
    fields.serialize_field("reason", overrun.kind.as_str())?;
    fields.serialize_field("whose", if overrun.is_of_list() { "list" } else { "job" })?;
    fields.serialize_field("grace_sec", &Seconds(overrun.grace))?;
    fields.serialize_field("ended_in_order", &overrun.ended_in_order())?;
    if let Some(failure) = failure {
        fields.serialize_field("late_failure", failure)?;
    }
    fields.end()
}
