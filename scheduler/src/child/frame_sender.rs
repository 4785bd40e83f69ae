//! `FrameSender`: sends frames from the job to the parent.

use std::fmt;
use std::io;
use std::process;
use std::sync::Mutex;

use crate::process::Outgoing;
use crate::sync::lock;
use crate::wire::codec;
use crate::wire::frame::{self, FrameKind, StreamMark};

/// The sending half of the data stream, for all threads of the job. A fork of the job can't send.
pub(crate) struct FrameSender {
    pub(super) job: u32,
    mark: StreamMark,
    /// `None` once it is closed.
    outgoing: Mutex<Option<Outgoing>>,
}

impl FrameSender {
    /// Returns the sender of this process.
    pub(super) fn new(mark: StreamMark, outgoing: Outgoing) -> Self {
        Self { job: process::id(), mark, outgoing: Mutex::new(Some(outgoing)) }
    }

    /// Returns whether this is the job's process, not a fork of it.
    pub(super) fn is_own_process(&self) -> bool {
        process::id() == self.job
    }

    pub(super) fn send(&self, kind: FrameKind, payload: &[u8]) -> io::Result<()> {
        if !self.is_own_process() {
            return Err(io::Error::other("this process was forked by the job"));
        }
        let mut outgoing = lock(&self.outgoing);
        let outgoing = outgoing.as_mut().ok_or_else(|| io::Error::other("the job's call has ended"))?;
        outgoing.check()?;
        frame::write(outgoing, self.mark, kind, payload)
    }

    /// Ends the other direction of the stream: a thread that reads from it finds its end.
    pub(super) fn stop_incoming(&self) {
        lock(&self.outgoing).iter().for_each(Outgoing::stop_incoming);
    }

    /// Closes the stream in this direction.
    pub(super) fn close(&self) {
        *lock(&self.outgoing) = None;
    }

    pub(super) fn send_encoded(&self, kind: FrameKind, payload: &impl serde::Serialize) -> io::Result<()> {
        self.send(kind, &codec::encode(payload).map_err(io::Error::other)?)
    }
}

impl fmt::Debug for FrameSender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FrameSender").field("job", &self.job).finish_non_exhaustive()
    }
}
