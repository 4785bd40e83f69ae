//! The messages between an application and an agent.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::checkpoint::Checkpoint;
use crate::options::{Containment, Options, StartMethod};
use crate::outcome::{ProcessReuse, StandardStream};
use crate::process::{self, OutputLine};
use crate::record::RunReport;
use crate::supervisor::{JobSpec, JobUpdate, StopReason};
use crate::wire::codec;

/// An agent is there.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct AgentHello {
    /// The [fingerprint](super::fingerprint) of its file.
    pub(super) build: u64,
    pub(super) host: String,
    pub(super) process: u32,
    /// The allocation of the cluster's manager that it runs in.
    pub(super) allocation: Option<String>,
    /// The time since its machine's start.
    pub(super) now: Duration,
}

/// The application has accepted an agent.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Welcome {
    pub(super) session: u64,
    pub(super) lease: Duration,
    pub(super) beat: Duration,
    /// The time that the agent has sent.
    pub(super) echo: Duration,
    pub(super) start_method: StartMethod,
    pub(super) standby: usize,
    pub(super) containment: Containment,
    pub(super) start_timeout: Duration,
}

/// A job to run; its arguments follow.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct RunRequest {
    pub(super) id: String,
    pub(super) attempt: u32,
    pub(super) checkpoint: Option<Vec<u8>>,
    pub(super) job: String,
    pub(super) signature: u64,
    pub(super) options: Options,
    pub(super) timeout: Duration,
    pub(super) max_timeout: Duration,
    pub(super) total_timeout: Duration,
    pub(super) start_timeout: Duration,
    pub(super) delivery_timeout: Duration,
    /// Whether anybody receives the lines of its output.
    pub(super) is_observed: bool,
    /// Whether anything but the outcome and what it asks is to be sent.
    pub(super) is_watched: bool,
}

impl RunRequest {
    /// Returns the message for an attempt, with its arguments.
    pub(super) fn encoded(spec: &JobSpec, is_watched: bool) -> Vec<u8> {
        let request = Self {
            id: spec.id.to_string(),
            attempt: spec.attempt,
            checkpoint: spec.checkpoint.as_ref().map(|checkpoint| checkpoint.bytes().to_vec()),
            job: spec.entry.name().to_owned(),
            signature: spec.entry.signature(),
            options: (*spec.options).clone(),
            timeout: spec.timeout,
            max_timeout: spec.max_timeout,
            total_timeout: spec.total_timeout,
            start_timeout: spec.start_timeout,
            delivery_timeout: spec.delivery_timeout,
            is_observed: spec.is_observed,
            is_watched,
        };
        let mut bytes = encode(&request);
        bytes.extend_from_slice(&spec.arguments);
        bytes
    }

    /// Returns the request, and the arguments.
    pub(super) fn decoded(mut bytes: &[u8]) -> Option<(Self, Vec<u8>)> {
        let request = codec::take(&mut bytes).ok()?;
        Some((request, bytes.to_vec()))
    }
}

/// A function was called.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct StartedMessage {
    pub(super) at: SystemTime,
    pub(super) process: Option<u32>,
}

/// Ask the job to stop, or kill it.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Stop {
    pub(super) reason: StopReason,
    pub(super) is_immediate: bool,
}

/// The answer to a question, by the number of its request.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Answer {
    pub(super) number: u64,
    pub(super) answer: Result<Vec<u8>, String>,
}

/// A question of a job.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct QuestionMessage {
    pub(super) number: u64,
    pub(super) question: Vec<u8>,
}

/// What a job reports while it runs.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Update {
    Slow(Duration),
    Terminating(StopReason),
    Progress { done: u64, total: u64 },
    Line { at: SystemTime, is_stdout: bool, text: String, skipped: usize },
    Message(String),
    Checkpoint(Vec<u8>),
}

impl From<JobUpdate> for Update {
    fn from(update: JobUpdate) -> Self {
        match update {
            JobUpdate::Slow(after) => Self::Slow(after),
            JobUpdate::Terminating(reason) => Self::Terminating(reason),
            JobUpdate::Progress { done, total } => Self::Progress { done, total },
            JobUpdate::Line { at, line: OutputLine { stream, text }, skipped } => {
                Self::Line { at, is_stdout: stream == StandardStream::Stdout, text, skipped }
            }
            JobUpdate::Message(text) => Self::Message(text),
            JobUpdate::Checkpoint(saved) => Self::Checkpoint(saved.bytes().to_vec()),
        }
    }
}

impl From<Update> for JobUpdate {
    fn from(update: Update) -> Self {
        match update {
            Update::Slow(after) => Self::Slow(after),
            Update::Terminating(reason) => Self::Terminating(reason),
            Update::Progress { done, total } => Self::Progress { done, total },
            Update::Line { at, is_stdout, text, skipped } => {
                let stream = if is_stdout { StandardStream::Stdout } else { StandardStream::Stderr };
                Self::Line { at, line: OutputLine { stream, text }, skipped }
            }
            Update::Message(text) => Self::Message(text),
            Update::Checkpoint(saved) => Self::Checkpoint(Checkpoint::from_bytes(saved)),
        }
    }
}

/// How an attempt ended; the report follows.
#[derive(Debug, Serialize, Deserialize)]
struct OutcomeHeader {
    checkpoint: Option<Vec<u8>>,
    /// Of a process that may serve several calls.
    reuse: Option<Reuse>,
}

#[derive(Debug, Serialize, Deserialize)]
enum Reuse {
    Kept,
    Replaced(String),
}

/// Returns the message for the end of an attempt.
///
/// # Errors
///
/// Fails if the report can't be encoded, as it is too long.
pub(super) fn outcome(report: &RunReport) -> Result<Vec<u8>, String> {
    let details = &report.details;
    let parts = OutcomeHeader {
        checkpoint: details.checkpoint.as_ref().map(|saved| saved.bytes().to_vec()),
        reuse: details.reuse.as_ref().map(|reuse| match reuse {
            ProcessReuse::Kept => Reuse::Kept,
            ProcessReuse::Replaced { reason } => Reuse::Replaced(reason.clone()),
        }),
    };
    let mut bytes = encode(&parts);
    bytes.append(&mut report.to_stored()?);
    Ok(bytes)
}

/// Returns the report of such a message.
///
/// # Errors
///
/// Fails with the reason if it can't be read.
pub(super) fn report_of(mut bytes: &[u8]) -> Result<RunReport, String> {
    let parts: OutcomeHeader = codec::take(&mut bytes).map_err(|error| error.to_string())?;
    let mut report = RunReport::from_stored(bytes, process::system_call_name)?;
    let details = &mut report.details;
    details.is_replayed = false;
    details.checkpoint = parts.checkpoint.map(Checkpoint::from_bytes);
    details.reuse = parts.reuse.map(|reuse| match reuse {
        Reuse::Kept => ProcessReuse::Kept,
        Reuse::Replaced(reason) => ProcessReuse::Replaced { reason },
    });
    Ok(report)
}

/// Encodes a message.
pub(super) fn encode<T: Serialize>(message: &T) -> Vec<u8> {
    codec::encode(message).expect("numbers, text and bytes always encode")
}

/// Decodes a whole message.
pub(super) fn decode<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    codec::decode(bytes).ok()
}

/// Returns the message for updates.
pub(super) fn updates(updates: impl Iterator<Item = JobUpdate>) -> Option<Arc<Vec<u8>>> {
    let updates: Vec<Update> = updates.map(Update::from).collect();
    (!updates.is_empty()).then(|| Arc::new(encode(&updates)))
}
