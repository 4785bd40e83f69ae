//! `WorkerEvent`: a worker's report about its job.

use std::time::Duration;

#[cfg(unix)]
use crate::wire::codec;
#[cfg(unix)]
use crate::wire::frame::Frame;
use crate::wire::frame::FrameKind;
use crate::wire::message::{ExitReport, Hello, SpawnMode};
#[cfg(unix)]
use crate::wire::snapshots_message::SNAPSHOTS_LIMIT;
use crate::wire::snapshots_message::SnapshotsMessage;

/// A report about a job.
#[derive(Debug)]
#[cfg_attr(windows, expect(dead_code, reason = "only a warden sends all of them"))]
pub(crate) enum WorkerEvent {
    /// The job's process exists.
    Hello(Hello),
    /// The process could not be started, for this reason.
    Refused(String),
    /// The process could not be started for lack of resources. The text is the error.
    NoRoom(String),
    /// The process and all that it started have exited. This is the last event. `None` if the report can't be decoded.
    Exit(Option<ExitReport>),
    /// The process kills itself at a deadline that the parent has missed, after its function ran for this long.
    Expired(Duration),
    /// Where the processes of the job are.
    Snapshots(SnapshotsMessage),
    /// How the worker will start the processes of jobs.
    Ready(SpawnMode),
    /// Another kind of frame, or one that can't be decoded.
    Unexpected(FrameKind),
}

/// The result of reading once from a worker.
#[derive(Debug)]
#[cfg_attr(windows, expect(dead_code, reason = "only a warden sends all of them"))]
pub(crate) enum Received {
    Event(WorkerEvent),
    /// Something was read, and more may be available.
    Partial,
    /// Nothing is available.
    WouldBlock,
    /// The stream has ended.
    Closed,
}

#[cfg(unix)]
impl WorkerEvent {
    /// Decodes a frame.
    pub(crate) fn from_frame(Frame { kind, payload }: Frame) -> Self {
        match kind {
            FrameKind::Hello => codec::decode(&payload).map_or(Self::Unexpected(kind), Self::Hello),
            FrameKind::Refused => Self::Refused(String::from_utf8_lossy(&payload).into_owned()),
            FrameKind::NoRoom => Self::NoRoom(String::from_utf8_lossy(&payload).into_owned()),
            FrameKind::Exit => Self::Exit(codec::decode(&payload).ok()),
            FrameKind::Expired => codec::decode(&payload).map_or(Self::Unexpected(kind), Self::Expired),
            FrameKind::Snapshots if payload.len() > SNAPSHOTS_LIMIT => Self::Unexpected(kind),
            FrameKind::Snapshots => codec::decode(&payload).map_or(Self::Unexpected(kind), Self::Snapshots),
            FrameKind::Ready => codec::decode(&payload).map_or(Self::Unexpected(kind), Self::Ready),
            kind => Self::Unexpected(kind),
        }
    }
}
