//! `LoggedEvent`: an observer's event as it is written to a file, and as it is read back.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::observer::{
    AttemptEnded, CheckpointSaved, Message, Postponed, Progress, Queued, Recorded, Slow, Started, Terminating,
};
use crate::outcome::{Attempt, ProcessSnapshot, StandardStream, Status, Usage};
use crate::record::RunReport;

/// An event of a job that owns its data: what [`read`](super::read()) returns, and what the pictures are made of.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct LoggedEvent {
    /// When it happened, by the wall clock.
    pub at: SystemTime,
    /// A number for the job, unique in its log; zero for [`LoggedKind::Opened`].
    pub key: u64,
    /// The id that the caller gave to the job.
    pub job_id: String,
    /// The registered name of the job.
    pub job: String,
    /// What happened.
    pub kind: LoggedKind,
}

/// What happened in a [`LoggedEvent`], named as the methods of [`Observer`](crate::Observer).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum LoggedKind {
    /// An application began to write the log.
    #[non_exhaustive]
    Opened {
        /// The application's executable, if it is known.
        program: Option<String>,
        /// The application's process id.
        process: u32,
    },
    /// A job waits for its turn.
    #[non_exhaustive]
    Queued {
        /// The job's group.
        group: Option<String>,
        /// The key of the job that this one follows up on, if it is a [follow-up job](macro@crate::job#follow_up).
        follows: Option<u64>,
    },
    /// A job was to start, and waits until another one has finished.
    #[non_exhaustive]
    Postponed {
        /// The number of jobs that ran.
        running: usize,
        /// The error that no process could be started.
        reason: String,
    },
    /// A job's function was called.
    #[non_exhaustive]
    Started {
        /// The number of the attempt, from 1.
        attempt: u32,
        /// The smallest number, from 1, that no other running job had.
        slot: usize,
        /// The id of the job's process.
        process: Option<u32>,
        /// The name of the machine that it runs on, if it is another one.
        host: Option<String>,
    },
    /// A job reported its progress.
    #[non_exhaustive]
    Progress {
        /// The number of the attempt, from 1.
        attempt: u32,
        /// The finished part.
        done: u64,
        /// The whole.
        total: u64,
    },
    /// A job reported what it is doing.
    #[non_exhaustive]
    Message {
        /// The number of the attempt, from 1.
        attempt: u32,
        /// The message.
        text: String,
    },
    /// A job saved a checkpoint.
    #[non_exhaustive]
    CheckpointSaved {
        /// The number of the attempt, from 1.
        attempt: u32,
        /// The size of the checkpoint.
        bytes: u64,
    },
    /// A job has run for as long as its option [`slow`](macro@crate::job#slow) sets, and runs on.
    #[non_exhaustive]
    Slow {
        /// The number of the attempt, from 1.
        attempt: u32,
        /// The time that the option sets.
        after: Duration,
    },
    /// A job was asked to stop, and its grace period began.
    #[non_exhaustive]
    Terminating {
        /// The number of the attempt, from 1.
        attempt: u32,
        /// `"timeout"`, `"stall"`, `"silence"` or `"cancelled"`.
        reason: String,
    },
    /// An attempt is over, and what it left running was killed.
    #[non_exhaustive]
    AttemptEnded {
        /// The attempt.
        attempt: Box<LoggedAttempt>,
        /// The slot that it had, if a process was made for it.
        slot: Option<usize>,
        /// The delay before the next attempt, if there is one.
        retry_in: Option<Duration>,
    },
    /// A job is over.
    Recorded(Box<LoggedRecord>),
}

/// An [`Attempt`] in a log.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct LoggedAttempt {
    /// The number of the attempt, from 1.
    #[serde(rename = "attempt")]
    pub number: u32,
    /// The kind of its outcome.
    pub status: Status,
    /// When the function was called, by the wall clock.
    #[serde(default, deserialize_with = "moment")]
    pub started_at: Option<SystemTime>,
    /// How long the function ran.
    #[serde(rename = "duration_sec", deserialize_with = "seconds")]
    pub duration: Duration,
    /// The reason why there is no result, in one line.
    pub error: Option<String>,
    /// The failure, as a record [serializes](crate::Record#json) it.
    pub failure: Option<Value>,
    /// The processor time and memory that it used.
    #[serde(default, deserialize_with = "usage")]
    pub usage: Usage,
    /// The processes that it left running, as a record serializes them.
    #[serde(default)]
    pub sweep: Value,
    /// The stacks of its processes when it was stopped, as [`ProcessSnapshot::tree`] writes them.
    #[serde(skip)]
    pub stacks: Option<String>,
    /// The captured standard output, if another attempt followed.
    pub stdout: Option<String>,
    /// The captured standard error, if another attempt followed.
    pub stderr: Option<String>,
    /// The end of the standard error, if another attempt followed.
    pub stderr_tail: Option<String>,
}

/// A [`Record`](crate::Record) in a log, without the result.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct LoggedRecord {
    /// The kind of the outcome.
    pub status: Status,
    /// When the function was called in the last attempt, by the wall clock.
    #[serde(default, deserialize_with = "moment")]
    pub started_at: Option<SystemTime>,
    /// How long the function ran in the last attempt.
    #[serde(rename = "duration_sec", deserialize_with = "seconds")]
    pub duration: Duration,
    /// How long it ran in all attempts together.
    #[serde(rename = "total_duration_sec", deserialize_with = "seconds")]
    pub total_duration: Duration,
    /// The reason why there is no result, in one line.
    pub error: Option<String>,
    /// The failure, as a record [serializes](crate::Record#json) it.
    pub failure: Option<Value>,
    /// The reason why the log lacks the result of a job that gave one: JSON can't hold it.
    pub result_error: Option<String>,
    /// How the process failed after its outcome, in the same form.
    pub exit_failure: Option<Value>,
    /// Other panics of the job, as a record serializes them.
    #[serde(default)]
    pub panics: Vec<Value>,
    /// The processor time and memory of the last attempt.
    #[serde(default, deserialize_with = "usage")]
    pub usage: Usage,
    /// The processes that the last attempt left running, as a record serializes them.
    #[serde(default)]
    pub sweep: Value,
    /// The stacks of the last attempt's processes when it was stopped, as [`ProcessSnapshot::tree`] writes them.
    #[serde(skip)]
    pub stacks: Option<String>,
    /// The captured standard output of the last attempt.
    pub stdout: Option<String>,
    /// The captured standard error of the last attempt.
    pub stderr: Option<String>,
    /// The end of the standard error of the last attempt.
    pub stderr_tail: Option<String>,
    /// `true` if the job gave a result after an attempt that had not.
    #[serde(default)]
    pub flaky: bool,
    /// `true` if [a stop](crate::Record::is_interrupted) kept the job from finishing.
    #[serde(default)]
    pub interrupted: bool,
    /// The number of attempts.
    #[serde(default = "one", rename = "attempts", deserialize_with = "count")]
    pub attempts: usize,
}

impl LoggedEvent {
    /// Returns the name of the job in a report: its id, or that of its function if the id is empty, as some readers skip what
    /// has no name.
    pub(super) fn name(&self) -> &str {
        if self.job_id.is_empty() { &self.job } else { &self.job_id }
    }
}

impl LoggedAttempt {
    pub(super) fn of(attempt: &Attempt) -> Self {
        Self {
            number: attempt.number(),
            status: attempt.status(),
            started_at: attempt.started_at(),
            duration: attempt.duration(),
            error: attempt.error(),
            failure: value(attempt.outcome.without_value().into_result().err()),
            usage: attempt.usage(),
            sweep: value(Some(attempt.sweep())).unwrap_or_default(),
            stacks: stacks_text(attempt.stacks()),
            stdout: None,
            stderr: None,
            stderr_tail: None,
        }
    }
}

impl LoggedRecord {
    pub(super) fn of(record: &RunReport) -> Self {
        let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        Self {
            status: record.status(),
            started_at: record.started_at(),
            duration: record.duration(),
            total_duration: record.total_duration(),
            error: record.error(),
            failure: value(record.outcome.without_value().into_result().err()),
            result_error: None,
            exit_failure: value(record.exit_failure()),
            panics: record.panics().iter().filter_map(|panic| value(Some(panic))).collect(),
            usage: record.usage(),
            sweep: value(Some(record.sweep())).unwrap_or_default(),
            stacks: stacks_text(record.stacks()),
            stdout: record.stdout().map(std::borrow::Cow::into_owned),
            stderr: record.stderr().map(std::borrow::Cow::into_owned),
            stderr_tail: text(record.stderr_tail()),
            flaky: record.is_flaky(),
            interrupted: record.is_interrupted(),
            attempts: record.attempts().len().max(1),
        }
    }
}

/// Returns the stacks of a job's processes as text, if there are any.
pub(super) fn stacks_text(stacks: &[ProcessSnapshot]) -> Option<String> {
    (!stacks.is_empty()).then(|| ProcessSnapshot::tree(stacks).to_string())
}

/// Serializes what consists of numbers and text only, which can't fail.
fn value(part: Option<impl serde::Serialize>) -> Option<Value> {
    part.map(|part| serde_json::to_value(part).unwrap_or_default())
}

/// Defines how an observer's event becomes a logged one.
macro_rules! logged {
    ($($event:ident($it:ident) => $kind:expr;)*) => {$(
        impl From<&$event<'_>> for LoggedEvent {
            fn from($it: &$event<'_>) -> Self {
                let (job_id, job) = ($it.job_id.to_owned(), $it.job.to_owned());
                Self { at: $it.at, key: $it.key, job_id, job, kind: $kind }
            }
        }

        impl $event<'_> {
            /// Returns the event as reports need it: it is converted once for all of them.
            #[allow(dead_code, reason = "no report is made of progress and checkpoints")]
            pub(super) fn logged(&self) -> Arc<LoggedEvent> {
                self.memo.get_or_make(|| self.into())
            }
        }
    )*};
}

logged! {
    Queued(it) => LoggedKind::Queued { group: it.group.map(str::to_owned), follows: it.follows };
    Postponed(it) => LoggedKind::Postponed { running: it.running, reason: it.reason.to_owned() };
    Started(it) => {
        let host = it.host.map(str::to_owned);
        LoggedKind::Started { attempt: it.attempt, slot: it.slot, process: it.process, host }
    };
    Progress(it) => LoggedKind::Progress { attempt: it.attempt, done: it.done, total: it.total };
    Message(it) => LoggedKind::Message { attempt: it.attempt, text: it.text.to_owned() };
    CheckpointSaved(it) => LoggedKind::CheckpointSaved { attempt: it.attempt, bytes: it.checkpoint.len() as u64 };
    Slow(it) => LoggedKind::Slow { attempt: it.attempt, after: it.after };
    Terminating(it) => LoggedKind::Terminating { attempt: it.attempt, reason: it.reason.to_owned() };
    AttemptEnded(it) => {
        let mut attempt = LoggedAttempt::of(it.attempt);
        let stream = |stream| Some(it.output?.text(stream)?.into_owned());
        (attempt.stdout, attempt.stderr) = (stream(StandardStream::Stdout), stream(StandardStream::Stderr));
        attempt.stderr_tail = Some(it.stderr_tail.to_owned()).filter(|tail| !tail.is_empty());
        LoggedKind::AttemptEnded { attempt: Box::new(attempt), slot: it.slot, retry_in: it.retry_in }
    };
    Recorded(it) => LoggedKind::Recorded(Box::new(LoggedRecord::of(&it.record.run)));
}

fn one() -> usize {
    1
}

/// Reads a list, of which only the length is kept.
fn count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    Ok(Vec::<serde::de::IgnoredAny>::deserialize(deserializer)?.len().max(1))
}

/// Reads a number of seconds; one that is no duration is zero.
fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    Ok(Duration::try_from_secs_f64(f64::deserialize(deserializer)?).unwrap_or_default())
}

/// Reads a moment; one that can't be read is none.
fn moment<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SystemTime>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.and_then(|text| parse_moment(&text)))
}

/// Returns the seconds from one moment to another; less than zero if that is earlier, as the wall clock may be set.
pub(super) fn seconds_between(zero: SystemTime, moment: SystemTime) -> f64 {
    moment.duration_since(zero).map_or_else(|before| -before.duration().as_secs_f64(), |since| since.as_secs_f64())
}

/// Moves the beginning of the logged runs to this moment if it is earlier, and returns whether it is.
pub(super) fn begins_earlier(begin: &mut Option<SystemTime>, moment: SystemTime) -> bool {
    let is_earlier = begin.is_none_or(|begin| moment < begin);
    if is_earlier {
        *begin = Some(moment);
    }
    is_earlier
}

pub(super) fn parse_moment(text: &str) -> Option<SystemTime> {
    chrono::DateTime::parse_from_rfc3339(text).ok().map(SystemTime::from)
}

fn usage<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Usage, D::Error> {
    #[derive(Deserialize)]
    struct Numbers {
        user_sec: f64,
        system_sec: f64,
        peak_memory_bytes: u64,
    }

    let Numbers { user_sec, system_sec, peak_memory_bytes: peak_memory } = Numbers::deserialize(deserializer)?;
    let time = |seconds| Duration::try_from_secs_f64(seconds).unwrap_or_default();
    Ok(Usage { user: time(user_sec), system: time(system_sec), peak_memory })
}
