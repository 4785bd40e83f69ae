//! The serialized form of a call: its job by name and signature, its arguments as they are encoded, its options and its
//! checkpoint.

use std::sync::Arc;

use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::call::AnyJob;
use crate::checkpoint::Checkpoint;
use crate::options::{InheritedFds, Options};
use crate::registry;
use crate::wire::hex_bytes::HexBytes;

#[derive(Serialize, Deserialize)]
#[serde(rename = "AnyJob", deny_unknown_fields, expecting = "the serialized call of a job")]
struct CallMessage {
    job: String,
    /// The signature's hash: the types of the parameters and of the result, as written.
    signature: String,
    arguments: HexBytes,
    options: Option<Box<Options>>,
    checkpoint: Option<HexBytes>,
}

/// # The serialized form
///
/// A call is written to any `serde` format as the name and the signature of its job, its encoded arguments, its own options
/// and the checkpoint that it resumes from. A program with the same job reads it back: the same build, or another one in which
/// the job has the same name, and parameters and a result of the same types. So a call can be stored and run later, and a job can
/// return the call of another one.
///
/// The arguments are in the encoding that jobs receive them in, as hexadecimal digits in JSON;
/// [`arguments_json`](AnyJob::arguments_json) writes them for people. They, and variables that the call sets, are in it in clear.
///
/// Serializing fails if the call has what exists in this process only: an inherited descriptor, a
/// [follow-up](macro@crate::job#follow_up) of its own, [`and_then`](crate::Job::and_then) or [`or_else`](crate::Job::or_else), or
/// an argument that can't be encoded. A follow-up that the attribute sets is set again. Deserializing fails if no job of that name
/// is registered, with the nearest names, if its signature is another one, or if it has an option that this build doesn't know.
///
/// ```
/// use scheduler::{job, AnyJob, Scheduler};
///
/// #[job]
/// fn square(n: u64) -> u64 { n * n }
///
/// #[scheduler::main]
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let text = serde_json::to_string(&AnyJob::from(square::job(12)))?;
///     let call: AnyJob = serde_json::from_str(&text)?;
///     assert_eq!(Scheduler::new().run([("again", call)])?[0].result::<u64>()?, 144);
///
///     let error = serde_json::from_str::<AnyJob>(&text.replace("square", "sqare")).unwrap_err();
///     assert!(error.to_string().contains("did you mean"));
///     Ok(())
/// }
/// ```
impl Serialize for AnyJob {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let name = self.name();
        if let Some(part) = self.local_part() {
            return Err(S::Error::custom(format!(
                "the call of job `{name}` can't be serialized: {part} exists only in this process"
            )));
        }
        let arguments = self
            .arguments
            .as_ref()
            .map_err(|problem| S::Error::custom(format!("the call of job `{name}` can't be serialized: {problem}")))?;
        let message = CallMessage {
            job: name.to_owned(),
            signature: format!("{:016x}", self.entry.signature()),
            arguments: HexBytes(arguments.to_vec()),
            options: self.options.clone(),
            checkpoint: self.checkpoint.as_ref().map(|checkpoint| HexBytes(checkpoint.bytes().to_vec())),
        };
        message.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for AnyJob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let CallMessage { job, signature, arguments, options, checkpoint } = CallMessage::deserialize(deserializer)?;
        // The whole registry is sorted only for the names in a message.
        let Some(entry) = registry::find_exact(&job) else {
            return Err(D::Error::custom(registry::unknown_name(&job)));
        };
        if format!("{:016x}", entry.signature()) != signature {
            return Err(D::Error::custom(format!(
                "the call of job `{job}` was written by a build in which its parameters or its result have other types; here \
                 it is `{entry}`"
            )));
        }
        let checkpoint = checkpoint.map(|HexBytes(bytes)| Checkpoint::from_bytes(bytes));
        Ok(Self { options, checkpoint, ..Self::new(entry, Ok(Arc::new(arguments.0))) })
    }
}

impl AnyJob {
    /// Returns what of this call exists in this process only.
    fn local_part(&self) -> Option<&'static str> {
        let options = self.options.as_deref();
        if self.chain.is_some() {
            Some("the closure of `and_then`, or the fallback of `or_else`,")
        } else if options.is_some_and(|options| options.follow_up.is_some()) {
            Some("the follow-up that it sets")
        } else if options.is_some_and(|options| !options.inherited.is_empty()) {
            Some("a descriptor that it inherits")
        } else {
            None
        }
    }

    /// Returns the call without what exists in this process only.
    pub(crate) fn travelling(&self) -> Self {
        let mut call = self.clone();
        call.chain = None;
        if let Some(options) = &mut call.options {
            options.follow_up = None;
            options.inherited = InheritedFds::default();
        }
        call
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_call_is_named_without_a_private_type() {
        for text in ["[]", "7"] {
            let error = serde_json::from_str::<AnyJob>(text).expect_err("it is no call").to_string();
            assert!(error.contains("the serialized call of a job") && !error.contains("CallMessage"), "{error}");
        }
    }
}
