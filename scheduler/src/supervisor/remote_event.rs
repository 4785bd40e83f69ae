//! `RemoteEvent` and `RemoteCommand`: what happens to an attempt on another machine, and what is demanded of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use super::state_machine::{StopMode, StopReason};
use super::updates::JobUpdate;
use crate::record::{RunReport, Site};

/// The identity of an attempt among all of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct RemoteId(pub(crate) u64);

impl RemoteId {
    pub(super) fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// What happens to an attempt.
#[derive(Debug)]
pub(crate) enum RemoteEvent {
    /// Its function was called.
    Started {
        at: SystemTime,
        process: Option<u32>,
        site: Site,
    },
    Updated(Vec<JobUpdate>),
    /// A question, with the number of its request.
    Asked(u64, Vec<u8>),
    /// The job has received this many messages more.
    Received(usize),
    Finished(Box<RunReport>),
}

/// What an event loop demands of an attempt.
#[derive(Debug)]
pub(crate) enum RemoteCommand {
    Stop(StopReason, StopMode),
    Message(Arc<Vec<u8>>),
    /// The answer to the question with this number.
    Answer(u64, Result<Vec<u8>, String>),
}
