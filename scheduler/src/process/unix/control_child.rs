//! `ControlChild`: the copy's end of the control socket, on which requests and their descriptors arrive.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::event::{PollFd, PollFlags};

use super::poll;
use super::socket::{self, NO_SIGNAL};
use crate::clock::Deadline;

/// The copy's end of the control socket. Reading never waits; writing does.
#[derive(Debug)]
pub(crate) struct ControlChild {
    pub(in crate::process) socket: Arc<OwnedFd>,
    pub(in crate::process) descriptors: VecDeque<OwnedFd>,
}

impl ControlChild {
    pub(crate) fn new(socket: impl Into<Arc<OwnedFd>>) -> Self {
        Self { socket: socket.into(), descriptors: VecDeque::new() }
    }

    /// Returns a reader that waits.
    pub(crate) fn waiting(&mut self) -> WaitingReader<'_> {
        WaitingReader(self)
    }

    /// Returns the socket, after all that is expected was read.
    pub(crate) fn into_socket(self) -> Arc<OwnedFd> {
        self.socket
    }

    /// Closes the descriptors of a request that was refused.
    pub(crate) fn discard_descriptors(&mut self) {
        self.descriptors.clear();
    }

    /// Removes and returns the next of the descriptors that came with a request.
    pub(super) fn next_descriptor(&mut self) -> Option<OwnedFd> {
        self.descriptors.pop_front()
    }
}

/// Reads from the socket, and waits until something arrives.
#[derive(Debug)]
pub(crate) struct WaitingReader<'a>(&'a mut ControlChild);

impl Read for WaitingReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.0.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let mut readable = [PollFd::new(&self.0.socket, PollFlags::IN)];
                    poll::poll(&mut readable, Deadline::NEVER)?;
                }
                result => return result,
            }
        }
    }
}

impl AsFd for ControlChild {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Read for ControlChild {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // A read that waited for the parent's next message would miss its exit.
        socket::receive(self.socket.as_fd(), buffer, &mut self.descriptors)
    }
}

impl Write for ControlChild {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(rustix::net::send(&self.socket, bytes, NO_SIGNAL)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn a_descriptor_travels_with_the_first_bytes() {
        let (parent, warden) = UnixStream::pair().expect("a socket pair");
        let (mut reader, writer) = io::pipe().expect("a pipe");
        socket::send(parent.as_fd(), b"abc", &[writer.as_fd()]).expect("the socket takes three bytes");
        drop(writer);
        let mut control = ControlChild::new(OwnedFd::from(warden));
        let mut bytes = [0; 8];
        assert_eq!(control.read(&mut bytes).expect("three bytes are there"), 3);
        let mut received = File::from(control.next_descriptor().expect("a descriptor came with them"));
        received.write_all(b"x").expect("the pipe takes a byte");
        drop(received);
        let mut text = String::new();
        reader.read_to_string(&mut text).expect("the pipe ends");
        assert_eq!(text, "x");
    }
}
