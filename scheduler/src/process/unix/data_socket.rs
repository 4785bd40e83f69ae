//! `DataSocket`: the socket under a stream, which never blocks.

use std::io::{self, Read};
use std::net::Shutdown;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;
use rustix::net::RecvFlags;

use super::channel;

/// The parent's end.
#[derive(Debug)]
pub(crate) struct DataSocket(UnixStream);

impl DataSocket {
    /// Opens one, and returns it with the job's end.
    pub(in crate::process) fn open() -> io::Result<(Self, OwnedFd)> {
        let (parents, jobs) = channel::pair()?;
        rustix::io::ioctl_fionbio(&parents, true)?;
        Ok((Self(parents), jobs.into()))
    }

    /// Says whether the other end is closed, if nothing has been said there.
    pub(in crate::process) fn has_ended(&self) -> bool {
        let peeked = rustix::net::recv(&self.0, &mut [0; 1][..], RecvFlags::PEEK | RecvFlags::DONTWAIT);
        !matches!(peeked, Ok((1.., _)) | Err(Errno::WOULDBLOCK))
    }

    /// Sends as much as is taken now.
    pub(in crate::process) fn send(&mut self, bytes: &[u8]) -> io::Result<usize> {
        channel::send(self.0.as_fd(), bytes, &[])
    }

    /// Sends nothing more.
    pub(in crate::process) fn hang_up(&mut self) {
        // That it has gone is as good.
        let _ = self.0.shutdown(Shutdown::Write);
    }

    /// Returns what must be ready before there is something to read, or also before something more can be sent.
    pub(in crate::process) fn interest(&self, outgoing: PollFlags) -> PollFd<'_> {
        PollFd::new(&self.0, PollFlags::IN | outgoing)
    }
}

impl Read for DataSocket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}
