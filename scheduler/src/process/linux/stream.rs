//! `Stream`: the parent's end of what joins it to one job.

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::net::Shutdown;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;
use rustix::net::RecvFlags;

use super::channel;
use crate::wire::frame::{FrameError, FrameReader, Progress};

/// The stream to and from a job, which never blocks.
#[derive(Debug)]
pub(crate) struct Stream {
    data: Option<UnixStream>,
    /// What the job has not taken yet.
    outgoing: VecDeque<Arc<Vec<u8>>>,
    /// How much of the first of them has been sent.
    sent: usize,
    unsent: Option<io::Error>,
}

impl Stream {
    /// Opens one, and returns it with the job's end.
    pub(super) fn open() -> io::Result<(Self, OwnedFd)> {
        let (data, jobs_data) = UnixStream::pair()?;
        rustix::io::ioctl_fionbio(&data, true)?;
        Ok((Self { data: Some(data), outgoing: VecDeque::new(), sent: 0, unsent: None }, jobs_data.into()))
    }

    /// Says whether the job's end is closed, of a job that has not been called yet.
    pub(crate) fn has_ended(&self) -> bool {
        let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
        let peeked = self.data.as_ref().map(|data| rustix::net::recv(data, &mut [0; 1][..], flags));
        !matches!(peeked, Some(Err(Errno::WOULDBLOCK)))
    }

    /// Sends the job these bytes, now as far as the stream takes them, and the rest when it is ready.
    pub(crate) fn send(&mut self, bytes: Arc<Vec<u8>>) {
        self.outgoing.push_back(bytes);
        self.flush();
    }

    /// Reads a step of what the job says.
    pub(crate) fn read(&mut self, frames: &mut FrameReader) -> Result<Progress, FrameError> {
        self.flush();
        let Some(data) = &mut self.data else {
            return Ok(Progress::End);
        };
        let progress = match frames.read(data) {
            // It has ended with something unread, such as its arguments.
            Err(FrameError::Io(error)) if error.kind() == ErrorKind::ConnectionReset => Ok(Progress::End),
            progress => progress,
        };
        if matches!(progress, Ok(Progress::End) | Err(_)) {
            self.data = None;
        }
        progress
    }

    /// Returns why something could not be sent to the job, unless it had gone.
    pub(crate) fn unsent(&self) -> Option<&io::Error> {
        let has_gone = |error: &io::Error| matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset);
        self.unsent.as_ref().filter(|error| !has_gone(error))
    }

    pub(super) fn interest(&self) -> Option<PollFd<'_>> {
        let out = if self.outgoing.is_empty() { PollFlags::empty() } else { PollFlags::OUT };
        self.data.as_ref().map(|data| PollFd::new(data, PollFlags::IN | out))
    }

    fn flush(&mut self) {
        let Some(data) = &self.data else {
            return;
        };
        while let Some(bytes) = self.outgoing.front() {
            match channel::send(data.as_fd(), &bytes[self.sent..], &[]) {
                Ok(count) => self.sent += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    // Whether it has gone or just can't be told, it must not wait for the rest of a message.
                    let _ = data.shutdown(Shutdown::Write);
                    self.outgoing.clear();
                    self.unsent.get_or_insert(error);
                    return;
                }
            }
            if self.sent == bytes.len() {
                self.outgoing.pop_front();
                self.sent = 0;
            }
        }
    }
}
