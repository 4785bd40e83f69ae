//! `WorkerEvent`: what is told of a job by whoever watches over its process.

use std::time::Duration;

#[cfg(unix)]
use crate::wire::codec;
#[cfg(unix)]
use crate::wire::frame::Frame;
use crate::wire::frame::FrameKind;
use crate::wire::message::{ExitReport, Hello, SpawnMode};

/// What is told of a job.
#[derive(Debug)]
#[cfg_attr(windows, expect(dead_code, reason = "only a warden says all of it"))]
pub(crate) enum WorkerEvent {
    /// Its process exists.
    Hello(Hello),
    /// Its process could not be made, and why.
    Refused(String),
    /// There was no room for its process, and why.
    NoRoom(String),
    /// Its process has ended, and all that it started. The last word; without a report if that can't be read.
    Exit(Option<ExitReport>),
    /// Its process kills itself at a deadline that the parent has not kept, after its function ran that long.
    Expired(Duration),
    /// How the processes of jobs will be made.
    Ready(SpawnMode),
    /// None of these, but a frame of this kind, or one that can't be read.
    Unexpected(FrameKind),
}

/// What came of listening for a word.
#[derive(Debug)]
#[cfg_attr(windows, expect(dead_code, reason = "only a warden says all of it"))]
pub(crate) enum Received {
    Event(WorkerEvent),
    /// Something was heard, and more may be to come.
    Partial,
    /// Nothing, so far.
    WouldBlock,
    /// Nothing, and nothing will come any more.
    Closed,
}

#[cfg(unix)]
impl WorkerEvent {
    /// Reads it from a frame.
    pub(crate) fn from_frame(Frame { kind, payload }: Frame) -> Self {
        match kind {
            FrameKind::Hello => codec::decode(&payload).map_or(Self::Unexpected(kind), Self::Hello),
            FrameKind::Refused => Self::Refused(String::from_utf8_lossy(&payload).into_owned()),
            FrameKind::NoRoom => Self::NoRoom(String::from_utf8_lossy(&payload).into_owned()),
            FrameKind::Exit => Self::Exit(codec::decode(&payload).ok()),
            FrameKind::Expired => codec::decode(&payload).map_or(Self::Unexpected(kind), Self::Expired),
            FrameKind::Ready => codec::decode(&payload).map_or(Self::Unexpected(kind), Self::Ready),
            kind => Self::Unexpected(kind),
        }
    }
}
