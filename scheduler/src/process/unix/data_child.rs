//! `DataChild`: the job's end of its data socket, and its two directions, [`Incoming`] and [`Outgoing`].

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::io::Errno;
use rustix::net::{RecvFlags, Shutdown};

use super::descriptor::{FileIdentity, clear_of, identity, private};
use super::socket::NO_SIGNAL;

/// The job's end of the data socket.
#[derive(Debug)]
pub(crate) struct DataChild {
    socket: OwnedFd,
    identity: FileIdentity,
}

/// The direction from the parent to the job.
#[derive(Debug)]
pub(crate) struct Incoming(Arc<DataChild>);

/// The direction from the job to the parent.
#[derive(Debug)]
pub(crate) struct Outgoing(Arc<DataChild>);

impl DataChild {
    /// Duplicates the socket to a private number, which user code doesn't expect to use.
    pub(crate) fn new(socket: &OwnedFd) -> io::Result<Self> {
        let socket = private(socket.as_fd())?;
        Ok(Self { identity: identity(socket.as_fd())?, socket })
    }

    /// Moves the socket to a number that isn't one of `taken`.
    pub(crate) fn clear_of(self, taken: &[i32]) -> io::Result<Self> {
        Ok(Self { socket: clear_of(self.socket, taken)?, ..self })
    }

    /// Returns the two directions, each of which can be used on a thread of its own.
    pub(crate) fn split(self) -> (Incoming, Outgoing) {
        let both = Arc::new(self);
        (Incoming(Arc::clone(&both)), Outgoing(both))
    }

    /// Fails if the job closed the descriptor: the number may be another file of the job by now.
    fn check(&self) -> io::Result<()> {
        if identity(self.socket.as_fd())? == self.identity {
            return Ok(());
        }
        Err(io::Error::other("the job has closed the stream, and its descriptor is another file now"))
    }
}

impl AsFd for DataChild {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Incoming {
    /// Fails if the descriptor is another file by now, which must not be read.
    pub(crate) fn check(&self) -> io::Result<()> {
        self.0.check()
    }

    /// Returns whether there is something to read, or the end of the stream.
    pub(crate) fn is_ready(&self) -> bool {
        let peeked = rustix::net::recv(&self.0.socket, &mut [0; 1][..], RecvFlags::PEEK | RecvFlags::DONTWAIT);
        !matches!(peeked, Err(Errno::WOULDBLOCK))
    }
}

impl Read for Incoming {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(rustix::io::read(&self.0.socket, buffer)?)
    }
}

impl Outgoing {
    /// Fails if the descriptor is another file by now, which an outcome would corrupt.
    pub(crate) fn check(&self) -> io::Result<()> {
        self.0.check()
    }

    /// Ends the other direction: a thread that reads from it finds its end.
    pub(crate) fn stop_incoming(&self) {
        if self.check().is_ok() {
            // The parent may be gone.
            let _ = rustix::net::shutdown(&self.0.socket, Shutdown::Read);
        }
    }
}

impl Write for Outgoing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(rustix::net::send(&self.0.socket, bytes, NO_SIGNAL)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::super::descriptor::null;
    use super::*;

    #[test]
    fn a_descriptor_that_became_another_file_is_detected() {
        let (_parent, job) = UnixStream::pair().expect("a socket pair");
        let data = DataChild::new(&job.into()).expect("a socket has an identity");
        let other = DataChild { socket: null().expect("the null device"), identity: data.identity };
        assert!(data.split().1.check().is_ok());
        assert!(other.split().1.check().is_err());
    }
}
