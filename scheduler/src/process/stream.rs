//! `Stream`: the parent's end of what joins it to one job.

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::sync::Arc;

use super::DataSocket;
use crate::wire::frame::{FrameError, FrameReader, ReadStep};

/// The stream to and from a job, which never blocks.
#[derive(Debug)]
pub(crate) struct Stream {
    data: Option<DataSocket>,
    /// What the job has not taken yet.
    outgoing: VecDeque<Arc<Vec<u8>>>,
    /// How much of the first of them has been sent.
    sent: usize,
    unsent: Option<io::Error>,
}

impl Stream {
    /// Returns one over this link.
    pub(super) fn over(link: DataSocket) -> Self {
        Self { data: Some(link), outgoing: VecDeque::new(), sent: 0, unsent: None }
    }

    /// Says whether the job's end is closed, of a job that has not been called yet.
    pub(crate) fn has_ended(&self) -> bool {
        self.data.as_ref().is_none_or(DataSocket::has_ended)
    }

    /// Sends the job these bytes, now as far as the stream takes them, and the rest when it is ready.
    pub(crate) fn send(&mut self, bytes: Arc<Vec<u8>>) {
        self.outgoing.push_back(bytes);
        self.flush();
    }

    /// Reads a step of what the job says.
    pub(crate) fn read(&mut self, frames: &mut FrameReader) -> Result<ReadStep, FrameError> {
        self.flush();
        let Some(data) = &mut self.data else {
            return Ok(ReadStep::End);
        };
        let progress = match frames.read(data) {
            // It has ended with something unread, such as its arguments.
            Err(FrameError::Io(error)) if error.kind() == ErrorKind::ConnectionReset => Ok(ReadStep::End),
            progress => progress,
        };
        if matches!(progress, Ok(ReadStep::End) | Err(_)) {
            self.data = None;
        }
        progress
    }

    /// Returns why something could not be sent to the job, unless it had gone.
    pub(crate) fn unsent(&self) -> Option<&io::Error> {
        let has_gone = |error: &io::Error| matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset);
        self.unsent.as_ref().filter(|error| !has_gone(error))
    }

    /// Returns the link, while it is open.
    pub(super) fn link(&self) -> Option<&DataSocket> {
        self.data.as_ref()
    }

    /// Says whether the job has not taken everything yet.
    pub(super) fn has_outgoing(&self) -> bool {
        !self.outgoing.is_empty()
    }

    fn flush(&mut self) {
        let Some(data) = &mut self.data else {
            return;
        };
        while let Some(bytes) = self.outgoing.front() {
            match data.send(&bytes[self.sent..]) {
                Ok(count) => self.sent += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    // Whether it has gone or just can't be told, it must not wait for the rest of a message.
                    data.hang_up();
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
