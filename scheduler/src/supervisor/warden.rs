//! `Warden`: a warden as the supervisor speaks with it, whichever run it is there for.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;

use crate::child;
use crate::launcher::Launcher;
use crate::process::{COOKIE, Cookie, Outlet, Stream, Worker};
use crate::wire::codec;
use crate::wire::frame::{self, FrameError, FrameReader, Kind, Mark, Progress};
use crate::wire::message::Request;

/// A warden, and the frames that come from it.
#[derive(Debug)]
pub(crate) struct Warden {
    pub(super) worker: Worker,
    /// What marks its processes, should it be lost.
    pub(super) cookie: Cookie,
    mark: Mark,
    frames: FrameReader,
}

impl Warden {
    /// Starts one, whose jobs print to this outlet.
    pub(super) fn start(launcher: Launcher, outlet: Outlet) -> io::Result<Self> {
        let mark = new_mark();
        let cookie = Cookie::new(random());
        let mut command = launcher.command(child::WARDEN);
        let worker = Worker::spawn(command.env(COOKIE, cookie.value()), outlet)?;
        Ok(Self { worker, cookie, mark, frames: FrameReader::new(mark, frame::LIMIT) })
    }

    /// Asks it how it will make processes.
    pub(super) fn ask(&mut self) {
        self.worker.send(&frame::header(self.mark, Kind::Ask, 0));
    }

    /// Has it start a job, and returns the stream to that.
    pub(super) fn assign(&mut self, request: &Request) -> io::Result<Stream> {
        let request = codec::encode(request).expect("text and numbers always encode");
        let mut message = frame::header(self.mark, Kind::Request, request.len()).to_vec();
        message.extend(request);
        Stream::open(&mut self.worker, &message)
    }

    /// Tells it to end the job and all that it started.
    pub(super) fn tell_to_kill(&mut self) {
        self.worker.send(&frame::header(self.mark, Kind::Kill, 0));
    }

    /// Reads a step of what it says.
    pub(super) fn read(&mut self) -> Result<Progress, FrameError> {
        self.worker.read(&mut self.frames)
    }
}

/// Returns a mark that no other stream has.
pub(super) fn new_mark() -> Mark {
    Mark::from_bytes(random())
}

/// Returns random bytes. What hashes maps against attackers is good enough against accidents.
fn random() -> [u8; 16] {
    let mut bytes = [0; 16];
    for half in bytes.chunks_exact_mut(8) {
        half.copy_from_slice(&RandomState::new().build_hasher().finish().to_le_bytes());
    }
    bytes
}
