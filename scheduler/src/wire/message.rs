//! The payloads of frames.

use serde::{Deserialize, Serialize};

use crate::evidence::{Exit, Sweep, Usage};
use crate::failure::Panic;

/// [`Kind::Request`](super::frame::Kind::Request): which job to run.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Request {
    /// The job's registered name.
    pub(crate) job: String,
    /// What the parent takes the job's parameters and result to be; another build may differ.
    pub(crate) signature: u64,
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
    /// The job died of SIGKILL, and the kernel says that it has ended a process for want of memory.
    pub(crate) out_of_memory: bool,
}

/// [`Kind::Failed`](super::frame::Kind::Failed): why the function gave no value.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Report {
    Returned { message: String, sources: Vec<String> },
    Panicked(Panic),
    Unserializable { message: String },
}
