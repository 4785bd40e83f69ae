//! `DataStream`: the parent's connection to one job, with frames in and bytes out.

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::sync::Arc;

use super::DataSocket;
use crate::wire::frame::{FrameError, FrameReader, ReadStep};

/// The parent's connection to a job. It never blocks.
#[derive(Debug)]
pub(crate) struct DataStream {
    data: Option<DataSocket>,
    /// Messages that are not sent completely yet.
    outgoing: VecDeque<Arc<Vec<u8>>>,
    /// The number of bytes of the first one that are sent.
    sent: usize,
    send_error: Option<io::Error>,
}

impl DataStream {
    /// Returns a stream over this socket.
    pub(super) fn new(socket: DataSocket) -> Self {
        Self { data: Some(socket), outgoing: VecDeque::new(), sent: 0, send_error: None }
    }

    /// Returns whether the job's end is closed. Call it before the job is called: it has sent nothing then.
    pub(crate) fn is_closed_by_job(&self) -> bool {
        self.data.as_ref().is_none_or(DataSocket::is_closed_by_peer)
    }

    /// Sends bytes: now, as many as there is room for, and the rest when the socket is ready.
    pub(crate) fn send(&mut self, bytes: Arc<Vec<u8>>) {
        self.outgoing.push_back(bytes);
        self.flush();
    }

    /// Returns the number of bytes that the job has not taken yet.
    pub(crate) fn unsent(&self) -> usize {
        self.outgoing.iter().map(|bytes| bytes.len()).sum()
    }

    /// Reads once from the job, without waiting.
    pub(crate) fn read(&mut self, frames: &mut FrameReader) -> Result<ReadStep, FrameError> {
        self.flush();
        let Some(data) = &mut self.data else {
            return Ok(ReadStep::End);
        };
        let progress = match frames.read(data) {
            // The job has exited with something unread, such as its arguments.
            Err(FrameError::Io(error)) if error.kind() == ErrorKind::ConnectionReset => Ok(ReadStep::End),
            progress => progress,
        };
        if matches!(progress, Ok(ReadStep::End) | Err(_)) {
            self.data = None;
        }
        progress
    }

    /// Returns the error that a send has failed with, unless it was that the job has closed its end.
    pub(crate) fn send_error(&self) -> Option<&io::Error> {
        let is_closed = |error: &io::Error| matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset);
        self.send_error.as_ref().filter(|error| !is_closed(error))
    }

    /// Returns the socket, while it is open.
    pub(super) fn socket(&self) -> Option<&DataSocket> {
        self.data.as_ref()
    }

    /// Returns whether something is still to be sent.
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
                    // If the job is still there, it must not wait for the rest of a message: send the end of the stream.
                    data.hang_up();
                    self.outgoing.clear();
                    self.send_error.get_or_insert(error);
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
