//! `FrameSender`: the job's way to its parent.

use std::fmt;
use std::io;
use std::process;
use std::sync::Mutex;

use crate::process::Outgoing;
use crate::sync::lock;
use crate::wire::codec;
use crate::wire::frame::{self, FrameKind, StreamMark};

/// The way to the parent, for the job's thread and for the panics of all others.
///
/// A copy that user code forked may come by as well; it has nothing to tell.
pub(crate) struct FrameSender {
    pub(super) job: u32,
    mark: StreamMark,
    outgoing: Mutex<Outgoing>,
}

impl FrameSender {
    /// Returns the one of this process.
    pub(super) fn new(mark: StreamMark, outgoing: Outgoing) -> Self {
        Self { job: process::id(), mark, outgoing: Mutex::new(outgoing) }
    }

    /// Says whether this is the job's process, and no copy that the job forked.
    pub(super) fn is_own_process(&self) -> bool {
        process::id() == self.job
    }

    pub(super) fn send(&self, kind: FrameKind, payload: &[u8]) -> io::Result<()> {
        self.write(|outgoing| frame::write(outgoing, self.mark, kind, payload))
    }

    pub(super) fn send_encoded(&self, kind: FrameKind, payload: &impl serde::Serialize) -> io::Result<()> {
        self.send(kind, &codec::encode(payload).map_err(io::Error::other)?)
    }

    fn write(&self, write: impl FnOnce(&mut Outgoing) -> io::Result<()>) -> io::Result<()> {
        if !self.is_own_process() {
            return Err(io::Error::other("this process was forked by the job"));
        }
        let mut outgoing = lock(&self.outgoing);
        outgoing.check()?;
        write(&mut outgoing)
    }
}

impl fmt::Debug for FrameSender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Teller").field("job", &self.job).finish_non_exhaustive()
    }
}
