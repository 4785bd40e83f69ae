//! `Warden`: whoever watches over a job, as the supervisor speaks with him, whichever run he is there for.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;

use crate::child;
use crate::launcher::Launcher;
use crate::process::{ChildStdio, DefaultOutput, HAS_FORK_SERVERS, Received, RunMarker, Stream, Worker};
use crate::wire::frame::StreamMark;
use crate::wire::message::Request;

/// A warden: a process of its own where the platform has such, else what its [`Worker`] makes of the job's process.
#[derive(Debug)]
pub(crate) struct Warden {
    pub(super) worker: Worker,
    /// What marks its processes, should it be lost.
    pub(super) run_marker: RunMarker,
    /// It has said something, and was there for that.
    has_spoken: bool,
}

impl Warden {
    /// Starts one, whose jobs print to this outlet.
    pub(super) fn start(launcher: Launcher, default_output: DefaultOutput) -> io::Result<Self> {
        let run_marker = RunMarker::new(random());
        let mut command = launcher.command(&child::role());
        let worker = Worker::spawn(&mut command, &run_marker, new_mark(), default_output)?;
        Ok(Self { worker, run_marker, has_spoken: false })
    }

    /// Asks it how it will make processes.
    pub(super) fn ask(&mut self) {
        self.worker.ask();
    }

    /// Has it start a job, and to which ends to write, and returns the stream to that.
    pub(super) fn assign(&mut self, request: &mut Request, ends: &ChildStdio) -> io::Result<Stream> {
        self.worker.assign(request, ends)
    }

    /// Tells it to end the job and all that it started.
    pub(super) fn request_kill(&mut self) {
        self.worker.request_kill();
    }

    /// Tells it to ask the job, and what the job started, to end.
    pub(super) fn request_terminate(&mut self) {
        self.worker.request_terminate();
    }

    /// Listens for a step to what it says.
    pub(super) fn listen(&mut self) -> Received {
        let heard = self.worker.listen();
        self.has_spoken |= matches!(heard, Received::Event(_) | Received::Partial);
        heard
    }

    /// Says whether it is a process of its own that has said nothing so far. It has not begun to work, so that there is nobody
    /// to tell anything, and nothing to sweep.
    pub(super) fn is_mute(&self) -> bool {
        HAS_FORK_SERVERS && !self.has_spoken
    }
}

/// Returns a mark that no other stream has.
pub(super) fn new_mark() -> StreamMark {
    StreamMark::from_bytes(random())
}

/// Returns random bytes. What hashes maps against attackers is good enough against accidents.
pub(super) fn random() -> [u8; 16] {
    let mut bytes = [0; 16];
    // A fork has the keys of its parent, and would get the same numbers.
    let process = std::process::id();
    for half in bytes.chunks_exact_mut(8) {
        let mut hasher = RandomState::new().build_hasher();
        hasher.write_u32(process);
        half.copy_from_slice(&hasher.finish().to_le_bytes());
    }
    bytes
}
