//! `DataSocket`: the parent's end of a job's data socket, which never blocks.

use std::io::{self, Read};
use std::net::Shutdown;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::event::PollFlags;
use rustix::io::Errno;
use rustix::net::RecvFlags;

use super::poll::Awaited;
use super::socket;

/// The parent's end of a data socket.
#[derive(Debug)]
pub(crate) struct DataSocket(UnixStream);

impl DataSocket {
    /// Opens a socket, and returns it with the job's end.
    pub(in crate::process) fn open() -> io::Result<(Self, OwnedFd)> {
        let (parents, jobs) = socket::pair()?;
        Ok((Self(parents), jobs.into()))
    }

    /// Returns whether the other end is closed. Unread bytes count as open.
    pub(in crate::process) fn is_closed_by_peer(&self) -> bool {
        let peeked = rustix::net::recv(&self.0, &mut [0; 1][..], RecvFlags::PEEK | RecvFlags::DONTWAIT);
        !matches!(peeked, Ok((1.., _)) | Err(Errno::WOULDBLOCK))
    }

    /// Sends as much as the socket has room for.
    pub(in crate::process) fn send(&mut self, bytes: &[u8]) -> io::Result<usize> {
        socket::send(self.0.as_fd(), bytes, &[])
    }

    /// Sends the end of the stream.
    pub(in crate::process) fn hang_up(&mut self) {
        // The job may have closed its end already.
        let _ = self.0.shutdown(Shutdown::Write);
    }

    /// Returns the interest in something to read, and in `outgoing`.
    pub(in crate::process) fn interest(&self, outgoing: PollFlags) -> Awaited<'_> {
        Awaited::new(&self.0, PollFlags::IN | outgoing)
    }
}

impl Read for DataSocket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        socket::receive_bytes(self.0.as_fd(), buffer)
    }
}
