//! The payloads of frames.

use std::time::Duration;

use std::ffi::OsString;

use serde::{Deserialize, Serialize};

use crate::evidence::{Exit, Sweep, Usage};
use crate::failure::Panic;
use crate::options::{Environment, Limits};
use crate::wire::frame::Mark;

/// [`Kind::Request`](super::frame::Kind::Request): which job to run. With it travel the descriptors of the job's stream from
/// and to the parent, and of those standard streams that lead [along](Leads::Along).
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Request {
    /// What the caller calls the run.
    pub(crate) id: String,
    /// Which attempt it is, from 1.
    pub(crate) attempt: u32,
    /// How long the function may run, by the parent's clock, if there is a limit.
    pub(crate) timeout: Option<Duration>,
    /// The job's registered name.
    pub(crate) job: String,
    /// What tells the parent's file from one that has taken its place, where the kernel doesn't keep the image.
    pub(crate) stamp: Option<u64>,
    /// What the parent takes the job's parameters and result to be; another build may differ.
    pub(crate) signature: u64,
    /// What the frames between parent and job bear.
    pub(crate) mark: Mark,
    pub(crate) next: Next,
    /// What the job's process is held to, and whatever that starts.
    pub(crate) limits: Option<Limits>,
    /// What of its environment is changed.
    pub(crate) environment: Option<Environment>,
    /// Where its standard output leads.
    pub(crate) stdout: Leads,
    /// Where its standard error leads.
    pub(crate) stderr: Leads,
}

/// Where a job's standard stream leads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Leads {
    /// Where that of its process leads anyway.
    Unchanged,
    /// To what comes along with the request: by this number on Windows, by its place elsewhere.
    Along(u64),
    Nowhere,
    /// To the end of the file with this path, which need not be text.
    ToFile(OsString),
}

/// What a warden does after a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Next {
    End,
    /// There may be another one.
    Stay,
}

/// [`Kind::Ready`](super::frame::Kind::Ready): how a warden will make the processes of its jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Ready {
    /// It forks them.
    ToFork,
    /// It executes the binary once more for each, as it has threads.
    ToExecute,
}

/// [`Kind::Hello`](super::frame::Kind::Hello) and [`Kind::Started`](super::frame::Kind::Started): the job's process exists.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Hello {
    /// Its process id, which is the id of its session and process group, too.
    pub(crate) job: u32,
}

/// [`Kind::Exit`](super::frame::Kind::Exit): the warden's last word.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ExitReport {
    /// How the job's process ended; `None` if the kernel would not let it go in time.
    pub(crate) exit: Option<Exit>,
    pub(crate) usage: Usage,
    pub(crate) sweep: Sweep,
}

/// How many bytes the text of a [`Kind::Message`](super::frame::Kind::Message) may take.
pub(crate) const TEXT_LIMIT: usize = 4096;

/// [`Kind::Failed`](super::frame::Kind::Failed): why the function gave no value.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Report {
    Returned { message: String, sources: Vec<String> },
    Panicked(Panic),
    Unserializable { message: String },
}
